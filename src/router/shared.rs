//! What all shards of one process share, and how it changes while they run.
//!
//! [`Shared`] is immutable, but for a note at its end that says what came after it. Whoever changes
//! the configuration makes the next one and notes it there; a shard that is told
//! ([`Input::Configured`](super::Input::Configured)), or hears of a realm it does not know, reads
//! on to the last one and goes by that. So no shard ever waits for another or takes a lock, nothing
//! is looked up for a message, and a relay about a realm that was added cannot arrive where that
//! realm is not to be found: the note was there before the relay.
//!
//! A realm keeps its index for life, so the index in a relay means the same realm on every shard,
//! whether or not that shard was told yet. One that is removed keeps it too, closed and empty, and
//! one that is added again is another realm.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};

use ahash::RandomState;

use super::advice::QuestionCounts;
use super::advice::tally::Tallies;
use super::config::{Config, RealmConfig};
use super::realm::SharedRealm;
use crate::env::{Instant, Map, Random, hash_key};

/// What all shards of one process share: the configuration and each realm's index.
#[derive(Debug)]
pub struct Shared {
    /// How many shards there are.
    pub shards_count: u16,
    /// Its realms stand at their indices.
    pub(super) config: Arc<Config>,
    pub(super) realms: Vec<Arc<SharedRealm>>,
    /// Long-poll transports of all shards.
    pub(super) longpoll_transports: Arc<AtomicUsize>,
    /// New sessions are refused.
    pub(super) memory_is_short: Arc<AtomicBool>,
    /// What came of questions, on all shards.
    pub(super) tallies: Tallies,
    /// What came after this.
    next: OnceLock<Arc<Self>>,
}

/// What a change of the configuration comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Realms that were added.
    pub realms_added: usize,
    /// Realms that were removed.
    pub realms_removed: usize,
}

impl Shared {
    /// For `shards_count` routers that will run `config` from `now` on.
    #[must_use]
    pub fn new(config: Arc<Config>, shards_count: u16, seed: [u8; 32], now: Instant) -> Arc<Self> {
        let mut random = Random::from_seed(seed);
        let realm =
            |realm| Arc::new(SharedRealm::new(realm, &hash_key(&mut random), shards_count, now));
        let realms = config.realms.iter().map(realm).collect();
        let tallies = Tallies::default().with(&config.realms);
        Arc::new(Self {
            shards_count,
            config,
            realms,
            longpoll_transports: Arc::default(),
            memory_is_short: Arc::default(),
            tallies,
            next: OnceLock::new(),
        })
    }

    /// Makes `config` what holds from `now` on. The routers heed it when they are told
    /// ([`Input::Configured`](super::Input::Configured)), each at its own time. Realms are told
    /// apart by their names; histories stay as they are in realms that were there before.
    ///
    /// To be called for the newest only, and what it gives is that from here on.
    ///
    /// # Errors
    ///
    /// There are not as many listeners as before, or there have been more realms than can be
    /// counted. Nothing is changed then.
    ///
    /// # Panics
    ///
    /// If this is not the newest.
    pub fn configure(
        &self,
        mut config: Config,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<(Arc<Self>, Changes), &'static str> {
        if config.listeners.len() != self.config.listeners.len() {
            return Err("listeners cannot be added or removed without a restart");
        }
        let (mut random, mut changes) = (Random::from_seed(seed), Changes::default());
        let mut given: Vec<_> = std::mem::take(&mut config.realms);
        let mut realms = Vec::with_capacity(self.realms.len() + given.len());
        for (before, shared) in self.config.realms.iter().zip(&self.realms) {
            let same = given.iter().position(|realm| shared.is_open && realm.name == before.name);
            if let Some(index) = same {
                let mut realm = given.remove(index);
                realm.options.history.clone_from(&before.options.history);
                let asked = &before.authentication.authenticators;
                let has_others = *asked != realm.authentication.authenticators;
                realms.push(Arc::new(shared.with(&realm, has_others)));
                config.realms.push(realm);
                continue;
            }
            changes.realms_removed += usize::from(shared.is_open);
            realms.push(Arc::new(shared.closed()));
            // Nothing of what it was told, secrets least of all, is needed any more.
            config.realms.push(RealmConfig { name: before.name.clone(), ..RealmConfig::default() });
        }
        changes.realms_added = given.len();
        for realm in given {
            let key = hash_key(&mut random);
            realms.push(Arc::new(SharedRealm::new(&realm, &key, self.shards_count, now)));
            config.realms.push(realm);
        }
        if u16::try_from(realms.len()).is_err() {
            return Err("there have been too many realms; a restart counts them anew");
        }
        let tallies = self.tallies.with(&config.realms);
        let next = Arc::new(Self {
            shards_count: self.shards_count,
            config: Arc::new(config),
            realms,
            longpoll_transports: Arc::clone(&self.longpoll_transports),
            memory_is_short: Arc::clone(&self.memory_is_short),
            tallies,
            next: OnceLock::new(),
        });
        assert!(self.next.set(Arc::clone(&next)).is_ok(), "only the newest can be changed");
        Ok((next, changes))
    }

    /// What all shards look at before they welcome anybody: while it is set, new sessions are
    /// refused. Those that are open stay.
    #[must_use]
    pub fn memory_is_short(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.memory_is_short)
    }

    /// What came of the questions to each advisor that was asked any, on all shards together; by
    /// its name, of which there are 64 at most.
    #[must_use]
    pub fn questions(&self) -> Vec<(Box<str>, QuestionCounts)> {
        self.tallies.read()
    }

    /// What came after this, if anything did.
    pub(super) fn next(&self) -> Option<&Arc<Self>> {
        self.next.get()
    }

    /// The realms that clients may join, by name.
    pub(super) fn realm_names(&self, hash_key: &RandomState) -> Map<Box<str>, u16> {
        let mut names = Map::with_hasher(hash_key.clone());
        for (index, (realm, shared)) in (0..).zip(self.config.realms.iter().zip(&self.realms)) {
            if shared.is_open {
                names.insert(realm.name.as_str().into(), index);
            }
        }
        names
    }

    /// Whether no subscription and no registration is left in any realm, but for subscriptions
    /// without a subscriber that have a history.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.realms.iter().all(|realm| realm.is_empty())
    }
}
