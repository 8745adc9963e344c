//! Shared registrations: several callees behind one procedure.

use gigawamp::sim::Value;

use crate::{check, check_then};

// spec: A-SHR-01, A-SHR-02, A-SHR-04, A-SHR-05, A-SHR-06, A-SHR-13, B-RPC-03
#[test]
fn callees_share_a_procedure_if_they_agree_how() {
    check(
        r#"
        ann: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        ann: REGISTER 2 {invoke: roundrobin} com.p -> REGISTERED 2 $r
        cyd: REGISTER 1 {} com.p -> ERROR REGISTER 1 {} wamp.error.procedure_already_exists
        cyd: REGISTER 2 {invoke: single} com.p -> ERROR REGISTER 2 {} wamp.error.procedure_already_exists
        cyd: REGISTER 3 {invoke: first} com.p -> ERROR REGISTER 3 {} wamp.error.procedure_already_exists
        cyd: REGISTER 4 {invoke: roundrobin, match: prefix} com.p -> REGISTERED 4 $other
        cyd: REGISTER 5 {invoke: sometimes} com.q -> ERROR REGISTER 5 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: A-SHR-07, A-SHR-12, G-19, D-06
#[test]
fn round_robin_takes_turns_whoever_calls() {
    check(
        r#"
        ann: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        cyd: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        dan: CALL 1 {} com.p [1]
        ann: <- INVOCATION 1 $r {} [1]
        eve: CALL 1 {} com.p [2]
        bob: <- INVOCATION 1 $r {} [2]
        dan: CALL 2 {} com.p [3]
        cyd: <- INVOCATION 1 $r {} [3]
        fay: CALL 1 {} com.p [4]
        ann: <- INVOCATION 2 $r {} [4]
        eve: CALL 2 {} com.p [5]
        bob: <- INVOCATION 2 $r {} [5]
        dan: CALL 3 {} com.p [6]
        cyd: <- INVOCATION 2 $r {} [6]
    "#,
    );
}

// spec: A-SHR-09, G-19, I-07
#[test]
fn first_and_last_follow_the_order_of_registration() {
    check(
        r#"
        ann: REGISTER 1 {invoke: first} com.p -> REGISTERED 1 $f
        bob: REGISTER 1 {invoke: first} com.p -> REGISTERED 1 $f
        ann: REGISTER 2 {invoke: last} com.q -> REGISTERED 2 $l
        bob: REGISTER 2 {invoke: last} com.q -> REGISTERED 2 $l
        cyd: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $f {}
        ann: <- INVOCATION 2 $f {}
        cyd: CALL 3 {} com.q & CALL 4 {} com.q
        bob: <- INVOCATION 1 $l {}
        bob: <- INVOCATION 2 $l {}
        bob: UNREGISTER 3 $l -> UNREGISTERED 3
        cyd: CALL 5 {} com.q
        ann: <- INVOCATION 3 $l {}
        ann: UNREGISTER 3 $f -> UNREGISTERED 3
        cyd: CALL 6 {} com.p
        bob: <- INVOCATION 3 $f {}
        ann: REGISTER 4 {invoke: first} com.p -> REGISTERED 4 $f
        cyd: CALL 7 {} com.p
        bob: <- INVOCATION 4 $f {}
    "#,
    );
}

// spec: A-SHR-08
#[test]
fn random_goes_to_each_as_often() {
    let mut script = String::from(
        "ann: REGISTER 1 {invoke: random} com.p -> REGISTERED 1 $r\n\
         bob: REGISTER 1 {invoke: random} com.p -> REGISTERED 1 $r\n\
         cyd: joins realm1\n",
    );
    for call in 1..=20 {
        script += &format!("cyd: CALL {call} {{}} com.p [{call}]\n");
    }
    script += "ann: hears all $anns\nbob: hears all $bobs\nann: drops\nbob: drops\n\
               cyd: hears all $canceled";
    let (mut counts, mut firsts, mut changes) = ([0, 0], [0, 0], 0);
    check_then(&script, |bindings| {
        let calls = |name: &str| {
            let Value::List(heard) = &bindings[name] else { panic!("a list") };
            let argument = |message: &Value| message.items()[4].items()[0].number();
            heard.iter().map(|message| argument(message).expect("a number")).collect::<Vec<_>>()
        };
        let of_ann = calls("anns");
        assert_eq!(of_ann.len() + calls("bobs").len(), 20);
        counts[0] += of_ann.len();
        counts[1] += calls("bobs").len();
        firsts[usize::from(of_ann.contains(&1))] += 1;
        let to_ann = |call: u64| of_ann.contains(&call);
        changes += (2..=20).filter(|call| to_ann(*call) != to_ann(call - 1)).count();
    });
    // Either may be the first; each has half of the calls, and each call may change over.
    let [all, runs] = [counts[0] + counts[1], firsts[0] + firsts[1]];
    assert!(counts.iter().all(|count| (all * 2 / 5..=all * 3 / 5).contains(count)), "{counts:?}");
    assert!(firsts.iter().all(|count| *count > 0), "{firsts:?}");
    assert!((runs * 19 * 2 / 5..=runs * 19 * 3 / 5).contains(&changes), "{changes}");
}

// spec: A-SHR-10, B-RPC-27, B-RPC-25
#[test]
fn calls_are_not_retried_when_a_callee_leaves_but_the_next_go_to_another() {
    check(
        r#"
        ann: REGISTER 1 {invoke: first} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {invoke: first} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: drops
        cyd: <- ERROR CALL 1 {} wamp.error.canceled
        bob: silent
        cyd: CALL 2 {} com.p
        bob: <- INVOCATION 1 $r {}
        bob: YIELD 1 {}
        cyd: <- RESULT 2 {}
        bob: UNREGISTER 2 $r -> UNREGISTERED 2
        cyd: CALL 3 {} com.p -> ERROR CALL 3 {} wamp.error.no_such_procedure
        bob: REGISTER 3 {} com.p -> REGISTERED 3 $new
    "#,
    );
}

// spec: A-SHR-11
#[test]
fn patterns_are_shared_like_any_procedure() {
    for policy in ["prefix", "wildcard"] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{match: {policy}, invoke: roundrobin}} com. -> REGISTERED 1 $r
            bob: REGISTER 1 {{match: {policy}, invoke: last}} com. -> ERROR REGISTER 1 {{}} wamp.error.procedure_already_exists
            bob: REGISTER 2 {{match: {policy}, invoke: roundrobin}} com. -> REGISTERED 2 $r
            cyd: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{procedure: com.p}}
            cyd: CALL 2 {{}} com.q
            bob: <- INVOCATION 1 $r {{procedure: com.q}}
            cyd: CALL 3 {{}} com.q
            ann: <- INVOCATION 2 $r {{procedure: com.q}}
        "#
        ));
    }
}

