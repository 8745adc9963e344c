//! A case, a group of cases, and the tables that are made of them.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;

use crate::ground::Ground;

/// What was observed, if it is what was expected; otherwise what is wrong with it.
pub(crate) type Verdict = Result<String, String>;

/// Octets that a router may grow by during a case that says nothing else.
const GROWTH_MAX: u64 = 16 << 20;

/// One thing that is done to a router.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// Its number in the list of cases; variants have a letter behind it.
    pub(crate) number: &'static str,
    /// What is done.
    pub(crate) done: &'static str,
    /// What has to come of it.
    pub(crate) expected: &'static str,
    /// Octets that the router may grow by meanwhile.
    pub(crate) growth_max: u64,
    /// Violations of the protocol that the router has to count at least.
    pub(crate) violations: u64,
    pub(crate) run: fn(&Ground) -> Verdict,
}

impl Case {
    pub(crate) const fn new(
        number: &'static str,
        done: &'static str,
        expected: &'static str,
        run: fn(&Ground) -> Verdict,
    ) -> Self {
        Self { number, done, expected, growth_max: GROWTH_MAX, violations: 0, run }
    }

    /// The same, during which the router may grow by `octets`.
    pub(crate) const fn growing(self, octets: u64) -> Self {
        Self { growth_max: octets, ..self }
    }

    /// The same, of which the router counts at least so many violations.
    pub(crate) const fn violating(self, count: u64) -> Self {
        Self { violations: count, ..self }
    }

    /// Its number without letter.
    fn order(&self) -> (u32, &'static str) {
        let digits = self.number.trim_end_matches(|c: char| c.is_ascii_lowercase());
        (digits.parse().expect("a number"), self.number)
    }
}

/// Cases that are played one after the other against one router.
#[derive(Clone)]
pub(crate) struct Group {
    /// What its router's folder is called.
    pub(crate) name: &'static str,
    /// The configuration of its router: a realm and a listener stand before its tables.
    pub(crate) tables: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// A row of the table that is printed.
pub(crate) struct Row {
    pub(crate) number: String,
    done: String,
    expected: String,
    pub(crate) verdict: Verdict,
}

/// Whether cases are played at full length.
pub(crate) fn is_full() -> bool {
    std::env::var("GIGAWAMP_SECURITY").is_ok_and(|value| value == "full")
}

/// Plays all groups, some at once; the rows in the order of the cases' numbers.
pub(crate) fn play(groups: Vec<Group>, at_once: usize) -> Vec<Row> {
    let chosen = std::env::var("GIGAWAMP_SECURITY_CASES").ok();
    let is_chosen = |case: &Case| {
        chosen.as_ref().is_none_or(|list| list.split(',').any(|number| number == case.number))
    };
    let mut waiting: VecDeque<Group> = groups.into();
    for group in &mut waiting {
        group.cases.retain(is_chosen);
    }
    waiting.retain(|group| !group.cases.is_empty());
    let (done, results) = channel();
    let (free, frees) = channel();
    (0..at_once).for_each(|_| free.send(()).unwrap());
    thread::scope(|scope| {
        for (number, group) in waiting.into_iter().enumerate() {
            frees.recv().unwrap();
            let (done, free) = (done.clone(), free.clone());
            scope.spawn(move || {
                for row in play_group(number, &group) {
                    done.send((row.1, row.0)).unwrap();
                }
                // Nobody waits for a place any more once the last group has begun.
                let _ = free.send(());
            });
        }
    });
    drop(done);
    let mut rows: Vec<_> = results.into_iter().collect();
    rows.sort_by_key(|(order, _)| *order);
    rows.into_iter().map(|(_, row)| row).collect()
}

type Order = (u32, &'static str);

/// Plays the cases of one group; the last row is about the router as a whole.
fn play_group(number: usize, group: &Group) -> Vec<(Row, Order)> {
    let caught = |run: &mut dyn FnMut() -> Verdict| {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Err(format!("the test panicked: {}", text.unwrap_or_default()))
        })
    };
    let mut rows = Vec::new();
    let mut ground = None;
    let started = caught(&mut || {
        ground = Some(Ground::prepare(number, group));
        Ok(String::new())
    });
    let Some(ground) = ground else {
        rows.push((Row::of_group(group, started), (u32::MAX, group.name)));
        return rows;
    };
    for case in &group.cases {
        let verdict = caught(&mut || ground.watch(case));
        println!("{} {}", case.number, if verdict.is_ok() { "holds" } else { "DOES NOT HOLD" });
        rows.push((Row::of_case(case, verdict), case.order()));
    }
    let violations = group.cases.iter().map(|case| case.violations).sum();
    let mut ground = Some(ground);
    let verdict = caught(&mut || ground.take().expect("once").leave(violations));
    rows.push((Row::of_group(group, verdict), (u32::MAX, group.name)));
    rows
}

