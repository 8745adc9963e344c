//! The simulator as a stage.

use std::time::Duration;

use gigawamp::env::Random;
use gigawamp::router::Origin;
use gigawamp::router::config::Config;
use gigawamp::sim::{LinkId, Machine};

use super::notation::Line;
use super::stage::{Brought, Stage};

/// The simulator as a stage: whatever can happen happens in an order drawn by chance, until
/// nothing is left to happen.
pub(crate) struct Bottle {
    machine: Machine,
    random: Random,
}

impl Bottle {
    pub(crate) fn new(config: Config, shards_count: u16, seed: u64) -> Self {
        let mut random = Random::from_number(seed);
        // Two batches: the hardest mesh there is.
        let machine = Machine::new(config, shards_count, 2, &mut random);
        Self { machine, random }
    }

    /// Lets everything happen that can.
    fn run_dry(&mut self) {
        loop {
            let actions = self.machine.possible();
            if actions.is_empty() {
                return self.machine.routers.iter_mut().for_each(gigawamp::router::Router::check);
            }
            let action = actions[self.random.below(actions.len() as u64) as usize];
            let octets = 1 << self.random.below(14);
            self.machine.perform(action, octets);
        }
    }

    /// Everything that was left must be gone once all peers are.
    pub(crate) fn finish(mut self) {
        let open = |link: &LinkId| self.machine.links[*link].peer_open;
        let links: Vec<_> = (0..self.machine.links.len()).filter(open).collect();
        for link in links {
            self.machine.hang_up(link, false);
        }
        self.run_dry();
        assert!(self.machine.shared.is_empty(), "the index is not empty");
        assert!(self.machine.routers.iter().all(gigawamp::router::Router::is_empty), "leftovers");
    }
}

impl Stage for Bottle {
    fn settle(&mut self) {
        self.run_dry();
    }

    fn connect(&mut self) -> usize {
        let shard = self.machine.links.len() % self.machine.shards_count();
        self.machine.open(shard, 1 << 20)
    }

    fn connect_from(&mut self, origin: Origin) -> Option<usize> {
        let shard = self.machine.links.len() % self.machine.shards_count();
        Some(self.machine.open_from(origin, shard, 1 << 20))
    }

    fn write(&mut self, connection: usize, octets: &[u8]) {
        self.machine.links[connection].up.push(octets);
        self.run_dry();
    }

    fn begin(&mut self, connection: usize, octets: &[u8]) -> bool {
        self.machine.links[connection].up.push(octets);
        true
    }

    fn read(&mut self, connection: usize, _expected: bool) -> Brought {
        self.run_dry();
        let octets = self.machine.links[connection].down.take(usize::MAX);
        self.run_dry();
        match octets.is_empty() {
            false => Brought::Octets(octets),
            true if self.machine.is_over(connection) => Brought::End,
            true => Brought::Nothing,
        }
    }

    fn hang_up(&mut self, connection: usize) {
        self.machine.hang_up(connection, false);
        self.run_dry();
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn wait(&mut self, time: Duration) -> bool {
        let end = self.machine.now + time;
        loop {
            self.run_dry();
            let next = self.machine.next_deadline();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.machine.now = self.machine.now.max(next);
        }
        self.machine.now = end;
        self.run_dry();
        true
    }

    fn configure(&mut self, lines: &[Line]) -> bool {
        self.machine.configure(super::reconfigured(lines), &mut self.random);
        self.run_dry();
        true
    }

    fn shut_down(&mut self) -> bool {
        (0..self.machine.shards_count()).for_each(|shard| self.machine.shut_down(shard));
        self.run_dry();
        true
    }
}
