//! What must hold of everything a peer hears, and what must be true once all is quiet.
//!
//! The numbers are those of the invariants in `docs/ARCHITECTURE.md`.

mod calls;
mod meta;

use super::asking::{Asking, Kind};
use super::machine::LinkId;
use super::model::{Answer, Model, Place, Purpose, Stand};
use super::said::PASSTHRU;
use super::swarm::REALMS;
use super::value::Value;
use crate::message::MatchPolicy;
use crate::message::uri::close;
use crate::wire::Serializer;

/// One message that a peer heard.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// In which serializer.
    pub serializer: Serializer,
    /// As it came.
    pub bytes: &'a [u8],
    /// What it means.
    pub items: &'a [Value],
}

impl Heard<'_> {
    fn number(&self, place: usize) -> u64 {
        let number = self.items.get(place).and_then(Value::number);
        number.unwrap_or_else(|| panic!("element {place} is no number"))
    }

    fn text(&self, place: usize) -> &str {
        match self.items.get(place) {
            Some(Value::Text(text)) => text,
            other => panic!("element {place} is no text: {other:?}"),
        }
    }

    fn assert_count(&self, count: usize) {
        assert_eq!(self.items.len(), count, "elements too many or too few");
    }

    /// The cargo behind the first `before` elements, by its number.
    fn cargo(&self, before: usize) -> usize {
        let arguments = self.items.get(before).map(Value::items).unwrap_or_default();
        let number = arguments.first().and_then(Value::number);
        number.expect("all simulated payload bears a number") as usize
    }
}

impl Model {
    /// The peer of `link` has heard a message.
    ///
    /// # Panics
    ///
    /// If it must not have.
    pub fn hear(&mut self, link: LinkId, heard: Heard<'_>) {
        if self.stands[&link] == Stand::Noise {
            return;
        }
        let mine = self.sessions.iter().rposition(|session| session.link == link);
        let code = heard.number(0);
        if code == 4 {
            return self.hear_challenge(link, heard);
        }
        let Some(session) = mine.filter(|mine| !self.sessions[*mine].heard.over) else {
            assert_eq!(code, 3, "nothing but ABORT may be heard without a session");
            return self.hear_abort(link, heard);
        };
        if self.sessions[session].id.is_none() && code != 3 {
            // spec: basic/sessions#session-establishment — G-07
            assert_eq!(code, 2, "WELCOME comes first");
            return self.hear_welcome(session, heard);
        }
        if code != 3 && self.hear_replay(session, heard) {
            return;
        }
        match code {
            3 => {
                self.sessions[session].heard.over = true;
                self.hear_abort(link, heard);
            }
            6 => {
                heard.assert_count(3);
                assert!(!self.sessions[session].open, "GOODBYE, but the session goes on");
                let reason = heard.text(2);
                let stopped = self.stands[&link] != Stand::Opening;
                let told = stopped && reason == close::SYSTEM_SHUTDOWN;
                let told = told || self.was_killed_for(session, reason);
                let told = match self.sessions[session].dismissed {
                    true => reason == close::ACCESS_CHANGED,
                    false => told,
                };
                assert!(
                    told || !self.sessions[session].dismissed && reason == close::GOODBYE_AND_OUT,
                    "GOODBYE for {reason}"
                );
                self.sessions[session].heard.over = true;
            }
            8 => self.hear_error(session, heard),
            35 | 67 if heard.number(1) == 0 => self.hear_revocation(session, heard),
            17 | 33 | 35 | 65 | 67 => self.hear_answer(session, heard),
            36 => self.hear_event(session, heard),
            50 if self.hear_finding(session, heard) => {}
            50 => self.hear_result(session, heard),
            68 => self.hear_invocation(session, heard),
            69 => self.hear_interrupt(session, heard),
            _ => panic!("message {code} is not for clients, or came twice"),
        }
    }

