//! The meta API: sessions, registrations and subscriptions as their peers see them.

use gigawamp::sim::Value;

use crate::{check, check_often, check_then};

// spec: A-SMA-01, A-SMA-02, A-SMA-03, A-SMA-04, A-META-01, A-META-03
#[test]
fn coming_and_going_is_told() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} wamp.session.on_join -> SUBSCRIBED 1 $j
        ann: SUBSCRIBE 2 {} wamp.session.on_leave -> SUBSCRIBED 2 $l
        ann: silent
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME $bob {authid: $id, ..}
        ann: <- EVENT $j * {} [{session: $bob, authid: $id, authrole: anonymous, authmethod: anonymous, authprovider: static, transport: {type: *, protocol: *, peer: *}}]
        cyd: joins realm2
        ann: silent
        bob: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out
        ann: <- EVENT $l * {} [$bob, $id, anonymous]
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME $bob2 {authid: $id2, ..}
        ann: <- EVENT $j * {} [{session: $bob2, ..}]
        bob: drops
        ann: <- EVENT $l * {} [$bob2, $id2, anonymous]
        cyd: drops
        ann: silent
    "#,
    );
}

// spec: A-SMA-05, A-SMA-06, A-SMA-14, A-SMA-19, A-SMA-21, A-META-06
#[test]
fn sessions_are_counted_and_listed() {
    check(
        r#"
        ann: CALL 1 {} wamp.session.count -> RESULT 1 {} [1]
        bob: joins realm1
        cyd: joins realm2
        dan: connects
        ann: CALL 2 {} wamp.session.count -> RESULT 2 {} [2]
        ann: CALL 3 {} wamp.session.count [[anonymous]] -> RESULT 3 {} [2]
        ann: CALL 4 {} wamp.session.count [[other]] -> RESULT 4 {} [0]
        ann: CALL 5 {} wamp.session.count [[]] -> RESULT 5 {} [0]
        ann: CALL 6 {} wamp.session.list [[other, anonymous]] -> RESULT 6 {} [[*, *]]
        ann: CALL 7 {} wamp.session.list [[other]] -> RESULT 7 {} [[]]
        bob: drops
        ann: CALL 8 {} wamp.session.list -> RESULT 8 {} [[$ann]]
        ann: CALL 9 {} wamp.session.list [{}] -> ERROR CALL 9 {} wamp.error.invalid_argument
        ann: CALL 10 {} wamp.session.count [] {"filter_authroles": [other]} -> RESULT 10 {} [0]
    "#,
    );
}

// spec: A-SMA-05, A-SMA-06
#[test]
fn sessions_are_chosen_by_few_roles() {
    let roles = |count: usize| vec!["other"; count].join(", ");
    let (few, many, long) = (roles(32), roles(33), "x".repeat(10_000));
    check(&format!(
        r#"
        ann: CALL 1 {{}} wamp.session.count [[{few}]] -> RESULT 1 {{}} [0]
        ann: CALL 2 {{}} wamp.session.count [[{many}]] -> ERROR CALL 2 {{}} wamp.error.invalid_argument
        ann: CALL 3 {{}} wamp.session.list [[{long}]] -> ERROR CALL 3 {{}} wamp.error.invalid_argument
    "#,
    ));
}

