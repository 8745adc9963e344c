//! The buffers that the kernel reads into, common to all connections of a shard.
//!
//! The kernel takes the next free one when bytes arrive, so an idle connection holds none. Each
//! is in one of three places: free in the ring, with the kernel, or handed to us by a completion
//! and not given back yet.

#![expect(unsafe_code, reason = "memory shared with the kernel; every block says why it is sound")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use super::READ_BYTES_MAX;

/// How many buffers a shard has, a power of two: 4 MiB, of which only what is used is memory.
pub(super) const BUFFERS_COUNT: u16 = 512;

/// The name of the group the kernel knows them by.
pub(super) const GROUP: u16 = 0;

const PAGE: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Buffers {
    /// `BUFFERS_COUNT` entries; the tail hides in the first.
    entries: NonNull<BufRingEntry>,
    /// `BUFFERS_COUNT` times `READ_BYTES_MAX` octets.
    memory: NonNull<u8>,
    tail: u16,
    /// Free ones.
    free_count: u16,
    /// By buffer, whether a completion has handed it to us.
    handed: Box<[bool]>,
}

impl Buffers {
    /// Registers all buffers with `ring`, free.
    ///
    /// # Safety
    ///
    /// The buffers must not be dropped before `ring` unless every operation that uses [`GROUP`]
    /// has ended.
    pub(super) unsafe fn register(ring: &IoUring) -> io::Result<Self> {
        let mut buffers = Self {
            entries: allocate(entries_layout()).cast(),
            memory: allocate(memory_layout()),
            tail: 0,
            free_count: 0,
            handed: vec![true; usize::from(BUFFERS_COUNT)].into_boxed_slice(),
        };
        let address = buffers.entries.as_ptr() as u64;
        // SAFETY: the entries are as many as announced, page-aligned, and live as long as the
        // caller promises.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(address, BUFFERS_COUNT, GROUP, 0)?;
        }
        (0..BUFFERS_COUNT).for_each(|buffer| buffers.give_back(buffer));
        Ok(buffers)
    }

    /// How many are free, as far as completions have told.
    pub(super) const fn free_count(&self) -> u16 {
        self.free_count
    }

    /// A completion has handed `buffer` to us.
    ///
    /// # Panics
    ///
    /// If we have it already.
    pub(super) fn note_handed(&mut self, buffer: u16) {
        let handed = &mut self.handed[usize::from(buffer)];
        assert!(!*handed, "the kernel hands over what was free");
        *handed = true;
        self.free_count -= 1;
    }

    /// The first `count` octets of a buffer that was handed to us.
    pub(super) fn bytes(&mut self, buffer: u16, count: usize) -> &mut [u8] {
        assert!(count <= READ_BYTES_MAX && self.handed[usize::from(buffer)]);
        // SAFETY: the range lies in the allocation, which is initialized. The kernel is done with
        // this buffer until it is given back, and giving it back needs `self`, which the slice
        // borrows.
        unsafe {
            let start = self.memory.add(usize::from(buffer) * READ_BYTES_MAX);
            std::slice::from_raw_parts_mut(start.as_ptr(), count)
        }
    }

    /// Frees a buffer that was handed to us.
    ///
    /// # Panics
    ///
    /// If it is free already: the kernel would write to it twice.
    pub(super) fn give_back(&mut self, buffer: u16) {
        let handed = std::mem::replace(&mut self.handed[usize::from(buffer)], false);
        assert!(handed, "a buffer is given back once");
        let place = usize::from(self.tail % BUFFERS_COUNT);
        // SAFETY: the place lies in the ring, and the kernel does not look at it before the tail
        // has passed it. The address lies in the allocation.
        unsafe {
            let entry = self.entries.add(place).as_mut();
            let start = self.memory.add(usize::from(buffer) * READ_BYTES_MAX);
            entry.set_addr(start.as_ptr() as u64);
            entry.set_len(u32::try_from(READ_BYTES_MAX).expect("a buffer is smaller than 4 GiB"));
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        self.free_count += 1;
        // SAFETY: the tail is a place in the first entry that only we write and the kernel reads;
        // it is aligned as `u16` is.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// Never frees the memory: the kernel may still write to it.
    pub(super) fn leak(self) {
        std::mem::forget(self);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these layouts, and by the promise of `register` the
        // kernel does not use them any more.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout());
            dealloc(self.memory.as_ptr(), memory_layout());
        }
    }
}

fn entries_layout() -> Layout {
    let octets = usize::from(BUFFERS_COUNT) * size_of::<BufRingEntry>();
    Layout::from_size_align(octets, PAGE).expect("a page is a power of two")
}

fn memory_layout() -> Layout {
    let octets = usize::from(BUFFERS_COUNT) * READ_BYTES_MAX;
    Layout::from_size_align(octets, PAGE).expect("a page is a power of two")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: neither layout is empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}
