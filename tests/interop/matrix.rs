//! What works with whom: the lines of all runs as one table, and the verdict on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::client::{Role, Run};

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
        for line in report.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(outcome), Some(step)) = (words.next(), words.next()) else {
                continue;
            };
            let mark = match outcome {
                "ok" => "ok",
                "skip" => "-",
                "FAIL" => "FAIL",
                _ => continue,
            };
            if mark == "FAIL" {
                let reason = words.next().unwrap_or_default();
                self.faults.push(format!("{title}: {step}: {reason}"));
            }
            steps.insert(step.to_owned(), mark);
        }
        let done = steps.values().filter(|mark| **mark == "ok").count();
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

    /// A row per run: how many steps went well, which were left out (`-`) and which failed.
    fn table(&self) -> String {
        let steps = self.rows.iter().flat_map(|(_, steps)| steps.keys());
        let steps = steps.collect::<BTreeSet<_>>();
        let mut table = String::new();
        for (title, row) in &self.rows {
            let mut by_mark = BTreeMap::<_, Vec<_>>::new();
            for step in &steps {
                let mark = row.get(*step).copied().unwrap_or("-");
                by_mark.entry(mark).or_default().push(step.as_str());
            }
            let _ = write!(table, "{title:<44}");
            for (mark, steps) in by_mark {
                if mark == "ok" {
                    let _ = write!(table, " ok {:>2}", steps.len());
                } else {
                    let _ = write!(table, "  {mark} {}", steps.join(" "));
                }
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
        Role::Call(_) | Role::Crossing(_) => 4,
        Role::Gone(_) => 1,
        Role::Serve(_) => 0,
    }
}

fn title(run: &Run) -> String {
    let name = format!("{} {} {}", run.client.name(), run.transport, run.serializer);
    match &run.role {
        Role::Check => name,
        Role::Serve(served) => format!("{name} serves {served}"),
        Role::Call(served) => format!("{name} calls {served}"),
        Role::Gone(served) => format!("{name} misses {served}"),
        Role::Crossing(shards) => format!("{name} on {shards} shards"),
    }
}
