//! What the JSON reader takes and refuses, and what the writer writes.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
#![expect(clippy::cast_possible_truncation, reason = "what tests count is small")]

use super::*;
use crate::env::Random;
use crate::limits::DEPTH_MAX;
use crate::wire::payload::PayloadWriter;

/// Skips the only element of `bytes`.
fn skip(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = JsonReader::open(bytes);
    let element = reader.skip()?;
    reader.end()?;
    Ok(element)
}

const ACCEPTED: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "9007199254740992",
    "18446744073709551615",
    "18446744073709551616",
    "1.0",
    "1e3",
    "1E+3",
    "1e-3",
    "-0.5e00",
    "1.7976931348623157e308",
    "0.00001e312",
    "1e-999999999999999999999",
    "0e999999",
    "\"\"",
    "\"a\"",
    "\"exactly8\"",
    "\"a text longer than one word\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
    "\"\\u0000AAEC\"",
    "\"l\u{f6}we \u{1f600} \u{10ffff}\"",
    "\"\u{7f}\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2,[3,{\"a\":[]}],{}]",
    " [ 1 ,\t2\n,\r3 ] ",
    "{\"a\":1,\"b\":[2],\"\":{\"c\":null}}",
    " { \"a\" : 1 , \"b\" : { } } ",
    "{\"a\":1,\"a\":2}",
];

const REFUSED: &[&[u8]] = &[
    b"",
    b" ",
    b"nul",
    b"nulll",
    b"True",
    b"NaN",
    b"Infinity",
    b"-",
    b"+1",
    b"01",
    b"-01",
    b"00",
    b".5",
    b"1.",
    b"1.e3",
    b"1e",
    b"1e+",
    b"1e1.5",
    b"0x10",
    b"1_000",
    b"1e309",
    b"1e999999",
    b"-1e99999999999999999999999999",
    b"\"",
    b"\"a",
    b"'a'",
    b"\"\\",
    b"\"\\\"",
    b"\"\\a\"",
    b"\"\\u\"",
    b"\"\\u12\"",
    b"\"\\u+123\"",
    b"\"\\u12g4\"",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800\\n\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\ud800\\u0041\"",
    b"\"\x00\"",
    b"\"\x1f\"",
    b"\"eight889\n\"",
    b"\"\x80\"",
    b"\"\xc0\x80\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xc3\"",
    b"[",
    b"]",
    b"[1",
    b"[1,",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[1}",
    b"{1]",
    b"[1]]",
    b"[1],",
    b"{",
    b"}",
    b"{\"a\"",
    b"{\"a\":",
    b"{\"a\":1",
    b"{\"a\":1,",
    b"{\"a\":1,}",
    b"{\"a\" 1}",
    b"{\"a\",1}",
    b"{\"a\":1:2}",
    b"{a:1}",
    b"{1:1}",
    b"{null:1}",
    b"{,}",
    b"[1]//",
    b"[1/**/]",
    b"# \n1",
    b"\xef\xbb\xbf[]",
    b"\x0b1",
    b"\xc2\xa01",
    b"1\0",
];

#[test]
fn takes_what_the_grammar_takes() {
    for text in ACCEPTED {
        assert_eq!(skip(text.as_bytes()), Ok(text.trim().as_bytes()), "{text}");
    }
}

