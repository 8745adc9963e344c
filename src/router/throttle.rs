//! Sessions that do more than their rates allow are not read until they may go on.
//!
//! Nothing is dropped and nobody is told: what a client sends stays in its socket, so that it
//! sends more slowly. Everybody else is served meanwhile.

use super::conversation::Deadline;
use super::{ConnectionId, Router};
use crate::env::Instant;
use crate::message::Message;
use crate::session::Buckets;

impl Router {
    /// The buckets of a session of `authrole` that is about to open.
    pub(super) fn buckets(&self, realm: u16, authrole: &str) -> Option<Box<Buckets>> {
        let preset = self.config.limits.session_rates();
        let mut roles = self.config.realms[usize::from(realm)].options.roles.iter();
        let role = roles.find(|role| role.name == authrole);
        Buckets::new(&role.map_or(preset, |role| role.rates(preset)))
    }

    /// Takes what `message` of so many octets costs from the rates of its session.
    pub(super) fn charge(&mut self, id: ConnectionId, message: &Message<'_>, bytes: usize) {
        let now = self.now;
        let session = self.peers.session(id.slot);
        let buckets = session.and_then(|session| session.buckets.as_mut());
        if let Some(until) = buckets.and_then(|buckets| buckets.charge(now, message, bytes)) {
            self.throttle(id, until);
        }
    }

    fn throttle(&mut self, id: ConnectionId, until: Instant) {
        self.peers.counters.throttlings += 1;
        let handle = self.deadlines.insert(until, Deadline::Throttle(id));
        let slot = self.peers.slot(id).expect("it has sent a message");
        if let Some(before) = slot.throttle.replace(handle) {
            self.deadlines.cancel(before);
        }
        self.peers.mind_reading(id);
    }

    /// A session has earned what it took.
    pub(super) fn on_throttle_over(&mut self, id: ConnectionId) {
        let Some(slot) = self.peers.slot(id) else { return };
        slot.throttle = None;
        self.peers.go_on(id);
    }
}
