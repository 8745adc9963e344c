//! What must happen later, and the wheel it turns on.
//!
//! Time is cut into ticks of 4 ms. A [`Wheel`] has eight levels of 64 slots; a slot of level *n*
//! spans 64ⁿ ticks, so that together they cover all time an [`Instant`] can name. An entry lies at
//! the lowest level on which its tick and the current one fall into different slots, and moves
//! down as its time comes near: at most seven moves in its life.
//!
//! ```text
//!  level 2   │ · │ x │ · │ …      an entry waits here until its slot begins,
//!  level 1       │ · │ x │ …      then here,
//!  level 0           │ x │ …      then here until its tick
//!  due                 x          and here until it is taken
//! ```
//!
//! One bitmap per level says which slots hold something, so time may jump by years at no cost.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::env::Instant;

/// How exact deadlines are: none is more than this late, if the wheel is asked in time.
pub const TICK: Duration = Duration::from_millis(4);

/// Entries that become due at some moment.
///
/// Putting in and cancelling take constant time, however many entries there are.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The tick up to which entries are due.
    now: u64,
    levels: [Level; LEVELS_COUNT],
    /// First of the entries whose tick has come.
    due: u32,
    entries: Vec<Entry<T>>,
    /// First of the unused entries.
    free: u32,
    len: usize,
    /// No handle with this generation or a later one was given out by entries that were let go.
    generation: NonZeroU32,
}

/// An entry of a [`Wheel`]. Outlives it harmlessly: a handle never reaches another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    index: u32,
    generation: NonZeroU32,
}

const _: () = assert!(size_of::<Option<Handle>>() == 8, "pending calls hold one each");

impl<T> Wheel<T> {
    /// A wheel on which nothing is due before `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            now: now.as_nanos() / TICK_NANOS,
            levels: [Level { occupied: 0, slots: [NONE; SLOTS_COUNT] }; LEVELS_COUNT],
            due: NONE,
            entries: Vec::new(),
            free: NONE,
            len: 0,
            generation: NonZeroU32::MIN,
        }
    }

    /// Makes `what` due at `at`, or at once if that has passed.
    pub fn insert(&mut self, at: Instant, what: T) -> Handle {
        let tick = at.as_nanos().div_ceil(TICK_NANOS);
        let index = self.entry(tick, what);
        self.place(index);
        self.len += 1;
        Handle { index, generation: self.entries[index as usize].generation }
    }

    /// Takes an entry off the wheel; `None` if it was taken before.
    pub fn cancel(&mut self, handle: Handle) -> Option<T> {
        let entry = self.entries.get(handle.index as usize)?;
        if entry.generation != handle.generation || entry.what.is_none() {
            return None;
        }
        self.unlink(handle.index);
        self.release(handle.index)
    }

    /// The next entry that is due at `now`; ask again until there is none.
    ///
    /// Entries come in the order of their ticks, those of one tick in any order. None comes
    /// before its time.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let target = now.as_nanos() / TICK_NANOS;
        while self.due == NONE {
            match self.next_slot() {
                Some((level, slot, start)) if start <= target => {
                    self.now = start;
                    self.cascade(level, slot);
                }
                Some(_) | None => {
                    // No slot begins up to here, so every entry stays where it is.
                    self.now = self.now.max(target);
                    return None;
                }
            }
        }
        let index = self.due;
        self.unlink(index);
        self.release(index)
    }

    /// When to ask [`expire`](Self::expire) again: when the first entry becomes due or, if that is
    /// far, at some moment before it, after which this tells another. `None` if there is no entry.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        if self.due != NONE {
            return Some(instant_of(self.now));
        }
        self.next_slot().map(|(_, _, start)| instant_of(start))
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A fresh or reused entry, in no list yet.
    fn entry(&mut self, tick: u64, what: T) -> u32 {
        if self.free == NONE {
            let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
            assert!(index != NONE, "memory is full long before there are 2^32 deadlines");
            self.entries.push(Entry {
                what: Some(what),
                tick,
                previous: NONE,
                next: NONE,
                list: LIST_DUE,
                generation: self.generation,
            });
            return index;
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.what = Some(what);
        entry.tick = tick;
        index
    }

    /// Gives an unlinked entry back and returns what it held. The last one gives back all memory
    /// that a burst may have left.
    fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        let what = entry.what.take();
        entry.generation = entry.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        entry.next = self.free;
        self.generation = self.generation.max(entry.generation);
        self.free = index;
        self.len -= 1;
        if self.len == 0 && self.entries.len() > ENTRIES_KEPT {
            self.entries = Vec::new();
            self.free = NONE;
        }
        what
    }

    /// Puts an entry into the list where it belongs now.
    fn place(&mut self, index: u32) {
        let tick = self.entries[index as usize].tick;
        let list = if tick <= self.now {
            LIST_DUE
        } else {
            let level = (tick ^ self.now).ilog2() / SLOT_BITS;
            let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS_COUNT;
            self.levels[level as usize].occupied |= 1 << slot;
            // Below 8 × 64.
            (level as usize * SLOTS_COUNT + slot) as u16
        };
        let head = std::mem::replace(self.head(list), index);
        if let Some(second) = self.entries.get_mut(head as usize) {
            second.previous = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.list, entry.previous, entry.next) = (list, NONE, head);
    }

    /// Takes an entry out of its list.
    fn unlink(&mut self, index: u32) {
        let Entry { list, previous, next, .. } = self.entries[index as usize];
        if let Some(follower) = self.entries.get_mut(next as usize) {
            follower.previous = previous;
        }
        if let Some(leader) = self.entries.get_mut(previous as usize) {
            leader.next = next;
            return;
        }
        *self.head(list) = next;
        if next == NONE && list != LIST_DUE {
            let (level, slot) = (list as usize / SLOTS_COUNT, list as usize % SLOTS_COUNT);
            self.levels[level].occupied &= !(1 << slot);
        }
    }

    /// Moves the entries of a slot that begins now to where they belong.
    fn cascade(&mut self, level: usize, slot: usize) {
        self.levels[level].occupied &= !(1 << slot);
        let mut index = std::mem::replace(&mut self.levels[level].slots[slot], NONE);
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.place(index);
            index = next;
        }
    }

    /// The level, the slot and the first tick of the slot that begins next.
    ///
    /// All entries of a level lie in the current slot of the level above, hence before whatever
    /// waits there, and in later slots of their own level than the current one.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros();
        let shift = level as u32 * SLOT_BITS;
        let span = shift + SLOT_BITS;
        let start = (self.now >> span << span) | (u64::from(slot) << shift);
        debug_assert!(start > self.now, "slots that have begun were emptied");
        Some((level, slot as usize, start))
    }

    fn head(&mut self, list: u16) -> &mut u32 {
        if list == LIST_DUE {
            return &mut self.due;
        }
        &mut self.levels[list as usize / SLOTS_COUNT].slots[list as usize % SLOTS_COUNT]
    }
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// Bit *n* is set while slot *n* holds something.
    occupied: u64,
    /// The first entry of each slot.
    slots: [u32; SLOTS_COUNT],
}

