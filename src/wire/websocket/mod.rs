//! WebSocket: an HTTP upgrade, then messages in frames that may be masked, fragmented and
//! interleaved with control frames.
//!
//! - `http`: the head of an HTTP message, collected until it is whole.
//! - `handshake`: the router's answer to an upgrade, and to everything that is none.
//! - `extension`: what is offered and granted beyond that; compression alone.
//! - `frame`: one frame.
//! - `batch`: several WAMP messages in one of WebSocket's.
//! - `deflate`: messages that are compressed.
//! - `Stream`: frames become messages; the same code for router and client.

pub(crate) mod batch;
pub(crate) mod deflate;
pub(crate) mod extension;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod http;
mod partial;

use std::ops::Range;

use super::Serializer;
use super::transport::{Failure, Framing, Incoming, Negotiated, Separator};
use crate::limits::{MESSAGE_BYTES_CAP, PINGS_MAX};
use batch::First;
use deflate::{Deflater, Window};
use frame::{CONTROL_BYTES_MAX, Expected, Fault, Opcode, Role};
use partial::{NOT_UTF8, Partial};

/// An open WebSocket, at either end: what is received, and the control frames that answer it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What has come in parts. Most messages come whole: then this is empty, and the stream
    /// small.
    partial: Option<Box<Partial>>,
    role: Role,
    /// Pings since the last message or pong.
    pings: u16,
    /// The opcode of messages, both ways.
    opcode: Opcode,
    /// If messages come and go in batches.
    batching: Option<Batching>,
    /// The window of what we send, if messages may be compressed.
    window: Option<Window>,
    phase: Phase,
}

/// What is known of batches.
#[derive(Clone, Copy, Debug)]
struct Batching {
    /// Octets at the front of the input that are the rest of a batch, unmasked: its beginning
    /// was given out.
    left: usize,
    /// What we send behind each message of JSON; `None` until the router has seen what its
    /// client sends.
    separator: Option<Separator>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// We sent a close frame; the peer may still be talking.
    Closing,
    /// Nothing is processed any more.
    Over,
}

/// What resuming came to.
enum Resumed {
    /// The input is used up.
    Dry,
    /// Nothing is partial any more.
    Settled,
    /// A message lies there in [`Partial::message`].
    Message(Range<usize>),
    /// Something else came of it.
    Other(Incoming<'static>),
}

impl Stream {
    /// A stream behind a handshake that settled `serializer` and `framing`; no compression yet.
    pub(crate) fn new(role: Role, serializer: Serializer, framing: Framing) -> Self {
        let opcode = Opcode::of(serializer);
        let batching = Batching::of(framing, role);
        Self { partial: None, role, pings: 0, opcode, batching, window: None, phase: Phase::Open }
    }