// spec: A-SMA-07, A-META-06, A-ERR-32, B-ERR-06
#[test]
fn a_session_is_described() {
    check(
        r#"
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME $bob {authid: $id, ..}
        cyd: joins realm2
        ann: CALL 1 {} wamp.session.get [$bob] -> RESULT 1 {} [{session: $bob, authid: $id, authrole: anonymous, authmethod: anonymous, authprovider: static, transport: {type: *, protocol: *, peer: *}}]
        ann: CALL 2 {} wamp.session.get [$cyd] -> ERROR CALL 2 {} wamp.error.no_such_session
        ann: CALL 3 {} wamp.session.get [1] -> ERROR CALL 3 {} wamp.error.no_such_session
        ann: CALL 4 {} wamp.session.get -> ERROR CALL 4 {} wamp.error.invalid_argument
        ann: CALL 5 {} wamp.session.get [x] -> ERROR CALL 5 {} wamp.error.invalid_argument
        ann: CALL 6 {} wamp.session.get [-1] -> ERROR CALL 6 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: A-SMA-08, A-SMA-09, A-SMA-15, A-SMA-17, A-ERR-17
#[test]
fn a_session_is_killed() {
    check(
        r#"
        eve: SUBSCRIBE 1 {} wamp.session.on_leave -> SUBSCRIBED 1 $l
        bob: REGISTER 1 {} com.p -> REGISTERED 1 $p
        ann: CALL 1 {} com.p
        bob: <- INVOCATION 1 $p {}
        ann: CALL 2 {} wamp.session.kill [$bob] {"reason": my.reason, "message": "go away"}
        ann: <~ RESULT 2 {}
        ann: <~ ERROR CALL 1 {} wamp.error.canceled
        bob: <- GOODBYE {message: "go away"} my.reason
        eve: <- EVENT $l * {} [$bob, *, anonymous]
        bob: YIELD 1 {} & PUBLISH 2 {acknowledge} com.t
        bob: silent
        ann: CALL 3 {} wamp.session.get [$bob] -> ERROR CALL 3 {} wamp.error.no_such_session
        ann: CALL 4 {} wamp.session.kill [$bob] -> ERROR CALL 4 {} wamp.error.no_such_session
        ann: CALL 5 {} wamp.session.kill [$ann] -> ERROR CALL 5 {} wamp.error.no_such_session
        bob: GOODBYE {} wamp.close.goodbye_and_out
        bob: closed
        cyd: CALL 1 {} wamp.session.kill [$eve] -> RESULT 1 {}
        eve: <- GOODBYE {} wamp.close.killed
        wait 6s
        eve: closed
    "#,
    );
}

// spec: A-SMA-10, A-META-06
#[test]
fn reasons_must_be_uris() {
    for procedure in [
        "wamp.session.kill [$bob]",
        "wamp.session.kill_by_authid [x]",
        "wamp.session.kill_by_authrole [anonymous]",
        "wamp.session.kill_all []",
    ] {
        check(&format!(
            r#"
            bob: joins realm1
            ann: CALL 1 {{}} {procedure} {{"reason": ""}} -> ERROR CALL 1 {{}} wamp.error.invalid_uri
            ann: CALL 2 {{}} {procedure} {{"reason": "a b"}} -> ERROR CALL 2 {{}} wamp.error.invalid_uri
            ann: CALL 3 {{}} {procedure} {{"reason": 1}} -> ERROR CALL 3 {{}} wamp.error.invalid_argument
            ann: CALL 4 {{}} wamp.session.count -> RESULT 4 {{}} [2]
            bob: silent
        "#
        ));
    }
}

// spec: A-SMA-11, A-SMA-12, A-SMA-14
#[test]
fn sessions_are_killed_by_identity_or_role() {
    check(
        r#"
        eve: SUBSCRIBE 1 {} wamp.session.on_leave -> SUBSCRIBED 1 $l
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}}} -> WELCOME $bob {authid: $id, ..}
        far: joins realm2
        ann: CALL 1 {} wamp.session.kill_by_authid [$id] -> RESULT 1 {} [[$bob]]
        bob: <- GOODBYE {} wamp.close.killed
        eve: <- EVENT $l * {} [$bob, $id, anonymous]
        ann: CALL 2 {} wamp.session.kill_by_authid [$id] -> RESULT 2 {} [[]]
        ann: CALL 3 {} wamp.session.kill_by_authrole [nobody] -> RESULT 3 {} [0]
        ann: CALL 4 {} wamp.session.kill_by_authrole [anonymous] {"message": m} -> RESULT 4 {} [1]
        eve: <- GOODBYE {message: m} wamp.close.killed
        far: silent
        ann: CALL 5 {} wamp.session.list -> RESULT 5 {} [[$ann]]
        ann: CALL 6 {} wamp.session.kill_by_authid -> ERROR CALL 6 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: A-SMA-13, A-SMA-18, A-SMA-14, A-TST-07
#[test]
fn all_others_are_killed_without_a_word_about_it() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} wamp. -> SUBSCRIBED 1 $l
        ann: SUBSCRIBE 2 {match: wildcard} com.. -> SUBSCRIBED 2 *
        ann: <- EVENT $l * {topic: wamp.subscription.on_create} *
        ann: <- EVENT $l * {topic: wamp.subscription.on_subscribe} *
        far: joins realm2
        bob: CALL 1 {} wamp.session.add_testament [com.t.t, [], {}] -> RESULT 1 {}
        cyd: PUBLISH 1 {} com.unheard
        ann: CALL 3 {} wamp.session.kill_all [] {"reason": my.reason} -> RESULT 3 {} [2]
        bob: <- GOODBYE {} my.reason
        cyd: <- GOODBYE {} my.reason
        far: silent
        ann: silent
        ann: CALL 4 {} wamp.session.count -> RESULT 4 {} [1]
    "#,
    );
}

