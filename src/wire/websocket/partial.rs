//! What came of a message or frame that came in parts, or compressed.

use super::deflate;
use super::frame::{self, Expected, Fault, Head, MASKED_HEAD_BYTES_MAX, Opcode};
use crate::limits::FRAGMENTS_MAX;

/// Text that is none.
pub(super) const NOT_UTF8: Fault = Fault::data("text that is not UTF-8");

/// What came in parts.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The head that is coming, as far as it has come.
    pub(super) head: [u8; MASKED_HEAD_BYTES_MAX],
    pub(super) head_count: usize,
    /// The frame whose payload is coming.
    pub(super) frame: Option<Payload>,
    /// The message so far, unmasked.
    pub(super) message: Vec<u8>,
    /// How much of `message` is known to be UTF-8, if it must be.
    pub(super) checked_count: usize,
    /// Frames the message has so far.
    pub(super) fragments: u32,
    /// Whether `message` is still compressed.
    pub(super) is_deflated: bool,
    /// The payload of a control frame so far.
    pub(super) control: Vec<u8>,
    /// Whether `message` is all there, and was given out up to `given_count`.
    pub(super) is_whole: bool,
    pub(super) given_count: usize,
}

/// The rest of a frame's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// Turned so that it begins with the octet for the next one.
    pub(super) key: [u8; 4],
    /// Octets to come.
    pub(super) left: usize,
}

impl Partial {
    /// Goes on with a head, octet by octet; whether it is whole. Afterwards a frame is coming.
    pub(super) fn take_head(
        &mut self,
        expected: Expected,
        input: &mut &mut [u8],
    ) -> Result<bool, Fault> {
        let room =
            if self.is_deflated { Expected::room_deflated(expected.room) } else { expected.room };
        let expected = Expected {
            is_inside: self.fragments > 0,
            room: room.saturating_sub(self.message.len()),
            ..expected
        };
        loop {
            let head = self.head.get(..self.head_count).unwrap_or_default();
            if let Some(head) = frame::parse(head, expected)? {
                let Head { opcode, is_final, key, length: left, .. } = head;
                self.is_deflated |= head.is_deflated;
                self.head_count = 0;
                self.frame = Some(Payload { opcode, is_final, key, left });
                self.fragments += u32::from(!opcode.is_control());
                if self.fragments > FRAGMENTS_MAX {
                    return Err(Fault::too_big("a message in too many fragments"));
                }
                return Ok(true);
            }
            let Some(octet) = input.split_off_first_mut() else {
                return Ok(false);
            };
            *self.head.get_mut(self.head_count).expect("a head that long would be whole") = *octet;
            self.head_count += 1;
        }
    }

    /// Goes on with a payload; opcode and finality of its frame once it is whole. Memory grows
    /// with what arrived, never with what was announced.
    pub(super) fn take_payload(
        &mut self,
        message_opcode: Opcode,
        input: &mut &mut [u8],
    ) -> Result<Option<(Opcode, bool)>, Fault> {
        let frame = self.frame.as_mut().expect("a head came before");
        let count = frame.left.min(input.len());
        let part = input.split_off_mut(..count).unwrap_or_default();
        frame::mask(part, frame.key);
        frame.key.rotate_left(count % 4);
        frame.left -= count;
        let (opcode, is_final, is_whole) = (frame.opcode, frame.is_final, frame.left == 0);
        if opcode.is_control() {
            self.control.extend_from_slice(part);
        } else {
            self.message.extend_from_slice(part);
            if message_opcode == Opcode::Text && !self.is_deflated {
                self.check_text(is_final && is_whole)?;
            }
        }
        if !is_whole {
            return Ok(None);
        }
        self.frame = None;
        Ok(Some((opcode, is_final)))
    }

    /// Puts what the message stands for into its place.
    pub(super) fn inflate(&mut self, expected: Expected) -> Result<(), Fault> {
        self.message = deflate::inflate(&self.message, expected.room)?;
        self.is_deflated = false;
        if expected.opcode == Opcode::Text { self.check_text(true) } else { Ok(()) }
    }

    /// Checks what came since the last time; a character may still be cut unless `is_final`.
    fn check_text(&mut self, is_final: bool) -> Result<(), Fault> {
        let unchecked = self.message.get(self.checked_count..).unwrap_or_default();
        match simdutf8::compat::from_utf8(unchecked) {
            Ok(text) => self.checked_count += text.len(),
            Err(error) if error.error_len().is_none() && !is_final => {
                self.checked_count += error.valid_up_to();
            }
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}
