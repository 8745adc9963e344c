//! Who may come at all: pages, proxies, and whoever finds the house full.

use std::io::{Read, Write};
use std::net::TcpStream;

use gigawamp::wire::Framing;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{PATIENCE, Router, with_each_driver};

/// Says `octets` to a router and hears it out.
fn ask(router: &Router, octets: &str) -> String {
    let mut stream = TcpStream::connect(router.address("ws://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(octets.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn upgrade(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: router.example\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: wamp.2.json\r\n{more}\r\n"
    )
}

fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /lp/open HTTP/1.1\r\nHost: router.example\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: POST\r\n\r\n"
    )
}

#[test]
fn pages_come_from_where_they_may() {
    let apps = "origins = [\"https://*.example.com\"]";
    let any = "insecure_any_origin = true";
    let router = "https://router.example";
    for (tables, origin, may_come) in [
        ("", router, true),
        ("", "https://app.example.com", false),
        ("", "null", false),
        (apps, "https://app.example.com", true),
        (apps, router, false),
        (any, "https://evil.example", true),
        (any, "null", true),
    ] {
        with_each_driver("", tables, |process| {
            let (upgraded, told) = if may_come { ("101", "204") } else { ("403", "403") };
            let answer = ask(&process, &upgrade(&format!("Origin: {origin}\r\n")));
            assert!(answer.starts_with(&format!("HTTP/1.1 {upgraded} ")), "{origin}: {answer}");
            let answer = ask(&process, &preflight(origin));
            assert!(answer.starts_with(&format!("HTTP/1.1 {told} ")), "{origin}: {answer}");
            let allows = format!("Access-Control-Allow-Origin: {origin}\r\n");
            assert_eq!(answer.contains(&allows), may_come, "{answer}");
            // Who is no browser has no origin.
            assert!(ask(&process, &upgrade("")).starts_with("HTTP/1.1 101 "));
            process.stop();
        });
    }
}

#[test]
fn a_proxy_that_is_trusted_says_whom_it_speaks_for() {
    for (tables, expected) in
        [("forwarded_for = [\"127.0.0.0/8\"]", "tcp:192.0.2.7"), ("", "tcp:127.0.0.1:")]
    {
        with_each_driver("", tables, |process| {
            let mut watcher = Peer::tcp(&process.address("ws://"), Framing::RawSocket);
            watcher.join("realm1");
            watcher.send(&json!([32, 1, {}, "wamp.session.on_join"]));
            watcher.expect(33);
            let mut stream = TcpStream::connect(process.address("ws://")).unwrap();
            let head = upgrade("X-Forwarded-For: 198.51.100.1, 192.0.2.7, 127.0.0.9\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            // HELLO, masked with zeros.
            let hello = b"[1,\"realm1\",{\"roles\":{\"callee\":{}}}]";
            let length = 0x80 | u8::try_from(hello.len()).unwrap();
            stream.write_all(&[&[0x81, length, 0, 0, 0, 0], &hello[..]].concat()).unwrap();
            let event = watcher.expect(36).to_string();
            assert!(event.contains(expected), "{event}");
            drop((watcher, stream));
            process.stop();
        });
    }
}

#[test]
fn who_does_not_end_its_request_is_told() {
    with_each_driver("", "[limits]\nopening = \"200ms\"", |process| {
        for beginning in ["GET /ws HTTP/1.1\r\nHost:", "POST /lp/open HTTP/1.1\r\n"] {
            let answer = ask(&process, beginning);
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
        process.stop();
    });
}

#[test]
fn when_memory_is_short_nobody_new_is_let_in() {
    with_each_driver("memory_high = \"1 MiB\"", "", |mut process| {
        process.await_line("memory is short");
        for framing in [Framing::RawSocket, Framing::WebSocket] {
            let mut peer = Peer::tcp(&process.address("ws://"), framing);
            peer.send(&json!([1, "realm1", {"roles": {"callee": {}}}]));
            let abort = peer.receive().expect("ABORT");
            assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!("gigawamp.error.overloaded")));
        }
        let summary = process.stop();
        assert!(summary.contains(" sessions_refused=2 "), "{summary}");
    });
}

#[test]
fn who_sends_too_much_is_read_later() {
    with_each_driver(
        "",
        "[limits]\nsession_messages_per_second = 50\nsession_burst = \"100ms\"",
        |process| {
            let mut peer = Peer::tcp(&process.address("ws://"), Framing::RawSocket);
            peer.join("realm1");
            for request in 1..=20 {
                peer.send(&json!([16, request, {"acknowledge": true}, "com.t"]));
            }
            for request in 1..=20 {
                assert_eq!(peer.expect(17)[1], json!(request));
            }
            drop(peer);
            let summary = process.stop();
            assert!(!summary.contains(" throttlings=0 "), "{summary}");
        },
    );
}
