//! What the core's work costs in instructions, which are the same on a busy machine as on an idle
//! one: the gauge that says whether a change made the hot paths longer.
//!
//! ```sh
//! cargo bench --no-default-features --bench instructions             # compare with the baseline
//! cargo bench --no-default-features --bench instructions -- update   # make it the baseline
//! cargo bench --no-default-features --bench instructions -- rooms    # who spends them
//! cargo bench --no-default-features --bench instructions -- growth   # by sessions, payload …
//! ```
//!
//! Words behind these select the scenarios whose names contain one of them. Each scenario runs
//! twice under `valgrind --tool=callgrind`, the second time with twice as many rounds, and what
//! counts is the difference: the set-up, and whatever happens only once, cancels out.
//!
//! Valgrind shows the program an ordinary processor with AVX2 and nothing newer, so that counts
//! agree between machines. They do differ between compilers: a baseline of another one is compared
//! with, but not enforced.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::process::{Command, ExitCode};

use baseline::Baseline;
use callgrind::Count;
use scenarios::{Purpose, Scenario};

mod baseline;
#[path = "../shared/bottle.rs"]
mod bottle;
mod callgrind;
mod codecs;
mod scenarios;

/// The most by which a count may exceed its baseline, in percent. Refactoring moves what the
/// compiler inlines, and that alone may cost some; what is beyond is a change in the work done.
const GROWTH_PERCENT_MAX: f64 = 10.0;

/// Growth by so many instructions is none: that is one call that was inlined before.
const GROWTH_IGNORED: u64 = 50;

fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == callgrind::CHILD) {
        scenarios::run(&words[1], words[2].parse().expect("rounds"));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("NOT RUN: instructions are counted by valgrind, which is not here");
        let needed = std::env::var("CI").is_ok_and(|ci| ci == "true");
        return if needed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let task = words.first().filter(|word| TASKS.contains(&word.as_str())).cloned();
    if task.is_some() {
        words.remove(0);
    }
    let chosen = |scenario: &Scenario| {
        words.is_empty() || words.iter().any(|word| scenario.name.contains(word.as_str()))
    };
    let purpose = if task.as_deref() == Some("growth") { Purpose::Growth } else { Purpose::Gauge };
    let mut scenarios = scenarios::all();
    scenarios.retain(|scenario| scenario.purpose == purpose && chosen(scenario));
    match task.as_deref() {
        Some("update") => update(&scenarios),
        Some("rooms") => rooms(&scenarios),
        Some("growth") => growth(&scenarios),
        _ => return compare(&scenarios),
    }
    ExitCode::SUCCESS
}

const TASKS: [&str; 3] = ["update", "rooms", "growth"];

/// Says what has changed since the baseline; fails if something has grown too much.
fn compare(scenarios: &[Scenario]) -> ExitCode {
    let baseline = Baseline::read();
    let compiler = baseline::compiler();
    let mut grown = Vec::new();
    println!("| {:44} | {:>9} | {:>9} | {:>8} |", "scenario", "baseline", "now", "change");
    println!("|{:-<46}|{:->10}:|{:->10}:|{:->9}:|", "", "", "", "");
    for scenario in scenarios {
        let now = scenario.count().total();
        let Some(before) = baseline.get(&scenario.name) else {
            println!("| {:44} | {:>9} | {now:>9} | {:>8} |", scenario.name, "", "new");
            continue;
        };
        let change = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
        println!("| {:44} | {before:>9} | {now:>9} | {change:>+7.1}% |", scenario.name);
        if change > GROWTH_PERCENT_MAX && now > before + GROWTH_IGNORED {
            grown.push(&*scenario.name);
        }
    }
    if grown.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nmore than {GROWTH_PERCENT_MAX} % above the baseline: {}", grown.join(", "));
    if baseline.compiler != compiler {
        println!("not enforced: the baseline is of {}, this is {compiler}", baseline.compiler);
        return ExitCode::SUCCESS;
    }
    println!("if that is what it takes: cargo bench … --bench instructions -- update");
    ExitCode::FAILURE
}

/// Makes what is counted now the baseline. Scenarios that were not selected keep theirs, if the
/// compiler is the same.
fn update(scenarios: &[Scenario]) {
    let mut baseline = Baseline::read();
    let compiler = baseline::compiler();
    if baseline.compiler != compiler {
        baseline = Baseline::empty(compiler);
    }
    for scenario in scenarios {
        let now = scenario.count().total();
        println!("{:44} {now:>9}", scenario.name);
        baseline.set(&scenario.name, now);
    }
    let names = scenarios::all();
    baseline.retain(|name| names.iter().any(|scenario| scenario.name == name));
    baseline.write();
}

/// Says which room spends how much.
fn rooms(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let count = scenario.count();
        let total = count.total();
        println!("{}: {total}", scenario.name);
        for (room, instructions) in count.rooms() {
            let share = instructions as f64 / total.max(1) as f64 * 100.0;
            println!("  {room:20} {instructions:>9} {share:5.1} %");
        }
        for (function, instructions) in count.functions(25) {
            println!("      {instructions:>9}  {function}");
        }
    }
}

fn growth(scenarios: &[Scenario]) {
    for scenario in scenarios {
        println!("{:50} {:>9}", scenario.name, scenario.count().total());
    }
}

impl Scenario {
    fn count(&self) -> Count {
        callgrind::count(&self.name, self.units)
    }
}
