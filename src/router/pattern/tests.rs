//! What the index must do, against a list that is obviously right, and with threads at once.
//!
//! For its memory, the same under a sanitizer:
//!
//! ```text
//! RUSTFLAGS=-Zsanitizer=address cargo +nightly test --no-default-features \
//!     --target x86_64-unknown-linux-gnu --lib router::pattern
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::MatchPolicy::{Exact, Prefix, Wildcard};
use super::{Cache, Index, MatchPolicy};
use crate::env::{Random, hash_key};
use crate::limits::{URI_BYTES_MAX, URI_COMPONENTS_MAX};

const POLICIES: [MatchPolicy; 3] = [Exact, Prefix, Wildcard];

fn empty<T: Send + Sync + 'static>() -> Index<T> {
    Index::new(hash_key(&mut Random::from_number(1)))
}

fn cache<T: Send + Sync + 'static>() -> Cache<T> {
    Cache::new(hash_key(&mut Random::from_number(2)))
}

fn filled(patterns: &[(MatchPolicy, &str)]) -> Index<String> {
    let index = empty();
    for &(policy, uri) in patterns {
        index.write().insert(policy, uri, Arc::new(format!("{policy:?} {uri}")));
    }
    index
}

fn found<T: Clone + Send + Sync + 'static>(index: &Index<T>, uri: &str) -> Vec<T> {
    let mut all = Vec::new();
    index.matches(uri, &mut |entry| all.push(T::clone(entry)));
    all
}

fn best<T: Clone + Send + Sync + 'static>(index: &Index<T>, uri: &str) -> Option<T> {
    index.best(uri).map(|entry| T::clone(&entry))
}

/// The definition of matching, in one expression each.
fn is_match(policy: MatchPolicy, pattern: &str, uri: &str) -> bool {
    match policy {
        Exact => pattern == uri,
        Prefix => uri.starts_with(pattern),
        Wildcard => {
            let (ours, theirs) = (pattern.split('.'), uri.split('.'));
            ours.clone().count() == theirs.clone().count()
                && ours.zip(theirs).all(|(one, other)| one.is_empty() || one == other)
        }
    }
}

/// A list: slow, and obviously right.
#[derive(Default)]
struct Naive(Vec<(MatchPolicy, String, u64)>);

impl Naive {
    fn insert(&mut self, policy: MatchPolicy, uri: &str, value: u64) -> Option<u64> {
        let old = self.remove(policy, uri);
        self.0.push((policy, uri.to_owned(), value));
        old
    }

    fn remove(&mut self, policy: MatchPolicy, uri: &str) -> Option<u64> {
        let at = self.0.iter().position(|(p, u, _)| *p == policy && u == uri)?;
        Some(self.0.swap_remove(at).2)
    }

    fn get(&self, policy: MatchPolicy, uri: &str) -> Option<u64> {
        self.0.iter().find(|(p, u, _)| *p == policy && u == uri).map(|(_, _, value)| *value)
    }

    fn matches(&self, uri: &str) -> Vec<u64> {
        let mut all: Vec<_> = self.0.iter().filter(|(p, u, _)| is_match(*p, u, uri)).collect();
        all.sort_by_key(|(policy, pattern, _)| match policy {
            Exact => (0, 0, Vec::new()),
            Prefix => (1, pattern.len(), Vec::new()),
            Wildcard => (2, 0, pattern.split('.').map(str::is_empty).collect()),
        });
        all.into_iter().map(|(_, _, value)| *value).collect()
    }

    fn best(&self, uri: &str) -> Option<u64> {
        let all = self.matches(uri);
        let of = |policy| {
            let mut values = all.iter().copied().filter(move |value| {
                self.0.iter().any(|(p, _, other)| other == value && *p == policy)
            });
            if policy == Prefix { values.next_back() } else { values.next() }
        };
        of(Exact).or_else(|| of(Prefix)).or_else(|| of(Wildcard))
    }
}

/// A URI of few letters, so that patterns often match, nest and collide. May be empty, may have
/// empty components.
fn short_uri(random: &mut Random) -> String {
    let length = random.below(8);
    (0..length).map(|_| ['a', 'b', '.', '.', 'é'][random.below(5) as usize]).collect()
}

