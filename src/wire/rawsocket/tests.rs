//! The rules of RawSocket, one table each.

#![expect(clippy::indexing_slicing, reason = "a test may fail by a panic")]

use super::*;
use crate::wire::transport::tests::{Got, Played, feed, options, play, play_every_way, refused};
use crate::wire::{Serializer, Transport};

/// The handshake that the streams of these tests begin with: JSON, up to 16 MiB.
const HELLO: [u8; 4] = [0x7F, 0xF1, 0, 0];

/// The router's answer to it: it takes 1 MiB.
const GRANTED: [u8; 4] = [0x7F, 0xB1, 0, 0];

const NEGOTIATED: Got = Got::Negotiated(Negotiated {
    deflate: None,
    serializer: Serializer::Json,
    framing: Framing::RawSocket,
    peer_message_bytes_max: 1 << 24,
});

/// A stream that begins with a granted handshake.
fn stream(frames: &[&[u8]]) -> Vec<u8> {
    [&HELLO[..], &frames.concat()].concat()
}

/// What comes of `frames` behind a granted handshake, which is checked and left out.
fn play_frames(frames: &[&[u8]]) -> Played {
    strip(play_every_way(&options(), &stream(frames)))
}

fn strip(played: Played) -> Played {
    assert_eq!((&played.got[0], &played.reply[..4]), (&NEGOTIATED, &GRANTED[..]));
    Played { got: played.got[1..].to_vec(), reply: played.reply[4..].to_vec() }
}

fn message(body: &[u8]) -> Got {
    Got::Message(body.to_vec())
}

fn only_cbor() -> TransportOptions {
    TransportOptions { serializers: vec![Serializer::Cbor], ..options() }
}

// spec: advanced/transport_rawsocket#handshake; A-RAW-02
#[test]
fn each_wish_we_can_fulfil_is_granted() {
    let tables = [
        (options(), 0xF1, 0xB1, 1 << 24, Serializer::Json),
        (options(), 0x02, 0xB2, 512, Serializer::MessagePack),
        (options(), 0xE3, 0xB3, 1 << 23, Serializer::Cbor),
        (only_cbor(), 0x13, 0xB3, 1_024, Serializer::Cbor),
        (options(), 0xF4, 0xB4, 1 << 24, Serializer::Ubjson),
    ];
    for (options, wishes, granted, peer_message_bytes_max, serializer) in tables {
        let framing = Framing::RawSocket;
        let negotiated = Negotiated { serializer, framing, deflate: None, peer_message_bytes_max };
        let played = play_every_way(&options, &[0x7F, wishes, 0, 0]);
        assert_eq!(played.got, [Got::Negotiated(negotiated)]);
        assert_eq!(played.reply, [0x7F, granted, 0, 0]);
    }
}

// spec: advanced/transport_rawsocket#handshake, A-RAW-02, A-RAW-05, A-RAW-06, A-RAW-07
#[test]
fn every_other_wish_is_answered_with_its_error() {
    let mut tables = vec![
        (only_cbor(), [0x7F, 0x11, 0, 0], REFUSED_SERIALIZER),
        (options(), [0x7F, 0x00, 0, 0], REFUSED_SERIALIZER),
        (options(), [0x7F, 0x7F, 0, 0], REFUSED_SERIALIZER),
        (options(), [0x7F, 0xF1, 1, 0], REFUSED_RESERVED),
        (options(), [0x7F, 0xF1, 0, 1], REFUSED_RESERVED),
        (options(), [0x7F, 0xF1, 0x80, 0], REFUSED_RESERVED),
        (options(), [0x7F, 0xF1, 0, 0x80], REFUSED_RESERVED),
        (options(), [0x7F, 0xF0, 0xFF, 0xFF], REFUSED_RESERVED),
    ];
    for number in (0..=15).filter(|number| !(1..=4).contains(number)) {
        tables.push((options(), [0x7F, 0xF0 | number, 0, 0], REFUSED_SERIALIZER));
    }
    for (options, request, answer) in tables {
        let (reply, failure) = refused(&options, &request);
        assert_eq!(reply, answer, "{request:02X?}");
        assert!(matches!(failure, Failure::Refused(_)));
    }
    let errors = [REFUSED_SERIALIZER, REFUSED_LENGTH, REFUSED_RESERVED, REFUSED_CONNECTIONS];
    assert_eq!(errors.map(|error| error[1]), [0x10, 0x20, 0x30, 0x40]);
}

