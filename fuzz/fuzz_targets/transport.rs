//! Any cut of the same octets gives the same messages, in bounded memory, without a panic; at both
//! ends of both transports.

#![no_main]

use gigawamp::env::Random;
use gigawamp::wire::{
    Client, ClientOptions, Failure, Framing, Incoming, Negotiated, Separator, Serializer,
    Transport, TransportOptions,
};
use libfuzzer_sys::fuzz_target;

/// Short, so that the limit is met often.
const MESSAGE_BYTES_MAX: usize = 1 << 12;

/// More than any handshake's answer and close frame together.
const ANSWER_BYTES_MAX: usize = 1 << 10;

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Negotiated(Negotiated),
    Message(Vec<u8>),
    Alive,
    Finished,
    Request(String),
    Failed(Failure),
}

/// The end that receives the fuzzer's octets.
enum End {
    Router(Transport),
    Client(Box<Client>),
}

impl End {
    fn next(&mut self, input: &mut &mut [u8], reply: &mut Vec<u8>) -> Option<Got> {
        let next = match self {
            Self::Router(transport) => transport.next(&options(), input, reply),
            Self::Client(client) => client.next(input, reply),
        };
        match next {
            Ok(None) => None,
            Ok(Some(Incoming::Negotiated(negotiated))) => Some(Got::Negotiated(negotiated)),
            Ok(Some(Incoming::Message(message))) => Some(Got::Message(message.to_vec())),
            Ok(Some(Incoming::Alive)) => Some(Got::Alive),
            Ok(Some(Incoming::Finished)) => Some(Got::Finished),
            Ok(Some(Incoming::Request(request))) => Some(Got::Request(format!("{request:?}"))),
            Err(failure) => Some(Got::Failed(failure)),
        }
    }
}

fn options() -> TransportOptions {
    TransportOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        paths: vec!["/ws".into()],
        serializers: Serializer::ALL.to_vec(),
        websocket: true,
        rawsocket: true,
        deflate: true,
        longpoll: false,
        longpoll_path: "/lp".into(),
        ..TransportOptions::default()
    }
}

/// A client whose handshake is to come, and that handshake.
fn client(framing: Framing, serializer: Serializer, deflate: bool) -> (Client, Vec<u8>) {
    let options = ClientOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        deflate,
        ..Default::default()
    };
    let mut client = Client::new(framing, serializer, options);
    let mut hello = Vec::new();
    client.hello(&mut hello);
    (client, hello)
}

/// The end that `mode` stands for, and the octets of the handshake that precede the fuzzer's.
fn end(mode: u8) -> (End, Vec<u8>) {
    let framing = match mode & 0b1_0001 {
        0b0_0000 => Framing::RawSocket,
        0b0_0001 => Framing::WebSocket,
        0b1_0000 => Framing::Batched(Separator::Cancel),
        _ => Framing::Batched(Separator::Record),
    };
    let serializer = if mode & 2 == 0 {
        Serializer::Json
    } else {
        Serializer::Cbor
    };
    let (client, hello) = client(framing, serializer, mode & 32 != 0);
    match mode >> 2 & 3 {
        0 => (End::Router(Transport::new()), Vec::new()),
        1 => (End::Router(Transport::new()), hello),
        2 => (End::Client(Box::new(client)), Vec::new()),
        _ => {
            let (mut hello, mut answer) = (hello, Vec::new());
            let mut input = hello.as_mut_slice();
            let granted = Transport::new()
                .next(&options(), &mut input, &mut answer)
                .is_ok();
            assert!(granted, "a client's own handshake is granted");
            (End::Client(Box::new(client)), answer)
        }
    }
}

/// Plays the octets in parts, whose lengths `part_length` gives.
fn play(mode: u8, octets: &[u8], mut part_length: impl FnMut() -> usize) -> Vec<Got> {
    let (mut end, handshake) = end(mode);
    let stream = [&handshake, octets].concat();
    let (mut rest, mut got, mut reply) = (stream.as_slice(), Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (part, later) = rest.split_at(part_length().min(rest.len()));
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        while let Some(next) = end.next(&mut input, &mut reply) {
            if let Got::Message(message) = &next {
                assert!(
                    message.len() <= MESSAGE_BYTES_MAX,
                    "a message above the limit"
                );
            }
            let is_last = matches!(next, Got::Failed(_));
            got.push(next);
            if is_last {
                break;
            }
        }
        rest = later;
    }
    assert!(
        reply.len() <= octets.len() + ANSWER_BYTES_MAX,
        "answers are not longer than questions"
    );
    let ends = got
        .iter()
        .position(|got| matches!(got, Got::Finished | Got::Failed(_)));
    assert!(
        ends.is_none_or(|at| at + 1 == got.len()),
        "nothing comes after the end"
    );
    got
}

fuzz_target!(|data: &[u8]| {
    let [mode, seed, octets @ ..] = data else {
        return;
    };
    let whole = play(*mode, octets, || usize::MAX);
    assert_eq!(play(*mode, octets, || 1), whole, "octet by octet");
    let mut random = Random::from_number(u64::from(*seed));
    let cut = play(*mode, octets, || {
        usize::try_from(random.below(40)).unwrap_or(0)
    });
    assert_eq!(cut, whole, "cut at random");
});
