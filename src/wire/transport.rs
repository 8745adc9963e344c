//! One connection's byte stream as whole messages, whichever transport it turns out to be.
//!
//! The first octet decides: `0x7F` begins RawSocket, anything else is read as HTTP and becomes a
//! WebSocket or, by the path of the request, long-poll. All of them are pure functions of the
//! bytes: any cut of the same stream gives the same messages.

use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;

use super::visitor::{Circumstances, Origins, Visitor};
use super::websocket::deflate::{Deflater, Window};
use super::websocket::frame::{self, Opcode, Role};
use super::websocket::{batch, handshake, http};
use super::{Malformed, Serializer, longpoll, rawsocket, websocket};
use crate::limits::{FRAME_HEAD_BYTES_MAX, MESSAGE_BYTES_CAP};

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
    /// Whether messages of a WebSocket are compressed (permessage-deflate), if its client offers
    /// to.
    pub deflate: bool,
    /// Whether HTTP long-poll may be spoken here.
    pub longpoll: bool,
    /// The HTTP path below which it is, e.g. `/lp`.
    pub longpoll_path: String,
    /// How long a cookie lasts by which an HTTP client is known again; none is set without.
    pub cookie: Option<Duration>,
    /// Pages whose browsers may open a transport over HTTP.
    pub origins: Origins,
    /// Networks of proxies that are believed when they say for whom they speak. Whoever comes by
    /// a Unix socket is one of them, if there are any.
    pub forwarded_for: Vec<IpNet>,
}

/// Every transport and serializer, as a listener has them of which nothing else is said.
impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 1 << 20,
            paths: vec!["/ws".into(), "/".into()],
            serializers: Serializer::ALL.to_vec(),
            websocket: true,
            rawsocket: true,
            deflate: false,
            longpoll: true,
            longpoll_path: "/lp".into(),
            cookie: None,
            origins: Origins::default(),
            forwarded_for: Vec::new(),
        }
    }
}

/// How outgoing messages of one connection are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Four octets: type and length.
    RawSocket,
    /// A WebSocket message of text (JSON) or binary (others), never masked, never fragmented.
    WebSocket,
    /// The same, holding a batch, in which each of our messages is alone. Only JSON has
    /// separators: for all others it is the default one.
    // spec: advanced/transport_batched_websocket
    Batched(Separator),
}

/// What follows each message of a batch of JSON.
///
/// The specification names both octets for one and the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Separator {
    /// What clients in the field send and know; sent until the peer uses the other.
    #[default]
    Cancel = 0x18,
    /// What the specification's prose means.
    Record = 0x1E,
}

/// What the opening handshake settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The serializer of both directions.
    pub serializer: Serializer,
    /// The framing of what we send.
    pub framing: Framing,
    /// The window of what we send, if messages are compressed, each by itself.
    // spec: rfc7692#section-7
    pub deflate: Option<Window>,
    /// The longest message the peer takes, in octets.
    pub peer_message_bytes_max: usize,
}

/// What the stream brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The handshake is done; from here on messages come. It may come once more right before
    /// the first message, which has shown that the peer wants another [`Separator`].
    Negotiated(Negotiated),
    /// One whole message.
    Message(&'a [u8]),
    /// The peer gave a sign of life that is no message (a pong).
    Alive,
    /// The peer ended the transport in good order; flush, then close.
    Finished,
    /// An HTTP client asks for something; no other message comes from it before
    /// [`Transport::answer`].
    Request(longpoll::Request<'a>),
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
    /// How many kinds of frames there are.
    pub const KINDS: usize = 4;

    /// A dense number below [`KINDS`](Self::KINDS), for tables with one place per framing.
    ///
    /// For one serializer, and compressed alike, all connections of one number get the same octets.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::RawSocket => 0,
            Self::WebSocket => 1,
            Self::Batched(Separator::Cancel) => 2,
            Self::Batched(Separator::Record) => 3,
        }
    }

    /// Reserves room for a frame's head; what is appended to `out` next is the frame's body.
    ///
    /// Returns the mark that [`Negotiated::finish`] wants.
    #[must_use]
    pub fn begin(out: &mut Vec<u8>) -> usize {
        let mark = out.len();
        out.extend_from_slice(&[0; FRAME_HEAD_BYTES_MAX]);
        mark
    }

    /// Writes what stands around a message in a frame, but for the head; where the frame's payload
    /// begins.
    fn wrap(self, opcode: Opcode, out: &mut Vec<u8>, body: usize) -> usize {
        match self {
            Self::Batched(separator) if opcode == Opcode::Text => {
                out.push(separator as u8);
                body
            }
            Self::Batched(_) => {
                put(batch::prefix(out.len() - body), batch::PREFIX_BYTES, out, body)
            }
            Self::RawSocket | Self::WebSocket => body,
        }
    }
}

