//! Calls: callers to callees and back, and one call in flight beside a flooder.
//!
//! Caller number *i* calls the procedure of callee *i* modulo callees. A callee answers at once
//! with what it was sent. Links: callees first, then callers, then the flooder.

use gigawamp::message::{Call, Invocation, Message, Result as CallResult, Yield};
use gigawamp::wire::Serializer;

use crate::Trouble;
use crate::cli::{Flood, Options};
use crate::engine::{Engine, Outboxes, Phase, Script};
use crate::ledger::{Requests, Sequence, wrong};
use crate::net::Address;
use crate::pace::Pace;
use crate::relay::{FrameSizes, Mode, Role, join};
use crate::report::{Recorder, Report, Row};
use crate::rig::Rig;
use crate::scenario::flooder::Flooder;
use crate::session::Session;
use crate::speech::{Scanner, Template};
use crate::stamp::Stamp;

/// Measures calls: through the router, then beside a flooder and over a relay if asked to.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let options = rig.options;
    let mut report = Report::default();
    let mut engine = engine(rig)?;
    let mut rpc = Rpc::new(options, Words::wamp(options));
    report.rows.push(named(engine.run(&mut rpc, &rig.plan())?, "router"));
    let sizes = sizes(&engine, options);
    if let Some(flood) = options.flood {
        let link = engine.add_session(rig.open()?, rig.framing())?;
        let mut victims = Vec::new();
        match flood {
            Flood::Call => engine.mute(link)?,
            Flood::Publish => {}
            Flood::Meta => {
                for _ in 0..options.sessions {
                    victims.push(rig.open()?);
                }
            }
        }
        let ids = victims.iter().map(Session::id).collect::<Vec<_>>();
        rpc.flooder = Some(Flooder::new((link, number(options.callers)), flood, options, &ids));
        report.rows.push(named(engine.run(&mut rpc, &rig.plan())?, "flooded"));
        report.compare(1, 0);
        report.remarks.extend(rpc.flooder.map(|flooder| flooder.remark()));
    }
    drop(engine);
    if options.relay {
        let relay = rig.relay(Mode::Rpc, sizes)?;
        let plan = rig.plan_for(Some(relay.server.pid()));
        let mut engine = bare_engine(options, &relay.address, sizes)?;
        let mut rpc = Rpc::new(options, Words::bare(options, sizes));
        report.rows.push(named(engine.run(&mut rpc, &plan)?, "relay"));
        report.compare(0, report.rows.len() - 1);
    }
    Ok(report)
}

/// The connections of this scenario to the router: callees first, then callers.
///
/// # Errors
///
/// If the router refuses.
pub(super) fn engine(rig: &Rig<'_>) -> Result<Engine, Trouble> {
    let mut engine = Engine::new()?;
    for callee in 0..rig.options.callees {
        let mut session = rig.open()?;
        session.register(&procedure(callee))?;
        engine.add_session(session, rig.framing())?;
    }
    for _ in 0..rig.options.callers {
        engine.add_session(rig.open()?, rig.framing())?;
    }
    Ok(engine)
}

/// The connections of this scenario to a relay.
///
/// # Errors
///
/// If nobody is there.
pub fn bare_engine(
    options: &Options,
    address: &Address,
    sizes: FrameSizes,
) -> Result<Engine, Trouble> {
    let mut engine = Engine::new()?;
    for callee in 0..options.callees {
        engine.add_bare(join(address, Role::Callee, number(callee))?, sizes.there_out)?;
    }
    for caller in 0..options.callers {
        engine.add_bare(join(address, Role::Caller, number(caller))?, sizes.back_out)?;
    }
    Ok(engine)
}

/// How the messages of this scenario are written and read.
#[derive(Clone, Debug)]
pub struct Words {
    /// One for each callee.
    calls: Vec<Template>,
    answer: Template,
    invocation: Scanner,
    result: Scanner,
    has_ids: bool,
}

impl Words {
    /// In WAMP.
    #[must_use]
    pub fn wamp(options: &Options) -> Self {
        let (serializer, bytes) = (options.serializer, options.payload);
        let answer = Template::new(serializer, bytes, |request, payload| {
            Yield { request, options: Default::default(), payload }.into()
        });
        Self {
            calls: (0..options.callees).map(|callee| call(callee, serializer, bytes)).collect(),
            answer,
            invocation: Scanner::new(serializer, Invocation::CODE, bytes),
            result: Scanner::new(serializer, CallResult::CODE, bytes),
            has_ids: true,
        }
    }

