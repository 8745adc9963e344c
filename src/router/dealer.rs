//! Routed procedure calls within one realm, on one shard.
//!
//! Each shard keeps the half of a call it can answer for: the caller's shard the *call* (for
//! CANCEL, and when the caller leaves), the callee's shard the *invocation* (for YIELD, and when
//! the callee leaves). If either peer goes, its shard tells the other half, and every CALL ends in
//! exactly one final RESULT or ERROR; what comes later finds nothing and is dropped.
//!
//! ```text
//!   caller's shard                               callee's shard
//!   CALL ──▶ on_call ───────── Invoke ────────▶ on_invoke ──▶ INVOCATION
//!            (call pending)                      (invocation pending)
//!   RESULT ◀── on_yielded ◀─── Yielded ──────── on_yield ◀── YIELD
//!   ERROR  ◀── on_failed  ◀─── Failed ───────── on_error ◀── ERROR
//!   CANCEL ──▶ on_cancel ───── Cancel ────────▶ on_canceled ──▶ INTERRUPT
//! ```
//!
//! Both halves take the same path when they are on one shard; a relay then is a function call.

use std::sync::Arc;

use super::pattern::Cache;
use super::peers::Undeliverable;
use super::realm::{Context, Refusal, SharedRealm, error_of};
use super::registrations::{Callee, InvokePolicy, Registration};
use super::relay::{CancelMode, Details, Head, InvokeHead, Relay};
use crate::env::Map;
use crate::message::uri::{self, Pattern};
use crate::message::{
    Call, Cancel, Error, ErrorDetails, Interrupt, InterruptOptions, Invocation, InvocationDetails,
    MatchPolicy, Message, Register, Registered, RegistrationId, RequestId, Result as CallResult,
    ResultDetails, SessionId, Unregister, Unregistered, Yield,
};
use crate::session::{CallRef, PendingCall, Session, SessionRef, ShardId};

/// One realm's dealer on one shard.
#[derive(Debug)]
pub(super) struct Dealer {
    realm: u16,
    shared: Arc<SharedRealm>,
    cache: Cache<Registration>,
}

impl Dealer {
    pub(super) fn new(realm: u16, shared: Arc<SharedRealm>, hash_key: &ahash::RandomState) -> Self {
        Self { realm, shared, cache: Cache::new(hash_key.clone()) }
    }

    /// Makes the session in `slot` a callee and answers its REGISTER.
    // spec: basic/remote_procedure_call#registering-and-unregistering
    pub(super) fn on_register(
        &mut self,
        slot: u32,
        register: &Register<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let policy = register.options.r#match.unwrap_or_default();
        let procedure = &*register.procedure;
        let valid = uri::is_valid_pattern(procedure, policy, self.shared.uri_check);
        if !valid || uri::is_reserved(procedure) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let invoke = match &register.options.invoke {
            None => InvokePolicy::Single,
            Some(name) => {
                InvokePolicy::from_name(name).ok_or(Refusal::new(uri::error::INVALID_ARGUMENT))?
            }
        };
        let Some(session) = context.peers.session(slot) else {
            return Ok(());
        };
        if session.registrations.len() >= context.limits.registrations_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        let callee = Callee {
            call_canceling: takes_interrupt(session),
            progressive_call_results: session.callee_has(|f| f.progressive_call_results),
            session: context.peers.reference(slot).expect("the session that is registering"),
        };
        let id = self.join(policy, invoke, procedure, callee)?;
        let session = context.peers.session(slot).expect("the session that is registering");
        session.registrations.insert(id, Pattern { policy, uri: procedure.into() });
        // spec: basic/security_model#ordering — REGISTERED goes out before any INVOCATION: what
        // other shards send is handled by this shard after this function.
        context.peers.tell(slot, Registered { request: register.request, registration: id });
        Ok(())
    }

    /// Ends a registration of the session in `slot` and answers its UNREGISTER.
    ///
    /// Invocations that went out stay answerable.
    // spec: basic/remote_procedure_call#registering-and-unregistering
    pub(super) fn on_unregister(
        &mut self,
        slot: u32,
        unregister: &Unregister<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(session) = context.peers.session(slot) else {
            return Ok(());
        };
        let Some(pattern) = session.registrations.remove(&unregister.registration) else {
            return Err(Refusal::new(uri::error::NO_SUCH_REGISTRATION));
        };
        let session = session.id;
        self.part(session, &pattern);
        let request = unregister.request;
        context.peers.tell(slot, Unregistered { request, details: None });
        Ok(())
    }

