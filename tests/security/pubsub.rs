//! Cases about publications, subscriptions and what is kept of them.

use std::time::Instant;

use gigawamp::wire::Framing;
use serde_json::json;

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::talk::{call, error_of, expect, in_realm, joined, some, subscribe};

pub(crate) fn groups() -> Vec<Group> {
    vec![
        Group { name: "pubsub", tables: REALMS, cases: CASES.to_vec() },
        Group { name: "crowd", tables: "", cases: CROWD.to_vec() },
    ]
}

/// Realms beside the first one.
const REALMS: &str = "message_bytes_max = \"2 MiB\"\n\
    [[realms]]\nname = \"silent\"\ndisclosure = \"deny\"\n\
    [[realms]]\nname = \"small\"\nretained_topics_max = 10\n\
    [[realms]]\nname = \"history\"\nhistory = [\"case99.*\", \"case103 events=5000\"]\n\
    [limits]\noutbox_bytes_max = \"4 MiB\"\ngoodbye = \"1m\"";

const CASES: [Case; 8] = [
    Case::new(
        "96",
        "A subscriber that reads nothing of 64 MiB that are published to it and to others",
        "its outbox stays within its bound and its session is ended and told why; publisher and \
         other subscribers lose nothing",
        publish_past_a_stuck_one,
    )
    .growing(40 << 20),
    Case::new(
        "98",
        "Lists of 10001 receivers that are excluded, or the only ones; of 10000; and of a million \
         where a message may be so long",
        "`invalid_argument` above 10000; the session goes on",
        long_lists,
    )
    .growing(64 << 20),
    Case::new(
        "99",
        "A session that is excluded, or not among the eligible, looks for an event wherever it \
         may be kept",
        "it gets it neither live, nor retained, nor from the history",
        look_for_what_is_not_for_it,
    ),
    Case::new(
        "100",
        "A publisher that subscribed to its own topic, beside another session",
        "by default the other one gets the event, the publisher does not; with `exclude_me: \
         false` both do",
        |ground| {
            let [mut publisher, mut other] = some(ground);
            for peer in [&mut publisher, &mut other] {
                subscribe(peer, 1, json!({}), "case100");
            }
            publisher.send(&json!([16, 2, {}, "case100", [1]]));
            publisher.send(&json!([16, 3, {"exclude_me": false}, "case100", [2]]));
            for number in [1, 2] {
                assert_eq!(other.expect(36)[4][0], number);
            }
            assert_eq!(publisher.expect(36)[4][0], 2);
            Ok("the other one got both, the publisher the second".to_owned())
        },
    ),
    Case::new(
        "101",
        "`disclose_me` in a realm that does not allow it; looking for the publisher elsewhere",
        "`option_disallowed.disclose_me`; nothing tells who published, live or retained",
        |ground| {
            let (mut publisher, mut other) =
                (in_realm(ground, "silent"), in_realm(ground, "silent"));
            subscribe(&mut other, 1, json!({}), "case101");
            let options = json!({"acknowledge": true, "disclose_me": true});
            let error = error_of(&mut publisher, &json!([16, 1, options, "case101"]));
            expect(&error, "wamp.error.option_disallowed.disclose_me", "PUBLISH")?;
            let error = error_of(&mut publisher, &json!([48, 2, {"disclose_me": true}, "case101"]));
            expect(&error, "wamp.error.option_disallowed.disclose_me", "CALL")?;
            publisher.send(&json!([16, 3, {"retain": true}, "case101", [1]]));
            assert_eq!(other.expect(36)[3], json!({}));
            let mut late = in_realm(ground, "silent");
            subscribe(&mut late, 1, json!({"get_retained": true}), "case101");
            assert_eq!(late.expect(36)[3], json!({"retained": true}));
            Ok("2 times disclose_me refused; details are empty".to_owned())
        },
    ),
    Case::new(
        "102",
        "Events to be retained for more topics than a realm keeps",
        "those that came first stay, the others are delivered and not kept; memory is bounded",
        retain_too_many,
    )
    .growing(8 << 20),
    Case::new(
        "103",
        "A history asked for 10^9 events; with limits that are none",
        "no more than an answer holds, with `more` beside them; `invalid_argument`",
        ask_for_all,
    )
    .growing(24 << 20),
    Case::new(
        "104",
        "Testaments for topics that may not be published to, with options that are refused; more \
         than 64",
        "refused when they are set; what was accepted is published once",
        leave_testaments,
    ),
];

