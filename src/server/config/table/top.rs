//! The top level: the process as a whole.

use std::ops::RangeInclusive;
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;

use super::{LIMITS, LISTENER, REALM};
use crate::limits::SHARDS_MAX;
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::{Inner, Misfit, Shape, Table};
use crate::server::config::value::size;
use crate::server::config::{LogFormat, MemoryHigh, Settings};
use crate::shard::Io;

/// The whole file.
pub(in crate::server::config) static TOP: Table<Settings> = Table {
    path: "",
    keys: KEYS,
    tables: &[
        &Inner::<Settings, _> {
            name: "realms",
            shape: Shape::List,
            needed: Some("no realm: write [[realms]] with a name such as \"realm1\""),
            table: &REALM,
            make: Default::default,
            place: |settings, realm, _| {
                if settings.realms.iter().any(|other| other.name == realm.name) {
                    let text = format!("two realms are called {:?}", realm.name);
                    return Err(Misfit { key: "name", text });
                }
                if let Some((key, text)) = super::role::misfit(&realm) {
                    return Err(Misfit { key, text });
                }
                super::advisor::find_authorizers(&realm)?;
                settings.realms.push(realm);
                Ok(())
            },
        },
        &Inner::<Settings, _> {
            name: "listeners",
            shape: Shape::List,
            needed: Some(
                "no listener: write [[listeners]] with an address such as \"127.0.0.1:8080\"",
            ),
            table: &LISTENER,
            make: super::listener::blank,
            place: |settings, mut listener, line| {
                let address = &listener.address;
                if settings.listeners.iter().any(|other| other.address.clashes(address)) {
                    let text = format!("two listeners have the address \"{address}\"");
                    return Err(Misfit { key: "address", text });
                }
                listener.line = Some(line("address"));
                settings.listeners.push(listener);
                Ok(())
            },
        },
        &Inner::<Settings, _> {
            name: "limits",
            shape: Shape::One,
            needed: None,
            table: &LIMITS,
            make: Default::default,
            place: |settings, limits, _| {
                settings.limits = limits;
                Ok(())
            },
        },
    ],
};

