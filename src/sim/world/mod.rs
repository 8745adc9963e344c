//! The world of one run: a machine, its peers, and the reference router that watches them.

mod advice;
mod compare;
mod reload;
mod setup;

use std::collections::VecDeque;
use std::time::Duration;

use setup::{limit_rates, rights};

use super::Outcome;
use super::chance::Chance;
use super::check::Heard;
use super::machine::{ANSWERS_COUNT, Action, LinkId, Machine};
use super::model::{Model, Session, Stand};
use super::peer::{Peer, Place};
use super::rights::Rights;
use super::said::Said;
use super::swarm::{Swarm, histories};
use super::trace::{Trace, brief};
use super::value::Value;
use super::workload::{Gossip, Workload};
use crate::env::Random;
use crate::limits::FRAGMENTS_MAX;
use crate::message::uri::close;
use crate::router::config::Config;
use crate::wire::{Framing, Serializer};

/// Everything that takes part in one run.
#[derive(Debug)]
pub struct World {
    /// What happened.
    pub trace: Trace,
    seed: u64,
    swarm: Swarm,
    machine: Machine,
    model: Model,
    peers: Vec<Peer>,
    lines: Vec<Line>,
    workload: Workload,
    schedule: Chance,
    network: Chance,
    /// What the routers are told.
    config: Config,
    /// Who may do what, by realm, in each configuration there was.
    versions: Vec<Vec<Rights>>,
    /// The one by which each shard goes.
    adopted: Vec<usize>,
    /// Shards that were told to stop.
    stopped: Vec<bool>,
    outbox_bytes_max: usize,
    /// Sessions are read only so fast.
    is_rated: bool,
    heard_count: u64,
}

/// What the world knows of one connection.
#[derive(Debug)]
struct Line {
    /// What was said and not yet processed, each with the octet behind which it is.
    said: VecDeque<(u64, Said)>,
    message_bytes_max: usize,
}

impl World {
    /// The world that belongs to `seed`, with as many shards as given or drawn.
    #[must_use]
    pub fn new(seed: u64, shards_count: Option<u16>, print: bool) -> Self {
        Self::scripted(seed, &[], (shards_count, print))
    }

    /// The same, but what `script` decides is not left to the seed: first what the run is like,
    /// then in turn what peers do and what else happens.
    #[must_use]
    pub fn scripted(seed: u64, script: &[u8], (shards_count, print): (Option<u16>, bool)) -> Self {
        // Streams of their own: a new action does not shift what the network does.
        let salted = |salt: u64| seed ^ salt << 56;
        let (first, rest) = script.split_at(script.len().min(SETUP_OCTETS));
        let turns = |turn: usize| rest.iter().copied().skip(turn).step_by(2).collect::<Vec<_>>();
        let mut setup = Chance::scripted(first, salted(1));
        let swarm = Swarm::draw(&mut setup, shards_count);
        let mut config = swarm.config(&mut setup);
        for (place, realm) in config.realms.iter_mut().enumerate() {
            realm.options.history = histories(place).collect();
        }
        // Last, so that runs in which nobody has any stay what they were.
        let rights = rights(&mut Chance::new(salted(6)));
        for (realm, rights) in config.realms.iter_mut().zip(&rights) {
            rights.apply(realm);
        }
        let is_rated = limit_rates(&mut Chance::new(salted(7)), &mut config.limits);
        let known = config.clone();
        let everywhere = vec![rights.clone(); usize::from(swarm.shards_count)];
        let model = Model::new(config.limits.clone(), swarm.options.clone(), everywhere);
        let outbox_bytes_max = config.limits.outbox_bytes_max;
        let (shards, depth) = (swarm.shards_count, swarm.mesh_depth);
        let machine = Machine::new(config, shards, depth, &mut Random::from_number(salted(2)));
        let mut peer = |_| {
            let framing = setup.one_of(&[Framing::RawSocket, Framing::WebSocket]);
            let serializer = setup.one_of(&Serializer::ALL);
            // Only a RawSocket can say how much it takes.
            let short =
                swarm.faults.short_peers && framing == Framing::RawSocket && setup.one_in(3);
            let mut peer = Peer::new(framing, serializer, if short { 512 } else { usize::MAX });
            peer.noisy = swarm.faults.noise && setup.one_in(4);
            peer.deaf = swarm.faults.deaf_peers && setup.one_in(4);
            peer
        };
        let mut trace = Trace::new(print);
        trace.note(format_args!("seed {seed}: {swarm:?}"));
        if rights.iter().any(|rights| !rights.are_open()) {
            trace.note(format_args!("{rights:?}"));
        }
        Self {
            trace,
            seed,
            peers: (0..swarm.peers_count).map(&mut peer).collect(),
            stopped: vec![false; usize::from(shards)],
            adopted: vec![0; usize::from(shards)],
            versions: vec![rights.clone()],
            workload: Workload::new(Chance::scripted(&turns(0), salted(3)), swarm.clone(), rights),
            schedule: Chance::scripted(&turns(1), salted(4)),
            network: Chance::new(salted(5)),
            lines: Vec::new(),
            outbox_bytes_max,
            is_rated,
            heard_count: 0,
            swarm,
            machine,
            model,
            config: known,
        }
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let counters = self.machine.routers.iter().map(crate::router::Router::counters);
        let slow = counters.map(|counters| counters.slow_sessions_ended);
        Outcome {
            trace_hash: self.trace.hash(),
            steps: self.trace.step,
            sessions: self.model.sessions.len() as u64,
            publications: self.model.publications.len() as u64,
            calls: self.model.calls.len() as u64,
            heard: self.heard_count,
            pauses: self.machine.pauses_count,
            holds: self.machine.holds_count,
            slow: slow.sum(),
        }
    }

