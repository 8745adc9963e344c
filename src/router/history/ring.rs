//! The events of one history, the oldest first, within bounds of number, memory and age.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;

use super::super::config::HistoryRule;
use super::super::relay::Relay;
use super::super::retention::Retained;
use crate::env::{Instant, Map};
use crate::message::PublicationId;

/// One event that is kept, perhaps in several histories.
#[derive(Debug)]
pub(super) struct Kept {
    /// When it reached the keeper.
    pub(super) at: Instant,
    pub(super) topic: Box<str>,
    pub(super) event: Retained,
}

impl Kept {
    pub(super) fn new(event: &Relay<'_>, now: Instant) -> Self {
        Self { at: now, topic: event.text.into(), event: Retained::new(event) }
    }

    /// The memory it holds, in octets, as if no other history held it.
    fn bytes_count(&self) -> usize {
        let own = size_of::<Self>() - size_of::<Retained>() + KEEPING_BYTES;
        own + self.topic.len() + self.event.bytes_count()
    }
}

/// What it takes to hold one event: a pointer, the two counts beside what it points to, and its
/// entry in a map that may be half empty.
const KEEPING_BYTES: usize = 3 * size_of::<usize>() + 2 * (size_of::<(PublicationId, u64)>() + 1);

/// The latest events of one subscription.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Kept>>,
    /// The place of the oldest: how many were forgotten. Places count all that were ever kept.
    forgotten: u64,
    places: Map<PublicationId, u64>,
    bytes_count: usize,
    events_max: usize,
    bytes_max: usize,
    /// Zero: any age.
    age_max: Duration,
}

impl Ring {
    /// An empty one with the bounds of `rule`.
    pub(super) const fn new(rule: &HistoryRule, hash_key: RandomState) -> Self {
        Self {
            events: VecDeque::new(),
            forgotten: 0,
            places: Map::with_hasher(hash_key),
            bytes_count: 0,
            events_max: rule.events_max,
            bytes_max: rule.bytes_max,
            age_max: rule.age_max,
        }
    }

    /// Adds the newest event, in place of as many of the oldest as need be. One that is larger
    /// than all the room there is is not kept: it would cost all others.
    pub(super) fn append(&mut self, kept: Arc<Kept>, now: Instant) {
        let bytes_count = kept.bytes_count();
        if bytes_count > self.bytes_max || self.events_max == 0 {
            return;
        }
        self.bytes_count += bytes_count;
        self.places.insert(kept.event.head.publication, self.places().end);
        self.events.push_back(kept);
        while self.events.len() > self.events_max || self.bytes_count > self.bytes_max {
            self.forget_oldest();
        }
        self.trim(now);
    }

    /// Forgets what is too old.
    pub(super) fn trim(&mut self, now: Instant) {
        if self.age_max.is_zero() {
            return;
        }
        while self.events.front().is_some_and(|oldest| now - oldest.at > self.age_max) {
            self.forget_oldest();
        }
    }

    /// Forgets all there is.
    pub(super) fn forget(&mut self) {
        while !self.events.is_empty() {
            self.forget_oldest();
        }
        self.shrink();
    }

    /// Gives back what was needed for events that are forgotten.
    pub(super) fn shrink(&mut self) {
        self.events.shrink_to(2 * self.events.len());
        self.places.shrink_to(2 * self.places.len());
    }

