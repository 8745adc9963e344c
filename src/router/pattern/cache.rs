//! What one shard has lately found in an [`Index`], so that a hot URI costs one hash, however many
//! patterns there are and however they are laid out to be slow.
//!
//! A result stands as long as the index's generation does; see [`super`] for why that is enough.
//! The cache is bounded in lines and in octets per line, and starts with none. A flood of URIs that
//! are never repeated costs each of them its own lookup, and the lines of others, but no memory.

use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use smallvec::SmallVec;

use super::Index;

/// The latest results from one index. Use it with no other.
///
/// Lines keep the entries they found until they are used again, also after those were removed
/// from the index; [`clear`](Self::clear) lets them go.
pub struct Cache<T> {
    hash_key: RandomState,
    /// Pairs of lines, a power of two of them, and one line more for what is too large for those.
    /// None at all before the first lookup.
    lines: Vec<Line<T>>,
    /// Cuts a hash down to the first line of a pair.
    mask: usize,
    /// How many current results have had to make room since the cache last grew.
    evictions: usize,
}

impl<T: Send + Sync + 'static> Cache<T> {
    /// An empty cache, keyed with `hash_key`.
    #[must_use]
    pub const fn new(hash_key: RandomState) -> Self {
        Self { hash_key, lines: Vec::new(), mask: 0, evictions: 0 }
    }

    /// What [`Index::matches`] finds for `uri`, in its order.
    pub fn lookup<'c>(&'c mut self, index: &Index<T>, uri: &str) -> &'c [Arc<T>] {
        let line = self.line(index, Question::Matches, uri);
        &self.lines[line].found
    }

    /// What [`Index::best`] finds for `uri`.
    pub fn best<'c>(&'c mut self, index: &Index<T>, uri: &str) -> Option<&'c Arc<T>> {
        let line = self.line(index, Question::Best, uri);
        self.lines[line].found.first()
    }

    /// Forgets everything and returns the memory.
    pub fn clear(&mut self) {
        (self.lines, self.mask, self.evictions) = (Vec::new(), 0, 0);
    }

    /// The line that answers the question, after filling it if need be.
    fn line(&mut self, index: &Index<T>, question: Question, uri: &str) -> usize {
        let hash = self.hash_key.hash_one((question as u8, uri));
        // Read before the lookup: the result may be newer than its stamp, never older.
        let key = Stamp { hash, generation: index.generation(), question };
        let first = hash as usize & self.mask;
        for line in [first, first + 1] {
            if self.lines.get(line).is_some_and(|line| line.answers(key, uri)) {
                return line;
            }
        }
        self.fill(index, key, uri)
    }

    /// Asks the index, and keeps what it says.
    #[cold]
    fn fill(&mut self, index: &Index<T>, key: Stamp, uri: &str) -> usize {
        let large = self.lines.len().wrapping_sub(1);
        if self.lines.get(large).is_some_and(|line| line.answers(key, uri)) {
            return large;
        }
        if self.lines.is_empty() || (self.evictions > self.lines.len() && large < LINES_MAX) {
            self.grow();
        }

        let victim = self.victim(key);
        let line = &mut self.lines[victim];
        let mut found = std::mem::take(&mut line.found);
        line.stamp = None;
        found.clear();
        match key.question {
            Question::Matches => index.matches(uri, &mut |entry| found.push(Arc::clone(entry))),
            Question::Best => found.extend(index.best(uri)),
        }

        let is_large = found.len() > FOUND_MAX || uri.len() > URI_BYTES_KEPT_MAX;
        let place = if is_large { self.lines.len() - 1 } else { victim };
        let line = &mut self.lines[place];
        line.stamp = Some(key);
        line.found = found;
        line.uri.clear();
        line.uri.push_str(uri);
        place
    }

    /// Which line of its pair a new result replaces: one that is out of date, else either.
    fn victim(&mut self, key: Stamp) -> usize {
        let first = key.hash as usize & self.mask;
        for line in [first, first + 1] {
            if self.lines[line].stamp.is_none_or(|stamp| stamp.generation != key.generation) {
                return line;
            }
        }
        self.evictions += 1;
        first + self.evictions % 2
    }

    /// Makes room for four times as many lines.
    fn grow(&mut self) {
        let count = (self.lines.len().saturating_sub(1) * 4).clamp(LINES_MIN, LINES_MAX);
        let fresh = std::iter::repeat_with(Line::default).take(count + 1).collect();
        let old = std::mem::replace(&mut self.lines, fresh);
        (self.mask, self.evictions) = (count - 2, 0);
        for line in old {
            if let Some(stamp) = line.stamp
                && !line.is_large()
            {
                let place = self.victim(stamp);
                self.lines[place] = line;
            }
        }
        self.evictions = 0;
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("lines_count", &self.lines.len()).finish_non_exhaustive()
    }
}

/// One remembered result.
struct Line<T> {
    /// `None` while there is none.
    stamp: Option<Stamp>,
    uri: String,
    found: SmallVec<[Arc<T>; 2]>,
}

/// When and for what a result holds.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    hash: u64,
    generation: u64,
    question: Question,
}

/// Which of the index's lookups a line answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Matches,
    Best,
}

impl<T> Line<T> {
    fn answers(&self, key: Stamp, uri: &str) -> bool {
        self.stamp == Some(key) && self.uri == uri
    }

    fn is_large(&self) -> bool {
        self.found.len() > FOUND_MAX || self.uri.len() > URI_BYTES_KEPT_MAX
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { stamp: None, uri: String::new(), found: SmallVec::new() }
    }
}

/// Lines of a cache that has just been used for the first time: about 5 KiB.
const LINES_MIN: usize = 64;

/// Lines at most: 4,096 × (80 + 256 + 256) octets are 2.4 MiB, reached only if every line holds
/// the longest URI and the most entries.
const LINES_MAX: usize = 4_096;

/// Entries of a result that a line keeps. One line keeps a result of more.
const FOUND_MAX: usize = 32;

/// Octets of a URI that a line keeps. One line keeps a longer one.
const URI_BYTES_KEPT_MAX: usize = 256;