    /// In frames of fixed size.
    #[must_use]
    pub fn bare(options: &Options, sizes: FrameSizes) -> Self {
        Self {
            calls: vec![Template::bare(sizes.there_in); options.callees],
            answer: Template::bare(sizes.back_in),
            invocation: Scanner::bare(true),
            result: Scanner::bare(true),
            has_ids: false,
        }
    }
}

/// The script.
#[derive(Debug)]
pub struct Rpc {
    words: Words,
    callees: usize,
    window: usize,
    rate: Option<u64>,
    /// What each caller asked.
    callers: Vec<Requests>,
    /// What reached the callees, by caller; the last is the flooder's.
    invoked: Vec<Sequence>,
    phase: Phase,
    is_primed: bool,
    pace: Option<Pace>,
    next_caller: usize,
    flooder: Option<Flooder>,
    recorder: Recorder,
}

impl Rpc {
    /// Before its first run.
    #[must_use]
    pub fn new(options: &Options, words: Words) -> Self {
        Self {
            words,
            callees: options.callees,
            window: options.window,
            rate: options.rate,
            callers: vec![Requests::default(); options.callers],
            invoked: vec![Sequence::default(); options.callers + 1],
            phase: Phase::Warmup,
            is_primed: false,
            pace: None,
            next_caller: 0,
            flooder: None,
            recorder: Recorder::default(),
        }
    }

    #[inline]
    fn call(&mut self, caller: usize, due: u64, out: &mut Outboxes) {
        let sequence = self.callers[caller].ask();
        let stamp = Stamp { source: number(caller), sequence, sent: due };
        let template = &self.words.calls[caller % self.callees];
        out.send(self.callees + caller, template, sequence, stamp);
    }

    fn on_invocation(
        &mut self,
        callee: usize,
        message: &[u8],
        out: &mut Outboxes,
    ) -> Result<(), Trouble> {
        let blame = |what: String| wrong("callee", callee, &what);
        let heard = self.words.invocation.scan(message);
        let heard = heard.map_err(|what| blame(format!("got {what}")))?;
        let caller = usize::from(heard.stamp.source);
        let Some(invoked) = self.invoked.get_mut(caller) else {
            return Err(blame(format!("was called by caller {caller}, which does not exist")));
        };
        // Calls of a flooder may be refused, and then are missing here.
        let taken = if caller == self.callers.len() {
            invoked.take_some(heard.stamp.sequence)
        } else {
            invoked.take(heard.stamp.sequence)
        };
        taken.map_err(|what| blame(format!("{what} (of caller {caller})")))?;
        out.send(callee, &self.words.answer, heard.id, heard.stamp);
        Ok(())
    }

    fn on_result(
        &mut self,
        caller: usize,
        message: &[u8],
        now: u64,
        out: &mut Outboxes,
    ) -> Result<(), Trouble> {
        let blame = |what: String| wrong("caller", caller, &what);
        let heard = self.words.result.scan(message);
        let heard = heard.map_err(|what| blame(format!("got {what}")))?;
        let stamp = heard.stamp;
        if usize::from(stamp.source) != caller {
            return Err(blame(format!("got the result of caller {}", stamp.source)));
        }
        if self.words.has_ids && heard.id != stamp.sequence {
            let (id, sequence) = (heard.id, stamp.sequence);
            return Err(blame(format!("got the result of request {sequence} for request {id}")));
        }
        self.callers[caller].answer(stamp.sequence).map_err(blame)?;
        self.recorder.note(now, stamp.sent);
        if self.rate.is_none() && self.phase != Phase::Drain {
            self.call(caller, now, out);
        }
        Ok(())
    }
}

impl Script for Rpc {
    #[inline]
    fn hear(
        &mut self,
        link: usize,
        message: &[u8],
        now: u64,
        out: &mut Outboxes,
    ) -> Result<(), Trouble> {
        if link < self.callees {
            return self.on_invocation(link, message, out);
        }
        match &mut self.flooder {
            Some(flooder) if flooder.link() == link => {
                let goes_on = self.phase != Phase::Drain;
                flooder.hear(message, goes_on.then_some(out))
            }
            _ => self.on_result(link - self.callees, message, now, out),
        }
    }

    fn turn(&mut self, now: u64, out: &mut Outboxes) -> u64 {
        if self.phase == Phase::Drain {
            return u64::MAX;
        }
        let mut next = u64::MAX;
        if let Some(mut pace) = self.pace {
            while self.callers[self.next_caller].open() < OPEN_MAX
                && let Some(due) = pace.take(now)
            {
                self.call(self.next_caller, due, out);
                self.next_caller = (self.next_caller + 1) % self.callers.len();
            }
            next = pace.next();
            self.pace = Some(pace);
        } else if !self.is_primed {
            self.is_primed = true;
            for caller in 0..self.callers.len() {
                for _ in 0..self.window {
                    self.call(caller, now, out);
                }
            }
        }
        let flooder = self.flooder.as_mut();
        let would_go_on = flooder.is_some_and(|flooder| flooder.flood(now, out));
        if would_go_on { now } else { next }
    }

