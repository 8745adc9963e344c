//! Events: publishers to subscribers of one topic; beside other subscriptions, and beside a
//! subscriber that stops reading.
//!
//! Without a rate, a publisher has a window of acknowledged publications under way; with one, it
//! asks for no acknowledgement. Links: subscribers first, then publishers, then the stuck one.

use std::time::Duration;

use gigawamp::message::{Event, MatchPolicy, Message, Publish, PublishOptions, Published};

use crate::cli::Options;
use crate::engine::{Engine, Outboxes, Phase, Script};
use crate::ledger::{Requests, Sequence, wrong};
use crate::net::Address;
use crate::pace::Pace;
use crate::relay::{FrameSizes, Mode, Role, join};
use crate::report::{Recorder, Report, Row};
use crate::rig::Rig;
use crate::session::Session;
use crate::speech::{Scanner, Template};
use crate::stamp::Stamp;
use crate::{Trouble, clock, process};

/// Measures fan-out or fan-in: through the router, then over a relay if asked to.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let mut report = Report::default();
    let mut engine = engine(rig)?;
    let mut script = PubSub::new(rig.options, Words::wamp(rig.options));
    report.rows.push(named(engine.run(&mut script, &rig.plan())?, "router"));
    let sizes = sizes(&engine, rig.options);
    drop(engine);
    compare_with_relay(rig, sizes, &mut report)?;
    Ok(report)
}

/// Measures fan-out without, beside, and after many other subscriptions.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong.
pub fn patterns(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let options = rig.options;
    let mut report = Report::default();
    let mut engine = engine(rig)?;
    let mut script = PubSub::new(options, Words::wamp(options));
    report.rows.push(named(engine.run(&mut script, &rig.plan())?, "alone"));
    let memory = || rig.router_pid().and_then(process::resident_bytes);
    let before = memory();
    let holders = hold_others(rig)?;
    report.rows.push(named(engine.run(&mut script, &rig.plan())?, "beside"));
    report.compare(1, 0);
    let beside = memory();
    for holder in holders {
        holder.into_parts().0.reset()?;
    }
    // Memory goes back once the router has noticed, and nobody reads the index any more.
    std::thread::sleep(SETTLING);
    report.rows.push(named(engine.run(&mut script, &rig.plan())?, "after"));
    report.compare(2, 0);
    if let (Some(before), Some(beside), Some(after)) = (before, beside, memory()) {
        let others = options.exact + options.prefix + options.wildcard;
        let each = (beside.saturating_sub(before)) as f64 / others.max(1) as f64;
        report.figures.extend([
            ("router memory before (MiB)".to_owned(), mebibytes(before)),
            ("router memory beside (MiB)".to_owned(), mebibytes(beside)),
            ("router memory after (MiB)".to_owned(), mebibytes(after)),
            ("router memory per other subscription (octets)".to_owned(), each),
        ]);
    }
    let (exact, prefix, wildcard) = (options.exact, options.prefix, options.wildcard);
    let remark = format!("beside {exact} exact, {prefix} prefix and {wildcard} wildcard others");
    report.remarks.push(remark);
    Ok(report)
}

/// Sessions that hold all the other subscriptions that were asked for.
fn hold_others(rig: &Rig<'_>) -> Result<Vec<Session>, Trouble> {
    let options = rig.options;
    let mut others = Vec::new();
    for (count, policy) in [
        (options.exact, MatchPolicy::Exact),
        (options.prefix, MatchPolicy::Prefix),
        (options.wildcard, MatchPolicy::Wildcard),
    ] {
        others.extend((0..count).map(|number| (policy, beside(policy, number))));
    }
    let mut holders = Vec::new();
    for some in others.chunks(SUBSCRIPTIONS_PER_HOLDER) {
        let mut holder = rig.open()?;
        holder.subscribe_all(some)?;
        holders.push(holder);
    }
    Ok(holders)
}

/// Measures fan-out beside a subscriber that stops reading.
///
/// # Errors
///
/// Whatever went wrong, or was found wrong: the healthy ones must lose nothing, and the stuck one
/// nothing silently.
pub fn slow(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let options = rig.options;
    let mut report = Report::default();
    let mut engine = engine(rig)?;
    let mut stuck = rig.open()?;
    stuck.subscribe(TOPIC)?;
    let link = engine.add_session(stuck, rig.framing())?;
    engine.mute(link)?;
    let mut script = PubSub::new(options, Words::wamp(options));
    script.stuck = Some(Stuck { link, ended: None });
    let (before, start) = (rig.router_pid().and_then(process::resident_bytes), clock::now());
    report.rows.push(named(engine.run(&mut script, &rig.plan())?, "healthy"));
    if let Some(ended) = script.stuck.and_then(|stuck| stuck.ended) {
        let after = (ended - start) as f64 / 1e9;
        report.figures.push(("stuck session was ended after (s)".into(), after));
    }
    let after = rig.router_pid().and_then(process::resident_bytes_max);
    if let Some((before, after)) = before.zip(after) {
        report.figures.push(("router memory before (MiB)".into(), mebibytes(before)));
        report.figures.push(("router memory at most (MiB)".into(), mebibytes(after)));
    }
    if let Some(stuck) = engine.take(link, rig.serializer())? {
        report.remarks.push(leftovers(stuck, &script)?);
    }
    Ok(report)
}

