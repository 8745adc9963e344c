//! The index of a realm's URIs: the one thing that all shards of a process share.
//!
//! It maps a URI and the way it is matched to an immutable entry. Shards look URIs up without
//! locks, waits or retries while one of them changes the index; what an entry says is none of its
//! business. It knows no realm and no session.
//!
//! | policy   | where an entry lies                                             | room          |
//! |----------|-----------------------------------------------------------------|---------------|
//! | exact    | a hash table                                                    | `table`       |
//! | prefix   | a hash table, asked once per length that prefixes have          | `prefixes`    |
//! | wildcard | a trie by components, whose edges lie in hash tables            | `wildcards`   |
//!
//! # Who sees what when
//!
//! *Whatever happens after a change sees it.* If [`Writer::insert`] has returned and word of that
//! reaches another shard in any way (a SUBSCRIBED, the mesh, a client that tells another), every
//! lookup there finds the entry, directly or through a [`Cache`]. The proof:
//!
//! 1. *Direct lookups.* All changes are made by one thread at a time, in the writer section, whose
//!    lock orders them. Every location that a lookup reads (segments, slots, lengths, counts of
//!    edges) is an atomic that was written before `insert` returned. If the insertion happens
//!    before the lookup, then by coherence the lookup reads that write or a later one, and reads of
//!    pointers acquire what they point to. Later writes keep an entry in its place until it is
//!    itself replaced or removed (see `table`), so the lookup meets it.
//! 2. *Cached results.* A cache reads [`Index::generation`] **before** it looks up, and stamps the
//!    result with it. `insert` bumps the generation **after** its changes, in the writer section.
//!    Let `n` be the bump of our insertion. A lookup that comes after it reads a generation of at
//!    least `n` (coherence again), so it reuses only results stamped `v ≥ n`. Such a result was
//!    looked up after an acquiring read of `v`, which synchronizes with the releasing bump that
//!    wrote `v`; the writers' lock orders bump `n`, and all changes before it, before bump `v`.
//!    So the result was found with our entry in place.
//! 3. A result may be *newer* than its stamp, if a change fell between the two. It is then looked
//!    up once more than necessary.
//!
//! The same holds for removals: no lookup that happens after [`Writer::remove`] finds the entry.
//! Lookups that are concurrent with a change may see it or not.

mod cache;
mod prefixes;
mod sync;
mod table;
mod wildcards;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use ahash::RandomState;

pub use crate::message::MatchPolicy;
pub use cache::Cache;

use prefixes::{Prefixes, PrefixesOwner};
use sync::{AtomicU64, AtomicUsize, Lock, LockGuard, Ordering};
use table::{Key, Owner, Pinned, Reader};
use wildcards::{Wildcards, WildcardsOwner};

/// Patterns and their entries. One thread at a time changes it, any number read it meanwhile.
///
/// A pattern longer than [`URI_BYTES_MAX`](crate::limits::URI_BYTES_MAX) or with more components
/// than [`URI_COMPONENTS_MAX`](crate::limits::URI_COMPONENTS_MAX) can be put in, found by
/// [`get`](Self::get) and removed, but as prefix or wildcard it need not match anything.
pub struct Index<T> {
    hash_key: RandomState,
    generation: AtomicU64,
    len: AtomicUsize,
    exact: Reader<Arc<T>>,
    prefixes: Prefixes<T>,
    wildcards: Wildcards<T>,
    owners: Lock<Owners<T>>,
}

/// The writer section: exclusive among writers, invisible to readers.
///
/// Keep it short and hold it across nothing slow. An entry must not use the index when it is
/// dropped, for that may happen in here.
pub struct Writer<'i, T> {
    index: &'i Index<T>,
    // Dropped in this order: other writers may go on before the memory is seen to.
    owners: LockGuard<'i, Owners<T>>,
    pinned: Flushing,
}

