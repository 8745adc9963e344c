//! Any octets as a compressed message: refused, or inflated within the limit, the same however they
//! are cut; and any message that is compressed is read again, in both directions.

#![no_main]

use gigawamp::wire::{
    Client, ClientOptions, Deflater, Framing, Incoming, Negotiated, Serializer, Transport,
    TransportOptions,
};
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 1 << 16;

/// A client and a router that have agreed to compress, and what they agreed on.
fn opened() -> (Client, Transport, TransportOptions, Negotiated) {
    let options = TransportOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        paths: vec!["/ws".into()],
        serializers: vec![Serializer::Cbor],
        websocket: true,
        rawsocket: false,
        deflate: true,
        longpoll: false,
        longpoll_path: String::new(),
        ..TransportOptions::default()
    };
    let wishes = ClientOptions { deflate: true, ..ClientOptions::default() };
    let mut client = Client::new(Framing::WebSocket, Serializer::Cbor, wishes);
    let (mut transport, mut hello, mut answer) = (Transport::new(), Vec::new(), Vec::new());
    client.hello(&mut hello);
    let granted = transport.next(&options, &mut hello.as_mut_slice(), &mut answer);
    let Ok(Some(Incoming::Negotiated(negotiated))) = granted else {
        panic!("a client's own handshake is granted");
    };
    let agreed = client.next(&mut answer.as_mut_slice(), &mut Vec::new());
    assert!(matches!(agreed, Ok(Some(Incoming::Negotiated(_)))));
    (client, transport, options, negotiated)
}

/// What comes of `frames` in parts of `part_length`.
fn received(frames: &[u8], part_length: usize) -> Option<Vec<u8>> {
    let (_, mut transport, options, _) = opened();
    for part in frames.chunks(part_length) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        match transport.next(&options, &mut input, &mut Vec::new()) {
            Ok(Some(Incoming::Message(message))) => {
                assert!(message.len() <= MESSAGE_BYTES_MAX, "a message above the limit");
                return Some(message.to_vec());
            }
            Ok(None) => {}
            Ok(Some(other)) => panic!("{other:?}"),
            Err(_) => return None,
        }
    }
    panic!("a whole frame is a message or a failure");
}

fuzz_target!(|octets: &[u8]| {
    // As what somebody says he compressed; with a key of zeros, which masks nothing.
    let mut frame = vec![0xC2, 0x80 | 127];
    frame.extend_from_slice(&(octets.len() as u64).to_be_bytes());
    if octets.len() <= 0xFFFF {
        frame.truncate(1);
        frame.push(0x80 | 126);
        frame.extend_from_slice(&(octets.len() as u16).to_be_bytes());
    }
    if octets.len() <= 125 {
        frame.truncate(1);
        frame.push(0x80 | octets.len() as u8);
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(octets);
    assert_eq!(received(&frame, 7), received(&frame, usize::MAX), "cut");

    // As a message that both compress for each other.
    if octets.len() > MESSAGE_BYTES_MAX {
        return;
    }
    let (mut client, mut transport, options, negotiated) = opened();
    let mut frame = Vec::new();
    client.frame(octets, &mut frame);
    let got = transport.next(&options, &mut frame.as_mut_slice(), &mut Vec::new());
    assert_eq!(got, Ok(Some(Incoming::Message(octets))));
    let mut out = Vec::new();
    let mark = Framing::begin(&mut out);
    out.extend_from_slice(octets);
    let frame = negotiated.finish(&mut Deflater::default(), &mut out, mark);
    let got = client.next(&mut &mut out[frame], &mut Vec::new());
    assert_eq!(got, Ok(Some(Incoming::Message(octets))));
});
