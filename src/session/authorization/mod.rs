//! Who may do what: the rules of a role, and what they come to for one URI.
//!
//! A rule names actions and URIs and says allow, deny, or ask. Of all rules that fit, the most
//! specific one decides: exact before the longest prefix before wildcards, and of these the one
//! that has a literal in the leftmost component where the other has none, just as the router
//! chooses among registrations. If two are equally specific the stricter one wins: deny before ask
//! before allow. Where no rule fits the answer is no.
//!
//! What decides about a URI decides about a *pattern* too, taken as a whole: the most specific rule
//! that covers all it can match. But it is denied if anything that it can match has a more specific
//! rule that does not allow it, or if it overlaps with so many rules that nobody has the time to
//! find that out (`overlap` has the figure). So nobody may have by a pattern what it may not have
//! one by one, and no rule needs to be written twice.
//!
//! `${authid}` in a rule stands for the peer's authid as a whole component. An authid that is no
//! single component of a URI (empty, with dots or white space) has no URIs of its own: rules that
//! allow never fit it, and rules that deny or ask fit, and deny, whatever they could mean, which is
//! all that begins as they do before the variable.

mod overlap;
mod rule;
mod table;
#[cfg(test)]
mod tests;
mod trie;

pub use rule::{AUTHID, Action, Actions, Rule};

use crate::message::UriCheck;
use crate::message::uri::{MatchPolicy, is_valid};
use table::{Object, Rank, Say, Table};

/// What a rule has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Yes.
    Allow,
    /// The authorizer of that index in the realm decides.
    Ask(u16),
    /// No.
    Deny,
}

/// Whether publishers and callers may tell, or hide, who they are.
// spec: advanced/rpc_caller_identification, advanced/pubsub_publisher_identification
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disclosure {
    /// They tell if they want to.
    #[default]
    Allow,
    /// It is always told.
    Always,
    /// They may not tell: what asks for it is refused.
    Deny,
}

/// What is to be done about something a peer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The answer.
    pub effect: Effect,
    /// The rule that it comes from, by its place in what the role was made of; none fitted
    /// otherwise.
    pub rule: Option<u32>,
}

impl Ruling {
    const ALLOWED: Self = Self { effect: Effect::Allow, rule: None };
    const DENIED: Self = Self { effect: Effect::Deny, rule: None };
}

impl Say for Ruling {
    fn or(self, other: Self) -> Self {
        if other.effect > self.effect { other } else { self }
    }

    fn is_strict(self) -> bool {
        self.effect != Effect::Allow
    }

    fn vetoes(self, covering: Self) -> bool {
        // The same authorizer can judge the whole.
        self.effect != Effect::Allow && self.effect != covering.effect
    }

    fn is_as_strict(self, other: Self) -> bool {
        self.effect == other.effect
    }

    fn closed(self) -> Self {
        Self { effect: Effect::Deny, ..self }
    }
}

impl Say for Disclosure {
    fn or(self, other: Self) -> Self {
        self.max(other)
    }

    fn is_strict(self) -> bool {
        self == Self::Deny
    }

    fn vetoes(self, covering: Self) -> bool {
        self.is_strict() && self != covering
    }

    fn is_as_strict(self, other: Self) -> bool {
        self == other
    }

    fn closed(self) -> Self {
        Self::Deny
    }
}

/// What peers of some authrole may do in a realm: rules, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// By action. None: everything is allowed.
    rules: Option<Box<[Table<Ruling>; Action::ALL.len()]>>,
    /// Of calls and of publications.
    disclosures: Option<Box<[Table<Disclosure>; 2]>>,
}

impl Role {
    /// A role without rules, which may do everything.
    #[must_use]
    pub const fn unrestricted() -> Self {
        Self { rules: None, disclosures: None }
    }

    /// The role that these rules make. [`Ruling::rule`] is a place in `rules`; of rules of the same
    /// effect and pattern the first one decides.
    #[must_use]
    pub fn new(rules: &[(Rule, Effect)], disclosures: &[(Rule, Disclosure)]) -> Self {
        let table = |action| {
            let fit = (0..).zip(rules).filter(|(_, (rule, _))| rule.actions.has(action));
            Table::new(fit.map(|(place, (rule, effect))| {
                (&rule.uris, Ruling { effect: *effect, rule: Some(place) })
            }))
        };
        let disclosing = |action| {
            let fit = disclosures.iter().filter(|(rule, _)| rule.actions.has(action));
            Table::new(fit.map(|(rule, disclosure)| (&rule.uris, *disclosure)))
        };
        let any = !disclosures.is_empty();
        Self {
            rules: Some(Box::new(Action::ALL.map(table))),
            disclosures: any.then(|| Box::new([Action::Call, Action::Publish].map(disclosing))),
        }
    }

    /// Whether everything is allowed.
    #[inline]
    #[must_use]
    pub const fn is_unrestricted(&self) -> bool {
        self.rules.is_none()
    }

    /// Whether a peer with that authid may do that with the URI.
    #[inline]
    #[must_use]
    pub fn decide(&self, action: Action, uri: &str, authid: &str) -> Ruling {
        self.decide_pattern(action, (MatchPolicy::Exact, uri), authid)
    }

    /// The same, of all that a pattern can match.
    #[inline]
    #[must_use]
    pub fn decide_pattern(
        &self,
        action: Action,
        object: (MatchPolicy, &str),
        authid: &str,
    ) -> Ruling {
        self.weigh(action, object, authid).0
    }

    /// The same, and how many steps it took to hold the pattern against other rules than the one
    /// that covers it: none for a URI, and never more than a few thousand.
    #[inline]
    #[must_use]
    pub fn weigh(
        &self,
        action: Action,
        (policy, uri): (MatchPolicy, &str),
        authid: &str,
    ) -> (Ruling, usize) {
        let Some(tables) = &self.rules else { return (Ruling::ALLOWED, 0) };
        let is_one = policy == MatchPolicy::Wildcard && !uri.split('.').any(str::is_empty);
        let policy = if is_one { MatchPolicy::Exact } else { policy };
        let (ruling, steps) = tables[action as usize].judge(Object { policy, uri, authid });
        (ruling.unwrap_or(Ruling::DENIED), steps)
    }

    /// Whether the rule that decides about the URI is meant for it: it is exact, or a prefix that
    /// reaches into its last component, and does not deny it.
    #[must_use]
    pub fn names(&self, action: Action, uri: &str, authid: &str) -> bool {
        let Some(tables) = &self.rules else { return false };
        let object = Object { policy: MatchPolicy::Exact, uri, authid };
        let last_at = uri.rfind('.').map_or(0, |dot| dot + 1);
        tables[action as usize].best(object).is_some_and(|(rank, ruling)| {
            let named = match rank {
                Rank::Exact => true,
                Rank::Prefix(length) => length > last_at,
                Rank::Wildcard(_) => false,
            };
            named && ruling.effect != Effect::Deny
        })
    }

    /// Whether a peer that calls or publishes that tells who it is, if the role has an answer.
    #[inline]
    #[must_use]
    pub fn disclosure(&self, action: Action, uri: &str, authid: &str) -> Option<Disclosure> {
        let tables = self.disclosures.as_ref()?;
        let table = match action {
            Action::Call => &tables[0],
            Action::Publish => &tables[1],
            Action::Register | Action::Subscribe | Action::Takeover => return None,
        };
        table.judge(Object { policy: MatchPolicy::Exact, uri, authid }).0
    }
}

/// Whether `authid` can stand for itself in a URI.
fn is_own_component(authid: &str) -> bool {
    !authid.contains('.') && is_valid(authid, UriCheck::Loose)
}
