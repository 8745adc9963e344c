//! What the UBJSON reader takes and refuses, and what the writer writes.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
#![expect(clippy::cast_possible_truncation, reason = "what tests count is small")]

use super::*;
use crate::env::Random;
use crate::wire::payload::PayloadWriter;
use crate::wire::transcode;

/// Skips the only element of `bytes`.
fn skip(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = UbjsonReader::open(bytes);
    let element = reader.skip()?;
    reader.end()?;
    Ok(element)
}

const ACCEPTED: &[(&[u8], Kind)] = &[
    (b"Z", Kind::Null),
    (b"T", Kind::Boolean),
    (b"F", Kind::Boolean),
    (b"U\xff", Kind::Integer),
    (b"i\x80", Kind::Integer),
    (b"I\x80\x00", Kind::Integer),
    (b"l\x00\x00\x00\x01", Kind::Integer),
    (b"L\x80\x00\x00\x00\x00\x00\x00\x00", Kind::Integer),
    (b"HU\x0212", Kind::Integer),
    (b"HU\x03-12", Kind::Integer),
    (b"HI\x00\x1a18446744073709551616000000", Kind::Integer),
    (b"HU\x033.5", Kind::Float),
    (b"HU\x041E+5", Kind::Float),
    (b"d\x7f\x80\x00\x00", Kind::Float),
    (b"D\x7f\xf8\x00\x00\x00\x00\x00\x00", Kind::Float),
    (b"Ca", Kind::Text),
    (b"C\x7f", Kind::Text),
    (b"SU\x00", Kind::Text),
    (b"SU\x02\xc3\xa9", Kind::Text),
    (b"Si\x01a", Kind::Text),
    (b"SI\x00\x01a", Kind::Text),
    (b"Sl\x00\x00\x00\x01a", Kind::Text),
    (b"SL\x00\x00\x00\x00\x00\x00\x00\x01a", Kind::Text),
    (b"[$U#U\x00", Kind::Binary),
    (b"[$U#U\x02\x00\xff", Kind::Binary),
    (b"[$U#I\x00\x02\x00\xff", Kind::Binary),
    (b"[]", Kind::List),
    (b"[ZT[]]", Kind::List),
    (b"[#U\x00", Kind::List),
    (b"[#U\x02Z[]", Kind::List),
    (b"[$i#U\x02\x01\x02", Kind::List),
    (b"[$D#U\x01\x7f\xf8\x00\x00\x00\x00\x00\x00", Kind::List),
    (b"[$C#U\x02ab", Kind::List),
    (b"[$S#U\x02U\x01aU\x00", Kind::List),
    (b"[$H#U\x01U\x011", Kind::List),
    (b"[$[#U\x02]$U#U\x01\xff", Kind::List),
    (b"[$[#U\x02#U\x01Z$i#U\x01\x01", Kind::List),
    (b"[${#U\x01U\x01aZ}", Kind::List),
    (b"[$Z#U\x00", Kind::List),
    (b"[$T#U\x00", Kind::List),
    (b"{}", Kind::Dict),
    (b"{U\x01aZU\x00[]}", Kind::Dict),
    (b"{#U\x00", Kind::Dict),
    (b"{#U\x01U\x01aT", Kind::Dict),
    (b"{$T#U\x02U\x01aU\x01b", Kind::Dict),
    (b"{$U#U\x01U\x01a\x01", Kind::Dict),
    (b"{$[#U\x01U\x01a]", Kind::Dict),
    (b"[NN]", Kind::List),
    (b"[NZNTN]", Kind::List),
    (b"[#U\x02NZNT", Kind::List),
    (b"{NU\x01aNZN}", Kind::Dict),
];

