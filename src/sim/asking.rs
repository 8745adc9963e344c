//! What simulated peers ask of the router itself: calls of the meta API, as data.

use super::said::{Cargo, Publishing, matching};
use super::value::Value;
use crate::message::MatchPolicy;

/// One call of a meta procedure.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the specification's own words")]
pub enum Asking {
    SessionCount {
        roles: Option<&'static str>,
    },
    SessionList {
        roles: Option<&'static str>,
    },
    SessionGet(u64),
    /// `wamp.session.kill…`
    Kill {
        victims: Victims,
        reason: Option<&'static str>,
    },
    AddTestament {
        publishing: Publishing,
        scope: Option<&'static str>,
    },
    FlushTestaments {
        scope: Option<&'static str>,
    },
    /// About registrations or subscriptions.
    Entries(Kind, Question),
}

/// Whom a kill is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Victims {
    /// One session.
    Session(u64),
    /// All of an authid.
    Authid(String),
    /// All of a role.
    Authrole(&'static str),
    /// All.
    All,
}

/// One of the two kinds of entries that a realm has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Registrations.
    Registration,
    /// Subscriptions.
    Subscription,
}

/// What is asked of registrations or subscriptions.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the specification's own words")]
pub enum Question {
    List,
    Lookup(MatchPolicy, String),
    Match(String),
    Get(u64),
    /// `list_callees`, `list_subscribers`
    Members(u64),
    /// `count_callees`, `count_subscribers`
    CountMembers(u64),
    /// `remove_callee`, `remove_subscriber`: a session loses an entry.
    Remove {
        entry: u64,
        session: u64,
    },
}

impl Asking {
    /// Whether it takes something from other sessions.
    #[must_use]
    pub const fn is_forceful(&self) -> bool {
        matches!(self, Self::Kill { .. } | Self::Entries(_, Question::Remove { .. }))
    }

    /// The procedure's URI.
    #[must_use]
    pub fn procedure(&self) -> String {
        let name = match self {
            Self::SessionCount { .. } => "session.count",
            Self::SessionList { .. } => "session.list",
            Self::SessionGet(_) => "session.get",
            Self::Kill { victims, .. } => match victims {
                Victims::Session(_) => "session.kill",
                Victims::Authid(_) => "session.kill_by_authid",
                Victims::Authrole(_) => "session.kill_by_authrole",
                Victims::All => "session.kill_all",
            },
            Self::AddTestament { .. } => "session.add_testament",
            Self::FlushTestaments { .. } => "session.flush_testaments",
            Self::Entries(kind, question) => return format!("wamp.{}", question.name(*kind)),
        };
        format!("wamp.{name}")
    }

    /// Arguments and ArgumentsKw.
    #[must_use]
    pub fn payload(&self, cargo: &[Cargo]) -> Vec<Value> {
        let (arguments, keywords) = match self {
            Self::SessionCount { roles } | Self::SessionList { roles } => {
                let roles = roles.iter().map(|role| Value::List(vec![(*role).into()]));
                (roles.collect(), Vec::new())
            }
            Self::SessionGet(id) => (vec![(*id).into()], Vec::new()),
            Self::Kill { victims, reason } => {
                let reason = reason.iter().map(|reason| ("reason".into(), (*reason).into()));
                let victims = match victims {
                    Victims::Session(id) => vec![(*id).into()],
                    Victims::Authid(name) => vec![name.as_str().into()],
                    Victims::Authrole(name) => vec![(*name).into()],
                    Victims::All => Vec::new(),
                };
                (victims, reason.collect())
            }
            Self::AddTestament { publishing, scope } => {
                let cargo = &cargo[publishing.cargo];
                let mut arguments = vec![publishing.topic.as_str().into(), cargo.arguments.clone()];
                arguments.extend(cargo.keywords.clone());
                let mut keywords = scope_of(*scope);
                keywords.push(("publish_options".into(), publishing.options()));
                (arguments, keywords)
            }
            Self::FlushTestaments { scope } => (Vec::new(), scope_of(*scope)),
            Self::Entries(_, question) => (question.arguments(), Vec::new()),
        };
        let mut payload = vec![Value::List(arguments)];
        if !keywords.is_empty() {
            payload.push(Value::Dict(keywords));
        }
        payload
    }
}

impl Question {
    fn name(&self, kind: Kind) -> &'static str {
        let names = match self {
            Self::List => ["registration.list", "subscription.list"],
            Self::Lookup(..) => ["registration.lookup", "subscription.lookup"],
            Self::Match(_) => ["registration.match", "subscription.match"],
            Self::Get(_) => ["registration.get", "subscription.get"],
            Self::Members(_) => ["registration.list_callees", "subscription.list_subscribers"],
            Self::CountMembers(_) => {
                ["registration.count_callees", "subscription.count_subscribers"]
            }
            Self::Remove { .. } => ["registration.remove_callee", "subscription.remove_subscriber"],
        };
        names[kind as usize]
    }

    fn arguments(&self) -> Vec<Value> {
        match self {
            Self::List => Vec::new(),
            Self::Lookup(policy, uri) => vec![uri.as_str().into(), matching(*policy)],
            Self::Match(uri) => vec![uri.as_str().into()],
            Self::Get(id) | Self::Members(id) | Self::CountMembers(id) => vec![(*id).into()],
            Self::Remove { entry, session } => vec![(*entry).into(), (*session).into()],
        }
    }
}

fn scope_of(scope: Option<&'static str>) -> Vec<(String, Value)> {
    scope.iter().map(|scope| ("scope".into(), (*scope).into())).collect()
}

/// The place of a scope in a session's testaments, if it is one.
#[must_use]
pub fn bucket_of(scope: Option<&str>) -> Option<usize> {
    match scope {
        Some("detached") => Some(0),
        None | Some("destroyed") => Some(1),
        Some(_) => None,
    }
}
