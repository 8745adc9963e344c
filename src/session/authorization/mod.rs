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
//! rule that does not allow it. So nobody may have by a pattern what it may not have one by one,
//! and no rule needs to be written twice.
//!
//! `${authid}` in a rule stands for the peer's authid as a whole component. An authid that is no
//! single component of a URI (empty, with dots or white space) has no URIs of its own: rules that
//! allow never fit it, and rules that deny or ask fit, and deny, whatever they could mean, which is
//! all that begins as they do before the variable.

mod rule;

pub use rule::{AUTHID, Action, Actions, Rule};

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

/// What is to be done about something a peer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The answer.
    pub effect: Effect,
    /// The rule that it comes from, by its place in what the role was made of; none fitted
    /// otherwise.
    pub rule: Option<u32>,
}

/// What peers of some authrole may do in a realm: rules, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role(());

impl Role {
    /// A role without rules, which may do everything.
    #[must_use]
    pub const fn unrestricted() -> Self {
        Self(())
    }

    /// Whether a peer with that authid may do that with the URI.
    #[must_use]
    pub const fn decide(&self, _action: Action, _uri: &str, _authid: &str) -> Ruling {
        Ruling { effect: Effect::Allow, rule: None }
    }
}
