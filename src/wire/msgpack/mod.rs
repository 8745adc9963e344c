//! MessagePack.
//!
//! Every form of a length or number is read, whatever its width; the shortest is written.

mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rmp::Marker;
use smallvec::SmallVec;

use super::cursor::{self, Cursor};
use super::{Kind, Malformed, Reader, Sequence, Serializer, Writer};
use crate::limits::DEPTH_MAX;

const RESERVED: Malformed = Malformed("MessagePack: the octet 0xc1 is reserved");

/// Type and data of the extension for `undefined`.
const UNDEFINED: [u8; 2] = [0, 0];

/// The start of an element.
#[derive(Clone, Copy, Debug)]
struct Head {
    form: Form,
    /// What the form says.
    value: u64,
}

/// What an element is, and what the value in its head means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Null,
    False,
    True,
    /// The number.
    Unsigned,
    /// The number, below zero, in two's complement.
    Negative,
    /// The number's 32 bits.
    Single,
    /// The number's 64 bits.
    Double,
    /// So many octets follow.
    Text,
    /// So many octets follow.
    Binary,
    /// So many items follow.
    List,
    /// So many entries follow.
    Dict,
    /// So many octets follow, the extension's type included.
    Extension,
}

/// A cursor over one MessagePack message.
#[derive(Clone, Debug)]
pub struct MsgPackReader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> MsgPackReader<'a> {
    /// Consumes the start of an element.
    // Inlined: returned through memory it would cost more than it takes to read (measured).
    #[inline(always)]
    fn head(&mut self) -> Result<Head, Malformed> {
        let (form, value) = match Marker::from_u8(self.cursor.byte()?) {
            Marker::FixPos(value) => (Form::Unsigned, value.into()),
            Marker::FixNeg(value) => return Ok(signed(value.into())),
            Marker::FixStr(length) => (Form::Text, length.into()),
            Marker::FixArray(count) => (Form::List, count.into()),
            Marker::FixMap(count) => (Form::Dict, count.into()),
            Marker::Null => (Form::Null, 0),
            Marker::False => (Form::False, 0),
            Marker::True => (Form::True, 0),
            Marker::U8 => (Form::Unsigned, self.unsigned_8()?),
            Marker::U16 => (Form::Unsigned, self.unsigned_16()?),
            Marker::U32 => (Form::Unsigned, self.unsigned_32()?),
            Marker::U64 => (Form::Unsigned, self.unsigned_64()?),
            Marker::I8 => return Ok(signed(i8::from_be_bytes(self.cursor.array()?).into())),
            Marker::I16 => return Ok(signed(i16::from_be_bytes(self.cursor.array()?).into())),
            Marker::I32 => return Ok(signed(i32::from_be_bytes(self.cursor.array()?).into())),
            Marker::I64 => return Ok(signed(i64::from_be_bytes(self.cursor.array()?))),
            Marker::F32 => (Form::Single, self.unsigned_32()?),
            Marker::F64 => (Form::Double, self.unsigned_64()?),
            Marker::Str8 => (Form::Text, self.unsigned_8()?),
            Marker::Str16 => (Form::Text, self.unsigned_16()?),
            Marker::Str32 => (Form::Text, self.unsigned_32()?),
            Marker::Bin8 => (Form::Binary, self.unsigned_8()?),
            Marker::Bin16 => (Form::Binary, self.unsigned_16()?),
            Marker::Bin32 => (Form::Binary, self.unsigned_32()?),
            Marker::Array16 => (Form::List, self.unsigned_16()?),
            Marker::Array32 => (Form::List, self.unsigned_32()?),
            Marker::Map16 => (Form::Dict, self.unsigned_16()?),
            Marker::Map32 => (Form::Dict, self.unsigned_32()?),
            Marker::FixExt1 => (Form::Extension, 2),
            Marker::FixExt2 => (Form::Extension, 3),
            Marker::FixExt4 => (Form::Extension, 5),
            Marker::FixExt8 => (Form::Extension, 9),
            Marker::FixExt16 => (Form::Extension, 17),
            Marker::Ext8 => (Form::Extension, self.unsigned_8()? + 1),
            Marker::Ext16 => (Form::Extension, self.unsigned_16()? + 1),
            Marker::Ext32 => (Form::Extension, self.unsigned_32()? + 1),
            Marker::Reserved => return Err(RESERVED),
        };
        Ok(Head { form, value })
    }

    /// Consumes the start of an element that must be of `form`; returns its value.
    #[inline]
    fn expect(&mut self, form: Form, otherwise: &'static str) -> Result<u64, Malformed> {
        let head = self.head()?;
        if head.form == form { Ok(head.value) } else { Err(Malformed(otherwise)) }
    }

    /// Consumes a whole scalar, or the head of a list or dict: then how many elements follow.
    ///
    /// The same forms as in [`Self::head`], told apart only as far as their extent needs it.
    #[inline]
    fn pass_or_count(&mut self) -> Result<Option<u64>, Malformed> {
        let octets = match Marker::from_u8(self.cursor.byte()?) {
            Marker::FixPos(_) | Marker::FixNeg(_) => return Ok(None),
            Marker::FixStr(length) => return self.pass_text(length.into()),
            Marker::FixArray(count) => return Ok(Some(count.into())),
            Marker::FixMap(count) => return Ok(Some(2 * u64::from(count))),
            Marker::Null | Marker::False | Marker::True => return Ok(None),
            Marker::Str8 => return self.unsigned_8().and_then(|length| self.pass_text(length)),
            Marker::Str16 => return self.unsigned_16().and_then(|length| self.pass_text(length)),
            Marker::Str32 => return self.unsigned_32().and_then(|length| self.pass_text(length)),
            Marker::Array16 => return self.unsigned_16().map(Some),
            Marker::Array32 => return self.unsigned_32().map(Some),
            Marker::Map16 => return self.unsigned_16().map(|count| Some(2 * count)),
            Marker::Map32 => return self.unsigned_32().map(|count| Some(2 * count)),
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::FixExt4 => 5,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::Bin8 => self.unsigned_8()?,
            Marker::Bin16 => self.unsigned_16()?,
            Marker::Bin32 => self.unsigned_32()?,
            Marker::Ext8 => self.unsigned_8()? + 1,
            Marker::Ext16 => self.unsigned_16()? + 1,
            Marker::Ext32 => self.unsigned_32()? + 1,
            Marker::Reserved => return Err(RESERVED),
        };
        self.cursor.take(octets).map(|_| None)
    }

    /// Consumes the extension of `length` octets whose head was read; whether it is the one by
    /// which JavaScript's serializers write `undefined`.
    fn is_undefined(&mut self, length: u64) -> Result<bool, Malformed> {
        Ok(self.cursor.take(length)? == UNDEFINED)
    }

    #[inline]
    fn pass_text(&mut self, length: u64) -> Result<Option<u64>, Malformed> {
        self.cursor.pass_text(length).map(|()| None)
    }

    /// Consumes the text of `length` octets whose head was read.
    fn text_of(&mut self, length: u64) -> Result<&'a str, Malformed> {
        cursor::text(self.cursor.take(length)?)
    }

    /// Enters the list or dict of `count` items or entries whose head was read.
    #[inline]
    fn sequence_of(&mut self, count: u64, dict: bool) -> Result<Sequence, Malformed> {
        self.cursor.enter_counted(if dict { 2 * count } else { count })?;
        Ok(Sequence::new(count, dict))
    }

    #[inline]
    fn unsigned_8(&mut self) -> Result<u64, Malformed> {
        self.cursor.byte().map(u64::from)
    }

    #[inline]
    fn unsigned_16(&mut self) -> Result<u64, Malformed> {
        self.cursor.array().map(u16::from_be_bytes).map(u64::from)
    }

    #[inline]
    fn unsigned_32(&mut self) -> Result<u64, Malformed> {
        self.cursor.array().map(u32::from_be_bytes).map(u64::from)
    }

    #[inline]
    fn unsigned_64(&mut self) -> Result<u64, Malformed> {
        self.cursor.array().map(u64::from_be_bytes)
    }
}

