//! One shard's loop, turn by turn: inputs in, outputs drained, then sleep.
//!
//! ```text
//!  turn:  relays ▸ sockets ▸ newcomers ▸ one read per connection ▸ deadline ▸ drain ▸ one write
//!         per connection, and drain again, until nothing new comes
//!  rest:  spin for a moment, lie down, look once more, wait
//! ```
//!
//! The loop is fair by construction: however much one peer sends or has to read, each other
//! connection gets its read and its write in every turn, and of TLS handshakes, each of which
//! takes as long as a thousand messages, a turn has few.
//!
//! [`arriving`] lets connections in, [`writing`] writes to them.

mod arriving;
mod writing;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connections::{Connections, Phase};
use super::idle::Idle;
use super::{Driver, Event, Received, sys};
use crate::env::Instant;
use crate::router::advice::Reply;
use crate::router::{ConnectionId, Input, Output, ShardId};
use crate::shard::clock::Clock;
use crate::shard::core::Core;
use crate::shard::mesh::{Gate, Mesh};
use crate::shard::vestibule::admission::Admission;
use crate::shard::vestibule::tls::HANDSHAKE;

/// Batches taken from one line in one turn.
const RELAYS_PER_TURN: usize = 64;

/// How long a closed connection may linger, so that its peer reads our last bytes.
const LINGER: Duration = Duration::from_secs(1);

/// How often it may do so for longer, if it speaks TLS and reads slowly.
const EXTENSIONS_MAX: u8 = 4;

/// Octets a lingering peer may still send before it is cut off.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// How old the counters may be that others see.
const COUNTERS_AGE_MAX: Duration = Duration::from_millis(250);

/// TLS handshakes that one turn gets on with. Each step of one takes up to a millisecond.
const HANDSHAKES_PER_TURN: usize = 4;

/// What an engine is told at the start.
#[derive(Clone, Debug)]
pub(in crate::shard) struct Settings {
    pub(in crate::shard) shard: ShardId,
    pub(in crate::shard) clock: Clock,
    /// How long to look for work before waiting, while traffic is brisk.
    pub(in crate::shard) busy_poll: Duration,
    /// How long a connection may take from its start to the end of its TLS handshake.
    pub(in crate::shard) tls_handshake: Duration,
    /// Who may connect, and who was complained about.
    pub(in crate::shard) admission: Arc<Admission>,
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
    /// Not known to the router until the time given at the latest, earliest first.
    arriving: VecDeque<(Instant, ConnectionId)>,
    /// What TLS made of the octets in hand; empty between two of them.
    plain: Vec<u8>,
    events: Vec<Event>,
    /// Lines that had no room at the last drain.
    congested: Vec<ShardId>,
    is_held: bool,
    is_shutting_down: bool,
    has_left: bool,
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
        let published = settings.clock.now();
        mesh.gate(settings.shard).sleeper().get_up();
        Self {
            core,
            driver,
            mesh,
            settings,
            connections: Connections::default(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            lingering: VecDeque::new(),
            arriving: VecDeque::new(),
            plain: Vec::new(),
            events: Vec::new(),
            congested: Vec::new(),
            is_held: false,
            is_shutting_down: false,
            has_left: false,
            turn: 0,
            idle: Idle::default(),
            published,
            has_news: true,
        }
    }