    /// One thing that can happen happens.
    pub fn step(&mut self) {
        self.trace.step += 1;
        self.machine.now = self.machine.now + Duration::from_nanos(self.schedule.below(20_000));
        if self.schedule.one_in(20) {
            self.misfortune();
        }
        if self.schedule.below(100) < self.swarm.acting {
            let peer = self.schedule.below(self.peers.len() as u64) as usize;
            self.act(peer);
        } else {
            self.advance();
        }
        if self.trace.step.is_multiple_of(8) {
            self.machine.routers.iter_mut().for_each(crate::router::Router::check);
        }
    }

    /// No more faults and no more actions: everything must settle, and then be gone.
    pub fn rest(&mut self) {
        self.trace.note(format_args!("rest"));
        self.trace.step += 1;
        for link in &mut self.machine.links {
            link.up.stalled = false;
            link.down.stalled = false;
        }
        for peer in 0..self.peers.len() {
            if self.peers[peer].deaf {
                self.hang_up(peer, false);
            }
        }
        self.settle();
        self.model.check_invocations();
        // What is answered may let go what waited for it.
        while self.finish() {
            self.settle();
        }
        self.model.check_rest();
        self.part();
    }

    /// Peers answer what they were asked; false if they were asked nothing.
    fn finish(&mut self) -> bool {
        let mut any = false;
        for peer in 0..self.peers.len() {
            while self.may_speak(peer)
                && let Some(said) =
                    self.workload.finish(&mut self.peers[peer], &mut self.model.cargo)
            {
                any = true;
                self.say(peer, said);
            }
        }
        any
    }

    /// Everybody goes, one way or the other; nothing may be left.
    fn part(&mut self) {
        for peer in 0..self.peers.len() {
            if self.peers[peer].place == Place::In && self.schedule.one_in(2) {
                self.peers[peer].place = Place::Leaving;
                self.say(peer, Said::Goodbye);
            }
        }
        self.settle();
        for peer in 0..self.peers.len() {
            let lost = self.schedule.one_in(2);
            self.hang_up(peer, lost);
        }
        self.settle();
        self.trace.note(format_args!("all is over"));
        assert!(self.machine.shared.is_empty(), "the index holds what nobody does");
        for router in &self.machine.routers {
            assert!(router.is_empty(), "a router holds something for nobody");
            assert_eq!(router.connections_count(), 0, "a connection that is not there");
        }
    }

    /// Lets happen what can happen until nothing can.
    fn settle(&mut self) {
        for _ in 0..SETTLE_STEPS_MAX {
            self.trace.step += 1;
            if !self.advance() {
                let stuck = self.machine.what_moves();
                if self.is_rated && (stuck.is_some() || self.is_held_back()) {
                    self.pass_time();
                    continue;
                }
                assert!(stuck.is_none(), "something is stuck: {stuck:?}");
                return;
            }
        }
        panic!("nothing comes to rest");
    }

