//! JSON, strictly by RFC 8259.
//!
//! No comments, no trailing commas, no byte order mark, no half surrogate pairs. A number must be
//! within the range of a double. Binary travels as text: a NUL character, then base64.

mod block;
pub(super) mod number;
mod payload;
#[cfg(test)]
mod tests;
mod text;

pub(super) use payload::carry_number;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cursor::{self, Cursor, ENDS_EARLY};
use super::{Kind, Malformed, Reader, Sequence, Serializer, Writer};

const NO_ELEMENT: Malformed = Malformed("JSON: an element was expected");
const NO_SEPARATOR: Malformed = Malformed("JSON: a comma or a closing bracket was expected");

/// A cursor over one JSON text.
#[derive(Clone, Debug)]
pub struct JsonReader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> JsonReader<'a> {
    /// Consumes white space; returns the octet that stands behind it.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.cursor.peek() {
            Some(b'\0'..=b' ') => self.peek_behind_space(),
            next => next,
        }
    }

    fn peek_behind_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.cursor.peek() {
            self.pass(1);
        }
        self.cursor.peek()
    }

    /// Consumes `count` octets that were seen already.
    #[inline]
    fn pass(&mut self, count: usize) {
        self.cursor.move_to(self.cursor.at() + count);
    }

    /// Consumes `word`, whose first letter was seen already.
    #[inline]
    fn pass_word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        let rest = self.cursor.bytes().get(self.cursor.at()..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(NO_ELEMENT);
        }
        self.pass(word.len());
        Ok(())
    }

    #[inline]
    fn pass_text(&mut self) -> Result<text::Passed, Malformed> {
        let passed = text::pass(self.cursor.bytes(), self.cursor.at())?;
        self.cursor.move_to(passed.end);
        Ok(passed)
    }

    /// Consumes a key and its colon, without resolving it.
    #[inline]
    fn pass_key(&mut self) -> Result<(), Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed("JSON: the key of a dict is not a text"));
        }
        self.pass_text()?;
        self.pass_colon()
    }

    #[inline]
    fn pass_colon(&mut self) -> Result<(), Malformed> {
        if self.peek() != Some(b':') {
            return Err(Malformed("JSON: a colon was expected"));
        }
        self.pass(1);
        Ok(())
    }

    /// Consumes a number.
    #[inline]
    fn pass_number(&mut self) -> Result<number::Passed, Malformed> {
        let passed = number::pass(self.cursor.bytes(), self.cursor.at())?;
        self.cursor.move_to(passed.end);
        Ok(passed)
    }

    /// Consumes a number; returns its characters and whether it is written as a whole one.
    fn number(&mut self) -> Result<(&'a [u8], bool), Malformed> {
        let start = self.cursor.at();
        let passed = self.pass_number()?;
        Ok((self.cursor.since(start), passed.whole))
    }

    fn sequence(&mut self, opening: u8) -> Result<Sequence, Malformed> {
        if self.peek() != Some(opening) {
            return Err(match opening {
                b'{' => Malformed("a dict was expected"),
                _ => Malformed("a list was expected"),
            });
        }
        self.cursor.enter()?;
        self.pass(1);
        Ok(Sequence::new(Sequence::UNCOUNTED, opening == b'{'))
    }

    /// Consumes the head of an element: all of it, or the opening bracket and, in a dict that is
    /// not empty, the first key. True if another element must follow now.
    #[inline]
    fn pass_head(&mut self, dicts: &mut u64) -> Result<bool, Malformed> {
        match self.peek().ok_or(ENDS_EARLY)? {
            b'"' => self.pass_text().map(drop)?,
            b'-' | b'0'..=b'9' => self.pass_number().map(drop)?,
            b'[' => {
                self.cursor.enter()?;
                self.pass(1);
                *dicts <<= 1;
                return Ok(self.peek() != Some(b']'));
            }
            b'{' => {
                self.cursor.enter()?;
                self.pass(1);
                *dicts = *dicts << 1 | 1;
                if self.peek() != Some(b'}') {
                    self.pass_key()?;
                    return Ok(true);
                }
            }
            b't' => self.pass_word(b"true")?,
            b'f' => self.pass_word(b"false")?,
            b'n' => self.pass_word(b"null")?,
            _ => return Err(NO_ELEMENT),
        }
        Ok(false)
    }
}

