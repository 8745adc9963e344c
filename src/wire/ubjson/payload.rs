//! What UBJSON payloads hold beyond the fields of a message.

use super::{Head, UbjsonReader, UbjsonWriter, marker};
use crate::wire::json::carry_number;
use crate::wire::payload::{Carried, PayloadReader, PayloadWriter};
use crate::wire::{Reader, Writer};

impl<'a> PayloadReader<'a> for UbjsonReader<'a> {
    fn carry<'o>(&mut self, to: &mut impl PayloadWriter<'o>) -> Carried {
        match self.head()? {
            Head::Null => to.null(),
            Head::Boolean(value) => to.boolean(value),
            Head::Unsigned(value) => to.integer(value),
            Head::Negative(value) => to.signed(value),
            Head::Precise(characters, whole) => carry_number(characters, whole, to)?,
            // The draft writes null for these. What has their bits all the same means no more, or
            // it would change on its way back.
            Head::Single(bits) if !f32::from_bits(bits).is_finite() => to.null(),
            Head::Double(bits) if !f64::from_bits(bits).is_finite() => to.null(),
            Head::Single(bits) => to.single(f32::from_bits(bits)),
            Head::Double(bits) => to.double(f64::from_bits(bits)),
            Head::Text(text) => to.text(text),
            Head::Binary(octets) => to.binary(octets),
            Head::Container(sequence) => return Ok(Some(sequence)),
        }
        Ok(None)
    }

    fn carry_key<'o, W: PayloadWriter<'o>>(&mut self, to: &mut W) -> Carried {
        to.key(&self.key()?);
        Ok(None)
    }
}

impl<'o> PayloadWriter<'o> for UbjsonWriter<'o> {
    const KEYS_ARE_TEXTS: bool = true;
    const COUNTS: bool = false;

    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn signed(&mut self, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            return self.integer(value);
        }
        match (i8::try_from(value), i16::try_from(value), i32::try_from(value)) {
            (Ok(value), ..) => self.marked(marker::INT8, value.to_be_bytes()),
            (_, Ok(value), _) => self.marked(marker::INT16, value.to_be_bytes()),
            (.., Ok(value)) => self.marked(marker::INT32, value.to_be_bytes()),
            _ => self.marked(marker::INT64, value.to_be_bytes()),
        }
    }

    /// The draft has no infinities and nothing that is not a number; they become null.
    fn single(&mut self, value: f32) {
        if value.is_finite() {
            self.marked(marker::SINGLE, value.to_be_bytes());
        } else {
            self.null();
        }
    }

    /// As [`single`](Self::single).
    fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.marked(marker::DOUBLE, value.to_be_bytes());
        } else {
            self.null();
        }
    }
}
