//! How advisors are asked: where they are, how often, and what becomes of their answers.

use crate::check;

const RULES: &str = "
    given: allow register,subscribe *
    given: allow publish,call com.free.*
    given: ask call,publish,subscribe com.asked.* judge
    given: meta_kill_denied
";

// spec: A-AUZ-05
#[test]
fn an_authorizer_may_be_in_another_realm() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge realm=realm2
        ann: joins realm2
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} [{{session: $bob, realm: realm1, ..}}, com.asked.p, call, {{}}]
        ann: YIELD 1 {{}} [true]
        bob: <- ERROR CALL 1 {{}} wamp.error.no_such_procedure
        bob: CALL 2 {{}} com.asked.p
        ann: <- INVOCATION 2 $j {{}} *
        ann: drops
        bob: <- ERROR CALL 2 {{}} wamp.error.authorization_failed
        bob: CALL 3 {{}} com.asked.p -> ERROR CALL 3 {{}} wamp.error.authorization_failed
    "#
    ));
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge realm=nowhere
        bob: CALL 1 {{}} com.asked.p -> ERROR CALL 1 {{}} wamp.error.authorization_failed
    "#
    ));
}

// spec: A-AUZ-05
#[test]
fn an_authorizer_may_take_three_arguments() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge brief
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: SUBSCRIBE 1 {{match: prefix}} com.asked.a
        ann: <- INVOCATION 1 $j {{}} [{{session: $bob, ..}}, com.asked.a, subscribe]
        ann: YIELD 1 {{}} [true]
        bob: <- SUBSCRIBED 1 *
    "#
    ));
}

// spec: A-AUZ-05
#[test]
fn several_authorizers_share_the_work() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge
        ann: REGISTER 1 {{invoke: roundrobin}} com.judge -> REGISTERED 1 $j
        dan: REGISTER 1 {{invoke: roundrobin}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        cyd: CALL 1 {{}} com.asked.p
        dan: <- INVOCATION 1 $j {{}} *
        dan: YIELD 1 {{}} [false]
        cyd: <- ERROR CALL 1 {{}} wamp.error.not_authorized
        ann: YIELD 1 {{}} [true]
        bob: <- ERROR CALL 1 {{}} wamp.error.no_such_procedure
    "#
    ));
}

// spec: A-AUZ-05
#[test]
fn an_answer_counts_for_a_while_and_for_what_was_asked() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge cache_s=10
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        ann: YIELD 1 {{}} [true]
        bob: <- ERROR CALL 1 {{}} wamp.error.no_such_procedure
        bob: CALL 2 {{}} com.asked.p -> ERROR CALL 2 {{}} wamp.error.no_such_procedure
        bob: CALL 3 {{}} com.asked.q
        ann: <- INVOCATION 2 $j {{}} *
        ann: YIELD 2 {{}} [false]
        bob: <- ERROR CALL 3 {{}} wamp.error.not_authorized
        bob: CALL 4 {{}} com.asked.q -> ERROR CALL 4 {{}} wamp.error.not_authorized
        bob: PUBLISH 5 {{acknowledge}} com.asked.p
        ann: <- INVOCATION 3 $j {{}} [*, com.asked.p, publish, {{}}]
        ann: YIELD 3 {{}} [{{"allow": true, "cache": false}}]
        bob: <- PUBLISHED 5 *
        bob: PUBLISH 6 {{acknowledge}} com.asked.p
        ann: <- INVOCATION 4 $j {{}} *
        ann: ERROR INVOCATION 4 {{}} com.no
        bob: <- ERROR PUBLISH 6 {{}} wamp.error.not_authorized
        bob: PUBLISH 7 {{acknowledge}} com.asked.p
        ann: <- INVOCATION 5 $j {{}} *
        ann: YIELD 5 {{}} [7]
        bob: <- ERROR PUBLISH 7 {{}} wamp.error.authorization_failed
        cyd: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 6 $j {{}} [{{session: $cyd, ..}}, com.asked.p, call, {{}}]
        ann: YIELD 6 {{}} [false]
        cyd: <- ERROR CALL 1 {{}} wamp.error.not_authorized
        wait 11s
        bob: CALL 8 {{}} com.asked.p
        ann: <- INVOCATION 7 $j {{}} *
        ann: YIELD 7 {{}} [false]
        bob: <- ERROR CALL 8 {{}} wamp.error.not_authorized
    "#
    ));
}

// spec: A-AUZ-05
#[test]
fn what_was_answered_can_be_forgotten() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge cache_s=10
        given: allow call wamp.authorization.forget
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        ann: YIELD 1 {{}} [true]
        bob: <- ERROR CALL 1 {{}} wamp.error.no_such_procedure
        ann: CALL 2 {{}} wamp.authorization.forget -> RESULT 2 {{}}
        bob: CALL 2 {{}} com.asked.p
        ann: <- INVOCATION 2 $j {{}} *
        ann: CALL 3 {{}} wamp.authorization.forget -> RESULT 3 {{}}
        ann: YIELD 2 {{}} [true]
        bob: <- ERROR CALL 2 {{}} wamp.error.no_such_procedure
        bob: CALL 3 {{}} com.asked.p
        ann: <- INVOCATION 3 $j {{}} *
        ann: YIELD 3 {{}} [false]
        bob: <- ERROR CALL 3 {{}} wamp.error.not_authorized
    "#
    ));
}

// spec: A-AUZ-05, A-AUZ-03
#[test]
fn only_who_is_named_has_answers_forgotten() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge
        given: allow call *
        bob: CALL 1 {{}} wamp.authorization.forget -> ERROR CALL 1 {{}} wamp.error.not_authorized
    "#
    ));
    check(
        "
        bob: CALL 1 {} wamp.authorization.forget -> ERROR CALL 1 {} wamp.error.no_such_procedure
    ",
    );
}

// spec: A-AUZ-04
#[test]
fn only_so_many_questions_are_asked_at_a_time() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge
        given: advice_pending_max 0
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p -> ERROR CALL 1 {{}} wamp.error.authorization_failed
        ann: silent
    "#
    ));
}

// spec: A-AUZ-04, A-AUZ-07
#[test]
fn who_waits_for_its_own_answer_waits_in_vain() {
    check(&format!(
        r#"{RULES}
        given: authorizer judge com.judge
        ann: REGISTER 1 {{}} com.judge -> REGISTERED 1 $j
        bob: CALL 1 {{}} com.asked.p
        ann: <- INVOCATION 1 $j {{}} *
        wait 1s
        ann: CALL 2 {{}} com.asked.q & YIELD 1 {{}} [true]
        ann: <- INVOCATION 2 $j {{}} [{{session: $ann, ..}}, com.asked.q, call, {{}}]
        ann: YIELD 2 {{}} [true]
        bob: silent
        wait 6s
        bob: <- ERROR CALL 1 {{}} wamp.error.authorization_failed
        ann: <- INTERRUPT 1 *
        ann: <- INTERRUPT 2 *
        ann: <- ERROR CALL 2 {{}} wamp.error.authorization_failed
        bob: CALL 2 {{}} com.free.p -> ERROR CALL 2 {{}} wamp.error.no_such_procedure
    "#
    ));
}
