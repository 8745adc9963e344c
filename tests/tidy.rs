//! Checks on the source itself: the directions between rooms, the quiet of the core, and size.
//!
//! Each test collects everything that breaks its rule and fails with the list, so that one run
//! tells all. The rules and their reasons are in `docs/STYLE.md` and `docs/ARCHITECTURE.md`.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/source.rs"]
mod source;

use source::{Source, paths};

/// The rooms, from the bottom up. A room may use those of a lower level and itself.
const ROOMS: [(&str, u8); 9] = [
    ("env", 0),
    ("limits", 0),
    ("wire", 1),
    ("message", 2),
    ("session", 3),
    ("router", 4),
    ("shard", 5),
    ("sim", 5),
    ("server", 6),
];

/// The level of the highest room of the core.
const CORE: u8 = 4;

/// What the core must not say, so that a run of it can be repeated.
const WORLDLY: [&str; 9] = [
    "glommio",
    "io_uring",
    "libc",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// Where `unsafe` may stand: where it was measured to be needed, with its proof.
const UNSAFE: [&str; 3] = ["src/shard/driver", "src/router/pattern/", "src/main.rs"];

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;

/// Sentences that come together as a list of what is wrong.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        let path = source.path.display();
        self.0.push(format!("{path}:{line}: {what}"));
    }

    #[track_caller]
    fn expect_none(self, rule: &str) {
        assert!(self.0.is_empty(), "{rule}:\n{}\n", self.0.join("\n"));
    }
}

#[test]
fn a_room_uses_no_room_above_it() {
    let mut faults = Faults::default();
    for source in sources("src") {
        let Some((room, level)) = source.room(&ROOMS) else {
            continue;
        };
        for (line, path) in paths(&source.code) {
            let Some(used) = room_of(&path, source.depth()) else {
                continue;
            };
            let above = used.1 > level || (used.1 == level && used.0 != room);
            if above {
                faults.add(&source, line, &format!("{room} uses {}", used.0));
            }
        }
    }
    faults.expect_none("a room uses only the rooms below it");
}

/// The room that `path` leads to, if it starts at the crate's root: at `crate`, or at as many
/// `super` as lead there from a file that lies `depth` modules deep.
fn room_of(path: &str, depth: usize) -> Option<(&'static str, u8)> {
    let mut names = path.split("::").peekable();
    if names.next_if(|name| ["crate", "gigawamp"].contains(name)).is_none() {
        let mut climbed = 0;
        while names.next_if_eq(&"super").is_some() {
            climbed += 1;
        }
        if climbed == 0 || climbed < depth {
            return None;
        }
    }
    let name = names.next()?;
    ROOMS.into_iter().find(|room| room.0 == name)
}

#[test]
fn the_core_knows_no_world() {
    let mut faults = Faults::default();
    for source in sources("src").filter(|source| !source.is_test()) {
        if source.room(&ROOMS).is_none_or(|(_, level)| level > CORE) {
            continue;
        }
        let code = source.product();
        for (line, path) in paths(code) {
            let worldly = WORLDLY
                .into_iter()
                .find(|word| path == *word || path.starts_with(&format!("{word}::")));
            if let Some(word) = worldly {
                faults.add(&source, line, &format!("the core says `{word}`"));
            }
            let last_two = path.rsplit("::").take(2).collect::<Vec<_>>();
            if last_two == ["now", "Instant"] || path.contains("SystemTime") {
                faults.add(&source, line, "the core asks for the time");
            }
        }
        for (line, word) in source::words(code) {
            if ["async", "await"].contains(&word) {
                faults.add(&source, line, &format!("the core says `{word}`"));
            }
        }
    }
    faults.expect_none("below `shard` there are no sockets, clocks, threads or `async`");
}

#[test]
fn unsafe_code_stays_where_it_is_proven() {
    let mut faults = Faults::default();
    for source in sources("src") {
        let allowed = UNSAFE.iter().any(|place| source.path.to_string_lossy().starts_with(place));
        for (line, word) in source::words(&source.code) {
            if word == "unsafe" && !allowed {
                faults.add(&source, line, "`unsafe` outside of its rooms");
            }
        }
    }
    faults.expect_none("`unsafe` is for src/shard/driver and src/router/pattern");
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut faults = Faults::default();
    for source in rust_files() {
        let first = source.text.lines().find(|line| !line.starts_with("#!["));
        if !first.is_some_and(|line| line.starts_with("//!")) {
            faults.add(&source, 1, "no `//!` at the top");
        }
    }
    faults.expect_none("every file opens with what it is for");
}

