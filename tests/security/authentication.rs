//! Cases about who somebody is, before a session is open and while it opens.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use gigawamp::session::auth::{Kdf, Scram, ScramKeys};
use gigawamp::wire::Framing;
use ring::{digest, hmac, pbkdf2};
use serde_json::{Value, json};

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::talk::{abort_of, call, expect, joined, violates};

/// What must never be seen in a log.
pub(crate) const SECRETS: [&str; 4] =
    ["correct-horse", "battery-staple", "pencil-and-paper", "secret-in-a-hello"];

const TICKET: &str = SECRETS[0];
const SECRET: &str = SECRETS[1];
const PASSWORD: &str = SECRETS[2];

const SALT: [u8; 16] = [9; 16];
const ITERATIONS: u32 = 4_096;
const NONCE: &str = "cK9Iw7dFVSY3gJbOHUBJaQ==";

const DENIED: &str = "wamp.error.authentication_denied";
const NO_METHOD: &str = "wamp.error.no_matching_auth_method";

pub(crate) fn groups() -> Vec<Group> {
    let scram = Scram {
        kdf: Kdf::Pbkdf2,
        salt: SALT.into(),
        iterations: ITERATIONS,
        memory: 0,
        keys: [ScramKeys::of(&salted())].into(),
    };
    let people = format!(
        "[[realms]]\nname = \"members\"\n\
         [[realms.principals]]\nauthid = \"joe\"\nrole = \"member\"\nticket = \"{TICKET}\"\n\
         secret = \"{SECRET}\"\nscram = \"{}\"\npublic_keys = [\"{}\"]\n\
         [limits]\nauthenticate = \"1s\"\nattempts_max = 0\n",
        scram.to_line(),
        hex(key().verifying_key().as_bytes()),
    );
    let guessed = "[[realms]]\nname = \"members\"\n\
                   [[realms.principals]]\nauthid = \"joe\"\nrole = \"member\"\n\
                   ticket = \"correct-horse\"\n";
    let hidden = format!("hide_realms = true\n{people}");
    vec![
        Group { name: "sessions", tables: "", cases: SESSIONS.to_vec() },
        Group { name: "identity", tables: people.leak(), cases: IDENTITY.to_vec() },
        Group { name: "guessing", tables: guessed, cases: GUESSING.to_vec() },
        Group { name: "hidden", tables: hidden.leak(), cases: HIDDEN.to_vec() },
    ]
}

const SESSIONS: [Case; 5] = [
    Case::new(
        "64",
        "Each message before HELLO, GOODBYE and ERROR among them",
        "ABORT protocol_violation for each",
        |ground| {
            let messages = [
                json!([5, "signature", {}]),
                json!([6, {}, "wamp.close.normal"]),
                json!([8, 68, 1, {}, "a.b"]),
                json!([16, 1, {}, "a.b"]),
                json!([32, 1, {}, "a.b"]),
                json!([34, 1, 1]),
                json!([48, 1, {}, "a.b"]),
                json!([49, 1, {}]),
                json!([64, 1, {}, "a.b"]),
                json!([66, 1, 1]),
                json!([70, 1, {}]),
            ];
            for message in &messages {
                let mut peer = Peer::tcp(&ground.address, Framing::WebSocket);
                peer.send(message);
                let reason = abort_of(&mut peer);
                expect(&reason, "wamp.error.protocol_violation", &message.to_string())?;
            }
            Ok(format!("{} times protocol_violation", messages.len()))
        },
    )
    .violating(11),
    Case::new(
        "65",
        "HELLO, WELCOME, CHALLENGE and AUTHENTICATE in an open session",
        "ABORT protocol_violation for each",
        |ground| {
            let roles = json!({"roles": {"caller": {}}});
            violates(
                ground,
                [
                    json!([1, "realm1", roles]),
                    json!([2, 1, {}]),
                    json!([4, "ticket", {}]),
                    json!([5, "ticket", {}]),
                ],
            )
        },
    )
    .violating(4),
    Case::new("68", "HELLO to a realm that is not there", "ABORT no_such_realm", |ground| {
        let reason = refused(ground, &json!("elsewhere"), &json!({"roles": {"caller": {}}}));
        expect(&reason, "wamp.error.no_such_realm", "the reason")?;
        Ok(reason)
    }),
    Case::new(
        "69",
        "Realms called by nothing, by white space, by `#`, by 10 KB; the realm `wamp`",
        "ABORT invalid_uri; for `wamp`, which is well formed, no_such_realm: a realm cannot be \
         called so",
        |ground| {
            let long = "a".repeat(10_000);
            let odd = ["", "a b", "a#b", "a..b", ".a", "a\u{a0}", "a\n", &long];
            for realm in odd {
                let reason = refused(ground, &json!(realm), &json!({"roles": {"caller": {}}}));
                expect(&reason, "wamp.error.invalid_uri", realm)?;
            }
            let reason = refused(ground, &json!("wamp"), &json!({"roles": {"caller": {}}}));
            expect(&reason, "wamp.error.no_such_realm", "wamp")?;
            Ok(format!("{} times invalid_uri, no_such_realm", odd.len()))
        },
    ),
    Case::new(
        "70",
        "HELLO without roles, with none, with unknown ones alone; with unknown ones beside others",
        "ABORT protocol_violation; unknown ones are passed over",
        |ground| {
            let odd = [json!({}), json!({"roles": {}}), json!({"roles": {"king": {}}})];
            let wrong = [json!({"roles": []}), json!({"roles": {"caller": 1}})];
            for details in odd.iter().chain(&wrong) {
                let reason = refused(ground, &json!("realm1"), details);
                expect(&reason, "wamp.error.protocol_violation", &details.to_string())?;
            }
            let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
            peer.send(&json!([1, "realm1", {"roles": {"caller": {}, "king": {"crown": 1}}}]));
            peer.expect(2);
            Ok("5 times protocol_violation, 1 WELCOME".to_owned())
        },
    )
    .violating(5),
];

