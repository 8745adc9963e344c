//! What the MessagePack reader takes and refuses, and what the writer writes.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
#![expect(clippy::cast_possible_truncation, reason = "what tests count is small")]

use super::*;
use crate::env::Random;
use crate::wire::payload::PayloadWriter;

/// Skips the only element of `bytes`.
fn skip(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = MsgPackReader::open(bytes);
    let element = reader.skip()?;
    reader.end()?;
    Ok(element)
}

const ACCEPTED: &[(&[u8], Kind)] = &[
    (b"\x00", Kind::Integer),
    (b"\x7f", Kind::Integer),
    (b"\xe0", Kind::Integer),
    (b"\xff", Kind::Integer),
    (b"\xcc\x01", Kind::Integer),
    (b"\xcd\x00\x01", Kind::Integer),
    (b"\xce\x00\x00\x00\x01", Kind::Integer),
    (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Kind::Integer),
    (b"\xd0\x80", Kind::Integer),
    (b"\xd1\x80\x00", Kind::Integer),
    (b"\xd2\x80\x00\x00\x00", Kind::Integer),
    (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", Kind::Integer),
    (b"\xc0", Kind::Null),
    (b"\xd4\x00\x00", Kind::Null),
    (b"\xc2", Kind::Boolean),
    (b"\xc3", Kind::Boolean),
    (b"\xca\x7f\x80\x00\x00", Kind::Float),
    (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", Kind::Float),
    (b"\xa0", Kind::Text),
    (b"\xa2\xc3\xa9", Kind::Text),
    (b"\xd9\x01a", Kind::Text),
    (b"\xda\x00\x01a", Kind::Text),
    (b"\xdb\x00\x00\x00\x01a", Kind::Text),
    (b"\xc4\x01\xff", Kind::Binary),
    (b"\xc5\x00\x01\xff", Kind::Binary),
    (b"\xc6\x00\x00\x00\x01\xff", Kind::Binary),
    (b"\x90", Kind::List),
    (b"\x93\x01\xa1a\xc0", Kind::List),
    (b"\xdc\x00\x02\x01\x02", Kind::List),
    (b"\xdd\x00\x00\x00\x01\x90", Kind::List),
    (b"\x80", Kind::Dict),
    (b"\x82\xa1a\x01\xa1b\x80", Kind::Dict),
    (b"\x81\x01\x02", Kind::Dict),
    (b"\x81\x91\x01\x81\xc0\xc0", Kind::Dict),
    (b"\xde\x00\x01\xa1a\x01", Kind::Dict),
    (b"\xdf\x00\x00\x00\x01\xa1a\x01", Kind::Dict),
    (b"\xd4\x01\xff", Kind::Other),
    (b"\xd5\x01\xff\xff", Kind::Other),
    (b"\xd6\xff\x00\x00\x00\x00", Kind::Other),
    (b"\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00", Kind::Other),
    (b"\xd8\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", Kind::Other),
    (b"\xc7\x00\x05", Kind::Other),
    (b"\xc7\x01\x05\xff", Kind::Other),
    (b"\xc8\x00\x01\x05\xff", Kind::Other),
    (b"\xc9\x00\x00\x00\x01\x05\xff", Kind::Other),
];

const REFUSED: &[&[u8]] = &[
    b"",
    b"\xc1",
    b"\x91\xc1",
    b"\x00\x00",
    b"\xa1\xff",
    b"\xa2\xc0\x80",
    b"\xa3\xed\xa0\x80",
    b"\xd9\x02\xc3\xa9\x00",
    b"\xdd\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
    b"\xdf\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
    b"\xdb\xff\xff\xff\xffabcdefghij",
    b"\xc6\xff\xff\xff\xffabcdefghij",
    b"\xc9\xff\xff\xff\xffabcdefghij",
    b"\xdf\x00\x00\x00\x02\x01\x02\x03",
];

#[test]
fn takes_every_form() {
    for (bytes, kind) in ACCEPTED {
        assert_eq!(skip(bytes), Ok(*bytes), "{bytes:02x?}");
        assert_eq!(MsgPackReader::open(bytes).kind(), Ok(*kind), "{bytes:02x?}");
    }
}

#[test]
fn refuses_what_is_not_well_formed() {
    for bytes in REFUSED {
        assert!(skip(bytes).is_err(), "{bytes:02x?}");
    }
    assert!(MsgPackReader::open(b"\xc1").kind().is_err());
    assert!(MsgPackReader::open(b"").kind().is_err());
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
    let bytes = b"\xdd\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a";
    assert!(MsgPackReader::open(bytes).list().is_err());
    let bytes = b"\xdf\x00\x00\x00\x02\x01\x02\x03";
    assert!(MsgPackReader::open(bytes).dict().is_err());
    let bytes = b"\xdf\x00\x00\x00\x02\x01\x02\x03\x04";
    assert!(MsgPackReader::open(bytes).dict().is_ok());
}

#[test]
fn depth_is_bounded() {
    let bound = DEPTH_MAX as usize;
    for (open, leaf) in [(&b"\x91"[..], 0x01), (b"\x81\x01", 0xc0), (b"\xdc\x00\x01", 0x90)] {
        let nested = |depth: usize| [&open.repeat(depth)[..], &[leaf]].concat();
        let deepest = if leaf == 0x90 { bound - 1 } else { bound };
        assert!(skip(&nested(deepest)).is_ok());
        assert!(skip(&nested(deepest + 1)).is_err());
        assert!(skip(&nested(100_000)).is_err());
    }
    // A key that is a list nests as well.
    assert!(skip(&[&b"\x81".repeat(100)[..], &b"\xc0".repeat(101)].concat()).is_err());
    let bytes = [&b"\x91".repeat(bound)[..], b"\x90"].concat();
    let mut reader = MsgPackReader::open(&bytes);
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
}

#[test]
fn depth_is_given_back() {
    let bytes = [&b"\xdc\x00\xc8"[..], &b"\x91\x90".repeat(200)].concat();
    assert!(skip(&bytes).is_ok());
    let mut reader = MsgPackReader::open(&bytes);
    let mut list = reader.list().unwrap();
    while reader.more(&mut list).unwrap() {
        let mut inner = reader.list().unwrap();
        while reader.more(&mut inner).unwrap() {
            assert_eq!(reader.skip(), Ok(&b"\x90"[..]));
        }
    }
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn a_message_is_read_element_by_element() {
    let mut out = Vec::new();
    let mut writer = MsgPackWriter::open(&mut out);
    writer.list(5);
    writer.integer(48);
    writer.integer(1 << 53);
    writer.dict(2);
    writer.key("a");
    writer.boolean(true);
    writer.key("b");
    writer.binary(b"\x00\xff");
    writer.end_dict();
    writer.text("com.x");
    writer.raw(b"\x92\x01\x02");
    writer.end_list();
    let mut reader = MsgPackReader::open(&out);
    let mut message = reader.list().unwrap();
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(48));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(1 << 53));
    assert_eq!(reader.more(&mut message), Ok(true));
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "a");
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "b");
    assert_eq!(reader.skip(), Ok(&b"\xc4\x02\x00\xff"[..]));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert!(matches!(reader.text(), Ok(Cow::Borrowed("com.x"))));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.skip(), Ok(&b"\x92\x01\x02"[..]));
    assert_eq!(reader.more(&mut message), Ok(false));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn integers_of_every_width() {
    let integer = |bytes: &[u8]| MsgPackReader::open(bytes).integer();
    assert_eq!(integer(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(u64::MAX));
    assert_eq!(integer(b"\xcb\x43\x40\x00\x00\x00\x00\x00\x00"), Ok(1 << 53));
    assert!(integer(b"\xcb\x43\x40\x00\x00\x00\x00\x00\x01").is_err(), "not exact any more");
    assert!(integer(b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00").is_err(), "one and a half");
    assert_eq!(integer(b"\xd0\x05"), Ok(5), "signed, but not negative");
    assert_eq!(integer(b"\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), Ok(5));
    for bytes in [&b"\xff"[..], b"\xd0\x80", b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", b"\xc3"] {
        assert!(integer(bytes).is_err(), "{bytes:02x?}");
    }
    for value in [0, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mut out = Vec::new();
        MsgPackWriter::open(&mut out).integer(value);
        assert_eq!(integer(&out), Ok(value));
        assert_eq!(skip(&out), Ok(&out[..]));
    }
}

#[test]
fn the_shortest_form_is_written() {
    fn written(write: impl Fn(&mut MsgPackWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut MsgPackWriter::open(&mut out));
        out
    }
    assert_eq!(written(|w| w.integer(127)), b"\x7f");
    assert_eq!(written(|w| w.integer(128)), b"\xcc\x80");
    assert_eq!(written(|w| w.integer(256)), b"\xcd\x01\x00");
    assert_eq!(written(|w| w.integer(65_536)), b"\xce\x00\x01\x00\x00");
    assert_eq!(written(|w| w.signed(-1)), b"\xff");
    assert_eq!(written(|w| w.signed(-32)), b"\xe0");
    assert_eq!(written(|w| w.signed(-33)), b"\xd0\xdf");
    assert_eq!(written(|w| w.signed(-129)), b"\xd1\xff\x7f");
    assert_eq!(written(|w| w.signed(-32_769)), b"\xd2\xff\xff\x7f\xff");
    assert_eq!(written(|w| w.signed(i64::MIN)), b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
    assert_eq!(written(|w| w.list(15)), b"\x9f");
    assert_eq!(written(|w| w.list(16)), b"\xdc\x00\x10");
    assert_eq!(written(|w| w.dict(16)), b"\xde\x00\x10");
    assert_eq!(written(|w| w.dict(65_536)), b"\xdf\x00\x01\x00\x00");
    assert_eq!(written(|w| w.text(&"a".repeat(31)))[..2], b"\xbfa"[..]);
    assert_eq!(written(|w| w.text(&"a".repeat(32)))[..3], b"\xd9\x20a"[..]);
    assert_eq!(written(|w| w.text(&"a".repeat(256)))[..4], b"\xda\x01\x00a"[..]);
    assert_eq!(written(|w| w.binary(&[7])), b"\xc4\x01\x07");
    assert_eq!(written(|w| w.binary(&[7; 65_536]))[..6], b"\xc6\x00\x01\x00\x00\x07"[..]);
}

#[test]
fn noise_never_panics_and_skipping_stays_inside() {
    let mut random = Random::from_number(3);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.below(24) as usize];
        random.fill(&mut bytes);
        let mut reader = MsgPackReader::open(&bytes);
        if let Ok(element) = reader.skip() {
            assert_eq!(element, &bytes[..element.len()]);
            assert_eq!(skip(element), Ok(element), "what was skipped stands by itself");
        }
    }
}
