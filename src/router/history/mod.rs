//! Event history: what was published to some subscriptions, for those who ask for it later.
//!
//! Which subscriptions have one is configured. Such a subscription stands in the index from the
//! start and for ever, whether or not it has subscribers, and one shard is its *keeper*. The keeper
//! is among the shards that the subscription is of interest to, so every event reaches it by the
//! same relays in the same queues as it reaches subscribers; it keeps events in the order in which
//! they arrive, and that is their order. There is no other: publications of two shards at the same
//! time have none until they meet there.
//!
//! ```text
//!  PUBLISH ──▶ spread ── Relay::Event ──▶ keeper: on_event ──▶ append to the ring
//!  CALL wamp.subscription.get_events ── Ask ──▶ keeper: answer ── Answer ──▶ RESULT
//! ```
//!
//! Who asks is answered behind everything its own shard has published before, for both take the
//! same queue. An event that was published elsewhere may be on its way to the keeper still when
//! others have got it. What is there when the question arrives is looked through slice by slice;
//! what is forgotten meanwhile is not told.
//!
//! What is kept lies in memory ([`Ring`]). A store on disk would be one more neighbour that the
//! keeper hands events to, in order, and passes questions on to; whoever asks waits for an
//! [`Answer`](super::relay::Head::Answer), however long it takes and whoever gives it.

mod answer;
mod query;
mod ring;

pub(super) use answer::{Answer, Reading};
pub(super) use query::{Asker, Query};

use std::ops::Range;
use std::sync::Arc;

use answer::Draft;
use ring::{Kept, Ring};

use super::config::HistoryRule;
use super::conversation::Deadline;
use super::realm::{Context, RealmIndex, Refusal};
use super::relay::{EventHead, Relay};
use super::subscriptions::{ShardSet, Subscription};
use crate::env::{Instant, Map};
use crate::message::uri;
use crate::message::{MatchPolicy, SubscriptionId};
use crate::session::ShardId;

/// A subscription that has a history, and where that is kept.
#[derive(Debug)]
pub(super) struct Archive {
    id: SubscriptionId,
    keeper: ShardId,
    rule: HistoryRule,
}

impl Archive {
    /// Puts the subscriptions that `rules` name into the index of `realm`. The first rule of two
    /// for the same subscription counts. Their keepers are drawn in turn, from `first` on.
    pub(super) fn found(
        realm: &RealmIndex,
        rules: &[HistoryRule],
        (first, shards_count): (u64, u16),
        now: Instant,
    ) -> Vec<Self> {
        let mut writer = realm.subscriptions.write();
        let mut archives = Vec::new();
        for rule in rules {
            let (policy, uri) = (rule.uris.policy, &*rule.uris.uri);
            if writer.get(policy, uri).is_some() {
                continue;
            }
            let place = first.wrapping_add(archives.len() as u64) % u64::from(shards_count);
            let keeper = ShardId(place as u16);
            let id = SubscriptionId(realm.next_id());
            let entry = Subscription {
                id,
                uri: uri.into(),
                policy,
                created_ms: now.unix_ms(),
                shards: ShardSet::default().with(keeper),
                keeper: Some(keeper),
            };
            writer.insert(policy, uri, entry);
            archives.push(Self { id, keeper, rule: rule.clone() });
        }
        archives
    }
}

/// The histories of one realm that one shard keeps.
#[derive(Debug)]
pub(super) struct Histories {
    realm: u16,
    map: Map<SubscriptionId, History>,
}

/// The history of one subscription.
#[derive(Debug)]
struct History {
    policy: MatchPolicy,
    ring: Ring,
    /// A deadline is set, at which it forgets what is too old.
    due: bool,
}

impl Histories {
    /// Those of `archives` that `shard` keeps, with nothing in them.
    pub(super) fn new(
        realm: u16,
        archives: &[Archive],
        shard: ShardId,
        hash_key: &ahash::RandomState,
    ) -> Self {
        let mut map = Map::with_hasher(hash_key.clone());
        for Archive { id, rule, .. } in archives.iter().filter(|it| it.keeper == shard) {
            let ring = Ring::new(rule, hash_key.clone());
            map.insert(*id, History { policy: rule.uris.policy, ring, due: false });
        }
        Self { realm, map }
    }

    /// Whether this shard keeps any.
    pub(super) fn is_any(&self) -> bool {
        !self.map.is_empty()
    }

