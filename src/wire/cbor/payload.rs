//! What CBOR payloads hold beyond the fields of a message.

use std::borrow::Cow;

use super::{CborReader, CborWriter, Head, major, simple};
use crate::wire::payload::{Carried, KEY_NOT_TEXT, PayloadReader, PayloadWriter, single};
use crate::wire::transcode::Unrepresentable;
use crate::wire::{Malformed, Writer};

const BIGNUM: Unrepresentable = Unrepresentable("a CBOR bignum of more than 64 bits");

/// The tags of bignums: octets that are a number, and the complement of one.
mod tag {
    pub(super) const BIGNUM: u64 = 2;
    pub(super) const NEGATIVE_BIGNUM: u64 = 3;
}

impl<'a> PayloadReader<'a> for CborReader<'a> {
    #[inline(always)]
    fn carry<'o>(&mut self, to: &mut impl PayloadWriter<'o>) -> Carried {
        let (tag, head) = self.tagged_head()?;
        self.carry_rest(tag, head, to)
    }

    #[inline(always)]
    fn carry_key<'o, W: PayloadWriter<'o>>(&mut self, to: &mut W) -> Carried {
        let (tag, head) = self.tagged_head()?;
        if head.major == major::TEXT {
            to.key(&self.text_of(head)?);
            return Ok(None);
        }
        if W::KEYS_ARE_TEXTS {
            return Err(KEY_NOT_TEXT);
        }
        self.carry_rest(tag, head, to)
    }
}

impl<'a> CborReader<'a> {
    /// Consumes the start of an element, and its tags before it; the last of them counts.
    #[inline(always)]
    fn tagged_head(&mut self) -> Result<(Option<u64>, Head), Malformed> {
        let mut tag = None;
        loop {
            let head = self.head()?;
            if head.major != major::TAG {
                return Ok((tag, head));
            }
            tag = head.argument;
        }
    }

    /// Carries the element whose head was read.
    #[inline(always)]
    fn carry_rest<'o>(
        &mut self,
        tag: Option<u64>,
        head: Head,
        to: &mut impl PayloadWriter<'o>,
    ) -> Carried {
        let argument = head.argument.unwrap_or_default();
        match head.major {
            major::UNSIGNED => to.integer(argument),
            major::NEGATIVE => carry_complement(argument, to),
            major::BINARY => carry_binary(tag, &self.binary_of(head)?, to)?,
            major::TEXT => to.text(&self.text_of(head)?),
            major::LIST | major::DICT => return Ok(Some(self.sequence_of(head)?)),
            _ => carry_simple(head.information, argument, to)?,
        }
        Ok(None)
    }

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

/// Carries −1 − `complement`: exactly, or as the nearest float.
fn carry_complement<'o>(complement: u64, to: &mut impl PayloadWriter<'o>) {
    match i64::try_from(complement) {
        Ok(complement) => to.signed(!complement),
        // Rounded once, from the exact value.
        Err(_) => to.double((-1 - i128::from(complement)) as f64),
    }
}

fn carry_binary<'o>(
    tag: Option<u64>,
    binary: &[u8],
    to: &mut impl PayloadWriter<'o>,
) -> Result<(), Unrepresentable> {
    match tag {
        Some(tag::BIGNUM) => to.integer(bignum(binary)?),
        Some(tag::NEGATIVE_BIGNUM) => {
            let complement = i64::try_from(bignum(binary)?).map_err(|_| BIGNUM)?;
            to.signed(!complement);
        }
        _ => to.binary(binary),
    }
    Ok(())
}

fn bignum(binary: &[u8]) -> Result<u64, Unrepresentable> {
    binary.iter().try_fold(0_u64, |value, &octet| {
        let shifted = value.checked_mul(256).ok_or(BIGNUM)?;
        Ok(shifted | u64::from(octet))
    })
}

fn carry_simple<'o>(
    information: u8,
    bits: u64,
    to: &mut impl PayloadWriter<'o>,
) -> Result<(), Unrepresentable> {
    match information {
        simple::FALSE => to.boolean(false),
        simple::TRUE => to.boolean(true),
        simple::NULL | simple::UNDEFINED => to.null(),
        simple::HALF => to.single(half(bits)),
        simple::SINGLE => to.single(single(bits)),
        simple::DOUBLE => to.double(f64::from_bits(bits)),
        _ => return Err(Unrepresentable("a CBOR simple value")),
    }
    Ok(())
}

/// The value of a float of half width: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u64) -> f32 {
    let (exponent, fraction) = (bits >> 10 & 0x1f, bits & 0x3ff);
    let size = match exponent {
        0 => fraction as f32 / 16_777_216.0,
        0x1f => single(0x7f80_0000 | fraction << 13),
        _ => single((exponent + 112) << 23 | fraction << 13),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

impl<'o> PayloadWriter<'o> for CborWriter<'o> {
    const KEYS_ARE_TEXTS: bool = false;
    const COUNTS: bool = true;

    fn out(&mut self) -> &mut Vec<u8> {
        self.out
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
