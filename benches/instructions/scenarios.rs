//! What is counted: calls and publications through whole routers. What lies below them is in
//! `codecs`.

use std::hint::black_box;

use gigawamp::wire::{Framing, Serializer};

use super::bottle::{Bottle, Dialect, LEAN, Peer, framed};
use super::{callgrind, codecs};

/// Something that is done again and again.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// What it is counted for.
    pub(crate) purpose: Purpose,
    /// How many of what is counted are in a round.
    pub(crate) units: u64,
    prepare: Box<dyn Fn() -> Round>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It has a baseline.
    Gauge,
    /// It shows how costs grow with something.
    Growth,
}

/// One round; it is told the how manieth it is.
pub(crate) type Round = Box<dyn FnMut(usize)>;

impl Scenario {
    /// A scenario for the gauge, of one unit.
    pub(crate) fn new(name: impl Into<String>, prepare: impl Fn() -> Round + 'static) -> Self {
        let (name, prepare) = (name.into(), Box::new(prepare));
        Self { name, purpose: Purpose::Gauge, units: 1, prepare }
    }

    fn growth(self) -> Self {
        Self { purpose: Purpose::Growth, ..self }
    }

    fn of(self, units: usize) -> Self {
        Self { units: units as u64, ..self }
    }
}

/// Runs `rounds` of the scenario of that name.
pub(crate) fn run(name: &str, rounds: usize) {
    let scenario = all().into_iter().find(|scenario| scenario.name == name);
    let mut round = (scenario.expect("a scenario of that name").prepare)();
    for number in 0..rounds {
        round(number);
    }
}

const JSON: Dialect = (Framing::WebSocket, Serializer::Json);

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = vec![
        Scenario::new("publish to 1", || publish(&Publish::default())),
        Scenario::new("publish to 100", || publish(&Publish { subscribers: 100, ..LEANLY })),
        Scenario::new("publish to 100, 16 at once", || {
            publish(&Publish { subscribers: 100, at_once: 16, ..LEANLY })
        })
        .of(16),
        Scenario::new("publish to 1, 16 at once", || publish(&Publish { at_once: 16, ..LEANLY }))
            .of(16),
        Scenario::new("publish to 1, JSON over WebSocket", || {
            publish(&Publish { dialect: JSON, ..LEANLY })
        }),
        Scenario::new("publish to 1 on another shard", || {
            publish(&Publish { shards: 2, ..LEANLY })
        }),
        Scenario::new("call", || call(&Call::default())),
        Scenario::new("call, 16 at once", || call(&Call { at_once: 16, ..PLAIN })).of(16),
        Scenario::new("call, JSON over WebSocket", || call(&Call { dialect: JSON, ..PLAIN })),
        Scenario::new("call to another shard", || call(&Call { shards: 2, ..PLAIN })),
        Scenario::new("call to another shard, 16 at once", || {
            call(&Call { shards: 2, at_once: 16, ..PLAIN })
        })
        .of(16),
        Scenario::new("join and leave", join),
    ];
    all.extend(codecs::all());
    all.extend(growing());
    all
}

/// The same with more of one thing.
fn growing() -> Vec<Scenario> {
    let mut all = Vec::new();
    for sessions in [0, 100, 10_000] {
        let name = format!("call, {sessions} other sessions");
        all.push(Scenario::new(name, move || call(&Call { others: sessions, ..PLAIN })));
    }
    for subscribers in [1, 10, 100, 1_000] {
        let name = format!("publish to {subscribers} subscribers");
        all.push(Scenario::new(name, move || publish(&Publish { subscribers, ..LEANLY })));
    }
    for patterns in [0, 1_000, 10_000] {
        for kind in ["exact", "prefix", "wildcard"] {
            let name = format!("publish to 1, {patterns} {kind} subscriptions beside it");
            let beside = (kind, patterns);
            all.push(Scenario::new(name, move || publish(&Publish { beside, ..LEANLY })));
        }
    }
    for payload in [64, 1_024, 16_384] {
        let name = format!("call, payload of {payload} octets");
        all.push(Scenario::new(name, move || call(&Call { payload, ..PLAIN })));
        let name = format!("publish to 100, payload of {payload} octets");
        let subscribers = 100;
        all.push(Scenario::new(name, move || publish(&Publish { payload, subscribers, ..LEANLY })));
    }
    for shards in [1, 2, 4, 8, 16] {
        let name = format!("publish to 16 subscribers on {shards} shards");
        let subscribers = 16;
        all.push(Scenario::new(name, move || publish(&Publish { shards, subscribers, ..LEANLY })));
        let name = format!("call to another of {shards} shards");
        all.push(Scenario::new(name, move || call(&Call { shards, ..PLAIN })));
    }
    for at_once in [1, 4, 16, 64] {
        let name = format!("call, {at_once} at once");
        let calls = Scenario::new(name, move || call(&Call { at_once, ..PLAIN })).of(at_once);
        all.push(calls);
    }
    all.into_iter().map(Scenario::growth).collect()
}

