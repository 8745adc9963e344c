//! Writing: once in a turn to each connection that has something, as much as its socket takes.

use std::io::{self, IoSlice};

use smallvec::SmallVec;

use super::Engine;
use crate::env::Instant;
use crate::router::{ConnectionId, Input};
use crate::session::Outbox;
use crate::shard::core::Core;
use crate::shard::driver::connections::{Connection, Phase};
use crate::shard::driver::{Driver, WRITE_BYTES_MAX, WRITE_SLICES_MAX, sys};

impl<C: Core, D: Driver> Engine<C, D> {
    /// Writes once to each dirty connection that was not written to in this turn. Says whether
    /// the core was told anything.
    pub(super) fn write_round(&mut self, now: Instant) -> bool {
        let mut told = false;
        let mut index = 0;
        while let Some(&id) = self.dirty.get(index) {
            let Some(connection) = self.connections.get(id) else {
                self.dirty.swap_remove(index);
                continue;
            };
            if connection.written_turn == self.turn {
                index += 1;
                continue;
            }
            connection.written_turn = self.turn;
            let (is_told, is_done) = self.write(id, now);
            told |= is_told;
            if is_done {
                if let Some(connection) = self.connections.get(id) {
                    connection.is_dirty = false;
                }
                self.dirty.swap_remove(index);
            } else {
                index += 1;
            }
        }
        told
    }

    /// Writes once. Says whether the core was told anything, and whether the connection need not
    /// be visited again before it is marked dirty again.
    fn write(&mut self, id: ConnectionId, now: Instant) -> (bool, bool) {
        let Some(connection) = self.connections.get(id) else {
            return (false, true);
        };
        if connection.is_mute || connection.is_blocked {
            return (false, true);
        }
        if connection.tls.is_some() {
            return self.write_sealed(id, now);
        }
        if connection.phase != Phase::Open {
            return (false, true);
        }
        let Some(outbox) = self.core.outbox(id).filter(|outbox| !outbox.is_empty()) else {
            return (false, true);
        };
        let (offered, result) = write_some(connection, outbox);
        let waiting = outbox.bytes_count();
        match result {
            Ok(count) => {
                connection.is_blocked = count < offered;
                if connection.is_blocked && self.driver.want_write(id.slot).is_err() {
                    self.mute(id, now);
                }
                self.core.handle(now, Input::Transmitted { connection: id, count });
                (true, count < offered || count == waiting)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_blocked = true;
                if self.driver.want_write(id.slot).is_err() {
                    return (self.mute(id, now), true);
                }
                (false, true)
            }
            Err(_) => (self.mute(id, now), true),
        }
    }

    /// [`write`](Self::write) for a connection with TLS: first what is sealed, then, if it is
    /// known to the router, as much of its outbox as is sealed at a time. All of that stays in the
    /// outbox until the socket has taken it, and nothing more is sealed before: so the router knows
    /// what its peer has not been given, and waits for that before the end as without TLS.
    fn write_sealed(&mut self, id: ConnectionId, now: Instant) -> (bool, bool) {
        let connection = self.connections.get(id).expect("it was there a call ago");
        let (socket, phase) = (connection.socket(), connection.phase);
        if connection.tls.is_none() || phase == Phase::Closing {
            return (false, true);
        }
        let (mut flushed, mut count) = self.flush_sealed(id, now);
        let mut waiting = 0;
        if phase == Phase::Open
            && matches!(flushed, Ok(true))
            && let Some(outbox) = self.core.outbox(id).filter(|outbox| !outbox.is_empty())
            && let Some(connection) = self.connections.get(id)
            && let Some(tls) = &mut connection.tls
        {
            connection.sealed = tls.seal(outbox);
            waiting = outbox.bytes_count() - connection.sealed;
            let (again, more) = self.flush_sealed(id, now);
            (flushed, count) = (again, count + more);
        }
        let is_blocked = matches!(flushed, Ok(false));
        if let Some(connection) = self.connections.get(id) {
            connection.is_blocked = is_blocked;
        }
        match flushed {
            Ok(true) if matches!(phase, Phase::Lingering { .. }) => sys::shut_down_writing(socket),
            Ok(true) => {}
            Ok(false) if self.driver.want_write(id.slot).is_ok() => {}
            Ok(false) | Err(_) => return (self.mute(id, now) || count > 0, true),
        }
        (count > 0, is_blocked || waiting == 0 || count == 0)
    }

    /// Writes what is sealed, and tells the core how much of it has left: all but one octet at
    /// most, as long as the socket has not taken everything, for what lies there sealed is longer
    /// than what it says. Returns also how much the core was told.
    fn flush_sealed(&mut self, id: ConnectionId, now: Instant) -> (io::Result<bool>, usize) {
        let connection = self.connections.get(id).expect("it was there a call ago");
        let socket = connection.socket();
        let Some(tls) = &mut connection.tls else { return (Ok(true), 0) };
        let (written, flushed) = tls.flush(socket);
        if connection.phase != Phase::Open {
            return (flushed, 0);
        }
        let count = match flushed {
            Ok(true) => connection.sealed,
            Ok(false) | Err(_) => written.min(connection.sealed.saturating_sub(1)),
        };
        connection.sealed -= count;
        if count > 0 {
            self.core.handle(now, Input::Transmitted { connection: id, count });
        }
        (flushed, count)
    }

    /// The peer will not read any more. What it sent before is still worth reading: the end of
    /// that comes soon, and ends the connection. Says whether the core was told.
    pub(super) fn mute(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(connection) = self.connections.get(id) else {
            return false;
        };
        connection.is_mute = true;
        if connection.is_paused {
            self.lose(id, now);
            return true;
        }
        self.make_ready(id.slot);
        false
    }
}

/// Offers the socket the first bytes of `outbox`; returns how many, and how many it took.
fn write_some(connection: &Connection, outbox: &Outbox) -> (usize, io::Result<usize>) {
    let socket = connection.socket();
    let mut offered = 0;
    let mut slices: SmallVec<[IoSlice<'_>; WRITE_SLICES_MAX]> = SmallVec::new();
    for slice in outbox.slices().take(WRITE_SLICES_MAX) {
        if offered + slice.len() > WRITE_BYTES_MAX && offered > 0 {
            break;
        }
        offered += slice.len();
        slices.push(slice);
    }
    match slices.as_slice() {
        [one] => {
            let bytes = &one[..one.len().min(WRITE_BYTES_MAX)];
            (bytes.len(), sys::send(socket, bytes))
        }
        several => (offered, sys::send_vectored(socket, several)),
    }
}
