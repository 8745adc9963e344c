//! A hash table that one writer changes while any number of threads read it without waiting.
//!
//! ```text
//!  Reader ──┐                         ┌─ slot: hash, node ──▶ Node { key, value }   (immutable)
//!           ├──▶ Table: 64 segments ──┤  slot: hash, node
//!  Owner  ──┘                         └─ …
//! ```
//!
//! A [`Reader`] may be copied to any thread. There is one [`Owner`] per table and its changes need
//! `&mut`, so the borrow checker itself keeps writers apart; no function here has to be `unsafe`.
//!
//! **How a reader stays right while the writer works.** Slots are probed linearly from the hash.
//! Within one slot array a slot goes from empty to a node, from a node to another node or to
//! *removed*, from *removed* to a node, but never back to empty. A key that was in the array before
//! the reader came therefore lies before the first empty slot of its probe, and the reader meets
//! it. Nodes never change; a replaced value is a new node. When an array is too full or too empty,
//! the writer builds another with the same nodes and swaps the pointer; a reader that is still in
//! the old one sees the table as it was before.
//!
//! **How memory returns.** What readers could still hold is retired to `crossbeam-epoch`: it is
//! freed once every thread that was [`Pinned`] at that moment has let go. The table is cut into
//! segments so that rebuilding one stays short however much the table holds.

#![expect(unsafe_code, reason = "readers follow pointers that a writer may retire; see each proof")]

use std::sync::Arc;

use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned, Shared};

use super::sync::{AtomicU64, Ordering};

/// While it lives, nothing that this thread has found is freed.
///
/// Made by [`pin`] alone, so that every guard belongs to the one collector that all tables use.
pub(super) struct Pinned(Guard);

/// Starts reading. Costs a few nanoseconds; do not hold it across anything slow.
pub(super) fn pin() -> Pinned {
    Pinned(epoch::pin())
}

impl Pinned {
    /// Hands over what this thread has retired and frees what nobody can hold any more.
    pub(super) fn flush(&self) {
        self.0.flush();
    }
}

/// Where a value lies.
///
/// `hash` must be the same function of `scope` and `text` for all keys of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'k> {
    /// Where the probe starts.
    pub(super) hash: u64,
    /// Tells equal texts apart: the branch of a trie that they grow from; 0 without a trie.
    pub(super) scope: u64,
    /// A URI or a part of one.
    pub(super) text: &'k str,
}

/// The end of a table that looks.
pub(super) struct Reader<V>(Arc<Table<V>>);

/// The end of a table that changes it.
pub(super) struct Owner<V> {
    table: Arc<Table<V>>,
    fill: Box<[Fill]>,
}

/// A table with nothing in it.
pub(super) fn new<V>() -> (Reader<V>, Owner<V>) {
    let table = Arc::new(Table { segments: std::array::from_fn(|_| Atomic::null()) });
    let fill = std::iter::repeat_with(Fill::default).take(SEGMENTS).collect();
    (Reader(Arc::clone(&table)), Owner { table, fill })
}

impl<V> Reader<V> {
    /// The value of `key`. It stays readable while `pinned` lives, even if it is removed.
    pub(super) fn get<'g>(&self, key: Key<'_>, pinned: &'g Pinned) -> Option<&'g V> {
        self.0.find(key, pinned).map(|(_, node)| &node.value)
    }

    /// Every URI and value, in the order of their hashes. What is changed meanwhile may be seen
    /// as it was or as it is.
    pub(super) fn for_each(&self, pinned: &Pinned, visit: &mut impl FnMut(&str, &V)) {
        for segment in 0..SEGMENTS {
            self.for_each_of(segment, pinned, visit);
        }
    }

    /// The same for one segment.
    pub(super) fn for_each_of(
        &self,
        segment: usize,
        pinned: &Pinned,
        visit: &mut impl FnMut(&str, &V),
    ) {
        for slot in self.0.slots(segment, pinned) {
            if let Some(node) = slot.node(pinned) {
                visit(&node.uri, &node.value);
            }
        }
    }
}

