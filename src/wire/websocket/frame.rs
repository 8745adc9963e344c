//! One WebSocket frame: its head read and written, its payload unmasked.
//!
//! Pure functions of octets. A head is refused at its first wrong octet, in the order of the
//! octets, so that the verdict does not depend on how the stream was cut.

use super::super::Serializer;

/// Octets of a control frame's payload.
// spec: rfc6455#section-5.5
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// Octets of the longest bare head: two, eight of length.
pub(crate) const BARE_HEAD_BYTES_MAX: usize = 2 + 8;

/// Octets of the longest head: a bare one, four of masking key.
pub(crate) const MASKED_HEAD_BYTES_MAX: usize = BARE_HEAD_BYTES_MAX + 4;

const FIN_BIT: u8 = 0x80;
/// The message is compressed, where that was negotiated.
// spec: rfc7692#section-6
const DEFLATED_BIT: u8 = 0x40;
/// Nothing that is negotiated gives these a meaning.
const RESERVED_BITS: u8 = 0x30;
const OPCODE_BITS: u8 = 0x0F;
const MASK_BIT: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    /// More of the message that an earlier frame began.
    Continuation = 0,
    /// A message of text, or its beginning.
    Text = 1,
    /// A message of octets, or its beginning.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// To be answered by a pong.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    /// The one that `serializer` uses.
    // spec: basic/building_blocks#transports
    pub(crate) const fn of(serializer: Serializer) -> Self {
        match serializer {
            Serializer::Json => Self::Text,
            Serializer::MessagePack | Serializer::Cbor | Serializer::Ubjson => Self::Binary,
        }
    }

    /// Whether the frame is about the connection rather than part of a message.
    pub(crate) const fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }
}

/// Which end of the connection we are; it decides who masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Receives masked frames, sends bare ones.
    Server,
    /// Receives bare frames, masks its own.
    Client(Masking),
}

impl Role {
    /// The key of the next frame we send.
    pub(crate) fn key(&mut self) -> Option<[u8; 4]> {
        match self {
            Self::Server => None,
            Self::Client(masking) => Some(masking.key()),
        }
    }
}

/// A source of masking keys: cheap, never repeating soon, not secret.
///
/// Masking protects careless proxies from hostile pages; no page runs in this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masking(u64);

impl Masking {
    /// The source that belongs to `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        // The generator must not start at zero, from which it would never move.
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// The next eight octets of Marsaglia's xorshift64.
    pub(crate) const fn octets(&mut self) -> [u8; 8] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_ne_bytes()
    }

    /// The next key.
    pub(crate) const fn key(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.octets();
        [a, b, c, d]
    }
}

/// What the stream allows of the next frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Whether frames must be masked; otherwise they must not be.
    pub(crate) is_masked: bool,
    /// The only opcode of messages.
    pub(crate) opcode: Opcode,
    /// Whether a message has begun and wants continuation.
    pub(crate) is_inside: bool,
    /// Octets the message may still have.
    pub(crate) room: usize,
    /// Whether messages may be compressed.
    pub(crate) deflates: bool,
}

impl Expected {
    /// Octets that a message of `room` octets may have while it is compressed: what does not
    /// become shorter becomes longer, by an eighth if it is done without any care.
    pub(crate) const fn room_deflated(room: usize) -> usize {
        room + room / 8 + 64
    }
}

/// The head of a frame that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    /// Whether it ends its message.
    pub(crate) is_final: bool,
    /// Whether it begins a message that is compressed.
    pub(crate) is_deflated: bool,
    /// The masking key; zero, which changes nothing, in a bare frame.
    pub(crate) key: [u8; 4],
    /// Octets of the head itself.
    pub(crate) size: usize,
    /// Octets of the payload: within [`Expected::room`] or [`CONTROL_BYTES_MAX`].
    pub(crate) length: usize,
}

/// Why the connection must be failed: the code for the close frame, and how the peer erred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: u16,
    pub(crate) text: &'static str,
}

impl Fault {
    /// The peer broke the framing's rules.
    pub(crate) const fn protocol(text: &'static str) -> Self {
        Self { code: 1002, text }
    }

    /// Data that does not fit its type.
    pub(crate) const fn data(text: &'static str) -> Self {
        Self { code: 1007, text }
    }

    /// More than we take.
    pub(crate) const fn too_big(text: &'static str) -> Self {
        Self { code: 1009, text }
    }
}

