//! What stands at the beginning of every payload: who sent it, its number, and when.
//!
//! A stamp is text, so that every serializer carries it alike: each half octet becomes one of the
//! sixteen characters `@` to `O`, which no serializer has to escape.

/// Octets of a stamp, and the least a payload can have.
pub const STAMP_BYTES: usize = 32;

/// Who sent a message, which of theirs it is, and when it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Which caller or publisher.
    pub source: u16,
    /// Its messages count 1, 2, 3 …; below 2^48.
    pub sequence: u64,
    /// When it was sent, or, in an open loop, when it should have been; see [`crate::clock`].
    pub sent: u64,
}

impl Stamp {
    /// Its text.
    #[inline]
    #[must_use]
    pub fn to_text(self) -> [u8; STAMP_BYTES] {
        let identity = u64::from(self.source) << SEQUENCE_BITS | self.sequence;
        let mut text = [0; STAMP_BYTES];
        let words = [high(identity), low(identity), high(self.sent), low(self.sent)];
        for (place, word) in text.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&spread(word).to_be_bytes());
        }
        text
    }

    /// The stamp at the beginning of `text`; `None` if there is none.
    #[inline]
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let text: &[u8; STAMP_BYTES] = text.first_chunk()?;
        let mut words = [0; 4];
        for (word, part) in words.iter_mut().zip(text.as_chunks::<8>().0) {
            *word = u64::from(gather(u64::from_be_bytes(*part))?);
        }
        let [high, low, sent_high, sent_low] = words;
        let identity = high << 32 | low;
        Some(Self {
            source: u16::try_from(identity >> SEQUENCE_BITS).unwrap_or(u16::MAX),
            sequence: identity & ((1 << SEQUENCE_BITS) - 1),
            sent: sent_high << 32 | sent_low,
        })
    }
}

const SEQUENCE_BITS: u32 = 48;

/// The upper bits of each character.
const LETTERS: u64 = 0x4040_4040_4040_4040;

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

const fn low(value: u64) -> u32 {
    value as u32
}

/// Each half octet of `value` as a character of its own.
const fn spread(value: u32) -> u64 {
    let wide = value as u64;
    let wide = (wide | wide << 16) & 0x0000_FFFF_0000_FFFF;
    let wide = (wide | wide << 8) & 0x00FF_00FF_00FF_00FF;
    let wide = (wide | wide << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    wide | LETTERS
}

/// The inverse of [`spread`]; `None` if a character is none of the sixteen.
const fn gather(text: u64) -> Option<u32> {
    if text & 0xF0F0_F0F0_F0F0_F0F0 != LETTERS {
        return None;
    }
    let wide = text & 0x0F0F_0F0F_0F0F_0F0F;
    let wide = (wide | wide >> 4) & 0x00FF_00FF_00FF_00FF;
    let wide = (wide | wide >> 8) & 0x0000_FFFF_0000_FFFF;
    Some(low(wide | wide >> 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for stamp in [
            Stamp::default(),
            Stamp { source: 1, sequence: 2, sent: 3 },
            Stamp { source: u16::MAX, sequence: (1 << 48) - 1, sent: u64::MAX },
            Stamp { source: 0xABCD, sequence: 0x0123_4567_89AB, sent: 0xFEDC_BA98_7654_3210 },
        ] {
            let text = stamp.to_text();
            assert!(text.iter().all(|byte| (b'@'..=b'O').contains(byte)));
            assert_eq!(Stamp::from_text(&text), Some(stamp));
        }
    }

    #[test]
    fn other_text_is_no_stamp() {
        let text = Stamp { source: 1, sequence: 2, sent: 3 }.to_text();
        assert_eq!(Stamp::from_text(&text[1..]), None);
        for index in 0..STAMP_BYTES {
            let mut altered = text;
            altered[index] = b'x';
            assert_eq!(Stamp::from_text(&altered), None, "at {index}");
        }
    }
}
