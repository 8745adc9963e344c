//! Messages written from templates, and read by their ends.
//!
//! A load generator says the same thing over and over, but for a request id and a
//! [`Stamp`]: a [`Template`] is the rest, written once. What comes back has the stamp at the very
//! end, behind details of any shape, so a [`Scanner`] reads the type, the first id and the tail;
//! whatever does not look as expected is parsed in full.

use gigawamp::message::{Message, Payload, RequestId};
use gigawamp::wire::cbor::CborWriter;
use gigawamp::wire::json::JsonWriter;
use gigawamp::wire::msgpack::MsgPackWriter;
use gigawamp::wire::ubjson::UbjsonWriter;
use gigawamp::wire::{Serializer, Writer};

use crate::stamp::{STAMP_BYTES, Stamp};

/// A message without its request id and stamp.
#[derive(Clone, Debug)]
pub struct Template {
    /// `None`: a bare frame for the relay, which has no id.
    serializer: Option<Serializer>,
    before_id: Vec<u8>,
    after_id: Vec<u8>,
    /// Where in `after_id` the stamp goes.
    stamp_at: Option<usize>,
}

impl Template {
    /// The template of what `build` makes of a request id and a payload of `payload_bytes`
    /// octets of text; none if that is zero.
    ///
    /// # Panics
    ///
    /// If the payload is too short for a stamp, or the message has no request id.
    #[must_use]
    pub fn new(
        serializer: Serializer,
        payload_bytes: usize,
        build: impl for<'a> Fn(RequestId, Payload<'a>) -> Message<'a>,
    ) -> Self {
        let template = Self::with(serializer, &arguments(serializer, payload_bytes), build);
        assert_eq!(template.stamp_at.is_some(), payload_bytes > 0, "a payload has a stamp");
        template
    }

    /// The template of what `build` makes of a request id and these arguments.
    ///
    /// # Panics
    ///
    /// If the message has no request id.
    #[must_use]
    pub fn with(
        serializer: Serializer,
        arguments: &[u8],
        build: impl for<'a> Fn(RequestId, Payload<'a>) -> Message<'a>,
    ) -> Self {
        let payload = Payload::from_elements(serializer, (arguments, &[]), false);
        let write = |id| {
            let mut bytes = Vec::new();
            build(RequestId(id), payload).write(serializer, &mut bytes);
            bytes
        };
        // Ids of one octet that differ show where the id stands.
        let (bytes, other) = (write(1), write(2));
        let id_at = bytes.iter().zip(&other).position(|(a, b)| a != b);
        let id_at = id_at.expect("the message has a request id");
        let after_id = bytes[id_at + 1..].to_vec();
        // In some serializers a marker stands in front of it.
        let mut id = Vec::new();
        write_integer(serializer, 1, &mut id);
        let id_at = id_at + 1 - id.len();
        let stamp_at =
            after_id.windows(STAMP_BYTES).position(|window| *window == [MARK; STAMP_BYTES]);
        Self {
            serializer: Some(serializer),
            before_id: bytes[..id_at].to_vec(),
            after_id,
            stamp_at,
        }
    }

    /// A frame of `bytes` octets with nothing but a stamp, if it has room for one.
    #[must_use]
    pub fn bare(bytes: usize) -> Self {
        Self {
            serializer: None,
            before_id: Vec::new(),
            after_id: vec![FILLER; bytes],
            stamp_at: (bytes >= STAMP_BYTES).then_some(0),
        }
    }

    /// Appends the message with `id` and `stamp`.
    #[inline]
    pub fn write(&self, id: u64, stamp: Stamp, out: &mut Vec<u8>) {
        if let Some(serializer) = self.serializer {
            out.extend_from_slice(&self.before_id);
            write_integer(serializer, id, out);
        }
        let tail = out.len();
        out.extend_from_slice(&self.after_id);
        if let Some(at) = self.stamp_at {
            out[tail + at..][..STAMP_BYTES].copy_from_slice(&stamp.to_text());
        }
    }
}

/// What was expected, and came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The first id of the message; 0 in a bare frame.
    pub id: u64,
    /// The stamp of its payload; all zero if none was expected.
    pub stamp: Stamp,
}

/// Reads messages of one type whose payload is one text of known length.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    serializer: Option<Serializer>,
    code: u8,
    payload_bytes: usize,
}

impl Scanner {
    /// For messages of type `code` with `payload_bytes` octets of text; zero: without payload.
    #[must_use]
    pub fn new(serializer: Serializer, code: u64, payload_bytes: usize) -> Self {
        let code =
            u8::try_from(code).expect("the codes of all messages that are awaited are small");
        Self { serializer: Some(serializer), code, payload_bytes }
    }