#[test]
fn refuses_what_the_grammar_refuses() {
    for bytes in REFUSED {
        assert!(skip(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_cut_message_is_refused_at_every_length() {
    for text in ACCEPTED {
        let message = format!("[{}]", text.trim());
        assert!(skip(message.as_bytes()).is_ok(), "{message}");
        for length in 0..message.len() {
            assert!(skip(&message.as_bytes()[..length]).is_err(), "{length} of {message}");
        }
    }
}

#[test]
fn long_numbers_take_linear_time() {
    let digits = "9".repeat(1_000_000);
    assert!(skip(digits.as_bytes()).is_err(), "beyond a double");
    assert!(skip(format!("0.{digits}").as_bytes()).is_ok());
    assert!(skip(format!("1e{digits}").as_bytes()).is_err());
    assert!(skip(format!("1e-{digits}").as_bytes()).is_ok());
    assert!(skip(format!("{digits}e-1000000").as_bytes()).is_ok());
}

#[test]
fn depth_is_bounded() {
    let bound = DEPTH_MAX as usize;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), (" [ ", " ] ")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(skip(nested(bound).as_bytes()).is_ok());
        assert!(skip(nested(bound + 1).as_bytes()).is_err());
        assert!(skip(open.repeat(100_000).as_bytes()).is_err());
    }
    // The lists that a caller has opened count too.
    let bytes = format!("[{}]", "[".repeat(bound - 1) + &"]".repeat(bound - 1));
    let mut reader = JsonReader::open(bytes.as_bytes());
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_ok());
    let bytes = format!("[{}]", "[".repeat(bound) + &"]".repeat(bound));
    let mut reader = JsonReader::open(bytes.as_bytes());
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
}

#[test]
fn a_message_is_read_element_by_element() {
    let bytes =
        br#" [ 48 , 7 , { "a\u0062" : true , "c" : "d\n" , "e":[] } , "com.x" , [ 1 , 2 ] ] "#;
    let mut reader = JsonReader::open(bytes);
    assert_eq!(reader.kind(), Ok(Kind::List));
    let mut message = reader.list().unwrap();
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.kind(), Ok(Kind::Integer));
    assert_eq!(reader.integer(), Ok(48));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.integer(), Ok(7));
    assert_eq!(reader.more(&mut message), Ok(true));
    let mut options = reader.dict().unwrap();
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "ab");
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.more(&mut options), Ok(true));
    assert!(matches!(reader.key(), Ok(Cow::Borrowed("c"))));
    assert_eq!(reader.text().unwrap(), "d\n");
    assert_eq!(reader.more(&mut options), Ok(true));
    assert_eq!(reader.key().unwrap(), "e");
    assert_eq!(reader.skip(), Ok(&b"[]"[..]));
    assert_eq!(reader.more(&mut options), Ok(false));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.kind(), Ok(Kind::Text));
    assert!(matches!(reader.text(), Ok(Cow::Borrowed("com.x"))));
    assert_eq!(reader.more(&mut message), Ok(true));
    assert_eq!(reader.skip(), Ok(&b"[ 1 , 2 ]"[..]));
    assert_eq!(reader.more(&mut message), Ok(false));
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn empty_and_trailing_places_are_told_apart() {
    let mut reader = JsonReader::open(b"[ ]");
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(false));
    let mut reader = JsonReader::open(b"[1,]");
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert_eq!(reader.integer(), Ok(1));
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.integer().is_err() && reader.skip().is_err());
    let mut reader = JsonReader::open(b"[,1]");
    let mut list = reader.list().unwrap();
    assert_eq!(reader.more(&mut list), Ok(true));
    assert!(reader.skip().is_err());
    for bytes in [&b"[1 2]"[..], b"[1}", b"[1"] {
        let mut reader = JsonReader::open(bytes);
        let mut list = reader.list().unwrap();
        assert_eq!(reader.more(&mut list), Ok(true));
        assert_eq!(reader.integer(), Ok(1));
        assert!(reader.more(&mut list).is_err());
    }
    let mut reader = JsonReader::open(b"[1]x");
    reader.skip().unwrap();
    assert!(reader.end().is_err());
}

#[test]
fn integers_are_whole_and_in_range() {
    let integer = |text: &str| JsonReader::open(text.as_bytes()).integer();
    assert_eq!(integer("0"), Ok(0));
    assert_eq!(integer(" 18446744073709551615"), Ok(u64::MAX));
    let refused =
        ["18446744073709551616", "-0", "-1", "1.0", "1e3", "1e0", "01", "true", "\"1\"", ""];
    for text in refused {
        assert!(integer(text).is_err(), "{text}");
    }
    for (text, kind) in [("1", Kind::Integer), ("-1", Kind::Integer), ("1.0", Kind::Float)] {
        assert_eq!(JsonReader::open(text.as_bytes()).kind(), Ok(kind));
    }
    assert_eq!(JsonReader::open(b"1e3").kind(), Ok(Kind::Float));
    assert!(JsonReader::open(b"true").text().is_err());
    assert!(JsonReader::open(b"1").boolean().is_err());
    assert!(JsonReader::open(b"{}").list().is_err());
    assert!(JsonReader::open(b"[]").dict().is_err());
}

