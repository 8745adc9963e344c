//! Cases about messages that are well formed, but not for the one who says them, or not now.

use gigawamp::wire::{Framing, Serializer};
use serde_json::{Value, json};

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::raw::Raw;
use crate::talk::{abort_of, call, error_of, expect, joined, register, some, subscribe, violates};

pub(crate) fn groups() -> Vec<Group> {
    let any = "[[realms]]\nname = \"any\"\nrequest_ids = \"any\"";
    vec![Group { name: "protocol", tables: any, cases: CASES.to_vec() }]
}

const CASES: [Case; 11] = [
    Case::new(
        "83",
        "Messages that are empty, of type 0, 999 or text, or without what their type has",
        "ABORT protocol_violation for each",
        |ground| {
            let odd = [json!([]), json!([0]), json!([999, 1]), json!(["48", 1, {}, "a.b"])];
            let short = [1, 3, 6, 8, 16, 32, 34, 48, 49, 64, 66, 70].map(|code| json!([code]));
            let other = [json!({}), json!(48), json!("CALL"), json!(null), json!([[48]])];
            violates(ground, odd.into_iter().chain(short).chain(other))
        },
    )
    .violating(21),
    Case::new(
        "84",
        "Each message that only routers send",
        "ABORT protocol_violation for each",
        |ground| {
            let messages = [
                json!([2, 1, {}]),
                json!([4, "ticket", {}]),
                json!([17, 1, 1]),
                json!([33, 1, 1]),
                json!([35, 1]),
                json!([36, 1, 1, {}]),
                json!([50, 1, {}]),
                json!([65, 1, 1]),
                json!([67, 1]),
                json!([68, 1, 1, {}]),
                json!([69, 1, {}]),
            ];
            violates(ground, messages)
        },
    )
    .violating(11),
    Case::new(
        "85",
        "Request ids that are 0, negative, 2^53 + 1, used again, or leave some out",
        "ABORT protocol_violation for each; a realm with `request_ids = \"any\"` bears gaps, but \
         no second request under the id of one that is open",
        strange_request_ids,
    )
    .violating(9),
    Case::new(
        "86",
        "YIELD and ERROR for invocations that were never sent to this client, and for such as were \
         answered already",
        "ABORT protocol_violation for the former; the latter are late: left aside and counted; \
         calls of others go on",
        answer_for_others,
    )
    .violating(2),
    Case::new(
        "87",
        "ERROR for a request of a type that clients are not asked",
        "ABORT protocol_violation for each",
        |ground| {
            let types = [0, 1, 8, 16, 32, 48, 64, 69, 999];
            violates(ground, types.map(|kind| json!([8, kind, 1, {}, "a.b"])))
        },
    )
    .violating(9),
    Case::new(
        "88",
        "UNSUBSCRIBE and UNREGISTER with the ids of somebody else",
        "`no_such_subscription`, `no_such_registration`; the owner notices nothing",
        leave_for_others,
    ),
    Case::new("89", "CANCEL with the id of somebody else's call", "nothing", |ground| {
        let [mut caller, mut callee, mut other] = some(ground);
        register(&mut callee, 1, json!({}), "case89");
        caller.send(&json!([48, 1, {}, "case89"]));
        let invocation = callee.expect(68);
        for mode in ["skip", "kill", "killnowait"] {
            other.send(&json!([49, 1, {"mode": mode}]));
        }
        // Behind these it is answered still.
        call(&mut other, 1, "wamp.session.count", json!([]));
        callee.send(&json!([70, invocation[1], {}, ["fine"]]));
        let result = caller.expect(50);
        expect(result[3][0].as_str().unwrap_or_default(), "fine", "the result")?;
        Ok("the call got its result".to_owned())
    }),
    Case::new(
        "90",
        "URIs with empty components, white space of any kind, `#`, control characters; of 1001 \
         octets, of 65 components",
        "`invalid_uri` for PUBLISH, SUBSCRIBE, REGISTER and CALL; the session goes on",
        strange_uris,
    ),
    Case::new(
        "90b",
        "A URI that is not UTF-8",
        "ABORT protocol_violation: such a message is malformed as a whole, in each serializer",
        |ground| {
            for (serializer, message) in [
                (Serializer::Json, &b"[48,1,{},\"a.\xFF\"]"[..]),
                (Serializer::MessagePack, b"\x94\x30\x01\x80\xA3a.\xFF"),
                (Serializer::Cbor, b"\x84\x18\x30\x01\xA0\x63a.\xFF"),
                (Serializer::Ubjson, b"[U\x30U\x01{}SU\x03a.\xFF]"),
            ] {
                let mut raw = Raw::open(&ground.address, serializer)?;
                raw.join("realm1")?;
                raw.say(message);
                expect(&raw.abort()?, "wamp.error.protocol_violation", "the reason")?;
            }
            Ok("4 times protocol_violation".to_owned())
        },
    )
    .violating(4),
    Case::new(
        "91",
        "SUBSCRIBE is free, but PUBLISH, REGISTER and CALL of what begins with `wamp.`",
        "`invalid_uri`; for a CALL of what is no procedure `no_such_procedure`; subscribers of \
         what the router publishes get nothing forged",
        reserved_uris,
    ),
    Case::new(
        "93",
        "Topics and procedures that look alike: composed and decomposed letters, Greek and Latin \
         ones, upper and lower case",
        "each is its own: octets are compared",
        |ground| {
            let alike = ["caf\u{e9}", "cafe\u{301}", "c\u{430}f\u{e9}", "CAF\u{c9}", "ca\u{fb01}"];
            let alike = alike.map(|name| format!("case93.{name}"));
            let mut peer = joined(ground);
            let mut request = 0;
            let mut next = || {
                request += 1;
                request
            };
            for uri in &alike {
                register(&mut peer, next(), json!({}), uri);
                subscribe(&mut peer, next(), json!({}), uri);
            }
            let mut other = joined(ground);
            for (number, uri) in alike.iter().enumerate() {
                other.send(&json!([16, number + 1, {}, uri, [uri]]));
                let event = peer.expect(36);
                expect(event[4][0].as_str().unwrap_or_default(), uri, "the event")?;
            }
            call(&mut other, alike.len() as u64 + 1, "wamp.session.count", json!([]));
            call(&mut peer, next(), "wamp.session.count", json!([]));
            Ok(format!("{} events, each once", alike.len()))
        },
    ),
];

