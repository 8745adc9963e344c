//! Cases about calls: who answers, who does not, and who pretends to.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::talk::{call, error_of, expect, featured, in_realm, joined, register, some};

pub(crate) fn groups() -> Vec<Group> {
    let realms =
        "[[realms]]\nname = \"hasty\"\ncall_timeout = \"200ms\"\ncall_timeout_max = \"1h\"";
    vec![Group { name: "rpc", tables: realms, cases: CASES.to_vec() }]
}

const CASES: [Case; 13] = [
    Case::new(
        "105",
        "One procedure registered twice; by two sessions at once, over and over",
        "`procedure_already_exists`; of two exactly one has it",
        race_for_procedures,
    ),
    Case::new(
        "106",
        "A prefix of all and a wildcard registered beside a procedure that is meant exactly",
        "calls of the exact one reach it alone",
        |ground| {
            let [mut owner, mut thief, mut caller] = some(ground);
            register(&mut owner, 1, json!({}), "case106.exact");
            for (request, policy, pattern) in
                [(1, "prefix", ""), (2, "prefix", "case106."), (3, "wildcard", "case106.")]
            {
                register(&mut thief, request, json!({"match": policy}), pattern);
            }
            for request in 1..=10 {
                caller.send(&json!([48, request, {}, "case106.exact"]));
                let invocation = owner.expect(68);
                owner.send(&json!([70, invocation[1], {}]));
                caller.expect(50);
            }
            // It is called for all else.
            caller.send(&json!([48, 11, {}, "case106.other"]));
            assert_eq!(thief.expect(68)[3]["procedure"], "case106.other");
            Ok("10 calls reached the exact one".to_owned())
        },
    ),
    Case::new(
        "107",
        "A callee that answers none of 1025 calls",
        "`gigawamp.error.limit_exceeded` for the last; the others stay, and are answered if it \
         does",
        |ground| {
            let [mut caller, mut callee] = some(ground);
            register(&mut callee, 1, json!({}), "case107");
            for request in 1..=1_024 {
                caller.send(&json!([48, request, {}, "case107", [request]]));
            }
            let error = error_of(&mut caller, &json!([48, 1_025, {}, "case107"]));
            expect(&error, "gigawamp.error.limit_exceeded", "the 1025th")?;
            for request in 1..=1_024 {
                let invocation = callee.expect(68);
                callee.send(&json!([70, invocation[1], {}, invocation[4]]));
                assert_eq!(caller.expect(50)[1], request);
            }
            Ok("1024 answered, 1 refused".to_owned())
        },
    ),
    Case::new(
        "107b",
        "A callee that answers after the call's timeout",
        "ERROR timeout for the caller, INTERRUPT for the callee; what it yields then is left aside",
        |ground| {
            let ((mut caller, _), (mut callee, _)) =
                (featured(ground, "realm1"), featured(ground, "realm1"));
            register(&mut callee, 1, json!({}), "case107b");
            caller.send(&json!([48, 1, {"timeout": 100}, "case107b"]));
            let invocation = callee.expect(68);
            expect(caller.expect(8)[4].as_str().unwrap(), "wamp.error.timeout", "the end")?;
            callee.expect(69);
            callee.send(&json!([70, invocation[1], {}, ["late"]]));
            call(&mut callee, 2, "wamp.session.count", json!([]));
            call(&mut caller, 2, "wamp.session.count", json!([]));
            Ok("timeout, INTERRUPT, and nothing more".to_owned())
        },
    ),
    Case::new(
        "108",
        "A callee that leaves with 1000 calls pending",
        "one ERROR canceled for each, and no more",
        |ground| {
            let [mut caller, mut callee] = some(ground);
            register(&mut callee, 1, json!({}), "case108");
            for request in 1..=1_000 {
                caller.send(&json!([48, request, {}, "case108"]));
                callee.expect(68);
            }
            drop(callee);
            let mut ended: Vec<_> = (0..1_000)
                .map(|_| {
                    let error = caller.expect(8);
                    assert_eq!(error[4], "wamp.error.canceled");
                    error[2].as_u64().unwrap()
                })
                .collect();
            ended.sort_unstable();
            assert!(ended.into_iter().eq(1..=1_000), "each once");
            call(&mut caller, 1_001, "wamp.session.count", json!([]));
            Ok("1000 times canceled, each once".to_owned())
        },
    ),
    Case::new(
        "109",
        "A caller that leaves before its calls are answered",
        "one INTERRUPT for each; what is yielded then is left aside and is no violation",
        |ground| {
            let ((mut caller, _), (mut callee, _)) =
                (featured(ground, "realm1"), featured(ground, "realm1"));
            register(&mut callee, 1, json!({}), "case109");
            for request in 1..=100 {
                caller.send(&json!([48, request, {}, "case109"]));
                callee.expect(68);
            }
            drop(caller);
            let mut interrupted: Vec<_> =
                (0..100).map(|_| callee.expect(69)[1].as_u64().unwrap()).collect();
            interrupted.sort_unstable();
            assert!(interrupted.into_iter().eq(1..=100), "each once");
            for invocation in 1..=100 {
                callee.send(&json!([70, invocation, {}, ["late"]]));
            }
            call(&mut callee, 2, "wamp.session.count", json!([]));
            Ok("100 INTERRUPTs, 100 late answers".to_owned())
        },
    ),
    Case::new(
        "110",
        "Results in parts behind the last one, behind a CANCEL of either kind, and unasked",
        "left aside; never a second final answer",
        |ground| {
            let ((mut caller, _), (mut callee, _)) =
                (featured(ground, "realm1"), featured(ground, "realm1"));
            register(&mut callee, 1, json!({}), "case110");
            let mut request = 0;
            for (options, cancel) in [
                (json!({"receive_progress": true}), None),
                (json!({"receive_progress": true}), Some("skip")),
                (json!({"receive_progress": true}), Some("killnowait")),
                (json!({}), None),
            ] {
                request += 1;
                caller.send(&json!([48, request, options, "case110"]));
                let id = callee.expect(68)[1].clone();
                match cancel {
                    Some(mode) => {
                        caller.send(&json!([49, request, {"mode": mode}]));
                        assert_eq!(caller.expect(8)[4], "wamp.error.canceled");
                    }
                    None => {
                        callee.send(&json!([70, id, {"progress": true}, ["part"]]));
                        callee.send(&json!([70, id, {}, ["final"]]));
                        if options["receive_progress"] == true {
                            assert_eq!(caller.expect(50)[3][0], "part");
                        }
                        assert_eq!(caller.expect(50)[3][0], "final");
                    }
                }
                callee.send(&json!([70, id, {"progress": true}, ["more"]]));
                callee.send(&json!([70, id, {}, ["another"]]));
                if cancel == Some("killnowait") {
                    callee.expect(69);
                }
                call(&mut callee, request + 1, "wamp.session.count", json!([]));
            }
            call(&mut caller, request + 1, "wamp.session.count", json!([]));
            Ok("4 calls, 4 final answers".to_owned())
        },
    ),
    Case::new(
        "111",
        "Calls in parts: to another procedure, under the id of another call, to callees that \
         come and go",
        "one callee has all parts; misuse is a violation; parts for one that is gone are dropped",
        parts_gone_wrong,
    )
    .violating(2),
    Case::new(
        "112",
        "Two callees that call each other for each call they get, without an end",
        "the bounds on pending calls end it; the router serves everybody else",
        loop_of_calls,
    )
    .growing(32 << 20),
    Case::new(
        "113",
        "Timeouts that are negative, no number, or longer than a realm allows",
        "ABORT protocol_violation for what is no timeout: an attribute of the wrong type is \
         malformed; the longest that is allowed for 2^53",
        strange_timeouts,
    )
    .violating(4),
    Case::new(
        "114",
        "Callees that answer with the router's own reasons",
        "passed on as the answer of that call, and nothing else: the caller's session goes on. It \
         bears no mark, for the protocol has none; what the router decides about a session it says \
         in ABORT and GOODBYE, which no client can send to another",
        |ground| {
            let [mut caller, mut callee] = some(ground);
            register(&mut callee, 1, json!({}), "case114");
            let reasons = [
                "wamp.error.not_authorized",
                "wamp.error.no_such_realm",
                "wamp.close.system_shutdown",
                "wamp.error.protocol_violation",
            ];
            for (reason, request) in reasons.into_iter().zip(1..) {
                caller.send(&json!([48, request, {}, "case114"]));
                let id = callee.expect(68)[1].clone();
                callee.send(&json!([8, 68, id, {"message": "forged"}, reason]));
                let error = caller.expect(8);
                assert_eq!((&error[1], &error[2]), (&json!(48), &json!(request)));
                expect(error[4].as_str().unwrap(), reason, "the error")?;
            }
            call(&mut caller, 5, "wamp.session.count", json!([]));
            Ok("4 errors of 4 calls; the session goes on".to_owned())
        },
    ),
    Case::new(
        "115",
        "REGISTER with `force_reregister`, and revocations, where neither is allowed",
        "`option_not_allowed`; `not_authorized`; the owner keeps its procedure",
        |ground| {
            let [mut owner, mut thief] = some(ground);
            let id = register(&mut owner, 1, json!({}), "case115");
            let options = json!({"force_reregister": true});
            let error = error_of(&mut thief, &json!([64, 1, options, "case115"]));
            expect(&error, "wamp.error.option_not_allowed", "REGISTER")?;
            let revoke = json!([48, 2, {}, "wamp.registration.remove_callee", [id]]);
            let error = error_of(&mut thief, &revoke);
            expect(&error, "wamp.error.not_authorized", "remove_callee")?;
            thief.send(&json!([48, 3, {}, "case115"]));
            let invocation = owner.expect(68);
            owner.send(&json!([70, invocation[1], {}]));
            thief.expect(50);
            Ok("both refused; the owner was called".to_owned())
        },
    ),
    Case::new(
        "113b",
        "Calls that say nothing of a timeout, where the realm has one",
        "ERROR timeout when it is due",
        |ground| {
            let (mut caller, mut callee) = (in_realm(ground, "hasty"), in_realm(ground, "hasty"));
            register(&mut callee, 1, json!({}), "case113b");
            let error = error_of(&mut caller, &json!([48, 1, {}, "case113b"]));
            expect(&error, "wamp.error.timeout", "the call")?;
            Ok(error)
        },
    ),
];

