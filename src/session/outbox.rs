//! Bytes that wait to be written to one peer, in order.
//!
//! Small messages are copied in, one behind the other, and leave as one write. Large ones are
//! shared: ten thousand subscribers of one event hold ten thousand references and one body.
//! Nothing in here blocks or drops; the bound is watched by the router, which ends the session.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::limits::COPY_BYTES_MAX;

/// Bytes that wait to be written to one peer, in order.
///
/// # Examples
///
/// ```
/// use gigawamp::session::outbox::{Outbox, Spares};
///
/// let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
/// outbox.push(b"[36,", &mut spares);
/// outbox.push(b"1]", &mut spares);
/// assert_eq!(outbox.bytes_count(), 6);
/// outbox.advance(4, &mut spares);
/// assert_eq!(outbox.slices().next().as_deref(), Some(&b"1]"[..]));
/// ```
#[derive(Debug, Default)]
pub struct Outbox {
    /// Copied bytes; those before `written` have left.
    front: Vec<u8>,
    written: usize,
    /// What comes behind `front`, once something shared was pushed.
    rest: VecDeque<Piece>,
    bytes_count: usize,
}

#[derive(Debug)]
enum Piece {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Outbox {
    /// Octets that wait.
    #[must_use]
    pub const fn bytes_count(&self) -> usize {
        self.bytes_count
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes_count == 0
    }

    /// Appends a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8], spares: &mut Spares) {
        self.bytes_count += bytes.len();
        match self.rest.back_mut() {
            None => {
                if self.front.capacity() == 0 {
                    self.front = spares.take();
                }
                self.front.extend_from_slice(bytes);
            }
            Some(Piece::Copied(last)) => last.extend_from_slice(bytes),
            Some(Piece::Shared(_)) => self.rest.push_back(Piece::Copied(bytes.to_vec())),
        }
    }

    /// Appends `bytes` by reference; short ones are copied, which is cheaper.
    pub fn push_shared(&mut self, bytes: &Bytes, spares: &mut Spares) {
        if bytes.len() <= COPY_BYTES_MAX {
            return self.push(bytes, spares);
        }
        self.bytes_count += bytes.len();
        self.rest.push_back(Piece::Shared(bytes.clone()));
    }

    /// What waits, in order, as slices for a vectored write. The first is never empty.
    pub fn slices(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let front = self.front.get(self.written..).unwrap_or_default();
        std::iter::once(front)
            .filter(|front| !front.is_empty())
            .chain(self.rest.iter().map(Piece::bytes))
            .map(IoSlice::new)
    }

    /// Appends a copy of the octets in `range` to `out`; fewer if not as many wait.
    pub fn read(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let mut start = 0;
        for slice in self.slices() {
            let part = range.start.saturating_sub(start)..range.end.saturating_sub(start);
            let end = part.end.min(slice.len());
            out.extend_from_slice(slice.get(part.start..end).unwrap_or_default());
            start += slice.len();
            if start >= range.end {
                break;
            }
        }
    }

    /// Forgets the first `count` octets: they were written.
    ///
    /// # Panics
    ///
    /// If fewer than `count` wait: the driver miscounted.
    pub fn advance(&mut self, mut count: usize, spares: &mut Spares) {
        assert!(count <= self.bytes_count, "more was written than waited");
        self.bytes_count -= count;
        loop {
            let front = self.front.len() - self.written;
            if count < front {
                self.written += count;
                return self.forget_written();
            }
            count -= front;
            self.written = 0;
            match self.rest.pop_front() {
                // A drained outbox keeps no memory: most connections are idle most of the time.
                None => {
                    self.rest = VecDeque::new();
                    return spares.give(std::mem::take(&mut self.front));
                }
                Some(Piece::Copied(bytes)) => self.front = bytes,
                Some(Piece::Shared(mut bytes)) => {
                    self.front = Vec::new();
                    if count < bytes.len() {
                        bytes::Buf::advance(&mut bytes, count);
                        return self.rest.push_front(Piece::Shared(bytes));
                    }
                    count -= bytes.len();
                }
            }
        }
    }

