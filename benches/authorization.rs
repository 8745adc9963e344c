//! What it costs to find out whether a session may do something, by the number of rules.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gigawamp::message::MatchPolicy;
use gigawamp::router::authorization::{Action, Role};
use rules::role;
use std::hint::black_box;

#[path = "shared/rules.rs"]
mod rules;

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorization");
    let open = Role::unrestricted();
    group.bench_function("unrestricted", |bench| {
        bench.iter(|| open.decide(Action::Call, black_box("com.exact3.service.read"), "joe"));
    });
    for count in [10, 1_000, 100_000] {
        let role = role(count);
        for (name, uri) in [
            ("exact", "com.exact1.service.read"),
            ("prefix", "com.prefix1.service.read"),
            ("wildcard", "com.wild1.service.read"),
            ("own", "com.own1.joe.read"),
            ("miss", "com.nobody.service.read"),
        ] {
            group.bench_function(BenchmarkId::new(name, count), |bench| {
                bench.iter(|| role.decide(Action::Call, black_box(uri), black_box("joe")));
            });
        }
        for (name, policy, uri) in [
            ("subscribe prefix", MatchPolicy::Prefix, "com.prefix1.a"),
            ("subscribe wildcard", MatchPolicy::Wildcard, "com.prefix1..a"),
        ] {
            group.bench_function(BenchmarkId::new(name, count), |bench| {
                let object = (policy, black_box(uri));
                bench.iter(|| role.decide_pattern(Action::Subscribe, object, "joe"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
