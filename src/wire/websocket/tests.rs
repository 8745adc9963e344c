//! The rules of WebSocket's frames, one table each, and the streams that try to break them.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by a panic"
)]

use super::*;
use crate::env::Random;
use crate::limits::FRAGMENTS_MAX;
use crate::wire::transport::tests::{Got, Played, feed, options, play, play_every_way};
use crate::wire::{Client, ClientOptions, Framing, Transport, TransportOptions};

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = FIN | 8;
const PING: u8 = FIN | 9;
const PONG: u8 = FIN | 10;

/// A client's frame with the first octet `first`.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let key = Some(KEY);
    frame::write((Opcode::Binary, true), key, payload, &mut octets);
    octets[0] = first;
    octets
}

/// A head that announces `length` in as many octets as `short` (126 or 127) says.
fn announce(first: u8, short: u8, length: u64) -> Vec<u8> {
    let octets = length.to_be_bytes();
    let octets = if short == 126 { &octets[6..] } else { &octets[..] };
    [&[first, 0x80 | short], octets, &KEY].concat()
}

/// A router's frame.
fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// The request that opens the streams of these tests.
fn hello(serializer: Serializer) -> Vec<u8> {
    hello_for(Framing::WebSocket, serializer)
}

fn hello_for(framing: Framing, serializer: Serializer) -> Vec<u8> {
    let mut octets = Vec::new();
    Client::new(framing, serializer, ClientOptions::default()).hello(&mut octets);
    octets
}

/// Leaves the handshake out of what came.
fn strip(mut played: Played) -> Played {
    assert!(matches!(played.got[0], Got::Negotiated(_)), "{played:?}");
    let head = played.reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    played.reply.drain(..head);
    played.got.remove(0);
    played
}

/// What comes of `frames` behind a granted upgrade, in one stream with it.
fn play_frames(serializer: Serializer, frames: &[Vec<u8>]) -> Played {
    let stream = [hello(serializer), frames.concat()].concat();
    strip(play_every_way(&options(), &stream))
}

fn message(body: &[u8]) -> Got {
    Got::Message(body.to_vec())
}

/// Asserts that `played` came to `got`, then a failure that the peer was told as `code`.
fn assert_failed(played: &Played, got: &[Got], code: u16) {
    let (last, before) = played.got.split_last().expect("something came");
    assert!(matches!(last, Got::Failed(Failure::Refused(_))), "{played:?}");
    assert_eq!(before, got);
    let Got::Failed(Failure::Refused(text)) = last else { unreachable!() };
    let reason = [&code.to_be_bytes(), text.as_bytes()].concat();
    assert_eq!(played.reply, bare(CLOSE, &reason), "{text}");
}

fn both_kinds() -> [(Serializer, u8); Serializer::ALL.len()] {
    Serializer::ALL.map(|serializer| (serializer, Opcode::of(serializer) as u8))
}

// spec: rfc6455#section-5.2
// spec: B-TRN-02, B-TRN-08
#[test]
fn whole_messages_of_every_length_arrive() {
    for (serializer, opcode) in both_kinds() {
        for length in [0, 1, 3, 4, 5, 7, 8, 9, 63, 64, 125, 126, 127, 1_000, 65_535, 65_536] {
            let body: Vec<u8> = (0..length).map(|n: usize| (n % 128) as u8).collect();
            let frames = [frame(FIN | opcode, &body), frame(FIN | opcode, b"next")];
            let got = vec![message(&body), message(b"next")];
            let reply = Vec::new();
            assert_eq!(play_frames(serializer, &frames), Played { got, reply });
        }
    }
}

// spec: rfc6455#section-5.3
#[test]
fn masking_turns_with_the_key_at_every_length() {
    for length in 0..70_usize {
        let mut octets: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let expected: Vec<u8> = (0..length).map(|n| n as u8 ^ KEY[n % 4]).collect();
        frame::mask(&mut octets, KEY);
        assert_eq!(octets, expected);
    }
}

// spec: rfc6455#section-5.4
// spec: B-TRN-03
#[test]
fn fragments_become_one_message_with_control_frames_between() {
    let frames = [
        frame(BINARY, b"one "),
        frame(PING, b"p"),
        frame(CONTINUATION, b""),
        frame(PONG, b"q"),
        frame(CONTINUATION, b"two "),
        frame(FIN | CONTINUATION, b"three"),
        frame(BINARY, b""),
        frame(FIN | CONTINUATION, b""),
        frame(FIN | BINARY, b"four"),
    ];
    let got = vec![Got::Alive, message(b"one two three"), message(b""), message(b"four")];
    let reply = bare(PONG, b"p");
    assert_eq!(play_frames(Serializer::Cbor, &frames), Played { got, reply });
}