fn race_for_procedures(ground: &Ground) -> Verdict {
    let mut owner = joined(ground);
    register(&mut owner, 1, json!({}), "case105");
    let error = error_of(&mut owner, &json!([64, 2, {}, "case105"]));
    expect(&error, "wamp.error.procedure_already_exists", "by the same")?;
    let rounds = ground.or_full(300, 10_000);
    let start = Barrier::new(2);
    let [one, two]: [Peer; 2] = some(ground);
    let results = thread::scope(|scope| {
        [(one, false), (two, true)]
            .map(|(mut peer, is_second)| {
                let start = &start;
                scope.spawn(move || {
                    // One from the first to the last, one from the last to the first: in the
                    // middle of each hundred they are after the same.
                    let name = |round: u64| {
                        let last = round - (round - 1) % 100 + 99;
                        let round = if is_second { last - (round - 1) % 100 } else { round };
                        format!("case105.t{round}")
                    };
                    let mut won = BTreeMap::new();
                    for first in (1..=rounds).step_by(100) {
                        let these = first..first + 100;
                        let register = |round| json!([64, round, {}, name(round)]);
                        start.wait();
                        for round in these.clone() {
                            peer.send(&register(round));
                        }
                        for round in these {
                            let answer = peer.receive().expect("an answer");
                            won.insert(name(round), answer[0] == 65);
                        }
                    }
                    (won, peer)
                })
            })
            .map(|racer| racer.join().unwrap())
    });
    let [(one, _), (two, _)] = &results;
    let wrong = one.iter().zip(two).filter(|(one, two)| one.0 != two.0 || one.1 == two.1).count();
    let wins = one.values().filter(|won| **won).count();
    if wrong == 0 {
        Ok(format!("{rounds} races, {wins} to {}", one.len() - wins))
    } else {
        Err(format!("{wrong} procedures with two owners or none"))
    }
}

