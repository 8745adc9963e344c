//! Sockets by the thousand: what a driver owes the loop above it.
//!
//! A driver knows descriptors, readiness and buffers, and nothing else. Which connection is
//! open, paused, lingering or has something to write is the business of [`engine`], which is the
//! same for both drivers:
//!
//! ```text
//!            engine ── open, receive, want_write, close ──▶ driver
//!                   ◀── Readable, Writable, Freed ────────
//! ```
//!
//! - [`epoll`] reads when the kernel says there is something to read;
//! - [`uring`] is handed what the kernel has read already, in buffers of a common ring, so idle
//!   connections hold none.
//!
//! Both write with plain system calls: a write costs the same either way, and so no buffer of the
//! router's is ever lent to the kernel.

mod buffers;
pub(super) mod connections;
pub(super) mod engine;
pub(super) mod epoll;
mod idle;
pub(in crate::shard) mod sys;
pub(super) mod uring;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Octets that are read from one connection before the next one's turn.
///
/// Large enough that the cost of a read is spread over a hundred small messages, small enough
/// that a flooding peer delays the others of its shard by tens of microseconds only.
pub(super) const READ_BYTES_MAX: usize = 8 * 1024;

/// Octets that are offered to one socket before the next one's turn.
pub(super) const WRITE_BYTES_MAX: usize = 256 * 1024;

/// Slices of one vectored write.
pub(super) const WRITE_SLICES_MAX: usize = 64;

/// What a driver has to say of one connection, by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// [`Driver::receive`] has something to give.
    Readable(u32),
    /// The socket has room again; answers [`Driver::want_write`].
    Writable(u32),
    /// The kernel is done with the socket; answers [`Driver::close`].
    Freed(u32),
}

/// What [`Driver::receive`] gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received<'a> {
    /// The next bytes, never none, valid until the driver is called again.
    Bytes {
        /// At most [`READ_BYTES_MAX`], unless the connection was not reading meanwhile.
        bytes: &'a mut [u8],
        /// Whether to come back without waiting for [`Event::Readable`].
        more: bool,
    },
    /// Nothing now; [`Event::Readable`] follows when that changes.
    Nothing,
    /// Nothing ever again: end of stream, reset or error.
    End,
}

/// Waits for sockets and reads from them.
pub(super) trait Driver {
    /// Begins to watch `socket`, and to read from it if this driver reads ahead. The slot must be
    /// new or freed, and the socket must stay open until [`Event::Freed`].
    fn open(&mut self, slot: u32, socket: BorrowedFd<'_>) -> io::Result<()>;

    /// Whether bytes of this connection are wanted at present. What was read ahead is kept. It is
    /// always allowed to be late to stop.
    fn want_read(&mut self, slot: u32, wanted: bool);

    /// Asks for one [`Event::Writable`].
    fn want_write(&mut self, slot: u32) -> io::Result<()>;

    /// The next bytes of a connection.
    fn receive(&mut self, slot: u32) -> Received<'_>;

    /// Ends the watch; the kernel gives the socket back with [`Event::Freed`].
    fn close(&mut self, slot: u32);

    /// Appends what happened, without waiting.
    fn poll(&mut self, events: &mut Vec<Event>);

    /// Waits until something happens (the bell of the shard is something) or `timeout` is over,
    /// for ever if there is none; [`poll`](Self::poll) then tells what. Does not wait if something
    /// happened already.
    fn wait(&mut self, timeout: Option<Duration>);
}
