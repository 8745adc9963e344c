//! What others are told of who calls or publishes.

use std::sync::Arc;

use super::config::RealmOptions;
use crate::message::SessionId;
use crate::session::Identity;

/// What is told of a caller or publisher.
#[derive(Debug)]
pub(super) struct Told {
    /// Its session, authid and authrole, if it is to be known.
    pub(super) identity: Option<(SessionId, Arc<str>, Arc<str>)>,
    /// How far it is trusted with what it does, if that is told.
    pub(super) trustlevel: Option<u64>,
}

impl Told {
    /// What is told of `session`, which does something with that URI. Nothing is copied of one that
    /// is not disclosed, as most are not.
    pub(super) fn new(
        (session, identity): (SessionId, &Identity),
        disclosed: bool,
        uri: &str,
        realm: &RealmOptions,
    ) -> Self {
        let names = || (session, Arc::clone(&identity.authid), Arc::clone(&identity.authrole));
        let trustlevel = realm.trust_level(&identity.authrole, uri);
        Self { identity: disclosed.then(names), trustlevel }
    }
}