const CROWD: [Case; 3] = [
    Case::new(
        "94",
        "100000 subscriptions by one session",
        "`gigawamp.error.limit_exceeded` from the 10001st on; at most 2 KiB for each of the others, with \
         what the tables need while they grow",
        subscribe_too_often,
    )
    .growing(64 << 20),
    Case::new(
        "95",
        "10000 wildcard patterns made to be looked through",
        "publications are matched nearly as fast as without them",
        storm_of_wildcards,
    )
    .growing(64 << 20),
    Case::new(
        "97",
        "A publication of a mebibyte to 100 subscribers that do not read yet",
        "it is in memory once for each shard, not once for each of them; all get it",
        |ground| {
            let mut publisher = joined(ground);
            let count = ground.or_full(100, 400);
            let mut subscribers: Vec<_> = (0..count).map(|_| joined(ground)).collect();
            for peer in &mut subscribers {
                subscribe(peer, 1, json!({}), "case97");
            }
            let text = "x".repeat((1 << 20) - 100);
            let growth = ground.growth(|| {
                publisher.send(&json!([16, 1, {"acknowledge": true}, "case97", [text]]));
                publisher.expect(17);
                call(&mut publisher, 2, "wamp.session.count", json!([]));
                Ok(())
            })?;
            for peer in &mut subscribers {
                assert_eq!(peer.expect(36)[4][0].as_str().unwrap().len(), text.len());
            }
            if growth > 16 << 20 {
                return Err(format!("{} KiB for one message", growth >> 10));
            }
            Ok(format!("{count} got it; {} KiB at most", growth >> 10))
        },
    )
    .growing(64 << 20),
];

fn publish_past_a_stuck_one(ground: &Ground) -> Verdict {
    const WINDOW: u64 = 16;
    let windows_count = ground.or_full(64, 2_400);
    let [mut stuck, mut reader, mut publisher] = some(ground);
    for peer in [&mut stuck, &mut reader] {
        subscribe(peer, 1, json!({}), "case96");
    }
    let text = "x".repeat(64 << 10);
    for window in 0..windows_count {
        let numbers = window * WINDOW + 1..=(window + 1) * WINDOW;
        let publish = |number| json!([16, number, {}, "case96", [number, text]]);
        let publications: Vec<_> = numbers.clone().map(publish).collect();
        let frames = publisher.frames(&publications);
        publisher.write(&frames);
        for number in numbers {
            assert_eq!(reader.expect(36)[4][0], number);
        }
    }
    let mut events = 0;
    loop {
        let message = stuck.receive().expect("an ABORT before the end");
        if message[0] == 3 {
            expect(message[2].as_str().unwrap(), "gigawamp.error.slow_peer", "the reason")?;
            return Ok(format!("{events} events, then slow_peer; the others got all"));
        }
        events += 1;
        assert_eq!(message[4][0], events, "no hole before the end");
    }
}

fn long_lists(ground: &Ground) -> Verdict {
    let [mut publisher, mut other] = some(ground);
    subscribe(&mut other, 1, json!({}), "case98");
    let mut request = 0;
    for name in ["exclude", "eligible"] {
        for count in [10_001, 900_000] {
            let options = json!({"acknowledge": true, name: vec![1; count]});
            request += 1;
            let error = error_of(&mut publisher, &json!([16, request, options, "case98"]));
            expect(&error, "wamp.error.invalid_argument", &format!("{count} in {name}"))?;
        }
    }
    for name in ["exclude_authid", "eligible_authrole"] {
        let options = json!({"acknowledge": true, name: vec!["a"; 10_001]});
        request += 1;
        let error = error_of(&mut publisher, &json!([16, request, options, "case98"]));
        expect(&error, "wamp.error.invalid_argument", name)?;
    }
    let many: Vec<u64> = (1..=10_000).collect();
    publisher.send(&json!([16, request + 1, {"exclude": many}, "case98", ["fine"]]));
    expect(other.expect(36)[4][0].as_str().unwrap(), "fine", "the event")?;
    Ok(format!("{request} times invalid_argument; 10000 are taken"))
}

