//! One shard's loop, turn by turn: inputs in, outputs drained, then sleep.
//!
//! ```text
//!  turn:  relays ▸ sockets ▸ newcomers ▸ one read per connection ▸ deadline ▸ drain ▸ one write
//!         per connection, and drain again, until nothing new comes
//!  rest:  spin for a moment, lie down, look once more, wait
//! ```
//!
//! The loop is fair by construction: however much one peer sends or has to read, each other
//! connection gets its read and its write in every turn.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smallvec::SmallVec;

use super::connections::{Connection, Connections, Phase};
use super::idle::Idle;
use super::{Driver, Event, Received, WRITE_BYTES_MAX, WRITE_SLICES_MAX, sys};
use crate::env::Instant;
use crate::router::{ConnectionId, Input, Output, ShardId};
use crate::session::Outbox;
use crate::shard::clock::Clock;
use crate::shard::core::Core;
use crate::shard::mesh::{Gate, Mesh};

/// Batches taken from one line in one turn.
const RELAYS_PER_TURN: usize = 64;

/// How long a closed connection may linger, so that its peer reads our last bytes.
const LINGER: Duration = Duration::from_secs(1);

/// Octets a lingering peer may still send before it is cut off.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// How old the counters may be that others see.
const COUNTERS_AGE_MAX: Duration = Duration::from_millis(250);

/// What to do between two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Rest {
    /// Turn again at once.
    None,
    /// Wait until the driver or the bell has something, or until the time is over.
    Wait(Option<Duration>),
    /// The shard has ended.
    End,
}

/// What an engine is told at the start.
#[derive(Clone, Copy, Debug)]
pub(in crate::shard) struct Settings {
    pub(in crate::shard) shard: ShardId,
    pub(in crate::shard) clock: Clock,
    /// How long to look for work before waiting, while traffic is brisk.
    pub(in crate::shard) busy_poll: Duration,
}

/// A core, a driver, and the loop between them.
pub(in crate::shard) struct Engine<C: Core, D> {
    core: C,
    driver: D,
    mesh: Arc<Mesh<C::Batch>>,
    settings: Settings,
    connections: Connections,
    /// Slots that may have something to read, in the order of their turns.
    ready: VecDeque<u32>,
    /// Connections that have something to write.
    dirty: Vec<ConnectionId>,
    /// Closed by the router at about the time given plus [`LINGER`], oldest first.
    lingering: VecDeque<(Instant, ConnectionId)>,
    events: Vec<Event>,
    /// Lines that had no room at the last drain.
    congested: Vec<ShardId>,
    is_held: bool,
    is_shutting_down: bool,
    has_left: bool,
    /// Others were told that it sleeps, or it was not up yet.
    is_lying: bool,
    turn: u64,
    idle: Idle,
    published: Instant,
    has_news: bool,
}

