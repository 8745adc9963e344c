//! URIs and patterns for benches of the index.

use std::sync::Arc;

use gigawamp::env::{Random, hash_key};
use gigawamp::router::pattern::Index;
use gigawamp::router::pattern::MatchPolicy::{self, Exact, Prefix, Wildcard};

/// Six components, as in a real application: few different ones in front, many behind.
pub(crate) fn uri(number: usize) -> String {
    let [company, device, sensor] = [number % 10, number / 100, number % 100];
    format!("com.company{company}.plant.device{device}.sensor{sensor}.changed")
}

/// The pattern of a policy that matches `uri(number)` and few others.
pub(crate) fn pattern(policy: MatchPolicy, number: usize) -> String {
    let uri = uri(number);
    match policy {
        Exact => uri,
        // Ten or so different lengths.
        Prefix => uri[..uri.len() - number % 8].to_owned(),
        Wildcard => {
            // The first, fifth or sixth component is wild.
            let wild = [0, 4, 5][number % 3];
            let components = uri.split('.').enumerate();
            let components = components.map(|(at, text)| if at == wild { "" } else { text });
            components.collect::<Vec<_>>().join(".")
        }
    }
}

/// An index of the patterns for the first `count` URIs.
pub(crate) fn filled(policy: MatchPolicy, count: usize) -> Index<usize> {
    let index = Index::new(hash_key(&mut Random::from_number(1)));
    let mut writer = index.write();
    for number in 0..count {
        writer.insert(policy, &pattern(policy, number), Arc::new(number));
    }
    drop(writer);
    index
}
