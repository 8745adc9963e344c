//! The shard of the socket: requests come, are passed on, and their answers written in order.

use std::collections::VecDeque;

use super::{Address, Asker, Errand, Poll, PollReply, PollRequest, Reply, SECRET_BYTES};
use crate::limits::LONGPOLL_OPENS_MAX;
use crate::message::Payload;
use crate::router::conversation::Deadline;
use crate::router::relay::{Head, Relay};
use crate::router::slots::is_poll;
use crate::router::{ConnectionId, Router};
use crate::session::{Connection, Phase};
use crate::wire::longpoll::{Request, Stream, Verdict};
use crate::wire::{Framing, Negotiated, Serializer, Visitor};

impl Router {
    /// An HTTP client has sent something.
    pub(in crate::router) fn note_http(&mut self, id: ConnectionId) {
        self.longpoll.heard.push(id);
    }

    /// An HTTP client has made a request, which will be answered.
    pub(in crate::router) fn on_request(&mut self, id: ConnectionId, request: Request<'_>) {
        if !self.shutting_down {
            self.set_deadline(id, Deadline::Request(id), self.config.limits.longpoll_idle);
        }
        let (transport, deed, body) = match request {
            Request::Open { serializer, is_batched, visitor } => {
                return self.on_open(id, (serializer, is_batched), visitor);
            }
            Request::Poll { transport, deed, body } => (transport, deed, body),
        };
        let Some(address) = Address::parse(transport, self.shards_count) else {
            return self.reply_here(id, Verdict::Unknown, String::new());
        };
        let slot = self.peers.slot(id).expect("it made a request");
        let listener = slot.origin.listener;
        slot.asked.get_or_insert_default().open = Some(address);
        let asker = Asker { shard: self.peers.shard, connection: id };
        self.ask(&PollRequest { address, asker, listener, errand: Errand::Do(deed) }, body);
    }

    /// Opens a transport on this shard, for a client that came by the connection `id`.
    fn on_open(
        &mut self,
        id: ConnectionId,
        (serializer, is_batched): (Serializer, bool),
        visitor: &Visitor,
    ) {
        let limits = &self.config.limits;
        let (handshake, idle) = (limits.handshake, limits.longpoll_idle);
        if self.shutting_down || !self.longpoll.take_place(limits.longpoll_transports_max) {
            return self.reply_here(id, Verdict::Full, String::new());
        }
        let mut secret = [0; SECRET_BYTES];
        self.random.fill(&mut secret);
        let slot = self.peers.slot(id).expect("it made a request");
        slot.asked.get_or_insert_default().opens_count += 1;
        let origin = slot.origin.clone();
        // In an outbox without a socket messages are told apart as RawSocket has it.
        let (framing, peer_message_bytes_max) =
            (Framing::RawSocket, crate::limits::MESSAGE_BYTES_CAP);
        let deflate = None;
        let negotiated = Negotiated { serializer, framing, deflate, peer_message_bytes_max };
        let (held, waiting, deadline) = (None, VecDeque::new(), None);
        let poll = Poll { secret, is_batched, held, waiting, deadline };
        let protocol = poll.subprotocol(serializer);
        let opened = self.peers.open_poll(origin, negotiated, poll);
        self.know(opened, visitor.clone());
        self.await_hello(opened, self.now + handshake);
        self.set_poll_deadline(opened, idle);
        let name = Address { shard: self.peers.shard, slot: opened.slot, secret }.name();
        let body = format!("{{\"protocol\":\"{protocol}\",\"transport\":\"{name}\"}}");
        self.reply_here(id, Verdict::Opened, body);
    }

    /// Answers without asking anybody.
    fn reply_here(&mut self, connection: ConnectionId, verdict: Verdict, body: String) {
        let (serializer, body) = (Serializer::Json, body.into_bytes());
        let reply = Reply { connection, verdict, address: None, serializer, body };
        self.longpoll.replies.push_back(reply);
    }

    /// Sends an errand to the shard of its transport.
    pub(super) fn ask(&mut self, request: &PollRequest, body: &[u8]) {
        let to = request.address.shard;
        if to == self.peers.shard {
            return self.on_poll(request, body);
        }
        let payload = Payload::from_elements(Serializer::Json, (body, b""), false);
        let relay = Relay { payload, ..Relay::of(Head::Poll(*request)) };
        self.relays.push(to, 0, &relay);
    }

    /// Takes what another shard says of long-poll; false if it is about something else.
    pub(in crate::router) fn on_poll_relay(&mut self, relay: &Relay<'_>) -> bool {
        let body = relay.payload.arguments().unwrap_or_default();
        if let Head::Poll(request) = &relay.head {
            self.on_poll(request, body);
            return true;
        }
        let Head::Polled(PollReply { connection, verdict, address }) = relay.head else {
            return false;
        };
        let (address, serializer) = (Some(address), relay.payload.serializer());
        let body = body.to_vec();
        let reply = Reply { connection, verdict, address, serializer, body };
        self.longpoll.replies.push_back(reply);
        true
    }