    /// Lets one of the things happen that can; false if there is none.
    fn advance(&mut self) -> bool {
        let actions = self.machine.possible();
        let hearing: Vec<usize> =
            (0..self.peers.len()).filter(|peer| self.can_hear(*peer)).collect();
        let choices = (actions.len() + hearing.len()) as u64;
        if choices == 0 {
            return false;
        }
        let chosen = self.schedule.below(choices) as usize;
        let Some(action) = actions.get(chosen).copied() else {
            self.hear(hearing[chosen - actions.len()]);
            return true;
        };
        let slow =
            matches!(action, Action::Relay { .. }) && !self.schedule.one_in(self.swarm.mesh_delay);
        if !slow {
            self.perform(action);
        }
        true
    }

    fn perform(&mut self, action: Action) {
        let shard = self.machine.shard_of(action);
        self.model.now = self.machine.now;
        self.model.step = self.trace.step;
        let count = match action {
            Action::Answer(_) => self.schedule.below(ANSWERS_COUNT as u64) as usize,
            Action::Receive(_)
            | Action::Transmit(_)
            | Action::Close(_)
            | Action::Relay { .. }
            | Action::Drain(_)
            | Action::Wake(_)
            | Action::Configure(_) => 1 + self.network.below(self.swarm.cut_max) as usize,
        };
        let asker = self.asker(action);
        let before = self.machine.routers[shard].counters();
        let done = self.machine.perform(action, count);
        if !matches!(action, Action::Drain(_)) {
            self.trace.note(format_args!("{action:?} {done}"));
        }
        let after = self.machine.routers[shard].counters();
        let slow = after.slow_sessions_ended > before.slow_sessions_ended;
        self.see_advice(action, asker, count);
        match action {
            Action::Receive(link) => {
                // Who has read too little is not listened to any more.
                let messages = (after.messages_in - before.messages_in) as usize;
                self.process(link, if slow { messages } else { usize::MAX });
            }
            Action::Close(link) => {
                // What was cut short never was.
                self.lines[link].said.clear();
                if self.model.stands[&link] != Stand::Noise {
                    self.model.end(link, Stand::Over);
                }
            }
            // Who had to wait for an answer goes on.
            Action::Wake(_) | Action::Answer(_) => self.process_turns(shard),
            Action::Configure(_) => self.adopt(shard),
            Action::Transmit(_) | Action::Relay { .. } | Action::Drain(_) => {}
        }
        self.compare(shard, slow, matches!(action, Action::Wake(_) | Action::Answer(_)));
        if self.schedule.below(100) >= self.swarm.lazy {
            self.machine.drain(shard);
        }
    }

    /// Tells the model what the router has processed, so many messages at most: not what waits for
    /// its turn.
    fn process(&mut self, link: LinkId, messages_max: usize) {
        let at = &self.machine.links[link];
        let waiting = self.machine.routers[at.shard].unprocessed(at.connection);
        let taken = at.up.taken() - waiting as u64;
        let message_bytes_max = self.lines[link].message_bytes_max;
        let mut messages_count = 0;
        while self.lines[link].said.front().is_some_and(|(end, _)| *end <= taken) {
            let (_, said) = self.lines[link].said.pop_front().expect("there was a first");
            messages_count += usize::from(!matches!(said, Said::NoFrame(_)));
            if messages_count > messages_max {
                continue;
            }
            self.see_question(link, taken);
            self.model.process(link, &said, message_bytes_max);
            // Of several sessions in one breath only the last can be seen.
            let joins =
                |(end, said): &(u64, Said)| *end <= taken && matches!(said, Said::Hello { .. });
            if matches!(said, Said::Hello { .. }) && !self.lines[link].said.iter().any(joins) {
                self.see_who_joined(link);
            }
        }
    }

    /// Tells the model what of it has had its turn that the router of `shard` took before.
    fn process_turns(&mut self, shard: usize) {
        for link in 0..self.machine.links.len() {
            if self.machine.links[link].shard == shard && self.machine.links[link].open {
                self.process(link, usize::MAX);
            }
        }
    }

    fn can_hear(&self, peer: usize) -> bool {
        let Peer { link, deaf, .. } = &self.peers[peer];
        let Some(link) = link.filter(|_| !deaf) else {
            return false;
        };
        let down = &self.machine.links[link].down;
        !down.stalled && (!down.is_empty() || self.machine.is_over(link))
    }

