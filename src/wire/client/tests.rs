//! Client and router talk to each other, over everything either of them can speak.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by a panic"
)]

use super::*;
use crate::env::Random;
use crate::wire::Transport;
use crate::wire::transport::tests::{Got, Played, cut, feed, options};

const FRAMINGS: [Framing; 4] = [
    Framing::RawSocket,
    Framing::WebSocket,
    Framing::Batched(Separator::Cancel),
    Framing::Batched(Separator::Record),
];

/// The framing that holds for the router before it has seen a message.
fn at_first(framing: Framing) -> Framing {
    match framing {
        Framing::Batched(_) => Framing::Batched(Separator::Cancel),
        Framing::RawSocket | Framing::WebSocket => framing,
    }
}

/// Feeds octets, cut at random, to the client.
fn feed_client(client: &mut Client, random: &mut Random, stream: &[u8], played: &mut Played) {
    for part in cut(random, stream) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            match client.next(&mut input, &mut played.reply) {
                Ok(Some(incoming)) => played.got.push(incoming.into()),
                Ok(None) => break,
                Err(failure) => return played.got.push(Got::Failed(failure)),
            }
        }
        assert!(input.is_empty());
    }
}

/// A message that is text in UTF-8, of about `length` octets.
fn message(random: &mut Random, length: u64) -> Vec<u8> {
    let mut text = String::new();
    while (text.len() as u64) < length {
        text.push(['a', 'é', '漢', '🦀'][random.below(4) as usize]);
    }
    text.into_bytes()
}

/// Lengths around every border of the framings.
const LENGTHS: [u64; 10] = [0, 1, 2, 125, 126, 127, 200, 65_535, 65_536, 100_000];

// spec: rfc7692#section-7.2
#[test]
fn both_ends_compress_for_each_other_however_the_stream_is_cut() {
    let options = options();
    for (round, framing) in (0..).zip(FRAMINGS.repeat(5)) {
        let serializer = Serializer::ALL[round as usize % Serializer::ALL.len()];
        let mut random = Random::from_number(round);
        let wishes = ClientOptions { deflate: true, masking_seed: round, ..Default::default() };
        let mut client = Client::new(framing, serializer, wishes);
        let (mut transport, mut upstream) = (Transport::new(), Vec::new());
        client.hello(&mut upstream);
        let mut router = Played::default();
        feed(&mut transport, &options, &upstream, &mut router);
        let mut played = Played::default();
        feed_client(&mut client, &mut random, &router.reply, &mut played);
        let [Got::Negotiated(mut negotiated)] = played.got[..] else { panic!("{played:?}") };
        let [Got::Negotiated(granted)] = router.got[..] else { panic!("{router:?}") };
        assert_eq!((granted.framing, granted.deflate), (at_first(framing), negotiated.deflate));
        let window = (framing != Framing::RawSocket).then_some(Window::Usual);
        assert_eq!(negotiated.deflate, window);

        let (mut sent, mut plain_bytes, mut frames) = (Vec::new(), 0, Vec::new());
        for length in LENGTHS {
            let message = message(&mut random, length).repeat(2);
            plain_bytes += message.len();
            if random.one_in(3) {
                client.frame_fragmented(&message, message.len() / 3 + 1, &mut frames);
            } else {
                client.frame(&message, &mut frames);
            }
            client.ping(b"are you there", &mut frames);
            sent.push(Got::Message(message));
        }
        router = Played::default();
        for part in cut(&mut random, &frames) {
            feed(&mut transport, &options, part, &mut router);
        }
        if let Some(Got::Negotiated(renegotiated)) = router.got.first() {
            assert_eq!(renegotiated.deflate, window, "compression stays with the other separator");
            negotiated = *renegotiated;
            router.got.remove(0);
        }
        assert_eq!(router.got, sent);
        assert!(!transport.is_midway());

        let mut downstream = Vec::new();
        for message in &sent {
            let Got::Message(message) = message else { unreachable!() };
            frame_by_router(negotiated, message, &mut downstream);
        }
        let mut played = Played::default();
        for part in cut(&mut random, &downstream) {
            feed_client(&mut client, &mut random, part, &mut played);
        }
        assert_eq!(played.got, sent);
        assert_eq!(downstream.len() < plain_bytes, window.is_some(), "{framing:?}");
    }
}

fn frame_by_router(negotiated: Negotiated, message: &[u8], out: &mut Vec<u8>) {
    let mut scratch = Vec::new();
    let mark = Framing::begin(&mut scratch);
    scratch.extend_from_slice(message);
    let range = negotiated.finish(&mut Deflater::default(), &mut scratch, mark);
    out.extend_from_slice(&scratch[range]);
}

