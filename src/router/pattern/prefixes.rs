//! Patterns that match every URI which starts with them, octet by octet.
//!
//! All prefixes lie in one table. A lookup asks it once for each *length* that any prefix has, so
//! its cost depends on how many different lengths there are (at most one per octet of the URI) and
//! not on how many prefixes. The hash of a prefix is a chain over blocks of eight octets, so the
//! hashes of all prefixes of a URI come from one walk along it.

use std::ops::ControlFlow;
use std::sync::Arc;

use ahash::RandomState;

use super::sync::{AtomicU64, Ordering};
use super::table::{self, Key, Owner, Pinned, Reader};
use crate::limits::URI_BYTES_MAX;

/// The side that looks.
pub(super) struct Prefixes<T> {
    lengths: Arc<Lengths>,
    table: Reader<Arc<T>>,
}

/// The side that changes.
pub(super) struct PrefixesOwner<T> {
    lengths: Arc<Lengths>,
    /// How many prefixes have each length.
    counts: Box<[u32]>,
    table: Owner<Arc<T>>,
}

/// No prefixes.
pub(super) fn new<T>() -> (Prefixes<T>, PrefixesOwner<T>) {
    let (reader, owner) = table::new();
    let lengths = Arc::new(Lengths(std::array::from_fn(|_| AtomicU64::new(0))));
    let counts = vec![0; LENGTHS_COUNT].into();
    (
        Prefixes { lengths: Arc::clone(&lengths), table: reader },
        PrefixesOwner { lengths, counts, table: owner },
    )
}

impl<T: 'static> Prefixes<T> {
    /// The entry of exactly this prefix.
    pub(super) fn get<'g>(
        &self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        self.table.get(key(hash_key, uri), pinned)
    }

    /// Visits the entries of all prefixes of `uri`, shortest first.
    pub(super) fn matches<'g>(
        &self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
        visit: &mut impl FnMut(&'g Arc<T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut chain = Chain::new(hash_key, uri);
        for length in self.lengths.up_to(uri.len()) {
            // A prefix of a URI, itself being whole characters, ends where a character ends.
            let Some(text) = uri.get(..length) else {
                continue;
            };
            let hash = chain.hash_of_first(length);
            if let Some(entry) = self.table.get(Key { hash, scope: 0, text }, pinned) {
                visit(entry)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits all prefixes.
    pub(super) fn for_each(&self, pinned: &Pinned, visit: &mut impl FnMut(&str, &Arc<T>)) {
        self.table.for_each(pinned, visit);
    }
}

impl<T: Send + Sync + 'static> PrefixesOwner<T> {
    /// Puts `entry` in; returns the one before.
    pub(super) fn insert<'g>(
        &mut self,
        hash_key: &RandomState,
        uri: &str,
        entry: Arc<T>,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        let old = self.table.insert(key(hash_key, uri), uri, entry, pinned);
        if old.is_none()
            && let Some(count) = self.counts.get_mut(uri.len())
        {
            *count += 1;
            self.lengths.set(uri.len());
        }
        old
    }

    /// Takes an entry out.
    pub(super) fn remove<'g>(
        &mut self,
        hash_key: &RandomState,
        uri: &str,
        pinned: &'g Pinned,
    ) -> Option<&'g Arc<T>> {
        let old = self.table.remove(key(hash_key, uri), pinned)?;
        if let Some(count) = self.counts.get_mut(uri.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.clear(uri.len());
            }
        }
        Some(old)
    }
}

fn key<'k>(hash_key: &RandomState, uri: &'k str) -> Key<'k> {
    Key { hash: Chain::new(hash_key, uri).hash_of_first(uri.len()), scope: 0, text: uri }
}

/// Words of the set of lengths; one bit for each length up to [`URI_BYTES_MAX`].
const WORDS_COUNT: usize = (URI_BYTES_MAX + 1).div_ceil(64);

/// Lengths that can match. A longer prefix is kept but cannot match: no URI is that long.
const LENGTHS_COUNT: usize = URI_BYTES_MAX + 1;

/// The set of lengths that prefixes have.
///
/// A length is in the set before the insertion that brought it returns, which is all that a reader
/// that comes after it needs.
struct Lengths([AtomicU64; WORDS_COUNT]);

impl Lengths {
    /// The lengths in the set that are not above `length_max`, ascending.
    fn up_to(&self, length_max: usize) -> impl Iterator<Item = usize> {
        let words_count = (length_max / 64 + 1).min(WORDS_COUNT);
        self.0[..words_count].iter().enumerate().flat_map(move |(word, bits)| {
            let mut bits = bits.load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                let length = word * 64 + bit;
                (bit < 64 && length <= length_max).then_some(length)
            })
        })
    }

    fn set(&self, length: usize) {
        self.0[length / 64].fetch_or(1 << (length % 64), Ordering::Release);
    }

    fn clear(&self, length: usize) {
        self.0[length / 64].fetch_and(!(1 << (length % 64)), Ordering::Release);
    }
}

/// The hashes of ever longer prefixes of one text.
struct Chain<'a> {
    hash_key: &'a RandomState,
    text: &'a [u8],
    /// The hash of all whole blocks before `at`.
    hash: u64,
    /// A multiple of eight.
    at: usize,
}

impl<'a> Chain<'a> {
    fn new(hash_key: &'a RandomState, text: &'a str) -> Self {
        Self { hash_key, text: text.as_bytes(), hash: 0, at: 0 }
    }

    /// The hash of the first `length` octets; `length` must not fall from call to call.
    fn hash_of_first(&mut self, length: usize) -> u64 {
        while self.at + 8 <= length {
            let block = block_of(&self.text[self.at..self.at + 8]);
            self.hash = self.hash_key.hash_one((self.hash, block));
            self.at += 8;
        }
        // The length goes in too: "a" and "a\0" fill the same last block.
        let rest = block_of(&self.text[self.at..length]);
        self.hash_key.hash_one((self.hash, rest, length))
    }
}

/// Up to eight octets as one number.
fn block_of(bytes: &[u8]) -> u64 {
    let mut block = [0; 8];
    block[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(block)
}