    /// A peer takes in some of what came.
    fn hear(&mut self, peer: usize) {
        let link = self.peers[peer].link.expect("it can hear");
        let count = 1 + self.network.below(self.swarm.cut_max) as usize;
        let octets = self.machine.links[link].down.take(count);
        self.trace.mix(&octets);
        if octets.is_empty() {
            self.trace.note(format_args!("p{peer} hears the end"));
            let unheard = self.model.aborts.remove(&link);
            let told = unheard.as_ref().is_none_or(|any| any.contains(&close::SYSTEM_SHUTDOWN));
            assert!(told || self.swarm.faults.time, "nobody was told {unheard:?}");
            self.peers[peer].disconnect();
            self.machine.hang_up(link, true);
            return;
        }
        let (model, trace) = (&mut self.model, &mut self.trace);
        let mut heard_count = 0;
        let reply = self.peers[peer].read(octets, |known, bytes| {
            heard_count += 1;
            let serializer = known.serializer;
            let value = Value::read(serializer, bytes).expect("routers write what can be read");
            trace.note(format_args!("p{peer} hears {}", brief(&value)));
            let items = value.items();
            model.hear(link, Heard { serializer, bytes, items });
            known.learn(&value);
        });
        self.heard_count += heard_count;
        self.machine.links[link].up.push(&reply);
    }

    /// Whether what a peer says gets anywhere.
    fn may_speak(&self, peer: usize) -> bool {
        let link = self.peers[peer].link;
        link.is_some_and(|link| self.machine.links[link].peer_open)
    }

    /// A peer does something.
    fn act(&mut self, peer: usize) {
        if self.peers[peer].link.is_none() {
            if self.lines.len() < LINKS_MAX && self.schedule.one_in(2) {
                self.connect(peer);
            }
            return;
        }
        let count = if self.schedule.one_in(40) { 20 } else { 1 };
        for _ in 0..count {
            let gossip = self.gossip(self.peers[peer].realm);
            let (peers, cargo) = (&mut self.peers, &mut self.model.cargo);
            if let Some(said) = self.workload.act(&mut peers[peer], cargo, &gossip) {
                self.say(peer, said);
            }
        }
    }

    /// What is known of each other in a realm.
    fn gossip(&self, realm: usize) -> Gossip {
        let model = &self.model;
        let here = |(known, id): (usize, Option<u64>)| id.filter(|_| known == realm);
        let sessions = model.sessions.iter().map(|known| (known.realm, known.id));
        let subscriptions = model.subscriptions.iter().map(|known| (known.realm, Some(known.id)));
        let registrations = model.registrations.iter().map(|known| (known.realm, Some(known.id)));
        let heard = |known: &&Session| known.realm == realm && known.id.is_some();
        let heard = model.sessions.iter().filter(heard);
        let authids = heard.filter_map(|known| known.authid.as_ref());
        Gossip {
            sessions: sessions.filter_map(here).collect(),
            subscriptions: subscriptions.filter_map(here).collect(),
            registrations: registrations.filter_map(here).collect(),
            authids: authids.cloned().collect(),
        }
    }

    fn connect(&mut self, peer: usize) {
        let shard = self.schedule.below(self.machine.shards_count() as u64) as usize;
        let link = self.machine.open(shard, self.swarm.pipe_capacity);
        self.trace.note(format_args!("p{peer} connects to shard {shard} as link {link}"));
        let hello = self.peers[peer].connect(link);
        let message_bytes_max = self.peers[peer].message_bytes_max;
        let said = VecDeque::new();
        self.lines.push(Line { said, message_bytes_max });
        self.model.stands.insert(link, Stand::Opening);
        self.model.shards.insert(link, shard);
        self.compare(shard, false, false);
        self.machine.drain(shard);
        self.machine.links[link].up.push(&hello);
    }

