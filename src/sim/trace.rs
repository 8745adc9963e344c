//! What happened in a run: its hash, the last of it, and all of it if someone wants to read it.

use std::collections::VecDeque;
use std::fmt::Arguments;

use super::value::Value;

/// The record of a run.
#[derive(Debug)]
pub struct Trace {
    /// Of every line and every octet a peer heard (FNV-1a).
    hash: u64,
    /// Steps so far.
    pub step: u64,
    recent: VecDeque<String>,
    print: bool,
}

impl Trace {
    /// An empty record; lines are printed as they come if `print` says so.
    #[must_use]
    pub const fn new(print: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, step: 0, recent: VecDeque::new(), print }
    }

    /// The hash of everything so far: the same for the same run.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &str> {
        self.recent.iter().map(String::as_str)
    }

    /// Adds one line.
    pub fn note(&mut self, what: Arguments<'_>) {
        let line = format!("{:>6}  {what}", self.step);
        self.mix(line.as_bytes());
        if self.print {
            print_line(&line);
        }
        if self.recent.len() == RECENT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    /// Adds octets that are not worth a line.
    pub fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
}

#[expect(clippy::print_stdout, reason = "a run is replayed to be read")]
fn print_line(line: &str) {
    println!("{line}");
}

/// Lines that are kept for a report of failure.
const RECENT_LINES: usize = 60;

/// A message as one short line.
pub(super) fn brief(value: &Value) -> String {
    let line = value.to_string();
    match line.char_indices().nth(LINE_CHARACTERS_MAX) {
        None => line,
        Some((end, _)) => format!("{}… ({} octets)", &line[..end], line.len()),
    }
}

/// Characters of a message that are worth reading.
const LINE_CHARACTERS_MAX: usize = 160;
