//! Callees that take only so many calls at a time.

use crate::check;

// spec: X-OPT-02
#[test]
fn a_busy_callee_gets_the_next_call_when_it_has_finished_one() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 2} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p [1] & CALL 2 {} com.p [2] & CALL 3 {} com.p [3]
        cyd: CALL 1 {} com.p [4]
        ann: <- INVOCATION 1 $r {} [1]
        ann: <- INVOCATION 2 $r {} [2]
        ann: silent
        ann: YIELD 2 {} [b]
        bob: <- RESULT 2 {} [b]
        ann: <- INVOCATION 3 $r {} *
        ann: silent
        ann: ERROR INVOCATION 1 {} my.error
        bob: <- ERROR CALL 1 {} my.error
        ann: <- INVOCATION 4 $r {} *
    "#,
    );
}

// spec: X-OPT-02
#[test]
fn a_busy_procedure_does_not_hold_up_another() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 1} com.p -> REGISTERED 1 $p
        ann: REGISTER 2 {} com.q -> REGISTERED 2 $q
        bob: CALL 1 {} com.p & CALL 2 {} com.p [2] & CALL 3 {} com.q [3]
        ann: <- INVOCATION 1 $p {}
        ann: silent
        cyd: CALL 1 {} com.q [c]
        ann: <- INVOCATION 2 $q {} [c]
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        ann: <- INVOCATION 3 $p {} [2]
        ann: <- INVOCATION 4 $q {} [3]
    "#,
    );
}

// spec: X-OPT-02
#[test]
fn what_waits_can_be_canceled_and_is_answered_when_the_callee_goes() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 1} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p & CALL 2 {} com.p & CALL 3 {} com.p & CALL 4 {} com.p & CALL 5 {timeout: 500} com.p
        ann: <- INVOCATION 1 $p {}
        bob: CANCEL 2 {mode: kill} -> ERROR CALL 2 {} wamp.error.canceled
        bob: CANCEL 3 {mode: skip} -> ERROR CALL 3 {} wamp.error.canceled
        wait 500ms
        bob: <- ERROR CALL 5 {} wamp.error.timeout
        ann: silent
        ann: drops
        bob: <~ ERROR CALL 1 {} wamp.error.canceled
        bob: <~ ERROR CALL 4 {} wamp.error.canceled
    "#,
    );
}

// spec: X-OPT-02
#[test]
fn so_many_calls_wait_and_no_more() {
    check(
        r#"
        given: calls_queued_max 1
        ann: REGISTER 1 {concurrency: 1} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p & CALL 2 {} com.p & CALL 3 {} com.p
        ann: <- INVOCATION 1 $p {}
        bob: <- ERROR CALL 3 {} gigawamp.error.limit_exceeded
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        ann: <- INVOCATION 2 $p {}
    "#,
    );
}

// spec: X-OPT-02, B-RPC-06
#[test]
fn what_waits_is_answered_when_the_registration_goes() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 1} com.p -> REGISTERED 1 $p
        bob: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $p {}
        ann: UNREGISTER 2 $p -> UNREGISTERED 2
        bob: <- ERROR CALL 2 {} wamp.error.no_such_procedure
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
    "#,
    );
}

// spec: X-OPT-02, A-PPT-04
#[test]
fn an_answer_in_part_that_is_refused_lets_the_next_call_go() {
    check(
        r#"
        ann: joins realm1 {callee: {features: {payload_passthru_mode, progressive_call_results, call_canceling}}}
        bob: joins realm1 {caller: {features: {progressive_call_results}}}
        ann: REGISTER 1 {concurrency: 1} com.p -> REGISTERED 1 $p
        bob: CALL 1 {receive_progress} com.p & CALL 2 {} com.p [2]
        ann: <- INVOCATION 1 $p {receive_progress}
        ann: YIELD 1 {progress, ppt_scheme: x_a} ["\u0000AQL/"] -> ERROR YIELD 1 {} wamp.error.feature_not_supported
        ann: <- INVOCATION 2 $p {} [2]
        bob: <- ERROR CALL 1 {} wamp.error.feature_not_supported
        ann: YIELD 2 {}
        bob: <- RESULT 2 {}
    "#,
    );
}

// spec: X-OPT-02, A-PCI-05
#[test]
fn a_part_for_which_there_is_no_room_takes_the_parts_before_it_along() {
    let parts = "progressive_call_invocations, progressive_call_results, call_canceling";
    check(&format!(
        r#"
        given: calls_queued_max 2
        ann: joins realm1 {{callee: {{features: {{{parts}}}}}}}
        bob: joins realm1 {{caller: {{features: {{{parts}}}}}}}
        ann: REGISTER 1 {{concurrency: 1}} com.p -> REGISTERED 1 $p
        cyd: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $p {{}}
        bob: CALL 1 {{progress}} com.p [1] & CALL 1 {{progress}} com.p [2] & CALL 1 {{progress}} com.p [3]
        bob: <- ERROR CALL 1 {{}} gigawamp.error.limit_exceeded
        bob: CALL 1 {{}} com.p [4]
        cyd: CALL 2 {{}} com.p [c]
        ann: YIELD 1 {{}}
        cyd: <- RESULT 1 {{}}
        ann: <- INVOCATION 2 $p {{}} [c]
        ann: YIELD 2 {{}}
        cyd: <- RESULT 2 {{}}
        ann: silent
    "#
    ));
}

// spec: X-OPT-02
#[test]
fn a_callee_that_takes_none_is_refused() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 0} com.p -> ERROR REGISTER 1 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: X-OPT-02
#[test]
fn what_ran_before_counts_after_registering_again() {
    check(
        r#"
        ann: REGISTER 1 {concurrency: 1, invoke: first} com.p -> REGISTERED 1 $p
        bob: REGISTER 1 {invoke: first} com.p -> REGISTERED 1 $p
        cyd: CALL 1 {} com.p
        ann: <- INVOCATION 1 $p {}
        ann: UNREGISTER 2 $p -> UNREGISTERED 2
        ann: REGISTER 3 {concurrency: 1, invoke: first} com.p -> REGISTERED 3 $p
        bob: UNREGISTER 2 $p -> UNREGISTERED 2
        cyd: CALL 2 {} com.p
        ann: silent
        ann: YIELD 1 {}
        cyd: <- RESULT 1 {}
        ann: <- INVOCATION 2 $p {}
    "#,
    );
}