    /// Does all that has become possible, until nothing is left.
    pub(in crate::router) fn serve_polls(&mut self) {
        loop {
            if let Some(id) = self.peers.poll_served() {
                self.serve(id);
            } else if let Some(reply) = self.longpoll.replies.pop_front() {
                self.deliver(reply);
            } else {
                break;
            }
        }
        while let Some(id) = self.longpoll.heard.pop() {
            let stream = self.peers.connection(id).and_then(|it| it.transport.longpoll());
            let backlogged = stream.is_some_and(Stream::is_backlogged);
            self.peers.hold_back(id, backlogged);
        }
    }

    /// Has sends looked at again that waited for other shards to take what waits for them.
    pub(in crate::router) fn resume_polls(&mut self) {
        if self.longpoll.waiting_count == 0 {
            return;
        }
        for id in self.peers.ids().into_iter().filter(|id| is_poll(id.slot)) {
            self.wait_for_poll_turn(id);
        }
        self.serve_polls();
    }

    /// Writes an answer, and goes on with what the client has sent meanwhile.
    fn deliver(&mut self, reply: Reply) {
        let Reply { connection: id, verdict, address, serializer, body } = reply;
        let is_given = verdict == Verdict::Messages;
        let awaits = |connection: &&mut Connection| {
            let is_busy = connection.transport.longpoll().is_some_and(Stream::is_busy);
            is_busy && !matches!(connection.phase, Phase::Flushing)
        };
        let asked = self.peers.slot(id).and_then(|slot| slot.asked.as_ref());
        let is_worn = asked.is_some_and(|asked| asked.opens_count >= LONGPOLL_OPENS_MAX);
        let Some(connection) = self.peers.connection(id).filter(awaits) else {
            if let Some(address) = address.filter(|_| is_given) {
                self.lose(address);
            }
            return;
        };
        let mut out = std::mem::take(&mut self.reply);
        let transport = &mut connection.transport;
        let is_last = is_worn || (self.shutting_down && self.longpoll.is_unused());
        let closes = transport.answer(verdict, (serializer, &body), is_last, &mut out);
        connection.silences = 0;
        let is_read = connection.outbox.is_empty();
        self.peers.queue_reply(id, &out);
        out.clear();
        self.reply = out;
        if let Some(asked) = self.peers.slot(id).and_then(|slot| slot.asked.as_mut()) {
            asked.open = None;
            asked.given = address.filter(|_| is_given).or(asked.given.filter(|_| !is_read));
        }
        if closes {
            self.finish(id);
            return self.part(id);
        }
        if !self.shutting_down {
            self.set_deadline(id, Deadline::Request(id), self.config.limits.longpoll_idle);
        }
        // Who does not read its answers is given no more of them.
        if self.peers.slot(id).is_some_and(|slot| !slot.full) {
            self.on_received(id, &mut []);
        }
    }

    /// An HTTP connection has been as it is for a while: it may stay if it waits for us, or gets
    /// on with what it reads or writes.
    pub(in crate::router) fn on_request_late(&mut self, id: ConnectionId) {
        if self.shutting_down {
            return self.drain_http_on(id);
        }
        let connection = self.peers.connection(id).expect("its deadline was found");
        let progressed = std::mem::take(&mut connection.progressed);
        let stream = connection.transport.longpoll();
        let is_midway = stream.is_some_and(Stream::is_midway);
        let may_stay = if stream.is_some_and(Stream::is_busy) {
            true
        } else if connection.outbox.is_empty() {
            connection.silences += 1;
            is_midway && connection.silences < 2
        } else {
            progressed
        };
        if !may_stay {
            return self.close(id);
        }
        self.set_deadline(id, Deadline::Request(id), self.config.limits.longpoll_idle);
    }

    /// The process stops: an HTTP connection may stay for as long as a session may need it.
    pub(in crate::router) fn drain_http(&mut self, id: ConnectionId) {
        let end = self.now + self.config.limits.goodbye;
        if let Some(slot) = self.peers.slot(id) {
            slot.welcome_by = end;
        }
        self.drain_http_on(id);
    }

    /// Looks whether it may go now: nobody tells when the last session on another shard has ended.
    fn drain_http_on(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(slot) = self.peers.slot(id) else { return };
        let stream = slot.connection.as_ref().and_then(|it| it.transport.longpoll());
        let is_busy = stream.is_some_and(Stream::is_busy);
        if slot.welcome_by <= now || (!is_busy && self.longpoll.is_unused()) {
            return self.close(id);
        }
        self.set_deadline(id, Deadline::Request(id), DRAIN_LOOK);
    }
}

/// How often it is looked whether HTTP connections are still needed while the process stops.
const DRAIN_LOOK: std::time::Duration = std::time::Duration::from_millis(50);
