//! A realm: the space in which URIs mean something and sessions see each other.
//!
//! Each shard has its own half of every realm (a broker, a dealer); all shards share its index.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

use super::broker::Broker;
use super::config::{Limits, RealmConfig, RealmOptions};
use super::conversation::Deadline;
use super::deadline::Wheel;
use super::dealer::Dealer;
use super::pattern::Index;
use super::peers::Peers;
use super::registrations::Registration;
use super::relay::{Head, Relay, Relays};
use super::subscriptions::Subscription;
use crate::env::{Instant, Random};
use crate::limits::ID_MAX;
use crate::message::{Error, ErrorDetails, Message, Payload, RequestId, Text, UriCheck};
use crate::session::{CallRef, Session, SessionRef};
use crate::wire::Serializer;

/// What all shards know of a realm.
#[derive(Debug)]
pub(super) struct SharedRealm {
    pub(super) uri_check: UriCheck,
    pub(super) options: RealmOptions,
    pub(super) subscriptions: Index<Subscription>,
    pub(super) registrations: Index<Registration>,
    /// The last id of a subscription or registration.
    ids: AtomicU64,
}

impl SharedRealm {
    pub(super) fn new(config: &RealmConfig, hash_key: &RandomState) -> Self {
        Self {
            uri_check: config.uri_check,
            options: config.options.clone(),
            subscriptions: Index::new(hash_key.clone()),
            registrations: Index::new(hash_key.clone()),
            ids: AtomicU64::new(0),
        }
    }

    /// A fresh id of router scope.
    pub(super) fn next_id(&self) -> u64 {
        // 2^53 subscriptions are more than any process lives to see.
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What a broker or dealer needs of its shard to do its work.
#[derive(Debug)]
pub(super) struct Context<'c> {
    pub(super) peers: &'c mut Peers,
    pub(super) relays: &'c mut Relays,
    pub(super) random: &'c mut Random,
    pub(super) limits: &'c Limits,
    pub(super) deadlines: &'c mut Wheel<Deadline>,
    pub(super) now: Instant,
}

impl Context<'_> {
    /// An id of global scope: any of the whole range is as likely.
    // spec: basic/building_blocks#ids
    pub(super) fn random_id(&mut self) -> u64 {
        self.random.below(ID_MAX) + 1
    }
}

/// A request that may not or cannot be fulfilled: the ERROR's URI. The session carries on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str);

impl Refusal {
    pub(super) const fn new(error: &'static str) -> Self {
        Self(error)
    }
}

/// One shard's half of a realm.
#[derive(Debug)]
pub(super) struct Realm {
    broker: Broker,
    dealer: Dealer,
}

impl Realm {
    pub(super) fn new(realm: u16, shared: &Arc<SharedRealm>, hash_key: &RandomState) -> Self {
        Self {
            broker: Broker::new(realm, Arc::clone(shared), hash_key),
            dealer: Dealer::new(realm, Arc::clone(shared), hash_key),
        }
    }

    /// Routes a message of the session in `slot`, which was found legal.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the session admits nothing else")]
    pub(super) fn on_message(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) {
        let (refused, request) = match message {
            Message::Publish(publish) => {
                let refused = self.broker.on_publish(slot, publish, context);
                // spec: basic/publish_subscribe#publishing — silence unless asked
                let asked = publish.options.acknowledge == Some(true);
                (
                    refused.or_else(|refusal| if asked { Err(refusal) } else { Ok(()) }),
                    publish.request,
                )
            }
            Message::Subscribe(subscribe) => {
                (self.broker.on_subscribe(slot, subscribe, context), subscribe.request)
            }
            Message::Unsubscribe(unsubscribe) => {
                (self.broker.on_unsubscribe(slot, unsubscribe, context), unsubscribe.request)
            }
            Message::Call(call) => (self.dealer.on_call(slot, call, context), call.request),
            Message::Cancel(cancel) => {
                (self.dealer.on_cancel(slot, cancel, context), cancel.request)
            }
            Message::Register(register) => {
                (self.dealer.on_register(slot, register, context), register.request)
            }
            Message::Unregister(unregister) => {
                (self.dealer.on_unregister(slot, unregister, context), unregister.request)
            }
            Message::Yield(answer) => return self.dealer.on_yield(slot, answer, context),
            Message::Error(error) => return self.dealer.on_error(slot, error, context),
            _ => unreachable!("the session admits nothing else"),
        };
        if let Err(Refusal(error)) = refused {
            context.peers.tell(slot, error_of(message.code(), request, error));
        }
    }

    /// Takes what this realm's half on another shard has to say.
    pub(super) fn on_relay(&mut self, relay: &Relay<'_>, context: &mut Context<'_>) {
        match &relay.head {
            Head::Event(head) => self.broker.on_event(head, relay, context),
            Head::Invoke(_)
            | Head::Yielded(_)
            | Head::Failed(_)
            | Head::Bounced(_)
            | Head::Cancel { .. }
            | Head::Revoke { .. } => self.dealer.on_relay(relay, context),
        }
    }

    /// Cleans up behind a session, however it ended.
    // spec: basic/sessions — the same whether by GOODBYE, ABORT or loss of the transport
    pub(super) fn leave(&mut self, gone: SessionRef, session: &Session, context: &mut Context<'_>) {
        self.broker.leave(session, context);
        self.dealer.leave(gone, session, context);
    }

    /// Ends all calls of the session in `slot`, which is about to be told goodbye.
    pub(super) fn cancel_calls(&mut self, slot: u32, context: &mut Context<'_>) {
        self.dealer.cancel_calls(slot, context);
    }

    /// Ends a call that took too long.
    pub(super) fn on_timeout(&mut self, call: CallRef, context: &mut Context<'_>) {
        self.dealer.on_timeout(call, context);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.broker.is_empty() && self.dealer.is_empty()
    }

    pub(super) fn check(&self, context: &mut Context<'_>) {
        self.broker.check(context);
    }
}

/// An ERROR without payload.
pub(super) fn error_of(request_type: u64, request: RequestId, error: &str) -> Error<'_> {
    Error {
        request_type,
        request,
        details: ErrorDetails::default(),
        error: Text::Borrowed(error),
        payload: Payload::none(Serializer::Json),
    }
}
