//! The only place that asks the time, and the only place that asks for entropy.

use std::time::{Duration, SystemTime};

use super::driver::sys;
use crate::env::Instant;

/// The time of one process, as Unix time: all shards count from the same start.
///
/// The wall clock is asked once. From then on the time goes on evenly, whatever becomes of the
/// wall clock: what the router tells of moments may differ from it, but is in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When the clock was started, since the Unix epoch.
    wall: Duration,
    origin: std::time::Instant,
}

impl Clock {
    /// Starts at the time of the wall clock, or at zero if that stands before the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall, origin: std::time::Instant::now() }
    }

    /// The time since the Unix epoch; never goes back.
    pub(super) fn now(self) -> Instant {
        Instant::default() + self.wall + self.origin.elapsed()
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
        assert!(first.unix_ms() > 1_767_225_600_000, "it is later than 2026 began");
        assert_ne!(seed(), seed());
    }
}