impl Negotiated {
    /// How many kinds of frames there are, whatever the serializer.
    pub const KINDS: usize = Serializer::ALL.len() * Framing::KINDS * (1 + Window::COUNT);

    /// A dense number below [`KINDS`](Self::KINDS), for tables with one place per kind of frame.
    ///
    /// All connections of one number get the same octets.
    #[must_use]
    pub fn kind(&self) -> usize {
        let deflate = self.deflate.map_or(0, |window| 1 + window.index());
        let framing = deflate * Framing::KINDS + self.framing.index();
        framing * Serializer::ALL.len() + self.serializer.index()
    }

    /// Writes the head of the frame whose body was appended since [`Framing::begin`] gave
    /// `mark`, right before that body, and what has to follow it; returns where in `out` the
    /// frame lies. The body is compressed first, if that was negotiated and makes it shorter.
    ///
    /// The head may be shorter than the room that was reserved: the octets between `mark` and the
    /// start of the range mean nothing.
    ///
    /// # Panics
    ///
    /// If the body is longer than [`MESSAGE_BYTES_CAP`], which no peer takes: the caller compares
    /// with [`peer_message_bytes_max`](Self::peer_message_bytes_max) first. If `mark` is none of
    /// `out`.
    pub fn finish(&self, deflater: &mut Deflater, out: &mut Vec<u8>, mark: usize) -> Range<usize> {
        let body = mark + FRAME_HEAD_BYTES_MAX;
        let length = out.len().checked_sub(body).expect("begin reserved the head");
        assert!(length <= MESSAGE_BYTES_CAP, "a message above the cap has no frame");
        if self.framing == Framing::RawSocket {
            return put(rawsocket::message_head(length), 4, out, body)..out.len();
        }
        let opcode = Opcode::of(self.serializer);
        let payload = self.framing.wrap(opcode, out, body);
        let is_deflated = self.deflate.is_some_and(|window| deflater.shorten(window, out, payload));
        let (head, size) = frame::bare_head((opcode, is_deflated), out.len() - payload);
        put(head, size, out, payload)..out.len()
    }
}

/// Writes `head` so that it ends right before `end`; where its last `size` octets begin, which
/// are those that count.
#[inline]
fn put<const N: usize>(head: [u8; N], size: usize, out: &mut [u8], end: usize) -> usize {
    let place = out.get_mut(..end).and_then(<[u8]>::last_chunk_mut);
    *place.expect("begin reserved the head") = head;
    end - size
}

/// The receiving half of one connection's transport.
#[derive(Debug, Default)]
pub struct Transport {
    state: State,
    /// What is not known of most connections.
    door: Option<Box<Door>>,
}

/// What is known of who comes, from outside and from its own HTTP request.
#[derive(Debug, Default)]
struct Door {
    circumstances: Circumstances,
    visitor: Option<Visitor>,
}

/// How far a connection has come.
#[derive(Debug, Default)]
enum State {
    /// No octet has arrived.
    #[default]
    Fresh,
    /// The first octet was RawSocket's; its handshake is four octets long.
    RawSocketOpening(rawsocket::Request),
    /// The first octet was a letter: an HTTP request is being collected.
    HttpOpening(Box<http::Head>),
    /// Messages come in RawSocket frames.
    RawSocket(rawsocket::Stream),
    /// Messages come in WebSocket frames.
    WebSocket(websocket::Stream),
    /// Requests come, some of which carry messages.
    LongPoll(Box<longpoll::Stream>),
    /// The opening handshake failed.
    Over,
}

impl Transport {
    /// A connection of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what is known of the client before it says it. To be called again after each
    /// [`longpoll::Request::Open`], if there are cookies: a proxy may have many clients behind one
    /// connection, each of which gets its own.
    pub fn meet(&mut self, circumstances: Circumstances) {
        self.door.get_or_insert_default().circumstances = circumstances;
    }

