//! Registrations and subscriptions that are taken away.

use crate::check;

const CALLEE: &str = "{callee: {features: {registration_revocation, call_canceling}}}";

// spec: A-REV-01, A-REV-02, A-REV-03, A-REV-04, A-REV-05, A-RMA-06
#[test]
fn a_callee_may_push_others_out_where_that_is_allowed() {
    check(&format!(
        r#"
        given: force_reregister
        ann: joins realm1 {CALLEE}
        eve: SUBSCRIBE 1 {{match: prefix}} wamp.registration. -> SUBSCRIBED 1 $m
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        eve: <- EVENT $m * {{topic: wamp.registration.on_create}} [$ann, {{id: $r, created: *, uri: com.p, match: exact, invoke: single}}]
        eve: <- EVENT $m * {{topic: wamp.registration.on_register}} [$ann, $r]
        cyd: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        bob: REGISTER 1 {{force_reregister}} com.p -> REGISTERED 1 $s
        ann: <- UNREGISTERED 0 {{registration: $r, reason: *}}
        eve: <- EVENT $m * {{topic: wamp.registration.on_unregister}} [$ann, $r]
        eve: <- EVENT $m * {{topic: wamp.registration.on_delete}} [$ann, $r]
        eve: <- EVENT $m * {{topic: wamp.registration.on_create}} [$bob, {{id: $s, ..}}]
        eve: <- EVENT $m * {{topic: wamp.registration.on_register}} [$bob, $s]
        cyd: CALL 2 {{}} com.p
        bob: <- INVOCATION 1 $s {{}}
        ann: YIELD 1 {{}} [old]
        cyd: <- RESULT 1 {{}} [old]
        ann: UNREGISTER 2 $r -> ERROR UNREGISTER 2 {{}} wamp.error.no_such_registration
    "#
    ));
}

// spec: A-REV-02
#[test]
fn callees_that_did_not_announce_it_are_not_told() {
    check(
        r#"
        given: force_reregister
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {force_reregister} com.p -> REGISTERED 1 $s
        ann: silent
        cyd: CALL 1 {} com.p
        bob: <- INVOCATION 1 $s {}
        ann: drops
        cyd: CALL 2 {} com.p
        bob: <- INVOCATION 2 $s {}
    "#,
    );
}

// spec: A-REV-01
#[test]
fn pushing_out_is_refused_unless_the_realm_allows_it() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {force_reregister} com.p -> ERROR REGISTER 1 {} wamp.error.option_not_allowed
        cyd: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
    "#,
    );
}