    /// Nothing is under way any more: whatever is due to the open sessions has been heard.
    pub fn check_rest(&self) {
        for session in self.sessions.iter().filter(|session| session.open) {
            let name = session.id;
            assert!(session.id.is_some(), "an open session never heard WELCOME");
            let answers = session.answers.iter();
            let missing: Vec<_> = answers.collect();
            assert!(missing.is_empty(), "session {name:?} was never answered: {missing:?}");
            assert!(session.bad_cancels.is_empty(), "a wrong CANCEL was not refused");
            let taken = &session.taken;
            assert!(taken.is_empty(), "session {name:?} was not told what was taken: {taken:?}");
            // 3: no hole. G-25
            let mut due = session.due.values().flatten();
            let hole = due.find(|due| due.must);
            assert!(hole.is_none(), "session {name:?} never heard {hole:?}");
            let mut due = session.due_facts.values().flatten();
            let hole = due.find(|due| due.must).map(|due| self.facts[due.what]);
            assert!(hole.is_none(), "session {name:?} was never told {hole:?}");
            let mut replays = session.heard.replays.iter();
            let hole = replays.find(|(what, _)| self.must_replay(session.link, *what));
            assert!(hole.is_none(), "session {name:?} never heard the replay of {hole:?}");
        }
    }

    fn hear_welcome(&mut self, session: Place, heard: Heard<'_>) {
        heard.assert_count(3);
        let id = heard.number(1);
        assert!((1..=1 << 53).contains(&id), "{id} is no session id");
        let twice = self.sessions.iter().any(|other| other.id == Some(id));
        assert!(!twice, "session id {id} was given twice");
        let realm = Value::from(REALMS[self.sessions[session].realm]);
        assert_eq!(heard.items[2].get("realm"), Some(&realm));
        let identity = self.sessions[session].identity;
        let says = |key: &str, value: &str| heard.items[2].get(key) == Some(&value.into());
        let is_known = identity.authid.is_none_or(|authid| says("authid", authid));
        assert!(is_known && says("authrole", identity.role), "a session for somebody else");
        assert!(says("authmethod", identity.method), "another way was taken");
        let session = &mut self.sessions[session];
        assert!(session.true_id.is_none_or(|known| known == id), "WELCOME with another's id");
        (session.id, session.true_id) = (Some(id), Some(id));
    }

    /// CHALLENGE comes where a proof is due, and once. What was proved before it was heard is
    /// judged already.
    // spec: advanced/messages#challenge
    fn hear_challenge(&mut self, link: LinkId, heard: Heard<'_>) {
        heard.assert_count(3);
        let due =
            self.challenges.remove(&link).expect("CHALLENGE, but nobody has claimed anything");
        assert_eq!(heard.text(1), due.name(), "a challenge of another method");
    }

    fn hear_abort(&mut self, link: LinkId, heard: Heard<'_>) {
        let reason = heard.text(2);
        let expected = self.aborts.remove(&link).unwrap_or_default();
        assert!(expected.contains(&reason), "ABORT {reason}, but {expected:?}");
    }

    /// SUBSCRIBED, UNSUBSCRIBED, PUBLISHED, REGISTERED, UNREGISTERED.
    fn hear_answer(&mut self, session: Place, heard: Heard<'_>) {
        let (code, request) = (heard.number(0), heard.number(1));
        let answer = self.sessions[session].answers.remove(&request);
        match (code, answer) {
            (33, Some(Answer::Subscribed(place))) => {
                let id = heard.number(2);
                self.learn_subscription(place, id);
                let replays = self.sessions[session].replays.remove(&request);
                let (fresh, replays) = replays.unwrap_or_default();
                for publication in replays.iter().copied().filter(|_| fresh) {
                    let from = (place, self.shard_of(publication));
                    self.sessions[session].heard.replayed.insert(from, publication);
                }
                let replays = replays.into_iter().map(|publication| (publication, place));
                self.sessions[session].heard.replays = replays.collect();
                self.sessions[session].heard.subscriptions.insert(id, place);
            }
            (35, Some(Answer::Unsubscribed(id))) => {
                let known = &mut self.sessions[session].heard;
                let held = known.subscriptions.remove(&id);
                let held = held.expect("UNSUBSCRIBED comes after SUBSCRIBED");
                known.replayed.retain(|(through, _), _| *through != held);
            }
            (17, Some(Answer::Published(place))) => self.learn_publication(place, heard.number(2)),
            (65, Some(Answer::Registered(place))) => {
                let id = heard.number(2);
                self.learn_registration(place, id);
                self.sessions[session].heard.registrations.insert(id, place);
            }
            (67, Some(Answer::Unregistered(id))) => {
                let held = self.sessions[session].heard.registrations.remove(&id);
                assert!(held.is_some(), "UNREGISTERED before REGISTERED");
            }
            (_, expected) => panic!("request {request} is answered by {code}: {expected:?}"),
        }
        heard.assert_count(if code == 35 || code == 67 { 2 } else { 3 });
    }

