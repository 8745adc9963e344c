//! Who may connect, by address: how many at once, and how many in a second.
//!
//! A lock guards the table. It is taken once when a connection opens and once when it ends, never
//! for what a connection carries, and never held for longer than it takes to alter one entry, but
//! for the sweeps whose cost is spread over as many new entries.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
#[expect(
    clippy::disallowed_types,
    reason = "taken once for a connection, not for what it carries"
)]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::env::{Instant, Map, Random, hash_key};
use crate::router::config::Limits;
use crate::shard::clock;

/// Addresses without a connection that are remembered for what they did in the last second.
const IDLE_MAX: usize = 65_536;

/// Entries below which nothing is swept.
const SWEEP_MIN: usize = 1_024;

/// Addresses of which somebody was told something in the last minute.
const NOTICES_MAX: usize = 1_024;

/// How long an address that was complained about is left alone.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// What counts as one address: a host by IPv4, a network of 64 bits by IPv6, whose owner has all
/// of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    V4(u32),
    V6(u64),
}

impl Key {
    fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let network = [a, b, c, d].into_iter();
                Self::V6(network.fold(0, |bits, segment| bits << 16 | u64::from(segment)))
            }
        }
    }
}

/// What one address does.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Connections it has.
    count: usize,
    /// When it will have spread its connections as evenly as it may open them; how far that is
    /// ahead of now is what it has used of its allowance.
    due: Instant,
}

/// What every address may do.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections at once. Zero: any number.
    connections_max: usize,
    /// New connections in a second. Zero: any number.
    connects: usize,
    /// Whether this machine's own addresses are bound too.
    limits_loopback: bool,
}

impl Bounds {
    const fn new(limits: &Limits) -> Self {
        Self {
            connections_max: limits.connections_per_address_max,
            connects: limits.connects_per_address,
            limits_loopback: limits.limit_loopback,
        }
    }
}

#[derive(Debug)]
struct Table {
    bounds: Bounds,
    entries: Map<Key, Entry>,
    /// Entries at which to look for those that say nothing any more.
    sweep_at: usize,
    /// Who was complained about, and when.
    notices: Map<Key, Instant>,
}

/// Why a connection was refused by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Excess {
    /// Its address has as many as it may have.
    Connections,
    /// Its address has opened too many within a second.
    Connects,
}

/// Connections that were refused so far, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// As many as allowed were open.
    pub full: u64,
    /// Their address had as many as it may have.
    pub by_address: u64,
    /// Their address opened too many within a second.
    pub by_rate: u64,
    /// They began with something else than they had to, or their TLS handshake failed.
    pub malformed: u64,
    /// They were not through PROXY header and TLS handshake in time.
    pub late: u64,
}

/// The counters behind [`Refusals`].
#[derive(Debug, Default)]
pub(in crate::shard) struct Counts {
    pub(in crate::shard) full: AtomicU64,
    by_address: AtomicU64,
    by_rate: AtomicU64,
    pub(in crate::shard) malformed: AtomicU64,
    pub(in crate::shard) late: AtomicU64,
}

/// Counts one more.
pub(in crate::shard) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Everything that is known of addresses, common to the acceptor and all shards.
#[derive(Debug)]
pub(in crate::shard) struct Admission {
    #[expect(clippy::disallowed_types, reason = "see the module")]
    table: Mutex<Table>,
    pub(in crate::shard) counts: Counts,
}

/// The place of one connection among those of its address, given back when it is dropped.
#[derive(Debug)]
pub(in crate::shard) struct Permit {
    admission: Arc<Admission>,
    key: Key,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut table = self.admission.table();
        let entry = table.entries.get_mut(&self.key).expect("an entry stays while it is counted");
        entry.count -= 1;
    }
}

impl Admission {
    /// Nobody is there yet.
    #[expect(clippy::disallowed_types, reason = "see the module")]
    pub(in crate::shard) fn new(limits: &Limits) -> Arc<Self> {
        let mut random = Random::from_seed(clock::seed());
        let table = Table {
            bounds: Bounds::new(limits),
            entries: Map::with_hasher(hash_key(&mut random)),
            sweep_at: SWEEP_MIN,
            notices: Map::with_hasher(hash_key(&mut random)),
        };
        Arc::new(Self { table: Mutex::new(table), counts: Counts::default() })
    }

    /// Other bounds, for whoever comes from now on.
    pub(in crate::shard) fn set_limits(&self, limits: &Limits) {
        self.table().bounds = Bounds::new(limits);
    }

    /// Lets a connection of `address` in. There is no permit where nothing is bound.
    ///
    /// # Errors
    ///
    /// The bound it would break. That is counted.
    pub(in crate::shard) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Option<Permit>, Excess> {
        match self.table().admit(address, now) {
            Ok(None) => Ok(None),
            Ok(Some(key)) => Ok(Some(Permit { admission: Arc::clone(self), key })),
            Err(excess) => {
                count(match excess {
                    Excess::Connections => &self.counts.by_address,
                    Excess::Connects => &self.counts.by_rate,
                });
                Err(excess)
            }
        }
    }