// What comes in one piece is processed before anybody is ended.
#[test]
fn who_is_killed_is_not_found_behind_a_subscription() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $t
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $t
        ann: CALL 2 {} wamp.session.kill [$bob] & CALL 3 {} wamp.subscription.count_subscribers [$t]
        ann: <~ RESULT 2 {}
        ann: <~ RESULT 3 {} [1]
        bob: <- GOODBYE {} wamp.close.killed
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $t
        ann: CALL 4 {} wamp.session.kill [$cyd] & CALL 5 {} wamp.subscription.list_subscribers [$t]
        ann: <~ RESULT 4 {}
        ann: <~ RESULT 5 {} [[$ann]]
        cyd: <- GOODBYE {} wamp.close.killed
    "#,
    );
}

// spec: A-META-03, B-URI-07
#[test]
fn what_is_reserved_is_nobody_elses() {
    check(
        r#"
        ann: REGISTER 1 {match: prefix} "" -> REGISTERED 1 *
        ann: REGISTER 2 {match: prefix} wam -> REGISTERED 2 $r
        ann: REGISTER 3 {match: wildcard} ..x -> REGISTERED 3 *
        bob: CALL 1 {} wamp.session.unknown -> ERROR CALL 1 {} wamp.error.no_such_procedure
        bob: CALL 2 {} wamp.a.x -> ERROR CALL 2 {} wamp.error.no_such_procedure
        bob: CALL 3 {} wamp -> ERROR CALL 3 {} wamp.error.no_such_procedure
        bob: CALL 4 {} "wamp. x" -> ERROR CALL 4 {} wamp.error.invalid_uri
        ann: silent
        bob: CALL 5 {} wamp.registration.match [wamp.a.x] -> RESULT 5 {} [null]
        bob: CALL 6 {} wampum
        ann: <- INVOCATION 1 $r {procedure: wampum}
    "#,
    );
}

// spec: A-META-05
#[test]
fn procedures_of_the_router_are_found_like_others() {
    check(
        r#"
        ann: REGISTER 1 {match: prefix} "" -> REGISTERED 1 $r
        bob: CALL 1 {} wamp.registration.match [wamp.session.count] -> RESULT 1 {} [$c]
        bob: CALL 2 {} wamp.registration.lookup [wamp.session.count] -> RESULT 2 {} [$c]
        bob: CALL 3 {} wamp.registration.get [$c] -> RESULT 3 {} [{id: $c, created: *, uri: wamp.session.count, match: exact, invoke: single}]
        bob: CALL 4 {} wamp.registration.list_callees [$c] -> RESULT 4 {} [[]]
        bob: CALL 5 {} wamp.registration.count_callees [$c] -> RESULT 5 {} [0]
        bob: CALL 6 {} wamp.registration.match [wamp.unknown] -> RESULT 6 {} [null]
        bob: CALL 7 {} wamp.registration.lookup [wamp.session.count, {match: prefix}] -> RESULT 7 {} [null]
        bob: CALL 8 {} wamp.registration.lookup ["", {match: prefix}] -> RESULT 8 {} [$r]
        bob: CALL 9 {} wamp.registration.match [com.p] -> RESULT 9 {} [$r]
    "#,
    );
}

// spec: A-META-04, B-ERR-13, B-ERR-41
#[test]
fn killing_is_denied_where_it_is_not_allowed() {
    for procedure in ["kill [$bob]", "kill_by_authid [x]", "kill_by_authrole [x]", "kill_all"] {
        check(&format!(
            r#"
            given: meta_kill_denied
            bob: joins realm1
            ann: CALL 1 {{}} wamp.session.{procedure} -> ERROR CALL 1 {{}} wamp.error.not_authorized
            bob: silent
        "#
        ));
    }
}

