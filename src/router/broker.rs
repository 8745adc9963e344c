//! Publish and subscribe within one realm, on one shard.
//!
//! The broker turns a PUBLISH into EVENTs for the subscribers on this shard
//! and into at most one [`Relay`] per other shard with an interest.
//! It matches where the message arrived, so an event crosses the mesh once,
//! and order between a publisher and a subscriber follows from the order of
//! a single queue.
//!
//! ```text
//!  PUBLISH ──▶ on_publish ──┬──▶ EVENT to local subscribers
//!                           ├──▶ Relay::Event to other shards
//!                           └──▶ PUBLISHED, if the publisher asked
//!  Relay::Event ──▶ on_event ──▶ EVENT to local subscribers
//! ```
//!
//! The broker does not know sockets, serializers in use, or how the shared
//! index is read without a lock; the last is the business of [`pattern`](super::pattern).

use std::sync::Arc;

use super::broadcast::Broadcast;
use super::config::{Action, Disclosure, Effect};
use super::filter::Filter;
use super::history::Histories;
use super::meta::News;
use super::pattern::Cache;
use super::realm::{Context, Refusal, SharedRealm};
use super::relay::{Details, EventHead, Head, Relay};
use super::retention::Found;
use super::subscriptions::{Local, Replays, ShardSet, Subscribers, Subscription};
use super::told::Told;
use crate::env::{Map, shrink};
use crate::message::layout::Element;
use crate::message::uri::Pattern;
use crate::message::{
    Event, EventDetails, MatchPolicy, Payload, PublicationId, Publish, PublishOptions, Published,
    RequestId, SessionId, Subscribe, Subscribed, SubscriptionId, Unsubscribe, Unsubscribed,
    UnsubscribedDetails, uri,
};
use crate::session::{Session, ShardId};
use crate::wire::msgpack::MsgPackReader;
use crate::wire::{Reader, Serializer};

/// One realm's broker on one shard.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) realm: u16,
    pub(super) shared: Arc<SharedRealm>,
    /// Subscriptions with subscribers on this shard.
    pub(super) local: Map<SubscriptionId, Local>,
    pub(super) cache: Cache<Subscription>,
    pub(super) broadcast: Broadcast,
    /// The histories that this shard keeps.
    pub(super) histories: Histories,
    /// The number of this shard's last publication.
    sequence: u64,
}

impl Broker {
    pub(super) fn new(
        realm: u16,
        shared: Arc<SharedRealm>,
        shard: ShardId,
        hash_key: &ahash::RandomState,
    ) -> Self {
        let local = Map::with_hasher(hash_key.clone());
        let cache = Cache::new(hash_key.clone());
        let histories = Histories::new(realm, &shared.archives, shard, hash_key);
        let broadcast = Broadcast::default();
        Self { realm, shared, local, cache, broadcast, histories, sequence: 0 }
    }

    /// Makes the session in `slot` a subscriber and answers its SUBSCRIBE.
    // spec: basic/publish_subscribe#subscribing
    pub(super) fn on_subscribe(
        &mut self,
        slot: u32,
        subscribe: &Subscribe<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let policy = subscribe.options.r#match.unwrap_or_default();
        if !uri::is_valid_pattern(&subscribe.topic, policy, self.shared.uri_check) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let Some(session) = context.peers.session(slot) else {
            return Ok(());
        };
        let known = self.shared.subscriptions.get(policy, &subscribe.topic);
        let held = known.filter(|known| session.subscriptions.contains(&known.id));
        if held.is_none() && session.subscriptions.len() >= context.limits.subscriptions_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        // spec: basic/publish_subscribe#subscribing — subscribing twice gives the same id
        let (fresh, news_before) = (held.is_none(), context.news.len());
        let id = match held {
            Some(held) => held.id,
            None => self.join(slot, policy, &subscribe.topic, context),
        };
        let retained = match subscribe.options.get_retained {
            Some(true) => self.retained(slot, (id, fresh), context),
            Some(false) | None => Ok(Vec::new()),
        };
        if retained.is_err() && fresh {
            // It has never been: nobody was told yet.
            self.leave_one(slot, id, context);
            context.news.truncate(news_before);
        }
        let retained = retained?;

        // spec: basic/security_model#ordering — SUBSCRIBED goes out before any EVENT.
        // Other shards see the entry from here on, but what they send is handled by
        // this shard after this function, so it can only be queued behind SUBSCRIBED.
        let subscribed = Subscribed { request: subscribe.request, subscription: id };
        context.peers.tell(slot, subscribed);
        self.replay_all(slot, id, &retained, context);
        Ok(())
    }