    /// Whether to say something about `address` now: once in a minute, and not of too many.
    pub(in crate::shard) fn may_note(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let key = Key::new(address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)));
        let mut table = self.table();
        let is_recent = |at: Instant| now.since(at) < NOTICE_INTERVAL;
        if table.notices.get(&key).is_some_and(|&at| is_recent(at)) {
            return false;
        }
        if table.notices.len() >= NOTICES_MAX {
            table.notices.retain(|_, at| is_recent(*at));
        }
        let has_room = table.notices.len() < NOTICES_MAX;
        if has_room {
            table.notices.insert(key, now);
        }
        has_room
    }

    /// What was refused so far.
    pub(in crate::shard) fn refusals(&self) -> Refusals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Refusals {
            full: read(&self.counts.full),
            by_address: read(&self.counts.by_address),
            by_rate: read(&self.counts.by_rate),
            malformed: read(&self.counts.malformed),
            late: read(&self.counts.late),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Whoever panics with it ends the process; what is left of it is sound either way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn admit(&mut self, address: IpAddr, now: Instant) -> Result<Option<Key>, Excess> {
        let Bounds { connections_max, connects, limits_loopback } = self.bounds;
        let is_unbound = connections_max == 0 && connects == 0;
        if is_unbound || (!limits_loopback && address.to_canonical().is_loopback()) {
            return Ok(None);
        }
        let key = Key::new(address);
        if !self.entries.contains_key(&key) && self.entries.len() >= self.sweep_at {
            self.sweep(now);
        }
        let entry = self.entries.entry(key).or_insert(Entry { count: 0, due: now });
        if connections_max > 0 && entry.count >= connections_max {
            return Err(Excess::Connections);
        }
        if connects > 0 {
            let each = Duration::from_secs(1) / u32::try_from(connects).unwrap_or(u32::MAX);
            let due = entry.due.max(now) + each;
            if due.since(now) > Duration::from_secs(1) {
                return Err(Excess::Connects);
            }
            entry.due = due;
        }
        entry.count += 1;
        Ok(Some(key))
    }

    /// Forgets addresses that have no connection and their whole allowance, or all without a
    /// connection if there are too many.
    fn sweep(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.count > 0 || entry.due > now);
        let idle_count = self.entries.values().filter(|entry| entry.count == 0).count();
        if idle_count > IDLE_MAX {
            self.entries.retain(|_, entry| entry.count > 0);
        }
        self.sweep_at = (2 * self.entries.len()).max(SWEEP_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections_max: usize, connects: usize, limit_loopback: bool) -> Arc<Admission> {
        Admission::new(&Limits {
            connections_per_address_max: connections_max,
            connects_per_address: connects,
            limit_loopback,
            ..Limits::default()
        })
    }

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_others_are_not_bothered() {
        let admission = admission(2, 0, false);
        let admit = |address: &str| admission.admit(ip(address), at(0));
        let first = admit("192.0.2.1").unwrap().expect("it is counted");
        let _second = admit("::ffff:192.0.2.1").unwrap().expect("it is the same");
        assert_eq!(admit("192.0.2.1").unwrap_err(), Excess::Connections);
        let _other = admit("192.0.2.2").unwrap().unwrap();
        let _six = [admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap()];
        assert_eq!(admit("2001:db8::3").unwrap_err(), Excess::Connections);
        let _next = admit("2001:db8:0:1::1").unwrap().unwrap();
        drop(first);
        assert!(admit("192.0.2.1").is_ok());
        assert_eq!(admission.refusals(), Refusals { by_address: 2, ..Refusals::default() });
    }

    #[test]
    fn an_address_opens_so_many_in_a_second() {
        let admission = admission(0, 4, false);
        let admit = |millis| admission.admit(ip("192.0.2.1"), at(millis)).is_ok();
        assert_eq!([0, 0, 0, 0, 0].map(admit), [true, true, true, true, false]);
        assert_eq!([249, 250, 250].map(admit), [false, true, false]);
        assert_eq!([5_000; 5].map(admit), [true, true, true, true, false]);
        assert_eq!(admission.refusals().by_rate, 4);
    }

    #[test]
    fn this_machine_is_bound_only_if_that_is_wanted() {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.9"] {
            assert!(admission(1, 1, false).admit(ip(address), at(0)).unwrap().is_none());
            assert!(admission(1, 1, true).admit(ip(address), at(0)).unwrap().is_some());
        }
        assert!(admission(0, 0, true).admit(ip("192.0.2.1"), at(0)).unwrap().is_none());
    }

    #[test]
    fn the_table_is_bounded() {
        let admission = admission(5, 5, false);
        let _stays = admission.admit(ip("192.0.2.1"), at(0)).unwrap().unwrap();
        for number in 0..3 * u32::try_from(IDLE_MAX).unwrap() {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0A00_0000 + number));
            drop(admission.admit(address, at(0)).unwrap());
        }
        let length = admission.table().entries.len();
        assert!(length <= 2 * IDLE_MAX + 2, "{length} entries");
        drop(admission.admit(ip("192.0.2.9"), at(2_000)));
        admission.table().sweep(at(9_000));
        assert_eq!(admission.table().entries.len(), 1, "who is here is not forgotten");
    }

    #[test]
    fn each_is_complained_about_once_in_a_minute() {
        let admission = admission(5, 5, false);
        let may = |address: &str, millis| admission.may_note(Some(ip(address)), at(millis));
        assert!(may("192.0.2.1", 0) && may("192.0.2.2", 0));
        assert!(!may("192.0.2.1", 59_999));
        assert!(may("192.0.2.1", 60_000));
        for number in 0..u32::try_from(2 * NOTICES_MAX).unwrap() {
            admission.may_note(Some(IpAddr::V4(number.into())), at(60_000));
        }
        assert_eq!(admission.table().notices.len(), NOTICES_MAX);
    }
}
