//! Who gets what: one shard's router, behind two doors.
//!
//! A driver hands in [`Input`]s, then drains [`Output`]s until there are none before it waits:
//! *drain before you sleep*. Between two drains a connection appears in [`Output::Transmit`] at
//! most once, so a thousand events to one subscriber become one write.
//!
//! Bytes are pulled, not pushed: `Transmit` says that a connection's
//! [`Outbox`] holds something, `Relay` that a batch for another shard waits. The driver takes what
//! the socket or the queue has room for, and what it cannot place stays here, in order.
//!
//! **Architecture invariant:** nothing in here mentions a socket, a clock, a thread, a lock (the
//! writer section of [`pattern`] apart) or `async`.

pub mod advice;
mod announcement;
mod authentication;
pub mod authorization;
mod broadcast;
mod broker;
pub mod config;
mod conversation;
pub mod deadline;
mod dealer;
mod delivery;
mod directory;
mod filter;
mod history;
mod longpoll;
mod meta;
pub mod notice;
pub mod pattern;
mod peers;
mod realm;
mod registrations;
mod relay;
mod reload;
mod retention;
mod shared;
mod slots;
mod subscriptions;
mod throttle;
mod told;
mod turns;
mod volley;

pub use crate::session::{ClientCertificate, ConnectionId, Origin, ShardId, TlsOrigin};
pub use relay::Batch;
pub use shared::{Changes, Shared};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::env::{Instant, Map, Random, hash_key};
use crate::session::{Outbox, Phase};
use advice::{QuestionId, Questions, Reply};
use authentication::{Attempts, Cookies};
use config::Config;
use conversation::Deadline;
use deadline::Wheel;
use longpoll::LongPoll;
use meta::{News, Pace};
use peers::Peers;
use realm::{Context, Realm};
use relay::Relays;

/// Everything that can happen to a router.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection is open: its first octet may come.
    Opened {
        /// Its new id.
        connection: ConnectionId,
        /// Where it came from.
        origin: Origin,
    },
    /// Bytes arrived. They are the router's to alter (WebSocket unmasks in place).
    Received {
        /// From whom.
        connection: ConnectionId,
        /// As the socket gave them.
        bytes: &'a mut [u8],
    },
    /// The first `count` octets of the outbox were written.
    Transmitted {
        /// To whom.
        connection: ConnectionId,
        /// How many.
        count: usize,
    },
    /// The transport is gone (end of stream, reset, error). The driver has forgotten it.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A batch from another shard, in the order in which that shard's router gave them.
    Relayed {
        /// From which.
        from: ShardId,
        /// What it says.
        batch: Batch,
    },
    /// Somebody outside has answered a question of [`Router::take_question`].
    Answered {
        /// Which.
        question: QuestionId,
        /// With what.
        reply: Reply,
    },
    /// The moment of [`Router::next_deadline`] has come.
    DeadlineReached,
    /// The configuration that all shards share has changed: [`Shared::configure`]. Repeating it
    /// changes nothing.
    Configured,
    /// Say goodbye to every session. Repeating it changes nothing.
    ShutDown,
}

/// Everything a router can ask of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The connection's outbox holds bytes to write: [`Router::outbox`].
    Transmit {
        /// Whose.
        connection: ConnectionId,
    },
    /// Stop reading from this connection.
    Pause {
        /// Which.
        connection: ConnectionId,
    },
    /// Read from it again.
    Resume {
        /// Which.
        connection: ConnectionId,
    },
    /// Stop reading from every connection: too much waits for other shards.
    Hold,
    /// Read again from those that are not paused.
    Release,
    /// Close this connection's socket now; the router has forgotten it already, and whatever its
    /// outbox held was written or given up.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// A batch for this shard waits: [`Router::take_batch`], when the queue has room. Repeated at
    /// each drain for as long as something waits.
    Relay {
        /// For whom.
        to: ShardId,
    },
    /// Somebody outside is to be asked: [`Router::take_question`], once.
    Ask,
}

/// One shard's router.
#[derive(Debug)]
pub struct Router {
    /// The state of things that this shard goes by; there may be a newer one.
    shared: Arc<Shared>,
    config: Arc<Config>,
    shards_count: u16,
    random: Random,
    hash_key: ahash::RandomState,
    peers: Peers,
    relays: Relays,
    realms: Vec<Realm>,
    realm_names: Map<Box<str>, u16>,
    deadlines: Wheel<Deadline>,
    now: Instant,
    /// [`Output::Hold`] is in force.
    held: bool,
    shutting_down: bool,
    /// What the meta API will tell; empty between two inputs.
    news: Vec<News>,
    longpoll: LongPoll,
    questions: Questions,
    attempts: Attempts,
    cookies: Cookies,
    pace: Pace,
    /// New sessions are refused.
    memory_is_short: Arc<AtomicBool>,
    /// What the transport in hand has to say; empty between two inputs.
    reply: Vec<u8>,
}

