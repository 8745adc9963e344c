//! Compressed messages, honest ones and bombs.

use std::io::{Read, Write};

use gigawamp::wire::{Client, ClientOptions, Framing, Separator, Serializer};
use serde_json::json;

use crate::peer::{Peer, connect};
use crate::program::with_each_driver;

const COMPRESSION: &str = "compression = \"deflate\"";

/// Octets of the longest message that the router takes, which is its default.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Bombs that are thrown.
const BOMBS_COUNT: u64 = 40;

/// Octets that each of them stands for, at least.
const BOMB_BYTES: u64 = 500 << 20;

/// Octets that all of them may cost beyond what as many octets cost that are not inflated: each of
/// two shards inflates one after the other up to the limit, and an allocator keeps some of that.
const GROWTH_MAX: u64 = 16 << 20;

#[test]
fn compressed_and_bare_peers_talk_to_each_other() {
    let batched = Framing::Batched(Separator::Record);
    with_each_driver("", COMPRESSION, |router| {
        let address = router.address("ws://");
        let mut peers = vec![
            Peer::compressing(&address, Framing::WebSocket),
            Peer::compressing(&address, batched),
            Peer::tcp(&address, Framing::WebSocket),
            Peer::tcp(&address, Framing::RawSocket),
        ];
        for peer in &mut peers {
            peer.join("realm1");
            peer.send(&json!([32, 1, {}, "com.t"]));
            peer.expect(33);
        }
        // Short, shared by copy, shared by reference.
        for (number, length) in [10, 500, 100_000].into_iter().enumerate() {
            let text = "what comes again ".repeat(length / 17 + 1);
            for from in 0..peers.len() {
                let request = 2 + number;
                let options = json!({"acknowledge": true, "exclude_me": false});
                peers[from].send(&json!([16, request, options, "com.t", [&text, from]]));
                for (to, peer) in peers.iter_mut().enumerate() {
                    // To the publisher both come, in either order.
                    let mut kinds = vec![36];
                    kinds.extend((to == from).then_some(17));
                    for _ in 0..kinds.len() {
                        let message = peer.receive().expect("an event");
                        let kind = message[0].as_u64().unwrap();
                        kinds.retain(|wanted| *wanted != kind);
                        if kind == 36 {
                            assert_eq!(message[4], json!([&text, from]));
                        }
                    }
                    assert!(kinds.is_empty(), "{kinds:?} did not come");
                }
            }
        }
    });
}

// spec: rfc7692#section-8
#[test]
fn bombs_cost_no_memory() {
    let bomb = bomb();
    with_each_driver("", COMPRESSION, |router| {
        let address = router.address("ws://");
        let mut constant = Peer::compressing(&address, Framing::WebSocket);
        constant.join("realm1");
        // The same octets, but not marked as compressed, are refused when they are all there.
        let mut plain = bomb.clone();
        plain[0] = 0x82;
        for _ in 0..BOMBS_COUNT {
            throw(&address, &plain);
        }
        let (_, before) = router.memory();
        for number in 0..BOMBS_COUNT {
            let answer = throw(&address, &bomb);
            assert_eq!(answer[..4], [0x88, answer[1], 0x03, 0xF1], "closed with 1009: {answer:?}");
            constant.send(&json!([48, 1 + number, {}, "com.nobody"]));
            constant.expect(8);
        }
        let (_, most) = router.memory();
        assert!(most < before + GROWTH_MAX, "{before} to {most} octets at the worst moments");
    });
}

/// Opens a WebSocket that compresses.
fn client() -> Client {
    let options = ClientOptions { deflate: true, ..ClientOptions::default() };
    Client::new(Framing::WebSocket, Serializer::Cbor, options)
}

/// A frame that the router takes for a message, and what it would be: many times the limit.
fn bomb() -> Vec<u8> {
    // A client that was granted compression compresses a megabyte of blanks.
    let (mut client, mut hello, mut frame) = (client(), Vec::new(), Vec::new());
    client.hello(&mut hello);
    let options = gigawamp::wire::TransportOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        paths: vec!["/ws".to_owned()],
        serializers: vec![Serializer::Cbor],
        websocket: true,
        rawsocket: false,
        deflate: true,
        longpoll: false,
        longpoll_path: String::new(),
        ..gigawamp::wire::TransportOptions::default()
    };
    let (mut router, mut answer) = (gigawamp::wire::Transport::new(), Vec::new());
    let granted = router.next(&options, &mut hello.as_mut_slice(), &mut answer);
    assert!(granted.unwrap().is_some());
    assert!(client.next(&mut answer.as_mut_slice(), &mut Vec::new()).unwrap().is_some());
    client.frame(&vec![b' '; MESSAGE_BYTES_MAX], &mut frame);
    // Its frame has a head of eight octets, the last four of which mask the rest.
    assert_eq!(frame[..2], [0xC2, 0x80 | 126]);
    let (head, payload) = frame.split_at(8);
    let mut piece: Vec<u8> =
        payload.iter().zip(head[4..].iter().cycle()).map(|(a, b)| a ^ b).collect();
    piece.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
    let count = MESSAGE_BYTES_MAX / piece.len();
    assert!((count * MESSAGE_BYTES_MAX) as u64 >= BOMB_BYTES, "{} octets a piece", piece.len());
    let payload = [&piece.repeat(count)[..], &[0]].concat();
    let mut bomb = vec![0xC2, 0x80 | 127];
    bomb.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    // A key of zeros masks nothing.
    bomb.extend_from_slice(&[0; 4]);
    bomb.extend_from_slice(&payload);
    bomb
}

/// Sends a frame on a connection of its own; what comes behind the handshake, up to the end.
fn throw(address: &str, frame: &[u8]) -> Vec<u8> {
    let (mut stream, mut hello) = (connect(address), Vec::new());
    client().hello(&mut hello);
    stream.write_all(&hello).unwrap();
    stream.write_all(frame).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(end)
}
