//! What peers send, in turns: so much of each is processed before it is somebody else's turn.

use core::net::IpAddr;

use super::slots::is_poll;
use super::{ConnectionId, Router};
use crate::limits::{LONG_MESSAGE_BYTES, TURN_MESSAGES_MAX};
use crate::session::Phase;
use crate::wire::{Circumstances, CookieValue, Failure, Incoming, Transport, Visitor};

impl Router {
    pub(super) fn on_received(&mut self, id: ConnectionId, bytes: &mut [u8]) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        if matches!(connection.phase, Phase::Flushing) {
            return;
        }
        connection.heard = true;
        if slot.behind {
            connection.rest.extend_from_slice(bytes);
        } else {
            self.process(id, bytes);
        }
    }

    /// Goes on with what one peer has sent that waits for its turn. However many such peers there
    /// are, they hold up all others by no more than one turn at a time.
    pub(super) fn take_turn(&mut self) {
        while !self.held
            && let Some(id) = self.peers.turns.pop_front()
        {
            if self.is_listening(id)
                && let Some(mut rest) = self.peers.take_turn(id)
            {
                // Who has no socket is looked after once the input in hand is done.
                if !is_poll(id.slot) {
                    self.process(id, &mut rest);
                }
                return self.peers.mind_reading(id);
            }
        }
    }

    /// Processes what a peer has sent, as much of it as is one turn.
    fn process(&mut self, id: ConnectionId, mut bytes: &mut [u8]) {
        let slot = self.peers.slot(id).expect("the caller found it");
        let listener = usize::from(slot.origin.listener);
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        let (mut turn, mut is_done) = (TURN_MESSAGES_MAX, false);
        let mut midway_since = connection.midway_since;
        let mut transport = std::mem::take(&mut connection.transport);
        let mut reply = std::mem::take(&mut self.reply);
        let config = std::sync::Arc::clone(&self.config);
        // spec: basic/building_blocks#protocol-errors — nothing behind an offence is processed
        while turn > 0 && self.peers.has_turn(id) {
            let incoming = transport.next(&config.listeners[listener], &mut bytes, &mut reply);
            self.peers.queue_reply(id, &reply);
            reply.clear();
            match incoming {
                Ok(None) => {
                    is_done = true;
                    break;
                }
                Ok(Some(Incoming::Message(message))) => {
                    midway_since = None;
                    // A compressed message may be a thousand times what was read.
                    let cost = 1 + message.len() / LONG_MESSAGE_BYTES;
                    self.peers.work = 0;
                    self.on_bytes(id, message);
                    turn = turn.saturating_sub(cost + self.peers.work);
                }
                Ok(Some(Incoming::Alive)) => {}
                Ok(Some(Incoming::Request(request))) => {
                    self.on_request(id, request);
                    self.meet(id, &mut transport);
                }
                Ok(Some(Incoming::Negotiated(negotiated))) => {
                    let connection = self.peers.connection(id).expect("it is being listened to");
                    let is_new = connection.negotiated.replace(negotiated).is_none();
                    if let Some(visitor) = transport.take_visitor() {
                        self.know(id, visitor);
                    }
                    if is_new && let Some(slot) = self.peers.slot(id) {
                        let welcome_by = slot.welcome_by;
                        self.await_hello(id, welcome_by);
                    }
                }
                Ok(Some(Incoming::Finished)) | Err(Failure::Answered) => self.finish(id),
                Err(Failure::Refused(_)) => {
                    self.peers.counters.violations += 1;
                    self.finish(id);
                }
            }
        }
        self.reply = reply;
        let now = self.now;
        if let Some(connection) = self.peers.connection(id) {
            let is_http = transport.longpoll().is_some();
            let midway = transport.is_midway();
            connection.midway_since = midway.then(|| midway_since.unwrap_or(now));
            connection.transport = transport;
            if matches!(connection.phase, Phase::Flushing) {
                self.part(id);
            } else {
                if !is_done {
                    self.wait_for_turn(id, bytes);
                }
                if is_http {
                    self.note_http(id);
                }
            }
        }
    }

    /// Tells a transport what is known of its client before the client says it.
    pub(super) fn meet(&mut self, id: ConnectionId, transport: &mut Transport) {
        let Some(slot) = self.peers.slot(id) else { return };
        let options = &self.config.listeners[usize::from(slot.origin.listener)];
        let is_proxied = match slot.origin.address {
            Some(address) => {
                let address = address.to_canonical();
                options.forwarded_for.iter().any(|network| network.contains(&address))
            }
            None => !options.forwarded_for.is_empty(),
        };
        let is_secure = slot.origin.tls.is_some();
        let cookie = options.cookie.map(|age| {
            let mut octets = [0; 16];
            self.random.fill(&mut octets);
            (CookieValue::new(octets), age)
        });
        if is_secure || is_proxied || cookie.is_some() {
            transport.meet(Circumstances { is_secure, is_proxied, cookie });
        }
    }

    /// Keeps what an HTTP client has said of itself. Where it came from counts for all that
    /// follows, whoever has brought it.
    pub(super) fn know(&mut self, id: ConnectionId, visitor: Visitor) {
        let Some(slot) = self.peers.slot(id) else { return };
        if let Some(address) = visitor.address {
            slot.origin.peer = match address {
                IpAddr::V4(address) => format!("tcp:{address}").into(),
                IpAddr::V6(address) => format!("tcp:[{address}]").into(),
            };
            slot.origin.address = Some(address);
        }
        if let Some(connection) = &mut slot.connection {
            connection.visitor = Some(Box::new(visitor));
        }
    }

    /// Keeps what a peer has sent beyond its turn.
    #[cold]
    fn wait_for_turn(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.peers.connection(id).expect("it is being listened to");
        connection.rest = bytes.to_vec();
        self.peers.fall_behind(id);
    }
}
