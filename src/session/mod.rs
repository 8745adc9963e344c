//! One peer's conversation, from HELLO to GOODBYE.
//!
//! A [`Connection`] is a transport, an [`Outbox`] and a [`Phase`]: the state chart of the
//! specification. It judges each [`Message`] by what may be said now; what a request
//! means is the router's business.
//!
//! ```text
//!            HELLO ─▶ WELCOME               GOODBYE sent
//!  Opening ───────────────────▶ Open ──────────────────────▶ Leaving
//!     ▲  │                       │ │                            │
//!     │  └── ABORT, violation ───┼─┼─▶ Flushing ◀── GOODBYE ────┘
//!     └───── GOODBYE ─▶ GOODBYE ─┘ └── ABORT, violation ─▶ Flushing
//! ```
//!
//! Where HELLO alone does not do, Authenticating stands between Opening and Open.

pub mod address;
pub mod auth;
pub mod authentication;
pub mod authorization;
pub mod connection;
pub mod invocations;
pub mod origin;
pub mod outbox;
pub mod rates;

pub use address::{CallRef, ConnectionId, SessionRef, ShardId};
pub use authentication::{Authentication, Awaited};
pub use connection::{Admitted, Connection, Phase};
pub use invocations::Invocations;
pub use origin::{ClientCertificate, Origin, TlsOrigin};
pub use outbox::Outbox;
pub use rates::{Buckets, Rates};

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;

use crate::env::{Map, Set};
use crate::message::uri::Pattern;
use crate::message::{
    Call, ClientRoles, Error, Features, Invocation, Message, Passthru, Payload, RegistrationId,
    RequestId, Role, SessionId, SubscriptionId,
};
use crate::wire::Serializer;

/// The peer broke the protocol; the text goes into its ABORT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub Cow<'static, str>);

/// Which request ids a realm accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RequestIds {
    /// 1, 2, 3 …, as the specification demands.
    #[default]
    Sequential,
    /// Any that is not in use: for clients that draw them at random.
    Any,
}

/// Who a peer is, as far as this router is concerned.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The principal.
    pub authid: Arc<str>,
    /// Its role.
    pub authrole: Arc<str>,
    /// What that role may do.
    pub role: Arc<authorization::Role>,
    /// How that was proved.
    pub authmethod: &'static str,
    /// Who vouches for it.
    pub authprovider: Arc<str>,
    /// What WELCOME says beyond that, as a dict in MessagePack.
    pub authextra: Option<Arc<[u8]>>,
}

impl Identity {
    /// Whether the peer tells who it is if it does that with the URI, where `otherwise` is what
    /// the realm has to say about it.
    #[must_use]
    pub fn disclosure(
        &self,
        action: authorization::Action,
        uri: &str,
        otherwise: authorization::Disclosure,
    ) -> authorization::Disclosure {
        self.role.disclosure(action, uri, &self.authid).unwrap_or(otherwise)
    }
}

/// A call that waits for its final answer, as the caller's shard knows it.
#[derive(Clone, Debug)]
pub struct PendingCall {
    /// See [`CallRef::serial`].
    pub serial: u64,
    /// Who was asked.
    pub callee: SessionRef,
    /// The callee takes INTERRUPT.
    pub interruptible: bool,
    /// The caller takes results in parts.
    pub receive_progress: bool,
    /// How long the caller waits, for the first answer and from one part to the next.
    pub timeout: Option<Duration>,
    /// What is needed to continue the call or to give it to another callee.
    pub kept: Option<Box<KeptCall>>,
}

/// A call of which more must be remembered than that it is pending.
#[derive(Clone, Debug)]
pub struct KeptCall {
    /// What was called.
    pub procedure: Box<str>,
    /// By which registration it went out.
    pub registration: RegistrationId,
    /// INVOCATION.Details as the first part set them, in MessagePack.
    pub details: Box<[u8]>,
    /// CALL.Options of the first part, in MessagePack.
    pub options: Box<[u8]>,
    /// The caller has announced further parts.
    pub in_parts: bool,
    /// The payload, as long as the call may be given to another callee: its callee can decline
    /// it, and neither has it answered in part nor has the caller given up.
    pub payload: Option<KeptPayload>,
    /// Callees that declined.
    pub tried: Vec<SessionId>,
}

