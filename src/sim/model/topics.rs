//! The reference router's broker: who must hear what, and what is kept for whom.

use super::{Answer, Due, Model, Place, Publication, Purpose, Subscription};
use super::{is_legal, is_reserved, matches};
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::router::config::Disclosure;
use crate::sim::asking::Kind;
use crate::sim::said::Publishing;
use crate::sim::swarm::histories;

/// Events of one topic that are kept because they are for some receivers only.
const RESTRICTED_MAX: usize = 8;

impl Model {
    /// The subscriptions that have a history come to be before anybody comes.
    pub(super) fn found_histories(&mut self) {
        for realm in 0..self.ids.len() {
            for rule in histories(realm) {
                let id = self.next_id(realm);
                let (policy, uri) = (rule.uris.policy, rule.uris.uri.into());
                let (holders, kept) = (Vec::new(), true);
                self.subscriptions.push(Subscription { realm, policy, uri, id, holders, kept });
            }
        }
    }

    pub(super) fn subscribe(
        &mut self,
        session: Place,
        (policy, topic): (MatchPolicy, &str),
        (request, get_retained): (u64, bool),
    ) -> Answer {
        if let Some(reason) = self.forbids(session, "subscribe", (policy, topic)) {
            return Answer::Refused(32, reason);
        }
        if !is_legal(topic, policy) {
            return Answer::Refused(32, error::INVALID_URI);
        }
        let realm = self.sessions[session].realm;
        let same = |known: &Subscription| {
            (known.realm, known.policy, known.uri.as_str()) == (realm, policy, topic)
                && known.exists()
        };
        let known = self.subscriptions.iter().position(same);
        if let Some(known) = known
            && self.subscriptions[known].holders.contains(&session)
        {
            if get_retained {
                let replays = self.replays(session, known);
                self.sessions[session].replays.insert(request, (false, replays));
            }
            return Answer::Subscribed(known);
        }
        let holds = |known: &&Subscription| known.holders.contains(&session);
        if self.subscriptions.iter().filter(holds).count() >= self.limits.subscriptions_max {
            return Answer::Refused(32, error::LIMIT_EXCEEDED);
        }
        let place = known.unwrap_or(self.subscriptions.len());
        match known {
            Some(known) => self.subscriptions[known].holders.push(session),
            None => {
                let id = self.next_id(realm);
                let (uri, holders) = (topic.into(), vec![session]);
                let kept = false;
                self.subscriptions.push(Subscription { realm, policy, uri, id, holders, kept });
                self.on_created(realm, (Kind::Subscription, id));
            }
        }
        let since = (self.publications.len(), self.facts.len());
        self.sessions[session].since.insert(place, since);
        if get_retained {
            let replays = self.replays(session, place);
            self.sessions[session].replays.insert(request, (true, replays));
        }
        self.on_subscribe(session, place, known.is_none());
        Answer::Subscribed(place)
    }

    pub(super) fn unsubscribe(&mut self, session: Place, id: u64) -> Answer {
        let realm = self.sessions[session].realm;
        let held = |known: &Subscription| {
            known.id == id && known.holders.contains(&session) && known.realm == realm
        };
        let Some(known) = self.subscriptions.iter().position(held) else {
            return Answer::Refused(34, error::NO_SUCH_SUBSCRIPTION);
        };
        self.drop_subscription(session, known);
        Answer::Unsubscribed(id)
    }

    /// `session` does not hold a subscription any more.
    pub(super) fn drop_subscription(&mut self, session: Place, subscription: Place) {
        self.subscriptions[subscription].holders.retain(|holder| *holder != session);
        // What was under way from another shard is dropped there.
        self.relax(session, Some(subscription));
        self.on_unsubscribe(session, subscription);
    }

    /// Nothing that is due to `session` through a subscription must be heard any more.
    pub(super) fn relax(&mut self, session: Place, subscription: Option<Place>) {
        let known = &mut self.sessions[session];
        let all = known.due.values_mut().chain(known.due_facts.values_mut()).flatten();
        for due in all.filter(|due| subscription.is_none_or(|only| only == due.subscription)) {
            due.must = false;
        }
    }

