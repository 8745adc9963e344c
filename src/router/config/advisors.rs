//! Whom the router asks before it decides: authenticators and authorizers.

use std::fmt;
use std::sync::Arc;
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
    /// Whether an authorizer is also told of the request's options.
    pub options: bool,
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
    /// It is asked over HTTP.
    Http(Arc<HttpTarget>),
}

/// Where and how somebody is asked over HTTP.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpTarget {
    /// `http://` or `https://`, with everything that is to be sent to.
    pub url: Box<str>,
    /// Certificates of the authorities that the server's is signed by, as PEM; none: those that
    /// the world trusts.
    pub authorities: Option<Arc<[u8]>>,
}

/// The host is all that logs are told: paths and queries may hold secrets.
impl fmt::Debug for HttpTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        write!(formatter, "{scheme}://{host}")
    }
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
            options: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_a_target_is_for_logs() {
        for (url, shown) in [
            ("https://joe:secret@example.com:8443/ask?key=secret", "https://example.com:8443"),
            ("http://localhost", "http://localhost"),
        ] {
            let target = HttpTarget { url: url.into(), authorities: None };
            assert_eq!(format!("{target:?}"), shown);
        }
    }
}
