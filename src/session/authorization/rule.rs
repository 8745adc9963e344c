//! Rules as they are written: what may be done with which URIs.

use crate::message::UriCheck;
use crate::message::uri::{MatchPolicy, Pattern, is_valid_pattern};

/// What a peer may want to do with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// CALL.
    Call,
    /// REGISTER, of a procedure or a pattern.
    Register,
    /// PUBLISH.
    Publish,
    /// SUBSCRIBE, to a topic or a pattern.
    Subscribe,
    /// REGISTER in the place of others: with `force_reregister`, or by a pattern that any
    /// procedure fits.
    Takeover,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Call, Self::Register, Self::Publish, Self::Subscribe, Self::Takeover];

    /// Its name in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Register => "register",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Takeover => "takeover",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// What `*` means in a rule: all but [`Action::Takeover`], which must be named.
    pub const ORDINARY: Self = Self(0b1111);

    /// The actions named in `text`, separated by commas; or `*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self::default(), |actions, name| {
            let added = match name {
                "*" => Self::ORDINARY,
                name => Self::only(Action::from_name(name)?),
            };
            Some(Self(actions.0 | added.0))
        })
    }

    /// Just that one.
    #[must_use]
    pub const fn only(action: Action) -> Self {
        Self(1 << action as u8)
    }

    /// Whether `action` is one of them.
    #[must_use]
    pub const fn has(self, action: Action) -> bool {
        self.0 & Self::only(action).0 != 0
    }
}

/// What stands for the peer's own authid in the URI of a rule: a whole component.
pub const AUTHID: &str = "${authid}";

/// What some actions and URIs have in common: half a sentence, the other half of which is whether
/// they are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is done.
    pub actions: Actions,
    /// With what. Components may be [`AUTHID`], and until [`Rule::of`] also `${realm}` and
    /// `${authrole}`.
    pub uris: Pattern,
}

impl Rule {
    /// A rule in the form `ACTIONS URI`: actions are separated by commas, or `*`; a URI with `*`
    /// at its end is a prefix, one with an empty component a wildcard. `${authid}`, `${realm}` and
    /// `${authrole}` may be components.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (actions, uris) = (Actions::parse(words.next()?)?, pattern(words.next()?)?);
        words.next().is_none().then_some(Self { actions, uris })
    }

    /// The rule as it is meant for sessions of the role `authrole` in `realm`.
    #[must_use]
    pub fn of(&self, realm: &str, authrole: &str) -> Self {
        let meant = |component| match component {
            "${realm}" => realm,
            "${authrole}" => authrole,
            other => other,
        };
        let components: Vec<_> = self.uris.uri.split('.').map(meant).collect();
        let uri = components.join(".").into();
        Self { actions: self.actions, uris: Pattern { policy: self.uris.policy, uri } }
    }
}

/// The pattern that `text` means, if all that looks like a variable in it is one.
fn pattern(text: &str) -> Option<Pattern> {
    let (policy, uri) = match text.strip_suffix('*') {
        Some(prefix) => (MatchPolicy::Prefix, prefix),
        None if text.split('.').any(str::is_empty) => (MatchPolicy::Wildcard, text),
        None => (MatchPolicy::Exact, text),
    };
    let is_plain = |component: &str| !component.contains("${");
    let is_variable = |component| matches!(component, AUTHID | "${realm}" | "${authrole}");
    let known = uri.split('.').all(|component| is_plain(component) || is_variable(component));
    // What begins with an authid may begin with another, longer one: `joe*` would be `joey` too.
    let open = policy == MatchPolicy::Prefix && uri.ends_with('}') && !is_plain(last(uri));
    let sound = known && !open && is_valid_pattern(uri, policy, UriCheck::Loose);
    sound.then(|| Pattern { policy, uri: uri.into() })
}

fn last(uri: &str) -> &str {
    uri.rsplit('.').next().unwrap_or(uri)
}