impl<C: Core, D: Driver> Engine<C, D> {
    /// A shard without connections. Call it on the thread that will turn it.
    pub(in crate::shard) fn new(
        core: C,
        driver: D,
        mesh: Arc<Mesh<C::Batch>>,
        settings: Settings,
    ) -> Self {
        Self {
            core,
            driver,
            mesh,
            settings,
            connections: Connections::default(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            lingering: VecDeque::new(),
            events: Vec::new(),
            congested: Vec::new(),
            is_held: false,
            is_shutting_down: false,
            has_left: false,
            is_lying: true,
            turn: 0,
            idle: Idle::default(),
            published: settings.clock.now(),
            has_news: true,
        }
    }

    /// The driver, to wait with.
    pub(in crate::shard) const fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Does everything there is to do, once around, and says what to do next.
    pub(in crate::shard) fn turn(&mut self) -> Rest {
        self.turn += 1;
        if std::mem::take(&mut self.is_lying) {
            self.gate().sleeper().get_up();
        }
        self.gate().count_turn();
        let now = self.settings.clock.now();
        let worked = self.take_relays(now)
            | self.take_events(now)
            | self.take_newcomers(now)
            | self.read_round(now)
            | self.look_at_clock(now)
            | self.drain(now);
        if worked {
            self.has_news = true;
            self.idle.note_work(self.settings.busy_poll, now);
        }
        if self.has_news && now - self.published >= COUNTERS_AGE_MAX {
            self.publish(now);
        }
        if worked || !self.dirty.is_empty() || !(self.ready.is_empty() || self.is_held) {
            return Rest::None;
        }
        self.rest(now)
    }

    fn gate(&self) -> &Gate {
        self.mesh.gate(self.settings.shard)
    }

    fn take_relays(&mut self, now: Instant) -> bool {
        let (mesh, to) = (&self.mesh, self.settings.shard);
        let mut worked = false;
        for from in mesh.shards().filter(|&from| from != to) {
            let mut taken = false;
            for _ in 0..RELAYS_PER_TURN {
                let Some(batch) = mesh.take(from, to) else {
                    break;
                };
                self.core.handle_relayed(now, from, batch);
                taken = true;
            }
            if taken {
                mesh.tell_room(from, to);
                worked = true;
            }
        }
        worked
    }

    fn take_newcomers(&mut self, now: Instant) -> bool {
        let mut worked = false;
        while let Some(newcomer) = self.gate().newcomers.pop() {
            worked = true;
            if self.is_shutting_down {
                self.count_down();
                continue;
            }
            let id = self.connections.insert(newcomer.socket);
            let connection = self.connections.get(id).expect("it was just inserted");
            if self.driver.open(id.slot, connection.as_fd()).is_err() {
                tracing::warn!(peer = %newcomer.origin.peer, "the kernel cannot watch a socket");
                self.close(id);
                continue;
            }
            self.core.handle(now, Input::Opened { connection: id, origin: newcomer.origin });
        }
        worked
    }

    fn take_events(&mut self, now: Instant) -> bool {
        let mut events = std::mem::take(&mut self.events);
        self.driver.poll(&mut events);
        let worked = !events.is_empty();
        for event in events.drain(..) {
            match event {
                Event::Readable(slot) => self.make_ready(slot),
                Event::Writable(slot) => {
                    if let Some((id, connection)) = self.connections.at(slot) {
                        connection.is_blocked = false;
                        self.make_dirty(id);
                    }
                }
                Event::Freed(slot) => {
                    self.connections.remove(slot);
                    self.count_down();
                }
            }
        }
        self.events = events;
        self.end_lingering(now);
        worked
    }

    /// Reads once from every connection that may have something.
    fn read_round(&mut self, now: Instant) -> bool {
        if self.is_held {
            return false;
        }
        let mut worked = false;
        for _ in 0..self.ready.len() {
            let slot = self.ready.pop_front().expect("it is as long as it was");
            let Some((id, connection)) = self.connections.at(slot) else {
                continue;
            };
            connection.is_ready = false;
            if connection.is_paused || connection.phase == Phase::Closing {
                continue;
            }
            worked = true;
            match self.driver.receive(slot) {
                Received::Nothing => {}
                Received::Bytes { bytes, more } => {
                    let is_over = match &mut connection.phase {
                        Phase::Open => {
                            self.core.handle(now, Input::Received { connection: id, bytes });
                            false
                        }
                        Phase::Lingering { discarded } => {
                            *discarded += bytes.len();
                            *discarded > LINGER_BYTES_MAX
                        }
                        Phase::Closing => unreachable!("passed over above"),
                    };
                    if is_over {
                        self.close(id);
                    } else if more {
                        self.make_ready(slot);
                    }
                }
                Received::End => self.lose(id, now),
            }
        }
        worked
    }

    fn look_at_clock(&mut self, now: Instant) -> bool {
        if !self.is_shutting_down && self.gate().is_shutting_down() {
            self.is_shutting_down = true;
            self.core.handle(now, Input::ShutDown);
            return true;
        }
        if self.core.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.core.handle(now, Input::DeadlineReached);
            return true;
        }
        false
    }

