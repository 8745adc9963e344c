//! The shared index under every order in which threads can meet, as far as `loom` can try them.
//!
//! ```text
//! RUSTFLAGS="--cfg loom --cfg crossbeam_loom" LOOM_MAX_PREEMPTIONS=2 \
//!     cargo test --release --no-default-features --test loom
//! ```
//!
//! The models run the real index on the real `crossbeam-epoch`, both with loom's atomics. They are
//! small, because the number of orders grows with every access to shared memory; so under loom a
//! table has one segment, and four keys make it grow.

#![cfg(loom)]

use std::sync::Arc;

use gigawamp::router::pattern::MatchPolicy::{Exact, Prefix, Wildcard};
use gigawamp::router::pattern::{Cache, Index, MatchPolicy};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

fn hash_key() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

fn filled(patterns: &[(MatchPolicy, &str)]) -> Arc<Index<String>> {
    let index = Index::new(hash_key());
    for &(policy, uri) in patterns {
        index.write().insert(policy, uri, Arc::new(uri.to_owned()));
    }
    Arc::new(index)
}

/// Runs `change` on another thread. What is returned becomes true, for whoever acquires it, after
/// the change.
fn tell_after<T: Send + Sync + 'static>(
    index: &Arc<Index<T>>,
    change: impl FnOnce(&Index<T>) + 'static,
) -> (Arc<AtomicBool>, thread::JoinHandle<()>) {
    let told = Arc::new(AtomicBool::new(false));
    let (index, tell) = (Arc::clone(index), Arc::clone(&told));
    let handle = thread::spawn(move || {
        change(&index);
        tell.store(true, Ordering::Release);
    });
    (told, handle)
}

fn count(index: &Index<String>, uri: &str) -> usize {
    let mut count = 0;
    index.matches(uri, &mut |_| count += 1);
    count
}

/// An insertion that somebody was told of is found, under each policy.
fn insertion_is_found(policy: MatchPolicy, pattern: &'static str, uri: &'static str) {
    loom::model(move || {
        let index = filled(&[]);
        let (told, writer) = tell_after(&index, move |index| {
            index.write().insert(policy, pattern, Arc::new(String::new()));
        });
        let must_be_found = told.load(Ordering::Acquire);
        assert!(count(&index, uri) == 1 || !must_be_found);
        writer.join().unwrap();
        assert_eq!(count(&index, uri), 1);
    });
}

#[test]
fn an_exact_insertion_is_found() {
    insertion_is_found(Exact, "a.b", "a.b");
}

#[test]
fn a_prefix_insertion_is_found() {
    insertion_is_found(Prefix, "a.", "a.b");
}

#[test]
fn a_wildcard_insertion_is_found() {
    insertion_is_found(Wildcard, ".b", "a.b");
}

#[test]
fn a_removal_is_complete() {
    loom::model(|| {
        let index = filled(&[(Exact, "a"), (Wildcard, ".b")]);
        let (told, writer) = tell_after(&index, |index| {
            let mut writer = index.write();
            writer.remove(Exact, "a");
            writer.remove(Wildcard, ".b");
        });
        if told.load(Ordering::Acquire) {
            assert_eq!(count(&index, "a") + count(&index, "a.b"), 0);
        }
        writer.join().unwrap();
        assert!(index.is_empty());
    });
}

#[test]
fn what_stays_is_found_while_the_table_grows() {
    loom::model(|| {
        let index = filled(&[(Exact, "a"), (Exact, "b"), (Exact, "c")]);
        let (told, writer) = tell_after(&index, |index| {
            index.write().insert(Exact, "d", Arc::new("d".to_owned()));
        });
        let must_be_found = told.load(Ordering::Acquire);
        for uri in ["a", "b", "c"] {
            assert_eq!(count(&index, uri), 1);
        }
        assert!(count(&index, "d") == 1 || !must_be_found);
        writer.join().unwrap();
    });
}

