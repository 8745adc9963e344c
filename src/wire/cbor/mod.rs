//! CBOR, by RFC 8949.
//!
//! Lists, dicts, texts and octets of indefinite length are read; only definite lengths, in their
//! shortest form, are written. Tags are passed over, each as one level of depth.

mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::cursor::{self, Cursor, ENDS_EARLY};
use super::{Kind, Malformed, Reader, Sequence, Serializer, Writer};
use crate::limits::DEPTH_MAX;

const RESERVED: Malformed = Malformed("CBOR: reserved additional information");
const STRAY_BREAK: Malformed = Malformed("CBOR: a break where an element was expected");

/// The octet that ends what has an indefinite length.
const BREAK: u8 = 0xff;

/// The eight major types, the upper three bits of an element's first octet.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const DICT: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

/// Values of the additional information, the lower five bits, under [`major::SIMPLE`].
mod simple {
    pub(super) const FALSE: u8 = 20;
    pub(super) const TRUE: u8 = 21;
    pub(super) const NULL: u8 = 22;
    pub(super) const UNDEFINED: u8 = 23;
    pub(super) const HALF: u8 = 25;
    pub(super) const SINGLE: u8 = 26;
    pub(super) const DOUBLE: u8 = 27;
}

/// The additional information that announces an indefinite length.
const INDEFINITE: u8 = 31;

/// The start of an element.
#[derive(Clone, Copy, Debug)]
struct Head {
    major: u8,
    /// The additional information.
    information: u8,
    /// A value, a length, a count, a tag or the bits of a float, by the major type;
    /// `None` for an indefinite length.
    argument: Option<u64>,
}