// spec: A-BAT-01, A-BAT-09
#[test]
fn both_ends_understand_each_other_however_the_stream_is_cut() {
    let options = options();
    for round in 0..30_u64 {
        for (framing, serializer) in
            FRAMINGS.into_iter().flat_map(|f| Serializer::ALL.map(|s| (f, s)))
        {
            let mut random = Random::from_number(round * 31 + serializer.index() as u64);
            let wishes = ClientOptions { masking_seed: round, ..ClientOptions::default() };
            let mut client = Client::new(framing, serializer, wishes);
            let (mut upstream, mut sent) = (Vec::new(), Vec::new());
            client.hello(&mut upstream);
            for _ in 0..8 {
                let length = LENGTHS[random.below(LENGTHS.len() as u64) as usize];
                let message = message(&mut random, length);
                match random.below(4) {
                    0 => {
                        let size = message.len() / 7 + 1;
                        client.frame_fragmented(&message, size, &mut upstream);
                    }
                    1 => {
                        client.frame_together(&[b"[]", &message], &mut upstream);
                        sent.push(Got::Message(b"[]".to_vec()));
                    }
                    _ => client.frame(&message, &mut upstream),
                }
                if random.one_in(2) {
                    client.ping(b"are you there", &mut upstream);
                }
                sent.push(Got::Message(message));
            }

            let (mut transport, mut router) = (Transport::new(), Played::default());
            for part in cut(&mut random, &upstream) {
                feed(&mut transport, &options, part, &mut router);
            }
            let Some((Got::Negotiated(negotiated), messages)) = router.got.split_first() else {
                panic!("{:?}", router.got.first());
            };
            assert_eq!(
                (negotiated.framing, negotiated.serializer),
                (at_first(framing), serializer)
            );
            let (negotiated, messages) = match messages.split_first() {
                Some((Got::Negotiated(negotiated), messages)) => {
                    assert_eq!((negotiated.framing, serializer), (framing, Serializer::Json));
                    (negotiated, messages)
                }
                _ => (negotiated, messages),
            };
            if serializer == Serializer::Json {
                assert_eq!(negotiated.framing, framing);
            }
            assert_eq!(messages, sent);
            assert!(!transport.is_midway());

            let mut downstream = router.reply;
            for sent in messages {
                let Got::Message(message) = sent else { panic!("{sent:?}") };
                frame_by_router(*negotiated, message, &mut downstream);
            }
            let mut back = Played::default();
            feed_client(&mut client, &mut random, &downstream, &mut back);
            let got: Vec<Got> =
                back.got.iter().filter(|got| **got != Got::Alive).cloned().collect();
            assert!(matches!(got[0], Got::Negotiated(found) if found.serializer == serializer));
            assert_eq!(got[1..], sent);
            assert_eq!(back.reply, b"");
        }
    }
}

/// A client whose handshake went out; its stream and what it wrote.
fn greeting(framing: Framing, options: ClientOptions) -> (Client, Vec<u8>) {
    let mut client = Client::new(framing, Serializer::Cbor, options);
    let mut out = Vec::new();
    client.hello(&mut out);
    (client, out)
}

/// What a fresh client makes of the router's `answer`.
fn answered(framing: Framing, options: ClientOptions, answer: &[u8]) -> Played {
    let (mut client, _) = greeting(framing, options);
    let mut played = Played::default();
    feed_client(&mut client, &mut Random::from_number(3), answer, &mut played);
    // Nothing is processed after a failure.
    feed_client(&mut client, &mut Random::from_number(4), b"\0\0\0\0", &mut played);
    played
}

#[test]
fn a_rawsocket_client_understands_every_answer() {
    let wishes = ClientOptions { message_bytes_max: 1_000_000, ..ClientOptions::default() };
    let (_, hello) = greeting(Framing::RawSocket, wishes.clone());
    assert_eq!(hello, [0x7F, 0xA3, 0, 0]);

    let played = answered(Framing::RawSocket, wishes.clone(), &[0x7F, 0x23, 0, 0]);
    let negotiated = Negotiated {
        serializer: Serializer::Cbor,
        framing: Framing::RawSocket,
        deflate: None,
        peer_message_bytes_max: 2_048,
    };
    assert_eq!(played.got, [Got::Negotiated(negotiated), Got::Message(vec![])]);

    let wrong: [[u8; 4]; 9] = [
        rawsocket::REFUSED_SERIALIZER,
        rawsocket::REFUSED_LENGTH,
        rawsocket::REFUSED_RESERVED,
        rawsocket::REFUSED_CONNECTIONS,
        [0x7F, 0x50, 0, 0],
        [0x7F, 0xF1, 0, 0],
        [0x7F, 0xF3, 1, 0],
        [0x7F, 0xF3, 0, 1],
        [0x00, 0xF3, 0, 0],
    ];
    for answer in wrong {
        let played = answered(Framing::RawSocket, wishes.clone(), &answer);
        assert!(matches!(played.got[..], [Got::Failed(Failure::Refused(_))]), "{answer:02X?}");
    }
}

