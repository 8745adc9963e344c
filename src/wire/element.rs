//! The elements of a message, as every serializer reads and writes them.
//!
//! A [`Reader`] is a cursor: it opens lists and dicts, asks for what it expects and skips what it
//! does not care for. Skipping validates: an element that was skipped is well formed, no deeper
//! than [`DEPTH_MAX`](crate::limits::DEPTH_MAX), its text is UTF-8, and its bytes may be forwarded
//! unread. No reader ever builds a tree of values.

use std::borrow::Cow;

use super::{Malformed, Serializer};

/// What kind of element comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`; CBOR's `undefined` too.
    Null,
    /// `true` or `false`; integers are never booleans.
    Boolean,
    /// A whole number written as one (JSON `1.0` is a [`Kind::Float`]).
    Integer,
    /// Any other number.
    Float,
    /// Text in UTF-8. In JSON also the `"\0"`-prefixed form of binary.
    Text,
    /// Octets; never seen in JSON. In UBJSON a typed list of unsigned octets.
    Binary,
    /// A list.
    List,
    /// A dict.
    Dict,
    /// What only one serializer has: MessagePack extensions, CBOR tags and simple values.
    Other,
}

/// The place inside an open list or dict; what is left of it.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// Items (of a dict: entries) left, where the serializer counts them up front;
    /// [`Sequence::UNCOUNTED`] where it does not.
    pub(super) left: u64,
    /// True before the first item.
    pub(super) first: bool,
    /// True for a dict.
    pub(super) dict: bool,
    /// The type that all items share, where the serializer can say so;
    /// [`Sequence::UNTYPED`] where each has its own.
    pub(super) item: u8,
}

impl Sequence {
    /// The number of items is not known before the end is met.
    pub(super) const UNCOUNTED: u64 = u64::MAX;

    /// The items have types of their own.
    pub(super) const UNTYPED: u8 = 0;

    /// Before the first of `left` items.
    #[inline]
    pub(super) const fn new(left: u64, dict: bool) -> Self {
        Self { left, first: true, dict, item: Self::UNTYPED }
    }
}

/// A cursor over the elements of one message.
pub trait Reader<'a>: Sized {
    /// The serializer this reader reads.
    const SERIALIZER: Serializer;

    /// Starts at the first byte of a message.
    fn open(bytes: &'a [u8]) -> Self;

    /// What comes next, without consuming it.
    fn kind(&mut self) -> Result<Kind, Malformed>;

    /// Consumes the head of a list.
    fn list(&mut self) -> Result<Sequence, Malformed>;

    /// Consumes the head of a dict.
    fn dict(&mut self) -> Result<Sequence, Malformed>;

    /// Whether `sequence` has another item; consumes separators, and the end when it is met.
    ///
    /// For a dict another entry follows: read it by [`key`](Self::key) and then one element.
    /// After the end it stays false: whoever reads optional items need not remember.
    fn more(&mut self, sequence: &mut Sequence) -> Result<bool, Malformed>;

    /// Consumes the key of a dict's entry, which must be text.
    fn key(&mut self) -> Result<Cow<'a, str>, Malformed>;

    /// Consumes a whole number that is not negative.
    ///
    /// A number above 2^64 − 1, a negative one and a float are errors; but for a whole double from
    /// 2^32 to 2^53, as which JavaScript clients write large ids, in every serializer but JSON.
    fn integer(&mut self) -> Result<u64, Malformed>;

    /// Consumes a boolean.
    fn boolean(&mut self) -> Result<bool, Malformed>;

    /// Consumes a text. Borrowed unless escapes had to be resolved.
    fn text(&mut self) -> Result<Cow<'a, str>, Malformed>;

    /// Consumes and validates one element of any kind; returns its bytes, without the white space
    /// around it.
    fn skip(&mut self) -> Result<&'a [u8], Malformed>;

    /// Checks that nothing but white space is left.
    fn end(&mut self) -> Result<(), Malformed>;
}

/// Appends elements to a message.
///
/// Sizes are given up front because MessagePack needs them; what is announced must be written.
pub trait Writer<'o>: Sized {
    /// The serializer this writer writes.
    const SERIALIZER: Serializer;

    /// Appends to `out`, whatever it holds already.
    fn open(out: &'o mut Vec<u8>) -> Self;

    /// Opens a list of `count` items.
    fn list(&mut self, count: usize);

    /// Closes the innermost open list.
    fn end_list(&mut self);

    /// Opens a dict of `count` entries.
    fn dict(&mut self, count: usize);

    /// Closes the innermost open dict.
    fn end_dict(&mut self);

    /// The key of the next entry.
    fn key(&mut self, key: &str);

    /// A whole number, in the shortest form.
    fn integer(&mut self, value: u64);

    /// A boolean.
    fn boolean(&mut self, value: bool);

    /// Nothing.
    fn null(&mut self);

    /// A text.
    fn text(&mut self, value: &str);

    /// Octets; in JSON as text, by the specification's convention for binary values.
    fn binary(&mut self, value: &[u8]);

    /// An element that is already in this serializer, verbatim.
    fn raw(&mut self, element: &[u8]);
}
