//! Application payload as cargo: Arguments and ArgumentsKw as raw bytes with their serializer.

use super::layout::{Field, Invalid};
use crate::wire::transcode::{self, Unrepresentable};
use crate::wire::{Kind, Malformed, Reader, Sequence, Serializer, Writer};

/// Arguments and ArgumentsKw of one message: validated, raw, in one serializer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    serializer: Serializer,
    /// The Arguments element; empty if it is absent (no element has no bytes).
    arguments: &'a [u8],
    /// The ArgumentsKw element; empty if it is absent.
    arguments_kw: &'a [u8],
    /// Arguments is a binary: the field's older form of payload passthru.
    transparent: bool,
}

impl<'a> Payload<'a> {
    /// No payload at all.
    #[must_use]
    pub const fn none(serializer: Serializer) -> Self {
        Self { serializer, arguments: &[], arguments_kw: &[], transparent: false }
    }

    /// From Arguments and ArgumentsKw that were read before, e.g. of a payload that was stored.
    /// Each may be empty, i.e. absent, but the second only comes behind the first.
    #[must_use]
    pub const fn from_elements(
        serializer: Serializer,
        (arguments, arguments_kw): (&'a [u8], &'a [u8]),
        transparent: bool,
    ) -> Self {
        assert!(!arguments.is_empty() || arguments_kw.is_empty(), "keywords without arguments");
        Self { serializer, arguments, arguments_kw, transparent }
    }

    /// The serializer both elements are in.
    #[must_use]
    pub const fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// The raw Arguments element, if present.
    #[must_use]
    pub const fn arguments(&self) -> Option<&'a [u8]> {
        if self.arguments.is_empty() { None } else { Some(self.arguments) }
    }

    /// The raw ArgumentsKw element, if present.
    #[must_use]
    pub const fn arguments_kw(&self) -> Option<&'a [u8]> {
        if self.arguments_kw.is_empty() { None } else { Some(self.arguments_kw) }
    }

    /// Octets of both elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.arguments.len() + self.arguments_kw.len()
    }

    /// Whether there is neither.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether Arguments is a binary instead of a list.
    #[must_use]
    pub const fn is_transparent(&self) -> bool {
        self.transparent
    }

    /// The same payload in `serializer`; `buffer` holds its bytes if it had to be transcoded.
    ///
    /// # Errors
    ///
    /// [`Unrepresentable`] if a value has no form in `serializer`.
    pub fn to<'b>(
        &self,
        serializer: Serializer,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Payload<'b>, Unrepresentable>
    where
        'a: 'b,
    {
        if serializer == self.serializer {
            return Ok(*self);
        }
        buffer.clear();
        if !self.arguments.is_empty() {
            transcode::element(self.serializer, serializer, self.arguments, buffer)?;
        }
        let middle = buffer.len();
        if !self.arguments_kw.is_empty() {
            transcode::element(self.serializer, serializer, self.arguments_kw, buffer)?;
        }
        let (arguments, arguments_kw) = buffer.split_at(middle);
        Ok(Payload { serializer, arguments, arguments_kw, transparent: self.transparent })
    }
}

// spec: basic/messages#message-definitions — the payload stands at the tail
impl<'a> Field<'a> for Payload<'a> {
    fn read<R: Reader<'a>>(reader: &mut R, sequence: &mut Sequence) -> Result<Self, Invalid> {
        let mut payload = Self::none(R::SERIALIZER);
        if !reader.more(sequence)? {
            return Ok(payload);
        }
        let kind = reader.kind()?;
        payload.arguments =
            reader.skip().map_err(|malformed| Invalid::from(malformed).within("Arguments"))?;
        let prefixed = kind == Kind::Text && payload.arguments.starts_with(br#""\u0000"#);
        payload.transparent = kind == Kind::Binary || prefixed;
        if kind != Kind::List && !payload.transparent {
            return Err(Invalid::from(Malformed("expected a list")).within("Arguments"));
        }
        if !reader.more(sequence)? {
            return Ok(payload);
        }
        if reader.kind()? != Kind::Dict {
            return Err(Invalid::from(Malformed("expected a dict")).within("ArgumentsKw"));
        }
        payload.arguments_kw =
            reader.skip().map_err(|malformed| Invalid::from(malformed).within("ArgumentsKw"))?;
        Ok(payload)
    }

    fn count(&self) -> usize {
        usize::from(!self.arguments.is_empty()) + usize::from(!self.arguments_kw.is_empty())
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        debug_assert!(self.is_empty() || W::SERIALIZER == self.serializer, "not transcoded");
        if !self.arguments.is_empty() {
            writer.raw(self.arguments);
        }
        if !self.arguments_kw.is_empty() {
            writer.raw(self.arguments_kw);
        }
    }
}
