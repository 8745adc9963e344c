//! Cases about the meta API, and about what else a process might offer.

use std::thread;

use gigawamp::wire::Framing;
use serde_json::{Value, json};

use crate::cargo::Chance;
use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::line::Line;
use crate::peer::Peer;
use crate::talk::{call, error_of, expect, in_realm, joined, register, subscribe};

pub(crate) fn groups() -> Vec<Group> {
    let realms = "[[realms]]\nname = \"realm2\"\n[[realms]]\nname = \"kill\"\nmeta_kill = true\n\
                  [limits]\noutbox_bytes_max = \"1 MiB\"\noutbox_bytes_pause = \"1 MiB\"";
    vec![Group { name: "meta", tables: realms, cases: CASES.to_vec() }]
}

const CASES: [Case; 6] = [
    Case::new(
        "116",
        "`wamp.session.kill` and its like where they are not allowed; where they are: of oneself, \
         with a reason that is no URI",
        "`not_authorized`; `no_such_session`; `invalid_uri`",
        kill,
    ),
    Case::new(
        "117",
        "Lists of many sessions, asked for over and over by one session",
        "no answer is longer than a message may be; at most 16 are pending for one session; calls \
         of others go on meanwhile",
        list_many,
    )
    .growing(64 << 20),
    Case::new(
        "118",
        "Sessions that come and go as fast as they can, beside a subscriber of that who reads \
         nothing",
        "that subscriber alone is ended; another one hears of each",
        flood_of_joins,
    )
    .growing(32 << 20),
    Case::new(
        "119",
        "`wamp.session.get` of others, of another realm, and of none",
        "no more than identity, role, method, transport; `no_such_session` for the others",
        |ground| {
            let mut peer = in_realm(ground, "realm1");
            let mut elsewhere = Peer::tcp(&ground.address, Framing::RawSocket);
            let other = elsewhere.join("realm2");
            let mut beside = Peer::tcp(&ground.address, Framing::WebSocket);
            let id = beside.join("realm1");
            let details = call(&mut peer, 1, "wamp.session.get", json!([id]))[3][0].clone();
            let known = [
                "session",
                "authid",
                "authrole",
                "authmethod",
                "authprovider",
                "transport",
                "roles",
                "agent",
                "realm",
                "authextra",
            ];
            let object = details.as_object().ok_or_else(|| details.to_string())?;
            if let Some(key) = object.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(format!("{key} in {details}"));
            }
            for (request, id) in [(2, other), (3, 1), (4, 1 << 53)] {
                let request = json!([48, request, {}, "wamp.session.get", [id]]);
                let error = error_of(&mut peer, &request);
                expect(&error, "wamp.error.no_such_session", &id.to_string())?;
            }
            let keys: Vec<_> = object.keys().collect();
            Ok(format!("{keys:?}; 3 times no_such_session"))
        },
    ),
    Case::new(
        "120",
        "Two realms with the same topics and procedures, used by chance; ids of one used in the \
         other",
        "nothing of one is seen in the other",
        realms_apart,
    ),
    Case::new(
        "121",
        "What else the process offers: other ports, paths of files, methods of HTTP",
        "nothing listens but what is configured; 404 and 405; no path leads to a file",
        |ground| {
            let ports = ground.listening_count();
            if ports != 1 {
                return Err(format!("{ports} sockets listen"));
            }
            for (request, status) in [
                ("GET /metrics", "404"),
                ("GET /../../etc/passwd", "404"),
                ("GET /ws/..%2f..%2fetc/passwd", "404"),
                ("GET /%2e%2e/", "404"),
                ("GET //etc/passwd", "404"),
                ("GET /lp/../ws", "404"),
                ("POST /ws", "405"),
                ("DELETE /", "405"),
                ("OPTIONS *", "405"),
                ("TRACE /ws", "405"),
            ] {
                let mut line = Line::to(&ground.address);
                line.say(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
                let answer = String::from_utf8_lossy(&line.rest()?).into_owned();
                if !answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.contains("root:") {
                    return Err(format!("{answer:?} for {request}"));
                }
            }
            Ok("one socket; 10 requests refused".to_owned())
        },
    ),
];

fn kill(ground: &Ground) -> Verdict {
    let mut peer = joined(ground);
    let mut victim = Peer::tcp(&ground.address, Framing::WebSocket);
    let id = victim.join("realm1");
    let kills = |id: u64| {
        [
            ("wamp.session.kill", json!([id])),
            ("wamp.session.kill_by_authid", json!(["x"])),
            ("wamp.session.kill_by_authrole", json!(["anonymous"])),
            ("wamp.session.kill_all", json!([])),
        ]
    };
    for ((procedure, arguments), request) in kills(id).into_iter().zip(1..) {
        let error = error_of(&mut peer, &json!([48, request, {}, procedure, arguments]));
        expect(&error, "wamp.error.not_authorized", procedure)?;
    }
    call(&mut victim, 1, "wamp.session.count", json!([]));
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    let own = peer.join("kill");
    let mut victim = Peer::tcp(&ground.address, Framing::WebSocket);
    let id = victim.join("kill");
    let procedure = "wamp.session.kill";
    let error = error_of(&mut peer, &json!([48, 1, {}, procedure, [own]]));
    expect(&error, "wamp.error.no_such_session", "oneself")?;
    let reason = json!({"reason": "no uri"});
    let error = error_of(&mut peer, &json!([48, 2, {}, procedure, [id], reason]));
    expect(&error, "wamp.error.invalid_uri", "the reason")?;
    call(&mut victim, 1, "wamp.session.count", json!([]));
    Ok("4 times not_authorized, no_such_session, invalid_uri".to_owned())
}