    /// Does what the core asks, writes once to each connection that has something, and repeats
    /// until writing begets nothing new. Nothing else may happen between the last question and
    /// the wait.
    fn drain(&mut self, now: Instant) -> bool {
        let mut worked = false;
        self.congested.clear();
        loop {
            while let Some(output) = self.core.poll_output() {
                worked |= self.act(output, now);
            }
            if !self.write_round(now) {
                return worked;
            }
            worked = true;
        }
    }

    fn act(&mut self, output: Output, now: Instant) -> bool {
        match output {
            Output::Transmit { connection } => self.make_dirty(connection),
            Output::Pause { connection } => self.pause(connection, now),
            Output::Resume { connection } => self.resume(connection),
            Output::Hold => self.is_held = true,
            Output::Release => self.is_held = false,
            Output::Close { connection } => self.linger(connection, now),
            Output::Relay { to } => return self.relay(to),
        }
        true
    }

    fn relay(&mut self, to: ShardId) -> bool {
        if !self.mesh.has_room(self.settings.shard, to) {
            // Asked again at each drain; the receiver wakes us when there is room.
            self.congested.push(to);
            return false;
        }
        let batch = self.core.take_batch(to);
        let bytes_count = C::bytes_count(&batch);
        self.mesh.send((self.settings.shard, to), batch, bytes_count);
        true
    }

    fn pause(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_open(id) else {
            return;
        };
        connection.is_paused = true;
        if connection.is_mute {
            // Its outbox will never empty, so it would stay paused for ever.
            return self.lose(id, now);
        }
        self.driver.want_read(id.slot, false);
    }

    fn resume(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_open(id) else {
            return;
        };
        connection.is_paused = false;
        self.driver.want_read(id.slot, true);
        self.make_ready(id.slot);
    }

    /// Writes once to each dirty connection that was not written to in this turn. Says whether
    /// the core was told anything.
    fn write_round(&mut self, now: Instant) -> bool {
        let mut told = false;
        let mut index = 0;
        while let Some(&id) = self.dirty.get(index) {
            let Some(connection) = self.connections.get(id) else {
                self.dirty.swap_remove(index);
                continue;
            };
            if connection.written_turn == self.turn {
                index += 1;
                continue;
            }
            connection.written_turn = self.turn;
            let (is_told, is_done) = self.write(id, now);
            told |= is_told;
            if is_done {
                if let Some(connection) = self.connections.get(id) {
                    connection.is_dirty = false;
                }
                self.dirty.swap_remove(index);
            } else {
                index += 1;
            }
        }
        told
    }

    /// Writes once. Says whether the core was told anything, and whether the connection need not
    /// be visited again before it is marked dirty again.
    fn write(&mut self, id: ConnectionId, now: Instant) -> (bool, bool) {
        let Some(connection) = self.connections.get_open(id) else {
            return (false, true);
        };
        if connection.is_mute || connection.is_blocked {
            return (false, true);
        }
        let Some(outbox) = self.core.outbox(id).filter(|outbox| !outbox.is_empty()) else {
            return (false, true);
        };
        let (offered, result) = write_some(connection, outbox);
        let waiting = outbox.bytes_count();
        match result {
            Ok(count) => {
                connection.is_blocked = count < offered;
                if connection.is_blocked && self.driver.want_write(id.slot).is_err() {
                    self.mute(id, now);
                }
                self.core.handle(now, Input::Transmitted { connection: id, count });
                (true, count < offered || count == waiting)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_blocked = true;
                if self.driver.want_write(id.slot).is_err() {
                    return (self.mute(id, now), true);
                }
                (false, true)
            }
            Err(_) => (self.mute(id, now), true),
        }
    }

    /// The peer will not read any more. What it sent before is still worth reading: the end of
    /// that comes soon, and ends the connection. Says whether the core was told.
    fn mute(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(connection) = self.connections.get(id) else {
            return false;
        };
        connection.is_mute = true;
        if connection.is_paused {
            self.lose(id, now);
            return true;
        }
        self.make_ready(id.slot);
        false
    }

    /// The peer is gone.
    fn lose(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let was_open = connection.phase == Phase::Open;
        self.close(id);
        if was_open {
            self.core.handle(now, Input::Closed { connection: id });
        }
    }

