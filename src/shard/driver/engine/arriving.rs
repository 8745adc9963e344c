//! From the acceptor to the router: what one turn does for connections that arrive.

use std::os::fd::AsFd;

use super::{Engine, LINGER_BYTES_MAX};
use crate::env::Instant;
use crate::router::{ConnectionId, Input, Origin};
use crate::shard::core::Core;
use crate::shard::driver::connections::{Connection, Phase};
use crate::shard::driver::{Driver, sys};
use crate::shard::vestibule::admission::count;
use crate::shard::vestibule::tls::TlsError;
use crate::shard::vestibule::{Arrival, Refusal, Step};

/// What came of octets that are not simply the router's.
#[derive(Debug)]
pub(super) enum Heard {
    /// It arrives still, or has something to say to a router that knows it.
    On,
    /// It may enter.
    Enters,
    /// It may not.
    Refused(Refusal),
    /// TLS failed, although it had begun well.
    Broken(TlsError),
    /// It lingers, and has said enough.
    Enough,
}

/// Takes octets of a connection that arrives, speaks TLS or lingers; what they say is appended to
/// `plain`.
pub(super) fn hear(
    connection: &mut Connection,
    bytes: &[u8],
    plain: &mut Vec<u8>,
    now: Instant,
) -> Heard {
    match &mut connection.phase {
        Phase::Arriving => {
            let arrival = connection.arrival.as_mut().expect("it has one for as long");
            let places = (&mut connection.tls, &mut connection.permit);
            match arrival.receive(bytes, places, plain, now) {
                Ok(Step::Wait) => Heard::On,
                Ok(Step::Enter) => Heard::Enters,
                Err(refusal) => Heard::Refused(refusal),
            }
        }
        Phase::Open => {
            let tls = connection.tls.as_mut().expect("others are heard by the router alone");
            tls.receive(bytes, plain).map_or_else(Heard::Broken, |()| Heard::On)
        }
        Phase::Lingering { discarded, .. } => {
            *discarded += bytes.len();
            if *discarded > LINGER_BYTES_MAX { Heard::Enough } else { Heard::On }
        }
        Phase::Closing => unreachable!("nothing is read from it"),
    }
}

impl<C: Core, D: Driver> Engine<C, D> {
    pub(super) fn take_newcomers(&mut self, now: Instant) -> bool {
        let mut worked = false;
        while let Some(newcomer) = self.gate().newcomers.pop() {
            worked = true;
            if self.is_shutting_down {
                self.count_down();
                continue;
            }
            let id = self.connections.insert(newcomer.socket);
            let connection = self.connections.get(id).expect("it was just inserted");
            connection.permit = newcomer.permit;
            if self.driver.open(id.slot, connection.as_fd()).is_err() {
                tracing::warn!(peer = %newcomer.origin.peer, "the kernel cannot watch a socket");
                self.close(id);
                continue;
            }
            let admission = &self.settings.admission;
            match Arrival::new(newcomer.origin, newcomer.door, admission, now) {
                Ok(arrival) => {
                    connection.phase = Phase::Arriving;
                    connection.arrival = Some(arrival);
                    self.arriving.push_back((now + self.settings.tls_handshake, id));
                }
                Err(origin) => {
                    connection.is_fresh = true;
                    self.core.handle(now, Input::Opened { connection: id, origin });
                }
            }
        }
        worked
    }

    /// Acts on what was heard of `id`, and gives the router what there is for it.
    pub(super) fn attend(&mut self, id: ConnectionId, heard: Heard, now: Instant) {
        match heard {
            Heard::On => {}
            Heard::Enters => self.enter(id, now),
            Heard::Refused(refusal) => self.refuse(id, &refusal, now),
            Heard::Broken(error) => {
                // What came before is good.
                self.pass_on(id, now);
                tracing::debug!(%error, "a TLS connection ends");
                self.linger(id, now);
                self.core.handle(now, Input::Closed { connection: id });
            }
            Heard::Enough => self.close(id),
        }
        self.pass_on(id, now);
        let Some(connection) = self.connections.get(id) else { return };
        let Some(tls) = &connection.tls else { return };
        let (has_sealed, has_ended) = (tls.has_sealed(), tls.has_ended());
        if has_sealed {
            self.make_dirty(id);
        }
        if has_ended {
            self.make_ready(id.slot);
        }
    }

    fn pass_on(&mut self, id: ConnectionId, now: Instant) {
        let is_known = self.connections.get_open(id).is_some();
        if is_known && !self.plain.is_empty() {
            let bytes = &mut self.plain[..];
            self.core.handle(now, Input::Received { connection: id, bytes });
        }
        self.plain.clear();
    }

    fn enter(&mut self, id: ConnectionId, now: Instant) {
        let connection = self.connections.get(id).expect("it was heard");
        let arrival = connection.arrival.take().expect("it has arrived");
        connection.phase = Phase::Open;
        let origin = arrival.into_origin(connection.tls.as_deref(), now);
        self.core.handle(now, Input::Opened { connection: id, origin });
    }

    fn refuse(&mut self, id: ConnectionId, refusal: &Refusal, now: Instant) {
        let connection = self.connections.get(id).expect("it was heard");
        // It arrives no more: what it sends while it lingers costs nothing.
        let arrival = connection.arrival.take().expect("it arrives still");
        self.settings.note(arrival.origin(), refusal, now);
        if matches!(refusal, Refusal::Excess(_)) {
            sys::reset_on_close(connection.socket());
            return self.close(id);
        }
        count(&self.settings.admission.counts.malformed);
        if let Some(alert) = refusal.alert() {
            // Instead of the alert that rustls has for it.
            connection.tls = None;
            let _ = sys::send(connection.socket(), &alert);
        }
        self.linger(id, now);
    }

    /// A TLS client at a port without TLS, which the router does not understand.
    pub(super) fn note_tls(&mut self, id: ConnectionId, now: Instant) {
        let peer = self.connections.get(id).map(|connection| sys::peer(connection.socket()));
        let address = peer.flatten().map(|peer| peer.ip());
        let peer = peer.flatten().map_or_else(|| "unix".to_owned(), |peer| format!("tcp:{peer}"));
        let origin = Origin { peer: peer.into(), address, ..Origin::default() };
        self.settings.note(&origin, &"TLS where none is spoken", now);
    }

    /// Ends what has not arrived in time.
    pub(super) fn end_arriving(&mut self, now: Instant) {
        while let Some(&(_, id)) = self.arriving.front().filter(|(until, _)| *until <= now) {
            self.arriving.pop_front();
            if self.connections.get(id).is_some_and(|it| it.phase == Phase::Arriving) {
                count(&self.settings.admission.counts.late);
                self.close(id);
            }
        }
    }

    /// The shard ends: whoever the router does not know has nothing to be told.
    pub(super) fn turn_away_arriving(&mut self) {
        for (_, id) in std::mem::take(&mut self.arriving) {
            if self.connections.get(id).is_some_and(|it| it.phase == Phase::Arriving) {
                self.close(id);
            }
        }
    }
}

impl super::Settings {
    /// Logs why somebody was turned away, once in a minute for each address.
    fn note(&self, origin: &Origin, why: &dyn std::fmt::Display, now: Instant) {
        let peer = &origin.peer;
        if self.admission.may_note(origin.address, now) {
            tracing::info!(%peer, "turned away: {why}");
        } else {
            tracing::debug!(%peer, "turned away: {why}");
        }
    }
}
