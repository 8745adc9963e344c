//! Rules: who may do what.

use crate::check;

// spec: A-AUZ-01, A-AUZ-02, A-AUZ-03, A-AUZ-09, B-ERR-13
#[test]
fn what_no_rule_allows_is_denied() {
    check(
        r#"
        given: allow call,register com.rpc.*
        given: allow publish,subscribe com.topic.*
        ann: REGISTER 1 {} com.rpc.p -> REGISTERED 1 $r
        ann: REGISTER 2 {} com.topic.p -> ERROR REGISTER 2 {} wamp.error.not_authorized
        ann: SUBSCRIBE 3 {} com.topic.t -> SUBSCRIBED 3 $s
        ann: SUBSCRIBE 4 {} com.rpc.p -> ERROR SUBSCRIBE 4 {} wamp.error.not_authorized
        bob: CALL 1 {} com.rpc.p [1]
        ann: <- INVOCATION 1 $r {} [1]
        ann: YIELD 1 {} [2]
        bob: <- RESULT 1 {} [2]
        bob: CALL 2 {} com.topic.t -> ERROR CALL 2 {} wamp.error.not_authorized
        bob: CALL 3 {} com.rpc -> ERROR CALL 3 {} wamp.error.not_authorized
        bob: PUBLISH 4 {acknowledge} com.rpc.p -> ERROR PUBLISH 4 {} wamp.error.not_authorized
        bob: PUBLISH 5 {} com.rpc.p
        bob: PUBLISH 6 {acknowledge} com.topic.t [3] -> PUBLISHED 6 *
        ann: <- EVENT $s * {} [3]
        bob: silent
    "#,
    );
}

// spec: A-AUZ-01, B-PS-12
#[test]
fn the_most_specific_rule_decides_and_denies_before_it_allows() {
    check(
        r#"
        given: allow publish com.*
        given: deny publish com.secret.*
        given: allow publish com.secret.lobby
        given: deny publish com.a.b
        given: allow publish com.a.b
        given: allow publish org..news
        given: deny publish org.evil.news
        ann: PUBLISH 1 {acknowledge} com.x -> PUBLISHED 1 *
        ann: PUBLISH 2 {acknowledge} com.secret.x -> ERROR PUBLISH 2 {} wamp.error.not_authorized
        ann: PUBLISH 3 {acknowledge} com.secret.lobby -> PUBLISHED 3 *
        ann: PUBLISH 4 {acknowledge} com.a.b -> ERROR PUBLISH 4 {} wamp.error.not_authorized
        ann: PUBLISH 5 {acknowledge} org.good.news -> PUBLISHED 5 *
        ann: PUBLISH 6 {acknowledge} org.evil.news -> ERROR PUBLISH 6 {} wamp.error.not_authorized
        ann: PUBLISH 7 {acknowledge} org.good.bad.news -> ERROR PUBLISH 7 {} wamp.error.not_authorized
    "#,
    );
}

// spec: A-AUZ-01, A-AUZ-06, B-PS-12
#[test]
fn nobody_hears_by_a_pattern_what_it_may_not_hear_by_name() {
    check(
        r#"
        given: allow publish com.*
        given: allow subscribe com.*
        given: deny subscribe com.secret.x
        ann: SUBSCRIBE 1 {match: prefix} com. -> ERROR SUBSCRIBE 1 {} wamp.error.not_authorized
        ann: SUBSCRIBE 2 {match: prefix} "" -> ERROR SUBSCRIBE 2 {} wamp.error.not_authorized
        ann: SUBSCRIBE 3 {match: wildcard} com..x -> ERROR SUBSCRIBE 3 {} wamp.error.not_authorized
        ann: SUBSCRIBE 4 {match: wildcard} .. -> ERROR SUBSCRIBE 4 {} wamp.error.not_authorized
        ann: SUBSCRIBE 5 {} com.secret.x -> ERROR SUBSCRIBE 5 {} wamp.error.not_authorized
        ann: SUBSCRIBE 6 {match: prefix} com.public. -> SUBSCRIBED 6 $p
        ann: SUBSCRIBE 7 {match: wildcard} com..y -> SUBSCRIBED 7 $w
        bob: PUBLISH 1 {} com.secret.x & PUBLISH 2 {} com.public.a & PUBLISH 3 {} com.secret.y
        ann: <- EVENT $p * {topic: com.public.a}
        ann: <- EVENT $w * {topic: com.secret.y}
        ann: silent
    "#,
    );
}

