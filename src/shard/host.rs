//! Where a shard's loop runs: a pinned thread, with an executor of glommio on it where io_uring
//! is to be had.
//!
//! **This is the only file that names glommio.** It gives the loop a place to await its bell and
//! lets background tasks run beside it; the data plane touches none of its sockets or timers.

use std::sync::Arc;

use super::core::Core;
use super::driver::engine::{Engine, Rest, Settings};
use super::driver::epoll::Epoll;
use super::mesh::{Gate, Mesh};

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
    loop {
        match engine.turn() {
            Rest::None => {}
            Rest::Wait(timeout) => engine.driver().wait(timeout),
            Rest::End => return Ok(()),
        }
    }
}