/// Plays each row's frames between others: they must fail with the row's code, and what lies
/// behind must never be looked at.
fn assert_all_fail(tables: Vec<(Serializer, Vec<Vec<u8>>, u16)>) {
    for (serializer, mut frames, code) in tables {
        let opcode = Opcode::of(serializer) as u8;
        frames.insert(0, frame(FIN | opcode, b"first"));
        frames.push(frame(PING, b"late"));
        let played = play_frames(serializer, &frames);
        assert_failed(&played, &[message(b"first")], code);
    }
}

const JSON: Serializer = Serializer::Json;
const CBOR: Serializer = Serializer::Cbor;

// spec: rfc6455#section-5.2
// spec: B-TRN-02
#[test]
fn a_wrong_head_is_refused() {
    let long = [0; 126];
    let mut wrong = vec![
        // Not masked.
        bare(FIN | BINARY, b"x"),
        bare(PING, b""),
        bare(CLOSE, b""),
        // Reserved bits.
        frame(FIN | BINARY | 0x40, b"x"),
        frame(FIN | BINARY | 0x20, b"x"),
        frame(FIN | BINARY | 0x10, b"x"),
        frame(PING | 0x40, b"x"),
        // Control frames that are long or fragmented.
        frame(PING, &long),
        frame(PONG, &long),
        frame(CLOSE, &long),
        announce(PING, 127, 1 << 40),
        frame(PING & !FIN, b"x"),
        frame(PONG & !FIN, b"x"),
        frame(CLOSE & !FIN, b""),
        // Lengths that a shorter form could have said, or none.
        announce(FIN | BINARY, 126, 0),
        announce(FIN | BINARY, 126, 125),
        announce(FIN | BINARY, 127, 125),
        announce(FIN | BINARY, 127, 65_535),
        announce(FIN | BINARY, 127, 1 << 63),
        announce(FIN | BINARY, 127, u64::MAX),
    ];
    wrong.extend([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| frame(FIN | opcode, b"")));
    assert_all_fail(wrong.into_iter().map(|frame| (CBOR, vec![frame], 1002)).collect());
    assert_all_fail(vec![
        (CBOR, vec![announce(FIN | BINARY, 127, (1 << 63) - 1)], 1009),
        (CBOR, vec![announce(FIN | BINARY, 127, (1 << 20) + 1)], 1009),
    ]);
}

// spec: rfc6455#section-5.4
#[test]
fn a_frame_out_of_place_is_refused() {
    assert_all_fail(vec![
        (CBOR, vec![frame(FIN | CONTINUATION, b"x")], 1002),
        (CBOR, vec![frame(CONTINUATION, b"x")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), frame(FIN | BINARY, b"y")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), frame(BINARY, b"y")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), frame(FIN | TEXT, b"y")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), frame(FIN | 0x40, b"x")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), frame(FIN | 3, b"")], 1002),
        (CBOR, vec![frame(BINARY, b"x"), announce(FIN, 127, 1 << 20)], 1009),
        (JSON, vec![frame(TEXT, b"x"), frame(FIN | TEXT, b"y")], 1002),
        // Text where octets belong, and the reverse.
        (CBOR, vec![frame(FIN | TEXT, b"x")], 1003),
        (Serializer::MessagePack, vec![frame(TEXT, b"x")], 1003),
        (JSON, vec![frame(FIN | BINARY, b"x")], 1003),
    ]);
}

// spec: rfc6455#section-8.1
#[test]
fn text_that_is_none_is_refused() {
    assert_all_fail(vec![
        (JSON, vec![frame(FIN | TEXT, b"\xFF")], 1007),
        (JSON, vec![frame(FIN | TEXT, b"cut \xE6\xBC")], 1007),
        (JSON, vec![frame(FIN | TEXT, b"overlong \xC0\xAF")], 1007),
        (JSON, vec![frame(FIN | TEXT, b"surrogate \xED\xA0\x80")], 1007),
        (JSON, vec![frame(TEXT, b"\xE6\xBC"), frame(FIN | CONTINUATION, b"x")], 1007),
        (JSON, vec![frame(TEXT, b"\xE6\xBC"), frame(FIN | CONTINUATION, b"")], 1007),
        (JSON, vec![frame(TEXT, b"\xF4"), frame(CONTINUATION, b"\x90")], 1007),
    ]);
}

// spec: rfc6455#section-7.4
#[test]
fn a_wrong_close_is_refused() {
    let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes(), reason].concat());
    let codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535];
    assert_all_fail(codes.map(|code| (CBOR, vec![close(code, b"")], 1002)).into());
    assert_all_fail(vec![
        (CBOR, vec![frame(CLOSE, b"x")], 1002),
        (CBOR, vec![close(1000, b"\xFF")], 1007),
        (CBOR, vec![close(1000, b"cut \xE6")], 1007),
    ]);
}