impl<'a> Reader<'a> for JsonReader<'a> {
    const SERIALIZER: Serializer = Serializer::Json;

    fn open(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::open(bytes) }
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        Ok(match self.peek().ok_or(ENDS_EARLY)? {
            b'"' => Kind::Text,
            b'[' => Kind::List,
            b'{' => Kind::Dict,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            b'-' | b'0'..=b'9' => {
                let passed = self.clone().pass_number()?;
                if passed.whole { Kind::Integer } else { Kind::Float }
            }
            _ => return Err(NO_ELEMENT),
        })
    }

    fn list(&mut self) -> Result<Sequence, Malformed> {
        self.sequence(b'[')
    }

    fn dict(&mut self) -> Result<Sequence, Malformed> {
        self.sequence(b'{')
    }

    fn more(&mut self, sequence: &mut Sequence) -> Result<bool, Malformed> {
        if sequence.left == 0 {
            return Ok(false);
        }
        let closing = if sequence.dict { b'}' } else { b']' };
        let next = self.peek().ok_or(ENDS_EARLY)?;
        if next == closing {
            self.pass(1);
            self.cursor.leave();
            sequence.left = 0;
            return Ok(false);
        }
        // A comma before the bracket is found by whoever reads the element that should follow.
        if !std::mem::take(&mut sequence.first) {
            if next != b',' {
                return Err(NO_SEPARATOR);
            }
            self.pass(1);
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let key = self.text()?;
        self.pass_colon()?;
        Ok(key)
    }

    fn integer(&mut self) -> Result<u64, Malformed> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(Malformed("an integer was expected"));
        }
        let (digits, whole) = self.number()?;
        if !whole {
            return Err(Malformed("an integer was expected, not a float"));
        }
        number::unsigned(digits).ok_or(Malformed("an integer is too large"))
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b't') => self.pass_word(b"true").map(|()| true),
            Some(b'f') => self.pass_word(b"false").map(|()| false),
            _ => Err(Malformed("a boolean was expected")),
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed("a text was expected"));
        }
        let first = self.cursor.at() + 1;
        let passed = self.pass_text()?;
        let inside = self.cursor.bytes().get(first..passed.end - 1).unwrap_or_default();
        let raw = cursor::text(inside)?;
        if passed.escaped { text::resolve(raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(raw)) }
    }

    fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        self.peek();
        let start = self.cursor.at();
        let outside = self.cursor.depth();
        // One bit for each container that was opened in here, the innermost lowest; set for a
        // dict. DEPTH_MAX of them fit.
        let mut dicts = 0_u64;
        loop {
            if self.pass_head(&mut dicts)? {
                continue;
            }
            loop {
                if self.cursor.depth() == outside {
                    return Ok(self.cursor.since(start));
                }
                let next = self.peek().ok_or(ENDS_EARLY)?;
                let inside_dict = dicts & 1 == 1;
                match next {
                    b',' => {
                        self.pass(1);
                        if inside_dict {
                            self.pass_key()?;
                        }
                        break;
                    }
                    b']' if !inside_dict => {}
                    b'}' if inside_dict => {}
                    _ => return Err(NO_SEPARATOR),
                }
                self.pass(1);
                self.cursor.leave();
                dicts >>= 1;
            }
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.peek();
        self.cursor.end()
    }
}

const _: () = assert!(crate::limits::DEPTH_MAX <= u64::BITS, "skip() keeps one bit per level");

/// Appends JSON.
#[derive(Debug)]
pub struct JsonWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Whether the next element or key needs a comma before it.
    comma: bool,
}

impl JsonWriter<'_> {
    /// What stands before any element: a comma, if one stands before it in the same container.
    #[inline]
    fn separate(&mut self) {
        if std::mem::replace(&mut self.comma, true) {
            self.out.push(b',');
        }
    }
}

impl<'o> Writer<'o> for JsonWriter<'o> {
    const SERIALIZER: Serializer = Serializer::Json;

    fn open(out: &'o mut Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    fn list(&mut self, _count: usize) {
        self.separate();
        self.out.push(b'[');
        self.comma = false;
    }

    fn end_list(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    fn dict(&mut self, _count: usize) {
        self.separate();
        self.out.push(b'{');
        self.comma = false;
    }

    fn end_dict(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    fn key(&mut self, key: &str) {
        self.text(key);
        self.out.push(b':');
        self.comma = false;
    }

    fn integer(&mut self, value: u64) {
        self.separate();
        write_decimal(self.out, value);
    }

    fn boolean(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    fn null(&mut self) {
        self.raw(b"null");
    }

    fn text(&mut self, value: &str) {
        self.separate();
        text::write(self.out, value);
    }

    // spec: advanced/serialization_binary_json#binary-conversion-of-json-strings
    fn binary(&mut self, value: &[u8]) {
        self.separate();
        self.out.extend_from_slice(b"\"\\u0000");
        let start = self.out.len();
        let length = value.len().div_ceil(3) * 4;
        self.out.resize(start + length, 0);
        let room = self.out.get_mut(start..).unwrap_or_default();
        let written = STANDARD.encode_slice(value, room);
        debug_assert_eq!(written, Ok(length), "base64 makes four characters of each three octets");
        self.out.push(b'"');
    }

    fn raw(&mut self, element: &[u8]) {
        self.separate();
        self.out.extend_from_slice(element);
    }
}

fn write_decimal(out: &mut Vec<u8>, value: u64) {
    // 2^64 − 1 has twenty digits.
    let mut digits = [0; 20];
    let mut rest = value;
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first = place;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}
