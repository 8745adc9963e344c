//! The rules for one action, ready to be looked up: no memory is taken and no lock held for it.
//!
//! | rules                      | where they lie                                | a look-up costs |
//! |----------------------------|-----------------------------------------------|-----------------|
//! | exact                      | a hash table                                  | one hash        |
//! | prefixes                   | sorted, each with the longest one in it       | a binary search |
//! | wildcards, and all others  | a trie by components                          | hashes          |
//! | with `${authid}`           |                                               |                 |
//!
//! What does not simply allow is also in a trie of its own, through which patterns are held
//! against it: see [`Table::judge`] and [`Overlaps`].

use ahash::RandomState;

use super::AUTHID;
use super::overlap::Overlaps;
use super::trie::Trie;
use crate::env::Map;
use crate::message::uri::{MatchPolicy, Pattern};

/// What a table has to say of a URI.
pub(super) trait Say: Copy {
    /// Of two that are equally specific, the one that counts.
    fn or(self, other: Self) -> Self;
    /// Whether it forbids, or may forbid, what others allow.
    fn is_strict(self) -> bool;
    /// Whether it stands against a pattern of which `covering` is said.
    fn vetoes(self, covering: Self) -> bool;
    /// Whether both stand against the same patterns.
    fn is_as_strict(self, other: Self) -> bool;
    /// The strictest there is to say, for the same reason.
    fn closed(self) -> Self;
}

/// How specific a rule is; the greater, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has literals in the components whose bits are set, the first one being the highest.
    Wildcard(u64),
    /// It has so many octets.
    Prefix(usize),
    Exact,
}

/// The most specific of the rules that were considered.
pub(super) type Best<V> = Option<(Rank, V)>;

/// Takes another rule into account.
pub(super) fn consider<V: Say>(best: &mut Best<V>, rank: Rank, said: V) {
    match best {
        Some((known, _)) if *known > rank => {}
        Some((known, before)) if *known == rank => *before = before.or(said),
        Some(_) | None => *best = Some((rank, said)),
    }
}

/// A URI or pattern that is looked up, by a peer of that authid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    pub(super) policy: MatchPolicy,
    pub(super) uri: &'a str,
    pub(super) authid: &'a str,
}

#[derive(Clone, Debug)]
pub(super) struct Table<V> {
    exact: Map<Box<str>, V>,
    prefixes: Vec<Prefix<V>>,
    others: Trie<V>,
    /// All that are strict.
    strict: Overlaps<V>,
}

#[derive(Clone, Debug)]
struct Prefix<V> {
    text: Box<str>,
    said: V,
    /// The longest other one with which this one begins.
    shorter: Option<usize>,
}

impl<V: Say> Table<V> {
    /// The table of these rules.
    pub(super) fn new<'r>(rules: impl Iterator<Item = (&'r Pattern, V)>) -> Self {
        let mut table = Self {
            exact: Map::with_hasher(plain_hasher()),
            prefixes: Vec::new(),
            others: Trie::new(),
            strict: Overlaps::new(),
        };
        for (pattern, said) in rules {
            table.add(pattern, said);
        }
        table.sort();
        table
    }

    fn add(&mut self, pattern: &Pattern, said: V) {
        let is_own = pattern.uri.split('.').any(|component| component == AUTHID);
        let is_fixed = !is_own && pattern.policy != MatchPolicy::Wildcard;
        if said.is_strict() {
            self.strict.insert(pattern, said);
        }
        let text = pattern.uri.clone();
        match pattern.policy {
            MatchPolicy::Exact if is_fixed => {
                let known = self.exact.entry(text).or_insert(said);
                *known = known.or(said);
            }
            MatchPolicy::Prefix if is_fixed => {
                self.prefixes.push(Prefix { text, said, shorter: None });
            }
            MatchPolicy::Exact | MatchPolicy::Prefix | MatchPolicy::Wildcard => {
                self.others.insert(pattern, said);
            }
        }
    }

    fn sort(&mut self) {
        self.prefixes.sort_by(|one, other| one.text.cmp(&other.text));
        self.prefixes.dedup_by(|next, kept| {
            let is_same = next.text == kept.text;
            if is_same {
                kept.said = kept.said.or(next.said);
            }
            is_same
        });
        // Those with which the one in hand begins, if any, are open, the longest last.
        let mut open: Vec<usize> = Vec::new();
        for index in 0..self.prefixes.len() {
            let text = self.prefixes[index].text.clone();
            while open.last().is_some_and(|last| !text.starts_with(&*self.prefixes[*last].text)) {
                open.pop();
            }
            self.prefixes[index].shorter = open.last().copied();
            open.push(index);
        }
    }

    /// What the most specific rule says that covers all of `object`; of a pattern, unless it can
    /// match something of which a rule at least as specific says worse. And how many steps it took
    /// to find that out, beyond those for a URI.
    #[inline]
    pub(super) fn judge(&self, object: Object<'_>) -> (Option<V>, usize) {
        let Some((rank, said)) = self.best(object) else { return (None, 0) };
        if object.policy == MatchPolicy::Exact || said.closed().is_as_strict(said) {
            return (Some(said), 0);
        }
        let (veto, steps) = self.strict.against(object, (rank, said));
        (Some(veto.map_or(said, Say::closed)), steps)
    }

    /// What the most specific rule says that covers all of `object`.
    #[inline]
    pub(super) fn best(&self, object: Object<'_>) -> Best<V> {
        let mut best = None;
        if object.policy == MatchPolicy::Exact
            && let Some(said) = self.exact.get(object.uri)
        {
            best = Some((Rank::Exact, *said));
            if !self.others.rivals_exact() {
                return best;
            }
        }
        if let Some(prefix) = self.longest_prefix(head_of(object)) {
            consider(&mut best, Rank::Prefix(prefix.text.len()), prefix.said);
        }
        self.others.find(object, &mut best);
        best
    }

    /// The longest rule with which `text` begins. Whatever is sorted between the two begins with
    /// it as well, so it is the last one that is not behind `text`, or one of those with which
    /// that one begins.
    fn longest_prefix(&self, text: &str) -> Option<&Prefix<V>> {
        let behind = self.prefixes.partition_point(|prefix| *prefix.text <= *text);
        let mut at = behind.checked_sub(1);
        while let Some(index) = at {
            let prefix = &self.prefixes[index];
            if text.starts_with(&*prefix.text) {
                return Some(prefix);
            }
            at = prefix.shorter;
        }
        None
    }
}

/// With what everything begins that `object` can match.
fn head_of(object: Object<'_>) -> &str {
    let uri = object.uri;
    if object.policy != MatchPolicy::Wildcard {
        return uri;
    }
    let mut at = 0;
    for component in uri.split('.') {
        if component.is_empty() {
            break;
        }
        at += component.len() + 1;
    }
    &uri[..at.min(uri.len())]
}

/// What the component at `depth` is in [`Rank::Wildcard`].
pub(super) const fn bit(depth: u32) -> u64 {
    1_u64.rotate_right(depth + 1)
}

/// What hashes the texts of rules. They are the operator's, who has no reason to make them
/// collide, and what peers look up is never entered.
pub(super) const fn plain_hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}