    /// UNREGISTERED or UNSUBSCRIBED of what was taken away.
    // spec: advanced/rpc_registration_revocation, advanced/pubsub_subscription_revocation
    fn hear_revocation(&mut self, session: Place, heard: Heard<'_>) {
        heard.assert_count(3);
        let (kind, key) = match heard.number(0) {
            35 => (Kind::Subscription, "subscription"),
            _ => (Kind::Registration, "registration"),
        };
        let id = heard.items[2].get(key).and_then(Value::number);
        let id = id.expect("it says what was taken");
        let known = &mut self.sessions[session];
        let place = known.taken.iter().position(|taken| *taken == (kind, id));
        if let Some(place) = place {
            known.taken.remove(place);
        } else {
            // What is taken in the very step in which a session ends is not seen.
            assert!(!known.open, "it was not taken");
        }
        let held = match kind {
            Kind::Subscription => {
                let held = known.heard.subscriptions.remove(&id);
                known.heard.replayed.retain(|(through, _), _| Some(*through) != held);
                held
            }
            Kind::Registration => known.heard.registrations.remove(&id),
        };
        assert!(held.is_some(), "taken before it was given");
    }

    /// Whether somebody may have had a session killed for this reason.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else kills")]
    fn was_killed_for(&self, session: Place, reason: &str) -> bool {
        let mut killers = self.sessions[session].killed_by.iter();
        killers.any(|place| match &self.inquiries[*place].asking {
            Asking::Kill { reason: wanted, .. } => wanted.unwrap_or(close::KILLED) == reason,
            _ => false,
        })
    }

    // 10: at most one registration of a procedure, and one subscription of a topic
    fn learn_subscription(&self, place: Place, id: u64) {
        assert_eq!(self.subscriptions[place].id, id, "the id of a subscription");
    }

    fn learn_registration(&self, place: Place, id: u64) {
        assert_eq!(self.registrations[place].id, id, "the id of a registration");
    }

    // B-ID-09: all EVENTs of a publication and its PUBLISHED bear one id
    fn learn_publication(&mut self, place: Place, id: u64) {
        let known = *self.publications[place].id.get_or_insert(id);
        assert_eq!(known, id, "one publication, two ids");
        let twice = |other: &super::model::Publication| other.id == Some(id);
        assert_eq!(self.publications.iter().filter(|other| twice(other)).count(), 1);
    }

