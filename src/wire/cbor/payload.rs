//! What CBOR payloads hold beyond the fields of a message.

use std::borrow::Cow;

use super::{CborReader, CborWriter, Head, major, simple};
use crate::wire::payload::{Item, PayloadReader, PayloadWriter};
use crate::wire::transcode::Unrepresentable;
use crate::wire::{Malformed, Writer};

const BIGNUM: Unrepresentable = Unrepresentable("a CBOR bignum of more than 64 bits");

/// The tags of bignums: octets that are a number, and the complement of one.
mod tag {
    pub(super) const BIGNUM: u64 = 2;
    pub(super) const NEGATIVE_BIGNUM: u64 = 3;
}

impl<'a> PayloadReader<'a> for CborReader<'a> {
    fn item(&mut self) -> Result<Item<'a>, Unrepresentable> {
        let mut head = self.head()?;
        let mut tag = None;
        while head.major == major::TAG {
            tag = head.argument;
            head = self.head()?;
        }
        let argument = head.argument.unwrap_or_default();
        Ok(match head.major {
            major::UNSIGNED => Item::Unsigned(argument),
            major::NEGATIVE => below_zero(argument),
            major::BINARY => tagged(tag, self.binary_of(head)?)?,
            major::TEXT => Item::Text(self.text_of(head)?),
            major::LIST | major::DICT => Item::Sequence(self.sequence_of(head)?),
            _ => simple_value(head)?,
        })
    }
}

impl<'a> CborReader<'a> {
    /// Consumes the octets whose head was read.
    fn binary_of(&mut self, head: Head) -> Result<Cow<'a, [u8]>, Malformed> {
        if let Some(length) = head.argument {
            return self.cursor.take(length).map(Cow::Borrowed);
        }
        let mut binary = Vec::new();
        while let Some(chunk) = self.chunk(major::BINARY)? {
            binary.extend_from_slice(chunk);
        }
        Ok(Cow::Owned(binary))
    }
}

fn tagged(tag: Option<u64>, binary: Cow<'_, [u8]>) -> Result<Item<'_>, Unrepresentable> {
    match tag {
        Some(tag::BIGNUM) => bignum(&binary).map(Item::Unsigned),
        Some(tag::NEGATIVE_BIGNUM) => {
            let complement = i64::try_from(bignum(&binary)?).map_err(|_| BIGNUM)?;
            Ok(Item::Negative(!complement))
        }
        _ => Ok(Item::Binary(binary)),
    }
}

/// −1 − `complement`: exact, or the nearest float.
fn below_zero(complement: u64) -> Item<'static> {
    match i64::try_from(complement) {
        Ok(complement) => Item::Negative(!complement),
        // Rounded once, from the exact value.
        Err(_) => Item::Double((-1 - i128::from(complement)) as f64),
    }
}

fn bignum(binary: &[u8]) -> Result<u64, Unrepresentable> {
    binary.iter().try_fold(0_u64, |value, &octet| {
        let shifted = value.checked_mul(256).ok_or(BIGNUM)?;
        Ok(shifted | u64::from(octet))
    })
}

fn simple_value(head: Head) -> Result<Item<'static>, Unrepresentable> {
    let bits = head.argument.unwrap_or_default();
    Ok(match head.information {
        simple::FALSE => Item::Boolean(false),
        simple::TRUE => Item::Boolean(true),
        simple::NULL | simple::UNDEFINED => Item::Null,
        simple::HALF => Item::Single(half(bits)),
        simple::SINGLE => Item::Single(f32::from_bits(low_half(bits))),
        simple::DOUBLE => Item::Double(f64::from_bits(bits)),
        _ => return Err(Unrepresentable("a CBOR simple value")),
    })
}

/// The lower 32 bits.
fn low_half(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default()
}

/// The value of a float of half width: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u64) -> f32 {
    let bits = low_half(bits);
    let (exponent, fraction) = (bits >> 10 & 0x1f, bits & 0x3ff);
    let size = match exponent {
        0 => fraction as f32 / 16_777_216.0,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

impl<'o> PayloadWriter<'o> for CborWriter<'o> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        self.out.push(major::SIMPLE << 5 | simple::NULL);
    }

    fn signed(&mut self, value: i64) {
        // −1 − n and the complement of n are the same.
        match u64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.head(major::NEGATIVE, (!value).unsigned_abs()),
        }
    }

    fn single(&mut self, value: f32) {
        self.headed(major::SIMPLE << 5 | simple::SINGLE, value.to_be_bytes());
    }

    fn double(&mut self, value: f64) {
        self.headed(major::SIMPLE << 5 | simple::DOUBLE, value.to_be_bytes());
    }
}