/// The top level. Every key of it may also come from the environment.
const KEYS: &[Key<Settings>] = &[
    Key {
        name: "shards",
        kind: Kind::AutoCount(1..=SHARDS_MAX, |top| &mut top.shards),
        preset: Preset::Literal("\"auto\""),
        reload: false,
        meaning: "Independent routers in this process, one thread each. \
                  `\"auto\"`: one for each CPU that this process may use.",
    },
    Key {
        name: "io",
        kind: Kind::Word(&[
            ("auto", |top| top.io = Io::Auto),
            ("uring", |top| top.io = Io::Uring),
            ("epoll", |top| top.io = Io::Epoll),
        ]),
        preset: Preset::Literal("\"auto\""),
        reload: false,
        meaning: "How sockets are driven. `\"auto\"`: io_uring where the system allows it, \
                  else epoll. `\"uring\"`: refuse to start without io_uring.",
    },
    Key {
        name: "log_level",
        kind: Kind::Word(&[
            ("error", |top| top.log_level = LevelFilter::ERROR),
            ("warn", |top| top.log_level = LevelFilter::WARN),
            ("info", |top| top.log_level = LevelFilter::INFO),
            ("debug", |top| top.log_level = LevelFilter::DEBUG),
            ("trace", |top| top.log_level = LevelFilter::TRACE),
        ]),
        preset: Preset::Literal("\"info\""),
        reload: true,
        meaning: "The least urgent lines that are logged.",
    },
    Key {
        name: "log_format",
        kind: Kind::Word(&[
            ("text", |top| top.log_format = LogFormat::Text),
            ("json", |top| top.log_format = LogFormat::Json),
        ]),
        preset: Preset::Literal("\"text\""),
        reload: false,
        meaning: "How lines are logged to standard error: for people, or one JSON object each.",
    },
    Key {
        name: "busy_poll",
        kind: Kind::Duration(Duration::ZERO..=Duration::from_millis(10), |top| &mut top.busy_poll),
        preset: Preset::Literal("\"0s\""),
        reload: false,
        meaning: "How long a shard keeps looking for work before it sleeps. More than zero buys \
                  latency with CPU time.",
    },
    Key {
        name: "pin",
        kind: Kind::AutoSwitch(|top| &mut top.pin),
        preset: Preset::Literal("\"auto\""),
        reload: false,
        meaning: "Whether each shard stays on one CPU. `\"auto\"`: if there is exactly one shard \
                  for each CPU that this process may use.",
    },
    Key {
        name: "connections_max",
        kind: Kind::AutoCount(1..=10_000_000, |top| &mut top.connections_max),
        preset: Preset::Literal("\"auto\""),
        reload: false,
        meaning: "Connections this process holds at once; more are turned away. `\"auto\"`: as \
                  many as the limit of open files allows, at most 100000.",
    },
    Key {
        name: "memory_high",
        kind: Kind::Text("a size such as \"2 GiB\", \"auto\" or \"off\"", |top, text| {
            top.memory_high = match text {
                "auto" => MemoryHigh::Auto,
                "off" => MemoryHigh::Off,
                text => MemoryHigh::At(size(text)?),
            };
            Some(())
        }),
        preset: Preset::Literal("\"auto\""),
        reload: false,
        meaning: "Resident memory above which new sessions are refused with \
                  `gigawamp.error.overloaded`, until it is a sixteenth lower; sessions that are \
                  open live on. `\"auto\"`: four fifths of the control group's limit or of the \
                  machine's memory, whichever is less.",
    },
    Key {
        name: "pid_file",
        kind: Kind::Path(|top| &mut top.pid_file),
        preset: Preset::Unset("none is written"),
        reload: false,
        meaning: "A file that has the number of this process for as long as it runs. \
                  `gigawamp reload` needs it; how the last reload went stands beside it, in a file \
                  of that name with `.status` behind it.",
    },
    Key {
        name: "shutdown_timeout",
        kind: Kind::Duration(DRAIN, |top| &mut top.shutdown_timeout),
        preset: Preset::Literal("\"10s\""),
        reload: true,
        meaning: "How long sessions may take to end after SIGTERM; those that are left are cut \
                  off. More than `limits.goodbye`.",
    },
    Key {
        name: "insecure_allow_anonymous_remote",
        kind: Kind::Switch(|top| &mut top.insecure_allow_anonymous_remote),
        preset: Preset::Literal("false"),
        reload: true,
        meaning: "Allows listeners that other machines can reach and from which clients may join a \
                  realm without authentication.",
    },
    Key {
        name: "hide_realms",
        kind: Kind::Switch(|top| &mut top.hide_realms),
        preset: Preset::Literal("false"),
        reload: true,
        meaning: "Whether clients cannot tell a realm that they may not join from one that is not \
                  there. To clients that offer no method by which they could join it, a realm looks \
                  as if it were not there; and a realm that is not there challenges clients as one \
                  of those of the listener does, chosen by its name, and refuses all proofs. A \
                  realm that admits anonymous clients cannot be hidden.",
    },
    Key {
        name: "mock_secret",
        kind: Kind::Secret("a secret of 16 octets or more", |top, text| {
            if text.len() < 16 {
                return Err("it is shorter than 16 octets".to_owned());
            }
            top.mock_secret = Some(text.into());
            Ok(())
        }),
        preset: Preset::Unset("drawn anew by each process"),
        reload: true,
        meaning: "From which the salts and such are derived that are shown to clients with a name \
                  that nobody has. With a secret of your own they stay the same across restarts \
                  and on each router that has it, as do those of names that somebody has: else \
                  the two can be told apart by restarts. It must serve nothing else, and be drawn \
                  at random.",
    },
];

/// How long a process may take to stop.
const DRAIN: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_hours(2);
