//! When an open loop owes its messages.
//!
//! The schedule does not wait for anybody: a message that could not be sent when it was due is
//! still stamped with the moment it was due, so a stall of the router is felt by every message
//! that should have been under way during it, and not by one alone (*coordinated omission*).

/// A fixed number of messages per second.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    start: u64,
    per_second: u64,
    count: u64,
}

impl Pace {
    /// From `start` on, `per_second` messages each second, evenly.
    ///
    /// # Panics
    ///
    /// If `per_second` is zero.
    #[must_use]
    pub fn new(start: u64, per_second: u64) -> Self {
        assert!(per_second > 0, "a pace of zero never comes");
        Self { start, per_second, count: 0 }
    }

    /// When the next message is due.
    #[inline]
    #[must_use]
    pub fn next(&self) -> u64 {
        let ahead = u128::from(self.count) * 1_000_000_000 / u128::from(self.per_second);
        self.start + u64::try_from(ahead).unwrap_or(u64::MAX - self.start)
    }

    /// The moment at which a message that is due by `now` was due; each is given out once.
    #[inline]
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.count += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Recorder;

    #[test]
    fn a_pace_owes_what_it_says_and_never_drifts() {
        let mut pace = Pace::new(1_000, 3);
        assert_eq!(pace.take(999), None);
        assert_eq!(pace.take(1_000), Some(1_000));
        assert_eq!(pace.take(1_000), None);
        let mut count = 1;
        while pace.take(1_000 + 1_000_000_000 * 100 - 1).is_some() {
            count += 1;
        }
        assert_eq!(count, 300);
    }

    #[test]
    fn a_stall_is_felt_by_every_message_that_was_due_in_it() {
        // 1 000 messages per second, each answered at once, but for a stall of half a second.
        let (second, milli) = (1_000_000_000, 1_000_000);
        let mut recorder = Recorder::default();
        recorder.begin();
        let mut pace = Pace::new(0, 1_000);
        for step in 0..1_000 {
            let now = step * milli;
            if (250..750).contains(&step) {
                continue;
            }
            while let Some(due) = pace.take(now) {
                recorder.note(now, due);
            }
        }
        assert!(pace.next() >= second);
        assert_eq!(recorder.delivered(), 1_000);
        let slow = recorder.latency().count_between(100 * milli, second);
        assert!((395..=405).contains(&slow), "{slow} of 1 000 waited 100 ms and more");
        let worst = recorder.latency().max();
        assert!((499 * milli..=505 * milli).contains(&worst), "{worst}");
    }
}
