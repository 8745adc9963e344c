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

pub mod address;
pub mod connection;
pub mod invocations;
pub mod outbox;

pub use address::{CallRef, ConnectionId, SessionRef, ShardId};
pub use connection::{Admitted, Connection, Phase};
pub use invocations::Invocations;
pub use outbox::Outbox;

use std::borrow::Cow;
use std::sync::Arc;

use ahash::RandomState;

use crate::env::{Map, Set};
use crate::message::uri::Pattern;
use crate::message::{
    ClientRoles, Error, Features, Invocation, Message, RegistrationId, RequestId, Role, SessionId,
    SubscriptionId,
};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The principal.
    pub authid: Arc<str>,
    /// Its role.
    pub authrole: Arc<str>,
}

/// A call that waits for its final answer, as the caller's shard knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCall {
    /// See [`CallRef::serial`].
    pub serial: u64,
    /// Who was asked.
    pub callee: SessionRef,
    /// The callee takes INTERRUPT.
    pub interruptible: bool,
    /// The caller takes results in parts.
    pub receive_progress: bool,
    /// The callee was asked to stop, and its answer is awaited.
    pub killed: bool,
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
    pub registrations: Map<RegistrationId, Pattern>,
    /// Its calls without a final answer.
    pub calls: Map<RequestId, PendingCall>,
    /// Its invocations without a final answer, and the calls they serve.
    pub invocations: Invocations,
    request_ids: RequestIds,
    request_last: RequestId,
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
            invocations: Invocations::new(hash_key),
            request_ids,
            request_last: RequestId(0),
            calls_count: 0,
            invocation_last: RequestId(0),
        }
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
    #[must_use]
    pub fn pending(&self, call: CallRef) -> Option<&PendingCall> {
        self.calls.get(&call.request).filter(|pending| pending.serial == call.serial)
    }

    /// Takes a call out of the pending ones, if it is one of them.
    pub fn finish_call(&mut self, call: CallRef) -> Option<PendingCall> {
        self.pending(call)?;
        self.calls.remove(&call.request)
    }

    /// The id of the next INVOCATION to this peer: 1, 2, 3 … without gaps.
    // spec: basic/building_blocks#ids — session scope, counted by the requester
    #[must_use]
    pub const fn invocation_next(&self) -> RequestId {
        self.invocation_last.next()
    }

    /// Remembers the INVOCATION `id`, which must be the next and has been sent.
    pub fn invoked(&mut self, id: RequestId, call: CallRef) {
        assert_eq!(id, self.invocation_next(), "invocation ids have no gaps");
        self.invocation_last = id;
        self.invocations.insert(id, call);
    }

    /// Checks the id of a request that the peer just made.
    // spec: basic/building_blocks#protocol-errors — request ids are sequential
    fn on_request(&mut self, request: RequestId) -> Result<(), Violation> {
        let legal = match self.request_ids {
            RequestIds::Sequential => request == self.request_last.next(),
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
            Message::Publish(publish) => self.on_request(publish.request)?,
            Message::Subscribe(subscribe) => self.on_request(subscribe.request)?,
            Message::Unsubscribe(unsubscribe) => self.on_request(unsubscribe.request)?,
            Message::Call(call) => self.on_request(call.request)?,
            Message::Register(register) => self.on_request(register.request)?,
            Message::Unregister(unregister) => self.on_request(unregister.request)?,
            Message::Yield(answer) => self.on_answer(answer.request)?,
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

    // spec: basic/building_blocks#protocol-errors — ERROR with an invalid request type
    fn admit_error(error: &Error<'_>) -> Result<(), Violation> {
        if error.request_type == Invocation::CODE {
            return Ok(());
        }
        Err(Violation("Error.request_type: only 68 (INVOCATION) may fail at a client".into()))
    }
}

fn has(role: Option<&Role>, feature: impl Fn(&Features) -> Option<bool>) -> bool {
    let features = role.and_then(|role| role.features.as_ref());
    features.and_then(feature).unwrap_or(false)
}