const REFUSED: &[&[u8]] = &[
    b"",
    b"N",
    b"]",
    b"}",
    b"#",
    b"$",
    b"a",
    b"\x00",
    b"[}",
    b"{]",
    b"{Z}",
    b"{SU\x01aZ}",
    b"{U\x01a}",
    b"{U\x01\xffZ}",
    b"ZZ",
    b"[]]",
    // Lengths that are none.
    b"Si\xff",
    b"SL\xff\xff\xff\xff\xff\xff\xff\xff",
    b"SHU\x011a",
    b"SSU\x01a",
    b"SZ",
    b"Sd\x00\x00\x00\x00",
    b"[#i\xff",
    b"[#Z",
    b"[#[",
    b"{#i\xff",
    // Texts that are none.
    b"SU\x01\xff",
    b"SU\x03\xed\xa0\x80",
    b"C\x80",
    b"[$C#U\x01\xc3",
    b"[$S#U\x01U\x01\xff",
    // Numbers that are none.
    b"HU\x00",
    b"HU\x03NaN",
    b"HU\x0201",
    b"HU\x02 1",
    b"HU\x021 ",
    b"HU\x061e1000",
    // Types without a count, or that items cannot have.
    b"[$U\x01\x02]",
    b"[$U]",
    b"{$U}",
    b"[$",
    b"[$N#U\x01",
    b"[$\x00#U\x01Z",
    b"[$]#U\x01",
    b"[$$#U\x01",
    b"[$#U\x01",
    b"[$x#U\x00",
    b"{$N#U\x01U\x01a",
    // Elements out of nothing.
    b"[$Z#U\x01",
    b"[$T#U\x01",
    b"[$F#l\x7f\xff\xff\xff",
    b"[[$Z#U\x01Z]",
    // A count has no end besides.
    b"[#U\x01Z]",
    b"{#U\x00}",
    // More than there is.
    b"[#L\x7f\xff\xff\xff\xff\xff\xff\xffZZZZZZZZZZ",
    b"{#L\x7f\xff\xff\xff\xff\xff\xff\xffU\x01aZU\x01aZ",
    b"[$D#L\x7f\xff\xff\xff\xff\xff\xff\xffabcdefghij",
    b"[$D#U\x02abcdefghijklmno",
    b"[$U#L\x7f\xff\xff\xff\xff\xff\xff\xffabcdefghij",
    b"[$U#U\x03ab",
    b"[$[#l\x7f\xff\xff\xff]]]]]]]]",
    b"Sl\x7f\xff\xff\xffabcdefghij",
    b"Hl\x7f\xff\xff\xff1234567890",
];

/// Forms that only BJData has.
const BJDATA_FORMS: &[&[u8]] = &[
    b"u\x01\x00",
    b"m\x01\x00\x00\x00",
    b"M\x01\x00\x00\x00\x00\x00\x00\x00",
    b"h\x00\x3c",
    b"B\x01",
    b"[$B#U\x01\x01",
    b"[$u#U\x01\x01\x00",
    b"{$m#U\x01U\x01a\x01\x00\x00\x00",
    b"Su\x01\x00a",
    b"[U\x01m\x01\x00\x00\x00]",
];

#[test]
fn takes_every_form() {
    for (bytes, kind) in ACCEPTED {
        assert_eq!(skip(bytes), Ok(*bytes), "{bytes:02x?}");
        assert_eq!(UbjsonReader::open(bytes).kind(), Ok(*kind), "{bytes:02x?}");
    }
    assert_eq!(skip(b"NNZN"), Ok(&b"Z"[..]), "no-ops around are left out");
}