// spec: A-RAW-04, A-RAW-09
#[test]
fn we_announce_the_largest_power_of_two_within_our_limit() {
    let tables = [
        (0, 0),
        (511, 0),
        (512, 0),
        (1_023, 0),
        (1_024, 1),
        (1_000_000, 10),
        (1 << 20, 11),
        ((1 << 24) - 1, 14),
        (1 << 24, 15),
        (usize::MAX, 15),
    ];
    for (bytes_max, exponent) in tables {
        assert_eq!(length_exponent(bytes_max), exponent, "{bytes_max}");
        let options = TransportOptions { message_bytes_max: bytes_max, ..options() };
        assert_eq!(play(&options, [&HELLO[..]]).reply, [0x7F, exponent << 4 | 1, 0, 0]);
        let too_long = (512_u32 << exponent) + 1;
        if too_long < 1 << 24 {
            let prefix = too_long.to_be_bytes();
            let played = play(&options, [&HELLO[..], &prefix]);
            assert!(matches!(played.got[1..], [Got::Failed(Failure::Refused(_))]));
        }
    }
}

// spec: A-RAW-12
#[test]
fn messages_are_cut_at_their_lengths() {
    let long = vec![b'x'; 70_000];
    let tables: [(&[&[u8]], Vec<Got>); 5] = [
        (&[], vec![]),
        // A message of no octets is none, but that is for the session to say.
        (&[b"\0\0\0\0"], vec![message(b"")]),
        (&[b"\0\0\0\x03[1]"], vec![message(b"[1]")]),
        (
            &[b"\0\0\0\x03[1]\0\0\0\0", b"\0\0\0\x05[2,3]"],
            vec![message(b"[1]"), message(b""), message(b"[2,3]")],
        ),
        (&[b"\0\x01\x11\x70", &long, b"\0\0\0\x01x"], vec![message(&long), message(b"x")]),
    ];
    for (frames, got) in tables {
        assert_eq!(play_frames(frames), Played { got, reply: Vec::new() });
    }
}

// spec: A-RAW-13
#[test]
fn the_sixteenth_mebibyte_has_a_bit_of_its_own() {
    let options = TransportOptions { message_bytes_max: 1 << 24, ..options() };
    let body = vec![b'x'; 1 << 24];
    // The empty ping's prefix is the number after the longest length of 24 bits.
    let parts = [&HELLO[..], b"\x08\0\0\0", &body, b"\x01\0\0\0\0\0\0\x01y"];
    let played = play(&options, parts);
    assert_eq!(played.got, [NEGOTIATED, message(&body), message(b"y")]);
    assert!(played.reply.ends_with(b"\x02\0\0\0"));
    assert_eq!(play(&options, [parts.concat().as_slice()]), played);
}

// spec: advanced/transport_rawsocket#framing, A-RAW-09, A-RAW-12, A-RAW-13, A-RAW-14, A-RAW-16
// spec: A-RAW-17
#[test]
fn a_wrong_prefix_ends_the_connection_before_its_body() {
    let wrong: [[u8; 4]; 17] = [
        [0x03, 0, 0, 1],
        [0x04, 0, 0, 1],
        [0x05, 0, 0, 1],
        [0x06, 0, 0, 1],
        [0x07, 0, 0, 0],
        [0x10, 0, 0, 1],
        [0x20, 0, 0, 1],
        [0x40, 0, 0, 1],
        [0x80, 0, 0, 1],
        // The bit for 16 MiB together with a length, and alone above our limit.
        [0x08, 0, 0, 1],
        [0x08, 0xFF, 0xFF, 0xFF],
        [0x08, 0, 0, 0],
        [0x09, 0, 0, 0],
        // One octet more than we announced; as much as can be said.
        [0x00, 0x10, 0, 1],
        [0x00, 0xFF, 0xFF, 0xFF],
        // A ping and a pong that are too long to be sent back, or held.
        [0x01, 0x01, 0, 1],
        [0x02, 0x01, 0, 1],
    ];
    for prefix in wrong {
        let played = play_frames(&[b"\0\0\0\x01x", &prefix]);
        assert!(
            matches!(&played.got[..], [Got::Message(_), Got::Failed(Failure::Refused(_))]),
            "{prefix:02X?}: {:?}",
            played.got
        );
        assert_eq!(played.reply, b"");
    }
}