    /// What the client said of itself when it opened a WebSocket; once, after
    /// [`Incoming::Negotiated`].
    pub fn take_visitor(&mut self) -> Option<Visitor> {
        self.door.take()?.visitor
    }

    /// The next thing the stream brought, or `None` when `input` is used up.
    ///
    /// Takes what it uses off the front of `input`; an incomplete message is kept inside. A
    /// returned message lies in `input` itself (unmasked in place) or, if it came in parts, in
    /// here. What the transport itself has to say (handshake, pong, close) is appended to `reply`,
    /// framed, to be sent before anything else. Call it until it gives `None`: the memory of a
    /// message that came in parts is let go by the call after it.
    ///
    /// # Errors
    ///
    /// A [`Failure`] is final: flush `reply`, close, feed no more (what is fed is discarded).
    #[inline]
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        options: &TransportOptions,
        input: &mut &'i mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        match &mut self.state {
            State::RawSocket(stream) => stream.next(input, reply),
            State::WebSocket(stream) => stream.next(options.message_bytes_max, input, reply),
            other @ (State::Fresh
            | State::RawSocketOpening(_)
            | State::HttpOpening(_)
            | State::LongPoll(_)
            | State::Over) => other.open_or_poll(options, &mut self.door, input, reply),
        }
    }

    /// Appends the answer to the last [`Incoming::Request`], with a body in that serializer if it
    /// has one. Says whether the connection must be closed behind it: because the client wants it
    /// so, or because it `is_last`.
    pub fn answer(
        &mut self,
        verdict: longpoll::Verdict,
        body: (Serializer, &[u8]),
        is_last: bool,
        reply: &mut Vec<u8>,
    ) -> bool {
        match &mut self.state {
            State::LongPoll(stream) => stream.answer(verdict, body, is_last, reply),
            State::Fresh
            | State::RawSocketOpening(_)
            | State::HttpOpening(_)
            | State::RawSocket(_)
            | State::WebSocket(_)
            | State::Over => true,
        }
    }

    /// The requests of an HTTP client, if that is what it is.
    pub(crate) fn longpoll(&self) -> Option<&longpoll::Stream> {
        match &self.state {
            State::LongPoll(stream) => Some(stream),
            State::Fresh
            | State::RawSocketOpening(_)
            | State::HttpOpening(_)
            | State::RawSocket(_)
            | State::WebSocket(_)
            | State::Over => None,
        }
    }

    /// Appends a ping to `out`, if this transport has pings that all its clients survive
    /// (WebSocket has; RawSocket's are unknown to clients in the field, so it sends none).
    pub fn ping(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.state {
            State::WebSocket(stream) => stream.ping(&[], out),
            State::RawSocket(_)
            | State::Fresh
            | State::RawSocketOpening(_)
            | State::HttpOpening(_)
            | State::LongPoll(_)
            | State::Over => false,
        }
    }

    /// Counts the peer's own pings anew: called regularly, or a peer that sends nothing else for
    /// hours is taken for a flooder (see [`PINGS_MAX`](crate::limits::PINGS_MAX)).
    pub const fn forgive_pings(&mut self) {
        match &mut self.state {
            State::WebSocket(stream) => stream.forgive_pings(),
            State::RawSocket(stream) => stream.forgive_pings(),
            State::Fresh
            | State::RawSocketOpening(_)
            | State::HttpOpening(_)
            | State::LongPoll(_)
            | State::Over => {}
        }
    }

    /// Appends whatever ends the transport in good order (WebSocket: a close frame with `code`,
    /// unless one was sent already). Messages that were under way may still come.
    pub fn close(&mut self, code: u16, out: &mut Vec<u8>) {
        if let State::WebSocket(stream) = &mut self.state {
            stream.close(code, out);
        }
    }

    /// Appends what a client is told whose handshake takes too long: an HTTP client that has begun
    /// one, others nothing. Nothing more is read.
    // spec: rfc9110#section-15.5.9
    pub fn give_up(&mut self, out: &mut Vec<u8>) {
        let is_http = match &self.state {
            State::HttpOpening(_) => true,
            State::LongPoll(stream) => stream.is_midway(),
            State::Fresh
            | State::RawSocketOpening(_)
            | State::RawSocket(_)
            | State::WebSocket(_)
            | State::Over => false,
        };
        if is_http {
            handshake::write_timeout(out);
        }
        self.state = State::Over;
    }

    /// Whether an incomplete message is being held, i.e. the peer owes us the rest of it.
    ///
    /// False during the opening handshake, which has a deadline of its own.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        match &self.state {
            State::RawSocket(stream) => stream.is_midway(),
            State::WebSocket(stream) => stream.is_midway(),
            State::LongPoll(stream) => stream.is_midway(),
            State::Fresh | State::RawSocketOpening(_) | State::HttpOpening(_) | State::Over => {
                false
            }
        }
    }
}

