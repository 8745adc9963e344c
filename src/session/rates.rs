//! How much a session may do in a time: what it sends too fast is not dropped, but read later.
//!
//! A [`Bucket`] holds no tokens but one moment: when all that was taken from it would have been
//! earned. As long as that is not farther ahead than the burst, more may be taken. What is taken
//! at once may be more than a burst, as one long message is; it is paid for afterwards.

use std::time::Duration;

use crate::env::Instant;
use crate::message::Message;

/// How much sessions may do. Zero: as much as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Messages of any kind, per second.
    pub messages_per_second: usize,
    /// Octets of messages, per second.
    pub bytes_per_second: usize,
    /// Calls, per second.
    pub calls_per_second: usize,
    /// What was not used for so long may be made up for at once.
    pub burst: Duration,
}

impl Default for Rates {
    fn default() -> Self {
        let burst = Duration::from_secs(1);
        Self { messages_per_second: 0, bytes_per_second: 0, calls_per_second: 0, burst }
    }
}

/// What one session has taken of its rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    messages: Bucket,
    bytes: Bucket,
    calls: Bucket,
    burst: Duration,
}

/// One rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    per_second: u64,
    /// When all that was taken is earned.
    due: Instant,
}

/// A session that is held back is so for at least this long, rather than for each message anew.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Nor is it for longer than this: whoever is not read cannot be seen to leave.
const PAUSE_MAX: Duration = Duration::from_mins(1);

impl Buckets {
    /// Full buckets; none if nothing is limited.
    #[must_use]
    pub fn new(rates: &Rates) -> Option<Box<Self>> {
        let Rates { messages_per_second, bytes_per_second, calls_per_second, burst } = *rates;
        let bucket = |per_second| Bucket {
            per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            due: Instant::default(),
        };
        let limits_something = (messages_per_second | bytes_per_second | calls_per_second) > 0;
        limits_something.then(|| {
            Box::new(Self {
                messages: bucket(messages_per_second),
                bytes: bucket(bytes_per_second),
                calls: bucket(calls_per_second),
                burst,
            })
        })
    }

    /// Takes what `message` of so many octets costs. If that was too much it says until when
    /// nothing more may be taken.
    pub fn charge(&mut self, now: Instant, message: &Message<'_>, bytes: usize) -> Option<Instant> {
        let is_call = matches!(message, Message::Call(_));
        let latest = now + self.burst + PAUSE_MAX;
        let due = self.messages.take((now, latest), 1).max(self.bytes.take((now, latest), bytes));
        let due = if is_call { due.max(self.calls.take((now, latest), 1)) } else { due };
        let ahead = due.since(now);
        (ahead > self.burst).then(|| now + (ahead - self.burst).max(PAUSE_MIN))
    }
}

impl Bucket {
    /// Takes `count`; when all that was taken is earned, which is at the `latest` then.
    fn take(&mut self, (now, latest): (Instant, Instant), count: usize) -> Instant {
        if self.per_second == 0 {
            return now;
        }
        let nanos = u128::try_from(count).unwrap_or(u128::MAX).saturating_mul(1_000_000_000);
        let nanos = u64::try_from(nanos / u128::from(self.per_second)).unwrap_or(u64::MAX);
        self.due = (self.due.max(now) + Duration::from_nanos(nanos)).min(latest);
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Cancel, CancelOptions, RequestId};

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    fn message() -> Message<'static> {
        let options = CancelOptions::default();
        Message::Cancel(Cancel { request: RequestId(1), options })
    }

    #[test]
    fn without_a_rate_there_are_no_buckets() {
        assert_eq!(Buckets::new(&Rates::default()), None);
    }

    #[test]
    fn a_burst_passes_and_then_what_is_earned() {
        let rates = Rates { messages_per_second: 100, ..Rates::default() };
        let mut buckets = Buckets::new(&rates).unwrap();
        let taken = |buckets: &mut Buckets, ms| {
            (0..1_000).take_while(|_| buckets.charge(at(ms), &message(), 1).is_none()).count()
        };
        assert_eq!(taken(&mut buckets, 0), 100);
        // The one above is owed for 10 ms.
        assert_eq!(taken(&mut buckets, 10), 0);
        assert_eq!(taken(&mut buckets, 520), 50);
        assert_eq!(taken(&mut buckets, 60_000), 100, "no more than a burst is saved up");
    }

    #[test]
    fn a_long_message_is_paid_for_afterwards() {
        let rates = Rates { bytes_per_second: 1_000, ..Rates::default() };
        let mut buckets = Buckets::new(&rates).unwrap();
        assert_eq!(buckets.charge(at(0), &message(), 16_000), Some(at(15_000)));
        assert_eq!(buckets.charge(at(15_000), &message(), 1_000), Some(at(16_000)));
        assert_eq!(buckets.charge(at(40_000), &message(), 1_000), None);
        assert_eq!(buckets.charge(at(40_000), &message(), usize::MAX), Some(at(100_000)));
    }

    #[test]
    fn messages_that_are_no_calls_take_none() {
        let rates = Rates { calls_per_second: 1, ..Rates::default() };
        let mut buckets = Buckets::new(&rates).unwrap();
        assert!((0..1_000).all(|_| buckets.charge(at(0), &message(), 1 << 20).is_none()));
    }
}