// spec: A-AUZ-06, X-OPT-02
#[test]
fn taking_from_others_needs_a_right_of_its_own() {
    check(
        r#"
        given: allow * *
        given: allow takeover com.mine.*
        ann: REGISTER 1 {} com.mine.p -> REGISTERED 1 $r
        ann: REGISTER 2 {} com.other.p -> REGISTERED 2 $o
        bob: REGISTER 1 {force_reregister} com.mine.p -> REGISTERED 1 $n
        bob: REGISTER 2 {force_reregister} com.other.p -> ERROR REGISTER 2 {} wamp.error.not_authorized
        bob: REGISTER 3 {match: prefix} "" -> ERROR REGISTER 3 {} wamp.error.not_authorized
        bob: REGISTER 4 {match: wildcard} . -> ERROR REGISTER 4 {} wamp.error.not_authorized
        bob: REGISTER 5 {match: prefix} com. -> REGISTERED 5 *
        cyd: CALL 1 {} com.other.p
        ann: <- INVOCATION 1 $o {}
        cyd: CALL 2 {} com.mine.p
        bob: <- INVOCATION 1 $n {}
    "#,
    );
    check(
        r#"
        given: allow register,takeover *
        ann: REGISTER 1 {match: prefix} "" -> REGISTERED 1 $r
        ann: REGISTER 2 {match: wildcard} . -> REGISTERED 2 $w
    "#,
    );
}

// spec: A-META-04
#[test]
fn the_meta_api_is_under_the_rules() {
    check(
        r#"
        given: meta_kill_denied
        given: allow call wamp.*
        given: deny call wamp.session.list
        given: allow subscribe wamp.session.*
        given: deny subscribe wamp.session.on_leave
        given: allow call wamp.session.kill
        ann: SUBSCRIBE 1 {} wamp.session.on_join -> SUBSCRIBED 1 $j
        ann: SUBSCRIBE 2 {} wamp.session.on_leave -> ERROR SUBSCRIBE 2 {} wamp.error.not_authorized
        ann: SUBSCRIBE 3 {match: prefix} wamp. -> ERROR SUBSCRIBE 3 {} wamp.error.not_authorized
        ann: SUBSCRIBE 4 {} wamp.registration.on_create -> ERROR SUBSCRIBE 4 {} wamp.error.not_authorized
        ann: CALL 5 {} wamp.session.count -> RESULT 5 {} [*]
        ann: CALL 6 {} wamp.session.list -> ERROR CALL 6 {} wamp.error.not_authorized
        bob: joins realm1
        ann: <- EVENT $j * {} *
        ann: CALL 7 {} wamp.session.kill_by_authid [x] -> ERROR CALL 7 {} wamp.error.not_authorized
        ann: CALL 8 {} wamp.session.kill_all -> ERROR CALL 8 {} wamp.error.not_authorized
        ann: CALL 9 {} wamp.registration.remove_callee [1, 2] -> ERROR CALL 9 {} wamp.error.not_authorized
        ann: CALL 10 {} wamp.session.kill [$ann] -> ERROR CALL 10 {} wamp.error.no_such_session
        ann: CALL 11 {} wamp.session.kill [$bob] {"reason": "not one"} -> ERROR CALL 11 {} wamp.error.invalid_uri
        ann: CALL 12 {} wamp.session.kill [$bob] -> RESULT 12 {}
        bob: <- GOODBYE {} wamp.close.killed
    "#,
    );
}

