//! The real binary, from outside: what it prints, how it starts, drains and stops, and how it
//! bears peers that are many, fast, slow, late or half dead.
//!
//! `GIGAWAMP_TEST_FACTOR=20` makes the tests that count on numbers longer by that factor.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advice;
mod commands;
mod compressed;
mod crowd;
mod edge;
mod flood;
mod greeting;
mod late;
mod longpoll;
mod order;
mod panics;
mod peer;
mod program;
mod race;
mod reload;
mod restricted;
mod running;
mod secure;
mod slow;
mod starved;
mod tls;
