//! REGISTER and UNREGISTER: who offers which procedure.

use super::super::meta::News;
use super::super::realm::{Context, Refusal};
use super::super::registrations::{Callee, InvokePolicy, Registration};
use super::super::relay::{Head, Relay};
use super::{Dealer, takes_interrupt};
use crate::message::uri::{self, Pattern};
use crate::message::{
    MatchPolicy, Register, Registered, RegistrationId, RequestId, SessionId, Unregister,
    Unregistered, UnregisteredDetails,
};
use crate::session::{HeldRegistration, Session, SessionRef};

/// What a REGISTER asks for.
struct Wish<'r> {
    policy: MatchPolicy,
    procedure: &'r str,
    invoke: InvokePolicy,
    /// Push others out.
    force: bool,
    callee: Callee,
}

impl Dealer {
    /// Makes the session in `slot` a callee and answers its REGISTER.
    // spec: basic/remote_procedure_call#registering-and-unregistering
    pub(in super::super) fn on_register(
        &mut self,
        slot: u32,
        register: &Register<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let options = &register.options;
        let policy = options.r#match.unwrap_or_default();
        let procedure = &*register.procedure;
        let valid = uri::is_valid_pattern(procedure, policy, self.shared.uri_check);
        if !valid || uri::is_reserved(procedure) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let invoke =
            options.invoke.as_deref().map_or(Some(InvokePolicy::Single), InvokePolicy::from_name);
        let invoke = invoke.ok_or(Refusal::new(uri::error::INVALID_ARGUMENT))?;
        let concurrency = match options.concurrency {
            Some(0) => return Err(Refusal::new(uri::error::INVALID_ARGUMENT)),
            other => other.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        };
        let force = options.force_reregister == Some(true);
        let Some(reference) = context.peers.reference(slot) else { return Ok(()) };
        let session = context.peers.session(slot).expect("it was there a line ago");
        // Where there are roles they have decided about it.
        let is_open = session.identity.role.is_unrestricted();
        if force && is_open && !self.shared.options.force_reregister {
            return Err(Refusal::new(uri::error::OPTION_NOT_ALLOWED));
        }
        if session.registrations.len() >= context.limits.registrations_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        let callee = callee_of(reference, session, register);
        let wish = Wish { policy, procedure, invoke, force, callee };
        let (id, pushed_out) = self.join(&wish, context)?;
        let session = context.peers.session(slot).expect("the session that is registering");
        let pattern = Pattern { policy, uri: procedure.into() };
        let held = HeldRegistration { pattern, concurrency, running: 0 };
        session.registered(id, held);
        // spec: basic/security_model#ordering — REGISTERED goes out before any INVOCATION: what
        // other shards send is handled by this shard after this function.
        context.peers.tell(slot, Registered { request: register.request, registration: id });
        for (registration, other) in pushed_out {
            self.revoke(other, registration, uri::close::TAKEN_OVER, context);
        }
        Ok(())
    }

    /// Ends a registration of the session in `slot` and answers its UNREGISTER.
    ///
    /// Invocations that went out stay answerable.
    // spec: basic/remote_procedure_call#registering-and-unregistering
    pub(in super::super) fn on_unregister(
        &mut self,
        slot: u32,
        unregister: &Unregister<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(reference) = context.peers.reference(slot) else { return Ok(()) };
        let session = context.peers.session(slot).expect("it was there a line ago");
        let Some(held) = session.unregistered(unregister.registration) else {
            return Err(Refusal::new(uri::error::NO_SUCH_REGISTRATION));
        };
        self.part(reference.id, unregister.registration, &held.pattern, context);
        let request = unregister.request;
        context.peers.tell(slot, Unregistered { request, details: None });
        self.run_queue(reference, unregister.registration, context);
        Ok(())
    }

    /// Takes a registration away from a callee, wherever it lives.
    fn revoke(
        &mut self,
        callee: SessionRef,
        registration: RegistrationId,
        reason: &str,
        context: &mut Context<'_>,
    ) {
        let head = Head::Revoke { callee, registration };
        self.pass(callee.shard, &Relay { text: reason, ..Relay::of(head) }, context);
    }

    /// Takes a registration away from the session in `slot`, here and in the index.
    // spec: advanced/rpc_registration_revocation
    pub(in super::super) fn remove_callee(
        &mut self,
        slot: u32,
        registration: RegistrationId,
        reason: &str,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let gone = Refusal::new(uri::error::NO_SUCH_SESSION);
        let callee = context.peers.reference(slot).ok_or(gone)?;
        let session = context.peers.session(slot).expect("it was there a line ago");
        let held = session.registrations.get(&registration);
        let pattern = held.map(|held| held.pattern.clone());
        let pattern = pattern.ok_or(Refusal::new(uri::error::NO_SUCH_REGISTRATION))?;
        self.part(callee.id, registration, &pattern, context);
        self.on_revoked(callee, registration, reason, context);
        Ok(())
    }

