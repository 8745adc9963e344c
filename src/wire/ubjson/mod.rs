//! UBJSON, draft 12.
//!
//! Every form is read: counted and typed lists and dicts, any width of a length, no-ops between
//! elements. What is written is what the field writes: the shortest numbers, lists and dicts with
//! an end instead of a count.
//!
//! - *Octets* have no type of their own: a typed list of unsigned octets (`[$U#`) is octets here,
//!   as it is for every client, and any other list is a list.
//! - *High-precision numbers* (`H`) are JSON's numbers, and judged like them: whole ones are whole,
//!   all others become the nearest double, one beyond its range is refused. They are written only
//!   for whole numbers above 2^63 − 1, for which there is no other form.
//! - *Typed lists* of what takes no octets (`[$Z#`, `[$T#`, `[$F#`) are refused unless empty: a
//!   few octets would stand for any number of elements.
//! - *Items of typed lists and dicts* have no marker, so one of them cannot be taken alone: it can
//!   be read, but not skipped and kept. The list or dict as a whole can.
//!
//! BJData is a dialect with little-endian numbers which newer clients speak under the same name.
//! It is known by the markers that only it has, and refused with a text that says so. Nothing in a
//! HELLO shows which of the two a client speaks, and WELCOME must be in the right one: so it is
//! not answered in kind. A message of BJData without such a marker is taken for UBJSON: the same
//! as long as its numbers are of one octet, and with wrong values where they are negative and
//! longer, or floats.

mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::cursor::{self, Cursor, NOT_AN_INTEGER};
use super::json::number;
use super::{Kind, Malformed, Reader, Sequence, Serializer, Writer};
use crate::limits::DEPTH_MAX;

const NO_ELEMENT: Malformed = Malformed("UBJSON: an unknown marker where an element was expected");
const BJDATA: Malformed =
    Malformed("UBJSON: this is BJData, its dialect with little-endian numbers; draft 12 is spoken");
const WITHOUT_OCTETS: Malformed = Malformed("UBJSON: a typed list of elements that take no octets");
const NOT_ALONE: Malformed = Malformed("UBJSON: an item of a typed list or dict is taken alone");
const ITEM_TYPE: Malformed = Malformed("UBJSON: a type that items cannot have");
const UNCOUNTED_TYPE: Malformed = Malformed("UBJSON: a typed list or dict without a count");
const LENGTH: Malformed = Malformed("UBJSON: a length that is no whole number from 0");
const NUMBER: Malformed = Malformed("UBJSON: a high-precision number is no number of JSON");

/// The octets that say what follows.
mod marker {
    pub(super) const NULL: u8 = b'Z';
    pub(super) const NO_OP: u8 = b'N';
    pub(super) const TRUE: u8 = b'T';
    pub(super) const FALSE: u8 = b'F';
    pub(super) const INT8: u8 = b'i';
    pub(super) const UINT8: u8 = b'U';
    pub(super) const INT16: u8 = b'I';
    pub(super) const INT32: u8 = b'l';
    pub(super) const INT64: u8 = b'L';
    pub(super) const SINGLE: u8 = b'd';
    pub(super) const DOUBLE: u8 = b'D';
    pub(super) const PRECISE: u8 = b'H';
    pub(super) const CHARACTER: u8 = b'C';
    pub(super) const TEXT: u8 = b'S';
    pub(super) const LIST: u8 = b'[';
    pub(super) const LIST_END: u8 = b']';
    pub(super) const DICT: u8 = b'{';
    pub(super) const DICT_END: u8 = b'}';
    pub(super) const TYPE: u8 = b'$';
    pub(super) const COUNT: u8 = b'#';
}

/// Each item has a marker of its own: the value of [`Sequence::item`] without a type.
const OWN: u8 = Sequence::UNTYPED;

