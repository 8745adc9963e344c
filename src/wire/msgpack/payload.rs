//! What MessagePack payloads hold beyond the fields of a message.

use std::borrow::Cow;

use rmp::Marker;

use super::{Head, MsgPackReader, MsgPackWriter};
use crate::wire::Writer;
use crate::wire::payload::{Item, PayloadReader, PayloadWriter};
use crate::wire::transcode::Unrepresentable;

impl<'a> PayloadReader<'a> for MsgPackReader<'a> {
    fn item(&mut self) -> Result<Item<'a>, Unrepresentable> {
        Ok(match self.head()? {
            Head::Null => Item::Null,
            Head::Boolean(value) => Item::Boolean(value),
            Head::Unsigned(value) => Item::Unsigned(value),
            Head::Negative(value) => Item::Negative(value),
            Head::Single(value) => Item::Single(value),
            Head::Double(value) => Item::Double(value),
            Head::Text(length) => Item::Text(Cow::Borrowed(self.text_of(length)?)),
            Head::Binary(length) => Item::Binary(Cow::Borrowed(self.cursor.take(length)?)),
            Head::List(count) => Item::Sequence(self.sequence_of(count, false)?),
            Head::Dict(count) => Item::Sequence(self.sequence_of(count, true)?),
            Head::Extension(_) => return Err(Unrepresentable("a MessagePack extension")),
        })
    }
}

impl<'o> PayloadWriter<'o> for MsgPackWriter<'o> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        self.marker(Marker::Null);
    }

    fn signed(&mut self, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            return self.integer(value);
        }
        match (i8::try_from(value), i16::try_from(value), i32::try_from(value)) {
            (Ok(value @ -32..), ..) => self.marker(Marker::FixNeg(value)),
            (Ok(value), ..) => self.marked(Marker::I8, value.to_be_bytes()),
            (_, Ok(value), _) => self.marked(Marker::I16, value.to_be_bytes()),
            (.., Ok(value)) => self.marked(Marker::I32, value.to_be_bytes()),
            _ => self.marked(Marker::I64, value.to_be_bytes()),
        }
    }

    fn single(&mut self, value: f32) {
        self.marked(Marker::F32, value.to_be_bytes());
    }

    fn double(&mut self, value: f64) {
        self.marked(Marker::F64, value.to_be_bytes());
    }
}
