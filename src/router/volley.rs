//! A volley: small events that follow one another to the same receivers.
//!
//! Who publishes much sends many PUBLISH in one read, and each of them goes to the same thousand
//! connections. Going through all of these once per event costs more than the octets do, so the
//! events behind the first one are only written down, and queued for every receiver at once when
//! the volley is *fired*: at the end of the input in hand, or before anything else is queued for
//! one of its receivers. So nobody sees another order than without.
//!
//! ```text
//!  first event ──▶ each receiver, who is noted        (broker: deliver)
//!  next event  ──▶ one buffer per kind of frame       (broadcast: follow)
//!  fire        ──▶ each receiver, all that is in its buffer
//! ```

use super::peers::Peers;
use crate::message::{SessionId, SubscriptionId};
use crate::wire::Negotiated;

/// Below so many receivers nothing is won.
pub(super) const RECEIVERS_MIN: usize = 2;

/// Octets of the longest message that goes in a volley: every peer takes as many.
// spec: advanced/transport_rawsocket#handshake — the shortest limit is 2^9
pub(super) const BODY_BYTES_MAX: usize = 512;

/// Octets that wait in one buffer before they are fired.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// Who gets an event: two of the same aim have the same receivers, unless somebody came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) realm: u16,
    pub(super) subscription: SubscriptionId,
    /// Whose events they are, if they do not come back.
    pub(super) excluded: Option<SessionId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Volley {
    aim: Option<Aim>,
    /// Distinguishes this one from those before: [`Slot::volley`](super::slots::Slot) of whom it
    /// is for.
    pub(super) number: u32,
    /// The slot of each receiver, and where its buffer is.
    receivers: Vec<(u32, u32)>,
    buffers: Vec<Buffer>,
    /// Events in the buffers.
    events_count: usize,
}

/// What waits for all receivers of one kind of frame.
#[derive(Debug)]
struct Buffer {
    /// Of one of them; what differs between them does not matter to short messages.
    negotiated: Negotiated,
    frames: Vec<u8>,
}

impl Volley {
    /// Whether an event of this aim may follow.
    #[inline]
    pub(super) fn is_for(&self, aim: Aim) -> bool {
        self.aim == Some(aim)
    }

    /// Whether there is anything to fire.
    #[inline]
    pub(super) const fn is_waiting(&self) -> bool {
        self.events_count > 0
    }

    /// What kinds of frames its receivers want.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Negotiated> + '_ {
        self.buffers.iter().map(|buffer| buffer.negotiated)
    }

    /// One more event waits: its `frames`, one for each of [`kinds`](Self::kinds). Says whether it
    /// should be the last.
    pub(super) fn follow<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> bool {
        self.events_count += 1;
        for (buffer, frame) in self.buffers.iter_mut().zip(frames) {
            buffer.frames.extend_from_slice(frame);
        }
        self.buffers.iter().any(|buffer| buffer.frames.len() >= BUFFER_BYTES_MAX)
    }

    fn join(&mut self, slot: u32, negotiated: Negotiated) {
        let kind = negotiated.kind();
        let known = self.buffers.iter().position(|buffer| buffer.negotiated.kind() == kind);
        let buffer = known.unwrap_or_else(|| {
            self.buffers.push(Buffer { negotiated, frames: Vec::new() });
            self.buffers.len() - 1
        });
        self.receivers.push((slot, u32::try_from(buffer).expect("there are few kinds")));
    }
}

impl Peers {
    /// The next event is the first of a volley with this aim; the one before is over.
    pub(super) fn begin_volley(&mut self, aim: Aim) {
        self.end_volley();
        self.volley.aim = Some(aim);
    }

    /// The peer in `slot` has been sent the first event, and will be sent what follows.
    pub(super) fn join_volley(&mut self, slot: u32) {
        if let Some(negotiated) = self.negotiated(slot) {
            self.volley.join(slot, negotiated);
            self.note_volley(slot);
        }
    }

    /// Nothing may follow any more: receivers come or go, or the first event was none for a volley.
    pub(super) fn end_volley(&mut self) {
        self.fire();
        let volley = &mut self.volley;
        volley.aim = None;
        volley.receivers.clear();
        volley.buffers.clear();
        volley.number = volley.number.wrapping_add(1);
    }

    /// Queues what waits. More may follow.
    pub(super) fn fire(&mut self) {
        let events_count = std::mem::take(&mut self.volley.events_count);
        if events_count == 0 {
            return;
        }
        let receivers = std::mem::take(&mut self.volley.receivers);
        let mut buffers = std::mem::take(&mut self.volley.buffers);
        for (slot, buffer) in &receivers {
            self.queue_several(*slot, &buffers[*buffer as usize].frames, events_count);
        }
        buffers.iter_mut().for_each(|buffer| buffer.frames.clear());
        (self.volley.receivers, self.volley.buffers) = (receivers, buffers);
    }
}