impl PendingCall {
    /// The procedure of a call of which its caller has announced further parts.
    #[must_use]
    pub fn procedure_of_parts(&self) -> Option<&str> {
        self.kept.as_ref().filter(|kept| kept.in_parts).map(|kept| &*kept.procedure)
    }
}

/// A payload that outlives its message.
#[derive(Clone, Debug)]
pub struct KeptPayload {
    /// Its serializer.
    pub serializer: Serializer,
    /// Arguments, empty if absent.
    pub arguments: Box<[u8]>,
    /// ArgumentsKw, empty if absent.
    pub arguments_kw: Box<[u8]>,
    /// Whether Arguments is a binary.
    pub transparent: bool,
}

impl KeptPayload {
    /// A copy of `payload`.
    #[must_use]
    pub fn new(payload: &Payload<'_>) -> Self {
        Self {
            serializer: payload.serializer(),
            arguments: payload.arguments().unwrap_or_default().into(),
            arguments_kw: payload.arguments_kw().unwrap_or_default().into(),
            transparent: payload.is_transparent(),
        }
    }

    /// What was kept.
    #[must_use]
    pub const fn payload(&self) -> Payload<'_> {
        let elements = (&*self.arguments, &*self.arguments_kw);
        Payload::from_elements(self.serializer, elements, self.transparent)
    }

    /// The octets it keeps.
    #[must_use]
    pub const fn bytes_count(&self) -> usize {
        self.arguments.len() + self.arguments_kw.len()
    }
}

/// What is to be published when a session is gone.
// spec: advanced/pubsub_testament
#[derive(Clone, Debug)]
pub struct Testament {
    /// Where.
    pub topic: Box<str>,
    /// What.
    pub payload: KeptPayload,
    /// PUBLISH.Options, in MessagePack.
    pub options: Box<[u8]>,
}

impl Testament {
    /// The octets it keeps.
    #[must_use]
    pub const fn bytes_count(&self) -> usize {
        self.topic.len() + self.options.len() + self.payload.bytes_count()
    }
}

/// An invocation that waits for its final answer, as the callee's shard knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingInvocation {
    /// The call it serves.
    pub call: CallRef,
    /// The registration it came by.
    pub registration: RegistrationId,
    /// The caller can take payload passthru.
    pub takes_passthru: bool,
    /// The callee was asked to stop; its answer is awaited.
    pub interrupted: bool,
}

/// A registration, as its callee's session knows it.
#[derive(Clone, Debug)]
pub struct HeldRegistration {
    /// Where it stands in the index.
    pub pattern: Pattern,
    /// How many invocations the callee takes at a time.
    pub concurrency: Option<u32>,
    /// How many it has now.
    pub running: u32,
}

impl HeldRegistration {
    /// Whether the callee takes no further invocation now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.concurrency.is_some_and(|limit| self.running >= limit)
    }
}

/// An established session.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Index of its realm in the configuration.
    pub realm: u16,
    /// Who the peer is.
    pub identity: Identity,
    /// What the peer announced.
    pub roles: ClientRoles,
    /// What it subscribed to.
    pub subscriptions: Set<SubscriptionId>,
    /// What it registered.
    pub registrations: Map<RegistrationId, HeldRegistration>,
    /// Its calls without a final answer.
    pub calls: Map<RequestId, PendingCall>,
    /// Its calls of meta procedures for which other shards are asked.
    pub meta_calls: usize,
    /// Those of them whose answers may be long.
    pub lists_asked: usize,
    /// Its invocations without a final answer.
    pub invocations: Invocations,
    /// What it has taken of its rates, if it has any.
    pub buckets: Option<Box<Buckets>>,
    /// What it leaves: first the `detached` testaments, then the `destroyed`.
    pub testaments: [Vec<Testament>; 2],
    /// What runs by registrations that were left meanwhile.
    left_running: Option<Box<Map<RegistrationId, u32>>>,
    /// Calls that ended before their last part was said, where ids do not show it.
    unfinished: Vec<RequestId>,
    request_ids: RequestIds,
    request_last: RequestId,
    /// The last one of the session before on the same transport, if there was one.
    request_before: Option<RequestId>,
    calls_count: u64,
    invocation_last: RequestId,
}

