//! A machine without hardware: n routers, the queues between them, sockets that are pipes, and a
//! clock that someone else turns.
//!
//! What a driver owes a router is kept here to the letter: outputs are drained before anything
//! waits, a batch is taken only when its queue has room, nothing is read from a connection that is
//! paused or from a shard that is on hold. *When* anything happens is decided by the caller.

use std::collections::VecDeque;
use std::sync::Arc;

use super::network::Pipe;
use crate::env::{Instant, Random};
use crate::router::advice::{Errand, Question, Reply};
use crate::router::config::Config;
use crate::router::{Batch, Changes, Input, Origin, Output, Router, Shared};
use crate::session::{ConnectionId, ShardId};

/// Ways to answer a question.
pub const ANSWERS_COUNT: usize = 5;

/// One connection: a peer's end, two pipes, a router's end. An index into [`Machine::links`].
pub type LinkId = usize;

/// One connection between a peer and a router.
#[derive(Debug)]
pub struct Link {
    /// Where the router's end is.
    pub shard: usize,
    /// What the router calls it.
    pub connection: ConnectionId,
    /// From the peer to the router.
    pub up: Pipe,
    /// From the router to the peer.
    pub down: Pipe,
    /// The router does not want to read from it.
    pub paused: bool,
    /// The router has something to write.
    pub writing: bool,
    /// The router's end is there.
    pub open: bool,
    /// The peer's end is there.
    pub peer_open: bool,
}

/// n routers and everything between them.
#[derive(Debug)]
pub struct Machine {
    /// What the routers share.
    pub shared: Arc<Shared>,
    /// One per shard.
    pub routers: Vec<Router>,
    /// All connections there ever were.
    pub links: Vec<Link>,
    /// The time.
    pub now: Instant,
    /// What routers have asked of those outside, by shard, and nobody has answered.
    pub questions: Vec<(usize, Question)>,
    /// How often routers asked not to be given anything of one peer.
    pub pauses_count: u64,
    /// How often routers asked not to be given anything of any peer.
    pub holds_count: u64,
    shards: Vec<Shard>,
    mesh_depth: usize,
}

/// What the driver of one shard knows.
#[derive(Debug, Default)]
struct Shard {
    /// Batches from each other shard.
    queues: Vec<VecDeque<Batch>>,
    /// Uses of each slot so far, and what it is used for now.
    slots: Vec<(u32, Option<LinkId>)>,
    held: bool,
    /// Inputs were handled, and the outputs not drained yet.
    undrained: bool,
    /// Shards for which a batch waits because the queue is full.
    waits_for: Vec<usize>,
    /// The configuration has changed, and it was not told.
    untold: bool,
}

/// Something that can happen to a [`Machine`] on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The router reads.
    Receive(LinkId),
    /// The router writes.
    Transmit(LinkId),
    /// The router hears that a peer is gone.
    Close(LinkId),
    /// A shard takes a batch of another.
    Relay {
        /// The shard that sent it.
        from: usize,
        /// The shard that takes it.
        to: usize,
    },
    /// A shard does what its router asks for.
    Drain(usize),
    /// A shard's deadline has come.
    Wake(usize),
    /// A shard is told that the configuration has changed.
    Configure(usize),
    /// Somebody outside answers the question in that place of [`Machine::questions`].
    Answer(usize),
}

impl Machine {
    /// `shards_count` routers that run `config`, joined by queues of `mesh_depth` batches.
    #[must_use]
    pub fn new(config: Config, shards_count: u16, mesh_depth: usize, random: &mut Random) -> Self {
        let mut seed = || {
            let mut seed = [0; 32];
            random.fill(&mut seed);
            seed
        };
        let shared = Shared::new(Arc::new(config), shards_count, seed(), Instant::default());
        let shards = 0..shards_count;
        let routers =
            shards.clone().map(|shard| Router::new(ShardId(shard), &shared, seed())).collect();
        let queues = || shards.clone().map(|_| VecDeque::new()).collect();
        let shards =
            shards.clone().map(|_| Shard { queues: queues(), ..Shard::default() }).collect();
        Self {
            shared,
            routers,
            links: Vec::new(),
            now: Instant::default(),
            questions: Vec::new(),
            pauses_count: 0,
            holds_count: 0,
            shards,
            mesh_depth,
        }
    }

