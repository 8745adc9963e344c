//! A WAMP router that runs one independent router per core.
//!
//! Read the rooms in this order; each uses only those before it.
//!
//! - [`mod@env`], [`limits`]: what the core is given, and how much it may hold.
//! - [`wire`]: bytes become frames, frames become elements.
//! - [`message`]: elements become one of the 24 WAMP messages.
//! - [`session`]: one peer's conversation, from HELLO to GOODBYE.
//! - [`router`]: who gets what. Takes an [`Input`](router::Input), gives
//!   [`Output`](router::Output)s, touches nothing else.
//! - `shard` and `server`: sockets, clocks and cores around that router.
//! - `sim`: the same router without any of them.
//!
//! Deliberately absent below `shard`: sockets, clocks, threads, locks, `async`.
//! That absence is what lets `sim` replay a run from a single number.

pub mod env;
pub mod limits;
pub mod message;
pub mod router;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod wire;

#[cfg(feature = "io")]
pub mod server;
#[cfg(feature = "io")]
pub mod shard;
