//! What the scenarios cost when somebody last said that this is what they may cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

/// Where it is kept.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.toml");

const HEAD: &str = "\
# Instructions per scenario, as `cargo bench --no-default-features --bench instructions -- update`
# found them with this compiler. `.ci/run instructions` compares with it.
";

#[derive(Default)]
pub(crate) struct Baseline {
    /// The compiler by which the figures hold.
    pub(crate) compiler: String,
    figures: BTreeMap<String, u64>,
}

impl Baseline {
    /// Without any figure.
    pub(crate) fn empty(compiler: String) -> Self {
        Self { compiler, ..Self::default() }
    }

    /// What was kept; empty if nothing was.
    pub(crate) fn read() -> Self {
        let mut baseline = Self::default();
        let text = std::fs::read_to_string(PATH).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        for (name, value) in pairs {
            let (name, value) = (name.trim_matches('"'), value.trim_matches('"'));
            match value.parse() {
                Ok(count) => baseline.set(name, count),
                Err(_) => value.clone_into(&mut baseline.compiler),
            }
        }
        baseline
    }

    pub(crate) fn write(&self) {
        let mut text = format!("{HEAD}compiler = \"{}\"\n\n[instructions]\n", self.compiler);
        for (name, count) in &self.figures {
            writeln!(text, "\"{name}\" = {count}").expect("a text takes everything");
        }
        std::fs::write(PATH, text).expect("the tree can be written to");
    }

    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.figures.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: &str, count: u64) {
        self.figures.insert(name.to_owned(), count);
    }

    pub(crate) fn retain(&mut self, is_meant: impl Fn(&str) -> bool) {
        self.figures.retain(|name, _| is_meant(name));
    }
}

/// The compiler that cargo uses here, and for which processors.
pub(crate) fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("there is a compiler");
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    format!("{}, {}", text.lines().next().unwrap_or_default(), host.unwrap_or_default())
}
