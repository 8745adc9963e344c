//! What is written: lists and dicts whose number of items may be known only at their end.

use crate::wire::Sequence;
use crate::wire::payload::PayloadWriter;

/// Writes one element.
///
/// MessagePack and CBOR put the count before what is counted. A container whose count is not
/// known yet begins with the head of an empty one, a single octet. At its end the right head is
/// put there. What of it does not fit into one octet is kept until all is written and then pushed
/// in everywhere at once, from the back. Only above 15 items does a head need more than one octet,
/// so what is kept stays small beside what was read.
pub(super) struct Target<W> {
    writer: W,
    late: Vec<Late>,
}

/// The part of a head that has to be pushed in.
struct Late {
    place: usize,
    octets: [u8; 4],
    length: usize,
}

/// Where a container began whose count is not known yet.
pub(super) type Place = Option<usize>;

impl<'o, W: PayloadWriter<'o>> Target<W> {
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        Self { writer: W::open(out), late: Vec::new() }
    }

    /// Where scalars are written.
    #[inline]
    pub(super) const fn writer(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Begins a list or dict.
    #[inline]
    pub(super) fn begin(&mut self, sequence: &Sequence) -> Place {
        let place = self.writer.out().len();
        match usize::try_from(sequence.left) {
            Ok(count) if sequence.left != Sequence::UNCOUNTED => {
                self.head(sequence.dict, count);
                None
            }
            _ => {
                self.head(sequence.dict, 0);
                W::COUNTS.then_some(place)
            }
        }
    }

    /// Ends the list or dict that began at `place` and has got `count` items or entries.
    #[inline]
    pub(super) fn end(&mut self, dict: bool, place: Place, count: usize) {
        if let Some(place) = place {
            self.put_head(dict, place, count);
        }
        if dict { self.writer.end_dict() } else { self.writer.end_list() }
    }

    /// Everything is written: pushes in what was kept.
    pub(super) fn finish(mut self) {
        self.late.sort_unstable_by_key(|late| late.place);
        let out = self.writer.out();
        let mut from = out.len();
        let mut to = from + self.late.iter().map(|late| late.length).sum::<usize>();
        out.resize(to, 0);
        for late in self.late.iter().rev() {
            let moved = from - late.place;
            out.copy_within(late.place..from, to - moved);
            (from, to) = (late.place, to - moved - late.length);
            for (octet, &kept) in out.iter_mut().skip(to).zip(late.octets.iter().take(late.length))
            {
                *octet = kept;
            }
        }
    }

    #[inline]
    fn head(&mut self, dict: bool, count: usize) {
        if dict { self.writer.dict(count) } else { self.writer.list(count) }
    }

    fn put_head(&mut self, dict: bool, place: usize, count: usize) {
        // It is written behind everything, only to see what it is.
        let end = self.writer.out().len();
        self.head(dict, count);
        let out = self.writer.out();
        let Some((&first, rest)) = out.get(end..).unwrap_or_default().split_first() else {
            return;
        };
        let mut late = Late { place: place + 1, octets: [0; 4], length: rest.len() };
        for (octet, &written) in late.octets.iter_mut().zip(rest) {
            *octet = written;
        }
        out.truncate(end);
        if let Some(octet) = out.get_mut(place) {
            *octet = first;
        }
        if late.length > 0 {
            self.late.push(late);
        }
    }
}