#[test]
fn agrees_with_a_list() {
    for seed in 0..40 {
        let mut random = Random::from_number(seed);
        let (index, mut naive) = (empty::<u64>(), Naive::default());
        let removals = 2 + random.below(4);
        for step in 0..1_500 {
            let policy = POLICIES[random.below(3) as usize];
            let uri = short_uri(&mut random);
            if random.below(10) < removals {
                let removed = index.write().remove(policy, &uri).map(|entry| *entry);
                assert_eq!(removed, naive.remove(policy, &uri), "{policy:?} {uri}");
            } else {
                let old = index.write().insert(policy, &uri, Arc::new(step)).map(|entry| *entry);
                assert_eq!(old, naive.insert(policy, &uri, step), "{policy:?} {uri}");
            }
            let uri = short_uri(&mut random);
            assert_eq!(found(&index, &uri), naive.matches(&uri), "seed {seed}, {uri}");
            assert_eq!(best(&index, &uri), naive.best(&uri), "seed {seed}, {uri}");
            assert_eq!(index.get(policy, &uri).map(|entry| *entry), naive.get(policy, &uri));
            assert_eq!(index.len(), naive.0.len());
        }
        let mut all = Vec::new();
        index.for_each(&mut |policy, uri, entry| all.push((policy, uri.to_owned(), **entry)));
        let key = |(policy, uri, value): &(MatchPolicy, String, u64)| {
            (*policy as u8, uri.clone(), *value)
        };
        all.sort_by_key(key);
        naive.0.sort_by_key(key);
        assert_eq!(all, naive.0);
    }
}

// spec: advanced/pattern_based_registration
#[test]
fn routes_calls_as_the_specification_tabulates() {
    let index = filled(&[
        (Exact, "a1.b2.c3.d4.e55"),
        (Prefix, "a1.b2.c3"),
        (Prefix, "a1.b2.c3.d4"),
        (Wildcard, "a1.b2..d4.e5"),
        (Wildcard, "a1.b2.c33..e5"),
        (Wildcard, "a1.b2..d4.e5..g7"),
        (Wildcard, "a1.b2..d4..f6.g7"),
    ]);
    for (call, to) in [
        ("a1.b2.c3.d4.e55", Some("Exact a1.b2.c3.d4.e55")),
        ("a1.b2.c3.d98.e74", Some("Prefix a1.b2.c3")),
        ("a1.b2.c3.d4.e325", Some("Prefix a1.b2.c3.d4")),
        ("a1.b2.c55.d4.e5", Some("Wildcard a1.b2..d4.e5")),
        // The table says registration 5 here, as if "a1.b2.c3" did not start this text. The rules
        // it illustrates (a prefix is of the text; prefixes go before wildcards) say 2.
        ("a1.b2.c33.d4.e5", Some("Prefix a1.b2.c3")),
        ("a1.b2.c88.d4.e5.f6.g7", Some("Wildcard a1.b2..d4.e5..g7")),
        ("a2.b2.c2.d2.e2", None),
    ] {
        assert_eq!(best(&index, call).as_deref(), to, "{call}");
    }
    // Without that prefix, what the table wants to show: the longer first portion wins.
    index.write().remove(Prefix, "a1.b2.c3");
    assert_eq!(best(&index, "a1.b2.c33.d4.e5").as_deref(), Some("Wildcard a1.b2.c33..e5"));
}

// spec: advanced/pattern_based_registration#prefix-matching
#[test]
fn a_prefix_is_of_the_text_and_not_of_components() {
    let index = filled(&[(Prefix, "com.myapp.myobject1")]);
    for (uri, expected) in [
        ("com.myapp.myobject1", 1),
        ("com.myapp.myobject1.myprocedure1", 1),
        ("com.myapp.myobject1-mysubobject1", 1),
        ("com.myapp.myobject2", 0),
        ("com.myapp.myobject", 0),
    ] {
        assert_eq!(found(&index, uri).len(), expected, "{uri}");
    }
}

// spec: advanced/pattern_based_registration#wildcard-matching
#[test]
fn a_wildcard_stands_for_one_component() {
    let index = filled(&[(Wildcard, "com.myapp..myprocedure1")]);
    for (uri, expected) in [
        ("com.myapp.myobject1.myprocedure1", 1),
        ("com.myapp.myobject2.myprocedure1", 1),
        ("com.myapp.myobject1.myprocedure1.mysubprocedure1", 0),
        ("com.myapp.myobject1.myprocedure2", 0),
        ("com.myapp2.myobject1.myprocedure1", 0),
        ("com.myapp.myprocedure1", 0),
    ] {
        assert_eq!(found(&index, uri).len(), expected, "{uri}");
    }
}

#[test]
fn the_empty_patterns() {
    let index = filled(&[(Prefix, ""), (Wildcard, "")]);
    assert_eq!(found(&index, "a"), ["Prefix ", "Wildcard "]);
    assert_eq!(found(&index, "a.b"), ["Prefix "]);
    assert_eq!(best(&index, "a.b").as_deref(), Some("Prefix "));
}

