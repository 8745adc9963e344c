//! Failed attempts to prove an identity, counted per address and identity.
//!
//! Who guesses is first kept waiting for its answers and then not listened to for a while: as that
//! identity, from that address. The identity alone is never blocked, or anybody could lock anybody
//! out; nor is the address alone, behind which many may be.
//!
//! Every shard counts for itself and tells the others of each failure, so all of them know the
//! same without sharing anything. A failure costs its peer a connection, which is dearer than a
//! relay per shard.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::time::Duration;

use crate::env::{Instant, Map};
use crate::session::auth::secret::fingerprint;

/// Within which time failures add up.
const WINDOW: Duration = Duration::from_secs(60);

/// How long an answer is put off once half of the failures are used up.
const DELAY: Duration = Duration::from_secs(1);

/// Pairs that are remembered: about 100 octets each.
const PAIRS_MAX: usize = 10_000;

/// Somebody who claims an identity. Identities are told apart by their digests, so that a name of
/// any length costs the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::router) struct Pair {
    network: u128,
    realm: u16,
    who: [u8; 16],
}

/// What is remembered of a pair.
#[derive(Clone, Copy, Debug)]
struct Record {
    failures: usize,
    /// The first of them.
    since: Instant,
    blocked_until: Option<Instant>,
}

/// What happened of late.
#[derive(Debug)]
pub(in crate::router) struct Attempts {
    records: Map<Pair, Record>,
    /// The same, the oldest first; each once.
    order: VecDeque<Pair>,
}

impl Pair {
    /// A peer at `address` that claims to be `who`. An address of IPv6 stands for its network of 64
    /// bits, all of which one host may have.
    pub(super) fn new(address: IpAddr, realm: u16, who: &str) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        };
        let digest = fingerprint(who.as_bytes());
        let who = digest.first_chunk().copied().unwrap_or_default();
        Self { network, realm, who }
    }

    /// The same in the realm of that name, which is not there.
    pub(super) fn elsewhere(self, realm: &str) -> Self {
        let who = [&self.who[..], realm.as_bytes()].concat();
        let who = fingerprint(&who).first_chunk().copied().unwrap_or_default();
        Self { who, ..self }
    }
}

impl Attempts {
    pub(in crate::router) fn new(hash_key: &ahash::RandomState) -> Self {
        Self { records: Map::with_hasher(hash_key.clone()), order: VecDeque::new() }
    }

    /// Whether `pair` is not listened to.
    pub(super) fn is_blocked(&self, pair: &Pair, now: Instant) -> bool {
        let record = self.records.get(pair);
        record.and_then(|record| record.blocked_until).is_some_and(|until| until > now)
    }

    /// Counts a failure: more than `max` within a minute block the pair for `block`. Says how long
    /// the answer is to be put off.
    pub(super) fn fail(
        &mut self,
        pair: Pair,
        now: Instant,
        max: usize,
        block: Duration,
    ) -> Duration {
        if !self.records.contains_key(&pair) {
            self.make_room();
            self.order.push_back(pair);
        }
        let fresh = Record { failures: 0, since: now, blocked_until: None };
        let record = self.records.entry(pair).or_insert(fresh);
        let is_over = record.blocked_until.is_some_and(|until| until <= now);
        if is_over || now - record.since >= WINDOW {
            let blocked_until = record.blocked_until.filter(|until| *until > now);
            *record = Record { blocked_until, ..fresh };
        }
        record.failures = record.failures.saturating_add(1);
        if record.failures > max {
            record.blocked_until = Some(now + block);
        }
        if record.failures > max / 2 { DELAY } else { Duration::ZERO }
    }

    /// Forgets what `pair` did wrong: it has shown that it is who it claims to be.
    pub(super) fn forgive(&mut self, pair: &Pair) {
        if self.records.remove(pair).is_some() {
            self.order.retain(|other| other != pair);
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= PAIRS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Random, hash_key};

    const BLOCK: Duration = Duration::from_secs(300);

    fn attempts() -> Attempts {
        Attempts::new(&hash_key(&mut Random::from_number(1)))
    }

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    fn pair(address: &str, who: &str) -> Pair {
        Pair::new(address.parse().unwrap(), 0, who)
    }

    #[test]
    fn many_failures_are_answered_late_and_then_not_any_more() {
        let (mut attempts, joe) = (attempts(), pair("192.0.2.1", "joe"));
        for failure in 1..=10 {
            let delay = attempts.fail(joe, at(failure), 10, BLOCK);
            assert_eq!(delay.is_zero(), failure <= 5, "{failure}");
            assert!(!attempts.is_blocked(&joe, at(failure)));
        }
        attempts.fail(joe, at(11), 10, BLOCK);
        assert!(attempts.is_blocked(&joe, at(12)));
        assert!(attempts.is_blocked(&joe, at(310)));
        assert!(!attempts.is_blocked(&joe, at(311)));
        assert!(attempts.fail(joe, at(312), 10, BLOCK).is_zero(), "it starts anew");
        assert!(!attempts.is_blocked(&joe, at(313)));
    }

    #[test]
    fn nobody_is_blocked_for_what_others_did() {
        let mut attempts = attempts();
        for _ in 0..=10 {
            attempts.fail(pair("192.0.2.1", "joe"), at(1), 10, BLOCK);
        }
        assert!(attempts.is_blocked(&pair("192.0.2.1", "joe"), at(2)));
        assert!(attempts.is_blocked(&pair("::ffff:192.0.2.1", "joe"), at(2)));
        assert!(!attempts.is_blocked(&pair("192.0.2.2", "joe"), at(2)));
        assert!(!attempts.is_blocked(&pair("192.0.2.1", "ann"), at(2)));
        assert_eq!(pair("2001:db8::1", "joe"), pair("2001:db8::2", "joe"));
        assert_ne!(pair("2001:db8::1", "joe"), pair("2001:db8:0:1::1", "joe"));
    }

    #[test]
    fn failures_do_not_add_up_for_ever() {
        let (mut attempts, joe) = (attempts(), pair("192.0.2.1", "joe"));
        for failure in 0..100 {
            attempts.fail(joe, at(failure * 7), 10, BLOCK);
            assert!(!attempts.is_blocked(&joe, at(failure * 7)));
        }
        for _ in 0..10 {
            attempts.fail(joe, at(1_000), 10, BLOCK);
        }
        attempts.forgive(&joe);
        attempts.fail(joe, at(1_001), 10, BLOCK);
        assert!(!attempts.is_blocked(&joe, at(1_002)));
    }

    #[test]
    fn only_so_many_pairs_are_remembered() {
        let mut attempts = attempts();
        for who in 0..PAIRS_MAX + 10 {
            attempts.fail(pair("192.0.2.1", &who.to_string()), at(1), 10, BLOCK);
        }
        assert_eq!(attempts.records.len(), PAIRS_MAX);
        assert_eq!(attempts.order.len(), PAIRS_MAX);
    }
}