#[test]
fn a_fault_is_seen_before_its_frame_is_complete() {
    let json = Serializer::Json;
    let tables: [(Serializer, Vec<u8>, u16); 8] = [
        (json, vec![FIN | TEXT | 0x40], 1002),
        (json, vec![FIN | BINARY], 1003),
        (json, vec![FIN | CONTINUATION], 1002),
        (json, vec![FIN | TEXT, 0], 1002),
        (json, vec![PING, 0xFE], 1002),
        (json, vec![FIN | TEXT, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1], 1002),
        (json, vec![FIN | TEXT, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0], 1009),
        (json, [announce(FIN | TEXT, 126, 1_000), vec![0xFF ^ KEY[0]]].concat(), 1007),
    ];
    for (serializer, octets, code) in tables {
        assert_failed(&play_frames(serializer, &[octets]), &[], code);
    }
}

#[test]
fn text_may_be_cut_inside_its_characters() {
    let text = "aé漢🦀".repeat(5);
    for size in 1..8 {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let last = chunks.len() - 1;
        let frames: Vec<Vec<u8>> = (0..)
            .zip(&chunks)
            .map(|(index, chunk)| {
                let opcode = if index == 0 { TEXT } else { CONTINUATION };
                frame(if index == last { FIN | opcode } else { opcode }, chunk)
            })
            .collect();
        let played = play_frames(Serializer::Json, &frames);
        assert_eq!(played.got, [message(text.as_bytes())]);
    }
}

// spec: B-TRN-07
#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let options = TransportOptions { message_bytes_max: 300, ..options() };
    let play = |frames: &[Vec<u8>]| {
        let stream = [hello(Serializer::Cbor), frames.concat()].concat();
        strip(play_every_way(&options, &stream))
    };
    let most = [7; 300];
    let whole = [frame(FIN | BINARY, &most)];
    let parts = [
        frame(BINARY, &most[..100]),
        frame(CONTINUATION, &most[..200]),
        frame(FIN | CONTINUATION, b""),
    ];
    for frames in [&whole[..], &parts] {
        assert_eq!(play(frames).got, [message(&most)]);
    }
    let longer = [frame(FIN | BINARY, &[7; 301])];
    let parts = [frame(BINARY, &most), frame(FIN | CONTINUATION, b"x")];
    for frames in [&longer[..], &parts] {
        assert_failed(&play(frames), &[], 1009);
    }
}

#[test]
fn fragments_are_counted() {
    let most = FRAGMENTS_MAX as usize;
    for payload in [&b""[..], b"x"] {
        let mut frames = vec![frame(BINARY, payload)];
        frames.resize(most - 1, frame(CONTINUATION, payload));
        let last = frame(FIN | CONTINUATION, payload);
        let enough = [frames.clone(), vec![last.clone()]].concat();
        assert_eq!(play_frames(Serializer::Cbor, &enough).got, [message(&payload.repeat(most))]);
        frames.extend([frame(CONTINUATION, payload), last]);
        assert_failed(&play_frames(Serializer::Cbor, &frames), &[], 1009);
    }
}

// spec: rfc6455#section-5.5
// spec: B-TRN-07
#[test]
fn pings_are_answered_and_pongs_noted() {
    let long = [b'p'; 125];
    let frames = [
        frame(PING, b""),
        frame(PING, &long),
        frame(FIN | TEXT, b"m"),
        frame(PONG, b"whatever"),
        frame(PING, b"c"),
    ];
    let got = vec![message(b"m"), Got::Alive];
    let reply = [bare(PONG, b""), bare(PONG, &long), bare(PONG, b"c")].concat();
    assert_eq!(play_frames(Serializer::Json, &frames), Played { got, reply });
}

// spec: rfc6455#section-5.5.3
#[test]
fn a_swarm_of_pings_is_answered_by_few_pongs_and_the_last() {
    let pings: Vec<Vec<u8>> = (0..200_u8).map(|number| frame(PING, &[number])).collect();
    let stream = [hello(Serializer::Json), pings.concat(), frame(FIN | TEXT, b"m")].concat();
    let played = strip(play(&options(), [stream.as_slice()]));
    assert_eq!(played.got, [message(b"m")]);
    assert_eq!(played.reply.len(), Pongs::MAX * 3);
    assert!(played.reply.ends_with(&bare(PONG, &[199])));
    assert!(played.reply.starts_with(&bare(PONG, &[0])));
}

