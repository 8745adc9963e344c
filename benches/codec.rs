//! What it costs to pass over a payload, and to carry it to another serializer.
//!
//! Payloads of about 100 B, 1 KB and 16 KB, mixed of objects, texts and numbers, as a list of
//! arguments. Throughput is that of the serializer that is read.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gigawamp::wire::cbor::CborReader;
use gigawamp::wire::json::JsonReader;
use gigawamp::wire::msgpack::MsgPackReader;
use gigawamp::wire::ubjson::UbjsonReader;
use gigawamp::wire::{Malformed, Reader, Serializer, transcode};
use payload::payload;

#[path = "shared/payload.rs"]
mod payload;

const SIZES: [(&str, usize); 3] = [("100B", 100), ("1KB", 1_000), ("16KB", 16_000)];

fn skip<'a, R: Reader<'a>>(element: &'a [u8]) -> Result<&'a [u8], Malformed> {
    R::open(element).skip()
}

fn skipping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("skip");
    for serializer in Serializer::ALL {
        for (name, bytes) in SIZES {
            let payload = payload(serializer, bytes);
            group.throughput(Throughput::Bytes(payload.len() as u64));
            let id = BenchmarkId::new(format!("{serializer:?}"), name);
            group.bench_with_input(id, &payload, |bencher, payload| match serializer {
                Serializer::Json => bencher.iter(|| skip::<JsonReader<'_>>(black_box(payload))),
                Serializer::MessagePack => {
                    bencher.iter(|| skip::<MsgPackReader<'_>>(black_box(payload)));
                }
                Serializer::Cbor => bencher.iter(|| skip::<CborReader<'_>>(black_box(payload))),
                Serializer::Ubjson => {
                    bencher.iter(|| skip::<UbjsonReader<'_>>(black_box(payload)));
                }
            });
        }
    }
    group.finish();
}

fn transcoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transcode");
    for from in Serializer::ALL {
        for to in Serializer::ALL.into_iter().filter(|&to| to != from) {
            for (name, bytes) in SIZES {
                let payload = payload(from, bytes);
                let mut out = Vec::with_capacity(2 * payload.len());
                group.throughput(Throughput::Bytes(payload.len() as u64));
                let id = BenchmarkId::new(format!("{from:?} to {to:?}"), name);
                group.bench_with_input(id, &payload, |bencher, payload| {
                    bencher.iter(|| {
                        out.clear();
                        transcode::element(from, to, black_box(payload), &mut out)
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, skipping, transcoding);
criterion_main!(benches);
