//! Advice: what the router asks others before it decides.
//!
//! Who may join and who may do what can be settled by a procedure of some realm. The router calls
//! it like any client would, through the dealer ([`super::dealer`]'s `caller` is the router's half
//! of such a call), and waits for its answer as long as the advisor's timeout says. Or it is
//! settled outside (`outside`):
//!
//! ```text
//!             ┌▶ on_own_call ── Invoke … Yielded ─┐
//!  consult ───┤                                   ├─▶ answers ──▶ take_advice ──▶ on_advice
//!  compare ───┴▶ Output::Ask …… Input::Answered ──┘
//! ```
//!
//! Whoever asks is told exactly once, later, when the input in hand is done: with an answer, a
//! refusal, or why there is neither. Who does not wait any more says so ([`Router::withdraw`]).
//! Nothing is asked twice, and nothing that is asked counts as allowed before it is answered.

mod answer;
pub(super) mod memory;
mod outside;
pub(super) mod tally;

pub use outside::{Errand, Question, Reply};
pub use tally::QuestionCounts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::config::{AdvisorConfig, AdvisorKind};
use super::deadline::Handle;
use super::realm::Refusal;
use super::{ConnectionId, Router};
use crate::env::{Map, shrink};
use crate::message::uri::error;
use crate::message::{Payload, RequestId};
use crate::session::{CallRef, PendingCall, SessionRef};
use crate::wire::Serializer;
use memory::Memory;
use tally::{Outcome, Tally};

/// A question under way: unique on its shard for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(u64);

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A peer that is about to prove who it is.
    Authentication(ConnectionId),
    /// A session with a request.
    Authorization(ConnectionId),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The advisor's answer: one JSON value, well formed, and bounded as the answer is by
    /// [`ADVICE_BYTES_MAX`](crate::limits::ADVICE_BYTES_MAX).
    Answer(String),
    /// The advisor answered with an error of its own.
    Refused {
        /// Which.
        uri: String,
        /// The text it gave with it, if any.
        message: String,
    },
    /// There is no answer, for this reason: for logs, not for peers.
    Failed(String),
}

/// What this shard has asked and was not told yet.
#[derive(Debug)]
pub(super) struct Questions {
    asked: Map<QuestionId, Pending>,
    /// The calls among them, by their requests.
    calls: Map<RequestId, PendingCall>,
    /// What came of some, until the input in hand is done.
    answers: VecDeque<(QuestionId, Advice)>,
    /// Those that the driver has not taken; nothing where nobody asks any more.
    outside: VecDeque<Option<Question>>,
    /// What authorizers have said.
    pub(super) memory: Memory,
    last: u64,
}

/// A question without an answer.
#[derive(Debug)]
struct Pending {
    asked: Asked,
    way: Way,
    tally: Arc<Tally>,
    /// There was no answer in time.
    is_late: bool,
}

/// How a question is being asked.
#[derive(Debug)]
enum Way {
    /// Not at all: it failed at once.
    Nowhere,
    /// By a call in this realm.
    Call(u16),
    /// Of somebody outside; by then, the answer is too late. They see by the other half of the last
    /// that it is still wanted.
    Outside(Handle, Arc<()>),
}

const TOO_MANY: &str = "too many questions are pending";

impl QuestionId {
    /// One for tests of what is asked outside.
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self(1);

    /// The router's call by which this question is asked on the shard of `caller`.
    const fn request(self) -> RequestId {
        RequestId(self.0)
    }
}