#[test]
fn too_many_pings_are_a_flood() {
    let most = usize::from(PINGS_MAX);
    let pings = frame(PING, b"").repeat(most);
    let play = |parts: &[&[u8]]| {
        let (mut transport, mut played) = (Transport::new(), Played::default());
        for part in parts {
            feed(&mut transport, &options(), part, &mut played);
        }
        (transport, strip(played))
    };
    let hello = hello(Serializer::Json);
    let message_frame = frame(FIN | TEXT, b"m");
    let fragments = [frame(TEXT, b"m"), frame(FIN | CONTINUATION, b"")].concat();
    let pong = frame(PONG, b"");
    let parts = [&*hello, &pings, &message_frame, &pings, &pong, &pings, &fragments, &pings];
    let (mut transport, played) = play(&parts);
    assert_eq!(played.got, [message(b"m"), Got::Alive, message(b"m")]);

    let mut later = Played::default();
    transport.forgive_pings();
    feed(&mut transport, &options(), &pings, &mut later);
    assert_eq!(later.got, []);

    let (_, flood) = play(&[&hello, &pings, &pings]);
    assert!(matches!(flood.got[..], [Got::Failed(Failure::Refused(_))]));
    let close = flood.reply.windows(4).position(|window| window[0] == CLOSE).unwrap();
    assert_eq!(flood.reply[close + 2..close + 4], 1008_u16.to_be_bytes());
    assert!(flood.reply.len() <= 100, "{}", flood.reply.len());
}

// spec: rfc6455#section-7
#[test]
fn a_close_is_echoed_and_ends_everything() {
    let close = |code: u16, reason: &[u8]| [&code.to_be_bytes(), reason].concat();
    let mut tables = vec![(vec![], vec![]), (close(1000, "tschüß".as_bytes()), close(1000, b""))];
    for code in [1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        tables.push((close(code, b""), close(code, b"")));
        tables.push((close(code, &[b'x'; 123]), close(code, b"")));
    }
    for (payload, echo) in tables {
        let frames = [
            frame(FIN | BINARY, b"m"),
            frame(CLOSE, &payload),
            frame(FIN | BINARY, b"late"),
            frame(CLOSE, &payload),
        ];
        let got = vec![message(b"m"), Got::Finished];
        let reply = bare(CLOSE, &echo);
        assert_eq!(play_frames(Serializer::Cbor, &frames), Played { got, reply });
    }
    let inside = [frame(BINARY, b"x"), frame(CLOSE, b""), frame(FIN | CONTINUATION, b"y")];
    let played = play_frames(Serializer::Cbor, &inside);
    assert_eq!((played.got, played.reply), (vec![Got::Finished], bare(CLOSE, b"")));
}

#[test]
fn our_close_is_sent_once_whatever_follows() {
    let opened = || {
        let (mut transport, mut played) = (Transport::new(), Played::default());
        feed(&mut transport, &options(), &hello(Serializer::Cbor), &mut played);
        let mut out = Vec::new();
        transport.close(1001, &mut out);
        assert_eq!(out, bare(CLOSE, &1001_u16.to_be_bytes()));
        (transport, out)
    };
    let (mut transport, mut out) = opened();
    transport.close(1000, &mut out);
    assert!(!transport.ping(&mut out));
    assert_eq!(out.len(), 4, "neither a second close nor a ping");

    let mut played = Played::default();
    let frames = [
        frame(PING, b"no pong"),
        frame(FIN | BINARY, b"under way"),
        frame(CLOSE, &1001_u16.to_be_bytes()),
        frame(FIN | BINARY, b"late"),
    ];
    feed(&mut transport, &options(), &frames.concat(), &mut played);
    let got = vec![message(b"under way"), Got::Finished];
    assert_eq!(played, Played { got, reply: Vec::new() });

    let (mut transport, _) = opened();
    let mut played = Played::default();
    feed(&mut transport, &options(), &frame(FIN | TEXT, b"wrong"), &mut played);
    assert!(matches!(played.got[..], [Got::Failed(_)]));
    assert_eq!(played.reply, b"");
}

#[test]
fn a_ping_of_ours_is_a_bare_empty_frame() {
    let (mut transport, mut played) = (Transport::new(), Played::default());
    feed(&mut transport, &options(), &hello(Serializer::Cbor), &mut played);
    let mut out = Vec::new();
    assert!(transport.ping(&mut out));
    assert_eq!(out, bare(PING, b""));
}

/// A stream of `opcode` messages that is open.
fn open(serializer: Serializer) -> Stream {
    Stream::new(Role::Server, serializer, Framing::WebSocket)
}

