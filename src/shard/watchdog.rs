//! The tick from outside: no executor parks for ever, no stall goes unseen.
//!
//! An executor of glommio that is preempted at the wrong moment parks although its task could
//! run, and nothing inside it can tell: a heartbeat task hangs with the others. So a thread of
//! its own looks at every shard's turns. A shard whose turns stand still although it is not
//! asleep, or although its bell has rung, is woken through its task's waker, which is harmless if
//! it was merely busy.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::driver::sys;
use super::mesh::Gate;

/// How often to look, and so the longest that a shard stays parked in error.
const TICK: Duration = Duration::from_millis(5);

/// Ticks that a shard may stand still before somebody should look at it: a second.
const TICKS_SUSPICIOUS: u32 = 200;

/// The thread that looks.
#[derive(Debug)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stalls: AtomicU64,
    is_stopped: AtomicBool,
}

/// What is remembered of one shard.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    turns: u64,
    ticks_stalled: u32,
}

impl Watchdog {
    /// Begins to watch the shards behind `gates`.
    pub(super) fn start(gates: Arc<[Gate]>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let mut lasts = vec![Last::default(); gates.len()];
            while !watched.is_stopped.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                for (shard, (gate, last)) in gates.iter().zip(&mut lasts).enumerate() {
                    look(shard, gate, last, &watched.stalls);
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How often a shard stood still for more than one tick although it had something to do:
    /// because its turn was long, because the machine was busy, or because it was parked in error.
    pub(super) fn stalls(&self) -> u64 {
        self.shared.stalls.load(Ordering::Relaxed)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has no result.
            let _ = thread.join();
        }
    }
}

fn look(shard: usize, gate: &Gate, last: &mut Last, stalls: &AtomicU64) {
    let turns = gate.turns();
    let stands_still = turns == last.turns;
    last.turns = turns;
    if !stands_still || !has_something_to_do(gate) {
        last.ticks_stalled = 0;
        return;
    }
    last.ticks_stalled += 1;
    // At the first tick its bell may have rung this very moment.
    if last.ticks_stalled == 2 {
        stalls.fetch_add(1, Ordering::Relaxed);
    }
    if last.ticks_stalled.is_multiple_of(TICKS_SUSPICIOUS) {
        let seconds = last.ticks_stalled / TICKS_SUSPICIOUS;
        tracing::warn!(shard, seconds, "a shard stands still although it has something to do");
    }
    if let Some(waker) = gate.waker.get() {
        waker.wake_by_ref();
    }
}

fn has_something_to_do(gate: &Gate) -> bool {
    if !gate.sleeper().is_sleeping() {
        return true;
    }
    // It says that it sleeps, or that it was told to wake. Before it is up and after it has ended
    // nobody rings for it.
    let rings = sys::poll_readable(&[gate.bell().as_fd()], Some(Duration::ZERO));
    rings.is_ok_and(|rings| rings == [true])
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_a_shard_that_stands_still_with_work_is_woken() {
        let (gate, count) = (Gate::new().unwrap(), Arc::new(Count::default()));
        gate.waker.set(Waker::from(Arc::clone(&count))).unwrap();
        let (mut last, stalls) = (Last::default(), AtomicU64::new(0));
        let mut look = |gate: &Gate| {
            look(0, gate, &mut last, &stalls);
            (count.0.load(Ordering::Relaxed), stalls.load(Ordering::Relaxed))
        };
        assert_eq!(look(&gate), (0, 0), "not up yet");
        gate.sleeper().get_up();
        gate.count_turn();
        assert_eq!(look(&gate), (0, 0), "it turns");
        gate.sleeper().lie_down();
        assert_eq!(look(&gate), (0, 0), "it sleeps, and nobody rang");
        gate.ring();
        assert_eq!(look(&gate), (1, 0), "its bell rings, perhaps since this moment");
        assert_eq!(look(&gate), (2, 1), "its bell rings unheard");
        assert_eq!(look(&gate), (3, 1), "the same stall");
        gate.bell().clear();
        gate.count_turn();
        assert_eq!(look(&gate), (3, 1), "it woke");
        assert_eq!(look(&gate), (4, 1), "awake, but not turning");
        assert_eq!(look(&gate), (5, 2));
    }
}