    fn hear_event(&mut self, session: Place, heard: Heard<'_>) {
        let subscription = heard.number(1);
        let through = self.sessions[session].heard.subscriptions.get(&subscription).copied();
        // 5: SUBSCRIBED before the first EVENT, none after UNSUBSCRIBED
        let through = through.expect("an EVENT of a subscription that is not held");
        let topic = match heard.items[3].get("topic") {
            Some(Value::Text(topic)) => topic,
            _ => &self.subscriptions[through].uri,
        };
        if topic.starts_with("wamp.") {
            let topic = topic.clone();
            return self.hear_fact(session, &topic, heard);
        }
        let retained = heard.items[3].get("retained").is_some();
        let place = self.hear_publication(session, through, (heard, retained));
        if retained {
            return assert!(self.is_doubtful(place), "a replay that nobody asked for");
        }
        let publisher = self.publications[place].publisher;
        // A replay is not followed by what was before it on the same shard.
        let replayed = self.sessions[session].heard.replayed.get(&(through, self.shard_of(place)));
        assert!(replayed.is_none_or(|last| *last < place), "an event came after its replay");
        // 3: events of one publisher come in order
        let heard_so_far = &mut self.sessions[session].heard;
        let last = heard_so_far.last_publication.insert(publisher, place);
        assert!(last.is_none_or(|last| last <= place), "an event came after a later one");
        // 6: once for each subscription
        assert!(heard_so_far.events.insert((place, through)), "an event came twice");
        self.settle_due(session, publisher, (place, through));
    }