    fn enter(&mut self, phase: Phase, now: u64) {
        self.phase = phase;
        if phase == Phase::Warmup {
            self.is_primed = false;
            self.pace = self.rate.map(|rate| Pace::new(now, rate));
        }
    }

    fn is_settled(&self) -> bool {
        self.callers.iter().all(|requests| requests.open() == 0)
    }

    fn owed(&self) -> String {
        let open = self.callers.iter().enumerate().filter(|(_, requests)| requests.open() > 0);
        let debts = open.map(|(caller, requests)| {
            let (open, made) = (requests.open(), requests.made());
            let first = requests.first_open();
            format!("{open} of {made} calls of caller {caller} (from {first} on) without an answer")
        });
        debts.take(3).collect::<Vec<_>>().join(", ")
    }

    fn ended(&mut self, link: usize, _: u64) -> Result<(), Trouble> {
        match &mut self.flooder {
            Some(flooder) if flooder.link() == link => {
                flooder.end();
                Ok(())
            }
            _ => Err(Trouble::Wrong(format!("the router ended connection {link}"))),
        }
    }

    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }
}

/// The procedure of `callee`.
#[must_use]
pub fn procedure(callee: usize) -> String {
    format!("load.rpc.{callee}")
}

/// A call of `callee`'s procedure.
#[must_use]
pub fn call(callee: usize, serializer: Serializer, payload_bytes: usize) -> Template {
    let name = procedure(callee);
    Template::new(serializer, payload_bytes, |request, payload| {
        let procedure = name.clone().into();
        Message::from(Call { request, options: Default::default(), procedure, payload })
    })
}

/// The sizes of this scenario's frames, as they were seen.
fn sizes(engine: &Engine, options: &Options) -> FrameSizes {
    let callees = engine.frame_bytes(0..options.callees);
    let callers = engine.frame_bytes(options.callees..options.callees + options.callers);
    FrameSizes {
        there_in: callers.sent,
        there_out: callees.got,
        back_in: callees.sent,
        back_out: callers.got,
    }
}

fn named(row: Row, name: &str) -> Row {
    Row { name: name.to_owned(), unit: "calls", ..row }
}

fn number(index: usize) -> u16 {
    u16::try_from(index).expect("the command line allows fewer")
}

/// Calls that one caller of an open loop has under way; routers refuse more than 1,024. Those that
/// are due meanwhile come later, and are late: their time runs from when they were due.
const OPEN_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::stamp::STAMP_BYTES;

    fn rpc() -> Rpc {
        let options = Options { callers: 2, ..Options::new(Scenario::Rpc) };
        let sizes = FrameSizes { there_in: 32, there_out: 32, back_in: 32, back_out: 32 };
        Rpc::new(&options, Words::bare(&options, sizes))
    }

    fn frame(source: u16, sequence: u64) -> [u8; STAMP_BYTES] {
        Stamp { source, sequence, sent: 0 }.to_text()
    }

    /// A script that asked twice for each caller, and what it says to a result.
    fn after_asking(link: usize, frame: &[u8]) -> Result<(), Trouble> {
        let mut rpc = rpc();
        rpc.phase = Phase::Drain;
        for requests in &mut rpc.callers {
            requests.ask();
            requests.ask();
        }
        let mut out = Outboxes::default();
        rpc.hear(link, frame, 0, &mut out)?;
        rpc.hear(link, frame, 0, &mut out)
    }

    #[test]
    fn results_must_match_their_caller_and_come_once() {
        let text = |result: Result<(), Trouble>| result.unwrap_err().to_string();
        assert!(text(after_asking(1, &frame(0, 1))).contains("second answer to request 1"));
        assert!(text(after_asking(1, &frame(0, 3))).contains("never made"));
        assert!(text(after_asking(1, &frame(1, 1))).contains("result of caller 1"));
        assert!(text(after_asking(1, &[0; 32])).contains("without a stamp"));
    }

    #[test]
    fn what_was_not_answered_is_named() {
        let mut rpc = rpc();
        rpc.callers[1].ask();
        assert!(!rpc.is_settled());
        assert!(rpc.owed().contains("1 of 1 calls of caller 1"));
    }
}
