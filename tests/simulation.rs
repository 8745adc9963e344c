//! Whole runs of the simulator: many seeds, the same seed twice, and every seed that ever failed.
//!
//! `SIM_SEEDS` says how many seeds are tried, `SIM_FROM` from which on. A seed that fails prints
//! how to see it again; it goes into [`FAILED`] with a line on what it found.

use gigawamp::sim::{Options, Outcome, run};

/// Seeds that failed once, and what they found.
///
/// A seed means the same run only as long as nothing changes what is drawn from it; what it found
/// stands in a scenario or a unit test as well wherever that is possible.
const FAILED: [(u64, &str); 6] = [
    (2_841, "who had just been killed was still counted as a subscriber"),
    (2_939, "a peer that had said ABORT was told that it was too slow"),
    (1_179, "who broke the rules and did not read was never told so"),
    (927, "a part that found no room left those before it waiting for nobody"),
    (264, "who said goodbye and did not read was closed without a word"),
    (313, "a part of a call stayed behind when the rest of it went out, or was overtaken"),
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number of seeds"))
}

// spec: G-01, G-02, G-03, G-04, G-05, G-06, G-09, G-21, G-23, G-25, I-01, I-02, I-03, I-04, I-06
// spec: I-08, I-14, B-SEC-05, B-RPC-13, B-PS-17, A-PCI-05, A-PCI-17, A-CAN-13, A-TMO-04, A-RET-07
#[test]
fn many_seeds() {
    let (from, seeds) = (number("SIM_FROM", 0), number("SIM_SEEDS", 400));
    let outcomes: Vec<Outcome> =
        (from..from + seeds).map(|seed| run(seed, Options::default())).collect();
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    // A simulation in which nothing happens proves nothing.
    assert!(sum(|outcome| outcome.sessions) > 10 * seeds);
    assert!(sum(|outcome| outcome.publications) > 30 * seeds);
    assert!(sum(|outcome| outcome.calls) > 10 * seeds);
    assert!(sum(|outcome| outcome.heard) > 100 * seeds);
    assert!(sum(|outcome| outcome.pauses) > seeds);
    assert!(sum(|outcome| outcome.holds) > seeds / 2);
    assert!(sum(|outcome| outcome.slow) > seeds / 10);
}

#[test]
fn seeds_that_failed_once() {
    for (seed, found) in FAILED {
        let outcome = run(seed, Options::default());
        assert!(outcome.steps > 0, "{found}");
    }
}

#[test]
fn a_seed_means_one_run() {
    for seed in 0..20 {
        let (one, two) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!(one, two, "seed {seed}");
    }
    let options = Options { steps: 500, shards_count: Some(4), print: false };
    assert_ne!(run(1, options).trace_hash, run(2, options).trace_hash);
}
