//! HTTP requests one after the other on one connection: the long-poll transport, as far as it is
//! HTTP.
//!
//! - `request`: the head of a request, and what it asks for.
//! - `body`: the octets behind it, counted or in chunks.
//! - `answer`: what is written back.
//! - `Stream`: octets become [`Request`]s, each of which must be answered before the next is read.
//!
//! Which transports there are, who may use them and what waits in them is the router's business.
//! What is wrong with a request as such is answered in here, and the router never sees it.

mod answer;
mod body;
mod request;
#[cfg(test)]
mod tests;

pub use answer::Verdict;

use super::json::JsonReader;
use super::transport::{Failure, Separator, TransportOptions};
use super::visitor::{Circumstances, Visitor};
use super::websocket::frame::Opcode;
use super::websocket::handshake::Subprotocol;
use super::websocket::{batch, http};
use super::{Malformed, Reader, Serializer, rawsocket};
use answer::{Manners, Refusal};
use body::Body;
use request::Asked;

/// What a client asks of a transport that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// What waits for the client; the answer may be held until something does.
    Receive,
    /// The body is a message, or a batch of them.
    Send,
    /// The transport is to end.
    Close,
}

/// A request that is whole and sound.
// spec: advanced/transport_http_longpoll
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Open a transport.
    Open {
        /// Of what the client offers, its favourite among those we know.
        serializer: Serializer,
        /// Whether messages come and go in batches.
        is_batched: bool,
        /// What the client says of itself.
        visitor: &'a Visitor,
    },
    /// Do something with a transport.
    Poll {
        /// Which, as the client named it.
        transport: &'a str,
        /// What.
        deed: Deed,
        /// The body.
        body: &'a [u8],
    },
}

/// Whether a connection that sent this head has come for long-poll rather than for WebSocket.
pub(crate) fn is_meant(head: &[u8], options: &TransportOptions) -> bool {
    let below = || request::rest_below(&options.longpoll_path, request::path(head)?);
    options.longpoll && (!options.websocket || below().is_some())
}

/// What is received from one HTTP client.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    phase: Phase,
    /// What came behind the request that is being answered.
    pending: Vec<u8>,
    asked: Asked,
    manners: Manners,
    body: Body,
}

#[derive(Debug, Default)]
enum Phase {
    /// The head of a request is being collected.
    #[default]
    Idle,
    Head(Box<http::Head>),
    /// Its body is.
    Body,
    /// It was given out and is to be answered.
    Busy,
    /// Nothing is read any more.
    Over,
}

impl Stream {
    /// A stream whose first head has been collected already, and is whole.
    pub(crate) fn begin(head: http::Head) -> Self {
        Self { phase: Phase::Head(Box::new(head)), ..Self::default() }
    }

