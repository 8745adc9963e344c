//! The router in a bottle: all shards, all peers and the network between them, on one thread, from
//! one number.
//!
//! [`machine`] is a driver without hardware.

pub mod machine;
pub mod network;
pub mod value;

pub use machine::{Action, LinkId, Machine};
pub use value::Value;
