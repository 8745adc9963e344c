//! What the model is told of authorizers: that one was asked, and what it has said.

use super::World;
use crate::router::advice::Errand;
use crate::session::Phase;
use crate::sim::machine::{Action, LinkId};
use crate::sim::model::{Opinion, Stand};
use crate::sim::value::Value;
use crate::wire::Serializer;

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
        self.model.asks = is_last && self.awaits(link);
    }

    /// Tells the model what authorizers have said of requests that wait, and which of them none has
    /// said anything about in time.
    pub(super) fn see_advice(&mut self, action: Action, asker: Option<usize>, number: usize) {
        if let Some(session) = asker {
            let opinion = [
                Opinion::No,
                Opinion::Yes { again: true },
                Opinion::Unknown,
                Opinion::Yes { again: false },
                Opinion::Unknown,
            ][number];
            let known = &self.model.sessions[session];
            let (link, waits) = (known.link, known.waiting.is_some());
            if waits && !self.awaits(link) {
                self.trace.note(format_args!("link {link}: the authorizer says {opinion:?}"));
                self.model.decide(session, opinion);
            }
        }
        let Action::Wake(shard) = action else { return };
        for session in 0..self.model.sessions.len() {
            let known = &self.model.sessions[session];
            let link = known.link;
            let waits = known.waiting.is_some() && known.shard == shard;
            if waits && !self.awaits(link) && self.is_open(link) {
                assert!(self.swarm.faults.time, "an authorizer's time was up too soon");
                self.trace.note(format_args!("link {link}: the authorizer says nothing"));
                self.model.decide(session, Opinion::Unknown);
            }
        }
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
