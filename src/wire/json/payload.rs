//! What JSON payloads hold beyond the fields of a message.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{JsonReader, JsonWriter, number, write_decimal};
use crate::wire::payload::{Item, PayloadReader, PayloadWriter};
use crate::wire::transcode::Unrepresentable;
use crate::wire::{Reader, Writer};

impl<'a> PayloadReader<'a> for JsonReader<'a> {
    fn item(&mut self) -> Result<Item<'a>, Unrepresentable> {
        Ok(match self.peek() {
            Some(b'"') => {
                let text = self.text()?;
                match text.strip_prefix('\0') {
                    Some(base64) => Item::Binary(Cow::Owned(octets(base64)?)),
                    None => Item::Text(text),
                }
            }
            Some(b'[') => Item::Sequence(self.list()?),
            Some(b'{') => Item::Sequence(self.dict()?),
            Some(b't' | b'f') => Item::Boolean(self.boolean()?),
            Some(b'n') => {
                self.pass_word(b"null")?;
                Item::Null
            }
            _ => {
                let (characters, whole) = self.number()?;
                number_item(characters, whole)?
            }
        })
    }

    fn key_item(&mut self) -> Result<Item<'a>, Unrepresentable> {
        Ok(Item::Text(self.key()?))
    }
}

// spec: advanced/serialization_binary_json#binary-conversion-of-json-strings
fn octets(base64: &str) -> Result<Vec<u8>, Unrepresentable> {
    STANDARD
        .decode(base64)
        .map_err(|_| Unrepresentable("JSON: a text begins with NUL but is not base64"))
}

fn number_item(characters: &[u8], whole: bool) -> Result<Item<'static>, Unrepresentable> {
    if whole {
        let exact = match characters.strip_prefix(b"-") {
            None => number::unsigned(characters).map(Item::Unsigned),
            Some(digits) => number::unsigned(digits).and_then(below_zero),
        };
        if let Some(item) = exact {
            return Ok(item);
        }
    }
    Ok(Item::Double(number::double(characters)?))
}

/// The number `size` below zero; minus zero is zero.
fn below_zero(size: u64) -> Option<Item<'static>> {
    match 0_i64.checked_sub_unsigned(size)? {
        0 => Some(Item::Unsigned(0)),
        value => Some(Item::Negative(value)),
    }
}

impl<'o> PayloadWriter<'o> for JsonWriter<'o> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        self.raw(b"null");
    }

    fn signed(&mut self, value: i64) {
        self.separate();
        if value < 0 {
            self.out.push(b'-');
        }
        write_decimal(self.out, value.unsigned_abs());
    }

    /// JSON has one width; the value is kept exactly.
    fn single(&mut self, value: f32) {
        self.double(f64::from(value));
    }

    /// The shortest digits that read back as `value`, always with a fraction or an exponent.
    ///
    /// JSON has no infinity and nothing that is not a number; they become `null`.
    fn double(&mut self, value: f64) {
        if !value.is_finite() {
            return self.null();
        }
        self.separate();
        let mut digits = Digits { out: self.out };
        write!(digits, "{value:?}").expect("memory takes everything that is written");
    }
}

/// Lets formatted text flow into a message.
struct Digits<'o> {
    out: &'o mut Vec<u8>,
}

impl std::fmt::Write for Digits<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
