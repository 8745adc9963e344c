//! Eight octets looked at in one step, within one number.

use crate::wire::cursor::HIGH_BITS;

/// One in every octet.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Some octets of a JSON text, the first lowest; zeros after its end.
#[derive(Clone, Copy)]
pub(super) struct Block(u64);

impl Block {
    /// How many octets a block has.
    pub(super) const SIZE: usize = 8;

    /// The block that begins at `at`.
    #[inline]
    pub(super) fn at(bytes: &[u8], at: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(octets) => Self(u64::from_le_bytes(*octets)),
            None => Self(last_octets(rest)),
        }
    }

    /// Marks the top bit of the first octet that is a quote, a backslash or a control character;
    /// marks above it mean nothing.
    ///
    /// A text never goes on after its end, because of the zeros there.
    #[inline]
    pub(super) const fn special(self) -> Marks {
        let quote = self.0 ^ (ONES * b'"' as u64);
        let backslash = self.0 ^ (ONES * b'\\' as u64);
        // What was zero, or below a space, has its top bit set by the subtraction. It may borrow
        // from octets above one that is marked.
        let marks = quote.wrapping_sub(ONES)
            | backslash.wrapping_sub(ONES)
            | self.0.wrapping_sub(ONES * b' ' as u64);
        Marks(marks & !self.0 & HIGH_BITS)
    }

    /// All eight octets.
    #[inline]
    pub(super) const fn octets(self) -> u64 {
        self.0
    }

    /// The octets before the first mark; zeros above.
    #[inline]
    pub(super) const fn octets_before(self, marks: Marks) -> u64 {
        self.0 & (marks.0 & marks.0.wrapping_neg()).wrapping_sub(1)
    }
}

/// The top bits of some octets of a block.
#[derive(Clone, Copy)]
pub(super) struct Marks(u64);

impl Marks {
    #[inline]
    pub(super) const fn none(self) -> bool {
        self.0 == 0
    }

    /// How many octets stand before the first that is marked.
    #[inline]
    pub(super) const fn first(self) -> usize {
        self.0.trailing_zeros() as usize / 8
    }
}

/// Fewer octets than a block has, and zeros.
fn last_octets(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |block, &octet| block << 8 | u64::from(octet))
}
