//! The reference router's dealer: who is called, in how many parts, and what may come of it.

use std::time::Duration;

use super::{Answer, Call, Callee, Ending, Model, Place, Registration, Reply, Session, Verdict};
use super::{is_legal, is_reserved, matches};
use crate::env::Instant;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::router::config::Disclosure;
use crate::router::deadline::TICK;
use crate::sim::asking::Kind;
use crate::sim::said::{Answering, Calling, Registering, Talents};

impl Model {
    /// The router of `session`, an open one, knows this of it.
    ///
    /// # Panics
    ///
    /// If a call goes on for longer than it may.
    pub fn see(&mut self, session: Place, seen: &Seen<'_>) {
        let pending = std::mem::take(&mut self.sessions[session].pending);
        for place in pending {
            let call = &mut self.calls[place];
            call.seen = true;
            if !(seen.has_call)(call.request) {
                call.ended = Some(self.now);
                continue;
            }
            self.sessions[session].pending.push(place);
            let call = &self.calls[place];
            let due = call.timeout.map(|millis| call.since + Duration::from_millis(millis));
            let late = due.is_some_and(|due| due + TICK < self.now) && call.replies.is_empty();
            assert!(!seen.woken || !late, "call {} should have timed out", call.request);
        }
        for (kind, id) in self.threatened(session) {
            if !(seen.holds)(kind, id) {
                self.remove(session, (kind, id));
            }
        }
        for place in 0..self.registrations.len() {
            let registration = &mut self.registrations[place];
            let here = registration.realm == self.sessions[session].realm;
            if here
                && registration.pushed.contains(&session)
                && !(seen.holds)(Kind::Registration, registration.id)
            {
                registration.pushed.retain(|pushed| *pushed != session);
                self.take_away(session, place);
            }
        }
    }

    /// The router of `session` learns that it is no longer behind a registration.
    fn take_away(&mut self, session: Place, registration: Place) {
        let id = self.registrations[registration].id;
        let session = &mut self.sessions[session];
        if session.talents.revocable {
            session.taken.push((Kind::Registration, id));
        }
    }

    pub(super) fn register(&mut self, session: Place, wish: &Registering) -> Answer {
        let Registering { policy, procedure, invoke, .. } = wish;
        let object = (*policy, procedure.as_str());
        if self.forbids_takeover(session, wish.force, object) {
            return Answer::Refused(64, error::NOT_AUTHORIZED);
        }
        if let Some(reason) = self.forbids(session, "register", object) {
            return Answer::Refused(64, reason);
        }
        if !is_legal(procedure, *policy) || is_reserved(procedure) {
            return Answer::Refused(64, error::INVALID_URI);
        }
        if wish.concurrency == Some(0) {
            return Answer::Refused(64, error::INVALID_ARGUMENT);
        }
        let is_open = self.rights_of(session).are_open();
        if wish.force && is_open && !self.options.force_reregister {
            return Answer::Refused(64, error::OPTION_NOT_ALLOWED);
        }
        let holds = |known: &&Registration| known.is_held_by(session);
        if self.registrations.iter().filter(holds).count() >= self.limits.registrations_max {
            return Answer::Refused(64, error::LIMIT_EXCEEDED);
        }
        let realm = self.sessions[session].realm;
        let same = |known: &Registration| {
            (known.realm, known.policy, &known.uri) == (realm, *policy, procedure)
                && !known.callees.is_empty()
        };
        let known = self.registrations.iter().position(same);
        let place = match known {
            None => self.create_registration(realm, wish),
            Some(known) if wish.force && !self.registrations[known].has(session) => {
                self.push_out(known, session);
                self.create_registration(realm, wish)
            }
            Some(known) => {
                let registration = &self.registrations[known];
                if registration.invoke == "single" || registration.invoke != *invoke {
                    return Answer::Refused(64, error::PROCEDURE_ALREADY_EXISTS);
                }
                known
            }
        };
        if !self.registrations[place].has(session) {
            let talents = self.sessions[session].talents;
            let callee = Callee { session, talents, wish: wish.clone() };
            self.registrations[place].add(callee);
            self.sessions[session].concurrency.insert(place, wish.concurrency);
            self.now_behind(session, (Kind::Registration, place));
            let about = (session, place);
            if self.registrations[place].callees.len() == 1 {
                let topic = "wamp.registration.on_create";
                self.tell_registration(session, topic, about, Ending::Told);
            }
            let topic = "wamp.registration.on_register";
            self.tell_registration(session, topic, about, Ending::Told);
        }
        Answer::Registered(place)
    }