/// A cursor over one CBOR message.
#[derive(Clone, Debug)]
pub struct CborReader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> CborReader<'a> {
    /// Consumes the start of an element. A break is none.
    // Inlined: returned through memory it would cost more than it takes to read (measured).
    #[inline(always)]
    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.cursor.byte()?;
        let (major, information) = (first >> 5, first & 31);
        let argument = match information {
            0..24 => information.into(),
            24 => self.cursor.byte()?.into(),
            25 => u16::from_be_bytes(self.cursor.array()?).into(),
            26 => u32::from_be_bytes(self.cursor.array()?).into(),
            27 => u64::from_be_bytes(self.cursor.array()?),
            INDEFINITE => match major {
                major::BINARY | major::TEXT | major::LIST | major::DICT => {
                    return Ok(Head { major, information, argument: None });
                }
                major::SIMPLE => return Err(STRAY_BREAK),
                _ => return Err(RESERVED),
            },
            _ => return Err(RESERVED),
        };
        if major == major::SIMPLE && information == 24 && argument < 32 {
            return Err(Malformed("CBOR: a simple value is not in its shortest form"));
        }
        Ok(Head { major, information, argument: Some(argument) })
    }

    /// Consumes a break, if one comes next.
    #[inline]
    fn meets_break(&mut self) -> bool {
        let met = self.cursor.peek() == Some(BREAK);
        if met {
            self.cursor.move_to(self.cursor.at() + 1);
        }
        met
    }

    /// Consumes the next chunk of a text or of octets, whose length is indefinite.
    fn chunk(&mut self, major: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.meets_break() {
            return Ok(None);
        }
        let head = self.head()?;
        match head.argument {
            Some(length) if head.major == major => self.cursor.take(length).map(Some),
            _ => Err(Malformed("CBOR: a chunk of another type than its string")),
        }
    }

    /// Consumes the text whose head was read.
    fn text_of(&mut self, head: Head) -> Result<Cow<'a, str>, Malformed> {
        if let Some(length) = head.argument {
            return cursor::text(self.cursor.take(length)?).map(Cow::Borrowed);
        }
        let mut text = String::new();
        // A character may not lie across two chunks.
        while let Some(chunk) = self.chunk(major::TEXT)? {
            text.push_str(cursor::text(chunk)?);
        }
        Ok(Cow::Owned(text))
    }

    /// Enters the list or dict whose head was read.
    fn sequence_of(&mut self, head: Head) -> Result<Sequence, Malformed> {
        let dict = head.major == major::DICT;
        self.enter(head)?;
        Ok(Sequence::new(head.argument.unwrap_or(Sequence::UNCOUNTED), dict))
    }

    /// Enters a list, dict or tag; returns how many elements it has, if it says so.
    #[inline]
    fn enter(&mut self, head: Head) -> Result<Option<u64>, Malformed> {
        let Some(argument) = head.argument else {
            return self.cursor.enter().map(|()| None);
        };
        let items = match head.major {
            major::TAG => 1,
            major::DICT => argument.saturating_mul(2),
            _ => argument,
        };
        self.cursor.enter_counted(items).map(|()| Some(items))
    }

    /// Consumes the rest of an element that holds no other, whose head was read.
    #[inline]
    fn pass_flat(&mut self, head: Head) -> Result<(), Malformed> {
        match (head.major, head.argument) {
            (major::TEXT, Some(length)) => self.cursor.pass_text(length),
            (major::BINARY, Some(length)) => self.cursor.take(length).map(drop),
            (major::TEXT, None) => {
                while let Some(chunk) = self.chunk(major::TEXT)? {
                    cursor::check_text(chunk)?;
                }
                Ok(())
            }
            (major::BINARY, None) => {
                while self.chunk(major::BINARY)?.is_some() {}
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What is left of a container that [`CborReader::skip`] has opened.
#[derive(Clone, Copy)]
enum Left {
    /// So many elements; a dict counts its keys too.
    Counted(u64),
    /// A list of indefinite length.
    List,
    /// A dict of indefinite length, before a key.
    Key,
    /// A dict of indefinite length, before a value.
    Value,
}

impl Left {
    const fn of(head: Head, items: Option<u64>) -> Self {
        match items {
            Some(items) => Self::Counted(items),
            None if head.major == major::DICT => Self::Key,
            None => Self::List,
        }
    }
}

impl<'a> Reader<'a> for CborReader<'a> {
    const SERIALIZER: Serializer = Serializer::Cbor;

    fn open(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::open(bytes) }
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        let first = self.cursor.peek().ok_or(ENDS_EARLY)?;
        Ok(match (first >> 5, first & 31) {
            (major::UNSIGNED | major::NEGATIVE, _) => Kind::Integer,
            (major::BINARY, _) => Kind::Binary,
            (major::TEXT, _) => Kind::Text,
            (major::LIST, _) => Kind::List,
            (major::DICT, _) => Kind::Dict,
            (major::TAG, _) => Kind::Other,
            (_, simple::FALSE | simple::TRUE) => Kind::Boolean,
            (_, simple::NULL | simple::UNDEFINED) => Kind::Null,
            (_, simple::HALF | simple::SINGLE | simple::DOUBLE) => Kind::Float,
            (_, INDEFINITE) => return Err(STRAY_BREAK),
            (_, 28..INDEFINITE) => return Err(RESERVED),
            _ => Kind::Other,
        })
    }

    fn list(&mut self) -> Result<Sequence, Malformed> {
        let head = self.head()?;
        if head.major != major::LIST {
            return Err(Malformed("a list was expected"));
        }
        self.sequence_of(head)
    }

    fn dict(&mut self) -> Result<Sequence, Malformed> {
        let head = self.head()?;
        if head.major != major::DICT {
            return Err(Malformed("a dict was expected"));
        }
        self.sequence_of(head)
    }

    fn more(&mut self, sequence: &mut Sequence) -> Result<bool, Malformed> {
        let more = match sequence.left {
            Sequence::UNCOUNTED => !self.meets_break(),
            0 => false,
            left => {
                sequence.left = left - 1;
                true
            }
        };
        if !more {
            self.cursor.leave();
            sequence.left = 0;
        }
        Ok(more)
    }

    fn key(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let head = self.head()?;
        if head.major != major::TEXT {
            return Err(Malformed("the key of a dict is not a text"));
        }
        self.text_of(head)
    }

    fn integer(&mut self) -> Result<u64, Malformed> {
        match self.head()? {
            Head { major: major::UNSIGNED, argument: Some(value), .. } => Ok(value),
            Head { major: major::SIMPLE, information: simple::DOUBLE, argument: Some(bits) } => {
                cursor::whole(f64::from_bits(bits))
            }
            _ => Err(cursor::NOT_AN_INTEGER),
        }
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.head()? {
            Head { major: major::SIMPLE, information: simple::FALSE, .. } => Ok(false),
            Head { major: major::SIMPLE, information: simple::TRUE, .. } => Ok(true),
            _ => Err(Malformed("a boolean was expected")),
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let head = self.head()?;
        if head.major != major::TEXT {
            return Err(Malformed("a text was expected"));
        }
        self.text_of(head)
    }

    fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.cursor.at();
        let mut left = Left::Counted(1);
        let mut around = SmallVec::<[Left; DEPTH_MAX as usize]>::new();
        loop {
            let ended = match &mut left {
                Left::Counted(0) => true,
                Left::Counted(items) => {
                    *items -= 1;
                    false
                }
                Left::List => self.meets_break(),
                Left::Key if self.meets_break() => true,
                Left::Key => {
                    left = Left::Value;
                    false
                }
                Left::Value => {
                    left = Left::Key;
                    false
                }
            };
            if ended {
                let Some(outer) = around.pop() else {
                    return Ok(self.cursor.since(start));
                };
                self.cursor.leave();
                left = outer;
                continue;
            }
            let head = self.head()?;
            if matches!(head.major, major::LIST | major::DICT | major::TAG) {
                let items = self.enter(head)?;
                around.push(std::mem::replace(&mut left, Left::of(head, items)));
            } else {
                self.pass_flat(head)?;
            }
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.cursor.end()
    }
}

/// Appends CBOR.
#[derive(Debug)]
pub struct CborWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl CborWriter<'_> {
    /// The start of an element, in the shortest form.
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match (u8::try_from(argument), u16::try_from(argument), u32::try_from(argument)) {
            (Ok(argument @ 0..24), ..) => self.out.push(major | argument),
            (Ok(argument), ..) => self.out.extend_from_slice(&[major | 24, argument]),
            (_, Ok(argument), _) => self.headed(major | 25, argument.to_be_bytes()),
            (.., Ok(argument)) => self.headed(major | 26, argument.to_be_bytes()),
            _ => self.headed(major | 27, argument.to_be_bytes()),
        }
    }

    #[inline]
    fn headed<const N: usize>(&mut self, first: u8, octets: [u8; N]) {
        self.out.push(first);
        self.out.extend_from_slice(&octets);
    }
}

impl<'o> Writer<'o> for CborWriter<'o> {
    const SERIALIZER: Serializer = Serializer::Cbor;

    fn open(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    fn list(&mut self, count: usize) {
        self.head(major::LIST, count as u64);
    }

    fn end_list(&mut self) {}

    fn dict(&mut self, count: usize) {
        self.head(major::DICT, count as u64);
    }

    fn end_dict(&mut self) {}

    fn key(&mut self, key: &str) {
        self.text(key);
    }

    fn integer(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(major::SIMPLE << 5 | if value { simple::TRUE } else { simple::FALSE });
    }

    fn null(&mut self) {
        self.out.push(major::SIMPLE << 5 | simple::NULL);
    }

    fn text(&mut self, value: &str) {
        self.head(major::TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }

    fn binary(&mut self, value: &[u8]) {
        self.head(major::BINARY, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    fn raw(&mut self, element: &[u8]) {
        self.out.extend_from_slice(element);
    }
}
