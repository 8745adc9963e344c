//! Cases about those whom the router asks, when they do not answer, or answer nonsense.

use std::time::Duration;

use gigawamp::wire::Framing;
use serde_json::{Value, json};

use crate::authentication::denial;
use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::talk::{abort_of, call, error_of, expect, featured, in_realm, register};

pub(crate) fn groups() -> Vec<Group> {
    vec![Group { name: "advice", tables: ASKING, cases: CASES.to_vec() }]
}

/// A realm that asks, and one in which there may be somebody to answer.
const ASKING: &str = "
[[realms]]
name = \"asking\"
anonymous = \"guest\"
  [[realms.roles]]
  name = \"guest\"
  allow = [\"call wamp.*\", \"register case122.*\"]
  ask = [\"call,subscribe case122.* judge\"]
  [[realms.authorizers]]
  name = \"judge\"
  procedure = \"judge\"
  realm = \"internal\"
  timeout = \"500ms\"
  [[realms.authenticators]]
  methods = [\"ticket\", \"wampcra\"]
  procedure = \"who\"
  realm = \"internal\"
  timeout = \"500ms\"
[[realms]]
name = \"internal\"
";

const CASES: [Case; 3] = [
    Case::new(
        "72a",
        "A name that an authenticator does not know against one that it knows, by CRA",
        "the same messages: CHALLENGE, then ABORT authentication_denied with the same text",
        whom_an_authenticator_knows,
    ),
    Case::new(
        "80",
        "An authenticator that is not there, says nothing, fails, leaves, or answers nonsense, for \
         a client that would also join as anonymous",
        "ABORT authentication_failed, after its timeout at the latest; never a session",
        authenticators_gone_wrong,
    ),
    Case::new(
        "122",
        "An authorizer that is not there, says nothing, leaves, or answers nonsense",
        "`authorization_failed`: what nobody allows is not done; once it says yes, it is",
        authorizers_gone_wrong,
    ),
];

/// What authenticators and authorizers answer that means nothing.
fn nonsense() -> Vec<Value> {
    vec![
        json!([]),
        json!([7]),
        json!([null]),
        json!([["member"]]),
        json!([{"role": 1}]),
        json!([{"allow": "yes"}]),
        json!([{"role": {}, "allow": 1}]),
    ]
}

fn whom_an_authenticator_knows(ground: &Ground) -> Verdict {
    let (mut advisor, _) = featured(ground, "internal");
    register(&mut advisor, 1, json!({}), "who");
    let mut told = Vec::new();
    for name in ["joe", "eve", "eve"] {
        let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
        let details = json!({"authmethods": ["wampcra"], "authid": name, "roles": {"caller": {}}});
        peer.send(&json!([1, "asking", details]));
        let id = advisor.expect(68)[1].clone();
        let salted = json!({"role": "guest", "secret": "any", "salt": "0123456789abcdef"});
        advisor.send(&match name {
            "joe" => json!([70, id, {}, [salted]]),
            _ => json!([8, 68, id, {}, "com.example.no_such_user", ["there is no eve"]]),
        });
        let extra = peer.expect(4)[2].clone();
        let keys: Vec<_> = extra.as_object().unwrap().keys().cloned().collect();
        let about: Value = serde_json::from_str(extra["challenge"].as_str().unwrap()).unwrap();
        let shown = json!([keys, extra["iterations"], about["authrole"], about["authprovider"]]);
        let end = denial(&mut peer, "wrong", json!({}));
        told.push((format!("{shown} {end:?}"), extra["salt"].to_string()));
    }
    expect(&told[1].0, &told[0].0, "somebody unknown")?;
    expect(&told[2].1, &told[1].1, "the salt of somebody unknown")?;
    Ok(told.remove(1).0)
}

fn authenticators_gone_wrong(ground: &Ground) -> Verdict {
    let mut count = 0;
    // By tickets it is asked behind the challenge, by secrets before it.
    for method in ["ticket", "wampcra"] {
        count += gone_wrong_by(ground, method).map_err(|why| format!("{method}: {why}"))?;
    }
    Ok(format!("{count} times authentication_failed"))
}

fn gone_wrong_by(ground: &Ground, method: &str) -> Result<usize, String> {
    let ask = || {
        let mut peer = Peer::tcp(&ground.address, Framing::RawSocket);
        // Whoever cannot prove itself is not let in without a proof either.
        let methods = json!([method, "anonymous"]);
        let details = json!({"authmethods": methods, "authid": "joe", "roles": {"caller": {}}});
        peer.send(&json!([1, "asking", details]));
        if method == "ticket" {
            peer.expect(4);
            peer.send(&json!([5, "any", {}]));
        }
        peer
    };
    let failed = "wamp.error.authentication_failed";
    expect(&abort_of(&mut ask()), failed, "nobody is there")?;
    let (mut advisor, _) = featured(ground, "internal");
    register(&mut advisor, 1, json!({}), "who");
    let mut answers = nonsense();
    if method == "wampcra" {
        answers.extend([json!(["guest"]), json!([{"role": "guest", "secret": ""}])]);
    }
    for answer in &answers {
        let mut peer = ask();
        let id = advisor.expect(68)[1].clone();
        advisor.send(&json!([70, id, {}, answer]));
        expect(&abort_of(&mut peer), failed, &answer.to_string())?;
    }
    let mut peer = ask();
    advisor.expect(68);
    expect(&abort_of(&mut peer), failed, "it says nothing")?;
    // The router may have withdrawn its question.
    let mut peer = ask();
    while advisor.receive().expect("a question")[0] != 68 {}
    drop(advisor);
    expect(&abort_of(&mut peer), failed, "it leaves")?;
    Ok(answers.len() + 3)
}

fn authorizers_gone_wrong(ground: &Ground) -> Verdict {
    let failed = "wamp.error.authorization_failed";
    let mut guest = in_realm(ground, "asking");
    register(&mut guest, 1, json!({}), "case122.p");
    let mut caller = in_realm(ground, "asking");
    let mut request = 1;
    let error = error_of(&mut caller, &json!([48, request, {}, "case122.p"]));
    expect(&error, failed, "nobody is there")?;
    let (mut advisor, _) = featured(ground, "internal");
    register(&mut advisor, 1, json!({}), "judge");
    for answer in nonsense() {
        request += 1;
        caller.send(&json!([48, request, {}, "case122.p"]));
        let id = advisor.expect(68)[1].clone();
        advisor.send(&json!([70, id, {}, answer]));
        expect(caller.expect(8)[4].as_str().unwrap(), failed, &answer.to_string())?;
    }
    request += 1;
    let error = error_of(&mut caller, &json!([48, request, {}, "case122.p"]));
    expect(&error, failed, "it says nothing")?;
    while advisor.receive().expect("a withdrawal")[0] != 69 {}
    request += 1;
    caller.send(&json!([48, request, {}, "case122.p"]));
    let mut question = advisor.receive().expect("a question");
    while question[0] != 68 {
        question = advisor.receive().expect("a question");
    }
    advisor.send(&json!([70, question[1], {}, [true]]));
    let invocation = guest.expect(68);
    guest.send(&json!([70, invocation[1], {}, ["fine"]]));
    expect(caller.expect(50)[3][0].as_str().unwrap(), "fine", "allowed")?;
    // What it said counts for a while at most, and not for ever.
    drop(advisor);
    std::thread::sleep(Duration::from_millis(1_200));
    let error = error_of(&mut caller, &json!([48, request + 1, {}, "case122.p"]));
    expect(&error, failed, "it has left")?;
    call(&mut caller, request + 2, "wamp.session.count", json!([]));
    Ok(format!("{request} times authorization_failed, once allowed"))
}
