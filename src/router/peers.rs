//! The connections of this shard, and the one way to say something to a peer.
//!
//! Every message to a peer is written, framed, measured and queued here; the connection is marked
//! for one [`Output::Transmit`] and, if it does not read, for its end.

use std::collections::VecDeque;

use bytes::Bytes;

use super::config::Limits;
use super::longpoll::Poll;
use super::meta::Condemned;
use super::notice::Notices;
use super::slots::{POLL_BIT, Slot, Slots, is_poll};
use super::volley::Volley;
use super::{Counters, Origin, Output};
use crate::env::Map;
use crate::message::uri::close;
use crate::message::{
    Goodbye, GoodbyeDetails, Message, Payload, Role, RouterRoles, SessionId, Welcome,
};
use crate::session::outbox::Spares;
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

/// All connections of this shard.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) shard: ShardId,
    pub(super) shards_count: u16,
    slots: Slots,
    /// Open sessions, and where they are.
    pub(super) sessions: Map<SessionId, u32>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
    pub(super) notices: Notices,
    /// Connections that are known.
    pub(super) count: usize,
    /// Connections whose outbox was written to since the last drain, each once.
    dirty: VecDeque<ConnectionId>,
    /// Connections of which more is to be processed, in the order of their turns. Each is behind,
    /// or was.
    pub(super) turns: VecDeque<ConnectionId>,
    /// What the message in hand cost beyond that of an ordinary one, in such messages.
    pub(super) work: usize,
    /// Connections whose outbox is full or that cannot be told what they must be told.
    pub(super) doomed: Vec<ConnectionId>,
    /// Connections without a socket for which something may have come, each once.
    polls_to_serve: VecDeque<ConnectionId>,
    /// Sessions that the meta API ends.
    pub(super) condemned: Vec<Condemned>,
    outbox_bytes_max: usize,
    outbox_bytes_pause: usize,
    /// Compresses for every connection that wants it.
    pub(super) deflater: Deflater,
    /// Events that are not queued yet.
    pub(super) volley: Volley,
    scratch: Vec<u8>,
    transcoded: Vec<u8>,
    spares: Spares,
}

impl Peers {
    pub(super) fn new(
        (shard, shards_count): (ShardId, u16),
        limits: &Limits,
        sessions: Map<SessionId, u32>,
    ) -> Self {
        Self {
            shard,
            slots: Slots::default(),
            sessions,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            notices: Notices::default(),
            count: 0,
            dirty: VecDeque::new(),
            turns: VecDeque::new(),
            work: 0,
            doomed: Vec::new(),
            polls_to_serve: VecDeque::new(),
            volley: Volley::default(),
            condemned: Vec::new(),
            shards_count,
            outbox_bytes_max: limits.outbox_bytes_max,
            outbox_bytes_pause: limits.outbox_bytes_pause,
            deflater: Deflater::default(),
            scratch: Vec::new(),
            transcoded: Vec::new(),
            spares: Spares::default(),
        }
    }

    pub(super) fn open(&mut self, id: ConnectionId, origin: Origin) -> &mut Slot {
        self.count += 1;
        self.counters.connections += 1;
        let slot = self.slots.socket(id.slot);
        assert!(slot.connection.is_none(), "the driver reused a slot that is taken");
        let connection = Some(Connection::default());
        *slot = Slot { generation: id.generation, origin, connection, ..Slot::default() };
        slot
    }

    /// Makes a connection without a socket, of a client that came from `origin`.
    pub(super) fn open_poll(
        &mut self,
        origin: Origin,
        negotiated: Negotiated,
        poll: Poll,
    ) -> ConnectionId {
        let id = self.slots.next_poll();
        self.count += 1;
        let connection = Some(Connection { negotiated: Some(negotiated), ..Connection::default() });
        let (generation, poll) = (id.generation, Some(Box::new(poll)));
        *self.place_mut(id.slot) = Slot { generation, origin, connection, poll, ..Slot::default() };
        id
    }