impl<'a> Reader<'a> for MsgPackReader<'a> {
    const SERIALIZER: Serializer = Serializer::MessagePack;

    fn open(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::open(bytes) }
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        let mut ahead = self.clone();
        let head = ahead.head()?;
        Ok(match head.form {
            Form::Extension if ahead.is_undefined(head.value)? => Kind::Null,
            Form::Null => Kind::Null,
            Form::False | Form::True => Kind::Boolean,
            Form::Unsigned | Form::Negative => Kind::Integer,
            Form::Single | Form::Double => Kind::Float,
            Form::Text => Kind::Text,
            Form::Binary => Kind::Binary,
            Form::List => Kind::List,
            Form::Dict => Kind::Dict,
            Form::Extension => Kind::Other,
        })
    }

    fn list(&mut self) -> Result<Sequence, Malformed> {
        let count = self.expect(Form::List, "a list was expected")?;
        self.sequence_of(count, false)
    }

    fn dict(&mut self) -> Result<Sequence, Malformed> {
        let count = self.expect(Form::Dict, "a dict was expected")?;
        self.sequence_of(count, true)
    }

    fn more(&mut self, sequence: &mut Sequence) -> Result<bool, Malformed> {
        let Some(left) = sequence.left.checked_sub(1) else {
            self.cursor.leave();
            return Ok(false);
        };
        sequence.left = left;
        Ok(true)
    }

    fn key(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let length = self.expect(Form::Text, "the key of a dict is not a text")?;
        self.text_of(length).map(Cow::Borrowed)
    }

    fn integer(&mut self) -> Result<u64, Malformed> {
        let head = self.head()?;
        if head.form == Form::Unsigned {
            return Ok(head.value);
        }
        if head.form == Form::Double {
            return cursor::whole(f64::from_bits(head.value));
        }
        Err(cursor::NOT_AN_INTEGER)
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        let form = self.head()?.form;
        if !matches!(form, Form::False | Form::True) {
            return Err(Malformed("a boolean was expected"));
        }
        Ok(form == Form::True)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let length = self.expect(Form::Text, "a text was expected")?;
        self.text_of(length).map(Cow::Borrowed)
    }

    fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.cursor.at();
        // How many elements are left of the innermost container that was opened in here, and of
        // each around it. A dict counts its keys too: they may be anything here.
        let mut left = 1;
        let mut around = SmallVec::<[u64; DEPTH_MAX as usize]>::new();
        loop {
            while left == 0 {
                let Some(outer) = around.pop() else {
                    return Ok(self.cursor.since(start));
                };
                self.cursor.leave();
                left = outer;
            }
            left -= 1;
            let Some(items) = self.pass_or_count()? else {
                continue;
            };
            self.cursor.enter_counted(items)?;
            around.push(left);
            left = items;
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.cursor.end()
    }
}

