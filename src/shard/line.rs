//! One ordered, bounded queue between two shards, and the promise that neither oversleeps.
//!
//! Two facts can be missed by somebody who is about to sleep: that the queue he takes from is no
//! longer empty, and that the queue he gives to is no longer full. Both are handled alike. Who
//! changes the queue then looks whether the other sleeps; who wants to sleep says so and then
//! looks at the queue again. A sequentially consistent fence stands between the two steps on each
//! side, so at least one of the two sees what the other did. No call into the kernel is made
//! unless somebody really sleeps.
//!
//! This file uses nothing else of the crate, so that `tests/loom_line.rs` can include it and try
//! every interleaving.

#[cfg(not(loom))]
use crossbeam_queue::ArrayQueue;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

#[cfg(loom)]
use super::ArrayQueue;
#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// Whether one thread sleeps.
#[derive(Debug)]
pub(crate) struct Sleeper {
    sleeping: AtomicBool,
}

impl Sleeper {
    /// Not up yet, which is the same as sleeping.
    pub(crate) fn new() -> Self {
        Self { sleeping: AtomicBool::new(true) }
    }

    /// Says that its thread is about to sleep. It must now look at everything that could concern
    /// it once more, and sleep only if there is nothing.
    pub(crate) fn lie_down(&self) {
        // An exchange, not a store, so that it comes after what others last changed, and loom,
        // which does not put unrelated stores in one order, sees that too. It is no hot path.
        self.sleeping.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// Says that its thread is awake, whoever woke it.
    pub(crate) fn get_up(&self) {
        self.sleeping.swap(false, Ordering::AcqRel);
    }

    /// To be asked by another thread *after* it did something that concerns this one: whether it
    /// sleeps and must be woken. True for only one of several that ask at once.
    #[must_use]
    pub(crate) fn must_be_woken(&self) -> bool {
        fence(Ordering::SeqCst);
        self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::AcqRel)
    }

    /// Whether its thread sleeps, was told that it should wake, or never was up.
    pub(crate) fn is_sleeping(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed)
    }
}

/// What one thread sends another, in order, never more than a fixed number, and nothing more once
/// it weighs too much.
#[derive(Debug)]
pub(crate) struct Line<T> {
    queue: ArrayQueue<(T, usize)>,
    /// Of all that is in the queue.
    weight: AtomicUsize,
    weight_max: usize,
    /// The sender found it full and wants to hear when it is not any more.
    congested: AtomicBool,
}

impl<T> Line<T> {
    /// An empty one that holds up to `depth`, and none behind what weighs `weight_max` together.
    /// Neither may be zero.
    pub(crate) fn new(depth: usize, weight_max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(depth),
            weight: AtomicUsize::new(0),
            weight_max,
            congested: AtomicBool::new(false),
        }
    }

    /// Asked by the sender: whether it may [`send`](Self::send) one. If not, the taker is told to
    /// wake the sender when that has changed.
    ///
    /// A sender that is about to sleep must ask again, although it was told no before: what it
    /// said then may have been heard, and answered while it was awake.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        if !self.is_full() {
            return true;
        }
        // An exchange for the same reason as in `lie_down`.
        self.congested.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        !self.is_full()
    }

    /// Appends `item`, which weighs `weight`. The sender must then ask whether the taker has to be
    /// woken.
    ///
    /// # Panics
    ///
    /// If there is no room: the one sender has to ask before.
    pub(crate) fn send(&self, item: T, weight: usize) {
        // Added before the taker can take it off.
        self.weight.fetch_add(weight, Ordering::Relaxed);
        let pushed = self.queue.push((item, weight));
        assert!(pushed.is_ok(), "the sender asked for room and is the only one");
    }

    /// Takes the oldest item.
    pub(crate) fn take(&self) -> Option<T> {
        let (item, weight) = self.queue.pop()?;
        self.weight.fetch_sub(weight, Ordering::Relaxed);
        Some(item)
    }

    fn is_full(&self) -> bool {
        self.queue.is_full() || self.weight.load(Ordering::Relaxed) >= self.weight_max
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// To be asked by the taker *after* it took something: whether the sender waits for room. The
    /// taker must then ask whether the sender has to be woken.
    #[must_use]
    pub(crate) fn was_congested(&self) -> bool {
        fence(Ordering::SeqCst);
        self.congested.load(Ordering::Relaxed) && self.congested.swap(false, Ordering::AcqRel)
    }
}
