//! Progressive call invocations: calls in parts.

use crate::check;

const CALLEE: &str = "{callee: {features: {progressive_call_invocations, \
                      progressive_call_results, call_canceling}}}";
const CALLER: &str = "{caller: {features: {progressive_call_invocations, \
                      progressive_call_results, call_canceling}}}";

/// Plays `text` with ann as a callee and bob as a caller that speak in parts; ann has registered
/// `com.p` as `$r`.
fn check_parts(text: &str) {
    check(&format!(
        "ann: joins realm1 {CALLEE}\nbob: joins realm1 {CALLER}\n\
         ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r\n{text}"
    ));
}

// spec: A-PCI-01, A-PCI-05, A-PCI-06, A-PCI-10, A-PCI-17
#[test]
fn a_call_in_parts_is_one_invocation_in_parts() {
    check_parts(
        r#"
        bob: CALL 1 {progress} com.p [1] & CALL 1 {progress} com.p [2] & CALL 1 {} com.p [3]
        ann: <- INVOCATION 1 $r {progress} [1]
        ann: <- INVOCATION 1 $r {progress} [2]
        ann: <- INVOCATION 1 $r {} [3]
        ann: YIELD 1 {} [6]
        bob: <- RESULT 1 {} [6]
        bob: CALL 2 {progress} com.p & CALL 2 {progress: false} com.p
        ann: <- INVOCATION 2 $r {progress}
        ann: <- INVOCATION 2 $r {}
        bob: CALL 3 {} com.p
        ann: <- INVOCATION 3 $r {}
    "#,
    );
}

// spec: A-PCI-02
#[test]
fn a_caller_that_did_not_announce_parts_may_not_use_them() {
    check(
        r#"
        ann: CALL 1 {progress} com.p -> ABORT {message: *} wamp.error.protocol_violation
        ann: closed
    "#,
    );
}

// spec: A-PCI-01, A-PCI-04, A-ERR-31, A-FEAT-04
#[test]
fn a_callee_without_parts_is_not_called_in_parts() {
    for features in ["progressive_call_invocations", "call_canceling"] {
        check(&format!(
            r#"
            // not by long-poll: there request ids may come in any order
            ann: joins realm1 {{callee: {{features: {{{features}}}}}}}
            bob: joins realm1 {CALLER}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{progress}} com.p -> ERROR CALL 1 {{}} wamp.error.feature_not_supported
            bob: CALL 1 {{progress}} com.p & CALL 1 {{}} com.p
            bob: silent
            ann: silent
            bob: CALL 2 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
        "#
        ));
    }
}

// spec: A-PCI-07
#[test]
fn all_parts_go_to_the_same_callee() {
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        bob: joins realm1 {CALLEE}
        cyd: joins realm1 {CALLER}
        ann: REGISTER 1 {{invoke: roundrobin}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: roundrobin}} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {{progress}} com.p [1]
        ann: <- INVOCATION 1 $r {{progress}} [1]
        cyd: CALL 2 {{progress}} com.p [a]
        bob: <- INVOCATION 1 $r {{progress}} [a]
        cyd: CALL 1 {{progress}} com.p [2] & CALL 2 {{}} com.p [b] & CALL 1 {{}} com.p [3]
        ann: <- INVOCATION 1 $r {{progress}} [2]
        ann: <- INVOCATION 1 $r {{}} [3]
        bob: <- INVOCATION 1 $r {{}} [b]
    "#
    ));
}

// spec: A-PCI-08, A-PCI-19
#[test]
fn the_first_part_sets_the_options() {
    check_parts(
        r#"
        bob: CALL 1 {progress, receive_progress, disclose_me, timeout: 500} com.p [1]
        ann: <- INVOCATION 1 $r {progress, receive_progress, caller: $bob, caller_authid: *, caller_authrole: anonymous} [1]
        bob: CALL 1 {progress, timeout: 9000} com.p [2]
        ann: <- INVOCATION 1 $r {progress, receive_progress, caller: $bob, caller_authid: *, caller_authrole: anonymous} [2]
        wait 400ms
        bob: CALL 1 {receive_progress: false} com.p [3]
        ann: <- INVOCATION 1 $r {receive_progress, caller: $bob, caller_authid: *, caller_authrole: anonymous} [3]
        wait 100ms
        bob: <- ERROR CALL 1 {} wamp.error.timeout
        ann: <- INTERRUPT 1 {mode: killnowait}
    "#,
    );
}

