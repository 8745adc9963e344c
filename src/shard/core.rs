//! What a shard hosts: the two doors of a router, as a trait.
//!
//! Drivers are tested with a core that knows nothing of WAMP; the product has one implementation.

use crate::env::Instant;
use crate::router::advice::Question;
use crate::router::notice::Notice;
use crate::router::{ConnectionId, Counters, Input, Output, Router, ShardId};
use crate::session::Outbox;

/// A state machine behind two doors. The contract is that of [`Router`], door by door.
pub(super) trait Core: 'static {
    /// What crosses the mesh.
    type Batch: Send + 'static;

    /// Takes any input except [`Input::Relayed`].
    fn handle(&mut self, now: Instant, input: Input<'_>);
    /// Takes [`Input::Relayed`].
    fn handle_relayed(&mut self, now: Instant, from: ShardId, batch: Self::Batch);
    /// The next thing to do.
    fn poll_output(&mut self) -> Option<Output>;
    /// When [`Input::DeadlineReached`] is due at the latest.
    fn next_deadline(&self) -> Option<Instant>;
    /// The bytes that wait for `connection`.
    fn outbox(&mut self, connection: ConnectionId) -> Option<&mut Outbox>;
    /// Takes what waits for the shard `to`.
    fn take_batch(&mut self, to: ShardId) -> Self::Batch;
    /// Takes what somebody outside is to be asked.
    fn take_question(&mut self) -> Option<Question>;
    /// The memory that a batch holds, in octets.
    fn bytes_count(batch: &Self::Batch) -> usize;
    /// Connections it knows.
    fn connections_count(&self) -> usize;
    /// What happened so far, counted.
    fn counters(&self) -> Counters;
    /// What an operator should hear of since this was asked last.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}

impl Core for Router {
    type Batch = crate::router::Batch;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        Self::handle(self, now, input);
    }

    fn handle_relayed(&mut self, now: Instant, from: ShardId, batch: Self::Batch) {
        Self::handle(self, now, Input::Relayed { from, batch });
    }

    fn poll_output(&mut self) -> Option<Output> {
        Self::poll_output(self)
    }

    fn next_deadline(&self) -> Option<Instant> {
        Self::next_deadline(self)
    }

    fn outbox(&mut self, connection: ConnectionId) -> Option<&mut Outbox> {
        Self::outbox(self, connection)
    }

    fn take_batch(&mut self, to: ShardId) -> Self::Batch {
        Self::take_batch(self, to)
    }

    fn take_question(&mut self) -> Option<Question> {
        Self::take_question(self)
    }

    fn bytes_count(batch: &Self::Batch) -> usize {
        batch.bytes_count()
    }

    fn connections_count(&self) -> usize {
        Self::connections_count(self)
    }

    fn counters(&self) -> Counters {
        Self::counters(self)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        Self::take_notices(self)
    }
}