/// A number from one of the signed forms, which may hold any.
#[inline]
const fn signed(value: i64) -> Head {
    let form = if value < 0 { Form::Negative } else { Form::Unsigned };
    Head { form, value: value.cast_unsigned() }
}

/// Appends MessagePack.
#[derive(Debug)]
pub struct MsgPackWriter<'o> {
    out: &'o mut Vec<u8>,
}

/// The three widths that a length is written in where it does not fit into the marker.
struct Widths {
    /// Absent for lists and dicts.
    one: Option<Marker>,
    two: Marker,
    four: Marker,
}

impl Widths {
    const TEXT: Self = Self { one: Some(Marker::Str8), two: Marker::Str16, four: Marker::Str32 };
    const BINARY: Self = Self { one: Some(Marker::Bin8), two: Marker::Bin16, four: Marker::Bin32 };
    const LIST: Self = Self { one: None, two: Marker::Array16, four: Marker::Array32 };
    const DICT: Self = Self { one: None, two: Marker::Map16, four: Marker::Map32 };
}

impl MsgPackWriter<'_> {
    #[inline]
    fn marker(&mut self, marker: Marker) {
        self.out.push(marker.to_u8());
    }

    #[inline]
    fn marked<const N: usize>(&mut self, marker: Marker, octets: [u8; N]) {
        self.marker(marker);
        self.out.extend_from_slice(&octets);
    }

    fn length(&mut self, length: usize, widths: &Widths) {
        if let (Some(marker), Ok(length)) = (widths.one, u8::try_from(length)) {
            return self.marked(marker, [length]);
        }
        if let Ok(length) = u16::try_from(length) {
            return self.marked(widths.two, length.to_be_bytes());
        }
        let length = u32::try_from(length).expect("no message holds 2^32 octets");
        self.marked(widths.four, length.to_be_bytes());
    }
}

impl<'o> Writer<'o> for MsgPackWriter<'o> {
    const SERIALIZER: Serializer = Serializer::MessagePack;

    fn open(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    fn list(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(count @ 0..16) => self.marker(Marker::FixArray(count)),
            _ => self.length(count, &Widths::LIST),
        }
    }

    fn end_list(&mut self) {}

    fn dict(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(count @ 0..16) => self.marker(Marker::FixMap(count)),
            _ => self.length(count, &Widths::DICT),
        }
    }

    fn end_dict(&mut self) {}

    fn key(&mut self, key: &str) {
        self.text(key);
    }

    fn integer(&mut self, value: u64) {
        match (u8::try_from(value), u16::try_from(value), u32::try_from(value)) {
            (Ok(value @ 0..128), ..) => self.marker(Marker::FixPos(value)),
            (Ok(value), ..) => self.marked(Marker::U8, [value]),
            (_, Ok(value), _) => self.marked(Marker::U16, value.to_be_bytes()),
            (.., Ok(value)) => self.marked(Marker::U32, value.to_be_bytes()),
            _ => self.marked(Marker::U64, value.to_be_bytes()),
        }
    }

    fn boolean(&mut self, value: bool) {
        self.marker(if value { Marker::True } else { Marker::False });
    }

    fn null(&mut self) {
        self.marker(Marker::Null);
    }

    fn text(&mut self, value: &str) {
        match u8::try_from(value.len()) {
            Ok(length @ 0..32) => self.marker(Marker::FixStr(length)),
            _ => self.length(value.len(), &Widths::TEXT),
        }
        self.out.extend_from_slice(value.as_bytes());
    }

    fn binary(&mut self, value: &[u8]) {
        self.length(value.len(), &Widths::BINARY);
        self.out.extend_from_slice(value);
    }

    fn raw(&mut self, element: &[u8]) {
        self.out.extend_from_slice(element);
    }
}
