//! Other routers, set up and measured beside this one: the same works, over the same transport and
//! serializer, on the same CPUs, in turn.
//!
//! Each is installed from its registry into a folder and kept there for the next time. Any other
//! router takes part by its URL; it has to be pinned by whoever started it.

mod install;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gigawamp::wire::{Framing, Serializer};
use serde_json::{Value, json};

use crate::cli::Options;
use crate::net::Target;
use crate::process::Server;
use crate::report::Row;
use crate::scenario::Scenario;
use crate::{Trouble, rig, sys};
use install::{PEERS, Peer};

/// What a comparison is told.
#[derive(Clone, Debug)]
pub struct PeersOptions {
    /// Our own router's binary; `None`: the one beside this program.
    pub router: Option<PathBuf>,
    /// Where peers are installed.
    pub folder: PathBuf,
    /// Another router that runs already, and the realm `realm1` on it for anonymous clients.
    pub url: Option<Target>,
    /// In which serializer that one is spoken to.
    pub serializer: Serializer,
    /// How long each measurement takes.
    pub duration: Duration,
    /// How often each is made; the median counts.
    pub repeat: usize,
    /// Only peers whose names contain this.
    pub only: String,
    /// Print JSON.
    pub json: bool,
}

impl Default for PeersOptions {
    fn default() -> Self {
        Self {
            router: None,
            folder: "target/peers".into(),
            url: None,
            serializer: Serializer::MessagePack,
            duration: Duration::from_secs(3),
            repeat: 3,
            only: String::new(),
            json: false,
        }
    }
}

/// A work that every router does.
#[derive(Debug)]
struct Work {
    name: &'static str,
    scenario: Scenario,
    window: usize,
    subscribers: usize,
}

/// The works, in the order of the table.
const WORKS: [Work; 5] = [
    Work { name: "RPC 16→1, window 4", scenario: Scenario::Rpc, window: 4, subscribers: 0 },
    Work { name: "RPC 16→1, window 64", scenario: Scenario::Rpc, window: 64, subscribers: 0 },
    Work { name: "PubSub 1→1", scenario: Scenario::Fanout, window: 64, subscribers: 1 },
    Work { name: "PubSub 1→100", scenario: Scenario::Fanout, window: 64, subscribers: 100 },
    Work { name: "PubSub 1→1000", scenario: Scenario::Fanout, window: 64, subscribers: 1_000 },
];

/// How one router is reached for a measurement.
struct Contestant {
    name: String,
    target: Target,
    serializer: Serializer,
    /// Ends with the measurement.
    _server: Option<Server>,
}

/// What two routers did of one work.
struct Finding {
    peer: String,
    work: &'static str,
    ours: Row,
    theirs: Result<Row, String>,
}

/// Measures all peers and ourselves.
///
/// # Errors
///
/// If a peer cannot be installed or started, or our own router failed. A peer that loses messages
/// or ends connections is reported as such and is no error.
pub fn run(options: &PeersOptions) -> Result<String, Trouble> {
    sys::raise_open_files()?;
    let cpus = sys::affinity()?;
    let mut findings = Vec::new();
    for peer in PEERS.iter().filter(|peer| peer.name.contains(&options.only)) {
        eprintln!("setting up {} {}", peer.name, peer.version);
        peer.install(&options.folder)?;
        for work in &WORKS {
            let start = || start(peer, &options.folder, &cpus);
            findings.push(compare(work, options, &cpus, start)?);
        }
    }
    if let Some(target) = &options.url {
        for work in &WORKS {
            let given = || {
                let (name, target) = (target.to_string(), target.clone());
                Ok(Contestant { name, target, serializer: options.serializer, _server: None })
            };
            findings.push(compare(work, options, &cpus, given)?);
        }
    }
    Ok(if options.json { format!("{:#}\n", to_json(&findings)) } else { to_table(&findings) })
}