    /// See [`Transport::next`](super::Transport::next).
    #[inline]
    pub(crate) fn next<'s, 'i: 's>(
        &'s mut self,
        message_bytes_max: usize,
        input: &mut &'i mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        let room = message_bytes_max.min(MESSAGE_BYTES_CAP);
        let mut pongs = Pongs::default();
        loop {
            if self.partial.is_some() || self.phase == Phase::Over {
                match self.resume(room, input, reply, &mut pongs) {
                    Ok(Resumed::Dry) => return Ok(None),
                    Ok(Resumed::Settled) => {}
                    Ok(Resumed::Other(incoming)) => return Ok(Some(incoming)),
                    Ok(Resumed::Message(range)) => {
                        let message = self.partial.as_ref().map(|partial| &*partial.message);
                        let message = message.and_then(|message| message.get(range));
                        return Ok(message.map(Incoming::Message));
                    }
                    Err(fault) => return Err(self.fail(fault, reply)),
                }
            }
            if let Some(left @ 1..) = self.batching.map(|batching| batching.left) {
                return match self.next_of_batch(left, room, input) {
                    Ok(incoming) => Ok(Some(incoming)),
                    Err(fault) => Err(self.fail(fault, reply)),
                };
            }
            let expected = self.expected(room);
            let head = match frame::parse(input, expected) {
                Ok(Some(head))
                    if head.is_final
                        && !head.is_deflated
                        && input.len() >= head.size + head.length =>
                {
                    head
                }
                Ok(_) if input.is_empty() => return Ok(None),
                Ok(_) => {
                    self.partial = Some(Box::default());
                    continue;
                }
                Err(fault) => return Err(self.fail(fault, reply)),
            };
            let _ = input.split_off_mut(..head.size);
            let payload = input.get_mut(..head.length).unwrap_or_default();
            frame::mask(payload, head.key);
            if head.opcode.is_control() {
                let payload = input.split_off_mut(..head.length).unwrap_or_default();
                match self.on_control(head.opcode, payload, reply, &mut pongs) {
                    Ok(None) => continue,
                    Ok(incoming) => return Ok(incoming),
                    Err(fault) => return Err(self.fail(fault, reply)),
                }
            }
            self.pings = 0;
            if self.opcode == Opcode::Text && simdutf8::basic::from_utf8(payload).is_err() {
                return Err(self.fail(NOT_UTF8, reply));
            }
            let Some(batching) = &mut self.batching else {
                let payload = input.split_off_mut(..head.length).unwrap_or_default();
                return Ok(Some(Incoming::Message(payload)));
            };
            batching.left = head.length;
            if head.length == 0 {
                return Err(self.fail(batch::EMPTY, reply));
            }
        }
    }

    /// Changes what was settled before anything was received.
    pub(crate) fn settle(&mut self, negotiated: Negotiated) {
        self.opcode = Opcode::of(negotiated.serializer);
        self.batching = Batching::of(negotiated.framing, self.role);
        self.window = negotiated.deflate;
    }

    /// Counts the peer's pings anew.
    pub(crate) const fn forgive_pings(&mut self) {
        self.pings = 0;
    }

