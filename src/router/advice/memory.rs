//! What authorizers have said, for as long as it counts.
//!
//! A decision is of one session, one action and one URI or pattern: whatever else it was made of,
//! it is only used again where all of that is the same. There are so many places per shard; where
//! two decisions want the same one, the later has it. Nothing needs to be taken out when a session
//! ends, for no other session has its id.

use ahash::RandomState;

use crate::env::Instant;
use crate::message::SessionId;
use crate::message::uri::MatchPolicy;

/// Places for decisions on one shard. Each takes some 100 octets and those of its URI, once it is
/// used.
const PLACES: usize = 4_096;

/// What was decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Matter<'a> {
    /// The realm, by its index.
    pub(in super::super) realm: u16,
    /// The authorizer, by its index in the realm.
    pub(in super::super) authorizer: u16,
    /// For whom.
    pub(in super::super) session: SessionId,
    /// The action, by its number.
    pub(in super::super) action: u8,
    /// How `uri` is meant.
    pub(in super::super) policy: MatchPolicy,
    /// With what.
    pub(in super::super) uri: &'a str,
}

/// What an authorizer has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Decision {
    /// Whether it may be done.
    pub(in super::super) allows: bool,
    /// Whether those concerned are told who does it.
    pub(in super::super) discloses: bool,
}

/// Decisions of authorizers on one shard.
#[derive(Debug)]
pub(in super::super) struct Memory {
    hash_key: RandomState,
    /// Empty until something is kept.
    places: Vec<Option<Kept>>,
    /// How often something was forgotten.
    epoch: u64,
}

#[derive(Debug)]
struct Kept {
    /// All of the matter but its URI.
    matter: Matter<'static>,
    uri: Box<str>,
    until: Instant,
    decision: Decision,
}

impl Memory {
    pub(in super::super) fn new(hash_key: &RandomState) -> Self {
        Self { hash_key: hash_key.clone(), places: Vec::new(), epoch: 0 }
    }

    /// What was decided, if that still counts.
    pub(in super::super) fn recall(&self, matter: &Matter<'_>, now: Instant) -> Option<Decision> {
        let kept = self.places.get(self.place(matter))?.as_ref()?;
        let is_it = Matter { uri: &kept.uri, ..kept.matter } == *matter && now < kept.until;
        is_it.then_some(kept.decision)
    }

    /// Keeps a decision, asked for in `epoch`, until then. What was asked before something was
    /// forgotten is not kept.
    pub(in super::super) fn keep(
        &mut self,
        (matter, epoch): (&Matter<'_>, u64),
        decision: Decision,
        until: Instant,
    ) {
        if epoch != self.epoch {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = self.place(matter);
        let uri = matter.uri.into();
        let matter = Matter { uri: "", ..*matter };
        self.places[place] = Some(Kept { matter, uri, until, decision });
    }

    /// By what a question is marked that is asked now.
    pub(in super::super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Forgets all decisions in that realm; what is under way will not be kept.
    pub(in super::super) fn forget(&mut self, realm: u16) {
        self.epoch += 1;
        for place in &mut self.places {
            place.take_if(|kept| kept.matter.realm == realm);
        }
    }

    /// Forgets all decisions, as when others may decide.
    pub(in super::super) fn forget_all(&mut self) {
        self.epoch += 1;
        self.places = Vec::new();
    }

    fn place(&self, matter: &Matter<'_>) -> usize {
        // The remainder is far below 2^32.
        (self.hash_key.hash_one(matter) % PLACES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::env::{Random, hash_key};

    const SECOND: Duration = Duration::from_secs(1);

    fn matter(session: u64, uri: &str) -> Matter<'_> {
        let (session, policy) = (SessionId(session), MatchPolicy::Exact);
        Matter { realm: 0, authorizer: 0, session, action: 0, policy, uri }
    }

    const YES: Decision = Decision { allows: true, discloses: false };
    const NO: Decision = Decision { allows: false, discloses: false };

    fn memory() -> Memory {
        Memory::new(&hash_key(&mut Random::from_number(1)))
    }

    #[test]
    fn a_decision_counts_for_its_matter_and_its_time() {
        let (mut memory, now) = (memory(), Instant::default());
        let asked = matter(1, "com.a");
        memory.keep((&asked, memory.epoch()), YES, now + SECOND);
        assert_eq!(memory.recall(&asked, now), Some(YES));
        assert_eq!(memory.recall(&asked, now + SECOND / 2), Some(YES));
        assert_eq!(memory.recall(&asked, now + SECOND), None);
        for other in [
            matter(2, "com.a"),
            matter(1, "com.b"),
            Matter { realm: 1, ..asked },
            Matter { authorizer: 1, ..asked },
            Matter { action: 1, ..asked },
            Matter { policy: MatchPolicy::Prefix, ..asked },
        ] {
            assert_eq!(memory.recall(&other, now), None, "{other:?}");
        }
        memory.forget_all();
        assert_eq!(memory.recall(&asked, now), None);
    }

    #[test]
    fn what_was_asked_before_all_was_forgotten_is_not_kept() {
        let (mut memory, now) = (memory(), Instant::default());
        let (asked, before) = (matter(1, "com.a"), memory.epoch());
        memory.keep((&asked, before), YES, now + SECOND);
        memory.forget(1);
        assert_eq!(memory.recall(&asked, now), Some(YES));
        memory.forget(0);
        assert_eq!(memory.recall(&asked, now), None);
        memory.keep((&asked, before), YES, now + SECOND);
        assert_eq!(memory.recall(&asked, now), None);
        memory.keep((&asked, memory.epoch()), NO, now + SECOND);
        assert_eq!(memory.recall(&asked, now), Some(NO));
    }

    #[test]
    fn there_are_only_so_many_places() {
        let (mut memory, now) = (memory(), Instant::default());
        for session in 0..3 * PLACES as u64 {
            memory.keep((&matter(session, "com.a"), 0), YES, now + SECOND);
            assert_eq!(memory.recall(&matter(session, "com.a"), now), Some(YES));
        }
        assert_eq!(memory.places.len(), PLACES);
    }
}