fn look_for_what_is_not_for_it(ground: &Ground) -> Verdict {
    let mut publisher = in_realm(ground, "history");
    let mut one = Peer::tcp(&ground.address, Framing::RawSocket);
    let one_id = one.join("history");
    let mut two = Peer::tcp(&ground.address, Framing::WebSocket);
    let two_id = two.join("history");
    for peer in [&mut one, &mut two] {
        subscribe(peer, 1, json!({}), "case99.live");
    }
    for (request, options) in [
        (1, json!({"exclude": [one_id], "retain": true})),
        (2, json!({"eligible": [two_id], "retain": true})),
    ] {
        publisher.send(&json!([16, request, options, "case99.live", [request]]));
        assert_eq!(two.expect(36)[4][0], request);
    }
    // What is retained, asked for by both.
    for (peer, expected) in [(&mut one, 0), (&mut two, 1)] {
        subscribe(peer, 2, json!({"get_retained": true, "match": "prefix"}), "case99.");
        peer.send(&json!([48, 3, {}, "wamp.session.count"]));
        let mut events = 0;
        while peer.receive().expect("a RESULT")[0] != 50 {
            events += 1;
        }
        if events != expected {
            return Err(format!("{events} retained events instead of {expected}"));
        }
    }
    // The history, asked for by the one that is to know nothing.
    let lookup = json!(["case99.", {"match": "prefix"}]);
    let subscription = call(&mut one, 4, "wamp.subscription.lookup", lookup)[3][0].clone();
    let kept = call(&mut one, 5, "wamp.subscription.get_events", json!([subscription]));
    if kept[3] != json!([]) && kept[3][0] != json!([]) {
        return Err(format!("from the history: {kept}"));
    }
    Ok("nothing live, nothing retained, nothing from the history".to_owned())
}

fn retain_too_many(ground: &Ground) -> Verdict {
    let mut publisher = in_realm(ground, "small");
    let count = ground.or_full(1_000, 1_000_000);
    for request in 1..=count {
        let (options, topic) = (json!({"retain": true}), format!("case102.t{request}"));
        publisher.send(&json!([16, request, options, topic, [request]]));
    }
    call(&mut publisher, count + 1, "wamp.session.count", json!([]));
    let mut late = in_realm(ground, "small");
    subscribe(&mut late, 1, json!({"get_retained": true, "match": "prefix"}), "case102.");
    late.send(&json!([16, 2, {"exclude_me": false}, "case102.end"]));
    let mut kept = Vec::new();
    loop {
        let event = late.expect(36);
        if event[3]["topic"] == "case102.end" {
            break;
        }
        kept.push(event[4][0].as_u64().unwrap());
    }
    kept.sort_unstable();
    if kept == (1..=10).collect::<Vec<_>>() {
        Ok(format!("{count} published, {} kept", kept.len()))
    } else {
        Err(format!("{kept:?} were kept"))
    }
}

fn ask_for_all(ground: &Ground) -> Verdict {
    let mut peer = in_realm(ground, "history");
    let text = "x".repeat(1_000);
    for request in 1..=5_000 {
        peer.send(&json!([16, request, {}, "case103", [request, text]]));
    }
    let lookup = call(&mut peer, 5_001, "wamp.subscription.lookup", json!(["case103"]));
    let subscription = lookup[3][0].clone();
    let keywords = json!({"limit": 1_000_000_000});
    let procedure = "wamp.subscription.get_events";
    peer.send(&json!([48, 5_002, {}, procedure, [subscription], keywords]));
    let result = peer.expect(50);
    let events = result[3].as_array().map_or(0, Vec::len);
    if events == 0 || events >= 5_000 || result[4]["more"] != true {
        return Err(format!("{events} events, {}", result[4]));
    }
    for (request, limit) in [(5_003, json!(0)), (5_004, json!(-1)), (5_005, json!("all"))] {
        let request = json!([48, request, {}, procedure, [subscription], {"limit": limit}]);
        let error = error_of(&mut peer, &request);
        expect(&error, "wamp.error.invalid_argument", &limit.to_string())?;
    }
    Ok(format!("{events} events and `more`; 3 times invalid_argument"))
}