// spec: A-RMA-01, A-RMA-02, A-RMA-03, A-RMA-04, A-RMA-05, A-RMA-06, A-RMA-13
#[test]
fn registrations_are_told() {
    check(
        r#"
        eve: SUBSCRIBE 1 {match: prefix} wamp.registration. -> SUBSCRIBED 1 $m
        ann: REGISTER 1 {match: prefix, invoke: roundrobin} com.p -> REGISTERED 1 $r
        eve: <- EVENT $m * {topic: wamp.registration.on_create} [$ann, {id: $r, created: *, uri: com.p, match: prefix, invoke: roundrobin}]
        eve: <- EVENT $m * {topic: wamp.registration.on_register} [$ann, $r]
        bob: REGISTER 1 {match: prefix, invoke: roundrobin} com.p -> REGISTERED 1 $r
        eve: <- EVENT $m * {topic: wamp.registration.on_register} [$bob, $r]
        ann: UNREGISTER 2 $r -> UNREGISTERED 2
        eve: <- EVENT $m * {topic: wamp.registration.on_unregister} [$ann, $r]
        eve: silent
        bob: drops
        eve: <- EVENT $m * {topic: wamp.registration.on_unregister} [$bob, $r]
        eve: <- EVENT $m * {topic: wamp.registration.on_delete} [$bob, $r]
    "#,
    );
}

// spec: A-RMA-07, A-RMA-08, A-RMA-09, A-RMA-10, A-RMA-11, A-RMA-12, A-RMA-14, A-META-06
#[test]
fn registrations_are_found_and_described() {
    check(
        r#"
        ann: REGISTER 1 {} com.a.b -> REGISTERED 1 $e
        ann: REGISTER 2 {match: prefix, invoke: last} com.a -> REGISTERED 2 $p
        bob: REGISTER 1 {match: prefix, invoke: last} com.a -> REGISTERED 1 $p
        ann: REGISTER 3 {match: wildcard} com..c -> REGISTERED 3 $w
        bob: CALL 2 {} wamp.registration.list -> RESULT 2 {} [{exact: [$e], prefix: [$p], wildcard: [$w]}]
        bob: CALL 3 {} wamp.registration.lookup [com.a] -> RESULT 3 {} [null]
        bob: CALL 4 {} wamp.registration.lookup [com.a, {match: prefix}] -> RESULT 4 {} [$p]
        bob: CALL 5 {} wamp.registration.match [com.a.b] -> RESULT 5 {} [$e]
        ann: CALL 4 {} wamp.registration.match [com.a.c] -> RESULT 4 {} [$p]
        bob: CALL 6 {} wamp.registration.match [com.x.c] -> RESULT 6 {} [$w]
        bob: CALL 7 {} wamp.registration.match [com.x] -> RESULT 7 {} [null]
        bob: CALL 8 {} wamp.registration.get [$p] -> RESULT 8 {} [{id: $p, created: *, uri: com.a, match: prefix, invoke: last}]
        bob: CALL 9 {} wamp.registration.list_callees [$p] -> RESULT 9 {} [[$ann, $bob]]
        bob: CALL 10 {} wamp.registration.count_callees [$p] -> RESULT 10 {} [2]
        ann: UNREGISTER 5 $w -> UNREGISTERED 5
        bob: CALL 11 {} wamp.registration.get [$w] -> ERROR CALL 11 {} wamp.error.no_such_registration
        bob: CALL 12 {} wamp.registration.list_callees [$w] -> ERROR CALL 12 {} wamp.error.no_such_registration
        bob: CALL 13 {} wamp.registration.count_callees [$w] -> ERROR CALL 13 {} wamp.error.no_such_registration
        bob: CALL 14 {} wamp.registration.get -> ERROR CALL 14 {} wamp.error.invalid_argument
        bob: CALL 15 {} wamp.registration.lookup [1] -> ERROR CALL 15 {} wamp.error.invalid_argument
        bob: CALL 16 {} wamp.registration.lookup [com.a, {match: some}] -> ERROR CALL 16 {} wamp.error.invalid_argument
        ann: UNREGISTER 6 $p -> UNREGISTERED 6
        bob: CALL 17 {} wamp.registration.list_callees [$p] -> RESULT 17 {} [[$bob]]
    "#,
    );
}

