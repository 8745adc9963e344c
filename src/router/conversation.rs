//! Connections and sessions from their first octet to their last.
//!
//! What the session room judges, this acts on: it feeds received bytes to a connection's
//! transport, opens sessions, hands their messages to the realm, and ends them, always the same
//! way, whoever ended them and why.

use super::advice::QuestionId;
use super::realm::Realm;
use super::slots::is_poll;
use super::{ConnectionId, Origin, Output, Router};
use crate::env::{Instant, shrink};
use crate::message::uri::{close, error};
use crate::message::{
    Abort, AbortDetails, Goodbye, GoodbyeDetails, Message, Payload, SessionId, SubscriptionId, Text,
};
use crate::session::{Admitted, CallRef, Phase, SessionRef, Violation};
use crate::wire::{Serializer, Transport};

/// The closed list of things that can be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    /// A connection that has no session yet gets none any more.
    Handshake(ConnectionId),
    /// A connection that should have closed is closed.
    Goodbye(ConnectionId),
    /// A connection with a session is looked at: does it live, does it read?
    Look(ConnectionId),
    /// An HTTP connection is looked at: does it wait for us, does it get on?
    Request(ConnectionId),
    /// A long-poll client has waited, or been silent, for long enough.
    Poll(ConnectionId),
    /// A call has waited long enough for its answer.
    Call {
        /// In which realm.
        realm: u16,
        /// Which.
        call: CallRef,
    },
    /// A session that did more than its rates allow may go on.
    Throttle(ConnectionId),
    /// A history may hold what is too old.
    History {
        /// In which realm.
        realm: u16,
        /// Of which subscription.
        subscription: SubscriptionId,
    },
    /// Nobody outside has answered a question in time.
    Question(QuestionId),
    /// The work on long answers goes on.
    Lists {
        /// In which realm.
        realm: u16,
    },
}

/// Close codes of RFC 6455.
const WEBSOCKET_NORMAL: u16 = 1000;
const WEBSOCKET_GOING_AWAY: u16 = 1001;

/// Silent looks after which a peer that was pinged is given up.
const SILENCES_MAX: u8 = 2;

impl Router {
    pub(super) fn on_opened(&mut self, id: ConnectionId, origin: Origin) {
        let (handshake, opening) = (self.config.limits.handshake, self.config.limits.opening);
        let handshake = handshake.saturating_sub(origin.delay);
        self.peers.open(id, origin).welcome_by = self.now + handshake;
        if self.shutting_down {
            return self.close(id);
        }
        let mut transport = Transport::new();
        self.meet(id, &mut transport);
        if let Some(connection) = self.peers.connection(id) {
            connection.transport = transport;
        }
        self.set_deadline(id, Deadline::Handshake(id), opening.min(handshake));
    }

    pub(super) fn on_closed(&mut self, id: ConnectionId) {
        if self.peers.connection(id).is_some() {
            self.forget(id);
        }
    }

    pub(super) fn on_transmitted(&mut self, id: ConnectionId, count: usize) {
        if self.peers.transmitted(id, count) {
            self.on_received(id, &mut []);
        }
        self.flush(id);
    }

    /// Ends the conversations of all peers in an orderly way, and lets no new ones begin.
    pub(super) fn on_shut_down(&mut self) {
        if std::mem::replace(&mut self.shutting_down, true) {
            return;
        }
        // Every caller hears about its calls before its GOODBYE, behind which nothing may come.
        let mut open = Vec::new();
        for id in self.peers.ids() {
            let connection = self.peers.connection(id).expect("it was there a line ago");
            match connection.phase {
                Phase::Open(_) => open.push(id),
                Phase::Opening | Phase::Authenticating(_) if connection.negotiated.is_some() => {
                    self.abort(id, close::SYSTEM_SHUTDOWN, "the router shuts down");
                    self.part(id);
                }
                Phase::Opening if connection.transport.longpoll().is_some() => self.drain_http(id),
                Phase::Opening | Phase::Authenticating(_) => self.close(id),
                Phase::Leaving | Phase::Flushing => {}
            }
        }
        for id in &open {
            self.cancel_waiting(*id);
            if let Some(realm) = self.peers.session(id.slot).map(|session| session.realm) {
                self.in_realm(realm, |realm, context| realm.cancel_calls(id.slot, context));
            }
        }
        for id in open {
            self.end_session(id, Phase::Leaving);
            self.say_goodbye(id, close::SYSTEM_SHUTDOWN);
            self.set_deadline(id, Deadline::Goodbye(id), self.config.limits.goodbye);
        }
    }

