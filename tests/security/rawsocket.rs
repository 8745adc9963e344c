//! Cases about RawSocket: its handshake and its frames.

use std::io::Write;
use std::thread;

use gigawamp::wire::{Framing, Serializer};
use serde_json::json;

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::line::Line;
use crate::program::Router;
use crate::raw::{Raw, frame};

pub(crate) fn groups() -> Vec<Group> {
    vec![
        Group { name: "rawsocket", tables: "", cases: CASES.to_vec() },
        Group {
            name: "rawsocket-only",
            tables: "transports = [\"rawsocket\", \"websocket\"]\n\
                     [[listeners]]\naddress = \"127.0.0.2:0\"\ntransports = [\"rawsocket\"]",
            cases: ALONE.to_vec(),
        },
    ]
}

const ALONE: [Case; 1] = [Case::new(
    "41",
    "Something else than 0x7F first, where RawSocket is spoken alone and where HTTP is too",
    "closed without a word; where HTTP is spoken letters are read as HTTP",
    |ground| {
        let alone = ground.address_after("tcp:");
        for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x00\x00\x00\x00", b"\x16\x03\x01"] {
            let mut line = Line::to(&alone);
            line.say(octets);
            silent_end(&mut line)?;
        }
        let mut line = Line::to(&ground.address);
        line.say(b"\x00");
        silent_end(&mut line)?;
        let mut line = Line::to(&ground.address);
        line.say(b"GET / HTTP/1.1\r\n\r\n");
        let answer = line.rest()?;
        if !answer.starts_with(b"HTTP/1.1 426 ") {
            return Err(format!("{} instead of 426", String::from_utf8_lossy(&answer)));
        }
        Ok("4 closed, 1 answered by HTTP 426".to_owned())
    },
)
.violating(4)];

const CASES: [Case; 9] = [
    Case::new(
        "42",
        "Serializer 0, and each one that is not offered",
        "answered 7F 10 00 00 and closed",
        |ground| refused(ground, (5..=15).chain([0]).map(|number| [0x7F, 0xF0 | number, 0, 0]), 1),
    )
    .violating(12),
    Case::new("43", "Reserved octets that are set", "answered 7F 30 00 00 and closed", |ground| {
        refused(ground, [[0x7F, 0xF1, 1, 0], [0x7F, 0xF1, 0, 0x80]].into_iter(), 3)
    })
    .violating(2),
    Case::new(
        "44",
        "One connection more than the router holds",
        "answered 7F 40 00 00 and closed; there is room again once others have gone",
        one_too_many,
    ),
    Case::new(
        "45",
        "A prefix above the limit that was negotiated, and nothing behind it",
        "closed at the prefix",
        |ground| {
            let too_long = (1_u32 << 20) + 1;
            dropped(ground, [too_long.to_be_bytes(), [0x00, 0xFF, 0xFF, 0xFF], [0x08, 0, 0, 0]])
        },
    )
    .growing(1 << 20)
    .violating(3),
    Case::new("46", "Frame types 3 to 7, and each reserved bit", "closed for each", |ground| {
        let types = (3..=7).map(|kind| [kind, 0, 0, 2]);
        let bits = [0x10, 0x20, 0x40, 0x80].map(|bit| [bit, 0, 0, 2]);
        dropped(ground, types.chain(bits))
    })
    .violating(9),
    Case::new("47", "The bit of 16 MiB with a length beside it", "closed", |ground| {
        dropped(ground, [[0x08, 0, 0, 1]])
    })
    .violating(1),
    Case::new(
        "48",
        "A client that takes 512 octets is published and answered more",
        "the event is left out for it alone, and counted; the caller of a procedure is told \
         `wamp.error.payload_size_exceeded`",
        too_long_for_it,
    ),
    Case::new(
        "49",
        "Pings of full size, as fast as they are taken",
        "held back, memory bounded, closed after 1000 without a message between them",
        flood_pings,
    )
    .growing(32 << 20)
    .violating(1),
    Case::new("50", "A message of no octets", "ABORT protocol_violation", |ground| {
        for serializer in Serializer::ALL {
            let mut raw = Raw::open(&ground.address, serializer)?;
            raw.join("realm1")?;
            raw.say(b"");
            let reason = raw.abort()?;
            if reason != "wamp.error.protocol_violation" {
                return Err(reason);
            }
        }
        Ok("ABORT in each serializer".to_owned())
    })
    .violating(4),
];