#[test]
fn what_stays_is_found_while_others_come_and_go() {
    // In every other set or so, the third key had to step aside for the first two.
    for set in 0..8 {
        loom::model(move || {
            let [first, second, third, fourth] =
                ["a", "b", "c", "d"].map(|key| format!("{key}{set}"));
            let index = filled(&[(Exact, &first), (Exact, &second), (Exact, &third)]);
            let (told, writer) = tell_after(&index, {
                let fourth = fourth.clone();
                move |index| {
                    let mut writer = index.write();
                    writer.remove(Exact, &first);
                    writer.remove(Exact, &second);
                    // Takes a slot that one of them has left.
                    writer.insert(Exact, &fourth, Arc::new(fourth.clone()));
                }
            });
            let must_be_found = told.load(Ordering::Acquire);
            assert!(count(&index, &fourth) == 1 || !must_be_found);
            let found = index.get(Exact, &third).expect("it stays");
            assert_eq!(*found, third);
            writer.join().unwrap();
        });
    }
}

#[test]
fn a_branch_that_is_taken_down_and_grows_again_is_found() {
    loom::model(|| {
        let index = filled(&[(Wildcard, "a.")]);
        let (told, writer) = tell_after(&index, |index| {
            let mut writer = index.write();
            writer.remove(Wildcard, "a.");
            writer.insert(Wildcard, "a.b", Arc::new(String::new()));
        });
        let must_be_found = told.load(Ordering::Acquire);
        assert!(count(&index, "a.b") == 1 || !must_be_found);
        writer.join().unwrap();
    });
}

#[test]
fn a_cache_never_hides_a_change() {
    loom::model(|| {
        let index = filled(&[]);
        let (told, writer) = tell_after(&index, |index| {
            index.write().insert(Exact, "a", Arc::new(String::new()));
        });
        let mut cache = Cache::new(hash_key());
        // This result is stamped before, during or after the insertion.
        cache.lookup(&index, "a");
        let must_be_found = told.load(Ordering::Acquire);
        assert!(cache.lookup(&index, "a").len() == 1 || !must_be_found);
        writer.join().unwrap();
        assert_eq!(cache.lookup(&index, "a").len(), 1);
    });
}

#[test]
fn writers_wait_for_each_other() {
    loom::model(|| {
        let index = filled(&[]);
        let (_, writer) = tell_after(&index, |index| {
            index.write().insert(Exact, "a", Arc::new(String::new()));
        });
        index.write().insert(Exact, "b", Arc::new(String::new()));
        writer.join().unwrap();
        assert_eq!(index.len(), 2);
        assert_eq!(index.generation(), 2);
        assert_eq!(count(&index, "a") + count(&index, "b"), 2);
    });
}

#[test]
fn an_entry_is_seen_whole() {
    loom::model(|| {
        let index = Arc::new(Index::new(hash_key()));
        let (_, writer) = tell_after(&index, |index| {
            let mut writer = index.write();
            for text in ["a", "b"] {
                let entry = AtomicBool::new(false);
                entry.store(true, Ordering::Relaxed);
                writer.insert(Exact, text, Arc::new(entry));
            }
        });
        for text in ["b", "a"] {
            if let Some(entry) = index.get(Exact, text) {
                assert!(entry.load(Ordering::Relaxed), "{text} is seen before it is complete");
            }
        }
        writer.join().unwrap();
    });
}

/// Says when it is dropped.
struct Alarm(Arc<AtomicBool>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_freed_while_a_reader_holds_it() {
    loom::model(|| {
        let dropped = Arc::new(AtomicBool::new(false));
        let index = Arc::new(Index::new(hash_key()));
        index.write().insert(Exact, "a", Arc::new(Alarm(Arc::clone(&dropped))));
        let (_, writer) = tell_after(&index, |index| {
            index.write().remove(Exact, "a");
            // Each end of a writer section moves the collector on, if it may.
            for _ in 0..3 {
                drop(index.write());
            }
        });
        index.matches("a", &mut |entry| {
            assert!(!entry.0.load(Ordering::Relaxed), "freed under the reader");
            thread::yield_now();
            assert!(!entry.0.load(Ordering::Relaxed), "freed under the reader");
        });
        writer.join().unwrap();
    });
}
