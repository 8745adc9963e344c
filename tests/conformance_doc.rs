//! `docs/CONFORMANCE.md` is made from the marks that tests bear: which requirement, which tests.
//!
//! A mark is a comment `spec: B-PS-07, B-PS-08` above a test. This test makes the document anew
//! and compares it with the one in the repository; `GIGAWAMP_WRITE_DOCS=1` writes it. A requirement
//! without a test and without a reason is a failure, and so is a reason that is out of date.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scenarios/harness/mod.rs"]
#[expect(dead_code, reason = "what only scenarios need")]
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gigawamp::sim::Value;

/// An area of requirements.
#[derive(Clone, Copy)]
struct Area {
    prefix: &'static str,
    /// What it is about.
    title: &'static str,
    /// The feature by which peers announce it, if there is one, and where this router does.
    feature: Option<(&'static str, &'static [&'static str])>,
    /// The numbers in use, in ranges.
    numbers: &'static [(u16, u16)],
}

const fn area(prefix: &'static str, title: &'static str, numbers: &'static [(u16, u16)]) -> Area {
    Area { prefix, title, feature: None, numbers }
}

impl Area {
    /// The same, announced by the roles `by` of this router.
    const fn announced(self, feature: &'static str, by: &'static [&'static str]) -> Self {
        Self { feature: Some((feature, by)), ..self }
    }

    fn ids(self) -> impl Iterator<Item = String> {
        let numbers = self.numbers.iter().flat_map(|(first, last)| *first..=*last);
        numbers.map(move |number| format!("{}-{number:02}", self.prefix))
    }
}

const BROKER: &[&str] = &["broker"];
const DEALER: &[&str] = &["dealer"];
const BOTH: &[&str] = &["broker", "dealer"];
const NOBODY: &[&str] = &[];

/// Everything that is demanded, part by part.
const PARTS: &[(&str, &[Area])] = &[
    ("The Basic Profile", BASIC),
    ("Advanced Profile: remote procedure calls", CALLS),
    ("Advanced Profile: publish & subscribe", EVENTS),
    ("Advanced Profile: meta API", META),
    ("Advanced Profile: messages and transports", TRANSPORTS),
    ("Advanced Profile: authentication and authorization", AUTHENTICATION),
    ("Drafts and what is outside of the text", OUTSIDE),
];

const BASIC: &[Area] = &[
    area("B-SESS", "Sessions", &[(1, 33)]),
    area("B-PERR", "Protocol violations", &[(1, 20)]),
    area("B-ID", "Ids", &[(1, 12)]),
    area("B-URI", "URIs", &[(1, 14)]),
    area(
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
    area("B-SER", "Serializers", &[(1, 10), (14, 14)]),
    area("B-TRN", "WebSocket", &[(1, 5), (7, 9)]),
    area("B-PS", "Publish & subscribe", &[(1, 21)]),
    area("B-RPC", "Routed procedure calls", &[(1, 14), (20, 23), (25, 27), (30, 32)]),
    area("B-SEC", "Security model", &[(1, 5)]),
    area("B-ERR", "Predefined URIs", &[(1, 16), (40, 41)]),
];

const CALLS: &[Area] = &[
    area("A-PCR", "Progressive call results", &[(1, 13)])
        .announced("progressive_call_results", DEALER),
    area("A-PCI", "Progressive call invocations", &[(1, 19)])
        .announced("progressive_call_invocations", DEALER),
    area("A-TMO", "Call timeout", &[(1, 12)]).announced("call_timeout", DEALER),
    area("A-CAN", "Call canceling", &[(1, 16)]).announced("call_canceling", DEALER),
    area("A-RRT", "Call rerouting", &[(1, 7)]).announced("call_reroute", DEALER),
    area("A-CID", "Caller identification", &[(1, 7)]).announced("caller_identification", DEALER),
    area("A-CTL", "Call trust levels", &[(1, 2)]).announced("call_trustlevels", DEALER),
    area("A-PBR", "Pattern-based registration", &[(1, 13)])
        .announced("pattern_based_registration", DEALER),
    area("A-SHR", "Shared registration", &[(1, 13)]).announced("shared_registration", DEALER),
    area("A-SDR", "Sharded registration", &[(1, 2)]).announced("sharded_registration", NOBODY),
    area("A-REV", "Registration revocation", &[(1, 6)])
        .announced("registration_revocation", DEALER),
    area("A-PPT", "Payload passthru mode", &[(1, 15)]).announced("payload_passthru_mode", BOTH),
];

const EVENTS: &[Area] = &[
    area("A-BWL", "Subscriber black- and whitelisting", &[(1, 8)])
        .announced("subscriber_blackwhite_listing", BROKER),
    area("A-PEX", "Publisher exclusion", &[(1, 3)]).announced("publisher_exclusion", BROKER),
    area("A-PUI", "Publisher identification", &[(1, 4)])
        .announced("publisher_identification", BROKER),
    area("A-PTL", "Publication trust levels", &[(1, 1)])
        .announced("publication_trustlevels", BROKER),
    area("A-PBS", "Pattern-based subscription", &[(1, 9)])
        .announced("pattern_based_subscription", BROKER),
    area("A-SDS", "Sharded subscription", &[(1, 1)]).announced("shareded_subscriptions", NOBODY),
    area("A-HIS", "Event history", &[(1, 16)]).announced("event_history", BROKER),
    area("A-RET", "Event retention", &[(1, 11)]).announced("event_retention", BROKER),
    area("A-SRV", "Subscription revocation", &[(1, 5)])
        .announced("subscription_revocation", BROKER),
    area("A-TST", "Testaments", &[(1, 11)]).announced("testament_meta_api", DEALER),
];

const META: &[Area] = &[
    area("A-META", "Common to all", &[(1, 7)]),
    area("A-SMA", "Sessions", &[(1, 21)]).announced("session_meta_api", BOTH),
    area("A-RMA", "Registrations", &[(1, 14)]).announced("registration_meta_api", DEALER),
    area("A-BMA", "Subscriptions", &[(1, 14)]).announced("subscription_meta_api", BROKER),
];

const TRANSPORTS: &[Area] = &[
    area("A-FEAT", "Announcing features", &[(1, 7)]),
    area("A-MSG", "Messages", &[(4, 5), (49, 49), (69, 69)]),
    area("A-ERR", "Predefined URIs", &[(17, 32)]),
    area("A-SER", "Serializers", &[(11, 11)]),
    area("X-SER", "Serializers, as they are in use", &[(12, 13)]),
    area("X-TRN", "WebSocket, as it is in use", &[(6, 6)]),
    area("A-BAT", "Batched WebSocket", &[(1, 9)]),
    area("A-RAW", "RawSocket", &[(1, 21)]),
    area("A-UDS", "Unix sockets", &[(1, 2)]),
    area("A-LP", "HTTP long-poll", &[(1, 11)]),
    area("A-MUX", "Multiplexed transports", &[(1, 1)]),
];

const AUTHENTICATION: &[Area] = &[
    area("A-AUTH", "Authentication", &[(1, 16)]),
    area("A-ANON", "Anonymous", &[(1, 2)]),
    area("A-TKT", "Ticket", &[(1, 4)]),
    area("A-CRA", "Challenge response", &[(1, 10)]),
    area("A-SCR", "SCRAM", &[(1, 19)]),
    area("A-CSN", "Cryptosign", &[(1, 7)]),
    area("A-CSB", "Cryptosign: channel binding", &[(1, 4)]),
    area("A-CSR", "Cryptosign: router authentication", &[(1, 1)]),
    area("A-CST", "Cryptosign: certificates", &[(1, 5)]),
    area("A-CSA", "Cryptosign: remote attestation", &[(1, 1)]),
    area("A-DYN", "Dynamic authentication", &[(1, 2)]),
    area("A-AUZ", "Authorization", &[(1, 9)]),
];

const OUTSIDE: &[Area] = &[
    area("A-R2R", "Router-to-router links", &[(1, 1)]),
    area("X-R2R", "Router-to-router links, as they are in use", &[(2, 3)]),
    area("A-IDL", "Interfaces", &[(4, 4)]),
    area("A-RFL", "Reflection", &[(1, 3)]).announced("reflection", NOBODY),
    area("A-RES", "Session resumption", &[(1, 4)]),
    area("X-ACK", "Acknowledged events", &[(1, 2)]),
    area("X-MSG", "Messages", &[(337, 337)]),
    area("X-OPT", "Options", &[(1, 4)]),
];

/// Why certificates of WAMP-Cryptosign are ignored.
const NO_CHAINS: &str = "keys are configured; certificates whose roots are on a chain are ignored";

/// Requirements that no test can show, and why.
const REASONS: &[(&str, &str)] = &[
    ("B-ID-12", "a statement about probabilities; publication ids come from a seeded cipher"),
    ("B-URI-13", "names are not restricted: the specification's own examples break the rule"),
    ("B-SEC-01", "TLS is to come; listeners that others can reach need an insecure_ option"),
    ("B-SEC-02", "TLS is to come"),
    ("B-SEC-03", "a statement about what the specification does not have"),
    ("B-SEC-04", "a statement about what a router could do"),
    ("B-SESS-25", "a transport can be used again, so the case does not arise (see B-SESS-24)"),
    ("A-PCI-03", "this dealer announces the feature, so the case does not arise"),
    ("A-TMO-07", "a liberty that is not taken: no option overrides what callees ask for"),
    ("A-CAN-12", "there is no order between two sessions that one of them could tell"),
    ("A-PPT-15", "a chapter that is yet to be written"),
    ("A-RET-09", "there is no way to clear what is retained; a new event takes its place"),
    ("A-META-07", "a statement about schemas that contradict the text, which is followed"),
    ("A-SMA-20", "the text has no such event"),
    ("A-ERR-19", "it would tell who exists; who is unknown gets wamp.error.authentication_denied"),
    ("A-ERR-23", "another name for what is answered with wamp.error.not_authorized"),
    ("A-ERR-24", "rights come by roles alone, there are no capabilities to show"),
    ("A-ERR-28", "a router is one process, with no network within it that could fail"),
    ("A-SER-11", "a statement about what the text does not define; what is in use is X-SER-12"),
    ("X-SER-13", "FlatBuffers is not offered: neither text nor schemas say what goes on the wire"),
    ("A-UDS-02", "a liberty that is not taken: whoever can open the socket may try to join"),
    ("A-AUTH-04", "a liberty that is not taken: one method says who a session is for"),
    ("A-CRA-10", "a statement about the text's own example, of which the secret is not told"),
    ("A-SCR-14", "a liberty that is not taken: ABORT says no more than that the proof was wrong"),
    ("A-CST-01", NO_CHAINS),
    ("A-CST-02", NO_CHAINS),
    ("A-CST-03", NO_CHAINS),
    ("A-CST-04", NO_CHAINS),
    ("A-CST-05", NO_CHAINS),
    ("A-CSA-01", "a liberty that is not taken: nobody is asked what its machine runs"),
    ("A-MUX-01", "no transport of the text carries more than one session"),
    ("A-R2R-01", "the chapter has no protocol"),
    ("A-IDL-04", "a liberty that is not taken: payloads are not validated"),
    ("A-RFL-01", "a sketch without arguments and results; it is neither there nor announced"),
    ("A-RFL-03", "another sketch of the same; it is neither there nor announced"),
    ("X-ACK-01", "delivery is not acknowledged; who says it has received is not listened to"),
    ("X-OPT-03", "callees are not disclosed: the text has no such option"),
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

#[test]
fn reasons_and_marks_are_for_requirements() {
    let known: BTreeSet<String> = areas().flat_map(Area::ids).collect();
    let marks = marks(Path::new(env!("CARGO_MANIFEST_DIR")));
    let named = REASONS.iter().map(|(id, _)| *id).chain(marks.keys().map(String::as_str));
    let unknown: Vec<_> = named.filter(|id| !known.contains(*id)).collect();
    assert!(unknown.is_empty(), "this is not required: {unknown:?}");
}

// spec: A-FEAT-01, A-FEAT-02, A-FEAT-07
#[test]
fn welcome_announces_exactly_what_scenarios_show() {
    let marks = marks(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for area in areas() {
        let Some((feature, roles)) = area.feature else { continue };
        let mut tests = area.ids().filter_map(|id| marks.get(&id)).flatten();
        let has_scenario = tests.any(|test| test.starts_with("`tests/scenarios/"));
        assert!(has_scenario || roles.is_empty(), "{feature} is announced without a scenario");
        roles.iter().for_each(|role| expected.entry(role).or_default().push(feature));
    }
    expected.values_mut().for_each(|features| features.sort_unstable());
    // With everything on that is off unless it is asked for.
    let script = "given: trust * * 1\n\
                  given: history com.t\n\
                  ann: connects\n\
                  ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {roles: $roles, ..}";
    harness::check_then(script, |bindings| {
        let entries = |value: &Value| {
            let Value::Dict(entries) = value else { panic!("{value} is no dict") };
            entries.clone()
        };
        for (role, details) in entries(&bindings["roles"]) {
            let [(key, features)] = &entries(&details)[..] else { panic!("{details}") };
            assert_eq!(key, "features", "of the {role}");
            let features = entries(features);
            assert!(features.iter().all(|(_, value)| *value == Value::Boolean(true)));
            let mut announced: Vec<_> = features.iter().map(|(key, _)| key.as_str()).collect();
            announced.sort_unstable();
            assert_eq!(Some(&announced), expected.get(role.as_str()), "of the {role}");
        }
    });
}

fn areas() -> impl Iterator<Item = Area> {
    PARTS.iter().flat_map(|(_, areas)| areas.iter().copied())
}

fn document(marks: &BTreeMap<String, Vec<String>>) -> (String, Vec<String>) {
    let mut text = String::from(HEAD);
    let mut holes = Vec::new();
    for (title, areas) in PARTS {
        writeln!(text, "\n## {title}").unwrap();
        areas.iter().for_each(|area| write_area(*area, marks, &mut text, &mut holes));
    }
    (text, holes)
}

fn write_area(
    area: Area,
    marks: &BTreeMap<String, Vec<String>>,
    text: &mut String,
    holes: &mut Vec<String>,
) {
    let Area { prefix, title, .. } = area;
    let feature = area.feature.map(|(key, _)| format!(" — `{key}`")).unwrap_or_default();
    writeln!(text, "\n### {title}{feature} ({prefix})\n").unwrap();
    writeln!(text, "| requirement | shown by |\n|---|---|").unwrap();
    for id in area.ids() {
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
            if area.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
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

Each requirement of WAMP on a router, and the tests that show it: the Basic Profile, then the
Advanced Profile by its features, with the name under which each is announced. The numbers are this
project's own; the tests name them. Scenarios run over all transports and serializers and 1, 2 and 5
shards in the simulator, and against the real process over real sockets.

This file is made by `GIGAWAMP_WRITE_DOCS=1 cargo test --test conformance_doc` and checked by the same
test without the variable.
";