#[test]
fn escapes_are_resolved() {
    let mut reader = JsonReader::open(br#""\"\\\/\b\f\n\r\t\u00E9\ud83d\ude00x\u0000""#);
    assert_eq!(reader.text().unwrap(), "\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}x\0");
}

#[test]
fn the_writer_writes_what_the_reader_reads() {
    let mut out = b"before".to_vec();
    let mut writer = JsonWriter::open(&mut out);
    writer.list(7);
    writer.integer(u64::MAX);
    writer.dict(2);
    writer.key("a\"b");
    writer.boolean(false);
    writer.key("c");
    writer.list(0);
    writer.end_list();
    writer.end_dict();
    writer.text("l\u{f6}we \u{1}\u{8}\t\n\u{c}\r\u{1f}\"\\/ 123456789\n");
    writer.binary(&[0, 1, 2, 3]);
    writer.raw(b"{}");
    writer.signed(i64::MIN);
    writer.null();
    writer.end_list();
    let expected = concat!(
        r#"before[18446744073709551615,{"a\"b":false,"c":[]},"#,
        "\"l\u{f6}we ",
        r#"\u0001\b\t\n\f\r\u001f\"\\/ 123456789\n","\u0000AAECAw==",{},"#,
        "-9223372036854775808,null]",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn every_text_comes_back() {
    let mut random = Random::from_number(4);
    for _ in 0..2_000 {
        let length = random.below(40);
        let text: String = (0..length)
            .filter_map(|_| {
                let bound = [0x24, 0x80, 0x800, 0x11_0000][random.below(4) as usize];
                char::from_u32(u32::try_from(random.below(bound)).unwrap())
            })
            .collect();
        let mut out = Vec::new();
        JsonWriter::open(&mut out).text(&text);
        assert_eq!(JsonReader::open(&out).text().unwrap(), text);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}

#[test]
fn floats_keep_their_value_and_their_kind() {
    let values = [0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e21, 1e300, 5e-324, f64::MAX, 1e-7];
    for value in values {
        let mut out = Vec::new();
        JsonWriter::open(&mut out).double(value);
        assert_eq!(JsonReader::open(&out).kind(), Ok(Kind::Float), "{value}");
        let back: f64 = serde_json::from_slice(&out).unwrap();
        assert_eq!(back.to_bits(), value.to_bits());
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut out = Vec::new();
        JsonWriter::open(&mut out).double(value);
        assert_eq!(out, b"null");
    }
}

/// Changes a few octets of a document in ways that come near to being well formed.
fn mutate(random: &mut Random, document: &mut Vec<u8>) {
    const LIKELY: &[u8] = b"[]{}\",:\\u0dD89aAeE+-. \n\t1tfn\x00\x1f\x7f\x80\xc3\xa9\xff";
    for _ in 0..=random.below(3) {
        let place = random.below(document.len() as u64 + 1) as usize;
        let octet = LIKELY[random.below(LIKELY.len() as u64) as usize];
        match random.below(4) {
            0 => document.insert(place, octet),
            1 if place < document.len() => drop(document.remove(place)),
            2 => document.truncate(place),
            _ if place < document.len() => document[place] = octet,
            _ => document.push(octet),
        }
    }
}

#[test]
fn agrees_with_serde_json_about_mutants() {
    let documents = [
        r#"[48,1,{"a":[1.5e10,-0.25],"acknowledge":true},"com.x",["l\u00f6we","\ud83d\ude00"],{}]"#,
        "{\"key\":\"v\u{e9}\u{1f600}\",\"n\":[0,-1,1e5,2E-3,null,false],\"o\":{\"p\":{}}} ",
        r#"["\"\\\/\b\f\n\r\t","a long text without any escape in it",[[[[]]]]]"#,
        "\"just a text with some length\"",
        "-12.5e+10",
    ];
    let mut random = Random::from_number(9);
    let mut accepted = 0;
    for turn in 0..40_000 {
        let mut document = documents[turn % documents.len()].as_bytes().to_vec();
        mutate(&mut random, &mut document);
        let ours = skip(&document).is_ok();
        let theirs = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&document));
        accepted += u32::from(ours);
    }
    assert!(accepted > 1_000, "mutants must not all be hopeless: {accepted}");
}
