//! The security suite: what someone does who means no good, against the real binary.
//!
//! `cargo test --test security -- --nocapture` prints one table: case, what is done, what is
//! expected, what was observed, and whether that holds. Where a case is about hours or millions
//! this is its short form; `GIGAWAMP_SECURITY=full` plays the whole, and
//! `GIGAWAMP_SECURITY_CASES=24,27` only these cases.
//!
//! - [`case`]: what a case and a group of cases are, and the table.
//! - [`ground`]: the router that a group is played against, and what is watched meanwhile.
//! - [`healthy`]: clients that mean well, beside every case.
//! - [`line`], [`web`], [`raw`]: sockets that say any octets, and know enough to read the answers.
//! - all others: the cases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test of a process waits for it")]

mod advice;
mod authentication;
mod authorization;
mod cargo;
mod case;
mod defaults;
mod doors;
mod ground;
mod healthy;
mod http;
mod line;
mod meta;
mod protocol;
mod pubsub;
mod raw;
mod rawsocket;
mod rpc;
mod serializers;
mod talk;
mod timing;
mod web;
mod websocket;
mod websocket_suite;

#[path = "../process/peer.rs"]
#[expect(dead_code, reason = "what only the tests of the process need")]
mod peer;
#[path = "../process/program.rs"]
#[expect(dead_code, reason = "what only the tests of the process need")]
mod program;
#[path = "../process/secure.rs"]
mod secure;

use case::{Group, Row};

/// Groups that are played at once: most of their time they wait.
const GROUPS_AT_ONCE: usize = 3;

/// Every group there is.
fn groups() -> Vec<Group> {
    let all = [
        doors::groups(),
        http::groups(),
        websocket::groups(),
        websocket_suite::groups(),
        rawsocket::groups(),
        serializers::groups(),
        authentication::groups(),
        authorization::groups(),
        advice::groups(),
        protocol::groups(),
        pubsub::groups(),
        rpc::groups(),
        meta::groups(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn every_case_holds() {
    let rows = case::play(groups(), GROUPS_AT_ONCE);
    let failures: Vec<_> = rows.iter().filter(|row| row.verdict.is_err()).collect();
    case::print(&rows);
    assert!(failures.is_empty(), "what does not hold: {failures:#?}");
}

#[test]
fn the_document_lists_every_case() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SECURITY-SUITE.md");
    let expected = case::document(&groups());
    if std::env::var_os("GIGAWAMP_WRITE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/SECURITY-SUITE.md is out of date: GIGAWAMP_WRITE_DOCS=1 cargo test --test security"
    );
}

/// Says what a row was, for the list of failures.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.number, self.verdict)
    }
}
