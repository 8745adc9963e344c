//! The router that a group of cases is played against, and what is watched meanwhile.

use std::time::{Duration, Instant};

use gigawamp::wire::Framing;

use crate::authentication::SECRETS;
use crate::case::{Case, Group, Verdict, is_full};
use crate::healthy::Healthy;
use crate::peer::Peer;
use crate::program::{PATIENCE, Router, drivers};

/// Rounds that healthy clients must get through behind every case.
const ROUNDS_AFTER: u64 = 3;

/// Lines that the log of a group may have: it does not grow with what is done to the router.
const LINES_MAX: usize = 200;

/// A router at work, and healthy clients.
pub(crate) struct Ground {
    router: Router,
    healthy: Healthy,
    /// Where it listens, as `127.0.0.1:8080`.
    pub(crate) address: String,
}

impl Ground {
    /// Starts the router of group `number`; they take turns with the drivers there are.
    pub(crate) fn prepare(number: usize, group: &Group) -> Self {
        let driver = drivers()[number % drivers().len()];
        // What stands before the first table belongs to the top level.
        let (top, tables) = group.tables.split_at(group.tables.find('[').unwrap_or(0));
        let text = format!(
            "io = \"{driver}\"\nshards = 2\nshutdown_timeout = \"2m\"\n{top}\n\
             [[realms]]\nname = \"realm1\"\n\
             [[listeners]]\naddress = \"127.0.0.1:0\"\n{tables}\n"
        );
        let router = Router::start(&format!("security-{}", group.name), &text);
        let address = router.address("ws://");
        let healthy = Healthy::begin(&address);
        // What the router needs for its first clients is none of what a case makes it need.
        healthy.rounds(ROUNDS_AFTER).expect("a router that nothing was done to serves");
        Self { router, healthy, address }
    }

    /// A client with an open session in `realm1`.
    pub(crate) fn peer(&self, framing: Framing) -> Peer {
        let mut peer = Peer::tcp(&self.address, framing);
        peer.join("realm1");
        peer
    }

    /// Where else it listens: what stands behind `text` in its log.
    pub(crate) fn address_after(&self, text: &str) -> String {
        self.router.address(text)
    }

    /// How many sockets the router listens at.
    pub(crate) fn listening_count(&self) -> usize {
        self.router.listening_count()
    }

    /// `short` in an ordinary run, `full` in one at full length.
    pub(crate) fn or_full(&self, short: u64, full: u64) -> u64 {
        if is_full() { full } else { short }
    }

    /// Octets of memory that the router has now.
    pub(crate) fn memory(&self) -> u64 {
        self.router.memory().0
    }

    /// By how many octets the router grows at most during `work`.
    pub(crate) fn growth(&self, work: impl FnOnce() -> Result<(), String>) -> Result<u64, String> {
        self.router.forget_peak();
        let before = self.router.memory().0;
        work()?;
        Ok(self.router.memory().1.saturating_sub(before))
    }

    /// The most octets of memory that the router has during `work`.
    pub(crate) fn peak(&self, work: impl FnOnce() -> Result<(), String>) -> Result<u64, String> {
        self.router.forget_peak();
        work()?;
        Ok(self.router.memory().1)
    }

    /// How many files and sockets the router has open.
    pub(crate) fn descriptors_count(&self) -> usize {
        self.router.descriptors_count()
    }

    /// Waits until the router has no more than `count` of them.
    pub(crate) fn await_descriptors(&self, count: usize) -> Result<(), String> {
        let since = Instant::now();
        while self.router.descriptors_count() > count {
            if since.elapsed() > PATIENCE {
                let left = self.router.descriptors_count() - count;
                return Err(format!("{left} descriptors stay open"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Plays a case; what was observed, and whether everything around it is as it should be.
    pub(crate) fn watch(&self, case: &Case) -> Verdict {
        let descriptors = self.router.descriptors_count();
        self.router.forget_peak();
        let before = self.router.memory().0;
        let observed = (case.run)(self)?;
        self.healthy.rounds(ROUNDS_AFTER)?;
        let peak = self.router.memory().1;
        if peak > before + case.growth_max {
            let (grown, most) = ((peak - before) >> 10, case.growth_max >> 10);
            return Err(format!("{observed}; but the router grew by {grown} KiB, not {most}"));
        }
        let settled = self.await_descriptors(descriptors);
        settled.map_err(|why| format!("{observed}; but {why}"))?;
        Ok(format!("{observed} (+{} KiB)", peak.saturating_sub(before) >> 10))
    }

    /// Stops the router, which must have counted at least so many violations.
    pub(crate) fn leave(self, violations: u64) -> Verdict {
        let rounds = self.healthy.end()?;
        self.router.signal(nix::sys::signal::Signal::SIGTERM);
        let (code, lines) = self.router.end();
        if code != Some(0) || lines.len() > LINES_MAX {
            return Err(format!("{code:?} after {} lines: {lines:#?}", lines.len()));
        }
        if let Some(line) = lines.iter().find(|line| SECRETS.iter().any(|it| line.contains(it))) {
            return Err(format!("a secret in {line:?}"));
        }
        let summary = lines.iter().rev().nth(1).expect("it sums up");
        let counted = counter(summary, "violations");
        if counted < violations {
            return Err(format!("{counted} violations were counted instead of {violations}"));
        }
        Ok(format!("{counted} violations counted, {} lines, {rounds} healthy rounds", lines.len()))
    }
}

/// What the line that sums up says of one counter.
fn counter(summary: &str, name: &str) -> u64 {
    let mut words =
        summary.split(' ').filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    words.next().unwrap_or_else(|| panic!("{name} in {summary}")).parse().unwrap()
}
