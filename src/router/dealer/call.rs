//! The caller's half of a call: CALL, CANCEL, its deadline, and its RESULTs and ERROR.

use std::time::Duration;

use super::super::config::{Action, Disclosure};
use super::super::conversation::Deadline;
use super::super::realm::{Context, Refusal, error_of};
use super::super::registrations::{Callee, Registration};
use super::super::relay::{CancelMode, Details, Head, InvokeHead, Relay};
use super::super::told::Told;
use super::Dealer;
use crate::env::Map;
use crate::message::layout::Element;
use crate::message::{
    Call, CallOptions, Cancel, InvocationDetails, MatchPolicy, Payload, RequestId, uri,
};
use crate::session::{CallRef, KeptCall, KeptPayload, PendingCall, SessionRef};
use crate::wire::msgpack::{MsgPackReader, MsgPackWriter};
use crate::wire::{Reader, Writer};

impl Dealer {
    /// Routes a call of the session in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(in super::super) fn on_call(
        &mut self,
        slot: u32,
        call: &Call<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(caller) = context.peers.reference(slot) else { return Ok(()) };
        let session = context.peers.session(slot).expect("it was there a line ago");
        if session.calls.contains_key(&call.request) {
            return self.on_continuation(caller, call, context);
        }
        if !uri::is_valid(&call.procedure, self.shared.uri_check) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let disclose_me = call.options.disclose_me == Some(true);
        let granted = context.granted.take().is_some_and(|granted| granted.discloses);
        let disclosure = match granted {
            true => Disclosure::Always,
            false => {
                let realm = self.shared.options.disclosure;
                session.identity.disclosure(Action::Call, &call.procedure, realm)
            }
        };
        if disclose_me && disclosure == Disclosure::Deny {
            return Err(Refusal::new(uri::error::DISCLOSURE_NOT_ALLOWED));
        }
        let Some(registration) = self.cache.best(&self.shared.registrations, &call.procedure)
        else {
            return Err(Refusal::new(uri::error::NO_SUCH_PROCEDURE));
        };
        if session.calls.len() >= context.limits.calls_pending_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        let callee = registration.pick(context.random);
        check_features(&call.options, &callee)?;
        let timeout = self.shared.options.call_timeout(call.options.timeout);
        let takes_passthru = session.caller_has(|features| features.payload_passthru_mode);
        let procedure = &*call.procedure;
        let disclosed = is_disclosed(disclosure, &call.options, &callee);
        let teller = (caller.id, &session.identity);
        let told = Told::new(teller, disclosed, procedure, &self.shared.options);
        let wanted = Wanted { options: &call.options, procedure, timeout, caller: Some(&told) };
        let details = details_for(&wanted, (registration, &callee));
        let serial = session.next_call();
        let pending = remember((call, serial), timeout, (registration, &callee), &details);
        let (registration, callee) = (registration.id, callee.session);
        session.calls.insert(call.request, pending);
        let call_ref = CallRef { caller, request: call.request, serial };
        self.set_timeout(call_ref, timeout, context);
        let head =
            InvokeHead { callee, registration, call: call_ref, takes_passthru, continues: false };
        self.pass_on(head, details, (procedure, call.payload), context);
        Ok(())
    }

    /// Sends on another part of a call that is under way. The session has checked that it may.
    // spec: advanced/rpc_progressive_call_invocations
    fn on_continuation(
        &mut self,
        caller: SessionRef,
        call: &Call<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let progress = call.options.progress == Some(true);
        let session = context.peers.find(caller).expect("it is calling");
        let takes_passthru = session.caller_has(|features| features.payload_passthru_mode);
        let pending = session.calls.get_mut(&call.request).expect("it was found");
        let (callee, serial) = (pending.callee, pending.serial);
        let kept = pending.kept.as_mut().expect("only a call in parts is continued");
        kept.in_parts = progress;
        // What was rerouted cannot be said again.
        kept.payload = None;
        let registration = kept.registration;
        let kept_details = kept.details.clone();
        // Everything but `progress` stands as the first part set it.
        let mut details = details_of(&kept_details);
        details.progress = progress.then_some(true);
        let call_ref = CallRef { caller, request: call.request, serial };
        let head =
            InvokeHead { callee, registration, call: call_ref, takes_passthru, continues: true };
        self.pass_on(head, details, (&call.procedure, call.payload), context);
        Ok(())
    }

    /// Gives up a call of the session in `slot`. A call that is over is none to cancel.
    // spec: advanced/rpc_call_canceling
    pub(in super::super) fn on_cancel(
        &mut self,
        slot: u32,
        cancel: &Cancel<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let mode = match cancel.options.mode.as_deref() {
            Some("skip") => CancelMode::Skip,
            Some("kill") => CancelMode::Kill,
            None | Some("killnowait") => CancelMode::KillNoWait,
            Some(_) => return Err(Refusal::new(uri::error::INVALID_ARGUMENT)),
        };
        let Some(caller) = context.peers.reference(slot) else { return Ok(()) };
        let request = cancel.request;
        let session = context.peers.session(slot).expect("it was there a line ago");
        let Some(pending) = session.calls.get_mut(&request) else { return Ok(()) };
        let call = CallRef { caller, request, serial: pending.serial };
        let (callee, interruptible) = (pending.callee, pending.interruptible);
        let mode = if interruptible { mode } else { CancelMode::Skip };
        stay(pending);
        if mode != CancelMode::Kill {
            self.take_call(call, context);
            context.peers.tell(slot, error_of(Call::CODE, call.request, uri::error::CANCELED));
        }
        self.cancel(callee, call, mode, context);
        Ok(())
    }

    /// Ends a call that took too long.
    // spec: advanced/rpc_call_timeout
    pub(in super::super) fn on_timeout(&mut self, call: CallRef, context: &mut Context<'_>) {
        self.timeouts.remove(&call);
        let Some(pending) = self.take_call(call, context) else { return };
        context.give_reason(call, uri::error::TIMEOUT);
        self.cancel(pending.callee, call, CancelMode::KillNoWait, context);
    }

    /// Gives the caller what its callee yielded.
    pub(super) fn on_yielded(
        &mut self,
        call: CallRef,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        let Details::Result(details) = &relay.details else { unreachable!("its own Details") };
        if details.progress != Some(true) {
            if self.take_call(call, context).is_some() {
                context.give_result(call, (details, &relay.payload));
            } else {
                context.peers.counters.late_answers += 1;
            }
            return;
        }
        let Some(pending) = context.pending_mut(call) else {
            context.peers.counters.late_answers += 1;
            return;
        };
        stay(pending);
        let (callee, timeout) = (pending.callee, pending.timeout);
        if !pending.receive_progress {
            return;
        }
        // spec: advanced/rpc_progressive_call_results — the time runs anew with each part
        self.set_timeout(call, timeout, context);
        if !context.give_result(call, (details, &relay.payload)) {
            // The call has failed in the middle: nobody waits for the rest.
            self.take_call(call, context);
            self.cancel(callee, call, CancelMode::KillNoWait, context);
        }
    }

    /// Gives the caller the error in which its call ended, or tries another callee.
    pub(super) fn on_failed(
        &mut self,
        call: CallRef,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        let Details::Error(details) = &relay.details else { unreachable!("its own Details") };
        let error = match relay.text {
            uri::error::UNAVAILABLE => match self.reroute(call, context) {
                Rerouted::Yes => return,
                Rerouted::NobodyLeft => uri::error::NO_AVAILABLE_CALLEE,
                Rerouted::No => relay.text,
            },
            other => other,
        };
        if self.take_call(call, context).is_none() {
            context.peers.counters.late_answers += 1;
            return;
        }
        context.give_error(call, error, (details, &relay.payload));
    }

    /// Answers a call whose callee left the registration while the call was under way to it.
    ///
    /// It is not given to another callee: a later call of the same caller may have reached that
    /// one already, and calls between two peers keep their order.
    pub(super) fn on_bounced(&mut self, call: CallRef, procedure: &str, context: &mut Context<'_>) {
        let error = match self.cache.best(&self.shared.registrations, procedure) {
            Some(_) => uri::error::CANCELED,
            None => uri::error::NO_SUCH_PROCEDURE,
        };
        self.fail(call, error, context);
    }

    /// Ends a call of the session in `slot` that may not go on.
    pub(in super::super) fn end_call(
        &mut self,
        slot: u32,
        request: RequestId,
        Refusal(error): Refusal,
        context: &mut Context<'_>,
    ) {
        let Some(caller) = context.peers.reference(slot) else { return };
        let session = context.peers.session(slot).expect("it was there a line ago");
        let Some(serial) = session.calls.get(&request).map(|pending| pending.serial) else {
            return;
        };
        let call = CallRef { caller, request, serial };
        let Some(pending) = self.take_call(call, context) else { return };
        context.peers.tell(slot, error_of(Call::CODE, request, error));
        self.cancel(pending.callee, call, CancelMode::KillNoWait, context);
    }

    /// Ends all calls of the session in `slot`, which is about to be told goodbye.
    pub(in super::super) fn cancel_calls(&mut self, slot: u32, context: &mut Context<'_>) {
        let Some(caller) = context.peers.reference(slot) else { return };
        let session = context.peers.session(slot).expect("it was there a line ago");
        let none = Map::with_hasher(session.calls.hasher().clone());
        let calls = std::mem::replace(&mut session.calls, none);
        let mut requests: Vec<_> = calls.keys().copied().collect();
        requests.sort_unstable();
        for request in requests {
            context.peers.tell(slot, error_of(Call::CODE, request, uri::error::CANCELED));
        }
        self.abandon(caller, &calls, context);
    }

    /// Tells callees that nobody waits for them any more.
    // spec: basic/remote_procedure_call#caller-leaving
    pub(super) fn abandon(
        &mut self,
        caller: SessionRef,
        calls: &Map<RequestId, PendingCall>,
        context: &mut Context<'_>,
    ) {
        let mut calls: Vec<_> = calls.iter().map(|(id, call)| (*id, call)).collect();
        calls.sort_unstable_by_key(|(request, _)| *request);
        for (request, PendingCall { callee, serial, .. }) in calls {
            let (callee, call) = (*callee, CallRef { caller, request, serial: *serial });
            self.set_timeout(call, None, context);
            self.cancel(callee, call, CancelMode::KillNoWait, context);
        }
    }

    /// Tries another callee, if this call may and there is one.
    // spec: advanced/rpc_call_rerouting
    fn reroute(&mut self, call: CallRef, context: &mut Context<'_>) -> Rerouted {
        let takes_passthru = context.takes_passthru(call.caller);
        let Some(pending) = context.pending_mut(call) else { return Rerouted::No };
        let (declined, timeout) = (pending.callee.id, pending.timeout);
        let Some(mut kept) = pending.kept.take_if(|kept| kept.payload.is_some()) else {
            return Rerouted::No;
        };
        let payload = kept.payload.clone().expect("it was there a line ago");
        kept.tried.push(declined);
        let registration = self.cache.best(&self.shared.registrations, &kept.procedure);
        let registration = registration.filter(|found| found.id == kept.registration);
        let (options, procedure) = (kept.options.clone(), kept.procedure.clone());
        let options = CallOptions::read(&mut MsgPackReader::open(&options));
        let options = options.expect("written by `keep`");
        let next = registration.and_then(|found| {
            // Whoever could not take this call is passed over.
            let may = |callee: &Callee| check_features(&options, callee).is_ok();
            let callee = found.next(&kept.tried, may, context.random)?;
            Some((found, callee))
        });
        let Some((registration, callee)) = next else { return Rerouted::NobodyLeft };
        if !callee.call_reroute {
            kept.payload = None;
        }
        let realm = &self.shared.options;
        let told = context.peers.find(call.caller).map(|session| {
            let identity = &session.identity;
            let disclosure = identity.disclosure(Action::Call, &procedure, realm.disclosure);
            let disclosed = is_disclosed(disclosure, &options, &callee);
            Told::new((call.caller.id, identity), disclosed, &procedure, realm)
        });
        let caller = told.as_ref();
        let wanted = Wanted { options: &options, procedure: &procedure, timeout, caller };
        let details = details_for(&wanted, (registration, &callee));
        let registration = registration.id;
        let pending = context.pending_mut(call).expect("it was there some lines ago");
        pending.callee = callee.session;
        pending.interruptible = callee.call_canceling;
        pending.kept = Some(kept);
        let callee = callee.session;
        let head = InvokeHead { callee, registration, call, takes_passthru, continues: false };
        self.pass_on(head, details, (&procedure, payload.payload()), context);
        Rerouted::Yes
    }

    /// Passes a call, or a part of one, to its callee's shard.
    pub(super) fn pass_on(
        &mut self,
        head: InvokeHead,
        details: InvocationDetails<'_>,
        (procedure, payload): (&str, Payload<'_>),
        context: &mut Context<'_>,
    ) {
        let to = head.callee.shard;
        let (head, details) = (Head::Invoke(head), Details::Invocation(details));
        self.pass(to, &Relay { head, text: procedure, ids: &[], details, payload }, context);
    }

    /// Takes a call out of its caller's pending ones, with its deadline.
    pub(super) fn take_call(
        &mut self,
        call: CallRef,
        context: &mut Context<'_>,
    ) -> Option<PendingCall> {
        let pending = context.finish_call(call)?;
        if pending.timeout.is_some() {
            self.set_timeout(call, None, context);
        }
        Some(pending)
    }

    /// Sets, moves or removes the deadline of a call.
    pub(super) fn set_timeout(
        &mut self,
        call: CallRef,
        after: Option<Duration>,
        context: &mut Context<'_>,
    ) {
        let before = match after {
            // Most calls have none.
            None if self.timeouts.is_empty() => None,
            None => self.timeouts.remove(&call),
            Some(after) => {
                let deadline = Deadline::Call { realm: self.realm, call };
                let handle = context.deadlines.insert(context.now + after, deadline);
                self.timeouts.insert(call, handle)
            }
        };
        if let Some(before) = before {
            context.deadlines.cancel(before);
        }
    }

    /// Tells a callee's shard that the caller gave up.
    pub(super) fn cancel(
        &mut self,
        callee: SessionRef,
        call: CallRef,
        mode: CancelMode,
        context: &mut Context<'_>,
    ) {
        self.pass(callee.shard, &Relay::of(Head::Cancel { callee, call, mode }), context);
    }
}

