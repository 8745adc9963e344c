//! A realm: the space in which URIs mean something and sessions see each other.
//!
//! Each shard has its own half of every realm (a broker, a dealer); all shards share its index.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

use super::advice::Questions;
use super::authorization::{Granted, Roles};
use super::broker::Broker;
use super::config::{Limits, RealmConfig, RealmOptions};
use super::conversation::Deadline;
use super::deadline::Wheel;
use super::dealer::Dealer;
use super::directory::Directory;
use super::history::Archive;
use super::meta::{Meta, News, Pace};
use super::peers::Peers;
use super::registrations::Registration;
use super::relay::{Head, Relay, Relays};
use super::retention::Retention;
use super::subscriptions::Subscription;
use crate::env::{Instant, Random};
use crate::limits::ID_MAX;
use crate::message::uri;
use crate::message::{
    Error, ErrorDetails, Message, Payload, RequestId, SessionId, SubscriptionId, Text, UriCheck,
};
use crate::session::auth::mock::Looks;
use crate::session::{CallRef, Session, SessionRef, ShardId};
use crate::wire::Serializer;

/// What all shards know of a realm, as it is configured now.
#[derive(Debug)]
pub(super) struct SharedRealm {
    pub(super) uri_check: UriCheck,
    pub(super) options: RealmOptions,
    /// What sessions may do.
    roles: Arc<Roles>,
    /// What those look like whom only its authenticators know.
    pub(super) looks: Arc<Looks>,
    /// Whether clients may join it. One that was removed is never open again.
    pub(super) is_open: bool,
    index: Arc<RealmIndex>,
}

/// What all shards know of a realm, however it is configured.
#[derive(Debug)]
pub(super) struct RealmIndex {
    pub(super) subscriptions: Directory<Subscription>,
    pub(super) registrations: Directory<Registration>,
    pub(super) retention: Retention,
    /// The subscriptions that have a history.
    pub(super) archives: Vec<Archive>,
    /// The last id of a subscription or registration.
    ids: AtomicU64,
    /// When the first session joined, in milliseconds of Unix time; 0 before.
    first_join_ms: AtomicU64,
}

impl Deref for SharedRealm {
    type Target = RealmIndex;

    fn deref(&self) -> &RealmIndex {
        &self.index
    }
}

impl SharedRealm {
    /// A realm that all of `shards_count` shards begin `now`.
    pub(super) fn new(
        config: &RealmConfig,
        hash_key: &RandomState,
        shards_count: u16,
        now: Instant,
    ) -> Self {
        let mut index = RealmIndex {
            subscriptions: Directory::new(hash_key),
            registrations: Directory::new(hash_key),
            retention: Retention::new(hash_key),
            archives: Vec::new(),
            ids: AtomicU64::new(0),
            first_join_ms: AtomicU64::new(0),
        };
        // Not every realm's first history is to be kept by the same shard.
        let first = hash_key.hash_one(&config.name);
        index.archives =
            Archive::found(&index, &config.options.history, (first, shards_count), now);
        Self::of(config, Arc::new(index))
    }

    /// The same realm, configured otherwise.
    pub(super) fn with(&self, config: &RealmConfig, has_other_authenticators: bool) -> Self {
        let next = Self::of(config, Arc::clone(&self.index));
        if has_other_authenticators {
            next
        } else {
            Self { looks: Arc::clone(&self.looks), ..next }
        }
    }

    /// The same realm, removed.
    pub(super) fn closed(&self) -> Self {
        Self {
            uri_check: self.uri_check,
            options: RealmOptions::default(),
            roles: Arc::default(),
            looks: Arc::default(),
            is_open: false,
            index: Arc::clone(&self.index),
        }
    }

    fn of(config: &RealmConfig, index: Arc<RealmIndex>) -> Self {
        Self {
            uri_check: config.uri_check,
            options: config.options.clone(),
            roles: Arc::new(Roles::new(config)),
            looks: Arc::default(),
            is_open: true,
            index,
        }
    }
}