    /// Keeps an event for each of its subscriptions that has its history here.
    // spec: advanced/pubsub_event_history#security-aspects — what names sessions is not kept
    pub(super) fn append(
        &mut self,
        head: &EventHead,
        (event, ids): (&Relay<'_>, &[u64]),
        context: &mut Context<'_>,
    ) {
        if head.filter.as_ref().is_some_and(|filter| filter.names_sessions()) {
            return;
        }
        let mut kept = None;
        for id in ids {
            let id = SubscriptionId(*id);
            let Some(history) = self.map.get_mut(&id) else { continue };
            let kept = kept.get_or_insert_with(|| Arc::new(Kept::new(event, context.now)));
            history.ring.append(Arc::clone(kept), context.now);
            history.mind_age((self.realm, id), context);
        }
    }

    /// Begins to look for what the history of a subscription has for `asker`: all that is there
    /// by now.
    pub(super) fn search(
        &mut self,
        (reading, query): (Reading, Query),
        asker: Asker,
        now: Instant,
    ) -> Result<Search, Refusal> {
        let history = self.map.get_mut(&reading.subscription);
        let history = history.ok_or(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION))?;
        history.ring.trim(now);
        let places = query.places(&history.ring)?;
        let draft = Draft::new(reading, history.policy, query.limit);
        Ok(Search { subscription: reading.subscription, query, asker, places, draft })
    }

    /// Goes on with a search for about `room` units of work, each as much as it takes to copy an
    /// id. Tells what that cost, and whether the answer is complete.
    pub(super) fn go_on(&self, search: &mut Search, room: usize) -> (usize, bool) {
        let history = self.map.get(&search.subscription).expect("it was there when it began");
        let mut spent = 0;
        while spent < room {
            let places = &mut search.places;
            let next = if search.query.reverse { places.next_back() } else { places.next() };
            let Some(place) = next else { return (spent, true) };
            spent += LOOK_AT_EVENT;
            // What was forgotten meanwhile is not told any more.
            let Some(kept) = history.ring.at(place) else { continue };
            if !search.query.admits(kept, &search.asker) {
                continue;
            }
            spent += WRITE_EVENT + kept.event.payload().len() / BYTES_OF_A_UNIT;
            if !search.draft.add(kept) {
                return (spent, true);
            }
        }
        (spent, search.places.is_empty())
    }

    /// The time has come at which a history forgets what is too old.
    pub(super) fn on_age(&mut self, id: SubscriptionId, context: &mut Context<'_>) {
        let history = self.map.get_mut(&id).expect("it set the deadline");
        history.due = false;
        history.ring.trim(context.now);
        history.ring.shrink();
        history.mind_age((self.realm, id), context);
    }

    /// Forgets all events.
    pub(super) fn forget(&mut self) {
        self.map.values_mut().for_each(|history| history.ring.forget());
    }

    /// How many deadlines are set.
    pub(super) fn deadlines_count(&self) -> usize {
        self.map.values().filter(|history| history.due).count()
    }

    /// Asserts that nothing exceeds its bound.
    pub(super) fn check(&self) {
        self.map.values().for_each(|history| history.ring.check());
    }
}

/// What it costs to look at an event and to write one, and for how much payload one unit more.
const LOOK_AT_EVENT: usize = 4;
const WRITE_EVENT: usize = 32;
const BYTES_OF_A_UNIT: usize = 32;

/// A question that is being worked on.
#[derive(Debug)]
pub(super) struct Search {
    subscription: SubscriptionId,
    query: Query,
    asker: Asker,
    /// What is left to be looked at.
    places: Range<u64>,
    draft: Draft,
}

impl Search {
    /// What was found.
    pub(super) fn answer(&self) -> Answer {
        self.draft.finish()
    }
}

impl History {
    /// Sees to it that what becomes too old is forgotten although nobody publishes or asks.
    ///
    /// That is for the memory's sake alone, so it may be late by an eighth: a history that much is
    /// published to sets eight deadlines in the time for which it keeps events, not one for each.
    fn mind_age(
        &mut self,
        (realm, subscription): (u16, SubscriptionId),
        context: &mut Context<'_>,
    ) {
        if self.due {
            return;
        }
        let Some(at) = self.ring.expiry() else { return };
        context.deadlines.insert(at, Deadline::History { realm, subscription });
        self.due = true;
    }
}
