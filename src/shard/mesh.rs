//! What shards share: a queue for every ordered pair of them, and what the rest of the process
//! may touch of each.
//!
//! ```text
//!            acceptor ── newcomers ──▶ ┌────────┐
//!            server ──── shut down ──▶ │ gate 0 │──▶ shard 0 ──┐ line 0→1
//!            watchdog ─ turns, waker ─ └────────┘      ▲        ▼
//!                                              line 1→0└──── shard 1 ◀── gate 1
//! ```
//!
//! A line never drops and never reorders. What does not fit waits in the sending router, which
//! stops reading from its clients when that grows too long.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crossbeam_queue::ArrayQueue;

use super::counsel::{Answering, Counsel};
use super::driver::sys::EventFd;
use super::line::{Line, Sleeper};
use super::vestibule::Door;
use super::vestibule::admission::Permit;
use crate::router::advice::{Question, QuestionId, Reply};
use crate::router::notice::Notice;
use crate::router::{Counters, Origin, ShardId};

/// Batches that one shard may have under way to another.
///
/// One drain gives at most one batch per shard, however much it holds, so a short queue costs no
/// throughput: a busy receiver finds fewer, larger batches. What waits beyond it is counted, and
/// bounded in octets, by the sending router.
pub(super) const MESH_DEPTH: usize = 64;

/// Octets in one line behind which nothing more is sent: what one shard holds for another that
/// does not take it is bounded by this, by the sending router's own bound, and by one batch.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Connections that were accepted but not yet seen by their shard.
const NEWCOMERS_MAX: usize = 1_024;

/// What one shard may have to tell an operator before anybody listens.
const NOTICES_MAX: usize = 64;

/// Answers from outside that one shard has not taken yet.
const ANSWERS_MAX: usize = 1_024;

/// A connection on its way from the acceptor to its shard.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// Not blocking, close-on-exec.
    pub(super) socket: OwnedFd,
    /// Where it came from, as far as the kernel knows.
    pub(super) origin: Origin,
    /// What it came by.
    pub(super) door: Arc<Door>,
    /// Its place among those of its address.
    pub(super) permit: Option<Permit>,
}

/// What the rest of the process may touch of one shard.
#[derive(Debug)]
pub(super) struct Gate {
    sleeper: Sleeper,
    bell: EventFd,
    /// Connections for it, in the order they were accepted.
    pub(super) newcomers: ArrayQueue<Newcomer>,
    /// Answers to its questions, in the order in which they came.
    pub(super) answers: ArrayQueue<(QuestionId, Reply)>,
    /// Connections it has or will have: counted up by the acceptor, down by the shard.
    pub(super) connections: AtomicUsize,
    /// Turns of its loop.
    turns: AtomicU64,
    shut_down: AtomicBool,
    /// How often the configuration has changed, and how often the shard has taken note of it.
    configured: [AtomicU64; 2],
    /// Wakes its task, where it is one.
    pub(super) waker: OnceLock<Waker>,
    counters: ArrayQueue<Counters>,
    /// What an operator should hear of; the latest is lost if nobody takes any.
    notices: ArrayQueue<Notice>,
}

