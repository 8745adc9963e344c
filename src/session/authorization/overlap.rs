//! Strict rules by what they have in common with a pattern: which of them stand against it.
//!
//! A trie by components of all rules that do not simply allow. A pattern is walked through it, and
//! only where a rule and the pattern can match the same URI the walk goes on: along one literal
//! where the pattern has one, along all where it has none, and through all that is below where a
//! prefix ends. What is known of the rules below each node cuts off what could not say no anyhow.
//!
//! A walk has a budget. A pattern that meets so many rules without any of them standing against it
//! is refused like one of which a rule does.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::table::{Object, Rank, Say, bit};
use super::{AUTHID, is_own_component};
use crate::message::uri::{MatchPolicy, Pattern};

/// Nodes that one pattern may visit.
pub(super) const VISITS_MAX: usize = 16_384;

/// Nodes that are passed by at the price of one that is visited.
const PASSED_PER_STEP: usize = 16;

/// All strict rules of one table.
#[derive(Clone, Debug)]
pub(super) struct Overlaps<V> {
    /// The root is the first.
    nodes: Vec<Node<V>>,
}

#[derive(Clone, Debug)]
struct Node<V> {
    literals: BTreeMap<Box<str>, usize>,
    any: Option<usize>,
    own: Option<usize>,
    /// Rules that end here.
    exact: Sayings<V>,
    wildcards: Sayings<V>,
    /// Rules that go on with a component that begins like this.
    partials: BTreeMap<Box<str>, Sayings<V>>,
    /// Exact rules and prefixes from here on.
    fixed_below: Sayings<V>,
    /// Wildcards from here on.
    wild_below: Sayings<V>,
    /// Rules from the peer's own authid on.
    behind_own: Sayings<V>,
}

/// Two different things that are said; of any more one of these says the same, as far as it
/// matters: whether one of them stands against something.
#[derive(Clone, Copy, Debug)]
struct Sayings<V>([Option<V>; 2]);

impl<V: Say> Sayings<V> {
    const fn new() -> Self {
        Self([None, None])
    }

    fn add(&mut self, said: V) {
        for known in &mut self.0 {
            match known {
                Some(known) if known.is_as_strict(said) => return,
                Some(_) => {}
                None => {
                    *known = Some(said);
                    return;
                }
            }
        }
    }

    /// What stands against a pattern of which `covering` is said.
    fn against(&self, covering: V) -> Option<V> {
        self.0.iter().flatten().find(|said| said.vetoes(covering)).copied()
    }
}

/// A pattern that is held against the rules.
struct Walk<'a, V> {
    object: Object<'a>,
    is_own: bool,
    /// The rule that covers it.
    covering: (Rank, V),
    visits: usize,
    /// Nodes below which nothing could matter.
    passed: usize,
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: usize,
    /// What is left of the pattern; none behind its end.
    rest: Option<&'a str>,
    depth: u32,
    /// See [`Rank::Wildcard`].
    literals: u64,
    /// Octets of the rule up to here, with its dots.
    length: usize,
}