fn parts_gone_wrong(ground: &Ground) -> Verdict {
    let (mut callee, _) = featured(ground, "realm1");
    register(&mut callee, 1, json!({"invoke": "roundrobin"}), "case111");
    let (mut second, _) = featured(ground, "realm1");
    register(&mut second, 1, json!({"invoke": "roundrobin"}), "case111");
    let (mut caller, _) = featured(ground, "realm1");
    let part = |request: u64, is_last: bool, number: u64| {
        let options = if is_last { json!({}) } else { json!({"progress": true}) };
        json!([48, request, options, "case111", [number]])
    };
    for number in 1..=10 {
        caller.send(&part(1, number == 10, number));
    }
    for number in 1..=10 {
        assert_eq!(callee.expect(68)[4][0], number);
    }
    callee.send(&json!([70, 1, {}, ["all"]]));
    caller.expect(50);
    // The callee of the next call goes in the middle of it.
    caller.send(&part(2, false, 1));
    second.expect(68);
    drop(second);
    assert_eq!(caller.expect(8)[4], "wamp.error.canceled");
    caller.send(&part(2, false, 2));
    caller.send(&part(2, true, 3));
    call(&mut caller, 3, "wamp.session.count", json!([]));
    call(&mut callee, 2, "wamp.session.count", json!([]));
    for wrong in
        [json!([48, 1, {}, "case111.other"]), json!([48, 3, {"progress": true}, "case111"])]
    {
        let (mut caller, _) = featured(ground, "realm1");
        caller.send(&part(1, false, 1));
        caller.send(&wrong);
        let abort = loop {
            let message = caller.receive().expect("an ABORT");
            if message[0] == 3 {
                break message;
            }
        };
        expect(abort[2].as_str().unwrap(), "wamp.error.protocol_violation", &wrong.to_string())?;
    }
    Ok("10 parts to one; late parts dropped; 2 times protocol_violation".to_owned())
}

