//! Rerouting: callees that decline a call so that another gets it.

use crate::call::ends_count;
use crate::{check, check_often};

const CALLEE: &str = "{callee: {features: {call_reroute, call_canceling, \
                      progressive_call_results}}}";

/// Plays `text` with three callees that share `com.p` as `$r`, in this order: ann, bob, cyd.
fn check_shared(invoke: &str, text: &str) {
    let join = |name: &str| {
        format!(
            "{name}: joins realm1 {CALLEE}\n\
             {name}: REGISTER 1 {{invoke: {invoke}}} com.p -> REGISTERED 1 $r\n"
        )
    };
    check(&format!("{}{}{}{text}", join("ann"), join("bob"), join("cyd")));
}

// spec: A-RRT-01, A-RRT-03, A-RRT-06, A-ERR-29
#[test]
fn the_next_in_turn_gets_what_one_declined() {
    check_shared(
        "roundrobin",
        r#"
        dan: CALL 1 {} com.p [1] {"a": 2}
        ann: <- INVOCATION 1 $r {} [1] {"a": 2}
        ann: ERROR INVOCATION 1 {} wamp.error.unavailable
        bob: <- INVOCATION 1 $r {} [1] {"a": 2}
        bob: YIELD 1 {} [done]
        dan: <- RESULT 1 {} [done]
        ann: silent
        dan: CALL 2 {} com.p
        bob: <- INVOCATION 2 $r {}
        bob: YIELD 2 {}
        dan: <- RESULT 2 {}
    "#,
    );
}

// spec: A-RRT-03
#[test]
fn first_goes_on_and_last_goes_back() {
    check_shared(
        "first",
        r#"
        dan: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: ERROR INVOCATION 1 {} wamp.error.unavailable
        bob: <- INVOCATION 1 $r {}
        bob: ERROR INVOCATION 1 {} wamp.error.unavailable
        cyd: <- INVOCATION 1 $r {}
        cyd: YIELD 1 {} [1]
        dan: <- RESULT 1 {} [1]
    "#,
    );
    check_shared(
        "last",
        r#"
        dan: CALL 1 {} com.p
        cyd: <- INVOCATION 1 $r {}
        cyd: ERROR INVOCATION 1 {} wamp.error.unavailable
        bob: <- INVOCATION 1 $r {}
        bob: ERROR INVOCATION 1 {} wamp.error.unavailable
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {} [1]
        dan: <- RESULT 1 {} [1]
    "#,
    );
}

// spec: A-RRT-02, A-RRT-04, A-ERR-30
#[test]
fn when_all_decline_the_caller_hears_so() {
    check_shared(
        "first",
        r#"
        dan: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: ERROR INVOCATION 1 {} wamp.error.unavailable
        bob: <- INVOCATION 1 $r {}
        bob: ERROR INVOCATION 1 {} wamp.error.unavailable
        cyd: <- INVOCATION 1 $r {}
        cyd: ERROR INVOCATION 1 {} wamp.error.unavailable
        dan: <- ERROR CALL 1 {} wamp.error.no_available_callee
        ann: silent
    "#,
    );
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        bob: <- ERROR CALL 1 {{}} wamp.error.no_available_callee
    "#
    ));
}

// spec: A-RRT-05, A-ERR-29, A-FEAT-04
#[test]
fn without_the_feature_it_is_an_error_like_any_other() {
    check(&format!(
        r#"
        ann: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable [why]
        cyd: <- ERROR CALL 1 {{}} wamp.error.unavailable [why]
        bob: silent
        dan: joins realm1 {CALLEE}
        dan: REGISTER 1 {{invoke: first}} com.q -> REGISTERED 1 $q
        ann: REGISTER 2 {{invoke: first}} com.q -> REGISTERED 2 $q
        bob: REGISTER 2 {{invoke: first}} com.q -> REGISTERED 2 $q
        cyd: CALL 2 {{}} com.q
        dan: <- INVOCATION 1 $q {{}}
        dan: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        ann: <- INVOCATION 2 $q {{}}
        ann: ERROR INVOCATION 2 {{}} wamp.error.unavailable [mine]
        cyd: <- ERROR CALL 2 {{}} wamp.error.unavailable [mine]
        bob: silent
    "#
    ));
}

// spec: A-RRT-06
#[test]
fn behind_a_first_part_nothing_is_rerouted() {
    check_shared(
        "first",
        r#"
        dan: CALL 1 {receive_progress} com.p
        ann: <- INVOCATION 1 $r {receive_progress}
        ann: YIELD 1 {progress} [1]
        dan: <- RESULT 1 {progress} [1]
        ann: ERROR INVOCATION 1 {} wamp.error.unavailable
        dan: <- ERROR CALL 1 {} wamp.error.unavailable
        bob: silent
    "#,
    );
}

