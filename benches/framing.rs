//! What framing costs per message: small frames in a row, as a busy connection brings them, and
//! the unmasking of a large one.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gigawamp::wire::{
    Client, ClientOptions, Deflater, Framing, Incoming, Negotiated, Serializer, Transport,
    TransportOptions,
};

/// Frames of one input, as a full read buffer brings them.
const FRAMES: usize = 128;

fn options() -> TransportOptions {
    TransportOptions {
        message_bytes_max: 1 << 20,
        paths: vec!["/ws".into()],
        serializers: Serializer::ALL.to_vec(),
        websocket: true,
        rawsocket: true,
        deflate: true,
        longpoll: true,
        longpoll_path: "/lp".into(),
        ..TransportOptions::default()
    }
}

/// A client and a router's transport behind their handshake.
fn opened(framing: Framing, serializer: Serializer) -> (Client, Transport) {
    let mut client = Client::new(framing, serializer, ClientOptions::default());
    let (mut hello, mut reply) = (Vec::new(), Vec::new());
    client.hello(&mut hello);
    let mut transport = Transport::new();
    let mut input = hello.as_mut_slice();
    let negotiated = transport.next(&options(), &mut input, &mut reply);
    assert!(matches!(negotiated, Ok(Some(Incoming::Negotiated(_)))));
    (client, transport)
}

/// Takes everything that `input` brings; the octets of all messages.
fn drain(transport: &mut Transport, options: &TransportOptions, mut input: &mut [u8]) -> usize {
    let (mut reply, mut octets) = (Vec::new(), 0);
    while let Ok(Some(incoming)) = transport.next(options, &mut input, &mut reply) {
        if let Incoming::Message(message) = black_box(incoming) {
            octets += message.len();
        }
    }
    octets
}

/// Parses a row of `count` messages of `length` octets.
fn bench_row(criterion: &mut Criterion, name: &str, peers: (Framing, Serializer), length: usize) {
    let (mut client, mut transport) = opened(peers.0, peers.1);
    let options = options();
    let message = vec![b'x'; length];
    let count = if length < 1_000 { FRAMES } else { 1 };
    let mut row = Vec::new();
    for _ in 0..count {
        client.frame(&message, &mut row);
    }
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(name, |bencher| {
        // Unmasking alters the row, so that each round takes a fresh one.
        bencher.iter_batched_ref(
            || row.clone(),
            |row| assert_eq!(drain(&mut transport, &options, row), count * length),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    use Framing::{RawSocket, WebSocket};
    use Serializer::{Json, MessagePack};
    bench_row(criterion, "rawsocket/64", (RawSocket, MessagePack), 64);
    bench_row(criterion, "websocket_binary/64", (WebSocket, MessagePack), 64);
    bench_row(criterion, "websocket_text/64", (WebSocket, Json), 64);
    bench_row(criterion, "unmask/16384", (WebSocket, MessagePack), 16 * 1024);
    bench_row(criterion, "unmask_text/16384", (WebSocket, Json), 16 * 1024);
}

/// Frames messages of 64 octets for a peer.
fn finish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for framing in [Framing::RawSocket, Framing::WebSocket] {
        let (mut out, mut deflater) = (Vec::new(), Deflater::default());
        let negotiated = Negotiated {
            serializer: Serializer::MessagePack,
            framing,
            deflate: None,
            peer_message_bytes_max: 64,
        };
        group.bench_function(format!("finish_{framing:?}/64"), |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..FRAMES {
                    let mark = Framing::begin(&mut out);
                    out.extend_from_slice(black_box(&[b'x'; 64]));
                    black_box(negotiated.finish(&mut deflater, &mut out, mark));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, finish);
criterion_main!(benches);
