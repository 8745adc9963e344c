//! One peer's conversation, from HELLO to GOODBYE.

pub mod outbox;

pub use outbox::Outbox;
