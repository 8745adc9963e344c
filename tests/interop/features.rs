//! Which client can do which advanced feature with this router, in which serializer: each client
//! exercises between sessions of its own all that it implements.
//!
//! The outcome is printed as a table, and kept in `docs/CLIENTS.md`, which is compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::client::{Client, Role, Run};
use crate::environment::Environment;
use crate::matrix::{Line, Outcome};

/// The features that every client's script has to say something of, in the order of the table:
/// those of the specification by their keys, then some that have no key.
pub(crate) const FEATURES: [&str; 26] = [
    "progressive_call_results",
    "progressive_call_invocations",
    "call_timeout",
    "call_canceling",
    "call_reroute",
    "caller_identification",
    "call_trustlevels",
    "pattern_based_registration",
    "shared_registration",
    "registration_revocation",
    "concurrency",
    "force_reregister",
    "subscriber_blackwhite_listing",
    "publisher_exclusion",
    "publisher_identification",
    "publication_trustlevels",
    "pattern_based_subscription",
    "event_retention",
    "subscription_revocation",
    "session_meta_api",
    "registration_meta_api",
    "subscription_meta_api",
    "testament_meta_api",
    "payload_passthru_mode",
    "batched",
    "sessions_in_turn",
];

/// A realm in which everybody is told who calls and publishes, and a callee of autobahn-python
/// serves clients of other makes. All runs share it.
const SHARED_REALM: &str = "disclosed";

/// The options of the realms that the features need.
pub(crate) const REALM_OPTIONS: &str = "\
    meta_kill = true\n\
    force_reregister = true\n\
    trust = [\"* features.trusted 3\"]\n";

/// The realm that all share, for the configuration.
pub(crate) fn shared_realm() -> String {
    format!("[[realms]]\nname = \"{SHARED_REALM}\"\ndisclosure = \"always\"\n")
}

/// What the runs reported: by client, in the order of its serializers.
pub(crate) struct Table {
    columns: Vec<(Client, Vec<Column>)>,
    faults: Vec<String>,
}

/// A run of a client.
struct Column {
    serializer: &'static str,
    lines: BTreeMap<String, Line>,
}

impl Table {
    /// Runs every client with all of its serializers.
    pub(crate) fn of_all(environment: &Environment, address: &str) -> Self {
        let serve = Run::new(Client::AutobahnPython, "ws", "json", Role::Serve("features".into()));
        let server = environment.start(address, &serve.in_realm(SHARED_REALM));
        let mut runs = Vec::new();
        for client in Client::ALL {
            let left_to_it = client.chooses().then_some(&"default");
            for serializer in client.serializers("ws").iter().chain(left_to_it) {
                let realm = format!("realm{}", runs.len() + 1);
                runs.push(Run::new(client, "ws", serializer, Role::Features).in_realm(&realm));
            }
        }
        let reports = environment.run_all(address, &runs);
        server.stop();
        let mut table = Self { columns: Vec::new(), faults: Vec::new() };
        for (run, report) in runs.iter().zip(&reports) {
            table.add(run, report);
        }
        table
    }

    fn add(&mut self, run: &Run, report: &str) {
        let name = format!("{} {}", run.client.name(), run.serializer);
        let lines = Line::all(report).map(|line| (line.step.clone(), line));
        let lines = lines.collect::<BTreeMap<_, _>>();
        let failed = lines.values().filter(|line| line.outcome == Outcome::Failed);
        self.faults.extend(failed.map(|line| format!("{name}: {}: {}", line.step, line.reason)));
        let missing = FEATURES.iter().filter(|feature| !lines.contains_key(**feature));
        let missing = missing.copied().collect::<Vec<_>>().join(", ");
        if !missing.is_empty() {
            self.faults.push(format!("{name} says nothing of {missing}, but:\n{report}"));
        }
        let column = Column { serializer: run.serializer, lines };
        match self.columns.last_mut() {
            Some((client, columns)) if *client == run.client => columns.push(column),
            _ => self.columns.push((run.client, vec![column])),
        }
    }

    /// Prints the table. Panics with every fault there is.
    #[expect(clippy::print_stdout, reason = "the table is what the test is for")]
    pub(crate) fn print_and_judge(&self) {
        println!("{}", self.text());
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }

    /// A line per feature, a character per client and serializer, and the reasons behind them.
    fn text(&self) -> String {
        let mut head = [format!("{:30}", ""), format!("{:30}", "")];
        for (client, columns) in &self.columns {
            let letters = columns.iter().map(|column| &column.serializer[..1]).collect::<Vec<_>>();
            let width = width(*client, columns);
            let _ = write!(head[0], "  {:width$}", client.name());
            let _ = write!(head[1], "  {:width$}", letters.join(" "));
        }
        let mut text = format!("{}\n{}\n", head[0].trim_end(), head[1].trim_end());
        for feature in FEATURES {
            let mut row = format!("{feature:30}");
            for (client, columns) in &self.columns {
                let marks = columns.iter().map(|column| column.outcome(feature).mark());
                let marks = marks.collect::<Vec<_>>().join(" ");
                let _ = write!(row, "  {marks:width$}", width = width(*client, columns));
            }
            let _ = writeln!(text, "{}", row.trim_end());
        }
        text += "\n+ pass   / part: the client lacks the rest   - the client lacks it   ! FAILED\n\
                 d client's choice   j JSON   m MessagePack   c CBOR   u UBJSON\n";
        for (client, _) in &self.columns {
            let _ = writeln!(text, "\n{}", client.release());
            for (feature, outcome, reason) in self.reasons(*client) {
                let _ = writeln!(text, "  {} {feature}: {reason}", outcome.mark());
            }
        }
        text
    }

    /// The same for `docs/CLIENTS.md`.
    fn markdown(&self) -> String {
        let mut text = HEAD.to_owned();
        for (client, _) in &self.columns {
            let _ = write!(text, " {} |", client.release());
        }
        text += "\n|---|";
        text += &"---|".repeat(self.columns.len());
        for feature in FEATURES {
            let _ = write!(text, "\n| `{feature}` |");
            for (_, columns) in &self.columns {
                let _ = write!(text, " {} |", cell(feature, columns));
            }
        }
        text += "\n\n## What they lack\n";
        for (client, _) in &self.columns {
            let _ = writeln!(text, "\n### {}\n", client.release());
            for (feature, outcome, reason) in self.reasons(*client) {
                let _ = writeln!(text, "- `{feature}` ({}): {reason}", outcome.word());
            }
        }
        text
    }

    /// Why a client does not have features, each reason once.
    fn reasons(&self, client: Client) -> Vec<(&'static str, Outcome, &str)> {
        let columns = self.columns.iter().filter(|(other, _)| *other == client);
        let columns = columns.flat_map(|(_, columns)| columns).collect::<Vec<_>>();
        let mut reasons = Vec::new();
        for feature in FEATURES {
            for line in columns.iter().filter_map(|column| column.lines.get(feature)) {
                let reason = (feature, line.outcome, line.reason.as_str());
                let lacking = matches!(line.outcome, Outcome::Partial | Outcome::Lacking);
                if lacking && !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }

    /// Compares `docs/CLIENTS.md` with what was seen, or writes it if told to.
    pub(crate) fn check_document(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
        if std::env::var_os("GIGAWAMP_WRITE_DOCS").is_some() {
            return fs::write(path, self.markdown()).unwrap();
        }
        assert!(
            fs::read_to_string(path).is_ok_and(|text| text == self.markdown()),
            "docs/CLIENTS.md is not what was seen; to write it: \
             GIGAWAMP_WRITE_DOCS=1 cargo test --test interop features"
        );
    }
}

impl Column {
    fn outcome(&self, feature: &str) -> Outcome {
        self.lines.get(feature).map_or(Outcome::Failed, |line| line.outcome)
    }
}

/// Characters that the columns of a client take.
fn width(client: Client, columns: &[Column]) -> usize {
    client.name().len().max(2 * columns.len() - 1)
}

/// What a client has of `feature`; with the serializers, if it is not the same in all.
fn cell(feature: &str, columns: &[Column]) -> String {
    let mut serializers = BTreeMap::<_, Vec<_>>::new();
    for column in columns {
        serializers.entry(column.outcome(feature).word()).or_default().push(column.serializer);
    }
    if serializers.len() == 1 {
        return serializers.into_keys().collect();
    }
    let cells = serializers.iter().map(|(word, of)| format!("{word} ({})", of.join(", ")));
    cells.collect::<Vec<_>>().join("; ")
}

const HEAD: &str = "\
# Clients

What maintained clients can do with this router. Each exercises what it implements between sessions
of its own, over WebSocket and in every serializer it has: *yes*, it works; *part*, the client has
part of it, which works; *no*, the client lacks it. The last two are no features of the
specification: batched WebSocket, and several sessions on one connection, one after another.

This file is made by `GIGAWAMP_WRITE_DOCS=1 cargo test --test interop features` and checked by the
same test without the variable, which prints the table by serializer (`-- --nocapture`).

| |";