/// Reads what a stuck subscriber was sent: events without a gap, then the end, if it was ended.
fn leftovers(mut stuck: Session, script: &PubSub) -> Result<String, Trouble> {
    let mut seen = vec![Sequence::default(); script.sent.len()];
    let mut last_word = String::new();
    let end = loop {
        let message = match stuck.receive() {
            Ok(message) => message,
            Err(trouble) => break trouble.to_string(),
        };
        let heard = match script.words.event.scan(&message) {
            Ok(heard) => heard,
            Err(what) => {
                last_word = format!(", then {what}");
                continue;
            }
        };
        let publisher = usize::from(heard.stamp.source);
        let sequence = seen.get_mut(publisher).map(|seen| seen.take(heard.stamp.sequence));
        match sequence {
            Some(Ok(())) => {}
            Some(Err(what)) => return Err(Trouble::Wrong(format!("the stuck subscriber {what}"))),
            None => return Err(Trouble::Wrong("an event of nobody".to_owned())),
        }
        if seen.iter().zip(&script.sent).all(|(seen, sent)| seen.count() == *sent) {
            break "it got all there were".to_owned();
        }
    };
    let count: u64 = seen.iter().map(Sequence::count).sum();
    Ok(format!("stuck subscriber: {count} events without a gap{last_word}; {end}"))
}