/// What came of the attempt to give a call to another callee.
enum Rerouted {
    /// It is on its way.
    Yes,
    /// This call cannot be given to another.
    No,
    /// It could, but all have been asked.
    NobodyLeft,
}

/// What a caller asked for, as far as its callees are told.
pub(super) struct Wanted<'a> {
    pub(super) options: &'a CallOptions<'a>,
    pub(super) procedure: &'a str,
    pub(super) timeout: Option<Duration>,
    /// What is told of who calls, unless it is the router.
    pub(super) caller: Option<&'a Told>,
}

/// Whether `callee` is told who calls.
fn is_disclosed(disclosure: Disclosure, options: &CallOptions<'_>, callee: &Callee) -> bool {
    match disclosure {
        Disclosure::Allow => options.disclose_me == Some(true) || callee.disclose_caller,
        Disclosure::Deny => false,
        Disclosure::Always => true,
    }
}

/// What is remembered of a new call that `callee` gets.
pub(super) fn remember(
    (call, serial): (&Call<'_>, u64),
    timeout: Option<Duration>,
    (registration, callee): (&Registration, &Callee),
    details: &InvocationDetails<'_>,
) -> PendingCall {
    PendingCall {
        serial,
        callee: callee.session,
        interruptible: callee.call_canceling,
        receive_progress: call.options.receive_progress == Some(true),
        timeout,
        kept: keep(call, registration, callee, details),
    }
}

/// The Details with which `callee` is invoked.
pub(super) fn details_for<'a>(
    wanted: &Wanted<'a>,
    (registration, callee): (&Registration, &Callee),
) -> InvocationDetails<'a> {
    let options = wanted.options;
    let mut details =
        InvocationDetails { passthru: options.passthru.clone(), ..Default::default() };
    let by_pattern = registration.policy != MatchPolicy::Exact;
    details.procedure = by_pattern.then(|| wanted.procedure.into());
    // spec: advanced/rpc_progressive_call_results — only to callees that can also be stopped
    let progressive = callee.progressive_call_results && callee.call_canceling;
    let receive_progress = options.receive_progress == Some(true);
    details.receive_progress = (receive_progress && progressive).then_some(true);
    details.progress = options.progress.filter(|progress| *progress);
    if callee.forward_timeout {
        details.timeout = wanted.timeout.map(|timeout| timeout.as_millis() as u64);
    }
    let Some(told) = wanted.caller else { return details };
    if let Some((caller, authid, authrole)) = &told.identity {
        details.caller = Some(*caller);
        details.caller_authid = Some((**authid).into());
        details.caller_authrole = Some((**authrole).into());
    }
    details.trustlevel = told.trustlevel;
    details
}