impl<V: Send + Sync + 'static> Owner<V> {
    /// The value of `key`.
    pub(super) fn get<'g>(&self, key: Key<'_>, pinned: &'g Pinned) -> Option<&'g V> {
        self.table.find(key, pinned).map(|(_, node)| &node.value)
    }

    /// Puts `value` under `key` and returns what was there before. `uri` is what
    /// [`Reader::for_each`] tells, and ends with the key's text.
    pub(super) fn insert<'g>(
        &mut self,
        key: Key<'_>,
        uri: &str,
        value: V,
        pinned: &'g Pinned,
    ) -> Option<&'g V> {
        debug_assert!(uri.ends_with(key.text), "a node keeps its key as the end of its URI");
        let text_start = uri.len() - key.text.len();
        let node = Node { scope: key.scope, text_start, uri: uri.into(), value };
        if let Some((slot, _)) = self.table.find(key, pinned) {
            return slot.retire(Owned::new(node).into_shared(&pinned.0), pinned);
        }

        let segment = segment_of(key.hash);
        self.make_room(segment, pinned);
        let slots = self.table.slots(segment, pinned);
        let slot = probe(slots, key.hash)
            .find(|slot| slot.node(pinned).is_none())
            .expect("make_room left an empty slot");
        let fill = &mut self.fill[segment];
        fill.live += 1;
        // A slot that something was removed from was counted when it was first used.
        fill.used += usize::from(slot.is_empty(pinned));
        // A reader that sees the node sees this hash or the one of a later node in this slot; in
        // the second case the key is being removed, and to miss it is right.
        slot.hash.store(key.hash, Ordering::Relaxed);
        slot.node.store(Owned::new(node), Ordering::Release);
        None
    }

    /// Takes `key` out and returns its value.
    pub(super) fn remove<'g>(&mut self, key: Key<'_>, pinned: &'g Pinned) -> Option<&'g V> {
        let (slot, _) = self.table.find(key, pinned)?;
        let value = slot.retire(Shared::null().with_tag(REMOVED), pinned);
        let segment = segment_of(key.hash);
        self.fill[segment].live -= 1;
        self.give_room_back(segment, pinned);
        value
    }

    /// Ensures that a new key finds an empty slot and leaves another behind: at most three
    /// quarters of the slots are ever used, so probes end.
    fn make_room(&mut self, segment: usize, pinned: &Pinned) {
        let (fill, slots_count) = (self.fill[segment], self.table.slots(segment, pinned).len());
        if (fill.used + 1) * 4 > slots_count * 3 {
            self.rebuild(segment, slots_count_for(fill.live + 1), pinned);
        }
    }

    /// Shrinks a segment of which less than an eighth is in use, down to nothing.
    fn give_room_back(&mut self, segment: usize, pinned: &Pinned) {
        let (fill, slots_count) = (self.fill[segment], self.table.slots(segment, pinned).len());
        if fill.live == 0 || fill.live * 8 < slots_count {
            self.rebuild(segment, slots_count_for(fill.live), pinned);
        }
    }

    /// Moves a segment's nodes to `slots_count` new slots.
    fn rebuild(&mut self, segment: usize, slots_count: usize, pinned: &Pinned) {
        let fresh: Box<[Slot<V>]> =
            std::iter::repeat_with(Slot::default).take(slots_count).collect();
        for slot in self.table.slots(segment, pinned) {
            let node = slot.node.load(Ordering::Relaxed, &pinned.0);
            if node.is_null() {
                continue;
            }
            let hash = slot.hash.load(Ordering::Relaxed);
            let place = probe(&fresh, hash)
                .find(|place| place.is_empty(pinned))
                .expect("there are more slots than nodes");
            // Nobody else sees these slots yet; the swap below publishes them whole.
            place.hash.store(hash, Ordering::Relaxed);
            place.node.store(node, Ordering::Relaxed);
        }

        let live = self.fill[segment].live;
        self.fill[segment].used = live;
        let fresh = if live == 0 && slots_count == 0 {
            Shared::null()
        } else {
            Owned::new(Slots(fresh)).into_shared(&pinned.0)
        };
        let old = self.table.segments[segment].swap(fresh, Ordering::AcqRel, &pinned.0);
        if !old.is_null() {
            // SAFETY: the swap above took the only pointer to `old` that a reader can start from,
            // and `&mut self` excludes another writer, so it is retired once. Whoever read the
            // pointer before was pinned then. Dropping slots does not drop nodes, which live on in
            // the new array.
            unsafe { pinned.0.defer_destroy(old) };
        }
    }
}

/// How many segments a table is cut into.
pub(super) const SEGMENTS: usize = if cfg!(loom) { 1 } else { 64 };

/// The tag of a null pointer that says "there was a node": a probe goes on behind it.
const REMOVED: usize = 1;

/// The fewest slots of a segment that is not empty.
const SLOTS_MIN: usize = 4;

/// What both ends share.
struct Table<V> {
    /// Arrays of slots; null while a segment holds nothing.
    segments: [Atomic<Slots<V>>; SEGMENTS],
}

/// The slots of one segment: a power of two of them, never all used.
struct Slots<V>(Box<[Slot<V>]>);

struct Slot<V> {
    /// The hash of the node's key, so that a probe need not follow pointers to other keys.
    hash: AtomicU64,
    node: Atomic<Node<V>>,
}

struct Node<V> {
    scope: u64,
    uri: Box<str>,
    text_start: usize,
    value: V,
}

/// What the writer knows about a segment.
#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    /// Slots that hold a node.
    live: usize,
    /// Slots that hold a node or have held one since the array was built.
    used: usize,
}

