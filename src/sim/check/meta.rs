//! What must hold of what the router tells of its own accord, and of what it answers itself.

#![expect(clippy::wildcard_enum_match_arm, reason = "all else is asked of something else")]

use std::collections::BTreeSet;

use super::Heard;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::sim::asking::{Asking, Kind, Question, Victims};
use crate::sim::model::{Answer, Fact, Finding, Inquiry, Model, Place, matches};
use crate::sim::value::Value;

impl Model {
    /// An event in which the router tells something.
    pub(super) fn hear_fact(&mut self, session: Place, topic: &str, heard: Heard<'_>) {
        let (subscription, id) = (heard.number(1), heard.number(2));
        let through = self.sessions[session].heard.subscriptions.get(&subscription).copied();
        let through = through.expect("an EVENT of a subscription that is not held");
        let (policy, uri) = (self.subscriptions[through].policy, &self.subscriptions[through].uri);
        assert!(matches(policy, uri, topic), "it does not match");
        let told = heard.items[3].get("topic").is_some();
        assert_eq!(told, policy != MatchPolicy::Exact, "Details.topic");
        heard.assert_count(5);
        let arguments = &heard.items[4];
        // One id, one event.
        let text = format!("{topic} {arguments}");
        let known = self.facts_heard.entry(id).or_insert_with(|| text.clone());
        assert_eq!(*known, text, "one publication, two ids");
        let again = !self.sessions[session].heard.facts.insert((id, through));
        assert!(!again, "an event came twice");
        self.settle_fact(session, through, (topic, arguments.items()));
    }

    /// Takes what was told off what is due; everything before it must have come.
    fn settle_fact(&mut self, session: Place, through: Place, told: (&str, &[Value])) {
        let is_it_told = |fact: &Fact| self.is_fact(fact, told);
        let is_it = |what: Place| is_it_told(&self.facts[what]);
        let mut places = Vec::new();
        for (source, due) in &self.sessions[session].due_facts {
            for (number, due) in due.iter().enumerate() {
                if due.subscription == through && is_it(due.what) {
                    places.push((due.what, *source, number));
                }
            }
        }
        places.sort_unstable();
        // Not subscribed when it was told; but maybe when it arrived from another shard.
        let (_, since) = self.sessions[session].since[&through];
        let realm = self.sessions[session].realm;
        let before = |what: Place| self.facts[what].realm == realm && is_it(what);
        let may_be_late = (0..since).any(before);
        let Some((what, source, _)) = places.first().copied() else {
            let end = self.sessions[session].ended_in;
            let meanwhile = |what: Place| {
                let fact = &self.facts[what];
                (fact.loose || end == Some(fact.step)) && before(what)
            };
            let so = may_be_late || (0..self.facts.len()).any(meanwhile);
            let of = |fact: &&Fact| fact.topic == told.0 && fact.realm == realm;
            let last = self.facts.iter().rev().find(of);
            return assert!(so, "the router tells what is not so: {told:?}; before {last:?}");
        };
        let is_loose = |fact: &Fact| fact.loose && fact.realm == realm && is_it_told(fact);
        if may_be_late || self.facts.iter().any(is_loose) {
            // Which of several that say the same this was, nobody can tell.
            for (_, source, number) in places {
                let due = self.sessions[session].due_facts.get_mut(&source);
                due.expect("it was found")[number].must = false;
            }
            return;
        }
        let missing = {
            let due = &self.sessions[session].due_facts[&source];
            let missing = due.iter().find(|due| due.must && due.what < what);
            missing.map(|due| (self.facts[due.what], self.subscriptions[due.subscription].id))
        };
        assert!(missing.is_none(), "{missing:?} was left out before {told:?}");
        for (_, other, number) in places.into_iter().skip(1) {
            let due = self.sessions[session].due_facts.get_mut(&other).expect("it was found");
            due[number].must = false;
        }
        let due = self.sessions[session].due_facts.get_mut(&source).expect("it was found");
        due.retain(|due| due.what > what || due.what == what && due.subscription != through);
    }

    /// Whether `fact` is what was told.
    fn is_fact(&self, fact: &Fact, (topic, arguments): (&str, &[Value])) -> bool {
        if fact.topic != topic {
            return false;
        }
        let (first, second) = (arguments.first(), arguments.get(1));
        let told = match (topic, first) {
            ("wamp.session.on_join", Some(details)) => details.get("session"),
            (_, first) => first,
        };
        if !self.is_session(fact.session, told.and_then(Value::number)) {
            return false;
        }
        match (topic, fact.entry) {
            ("wamp.session.on_join", _) => {
                arguments.len() == 1 && self.are_details(fact.session, &arguments[0])
            }
            ("wamp.session.on_leave", _) => {
                let authid = self.sessions[fact.session].authid.as_deref();
                let same = authid.is_none_or(|authid| second == Some(&authid.into()));
                arguments.len() == 3
                    && same
                    && arguments[2] == self.sessions[fact.session].identity.role.into()
            }
            ("wamp.subscription.on_create" | "wamp.registration.on_create", Some(entry)) => {
                second.is_some_and(|details| self.is_entry(entry, details))
            }
            (_, Some(entry)) => second.and_then(Value::number) == Some(self.id_of(entry)),
            (_, None) => unreachable!("all else is about entries"),
        }
    }

