//! One event of one subscription on its way to many subscribers.
//!
//! The EVENT is written once per serializer, framing and compression, when the first subscriber of
//! that kind is met; all others get the same bytes.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::peers::{Peers, Undeliverable};
use super::volley::BODY_BYTES_MAX;
use crate::limits::{COPY_BYTES_MAX, MESSAGE_BYTES_CAP};
use crate::message::Event;
use crate::wire::{Deflater, Framing, Negotiated};

/// Buffers for [`Broadcast::begin`], reused from one publication to the next.
#[derive(Debug)]
pub(super) struct Broadcast {
    frames: [Option<Frame>; Negotiated::KINDS],
    /// One bit for each kind in `frames` that is there.
    kinds: u64,
    /// All small frames of this event.
    copied: Vec<u8>,
    transcoded: Vec<u8>,
}

#[derive(Debug)]
enum Frame {
    Copied { frame: Range<usize>, body_bytes: usize },
    Shared { frame: Bytes, body_bytes: usize },
    Undeliverable(Undeliverable),
}

const _: () = assert!(Negotiated::KINDS <= u64::BITS as usize, "one bit for each");

impl Default for Broadcast {
    fn default() -> Self {
        let frames = [const { None }; Negotiated::KINDS];
        Self { frames, kinds: 0, copied: Vec::new(), transcoded: Vec::new() }
    }
}

impl Broadcast {
    /// Forgets the event before.
    pub(super) fn begin(&mut self) {
        while self.kinds != 0 {
            self.frames[self.kinds.trailing_zeros() as usize] = None;
            self.kinds &= self.kinds - 1;
        }
        self.copied.clear();
    }

    /// Queues `event` for the peer in `slot`.
    pub(super) fn send(
        &mut self,
        event: &Event<'_>,
        slot: u32,
        peers: &mut Peers,
    ) -> Result<(), Undeliverable> {
        let negotiated = peers.negotiated(slot).ok_or(Undeliverable::Gone)?;
        let kind = negotiated.kind();
        if self.frames[kind].is_none() {
            self.frames[kind] = Some(self.write(event, negotiated, &mut peers.deflater));
            self.kinds |= 1 << kind;
        }
        let body_bytes_max = negotiated.peer_message_bytes_max;
        match &self.frames[kind] {
            Some(Frame::Copied { frame, body_bytes }) if *body_bytes <= body_bytes_max => {
                peers.queue(slot, &self.copied[frame.clone()]);
                Ok(())
            }
            Some(Frame::Shared { frame, body_bytes }) if *body_bytes <= body_bytes_max => {
                peers.queue_shared(slot, frame);
                Ok(())
            }
            Some(Frame::Undeliverable(why)) => Err(*why),
            Some(Frame::Copied { .. } | Frame::Shared { .. }) | None => Err(Undeliverable::TooLong),
        }
    }

    /// Whether the event in hand may be the first of a volley: all its frames are short.
    pub(super) fn is_short(&self) -> bool {
        let mut kinds = self.kinds;
        while kinds != 0 {
            match &self.frames[kinds.trailing_zeros() as usize] {
                Some(Frame::Copied { body_bytes, .. }) if *body_bytes <= BODY_BYTES_MAX => {}
                Some(_) | None => return false,
            }
            kinds &= kinds - 1;
        }
        true
    }

    /// Lets `event` follow in the volley in hand. Says no if it is not short in every kind of
    /// frame.
    pub(super) fn follow(&mut self, event: &Event<'_>, peers: &mut Peers) -> bool {
        self.begin();
        let mut frames: SmallVec<[Range<usize>; 4]> = SmallVec::new();
        let Peers { volley, deflater, .. } = peers;
        for negotiated in volley.kinds() {
            match self.write(event, negotiated, deflater) {
                Frame::Copied { frame, body_bytes } if body_bytes <= BODY_BYTES_MAX => {
                    frames.push(frame);
                }
                Frame::Copied { .. } | Frame::Shared { .. } | Frame::Undeliverable(_) => {
                    return false;
                }
            }
        }
        if volley.follow(frames.into_iter().map(|frame| &self.copied[frame])) {
            peers.fire();
        }
        true
    }

    fn write(
        &mut self,
        event: &Event<'_>,
        negotiated: Negotiated,
        deflater: &mut Deflater,
    ) -> Frame {
        if event.payload.serializer() == negotiated.serializer {
            let frame = self.frame(event, negotiated, deflater);
            self.copied.shrink_to(SCRATCH_BYTES_KEPT);
            return frame;
        }
        let mut transcoded = std::mem::take(&mut self.transcoded);
        let frame = match event.payload.to(negotiated.serializer, &mut transcoded) {
            Ok(payload) => self.frame(&Event { payload, ..event.clone() }, negotiated, deflater),
            Err(_) => Frame::Undeliverable(Undeliverable::Unrepresentable),
        };
        transcoded.clear();
        transcoded.shrink_to(SCRATCH_BYTES_KEPT);
        self.transcoded = transcoded;
        self.copied.shrink_to(SCRATCH_BYTES_KEPT);
        frame
    }

    /// Writes an event whose payload is in the right serializer.
    fn frame(
        &mut self,
        event: &Event<'_>,
        negotiated: Negotiated,
        deflater: &mut Deflater,
    ) -> Frame {
        let start = self.copied.len();
        let mark = Framing::begin(&mut self.copied);
        let body_at = self.copied.len();
        event.write(negotiated.serializer, &mut self.copied);
        let body_bytes = self.copied.len() - body_at;
        if body_bytes > MESSAGE_BYTES_CAP {
            // An EVENT may be longer than its PUBLISH was, in another serializer much longer.
            self.copied.truncate(start);
            return Frame::Undeliverable(Undeliverable::TooLong);
        }
        let frame = negotiated.finish(deflater, &mut self.copied, mark);
        if frame.len() <= COPY_BYTES_MAX {
            return Frame::Copied { frame, body_bytes };
        }
        let shared = Bytes::copy_from_slice(&self.copied[frame]);
        self.copied.truncate(start);
        Frame::Shared { frame: shared, body_bytes }
    }
}

/// A buffer that has grown beyond this is cut back: one huge event must not cost its size for ever.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EventDetails, Payload, PublicationId, SubscriptionId};
    use crate::wire::{Framing, Serializer};

    #[test]
    fn a_huge_event_leaves_no_memory_behind() {
        let arguments = format!("[\"{}\"]", "x".repeat(1 << 20)).into_bytes();
        let event = Event {
            subscription: SubscriptionId(1),
            publication: PublicationId(2),
            details: EventDetails::default(),
            payload: Payload::from_elements(Serializer::Json, (&arguments, &[]), false),
        };
        let mut broadcast = Broadcast::default();
        broadcast.begin();
        for serializer in Serializer::ALL {
            let peer_message_bytes_max = MESSAGE_BYTES_CAP;
            let framing = Framing::RawSocket;
            let negotiated =
                Negotiated { serializer, framing, deflate: None, peer_message_bytes_max };
            let frame = broadcast.write(&event, negotiated, &mut Deflater::default());
            assert!(matches!(frame, Frame::Shared { .. }));
            let kept = broadcast.copied.capacity() + broadcast.transcoded.capacity();
            assert!(kept <= 2 * SCRATCH_BYTES_KEPT, "{kept} octets after {serializer:?}");
        }
    }
}