impl Row {
    fn of_case(case: &Case, verdict: Verdict) -> Self {
        Self {
            number: case.number.to_owned(),
            done: case.done.to_owned(),
            expected: case.expected.to_owned(),
            verdict,
        }
    }

    fn of_group(group: &Group, verdict: Verdict) -> Self {
        Self {
            number: format!("router of {}", group.name),
            done: "the router is stopped".to_owned(),
            expected: "it ends in good order, has counted, and its log is short".to_owned(),
            verdict,
        }
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("| case | done | expected | observed | holds |\n|---|---|---|---|---|");
    for Row { number, done, expected, verdict } in rows {
        let (observed, holds) = match verdict {
            Ok(observed) => (observed, "yes"),
            Err(wrong) => (wrong, "NO"),
        };
        let observed = observed.replace('\n', " ");
        println!("| {number} | {done} | {expected} | {observed} | {holds} |");
    }
    let count = rows.iter().filter(|row| row.verdict.is_ok()).count();
    println!("{count} of {} hold", rows.len());
}

/// The first case of each section, and what the section is about.
const SECTIONS: [(u32, &str); 9] = [
    (1, "TCP, TLS, admission"),
    (17, "HTTP upgrade and WebSocket"),
    (41, "RawSocket"),
    (51, "Serializers"),
    (64, "Sessions and authentication"),
    (83, "Protocol, ids, URIs"),
    (94, "Publish and subscribe"),
    (105, "Remote procedure calls"),
    (116, "Meta API and administration"),
];

/// `docs/SECURITY-SUITE.md`: every case, without what is different in each run.
pub(crate) fn document(groups: &[Group]) -> String {
    let mut text = String::from(HEAD);
    let mut cases: Vec<_> = groups.iter().flat_map(|group| &group.cases).collect();
    cases.sort_by_key(|case| case.order());
    let mut sections = SECTIONS.iter().peekable();
    for case in cases {
        let mut section = None;
        while let Some(next) = sections.next_if(|(first, _)| *first <= case.order().0) {
            section = Some(next.1);
        }
        if let Some(title) = section {
            write!(text, "\n## {title}\n\n| Case | Done | Expected |\n|---|---|---|\n").unwrap();
        }
        writeln!(text, "| {} | {} | {} |", case.number, case.done, case.expected).unwrap();
    }
    text
}

const HEAD: &str = "# The security suite

Written by `GIGAWAMP_WRITE_DOCS=1 cargo test --test security`; a test compares.

```sh
cargo test --test security -- --nocapture          # every case, and the table with what was observed
GIGAWAMP_SECURITY=full cargo test --test security  # at full length, where a case is about hours or millions
GIGAWAMP_SECURITY_CASES=24,27 cargo test --test security every_case -- --nocapture
```

Each case is played against the real binary with two shards, by sockets that say any octets. Beside each one, clients
that mean well call, answer, publish and receive, over both transports and through both shards: nothing of theirs may
be lost, late beyond patience, or out of order. After each case the router must have closed what it opened and stayed
within the memory that the case allows; at the end it must stop in good order, have counted what was done to it, and
its log must be short and without secrets. How long something took is no measure, but for deadlines that the router
promises.

Some cases are elsewhere:

| Case | Where |
|---|---|
| 63, decoders for a day | `for target in $(cargo +nightly fuzz list); do cargo +nightly fuzz run $target -- -max_total_time=86400 -rss_limit_mb=512 -timeout=1; done` |
| 72 and 74, what the time of an answer tells | `cargo test --release --test security timing -- --ignored --nocapture`, on a quiet machine |
| 85, ids that begin again behind 2^53 | units of `src/message/id.rs`: no session lives to see it |
| all at once, for an hour | `cargo load attack --router target/release/gigawamp --duration 1h` |
| WebSocket suites | `tests/autobahn/run`, with Python 2.7 |
";
