//! Every interleaving of two shards around one line, tried by loom: nobody oversleeps.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --no-default-features --test loom_line`

#![cfg(loom)]

use std::sync::Arc as PlainArc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

#[path = "../src/shard/line.rs"]
#[expect(dead_code, unreachable_pub, reason = "the room it comes from uses the rest")]
mod line;

use line::{Line, Sleeper};

/// Stands in for the queue of the product. Its orderings are as weak as those of any correct
/// queue with one sender and one taker: what the protocol needs beyond that, it must bring.
#[derive(Debug)]
struct ArrayQueue<T> {
    taken: AtomicUsize,
    sent: AtomicUsize,
    places: Vec<Mutex<Option<T>>>,
}

impl<T> ArrayQueue<T> {
    fn new(depth: usize) -> Self {
        let places = (0..depth).map(|_| Mutex::new(None)).collect();
        Self { taken: AtomicUsize::new(0), sent: AtomicUsize::new(0), places }
    }

    fn push(&self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        let sent = self.sent.load(Ordering::Relaxed);
        *self.places[sent % self.places.len()].lock().unwrap() = Some(item);
        self.sent.store(sent + 1, Ordering::Release);
        Ok(())
    }

    fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let taken = self.taken.load(Ordering::Relaxed);
        let item = self.places[taken % self.places.len()].lock().unwrap().take();
        self.taken.store(taken + 1, Ordering::Release);
        item
    }

    fn is_empty(&self) -> bool {
        self.sent.load(Ordering::Acquire) == self.taken.load(Ordering::Acquire)
    }

    fn is_full(&self) -> bool {
        let taken = self.taken.load(Ordering::Acquire);
        self.sent.load(Ordering::Acquire) - taken == self.places.len()
    }
}

/// A sleeper and its bell, which rings until it is heard.
struct Shard {
    sleeper: Sleeper,
    rings: Mutex<bool>,
    bell: Condvar,
}

impl Shard {
    fn new() -> Self {
        let sleeper = Sleeper::new();
        sleeper.get_up();
        Self { sleeper, rings: Mutex::new(false), bell: Condvar::new() }
    }

    fn ring(&self) {
        if self.sleeper.must_be_woken() {
            *self.rings.lock().unwrap() = true;
            self.bell.notify_one();
        }
    }

    fn sleep_unless(&self, has_work: impl Fn() -> bool) {
        self.sleeper.lie_down();
        if !has_work() {
            let mut rings = self.rings.lock().unwrap();
            while !*rings {
                rings = self.bell.wait(rings).unwrap();
            }
            *rings = false;
        }
        self.sleeper.get_up();
    }
}

fn try_all(depth: usize, weight_max: usize, count: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(move || {
        let line = Arc::new(Line::new(depth, weight_max));
        let (sender, taker) = (Arc::new(Shard::new()), Arc::new(Shard::new()));
        let (to, from, at) = (Arc::clone(&line), Arc::clone(&sender), Arc::clone(&taker));
        let thread = thread::spawn(move || {
            for number in 0..count {
                while !to.has_room() {
                    from.sleep_unless(|| to.has_room());
                }
                to.send(PlainArc::new(number), 1);
                at.ring();
            }
        });
        let mut expected = 0;
        while expected < count {
            match line.take() {
                Some(number) => {
                    assert_eq!(*number, expected, "in order");
                    expected += 1;
                    if line.was_congested() {
                        sender.ring();
                    }
                }
                None => taker.sleep_unless(|| !line.is_empty()),
            }
        }
        thread.join().unwrap();
        assert!(line.is_empty());
    });
}

#[test]
fn the_taker_never_sleeps_over_something_to_take() {
    try_all(2, 9, 2);
}

#[test]
fn the_sender_never_sleeps_over_room() {
    try_all(1, 9, 3);
}

#[test]
fn the_sender_never_sleeps_over_room_that_is_a_matter_of_weight() {
    try_all(2, 1, 3);
}