    fn create_registration(&mut self, realm: usize, wish: &Registering) -> Place {
        let id = self.next_id(realm);
        self.registrations.push(Registration {
            realm,
            policy: wish.policy,
            uri: wish.procedure.clone(),
            invoke: wish.invoke,
            id,
            callees: Vec::new(),
            known: Vec::new(),
            pushed: Vec::new(),
            calls_count: 0,
        });
        self.on_created(realm, (Kind::Registration, id));
        self.registrations.len() - 1
    }

    /// All callees of a registration lose it to `winner`. Those on its shard learn it at once.
    fn push_out(&mut self, registration: Place, winner: Place) {
        let callees = std::mem::take(&mut self.registrations[registration].callees);
        let last = callees.len() - 1;
        for (number, callee) in callees.into_iter().enumerate() {
            let about = (callee.session, registration);
            let topic = "wamp.registration.on_unregister";
            self.not_behind(callee.session, (Kind::Registration, registration));
            self.tell_registration(winner, topic, about, Ending::Told);
            if number == last {
                let id = self.registrations[registration].id;
                self.on_deleted((Kind::Registration, id));
                let topic = "wamp.registration.on_delete";
                self.tell_registration(winner, topic, about, Ending::Told);
            }
            if self.sessions[callee.session].shard == self.sessions[winner].shard {
                self.take_away(callee.session, registration);
            } else {
                self.registrations[registration].pushed.push(callee.session);
            }
            self.bounce(registration, callee.session);
        }
    }

    /// What was under way to a callee that left a registration may bounce.
    fn bounce(&mut self, registration: Place, session: Place) {
        for call in self.calls.iter_mut().filter(|call| call.registration == registration) {
            let declined = call.replies.iter().any(|reply| reply.answering.error.is_some());
            call.may_be_canceled |= declined || call.callees.is_empty() && call.concerns(session);
        }
    }

    /// `session` leaves a registration, if it is behind it.
    pub(super) fn part(&mut self, registration: Place, session: Place) {
        self.part_as(registration, session, Ending::Told);
    }

    /// The same; `ending` says whether others are told.
    pub(super) fn part_as(&mut self, registration: Place, session: Place, ending: Ending) {
        let known = &mut self.registrations[registration];
        if !known.is_held_by(session) {
            return;
        }
        let had = known.has(session);
        known.remove(session);
        known.pushed.retain(|pushed| *pushed != session);
        let (last, id) = (known.callees.is_empty(), known.id);
        self.lose(session, (Kind::Registration, id));
        self.not_behind(session, (Kind::Registration, registration));
        if had && last {
            self.on_deleted((Kind::Registration, id));
        }
        self.bounce(registration, session);
        if had {
            let about = (session, registration);
            let topic = "wamp.registration.on_unregister";
            self.tell_registration(session, topic, about, ending);
            if last {
                let about = (session, Some((Kind::Registration, registration)));
                self.tell_delete("wamp.registration.on_delete", about, ending);
            }
        }
    }

    pub(super) fn unregister(&mut self, session: Place, id: u64) -> Answer {
        let realm = self.sessions[session].realm;
        let held = |known: &Registration| {
            known.id == id && known.realm == realm && known.is_held_by(session)
        };
        let Some(known) = self.registrations.iter().position(held) else {
            return Answer::Refused(66, error::NO_SUCH_REGISTRATION);
        };
        self.part(known, session);
        Answer::Unregistered(id)
    }

    /// What comes of a CALL, as far as that depends on those before it.
    pub(super) fn admit_call(
        &mut self,
        session: Place,
        request: u64,
        calling: &Calling,
    ) -> Verdict {
        let (last, talents) = (self.sessions[session].request_last, self.sessions[session].talents);
        // spec: advanced/rpc_progressive_call_invocations
        if calling.progress && !talents.calls_in_parts {
            return Verdict::Violation;
        }
        let mine = |call: &Call| call.caller == session && call.request == request;
        if let Some(place) = self.calls.iter().position(mine) {
            return self.call_again(place, calling);
        }
        if request <= last {
            return if talents.calls_in_parts { Verdict::Part } else { Verdict::Violation };
        }
        if request != last + 1 {
            return Verdict::Violation;
        }
        self.sessions[session].request_last = request;
        Verdict::Answer
    }

