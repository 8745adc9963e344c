//! Rules by their components: wildcards, and everything with `${authid}` in it.

use super::table::{Best, Object, Rank, Say, bit, consider, plain_hasher};
use super::{AUTHID, is_own_component};
use crate::env::Map;
use crate::message::uri::{MatchPolicy, Pattern};

/// Patterns by their components. From each node edges lead on by a literal, by any component, and
/// by the peer's own authid.
#[derive(Clone, Debug)]
pub(super) struct Trie<V> {
    /// The root is the first.
    nodes: Vec<Node<V>>,
    rivals_exact: bool,
}

#[derive(Clone, Debug)]
struct Node<V> {
    literals: Map<Box<str>, usize>,
    any: Option<usize>,
    own: Option<usize>,
    /// What is said of what ends here.
    end: Option<V>,
    /// What is said of what goes on with a component that begins like this, or anyhow.
    partials: Vec<(Box<str>, V)>,
    /// The strictest that is said beyond `own`.
    own_strict: Option<V>,
}

impl<V> Node<V> {
    fn new() -> Self {
        Self {
            literals: Map::with_hasher(plain_hasher()),
            any: None,
            own: None,
            end: None,
            partials: Vec::new(),
            own_strict: None,
        }
    }
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: usize,
    /// What is left of the URI; none behind its end.
    rest: Option<&'a str>,
    depth: u32,
    /// See [`Rank::Wildcard`]; all bits that can be for what is exact.
    literals: u64,
}

impl<V: Say> Trie<V> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::new()], rivals_exact: false }
    }

    /// Whether anything in here may be as specific as an exact rule.
    pub(super) const fn rivals_exact(&self) -> bool {
        self.rivals_exact
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, said: V) {
        self.rivals_exact |= pattern.policy == MatchPolicy::Exact;
        let mut at = 0;
        let mut components = pattern.uri.split('.').peekable();
        while let Some(component) = components.next() {
            if pattern.policy == MatchPolicy::Prefix && components.peek().is_none() {
                let partials = &mut self.nodes[at].partials;
                match partials.iter_mut().find(|(text, _)| **text == *component) {
                    Some((_, known)) => *known = known.or(said),
                    None => partials.push((component.into(), said)),
                }
                return;
            }
            if component == AUTHID && said.is_strict() {
                let known = &mut self.nodes[at].own_strict;
                *known = Some(known.map_or(said, |known| known.or(said)));
                self.rivals_exact = true;
            }
            at = self.step(at, component);
        }
        let end = &mut self.nodes[at].end;
        *end = Some(end.map_or(said, |known| known.or(said)));
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

    /// Considers all rules that cover `object`.
    pub(super) fn find(&self, object: Object<'_>, best: &mut Best<V>) {
        if self.nodes.len() > 1 || !self.nodes[0].partials.is_empty() {
            let start = Place { node: 0, rest: Some(object.uri), depth: 0, literals: 0 };
            self.walk(object, start, best);
        }
    }

    /// The depth of this is that of the trie, so of the longest rule.
    fn walk(&self, object: Object<'_>, place: Place<'_>, best: &mut Best<V>) {
        let node = &self.nodes[place.node];
        let Some(rest) = place.rest else {
            if let Some(said) = node.end {
                let all = (0..place.depth).fold(0, |all, depth| all | bit(depth));
                let is_exact = place.literals == all;
                let rank = if is_exact { Rank::Exact } else { Rank::Wildcard(place.literals) };
                consider(best, rank, said);
            }
            return;
        };
        let offset = object.uri.len() - rest.len();
        for (partial, said) in &node.partials {
            if rest.starts_with(&**partial) {
                consider(best, Rank::Prefix(offset + partial.len()), *said);
            }
        }
        let (component, next) = match rest.split_once('.') {
            Some((component, next)) => (component, Some(next)),
            None => (rest, None),
        };
        let is_own = is_own_component(object.authid);
        if let Some(said) = node.own_strict.filter(|_| !is_own) {
            consider(best, Rank::Exact, said.closed());
        }
        // The last component of a prefix is not a whole one.
        if next.is_none() && object.policy == MatchPolicy::Prefix {
            return;
        }
        let on = |node, literal| Place {
            node,
            rest: next,
            depth: place.depth + 1,
            literals: place.literals | if literal { bit(place.depth) } else { 0 },
        };
        if let Some(literal) = node.literals.get(component) {
            self.walk(object, on(*literal, true), best);
        }
        if let Some(own) = node.own.filter(|_| is_own && component == object.authid) {
            self.walk(object, on(own, true), best);
        }
        if let Some(any) = node.any {
            self.walk(object, on(any, false), best);
        }
    }
}
