//! RawSocket: a handshake of four octets, then messages behind a prefix of four octets.
//!
//! The framing is the same in both directions, so that one parser serves router and client.

use super::transport::{Failure, Framing, Incoming, Negotiated, TransportOptions};
use crate::limits::{MESSAGE_BYTES_CAP, PINGS_MAX, RAWSOCKET_PING_BYTES_MAX};

/// The octet a RawSocket connection begins with; no HTTP request can.
// spec: advanced/transport_rawsocket#handshake
pub const MAGIC: u8 = 0x7F;

/// The answer to a client that asked for a serializer we do not offer, or for none.
pub const REFUSED_SERIALIZER: [u8; 4] = [MAGIC, 0x10, 0, 0];

/// The answer to a client to whose message limit we would not agree. We agree to all sixteen:
/// what is too long for a client is never sent to it.
pub const REFUSED_LENGTH: [u8; 4] = [MAGIC, 0x20, 0, 0];

/// The answer to a client that used the reserved octets of the handshake.
pub const REFUSED_RESERVED: [u8; 4] = [MAGIC, 0x30, 0, 0];

/// The answer to a client for which there is no room; for whoever accepts connections.
pub const REFUSED_CONNECTIONS: [u8; 4] = [MAGIC, 0x40, 0, 0];

/// Octets of a frame's prefix.
const PREFIX_BYTES: usize = 4;

/// Bits 31–28 of the prefix, which must be zero.
const RESERVED_BITS: u32 = 0xF000_0000;
/// Bit 27: the length is 2^24, and its 24 bits are zero.
const EXTENDED_BIT: u32 = 0x0800_0000;
/// Bits 23–0.
const LENGTH_BITS: u32 = 0x00FF_FFFF;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One WAMP message.
    Message,
    /// To be answered by a pong with the same payload.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// The four octets of a handshake, as far as they have come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request {
    bytes: [u8; 4],
    count: u8,
}

impl Request {
    /// Takes what is missing off `input`; the four octets once they are complete.
    pub(crate) fn take(&mut self, input: &mut &mut [u8]) -> Option<[u8; 4]> {
        while let Some(place) = self.bytes.get_mut(usize::from(self.count)) {
            *place = *input.split_off_first_mut()?;
            self.count += 1;
        }
        Some(self.bytes)
    }
}

/// Answers a client's handshake.
// spec: advanced/transport_rawsocket#handshake
pub(crate) fn accept(
    request: [u8; 4],
    options: &TransportOptions,
    reply: &mut Vec<u8>,
) -> Result<(Negotiated, Stream), Failure> {
    let [_, wishes, reserved_high, reserved_low] = request;
    if (reserved_high, reserved_low) != (0, 0) {
        reply.extend_from_slice(&REFUSED_RESERVED);
        return Err(Failure::Refused("reserved octets of the RawSocket handshake are set"));
    }
    let number = wishes & 0x0F;
    let offered = options.serializers.iter().find(|offer| offer.rawsocket_number() == number);
    let Some(&serializer) = offered else {
        reply.extend_from_slice(&REFUSED_SERIALIZER);
        return Err(Failure::Refused("the RawSocket serializer is not offered"));
    };
    let exponent = length_exponent(options.message_bytes_max);
    reply.extend_from_slice(&[MAGIC, exponent << 4 | number, 0, 0]);
    let negotiated = Negotiated {
        serializer,
        framing: Framing::RawSocket,
        deflate: None,
        peer_message_bytes_max: length_of(wishes >> 4),
    };
    Ok((negotiated, Stream::new(length_of(exponent))))
}

/// The handshake's number for the longest length it can express that is within `bytes_max`;
/// the shortest there is, 512, if even that is above.
pub(crate) fn length_exponent(bytes_max: usize) -> u8 {
    (1..=15).rev().find(|&exponent| length_of(exponent) <= bytes_max).unwrap_or(0)
}