    pub(super) fn on_deadlines(&mut self) {
        self.take_turn();
        while let Some(deadline) = self.deadlines.expire(self.now) {
            match deadline {
                Deadline::Call { realm, call } => {
                    self.in_realm(realm, |realm, context| realm.on_timeout(call, context));
                }
                Deadline::History { realm, subscription } => {
                    self.in_realm(realm, |realm, context| {
                        realm.on_history_age(subscription, context);
                    })
                }
                Deadline::Question(id) => self.on_question_late(id),
                Deadline::Lists { realm } => self.in_realm(realm, Realm::on_tick),
                Deadline::Handshake(id) if self.was_due(id) => self.on_handshake_late(id),
                Deadline::Goodbye(id) if self.was_due(id) => self.close(id),
                Deadline::Look(id) if self.was_due(id) => self.look(id),
                Deadline::Request(id) if self.was_due(id) => self.on_request_late(id),
                Deadline::Poll(id) => self.on_poll_late(id),
                Deadline::Throttle(id) => self.on_throttle_over(id),
                Deadline::Handshake(_)
                | Deadline::Goodbye(_)
                | Deadline::Look(_)
                | Deadline::Request(_) => {}
            }
        }
    }

    /// Forgets the deadline of a connection that has come; says whether the connection is there.
    fn was_due(&mut self, id: ConnectionId) -> bool {
        let Some(slot) = self.peers.slot(id) else { return false };
        slot.deadline = None;
        true
    }

    /// Ends the sessions that the meta API was asked to end.
    // spec: advanced/meta_api_sessions#kill
    pub(super) fn end_condemned(&mut self) {
        while let Some(condemned) = self.peers.condemned.pop() {
            let id = self.peers.id_of(condemned.slot);
            if self.peers.session(id.slot).is_none() {
                continue;
            }
            self.end_session_quietly(id, condemned.silently);
            self.peers.dismiss(id.slot, &condemned.reason, condemned.message.as_deref());
            self.set_deadline(id, Deadline::Goodbye(id), self.config.limits.goodbye);
        }
    }

    /// Ends the sessions whose peers did not read what they were sent.
    pub(super) fn end_doomed(&mut self) {
        while let Some(id) = self.peers.doomed.pop() {
            // spec: basic/sessions#session-aborting — whoever has aborted is told nothing
            if self.is_listening(id) {
                self.end_slow(id);
            }
        }
    }

    /// Whether another message of this peer may be processed.
    pub(super) fn is_listening(&mut self, id: ConnectionId) -> bool {
        let connection = self.peers.connection(id);
        connection.is_some_and(|connection| !matches!(connection.phase, Phase::Flushing))
    }

