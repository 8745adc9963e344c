//! URIs: what is one, how patterns match, and those the specification predefines.

use super::layout::{Element, Invalid};
use crate::limits::{URI_BYTES_MAX, URI_COMPONENTS_MAX};
use crate::wire::{Malformed, Reader, Writer};

/// How strictly URIs are checked.
// spec: basic/building_blocks#uris
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UriCheck {
    /// No white space, no control characters, no `#`.
    #[default]
    Loose,
    /// Lower case letters, digits and `_` only.
    Strict,
}

/// How the URI of a subscription or registration is matched.
// spec: advanced/pubsub_pattern_based_subscription
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MatchPolicy {
    /// By equality.
    #[default]
    Exact,
    /// By beginning: the pattern is a string prefix, whole components or not.
    Prefix,
    /// Component by component: an empty one matches any one component.
    Wildcard,
}

impl MatchPolicy {
    /// All of them, in the order in which matches are reported.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Prefix, Self::Wildcard];

    /// Its name in Options and Details.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Wildcard => "wildcard",
        }
    }
}

impl<'a> Element<'a> for MatchPolicy {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        let name = reader.text()?;
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| Malformed("expected exact, prefix or wildcard").into())
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.text(self.name());
    }
}

/// A URI and how it is matched: what a subscription or registration is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// How.
    pub policy: MatchPolicy,
    /// What.
    pub uri: Box<str>,
}

impl Pattern {
    /// Whether `uri`, which is no pattern, is one of those it stands for.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        match self.policy {
            MatchPolicy::Exact => *self.uri == *uri,
            MatchPolicy::Prefix => uri.starts_with(&*self.uri),
            MatchPolicy::Wildcard => {
                let (mut wanted, mut found) = (self.uri.split('.'), uri.split('.'));
                loop {
                    match (wanted.next(), found.next()) {
                        (None, None) => return true,
                        (Some(wanted), Some(found)) if wanted.is_empty() || wanted == found => {}
                        _ => return false,
                    }
                }
            }
        }
    }
}

/// Whether `uri` may be published to, called, or stand in a message as a realm or reason.
// spec: basic/building_blocks#uris
#[must_use]
pub fn is_valid(uri: &str, check: UriCheck) -> bool {
    is_valid_pattern(uri, MatchPolicy::Exact, check)
}

/// Whether `uri` may be subscribed to or registered under `policy`.
///
/// Exact: no component is empty. Prefix: only the last may be; the empty string matches all.
/// Wildcard: any may be.
#[must_use]
pub fn is_valid_pattern(uri: &str, policy: MatchPolicy, check: UriCheck) -> bool {
    if uri.len() > URI_BYTES_MAX {
        return false;
    }
    let (mut components, mut length) = (1, 0_usize);
    for byte in uri.bytes() {
        if byte == b'.' {
            if length == 0 && policy != MatchPolicy::Wildcard {
                return false;
            }
            components += 1;
            length = 0;
            continue;
        }
        length += 1;
        let legal = match check {
            UriCheck::Loose => byte > b' ' && byte != b'#' && byte != 0x7F,
            UriCheck::Strict => matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'),
        };
        if !legal {
            return false;
        }
    }
    let complete = length > 0 || policy != MatchPolicy::Exact;
    complete && components <= URI_COMPONENTS_MAX && (uri.is_ascii() || is_legal_beyond_ascii(uri))
}

/// Whether only the router itself may register `uri` or publish to it.
// spec: basic/building_blocks#uris — the first component `wamp` is reserved
#[must_use]
pub fn is_reserved(uri: &str) -> bool {
    uri == "wamp" || uri.starts_with("wamp.")
}

fn is_legal_beyond_ascii(uri: &str) -> bool {
    !uri.chars().any(|character| character.is_whitespace() || character.is_control())
}

/// Reasons of ERROR and ABORT.
// spec: basic/uri_reference
#[expect(missing_docs, reason = "the names say it; their use is the specification's")]
pub mod error {
    pub const INVALID_URI: &str = "wamp.error.invalid_uri";
    pub const NO_SUCH_PROCEDURE: &str = "wamp.error.no_such_procedure";
    pub const PROCEDURE_ALREADY_EXISTS: &str = "wamp.error.procedure_already_exists";
    pub const NO_SUCH_REGISTRATION: &str = "wamp.error.no_such_registration";
    pub const NO_SUCH_SUBSCRIPTION: &str = "wamp.error.no_such_subscription";
    pub const INVALID_ARGUMENT: &str = "wamp.error.invalid_argument";
    pub const CANCELED: &str = "wamp.error.canceled";
    pub const PAYLOAD_SIZE_EXCEEDED: &str = "wamp.error.payload_size_exceeded";
    pub const PROTOCOL_VIOLATION: &str = "wamp.error.protocol_violation";
    pub const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
    pub const AUTHORIZATION_FAILED: &str = "wamp.error.authorization_failed";
    pub const NO_SUCH_ROLE: &str = "wamp.error.no_such_role";
    pub const NO_SUCH_REALM: &str = "wamp.error.no_such_realm";
    pub const NO_MATCHING_AUTH_METHOD: &str = "wamp.error.no_matching_auth_method";
    pub const AUTHENTICATION_DENIED: &str = "wamp.error.authentication_denied";
    pub const AUTHENTICATION_REQUIRED: &str = "wamp.error.authentication_required";
    pub const AUTHENTICATION_FAILED: &str = "wamp.error.authentication_failed";
    pub const FEATURE_NOT_SUPPORTED: &str = "wamp.error.feature_not_supported";
    pub const NO_SUCH_SESSION: &str = "wamp.error.no_such_session";
    pub const TIMEOUT: &str = "wamp.error.timeout";
    pub const UNAVAILABLE: &str = "wamp.error.unavailable";
    pub const NO_AVAILABLE_CALLEE: &str = "wamp.error.no_available_callee";
    pub const OPTION_NOT_ALLOWED: &str = "wamp.error.option_not_allowed";
    pub const DISCLOSURE_NOT_ALLOWED: &str = "wamp.error.option_disallowed.disclose_me";
    pub const NETWORK_FAILURE: &str = "wamp.error.network_failure";
    /// Ours: a session reached a bound of its own (subscriptions, registrations, pending calls).
    pub const LIMIT_EXCEEDED: &str = "gigawamp.error.limit_exceeded";
    /// Ours: no session can be opened now, for memory is short.
    pub const OVERLOADED: &str = "gigawamp.error.overloaded";
    /// Ours: the session read too slowly and was ended.
    pub const SLOW_PEER: &str = "gigawamp.error.slow_peer";
}