    pub(super) fn publish(&mut self, session: Place, publishing: &Publishing) -> Answer {
        let topic = publishing.topic.as_str();
        if let Some(reason) = self.forbids(session, "publish", (MatchPolicy::Exact, topic)) {
            return Answer::Refused(16, reason);
        }
        if !is_legal(topic, MatchPolicy::Exact) || is_reserved(topic) {
            return Answer::Refused(16, error::INVALID_URI);
        }
        if publishing.disclose_me && self.options.disclosure == Disclosure::Deny {
            return Answer::Refused(16, error::DISCLOSURE_NOT_ALLOWED);
        }
        Answer::Published(self.spread(session, publishing))
    }

    /// Publishes for a session, whether it is still there or not.
    pub(super) fn spread(&mut self, session: Place, publishing: &Publishing) -> Place {
        let topic = publishing.topic.as_str();
        let place = self.publications.len();
        let (wish, step) = (publishing.clone(), self.step);
        let publication = Publication { publisher: session, publishing: wish, step, id: None };
        self.purposes.insert(publishing.cargo, Purpose::Publication(place));
        let realm = self.sessions[session].realm;
        for (subscription, known) in self.subscriptions.iter().enumerate() {
            if known.realm != realm || !matches(known.policy, &known.uri, topic) {
                continue;
            }
            for holder in &known.holders {
                if !self.is_wanted(&publication, *holder) {
                    continue;
                }
                let must = self.fits(publishing.cargo, *holder);
                let due = self.sessions[*holder].due.entry(session).or_default();
                due.push_back(Due { what: place, subscription, must });
            }
        }
        self.publications.push(publication);
        if publishing.retain {
            self.retain(realm, place);
        }
        place
    }

    /// Whether an event with this cargo is surely not too long for `holder`.
    pub fn fits(&self, cargo: usize, holder: Place) -> bool {
        // Transcoding may double what is short; Details come on top.
        2 * self.cargo[cargo].length + 320 <= self.sessions[holder].message_bytes_max
    }

    /// Keeps a publication for those who subscribe later.
    // spec: advanced/pubsub_event_retention
    fn retain(&mut self, realm: usize, place: Place) {
        let topic = self.publications[place].publishing.topic.clone();
        let topics = self.retained.keys().filter(|(known, _)| *known == realm).count();
        let known = self.retained.contains_key(&(realm, topic.clone()));
        if !known && topics >= self.options.retained_topics_max {
            return;
        }
        let restricted = |place: &Place| {
            let publishing = &self.publications[*place].publishing;
            publishing.exclude.is_some() || publishing.eligible.is_some()
        };
        let before = self.retained.get(&(realm, topic.clone())).cloned().unwrap_or_default();
        let mut events = vec![place];
        if restricted(&place) {
            let (some, all): (Vec<_>, Vec<_>) = before.into_iter().partition(restricted);
            events.extend(some.into_iter().take(RESTRICTED_MAX - 1));
            events.extend(all);
        }
        self.retained.insert((realm, topic), events);
    }

    /// What is kept for a subscription of `session`, in order.
    fn replays(&self, session: Place, subscription: Place) -> Vec<Place> {
        let Subscription { realm, policy, uri, .. } = &self.subscriptions[subscription];
        let matching = |((kept_in, topic), _): &(&(usize, String), &Vec<Place>)| {
            kept_in == realm && matches(*policy, uri, topic)
        };
        let latest = |(_, events): (_, &Vec<Place>)| {
            let wanted = |place: &&Place| self.is_wanted(&self.publications[**place], session);
            events.iter().find(wanted).copied()
        };
        let mut found: Vec<_> = self.retained.iter().filter(matching).filter_map(latest).collect();
        found.sort_by_key(|place| (self.shard_of(*place), *place));
        found
    }

    /// The shard on which something was published.
    pub fn shard_of(&self, publication: Place) -> usize {
        self.sessions[self.publications[publication].publisher].shard
    }
}
