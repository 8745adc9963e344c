//! Whom the router asks before it decides: authenticators and authorizers.

use std::time::Duration;

/// Somebody who is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvisorConfig {
    /// By which name rules refer to it, and logs.
    pub name: Box<str>,
    /// How it is reached.
    pub kind: AdvisorKind,
    /// How long its answer is awaited. Without one in time it has failed.
    pub timeout: Duration,
    /// How long its answer counts for the same question. Zero: it is asked each time.
    pub cache: Duration,
}

/// How an advisor is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvisorKind {
    /// It is a procedure, called by the router itself.
    Procedure {
        /// Where the procedure is registered; none: in the realm whose question it is.
        realm: Option<Box<str>>,
        /// What is called; nothing that is reserved for the router.
        uri: Box<str>,
    },
}

impl AdvisorConfig {
    /// The advisor of that name behind the procedure `uri` of the asking realm, with five seconds
    /// to answer, and answers that count for one.
    #[must_use]
    pub fn procedure(name: &str, uri: &str) -> Self {
        Self {
            name: name.into(),
            kind: AdvisorKind::Procedure { realm: None, uri: uri.into() },
            timeout: Duration::from_secs(5),
            cache: Duration::from_secs(1),
        }
    }
}