// spec: A-TST-08
#[test]
fn a_testament_needs_the_right_to_publish_it() {
    check(
        r#"
        given: allow call wamp.session.*
        given: allow publish,subscribe com.*
        given: deny publish com.secret.*
        bob: SUBSCRIBE 1 {match: prefix} com. -> SUBSCRIBED 1 $s
        ann: CALL 1 {} wamp.session.add_testament [com.secret.t, [], {}] -> ERROR CALL 1 {} wamp.error.not_authorized
        ann: CALL 2 {} wamp.session.add_testament [org.t, [], {}] -> ERROR CALL 2 {} wamp.error.not_authorized
        ann: CALL 3 {} wamp.session.add_testament [com.t, [1], {}] -> RESULT 3 {}
        ann: drops
        bob: <- EVENT $s * {topic: com.t} [1] *
        bob: silent
    "#,
    );
}

// spec: A-HIS-09
#[test]
fn a_history_is_for_those_who_may_subscribe() {
    check(
        r#"
        given: history com.open
        given: history com.closed
        given: history com.half.*
        given: allow publish com.*
        given: allow call wamp.subscription.*
        given: allow subscribe com.open
        given: allow subscribe com.half.*
        given: deny subscribe com.half.secret
        ann: PUBLISH 1 {} com.open [1] & PUBLISH 2 {} com.closed [2] & PUBLISH 3 {} com.half.a [3]
        ann: CALL 4 {} wamp.subscription.lookup [com.open] -> RESULT 4 {} [$o]
        ann: CALL 5 {} wamp.subscription.lookup [com.closed] -> RESULT 5 {} [$c]
        ann: CALL 6 {} wamp.subscription.lookup [com.half., {match: prefix}] -> RESULT 6 {} [$h]
        ann: CALL 7 {} wamp.subscription.get_events [$o] -> RESULT 7 {} [{args: [1], ..}]
        ann: CALL 8 {} wamp.subscription.get_events [$c] -> ERROR CALL 8 {} wamp.error.not_authorized
        ann: CALL 9 {} wamp.subscription.get_events [$h] -> ERROR CALL 9 {} wamp.error.not_authorized
    "#,
    );
}

// spec: A-AUZ-08, A-PCI-18
#[test]
fn what_follows_from_what_was_allowed_is_allowed() {
    check(
        r#"
        given: allow * com.*
        ann: joins realm1 {callee: {features: {progressive_call_invocations, call_canceling}}}
        bob: joins realm1 {caller: {features: {progressive_call_invocations, call_canceling}}, subscriber: {}}
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {progress} com.p [1]
        ann: <- INVOCATION 1 $r {progress} [1]
        bob: CALL 1 {progress} com.p [2]
        ann: <- INVOCATION 1 $r {progress} [2]
        bob: CALL 1 {} com.p [3]
        ann: <- INVOCATION 1 $r {} [3]
        ann: YIELD 1 {} [4]
        bob: <- RESULT 1 {} [4]
        bob: CALL 2 {} com.p
        ann: <- INVOCATION 2 $r {}
        bob: CANCEL 2 {mode: skip} -> ERROR CALL 2 {} wamp.error.canceled
        bob: SUBSCRIBE 3 {} com.t -> SUBSCRIBED 3 $s
        bob: UNSUBSCRIBE 4 $s -> UNSUBSCRIBED 4
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
    "#,
    );
}

