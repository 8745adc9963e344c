//! What conformance suites of WebSocket ask, asked of the real router: what is sent to it in
//! frames of any shape comes back as an event, whole and unchanged, or is refused as it must be.
//!
//! The topics are those of the Autobahn suite; `tests/autobahn/run` runs that one itself.

use crate::case::{Case, Group};
use crate::ground::Ground;
use crate::web::{CLOSE, Frame, PING, PONG, TEXT, Web, frame};

pub(crate) fn groups() -> Vec<Group> {
    vec![
        Group { name: "conformance", tables: "", cases: CASES.to_vec() },
        Group { name: "deflate", tables: "compression = \"deflate\"", cases: vec![DEFLATED] },
    ]
}

const TEXT_BEGINS: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const CONTINUED_LAST: u8 = 0x80;

const CASES: [Case; 5] = [
    Case::new(
        "40",
        "Messages of every length at which frames change their form, whole, in fragments of any \
         size, octet by octet, up to the longest (sections 1, 5, 9 and 10)",
        "each comes back as it was",
        |ground| {
            let mut echo = Echo::open(ground, "")?;
            let lengths = [0, 1, 30, 60, 61, 62, 125, 1_000, 65_000, 65_535, 65_536, 1_000_000];
            let mut count = 0;
            for length in lengths {
                let text = "*".repeat(length);
                for fragment in [usize::MAX, 1_000, 64, 1] {
                    // In as many fragments as a message may have, and no more.
                    if fragment == usize::MAX || length / fragment < 1_000 {
                        echo.turn(&text, fragment, &[])?;
                        count += 1;
                    }
                }
            }
            let chopped = echo.publication("chopped");
            for octet in frame(TEXT, chopped.as_bytes()) {
                echo.web.0.say(&[octet]);
            }
            echo.hear("chopped")?;
            Ok(format!("{} messages", count + 1))
        },
    )
    .growing(32 << 20),
    Case::new(
        "40b",
        "Pings of every length, alone, ten at once, and between the fragments of a message; pongs \
         that nobody asked for (sections 2 and 5)",
        "one pong for each ping, with its octets; the message comes back",
        |ground| {
            let mut echo = Echo::open(ground, "")?;
            for length in 0..=125 {
                let payload: Vec<u8> = (0..length).map(|octet| octet as u8 ^ 0xA5).collect();
                echo.web.frame(PONG, &payload);
                echo.web.frame(PING, &payload);
                echo.expect_pong(&payload)?;
            }
            for number in 0..10_u8 {
                echo.web.frame(PING, &[number]);
            }
            (0..10_u8).try_for_each(|number| echo.expect_pong(&[number]))?;
            let pings = [frame(PING, b"one"), frame(PONG, b"?"), frame(PING, b"two")];
            echo.turn_with("between the fragments", 7, &pings, &[b"one", b"two"])?;
            Ok("138 pongs, 1 message".to_owned())
        },
    ),
    Case::new(
        "40c",
        "Text in UTF-8 at all its edges, whole and cut inside of each character (section 6)",
        "each comes back as it was",
        |ground| {
            let mut echo = Echo::open(ground, "")?;
            for text in VALID {
                for fragment in [usize::MAX, 1, 2, 3] {
                    echo.turn(text, fragment, &[])?;
                }
            }
            Ok(format!("{} texts, each in 4 ways", VALID.len()))
        },
    ),
    Case::new(
        "40d",
        "Octets that are no UTF-8: stray, overlong, surrogates, beyond the last character, cut \
         short (section 6)",
        "close 1007 for each, whole and octet by octet",
        |ground| {
            for octets in INVALID {
                let text = [b"[16,1,{},\"a.b\",[\"", *octets, b"\"]]"].concat();
                for fragment in [usize::MAX, 1] {
                    let mut echo = Echo::open(ground, "")?;
                    fragments(&text, fragment, &[]).iter().for_each(|it| {
                        echo.web.0.say(it);
                    });
                    let code = echo.web.close_code().map_err(|why| format!("{octets:?}: {why}"))?;
                    if code != 1007 {
                        return Err(format!("{octets:?}: {code}"));
                    }
                }
            }
            Ok(format!("{} times 1007, each in 2 ways", INVALID.len()))
        },
    )
    .violating(44),
    Case::new(
        "40e",
        "Close frames with nothing, with each code that may be sent, with reasons up to 123 \
         octets; frames behind them (section 7)",
        "answered by the same code, then the end; nothing behind is processed",
        |ground| {
            let codes =
                [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
            for code in codes {
                for reason in ["", "why", &"r".repeat(123)] {
                    let mut echo = Echo::open(ground, "")?;
                    let code_octets = u16::to_be_bytes(code);
                    echo.web.frame(CLOSE, &[&code_octets[..], reason.as_bytes()].concat());
                    echo.web.frame(PING, b"late");
                    match echo.web.rest()?.as_slice() {
                        [Frame { first: CLOSE, payload }] if payload.starts_with(&code_octets) => {}
                        other => return Err(format!("{code}: {other:?}")),
                    }
                }
            }
            let mut echo = Echo::open(ground, "")?;
            echo.web.frame(CLOSE, b"");
            match echo.web.rest()?.as_slice() {
                [Frame { first: CLOSE, .. }] => Ok(format!("{} closes", codes.len() * 3 + 1)),
                other => Err(format!("{other:?}")),
            }
        },
    ),
];

const DEFLATED: Case = Case::new(
    "40f",
    "Messages of all lengths to and from a client that was granted compression, with each window \
     (sections 12 and 13)",
    "each comes back as it was",
    |ground| {
        use gigawamp::wire::Framing;
        use serde_json::json;
        let mut peer = crate::peer::Peer::compressing(&ground.address, Framing::WebSocket);
        peer.join("realm1");
        peer.send(&json!([32, 1, {}, "case40"]));
        peer.expect(33);
        let mut request = 1;
        for length in [0, 16, 64, 127, 128, 256, 1_024, 4_096, 16_384, 65_536, 131_072, 900_000] {
            for text in ["what comes again ".repeat(length / 17), random(length)] {
                request += 1;
                peer.send(&json!([16, request, {"exclude_me": false}, "case40", [text]]));
                if peer.expect(36)[4][0] != text {
                    return Err(format!("another text of {length}"));
                }
            }
        }
        for bits in 9..=15 {
            let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=";
            let mut echo = Echo::open(ground, &format!("{offer}{bits}\r\n"))?;
            // Nothing need be compressed, and what is short is not.
            echo.turn("short", usize::MAX, &[])?;
        }
        Ok(format!("{} messages, 7 windows", request - 1))
    },
)
.growing(32 << 20);

/// Characters at the edges of what their number of octets can say, and such as are no letters.
const VALID: &[&str] = &[
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
    "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
    "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}",
    "\u{1fffe}\u{2ffff}\u{10fffe}",
    "\u{1f600}\u{1f468}\u{200d}\u{1f469}",
];

const INVALID: &[&[u8]] = &[
    b"\x80",
    b"\xBF",
    b"\x80\xBF\x80",
    b"\xC0 \xC1 ",
    b"\xC0\xAF",
    b"\xC0\x80",
    b"\xC1\xBF",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\xAF",
    b"\xF0\x8F\xBF\xBF",
    b"\xED\xA0\x80",
    b"\xED\xAF\xBF\xED\xBF\xBF",
    b"\xF4\x90\x80\x80",
    b"\xF5\x80\x80\x80",
    b"\xF8\x88\x80\x80\x80",
    b"\xFC\x84\x80\x80\x80\x80",
    b"\xFE",
    b"\xFF",
    b"\xC3",
    b"\xE2\x82",
    b"\xF0\x9F\x98",
];

/// A session that gets what it publishes.
struct Echo {
    web: Web,
    request: u64,
}

impl Echo {
    fn open(ground: &Ground, headers: &str) -> Result<Self, String> {
        let mut web = Web::open(&ground.address, "wamp.2.json", headers)?;
        let roles = r#"{"publisher":{},"subscriber":{}}"#;
        web.frame(TEXT, format!("[1,\"realm1\",{{\"roles\":{roles}}}]").as_bytes());
        web.next()?;
        web.frame(TEXT, br#"[32,1,{},"case40"]"#);
        web.next()?;
        Ok(Self { web, request: 1 })
    }

    fn publication(&mut self, text: &str) -> String {
        self.request += 1;
        format!("[16,{},{{\"exclude_me\":false}},\"case40\",[\"{text}\"]]", self.request)
    }

    /// Sends a text in fragments of at most so many octets; the same must come back.
    fn turn(&mut self, text: &str, fragment: usize, between: &[Vec<u8>]) -> Result<(), String> {
        self.turn_with(text, fragment, between, &[])
    }

    /// The same, before which come these pongs.
    fn turn_with(
        &mut self,
        text: &str,
        fragment: usize,
        between: &[Vec<u8>],
        pongs: &[&[u8]],
    ) -> Result<(), String> {
        let publication = self.publication(text);
        self.web.0.say(&fragments(publication.as_bytes(), fragment, between).concat());
        pongs.iter().try_for_each(|pong| self.expect_pong(pong))?;
        self.hear(text)
    }

    fn hear(&mut self, text: &str) -> Result<(), String> {
        let expected = format!(",[\"{text}\"]]");
        match self.web.next()? {
            Some(Frame { first: TEXT, payload }) if payload.ends_with(expected.as_bytes()) => {
                Ok(())
            }
            other => Err(format!("{} octets came back as {other:?}", text.len())),
        }
    }

    fn expect_pong(&mut self, payload: &[u8]) -> Result<(), String> {
        match self.web.next()? {
            Some(Frame { first: PONG, payload: found }) if found == payload => Ok(()),
            other => Err(format!("{other:?} instead of a pong of {} octets", payload.len())),
        }
    }
}

/// A message of text in fragments of at most `size` octets, with frames `between` behind the first.
fn fragments(text: &[u8], size: usize, between: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = text.chunks(size).collect();
    let last = pieces.len() - 1;
    let mut frames = Vec::new();
    for (place, piece) in pieces.into_iter().enumerate() {
        let first = match (place == 0, place == last) {
            (true, true) => TEXT,
            (true, false) => TEXT_BEGINS,
            (false, false) => CONTINUED,
            (false, true) => CONTINUED_LAST,
        };
        frames.push(frame(first, piece));
        if place == 0 && last > 0 {
            frames.extend_from_slice(between);
        }
    }
    frames
}

/// Letters by chance, which cannot be compressed to much less.
fn random(length: usize) -> String {
    let mut chance = crate::cargo::Chance::new(40);
    (0..length).map(|_| char::from(b'!' + (chance.below(93) as u8))).map(plain).collect()
}

/// What needs no escape in JSON.
const fn plain(letter: char) -> char {
    if matches!(letter, '"' | '\\') { '~' } else { letter }
}
