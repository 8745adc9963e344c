//! The works of the survey, as data.

use std::fmt;
use std::time::Duration;

use gigawamp::wire::{Framing, Serializer};

use crate::cli::{Flood, Options};
use crate::report::Report;
use crate::scenario::Scenario;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Work {
    /// What is done.
    pub(super) name: &'static str,
    pub(super) scenario: Scenario,
    /// What differs from the scenario's defaults.
    pub(super) prepare: fn(&mut Options),
    /// Whether the same is measured over a relay.
    pub(super) beside_relay: bool,
    /// Whether calls come at half the rate that a closed loop reaches.
    pub(super) at_half_rate: bool,
    /// Which figure of the report counts.
    pub(super) figure: &'static str,
    pub(super) goal: Goal,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(super) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    pub(super) const fn bound(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AtLeast(bound) => format!("≥ {bound}"),
            Self::AtMost(bound) => format!("≤ {bound}"),
        };
        f.pad(&text)
    }
}

impl Work {
    /// The figure of this work in `report`.
    pub(super) fn value(&self, report: &Report) -> Option<f64> {
        let found = report.figures.iter().find(|(name, _)| name == self.figure);
        found.map(|(_, value)| *value)
    }

    /// Whether its figure is a ratio, and so has a place in the chart.
    pub(super) fn is_ratio(&self) -> bool {
        self.goal.bound() < 100.0
    }
}

/// A work that is compared with the relay.
const RELAYED: Work = Work {
    name: "",
    scenario: Scenario::Rpc,
    prepare: |_| {},
    beside_relay: true,
    at_half_rate: false,
    figure: CALLS,
    goal: Goal::AtLeast(1.0),
};

/// A work that is compared with itself.
const ALONE: Work = Work { beside_relay: false, ..RELAYED };

const CALLS: &str = "router / relay: calls";
const EVENTS: &str = "router / relay: events";
const P50: &str = "router / relay: p50";
const P99: &str = "router / relay: p99";
const P999: &str = "router / relay: p99.9";
const MEMORY: &str = "router memory per idle session (octets)";

/// All of them, in the order of the table.
pub(super) const WORKS: &[Work] = &[
    Work { name: "RPC 16→1, window 4: calls/s", goal: Goal::AtLeast(0.5), ..RELAYED },
    Work {
        name: "RPC 16→1, window 4, JSON WebSocket: calls/s",
        prepare: json_websocket,
        goal: Goal::AtLeast(0.4),
        ..RELAYED
    },
    Work {
        name: "RPC 16→1, window 64: calls/s",
        prepare: |options| options.window = 64,
        goal: Goal::AtLeast(0.15),
        ..RELAYED
    },
    Work {
        name: "RPC, one in flight: p50",
        scenario: Scenario::Pingpong,
        figure: P50,
        goal: Goal::AtMost(1.15),
        ..RELAYED
    },
    Work {
        name: "RPC, one in flight: p99",
        scenario: Scenario::Pingpong,
        figure: P99,
        goal: Goal::AtMost(1.3),
        ..RELAYED
    },
    Work {
        name: "RPC, one in flight, busy polling: p50",
        scenario: Scenario::Pingpong,
        prepare: busy,
        figure: P50,
        goal: Goal::AtMost(1.15),
        ..RELAYED
    },
    Work {
        name: "RPC, one in flight, busy polling: p99",
        scenario: Scenario::Pingpong,
        prepare: busy,
        figure: P99,
        goal: Goal::AtMost(1.3),
        ..RELAYED
    },
    Work {
        name: "PubSub 1→1: events/s",
        scenario: Scenario::Fanout,
        prepare: |options| options.subscribers = 1,
        figure: EVENTS,
        goal: Goal::AtLeast(0.5),
        ..RELAYED
    },
    Work {
        name: "PubSub 1→100: events/s",
        scenario: Scenario::Fanout,
        figure: EVENTS,
        goal: Goal::AtLeast(0.8),
        ..RELAYED
    },
    Work {
        name: "PubSub 1→1000: events/s",
        scenario: Scenario::Fanout,
        prepare: |options| options.subscribers = 1_000,
        figure: EVENTS,
        goal: Goal::AtLeast(0.8),
        ..RELAYED
    },
    Work {
        name: "PubSub 1→100, 16 KiB: events/s",
        scenario: Scenario::Fanout,
        prepare: |options| options.payload = 16 << 10,
        figure: EVENTS,
        goal: Goal::AtLeast(0.9),
        ..RELAYED
    },
    Work {
        name: "RPC 16→1 at half the maximal rate: p99.9",
        at_half_rate: true,
        figure: P999,
        goal: Goal::AtMost(2.0),
        ..RELAYED
    },
    Work {
        name: "PubSub 1→100 beside 120 000 subscriptions: events/s",
        scenario: Scenario::Patterns,
        prepare: |options| {
            (options.exact, options.prefix, options.wildcard) = (100_000, 10_000, 10_000);
        },
        figure: BESIDE,
        goal: Goal::AtLeast(0.9),
        ..ALONE
    },
    Work {
        name: "PubSub 1→1 beside 100 000 wildcards: events/s",
        scenario: Scenario::Patterns,
        prepare: |options| (options.subscribers, options.wildcard) = (1, 100_000),
        figure: BESIDE,
        goal: Goal::AtLeast(0.9),
        ..ALONE
    },
    Work {
        name: "RPC across two shards: router CPU per call",
        scenario: Scenario::Crossing,
        figure: "across / same shard: router CPU per call",
        goal: Goal::AtMost(1.5),
        ..ALONE
    },
    Work {
        name: "sessions opened: sessions/s",
        scenario: Scenario::Storm,
        figure: "router / relay: sessions",
        goal: Goal::AtLeast(0.5),
        ..RELAYED
    },
    Work {
        name: "one in flight beside a flood of events: p99",
        scenario: Scenario::Pingpong,
        prepare: |options| options.flood = Some(Flood::Publish),
        figure: "flooded / router: p99",
        goal: Goal::AtMost(2.0),
        ..ALONE
    },
    Work {
        name: "RPC 16→1 beside a caller that never reads: calls/s",
        prepare: |options| options.flood = Some(Flood::Call),
        figure: "flooded / router: calls",
        goal: Goal::AtLeast(0.5),
        ..ALONE
    },
    Work {
        name: "idle session, RawSocket: octets of memory",
        scenario: Scenario::Idle,
        prepare: shortly,
        figure: MEMORY,
        goal: Goal::AtMost(4_096.0),
        ..ALONE
    },
    Work {
        name: "idle session, WebSocket: octets of memory",
        scenario: Scenario::Idle,
        prepare: |options| {
            shortly(options);
            json_websocket(options);
        },
        figure: MEMORY,
        goal: Goal::AtMost(6_144.0),
        ..ALONE
    },
];

const BESIDE: &str = "beside / alone: events";

fn json_websocket(options: &mut Options) {
    options.serializer = Serializer::Json;
    options.url.framing = Framing::WebSocket;
    "/ws".clone_into(&mut options.url.path);
}

/// Router, relay and load look for work before they sleep.
fn busy(options: &mut Options) {
    options.busy_poll = Duration::from_millis(1);
    options.spin = true;
}

/// Memory does not need time.
fn shortly(options: &mut Options) {
    options.duration = options.duration.min(Duration::from_secs(1));
}
