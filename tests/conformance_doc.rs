//! `docs/CONFORMANCE.md` is made from the marks that tests bear: which requirement, which tests.
//!
//! A mark is a comment `spec: B-PS-07, B-PS-08` above a test. This test makes the document anew
//! and compares it with the one in the repository; `GIGAWAMP_WRITE_DOCS=1` writes it. A requirement
//! of the Basic Profile without a test and without a reason is a failure.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// An area of requirements: prefix, what it is about, the numbers in use.
type Area = (&'static str, &'static str, &'static [(u16, u16)]);

/// Areas of the Basic Profile.
const AREAS: &[Area] = &[
    ("B-SESS", "Sessions", &[(1, 33)]),
    ("B-PERR", "Protocol violations", &[(1, 20)]),
    ("B-ID", "Ids", &[(1, 12)]),
    ("B-URI", "URIs", &[(1, 14)]),
    (
        "B-MSG",
        "Messages",
        &[
            (1, 3),
            (6, 6),
            (8, 8),
            (16, 17),
            (32, 36),
            (48, 48),
            (50, 50),
            (64, 68),
            (70, 70),
            (80, 90),
        ],
    ),
    ("B-SER", "Serializers", &[(1, 10), (14, 14)]),
    ("B-TRN", "WebSocket", &[(1, 5), (7, 9)]),
    ("B-PS", "Publish & subscribe", &[(1, 21)]),
    ("B-RPC", "Routed procedure calls", &[(1, 14), (20, 23), (25, 27), (30, 32)]),
    ("B-SEC", "Security model", &[(1, 5)]),
    ("B-ERR", "Predefined URIs", &[(1, 16), (40, 41)]),
];

/// Requirements that no test can show, and why.
const REASONS: &[(&str, &str)] = &[
    ("B-ID-12", "a statement about probabilities; publication ids come from a seeded cipher"),
    ("B-URI-13", "names are not restricted: the specification's own examples break the rule"),
    (
        "B-ERR-06",
        "no payload is validated against schemas, so the router has no occasion of its own",
    ),
    ("B-ERR-10", "realms are not closed while the process runs"),
    ("B-ERR-13", "every session may do everything until there is authorization"),
    ("B-ERR-14", "there is no authorizer yet that could fail"),
    ("B-ERR-16", "there are no roles to lack yet"),
    ("B-ERR-41", "nothing is denied until there is authorization; the URI then is not_authorized"),
    ("B-SEC-01", "TLS is to come; listeners that others can reach need an insecure_ option"),
    ("B-SEC-02", "TLS is to come"),
    ("B-SEC-03", "a statement about what the specification does not have"),
    ("B-SEC-04", "a statement about what a router could do"),
    ("B-SESS-14", "there is no authentication yet, so no session is ever being challenged"),
    ("B-SESS-25", "a transport can be used again, so the case does not arise (see B-SESS-24)"),
];

#[test]
fn the_table_of_requirements_is_up_to_date_and_has_no_holes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let marks = marks(root);
    let (document, holes) = document(&marks);
    let path = root.join("docs/CONFORMANCE.md");
    if std::env::var_os("GIGAWAMP_WRITE_DOCS").is_some() {
        fs::write(&path, &document).unwrap();
    }
    assert!(holes.is_empty(), "neither test nor reason: {holes:?}");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/CONFORMANCE.md is out of date: GIGAWAMP_WRITE_DOCS=1 cargo test --test conformance_doc"
    );
}

fn document(marks: &BTreeMap<String, Vec<String>>) -> (String, Vec<String>) {
    let mut text = String::from(HEAD);
    let mut holes = Vec::new();
    for (prefix, title, ranges) in AREAS {
        writeln!(text, "\n## {title} ({prefix})\n\n| requirement | shown by |\n|---|---|").unwrap();
        for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            let id = format!("{prefix}-{number:02}");
            let reason = REASONS.iter().find(|(of, _)| *of == id).map(|(_, why)| *why);
            let shown = match (marks.get(&id), reason) {
                (Some(_), Some(_)) => panic!("{id} has a test and a reason for having none"),
                (Some(tests), None) => tests.join("<br>"),
                (None, Some(why)) => format!("no test: {why}"),
                (None, None) => {
                    holes.push(id);
                    continue;
                }
            };
            writeln!(text, "| {id} | {shown} |").unwrap();
        }
    }
    (text, holes)
}

/// The tests that bear each mark.
fn marks(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut marks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut files = Vec::new();
    collect(&root.join("tests"), &mut files);
    collect(&root.join("src"), &mut files);
    files.sort();
    for file in files {
        let name = file.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let (mut pending, mut is_test) = (Vec::new(), false);
        for line in text.lines().map(str::trim) {
            if let Some(mark) = line.strip_prefix("// spec: ") {
                pending.extend(ids(mark));
            } else if line.starts_with("#[test]") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                let test = rest.split(['(', '<']).next().unwrap_or_default();
                for id in pending.drain(..).filter(|_| is_test) {
                    let shown = format!("`{name}` {}", test.replace('_', " "));
                    let tests = marks.entry(id).or_default();
                    if !tests.contains(&shown) {
                        tests.push(shown);
                    }
                }
                is_test = false;
            } else if !line.starts_with("//") && !line.starts_with("#[") && !line.is_empty() {
                // Marks of product code say where a requirement is met, not that it is shown.
                pending.clear();
            }
        }
    }
    marks
}

fn ids(mark: &str) -> impl Iterator<Item = String> {
    let is_id = |word: &&str| {
        let mut parts = word.split('-');
        let shape = (parts.next(), parts.next(), parts.next(), parts.next());
        matches!(shape, (Some("A" | "B" | "X"), Some(area), Some(number), None)
            if area.bytes().all(|b| b.is_ascii_uppercase())
                && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let words = mark.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(is_id).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

const HEAD: &str = "\
# Conformance

Each requirement of WAMP's Basic Profile on a router, and the tests that show it. The numbers are
this project's own; the tests name them. Scenarios run over both transports, four serializers and
1, 2 and 5 shards in the simulator, and against the real process over real sockets.

This file is made by `GIGAWAMP_WRITE_DOCS=1 cargo test --test conformance_doc` and checked by the same
test without the variable.
";