    /// How many shards there are.
    #[must_use]
    pub const fn shards_count(&self) -> usize {
        self.routers.len()
    }

    /// A new connection to `shard`; the pipe to its peer holds `capacity` octets.
    pub fn open(&mut self, shard: usize, capacity: usize) -> LinkId {
        let origin = Origin { peer: "sim:peer".into(), ..Origin::default() };
        self.open_from(origin, shard, capacity)
    }

    /// The same, for a peer that comes from `origin`.
    pub fn open_from(&mut self, origin: Origin, shard: usize, capacity: usize) -> LinkId {
        let link = self.links.len();
        let slots = &mut self.shards[shard].slots;
        // The slot that became free first is used first; any rule would do.
        let free = slots.iter().position(|(_, used)| used.is_none());
        let slot = free.unwrap_or_else(|| {
            slots.push((0, None));
            slots.len() - 1
        });
        slots[slot].0 += 1;
        slots[slot].1 = Some(link);
        let connection = ConnectionId {
            slot: u32::try_from(slot).expect("few connections"),
            generation: slots[slot].0,
        };
        self.links.push(Link {
            shard,
            connection,
            up: Pipe::new(usize::MAX),
            down: Pipe::new(capacity),
            paused: false,
            writing: false,
            open: true,
            peer_open: true,
        });
        self.handle(shard, Input::Opened { connection, origin });
        link
    }

    /// Whether the router may be given octets from `link` now.
    #[must_use]
    pub fn can_receive(&self, link: LinkId) -> bool {
        let Link { open, paused, up, .. } = &self.links[link];
        let held = self.shards[self.links[link].shard].held;
        *open && !paused && !held && !up.is_empty() && !up.stalled
    }

    /// Gives the router up to `count` octets from `link`. Says how many it gave.
    pub fn receive(&mut self, link: LinkId, count: usize) -> usize {
        assert!(self.can_receive(link), "the router does not want to read");
        let Link { shard, connection, .. } = self.links[link];
        let mut bytes = self.links[link].up.take(count);
        let count = bytes.len();
        let bytes = &mut bytes;
        self.handle(shard, Input::Received { connection, bytes });
        count
    }

    /// Whether the router has something to write to `link` and there is room for it.
    #[must_use]
    pub fn can_transmit(&self, link: LinkId) -> bool {
        let Link { open, writing, down, .. } = &self.links[link];
        *open && *writing && down.room() > 0 && !down.stalled
    }

    /// Takes up to `count` octets, as many as there is room for, from the outbox of `link`.
    /// Says how many it took.
    pub fn transmit(&mut self, link: LinkId, count: usize) -> usize {
        let Link { shard, connection, .. } = self.links[link];
        let Some(outbox) = self.routers[shard].outbox(connection) else {
            self.links[link].writing = false;
            return 0;
        };
        let room = count.min(self.links[link].down.room());
        let mut bytes: Vec<u8> = Vec::new();
        for slice in outbox.slices() {
            let part = slice.len().min(room - bytes.len());
            bytes.extend_from_slice(&slice[..part]);
        }
        let count = bytes.len();
        self.links[link].writing = count < outbox.bytes_count();
        self.links[link].down.push(&bytes);
        self.handle(shard, Input::Transmitted { connection, count });
        count
    }

    /// Whether the peer at `link` can be told that nothing more will come.
    #[must_use]
    pub fn is_over(&self, link: LinkId) -> bool {
        let Link { open, down, .. } = &self.links[link];
        !open && down.is_empty()
    }

    /// Whether a batch from one shard to another is under way.
    #[must_use]
    pub fn can_relay(&self, from: usize, to: usize) -> bool {
        !self.shards[to].queues[from].is_empty()
    }

    /// Hands over one batch; the queue must hold one. Says how many relays were in it.
    pub fn relay(&mut self, from: usize, to: usize) -> usize {
        let batch = self.shards[to].queues[from].pop_front();
        let batch = batch.expect("the caller asked first");
        let (count, from) = (batch.len(), ShardId(u16::try_from(from).expect("few shards")));
        self.handle(to, Input::Relayed { from, batch });
        count
    }

    /// Whether the router of `shard` may ask for something that can be done now.
    #[must_use]
    pub fn can_drain(&self, shard: usize) -> bool {
        let room = |to: &usize| self.shards[*to].queues[shard].len() < self.mesh_depth;
        let Shard { undrained, waits_for, .. } = &self.shards[shard];
        *undrained || waits_for.iter().any(room)
    }

