//! Chance for the simulator: from a script as long as there is one, then from a seed.
//!
//! A fuzzer writes the script, so that what it finds out about the code steers what happens.

use std::collections::VecDeque;

use crate::env::Random;

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    script: VecDeque<u8>,
    random: Random,
}

impl Chance {
    /// The choices that belong to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::scripted(&[], seed)
    }

    /// The choices that `script` makes, and behind it those that belong to `seed`.
    #[must_use]
    pub fn scripted(script: &[u8], seed: u64) -> Self {
        Self { script: script.iter().copied().collect(), random: Random::from_number(seed) }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        match self.script.pop_front() {
            // Small numbers and the largest are what matters most.
            Some(octet) => u64::from(octet & 0x7F) | if octet > 0x7F { !0x7F } else { 0 },
            None => self.random.bits(),
        }
    }

    /// A number in `0..bound`, which must not be empty.
    pub fn below(&mut self, bound: u64) -> u64 {
        if self.script.is_empty() {
            return self.random.below(bound);
        }
        let octets = if bound <= 1 << 8 { 1 } else { 2 };
        let taken = self.script.drain(..octets.min(self.script.len()));
        taken.fold(0, |number, octet| number << 8 | u64::from(octet)) % bound
    }

    /// True once in `odds` times.
    pub fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    /// Octets.
    pub fn fill(&mut self, octets: &mut [u8]) {
        if self.script.is_empty() {
            return self.random.fill(octets);
        }
        octets.fill_with(|| self.below(1 << 8) as u8);
    }

    /// One of `choices`, each as likely.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}
