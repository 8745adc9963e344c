//! Any element carried from any serializer to any other: what was carried once and comes back is
//! carried again to the same bytes.

#![no_main]

mod elements;

use elements::Met;
use gigawamp::wire::cbor::CborReader;
use gigawamp::wire::json::JsonReader;
use gigawamp::wire::msgpack::MsgPackReader;
use gigawamp::wire::transcode::{self, Unrepresentable};
use gigawamp::wire::ubjson::UbjsonReader;
use gigawamp::wire::{Malformed, Serializer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first octet says from where to where.
    let Some((&way, element)) = input.split_first() else {
        return;
    };
    let from = Serializer::ALL[usize::from(way) % 4];
    let to = Serializer::ALL[usize::from(way) / 4 % 4];
    let Ok(met) = check(from, element) else {
        // Nobody asks for this, but nothing may break either.
        let _ = carried(from, to, element);
        return;
    };
    let Ok(there) = carried(from, to, element) else {
        return;
    };
    check(to, &there).expect("what is written can be read");
    // A text that begins with NUL is taken for octets when it comes back from JSON.
    let ambiguous = to == Serializer::Json && from != to && (met.nul_text || met.other);
    match carried(to, from, &there).and_then(|back| carried(from, to, &back)) {
        Ok(again) => assert!(again == there || ambiguous, "changed on its second way"),
        Err(reason) => assert!(ambiguous, "does not come back: {reason}"),
    }
});

fn check(serializer: Serializer, element: &[u8]) -> Result<Met, Malformed> {
    match serializer {
        Serializer::Json => elements::check::<JsonReader<'_>>(element),
        Serializer::MessagePack => elements::check::<MsgPackReader<'_>>(element),
        Serializer::Cbor => elements::check::<CborReader<'_>>(element),
        Serializer::Ubjson => elements::check::<UbjsonReader<'_>>(element),
    }
}

fn carried(from: Serializer, to: Serializer, element: &[u8]) -> Result<Vec<u8>, Unrepresentable> {
    let mut out = b"before".to_vec();
    let result = transcode::element(from, to, element, &mut out);
    assert!(out.starts_with(b"before"));
    result.map(|()| out.split_off(6))
}
