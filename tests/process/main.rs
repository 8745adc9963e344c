//! The real binary, from outside: what it prints, how it ends, how it starts, drains and stops.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod peer;
mod program;
mod restricted;
mod running;
