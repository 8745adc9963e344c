//! What the model is told of authorizers: that one was asked, and what it has said.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::router::advice::Errand;
use crate::session::Phase;
use crate::sim::machine::{Action, LinkId};
use crate::sim::model::{Opinion, Stand};
use crate::sim::said::Said;
use crate::sim::value::Value;
use crate::wire::Serializer;

/// What the world knows of authorizers.
#[derive(Debug, Default)]
pub(super) struct KnownAdvice {
    /// Questions that the shard in hand had asked before.
    pub(super) questions_before: u64,
    /// What a judge has said, by the session that asked.
    opinions: BTreeMap<u64, Given>,
    /// How often one did.
    last: u64,
    /// Sessions that a judge has kept waiting for too long.
    barred: BTreeSet<u64>,
}

/// What a judge has said.
#[derive(Debug)]
struct Given {
    number: u64,
    step: u64,
    opinion: Opinion,
}

impl World {
    /// The session that asks what is about to be answered.
    pub(super) fn asker(&self, action: Action) -> Option<usize> {
        let Action::Answer(place) = action else { return None };
        let (_, question) = &self.machine.questions[place];
        let Errand::Post { body, .. } = &question.errand else { return None };
        let arguments = Value::read(Serializer::Json, body.as_bytes());
        let arguments = arguments.expect("an authorizer is asked what can be read");
        let id = arguments.items().first().and_then(|who| who.get("session"));
        let id = id.and_then(Value::number);
        self.model.sessions.iter().position(|known| known.open && known.true_id == id)
    }

    /// Tells the model whether an authorizer was asked about the message that it is about to
    /// process: then it is the last of those that were taken.
    pub(super) fn see_question(&mut self, link: LinkId, taken: u64) {
        let is_last = self.lines[link].said.front().is_none_or(|(end, _)| *end > taken);
        let shard = self.machine.links[link].shard;
        let count = self.machine.routers[shard].questions_count();
        self.model.asks = is_last && count > self.advice.questions_before;
    }

    /// Notes what a judge has said, now that its router has read it.
    pub(super) fn see_opinion(&mut self, said: &Said) {
        let Said::Advise { asker, way, .. } = said else { return };
        if self.advice.barred.contains(asker) {
            return;
        }
        let opinion = [
            Opinion::No { again: true },
            Opinion::Yes { again: true },
            Opinion::Unknown,
            Opinion::Yes { again: false },
            Opinion::No { again: false },
        ][*way];
        self.advice.last += 1;
        let given = Given { number: self.advice.last, step: self.trace.step, opinion };
        self.advice.opinions.insert(*asker, given);
    }

    /// A judge does not speak to those any more who have once waited in vain: which of their
    /// questions it answers, nobody could tell.
    pub(super) fn bar(&mut self, peer: usize) {
        let barred = &self.advice.barred;
        self.peers[peer].asked.retain(|(_, asker)| !barred.contains(asker));
    }

    /// Tells the model what authorizers have said of requests that wait, and which of them nobody
    /// says anything about.
    pub(super) fn see_advice(
        &mut self,
        (action, shard): (Action, usize),
        asker: Option<usize>,
        number: usize,
    ) {
        if let Some(session) = asker {
            let opinion = [
                Opinion::No { again: true },
                Opinion::Yes { again: true },
                Opinion::Unknown,
                Opinion::Yes { again: false },
                Opinion::Unknown,
            ][number];
            let known = &self.model.sessions[session];
            let (link, waits) = (known.link, known.waiting.is_some());
            if waits && !self.awaits(link) {
                self.decide(session, opinion);
            }
        }
        let waits = |session: &usize| {
            let known = &self.model.sessions[*session];
            known.waiting.is_some() && known.shard == shard
        };
        let waiting: Vec<_> = (0..self.model.sessions.len()).filter(waits).collect();
        let mut decided = Vec::new();
        for session in waiting {
            let known = &self.model.sessions[session];
            let (link, id) = (known.link, known.true_id.unwrap_or_default());
            if self.awaits(link) || !self.is_open(link) {
                continue;
            }
            let woken = matches!(action, Action::Wake(_));
            let given = self.advice.opinions.remove(&id);
            // What a judge said before may be on its way; but then time was up.
            let given = given.filter(|given| !woken || given.step == self.trace.step);
            if woken && given.is_none() {
                self.advice.barred.insert(id);
            }
            // What is not said has no effect, so it does not matter when it is not.
            let number = given.as_ref().map_or(0, |given| given.number);
            decided.push((number, session, given.map_or(Opinion::Unknown, |it| it.opinion)));
        }
        decided.sort_unstable_by_key(|(number, _, _)| *number);
        for (_, session, opinion) in decided {
            self.decide(session, opinion);
        }
    }

    fn decide(&mut self, session: usize, opinion: Opinion) {
        let link = self.model.sessions[session].link;
        self.trace.note(format_args!("link {link}: the authorizer says {opinion:?}"));
        self.model.decide(session, opinion);
    }

    fn awaits(&mut self, link: LinkId) -> bool {
        let at = &self.machine.links[link];
        self.machine.routers[at.shard].awaits_advice(at.connection)
    }

    fn is_open(&mut self, link: LinkId) -> bool {
        let at = &self.machine.links[link];
        let phase = self.machine.routers[at.shard].phase(at.connection);
        matches!(self.model.stands[&link], Stand::Open(_)) && matches!(phase, Some(Phase::Open(_)))
    }
}
