//! What simulated peers do: actions with weights that are drawn per run.

mod calls;
mod join;
mod meta;

use super::chance::Chance;
use super::peer::{Known, Peer, Place};
use super::rights::Rights;
use super::said::{Answering, Cargo, Publishing, Said};
use super::swarm::Swarm;
use super::value::Value;
use crate::message::MatchPolicy;
use crate::wire::Serializer;

/// Chooses what peers say.
#[derive(Debug)]
pub struct Workload {
    /// Its own chance.
    pub random: Chance,
    /// Who may do what, by realm, as peers believe.
    pub rights: Vec<Rights>,
    swarm: Swarm,
}

/// What peers know of each other.
#[derive(Debug, Default)]
pub struct Gossip {
    /// Ids of sessions.
    pub sessions: Vec<u64>,
    /// Ids of subscriptions.
    pub subscriptions: Vec<u64>,
    /// Ids of registrations.
    pub registrations: Vec<u64>,
    /// Names of those who are or were there.
    pub authids: Vec<String>,
}

/// Topics and procedures.
const NAMES: [&str; 9] = ["a.b.c", "a.b", "a", "b", "a.c", "a.b.d", "b.b.c", "ab.c", "a.b.c.d"];
/// Patterns by prefix.
const PREFIXES: [&str; 6] = ["", "a", "a.", "a.b", "b.", "a.b.c"];
/// Patterns with wildcards.
const WILDCARDS: [&str; 8] = ["", ".", "a.", ".b", "a..c", ".b.", "..c", "a.b.c."];
/// What is no URI where no empty components are allowed, or is the router's own.
const ILLEGAL: [&str; 5] = ["", "a..b", "a b", "a#", "wamp.x"];

impl Workload {
    /// What peers do in a run like `swarm`.
    #[must_use]
    pub const fn new(random: Chance, swarm: Swarm, rights: Vec<Rights>) -> Self {
        Self { random, rights, swarm }
    }

    /// The next thing `peer` says, if anything. New payload goes behind `cargo`; `gossip` is what
    /// peers know of each other.
    pub fn act(
        &mut self,
        peer: &mut Peer,
        cargo: &mut Vec<Cargo>,
        gossip: &Gossip,
    ) -> Option<Said> {
        match peer.place {
            Place::Out | Place::Over | Place::Leaving => None,
            Place::Ready => Some(self.join(peer)),
            Place::Proving => self.prove(peer),
            // What is said before WELCOME is heard is said to a session all the same.
            Place::Joining if self.random.one_in(3) => self.say(peer, cargo, gossip),
            Place::Joining => None,
            Place::In => self.say(peer, cargo, gossip),
            Place::Asked => {
                peer.place = Place::Over;
                Some(Said::Goodbye)
            }
        }
    }

    /// Answers one invocation for good, if any is open.
    pub fn finish(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>) -> Option<Said> {
        let request = peer.known.invocations.pop()?.request;
        let cargo = self.load(peer.serializer, cargo);
        let answering = Answering { cargo, progress: false, error: None, passthru: false };
        Some(Said::Answer { request, answering })
    }