impl Gate {
    /// Of a shard that is not up yet.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            sleeper: Sleeper::new(),
            bell: EventFd::new()?,
            newcomers: ArrayQueue::new(NEWCOMERS_MAX),
            answers: ArrayQueue::new(ANSWERS_MAX),
            connections: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            shut_down: AtomicBool::new(false),
            configured: Default::default(),
            waker: OnceLock::new(),
            counters: ArrayQueue::new(1),
            notices: ArrayQueue::new(NOTICES_MAX),
        })
    }

    /// Wakes the shard if it sleeps; to be called after doing something that concerns it.
    pub(super) fn ring(&self) {
        if self.sleeper.must_be_woken() {
            self.bell.ring();
        }
    }

    /// What becomes readable when the shard is rung for.
    pub(super) const fn bell(&self) -> &EventFd {
        &self.bell
    }

    /// By the shard: see [`Sleeper`].
    pub(super) const fn sleeper(&self) -> &Sleeper {
        &self.sleeper
    }

    /// By the shard: another turn begins.
    pub(super) fn count_turn(&self) {
        // The shard alone writes it.
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Turns so far.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Tells the shard that the configuration has changed. Whatever was changed before is seen by
    /// the shard when it takes note.
    pub(super) fn configure(&self) {
        self.configured[0].fetch_add(1, Ordering::Release);
        self.ring();
    }

    /// How often the configuration has changed, if the shard has not taken note of all of it.
    pub(super) fn configured(&self) -> Option<u64> {
        let [told, noted] = &self.configured;
        let told = told.load(Ordering::Acquire);
        (told != noted.load(Ordering::Acquire)).then_some(told)
    }

    /// By the shard: it has taken note of so many changes.
    pub(super) fn note_configured(&self, count: u64) {
        self.configured[1].store(count, Ordering::Release);
    }

    /// Asks the shard to say goodbye to everyone and to end.
    pub(super) fn shut_down(&self) {
        self.shut_down.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether it was asked to.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// By the shard: shows `counters` to the others.
    pub(super) fn publish(&self, counters: Counters) {
        self.counters.force_push(counters);
    }

    /// By the shard: has an operator hear of something.
    pub(super) fn tell(&self, notice: Notice) {
        // Who does not listen misses it.
        let _ = self.notices.push(notice);
    }

    /// What an operator should hear of since this was asked last.
    pub(super) fn take_notices(&self) -> impl Iterator<Item = Notice> + '_ {
        std::iter::from_fn(|| self.notices.pop())
    }

    /// What the shard showed last; nothing but zeroes before it is up.
    pub(super) fn counters(&self) -> Counters {
        let Some(counters) = self.counters.pop() else {
            return Counters::default();
        };
        // If this fails, the shard has shown newer ones meanwhile, and those stay.
        let _ = self.counters.push(counters);
        counters
    }
}

/// The lines of all pairs of shards, and their gates.
#[derive(Debug)]
pub(super) struct Mesh<B> {
    /// By sender, then by receiver.
    lines: Box<[Line<B>]>,
    gates: Arc<[Gate]>,
    /// Shards that are still needed by the others; see [`leave`](Self::leave).
    remaining: AtomicUsize,
    /// Whom shards ask what they do not find out themselves.
    counsel: Option<Arc<dyn Counsel>>,
}

impl<B> Mesh<B> {
    /// For as many shards as there are `gates`, with up to `depth` batches per line.
    pub(super) fn new(gates: Arc<[Gate]>, depth: usize) -> Self {
        let lines =
            (0..gates.len() * gates.len()).map(|_| Line::new(depth, LINE_BYTES_MAX)).collect();
        let remaining = AtomicUsize::new(gates.len());
        Self { lines, gates, remaining, counsel: None }
    }

    /// The same, with somebody to ask.
    pub(super) fn advised_by(self, counsel: Option<Arc<dyn Counsel>>) -> Self {
        Self { counsel, ..self }
    }

