//! Sessions that do more than their rates allow are not read until they may go on.
//!
//! Nothing is dropped and nobody is told: what a client sends stays in its socket, so that it
//! sends more slowly. Everybody else is served meanwhile.

use std::collections::BTreeMap;

use super::conversation::Deadline;
use super::{ConnectionId, Router};
use crate::env::Instant;
use crate::message::Message;
use crate::session::{Buckets, Rates};

impl Router {
    /// The buckets of a session of `authrole` that is about to open: what the last session on this
    /// connection has left, or full ones.
    pub(super) fn buckets(
        &mut self,
        id: ConnectionId,
        (realm, authrole): (u16, &str),
    ) -> Option<Box<Buckets>> {
        let preset = self.config.limits.session_rates();
        let mut roles = self.config.realms[usize::from(realm)].options.roles.iter();
        let role = roles.find(|role| role.name == authrole);
        let rates = role.map_or(preset, |role| role.rates(preset));
        self.fill(id, &rates)
    }

    /// Buckets for those rates, as full as this connection may have them; none if nothing is
    /// limited.
    fn fill(&mut self, id: ConnectionId, rates: &Rates) -> Option<Box<Buckets>> {
        let full = Buckets::new(rates)?;
        let left = self.peers.slot(id).and_then(|slot| slot.buckets.take());
        Some(left.map_or(full, |mut left| {
            left.pass_on(rates, self.now);
            left
        }))
    }

    /// Keeps the buckets of a session that ends for the next one on the same connection.
    pub(super) fn keep_buckets(&mut self, id: ConnectionId, buckets: Option<Box<Buckets>>) {
        if let (Some(slot), Some(buckets)) = (self.peers.slot(id), buckets) {
            slot.buckets = Some(buckets);
        }
    }

    /// Has the open sessions of a realm go by the rates that are configured now.
    pub(super) fn apply_rates(&mut self, realm: u16) {
        let preset = self.config.limits.session_rates();
        let roles = &self.config.realms[usize::from(realm)].options.roles;
        let rates: BTreeMap<Box<str>, Rates> =
            roles.iter().map(|role| (role.name.as_str().into(), role.rates(preset))).collect();
        let slots: Vec<_> = self.realms[usize::from(realm)].sessions.values().copied().collect();
        for slot in slots {
            let id = self.peers.id_of(slot);
            let Some(session) = self.peers.session(slot) else { continue };
            let rates = *rates.get(&*session.identity.authrole).unwrap_or(&preset);
            let buckets = session.buckets.take();
            let buckets = match buckets {
                None => self.fill(id, &rates),
                Some(buckets) if Buckets::new(&rates).is_none() => {
                    self.keep_buckets(id, Some(buckets));
                    None
                }
                Some(mut buckets) => {
                    buckets.change(&rates, self.now);
                    Some(buckets)
                }
            };
            let until = buckets.as_ref().and_then(|buckets| buckets.empty_until(self.now));
            if let Some(session) = self.peers.session(slot) {
                session.buckets = buckets;
            }
            self.hold_until(id, until);
        }
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

    /// Moves the moment until which a session is held back, if it is.
    fn hold_until(&mut self, id: ConnectionId, until: Option<Instant>) {
        let Some(slot) = self.peers.slot(id) else { return };
        let Some(before) = slot.throttle.take() else { return };
        self.deadlines.cancel(before);
        match until {
            Some(until) => {
                slot.throttle = Some(self.deadlines.insert(until, Deadline::Throttle(id)));
            }
            None => self.peers.go_on(id),
        }
    }

    /// A session has earned what it took.
    pub(super) fn on_throttle_over(&mut self, id: ConnectionId) {
        let Some(slot) = self.peers.slot(id) else { return };
        slot.throttle = None;
        self.peers.go_on(id);
    }
}
