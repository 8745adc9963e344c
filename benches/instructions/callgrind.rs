//! Has callgrind count the instructions of a scenario, and reads what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

/// The argument by which this program runs a scenario itself.
pub(crate) const CHILD: &str = "--child";

/// How often a scenario is repeated in the first of its two runs.
pub(crate) const ROUNDS: u64 = 100;

/// Instructions of one unit of a scenario, by file and function. Differences may be negative:
/// what is done now and then falls into one of the runs or the other.
pub(crate) struct Count {
    costs: BTreeMap<(String, String), i64>,
    /// What the costs are to be divided by.
    divisor: i64,
}

/// Counts what `units` of a scenario, which make up a round, cost each.
pub(crate) fn count(name: &str, units: u64) -> Count {
    let runs = [ROUNDS, 2 * ROUNDS].map(|rounds| (start(name, rounds), out_file(name, rounds)));
    let [once, twice] = runs.map(|(child, path)| {
        let output = child.wait_with_output().expect("it was started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} failed:\n{said}");
        let text = fs::read_to_string(&path).expect("callgrind wrote it");
        let _ = fs::remove_file(&path);
        parse(&text)
    });
    let mut costs = twice;
    for (place, cost) in once {
        *costs.entry(place).or_default() -= cost;
    }
    costs.retain(|_, cost| *cost != 0);
    Count { costs, divisor: i64::try_from(ROUNDS * units).expect("few") }
}

impl Count {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.rounded(self.costs.values().sum())
    }

    /// The rooms of the source, and what is beside them, by what they spend themselves.
    pub(crate) fn rooms(&self) -> Vec<(String, u64)> {
        let mut rooms = BTreeMap::<_, i64>::new();
        for ((file, function), cost) in &self.costs {
            *rooms.entry(room(file, function)).or_default() += cost;
        }
        self.sorted(rooms)
    }

    /// The functions that spend most themselves.
    pub(crate) fn functions(&self, count: usize) -> Vec<(String, u64)> {
        let mut functions = BTreeMap::<_, i64>::new();
        for ((_, function), cost) in &self.costs {
            *functions.entry(function.clone()).or_default() += cost;
        }
        let mut sorted = self.sorted(functions);
        sorted.truncate(count);
        sorted
    }

    fn sorted(&self, costs: BTreeMap<String, i64>) -> Vec<(String, u64)> {
        let mut costs: Vec<_> = costs.into_iter().map(|(at, n)| (at, self.rounded(n))).collect();
        costs.retain(|(_, cost)| *cost > 0);
        costs.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        costs
    }

    fn rounded(&self, cost: i64) -> u64 {
        ((cost.max(0) + self.divisor / 2) / self.divisor).unsigned_abs()
    }
}

fn out_file(name: &str, rounds: u64) -> String {
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!("{}/callgrind.{name}.{rounds}.{}", env!("CARGO_TARGET_TMPDIR"), std::process::id())
}

fn start(name: &str, rounds: u64) -> Child {
    let program = std::env::current_exe().expect("this program runs");
    Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out_file(name, rounds)))
        .arg(program)
        .args([CHILD, name, &rounds.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind is here")
}

/// What each function of each file spends itself. Lines that the compiler inlined from another
/// file count for that file.
fn parse(text: &str) -> BTreeMap<(String, String), i64> {
    let mut costs = BTreeMap::new();
    let (mut file, mut function, mut is_call) = ("", "", false);
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "fl" | "fi" | "fe" => file = value,
                "fn" => function = value,
                // The line behind it tells what the callee spends.
                "calls" => is_call = true,
                _ => {}
            }
            continue;
        }
        let Some((_, cost)) = line.split_once(' ').filter(|_| line.starts_with(is_position)) else {
            continue;
        };
        if !std::mem::take(&mut is_call) {
            let place = (file.to_owned(), function.to_owned());
            *costs.entry(place).or_default() += cost.trim().parse::<i64>().unwrap_or(0);
        }
    }
    costs
}

fn is_position(first: char) -> bool {
    first.is_ascii_digit() || "+-*".contains(first)
}

/// Where an instruction belongs: to the room in whose source it stands, else to the room for whose
/// function or type it was made, else to what it does.
fn room(file: &str, function: &str) -> String {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let own = file.strip_prefix(tree).and_then(|file| file.strip_prefix("src/"));
    let room = own.map(|path| path.split(['/', '.']).next().unwrap_or_default());
    let room = room.filter(|room| *room != "lib");
    let named = || {
        let (_, path) = function.split_once("gigawamp::")?;
        path.split(|c: char| !c.is_ascii_lowercase()).next().filter(|name| !name.is_empty())
    };
    if let Some(room) = room.or_else(named) {
        return room.to_owned();
    }
    if file.contains("/benches/") || function.starts_with("instructions::") {
        return "the bench itself".to_owned();
    }
    let does = |words: &[&str]| words.iter().any(|word| function.contains(word));
    let what = if does(&["mem", "bcmp"]) {
        "copying, comparing"
    } else if does(&["alloc", "free", "unlink_chunk", "_int_"]) {
        "memory"
    } else {
        "libraries"
    };
    what.to_owned()
}
