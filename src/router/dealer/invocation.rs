//! The callee's half of a call: INVOCATION, INTERRUPT, and its YIELDs and ERROR.

use std::collections::VecDeque;

use super::super::realm::{Context, error_of};
use super::super::relay::{Batch, CancelMode, Details, Head, InvokeHead, Relay};
use super::{Dealer, reason_of, takes_interrupt};
use crate::env::Set;
use crate::message::{
    Error, ErrorDetails, Interrupt, InterruptOptions, Invocation, Message, RequestId,
    ResultDetails, Yield, uri,
};
use crate::session::{CallRef, PendingInvocation, SessionRef};

impl Dealer {
    /// Invokes a callee on this shard, if it is still behind the registration.
    pub(super) fn on_invoke(
        &mut self,
        head: InvokeHead,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        let InvokeHead { callee, registration, call, continues, .. } = head;
        let queued_max = context.limits.calls_queued_max;
        let Some(session) = context.peers.find(callee) else {
            return self.bounce(call, relay.text, context);
        };
        let held = session.registrations.get(&registration);
        let mut waits = held.is_some_and(|held| held.is_busy()) && !continues;
        let queue = self.queues.get(&callee);
        let queued = queue.map_or(0, VecDeque::len);
        if let Some(queue) = queue {
            // Calls between two peers keep their order: behind one that waits, all wait, but for
            // the other parts of what is running.
            let running = continues && session.invocations.of_call(call).is_some();
            let of_caller = |batch| head_of(batch).call.caller == call.caller;
            waits |= !running && queue.iter().any(of_caller);
        }
        if waits {
            if queued >= queued_max {
                return self.fail(call, uri::error::LIMIT_EXCEEDED, context);
            }
            let mut batch = Batch::default();
            batch.push(self.realm, relay);
            self.queues.entry(callee).or_default().push_back(batch);
            return;
        }
        self.invoke(head, relay, context);
    }

