//! Registrations and subscriptions that are taken away.

use crate::check;

const CALLEE: &str = "{callee: {features: {registration_revocation, call_canceling}}}";

// spec: A-REV-01, A-REV-02, A-REV-03, A-REV-04, A-REV-05, A-RMA-06, X-OPT-02
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
        ann: <- UNREGISTERED 0 {{registration: $r, reason: gigawamp.close.taken_over}}
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

// spec: A-REV-02, A-FEAT-04
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

// spec: A-ERR-26, X-OPT-02
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

const SUBSCRIBER: &str = "{subscriber: {features: {subscription_revocation}}}";

// spec: A-SRV-01, A-SRV-02, A-SRV-03, A-SRV-04, A-SRV-05, A-FEAT-04
#[test]
fn a_subscription_is_taken_away() {
    check(&format!(
        r#"
        ann: joins realm1 {SUBSCRIBER}
        eve: SUBSCRIBE 1 {{match: prefix}} wamp.subscription. -> SUBSCRIBED 1 $m
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT $m * {{topic: wamp.subscription.on_create}} *
        eve: <- EVENT $m * {{topic: wamp.subscription.on_subscribe}} [$ann, $s]
        eve: <- EVENT $m * {{topic: wamp.subscription.on_subscribe}} [$bob, $s]
        cyd: CALL 1 {{}} wamp.subscription.remove_subscriber [$s, $ann, com.no_more] -> RESULT 1 {{}}
        ann: <- UNSUBSCRIBED 0 {{subscription: $s, reason: com.no_more}}
        eve: <- EVENT $m * {{topic: wamp.subscription.on_unsubscribe}} [$ann, $s]
        cyd: PUBLISH 2 {{}} com.t
        bob: <- EVENT $s * {{}}
        ann: silent
        cyd: CALL 3 {{}} wamp.subscription.remove_subscriber [$s, $ann] -> ERROR CALL 3 {{}} wamp.error.no_such_subscription
        cyd: CALL 4 {{}} wamp.subscription.remove_subscriber [$s, $bob] -> RESULT 4 {{}}
        bob: silent
        eve: <- EVENT $m * {{topic: wamp.subscription.on_unsubscribe}} [$bob, $s]
        eve: <- EVENT $m * {{topic: wamp.subscription.on_delete}} [$bob, $s]
        bob: UNSUBSCRIBE 2 $s -> ERROR UNSUBSCRIBE 2 {{}} wamp.error.no_such_subscription
        cyd: CALL 5 {{}} wamp.subscription.remove_subscriber [$s, 1] -> ERROR CALL 5 {{}} wamp.error.no_such_session
        cyd: CALL 6 {{}} wamp.subscription.remove_subscriber [$s] -> ERROR CALL 6 {{}} wamp.error.invalid_argument
        ann: SUBSCRIBE 2 {{}} com.t -> SUBSCRIBED 2 $u
        eve: <- EVENT $m * {{topic: wamp.subscription.on_create}} *
        eve: <- EVENT $m * {{topic: wamp.subscription.on_subscribe}} [$ann, $u]
        cyd: CALL 7 {{}} wamp.subscription.remove_subscriber [$u, $ann] -> RESULT 7 {{}}
        ann: <- UNSUBSCRIBED 0 {{subscription: $u}}
        eve: <- EVENT $m * {{topic: wamp.subscription.on_unsubscribe}} *
        eve: <- EVENT $m * {{topic: wamp.subscription.on_delete}} *
    "#
    ));
}

// spec: A-REV-01, A-REV-05, A-REV-06
#[test]
fn a_registration_is_taken_away() {
    check(&format!(
        r#"
        ann: joins realm1 {CALLEE}
        eve: SUBSCRIBE 1 {{match: prefix}} wamp.registration.on_un -> SUBSCRIBED 1 $m
        ann: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        bob: REGISTER 1 {{invoke: first}} com.p -> REGISTERED 1 $r
        cyd: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        cyd: CALL 2 {{}} wamp.registration.remove_callee [$r, $ann] {{"reason": "com.no_more"}} -> RESULT 2 {{}}
        ann: <- UNREGISTERED 0 {{registration: $r, reason: com.no_more}}
        eve: <- EVENT $m * {{topic: wamp.registration.on_unregister}} [$ann, $r]
        ann: YIELD 1 {{}}
        cyd: <- RESULT 1 {{}}
        cyd: CALL 3 {{}} com.p
        bob: <- INVOCATION 1 $r {{}}
        cyd: CALL 4 {{}} wamp.registration.remove_callee [$r, $ann] -> ERROR CALL 4 {{}} wamp.error.no_such_registration
        cyd: CALL 5 {{}} wamp.registration.remove_callee [$r, $bob] -> RESULT 5 {{}}
        bob: silent
        eve: <- EVENT $m * {{topic: wamp.registration.on_unregister}} [$bob, $r]
        cyd: CALL 6 {{}} com.p -> ERROR CALL 6 {{}} wamp.error.no_such_procedure
        cyd: REGISTER 7 {{}} com.q -> REGISTERED 7 $q
        eve: CALL 2 {{}} wamp.registration.remove_callee [$q, $cyd, "no more"] -> ERROR CALL 2 {{}} wamp.error.invalid_uri
        eve: CALL 3 {{}} wamp.registration.remove_callee [$q, $cyd, ""] -> ERROR CALL 3 {{}} wamp.error.invalid_uri
    "#
    ));
}

// spec: A-META-04
#[test]
fn taking_away_is_denied_where_it_is_not_allowed() {
    check(
        r#"
        given: meta_kill_denied
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p -> REGISTERED 2 $r
        bob: CALL 1 {} wamp.subscription.remove_subscriber [$s, $ann] -> ERROR CALL 1 {} wamp.error.not_authorized
        bob: CALL 2 {} wamp.registration.remove_callee [$r, $ann] -> ERROR CALL 2 {} wamp.error.not_authorized
    "#,
    );
}
