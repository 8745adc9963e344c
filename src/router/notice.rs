//! What an operator should hear of, although the core cannot log: who was refused what.
//!
//! A shard notes so many a second and counts the rest, so nobody can fill a log, or this list, by
//! being refused. A driver takes them now and then ([`Router::take_notices`](super::Router)).
//! Nothing secret is in them, and no payload.

use std::sync::Arc;
use std::time::Duration;

use super::config::Action;
use crate::env::Instant;
use crate::limits::NOTICES_PER_SECOND;

/// Something an operator should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A session wanted what it may not have.
    Denied {
        /// Who: the authid of the session.
        authid: Arc<str>,
        /// Its role.
        authrole: Arc<str>,
        /// What it wanted to do.
        action: Action,
        /// With what, if that is a URI at all.
        uri: Box<str>,
    },
    /// An authorizer did not say whether a session may do something, so it may not.
    Undecided {
        /// The authorizer's name.
        authorizer: Box<str>,
        /// What was wrong.
        reason: Box<str>,
    },
    /// There was more to hear of than is told.
    Suppressed {
        /// So much.
        count: u64,
    },
}

/// The notices of one shard that nobody has taken.
#[derive(Debug, Default)]
pub(super) struct Notices {
    list: Vec<Notice>,
    /// When the second began in which the last were noted.
    since: Instant,
    /// How many in it.
    noted: usize,
    suppressed: u64,
}

impl Notices {
    /// Notes what `notice` makes, unless there was too much to note already.
    pub(super) fn note(&mut self, now: Instant, notice: impl FnOnce() -> Notice) {
        if now - self.since >= Duration::from_secs(1) {
            (self.since, self.noted) = (now, 0);
        }
        // Who does not take them is not told more than there is room for either.
        if self.noted >= NOTICES_PER_SECOND || self.list.len() >= NOTICES_PER_SECOND {
            self.suppressed += 1;
            return;
        }
        self.noted += 1;
        self.list.push(notice());
    }

    /// All that was noted since the last time.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        if self.suppressed > 0 && !self.list.is_empty() {
            let count = std::mem::take(&mut self.suppressed);
            self.list.push(Notice::Suppressed { count });
        }
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_and_the_rest_is_counted() {
        let mut notices = Notices::default();
        let start = Instant::from_nanos(5_000_000_000);
        let denied = || Notice::Denied {
            authid: "joe".into(),
            authrole: "guest".into(),
            action: Action::Call,
            uri: "com.x".into(),
        };
        for _ in 0..1_000 {
            notices.note(start, denied);
        }
        let told = notices.take();
        assert_eq!(told.len(), NOTICES_PER_SECOND + 1);
        let count = 1_000 - NOTICES_PER_SECOND as u64;
        assert_eq!(told.last(), Some(&Notice::Suppressed { count }));
        notices.note(start, denied);
        assert_eq!(notices.take(), []);
        notices.note(start + Duration::from_secs(1), denied);
        assert_eq!(notices.take(), [denied(), Notice::Suppressed { count: 1 }]);
    }
}
