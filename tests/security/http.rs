//! Cases about the HTTP request that comes before a WebSocket.

use std::io::Write;
use std::thread;

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::line::Line;
use crate::web::{CLOSE, Frame, TEXT, Web, frame, headers, request};

pub(crate) fn groups() -> Vec<Group> {
    vec![Group { name: "http", tables: "", cases: CASES.to_vec() }]
}

const HELLO: &[u8] = br#"[1,"realm1",{"roles":{"caller":{}}}]"#;

const CASES: [Case; 8] = [
    Case::new("17", "A header of a megabyte, whole and octet by octet", "431", |ground| {
        let long = format!("{}X: {}\r\n", headers("wamp.2.json"), "x".repeat(1 << 20));
        expect_status(ground, "431", request(&long).as_bytes())?;
        // No octet is looked at twice, or this would take as long as the square of it.
        let mut line = Line::to(&ground.address);
        for octet in &request(&long).as_bytes()[..8 << 10] {
            line.say(&[*octet]);
        }
        expect_answer("431", &line.rest()?)?;
        Ok("431, and 431 at 8 KiB".to_owned())
    })
    .growing(12 << 20)
    .violating(2),
    Case::new("18", "10000 headers; 65 short ones", "431 for each", |ground| {
        for count in [10_000, 65] {
            let many = headers("wamp.2.json") + &"X: y\r\n".repeat(count);
            expect_status(ground, "431", request(&many).as_bytes())?;
        }
        Ok("431 for both".to_owned())
    })
    .violating(2),
    Case::new(
        "19",
        "Upgrade, Connection, Sec-WebSocket-Key or -Version missing, doubled or wrong",
        "400, or 426 that names version 13",
        |ground| {
            for (status, from, to) in UPGRADES {
                let text = request(&headers("wamp.2.json")).replacen(from, to, 1);
                assert!(text.contains(to), "{to:?} is in the request");
                let answer = expect_status(ground, status, text.as_bytes())
                    .map_err(|why| format!("{to:?}: {why}"))?;
                if status == "426" && !answer.contains("\r\nSec-WebSocket-Version: 13\r\n") {
                    return Err(format!("no version in {answer}"));
                }
            }
            Ok(format!("{} refused", UPGRADES.len()))
        },
    ),
    Case::new(
        "20",
        "Requests that two parsers could read differently: lengths and encodings of a body, folded \
         lines, bare line feeds, NUL, white space before a colon, another version of HTTP",
        "400 and the end, for each; what is behind is not processed",
        |ground| {
            for (from, to) in SMUGGLED {
                let text = request(&headers("wamp.2.json")).replacen(from, to, 1);
                let behind = request(&headers("wamp.2.json"));
                let answer = expect_status(ground, "400", (text + &behind).as_bytes())
                    .map_err(|why| format!("{to:?}: {why}"))?;
                if answer.matches("HTTP/1.1 400").count() != 1 {
                    return Err(format!("two answers: {answer}"));
                }
            }
            Ok(format!("{} refused", SMUGGLED.len()))
        },
    )
    .violating(10),
    Case::new(
        "21",
        "Browsers on behalf of other pages: another host, port or scheme, `null`, two of them",
        "403, before anything of WAMP; 101 for pages of the host they connect to and for clients \
         that name no page",
        |ground| {
            let with = |origin: &str| {
                let text = request(&(headers("wamp.2.json") + origin));
                let mut line = Line::to(&ground.address);
                line.say(&[text.as_bytes(), &frame(TEXT, HELLO)].concat());
                let answer = line.take_until(b"\r\n\r\n")?;
                let text = String::from_utf8_lossy(&answer).into_owned();
                text.split(' ').nth(1).map(str::to_owned).ok_or(text)
            };
            let foreign = [
                "https://evil.example",
                "http://localhost.evil.example",
                "http://localhost:81",
                "http://sub.localhost",
                "null",
                "file://",
            ];
            for page in foreign {
                let status = with(&format!("Origin: {page}\r\n"))?;
                if status != "403" {
                    return Err(format!("{status} for {page}"));
                }
            }
            let twice = with("Origin: http://localhost\r\nOrigin: https://evil.example\r\n")?;
            if !["400", "403"].contains(&&*twice) {
                return Err(format!("{twice} for two"));
            }
            for own in ["", "Origin: http://localhost\r\n"] {
                let status = with(own)?;
                if status != "101" {
                    return Err(format!("{status} for {own:?}"));
                }
            }
            Ok(format!("{} times 403, {twice} for two, 2 times 101", foreign.len()))
        },
    ),
    Case::new(
        "21b",
        "Origins that are none: with a user, a path, a dot more, letters beyond ASCII, an odd port; \
         `localhost` without a scheme, in upper case",
        "403 for what is malformed, however it may be meant; 101 for the host itself, which some \
         programs name without a scheme, and for upper case",
        |ground| {
            let status = |origin: &str| {
                let text = request(&(headers("wamp.2.json") + "Origin: " + origin + "\r\n"));
                let mut line = Line::to(&ground.address);
                line.say(text.as_bytes());
                let answer = line.take_until(b"\r\n\r\n")?;
                let answer = String::from_utf8_lossy(&answer).into_owned();
                answer.split(' ').nth(1).map(str::to_owned).ok_or(answer)
            };
            let malformed = [
                "http://joe@localhost",
                "http://evil.example@localhost",
                "http://localhost/",
                "http://localhost/ws",
                "http://localhost?a",
                "http://localhost#",
                "http://localhost.",
                "http://.localhost",
                "http://localhost:",
                "http://localhost:080",
                "http://localhost:80:80",
                "http://localhost:65616",
                "http://l\u{f6}calhost",
                "http:localhost",
                "//localhost",
                "localhost:81",
                "evil.example",
                "NULL",
                "null null",
                "http://localhost http://localhost",
            ];
            for origin in malformed {
                let status = status(origin)?;
                if status != "403" {
                    return Err(format!("{status} for {origin}"));
                }
            }
            for own in ["localhost", "LOCALHOST", "HTTP://LocalHost", "http://localhost:80"] {
                let status = status(own)?;
                if status != "101" {
                    return Err(format!("{status} for {own}"));
                }
            }
            Ok(format!("{} times 403, 4 times 101", malformed.len()))
        },
    ),
    Case::new(
        "22",
        "No subprotocol, others, 1000 of them, 64 KiB of them",
        "400; 431 for 64 KiB",
        |ground| {
            let others = (0..1_000).map(|number| format!("p{number}")).collect::<Vec<_>>();
            let long = format!("wamp.2.json{}", ",".repeat(64 << 10));
            for (status, offer) in
                [("400", ""), ("400", "soap, wamp"), ("400", &others.join(",")), ("431", &long)]
            {
                let text = request(&headers(offer));
                expect_status(ground, status, text.as_bytes())
                    .map_err(|why| format!("{}: {why}", &offer[..offer.len().min(20)]))?;
            }
            Ok("400 for 3, 431 for 64 KiB".to_owned())
        },
    )
    .violating(4),
    Case::new(
        "23",
        "Frames right behind the request, in the same segment, and cut anywhere",
        "taken for the first frames, each once and in order",
        |ground| {
            let request = request(&headers("wamp.2.json"));
            let calls = (1..=3).map(|number| {
                frame(TEXT, format!("[48,{number},{{}},\"wamp.session.count\"]").as_bytes())
            });
            let frames = calls.collect::<Vec<_>>().concat();
            let all = [request.as_bytes(), &frame(TEXT, HELLO), &frames].concat();
            for cut in [0, 1, request.len() - 1, request.len() + 1, request.len() + 30] {
                pipelined(ground, &all, cut).map_err(|why| format!("cut at {cut}: {why}"))?;
            }
            Ok("5 times WELCOME and 3 results".to_owned())
        },
    ),
];

