//! The index and its cache agree with a naive matcher, for any set of patterns and any history.
//!
//! The input is text, one step per line: `+e a.b` puts an exact pattern in, `-w a.` takes a
//! wildcard out, `p` stands for a prefix; any other line is a URI to look up.

#![no_main]

use std::sync::Arc;

use gigawamp::env::{Random, hash_key};
use gigawamp::router::pattern::MatchPolicy::{self, Exact, Prefix, Wildcard};
use gigawamp::router::pattern::{Cache, Index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut random = Random::from_number(1);
    let index = Index::new(hash_key(&mut random));
    let mut cache = Cache::new(hash_key(&mut random));
    let mut naive = Naive::default();
    for (number, line) in input.split('\n').enumerate().take(STEPS_MAX) {
        match step(line) {
            Step::Insert(policy, uri) => {
                let old = index.write().insert(policy, uri, Arc::new(number));
                assert_eq!(old.as_deref().copied(), naive.insert(policy, uri, number));
            }
            Step::Remove(policy, uri) => {
                let old = index.write().remove(policy, uri);
                assert_eq!(old.as_deref().copied(), naive.remove(policy, uri));
            }
            Step::LookUp(uri) => {
                let expected = naive.matches(uri);
                let mut found = Vec::new();
                index.matches(uri, &mut |entry| found.push(**entry));
                assert_eq!(found, expected);
                assert_eq!(index.best(uri).as_deref().copied(), naive.best(uri));
                assert!(
                    cache
                        .lookup(&index, uri)
                        .iter()
                        .map(|entry| **entry)
                        .eq(expected)
                );
                assert_eq!(
                    cache.best(&index, uri).map(|entry| **entry),
                    naive.best(uri)
                );
            }
        }
        assert_eq!(index.len(), naive.0.len());
    }
    let mut count = 0;
    index.for_each(&mut |policy, uri, entry| {
        assert!(
            naive
                .0
                .iter()
                .any(|(p, u, value)| *p == policy && u == uri && *value == **entry)
        );
        count += 1;
    });
    assert_eq!(count, naive.0.len());
});

/// More steps would find nothing that fewer do not, but take longer.
const STEPS_MAX: usize = 512;

enum Step<'i> {
    Insert(MatchPolicy, &'i str),
    Remove(MatchPolicy, &'i str),
    LookUp(&'i str),
}

fn step(line: &str) -> Step<'_> {
    let policies = [("e ", Exact), ("p ", Prefix), ("w ", Wildcard)];
    for (mark, policy) in policies {
        if let Some(uri) = line
            .strip_prefix('+')
            .and_then(|rest| rest.strip_prefix(mark))
        {
            return Step::Insert(policy, uri);
        }
        if let Some(uri) = line
            .strip_prefix('-')
            .and_then(|rest| rest.strip_prefix(mark))
        {
            return Step::Remove(policy, uri);
        }
    }
    Step::LookUp(line)
}

/// A list: slow, and obviously right.
#[derive(Default)]
struct Naive(Vec<(MatchPolicy, String, usize)>);

impl Naive {
    fn insert(&mut self, policy: MatchPolicy, uri: &str, value: usize) -> Option<usize> {
        let old = self.remove(policy, uri);
        self.0.push((policy, uri.to_owned(), value));
        old
    }

    fn remove(&mut self, policy: MatchPolicy, uri: &str) -> Option<usize> {
        let at = self
            .0
            .iter()
            .position(|(p, u, _)| *p == policy && u == uri)?;
        Some(self.0.swap_remove(at).2)
    }

    /// The patterns of one policy that match, in the order of preference.
    fn of(&self, policy: MatchPolicy, uri: &str) -> Vec<usize> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|(p, pattern, _)| *p == policy && is_match(policy, pattern, uri))
            .map(|(_, pattern, value)| (pattern, *value))
            .collect();
        all.sort_by_key(|(pattern, _)| match policy {
            Exact | Prefix => (pattern.len(), Vec::new()),
            Wildcard => (0, pattern.split('.').map(str::is_empty).collect()),
        });
        all.into_iter().map(|(_, value)| value).collect()
    }

    fn matches(&self, uri: &str) -> Vec<usize> {
        [Exact, Prefix, Wildcard]
            .into_iter()
            .flat_map(|policy| self.of(policy, uri))
            .collect()
    }

    fn best(&self, uri: &str) -> Option<usize> {
        let exact = self.of(Exact, uri).first().copied();
        exact
            .or_else(|| self.of(Prefix, uri).last().copied())
            .or_else(|| self.of(Wildcard, uri).first().copied())
    }
}

/// The definition of matching, within the limits of a URI.
fn is_match(policy: MatchPolicy, pattern: &str, uri: &str) -> bool {
    use gigawamp::limits::{URI_BYTES_MAX, URI_COMPONENTS_MAX};
    match policy {
        Exact => pattern == uri,
        Prefix => uri.starts_with(pattern) && pattern.len() <= URI_BYTES_MAX,
        Wildcard => {
            let (ours, theirs) = (pattern.split('.'), uri.split('.'));
            ours.clone().count() == theirs.clone().count()
                && ours.clone().count() <= URI_COMPONENTS_MAX
                && ours
                    .zip(theirs)
                    .all(|(one, other)| one.is_empty() || one == other)
        }
    }
}
