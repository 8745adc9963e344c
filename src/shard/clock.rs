//! The only place that asks the time, and the only place that asks for entropy.

use std::time::Duration;

use super::driver::sys;
use crate::env::Instant;

/// The time of one process: all shards count from the same origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Starts at zero, now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub(super) fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The time since the start; never goes back.
    pub(super) fn now(self) -> Instant {
        let elapsed = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).expect("580 years are not over yet"))
    }

    /// How long it is until `moment`; zero if it has come.
    pub(super) fn until(self, moment: Instant) -> Duration {
        moment.since(self.now())
    }
}

/// A seed that nobody can guess.
///
/// # Panics
///
/// If the kernel has no entropy to give: then no session id and no challenge could be trusted.
pub(super) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    sys::entropy(&mut seed).expect("the kernel gives entropy");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_seeds_differ() {
        let clock = Clock::start();
        let first = clock.now();
        while clock.now() == first {}
        assert!(clock.now() > first);
        assert_eq!(clock.until(first), Duration::ZERO);
        assert!(clock.until(clock.now() + Duration::from_secs(9)) > Duration::from_secs(8));
        assert_ne!(seed(), seed());
    }
}