/// From here on the call is not given to another callee any more.
fn stay(pending: &mut PendingCall) {
    if let Some(kept) = &mut pending.kept {
        kept.payload = None;
    }
}

/// Refuses what the chosen callee cannot do.
fn check_features(options: &CallOptions<'_>, callee: &Callee) -> Result<(), Refusal> {
    // spec: advanced/rpc_progressive_call_invocations
    let in_parts = options.progress == Some(true);
    let lacks_parts = !callee.progressive_call_invocations || !callee.call_canceling;
    // spec: advanced/payload_passthru_mode
    let passthru = options.passthru.as_ref();
    let passes_through = passthru.is_some_and(|passthru| passthru.is_used());
    if in_parts && lacks_parts || passes_through && !callee.payload_passthru_mode {
        return Err(Refusal::new(uri::error::FEATURE_NOT_SUPPORTED));
    }
    Ok(())
}

/// What must be remembered of a call that may have to be continued or rerouted.
fn keep(
    call: &Call<'_>,
    registration: &Registration,
    callee: &Callee,
    details: &InvocationDetails<'_>,
) -> Option<Box<KeptCall>> {
    let in_parts = call.options.progress == Some(true);
    let reroutable = callee.call_reroute && call.payload.len() <= REROUTED_BYTES_MAX;
    if !in_parts && !callee.call_reroute {
        return None;
    }
    let (mut bytes, mut options) = (Vec::new(), Vec::new());
    Element::write(details, &mut MsgPackWriter::open(&mut bytes));
    Element::write(&call.options, &mut MsgPackWriter::open(&mut options));
    Some(Box::new(KeptCall {
        procedure: call.procedure.as_ref().into(),
        registration: registration.id,
        details: bytes.into(),
        options: options.into(),
        in_parts,
        payload: (reroutable && !in_parts).then(|| KeptPayload::new(&call.payload)),
        tried: Vec::new(),
    }))
}

fn details_of(kept: &[u8]) -> InvocationDetails<'_> {
    InvocationDetails::read(&mut MsgPackReader::open(kept)).expect("written by `keep`")
}

/// Payloads beyond this are not kept for another try: the error then goes to the caller.
const REROUTED_BYTES_MAX: usize = 64 * 1024;