    /// Everything that can happen now.
    #[must_use]
    pub fn possible(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for link in 0..self.links.len() {
            if !self.links[link].open {
                continue;
            }
            let can = [
                (self.can_receive(link), Action::Receive(link)),
                (self.can_transmit(link), Action::Transmit(link)),
                (self.can_close(link), Action::Close(link)),
            ];
            actions.extend(can.into_iter().filter(|(can, _)| *can).map(|(_, action)| action));
        }
        actions.extend((0..self.questions.len()).map(Action::Answer));
        for to in 0..self.shards_count() {
            let from = (0..self.shards_count()).filter(|from| self.can_relay(*from, to));
            actions.extend(from.map(|from| Action::Relay { from, to }));
            if self.can_drain(to) {
                actions.push(Action::Drain(to));
            }
            if self.is_due(to) {
                actions.push(Action::Wake(to));
            }
            if self.shards[to].untold {
                actions.push(Action::Configure(to));
            }
        }
        actions
    }

    /// Lets `action` happen. `count` bounds the octets or says how many, where there are any;
    /// returns how many there were.
    pub fn perform(&mut self, action: Action, count: usize) -> usize {
        match action {
            Action::Receive(link) => return self.receive(link, count),
            Action::Transmit(link) => return self.transmit(link, count),
            Action::Relay { from, to } => return self.relay(from, to),
            Action::Close(link) => self.close(link),
            Action::Drain(shard) => self.drain(shard),
            Action::Wake(shard) => self.wake(shard),
            Action::Configure(shard) => {
                self.shards[shard].untold = false;
                self.handle(shard, Input::Configured);
            }
            Action::Answer(place) => self.answer(place, count),
        }
        0
    }

    /// The shard that `action` happens on.
    #[must_use]
    pub fn shard_of(&self, action: Action) -> usize {
        match action {
            Action::Receive(link) | Action::Transmit(link) | Action::Close(link) => {
                self.links[link].shard
            }
            Action::Relay { to: shard, .. }
            | Action::Drain(shard)
            | Action::Wake(shard)
            | Action::Configure(shard) => shard,
            Action::Answer(place) => self.questions[place].0,
        }
    }

    /// Whether `shard` has asked not to be given anything from peers.
    #[must_use]
    pub fn is_held(&self, shard: usize) -> bool {
        self.shards[shard].held
    }

    /// The peer's end of `link` goes away. What is under way to the router gets there first,
    /// unless it is `lost`.
    pub fn hang_up(&mut self, link: LinkId, lost: bool) {
        let Link { up, peer_open, .. } = &mut self.links[link];
        *peer_open = false;
        if lost {
            up.lose();
        }
    }

    /// Whether the router can be told that the peer of `link` is gone: what it sent was read, or
    /// is not wanted, and writing to it fails.
    #[must_use]
    pub fn can_close(&self, link: LinkId) -> bool {
        let link = &self.links[link];
        link.open && !link.peer_open && (link.up.is_empty() || link.paused)
    }

    /// Tells the router that the peer of `link` is gone.
    pub fn close(&mut self, link: LinkId) {
        let Link { shard, connection, .. } = self.links[link];
        self.free(link);
        self.handle(shard, Input::Closed { connection });
    }

