//! When to look for work by spinning instead of waiting for it.
//!
//! Waking costs microseconds, so a shard in the middle of a brisk exchange looks on for a moment.
//! But a processor that spins is taken from everybody else, so it does so only while that pays.

use std::time::Duration;

use crate::env::Instant;

/// How long to spin before waiting: as long as spinning pays.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idle {
    since: Option<Instant>,
    waiting_since: Option<Instant>,
    budget: Duration,
}

impl Idle {
    /// Something came. If spinning met it, or would have met it, spinning pays.
    pub(super) fn note_work(&mut self, busy_poll: Duration, now: Instant) {
        let pays = match (self.waiting_since.take(), self.since.take()) {
            (Some(since), _) => now - since < busy_poll,
            (None, spun_since) => spun_since.is_some(),
        };
        if pays {
            self.budget = busy_poll;
        }
    }

    /// The wait begins.
    pub(super) const fn note_wait(&mut self, now: Instant) {
        self.waiting_since = Some(now);
    }

    /// Whether to look once more without waiting. Each spin in vain halves the next.
    pub(super) fn may_spin(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        if now - since < self.budget {
            return true;
        }
        self.budget /= 2;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY_POLL: Duration = Duration::from_micros(50);

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1_000)
    }

    #[test]
    fn it_spins_while_work_comes_soon_and_stops_when_it_does_not() {
        let mut idle = Idle::default();
        assert!(!idle.may_spin(at(0)), "nothing is known yet");
        idle.note_wait(at(0));
        idle.note_work(BUSY_POLL, at(30));
        assert!(idle.may_spin(at(40)) && idle.may_spin(at(80)), "spinning would have met it");
        idle.note_work(BUSY_POLL, at(85));
        assert!(idle.may_spin(at(90)) && !idle.may_spin(at(140)));
        idle.note_wait(at(140));
        idle.note_work(BUSY_POLL, at(900));
        assert!(idle.may_spin(at(910)) && !idle.may_spin(at(935)), "half as long after a failure");
        for round in 1..30 {
            idle.note_wait(at(1_000 * round));
            idle.note_work(BUSY_POLL, at(1_000 * round + 900));
            let _ = idle.may_spin(at(1_000 * round + 901));
            assert!(!idle.may_spin(at(1_000 * round + 951)), "never longer than it may");
        }
        assert!(!idle.may_spin(at(100_000)), "and at last not at all");
    }

    #[test]
    fn who_does_not_want_it_never_spins() {
        let mut idle = Idle::default();
        idle.note_wait(at(0));
        idle.note_work(Duration::ZERO, at(0));
        assert!(!idle.may_spin(at(0)));
    }
}
