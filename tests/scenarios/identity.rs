//! Disclosing who publishes and who calls.

use crate::check;

// spec: A-PUI-01
#[test]
fn publishers_tell_who_they_are_only_if_they_want_to() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: connects
        bob: HELLO realm1 {roles: {publisher: {}}} -> WELCOME $b {authid: $id, ..}
        bob: PUBLISH 1 {disclose_me} com.t [1]
        ann: <- EVENT $s * {publisher: $b, publisher_authid: $id, publisher_authrole: anonymous} [1]
        bob: PUBLISH 2 {disclose_me: false} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: PUBLISH 3 {} com.t [3]
        ann: <- EVENT $s * {} [3]
    "#,
    );
}

// spec: A-CID-01, A-CID-02
#[test]
fn callers_tell_who_they_are_only_if_they_want_to() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME $b {authid: $id, ..}
        bob: CALL 1 {disclose_me} com.p
        ann: <- INVOCATION 1 $r {caller: $b, caller_authid: $id, caller_authrole: anonymous}
        bob: CALL 2 {disclose_me: false} com.p
        ann: <- INVOCATION 2 $r {}
        bob: CALL 3 {} com.p
        ann: <- INVOCATION 3 $r {}
        ann: YIELD 1 {} & YIELD 2 {} & YIELD 3 {}
        bob: <- RESULT 1 {}
        bob: <- RESULT 2 {}
        bob: <- RESULT 3 {}
    "#,
    );
}

// spec: A-CID-03, A-PUI-02, A-PUI-04, A-TST-08, A-ERR-27, D-09
#[test]
fn where_it_is_denied_nobody_tells_who_it_is() {
    check(
        r#"
        given: disclosure_denied
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {disclose_caller} com.p -> REGISTERED 2 $r
        bob: PUBLISH 1 {disclose_me, acknowledge} com.t -> ERROR PUBLISH 1 {} wamp.error.option_disallowed.disclose_me
        bob: PUBLISH 2 {disclose_me} com.t & PUBLISH 3 {} com.t
        ann: <- EVENT $s * {}
        ann: silent
        bob: CALL 4 {disclose_me} com.p -> ERROR CALL 4 {} wamp.error.option_disallowed.disclose_me
        bob: CALL 5 {} com.p
        ann: <- INVOCATION 1 $r {}
        bob: CALL 6 {} wamp.session.add_testament [com.t, [], {}] {"publish_options": {"disclose_me": true}} -> ERROR CALL 6 {} wamp.error.option_disallowed.disclose_me
    "#,
    );
}

// spec: A-CID-04, A-CID-06, A-PUI-03
#[test]
fn a_realm_may_always_tell_who_it_is() {
    check(
        r#"
        given: disclosure_always
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p -> REGISTERED 2 $r
        bob: PUBLISH 1 {} com.t
        ann: <- EVENT $s * {publisher: $bob, publisher_authid: *, publisher_authrole: anonymous}
        bob: CALL 2 {} com.p
        ann: <- INVOCATION 1 $r {caller: $bob, caller_authid: *, caller_authrole: anonymous}
    "#,
    );
}

// spec: A-CID-05, A-CID-07
#[test]
fn callees_may_want_to_know_who_calls() {
    check(
        r#"
        ann: REGISTER 1 {disclose_caller} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {caller: $bob, caller_authid: *, caller_authrole: anonymous}
    "#,
    );
}
