//! A mixed attack beside clients that mean well.
//!
//! Calls and events go on at a rate while attackers, each a thread of its own, do to the router
//! what they can: see [`attackers`]. The clients are measured before and meanwhile, and lose
//! nothing, or the run fails. What becomes of the router's memory is watched all the time.

mod attackers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::engine::{Engine, Plan};
use crate::net::Address;
use crate::report::{Report, Row};
use crate::rig::Rig;
use crate::scenario::{pubsub, rpc};
use crate::{Trouble, process};

use attackers::Ledger;

/// What is done to the clients: their connections and their scripts.
struct Clients {
    calls: (Engine, rpc::Rpc),
    events: (Engine, pubsub::PubSub),
}

impl Clients {
    fn open(rig: &Rig<'_>) -> Result<Self, Trouble> {
        let options = rig.options;
        Ok(Self {
            calls: (rpc::engine(rig)?, rpc::Rpc::new(options, rpc::Words::wamp(options))),
            events: (
                pubsub::engine(rig)?,
                pubsub::PubSub::new(options, pubsub::Words::wamp(options)),
            ),
        })
    }

    /// Calls and publishes for as long as `plan` says; one row for each.
    fn work(&mut self, plan: &Plan, name: &str) -> Result<[Row; 2], Trouble> {
        let Self { calls, events } = self;
        let named =
            |row: Row, what: &str, unit| Row { name: format!("{what} {name}"), unit, ..row };
        thread::scope(|scope| {
            let events = scope.spawn(|| events.0.run(&mut events.1, plan));
            let called = calls.0.run(&mut calls.1, plan);
            let heard = events.join().expect("an engine returns its errors");
            Ok([named(called?, "calls", "calls"), named(heard?, "events", "events")])
        })
    }
}

/// Measures the clients alone, under attack, and alone again.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong: the clients must lose nothing.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let Address::Tcp(host) = &rig.door.target.address else {
        return Err(Trouble::Usage("attackers come over TCP".to_owned()));
    };
    let mut clients = Clients::open(rig)?;
    let mut report = Report::default();
    let plan = rig.plan();
    // Long enough to tell, short beside what it is compared with.
    let quiet = Plan { duration: plan.duration.min(QUIET_MAX), ..plan };
    let memory = || rig.router_pid().and_then(process::resident_bytes);
    report.rows.extend(clients.work(&quiet, "before")?);
    let before = memory();
    let (ledger, is_over) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
    let most = AtomicU64::new(0);
    let attacked = thread::scope(|scope| {
        for attack in attackers::ALL {
            let (ledger, is_over) = (Arc::clone(&ledger), Arc::clone(&is_over));
            scope.spawn(move || attack.go_on(host, &ledger, &is_over));
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(memory().unwrap_or_default(), Ordering::Relaxed);
                thread::sleep(SAMPLING);
            }
        });
        let attacked = clients.work(&plan, "attacked");
        is_over.store(true, Ordering::Relaxed);
        attacked
    });
    report.rows.extend(attacked?);
    // The router notices one after the other that its attackers have gone.
    thread::sleep(SETTLING);
    report.rows.extend(clients.work(&quiet, "after")?);
    for (attacked, before) in [(2, 0), (3, 1)] {
        report.compare(attacked, before);
    }
    if let (Some(before), Some(after)) = (before, memory()) {
        for (name, octets) in [("before", before), ("at most", most.into_inner()), ("after", after)]
        {
            let name = format!("router memory {name} (MiB)");
            report.figures.push((name, octets as f64 / f64::from(1 << 20)));
        }
    }
    report.remarks.extend(ledger.remarks());
    Ok(report)
}

/// The longest that the clients are measured without attackers.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// How often the router's memory is looked at.
const SAMPLING: Duration = Duration::from_millis(50);

/// What the router gets to notice that all attackers have gone.
const SETTLING: Duration = Duration::from_secs(2);
