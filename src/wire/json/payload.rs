//! What JSON payloads hold beyond the fields of a message.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{JsonReader, JsonWriter, number, write_decimal};
use crate::wire::payload::{Carried, PayloadReader, PayloadWriter};
use crate::wire::transcode::Unrepresentable;
use crate::wire::{Reader, Writer};

impl<'a> PayloadReader<'a> for JsonReader<'a> {
    #[inline(always)]
    fn carry<'o>(&mut self, to: &mut impl PayloadWriter<'o>) -> Carried {
        match self.peek() {
            Some(b'"') => carry_text(&self.text()?, to)?,
            Some(b'[') => return Ok(Some(self.list()?)),
            Some(b'{') => return Ok(Some(self.dict()?)),
            Some(b't' | b'f') => to.boolean(self.boolean()?),
            Some(b'n') => {
                self.pass_word(b"null")?;
                to.null();
            }
            _ => {
                let (characters, whole) = self.number()?;
                carry_number(characters, whole, to)?;
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn carry_key<'o, W: PayloadWriter<'o>>(&mut self, to: &mut W) -> Carried {
        to.key(&self.key()?);
        Ok(None)
    }
}

// spec: advanced/serialization_binary_json#binary-conversion-of-json-strings
fn carry_text<'o>(text: &str, to: &mut impl PayloadWriter<'o>) -> Result<(), Unrepresentable> {
    let Some(base64) = text.strip_prefix('\0') else {
        to.text(text);
        return Ok(());
    };
    let Ok(octets) = STANDARD.decode(base64) else {
        return Err(Unrepresentable("JSON: a text begins with NUL but is not base64"));
    };
    to.binary(&octets);
    Ok(())
}

/// Carries a number that was passed over, by its characters.
pub(in crate::wire) fn carry_number<'o>(
    characters: &[u8],
    whole: bool,
    to: &mut impl PayloadWriter<'o>,
) -> Result<(), Unrepresentable> {
    if whole {
        let below_zero = characters.strip_prefix(b"-");
        let size = number::unsigned(below_zero.unwrap_or(characters));
        if let (Some(size), None) = (size, below_zero) {
            to.integer(size);
            return Ok(());
        }
        // Minus zero is zero.
        if let Some(value) = size.and_then(|size| 0_i64.checked_sub_unsigned(size)) {
            to.signed(value);
            return Ok(());
        }
    }
    to.double(number::double(characters)?);
    Ok(())
}

impl<'o> PayloadWriter<'o> for JsonWriter<'o> {
    const KEYS_ARE_TEXTS: bool = true;
    const COUNTS: bool = false;

    fn out(&mut self) -> &mut Vec<u8> {
        self.out
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
