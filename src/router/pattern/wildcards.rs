//! Patterns of which an empty component matches any one component.
//!
//! A trie by components, one for each number of components, so that a walk meets only patterns as
//! long as the URI. The edges of all tries lie in two tables, under the branch they leave from and
//! their component (empty for a wildcard): `inner` ones lead to a [`Branch`], `leaves` are the
//! last of a pattern and hold its entry. Thus a branch with a hundred thousand children costs no
//! more to pass than one with two.
//!
//! ```text
//!  com..a   com..b   com.x.a
//!
//!  roots[3] ──com──▶ branch ──""──▶ branch ──a──▶ entry
//!                      │               └─────b──▶ entry
//!                      └─────x──▶ branch ──a──▶ entry
//! ```
//!
//! The walk takes the literal edge before the wildcard edge. That visits the most specific pattern
//! first, in the order that ranks registrations. It meets each existing branch at most once and
//! keeps at most one open turn per component.

use std::ops::ControlFlow;
use std::sync::Arc;

use ahash::RandomState;
use smallvec::SmallVec;

use super::sync::{AtomicU32, Ordering};
use super::table::{self, Key, Owner, Pinned, Reader};
use crate::limits::URI_COMPONENTS_MAX;

/// The side that looks.
pub(super) struct Wildcards<T> {
    roots: Arc<Roots>,
    inner: Reader<Branch>,
    leaves: Reader<Arc<T>>,
}

/// The side that changes.
pub(super) struct WildcardsOwner<T> {
    roots: Arc<Roots>,
    inner: Owner<Branch>,
    leaves: Owner<Arc<T>>,
    /// The id of the next branch; none is used twice.
    next_id: u64,
}

/// No patterns.
pub(super) fn new<T>() -> (Wildcards<T>, WildcardsOwner<T>) {
    let (inner_reader, inner) = table::new();
    let (leaves_reader, leaves) = table::new();
    let mut next_id = 0;
    let roots = Arc::new(std::array::from_fn(|_| Branch::new(&mut next_id)));
    (
        Wildcards { roots: Arc::clone(&roots), inner: inner_reader, leaves: leaves_reader },
        WildcardsOwner { roots, inner, leaves, next_id },
    )
}

