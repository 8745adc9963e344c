//! Cases about frames: octets that no honest client sends behind the upgrade.

use std::io::Write;
use std::thread;

use flate2::{Compress, Compression, FlushCompress};

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::line::Line;
use crate::web::{self, BINARY, CLOSE, Frame, PING, PONG, TEXT, Web, frame, head};

/// First octets of frames that are not the end of their message.
const TEXT_BEGINS: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const CONTINUED_LAST: u8 = 0x80;

/// The bit of compressed messages.
const RSV1: u8 = 0x40;

/// The header that offers compression.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Octets of the longest message that the router takes, which is its default.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A message that is fine, were it not for how it comes.
const CALL: &[u8] = br#"[48,1,{},"wamp.session.count"]"#;

pub(crate) fn groups() -> Vec<Group> {
    vec![
        Group { name: "frames", tables: "", cases: FRAMES.to_vec() },
        Group {
            name: "compression",
            tables: "compression = \"deflate\"",
            cases: COMPRESSION.to_vec(),
        },
    ]
}

const FRAMES: [Case; 13] = [
    Case::new("24", "A frame of a client that is not masked", "close 1002", |ground| {
        closes(ground, 1002, [[&[TEXT, CALL.len() as u8], CALL].concat()])
    })
    .violating(1),
    Case::new(
        "25",
        "Each reserved bit, each reserved opcode (3 to 7, 11 to 15)",
        "close 1002 for each",
        |ground| {
            let bits = [0x40, 0x20, 0x10].map(|bit| TEXT | bit);
            let opcodes = (3..=7).chain(11..=15).map(|opcode| 0x80 | opcode);
            closes(ground, 1002, bits.into_iter().chain(opcodes).map(|first| frame(first, CALL)))
        },
    )
    .violating(13),
    Case::new(
        "26",
        "Control frames of 126 octets, and in fragments",
        "close 1002 for each",
        |ground| {
            let long = [CLOSE, PING, PONG].map(|first| frame(first, &[b'x'; 126]));
            let cut = [CLOSE, PING, PONG].map(|first| frame(first & 0x0F, b""));
            closes(ground, 1002, long.into_iter().chain(cut))
        },
    )
    .violating(6),
    Case::new(
        "27",
        "A frame that announces 2^63 - 1 octets",
        "close 1009 at once; nothing is allocated for it",
        |ground| closes(ground, 1009, [head(TEXT, (1 << 63) - 1)]),
    )
    .growing(1 << 20)
    .violating(1),
    Case::new(
        "27b",
        "100 connections that announce 1 MiB, as much as is allowed, and send 10 octets of it",
        "at most 64 KiB of memory for each",
        announce_and_hold,
    )
    .growing(100 * (64 << 10)),
    Case::new(
        "28",
        "Lengths with the top bit set, and in a longer form than needed",
        "close 1002 for each",
        |ground| {
            let lengths: [&[u8]; 5] = [
                &[0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
                &[0x80 | 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
                &[0x80 | 126, 0, 125],
                &[0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1],
                &[0x80 | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            ];
            closes(ground, 1002, lengths.map(|length| [&[TEXT], length].concat()))
        },
    )
    .violating(5),
    Case::new(
        "29",
        "A message in a million fragments of one octet",
        "close 1009 at the 1025th fragment",
        |ground| pour(ground, 1009, &frame(TEXT_BEGINS, b" "), &frame(CONTINUED, b" ")),
    )
    .growing(2 << 20)
    .violating(1),
    Case::new(
        "30",
        "A message of a million empty fragments",
        "close 1009 at the 1025th fragment",
        |ground| pour(ground, 1009, &frame(TEXT_BEGINS, b""), &frame(CONTINUED, b"")),
    )
    .growing(2 << 20)
    .violating(1),
    Case::new(
        "31",
        "A new message inside a fragmented one; the rest of none",
        "close 1002 for each",
        |ground| {
            let inside = [frame(TEXT_BEGINS, &CALL[..5]), frame(TEXT, CALL)].concat();
            closes(ground, 1002, [inside, frame(CONTINUED_LAST, CALL)])
        },
    )
    .violating(2),
    Case::new(
        "32",
        "Text that is not UTF-8: whole, cut inside a character, and with the rest withheld",
        "close 1007, at the first wrong octet",
        |ground| {
            let whole = frame(TEXT, b"[\"\xC0\xAF\"]");
            let cut = [frame(TEXT_BEGINS, b"[\"\xED"), frame(CONTINUED, b"\xA0\x80")].concat();
            // The frame is a hundred octets long, but these are all that come.
            let octets = b"[\"\xFF".iter().zip(web::KEY).map(|(octet, key)| octet ^ key);
            let withheld = [head(TEXT, 100), octets.collect()].concat();
            closes(ground, 1007, [whole, cut, withheld])
        },
    )
    .violating(3),
    Case::new(
        "33",
        "A text frame for MessagePack, a binary one for JSON",
        "close 1003 for each",
        |ground| {
            closes(ground, 1003, [frame(BINARY, CALL)])?;
            let mut web = Web::open(&ground.address, "wamp.2.msgpack", "")?;
            web.frame(TEXT, b"\x93\x01\xA1x\x80");
            expect_code(1003, web.close_code()?)
        },
    )
    .violating(2),
    Case::new(
        "34",
        "A flood of 100000 pings",
        "few pongs; close 1008 after 1000 pings without a message between them",
        flood_pings,
    )
    .growing(4 << 20)
    .violating(1),
    Case::new(
        "35",
        "Close frames with half a code, codes that must not be sent, and a reason not in UTF-8",
        "close 1002; for the reason 1007, which is what RFC 6455 wants for text that is none",
        |ground| {
            let codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535];
            let codes = codes.map(|code: u16| frame(CLOSE, &code.to_be_bytes()));
            let half = frame(CLOSE, &[3]);
            closes(ground, 1002, codes.into_iter().chain([half]))?;
            closes(ground, 1007, [frame(CLOSE, b"\x03\xE8\xFF\xFE")])?;
            Ok("1002 for 11, 1007 for the reason".to_owned())
        },
    )
    .violating(12),
];

const COMPRESSION: [Case; 4] = [
    Case::new(
        "36",
        "Compressed messages of a megabyte that stand for a gigabyte",
        "close 1009 where the message limit is passed; memory for one message",
        |ground| {
            let bomb = bomb();
            let throw = |first| {
                for _ in 0..8 {
                    let before = ground.descriptors_count();
                    let mut web = Web::open(&ground.address, "wamp.2.cbor", OFFER)?;
                    web.frame(first, &bomb);
                    let code = web.close_code()?;
                    if first != BINARY {
                        expect_code(1009, code)?;
                    }
                    // What is kept for one must be gone before the next one comes, however busy
                    // the machine is: else it is chance how many of them are counted.
                    drop(web);
                    ground.await_descriptors(before)?;
                }
                Ok(())
            };
            // The same octets, but not marked as compressed: what these need is none of inflating.
            // Peaks are compared, for what the router has between them is the allocator's affair.
            throw(BINARY)?;
            let as_they_are = ground.peak(|| throw(BINARY))?;
            let growth = ground.peak(|| throw(BINARY | RSV1))?.saturating_sub(as_they_are);
            if growth > 6 << 20 {
                return Err(format!("{} KiB more than as they are", growth >> 10));
            }
            Ok(format!("8 times 1009, {} KiB more than as they are", growth >> 10))
        },
    )
    .growing(48 << 20)
    .violating(24),
    Case::new(
        "37",
        "Offers of compression: windows from 8 to 15, unknown and doubled parameters; and \
         compressed messages without any",
        "granted or passed over, never an error; close 1002 for what was not negotiated",
        offer_compression,
    )
    .violating(1),
    Case::new(
        "38",
        "Compressed control frames, and fragments marked as compressed behind the first",
        "close 1002 for each",
        |ground| {
            let controls = [CLOSE, PING, PONG].map(|first| frame(first | RSV1, b""));
            let begins = frame(TEXT_BEGINS | RSV1, b"\x02");
            let fragment = [begins, frame(CONTINUED_LAST | RSV1, b"\x00")].concat();
            let all = controls.into_iter().chain([fragment]);
            closes_with(ground, OFFER, 1002, all)
        },
    )
    .violating(4),
    Case::new(
        "39",
        "Compressed messages that are cut, broken, followed by garbage, or a million empty blocks",
        "close 1007 for each, 1009 for the blocks, which are longer than a message may be",
        |ground| {
            let whole = deflate(CALL);
            let cut = whole[..whole.len() - 3].to_vec();
            let garbage = [&whole[..], b"\xFF\xFF\xFF\xFF"].concat();
            let broken = b"\x07\x07\x07\x07".to_vec();
            let frames = [cut, garbage, broken].map(|payload| frame(TEXT | RSV1, &payload));
            closes_with(ground, OFFER, 1007, frames)?;
            let block = [0x00, 0x00, 0x00, 0xFF, 0xFF];
            let long = frame(TEXT | RSV1, &block.repeat(1_000_000));
            closes_with(ground, OFFER, 1009, [long])?;
            // As many as fit: they stand for nothing, which is no message of WAMP.
            let most = frame(TEXT | RSV1, &block.repeat(200_000));
            let mut web = Web::open(&ground.address, "wamp.2.json", OFFER)?;
            web.0.say(&most);
            web.rest()?;
            Ok("1007 for 3, 1009 for a million blocks, refused for 200000".to_owned())
        },
    )
    .violating(5),
];

/// Says each of `attacks` in a session of its own; each must be answered by that close code.
fn closes(ground: &Ground, code: u16, attacks: impl IntoIterator<Item = Vec<u8>>) -> Verdict {
    closes_with(ground, "", code, attacks)
}

/// The same, with more headers in the request.
fn closes_with(
    ground: &Ground,
    headers: &str,
    code: u16,
    attacks: impl IntoIterator<Item = Vec<u8>>,
) -> Verdict {
    let mut count = 0;
    for attack in attacks {
        let mut web = Web::open(&ground.address, "wamp.2.json", headers)?;
        web.join()?;
        web.0.say(&attack);
        let found = web.close_code().map_err(|why| format!("number {count}: {why}"))?;
        expect_code(code, found).map_err(|why| format!("number {count}: {why}"))?;
        count += 1;
    }
    Ok(format!("{count} times {code}"))
}

fn expect_code(expected: u16, found: u16) -> Verdict {
    if found == expected {
        Ok(found.to_string())
    } else {
        Err(format!("close {found} instead of {expected}"))
    }
}

/// Says `first` and then `more`, a million times or as long as the router takes it.
fn pour(ground: &Ground, code: u16, first: &[u8], more: &[u8]) -> Verdict {
    let mut web = Web::json(&ground.address)?;
    web.join()?;
    web.0.say(first);
    let mut writer = web.0.twin();
    let some = more.repeat(1_000);
    thread::scope(|scope| {
        scope.spawn(move || (0..1_000).try_for_each(|_| writer.write_all(&some)));
        expect_code(code, web.close_code()?)
    })
}

/// Announces many long messages and sends little of them.
fn announce_and_hold(ground: &Ground) -> Verdict {
    let before = ground.memory();
    let mut held = Vec::new();
    for _ in 0..ground.or_full(100, 1_000) {
        let mut web = Web::json(&ground.address)?;
        web.join()?;
        web.0.say(&[head(TEXT, MESSAGE_BYTES_MAX as u64), b"0123456789".to_vec()].concat());
        held.push(web);
    }
    // They are there when somebody who came later is answered.
    ground.peer(gigawamp::wire::Framing::WebSocket);
    Ok(format!("{} KiB for all", ground.memory().saturating_sub(before) >> 10))
}

fn flood_pings(ground: &Ground) -> Verdict {
    let mut web = Web::json(&ground.address)?;
    web.join()?;
    let mut writer = web.0.twin();
    let some = frame(PING, b"ping").repeat(1_000);
    let frames = thread::scope(|scope| {
        scope.spawn(move || (0..100).try_for_each(|_| writer.write_all(&some)));
        web.rest()
    })?;
    let pongs = frames.iter().filter(|frame| frame.first == PONG).count();
    match frames.last() {
        Some(Frame { first: CLOSE, payload }) if payload.starts_with(&1008_u16.to_be_bytes()) => {}
        other => return Err(format!("{other:?} instead of close 1008")),
    }
    if pongs > 1_000 {
        return Err(format!("{pongs} pongs"));
    }
    Ok(format!("{pongs} pongs, then 1008"))
}

fn offer_compression(ground: &Ground) -> Verdict {
    let (mut granted, mut passed_over) = (0, 0);
    let windows = (8..=15).map(|bits| format!("permessage-deflate; server_max_window_bits={bits}"));
    let others = [
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=07",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover=1",
        "x-webkit-deflate-frame",
        ";;,,==\"",
    ];
    for offer in windows.chain(others.map(str::to_owned)) {
        let mut line = Line::to(&ground.address);
        let header = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let headers = web::headers("wamp.2.json") + &header;
        line.say(web::request(&headers).as_bytes());
        let answer = line.take_until(b"\r\n\r\n")?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if !answer.starts_with("HTTP/1.1 101 ") {
            return Err(format!("{offer}: {answer}"));
        }
        if answer.contains("permessage-deflate") { granted += 1 } else { passed_over += 1 }
    }
    if (granted, passed_over) != (7, 8) {
        return Err(format!("{granted} granted, {passed_over} passed over, not 7 and 8"));
    }
    closes(ground, 1002, [frame(TEXT | RSV1, &deflate(CALL))])?;
    Ok("windows 9 to 15 granted, all else passed over; 1002".to_owned())
}

/// What a compressed message holds.
fn deflate(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in(), text.len() as u64, "there is room for all");
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

/// About a megabyte that stands for a thousand times as much.
fn bomb() -> Vec<u8> {
    // What stands for a megabyte of blanks, ends with an empty block and so may be repeated.
    let mut piece = deflate(&vec![b' '; 1 << 20]);
    piece.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
    let count = MESSAGE_BYTES_MAX / piece.len();
    [piece.repeat(count), vec![0]].concat()
}
