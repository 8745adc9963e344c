//! The body of a request, however it is delimited.

use super::answer::Refusal;
use super::request::Length;

/// Octets of the line that says how long a chunk is.
const CHUNK_LINE_BYTES_MAX: usize = 128;

/// Octets of all headers that may follow the last chunk.
const TRAILER_BYTES_MAX: usize = 1_024;

const BAD_CHUNK: Refusal = Refusal::bad("a chunk that is none");

/// A body as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Body {
    bytes: Vec<u8>,
    /// The line in hand, of those between chunks.
    line: Vec<u8>,
    state: State,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    Whole,
    /// So many octets, and that is all.
    Counted { left: usize },
    /// The length of a chunk.
    ChunkHead,
    /// So many octets of it.
    Chunk { left: usize },
    /// The end of the line behind it.
    ChunkEnd,
    /// Headers, of which so many octets were there.
    Trailer { bytes_count: usize },
}

impl Body {
    /// A body of which nothing has come, and that may have `bytes_max` octets.
    pub(super) fn new(length: Length, bytes_max: usize) -> Result<Self, Refusal> {
        let state = match length {
            Length::Counted(0) => State::Whole,
            Length::Counted(left) if left > bytes_max => return Err(Refusal::TOO_LONG),
            Length::Counted(left) => State::Counted { left },
            Length::Chunked => State::ChunkHead,
        };
        Ok(Self { state, ..Self::default() })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes octets off `input` up to the end of the body; whether it was met.
    pub(super) fn take(
        &mut self,
        input: &mut &mut [u8],
        bytes_max: usize,
    ) -> Result<bool, Refusal> {
        loop {
            self.state = match self.state {
                State::Whole => return Ok(true),
                State::Counted { left } => match self.take_bytes(input, left) {
                    0 => State::Whole,
                    left => {
                        self.state = State::Counted { left };
                        return Ok(false);
                    }
                },
                State::Chunk { left } => match self.take_bytes(input, left) {
                    0 => State::ChunkEnd,
                    left => {
                        self.state = State::Chunk { left };
                        return Ok(false);
                    }
                },
                State::ChunkHead | State::ChunkEnd | State::Trailer { .. } => {
                    if !self.take_line(input)? {
                        return Ok(false);
                    }
                    let next = self.read_line(bytes_max)?;
                    self.line.clear();
                    next
                }
            };
        }
    }

    /// Takes up to `left` octets; how many are left.
    fn take_bytes(&mut self, input: &mut &mut [u8], left: usize) -> usize {
        let count = left.min(input.len());
        let taken = input.split_off_mut(..count).unwrap_or_default();
        self.bytes.extend_from_slice(taken);
        left - count
    }

    /// Takes octets up to the end of a line; whether it was met.
    fn take_line(&mut self, input: &mut &mut [u8]) -> Result<bool, Refusal> {
        let end = memchr::memchr(b'\n', input);
        let count = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + count > CHUNK_LINE_BYTES_MAX {
            return Err(Refusal::bad("a line too long between chunks"));
        }
        let taken = input.split_off_mut(..count).unwrap_or_default();
        self.line.extend_from_slice(taken);
        if end.is_some() && !self.line.ends_with(b"\r\n") {
            return Err(Refusal::bad("a line feed on its own"));
        }
        Ok(end.is_some())
    }

    /// What follows the line in hand.
    // spec: rfc9112#section-7.1
    fn read_line(&self, bytes_max: usize) -> Result<State, Refusal> {
        let is_empty = self.line == b"\r\n";
        match self.state {
            State::ChunkHead => {
                let left = chunk_length(&self.line).ok_or(BAD_CHUNK)?;
                if left > bytes_max.saturating_sub(self.bytes.len()) {
                    return Err(Refusal::TOO_LONG);
                }
                Ok(if left == 0 {
                    State::Trailer { bytes_count: 0 }
                } else {
                    State::Chunk { left }
                })
            }
            State::ChunkEnd if is_empty => Ok(State::ChunkHead),
            State::Trailer { .. } if is_empty => Ok(State::Whole),
            State::Trailer { bytes_count } => {
                let bytes_count = bytes_count + self.line.len();
                if bytes_count > TRAILER_BYTES_MAX {
                    return Err(Refusal::TOO_LARGE);
                }
                Ok(State::Trailer { bytes_count })
            }
            State::ChunkEnd | State::Whole | State::Counted { .. } | State::Chunk { .. } => {
                Err(BAD_CHUNK)
            }
        }
    }
}

/// The length that the line before a chunk states; what is behind a semicolon is ignored.
fn chunk_length(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r\n")?;
    let digits = line.split(|&octet| octet == b';').next()?;
    // Eight digits are more than any body may have.
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
