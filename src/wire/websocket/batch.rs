//! Batches: a WebSocket message that holds one WAMP message or several.
//!
//! In JSON each message is followed by a separator, the last one too: one of two octets, neither
//! of which may stand in a JSON text. In the other serializers each message is preceded by its
//! length. A batch without a message, or one that ends inside a message, is illegal.

use std::ops::Range;

use super::super::transport::Separator;
use super::frame::{Fault, Opcode};

/// Octets of the length before a message.
pub(crate) const PREFIX_BYTES: usize = 4;

/// Octets that a batch of one has beside its message, at most.
pub(crate) const OVERHEAD_BYTES_MAX: usize = PREFIX_BYTES;

/// A batch without a message.
pub(crate) const EMPTY: Fault = Fault::data("an empty batch");

const CUT: Fault = Fault::data("a batch that ends inside a message");

/// The message at the front of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// Where it lies.
    pub(crate) message: Range<usize>,
    /// Where the next one begins, or the batch ends.
    pub(crate) end: usize,
    /// What separates it from the next one; the default where nothing does.
    pub(crate) separator: Separator,
}

/// Finds the first message of `batch`, which holds messages of `opcode` and is not empty.
// spec: advanced/transport_batched_websocket
pub(crate) fn first(opcode: Opcode, batch: &[u8]) -> Result<First, Fault> {
    if opcode == Opcode::Text {
        let (cancel, record) = (Separator::Cancel as u8, Separator::Record as u8);
        let end = memchr::memchr2(cancel, record, batch).ok_or(CUT)?;
        let is_record = batch.get(end) == Some(&record);
        let separator = if is_record { Separator::Record } else { Separator::Cancel };
        return Ok(First { message: 0..end, end: end + 1, separator });
    }
    let (prefix, rest) = batch.split_first_chunk::<PREFIX_BYTES>().ok_or(CUT)?;
    let length = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| CUT)?;
    if length > rest.len() {
        return Err(CUT);
    }
    let end = PREFIX_BYTES + length;
    Ok(First { message: PREFIX_BYTES..end, end, separator: Separator::default() })
}

/// What stands before a message of `length` octets, which is at most
/// [`MESSAGE_BYTES_CAP`](crate::limits::MESSAGE_BYTES_CAP).
#[inline]
pub(crate) fn prefix(length: usize) -> [u8; PREFIX_BYTES] {
    debug_assert!(u32::try_from(length).is_ok(), "the length was checked before");
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Appends `messages`, which are of `opcode`, as the payload of one batch.
pub(crate) fn write(opcode: Opcode, separator: Separator, messages: &[&[u8]], out: &mut Vec<u8>) {
    for message in messages {
        if opcode == Opcode::Text {
            out.extend_from_slice(message);
            out.push(separator as u8);
        } else {
            out.extend_from_slice(&prefix(message.len()));
            out.extend_from_slice(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_found_and_the_rest_left() {
        type Taken = Result<(Range<usize>, usize), Fault>;
        let tables: [(Opcode, &[u8], Taken); 14] = [
            (Opcode::Text, b"[1]\x18", Ok((0..3, 4))),
            (Opcode::Text, b"[1]\x1E", Ok((0..3, 4))),
            (Opcode::Text, b"[1]\x1E[2]\x18", Ok((0..3, 4))),
            (Opcode::Text, b"\x18[2]\x18", Ok((0..0, 1))),
            (Opcode::Text, b"[1]", Err(CUT)),
            (Opcode::Text, b"[1]\x1D", Err(CUT)),
            (Opcode::Binary, b"\0\0\0\x02ab", Ok((4..6, 6))),
            (Opcode::Binary, b"\0\0\0\x02abc", Ok((4..6, 6))),
            (Opcode::Binary, b"\0\0\0\0", Ok((4..4, 4))),
            (Opcode::Binary, b"\0\0\0\x02a", Err(CUT)),
            (Opcode::Binary, b"\0\0\0", Err(CUT)),
            (Opcode::Binary, b"\0", Err(CUT)),
            (Opcode::Binary, b"\xFF\xFF\xFF\xFFabcdefgh", Err(CUT)),
            (Opcode::Binary, b"\0\0\x01\0abcdefgh", Err(CUT)),
        ];
        for (opcode, batch, expected) in tables {
            let found = first(opcode, batch).map(|first| (first.message, first.end));
            assert_eq!(found, expected, "{opcode:?} {batch:02X?}");
        }
    }

    #[test]
    fn the_separator_is_told() {
        let separator = |batch: &[u8]| first(Opcode::Text, batch).unwrap().separator;
        assert_eq!(separator(b"[]\x18[]\x1E"), Separator::Cancel);
        assert_eq!(separator(b"[]\x1E[]\x18"), Separator::Record);
    }

    #[test]
    fn what_is_written_is_found_again() {
        for opcode in [Opcode::Text, Opcode::Binary] {
            for separator in [Separator::Cancel, Separator::Record] {
                let (messages, mut batch) = ([&b"one"[..], b"", b"three"], Vec::new());
                write(opcode, separator, &messages, &mut batch);
                let mut rest = batch.as_slice();
                for message in messages {
                    let found = first(opcode, rest).unwrap();
                    assert_eq!(rest.get(found.message), Some(message));
                    rest = rest.get(found.end..).unwrap();
                }
                assert_eq!(rest, b"");
            }
        }
    }
}
