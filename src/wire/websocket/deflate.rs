//! permessage-deflate: each message compressed by itself.
//!
//! Neither end takes the context of one message over to the next, whatever was offered. So an idle
//! connection needs no memory for compression, one compressor serves all connections of a shard,
//! and what is the same for many peers is compressed once for all of them. Taken over, a context
//! would cost each connection about 200 KiB for what it sends and 40 KiB for what it receives, and
//! each subscriber of an event a compression of its own; in return, short messages that resemble
//! each other would become shorter.
//!
//! What arrives may stand for a thousand times its length: it is inflated up to the limit of
//! messages and no further, and memory grows with what came out, not with what could come.
// spec: rfc7692#section-7

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::frame::Fault;
use crate::limits::{DEFLATE_BYTES_MAX, DEFLATE_BYTES_MIN, FINAL_BLOCKS_MAX};

/// How far back what we send may refer.
///
/// Two sizes are enough: repetitions in one message are near each other, and each size has a
/// compressor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Window {
    /// 512 octets, for peers that take no larger one.
    Small = 9,
    /// 4 KiB.
    Usual = 12,
}

impl Window {
    /// How many sizes there are.
    pub const COUNT: usize = 2;

    /// A dense number from 0, for tables with one place per size.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Small => 0,
            Self::Usual => 1,
        }
    }

    /// The number of bits that stands for it in a handshake.
    pub(crate) const fn bits(self) -> u8 {
        self as u8
    }

    /// The largest one of at most `bits_max` bits; none is as small as the 8 that may be asked for.
    pub(crate) const fn within(bits_max: u8) -> Option<Self> {
        match bits_max {
            0..=8 => None,
            9..=11 => Some(Self::Small),
            _ => Some(Self::Usual),
        }
    }
}

/// What compresses outgoing messages, one after the other, for any number of connections.
///
/// Nothing is allocated before the first message: about 200 KiB for each [`Window`] in use.
#[derive(Debug, Default)]
pub struct Deflater {
    small: Option<Compress>,
    usual: Option<Compress>,
    deflated: Vec<u8>,
}

/// With less effort results are a third longer, with more of it they are hardly shorter.
const EFFORT: Compression = Compression::new(2);

/// What every compressed message ends with, which is not sent.
// spec: rfc7692#section-7.2.1
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What is put behind each message that came: the end that was not sent, and an empty block that
/// says it is the last. Whether that is met at the very end tells a whole message from a cut one.
const END: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00];

/// The most that clients compress with; it takes every smaller window as well.
const WINDOW_BITS_MAX: u8 = 15;

/// A buffer that has grown beyond this is cut back.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;

const BROKEN: Fault = Fault::data("a compressed message that is cut or broken");

impl Deflater {
    /// Puts the compressed form of what `out` holds from `at` on into its place, if that is
    /// shorter and worth the work; says whether it did.
    pub(crate) fn shorten(&mut self, window: Window, out: &mut Vec<u8>, at: usize) -> bool {
        let plain = out.get(at..).unwrap_or_default();
        if !(DEFLATE_BYTES_MIN..=DEFLATE_BYTES_MAX).contains(&plain.len()) {
            return false;
        }
        let place = match window {
            Window::Small => &mut self.small,
            Window::Usual => &mut self.usual,
        };
        let make = || Compress::new_with_window_bits(EFFORT, false, window.bits());
        let compressor = place.get_or_insert_with(make);
        compressor.reset();
        self.deflated.clear();
        self.deflated.shrink_to(SCRATCH_BYTES_KEPT);
        // Room for whatever comes out, nine bits for each octet at worst: what a compressor could
        // not hand out would stay in it, for zlib-rs's reset does not forget all of it, until its
        // buffer runs out and it panics.
        self.deflated.reserve(plain.len() + plain.len() / 8 + 64);
        let status = compressor.compress_vec(plain, &mut self.deflated, FlushCompress::Sync);
        let is_whole = matches!(status, Ok(Status::Ok))
            && compressor.total_in() == plain.len() as u64
            && self.deflated.len() < self.deflated.capacity();
        if !is_whole {
            *place = None;
        }
        match self.deflated.strip_suffix(&TAIL) {
            Some(deflated) if is_whole && deflated.len() < plain.len() => {
                out.truncate(at);
                out.extend_from_slice(deflated);
                true
            }
            _ => false,
        }
    }
}

/// What `deflated` stands for: at most `bytes_max` octets.
// spec: rfc7692#section-7.2.2
pub(crate) fn inflate(deflated: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut inflater = Decompress::new_with_window_bits(false, WINDOW_BITS_MAX);
    let (mut inflated, mut final_blocks) = (Vec::new(), 0);
    let (mut rest, mut is_end) = (deflated, false);
    loop {
        if rest.is_empty() && !is_end {
            (rest, is_end) = (&END, true);
        }
        if inflated.len() == inflated.capacity() {
            // One octet more than is allowed, so that too many are told from just enough.
            let room = (bytes_max + 1).saturating_sub(inflated.len());
            inflated.reserve_exact(room.min(inflated.len().max(4 * deflated.len()).max(64)));
        }
        let before = (inflater.total_in(), inflated.len());
        let status = inflater.decompress_vec(rest, &mut inflated, FlushDecompress::None);
        let status = status.map_err(|_| BROKEN)?;
        let taken = usize::try_from(inflater.total_in() - before.0).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if inflated.len() > bytes_max {
            return Err(Fault::too_big("a message longer than we take"));
        }
        match status {
            Status::StreamEnd if is_end && rest.is_empty() => return Ok(inflated),
            // spec: rfc7692#section-7.2.3.4 — a sender may end what it flushes with a final block
            Status::StreamEnd if final_blocks < FINAL_BLOCKS_MAX => {
                final_blocks += 1;
                inflater.reset(false);
            }
            Status::StreamEnd => return Err(BROKEN),
            Status::Ok | Status::BufError if before.1 == inflated.len() && taken == 0 => {
                return Err(BROKEN);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests;
