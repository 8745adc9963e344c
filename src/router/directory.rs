//! An index whose entries can also be found by their ids.

use std::ops::Deref;
use std::sync::Arc;

use ahash::RandomState;

use super::pattern::{Index, MatchPolicy, Writer};

/// What has an id of its own in a [`Directory`].
pub(super) trait Identified: Send + Sync + 'static {
    /// Its id; entries that replace each other have the same or another.
    fn id(&self) -> u64;
}

/// The patterns of a realm's subscriptions or registrations, by URI and by id.
///
/// Lookups by URI go straight to the [`Index`]; the ids are a second one, in which only the meta
/// API looks.
#[derive(Debug)]
pub(super) struct Directory<T> {
    patterns: Index<T>,
    ids: Index<T>,
}

/// The writer section of a [`Directory`].
pub(super) struct DirectoryWriter<'d, T> {
    patterns: Writer<'d, T>,
    ids: &'d Index<T>,
}

impl<T: Identified> Directory<T> {
    pub(super) fn new(hash_key: &RandomState) -> Self {
        Self { patterns: Index::new(hash_key.clone()), ids: Index::new(hash_key.clone()) }
    }

    /// The entry of that id.
    pub(super) fn of_id(&self, id: u64) -> Option<Arc<T>> {
        self.ids.get(MatchPolicy::Exact, &id.to_string())
    }

    /// How many parts [`for_each_of`](Self::for_each_of) knows.
    pub(super) const SEGMENTS: usize = Index::<T>::SEGMENTS;

    /// Visits every entry of one part of the directory.
    pub(super) fn for_each_of(&self, segment: usize, visit: &mut impl FnMut(&T)) {
        self.ids.for_each_of(segment, visit);
    }

    pub(super) fn write(&self) -> DirectoryWriter<'_, T> {
        DirectoryWriter { patterns: self.patterns.write(), ids: &self.ids }
    }
}

impl<T> Deref for Directory<T> {
    type Target = Index<T>;

    fn deref(&self) -> &Index<T> {
        &self.patterns
    }
}

impl<T: Identified> DirectoryWriter<'_, T> {
    pub(super) fn get(&self, policy: MatchPolicy, uri: &str) -> Option<Arc<T>> {
        self.patterns.get(policy, uri)
    }

    pub(super) fn insert(&mut self, policy: MatchPolicy, uri: &str, entry: T) -> Arc<T> {
        let entry = Arc::new(entry);
        let id = entry.id();
        self.ids.write().insert(MatchPolicy::Exact, &id.to_string(), Arc::clone(&entry));
        if let Some(before) = self.patterns.insert(policy, uri, Arc::clone(&entry))
            && before.id() != id
        {
            self.ids.write().remove(MatchPolicy::Exact, &before.id().to_string());
        }
        entry
    }

    pub(super) fn remove(&mut self, policy: MatchPolicy, uri: &str) {
        if let Some(before) = self.patterns.remove(policy, uri) {
            self.ids.write().remove(MatchPolicy::Exact, &before.id().to_string());
        }
    }
}
