//! What the core costs per message, without sockets: a call, a publication to 1, 10 and 1 000
//! subscribers, the same over the mesh, and a session that comes and goes.

use std::hint::black_box;

use bottle::{Bottle, LEAN, framed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gigawamp::message::Message;
use gigawamp::wire::Serializer;

#[path = "shared/bottle.rs"]
mod bottle;

fn call(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for (name, shards) in [("one shard", 1), ("two shards", 2)] {
        let mut bottle = Bottle::new(shards);
        let callee = bottle.join(usize::from(shards) - 1, LEAN);
        let caller = bottle.join(0, LEAN);
        bottle.say(callee, r#"[64,1,{},"com.example.echo"]"#);
        let payload = "x".repeat(64);
        let request = format!(r#"[48,70000,{{}},"com.example.echo",["{payload}"]]"#);
        let mut request = framed(LEAN, &request);
        let mut answer = framed(LEAN, &format!(r#"[70,4294967295,{{}},["{payload}"]]"#));
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
        let routed = bottle.messages_out();
        assert!(routed > u64::from(invocations) * 2, "calls were not answered");
    }
    group.finish();
}

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    for (shards, subscribers) in [(1, 1), (1, 10), (1, 1_000), (2, 1_000)] {
        let mut bottle = Bottle::new(shards);
        let publisher = bottle.join(0, LEAN);
        for n in 0..subscribers {
            let subscriber = bottle.join(n % usize::from(shards), LEAN);
            bottle.say(subscriber, r#"[32,1,{},"com.example.topic"]"#);
        }
        let payload = "x".repeat(64);
        let event = format!(r#"[16,1,{{}},"com.example.topic",["{payload}"]]"#);
        let mut event = framed(LEAN, &event);
        group.throughput(Throughput::Elements(subscribers as u64));
        let name = format!("{shards} shards");
        group.bench_with_input(BenchmarkId::new(name, subscribers), &(), |bencher, ()| {
            bencher.iter(|| black_box(bottle.receive(publisher, &mut event)));
        });
    }
    group.finish();
}

/// A session comes, and goes with its connection.
fn join(criterion: &mut Criterion) {
    let mut bottle = Bottle::new(1);
    let mut peer = bottle.join(0, LEAN);
    criterion.bench_function("join", |bencher| bencher.iter(|| bottle.join_again(&mut peer)));
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

criterion_group!(benches, call, publish, join, parse);
criterion_main!(benches);
