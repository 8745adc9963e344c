//! Authorizers: procedures that decide what sessions may do.

use crate::check;

const GIVEN: &str = "
    given: authorizer judge com.judge
    given: allow register *
    given: allow publish,subscribe com.free.*
    given: ask call,publish,subscribe com.asked.* judge
";

// spec: A-AUZ-05, A-AUZ-02
#[test]
fn an_authorizer_decides() {
    check(&format!(
        r#"{GIVEN}
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        ann: REGISTER 2 {{}} com.asked.p -> REGISTERED 2 $p
        bob: CALL 1 {{}} com.asked.p [1]
        ann: <- INVOCATION 1 $j {{}} [{{session: $bob, realm: *, authid: *, authrole: anonymous, authmethod: anonymous, authprovider: *}}, com.asked.p, call, {{}}]
        ann: YIELD 1 {{}} [true]
        ann: <- INVOCATION 2 $p {{}} [1]
        ann: YIELD 2 {{}} [2]
        bob: <- RESULT 1 {{}} [2]
        bob: CALL 2 {{}} com.asked.p
        ann: <- INVOCATION 3 $j {{}} *
        ann: YIELD 3 {{}} [false]
        bob: <- ERROR CALL 2 {{}} wamp.error.not_authorized
        bob: SUBSCRIBE 3 {{match: prefix}} com.asked.a
        ann: <- INVOCATION 4 $j {{}} [{{session: $bob, ..}}, com.asked.a, subscribe, {{match: prefix}}]
        ann: YIELD 4 {{}} [{{"allow": true, "cache": false}}]
        bob: <- SUBSCRIBED 3 $s
        bob: PUBLISH 4 {{exclude_me: false}} com.asked.abc
        ann: <- INVOCATION 5 $j {{}} [{{session: $bob, ..}}, com.asked.abc, publish, {{}}]
        ann: YIELD 5 {{}} [{{"allow": true, "disclose": true}}]
        bob: <- EVENT $s * {{topic: com.asked.abc, publisher: $bob, publisher_authid: *, publisher_authrole: anonymous}}
        bob: PUBLISH 5 {{}} com.asked.abc
        ann: <- INVOCATION 6 $j {{}} *
        ann: ERROR INVOCATION 6 {{}} com.no
        bob: silent
    "#
    ));
}

// spec: A-AUZ-04, B-ERR-14
#[test]
fn who_cannot_be_asked_says_no() {
    for answer in ["YIELD 1 {} [7]", "YIELD 1 {} [{\"allow\": 1}]", "YIELD 1 {} []"] {
        check(&format!(
            r#"{GIVEN}
            ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
            bob: CALL 1 {{}} com.asked.p
            ann: <- INVOCATION 1 $j {{}} *
            ann: {answer}
            bob: <- ERROR CALL 1 {{}} wamp.error.authorization_failed
        "#
        ));
    }
    check(&format!(
        r#"{GIVEN}
        bob: CALL 1 {{}} com.asked.p -> ERROR CALL 1 {{}} wamp.error.authorization_failed
        bob: PUBLISH 2 {{acknowledge}} com.asked.t -> ERROR PUBLISH 2 {{}} wamp.error.authorization_failed
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 3 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        ann: drops
        bob: <- ERROR CALL 3 {{}} wamp.error.authorization_failed
    "#
    ));
}

// spec: A-AUZ-04, B-ERR-14
#[test]
fn an_authorizer_has_only_so_much_time() {
    check(&format!(
        r#"{GIVEN}
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        wait 6s
        ann: <- INTERRUPT 1 *
        bob: <- ERROR CALL 1 {{}} wamp.error.authorization_failed
        ann: YIELD 1 {{}} [true]
        bob: silent
    "#
    ));
}

// spec: A-AUZ-07
#[test]
fn a_session_waits_and_nobody_else() {
    check(&format!(
        r#"{GIVEN}
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        cyd: SUBSCRIBE 1 {{match: prefix}} com.free. -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {{}} com.free.a [1] & CALL 2 {{}} com.asked.p & PUBLISH 3 {{}} com.free.a [3] & PUBLISH 4 {{acknowledge}} com.free.b [4]
        cyd: <- EVENT $s * {{topic: com.free.a}} [1]
        ann: <- INVOCATION 1 $j {{}} *
        cyd: silent
        bob: silent
        dan: PUBLISH 1 {{}} com.free.c
        cyd: <- EVENT $s * {{topic: com.free.c}}
        bob: PUBLISH 5 {{}} com.free.a [5]
        cyd: silent
        ann: YIELD 1 {{}} [false]
        bob: <- ERROR CALL 2 {{}} wamp.error.not_authorized
        bob: <- PUBLISHED 4 *
        cyd: <- EVENT $s * {{topic: com.free.a}} [3]
        cyd: <- EVENT $s * {{topic: com.free.b}} [4]
        cyd: <- EVENT $s * {{topic: com.free.a}} [5]
    "#
    ));
}

// spec: A-AUZ-07
#[test]
fn who_leaves_waits_for_nothing() {
    check(&format!(
        r#"{GIVEN}
        ann: joins realm1 {{callee: {{features: {{call_canceling}}}}}}
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p & GOODBYE {{}} wamp.close.normal
        ann: <- INVOCATION 1 $j {{}} *
        bob: silent
        ann: YIELD 1 {{}} [false]
        bob: <- ERROR CALL 1 {{}} wamp.error.not_authorized
        bob: <- GOODBYE {{}} wamp.close.goodbye_and_out
        cyd: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 2 $j {{}} *
        cyd: drops
        ann: <- INTERRUPT 2 *
        ann: YIELD 2 {{}} [true]
        ann: silent
    "#
    ));
}

#[test]
fn who_waits_hears_of_it_before_its_realm_is_removed() {
    // On another shard the authorizer may be gone first.
    check_while_waiting(
        r"
        reload without realm1
        bob: <- ERROR CALL 1 {} *
        bob: <- GOODBYE {} wamp.close.close_realm
        ann: <~ GOODBYE {} wamp.close.close_realm
    ",
    );
}

// spec: A-AUZ-07
#[test]
fn who_waits_hears_of_it_before_the_end() {
    check_while_waiting(
        r"
        shut down
        bob: <- ERROR CALL 1 {} wamp.error.canceled
        bob: <- GOODBYE {} wamp.close.system_shutdown
        ann: <- GOODBYE {} wamp.close.system_shutdown
    ",
    );
}

/// Checks what follows while bob waits for the word of ann, who judges.
fn check_while_waiting(what_follows: &str) {
    check(&format!(
        r#"{GIVEN}
        // not by long-poll
        ann: joins realm1 {{callee: {{}}}}
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        {what_follows}
    "#
    ));
}
