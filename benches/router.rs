//! What the core costs per message, without sockets: a call, a publication to 1, 10 and 1 000
//! subscribers, and the same over the mesh.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gigawamp::env::Instant;
use gigawamp::message::Message;
use gigawamp::router::config::{Config, Limits, RealmConfig, RequestIds, UriCheck};
use gigawamp::router::{ConnectionId, Input, Origin, Output, Router, ShardId, Shared};
use gigawamp::wire::{Serializer, TransportOptions};

/// Routers that are driven by hand, with peers that speak RawSocket and MessagePack.
struct Bottle {
    routers: Vec<Router>,
    connections: Vec<u32>,
}

impl Bottle {
    fn new(shards: u16) -> Self {
        let realm = RealmConfig {
            name: "realm1".into(),
            uri_check: UriCheck::Loose,
            request_ids: RequestIds::Any,
            ..RealmConfig::default()
        };
        let listener = TransportOptions {
            message_bytes_max: 1 << 20,
            paths: Vec::new(),
            serializers: Serializer::ALL.to_vec(),
            websocket: false,
            rawsocket: true,
            deflate: false,
            longpoll: true,
            longpoll_path: "/lp".into(),
            ..TransportOptions::default()
        };
        let config = Config {
            realms: vec![realm],
            listeners: vec![listener],
            limits: Limits::default(),
            agent: "bench".into(),
            ..Config::default()
        };
        let shared = Shared::new(Arc::new(config), shards, [7; 32], Instant::default());
        let router = |shard: u16| {
            let seed = [u8::try_from(shard).expect("few shards"); 32];
            Router::new(ShardId(shard), &shared, seed)
        };
        let routers = (0..shards).map(router).collect();
        Self { routers, connections: vec![0; usize::from(shards)] }
    }

    /// Opens a session on `shard`.
    fn join(&mut self, shard: usize) -> Peer {
        let slot = self.connections[shard];
        self.connections[shard] += 1;
        let peer = Peer { shard, connection: ConnectionId { slot, generation: 1 } };
        let origin = Origin { peer: "bench".into(), ..Origin::default() };
        let opened = Input::Opened { connection: peer.connection, origin };
        self.routers[shard].handle(Instant::default(), opened);
        self.receive(peer, &mut [0x7F, 0xF2, 0, 0]);
        let hello =
            r#"[1,"realm1",{"roles":{"caller":{},"callee":{},"publisher":{},"subscriber":{}}}]"#;
        self.say(peer, hello);
        peer
    }

    /// Has `peer` say something, given as JSON.
    fn say(&mut self, peer: Peer, json: &str) -> Vec<u8> {
        let mut frame = framed(json);
        self.receive(peer, &mut frame)
    }

    /// Hands bytes in, drains everything, and returns what was written last.
    fn receive(&mut self, peer: Peer, bytes: &mut [u8]) -> Vec<u8> {
        let received = Input::Received { connection: peer.connection, bytes };
        self.routers[peer.shard].handle(Instant::default(), received);
        self.drain()
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        let mut busy = true;
        while busy {
            busy = false;
            for shard in 0..self.routers.len() {
                while let Some(output) = self.routers[shard].poll_output() {
                    busy = true;
                    self.act(shard, output, &mut last);
                }
            }
        }
        last
    }

    fn act(&mut self, shard: usize, output: Output, last: &mut Vec<u8>) {
        let router = &mut self.routers[shard];
        match output {
            Output::Transmit { connection } => {
                let outbox = router.outbox(connection).expect("it was just named");
                last.clear();
                for slice in outbox.slices() {
                    last.extend_from_slice(&slice);
                }
                let count = outbox.bytes_count();
                router.handle(Instant::default(), Input::Transmitted { connection, count });
            }
            Output::Relay { to } => {
                let batch = router.take_batch(to);
                let from = ShardId(u16::try_from(shard).expect("few shards"));
                let relayed = Input::Relayed { from, batch };
                self.routers[usize::from(to.0)].handle(Instant::default(), relayed);
            }
            Output::Pause { .. }
            | Output::Resume { .. }
            | Output::Hold
            | Output::Release
            | Output::Close { .. }
            | Output::Ask => {}
        }
    }
}

#[derive(Clone, Copy)]
struct Peer {
    shard: usize,
    connection: ConnectionId,
}

/// A message, given as JSON, as a RawSocket frame in MessagePack.
fn framed(json: &str) -> Vec<u8> {
    let mut body = Vec::new();
    gigawamp::wire::transcode::element(
        Serializer::Json,
        Serializer::MessagePack,
        json.as_bytes(),
        &mut body,
    )
    .expect("plain values");
    let mut frame = u32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

fn call(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for (name, shards) in [("one shard", 1), ("two shards", 2)] {
        let mut bottle = Bottle::new(shards);
        let callee = bottle.join(usize::from(shards) - 1);
        let caller = bottle.join(0);
        bottle.say(callee, r#"[64,1,{},"com.example.echo"]"#);
        let payload = "x".repeat(64);
        let mut request = framed(&format!(r#"[48,70000,{{}},"com.example.echo",["{payload}"]]"#));
        let mut answer = framed(&format!(r#"[70,4294967295,{{}},["{payload}"]]"#));
        let mut invocations = 0_u32;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let invocation = bottle.receive(caller, &mut request);
                invocations += 1;
                // The id of the invocation, as the widest integer, right behind list and code.
                let at = answer.windows(5).position(|window| window[0] == 0xCE);
                let at = at.unwrap_or(6) + 1;
                answer[at..at + 4].copy_from_slice(&invocations.to_be_bytes());
                let result = bottle.receive(callee, &mut answer);
                black_box((invocation, result))
            });
        });
        let routed: u64 = bottle.routers.iter().map(|router| router.counters().messages_out).sum();
        assert!(routed > u64::from(invocations) * 2, "calls were not answered");
    }
    group.finish();
}

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    for (shards, subscribers) in [(1, 1), (1, 10), (1, 1_000), (2, 1_000)] {
        let mut bottle = Bottle::new(shards);
        let publisher = bottle.join(0);
        for n in 0..subscribers {
            let subscriber = bottle.join(n % usize::from(shards));
            bottle.say(subscriber, r#"[32,1,{},"com.example.topic"]"#);
        }
        let payload = "x".repeat(64);
        let mut event = framed(&format!(r#"[16,1,{{}},"com.example.topic",["{payload}"]]"#));
        group.throughput(Throughput::Elements(subscribers as u64));
        let name = format!("{shards} shards");
        group.bench_with_input(BenchmarkId::new(name, subscribers), &(), |bencher, ()| {
            bencher.iter(|| black_box(bottle.receive(publisher, &mut event)));
        });
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for serializer in Serializer::ALL {
        let json = br#"[48,7814135,{},"com.example.procedure",["Hello, world!",1,2,3],{"a":1}]"#;
        let mut bytes = Vec::new();
        gigawamp::wire::transcode::element(Serializer::Json, serializer, json, &mut bytes)
            .expect("plain values");
        group.bench_function(BenchmarkId::new("parse", format!("{serializer:?}")), |bencher| {
            bencher.iter(|| black_box(Message::parse(serializer, black_box(&bytes)).is_ok()));
        });
        let message = Message::parse(serializer, &bytes).expect("a valid CALL");
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("write", format!("{serializer:?}")), |bencher| {
            bencher.iter(|| {
                out.clear();
                message.write(serializer, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, call, publish, parse);
criterion_main!(benches);