#[derive(Debug)]
struct Entry<T> {
    /// `None` while the entry is unused.
    what: Option<T>,
    /// The first tick at which it is due.
    tick: u64,
    previous: u32,
    /// The next of its list, or the next unused one.
    next: u32,
    list: u16,
    generation: NonZeroU32,
}

/// The end of a list.
const NONE: u32 = u32::MAX;

/// The list of what is due; the lists before it are the slots of all levels.
const LIST_DUE: u16 = (LEVELS_COUNT * SLOTS_COUNT) as u16;

const SLOT_BITS: u32 = 6;

const SLOTS_COUNT: usize = 1 << SLOT_BITS;

/// 64⁸ ticks are more than 2⁶⁴ nanoseconds.
const LEVELS_COUNT: usize = 8;

const TICK_NANOS: u64 = TICK.as_nanos() as u64;

const _: () = assert!(u64::MAX / TICK_NANOS < 1 << (SLOT_BITS * LEVELS_COUNT as u32));

/// Entries whose memory is kept when the wheel runs empty.
const ENTRIES_KEPT: usize = 1_024;

fn instant_of(tick: u64) -> Instant {
    Instant::from_nanos(tick.saturating_mul(TICK_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Random;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn due<T: Ord>(wheel: &mut Wheel<T>, now: Instant) -> Vec<T> {
        let mut all: Vec<_> = std::iter::from_fn(|| wheel.expire(now)).collect();
        all.sort();
        all
    }

    /// A span whose magnitude is random too: from nothing to half a year.
    fn span(random: &mut Random) -> Duration {
        let bits = random.below(54);
        Duration::from_nanos(random.below(1 << bits))
    }

    #[test]
    fn nothing_comes_early_and_all_comes_within_a_tick() {
        for seed in 0..60 {
            let mut random = Random::from_number(seed);
            let mut now = Instant::from_nanos(random.bits() >> (2 + random.below(60)));
            let mut wheel = Wheel::new(now);
            let mut list: Vec<(Instant, u64, Handle)> = Vec::new();
            for number in 0..2_000 {
                match random.below(8) {
                    0 => now = now + span(&mut random),
                    1 | 2 => now = wheel.next().map_or(now, |next| next.max(now)),
                    3 if !list.is_empty() => {
                        let victim = random.below(list.len() as u64) as usize;
                        let (_, number, handle) = list.swap_remove(victim);
                        assert_eq!(wheel.cancel(handle), Some(number));
                        assert_eq!(wheel.cancel(handle), None);
                    }
                    _ => {
                        let at = now + span(&mut random);
                        list.push((at, number, wheel.insert(at, number)));
                    }
                }
                for number in due(&mut wheel, now) {
                    let position = list.iter().position(|entry| entry.1 == number).unwrap();
                    let (at, _, handle) = list.swap_remove(position);
                    assert!(at <= now, "seed {seed}: {at:?} is after {now:?}");
                    assert_eq!(wheel.cancel(handle), None);
                }
                let late = list.iter().find(|entry| entry.0 + TICK <= now);
                assert_eq!(late, None, "seed {seed} at {now:?}");
                let first = list.iter().map(|entry| entry.0).min();
                assert_eq!(first.is_some(), wheel.next().is_some());
                if let (Some(first), Some(next)) = (first, wheel.next()) {
                    assert!(next > now && next < first + TICK, "seed {seed}: {next:?} {first:?}");
                }
                assert_eq!(wheel.len(), list.len());
            }
        }
    }

    #[test]
    fn waiting_for_next_brings_everything_in_few_steps() {
        let mut wheel = Wheel::new(at(0));
        for millis in [1, 4, 5, 255, 256, 257, 30_000, 86_400_000, 9_999_999_999] {
            wheel.insert(at(millis), millis);
        }
        let (mut taken, mut steps) = (Vec::new(), 0);
        while let Some(next) = wheel.next() {
            taken.extend(due(&mut wheel, next));
            steps += 1;
        }
        assert_eq!(taken, [1, 4, 5, 255, 256, 257, 30_000, 86_400_000, 9_999_999_999]);
        assert!(steps <= 9 * LEVELS_COUNT, "{steps} steps");
    }

    #[test]
    fn what_has_passed_is_due_at_once() {
        let mut wheel = Wheel::new(at(1_000));
        wheel.insert(at(0), "past");
        wheel.insert(at(1_000), "now");
        wheel.insert(at(1_001), "soon");
        assert_eq!(wheel.next(), Some(at(1_000)));
        assert_eq!(due(&mut wheel, at(1_000)), ["now", "past"]);
        assert_eq!(wheel.next(), Some(at(1_004)));
        assert_eq!(due(&mut wheel, at(1_004)), ["soon"]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn the_end_of_time_is_a_deadline_too() {
        let end = Instant::from_nanos(u64::MAX);
        let mut wheel = Wheel::new(at(0));
        wheel.insert(Instant::from_nanos(u64::MAX / TICK_NANOS * TICK_NANOS), "last tick");
        let never = wheel.insert(end, "after the last whole tick");
        assert_eq!(due(&mut wheel, end), ["last tick"]);
        assert!(wheel.cancel(never).is_some());
        assert!(wheel.is_empty());
    }

    #[test]
    fn ticks_come_in_order() {
        let mut wheel = Wheel::new(at(0));
        for millis in [900, 16, 40_000, 8, 500] {
            wheel.insert(at(millis), millis);
        }
        let order: Vec<_> = std::iter::from_fn(|| wheel.expire(at(1 << 40))).collect();
        assert_eq!(order, [8, 16, 500, 900, 40_000]);
    }

    #[test]
    fn a_handle_never_reaches_a_successor() {
        let mut wheel = Wheel::new(at(0));
        let first = wheel.insert(at(10), 1);
        assert_eq!(wheel.cancel(first), Some(1));
        let second = wheel.insert(at(10), 2);
        assert_eq!(wheel.cancel(first), None);
        assert_eq!(wheel.cancel(second), Some(2));

        let burst: Vec<_> = (0..5_000).map(|number| wheel.insert(at(10), number)).collect();
        assert_eq!(due(&mut wheel, at(12)).len(), burst.len());
        assert!(wheel.entries.capacity() <= ENTRIES_KEPT, "the memory of the burst is returned");
        for number in 0..5_000 {
            wheel.insert(at(10), number);
        }
        assert!(burst.iter().all(|&handle| wheel.cancel(handle).is_none()));
        assert_eq!(wheel.len(), 5_000);
    }
}
