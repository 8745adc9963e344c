//! The callee's half of a call: INVOCATION, INTERRUPT, and its YIELDs and ERROR.

use super::super::realm::{Context, error_of};
use super::super::relay::{CancelMode, Details, Head, InvokeHead, Relay};
use super::queue::Queue;
use super::{Dealer, reason_of, takes_interrupt};
use crate::message::{
    Error, ErrorDetails, Interrupt, InterruptOptions, Invocation, Message, RegistrationId,
    RequestId, ResultDetails, Yield, uri,
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
        if let Some(queue) = queue {
            // Calls between two peers keep their order: behind one that waits, all wait. Other
            // parts of a call wait with it, and only then.
            waits |= if continues { queue.holds(call) } else { queue.holds_up(call.caller) };
        }
        if !waits {
            return self.invoke_and_go_on(head, relay, context);
        }
        // One alone may be as long as any message.
        let is_long = queue.is_some_and(|queue| {
            queue.bytes_count() + relay.payload.len() > context.limits.calls_queued_bytes_max
        });
        if queue.map_or(0, Queue::len) >= queued_max || is_long {
            self.fail(call, uri::error::LIMIT_EXCEEDED, context);
            // The parts that came before it go with it: without this one they are no call.
            return self.unqueue(callee, call, context);
        }
        let hasher = self.queues.hasher().clone();
        let queue = self.queues.entry(callee).or_insert_with(|| Queue::new(&hasher));
        queue.push(self.realm, relay);
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
        let (call, registration) = (pending.call, pending.registration);
        let passthru = answer.options.passthru.clone();
        let passes_through = passthru.as_ref().is_some_and(|options| options.is_used());
        let refused = passes_through && !pending.takes_passthru;
        if refused {
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
        if refused || !progress {
            self.run_queue(callee, registration, context);
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
        self.run_queue(callee, pending.registration, context);
    }

    /// Ends an invocation of a callee on this shard because its caller gave up.
    pub(super) fn on_canceled(
        &mut self,
        callee: SessionRef,
        call: CallRef,
        mode: CancelMode,
        context: &mut Context<'_>,
    ) {
        if self.queues.get(&callee).is_some_and(|queue| queue.holds(call)) {
            if mode == CancelMode::Kill {
                self.fail(call, uri::error::CANCELED, context);
            }
            return self.unqueue(callee, call, context);
        }
        let Some(session) = context.peers.find(callee) else { return };
        let Some(id) = session.invocations.of_call(call) else { return };
        let pending = session.invocations.get(id).expect("it was found by its call");
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
        self.run_queue(callee, pending.registration, context);
    }

    /// Sends what waited for a callee, as far as it takes it now that it may take more of
    /// `registration`.
    pub(super) fn run_queue(
        &mut self,
        callee: SessionRef,
        registration: RegistrationId,
        context: &mut Context<'_>,
    ) {
        let mut freed = Some(registration);
        let mut more = Vec::new();
        while let Some(registration) = freed {
            let session = context.peers.find(callee);
            let held = session.and_then(|session| session.registrations.get(&registration));
            let busy = held.is_some_and(|held| held.is_busy());
            let queue = self.queues.get_mut(&callee).filter(|_| !busy);
            let Some((parts, next)) = queue.and_then(|queue| queue.pop(registration)) else {
                freed = more.pop();
                continue;
            };
            if self.queues.get(&callee).is_some_and(Queue::is_empty) {
                self.queues.remove(&callee);
            }
            // What comes next in the line of the same caller may be for another registration.
            more.extend(next.filter(|next| *next != registration));
            for (_, relay) in parts.iter() {
                let Head::Invoke(head) = relay.head else { unreachable!("only these wait") };
                more.extend(self.invoke(head, &relay, context));
            }
        }
    }

    /// Answers everything that waited for a callee that has left.
    pub(super) fn give_up_queue(&mut self, callee: SessionRef, context: &mut Context<'_>) {
        let calls = self.queues.remove(&callee).map(Queue::into_calls);
        for call in calls.into_iter().flatten() {
            self.fail(call, uri::error::CANCELED, context);
        }
    }

    fn invoke_and_go_on(&mut self, head: InvokeHead, relay: &Relay<'_>, context: &mut Context<'_>) {
        if let Some(freed) = self.invoke(head, relay, context) {
            self.run_queue(head.callee, freed, context);
        }
    }

    /// Sends an INVOCATION, or says why not. Tells the registration of which the callee may take
    /// more thereby: a part that cannot be sent is the end of its call.
    fn invoke(
        &mut self,
        head: InvokeHead,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) -> Option<RegistrationId> {
        let InvokeHead { callee, registration, call, takes_passthru, continues } = head;
        let invocations_max = context.limits.invocations_pending_max;
        let Some(session) = context.peers.find(callee) else {
            self.bounce(call, relay.text, context);
            return None;
        };
        let id = if continues {
            // A part that comes after the end of its call is dropped.
            session.invocations.of_call(call)?
        } else {
            if !session.registrations.contains_key(&registration) {
                self.bounce(call, relay.text, context);
                return None;
            }
            if session.invocations.len() >= invocations_max {
                self.fail(call, uri::error::LIMIT_EXCEEDED, context);
                return None;
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
                let ended = session.filter(|_| continues);
                let ended = ended.and_then(|session| session.finished(id));
                if ended.is_some() {
                    interrupt(id, "killnowait", callee, context);
                }
                self.fail(call, reason_of(undeliverable), context);
                return ended.map(|pending| pending.registration);
            }
        }
        None
    }

    fn bounce(&mut self, call: CallRef, procedure: &str, context: &mut Context<'_>) {
        let bounced = Relay { text: procedure, ..Relay::of(Head::Bounced(call)) };
        self.pass(call.caller.shard, &bounced, context);
    }

    /// Removes an invocation that has not gone out yet, with all its parts. What waited behind it
    /// for another registration may be free to go then.
    fn unqueue(&mut self, callee: SessionRef, call: CallRef, context: &mut Context<'_>) {
        let Some(queue) = self.queues.get_mut(&callee) else { return };
        let next = queue.remove(call).flatten();
        if queue.is_empty() {
            self.queues.remove(&callee);
        }
        if let Some(next) = next {
            self.run_queue(callee, next, context);
        }
    }
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