    /// Ends a subscription of the session in `slot` and answers its UNSUBSCRIBE.
    // spec: basic/publish_subscribe#unsubscribing
    pub(super) fn on_unsubscribe(
        &mut self,
        slot: u32,
        unsubscribe: &Unsubscribe<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if !self.leave_one(slot, unsubscribe.subscription, context) {
            return Err(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION));
        }
        let request = unsubscribe.request;
        context.peers.tell(slot, Unsubscribed { request, details: None });
        Ok(())
    }

    /// Takes a subscription away from the session in `slot`.
    // spec: advanced/pubsub_subscription_revocation
    pub(super) fn revoke(
        &mut self,
        slot: u32,
        id: SubscriptionId,
        reason: &str,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let session = context.peers.session(slot);
        let session = session.ok_or(Refusal::new(uri::error::NO_SUCH_SESSION))?;
        if !session.subscriptions.remove(&id) {
            return Err(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION));
        }
        let told = session.subscriber_has(|features| features.subscription_revocation);
        let session = session.id;
        self.part(session, id, context);
        if told {
            let reason = (!reason.is_empty()).then(|| reason.into());
            let details = Some(UnsubscribedDetails { subscription: Some(id), reason });
            context.peers.tell(slot, Unsubscribed { request: RequestId(0), details });
        }
        Ok(())
    }

    /// Publishes for the session in `slot`.
    // spec: basic/publish_subscribe#publishing
    pub(super) fn on_publish(
        &mut self,
        slot: u32,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let topic = &*publish.topic;
        if !uri::is_valid(topic, self.shared.uri_check) || uri::is_reserved(topic) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let options = &publish.options;
        if options.receivers.as_ref().is_some_and(|receivers| receivers.are_too_many()) {
            return Err(Refusal::new(uri::error::INVALID_ARGUMENT));
        }
        let Some(session) = context.peers.session(slot) else { return Ok(()) };
        let (publisher, identity, realm) = (session.id, &session.identity, &self.shared.options);
        let granted = context.granted.take().is_some_and(|granted| granted.discloses);
        let disclosure = match granted {
            true => Disclosure::Always,
            false => identity.disclosure(Action::Publish, topic, realm.disclosure),
        };
        if options.disclose_me == Some(true) && disclosure == Disclosure::Deny {
            return Err(Refusal::new(uri::error::DISCLOSURE_NOT_ALLOWED));
        }
        let disclosed = is_disclosed(disclosure, options);
        let told = Told::new((publisher, identity), disclosed, topic, realm);
        let event = (topic, publish.payload);
        let publication = self.publish((publisher, &told), options, event, context);
        if options.acknowledge == Some(true) {
            context.peers.tell(slot, Published { request: publish.request, publication });
        }
        Ok(())
    }

    /// Publishes for a session, whether it is still there or not.
    fn publish(
        &mut self,
        (publisher, told): (SessionId, &Told),
        options: &PublishOptions<'_>,
        (topic, payload): (&str, Payload<'_>),
        context: &mut Context<'_>,
    ) -> PublicationId {
        let mut details = EventDetails { passthru: options.passthru.clone(), ..Default::default() };
        details.trustlevel = told.trustlevel;
        if let Some((session, authid, authrole)) = &told.identity {
            details.publisher = Some(*session);
            details.publisher_authid = Some((**authid).into());
            details.publisher_authrole = Some((**authrole).into());
        }
        let publication = PublicationId(context.random_id());
        self.sequence += 1;
        let head = EventHead {
            publication,
            publisher,
            origin: context.peers.shard,
            sequence: self.sequence,
            // spec: advanced/pubsub_publisher_exclusion
            exclude_publisher: options.exclude_me != Some(false),
            filter: options.receivers.as_deref().map(Filter::new).map(Arc::new),
        };
        let event = Relay {
            head: Head::Event(head),
            text: topic,
            ids: &[],
            details: Details::Event(details),
            payload,
        };
        if options.retain == Some(true) {
            // spec: advanced/pubsub_event_retention — best effort: what is not kept is delivered
            let kept = self.shared.retention.keep(&event, &self.shared.options);
            context.peers.counters.retentions_refused += u64::from(!kept);
        }
        self.spread(&event, context);
        publication
    }

    /// Removes a session that has ended from everything it subscribed to.
    pub(super) fn leave(&mut self, session: &Session, context: &mut Context<'_>) {
        let mut subscriptions: Vec<_> = session.subscriptions.iter().copied().collect();
        subscriptions.sort_unstable();
        for subscription in subscriptions {
            self.part(session.id, subscription, context);
        }
    }

    /// Whether anybody on any shard would get, or keep, an event of this topic.
    pub(super) fn has_subscribers(&mut self, topic: &str) -> bool {
        !self.cache.lookup(&self.shared.subscriptions, topic).is_empty()
    }

    /// How many sessions of this shard hold a subscription.
    pub(super) fn subscribers_count(&self, id: SubscriptionId) -> usize {
        self.local.get(&id).map_or(0, |local| local.subscribers.len())
    }

    /// Adds up to `room` of the sessions of this shard that hold a subscription to `found`, some
    /// perhaps for the second time; they are those before place `end`. Tells where to go on.
    pub(super) fn subscribers_of(
        &self,
        id: SubscriptionId,
        (end, room): (usize, usize),
        found: &mut Vec<u64>,
    ) -> usize {
        let Some(Local { subscribers, .. }) = self.local.get(&id) else { return 0 };
        found.extend(subscribers.before(end).take(room).map(|session| session.0));
        end.min(subscribers.len()).saturating_sub(room)
    }

    /// Publishes as the router itself. `arguments` are in MessagePack.
    pub(super) fn publish_own(&mut self, topic: &str, arguments: &[u8], context: &mut Context<'_>) {
        self.sequence += 1;
        let head = EventHead {
            publication: PublicationId(context.random_id()),
            publisher: SessionId(0),
            origin: context.peers.shard,
            sequence: self.sequence,
            exclude_publisher: false,
            filter: None,
        };
        let event = Relay {
            head: Head::Event(head),
            text: topic,
            ids: &[],
            details: Details::Event(EventDetails::default()),
            payload: Payload::from_elements(Serializer::MessagePack, (arguments, &[]), false),
        };
        self.spread(&event, context);
    }

    /// Publishes what a session that is gone has left.
    // spec: advanced/pubsub_testament
    pub(super) fn publish_testaments(&mut self, session: &Session, context: &mut Context<'_>) {
        for testament in session.testaments.iter().flatten() {
            let options = PublishOptions::read(&mut MsgPackReader::open(&testament.options));
            let options = options.expect("written when the testament was added");
            let (identity, topic) = (&session.identity, &*testament.topic);
            // Its rights may have changed since it was set.
            let ruling = identity.role.decide(Action::Publish, topic, &identity.authid);
            if ruling.effect != Effect::Allow {
                context.peers.counters.denials += 1;
                continue;
            }
            let realm = &self.shared.options;
            let disclosure = identity.disclosure(Action::Publish, topic, realm.disclosure);
            let disclosed = is_disclosed(disclosure, &options);
            let told = Told::new((session.id, identity), disclosed, topic, realm);
            let event = (topic, testament.payload.payload());
            self.publish((session.id, &told), &options, event, context);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.local.is_empty()
    }

    /// Asserts that this shard's subscribers and its sessions agree.
    pub(super) fn check(&self, context: &mut Context<'_>) {
        self.histories.check();
        let mut ids: Vec<_> = self.local.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let local = &self.local[&id];
            assert!(!local.subscribers.is_empty(), "a subscription without a subscriber");
            let entry = self.shared.subscriptions.get(local.policy, &local.uri);
            let entry = entry.expect("a subscription that others do not know");
            assert_eq!(entry.id, id, "one topic, two subscriptions");
            assert!(entry.shards.contains(context.peers.shard), "others do not know of us");
            for (slot, session) in local.subscribers.iter() {
                let open = context.peers.session(slot).filter(|open| open.id == session);
                let open = open.expect("a subscriber that has left");
                assert!(open.subscriptions.contains(&id), "a subscriber that does not know");
            }
        }
    }

    /// Ends a subscription of the session in `slot`, if it has it.
    fn leave_one(&mut self, slot: u32, id: SubscriptionId, context: &mut Context<'_>) -> bool {
        let session = context.peers.session(slot);
        let Some(session) = session.filter(|session| session.subscriptions.contains(&id)) else {
            return false;
        };
        session.subscriptions.remove(&id);
        let session = session.id;
        self.part(session, id, context);
        true
    }

    /// What is retained for a subscription of the session in `slot`, in the order in which each
    /// shard published it. More than half of what its outbox may hold is refused: it has no order
    /// in which a part of it would be the better one.
    ///
    /// The session is in the index already. A publisher retains before it looks there, so what is
    /// not found here comes as an event. What is found may come as well, if the subscription is
    /// `fresh`, and so may what was published before it: both is remembered, and dropped.
    // spec: advanced/pubsub_event_retention
    fn retained(
        &mut self,
        slot: u32,
        (id, fresh): (SubscriptionId, bool),
        context: &mut Context<'_>,
    ) -> Result<Vec<Found>, Refusal> {
        let (here, hasher) = (context.peers.shard, self.local.hasher().clone());
        let local = self.local.get_mut(&id).expect("the session has just joined it");
        let waiting = context.peers.waiting(slot);
        if local.policy != MatchPolicy::Exact {
            context.peers.work += self.shared.retention.topics_count() / 32;
        }
        let Some(session) = context.peers.session(slot) else { return Ok(Vec::new()) };
        let pattern = Pattern { policy: local.policy, uri: local.uri.clone() };
        let found = self.shared.retention.find(&pattern, session);
        let bytes_count = found.iter().map(Found::bytes_count).sum::<usize>();
        // One alone is bounded like any event.
        if found.len() > 1 && waiting + bytes_count > context.limits.outbox_bytes_max / 2 {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        for found in found.iter().filter(|found| fresh && found.event.head.origin != here) {
            let EventHead { origin, sequence, .. } = found.event.head;
            local.replayed.note(session.id, (origin, sequence), &hasher);
        }
        Ok(found)
    }

    /// Sends what is retained for a subscription to the session in `slot`.
    fn replay_all(
        &mut self,
        slot: u32,
        id: SubscriptionId,
        retained: &[Found],
        context: &mut Context<'_>,
    ) {
        let room = context.limits.outbox_bytes_max / 4 * 3;
        for found in retained {
            // What grows in this peer's serializer must not be the end of it.
            if retained.len() > 1 && context.peers.waiting(slot) > room {
                context.peers.counters.undeliverable_events += 1;
            } else {
                self.replay(slot, id, found, context);
            }
        }
    }

    /// Sends a retained event to the session in `slot`.
    fn replay(
        &mut self,
        slot: u32,
        subscription: SubscriptionId,
        Found { topic, event }: &Found,
        context: &mut Context<'_>,
    ) {
        let exact = self.local.get(&subscription).is_none_or(|l| l.policy == MatchPolicy::Exact);
        let mut details = event.details();
        details.retained = Some(true);
        details.topic = (!exact).then(|| (**topic).into());
        let (publication, payload) = (event.head.publication, event.payload());
        self.broadcast.begin();
        let message = Event { subscription, publication, details, payload };
        if self.broadcast.send(&message, slot, context.peers).is_err() {
            context.peers.counters.undeliverable_events += 1;
        }
    }

    fn join(
        &mut self,
        slot: u32,
        policy: MatchPolicy,
        topic: &str,
        context: &mut Context<'_>,
    ) -> SubscriptionId {
        context.peers.end_volley();
        let here = context.peers.shard;
        let session = context.peers.session(slot).expect("the session that is subscribing").id;
        let tell = !uri::is_reserved(topic);
        let mut writer = self.shared.subscriptions.write();
        let id = match writer.get(policy, topic) {
            Some(known) => {
                if !known.shards.contains(here) {
                    writer.insert(policy, topic, known.with(known.shards.with(here)));
                }
                known.id
            }
            None => {
                let id = SubscriptionId(self.shared.next_id());
                let shards = ShardSet::default().with(here);
                let created_ms = context.now.unix_ms();
                let uri = topic.into();
                let entry = Subscription { id, uri, policy, created_ms, shards, keeper: None };
                let entry = writer.insert(policy, topic, entry);
                if tell {
                    context.news.push(News::SubscriptionCreated(session, entry));
                }
                id
            }
        };
        drop(writer);
        if tell {
            context.news.push(News::Subscribed(session, id.0));
        }

        let session = context.peers.session(slot).expect("the session that is subscribing");
        session.subscriptions.insert(id);
        let session = session.id;
        let hasher = self.local.hasher().clone();
        let local = self.local.entry(id).or_insert_with(|| Local {
            uri: topic.into(),
            policy,
            subscribers: Subscribers::default(),
            replayed: Replays::default(),
        });
        local.subscribers.insert(slot, session, &hasher);
        id
    }

    fn part(&mut self, session: SessionId, id: SubscriptionId, context: &mut Context<'_>) {
        context.peers.end_volley();
        let local = self.local.get_mut(&id).expect("a session knows what it subscribed to");
        local.subscribers.remove(session);
        local.replayed.forget(session);
        let tell = !uri::is_reserved(&local.uri);
        if tell {
            context.news.push(News::Unsubscribed(session, id.0));
        }
        if !local.subscribers.is_empty() {
            return;
        }
        let local = self.local.remove(&id).expect("it was there a line ago");
        shrink(&mut self.local);
        let mut writer = self.shared.subscriptions.write();
        let entry = writer.get(local.policy, &local.uri).expect("others know what we hold");
        let shards = entry.shards_without(context.peers.shard);
        if shards == entry.shards {
            return;
        }
        if !shards.is_empty() {
            writer.insert(local.policy, &local.uri, entry.with(shards));
            return;
        }
        writer.remove(local.policy, &local.uri);
        if tell {
            context.news.push(News::SubscriptionDeleted(session, id.0));
        }
    }
}

/// Whether subscribers are told who publishes.
fn is_disclosed(disclosure: Disclosure, options: &PublishOptions<'_>) -> bool {
    match disclosure {
        Disclosure::Allow => options.disclose_me == Some(true),
        Disclosure::Deny => false,
        Disclosure::Always => true,
    }
}