#[test]
fn one_uri_is_a_pattern_of_each_policy() {
    let index = filled(&[(Exact, "a.b"), (Prefix, "a.b"), (Wildcard, "a.b")]);
    assert_eq!(index.len(), 3);
    assert_eq!(found(&index, "a.b"), ["Exact a.b", "Prefix a.b", "Wildcard a.b"]);
    assert!(index.write().remove(Prefix, "a.b").is_some());
    assert_eq!(found(&index, "a.b"), ["Exact a.b", "Wildcard a.b"]);
}

#[test]
fn every_change_moves_the_generation() {
    let index = empty::<u32>();
    let mut last = index.generation();
    let mut moved = || {
        let now = index.generation();
        std::mem::replace(&mut last, now) < now
    };
    for policy in POLICIES {
        assert!(index.write().insert(policy, "a", Arc::new(1)).is_none());
        assert!(moved());
        assert_eq!(index.write().insert(policy, "a", Arc::new(2)).as_deref(), Some(&1));
        assert!(moved());
        assert_eq!(index.write().remove(policy, "a").as_deref(), Some(&2));
        assert!(moved());
        assert!(index.write().remove(policy, "a").is_none());
        assert!(!moved(), "nothing changed");
    }
}

#[test]
fn masks_by_the_thousand_are_all_found_in_order() {
    let index = empty::<u32>();
    let components = 10;
    for mask in 0..1_u32 << components {
        let pattern: Vec<_> =
            (0..components).map(|bit| if mask >> bit & 1 == 1 { "" } else { "x" }).collect();
        // Leftmost literal first is the order of the mask's mirror image.
        let rank = mask.reverse_bits() >> (32 - components);
        index.write().insert(Wildcard, &pattern.join("."), Arc::new(rank));
    }
    let uri = vec!["x"; components as usize].join(".");
    assert_eq!(found(&index, &uri), (0..1 << components).collect::<Vec<_>>());
    let uri = vec!["y"; components as usize].join(".");
    assert_eq!(found(&index, &uri), [(1 << components) - 1]);
}

#[test]
fn the_longest_uris_match() {
    let deep = vec!["a"; URI_COMPONENTS_MAX].join(".");
    let long = "a".repeat(URI_BYTES_MAX);
    let index = filled(&[]);
    for length in 0..=URI_BYTES_MAX {
        index.write().insert(Prefix, &long[..length], Arc::new(String::new()));
    }
    index.write().insert(Wildcard, &".".repeat(URI_COMPONENTS_MAX - 1), Arc::new("deep".into()));
    assert_eq!(found(&index, &long).len(), URI_BYTES_MAX + 1);
    assert_eq!(found(&index, &deep), ["", "", "deep"]);
}

#[test]
fn what_exceeds_the_limits_is_kept_and_removed_like_the_rest() {
    let texts = [
        "a".repeat(URI_BYTES_MAX + 1),
        "a".repeat(100_000),
        ".".repeat(URI_COMPONENTS_MAX),
        ".".repeat(100_000),
        vec!["a"; 1_000].join("."),
        vec!["a"; 1_001].join("."),
    ];
    let index = filled(&[]);
    for policy in POLICIES {
        for text in &texts {
            assert!(index.write().insert(policy, text, Arc::new(text.clone())).is_none());
        }
    }
    for policy in POLICIES {
        for text in &texts {
            assert_eq!(index.get(policy, text).as_deref(), Some(text));
            assert_eq!(found(&index, text)[0], *text, "exactly, at least");
        }
    }
    for policy in POLICIES {
        for text in &texts {
            assert_eq!(index.write().remove(policy, text).as_deref(), Some(text));
            assert!(index.get(policy, text).is_none());
        }
    }
    assert!(index.is_empty());
}

/// Counts how many of its kind are alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits for the collector; other tests may hold it up for a moment.
fn becomes(alive: &AtomicUsize, expected: usize) -> bool {
    (0..100_000).any(|_| {
        super::table::pin().flush();
        std::thread::yield_now();
        alive.load(Ordering::SeqCst) == expected
    })
}

#[test]
fn memory_returns() {
    let alive = Arc::new(AtomicUsize::new(0));
    let index = empty();
    let uri = |number: u32| format!("com.app{}.x{number}.topic", number % 7);
    for number in 0..5_000 {
        for policy in POLICIES {
            index.write().insert(policy, &uri(number), Arc::new(Counted::new(&alive)));
        }
    }
    assert!(becomes(&alive, 15_000));
    for number in 0..5_000 {
        index.write().insert(Exact, &uri(number), Arc::new(Counted::new(&alive)));
    }
    assert!(becomes(&alive, 15_000), "what was replaced is dropped");
    for number in 0..4_000 {
        for policy in POLICIES {
            index.write().remove(policy, &uri(number));
        }
    }
    assert!(becomes(&alive, 3_000), "what was removed is dropped");
    drop(index);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "what is left goes with the index");
}