/// What is wrong with a request for an upgrade: the answer, what is replaced, by what.
const UPGRADES: [(&str, &str, &str); 14] = [
    ("426", "Upgrade: websocket\r\n", ""),
    ("426", "Upgrade: websocket\r\n", "Upgrade: h2c\r\n"),
    ("400", "Upgrade: websocket\r\n", "Upgrade: websocket\r\nUpgrade: websocket\r\n"),
    ("400", "Connection: Upgrade\r\n", ""),
    ("400", "Connection: Upgrade\r\n", "Connection: keep-alive\r\n"),
    ("400", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    ("400", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhl"),
    ("400", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: !!!!"),
    (
        "400",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key",
    ),
    ("426", "Version: 13", "Version: 8"),
    ("426", "Version: 13", "Version: 14"),
    ("400", "Sec-WebSocket-Version: 13\r\n", ""),
    ("400", "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13"),
    ("400", "Host: localhost\r\n", ""),
];

/// What makes a request ambiguous: what is replaced, by what.
const SMUGGLED: [(&str, &str); 10] = [
    ("Host", "Content-Length: 5\r\nHost"),
    ("Host", "Transfer-Encoding: chunked\r\nHost"),
    ("Host", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost"),
    ("Host", "Content-Length: 0\r\nContent-Length: 5\r\nHost"),
    ("Host: localhost", "Host: localhost\r\n folded"),
    ("Host: localhost\r\n", "Host: localhost\n"),
    ("Host: localhost", "Host: local\0host"),
    ("Host: localhost", "Host : localhost"),
    ("Host: localhost", "Host: localhost\r\nHost: elsewhere"),
    ("HTTP/1.1", "HTTP/1.0"),
];

/// Sends octets as fast as they are taken; the answer, which must have this status and be the end.
fn expect_status(ground: &Ground, status: &str, octets: &[u8]) -> Result<String, String> {
    let mut line = Line::to(&ground.address);
    let mut writer = line.twin();
    let answer = thread::scope(|scope| {
        scope.spawn(move || writer.write_all(octets));
        line.rest()
    })?;
    expect_answer(status, &answer)
}

fn expect_answer(status: &str, answer: &[u8]) -> Result<String, String> {
    let answer = String::from_utf8_lossy(answer).into_owned();
    if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
        Ok(answer)
    } else {
        Err(format!("{answer:?} instead of {status}"))
    }
}

/// Sends `all` in two parts; what comes must be the upgrade, WELCOME, and three results.
fn pipelined(ground: &Ground, all: &[u8], cut: usize) -> Verdict {
    let mut line = Line::to(&ground.address);
    line.say(&all[..cut]);
    if cut > 0 {
        thread::sleep(std::time::Duration::from_millis(20));
    }
    line.say(&all[cut..]);
    expect_answer("101", &line.take_until(b"\r\n\r\n")?)?;
    let mut web = Web(line);
    for begin in ["[2,", "[50,1,", "[50,2,", "[50,3,"] {
        match web.next()? {
            Some(Frame { first: TEXT, payload }) if payload.starts_with(begin.as_bytes()) => {}
            other => return Err(format!("{other:?} instead of {begin}")),
        }
    }
    web.frame(CLOSE, &1000_u16.to_be_bytes());
    match web.rest()?.as_slice() {
        [Frame { first: CLOSE, .. }] => Ok(String::new()),
        other => Err(format!("{other:?} instead of the end")),
    }
}
