//! One core of the machine: a router, its sockets, its clock, and the way to the other shards.
//!
//! - [`Shards`] starts one thread per shard and keeps what belongs to all of them.
//! - [`host`] runs a shard's loop on its thread; [`driver::engine`] is that loop.
//! - [`driver`] has the sockets; [`acceptor`] brings new ones; [`vestibule`] is what they pass
//!   through before the router hears of them: admission, PROXY header, TLS.
//! - [`mesh`] carries batches between shards, on [lines](mod@line).
//! - [`watchdog`] looks at all of it from outside; [`clock`] has the time; [`probe`] finds out
//!   what the host permits.
//!
//! **Architecture invariant:** nothing in here knows a topic, a procedure or a message. The
//! router is reached through its two doors alone, and tests put something else behind them.

mod acceptor;
mod clock;
mod core;
mod counsel;
mod driver;
mod host;
mod line;
mod mesh;
mod probe;
#[cfg(test)]
mod tests;
mod vestibule;
mod watchdog;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::limits::SHARDS_MAX;
use crate::router::advice::QuestionCounts;
use crate::router::config::Config;
use crate::router::notice::Notice;
use crate::router::{Changes, Counters, Router, ShardId, Shared};

use acceptor::Acceptor;
pub use acceptor::Listener;
use clock::Clock;
pub use counsel::{Answering, Counsel};
use driver::engine::Settings;
use driver::sys;
use host::Berth;
use mesh::{Gate, MESH_DEPTH, Mesh};
pub use probe::choose;
pub use vestibule::Door;
use vestibule::admission::Admission;
pub use vestibule::admission::Refusals;
pub use vestibule::tls::{ClientCertificates, TlsDoor, TlsSettings};
use watchdog::Watchdog;

/// Which driver an operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// [`Uring`](Self::Uring) where the host permits it, otherwise [`Epoll`](Self::Epoll).
    #[default]
    Auto,
    /// `io_uring`, or do not start.
    Uring,
    /// epoll, which works everywhere.
    Epoll,
}

/// Which driver runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each shard owns a ring; the kernel reads ahead into common buffers.
    Uring,
    /// Each shard asks the kernel what is ready and reads itself.
    Epoll,
}

/// What [`Shards::start`] must be told.
#[derive(Debug)]
pub struct Options {
    /// Which driver, from [`choose`].
    pub mode: Mode,
    /// How many shards, from 1 to [`SHARDS_MAX`].
    pub shards: usize,
    /// What the routers are told.
    pub config: Arc<Config>,
    /// Where to listen; the index of each is its [`Origin::listener`](crate::router::Origin).
    pub listeners: Vec<Listener>,
    /// Connections of all shards together; more are closed as soon as they are accepted.
    pub connections_max: usize,
    /// How long a shard looks for work before it waits, while traffic is brisk. 50 µs halves the
    /// latency of a ping-pong; zero saves the processor for others.
    pub busy_poll: Duration,
    /// Whether each shard is tied to a processor of its own (as far as there are enough).
    pub pin: bool,
    /// Who answers what routers ask of those outside; without anybody they get no answers.
    pub counsel: Option<Arc<dyn Counsel>>,
}

/// All shards of one process.
///
/// Dropping it closes the listeners and asks the shards to end, but does not wait for them.
#[derive(Debug)]
pub struct Shards {
    gates: Arc<[Gate]>,
    /// What the routers go by; none in tests that host something else.
    shared: Option<Arc<Shared>>,
    /// What the threads say. Each says when it has ended, however that came about.
    reports: Receiver<Report>,
    threads: Vec<JoinHandle<()>>,
    /// Threads that have not said so.
    running_count: usize,
    failure: Arc<OnceLock<String>>,
    acceptor: Option<Acceptor>,
    admission: Arc<Admission>,
    watchdog: Watchdog,
    memory_is_short: Arc<AtomicBool>,
}

/// What the thread of a shard tells the one that started it.
#[derive(Debug)]
enum Report {
    Up,
    Ended,
}

impl Shards {
    /// Starts all shards and begins to accept. Returns when every shard is up.
    ///
    /// # Errors
    ///
    /// Says what could not be had: a thread, descriptors, a ring. Nothing runs then.
    pub fn start(options: Options) -> Result<Self, String> {
        let shards_count = u16::try_from(options.shards).unwrap_or(u16::MAX);
        let (config, now) = (Arc::clone(&options.config), Clock::start().now());
        let shared = Shared::new(config, shards_count, clock::seed(), now);
        let memory_is_short = shared.memory_is_short();
        let first = Arc::clone(&shared);
        let mut shards = Self::start_with(options, MESH_DEPTH, move |shard| {
            Router::new(shard, &first, clock::seed())
        })?;
        shards.memory_is_short = memory_is_short;
        shards.shared = Some(shared);
        Ok(shards)
    }

