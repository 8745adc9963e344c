//! What is carried, and what it becomes.

use super::*;
use crate::env::Random;
use crate::wire::Serializer::{Cbor, Json, MessagePack, Ubjson};
use crate::wire::Writer;

fn carried(from: Serializer, to: Serializer, bytes: &[u8]) -> Result<Vec<u8>, Unrepresentable> {
    let mut out = b"before".to_vec();
    let result = element(from, to, bytes, &mut out);
    assert_eq!(out.get(..6), Some(&b"before"[..]), "what stood before stays");
    let written = out.split_off(6);
    match result {
        Ok(()) => Ok(written),
        Err(reason) => {
            assert!(written.is_empty(), "nothing is left of what failed");
            Err(reason)
        }
    }
}

/// The same meaning in JSON, MessagePack and CBOR, each as we write it.
const SAME: &[(&[u8], &[u8], &[u8])] = &[
    (b"null", b"\xc0", b"\xf6"),
    (b"true", b"\xc3", b"\xf5"),
    (b"false", b"\xc2", b"\xf4"),
    (b"0", b"\x00", b"\x00"),
    (b"24", b"\x18", b"\x18\x18"),
    (b"-1", b"\xff", b"\x20"),
    (b"-33", b"\xd0\xdf", b"\x38\x20"),
    (
        b"9007199254740993",
        b"\xcf\x00\x20\x00\x00\x00\x00\x00\x01",
        b"\x1b\x00\x20\x00\x00\x00\x00\x00\x01",
    ),
    (
        b"18446744073709551615",
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    ),
    (
        b"-9223372036854775808",
        b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
        b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff",
    ),
    (b"1.0", b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
    (b"-0.0", b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00", b"\xfb\x80\x00\x00\x00\x00\x00\x00\x00"),
    (b"1.1", b"\xcb\x3f\xf1\x99\x99\x99\x99\x99\x9a", b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"),
    (b"1e300", b"\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c", b"\xfb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"),
    (b"\"\"", b"\xa0", b"\x60"),
    (b"\"a\\n\\\"\\u0001\"", b"\xa4a\n\"\x01", b"\x64a\n\"\x01"),
    (
        "\"\u{f6}\u{1f600}\"".as_bytes(),
        b"\xa6\xc3\xb6\xf0\x9f\x98\x80",
        b"\x66\xc3\xb6\xf0\x9f\x98\x80",
    ),
    (b"\"\\u0000\"", b"\xc4\x00", b"\x40"),
    (b"\"\\u0000AAH/\"", b"\xc4\x03\x00\x01\xff", b"\x43\x00\x01\xff"),
    (b"[]", b"\x90", b"\x80"),
    (b"{}", b"\x80", b"\xa0"),
    (b"[1,[],{\"a\":[2]}]", b"\x93\x01\x90\x81\xa1a\x91\x02", b"\x83\x01\x80\xa1\x61a\x81\x02"),
    (
        b"{\"a\":{\"\":null},\"b\":\"\\u0000AA==\"}",
        b"\x82\xa1a\x81\xa0\xc0\xa1b\xc4\x01\x00",
        b"\xa2\x61a\xa1\x60\xf6\x61b\x41\x00",
    ),
];

/// The same in UBJSON.
const SAME_IN_UBJSON: &[&[u8]] = &[
    b"Z",
    b"T",
    b"F",
    b"U\x00",
    b"U\x18",
    b"i\xff",
    b"i\xdf",
    b"L\x00\x20\x00\x00\x00\x00\x00\x01",
    b"HU\x1418446744073709551615",
    b"L\x80\x00\x00\x00\x00\x00\x00\x00",
    b"D\x3f\xf0\x00\x00\x00\x00\x00\x00",
    b"D\x80\x00\x00\x00\x00\x00\x00\x00",
    b"D\x3f\xf1\x99\x99\x99\x99\x99\x9a",
    b"D\x7e\x37\xe4\x3c\x88\x00\x75\x9c",
    b"SU\x00",
    b"SU\x04a\n\"\x01",
    b"SU\x06\xc3\xb6\xf0\x9f\x98\x80",
    b"[$U#U\x00",
    b"[$U#U\x03\x00\x01\xff",
    b"[]",
    b"{}",
    b"[U\x01[]{U\x01a[U\x02]}]",
    b"{U\x01a{U\x00Z}U\x01b[$U#U\x01\x00}",
];

// spec: advanced/serialization_binary_json#binary-conversion-of-json-strings
#[test]
fn what_all_have_keeps_its_meaning() {
    assert_eq!(SAME.len(), SAME_IN_UBJSON.len());
    for ((json, msgpack, cbor), ubjson) in SAME.iter().zip(SAME_IN_UBJSON) {
        let all = [(Json, json), (MessagePack, msgpack), (Cbor, cbor), (Ubjson, ubjson)];
        for (from, bytes) in all {
            for (to, expected) in all {
                let text = String::from_utf8_lossy(json);
                assert_eq!(
                    carried(from, to, bytes).as_deref(),
                    Ok(*expected),
                    "{from:?} {to:?} {text}"
                );
            }
        }
    }
}

#[test]
fn the_specifications_own_example_of_octets() {
    let octets = b"\xc4\x10\x10\xe3\xff\x90\x53\x07\x5c\x52\x6f\x5f\xc0\x6d\x4f\xe3\x7c\xdb";
    let json = br#""\u0000EOP/kFMHXFJvX8BtT+N82w==""#;
    assert_eq!(carried(MessagePack, Json, octets).as_deref(), Ok(&json[..]));
    assert_eq!(carried(Json, MessagePack, json).as_deref(), Ok(&octets[..]));
}

/// What changes on its way, by the rules at the head of the module.
const CHANGED: &[(Serializer, &[u8], Serializer, &[u8])] = &[
    // Minus zero written as a whole number is zero.
    (Json, b"-0", MessagePack, b"\x00"),
    (Json, b"-0", Cbor, b"\x00"),
    // Beyond 64 bits: the nearest float.
    (Json, b"18446744073709551616", MessagePack, b"\xcb\x43\xf0\x00\x00\x00\x00\x00\x00"),
    (Json, b"-9223372036854775809", Cbor, b"\xfb\xc3\xe0\x00\x00\x00\x00\x00\x00"),
    (Cbor, b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Json, b"-1.8446744073709552e19"),
    (
        Cbor,
        b"\x3b\x80\x00\x00\x00\x00\x00\x00\x00",
        MessagePack,
        b"\xcb\xc3\xe0\x00\x00\x00\x00\x00\x00",
    ),
    // Bignums within 64 bits.
    (Cbor, b"\xc2\x41\x05", Json, b"5"),
    (Cbor, b"\xc2\x40", Json, b"0"),
    (Cbor, b"\xc2\x49\x00\xff\xff\xff\xff\xff\xff\xff\xff", Json, b"18446744073709551615"),
    (Cbor, b"\xc2\x5f\x41\x01\x41\x00\xff", MessagePack, b"\xcd\x01\x00"),
    (Cbor, b"\xc3\x48\x7f\xff\xff\xff\xff\xff\xff\xff", Json, b"-9223372036854775808"),
    // Other tags are dropped, as often as they come.
    (Cbor, b"\xc1\x1a\x00\x00\x00\x01", Json, b"1"),
    (Cbor, b"\xd9\xd9\xf7\xd8\x20\x61a", MessagePack, b"\xa1a"),
    (Cbor, b"\xc2\xd8\x20\x41\x05", MessagePack, b"\xc4\x01\x05"),
    (Cbor, b"\x82\xc1\x01\xa1\xc1\x61a\xc1\x80", Json, b"[1,{\"a\":[]}]"),
    // High-precision numbers: as JSON's.
    (Ubjson, b"HU\x043.25", MessagePack, b"\xcb\x40\x0a\x00\x00\x00\x00\x00\x00"),
    (Ubjson, b"HU\x031E2", Json, b"100.0"),
    (Ubjson, b"HU\x02-7", Cbor, b"\x26"),
    (Ubjson, b"HU\x02-0", Cbor, b"\x00"),
    (Ubjson, b"HU\x1418446744073709551616", Cbor, b"\xfb\x43\xf0\x00\x00\x00\x00\x00\x00"),
    // Typed and counted lists and dicts, characters, no-ops.
    (Ubjson, b"[$i#U\x03\x01\xff\x02", Json, b"[1,-1,2]"),
    (Ubjson, b"[$S#U\x02U\x01aU\x00", MessagePack, b"\x92\xa1a\xa0"),
    (Ubjson, b"[$[#U\x02U\x01]$U#U\x01\x07", Json, b"[[1],\"\\u0000Bw==\"]"),
    (Ubjson, b"[$[#U\x02#U\x01Z$i#U\x01\x07", Json, b"[[null],[7]]"),
    (Ubjson, b"{$T#U\x02U\x01aU\x01b", Json, b"{\"a\":true,\"b\":true}"),
    (Ubjson, b"{$U#U\x01U\x01a\x09", Cbor, b"\xa1\x61a\x09"),
    (Ubjson, b"{#U\x01U\x01a[#U\x02CxU\x09", Cbor, b"\xa1\x61a\x82\x61x\x09"),
    (Ubjson, b"[NU\x01NN{NU\x01aNTN}N]N", MessagePack, b"\x92\x01\x81\xa1a\xc3"),
    (Ubjson, b"d\x3f\x80\x00\x00", MessagePack, b"\xca\x3f\x80\x00\x00"),
    (Cbor, b"\xf9\x3c\x00", Ubjson, b"d\x3f\x80\x00\x00"),
    (Cbor, b"\xf9\x7e\x00", Ubjson, b"Z"),
    (MessagePack, b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", Ubjson, b"Z"),
    (Ubjson, b"D\xff\xf0\x00\x00\x00\x00\x00\x00", Json, b"null"),
    // Floats that JSON does not have.
    (
        MessagePack,
        b"\x93\xca\x7f\x80\x00\x00\xca\x7f\xc0\x00\x00\xcb\xff\xf0\x00\x00\x00\x00\x00\x00",
        Json,
        b"[null,null,null]",
    ),
    (Cbor, b"\xf9\x7e\x00", Json, b"null"),
    // Widths of floats.
    (MessagePack, b"\xca\x3f\x80\x00\x00", Json, b"1.0"),
    (MessagePack, b"\xca\x3d\xcc\xcc\xcd", Json, b"0.10000000149011612"),
    (MessagePack, b"\xca\x3f\x80\x00\x00", Cbor, b"\xfa\x3f\x80\x00\x00"),
    (Cbor, b"\xfa\x3f\x80\x00\x00", MessagePack, b"\xca\x3f\x80\x00\x00"),
    (Cbor, b"\xf9\x3c\x00", MessagePack, b"\xca\x3f\x80\x00\x00"),
    (Cbor, b"\xf9\x00\x01", Json, b"5.960464477539063e-8"),
    (Cbor, b"\xf9\x7b\xff", Json, b"65504.0"),
    (Cbor, b"\xf9\x80\x00", Json, b"-0.0"),
    (Cbor, b"\xf9\x7c\x00", MessagePack, b"\xca\x7f\x80\x00\x00"),
    (Json, b"1E2", MessagePack, b"\xcb\x40\x59\x00\x00\x00\x00\x00\x00"),
    // CBOR's second nothing.
    (Cbor, b"\xf7", MessagePack, b"\xc0"),
    (Cbor, b"\xf7", Json, b"null"),
    // Texts that only look like octets, where nothing was said of octets.
    (MessagePack, b"\xa3\x00a?", Json, b"\"\\u0000a?\""),
    (Json, b"{\"\\u0000AA==\":1}", MessagePack, b"\x81\xa5\x00AA==\x01"),
    // Keys that are no texts.
    (MessagePack, b"\x82\x01\xa1a\x91\x02\xc0", Cbor, b"\xa2\x01\x61a\x81\x02\xf6"),
    (Cbor, b"\xbf\xbf\x01\x02\xff\x9f\xff\xff", MessagePack, b"\x81\x81\x01\x02\x90"),
    // Indefinite lengths.
    (
        Cbor,
        b"\x9f\x01\x7f\x61a\x61b\xff\x5f\x41\x01\xff\xbf\xff\xff",
        MessagePack,
        b"\x94\x01\xa2ab\xc4\x01\x01\x80",
    ),
    (Cbor, b"\xbf\x61a\x9f\xff\xff", Json, b"{\"a\":[]}"),
    // Any width and any white space in, the shortest out.
    (MessagePack, b"\xdd\x00\x00\x00\x01\xd3\x00\x00\x00\x00\x00\x00\x00\x05", Cbor, b"\x81\x05"),
    (Json, b"{ \"a\" :\n[ 1 , 2 ] , \"b\" : { } }", Cbor, b"\xa2\x61a\x82\x01\x02\x61b\xa0"),
];

// spec: B-SER-08
#[test]
fn what_only_some_have_follows_the_rules() {
    for (from, bytes, to, expected) in CHANGED {
        assert_eq!(carried(*from, *to, bytes).as_deref(), Ok(*expected), "{from:?} {bytes:02x?}");
    }
}

const REFUSED: &[(Serializer, &[u8], Serializer)] = &[
    (Json, b"\"\\u0000A\"", MessagePack),
    (Json, b"\"\\u0000AAA\"", Cbor),
    (Json, b"\"\\u0000AA=\"", Cbor),
    (Json, b"\"\\u0000AB==\"", Cbor),
    (Json, b"\"\\u0000A A=\"", MessagePack),
    (Json, b"\"\\u0000-_==\"", MessagePack),
    (Json, b"[1,{\"a\":\"\\u0000?\"}]", MessagePack),
    (MessagePack, b"\x81\x01\x02", Json),
    (MessagePack, b"\x81\xc4\x01a\x02", Json),
    (MessagePack, b"\x81\x91\x01\x02", Json),
    (Cbor, b"\xa1\xf6\x02", Json),
    (Cbor, b"\x81\xbf\x01\x02\xff", Json),
    (MessagePack, b"\xd4\x01\xff", Json),
    (MessagePack, b"\x92\x01\xd6\xff\x00\x00\x00\x00", Cbor),
    (MessagePack, b"\x81\xc7\x00\x05\x01", Cbor),
    (Cbor, b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", Json),
    (Cbor, b"\xc3\x48\x80\x00\x00\x00\x00\x00\x00\x00", MessagePack),
    (Cbor, b"\xe0", MessagePack),
    (Cbor, b"\xf8\xff", Json),
    (MessagePack, b"\x81\x01\x02", Ubjson),
    (Cbor, b"\xa1\xf6\x02", Ubjson),
    (Json, b"\"\\u0000A\"", Ubjson),
];

/// The draft has none, so what has their bits means no more than what UBJSON would have written.
#[test]
fn infinities_in_ubjson_are_null_on_every_way() {
    for bits in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let double = [&b"D"[..], &bits.to_be_bytes()].concat();
        #[expect(clippy::cast_possible_truncation, reason = "they have no digits to lose")]
        let single = [&b"d"[..], &(bits as f32).to_be_bytes()].concat();
        for element in [double, single] {
            assert_eq!(carried(Ubjson, MessagePack, &element).as_deref(), Ok(&b"\xc0"[..]));
            assert_eq!(carried(Ubjson, Cbor, &element).as_deref(), Ok(&b"\xf6"[..]));
            assert_eq!(carried(Ubjson, Json, &element).as_deref(), Ok(&b"null"[..]));
            assert_eq!(carried(Ubjson, Ubjson, &element), Ok(element));
        }
    }
}

#[test]
fn what_has_no_counterpart_is_refused_and_leaves_nothing() {
    for (from, bytes, to) in REFUSED {
        assert!(carried(*from, *to, bytes).is_err(), "{from:?} to {to:?} {bytes:02x?}");
        assert_eq!(carried(*from, *from, bytes).as_deref(), Ok(*bytes), "a copy is a copy");
    }
}

#[test]
fn what_is_not_an_element_is_an_error_and_no_panic() {
    for from in Serializer::ALL {
        for to in Serializer::ALL.into_iter().filter(|&to| to != from) {
            for bytes in [&b""[..], b"[1", b"\x92\x01", b"\x9f\x01", b"\xc1", b"[1] 2", b"\x01\x01"]
            {
                assert!(carried(from, to, bytes).is_err(), "{from:?} {to:?} {bytes:02x?}");
            }
        }
    }
}

/// Writes a value that `random` makes up; the same for every writer.
fn write<'o, W: PayloadWriter<'o>>(writer: &mut W, random: &mut Random, depth: u32) {
    let choices = if depth == 0 { 7 } else { 9 };
    match random.below(choices) {
        0 => writer.null(),
        1 => writer.boolean(random.one_in(2)),
        2 => {
            let shift = random.below(64);
            writer.integer(random.bits() >> shift);
        }
        3 => {
            let shift = random.below(64);
            writer.signed(random.bits().cast_signed() >> shift);
        }
        4 => {
            let value = f64::from_bits(random.bits());
            writer.double(if value.is_finite() { value } else { 0.5 });
        }
        5 => writer.text(&text(random)),
        6 => {
            let mut binary = [0; 70];
            random.fill(&mut binary);
            let length = usize::try_from(random.below(70)).unwrap();
            writer.binary(binary.get(..length).unwrap());
        }
        7 => {
            let count = count(random);
            writer.list(count);
            (0..count).for_each(|_| write(writer, random, depth - 1));
            writer.end_list();
        }
        _ => {
            let count = count(random);
            writer.dict(count);
            for _ in 0..count {
                writer.key(&text(random));
                write(writer, random, depth - 1);
            }
            writer.end_dict();
        }
    }
}

fn count(random: &mut Random) -> usize {
    let bound = if random.one_in(8) { 40 } else { 4 };
    usize::try_from(random.below(bound)).unwrap()
}

fn text(random: &mut Random) -> String {
    let bound = if random.one_in(8) { 300 } else { 12 };
    let length = random.below(bound);
    let text: String = (0..length)
        .filter_map(|_| {
            let bound = [0x30, 0x80, 0x800, 0x11_0000]
                .into_iter()
                .nth(usize::try_from(random.below(4)).unwrap())?;
            char::from_u32(u32::try_from(random.below(bound)).unwrap())
        })
        .collect();
    text.trim_start_matches('\0').to_owned()
}

/// The value that belongs to `seed`, in all serializers.
fn forms(seed: u64) -> [Vec<u8>; Serializer::ALL.len()] {
    Serializer::ALL.map(|serializer| {
        let mut out = Vec::new();
        let random = &mut Random::from_number(seed);
        match serializer {
            Json => write(&mut JsonWriter::open(&mut out), random, 4),
            MessagePack => write(&mut MsgPackWriter::open(&mut out), random, 4),
            Cbor => write(&mut CborWriter::open(&mut out), random, 4),
            Ubjson => write(&mut UbjsonWriter::open(&mut out), random, 4),
        }
        out
    })
}

#[test]
fn any_value_becomes_what_its_own_writer_writes() {
    let mut sizes = 0;
    for seed in 0..3_000 {
        let forms = forms(seed);
        sizes += forms.iter().map(Vec::len).sum::<usize>();
        for (from, bytes) in Serializer::ALL.into_iter().zip(&forms) {
            for (to, expected) in Serializer::ALL.into_iter().zip(&forms) {
                assert_eq!(
                    carried(from, to, bytes).as_ref(),
                    Ok(expected),
                    "{seed} {from:?} {to:?}"
                );
            }
        }
    }
    assert!(sizes > 500_000, "the values must not all be small: {sizes}");
}

#[test]
fn the_tape_and_the_reader_agree() {
    let mut taped = 0;
    for seed in 0..2_000 {
        let [json, ..] = forms(seed);
        if memchr::memmem::find(&json, b"\"\\u0000").is_some() {
            continue;
        }
        for to in [MessagePack, Cbor] {
            let (mut by_tape, mut by_reader) = (Vec::new(), Vec::new());
            read(JsonReader::open(&json), to, &mut by_reader).unwrap();
            assert!(tape::carry(to, &json, &mut by_tape));
            assert_eq!(by_tape, by_reader, "{}", String::from_utf8_lossy(&json));
            taped += 1;
        }
    }
    assert!(taped > 500, "{taped}");
}

#[test]
fn large_payloads_follow_the_same_rules() {
    let filler = "\"filler\",".repeat(1_000);
    let with = |last: &str| format!("[{filler}{last}]").into_bytes();
    assert!(tape::pays(Cbor, &with("1")) && !tape::pays(Ubjson, &with("1")));
    for last in ["18446744073709551616", "-9223372036854775809", "-0", "1E2", "{\"\\u0000?\":1}"] {
        let large = carried(Json, Cbor, &with(last)).unwrap();
        let small = carried(Json, Cbor, last.as_bytes()).unwrap();
        assert!(large.ends_with(&small), "{last}");
    }
    assert!(carried(Json, Cbor, &with("\"\\u0000AA==\"")).unwrap().ends_with(b"\x41\x00"));
    assert!(carried(Json, Cbor, &with("\"\\u0000?\"")).is_err());
}

#[test]
fn counts_of_every_width_are_put_in_late() {
    for count in [0, 1, 15, 16, 23, 24, 255, 256, 65_535, 65_536, 100_000] {
        let items = vec!["[[],7]"; count].join(",");
        // Beyond the sizes that go by the tape, or held back from it by some octets.
        let json = format!("[\"\\u0000\",[{items}],{{\"a\":[{items}]}}]");
        for to in [MessagePack, Cbor] {
            let mut expected = Vec::new();
            let list = |out: &mut Vec<u8>, count| match to {
                Cbor => CborWriter::open(out).list(count),
                Json | MessagePack | Ubjson => MsgPackWriter::open(out).list(count),
            };
            let item = if to == Cbor { b"\x82\x80\x07" } else { b"\x92\x90\x07" };
            expected.extend_from_slice(if to == Cbor { b"\x83\x40" } else { b"\x93\xc4\x00" });
            list(&mut expected, count);
            expected.extend(item.repeat(count));
            expected.extend_from_slice(if to == Cbor { b"\xa1\x61a" } else { b"\x81\xa1a" });
            list(&mut expected, count);
            expected.extend(item.repeat(count));
            assert!(carried(Json, to, json.as_bytes()).unwrap() == expected, "{count} {to:?}");
            let back = carried(to, Json, &expected).unwrap();
            assert!(back == json.as_bytes(), "{count} {to:?}");
        }
        // The same from CBOR's indefinite lengths.
        let cbor = [&b"\x9f"[..], &b"\x9f\x9f\xff\x07\xff".repeat(count), b"\xff"].concat();
        let mut expected = Vec::new();
        MsgPackWriter::open(&mut expected).list(count);
        expected.extend(b"\x92\x90\x07".repeat(count));
        assert!(carried(Cbor, MessagePack, &cbor).unwrap() == expected, "{count}");
    }
}

#[test]
fn the_deepest_element_is_carried() {
    let deepest = crate::limits::DEPTH_MAX as usize;
    let json = format!("{}1{}", "[".repeat(deepest), "]".repeat(deepest));
    let msgpack = [&b"\x91".repeat(deepest)[..], b"\x01"].concat();
    assert_eq!(carried(Json, MessagePack, json.as_bytes()).as_deref(), Ok(&msgpack[..]));
    assert_eq!(carried(MessagePack, Json, &msgpack).as_deref(), Ok(json.as_bytes()));
    assert!(carried(MessagePack, Cbor, &b"\x91".repeat(100_000)).is_err());
}

#[test]
fn what_was_skipped_never_panics() {
    let mut random = Random::from_number(5);
    for _ in 0..20_000 {
        let mut bytes = vec![0; usize::try_from(random.below(32)).unwrap()];
        random.fill(&mut bytes);
        for from in Serializer::ALL {
            for to in Serializer::ALL {
                let _ = carried(from, to, &bytes);
            }
        }
    }
}