impl RealmIndex {
    /// Whether no subscription is left that has a subscriber, and no registration.
    pub(super) fn is_empty(&self) -> bool {
        let mut held = false;
        self.subscriptions.for_each(&mut |_, _, entry| held |= !entry.is_idle());
        !held && self.registrations.is_empty()
    }

    /// When the first session joined, in milliseconds of Unix time.
    pub(super) fn first_join_ms(&self) -> u64 {
        self.first_join_ms.load(Ordering::Relaxed)
    }

    fn note_join(&self, now_ms: u64) {
        if self.first_join_ms() == 0 {
            // If this fails, somebody else was first.
            let first = &self.first_join_ms;
            let _ = first.compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed);
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
    /// What the meta API will tell.
    pub(super) news: &'c mut Vec<News>,
    /// How much of this shard's time long answers may take.
    pub(super) pace: &'c mut Pace,
    /// What an authorizer has said of the request in hand.
    pub(super) granted: Option<Granted>,
    /// What the router itself has asked.
    pub(super) questions: &'c mut Questions,
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
    pub(super) realm: u16,
    pub(super) shared: Arc<SharedRealm>,
    pub(super) broker: Broker,
    pub(super) dealer: Dealer,
    pub(super) meta: Meta,
    /// What sessions may do.
    pub(super) roles: Arc<Roles>,
    /// Sessions of this realm on this shard, and their slots.
    pub(super) sessions: BTreeMap<SessionId, u32>,
}

impl Realm {
    /// The half of the realm of that index on `shard`.
    pub(super) fn new(
        realm: u16,
        shared: &Arc<SharedRealm>,
        shard: ShardId,
        hash_key: &RandomState,
    ) -> Self {
        Self {
            realm,
            shared: Arc::clone(shared),
            broker: Broker::new(realm, Arc::clone(shared), shard, hash_key),
            dealer: Dealer::new(realm, Arc::clone(shared), hash_key),
            meta: Meta::new(hash_key),
            roles: Arc::clone(&shared.roles),
            sessions: BTreeMap::new(),
        }
    }

    /// Goes by another configuration of the same realm.
    pub(super) fn configure(&mut self, shared: &Arc<SharedRealm>) {
        self.shared = Arc::clone(shared);
        self.broker.shared = Arc::clone(shared);
        self.dealer.shared = Arc::clone(shared);
        self.roles = Arc::clone(&shared.roles);
    }

    /// Forgets what is kept of events, for nobody will ask for them any more.
    pub(super) fn forget_events(&mut self) {
        self.broker.histories.forget();
        self.shared.retention.forget();
    }