impl Router {
    /// The router of `shard`. Every shard of a process gets the same `shared` and a seed of its
    /// own.
    #[must_use]
    pub fn new(shard: ShardId, shared: &Arc<Shared>, seed: [u8; 32]) -> Self {
        assert!(shard.0 < shared.shards_count, "a shard beyond the last");
        let mut random = Random::from_seed(seed);
        let hash_key = hash_key(&mut random);
        let config = Arc::clone(&shared.config);
        let realms = (0_u16..).zip(&shared.realms);
        Self {
            peers: Peers::new(
                (shard, shared.shards_count),
                &config.limits,
                Map::with_hasher(hash_key.clone()),
            ),
            relays: Relays::new(shared.shards_count),
            realms: realms
                .map(|(index, shared)| Realm::new(index, shared, shard, &hash_key))
                .collect(),
            realm_names: shared.realm_names(&hash_key),
            deadlines: Wheel::new(Instant::default()),
            now: Instant::default(),
            held: false,
            shutting_down: false,
            news: Vec::new(),
            longpoll: LongPoll::new(&shared.longpoll_transports),
            questions: Questions::new(&hash_key),
            attempts: Attempts::new(&hash_key),
            cookies: Cookies::new(&hash_key),
            pace: Pace::default(),
            memory_is_short: Arc::clone(&shared.memory_is_short),
            reply: Vec::new(),
            shards_count: shared.shards_count,
            shared: Arc::clone(shared),
            config,
            random,
            hash_key,
        }
    }