/// The connections of this scenario to the router.
pub(super) fn engine(rig: &Rig<'_>) -> Result<Engine, Trouble> {
    let mut engine = Engine::new()?;
    for _ in 0..rig.options.subscribers {
        let mut session = rig.open()?;
        session.subscribe(TOPIC)?;
        engine.add_session(session, rig.framing())?;
    }
    for _ in 0..rig.options.publishers {
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
    for subscriber in 0..options.subscribers {
        let index = u16::try_from(subscriber).unwrap_or(u16::MAX);
        engine.add_bare(join(address, Role::Subscriber, index)?, sizes.there_out)?;
    }
    for publisher in 0..options.publishers {
        let socket = join(address, Role::Publisher, number(publisher))?;
        engine.add_bare(socket, sizes.back_out.max(1))?;
    }
    Ok(engine)
}

/// How the messages of this scenario are written and read.
#[derive(Clone, Debug)]
pub struct Words {
    publish: Template,
    event: Scanner,
    published: Scanner,
    has_ids: bool,
}

impl Words {
    /// In WAMP.
    #[must_use]
    pub fn wamp(options: &Options) -> Self {
        let (serializer, bytes) = (options.serializer, options.payload);
        let acknowledge = options.rate.is_none().then_some(true);
        let publish = Template::new(serializer, bytes, |request, payload| {
            let options = PublishOptions { acknowledge, ..PublishOptions::default() };
            Message::from(Publish { request, options, topic: TOPIC.into(), payload })
        });
        Self {
            publish,
            event: Scanner::new(serializer, Event::CODE, bytes),
            published: Scanner::new(serializer, Published::CODE, 0),
            has_ids: true,
        }
    }

    /// In frames of fixed size.
    #[must_use]
    pub fn bare(sizes: FrameSizes) -> Self {
        Self {
            publish: Template::bare(sizes.there_in),
            event: Scanner::bare(true),
            published: Scanner::bare(false),
            has_ids: false,
        }
    }
}

/// The script.
#[derive(Debug)]
pub struct PubSub {
    words: Words,
    subscribers: usize,
    window: usize,
    rate: Option<u64>,
    /// How many each publisher sent.
    sent: Vec<u64>,
    /// What each publisher wants acknowledged.
    unacknowledged: Vec<Requests>,
    /// What came, by subscriber and publisher.
    seen: Vec<Sequence>,
    /// How many came in all, over all runs.
    delivered: u64,
    phase: Phase,
    is_primed: bool,
    pace: Option<Pace>,
    next_publisher: usize,
    stuck: Option<Stuck>,
    recorder: Recorder,
}

/// A subscriber that reads nothing.
#[derive(Clone, Copy, Debug)]
struct Stuck {
    link: usize,
    ended: Option<u64>,
}

impl PubSub {
    /// Before its first run.
    #[must_use]
    pub fn new(options: &Options, words: Words) -> Self {
        Self {
            words,
            subscribers: options.subscribers,
            window: options.window,
            rate: options.rate,
            sent: vec![0; options.publishers],
            unacknowledged: vec![Requests::default(); options.publishers],
            seen: vec![Sequence::default(); options.publishers * options.subscribers],
            delivered: 0,
            phase: Phase::Warmup,
            is_primed: false,
            pace: None,
            next_publisher: 0,
            stuck: None,
            recorder: Recorder::default(),
        }
    }

    #[inline]
    fn publish(&mut self, publisher: usize, due: u64, out: &mut Outboxes) {
        self.sent[publisher] += 1;
        let sequence = self.sent[publisher];
        if self.rate.is_none() {
            self.unacknowledged[publisher].ask();
        }
        let stamp = Stamp { source: number(publisher), sequence, sent: due };
        out.send(self.subscribers + publisher, &self.words.publish, sequence, stamp);
    }

    #[inline]
    fn on_event(&mut self, subscriber: usize, message: &[u8], now: u64) -> Result<(), Trouble> {
        let blame = |what: String| wrong("subscriber", subscriber, &what);
        let heard = self.words.event.scan(message);
        let stamp = heard.map_err(|what| blame(format!("got {what}")))?.stamp;
        let publisher = usize::from(stamp.source);
        if publisher >= self.sent.len() {
            return Err(blame(format!("got an event of publisher {publisher}: there is none")));
        }
        self.seen[subscriber * self.sent.len() + publisher]
            .take(stamp.sequence)
            .map_err(|what| blame(format!("{what} (of publisher {publisher})")))?;
        self.delivered += 1;
        self.recorder.note(now, stamp.sent);
        Ok(())
    }

    fn on_published(
        &mut self,
        publisher: usize,
        message: &[u8],
        now: u64,
        out: &mut Outboxes,
    ) -> Result<(), Trouble> {
        let blame = |what: String| wrong("publisher", publisher, &what);
        let heard = self.words.published.scan(message);
        let heard = heard.map_err(|what| blame(format!("got {what}")))?;
        let requests = &mut self.unacknowledged[publisher];
        let request = if self.words.has_ids { heard.id } else { requests.first_open() };
        requests.answer(request).map_err(blame)?;
        if self.phase != Phase::Drain {
            self.publish(publisher, now, out);
        }
        Ok(())
    }
}

impl Script for PubSub {
    #[inline]
    fn hear(
        &mut self,
        link: usize,
        message: &[u8],
        now: u64,
        out: &mut Outboxes,
    ) -> Result<(), Trouble> {
        if link < self.subscribers {
            self.on_event(link, message, now)
        } else {
            self.on_published(link - self.subscribers, message, now, out)
        }
    }

    fn turn(&mut self, now: u64, out: &mut Outboxes) -> u64 {
        if self.phase == Phase::Drain {
            return u64::MAX;
        }
        if let Some(mut pace) = self.pace {
            while let Some(due) = pace.take(now) {
                self.publish(self.next_publisher, due, out);
                self.next_publisher = (self.next_publisher + 1) % self.sent.len();
            }
            self.pace = Some(pace);
            return pace.next();
        }
        if !self.is_primed {
            self.is_primed = true;
            for publisher in 0..self.sent.len() {
                for _ in 0..self.window {
                    self.publish(publisher, now, out);
                }
            }
        }
        u64::MAX
    }

    fn enter(&mut self, phase: Phase, now: u64) {
        self.phase = phase;
        if phase == Phase::Warmup {
            self.is_primed = false;
            self.pace = self.rate.map(|rate| Pace::new(now, rate));
        }
    }

    fn is_settled(&self) -> bool {
        let owed = self.sent.iter().sum::<u64>() * self.subscribers as u64;
        self.delivered == owed && self.unacknowledged.iter().all(|open| open.open() == 0)
    }

    fn owed(&self) -> String {
        let mut debts = Vec::new();
        for (index, seen) in self.seen.iter().enumerate() {
            let (subscriber, publisher) = (index / self.sent.len(), index % self.sent.len());
            let (seen, sent) = (seen.count(), self.sent[publisher]);
            if seen != sent {
                debts.push(format!(
                    "subscriber {subscriber} got {seen} of {sent} events of publisher {publisher}"
                ));
            }
        }
        for (publisher, open) in self.unacknowledged.iter().enumerate() {
            if open.open() > 0 {
                let (count, first) = (open.open(), open.first_open());
                debts.push(format!(
                    "publisher {publisher} misses {count} acknowledgements from {first} on"
                ));
            }
        }
        debts.truncate(3);
        debts.join(", ")
    }

    fn ended(&mut self, link: usize, now: u64) -> Result<(), Trouble> {
        match &mut self.stuck {
            Some(stuck) if stuck.link == link => {
                stuck.ended = Some(now);
                Ok(())
            }
            _ => Err(Trouble::Wrong(format!("the router ended connection {link}"))),
        }
    }

    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }
}