    /// A CALL with the id of one before it.
    fn call_again(&mut self, place: Place, calling: &Calling) -> Verdict {
        let call = &mut self.calls[place];
        let talents = self.sessions[call.caller].talents;
        let open = call.parts.last().is_some_and(|(_, more)| *more);
        let fits = talents.calls_in_parts && open && call.calling.procedure == calling.procedure;
        let maybe_over = !call.seen || call.must_be_canceled;
        match (call.ended, fits) {
            (None, true) => {
                call.parts.push((calling.cargo, calling.progress));
                self.purposes.insert(calling.cargo, super::Purpose::Call(place));
                Verdict::Part
            }
            (None, false) if call.must_be_canceled && talents.calls_in_parts => Verdict::Part,
            (None, false) if maybe_over && talents.calls_in_parts => Verdict::Doubt,
            (None, false) => Verdict::Violation,
            (Some(_), _) if talents.calls_in_parts => Verdict::Part,
            (Some(_), _) => Verdict::Violation,
        }
    }

    /// `session` makes a new call.
    pub(super) fn call_anew(&mut self, session: Place, request: u64, calling: &Calling) -> Answer {
        let object = (MatchPolicy::Exact, calling.procedure.as_str());
        if let Some(reason) = self.forbids(session, "call", object) {
            return Answer::Refused(48, reason);
        }
        if !is_legal(&calling.procedure, MatchPolicy::Exact) {
            return Answer::Refused(48, error::INVALID_URI);
        }
        // What is the router's own is nobody else's, whatever patterns they have registered.
        if is_reserved(&calling.procedure) {
            return Answer::Refused(48, error::NO_SUCH_PROCEDURE);
        }
        if calling.disclose_me && self.options.disclosure == Disclosure::Deny {
            return Answer::Refused(48, error::DISCLOSURE_NOT_ALLOWED);
        }
        let realm = self.sessions[session].realm;
        // What is reserved is the router's, whatever patterns are registered.
        let ours = is_reserved(&calling.procedure);
        let Some(best) = self.best(realm, &calling.procedure).filter(|_| !ours) else {
            return Answer::Refused(48, error::NO_SUCH_PROCEDURE);
        };
        let small_limits = self.has_small_limits();
        let registration = &mut self.registrations[best];
        let callees = &registration.callees;
        let turn = match registration.invoke {
            "single" | "first" => callees[..1].to_vec(),
            "last" => callees[callees.len() - 1..].to_vec(),
            // What is refused because of a limit is nobody's turn.
            "roundrobin" if !small_limits => {
                vec![callees[registration.calls_count % callees.len()].clone()]
            }
            _ => callees.clone(),
        };
        registration.calls_count += 1;
        let able = |callee: &Callee| can_take(callee.talents, calling);
        let place = self.calls.len();
        self.purposes.insert(calling.cargo, super::Purpose::Call(place));
        self.calls.push(Call {
            caller: session,
            request,
            calling: calling.clone(),
            registration: best,
            may_be_refused: !turn.iter().all(able),
            candidates: turn.into_iter().filter(able).collect(),
            parts: vec![(calling.cargo, calling.progress)],
            callees: Vec::new(),
            parts_heard: 0,
            may_be_canceled: false,
            first_cancel: None,
            must_be_canceled: false,
            replies: Vec::new(),
            heard: 0,
            since: self.now,
            timeout: self.timeout(calling),
            seen: false,
            ended: None,
            failure: None,
            over: false,
        });
        self.sessions[session].pending.push(place);
        Answer::Called(place)
    }

