//! Requests of all kinds, and the answers they get.

#![expect(clippy::indexing_slicing, reason = "a test may fail by a panic")]

use super::*;
use crate::limits::{HTTP_HEAD_BYTES_MAX, MESSAGE_BYTES_CAP};
use crate::wire::transport::tests::{Got, Played, options, play, play_every_way, refused};
use crate::wire::{Cookie, CookieValue, Framing, Incoming, Negotiated, Transport, Window};
use std::time::Duration;

/// The headers of a request that is granted; the key is the specification's example.
const HEADERS: [(&str, &str); 6] = [
    ("Host", "router.example"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "wamp.2.json"),
];

/// A request for `line` with these headers.
fn request(line: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

/// The granted request with other `headers`: a name that is there loses its own value, and a
/// value of `-` adds nothing in its place.
fn with(headers: &[(&str, &str)]) -> Vec<u8> {
    let changed = |name: &str| headers.iter().any(|(other, _)| *other == name);
    let kept = HEADERS.into_iter().filter(|(name, _)| !changed(name));
    let added = headers.iter().copied().filter(|(_, value)| *value != "-");
    request("GET /ws HTTP/1.1", &kept.chain(added).collect::<Vec<_>>())
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("answers are text")
}

/// Plays a request that must be granted; the serializer that was chosen, if not in batches.
fn granted(stream: &[u8]) -> Serializer {
    let (serializer, is_batched) = granted_either(stream);
    assert!(!is_batched);
    serializer
}

/// The same with batches or without.
fn granted_either(stream: &[u8]) -> (Serializer, bool) {
    let bare = TransportOptions { deflate: false, ..options() };
    let played = play_every_way(&bare, stream);
    let [Got::Negotiated(negotiated)] = played.got[..] else {
        panic!("{}\n{:?} {}", text(stream), played.got, text(&played.reply))
    };
    let Negotiated { serializer, framing, peer_message_bytes_max, .. } = negotiated;
    assert_eq!(peer_message_bytes_max, MESSAGE_BYTES_CAP);
    let is_batched = framing != Framing::WebSocket;
    if is_batched {
        assert_eq!(framing, Framing::Batched(Separator::Cancel));
    }
    let expected = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        Subprotocol { serializer, is_batched }.name(),
    );
    assert_eq!(text(&played.reply), expected);
    (serializer, is_batched)
}

/// Plays a request that must be refused with `status`; the answer and the failure.
fn rejected(stream: &[u8], status: &str) -> (String, Failure) {
    let (reply, failure) = refused(&options(), stream);
    let reply = text(&reply).to_owned();
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{}\n{reply}", text(stream));
    let (head, body) = reply.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{reply}");
    assert!(head.contains("close"), "{reply}");
    assert!(body.ends_with(".\n"), "{reply}");
    (reply, failure)
}

