//! The books: what was owed, what came, and what is wrong about it.

use std::collections::VecDeque;

use crate::Trouble;

/// Messages that must come exactly once and in order: 1, 2, 3 …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    last: u64,
}

impl Sequence {
    /// Notes that message `number` came.
    ///
    /// # Errors
    ///
    /// What is wrong about that, in words that follow the name of whoever received it.
    #[inline]
    pub fn take(&mut self, number: u64) -> Result<(), String> {
        if number == self.last + 1 {
            self.last = number;
            return Ok(());
        }
        Err(self.blame(number))
    }

    /// Notes that message `number` came, if gaps are allowed.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take), but for what is lost.
    pub fn take_some(&mut self, number: u64) -> Result<(), String> {
        if number <= self.last {
            return Err(self.blame(number));
        }
        self.last = number;
        Ok(())
    }

    /// The last that came; without gaps, how many came.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last
    }

    #[cold]
    fn blame(&self, number: u64) -> String {
        let expected = self.last + 1;
        if number < expected {
            format!("got message {number} after {}: duplicated or reordered", self.last)
        } else {
            format!("got message {number} instead of {expected}: lost or reordered")
        }
    }
}

/// Requests that must each be answered exactly once, in any order: 1, 2, 3 …
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// All requests before this one are answered.
    settled: u64,
    /// Whether the requests from there on are answered.
    answered: VecDeque<bool>,
    open: usize,
}

impl Requests {
    /// The number of a new request.
    #[inline]
    pub fn ask(&mut self) -> u64 {
        self.answered.push_back(false);
        self.open += 1;
        self.settled + self.answered.len() as u64
    }

    /// Notes the answer to request `number`.
    ///
    /// # Errors
    ///
    /// What is wrong about that, in words that follow the name of whoever received it.
    #[inline]
    pub fn answer(&mut self, number: u64) -> Result<(), String> {
        let place = number.checked_sub(self.settled + 1).map(usize::try_from);
        let Some(Ok(place)) = place else {
            return Err(format!("got a second answer to request {number}"));
        };
        match self.answered.get_mut(place) {
            None => return Err(format!("got an answer to request {number}, which it never made")),
            Some(true) => return Err(format!("got a second answer to request {number}")),
            Some(answered) => *answered = true,
        }
        self.open -= 1;
        while self.answered.front() == Some(&true) {
            self.answered.pop_front();
            self.settled += 1;
        }
        Ok(())
    }

    /// Requests without an answer.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Requests made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.settled + self.answered.len() as u64
    }

    /// The first request without an answer.
    #[must_use]
    pub const fn first_open(&self) -> u64 {
        self.settled + 1
    }
}

/// Blames the router for what `receiver` saw.
#[cold]
#[must_use]
pub fn wrong(receiver: &str, index: usize, what: &str) -> Trouble {
    Trouble::Wrong(format!("{receiver} {index} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_takes_each_number_once_and_in_order() {
        let mut sequence = Sequence::default();
        assert!(sequence.take(2).unwrap_err().contains("lost"));
        for number in 1..=3 {
            assert_eq!(sequence.take(number), Ok(()));
        }
        assert!(sequence.take(3).unwrap_err().contains("duplicated"));
        assert!(sequence.take(1).unwrap_err().contains("duplicated"));
        assert!(sequence.take(5).unwrap_err().contains("instead of 4"));
        assert!(sequence.take(0).is_err());
        assert_eq!(sequence.count(), 3, "what was refused does not count");
        assert_eq!(sequence.take_some(7), Ok(()));
        assert!(sequence.take_some(7).unwrap_err().contains("duplicated"));
        assert!(sequence.take_some(6).unwrap_err().contains("reordered"));
    }

    #[test]
    fn requests_are_answered_once_each_in_any_order() {
        let mut requests = Requests::default();
        assert_eq!((requests.ask(), requests.ask(), requests.ask()), (1, 2, 3));
        assert_eq!(requests.answer(2), Ok(()));
        assert_eq!((requests.open(), requests.first_open()), (2, 1));
        assert!(requests.answer(2).unwrap_err().contains("second"));
        assert!(requests.answer(4).unwrap_err().contains("never made"));
        assert!(requests.answer(0).is_err());
        assert_eq!(requests.answer(1), Ok(()));
        assert!(requests.answer(1).unwrap_err().contains("second"));
        assert_eq!((requests.open(), requests.first_open()), (1, 3));
        assert_eq!(requests.ask(), 4);
        assert_eq!(requests.answer(4), Ok(()));
        assert_eq!(requests.answer(3), Ok(()));
        assert_eq!((requests.open(), requests.made()), (0, 4));
    }
}
