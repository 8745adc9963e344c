//! What simulated peers ask of the router itself.

use super::{Gossip, Workload, next};
use crate::message::MatchPolicy;
use crate::sim::asking::{Asking, Kind, Question, Victims};
use crate::sim::peer::Peer;
use crate::sim::rights::ROLES;
use crate::sim::said::{Cargo, Publishing, Said};

/// What the router tells of its own accord.
const FACTS: [&str; 10] = [
    "wamp.session.on_join",
    "wamp.session.on_leave",
    "wamp.subscription.on_create",
    "wamp.subscription.on_subscribe",
    "wamp.subscription.on_unsubscribe",
    "wamp.subscription.on_delete",
    "wamp.registration.on_create",
    "wamp.registration.on_register",
    "wamp.registration.on_unregister",
    "wamp.registration.on_delete",
];

impl Workload {
    pub(super) fn subscribe_to_facts(&mut self, peer: &mut Peer) -> Said {
        let (policy, topic) = match self.random.below(6) {
            0 => (MatchPolicy::Prefix, "wamp."),
            1 => (MatchPolicy::Prefix, "wamp.subscription."),
            2 => (MatchPolicy::Wildcard, "wamp..on_delete"),
            _ => (MatchPolicy::Exact, self.random.one_of(&FACTS)),
        };
        let request = next(&mut peer.known);
        Said::Subscribe { request, policy, topic: topic.into(), get_retained: false }
    }

    pub(super) fn ask_of_sessions(&mut self, peer: &mut Peer, gossip: &Gossip) -> Said {
        let roles = self.random.one_in(4).then(|| self.role(peer.realm));
        let asking = match self.random.below(3) {
            0 => Asking::SessionCount { roles },
            1 => Asking::SessionList { roles },
            _ => Asking::SessionGet(self.somebody(gossip)),
        };
        Said::Ask { request: next(&mut peer.known), asking }
    }

    pub(super) fn ask_of_entries(&mut self, peer: &mut Peer, gossip: &Gossip) -> Said {
        let kind = self.random.one_of(&[Kind::Registration, Kind::Subscription]);
        let known = match kind {
            Kind::Registration => &gossip.registrations,
            Kind::Subscription => &gossip.subscriptions,
        };
        let nobodys = known.is_empty() || self.random.one_in(10);
        let entry = if nobodys { 1_000_000 } else { self.random.one_of(known) };
        let question = match self.random.below(8) {
            0 => Question::List,
            1 => {
                let (policy, uri) = self.pattern();
                Question::Lookup(policy, uri)
            }
            2 => Question::Match(self.name()),
            3 => Question::Get(entry),
            4 => Question::Members(entry),
            // What limits refuse was not taken, and who knows which it was.
            5 | 6 if !self.swarm.faults.small_limits => {
                Question::Remove { entry, session: self.somebody(gossip) }
            }
            _ => Question::CountMembers(entry),
        };
        Said::Ask { request: next(&mut peer.known), asking: Asking::Entries(kind, question) }
    }

    pub(super) fn kill(&mut self, peer: &mut Peer, gossip: &Gossip) -> Said {
        let victims = match self.random.below(6) {
            0 if !gossip.authids.is_empty() => Victims::Authid(self.random.one_of(&gossip.authids)),
            1 => Victims::Authrole(self.role(peer.realm)),
            2 => Victims::All,
            _ => Victims::Session(self.somebody(gossip)),
        };
        let reason = self.random.one_in(3).then(|| self.random.one_of(&["com.sim.enough", "no #"]));
        let asking = Asking::Kill { victims, reason };
        Said::Ask { request: next(&mut peer.known), asking }
    }

    pub(super) fn testament(
        &mut self,
        peer: &mut Peer,
        cargo: &mut Vec<Cargo>,
        gossip: &Gossip,
    ) -> Said {
        let scopes = [None, None, Some("destroyed"), Some("detached"), Some("someday")];
        let scope = self.random.one_of(&scopes);
        if self.random.one_in(4) {
            let asking = Asking::FlushTestaments { scope };
            return Said::Ask { request: next(&mut peer.known), asking };
        }
        let publishing = self.publishing(peer, cargo, gossip);
        let publishing = Publishing { passthru: false, acknowledge: false, ..publishing };
        // It is said inside another payload, and kept in a form of the router's own.
        cargo[publishing.cargo].tail.clear();
        let asking = Asking::AddTestament { publishing, scope };
        Said::Ask { request: next(&mut peer.known), asking }
    }

    /// A role that sessions of a realm may have, or nobody.
    fn role(&mut self, realm: usize) -> &'static str {
        match self.rights[realm].are_open() {
            true => self.random.one_of(&["anonymous", "nobody"]),
            false => self.random.one_of(&ROLES),
        }
    }

    /// A session that is or was there, or nobody.
    fn somebody(&mut self, gossip: &Gossip) -> u64 {
        let latest = gossip.sessions.len().saturating_sub(4);
        match self.random.below(8) {
            _ if gossip.sessions.is_empty() => 1,
            0 => 1,
            1 | 2 => self.random.one_of(&gossip.sessions),
            _ => self.random.one_of(&gossip.sessions[latest..]),
        }
    }
}
