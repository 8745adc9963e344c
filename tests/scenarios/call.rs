//! Routed procedure calls.

use gigawamp::sim::Value;

use crate::{check, check_often};

// spec: B-RPC-01, B-RPC-08, B-RPC-09, B-MSG-87
#[test]
fn a_call_is_carried_to_the_callee_and_its_result_back() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p [1, "two", null, -3, 1.5] {"k": [true]}
        ann: <- INVOCATION 1 $r {} [1, "two", null, -3, 1.5] {"k": [true]}
        ann: YIELD 1 {} ["done"] {"a": {"b": 1}}
        bob: <- RESULT 1 {} ["done"] {"a": {"b": 1}}
        ann: silent
        bob: CALL 2 {} com.p
        ann: <- INVOCATION 2 $r {}
        ann: YIELD 2 {}
        bob: <- RESULT 2 {}
        bob: CALL 3 {} com.p [] {"only": "keywords"}
        ann: <- INVOCATION 3 $r {} [] {"only": "keywords"}
        ann: YIELD 3 {} [] {"so": "too"}
        bob: <- RESULT 3 {} [] {"so": "too"}
    "#,
    );
}

// spec: B-RPC-01
#[test]
fn a_callee_may_call_itself() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        ann: CALL 2 {} com.p [5] -> INVOCATION 1 $r {} [5]
        ann: YIELD 1 {} [6] -> RESULT 2 {} [6]
    "#,
    );
}

// spec: B-RPC-02, B-RPC-03, B-ERR-03, A-SHR-03, I-06
#[test]
fn a_procedure_is_registered_once() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {} com.p -> ERROR REGISTER 1 {} wamp.error.procedure_already_exists
        bob: REGISTER 2 {match: exact, invoke: single} com.p -> ERROR REGISTER 2 {} wamp.error.procedure_already_exists
        ann: REGISTER 2 {} com.p -> ERROR REGISTER 2 {} wamp.error.procedure_already_exists
        bob: REGISTER 3 {invoke: roundrobin} com.p -> ERROR REGISTER 3 {} wamp.error.procedure_already_exists
        bob: REGISTER 4 {match: prefix} com.p -> REGISTERED 4 $q
        ann: UNREGISTER 3 $r -> UNREGISTERED 3
        bob: REGISTER 5 {} com.p -> REGISTERED 5 $s
    "#,
    );
}

// spec: B-RPC-04, B-RPC-07, B-ERR-02, I-04, I-05
#[test]
fn a_procedure_is_there_until_it_is_given_up() {
    check(
        r#"
        bob: CALL 1 {} com.p -> ERROR CALL 1 {} wamp.error.no_such_procedure
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 2 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {}
        bob: <- RESULT 2 {}
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
        bob: CALL 3 {} com.p -> ERROR CALL 3 {} wamp.error.no_such_procedure
        ann: silent
    "#,
    );
}

// spec: B-RPC-05, B-ERR-04, B-PERR-20
#[test]
fn only_ones_own_registration_can_be_given_up() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: UNREGISTER 1 $r -> ERROR UNREGISTER 1 {} wamp.error.no_such_registration
        bob: UNREGISTER 2 123456 -> ERROR UNREGISTER 2 {} wamp.error.no_such_registration
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
        ann: UNREGISTER 3 $r -> ERROR UNREGISTER 3 {} wamp.error.no_such_registration
    "#,
    );
}

// spec: B-RPC-06
#[test]
fn what_was_invoked_stays_answerable_after_unregister() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
        ann: YIELD 1 {} [late]
        bob: <- RESULT 1 {} [late]
        ann: ERROR INVOCATION 2 {} com.myapp.sorry
        bob: <- ERROR CALL 2 {} com.myapp.sorry
    "#,
    );
}

