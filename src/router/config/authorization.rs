//! The roles of a realm: what their sessions may do.

use super::{Disclosure, Rates};
pub use crate::session::authorization::{Action, Actions, Effect, Rule};

/// What sessions of one authrole may do in a realm.
// spec: advanced/authorization
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleConfig {
    /// The authrole.
    pub name: String,
    /// What is allowed.
    pub allow: Vec<Rule>,
    /// What is not.
    pub deny: Vec<Rule>,
    /// What the authorizer of that name decides.
    pub ask: Vec<(Rule, Box<str>)>,
    /// Whether callers and publishers tell who they are, where the realm's own answer is not meant.
    pub disclose: Vec<(Rule, Disclosure)>,
    /// Messages of any kind that a session may send in a second, if not as
    /// [`Limits`](super::Limits) say. Zero: as many as it likes.
    pub messages_per_second: Option<usize>,
    /// Octets of messages that a session may send in a second, likewise.
    pub bytes_per_second: Option<usize>,
    /// Calls that a session may make in a second, likewise.
    pub calls_per_second: Option<usize>,
}

impl RoleConfig {
    /// How much sessions of this role may do, where others may do as much as `preset`.
    #[must_use]
    pub fn rates(&self, preset: Rates) -> Rates {
        Rates {
            messages_per_second: self.messages_per_second.unwrap_or(preset.messages_per_second),
            bytes_per_second: self.bytes_per_second.unwrap_or(preset.bytes_per_second),
            calls_per_second: self.calls_per_second.unwrap_or(preset.calls_per_second),
            burst: preset.burst,
        }
    }
}

/// A rule in the form `ACTIONS URI AUTHORIZER`.
#[must_use]
pub fn parse_ask(text: &str) -> Option<(Rule, Box<str>)> {
    let (rule, authorizer) = text.trim_end().rsplit_once(' ')?;
    // Who pushes others out is nobody to wait for.
    let rule = Rule::parse(rule).filter(|rule| !rule.actions.has(Action::Takeover))?;
    Some((rule, authorizer.into()))
}

/// A rule in the form `ACTIONS URI` or `ACTIONS URI always|never|asked`; always if it does not say.
#[must_use]
pub fn parse_disclose(text: &str) -> Option<(Rule, Disclosure)> {
    if let Some(rule) = Rule::parse(text) {
        return Some((rule, Disclosure::Always));
    }
    let (rule, word) = text.trim_end().rsplit_once(' ')?;
    let disclosure = match word {
        "always" => Disclosure::Always,
        "never" => Disclosure::Deny,
        "asked" => Disclosure::Allow,
        _ => return None,
    };
    Some((Rule::parse(rule)?, disclosure))
}