impl<V: Say> Overlaps<V> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::new()] }
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, said: V) {
        let is_wild = pattern.policy == MatchPolicy::Wildcard;
        let mut at = 0;
        let mut components = pattern.uri.split('.').peekable();
        self.note_below(at, is_wild, said);
        while let Some(component) = components.next() {
            let is_last = components.peek().is_none();
            if pattern.policy == MatchPolicy::Prefix && is_last {
                let partials = &mut self.nodes[at].partials;
                return partials.entry(component.into()).or_insert(Sayings::new()).add(said);
            }
            if component == AUTHID {
                self.nodes[at].behind_own.add(said);
            }
            at = self.step(at, component);
            self.note_below(at, is_wild, said);
        }
        let node = &mut self.nodes[at];
        if is_wild { node.wildcards.add(said) } else { node.exact.add(said) }
    }

    fn note_below(&mut self, at: usize, is_wild: bool, said: V) {
        let node = &mut self.nodes[at];
        if is_wild { node.wild_below.add(said) } else { node.fixed_below.add(said) }
    }

    /// The node behind that edge, which is made if it is not there.
    fn step(&mut self, at: usize, component: &str) -> usize {
        let fresh = self.nodes.len();
        let node = &mut self.nodes[at];
        let next = match component {
            "" => *node.any.get_or_insert(fresh),
            AUTHID => *node.own.get_or_insert(fresh),
            literal => *node.literals.entry(literal.into()).or_insert(fresh),
        };
        if next == fresh {
            self.nodes.push(Node::new());
        }
        next
    }

    /// What a rule says that decides anything that `object` can match, rather than the one that
    /// covers it, and stands against it; and how many nodes were looked at.
    pub(super) fn against(&self, object: Object<'_>, covering: (Rank, V)) -> (Option<V>, usize) {
        let is_own = is_own_component(object.authid);
        let mut walk = Walk { object, is_own, covering, visits: 0, passed: 0 };
        let start = Place { node: 0, rest: Some(object.uri), depth: 0, literals: 0, length: 0 };
        let against = self.walk(&mut walk, start);
        let is_over = walk.visits > VISITS_MAX;
        (against.or(is_over.then_some(covering.1)), walk.visits + walk.passed / PASSED_PER_STEP)
    }

    /// The depth of this is that of the trie, so of the longest rule.
    fn walk(&self, walk: &mut Walk<'_, V>, place: Place<'_>) -> Option<V> {
        let node = &self.nodes[place.node];
        if !walk.may_matter(node) {
            return None;
        }
        if walk.is_over() {
            return Some(walk.covering.1);
        }
        let Some(rest) = place.rest else { return walk.ending(node, place) };
        let (component, next) = match rest.split_once('.') {
            Some((component, next)) => (component, Some(next)),
            None => (rest, None),
        };
        if !walk.is_own
            && let Some(said) = node.behind_own.against(walk.covering.1)
        {
            return Some(said);
        }
        let is_open = next.is_none() && walk.object.policy == MatchPolicy::Prefix;
        if let Some(said) = walk.partial(node, (component, is_open), place) {
            return Some(said);
        }
        let on = |node, literal: Option<&str>| Place {
            node,
            rest: next,
            depth: place.depth + 1,
            literals: place.literals | literal.map_or(0, |_| bit(place.depth)),
            length: place.length + literal.map_or(0, str::len) + 1,
        };
        let go = |walk: &mut Walk<'_, V>, place| match is_open {
            true => self.below(walk, place),
            false => self.walk(walk, place),
        };
        if let Some(any) = node.any
            && let Some(said) = go(walk, on(any, None))
        {
            return Some(said);
        }
        let authid = walk.object.authid;
        let fits = |own: &str| match is_open {
            true => own.starts_with(component),
            false => component.is_empty() || component == own,
        };
        if let Some(own) = node.own.filter(|_| walk.is_own && fits(authid))
            && let Some(said) = go(walk, on(own, Some(authid)))
        {
            return Some(said);
        }
        if !is_open && !component.is_empty() {
            let literal = *node.literals.get(component)?;
            return go(walk, on(literal, Some(component)));
        }
        for (literal, child) in beginning_with(&node.literals, component) {
            if let Some(said) = go(walk, on(*child, Some(literal))) {
                return Some(said);
            }
        }
        None
    }

    /// The same of all rules from a node on, where a prefix has ended before.
    fn below(&self, walk: &mut Walk<'_, V>, place: Place<'_>) -> Option<V> {
        let node = &self.nodes[place.node];
        if !walk.may_matter(node) {
            return None;
        }
        if walk.is_over() {
            return Some(walk.covering.1);
        }
        let here = walk.ending(node, place).or_else(|| walk.partial(node, ("", true), place));
        if here.is_some() {
            return here;
        }
        let on = |node, literal: Option<&str>| Place {
            node,
            depth: place.depth + 1,
            literals: place.literals | literal.map_or(0, |_| bit(place.depth)),
            length: place.length + literal.map_or(0, str::len) + 1,
            ..place
        };
        if !walk.is_own
            && let Some(said) = node.behind_own.against(walk.covering.1)
        {
            return Some(said);
        }
        let authid = walk.object.authid;
        let own = node.own.filter(|_| walk.is_own).map(|own| on(own, Some(authid)));
        let any = node.any.map(|any| on(any, None));
        let literals = node.literals.iter().map(|(literal, child)| on(*child, Some(literal)));
        any.into_iter().chain(own).chain(literals).find_map(|place| self.below(walk, place))
    }
}

