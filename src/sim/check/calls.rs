//! What must hold of everything that peers hear of calls.

use super::{Heard, assert_details, disclosed, passthru};
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::sim::model::{Answer, Call, Callee, Model, Place, Purpose, Reply};
use crate::sim::value::Value;

impl Model {
    /// Before peers answer what they were asked: whoever can be interrupted and works for nobody
    /// has been told so, and whoever works for somebody has heard all parts of what it was asked.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn check_invocations(&self) {
        for (place, call) in self.calls.iter().enumerate() {
            let Some(session) = call.callee() else { continue };
            let callee = &self.sessions[session];
            if call.is_answered_by(session) || !callee.open {
                continue;
            }
            if call.ended.is_none() && self.sessions[call.caller].open {
                let (heard, all) = (call.parts_heard, call.parts.len());
                assert_eq!(heard, all, "parts of call {} were left out", call.request);
            }
            let told = match call.first_cancel {
                Some("skip") => false,
                Some(_) => true,
                None if call.failure.as_deref() == Some(error::TIMEOUT) => true,
                None => !self.sessions[call.caller].open,
            };
            let refused = call.replies.iter().any(|reply| reply.refused);
            if !told || refused || !callee.talents.interruptible {
                continue;
            }
            let request = callee.heard.invocations.iter().position(|invoked| *invoked == place);
            let request = request.expect("it was invoked") as u64 + 1;
            let interrupts = &callee.heard.interrupts;
            let told = interrupts.iter().any(|(interrupted, _)| *interrupted == request);
            assert!(told, "INTERRUPT of {request} is missing");
        }
    }

    pub(super) fn hear_invocation(&mut self, session: Place, heard: Heard<'_>) {
        let request = heard.number(1);
        let cargo = heard.cargo(4);
        let Some(Purpose::Call(place)) = self.purposes.get(&cargo).copied() else {
            panic!("cargo {cargo} was not passed to a call");
        };
        self.assert_cargo(cargo, 4, heard);
        let callee = &mut self.sessions[session];
        let invoked = callee.heard.invocations.len() as u64;
        if request <= invoked {
            let before = callee.heard.invocations[request as usize - 1];
            assert_eq!(before, place, "a part of another call");
            assert_eq!(self.calls[place].callee(), Some(session), "a part for another callee");
        } else {
            // 8: request ids count 1, 2, 3 …
            assert_eq!(request, invoked + 1, "ids of invocations");
            callee.heard.invocations.push(place);
            self.begin_invocation(session, place, heard.number(2));
        }
        let call = &mut self.calls[place];
        let registration = &self.registrations[call.registration];
        assert_eq!(registration.id, heard.number(2), "another registration matches better");
        let part = call.parts.get(call.parts_heard).copied();
        let (expected, more) = part.expect("a part that was not said");
        assert_eq!(expected, cargo, "parts in another order");
        call.parts_heard += 1;
        self.assert_invocation_details(place, more, heard);
    }

    /// A callee hears of a call for the first time.
    fn begin_invocation(&mut self, session: Place, place: Place, registration: u64) {
        // 5: REGISTERED before the first INVOCATION, none after UNREGISTERED
        let through = self.sessions[session].heard.registrations.get(&registration).copied();
        let through = through.expect("an INVOCATION of a registration that is not held");
        let call = &self.calls[place];
        let callee = match call.callees.last() {
            None => call.candidates.iter().find(|callee| callee.session == session),
            Some(before) => {
                self.assert_declined(call, before, session);
                let mut known = self.registrations[through].known.iter().rev();
                known.find(|callee| callee.session == session)
            }
        };
        let callee = callee.expect("another callee's turn").clone();
        // 4: invocations of one caller come in order; but for those that another declined
        let (caller, first) = (call.caller, call.callees.is_empty());
        let callee_heard = &mut self.sessions[session].heard;
        if first {
            let last = callee_heard.last_call.insert(caller, place);
            assert!(last.is_none_or(|last| last < place), "a call came after a later one");
        }
        let call = &mut self.calls[place];
        call.callees.push(callee);
        call.parts_heard = 0;
        // A part that is too long for its callee ends an invocation before its caller knows.
        let callee = &self.sessions[session];
        let takes_all = callee.message_bytes_max == usize::MAX;
        let limit = callee.concurrency.get(&through).copied().flatten().filter(|_| takes_all);
        let running = self.running(session, through) as u64;
        assert!(limit.is_none_or(|limit| running <= limit), "{running} calls at a time");
    }

    /// A call may be given to another only if the one before could and did decline it, and
    /// nobody gets it twice.
    // spec: advanced/rpc_call_rerouting
    fn assert_declined(&self, call: &Call, before: &Callee, next: Place) {
        let declined = call.replies.last().filter(|reply| reply.by == before.session);
        let error = declined.and_then(|reply| reply.answering.error);
        assert_eq!(error, Some(error::UNAVAILABLE), "a call was invoked twice");
        assert!(before.talents.reroutes, "who declined cannot");
        assert!(call.callees.iter().all(|callee| callee.session != next), "it declined already");
        assert_eq!(call.parts.len(), 1, "what went out in parts cannot be given to another");
        assert!(!call.must_be_canceled, "a call that was canceled goes on");
    }

    fn assert_invocation_details(&self, place: Place, more: bool, heard: Heard<'_>) {
        let call = &self.calls[place];
        let (calling, caller) = (&call.calling, call.caller);
        let registration = &self.registrations[call.registration];
        let callee = call.callees.last().expect("it was invoked a line ago");
        let again = registration.known.iter().filter(|known| known.session == callee.session);
        if call.callees.len() > 1 && again.count() > 1 {
            // It came and went with other wishes; which of them hold here is not known.
            return;
        }
        let (talents, wish) = (callee.talents, &callee.wish);
        let by_pattern = registration.policy != MatchPolicy::Exact;
        let progress = calling.receive_progress && talents.progressive && talents.interruptible;
        let minds = wish.forward_timeout && talents.minds_timeouts;
        let told = self.is_disclosed(calling.disclose_me || wish.disclose_caller);
        let mut details = vec![
            by_pattern.then(|| ("procedure", calling.procedure.as_str().into())),
            progress.then_some(("receive_progress", Value::Boolean(true))),
            more.then_some(("progress", Value::Boolean(true))),
            call.timeout.filter(|_| minds).map(|millis| ("timeout", millis.into())),
            disclosed("caller", told, self.sessions[caller].true_id, heard),
            self.trust(caller, &calling.procedure),
        ];
        details.extend(passthru(calling.passthru));
        assert_details(&heard.items[3], &details, "caller");
    }

    pub(super) fn hear_interrupt(&mut self, session: Place, heard: Heard<'_>) {
        heard.assert_count(3);
        let request = heard.number(1);
        let callee = &mut self.sessions[session];
        assert!(callee.talents.interruptible, "INTERRUPT to a callee that cannot take it");
        // I-03: INVOCATION before INTERRUPT
        let place = callee.heard.invocations.get(request as usize - 1).copied();
        let place = place.expect("INTERRUPT before INVOCATION");
        let kill = match heard.items[2].get("mode") {
            Some(Value::Text(mode)) if mode == "kill" => true,
            Some(Value::Text(mode)) if mode == "killnowait" => false,
            other => panic!("INTERRUPT with mode {other:?}"),
        };
        // `kill` may be followed by `killnowait`, but nothing comes twice.
        let before =
            callee.heard.interrupts.iter().find(|(interrupted, _)| *interrupted == request);
        assert!(before.is_none_or(|(_, before)| *before && !kill), "INTERRUPT came again");
        callee.heard.interrupts.push((request, kill));
        let call = &self.calls[place];
        if kill {
            return assert!(call.first_cancel.is_some(), "nobody asked to kill it");
        }
        let short = |session: Place| self.sessions[session].message_bytes_max < usize::MAX;
        let too_long = short(call.caller) || short(session);
        let gone = !self.sessions[call.caller].open;
        let reason = call.first_cancel.is_some() || gone || too_long;
        assert!(reason || self.may_be_late(place, self.now), "INTERRUPT for no reason");
    }

    pub(super) fn hear_result(&mut self, session: Place, heard: Heard<'_>) {
        let request = heard.number(1);
        let progress = heard.items[2].get("progress") == Some(&Value::Boolean(true));
        let place = self.pending_call(session, request);
        let cargo = heard.cargo(3);
        assert_eq!(self.purposes.get(&cargo), Some(&Purpose::Call(place)), "another call's");
        self.assert_cargo(cargo, 3, heard);
        let call = &mut self.calls[place];
        assert!(!progress || call.calling.receive_progress, "parts that nobody asked for");
        assert!(progress || !call.must_be_canceled, "a call that was canceled has a result");
        // I-02: parts come in order, and the final one last
        let reply = next_reply(call).expect("an answer that was not given");
        let given = reply.answering;
        assert_eq!((given.cargo, given.progress, given.error), (cargo, progress, None));
        assert!(!reply.refused, "payload that the caller cannot read");
        let mut details = vec![progress.then_some(("progress", Value::Boolean(true)))];
        details.extend(passthru(given.passthru));
        assert_details(&heard.items[2], &details, "-");
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

    pub(super) fn hear_error(&mut self, session: Place, heard: Heard<'_>) {
        let (code, request, reason) = (heard.number(1), heard.number(2), heard.text(4));
        let known = &mut self.sessions[session];
        if code == 49 || code == 70 {
            let (refused, expected) = match code {
                49 => (&mut known.bad_cancels, error::INVALID_ARGUMENT),
                _ => (&mut known.bad_yields, error::FEATURE_NOT_SUPPORTED),
            };
            assert_eq!(reason, expected);
            let place = refused.iter().position(|bad| *bad == request);
            refused.remove(place.expect("an ERROR about no CANCEL and no YIELD"));
            return;
        }
        let expected = known.answers.get(&request).cloned();
        match expected {
            Some(Answer::Refused(kind, uri)) => {
                assert_eq!((code, reason), (kind, uri), "request {request}");
                heard.assert_count(5);
                self.sessions[session].answers.remove(&request);
            }
            Some(Answer::Called(place)) => {
                assert_eq!(code, 48, "an ERROR about another type of request");
                self.hear_call_error(place, reason, heard);
                self.calls[place].failure = Some(reason.into());
                self.end_call(session, request, place);
            }
            Some(Answer::Asked(place)) => {
                assert_eq!(code, 48, "an ERROR about another type of request");
                self.sessions[session].answers.remove(&request);
                self.hear_no_finding(place, reason);
            }
            other => panic!("request {request} fails with {reason}: {other:?}"),
        }
    }

    fn hear_call_error(&mut self, place: Place, reason: &str, heard: Heard<'_>) {
        if heard.items.len() > 5 {
            return self.hear_given_error(place, reason, heard);
        }
        let call = &self.calls[place];
        let reason_ok = reason == error::CANCELED || !call.must_be_canceled;
        assert!(reason_ok, "a call that was canceled fails with {reason}");
        match reason {
            error::CANCELED | error::NO_SUCH_PROCEDURE => {
                assert!(call.may_be_canceled, "{reason} for no reason");
            }
            error::TIMEOUT => {
                // A session that ends in the same step is not seen any more.
                let ended = call.ended.unwrap_or(self.now);
                assert!(self.may_be_late(place, ended), "a call took too long too soon");
            }
            error::LIMIT_EXCEEDED => {
                let mut known = self.registrations[call.registration].known.iter();
                let queues = known.any(|callee| callee.may_queue(&self.sessions));
                let queued = self.has_small_queues() && queues;
                assert!(queued || self.has_small_limits(), "no limit was near");
            }
            error::FEATURE_NOT_SUPPORTED => {
                let refused = call.replies.iter().any(|reply| reply.refused);
                assert!(refused || call.may_be_refused, "everything needed is supported");
            }
            error::NO_AVAILABLE_CALLEE => panic!("{reason}, but nobody declined"),
            error::PAYLOAD_SIZE_EXCEEDED => {
                let short = |place: Place| self.sessions[place].message_bytes_max < usize::MAX;
                let callees = call.candidates.iter().chain(&call.callees);
                let mut callees = callees.map(|callee| callee.session);
                assert!(short(call.caller) || callees.any(short), "nobody takes short ones only");
            }
            _ => panic!("a call fails with {reason}"),
        }
        heard.assert_count(5);
    }

    /// An ERROR as the callee gave it.
    fn hear_given_error(&mut self, place: Place, reason: &str, heard: Heard<'_>) {
        let cargo = heard.cargo(5);
        let call = &mut self.calls[place];
        assert!(!call.must_be_canceled, "a call that was canceled fails with {reason}");
        let mut reply = next_reply(call).expect("an error that was not given");
        // What one declined is followed by what another did.
        while reply.answering.cargo != cargo && reply.answering.error == Some(error::UNAVAILABLE) {
            reply = next_reply(call).expect("an error that was not given");
        }
        let declined = call.callees.last().is_some_and(|callee| callee.talents.reroutes)
            && reply.answering.error == Some(error::UNAVAILABLE);
        let expected = match reply.answering.error {
            Some(error::UNAVAILABLE) if reason == error::NO_AVAILABLE_CALLEE => {
                assert!(declined, "{reason}, but nobody could decline");
                error::NO_AVAILABLE_CALLEE
            }
            given => given.expect("a result that became an error"),
        };
        assert_eq!((reply.answering.cargo, expected), (cargo, reason), "another error");
        let whole = call.parts.len() == 1 && !call.calling.progress && !call.calling.passthru;
        let plain = whole && call.first_cancel.is_none() && call.replies.len() == 1;
        let long = self.cargo[call.calling.cargo].tail.len() > 60_000;
        assert!(reason != error::UNAVAILABLE || !declined || !plain || long, "nobody else asked");
        self.assert_cargo(cargo, 5, heard);
        let details: Vec<_> = passthru(reply.answering.passthru).collect();
        assert_details(&heard.items[3], &details, "-");
    }
}

/// The next answer that the caller must hear: what went before it and is not for it is skipped.
fn next_reply(call: &mut Call) -> Option<Reply> {
    while let Some(reply) = call.replies.get(call.heard).copied() {
        call.heard += 1;
        let declined = reply.answering.error == Some(error::UNAVAILABLE);
        let another = call.replies.get(call.heard).is_some_and(|next| next.by != reply.by);
        let dropped = reply.answering.progress && !call.calling.receive_progress;
        if !(dropped || declined && another) {
            return Some(reply);
        }
    }
    None
}
