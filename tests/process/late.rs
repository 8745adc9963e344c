//! Peers that begin and do not go on.

#![expect(clippy::disallowed_methods, reason = "a peer is slow by waiting")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use gigawamp::wire::Framing;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{PATIENCE, with_each_driver};

/// How far a handshake may come.
const BEGINNINGS: [&[u8]; 8] = [
    b"",
    b"\x7f",
    b"\x7f\xf1\0",
    b"\x7f\xf1\0\0",
    b"\x7f\xf1\0\0\0\0\0\x40[1, \"realm1\"",
    b"GET",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
      Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n\x81",
];

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until the router closes its end, which it must do.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    answer
}

// spec: A-RAW-21
#[test]
fn who_does_not_finish_its_handshake_is_sent_away() {
    with_each_driver("", "[limits]\nhandshake = \"300ms\"", |router| {
        let address = router.address("ws://");
        // With a session from before, time is not what counts.
        let mut punctual = Peer::tcp(&address, Framing::RawSocket);
        punctual.join("realm1");
        let streams = BEGINNINGS.map(|beginning| {
            let mut stream = connect(&address);
            stream.write_all(beginning).unwrap();
            (stream, beginning)
        });
        for (stream, beginning) in &streams {
            let answer = read_to_end(stream);
            let answer = String::from_utf8_lossy(&answer);
            // Who can be told is told.
            let is_open = beginning.len() == 4 || beginning.ends_with(b"\x81");
            let is_told =
                answer.contains("[3,") && answer.contains("wamp.error.protocol_violation");
            let is_half = beginning.ends_with(b"\"realm1\"");
            assert!(is_half || is_told == is_open, "{beginning:?}: {answer}");
        }
        punctual.send(&json!([16, 1, {"acknowledge": true}, "com.t"]));
        punctual.expect(17);
        drop((punctual, streams));
        router.stop();
    });
}

#[test]
fn a_handshake_octet_by_octet_takes_no_longer() {
    with_each_driver("", "[limits]\nhandshake = \"300ms\"", |router| {
        let address = router.address("ws://");
        let endless = |stream: &mut TcpStream, octet: u8| {
            // One of these writes meets a closed connection.
            while stream.write_all(&[octet]).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        };
        thread::scope(|scope| {
            for beginning in [&b"GET /"[..], b"\x7f\xf1\0\0\0\0\x10\0["] {
                let mut stream = connect(&address);
                scope.spawn(move || {
                    stream.write_all(beginning).unwrap();
                    endless(&mut stream, b' ');
                });
            }
        });
        router.stop();
    });
}

// spec: A-RAW-18
#[test]
fn who_does_not_answer_pings_is_given_up() {
    with_each_driver("", "[limits]\nping_interval = \"150ms\"", |router| {
        let address = router.address("ws://");
        let mut dead = connect(&address);
        dead.write_all(BEGINNINGS[7].strip_suffix(b"\x81").unwrap()).unwrap();
        // HELLO, masked with zeros.
        let hello = b"[1,\"realm1\",{\"roles\":{\"callee\":{}}}]";
        let length = 0x80 | u8::try_from(hello.len()).unwrap();
        dead.write_all(&[&[0x81, length, 0, 0, 0, 0], &hello[..]].concat()).unwrap();
        // This one answers, as it waits for what will never come.
        let mut alive = Peer::tcp(&address, Framing::WebSocket);
        alive.join("realm1");
        alive.send(&json!([32, 1, {}, "com.t"]));
        alive.expect(33);
        thread::scope(|scope| {
            scope.spawn(move || alive.expect(36));
            // This one cannot be asked.
            let mut silent = Peer::tcp(&address, Framing::RawSocket);
            silent.join("realm1");
            let answer = read_to_end(&dead);
            assert!(answer.windows(3).any(|octets| octets == b"[2,"), "it had a session");
            // Many intervals more.
            thread::sleep(Duration::from_secs(1));
            silent.send(&json!([16, 1, {"acknowledge": true}, "com.t"]));
            silent.expect(17);
        });
        router.stop();
    });
}
