//! Progressive call results.

use crate::check;

// spec: A-PCR-03, A-PCR-04, A-PCR-05, A-PCR-06, A-PCR-07, G-21, I-02
#[test]
fn results_in_parts_arrive_in_order_and_the_last_is_final() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        ann: YIELD 1 {progress} [1]
        bob: <- RESULT 1 {progress} [1]
        ann: YIELD 1 {progress} [2] & YIELD 1 {progress} & YIELD 1 {progress: false} [] {"all": 4}
        bob: <- RESULT 1 {progress} [2]
        bob: <- RESULT 1 {progress}
        bob: <- RESULT 1 {} [] {"all": 4}
        ann: YIELD 1 {progress} [5]
        ann: YIELD 1 {} [6]
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-PCR-04
#[test]
fn an_error_may_end_the_parts() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        ann: YIELD 1 {progress} [1]
        bob: <- RESULT 1 {progress} [1]
        ann: ERROR INVOCATION 1 {} my.error
        bob: <- ERROR CALL 1 {} my.error
    "#,
    );
}

// spec: A-PCR-08
#[test]
fn parts_that_nobody_asked_for_are_not_delivered() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {progress} [1]
        bob: silent
        ann: YIELD 1 {} [2]
        bob: <- RESULT 1 {} [2]
    "#,
    );
}

// spec: A-PCR-02, A-PCR-09, A-FEAT-04
#[test]
fn a_callee_that_did_not_announce_parts_is_not_asked_for_them() {
    for callee in ["{}", "{features: {progressive_call_results}}", "{features: {call_canceling}}"] {
        check(&format!(
            r#"
            ann: joins realm1 {{callee: {callee}}}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{receive_progress}} com.p
            ann: <- INVOCATION 1 $r {{}}
            ann: YIELD 1 {{}} [1]
            bob: <- RESULT 1 {{}} [1]
        "#
        ));
    }
}

// spec: A-PCR-10, A-PCR-11, B-RPC-23, B-RPC-26, B-RPC-32
#[test]
fn leaving_in_the_middle_of_the_parts() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {receive_progress} com.p
        cyd: CALL 1 {receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        ann: <- INVOCATION 2 $r {receive_progress}
        ann: YIELD 1 {progress} [1] & YIELD 2 {progress} [2]
        bob: <- RESULT 1 {progress} [1]
        cyd: <- RESULT 1 {progress} [2]
        bob: drops
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: YIELD 1 {progress} [3] & YIELD 1 {progress} [4] & YIELD 1 {}
        ann: drops
        cyd: <- ERROR CALL 1 {} wamp.error.canceled
    "#,
    );
}

// spec: B-RPC-30, I-08
#[test]
fn canceling_in_the_middle_of_the_parts() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {receive_progress} com.p & CALL 2 {receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        ann: <- INVOCATION 2 $r {receive_progress}
        ann: YIELD 1 {progress} [1] & YIELD 2 {progress} [2]
        bob: <- RESULT 1 {progress} [1]
        bob: <- RESULT 2 {progress} [2]
        bob: CANCEL 1 {mode: killnowait} -> ERROR CALL 1 {} wamp.error.canceled
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: YIELD 1 {progress} [3]
        bob: silent
        bob: CANCEL 2 {mode: kill}
        ann: <- INTERRUPT 2 {mode: kill}
        ann: YIELD 2 {progress} [4]
        bob: <- RESULT 2 {progress} [4]
        ann: YIELD 2 {} [5]
        bob: <- RESULT 2 {} [5]
    "#,
    );
}

// spec: A-RAW-11, B-ERR-08
#[test]
fn a_part_that_is_too_long_fails_the_call() {
    let long = "x".repeat(600);
    check(&format!(
        r#"
        ann: connects {{transport: rawsocket, max: 512}}
        ann: HELLO realm1 {{roles: {{caller: {{}}}}}} -> WELCOME * {{..}}
        bob: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
        ann: CALL 1 {{receive_progress}} com.p
        bob: <- INVOCATION 1 $p {{receive_progress}}
        bob: YIELD 1 {{progress}} ["{long}"]
        ann: <- ERROR CALL 1 {{}} wamp.error.payload_size_exceeded
        bob: <- INTERRUPT 1 {{mode: killnowait}}
        bob: YIELD 1 {{progress}} [2] & YIELD 1 {{}} [3]
        ann: silent
    "#
    ));
}

// spec: A-PCR-10, B-RPC-20, B-RPC-22, B-RPC-32
#[test]
fn a_callee_survives_that_its_caller_leaves_in_the_middle() {
    for end in ["drops", "ABORT {} a.b", "GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out"]
    {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{receive_progress}} com.p
            cyd: CALL 1 {{receive_progress}} com.p
            ann: <- INVOCATION 1 $r {{receive_progress}}
            ann: <- INVOCATION 2 $r {{receive_progress}}
            ann: YIELD 1 {{progress}} [1] & YIELD 2 {{progress}} [1]
            bob: <- RESULT 1 {{progress}} [1]
            cyd: <- RESULT 1 {{progress}} [1]
            bob: {end}
            ann: <- INTERRUPT 1 {{mode: killnowait}}
            ann: YIELD 1 {{progress}} [2] & YIELD 2 {{progress}} [2] & YIELD 1 {{progress}} [3]
            cyd: <- RESULT 1 {{progress}} [2]
            ann: ERROR INVOCATION 1 {{}} wamp.error.canceled
            ann: YIELD 2 {{}} [3]
            cyd: <- RESULT 1 {{}} [3]
            ann: silent
            dan: CALL 1 {{}} com.p
            ann: <- INVOCATION 3 $r {{}}
        "#
        ));
    }
}