/// An element that holds no other, or the start of one that does.
#[derive(Clone, Copy, Debug)]
enum Head<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    /// The characters of a number of JSON, and whether it is a whole one.
    Precise(&'a [u8], bool),
    /// The number's 32 bits.
    Single(u32),
    /// The number's 64 bits.
    Double(u64),
    Text(&'a str),
    Binary(&'a [u8]),
    /// A list or dict, which is entered.
    Container(Sequence),
}

/// A cursor over one UBJSON message.
#[derive(Clone, Debug)]
pub struct UbjsonReader<'a> {
    cursor: Cursor<'a>,
    /// The type of the next element, if it is an item of a typed list or dict.
    implied: u8,
}

impl<'a> UbjsonReader<'a> {
    /// Consumes the next marker, and no-ops before it.
    #[inline]
    fn marker(&mut self) -> Result<u8, Malformed> {
        self.pass_no_ops();
        self.cursor.byte()
    }

    #[inline]
    fn pass_no_ops(&mut self) {
        while self.meets(marker::NO_OP) {}
    }

    /// Consumes `octet`, if it comes next.
    #[inline]
    fn meets(&mut self, octet: u8) -> bool {
        let met = self.cursor.peek() == Some(octet);
        if met {
            self.cursor.move_to(self.cursor.at() + 1);
        }
        met
    }

    /// Consumes an element, or enters a list or dict.
    fn head(&mut self) -> Result<Head<'a>, Malformed> {
        let marker = match std::mem::replace(&mut self.implied, OWN) {
            OWN => self.marker()?,
            implied => implied,
        };
        Ok(match marker {
            marker::NULL => Head::Null,
            marker::TRUE => Head::Boolean(true),
            marker::FALSE => Head::Boolean(false),
            marker::SINGLE => Head::Single(u32::from_be_bytes(self.cursor.array()?)),
            marker::DOUBLE => Head::Double(u64::from_be_bytes(self.cursor.array()?)),
            marker::PRECISE => {
                let characters = self.counted()?;
                let passed = number::pass(characters, 0).map_err(|_| NUMBER)?;
                if passed.end != characters.len() {
                    return Err(NUMBER);
                }
                Head::Precise(characters, passed.whole)
            }
            marker::CHARACTER => Head::Text(cursor::text(self.cursor.take(1)?)?),
            marker::TEXT => Head::Text(cursor::text(self.counted()?)?),
            marker::LIST => return self.list_head(),
            marker::DICT => Head::Container(self.dict_head()?),
            _ => return self.whole(marker),
        })
    }

    /// Consumes a whole number behind its marker.
    #[inline]
    fn whole(&mut self, marker: u8) -> Result<Head<'a>, Malformed> {
        let value = match marker {
            marker::UINT8 => self.cursor.byte()?.into(),
            marker::INT8 => i8::from_be_bytes(self.cursor.array()?).into(),
            marker::INT16 => i16::from_be_bytes(self.cursor.array()?).into(),
            marker::INT32 => i32::from_be_bytes(self.cursor.array()?).into(),
            marker::INT64 => i64::from_be_bytes(self.cursor.array()?),
            b'u' | b'm' | b'M' | b'h' | b'B' => return Err(BJDATA),
            _ => return Err(NO_ELEMENT),
        };
        Ok(u64::try_from(value).map_or(Head::Negative(value), Head::Unsigned))
    }

    /// Consumes a length or count.
    fn length(&mut self) -> Result<u64, Malformed> {
        let marker = self.cursor.byte()?;
        match self.whole(marker) {
            Ok(Head::Unsigned(length)) => Ok(length),
            Err(fault) if fault != NO_ELEMENT => Err(fault),
            _ => Err(LENGTH),
        }
    }

    /// Consumes a length and as many octets.
    fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.cursor.take(length)
    }

    /// Consumes what may stand behind an opening bracket: the type and the number of items.
    fn parameters(&mut self) -> Result<(u8, Option<u64>), Malformed> {
        let mut item = OWN;
        if self.meets(marker::TYPE) {
            item = self.cursor.byte()?;
            if item == OWN {
                return Err(ITEM_TYPE);
            }
        }
        if self.meets(marker::COUNT) {
            return self.length().map(|count| (item, Some(count)));
        }
        if item == OWN { Ok((OWN, None)) } else { Err(UNCOUNTED_TYPE) }
    }

    /// Enters a list behind its bracket; octets are consumed whole.
    fn list_head(&mut self) -> Result<Head<'a>, Malformed> {
        let (item, count) = self.parameters()?;
        let Some(count) = count else {
            self.cursor.enter()?;
            return Ok(Head::Container(Sequence::new(Sequence::UNCOUNTED, false)));
        };
        if item == marker::UINT8 {
            return self.cursor.take(count).map(Head::Binary);
        }
        let octets = octets_min(item)?;
        if octets == 0 && count > 0 {
            return Err(WITHOUT_OCTETS);
        }
        self.cursor.enter_counted(count.saturating_mul(octets))?;
        Ok(Head::Container(Sequence { item, ..Sequence::new(count, false) }))
    }

    /// Enters a dict behind its bracket.
    fn dict_head(&mut self) -> Result<Sequence, Malformed> {
        let (item, count) = self.parameters()?;
        let Some(count) = count else {
            self.cursor.enter()?;
            return Ok(Sequence::new(Sequence::UNCOUNTED, true));
        };
        // The shortest key is a length of zero: two octets.
        self.cursor.enter_counted(count.saturating_mul(2 + octets_min(item)?))?;
        Ok(Sequence { item, ..Sequence::new(count, true) })
    }

    /// Consumes the key of an entry, without looking at it as text.
    fn key_octets(&mut self) -> Result<&'a [u8], Malformed> {
        self.pass_no_ops();
        self.counted()
    }
}

