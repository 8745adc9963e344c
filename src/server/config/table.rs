//! Every option, in one place: its name, what may be written, its default and its meaning.
//!
//! A row here is all there is to add for a new option. The reader, the error messages, the
//! variables of the environment and the table in `docs/OPERATING.md` follow from it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;

use super::key::{Key, Kind, Preset};
use super::value::{duration, size};
use super::{Address, ListenerSettings, LogFormat, Settings};
use crate::limits::{MESSAGE_BYTES_CAP, SHARDS_MAX, URI_BYTES_MAX, URI_COMPONENTS_MAX};
use crate::router::config::{
    Disclosure, HistoryRule, Limits, RealmConfig, RequestIds, TrustRule, UriCheck,
};
use crate::shard::Io;
use crate::wire::Serializer;

/// Tables of the top level, which are no options themselves.
pub(super) const TABLES: [&str; 3] = ["realms", "listeners", "limits"];

/// The top level. Every key of it may also come from the environment.
pub(super) const TOP: &[Key<Settings>] = &[
    Key {
        name: "shards",
        kind: Kind::AutoCount(1..=SHARDS_MAX, |top| &mut top.shards),
        preset: Preset::Literal("\"auto\""),
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
        meaning: "The least urgent lines that are logged.",
    },
    Key {
        name: "log_format",
        kind: Kind::Word(&[
            ("text", |top| top.log_format = LogFormat::Text),
            ("json", |top| top.log_format = LogFormat::Json),
        ]),
        preset: Preset::Literal("\"text\""),
        meaning: "How lines are logged to standard error: for people, or one JSON object each.",
    },
    Key {
        name: "busy_poll",
        kind: Kind::Duration(Duration::ZERO..=Duration::from_millis(10), |top| &mut top.busy_poll),
        preset: Preset::Literal("\"0s\""),
        meaning: "How long a shard keeps looking for work before it sleeps. More than zero buys \
                  latency with CPU time.",
    },
    Key {
        name: "pin",
        kind: Kind::AutoSwitch(|top| &mut top.pin),
        preset: Preset::Literal("\"auto\""),
        meaning: "Whether each shard stays on one CPU. `\"auto\"`: if there is exactly one shard \
                  for each CPU that this process may use.",
    },
    Key {
        name: "connections_max",
        kind: Kind::AutoCount(1..=10_000_000, |top| &mut top.connections_max),
        preset: Preset::Literal("\"auto\""),
        meaning: "Connections this process holds at once; more are turned away. `\"auto\"`: as \
                  many as the limit of open files allows, at most 100000.",
    },
    Key {
        name: "shutdown_timeout",
        kind: Kind::Duration(DRAIN, |top| &mut top.shutdown_timeout),
        preset: Preset::Literal("\"10s\""),
        meaning: "How long sessions may take to end after SIGTERM; those that are left are cut \
                  off. More than `limits.goodbye`.",
    },
    Key {
        name: "insecure_allow_anonymous_remote",
        kind: Kind::Switch(|top| &mut top.insecure_allow_anonymous_remote),
        preset: Preset::Literal("false"),
        meaning: "Allows listeners that other machines can reach. Every client is admitted \
                  without authentication so far, hence the name.",
    },
];