    /// For bare frames with a stamp, or without.
    #[must_use]
    pub const fn bare(has_stamp: bool) -> Self {
        Self { serializer: None, code: 0, payload_bytes: if has_stamp { STAMP_BYTES } else { 0 } }
    }

    /// Reads one message.
    ///
    /// # Errors
    ///
    /// What came instead, in words that follow "got".
    #[inline]
    pub fn scan(&self, message: &[u8]) -> Result<Heard, String> {
        match self.scan_quickly(message) {
            Some(heard) => Ok(heard),
            None => self.parse(message),
        }
    }

    #[inline]
    fn scan_quickly(&self, message: &[u8]) -> Option<Heard> {
        let Some(serializer) = self.serializer else {
            let stamp = self.stamp(message, 0)?;
            return Some(Heard { id: 0, stamp });
        };
        let (id, closers) = match serializer {
            Serializer::MessagePack => (msgpack_id(message, self.code)?, 0),
            Serializer::Json => (json_id(message, self.code)?, 3),
            Serializer::Cbor => (cbor_id(message, self.code)?, 0),
            Serializer::Ubjson => (ubjson_id(message, self.code)?, 2),
        };
        let start = message.len().checked_sub(closers + self.payload_bytes)?;
        Some(Heard { id, stamp: self.stamp(message, start)? })
    }

    #[inline]
    fn stamp(&self, message: &[u8], start: usize) -> Option<Stamp> {
        if self.payload_bytes == 0 {
            return Some(Stamp::default());
        }
        Stamp::from_text(message.get(start..)?)
    }

    /// Reads with the router's own parser: slow, and sees everything.
    #[cold]
    fn parse(&self, message: &[u8]) -> Result<Heard, String> {
        let Some(serializer) = self.serializer else {
            return Err("a frame without a stamp".to_owned());
        };
        let proper = without_null(serializer, message);
        let message = proper.as_deref().unwrap_or(message);
        let parsed = Message::parse(serializer, message).map_err(|invalid| {
            format!("{} octets that are no message: {invalid}", message.len())
        })?;
        if parsed.code() != u64::from(self.code) {
            return Err(describe(&parsed));
        }
        let id = first_id(&parsed).ok_or_else(|| describe(&parsed))?;
        if self.payload_bytes == 0 {
            return Ok(Heard { id, stamp: Stamp::default() });
        }
        let arguments = parsed.payload().and_then(Payload::arguments).unwrap_or_default();
        let closers = match serializer {
            Serializer::Json => 2,
            Serializer::Ubjson => 1,
            Serializer::MessagePack | Serializer::Cbor => 0,
        };
        let stamp = arguments
            .len()
            .checked_sub(closers + self.payload_bytes)
            .and_then(|start| Stamp::from_text(&arguments[start..]));
        let altered = || format!("a {} whose payload was altered", parsed.name());
        Ok(Heard { id, stamp: stamp.ok_or_else(altered)? })
    }
}

/// The message without a `null` where keyword arguments belong: some routers end theirs with one,
/// which is no WAMP, but no reason not to measure them.
fn without_null(serializer: Serializer, message: &[u8]) -> Option<Vec<u8>> {
    let rest = message.strip_suffix(b",null]").filter(|_| serializer == Serializer::Json)?;
    Some([rest, b"]"].concat())
}

/// Names a message, with its reason if it has one.
#[must_use]
pub fn describe(message: &Message<'_>) -> String {
    let (reason, text) = match message {
        Message::Error(error) => (Some(&error.error), &error.details.message),
        Message::Abort(abort) => (Some(&abort.reason), &abort.details.message),
        Message::Goodbye(goodbye) => (Some(&goodbye.reason), &goodbye.details.message),
        _ => (None, &None),
    };
    let mut out = message.name().to_uppercase();
    for part in reason.into_iter().chain(text) {
        out.push(' ');
        out.push_str(part);
    }
    out
}

/// What marks the place of a stamp while a template is made.
const MARK: u8 = b'P';

/// What a payload is filled with.
const FILLER: u8 = b'x';

/// Arguments with one id.
#[must_use]
pub fn id_as_arguments(serializer: Serializer, id: u64) -> Vec<u8> {
    fn write<'o, W: Writer<'o>>(mut writer: W, id: u64) {
        writer.list(1);
        writer.integer(id);
        writer.end_list();
    }
    let mut out = Vec::new();
    match serializer {
        Serializer::Json => write(JsonWriter::open(&mut out), id),
        Serializer::MessagePack => write(MsgPackWriter::open(&mut out), id),
        Serializer::Cbor => write(CborWriter::open(&mut out), id),
        Serializer::Ubjson => write(UbjsonWriter::open(&mut out), id),
    }
    out
}