/// The length that the number `exponent` of a handshake stands for, in octets.
pub(crate) fn length_of(exponent: u8) -> usize {
    1 << (9 + u32::from(exponent & 0x0F))
}

/// The prefix of a message of `length` octets, which is at most [`MESSAGE_BYTES_CAP`].
pub(crate) fn message_head(length: usize) -> [u8; 4] {
    head(Kind::Message, length)
}

/// The length of the message behind `head`, which [`message_head`] made.
pub(crate) const fn message_length(head: [u8; 4]) -> usize {
    match u32::from_be_bytes(head) {
        EXTENDED_BIT => MESSAGE_BYTES_CAP,
        length => (length & LENGTH_BITS) as usize,
    }
}

/// Appends a ping of `payload`.
pub(crate) fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&head(Kind::Ping, payload.len()));
    out.extend_from_slice(payload);
}

/// The prefix of a frame. The one length that 24 bits cannot hold has a bit of its own, which is
/// the next one: but only a message may be that long.
fn head(kind: Kind, length: usize) -> [u8; 4] {
    debug_assert!(length <= MESSAGE_BYTES_CAP, "the length was checked before");
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if length > LENGTH_BITS {
        return EXTENDED_BIT.to_be_bytes();
    }
    (length | (kind as u32) << 24).to_be_bytes()
}

/// The receiving half of an open RawSocket connection, on either side.
#[derive(Debug)]
pub(crate) struct Stream {
    /// A frame that came in parts, prefix included, as far as it has come.
    held: Vec<u8>,
    /// The longest message we take, as we announced it.
    length_max: u32,
    /// Pings since the last message or pong.
    pings: u16,
    /// Whether `held` was given out as a message and may go.
    is_delivered: bool,
    /// Whether the peer broke the rules; nothing is processed any more.
    is_over: bool,
}

impl Stream {
    /// A stream behind a handshake in which we announced `length_max`.
    pub(crate) fn new(length_max: usize) -> Self {
        let length_max = u32::try_from(length_max.min(MESSAGE_BYTES_CAP)).unwrap_or(u32::MAX);
        Self { held: Vec::new(), length_max, pings: 0, is_delivered: false, is_over: false }
    }