    /// What holds of any EVENT, whether it is a replay or not. Gives the publication.
    fn hear_publication(
        &mut self,
        session: Place,
        through: Place,
        (heard, retained): (Heard<'_>, bool),
    ) -> Place {
        let cargo = heard.cargo(4);
        let Some(Purpose::Publication(place)) = self.purposes.get(&cargo).copied() else {
            panic!("cargo {cargo} was not published");
        };
        self.learn_publication(place, heard.number(2));
        self.assert_cargo(cargo, 4, heard);
        let publication = &self.publications[place];
        let (publisher, publishing) = (publication.publisher, publication.publishing.clone());
        let realm = self.sessions[session].realm;
        assert_eq!(self.sessions[publisher].realm, realm, "an event crossed realms");
        let (policy, uri) = (self.subscriptions[through].policy, &self.subscriptions[through].uri);
        assert!(super::model::matches(policy, uri, &publishing.topic), "it does not match");
        assert!(self.is_wanted(publication, session), "it is not for this session");
        let told = self.is_disclosed(publishing.disclose_me);
        let mut details = vec![
            (policy != MatchPolicy::Exact).then(|| ("topic", publishing.topic.as_str().into())),
            disclosed("publisher", told, self.sessions[publisher].true_id, heard),
            self.trust(publisher, &publishing.topic),
            retained.then_some(("retained", Value::Boolean(true))),
        ];
        details.extend(passthru(publishing.passthru));
        assert_details(&heard.items[3], &details, "publisher");
        place
    }

    /// What is retained follows SUBSCRIBED at once, in order. Says whether this is a replay.
    // spec: advanced/pubsub_event_retention
    fn hear_replay(&mut self, session: Place, heard: Heard<'_>) -> bool {
        if self.sessions[session].heard.replays.is_empty() {
            return false;
        }
        let link = self.sessions[session].link;
        let retained = heard.number(0) == 36 && heard.items[3].get("retained").is_some();
        if !retained {
            let left = std::mem::take(&mut self.sessions[session].heard.replays);
            let missing = left.iter().find(|(what, _)| self.must_replay(link, *what));
            assert!(missing.is_none(), "the replay of {missing:?} is missing");
            return false;
        }
        let known = &self.sessions[session].heard;
        let through = known.subscriptions.get(&heard.number(1)).copied();
        let through = through.expect("an EVENT of a subscription that is not held");
        let place = self.hear_publication(session, through, (heard, true));
        let publisher = self.publications[place].publisher;
        let replays = &self.sessions[session].heard.replays;
        let number = replays.iter().position(|replay| *replay == (place, through));
        let Some(number) = number else {
            assert!(self.is_doubtful(place), "a replay of what is not retained");
            return true;
        };
        // 3: events of one publisher come in order; a shard keeps that of all its publishers, but
        // of what several leave in one step nobody knows the order.
        let earlier = replays.iter().take(number).filter(|(what, _)| {
            self.publications[*what].publisher == publisher && self.must_replay(link, *what)
        });
        assert_eq!(earlier.count(), 0, "replays in another order");
        self.sessions[session].heard.replays.remove(number);
        true
    }

    /// Whether a retained publication is surely not too long for the peer of `link`.
    fn must_replay(&self, link: LinkId, publication: Place) -> bool {
        let session = self.sessions.iter().rposition(|session| session.link == link);
        let session = session.expect("it has subscribed");
        let cargo = self.publications[publication].publishing.cargo;
        self.fits(cargo, session) && !self.is_doubtful(publication)
    }

    /// Whether it is not known what is retained of the topic of a publication.
    fn is_doubtful(&self, publication: Place) -> bool {
        let publication = &self.publications[publication];
        let realm = self.sessions[publication.publisher].realm;
        self.doubtful_topics.contains(&(realm, publication.publishing.topic.clone()))
    }

    /// Takes an event off what is due; everything before it must have come.
    fn settle_due(&mut self, session: Place, publisher: Place, event: (Place, Place)) {
        let known = &mut self.sessions[session];
        let due = known.due.entry(publisher).or_default();
        while let Some(first) = due.front().filter(|first| first.what < event.0) {
            assert!(!first.must, "an event was left out: {first:?}");
            due.pop_front();
        }
        let expected = due.iter().position(|due| (due.what, due.subscription) == event);
        if let Some(expected) = expected {
            due.remove(expected);
            return;
        }
        // Not subscribed when it was published; but maybe when it arrived from another shard.
        let (since, _) = known.since[&event.1];
        // It may end in the same step in which somebody leaves it something.
        let meanwhile = known.ended_in == Some(self.publications[event.0].step);
        assert!(since > event.0 || meanwhile, "an event that was not due, nor could be");
    }

    /// Payload arrives as it was said: the same octets in the same serializer, the same meaning
    /// in another.
    fn assert_cargo(&self, number: usize, before: usize, heard: Heard<'_>) {
        let cargo = &self.cargo[number];
        let elements = 1 + usize::from(cargo.keywords.is_some());
        heard.assert_count(before + elements);
        assert_eq!(heard.items[before], cargo.arguments, "Arguments have changed");
        assert_eq!(
            heard.items.get(before + 1),
            cargo.keywords.as_ref(),
            "ArgumentsKw have changed"
        );
        if heard.serializer == cargo.serializer {
            assert!(heard.bytes.ends_with(&cargo.tail), "the payload was written anew");
        }
    }
}

/// Details as they must be, and nothing else; where someone is disclosed, his identity may stand
/// beside.
fn assert_details(details: &Value, expected: &[Option<(&str, Value)>], who: &str) {
    let Value::Dict(entries) = details else {
        panic!("Details are no dict: {details}");
    };
    let mut disclosed = false;
    for (key, value) in expected.iter().flatten() {
        assert_eq!(details.get(key), Some(value), "Details.{key}");
        disclosed |= *key == who;
    }
    let identity = [format!("{who}_authid"), format!("{who}_authrole")];
    for (key, _) in entries {
        let known = expected.iter().flatten().any(|(expected, _)| expected == key);
        assert!(known || (disclosed && identity.contains(key)), "Details.{key} is not asked for");
    }
}

/// What Details must say of whoever wants to be known. A session that came and went in one breath
/// is known to nobody but the router.
fn disclosed<'k>(
    key: &'k str,
    wanted: bool,
    id: Option<u64>,
    heard: Heard<'_>,
) -> Option<(&'k str, Value)> {
    let id = id.map(Value::from);
    let id = id.or_else(|| heard.items[3].get(key).cloned());
    wanted.then(|| (key, id.expect("whoever wants to be known is")))
}

/// What Details must say of payload that only its ends can read.
fn passthru(used: bool) -> impl Iterator<Item = Option<(&'static str, Value)>> {
    let entry = |(key, value): (&'static str, &str)| Some((key, value.into()));
    PASSTHRU.into_iter().filter(move |_| used).map(entry)
}

#[cfg(test)]
mod tests;
