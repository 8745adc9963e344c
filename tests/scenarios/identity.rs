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
