//! Which subscribers a publisher wants and which it does not.

use crate::message::{Receivers, SessionId, Text};
use crate::session::{Identity, Session};

/// The black- and whitelists of one publication. All must agree.
// spec: advanced/pubsub_subscriber_blackwhite_listing
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    exclude: Vec<SessionId>,
    exclude_authid: Vec<Box<str>>,
    exclude_authrole: Vec<Box<str>>,
    /// A list that is present but empty lets nobody pass.
    eligible: Option<Vec<SessionId>>,
    eligible_authid: Option<Vec<Box<str>>>,
    eligible_authrole: Option<Vec<Box<str>>>,
    bytes_count: usize,
}

impl Filter {
    /// The filter that a publisher asks for.
    pub(super) fn new(receivers: &Receivers<'_>) -> Self {
        let sorted = |ids: &Vec<SessionId>| {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids
        };
        let filter = Self {
            exclude: receivers.exclude.as_ref().map(sorted).unwrap_or_default(),
            exclude_authid: receivers.exclude_authid.as_ref().map(owned).unwrap_or_default(),
            exclude_authrole: receivers.exclude_authrole.as_ref().map(owned).unwrap_or_default(),
            eligible: receivers.eligible.as_ref().map(sorted),
            eligible_authid: receivers.eligible_authid.as_ref().map(owned),
            eligible_authrole: receivers.eligible_authrole.as_ref().map(owned),
            bytes_count: 0,
        };
        Self { bytes_count: filter.count_bytes(), ..filter }
    }

    /// The memory it holds, in octets.
    pub(super) const fn bytes_count(&self) -> usize {
        self.bytes_count
    }

    /// Whether `session` may receive the publication.
    pub(super) fn admits(&self, session: &Session) -> bool {
        let Identity { authid, authrole, .. } = &session.identity;
        self.exclude.binary_search(&session.id).is_err()
            && self.eligible.as_ref().is_none_or(|list| list.binary_search(&session.id).is_ok())
            && self.admits_identity(authid, authrole)
    }

    /// Whether it depends on the session's id who may receive the publication. To exclude no
    /// session is the same as not to exclude any.
    pub(super) const fn names_sessions(&self) -> bool {
        !self.exclude.is_empty() || self.eligible.is_some()
    }

    /// Whether a session of that authid and authrole may receive the publication, if its id is of
    /// no matter.
    pub(super) fn admits_identity(&self, authid: &str, authrole: &str) -> bool {
        let has =
            |list: &[Box<str>], name: &str| list.binary_search_by(|n| (**n).cmp(name)).is_ok();
        !has(&self.exclude_authid, authid)
            && !has(&self.exclude_authrole, authrole)
            && self.eligible_authid.as_ref().is_none_or(|list| has(list, authid))
            && self.eligible_authrole.as_ref().is_none_or(|list| has(list, authrole))
    }

    fn count_bytes(&self) -> usize {
        let ids = self.exclude.len() + self.eligible.as_ref().map_or(0, Vec::len);
        let eligible = [&self.eligible_authid, &self.eligible_authrole].into_iter().flatten();
        let names = [&self.exclude_authid, &self.exclude_authrole].into_iter().chain(eligible);
        let name_bytes = |name: &str| size_of::<Box<str>>() + name.len();
        let names: usize = names.flatten().map(|name| name_bytes(name)).sum();
        ids * size_of::<SessionId>() + names
    }
}

fn owned(names: &Vec<Text<'_>>) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = names.iter().map(|name| Box::from(&**name)).collect();
    names.sort_unstable();
    names
}