struct Call {
    shards: u16,
    dialect: Dialect,
    payload: usize,
    /// Calls that arrive together, and are answered together.
    at_once: usize,
    /// Sessions that have nothing to do with it.
    others: usize,
}

const PLAIN: Call = Call { shards: 1, dialect: LEAN, payload: 64, at_once: 1, others: 0 };

impl Default for Call {
    fn default() -> Self {
        PLAIN
    }
}

/// CALL, INVOCATION, YIELD, RESULT.
fn call(what: &Call) -> Round {
    let mut bottle = Bottle::new(what.shards);
    let callee = bottle.join(usize::from(what.shards) - 1, what.dialect);
    let caller = bottle.join(0, what.dialect);
    for _ in 0..what.others {
        bottle.join(0, what.dialect);
    }
    bottle.say(callee, r#"[64,1,{},"com.example.echo"]"#);
    let arguments = arguments(what.payload);
    let (dialect, at_once) = (what.dialect, what.at_once);
    let together = |said: &dyn Fn(usize) -> String, from: usize| {
        (from..from + at_once).flat_map(|id| framed(dialect, &said(id))).collect::<Vec<_>>()
    };
    // Far beyond what is ever pending: ids of the same width, whatever the round.
    let request = |id| format!(r#"[48,{},{{}},"com.example.echo",{arguments}]"#, 1_000_000 + id);
    let requests = together(&request, 0);
    let answer = |id| format!("[70,{},{{}},{arguments}]", id + 1);
    let rounds = 2 * callgrind::ROUNDS as usize;
    let answers: Vec<_> = (0..rounds).map(|round| together(&answer, round * at_once)).collect();
    let mut frame = Vec::new();
    Box::new(move |round| {
        let before = bottle.messages_out();
        receive(&mut bottle, caller, &requests, &mut frame);
        receive(&mut bottle, callee, &answers[round], &mut frame);
        assert_eq!(bottle.messages_out() - before, 2 * at_once as u64, "calls without an answer");
    })
}

struct Publish {
    shards: u16,
    dialect: Dialect,
    payload: usize,
    subscribers: usize,
    /// Publications that arrive together.
    at_once: usize,
    /// Other subscriptions: their policy, and how many.
    beside: (&'static str, usize),
}

const LEANLY: Publish = Publish {
    shards: 1,
    dialect: LEAN,
    payload: 64,
    subscribers: 1,
    at_once: 1,
    beside: ("exact", 0),
};

impl Default for Publish {
    fn default() -> Self {
        LEANLY
    }
}

/// PUBLISH, EVENT. If there are several shards, the one subscriber is not on the publisher's.
fn publish(what: &Publish) -> Round {
    let (dialect, shards) = (what.dialect, usize::from(what.shards));
    let mut bottle = Bottle::new(what.shards);
    let publisher = bottle.join(0, dialect);
    for number in 1..=what.subscribers {
        let subscriber = bottle.join(number % shards, dialect);
        bottle.say(subscriber, r#"[32,1,{},"com.example.topic"]"#);
    }
    let (policy, count) = what.beside;
    let mut other = None;
    for number in 0..count {
        // No session has more than a thousand, as by default.
        let other = match other {
            Some(other) if number % 1_000 != 0 => other,
            _ => *other.insert(bottle.join(0, dialect)),
        };
        let topic = match policy {
            "exact" => format!("com.example.other{number}"),
            "prefix" => format!("com.example.other{number}."),
            _ => format!("com..other{number}"),
        };
        bottle.say(other, &format!(r#"[32,1,{{"match":"{policy}"}},"{topic}"]"#));
    }
    let publish = format!(r#"[16,1,{{}},"com.example.topic",{}]"#, arguments(what.payload));
    let publications = framed(dialect, &publish).repeat(what.at_once);
    let events = (what.subscribers * what.at_once) as u64;
    let mut frame = Vec::new();
    Box::new(move |_| {
        let before = bottle.messages_out();
        receive(&mut bottle, publisher, &publications, &mut frame);
        assert_eq!(bottle.messages_out() - before, events, "events are missing");
    })
}

fn join() -> Round {
    let mut bottle = Bottle::new(1);
    let mut peer = bottle.join(0, LEAN);
    Box::new(move |_| bottle.join_again(&mut peer))
}

/// Arguments of about so many octets.
fn arguments(octets: usize) -> String {
    format!("[\"{}\"]", "x".repeat(octets))
}

/// Hands in a copy of `bytes`, for they are unmasked in place.
fn receive(bottle: &mut Bottle, peer: Peer, bytes: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    frame.extend_from_slice(bytes);
    black_box(bottle.receive(peer, frame));
}