/// Feeds one part and says what came; the parts of a message are given out as copies.
fn step(stream: &mut Stream, part: &[u8]) -> Option<Vec<u8>> {
    let (mut part, mut reply) = (part.to_vec(), Vec::new());
    let mut input = part.as_mut_slice();
    match stream.next(1 << 24, &mut input, &mut reply).expect("no rule is broken") {
        Some(Incoming::Message(message)) => Some(message.to_vec()),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

#[test]
fn a_whole_frame_is_given_out_where_it_lies() {
    let mut octets = [frame(FIN | BINARY, b"abc"), frame(FIN | BINARY, b"def")].concat();
    let range = octets.as_ptr_range();
    let (mut stream, mut reply) = (open(Serializer::Cbor), Vec::new());
    let mut input = octets.as_mut_slice();
    for expected in [b"abc", b"def"] {
        match stream.next(1 << 20, &mut input, &mut reply) {
            Ok(Some(Incoming::Message(message))) => {
                assert_eq!(message, expected);
                assert!(range.contains(&message.as_ptr()));
            }
            other => panic!("{other:?}"),
        }
        assert!(stream.partial.is_none());
    }
}

#[test]
fn memory_follows_what_arrived_not_what_was_announced() {
    let mut stream = open(Serializer::Cbor);
    assert!(!stream.is_midway());
    for part in [&announce(FIN | BINARY, 127, 1 << 24)[..], b"0123456789"] {
        assert_eq!(step(&mut stream, part), None);
        assert!(stream.is_midway());
    }
    let held = stream.partial.as_ref().unwrap();
    assert!(held.message.capacity() <= 64, "{}", held.message.capacity());
}

#[test]
fn what_was_held_is_let_go_with_the_message() {
    let mut stream = open(Serializer::Json);
    assert_eq!(step(&mut stream, &frame(TEXT, b"ab")), None);
    assert!(stream.is_midway(), "the rest of the message is owed");
    assert_eq!(step(&mut stream, &frame(FIN | CONTINUATION, b"cd")), Some(b"abcd".to_vec()));
    assert!(!stream.is_midway());
    assert_eq!(step(&mut stream, b""), None);
    assert!(stream.partial.is_none());

    let ping = frame(PING, b"cut");
    let (first, second) = ping.split_at(5);
    assert_eq!(step(&mut stream, first), None);
    assert!(stream.is_midway());
    assert_eq!(step(&mut stream, second), None);
    assert!(stream.partial.is_none(), "nothing is owed after a control frame");
}

const CANCEL: Framing = Framing::Batched(Separator::Cancel);
const RECORD: Framing = Framing::Batched(Separator::Record);

/// What comes of `frames` behind an upgrade to batches of at most `message_bytes_max` octets.
fn play_batches(serializer: Serializer, message_bytes_max: usize, frames: &[Vec<u8>]) -> Played {
    let stream = [hello_for(CANCEL, serializer), frames.concat()].concat();
    strip(play_every_way(&TransportOptions { message_bytes_max, ..options() }, &stream))
}

/// A batch of `messages`.
fn batch(serializer: Serializer, separator: Separator, messages: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    batch::write(Opcode::of(serializer), separator, messages, &mut payload);
    payload
}

/// The second agreement, which the separator of a client has brought.
fn reframed() -> Got {
    Got::Negotiated(Negotiated {
        serializer: JSON,
        framing: RECORD,
        deflate: None,
        peer_message_bytes_max: MESSAGE_BYTES_CAP,
    })
}

// spec: advanced/transport_batched_websocket, A-BAT-02, A-BAT-04, A-BAT-05, A-BAT-06, A-BAT-09
#[test]
fn every_message_of_a_batch_arrives_in_order() {
    for (serializer, opcode) in both_kinds() {
        let three = batch(serializer, Separator::Cancel, &[b"one", b"", b"three"]);
        let one = batch(serializer, Separator::Cancel, &[b"four"]);
        let (first, second) = three.split_at(5);
        let frames = [
            frame(FIN | opcode, &three),
            frame(FIN | opcode, &one),
            // In fragments, cut anywhere, with control frames between.
            frame(opcode, first),
            frame(PING, b"p"),
            frame(CONTINUATION, b""),
            frame(FIN | CONTINUATION, second),
            frame(PONG, b""),
            frame(FIN | opcode, &one),
        ];
        let all = [b"one", &b""[..], b"three", b"four"].map(message).to_vec();
        let mut got = [all.clone(), all].concat();
        got.insert(7, Got::Alive);
        let reply = bare(PONG, b"p");
        assert_eq!(play_batches(serializer, 1 << 20, &frames), Played { got, reply });
    }
}

// spec: advanced/transport_batched_websocket, A-BAT-02, A-BAT-03
#[test]
fn a_client_of_json_shows_which_separator_it_wants() {
    let play = |batches: &[&[u8]]| {
        let frames: Vec<Vec<u8>> = batches.iter().map(|batch| frame(FIN | TEXT, batch)).collect();
        let parts: Vec<Vec<u8>> = batches
            .iter()
            .flat_map(|batch| [frame(TEXT, &batch[..1]), frame(FIN | CONTINUATION, &batch[1..])])
            .collect();
        let played = play_batches(JSON, 1 << 20, &frames);
        assert_eq!(play_batches(JSON, 1 << 20, &parts), played);
        assert_eq!(played.reply, b"");
        played.got
    };
    let (one, two) = (message(b"[1]"), message(b"[2]"));
    let both = [one.clone(), two.clone()];
    assert_eq!(play(&[b"[1]\x18[2]\x18"]), both);
    assert_eq!(play(&[b"[1]\x18", b"[2]\x18"]), both);
    assert_eq!(play(&[b"[1]\x18[2]\x1E"]), both, "the first decides");
    assert_eq!(play(&[b"[1]\x18", b"[2]\x1E"]), both, "the first decides");
    let all = [reframed(), one.clone(), two.clone()];
    assert_eq!(play(&[b"[1]\x1E[2]\x1E"]), all);
    assert_eq!(play(&[b"[1]\x1E", b"[2]\x18"]), all);
    assert_eq!(play(&[b"\x1E[1]\x18"]), [reframed(), message(b""), one]);
}

// spec: advanced/transport_batched_websocket, A-BAT-07, A-BAT-08
#[test]
fn a_batch_that_is_empty_or_cut_is_refused() {
    type Messages = &'static [&'static [u8]];
    let tables: [(Serializer, &[u8], Messages); 9] = [
        (JSON, b"", &[]),
        (JSON, b"[1]", &[]),
        (JSON, b"[1]\x18[2]", &[b"[1]"]),
        (JSON, b"[1]\x18 ", &[b"[1]"]),
        (CBOR, b"", &[]),
        (CBOR, b"\0\0\0", &[]),
        (CBOR, b"\0\0\0\x02a", &[]),
        (CBOR, b"\0\0\0\x01a\0", &[b"a"]),
        (Serializer::MessagePack, b"\0\0\0\x01a\xFF\xFF\xFF\xFFabc", &[b"a"]),
    ];
    for (serializer, payload, before) in tables {
        let opcode = Opcode::of(serializer) as u8;
        let cut = payload.len() / 2;
        let whole = vec![frame(FIN | opcode, payload)];
        let parts =
            vec![frame(opcode, &payload[..cut]), frame(FIN | CONTINUATION, &payload[cut..])];
        for mut frames in [whole, parts] {
            frames.push(frame(FIN | opcode, b"late"));
            let got: Vec<Got> = before.iter().map(|body| message(body)).collect();
            assert_failed(&play_batches(serializer, 1 << 20, &frames), &got, 1007);
        }
    }
    // Text is checked as a whole, before anything of it is given out.
    let frames = [frame(FIN | TEXT, b"[1]\x18\xFF\x18")];
    assert_failed(&play_batches(JSON, 1 << 20, &frames), &[], 1007);
}

#[test]
fn the_limit_holds_for_a_message_and_for_its_batch() {
    for (serializer, opcode) in both_kinds() {
        let play = |messages: &[&[u8]]| {
            let payload = batch(serializer, Separator::Cancel, messages);
            let (first, second) = payload.split_at(payload.len() / 2);
            let whole = play_batches(serializer, 300, &[frame(FIN | opcode, &payload)]);
            let parts = [frame(opcode, first), frame(FIN | CONTINUATION, second)];
            assert_eq!(play_batches(serializer, 300, &parts), whole);
            whole
        };
        let most = [b'x'; 300];
        assert_eq!(play(&[&most]).got, [message(&most)]);
        assert_failed(&play(&[&[b'x'; 301]]), &[], 1009);
        assert_failed(&play(&[&[b'x'; 305]]), &[], 1009);
        assert_eq!(play(&[&b"x"[..]; 60]).got, vec![message(b"x"); 60]);
        assert_failed(&play(&[&b"xxxx"[..]; 61]), &[], 1009);
    }
}

#[test]
fn a_batch_is_given_out_where_it_lies() {
    let payload = batch(CBOR, Separator::Cancel, &[b"abc", b"def"]);
    let mut octets = frame(FIN | BINARY, &payload);
    let range = octets.as_ptr_range();
    let (mut stream, mut reply) = (Stream::new(Role::Server, CBOR, CANCEL), Vec::new());
    let mut input = octets.as_mut_slice();
    for expected in [b"abc", b"def"] {
        match stream.next(1 << 20, &mut input, &mut reply) {
            Ok(Some(Incoming::Message(message))) => {
                assert_eq!(message, expected);
                assert!(range.contains(&message.as_ptr()));
            }
            other => panic!("{other:?}"),
        }
        assert!(stream.partial.is_none());
        assert!(!stream.is_midway(), "what is owed is ours to take");
    }
}

/// Any octets at all, most of them nearly frames.
fn noise(random: &mut Random) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..random.below(12) {
        let first = [TEXT, FIN | TEXT, CONTINUATION, FIN, PING, PONG, CLOSE, FIN | BINARY]
            [random.below(8) as usize];
        let mut payload = vec![b'a'; random.below(140) as usize];
        if random.one_in(4) {
            random.fill(&mut payload);
        }
        octets.extend(frame(first, &payload));
    }
    if random.one_in(2) && !octets.is_empty() {
        let at = random.below(octets.len() as u64) as usize;
        octets[at] ^= 1 << random.below(8);
    }
    octets
}

