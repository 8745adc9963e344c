//! Playing octets to a [`Transport`], cut every way; what both transports share.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by a panic"
)]

use super::*;
use crate::env::Random;
use crate::wire::websocket::deflate;

/// What a played stream brought, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Negotiated(Negotiated),
    Message(Vec<u8>),
    Alive,
    Finished,
    Request(String),
    Failed(Failure),
}

impl From<Incoming<'_>> for Got {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Negotiated(negotiated) => Self::Negotiated(negotiated),
            Incoming::Message(message) => Self::Message(message.to_vec()),
            Incoming::Alive => Self::Alive,
            Incoming::Finished => Self::Finished,
            Incoming::Request(request) => Self::Request(format!("{request:?}")),
        }
    }
}

/// What came of playing a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) got: Vec<Got>,
    pub(crate) reply: Vec<u8>,
}

/// A listener that allows everything.
pub(crate) fn options() -> TransportOptions {
    TransportOptions {
        message_bytes_max: 1 << 20,
        paths: vec!["/ws".into(), "/".into()],
        serializers: Serializer::ALL.to_vec(),
        websocket: true,
        rawsocket: true,
        deflate: true,
        longpoll: true,
        longpoll_path: "/lp".into(),
        ..TransportOptions::default()
    }
}

/// Feeds one part to `transport`; everything it brought is added to `played`.
pub(crate) fn feed(
    transport: &mut Transport,
    options: &TransportOptions,
    part: &[u8],
    played: &mut Played,
) {
    let mut part = part.to_vec();
    let mut input = part.as_mut_slice();
    loop {
        match transport.next(options, &mut input, &mut played.reply) {
            Ok(Some(incoming)) => played.got.push(incoming.into()),
            Ok(None) => break,
            Err(failure) => return played.got.push(Got::Failed(failure)),
        }
    }
    assert!(input.is_empty(), "no input may be left behind");
}

/// Plays the parts to a fresh transport.
pub(crate) fn play<'p>(
    options: &TransportOptions,
    parts: impl IntoIterator<Item = &'p [u8]>,
) -> Played {
    let (mut transport, mut played) = (Transport::new(), Played::default());
    for part in parts {
        feed(&mut transport, options, part, &mut played);
    }
    played
}

/// Cuts `stream` at random places, now and then into nothing.
pub(crate) fn cut<'p>(random: &mut Random, mut stream: &'p [u8]) -> Vec<&'p [u8]> {
    let bound = 1 + random.below(1 + stream.len() as u64);
    let mut parts = Vec::new();
    while !stream.is_empty() {
        let (part, rest) = stream.split_at(stream.len().min(random.below(1 + bound) as usize));
        parts.push(part);
        stream = rest;
    }
    parts
}

/// Plays `stream` whole, octet by octet and cut at random; it must come to the same every time.
pub(crate) fn play_every_way(options: &TransportOptions, stream: &[u8]) -> Played {
    let whole = play(options, [stream]);
    assert_eq!(play(options, stream.chunks(1)), whole, "octet by octet");
    let mut random = Random::from_number(stream.len() as u64);
    for round in 0..20 {
        assert_eq!(play(options, cut(&mut random, stream)), whole, "random cut {round}");
    }
    whole
}

/// Collects what a failed opening came to: the reply and the failure, and nothing else.
pub(crate) fn refused(options: &TransportOptions, stream: &[u8]) -> (Vec<u8>, Failure) {
    let played = play_every_way(options, stream);
    let [Got::Failed(failure)] = played.got.as_slice() else { panic!("{played:?}") };
    (played.reply, *failure)
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Transport>() <= 64, "{}", size_of::<Transport>());
}

