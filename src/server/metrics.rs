//! What all shards together counted.

use tracing::info;

use crate::router::Counters;
use crate::router::advice::QuestionCounts;
use crate::shard::{Refusals, Shards};

/// The sum over all shards.
pub(super) fn total(shards: &[Counters]) -> Counters {
    shards.iter().fold(Counters::default(), |sum, shard| {
        // Taken apart by name, so that a new counter cannot be forgotten here.
        let Counters {
            connections,
            sessions,
            authentications_failed,
            authentications_blocked,
            messages_in,
            messages_out,
            reconfigured_sessions_ended,
            slow_sessions_ended,
            violations,
            late_answers,
            undeliverable_events,
            denials,
            retentions_refused,
            throttlings,
            sessions_refused,
        } = *shard;
        Counters {
            connections: sum.connections + connections,
            sessions: sum.sessions + sessions,
            authentications_failed: sum.authentications_failed + authentications_failed,
            authentications_blocked: sum.authentications_blocked + authentications_blocked,
            messages_in: sum.messages_in + messages_in,
            messages_out: sum.messages_out + messages_out,
            reconfigured_sessions_ended: sum.reconfigured_sessions_ended
                + reconfigured_sessions_ended,
            slow_sessions_ended: sum.slow_sessions_ended + slow_sessions_ended,
            violations: sum.violations + violations,
            late_answers: sum.late_answers + late_answers,
            undeliverable_events: sum.undeliverable_events + undeliverable_events,
            denials: sum.denials + denials,
            retentions_refused: sum.retentions_refused + retentions_refused,
            throttlings: sum.throttlings + throttlings,
            sessions_refused: sum.sessions_refused + sessions_refused,
        }
    })
}

/// Logs the lines that sum a run up: one if connections were turned away, one for each advisor that
/// was asked something, and last the one with all else.
pub(super) fn log_summary(shards: &Shards) {
    let Refusals { full, by_address, by_rate, malformed, late } = shards.refusals();
    if full + by_address + by_rate + malformed + late > 0 {
        info!(full, by_address, by_rate, malformed, late, "refusals");
    }
    for (advisor, counts) in shards.questions() {
        let QuestionCounts { asked, answered, failed, timed_out, withdrawn } = counts;
        let waiting = counts.waiting();
        info!(%advisor, asked, answered, failed, timed_out, withdrawn, waiting, "questions");
    }
    let (sum, stalls) = (total(&shards.counters()), shards.stalls());
    info!(
        connections = sum.connections,
        sessions = sum.sessions,
        authentications_failed = sum.authentications_failed,
        authentications_blocked = sum.authentications_blocked,
        messages_in = sum.messages_in,
        messages_out = sum.messages_out,
        reconfigured_sessions_ended = sum.reconfigured_sessions_ended,
        slow_sessions_ended = sum.slow_sessions_ended,
        violations = sum.violations,
        late_answers = sum.late_answers,
        undeliverable_events = sum.undeliverable_events,
        denials = sum.denials,
        retentions_refused = sum.retentions_refused,
        throttlings = sum.throttlings,
        sessions_refused = sum.sessions_refused,
        stalls,
        "served"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let one = Counters {
            connections: 1,
            sessions: 2,
            authentications_failed: 10,
            authentications_blocked: 11,
            messages_in: 3,
            messages_out: 4,
            reconfigured_sessions_ended: 10,
            slow_sessions_ended: 5,
            violations: 6,
            late_answers: 7,
            undeliverable_events: 8,
            retentions_refused: 9,
            denials: 10,
            throttlings: 11,
            sessions_refused: 12,
        };
        let sum = total(&[one, one]);
        assert_eq!((sum.sessions, sum.authentications_failed), (4, 20));
        assert_eq!(sum.authentications_blocked, 22);
        assert_eq!((sum.undeliverable_events, sum.retentions_refused), (16, 18));
        assert_eq!((sum.throttlings, sum.sessions_refused), (22, 24));
        assert_eq!(total(&[]), Counters::default());
    }
}
