//! What MessagePack payloads hold beyond the fields of a message.

use rmp::Marker;

use super::{Form, Head, MsgPackReader, MsgPackWriter};
use crate::wire::Writer;
use crate::wire::payload::{Carried, KEY_NOT_TEXT, PayloadReader, PayloadWriter, single};
use crate::wire::transcode::Unrepresentable;

impl<'a> PayloadReader<'a> for MsgPackReader<'a> {
    #[inline(always)]
    fn carry<'o>(&mut self, to: &mut impl PayloadWriter<'o>) -> Carried {
        let head = self.head()?;
        self.carry_rest(head, to)
    }

    #[inline(always)]
    fn carry_key<'o, W: PayloadWriter<'o>>(&mut self, to: &mut W) -> Carried {
        let head = self.head()?;
        if head.form == Form::Text {
            to.key(self.text_of(head.value)?);
            return Ok(None);
        }
        if W::KEYS_ARE_TEXTS {
            return Err(KEY_NOT_TEXT);
        }
        self.carry_rest(head, to)
    }
}

impl MsgPackReader<'_> {
    /// Carries the element whose head was read.
    #[inline(always)]
    fn carry_rest<'o>(&mut self, head: Head, to: &mut impl PayloadWriter<'o>) -> Carried {
        let value = head.value;
        match head.form {
            Form::Null => to.null(),
            Form::False | Form::True => to.boolean(head.form == Form::True),
            Form::Unsigned => to.integer(value),
            Form::Negative => to.signed(value.cast_signed()),
            Form::Single => to.single(single(value)),
            Form::Double => to.double(f64::from_bits(value)),
            Form::Text => to.text(self.text_of(value)?),
            Form::Binary => to.binary(self.cursor.take(value)?),
            Form::List => return Ok(Some(self.sequence_of(value, false)?)),
            Form::Dict => return Ok(Some(self.sequence_of(value, true)?)),
            Form::Extension if self.is_undefined(value)? => to.null(),
            Form::Extension => return Err(Unrepresentable("a MessagePack extension")),
        }
        Ok(None)
    }
}

impl<'o> PayloadWriter<'o> for MsgPackWriter<'o> {
    const KEYS_ARE_TEXTS: bool = false;
    const COUNTS: bool = true;

    fn out(&mut self) -> &mut Vec<u8> {
        self.out
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