#[test]
fn nothing_is_processed_after_a_failure() {
    let (mut transport, mut played) = (Transport::new(), Played::default());
    let options = options();
    for split in [8, 5] {
        let stream = stream(&[b"\x07\0\0\0"]);
        let (first, second) = stream.split_at(split);
        transport = Transport::new();
        played = Played::default();
        feed(&mut transport, &options, first, &mut played);
        feed(&mut transport, &options, second, &mut played);
        assert!(matches!(played.got[..], [_, Got::Failed(_)]));
        feed(&mut transport, &options, b"\0\0\0\x01x\x01\0\0\0", &mut played);
        assert!(!transport.is_midway());
        assert_eq!((played.got.len(), played.reply.len()), (2, 4));
    }
    assert!(!transport.ping(&mut played.reply));
}

// spec: advanced/transport_rawsocket#ping_and_pong, A-RAW-14, A-RAW-15, A-RAW-16, A-RAW-17
#[test]
fn each_ping_is_answered_by_one_pong_with_its_payload() {
    let long = vec![b'p'; 64 * 1024];
    type Row<'a> = (&'a [&'a [u8]], Vec<Got>, Vec<u8>);
    let tables: [Row<'_>; 6] = [
        (&[b"\x01\0\0\0"], vec![], b"\x02\0\0\0".to_vec()),
        (&[b"\x01\0\0\x02hi"], vec![], b"\x02\0\0\x02hi".to_vec()),
        (
            &[b"\x01\0\0\x01a\x01\0\0\x01b\0\0\0\x01m\x01\0\0\x01c"],
            vec![message(b"m")],
            b"\x02\0\0\x01a\x02\0\0\x01b\x02\0\0\x01c".to_vec(),
        ),
        (&[b"\x02\0\0\0"], vec![Got::Alive], vec![]),
        (&[b"\x02\0\0\x03abc\0\0\0\x01m"], vec![Got::Alive, message(b"m")], vec![]),
        (&[b"\x01\x01\0\0", &long], vec![], [b"\x02\x01\0\0", &long[..]].concat()),
    ];
    for (frames, got, reply) in tables {
        assert_eq!(play_frames(frames), Played { got, reply });
    }
}

// spec: A-RAW-18
#[test]
fn too_many_pings_are_a_flood() {
    let pings = b"\x01\0\0\0".repeat(usize::from(PINGS_MAX));
    let quiet = play_frames(&[&pings, b"\0\0\0\x01m", &pings, b"\x02\0\0\0", &pings]);
    assert_eq!(quiet.got, [message(b"m"), Got::Alive]);
    assert_eq!(quiet.reply.len(), 3 * pings.len());
    let flood = play_frames(&[&pings, b"\x01\0\0\0", &pings]);
    assert!(matches!(flood.got[..], [Got::Failed(Failure::Refused(_))]));
    assert_eq!(flood.reply.len(), pings.len());

    let (mut transport, mut played) = (Transport::new(), Played::default());
    feed(&mut transport, &options(), &stream(&[&pings]), &mut played);
    assert!(!transport.ping(&mut played.reply), "clients in the field know no pings");
    transport.forgive_pings();
    feed(&mut transport, &options(), &pings, &mut played);
    assert_eq!(played.got, [NEGOTIATED]);
}

#[test]
fn memory_follows_what_arrived_not_what_was_announced() {
    let mut stream = Stream::new(1 << 24);
    let mut reply = Vec::new();
    for part in [&b"\x00\xFF"[..], b"\xFF\xFF", b"0123456789"] {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        assert_eq!(stream.next(&mut input, &mut reply), Ok(None));
        assert!(stream.is_midway());
    }
    assert!(stream.held.capacity() <= 64, "{}", stream.held.capacity());

    let mut stream = Stream::new(1 << 24);
    for part in [&b"\0\0\0\x04ab"[..], b"cd"] {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        let _ = stream.next(&mut input, &mut reply);
    }
    assert!(!stream.is_midway(), "the message was given out");
    assert_eq!(stream.next(&mut &mut [][..], &mut reply), Ok(None));
    assert_eq!(stream.held.capacity(), 0, "and let go");
}