#[test]
fn refuses_what_is_not_well_formed() {
    for bytes in REFUSED {
        assert!(skip(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
    for bytes in [&b""[..], b"N", b"]", b"x", b"[$x#U\x00"] {
        assert!(UbjsonReader::open(bytes).kind().is_err(), "{bytes:02x?}");
    }
}

// spec: X-SER-12, D-20
#[test]
fn the_dialect_is_told_by_name() {
    for bytes in BJDATA_FORMS {
        assert_eq!(skip(bytes), Err(BJDATA), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_cut_message_is_refused_at_every_length() {
    for (bytes, _) in ACCEPTED {
        for length in 0..bytes.len() {
            assert!(skip(&bytes[..length]).is_err(), "{length} of {bytes:02x?}");
        }
    }
}

#[test]
fn announced_counts_are_checked_before_anything_is_read() {
    assert!(UbjsonReader::open(b"[#l\x00\x00\x00\x0bZZZZZZZZZZ").list().is_err());
    assert!(UbjsonReader::open(b"[#U\x0aZZZZZZZZZZ").list().is_ok());
    assert!(UbjsonReader::open(b"{#U\x02U\x00ZU\x00").dict().is_err());
    assert!(UbjsonReader::open(b"{#U\x02U\x00ZU\x00Z").dict().is_ok());
    assert!(UbjsonReader::open(b"[$l#U\x02abcdefg").list().is_err());
    assert!(UbjsonReader::open(b"[$l#U\x02abcdefgh").list().is_ok());
}

#[test]
fn depth_is_bounded() {
    let bound = DEPTH_MAX as usize;
    for open in [&b"["[..], b"[#U\x01", b"{U\x01a", b"{#U\x01U\x00", b"[$[#U\x01[", b"N[N"] {
        let nested = |depth: usize| {
            let ends: Vec<u8> = open
                .iter()
                .rev()
                .filter_map(|octet| match octet {
                    b'[' if open.len() <= 3 && !open.contains(&b'#') => Some(b']'),
                    b'{' if !open.contains(&b'#') => Some(b'}'),
                    _ => None,
                })
                .collect();
            [&open.repeat(depth)[..], b"Z", &ends.repeat(depth)].concat()
        };
        if open == b"[$[#U\x01[" {
            assert!(skip(&open.repeat(100_000)).is_err());
            continue;
        }
        assert!(skip(&nested(bound)).is_ok(), "{}", String::from_utf8_lossy(open));
        assert!(skip(&nested(bound + 1)).is_err());
        assert!(skip(&nested(100_000)).is_err());
    }
    // Items without brackets of their own.
    let nested = |depth: usize| [&b"[$[#U\x01"[..], &b"$[#U\x01".repeat(depth - 2), b"]"].concat();
    assert!(skip(&nested(bound)).is_ok());
    assert!(skip(&nested(bound + 1)).is_err());
    let bytes = b"[".repeat(bound + 1);
    let mut reader = UbjsonReader::open(&bytes);
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
}

#[test]
fn depth_is_given_back() {
    let bytes = [&b"["[..], &b"[#U\x01[][${#U\x02}}".repeat(200), b"]"].concat();
    assert!(skip(&bytes).is_ok());
    let mut reader = UbjsonReader::open(&bytes);
    let mut list = reader.list().unwrap();
    let mut count = 0;
    while reader.more(&mut list).unwrap() {
        let mut inner = reader.list().unwrap();
        while reader.more(&mut inner).unwrap() {
            reader.kind().unwrap();
            let is_dict = reader.kind() == Ok(Kind::Dict);
            let entered = if is_dict { reader.dict() } else { reader.list() };
            let mut innermost = entered.unwrap();
            while reader.more(&mut innermost).unwrap() {
                reader.skip().unwrap();
            }
        }
        count += 1;
    }
    assert_eq!(count, 400);
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn a_message_is_read_element_by_element() {
    let bytes = b"N[U\x30NI\x01\x00{$T#U\x02U\x01aU\x02bc{U\x01dSU\x01eU\x00F}{$L#U\x01U\x01n\
                  \x00\x00\x00\x00\x00\x00\x00\x07SU\x05com.x]N";
    let mut reader = UbjsonReader::open(bytes);
    assert_eq!(reader.kind(), Ok(Kind::List));
    let mut message = reader.list().unwrap();
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(48));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(256));
    assert_eq!(reader.more(&mut message), Ok(true));
    // A typed dict: the values are behind the keys, and take no octets.
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert!(matches!(reader.key(), Ok(Cow::Borrowed("a"))));
    assert_eq!(reader.kind(), Ok(Kind::Boolean));
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "bc");
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "d");
    assert_eq!(reader.text().unwrap(), "e");
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "");
    assert_eq!(reader.skip(), Ok(&b"F"[..]));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "n");
    assert_eq!(reader.kind(), Ok(Kind::Integer));
    assert!(reader.clone().skip().is_err(), "its octets do not stand by themselves");
    assert_eq!(reader.integer(), Ok(7));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert!(matches!(reader.text(), Ok(Cow::Borrowed("com.x"))));
    assert_eq!(reader.more(&mut message), Ok(false));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn items_of_typed_lists_are_read() {
    let mut reader = UbjsonReader::open(b"[$[#U\x02$i#U\x01\x05U\x06]");
    let mut list = reader.list().unwrap();
    for expected in [5, 6] {
        assert_eq!(reader.more(&mut list), Ok(true));
        assert_eq!(reader.kind(), Ok(Kind::List));
        let mut inner = reader.list().unwrap();
        assert_eq!(reader.more(&mut inner), Ok(true));
        assert_eq!(reader.integer(), Ok(expected));
        assert_eq!(reader.more(&mut inner), Ok(false));
    }
    assert_eq!(reader.more(&mut list), Ok(false));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn expectations_are_checked() {
    let integer = |bytes: &[u8]| UbjsonReader::open(bytes).integer();
    assert_eq!(integer(b"L\x7f\xff\xff\xff\xff\xff\xff\xff"), Ok(i64::MAX as u64));
    assert_eq!(integer(b"L\x00\x00\x00\x00\x00\x00\x00\x05"), Ok(5));
    assert_eq!(integer(b"HU\x1418446744073709551615"), Ok(u64::MAX));
    assert_eq!(integer(b"D\x43\x40\x00\x00\x00\x00\x00\x00"), Ok(1 << 53));
    assert!(integer(b"D\x3f\xf0\x00\x00\x00\x00\x00\x00").is_err());
    let refused = [&b"i\xff"[..], b"d\x3f\x80\x00\x00", b"T", b"C1", b"HU\x02-1", b"HU\x031.0"];
    for bytes in refused.into_iter().chain([&b"HU\x1418446744073709551616"[..]]) {
        assert!(integer(bytes).is_err(), "{bytes:02x?}");
    }
    assert!(UbjsonReader::open(b"[$U#U\x01a").text().is_err());
    assert!(UbjsonReader::open(b"[$U#U\x01a").list().is_err());
    assert!(UbjsonReader::open(b"SU\x01a").key().is_err());
    assert!(UbjsonReader::open(b"Z").boolean().is_err());
    assert!(UbjsonReader::open(b"{}").list().is_err());
    assert!(UbjsonReader::open(b"[]").dict().is_err());
}

#[test]
fn the_shortest_form_is_written() {
    fn written(write: impl Fn(&mut UbjsonWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut UbjsonWriter::open(&mut out));
        out
    }
    assert_eq!(written(|w| w.integer(0)), b"U\x00");
    assert_eq!(written(|w| w.integer(255)), b"U\xff");
    assert_eq!(written(|w| w.integer(256)), b"I\x01\x00");
    assert_eq!(written(|w| w.integer(32_767)), b"I\x7f\xff");
    assert_eq!(written(|w| w.integer(32_768)), b"l\x00\x00\x80\x00");
    assert_eq!(written(|w| w.integer(1 << 31)), b"L\x00\x00\x00\x00\x80\x00\x00\x00");
    assert_eq!(written(|w| w.integer(1 << 63)), b"HU\x139223372036854775808");
    assert_eq!(written(|w| w.signed(-1)), b"i\xff");
    assert_eq!(written(|w| w.signed(-128)), b"i\x80");
    assert_eq!(written(|w| w.signed(-129)), b"I\xff\x7f");
    assert_eq!(written(|w| w.signed(-32_769)), b"l\xff\xff\x7f\xff");
    assert_eq!(written(|w| w.signed(i64::MIN)), b"L\x80\x00\x00\x00\x00\x00\x00\x00");
    assert_eq!(written(|w| w.signed(200)), b"U\xc8");
    assert_eq!(written(|w| w.text("a")), b"SU\x01a");
    assert_eq!(written(|w| w.text(&"x".repeat(256)))[..4], *b"SI\x01\x00");
    assert_eq!(written(|w| w.key("a")), b"U\x01a");
    assert_eq!(written(|w| w.binary(&[7])), b"[$U#U\x01\x07");
    assert_eq!(written(|w| w.boolean(true)), b"T");
    assert_eq!(written(|w| w.null()), b"Z");
    assert_eq!(written(|w| w.single(1.5)), b"d\x3f\xc0\x00\x00");
    assert_eq!(written(|w| w.double(1.1)), b"D\x3f\xf1\x99\x99\x99\x99\x99\x9a");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(written(|w| w.double(value)), b"Z");
        assert_eq!(written(|w| w.single(value as f32)), b"Z");
    }
    assert_eq!(written(|w| w.raw(b"[]")), b"[]");
}

#[test]
fn noise_never_panics_and_skipping_stays_inside() {
    const LIKELY: &[u8] = b"ZNTFiUIlLdDHCS[]{}$#\x00\x01\x02\xffa1";
    let mut random = Random::from_number(12);
    let mut accepted = 0;
    for _ in 0..40_000 {
        let mut bytes = vec![0; random.below(24) as usize];
        random.fill(&mut bytes);
        for octet in &mut bytes {
            if !random.one_in(8) {
                *octet = LIKELY[usize::from(*octet) % LIKELY.len()];
            }
        }
        let mut reader = UbjsonReader::open(&bytes);
        if let Ok(element) = reader.skip() {
            assert_eq!(skip(element), Ok(element), "what was skipped stands by itself");
            accepted += usize::from(element.len() > 1);
        }
    }
    assert!(accepted > 1_000, "{accepted}");
}

/// The specification's own vectors: what they hold in UBJSON must be what they hold in JSON. They
/// are no part of this project; `WAMP_VECTORS` says where they lie.
// spec: X-SER-12, D-20
#[test]
#[expect(clippy::print_stderr, reason = "that a test did not run must be seen")]
fn the_specifications_vectors_are_read() {
    let Some(root) = std::env::var_os("WAMP_VECTORS") else {
        eprintln!("not run: WAMP_VECTORS says not where the specification's vectors lie");
        return;
    };
    let (mut read, mut told) = (0, 0);
    for folder in ["basic", "advanced"] {
        let folder = std::path::Path::new(&root).join("singlemessage").join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let vector: serde_json::Value = serde_json::from_str(&text).unwrap();
            for sample in vector["samples"].as_array().unwrap() {
                let serializers = &sample["serializers"];
                let Some(variants) = serializers["ubjson"].as_array() else { continue };
                let json = serializers["json"][0]["bytes"].as_str().unwrap();
                for variant in variants {
                    let bytes = octets(variant["bytes_hex"].as_str().unwrap());
                    let is_dialect = variant["note"].as_str().unwrap().starts_with("BJData");
                    match skip(&bytes) {
                        Ok(_) => {
                            assert_same(json, &bytes);
                            read += 1;
                        }
                        Err(reason) => {
                            assert_eq!((reason, is_dialect), (BJDATA, true), "{bytes:02x?}");
                            told += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(read >= 35 && told > 0, "{read} read, {told} told apart");
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hexadecimal.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Asserts that `ubjson` and `json` are the same, both ways.
fn assert_same(json: &str, ubjson: &[u8]) {
    let mut carried = Vec::new();
    transcode::element(Serializer::Ubjson, Serializer::Json, ubjson, &mut carried).unwrap();
    let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&carried), value(json.as_bytes()));
    let mut back = Vec::new();
    transcode::element(Serializer::Json, Serializer::Ubjson, json.as_bytes(), &mut back).unwrap();
    assert_eq!(back, ubjson, "{json}");
}
