//! The connections of one shard, by slot.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::router::ConnectionId;
use crate::shard::vestibule::Arrival;
use crate::shard::vestibule::admission::Permit;
use crate::shard::vestibule::tls::Tls;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The router does not know it yet: see [`Connection::arrival`].
    Arriving,
    /// The router knows it.
    Open,
    /// The router has closed it. Whatever the peer still sends is discarded, so that it can read
    /// our last bytes instead of being reset.
    Lingering {
        /// Octets so far.
        discarded: usize,
        /// How often it was given more time, as it reads what is sealed for it.
        extensions: u8,
    },
    /// Waits for the kernel to be done with it.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    pub(super) phase: Phase,
    /// What it goes through before the router knows it.
    pub(super) arrival: Option<Box<Arrival>>,
    /// Between the socket and the router, if the peer speaks TLS.
    pub(super) tls: Option<Box<Tls>>,
    /// Octets at the front of its outbox that are sealed, but which the socket has not taken.
    pub(super) sealed: usize,
    /// Its place among those of its address.
    pub(super) permit: Option<Permit>,
    /// The router knows it, but nothing has come from it.
    pub(super) is_fresh: bool,
    /// The router does not want its bytes at present.
    pub(super) is_paused: bool,
    /// It waits in the round of readers.
    pub(super) is_ready: bool,
    /// It waits in the round of writers.
    pub(super) is_dirty: bool,
    /// Its socket is full: the driver was asked to tell when it is not.
    pub(super) is_blocked: bool,
    /// A write failed. What the peer sent before is still read.
    pub(super) is_mute: bool,
    /// The turn in which it was written to last.
    pub(super) written_turn: u64,
}

impl Connection {
    /// For system calls.
    pub(super) fn socket(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether reading from it costs what a TLS handshake does.
    pub(super) fn is_costly(&self) -> bool {
        self.arrival.as_ref().is_some_and(|arrival| arrival.is_costly())
    }

    /// Whether the peer has said by TLS that nothing more will come.
    pub(super) fn has_said_end(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_ended())
    }

    /// Says by TLS that nothing more will come, if the socket takes it at once.
    pub(super) fn say_end(&mut self) {
        let socket = self.socket();
        if let Some(tls) = self.tls.as_mut().filter(|_| !self.is_mute) {
            tls.close();
            // Nobody may be there to read it.
            let _ = tls.flush(socket);
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// All connections of one shard.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Connections {
    /// Gives `socket` a slot, the one that was freed last if there is any.
    pub(super) fn insert(&mut self, socket: OwnedFd) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("descriptors are fewer than 2^31")
        });
        let place = &mut self.slots[slot as usize];
        assert!(place.connection.is_none(), "a free slot is empty");
        place.generation = place.generation.wrapping_add(1);
        place.connection = Some(Connection {
            socket,
            phase: Phase::Open,
            arrival: None,
            tls: None,
            sealed: 0,
            permit: None,
            is_fresh: false,
            is_paused: false,
            is_ready: false,
            is_dirty: false,
            is_blocked: false,
            is_mute: false,
            written_turn: 0,
        });
        ConnectionId { slot, generation: place.generation }
    }

    /// The connection in `slot`, with its full id; nothing if the slot is free.
    pub(super) fn at(&mut self, slot: u32) -> Option<(ConnectionId, &mut Connection)> {
        let place = self.slots.get_mut(slot as usize)?;
        let id = ConnectionId { slot, generation: place.generation };
        place.connection.as_mut().map(|connection| (id, connection))
    }

    /// The connection `id`; nothing if it is gone, whoever has its slot now.
    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let place = self.slots.get_mut(id.slot as usize)?;
        place.connection.as_mut().filter(|_| place.generation == id.generation)
    }

    /// [`get`](Self::get), if the router knows it still.
    pub(super) fn get_open(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.get(id).filter(|connection| connection.phase == Phase::Open)
    }

    /// Closes the socket in `slot` and frees the slot.
    ///
    /// # Panics
    ///
    /// If it is free already.
    pub(super) fn remove(&mut self, slot: u32) {
        let connection = self.slots[slot as usize].connection.take();
        assert!(connection.is_some(), "a slot is freed once");
        self.free.push(slot);
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> OwnedFd {
        std::os::unix::net::UnixStream::pair().unwrap().0.into()
    }

    #[test]
    fn slots_are_dense_and_a_late_id_meets_no_stranger() {
        let mut connections = Connections::default();
        let (a, b) = (connections.insert(socket()), connections.insert(socket()));
        assert_eq!((a.slot, b.slot), (0, 1));
        connections.remove(a.slot);
        assert!(connections.get(a).is_none() && connections.at(a.slot).is_none());
        let c = connections.insert(socket());
        assert_eq!(c.slot, a.slot);
        assert!(connections.get(a).is_none() && connections.get(c).is_some());
        connections.remove(b.slot);
        connections.remove(c.slot);
        assert!(connections.is_empty());
    }
}