#[test]
fn readers_see_what_stays_and_what_they_were_told_of() {
    const ROUNDS: u32 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let index = empty::<(u32, Box<str>)>();
    let fixed = [(Exact, "a.b.c"), (Prefix, "a."), (Prefix, ""), (Wildcard, "a..c")];
    for (policy, uri) in fixed {
        index.write().insert(policy, uri, Arc::new((0, uri.into())));
    }
    let told = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (index, told, over) = (&index, &told, &over);
            scope.spawn(move || {
                let mut random = Random::from_number(reader);
                while !over.load(Ordering::Relaxed) {
                    let mut seen = 0;
                    index.matches("a.b.c", &mut |entry| {
                        // Reading the text would show freed memory to a sanitizer.
                        assert!(entry.1.len() <= 16);
                        seen += usize::from(entry.0 == 0);
                    });
                    assert_eq!(seen, 4, "what stays is always found");

                    let round = told.load(Ordering::Acquire);
                    let uri = format!("a.n{round}.c");
                    let entry = index.get(Exact, &uri);
                    let gone = told.load(Ordering::Acquire) > round;
                    assert!(round == 0 || entry.is_some() || gone, "told of {round}");
                    let _ = index.best(&format!("a.n{}.c", random.below(u64::from(ROUNDS))));
                }
            });
        }
        for round in 1..=ROUNDS {
            let (new, old) = (format!("a.n{round}.c"), format!("a.n{}.c", round - 1));
            for policy in POLICIES {
                let mut writer = index.write();
                writer.insert(policy, &new, Arc::new((round, new.as_str().into())));
            }
            told.store(round as usize, Ordering::Release);
            for policy in POLICIES {
                index.write().remove(policy, &old);
            }
            if round % 16 == 0 {
                for (policy, uri) in fixed {
                    index.write().insert(policy, uri, Arc::new((0, uri.into())));
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(index.len(), fixed.len() + POLICIES.len());
}

#[test]
fn a_cache_tells_what_the_index_tells() {
    for seed in 0..20 {
        let mut random = Random::from_number(seed);
        let (index, mut cache) = (empty::<u64>(), cache());
        let changes = 1 + random.below(30);
        for step in 0..5_000 {
            let uri = short_uri(&mut random);
            if random.below(100) < changes {
                let policy = POLICIES[random.below(3) as usize];
                if random.one_in(2) {
                    index.write().insert(policy, &uri, Arc::new(step));
                } else {
                    index.write().remove(policy, &uri);
                }
            }
            let uri = short_uri(&mut random);
            let cached: Vec<_> = cache.lookup(&index, &uri).iter().map(|entry| **entry).collect();
            assert_eq!(cached, found(&index, &uri), "seed {seed}, {uri}");
            assert_eq!(cache.best(&index, &uri).map(|entry| **entry), best(&index, &uri));
        }
    }
}

#[test]
fn a_cache_asks_once_until_something_changes() {
    let index = filled(&[(Prefix, "a."), (Wildcard, "a..")]);
    // Another index of the same generation shows whether the cache asks at all.
    let other = filled(&[(Exact, "x"), (Exact, "y")]);
    let mut cache = cache();
    assert_eq!(cache.lookup(&index, "a.b.c").len(), 2);
    assert_eq!(cache.lookup(&other, "a.b.c").len(), 2, "not asked again");
    assert_eq!(cache.best(&other, "a.b.c"), None, "another question");

    index.write().insert(Prefix, "a.", Arc::new("new".into()));
    assert_eq!(cache.lookup(&index, "a.b.c")[0].as_str(), "new");
    cache.clear();
    assert_eq!(Arc::strong_count(&index.get(Wildcard, "a..").unwrap()), 2, "nothing is kept");
}

#[test]
fn a_flood_of_uris_does_not_grow_the_cache() {
    let index = filled(&[(Prefix, "")]);
    let mut cache = cache();
    for number in 0..100_000 {
        let tail = "x".repeat(number % 300);
        assert_eq!(cache.lookup(&index, &format!("a.b{number}.{tail}")).len(), 1);
    }
    assert!(Arc::strong_count(&index.get(Prefix, "").unwrap()) <= 2 + 4_097);
    assert!(cache.best(&index, "a.b7.c").is_some());
}

#[test]
fn results_of_any_size_are_remembered() {
    let index = filled(&[]);
    let long = "x".repeat(URI_BYTES_MAX);
    for length in 0..100 {
        index.write().insert(Prefix, &long[..length], Arc::new(length.to_string()));
    }
    let mut cache = cache();
    for length in [0, 1, 31, 32, 33, 99, 100, 256, 257, 1_000, 31, 33, 1_000] {
        let expected = length.min(99) + 1;
        for _ in 0..2 {
            assert_eq!(cache.lookup(&index, &long[..length]).len(), expected, "{length}");
        }
    }
}