fn list_many(ground: &Ground) -> Verdict {
    let count = ground.or_full(1_000, 20_000);
    let others: Vec<Peer> = (0..count)
        .map(|_| {
            let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
            peer.join("realm2");
            peer
        })
        .collect();
    let mut asking = in_realm(ground, "realm2");
    let mut calling = in_realm(ground, "realm2");
    for request in 1..=200 {
        asking.send(&json!([48, request, {}, "wamp.session.list"]));
    }
    for request in 1..=20 {
        call(&mut calling, request, "wamp.session.count", json!([]));
    }
    let (mut lists, mut refused) = (0, 0);
    for _ in 1..=200 {
        let answer = asking.receive().expect("an answer");
        if answer[0] == 50 {
            lists += 1;
            if answer[3][0].as_array().map_or(0, Vec::len) as u64 != count + 2 {
                return Err(format!("{} sessions", answer[3][0].as_array().map_or(0, Vec::len)));
            }
        } else {
            expect(answer[4].as_str().unwrap(), "gigawamp.error.limit_exceeded", "a list")?;
            refused += 1;
        }
    }
    drop(others);
    if lists == 0 {
        return Err("no list".to_owned());
    }
    Ok(format!("{lists} lists of {count}, {refused} refused, 20 calls meanwhile"))
}

fn flood_of_joins(ground: &Ground) -> Verdict {
    let count = ground.or_full(16_000, 600_000);
    let mut stuck = in_realm(ground, "realm2");
    // Eight events for each that comes and goes, more than the system's sockets hold.
    let patterns = ["wamp.session.", "wamp.session", "wamp.", "wamp"];
    for (pattern, request) in patterns.into_iter().zip(1..) {
        subscribe(&mut stuck, request, json!({"match": "prefix"}), pattern);
    }
    let mut watcher = in_realm(ground, "realm2");
    subscribe(&mut watcher, 1, json!({}), "wamp.session.on_join");
    let address = &ground.address;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut flooding = Peer::tcp(address, Framing::RawSocket);
            let hello = json!([1, "realm2", {"roles": {"caller": {}}}]);
            let goodbye = json!([6, {}, "wamp.close.normal"]);
            for _ in 0..count / 100 {
                let messages: Vec<Value> =
                    (0..100).flat_map(|_| [hello.clone(), goodbye.clone()]).collect();
                let frames = flooding.frames(&messages);
                flooding.write(&frames);
                for _ in 0..100 {
                    flooding.expect(2);
                    flooding.expect(6);
                }
            }
        });
        for _ in 0..count {
            watcher.expect(36);
        }
    });
    let mut events = 0;
    while let Some(message) = stuck.receive() {
        if message[0] == 3 {
            expect(message[2].as_str().unwrap(), "gigawamp.error.slow_peer", "the reason")?;
            return Ok(format!("{count} joins heard of; the other one ended after {events}"));
        }
        events += 1;
    }
    Err("ended without a word".to_owned())
}

fn realms_apart(ground: &Ground) -> Verdict {
    let mut chance = Chance::new(120);
    let realms = ["realm1", "realm2"];
    let mut peers = realms.map(|realm| in_realm(ground, realm));
    let mut requests = [0_u64; 2];
    let mut next = |which: usize| {
        requests[which] += 1;
        requests[which]
    };
    let mut ids = Vec::new();
    for (which, peer) in peers.iter_mut().enumerate() {
        let mut own = Vec::new();
        for number in 0..8 {
            own.push(subscribe(peer, next(which), json!({}), &format!("case120.t{number}")));
            register(peer, next(which), json!({}), &format!("case120.p{number}"));
        }
        ids.push(own);
    }
    for count in 0..ground.or_full(3_000, 500_000) {
        let (which, number) = (chance.below(2) as usize, chance.below(8));
        let (request, peer) = (next(which), &mut peers[which]);
        let mark = json!([realms[which], count]);
        if chance.below(2) == 0 {
            let options = json!({"exclude_me": false});
            peer.send(&json!([16, request, options, format!("case120.t{number}"), mark]));
            let event = peer.expect(36);
            assert_eq!((&event[4], &event[1]), (&mark, &json!(ids[which][number as usize])));
        } else {
            peer.send(&json!([48, request, {}, format!("case120.p{number}"), mark]));
            let invocation = peer.expect(68);
            assert_eq!(invocation[4], mark);
            peer.send(&json!([70, invocation[1], {}, mark]));
            assert_eq!(peer.expect(50)[3], mark);
        }
    }
    let error = error_of(&mut peers[0], &json!([34, next(0), ids[1][0] + (1 << 40)]));
    expect(&error, "wamp.error.no_such_subscription", "an id of none")?;
    let only = ids[1].iter().filter(|id| !ids[0].contains(id)).collect::<Vec<_>>();
    for id in &only {
        let error = error_of(&mut peers[0], &json!([34, next(0), id]));
        expect(&error, "wamp.error.no_such_subscription", "an id of the other realm")?;
    }
    Ok(format!("all where they belong; {} ids of the other realm unknown", only.len()))
}
