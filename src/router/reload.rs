//! A configuration that changes while sessions are open.
//!
//! Each shard does it alone, at its own time: see [`super::shared`]. Every session of its own ends
//! whose realm was removed, or that would not be given its role any more; all others go on, under
//! what holds now.

use std::sync::Arc;

use super::config::RealmConfig;
use super::conversation::Deadline;
use super::{ConnectionId, Router, Shared};
use crate::message::uri::{close, error};
use crate::session::{Identity, Phase};

impl Router {
    /// Goes by the newest configuration there is.
    pub(super) fn on_configured(&mut self) {
        while let Some(next) = self.shared.next() {
            let next = Arc::clone(next);
            self.adopt(next);
        }
    }

    /// Goes by what came after what it went by so far.
    fn adopt(&mut self, next: Arc<Shared>) {
        let before = std::mem::replace(&mut self.shared, next);
        self.config = Arc::clone(&self.shared.config);
        self.peers.configure(&self.config.limits);
        self.realm_names = self.shared.realm_names(&self.hash_key);
        for index in before.realms.len()..self.shared.realms.len() {
            let shared = &self.shared.realms[index];
            let index = u16::try_from(index).expect("realms are counted before they are added");
            let realm = super::Realm::new(index, shared, self.peers.shard, &self.hash_key);
            self.realms.push(realm);
        }
        self.give_up_attempts();
        self.questions.memory.forget_all();
        self.cookies.review(&self.config);
        for index in 0..before.realms.len() {
            let shared = Arc::clone(&self.shared.realms[index]);
            self.realms[index].configure(&shared);
            let index = u16::try_from(index).expect("it was counted when it was added");
            if !shared.is_open && before.realms[usize::from(index)].is_open {
                self.close_realm(index);
            } else if shared.is_open {
                let realm = &before.config.realms[usize::from(index)];
                self.review_sessions(index, realm);
            }
        }
    }

    /// Ends all that goes on in a realm that was removed. Nobody in it is told of the others: all
    /// are told goodbye.
    fn close_realm(&mut self, realm: u16) {
        let is_in = |phase: &Phase| matches!(phase, Phase::Open(it) if it.realm == realm);
        let ids = self.peers.ids_where(is_in);
        self.end_sessions(&ids, close::CLOSE_REALM);
        self.realms[usize::from(realm)].forget_events();
    }

    /// Refuses the sessions that are being asked for: they would be judged by what does not hold
    /// any more. Whoever asks again is judged anew.
    fn give_up_attempts(&mut self) {
        for id in self.peers.ids_where(|phase| matches!(phase, Phase::Authenticating(_))) {
            let text = "the configuration changed meanwhile; ask again";
            self.abort(id, error::AUTHENTICATION_FAILED, text);
            self.part(id);
        }
    }

    /// Ends the sessions of a realm that would not be given their role any more, and gives the
    /// others what their role comes to now. `before` is the realm as it was.
    fn review_sessions(&mut self, realm: u16, before: &RealmConfig) {
        let config = Arc::clone(&self.config);
        let now = &config.realms[usize::from(realm)];
        let roles = Arc::clone(&self.realms[usize::from(realm)].roles);
        let slots: Vec<_> = self.realms[usize::from(realm)].sessions.values().copied().collect();
        let mut ended = Vec::new();
        for slot in slots {
            let Some(session) = self.peers.session(slot) else { continue };
            let identity = &session.identity;
            let is_known = roles.find(&identity.authrole).is_some();
            if !is_known || !is_still_admitted(identity, before, now) {
                ended.push(self.peers.id_of(slot));
            }
        }
        // Whoever may not be here any more has nothing to leave behind either.
        for id in &ended {
            if let Some(session) = self.peers.session(id.slot) {
                session.testaments = Default::default();
            }
        }
        self.end_sessions(&ended, close::ACCESS_CHANGED);
        self.apply_roles(realm, &roles);
        self.apply_rates(realm);
    }

    /// Ends sessions by no fault of theirs.
    fn end_sessions(&mut self, ids: &[ConnectionId], reason: &'static str) {
        // Every caller hears about its calls before its GOODBYE, behind which nothing may come.
        for id in ids {
            self.cancel_waiting(*id);
            if let Some(realm) = self.peers.session(id.slot).map(|session| session.realm) {
                self.in_realm(realm, |realm, context| realm.cancel_calls(id.slot, context));
            }
        }
        let silently = reason == close::CLOSE_REALM;
        for id in ids {
            // What others of these did at their end may have ended it already.
            if self.peers.session(id.slot).is_none() {
                continue;
            }
            self.end_session_quietly(*id, silently);
            self.say_goodbye(*id, reason);
            self.peers.counters.reconfigured_sessions_ended += 1;
            self.set_deadline(*id, Deadline::Goodbye(*id), self.config.limits.goodbye);
        }
    }
}

/// Whether a session would be given its role again. What was proved to somebody else stays proved;
/// what is configured here counts as it is configured now.
fn is_still_admitted(identity: &Identity, before: &RealmConfig, now: &RealmConfig) -> bool {
    if identity.authmethod == "anonymous" && *identity.authprovider == *"static" {
        return now.anonymous_role().is_some_and(|role| *role == *identity.authrole);
    }
    let principal = |realm: &RealmConfig| {
        let principal = realm.authentication.principals.find(&identity.authid);
        principal.map(Arc::clone)
    };
    principal(before).is_none_or(|known| principal(now).is_some_and(|it| it == known))
}
