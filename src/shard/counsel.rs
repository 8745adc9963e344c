//! Those outside whom routers ask: a shard passes a question on, and its answer back.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::mesh::Gate;
use crate::router::ShardId;
use crate::router::advice::{Question, QuestionId, Reply};

/// Answers questions on threads of its own.
pub trait Counsel: Debug + Send + Sync {
    /// Takes a question that is to be answered by `answering`, from whatever thread. It must not
    /// wait for anything.
    ///
    /// # Errors
    ///
    /// Why nobody will answer it.
    fn ask(&self, question: Question, answering: Answering) -> Result<(), &'static str>;
}

/// The way back to the shard that asked. If it is dropped, the question is never answered, and the
/// router gives it up in time.
#[derive(Debug)]
pub struct Answering {
    gates: Arc<[Gate]>,
    shard: ShardId,
    question: QuestionId,
}

/// How long to wait before looking again whether a shard has taken some of its answers.
const FULL: Duration = Duration::from_millis(1);

impl Answering {
    pub(super) const fn new(gates: Arc<[Gate]>, shard: ShardId, question: QuestionId) -> Self {
        Self { gates, shard, question }
    }

    /// Gives the answer; waits while too many others lie before the shard. Not for threads of
    /// shards.
    pub fn give(self, reply: Reply) {
        let gate = &self.gates[usize::from(self.shard.0)];
        let mut answer = (self.question, reply);
        while let Err(unplaced) = gate.answers.push(answer) {
            if gate.is_shutting_down() {
                return;
            }
            answer = unplaced;
            std::thread::park_timeout(FULL);
        }
        gate.ring();
    }
}
