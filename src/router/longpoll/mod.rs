//! Connections without a socket: sessions whose messages come and go in HTTP requests.
//!
//! A transport that was opened by long-poll is a connection like any other (a session, an outbox,
//! a phase, deadlines), but its slot is none of the driver's. What waits in its outbox is taken by
//! *receive* requests, and what it says comes in *send* requests, over whichever sockets, on
//! whichever shards:
//!
//! ```text
//!  shard of the socket                                   shard of the transport
//!  bytes ▸ Transport ▸ on_request ───── Poll ─────▶ on_poll ▸ held, waiting ▸ serve
//!  outbox ◂ Transport ◂ deliver  ◂──── Polled ────── reply ◂ outbox, session
//! ```
//!
//! Both ways go through the one queue of each pair of shards. A socket's next request is read when
//! the one before it is answered, so requests of one socket stay in order, and the sends that can
//! be under way are as many as there are sockets. Sends of one transport that come by several
//! sockets are taken in the order in which they arrive here.
//!
//! There is at most one receive per transport; a later one takes the place of the one before it,
//! which may have been left behind by a network that broke.

mod socket;
mod transport;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::deadline::Handle;
use super::{ConnectionId, ShardId};
use crate::wire::Serializer;
use crate::wire::longpoll::{Deed, Verdict};

/// Octets of chance in the name of a transport: whoever has the name has the session.
const SECRET_BYTES: usize = 16;

/// Octets of a whole name, before they are written as text.
const NAME_BYTES: usize = 2 + 4 + SECRET_BYTES;

/// Where a transport is, and what only its client knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    shard: ShardId,
    slot: u32,
    secret: [u8; SECRET_BYTES],
}

/// Who waits for an answer: a socket and its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    shard: ShardId,
    connection: ConnectionId,
}

/// What is to be done with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// What the client asks; it is answered.
    Do(Deed),
    /// Who asked to receive waits no more.
    Abandon,
    /// Messages for the client could not be written: they are lost, and so is the session.
    Lose,
}

/// What [`Head::Poll`](super::relay::Head::Poll) carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollRequest {
    address: Address,
    asker: Asker,
    /// The listener by which it came.
    listener: u16,
    errand: Errand,
}

/// What [`Head::Polled`](super::relay::Head::Polled) carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollReply {
    connection: ConnectionId,
    verdict: Verdict,
    /// The transport whose messages these are.
    address: Address,
}

/// What makes a connection of one without a socket.
#[derive(Debug)]
pub(super) struct Poll {
    secret: [u8; SECRET_BYTES],
    is_batched: bool,
    /// The receive that waits for something to come.
    held: Option<Asker>,
    /// Sends that are not taken yet, in order, and how many octets of each were.
    waiting: VecDeque<(Asker, Box<[u8]>, usize)>,
    /// When `held` has waited long enough or, without it, the client has been silent for too long.
    deadline: Option<Handle>,
}

/// What an HTTP client has asked.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The transport whose answer is awaited.
    open: Option<Address>,
    /// Transports that were opened over this connection.
    opens_count: u16,
    /// The transport whose messages were the last to be written.
    given: Option<Address>,
}

/// An answer on its way to a socket of this shard.
#[derive(Debug)]
struct Reply {
    connection: ConnectionId,
    verdict: Verdict,
    /// Of whom, unless nobody was asked.
    address: Option<Address>,
    serializer: Serializer,
    body: Vec<u8>,
}

/// What the long-poll transport needs of a shard beside its connections.
#[derive(Debug)]
pub(super) struct LongPoll {
    /// Answers for sockets of this shard; empty between two inputs.
    replies: VecDeque<Reply>,
    /// HTTP clients that sent something; empty between two inputs.
    heard: Vec<ConnectionId>,
    /// Sends that are not taken yet, of all transports.
    waiting_count: usize,
    /// Transports of all shards.
    transports_count: Arc<AtomicUsize>,
}

impl Address {
    /// The name by which a client knows a transport.
    fn name(&self) -> String {
        let mut octets = [0; NAME_BYTES];
        octets[..2].copy_from_slice(&self.shard.0.to_be_bytes());
        octets[2..6].copy_from_slice(&self.slot.to_be_bytes());
        octets[6..].copy_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn parse(name: &str, shards_count: u16) -> Option<Self> {
        let mut octets = [0; NAME_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(name, &mut octets) != Ok(NAME_BYTES) {
            return None;
        }
        let (shard, rest) = octets.split_first_chunk()?;
        let (slot, rest) = rest.split_first_chunk()?;
        let (shard, slot) = (u16::from_be_bytes(*shard), u32::from_be_bytes(*slot));
        let secret = *rest.first_chunk()?;
        (shard < shards_count).then_some(Self { shard: ShardId(shard), slot, secret })
    }
}

impl Poll {
    /// What the client has chosen to speak, in this serializer.
    pub(super) const fn subprotocol(&self, serializer: Serializer) -> &'static str {
        match self.is_batched {
            true => serializer.batched_subprotocol(),
            false => serializer.subprotocol(),
        }
    }

    /// Whether `secret` is its own. It takes as long whether it is nearly so or not at all.
    fn is_of(&self, secret: &[u8; SECRET_BYTES]) -> bool {
        let differences = self.secret.iter().zip(secret).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differences) == 0
    }
}

impl LongPoll {
    pub(super) fn new(transports_count: &Arc<AtomicUsize>) -> Self {
        Self {
            replies: VecDeque::new(),
            heard: Vec::new(),
            waiting_count: 0,
            transports_count: Arc::clone(transports_count),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.waiting_count == 0
    }

    /// Takes one of the places that there are for transports in this process.
    fn take_place(&self, places_max: usize) -> bool {
        let before = self.transports_count.fetch_add(1, Ordering::Relaxed);
        if before >= places_max {
            self.give_place_back();
        }
        before < places_max
    }

    /// Whether no transport is open in this process.
    fn is_unused(&self) -> bool {
        self.transports_count.load(Ordering::Relaxed) == 0
    }

    fn give_place_back(&self) {
        self.transports_count.fetch_sub(1, Ordering::Relaxed);
    }
}