    /// Routes a message of the session in `slot`, which was found legal. Gives the authorizer that
    /// must be asked before, if there is one.
    pub(super) fn on_message(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) -> Option<u16> {
        let done = match self.authorize(slot, message, context) {
            Ok(Some(it)) if context.granted.is_none_or(|granted| granted.authorizer != it) => {
                return Some(it);
            }
            Ok(_) => self.route(slot, message, context),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = done {
            Self::refuse(slot, message, refusal, context);
        }
        self.publish_news(context);
        None
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the session admits nothing else")]
    fn route(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        match message {
            Message::Publish(publish) => self.broker.on_publish(slot, publish, context),
            Message::Subscribe(subscribe) => self.broker.on_subscribe(slot, subscribe, context),
            Message::Unsubscribe(unsubscribe) => {
                self.broker.on_unsubscribe(slot, unsubscribe, context)
            }
            // What is reserved is ours alone, whatever patterns others have registered.
            Message::Call(call) if uri::is_reserved(&call.procedure) => {
                self.on_meta_call(slot, call, context)
            }
            Message::Call(call) => self.dealer.on_call(slot, call, context),
            Message::Cancel(cancel) => self.dealer.on_cancel(slot, cancel, context),
            Message::Register(register) => self.dealer.on_register(slot, register, context),
            Message::Unregister(unregister) => self.dealer.on_unregister(slot, unregister, context),
            Message::Yield(answer) => {
                self.dealer.on_yield(slot, answer, context);
                Ok(())
            }
            Message::Error(error) => {
                self.dealer.on_error(slot, error, context);
                Ok(())
            }
            _ => unreachable!("the session admits nothing else"),
        }
    }

    /// A session has joined: others are told.
    pub(super) fn join(&mut self, slot: u32, context: &mut Context<'_>) {
        let Some(session) = context.peers.session(slot) else { return };
        let (id, identity) = (session.id, session.identity.clone());
        self.sessions.insert(id, slot);
        self.shared.note_join(context.now.unix_ms());
        self.publish_join(slot, (id, &identity), context);
    }

    /// Hands `relay` to this realm's half on the shard `to`.
    pub(super) fn pass(&mut self, to: ShardId, relay: &Relay<'_>, context: &mut Context<'_>) {
        if to == context.peers.shard {
            self.on_relay(relay, context);
        } else {
            context.relays.push(to, self.realm, relay);
        }
    }

    /// Takes what this realm's half on another shard has to say.
    pub(super) fn on_relay(&mut self, relay: &Relay<'_>, context: &mut Context<'_>) {
        match &relay.head {
            Head::Event(head) => self.broker.on_event(head, relay.ids, relay, context),
            Head::Ask { number, question, from } => {
                self.on_ask((*number, *question), *from, relay, context);
            }
            Head::Withdraw { number, from } => self.meta.withdraw(*number, *from),
            Head::Answer(number) => self.on_answer(*number, relay, context),
            Head::Invoke(_)
            | Head::Yielded(_)
            | Head::Failed(_)
            | Head::Bounced(_)
            | Head::Cancel { .. }
            | Head::Revoke { .. } => self.dealer.on_relay(relay, context),
            Head::Poll(_) | Head::Polled(_) | Head::Suspect(_) | Head::Remember(_) => {
                unreachable!("these are of no realm")
            }
        }
    }

    /// Cleans up behind a session, however it ended.
    // spec: basic/sessions — the same whether by GOODBYE, ABORT or loss of the transport
    pub(super) fn leave(
        &mut self,
        gone: SessionRef,
        session: &Session,
        silently: bool,
        context: &mut Context<'_>,
    ) {
        self.sessions.remove(&gone.id);
        self.withdraw_questions(session, context);
        self.broker.leave(session, context);
        self.dealer.leave(gone, session, context);
        if silently {
            context.news.clear();
            return;
        }
        self.broker.publish_testaments(session, context);
        self.publish_news(context);
        self.publish_leave(session, context);
    }

    /// Ends all calls of the session in `slot`, which is about to be told goodbye.
    pub(super) fn cancel_calls(&mut self, slot: u32, context: &mut Context<'_>) {
        self.dealer.cancel_calls(slot, context);
        self.cancel_meta_calls(slot, context);
    }

    /// Ends a call that took too long.
    pub(super) fn on_timeout(&mut self, call: CallRef, context: &mut Context<'_>) {
        self.dealer.on_timeout(call, context);
    }

    /// Forgets what has become too old in the history of a subscription.
    pub(super) fn on_history_age(&mut self, id: SubscriptionId, context: &mut Context<'_>) {
        self.broker.histories.on_age(id, context);
    }

    /// How many deadlines are set that no session has to do with.
    pub(super) fn deadlines_count(&self) -> usize {
        self.broker.histories.deadlines_count()
    }

    pub(super) fn is_empty(&self) -> bool {
        let nobody = self.sessions.is_empty() && self.meta.is_empty();
        nobody && self.broker.is_empty() && self.dealer.is_empty()
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
