//! Subscriptions: what all shards know of them, and who holds them on this one.

use super::directory::Identified;
use crate::env::{Map, rfc3339};
use crate::limits::SHARDS_MAX;
use crate::message::{MatchPolicy, SessionId, SubscriptionId};
use crate::session::ShardId;
use crate::wire::Writer;

/// What all shards know of a subscription: an entry of the index, replaced whole.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Its id, the same for all its subscribers.
    pub(super) id: SubscriptionId,
    /// Its topic or pattern.
    pub(super) uri: Box<str>,
    /// How that is matched.
    pub(super) policy: MatchPolicy,
    /// When it came to be, in milliseconds of Unix time.
    pub(super) created_ms: u64,
    /// Which shards have subscribers, or keep its history.
    pub(super) shards: ShardSet,
    /// The shard that keeps its history, if it has one: then it exists for ever.
    pub(super) keeper: Option<ShardId>,
}

impl Identified for Subscription {
    fn id(&self) -> u64 {
        self.id.0
    }
}

impl Subscription {
    /// The same with other shards.
    pub(super) fn with(&self, shards: ShardSet) -> Self {
        Self { uri: self.uri.clone(), shards, ..*self }
    }

    /// Which shards are left when `shard` has no subscriber any more.
    pub(super) fn shards_without(&self, shard: ShardId) -> ShardSet {
        if self.keeper == Some(shard) { self.shards } else { self.shards.without(shard) }
    }

    /// Whether it is only there to keep its history.
    pub(super) fn is_idle(&self) -> bool {
        self.keeper.is_some_and(|keeper| self.shards == ShardSet::default().with(keeper))
    }

    // spec: advanced/meta_api_subscriptions — SubscriptionDetails
    pub(super) fn write_details<'o>(&self, writer: &mut impl Writer<'o>) {
        writer.dict(4);
        writer.key("id");
        writer.integer(self.id.0);
        writer.key("created");
        writer.text(&rfc3339(self.created_ms));
        writer.key("uri");
        writer.text(&self.uri);
        writer.key("match");
        writer.text(self.policy.name());
        writer.end_dict();
    }
}

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardSet([u64; SHARDS_MAX / 64]);

impl ShardSet {
    /// The set with `shard` too.
    #[must_use]
    pub(super) const fn with(mut self, shard: ShardId) -> Self {
        self.0[shard.0 as usize / 64] |= 1 << (shard.0 % 64);
        self
    }

    /// The set without `shard`.
    #[must_use]
    pub(super) const fn without(mut self, shard: ShardId) -> Self {
        self.0[shard.0 as usize / 64] &= !(1 << (shard.0 % 64));
        self
    }

    /// All that are in either.
    #[must_use]
    pub(super) fn union(mut self, other: Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
        self
    }

    /// Whether `shard` is in it.
    #[must_use]
    pub(super) const fn contains(self, shard: ShardId) -> bool {
        self.0[shard.0 as usize / 64] & 1 << (shard.0 % 64) != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub(super) fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its members, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = ShardId> {
        self.0.into_iter().enumerate().flat_map(|(index, word)| {
            std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|rest| *rest != 0)
                .map(move |rest| ShardId((index * 64) as u16 + rest.trailing_zeros() as u16))
        })
    }
}

/// A subscription's subscribers on this shard.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) uri: Box<str>,
    pub(super) policy: MatchPolicy,
    pub(super) subscribers: Subscribers,
    /// What subscribers have had replayed that may still be on its way to them.
    pub(super) replayed: Vec<Replayed>,
}

/// A session was replayed what a shard had published up to that number: what comes from there is
/// older, and dropped, until the first that is newer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replayed {
    pub(super) session: SessionId,
    pub(super) origin: ShardId,
    pub(super) sequence: u64,
}

/// Sessions with their slots: walked in an order that no hash decides, left in constant time.
#[derive(Debug)]
pub(super) struct Subscribers {
    list: Vec<(u32, SessionId)>,
    places: Map<SessionId, usize>,
}

impl Subscribers {
    pub(super) fn new(places: Map<SessionId, usize>) -> Self {
        Self { list: Vec::new(), places }
    }

    pub(super) fn insert(&mut self, slot: u32, session: SessionId) {
        self.places.insert(session, self.list.len());
        self.list.push((slot, session));
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        let Some(place) = self.places.remove(&session) else {
            return;
        };
        self.list.swap_remove(place);
        if let Some((_, moved)) = self.list.get(place) {
            self.places.insert(*moved, place);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SessionId)> {
        self.list.iter().copied()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Random, hash_key};

    #[test]
    fn a_set_of_shards_holds_what_was_put_in() {
        let members = [0, 1, 63, 64, 127, 200, 255].map(ShardId);
        let set = members.into_iter().fold(ShardSet::default(), ShardSet::with);
        assert_eq!(set.iter().collect::<Vec<_>>(), members);
        let fewer = set.without(ShardId(64)).without(ShardId(0));
        assert_eq!(fewer.iter().count(), 5);
        assert!(set.contains(ShardId(64)) && !fewer.contains(ShardId(64)));
        assert_eq!(fewer.union(set), set);
        assert!(members.into_iter().fold(set, ShardSet::without).is_empty());
    }

    #[test]
    fn subscribers_come_and_go() {
        let key = hash_key(&mut Random::from_number(1));
        let mut subscribers = Subscribers::new(Map::with_hasher(key));
        (0..10).for_each(|n| subscribers.insert(n, SessionId(u64::from(n))));
        for gone in [3, 0, 9, 5] {
            subscribers.remove(SessionId(gone));
            assert!(subscribers.iter().all(|(_, session)| session.0 != gone));
        }
        assert_eq!(subscribers.iter().count(), 6);
        (0..10).for_each(|n| subscribers.remove(SessionId(n)));
        assert!(subscribers.is_empty() && subscribers.places.is_empty());
    }
}
