//! The way of one event from the broker to its receivers, on this shard and on others.

use smallvec::SmallVec;

use super::broker::Broker;
use super::peers::Undeliverable;
use super::realm::Context;
use super::relay::{Details, EventHead, Head, Relay};
use super::subscriptions::ShardSet;
use super::volley::{self, Aim};
use crate::message::{Event, MatchPolicy, SubscriptionId};

impl Broker {
    /// Delivers what this or another shard's broker published to the subscriptions `ids`, and keeps
    /// what is to be kept.
    pub(super) fn on_event(
        &mut self,
        head: &EventHead,
        ids: &[u64],
        event: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        if self.histories.is_any() {
            self.histories.append(head, (event, ids), context);
        }
        for subscription in ids {
            self.deliver(SubscriptionId(*subscription), (head, event), context);
        }
    }

    /// Sends an event to every subscription that matches its topic, on every shard.
    pub(super) fn spread(&mut self, event: &Relay<'_>, context: &mut Context<'_>) {
        let Head::Event(head) = &event.head else { unreachable!("only events are spread") };
        let found = self.cache.lookup(&self.shared.subscriptions, event.text);
        if found.is_empty() {
            return;
        }
        let found: SmallVec<[(u64, ShardSet); 4]> =
            found.iter().map(|entry| (entry.id.0, entry.shards)).collect();
        let here = context.peers.shard;
        let all = found.iter().fold(ShardSet::default(), |all, (_, shards)| all.union(*shards));
        for shard in all.iter() {
            let interested = found.iter().filter(|(_, shards)| shards.contains(shard));
            let ids: SmallVec<[u64; 4]> = interested.map(|(id, _)| *id).collect();
            if shard == here {
                self.on_event(head, &ids, event, context);
            } else {
                let event = Relay { ids: &ids, ..event.clone() };
                context.relays.push(shard, self.realm, &event);
            }
        }
    }

    /// Sends an event to the subscribers of one subscription on this shard.
    ///
    /// A subscription that is not known has just been left: the event is dropped here.
    fn deliver(
        &mut self,
        id: SubscriptionId,
        (head, event): (&EventHead, &Relay<'_>),
        context: &mut Context<'_>,
    ) {
        let Some(local) = self.local.get_mut(&id) else { return };
        let replayed = local.replayed.at(head.origin, head.sequence);
        let Details::Event(details) = &event.details else { unreachable!("an event has its own") };
        let mut details = details.clone();
        // spec: advanced/pubsub_pattern_based_subscription — the concrete topic is told
        details.topic = (local.policy != MatchPolicy::Exact).then(|| event.text.into());
        let (publication, payload) = (head.publication, event.payload);
        let message = Event { subscription: id, publication, details, payload };
        let comes_back = local.subscribers.contains(head.publisher);
        // Who hears itself is paused by what waits for it, so that must not wait elsewhere.
        let is_alone = !comes_back || head.exclude_publisher;
        let is_plain = is_alone && replayed.is_none() && head.filter.is_none();
        let excluded = comes_back.then_some(head.publisher);
        let aim = Aim { realm: self.realm, subscription: id, excluded };
        if is_plain
            && context.peers.volley.is_for(aim)
            && self.broadcast.follow(&message, context.peers)
        {
            return;
        }
        let begins = is_plain && local.subscribers.len() >= volley::RECEIVERS_MIN;
        if begins {
            context.peers.begin_volley(aim);
        }
        self.broadcast.begin();
        for (slot, session) in local.subscribers.iter() {
            if head.exclude_publisher && head.publisher == session {
                continue;
            }
            if let Some(replayed) = replayed
                && replayed.get(&session).is_some_and(|last| *last >= head.sequence)
            {
                continue;
            }
            if let Some(filter) = &head.filter
                && context.peers.session(slot).is_none_or(|session| !filter.admits(session))
            {
                continue;
            }
            match self.broadcast.send(&message, slot, context.peers) {
                Ok(()) if begins => context.peers.join_volley(slot),
                Ok(()) | Err(Undeliverable::Gone) => {}
                // spec: advanced/transport_rawsocket — an EVENT too long for a peer is dropped
                Err(Undeliverable::TooLong | Undeliverable::Unrepresentable) => {
                    context.peers.counters.undeliverable_events += 1;
                }
            }
        }
        if begins && !self.broadcast.is_short() {
            context.peers.end_volley();
        }
    }
}
