//! The connections of this shard, and the one way to say something to a peer.
//!
//! Every message to a peer is written, framed, measured and queued here; the connection is marked
//! for one [`Output::Transmit`] and, if it does not read, for its end.

use std::collections::VecDeque;

use bytes::Bytes;

use super::config::Limits;
use super::deadline::Handle;
use super::meta::Condemned;
use super::{Counters, Origin, Output};
use crate::env::Map;
use crate::message::uri::close;
use crate::message::{
    Goodbye, GoodbyeDetails, Message, Payload, Role, RouterRoles, SessionId, Welcome,
};
use crate::session::{Connection, ConnectionId, Phase, Session, SessionRef, ShardId};
use crate::wire::{Deflater, Framing, Negotiated};

/// Why a message could not be queued for a peer. The peer is not to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undeliverable {
    /// It is longer than the peer takes.
    TooLong,
    /// A value has no form in the peer's serializer.
    Unrepresentable,
    /// The peer is gone or going.
    Gone,
}

/// One place of the driver's table, as the router sees it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) listener: u16,
    /// The peer's address.
    pub(super) peer: Box<str>,
    pub(super) connection: Option<Connection>,
    pub(super) deadline: Option<Handle>,
    /// In [`Peers::dirty`].
    dirty: bool,
    /// Its outbox holds so much that nothing of it is processed.
    full: bool,
    /// Some of what it has sent waits for its turn.
    pub(super) behind: bool,
    /// Nothing is read from it: it is full or behind.
    pub(super) paused: bool,
    /// In [`Peers::doomed`]; nothing more is queued.
    doomed: bool,
}

/// All connections of this shard.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) shard: ShardId,
    pub(super) shards_count: u16,
    pub(super) slots: Vec<Slot>,
    /// Open sessions, and where they are.
    pub(super) sessions: Map<SessionId, u32>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
    /// Connections that are known.
    pub(super) count: usize,
    /// Connections whose outbox was written to since the last drain, each once.
    dirty: VecDeque<ConnectionId>,
    /// Connections of which more is to be processed, in the order of their turns. Each is behind,
    /// or was.
    pub(super) turns: VecDeque<ConnectionId>,
    /// Connections whose outbox is full or that cannot be told what they must be told.
    pub(super) doomed: Vec<ConnectionId>,
    /// Sessions that the meta API ends.
    pub(super) condemned: Vec<Condemned>,
    outbox_bytes_max: usize,
    outbox_bytes_pause: usize,
    /// Compresses for every connection that wants it.
    pub(super) deflater: Deflater,
    scratch: Vec<u8>,
    transcoded: Vec<u8>,
}

impl Peers {
    pub(super) fn new(
        (shard, shards_count): (ShardId, u16),
        limits: &Limits,
        sessions: Map<SessionId, u32>,
    ) -> Self {
        Self {
            shard,
            slots: Vec::new(),
            sessions,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            count: 0,
            dirty: VecDeque::new(),
            turns: VecDeque::new(),
            doomed: Vec::new(),
            condemned: Vec::new(),
            shards_count,
            outbox_bytes_max: limits.outbox_bytes_max,
            outbox_bytes_pause: limits.outbox_bytes_pause,
            deflater: Deflater::default(),
            scratch: Vec::new(),
            transcoded: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, id: ConnectionId, origin: &Origin) -> &mut Slot {
        let index = id.slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.count += 1;
        self.counters.connections += 1;
        let slot = &mut self.slots[index];
        assert!(slot.connection.is_none(), "the driver reused a slot that is taken");
        let connection = Some(Connection::default());
        let (listener, peer) = (origin.listener, origin.peer.clone());
        *slot = Slot { generation: id.generation, listener, peer, connection, ..Slot::default() };
        slot
    }

    /// Forgets a connection. The driver has closed it or is about to be told.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Slot {
        self.count -= 1;
        std::mem::take(&mut self.slots[id.slot as usize])
    }