fn leave_testaments(ground: &Ground) -> Verdict {
    let mut watcher = joined(ground);
    subscribe(&mut watcher, 1, json!({"match": "prefix"}), "case104.");
    let mut peer = joined(ground);
    let procedure = "wamp.session.add_testament";
    let mut request = 0;
    for (topic, options, error) in [
        ("wamp.session.on_join", json!({}), "wamp.error.invalid_uri"),
        ("a..b", json!({}), "wamp.error.invalid_uri"),
        ("case104.a", json!({"exclude": vec![1; 10_001]}), "wamp.error.invalid_argument"),
        ("case104.a", json!({"exclude": "all"}), "wamp.error.invalid_argument"),
    ] {
        request += 1;
        let keywords = json!({"publish_options": options});
        let call = json!([48, request, {}, procedure, [topic, [], {}], keywords]);
        expect(&error_of(&mut peer, &call), error, topic)?;
    }
    for number in 1..=64 {
        request += 1;
        call(&mut peer, request, procedure, json!([format!("case104.t{number}"), [number], {}]));
    }
    request += 1;
    let one_more = json!([48, request, {}, procedure, ["case104.more", [], {}]]);
    let error = error_of(&mut peer, &one_more);
    expect(&error, "gigawamp.error.limit_exceeded", "the 65th")?;
    drop(peer);
    for number in 1..=64 {
        assert_eq!(watcher.expect(36)[4][0], number);
    }
    call(&mut watcher, 2, "wamp.session.count", json!([]));
    Ok("5 refused, 64 published once".to_owned())
}

fn subscribe_too_often(ground: &Ground) -> Verdict {
    const ALLOWED: u64 = 10_000;
    let count = ground.or_full(12_000, 100_000);
    let mut peer = joined(ground);
    let topic = |number: u64| json!([32, number, {}, format!("case94.topic{number}")]);
    let growth = ground.growth(|| {
        for first in (1..=ALLOWED).step_by(1_000) {
            let frames = peer.frames(&(first..first + 1_000).map(topic).collect::<Vec<_>>());
            peer.write(&frames);
            for _ in 0..1_000 {
                peer.expect(33);
            }
        }
        Ok(())
    })?;
    for number in ALLOWED + 1..=count {
        let error = error_of(&mut peer, &topic(number));
        expect(&error, "gigawamp.error.limit_exceeded", "one more")?;
    }
    let each = growth / ALLOWED;
    if each > 2_048 {
        return Err(format!("{each} octets for each subscription"));
    }
    Ok(format!("{ALLOWED} taken, {each} octets each; all others refused"))
}

fn storm_of_wildcards(ground: &Ground) -> Verdict {
    const PUBLICATIONS: u64 = 2_000;
    let mut publisher = joined(ground);
    let topic = "a.a.a.a.a.a.a.a";
    let mut request = 0;
    let mut publish = || {
        let since = Instant::now();
        let some = |number| json!([16, number, {}, topic]);
        let frames =
            publisher.frames(&(request + 1..=request + PUBLICATIONS).map(some).collect::<Vec<_>>());
        publisher.write(&frames);
        request += PUBLICATIONS + 1;
        call(&mut publisher, request, "wamp.session.count", json!([]));
        since.elapsed()
    };
    publish();
    let before = publish();
    let mut peer = joined(ground);
    // Half of all that can be made of eight components, none of which fits.
    for number in 0..10_000_u64 {
        let components = (0..8).map(|bit| if number >> bit & 1 == 0 { "a" } else { "" });
        let pattern = format!("{}.b{}", components.collect::<Vec<_>>().join("."), number >> 8);
        peer.send(&json!([32, number + 1, {"match": "wildcard"}, pattern]));
        peer.expect(33);
    }
    let (one, two) = (publish(), publish());
    let ratio = one.min(two).as_secs_f64() / before.as_secs_f64();
    Ok(format!("{PUBLICATIONS} publications take {ratio:.1} times as long"))
}
