//! The client's side of both transports: for the simulator, tests, fuzzers and load generators.
//!
//! It has no socket either: octets that arrived go into [`Client::next`], octets to send come out
//! of everything that takes an `out`.

use super::Serializer;
use super::rawsocket;
use super::transport::{Failure, Framing, Incoming, Negotiated, Separator};
use super::websocket::deflate::{Deflater, Window};
use super::websocket::frame::{Masking, Role};
use super::websocket::handshake::{self, EXTENSIONS, Subprotocol};
use super::websocket::{self, extension, http};
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
    /// WebSocket: the subprotocols to offer, the favourite first; empty: only that of the
    /// serializer and framing.
    pub subprotocols: Vec<String>,
    /// WebSocket: whether to offer to compress messages (permessage-deflate).
    pub deflate: bool,
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
            deflate: false,
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
    deflater: Deflater,
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
    /// What the client would like.
    framing: Framing,
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
            Framing::WebSocket | Framing::Batched(_) => {
                let role = Role::Client(masking);
                Stream::WebSocket(websocket::Stream::new(role, serializer, framing))
            }
        };
        let opening = Opening {
            options,
            framing,
            key,
            answer: http::Head::default(),
            short_answer: rawsocket::Request::default(),
            has_failed: false,
        };
        let (deflater, opening) = (Deflater::default(), Some(Box::new(opening)));
        Self { stream, serializer, message_bytes_max, deflater, opening }
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
                let Opening { options, key, .. } = &**opening;
                let ClientOptions { path, host, deflate, .. } = options;
                let subprotocols = opening.subprotocols(self.serializer).join(", ");
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {subprotocols}\r\n"
                );
                out.extend_from_slice(request.as_bytes());
                if *deflate {
                    let offer = format!("{}: {}\r\n", EXTENSIONS, extension::OFFER);
                    out.extend_from_slice(offer.as_bytes());
                }
                out.extend_from_slice(b"\r\n");
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

    /// Appends one message as one frame, alone in its batch if there are batches.
    ///
    /// # Panics
    ///
    /// On RawSocket, if the message is longer than
    /// [`MESSAGE_BYTES_CAP`].
    pub fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.frame_together(&[message], out);
    }

    /// Appends these messages: as one batch if there are batches, else as one frame each.
    ///
    /// # Panics
    ///
    /// On RawSocket, if one is longer than [`MESSAGE_BYTES_CAP`].
    pub fn frame_together(&mut self, messages: &[&[u8]], out: &mut Vec<u8>) {
        match &mut self.stream {
            Stream::RawSocket(_) => {
                for message in messages {
                    assert!(message.len() <= MESSAGE_BYTES_CAP, "RawSocket has no such length");
                    out.extend_from_slice(&rawsocket::message_head(message.len()));
                    out.extend_from_slice(message);
                }
            }
            Stream::WebSocket(stream) => stream.send(messages, &mut self.deflater, out),
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
            stream.settle(negotiated);
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
                    deflate: None,
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
        if answer.code == Some(408) {
            // We were too slow for it.
            return Err(Failure::Answered);
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
        let offered = self.subprotocols(serializer);
        let Subprotocol { serializer, is_batched } = Subprotocol::all(&Serializer::ALL)
            .filter(|candidate| offered.contains(&candidate.name()))
            .find(|candidate| granted == Some(candidate.name().as_bytes()))
            .ok_or(Failure::Refused("the router chose a subprotocol that was not offered"))?;
        let framing = match self.framing {
            _ if !is_batched => Framing::WebSocket,
            Framing::Batched(separator) => Framing::Batched(separator),
            Framing::RawSocket | Framing::WebSocket => Framing::Batched(Separator::default()),
        };
        let deflate = match extension::is_granted(http::values(answer.headers, EXTENSIONS)) {
            Some(is_granted) if self.options.deflate || !is_granted => {
                is_granted.then_some(Window::Usual)
            }
            _ => {
                return Err(Failure::Refused("the router chose an extension that was not offered"));
            }
        };
        let peer_message_bytes_max = MESSAGE_BYTES_CAP;
        Ok(Some(Negotiated { serializer, framing, deflate, peer_message_bytes_max }))
    }

    /// The subprotocols to offer.
    fn subprotocols(&self, serializer: Serializer) -> Vec<&str> {
        if self.options.subprotocols.is_empty() {
            let is_batched = matches!(self.framing, Framing::Batched(_));
            return vec![Subprotocol { serializer, is_batched }.name()];
        }
        self.options.subprotocols.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