    /// The milliseconds that a call may take.
    fn timeout(&self, calling: &Calling) -> Option<u64> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let (usual, most) = (self.options.call_timeout, self.options.call_timeout_max);
        let wanted = match calling.timeout {
            None | Some(0) => millis(usual),
            Some(asked) => asked,
        };
        let most = if most.is_zero() { u64::MAX } else { millis(most) };
        (wanted > 0).then_some(wanted.min(most))
    }

    /// The registration that a call of `procedure` must go to.
    pub(super) fn best(&self, realm: usize, procedure: &str) -> Option<Place> {
        let matching = |(_, known): &(Place, &Registration)| {
            known.realm == realm
                && !known.callees.is_empty()
                && matches(known.policy, &known.uri, procedure)
        };
        let rank = |known: &Registration| match known.policy {
            MatchPolicy::Exact => (2, Vec::new()),
            MatchPolicy::Prefix => (1, vec![known.uri.len()]),
            // The leftmost component that is named in one and not in the other decides.
            MatchPolicy::Wildcard => {
                let named =
                    known.uri.split('.').map(|component| usize::from(!component.is_empty()));
                (0, named.collect())
            }
        };
        let all = self.registrations.iter().enumerate().filter(matching);
        all.max_by_key(|(_, known)| rank(known)).map(|(place, _)| place)
    }

    pub(super) fn cancel(&mut self, session: Place, request: u64, mode: Option<&'static str>) {
        if !matches!(mode, None | Some("skip" | "kill" | "killnowait")) {
            return self.sessions[session].bad_cancels.push(request);
        }
        let open = |call: &Call| call.caller == session && call.request == request;
        let place = self.calls.iter().position(open);
        let Some(place) = place.filter(|place| self.calls[*place].ended.is_none()) else {
            return;
        };
        let may_be_too_long = self.may_be_too_long(place);
        let call = &mut self.calls[place];
        let mode = mode.unwrap_or("killnowait");
        call.first_cancel.get_or_insert(mode);
        let possible = call.callees.last().map_or(&call.candidates[..], std::slice::from_ref);
        let all_wait = possible.iter().all(|callee| callee.talents.interruptible);
        let may_queue = possible.iter().any(|callee| callee.may_queue(&self.sessions));
        // spec: advanced/rpc_call_canceling — only `kill` leaves it to the callee
        let waits = mode == "kill" && all_wait && call.replies.is_empty();
        let certain = call.seen
            && !call.may_be_canceled
            && !may_be_too_long
            && call.replies.iter().all(|reply| reply.answering.progress);
        let none_waits = mode != "kill" || possible.iter().all(|c| !c.talents.interruptible);
        call.must_be_canceled |= certain && none_waits && !call.may_be_refused;
        call.may_be_canceled |= !waits || may_queue;
    }

    /// Whether a part of a call, or of its answer, may have been its end because whom it was for
    /// takes short ones only. What ends so in one step with what comes behind is not seen.
    fn may_be_too_long(&self, place: Place) -> bool {
        let call = &self.calls[place];
        let callees = call.callees.last().map_or(&call.candidates[..], std::slice::from_ref);
        let fits_all = |cargo: usize| callees.iter().all(|callee| self.fits(cargo, callee.session));
        let mut replies = call.replies.iter().map(|reply| reply.answering.cargo);
        !call.parts.iter().all(|(cargo, _)| fits_all(*cargo))
            || !replies.all(|cargo| self.fits(cargo, call.caller))
    }

    pub(super) fn answer(&mut self, session: Place, request: u64, answering: Answering) {
        let invocations = &self.sessions[session].heard.invocations;
        let place = invocations[request as usize - 1];
        let call = &mut self.calls[place];
        // spec: advanced/payload_passthru_mode
        let takes = self.sessions[call.caller].talents.passthru;
        let refused = answering.passthru && answering.error.is_none() && !takes;
        self.purposes.insert(answering.cargo, super::Purpose::Call(place));
        if call.is_answered_by(session) || call.replies.iter().any(|reply| reply.refused) {
            return;
        }
        call.replies.push(Reply { by: session, answering, refused, at: self.now });
        if refused {
            self.sessions[session].bad_yields.push(request);
        }
    }

    /// Invocations by a registration that `session` is certainly still at work on.
    pub fn running(&self, session: Place, registration: Place) -> usize {
        let invoked = self.sessions[session].heard.invocations.iter();
        let running = invoked.filter(|place| {
            let call = &self.calls[**place];
            call.registration == registration
                && call.callee() == Some(session)
                && !call.is_answered_by(session)
                && !call.replies.iter().any(|reply| reply.refused)
                && call.ended.is_none()
                && self.sessions[call.caller].open
        });
        running.count()
    }

    /// Whether a call that ended at `ended` may have ended for taking too long.
    pub fn may_be_late(&self, place: Place, ended: Instant) -> bool {
        let call = &self.calls[place];
        // What the caller has heard of it has set the time anew.
        let parts = call.replies.iter().take(call.heard);
        let last = parts.filter(|reply| reply.answering.progress).map(|reply| reply.at).next_back();
        let since = last.filter(|_| call.calling.receive_progress).unwrap_or(call.since);
        call.timeout.is_some_and(|millis| since + Duration::from_millis(millis) <= ended)
    }
}

impl Callee {
    /// Whether calls may wait for it. Behind one that waits, all of its caller wait, whatever they
    /// are for.
    pub fn may_queue(&self, sessions: &[Session]) -> bool {
        sessions[self.session].concurrency.values().any(Option::is_some)
    }
}

/// What the router of a session knows of it.
pub struct Seen<'s> {
    /// Whether it has a call.
    pub has_call: &'s dyn Fn(u64) -> bool,
    /// Whether it holds a registration or subscription.
    pub holds: &'s dyn Fn(Kind, u64) -> bool,
    /// The router has just been woken.
    pub woken: bool,
}

/// Whether a callee with these talents can be given such a call.
fn can_take(talents: Talents, calling: &Calling) -> bool {
    let parts = talents.invoked_in_parts && talents.interruptible;
    (parts || !calling.progress) && (talents.passthru || !calling.passthru)
}
