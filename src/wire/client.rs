//! The client's side of both transports: for the simulator, tests, fuzzers and load generators.
//!
//! It has no socket either: octets that arrived go into [`Client::next`], octets to send come out
//! of everything that takes an `out`.

use super::Serializer;
use super::rawsocket;
use super::transport::{Failure, Framing, Incoming, Negotiated};
use super::websocket::frame::{Masking, Role};
use super::websocket::{self, handshake, http};
use crate::limits::{HTTP_HEADERS_MAX, MESSAGE_BYTES_CAP};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a client asks for beyond its transport and serializer.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The longest message it takes, in octets; RawSocket announces it, rounded down to a power
    /// of two.
    pub message_bytes_max: usize,
    /// WebSocket: the path of the request, e.g. `/ws`.
    pub path: String,
    /// WebSocket: the host of the request, e.g. `127.0.0.1:8080`.
    pub host: String,
    /// WebSocket: the subprotocols to offer, the favourite first; empty: only the serializer's.
    pub subprotocols: Vec<String>,
    /// WebSocket: where masking keys and the handshake's key begin.
    pub masking_seed: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_CAP,
            path: "/ws".into(),
            host: "localhost".into(),
            subprotocols: Vec::new(),
            masking_seed: 0,
        }
    }
}

/// One client's transport.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    serializer: Serializer,
    message_bytes_max: usize,
    /// `None` once the handshake is through.
    opening: Option<Box<Opening>>,
}

#[derive(Debug)]
enum Stream {
    RawSocket(rawsocket::Stream),
    WebSocket(websocket::Stream),
}

/// What only the handshake needs.
#[derive(Debug)]
struct Opening {
    options: ClientOptions,
    /// The WebSocket key.
    key: String,
    answer: http::Head,
    short_answer: rawsocket::Request,
    has_failed: bool,
}

impl Client {
    /// A client that will speak `framing` and would like `serializer`.
    #[must_use]
    pub fn new(framing: Framing, serializer: Serializer, options: ClientOptions) -> Self {
        let mut masking = Masking::new(options.masking_seed);
        let key = STANDARD.encode([masking.octets(), masking.octets()].concat());
        let message_bytes_max = options.message_bytes_max;
        let stream = match framing {
            Framing::RawSocket => {
                let exponent = rawsocket::length_exponent(message_bytes_max);
                let length_max = rawsocket::length_of(exponent);
                Stream::RawSocket(rawsocket::Stream::new(length_max))
            }
            Framing::WebSocket => {
                let role = Role::Client(masking);
                Stream::WebSocket(websocket::Stream::new(role, serializer))
            }
        };
        let opening = Opening {
            options,
            key,
            answer: http::Head::default(),
            short_answer: rawsocket::Request::default(),
            has_failed: false,
        };
        Self { stream, serializer, message_bytes_max, opening: Some(Box::new(opening)) }
    }

