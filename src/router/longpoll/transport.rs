//! The shard of the transport: sends are taken, receives held until something waits for them.

use super::{Address, Asker, Errand, Poll, PollReply, PollRequest, Reply};
use crate::limits::TURN_MESSAGES_MAX;
use crate::message::Payload;
use crate::router::conversation::Deadline;
use crate::router::relay::{Head, Relay};
use crate::router::slots::Slot;
use crate::router::{ConnectionId, Router};
use crate::session::{Outbox, Violation};
use crate::wire::longpoll::{self, Deed, Messages, STORED_HEAD_BYTES, Verdict};
use crate::wire::{Malformed, Serializer};

impl Router {
    /// Does an errand.
    pub(super) fn on_poll(&mut self, request: &PollRequest, body: &[u8]) {
        let PollRequest { address, asker, listener, errand } = *request;
        let Some(id) = self.find_poll(&address, listener) else {
            if matches!(errand, Errand::Do(_)) {
                self.reply(asker, address, Verdict::Unknown, (Serializer::Json, &[]));
            }
            return;
        };
        match errand {
            Errand::Do(Deed::Receive) => self.on_receive(id, asker),
            Errand::Do(Deed::Send) => {
                self.poll(id).waiting.push_back((asker, body.into(), 0));
                self.longpoll.waiting_count += 1;
                self.peers.serve_later(id);
            }
            Errand::Do(Deed::Close) => {
                self.end_receive(id);
                self.close(id);
                self.reply(asker, address, Verdict::Done, (Serializer::Json, &[]));
            }
            Errand::Abandon => {
                // What cannot be taken yet is bounded by the sockets that wait for it, and by
                // nothing else.
                if self.held || self.peers.slot(id).is_some_and(|slot| !slot.may_go_on()) {
                    let waiting = &mut self.poll(id).waiting;
                    let before = waiting.len();
                    waiting.retain(|(sender, _, taken)| *sender != asker || *taken > 0);
                    let dropped_count = before - waiting.len();
                    self.longpoll.waiting_count -= dropped_count;
                    if dropped_count > 0 {
                        // Messages of its client are lost.
                        return self.close(id);
                    }
                }
                if self.poll(id).held == Some(asker) {
                    self.poll(id).held = None;
                    self.set_poll_deadline(id, self.config.limits.longpoll_idle);
                }
            }
            Errand::Lose => self.close(id),
        }
    }

    // spec: advanced/transport_http_longpoll — a request is held while nothing is pending
    fn on_receive(&mut self, id: ConnectionId, asker: Asker) {
        self.end_receive(id);
        self.poll(id).held = Some(asker);
        if let Some(connection) = self.peers.connection(id) {
            connection.heard = true;
        }
        self.set_poll_deadline(id, self.config.limits.longpoll_hold);
        self.peers.serve_later(id);
    }

    /// Takes sends, if they may be taken now, and gives a receive what waits for it.
    pub(super) fn serve(&mut self, id: ConnectionId) {
        if let Some((asker, body, taken)) = self.next_send(id) {
            let address = self.address(id);
            match self.on_send(id, &body, taken) {
                Ok(verdict) => self.reply(asker, address, verdict, (Serializer::Json, &[])),
                Err(taken) => {
                    self.poll(id).waiting.push_front((asker, body, taken));
                    self.longpoll.waiting_count += 1;
                }
            }
            // The same that follows any other input.
            self.end_condemned();
            self.end_doomed();
            self.wait_for_poll_turn(id);
        }
        let Some(slot) = self.peers.slot(id) else { return };
        let (Some(poll), Some(connection)) = (&mut slot.poll, &slot.connection) else { return };
        let (outbox, is_batched) = (&connection.outbox, poll.is_batched);
        if outbox.is_empty() {
            return;
        }
        let Some(asker) = poll.held.take() else { return };
        let serializer = connection.negotiated.map_or(Serializer::Json, |it| it.serializer);
        let (count, body) = messages(outbox, serializer, is_batched);
        self.set_poll_deadline(id, self.config.limits.longpoll_idle);
        let address = self.address(id);
        self.reply(asker, address, Verdict::Messages, (serializer, &body));
        self.on_transmitted(id, count);
    }

