//! `[limits]`: what a client, or all of them, may take.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::router::config::Limits;
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::Table;

/// `[limits]`.
pub(in crate::server::config) static LIMITS: Table<Limits> =
    Table { path: "limits", keys: KEYS, tables: &[] };

/// Every one may also come from the environment.
const KEYS: &[Key<Limits>] = &[
    Key {
        name: "connections_per_address_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.connections_per_address_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Connections one address (of IPv6: one network of 64 bits) may have; more are \
                  reset. Clients of a proxy with `proxy_protocol` count by their own addresses; an \
                  HTTP proxy is one address, and needs more or bounds its clients itself. 0: any \
                  number.",
    },
    Key {
        name: "connects_per_address",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.connects_per_address),
        preset: Preset::Core,
        reload: true,
        meaning: "Connections one address may open in a second. 0: any number.",
    },
    Key {
        name: "limit_loopback",
        kind: Kind::Switch(|limits| &mut limits.limit_loopback),
        preset: Preset::Core,
        reload: true,
        meaning: "Whether both also hold for this machine's own addresses, from which a proxy \
                  without PROXY headers brings everybody. Unix sockets have no address.",
    },
    Key {
        name: "tls_handshake",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.tls_handshake),
        preset: Preset::Core,
        reload: false,
        meaning: "How long a client may take for its TLS handshake, a PROXY header included.",
    },
    Key {
        name: "handshake",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.handshake),
        preset: Preset::Core,
        reload: true,
        meaning: "From the connection to WELCOME: how long a client may take to open a session.",
    },
    Key {
        name: "opening",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.opening),
        preset: Preset::Core,
        reload: true,
        meaning: "From the connection to the end of the transport's own handshake: the head of an \
                  HTTP request, or the four octets of RawSocket. However a client dribbles.",
    },
    Key {
        name: "hello",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.hello),
        preset: Preset::Core,
        reload: true,
        meaning: "From the transport's handshake to HELLO.",
    },
    Key {
        name: "authenticate",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.authenticate),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a client may take for AUTHENTICATE once it was challenged.",
    },
    Key {
        name: "attempts_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.attempts_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Attempts to prove one identity that may fail for one address (of IPv6: one \
                  network of 64 bits) within a minute. Answers come late after half of them. \
                  After more that address cannot claim that identity for a while; others can, and \
                  it can claim others. 0: any number.",
    },
    Key {
        name: "attempts_block",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.attempts_block),
        preset: Preset::Core,
        reload: true,
        meaning: "How long that is.",
    },
    Key {
        name: "goodbye",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.goodbye),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a client may take to answer GOODBYE, and to read what it was sent, \
                  before its connection is closed.",
    },
    Key {
        name: "ping_interval",
        kind: Kind::Duration(Duration::ZERO..=Duration::from_hours(1), |limits| {
            &mut limits.ping_interval
        }),
        preset: Preset::Core,
        reload: true,
        meaning: "WebSocket pings to a silent client, which is given up after two without a \
                  sign of life; on TCP the kernel asks as often, and gives up after three. \
                  `\"0s\"`: never. A reload changes the kernel's for connections that come after \
                  it.",
    },
    Key {
        name: "message",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.message),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a client may take to send a message that it has begun, before its \
                  connection is closed.",
    },
    Key {
        name: "stall",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.stall),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a client may leave what it was sent unread before its session ends.",
    },
    Key {
        name: "outbox_bytes_max",
        kind: Kind::Size(OUTBOX, |limits| &mut limits.outbox_bytes_max),
        preset: Preset::Core,
        reload: true,
        meaning: "What may wait for one client to read it; past that its session ends. At least \
                  the largest `message_bytes_max`.",
    },
    Key {
        name: "outbox_bytes_pause",
        kind: Kind::Size(OUTBOX, |limits| &mut limits.outbox_bytes_pause),
        preset: Preset::Core,
        reload: true,
        meaning: "What may wait for one client before nothing more is taken from it, until it \
                  reads. At most `outbox_bytes_max`.",
    },
    Key {
        name: "calls_pending_max",
        kind: Kind::Count(1..=1_000_000, |limits| &mut limits.calls_pending_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Calls one session may have pending.",
    },
    Key {
        name: "advice_pending_max",
        kind: Kind::Count(1..=1_000_000, |limits| &mut limits.advice_pending_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Questions to authenticators and authorizers that each shard may have open. \
                  One more has failed.",
    },
    Key {
        name: "invocations_pending_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.invocations_pending_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Invocations one callee may leave unanswered.",
    },
    Key {
        name: "calls_queued_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.calls_queued_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Calls that may wait for one callee that takes only so many at a time.",
    },
    Key {
        name: "calls_queued_bytes_max",
        kind: Kind::Size(OUTBOX, |limits| &mut limits.calls_queued_bytes_max),
        preset: Preset::Core,
        reload: true,
        meaning: "What the calls that wait for one callee may come to.",
    },
    Key {
        name: "testaments_max",
        kind: Kind::Count(0..=10_000, |limits| &mut limits.testaments_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Testaments one session may leave.",
    },
    Key {
        name: "subscriptions_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.subscriptions_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Subscriptions one session may hold.",
    },
    Key {
        name: "registrations_max",
        kind: Kind::Count(1..=10_000_000, |limits| &mut limits.registrations_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Registrations one session may hold.",
    },
    Key {
        name: "longpoll_hold",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.longpoll_hold),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a long-poll client is kept waiting while there is nothing to receive. \
                  Clients give up after about 12 seconds.",
    },
    Key {
        name: "longpoll_idle",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.longpoll_idle),
        preset: Preset::Core,
        reload: true,
        meaning: "How long a long-poll client may neither wait to receive nor send anything \
                  before its session ends; and how long its connections may stay open unused.",
    },
    Key {
        name: "longpoll_transports_max",
        kind: Kind::Count(0..=1_000_000, |limits| &mut limits.longpoll_transports_max),
        preset: Preset::Core,
        reload: true,
        meaning: "Long-poll transports this process holds at once; more are turned away.",
    },
    Key {
        name: "session_messages_per_second",
        kind: Kind::Count(0..=RATE, |limits| &mut limits.session_messages_per_second),
        preset: Preset::Core,
        reload: true,
        meaning: "Messages that one session may send in a second; what comes faster is read \
                  later, and nothing is dropped. `0`: any number.",
    },
    Key {
        name: "session_bytes_per_second",
        kind: Kind::Size(0..=RATE, |limits| &mut limits.session_bytes_per_second),
        preset: Preset::Core,
        reload: true,
        meaning: "What the messages of one session may come to in a second. `0`: anything.",
    },
    Key {
        name: "session_calls_per_second",
        kind: Kind::Count(0..=RATE, |limits| &mut limits.session_calls_per_second),
        preset: Preset::Core,
        reload: true,
        meaning: "Calls that one session may make in a second. `0`: any number.",
    },
    Key {
        name: "session_burst",
        kind: Kind::Duration(PATIENCE, |limits| &mut limits.session_burst),
        preset: Preset::Core,
        reload: true,
        meaning: "What a session did not use of these rates for so long it may make up for at \
                  once.",
    },
    Key {
        name: "mesh_bytes_max",
        kind: Kind::Size(64 << 10..=1 << 30, |limits| &mut limits.mesh_bytes_max),
        preset: Preset::Core,
        reload: true,
        meaning: "What may wait for one other shard before nothing more is taken from clients.",
    },
];

/// More than any session can do.
const RATE: usize = 1 << 32;

/// How long a peer may be given for anything: not so short that a healthy network fails it, not
/// so long that it is no bound.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);

/// What an outbox may hold: a few small messages at least, and nothing that breaks arithmetic.
const OUTBOX: RangeInclusive<usize> = 4 << 10..=1 << 30;