    /// Takes an answer of the callee in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(in super::super) fn on_yield(
        &mut self,
        slot: u32,
        answer: &Yield<'_>,
        context: &mut Context<'_>,
    ) {
        let progress = answer.options.progress == Some(true);
        let Some(callee) = context.peers.reference(slot) else { return };
        let Some(pending) = answered(slot, answer.request, progress, context) else { return };
        let call = pending.call;
        let passthru = answer.options.passthru.clone();
        let passes_through = passthru.as_ref().is_some_and(|options| options.is_used());
        if passes_through && !pending.takes_passthru {
            // spec: advanced/payload_passthru_mode — the callee is told, and the call is over
            let error = uri::error::FEATURE_NOT_SUPPORTED;
            context.peers.tell(slot, error_of(Yield::CODE, answer.request, error));
            if let Some(session) = context.peers.session(slot) {
                session.finished(answer.request);
            }
            self.fail(call, error, context);
        } else {
            let details = ResultDetails { progress: progress.then_some(true), passthru };
            let relay = Relay {
                head: Head::Yielded(call),
                text: "",
                ids: &[],
                details: Details::Result(details),
                payload: answer.payload,
            };
            self.pass(call.caller.shard, &relay, context);
        }
        if !progress {
            self.run_queue(callee, context);
        }
    }

    /// Takes a failure of the callee in `slot`.
    // spec: basic/remote_procedure_call#calling-and-invocations
    pub(in super::super) fn on_error(
        &mut self,
        slot: u32,
        error: &Error<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(callee) = context.peers.reference(slot) else { return };
        let Some(pending) = answered(slot, error.request, false, context) else { return };
        let passthru = error.details.passthru.clone();
        let relay = Relay {
            head: Head::Failed(pending.call),
            text: &error.error,
            ids: &[],
            details: Details::Error(ErrorDetails { passthru, ..ErrorDetails::default() }),
            payload: error.payload,
        };
        self.pass(pending.call.caller.shard, &relay, context);
        self.run_queue(callee, context);
    }

    /// Ends an invocation of a callee on this shard because its caller gave up.
    pub(super) fn on_canceled(
        &mut self,
        callee: SessionRef,
        call: CallRef,
        mode: CancelMode,
        context: &mut Context<'_>,
    ) {
        if self.unqueue(callee, call) {
            if mode == CancelMode::Kill {
                self.fail(call, uri::error::CANCELED, context);
            }
            // What waited behind it for another registration may be free to go now.
            return self.run_queue(callee, context);
        }
        let Some(session) = context.peers.find(callee) else { return };
        let Some(id) = session.invocations.of_call(call) else { return };
        if mode != CancelMode::Kill {
            session.finished(id);
        } else if !session.invocations.interrupt(id) {
            return;
        }
        match mode {
            CancelMode::Skip => {}
            CancelMode::Kill => interrupt(id, "kill", callee, context),
            CancelMode::KillNoWait => interrupt(id, "killnowait", callee, context),
        }
        self.run_queue(callee, context);
    }

    /// Sends what waited for a callee, as far as it has become free for it.
    pub(super) fn run_queue(&mut self, callee: SessionRef, context: &mut Context<'_>) {
        let Some(queue) = self.queues.remove(&callee) else { return };
        let mut waiting = VecDeque::new();
        let mut held_up = Set::with_hasher(self.queues.hasher().clone());
        for batch in queue {
            let head = head_of(&batch);
            let session = context.peers.find(callee);
            let held = session.and_then(|session| session.registrations.get(&head.registration));
            let busy = held.is_some_and(|held| held.is_busy()) && !head.continues;
            if busy || held_up.contains(&head.call.caller) {
                held_up.insert(head.call.caller);
                waiting.push_back(batch);
                continue;
            }
            let (_, relay) = batch.iter().next().expect("one relay was queued");
            self.invoke(head, &relay, context);
        }
        if !waiting.is_empty() {
            self.queues.insert(callee, waiting);
        }
    }

    /// Answers everything that waited for a callee that has left.
    pub(super) fn give_up_queue(&mut self, callee: SessionRef, context: &mut Context<'_>) {
        for batch in self.queues.remove(&callee).into_iter().flatten() {
            self.fail(head_of(&batch).call, uri::error::CANCELED, context);
        }
    }

    fn invoke(&mut self, head: InvokeHead, relay: &Relay<'_>, context: &mut Context<'_>) {
        let InvokeHead { callee, registration, call, takes_passthru, continues } = head;
        let invocations_max = context.limits.invocations_pending_max;
        let Some(session) = context.peers.find(callee) else {
            return self.bounce(call, relay.text, context);
        };
        let id = if continues {
            // A part that comes after the end of its call is dropped.
            let Some(id) = session.invocations.of_call(call) else { return };
            id
        } else {
            if !session.registrations.contains_key(&registration) {
                return self.bounce(call, relay.text, context);
            }
            if session.invocations.len() >= invocations_max {
                return self.fail(call, uri::error::LIMIT_EXCEEDED, context);
            }
            session.invocation_next()
        };
        let Details::Invocation(details) = &relay.details else { unreachable!("its own Details") };
        let slot = callee.slot;
        let sent = context.peers.in_serializer_of(slot, &relay.payload, |peers, payload| {
            let details = details.clone();
            let message = Invocation { request: id, registration, details, payload };
            peers.send(slot, &Message::Invocation(message))
        });
        let interrupted = false;
        let pending = PendingInvocation { call, registration, takes_passthru, interrupted };
        match (sent, context.peers.find(callee)) {
            (Ok(()), Some(_)) if continues => {}
            // Only an INVOCATION that went out takes its id, so that ids have no gaps.
            (Ok(()), Some(session)) => session.invoked(id, pending),
            (Ok(()), None) => self.fail(call, uri::error::CANCELED, context),
            (Err(undeliverable), session) => {
                if let Some(session) = session.filter(|_| continues) {
                    session.finished(id);
                    interrupt(id, "killnowait", callee, context);
                }
                self.fail(call, reason_of(undeliverable), context);
            }
        }
    }

    fn bounce(&mut self, call: CallRef, procedure: &str, context: &mut Context<'_>) {
        let bounced = Relay { text: procedure, ..Relay::of(Head::Bounced(call)) };
        self.pass(call.caller.shard, &bounced, context);
    }

    /// Removes an invocation that has not gone out yet, with all its parts.
    fn unqueue(&mut self, callee: SessionRef, call: CallRef) -> bool {
        let Some(queue) = self.queues.get_mut(&callee) else { return false };
        let before = queue.len();
        queue.retain(|batch| head_of(batch).call != call);
        let found = queue.len() < before;
        if queue.is_empty() {
            self.queues.remove(&callee);
        }
        found
    }
}

/// The head of an invocation that waits.
fn head_of(batch: &Batch) -> InvokeHead {
    let (_, relay) = batch.iter().next().expect("one relay was queued");
    let Head::Invoke(head) = relay.head else { unreachable!("only invocations wait") };
    head
}

/// Asks a callee to stop, if it announced that it can.
fn interrupt(id: RequestId, mode: &'static str, callee: SessionRef, context: &mut Context<'_>) {
    if context.peers.find(callee).is_some_and(|session| takes_interrupt(session)) {
        let options = InterruptOptions { mode: Some(mode.into()), reason: None };
        context.peers.tell(callee.slot, Interrupt { request: id, options });
    }
}

/// The invocation that the callee in `slot` answers; a final answer ends it.
fn answered(
    slot: u32,
    request: RequestId,
    progress: bool,
    context: &mut Context<'_>,
) -> Option<PendingInvocation> {
    let session = context.peers.session(slot)?;
    let pending = match progress {
        true => session.invocations.get(request),
        false => session.finished(request),
    };
    if pending.is_none() {
        context.peers.counters.late_answers += 1;
    }
    pending
}
