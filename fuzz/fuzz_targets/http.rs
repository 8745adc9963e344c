//! Any cut of the same HTTP requests gives the same requests and the same answers, in bounded
//! memory, without a panic.

#![no_main]

use std::time::Duration;

use gigawamp::env::Random;
use gigawamp::wire::longpoll::{Request, Verdict};
use gigawamp::wire::{
    Circumstances, CookieValue, Failure, Incoming, Serializer, Transport, TransportOptions,
};
use libfuzzer_sys::fuzz_target;

/// Short, so that the limit is met often.
const MESSAGE_BYTES_MAX: usize = 1 << 8;

/// An answer may be so much longer than its request.
const ANSWER_BYTES_MAX: usize = 1 << 11;

const PREFIXES: [&str; 6] = [
    "",
    "POST /lp/open HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n\
     {\"protocols\": [\"wamp.2.json\"] }",
    "POST /lp/a/send HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /lp/a/receive HTTP/1.1\r\nHost: a\r\n",
    "OPTIONS /lp/open HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nX-Forwarded-For: 10.0.0.1, ",
    "POST /lp/open HTTP/1.1\r\nHost: a\r\nForwarded: for=10.0.0.1;proto=https\r\nCookie: gigawamp=",
];

/// What came of some octets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Talk {
    requests: Vec<String>,
    reply: Vec<u8>,
    failure: Option<Failure>,
}

fn options() -> TransportOptions {
    TransportOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        paths: vec!["/ws".into()],
        serializers: Serializer::ALL.to_vec(),
        websocket: false,
        rawsocket: false,
        deflate: false,
        longpoll: true,
        longpoll_path: "/lp".into(),
        forwarded_for: "10.0.0.0/8".parse().into_iter().collect(),
        ..TransportOptions::default()
    }
}

/// Plays the octets in parts, whose lengths `part_length` gives; each request is answered before
/// the next part comes.
fn play(octets: &[u8], mut part_length: impl FnMut() -> usize) -> Talk {
    let (options, mut transport, mut talk) = (options(), Transport::new(), Talk::default());
    let cookie = Some((CookieValue::new([7; 16]), Duration::from_secs(60)));
    transport.meet(Circumstances { is_secure: false, is_proxied: true, cookie });
    let mut rest = octets;
    while !rest.is_empty() && talk.failure.is_none() {
        let (part, later) = rest.split_at(part_length().clamp(1, rest.len()));
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        let mut is_asked = false;
        loop {
            match transport.next(&options, &mut input, &mut talk.reply) {
                Ok(None) if is_asked => {
                    is_asked = false;
                    let body = (Serializer::Json, &b"[]"[..]);
                    if transport.answer(Verdict::Messages, body, false, &mut talk.reply) {
                        talk.failure = Some(Failure::Answered);
                        break;
                    }
                }
                Ok(None) => break,
                Ok(Some(Incoming::Request(request))) => {
                    assert!(!is_asked, "a request before the one before it was answered");
                    if let Request::Poll { body, .. } = request {
                        assert!(body.len() <= MESSAGE_BYTES_MAX, "a body above the limit");
                    }
                    talk.requests.push(format!("{request:?}"));
                    is_asked = true;
                }
                Ok(Some(other)) => panic!("{other:?} from an HTTP client"),
                Err(failure) => {
                    talk.failure = Some(failure);
                    break;
                }
            }
        }
        rest = later;
    }
    talk
}

fuzz_target!(|data: &[u8]| {
    let [mode, seed, octets @ ..] = data else {
        return;
    };
    let octets = [PREFIXES[usize::from(*mode) % PREFIXES.len()].as_bytes(), octets].concat();
    let whole = play(&octets, || usize::MAX);
    let answers = octets.windows(2).filter(|two| two == b"\r\n").count() + 1;
    assert!(whole.reply.len() <= answers * ANSWER_BYTES_MAX, "answers without bounds");
    assert_eq!(play(&octets, || 1), whole, "octet by octet");
    let mut random = Random::from_number(u64::from(*seed));
    let cut = play(&octets, || usize::try_from(random.below(40)).unwrap_or(0));
    assert_eq!(cut, whole, "cut at random");
});