/// How many octets an item of this type has at least, beside its marker if it has one.
fn octets_min(item: u8) -> Result<u64, Malformed> {
    Ok(match item {
        marker::NULL | marker::TRUE | marker::FALSE => 0,
        OWN | marker::INT8 | marker::UINT8 | marker::CHARACTER | marker::LIST | marker::DICT => 1,
        marker::INT16 | marker::TEXT => 2,
        marker::PRECISE => 3,
        marker::INT32 | marker::SINGLE => 4,
        marker::INT64 | marker::DOUBLE => 8,
        b'u' | b'm' | b'M' | b'h' | b'B' => return Err(BJDATA),
        _ => return Err(ITEM_TYPE),
    })
}

impl<'a> Reader<'a> for UbjsonReader<'a> {
    const SERIALIZER: Serializer = Serializer::Ubjson;

    fn open(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::open(bytes), implied: OWN }
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        Ok(match self.clone().head()? {
            Head::Null => Kind::Null,
            Head::Boolean(_) => Kind::Boolean,
            Head::Unsigned(_) | Head::Negative(_) | Head::Precise(_, true) => Kind::Integer,
            Head::Single(_) | Head::Double(_) | Head::Precise(_, false) => Kind::Float,
            Head::Text(_) => Kind::Text,
            Head::Binary(_) => Kind::Binary,
            Head::Container(Sequence { dict: true, .. }) => Kind::Dict,
            Head::Container(_) => Kind::List,
        })
    }

    fn list(&mut self) -> Result<Sequence, Malformed> {
        if let Head::Container(list) = self.head()?
            && !list.dict
        {
            return Ok(list);
        }
        Err(Malformed("a list was expected"))
    }

    fn dict(&mut self) -> Result<Sequence, Malformed> {
        if let Head::Container(dict) = self.head()?
            && dict.dict
        {
            return Ok(dict);
        }
        Err(Malformed("a dict was expected"))
    }

    fn more(&mut self, sequence: &mut Sequence) -> Result<bool, Malformed> {
        let more = match sequence.left {
            0 => false,
            Sequence::UNCOUNTED => {
                let end = if sequence.dict { marker::DICT_END } else { marker::LIST_END };
                self.pass_no_ops();
                !self.meets(end)
            }
            left => {
                sequence.left = left - 1;
                true
            }
        };
        if !more {
            self.cursor.leave();
            sequence.left = 0;
        }
        self.implied = if more { sequence.item } else { OWN };
        Ok(more)
    }

    fn key(&mut self) -> Result<Cow<'a, str>, Malformed> {
        cursor::text(self.key_octets()?).map(Cow::Borrowed)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is a whole number")]
    fn integer(&mut self) -> Result<u64, Malformed> {
        match self.head()? {
            Head::Unsigned(value) => Ok(value),
            Head::Precise(digits, true) => number::unsigned(digits).ok_or(NOT_AN_INTEGER),
            Head::Double(bits) => cursor::whole(f64::from_bits(bits)),
            _ => Err(NOT_AN_INTEGER),
        }
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        let Head::Boolean(value) = self.head()? else {
            return Err(Malformed("a boolean was expected"));
        };
        Ok(value)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let Head::Text(text) = self.head()? else {
            return Err(Malformed("a text was expected"));
        };
        Ok(Cow::Borrowed(text))
    }

    fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        if self.implied != OWN {
            return Err(NOT_ALONE);
        }
        self.pass_no_ops();
        let start = self.cursor.at();
        let mut around = SmallVec::<[Sequence; DEPTH_MAX as usize]>::new();
        loop {
            if let Head::Container(entered) = self.head()? {
                around.push(entered);
            }
            loop {
                let Some(innermost) = around.last_mut() else {
                    return Ok(self.cursor.since(start));
                };
                if self.more(innermost)? {
                    if innermost.dict {
                        cursor::check_text(self.key_octets()?)?;
                    }
                    break;
                }
                around.pop();
            }
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.pass_no_ops();
        self.cursor.end()
    }
}