/// Arguments with one text of `payload_bytes` octets; empty if that is zero.
fn arguments(serializer: Serializer, payload_bytes: usize) -> Vec<u8> {
    fn write<'o, W: Writer<'o>>(mut writer: W, text: &str) {
        writer.list(1);
        writer.text(text);
        writer.end_list();
    }
    let mut out = Vec::new();
    if payload_bytes == 0 {
        return out;
    }
    let mut text = vec![FILLER; payload_bytes];
    for byte in text.iter_mut().take(STAMP_BYTES) {
        *byte = MARK;
    }
    let text = String::from_utf8(text).expect("marks and filler are ASCII");
    match serializer {
        Serializer::Json => write(JsonWriter::open(&mut out), &text),
        Serializer::MessagePack => write(MsgPackWriter::open(&mut out), &text),
        Serializer::Cbor => write(CborWriter::open(&mut out), &text),
        Serializer::Ubjson => write(UbjsonWriter::open(&mut out), &text),
    }
    out
}

#[inline]
fn write_integer(serializer: Serializer, value: u64, out: &mut Vec<u8>) {
    match serializer {
        Serializer::Json => JsonWriter::open(out).integer(value),
        Serializer::MessagePack => MsgPackWriter::open(out).integer(value),
        Serializer::Cbor => CborWriter::open(out).integer(value),
        Serializer::Ubjson => UbjsonWriter::open(out).integer(value),
    }
}

/// The id behind the code `code` at the beginning of a MessagePack message.
#[inline]
fn msgpack_id(message: &[u8], code: u8) -> Option<u64> {
    let [list, found, first, rest @ ..] = message else { return None };
    if list & 0xF0 != 0x90 || *found != code {
        return None;
    }
    Some(match first {
        0..=0x7F => u64::from(*first),
        0xCC => u64::from(*rest.first()?),
        0xCD => u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
        0xCE => u64::from(u32::from_be_bytes(*rest.first_chunk()?)),
        0xCF => u64::from_be_bytes(*rest.first_chunk()?),
        _ => return None,
    })
}

/// The id behind the code `code` at the beginning of a CBOR message.
#[inline]
fn cbor_id(message: &[u8], code: u8) -> Option<u64> {
    let (list, rest) = message.split_first()?;
    if list & 0xE0 != 0x80 || list & 0x1F >= 24 {
        return None;
    }
    let (first, rest) = match rest {
        [0x18, found, first, rest @ ..] if *found == code => (first, rest),
        [found, first, rest @ ..] if *found == code && code < 24 => (first, rest),
        _ => return None,
    };
    Some(match first {
        0..=23 => u64::from(*first),
        0x18 => u64::from(*rest.first()?),
        0x19 => u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
        0x1A => u64::from(u32::from_be_bytes(*rest.first_chunk()?)),
        0x1B => u64::from_be_bytes(*rest.first_chunk()?),
        _ => return None,
    })
}

/// The id behind the code `code` at the beginning of a UBJSON message.
#[inline]
fn ubjson_id(message: &[u8], code: u8) -> Option<u64> {
    let [b'[', b'U', found, width, rest @ ..] = message else { return None };
    if *found != code {
        return None;
    }
    Some(match width {
        b'U' => u64::from(*rest.first()?),
        b'I' => u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
        b'l' => u64::from(u32::from_be_bytes(*rest.first_chunk()?)),
        b'L' => u64::from_be_bytes(*rest.first_chunk()?),
        _ => return None,
    })
}

/// The id behind the code `code` at the beginning of a JSON message.
#[inline]
fn json_id(message: &[u8], code: u8) -> Option<u64> {
    let [b'[', tens, ones, b',', rest @ ..] = message else { return None };
    if *tens != b'0' + code / 10 || *ones != b'0' + code % 10 {
        return None;
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 16 || !matches!(rest.get(digits), Some(b',' | b']')) {
        return None;
    }
    Some(rest[..digits].iter().fold(0, |id, digit| id * 10 + u64::from(digit - b'0')))
}

/// The first id of the messages that are awaited.
fn first_id(message: &Message<'_>) -> Option<u64> {
    match message {
        Message::Result(result) => Some(result.request.0),
        Message::Invocation(invocation) => Some(invocation.request.0),
        Message::Event(event) => Some(event.subscription.0),
        Message::Published(published) => Some(published.request.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
