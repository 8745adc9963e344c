//! How long the shared index takes to find, to change and to remember.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use gigawamp::env::{Random, hash_key};
use gigawamp::router::pattern::MatchPolicy::{Exact, Prefix, Wildcard};
use gigawamp::router::pattern::{Cache, Index};
use patterns::{filled, pattern, uri};

#[path = "shared/patterns.rs"]
mod patterns;

/// URIs in no order, so that the processor's caches do as they would.
fn shuffled(count: usize) -> Vec<String> {
    let mut random = Random::from_number(2);
    (0..count).map(|_| uri(random.below(count as u64) as usize)).collect()
}

fn look_up(criterion: &mut Criterion) {
    for policy in [Exact, Prefix, Wildcard] {
        for count in [1_000, 100_000, 1_000_000] {
            let (index, uris) = (filled(policy, count), shuffled(count));
            let mut next = uris.iter().cycle();
            let name = format!("pattern/matches/{policy:?}/{count}").to_lowercase();
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    let mut found = 0;
                    index.matches(next.next().expect("endless"), &mut |entry| found += **entry);
                    black_box(found)
                });
            });
        }
    }
}

fn remember(criterion: &mut Criterion) {
    for (name, hot) in [("hit", 1), ("hit of 1000", 1_000)] {
        let (index, uris) = (filled(Wildcard, 100_000), shuffled(100_000));
        let mut cache = Cache::new(hash_key(&mut Random::from_number(3)));
        let mut next = uris[..hot].iter().cycle();
        for _ in 0..10 * hot {
            cache.lookup(&index, next.next().expect("endless"));
        }
        criterion.bench_function(&format!("pattern/cache/{name}"), |bencher| {
            bencher.iter(|| cache.lookup(&index, next.next().expect("endless")).len());
        });
    }
    let (index, uris) = (filled(Exact, 100_000), shuffled(100_000));
    let mut cache = Cache::new(hash_key(&mut Random::from_number(3)));
    let mut next = uris.iter().cycle();
    criterion.bench_function("pattern/cache/flood of 100000", |bencher| {
        bencher.iter(|| cache.lookup(&index, next.next().expect("endless")).len());
    });
}

fn change(criterion: &mut Criterion) {
    for policy in [Exact, Prefix, Wildcard] {
        let index = filled(policy, 100_000);
        let mut number = 100_000;
        let name = format!("pattern/insert and remove/{policy:?}/100000").to_lowercase();
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                number += 1;
                let pattern = pattern(policy, number);
                index.write().insert(policy, &pattern, Arc::new(number));
                index.write().remove(policy, &pattern)
            });
        });
    }
}

/// All 2^k masks of wildcards, looked up with a URI that matches in every component but the last.
fn masks(criterion: &mut Criterion) {
    for bits in [6, 8, 10, 12] {
        let index = Index::new(hash_key(&mut Random::from_number(1)));
        for mask in 0..1_u32 << bits {
            let components = (0..bits).map(|bit| if mask >> bit & 1 == 1 { "" } else { "x" });
            let pattern = components.chain(["last"]).collect::<Vec<_>>().join(".");
            index.write().insert(Wildcard, &pattern, Arc::new(mask));
        }
        let uri = vec!["x"; bits + 1].join(".");
        criterion.bench_function(&format!("pattern/masks without match/2^{bits}"), |bencher| {
            bencher.iter(|| {
                let mut found = 0;
                index.matches(black_box(&uri), &mut |_| found += 1);
                found
            });
        });
    }
}

/// A prefix of every length there can be, and a URI so long that all must be tried; none matches.
fn prefixes(criterion: &mut Criterion) {
    for lengths in [10, 100, 1_000] {
        let index = Index::new(hash_key(&mut Random::from_number(1)));
        for length in 1..=lengths {
            let pattern = "x".repeat(length - 1) + "y";
            index.write().insert(Prefix, &pattern, Arc::new(length));
        }
        let uri = "x".repeat(lengths + 1);
        criterion.bench_function(&format!("pattern/prefixes without match/{lengths}"), |bencher| {
            bencher.iter(|| {
                let mut found = 0;
                index.matches(black_box(&uri), &mut |_| found += 1);
                found
            });
        });
    }
}

criterion_group!(benches, look_up, remember, change, masks, prefixes);
criterion_main!(benches);
