//! Call timeouts.

use crate::check;

// spec: A-TMO-01, A-TMO-02, A-TMO-03, A-TMO-04, A-ERR-25, D-05
#[test]
fn a_call_that_takes_too_long_ends_and_interrupts() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 1 $r {}
        wait 499ms
        bob: silent
        ann: silent
        wait 1ms
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: YIELD 1 {} [late]
        bob: silent
        bob: CALL 2 {timeout: 500} com.p
        ann: <- INVOCATION 2 $r {}
        ann: YIELD 2 {} [1]
        bob: <- RESULT 2 {} [1]
        wait 10s
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-TMO-01
#[test]
fn none_and_zero_wait_for_ever() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 0} com.p & CALL 2 {} com.p & CALL 3 {timeout: 18446744073709551615} com.p
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        ann: <- INVOCATION 3 $r {}
        wait 10s
        bob: silent
        ann: YIELD 1 {} [1] & YIELD 2 {} [2] & YIELD 3 {} [3]
        bob: <- RESULT 1 {} [1]
        bob: <- RESULT 2 {} [2]
        bob: <- RESULT 3 {} [3]
    "#,
    );
}

// spec: A-TMO-03
#[test]
fn a_callee_that_cannot_be_interrupted_is_not() {
    check(
        r#"
        ann: joins realm1 {callee: {}}
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 1 $r {}
        wait 1s
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: YIELD 1 {} [late]
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-TMO-05, A-TMO-06, A-TMO-08, A-TMO-09, A-TMO-10
#[test]
fn the_timeout_is_told_to_callees_that_mind_it() {
    check(
        r#"
        ann: joins realm1 {callee: {features: {call_timeout}}}
        bob: joins realm1 {callee: {}}
        ann: REGISTER 1 {forward_timeout} com.p -> REGISTERED 1 $p
        ann: REGISTER 2 {} com.q -> REGISTERED 2 $q
        bob: REGISTER 1 {forward_timeout} com.r -> REGISTERED 1 $r
        cyd: CALL 1 {timeout: 500} com.p & CALL 2 {timeout: 500} com.q & CALL 3 {timeout: 600} com.r
        ann: <- INVOCATION 1 $p {timeout: 500}
        ann: <- INVOCATION 2 $q {}
        bob: <- INVOCATION 1 $r {}
        ann: ERROR INVOCATION 1 {} wamp.error.timeout [mine]
        cyd: <- ERROR CALL 1 {} wamp.error.timeout [mine]
        wait 500ms
        cyd: <- ERROR CALL 2 {} wamp.error.timeout
        cyd: silent
        wait 100ms
        cyd: <- ERROR CALL 3 {} wamp.error.timeout
        ann: REGISTER 3 {forward_timeout, invoke: roundrobin} com.s -> REGISTERED 3 $s
        bob: REGISTER 2 {forward_timeout, invoke: roundrobin} com.s -> REGISTERED 2 $s
        cyd: CALL 4 {timeout: 700} com.s & CALL 5 {timeout: 700} com.s
        ann: <- INVOCATION 3 $s {timeout: 700}
        bob: <- INVOCATION 2 $s {}
        ann: YIELD 3 {}
        bob: YIELD 2 {}
        cyd: <~ RESULT 4 {}
        cyd: <~ RESULT 5 {}
    "#,
    );
}

// spec: A-PCR-12, D-05
#[test]
fn the_time_runs_anew_with_each_part() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 500, receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        wait 400ms
        ann: YIELD 1 {progress} [1]
        bob: <- RESULT 1 {progress} [1]
        wait 400ms
        ann: YIELD 1 {progress} [2]
        bob: <- RESULT 1 {progress} [2]
        wait 499ms
        bob: silent
        wait 1ms
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
    "#,
    );
}

// spec: A-TMO-02, D-05
#[test]
fn a_realm_sets_a_default_and_a_maximum() {
    check(
        r#"
        given: call_timeout_ms 300
        given: call_timeout_max_ms 1000
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p & CALL 2 {timeout: 5000} com.p & CALL 3 {timeout: 400} com.p
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        ann: <- INVOCATION 3 $r {}
        wait 300ms
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
        wait 100ms
        bob: <- ERROR CALL 3 {} wamp.error.timeout
        ann: <- INTERRUPT 3 {mode: killnowait}
        wait 599ms
        bob: silent
        wait 1ms
        bob: <- ERROR CALL 2 {} wamp.error.timeout
        ann: <- INTERRUPT 2 {mode: killnowait}
    "#,
    );
}

// spec: A-TMO-12, D-15
#[test]
fn a_timeout_that_is_no_natural_number_is_a_violation() {
    for timeout in ["-1", "1.5", "soon", "true"] {
        check(&format!(
            r#"
            ann: CALL 1 {{timeout: {timeout}}} com.p -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: A-TMO-11, A-CAN-15
#[test]
fn a_call_ends_once_whether_canceled_or_late() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        wait 500ms
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: ERROR INVOCATION 1 {} wamp.error.canceled
        bob: CALL 2 {timeout: 500} com.p
        ann: <- INVOCATION 2 $r {}
        bob: CANCEL 2 {mode: skip} -> ERROR CALL 2 {} wamp.error.canceled
        wait 1s
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-TMO-02
#[test]
fn leaving_takes_the_deadlines_along() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 1 $r {}
        bob: drops
        ann: <- INTERRUPT 1 {mode: killnowait}
        cyd: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 2 $r {}
        ann: drops
        cyd: <- ERROR CALL 1 {} wamp.error.canceled
        wait 1s
        cyd: silent
    "#,
    );
}

// spec: A-TMO-05, D-05
#[test]
fn a_callee_that_minds_the_timeout_and_does_not_keep_it_is_not_waited_for() {
    check(
        r#"
        ann: joins realm1 {callee: {features: {call_timeout, call_canceling}}}
        ann: REGISTER 1 {forward_timeout} com.p -> REGISTERED 1 $p
        bob: CALL 1 {timeout: 500} com.p
        ann: <- INVOCATION 1 $p {timeout: 500}
        wait 1s
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: ERROR INVOCATION 1 {} wamp.error.timeout
        bob: silent
    "#,
    );
}
