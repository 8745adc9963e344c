//! What must hold of everything a peer hears, and what must be true once all is quiet.
//!
//! The numbers are those of the invariants in `docs/ARCHITECTURE.md`.

use super::machine::LinkId;
use super::model::{Answer, Model, Place, Purpose, Stand};
use super::said::MY_ERROR;
use super::swarm::REALMS;
use super::value::Value;
use crate::message::MatchPolicy;
use crate::message::uri::{close, error};
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
        let Some(session) = mine.filter(|mine| !self.sessions[*mine].heard.over) else {
            assert_eq!(code, 3, "nothing but ABORT may be heard without a session");
            return self.hear_abort(link, heard);
        };
        if self.sessions[session].id.is_none() && code != 3 {
            // spec: basic/sessions#session-establishment — G-07
            assert_eq!(code, 2, "WELCOME comes first");
            return self.hear_welcome(session, heard);
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
                assert!(told || reason == close::GOODBYE_AND_OUT, "GOODBYE for {reason}");
                self.sessions[session].heard.over = true;
            }
            8 => self.hear_error(session, heard),
            17 | 33 | 35 | 65 | 67 => self.hear_answer(session, heard),
            36 => self.hear_event(session, heard),
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
            // 3: no hole. G-25
            let mut due = session.due.values().flatten();
            let hole = due.find(|due| due.must);
            assert!(hole.is_none(), "session {name:?} never heard {hole:?}");
        }
    }

    /// Before peers answer what they were asked: whoever can be interrupted and works for nobody
    /// has been told so.
    pub fn check_interrupts(&self) {
        for (place, call) in self.calls.iter().enumerate() {
            let Some(callee) = call.callee.map(|callee| &self.sessions[callee]) else {
                continue;
            };
            let told = match call.first_cancel {
                Some("skip") => false,
                Some(_) => true,
                None => !self.sessions[call.caller].open,
            };
            let answered = call.answers.iter().any(|(_, progress, _)| !progress);
            if !told || answered || !callee.open || !callee.talents.interruptible {
                continue;
            }
            let request = callee.heard.invocations.iter().position(|invoked| *invoked == place);
            let request = request.expect("it was invoked") as u64 + 1;
            assert!(
                callee.heard.interrupts.contains(&request),
                "INTERRUPT of {request} is missing"
            );
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
        let session = &mut self.sessions[session];
        assert!(session.true_id.is_none_or(|known| known == id), "WELCOME with another's id");
        (session.id, session.true_id) = (Some(id), Some(id));
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
                self.sessions[session].heard.subscriptions.insert(id, place);
            }
            (35, Some(Answer::Unsubscribed(id))) => {
                let held = self.sessions[session].heard.subscriptions.remove(&id);
                assert!(held.is_some(), "UNSUBSCRIBED before SUBSCRIBED");
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

    fn learn_subscription(&mut self, place: Place, id: u64) {
        let realm = self.subscriptions[place].realm;
        let known = *self.subscriptions[place].id.get_or_insert(id);
        assert_eq!(known, id, "one subscription, two ids");
        let same = self.subscriptions.iter().filter(|s| s.realm == realm && s.id == Some(id));
        assert_eq!(same.count(), 1, "two subscriptions, one id");
    }

    // 10: at most one registration of a procedure
    fn learn_registration(&mut self, place: Place, id: u64) {
        let realm = self.registrations[place].realm;
        let known = *self.registrations[place].id.get_or_insert(id);
        assert_eq!(known, id, "one registration, two ids");
        let same = self.registrations.iter().filter(|r| r.realm == realm && r.id == Some(id));
        assert_eq!(same.count(), 1, "two registrations, one id");
    }

    // B-ID-09: all EVENTs of a publication and its PUBLISHED bear one id
    fn learn_publication(&mut self, place: Place, id: u64) {
        let known = *self.publications[place].id.get_or_insert(id);
        assert_eq!(known, id, "one publication, two ids");
        let twice = |other: &super::model::Publication| other.id == Some(id);
        assert_eq!(self.publications.iter().filter(|other| twice(other)).count(), 1);
    }

    fn hear_event(&mut self, session: Place, heard: Heard<'_>) {
        let (subscription, id) = (heard.number(1), heard.number(2));
        if let Some(Value::Text(topic)) = heard.items[3].get("topic")
            && topic.starts_with("wamp.")
        {
            return self.hear_meta_event(session, subscription, topic);
        }
        let cargo = heard.cargo(4);
        let Some(Purpose::Publication(place)) = self.purposes.get(&cargo).copied() else {
            panic!("cargo {cargo} was not published");
        };
        self.learn_publication(place, id);
        self.assert_cargo(cargo, 4, heard);
        // 5: SUBSCRIBED before the first EVENT, none after UNSUBSCRIBED
        let through = self.sessions[session].heard.subscriptions.get(&subscription).copied();
        let through = through.expect("an EVENT of a subscription that is not held");
        let publication = &self.publications[place];
        let (publisher, publishing) = (publication.publisher, publication.publishing.clone());
        let realm = self.sessions[session].realm;
        assert_eq!(self.sessions[publisher].realm, realm, "an event crossed realms");
        let (policy, uri) = (self.subscriptions[through].policy, &self.subscriptions[through].uri);
        assert!(super::model::matches(policy, uri, &publishing.topic), "it does not match");
        assert!(self.is_wanted(publication, session), "it is not for this session");
        let details = [
            (policy != MatchPolicy::Exact).then(|| ("topic", publishing.topic.as_str().into())),
            disclosed("publisher", publishing.disclose_me, self.sessions[publisher].true_id, heard),
        ];
        assert_details(&heard.items[3], &details, "publisher");
        // 3: events of one publisher come in order
        let heard_so_far = &mut self.sessions[session].heard;
        let last = heard_so_far.last_publication.insert(publisher, place);
        assert!(last.is_none_or(|last| last <= place), "an event came after a later one");
        // 6: once for each subscription
        assert!(heard_so_far.events.insert((place, through)), "an event came twice");
        self.settle_due(session, publisher, (place, through));
    }

    /// What the router itself tells, to those who subscribed to a pattern that covers it.
    fn hear_meta_event(&self, session: Place, subscription: u64, topic: &str) {
        let through = self.sessions[session].heard.subscriptions.get(&subscription).copied();
        let through = through.expect("an EVENT of a subscription that is not held");
        let (policy, uri) = (self.subscriptions[through].policy, &self.subscriptions[through].uri);
        assert!(policy != MatchPolicy::Exact, "nobody here asks for the router's own topics");
        assert!(super::model::matches(policy, uri, topic), "it does not match");
    }

    /// Takes an event off what is due; everything before it must have come.
    fn settle_due(&mut self, session: Place, publisher: Place, event: (Place, Place)) {
        let known = &mut self.sessions[session];
        let due = known.due.entry(publisher).or_default();
        while let Some(first) = due.front().filter(|first| first.publication < event.0) {
            assert!(!first.must, "an event was left out: {first:?}");
            due.pop_front();
        }
        let expected = due.iter().position(|due| (due.publication, due.subscription) == event);
        if let Some(expected) = expected {
            due.remove(expected);
            return;
        }
        // Not subscribed when it was published; but maybe when it arrived from another shard.
        let since = known.since[&event.1];
        assert!(since > event.0, "an event that was not due, nor could be");
    }

    fn hear_invocation(&mut self, session: Place, heard: Heard<'_>) {
        let (request, registration) = (heard.number(1), heard.number(2));
        let cargo = heard.cargo(4);
        let Some(Purpose::Call(place)) = self.purposes.get(&cargo).copied() else {
            panic!("cargo {cargo} was not passed to a call");
        };
        self.assert_cargo(cargo, 4, heard);
        let callee = &mut self.sessions[session];
        // 8: request ids count 1, 2, 3 …
        callee.heard.invocations.push(place);
        assert_eq!(request, callee.heard.invocations.len() as u64, "ids of invocations");
        // 5: REGISTERED before the first INVOCATION, none after UNREGISTERED
        let through = callee.heard.registrations.get(&registration).copied();
        let through = through.expect("an INVOCATION of a registration that is not held");
        let talents = callee.talents;
        let call = &mut self.calls[place];
        assert_eq!(call.calling.cargo, cargo, "an answer was taken for a call");
        assert_eq!(call.registration, Some(through), "another registration matches better");
        assert!(call.candidates.contains(&session), "another callee's turn");
        assert!(call.callee.replace(session).is_none(), "a call was invoked twice");
        let (caller, calling) = (call.caller, call.calling.clone());
        // 4: invocations of one caller come in order
        let last = self.sessions[session].heard.last_call.insert(caller, place);
        assert!(last.is_none_or(|last| last < place), "a call came after a later one");
        let progress = calling.receive_progress && talents.progressive && talents.interruptible;
        let by_pattern = self.registrations[through].policy != MatchPolicy::Exact;
        let details = [
            by_pattern.then(|| ("procedure", calling.procedure.as_str().into())),
            progress.then_some(("receive_progress", Value::Boolean(true))),
            disclosed("caller", calling.disclose_me, self.sessions[caller].true_id, heard),
        ];
        assert_details(&heard.items[3], &details, "caller");
    }

    fn hear_interrupt(&mut self, session: Place, heard: Heard<'_>) {
        heard.assert_count(3);
        let request = heard.number(1);
        let callee = &mut self.sessions[session];
        assert!(callee.talents.interruptible, "INTERRUPT to a callee that cannot take it");
        // I-03: INVOCATION before INTERRUPT
        let place = callee.heard.invocations.get(request as usize - 1).copied();
        let place = place.expect("INTERRUPT before INVOCATION");
        callee.heard.interrupts.push(request);
        let call = &self.calls[place];
        let too_long = self.sessions[call.caller].message_bytes_max < usize::MAX;
        let gone = !self.sessions[call.caller].open;
        assert!(call.may_be_canceled || gone || too_long, "INTERRUPT for no reason");
    }

    fn hear_result(&mut self, session: Place, heard: Heard<'_>) {
        let request = heard.number(1);
        let progress = heard.items[2].get("progress") == Some(&Value::Boolean(true));
        let place = self.pending_call(session, request);
        let cargo = heard.cargo(3);
        assert_eq!(self.purposes.get(&cargo), Some(&Purpose::Call(place)), "another call's");
        self.assert_cargo(cargo, 3, heard);
        let details = [progress.then_some(("progress", Value::Boolean(true)))];
        assert_details(&heard.items[2], &details, "-");
        let call = &mut self.calls[place];
        assert!(!progress || call.calling.receive_progress, "parts that nobody asked for");
        // I-02: parts come in order, and the final one last
        while let Some(skipped) = call.answers.get(call.heard).filter(|next| next.0 != cargo) {
            assert!(skipped.1 && !call.calling.receive_progress, "a part was left out");
            call.heard += 1;
        }
        let expected = call.answers.get(call.heard).expect("an answer that was not given");
        assert_eq!(*expected, (cargo, progress, false));
        call.heard += 1;
        if !progress {
            self.end_call(session, request, place);
        }
    }

    // 7: exactly one final answer
    fn pending_call(&self, session: Place, request: u64) -> Place {
        match self.sessions[session].answers.get(&request) {
            Some(Answer::Called(place)) => *place,
            other => panic!("call {request} is not pending: {other:?}"),
        }
    }

    fn end_call(&mut self, session: Place, request: u64, place: Place) {
        self.sessions[session].answers.remove(&request);
        self.calls[place].over = true;
    }

    fn hear_error(&mut self, session: Place, heard: Heard<'_>) {
        let (code, request, reason) = (heard.number(1), heard.number(2), heard.text(4));
        if code == 49 {
            assert_eq!(reason, error::INVALID_ARGUMENT);
            let refused = &mut self.sessions[session].bad_cancels;
            let place = refused.iter().position(|bad| *bad == request);
            refused.remove(place.expect("an ERROR about no CANCEL"));
            return;
        }
        let expected = self.sessions[session].answers.get(&request).cloned();
        match expected {
            Some(Answer::Refused(kind, uri)) => {
                assert_eq!((code, reason), (kind, uri), "request {request}");
                heard.assert_count(5);
                self.sessions[session].answers.remove(&request);
            }
            Some(Answer::Called(place)) => {
                assert_eq!(code, 48, "an ERROR about another type of request");
                self.hear_call_error(place, reason, heard);
                self.end_call(session, request, place);
            }
            other => panic!("request {request} fails with {reason}: {other:?}"),
        }
    }

    fn hear_call_error(&mut self, place: Place, reason: &str, heard: Heard<'_>) {
        let call = &self.calls[place];
        match reason {
            MY_ERROR => {
                let cargo = heard.cargo(5);
                let mut left = call.answers.iter().skip(call.heard);
                let skip =
                    |answer: &&(usize, bool, bool)| answer.1 && !call.calling.receive_progress;
                let next = left.find(|answer| !skip(answer));
                assert_eq!(next, Some(&(cargo, false, true)), "an error that was not given");
                self.assert_cargo(cargo, 5, heard);
                return;
            }
            error::CANCELED | error::NO_SUCH_PROCEDURE => {
                assert!(call.may_be_canceled, "{reason} for no reason");
            }
            error::LIMIT_EXCEEDED => assert!(self.has_small_limits(), "no limit was near"),
            error::PAYLOAD_SIZE_EXCEEDED => {
                let short = |place: &Place| self.sessions[*place].message_bytes_max < usize::MAX;
                assert!(short(&call.caller) || call.candidates.iter().any(short));
            }
            _ => panic!("a call fails with {reason}"),
        }
        heard.assert_count(5);
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
