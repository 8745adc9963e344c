//! What those are told who come when as many connections are open as may be.
//!
//! RawSocket has an answer for that, which its clients take for a reason to come back later. Others
//! are reset. Who it is shows in the first four octets, and those are seldom there when a
//! connection is accepted; so a few newcomers wait for them in here, for a moment. Nothing is kept
//! of them but the socket, and whoever comes when all places are taken pushes the oldest one out:
//! a flood gets resets, as if this were not here.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::env::Instant;
use crate::shard::driver::sys;
use crate::wire::rawsocket::REFUSED_CONNECTIONS;

/// Newcomers that wait at a time; as many descriptors are needed beyond those of connections.
const PLACES: usize = 16;

/// How long one of them waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// Newcomers for whom there is no room.
#[derive(Debug, Default)]
pub(in crate::shard) struct Full {
    /// Until when they wait, the oldest first.
    waiting: VecDeque<(Instant, OwnedFd)>,
}

impl Full {
    /// Has a newcomer wait until it shows what it is.
    pub(in crate::shard) fn take(&mut self, socket: OwnedFd, now: Instant) {
        if self.waiting.len() >= PLACES
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            sys::reset_on_close(oldest.as_raw_fd());
        }
        self.waiting.push_back((now + PATIENCE, socket));
    }

    /// Those that wait.
    pub(in crate::shard) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.waiting.iter().map(|(_, socket)| socket.as_fd())
    }

    /// When to look after them at the latest.
    pub(in crate::shard) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(until, _)| *until)
    }

    /// Tells those that have said something, as `are_ready` knows by place, and resets those that
    /// have waited for too long.
    pub(in crate::shard) fn look(&mut self, are_ready: &[bool], now: Instant) {
        let mut are_ready = are_ready.iter();
        self.waiting.retain(|(until, socket)| {
            let is_ready = are_ready.next() == Some(&true);
            if is_ready {
                dismiss(socket);
            } else if *until <= now {
                sys::reset_on_close(socket.as_raw_fd());
            }
            !is_ready && *until > now
        });
    }
}

/// Says that there is no room, if that was asked in the words of RawSocket; otherwise the end of
/// the connection is all there is to say.
fn dismiss(socket: &OwnedFd) {
    let (socket, mut asked) = (socket.as_raw_fd(), [0; 4]);
    let is_asked = sys::receive(socket, &mut asked).is_ok_and(|count| count == asked.len());
    // What cannot be sent at once is not worth waiting for.
    if !is_asked
        || asked.first() != REFUSED_CONNECTIONS.first()
        || sys::send(socket, &REFUSED_CONNECTIONS).is_err()
    {
        sys::reset_on_close(socket);
    }
}
