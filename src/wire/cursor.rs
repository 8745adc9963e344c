//! Where a reader stands in its bytes, and how deep: what all serializers share.
//!
//! Every step forward is checked against the bytes that are really there, and every container
//! that is entered against [`DEPTH_MAX`]. No reader needs another check of either.

use super::Malformed;
use crate::limits::DEPTH_MAX;

pub(super) const ENDS_EARLY: Malformed = Malformed("the message ends in the middle of an element");
pub(super) const NOT_AN_INTEGER: Malformed =
    Malformed("an integer that is not negative was expected");
pub(super) const NOT_UTF8: Malformed = Malformed("a text is not UTF-8");
const TOO_DEEP: Malformed = Malformed("lists and dicts are nested too deeply");
const TOO_MANY: Malformed = Malformed("a list or dict announces more than the message holds");

/// A position in a message that never leaves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    pub(super) const fn open(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// The whole message.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    /// How many octets are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next octet, without consuming it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Consumes one octet.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek().ok_or(ENDS_EARLY)?;
        self.at += 1;
        Ok(byte)
    }

    /// Consumes `count` octets.
    #[inline]
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).ok_or(ENDS_EARLY)?;
        let count = usize::try_from(count).map_err(|_| ENDS_EARLY)?;
        let taken = rest.get(..count).ok_or(ENDS_EARLY)?;
        self.at += count;
        Ok(taken)
    }

    /// Consumes `length` octets that must be text.
    #[inline]
    pub(super) fn pass_text(&mut self, length: u64) -> Result<(), Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let text = self.take(length)?;
        // Most keys are this short: one look past their end, into the next element.
        if let (0..8, Some(word)) = (length, rest.first_chunk()) {
            let beyond = u64::MAX << (8 * length);
            if u64::from_le_bytes(*word) & HIGH_BITS & !beyond == 0 {
                return Ok(());
            }
        }
        check_text(text)
    }

    /// Consumes as many octets as the array holds.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let rest = self.bytes.get(self.at..).ok_or(ENDS_EARLY)?;
        let taken = rest.first_chunk().ok_or(ENDS_EARLY)?;
        self.at += N;
        Ok(*taken)
    }

    /// Moves to `at`, which a scan over [`Self::bytes`] has found.
    #[inline]
    pub(super) fn move_to(&mut self, at: usize) {
        debug_assert!(self.at <= at && at <= self.bytes.len(), "a cursor moves forward only");
        self.at = at;
    }

    /// What was consumed since `start`, an earlier [`Self::at`].
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Enters a list or dict.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Malformed> {
        if self.depth >= DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves the innermost list or dict.
    #[inline]
    pub(super) const fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Enters a list or dict of `items` items, each of which takes at least one octet.
    ///
    /// So a length of 2^32 − 1 in a short message fails here and not after a long walk.
    #[inline]
    pub(super) fn enter_counted(&mut self, items: u64) -> Result<(), Malformed> {
        if items > self.left() as u64 {
            return Err(TOO_MANY);
        }
        self.enter()
    }

    /// Checks that nothing is left.
    pub(super) const fn end(&self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(Malformed("octets follow the message")) }
    }
}

/// `bytes` as text.
#[inline]
pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    if bytes.len() < SHORT {
        return std::str::from_utf8(bytes).map_err(|_| NOT_UTF8);
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

/// Checks that `bytes` are text.
#[inline]
pub(super) fn check_text(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.len() < SHORT && is_ascii(bytes) {
        return Ok(());
    }
    simdutf8::basic::from_utf8(bytes).map(drop).map_err(|_| NOT_UTF8)
}

/// The id that a double stands for.
///
/// JavaScript's numbers are doubles, and serializers there write whole ones as such, but only from
/// 2^32 on, where they would have to tell 64 bits apart. Ids end at 2^53.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is whole and in range stays as it is")]
pub(super) fn whole(value: f64) -> Result<u64, Malformed> {
    const LARGE: std::ops::RangeInclusive<f64> = 4_294_967_296.0..=9_007_199_254_740_992.0;
    if LARGE.contains(&value) && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(NOT_AN_INTEGER)
}

/// Below this many octets the start of a vectorized check costs more than it saves.
const SHORT: usize = 64;

/// The top bit of every octet of a word.
pub(super) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().fold(0, |seen, byte| seen | byte) < 0x80;
    };
    // The last word overlaps the one before it, so no odd octets are left over.
    let (words, _) = bytes.as_chunks::<8>();
    let seen =
        words.iter().fold(u64::from_ne_bytes(*last), |seen, word| seen | u64::from_ne_bytes(*word));
    seen & HIGH_BITS == 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]

    use super::*;

    #[test]
    fn text_is_checked_at_every_length() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(check_text(&bytes), Ok(()));
            assert!(text(&bytes).is_ok());
            for place in 0..length {
                bytes[place] = 0xff;
                assert_eq!(check_text(&bytes), Err(NOT_UTF8), "{length} {place}");
                assert_eq!(text(&bytes), Err(NOT_UTF8), "{length} {place}");
                bytes[place] = b'x';
            }
        }
        assert_eq!(check_text("löwe".as_bytes()), Ok(()));
        assert_eq!(check_text(b"\xed\xa0\x80"), Err(NOT_UTF8), "a surrogate");
        assert_eq!(check_text(b"\xc0\x80"), Err(NOT_UTF8), "overlong");
    }

    #[test]
    fn a_short_text_is_told_from_what_follows_it() {
        for length in 0..12 {
            for after in 0..10 {
                let mut bytes = vec![b'x'; length];
                bytes.extend(vec![0xff; after]);
                let mut cursor = Cursor::open(&bytes);
                assert_eq!(cursor.pass_text(length as u64), Ok(()), "{length} {after}");
                assert_eq!(cursor.at(), length);
                if length > 0 {
                    bytes[length - 1] = 0xff;
                    let mut cursor = Cursor::open(&bytes);
                    assert_eq!(cursor.pass_text(length as u64), Err(NOT_UTF8));
                }
                let mut cursor = Cursor::open(&bytes);
                assert_eq!(cursor.pass_text((length + after + 1) as u64), Err(ENDS_EARLY));
            }
        }
        assert_eq!(Cursor::open("\u{f6}23456789".as_bytes()).pass_text(3), Ok(()));
    }

    #[test]
    fn a_cursor_stays_inside() {
        let mut cursor = Cursor::open(b"abc");
        assert_eq!(cursor.take(u64::MAX), Err(ENDS_EARLY));
        assert_eq!(cursor.array::<4>(), Err(ENDS_EARLY));
        assert_eq!(cursor.enter_counted(4), Err(TOO_MANY));
        assert_eq!(cursor.take(2), Ok(&b"ab"[..]));
        assert_eq!(cursor.byte(), Ok(b'c'));
        assert_eq!(cursor.byte(), Err(ENDS_EARLY));
        assert_eq!(cursor.since(1), b"bc");
    }
}