    /// Appends a ping, unless the end has begun.
    pub(crate) fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        frame::write((Opcode::Ping, true), self.role.key(), payload, out);
        true
    }

    /// Appends a close frame, unless one was sent.
    pub(crate) fn close(&mut self, code: u16, out: &mut Vec<u8>) {
        self.send_close(&code.to_be_bytes(), out);
    }

    /// Appends these messages: as one batch, or as one frame each; compressed if that was settled.
    pub(crate) fn send(&mut self, messages: &[&[u8]], deflater: &mut Deflater, out: &mut Vec<u8>) {
        if let Some(batch) = self.batch_of(messages) {
            return self.send_payload(&batch, deflater, out);
        }
        for message in messages {
            self.send_payload(message, deflater, out);
        }
    }

    /// Appends one message in fragments of at most `fragment_bytes_max` octets.
    pub(crate) fn send_fragmented(
        &mut self,
        message: &[u8],
        fragment_bytes_max: usize,
        out: &mut Vec<u8>,
    ) {
        let batch = self.batch_of(&[message]);
        let mut opcode = self.opcode;
        let mut rest = batch.as_deref().unwrap_or(message);
        loop {
            let cut = fragment_bytes_max.clamp(1, rest.len().max(1)).min(rest.len());
            let (fragment, left) = rest.split_at_checked(cut).unwrap_or((rest, &[]));
            frame::write((opcode, left.is_empty()), self.role.key(), fragment, out);
            if left.is_empty() {
                return;
            }
            (opcode, rest) = (Opcode::Continuation, left);
        }
    }

    /// Whether a frame or a fragmented message has come in part.
    pub(crate) fn is_midway(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| !partial.is_whole)
    }

    /// What the next frame may be, if a message may have `room` octets.
    fn expected(&self, room: usize) -> Expected {
        let overhead = if self.batching.is_some() { batch::OVERHEAD_BYTES_MAX } else { 0 };
        Expected {
            is_masked: self.role == Role::Server,
            opcode: self.opcode,
            is_inside: false,
            room: room + overhead,
            deflates: self.window.is_some(),
        }
    }

    /// The payload of a batch of `messages`, if they go in batches.
    fn batch_of(&self, messages: &[&[u8]]) -> Option<Vec<u8>> {
        let separator = self.batching?.separator.unwrap_or_default();
        let mut batch = Vec::new();
        batch::write(self.opcode, separator, messages, &mut batch);
        Some(batch)
    }

    fn send_payload(&mut self, payload: &[u8], deflater: &mut Deflater, out: &mut Vec<u8>) {
        let key = self.role.key();
        if let Some(window) = self.window {
            let mut deflated = payload.to_vec();
            if deflater.shorten(window, &mut deflated, 0) {
                return frame::write_deflated(self.opcode, key, &deflated, out);
            }
        }
        frame::write((self.opcode, true), key, payload, out);
    }

    /// Takes the next message of the batch whose last `left` octets are the front of `input`.
    fn next_of_batch<'i>(
        &mut self,
        left: usize,
        room: usize,
        input: &mut &'i mut [u8],
    ) -> Result<Incoming<'i>, Fault> {
        let batch = input.get(..left).unwrap_or_default();
        let Some(first) = self.first_of_batch(batch, room)? else {
            return Ok(Incoming::Negotiated(self.renegotiated()));
        };
        if let Some(batching) = &mut self.batching {
            batching.left -= first.end;
        }
        let octets: &'i [u8] = input.split_off_mut(..first.end).unwrap_or_default();
        Ok(Incoming::Message(octets.get(first.message).unwrap_or_default()))
    }

    /// Finds the first message of `batch`; `None` if its separator changes ours.
    // spec: advanced/transport_batched_websocket — two octets for one separator: echo it
    fn first_of_batch(&mut self, batch: &[u8], room: usize) -> Result<Option<First>, Fault> {
        let first = batch::first(self.opcode, batch)?;
        if first.message.len() > room {
            return Err(Fault::too_big("a message longer than we take"));
        }
        let Some(Batching { separator: known @ None, .. }) = &mut self.batching else {
            return Ok(Some(first));
        };
        *known = Some(first.separator);
        Ok((first.separator == Separator::default()).then_some(first))
    }

    /// What holds now that the separator is known.
    fn renegotiated(&self) -> Negotiated {
        let separator = self.batching.and_then(|batching| batching.separator);
        Negotiated {
            serializer: Serializer::Json,
            framing: Framing::Batched(separator.unwrap_or_default()),
            deflate: self.window,
            peer_message_bytes_max: MESSAGE_BYTES_CAP,
        }
    }

    /// Goes on with what came in parts, until nothing is.
    #[cold]
    fn resume(
        &mut self,
        room: usize,
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
        pongs: &mut Pongs,
    ) -> Result<Resumed, Fault> {
        if self.phase == Phase::Over {
            *input = &mut [];
            return Ok(Resumed::Dry);
        }
        if let Some(resumed) = self.resume_batch(room)? {
            return Ok(resumed);
        }
        let expected = self.expected(room);
        loop {
            let Some(partial) = &mut self.partial else {
                return Ok(Resumed::Settled);
            };
            if partial.frame.is_none() && !partial.take_head(expected, input)? {
                return Ok(Resumed::Dry);
            }
            let Some((opcode, is_final)) = partial.take_payload(expected.opcode, input)? else {
                return Ok(Resumed::Dry);
            };
            if opcode.is_control() {
                let payload = std::mem::take(&mut partial.control);
                if partial.fragments == 0 {
                    self.partial = None;
                }
                if let Some(incoming) = self.on_control(opcode, &payload, reply, pongs)? {
                    return Ok(Resumed::Other(incoming));
                }
            } else if is_final {
                self.pings = 0;
                if partial.is_deflated {
                    partial.inflate(expected)?;
                }
                partial.is_whole = true;
                if self.batching.is_none() {
                    partial.given_count = partial.message.len();
                    return Ok(Resumed::Message(0..partial.given_count));
                }
                if partial.message.is_empty() {
                    return Err(batch::EMPTY);
                }
                if let Some(resumed) = self.resume_batch(room)? {
                    return Ok(resumed);
                }
            }
        }
    }

    /// Goes on with a whole message: gives out the next one of its batch, or lets it go.
    fn resume_batch(&mut self, room: usize) -> Result<Option<Resumed>, Fault> {
        let Some(mut partial) = self.partial.take_if(|partial| partial.is_whole) else {
            return Ok(None);
        };
        let given_count = partial.given_count;
        let rest = partial.message.get(given_count..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let first = self.first_of_batch(rest, room)?;
        partial.given_count += first.as_ref().map_or(0, |first| first.end);
        self.partial = Some(partial);
        Ok(Some(match first {
            None => Resumed::Other(Incoming::Negotiated(self.renegotiated())),
            Some(First { message: Range { start, end }, .. }) => {
                Resumed::Message(given_count + start..given_count + end)
            }
        }))
    }

    /// Answers a ping, notes a pong, ends with a close.
    #[cold]
    fn on_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        reply: &mut Vec<u8>,
        pongs: &mut Pongs,
    ) -> Result<Option<Incoming<'static>>, Fault> {
        if opcode == Opcode::Pong {
            self.pings = 0;
            return Ok(Some(Incoming::Alive));
        }
        if opcode == Opcode::Close {
            check_close(payload)?;
            self.send_close(payload.get(..2).unwrap_or_default(), reply);
            self.phase = Phase::Over;
            self.partial = None;
            return Ok(Some(Incoming::Finished));
        }
        self.pings += 1;
        if self.pings > PINGS_MAX {
            return Err(Fault { code: 1008, text: "too many pings without a message" });
        }
        if self.phase == Phase::Open {
            pongs.make_room(reply);
            frame::write((Opcode::Pong, true), self.role.key(), payload, reply);
        }
        Ok(None)
    }

    /// Says what the fault was and processes nothing any more.
    #[cold]
    fn fail(&mut self, fault: Fault, reply: &mut Vec<u8>) -> Failure {
        let mut payload = fault.code.to_be_bytes().to_vec();
        payload.extend_from_slice(fault.text.as_bytes());
        self.send_close(&payload, reply);
        self.phase = Phase::Over;
        self.partial = None;
        Failure::Refused(fault.text)
    }

    /// Appends a close frame, unless one was sent.
    fn send_close(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.phase == Phase::Open {
            debug_assert!(payload.len() <= CONTROL_BYTES_MAX, "our reasons are short");
            frame::write((Opcode::Close, true), self.role.key(), payload, out);
            self.phase = Phase::Closing;
        }
    }
}