    pub(super) fn on_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.peers.counters.messages_in += 1;
        let connection = self.peers.connection(id).expect("it is being listened to");
        let serializer = connection.negotiated.expect("messages follow the handshake").serializer;
        let message = match Message::parse(serializer, bytes) {
            Ok(message) => message,
            Err(invalid) => return self.on_violation(id, Violation(invalid.to_string().into())),
        };
        match connection.admit(&message) {
            Ok(Admitted::Routed) => {
                let session = connection.session().expect("only an open session is routed for");
                let realm = session.realm;
                if session.buckets.is_some() {
                    self.charge(id, &message, bytes.len());
                }
                let asks = self
                    .in_realm(realm, |realm, context| realm.on_message(id.slot, &message, context));
                if let Some(authorizer) = asks {
                    self.seek_advice(id, authorizer, (&message, bytes));
                }
            }
            Ok(Admitted::Ignored) => self.charge(id, &message, bytes.len()),
            Ok(Admitted::Hello) => {
                let Message::Hello(hello) = &message else { unreachable!("HELLO is one") };
                self.on_hello(id, hello);
            }
            Ok(Admitted::Proof) => {
                let Message::Authenticate(proof) = &message else { unreachable!("it is one") };
                self.on_authenticate(id, proof);
            }
            Ok(Admitted::Goodbye) => {
                let Message::Goodbye(goodbye) = &message else { unreachable!("GOODBYE is one") };
                // One session after the other is not the way to do more than rates allow.
                self.charge(id, &message, 0);
                self.on_goodbye(id, &goodbye.reason);
            }
            Ok(Admitted::Abort) => self.finish(id),
            Err(violation) => self.on_violation(id, violation),
        }
    }

    // spec: basic/sessions#session-closing
    fn on_goodbye(&mut self, id: ConnectionId, reason: &str) {
        let connection = self.peers.connection(id).expect("it said GOODBYE");
        if matches!(connection.phase, Phase::Leaving) {
            return self.finish(id);
        }
        if reason == close::LOGOUT
            && let Some(realm) = self.peers.session(id.slot).map(|session| session.realm)
        {
            self.forget_cookie(id, realm);
        }
        // The transport stays open: another session may follow on it.
        self.end_session(id, Phase::Opening);
        self.say_goodbye(id, close::GOODBYE_AND_OUT);
        let welcome_by = self.now + self.config.limits.handshake;
        self.await_hello(id, welcome_by);
    }

    /// Waits for HELLO, for a session that begins by that moment.
    pub(super) fn await_hello(&mut self, id: ConnectionId, welcome_by: Instant) {
        let hello = self.config.limits.hello;
        let slot = self.peers.slot(id).expect("its transport is there");
        slot.welcome_by = welcome_by;
        self.set_deadline(id, Deadline::Handshake(id), hello.min(welcome_by - self.now));
    }

    // spec: basic/building_blocks#protocol-errors
    pub(super) fn on_violation(&mut self, id: ConnectionId, Violation(text): Violation) {
        self.peers.counters.violations += 1;
        let connection = self.peers.connection(id).expect("it broke the protocol");
        if matches!(connection.phase, Phase::Leaving) {
            return self.finish(id);
        }
        self.abort(id, error::PROTOCOL_VIOLATION, &text);
    }

    fn on_handshake_late(&mut self, id: ConnectionId) {
        let connection = self.peers.connection(id).expect("its deadline was found");
        if connection.negotiated.is_none() {
            return self.on_opening_late(id);
        }
        if matches!(connection.phase, Phase::Authenticating(_)) {
            return self.on_authentication_late(id);
        }
        self.abort(id, error::PROTOCOL_VIOLATION, "no HELLO in due time");
        self.part(id);
    }

    /// The transport's own handshake takes too long. Whoever has begun an HTTP request is told.
    fn on_opening_late(&mut self, id: ConnectionId) {
        let left = self
            .peers
            .slot(id)
            .map_or(std::time::Duration::ZERO, |slot| slot.welcome_by - self.now);
        let connection = self.peers.connection(id).expect("its deadline was found");
        if connection.transport.longpoll().is_some() && !left.is_zero() {
            return self.set_deadline(id, Deadline::Handshake(id), left);
        }
        let mut reply = Vec::new();
        connection.transport.give_up(&mut reply);
        self.peers.queue_reply(id, &reply);
        self.finish(id);
        self.part(id);
    }

    /// Looks after a peer with an open session: one that is silent is pinged, one that stays
    /// silent or does not read is given up.
    fn look(&mut self, id: ConnectionId) {
        let unread = self.peers.slot(id).is_some_and(|slot| slot.paused);
        let connection = self.peers.connection(id).expect("its deadline was found");
        let heard = std::mem::take(&mut connection.heard);
        connection.transport.forgive_pings();
        // A peer that has something to read shows by reading it that it lives. What it says may
        // not be listened to meanwhile, and a ping would only wait behind the rest. Nor is who is
        // not read to blame for its silence: an authorizer or a rate holds it back.
        let silent = !heard && !unread && connection.outbox.is_empty() && !self.held;
        connection.silences = if silent { connection.silences.saturating_add(1) } else { 0 };
        let progressed = std::mem::take(&mut connection.progressed);
        connection.stalled_since = match connection.stalled_since {
            _ if connection.outbox.is_empty() => None,
            Some(since) if !progressed => Some(since),
            Some(_) | None => Some(self.now),
        };
        let stalled = connection.stalled_since.map(|since| self.now - since);
        if stalled.is_some_and(|time| time >= self.config.limits.stall) {
            return self.end_slow(id);
        }
        if self.is_never_ending(id) {
            self.peers.counters.violations += 1;
            return self.close(id);
        }
        let connection = self.peers.connection(id).expect("its deadline was found");
        let mut ping = Vec::new();
        let pings = !self.config.limits.ping_interval.is_zero();
        if pings && silent && connection.transport.ping(&mut ping) {
            if connection.silences > SILENCES_MAX {
                return self.close(id);
            }
            self.peers.queue_reply(id, &ping);
        }
        self.set_deadline(id, Deadline::Look(id), self.look_interval());
    }

    /// Whether the peer has begun a message that it does not end in due time.
    fn is_never_ending(&mut self, id: ConnectionId) -> bool {
        let (now, held) = (self.now, self.held);
        let slot = self.peers.slot(id).expect("its deadline was found");
        let paused = slot.paused;
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        let Some(since) = &mut connection.midway_since else { return false };
        if paused || held {
            *since = now;
        }
        now - *since >= self.config.limits.message
    }

    pub(super) fn look_interval(&self) -> std::time::Duration {
        let limits = &self.config.limits;
        let patience = limits.stall.min(limits.message);
        match limits.ping_interval {
            std::time::Duration::ZERO => patience,
            interval => interval.min(patience),
        }
    }

    /// Ends a session whose peer does not read. It is told why, should it read on.
    fn end_slow(&mut self, id: ConnectionId) {
        self.peers.counters.slow_sessions_ended += 1;
        self.abort(id, error::SLOW_PEER, "too much was waiting to be read");
        self.part(id);
    }

    /// Refuses or ends a session with ABORT; what follows from this peer is not processed.
    // spec: basic/sessions#session-aborting
    pub(super) fn abort(&mut self, id: ConnectionId, reason: &str, text: &str) {
        self.end_session(id, Phase::Flushing);
        // Whoever did not read is still told why this is the end.
        self.peers.undoom(id);
        let details = AbortDetails { message: Some(text.into()) };
        let payload = Payload::none(Serializer::Json);
        self.peers.tell(id.slot, Abort { details, reason: reason.into(), payload });
    }

    /// All is said: nothing more is processed, and the connection closes once it is flushed.
    pub(super) fn finish(&mut self, id: ConnectionId) {
        self.end_session(id, Phase::Flushing);
    }

    /// Ends the transport of a connection that is flushing.
    pub(super) fn part(&mut self, id: ConnectionId) {
        let Some(connection) = self.peers.connection(id) else {
            return;
        };
        let mut reply = Vec::new();
        let code = if self.shutting_down { WEBSOCKET_GOING_AWAY } else { WEBSOCKET_NORMAL };
        connection.transport.close(code, &mut reply);
        self.peers.queue_reply(id, &reply);
        self.set_deadline(id, Deadline::Goodbye(id), self.config.limits.goodbye);
        self.flush(id);
    }

    pub(super) fn say_goodbye(&mut self, id: ConnectionId, reason: &'static str) {
        let details = GoodbyeDetails::default();
        self.peers.tell(id.slot, Goodbye { details, reason: Text::Borrowed(reason) });
    }

    /// Ends the session of a connection, if it has one, and moves on to `next`.
    // spec: basic/sessions — the same clean-up, however a session ends
    fn end_session(&mut self, id: ConnectionId, next: Phase) {
        self.clean_up(id);
        self.ask_no_more(id);
        let connection = self.peers.connection(id).expect("the caller found it");
        connection.phase = next;
    }

    /// Removes all traces of a connection's session from its realm. Nothing is sent to it
    /// meanwhile, for it is no longer open.
    fn clean_up(&mut self, id: ConnectionId) {
        self.end_session_quietly(id, false);
    }

    /// The same, but if `silently` without meta events and testaments.
    pub(super) fn end_session_quietly(&mut self, id: ConnectionId, silently: bool) {
        let connection = self.peers.connection(id).expect("the caller found it");
        if !matches!(connection.phase, Phase::Open(_)) {
            return;
        }
        let Phase::Open(mut session) = std::mem::replace(&mut connection.phase, Phase::Leaving)
        else {
            unreachable!("it was open a line ago")
        };
        self.keep_buckets(id, session.buckets.take());
        self.end_waiting(id);
        let connection = self.peers.connection(id).expect("it was there some lines ago");
        connection.request_before = Some(session.request_last());
        self.peers.sessions.remove(&session.id);
        shrink(&mut self.peers.sessions);
        let gone = SessionRef { id: session.id, slot: id.slot, shard: self.peers.shard };
        self.in_realm(session.realm, |realm, context| {
            realm.leave(gone, &session, silently, context)
        });
    }

    /// Nobody waits any more for what an advisor was asked about a connection.
    pub(super) fn ask_no_more(&mut self, id: ConnectionId) {
        if let Some(question) = self.peers.slot(id).and_then(|slot| slot.question.take()) {
            self.withdraw(question);
        }
    }

    /// Closes a connection that has nothing more to say.
    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.peers.connection(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Flushing) && connection.outbox.is_empty() {
            self.close(id);
        }
    }

    /// Closes a connection, whatever it still had to say.
    pub(super) fn close(&mut self, id: ConnectionId) {
        self.forget(id);
        if !is_poll(id.slot) {
            self.peers.outputs.push_back(Output::Close { connection: id });
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.clean_up(id);
        self.ask_no_more(id);
        let slot = self.peers.forget(id);
        for handle in [slot.deadline, slot.throttle].into_iter().flatten() {
            self.deadlines.cancel(handle);
        }
        if slot.poll.is_some() || slot.asked.is_some() {
            self.leave_longpoll(id, slot);
        }
    }

    pub(super) fn set_deadline(
        &mut self,
        id: ConnectionId,
        what: Deadline,
        after: std::time::Duration,
    ) {
        let handle = self.deadlines.insert(self.now + after, what);
        let slot = self.peers.slot(id).expect("deadlines are set for what is there");
        if let Some(before) = slot.deadline.replace(handle) {
            self.deadlines.cancel(before);
        }
    }

    /// A session id that tells its shard by its remainder, uniform over the whole range.
    // spec: basic/building_blocks#ids — global scope
    pub(super) fn random_session_id(&mut self) -> SessionId {
        let (count, here) = (u64::from(self.shards_count), u64::from(self.peers.shard.0));
        loop {
            let id = SessionId(self.random.below(crate::limits::ID_MAX) + 1);
            if id.0 % count == here && !self.peers.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}
