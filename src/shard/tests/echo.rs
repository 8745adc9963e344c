//! A core that knows nothing of WAMP: it gives back what it gets, and watches its driver closely.

use std::collections::VecDeque;
use std::time::Duration;

use crate::env::{Instant, Map, Random, hash_key};
use crate::router::advice::Question;
use crate::router::{ConnectionId, Counters, Input, Origin, Output, ShardId};
use crate::session::outbox::{Outbox, Spares};
use crate::shard::core::Core;

/// What the core does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Gives them back; pauses whoever does not read.
    Plain,
    /// Sends them through the next shard and back.
    Around { shards_count: u16 },
    /// Answers the first with this many octets and closes.
    Farewell(usize),
    /// Answers the first with where the connection came from, in 2,000 octets.
    Tell,
    /// Says one octet to everybody after this many milliseconds of nothing else.
    Tick(u64),
    /// Dies.
    Panic,
}

/// Octets in an outbox above which its peer is paused, and below which it is resumed.
const PAUSE: usize = 64 * 1024;
const RESUME: usize = 16 * 1024;

/// Octets on their way to another shard above which everybody is held.
const HOLD: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Peer {
    outbox: Outbox,
    is_listed: bool,
    is_paused: bool,
    is_closing: bool,
    origin: Origin,
    /// The driver has been told, so from now on it must be quiet.
    driver_knows_pause: bool,
}

#[derive(Debug)]
pub(super) struct Parcel {
    home: ShardId,
    connection: ConnectionId,
    bytes: Vec<u8>,
}

pub(super) struct Echo {
    style: Style,
    shard: ShardId,
    peers: Map<ConnectionId, Peer>,
    outputs: VecDeque<Output>,
    waiting: Map<u16, Vec<Parcel>>,
    /// Shards for which a relay was announced in this drain.
    announced: Vec<u16>,
    is_held: bool,
    driver_knows_hold: bool,
    last: Instant,
    deadline: Option<Instant>,
    counters: Counters,
}

impl Echo {
    pub(super) fn new(style: Style, shard: ShardId) -> Self {
        let mut random = Random::from_number(1);
        Self {
            style,
            shard,
            peers: Map::with_hasher(hash_key(&mut random)),
            outputs: VecDeque::new(),
            waiting: Map::with_hasher(hash_key(&mut random)),
            announced: Vec::new(),
            is_held: false,
            driver_knows_hold: false,
            last: Instant::default(),
            deadline: None,
            counters: Counters::default(),
        }
    }

    fn received(&mut self, now: Instant, connection: ConnectionId, bytes: &mut [u8]) {
        assert!(!bytes.is_empty() && bytes.len() < 1 << 20);
        assert!(!self.driver_knows_hold, "nothing is read while all are held");
        let peer = self.peers.get_mut(&connection).expect("only open connections are read");
        assert!(!peer.driver_knows_pause, "a paused connection is not read");
        self.counters.messages_in += 1;
        match self.style {
            Style::Plain => {
                peer.outbox.push(bytes, &mut Spares::default());
                if peer.outbox.bytes_count() > PAUSE && !peer.is_paused {
                    peer.is_paused = true;
                    self.outputs.push_back(Output::Pause { connection });
                }
                self.transmit(connection);
            }
            Style::Around { shards_count } => {
                let to = (self.shard.0 + 1) % shards_count;
                let parcel = Parcel { home: self.shard, connection, bytes: bytes.to_vec() };
                self.send(to, parcel);
            }
            Style::Farewell(count) => {
                if !peer.is_closing {
                    peer.is_closing = true;
                    peer.outbox.push(&vec![b'.'; count], &mut Spares::default());
                    self.transmit(connection);
                }
            }
            Style::Tell => {
                let told = format!("{:<2000}", format!("{:?}", peer.origin));
                peer.outbox.push(told.as_bytes(), &mut Spares::default());
                self.transmit(connection);
            }
            Style::Tick(millis) => self.deadline = Some(now + Duration::from_millis(millis)),
            Style::Panic => panic!("as asked"),
        }
    }

    fn send(&mut self, to: u16, parcel: Parcel) {
        self.waiting.entry(to).or_default().push(parcel);
        if self.waiting_bytes() > HOLD && !self.is_held {
            self.is_held = true;
            self.outputs.push_back(Output::Hold);
        }
    }

    #[expect(clippy::iter_over_hash_type, reason = "a sum has no order")]
    fn waiting_bytes(&self) -> usize {
        let mut sum = 0;
        for parcels in self.waiting.values() {
            sum += parcels.iter().map(|parcel| parcel.bytes.len()).sum::<usize>();
        }
        sum
    }