// spec: B-RPC-10, B-RPC-11, B-URI-12
#[test]
fn an_error_is_carried_to_the_caller_as_it_is() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: ERROR INVOCATION 1 {_secret: 1} com.myapp.error ["why", 1] {"where": "here"}
        bob: <- ERROR CALL 1 {} com.myapp.error ["why", 1] {"where": "here"}
        bob: CALL 2 {} com.p
        ann: <- INVOCATION 2 $r {}
        ann: ERROR INVOCATION 2 {} "not quite a uri"
        bob: <- ERROR CALL 2 {} "not quite a uri"
        bob: CALL 3 {} com.p
        ann: <- INVOCATION 3 $r {}
        ann: ERROR INVOCATION 3 {} wamp.error.invalid_argument ["seven"]
        bob: <- ERROR CALL 3 {} wamp.error.invalid_argument ["seven"]
    "#,
    );
}

// spec: B-RPC-11
#[test]
fn options_of_the_callee_stay_with_it() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {_mine: 1, timeout: 0} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {_yours: 1, progress: false} [1]
        bob: <- RESULT 1 {} [1]
    "#,
    );
}

// spec: B-RPC-12, B-ID-06, G-04, G-05, G-09
#[test]
fn invocations_keep_the_order_of_calls_and_answers_come_in_any() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        ann: REGISTER 2 {match: prefix} com.q -> REGISTERED 2 $q
        bob: CALL 1 {} com.p [1] & CALL 2 {} com.q.x [2] & CALL 3 {} com.p [3] & CALL 4 {} com.q [4]
        ann: <- INVOCATION 1 $p {} [1]
        ann: <- INVOCATION 2 $q {procedure: com.q.x} [2]
        ann: <- INVOCATION 3 $p {} [3]
        ann: <- INVOCATION 4 $q {procedure: com.q} [4]
        ann: YIELD 3 {} [30]
        bob: <- RESULT 3 {} [30]
        ann: YIELD 1 {} [10]
        bob: <- RESULT 1 {} [10]
        ann: ERROR INVOCATION 4 {} no.way
        bob: <- ERROR CALL 4 {} no.way
        ann: YIELD 2 {} [20]
        bob: <- RESULT 2 {} [20]
    "#,
    );
}

// spec: B-ID-06, B-RPC-12
#[test]
fn every_callee_counts_its_own_invocations() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        bob: REGISTER 1 {} com.q -> REGISTERED 1 $q
        cyd: CALL 1 {} com.p & CALL 2 {} com.q & CALL 3 {} com.q
        ann: <- INVOCATION 1 $p {}
        bob: <- INVOCATION 1 $q {}
        bob: <- INVOCATION 2 $q {}
        dan: CALL 1 {} com.p
        ann: <- INVOCATION 2 $p {}
        ann: YIELD 2 {} [dan]
        dan: <- RESULT 1 {} [dan]
        ann: YIELD 1 {} [cyd]
        cyd: <- RESULT 1 {} [cyd]
        bob: YIELD 1 {} & YIELD 2 {}
        cyd: <- RESULT 2 {}
        cyd: <- RESULT 3 {}
    "#,
    );
}

// spec: B-RPC-14
#[test]
fn an_answer_counts_only_from_who_was_asked() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        bob: REGISTER 1 {} com.q -> REGISTERED 1 $q
        cyd: CALL 1 {} com.p & CALL 2 {} com.q
        ann: <- INVOCATION 1 $p {}
        bob: <- INVOCATION 1 $q {}
        bob: YIELD 1 {} [bob]
        cyd: <- RESULT 2 {} [bob]
        bob: YIELD 1 {} [again]
        cyd: silent
        ann: YIELD 1 {} [ann]
        cyd: <- RESULT 1 {} [ann]
    "#,
    );
}

