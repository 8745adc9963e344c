//! What simulated peers do with procedures.

use super::{Workload, next};
use crate::message::uri::error;
use crate::sim::chance::Chance;
use crate::sim::peer::Peer;
use crate::sim::said::{Answering, Calling, Cargo, MY_ERROR, Registering, Said};

impl Workload {
    pub(super) fn register(&mut self, peer: &mut Peer) -> Said {
        let (policy, procedure) = self.pattern();
        let policies = ["single", "single", "roundrobin", "first", "last", "random"];
        let random = &mut self.random;
        let registering = Registering {
            policy,
            procedure,
            invoke: random.one_of(&policies),
            concurrency: random.one_in(3).then(|| random.one_of(&[1, 1, 2, 3])),
            force: random.one_in(8),
            disclose_caller: random.one_in(5),
            forward_timeout: random.one_in(4),
        };
        Said::Register { request: next(&mut peer.known), registering }
    }

    pub(super) fn call(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>) -> Said {
        let calling = self.calling(peer, cargo);
        let request = next(&mut peer.known);
        peer.known.calls.push(request);
        Said::Call { request, calling }
    }

    /// The first part of a call, if the peer can speak in parts.
    pub(super) fn call_in_parts(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>) -> Said {
        if !peer.talents.calls_in_parts {
            return self.call(peer, cargo);
        }
        let calling = Calling { progress: true, ..self.calling(peer, cargo) };
        let request = next(&mut peer.known);
        peer.known.calls.push(request);
        peer.known.calls_in_parts.push((request, calling.clone()));
        Said::Call { request, calling }
    }

    /// Another part of a call, maybe the last. Its options mean nothing.
    pub(super) fn call_on(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>) -> Option<Said> {
        let calls = &mut peer.known.calls_in_parts;
        if calls.is_empty() {
            return None;
        }
        let place = self.random.below(calls.len() as u64) as usize;
        let (request, first) = calls[place].clone();
        let progress = !self.random.one_in(3);
        if !progress {
            calls.remove(place);
        }
        let other = self.calling(peer, cargo);
        let calling = Calling { procedure: first.procedure, progress, ..other };
        Some(Said::Call { request, calling })
    }

    fn calling(&mut self, peer: &Peer, cargo: &mut Vec<Cargo>) -> Calling {
        Calling {
            procedure: self.name(),
            cargo: self.load(peer.serializer, cargo),
            receive_progress: self.random.one_in(2),
            disclose_me: self.random.one_in(5),
            progress: false,
            timeout: self.random.one_in(5).then(|| self.random.one_of(&[0, 1, 5, 20, 60_000])),
            passthru: peer.talents.passthru && self.random.one_in(5),
        }
    }

    /// YIELD or ERROR, maybe in parts, maybe once more when it is too late.
    pub(super) fn answer(&mut self, peer: &mut Peer, cargo: &mut Vec<Cargo>) -> Option<Said> {
        let known = &mut peer.known;
        let passthru = peer.talents.passthru && self.random.one_in(6);
        if known.invocation_last > 0 && self.random.one_in(10) {
            // Late for certain, unless it is still open.
            let request = self.random.below(known.invocation_last) + 1;
            if known.invocations.iter().all(|open| open.request != request) {
                let cargo = self.load(peer.serializer, cargo);
                let progress = self.random.one_in(2);
                let answering = Answering { cargo, progress, error: None, passthru };
                return Some(Said::Answer { request, answering });
            }
        }
        let count = known.invocations.len() as u64;
        if count == 0 {
            return None;
        }
        let place = self.random.below(count) as usize;
        let invocation = known.invocations[place];
        let odds = if invocation.receive_progress { 2 } else { 12 };
        let progress = self.random.one_in(odds);
        if !progress {
            known.invocations.remove(place);
        }
        let cargo = self.load(peer.serializer, cargo);
        let error = (!progress).then(|| self.error()).flatten();
        let answering = Answering { cargo, progress, error, passthru };
        Some(Said::Answer { request: invocation.request, answering })
    }

    /// The error of an answer, if it is one.
    fn error(&mut self) -> Option<&'static str> {
        let random: &mut Chance = &mut self.random;
        random.one_in(3).then(|| random.one_of(&[MY_ERROR, error::UNAVAILABLE, error::CANCELED]))
    }
}
