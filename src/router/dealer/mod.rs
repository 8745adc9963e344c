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
//! `register` is about registrations, `call` about the caller's half, which is that of a session or
//! of the router itself (`caller`), `invocation` about the callee's.

mod call;
mod caller;
mod invocation;
mod queue;
mod register;

use std::sync::Arc;

use super::deadline::Handle;
use super::pattern::Cache;
use super::peers::Undeliverable;
use super::realm::{Context, SharedRealm};
use super::registrations::Registration;
use super::relay::{Details, Head, Relay};
use crate::env::Map;
use crate::message::{ErrorDetails, uri};
use crate::session::{CallRef, Session, SessionRef, ShardId};
use queue::Queue;

/// One realm's dealer on one shard.
#[derive(Debug)]
pub(super) struct Dealer {
    realm: u16,
    pub(super) shared: Arc<SharedRealm>,
    cache: Cache<Registration>,
    /// The deadlines of calls of this shard's sessions that have one.
    timeouts: Map<CallRef, Handle>,
    /// Invocations that wait until their callee has finished others.
    queues: Map<SessionRef, Queue>,
}

impl Dealer {
    pub(super) fn new(realm: u16, shared: Arc<SharedRealm>, hash_key: &ahash::RandomState) -> Self {
        Self {
            realm,
            shared,
            cache: Cache::new(hash_key.clone()),
            timeouts: Map::with_hasher(hash_key.clone()),
            queues: Map::with_hasher(hash_key.clone()),
        }
    }

    /// Takes what the other half of a call has to say.
    pub(super) fn on_relay(&mut self, relay: &Relay<'_>, context: &mut Context<'_>) {
        match relay.head {
            Head::Event(_)
            | Head::Ask { .. }
            | Head::Answer(_)
            | Head::Withdraw { .. }
            | Head::Poll(_)
            | Head::Polled(_)
            | Head::Suspect(_)
            | Head::Remember(_) => {
                unreachable!("these are not about calls")
            }
            Head::Invoke(head) => self.on_invoke(head, relay, context),
            Head::Yielded(call) => self.on_yielded(call, relay, context),
            Head::Failed(call) => self.on_failed(call, relay, context),
            Head::Bounced(call) => self.on_bounced(call, relay.text, context),
            Head::Cancel { callee, call, mode } => self.on_canceled(callee, call, mode, context),
            Head::Revoke { callee, registration } => {
                self.on_revoked(callee, registration, relay.text, context);
            }
        }
    }

    /// Cleans up behind a session: its registrations, what it called, what it was asked.
    pub(super) fn leave(&mut self, gone: SessionRef, session: &Session, context: &mut Context<'_>) {
        self.part_all(session, context);
        self.abandon(gone, &session.calls, context);
        // spec: basic/remote_procedure_call#callee-leaving — every caller gets its ERROR
        for (_, pending) in session.invocations.sorted() {
            self.fail(pending.call, uri::error::CANCELED, context);
        }
        self.give_up_queue(gone, context);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.timeouts.is_empty() && self.queues.is_empty()
    }

    /// Ends a call with an error of the router's own.
    fn fail(&mut self, call: CallRef, error: &str, context: &mut Context<'_>) {
        let details = Details::Error(ErrorDetails::default());
        let relay = Relay { text: error, details, ..Relay::of(Head::Failed(call)) };
        self.pass(call.caller.shard, &relay, context);
    }

    /// Hands `relay` to this realm's dealer on the shard `to`.
    fn pass(&mut self, to: ShardId, relay: &Relay<'_>, context: &mut Context<'_>) {
        if to == context.peers.shard {
            self.on_relay(relay, context);
        } else {
            context.relays.push(to, self.realm, relay);
        }
    }
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