    /// The next moment at which some router wants to be woken.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.routers.iter().filter_map(Router::next_deadline).min()
    }

    /// Whether the router of `shard` is to be woken now.
    #[must_use]
    pub fn is_due(&self, shard: usize) -> bool {
        let due = self.routers[shard].next_deadline();
        due.is_some_and(|due| due <= self.now)
    }

    /// Wakes the router of `shard`.
    pub fn wake(&mut self, shard: usize) {
        self.handle(shard, Input::DeadlineReached);
    }

    /// Changes the configuration. Each router is told of it in an action of its own.
    pub fn configure(&mut self, config: Config, random: &mut Random) -> Changes {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let configured = self.shared.configure(config, seed, self.now);
        let (shared, changes) = configured.expect("listeners stay, and realms are few");
        self.shared = shared;
        self.shards.iter_mut().for_each(|shard| shard.untold = true);
        changes
    }

    /// Answers a question: what with, the number says, and each answer is as likely.
    pub fn answer(&mut self, place: usize, number: usize) {
        let (shard, question) = self.questions.swap_remove(place);
        let compares = matches!(question.errand, Errand::Compare { .. });
        let body = |text: &str| Reply::Body(text.as_bytes().to_vec());
        let reply = match number % ANSWERS_COUNT {
            equal @ (0 | 1) if compares => Reply::Compared(equal == 1),
            0 => body("false"),
            1 => body("true"),
            2 => body("{\"allow\": 1, "),
            3 => body("{\"allow\": true, \"cache\": false}"),
            _ => Reply::Failed("nobody is there".to_owned()),
        };
        self.handle(shard, Input::Answered { question: question.id, reply });
    }

    /// Tells the router of `shard` to say goodbye to everybody.
    pub fn shut_down(&mut self, shard: usize) {
        self.handle(shard, Input::ShutDown);
    }

    /// Does what the router of `shard` asks for, until it asks for nothing.
    pub fn drain(&mut self, shard: usize) {
        let mut transmits = Vec::new();
        self.shards[shard].undrained = false;
        self.shards[shard].waits_for.clear();
        while let Some(output) = self.routers[shard].poll_output() {
            match output {
                Output::Transmit { connection } => {
                    assert!(!transmits.contains(&connection), "two transmits in one drain");
                    transmits.push(connection);
                    if let Some(link) = self.link(shard, connection) {
                        self.links[link].writing = true;
                    }
                }
                Output::Pause { connection } => self.set_paused(shard, connection, true),
                Output::Resume { connection } => self.set_paused(shard, connection, false),
                Output::Hold => self.set_held(shard, true),
                Output::Release => self.set_held(shard, false),
                Output::Close { connection } => {
                    // A connection whose peer went at the same moment is known to be closed.
                    if let Some(link) = self.link(shard, connection) {
                        self.free(link);
                    }
                }
                Output::Relay { to } => {
                    assert_ne!(usize::from(to.0), shard, "a relay to oneself");
                    let queue = &mut self.shards[usize::from(to.0)].queues[shard];
                    if queue.len() >= self.mesh_depth {
                        self.shards[shard].waits_for.push(usize::from(to.0));
                        continue;
                    }
                    let batch = self.routers[shard].take_batch(to);
                    assert!(!batch.is_empty(), "an empty batch was announced");
                    queue.push_back(batch);
                }
                Output::Ask => {
                    let question = self.routers[shard].take_question();
                    self.questions.extend(question.map(|question| (shard, question)));
                }
            }
        }
    }

    /// What is still on its way, as a sentence; nothing if all is quiet.
    #[must_use]
    pub fn what_moves(&self) -> Option<String> {
        for (number, link) in self.links.iter().enumerate().filter(|(_, link)| link.open) {
            if !link.up.is_empty() || link.writing {
                return Some(format!("link {number}: {link:?}"));
            }
        }
        if let Some((shard, question)) = self.questions.first() {
            return Some(format!("shard {shard} asks: {question:?}"));
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let queued = shard.queues.iter().any(|queue| !queue.is_empty());
            if shard.held || shard.undrained || !shard.waits_for.is_empty() || queued {
                return Some(format!("shard {number}: {shard:?}"));
            }
        }
        None
    }

    fn handle(&mut self, shard: usize, input: Input<'_>) {
        self.shards[shard].undrained = true;
        self.routers[shard].handle(self.now, input);
    }

    fn link(&self, shard: usize, connection: ConnectionId) -> Option<LinkId> {
        let (generation, link) = *self.shards[shard].slots.get(connection.slot as usize)?;
        link.filter(|_| generation == connection.generation)
    }

    fn set_paused(&mut self, shard: usize, connection: ConnectionId, paused: bool) {
        if let Some(link) = self.link(shard, connection) {
            assert_ne!(self.links[link].paused, paused, "paused or resumed twice");
            self.links[link].paused = paused;
            self.pauses_count += u64::from(paused);
        }
    }

    fn set_held(&mut self, shard: usize, held: bool) {
        assert_ne!(self.shards[shard].held, held, "held or released twice");
        self.shards[shard].held = held;
        self.holds_count += u64::from(held);
    }

    fn free(&mut self, link: LinkId) {
        let Link { shard, connection, .. } = self.links[link];
        self.links[link].open = false;
        self.links[link].up.lose();
        self.shards[shard].slots[connection.slot as usize].1 = None;
    }
}