impl Questions {
    pub(super) fn new(hash_key: &ahash::RandomState) -> Self {
        Self {
            asked: Map::with_hasher(hash_key.clone()),
            calls: Map::with_hasher(hash_key.clone()),
            answers: VecDeque::new(),
            outside: VecDeque::new(),
            memory: Memory::new(hash_key),
            last: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let nothing_waits = self.answers.is_empty() && self.outside.is_empty();
        self.asked.is_empty() && self.calls.is_empty() && nothing_waits
    }

    fn begin(&mut self, asked: Asked, tally: Arc<Tally>) -> QuestionId {
        self.last += 1;
        let id = QuestionId(self.last);
        tally.ask();
        self.asked.insert(id, Pending { asked, way: Way::Nowhere, tally, is_late: false });
        id
    }

    fn way(&self, id: QuestionId) -> Option<&Way> {
        self.asked.get(&id).map(|pending| &pending.way)
    }

    fn set_way(&mut self, id: QuestionId, way: Way) {
        if let Some(pending) = self.asked.get_mut(&id) {
            pending.way = way;
        }
    }

    fn tell(&mut self, id: QuestionId, advice: Advice) {
        self.answers.push_back((id, advice));
    }

    fn fail(&mut self, id: QuestionId, reason: &str) {
        self.tell(id, Advice::Failed(reason.to_owned()));
    }

    /// As [`fail`](Self::fail), because there was no answer in time.
    fn fail_late(&mut self, id: QuestionId, reason: &str) {
        if let Some(pending) = self.asked.get_mut(&id) {
            pending.is_late = true;
        }
        self.fail(id, reason);
    }

    /// A call of the router's own, if it is pending.
    pub(super) fn pending_mut(&mut self, call: CallRef) -> Option<&mut PendingCall> {
        self.calls.get_mut(&call.request)
    }

    /// Takes a call of the router's own out of the pending ones, if it is one of them.
    pub(super) fn finish_call(&mut self, call: CallRef) -> Option<PendingCall> {
        let pending = self.calls.remove(&call.request);
        shrink(&mut self.calls);
        pending
    }

    /// Remembers a call of the router's own.
    pub(super) fn begin_call(&mut self, call: CallRef, pending: PendingCall) {
        self.calls.insert(call.request, pending);
    }

    /// Takes what a callee has given for a call of the router's own.
    pub(super) fn on_result(&mut self, call: CallRef, payload: &Payload<'_>) {
        let answer = answer::of_result(payload);
        let advice = match answer {
            Ok(value) => Advice::Answer(value),
            Err(reason) => Advice::Failed(reason.to_owned()),
        };
        self.answers.push_back((QuestionId(call.request.0), advice));
    }

    /// Takes the error in which a call of the router's own ended.
    pub(super) fn on_error(&mut self, call: CallRef, uri: &str, payload: &Payload<'_>) {
        let (id, reason) = (QuestionId(call.request.0), format!("the call ended in {uri}"));
        if uri == error::TIMEOUT {
            self.fail_late(id, &reason);
        } else if is_technical(uri) {
            self.tell(id, Advice::Failed(reason));
        } else {
            let message = answer::text_of_error(payload);
            self.tell(id, Advice::Refused { uri: uri.to_owned(), message });
        }
    }
}

impl Router {
    /// Asks `advisor` for a session or connection of the realm of that index. `arguments` is a
    /// JSON list. What comes of it is told by [`Self::on_advice`], never before this returns.
    pub fn consult(
        &mut self,
        realm: u16,
        advisor: &AdvisorConfig,
        arguments: &str,
        asked: Asked,
    ) -> QuestionId {
        let id = self.questions.begin(asked, self.shared.tallies.of(&advisor.name));
        if self.is_overasked() {
            self.questions.fail(id, TOO_MANY);
            return id;
        }
        match &advisor.kind {
            AdvisorKind::Procedure { realm: elsewhere, uri } => {
                match self.advisor_realm(realm, elsewhere.as_deref()) {
                    Some(realm) => self.call(realm, (id, uri), advisor.timeout, arguments),
                    None => self.questions.fail(id, "its realm is not there"),
                }
            }
            AdvisorKind::Http(target) => {
                let (target, body) = (Arc::clone(target), arguments.to_owned());
                self.ask_outside(id, advisor.timeout, Errand::Post { target, body });
            }
        }
        id
    }