/// `[[realms]]`: at least one.
pub(super) const REALM: &[Key<RealmConfig>] = &[
    Key {
        name: "name",
        kind: Kind::Text("a URI such as \"realm1\", outside of \"wamp\"", |realm, text| {
            is_realm_name(text).then(|| realm.name = text.to_owned())
        }),
        preset: Preset::Required,
        meaning: "What clients say in HELLO. Two realms cannot share a name.",
    },
    Key {
        name: "uri_check",
        kind: Kind::Word(&[
            ("loose", |realm| realm.uri_check = UriCheck::Loose),
            ("strict", |realm| realm.uri_check = UriCheck::Strict),
        ]),
        preset: Preset::Literal("\"loose\""),
        meaning: "Which URIs are accepted. `\"loose\"`: anything without white space and `#`. \
                  `\"strict\"`: lower case letters, digits and `_`.",
    },
    Key {
        name: "request_ids",
        kind: Kind::Word(&[
            ("sequential", |realm| realm.request_ids = RequestIds::Sequential),
            ("any", |realm| realm.request_ids = RequestIds::Any),
        ]),
        preset: Preset::Literal("\"sequential\""),
        meaning: "Which request ids are accepted. `\"sequential\"`: 1, 2, 3 … as the \
                  specification demands. `\"any\"`: for clients that draw them at random.",
    },
    Key {
        name: "call_timeout",
        kind: Kind::Duration(CALL, |realm| &mut realm.options.call_timeout),
        preset: Preset::Literal("\"0s\""),
        meaning: "How long a call may wait for its answer if it does not say itself. `\"0s\"`: \
                  for ever.",
    },
    Key {
        name: "call_timeout_max",
        kind: Kind::Duration(CALL, |realm| &mut realm.options.call_timeout_max),
        preset: Preset::Literal("\"0s\""),
        meaning: "The longest timeout a call gets, whatever it asks for. `\"0s\"`: any.",
    },
    Key {
        name: "meta_kill",
        kind: Kind::Switch(|realm| &mut realm.options.meta_kill),
        preset: Preset::Literal("false"),
        meaning: "Whether every session may end others by `wamp.session.kill` and its like, \
                  and take their subscriptions and registrations away.",
    },
    Key {
        name: "force_reregister",
        kind: Kind::Switch(|realm| &mut realm.options.force_reregister),
        preset: Preset::Literal("false"),
        meaning: "Whether a REGISTER with `force_reregister` takes a procedure from its callees.",
    },
    Key {
        name: "disclosure",
        kind: Kind::Word(&[
            ("allow", |realm| realm.options.disclosure = Disclosure::Allow),
            ("deny", |realm| realm.options.disclosure = Disclosure::Deny),
            ("always", |realm| realm.options.disclosure = Disclosure::Always),
        ]),
        preset: Preset::Literal("\"allow\""),
        meaning: "Whether callers and publishers tell who they are. `\"allow\"`: if they or the \
                  callee ask for it. `\"deny\"`: asking for it is refused. `\"always\"`: unasked.",
    },
    Key {
        name: "trust",
        kind: Kind::Texts(
            "rules such as \"ROLE URI LEVEL\"",
            |realm| realm.options.trust.clear(),
            |realm, text| TrustRule::parse(text).map(|rule| realm.options.trust.push(rule)),
        ),
        preset: Preset::Unset("nobody is told of trust"),
        meaning: "How far callers and publishers are trusted; callees and subscribers are told. \
                  The first rule that fits counts, without one the level is 0. A role `*` is \
                  any, a URI that ends in `*` a prefix, an empty component any one component.",
    },
    Key {
        name: "retained_topics_max",
        kind: Kind::Count(0..=10_000_000, |realm| &mut realm.options.retained_topics_max),
        preset: Preset::Literal("10000"),
        meaning: "Topics whose latest event published with `retain` is kept in memory for later \
                  subscribers; past that such events are refused. 0: none is kept.",
    },
    Key {
        name: "retained_bytes_max",
        kind: Kind::Size(1 << 10..=1 << 40, |realm| &mut realm.options.retained_bytes_max),
        preset: Preset::Literal("\"64 MiB\""),
        meaning: "What all retained events may take together.",
    },
    Key {
        name: "history",
        kind: Kind::Texts(
            "rules such as \"com.log.* events=1000 bytes=16MiB age=1h\", one for each URI",
            |realm| realm.options.history.clear(),
            |realm, text| {
                let (rule, rules) = (history(text)?, &mut realm.options.history);
                rules.iter().all(|other| other.uris != rule.uris).then(|| rules.push(rule))
            },
        ),
        preset: Preset::Unset("no subscription has a history"),
        meaning: "Subscriptions that have a history: their events are kept in memory, whether or \
                  not there are subscribers, for `wamp.subscription.get_events`. A URI that ends \
                  in `*` is a prefix, one with an empty component a wildcard; it means that one \
                  subscription, not each that fits. The oldest events go when there are more \
                  than `events` (1000), when they take more than `bytes` (16MiB), and after \
                  `age` (never). An event that alone takes more than `bytes` is not kept.",
    },
];

