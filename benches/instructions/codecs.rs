//! What is counted below the router: passing over payloads, carrying them to another serializer,
//! and looking up rules and patterns.

use std::hint::black_box;

use gigawamp::env::{Random, hash_key};
use gigawamp::router::authorization::{Action, Role};
use gigawamp::router::pattern::{Cache, MatchPolicy};
use gigawamp::wire::cbor::CborReader;
use gigawamp::wire::json::JsonReader;
use gigawamp::wire::msgpack::MsgPackReader;
use gigawamp::wire::ubjson::UbjsonReader;
use gigawamp::wire::{Malformed, Reader, Serializer, transcode};

use super::scenarios::{Round, Scenario};
use patterns::{filled, uri};
use payload::payload;
use rules::role;

#[path = "../shared/patterns.rs"]
mod patterns;
#[path = "../shared/payload.rs"]
mod payload;
#[path = "../shared/rules.rs"]
mod rules;

/// Octets of the payloads, in JSON.
const PAYLOAD_BYTES: usize = 1_000;

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (at, from) in Serializer::ALL.into_iter().enumerate() {
        all.push(Scenario::new(format!("scan 1 KB of {from:?}"), move || scan(from)));
        // In a ring, so that each is read once and written once.
        let to = Serializer::ALL[(at + 1) % Serializer::ALL.len()];
        let name = format!("transcode 1 KB of {from:?} to {to:?}");
        all.push(Scenario::new(name, move || carry(from, to)));
    }
    for (name, uri) in [
        ("exact", "com.exact1.service.read"),
        ("wildcard", "com.wild1.service.read"),
        ("none that matches", "com.nobody.service.read"),
    ] {
        let prepare = move || decide(role(1_000), uri);
        all.push(Scenario::new(format!("authorize by 1000 rules: {name}"), prepare));
    }
    let open = || decide(Role::unrestricted(), "com.exact1.service.read");
    all.push(Scenario::new("authorize without rules", open));
    for policy in [MatchPolicy::Exact, MatchPolicy::Prefix, MatchPolicy::Wildcard] {
        let name = format!("match 1000 patterns: {policy:?}").to_lowercase();
        all.push(Scenario::new(name, move || find(policy)));
    }
    all.push(Scenario::new("match 1000 patterns: remembered", remember));
    all
}

fn scan(serializer: Serializer) -> Round {
    fn skip<'a, R: Reader<'a>>(element: &'a [u8]) -> Result<&'a [u8], Malformed> {
        R::open(black_box(element)).skip()
    }
    let payload = payload(serializer, PAYLOAD_BYTES);
    Box::new(move |_| {
        let skipped = match serializer {
            Serializer::Json => skip::<JsonReader<'_>>(&payload),
            Serializer::MessagePack => skip::<MsgPackReader<'_>>(&payload),
            Serializer::Cbor => skip::<CborReader<'_>>(&payload),
            Serializer::Ubjson => skip::<UbjsonReader<'_>>(&payload),
        };
        assert!(black_box(skipped).is_ok(), "it is well-formed");
    })
}

fn carry(from: Serializer, to: Serializer) -> Round {
    let payload = payload(from, PAYLOAD_BYTES);
    let mut out = Vec::with_capacity(2 * payload.len());
    Box::new(move |_| {
        out.clear();
        let carried = transcode::element(from, to, black_box(&payload), &mut out);
        assert!(carried.is_ok(), "it exists in both");
    })
}

fn decide(role: Role, uri: &'static str) -> Round {
    Box::new(move |_| {
        black_box(role.decide(Action::Call, black_box(uri), black_box("joe")));
    })
}

/// Looks different URIs up, as if nothing were remembered.
fn find(policy: MatchPolicy) -> Round {
    let (index, uris) = (filled(policy, 1_000), [0, 1, 2, 3, 4, 500, 600, 700, 800, 900].map(uri));
    Box::new(move |round| {
        let mut found = 0;
        index.matches(black_box(&uris[round % 10]), &mut |entry| found += **entry);
        black_box(found);
    })
}

fn remember() -> Round {
    let index = filled(MatchPolicy::Wildcard, 1_000);
    let mut cache = Cache::new(hash_key(&mut Random::from_number(3)));
    let uri = uri(1);
    Box::new(move |_| {
        black_box(cache.lookup(&index, black_box(&uri)).len());
    })
}