impl Session {
    /// A session that has just been welcomed. `hash_key` is copied into its maps.
    #[must_use]
    pub fn new(
        id: SessionId,
        realm: u16,
        identity: Identity,
        roles: ClientRoles,
        (request_ids, hash_key): (RequestIds, &RandomState),
    ) -> Self {
        Self {
            id,
            realm,
            identity,
            roles,
            subscriptions: Set::with_hasher(hash_key.clone()),
            registrations: Map::with_hasher(hash_key.clone()),
            calls: Map::with_hasher(hash_key.clone()),
            meta_calls: 0,
            lists_asked: 0,
            invocations: Invocations::new(hash_key),
            buckets: None,
            testaments: [Vec::new(), Vec::new()],
            left_running: None,
            unfinished: Vec::new(),
            request_ids,
            request_last: RequestId(0),
            request_before: None,
            calls_count: 0,
            invocation_last: RequestId(0),
        }
    }

    /// The same, with the last request id of the session before it on the same transport: it may
    /// count on from there, as maintained clients do if they join again.
    #[must_use]
    pub const fn after(mut self, request_before: Option<RequestId>) -> Self {
        self.request_before = request_before;
        self
    }

    /// The id of the peer's last request.
    #[must_use]
    pub const fn request_last(&self) -> RequestId {
        self.request_last
    }

    /// Whether the peer, as a callee, announced `feature`.
    #[must_use]
    pub fn callee_has(&self, feature: impl Fn(&Features) -> Option<bool>) -> bool {
        has(self.roles.callee.as_ref(), feature)
    }

    /// The serial of the next call.
    pub const fn next_call(&mut self) -> u64 {
        self.calls_count += 1;
        self.calls_count
    }

    /// A call of this session, if it is pending.
    pub fn pending_mut(&mut self, call: CallRef) -> Option<&mut PendingCall> {
        self.calls.get_mut(&call.request).filter(|pending| pending.serial == call.serial)
    }

    /// Takes a call out of the pending ones, if it is one of them.
    pub fn finish_call(&mut self, call: CallRef) -> Option<PendingCall> {
        // One search for both: this ends every call.
        let Entry::Occupied(entry) = self.calls.entry(call.request) else { return None };
        if entry.get().serial != call.serial {
            return None;
        }
        let pending = entry.remove();
        let in_parts = pending.kept.as_ref().is_some_and(|kept| kept.in_parts);
        if in_parts && self.request_ids == RequestIds::Any {
            if self.unfinished.len() == UNFINISHED_MAX {
                self.unfinished.remove(0);
            }
            self.unfinished.push(call.request);
        }
        Some(pending)
    }

    /// Whether the peer, as a subscriber, announced `feature`.
    #[must_use]
    pub fn subscriber_has(&self, feature: impl Fn(&Features) -> Option<bool>) -> bool {
        has(self.roles.subscriber.as_ref(), feature)
    }

    /// Whether the peer, as a caller, announced `feature`.
    #[must_use]
    pub fn caller_has(&self, feature: impl Fn(&Features) -> Option<bool>) -> bool {
        has(self.roles.caller.as_ref(), feature)
    }

    /// The id of the next INVOCATION to this peer: 1, 2, 3 … without gaps.
    // spec: basic/building_blocks#ids — session scope, counted by the requester
    #[must_use]
    pub const fn invocation_next(&self) -> RequestId {
        self.invocation_last.next()
    }