    /// What is left of the sends of `id` waits for its turn.
    pub(super) fn wait_for_poll_turn(&mut self, id: ConnectionId) {
        let waits = |slot: &mut Slot| {
            !slot.behind && slot.poll.as_ref().is_some_and(|poll| !poll.waiting.is_empty())
        };
        if self.peers.slot(id).is_some_and(waits) {
            self.peers.fall_behind(id);
        }
    }

    /// The next send that may be taken. None may while other shards have too much waiting for
    /// them, or the client while it does not receive.
    fn next_send(&mut self, id: ConnectionId) -> Option<(Asker, Box<[u8]>, usize)> {
        let slot = self.peers.slot(id).filter(|slot| slot.may_go_on() && !slot.behind)?;
        let send = slot.poll.as_mut().filter(|_| !self.held)?.waiting.pop_front()?;
        self.longpoll.waiting_count -= 1;
        Some(send)
    }

    /// Processes the messages of a send behind its first `taken` octets, as many as are one turn.
    /// Otherwise it says how many octets are taken by now.
    fn on_send(&mut self, id: ConnectionId, body: &[u8], taken: usize) -> Result<Verdict, usize> {
        if !self.is_listening(id) {
            return Ok(Verdict::Unknown);
        }
        let violations = self.peers.counters.violations;
        let is_batched = self.poll(id).is_batched;
        let held = self.poll(id).held.is_some();
        if !held {
            self.set_poll_deadline(id, self.config.limits.longpoll_idle);
        }
        let connection = self.peers.connection(id).expect("it is being listened to");
        connection.heard = true;
        let serializer = connection.negotiated.map_or(Serializer::Json, |it| it.serializer);
        let mut messages = Messages::resume(body, taken, serializer, is_batched);
        let mut turn = TURN_MESSAGES_MAX;
        // spec: basic/building_blocks#protocol-errors — nothing behind an offence is processed
        while self.is_listening(id) && !self.peers.is_doomed(id) {
            if messages.left() > 0 && (turn == 0 || !self.peers.has_turn(id)) {
                return Err(body.len() - messages.left());
            }
            match messages.next() {
                None => break,
                Some(Ok(message)) => {
                    self.peers.work = 0;
                    self.on_bytes(id, message);
                    turn = turn.saturating_sub(1 + self.peers.work);
                }
                Some(Err(Malformed(text))) => self.on_violation(id, Violation(text.into())),
            }
        }
        if !self.is_listening(id) {
            self.part(id);
        }
        let is_malformed = self.peers.counters.violations > violations;
        Ok(if is_malformed { Verdict::Malformed } else { Verdict::Done })
    }

    /// The time of a receive that is held, or of a client that is silent, is over.
    pub(in crate::router) fn on_poll_late(&mut self, id: ConnectionId) {
        let Some(slot) = self.peers.slot(id) else { return };
        let is_full = slot.full;
        let Some(poll) = slot.poll.as_mut() else { return };
        poll.deadline = None;
        // Whoever has sent something that we have not taken yet waits for us.
        let is_waiting = !poll.waiting.is_empty() && !is_full;
        if poll.held.is_none() && !is_waiting {
            return self.close(id);
        }
        self.end_receive(id);
        self.set_poll_deadline(id, self.config.limits.longpoll_idle);
    }

    /// Answers a receive that is held with nothing.
    fn end_receive(&mut self, id: ConnectionId) {
        if let Some(asker) = self.poll(id).held.take() {
            let address = self.address(id);
            self.reply(asker, address, Verdict::Done, (Serializer::Json, &[]));
        }
    }

