//! MessagePack.
//!
//! Every form of a length or number is read, whatever its width; the shortest is written.

mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rmp::Marker;
use smallvec::SmallVec;

use super::cursor::{self, Cursor, ENDS_EARLY};
use super::{Kind, Malformed, Reader, Sequence, Serializer, Writer};
use crate::limits::DEPTH_MAX;

const RESERVED: Malformed = Malformed("MessagePack: the octet 0xc1 is reserved");

/// The start of an element: a whole scalar, or what is to be known of what follows.
#[derive(Clone, Copy, Debug)]
enum Head {
    Null,
    Boolean(bool),
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    Single(f32),
    Double(f64),
    /// So many octets of text follow.
    Text(u64),
    /// So many octets follow.
    Binary(u64),
    /// So many items follow.
    List(u64),
    /// So many entries follow.
    Dict(u64),
    /// So many octets of an extension follow, its type included.
    Extension(u64),
}

/// A cursor over one MessagePack message.
#[derive(Clone, Debug)]
pub struct MsgPackReader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> MsgPackReader<'a> {
    /// Consumes the start of an element.
    #[inline]
    fn head(&mut self) -> Result<Head, Malformed> {
        Ok(match Marker::from_u8(self.cursor.byte()?) {
            Marker::FixPos(value) => Head::Unsigned(value.into()),
            Marker::FixNeg(value) => Head::Negative(value.into()),
            Marker::FixStr(length) => Head::Text(length.into()),
            Marker::FixArray(count) => Head::List(count.into()),
            Marker::FixMap(count) => Head::Dict(count.into()),
            Marker::Null => Head::Null,
            Marker::False => Head::Boolean(false),
            Marker::True => Head::Boolean(true),
            Marker::U8 => Head::Unsigned(self.unsigned_8()?),
            Marker::U16 => Head::Unsigned(self.unsigned_16()?),
            Marker::U32 => Head::Unsigned(self.unsigned_32()?),
            Marker::U64 => Head::Unsigned(u64::from_be_bytes(self.cursor.array()?)),
            Marker::I8 => signed(i8::from_be_bytes(self.cursor.array()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.cursor.array()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.cursor.array()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.cursor.array()?)),
            Marker::F32 => Head::Single(f32::from_be_bytes(self.cursor.array()?)),
            Marker::F64 => Head::Double(f64::from_be_bytes(self.cursor.array()?)),
            Marker::Str8 => Head::Text(self.unsigned_8()?),
            Marker::Str16 => Head::Text(self.unsigned_16()?),
            Marker::Str32 => Head::Text(self.unsigned_32()?),
            Marker::Bin8 => Head::Binary(self.unsigned_8()?),
            Marker::Bin16 => Head::Binary(self.unsigned_16()?),
            Marker::Bin32 => Head::Binary(self.unsigned_32()?),
            Marker::Array16 => Head::List(self.unsigned_16()?),
            Marker::Array32 => Head::List(self.unsigned_32()?),
            Marker::Map16 => Head::Dict(self.unsigned_16()?),
            Marker::Map32 => Head::Dict(self.unsigned_32()?),
            Marker::FixExt1 => Head::Extension(2),
            Marker::FixExt2 => Head::Extension(3),
            Marker::FixExt4 => Head::Extension(5),
            Marker::FixExt8 => Head::Extension(9),
            Marker::FixExt16 => Head::Extension(17),
            Marker::Ext8 => Head::Extension(self.unsigned_8()? + 1),
            Marker::Ext16 => Head::Extension(self.unsigned_16()? + 1),
            Marker::Ext32 => Head::Extension(self.unsigned_32()? + 1),
            Marker::Reserved => return Err(RESERVED),
        })
    }

    /// Consumes the text of `length` octets whose head was read.
    fn text_of(&mut self, length: u64) -> Result<&'a str, Malformed> {
        cursor::text(self.cursor.take(length)?)
    }

    /// Enters the list of `count` items, or the dict of so many entries, whose head was read.
    fn sequence_of(&mut self, count: u64, dict: bool) -> Result<Sequence, Malformed> {
        self.cursor.enter_counted(if dict { 2 * count } else { count })?;
        Ok(Sequence { left: count, first: true, dict })
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
}

impl<'a> Reader<'a> for MsgPackReader<'a> {
    const SERIALIZER: Serializer = Serializer::MessagePack;

    fn open(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::open(bytes) }
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        use Marker as M;
        Ok(match M::from_u8(self.cursor.peek().ok_or(ENDS_EARLY)?) {
            M::Null => Kind::Null,
            M::False | M::True => Kind::Boolean,
            M::FixPos(_) | M::U8 | M::U16 | M::U32 | M::U64 => Kind::Integer,
            M::FixNeg(_) | M::I8 | M::I16 | M::I32 | M::I64 => Kind::Integer,
            M::F32 | M::F64 => Kind::Float,
            M::FixStr(_) | M::Str8 | M::Str16 | M::Str32 => Kind::Text,
            M::Bin8 | M::Bin16 | M::Bin32 => Kind::Binary,
            M::FixArray(_) | M::Array16 | M::Array32 => Kind::List,
            M::FixMap(_) | M::Map16 | M::Map32 => Kind::Dict,
            M::FixExt1 | M::FixExt2 | M::FixExt4 | M::FixExt8 | M::FixExt16 => Kind::Other,
            M::Ext8 | M::Ext16 | M::Ext32 => Kind::Other,
            M::Reserved => return Err(RESERVED),
        })
    }

    fn list(&mut self) -> Result<Sequence, Malformed> {
        let Head::List(count) = self.head()? else {
            return Err(Malformed("a list was expected"));
        };
        self.sequence_of(count, false)
    }

    fn dict(&mut self) -> Result<Sequence, Malformed> {
        let Head::Dict(count) = self.head()? else {
            return Err(Malformed("a dict was expected"));
        };
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
        let Head::Text(length) = self.head()? else {
            return Err(Malformed("the key of a dict is not a text"));
        };
        self.text_of(length).map(Cow::Borrowed)
    }

    fn integer(&mut self) -> Result<u64, Malformed> {
        let Head::Unsigned(value) = self.head()? else {
            return Err(Malformed("an integer that is not negative was expected"));
        };
        Ok(value)
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        let Head::Boolean(value) = self.head()? else {
            return Err(Malformed("a boolean was expected"));
        };
        Ok(value)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let Head::Text(length) = self.head()? else {
            return Err(Malformed("a text was expected"));
        };
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
            let items = match self.head()? {
                Head::Text(length) => {
                    cursor::check_text(self.cursor.take(length)?)?;
                    continue;
                }
                Head::Binary(length) | Head::Extension(length) => {
                    self.cursor.take(length)?;
                    continue;
                }
                Head::List(count) => count,
                Head::Dict(count) => 2 * count,
                Head::Null | Head::Boolean(_) | Head::Unsigned(_) | Head::Negative(_) => continue,
                Head::Single(_) | Head::Double(_) => continue,
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
const fn signed(value: i64) -> Head {
    if value < 0 { Head::Negative(value) } else { Head::Unsigned(value.unsigned_abs()) }
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