/// Says each message in a session of its own in the realm that takes any ids; which violate.
fn violating_any(ground: &Ground, messages: &[Value]) -> Option<String> {
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    peer.join("any");
    messages.iter().for_each(|message| peer.send(message));
    loop {
        let message = peer.receive()?;
        if message[0] == 3 {
            return message[2].as_str().map(str::to_owned);
        }
        if message[0] == 50 {
            return None;
        }
    }
}

fn strange_request_ids(ground: &Ground) -> Verdict {
    let ids = [json!(0), json!(-1), json!((1_u64 << 53) + 1), json!(2), json!(1_u64 << 53)];
    violates(ground, ids.map(|id| json!([48, id, {}, "a.b"])))?;
    // Used again, and left out, behind one that is fine.
    for second in [1, 3] {
        let mut peer = joined(ground);
        call(&mut peer, 1, "wamp.session.count", json!([]));
        peer.send(&json!([48, second, {}, "a.b"]));
        expect(&abort_of(&mut peer), "wamp.error.protocol_violation", "the second")?;
    }
    let mut callee = Peer::tcp(&ground.address, Framing::RawSocket);
    callee.join("any");
    register(&mut callee, 77, json!({}), "case85");
    let end = json!([48, 5, {}, "wamp.session.count"]);
    let open = |id: u64| json!([48, id, {}, "case85"]);
    if let Some(reason) = violating_any(ground, &[open(900), open(7), open(1 << 53), end.clone()]) {
        return Err(format!("{reason} for gaps"));
    }
    for (what, messages) in [("0", [open(0), end.clone()]), ("an open one", [open(9), open(9)])] {
        let reason = violating_any(ground, &messages).unwrap_or_default();
        expect(&reason, "wamp.error.protocol_violation", what)?;
    }
    Ok("9 times protocol_violation; gaps are borne where the realm says so".to_owned())
}