// spec: B-RPC-20, B-RPC-22, B-RPC-30, I-03
#[test]
fn a_callee_that_can_be_interrupted_is_when_its_caller_leaves() {
    for end in [
        "bob: drops",
        "bob: ABORT {} a.b",
        "bob: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out",
        "bob: PUBLISH 7 {} com.t -> ABORT {message: *} wamp.error.protocol_violation",
        "dan: CALL 1 {} wamp.session.kill [$bob] -> RESULT 1 {}\n\
         bob: <- GOODBYE {} wamp.close.killed",
    ] {
        check(&format!(
            r#"
            // not by long-poll: there request ids may come in any order
            ann: joins realm1 {{callee: {{features: {{call_canceling}}}}}}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $p {{}}
            {end}
            ann: <- INTERRUPT 1 {{mode: killnowait}}
            ann: ERROR INVOCATION 1 {{}} wamp.error.canceled
            ann: YIELD 1 {{}}
            ann: silent
            cyd: CALL 1 {{}} com.p
            ann: <- INVOCATION 2 $p {{}}
            ann: YIELD 2 {{}}
            cyd: <- RESULT 1 {{}}
        "#
        ));
    }
}

// spec: B-RPC-21, B-RPC-22, B-RPC-30, D-02
#[test]
fn a_callee_that_cannot_be_interrupted_is_left_in_peace() {
    check(
        r#"
        ann: joins realm1 {callee: {}}
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $p {}
        bob: drops
        ann: silent
        ann: YIELD 1 {} [late]
        ann: YIELD 1 {} [later]
        ann: silent
    "#,
    );
}

// spec: B-RPC-25, B-RPC-13, B-ERR-07, C-01
#[test]
fn callers_are_told_when_their_callee_leaves() {
    for end in ["drops", "ABORT {} a.b", "GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out"]
    {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
            bob: CALL 1 {{}} com.p & CALL 2 {{}} com.p
            cyd: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $p {{}}
            ann: <- INVOCATION 2 $p {{}}
            ann: <- INVOCATION 3 $p {{}}
            ann: YIELD 2 {{}}
            ann: {end}
            bob: <~ RESULT 2 {{}}
            bob: <~ ERROR CALL 1 {{}} wamp.error.canceled
            cyd: <- ERROR CALL 1 {{}} wamp.error.canceled
        "#
        ));
    }
}

// spec: B-RPC-31, B-PERR-10, B-PERR-16, D-02
#[test]
fn an_answer_to_what_was_never_asked_is_a_violation() {
    for answer in [
        "YIELD 2 {}",
        "YIELD 0 {}",
        "YIELD 9007199254740992 {}",
        "ERROR INVOCATION 2 {} a.b",
        "YIELD 2 {progress}",
    ] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $p {{}}
            ann: {answer} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
            bob: <- ERROR CALL 1 {{}} wamp.error.canceled
        "#
        ));
    }
}

// spec: B-TRN-09, A-RAW-11, B-ERR-08
#[test]
fn a_call_too_long_for_its_callee_fails_without_touching_it() {
    let long = "x".repeat(600);
    check(&format!(
        r#"
        ann: connects {{transport: rawsocket, max: 512}}
        ann: HELLO realm1 {{roles: {{callee: {{}}}}}} -> WELCOME * {{..}}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
        bob: CALL 1 {{}} com.p ["{long}"] -> ERROR CALL 1 {{}} wamp.error.payload_size_exceeded
        bob: CALL 2 {{}} com.p [short]
        ann: <- INVOCATION 1 $p {{}} [short]
        ann: YIELD 1 {{}}
        bob: <- RESULT 2 {{}}
    "#
    ));
}

// spec: B-TRN-09, A-RAW-11, B-ERR-08
#[test]
fn a_result_too_long_for_its_caller_is_an_error_to_it() {
    let long = "x".repeat(600);
    check(&format!(
        r#"
        ann: connects {{transport: rawsocket, max: 512}}
        ann: HELLO realm1 {{roles: {{caller: {{}}}}}} -> WELCOME * {{..}}
        bob: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
        ann: CALL 1 {{}} com.p & CALL 2 {{}} com.p
        bob: <- INVOCATION 1 $p {{}}
        bob: <- INVOCATION 2 $p {{}}
        bob: YIELD 1 {{}} ["{long}"]
        ann: <- ERROR CALL 1 {{}} wamp.error.payload_size_exceeded
        bob: ERROR INVOCATION 2 {{}} my.error ["{long}"]
        ann: <- ERROR CALL 2 {{}} wamp.error.payload_size_exceeded
    "#
    ));
}

