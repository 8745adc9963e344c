//! `sim [SEED] [--steps N] [--shards N] [--seeds N]`: replays one run of the simulator with all
//! that happens, or tries many and says little.

use std::process::ExitCode;

use gigawamp::sim::{Options, run};

const USAGE: &str = "usage: sim [SEED] [--steps N] [--shards N] [--seeds N]

Replays the run that belongs to SEED (1 if not given) and prints all that happens.
With --seeds it tries N runs from SEED on and prints one line for each.";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program to be read")]
fn main() -> ExitCode {
    let Some((seed, seeds, options)) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let print = seeds.is_none();
    for seed in seed..seed + seeds.unwrap_or(1) {
        let outcome = run(seed, Options { print, ..options });
        println!("seed {seed}: {outcome:x?}");
    }
    ExitCode::SUCCESS
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<(u64, Option<u64>, Options)> {
    let (mut seed, mut seeds, mut options) = (1, None, Options::default());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--steps" => options.steps = words.next()?.parse().ok()?,
            "--shards" => options.shards_count = Some(words.next()?.parse().ok()?),
            "--seeds" => seeds = Some(words.next()?.parse().ok()?),
            number => seed = number.parse().ok()?,
        }
    }
    Some((seed, seeds, options))
}