    fn say(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>, gossip: &Gossip) -> Option<Said> {
        if peer.noisy {
            return Some(self.noise(peer));
        }
        let weights = self.swarm.weights;
        let total = weights.iter().sum::<u64>() + weights.len() as u64;
        let mut drawn = self.random.below(total);
        // Every kind has a chance, whatever the weights.
        let kind = weights.iter().position(|weight| {
            let hit = drawn <= *weight;
            drawn = drawn.saturating_sub(weight + 1);
            hit
        });
        let known = &mut peer.known;
        let said = match kind.expect("the weights add up") {
            0 | 1 => self.subscribe(known),
            2 if known.subscriptions.is_empty() && !self.random.one_in(8) => Said::Idle,
            2 => Said::Unsubscribe {
                subscription: self.pick(&mut known.subscriptions, &gossip.subscriptions),
                request: next(known),
            },
            3..=5 => self.publish(peer, cargo, gossip),
            6 => self.register(peer),
            7 if known.registrations.is_empty() && !self.random.one_in(8) => Said::Idle,
            7 => Said::Unregister {
                registration: self.pick(&mut known.registrations, &gossip.registrations),
                request: next(known),
            },
            8 | 9 => self.call(peer, cargo),
            10 => {
                let request = known.calls.last().copied()?;
                let any = self.random.one_of(&known.calls);
                let request = if self.random.one_in(2) { request } else { any };
                let modes = [None, Some("skip"), Some("kill"), Some("killnowait"), Some("soon")];
                Said::Cancel { request, mode: self.random.one_of(&modes) }
            }
            11 | 12 => return self.answer(peer, cargo),
            15 => return self.call_on(peer, cargo),
            16 => self.call_in_parts(peer, cargo),
            17 => self.subscribe_to_facts(peer),
            18 => self.ask_of_sessions(peer, gossip),
            19 => self.ask_of_entries(peer, gossip),
            20 if self.random.one_in(8) => self.kill(peer, gossip),
            21 => self.testament(peer, cargo, gossip),
            13 if self.random.one_in(4) => self.leave(peer),
            14 if self.swarm.faults.violations && self.random.one_in(4) => self.violate(peer),
            _ => Said::Idle,
        };
        Some(said)
    }

    fn subscribe(&mut self, known: &mut Known) -> Said {
        let (policy, topic) = self.pattern();
        // What is replayed by pattern may be more than a small outbox takes.
        let get_retained = self.random.one_in(3) && !self.swarm.faults.small_outboxes;
        Said::Subscribe { request: next(known), policy, topic, get_retained }
    }

    fn pattern(&mut self) -> (MatchPolicy, String) {
        let policy = self.random.one_of(&[
            MatchPolicy::Exact,
            MatchPolicy::Exact,
            MatchPolicy::Prefix,
            MatchPolicy::Wildcard,
        ]);
        let choices: &[&str] = match policy {
            _ if self.random.one_in(20) => &ILLEGAL,
            MatchPolicy::Exact => &NAMES,
            MatchPolicy::Prefix => &PREFIXES,
            MatchPolicy::Wildcard => &WILDCARDS,
        };
        (policy, self.random.one_of(choices).into())
    }

    fn name(&mut self) -> String {
        let illegal = self.random.one_in(20);
        // Some names are met more often than others.
        let choices = match self.random.below(3) {
            _ if illegal => &ILLEGAL[..],
            0 => &NAMES[..3],
            1 => &NAMES[..5],
            _ => &NAMES[..],
        };
        self.random.one_of(choices).into()
    }

    fn publish(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>, gossip: &Gossip) -> Said {
        let publishing = self.publishing(peer, cargo, gossip);
        Said::Publish { request: next(&mut peer.known), publishing }
    }

    fn publishing(&mut self, peer: &Peer, cargo: &mut Vec<Cargo>, gossip: &Gossip) -> Publishing {
        let some = |random: &mut Chance| {
            let count = random.below(3);
            let ids = &gossip.sessions;
            (0..count).filter(|_| !ids.is_empty()).map(|_| random.one_of(ids)).collect()
        };
        let random = &mut self.random;
        Publishing {
            acknowledge: random.one_in(2),
            exclude_me: random.one_of(&[None, None, Some(true), Some(false), Some(false)]),
            disclose_me: random.one_in(5),
            exclude: random.one_in(5).then(|| some(random)),
            eligible: random.one_in(8).then(|| some(random)),
            retain: random.one_in(4),
            passthru: peer.talents.passthru && random.one_in(5),
            topic: self.name(),
            cargo: self.load(peer.serializer, cargo),
        }
    }

    fn leave(&mut self, peer: &mut Peer) -> Said {
        if self.random.one_in(4) {
            peer.place = Place::Over;
            return Said::Abort;
        }
        peer.place = Place::Leaving;
        Said::Goodbye
    }

