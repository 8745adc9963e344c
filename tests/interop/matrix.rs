//! What works with whom: the lines of all runs as one table, and the verdict on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::client::{Role, Run};
use crate::features::FEATURES;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// The client can do part of it, and that part went well.
    Partial,
    Lacking,
    Failed,
}

impl Outcome {
    /// Whether it works, as an answer.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Passed => "yes",
            Self::Partial => "part",
            Self::Lacking => "no",
            Self::Failed => "FAILED",
        }
    }

    /// The same in one character.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Passed => "+",
            Self::Partial => "/",
            Self::Lacking => "-",
            Self::Failed => "!",
        }
    }
}

/// What a script says of a step.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) outcome: Outcome,
    pub(crate) step: String,
    pub(crate) reason: String,
}

impl Line {
    /// Those among all that was printed.
    pub(crate) fn all(report: &str) -> impl Iterator<Item = Self> {
        report.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let outcome = match words.next()? {
                "ok" => Outcome::Passed,
                "part" => Outcome::Partial,
                "skip" => Outcome::Lacking,
                "FAIL" => Outcome::Failed,
                _ => return None,
            };
            let step = words.next()?.to_owned();
            Some(Self { outcome, step, reason: words.next().unwrap_or_default().to_owned() })
        })
    }
}

/// The outcome of every step of every run.
pub(crate) struct Matrix {
    /// By title of the run, in their order.
    rows: Vec<(String, BTreeMap<String, &'static str>)>,
    faults: Vec<String>,
}

impl Matrix {
    /// Reads what `runs` printed.
    pub(crate) fn of(runs: &[Run], reports: &[String]) -> Self {
        let mut matrix = Self { rows: Vec::new(), faults: Vec::new() };
        for (run, report) in runs.iter().zip(reports) {
            matrix.add(run, report);
        }
        matrix
    }

    fn add(&mut self, run: &Run, report: &str) {
        let title = title(run);
        let mut steps = BTreeMap::new();
        for line in Line::all(report) {
            if line.outcome == Outcome::Failed {
                self.faults.push(format!("{title}: {}: {}", line.step, line.reason));
            }
            steps.insert(line.step, line.outcome.word());
        }
        let done = steps.values().filter(|word| **word == Outcome::Passed.word()).count();
        if done < steps_min(&run.role) {
            let what = format!("{title}: {done} good steps only, and it said:\n{report}");
            self.faults.push(what);
        }
        self.rows.push((title, steps));
    }

    /// Prints the table. Panics with every fault there is.
    #[expect(clippy::print_stdout, reason = "the table is what the test is for")]
    pub(crate) fn print_and_judge(self) {
        println!("{}", self.table());
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }

    /// A row per run: how many steps went well, which were left out and which failed.
    fn table(&self) -> String {
        let steps = self.rows.iter().flat_map(|(_, steps)| steps.keys());
        let steps = steps.collect::<BTreeSet<_>>();
        let mut table = String::new();
        for (title, row) in &self.rows {
            let mut by_word = BTreeMap::<_, Vec<_>>::new();
            for step in &steps {
                let word = row.get(*step).copied().unwrap_or(Outcome::Lacking.word());
                by_word.entry(word).or_default().push(step.as_str());
            }
            let passed = by_word.remove(Outcome::Passed.word()).unwrap_or_default();
            let _ = write!(table, "{title:<44} {:>2} pass", passed.len());
            for (word, steps) in by_word {
                let _ = write!(table, "  {word}: {}", steps.join(" "));
            }
            table.push('\n');
        }
        table
    }
}

/// Steps that go well in a run that does all it should, so that one that stops early is noticed.
const fn steps_min(role: &Role) -> usize {
    match role {
        Role::Check => 15,
        Role::Features => FEATURES.len() / 2,
        Role::Call(_) | Role::Crossing(_) => 4,
        Role::Gone(_) => 1,
        Role::Authenticate(_) => 15,
        Role::Serve(_) | Role::Authenticator => 0,
    }
}

fn title(run: &Run) -> String {
    let name = format!("{} {} {}", run.client.name(), run.transport, run.serializer);
    match &run.role {
        Role::Check => name,
        Role::Features => format!("{name} features"),
        Role::Serve(served) => format!("{name} serves {served}"),
        Role::Call(served) => format!("{name} calls {served}"),
        Role::Gone(served) => format!("{name} misses {served}"),
        Role::Authenticate(_) => format!("{name} authenticates"),
        Role::Authenticator => format!("{name} knows others"),
        Role::Crossing(shards) => format!("{name} on {shards} shards"),
    }
}
