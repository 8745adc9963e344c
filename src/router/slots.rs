//! The places of connections, as the router sees them: what is in each, and how it is found.

use super::Origin;
use super::advice::QuestionId;
use super::authorization::Waiting;
use super::deadline::Handle;
use super::longpoll::{Asked, Poll};
use crate::env::Instant;
use crate::session::{Buckets, Connection, ConnectionId};

/// One place of the driver's table, as the router sees it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    /// Where the client is.
    pub(super) origin: Origin,
    pub(super) connection: Option<Connection>,
    pub(super) deadline: Option<Handle>,
    /// In [`Peers`](super::peers::Peers)`::dirty`.
    pub(super) dirty: bool,
    /// Its outbox holds so much that nothing of it is processed.
    pub(super) full: bool,
    /// Some of what it has sent waits for its turn.
    pub(super) behind: bool,
    /// Its session has done more than its rates allow: when it may go on.
    pub(super) throttle: Option<Handle>,
    /// What a session before has left of its rates, where that is not in use.
    pub(super) buckets: Option<Box<Buckets>>,
    /// Nothing is read from it: it is full, behind, throttled or held back.
    pub(super) paused: bool,
    /// A request that an authorizer decides; nothing after it is processed before.
    pub(super) waiting: Option<Box<Waiting>>,
    /// A request of it must be answered first.
    pub(super) held_back: bool,
    /// In [`Peers::doomed`](super::peers::Peers::doomed); nothing more is queued.
    pub(super) doomed: bool,
    /// What makes a connection of one without a socket.
    pub(super) poll: Option<Box<Poll>>,
    /// What an HTTP client has asked.
    pub(super) asked: Option<Box<Asked>>,
    /// When it has a session at the latest.
    pub(super) welcome_by: Instant,
    /// What an advisor was asked about it.
    pub(super) question: Option<QuestionId>,
    /// The last [`Volley`](super::volley::Volley) that it is a receiver of.
    pub(super) volley: u32,
}

impl Slot {
    /// Whether what it has sent may be processed, as far as its outbox, its rates and an authorizer
    /// go.
    #[inline]
    pub(super) const fn may_go_on(&self) -> bool {
        !self.full && self.throttle.is_none() && self.waiting.is_none()
    }
}

/// All slots: those that the driver gave a socket, and those of transports that have none, which
/// have the highest bit of their number set.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) sockets: Vec<Slot>,
    pub(super) polls: Vec<Slot>,
    /// Places in `polls` that are free.
    pub(super) free: Vec<u32>,
    /// Transports without a socket that there ever were.
    pub(super) polls_count: u32,
}

/// The bit that no driver sets: it would take 2^31 sockets.
pub(super) const POLL_BIT: u32 = 1 << 31;

/// Whether what is in `slot` has no socket.
#[inline]
pub(super) const fn is_poll(slot: u32) -> bool {
    slot & POLL_BIT != 0
}

impl Slots {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        if is_poll(slot) {
            return self.polls.get((slot & !POLL_BIT) as usize);
        }
        self.sockets.get(slot as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        if is_poll(slot) {
            return self.polls.get_mut((slot & !POLL_BIT) as usize);
        }
        self.sockets.get_mut(slot as usize)
    }

    /// The slot of `id`, if it still has it.
    #[inline]
    pub(super) fn find(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.get_mut(id.slot)?;
        (slot.generation == id.generation && slot.connection.is_some()).then_some(slot)
    }

    /// The connection in `slot`, if anything may still be queued for it.
    #[inline]
    pub(super) fn receiving(&mut self, slot: u32) -> Option<&mut Connection> {
        let slot = self.get_mut(slot)?;
        if slot.doomed { None } else { slot.connection.as_mut() }
    }

    /// The slot of a new connection to which the driver gave `slot`.
    pub(super) fn socket(&mut self, slot: u32) -> &mut Slot {
        let index = slot as usize;
        assert!(!is_poll(slot), "the driver has more slots than there can be");
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, Slot::default);
        }
        &mut self.sockets[index]
    }

    /// The id of a connection without a socket that is to be made.
    pub(super) fn next_poll(&mut self) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.polls.push(Slot::default());
            u32::try_from(self.polls.len() - 1).expect("they are bounded")
        });
        self.polls_count = self.polls_count.wrapping_add(1);
        ConnectionId { slot: index | POLL_BIT, generation: self.polls_count }
    }

    /// All slots with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.sockets).chain((POLL_BIT..).zip(&self.polls))
    }
}