    /// See [`Transport::next`](super::Transport::next).
    #[inline]
    pub(crate) fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        loop {
            if !self.held.is_empty() || self.is_over {
                match self.resume(input)? {
                    None if input.is_empty() => return Ok(None),
                    None => continue,
                    Some(Kind::Message) => {
                        let message = self.held.get(PREFIX_BYTES..).unwrap_or_default();
                        return Ok(Some(Incoming::Message(message)));
                    }
                    Some(kind) => {
                        let frame = std::mem::take(&mut self.held);
                        let payload = frame.get(PREFIX_BYTES..).unwrap_or_default();
                        if let Some(incoming) = self.on_control(kind, payload, reply)? {
                            return Ok(Some(incoming));
                        }
                        continue;
                    }
                }
            }
            let Some(&prefix) = input.first_chunk::<PREFIX_BYTES>() else {
                if input.is_empty() {
                    return Ok(None);
                }
                self.fill(usize::MAX, input);
                return Ok(None);
            };
            let (kind, length) = self.check(prefix)?;
            let Some(frame) = input.split_off_mut(..PREFIX_BYTES + length) else {
                self.fill(usize::MAX, input);
                return Ok(None);
            };
            let payload = frame.get(PREFIX_BYTES..).unwrap_or_default();
            if kind == Kind::Message {
                self.pings = 0;
                return Ok(Some(Incoming::Message(payload)));
            }
            if let Some(incoming) = self.on_control(kind, payload, reply)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Whether a frame has come in part.
    pub(crate) fn is_midway(&self) -> bool {
        !self.held.is_empty() && !self.is_delivered
    }

    /// Counts the peer's pings anew.
    pub(crate) const fn forgive_pings(&mut self) {
        self.pings = 0;
    }

    /// Goes on with the frame in `held`; its kind once it is whole.
    #[cold]
    fn resume(&mut self, input: &mut &mut [u8]) -> Result<Option<Kind>, Failure> {
        if self.is_over {
            *input = &mut [];
            return Ok(None);
        }
        if self.is_delivered {
            self.is_delivered = false;
            self.held = Vec::new();
            return Ok(None);
        }
        if !self.fill(PREFIX_BYTES, input) {
            return Ok(None);
        }
        let prefix = *self.held.first_chunk().expect("the prefix was just filled");
        let (kind, length) = self.check(prefix)?;
        if !self.fill(PREFIX_BYTES + length, input) {
            return Ok(None);
        }
        if kind == Kind::Message {
            self.pings = 0;
            self.is_delivered = true;
        }
        Ok(Some(kind))
    }

    /// Moves octets from `input` until `held` has `count` of them; whether it has. Memory grows
    /// with what arrived, never with what was announced.
    fn fill(&mut self, count: usize, input: &mut &mut [u8]) -> bool {
        let missing = count.saturating_sub(self.held.len()).min(input.len());
        let part = input.split_off_mut(..missing).unwrap_or_default();
        self.held.extend_from_slice(part);
        self.held.len() >= count
    }

    /// Reads a prefix: what comes, and how long it is. A fault is the end of the stream.
    // spec: advanced/transport_rawsocket#framing
    #[inline]
    fn check(&mut self, prefix: [u8; 4]) -> Result<(Kind, usize), Failure> {
        let prefix = u32::from_be_bytes(prefix);
        // The common case in one comparison: a message of a length we take.
        if prefix <= self.length_max.min(LENGTH_BITS) {
            return Ok((Kind::Message, prefix as usize));
        }
        let checked = check_uncommon(prefix, self.length_max);
        if checked.is_err() {
            self.held = Vec::new();
            self.is_over = true;
        }
        checked
    }

    /// Answers a ping, notes a pong.
    // spec: advanced/transport_rawsocket#ping_and_pong
    #[cold]
    fn on_control(
        &mut self,
        kind: Kind,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'static>>, Failure> {
        if kind == Kind::Pong {
            self.pings = 0;
            return Ok(Some(Incoming::Alive));
        }
        self.pings += 1;
        if self.pings > PINGS_MAX {
            self.is_over = true;
            return Err(Failure::Refused("too many pings without a message"));
        }
        reply.extend_from_slice(&head(Kind::Pong, payload.len()));
        reply.extend_from_slice(payload);
        Ok(None)
    }
}

/// Reads a prefix that is not a message of ordinary length.
#[cold]
fn check_uncommon(prefix: u32, length_max: u32) -> Result<(Kind, usize), Failure> {
    if prefix & RESERVED_BITS != 0 {
        return Err(Failure::Refused("reserved bits of a RawSocket prefix are set"));
    }
    let (kind, kind_length_max) = match prefix >> 24 & 7 {
        0 => (Kind::Message, length_max),
        1 => (Kind::Ping, length_max.min(RAWSOCKET_PING_BYTES_MAX)),
        2 => (Kind::Pong, length_max.min(RAWSOCKET_PING_BYTES_MAX)),
        _ => return Err(Failure::Refused("reserved type of a RawSocket frame")),
    };
    let length = match (prefix & EXTENDED_BIT != 0, prefix & LENGTH_BITS) {
        (false, length) => length,
        (true, 0) => LENGTH_BITS + 1,
        (true, _) => return Err(Failure::Refused("a RawSocket length above 16 MiB")),
    };
    if length > kind_length_max {
        return Err(Failure::Refused("a RawSocket frame longer than we announced to take"));
    }
    Ok((kind, length as usize))
}

#[cfg(test)]
mod tests;
