//! What it costs to cross from one shard to another: calls whose caller and callee share a shard,
//! then calls whose do not.
//!
//! Which shard a session lives on shows in its id: the remainder by the number of shards.

use crate::Trouble;
use crate::engine::Engine;
use crate::report::{Report, Row};
use crate::rig::Rig;
use crate::scenario::rpc::{Rpc, Words, procedure};
use crate::session::Session;

/// Measures the router's CPU time per call, on one shard and across two.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong; and if the router has fewer than two shards.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let shards = rig.options.router_shards as u64;
    if shards < 2 {
        return Err(Trouble::Usage("crossing: wants --router-shards 2 or more".to_owned()));
    }
    let mut report = Report::default();
    for (name, distance) in [("same shard", 0), ("across", 1)] {
        let mut engine = Engine::new()?;
        for number in 0..rig.options.callees {
            let mut callee = open(rig, 0, shards)?;
            callee.register(&procedure(number))?;
            engine.add_session(callee, rig.framing())?;
        }
        for _ in 0..rig.options.callers {
            engine.add_session(open(rig, distance, shards)?, rig.framing())?;
        }
        let mut script = Rpc::new(rig.options, Words::wamp(rig.options));
        let row = engine.run(&mut script, &rig.plan())?;
        report.rows.push(Row { name: name.to_owned(), unit: "calls", ..row });
    }
    report.compare(1, 0);
    if let [Some(same), Some(across)] = [0, 1].map(|row: usize| report.rows[row].server_nanos()) {
        report.figures.push(("across / same shard: router CPU per call".into(), across / same));
    }
    Ok(report)
}

/// A session on the shard of that number. Others are opened and closed until one is there: the
/// router gives each new connection to the shard that has the fewest.
fn open(rig: &Rig<'_>, shard: u64, shards: u64) -> Result<Session, Trouble> {
    let mut others = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let session = rig.open()?;
        if session.id() % shards == shard {
            return Ok(session);
        }
        others.push(session);
    }
    Err(Trouble::Rig(format!("no session in {ATTEMPTS_MAX} came to shard {shard}")))
}

/// Sessions that are opened to find one on a given shard.
const ATTEMPTS_MAX: usize = 256;
