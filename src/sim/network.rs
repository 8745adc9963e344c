//! Byte pipes between peers and routers: bounded, cut anywhere, stalled, reset.

use std::collections::VecDeque;

/// Octets on their way in one direction of one connection.
pub struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Octets that left it so far.
    taken: u64,
    /// Nothing moves until this is over.
    pub stalled: bool,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stalled = if self.stalled { ", stalled" } else { "" };
        write!(f, "{} octets{stalled}", self.bytes.len())
    }
}

impl Pipe {
    /// An empty pipe that holds `capacity` octets.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, taken: 0, stalled: false }
    }

    /// Octets under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Octets it has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Octets that left it since the beginning.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Octets that entered it since the beginning.
    #[must_use]
    pub fn put(&self) -> u64 {
        self.taken + self.bytes.len() as u64
    }

    /// Appends octets, whether there is room or not: whoever must mind the room asks for it.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Removes up to `count` octets from the front.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.bytes.len());
        self.taken += count as u64;
        self.bytes.drain(..count).collect()
    }

    /// Loses everything that is under way.
    pub fn lose(&mut self) {
        self.bytes.clear();
    }
}