// spec: B-RPC-13
#[test]
fn limits_of_calls_invocations_and_registrations_are_told() {
    check(
        r#"
        given: calls_pending_max 2
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $p {}
        ann: <- INVOCATION 2 $p {}
        bob: CALL 3 {} com.p -> ERROR CALL 3 {} gigawamp.error.limit_exceeded
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        bob: CALL 4 {} com.p
        ann: <- INVOCATION 3 $p {}
    "#,
    );
    check(
        r#"
        given: invocations_pending_max 1
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $p {}
        bob: CALL 2 {} com.p -> ERROR CALL 2 {} gigawamp.error.limit_exceeded
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        bob: CALL 3 {} com.p
        ann: <- INVOCATION 2 $p {}
    "#,
    );
    check(
        r#"
        given: registrations_max 1
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        ann: REGISTER 2 {} com.q -> ERROR REGISTER 2 {} gigawamp.error.limit_exceeded
        ann: UNREGISTER 3 $p -> UNREGISTERED 3
        ann: REGISTER 4 {} com.q -> REGISTERED 4 $q
    "#,
    );
}

// spec: B-RPC-20, B-RPC-25
#[test]
fn a_caller_that_is_its_own_callee_may_just_leave() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $p
        ann: CALL 2 {} com.p -> INVOCATION 1 $p {}
        ann: drops
        bob: CALL 1 {} com.p -> ERROR CALL 1 {} wamp.error.no_such_procedure
    "#,
    );
}

/// How many of the messages that a caller heard end its call. None may come behind the end.
pub(crate) fn ends_count(heard: &Value) -> usize {
    let Value::List(heard) = heard else { panic!("a list") };
    let is_end = |message: &Value| match message.items() {
        // RESULT
        [code, _, details, ..] if *code == Value::from(50) => details.get("progress").is_none(),
        [code, ..] => *code == Value::from(8),
        [] => false,
    };
    let end = heard.iter().position(is_end);
    assert!(end.is_none_or(|end| end + 1 == heard.len()), "{heard:?}");
    heard.iter().filter(|message| is_end(message)).count()
}

// spec: B-RPC-13, A-PCR-05, A-CAN-02, A-CAN-03, A-CAN-04
#[test]
fn a_call_ends_once_however_its_ends_cross() {
    for mode in ["skip", "kill", "killnowait"] {
        for end in ["YIELD 1 {} [2]", "ERROR INVOCATION 1 {} my.error", "ABORT {} my.reason"] {
            check_often(
                &format!(
                    r#"
                    bob: joins realm1
                    ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
                    bob: CALL 1 {{receive_progress}} com.p
                    ann: <- INVOCATION 1 $r {{receive_progress}}
                    ann: begins YIELD 1 {{progress}} [1]
                    bob: begins CANCEL 1 {{mode: {mode}}}
                    ann: begins {end}
                    bob: begins CANCEL 1 {{mode: kill}}
                    bob: hears all $heard
                    ann: hears all $ann
                "#
                ),
                5,
                |bindings| assert_eq!(ends_count(&bindings["heard"]), 1, "{mode}, {end}"),
            );
        }
    }
}

// spec: B-RPC-13, B-RPC-27
#[test]
fn a_call_that_crosses_the_end_of_its_registration_has_one_answer() {
    for end in ["UNREGISTER 2 $r", "ABORT {} my.reason", "GOODBYE {} my.reason"] {
        check_often(
            &format!(
                r#"
                bob: joins realm1
                ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
                bob: begins CALL 1 {{}} com.p
                ann: begins {end}
                ann: hears all $ann
                bob: hears all $bob
            "#
            ),
            5,
            |bindings| {
                let [ann, ends] = [&bindings["ann"], &bindings["bob"]];
                let Value::List(heard) = ann else { panic!("a list") };
                let invoked = heard.iter().any(|message| message.items()[0] == Value::from(68));
                // Who has not left can still answer.
                let is_open = invoked && end.starts_with("UNREGISTER");
                assert_eq!(ends_count(ends), usize::from(!is_open), "{ann} {ends}");
            },
        );
    }
}
