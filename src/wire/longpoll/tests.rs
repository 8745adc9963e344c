//! Requests, sound and unsound, cut every way.

use super::*;
use crate::wire::transport::tests::options;
use crate::wire::{Cookie, CookieValue, Incoming, Transport};
use std::time::Duration;

/// What came of a stream of requests, each of which was answered at once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Talk {
    requests: Vec<String>,
    reply: String,
    failure: Option<Failure>,
}

/// Plays `octets` in parts of `length`; every request that is given out is answered with `verdict`.
fn talk_in_parts(octets: &[u8], length: usize, options: &TransportOptions) -> Talk {
    let (mut transport, mut talk, mut reply) = (Transport::new(), Talk::default(), Vec::new());
    for part in octets.chunks(length) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            let next = match transport.next(options, &mut input, &mut reply) {
                Ok(Some(Incoming::Request(request))) => Ok(Some(described(&request))),
                Ok(Some(other)) => panic!("{other:?}"),
                Ok(None) => Ok(None),
                Err(failure) => Err(failure),
            };
            match next {
                Ok(None) if transport.longpoll().is_some_and(Stream::is_busy) => {
                    let body = (Serializer::Json, &b"[]"[..]);
                    if transport.answer(Verdict::Messages, body, false, &mut reply) {
                        talk.failure = Some(Failure::Answered);
                        break;
                    }
                }
                Ok(None) => break,
                Ok(Some(request)) => talk.requests.push(request),
                Err(failure) => {
                    talk.failure = Some(failure);
                    break;
                }
            }
        }
        assert!(input.is_empty() || talk.failure.is_some(), "no input may be left behind");
        if talk.failure.is_some() {
            break;
        }
    }
    talk.reply = String::from_utf8(reply).unwrap();
    talk
}

fn described(request: &Request<'_>) -> String {
    match request {
        Request::Open { serializer, is_batched, .. } => {
            format!("open {serializer:?} {is_batched}")
        }
        Request::Poll { transport, deed, body } => {
            format!("{transport} {deed:?} {}", String::from_utf8_lossy(body))
        }
    }
}

/// Plays `octets` cut every way; it must always come to the same.
fn talk(octets: &str) -> Talk {
    let whole = talk_in_parts(octets.as_bytes(), usize::MAX, &options());
    for length in [1, 2, 3, 7, 50] {
        let cut = talk_in_parts(octets.as_bytes(), length, &options());
        assert_eq!(cut, whole, "in parts of {length}: {octets}");
    }
    whole
}

fn statuses(talk: &Talk) -> Vec<u16> {
    let status = |line: &str| line.get(..3).and_then(|code| code.parse().ok());
    talk.reply.split("HTTP/1.1 ").filter_map(status).collect()
}

const HOST: &str = "Host: a\r\n";

/// A sound head but for `more`.
fn post(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\n{HOST}{more}\r\n")
}

