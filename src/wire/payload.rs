//! What payloads hold and the fields of a message do not: nulls, negative numbers, floats, octets,
//! and anything where anything may stand.
//!
//! Each serializer implements these two traits beside [`Reader`] and [`Writer`], for
//! [`transcode`](super::transcode) alone.

use std::borrow::Cow;

use super::transcode::Unrepresentable;
use super::{Reader, Sequence, Writer};

/// A scalar, or the head of a list or dict.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    Single(f32),
    Double(f64),
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Sequence(Sequence),
}

/// A reader that takes whatever comes.
pub(super) trait PayloadReader<'a>: Reader<'a> {
    /// Consumes a scalar, or the head of a list or dict.
    fn item(&mut self) -> Result<Item<'a>, Unrepresentable>;

    /// Consumes the key of an entry: any element, where the serializer allows it.
    fn key_item(&mut self) -> Result<Item<'a>, Unrepresentable> {
        self.item()
    }
}

/// A writer that takes whatever comes.
pub(super) trait PayloadWriter<'o>: Writer<'o> {
    /// Everything written so far, and what stood before.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Nothing.
    fn null(&mut self);

    /// A whole number, in the shortest form.
    fn signed(&mut self, value: i64);

    /// A float of single width.
    fn single(&mut self, value: f32);

    /// A float of double width.
    fn double(&mut self, value: f64);

    /// Any scalar; of a sequence nothing.
    #[inline]
    fn scalar(&mut self, item: &Item<'_>) {
        match item {
            Item::Null => self.null(),
            Item::Boolean(value) => self.boolean(*value),
            Item::Unsigned(value) => self.integer(*value),
            Item::Negative(value) => self.signed(*value),
            Item::Single(value) => self.single(*value),
            Item::Double(value) => self.double(*value),
            Item::Text(text) => self.text(text),
            Item::Binary(binary) => self.binary(binary),
            Item::Sequence(_) => {}
        }
    }
}