/// One work, done by a peer and by us in turn, so that both meet the same minutes.
fn compare(
    work: &'static Work,
    options: &PeersOptions,
    cpus: &[usize],
    start: impl Fn() -> Result<Contestant, Trouble>,
) -> Result<Finding, Trouble> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut peer, mut wrong) = (String::new(), None);
    for round in 1..=options.repeat {
        let contestant = start()?;
        eprintln!("{round}/{}  {}: {}", options.repeat, contestant.name, work.name);
        let (target, serializer) = (&contestant.target, contestant.serializer);
        let mut plan = plan(work, options, target, serializer);
        plan.pin_load = cpus.get(1).copied();
        match work.scenario.run(&plan) {
            Ok(mut report) => theirs.push(report.rows.swap_remove(0)),
            Err(trouble) => wrong = Some(trouble.to_string()),
        }
        let framing = (target.framing, target.path.clone());
        peer.clone_from(&contestant.name);
        drop(contestant);
        let mut plan = Options { pin_load: None, ..plan };
        plan.url = Target { framing: framing.0, path: framing.1, ..rig::default_url(true) };
        if plan.url.framing != Framing::RawSocket {
            "/ws".clone_into(&mut plan.url.path);
        }
        plan.router = Some(router(options)?);
        ours.push(work.scenario.run(&plan)?.rows.swap_remove(0));
    }
    let theirs = match wrong {
        Some(text) => Err(text),
        None => Ok(median(theirs)),
    };
    Ok(Finding { peer, work: work.name, ours: median(ours), theirs })
}

fn plan(work: &Work, options: &PeersOptions, target: &Target, serializer: Serializer) -> Options {
    let mut plan = Options::new(work.scenario);
    plan.url = target.clone();
    plan.serializer = serializer;
    plan.window = work.window;
    plan.subscribers = work.subscribers;
    plan.duration = options.duration;
    plan
}

/// The measurement in the middle, by rate. There is at least one.
fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    rows.swap_remove(rows.len() / 2)
}

/// Starts `peer` on the CPU that ours would have.
fn start(peer: &Peer, folder: &Path, cpus: &[usize]) -> Result<Contestant, Trouble> {
    let target = peer.target()?;
    let mut command = peer.command(folder, &target)?;
    let cpus = cpus.get(..1).unwrap_or_default();
    let log = folder.join(format!("{}.log", peer.name));
    let server = Server::foreign(&mut command, &target, cpus, &log)?;
    let name = format!("{} {}", peer.name, peer.version);
    Ok(Contestant { name, target, serializer: peer.serializer, _server: Some(server) })
}

fn router(options: &PeersOptions) -> Result<PathBuf, Trouble> {
    crate::survey::router(options.router.as_deref())
}

fn to_json(findings: &[Finding]) -> Value {
    let rows = findings.iter().map(|finding| {
        let theirs = finding.theirs.as_ref();
        json!({
            "peer": finding.peer,
            "work": finding.work,
            "ours": finding.ours.json(),
            "theirs": theirs.map_or_else(|text| json!({ "failed": text }), Row::json),
            "ratio": theirs.ok().map(|theirs| finding.ours.rate() / theirs.rate()),
        })
    });
    Value::Array(rows.collect())
}

fn to_table(findings: &[Finding]) -> String {
    let mut out = format!(
        "{:22} {:22} {:>12} {:>12} {:>8} {:>8}\n",
        "peer", "work", "its/s", "ours/s", "ratio", "p99"
    );
    for Finding { peer, work, ours, theirs } in findings {
        let _ = match theirs {
            Err(text) => writeln!(out, "{peer:22} {work:22} failed: {text}"),
            Ok(theirs) => {
                let p99 = |row: &Row| row.latency.map_or(f64::NAN, |it| it.quantiles[2] as f64);
                writeln!(
                    out,
                    "{peer:22} {work:22} {:>12.0} {:>12.0} {:>8.1} {:>8.3}",
                    theirs.rate(),
                    ours.rate(),
                    ours.rate() / theirs.rate(),
                    p99(ours) / p99(theirs),
                )
            }
        };
    }
    out.push_str("\nratio: ours by theirs; p99: our latency by theirs\n");
    out
}