/// Waits for the end of a connection on which nothing may come before it.
fn silent_end(line: &mut Line) -> Result<(), String> {
    match line.rest()? {
        octets if octets.is_empty() => Ok(()),
        octets => Err(format!("{octets:?} instead of nothing")),
    }
}

/// Begins with each of these; each must be refused with this error.
fn refused(ground: &Ground, requests: impl Iterator<Item = [u8; 4]>, error: u8) -> Verdict {
    let mut count = 0;
    for request in requests {
        let mut line = Line::to(&ground.address);
        line.say(&request);
        let answer = line.rest()?;
        if answer != [0x7F, error << 4, 0, 0] {
            return Err(format!("{answer:?} for {request:?}"));
        }
        count += 1;
    }
    Ok(format!("{count} times error {error}, then closed"))
}

/// Sends each prefix in a session of its own; each must be the end of it.
fn dropped(ground: &Ground, prefixes: impl IntoIterator<Item = [u8; 4]>) -> Verdict {
    let mut count = 0;
    for prefix in prefixes {
        let mut raw = Raw::open(&ground.address, Serializer::Json)?;
        raw.join("realm1")?;
        raw.line.say(&prefix);
        silent_end(&mut raw.line).map_err(|why| format!("{prefix:?}: {why}"))?;
        count += 1;
    }
    Ok(format!("{count} closed without a word"))
}

fn one_too_many(_: &Ground) -> Verdict {
    let text = "shards = 2\nconnections_max = 4\n[[realms]]\nname = \"realm1\"\n\
                [[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let router = Router::start("security-full", text);
    let address = router.address("ws://");
    let mut inside = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::open(&address, Serializer::Json)?;
        raw.join("realm1")?;
        inside.push(raw);
    }
    let mut line = Line::to(&address);
    line.say(&[0x7F, 0xF1, 0, 0]);
    let answer = line.rest()?;
    if answer != [0x7F, 0x40, 0, 0] {
        return Err(format!("{answer:?}"));
    }
    drop(inside);
    // The router notices a little later that they have gone.
    let is_in = (0..500).any(|_| {
        thread::sleep(std::time::Duration::from_millis(10));
        Raw::open(&address, Serializer::Json).is_ok()
    });
    router.stop();
    if is_in { Ok(format!("{answer:?}, then room again")) } else { Err("no room".to_owned()) }
}

fn too_long_for_it(ground: &Ground) -> Verdict {
    let mut small = Raw::taking(&ground.address, Serializer::Json, 0)?;
    small.join("realm1")?;
    small.tell(&json!([32, 1, {}, "case48.topic"]));
    small.expect(33)?;
    let mut large = ground.peer(Framing::RawSocket);
    large.send(&json!([32, 1, {}, "case48.topic"]));
    large.expect(33);
    large.send(&json!([64, 2, {}, "case48.procedure"]));
    large.expect(65);
    let mut publisher = ground.peer(Framing::WebSocket);
    let long = "x".repeat(600);
    for (request, text) in [(1, &*long), (2, "short")] {
        publisher.send(&json!([16, request, {}, "case48.topic", [text]]));
    }
    if large.expect(36)[4][0] != long || large.expect(36)[4][0] != "short" {
        return Err("the other subscriber got something else".to_owned());
    }
    let event = small.expect(36)?;
    if event[4].items()[0] != "short".into() {
        return Err(format!("{event:?} instead of the short event"));
    }
    small.tell(&json!([48, 2, {}, "case48.procedure"]));
    let invocation = large.expect(68);
    large.send(&json!([70, invocation[1], {}, [long]]));
    let error = small.expect(8)?;
    if error[4] != "wamp.error.payload_size_exceeded".into() {
        return Err(format!("{error:?}"));
    }
    Ok("the short event came; payload_size_exceeded".to_owned())
}

fn flood_pings(ground: &Ground) -> Verdict {
    let mut raw = Raw::open(&ground.address, Serializer::Json)?;
    raw.join("realm1")?;
    let mut writer = raw.line.twin();
    let mut ping = frame(&[b'p'; 64 << 10]);
    ping[0] = 1;
    let pongs = thread::scope(|scope| {
        scope.spawn(move || (0..10_000).try_for_each(|_| writer.write_all(&ping)));
        let mut pongs = 0;
        // The end may come in the middle of a pong.
        while let Ok(Some((2, _))) = raw.next() {
            pongs += 1;
        }
        pongs
    });
    if !raw.line.is_over || pongs > 1_000 {
        return Err(format!("{pongs} pongs, and the end: {}", raw.line.is_over));
    }
    Ok(format!("{pongs} pongs, then closed"))
}
