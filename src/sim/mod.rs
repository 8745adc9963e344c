//! The router in a bottle: all shards, all peers and the network between them, on one thread, from
//! one number.
//!
//! - [`rights`]: who may join, and do what, in a run.
//! - [`machine`]: a driver without hardware; [`network`]: the pipes it reads from and writes to.
//! - [`peer`], [`workload`], [`said`], [`asking`]: clients, what they do, what they say.
//! - [`model`]: the reference router; [`check`]: what must hold of everything a peer hears.
//! - [`chance`]: where choices come from; [`swarm`]: what one run is like; [`world`]: the run;
//!   [`trace`]: what it leaves behind.
//! - [`value`]: what a payload means, by decoders that share nothing with the router's.

pub mod asking;
pub mod chance;
pub mod check;
pub mod machine;
pub mod model;
pub mod network;
pub mod peer;
pub mod rights;
pub mod said;
pub mod swarm;
pub mod trace;
pub mod value;
pub mod workload;
pub mod world;

pub use machine::{Action, LinkId, Machine};
pub use value::Value;
pub use world::World;

/// How long a run is, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps before everything comes to rest.
    pub steps: u64,
    /// Shards; drawn from the seed if not given.
    pub shards_count: Option<u16>,
    /// Print everything that happens.
    pub print: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 3_000, shards_count: None, print: false }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The same for the same run.
    pub trace_hash: u64,
    /// Steps until all was over.
    pub steps: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Publications that were accepted.
    pub publications: u64,
    /// Calls that were routed.
    pub calls: u64,
    /// Messages that peers heard.
    pub heard: u64,
    /// Times that a router did not want to read from a peer.
    pub pauses: u64,
    /// Times that a router did not want to read from any peer.
    pub holds: u64,
    /// Sessions that were ended because their peers did not read.
    pub slow: u64,
}

/// Plays the run that belongs to `seed`.
///
/// # Panics
///
/// If anything happens that must not; what and how to see it again is printed.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    run_scripted(seed, &[], options)
}

/// The same, but `script` decides as far as it goes; for fuzzers.
///
/// # Panics
///
/// As [`run`] does.
pub fn run_scripted(seed: u64, script: &[u8], options: Options) -> Outcome {
    let mut world = World::scripted(seed, script, (options.shards_count, options.print));
    while world.trace.step < options.steps {
        world.step();
    }
    world.rest();
    world.outcome()
}
