//! Who calls: a session or, where it asks for advice, the router itself.
//!
//! Both have their calls pending on their shard and are told how these end; all else about a call
//! is the same for either.

use std::time::Duration;

use super::super::realm::{Context, Refusal, error_of};
use super::super::relay::{CancelMode, InvokeHead};
use super::call::{Wanted, details_for, remember};
use super::{Dealer, reason_of};
use crate::message::{
    Call, CallOptions, Error, ErrorDetails, Message, Payload, Result as CallResult, ResultDetails,
    uri,
};
use crate::session::{CallRef, PendingCall, SessionRef};
use crate::wire::Serializer;

impl Dealer {
    /// Routes a call of the router's own. It discloses nobody, and no rule is asked about it.
    pub(in super::super) fn on_own_call(
        &mut self,
        call: CallRef,
        (procedure, payload): (&str, Payload<'_>),
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(registration) = self.cache.best(&self.shared.registrations, procedure) else {
            return Err(Refusal::new(uri::error::NO_SUCH_PROCEDURE));
        };
        let callee = registration.pick(context.random);
        let (request, options) = (call.request, CallOptions::default());
        let asked = Call { request, options, procedure: procedure.into(), payload };
        let timeout = Some(timeout);
        let wanted = Wanted { options: &asked.options, procedure, timeout, caller: None };
        let details = details_for(&wanted, (registration, &callee));
        let pending = remember((&asked, call.serial), timeout, (registration, &callee), &details);
        let (registration, callee) = (registration.id, callee.session);
        context.questions.begin_call(call, pending);
        self.set_timeout(call, timeout, context);
        let takes_passthru = false;
        let head = InvokeHead { callee, registration, call, takes_passthru, continues: false };
        self.pass_on(head, details, (procedure, payload), context);
        Ok(())
    }

    /// Gives up a call of the router's own, if it is pending.
    pub(in super::super) fn give_up_own_call(&mut self, call: CallRef, context: &mut Context<'_>) {
        if let Some(pending) = self.take_call(call, context) {
            self.cancel(pending.callee, call, CancelMode::KillNoWait, context);
        }
    }
}

impl Context<'_> {
    /// The call, if its caller waits for it.
    pub(super) fn pending_mut(&mut self, call: CallRef) -> Option<&mut PendingCall> {
        if call.caller.is_router() {
            return self.questions.pending_mut(call);
        }
        self.peers.find(call.caller)?.pending_mut(call)
    }

    /// Takes the call out of its caller's pending ones, if it is one of them.
    pub(super) fn finish_call(&mut self, call: CallRef) -> Option<PendingCall> {
        if call.caller.is_router() {
            return self.questions.finish_call(call);
        }
        self.peers.find(call.caller)?.finish_call(call)
    }

    /// Whether the caller can take payload passthru.
    pub(super) fn takes_passthru(&mut self, caller: SessionRef) -> bool {
        let session = self.peers.find(caller);
        session.is_some_and(|session| session.caller_has(|it| it.payload_passthru_mode))
    }

    /// Gives the caller a RESULT, or the error that this cannot be done. Says whether it could.
    pub(super) fn give_result(
        &mut self,
        call: CallRef,
        (details, payload): (&ResultDetails<'_>, &Payload<'_>),
    ) -> bool {
        let CallRef { caller, request, .. } = call;
        if caller.is_router() {
            self.questions.on_result(call, payload);
            return true;
        }
        let sent = self.peers.in_serializer_of(caller.slot, payload, |peers, payload| {
            let message = CallResult { request, details: details.clone(), payload };
            peers.send(caller.slot, &Message::Result(message))
        });
        sent.map_err(|undeliverable| self.give_reason(call, reason_of(undeliverable))).is_ok()
    }

    /// Gives the caller an ERROR of the router's own.
    pub(super) fn give_reason(&mut self, call: CallRef, error: &str) {
        if call.caller.is_router() {
            return self.questions.on_error(call, error, &Payload::none(Serializer::Json));
        }
        self.peers.tell(call.caller.slot, error_of(Call::CODE, call.request, error));
    }

    /// Gives the caller the ERROR in which its call has ended.
    pub(super) fn give_error(
        &mut self,
        call: CallRef,
        error: &str,
        (details, payload): (&ErrorDetails<'_>, &Payload<'_>),
    ) {
        let CallRef { caller, request, .. } = call;
        if caller.is_router() {
            return self.questions.on_error(call, error, payload);
        }
        let sent = self.peers.in_serializer_of(caller.slot, payload, |peers, payload| {
            let (details, error) = (details.clone(), error.into());
            let message = Error { request_type: Call::CODE, request, details, error, payload };
            peers.send(caller.slot, &Message::Error(message))
        });
        if let Err(undeliverable) = sent {
            self.give_reason(call, reason_of(undeliverable));
        }
    }
}