// spec: A-RAW-03
#[test]
fn strangers_are_dropped_without_an_answer() {
    let no_websocket = TransportOptions { websocket: false, longpoll: false, ..options() };
    let no_rawsocket = TransportOptions { rawsocket: false, ..options() };
    let tables: [(&TransportOptions, &[u8]); 7] = [
        (&no_websocket, b"GET /ws HTTP/1.1\r\n\r\n"),
        (&no_rawsocket, &[0x7F, 0xF1, 0, 0]),
        (&options(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (&options(), b"\r\nGET / HTTP/1.1\r\n\r\n"),
        (&options(), b"\0\0\0\0"),
        (&options(), b"\xFF"),
        (&options(), b" GET"),
    ];
    for (options, stream) in tables {
        let (reply, failure) = refused(options, stream);
        assert_eq!(reply, b"", "{stream:?}");
        assert!(matches!(failure, Failure::Refused(_)), "{stream:?}");
    }
}

#[test]
fn nothing_is_owed_before_a_message_begins() {
    let (mut transport, mut out) = (Transport::new(), Vec::new());
    assert!(!transport.is_midway());
    assert!(!transport.ping(&mut out));
    transport.close(1001, &mut out);
    let mut played = Played::default();
    feed(&mut transport, &options(), b"", &mut played);
    feed(&mut transport, &options(), b"\x7F\xF1", &mut played);
    assert!(!transport.is_midway());
    assert_eq!((out.as_slice(), played), (&b""[..], Played::default()));
}

// spec: A-BAT-02, A-BAT-03, A-BAT-04, A-BAT-05, A-BAT-06, A-RAW-12, A-RAW-13
#[test]
fn a_head_is_written_right_before_the_body() {
    let text = 0x81;
    let binary = 0x82;
    let wide = |first, length: u64| [&[first, 127][..], &length.to_be_bytes()].concat();
    let (json, cbor) = (Serializer::Json, Serializer::Cbor);
    let batched = [Framing::Batched(Separator::Cancel), Framing::Batched(Separator::Record)];
    let tables: [(Framing, Serializer, usize, Vec<u8>); 18] = [
        (Framing::RawSocket, json, 0, vec![0, 0, 0, 0]),
        (Framing::RawSocket, cbor, 0x01_02_03, vec![0, 1, 2, 3]),
        (Framing::RawSocket, json, (1 << 24) - 1, vec![0, 255, 255, 255]),
        (Framing::RawSocket, json, 1 << 24, vec![8, 0, 0, 0]),
        (Framing::WebSocket, json, 0, vec![text, 0]),
        (Framing::WebSocket, cbor, 125, vec![binary, 125]),
        (Framing::WebSocket, cbor, 126, vec![binary, 126, 0, 126]),
        (Framing::WebSocket, json, 65_535, vec![text, 126, 255, 255]),
        (Framing::WebSocket, json, 65_536, wide(text, 65_536)),
        (Framing::WebSocket, Serializer::MessagePack, 65_536, wide(binary, 65_536)),
        (Framing::WebSocket, cbor, 1 << 24, wide(binary, 1 << 24)),
        (batched[0], json, 0, vec![text, 1]),
        (batched[1], json, 124, vec![text, 125]),
        (batched[0], json, 65_535, wide(text, 65_536)),
        (batched[0], cbor, 0, vec![binary, 4, 0, 0, 0, 0]),
        (batched[0], cbor, 121, vec![binary, 125, 0, 0, 0, 121]),
        (batched[0], cbor, 122, vec![binary, 126, 0, 126, 0, 0, 0, 122]),
        (batched[1], cbor, 1 << 24, [&wide(binary, (1 << 24) + 4), &[1, 0, 0, 0][..]].concat()),
    ];
    for (framing, serializer, length, head) in tables {
        let mut out = b"before".to_vec();
        let mark = Framing::begin(&mut out);
        out.resize(out.len() + length, b'x');
        let peer_message_bytes_max = MESSAGE_BYTES_CAP;
        let negotiated = Negotiated { serializer, framing, deflate: None, peer_message_bytes_max };
        let range = negotiated.finish(&mut Deflater::default(), &mut out, mark);
        assert_eq!(&out[..6], b"before");
        assert_eq!(range.end, out.len());
        assert_eq!(&out[range.start..range.start + head.len()], head, "{framing:?} {length}");
        let tail = &out[range.start + head.len() + length..];
        match (framing, serializer) {
            (Framing::Batched(separator), Serializer::Json) => assert_eq!(tail, [separator as u8]),
            _ => assert_eq!(tail, b""),
        }
    }
}

#[test]
fn what_becomes_shorter_is_compressed() {
    let (body, window) = ([b'x'; 1_000], Some(Window::Usual));
    let separator = Separator::Record;
    let tables = [
        (Framing::WebSocket, Serializer::Json, window, 0xC1, &b""[..], &b""[..]),
        (Framing::WebSocket, Serializer::Cbor, window, 0xC2, b"", b""),
        (Framing::Batched(separator), Serializer::Json, window, 0xC1, b"", b"\x1E"),
        (Framing::Batched(separator), Serializer::Cbor, window, 0xC2, &[0, 0, 3, 232], b""),
        (Framing::WebSocket, Serializer::Json, None, 0x81, b"", b""),
    ];
    for (framing, serializer, deflate, first, before, behind) in tables {
        let negotiated = Negotiated { serializer, framing, deflate, peer_message_bytes_max: 1_000 };
        let mut out = b"before".to_vec();
        let mark = Framing::begin(&mut out);
        out.extend_from_slice(&body);
        let range = negotiated.finish(&mut Deflater::default(), &mut out, mark);
        let (frame, expected) = (&out[range], [before, &body, behind].concat());
        assert_eq!(frame[0], first, "{negotiated:?}");
        if deflate.is_some() {
            assert!(frame.len() < 50 && usize::from(frame[1]) == frame.len() - 2, "{frame:02X?}");
            let inflated = deflate::inflate(&frame[2..], expected.len());
            assert_eq!(inflated, Ok(expected));
        } else {
            assert_eq!(frame[4..], expected);
        }
    }
}

#[test]
fn kinds_of_frames_are_numbered_apart() {
    let batched = [Separator::Cancel, Separator::Record].map(Framing::Batched);
    let mut seen = std::collections::BTreeSet::new();
    for serializer in Serializer::ALL {
        for framing in [Framing::RawSocket, Framing::WebSocket, batched[0], batched[1]] {
            for deflate in [None, Some(Window::Small), Some(Window::Usual)] {
                let peer_message_bytes_max = seen.len();
                let kind =
                    Negotiated { serializer, framing, deflate, peer_message_bytes_max }.kind();
                assert!(kind < Negotiated::KINDS && seen.insert(kind), "{kind}");
            }
        }
    }
}

#[test]
fn kinds_of_framing_are_numbered_densely() {
    let batched = [Separator::Cancel, Separator::Record].map(Framing::Batched);
    let all = [Framing::RawSocket, Framing::WebSocket, batched[0], batched[1]];
    assert_eq!(all.len(), Framing::KINDS);
    for (index, framing) in all.into_iter().enumerate() {
        assert_eq!(framing.index(), index);
    }
}