    /// Remembers the INVOCATION `id`, which must be the next and has been sent.
    pub fn invoked(&mut self, id: RequestId, pending: PendingInvocation) {
        assert_eq!(id, self.invocation_next(), "invocation ids have no gaps");
        self.invocation_last = id;
        if let Some(held) = self.registrations.get_mut(&pending.registration) {
            held.running += 1;
        }
        self.invocations.insert(id, pending);
    }

    /// Forgets the invocation `id`: nothing more is expected of the callee, or taken from it.
    pub fn finished(&mut self, id: RequestId) -> Option<PendingInvocation> {
        let pending = self.invocations.remove(id)?;
        let registration = pending.registration;
        if let Some(held) = self.registrations.get_mut(&registration) {
            held.running -= 1;
        } else if let Some(left) = &mut self.left_running {
            if let Some(running) = left.get_mut(&registration) {
                *running -= 1;
                if *running == 0 {
                    left.remove(&registration);
                }
            }
            if left.is_empty() {
                self.left_running = None;
            }
        }
        Some(pending)
    }

    /// Notes that the peer is no callee of `id` any more; what runs by it may still be answered.
    /// Gives what it held.
    pub fn unregistered(&mut self, id: RegistrationId) -> Option<HeldRegistration> {
        let held = self.registrations.remove(&id)?;
        if held.running > 0 {
            let none = || Box::new(Map::with_hasher(self.registrations.hasher().clone()));
            self.left_running.get_or_insert_with(none).insert(id, held.running);
        }
        Some(held)
    }

    /// Notes that the peer is a callee of `id`. It may have been one before, and still be at work
    /// on what it was asked then.
    pub fn registered(&mut self, id: RegistrationId, mut held: HeldRegistration) {
        if self.registrations.contains_key(&id) {
            return;
        }
        let left = self.left_running.as_mut().and_then(|left| left.remove(&id));
        held.running = left.unwrap_or(0);
        self.registrations.insert(id, held);
    }

    /// Checks the id of a request that the peer just made.
    // spec: basic/building_blocks#protocol-errors — request ids are sequential
    fn on_request(&mut self, request: RequestId) -> Result<(), Violation> {
        let legal = match self.request_ids {
            RequestIds::Sequential => {
                request == self.request_last.next() || self.counts_on(request)
            }
            RequestIds::Any => request.0 != 0 && !self.calls.contains_key(&request),
        };
        if !legal {
            let expected = self.request_last.next();
            let text = format!("request id {request} where {expected} was expected");
            return Err(Violation(text.into()));
        }
        self.request_last = request;
        Ok(())
    }

    /// Whether `request` is the first of this session and the next of the one before it.
    fn counts_on(&self, request: RequestId) -> bool {
        let follows = self.request_before.is_some_and(|before| request == before.next());
        follows && self.request_last.0 == 0
    }

    /// Checks the id in an answer to an INVOCATION: one that was never issued is a violation, one
    /// that is no longer pending is merely late.
    // spec: basic/building_blocks#protocol-errors — YIELD with an invalid id
    fn on_answer(&self, request: RequestId) -> Result<(), Violation> {
        // Ids wrap after 2^53 invocations, which no session lives to see.
        if request.0 == 0 || request > self.invocation_last {
            return Err(Violation("answer to an invocation that was never sent".into()));
        }
        Ok(())
    }