#[test]
fn noise_comes_to_the_same_however_it_is_cut() {
    let mut random = Random::from_number(6455);
    for _ in 0..300 {
        let frames = [noise(&mut random)];
        let serializer = Serializer::ALL[random.below(Serializer::ALL.len() as u64) as usize];
        play_frames(serializer, &frames);
        play_batches(serializer, 1 << 20, &frames);
    }
}

/// Batches, most of them sound.
fn batched_noise(random: &mut Random, serializer: Serializer) -> Vec<u8> {
    let opcode = Opcode::of(serializer) as u8;
    let mut octets = Vec::new();
    for _ in 0..random.below(5) {
        let separator = if random.one_in(2) { Separator::Cancel } else { Separator::Record };
        let body = vec![b'a'; random.below(70) as usize];
        let messages = vec![body.as_slice(); random.below(4) as usize];
        let mut payload = batch(serializer, separator, &messages);
        if random.one_in(5) {
            payload.truncate(random.below(payload.len() as u64 + 1) as usize);
        }
        if random.one_in(2) {
            octets.extend(frame(FIN | opcode, &payload));
            continue;
        }
        let (first, second) = payload.split_at(random.below(payload.len() as u64 + 1) as usize);
        octets.extend(frame(opcode, first));
        octets.extend(frame(FIN | CONTINUATION, second));
    }
    octets
}

