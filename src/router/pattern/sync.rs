//! The primitives this room shares memory with: the standard library's, or those of `loom`, which
//! tries every order in which threads can meet.

#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What writers queue at. Readers never touch it.
#[cfg(not(loom))]
#[expect(clippy::disallowed_types, reason = "the one lock of the core: the writer section")]
pub(super) type Lock<T> = std::sync::Mutex<T>;

/// What writers queue at. Readers never touch it.
#[cfg(loom)]
pub(super) type Lock<T> = loom::sync::Mutex<T>;

/// Proof that its holder is the only writer.
#[cfg(not(loom))]
pub(super) type LockGuard<'a, T> = std::sync::MutexGuard<'a, T>;

/// Proof that its holder is the only writer.
#[cfg(loom)]
pub(super) type LockGuard<'a, T> = loom::sync::MutexGuard<'a, T>;
