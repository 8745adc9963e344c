//! Canceling calls.

use crate::check;

// spec: A-CAN-01, A-CAN-04, A-CAN-06, A-CAN-08, A-CAN-16, B-RPC-30, D-03, D-08, I-03, B-ERR-07
#[test]
fn killnowait_answers_at_once_and_interrupts() {
    for options in ["{mode: killnowait}", "{}"] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            bob: CANCEL 1 {options} -> ERROR CALL 1 {{}} wamp.error.canceled
            ann: <- INTERRUPT 1 {{mode: killnowait}}
            ann: ERROR INVOCATION 1 {{}} wamp.error.canceled
            bob: silent
            ann: YIELD 1 {{}} [late]
            bob: silent
            ann: silent
            bob: CALL 2 {{}} com.p
            ann: <- INVOCATION 2 $r {{}}
            ann: YIELD 2 {{}}
            bob: <- RESULT 2 {{}}
        "#
        ));
    }
}

// spec: A-CAN-02, B-RPC-30
#[test]
fn skip_answers_at_once_and_lets_the_callee_work() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: skip} -> ERROR CALL 1 {} wamp.error.canceled
        ann: silent
        ann: YIELD 1 {} [late]
        bob: silent
    "#,
    );
}

// spec: A-CAN-03, A-CAN-14, I-08
#[test]
fn kill_interrupts_and_waits_for_the_callee() {
    for (answer, heard) in [
        (
            "ERROR INVOCATION 1 {} wamp.error.canceled [cleaned]",
            "ERROR CALL 1 {} wamp.error.canceled [cleaned]",
        ),
        ("YIELD 1 {} [done]", "RESULT 1 {} [done]"),
    ] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            bob: CANCEL 1 {{mode: kill}}
            ann: <- INTERRUPT 1 {{mode: kill}}
            bob: silent
            ann: {answer}
            bob: <- {heard}
            ann: silent
        "#
        ));
    }
}

// spec: A-CAN-05, A-FEAT-04, B-RPC-21
#[test]
fn a_callee_that_cannot_be_interrupted_is_skipped_whatever_the_mode() {
    for mode in ["kill", "killnowait", "skip"] {
        check(&format!(
            r#"
            ann: joins realm1 {{callee: {{}}}}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            bob: CANCEL 1 {{mode: {mode}}} -> ERROR CALL 1 {{}} wamp.error.canceled
            ann: silent
            ann: YIELD 1 {{}} [late]
            bob: silent
        "#
        ));
    }
}

// spec: A-FEAT-06, D-08
#[test]
fn the_other_spelling_of_canceling_counts_too() {
    check(
        r#"
        ann: joins realm1 {callee: {features: {call_cancelling}}}
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
    "#,
    );
}

// spec: A-CAN-07, D-03
#[test]
fn an_unknown_mode_is_refused_and_the_call_goes_on() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: gently} -> ERROR CANCEL 1 {} wamp.error.invalid_argument
        ann: silent
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
    "#,
    );
}

// spec: A-CAN-09, A-CAN-13, D-04, B-PERR-20
#[test]
fn canceling_what_is_over_does_nothing() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        bob: CANCEL 1 {mode: kill}
        bob: CANCEL 1 {mode: skip}
        bob: CANCEL 4711 {}
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-CAN-10, I-08
#[test]
fn a_second_cancel_may_be_more_impatient() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        bob: CANCEL 1 {mode: kill}
        ann: silent
        bob: CANCEL 1 {mode: skip} -> ERROR CALL 1 {} wamp.error.canceled
        ann: YIELD 1 {}
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-CAN-10
#[test]
fn to_kill_twice_is_to_kill_once() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill} & CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        bob: CANCEL 1 {mode: kill}
        ann: silent
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
    "#,
    );
}

// spec: A-CAN-10, B-RPC-20
#[test]
fn killing_and_then_leaving_ends_the_invocation() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        bob: drops
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: YIELD 1 {}
        ann: silent
    "#,
    );
}

// spec: A-CAN-11
#[test]
fn a_callee_that_leaves_instead_of_stopping_ends_the_call() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        ann: drops
        bob: <- ERROR CALL 1 {} wamp.error.canceled
    "#,
    );
}

// spec: A-CAN-09
#[test]
fn nobody_cancels_the_calls_of_others() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        cyd: CANCEL 1 {mode: kill} & CANCEL 1 {mode: skip}
        ann: CANCEL 1 {}
        cyd: silent
        bob: silent
        ann: silent
        ann: YIELD 1 {} [done]
        bob: <- RESULT 1 {} [done]
    "#,
    );
}

// spec: A-CAN-13
#[test]
fn an_interrupt_comes_behind_its_invocation() {
    for mode in ["kill", "killnowait"] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p & CANCEL 1 {{mode: {mode}}} & CALL 2 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            ann: <- INTERRUPT 1 {{mode: {mode}}}
            ann: <- INVOCATION 2 $r {{}}
            ann: ERROR INVOCATION 1 {{}} wamp.error.canceled
            bob: <- ERROR CALL 1 {{}} wamp.error.canceled
        "#
        ));
    }
}

// spec: A-FEAT-04
#[test]
fn only_what_is_announced_for_a_callee_counts_for_callees() {
    for roles in [
        "{callee: {}, caller: {features: {call_canceling}}}",
        "{callee: {features: {call_canceling: false}}}",
        "{callee: {features: {call_canceling: null}}}",
        "{callee: {features: {}}}",
    ] {
        check(&format!(
            r#"
            ann: joins realm1 {roles}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            bob: CANCEL 1 {{mode: kill}} -> ERROR CALL 1 {{}} wamp.error.canceled
            ann: silent
        "#
        ));
    }
}

// spec: A-FEAT-04, B-SESS-24
#[test]
fn what_a_session_announced_is_gone_with_it() {
    check(
        r#"
        ann: joins realm1 {callee: {features: {call_canceling}}}
        ann: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        ann: HELLO realm1 {roles: {callee: {}}} -> WELCOME * {..}
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CANCEL 1 {mode: kill} -> ERROR CALL 1 {} wamp.error.canceled
        ann: silent
    "#,
    );
}