#[test]
fn batches_come_to_the_same_however_they_are_cut() {
    let mut random = Random::from_number(30);
    let mut messages = 0;
    for _ in 0..300 {
        let serializer = Serializer::ALL[random.below(Serializer::ALL.len() as u64) as usize];
        let frames = [batched_noise(&mut random, serializer)];
        let played = play_batches(serializer, 200, &frames);
        messages += played.got.iter().filter(|got| matches!(got, Got::Message(_))).count();
    }
    assert!(messages > 300, "{messages}");
}

/// What comes of `frames` behind an upgrade to compressed messages of at most
/// `message_bytes_max` octets.
fn play_deflated(framing: Framing, message_bytes_max: usize, frames: &[Vec<u8>]) -> Played {
    let mut hello = Vec::new();
    let wishes = ClientOptions { deflate: true, ..ClientOptions::default() };
    Client::new(framing, JSON, wishes).hello(&mut hello);
    let stream = [hello, frames.concat()].concat();
    strip(play_every_way(&TransportOptions { message_bytes_max, ..options() }, &stream))
}

/// `Hello`, compressed, as the specification shows it.
const HELLO: [u8; 7] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

/// Compressed.
const RSV1: u8 = 0x40;

// spec: rfc7692#section-7.2.3.1
#[test]
fn compressed_and_bare_messages_arrive_whole_and_in_fragments() {
    let frames = [
        frame(FIN | RSV1 | TEXT, &HELLO),
        frame(FIN | TEXT, b"bare"),
        frame(RSV1 | TEXT, &HELLO[..3]),
        frame(PING, b"p"),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, &HELLO[3..]),
        frame(TEXT, b"in "),
        frame(FIN | CONTINUATION, b"parts"),
        frame(FIN | RSV1 | TEXT, &[0]),
        frame(FIN | RSV1 | TEXT, &HELLO),
    ];
    let bodies = [&b"Hello"[..], b"bare", b"Hello", b"in parts", b"", b"Hello"];
    let played = play_deflated(Framing::WebSocket, 1 << 20, &frames);
    assert_eq!(played, Played { got: bodies.map(message).to_vec(), reply: bare(PONG, b"p") });
}