    /// Whether `id` is that of a session, which came and went unseen if its id is not known.
    fn is_session(&self, session: Place, id: Option<u64>) -> bool {
        match self.sessions[session].true_id {
            Some(known) => id == Some(known),
            None => self.sessions.iter().all(|other| other.true_id.is_none_or(|o| Some(o) != id)),
        }
    }

    /// Whether these are the details of a session.
    fn are_details(&self, session: Place, details: &Value) -> bool {
        let known = &self.sessions[session];
        let says = |key: &str, value: &str| details.get(key) == Some(&value.into());
        let authid = known.authid.as_deref().is_none_or(|authid| says("authid", authid));
        authid
            && says("authrole", known.identity.role)
            && says("authmethod", known.identity.method)
            && says("authprovider", "static")
    }

    fn id_of(&self, (kind, place): (Kind, Place)) -> u64 {
        match kind {
            Kind::Registration => self.registrations[place].id,
            Kind::Subscription => self.subscriptions[place].id,
        }
    }

    /// Whether these are the details of a registration or subscription.
    fn is_entry(&self, (kind, place): (Kind, Place), details: &Value) -> bool {
        let (policy, uri, invoke) = match kind {
            Kind::Registration => {
                let known = &self.registrations[place];
                (known.policy, &known.uri, Some(known.invoke))
            }
            Kind::Subscription => {
                let known = &self.subscriptions[place];
                (known.policy, &known.uri, None)
            }
        };
        let created = matches!(details.get("created"), Some(Value::Text(_)));
        created
            && details.get("id") == Some(&self.id_of((kind, place)).into())
            && details.get("uri") == Some(&uri.as_str().into())
            && details.get("match") == Some(&policy.name().into())
            && details.get("invoke") == invoke.map(Value::from).as_ref()
    }

    /// RESULT of something that was asked of the router itself; false if it is no such thing.
    pub(super) fn hear_finding(&mut self, session: Place, heard: Heard<'_>) -> bool {
        let request = heard.number(1);
        let Some(Answer::Asked(place)) = self.sessions[session].answers.get(&request) else {
            return false;
        };
        let place = *place;
        self.sessions[session].answers.remove(&request);
        let found = heard.items.get(3).map(Value::items).unwrap_or_default();
        assert_eq!(heard.items[2], Value::Dict(Vec::new()), "Details of a finding");
        self.inquiries[place].open = false;
        let inquiry = &self.inquiries[place];
        match &inquiry.certain {
            None => self.assert_finding(place, inquiry, found),
            Some(Finding::Nothing) => assert!(found.is_empty(), "{found:?} instead of nothing"),
            Some(Finding::One(value)) => {
                assert!(found.len() == 1 && same(&found[0], value), "{found:?}, not {value}");
            }
            Some(Finding::Entry(kind, entry)) => {
                assert!(self.is_entry((*kind, *entry), &found[0]), "{found:?} of another entry");
            }
            Some(Finding::Error(error)) => panic!("{found:?} instead of {error}"),
        }
        true
    }

    /// The answer is between what it must and what it may be.
    fn assert_finding(&self, place: Place, inquiry: &Inquiry, found: &[Value]) {
        let (must, may) = (&inquiry.must, &inquiry.may);
        let killed = || {
            let killed = |known: &Place| self.sessions[*known].killed_by.contains(&place);
            let sure = |known: &Place| {
                let known = &self.sessions[*known];
                known.killed_by == [place] && known.killed_surely
            };
            let all: BTreeSet<Place> = (0..self.sessions.len()).filter(killed).collect();
            let sure: BTreeSet<Place> = all.iter().copied().filter(sure).collect();
            assert!(inquiry.must.is_empty(), "{:?} were not killed", inquiry.must);
            (sure, all)
        };
        match &inquiry.asking {
            Asking::SessionCount { .. } | Asking::Entries(_, Question::CountMembers(_)) => {
                assert_count(found, (must, may))
            }
            Asking::SessionList { .. } | Asking::Entries(_, Question::Members(_)) => {
                self.assert_list(found, (must, may));
            }
            Asking::SessionGet(id) => {
                let known = may.iter().find(|known| self.sessions[**known].true_id == Some(*id));
                let known = *known.expect("a session that was not there was found");
                assert!(self.are_details(known, &found[0]), "{found:?} of another session");
            }
            Asking::Kill { victims, .. } => {
                let (sure, all) = killed();
                match victims {
                    Victims::Session(_) => assert_eq!(all.len(), 1, "nobody was killed"),
                    Victims::Authid(_) => self.assert_list(found, (&sure, &all)),
                    Victims::Authrole(_) | Victims::All => assert_count(found, (&sure, &all)),
                }
            }
            Asking::Entries(kind, Question::List) => {
                self.assert_entries(
                    *kind,
                    &found[0],
                    (&inquiry.must_entries, &inquiry.may_entries),
                );
            }
            Asking::Entries(_, Question::Remove { .. }) => {
                assert!(inquiry.applied, "nothing was taken from anybody");
            }
            _ => unreachable!("all else is certain"),
        }
    }