// spec: A-CID-03, A-CID-04
#[test]
fn rules_say_who_is_told_of_whom() {
    check(
        r#"
        given: allow * com.*
        given: disclose call com.told.* always
        given: disclose call,publish com.never.* never
        given: disclose publish com.asked.* asked
        ann: REGISTER 1 {match: prefix} com. -> REGISTERED 1 $r
        ann: SUBSCRIBE 2 {match: prefix} com. -> SUBSCRIBED 2 $s
        bob: CALL 1 {} com.told.p & CALL 2 {} com.plain.p
        ann: <- INVOCATION 1 $r {procedure: com.told.p, caller: $bob, caller_authid: *, caller_authrole: anonymous}
        ann: <- INVOCATION 2 $r {procedure: com.plain.p}
        bob: CALL 3 {disclose_me} com.never.p -> ERROR CALL 3 {} wamp.error.option_disallowed.disclose_me
        bob: PUBLISH 4 {acknowledge, disclose_me} com.never.t -> ERROR PUBLISH 4 {} wamp.error.option_disallowed.disclose_me
        bob: PUBLISH 5 {disclose_me} com.asked.t
        ann: <- EVENT $s * {topic: com.asked.t, publisher: $bob, publisher_authid: *, publisher_authrole: anonymous}
    "#,
    );
}

// spec: B-URI-06
#[test]
fn what_is_no_uri_is_refused_as_such() {
    check(
        r#"
        given: allow call com.p
        ann: CALL 1 {} com..p -> ERROR CALL 1 {} wamp.error.invalid_uri
        ann: SUBSCRIBE 2 {} "com.a b" -> ERROR SUBSCRIBE 2 {} wamp.error.invalid_uri
        ann: PUBLISH 3 {acknowledge} "" -> ERROR PUBLISH 3 {} wamp.error.invalid_uri
        ann: REGISTER 4 {} com#p -> ERROR REGISTER 4 {} wamp.error.invalid_uri
    "#,
    );
}

// spec: A-AUZ-01, A-AUZ-02, A-AUZ-09
#[test]
fn rules_are_about_roles_and_people() {
    let join = "HELLO realm1 {authmethods: [ticket], authid: NAME, roles: {caller: {}, publisher: {}, subscriber: {}}} -> CHALLENGE ticket {}";
    let join = |peer: &str, name: &str| {
        let hello = join.replace("NAME", name);
        format!(
            "{peer}: connects\n{peer}: {hello}\n{peer}: AUTHENTICATE t0p {{}} -> WELCOME * {{..}}\n"
        )
    };
    let (joe, moe, dot) = (join("joe", "joe"), join("moe", "joe"), join("dot", "d.ot"));
    check(&format!(
        r#"
        given: principal joe guest ticket=t0p
        given: principal d.ot guest ticket=t0p
        given: role guest
        given: allow publish,subscribe com.chat.${{authid}}
        given: allow publish com.wall.*
        given: deny publish com.wall.${{authid}}.*
        given: allow call com.${{realm}}.${{authrole}}
        given: role anonymous
        given: allow register,subscribe *
        ann: REGISTER 1 {{match: prefix}} com. -> REGISTERED 1 $r
        ann: SUBSCRIBE 2 {{match: prefix}} com. -> SUBSCRIBED 2 $s
        {joe}
        {moe}
        joe: SUBSCRIBE 1 {{}} com.chat.joe -> SUBSCRIBED 1 $j
        joe: SUBSCRIBE 2 {{}} com.chat.moe -> ERROR SUBSCRIBE 2 {{}} wamp.error.not_authorized
        moe: PUBLISH 1 {{}} com.chat.joe [1]
        joe: <- EVENT $j * {{}} [1]
        ann: <- EVENT $s * {{topic: com.chat.joe}} [1]
        moe: PUBLISH 2 {{acknowledge}} com.wall.joe.x -> ERROR PUBLISH 2 {{}} wamp.error.not_authorized
        moe: PUBLISH 3 {{acknowledge}} com.wall.d.ot.x -> PUBLISHED 3 *
        ann: <- EVENT $s * {{topic: com.wall.d.ot.x}}
        moe: CALL 4 {{}} com.realm1.guest
        ann: <- INVOCATION 1 $r {{procedure: com.realm1.guest}}
        moe: CALL 5 {{}} com.realm1.anonymous -> ERROR CALL 5 {{}} wamp.error.not_authorized
        {dot}
        dot: PUBLISH 1 {{acknowledge}} com.chat.d.ot -> ERROR PUBLISH 1 {{}} wamp.error.not_authorized
        dot: PUBLISH 2 {{acknowledge}} com.wall.d.ot.x -> ERROR PUBLISH 2 {{}} wamp.error.not_authorized
        ann: silent
    "#
    ));
}