/// Reasons of GOODBYE, of ABORT when the router goes down, and of revocations.
// spec: basic/uri_reference
#[expect(missing_docs, reason = "the names say it; their use is the specification's")]
pub mod close {
    pub const SYSTEM_SHUTDOWN: &str = "wamp.close.system_shutdown";
    pub const CLOSE_REALM: &str = "wamp.close.close_realm";
    /// Of GOODBYE from clients: who they were is to be forgotten.
    pub const LOGOUT: &str = "wamp.close.logout";
    pub const KILLED: &str = "wamp.close.killed";
    pub const GOODBYE_AND_OUT: &str = "wamp.close.goodbye_and_out";
    /// Ours: the configuration changed, and what this session may do would not be granted again.
    pub const ACCESS_CHANGED: &str = "gigawamp.close.access_changed";
    /// Ours: another callee took the procedure over.
    pub const TAKEN_OVER: &str = "gigawamp.close.taken_over";
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: basic/building_blocks#uris
    #[test]
    fn uris_are_judged_by_policy_and_strictness() {
        use MatchPolicy::{Exact, Prefix, Wildcard};
        // (uri, loose: exact prefix wildcard, strict: exact prefix wildcard)
        let table = [
            ("com.myapp.topic1", [true; 3], [true; 3]),
            ("com.My-App.topic", [true; 3], [false; 3]),
            ("a", [true; 3], [true; 3]),
            ("", [false, true, true], [false, true, true]),
            (".", [false, false, true], [false, false, true]),
            ("com..topic", [false, false, true], [false, false, true]),
            ("com.topic.", [false, true, true], [false, true, true]),
            (".com", [false, false, true], [false, false, true]),
            ("com.my app", [false; 3], [false; 3]),
            ("com.my#app", [false; 3], [false; 3]),
            ("com.my\u{a0}app", [false; 3], [false; 3]),
            ("com.my\u{2028}app", [false; 3], [false; 3]),
            ("com.my\u{1}app", [false; 3], [false; 3]),
            ("com.müll.straße", [true; 3], [false; 3]),
        ];
        for (uri, loose, strict) in table {
            for (index, policy) in [Exact, Prefix, Wildcard].into_iter().enumerate() {
                let judged = is_valid_pattern(uri, policy, UriCheck::Loose);
                assert_eq!(judged, loose[index], "{uri:?} {policy:?} loose");
                let judged = is_valid_pattern(uri, policy, UriCheck::Strict);
                assert_eq!(judged, strict[index], "{uri:?} {policy:?} strict");
            }
        }
    }

    #[test]
    fn uris_are_bounded() {
        assert!(is_valid(&"a".repeat(1_000), UriCheck::Loose));
        assert!(!is_valid(&"a".repeat(1_001), UriCheck::Loose));
        assert!(is_valid(&vec!["a"; 64].join("."), UriCheck::Loose));
        assert!(!is_valid(&vec!["a"; 65].join("."), UriCheck::Loose));
    }

    #[test]
    fn patterns_match_what_they_stand_for() {
        use MatchPolicy::{Exact, Prefix, Wildcard};
        for (policy, pattern, uri, expected) in [
            (Exact, "a.b", "a.b", true),
            (Exact, "a.b", "a.b.c", false),
            (Prefix, "a.b", "a.bc", true),
            (Prefix, "", "a", true),
            (Prefix, "a.b", "a", false),
            (Wildcard, "a..c", "a.b.c", true),
            (Wildcard, "a..c", "a.b.d", false),
            (Wildcard, "a..c", "a.b.c.d", false),
            (Wildcard, "a..c", "a.b", false),
            (Wildcard, "", "a", true),
        ] {
            let matches = Pattern { policy, uri: pattern.into() }.matches(uri);
            assert_eq!(matches, expected, "{policy:?} {pattern:?} {uri:?}");
        }
    }

    #[test]
    fn only_a_whole_first_component_is_reserved() {
        assert!(is_reserved("wamp") && is_reserved("wamp.foo"));
        assert!(!is_reserved("wampx.foo") && !is_reserved("com.wamp.foo"));
    }
}
