//! How many questions each advisor was asked, and what came of them.
//!
//! All shards count in the same place, which is found by the name of the advisor; names that are
//! the same, in whatever realm, are counted together. There are so many names at most, however
//! often the configuration changes: what comes later is counted under [`OTHERS`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::config::{AdvisorConfig, RealmConfig};

/// Under which name slow hashes are counted; no advisor can have one like this.
pub(super) const HASHES: &str = "slow hashes";

/// Under which name those are counted that have no place of their own.
const OTHERS: &str = "all others";

/// Names that are counted apart.
const NAMES_MAX: usize = 64;

/// What came of the questions to one advisor, on all shards together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionCounts {
    /// Questions that were put, or were to be put.
    pub asked: u64,
    /// It has said something: yes, no, or an error of its own.
    pub answered: u64,
    /// There was no answer that could be used.
    pub failed: u64,
    /// There was none in time.
    pub timed_out: u64,
    /// Who asked did not wait any more.
    pub withdrawn: u64,
}

impl QuestionCounts {
    /// Questions of which nothing has come yet.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        let done = self.answered + self.failed + self.timed_out + self.withdrawn;
        // Shards count while this is read.
        self.asked.saturating_sub(done)
    }
}

/// What may come of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed,
    TimedOut,
    Withdrawn,
}

/// The counts of one name.
#[derive(Debug, Default)]
pub(super) struct Tally {
    asked: AtomicU64,
    outcomes: [AtomicU64; 4],
}

impl Tally {
    /// Counts a question.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what came of one; once for each.
    pub(super) fn end(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> QuestionCounts {
        let outcome = |outcome: Outcome| self.outcomes[outcome as usize].load(Ordering::Relaxed);
        QuestionCounts {
            answered: outcome(Outcome::Answered),
            failed: outcome(Outcome::Failed),
            timed_out: outcome(Outcome::TimedOut),
            withdrawn: outcome(Outcome::Withdrawn),
            // Last, so that what has ended was counted as asked.
            asked: self.asked.load(Ordering::Relaxed),
        }
    }
}

/// The counts of all names.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tallies(BTreeMap<Box<str>, Arc<Tally>>);

impl Tallies {
    /// These, and those of the advisors of `realms`.
    pub(in super::super) fn with(&self, realms: &[RealmConfig]) -> Self {
        let mut tallies = self.0.clone();
        let always = [HASHES, OTHERS].into_iter();
        for name in always.chain(realms.iter().flat_map(advisors).map(|known| &*known.name)) {
            if tallies.len() < NAMES_MAX && !tallies.contains_key(name) {
                tallies.insert(name.into(), Arc::default());
            }
        }
        Self(tallies)
    }

    /// Where questions to the advisor of that name are counted.
    pub(super) fn of(&self, name: &str) -> Arc<Tally> {
        let tally = self.0.get(name).or_else(|| self.0.get(OTHERS));
        tally.map(Arc::clone).unwrap_or_default()
    }

    /// Every name that was asked something.
    pub(in super::super) fn read(&self) -> Vec<(Box<str>, QuestionCounts)> {
        let all = self.0.iter().map(|(name, tally)| (name.clone(), tally.read()));
        all.filter(|(_, counts)| counts.asked > 0).collect()
    }
}

/// Whom a realm may ask.
fn advisors(realm: &RealmConfig) -> impl Iterator<Item = &AdvisorConfig> {
    let authenticators = realm.authentication.authenticators.iter().map(|known| &known.advisor);
    realm.options.authorizers.iter().chain(authenticators)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(names: impl Iterator<Item = String>) -> RealmConfig {
        let mut realm = RealmConfig::default();
        realm.options.authorizers =
            names.map(|name| AdvisorConfig::procedure(&name, "com.judge")).collect();
        realm
    }

    #[test]
    fn there_are_only_so_many_names_and_none_is_lost() {
        let mut tallies = Tallies::default();
        for round in 0..3 {
            let names = (0..NAMES_MAX).map(|number| format!("{round}.{number}"));
            tallies = tallies.with(&[realm(names)]);
        }
        assert_eq!(tallies.0.len(), NAMES_MAX);
        for name in [HASHES, "0.1", "1.1", "2.1", "2.1"] {
            tallies.of(name).ask();
        }
        tallies.of("2.2").end(Outcome::TimedOut);
        let read = tallies.with(&[]).read();
        let asked: Vec<_> = read.iter().map(|(name, counts)| (&**name, counts.asked)).collect();
        assert_eq!(asked, [("0.1", 1), (OTHERS, 3), (HASHES, 1)]);
        assert_eq!((read[1].1.timed_out, read[1].1.waiting()), (1, 2));
    }

    #[test]
    fn what_is_not_over_waits() {
        let tally = Tally::default();
        (0..9).for_each(|_| tally.ask());
        let outcomes = [Outcome::Answered, Outcome::Failed, Outcome::TimedOut, Outcome::Withdrawn];
        for (count, outcome) in outcomes.into_iter().enumerate() {
            (0..=count.min(2)).for_each(|_| tally.end(outcome));
        }
        let counts =
            QuestionCounts { asked: 9, answered: 1, failed: 2, timed_out: 3, withdrawn: 3 };
        assert_eq!((tally.read(), counts.waiting()), (counts, 0));
        tally.ask();
        assert_eq!(tally.read().waiting(), 1);
    }
}
