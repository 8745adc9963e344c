//! What a configuration that changes does to those who are there: who is ended, and who loses what.

use super::{Identity, Model, Place, Stand};
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::session::auth::Method;
use crate::sim::asking::Kind;
use crate::sim::machine::LinkId;
use crate::sim::rights::{Effect, Rights};

/// What a session holds, and what the rules said of it before they changed.
struct Held {
    session: Place,
    kind: Kind,
    place: Place,
    before: Effect,
}

impl Model {
    /// The configuration has changed on a shard: this is what holds there now. Whoever is about to
    /// prove something has to ask again; who would not be let in any more is told goodbye; and
    /// what may not be had any more is taken.
    pub fn configure(&mut self, shard: usize, rights: &[Rights]) {
        self.forget_opinions(shard);
        self.give_up_proofs(shard);
        let first_fact = self.facts.len();
        let held = self.held_on(shard);
        let before = std::mem::replace(&mut self.rights[shard], rights.to_vec());
        let ended: Vec<Place> = (0..self.sessions.len())
            .filter(|session| {
                let known = &self.sessions[*session];
                let (before, now) = (&before[known.realm], &rights[known.realm]);
                let is_here = known.open && known.shard == shard;
                is_here && !is_still_admitted(&known.identity, before, now)
            })
            .collect();
        for session in &ended {
            self.give_up_calls(self.sessions[*session].link);
            let known = &mut self.sessions[*session];
            known.testaments = [Vec::new(), Vec::new()];
            known.dismissed = true;
        }
        for session in ended {
            self.end(self.sessions[session].link, Stand::Leaving);
        }
        for held in held {
            self.review(&held);
        }
        // Which of them was first is not known, so somebody who loses a subscription may hear of
        // another who lost something or not.
        self.facts[first_fact..].iter_mut().for_each(|fact| fact.loose = true);
    }

    /// Takes what was held away if it may not be had any more. What an authorizer has granted
    /// stays while it is left to one.
    fn review(&mut self, held: &Held) {
        let Held { session, kind, place, before } = *held;
        if !self.sessions[session].open {
            return;
        }
        let lost = match self.effect_of(session, kind, place) {
            Effect::Allow => false,
            Effect::Ask => before != Effect::Ask,
            Effect::Deny => true,
        };
        if lost {
            let id = match kind {
                Kind::Subscription => self.subscriptions[place].id,
                Kind::Registration => self.registrations[place].id,
            };
            self.remove(session, (kind, id));
            self.left.push((self.step, session, (kind, place)));
        }
    }

    /// What the sessions of a shard hold.
    fn held_on(&self, shard: usize) -> Vec<Held> {
        let mut all = Vec::new();
        let here = |(_, known): &(Place, &super::Session)| known.open && known.shard == shard;
        for (session, _) in self.sessions.iter().enumerate().filter(here) {
            let mut hold = |kind, place| {
                let before = self.effect_of(session, kind, place);
                all.push(Held { session, kind, place, before });
            };
            for (place, known) in self.subscriptions.iter().enumerate() {
                if known.holders.contains(&session) {
                    hold(Kind::Subscription, place);
                }
            }
            for (place, known) in self.registrations.iter().enumerate() {
                if known.is_held_by(session) {
                    hold(Kind::Registration, place);
                }
            }
        }
        all
    }

    /// What the rules say of a subscription or registration of a session.
    fn effect_of(&self, session: Place, kind: Kind, place: Place) -> Effect {
        let (action, object): (_, (MatchPolicy, &str)) = match kind {
            Kind::Subscription => {
                let known = &self.subscriptions[place];
                ("subscribe", (known.policy, &known.uri))
            }
            Kind::Registration => {
                let known = &self.registrations[place];
                ("register", (known.policy, &known.uri))
            }
        };
        self.judge(session, action, object)
    }

    fn give_up_proofs(&mut self, shard: usize) {
        let here = |link: &LinkId| self.shards[link] == shard;
        let proving = self.stands.iter().filter(|(_, it)| matches!(it, Stand::Proving(_)));
        let links: Vec<_> = proving.map(|(link, _)| *link).filter(here).collect();
        for link in links {
            self.turn_away(link, error::AUTHENTICATION_FAILED);
        }
    }
}

/// Whether somebody who was let in would be let in again, as the same.
fn is_still_admitted(identity: &Identity, before: &Rights, now: &Rights) -> bool {
    if identity.method == Method::Anonymous.name() {
        return now.anonymous_role() == Some(identity.role);
    }
    let principal = |rights: &Rights| {
        let mut principals = rights.principals.iter();
        principals.find(|known| Some(known.authid) == identity.authid).cloned()
    };
    principal(before) == principal(now)
}
