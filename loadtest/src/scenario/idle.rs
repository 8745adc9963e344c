//! Sessions that do nothing but be there, and sessions that come and go: what they cost in memory.

use std::time::Duration;

use crate::engine::{Engine, Outboxes, Phase, Script};
use crate::report::{Recorder, Report, Stopwatch};
use crate::rig::Rig;
use crate::session::Session;
use crate::{Trouble, process};

/// Opens sessions, holds them, and says what each cost the router.
///
/// # Errors
///
/// If one is refused, or does not last.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let sessions = rig.options.sessions;
    let mut report = Report::default();
    // The first sessions pay for what all share.
    let first = open(rig, FIRST_SESSIONS.min(sessions))?;
    let before = memory(rig);
    let watch = Stopwatch::start();
    let rest = open(rig, sessions - first.len())?;
    let per_second = rest.len() as f64 / watch.elapsed().as_secs_f64();
    report.figures.push(("sessions opened per second, one by one".into(), per_second));
    let counted = rest.len();
    let mut engine = Engine::new()?;
    for session in first.into_iter().chain(rest) {
        engine.add_session(session, rig.framing())?;
    }
    engine.run(&mut Idle::default(), &rig.plan())?;
    match before.zip(memory(rig)) {
        Some((before, after)) if counted > 0 => {
            let each = (after as f64 - before as f64) / counted as f64;
            report.figures.push(("router memory (MiB)".into(), after as f64 / 1_048_576.0));
            report.figures.push(("router memory per idle session (octets)".into(), each));
        }
        _ => report.remarks.push(NO_PROCESS.to_owned()),
    }
    report.remarks.push(format!("all {sessions} sessions lasted"));
    Ok(report)
}

/// Opens sessions with a subscription and a registration each, drops them all without a goodbye,
/// again and again, and says what remains.
///
/// # Errors
///
/// If one is refused.
pub fn churn(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let options = rig.options;
    let mut report = Report::default();
    let mut remains = Vec::new();
    let watch = Stopwatch::start();
    for cycle in 1..=options.cycles {
        let mut sessions = open(rig, options.sessions)?;
        for (number, session) in sessions.iter_mut().enumerate() {
            session.subscribe(&format!("load.churn.t{number}"))?;
            session.register(&format!("load.churn.p{number}"))?;
        }
        for session in sessions {
            session.into_parts().0.reset()?;
        }
        // What was dropped must be noticed: only then may the same procedures be offered again.
        std::thread::sleep(SETTLING);
        if let Some(bytes) = memory(rig) {
            let name = format!("router memory after cycle {cycle} (MiB)");
            report.figures.push((name, bytes as f64 / 1_048_576.0));
            remains.push(bytes as f64);
        }
    }
    let opened = (options.sessions * options.cycles) as f64;
    let seconds = watch.elapsed().as_secs_f64();
    report
        .figures
        .push(("sessions opened and dropped per second, one by one".into(), opened / seconds));
    match (remains.first(), remains.last()) {
        (Some(first), Some(last)) if remains.len() > 1 => {
            let later = (options.sessions * (options.cycles - 1)) as f64;
            let name = "router memory kept per dropped session (octets)";
            report.figures.push((name.into(), (last - first) / later));
        }
        _ => report.remarks.push(NO_PROCESS.to_owned()),
    }
    Ok(report)
}

/// The script of sessions that have nothing to say and nothing to hear.
#[derive(Debug, Default)]
struct Idle {
    recorder: Recorder,
}

impl Script for Idle {
    fn hear(
        &mut self,
        link: usize,
        message: &[u8],
        _: u64,
        _: &mut Outboxes,
    ) -> Result<(), Trouble> {
        let count = message.len();
        Err(Trouble::Wrong(format!("idle session {link} got a message of {count} octets")))
    }

    fn turn(&mut self, _: u64, _: &mut Outboxes) -> u64 {
        u64::MAX
    }

    fn enter(&mut self, _: Phase, _: u64) {}

    fn is_settled(&self) -> bool {
        true
    }

    fn owed(&self) -> String {
        String::new()
    }

    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }
}

/// Sessions that are opened before memory is first looked at.
const FIRST_SESSIONS: usize = 100;

/// How long the router may take to notice that sessions were dropped.
const SETTLING: Duration = Duration::from_millis(500);

const NO_PROCESS: &str = "memory: not known (--router or --router-pid says whose; churn: 2 cycles)";

fn open(rig: &Rig<'_>, count: usize) -> Result<Vec<Session>, Trouble> {
    (0..count).map(|_| rig.open()).collect()
}

fn memory(rig: &Rig<'_>) -> Option<u64> {
    process::resident_bytes(rig.router_pid()?)
}
