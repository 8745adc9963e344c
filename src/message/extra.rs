//! What belongs to one way of authentication alone, and what nobody but its receiver may read.

use super::Text;
use super::layout::{Element, Invalid};
use crate::wire::cbor::CborReader;
use crate::wire::json::JsonReader;
use crate::wire::msgpack::MsgPackReader;
use crate::wire::ubjson::UbjsonReader;
use crate::wire::{Kind, Malformed, Reader, Serializer, Writer, transcode};

/// A dict whose attributes depend on the way of authentication: raw, checked, not yet understood.
// spec: advanced/interface_idl — `authextra` is no application payload
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extra<'a> {
    serializer: Serializer,
    raw: &'a [u8],
}

impl<'a> Extra<'a> {
    /// From a dict in MessagePack that was kept or made.
    #[must_use]
    pub const fn of_msgpack(raw: &'a [u8]) -> Self {
        Self { serializer: Serializer::MessagePack, raw }
    }

    /// The attributes that a way of authentication knows; unknown ones are skipped.
    ///
    /// # Errors
    ///
    /// If a known one is of another type.
    pub fn understood<T: Element<'a>>(&self) -> Result<T, Invalid> {
        match self.serializer {
            Serializer::Json => T::read(&mut JsonReader::open(self.raw)),
            Serializer::MessagePack => T::read(&mut MsgPackReader::open(self.raw)),
            Serializer::Cbor => T::read(&mut CborReader::open(self.raw)),
            Serializer::Ubjson => T::read(&mut UbjsonReader::open(self.raw)),
        }
    }

    /// Octets of it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "even an empty dict has octets")]
    pub const fn len(&self) -> usize {
        self.raw.len()
    }

    /// The same dict in `serializer`; `None` if something in it has no form there.
    #[must_use]
    pub fn to(&self, serializer: Serializer) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let carried = transcode::element(self.serializer, serializer, self.raw, &mut out);
        carried.is_ok().then_some(out)
    }
}

/// It may hold secrets.
impl std::fmt::Debug for Extra<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extra({} octets)", self.raw.len())
    }
}

impl<'a> Element<'a> for Extra<'a> {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        if reader.kind()? != Kind::Dict {
            return Err(Malformed("expected a dict").into());
        }
        Ok(Self { serializer: R::SERIALIZER, raw: reader.skip()? })
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        match self.to(W::SERIALIZER) {
            Some(element) => writer.raw(&element),
            None => writer.null(),
        }
    }
}

/// `AUTHENTICATE.Signature`: a ticket, or what proves that its sender has the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature<'a>(pub Text<'a>);

/// It may be the secret itself.
impl std::fmt::Debug for Signature<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature")
    }
}

impl<'a> Element<'a> for Signature<'a> {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        Ok(Self(reader.text()?))
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.text(&self.0);
    }
}