#[test]
fn files_and_lines_are_short() {
    let mut faults = Faults::default();
    for source in rust_files() {
        let lines = source.product().lines().count();
        if lines > LINES_MAX && !source.is_test() {
            faults.add(&source, lines, &format!("more than {LINES_MAX} lines"));
        }
        // What tests hold in quotes is data, which does not get better by being broken.
        let text = if source.is_test() { &source.code } else { &source.text };
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX {
                let what = format!("more than {COLUMNS_MAX} columns");
                faults.add(&source, number + 1, &what);
            }
        }
    }
    faults.expect_none("files and lines are short enough to read");
}

#[test]
fn nothing_is_left_half_done() {
    let mut faults = Faults::default();
    for source in rust_files() {
        for (number, line) in source.text.lines().enumerate() {
            if line.contains(concat!("FIX", "ME")) {
                faults.add(&source, number + 1, "a note to fix something");
            }
        }
        for (number, line) in source.code.lines().enumerate() {
            for word in ["dbg!", "todo!", "unimplemented!"] {
                if line.contains(word) {
                    faults.add(&source, number + 1, word);
                }
            }
        }
    }
    faults.expect_none("what is committed is finished");
}

/// A mark is `spec: FILE`, `spec: FILE#SECTION` or `spec: B-XYZ-1`, and may go on after ` — `.
#[test]
fn spec_marks_are_well_formed() {
    let mut faults = Faults::default();
    for source in rust_files() {
        for (number, line) in source.text.lines().enumerate() {
            let Some((before, mark)) = line.split_once(concat!("spec", ": ")) else {
                continue;
            };
            let is_comment = ["//", "///", "//!"].contains(&before.trim().trim_end_matches('`'));
            if is_comment && !is_spec_mark(mark) {
                faults.add(&source, number + 1, mark);
            }
        }
    }
    faults.expect_none("spec marks name a file and its section, or a requirement");
}

fn is_spec_mark(mark: &str) -> bool {
    let places = mark.split(" — ").next().unwrap_or_default();
    places.split([',', ';']).all(|place| {
        let place = place.trim().trim_end_matches('.');
        let (file, section) = place.split_once('#').unwrap_or((place, "whole"));
        let plain = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        };
        plain(file) && plain(section)
    })
}

#[test]
fn fuzz_targets_and_benches_are_in_the_manual() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a file of the tree");
    let manual = read("docs/HACKING.md");
    let fuzz = read("fuzz/Cargo.toml");
    let targets = fuzz.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1));
    // What lies in a folder belongs to a bench beside it, but for the `main` of one.
    let benches = sources("benches").filter_map(|bench| {
        let mut parts = bench.path.components().skip(1).map(|part| part.as_os_str().to_str());
        let (name, inner) = (parts.next()??, parts.next().flatten());
        (inner.is_none() || inner == Some("main.rs")).then(|| name.replace(".rs", ""))
    });
    let is_told = |name: &str| source::words(&manual).any(|(_, word)| word == name);
    let missing =
        targets.map(str::to_owned).chain(benches).filter(|name| !is_told(name)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "not in docs/HACKING.md: {missing:?}");
}

/// The tree stands for itself: whoever gets it has nothing but it.
#[test]
fn the_tree_speaks_of_nothing_outside_of_it() {
    let foreign = [
        concat!("/wo", "rk/"),
        concat!("far", "m-"),
        concat!("cla", "ude"),
        concat!("anth", "ropic"),
        concat!("suba", "gent"),
        concat!("session ", "notes"),
    ];
    let mut faults = Vec::new();
    for path in files(&root()) {
        let text = fs::read(&path).expect("a file of the tree can be read");
        let text = String::from_utf8_lossy(&text).to_lowercase();
        let name = path.to_string_lossy().replace(&*root().to_string_lossy(), "");
        for word in foreign {
            if text.contains(word) || name.to_lowercase().contains(word) {
                faults.push(format!("{name}: {word:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "words of other places:\n{}", faults.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the tree.
fn rust_files() -> impl Iterator<Item = Source> {
    ["src", "tests", "benches", "examples", "fuzz", "loadtest"].into_iter().flat_map(sources)
}

/// The Rust files under `folder`, which need not exist.
fn sources(folder: &str) -> impl Iterator<Item = Source> {
    let root = root();
    files(&root.join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(move |path| {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(&root).expect("it lies in the tree");
            Source::new(path.to_owned(), text)
        })
}

/// Every file under `folder` that is part of the tree, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    const NOT_OURS: [&str; 5] = [".git", "target", "artifacts", "node_modules", "__pycache__"];
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder of the tree can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if NOT_OURS.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