    /// A list of entries by the way they are matched is between what it must and may be.
    fn assert_entries(
        &self,
        kind: Kind,
        found: &Value,
        (must, may): (&BTreeSet<u64>, &BTreeSet<u64>),
    ) {
        let mut listed = BTreeSet::new();
        for policy in MatchPolicy::ALL {
            let ids = found.get(policy.name()).expect("one list for each way").items();
            for id in ids.iter().filter_map(Value::number) {
                assert!(listed.insert(id), "{id} is listed twice");
                let matched = match kind {
                    Kind::Registration => self
                        .registrations
                        .iter()
                        .any(|known| (known.id, known.policy) == (id, policy)),
                    Kind::Subscription => self
                        .subscriptions
                        .iter()
                        .any(|known| (known.id, known.policy) == (id, policy)),
                };
                assert!(matched, "{id} is not matched that way");
            }
        }
        assert!(must.is_subset(&listed), "{:?} are not listed", must.difference(&listed));
        assert!(listed.is_subset(may), "{:?} are listed", listed.difference(may));
    }

    fn assert_list(&self, found: &[Value], (must, may): (&BTreeSet<Place>, &BTreeSet<Place>)) {
        let of_id = |id: &Value| {
            let known = |known: &crate::sim::model::Session| known.true_id == id.number();
            self.sessions.iter().rposition(known).expect("nobody has this id")
        };
        let listed: Vec<Place> = found[0].items().iter().map(of_id).collect();
        let set: BTreeSet<Place> = listed.iter().copied().collect();
        assert_eq!(set.len(), listed.len(), "listed twice");
        assert!(must.is_subset(&set), "{:?} are not listed", must.difference(&set));
        assert!(set.is_subset(may), "{:?} are listed", set.difference(may));
    }

    /// ERROR about something that was asked of the router itself.
    pub(super) fn hear_no_finding(&mut self, place: Place, reason: &str) {
        self.inquiries[place].open = false;
        let inquiry = &self.inquiries[place];
        let asks = inquiry.certain.is_none() || matches!(inquiry.asking, Asking::Kill { .. });
        let known = inquiry.certain.is_some();
        let limited = self.has_small_limits() || inquiry.may_be_refused || known;
        if reason == error::LIMIT_EXCEEDED && asks && limited {
            return;
        }
        if reason == error::CANCELED && asks && !self.sessions[inquiry.asker].open {
            return;
        }
        if let Some(certain) = &inquiry.certain {
            let given = matches!(certain, Finding::Error(error) if *error == reason);
            return assert!(given, "{reason} instead of {certain:?}");
        }
        let there = |id: u64| {
            let known = |place: &&Place| self.sessions[**place].true_id == Some(id);
            inquiry.must.iter().find(known).copied()
        };
        match (&inquiry.asking, reason) {
            (
                Asking::SessionGet(id) | Asking::Kill { victims: Victims::Session(id), .. },
                error::NO_SUCH_SESSION,
            ) => assert!(there(*id).is_none(), "{id} was there all the time"),
            (
                Asking::Entries(kind, Question::Remove { entry, session }),
                error::NO_SUCH_SESSION | error::NO_SUCH_REGISTRATION | error::NO_SUCH_SUBSCRIPTION,
            ) => {
                let Some(session) = there(*session) else { return };
                assert!(reason != error::NO_SUCH_SESSION, "{session} was there all the time");
                assert!(!inquiry.held, "{session} held {kind:?} {entry} all the time");
            }
            (asking, _) => panic!("{asking:?} fails with {reason}"),
        }
    }
}

fn assert_count(found: &[Value], (must, may): (&BTreeSet<Place>, &BTreeSet<Place>)) {
    let count = found.first().and_then(Value::number).expect("a number") as usize;
    assert!((must.len()..=may.len()).contains(&count), "{count} sessions: {must:?}, {may:?}");
}

/// Whether two values are the same, but for the order in lists: ids come in any.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::List(one), Value::List(other)) => {
            let sorted = |items: &[Value]| {
                let mut numbers: Vec<_> = items.iter().map(Value::number).collect();
                numbers.sort_unstable();
                numbers
            };
            sorted(one) == sorted(other)
        }
        (Value::Dict(one), Value::Dict(entries)) => {
            let has = |(key, value): &(String, Value)| {
                other.get(key).is_some_and(|other| same(value, other))
            };
            one.len() == entries.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}