impl<V> Table<V> {
    /// The slots of `segment` as they are now.
    fn slots<'g>(&self, segment: usize, pinned: &'g Pinned) -> &'g [Slot<V>] {
        let slots = self.segments[segment].load(Ordering::Acquire, &pinned.0);
        // SAFETY: the pointer is null or came from `rebuild`, which published a whole array with
        // release order; the load acquires it. It is freed only after it was replaced and every
        // thread pinned before that, such as this one, has let go.
        unsafe { slots.as_ref() }.map_or(&[], |slots| &slots.0)
    }

    /// The slot and node of `key`.
    fn find<'g>(&self, key: Key<'_>, pinned: &'g Pinned) -> Option<(&'g Slot<V>, &'g Node<V>)> {
        for slot in probe(self.slots(segment_of(key.hash), pinned), key.hash) {
            let node = slot.node.load(Ordering::Acquire, &pinned.0);
            if node.is_null() && node.tag() != REMOVED {
                return None;
            }
            if slot.hash.load(Ordering::Relaxed) != key.hash {
                continue;
            }
            // SAFETY: as in `Slot::node`.
            if let Some(node) = unsafe { node.as_ref() }
                && node.is(key)
            {
                return Some((slot, node));
            }
        }
        None
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        // SAFETY: `&mut self` of the last owner: no reader is left, and none can come.
        let guard = unsafe { epoch::unprotected() };
        for segment in &self.segments {
            let slots = segment.swap(Shared::null(), Ordering::Relaxed, guard);
            if slots.is_null() {
                continue;
            }
            // SAFETY: every non-null pointer of `segments` came from an `Owned` in `rebuild`, and
            // the swap took it out, so it is owned here alone.
            let slots = unsafe { slots.into_owned() };
            for slot in &slots.0 {
                let node = slot.node.load(Ordering::Relaxed, guard);
                if !node.is_null() {
                    // SAFETY: a node lies in one slot of the current array of its segment, and
                    // came from an `Owned`; what was replaced or removed is not in it any more.
                    drop(unsafe { node.into_owned() });
                }
            }
        }
    }
}

impl<V> Slot<V> {
    /// The node that lies here.
    fn node<'g>(&self, pinned: &'g Pinned) -> Option<&'g Node<V>> {
        let node = self.node.load(Ordering::Acquire, &pinned.0);
        // SAFETY: a non-null pointer came from an `Owned` that was stored with release order (or
        // copied by `rebuild` into an array that was), and this load or the one of the array
        // acquired it. It is freed only after it was taken out of the current array and every
        // thread pinned before that, such as this one, has let go. An old array is reachable only
        // for a reader that was pinned before it was replaced, hence before any node was taken
        // out of the newer ones.
        unsafe { node.as_ref() }
    }

    /// Whether nothing has ever lain here: the end of every probe.
    fn is_empty(&self, pinned: &Pinned) -> bool {
        let node = self.node.load(Ordering::Acquire, &pinned.0);
        node.is_null() && node.tag() != REMOVED
    }
}

impl<V: Send + Sync + 'static> Slot<V> {
    /// Puts `successor` here and retires the node that it replaces, whose value is returned.
    fn retire<'g>(&self, successor: Shared<'g, Node<V>>, pinned: &'g Pinned) -> Option<&'g V> {
        let old = self.node.swap(successor, Ordering::AcqRel, &pinned.0);
        // SAFETY: as in `node`.
        let value = unsafe { old.as_ref() }.map(|node| &node.value);
        if !old.is_null() {
            // SAFETY: the swap took the pointer out of the current array, the only place from
            // which a thread that is pinned from now on could reach it, and it is taken out once.
            // `V: Send + 'static`, so it may be dropped later and by another thread.
            unsafe { pinned.0.defer_destroy(old) };
        }
        value
    }
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { hash: AtomicU64::new(0), node: Atomic::null() }
    }
}

impl<V> Node<V> {
    fn is(&self, key: Key<'_>) -> bool {
        self.scope == key.scope && self.uri.as_bytes()[self.text_start..] == *key.text.as_bytes()
    }
}

/// The segment of a hash: its upper bits, for the lower ones choose the slot.
fn segment_of(hash: u64) -> usize {
    (hash >> 58) as usize & (SEGMENTS - 1)
}

/// All slots, from the one that `hash` names, once around.
fn probe<V>(slots: &[Slot<V>], hash: u64) -> impl Iterator<Item = &Slot<V>> {
    let mask = slots.len().wrapping_sub(1);
    (0..slots.len()).map(move |step| &slots[(hash as usize).wrapping_add(step) & mask])
}

/// How many slots suit `live` nodes: twice as many or more, so that growth is paid for by as many
/// insertions.
fn slots_count_for(live: usize) -> usize {
    if live == 0 { 0 } else { (live * 2).next_power_of_two().max(SLOTS_MIN) }
}