const IDENTITY: [Case; 11] = [
    Case::new(
        "66",
        "AUTHENTICATE before CHALLENGE, and once more behind WELCOME",
        "ABORT protocol_violation for each",
        |ground| {
            let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
            peer.send(&json!([5, TICKET, {}]));
            expect(&abort_of(&mut peer), "wamp.error.protocol_violation", "before HELLO")?;
            let mut peer = begin(ground, "ticket", "joe", json!({})).0;
            peer.send(&json!([5, TICKET, {}]));
            peer.expect(2);
            peer.send(&json!([5, TICKET, {}]));
            expect(&abort_of(&mut peer), "wamp.error.protocol_violation", "a second one")?;
            Ok("2 times protocol_violation".to_owned())
        },
    )
    .violating(2),
    Case::new(
        "67",
        "A client that is challenged and says nothing",
        "ABORT authentication_failed when its time is up (here 1 s, 5 s by default)",
        |ground| {
            let (mut peer, _) = begin(ground, "ticket", "joe", json!({}));
            let since = Instant::now();
            let reason = abort_of(&mut peer);
            expect(&reason, "wamp.error.authentication_failed", "the reason")?;
            if since.elapsed() < Duration::from_millis(900) {
                return Err(format!("after {:?} already", since.elapsed()));
            }
            Ok(reason)
        },
    ),
    Case::new(
        "71",
        "Methods of which the realm has none; none at all; only anonymous where that is not enough",
        "ABORT no_matching_auth_method; authentication_required",
        |ground| {
            for (methods, reason) in [
                (json!(["x-rays"]), NO_METHOD),
                (json!(["x-rays", "tls", "cookie"]), NO_METHOD),
                (json!([]), "wamp.error.authentication_required"),
                (json!(["anonymous"]), "wamp.error.authentication_required"),
            ] {
                let details =
                    json!({"authmethods": methods, "authid": "joe", "roles": {"caller": {}}});
                let found = refused(ground, &json!("members"), &details);
                expect(&found, reason, &methods.to_string())?;
            }
            Ok("2 times each".to_owned())
        },
    ),
    Case::new(
        "72",
        "A name or key that nobody has against a wrong proof, by ticket, CRA, SCRAM and cryptosign",
        "the same messages: CHALLENGE with a salt that stays the same for a name, then ABORT \
         authentication_denied (which is the reason the specification gives for a proof that does \
         not hold) with the same text",
        unknown_or_wrong,
    ),
    Case::new(
        "73",
        "The proof of one connection said again on another, by CRA, SCRAM and cryptosign",
        "ABORT authentication_denied for each; each was good where it was made",
        replayed,
    ),
    Case::new(
        "75",
        "SCRAM: a nonce that is not the router's, one that is not ours, fewer rounds, a changed \
         binding, proofs of any length, nothing",
        "ABORT authentication_denied for each; the router asks for at least 4096 rounds",
        scram_gone_wrong,
    ),
    Case::new(
        "76",
        "Channel bindings `tls-unique`, unknown ones, and `tls-exporter` where there is no TLS",
        "SCRAM: ABORT no_matching_auth_method; cryptosign: a CHALLENGE that names no binding, which \
         the specification permits, and by which a client sees that it has none",
        |ground| {
            let public = hex(key().verifying_key().as_bytes());
            for binding in ["tls-unique", "tls-exporter", "x-rays"] {
                let extra = json!({"nonce": NONCE, "channel_binding": binding});
                let found = hello(ground, "wamp-scram", "joe", extra).expect(3)[2].clone();
                expect(found.as_str().unwrap(), NO_METHOD, binding)?;
                let extra = json!({"pubkey": public, "channel_binding": binding});
                let (_, challenge) = begin(ground, "cryptosign", "joe", extra);
                if challenge.get("channel_binding").is_some_and(|it| !it.is_null()) {
                    return Err(format!("{binding}: {challenge}"));
                }
            }
            Ok("3 times no_matching_auth_method, 3 times no binding".to_owned())
        },
    ),
    Case::new(
        "77",
        "Cryptosign with keys of small order, and signatures that are not in their one form",
        "ABORT for each: no such key joins, no such signature counts",
        crooked_signatures,
    ),
    Case::new(
        "78",
        "Clients that say in HELLO who they are and what they may do, beyond what they prove",
        "the router's word counts: the identity that was proven, the role that goes with it",
        |ground| {
            let (mut peer, _) = begin(
                ground,
                "ticket",
                "joe",
                json!({"authrole": "admin", "role": "admin", "authprovider": "me"}),
            );
            peer.send(&json!([5, TICKET, {"authrole": "admin", "authid": "root"}]));
            let welcome = peer.expect(2)[2].clone();
            let found = format!("{} {}", welcome["authid"], welcome["authrole"]);
            expect(&found, "\"joe\" \"member\"", "WELCOME")?;
            let mut stranger = Peer::tcp(&ground.address, Framing::RawSocket);
            let details = json!({"authid": "joe", "authrole": "member", "roles": {"caller": {}}});
            stranger.send(&json!([1, "realm1", details]));
            let welcome = stranger.expect(2)[2].clone();
            if welcome["authid"] == "joe" || welcome["authrole"] == "member" {
                return Err(format!("{welcome}"));
            }
            Ok("joe is a member, the stranger is not".to_owned())
        },
    ),
    Case::new(
        "81",
        "Tickets and secrets in proofs, right and wrong, and where they do not belong",
        "none of them is in the log, in an ERROR or in ABORT; see the router's row as well",
        |ground| {
            let answers = [
                hello(ground, "ticket", SECRETS[3], json!({"password": SECRETS[3]})),
                hello(ground, SECRETS[3], "joe", json!({})),
            ]
            .map(|mut peer| peer.receive().expect("an answer").to_string());
            let (mut peer, _) = begin(ground, "ticket", "joe", json!({}));
            peer.send(&json!([5, SECRETS[1], {"password": SECRETS[3]}]));
            let denied = peer.expect(3).to_string();
            let (mut peer, _) = begin(ground, "ticket", "joe", json!({}));
            peer.send(&json!([5, {"ticket": TICKET}, {}]));
            let malformed = peer.expect(3).to_string();
            for answer in answers.iter().chain([&denied, &malformed]) {
                if SECRETS.iter().any(|secret| answer.contains(secret)) {
                    return Err(answer.clone());
                }
            }
            Ok("4 answers without".to_owned())
        },
    )
    .violating(1),
    Case::new(
        "82",
        "Names of sessions guessed, where a name is enough: HTTP long-poll's",
        "404 for each; a name is 128 bits of chance",
        |ground| {
            use crate::cargo::Chance;
            use crate::line::Line;
            let (mut chance, count) = (Chance::new(82), ground.or_full(500, 1_000_000));
            for number in 0..count {
                let mut line = Line::to(&ground.address);
                let name: String = (0..32).map(|_| format!("{:x}", chance.below(16))).collect();
                let request = format!(
                    "POST /lp/{name}/receive HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                line.say(request.as_bytes());
                let answer = line.rest()?;
                if !answer.starts_with(b"HTTP/1.1 404 ") {
                    let answer = String::from_utf8_lossy(&answer).into_owned();
                    return Err(format!("number {number}: {answer}"));
                }
            }
            Ok(format!("{count} guesses, none right"))
        },
    ),
];

const HIDDEN: [Case; 1] = [Case::new(
    "68a",
    "`hide_realms`: a realm that is not there, and one that is, for somebody unknown, by ticket, \
     CRA, SCRAM, cryptosign and by no method of the realm; the proofs of somebody known",
    "the same messages with the same text; what is proved in a realm that is not there counts for \
     nothing",
    hidden_realms,
)];

const GUESSING: [Case; 1] = [Case::new(
    "79",
    "One password after the other for the same name; the right one afterwards; other names",
    "after 10 failures within a minute this address cannot claim that name for 5 minutes, even by \
     the right password; it can claim others, and the router serves all others",
    |ground| {
        let attempt = |authid: &str, ticket: &str| {
            let mut peer = hello(ground, "ticket", authid, json!({}));
            let message = peer.receive().expect("an answer");
            if message[0] == 4 {
                peer.send(&json!([5, ticket, {}]));
                return peer.receive().expect("an answer");
            }
            message
        };
        for number in 0..12 {
            let answer = attempt("joe", &format!("guess{number}"));
            expect(&answer[0].to_string(), "3", &answer.to_string())?;
        }
        let blocked = attempt("joe", TICKET);
        expect(&blocked[0].to_string(), "3", "the right one, blocked")?;
        let other = attempt("jim", "guess");
        expect(other[2].as_str().unwrap_or_default(), DENIED, "another name")?;
        call(&mut joined(ground), 1, "wamp.session.count", json!([]));
        Ok(format!("blocked: {}; another name: {}", blocked[2], other[2]))
    },
)];

/// Each way is tried with a realm that is there and with one that is not.
fn hidden_realms(ground: &Ground) -> Verdict {
    let stranger = SigningKey::from_bytes(&[43; 32]);
    let public = |key: &SigningKey| json!({"pubkey": hex(key.verifying_key().as_bytes())});
    let ways = [
        ("ticket", "eve", json!({})),
        ("wampcra", "eve", json!({})),
        ("wamp-scram", "eve", json!({"nonce": NONCE})),
        ("cryptosign", "eve", public(&stranger)),
        ("anonymous", "eve", json!({})),
        ("cookie", "eve", json!({})),
        ("tls", "eve", json!({})),
        ("wamp-scram", "eve", json!({})),
        ("cryptosign", "eve", json!({})),
        ("x-rays", "eve", json!({})),
    ];
    let mut alike = 0;
    for (method, authid, extra) in ways {
        let [there, nowhere] = ["members", "nowhere"]
            .map(|realm| conversation(hello_to(ground, realm, method, authid, extra.clone())));
        expect(&nowhere, &there, method)?;
        alike += 1;
    }
    let mut peer = hello_to(ground, "nowhere", "ticket", "joe", json!({}));
    peer.expect(4);
    expect(&denial(&mut peer, TICKET, json!({})).0, DENIED, "joe's ticket")?;
    let mut peer = hello_to(ground, "nowhere", "wampcra", "joe", json!({}));
    let signature = cra(peer.expect(4)[2]["challenge"].as_str().unwrap());
    expect(&denial(&mut peer, &signature, json!({})).0, DENIED, "joe's secret")?;
    let mut peer = hello_to(ground, "nowhere", "cryptosign", "joe", public(&key()));
    let signature = cryptosign(peer.expect(4)[2]["challenge"].as_str().unwrap());
    expect(&denial(&mut peer, &signature, json!({})).0, DENIED, "joe's key")?;
    Ok(format!("{alike} ways alike, 3 proofs refused"))
}

/// What the router says to HELLO and to a wrong proof, but for what chance has a part in.
fn conversation(mut peer: Peer) -> String {
    let answer = peer.receive().expect("an answer");
    if answer[0] != 4 {
        return answer.to_string();
    }
    let keys: Vec<_> = answer[2].as_object().unwrap().keys().collect();
    let challenge = answer[2]["challenge"].as_str().and_then(|it| serde_json::from_str(it).ok());
    let about = challenge.map(|it: Value| format!("{} {}", it["authrole"], it["authprovider"]));
    let costs = format!("{} {}", answer[2]["kdf"], answer[2]["iterations"]);
    let extra = json!({"nonce": answer[2]["nonce"], "channel_binding": null});
    let end = denial(&mut peer, &STANDARD.encode([7; 32]), extra);
    format!("{} {keys:?} {about:?} {costs} {end:?}", answer[1])
}

/// The reason by which HELLO is refused.
fn refused(ground: &Ground, realm: &Value, details: &Value) -> String {
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    peer.send(&json!([1, realm, details]));
    abort_of(&mut peer)
}

/// Says HELLO to the realm of members.
fn hello(ground: &Ground, method: &str, authid: &str, extra: Value) -> Peer {
    hello_to(ground, "members", method, authid, extra)
}

fn hello_to(ground: &Ground, realm: &str, method: &str, authid: &str, extra: Value) -> Peer {
    let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
    let details = json!({
        "authmethods": [method], "authid": authid, "authextra": extra, "roles": {"caller": {}},
        "authrole": "admin",
    });
    peer.send(&json!([1, realm, details]));
    peer
}

/// The same; the Extra of the CHALLENGE that must follow.
#[track_caller]
fn begin(ground: &Ground, method: &str, authid: &str, extra: Value) -> (Peer, Value) {
    let mut peer = hello(ground, method, authid, extra);
    let challenge = peer.expect(4);
    assert_eq!(challenge[1], method);
    (peer, challenge[2].clone())
}

/// The same, without any Extra.
pub(crate) fn open(ground: &Ground, method: &str, authid: &str) -> (Peer, Value) {
    begin(ground, method, authid, json!({}))
}

/// Says AUTHENTICATE; the ABORT's reason and message, which must follow.
#[track_caller]
pub(crate) fn denial(peer: &mut Peer, signature: &str, extra: Value) -> (String, String) {
    peer.send(&json!([5, signature, extra]));
    let abort = peer.expect(3);
    assert_eq!(peer.receive(), None);
    (abort[2].as_str().unwrap().to_owned(), abort[1].to_string())
}

fn unknown_or_wrong(ground: &Ground) -> Verdict {
    let mut texts = Vec::new();
    for method in ["ticket", "wampcra", "wamp-scram"] {
        let mut salts = Vec::new();
        for authid in ["joe", "nobody", "nobody"] {
            let (mut peer, challenge) = begin(ground, method, authid, json!({"nonce": NONCE}));
            salts.push(challenge["salt"].clone());
            let keys: Vec<_> = challenge.as_object().unwrap().keys().cloned().collect();
            let extra = json!({"nonce": challenge["nonce"], "channel_binding": null});
            let (reason, text) = denial(&mut peer, &STANDARD.encode([7; 32]), extra);
            expect(&reason, DENIED, method)?;
            texts.push((text, keys));
        }
        if salts[1] != salts[2] {
            return Err(format!("{method}: {salts:?}"));
        }
        let (first, last) = (&texts[texts.len() - 3], &texts[texts.len() - 1]);
        if first != last {
            return Err(format!("{method}: {first:?} is not {last:?}"));
        }
    }
    let keys = [key(), SigningKey::from_bytes(&[43; 32])].map(|key| {
        let extra = json!({"pubkey": hex(key.verifying_key().as_bytes())});
        conversation(hello(ground, "cryptosign", "joe", extra))
    });
    expect(&keys[1], &keys[0], "an unknown key")?;
    Ok("11 times authentication_denied, alike for known and unknown names and keys".to_owned())
}

fn replayed(ground: &Ground) -> Verdict {
    let joins = |mut peer: Peer, signature: &str, extra: Value| {
        peer.send(&json!([5, signature, extra]));
        peer.expect(2);
    };
    let (peer, challenge) = begin(ground, "wampcra", "joe", json!({}));
    let signature = cra(challenge["challenge"].as_str().unwrap());
    joins(peer, &signature, json!({}));
    let (mut peer, _) = begin(ground, "wampcra", "joe", json!({}));
    expect(&denial(&mut peer, &signature, json!({})).0, DENIED, "CRA")?;

    let (peer, challenge) = begin(ground, "wamp-scram", "joe", json!({"nonce": NONCE}));
    let nonce = challenge["nonce"].as_str().unwrap().to_owned();
    let (proof, extra) =
        (scram(&nonce, ITERATIONS), json!({"nonce": nonce, "channel_binding": null}));
    joins(peer, &proof, extra.clone());
    let (mut peer, _) = begin(ground, "wamp-scram", "joe", json!({"nonce": NONCE}));
    expect(&denial(&mut peer, &proof, extra).0, DENIED, "SCRAM")?;

    let public = json!({"pubkey": hex(key().verifying_key().as_bytes())});
    let (peer, challenge) = begin(ground, "cryptosign", "joe", public.clone());
    let signature = cryptosign(challenge["challenge"].as_str().unwrap());
    joins(peer, &signature, json!({}));
    let (mut peer, _) = begin(ground, "cryptosign", "joe", public);
    expect(&denial(&mut peer, &signature, json!({})).0, DENIED, "cryptosign")?;
    Ok("3 proofs joined once, 3 times authentication_denied".to_owned())
}

fn scram_gone_wrong(ground: &Ground) -> Verdict {
    let mut count = 0;
    for change in 0..8 {
        let (mut peer, challenge) = begin(ground, "wamp-scram", "joe", json!({"nonce": NONCE}));
        if challenge["iterations"].as_u64().unwrap() < 4_096 {
            return Err(format!("{challenge}"));
        }
        let nonce = challenge["nonce"].as_str().unwrap().to_owned();
        if !nonce.starts_with(NONCE) {
            return Err(format!("{nonce} does not begin with ours"));
        }
        let good = scram(&nonce, ITERATIONS);
        let extra = json!({"nonce": nonce, "channel_binding": null});
        let other = format!("{NONCE}AAAAAAAAAAAAAAAAAAAAAA==");
        let (proof, extra) = match change {
            0 => (scram(&other, ITERATIONS), json!({"nonce": other, "channel_binding": null})),
            1 => (good, json!({"nonce": nonce[1..], "channel_binding": null})),
            2 => (good, json!({"nonce": "", "channel_binding": null})),
            3 => (scram(&nonce, 1), extra),
            4 => (
                good,
                json!({"nonce": nonce, "channel_binding": "tls-unique", "cbind_data": "eA=="}),
            ),
            5 => (STANDARD.encode([0; 31]), extra),
            6 => (STANDARD.encode([0; 1_000]), extra),
            _ => (String::new(), extra),
        };
        let reason = denial(&mut peer, &proof, extra).0;
        expect(&reason, DENIED, &format!("change {change}"))?;
        count += 1;
    }
    Ok(format!("{count} times authentication_denied"))
}

fn crooked_signatures(ground: &Ground) -> Verdict {
    // Points of small order, under which one signature fits many messages.
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    for public in small {
        let message = hello(ground, "cryptosign", "joe", json!({"pubkey": public})).receive();
        let message = message.expect("an answer");
        if message[0] != 3 {
            return Err(format!("{message} for {public}"));
        }
    }
    let public = json!({"pubkey": hex(key().verifying_key().as_bytes())});
    // The order of the group, which added to a signature's second half changes nothing but its form.
    let order: [u8; 32] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    for change in 0..3 {
        let (mut peer, challenge) = begin(ground, "cryptosign", "joe", public.clone());
        let text = challenge["challenge"].as_str().unwrap();
        let mut signed = octets(&cryptosign(text));
        match change {
            0 => {
                let mut carry = 0;
                for (octet, more) in signed[32..64].iter_mut().zip(order) {
                    carry += u16::from(*octet) + u16::from(more);
                    *octet = carry as u8;
                    carry >>= 8;
                }
            }
            1 => signed[..64].fill(0),
            _ => signed[63] ^= 1,
        }
        let reason = denial(&mut peer, &hex(&signed), json!({})).0;
        expect(&reason, DENIED, &format!("change {change}"))?;
    }
    Ok("4 keys and 3 signatures refused".to_owned())
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

fn cryptosign(challenge: &str) -> String {
    let challenge = octets(challenge);
    hex(&key().sign(&challenge).to_bytes()) + &hex(&challenge)
}

/// The signature of a client that knows the secret.
pub(crate) fn cra(challenge: &str) -> String {
    STANDARD.encode(mac(SECRET.as_bytes(), challenge.as_bytes()))
}

fn salted() -> [u8; 32] {
    derived(ITERATIONS)
}

fn derived(iterations: u32) -> [u8; 32] {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(iterations).unwrap();
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, iterations, &SALT, PASSWORD.as_bytes(), &mut salted);
    salted
}

/// The proof of a client that was told to derive in so many rounds.
fn scram(nonce: &str, iterations: u32) -> String {
    let salt = STANDARD.encode(SALT);
    let message = format!("n=joe,r={NONCE},r={nonce},s={salt},i={iterations},c=biws,r={nonce}");
    let client = mac(&derived(iterations), b"Client Key");
    let stored = digest::digest(&digest::SHA256, &client);
    let signature = mac(stored.as_ref(), message.as_bytes());
    STANDARD.encode(client.iter().zip(&signature).map(|(one, two)| one ^ two).collect::<Vec<_>>())
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().into()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let octet = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(octet).collect()
}