    pub(super) fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        (slot.generation == id.generation && slot.connection.is_some()).then_some(slot)
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slot(id)?.connection.as_mut()
    }

    /// The id of the connection that is in `slot` now.
    pub(super) fn id_of(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.slots[slot as usize].generation }
    }

    /// The session that is open in `slot`, if any.
    pub(super) fn session(&mut self, slot: u32) -> Option<&mut Session> {
        self.slots.get_mut(slot as usize)?.connection.as_mut()?.session_mut()
    }

    /// The session that `reference` means, if it is still there.
    pub(super) fn find(&mut self, reference: SessionRef) -> Option<&mut Session> {
        let id = reference.id;
        self.session(reference.slot).filter(|session| session.id == id)
    }

    /// How to refer to the session that is open in `slot`.
    pub(super) fn reference(&mut self, slot: u32) -> Option<SessionRef> {
        let shard = self.shard;
        self.session(slot).map(|session| SessionRef { id: session.id, slot, shard })
    }

    /// Queues a message that carries no payload, or one in the peer's serializer. A peer that
    /// cannot take it cannot go on, and is ended.
    pub(super) fn tell<'a>(&mut self, slot: u32, message: impl Into<Message<'a>>) {
        if self.send(slot, &message.into()) == Err(Undeliverable::TooLong) {
            self.doom(slot);
        }
    }

    /// Queues GOODBYE for a session that others end; without what this peer's frames cannot hold.
    pub(super) fn dismiss(&mut self, slot: u32, reason: &str, message: Option<&str>) {
        for (reason, message) in [(reason, message), (reason, None), (close::KILLED, None)] {
            let details = GoodbyeDetails { message: message.map(Into::into) };
            let goodbye = Goodbye { details, reason: reason.into() };
            if self.send(slot, &Message::Goodbye(goodbye)) != Err(Undeliverable::TooLong) {
                return;
            }
        }
    }

    /// Queues WELCOME; without features if the peer takes only shorter messages. Says whether the
    /// peer takes it at all.
    pub(super) fn welcome(&mut self, slot: u32, mut welcome: Welcome<'_>) -> bool {
        if self.send(slot, &Message::Welcome(welcome.clone())).is_ok() {
            return true;
        }
        let plain = || Some(Role::default());
        welcome.details.roles = Some(RouterRoles { broker: plain(), dealer: plain() });
        self.send(slot, &Message::Welcome(welcome)).is_ok()
    }

    /// Queues a message whose payload is in the peer's serializer.
    pub(super) fn send(&mut self, slot: u32, message: &Message<'_>) -> Result<(), Undeliverable> {
        let negotiated = self.negotiated(slot).ok_or(Undeliverable::Gone)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let mark = Framing::begin(&mut scratch);
        let body_at = scratch.len();
        message.write(negotiated.serializer, &mut scratch);
        let queued = if scratch.len() - body_at > negotiated.peer_message_bytes_max {
            Err(Undeliverable::TooLong)
        } else {
            let frame = negotiated.finish(&mut self.deflater, &mut scratch, mark);
            self.queue(slot, &scratch[frame]);
            Ok(())
        };
        if scratch.capacity() > SCRATCH_BYTES_KEPT {
            scratch = Vec::new();
        }
        self.scratch = scratch;
        queued
    }

    /// Runs `then` with `payload` in the serializer of the peer in `slot`.
    pub(super) fn in_serializer_of<R>(
        &mut self,
        slot: u32,
        payload: &Payload<'_>,
        then: impl FnOnce(&mut Self, Payload<'_>) -> Result<R, Undeliverable>,
    ) -> Result<R, Undeliverable> {
        let serializer = self.negotiated(slot).ok_or(Undeliverable::Gone)?.serializer;
        if serializer == payload.serializer() {
            return then(self, *payload);
        }
        let mut transcoded = std::mem::take(&mut self.transcoded);
        let result = match payload.to(serializer, &mut transcoded) {
            Ok(payload) => then(self, payload),
            Err(_) => Err(Undeliverable::Unrepresentable),
        };
        if transcoded.capacity() <= SCRATCH_BYTES_KEPT {
            self.transcoded = transcoded;
        }
        result
    }

    /// Queues one frame, `bytes`, that is the same for several peers.
    pub(super) fn queue_shared(&mut self, slot: u32, bytes: &Bytes) {
        if let Some(connection) = self.receiving(slot) {
            connection.outbox.push_shared(bytes);
            self.queued(slot);
        }
    }

    /// Queues a copy of one whole frame.
    pub(super) fn queue(&mut self, slot: u32, frame: &[u8]) {
        if let Some(connection) = self.receiving(slot) {
            connection.outbox.push(frame);
            self.queued(slot);
        }
    }

    /// What the transport of the peer in `slot` has to say for itself (handshake, pong, close).
    pub(super) fn queue_reply(&mut self, id: ConnectionId, reply: &[u8]) {
        if !reply.is_empty()
            && let Some(connection) = self.connection(id)
        {
            connection.outbox.push(reply);
            self.touch(id.slot);
        }
    }

    /// Octets that wait for the peer in `slot`.
    pub(super) fn waiting(&self, slot: u32) -> usize {
        let connection = self.slots.get(slot as usize).and_then(|slot| slot.connection.as_ref());
        connection.map_or(0, |connection| connection.outbox.bytes_count())
    }

    /// What the handshake of the connection in `slot` settled, if it is open to messages.
    pub(super) fn negotiated(&self, slot: u32) -> Option<Negotiated> {
        self.slots.get(slot as usize)?.connection.as_ref()?.negotiated
    }

    /// The address of the peer in `slot`.
    pub(super) fn address(&self, slot: u32) -> &str {
        self.slots.get(slot as usize).map_or("", |slot| &slot.peer)
    }

    /// The next connection to be written to.
    pub(super) fn poll_dirty(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.dirty.pop_front() {
            if let Some(slot) = self.slot(id) {
                slot.dirty = false;
                if slot.connection.as_ref().is_some_and(|peer| !peer.outbox.is_empty()) {
                    return Some(id);
                }
            }
        }
        None
    }

    /// The driver wrote `count` octets to `id`.
    pub(super) fn transmitted(&mut self, id: ConnectionId, count: usize) {
        let pause = self.outbox_bytes_pause;
        let Some(slot) = self.slot(id) else { return };
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        connection.outbox.advance(count);
        connection.progressed |= count > 0;
        if slot.full && connection.outbox.bytes_count() <= pause / 2 {
            slot.full = false;
            match slot.behind {
                true => self.turns.push_back(id),
                false => self.resume(id),
            }
        }
    }

    /// Notes that some of what `id` has sent waits for its turn.
    pub(super) fn fall_behind(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        slot.behind = true;
        let is_full = slot.full;
        self.pause(id);
        if !is_full {
            self.turns.push_back(id);
        }
    }

    /// Takes what waits of `id`, if it is its turn.
    pub(super) fn take_turn(&mut self, id: ConnectionId) -> Option<Vec<u8>> {
        let slot = self.slot(id).filter(|slot| slot.behind && !slot.full)?;
        slot.behind = false;
        slot.connection.as_mut().map(|connection| std::mem::take(&mut connection.rest))
    }

    /// Has `id` read from again, unless there is a reason not to.
    pub(super) fn resume(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        if slot.paused && !slot.full && !slot.behind {
            slot.paused = false;
            self.outputs.push_back(Output::Resume { connection: id });
        }
    }

    fn pause(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        if !std::mem::replace(&mut slot.paused, true) {
            self.outputs.push_back(Output::Pause { connection: id });
        }
    }

    /// Whether another message of this peer may be processed now.
    pub(super) fn has_turn(&mut self, id: ConnectionId) -> bool {
        let Some(slot) = self.slot(id).filter(|slot| !slot.doomed && !slot.full) else {
            return false;
        };
        let connection = slot.connection.as_ref();
        connection.is_some_and(|connection| !matches!(connection.phase, Phase::Flushing))
    }

    /// Lets something be queued again for a peer that did not read: what it is told at the end.
    pub(super) fn undoom(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id) {
            slot.doomed = false;
        }
    }

    /// Asserts that what is known of connections and sessions agrees.
    pub(super) fn check(&self) {
        let taken = self.slots.iter().filter(|slot| slot.connection.is_some());
        assert_eq!(taken.count(), self.count, "connections are miscounted");
        let mut sessions = 0;
        for (slot, place) in (0..).zip(&self.slots) {
            let Some(connection) = &place.connection else {
                continue;
            };
            if let Some(session) = connection.session() {
                sessions += 1;
                assert_eq!(self.sessions.get(&session.id), Some(&slot), "a session nobody finds");
            }
        }
        assert_eq!(sessions, self.sessions.len(), "sessions that are gone are found");
    }

    fn receiving(&mut self, slot: u32) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(slot as usize)?;
        if slot.doomed { None } else { slot.connection.as_mut() }
    }

    fn queued(&mut self, slot: u32) {
        self.counters.messages_out += 1;
        self.touch(slot);
    }

    /// Marks the connection in `slot` as written to, and sees to it that it reads.
    fn touch(&mut self, slot: u32) {
        let (id, waiting) = (self.id_of(slot), self.waiting(slot));
        let place = &mut self.slots[slot as usize];
        if !place.dirty {
            place.dirty = true;
            self.dirty.push_back(id);
        }
        if waiting > self.outbox_bytes_pause && !place.full {
            place.full = true;
            self.pause(id);
        }
        if waiting > self.outbox_bytes_max {
            self.doom(slot);
        }
    }

    /// Has the connection in `slot` ended once the input in hand is done, unless it is ending.
    fn doom(&mut self, slot: u32) {
        let id = self.id_of(slot);
        let place = &mut self.slots[slot as usize];
        // spec: basic/sessions#session-closing — behind GOODBYE nothing follows, no ABORT either
        let ending =
            |connection: &Connection| matches!(connection.phase, Phase::Leaving | Phase::Flushing);
        if place.connection.as_ref().is_some_and(|peer| !ending(peer)) && !place.doomed {
            place.doomed = true;
            self.doomed.push(id);
        }
    }
}

/// A scratch buffer that has grown beyond this is given back: one huge message must not cost its
/// size for ever.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;