impl<T: 'static> Wildcards<T> {
    /// The entry of exactly this pattern.
    pub(super) fn get<'g>(
        &self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        let (stem, last) = split(uri);
        let mut at = &self.roots[root_of(uri)];
        for component in stem.into_iter().flat_map(components) {
            at = self.inner.get(at.edge(hash_key, component), pinned)?;
        }
        self.leaves.get(at.edge(hash_key, last), pinned)
    }

    /// Visits the entries of all patterns that match `uri`: of two, first the one that has a
    /// literal in the leftmost component where the other has a wildcard.
    // spec: advanced/pattern_based_registration#wildcard-matching
    pub(super) fn matches<'g>(
        &'g self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
        visit: &mut impl FnMut(&'g Arc<T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let root_index = root_of(uri);
        let root = &self.roots[root_index];
        if root_index == BEYOND_LIMITS || root.is_bare() {
            return ControlFlow::Continue(());
        }
        let way: SmallVec<[(&str, u64); 16]> =
            components(uri).map(|text| (text, hash_key.hash_one(text))).collect();

        let any = hash_key.hash_one("");
        let mut turns: SmallVec<[(usize, &'g Branch); 16]> = SmallVec::new();
        turns.push((0, root));
        while let Some((depth, at)) = turns.pop() {
            let (text, hash) = way[depth];
            let literal = at.literal_edge(hash_key, text, hash);
            let wildcard = at.wildcard_edge(hash_key, any);
            if depth + 1 == way.len() {
                for key in [literal, wildcard].into_iter().flatten() {
                    if let Some(entry) = self.leaves.get(key, pinned) {
                        visit(entry)?;
                    }
                }
            } else {
                // What is pushed last is walked first.
                for key in [wildcard, literal].into_iter().flatten() {
                    if let Some(branch) = self.inner.get(key, pinned) {
                        turns.push((depth + 1, branch));
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits all patterns.
    pub(super) fn for_each(&self, pinned: &Pinned, visit: &mut impl FnMut(&str, &Arc<T>)) {
        self.leaves.for_each(pinned, visit);
    }
}

impl<T: Send + Sync + 'static> WildcardsOwner<T> {
    /// Puts `entry` in; returns the one before.
    pub(super) fn insert<'g>(
        &mut self,
        hash_key: &RandomState,
        uri: &str,
        entry: Arc<T>,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        let (stem, last) = split(uri);
        let mut at = &self.roots[root_of(uri)];
        for component in stem.into_iter().flat_map(components) {
            let edge = at.edge(hash_key, component);
            if self.inner.get(edge, pinned).is_none() {
                let branch = Branch::new(&mut self.next_id);
                self.inner.insert(edge, component, branch, pinned);
                at.grow(component);
            }
            at = self.inner.get(edge, pinned).expect("the branch was there or was just put in");
        }
        let old = self.leaves.insert(at.edge(hash_key, last), uri, entry, pinned);
        if old.is_none() {
            at.grow(last);
        }
        old
    }

    /// Takes an entry out, and with it every branch that leads nowhere else.
    pub(super) fn remove<'g>(
        &mut self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        let (stem, last) = split(uri);
        let mut at = &self.roots[root_of(uri)];
        let mut way: SmallVec<[(&Branch, &str); 16]> = SmallVec::new();
        for component in stem.into_iter().flat_map(components) {
            way.push((at, component));
            at = self.inner.get(at.edge(hash_key, component), pinned)?;
        }
        let old = self.leaves.remove(at.edge(hash_key, last), pinned)?;
        at.shrink(last);
        while at.is_bare()
            && let Some((parent, component)) = way.pop()
        {
            self.inner.remove(parent.edge(hash_key, component), pinned);
            parent.shrink(component);
            at = parent;
        }
        Some(old)
    }
}

/// Where the patterns of each number of components start. They stay when bare.
type Roots = [Branch; URI_COMPONENTS_MAX + 1];

/// The root of patterns with too many components. They are kept but cannot match: no URI has that
/// many. No pattern has no component, so the place is free.
const BEYOND_LIMITS: usize = 0;

/// A place in a trie from which edges leave.
struct Branch {
    /// Unique within the index, over all time.
    id: u64,
    /// How many edges bear a literal. Spares the walk a look into the table.
    literals: AtomicU32,
    /// How many edges bear a wildcard: one, or two beyond the limits.
    wildcards: AtomicU32,
}

impl Branch {
    fn new(next_id: &mut u64) -> Self {
        let id = *next_id;
        *next_id += 1;
        Self { id, literals: AtomicU32::new(0), wildcards: AtomicU32::new(0) }
    }

    /// Under which key the edge with this component lies.
    fn edge<'k>(&self, hash_key: &RandomState, component: &'k str) -> Key<'k> {
        self.edge_hashed(hash_key, component, hash_key.hash_one(component))
    }

    fn edge_hashed<'k>(&self, hash_key: &RandomState, text: &'k str, hash: u64) -> Key<'k> {
        Key { hash: hash_key.hash_one((self.id, hash)), scope: self.id, text }
    }

    /// The key of a literal edge, unless there is none at all.
    fn literal_edge<'k>(
        &self,
        hash_key: &RandomState,
        text: &'k str,
        hash: u64,
    ) -> Option<Key<'k>> {
        let some = self.literals.load(Ordering::Acquire) > 0 && !text.is_empty();
        some.then(|| self.edge_hashed(hash_key, text, hash))
    }

    /// The key of the wildcard edge, if there is one.
    fn wildcard_edge(&self, hash_key: &RandomState, hash: u64) -> Option<Key<'static>> {
        let some = self.wildcards.load(Ordering::Acquire) > 0;
        some.then(|| self.edge_hashed(hash_key, "", hash))
    }

    fn count_of(&self, component: &str) -> &AtomicU32 {
        if component.is_empty() { &self.wildcards } else { &self.literals }
    }

    /// Notes that an edge was put in.
    fn grow(&self, component: &str) {
        self.count_of(component).fetch_add(1, Ordering::Release);
    }

    /// Notes that an edge was taken out.
    fn shrink(&self, component: &str) {
        self.count_of(component).fetch_sub(1, Ordering::Release);
    }

    fn is_bare(&self) -> bool {
        self.literals.load(Ordering::Acquire) == 0 && self.wildcards.load(Ordering::Acquire) == 0
    }
}

fn components(uri: &str) -> impl Iterator<Item = &str> {
    uri.split('.')
}

/// All components but the last, if there are any, and the last.
fn split(uri: &str) -> (Option<&str>, &str) {
    uri.rsplit_once('.').map_or((None, uri), |(stem, last)| (Some(stem), last))
}

/// The root under which `uri` belongs, as pattern or as what patterns are matched with.
fn root_of(uri: &str) -> usize {
    let dots = memchr::memchr_iter(b'.', uri.as_bytes()).count();
    if dots < URI_COMPONENTS_MAX { dots + 1 } else { BEYOND_LIMITS }
}