// spec: A-BMA-01, A-BMA-02, A-BMA-03, A-BMA-04, A-BMA-05, A-BMA-12, A-BMA-13
#[test]
fn subscriptions_are_told() {
    check(
        r#"
        eve: SUBSCRIBE 1 {match: prefix} wamp.subscription. -> SUBSCRIBED 1 $m
        eve: silent
        ann: SUBSCRIBE 1 {match: prefix} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT $m * {topic: wamp.subscription.on_create} [$ann, {id: $s, created: *, uri: com.t, match: prefix}]
        eve: <- EVENT $m * {topic: wamp.subscription.on_subscribe} [$ann, $s]
        ann: SUBSCRIBE 2 {match: prefix} com.t -> SUBSCRIBED 2 $s
        ann: SUBSCRIBE 3 {} wamp.session.on_join -> SUBSCRIBED 3 *
        eve: silent
        bob: SUBSCRIBE 1 {match: prefix} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT $m * {topic: wamp.subscription.on_subscribe} [$bob, $s]
        ann: UNSUBSCRIBE 4 $s -> UNSUBSCRIBED 4
        eve: <- EVENT $m * {topic: wamp.subscription.on_unsubscribe} [$ann, $s]
        bob: drops
        eve: <- EVENT $m * {topic: wamp.subscription.on_unsubscribe} [$bob, $s]
        eve: <- EVENT $m * {topic: wamp.subscription.on_delete} [$bob, $s]
        ann: drops
        eve: silent
    "#,
    );
}

// spec: A-RMA-01, A-BMA-01
#[test]
fn the_time_of_creation_is_told_to_the_millisecond() {
    check_then(
        r#"
        eve: SUBSCRIBE 1 {match: wildcard} wamp..on_create -> SUBSCRIBED 1 *
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT * * {topic: wamp.subscription.on_create} [$ann, {created: $one, ..}]
        ann: REGISTER 2 {} com.p -> REGISTERED 2 $r
        eve: <- EVENT * * {topic: wamp.registration.on_create} [$ann, {created: $two, ..}]
        ann: CALL 3 {} wamp.subscription.get [$s] -> RESULT 3 {} [{created: $one, ..}]
        ann: CALL 4 {} wamp.registration.get [$r] -> RESULT 4 {} [{created: $two, ..}]
    "#,
        |bindings| {
            for name in ["one", "two"] {
                let Value::Text(time) = &bindings[name] else { panic!("a text") };
                let form: String =
                    time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                assert_eq!(form, "0000-00-00T00:00:00.000Z", "{time}");
            }
        },
    );
}

// spec: A-BMA-14
#[test]
fn a_subscriber_hears_that_it_is_one_before_it_hears_that_others_were_told() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} wamp.subscription.on_subscribe -> SUBSCRIBED 1 $m
        ann: SUBSCRIBE 2 {} com.t -> SUBSCRIBED 2 $s
        ann: <- EVENT $m * {} [$ann, $s]
    "#,
    );
}