// spec: A-LP-01, A-LP-02, A-LP-07
#[test]
fn sound_requests_are_understood() {
    let open = r#"{"protocols": ["foo", "wamp.2.cbor.batched", "wamp.2.json"], "x": [1]}"#;
    for (request, expected) in [
        (post("/lp/open", &format!("Content-Length: {}\r\n", open.len())) + open, "open Cbor true"),
        (post("/lp/abc/receive", ""), "abc Receive "),
        (post("/lp/abc/receive", "Content-Length: 0\r\n"), "abc Receive "),
        (post("/lp/abc/receive?x=1/2", ""), "abc Receive "),
        (post("/lp/abc/close", ""), "abc Close "),
        (post("/lp/abc/send", "content-length: 3\r\n") + "[1]", "abc Send [1]"),
        (post("http://a.b:80/lp/abc/send", "Content-Length: 1\r\n") + "x", "abc Send x"),
        (
            post("/lp/abc/send", "Transfer-Encoding: Chunked\r\n")
                + "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            "abc Send abc0123456789",
        ),
        (post("/lp/abc/send", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", "abc Send "),
    ] {
        let talk = talk(&request);
        assert_eq!(talk.requests, [expected], "{request}");
        assert_eq!((statuses(&talk), talk.failure), (vec![200], None), "{request}");
    }
}

#[test]
fn what_is_no_sound_request_is_answered_and_ends_the_connection() {
    let many = "X: y\r\n".repeat(crate::limits::HTTP_HEADERS_MAX);
    let long = format!("X: {}\r\n", "y".repeat(crate::limits::HTTP_HEAD_BYTES_MAX));
    let chunked = post("/lp/a/send", "Transfer-Encoding: chunked\r\n");
    let trailer = "X: 0123456789\r\n".repeat(100);
    for (request, status) in [
        // What others could read differently.
        (post("/lp/a/send", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400),
        (post("/lp/a/send", "Content-Length: 1\r\nContent-Length: 1\r\n"), 400),
        (post("/lp/a/send", "Content-Length: 1, 1\r\n"), 400),
        (post("/lp/a/send", "Content-Length: +1\r\n"), 400),
        (post("/lp/a/send", "Content-Length: 0x1\r\n"), 400),
        (post("/lp/a/send", "Content-Length:\r\n"), 400),
        (post("/lp/a/send", "Content-Length: 1\r\n 2\r\n"), 400),
        (post("/lp/a/send", "X: a\0b\r\n"), 400),
        (post("/lp/a/send", "X : a\r\n"), 400),
        (post("/lp/a/send", "X: a\nY: b\r\n"), 400),
        (post("/lp/a/send", HOST), 400),
        (post("/lp/a/send", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (post("/lp/a/send", "Transfer-Encoding: gzip, chunked\r\n"), 501),
        (post("/lp/a/send", "Transfer-Encoding: identity\r\n"), 501),
        ("POST /lp/a/send HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
        ("POST /lp/a/send HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("POST /lp/a/send HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 400),
        // What is too much.
        (post("/lp/a/send", "Content-Length: 1048577\r\n"), 413),
        (post("/lp/a/send", "Content-Length: 99999999999999999999999\r\n"), 413),
        (post("/lp/a/send", &many), 431),
        (post("/lp/a/send", &long), 431),
        (chunked.clone() + "100001\r\n", 413),
        (chunked.clone() + "FFFFFFFFFFFFFFFF\r\n", 400),
        (chunked.clone() + "5;" + &"x".repeat(200) + "\r\n", 400),
        (chunked.clone() + "0\r\n" + &trailer, 431),
        // Chunks that are none.
        (chunked.clone() + "\r\n", 400),
        (chunked.clone() + "-1\r\n", 400),
        (chunked.clone() + "1 \r\n", 400),
        (chunked.clone() + "1\nx\r\n", 400),
        (chunked.clone() + "1\r\nxy\r\n", 400),
        (chunked + "1\r\nx0\r\n\r\n", 400),
        (post("/lp/a/send", "Expect: miracles\r\n"), 417),
    ] {
        let talk = talk(&request);
        assert_eq!(talk.requests, Vec::<String>::new(), "{request}");
        assert_eq!(statuses(&talk), [status], "{request}");
        assert!(matches!(talk.failure, Some(Failure::Refused(_))), "{request}: {talk:?}");
        assert!(talk.reply.contains("Connection: close\r\n"), "{request}: {talk:?}");
    }
}

// spec: A-LP-01, A-LP-03
#[test]
fn what_cannot_be_done_is_said_and_the_connection_stays() {
    let open = |body: &str| post("/lp/open", &format!("Content-Length: {}\r\n", body.len())) + body;
    for (request, status) in [
        (post("/lp", ""), 404),
        (post("/lp/", ""), 404),
        (post("/lp//send", ""), 404),
        (post("/lp/open/", ""), 404),
        (post("/lp/a/b/send", ""), 404),
        (post("/lp/a/look", ""), 404),
        (open(""), 400),
        (open("[]"), 400),
        (open("{}"), 400),
        (open(r#"{"protocols": "wamp.2.json"}"#), 400),
        (open(r#"{"protocols": []}"#), 400),
        (open(r#"{"protocols": ["wamp.2.bson"]}"#), 400),
        (open(r#"{"protocols": ["wamp.2.json"]} x"#), 400),
        (format!("GET /lp/open HTTP/1.1\r\n{HOST}\r\n"), 405),
        (format!("PUT /lp/a/send HTTP/1.1\r\n{HOST}\r\n"), 405),
    ] {
        let once = talk(&request);
        assert_eq!((statuses(&once), once.failure), (vec![status], None), "{request}");
        let twice = talk(&(request.clone() + &post("/lp/a/close", "")));
        assert_eq!(twice.requests, ["a Close "], "{request}");
        assert_eq!(statuses(&twice), [status, 200], "{request}");
    }
}

#[test]
fn a_request_waits_for_the_answer_to_the_one_before_it() {
    let requests =
        post("/lp/a/receive", "") + &post("/lp/b/receive", "") + &post("/lp/c/close", "");
    let mut octets = requests.into_bytes();
    let (mut transport, mut reply) = (Transport::new(), Vec::new());
    let mut input = octets.as_mut_slice();
    for transport_name in ["a", "b", "c"] {
        match transport.next(&options(), &mut input, &mut reply) {
            Ok(Some(Incoming::Request(Request::Poll { transport, .. }))) => {
                assert_eq!(transport, transport_name);
            }
            other => panic!("{other:?}"),
        }
        for _ in 0..2 {
            assert_eq!(transport.next(&options(), &mut input, &mut reply), Ok(None));
            assert!(input.is_empty(), "no input may be left behind");
            let is_last = transport_name == "c";
            assert_eq!(transport.longpoll().unwrap().is_backlogged(), !is_last);
        }
        assert_eq!(reply, b"");
        assert!(!transport.answer(Verdict::Done, (Serializer::Json, b""), false, &mut reply));
        assert!(reply.starts_with(b"HTTP/1.1 204 "));
        reply.clear();
    }
    assert!(transport.answer(Verdict::Done, (Serializer::Json, b""), true, &mut reply));
}

// spec: A-LP-08
#[test]
fn a_connection_stays_as_long_as_the_client_wants() {
    for (request, closes, header) in [
        (post("/lp/a/close", ""), false, ""),
        (post("/lp/a/close", "Connection: Close\r\n"), true, "Connection: close\r\n"),
        (post("/lp/a/close", "Connection: x, close\r\n"), true, "Connection: close\r\n"),
        ("POST /lp/a/close HTTP/1.0\r\n\r\n".to_owned(), true, "Connection: close\r\n"),
        (
            "POST /lp/a/close HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
            false,
            "Connection: keep-alive\r\n",
        ),
    ] {
        let talk = talk(&request);
        assert_eq!(talk.failure.is_some(), closes, "{request}");
        assert_eq!(talk.reply.contains("Connection:"), !header.is_empty(), "{request}");
        assert!(talk.reply.contains(header), "{request}");
    }
}

#[test]
fn an_empty_line_between_requests_is_nothing() {
    let twice = talk(&(post("/lp/a/close", "") + "\r\n" + &post("/lp/b/close", "")));
    assert_eq!(twice.requests, ["a Close ", "b Close "]);
}

#[test]
fn whoever_waits_to_be_told_is_told_to_go_on() {
    let head = "Content-Length: 3\r\nExpect: 100-continue\r\n";
    assert_eq!(statuses(&talk(&post("/lp/a/send", head))), [100]);
    assert_eq!(statuses(&talk(&(post("/lp/a/send", head) + "[1]"))), [100, 200]);
    assert_eq!(statuses(&talk(&post("/lp/a/close", "Expect: 100-continue\r\n"))), [200]);
    let long = "Content-Length: 9999999\r\nExpect: 100-continue\r\n";
    assert_eq!(statuses(&talk(&post("/lp/a/send", long))), [413]);
    let old = "POST /lp/a/send HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx";
    assert_eq!(statuses(&talk(old)), [200]);
}

#[test]
fn pages_that_may_come_may_ask() {
    let more = "Origin: https://a\r\nAccess-Control-Request-Method: POST\r\n\
                Access-Control-Request-Headers: content-type, x-requested-with\r\n";
    let preflight = talk(&format!("OPTIONS /lp/open HTTP/1.1\r\n{HOST}{more}\r\n"));
    assert_eq!((statuses(&preflight), preflight.failure), (vec![204], None));
    for line in [
        "Access-Control-Allow-Origin: https://a\r\n",
        "Access-Control-Allow-Credentials: true\r\n",
        "Access-Control-Allow-Methods: POST\r\n",
        "Access-Control-Allow-Headers: content-type, x-requested-with\r\n",
        "Vary: Origin\r\n",
    ] {
        assert!(preflight.reply.contains(line), "{line}: {}", preflight.reply);
    }
    let asked = talk(&post("/lp/a/close", "Origin: http://a\r\n"));
    assert!(asked.reply.contains("Access-Control-Allow-Origin: http://a\r\n"), "{}", asked.reply);
    for other in ["null", "https://b", "https://a.b", "http://a:81"] {
        let more = format!("Origin: {other}\r\nAccess-Control-Request-Method: POST\r\n");
        for method in ["OPTIONS", "POST"] {
            let refused = talk(&format!("{method} /lp/open HTTP/1.1\r\n{HOST}{more}\r\n"));
            assert_eq!(statuses(&refused), [403], "{other}");
            assert!(refused.requests.is_empty(), "{refused:?}");
            assert!(!refused.reply.contains("Access-Control"), "{}", refused.reply);
        }
    }
    let plain = talk(&post("/lp/a/close", ""));
    assert!(!plain.reply.contains("Access-Control"), "{}", plain.reply);
    assert!(plain.reply.contains("Cache-Control: no-store\r\n"), "{}", plain.reply);
    let head = talk(&format!("HEAD /lp/open HTTP/1.1\r\n{HOST}\r\n"));
    assert!(head.reply.starts_with("HTTP/1.1 405 ") && head.reply.ends_with("\r\n\r\n"));
}

// spec: A-LP-09, A-LP-11
#[test]
fn bodies_are_what_their_serializer_is_called() {
    for (serializer, media_type) in [
        (Serializer::Json, "application/json"),
        (Serializer::MessagePack, "application/x-msgpack"),
        (Serializer::Cbor, "application/cbor"),
        (Serializer::Ubjson, "application/ubjson"),
    ] {
        let manners = Manners { is_modern: true, ..Manners::default() };
        let mut reply = Vec::new();
        let body = (serializer, &b"abc"[..]);
        answer::write_verdict(Verdict::Messages, body, (&manners, true), &mut reply);
        let reply = String::from_utf8(reply).unwrap();
        let header = format!("Content-Type: {media_type}\r\nContent-Length: 3\r\n");
        assert!(reply.contains(&header) && reply.ends_with("\r\n\r\nabc"), "{reply}");
    }
}

#[test]
fn other_paths_are_websockets_unless_there_are_none() {
    let other = format!("GET /ws HTTP/1.1\r\n{HOST}\r\n");
    assert_eq!(statuses(&talk(&other)), [426]);
    let only = TransportOptions { websocket: false, ..options() };
    assert_eq!(statuses(&talk_in_parts(other.as_bytes(), 5, &only)), [404]);
    let none = TransportOptions { longpoll: false, ..options() };
    let poll = post("/lp/a/receive", "");
    assert_eq!(statuses(&talk_in_parts(poll.as_bytes(), 5, &none)), [405]);
    // Once a connection has polled it does nothing else.
    let talk = talk(&(post("/lp/a/receive", "") + &other));
    assert_eq!(statuses(&talk), [200, 404]);
}

// spec: A-LP-04, A-LP-11
#[test]
fn a_batch_holds_what_was_stored() {
    let (mut stored, messages) = (Vec::new(), [&b"[1]"[..], b"", b"[2,3]"]);
    for message in messages {
        stored.extend_from_slice(&rawsocket::message_head(message.len()));
        stored.extend_from_slice(message);
    }
    for serializer in Serializer::ALL {
        let mut batch = Vec::new();
        write_batch(&stored, serializer, &mut batch);
        let found: Vec<_> = Messages::of(&batch, serializer, true).map(Result::unwrap).collect();
        assert_eq!(found, messages, "{serializer:?}");
    }
    let longest = crate::limits::MESSAGE_BYTES_CAP;
    assert_eq!(stored_length(rawsocket::message_head(longest)), longest);
}

// spec: A-LP-05, A-LP-11
#[test]
fn a_body_is_one_message_or_a_sound_batch() {
    let all = |body: &[u8], serializer, is_batched| {
        let messages = Messages::of(body, serializer, is_batched);
        messages.map(|message| message.map(<[u8]>::to_vec)).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(all(b"[1]\x18", Serializer::Json, false), Ok(vec![b"[1]\x18".to_vec()]));
    assert_eq!(all(b"", Serializer::Cbor, false), Ok(vec![Vec::new()]));
    assert_eq!(
        all(b"[1]\x1E[2]\x18", Serializer::Json, true),
        Ok(vec![b"[1]".into(), b"[2]".into()])
    );
    for (body, serializer) in [
        (&b""[..], Serializer::Json),
        (b"", Serializer::Cbor),
        (b"[1]", Serializer::Json),
        (b"\0\0\0\x02a", Serializer::MessagePack),
        (b"\0\0\0", Serializer::Cbor),
    ] {
        assert!(all(body, serializer, true).is_err(), "{body:02X?}");
    }
}

#[test]
fn each_transport_that_is_opened_gets_a_cookie_of_its_own() {
    let protocols = r#"{"protocols":["wamp.2.json"]}"#;
    let open = |more: &str| {
        let head = format!("{HOST}{more}Content-Length: {}\r\n", protocols.len());
        format!("POST /lp/open HTTP/1.1\r\n{head}\r\n{protocols}")
    };
    let (mut transport, mut reply) = (Transport::new(), Vec::new());
    for (shown, number, is_new) in
        [("", 1, true), ("", 2, true), ("AAAAAAAAAAAAAAAAAAAAAA", 0, false)]
    {
        let cookie = Some((CookieValue::new([number; 16]), Duration::from_secs(9)));
        transport.meet(Circumstances { cookie, ..Circumstances::default() });
        let mut octets = open(&format!("Cookie: gigawamp={shown}\r\n")).into_bytes();
        let mut input = octets.as_mut_slice();
        let Ok(Some(Incoming::Request(Request::Open { visitor, .. }))) =
            transport.next(&options(), &mut input, &mut reply)
        else {
            panic!("it is to be opened")
        };
        assert_eq!(visitor.cookie, cookie.map(|(value, _)| Cookie { value, is_new }));
        assert!(!transport.answer(Verdict::Opened, (Serializer::Json, b"{}"), false, &mut reply));
        let answer = String::from_utf8(std::mem::take(&mut reply)).unwrap();
        assert_eq!(answer.contains("\r\nSet-Cookie: gigawamp="), is_new, "{answer}");
    }
}