    /// Starts shards that host what `make` makes; it is called on the thread of each.
    fn start_with<C: core::Core>(
        options: Options,
        mesh_depth: usize,
        make: impl Fn(ShardId) -> C + Clone + Send + 'static,
    ) -> Result<Self, String> {
        if !(1..=SHARDS_MAX).contains(&options.shards) {
            return Err(format!("{} shards: from 1 to {SHARDS_MAX}", options.shards));
        }
        let named = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        let gates: Result<Arc<[Gate]>, _> = (0..options.shards).map(|_| Gate::new()).collect();
        let gates = gates.map_err(named("eventfd"))?;
        let processors = if options.pin { sys::processors().unwrap_or_default() } else { vec![] };
        let limits = &options.config.limits;
        let admission = Admission::new(limits);
        let watchdog = Watchdog::start(Arc::clone(&gates)).map_err(named("thread"))?;
        let (sender, reports) = mpsc::channel();
        let mut shards = Self {
            gates: Arc::clone(&gates),
            shared: None,
            reports,
            threads: Vec::new(),
            running_count: 0,
            failure: Arc::default(),
            acceptor: None,
            admission: Arc::clone(&admission),
            watchdog,
            memory_is_short: Arc::default(),
        };
        let mesh = Mesh::new(Arc::clone(&gates), mesh_depth).advised_by(options.counsel.clone());
        let mesh = Arc::new(mesh);
        let clock = Clock::start();
        for shard in mesh.shards() {
            let settings = Settings {
                shard,
                clock,
                busy_poll: options.busy_poll,
                tls_handshake: limits.tls_handshake,
                admission: Arc::clone(&admission),
            };
            let berth = Berth { settings, gates: Arc::clone(&gates), mesh: Arc::clone(&mesh) };
            let place = usize::from(shard.0).checked_rem(processors.len());
            let processor = place.map(|place| processors[place]);
            let (make, mode) = (make.clone(), options.mode);
            shards.spawn(shard, sender.clone(), move |up| {
                if let Some(processor) = processor {
                    // A shard that may not choose its processor runs as well on another.
                    let _ = sys::pin(processor);
                }
                run(mode, berth, make, up)
            })?;
        }
        drop(sender);
        shards.await_up()?;
        // RawSocket has no ping that all clients know, so the kernel asks whether a silent peer
        // is still there.
        let interval = limits.ping_interval;
        for listener in &options.listeners {
            listener.keep_alive(interval).map_err(named("keepalive"))?;
        }
        let acceptor =
            Acceptor::start(options.listeners, gates, options.connections_max, (admission, clock));
        shards.acceptor = Some(acceptor.map_err(named("acceptor"))?);
        Ok(shards)
    }

