//! JSON read all at once: a vectorized parser writes a tape, which names every count up front.

use simd_json::StaticNode;
use simd_json::tape::Node;

use crate::wire::Serializer;
use crate::wire::cbor::CborWriter;
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::payload::PayloadWriter;

/// From this size on the tape is faster, its allocations included (measured).
const BYTES_MIN: usize = 1 << 9;

/// Above this size its memory, some twenty-five times the element, costs what it gains.
const BYTES_MAX: usize = 1 << 16;

/// How octets begin, in a JSON text: NUL has no other form. The tape does not tell them from keys.
const OCTETS: &[u8] = b"\"\\u0000";

/// Whether `element` should be tried this way first: towards serializers that count.
pub(super) fn pays(to: Serializer, element: &[u8]) -> bool {
    matches!(to, Serializer::MessagePack | Serializer::Cbor)
        && (BYTES_MIN..=BYTES_MAX).contains(&element.len())
        && memchr::memmem::find(element, OCTETS).is_none()
}

/// Appends `element` to `out`, or nothing.
///
/// False for what the tape has no place for: whole numbers of more than 64 bits.
pub(super) fn carry(to: Serializer, element: &[u8], out: &mut Vec<u8>) -> bool {
    let mut scratch = element.to_vec();
    let Ok(tape) = simd_json::to_tape(&mut scratch) else {
        return false;
    };
    match to {
        Serializer::Json | Serializer::Ubjson => return false,
        Serializer::MessagePack => write::<MsgPackWriter<'_>>(&tape.0, out),
        Serializer::Cbor => write::<CborWriter<'_>>(&tape.0, out),
    }
    true
}

/// Writes what the tape says. Counts stand before what they count, so nothing has to be ended.
fn write<'o, W: PayloadWriter<'o>>(tape: &[Node<'_>], out: &'o mut Vec<u8>) {
    let mut writer = W::open(out);
    for node in tape {
        match *node {
            Node::String(text) => writer.text(text),
            Node::Array { len, .. } => writer.list(len),
            Node::Object { len, .. } => writer.dict(len),
            Node::Static(StaticNode::Null) => writer.null(),
            Node::Static(StaticNode::Bool(value)) => writer.boolean(value),
            Node::Static(StaticNode::I64(value)) => writer.signed(value),
            Node::Static(StaticNode::U64(value)) => writer.integer(value),
            Node::Static(StaticNode::F64(value)) => writer.double(value),
        }
    }
}