// spec: A-PCI-09, A-PCI-10
#[test]
fn a_part_must_fit_to_what_is_under_way() {
    for offence in [
        "CALL 3 {progress} com.p",
        "CALL 1 {} com.other",
        "CALL 1 {progress} com.other",
        "CALL 1 {} com.p & CALL 1 {} com.p",
        "CALL 2 {} com.p & CALL 2 {progress} com.p",
        "CALL 0 {} com.p",
    ] {
        check_parts(&format!(
            r#"
            // not by long-poll: there request ids may come in any order
            bob: CALL 1 {{progress}} com.p
            ann: <- INVOCATION 1 $r {{progress}}
            bob: {offence} -> ABORT {{message: *}} wamp.error.protocol_violation
            bob: closed
            ann: <~ INTERRUPT 1 {{mode: killnowait}}
            ann: drops
        "#
        ));
    }
}

// spec: A-PCI-11, A-PCI-12, A-PCI-13, A-PCI-15, A-PCI-16
#[test]
fn parts_behind_the_end_are_dropped() {
    check_parts(
        r#"
        // not by long-poll: there request ids may come in any order
        bob: CALL 1 {progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress} [1]
        ann: YIELD 1 {} [enough]
        bob: <- RESULT 1 {} [enough]
        bob: CALL 1 {progress} com.p [2] & CALL 1 {} com.p [3]
        bob: silent
        ann: silent
        bob: CALL 2 {progress} com.p [1]
        ann: <- INVOCATION 2 $r {progress} [1]
        ann: ERROR INVOCATION 2 {} my.error
        bob: <- ERROR CALL 2 {} my.error
        bob: CALL 2 {progress} com.p [2]
        bob: silent
        bob: SUBSCRIBE 3 {} com.t -> SUBSCRIBED 3 *
        bob: CALL 3 {progress} com.p
        bob: CALL 4 {progress} com.p [1]
        ann: <- INVOCATION 3 $r {progress} [1]
        ann: drops
        bob: <- ERROR CALL 4 {} wamp.error.canceled
        bob: CALL 4 {} com.p [2]
        bob: silent
    "#,
    );
}

// spec: A-PCI-14
#[test]
fn parts_flow_both_ways_at_once() {
    check_parts(
        r#"
        bob: CALL 1 {progress, receive_progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress, receive_progress} [1]
        ann: YIELD 1 {progress} [a] & YIELD 1 {progress} [b]
        bob: <- RESULT 1 {progress} [a]
        bob: <- RESULT 1 {progress} [b]
        bob: CALL 1 {progress} com.p [2] & CALL 1 {} com.p [3]
        ann: <- INVOCATION 1 $r {progress, receive_progress} [2]
        ann: <- INVOCATION 1 $r {receive_progress} [3]
        ann: YIELD 1 {progress} [c] & YIELD 1 {} [d]
        bob: <- RESULT 1 {progress} [c]
        bob: <- RESULT 1 {} [d]
    "#,
    );
}

// spec: A-PCI-16
#[test]
fn leaving_between_two_parts() {
    check_parts(
        r#"
        bob: CALL 1 {progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress} [1]
        bob: drops
        ann: <- INTERRUPT 1 {mode: killnowait}
        ann: YIELD 1 {} [1]
        ann: silent
    "#,
    );
}

// spec: A-PCI-12, A-CAN-04
#[test]
fn canceling_between_two_parts() {
    check_parts(
        r#"
        // not by long-poll: there request ids may come in any order
        bob: CALL 1 {progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress} [1]
        bob: CANCEL 1 {} -> ERROR CALL 1 {} wamp.error.canceled
        ann: <- INTERRUPT 1 {mode: killnowait}
        bob: CALL 1 {} com.p [2]
        bob: silent
        ann: silent
    "#,
    );
}

// spec: A-PCI-05, X-OPT-02
#[test]
fn parts_of_what_is_running_overtake_calls_that_wait() {
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        bob: joins realm1 {CALLER}
        ann: REGISTER 1 {{concurrency: 1}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{progress}} com.p [1]
        bob: CALL 2 {{progress}} com.p [a] & CALL 2 {{}} com.p [b]
        bob: CALL 1 {{}} com.p [2]
        ann: <- INVOCATION 1 $r {{progress}} [1]
        ann: <- INVOCATION 1 $r {{}} [2]
        ann: silent
        ann: YIELD 1 {{}} [3]
        bob: <- RESULT 1 {{}} [3]
        ann: <- INVOCATION 2 $r {{progress}} [a]
        ann: <- INVOCATION 2 $r {{}} [b]
        ann: YIELD 2 {{}} [c]
        bob: <- RESULT 2 {{}} [c]
    "#
    ));
}