    /// Gives back the room of what has left, once it is as much as what waits: a peer that reads
    /// as fast as we write, but never all of it, would otherwise cost ever more memory. So each
    /// octet is moved about once.
    fn forget_written(&mut self) {
        if self.written >= self.front.len() - self.written {
            self.front.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Memory of outboxes that have run dry, for the next ones: most are filled and emptied thousands
/// of times a second, and few hold something at a time.
#[derive(Debug, Default)]
pub struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes_count: usize,
}

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes_count -= buffer.capacity();
        buffer
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes_count = self.bytes_count + buffer.capacity();
        let is_fit = (1..=SPARE_BYTES_MAX).contains(&buffer.capacity());
        if is_fit && bytes_count <= SPARES_BYTES_MAX && self.buffers.len() < SPARES_MAX {
            buffer.clear();
            self.bytes_count = bytes_count;
            self.buffers.push(buffer);
        }
    }
}

/// One that has grown beyond this is given back: it would go to somebody who has little to read.
const SPARE_BYTES_MAX: usize = 16 * 1024;

/// What all of them hold, at most.
const SPARES_BYTES_MAX: usize = 1 << 20;

/// How many there are, at most: enough for an event to a thousand subscribers.
const SPARES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(outbox: &Outbox) -> Vec<u8> {
        outbox.slices().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn any_cut_of_mixed_pieces_keeps_order() {
        let large: Vec<u8> = (0..10_000_u32).map(|n| (n % 251) as u8).collect();
        for cut in [1, 3, 7, 4_096, 5_000, 10_001, 20_000] {
            let (mut outbox, mut expected) = (Outbox::default(), Vec::new());
            let mut spares = Spares::default();
            for round in 0..3_u8 {
                outbox.push(&[round; 5], &mut spares);
                outbox.push(&[round + 10; 3], &mut spares);
                outbox.push_shared(&Bytes::from(large.clone()), &mut spares);
                expected.extend_from_slice(&[round; 5]);
                expected.extend_from_slice(&[round + 10; 3]);
                expected.extend_from_slice(&large);
            }
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let now = collect(&outbox);
                assert_eq!(now.len(), outbox.bytes_count());
                let (mut part, range) = (Vec::new(), now.len() / 3..now.len() / 2 + 1);
                outbox.read(range.clone(), &mut part);
                assert_eq!(part, now[range], "cut {cut}");
                let count = cut.min(now.len());
                written.extend_from_slice(&now[..count]);
                outbox.advance(count, &mut spares);
            }
            assert_eq!(written, expected, "cut {cut}");
            assert_eq!((outbox.front.capacity(), outbox.rest.capacity()), (0, 0));
        }
    }

    #[test]
    fn an_outbox_that_never_runs_dry_forgets_what_was_written() {
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.push(&[0; 100], &mut spares);
        for round in 0..10_000_u32 {
            outbox.push(&[round as u8; 1_000], &mut spares);
            outbox.advance(1_000, &mut spares);
            assert_eq!(outbox.bytes_count(), 100);
        }
        assert_eq!(collect(&outbox), [(9_999_u32 % 256) as u8; 100]);
        assert!(outbox.front.capacity() < 10_000, "{} octets", outbox.front.capacity());
    }

    #[test]
    fn small_shared_pieces_are_copied_together() {
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.push_shared(&Bytes::from_static(b"abc"), &mut Spares::default());
        }
        assert_eq!(outbox.slices().count(), 1);
    }

    #[test]
    fn memory_is_passed_on_within_bounds() {
        let mut spares = Spares::default();
        let fill = |octets, spares: &mut Spares| {
            let mut outbox = Outbox::default();
            outbox.push(&vec![1; octets], spares);
            outbox
        };
        let mut outbox = fill(1_000, &mut spares);
        let place = outbox.front.as_ptr();
        outbox.advance(1_000, &mut spares);
        let mut next = fill(10, &mut spares);
        assert_eq!((next.front.as_ptr(), collect(&next)), (place, vec![1; 10]));
        next.advance(10, &mut spares);
        for octets in [10, 1_000, SPARE_BYTES_MAX, SPARE_BYTES_MAX + 1] {
            let mut outboxes: Vec<_> = (0..2_000).map(|_| fill(octets, &mut spares)).collect();
            outboxes.iter_mut().for_each(|outbox| outbox.advance(octets, &mut spares));
            let held = spares.buffers.iter().map(Vec::capacity);
            assert!(held.clone().all(|octets| octets <= SPARE_BYTES_MAX));
            assert_eq!(held.sum::<usize>(), spares.bytes_count);
            assert!(spares.bytes_count <= SPARES_BYTES_MAX && spares.buffers.len() <= SPARES_MAX);
        }
    }
}
