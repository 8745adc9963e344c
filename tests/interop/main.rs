//! Foreign clients against the real router: each does what clients do, and all talk to each other.
//!
//! The clients are installed once, into `target/interop`, with the versions that
//! `requirements.txt`, `requirements-older.txt` and `package.json` name. Where Python or Node is
//! missing, the tests say so loudly and pass; with `CI=true` they fail.
//!
//! A script takes a URL, a serializer and what to do: `check` is everything one client can do
//! between two sessions of its own; `serve NAME` and `call NAME` are for two different clients;
//! `features KEY …` are those of the Advanced Profile, one by one. It prints a line per step:
//! `ok STEP`, `skip STEP why`, `part STEP why` or `FAIL STEP why`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authentication;
mod client;
mod environment;
mod features;
mod matrix;
#[path = "../process/program.rs"]
#[expect(dead_code, reason = "the tests of the process use the rest")]
mod program;
mod relay;

use std::fs;
use std::path::Path;
use std::thread;

use client::{Client, Role, Run};
use environment::Environment;
use features::Table;
use matrix::Matrix;
use program::Router;
use relay::Relay;

/// What clients of nearly every kind are run with.
const SERIALIZERS: [&str; 3] = ["json", "msgpack", "cbor"];

/// Octets of the large text in the clients' steps.
const LARGE: usize = 1_000_000;

/// Sessions of one shard must reach those of another.
const SHARDS: usize = 2;

/// Realms of the router, so that runs beside each other do not meet.
const REALMS: usize = 32;

/// A router on a free port, and where it is.
fn router(name: &str) -> (Router, String) {
    router_with(name, "", "")
}

/// The same with `options` for each realm, and further `realms`.
fn router_with(name: &str, options: &str, realms: &str) -> (Router, String) {
    router_on(name, options, realms, "")
}

/// The same with a `listener` of further options.
fn router_on(name: &str, options: &str, realms: &str, listener: &str) -> (Router, String) {
    let mut text = format!("shards = {SHARDS}\n{realms}");
    for realm in 1..=REALMS {
        text += &format!("[[realms]]\nname = \"realm{realm}\"\n{options}");
    }
    text += &format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{listener}\n");
    let router = Router::start(name, &text);
    let address = router.address("ws://");
    (router, address)
}

#[test]
fn each_client_gets_on_with_the_router() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router("interop-each");
    let mut runs = Vec::new();
    for client in Client::ALL {
        for transport in client.transports() {
            let left_to_it = client.chooses().then_some(&"default");
            for serializer in client.serializers(transport).iter().chain(left_to_it) {
                let realm = format!("realm{}", runs.len() + 1);
                runs.push(Run::new(client, transport, serializer, Role::Check).in_realm(&realm));
            }
        }
    }
    assert!(runs.len() <= REALMS, "a realm for each of {}", runs.len());
    let reports = environment.run_all(&address, &runs);
    Matrix::of(&runs, &reports).print_and_judge();
}

#[test]
fn features_by_client_and_serializer() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let realms = features::shared_realm();
    let (_router, address) = router_with("interop-features", features::REALM_OPTIONS, &realms);
    let table = Table::of_all(environment, &address);
    table.print_and_judge();
    table.check_document();
}

#[test]
fn clients_understand_each_other() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router("interop-pairs");
    // Every client serves with each serializer once, over whatever transport comes round.
    let mut servers = Vec::new();
    for (index, client) in Client::ALL.into_iter().enumerate() {
        let transports = client.transports();
        let transport = transports[index % transports.len()];
        for serializer in client.serializers(transport) {
            let name = format!("{}_{serializer}", client.word());
            let run = Run::new(client, transport, serializer, Role::Serve(name));
            servers.push(environment.start(&address, &run));
        }
    }
    let mut runs = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        for (turn, client) in Client::ALL.into_iter().enumerate() {
            let serializers = client.serializers("ws");
            let serializer = serializers[(index + turn) % serializers.len()];
            let role = Role::Call(server.name().to_owned());
            runs.push(Run::new(client, "ws", serializer, role));
        }
    }
    let reports = environment.run_all(&address, &runs);
    servers.into_iter().for_each(client::Server::stop);
    Matrix::of(&runs, &reports).print_and_judge();
}

// spec: rfc7692#section-7
#[test]
fn clients_that_offer_to_compress_do() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router_on("interop-deflate", "", "", "compression = \"deflate\"");
    let run = |client: Client, serializer: &'static str, number: usize| {
        let realm = format!("realm{number}");
        let run = Run::new(client, "ws", serializer, Role::Check).in_realm(&realm);
        let relay = Relay::start(&address);
        let reports = environment.run_all(&relay.address, std::slice::from_ref(&run));
        (run, reports.concat(), relay.count())
    };
    let run = &run;
    let (runs, counts): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let begun: Vec<_> = (1..)
            .zip(Client::ALL)
            .map(|(number, client)| {
                let serializers = client.serializers("ws");
                let serializer = serializers[number % serializers.len()];
                scope.spawn(move || run(client, serializer, number))
            })
            .collect();
        let ended = begun.into_iter().map(|run| run.join().unwrap());
        ended.map(|(run, report, count)| ((run, report), count)).unzip()
    });
    let (runs, reports): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
    Matrix::of(&runs, &reports).print_and_judge();
    for (run, count) in runs.iter().zip(counts) {
        // Each has called with a text of a megabyte, which passed four times.
        assert_eq!(count < LARGE, run.client.compresses(), "{run:?}: {count} octets");
    }
}

#[test]
fn nothing_is_left_of_a_client_that_is_killed() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router("interop-killed");
    let mut runs = Vec::new();
    for client in Client::ALL {
        let name = format!("{}_killed", client.word());
        let served = Run::new(client, "ws", "json", Role::Serve(name.clone()));
        environment.start(&address, &served).kill();
        let role = Role::Gone(name);
        runs.push(Run::new(Client::AutobahnPython, "ws", "json", role));
    }
    let reports = environment.run_all(&address, &runs);
    Matrix::of(&runs, &reports).print_and_judge();
}

#[test]
fn sessions_of_all_shards_meet() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router("interop-crossing");
    let mut runs = Vec::new();
    for (index, serializer) in SERIALIZERS.into_iter().enumerate() {
        let role = Role::Crossing(SHARDS);
        let run = Run::new(Client::AutobahnPython, "rs", serializer, role);
        runs.push(run.in_realm(&format!("realm{}", index + 1)));
    }
    let reports = environment.run_all(&address, &runs);
    Matrix::of(&runs, &reports).print_and_judge();
}

#[test]
fn the_first_sessions_of_the_readme_work() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let readme = include_str!("../../README.md");
    let hello = fs::read_to_string(examples.join("hello.py")).unwrap();
    assert!(readme.contains(&hello), "the README shows another examples/hello.py");

    let Some(environment) = Environment::get() else {
        return;
    };
    let (_router, address) = router("interop-readme");
    let short = fs::read_to_string(examples.join("hello_short.py")).unwrap();
    for text in [hello, short] {
        let said = environment.run_python(&text.replace("127.0.0.1:8080", &address));
        assert!(said.lines().any(|line| line == "Hello, WAMP!"), "{text}said {said}");
    }
}