    /// The next request, or `None` when `input` is used up, or kept until the request before is
    /// answered. What can be answered at once is appended to `reply`.
    pub(crate) fn next<'s>(
        &'s mut self,
        door: (&TransportOptions, &Circumstances),
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Request<'s>>, Failure> {
        if self.is_busy() || !self.pending.is_empty() {
            self.pending.extend_from_slice(input);
            *input = &mut [];
        }
        if self.is_busy() {
            return Ok(None);
        }
        let chosen = loop {
            match self.collect_any(door, input, reply) {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(refusal) => return Err(self.refuse(refusal, reply)),
            }
            match self.judge(door.0) {
                Ok(chosen) => break chosen,
                Err(answered) => {
                    answered.write(&self.manners, self.manners.keeps, reply);
                    if !self.manners.keeps {
                        self.phase = Phase::Over;
                        return Err(Failure::Answered);
                    }
                    self.phase = Phase::Idle;
                }
            }
        };
        self.phase = Phase::Busy;
        Ok(Some(match chosen {
            Some(Subprotocol { serializer, is_batched }) => {
                Request::Open { serializer, is_batched, visitor: &self.manners.visitor }
            }
            None => {
                let (transport, deed) = self.asked.poll().expect("it was judged to be one");
                Request::Poll { transport, deed, body: self.body.bytes() }
            }
        }))
    }

    /// Appends the answer to the request that was given out last; its body, if it has one, is
    /// `body`, in that serializer. Says whether nothing may follow on this connection: because
    /// the client wants it so, or because it `is_last`.
    pub(crate) fn answer(
        &mut self,
        verdict: Verdict,
        (serializer, body): (Serializer, &[u8]),
        is_last: bool,
        reply: &mut Vec<u8>,
    ) -> bool {
        let keeps = self.manners.keeps && !is_last;
        answer::write_verdict(verdict, (serializer, body), (&self.manners, keeps), reply);
        self.body = Body::default();
        self.phase = if keeps { Phase::Idle } else { Phase::Over };
        !keeps
    }

    /// Whether a request was given out and not answered yet.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy)
    }

    /// Whether octets wait for the answer to the request before them.
    pub(crate) const fn is_backlogged(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether a request has begun to arrive.
    pub(crate) const fn is_midway(&self) -> bool {
        matches!(self.phase, Phase::Head(_) | Phase::Body)
    }

    /// Collects a request from what is pending, if anything is, or from `input`.
    fn collect_any(
        &mut self,
        door: (&TransportOptions, &Circumstances),
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        if self.pending.is_empty() {
            return self.collect(door, input, reply);
        }
        let mut pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_mut_slice();
        let whole = self.collect(door, &mut rest, reply);
        let left = rest.len();
        pending.drain(..pending.len() - left);
        self.pending = pending;
        whole
    }

    /// Goes on with the request in `input`; whether it is whole.
    fn collect(
        &mut self,
        door: (&TransportOptions, &Circumstances),
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let (options, circumstances) = door;
        let bytes_max = options.message_bytes_max;
        loop {
            match &mut self.phase {
                Phase::Idle if input.is_empty() => return Ok(false),
                Phase::Idle => {
                    self.manners = Manners::default();
                    self.phase = Phase::Head(Box::default());
                }
                Phase::Head(head) => {
                    if !head.is_whole() && !head.take(input).map_err(Refusal::from)? {
                        return Ok(false);
                    }
                    let read = request::parse(head.bytes(), options, circumstances)?;
                    (self.asked, self.manners) = (read.asked, read.manners);
                    self.body = Body::new(read.length, bytes_max)?;
                    if read.is_awaited && !self.body.is_whole() {
                        reply.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    self.phase = Phase::Body;
                }
                Phase::Body => return self.body.take(input, bytes_max),
                Phase::Busy | Phase::Over => {
                    *input = &mut [];
                    return Ok(false);
                }
            }
        }
    }

    /// What a whole request asks for: what to open, or something of a transport; or the answer to
    /// it, if it can be given here.
    fn judge(&self, options: &TransportOptions) -> Result<Option<Subprotocol>, Refusal> {
        match &self.asked {
            Asked::Open => choose(self.body.bytes(), options).map(Some),
            Asked::Poll { .. } => Ok(None),
            Asked::Refused(refusal) => Err(*refusal),
        }
    }

    fn refuse(&mut self, refusal: Refusal, reply: &mut Vec<u8>) -> Failure {
        refusal.write(&self.manners, false, reply);
        self.phase = Phase::Over;
        Failure::Refused(refusal.text)
    }
}

/// The client's first protocol that we offer.
fn choose(body: &[u8], options: &TransportOptions) -> Result<Subprotocol, Refusal> {
    match read_protocols(body, options) {
        Ok(Some(chosen)) => chosen.ok_or(Refusal::bad("none of these protocols is offered here")),
        Ok(None) => Err(Refusal::bad("no protocols")),
        Err(Malformed(text)) => Err(Refusal::bad(text)),
    }
}

/// Reads `{"protocols": ["wamp.2.json", …]}`; nothing if there is no such key, and then nothing
/// again if we offer none of them.
// spec: advanced/transport_http_longpoll — `protocols` is mandatory
fn read_protocols(
    body: &[u8],
    options: &TransportOptions,
) -> Result<Option<Option<Subprotocol>>, Malformed> {
    let (mut reader, mut found) = (JsonReader::open(body), None);
    let mut entries = reader.dict()?;
    while reader.more(&mut entries)? {
        if reader.key()? != "protocols" {
            reader.skip()?;
            continue;
        }
        let (mut items, mut chosen) = (reader.list()?, None);
        while reader.more(&mut items)? {
            let name = reader.text()?;
            let mut ours = Subprotocol::all(&options.serializers);
            chosen = chosen.or_else(|| ours.find(|subprotocol| subprotocol.name() == name));
        }
        found = Some(chosen);
    }
    reader.end()?;
    Ok(found)
}

/// The messages that a body holds, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    serializer: Serializer,
    is_batched: bool,
    is_begun: bool,
}

impl<'a> Messages<'a> {
    /// The messages of `body`.
    #[must_use]
    pub const fn of(body: &'a [u8], serializer: Serializer, is_batched: bool) -> Self {
        Self { rest: body, serializer, is_batched, is_begun: false }
    }

    /// The messages of `body` behind its first `taken` octets, which were gone through before.
    #[must_use]
    pub fn resume(body: &'a [u8], taken: usize, serializer: Serializer, is_batched: bool) -> Self {
        let rest = body.get(taken..).unwrap_or_default();
        Self { rest, serializer, is_batched, is_begun: taken > 0 }
    }

    /// Octets that are left of a batch.
    #[must_use]
    pub const fn left(&self) -> usize {
        if self.is_batched { self.rest.len() } else { 0 }
    }

    /// Takes the first message of the batch that is left.
    // spec: advanced/transport_http_longpoll — the batches are those of WebSocket
    fn take(&mut self) -> Result<&'a [u8], Malformed> {
        const CUT: Malformed = Malformed("a batch that ends inside a message");
        let rest = std::mem::take(&mut self.rest);
        let first = batch::first(Opcode::of(self.serializer), rest).map_err(|_| CUT)?;
        self.rest = rest.get(first.end..).ok_or(CUT)?;
        rest.get(first.message).ok_or(CUT)
    }
}

/// Nothing comes behind what is no batch although it should be one.
impl<'a> Iterator for Messages<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if !self.is_batched {
            return is_first.then_some(Ok(self.rest));
        }
        if self.rest.is_empty() {
            return is_first.then_some(Err(Malformed("an empty batch")));
        }
        Some(self.take())
    }
}

/// Octets before each message in the outbox of a transport: those of RawSocket.
pub const STORED_HEAD_BYTES: usize = 4;

/// The length of the message that `head` stands before.
#[must_use]
pub const fn stored_length(head: [u8; STORED_HEAD_BYTES]) -> usize {
    rawsocket::message_length(head)
}

/// Appends the messages of `stored`, which is as RawSocket frames them, as one batch.
pub fn write_batch(mut stored: &[u8], serializer: Serializer, out: &mut Vec<u8>) {
    while let Some((head, rest)) = stored.split_first_chunk::<STORED_HEAD_BYTES>() {
        let length = stored_length(*head).min(rest.len());
        let (message, rest) = rest.split_at(length);
        batch::write(Opcode::of(serializer), Separator::Cancel, &[message], out);
        stored = rest;
    }
}