    /// Something that no peer may say; it is the last thing this one says.
    fn violate(&mut self, peer: &mut Peer) -> Said {
        peer.place = Place::Over;
        let empty = || Value::Dict(Vec::new());
        let next = peer.known.request_last + 1;
        let message = match self.random.below(9) {
            // A request id that is not the next, and not that of the session before either.
            0 => vec![32.into(), (next + 1_000_000).into(), empty(), "a".into()],
            1 => vec![16.into(), (next - 1).into(), empty(), "a".into()],
            2 => vec![1.into(), "realm1".into(), empty()],
            3 => vec![70.into(), (peer.known.invocation_last + 1_000).into(), empty()],
            4 => vec![33.into(), 1.into(), 1.into()],
            5 => vec![999.into()],
            6 => vec![32.into(), next.into(), Value::List(Vec::new()), "a".into()],
            7 => {
                let mut message = Vec::new();
                Value::from("no list").write(peer.serializer, &mut message);
                message.pop();
                return Said::Malformed(message);
            }
            // The head of a frame that no transport has; it is judged with its last octet.
            _ if peer.has_websocket() => return Said::NoFrame(vec![0xFF]),
            _ => return Said::NoFrame(vec![0xFF; 4]),
        };
        Said::Violation(Value::List(message))
    }

    /// Any message with any small numbers, maybe with a wrong octet.
    fn noise(&mut self, peer: &Peer) -> Said {
        let random = &mut self.random;
        let code = random.one_of(&[16, 32, 34, 48, 49, 64, 66, 70, 8, 6, 3, 5, 337, 68]);
        let mut items = vec![Value::from(code)];
        for _ in 0..random.below(6) {
            items.push(match random.below(6) {
                0 | 1 => Value::from(random.below(6)),
                2 | 3 => Value::Dict(Vec::new()),
                4 => random.one_of(&NAMES).into(),
                _ => Value::List(vec![1.into()]),
            });
        }
        if random.one_in(2) {
            let request = Value::from(peer.known.request_last + 1);
            items = vec![Value::from(random.one_of(&[16, 32, 48, 64])), request];
            items.extend([Value::Dict(Vec::new()), random.one_of(&NAMES).into()]);
        }
        let mut bytes = Vec::new();
        Value::List(items).write(peer.serializer, &mut bytes);
        if random.one_in(4) {
            let place = random.below(bytes.len() as u64) as usize;
            bytes[place] ^= 1 << random.below(8);
        }
        Said::Noise(bytes)
    }

    /// One of `held`, which is given up; or somebody else's; or nobody's.
    fn pick(&mut self, held: &mut Vec<u64>, others: &[u64]) -> u64 {
        if held.is_empty() || self.random.one_in(10) {
            let nobodys = others.is_empty() || self.random.one_in(4);
            return if nobodys { 1_000_000 } else { self.random.one_of(others) };
        }
        let place = self.random.below(held.len() as u64) as usize;
        held.swap_remove(place)
    }

    /// New payload; gives its number.
    fn load(&mut self, serializer: Serializer, cargo: &mut Vec<Cargo>) -> usize {
        let number = cargo.len();
        let mut arguments = vec![Value::from(number as u64)];
        if self.random.one_in(2) {
            arguments.push(self.value(3));
        }
        if self.random.one_in(30) {
            let long = self.random.one_of(&[700, 5_000, 20_000]);
            arguments.push(Value::Text("x".repeat(long)));
        }
        let keywords = self.random.one_in(3).then(|| {
            let entry = |n| (format!("k{n}"), self.value(2));
            Value::Dict((0..2).map(entry).collect())
        });
        cargo.push(Cargo::new(Value::List(arguments), keywords, serializer));
        number
    }

    fn value(&mut self, depth: u32) -> Value {
        let random = &mut self.random;
        match random.below(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Boolean(random.one_in(2)),
            2 => Value::from(random.bits() >> random.below(64)),
            3 => Value::Integer(-1 - i128::from(random.bits() >> (1 + random.below(63)))),
            4 => Value::Float((random.bits() >> 12) as f64 / 1_024.0),
            5 => random.one_of(&["", "text", "\"\\\n\u{1}", "grüße 日本 🎈"]).into(),
            6 => {
                let mut octets = vec![0; random.below(5) as usize];
                random.fill(&mut octets);
                Value::Binary(octets)
            }
            7 => Value::List((0..random.below(3)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let entry = |n| (format!("key {n}"), self.value(depth - 1));
                Value::Dict((0..2).map(entry).collect())
            }
        }
    }
}

/// The id of the next request.
const fn next(known: &mut Known) -> u64 {
    known.request_last += 1;
    known.request_last
}