/// `[[listeners]]`: at least one.
pub(super) const LISTENER: &[Key<ListenerSettings>] = &[
    Key {
        name: "address",
        kind: Kind::Text(
            "\"IP:PORT\" such as \"127.0.0.1:8080\" or \"[::]:8080\", or \"unix:/PATH\"",
            |listener, text| address(text).map(|address| listener.address = address),
        ),
        preset: Preset::Required,
        meaning: "Where to listen. Two listeners cannot share an address. Port 0 means any free \
                  port; the log says which.",
    },
    Key {
        name: "unix_mode",
        kind: Kind::Text("file permissions in octal such as \"0660\"", |listener, text| {
            let mode = text.starts_with('0').then(|| u32::from_str_radix(text, 8).ok())??;
            (mode <= 0o777).then(|| listener.unix_mode = Some(mode))
        }),
        preset: Preset::Unset("what the umask leaves"),
        meaning: "Permissions of a Unix socket: who may write to it may connect.",
    },
    Key {
        name: "backlog",
        kind: Kind::Count(1..=65_535, |listener| &mut listener.backlog),
        preset: Preset::Literal("1024"),
        meaning: "Connections that may wait to be accepted. The system may lower it \
                  (`net.core.somaxconn`).",
    },
    Key {
        name: "transports",
        kind: Kind::Words(
            |listener| {
                listener.transport.websocket = false;
                listener.transport.rawsocket = false;
                listener.transport.longpoll = false;
            },
            &[
                ("websocket", |listener| listener.transport.websocket = true),
                ("rawsocket", |listener| listener.transport.rawsocket = true),
                ("longpoll", |listener| listener.transport.longpoll = true),
            ],
        ),
        preset: Preset::Literal("[\"websocket\", \"rawsocket\", \"longpoll\"]"),
        meaning: "What may be spoken here. What a client sends first tells which it is, so one \
                  port can serve all.",
    },
    Key {
        name: "paths",
        kind: Kind::Texts(
            "HTTP paths such as \"/ws\"",
            |listener| listener.transport.paths.clear(),
            |listener, text| is_path(text).then(|| listener.transport.paths.push(text.to_owned())),
        ),
        preset: Preset::Literal("[\"/ws\", \"/\"]"),
        meaning: "HTTP paths on which a WebSocket may be opened.",
    },
    Key {
        name: "longpoll_path",
        kind: Kind::Text("an HTTP path such as \"/lp\"", |listener, text| {
            is_path(text).then(|| text.clone_into(&mut listener.transport.longpoll_path))
        }),
        preset: Preset::Literal("\"/lp\""),
        meaning: "The HTTP path below which long-poll is served: `/lp/open` and so on. None of \
                  `paths` may be there.",
    },
    Key {
        name: "serializers",
        kind: Kind::Words(
            |listener| listener.transport.serializers.clear(),
            &[
                ("json", |listener| listener.allow(Serializer::Json)),
                ("msgpack", |listener| listener.allow(Serializer::MessagePack)),
                ("cbor", |listener| listener.allow(Serializer::Cbor)),
                ("ubjson", |listener| listener.allow(Serializer::Ubjson)),
            ],
        ),
        preset: Preset::Literal("[\"json\", \"msgpack\", \"cbor\", \"ubjson\"]"),
        meaning: "Serializers that clients may choose from. `ubjson` is draft 12: where clients \
                  send its dialect BJData under that name, leave it out, and they choose another.",
    },
    Key {
        name: "compression",
        kind: Kind::Word(&[
            ("off", |listener| listener.transport.deflate = false),
            ("deflate", |listener| listener.transport.deflate = true),
        ]),
        preset: Preset::Literal("\"off\""),
        meaning: "Whether WebSocket messages from 128 octets on are compressed for clients that \
                  offer permessage-deflate. It saves bandwidth and costs CPU time, many times what \
                  routing costs; memory only while a message is at hand.",
    },
    Key {
        name: "message_bytes_max",
        kind: Kind::Size(512..=MESSAGE_BYTES_CAP, |listener| {
            &mut listener.transport.message_bytes_max
        }),
        preset: Preset::Literal("\"1 MiB\""),
        meaning: "The longest message that clients may send.",
    },
];