    /// Makes `config` what holds from here on; every shard heeds it when it gets to it:
    /// [`has_configured`](Self::has_configured).
    ///
    /// # Errors
    ///
    /// As [`Shared::configure`]; nothing is changed then.
    pub fn configure(&mut self, config: Config) -> Result<Changes, &'static str> {
        let shared = self.shared.as_ref().ok_or("the shards host no routers")?;
        let limits = config.limits.clone();
        let (next, changes) = shared.configure(config, clock::seed(), Clock::start().now())?;
        self.admission.set_limits(&limits);
        if let Some(acceptor) = &self.acceptor {
            acceptor.keep_alive(limits.ping_interval);
        }
        self.shared = Some(next);
        self.gates.iter().for_each(Gate::configure);
        Ok(changes)
    }

    /// Whether every shard goes by the configuration that was made last.
    #[must_use]
    pub fn has_configured(&self) -> bool {
        self.gates.iter().all(|gate| gate.configured().is_none())
    }

    /// What each shard counted, not older than a second, by shard.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        self.gates.iter().map(Gate::counters).collect()
    }

    /// What an operator should hear of since this was asked last.
    pub fn take_notices(&self) -> impl Iterator<Item = Notice> + '_ {
        self.gates.iter().flat_map(Gate::take_notices)
    }

    /// Has all shards refuse new sessions for as long as memory is short.
    pub fn note_memory(&self, is_short: bool) {
        self.memory_is_short.store(is_short, Ordering::Relaxed);
    }

    /// Has whoever connects to the listener `index` from now on pass through `door`: other
    /// certificates, for example. Connections that are open stay as they are.
    pub fn set_door(&self, index: usize, door: Door) {
        if let Some(acceptor) = &self.acceptor {
            acceptor.set_door(index, Arc::new(door));
        }
    }

    /// Connections that were turned away so far.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.admission.refusals()
    }

    /// What came so far of the questions to each advisor that was asked any, by its name.
    #[must_use]
    pub fn questions(&self) -> Vec<(Box<str>, QuestionCounts)> {
        self.shared.as_ref().map(|shared| shared.questions()).unwrap_or_default()
    }

    /// Closes the listeners (and removes the files of Unix sockets). Returns when it is done.
    pub fn stop_accepting(&mut self) {
        self.acceptor = None;
    }

    /// Asks every shard to say goodbye to its sessions, and to end when all are gone. Call
    /// [`stop_accepting`](Self::stop_accepting) before; later connections are just closed.
    pub fn shut_down(&mut self) {
        self.gates.iter().for_each(Gate::shut_down);
    }

    /// Waits at most `deadline` until all shards have ended, and says whether they have.
    pub fn wait(&mut self, deadline: Duration) -> bool {
        let clock = Clock::start();
        let end = clock.now() + deadline;
        while self.running_count > 0 {
            match self.reports.recv_timeout(clock.until(end)) {
                Ok(Report::Up) => {}
                Ok(Report::Ended) => self.running_count -= 1,
                Err(mpsc::RecvTimeoutError::Timeout) => return false,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in self.threads.drain(..) {
            // How it ended is in `failure` already.
            let _ = thread.join();
        }
        true
    }

    /// How often a shard stood still for more than 5 ms although it had something to do.
    #[must_use]
    pub fn stalls(&self) -> u64 {
        self.watchdog.stalls()
    }

    /// Why the process must end: a shard ended by itself, or the acceptor did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let has_failed = self.acceptor.as_ref().is_some_and(Acceptor::has_failed);
        let acceptor = has_failed.then(|| "the acceptor ended by itself".to_owned());
        self.failure.get().cloned().or(acceptor)
    }

    /// Starts the thread of one shard, which calls what it is passed when it is up.
    fn spawn(
        &mut self,
        shard: ShardId,
        sender: Sender<Report>,
        body: impl FnOnce(Box<dyn FnOnce()>) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let (failure, gates) = (Arc::clone(&self.failure), Arc::clone(&self.gates));
        let number = usize::from(shard.0);
        let thread = std::thread::Builder::new().name(format!("shard-{number}"));
        let thread = thread.spawn(move || {
            let up = sender.clone();
            // Nobody listens any more if the start was given up.
            let up = Box::new(move || drop(up.send(Report::Up)));
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| body(up)));
            let reason = match ended {
                Ok(Ok(())) if gates[number].is_shutting_down() => None,
                Ok(Ok(())) => Some("it ended by itself".to_owned()),
                Ok(Err(text)) => Some(text),
                Err(panic) => Some(format!("it panicked: {}", panic_text(panic.as_ref()))),
            };
            if let Some(reason) = reason {
                // The first reason is the one that counts.
                let _ = failure.set(format!("shard {number}: {reason}"));
            }
            let _ = sender.send(Report::Ended);
        });
        self.threads.push(thread.map_err(|error| format!("thread: {error}"))?);
        self.running_count += 1;
        Ok(())
    }

    fn await_up(&mut self) -> Result<(), String> {
        for _ in 0..self.threads.len() {
            if !matches!(self.reports.recv(), Ok(Report::Up)) {
                let reason = self.failure.get().cloned();
                return Err(reason.unwrap_or_else(|| "a shard ended at once".to_owned()));
            }
        }
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.stop_accepting();
        self.shut_down();
    }
}

/// Makes every panic, on whatever thread, end the process with code 1 after its message: what
/// shards share is no longer to be trusted, and somebody outside should start it afresh.
pub fn die_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(1);
    }));
}

fn run<C: core::Core>(
    mode: Mode,
    berth: Berth<C::Batch>,
    make: impl FnOnce(ShardId) -> C,
    up: impl FnOnce(),
) -> Result<(), String> {
    let (core, mesh) = (make(berth.settings.shard), Arc::clone(&berth.mesh));
    let result = match mode {
        Mode::Epoll => host::run_epoll(berth, core, up),
        Mode::Uring => host::run_uring(berth, core, up),
    };
    // The others must not wait for one that could not even start.
    result.inspect_err(|_| mesh.leave())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