    /// Routes a call of the session in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(super) fn on_call(
        &mut self,
        slot: u32,
        call: &Call<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if !uri::is_valid(&call.procedure, self.shared.uri_check) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let Some(registration) = self.cache.best(&self.shared.registrations, &call.procedure)
        else {
            return Err(Refusal::new(uri::error::NO_SUCH_PROCEDURE));
        };
        let callee = registration.pick(context.random);
        let by_pattern = registration.policy != MatchPolicy::Exact;
        let registration = registration.id;
        let Some(caller) = context.peers.reference(slot) else {
            return Ok(());
        };
        let session = context.peers.session(slot).expect("it was there a line ago");
        if session.calls.len() >= context.limits.calls_pending_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        let receive_progress = call.options.receive_progress == Some(true);
        let serial = session.next_call();
        let pending = PendingCall {
            serial,
            callee: callee.session,
            interruptible: callee.call_canceling,
            receive_progress,
            killed: false,
        };
        session.calls.insert(call.request, pending);
        let disclosed = (call.options.disclose_me == Some(true)).then(|| session.identity.clone());

        let mut details =
            InvocationDetails { passthru: call.options.passthru.clone(), ..Default::default() };
        details.procedure = by_pattern.then(|| call.procedure.as_ref().into());
        // spec: advanced/rpc_progressive_call_results — only to callees that can also be stopped
        let progressive = callee.progressive_call_results && callee.call_canceling;
        details.receive_progress = (receive_progress && progressive).then_some(true);
        if let Some(identity) = &disclosed {
            details.caller = Some(caller.id);
            details.caller_authid = Some(identity.authid.as_ref().into());
            details.caller_authrole = Some(identity.authrole.as_ref().into());
        }
        let callee = callee.session;
        let call_ref = CallRef { caller, request: call.request, serial };
        let relay = Relay {
            head: Head::Invoke(InvokeHead { callee, registration, call: call_ref }),
            text: &call.procedure,
            ids: &[],
            details: Details::Invocation(details),
            payload: call.payload,
        };
        self.pass(callee.shard, &relay, context);
        Ok(())
    }

    /// Gives up a call of the session in `slot`. A call that is over is none to cancel.
    // spec: advanced/rpc_call_canceling
    pub(super) fn on_cancel(
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
        let mode = if pending.interruptible { mode } else { CancelMode::Skip };
        let (callee, call) = (pending.callee, CallRef { caller, request, serial: pending.serial });
        if mode != CancelMode::Kill {
            session.calls.remove(&request);
            context.peers.tell(slot, error_of(Call::CODE, request, uri::error::CANCELED));
        } else if std::mem::replace(&mut pending.killed, true) {
            return Ok(());
        }
        self.cancel(callee, call, mode, context);
        Ok(())
    }

    /// Takes an answer of the callee in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(super) fn on_yield(&mut self, slot: u32, answer: &Yield<'_>, context: &mut Context<'_>) {
        let progress = answer.options.progress == Some(true);
        let Some(call) = answered(slot, answer.request, progress, context) else { return };
        let passthru = answer.options.passthru.clone();
        let relay = Relay {
            head: Head::Yielded(call),
            text: "",
            ids: &[],
            details: Details::Result(ResultDetails {
                progress: progress.then_some(true),
                passthru,
            }),
            payload: answer.payload,
        };
        self.pass(call.caller.shard, &relay, context);
    }

    /// Takes a failure of the callee in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(super) fn on_error(&mut self, slot: u32, error: &Error<'_>, context: &mut Context<'_>) {
        let Some(call) = answered(slot, error.request, false, context) else { return };
        let passthru = error.details.passthru.clone();
        let relay = Relay {
            head: Head::Failed(call),
            text: &error.error,
            ids: &[],
            details: Details::Error(ErrorDetails { passthru, ..ErrorDetails::default() }),
            payload: error.payload,
        };
        self.pass(call.caller.shard, &relay, context);
    }

    /// Takes what the other half of a call has to say.
    pub(super) fn on_relay(&mut self, relay: &Relay<'_>, context: &mut Context<'_>) {
        match relay.head {
            Head::Event(_) => unreachable!("events are the broker's"),
            Head::Invoke(head) => self.on_invoke(head, relay, context),
            Head::Yielded(call) => self.on_yielded(call, relay, context),
            Head::Failed(call) => on_failed(call, relay, context),
            Head::Bounced(call) => self.on_bounced(call, relay.text, context),
            Head::Cancel { callee, call, mode } => on_canceled(callee, call, mode, context),
        }
    }

    /// Cleans up behind a session: its registrations, what it called, what it was asked.
    pub(super) fn leave(&mut self, gone: SessionRef, session: &Session, context: &mut Context<'_>) {
        let mut patterns: Vec<_> = session.registrations.iter().collect();
        patterns.sort_unstable_by_key(|(registration, _)| **registration);
        for (_, pattern) in patterns {
            self.part(session.id, pattern);
        }
        self.abandon(gone, &session.calls, context);
        // spec: basic/remote_procedure_call#callee-leaving — every caller gets its ERROR
        for (_, call) in session.invocations.sorted() {
            self.fail(call, uri::error::CANCELED, context);
        }
    }

    /// Ends all calls of the session in `slot`, which is about to be told goodbye.
    pub(super) fn cancel_calls(&mut self, slot: u32, context: &mut Context<'_>) {
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
    fn abandon(
        &mut self,
        caller: SessionRef,
        calls: &Map<RequestId, PendingCall>,
        context: &mut Context<'_>,
    ) {
        let mut calls: Vec<_> = calls.iter().map(|(id, pending)| (*id, *pending)).collect();
        calls.sort_unstable_by_key(|(request, _)| *request);
        for (request, PendingCall { serial, callee, .. }) in calls {
            let call = CallRef { caller, request, serial };
            self.cancel(callee, call, CancelMode::KillNoWait, context);
        }
    }

    /// Invokes a callee on this shard, if it is still behind the registration.
    fn on_invoke(&mut self, head: InvokeHead, relay: &Relay<'_>, context: &mut Context<'_>) {
        let InvokeHead { callee, registration, call } = head;
        let invocations_max = context.limits.invocations_pending_max;
        let held = context.peers.find(callee);
        let held = held.filter(|callee| callee.registrations.contains_key(&registration));
        let Some(session) = held else {
            let bounced = Relay { text: relay.text, ..Relay::of(Head::Bounced(call)) };
            return self.pass(call.caller.shard, &bounced, context);
        };
        if session.invocations.len() >= invocations_max {
            return self.fail(call, uri::error::LIMIT_EXCEEDED, context);
        }
        let id = session.invocation_next();
        let Details::Invocation(details) = &relay.details else { unreachable!("its own Details") };
        let slot = callee.slot;
        let sent = context.peers.in_serializer_of(slot, &relay.payload, |peers, payload| {
            let details = details.clone();
            let message = Invocation { request: id, registration, details, payload };
            peers.send(slot, &Message::Invocation(message))
        });
        match (sent, context.peers.find(callee)) {
            // Only an INVOCATION that went out takes its id, so that ids have no gaps.
            (Ok(()), Some(session)) => session.invoked(id, call),
            (Ok(()), None) => self.fail(call, uri::error::CANCELED, context),
            (Err(undeliverable), _) => self.fail(call, reason_of(undeliverable), context),
        }
    }

    fn on_yielded(&mut self, call: CallRef, relay: &Relay<'_>, context: &mut Context<'_>) {
        let CallRef { caller, request, .. } = call;
        let Details::Result(details) = &relay.details else { unreachable!("its own Details") };
        let progress = details.progress == Some(true);
        let session = context.peers.find(caller);
        let pending = session.and_then(|session| match progress {
            true => session.pending(call).copied(),
            false => session.finish_call(call),
        });
        let Some(pending) = pending else {
            context.peers.counters.late_answers += 1;
            return;
        };
        if progress && !pending.receive_progress {
            return;
        }
        let sent = context.peers.in_serializer_of(caller.slot, &relay.payload, |peers, payload| {
            let message = CallResult { request, details: details.clone(), payload };
            peers.send(caller.slot, &Message::Result(message))
        });
        let Err(undeliverable) = sent else { return };
        let error = error_of(Call::CODE, request, reason_of(undeliverable));
        context.peers.tell(caller.slot, error);
        if progress {
            // The call has failed in the middle: nobody waits for the rest.
            if let Some(session) = context.peers.find(caller) {
                session.calls.remove(&request);
            }
            self.cancel(pending.callee, call, CancelMode::KillNoWait, context);
        }
    }

    /// Answers a call whose callee left the registration while the call was under way to it.
    ///
    /// It is not given to another callee: a later call of the same caller may have reached that
    /// one already, and calls between two peers keep their order.
    fn on_bounced(&mut self, call: CallRef, procedure: &str, context: &mut Context<'_>) {
        let error = match self.cache.best(&self.shared.registrations, procedure) {
            Some(_) => uri::error::CANCELED,
            None => uri::error::NO_SUCH_PROCEDURE,
        };
        self.fail(call, error, context);
    }

    /// Ends a call with an error of the router's own.
    fn fail(&mut self, call: CallRef, error: &str, context: &mut Context<'_>) {
        let details = Details::Error(ErrorDetails::default());
        let relay = Relay { text: error, details, ..Relay::of(Head::Failed(call)) };
        self.pass(call.caller.shard, &relay, context);
    }

    /// Tells a callee's shard that the caller gave up.
    fn cancel(
        &mut self,
        callee: SessionRef,
        call: CallRef,
        mode: CancelMode,
        context: &mut Context<'_>,
    ) {
        self.pass(callee.shard, &Relay::of(Head::Cancel { callee, call, mode }), context);
    }

    /// Hands `relay` to this realm's dealer on the shard `to`.
    fn pass(&mut self, to: ShardId, relay: &Relay<'_>, context: &mut Context<'_>) {
        if to == context.peers.shard {
            self.on_relay(relay, context);
        } else {
            context.relays.push(to, self.realm, relay);
        }
    }

    fn join(
        &mut self,
        policy: MatchPolicy,
        invoke: InvokePolicy,
        procedure: &str,
        callee: Callee,
    ) -> Result<RegistrationId, Refusal> {
        let mut writer = self.shared.registrations.write();
        let known = writer.get(policy, procedure);
        let registration = match known.as_ref() {
            None => {
                let id = RegistrationId(self.shared.next_id());
                Registration::new(id, policy, invoke, callee)
            }
            // spec: advanced/rpc_shared_registration — the first callee settles the policy
            Some(known) if known.invoke == InvokePolicy::Single || known.invoke != invoke => {
                return Err(Refusal::new(uri::error::PROCEDURE_ALREADY_EXISTS));
            }
            Some(known) if known.has(callee.session.id) => return Ok(known.id),
            Some(known) => known.with(callee),
        };
        let id = registration.id;
        writer.insert(policy, procedure, Arc::new(registration));
        Ok(id)
    }

    fn part(&mut self, session: SessionId, Pattern { policy, uri }: &Pattern) {
        let mut writer = self.shared.registrations.write();
        let known = writer.get(*policy, uri).expect("others know what we offer");
        match known.without(session) {
            None => drop(writer.remove(*policy, uri)),
            Some(rest) => drop(writer.insert(*policy, uri, Arc::new(rest))),
        }
    }
}

