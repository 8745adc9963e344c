//! What one run is like: which faults exist in it at all, and how often everything happens.
//!
//! Drawn once per seed. Runs that have everything are all alike; runs in which this or that is
//! missing, or happens without pause, reach corners that an average never does (swarm testing).

use std::time::Duration;

use super::chance::Chance;
use crate::router::config::{
    Config, Disclosure, HistoryRule, Limits, RealmConfig, RealmOptions, RequestIds, TrustRule,
    UriCheck,
};
use crate::wire::{Serializer, TransportOptions};

/// The nature of one run.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Routers.
    pub shards_count: u16,
    /// Peers.
    pub peers_count: usize,
    /// Batches that fit between two shards.
    pub mesh_depth: usize,
    /// The most octets that move at once.
    pub cut_max: u64,
    /// Octets that fit into the pipe to a peer.
    pub pipe_capacity: usize,
    /// Steps in which a peer acts, of 100.
    pub acting: u64,
    /// Steps in which a shard does several things before it looks up, of 100.
    pub lazy: u64,
    /// Steps on the mesh happen only one in so many times.
    pub mesh_delay: u64,
    /// How often each kind of action is taken; see [`workload`](super::workload).
    pub weights: [u64; WEIGHTS_COUNT],
    /// What goes wrong.
    pub faults: Faults,
    /// What realms allow and do.
    pub options: RealmOptions,
}

/// Kinds of actions.
pub const WEIGHTS_COUNT: usize = 24;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct Faults {
    /// Connections stand still for a while.
    pub stalls: bool,
    /// Connections break.
    pub resets: bool,
    /// Some peers never read.
    pub deaf_peers: bool,
    /// Peers break the protocol.
    pub violations: bool,
    /// Some peers say anything at all, in a realm of their own.
    pub noise: bool,
    /// Shards are told to stop in the middle.
    pub shutdown: bool,
    /// The configuration is read again, and realms come and go that nobody joins.
    pub reloads: bool,
    /// Time passes so that deadlines come.
    pub time: bool,
    /// Bounds of sessions are so small that they are met.
    pub small_limits: bool,
    /// Outboxes are so small that readers are too slow.
    pub small_outboxes: bool,
    /// Little may wait for another shard.
    pub small_mesh: bool,
    /// Some peers take short messages only.
    pub short_peers: bool,
}

impl Faults {
    /// Whether a session may be ended without a fault of its peer's making.
    #[must_use]
    pub const fn end_sessions(&self) -> bool {
        self.time || self.small_outboxes || self.shutdown
    }
}

impl Swarm {
    /// Draws the nature of a run; `shards_count` if it is given.
    #[must_use]
    pub fn draw(random: &mut Chance, shards_count: Option<u16>) -> Self {
        let drawn = random.one_of(&[1, 2, 2, 3, 3, 4, 5, 5]);
        let mut weights = [0; WEIGHTS_COUNT];
        for weight in &mut weights {
            *weight = random.one_of(&[0, 1, 3, 10, 30]);
        }
        let calm = random.one_in(8);
        let mut fault = |odds| random.one_in(odds) && !calm;
        let faults = Faults {
            stalls: fault(3),
            resets: fault(3),
            deaf_peers: fault(4),
            violations: fault(3),
            noise: fault(3),
            shutdown: fault(5),
            time: fault(4),
            small_limits: fault(5),
            small_outboxes: fault(5),
            small_mesh: fault(3),
            short_peers: fault(4),
            reloads: fault(3),
        };
        Self {
            shards_count: shards_count.unwrap_or(drawn),
            peers_count: random.one_of(&[2, 3, 4, 6, 8, 12]),
            mesh_depth: random.one_of(&[1, 2, 2, 2, 8, 100]),
            cut_max: random.one_of(&[3, 40, 500, 500, 70_000, 70_000]),
            pipe_capacity: random.one_of(&[50, 1_000, 100_000, 100_000]),
            acting: random.one_of(&[10, 20, 30, 50]),
            lazy: random.one_of(&[0, 0, 20, 70]),
            mesh_delay: random.one_of(&[1, 1, 1, 5, 40]),
            weights,
            faults,
            options: options(random),
        }
    }

    /// What the routers of such a run are told.
    #[must_use]
    pub fn config(&self, random: &mut Chance) -> Config {
        let mut limits = Limits::default();
        if random.one_in(2) {
            limits.ping_interval = Duration::ZERO;
        }
        if self.faults.small_limits {
            limits.subscriptions_max = 3;
            limits.registrations_max = 2;
            limits.calls_pending_max = 3;
            limits.invocations_pending_max = 4;
        }
        if self.faults.small_outboxes {
            limits.outbox_bytes_max = random.one_of(&[2_000, 20_000]);
            limits.outbox_bytes_pause = limits.outbox_bytes_max / 4;
        } else if random.one_in(2) {
            limits.outbox_bytes_pause = 300;
        }
        if self.faults.small_mesh {
            limits.mesh_bytes_max = random.one_of(&[0, 200, 2_000]);
        }
        if random.one_in(3) {
            limits.calls_queued_max = random.one_of(&[0, 1, 3]);
        }
        let realm = |name: &str| RealmConfig {
            name: name.into(),
            uri_check: UriCheck::Loose,
            request_ids: RequestIds::Sequential,
            options: self.options.clone(),
            ..RealmConfig::default()
        };
        Config {
            realms: REALMS.map(realm).to_vec(),
            listeners: vec![TransportOptions {
                message_bytes_max: 1 << 20,
                paths: vec!["/ws".into()],
                serializers: Serializer::ALL.to_vec(),
                websocket: true,
                rawsocket: true,
                deflate: true,
                longpoll: true,
                longpoll_path: "/lp".into(),
                ..TransportOptions::default()
            }],
            limits,
            agent: "gigawamp".into(),
            ..Config::default()
        }
    }
}

/// Draws what realms allow and do.
fn options(random: &mut Chance) -> RealmOptions {
    let short = |random: &mut Chance, odds| match random.one_in(odds) {
        true => random.one_of(&[1, 5, 20]),
        false => 0,
    };
    let rules = ["* a.b* 7", "nobody * 9", "anonymous a 1", "* .b 2"];
    let trusts = random.one_in(4);
    RealmOptions {
        call_timeout: Duration::from_millis(short(random, 6)),
        call_timeout_max: Duration::from_millis(short(random, 6)),
        meta_kill: random.one_in(2),
        force_reregister: random.one_in(2),
        disclosure: random.one_of(&[
            Disclosure::Allow,
            Disclosure::Allow,
            Disclosure::Allow,
            Disclosure::Deny,
            Disclosure::Always,
        ]),
        trust: rules.iter().filter(|_| trusts).filter_map(|rule| TrustRule::parse(rule)).collect(),
        ..RealmOptions::default()
    }
}

/// Two realms that must not see each other, and one for peers that say anything.
pub const REALMS: [&str; 3] = ["realm1", "realm2", "noise"];

/// The realm, by its place in [`REALMS`], in which some subscriptions have a history.
const KEEPING: usize = 1;

/// Subscriptions that have a history there: one of each kind that peers subscribe to.
pub fn histories(realm: usize) -> impl Iterator<Item = HistoryRule> {
    let kept = ["a.b", "a*", "a..c"].iter().filter(move |_| realm == KEEPING);
    kept.filter_map(|uri| HistoryRule::new(uri)).map(|rule| HistoryRule {
        events_max: 20,
        bytes_max: 10_000,
        age_max: Duration::from_secs(60),
        ..rule
    })
}