/// Reads the head at the start of `bytes`; `None` if its end is not among them.
// spec: rfc6455#section-5.2
#[inline]
pub(crate) fn parse(bytes: &[u8], expected: Expected) -> Result<Option<Head>, Fault> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    // The common case in one comparison: a whole message of the right type.
    let is_deflated = first & DEFLATED_BIT != 0;
    let (opcode, is_final) = if first == FIN_BIT | expected.opcode as u8 && !expected.is_inside {
        (expected.opcode, true)
    } else {
        check_first(first, expected)?
    };
    let Some((&second, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if (second & MASK_BIT != 0) != expected.is_masked {
        return Err(Fault::protocol(if expected.is_masked {
            "a client's frame without masking"
        } else {
            "a masked frame from a server"
        }));
    }
    let short = second & !MASK_BIT;
    if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
        return Err(Fault::protocol("a control frame longer than 125 octets"));
    }
    let (length, rest) = match short {
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (check_minimal(u64::from(u16::from_be_bytes(*bytes)), 126)?, rest)
        }
        127 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (check_minimal(u64::from_be_bytes(*bytes), 1 << 16)?, rest)
        }
        short => (u64::from(short), rest),
    };
    let room = if is_deflated { Expected::room_deflated(expected.room) } else { expected.room };
    let length = match usize::try_from(length) {
        Ok(length) if opcode.is_control() || length <= room => length,
        _ => return Err(Fault::too_big("a message longer than we take")),
    };
    let (key, rest) = if expected.is_masked {
        let Some((key, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        (*key, rest)
    } else {
        ([0; 4], rest)
    };
    let size = bytes.len() - rest.len();
    Ok(Some(Head { opcode, is_final, is_deflated, key, size, length }))
}

/// Checks the first octet: flags, opcode, and whether that opcode may come now.
#[cold]
fn check_first(first: u8, expected: Expected) -> Result<(Opcode, bool), Fault> {
    let is_deflated = first & DEFLATED_BIT != 0;
    if first & RESERVED_BITS != 0 || is_deflated && !expected.deflates {
        return Err(Fault::protocol("reserved bits without an extension"));
    }
    let Some(opcode) = Opcode::from_number(first & OPCODE_BITS) else {
        return Err(Fault::protocol("a reserved opcode"));
    };
    let is_final = first & FIN_BIT != 0;
    match opcode {
        Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong if is_deflated => {
            Err(Fault::protocol("a compressed frame that does not begin a message"))
        }
        Opcode::Continuation if !expected.is_inside => {
            Err(Fault::protocol("a continuation of nothing"))
        }
        Opcode::Text | Opcode::Binary if expected.is_inside => {
            Err(Fault::protocol("a new message inside a fragmented one"))
        }
        Opcode::Text | Opcode::Binary if opcode != expected.opcode => {
            Err(Fault { code: 1003, text: "text and binary do not fit the subprotocol" })
        }
        Opcode::Close | Opcode::Ping | Opcode::Pong if !is_final => {
            Err(Fault::protocol("a fragmented control frame"))
        }
        Opcode::Continuation
        | Opcode::Text
        | Opcode::Binary
        | Opcode::Close
        | Opcode::Ping
        | Opcode::Pong => Ok((opcode, is_final)),
    }
}

/// Refuses a length that a shorter form could have said, and one that uses the sign bit.
fn check_minimal(length: u64, least: u64) -> Result<u64, Fault> {
    if length >> 63 != 0 {
        return Err(Fault::protocol("a length with the top bit set"));
    }
    if length < least {
        return Err(Fault::protocol("a length not in its shortest form"));
    }
    Ok(length)
}

/// The head of a whole bare message of `length` octets, compressed or not: the last octets of the
/// array, and how many of them.
#[inline]
pub(crate) fn bare_head(
    (opcode, is_deflated): (Opcode, bool),
    length: usize,
) -> ([u8; BARE_HEAD_BYTES_MAX], usize) {
    head(FIN_BIT | deflated_bit(is_deflated) | opcode as u8, 0, length)
}

const fn deflated_bit(is_deflated: bool) -> u8 {
    if is_deflated { DEFLATED_BIT } else { 0 }
}

#[inline]
fn head(first: u8, mask_bit: u8, length: usize) -> ([u8; BARE_HEAD_BYTES_MAX], usize) {
    // Put together as one number, because octets written one by one are slow to read as many.
    let (first, mask_bit, length) = (u128::from(first), u128::from(mask_bit), length as u128);
    let (number, size) = match length {
        0..=125 => (first << 8 | mask_bit | length, 2),
        126..=0xFFFF => (first << 24 | (mask_bit | 126) << 16 | length, 4),
        _ => (first << 72 | (mask_bit | 127) << 64 | length, 10),
    };
    (*number.to_be_bytes().last_chunk().expect("sixteen octets end with ten"), size)
}

/// Appends one frame, masked if there is a `key`.
pub(crate) fn write(
    (opcode, is_final): (Opcode, bool),
    key: Option<[u8; 4]>,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let first = opcode as u8 | if is_final { FIN_BIT } else { 0 };
    write_first(first, key, payload, out);
}

/// Appends one whole message that is compressed, masked if there is a `key`.
pub(crate) fn write_deflated(
    opcode: Opcode,
    key: Option<[u8; 4]>,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    write_first(FIN_BIT | DEFLATED_BIT | opcode as u8, key, payload, out);
}

fn write_first(first: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let mask_bit = if key.is_some() { MASK_BIT } else { 0 };
    let (head, size) = head(first, mask_bit, payload.len());
    out.extend_from_slice(head.get(head.len() - size..).unwrap_or_default());
    out.extend(key.iter().flatten());
    let body = out.len();
    out.extend_from_slice(payload);
    if let (Some(key), Some(body)) = (key, out.get_mut(body..)) {
        mask(body, key);
    }
}

/// Masks or unmasks in place: each octet against the key's, in turn.
// spec: rfc6455#section-5.3
#[inline]
pub(crate) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}