    fn transmit(&mut self, connection: ConnectionId) {
        let peer = self.peers.get_mut(&connection).unwrap();
        if !peer.is_listed {
            peer.is_listed = true;
            self.outputs.push_back(Output::Transmit { connection });
        }
    }

    fn transmitted(&mut self, connection: ConnectionId, count: usize) {
        let peer = self.peers.get_mut(&connection).expect("only open connections are written");
        peer.outbox.advance(count, &mut Spares::default());
        self.counters.messages_out += 1;
        if peer.is_paused && peer.outbox.bytes_count() < RESUME {
            peer.is_paused = false;
            self.outputs.push_back(Output::Resume { connection });
        }
        if peer.is_closing && peer.outbox.is_empty() {
            self.peers.remove(&connection);
            self.outputs.push_back(Output::Close { connection });
        }
    }

    fn everybody(&self) -> Vec<ConnectionId> {
        self.peers.keys().copied().collect()
    }

    fn note_polled(&mut self, output: Output) -> Output {
        match output {
            Output::Transmit { connection } => {
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.is_listed = false;
                }
            }
            Output::Pause { connection } => {
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.driver_knows_pause = true;
                }
            }
            Output::Resume { connection } => {
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.driver_knows_pause = false;
                }
            }
            Output::Hold => self.driver_knows_hold = true,
            Output::Release => self.driver_knows_hold = false,
            Output::Close { .. } | Output::Relay { .. } | Output::Ask => {}
        }
        output
    }
}

impl Core for Echo {
    type Batch = Vec<Parcel>;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        assert!(now >= self.last, "time does not go back");
        self.last = now;
        match input {
            Input::Opened { connection, origin } => {
                assert!(origin.peer.contains(':'));
                let peer = Peer { origin, ..Peer::default() };
                let before = self.peers.insert(connection, peer);
                assert!(before.is_none(), "an id is used once");
                self.counters.connections += 1;
            }
            Input::Received { connection, bytes } => self.received(now, connection, bytes),
            Input::Transmitted { connection, count } => self.transmitted(connection, count),
            Input::Closed { connection } => {
                let gone = self.peers.remove(&connection);
                assert!(gone.is_some(), "a connection is closed once, and not by both");
                self.counters.violations += 1;
            }
            Input::DeadlineReached => {
                assert!(self.deadline.take().expect("a deadline was set") <= now);
                for connection in self.everybody() {
                    let peer = self.peers.get_mut(&connection).unwrap();
                    peer.outbox.push(b"!", &mut Spares::default());
                    self.transmit(connection);
                }
            }
            Input::ShutDown => {
                for connection in self.everybody() {
                    self.peers.remove(&connection);
                    self.outputs.push_back(Output::Close { connection });
                }
            }
            Input::Configured => self.counters.late_answers += 1,
            Input::Relayed { .. } => unreachable!("relays have a door of their own"),
            Input::Answered { .. } => unreachable!("it asks nothing"),
        }
    }

    fn handle_relayed(&mut self, _: Instant, from: ShardId, batch: Vec<Parcel>) {
        assert_ne!(from, self.shard);
        for parcel in batch {
            if parcel.home != self.shard {
                self.send(parcel.home.0, parcel);
            } else if let Some(peer) = self.peers.get_mut(&parcel.connection) {
                peer.outbox.push(&parcel.bytes, &mut Spares::default());
                self.transmit(parcel.connection);
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(self.note_polled(output));
        }
        let mut waiting: Vec<u16> = self.waiting.keys().copied().collect();
        waiting.sort_unstable();
        if let Some(&to) = waiting.iter().find(|to| !self.announced.contains(to)) {
            self.announced.push(to);
            return Some(Output::Relay { to: ShardId(to) });
        }
        self.announced.clear();
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn outbox(&mut self, connection: ConnectionId) -> Option<&mut Outbox> {
        self.peers.get_mut(&connection).map(|peer| &mut peer.outbox)
    }

    fn take_batch(&mut self, to: ShardId) -> Vec<Parcel> {
        let batch = self.waiting.remove(&to.0).expect("a batch is taken when it was announced");
        if self.is_held && self.waiting_bytes() < HOLD / 2 {
            self.is_held = false;
            self.outputs.push_back(Output::Release);
        }
        batch
    }

    fn take_question(&mut self) -> Option<Question> {
        None
    }

    fn bytes_count(batch: &Vec<Parcel>) -> usize {
        batch.iter().map(|parcel| parcel.bytes.len()).sum()
    }

    fn connections_count(&self) -> usize {
        self.peers.len()
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}