    /// Takes a registration away from a callee on this shard. It is out of the index already.
    // spec: advanced/rpc_registration_revocation
    pub(super) fn on_revoked(
        &mut self,
        callee: SessionRef,
        registration: RegistrationId,
        reason: &str,
        context: &mut Context<'_>,
    ) {
        let Some(session) = context.peers.find(callee) else { return };
        if session.unregistered(registration).is_none() {
            return;
        }
        if session.callee_has(|features| features.registration_revocation) {
            let reason = (!reason.is_empty()).then(|| reason.into());
            let details = UnregisteredDetails { registration: Some(registration), reason };
            let message = Unregistered { request: RequestId(0), details: Some(details) };
            context.peers.tell(callee.slot, message);
        }
        self.run_queue(callee, registration, context);
    }

    /// Takes a session that has ended out of everything it registered.
    pub(super) fn part_all(&mut self, session: &Session, context: &mut Context<'_>) {
        let mut held: Vec<_> = session.registrations.iter().collect();
        held.sort_unstable_by_key(|(registration, _)| **registration);
        for (registration, held) in held {
            self.part(session.id, *registration, &held.pattern, context);
        }
    }

    /// Enters a callee into the index. Tells whom it pushed out.
    fn join(
        &self,
        wish: &Wish<'_>,
        context: &mut Context<'_>,
    ) -> Result<(RegistrationId, Vec<(RegistrationId, SessionRef)>), Refusal> {
        let Wish { policy, procedure, invoke, callee, .. } = *wish;
        let mut writer = self.shared.registrations.write();
        let known = writer.get(policy, procedure);
        let fresh = || {
            let id = (RegistrationId(self.shared.next_id()), context.now.unix_ms());
            Registration::new(id, (policy, procedure), invoke, callee)
        };
        let mut pushed_out = Vec::new();
        let registration = match known.as_ref() {
            None => fresh(),
            Some(known) if wish.force && !known.has(callee.session.id) => {
                let others = known.callees.iter().map(|other| (known.id, other.session));
                pushed_out.extend(others);
                fresh()
            }
            // spec: advanced/rpc_shared_registration — the first callee settles the policy
            Some(known) if known.invoke == InvokePolicy::Single || known.invoke != invoke => {
                return Err(Refusal::new(uri::error::PROCEDURE_ALREADY_EXISTS));
            }
            Some(known) if known.has(callee.session.id) => return Ok((known.id, pushed_out)),
            Some(known) => known.with(callee),
        };
        let (session, id) = (callee.session.id, registration.id);
        let entry = writer.insert(policy, procedure, registration);
        for (registration, other) in &pushed_out {
            context.news.push(News::Unregistered(other.id, registration.0));
        }
        if let Some((registration, other)) = pushed_out.last() {
            context.news.push(News::RegistrationDeleted(other.id, registration.0));
        }
        if entry.callees.len() == 1 {
            context.news.push(News::RegistrationCreated(session, entry));
        }
        context.news.push(News::Registered(session, id.0));
        Ok((id, pushed_out))
    }

    fn part(
        &self,
        session: SessionId,
        id: RegistrationId,
        Pattern { policy, uri }: &Pattern,
        context: &mut Context<'_>,
    ) {
        let mut writer = self.shared.registrations.write();
        // It may have been pushed out, with the word of it still under way to this shard.
        let known = writer.get(*policy, uri).filter(|known| known.id == id);
        let Some(known) = known else { return };
        context.news.push(News::Unregistered(session, id.0));
        match known.without(session) {
            None => {
                writer.remove(*policy, uri);
                context.news.push(News::RegistrationDeleted(session, id.0));
            }
            Some(rest) => drop(writer.insert(*policy, uri, rest)),
        }
    }
}

fn callee_of(reference: SessionRef, session: &Session, register: &Register<'_>) -> Callee {
    let has_timeout = session.callee_has(|features| features.call_timeout);
    let forward = register.options.forward_timeout == Some(true);
    Callee {
        session: reference,
        call_canceling: takes_interrupt(session),
        progressive_call_results: session.callee_has(|f| f.progressive_call_results),
        progressive_call_invocations: session.callee_has(|f| f.progressive_call_invocations),
        payload_passthru_mode: session.callee_has(|f| f.payload_passthru_mode),
        call_reroute: session.callee_has(|f| f.call_reroute),
        forward_timeout: has_timeout && forward,
        disclose_caller: register.options.disclose_caller == Some(true),
    }
}