    /// What is left to do for a connection that was forgotten: `slot` is what it had.
    pub(in crate::router) fn leave_longpoll(&mut self, id: ConnectionId, slot: Slot) {
        if let Some(poll) = slot.poll {
            self.longpoll.give_place_back();
            if let Some(deadline) = poll.deadline {
                self.deadlines.cancel(deadline);
            }
            self.longpoll.waiting_count -= poll.waiting.len();
            let address = Address { shard: self.peers.shard, slot: id.slot, secret: poll.secret };
            let senders = poll.waiting.into_iter().map(|(asker, _, _)| asker);
            for asker in poll.held.into_iter().chain(senders) {
                self.reply(asker, address, Verdict::Unknown, (Serializer::Json, &[]));
            }
        }
        let Some(asked) = slot.asked else { return };
        if let Some(address) = asked.open {
            let asker = Asker { shard: self.peers.shard, connection: id };
            let (listener, errand) = (slot.origin.listener, Errand::Abandon);
            self.ask(&PollRequest { address, asker, listener, errand }, &[]);
        }
        let is_unread = slot.connection.is_some_and(|connection| !connection.outbox.is_empty());
        if let Some(address) = asked.given.filter(|_| is_unread) {
            self.lose(address);
        }
    }

    pub(super) fn lose(&mut self, address: Address) {
        let connection = ConnectionId { slot: u32::MAX, generation: 0 };
        let asker = Asker { shard: self.peers.shard, connection };
        let (listener, errand) = (ANY_LISTENER, Errand::Lose);
        self.ask(&PollRequest { address, asker, listener, errand }, &[]);
    }

    /// Sends an answer to the socket that waits for it.
    fn reply(
        &mut self,
        Asker { shard, connection }: Asker,
        address: Address,
        verdict: Verdict,
        (serializer, body): (Serializer, &[u8]),
    ) {
        if shard != self.peers.shard {
            let payload = Payload::from_elements(serializer, (body, b""), false);
            let head = Head::Polled(PollReply { connection, verdict, address });
            return self.relays.push(shard, 0, &Relay { payload, ..Relay::of(head) });
        }
        let (address, body) = (Some(address), body.to_vec());
        let reply = Reply { connection, verdict, address, serializer, body };
        self.longpoll.replies.push_back(reply);
    }

    /// The transport that `address` means, if it is open and `listener` is its own.
    fn find_poll(&mut self, address: &Address, listener: u16) -> Option<ConnectionId> {
        let place = self.peers.place(address.slot)?;
        let is_its_own = place.poll.as_ref().is_some_and(|poll| poll.is_of(&address.secret));
        let is_here = place.origin.listener == listener || listener == ANY_LISTENER;
        let id = ConnectionId { slot: address.slot, generation: place.generation };
        (is_its_own && is_here).then_some(id)
    }

    fn poll(&mut self, id: ConnectionId) -> &mut Poll {
        let slot = self.peers.slot(id).expect("the caller found it");
        slot.poll.as_mut().expect("a connection without a socket has one")
    }

    fn address(&mut self, id: ConnectionId) -> Address {
        let secret = self.poll(id).secret;
        Address { shard: self.peers.shard, slot: id.slot, secret }
    }

    pub(super) fn set_poll_deadline(&mut self, id: ConnectionId, after: std::time::Duration) {
        let handle = self.deadlines.insert(self.now + after, Deadline::Poll(id));
        if let Some(before) = self.poll(id).deadline.replace(handle) {
            self.deadlines.cancel(before);
        }
    }
}

/// The listener of an errand that no client sent.
const ANY_LISTENER: u16 = u16::MAX;

/// The next message of an outbox, or all of them as a batch, and how many octets of the outbox
/// that is.
// spec: advanced/transport_http_longpoll — one message, or all that are pending
fn messages(outbox: &Outbox, serializer: Serializer, is_batched: bool) -> (usize, Vec<u8>) {
    let mut body = Vec::new();
    if is_batched {
        let mut stored = Vec::with_capacity(outbox.bytes_count());
        outbox.read(0..outbox.bytes_count(), &mut stored);
        longpoll::write_batch(&stored, serializer, &mut body);
        return (stored.len(), body);
    }
    outbox.read(0..STORED_HEAD_BYTES, &mut body);
    let head = body.first_chunk().expect("an outbox without a socket holds whole messages");
    let end = STORED_HEAD_BYTES + longpoll::stored_length(*head);
    body.clear();
    outbox.read(STORED_HEAD_BYTES..end, &mut body);
    (end, body)
}
