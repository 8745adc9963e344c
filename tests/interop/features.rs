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
pub(crate) const FEATURES: [&str; 27] = [
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
    "event_history",
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
    trust = [\"* features.trusted 3\"]\n\
    history = [\"features.history events=10\"]\n";

/// The realm that all share, for the configuration.
pub(crate) fn shared_realm() -> String {
    format!("[[realms]]\nname = \"{SHARED_REALM}\"\ndisclosure = \"always\"\n")
}

/// What the runs reported.
pub(crate) struct Table {
    makes: Vec<Make>,
    faults: Vec<String>,
}

/// A client over one transport.
struct Make {
    client: Client,
    transport: &'static str,
    columns: Vec<Column>,
}

/// What it reported with one serializer.
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
            // RawSocket differs from WebSocket in its frames alone.
            for transport in client.transports().iter().filter(|transport| **transport != "rs") {
                let left_to_it = client.chooses().then_some(&"default");
                for serializer in client.serializers(transport).iter().chain(left_to_it) {
                    let realm = format!("realm{}", runs.len() + 1);
                    let run = Run::new(client, transport, serializer, Role::Features);
                    runs.push(run.in_realm(&realm));
                }
            }
        }
        let reports = environment.run_all(address, &runs);
        server.stop();
        let mut table = Self { makes: Vec::new(), faults: Vec::new() };
        for (run, report) in runs.iter().zip(&reports) {
            table.add(run, report);
        }
        table
    }

    fn add(&mut self, run: &Run, report: &str) {
        let name = format!("{} {} {}", run.client.name(), run.transport, run.serializer);
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
        let (client, transport) = (run.client, run.transport);
        match self.makes.last_mut() {
            Some(make) if (make.client, make.transport) == (client, transport) => {
                make.columns.push(column);
            }
            _ => self.makes.push(Make { client, transport, columns: vec![column] }),
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
        for make in &self.makes {
            let letters = make.columns.iter().map(|column| &column.serializer[..1]);
            let (letters, width) = (letters.collect::<Vec<_>>().join(" "), make.width());
            let _ = write!(head[0], "  {:width$}", make.name());
            let _ = write!(head[1], "  {letters:width$}");
        }
        let mut text = format!("{}\n{}\n", head[0].trim_end(), head[1].trim_end());
        for feature in FEATURES {
            let mut row = format!("{feature:30}");
            for make in &self.makes {
                let marks = make.columns.iter().map(|column| column.outcome(feature).mark());
                let (marks, width) = (marks.collect::<Vec<_>>().join(" "), make.width());
                let _ = write!(row, "  {marks:width$}");
            }
            let _ = writeln!(text, "{}", row.trim_end());
        }
        text += "\n+ pass   / part: the client lacks the rest   - the client lacks it   ! FAILED\n\
                 d client's choice   j JSON   m MessagePack   c CBOR   u UBJSON\n";
        for make in &self.makes {
            let _ = writeln!(text, "\n{}", make.release());
            for (feature, outcome, reason) in make.reasons() {
                let _ = writeln!(text, "  {} {feature}: {reason}", outcome.mark());
            }
        }
        text
    }

    /// The same for `docs/CLIENTS.md`.
    fn markdown(&self) -> String {
        let mut text = HEAD.to_owned();
        for make in &self.makes {
            let _ = write!(text, " {} |", make.release());
        }
        text += "\n|---|";
        text += &"---|".repeat(self.makes.len());
        for feature in FEATURES {
            let _ = write!(text, "\n| `{feature}` |");
            for make in &self.makes {
                let _ = write!(text, " {} |", make.cell(feature));
            }
        }
        text += "\n\n## What they lack\n";
        for make in &self.makes {
            let _ = writeln!(text, "\n### {}\n", make.release());
            for (feature, outcome, reason) in make.reasons() {
                let _ = writeln!(text, "- `{feature}` ({}): {reason}", outcome.word());
            }
        }
        text
    }

    /// Compares `docs/CLIENTS.md` with what was seen, or writes it if told to; but for the part
    /// that is written by hand.
    pub(crate) fn check_document(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let (seen, by_hand) = text.split_at(text.find(BY_HAND).unwrap_or(text.len()));
        if std::env::var_os("GIGAWAMP_WRITE_DOCS").is_some() {
            return fs::write(path, self.markdown() + by_hand).unwrap();
        }
        assert!(
            seen == self.markdown(),
            "docs/CLIENTS.md is not what was seen; to write it: \
             GIGAWAMP_WRITE_DOCS=1 cargo test --test interop features"
        );
    }
}

impl Make {
    fn name(&self) -> String {
        match self.transport {
            "ws" => self.client.name().to_owned(),
            transport => format!("{} {transport}", self.client.name()),
        }
    }

    fn release(&self) -> String {
        match self.transport {
            "lp" => format!("{} over long-poll", self.client.release()),
            _ => self.client.release(),
        }
    }

    /// Characters that its columns take.
    fn width(&self) -> usize {
        self.name().len().max(2 * self.columns.len() - 1)
    }

    /// What it has of `feature`; with the serializers, if it is not the same in all.
    fn cell(&self, feature: &str) -> String {
        let mut serializers = BTreeMap::<_, Vec<_>>::new();
        for column in &self.columns {
            let word = column.outcome(feature).word();
            serializers.entry(word).or_default().push(column.serializer);
        }
        if serializers.len() == 1 {
            return serializers.into_keys().collect();
        }
        let cells = serializers.iter().map(|(word, of)| format!("{word} ({})", of.join(", ")));
        cells.collect::<Vec<_>>().join("; ")
    }

    /// Why it does not have features, each reason once.
    fn reasons(&self) -> Vec<(&'static str, Outcome, &str)> {
        let mut reasons = Vec::new();
        for feature in FEATURES {
            for line in self.columns.iter().filter_map(|column| column.lines.get(feature)) {
                let reason = (feature, line.outcome, line.reason.as_str());
                let lacking = matches!(line.outcome, Outcome::Partial | Outcome::Lacking);
                if lacking && !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }
}

impl Column {
    fn outcome(&self, feature: &str) -> Outcome {
        self.lines.get(feature).map_or(Outcome::Failed, |line| line.outcome)
    }
}

/// Where the part of the document begins that is written by hand.
const BY_HAND: &str = "\n## Authentication\n";

const HEAD: &str = "\
# Clients

What maintained clients can do with this router. Each exercises what it implements between sessions
of its own, over WebSocket (and long-poll, where it has that) and in every serializer it has: *yes*,
it works; *part*, the client has part of it, which works; *no*, the client lacks it. The last two
are no features of the specification: batched WebSocket, and several sessions on one connection, one
after another.

All but [Authentication](#authentication) is made by `GIGAWAMP_WRITE_DOCS=1 cargo test --test
interop features` and checked by the same test without the variable, which prints the table by
serializer (`-- --nocapture`).

| |";
