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

#[test]
fn nobody_has_full_buckets_by_saying_hello_again() {
    check(
        r#"
        given: session_calls_per_second 2
        // not by long-poll: a request is answered when it is taken
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        ann: YIELD 1 {} & YIELD 2 {}
        bob: <- RESULT 1 {}
        bob: <- RESULT 2 {}
        bob: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        bob: joins realm1
        bob: CALL 3 {} com.p & CALL 4 {} com.p
        ann: <- INVOCATION 3 $r {}
        ann: silent
        wait 510ms
        ann: <- INVOCATION 4 $r {}
        ann: YIELD 3 {} & YIELD 4 {}
        bob: <- RESULT 3 {}
        bob: <- RESULT 4 {}
        wait 600ms
        bob: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        wait 2s
        bob: joins realm1
        bob: CALL 5 {} com.p & CALL 6 {} com.p & CALL 7 {} com.p & CALL 8 {} com.p
        ann: <- INVOCATION 5 $r {}
        ann: <- INVOCATION 6 $r {}
        ann: <- INVOCATION 7 $r {}
        ann: silent
    "#,
    );
}

#[test]
fn another_role_begins_with_as_much_as_the_one_before_left() {
    check(
        r#"
        given: role many
        given: allow * *
        given: calls_per_second 4
        given: role few
        given: allow * *
        given: calls_per_second 1
        given: role free
        given: allow * *
        given: anonymous free
        given: principal bob many ticket=b
        given: principal joe few ticket=j
        // not by long-poll: a request is answered when it is taken
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}}, authid: joe, authmethods: [ticket]} -> CHALLENGE ticket {}
        bob: AUTHENTICATE j {} -> WELCOME * {authrole: few, ..}
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        bob: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        // A session without rates between them changes nothing.
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {authrole: free, ..}
        bob: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        bob: HELLO realm1 {roles: {caller: {}}, authid: bob, authmethods: [ticket]} -> CHALLENGE ticket {}
        bob: AUTHENTICATE b {} -> WELCOME * {authrole: many, ..}
        // One more than none is paid for afterwards.
        bob: CALL 1 {} com.p & CALL 2 {} com.p
        ann: <- INVOCATION 2 $r {}
        ann: silent
        wait 260ms
        ann: <- INVOCATION 3 $r {}
        ann: silent
    "#,
    );
}

#[test]
fn sessions_one_after_the_other_are_messages_too() {
    check(
        r#"
        given: session_messages_per_second 1
        // not by long-poll: a request is answered when it is taken
        ann: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        ann: joins realm1
        ann: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        ann: HELLO realm1 {roles: {caller: {}}}
        ann: silent
        wait 1010ms
        ann: <- WELCOME * {..}
    "#,
    );
}

#[test]
fn a_reload_changes_the_rates_of_open_sessions() {
    check(
        r#"
        // not by long-poll: a request is answered when it is taken
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p & CALL 2 {} com.p & CALL 3 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        ann: <- INVOCATION 3 $r {}
        reload session_calls_per_second 1
        bob: CALL 4 {} com.p & CALL 5 {} com.p & CALL 6 {} com.p & CALL 7 {} com.p & CALL 8 {} com.p
        ann: <- INVOCATION 4 $r {}
        ann: <- INVOCATION 5 $r {}
        ann: silent
        // What nobody changes stays as it is.
        reload session_messages_per_second 1000
        ann: silent
        // What was taken under lower rates is soon paid for by higher ones.
        reload session_calls_per_second 100
        ann: <- INVOCATION 6 $r {}
        ann: <- INVOCATION 7 $r {}
        ann: <- INVOCATION 8 $r {}
        reload session_calls_per_second 1
        bob: CALL 9 {} com.p & CALL 10 {} com.p & CALL 11 {} com.p
        ann: hears all $some
        reload session_calls_per_second 0
        ann: hears all $rest
        bob: CALL 12 {} com.p & CALL 13 {} com.p & CALL 14 {} com.p
        ann: <- INVOCATION 12 $r {}
        ann: <- INVOCATION 13 $r {}
        ann: <- INVOCATION 14 $r {}
    "#,
    );
}
