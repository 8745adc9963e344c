//! What the CBOR reader takes and refuses, and what the writer writes.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
#![expect(clippy::cast_possible_truncation, reason = "what tests count is small")]

use super::*;
use crate::env::Random;
use crate::wire::payload::PayloadWriter;

/// Skips the only element of `bytes`.
fn skip(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = CborReader::open(bytes);
    let element = reader.skip()?;
    reader.end()?;
    Ok(element)
}

const ACCEPTED: &[(&[u8], Kind)] = &[
    (b"\x00", Kind::Integer),
    (b"\x17", Kind::Integer),
    (b"\x18\x01", Kind::Integer),
    (b"\x19\x00\x01", Kind::Integer),
    (b"\x1a\x00\x00\x00\x01", Kind::Integer),
    (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", Kind::Integer),
    (b"\x20", Kind::Integer),
    (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Kind::Integer),
    (b"\x40", Kind::Binary),
    (b"\x42\xff\x00", Kind::Binary),
    (b"\x5f\xff", Kind::Binary),
    (b"\x5f\x41\x01\x42\x02\x03\xff", Kind::Binary),
    (b"\x60", Kind::Text),
    (b"\x62\xc3\xa9", Kind::Text),
    (b"\x78\x01a", Kind::Text),
    (b"\x7f\xff", Kind::Text),
    (b"\x7f\x61a\x60\x62bc\xff", Kind::Text),
    (b"\x80", Kind::List),
    (b"\x83\x01\x61a\xf6", Kind::List),
    (b"\x98\x02\x01\x02", Kind::List),
    (b"\x9f\xff", Kind::List),
    (b"\x9f\x01\x82\x02\x03\x9f\x04\xff\xff", Kind::List),
    (b"\xa0", Kind::Dict),
    (b"\xa2\x61a\x01\x61b\xa0", Kind::Dict),
    (b"\xa1\x01\x02", Kind::Dict),
    (b"\xa1\x81\x01\xa1\xf6\xf6", Kind::Dict),
    (b"\xbf\xff", Kind::Dict),
    (b"\xbf\x61a\x01\x61b\xbf\xff\xff", Kind::Dict),
    (b"\xbf\x9f\xff\x7f\xff\xff", Kind::Dict),
    (b"\xc1\x01", Kind::Other),
    (b"\xd8\x20\x60", Kind::Other),
    (b"\xc2\x41\x01", Kind::Other),
    (b"\xdb\xff\xff\xff\xff\xff\xff\xff\xff\x80", Kind::Other),
    (b"\xf4", Kind::Boolean),
    (b"\xf5", Kind::Boolean),
    (b"\xf6", Kind::Null),
    (b"\xf7", Kind::Null),
    (b"\xf9\x7e\x00", Kind::Float),
    (b"\xfa\x7f\x80\x00\x00", Kind::Float),
    (b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", Kind::Float),
    (b"\xe0", Kind::Other),
    (b"\xf3", Kind::Other),
    (b"\xf8\x20", Kind::Other),
    (b"\xf8\xff", Kind::Other),
];

const REFUSED: &[&[u8]] = &[
    b"",
    b"\xff",
    b"\x1c",
    b"\x1d",
    b"\x1e",
    b"\x1f",
    b"\x3f",
    b"\x5c",
    b"\x7e",
    b"\x9c",
    b"\xbd",
    b"\xdc\x00",
    b"\xdf\x00",
    b"\xfc",
    b"\xfd",
    b"\xfe",
    b"\xf8\x00",
    b"\xf8\x14",
    b"\xf8\x1f",
    b"\x00\x00",
    b"\x61\xff",
    b"\x7f\x61\xc3\x61\xa9\xff",
    b"\x7f\x41a\xff",
    b"\x7f\x7f\xff\xff",
    b"\x7f\x01\xff",
    b"\x5f\x61a\xff",
    b"\x5f\x5f\xff\xff",
    b"\x81\xff",
    b"\xa1\x01\xff",
    b"\xbf\x01\xff",
    b"\x9f\x01",
    b"\x9f\xff\xff",
    b"\xc1\xff",
    b"\x9f\xc1\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02",
    b"\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02",
    b"\x9a\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
    b"\x7b\xff\xff\xff\xff\xff\xff\xff\xffabcdefghij",
    b"\x5a\xff\xff\xff\xffabcdefghij",
    b"\xa2\x01\x02\x03",
];

#[test]
fn takes_every_form() {
    for (bytes, kind) in ACCEPTED {
        assert_eq!(skip(bytes), Ok(*bytes), "{bytes:02x?}");
        assert_eq!(CborReader::open(bytes).kind(), Ok(*kind), "{bytes:02x?}");
    }
}

#[test]
fn refuses_what_is_not_well_formed() {
    for bytes in REFUSED {
        assert!(skip(bytes).is_err(), "{bytes:02x?}");
    }
    for bytes in [&b""[..], b"\xff", b"\xfc"] {
        assert!(CborReader::open(bytes).kind().is_err(), "{bytes:02x?}");
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
fn announced_lengths_are_checked_before_anything_is_read() {
    let bytes = b"\x9a\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a";
    assert!(CborReader::open(bytes).list().is_err());
    assert!(CborReader::open(b"\xa2\x01\x02\x03").dict().is_err());
    assert!(CborReader::open(b"\xa2\x01\x02\x03\x04").dict().is_ok());
    assert!(CborReader::open(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01").list().is_err());
}

#[test]
fn depth_is_bounded_tags_included() {
    let bound = DEPTH_MAX as usize;
    for open in [&b"\x81"[..], b"\xa1\x01", b"\xc1", b"\xd8\x20"] {
        let nested = |depth: usize| [&open.repeat(depth)[..], b"\x01"].concat();
        assert!(skip(&nested(bound)).is_ok());
        assert!(skip(&nested(bound + 1)).is_err());
        assert!(skip(&nested(100_000)).is_err());
    }
    let nested = |depth: usize| [b"\x9f".repeat(depth), b"\xff".repeat(depth)].concat();
    assert!(skip(&nested(bound)).is_ok());
    assert!(skip(&nested(bound + 1)).is_err());
    assert!(skip(&b"\xbf\x01".repeat(100_000)).is_err());
    let bytes = [&b"\x81".repeat(bound)[..], b"\xc1\x01"].concat();
    let mut reader = CborReader::open(&bytes);
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
}

#[test]
fn depth_is_given_back() {
    let bytes = [&b"\x9f"[..], &b"\x81\xc1\x9f\xff".repeat(200), b"\xff"].concat();
    assert!(skip(&bytes).is_ok());
    let mut reader = CborReader::open(&bytes);
    let mut list = reader.list().unwrap();
    while reader.more(&mut list).unwrap() {
        let mut inner = reader.list().unwrap();
        while reader.more(&mut inner).unwrap() {
            assert_eq!(reader.skip(), Ok(&b"\xc1\x9f\xff"[..]));
        }
    }
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn a_message_of_indefinite_lengths_is_read() {
    let bytes =
        b"\x9f\x18\x30\x19\x01\x00\xbf\x61a\xf5\x7f\x61b\x61c\xff\xf4\xff\x7f\x63com\x62.x\xff\xff";
    let mut reader = CborReader::open(bytes);
    let mut message = reader.list().unwrap();
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(48));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(256));
    assert_eq!(reader.more(&mut message), Ok(true));
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert!(matches!(reader.key(), Ok(Cow::Borrowed("a"))));
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "bc");
    assert_eq!(reader.boolean(), Ok(false));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.text().unwrap(), "com.x");
    assert_eq!(reader.more(&mut message), Ok(false));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn a_break_in_the_wrong_place_is_refused() {
    // Between a key and its value.
    let mut reader = CborReader::open(b"\xbf\x61a\xff");
    let mut dict = reader.dict().unwrap();
    assert_eq!(reader.more(&mut dict), Ok(true));
    assert_eq!(reader.key().unwrap(), "a");
    assert!(reader.clone().skip().is_err());
    assert!(reader.integer().is_err());
    // In a list that is counted.
    let mut reader = CborReader::open(b"\x81\xff");
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
}

#[test]
fn expectations_are_checked() {
    let integer = |bytes: &[u8]| CborReader::open(bytes).integer();
    assert_eq!(integer(b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(u64::MAX));
    assert_eq!(integer(b"\x1b\x00\x00\x00\x00\x00\x00\x00\x05"), Ok(5));
    assert_eq!(integer(b"\xfb\x41\xf0\x00\x00\x00\x00\x00\x00"), Ok(1 << 32));
    assert_eq!(integer(b"\xfb\x43\x40\x00\x00\x00\x00\x00\x00"), Ok(1 << 53));
    for bytes in [
        &b"\xfb\x43\x40\x00\x00\x00\x00\x00\x01"[..],
        b"\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xfb\x41\xef\xff\xff\xff\xe0\x00\x00",
        b"\xfb\x41\xf0\x00\x00\x00\x08\x00\x00",
        b"\xfb\xbf\xf0\x00\x00\x00\x00\x00\x00",
        b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    ] {
        assert!(integer(bytes).is_err(), "{bytes:02x?}");
    }
    for bytes in [&b"\x20"[..], b"\xf9\x3c\x00", b"\xf5", b"\xc2\x41\x01", b"\x61\x31"] {
        assert!(integer(bytes).is_err(), "{bytes:02x?}");
    }
    assert!(CborReader::open(b"\x41a").text().is_err());
    assert!(CborReader::open(b"\x41a").key().is_err());
    assert!(CborReader::open(b"\xf6").boolean().is_err());
    assert!(CborReader::open(b"\xa0").list().is_err());
    assert!(CborReader::open(b"\x80").dict().is_err());
}

#[test]
fn the_shortest_form_is_written() {
    fn written(write: impl Fn(&mut CborWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut CborWriter::open(&mut out));
        out
    }
    assert_eq!(written(|w| w.integer(23)), b"\x17");
    assert_eq!(written(|w| w.integer(24)), b"\x18\x18");
    assert_eq!(written(|w| w.integer(256)), b"\x19\x01\x00");
    assert_eq!(written(|w| w.integer(65_536)), b"\x1a\x00\x01\x00\x00");
    assert_eq!(written(|w| w.integer(1 << 32)), b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00");
    assert_eq!(written(|w| w.signed(-1)), b"\x20");
    assert_eq!(written(|w| w.signed(-25)), b"\x38\x18");
    assert_eq!(written(|w| w.signed(i64::MIN)), b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(written(|w| w.signed(5)), b"\x05");
    assert_eq!(written(|w| w.list(23)), b"\x97");
    assert_eq!(written(|w| w.list(24)), b"\x98\x18");
    assert_eq!(written(|w| w.dict(0)), b"\xa0");
    assert_eq!(written(|w| w.text("a")), b"\x61a");
    assert_eq!(written(|w| w.key("a")), b"\x61a");
    assert_eq!(written(|w| w.binary(&[7])), b"\x41\x07");
    assert_eq!(written(|w| w.boolean(true)), b"\xf5");
    assert_eq!(written(|w| w.boolean(false)), b"\xf4");
    assert_eq!(written(|w| w.null()), b"\xf6");
    assert_eq!(written(|w| w.single(1.5)), b"\xfa\x3f\xc0\x00\x00");
    assert_eq!(written(|w| w.double(1.1)), b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a");
    assert_eq!(written(|w| w.raw(b"\x80")), b"\x80");
}

#[test]
fn noise_never_panics_and_skipping_stays_inside() {
    let mut random = Random::from_number(3);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.below(24) as usize];
        random.fill(&mut bytes);
        let mut reader = CborReader::open(&bytes);
        if let Ok(element) = reader.skip() {
            assert_eq!(element, &bytes[..element.len()]);
            assert_eq!(skip(element), Ok(element), "what was skipped stands by itself");
        }
    }
}
