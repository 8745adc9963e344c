//! One connection's byte stream as whole messages, whichever transport it turns out to be.
//!
//! The first octet decides: `0x7F` begins RawSocket, anything else is read as HTTP and becomes a
//! WebSocket. Both framings are pure functions of the bytes: any cut of the same stream gives the
//! same messages.

use super::{Malformed, Serializer};
use crate::limits::FRAME_HEAD_BYTES_MAX;

/// What a listener allows of the connections it accepts.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The longest message we take; announced in the RawSocket handshake.
    pub message_bytes_max: usize,
    /// HTTP paths on which a WebSocket may be opened, e.g. `/ws` and `/`.
    pub paths: Vec<String>,
    /// Serializers that may be negotiated.
    pub serializers: Vec<Serializer>,
    /// Whether a WebSocket may be opened here.
    pub websocket: bool,
    /// Whether RawSocket may be spoken here.
    pub rawsocket: bool,
}

/// How outgoing messages of one connection are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Framing {
    /// Four octets: type and length.
    RawSocket,
    /// A WebSocket message of text (JSON) or binary (others), never masked, never fragmented.
    WebSocket,
}

/// What the opening handshake settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The serializer of both directions.
    pub serializer: Serializer,
    /// The framing of what we send.
    pub framing: Framing,
    /// The longest message the peer takes, in octets.
    pub peer_message_bytes_max: usize,
}

/// What the stream brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The handshake is done; from here on messages come.
    Negotiated(Negotiated),
    /// One whole message.
    Message(&'a [u8]),
    /// The peer gave a sign of life that is no message (a pong).
    Alive,
    /// The peer ended the transport in good order; flush, then close.
    Finished,
}

/// Why the transport has to be given up. What was appended to `reply` is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer broke the transport's rules, or asked for what we do not offer; the text says how.
    Refused(&'static str),
    /// An ordinary HTTP request, answered; no WAMP connection was wanted.
    Answered,
}

impl Framing {
    /// Reserves room for a frame's head; what is appended to `out` next is the frame's body.
    ///
    /// Returns the mark that [`finish`](Self::finish) wants.
    #[must_use]
    pub fn begin(out: &mut Vec<u8>) -> usize {
        let mark = out.len();
        out.extend_from_slice(&[0; FRAME_HEAD_BYTES_MAX]);
        mark
    }
}

/// The receiving half of one connection's transport.
#[derive(Debug, Default)]
pub struct Transport;

impl Transport {
    /// A connection of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// The next thing the stream brought, or `None` when `input` is used up.
    ///
    /// Takes what it uses off the front of `input`; an incomplete message is kept inside. A
    /// returned message lies in `input` itself (unmasked in place) or, if it came in parts, in
    /// here. What the transport itself has to say (handshake, pong, close) is appended to `reply`,
    /// framed, to be sent before anything else.
    ///
    /// # Errors
    ///
    /// A [`Failure`] is final: flush `reply`, close, feed no more.
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        options: &TransportOptions,
        input: &mut &'i mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        let _ = (options, input, reply);
        Ok(None)
    }

    /// Appends a ping to `out`, if this transport has pings that all its clients survive
    /// (WebSocket has; RawSocket's are unknown to clients in the field, so it sends none).
    pub fn ping(&mut self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }

    /// Appends whatever ends the transport in good order (WebSocket: a close frame with `code`).
    pub fn close(&mut self, code: u16, out: &mut Vec<u8>) {
        let _ = (code, out);
    }

    /// Whether an incomplete message is being held, i.e. the peer owes us the rest of it.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        false
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Refused(malformed.0)
    }
}
