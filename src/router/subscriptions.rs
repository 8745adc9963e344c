//! Subscriptions: what all shards know of them, and who holds them on this one.

use ahash::RandomState;

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
        let (mut words, mut index) = (self.0, 0);
        std::iter::from_fn(move || {
            while let Some(word) = words.get_mut(index) {
                if *word != 0 {
                    let bit = word.trailing_zeros() as u16;
                    *word &= *word - 1;
                    return Some(ShardId((index * 64) as u16 + bit));
                }
                index += 1;
            }
            None
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
    pub(super) replayed: Replays,
}

/// What sessions were replayed, by the shards that had published it: what comes from there and is
/// not newer was replayed or is older, and dropped.
///
/// A shard's events come in the order of their numbers, so one that is newer than all that was
/// replayed from there shows that nothing of it is under way any more.
#[derive(Debug, Default)]
pub(super) struct Replays(Vec<Replay>);

/// What was replayed that one shard had published.
#[derive(Debug)]
struct Replay {
    origin: ShardId,
    /// The number of the last event that anybody was replayed.
    newest: u64,
    /// The number of the last event that each session was replayed.
    sequences: Map<SessionId, u64>,
}

impl Replays {
    /// Notes that `session` was replayed the publication `sequence` of `origin`.
    pub(super) fn note(
        &mut self,
        session: SessionId,
        (origin, sequence): (ShardId, u64),
        hasher: &RandomState,
    ) {
        let known = self.0.iter().position(|replay| replay.origin == origin);
        let place = known.unwrap_or_else(|| {
            let sequences = Map::with_hasher(hasher.clone());
            self.0.push(Replay { origin, newest: 0, sequences });
            self.0.len() - 1
        });
        let replay = &mut self.0[place];
        replay.newest = replay.newest.max(sequence);
        let last = replay.sequences.entry(session).or_default();
        *last = sequence.max(*last);
    }

    /// The event `sequence` of `origin` has come: who was replayed what from there, if anybody
    /// may have had it already.
    #[inline]
    pub(super) fn at(&mut self, origin: ShardId, sequence: u64) -> Option<&Map<SessionId, u64>> {
        if self.0.is_empty() {
            return None;
        }
        let place = self.0.iter().position(|replay| replay.origin == origin)?;
        if self.0[place].newest < sequence {
            self.0.swap_remove(place);
            return None;
        }
        Some(&self.0[place].sequences)
    }

    /// Forgets a session that is no subscriber any more.
    pub(super) fn forget(&mut self, session: SessionId) {
        for replay in &mut self.0 {
            replay.sequences.remove(&session);
        }
        self.0.retain(|replay| !replay.sequences.is_empty());
    }
}

/// Sessions with their slots: walked in an order that no hash decides, left in constant time.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    list: Vec<(u32, SessionId)>,
    /// Where in the list each session is, once there are many: most topics have one subscriber or
    /// two, and a million of them should not have a map each.
    places: Option<Box<Map<SessionId, usize>>>,
}

impl Subscribers {
    /// Among so many a session is found by looking at each.
    const FEW: usize = 16;

    pub(super) fn insert(&mut self, slot: u32, session: SessionId, hasher: &RandomState) {
        if self.places.is_none() && self.list.len() == Self::FEW {
            let mut places = Map::with_hasher(hasher.clone());
            places.extend(
                self.list.iter().enumerate().map(|(place, (_, session))| (*session, place)),
            );
            self.places = Some(Box::new(places));
        }
        if let Some(places) = &mut self.places {
            places.insert(session, self.list.len());
        }
        self.list.push((slot, session));
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        let place = match &mut self.places {
            Some(places) => places.remove(&session),
            None => self.list.iter().position(|(_, other)| *other == session),
        };
        let Some(place) = place else {
            return;
        };
        self.list.swap_remove(place);
        if let (Some(places), Some((_, moved))) = (&mut self.places, self.list.get(place)) {
            places.insert(*moved, place);
        }
    }

    pub(super) fn contains(&self, session: SessionId) -> bool {
        match &self.places {
            Some(places) => places.contains_key(&session),
            None => self.list.iter().any(|(_, other)| *other == session),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SessionId)> {
        self.list.iter().copied()
    }

    /// Those before place `end`, the last first. Whoever is there all the time is met by who goes
    /// on where it ended before: a place that becomes free is taken by one from behind.
    pub(super) fn before(&self, end: usize) -> impl Iterator<Item = SessionId> {
        self.list[..end.min(self.list.len())].iter().rev().map(|(_, session)| *session)
    }

    pub(super) const fn len(&self) -> usize {
        self.list.len()
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
    fn what_was_replayed_is_known_until_something_newer_comes() {
        let hasher = hash_key(&mut Random::from_number(1));
        let (mut replays, here, there) = (Replays::default(), ShardId(1), ShardId(2));
        assert!(replays.at(here, 1).is_none());
        replays.note(SessionId(7), (here, 5), &hasher);
        replays.note(SessionId(8), (here, 9), &hasher);
        replays.note(SessionId(8), (here, 3), &hasher);
        replays.note(SessionId(8), (there, 2), &hasher);
        let at = replays.at(here, 6).expect("9 is on its way");
        assert_eq!((at.get(&SessionId(7)), at.get(&SessionId(8))), (Some(&5), Some(&9)));
        replays.forget(SessionId(8));
        assert!(replays.at(there, 1).is_none(), "the only one who cared is gone");
        assert!(replays.at(here, 9).is_some());
        assert!(replays.at(here, 10).is_none() && replays.at(here, 1).is_none());
        assert!(replays.0.is_empty());
    }

    #[test]
    fn subscribers_come_and_go() {
        let key = hash_key(&mut Random::from_number(1));
        let mut subscribers = Subscribers::default();
        for count in [10, 40] {
            (0..count).for_each(|n| subscribers.insert(n, SessionId(u64::from(n)), &key));
            for gone in [3, 0, 9, 5] {
                subscribers.remove(SessionId(gone));
                assert!(subscribers.iter().all(|(_, session)| session.0 != gone));
            }
            assert_eq!(subscribers.iter().count(), count as usize - 4);
            (0..count).for_each(|n| subscribers.remove(SessionId(u64::from(n))));
            assert!(subscribers.is_empty());
        }
        assert!(subscribers.places.is_some_and(|places| places.is_empty()));
    }
}