    /// Nobody waits for the answer to that question any more. A callee is told so, and those
    /// outside can see it.
    pub fn withdraw(&mut self, id: QuestionId) {
        let Some(Pending { way, tally, .. }) = self.questions.asked.remove(&id) else { return };
        shrink(&mut self.questions.asked);
        tally.end(Outcome::Withdrawn);
        match way {
            Way::Nowhere => {}
            Way::Call(realm) => {
                let call = self.own_call(id);
                self.in_realm(realm, |realm, context| realm.dealer.give_up_own_call(call, context));
            }
            Way::Outside(deadline, asker) => {
                self.deadlines.cancel(deadline);
                // Whoever has taken it sees that it is not wanted any more.
                drop(asker);
                let waiting = self.questions.outside.iter_mut();
                let is_it = |waits: &&mut Option<Question>| {
                    waits.as_ref().is_some_and(|question| question.id == id)
                };
                if let Some(waits) = waiting.rev().find(is_it) {
                    *waits = None;
                }
            }
        }
    }

    /// Tells who waits what came of questions, and says whether there was anything to tell.
    pub(super) fn take_advice(&mut self) -> bool {
        let mut told = false;
        while let Some((id, advice)) = self.questions.answers.pop_front() {
            if let Some(Pending { asked, tally, is_late, .. }) = self.questions.asked.remove(&id) {
                shrink(&mut self.questions.asked);
                tally.end(match &advice {
                    Advice::Answer(_) | Advice::Refused { .. } => Outcome::Answered,
                    Advice::Failed(_) if is_late => Outcome::TimedOut,
                    Advice::Failed(_) => Outcome::Failed,
                });
                self.on_advice(id, asked, advice);
                told = true;
            }
        }
        told
    }

    /// Tells whoever waits for the answer to that question what it is. Who has gone meanwhile
    /// without a word is not told.
    fn on_advice(&mut self, id: QuestionId, asked: Asked, advice: Advice) {
        match asked {
            Asked::Authentication(connection) => {
                self.on_authentication_advice(connection, id, advice);
            }
            Asked::Authorization(connection) => self.on_authorized(connection, id, &advice),
        }
    }

    /// Whether so many questions are pending, this one included, that it is one too many.
    fn is_overasked(&self) -> bool {
        self.questions.asked.len() > self.config.limits.advice_pending_max
    }

    fn advisor_realm(&self, own: u16, elsewhere: Option<&str>) -> Option<u16> {
        elsewhere.map_or(Some(own), |name| self.realm_names.get(name).copied())
    }

    /// Calls a procedure of that realm for a question.
    fn call(
        &mut self,
        realm: u16,
        (id, procedure): (QuestionId, &str),
        timeout: Duration,
        arguments: &str,
    ) {
        let call = self.own_call(id);
        let elements = (arguments.as_bytes(), &[][..]);
        let payload = Payload::from_elements(Serializer::Json, elements, false);
        let placed = self.in_realm(realm, |realm, context| {
            realm.dealer.on_own_call(call, (procedure, payload), timeout, context)
        });
        match placed {
            Ok(()) => self.questions.set_way(id, Way::Call(realm)),
            Err(Refusal(uri)) => self.questions.fail(id, &format!("the call ended in {uri}")),
        }
    }

    /// The router's call by which a question is asked. Its calls have no order among each other:
    /// each is as if of a caller of its own.
    const fn own_call(&self, id: QuestionId) -> CallRef {
        let caller = SessionRef::of_router(id.0 as u32, self.peers.shard);
        CallRef { caller, request: id.request(), serial: id.0 }
    }
}

/// Whether an error says that nobody has thought about the question.
fn is_technical(uri: &str) -> bool {
    let technical = [
        error::NO_SUCH_PROCEDURE,
        error::NO_AVAILABLE_CALLEE,
        error::UNAVAILABLE,
        error::CANCELED,
        error::TIMEOUT,
        error::LIMIT_EXCEEDED,
        error::PAYLOAD_SIZE_EXCEEDED,
        error::INVALID_ARGUMENT,
        error::FEATURE_NOT_SUPPORTED,
    ];
    technical.contains(&uri)
}