    /// The router has closed the connection: says so to the peer, and reads on for a moment.
    fn linger(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_open(id) else {
            return;
        };
        if connection.is_mute {
            return self.close(id);
        }
        sys::shut_down_writing(connection.socket());
        connection.phase = Phase::Lingering { discarded: 0 };
        connection.is_paused = false;
        self.lingering.push_back((now + LINGER, id));
        self.driver.want_read(id.slot, true);
        self.make_ready(id.slot);
    }

    fn end_lingering(&mut self, now: Instant) {
        while let Some(&(_, id)) = self.lingering.front().filter(|(until, _)| *until <= now) {
            self.lingering.pop_front();
            self.close(id);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        if connection.phase != Phase::Closing {
            connection.phase = Phase::Closing;
            self.driver.close(id.slot);
        }
    }

    fn make_ready(&mut self, slot: u32) {
        let Some((_, connection)) = self.connections.at(slot) else {
            return;
        };
        if !connection.is_ready && !connection.is_paused && connection.phase != Phase::Closing {
            connection.is_ready = true;
            self.ready.push_back(slot);
        }
    }

    fn make_dirty(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_open(id) else {
            return;
        };
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
    }

    fn count_down(&self) {
        self.gate().connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn publish(&mut self, now: Instant) {
        self.gate().publish(self.core.counters());
        for notice in self.core.take_notices() {
            self.gate().tell(notice);
        }
        self.published = now;
        self.has_news = false;
    }

    /// Nothing is left to do now.
    fn rest(&mut self, now: Instant) -> Rest {
        let is_done = self.is_shutting_down
            && self.core.connections_count() == 0
            && self.connections.is_empty()
            && self.congested.is_empty();
        if is_done && !self.has_left {
            self.has_left = true;
            self.publish(now);
            self.mesh.leave();
        }
        if self.has_left && self.mesh.is_over() {
            return Rest::End;
        }
        if self.idle.may_spin(now) {
            std::hint::spin_loop();
            return Rest::None;
        }
        self.is_lying = true;
        self.gate().sleeper().lie_down();
        let timeout = self.timeout();
        if self.has_mail() || !self.driver.prepare_wait(timeout) {
            return Rest::None;
        }
        self.idle.note_wait(now);
        Rest::Wait(timeout)
    }

    /// Whether anything came from another thread. What it looks at is exactly what others ring
    /// for.
    fn has_mail(&self) -> bool {
        let me = self.settings.shard;
        self.mesh.has_mail(me)
            || !self.gate().newcomers.is_empty()
            || self.congested.iter().any(|&to| self.mesh.has_room(me, to))
            || (self.gate().is_shutting_down() && !self.is_shutting_down)
            || (self.has_left && self.mesh.is_over())
    }

    fn timeout(&self) -> Option<Duration> {
        let clock = self.settings.clock;
        let deadline = self.core.next_deadline();
        let linger = self.lingering.front().map(|&(until, _)| until);
        let publish = self.has_news.then(|| self.published + COUNTERS_AGE_MAX);
        let first = [deadline, linger, publish].into_iter().flatten().min()?;
        Some(clock.until(first))
    }
}

/// Offers the socket the first bytes of `outbox`; returns how many, and how many it took.
fn write_some(connection: &Connection, outbox: &Outbox) -> (usize, io::Result<usize>) {
    let socket = connection.socket();
    let mut offered = 0;
    let mut slices: SmallVec<[IoSlice<'_>; WRITE_SLICES_MAX]> = SmallVec::new();
    for slice in outbox.slices().take(WRITE_SLICES_MAX) {
        if offered + slice.len() > WRITE_BYTES_MAX && offered > 0 {
            break;
        }
        offered += slice.len();
        slices.push(slice);
    }
    match slices.as_slice() {
        [one] => {
            let bytes = &one[..one.len().min(WRITE_BYTES_MAX)];
            (bytes.len(), sys::send(socket, bytes))
        }
        several => (offered, sys::send_vectored(socket, several)),
    }
}