#[test]
fn a_websocket_client_checks_the_answer() {
    let wishes = ClientOptions {
        subprotocols: vec!["wamp.2.json".into(), "wamp.2.msgpack".into()],
        ..ClientOptions::default()
    };
    let (client, hello) = greeting(Framing::WebSocket, wishes.clone());
    let hello = String::from_utf8(hello).unwrap();
    assert!(hello.contains("\r\nSec-WebSocket-Protocol: wamp.2.json, wamp.2.msgpack\r\n"));
    let key = &client.opening.as_ref().unwrap().key;
    let accept = handshake::accept_key(key.as_bytes());
    let answer = |status: &str, accept: &str, protocols: &str| {
        format!(
            "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n{protocols}\r\n"
        )
    };
    let switching = "101 Switching Protocols";
    let json = "Sec-WebSocket-Protocol: wamp.2.json\r\n";
    let cbor = "Sec-WebSocket-Protocol: wamp.2.cbor\r\n";

    let right = [answer(switching, &accept, json).as_bytes(), b"\x81\x02[]"].concat();
    let played = answered(Framing::WebSocket, wishes.clone(), &right);
    assert!(
        matches!(played.got[0], Got::Negotiated(found) if found.serializer == Serializer::Json)
    );
    assert_eq!(played.got[1], Got::Message(b"[]".to_vec()));

    let wrong = [
        answer("200 OK", &accept, json),
        answer("400 Bad Request", &accept, json),
        answer(switching, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", json),
        answer(switching, "", json),
        answer(switching, &accept, ""),
        answer(switching, &accept, cbor),
        answer(switching, &accept, &json.repeat(2)),
        answer(switching, &accept, &"X: y\r\n".repeat(100)),
        answer(switching, &accept, json).replace('\r', ""),
        "x".repeat(10_000),
        "no HTTP at all\r\n\r\n".into(),
    ];
    for answer in wrong {
        let played = answered(Framing::WebSocket, wishes.clone(), answer.as_bytes());
        assert!(matches!(played.got[..], [Got::Failed(Failure::Refused(_))]), "{answer}");
    }
    // Without a list, only the client's own serializer was offered.
    for (protocols, is_granted) in [(cbor, true), (json, false)] {
        let answer = answer(switching, &accept, protocols);
        let played = answered(Framing::WebSocket, ClientOptions::default(), answer.as_bytes());
        assert_eq!(matches!(played.got[0], Got::Negotiated(_)), is_granted, "{answer}");
    }
}

#[test]
fn a_client_wants_bare_frames_and_answers_with_masked_ones() {
    let opened = || {
        let (mut client, hello) = greeting(Framing::WebSocket, ClientOptions::default());
        let (mut transport, mut router) = (Transport::new(), Played::default());
        feed(&mut transport, &options(), &hello, &mut router);
        let mut random = Random::from_number(1);
        feed_client(&mut client, &mut random, &router.reply, &mut Played::default());
        (client, transport)
    };
    let tables: [(&[u8], Vec<Got>); 4] = [
        (b"\x89\x01p", vec![Got::Alive]),
        (b"\x88\x02\x03\xE8", vec![Got::Finished]),
        // Masked by a router; text for a binary subprotocol.
        (b"\x82\x81\0\0\0\0x", vec![Got::Finished]),
        (b"\x81\x01x", vec![Got::Finished]),
    ];
    for (octets, got) in tables {
        let (mut client, mut transport) = opened();
        let mut played = Played::default();
        feed_client(&mut client, &mut Random::from_number(2), octets, &mut played);
        // The router would refuse the client's answer if it were not masked.
        let mut router = Played::default();
        feed(&mut transport, &options(), &played.reply, &mut router);
        assert_eq!(router.got, got, "{octets:?} {played:?}");
    }

    let (mut client, mut transport) = opened();
    let mut out = Vec::new();
    client.close(1000, &mut out);
    client.close(1000, &mut out);
    let mut router = Played::default();
    feed(&mut transport, &options(), &out, &mut router);
    assert_eq!(router.got, [Got::Finished]);
    let mut played = Played::default();
    feed_client(&mut client, &mut Random::from_number(5), &router.reply, &mut played);
    assert_eq!((played.got, played.reply.len()), (vec![Got::Finished], 0));
}

#[test]
fn masking_keys_differ() {
    let mut masking = Masking::new(0);
    let keys: Vec<[u8; 4]> = (0..100).map(|_| masking.key()).collect();
    assert!(keys.iter().enumerate().all(|(index, key)| !keys[..index].contains(key)));
}