/// The call that the callee in `slot` answers; a final answer ends the invocation.
fn answered(
    slot: u32,
    request: RequestId,
    progress: bool,
    context: &mut Context<'_>,
) -> Option<CallRef> {
    let session = context.peers.session(slot)?;
    let call = match progress {
        true => session.invocations.get(request),
        false => session.invocations.remove(request),
    };
    if call.is_none() {
        context.peers.counters.late_answers += 1;
    }
    call
}

fn on_failed(call: CallRef, relay: &Relay<'_>, context: &mut Context<'_>) {
    let CallRef { caller, request, .. } = call;
    let Details::Error(details) = &relay.details else { unreachable!("its own Details") };
    let session = context.peers.find(caller);
    if session.and_then(|session| session.finish_call(call)).is_none() {
        context.peers.counters.late_answers += 1;
        return;
    }
    let sent = context.peers.in_serializer_of(caller.slot, &relay.payload, |peers, payload| {
        let (details, error) = (details.clone(), relay.text.into());
        let message = Error { request_type: Call::CODE, request, details, error, payload };
        peers.send(caller.slot, &Message::Error(message))
    });
    if let Err(undeliverable) = sent {
        let error = error_of(Call::CODE, request, reason_of(undeliverable));
        context.peers.tell(caller.slot, error);
    }
}