// spec: A-BMA-06, A-BMA-07, A-BMA-08, A-BMA-09, A-BMA-10, A-BMA-11, A-META-06
#[test]
fn subscriptions_are_found_and_described() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.a.b -> SUBSCRIBED 1 $e
        ann: SUBSCRIBE 2 {match: prefix} com.a -> SUBSCRIBED 2 $p
        bob: SUBSCRIBE 1 {match: prefix} com.a -> SUBSCRIBED 1 $p
        cyd: SUBSCRIBE 1 {match: wildcard} com..b -> SUBSCRIBED 1 $w
        bob: CALL 2 {} wamp.subscription.list -> RESULT 2 {} [{exact: [$e], prefix: [$p], wildcard: [$w]}]
        bob: CALL 3 {} wamp.subscription.lookup [com.a] -> RESULT 3 {} [null]
        bob: CALL 4 {} wamp.subscription.lookup [com.a, {match: prefix}] -> RESULT 4 {} [$p]
        bob: CALL 5 {} wamp.subscription.match [com.a.b] -> RESULT 5 {} [[$e, $p, $w]]
        bob: CALL 6 {} wamp.subscription.match [com.x] -> RESULT 6 {} [null]
        bob: CALL 7 {} wamp.subscription.get [$w] -> RESULT 7 {} [{id: $w, created: *, uri: com..b, match: wildcard}]
        bob: CALL 8 {} wamp.subscription.list_subscribers [$w] -> RESULT 8 {} [[$cyd]]
        bob: CALL 9 {} wamp.subscription.list_subscribers [$p] -> RESULT 9 {} [[*, *]]
        bob: CALL 10 {} wamp.subscription.count_subscribers [$p] -> RESULT 10 {} [2]
        cyd: drops
        bob: CALL 11 {} wamp.subscription.get [$w] -> ERROR CALL 11 {} wamp.error.no_such_subscription
        bob: CALL 12 {} wamp.subscription.list_subscribers [$w] -> ERROR CALL 12 {} wamp.error.no_such_subscription
        bob: CALL 13 {} wamp.subscription.count_subscribers [$w] -> ERROR CALL 13 {} wamp.error.no_such_subscription
        bob: CALL 14 {} wamp.subscription.lookup -> ERROR CALL 14 {} wamp.error.invalid_argument
        ann: drops
        bob: CALL 15 {} wamp.subscription.list_subscribers [$p] -> RESULT 15 {} [[$bob]]
    "#,
    );
}

// spec: A-META-06
#[test]
fn questions_to_other_shards_count_as_calls() {
    check(
        r#"
        given: calls_pending_max 2
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        bob: CALL 1 {} com.p & CALL 2 {} com.p & CALL 3 {} wamp.session.count
        ann: <- INVOCATION 1 $r {}
        ann: <- INVOCATION 2 $r {}
        bob: <- ERROR CALL 3 {} gigawamp.error.limit_exceeded
        ann: YIELD 1 {}
        bob: <- RESULT 1 {}
        bob: CALL 4 {} wamp.session.count -> RESULT 4 {} [2]
        bob: CALL 5 {} wamp.session.count -> RESULT 5 {} [2]
    "#,
    );
}

// spec: A-META-03, B-URI-07
#[test]
fn the_meta_api_cannot_be_imitated() {
    check(
        r#"
        ann: REGISTER 1 {} wamp.session.count -> ERROR REGISTER 1 {} wamp.error.invalid_uri
        ann: PUBLISH 2 {acknowledge} wamp.session.on_join -> ERROR PUBLISH 2 {} wamp.error.invalid_uri
        ann: REGISTER 3 {match: prefix} "" -> REGISTERED 3 $r
        bob: CALL 1 {} wamp.session.count -> RESULT 1 {} [2]
        ann: silent
    "#,
    );
}

// spec: A-SMA-16
#[test]
fn who_was_killed_is_not_in_the_next_list_of_its_killer() {
    let by_all = [
        ("kill [$bob]", "{}"),
        ("kill_by_authid [$id]", "{} [[$bob]]"),
        ("kill_by_authrole [anonymous]", "{} [2]"),
        ("kill_all", "{} [2]"),
    ];
    for (killing, result) in by_all {
        let all = result.ends_with("[2]");
        let (left, count, eve) = match all {
            true => ("[$ann]", 1, "eve: <- GOODBYE {} wamp.close.killed"),
            false => ("[*, *]", 2, "eve: silent"),
        };
        check(&format!(
            r#"
            bob: connects
            bob: HELLO realm1 {{roles: {{caller: {{}}}}}} -> WELCOME $bob {{authid: $id, ..}}
            eve: joins realm1
            ann: CALL 1 {{}} wamp.session.{killing} & CALL 2 {{}} wamp.session.list & CALL 3 {{}} wamp.session.count & CALL 4 {{}} wamp.session.get [$bob]
            ann: <~ RESULT 1 {result}
            ann: <~ RESULT 2 {{}} [{left}]
            ann: <~ RESULT 3 {{}} [{count}]
            ann: <~ ERROR CALL 4 {{}} wamp.error.no_such_session
            bob: <- GOODBYE {{}} wamp.close.killed
            {eve}
        "#
        ));
    }
}