    /// Forgets a connection. The driver has closed it or is about to be told.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Slot {
        self.count -= 1;
        if is_poll(id.slot) {
            self.slots.free.push(id.slot & !POLL_BIT);
        }
        std::mem::take(self.place_mut(id.slot))
    }

    pub(super) fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        self.slots.find(id)
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slot(id)?.connection.as_mut()
    }

    /// What is in `slot`, if anything is.
    pub(super) fn place(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot).filter(|place| place.connection.is_some())
    }

    /// Goes by other limits from here on.
    pub(super) const fn configure(&mut self, limits: &Limits) {
        self.outbox_bytes_max = limits.outbox_bytes_max;
        self.outbox_bytes_pause = limits.outbox_bytes_pause;
    }

    /// The connections that are in a phase of which `is_meant` says so.
    pub(super) fn ids_where(&self, is_meant: impl Fn(&Phase) -> bool) -> Vec<ConnectionId> {
        let phase = |place: &Slot| place.connection.as_ref().is_some_and(|it| is_meant(&it.phase));
        let meant = self.slots.iter().filter(|(_, place)| phase(place));
        meant.map(|(slot, place)| ConnectionId { slot, generation: place.generation }).collect()
    }

    /// All connections.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        let taken = self.slots.iter().filter(|(_, place)| place.connection.is_some());
        let id = |(slot, place): (_, &Slot)| ConnectionId { slot, generation: place.generation };
        taken.map(id).collect()
    }

    /// The id of the connection that is in `slot` now.
    pub(super) fn id_of(&self, slot: u32) -> ConnectionId {
        let place = self.slots.get(slot).expect("whoever names a slot knows it");
        ConnectionId { slot, generation: place.generation }
    }

    /// The session that is open in `slot`, if any.
    pub(super) fn session(&mut self, slot: u32) -> Option<&mut Session> {
        self.slots.get_mut(slot)?.connection.as_mut()?.session_mut()
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
        self.let_pass(slot);
        if let Some(connection) = self.slots.receiving(slot) {
            connection.outbox.push_shared(bytes, &mut self.spares);
            self.queued(slot, 1);
        }
    }

    /// Queues a copy of one whole frame.
    pub(super) fn queue(&mut self, slot: u32, frame: &[u8]) {
        self.queue_several(slot, frame, 1);
    }

    /// Queues a copy of `count` whole frames.
    pub(super) fn queue_several(&mut self, slot: u32, frames: &[u8], count: usize) {
        self.let_pass(slot);
        if let Some(connection) = self.slots.receiving(slot) {
            connection.outbox.push(frames, &mut self.spares);
            self.queued(slot, count);
        }
    }

    /// The peer in `slot` is a receiver of the volley in hand.
    pub(super) fn note_volley(&mut self, slot: u32) {
        self.place_mut(slot).volley = self.volley.number;
    }

    /// What the transport of the peer in `slot` has to say for itself (handshake, pong, close).
    pub(super) fn queue_reply(&mut self, id: ConnectionId, reply: &[u8]) {
        if reply.is_empty() {
            return;
        }
        self.let_pass(id.slot);
        if let Some(Slot { connection: Some(connection), .. }) = self.slots.find(id) {
            connection.outbox.push(reply, &mut self.spares);
            self.touch(id.slot);
        }
    }

    /// Octets that wait for the peer in `slot`.
    pub(super) fn waiting(&self, slot: u32) -> usize {
        let connection = self.slots.get(slot).and_then(|slot| slot.connection.as_ref());
        connection.map_or(0, |connection| connection.outbox.bytes_count())
    }

    /// What the handshake of the connection in `slot` settled, if it is open to messages.
    pub(super) fn negotiated(&self, slot: u32) -> Option<Negotiated> {
        self.slots.get(slot)?.connection.as_ref()?.negotiated
    }

    /// The address of the peer in `slot`.
    pub(super) fn address(&self, slot: u32) -> &str {
        self.slots.get(slot).map_or("", |slot| &slot.origin.peer)
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

    /// The driver wrote `count` octets to `id`. Says whether nothing follows from that, as in most
    /// cases; else they are still to be [`transmitted`](Self::transmitted).
    pub(super) fn is_transmitted(&mut self, id: ConnectionId, count: usize) -> bool {
        let Some(slot) = self.slots.find(id) else { return true };
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        if slot.full || matches!(connection.phase, Phase::Flushing) {
            return false;
        }
        connection.outbox.advance(count, &mut self.spares);
        connection.progressed |= count > 0;
        true
    }

    /// The driver wrote `count` octets to `id`. Says whether requests that were held back may be
    /// looked at again.
    pub(super) fn transmitted(&mut self, id: ConnectionId, count: usize) -> bool {
        let Some(slot) = self.slots.find(id) else { return false };
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        connection.outbox.advance(count, &mut self.spares);
        connection.progressed |= count > 0;
        if !slot.full || connection.outbox.bytes_count() > self.outbox_bytes_pause / 2 {
            return false;
        }
        slot.full = false;
        let is_held_back = slot.held_back && !slot.behind && slot.may_go_on();
        self.go_on(id);
        is_held_back
    }

    /// Notes that some of what `id` has sent waits for its turn.
    pub(super) fn fall_behind(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        slot.behind = true;
        if slot.may_go_on() {
            self.turns.push_back(id);
        }
        self.mind_reading(id);
    }

    /// Takes what waits of `id`, if it is its turn.
    pub(super) fn take_turn(&mut self, id: ConnectionId) -> Option<Vec<u8>> {
        let slot = self.slot(id).filter(|slot| slot.behind && slot.may_go_on())?;
        slot.behind = false;
        slot.connection.as_mut().map(|connection| std::mem::take(&mut connection.rest))
    }

    /// Notes that a request of `id` must be answered before more is read, or was.
    pub(super) fn hold_back(&mut self, id: ConnectionId, held_back: bool) {
        if let Some(slot) = self.slot(id) {
            slot.held_back = held_back;
            self.mind_reading(id);
        }
    }

    /// Has `id` read from as long as there is no reason not to.
    pub(super) fn mind_reading(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        let paused = slot.behind || slot.held_back || !slot.may_go_on();
        if std::mem::replace(&mut slot.paused, paused) == paused {
            return;
        }
        if is_poll(id.slot) {
            self.serve_later(id);
        } else {
            self.outputs.push_back(match paused {
                true => Output::Pause { connection: id },
                false => Output::Resume { connection: id },
            });
        }
    }

    /// Has a connection without a socket looked after once the input in hand is done.
    pub(super) fn serve_later(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id)
            && !std::mem::replace(&mut slot.dirty, true)
        {
            self.polls_to_serve.push_back(id);
        }
    }

    /// The next connection without a socket to look after.
    pub(super) fn poll_served(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.polls_to_serve.pop_front() {
            if let Some(slot) = self.slot(id) {
                slot.dirty = false;
                return Some(id);
            }
        }
        None
    }

    /// Whether another message of this peer may be processed now.
    pub(super) fn has_turn(&mut self, id: ConnectionId) -> bool {
        let Some(slot) = self.slot(id).filter(|slot| !slot.doomed && slot.may_go_on()) else {
            return false;
        };
        let connection = slot.connection.as_ref();
        connection.is_some_and(|connection| !matches!(connection.phase, Phase::Flushing))
    }

    /// Whether the connection is to be ended once the input in hand is done.
    pub(super) fn is_doomed(&mut self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| slot.doomed)
    }

    /// Lets something be queued again for a peer that did not read: what it is told at the end.
    pub(super) fn undoom(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id) {
            slot.doomed = false;
        }
    }

    /// Asserts that what is known of connections and sessions agrees.
    pub(super) fn check(&self) {
        assert!(!self.volley.is_waiting(), "events that nobody would ever send");
        let taken = self.slots.iter().filter(|(_, slot)| slot.connection.is_some());
        assert_eq!(taken.count(), self.count, "connections are miscounted");
        let mut sessions = 0;
        for (slot, place) in self.slots.iter() {
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

    fn place_mut(&mut self, slot: u32) -> &mut Slot {
        self.slots.get_mut(slot).expect("whoever names a slot knows it")
    }

    /// Queues what is on its way to `slot` in a volley, before anything else is.
    #[inline]
    /// Queues what is on its way to the peer in `slot` in a volley: something else comes behind it.
    fn let_pass(&mut self, slot: u32) {
        let number = self.volley.number;
        if self.volley.is_waiting() && self.slots.get(slot).is_some_and(|at| at.volley == number) {
            self.fire();
        }
    }

    fn queued(&mut self, slot: u32, count: usize) {
        self.counters.messages_out += count as u64;
        self.touch(slot);
    }

    /// Marks the connection in `slot` as written to, and sees to it that it reads.
    fn touch(&mut self, slot: u32) {
        let place = self.slots.get_mut(slot).expect("whoever names a slot knows it");
        let id = ConnectionId { slot, generation: place.generation };
        let waiting = place.connection.as_ref().map_or(0, |peer| peer.outbox.bytes_count());
        if !std::mem::replace(&mut place.dirty, true) {
            let queue = if is_poll(slot) { &mut self.polls_to_serve } else { &mut self.dirty };
            queue.push_back(id);
        }
        if waiting > self.outbox_bytes_pause && !std::mem::replace(&mut place.full, true) {
            self.mind_reading(id);
        }
        if waiting > self.outbox_bytes_max {
            self.doom(slot);
        }
    }

    /// Has the connection in `slot` ended once the input in hand is done, unless it is ending.
    fn doom(&mut self, slot: u32) {
        let id = self.id_of(slot);
        let place = self.place_mut(slot);
        // An HTTP client is asked to read by not being answered any more.
        // spec: basic/sessions#session-closing — behind GOODBYE nothing follows, no ABORT either
        let ending = |connection: &Connection| {
            let is_over = matches!(connection.phase, Phase::Leaving | Phase::Flushing);
            is_over || connection.transport.longpoll().is_some()
        };
        if place.connection.as_ref().is_some_and(|peer| !ending(peer)) && !place.doomed {
            place.doomed = true;
            self.doomed.push(id);
        }
    }
}

/// A scratch buffer that has grown beyond this is given back: one huge message must not cost its
/// size for ever.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;
