//! The driver for hosts that forbid io_uring: edge-triggered epoll.
//!
//! A socket is registered once. What the kernel reports is remembered per slot until a read says
//! otherwise, so that pausing and resuming, which can happen at every message, costs no call.
//! Only the interest in writing is altered, when a socket was full: registered for good it would
//! wake us each time a Unix peer reads.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::{Driver, Event, READ_BYTES_MAX, Received, sys};
use crate::shard::mesh::Gate;

/// Events that one call may bring.
const EVENTS_MAX: usize = 256;

/// What the bell's events are called; no slot is as large.
const BELL: u64 = u64::MAX;

const READING: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
const WRITING: u32 = libc::EPOLLOUT as u32;
const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// What is known of one socket.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    socket: RawFd,
    /// Reading may bring something.
    is_readable: bool,
    /// The kernel has told the end, which it will not repeat: read on until it is found.
    is_ended: bool,
    wants_write: bool,
    is_open: bool,
}

/// See the module.
#[derive(Debug)]
pub(in crate::shard) struct Epoll {
    epoll: OwnedFd,
    gates: Arc<[Gate]>,
    shard: usize,
    watched: Vec<Watched>,
    buffer: Box<[u8]>,
    fetched: Box<[libc::epoll_event]>,
    /// How many of `fetched` are not looked at yet.
    fetched_count: usize,
    freed: Vec<u32>,
}

impl Epoll {
    /// The driver of the shard with the number `shard`.
    pub(in crate::shard) fn new(gates: Arc<[Gate]>, shard: usize) -> io::Result<Self> {
        let epoll = sys::epoll()?;
        let bell = gates[shard].bell().as_fd().as_raw_fd();
        sys::epoll_control(epoll.as_fd(), sys::Watch::Begin, bell, libc::EPOLLIN as u32, BELL)?;
        Ok(Self {
            epoll,
            gates,
            shard,
            watched: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            fetched: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX].into_boxed_slice(),
            fetched_count: 0,
            freed: Vec::new(),
        })
    }

    fn watched(&mut self, slot: u32) -> &mut Watched {
        &mut self.watched[slot as usize]
    }

    fn note(&mut self, event: libc::epoll_event, events: &mut Vec<Event>) {
        let (flags, token) = (event.events, event.u64);
        let Some(slot) = u32::try_from(token).ok().filter(|_| token != BELL) else {
            return self.gates[self.shard].bell().clear();
        };
        let watched = self.watched(slot);
        if !watched.is_open {
            return;
        }
        watched.is_ended |= flags & ENDED != 0;
        if flags & (READING | ENDED) != 0 {
            watched.is_readable = true;
            events.push(Event::Readable(slot));
        }
        if watched.wants_write && flags & (WRITING | ENDED) != 0 {
            watched.wants_write = false;
            let socket = watched.socket;
            // A socket that cannot be altered is broken, and reading will tell.
            let _ = self.control(sys::Watch::Alter, socket, READING, slot);
            events.push(Event::Writable(slot));
        }
    }

    fn fetch(&mut self, timeout: Option<Duration>) {
        self.fetched_count = sys::epoll_wait(self.epoll.as_fd(), &mut self.fetched, timeout)
            .expect("an epoll instance of our own can be waited for");
    }

    fn control(&self, watch: sys::Watch, socket: RawFd, flags: u32, slot: u32) -> io::Result<()> {
        sys::epoll_control(self.epoll.as_fd(), watch, socket, flags, u64::from(slot))
    }
}

impl Driver for Epoll {
    fn open(&mut self, slot: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.watched.len() <= slot as usize {
            self.watched.resize(slot as usize + 1, Watched::default());
        }
        let socket = socket.as_raw_fd();
        *self.watched(slot) = Watched { socket, is_open: true, ..Watched::default() };
        self.control(sys::Watch::Begin, socket, READING, slot)
    }

    fn want_read(&mut self, _slot: u32, _wanted: bool) {
        // Nothing is read ahead.
    }

    fn want_write(&mut self, slot: u32) -> io::Result<()> {
        let watched = self.watched(slot);
        watched.wants_write = true;
        let socket = watched.socket;
        self.control(sys::Watch::Alter, socket, READING | WRITING, slot)
    }

    fn receive(&mut self, slot: u32) -> Received<'_> {
        let watched = &mut self.watched[slot as usize];
        if !watched.is_readable {
            return Received::Nothing;
        }
        match sys::receive(watched.socket, &mut self.buffer) {
            Ok(0) => Received::End,
            Ok(count) => {
                // A read that leaves room has emptied the socket, and what comes later is a new
                // edge. The end alone may have been told together with these bytes.
                watched.is_readable = count == self.buffer.len() || watched.is_ended;
                Received::Bytes { bytes: &mut self.buffer[..count], more: watched.is_readable }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                watched.is_readable = false;
                Received::Nothing
            }
            Err(_) => Received::End,
        }
    }

    fn close(&mut self, slot: u32) {
        self.watched(slot).is_open = false;
        self.freed.push(slot);
    }

    fn poll(&mut self, events: &mut Vec<Event>) {
        if self.fetched_count == 0 {
            self.fetch(Some(Duration::ZERO));
        }
        for index in 0..std::mem::take(&mut self.fetched_count) {
            self.note(self.fetched[index], events);
        }
        events.extend(self.freed.drain(..).map(Event::Freed));
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        if self.freed.is_empty() {
            self.fetch(timeout);
        }
    }
}
