//! Who gets what: one shard's router, behind two doors.
//!
//! A driver hands in [`Input`]s, then drains [`Output`]s until there are none before it waits:
//! *drain before you sleep*. Between two drains a connection appears in [`Output::Transmit`] at
//! most once, so a thousand events to one subscriber become one write.
//!
//! Bytes are pulled, not pushed: `Transmit` says that a connection's
//! [`Outbox`] holds something, `Relay` that a batch for another shard waits. The driver takes what
//! the socket or the queue has room for, and what it cannot place stays here, in order.
//!
//! **Architecture invariant:** nothing in here mentions a socket, a clock, a thread, a lock (the
//! writer section of [`pattern`] apart) or `async`.

pub mod config;
pub mod deadline;
pub mod pattern;

use std::sync::Arc;

use crate::env::Instant;
use crate::session::Outbox;
use config::Config;

/// One shard of the process: its place in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// A connection of one shard. The driver chooses slots, densely from 0, and gives each reuse of a
/// slot a new generation, so that a late input or output never meets a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Which slot of the driver's table.
    pub slot: u32,
    /// Which use of that slot.
    pub generation: u32,
}

/// Where a connection came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Index of the listener in [`Config::listeners`].
    pub listener: u16,
    /// The peer's address, for `transport` details and logs: `tcp:127.0.0.1:4711`, `unix:/path`.
    pub peer: Box<str>,
}

/// Everything that can happen to a router.
#[derive(Debug)]
pub enum Input<'a> {
    /// A listener accepted a connection.
    Opened {
        /// Its new id.
        connection: ConnectionId,
        /// Where it came from.
        origin: Origin,
    },
    /// Bytes arrived. They are the router's to alter (WebSocket unmasks in place).
    Received {
        /// From whom.
        connection: ConnectionId,
        /// As the socket gave them.
        bytes: &'a mut [u8],
    },
    /// The first `count` octets of the outbox were written.
    Transmitted {
        /// To whom.
        connection: ConnectionId,
        /// How many.
        count: usize,
    },
    /// The transport is gone (end of stream, reset, error). The driver has forgotten it.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A batch from another shard, in the order in which that shard's router gave them.
    Relayed {
        /// From which.
        from: ShardId,
        /// What it says.
        batch: Batch,
    },
    /// The moment of [`Router::next_deadline`] has come.
    DeadlineReached,
    /// The configuration changed.
    Configured(Arc<Config>),
    /// Say goodbye to every session. Repeating it changes nothing.
    ShutDown,
}

/// Everything a router can ask of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The connection's outbox holds bytes to write: [`Router::outbox`].
    Transmit {
        /// Whose.
        connection: ConnectionId,
    },
    /// Stop reading from this connection.
    Pause {
        /// Which.
        connection: ConnectionId,
    },
    /// Read from it again.
    Resume {
        /// Which.
        connection: ConnectionId,
    },
    /// Stop reading from every connection: too much waits for other shards.
    Hold,
    /// Read again from those that are not paused.
    Release,
    /// Close this connection's socket now; the router has forgotten it already, and whatever its
    /// outbox held was written or given up.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// A batch for this shard waits: [`Router::take_batch`], when the queue has room. Repeated at
    /// each drain for as long as something waits.
    Relay {
        /// For whom.
        to: ShardId,
    },
}

/// Relays for one shard, in order, with the bytes they refer to.
#[derive(Debug, Default)]
pub struct Batch;

/// What all shards of one process share: the configuration and each realm's index.
#[derive(Debug)]
pub struct Shared {
    /// How many shards there are.
    pub shards_count: u16,
}

impl Shared {
    /// For `shards_count` routers that will run `config`.
    #[must_use]
    pub fn new(config: Arc<Config>, shards_count: u16, seed: [u8; 32]) -> Arc<Self> {
        let _ = (config, seed);
        Arc::new(Self { shards_count })
    }
}

/// One shard's router.
#[derive(Debug)]
pub struct Router {
    outbox: Outbox,
}

impl Router {
    /// The router of `shard`. Every shard of a process gets the same `shared` and a seed of its own.
    #[must_use]
    pub fn new(shard: ShardId, shared: Arc<Shared>, seed: [u8; 32]) -> Self {
        let _ = (shard, shared, seed);
        Self { outbox: Outbox::default() }
    }

    /// Takes one input. `now` must not be before that of any earlier call.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        let _ = (now, input);
    }

    /// The next thing to do, or `None`: only then may the driver wait.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::DeadlineReached`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The bytes that wait for `connection`; `None` if the router does not know it any more.
    pub fn outbox(&mut self, connection: ConnectionId) -> Option<&mut Outbox> {
        let _ = connection;
        Some(&mut self.outbox)
    }

    /// Takes what waits for the shard `to`.
    pub fn take_batch(&mut self, to: ShardId) -> Batch {
        let _ = to;
        Batch
    }

    /// Connections the router knows; after [`Input::ShutDown`] and once this is 0 (and nothing is
    /// left to poll) the shard may end.
    #[must_use]
    pub fn connections_count(&self) -> usize {
        0
    }

    /// What happened so far, counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }

    /// Asserts everything that must hold inside one shard. Slow; for tests and the simulator.
    pub fn check(&self) {}
}

/// What one shard counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Sessions that were welcomed.
    pub sessions: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages queued for peers.
    pub messages_out: u64,
    /// Sessions ended because their outbox overflowed or stood still.
    pub slow_sessions_ended: u64,
    /// Sessions or connections ended for breaking the protocol.
    pub violations: u64,
    /// YIELDs and ERRORs that came too late and were dropped.
    pub late_answers: u64,
    /// EVENTs that were too long for their receiver and were dropped.
    pub oversize_events: u64,
}