/// Ends an invocation of a callee on this shard because its caller gave up.
fn on_canceled(callee: SessionRef, call: CallRef, mode: CancelMode, context: &mut Context<'_>) {
    let Some(session) = context.peers.find(callee) else { return };
    let Some(id) = session.invocations.of_call(call) else { return };
    if mode != CancelMode::Kill {
        session.invocations.remove(id);
    }
    if mode == CancelMode::Skip || !takes_interrupt(session) {
        return;
    }
    let mode = if mode == CancelMode::Kill { "kill" } else { "killnowait" };
    let options = InterruptOptions { mode: Some(mode.into()), reason: None };
    context.peers.tell(callee.slot, Interrupt { request: id, options });
}

/// Whether the peer, as a callee, announced that it can be interrupted, in either spelling.
fn takes_interrupt(session: &Session) -> bool {
    session.callee_has(|features| features.call_canceling)
        || session.callee_has(|features| features.call_cancelling)
}

/// The error a caller gets for a message that could not be delivered.
const fn reason_of(undeliverable: Undeliverable) -> &'static str {
    match undeliverable {
        Undeliverable::TooLong => uri::error::PAYLOAD_SIZE_EXCEEDED,
        Undeliverable::Unrepresentable => uri::error::INVALID_ARGUMENT,
        Undeliverable::Gone => uri::error::CANCELED,
    }
}
