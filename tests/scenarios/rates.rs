//! Sessions that do more than their rates allow.

use crate::check;

#[test]
fn what_comes_too_fast_is_taken_later_and_in_order() {
    check(
        r#"
        given: session_calls_per_second 1
        // not by long-poll: a request is answered when it is taken
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: CALL 1 {} com.p & CALL 2 {} com.p & CALL 3 {} com.p & CALL 4 {} com.p & PUBLISH 5 {} com.t
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        // Nobody else waits, and the answers come.
        cyd: CALL 2 {} com.p
        ann: <- INVOCATION 3 $r {}
        ann: YIELD 1 {} [1] & YIELD 3 {} [3]
        bob: <- RESULT 1 {} [1]
        cyd: <- RESULT 2 {} [3]
        wait 990ms
        ann: silent
        wait 20ms
        ann: <- INVOCATION 4 $r {}
        ann: silent
        wait 1s
        ann: <- INVOCATION 5 $r {}
        cyd: silent
        wait 1s
        cyd: <- EVENT $s * {}
        // What was not used is saved up, for a second.
        wait 60s
        bob: CALL 6 {} com.p & CALL 7 {} com.p & CALL 8 {} com.p
        ann: <- INVOCATION 6 $r {}
        ann: <- INVOCATION 7 $r {}
        ann: silent
    "#,
    );
}

#[test]
fn octets_and_messages_have_rates_of_their_own() {
    for given in ["session_messages_per_second 2", "session_bytes_per_second 100"] {
        check(&format!(
            r#"
            given: {given}
            // not by long-poll: a request is answered when it is taken
            ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
            bob: PUBLISH 1 {{}} com.t [{0}] & PUBLISH 2 {{}} com.t [{0}] & PUBLISH 3 {{}} com.t [{0}]
            bob: PUBLISH 4 {{}} com.t [{0}] & PUBLISH 5 {{}} com.t [{0}] & PUBLISH 6 {{}} com.t [{0}]
            ann: <- EVENT $s * {{}} [{0}]
            wait 60s
            ann: <- EVENT $s * {{}} [{0}]
            ann: <- EVENT $s * {{}} [{0}]
            ann: <- EVENT $s * {{}} [{0}]
            ann: <- EVENT $s * {{}} [{0}]
            ann: <- EVENT $s * {{}} [{0}]
            ann: silent
        "#,
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        ));
    }
}

#[test]
fn who_is_held_back_may_leave_and_is_not_taken_for_dead() {
    check(
        r#"
        given: session_bytes_per_second 1
        // not by long-poll: a request is answered when it is taken
        ann: SUBSCRIBE 1 {} com.t
        wait 40s
        ann: <- SUBSCRIBED 1 $s
        ann: silent
        bob: SUBSCRIBE 1 {} com.t & GOODBYE {} wamp.close.close_realm
        bob: <- SUBSCRIBED 1 $s
        wait 40s
        bob: <- GOODBYE {} wamp.close.goodbye_and_out
        bob: <- ABORT {..} wamp.error.protocol_violation
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: drops
        shut down
        ann: <- GOODBYE {} wamp.close.system_shutdown
    "#,
    );
}