// spec: A-PCI-05, A-PCI-17, X-OPT-02
#[test]
fn parts_of_what_waits_go_out_with_it_whatever_was_called_between_them() {
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        bob: joins realm1 {CALLER}
        ann: REGISTER 1 {{concurrency: 1}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{}} com.p [1]
        ann: <- INVOCATION 1 $r {{}} [1]
        bob: CALL 2 {{progress}} com.p [a] & CALL 3 {{}} com.p [3] & CALL 2 {{progress}} com.p [b]
        ann: silent
        ann: YIELD 1 {{}} [1]
        bob: <- RESULT 1 {{}} [1]
        ann: <- INVOCATION 2 $r {{progress}} [a]
        ann: <- INVOCATION 2 $r {{progress}} [b]
        bob: CALL 2 {{progress}} com.p [c]
        ann: <- INVOCATION 2 $r {{progress}} [c]
        bob: CANCEL 2 {{}} -> ERROR CALL 2 {{}} wamp.error.canceled
        ann: <- INTERRUPT 2 {{mode: killnowait}}
        ann: <- INVOCATION 3 $r {{}} [3]
        ann: YIELD 3 {{}} [3]
        bob: <- RESULT 3 {{}} [3]
    "#
    ));
}

// spec: A-PCI-11, A-PCI-12
#[test]
fn parts_behind_the_end_are_dropped_whatever_ids_callers_use() {
    check(&format!(
        r#"
        given: any_request_ids
        ann: joins realm1 {CALLEE}
        bob: joins realm1 {CALLER}
        ann: REGISTER 77 {{}} com.p -> REGISTERED 77 $r
        bob: CALL 500 {{progress}} com.p [1]
        ann: <- INVOCATION 1 $r {{progress}} [1]
        ann: YIELD 1 {{}} [enough]
        bob: <- RESULT 500 {{}} [enough]
        bob: CALL 500 {{progress}} com.p [2] & CALL 500 {{}} com.p [3]
        bob: silent
        ann: silent
        bob: CALL 500 {{}} com.p [again]
        ann: <- INVOCATION 2 $r {{}} [again]
        ann: YIELD 2 {{}}
        bob: <- RESULT 500 {{}}
    "#
    ));
}

// spec: A-PCI-08
#[test]
fn options_of_later_parts_are_ignored() {
    check_parts(
        r#"
        given: disclosure_denied
        bob: CALL 1 {progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress} [1]
        bob: CALL 1 {progress, receive_progress, disclose_me, timeout: 1, _mine: 1} com.p [2]
        ann: <- INVOCATION 1 $r {progress} [2]
        wait 1s
        bob: CALL 1 {disclose_me, rkey: 1, runmode: partition} com.p [3]
        ann: <- INVOCATION 1 $r {} [3]
        ann: YIELD 1 {progress} [unasked]
        bob: silent
        ann: YIELD 1 {} [4]
        bob: <- RESULT 1 {} [4]
    "#,
    );
}

// spec: A-PCI-09, A-PCI-13
#[test]
fn between_two_parts_other_requests_go_on_counting() {
    check_parts(
        r#"
        // not by long-poll: there request ids may come in any order
        bob: CALL 1 {progress} com.p [1]
        bob: SUBSCRIBE 2 {} com.t -> SUBSCRIBED 2 *
        bob: CALL 3 {progress} com.p [a]
        bob: CALL 1 {progress} com.p [2]
        bob: PUBLISH 4 {acknowledge} com.u -> PUBLISHED 4 *
        bob: CALL 3 {} com.p [b] & CALL 1 {} com.p [3]
        ann: <- INVOCATION 1 $r {progress} [1]
        ann: <- INVOCATION 2 $r {progress} [a]
        ann: <- INVOCATION 1 $r {progress} [2]
        ann: <- INVOCATION 2 $r {} [b]
        ann: <- INVOCATION 1 $r {} [3]
        bob: CALL 6 {progress} com.p -> ABORT {message: *} wamp.error.protocol_violation
        bob: closed
        ann: <~ INTERRUPT 1 {mode: killnowait}
        ann: <~ INTERRUPT 2 {mode: killnowait}
    "#,
    );
}

// spec: A-PCI-18, A-RRT-06
#[test]
fn what_came_in_parts_is_not_rerouted() {
    let callee = "{callee: {features: {call_reroute, progressive_call_invocations, \
                  call_canceling}}}";
    check(&format!(
        r#"
        ann: joins realm1 {callee}
        bob: joins realm1 {callee}
        cyd: joins realm1 {CALLER}
        ann: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {{progress}} com.p [1] & CALL 1 {{progress}} com.p [2]
        ann: <- INVOCATION 1 $r {{progress}} [1]
        ann: <- INVOCATION 1 $r {{progress}} [2]
        ann: ERROR INVOCATION 1 {{}} wamp.error.unavailable
        cyd: <- ERROR CALL 1 {{}} wamp.error.unavailable
        cyd: CALL 1 {{}} com.p [3]
        cyd: silent
        bob: silent
    "#
    ));
}
