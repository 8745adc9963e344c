//! What payloads hold and the fields of a message do not: nulls, negative numbers, floats, octets,
//! and anything where anything may stand.
//!
//! Each serializer implements these two traits beside [`Reader`] and [`Writer`], for
//! [`transcode`](super::transcode) alone. A scalar goes straight from the one to the other: kept
//! as a value in between, it costs more than its reading and writing together.

use super::transcode::Unrepresentable;
use super::{Reader, Sequence, Writer};

/// The list or dict that was entered; nothing, if an element was carried whole.
pub(super) type Carried = Result<Option<Sequence>, Unrepresentable>;

pub(super) const KEY_NOT_TEXT: Unrepresentable =
    Unrepresentable("a key that is not a text, towards JSON or UBJSON");

/// A reader that takes whatever comes.
///
/// Implementations are always inlined: returned through memory, [`Carried`] costs more than all
/// the rest of an element (measured).
pub(super) trait PayloadReader<'a>: Reader<'a> {
    /// Consumes a scalar and writes it, or enters a list or dict and writes nothing.
    fn carry<'o>(&mut self, to: &mut impl PayloadWriter<'o>) -> Carried;

    /// The same for the key of an entry.
    fn carry_key<'o, W: PayloadWriter<'o>>(&mut self, to: &mut W) -> Carried;
}

/// A writer that takes whatever comes.
pub(super) trait PayloadWriter<'o>: Writer<'o> {
    /// Whether the key of an entry cannot be anything but a text.
    const KEYS_ARE_TEXTS: bool;

    /// Whether lists and dicts begin with a count.
    const COUNTS: bool;

    /// Everything written so far, and what stood before.
    fn out(&mut self) -> &mut Vec<u8>;

    /// A whole number, in the shortest form.
    fn signed(&mut self, value: i64);

    /// A float of single width.
    fn single(&mut self, value: f32);

    /// A float of double width.
    fn double(&mut self, value: f64);
}

/// The float whose bits are the lower half of `bits`.
pub(super) fn single(bits: u64) -> f32 {
    f32::from_bits(u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default())
}