    fn say(&mut self, peer: usize, said: Said) {
        let link = self.peers[peer].link.expect("whoever speaks is connected");
        if !self.machine.links[link].open {
            return;
        }
        let serializer = self.peers[peer].serializer;
        let value = said.value(&self.model.cargo);
        let message = match (&value, &said) {
            (Some(value), _) => {
                let mut message = Vec::new();
                value.write(serializer, &mut message);
                message
            }
            (None, Said::Malformed(bytes) | Said::Noise(bytes) | Said::NoFrame(bytes)) => {
                bytes.clone()
            }
            (None, _) => unreachable!("everything else is a message"),
        };
        // No more fragments than the router takes.
        let shortest = 1 + message.len() / (FRAGMENTS_MAX as usize / 2);
        let fragments = match self.network.one_in(10) {
            true => shortest + self.network.below(50) as usize,
            false => 0,
        };
        let frame = if matches!(said, Said::NoFrame(_)) {
            message
        } else {
            self.peers[peer].frame(&message, fragments)
        };
        match &value {
            Some(value) => self.trace.note(format_args!("p{peer} says {}", brief(value))),
            None => self.trace.note(format_args!("p{peer} says {said:?}")),
        }
        let up = &mut self.machine.links[link].up;
        if self.network.one_in(20) {
            up.push(&self.peers[peer].ping());
        }
        up.push(&frame);
        let end = up.put();
        self.lines[link].said.push_back((end, said));
    }

    fn hang_up(&mut self, peer: usize, lost: bool) {
        let Some(link) = self.peers[peer].disconnect() else {
            return;
        };
        self.trace.note(format_args!("p{peer} hangs up, lost: {lost}"));
        self.machine.hang_up(link, lost);
        // What a router has taken waits for its turn there; only what is behind that is lost.
        let taken = self.machine.links[link].up.taken();
        if lost {
            self.lines[link].said.retain(|(end, _)| *end <= taken);
        }
    }

    /// Whether a router has read what it will process later.
    fn is_held_back(&mut self) -> bool {
        let open = self.machine.links.iter().filter(|link| link.open);
        let routers = &mut self.machine.routers;
        open.into_iter().any(|link| routers[link.shard].unprocessed(link.connection) > 0)
    }

    /// It is as late as somebody waits for.
    fn pass_time(&mut self) {
        let next = self.machine.next_deadline().unwrap_or(self.machine.now);
        self.machine.now = self.machine.now.max(next);
        self.trace.note(format_args!("it is {:?}", self.machine.now));
    }

    /// Something goes wrong, if this run is one in which it can.
    fn misfortune(&mut self) {
        let faults = self.swarm.faults;
        let links = self.machine.links.len() as u64;
        if links == 0 {
            return;
        }
        let link = self.network.below(links) as usize;
        let peer = self.network.below(self.peers.len() as u64) as usize;
        match self.network.below(8) {
            0 | 1 if faults.stalls => {
                let stalled = self.network.one_in(2);
                let link = &mut self.machine.links[link];
                let pipe = if stalled { &mut link.up } else { &mut link.down };
                pipe.stalled = !pipe.stalled;
            }
            2 if faults.resets => {
                let lost = self.network.one_in(2);
                self.hang_up(peer, lost);
            }
            3 if faults.shutdown && self.network.one_in(10) => {
                let shard = self.network.below(self.machine.shards_count() as u64) as usize;
                self.trace.note(format_args!("shard {shard} is told to stop"));
                self.stopped[shard] = true;
                self.model.step = self.trace.step;
                // What is still to be told may be too much for one who does not read.
                let slow_before = self.machine.routers[shard].counters().slow_sessions_ended;
                self.machine.shut_down(shard);
                let slow_after = self.machine.routers[shard].counters().slow_sessions_ended;
                self.compare(shard, slow_after > slow_before, false);
                self.machine.drain(shard);
            }
            5 if faults.reloads && self.network.one_in(3) => self.reload(),
            4 if faults.time && self.network.one_in(4) => {
                self.pass_time();
            }
            _ => {}
        }
    }
}

impl Drop for World {
    /// A run that fails says how to see it again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(self.seed, &self.trace, self.swarm.shards_count);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failure must be seen")]
fn report(seed: u64, trace: &Trace, shards_count: u16) {
    let recent: Vec<_> = trace.recent().collect();
    eprintln!(
        "{}\nseed {seed} failed at step {} on {shards_count} shards; to see all of it:\n    \
         cargo sim {seed}\n",
        recent.join("\n"),
        trace.step
    );
}

/// Octets of a script that decide what the run is like.
const SETUP_OCTETS: usize = 40;

/// Connections of one run.
const LINKS_MAX: usize = 60;

/// Far more than anything takes to settle.
const SETTLE_STEPS_MAX: u64 = 3_000_000;