    /// When it is time to [`trim`](Self::trim) for the sake of memory, if ever: an eighth of their
    /// time after the oldest event has become too old.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let oldest = self.events.front().filter(|_| !self.age_max.is_zero())?;
        Some(oldest.at + self.age_max + self.age_max / 8)
    }

    /// The places of all that is kept.
    pub(super) fn places(&self) -> Range<u64> {
        self.forgotten..self.forgotten + self.events.len() as u64
    }

    /// The event in that place, unless it is forgotten.
    pub(super) fn at(&self, place: u64) -> Option<&Kept> {
        let index = usize::try_from(place.checked_sub(self.forgotten)?).ok()?;
        self.events.get(index).map(|kept| &**kept)
    }

    /// The place of that publication.
    pub(super) fn place_of(&self, id: PublicationId) -> Option<u64> {
        self.places.get(&id).copied()
    }

    /// The first place behind those of all events of which it `is_before`; they stand in front.
    pub(super) fn place_behind(&self, is_before: impl Fn(Instant) -> bool) -> u64 {
        self.forgotten + self.events.partition_point(|kept| is_before(kept.at)) as u64
    }

    /// Asserts that no bound is exceeded.
    pub(super) fn check(&self) {
        let bytes_count = self.events.iter().map(|kept| kept.bytes_count()).sum::<usize>();
        assert_eq!(bytes_count, self.bytes_count, "a history is miscounted");
        assert!(self.bytes_count <= self.bytes_max, "a history of too many octets");
        assert!(self.events.len() <= self.events_max, "a history of too many events");
        assert_eq!(self.places.len(), self.events.len(), "a publication without a place");
        let in_order = self.events.iter().is_sorted_by_key(|kept| kept.at);
        assert!(in_order, "a history out of order");
    }

    fn forget_oldest(&mut self) {
        let oldest = self.events.pop_front().expect("there is no bound that nothing exceeds");
        self.bytes_count -= oldest.bytes_count();
        self.places.remove(&oldest.event.head.publication);
        self.forgotten += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::relay::{Details, EventHead, Head};
    use super::*;
    use crate::env::{Random, hash_key};
    use crate::message::uri::Pattern;
    use crate::message::{EventDetails, MatchPolicy, Payload, SessionId};
    use crate::session::ShardId;
    use crate::wire::Serializer;

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    /// The publication `number` with so many octets of payload, kept at `now`.
    fn kept(number: u64, octets: usize, now: Instant) -> Arc<Kept> {
        let head = EventHead {
            publication: PublicationId(number),
            publisher: SessionId(1),
            exclude_publisher: true,
            origin: ShardId(0),
            sequence: number,
            filter: None,
        };
        let arguments = vec![b' '; octets];
        let event = Relay {
            text: "com.t",
            details: Details::Event(EventDetails::default()),
            payload: Payload::from_elements(Serializer::Json, (&arguments, &[]), false),
            ..Relay::of(Head::Event(head))
        };
        Arc::new(Kept::new(&event, now))
    }

    fn ring(events_max: usize, bytes_max: usize, age_max: Duration) -> Ring {
        let uris = Pattern { policy: MatchPolicy::Exact, uri: "com.t".into() };
        let hash_key = hash_key(&mut Random::from_number(1));
        Ring::new(&HistoryRule { uris, events_max, bytes_max, age_max }, hash_key)
    }

    fn numbers(ring: &Ring) -> Vec<u64> {
        ring.check();
        let publication = |place| ring.at(place).map(|kept| kept.event.head.publication.0);
        ring.places().filter_map(publication).collect()
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let mut few = ring(3, usize::MAX, Duration::ZERO);
        (1..=5).for_each(|number| few.append(kept(number, 9, at(0)), at(0)));
        assert_eq!(numbers(&few), [3, 4, 5]);
        assert_eq!(few.place_of(PublicationId(4)), Some(3));
        assert!(few.at(1).is_none() && few.at(5).is_none());
        assert_eq!(few.place_of(PublicationId(2)), None);
        assert_eq!(few.expiry(), None);

        let size = kept(0, 1_000, at(0)).bytes_count();
        let mut small = ring(usize::MAX, 3 * size, Duration::ZERO);
        (1..=5).for_each(|number| small.append(kept(number, 1_000, at(0)), at(0)));
        assert_eq!(numbers(&small), [3, 4, 5]);
        small.append(kept(6, 1_001, at(0)), at(0));
        assert_eq!(numbers(&small), [5, 6]);
        small.append(kept(7, 3 * size, at(0)), at(0));
        assert_eq!(numbers(&small), [5, 6], "one event must not cost all others");

        let mut none = ring(0, usize::MAX, Duration::ZERO);
        none.append(kept(1, 9, at(0)), at(0));
        assert!(none.places().is_empty());
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut ring = ring(100, usize::MAX, Duration::from_secs(8));
        (1..=5).for_each(|number| ring.append(kept(number, 9, at(number)), at(number)));
        assert_eq!(ring.expiry(), Some(at(10)));
        ring.trim(at(11));
        assert_eq!(numbers(&ring), [3, 4, 5], "eight seconds are not too old");
        ring.append(kept(6, 9, at(12)), at(12));
        assert_eq!(numbers(&ring), [4, 5, 6]);
        assert_eq!(ring.place_behind(|at| at < self::at(5)), 4);
        assert_eq!(ring.place_behind(|at| at <= self::at(5)), 5);
        assert_eq!(ring.place_behind(|_| true), 6);
        ring.trim(at(1_000));
        ring.shrink();
        assert_eq!((ring.bytes_count, ring.events.capacity(), ring.places.capacity()), (0, 0, 0));
        assert_eq!(ring.expiry(), None);
    }
}