    /// Appends the opening handshake. Messages may be appended right behind it, if the client
    /// is sure that it will be granted.
    pub fn hello(&mut self, out: &mut Vec<u8>) {
        let Some(opening) = &self.opening else { return };
        match self.stream {
            Stream::RawSocket(_) => {
                let exponent = rawsocket::length_exponent(self.message_bytes_max);
                let wishes = exponent << 4 | self.serializer.rawsocket_number();
                out.extend_from_slice(&[rawsocket::MAGIC, wishes, 0, 0]);
            }
            Stream::WebSocket(_) => {
                let Opening {
                    options: ClientOptions { path, host, subprotocols, .. }, key, ..
                } = &**opening;
                let subprotocols = match subprotocols.as_slice() {
                    [] => self.serializer.subprotocol().into(),
                    some => some.join(", "),
                };
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {subprotocols}\r\n\r\n"
                );
                out.extend_from_slice(request.as_bytes());
            }
        }
    }

    /// The next thing the stream brought; the same contract as
    /// [`Transport::next`](super::Transport::next).
    ///
    /// # Errors
    ///
    /// A [`Failure`] is final: send `reply`, close, feed no more (what is fed is discarded).
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<Incoming<'s>>, Failure> {
        if self.opening.is_some() {
            let opened = self.open(input);
            return Ok(opened?.map(Incoming::Negotiated));
        }
        match &mut self.stream {
            Stream::RawSocket(stream) => stream.next(input, reply),
            Stream::WebSocket(stream) => stream.next(self.message_bytes_max, input, reply),
        }
    }

    /// Appends one message as one frame.
    ///
    /// # Panics
    ///
    /// On RawSocket, if the message is longer than
    /// [`MESSAGE_BYTES_CAP`].
    pub fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        match &mut self.stream {
            Stream::RawSocket(_) => {
                assert!(message.len() <= MESSAGE_BYTES_CAP, "RawSocket has no such length");
                out.extend_from_slice(&rawsocket::message_head(message.len()));
                out.extend_from_slice(message);
            }
            Stream::WebSocket(stream) => stream.send(message, out),
        }
    }

    /// Appends one message in fragments of at most `fragment_bytes_max` octets where the
    /// transport has fragments (WebSocket).
    pub fn frame_fragmented(
        &mut self,
        message: &[u8],
        fragment_bytes_max: usize,
        out: &mut Vec<u8>,
    ) {
        match &mut self.stream {
            Stream::RawSocket(_) => self.frame(message, out),
            Stream::WebSocket(stream) => stream.send_fragmented(message, fragment_bytes_max, out),
        }
    }

    /// Appends a ping of `payload`, which a WebSocket limits to 125 octets.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match &mut self.stream {
            Stream::RawSocket(_) => rawsocket::write_ping(payload, out),
            Stream::WebSocket(stream) => {
                stream.ping(payload, out);
            }
        }
    }

    /// Appends whatever ends the transport in good order (WebSocket: a close frame with `code`,
    /// unless one was sent already).
    pub fn close(&mut self, code: u16, out: &mut Vec<u8>) {
        if let Stream::WebSocket(stream) = &mut self.stream {
            stream.close(code, out);
        }
    }

    /// Goes on with the router's answer to our handshake.
    #[cold]
    fn open(&mut self, input: &mut &mut [u8]) -> Result<Option<Negotiated>, Failure> {
        let Some(opening) = &mut self.opening else {
            return Ok(None);
        };
        if opening.has_failed {
            *input = &mut [];
            return Ok(None);
        }
        let opened = match self.stream {
            Stream::RawSocket(_) => opening.take_short_answer(self.serializer, input),
            Stream::WebSocket(_) => opening.take_answer(self.serializer, input),
        };
        opening.has_failed = opened.is_err();
        let Some(negotiated) = opened? else {
            return Ok(None);
        };
        if let Stream::WebSocket(stream) = &mut self.stream {
            stream.set_serializer(negotiated.serializer);
        }
        self.serializer = negotiated.serializer;
        self.opening = None;
        Ok(Some(negotiated))
    }
}

impl Opening {
    /// Reads the four octets of a RawSocket router.
    fn take_short_answer(
        &mut self,
        serializer: Serializer,
        input: &mut &mut [u8],
    ) -> Result<Option<Negotiated>, Failure> {
        let Some(answer) = self.short_answer.take(input) else {
            return Ok(None);
        };
        let refused = |text| Err(Failure::Refused(text));
        match answer {
            rawsocket::REFUSED_SERIALIZER => refused("the router does not offer the serializer"),
            rawsocket::REFUSED_LENGTH => refused("the router does not accept the length limit"),
            rawsocket::REFUSED_RESERVED => refused("the router saw reserved octets"),
            rawsocket::REFUSED_CONNECTIONS => refused("the router has no room"),
            [rawsocket::MAGIC, granted, 0, 0]
                if granted & 0x0F == serializer.rawsocket_number() =>
            {
                Ok(Some(Negotiated {
                    serializer,
                    framing: Framing::RawSocket,
                    peer_message_bytes_max: rawsocket::length_of(granted >> 4),
                }))
            }
            _ => refused("the answer is no RawSocket handshake"),
        }
    }

    /// Reads the HTTP answer of a WebSocket router.
    fn take_answer(
        &mut self,
        serializer: Serializer,
        input: &mut &mut [u8],
    ) -> Result<Option<Negotiated>, Failure> {
        match self.answer.take(input) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) => return Err(Failure::Refused("the answer is no HTTP")),
        }
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        if !matches!(answer.parse(self.answer.bytes()), Ok(httparse::Status::Complete(_))) {
            return Err(Failure::Refused("the answer is no HTTP"));
        }
        if answer.code != Some(101) {
            return Err(Failure::Refused("the router did not grant the upgrade"));
        }
        let only = |name| {
            let mut values = http::values(answer.headers, name);
            values.next().filter(|_| values.next().is_none())
        };
        let accept = handshake::accept_key(self.key.as_bytes());
        if only("Sec-WebSocket-Accept") != Some(accept.as_bytes()) {
            return Err(Failure::Refused("the router's Sec-WebSocket-Accept is wrong"));
        }
        let granted = only("Sec-WebSocket-Protocol");
        let offered = |candidate: &Serializer| match self.options.subprotocols.as_slice() {
            [] => *candidate == serializer,
            some => some.iter().any(|name| name == candidate.subprotocol()),
        };
        let serializer = Serializer::ALL
            .into_iter()
            .filter(offered)
            .find(|candidate| granted == Some(candidate.subprotocol().as_bytes()))
            .ok_or(Failure::Refused("the router chose a subprotocol that was not offered"))?;
        Ok(Some(Negotiated {
            serializer,
            framing: Framing::WebSocket,
            peer_message_bytes_max: MESSAGE_BYTES_CAP,
        }))
    }
}

#[cfg(test)]
mod tests;
