//! The rules for one action, ready to be looked up: no memory is taken and no lock held for it.
//!
//! | rules                      | where they lie                                | a look-up costs |
//! |----------------------------|-----------------------------------------------|-----------------|
//! | exact                      | a hash table                                  | one hash        |
//! | prefixes                   | sorted, each with the longest one in it       | a binary search |
//! | wildcards, and all others  | a trie by components                          | hashes          |
//! | with `${authid}`           |                                               |                 |
//!
//! What does not simply allow is also in a list of its own, through which patterns are held
//! against it: see [`Table::judge`].

use ahash::RandomState;

use super::trie::Trie;
use super::{AUTHID, is_own_component};
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
    /// Exact rules and prefixes that are strict, by their texts.
    strict_fixed: Vec<(Pattern, V)>,
    /// The other strict rules.
    strict_others: Vec<(Pattern, V)>,
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
            strict_fixed: Vec::new(),
            strict_others: Vec::new(),
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
            let list = if is_fixed { &mut self.strict_fixed } else { &mut self.strict_others };
            list.push((pattern.clone(), said));
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
        self.strict_fixed.sort_by(|(one, _), (other, _)| one.uri.cmp(&other.uri));
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

    /// What the most specific rule says that covers all of `object`, and how specific it is; of a
    /// pattern, unless it can match something of which a rule at least as specific says worse.
    pub(super) fn judge(&self, object: Object<'_>) -> Option<V> {
        let (rank, said) = self.best(object)?;
        if object.policy == MatchPolicy::Exact {
            return Some(said);
        }
        let head = head_of(object);
        let first = self.strict_fixed.partition_point(|(pattern, _)| *pattern.uri < *head);
        let fixed = self.strict_fixed[first..].iter();
        let fixed = fixed.take_while(|(pattern, _)| pattern.uri.starts_with(head));
        let veto = fixed
            .chain(&self.strict_others)
            .find(|(pattern, other)| other.vetoes(said) && stands_against(pattern, object, rank));
        Some(veto.map_or(said, |(_, other)| other.closed()))
    }

    /// How many rules a pattern may have to be held against.
    pub(super) fn strict_count(&self) -> usize {
        self.strict_fixed.len() + self.strict_others.len()
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

/// Whether the rule decides anything that `object` can match, rather than one of `rank`.
fn stands_against(rule: &Pattern, object: Object<'_>, rank: Rank) -> bool {
    let own = |component| if component == AUTHID { object.authid } else { component };
    let before = rule.uri.find(AUTHID).filter(|_| !is_own_component(object.authid));
    if let Some(before) = before {
        // Nobody knows what it means: it may mean anything from the variable on.
        let open = (MatchPolicy::Prefix, rule.uri[..before].split('.'));
        return meet(open, (object.policy, object.uri.split('.')));
    }
    let rule_rank = match rule.policy {
        MatchPolicy::Exact => Rank::Exact,
        MatchPolicy::Prefix => {
            let lengths = rule.uri.split('.').map(|component| own(component).len() + 1);
            Rank::Prefix(lengths.sum::<usize>() - 1)
        }
        MatchPolicy::Wildcard => {
            let literals = (0..).zip(rule.uri.split('.')).filter(|(_, part)| !part.is_empty());
            Rank::Wildcard(literals.map(|(depth, _)| bit(depth)).sum())
        }
    };
    let parts = (rule.policy, rule.uri.split('.').map(own));
    rule_rank >= rank && meet(parts, (object.policy, object.uri.split('.')))
}

/// What the component at `depth` is in [`Rank::Wildcard`].
pub(super) const fn bit(depth: u32) -> u64 {
    1_u64.rotate_right(depth + 1)
}

/// Whether there can be a URI that both patterns, given by their components, match.
fn meet<'a>(
    (one_policy, one): (MatchPolicy, impl Iterator<Item = &'a str>),
    (other_policy, other): (MatchPolicy, impl Iterator<Item = &'a str>),
) -> bool {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    loop {
        let (left, right) = match (one.next(), other.next()) {
            (Some(left), Some(right)) => (left, right),
            // Whichever has components left, the other one is no prefix.
            (left, right) => return left.is_none() && right.is_none(),
        };
        let left_open = one_policy == MatchPolicy::Prefix && one.peek().is_none();
        let right_open = other_policy == MatchPolicy::Prefix && other.peek().is_none();
        let meets = match (left_open, right_open) {
            (true, true) => return left.starts_with(right) || right.starts_with(left),
            (true, false) => return right.is_empty() || right.starts_with(left),
            (false, true) => return left.is_empty() || left.starts_with(right),
            (false, false) => left.is_empty() || right.is_empty() || left == right,
        };
        if !meets {
            return false;
        }
    }
}

/// What hashes the texts of rules. They are the operator's, who has no reason to make them
/// collide, and what peers look up is never entered.
pub(super) const fn plain_hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}