// spec: A-SMA-11, A-SMA-12, A-SMA-13
#[test]
fn nobody_kills_itself() {
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME $ann {authid: $id, ..}
        ann: CALL 1 {} wamp.session.kill_by_authid [$id] -> RESULT 1 {} [[]]
        ann: CALL 2 {} wamp.session.kill_by_authrole [anonymous] -> RESULT 2 {} [0]
        ann: CALL 3 {} wamp.session.kill_all -> RESULT 3 {} [0]
        ann: CALL 4 {} wamp.session.list -> RESULT 4 {} [[$ann]]
    "#,
    );
}

// spec: A-META-01, A-SMA-14
#[test]
fn each_realm_has_a_meta_api_of_its_own() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} wamp. -> SUBSCRIBED 1 *
        far: joins realm2
        far: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        far: REGISTER 2 {} com.p -> REGISTERED 2 $r
        ann: silent
        far: CALL 3 {} wamp.subscription.list -> RESULT 3 {} [{exact: [$s], prefix: [], wildcard: []}]
        far: CALL 4 {} wamp.session.kill [$ann] -> ERROR CALL 4 {} wamp.error.no_such_session
        far: CALL 5 {} wamp.session.kill_all -> RESULT 5 {} [0]
        ann: CALL 2 {} wamp.subscription.match [com.t] -> RESULT 2 {} [null]
        ann: CALL 3 {} wamp.registration.match [com.p] -> RESULT 3 {} [null]
        far: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        ann: silent
    "#,
    );
}

// spec: A-META-06, D-15
#[test]
fn an_argument_that_is_null_is_none() {
    check(
        r#"
        ann: CALL 1 {} wamp.session.count [null] -> RESULT 1 {} [2]
        ann: CALL 2 {} wamp.session.list [] {"filter_authroles": null} -> RESULT 2 {} [[*, *]]
        ann: CALL 3 {} wamp.registration.lookup [com.p, null] -> RESULT 3 {} [null]
        ann: CALL 4 {} wamp.registration.lookup [com.p, {match: null}] -> RESULT 4 {} [null]
        ann: CALL 5 {} wamp.session.kill [5] {"reason": null, "message": null} -> ERROR CALL 5 {} wamp.error.no_such_session
        ann: CALL 6 {} wamp.session.get [null] -> ERROR CALL 6 {} wamp.error.invalid_argument
        ann: CALL 7 {} wamp.session.add_testament [null, [], {}] -> ERROR CALL 7 {} wamp.error.invalid_argument
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: CALL 8 {} wamp.session.add_testament [com.t, null, {"a": 1}] {"publish_options": null, "scope": null} -> RESULT 8 {}
        ann: drops
        bob: <- EVENT $s * {} [] {"a": 1}
    "#,
    );
}

// spec: A-SMA-03, A-SMA-16, A-SMA-17
#[test]
fn a_session_leaves_once_whatever_crosses_its_killing() {
    for what in [
        "GOODBYE {} my.reason",
        "ABORT {} my.reason",
        "REGISTER 1 {} com.p",
        "SUBSCRIBE 1 {} com.t",
        "PUBLISH 7 {} com.t",
        "CALL 1 {} wamp.session.kill_by_authrole [nobody]",
    ] {
        let script = format!(
            r#"
            ann: joins realm1
            bob: joins realm1
            cyd: joins realm1
            eve: SUBSCRIBE 1 {{}} wamp.session.on_leave -> SUBSCRIBED 1 $l
            bob: begins {what}
            ann: begins CALL 1 {{}} wamp.session.kill [$bob]
            cyd: begins CALL 1 {{}} wamp.session.kill [$bob]
            eve: hears all $news
            bob: hears all $of_bob
            ann: hears all $of_ann
            cyd: hears all $of_cyd
        "#
        );
        check_often(&script, 4, |bindings| {
            let news = bindings["news"].items();
            assert_eq!(news.len(), 1, "{what}: {news:?}");
            assert_eq!(news[0].items()[4].items()[0], bindings["bob"]);
            // At most one of the two has killed it.
            let is_result = |name: &&str| bindings[*name].items()[0].items()[0] == Value::from(50);
            let killers = ["of_ann", "of_cyd"].iter().filter(|name| is_result(name)).count();
            assert!(killers <= 1, "{what}: {bindings:?}");
        });
    }
}