// spec: A-RRT-07
#[test]
fn nothing_falls_through_to_another_registration() {
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{match: prefix}} com -> REGISTERED 1 $s
        cyd: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        cyd: <- ERROR CALL 1 {{}} wamp.error.no_available_callee
        bob: silent
    "#
    ));
}

// spec: A-RRT-01, A-CAN-03
#[test]
fn what_is_canceled_is_not_rerouted() {
    check_shared(
        "first",
        r#"
        dan: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        dan: CANCEL 1 {mode: kill}
        ann: <- INTERRUPT 1 {mode: kill}
        ann: ERROR INVOCATION 1 {} wamp.error.unavailable
        dan: <- ERROR CALL 1 {} wamp.error.unavailable
        bob: silent
    "#,
    );
}

// spec: A-RRT-01, A-CID-05, A-PCR-02, A-TMO-10
#[test]
fn each_callee_gets_the_details_that_it_wants() {
    check(&format!(
        r#"
        ann: joins realm1 {{callee: {{features: {{call_reroute, call_timeout}}}}}}
        bob: joins realm1 {CALLEE}
        ann: REGISTER 1 {{invoke: first, disclose_caller, forward_timeout}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {{receive_progress, timeout: 500}} com.p
        ann: <- INVOCATION 1 $r {{timeout: 500, caller: $cyd, caller_authid: *, caller_authrole: *}}
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        bob: <- INVOCATION 1 $r {{receive_progress}}
        bob: YIELD 1 {{progress}} [1] & YIELD 1 {{}} [2]
        cyd: <- RESULT 1 {{progress}} [1]
        cyd: <- RESULT 1 {{}} [2]
    "#
    ));
}

// spec: A-RRT-01, A-TMO-02, A-CAN-04
#[test]
fn a_call_that_was_rerouted_ends_like_any_other() {
    for end in [
        "wait 100ms\ndan: <- ERROR CALL 1 {} wamp.error.timeout",
        "dan: CANCEL 1 {} -> ERROR CALL 1 {} wamp.error.canceled",
        "dan: drops",
    ] {
        check_shared(
            "first",
            &format!(
                r#"
                dan: CALL 1 {{timeout: 500}} com.p
                ann: <- INVOCATION 1 $r {{}}
                wait 400ms
                ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
                bob: <- INVOCATION 1 $r {{}}
                {end}
                bob: <- INTERRUPT 1 {{mode: killnowait}}
                bob: ERROR INVOCATION 1 {{}} wamp.error.unavailable
                ann: silent
                cyd: silent
            "#
            ),
        );
    }
}

// spec: A-RRT-01, A-RRT-04, B-RPC-13
#[test]
fn what_crosses_a_rerouted_call_leaves_it_one_answer() {
    for (who, what) in [
        ("dan", "CANCEL 1 {mode: skip}"),
        ("dan", "CANCEL 1 {mode: killnowait}"),
        ("bob", "ABORT {} my.reason"),
        ("bob", "GOODBYE {} my.reason"),
    ] {
        check_often(
            &format!(
                r#"
                dan: joins realm1
                ann: joins realm1 {CALLEE}
                bob: joins realm1 {CALLEE}
                ann: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
                bob: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
                dan: CALL 1 {{}} com.p
                ann: <- INVOCATION 1 $r {{}}
                ann: begins ERROR INVOCATION 1 {{}} wamp.error.unavailable
                {who}: begins {what}
                ann: hears all $ann
                bob: hears all $bob
                dan: hears all $dan
            "#
            ),
            5,
            |bindings| assert_eq!(ends_count(&bindings["dan"]), 1, "{who}: {what}"),
        );
    }
}

// spec: A-RRT-03, A-PPT-06
#[test]
fn a_callee_that_could_not_take_the_call_is_passed_over() {
    let able = "{callee: {features: {call_reroute, payload_passthru_mode}}}";
    check(&format!(
        r#"
        ann: joins realm1 {able}
        bob: joins realm1 {CALLEE}
        cyd: joins realm1 {able}
        dan: joins realm1 {{caller: {{features: {{payload_passthru_mode}}}}}}
        ann: REGISTER 1 {{invoke: roundrobin}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: roundrobin}} com.p -> REGISTERED 1 $r
        cyd: REGISTER 1 {{invoke: roundrobin}} com.p -> REGISTERED 1 $r
        dan: CALL 1 {{ppt_scheme: x_a}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 1 $r {{ppt_scheme: x_a}} ["\u0000AQL/"]
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        cyd: <- INVOCATION 1 $r {{ppt_scheme: x_a}} ["\u0000AQL/"]
        cyd: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        dan: <- ERROR CALL 1 {{}} wamp.error.no_available_callee
        bob: silent
    "#
    ));
}