impl<V: Say> Node<V> {
    const fn new() -> Self {
        Self {
            literals: BTreeMap::new(),
            any: None,
            own: None,
            exact: Sayings::new(),
            wildcards: Sayings::new(),
            partials: BTreeMap::new(),
            fixed_below: Sayings::new(),
            wild_below: Sayings::new(),
            behind_own: Sayings::new(),
        }
    }
}

impl<V: Say> Walk<'_, V> {
    /// Whether anything from a node on may stand against the pattern.
    fn may_matter(&mut self, node: &Node<V>) -> bool {
        let (rank, covering) = self.covering;
        // What begins with an authid that is none counts for whatever it may mean.
        let wild = matches!(rank, Rank::Wildcard(_)) || !self.is_own;
        let may = node.fixed_below.against(covering).is_some()
            || wild && node.wild_below.against(covering).is_some();
        self.passed += usize::from(!may);
        may
    }

    /// Counts another step; whether that is one too many. Then nothing is looked at any more, and
    /// what is said of the pattern stands against it as good as anything.
    const fn is_over(&mut self) -> bool {
        self.visits += 1;
        self.visits > VISITS_MAX
    }

    /// What a rule says that ends at that node.
    fn ending(&self, node: &Node<V>, place: Place<'_>) -> Option<V> {
        let (rank, covering) = self.covering;
        let is_specific = Rank::Wildcard(place.literals) >= rank;
        let wildcards = node.wildcards.against(covering).filter(|_| is_specific);
        node.exact.against(covering).or(wildcards)
    }

    /// What a prefix says that goes on from that node with what `component` is, or may go on with.
    fn partial(
        &mut self,
        node: &Node<V>,
        (component, is_open): (&str, bool),
        place: Place<'_>,
    ) -> Option<V> {
        let (rank, covering) = self.covering;
        let stands = |(partial, sayings): (&str, &Sayings<V>)| {
            let is_specific = Rank::Prefix(place.length + partial.len()) >= rank;
            sayings.against(covering).filter(|_| is_specific)
        };
        if is_open || component.is_empty() {
            for entry in beginning_with(&node.partials, component) {
                if self.is_over() {
                    return Some(covering);
                }
                if let Some(said) = stands(entry) {
                    return Some(said);
                }
            }
        }
        // Those with which the component begins, whichever way is shorter.
        let count = node.partials.len();
        self.visits += count.min(component.len());
        if count <= component.len() {
            let all = node.partials.iter().map(|(text, sayings)| (&**text, sayings));
            return all.filter(|(text, _)| component.starts_with(text)).find_map(stands);
        }
        let ends = component.char_indices().map(|(end, _)| end).chain([component.len()]);
        let beginnings = ends.map(|end| &component[..end]);
        beginnings.filter_map(|text| Some((text, node.partials.get(text)?))).find_map(stands)
    }
}

/// All entries whose key begins with `start`.
fn beginning_with<'m, T>(
    map: &'m BTreeMap<Box<str>, T>,
    start: &'m str,
) -> impl Iterator<Item = (&'m str, &'m T)> {
    let range = map.range::<str, _>((Bound::Included(start), Bound::Unbounded));
    range.map(|(key, value)| (&**key, value)).take_while(move |(key, _)| key.starts_with(start))
}