/// `[limits]`. Every key of it may also come from the environment.
pub(super) const LIMITS: &[Key<Limits>] = &[
    Key {
        name: "handshake",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.handshake),
        preset: Preset::Core,
        meaning: "From the connection to WELCOME: how long a client may take to open a session.",
    },
    Key {
        name: "goodbye",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.goodbye),
        preset: Preset::Core,
        meaning: "How long a client may take to answer GOODBYE, and to read what it was sent, \
                  before its connection is closed.",
    },
    Key {
        name: "ping_interval",
        kind: Kind::Duration(Duration::ZERO..=Duration::from_hours(1), |limits| {
            &mut limits.ping_interval
        }),
        preset: Preset::Core,
        meaning: "WebSocket pings to a silent client, which is given up after two without a \
                  sign of life; on TCP the kernel asks as often, and gives up after three. \
                  `\"0s\"`: never.",
    },
    Key {
        name: "message",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.message),
        preset: Preset::Core,
        meaning: "How long a client may take to send a message that it has begun, before its \
                  connection is closed.",
    },
    Key {
        name: "stall",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.stall),
        preset: Preset::Core,
        meaning: "How long a client may leave what it was sent unread before its session ends.",
    },
    Key {
        name: "outbox_bytes_max",
        kind: Kind::Size(OUTBOX, |limits| &mut limits.outbox_bytes_max),
        preset: Preset::Core,
        meaning: "What may wait for one client to read it; past that its session ends. At least \
                  the largest `message_bytes_max`.",
    },
    Key {
        name: "outbox_bytes_pause",
        kind: Kind::Size(OUTBOX, |limits| &mut limits.outbox_bytes_pause),
        preset: Preset::Core,
        meaning: "What may wait for one client before nothing more is taken from it, until it \
                  reads. At most `outbox_bytes_max`.",
    },
    Key {
        name: "calls_pending_max",
        kind: Kind::Count(1..=1_000_000, |limits| &mut limits.calls_pending_max),
        preset: Preset::Core,
        meaning: "Calls one session may have pending.",
    },
    Key {
        name: "invocations_pending_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.invocations_pending_max),
        preset: Preset::Core,
        meaning: "Invocations one callee may leave unanswered.",
    },
    Key {
        name: "calls_queued_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.calls_queued_max),
        preset: Preset::Core,
        meaning: "Calls that may wait for one callee that takes only so many at a time.",
    },
    Key {
        name: "testaments_max",
        kind: Kind::Count(0..=10_000, |limits| &mut limits.testaments_max),
        preset: Preset::Core,
        meaning: "Testaments one session may leave.",
    },
    Key {
        name: "subscriptions_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.subscriptions_max),
        preset: Preset::Core,
        meaning: "Subscriptions one session may hold.",
    },
    Key {
        name: "registrations_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.registrations_max),
        preset: Preset::Core,
        meaning: "Registrations one session may hold.",
    },
    Key {
        name: "longpoll_hold",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.longpoll_hold),
        preset: Preset::Core,
        meaning: "How long a long-poll client is kept waiting while there is nothing to receive. \
                  Clients give up after about 12 seconds.",
    },
    Key {
        name: "longpoll_idle",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.longpoll_idle),
        preset: Preset::Core,
        meaning: "How long a long-poll client may neither wait to receive nor send anything \
                  before its session ends; and how long its connections may stay open unused.",
    },
    Key {
        name: "longpoll_transports_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.longpoll_transports_max),
        preset: Preset::Core,
        meaning: "Long-poll transports this process holds at once; more are turned away.",
    },
    Key {
        name: "mesh_bytes_max",
        kind: Kind::Size(64 << 10..=1 << 30, |limits| &mut limits.mesh_bytes_max),
        preset: Preset::Core,
        meaning: "What may wait for one other shard before nothing more is taken from clients.",
    },
];

/// How long a peer may be given for anything: not so short that a healthy network fails it, not
/// so long that it is no bound.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);

/// How long a call may take; zero for ever.
const CALL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 365);

/// How long an event may be kept.
const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 3_660);

/// How long a process may take to stop.
const DRAIN: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_hours(2);

/// What an outbox may hold: a few small messages at least, and nothing that breaks arithmetic.
const OUTBOX: RangeInclusive<usize> = 4 << 10..=1 << 30;

/// Whether a realm may have this name: a loose URI that the specification does not keep for
/// itself.
// spec: basic/building_blocks#uris
fn is_realm_name(text: &str) -> bool {
    text.len() <= URI_BYTES_MAX
        && text.split('.').count() <= URI_COMPONENTS_MAX
        && text.split('.').next() != Some("wamp")
        && text.split('.').all(|component| !component.is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
}

/// The rule that `text` stands for: a URI, and bounds in any order, each at most once.
fn history(text: &str) -> Option<HistoryRule> {
    let mut words = text.split_ascii_whitespace();
    let mut rule = HistoryRule::new(words.next()?)?;
    let mut given = Vec::new();
    for word in words {
        let (bound, value) = word.split_once('=')?;
        if given.contains(&bound) {
            return None;
        }
        given.push(bound);
        match bound {
            "events" => {
                let count = value.parse().ok();
                rule.events_max = count.filter(|count| (1..=10_000_000).contains(count))?;
            }
            "bytes" => {
                let octets = value.parse().ok().or_else(|| usize::try_from(size(value)?).ok());
                rule.bytes_max = octets.filter(|octets| (1 << 10..=1 << 40).contains(octets))?;
            }
            "age" => rule.age_max = duration(value).filter(|age| AGE.contains(age))?,
            _ => return None,
        }
    }
    Some(rule)
}

/// The address that `text` stands for.
fn address(text: &str) -> Option<Address> {
    let Some(path) = text.strip_prefix("unix:") else {
        return text.parse::<SocketAddr>().ok().map(Address::Tcp);
    };
    // The kernel keeps 108 octets for the path and its final zero.
    let fits = path.starts_with('/') && path.len() < 108 && !path.contains('\0');
    fits.then(|| Address::Unix(PathBuf::from(path)))
}

/// Whether `text` can be the path of an HTTP request.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
}