fn answer_for_others(ground: &Ground) -> Verdict {
    let [mut caller, mut callee] = some(ground);
    register(&mut callee, 1, json!({}), "case86");
    caller.send(&json!([48, 1, {}, "case86"]));
    let id = callee.expect(68)[1].clone();
    for message in [json!([70, id, {}, ["forged"]]), json!([8, 68, id, {}, "a.b"])] {
        violates(ground, [message])?;
    }
    callee.send(&json!([70, id, {}, ["fine"]]));
    callee.send(&json!([70, id, {}, ["again"]]));
    callee.send(&json!([8, 68, id, {}, "a.b"]));
    expect(caller.expect(50)[3][0].as_str().unwrap_or_default(), "fine", "the result")?;
    call(&mut callee, 2, "wamp.session.count", json!([]));
    call(&mut caller, 2, "wamp.session.count", json!([]));
    Ok("2 times protocol_violation; one RESULT; both sessions go on".to_owned())
}

fn leave_for_others(ground: &Ground) -> Verdict {
    let [mut owner, mut other, mut third] = some(ground);
    let registration = register(&mut owner, 1, json!({}), "case88.procedure");
    let subscription = subscribe(&mut owner, 2, json!({}), "case88.topic");
    let error = error_of(&mut other, &json!([34, 1, subscription]));
    expect(&error, "wamp.error.no_such_subscription", "UNSUBSCRIBE")?;
    let error = error_of(&mut other, &json!([66, 2, registration]));
    expect(&error, "wamp.error.no_such_registration", "UNREGISTER")?;
    third.send(&json!([16, 1, {}, "case88.topic", ["event"]]));
    owner.expect(36);
    third.send(&json!([48, 2, {}, "case88.procedure"]));
    let invocation = owner.expect(68);
    owner.send(&json!([70, invocation[1], {}]));
    third.expect(50);
    Ok("both refused; the owner was called and got its event".to_owned())
}

fn strange_uris(ground: &Ground) -> Verdict {
    let long = "a".repeat(1_001);
    let deep = vec!["a"; 65].join(".");
    let uris = [
        "",
        ".",
        "a..b",
        ".a",
        "a.",
        "a b",
        "a\tb",
        "a\nb",
        "a\u{a0}b",
        "a\u{2028}b",
        "a\u{3000}b",
        "a#b",
        "#",
        "a\u{1}b",
        "a\u{7f}b",
        "a\u{85}b",
        "a\0b",
        &long,
        &deep,
    ];
    let mut peer = joined(ground);
    let mut request = 0;
    for uri in uris {
        for code in [16, 32, 48, 64] {
            request += 1;
            let options = if code == 16 { json!({"acknowledge": true}) } else { json!({}) };
            let error = error_of(&mut peer, &json!([code, request, options, uri]));
            expect(&error, "wamp.error.invalid_uri", &format!("{code} {uri:?}"))?;
        }
    }
    let (long, deep) = ("a".repeat(1_000), vec!["a"; 64].join("."));
    for uri in [&*long, &deep] {
        request += 1;
        subscribe(&mut peer, request, json!({}), uri);
    }
    Ok(format!("{} times invalid_uri; 1000 octets and 64 components are taken", uris.len() * 4))
}

fn reserved_uris(ground: &Ground) -> Verdict {
    let [mut watcher, mut peer] = some(ground);
    subscribe(&mut watcher, 1, json!({}), "wamp.subscription.on_create");
    subscribe(&mut watcher, 2, json!({"match": "prefix"}), "wamp.session.");
    let mut request = 0;
    for uri in ["wamp.subscription.on_create", "wamp.session.on_join", "wamp", "wamp.mine"] {
        for (code, options) in [(16, json!({"acknowledge": true})), (64, json!({}))] {
            request += 1;
            let error = error_of(&mut peer, &json!([code, request, options, uri]));
            expect(&error, "wamp.error.invalid_uri", &format!("{code} {uri}"))?;
        }
    }
    for options in [json!({"match": "prefix"}), json!({"match": "wildcard"})] {
        request += 1;
        let error = error_of(&mut peer, &json!([64, request, options, "wamp.mine"]));
        expect(&error, "wamp.error.invalid_uri", &options.to_string())?;
    }
    request += 1;
    let error = error_of(&mut peer, &json!([48, request, {}, "wamp.mine"]));
    expect(&error, "wamp.error.no_such_procedure", "CALL")?;
    // What the watcher hears next is about this subscription, not what was forged before.
    subscribe(&mut peer, request + 1, json!({}), "case91");
    let event = watcher.expect(36);
    expect(event[4][1]["uri"].as_str().unwrap_or_default(), "case91", "the event")?;
    Ok(format!("{} times invalid_uri; no_such_procedure; nothing forged", request - 1))
}