impl State {
    /// Goes on with the opening handshake, or with requests.
    #[cold]
    fn open_or_poll<'s>(
        &'s mut self,
        options: &TransportOptions,
        door: &mut Option<Box<Door>>,
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        if !matches!(self, Self::LongPoll(_)) {
            let opened = self.open(options, door, input, reply);
            if opened.is_err() {
                *self = Self::Over;
            }
            if let Some(negotiated) = opened? {
                return Ok(Some(Incoming::Negotiated(negotiated)));
            }
        }
        let Self::LongPoll(stream) = self else { return Ok(None) };
        let circumstances = door.as_ref().map(|door| &door.circumstances);
        let circumstances = circumstances.unwrap_or(&Circumstances::STRANGE);
        Ok(stream.next((options, circumstances), input, reply)?.map(Incoming::Request))
    }

    /// Goes on with the opening handshake.
    fn open(
        &mut self,
        options: &TransportOptions,
        door: &mut Option<Box<Door>>,
        input: &mut &mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Negotiated>, Failure> {
        if let Self::Fresh = self {
            let Some(&first) = input.first() else {
                return Ok(None);
            };
            *self = Self::begin(first, options)?;
        }
        let (negotiated, stream) = match self {
            Self::RawSocketOpening(request) => {
                let Some(request) = request.take(input) else {
                    return Ok(None);
                };
                let (negotiated, stream) = rawsocket::accept(request, options, reply)?;
                (negotiated, Self::RawSocket(stream))
            }
            Self::HttpOpening(head) => {
                let whole = head.take(input);
                if whole == Ok(false) {
                    return Ok(None);
                }
                if whole.is_ok() && longpoll::is_meant(head.bytes(), options) {
                    let head = std::mem::take(&mut **head);
                    *self = Self::LongPoll(Box::new(longpoll::Stream::begin(head)));
                    return Ok(None);
                }
                let head = whole.map(|_| head.bytes());
                let door = door.get_or_insert_default();
                let (negotiated, visitor) =
                    handshake::accept(head, options, &door.circumstances, reply)?;
                door.visitor = Some(visitor);
                let Negotiated { serializer, framing, .. } = negotiated;
                let mut stream = websocket::Stream::new(Role::Server, serializer, framing);
                stream.settle(negotiated);
                (negotiated, Self::WebSocket(stream))
            }
            Self::Fresh
            | Self::RawSocket(_)
            | Self::WebSocket(_)
            | Self::LongPoll(_)
            | Self::Over => {
                *input = &mut [];
                return Ok(None);
            }
        };
        *self = stream;
        Ok(Some(negotiated))
    }

    /// Chooses the transport by the first octet. A stranger gets no answer: it may not even
    /// speak the language the answer would be in.
    fn begin(first: u8, options: &TransportOptions) -> Result<Self, Failure> {
        match first {
            rawsocket::MAGIC if options.rawsocket => {
                Ok(Self::RawSocketOpening(rawsocket::Request::default()))
            }
            rawsocket::MAGIC => Err(Failure::Refused("RawSocket is not spoken here")),
            b'A'..=b'Z' | b'a'..=b'z' if options.websocket || options.longpoll => {
                Ok(Self::HttpOpening(Box::default()))
            }
            b'A'..=b'Z' | b'a'..=b'z' => Err(Failure::Refused("WebSocket is not spoken here")),
            _ => Err(Failure::Refused("neither RawSocket nor HTTP")),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Refused(malformed.0)
    }
}

#[cfg(test)]
pub(crate) mod tests;