    /// Whether `message` may be said by a peer whose session is open.
    pub(crate) fn admit(&mut self, message: &Message<'_>) -> Result<Admitted, Violation> {
        match message {
            Message::Publish(publish) => {
                let role = self.roles.publisher.as_ref();
                admit_passthru(role, publish.options.passthru.as_deref())?;
                self.on_request(publish.request)?;
            }
            Message::Subscribe(subscribe) => self.on_request(subscribe.request)?,
            Message::Unsubscribe(unsubscribe) => self.on_request(unsubscribe.request)?,
            Message::Call(call) => return self.admit_call(call),
            Message::Register(register) => self.on_request(register.request)?,
            Message::Unregister(unregister) => self.on_request(unregister.request)?,
            Message::Yield(answer) => {
                let role = self.roles.callee.as_ref();
                admit_passthru(role, answer.options.passthru.as_deref())?;
                self.on_answer(answer.request)?;
            }
            Message::Error(error) => {
                Self::admit_error(error)?;
                self.on_answer(error.request)?;
            }
            Message::Cancel(_) => {}
            Message::Goodbye(_) => return Ok(Admitted::Goodbye),
            Message::Abort(_) => return Ok(Admitted::Abort),
            Message::EventReceived(_) => return Ok(Admitted::Ignored),
            Message::Hello(_)
            | Message::Welcome(_)
            | Message::Challenge(_)
            | Message::Authenticate(_)
            | Message::Published(_)
            | Message::Subscribed(_)
            | Message::Unsubscribed(_)
            | Message::Event(_)
            | Message::Result(_)
            | Message::Registered(_)
            | Message::Unregistered(_)
            | Message::Invocation(_)
            | Message::Interrupt(_) => {
                let name = message.name();
                return Err(Violation(format!("{name} while a session is open").into()));
            }
        }
        Ok(Admitted::Routed)
    }

    /// A CALL is new, or another part of one that is under way, or comes after that one's end.
    // spec: advanced/rpc_progressive_call_invocations
    fn admit_call(&mut self, call: &Call<'_>) -> Result<Admitted, Violation> {
        admit_passthru(self.roles.caller.as_ref(), call.options.passthru.as_deref())?;
        let in_parts = self.caller_has(|features| features.progressive_call_invocations);
        if call.options.progress == Some(true) && !in_parts {
            let text = "Call.options.progress: progressive_call_invocations was not announced";
            return Err(Violation(text.into()));
        }
        if let Some(pending) = self.calls.get(&call.request) {
            let kept = pending.kept.as_ref().filter(|kept| kept.in_parts);
            if in_parts && kept.is_some_and(|kept| *kept.procedure == *call.procedure) {
                return Ok(Admitted::Routed);
            }
            return Err(Violation("Call.request: in use by a call that has no more parts".into()));
        }
        if in_parts
            && let Some(place) = self.unfinished.iter().position(|known| *known == call.request)
        {
            if call.options.progress != Some(true) {
                self.unfinished.remove(place);
            }
            return Ok(Admitted::Ignored);
        }
        let over = call.request.0 != 0 && call.request <= self.request_last;
        if in_parts && over && self.request_ids == RequestIds::Sequential {
            return Ok(Admitted::Ignored);
        }
        self.on_request(call.request)?;
        Ok(Admitted::Routed)
    }

    // spec: basic/building_blocks#protocol-errors — ERROR with an invalid request type
    fn admit_error(error: &Error<'_>) -> Result<(), Violation> {
        if error.request_type == Invocation::CODE {
            return Ok(());
        }
        Err(Violation("Error.request_type: only 68 (INVOCATION) may fail at a client".into()))
    }
}

/// Calls of which it is remembered that more of their parts may come, though they have ended.
const UNFINISHED_MAX: usize = 1_024;

fn has(role: Option<&Role>, feature: impl Fn(&Features) -> Option<bool>) -> bool {
    let features = role.and_then(|role| role.features.as_ref());
    features.and_then(feature).unwrap_or(false)
}

/// A payload that only its ends can read may be sent by those who announced that they do so.
// spec: advanced/payload_passthru_mode
fn admit_passthru(role: Option<&Role>, passthru: Option<&Passthru<'_>>) -> Result<(), Violation> {
    let used = passthru.is_some_and(Passthru::is_used);
    if used && !has(role, |features| features.payload_passthru_mode) {
        return Err(Violation("ppt_scheme: payload_passthru_mode was not announced".into()));
    }
    Ok(())
}