    /// Passes on a question of the shard `from`, or says why nobody will answer it.
    pub(super) fn ask(&self, from: ShardId, question: Question) -> Result<(), &'static str> {
        let answering = Answering::new(Arc::clone(&self.gates), from, question.id);
        let counsel = self.counsel.as_ref().ok_or("there is nobody to ask")?;
        counsel.ask(question, answering)
    }

    /// The shards of this mesh.
    pub(super) fn shards(&self) -> impl Iterator<Item = ShardId> + use<B> {
        let count = u16::try_from(self.gates.len()).expect("there are at most SHARDS_MAX shards");
        (0..count).map(ShardId)
    }

    /// The gate of one shard.
    pub(super) fn gate(&self, shard: ShardId) -> &Gate {
        &self.gates[usize::from(shard.0)]
    }

    /// Whether `from` may send a batch to `to`. If not, and if it asks again between lying down
    /// and sleeping, it will be woken when it may.
    pub(super) fn has_room(&self, from: ShardId, to: ShardId) -> bool {
        self.line(from, to).has_room()
    }

    /// Appends a batch of so many octets, after [`has_room`](Self::has_room), and wakes the
    /// receiver.
    pub(super) fn send(&self, (from, to): (ShardId, ShardId), batch: B, bytes_count: usize) {
        self.line(from, to).send(batch, bytes_count);
        self.gate(to).ring();
    }

    /// Takes the oldest batch that `from` has sent to `to`.
    pub(super) fn take(&self, from: ShardId, to: ShardId) -> Option<B> {
        self.line(from, to).take()
    }

    /// By the receiver, after it took something: wakes the sender if that waits for room.
    pub(super) fn tell_room(&self, from: ShardId, to: ShardId) {
        if self.line(from, to).was_congested() {
            self.gate(from).ring();
        }
    }

    /// Whether a batch for `to` waits.
    pub(super) fn has_mail(&self, to: ShardId) -> bool {
        self.shards().any(|from| !self.line(from, to).is_empty())
    }

    /// Says that the caller, who was asked to shut down, has nothing left to do for itself. It
    /// stays in the mesh until all others have said so too, because they may still send to it.
    pub(super) fn leave(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gates.iter().for_each(Gate::ring);
        }
    }

    /// Whether every shard has left.
    pub(super) fn is_over(&self) -> bool {
        self.remaining.load(Ordering::Acquire) == 0
    }

    fn line(&self, from: ShardId, to: ShardId) -> &Line<B> {
        &self.lines[usize::from(from.0) * self.gates.len() + usize::from(to.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(shards: usize, depth: usize) -> Mesh<u32> {
        Mesh::new((0..shards).map(|_| Gate::new().unwrap()).collect(), depth)
    }

    #[test]
    fn lines_are_ordered_bounded_and_separate() {
        let (mesh, a, b) = (mesh(2, 2), ShardId(0), ShardId(1));
        mesh.send((a, b), 1, 1);
        mesh.send((a, b), 2, 1);
        assert!(!mesh.has_room(a, b));
        assert!(mesh.has_room(b, a));
        assert!(mesh.has_mail(b) && !mesh.has_mail(a));
        assert_eq!(mesh.take(b, a), None);
        assert_eq!(mesh.take(a, b), Some(1));
        assert!(mesh.has_room(a, b));
        mesh.send((a, b), 3, 1);
        assert_eq!((mesh.take(a, b), mesh.take(a, b)), (Some(2), Some(3)));
        assert_eq!(mesh.take(a, b), None);
    }

    #[test]
    fn a_line_that_weighs_too_much_is_full() {
        let (mesh, a, b) = (mesh(2, 64), ShardId(0), ShardId(1));
        mesh.send((a, b), 1, LINE_BYTES_MAX - 1);
        assert!(mesh.has_room(a, b));
        mesh.send((a, b), 2, LINE_BYTES_MAX);
        assert!(!mesh.has_room(a, b));
        assert_eq!(mesh.take(a, b), Some(1));
        assert!(!mesh.has_room(a, b));
        assert_eq!(mesh.take(a, b), Some(2));
        assert!(mesh.has_room(a, b));
    }

    #[test]
    fn the_bell_rings_once_per_sleep_and_only_for_sleepers() {
        let (mesh, a, b) = (mesh(2, 2), ShardId(0), ShardId(1));
        let rings = |shard| {
            let fd = std::os::fd::AsFd::as_fd(mesh.gate(shard).bell());
            let wait = Some(std::time::Duration::ZERO);
            super::super::driver::sys::poll_readable(&[fd], wait).unwrap()[0]
        };
        mesh.gate(a).sleeper().get_up();
        mesh.gate(b).sleeper().get_up();
        mesh.send((a, b), 1, 1);
        assert!(!rings(b));
        mesh.gate(b).sleeper().lie_down();
        mesh.send((a, b), 2, 1);
        assert!(rings(b) && !rings(a));
        mesh.gate(b).bell().clear();
        assert!(!mesh.gate(b).sleeper().must_be_woken(), "it was told already");

        // The other way round: the sender sleeps because there is no room.
        assert!(!mesh.has_room(a, b));
        mesh.gate(a).sleeper().lie_down();
        assert_eq!(mesh.take(a, b), Some(1));
        mesh.tell_room(a, b);
        assert!(rings(a));
    }

    #[test]
    fn the_last_to_leave_wakes_the_others() {
        let mesh = mesh(3, 1);
        mesh.gate(ShardId(1)).sleeper().get_up();
        mesh.leave();
        mesh.leave();
        assert!(!mesh.is_over());
        mesh.gate(ShardId(1)).sleeper().lie_down();
        mesh.leave();
        assert!(mesh.is_over());
        assert!(!mesh.gate(ShardId(1)).sleeper().is_sleeping());
    }

    #[test]
    fn counters_stay_until_newer_ones_come() {
        let gate = Gate::new().unwrap();
        assert_eq!(gate.counters(), Counters::default());
        gate.publish(Counters { sessions: 1, ..Counters::default() });
        gate.publish(Counters { sessions: 2, ..Counters::default() });
        assert_eq!((gate.counters().sessions, gate.counters().sessions), (2, 2));
    }
}