// spec: rfc6455#section-4.2
#[test]
fn an_upgrade_is_granted_in_every_spelling() {
    let tables: [&[(&str, &str)]; 9] = [
        &[],
        &[("Upgrade", "-"), ("uPGRADE", "WebSocket")],
        &[("Connection", "upgrade")],
        &[("Connection", "a,UPGRADE ,b")],
        &[("Connection", "keep-alive"), ("connection", "Upgrade")],
        &[("Upgrade", "h2c, websocket")],
        &[("Sec-WebSocket-Key", "-"), ("sec-websocket-key", " dGhlIHNhbXBsZSBub25jZQ==\t")],
        &[("Content-Length", "0"), ("Origin", "http://router.example"), ("Cookie", "a=b")],
        // Extensions are not negotiated; offering them does no harm.
        &[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")],
    ];
    for headers in tables {
        assert_eq!(granted(&with(headers)), Serializer::Json);
    }
    for line in ["GET /ws?x=1&y=?/ HTTP/1.1", "GET / HTTP/1.1", "GET /? HTTP/1.1"] {
        assert_eq!(granted(&request(line, &HEADERS)), Serializer::Json);
    }
}

#[test]
fn a_key_whose_characters_were_drawn_is_taken() {
    let key = "abcdefghijklmnopqrstuv==";
    let played = play(&options(), [with(&[("Sec-WebSocket-Key", key)]).as_slice()]);
    assert!(matches!(played.got[..], [Got::Negotiated(_)]), "{played:?}");
    let accept = format!("Sec-WebSocket-Accept: {}\r\n", accept_key(key.as_bytes()));
    assert!(text(&played.reply).contains(&accept));
}

// spec: basic/building_blocks#transports
// spec: B-TRN-01, B-TRN-04
#[test]
fn the_clients_first_subprotocol_that_we_offer_is_chosen() {
    let name = "Sec-WebSocket-Protocol";
    let tables: [(&[(&str, &str)], Serializer); 8] = [
        (&[(name, "wamp.2.json")], Serializer::Json),
        (&[(name, "wamp.2.msgpack")], Serializer::MessagePack),
        (&[(name, "wamp.2.cbor")], Serializer::Cbor),
        (&[(name, "wamp.2.cbor,wamp.2.json")], Serializer::Cbor),
        (&[(name, "wamp.2.capnproto.batched, wamp.2.msgpack ,x")], Serializer::MessagePack),
        (&[(name, ",, soap,\twamp.2.cbor\t, wamp.2.json")], Serializer::Cbor),
        (&[(name, "soap"), (name, "wamp.2.msgpack"), (name, "x")], Serializer::MessagePack),
        (&[(name, "-"), ("sec-webSOCKET-protocol", "wamp.2.cbor")], Serializer::Cbor),
    ];
    for (headers, serializer) in tables {
        assert_eq!(granted(&with(headers)), serializer, "{headers:?}");
    }
}

// spec: advanced/transport_batched_websocket; X-TRN-06
#[test]
fn batches_are_chosen_like_any_other_subprotocol() {
    let name = "Sec-WebSocket-Protocol";
    let tables = [
        ("wamp.2.json.batched", Serializer::Json, true),
        ("wamp.2.msgpack.batched", Serializer::MessagePack, true),
        ("wamp.2.ubjson, wamp.2.json", Serializer::Ubjson, false),
        ("wamp.2.ubjson.batched", Serializer::Ubjson, true),
        ("wamp.2.cbor.batched, wamp.2.cbor", Serializer::Cbor, true),
        ("wamp.2.cbor, wamp.2.cbor.batched", Serializer::Cbor, false),
        ("wamp.2.flatbuffers.batched, wamp.2.msgpack.batched", Serializer::MessagePack, true),
    ];
    for (offer, serializer, is_batched) in tables {
        assert_eq!(granted_either(&with(&[(name, offer)])), (serializer, is_batched), "{offer}");
    }
    let only_cbor = TransportOptions { serializers: vec![Serializer::Cbor], ..options() };
    let offer = "wamp.2.json.batched, wamp.2.cbor.batched";
    let played = play_every_way(&only_cbor, &with(&[(name, offer)]));
    assert!(text(&played.reply).contains("Sec-WebSocket-Protocol: wamp.2.cbor.batched\r\n"));
}

// spec: B-TRN-05
#[test]
fn without_a_common_subprotocol_there_is_no_connection() {
    let many = "x,".repeat(1_000);
    let tables = ["-", "", "soap", "wamp", "wamp.2.jso", "WAMP.2.JSON", "wamp.2.json.batche"];
    for offer in tables.into_iter().chain([many.as_str()]) {
        let (reply, failure) = rejected(&with(&[("Sec-WebSocket-Protocol", offer)]), "400");
        assert!(reply.contains("wamp.2.json, wamp.2.msgpack, wamp.2.cbor"), "{reply}");
        assert!(reply.ends_with(", wamp.2.cbor.batched, wamp.2.ubjson.batched.\n"), "{reply}");
        assert!(matches!(failure, Failure::Refused(_)));
    }
    let only_cbor = TransportOptions { serializers: vec![Serializer::Cbor], ..options() };
    let (reply, _) = refused(&only_cbor, &with(&[]));
    let list = "subprotocols wamp.2.cbor, wamp.2.cbor.batched.\n";
    assert!(text(&reply).ends_with(list), "{}", text(&reply));
}

#[test]
fn each_missing_doubled_or_wrong_header_is_refused() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let tables: [(&[(&str, &str)], &str); 24] = [
        (&[("Host", "-")], "400"),
        (&[("Host", "a"), ("Host", "a")], "400"),
        (&[("Connection", "-")], "400"),
        (&[("Connection", "keep-alive")], "400"),
        (&[("Connection", "not-Upgrade")], "400"),
        (&[("Upgrade", "websocket"), ("Upgrade", "websocket")], "400"),
        (&[("Sec-WebSocket-Version", "-")], "400"),
        (&[("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Version", "13")], "400"),
        (&[("Sec-WebSocket-Version", "8")], "426"),
        (&[("Sec-WebSocket-Version", "13, 8")], "426"),
        (&[("Sec-WebSocket-Version", "")], "426"),
        (&[("Sec-WebSocket-Key", "-")], "400"),
        (&[("Sec-WebSocket-Key", key), ("Sec-WebSocket-Key", key)], "400"),
        (&[("Sec-WebSocket-Key", "")], "400"),
        (&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")], "400"),
        (&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQo=")], "400"),
        (&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j")], "400"),
        (&[("Sec-WebSocket-Key", "*GhlIHNhbXBsZSBub25jZQ==")], "400"),
        (&[("Transfer-Encoding", "chunked")], "400"),
        (&[("Transfer-Encoding", "identity")], "400"),
        (&[("Content-Length", "1")], "400"),
        (&[("Content-Length", "")], "400"),
        (&[("Content-Length", "0"), ("Content-Length", "5")], "400"),
        (&[("Content-Length", "5"), ("Transfer-Encoding", "chunked")], "400"),
    ];
    for (headers, status) in tables {
        let (reply, failure) = rejected(&with(headers), status);
        assert!(matches!(failure, Failure::Refused(_)), "{reply}");
        assert_eq!(reply.contains("\r\nSec-WebSocket-Version: 13\r\n"), status == "426");
    }
    rejected(&request("GET /ws HTTP/1.0", &HEADERS), "400");
}

#[test]
fn ordinary_requests_get_an_answer_a_person_can_read() {
    let plain = [("Host", "router.example"), ("User-Agent", "curl/8.0")];
    let tables = [
        ("GET /ws HTTP/1.1", "426", "wamp.2.json, wamp.2.msgpack, wamp.2.cbor"),
        ("GET / HTTP/1.0", "426", "A WAMP router answers here"),
        ("GET /favicon.ico HTTP/1.1", "404", "nothing is served"),
        ("GET /ws/ HTTP/1.1", "404", "nothing is served"),
        ("GET /WS HTTP/1.1", "404", "nothing is served"),
        ("GET * HTTP/1.1", "404", "nothing is served"),
        ("POST /ws HTTP/1.1", "405", "\r\nAllow: GET\r\n"),
        ("HEAD / HTTP/1.1", "405", "\r\nAllow: GET\r\n"),
        ("OPTIONS * HTTP/1.1", "405", "\r\nAllow: GET\r\n"),
        ("get /ws HTTP/1.1", "405", "\r\nAllow: GET\r\n"),
    ];
    for (line, status, part) in tables {
        let (reply, failure) = rejected(&request(line, &plain), status);
        assert_eq!(failure, Failure::Answered, "{line}");
        assert!(reply.contains(part), "{line}\n{reply}");
        assert_eq!(reply.contains("\r\nUpgrade: websocket\r\n"), status == "426");
    }
    let (_, failure) = rejected(&with(&[("Upgrade", "h2c")]), "426");
    assert_eq!(failure, Failure::Answered);
}

#[test]
fn what_is_no_http_is_refused() {
    let tables: [&[u8]; 13] = [
        b"HELLO\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /ws\r\n\r\n",
        b"GET /ws HTTP/2.0\r\n\r\n",
        b"GET /ws HTTP/1.1 \r\n\r\n",
        b"GET /w s HTTP/1.1\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost a\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost : a\r\n\r\n",
        // Lines that other readers may see differently: folded, without a carriage return, with
        // one too many, with a NUL.
        b"GET /ws HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET /ws HTTP/1.1\nHost: a\n\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\n\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    ];
    for stream in tables {
        let (_, failure) = rejected(stream, "400");
        assert!(matches!(failure, Failure::Refused(_)));
    }
}

#[test]
fn a_head_is_bounded() {
    let filler = |length: usize| with(&[("X", &"x".repeat(length))]);
    let most = HTTP_HEAD_BYTES_MAX - filler(0).len();
    assert_eq!(granted(&filler(most)), Serializer::Json);
    rejected(&filler(most + 1), "431");
    rejected(&filler(1 << 20)[..1 << 15], "431");
    rejected(format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000)).as_bytes(), "431");

    let numbers: Vec<String> = (0..HTTP_HEADERS_MAX).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &str)> = numbers.iter().map(|number| (number.as_str(), "")).collect();
    let room = HTTP_HEADERS_MAX - HEADERS.len();
    assert_eq!(granted(&with(&many[..room])), Serializer::Json);
    rejected(&with(&many[..=room]), "431");
}

#[test]
fn an_unfinished_head_waits() {
    let stream = with(&[]);
    assert_eq!(play_every_way(&options(), &stream[..stream.len() - 1]), Played::default());
}

// spec: rfc7692#section-5.1
#[test]
fn compression_is_granted_where_the_listener_has_it() {
    let offer = ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=9");
    let stream = with(&[offer]);
    for deflate in [false, true] {
        let played = play_every_way(&TransportOptions { deflate, ..options() }, &stream);
        let [Got::Negotiated(negotiated)] = played.got[..] else { panic!("{played:?}") };
        assert_eq!(negotiated.deflate, deflate.then_some(Window::Small));
        let answer = "\r\nSec-WebSocket-Extensions: permessage-deflate; \
                      server_no_context_takeover; client_no_context_takeover; \
                      server_max_window_bits=9\r\n\r\n";
        assert_eq!(text(&played.reply).ends_with(answer), deflate);
        assert_eq!(text(&played.reply).contains("Extensions"), deflate);
    }
}

#[test]
fn an_upgrade_tells_what_the_client_said_of_itself() {
    let value = CookieValue::new([7; 16]);
    for (is_secure, cookie) in [
        (false, "gigawamp=BwcHBwcHBwcHBwcHBwcHBw; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"),
        (
            true,
            "__Host-gigawamp=BwcHBwcHBwcHBwcHBwcHBw; Path=/; Max-Age=60; HttpOnly; \
             SameSite=Strict; Secure",
        ),
    ] {
        let (mut transport, mut reply) = (Transport::new(), Vec::new());
        let cookie_given = Some((value, Duration::from_secs(60)));
        transport.meet(Circumstances { is_secure, is_proxied: false, cookie: cookie_given });
        let mut octets = with(&[("Origin", "https://router.example")]);
        let got = transport.next(&options(), &mut octets.as_mut_slice(), &mut reply);
        assert!(matches!(got, Ok(Some(Incoming::Negotiated(_)))), "{got:?}");
        let visitor = transport.take_visitor().expect("an HTTP client came");
        assert_eq!(visitor.origin.as_deref(), Some("https://router.example"));
        assert_eq!(visitor.cookie, Some(Cookie { value, is_new: true }));
        assert!(
            text(&reply).contains(&format!("\r\nSet-Cookie: {cookie}\r\n")),
            "{}",
            text(&reply)
        );
        assert_eq!(transport.take_visitor(), None);
    }
}

#[test]
fn pages_of_other_origins_are_refused_before_anything_else() {
    for (origin, is_welcome) in [
        ("https://router.example", true),
        ("http://router.example", true),
        ("https://evil.example", false),
        ("http://router.example:8080", false),
        ("null", false),
    ] {
        let stream = with(&[("Origin", origin)]);
        if is_welcome {
            assert_eq!(granted(&stream), Serializer::Json, "{origin}");
            continue;
        }
        let (reply, failure) = refused(&options(), &stream);
        assert!(text(&reply).starts_with("HTTP/1.1 403 Forbidden\r\n"), "{}", text(&reply));
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    }
}
