//! Where things live: shards, connections, sessions.

use crate::message::{RequestId, SessionId};

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

/// A session and the way to it: its shard, and its connection's slot there. The id decides
/// whether the slot still holds the same session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// The session.
    pub id: SessionId,
    /// The slot of its connection.
    pub slot: u32,
    /// The shard it lives on for life.
    pub shard: ShardId,
}

impl SessionRef {
    /// The router itself, where it calls on `shard`. Which of its callers this is has no meaning
    /// to anybody else.
    #[must_use]
    pub const fn of_router(number: u32, shard: ShardId) -> Self {
        Self { id: SessionId(0), slot: number, shard }
    }

    /// Whether this is the router itself: no session has the id 0.
    #[must_use]
    pub const fn is_router(self) -> bool {
        self.id.0 == 0
    }
}

/// A call, as its caller knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallRef {
    /// Who called.
    pub caller: SessionRef,
    /// The caller's id of the call.
    pub request: RequestId,
    /// Which of the session's calls it is, counted from 1: where any request ids are accepted, the
    /// id may have been used before, and an answer to that call be under way still.
    pub serial: u64,
}