    /// Does everything there is to do, once around. If that was nothing, it waits until there is
    /// something. Breaks when the shard has ended.
    pub(in crate::shard) fn turn(&mut self) -> ControlFlow<()> {
        self.turn += 1;
        self.gate().count_turn();
        let now = self.settings.clock.now();
        let worked = self.take_relays(now)
            | self.take_answers(now)
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
            return ControlFlow::Continue(());
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

    fn take_answers(&mut self, now: Instant) -> bool {
        let mut worked = false;
        while let Some((question, reply)) = self.gate().answers.pop() {
            self.core.handle(now, Input::Answered { question, reply });
            worked = true;
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
        self.end_arriving(now);
        worked
    }

    /// Reads once from every connection that may have something.
    fn read_round(&mut self, now: Instant) -> bool {
        if self.is_held {
            return false;
        }
        let (mut worked, mut handshakes) = (false, 0);
        for _ in 0..self.ready.len() {
            let slot = self.ready.pop_front().expect("it is as long as it was");
            let Some((id, connection)) = self.connections.at(slot) else {
                continue;
            };
            if connection.is_costly() {
                handshakes += 1;
                if handshakes > HANDSHAKES_PER_TURN {
                    self.ready.push_back(slot);
                    continue;
                }
            }
            connection.is_ready = false;
            if connection.is_paused || connection.phase == Phase::Closing {
                continue;
            }
            worked = true;
            if connection.has_said_end() {
                self.lose(id, now);
                continue;
            }
            match self.driver.receive(slot) {
                Received::Nothing => {}
                Received::Bytes { bytes, more } => {
                    if connection.phase == Phase::Open && connection.tls.is_none() {
                        let is_fresh = std::mem::take(&mut connection.is_fresh);
                        let begins_tls = is_fresh && bytes.first() == Some(&HANDSHAKE);
                        self.core.handle(now, Input::Received { connection: id, bytes });
                        if begins_tls {
                            self.note_tls(id, now);
                        }
                    } else {
                        let heard = arriving::hear(connection, bytes, &mut self.plain, now);
                        self.attend(id, heard, now);
                    }
                    if more {
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
            self.turn_away_arriving();
            self.core.handle(now, Input::ShutDown);
            return true;
        }
        if let Some(count) = self.gate().configured() {
            self.core.handle(now, Input::Configured);
            self.gate().note_configured(count);
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
            Output::Ask => self.ask(now),
        }
        true
    }

    /// Passes a question on to those outside.
    fn ask(&mut self, now: Instant) {
        let Some(question) = self.core.take_question() else { return };
        let id = question.id;
        if let Err(reason) = self.mesh.ask(self.settings.shard, question) {
            let reply = Reply::Failed(reason.to_owned());
            self.core.handle(now, Input::Answered { question: id, reply });
        }
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

    /// The peer is gone.
    fn lose(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let was_open = connection.phase == Phase::Open;
        connection.say_end();
        self.close(id);
        if was_open {
            self.core.handle(now, Input::Closed { connection: id });
        }
    }

    /// The router has closed the connection, or it is turned away: says so to the peer, and reads
    /// on for a moment.
    fn linger(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open | Phase::Arriving) {
            return;
        }
        if connection.is_mute {
            return self.close(id);
        }
        connection.phase = Phase::Lingering { discarded: 0, extensions: 0 };
        connection.is_paused = false;
        match &mut connection.tls {
            // Writing ends when that is written.
            Some(tls) => tls.close(),
            None => sys::shut_down_writing(connection.socket()),
        }
        self.make_dirty(id);
        self.lingering.push_back((now + LINGER, id));
        self.driver.want_read(id.slot, true);
        self.make_ready(id.slot);
    }

    fn end_lingering(&mut self, now: Instant) {
        while let Some(&(_, id)) = self.lingering.front().filter(|(until, _)| *until <= now) {
            self.lingering.pop_front();
            if self.has_sealed_end(id) {
                self.lingering.push_back((now + LINGER, id));
            } else {
                self.close(id);
            }
        }
    }

    /// Whether a connection that lingers is given more time: all octets of the router's have left,
    /// but the socket has no room yet for the end that TLS has to say behind them. Not while the
    /// shard ends: that must not take longer because one peer does not read.
    fn has_sealed_end(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        let waits = connection.is_blocked && !connection.is_mute;
        let Phase::Lingering { extensions, .. } = &mut connection.phase else { return false };
        *extensions = extensions.saturating_add(1);
        let may_wait = !self.is_shutting_down && *extensions <= EXTENSIONS_MAX;
        waits && connection.tls.is_some() && may_wait
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
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let is_written = match connection.phase {
            Phase::Open => true,
            Phase::Arriving | Phase::Lingering { .. } => connection.tls.is_some(),
            Phase::Closing => false,
        };
        if is_written && !connection.is_dirty {
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
    fn rest(&mut self, now: Instant) -> ControlFlow<()> {
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
            return ControlFlow::Break(());
        }
        if self.idle.may_spin(now) {
            std::hint::spin_loop();
            return ControlFlow::Continue(());
        }
        self.gate().sleeper().lie_down();
        if !self.has_mail() {
            self.idle.note_wait(now);
            self.driver.wait(self.timeout());
        }
        self.gate().sleeper().get_up();
        ControlFlow::Continue(())
    }

    /// Whether anything came from another thread. What it looks at is exactly what others ring
    /// for.
    fn has_mail(&self) -> bool {
        let me = self.settings.shard;
        self.mesh.has_mail(me)
            || !self.gate().newcomers.is_empty()
            || !self.gate().answers.is_empty()
            || self.congested.iter().any(|&to| self.mesh.has_room(me, to))
            || (self.gate().is_shutting_down() && !self.is_shutting_down)
            || self.gate().configured().is_some()
            || (self.has_left && self.mesh.is_over())
    }

    fn timeout(&self) -> Option<Duration> {
        let clock = self.settings.clock;
        let deadline = self.core.next_deadline();
        let linger = self.lingering.front().map(|&(until, _)| until);
        let arrival = self.arriving.front().map(|&(until, _)| until);
        let publish = self.has_news.then(|| self.published + COUNTERS_AGE_MAX);
        let first = [deadline, linger, arrival, publish].into_iter().flatten().min()?;
        Some(clock.until(first))
    }
}