/// The measured topic.
const TOPIC: &str = "load.topic.measured";

/// How long the router may take to forget sessions that were dropped, with all they held.
const SETTLING: Duration = Duration::from_secs(3);

/// Fewer than the router allows one session.
const SUBSCRIPTIONS_PER_HOLDER: usize = 8_000;

/// A pattern that has much in common with [`TOPIC`] and does not match it.
fn beside(policy: MatchPolicy, number: usize) -> String {
    match policy {
        MatchPolicy::Exact => format!("load.topic.exact{number}"),
        MatchPolicy::Prefix => format!("load.topic.measured.p{number}"),
        MatchPolicy::Wildcard => format!("load..wild{number}"),
    }
}

/// The same over a relay, if asked to.
fn compare_with_relay(
    rig: &Rig<'_>,
    sizes: FrameSizes,
    report: &mut Report,
) -> Result<(), Trouble> {
    if !rig.options.relay {
        return Ok(());
    }
    let relay = rig.relay(Mode::Fanout, sizes)?;
    let plan = rig.plan_for(Some(relay.server.pid()));
    let mut engine = bare_engine(rig.options, &relay.address, sizes)?;
    let mut script = PubSub::new(rig.options, Words::bare(sizes));
    report.rows.push(named(engine.run(&mut script, &plan)?, "relay"));
    report.compare(0, report.rows.len() - 1);
    Ok(())
}

/// The sizes of this scenario's frames, as they were seen.
fn sizes(engine: &Engine, options: &Options) -> FrameSizes {
    let subscribers = engine.frame_bytes(0..options.subscribers);
    let publishers =
        engine.frame_bytes(options.subscribers..options.subscribers + options.publishers);
    FrameSizes {
        there_in: publishers.sent,
        there_out: subscribers.got,
        back_in: 0,
        back_out: publishers.got,
    }
}

fn named(row: Row, name: &str) -> Row {
    Row { name: name.to_owned(), unit: "events", ..row }
}

fn number(index: usize) -> u16 {
    u16::try_from(index).expect("the command line allows fewer")
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn script() -> PubSub {
        let options = Options { publishers: 2, subscribers: 3, ..Options::new(Scenario::Fanout) };
        let sizes = FrameSizes { there_in: 32, there_out: 32, back_in: 0, back_out: 8 };
        PubSub::new(&options, Words::bare(sizes))
    }

    fn hear(script: &mut PubSub, link: usize, source: u16, sequence: u64) -> Result<(), String> {
        let frame = Stamp { source, sequence, sent: 0 }.to_text();
        let heard = script.hear(link, &frame, 0, &mut Outboxes::default());
        heard.map_err(|trouble| trouble.to_string())
    }

    #[test]
    fn order_is_judged_per_publisher_and_subscriber() {
        let mut script = script();
        for (link, source, sequence) in [(0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 0, 2), (0, 1, 2)] {
            assert_eq!(hear(&mut script, link, source, sequence), Ok(()));
        }
        let lost = hear(&mut script, 0, 1, 4).unwrap_err();
        assert_eq!(
            lost,
            "WRONG: subscriber 0 got message 4 instead of 3: lost or reordered (of publisher 1)"
        );
        assert!(hear(&mut script, 1, 1, 1).unwrap_err().contains("duplicated"));
        assert!(hear(&mut script, 2, 0, 2).unwrap_err().contains("lost"));
        assert!(hear(&mut script, 2, 2, 1).unwrap_err().contains("there is none"));
    }

    #[test]
    fn what_did_not_come_is_named() {
        let mut script = script();
        script.sent = vec![1, 0];
        script.unacknowledged[0].ask();
        assert_eq!(hear(&mut script, 0, 0, 1), Ok(()));
        assert_eq!(hear(&mut script, 2, 0, 1), Ok(()));
        assert!(!script.is_settled());
        assert_eq!(
            script.owed(),
            "subscriber 1 got 0 of 1 events of publisher 0, \
             publisher 0 misses 1 acknowledgements from 1 on"
        );
        assert_eq!(hear(&mut script, 1, 0, 1), Ok(()));
        script.phase = Phase::Drain;
        assert!(script.hear(3, &[0; 8], 0, &mut Outboxes::default()).is_ok());
        assert!(script.is_settled());
    }

    #[test]
    fn the_others_do_not_match_the_measured_topic() {
        assert!(!TOPIC.starts_with(&beside(MatchPolicy::Prefix, 0)));
        assert_eq!(beside(MatchPolicy::Wildcard, 7), "load..wild7");
        assert_ne!(beside(MatchPolicy::Exact, 1), TOPIC);
    }
}