// spec: B-ERR-16
#[test]
fn nobody_joins_with_a_role_that_is_not_there() {
    check(
        r#"
        given: role other
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_such_role
        ann: closed
        joe: connects
        joe: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        joe: AUTHENTICATE t0p {} -> ABORT {message: *} wamp.error.no_such_role
        joe: closed
    "#,
    );
}

// spec: A-AUZ-01, A-SRV-01, A-REV-01
#[test]
fn what_may_not_be_had_any_more_is_taken_back() {
    check(
        r#"
        given: allow * com.*
        ann: joins realm1 {subscriber: {features: {subscription_revocation}}, callee: {features: {registration_revocation}}}
        ann: SUBSCRIBE 1 {} com.a -> SUBSCRIBED 1 $a
        ann: SUBSCRIBE 2 {match: prefix} com.b -> SUBSCRIBED 2 $b
        ann: REGISTER 3 {} com.p -> REGISTERED 3 $p
        bob: PUBLISH 1 {} com.b [1]
        ann: <- EVENT $b * {topic: com.b} [1]
        reload deny * com.b
        ann: <- UNSUBSCRIBED 0 {subscription: $b, reason: wamp.error.not_authorized}
        bob: PUBLISH 2 {acknowledge} com.b -> ERROR PUBLISH 2 {} wamp.error.not_authorized
        bob: PUBLISH 3 {} com.a [3]
        ann: <- EVENT $a * {} [3]
        reload deny register com.*
        ann: <- UNREGISTERED 0 {registration: $p, reason: wamp.error.not_authorized}
        bob: CALL 4 {} com.p -> ERROR CALL 4 {} wamp.error.no_such_procedure
        ann: silent
    "#,
    );
}

#[test]
fn a_call_in_parts_ends_when_the_right_to_it_is_taken_away() {
    let features =
        "{features: {progressive_call_invocations, progressive_call_results, call_canceling}}";
    for reload in ["deny call com.p", "ask call com.p lisa"] {
        check(&format!(
            r#"
            given: role anonymous
            given: allow * com.*
            given: authorizer lisa com.lisa
            ann: joins realm1 {{callee: {features}}}
            bob: joins realm1 {{caller: {features}}}
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            ann: REGISTER 2 {{}} com.q -> REGISTERED 2 $q
            bob: CALL 1 {{progress}} com.p [1] & CALL 2 {{}} com.p [2] & CALL 3 {{progress}} com.q [3]
            ann: <- INVOCATION 1 $r {{progress}} [1]
            ann: <- INVOCATION 2 $r {{}} [2]
            ann: <- INVOCATION 3 $q {{progress}} [3]
            reload {reload}
            bob: <- ERROR CALL 1 {{}} wamp.error.not_authorized
            ann: <- INTERRUPT 1 {{mode: killnowait}}
            // What is under way of it is late, and no new call.
            bob: CALL 1 {{progress}} com.p [4] & CALL 1 {{}} com.p [5] & CALL 3 {{}} com.q [6]
            ann: <- INVOCATION 3 $q {{}} [6]
            ann: YIELD 1 {{}} [7] & YIELD 2 {{}} [8] & YIELD 3 {{}} [9]
            bob: <- RESULT 2 {{}} [8]
            bob: <- RESULT 3 {{}} [9]
            ann: silent
        "#
        ));
    }
}
