//! What the reference router tells of its own accord, and who must hear it.

#![expect(clippy::wildcard_enum_match_arm, reason = "all else is asked of something else")]

use super::{Due, Ending, Fact, Model, Place, is_reserved, matches};
use crate::sim::asking::{Asking, Kind};

impl Model {
    pub(super) fn on_join(&mut self, session: Place) {
        let realm = self.sessions[session].realm;
        for inquiry in self.inquiries.iter_mut().filter(|inquiry| inquiry.open) {
            let wanted = match &inquiry.asking {
                Asking::SessionCount { roles } | Asking::SessionList { roles } => {
                    roles.is_none_or(|role| role == self.sessions[session].identity.role)
                }
                Asking::Kill { .. } => true,
                _ => false,
            };
            if wanted && self.sessions[inquiry.asker].realm == realm {
                inquiry.may.insert(session);
            }
        }
        self.tell(session, "wamp.session.on_join", (session, None), Ending::Told);
    }

    pub(super) fn on_subscribe(&mut self, session: Place, subscription: Place, created: bool) {
        self.now_behind(session, (Kind::Subscription, subscription));
        if is_reserved(&self.subscriptions[subscription].uri) {
            return;
        }
        let entry = Some((Kind::Subscription, subscription));
        if created {
            let topic = "wamp.subscription.on_create";
            self.tell(session, topic, (session, entry), Ending::Told);
        }
        self.tell(session, "wamp.subscription.on_subscribe", (session, entry), Ending::Told);
    }

    pub(super) fn on_unsubscribe(&mut self, session: Place, subscription: Place) {
        self.tell_unsubscribe(session, subscription, Ending::Told);
    }

    fn tell_unsubscribe(&mut self, session: Place, subscription: Place, ending: Ending) {
        self.lose(session, (Kind::Subscription, self.subscriptions[subscription].id));
        self.not_behind(session, (Kind::Subscription, subscription));
        if !self.subscriptions[subscription].exists() {
            self.on_deleted((Kind::Subscription, self.subscriptions[subscription].id));
        }
        let known = &self.subscriptions[subscription];
        let last = !known.exists();
        if is_reserved(&known.uri) {
            return;
        }
        let about = (session, Some((Kind::Subscription, subscription)));
        self.tell(session, "wamp.subscription.on_unsubscribe", about, ending);
        if last {
            self.tell_delete("wamp.subscription.on_delete", about, ending);
        }
    }

    /// An entry is gone with `session`. If several left it at once, each may have been the last.
    pub(super) fn tell_delete(
        &mut self,
        topic: &'static str,
        (session, entry): (Place, Option<(Kind, Place)>),
        ending: Ending,
    ) {
        let others =
            self.left.iter().filter(|(step, _, left)| *step == self.step && Some(*left) == entry);
        let others: Vec<Place> = others.map(|(_, other, _)| *other).collect();
        if others.is_empty() {
            return self.tell(session, topic, (session, entry), ending);
        }
        let (realm, step) = (self.sessions[session].realm, self.step);
        for session in others.into_iter().chain([session]) {
            let source = session;
            self.facts.push(Fact { realm, source, step, topic, session, entry, loose: true });
        }
    }

    /// `source` has had `callee` leave a registration, or join it.
    pub(super) fn tell_registration(
        &mut self,
        source: Place,
        topic: &'static str,
        (callee, registration): (Place, Place),
        ending: Ending,
    ) {
        let about = (callee, Some((Kind::Registration, registration)));
        self.tell(source, topic, about, ending);
    }

    /// A session that has ended leaves everything, and others are told.
    pub(super) fn leave(&mut self, session: Place, ending: Ending) {
        for inquiry in &mut self.inquiries {
            inquiry.must.remove(&session);
        }
        // It is out of all subscriptions before anything is told.
        let mut left = Vec::new();
        for place in 0..self.subscriptions.len() {
            let holders = &mut self.subscriptions[place].holders;
            if holders.contains(&session) {
                holders.retain(|holder| *holder != session);
                left.push(place);
            }
        }
        for place in left {
            self.tell_unsubscribe(session, place, ending);
            self.left.push((self.step, session, (Kind::Subscription, place)));
        }
        for place in 0..self.registrations.len() {
            if self.registrations[place].is_held_by(session) {
                self.part_as(place, session, ending);
                self.left.push((self.step, session, (Kind::Registration, place)));
            }
        }
        if ending != Ending::Silent {
            let testaments = std::mem::take(&mut self.sessions[session].testaments);
            for publishing in testaments.iter().flatten() {
                let place = self.spread(session, publishing);
                if publishing.retain {
                    // Of what several leave in one step nobody knows which is the latest.
                    let realm = self.sessions[session].realm;
                    self.doubtful_topics.insert((realm, publishing.topic.clone()));
                }
                if ending == Ending::MaybeTold {
                    self.relax_publication(place);
                }
            }
        }
        self.tell(session, "wamp.session.on_leave", (session, None), ending);
    }

    /// A publication must not be heard; it may.
    fn relax_publication(&mut self, publication: Place) {
        let publisher = self.publications[publication].publisher;
        for session in &mut self.sessions {
            let due = session.due.entry(publisher).or_default().iter_mut();
            due.filter(|due| due.what == publication).for_each(|due| due.must = false);
        }
    }

    /// The router tells something to those who have subscribed to it.
    fn tell(
        &mut self,
        source: Place,
        topic: &'static str,
        (session, entry): (Place, Option<(Kind, Place)>),
        ending: Ending,
    ) {
        if ending == Ending::Silent {
            return;
        }
        let realm = self.sessions[session].realm;
        let what = self.facts.len();
        let step = self.step;
        self.facts.push(Fact { realm, source, step, topic, session, entry, loose: false });
        for (subscription, known) in self.subscriptions.iter().enumerate() {
            if known.realm != realm || !matches(known.policy, &known.uri, topic) {
                continue;
            }
            for holder in &known.holders {
                let must = ending == Ending::Told;
                let due = self.sessions[*holder].due_facts.entry(source).or_default();
                due.push_back(Due { what, subscription, must });
            }
        }
    }
}
