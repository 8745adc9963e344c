//! Carries one element from one serializer to another.
//!
//! What all serializers have keeps its meaning: null, booleans, whole numbers, floats,
//! texts, octets, lists, and dicts with texts for keys. Carried there and back, it is the same
//! again. What only some have follows these rules:
//!
//! - *Octets* in JSON are a text: a NUL character, then base64 with padding. A JSON text that
//!   begins with NUL and does not go on so is unrepresentable. A text from elsewhere that begins
//!   with NUL goes to JSON as it is, although its reader may take it for octets: the convention
//!   has no escape. Keys are never octets.
//! - *Whole numbers* from −2^63 to 2^64 − 1 are exact everywhere, CBOR's bignums within that
//!   range too. Other bignums are unrepresentable; any other whole number beyond the range becomes
//!   the nearest float.
//! - *Floats* keep their value, and their width except in JSON; CBOR's half width
//!   becomes single. JSON has one width only, written so that it stays a float (`1.0`). JSON and
//!   UBJSON have no infinities and NaN: they become null, also if UBJSON has their bits.
//! - *Keys* that are no texts pass between MessagePack and CBOR and are unrepresentable in JSON and
//!   UBJSON.
//! - *CBOR's* `undefined` becomes null, tags are dropped and what they stand on is carried, simple
//!   values are unrepresentable. So are *MessagePack's* extensions.
//! - *UBJSON's* high-precision numbers follow the rules of JSON's numbers; a character is a text.
//!
//! Nothing here builds a tree of values; what is written depends on nothing but the element.

mod tape;
mod target;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use self::target::{Place, Target};
use super::cbor::{CborReader, CborWriter};
use super::json::{JsonReader, JsonWriter};
use super::msgpack::{MsgPackReader, MsgPackWriter};
use super::payload::{PayloadReader, PayloadWriter};
use super::ubjson::{UbjsonReader, UbjsonWriter};
use super::{Malformed, Reader, Sequence, Serializer};

/// Why an element has no counterpart in another serializer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrepresentable(pub &'static str);

impl std::fmt::Display for Unrepresentable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unrepresentable {}

impl From<Malformed> for Unrepresentable {
    fn from(Malformed(reason): Malformed) -> Self {
        Self(reason)
    }
}

/// Appends to `out` one element in the serializer `to`, of the same meaning as `element` in `from`.
///
/// `element` is one whole element that [`Reader::skip`] has returned. If the serializers are the
/// same it is copied as it is. It may grow: octets by a third in JSON, texts sixfold if all of
/// their characters must be escaped.
///
/// # Errors
///
/// If `to` has no form for something in the element; `out` is as it was before.
// spec: advanced/serialization_binary_json#binary-conversion-of-json-strings
pub fn element(
    from: Serializer,
    to: Serializer,
    element: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Unrepresentable> {
    let before = out.len();
    let carried = match from {
        _ if from == to => {
            out.extend_from_slice(element);
            Ok(())
        }
        Serializer::Json if tape::pays(to, element) && tape::carry(to, element, out) => Ok(()),
        Serializer::Json => read(JsonReader::open(element), to, out),
        Serializer::MessagePack => read(MsgPackReader::open(element), to, out),
        Serializer::Cbor => read(CborReader::open(element), to, out),
        Serializer::Ubjson => read(UbjsonReader::open(element), to, out),
    };
    if carried.is_err() {
        out.truncate(before);
    }
    carried
}

fn read<'a>(
    source: impl PayloadReader<'a>,
    to: Serializer,
    out: &mut Vec<u8>,
) -> Result<(), Unrepresentable> {
    match to {
        Serializer::Json => carry::<JsonWriter<'_>>(source, out),
        Serializer::MessagePack => carry::<MsgPackWriter<'_>>(source, out),
        Serializer::Cbor => carry::<CborWriter<'_>>(source, out),
        Serializer::Ubjson => carry::<UbjsonWriter<'_>>(source, out),
    }
}

/// A list or dict that is being carried.
struct Open {
    sequence: Sequence,
    /// Items (of a dict: entries) begun so far.
    count: usize,
    /// Whether a key was carried and its value was not.
    value_follows: bool,
    place: Place,
}

/// Carries the one element of `source`. The source bounds how deep it goes.
fn carry<'a, 'o, W: PayloadWriter<'o>>(
    mut source: impl PayloadReader<'a>,
    out: &'o mut Vec<u8>,
) -> Result<(), Unrepresentable> {
    let mut target = Target::<W>::open(out);
    let mut open = SmallVec::<[Open; 8]>::new();
    let mut entered = source.carry(target.writer())?;
    loop {
        if let Some(sequence) = entered {
            let place = target.begin(&sequence);
            open.push(Open { sequence, count: 0, value_follows: false, place });
        }
        // Ends what ends here, up to what goes on.
        let innermost = loop {
            let Some(innermost) = open.last_mut() else {
                source.end()?;
                target.finish();
                return Ok(());
            };
            if innermost.value_follows || source.more(&mut innermost.sequence)? {
                break innermost;
            }
            target.end(innermost.sequence.dict, innermost.place, innermost.count);
            open.pop();
        };
        let is_key = innermost.sequence.dict && !innermost.value_follows;
        innermost.count += usize::from(!innermost.value_follows);
        innermost.value_follows = is_key;
        let writer = target.writer();
        entered = if is_key { source.carry_key(writer)? } else { source.carry(writer)? };
    }
}
