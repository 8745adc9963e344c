//! How much the reference router lets a session do in a time: never more than a burst and what was
//! earned since. What is too much is read later, so nothing else is different.

use super::{Model, Place};
use crate::env::Instant;
use crate::sim::said::Said;

/// When a session said something that counts, and whether that was a call.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    is_call: bool,
}

impl Model {
    /// The router has read something that `session` said.
    ///
    /// # Panics
    ///
    /// If it must not have, yet.
    pub(super) fn count(&mut self, session: Place, said: &Said) {
        let limits = &self.limits;
        let rates = [limits.session_messages_per_second, limits.session_calls_per_second];
        let is_over = matches!(said, Said::Goodbye | Said::Abort | Said::Violation(_));
        if rates == [0; 2] || is_over || matches!(said, Said::Malformed(_) | Said::NoFrame(_)) {
            return;
        }
        let is_call = matches!(said, Said::Call { .. } | Said::Ask { .. });
        self.sessions[session].moments.push(Moment { at: self.now, is_call });
        for (rate, calls_only) in rates.into_iter().zip([false, true]) {
            let counts = |moment: &&Moment| moment.is_call || !calls_only;
            let all = self.sessions[session].moments.iter().rev().filter(counts);
            for (others, first) in all.enumerate().filter(|_| rate > 0) {
                let time = self.limits.session_burst + (self.now - first.at);
                // The last one may be one too many: only then it is known that it is.
                let earned = time.as_nanos() * rate as u128 / 1_000_000_000;
                assert!(others as u128 <= earned + 1, "{others} messages and one in {time:?}");
            }
        }
    }
}