// spec: A-SHR-07
#[test]
fn round_robin_passes_over_nobody_when_callees_come_and_go() {
    check(
        r#"
        ann: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        cyd: REGISTER 1 {invoke: roundrobin} com.p -> REGISTERED 1 $r
        fay: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: <- INVOCATION 1 $r {}
        // Somebody before the next in turn leaves: it is still the next.
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
        fay: CALL 3 {} com.p & CALL 4 {} com.p
        cyd: <- INVOCATION 1 $r {}
        bob: <- INVOCATION 2 $r {}
        // The next in turn leaves: the one behind it is.
        cyd: UNREGISTER 2 $r -> UNREGISTERED 2
        fay: CALL 5 {} com.p
        bob: <- INVOCATION 3 $r {}
        // Who comes is behind all others.
        cyd: REGISTER 3 {invoke: roundrobin} com.p -> REGISTERED 3 $r
        fay: CALL 6 {} com.p
        cyd: <- INVOCATION 2 $r {}
        ann: REGISTER 3 {invoke: roundrobin} com.p -> REGISTERED 3 $r
        fay: CALL 7 {} com.p & CALL 8 {} com.p & CALL 9 {} com.p & CALL 10 {} com.p
        ann: <- INVOCATION 2 $r {}
        bob: <- INVOCATION 4 $r {}
        cyd: <- INVOCATION 3 $r {}
        ann: <- INVOCATION 3 $r {}
        ann: drops
        fay: <- ERROR CALL 1 {} wamp.error.canceled
        fay: <- ERROR CALL 7 {} wamp.error.canceled
        fay: <- ERROR CALL 10 {} wamp.error.canceled
        fay: CALL 11 {} com.p & CALL 12 {} com.p
        bob: <- INVOCATION 5 $r {}
        cyd: <- INVOCATION 4 $r {}
    "#,
    );
}
