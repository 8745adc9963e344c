//! How much a session may do in a time: what it sends too fast is not dropped, but read later.
//!
//! A [`Bucket`] holds no tokens but one moment: when all that was taken from it would have been
//! earned. As long as that is not farther ahead than the burst, more may be taken. What is taken
//! at once may be more than a burst, as one long message is; it is paid for afterwards.
//!
//! Buckets outlive their session: the next one on the same transport goes on with them, so that
//! nobody has full ones by saying GOODBYE and HELLO. If its rates are others the buckets are as
//! full as before *in proportion*; so roles with few and with many tokens cannot be played off
//! against each other.

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

    /// Goes by the rates of another session of the same peer. Its buckets are as full as those it
    /// has left, in proportion to what they hold.
    pub fn pass_on(&mut self, rates: &Rates, now: Instant) {
        let Rates { messages_per_second, bytes_per_second, calls_per_second, burst } = *rates;
        let before = std::mem::replace(&mut self.burst, burst);
        for (bucket, per_second) in [
            (&mut self.messages, messages_per_second),
            (&mut self.bytes, bytes_per_second),
            (&mut self.calls, calls_per_second),
        ] {
            bucket.per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
            bucket.stretch(now, (before, burst));
        }
    }

    /// Goes by other rates in the middle of a session, as an operator wants it. What was taken too
    /// much under lower rates is paid for by the higher ones.
    pub fn change(&mut self, rates: &Rates, now: Instant) {
        let all = |it: &Self| [it.messages, it.bytes, it.calls].map(|bucket| bucket.per_second);
        let before = all(self);
        self.pass_on(rates, now);
        let buckets = [&mut self.messages, &mut self.bytes, &mut self.calls];
        for (bucket, before) in buckets.into_iter().zip(before) {
            if 0 < before && before < bucket.per_second {
                let whole = Duration::from_nanos(bucket.per_second);
                bucket.stretch(now, (whole, Duration::from_nanos(before)));
            }
        }
    }

    /// Until when nothing may be taken, if more was taken than may be.
    #[must_use]
    pub fn empty_until(&self, now: Instant) -> Option<Instant> {
        let of_rate = |bucket: &Bucket| if bucket.per_second == 0 { now } else { bucket.due };
        let due = of_rate(&self.messages).max(of_rate(&self.bytes)).max(of_rate(&self.calls));
        self.wait(now, due)
    }

    /// Takes what `message` of so many octets costs. If that was too much it says until when
    /// nothing more may be taken.
    pub fn charge(&mut self, now: Instant, message: &Message<'_>, bytes: usize) -> Option<Instant> {
        let is_call = matches!(message, Message::Call(_));
        let latest = now + self.burst + PAUSE_MAX;
        let due = self.messages.take((now, latest), 1).max(self.bytes.take((now, latest), bytes));
        let due = if is_call { due.max(self.calls.take((now, latest), 1)) } else { due };
        self.wait(now, due)
    }

    /// How long to wait where all that was taken is earned when it is `due`.
    fn wait(&self, now: Instant, due: Instant) -> Option<Instant> {
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

    /// Has what is not yet earned take longer, or less long, as `after` is to `before`.
    fn stretch(&mut self, now: Instant, (before, after): (Duration, Duration)) {
        let ahead = self.due.since(now);
        if ahead.is_zero() || before == after {
            return;
        }
        let nanos = ahead.as_nanos().saturating_mul(after.as_nanos());
        let nanos = nanos.checked_div(before.as_nanos()).unwrap_or(0);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.due = now + Duration::from_nanos(nanos).min(after + PAUSE_MAX);
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

    fn messages_per_second(messages_per_second: usize) -> Rates {
        Rates { messages_per_second, ..Rates::default() }
    }

    fn taken(buckets: &mut Buckets, ms: u64) -> usize {
        (0..100_000).take_while(|_| buckets.charge(at(ms), &message(), 1).is_none()).count()
    }

    #[test]
    fn the_next_session_has_buckets_as_full_as_the_last_one_left_them() {
        for (before, after, left) in [(100, 100, 50), (100, 10, 5), (10, 1_000, 500)] {
            let mut buckets = Buckets::new(&messages_per_second(before)).unwrap();
            for _ in 0..before / 2 {
                assert_eq!(buckets.charge(at(0), &message(), 1), None);
            }
            buckets.pass_on(&messages_per_second(after), at(0));
            assert_eq!(taken(&mut buckets, 0), left, "{before} and {after}");
        }
        let mut buckets = Buckets::new(&messages_per_second(100)).unwrap();
        assert_eq!(taken(&mut buckets, 0), 100);
        for rate in [1, 0, 100_000, 100] {
            buckets.pass_on(&messages_per_second(rate), at(0));
        }
        assert_eq!(taken(&mut buckets, 0), 0, "nothing comes of changing roles");
        assert_eq!(taken(&mut buckets, 2_000), 100);
    }

    #[test]
    fn a_longer_burst_does_not_fill_a_bucket() {
        let rates = |secs| Rates { burst: Duration::from_secs(secs), ..messages_per_second(10) };
        let mut buckets = Buckets::new(&rates(1)).unwrap();
        assert_eq!(taken(&mut buckets, 0), 10);
        buckets.pass_on(&rates(10), at(0));
        assert_eq!(taken(&mut buckets, 0), 0);
        buckets.pass_on(&rates(0), at(0));
        buckets.pass_on(&rates(1), at(0));
        assert!(taken(&mut buckets, 0) <= 10);
    }

    #[test]
    fn higher_rates_pay_for_what_was_taken_under_lower_ones() {
        let mut buckets =
            Buckets::new(&Rates { bytes_per_second: 10, ..Rates::default() }).unwrap();
        assert_eq!(buckets.charge(at(0), &message(), 610), Some(at(60_000)));
        assert_eq!(buckets.empty_until(at(0)), Some(at(60_000)));
        buckets.change(&Rates { bytes_per_second: 100, ..Rates::default() }, at(0));
        assert_eq!(buckets.empty_until(at(0)), Some(at(5_100)));
        buckets.change(&Rates { bytes_per_second: 10, ..Rates::default() }, at(0));
        assert_eq!(buckets.empty_until(at(0)), Some(at(5_100)), "lower ones cost nobody more");
        buckets.change(&Rates { bytes_per_second: usize::MAX, ..Rates::default() }, at(0));
        assert_eq!(buckets.empty_until(at(0)), None);
    }

    #[test]
    fn messages_that_are_no_calls_take_none() {
        let rates = Rates { calls_per_second: 1, ..Rates::default() };
        let mut buckets = Buckets::new(&rates).unwrap();
        assert!((0..1_000).all(|_| buckets.charge(at(0), &message(), 1 << 20).is_none()));
    }
}