impl Batching {
    const fn of(framing: Framing, role: Role) -> Option<Self> {
        match (framing, role) {
            (Framing::RawSocket | Framing::WebSocket, _) => None,
            (Framing::Batched(_), Role::Server) => Some(Self { left: 0, separator: None }),
            (Framing::Batched(separator), Role::Client(_)) => {
                Some(Self { left: 0, separator: Some(separator) })
            }
        }
    }
}

/// The pongs of one call.
///
/// Each ping is answered, but of a swarm that arrives together only the first ones and the last,
/// as the specification permits: what we write does not grow with it.
// spec: rfc6455#section-5.5.3
#[derive(Debug, Default)]
struct Pongs {
    count: usize,
    /// Where the last pong begins in the reply.
    last: usize,
}

impl Pongs {
    const MAX: usize = 16;

    /// Makes room for another pong: if there were enough, in the place of the last.
    fn make_room(&mut self, reply: &mut Vec<u8>) {
        if self.count == Self::MAX {
            reply.truncate(self.last);
        } else {
            self.count += 1;
            self.last = reply.len();
        }
    }
}

/// Checks the payload of a close frame: nothing, or a code that may be sent and a text.
// spec: rfc6455#section-7.4
fn check_close(payload: &[u8]) -> Result<(), Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(()),
            _ => Err(Fault::protocol("half a close code")),
        };
    };
    match u16::from_be_bytes(*code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(Fault::protocol("a close code that must not be sent")),
    }
    match simdutf8::basic::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::data("a close reason that is not UTF-8")),
    }
}

#[cfg(test)]
mod tests;