    /// Takes one input. `now` must not be before that of any earlier call.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        debug_assert!(now >= self.now, "time went back");
        self.now = now;
        match input {
            Input::Opened { connection, origin } => self.on_opened(connection, origin),
            Input::Received { connection, bytes } => self.on_received(connection, bytes),
            Input::Transmitted { connection, count } => {
                if self.peers.is_transmitted(connection, count) {
                    return;
                }
                self.on_transmitted(connection, count);
            }
            Input::Closed { connection } => self.on_closed(connection),
            Input::Relayed { from: _, batch } => {
                self.on_relayed(&batch);
                self.relays.keep(batch);
            }
            Input::Answered { question, reply } => self.on_answered(question, reply),
            Input::DeadlineReached => self.on_deadlines(),
            Input::Configured => self.on_configured(),
            Input::ShutDown => self.on_shut_down(),
        }
        loop {
            self.peers.fire();
            self.end_condemned();
            self.end_doomed();
            self.serve_polls();
            // What is decided now may be the beginning of more, and those who go leave events.
            if !self.take_advice() && !self.peers.volley.is_waiting() {
                break;
            }
        }
        self.mind_the_mesh();
    }

    /// The next thing to do, or `None`: only then may the driver wait.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.peers.outputs.pop_front() {
            return Some(output);
        }
        if let Some(connection) = self.peers.poll_dirty() {
            return Some(Output::Transmit { connection });
        }
        self.relays.poll().map(|to| Output::Relay { to })
    }

    /// When [`Input::DeadlineReached`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        // What was received and waits for its turn is due at once.
        let has_turns = !self.held && !self.peers.turns.is_empty();
        if has_turns { Some(self.now) } else { self.deadlines.next() }
    }

    /// Octets of what was received from `connection` that wait for their turn; for the simulator.
    pub fn unprocessed(&mut self, connection: ConnectionId) -> usize {
        self.peers.connection(connection).map_or(0, |connection| connection.rest.len())
    }

    /// Whether a request of `connection` waits for what an authorizer says; for the simulator.
    pub fn awaits_advice(&mut self, connection: ConnectionId) -> bool {
        self.peers.slot(connection).is_some_and(|slot| slot.waiting.is_some())
    }

    /// The bytes that wait for `connection`; `None` if the router does not know it any more.
    pub fn outbox(&mut self, connection: ConnectionId) -> Option<&mut Outbox> {
        self.peers.connection(connection).map(|connection| &mut connection.outbox)
    }

    /// Takes what waits for the shard `to`.
    pub fn take_batch(&mut self, to: ShardId) -> Batch {
        let batch = self.relays.take(to);
        self.mind_the_mesh();
        batch
    }

    /// Connections the router knows; after [`Input::ShutDown`] and once this is 0 (and nothing is
    /// left to poll) the shard may end.
    #[must_use]
    pub const fn connections_count(&self) -> usize {
        self.peers.count
    }

    /// What happened so far, counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.peers.counters
    }

    /// What an operator should hear of since this was asked last.
    pub fn take_notices(&mut self) -> Vec<notice::Notice> {
        self.peers.notices.take()
    }

    /// Whether nothing is left of any session, connection or message, but for what is kept of
    /// messages on purpose: retained events and histories.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.count == 0
            && self.peers.sessions.is_empty()
            && self.realms.iter().all(Realm::is_empty)
            && self.relays.is_empty()
            && self.longpoll.is_empty()
            && self.questions.is_empty()
            && self.deadlines.len() == self.realms.iter().map(Realm::deadlines_count).sum::<usize>()
    }

    /// Where the conversation on `connection` stands; for tests and the simulator.
    pub fn phase(&mut self, connection: ConnectionId) -> Option<&Phase> {
        let connection = self.peers.connection(connection)?;
        Some(&connection.phase)
    }

    /// Asserts everything that must hold inside one shard. Slow; for tests and the simulator.
    pub fn check(&mut self) {
        self.peers.check();
        for realm in &mut self.realms {
            let (peers, relays) = (&mut self.peers, &mut self.relays);
            let (random, limits) = (&mut self.random, &self.config.limits);
            let (deadlines, now) = (&mut self.deadlines, self.now);
            let (news, pace, questions) = (&mut self.news, &mut self.pace, &mut self.questions);
            #[rustfmt::skip]
            let context = &mut Context {
                peers, relays, random, limits, deadlines, now, news, pace, questions,
                granted: None,
            };
            realm.check(context);
        }
    }

    fn on_relayed(&mut self, batch: &Batch) {
        for (realm, relay) in batch.iter() {
            if usize::from(realm) >= self.realms.len() {
                // The other shard was told of a new realm before this one.
                self.on_configured();
            }
            if !self.on_poll_relay(&relay) && !self.on_authentication_relay(&relay) {
                self.in_realm(realm, |realm, context| realm.on_relay(&relay, context));
            }
        }
    }

    fn in_realm<R>(
        &mut self,
        realm: u16,
        act: impl FnOnce(&mut Realm, &mut Context<'_>) -> R,
    ) -> R {
        let (peers, relays) = (&mut self.peers, &mut self.relays);
        let (random, limits) = (&mut self.random, &self.config.limits);
        let (deadlines, now) = (&mut self.deadlines, self.now);
        let (news, pace, questions) = (&mut self.news, &mut self.pace, &mut self.questions);
        #[rustfmt::skip]
        let context = &mut Context {
            peers, relays, random, limits, deadlines, now, news, pace, questions,
            granted: None,
        };
        act(&mut self.realms[usize::from(realm)], context)
    }

    /// Stops reading from clients while too much waits for another shard. Relays are still taken:
    /// each begets at most one answer, and the number of open questions is bounded, so two shards
    /// that are full towards each other make progress.
    fn mind_the_mesh(&mut self) {
        let waiting = self.relays.bytes_count_max();
        let limit = self.config.limits.mesh_bytes_max;
        if !self.held && waiting > limit {
            self.held = true;
            self.peers.outputs.push_back(Output::Hold);
        } else if self.held && waiting <= limit / 2 {
            self.held = false;
            self.peers.outputs.push_back(Output::Release);
            self.resume_polls();
        }
    }
}

/// What one shard counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Sessions that were welcomed.
    pub sessions: u64,
    /// Clients that were refused for they could not prove who they are, or it could not be found
    /// out.
    pub authentications_failed: u64,
    /// Attempts of clients that are not listened to, after too many that failed.
    pub authentications_blocked: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages queued for peers.
    pub messages_out: u64,
    /// Sessions ended because their realm was removed, or because what they may do there was.
    pub reconfigured_sessions_ended: u64,
    /// Sessions ended because their outbox overflowed or stood still.
    pub slow_sessions_ended: u64,
    /// Sessions or connections ended for breaking the protocol.
    pub violations: u64,
    /// YIELDs and ERRORs that came too late and were dropped.
    pub late_answers: u64,
    /// EVENTs that were too long for their receiver, or had no form in its serializer, and were
    /// dropped.
    pub undeliverable_events: u64,
    /// Requests of sessions that may not do that.
    pub denials: u64,
    /// Times that a session did more than its rates allow and was held back.
    pub throttlings: u64,
    /// Sessions that were refused because memory was short.
    pub sessions_refused: u64,
    /// Events that were to be retained but were not, for lack of room.
    pub retentions_refused: u64,
}