#[test]
fn a_batch_may_be_compressed() {
    let mut payload = batch(JSON, Separator::Record, &[b"[1]", b"", b"[\"three\"]", &[b'x'; 200]]);
    assert!(Deflater::default().shorten(Window::Usual, &mut payload, 0));
    let got = [&b"[1]"[..], b"", b"[\"three\"]", &[b'x'; 200]].map(message);
    let reframed = Got::Negotiated(Negotiated {
        serializer: JSON,
        framing: RECORD,
        deflate: Some(Window::Usual),
        peer_message_bytes_max: MESSAGE_BYTES_CAP,
    });
    let got = [&[reframed][..], &got, &got].concat();
    let frames = [
        frame(FIN | RSV1 | TEXT, &payload),
        frame(RSV1 | TEXT, &payload[..5]),
        frame(FIN | CONTINUATION, &payload[5..]),
    ];
    assert_eq!(play_deflated(CANCEL, 1 << 20, &frames), Played { got, reply: Vec::new() });
    // An empty one is illegal, compressed or not.
    let empty = [frame(FIN | RSV1 | TEXT, &[0])];
    assert_failed(&play_deflated(CANCEL, 1 << 20, &empty), &[], 1007);
}

// spec: rfc7692#section-6
#[test]
fn the_mark_of_compression_stands_on_the_first_frame_of_messages_alone() {
    let tables: [(&[Vec<u8>], u16); 8] = [
        (&[frame(FIN | RSV1 | 9, b"")], 1002),
        (&[frame(FIN | RSV1 | 10, b"")], 1002),
        (&[frame(FIN | RSV1 | 8, b"")], 1002),
        (&[frame(RSV1 | TEXT, &HELLO[..3]), frame(FIN | RSV1 | CONTINUATION, &HELLO[3..])], 1002),
        (&[frame(TEXT, b"a"), frame(FIN | RSV1 | CONTINUATION, b"b")], 1002),
        (&[frame(FIN | RSV1 | 0x20 | TEXT, &HELLO)], 1002),
        (&[frame(FIN | RSV1 | 0x10 | TEXT, &HELLO)], 1002),
        (&[frame(FIN | RSV1 | BINARY, &HELLO)], 1003),
    ];
    for (frames, code) in tables {
        assert_failed(&play_deflated(Framing::WebSocket, 1 << 20, frames), &[], code);
    }
    // Nor where it was not negotiated.
    assert_failed(&play_frames(JSON, &[frame(FIN | RSV1 | TEXT, &HELLO)]), &[], 1002);
}

// spec: rfc7692#section-7.2.2
#[test]
fn what_cannot_be_inflated_ends_the_connection() {
    // Text that is none: one stored block.
    let not_text = [0x00, 0x02, 0x00, 0xFD, 0xFF, 0xC3, 0x28, 0x00];
    let mut long = vec![b' '; 301];
    assert!(Deflater::default().shorten(Window::Usual, &mut long, 0));
    let again = [0xF2, 0x00, 0x11, 0x00, 0x00];
    let tables: [(&[u8], u16); 6] = [
        (b"", 1007),
        (&HELLO[..4], 1007),
        (&not_text, 1007),
        (&again, 1007),
        (&long, 1009),
        // Longer than the limit already before it is inflated.
        (&[0; 500], 1009),
    ];
    for (payload, code) in tables {
        let got = [message(b"Hello")];
        let hello = frame(FIN | RSV1 | TEXT, &HELLO);
        let whole = [hello.clone(), frame(FIN | RSV1 | TEXT, payload)];
        assert_failed(&play_deflated(Framing::WebSocket, 300, &whole), &got, code);
        let (first, second) = payload.split_at(payload.len() / 2);
        let parts = [hello, frame(RSV1 | TEXT, first), frame(FIN | CONTINUATION, second)];
        assert_failed(&play_deflated(Framing::WebSocket, 300, &parts), &got, code);
    }
    // What does not become shorter may be a little longer than the limit while it is compressed.
    let stored = [&[0x00, 0x2C, 0x01, 0xD3, 0xFE][..], &[b' '; 300], &[0x00]].concat();
    let frames = [frame(FIN | RSV1 | TEXT, &stored)];
    assert_eq!(play_deflated(Framing::WebSocket, 300, &frames).got, [message(&[b' '; 300])]);
}

#[test]
fn nothing_is_kept_of_a_compressed_message() {
    let mut stream = open(JSON);
    stream.window = Some(Window::Usual);
    assert_eq!(step(&mut stream, &frame(FIN | RSV1 | TEXT, &HELLO)), Some(b"Hello".to_vec()));
    assert!(!stream.is_midway());
    assert_eq!(step(&mut stream, b""), None);
    assert!(stream.partial.is_none());
}
