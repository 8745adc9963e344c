//! Where a shard's loop runs: a pinned thread, with an executor of glommio on it where io_uring
//! is to be had.
//!
//! **This is the only file that names glommio.** Its executor hosts the loop and lets background
//! tasks run beside it, between two turns; the data plane touches none of its sockets or timers.
//! Nor does the loop sleep in it: parking an executor and waking it takes five calls of the kernel,
//! waiting in the ring of the driver takes one.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use glommio::{LocalExecutorBuilder, Placement};

use super::core::Core;
use super::driver::engine::{Engine, Settings};
use super::driver::epoll::Epoll;
use super::driver::uring::Uring;
use super::mesh::{Gate, Mesh};

/// Submissions in each of the executor's three rings: it has little to submit.
const EXECUTOR_RING_DEPTH: usize = 128;

/// Octets the executor reserves for files, which it never reads; the least it accepts.
const EXECUTOR_IO_MEMORY: usize = 64 << 10;

/// What the thread of one shard is given.
pub(super) struct Berth<B> {
    pub(super) settings: Settings,
    pub(super) gates: Arc<[Gate]>,
    pub(super) mesh: Arc<Mesh<B>>,
}

/// Runs a shard on the epoll driver until it ends; calls `up` as soon as it would hear its bell.
pub(super) fn run_epoll<C: Core>(
    berth: Berth<C::Batch>,
    core: C,
    up: impl FnOnce(),
) -> Result<(), String> {
    let shard = usize::from(berth.settings.shard.0);
    let driver = Epoll::new(berth.gates, shard).map_err(|error| format!("epoll: {error}"))?;
    let mut engine = Engine::new(core, driver, berth.mesh, berth.settings);
    up();
    while engine.turn().is_continue() {}
    Ok(())
}

/// Runs a shard on the io_uring driver, inside an executor of its own, until it ends; calls `up`
/// as soon as it would hear its bell.
pub(super) fn run_uring<C: Core>(
    berth: Berth<C::Batch>,
    core: C,
    up: impl FnOnce(),
) -> Result<(), String> {
    // The thread has its place already; glommio would look for it in files that containers hide.
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .ring_depth(EXECUTOR_RING_DEPTH)
        .io_memory(EXECUTOR_IO_MEMORY)
        .make()
        .map_err(|error| format!("io_uring executor: {error}"))?;
    executor.run(turn_in_executor(berth, core, up))
}

async fn turn_in_executor<C: Core>(
    berth: Berth<C::Batch>,
    core: C,
    up: impl FnOnce(),
) -> Result<(), String> {
    let shard = usize::from(berth.settings.shard.0);
    let gates = Arc::clone(&berth.gates);
    let driver = Uring::new(berth.gates, shard).map_err(|error| format!("io_uring: {error}"))?;
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    assert!(gates[shard].waker.set(waker).is_ok(), "a gate has one shard");
    let mut engine = Engine::new(core, driver, berth.mesh, berth.settings);
    up();
    while engine.turn().is_continue() {
        glommio::executor().yield_now().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::shard::watchdog::Watchdog;
    use crate::shard::{Io, choose};

    /// What the executor's flaw comes to: a task that could go on, in an executor that is parked.
    #[test]
    fn a_parked_executor_with_work_is_woken_from_outside() {
        if choose(Io::Uring, 1).is_err() {
            return;
        }
        let gates: Arc<[Gate]> = [Gate::new().unwrap()].into();
        let gate = &gates[0];
        let watchdog = Watchdog::start(Arc::clone(&gates)).unwrap();
        let executor = LocalExecutorBuilder::new(Placement::Unbound)
            .ring_depth(EXECUTOR_RING_DEPTH)
            .io_memory(EXECUTOR_IO_MEMORY)
            .make()
            .unwrap();
        let polls = Cell::new(0);
        executor.run(poll_fn(|context| {
            let _ = gate.waker.set(context.waker().clone());
            gate.sleeper().get_up();
            gate.count_turn();
            polls.set(polls.get() + 1);
            // Nobody inside will ever wake it.
            if polls.get() <= 20 { Poll::Pending } else { Poll::Ready(()) }
        }));
        assert_eq!(polls.get(), 21);
        drop(watchdog);
    }
}