impl<T: Send + Sync + 'static> Index<T> {
    /// An empty index whose tables are keyed with `hash_key`.
    #[must_use]
    pub fn new(hash_key: RandomState) -> Self {
        let (exact, exact_owner) = table::new();
        let (prefixes, prefixes_owner) = prefixes::new();
        let (wildcards, wildcards_owner) = wildcards::new();
        let owners =
            Owners { exact: exact_owner, prefixes: prefixes_owner, wildcards: wildcards_owner };
        Self {
            hash_key,
            generation: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            exact,
            prefixes,
            wildcards,
            owners: Lock::new(owners),
        }
    }

    /// Bumped by every change, after it. What was looked up after reading it may be reused while
    /// it stands.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The entry of exactly this pattern.
    #[must_use]
    pub fn get(&self, policy: MatchPolicy, uri: &str) -> Option<Arc<T>> {
        let pinned = table::pin();
        match policy {
            MatchPolicy::Exact => self.exact.get(self.exact_key(uri), &pinned),
            MatchPolicy::Prefix => self.prefixes.get(&self.hash_key, uri, &pinned),
            MatchPolicy::Wildcard => self.wildcards.get(&self.hash_key, uri, &pinned),
        }
        .map(Arc::clone)
    }

    /// Hands all entries that match a concrete URI to `found`: the exact one, then prefixes from
    /// short to long, then wildcards, the one with the leftmost literal first.
    ///
    /// Nothing that is removed meanwhile is freed before `found` has seen the last one, so it
    /// should be quick.
    // spec: advanced/pattern_based_subscription
    pub fn matches(&self, uri: &str, found: &mut impl FnMut(&Arc<T>)) {
        let pinned = table::pin();
        if let Some(entry) = self.exact.get(self.exact_key(uri), &pinned) {
            found(entry);
        }
        let mut visit = |entry: &Arc<T>| {
            found(entry);
            ControlFlow::Continue(())
        };
        let _ = self.prefixes.matches(&self.hash_key, uri, &pinned, &mut visit);
        let _ = self.wildcards.matches(&self.hash_key, uri, &pinned, &mut visit);
    }

    /// The entry that a CALL goes to: the exact one; else that of the longest prefix; else that of
    /// the wildcard with the leftmost literal.
    // spec: advanced/pattern_based_registration
    #[must_use]
    pub fn best(&self, uri: &str) -> Option<Arc<T>> {
        let pinned = table::pin();
        if let Some(entry) = self.exact.get(self.exact_key(uri), &pinned) {
            return Some(Arc::clone(entry));
        }
        let mut best = None;
        let _ = self.prefixes.matches(&self.hash_key, uri, &pinned, &mut |entry| {
            best = Some(entry);
            ControlFlow::Continue(())
        });
        if best.is_none() {
            let _ = self.wildcards.matches(&self.hash_key, uri, &pinned, &mut |entry| {
                best = Some(entry);
                ControlFlow::Break(())
            });
        }
        best.map(Arc::clone)
    }

    /// Enters the writer section; waits while another thread is in it.
    ///
    /// # Panics
    ///
    /// If a thread has panicked in the section: the index may be half changed.
    #[must_use]
    pub fn write(&self) -> Writer<'_, T> {
        let owners = self.owners.lock().expect("no writer has panicked: the process would be over");
        Writer { index: self, owners, pinned: Flushing(table::pin()) }
    }

    /// How many patterns there are, of all policies together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits every pattern, in an order that means nothing (but is the same for the same hash key
    /// and the same history).
    ///
    /// What changes meanwhile is seen as it was or as it is, and one that is removed and put in
    /// again may be seen twice; whoever needs a single moment holds a [`Writer`] around the call.
    pub fn for_each(&self, visit: &mut impl FnMut(MatchPolicy, &str, &Arc<T>)) {
        let pinned = table::pin();
        self.exact.for_each(&pinned, &mut |uri, entry| visit(MatchPolicy::Exact, uri, entry));
        self.prefixes.for_each(&pinned, &mut |uri, entry| visit(MatchPolicy::Prefix, uri, entry));
        self.wildcards
            .for_each(&pinned, &mut |uri, entry| visit(MatchPolicy::Wildcard, uri, entry));
    }

    /// How many parts [`for_each_of`](Self::for_each_of) knows.
    pub const SEGMENTS: usize = table::SEGMENTS;

    /// Visits every exact pattern of one part of the index, for those who look through it step by
    /// step: a pattern stays in its part.
    pub fn for_each_of(&self, segment: usize, visit: &mut impl FnMut(&T)) {
        self.exact.for_each_of(segment, &table::pin(), &mut |_, entry| visit(entry));
    }

    fn exact_key<'k>(&self, uri: &'k str) -> Key<'k> {
        Key { hash: self.hash_key.hash_one(uri), scope: 0, text: uri }
    }
}

impl<T: Send + Sync + 'static> Writer<'_, T> {
    /// The entry of exactly this pattern.
    #[must_use]
    pub fn get(&self, policy: MatchPolicy, uri: &str) -> Option<Arc<T>> {
        self.index.get(policy, uri)
    }

    /// Puts `entry` in under this pattern, visible to every lookup from when this returns, and
    /// returns the one it replaces.
    pub fn insert(&mut self, policy: MatchPolicy, uri: &str, entry: Arc<T>) -> Option<Arc<T>> {
        let (index, owners, pinned) = (self.index, &mut *self.owners, &self.pinned.0);
        let hash_key = &index.hash_key;
        let old = match policy {
            MatchPolicy::Exact => owners.exact.insert(index.exact_key(uri), uri, entry, pinned),
            MatchPolicy::Prefix => owners.prefixes.insert(hash_key, uri, entry, pinned),
            MatchPolicy::Wildcard => owners.wildcards.insert(hash_key, uri, entry, pinned),
        }
        .map(Arc::clone);
        if old.is_none() {
            index.len.fetch_add(1, Ordering::Release);
        }
        index.generation.fetch_add(1, Ordering::Release);
        old
    }

    /// Takes this pattern out, invisible to every lookup from when this returns, and returns its
    /// entry.
    pub fn remove(&mut self, policy: MatchPolicy, uri: &str) -> Option<Arc<T>> {
        let (index, owners, pinned) = (self.index, &mut *self.owners, &self.pinned.0);
        let hash_key = &index.hash_key;
        let old = match policy {
            MatchPolicy::Exact => owners.exact.remove(index.exact_key(uri), pinned),
            MatchPolicy::Prefix => owners.prefixes.remove(hash_key, uri, pinned),
            MatchPolicy::Wildcard => owners.wildcards.remove(hash_key, uri, pinned),
        }
        .map(Arc::clone)?;
        index.len.fetch_sub(1, Ordering::Release);
        index.generation.fetch_add(1, Ordering::Release);
        Some(old)
    }
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("generation", &self.generation)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Writer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("index", self.index).finish_non_exhaustive()
    }
}

/// What only the writer has.
struct Owners<T> {
    exact: Owner<Arc<T>>,
    prefixes: PrefixesOwner<T>,
    wildcards: WildcardsOwner<T>,
}

/// Lets go of what was retired when the writer section ends, so that memory returns soon even
/// where little happens.
struct Flushing(Pinned);

impl Drop for Flushing {
    fn drop(&mut self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests;