/// Appends UBJSON.
#[derive(Debug)]
pub struct UbjsonWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl UbjsonWriter<'_> {
    #[inline]
    fn marked<const N: usize>(&mut self, marker: u8, octets: [u8; N]) {
        self.out.push(marker);
        self.out.extend_from_slice(&octets);
    }

    /// A length and what has it.
    fn counted(&mut self, octets: &[u8]) {
        self.integer(octets.len() as u64);
        self.out.extend_from_slice(octets);
    }
}

impl<'o> Writer<'o> for UbjsonWriter<'o> {
    const SERIALIZER: Serializer = Serializer::Ubjson;

    fn open(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    fn list(&mut self, _count: usize) {
        self.out.push(marker::LIST);
    }

    fn end_list(&mut self) {
        self.out.push(marker::LIST_END);
    }

    fn dict(&mut self, _count: usize) {
        self.out.push(marker::DICT);
    }

    fn end_dict(&mut self) {
        self.out.push(marker::DICT_END);
    }

    fn key(&mut self, key: &str) {
        self.counted(key.as_bytes());
    }

    fn integer(&mut self, value: u64) {
        if let Ok(value) = u8::try_from(value) {
            return self.marked(marker::UINT8, [value]);
        }
        match (i16::try_from(value), i32::try_from(value), i64::try_from(value)) {
            (Ok(value), ..) => self.marked(marker::INT16, value.to_be_bytes()),
            (_, Ok(value), _) => self.marked(marker::INT32, value.to_be_bytes()),
            (.., Ok(value)) => self.marked(marker::INT64, value.to_be_bytes()),
            _ => {
                self.out.push(marker::PRECISE);
                self.counted(value.to_string().as_bytes());
            }
        }
    }

    fn null(&mut self) {
        self.out.push(marker::NULL);
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { marker::TRUE } else { marker::FALSE });
    }

    fn text(&mut self, value: &str) {
        self.out.push(marker::TEXT);
        self.counted(value.as_bytes());
    }

    fn binary(&mut self, value: &[u8]) {
        self.out.extend_from_slice(&[marker::LIST, marker::TYPE, marker::UINT8, marker::COUNT]);
        self.counted(value);
    }

    fn raw(&mut self, element: &[u8]) {
        self.out.extend_from_slice(element);
    }
}