/// Answers each call of `peer` by a call of the other's procedure, until the router says no more.
fn echo(mut peer: Peer, other: &str) -> (u64, String) {
    let mut request = 1;
    loop {
        let message = peer.receive().expect("a call or an error");
        if message[0] == 68 {
            request += 1;
            peer.send(&json!([48, request, {}, other]));
        } else if message[0] == 8 {
            return (request, message[4].as_str().unwrap().to_owned());
        }
    }
}

fn loop_of_calls(ground: &Ground) -> Verdict {
    let [mut one, mut two, mut caller] = some(ground);
    register(&mut one, 1, json!({}), "case112.one");
    register(&mut two, 1, json!({}), "case112.two");
    caller.send(&json!([48, 1, {}, "case112.one"]));
    let ends = thread::scope(|scope| {
        let one = scope.spawn(|| echo(one, "case112.two"));
        let two = scope.spawn(|| echo(two, "case112.one"));
        [one.join().unwrap(), two.join().unwrap()]
    });
    // One reached its bound and left; the other's calls ended with it.
    let is_bounded = ends.iter().any(|(_, why)| why == "gigawamp.error.limit_exceeded");
    assert_eq!(caller.expect(8)[4], "wamp.error.canceled");
    call(&mut caller, 2, "wamp.session.count", json!([]));
    if is_bounded { Ok(format!("{ends:?}")) } else { Err(format!("{ends:?}")) }
}

fn strange_timeouts(ground: &Ground) -> Verdict {
    let odd: [Value; 4] = [json!(-1), json!("10"), json!(1.5), json!(true)];
    let list = crate::talk::violates(ground, odd.map(|t| json!([48, 1, {"timeout": t}, "a.b"])))?;
    let (mut caller, mut callee) = (in_realm(ground, "hasty"), in_realm(ground, "hasty"));
    register(&mut callee, 1, json!({}), "case113");
    caller.send(&json!([48, 1, {"timeout": 1_u64 << 53}, "case113"]));
    let invocation = callee.expect(68);
    callee.send(&json!([70, invocation[1], {}]));
    caller.expect(50);
    Ok(list)
}
