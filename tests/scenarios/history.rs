//! Event history: what was published to a subscription, for those who ask later.

use gigawamp::sim::Value;

use crate::{check, check_often, check_then};

// spec: A-HIS-01, A-HIS-03, A-HIS-04, A-HIS-06, A-HIS-11
#[test]
fn each_subscription_has_what_was_published_to_it() {
    check(
        r#"
        given: history com.mycompany.log.auth
        given: history com.mycompany.log.basket
        given: history com.mycompany.log*
        ann: PUBLISH 1 {acknowledge} com.mycompany.log.auth [1] -> PUBLISHED 1 $p1
        ann: PUBLISH 2 {acknowledge} com.mycompany.log.basket [2] -> PUBLISHED 2 $p2
        bob: PUBLISH 1 {acknowledge} com.mycompany.log.basket [3] {"a": 3} -> PUBLISHED 1 $p3
        bob: PUBLISH 2 {acknowledge} com.mycompany.log.basket -> PUBLISHED 2 $p4
        cyd: PUBLISH 1 {acknowledge} com.mycompany.log.checkout [5] -> PUBLISHED 1 $p5
        dan: CALL 1 {} wamp.subscription.lookup [com.mycompany.log.auth] -> RESULT 1 {} [$s1]
        dan: CALL 2 {} wamp.subscription.lookup [com.mycompany.log.basket] -> RESULT 2 {} [$s2]
        dan: CALL 3 {} wamp.subscription.lookup [com.mycompany.log, {match: prefix}] -> RESULT 3 {} [$s3]
        dan: CALL 4 {} wamp.subscription.get_events [$s1]
        dan: <- RESULT 4 {} [{timestamp: *, subscription: $s1, publication: $p1, details: {}, args: [1]}]
        dan: CALL 5 {} wamp.subscription.get_events [$s2]
        dan: <- RESULT 5 {} [{timestamp: *, subscription: $s2, publication: $p2, details: {}, args: [2]}, {timestamp: *, subscription: $s2, publication: $p3, details: {}, args: [3], kwargs: {a: 3}}, {timestamp: *, subscription: $s2, publication: $p4, details: {}}]
        dan: CALL 6 {} wamp.subscription.get_events [$s3]
        dan: <- RESULT 6 {} [{publication: $p1, details: {topic: com.mycompany.log.auth}, ..}, {publication: $p2, ..}, {publication: $p3, ..}, {publication: $p4, details: {topic: com.mycompany.log.basket}, ..}, {publication: $p5, details: {topic: com.mycompany.log.checkout}, subscription: $s3, timestamp: *, args: [5]}]
    "#,
    );
}

// spec: A-HIS-06, A-HIS-11
#[test]
fn a_history_does_not_depend_on_subscribers() {
    check(
        r#"
        given: history com.t
        eve: SUBSCRIBE 1 {match: prefix} wamp.subscription. -> SUBSCRIBED 1 $m
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: CALL 2 {} wamp.subscription.match [com.t] -> RESULT 2 {} [[$s]]
        ann: CALL 3 {} wamp.subscription.list -> RESULT 3 {} [{exact: [$s], prefix: [$m], wildcard: []}]
        ann: CALL 4 {} wamp.subscription.get [$s] -> RESULT 4 {} [{id: $s, created: *, uri: com.t, match: exact}]
        ann: CALL 5 {} wamp.subscription.count_subscribers [$s] -> RESULT 5 {} [0]
        ann: CALL 6 {} wamp.subscription.list_subscribers [$s] -> RESULT 6 {} [[]]
        ann: PUBLISH 7 {} com.t [1]
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT $m * {topic: wamp.subscription.on_subscribe} [$bob, $s]
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        eve: <- EVENT $m * {topic: wamp.subscription.on_subscribe} [$cyd, $s]
        ann: PUBLISH 8 {} com.t [2]
        bob: <- EVENT $s * {} [2]
        cyd: <- EVENT $s * {} [2]
        ann: CALL 9 {} wamp.subscription.list_subscribers [$s] -> RESULT 9 {} [[*, *]]
        bob: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        eve: <- EVENT $m * {topic: wamp.subscription.on_unsubscribe} [$bob, $s]
        ann: PUBLISH 10 {} com.t [3]
        cyd: <- EVENT $s * {} [3]
        cyd: drops
        eve: <- EVENT $m * {topic: wamp.subscription.on_unsubscribe} [$cyd, $s]
        eve: silent
        ann: PUBLISH 11 {} com.t [4]
        ann: CALL 12 {} wamp.subscription.lookup [com.t] -> RESULT 12 {} [$s]
        ann: CALL 13 {} wamp.subscription.count_subscribers [$s] -> RESULT 13 {} [0]
        bob: silent
        bob: SUBSCRIBE 3 {} com.t -> SUBSCRIBED 3 $s
        eve: <- EVENT $m * {topic: wamp.subscription.on_subscribe} [$bob, $s]
        bob: CALL 4 {} wamp.subscription.get_events [$s] -> RESULT 4 {} [{args: [1], ..}, {args: [2], ..}, {args: [3], ..}, {args: [4], ..}]
        ann: CALL 14 {} wamp.subscription.remove_subscriber [$s, $bob] -> RESULT 14 {}
        eve: <- EVENT $m * {topic: wamp.subscription.on_unsubscribe} [$bob, $s]
        ann: CALL 15 {} wamp.subscription.lookup [com.t] -> RESULT 15 {} [$s]
    "#,
    );
}

// spec: A-HIS-02, A-HIS-04
#[test]
fn events_are_chosen_by_their_place() {
    check(
        r#"
        given: history com.t
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {acknowledge} com.t [1] -> PUBLISHED 2 *
        ann: PUBLISH 3 {acknowledge} com.t [2] -> PUBLISHED 3 $p2
        ann: PUBLISH 4 {acknowledge} com.t [3] -> PUBLISHED 4 *
        ann: PUBLISH 5 {acknowledge} com.t [4] -> PUBLISHED 5 $p4
        ann: PUBLISH 6 {acknowledge} com.t [5] -> PUBLISHED 6 *
        ann: PUBLISH 7 {acknowledge} com.u [6] -> PUBLISHED 7 $elsewhere
        bob: CALL 1 {} wamp.subscription.get_events [$s] {"from_publication": $p4} -> RESULT 1 {} [{args: [4], ..}, {args: [5], ..}]
        bob: CALL 2 {} wamp.subscription.get_events [$s] {"after_publication": $p4} -> RESULT 2 {} [{args: [5], ..}]
        bob: CALL 3 {} wamp.subscription.get_events [$s] {"before_publication": $p2} -> RESULT 3 {} [{args: [1], ..}]
        bob: CALL 4 {} wamp.subscription.get_events [$s] {"until_publication": $p2} -> RESULT 4 {} [{args: [1], ..}, {args: [2], ..}]
        bob: CALL 5 {} wamp.subscription.get_events [$s] {"from_publication": $p2, "until_publication": $p4} -> RESULT 5 {} [{args: [2], ..}, {args: [3], ..}, {args: [4], ..}]
        bob: CALL 6 {} wamp.subscription.get_events [$s] {"after_publication": $p2, "before_publication": $p4, "from_publication": $p2, "until_publication": $p4} -> RESULT 6 {} [{args: [3], ..}]
        bob: CALL 7 {} wamp.subscription.get_events [$s] {"after_publication": $p4, "before_publication": $p2} -> RESULT 7 {} []
        bob: CALL 8 {} wamp.subscription.get_events [$s] {"after_publication": $p2, "reverse": true} -> RESULT 8 {} [{args: [5], ..}, {args: [4], ..}, {args: [3], ..}]
        bob: CALL 9 {} wamp.subscription.get_events [$s] {"before_publication": $p4, "limit": 2, "reverse": true} -> RESULT 9 {} [{args: [3], ..}, {args: [2], ..}] {more}
        bob: CALL 10 {} wamp.subscription.get_events [$s] {"after_publication": $elsewhere} -> ERROR CALL 10 {} wamp.error.invalid_argument
        bob: CALL 11 {} wamp.subscription.get_events [$s] {"from_publication": 0} -> ERROR CALL 11 {} wamp.error.invalid_argument
        bob: CALL 12 {} wamp.subscription.get_events [$s] {"until_publication": -1} -> ERROR CALL 12 {} wamp.error.invalid_argument
        bob: CALL 13 {} wamp.subscription.get_events [$s] {"before_publication": x} -> ERROR CALL 13 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: A-HIS-02, A-HIS-10
#[test]
fn events_come_in_pages_and_backwards() {
    check(
        r#"
        given: history com.t
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {} com.t [1] & PUBLISH 3 {} com.t [2] & PUBLISH 4 {} com.t [3]
        bob: CALL 1 {} wamp.subscription.get_events [$s] {"limit": 2} -> RESULT 1 {} [{args: [1], ..}, {args: [2], publication: $p2, ..}] {more}
        bob: CALL 2 {} wamp.subscription.get_events [$s] {"limit": 2, "after_publication": $p2} -> RESULT 2 {} [{args: [3], publication: $p3, ..}]
        bob: CALL 3 {} wamp.subscription.get_events [$s] {"limit": 2, "after_publication": $p3} -> RESULT 3 {} []
        bob: CALL 4 {} wamp.subscription.get_events [$s] {"limit": 3} -> RESULT 4 {} [*, *, *]
        bob: CALL 5 {} wamp.subscription.get_events [$s] {"reverse": true} -> RESULT 5 {} [{args: [3], ..}, {args: [2], ..}, {args: [1], ..}]
        bob: CALL 6 {} wamp.subscription.get_events [$s] {"reverse": true, "limit": 1} -> RESULT 6 {} [{args: [3], ..}] {more}
        bob: CALL 7 {} wamp.subscription.get_events [$s] {"reverse": false, "limit": 9007199254740992} -> RESULT 7 {} [{args: [1], ..}, *, *]
        bob: CALL 8 {} wamp.subscription.get_events [$s] {"limit": null, "from_time": null} -> RESULT 8 {} [*, *, *]
        bob: CALL 9 {} wamp.subscription.get_events [$s] {"limit": 0} -> ERROR CALL 9 {} wamp.error.invalid_argument
        bob: CALL 10 {} wamp.subscription.get_events [$s] {"limit": -1} -> ERROR CALL 10 {} wamp.error.invalid_argument
        bob: CALL 11 {} wamp.subscription.get_events [$s] {"limit": 1.5} -> ERROR CALL 11 {} wamp.error.invalid_argument
        bob: CALL 12 {} wamp.subscription.get_events [$s] {"reverse": 1} -> ERROR CALL 12 {} wamp.error.invalid_argument
        bob: CALL 13 {} wamp.subscription.get_events [$s] {"unheard_of": 1} -> RESULT 13 {} [*, *, *]
    "#,
    );
}

// spec: A-HIS-02, A-HIS-14
#[test]
fn events_of_patterns_are_chosen_by_topic() {
    check(
        r#"
        given: history com.*
        given: history ..x
        given: history com.a.x
        ann: CALL 1 {} wamp.subscription.lookup ["com.", {match: prefix}] -> RESULT 1 {} [$p]
        ann: CALL 2 {} wamp.subscription.lookup ["..x", {match: wildcard}] -> RESULT 2 {} [$w]
        ann: CALL 3 {} wamp.subscription.lookup [com.a.x] -> RESULT 3 {} [$e]
        ann: PUBLISH 4 {} com.a.x [1] & PUBLISH 5 {} com.b.x [2] & PUBLISH 6 {} org.a.x [3] & PUBLISH 7 {} com.a [4] & PUBLISH 8 {} com.a.x [5]
        bob: CALL 1 {} wamp.subscription.get_events [$p] {"topic": com.a.x} -> RESULT 1 {} [{details: {topic: com.a.x}, args: [1], ..}, {args: [5], ..}]
        bob: CALL 2 {} wamp.subscription.get_events [$w] -> RESULT 2 {} [{details: {topic: com.a.x}, args: [1], ..}, {details: {topic: com.b.x}, args: [2], ..}, {details: {topic: org.a.x}, args: [3], ..}, {args: [5], ..}]
        bob: CALL 3 {} wamp.subscription.get_events [$w] {"topic": org.a.x, "limit": 5} -> RESULT 3 {} [{args: [3], ..}]
        bob: CALL 4 {} wamp.subscription.get_events [$p] {"topic": com} -> RESULT 4 {} []
        bob: CALL 5 {} wamp.subscription.get_events [$e] {"topic": com.a.x} -> RESULT 5 {} [{details: {}, args: [1], ..}, {details: {}, args: [5], ..}]
        bob: CALL 6 {} wamp.subscription.get_events [$e] {"topic": com.b.x} -> RESULT 6 {} []
        bob: CALL 7 {} wamp.subscription.get_events [$p] {"topic": 7} -> ERROR CALL 7 {} wamp.error.invalid_argument
    "#,
    );
}

// spec: A-HIS-07, A-HIS-08, A-HIS-13
#[test]
fn nobody_is_told_what_was_not_for_it() {
    check(
        r#"
        given: history com.t
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        bob: connects
        bob: HELLO realm1 {roles: {caller: {}, subscriber: {}}} -> WELCOME $bob {authid: $id, ..}
        ann: PUBLISH 2 {} com.t [all]
        ann: PUBLISH 3 {exclude: [$bob]} com.t [sessions]
        ann: PUBLISH 4 {eligible: [$bob]} com.t [sessions]
        ann: PUBLISH 5 {eligible: []} com.t [sessions]
        ann: PUBLISH 6 {eligible: [$bob], eligible_authid: [$id]} com.t [sessions]
        ann: PUBLISH 7 {exclude: []} com.t ["nobody excluded"]
        ann: PUBLISH 8 {exclude_authid: [$id]} com.t ["not bob"]
        ann: PUBLISH 9 {eligible_authid: [$id]} com.t ["only bob"]
        ann: PUBLISH 10 {exclude_authrole: [anonymous]} com.t [nobody]
        ann: PUBLISH 11 {eligible_authrole: [admin]} com.t [nobody]
        ann: PUBLISH 12 {eligible_authrole: [admin, anonymous], exclude_authid: [x]} com.t ["the role"]
        ann: PUBLISH 13 {eligible_authrole: []} com.t [nobody]
        bob: CALL 1 {} wamp.subscription.get_events [$s] -> RESULT 1 {} [{args: [all], ..}, {args: ["nobody excluded"], ..}, {args: ["only bob"], ..}, {args: ["the role"], ..}]
        cyd: CALL 1 {} wamp.subscription.get_events [$s] -> RESULT 1 {} [{args: [all], ..}, {args: ["nobody excluded"], ..}, {args: ["not bob"], ..}, {args: ["the role"], ..}]
        cyd: CALL 2 {} wamp.subscription.get_events [$s] {"limit": 1, "reverse": true} -> RESULT 2 {} [{args: ["the role"], ..}] {more}
        ann: CALL 14 {} wamp.subscription.get_events [$s] {"limit": 1} -> RESULT 14 {} [{args: [all], ..}] {more}
    "#,
    );
}

// spec: A-HIS-07, A-HIS-10
#[test]
fn what_is_hidden_is_not_announced_as_more() {
    check(
        r#"
        given: history com.t
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {} com.t [1]
        ann: PUBLISH 3 {exclude_authrole: [anonymous]} com.t [2]
        ann: CALL 4 {} wamp.subscription.get_events [$s] {"limit": 1} -> RESULT 4 {} [{args: [1], ..}]
    "#,
    );
}

// spec: A-HIS-13, A-HIS-14
#[test]
fn details_are_those_that_were_delivered() {
    check(
        r#"
        given: history com.t
        given: trust * com.t 3
        ann: joins realm1 {publisher: {features: {payload_passthru_mode}}, subscriber: {}, caller: {}}
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {disclose_me, ppt_scheme: x_a, ppt_keyid: k} com.t ["\u0000AQL/"]
        bob: <- EVENT $s $p {trustlevel: 3, publisher: $ann, publisher_authid: $id, publisher_authrole: anonymous, ppt_scheme: x_a, ppt_keyid: k} ["\u0000AQL/"]
        ann: silent
        bob: CALL 2 {} wamp.subscription.get_events [$s]
        bob: <- RESULT 2 {} [{publication: $p, details: {trustlevel: 3, publisher: $ann, publisher_authid: $id, publisher_authrole: anonymous, ppt_scheme: x_a, ppt_keyid: k}, args: ["\u0000AQL/"], ..}]
        ann: CALL 3 {} wamp.subscription.get_events [$s] -> RESULT 3 {} [{publication: $p, ..}]
    "#,
    );
}

// spec: A-HIS-04, A-HIS-15
#[test]
fn whoever_publishes_finds_it_in_what_it_asks_next() {
    check(
        r#"
        given: history com.t
        given: history com.u
        given: history *
        ann: joins realm1
        bob: joins realm1
        cyd: joins realm1
        dan: joins realm1
        eve: joins realm1
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$t]
        ann: CALL 2 {} wamp.subscription.lookup [com.u] -> RESULT 2 {} [$u]
        ann: CALL 3 {} wamp.subscription.lookup ["", {match: prefix}] -> RESULT 3 {} [$a]
        ann: PUBLISH 4 {} com.t [1] & PUBLISH 5 {} com.t [2] & CALL 6 {} wamp.subscription.get_events [$t] -> RESULT 6 {} [{args: [1], ..}, {args: [2], ..}]
        bob: PUBLISH 1 {} com.t [3] & CALL 2 {} wamp.subscription.get_events [$t] -> RESULT 2 {} [*, *, {args: [3], ..}]
        cyd: PUBLISH 1 {} com.u [4] & CALL 2 {} wamp.subscription.get_events [$u] -> RESULT 2 {} [{args: [4], ..}]
        dan: PUBLISH 1 {} com.u [5] & CALL 2 {} wamp.subscription.get_events [$a] {"limit": 2, "reverse": true} -> RESULT 2 {} [{args: [5], ..}, {args: [4], ..}] {more}
        eve: PUBLISH 1 {} com.v [6] & CALL 2 {} wamp.subscription.get_events [$a] {"limit": 1, "reverse": true} -> RESULT 2 {} [{args: [6], ..}] {more}
    "#,
    );
}

/// The numbers that the events of the last RESULT in `heard` carry as their only argument.
fn numbers(heard: &Value) -> Vec<u64> {
    let Value::List(heard) = heard else { panic!("a list") };
    let Some(Value::List(result)) = heard.last() else { panic!("a message") };
    let Some(Value::List(events)) = result.get(3) else { panic!("a RESULT with events") };
    let number = |event: &Value| match event.get("args") {
        Some(Value::List(arguments)) => arguments.first().and_then(Value::number),
        _ => None,
    };
    events.iter().map(|event| number(event).expect("a number")).collect()
}

// spec: A-HIS-04, A-HIS-15
#[test]
fn all_are_told_of_the_same_order_and_publishers_of_their_own() {
    check_often(
        r#"
        given: history com.*
        ann: joins realm1
        bob: joins realm1
        cyd: joins realm1
        dan: joins realm1
        eve: joins realm1
        ann: CALL 1 {} wamp.subscription.lookup ["com.", {match: prefix}] -> RESULT 1 {} [$s]
        ann: begins PUBLISH 2 {} com.t [11]
        ann: begins PUBLISH 3 {} com.u [12]
        ann: begins PUBLISH 4 {} com.t [13]
        bob: begins PUBLISH 1 {} com.u [21]
        bob: begins PUBLISH 2 {} com.t [22]
        bob: begins PUBLISH 3 {} com.u [23]
        cyd: begins PUBLISH 1 {} com.t [31]
        cyd: begins PUBLISH 2 {} com.t [32]
        dan: CALL 1 {} wamp.subscription.get_events [$s]
        dan: hears all $dan
        eve: CALL 1 {} wamp.subscription.get_events [$s]
        eve: hears all $eve
        ann: CALL 5 {} wamp.subscription.get_events [$s]
        ann: hears all $ann_heard
    "#,
        20,
        |bindings| {
            // Who asks while it happens is told of a part of it, in the same order.
            let (early, order) = (numbers(&bindings["dan"]), numbers(&bindings["eve"]));
            assert!(order.starts_with(&early), "{early:?} {order:?}");
            assert_eq!(numbers(&bindings["ann_heard"]), order);
            for own in [vec![11, 12, 13], vec![21, 22, 23], vec![31, 32]] {
                let of_one: Vec<_> =
                    order.iter().copied().filter(|number| number / 10 == own[0] / 10).collect();
                assert_eq!(of_one, own, "{order:?}");
            }
        },
    );
}

// spec: A-HIS-12
#[test]
fn what_has_no_history_and_what_is_no_subscription() {
    check(
        r#"
        given: history com.t
        ann: SUBSCRIBE 1 {} com.u -> SUBSCRIBED 1 $u
        bob: PUBLISH 1 {} com.u [1]
        ann: <- EVENT $u * {} [1]
        ann: CALL 2 {} wamp.subscription.get_events [$u] -> RESULT 2 {} []
        ann: CALL 3 {} wamp.subscription.get_events [$u] {"after_publication": 7} -> ERROR CALL 3 {} wamp.error.invalid_argument
        ann: CALL 4 {} wamp.subscription.get_events [4711] -> ERROR CALL 4 {} wamp.error.no_such_subscription
        ann: CALL 5 {} wamp.subscription.get_events -> ERROR CALL 5 {} wamp.error.invalid_argument
        ann: CALL 6 {} wamp.subscription.get_events [com.t] -> ERROR CALL 6 {} wamp.error.invalid_argument
        ann: CALL 7 {} wamp.subscription.get_events [-1] -> ERROR CALL 7 {} wamp.error.invalid_argument
        ann: CALL 8 {} wamp.subscription.get_events [] {"limit": 1} -> ERROR CALL 8 {} wamp.error.invalid_argument
        ann: UNSUBSCRIBE 9 $u -> UNSUBSCRIBED 9
        ann: CALL 10 {} wamp.subscription.get_events [$u] -> ERROR CALL 10 {} wamp.error.no_such_subscription
    "#,
    );
}

// spec: A-HIS-01, A-HIS-16
#[test]
fn it_is_announced_where_something_is_kept() {
    check(
        r#"
        given: history com.t
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {roles: {broker: {features: {event_history, ..}}, dealer: *}, ..}
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {} com.t [1]
        bob: joins realm2
        bob: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s2]
        bob: CALL 2 {} wamp.subscription.get_events [$s2] -> RESULT 2 {} []
        bob: CALL 3 {} wamp.registration.lookup [wamp.subscription.get_events] -> RESULT 3 {} [$r]
        bob: CALL 4 {} wamp.registration.get [$r] -> RESULT 4 {} [{uri: wamp.subscription.get_events, ..}]
    "#,
    );
    check_then(
        r#"
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {roles: {broker: {features: $features}, dealer: *}, ..}
        ann: CALL 1 {} wamp.subscription.get_events [1] -> ERROR CALL 1 {} wamp.error.no_such_procedure
        ann: CALL 2 {} wamp.registration.lookup [wamp.subscription.get_events] -> RESULT 2 {} [null]
    "#,
        |bindings| assert!(bindings["features"].get("event_history").is_none()),
    );
}

// spec: A-HIS-10
#[test]
fn the_oldest_events_make_room() {
    check(
        r#"
        given: history com.t events=2
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {acknowledge} com.t [1] -> PUBLISHED 2 $p1
        bob: PUBLISH 1 {} com.t [2]
        ann: CALL 3 {} wamp.subscription.get_events [$s] {"after_publication": $p1} -> RESULT 3 {} [{args: [2], ..}]
        cyd: PUBLISH 1 {} com.t [3]
        ann: CALL 4 {} wamp.subscription.get_events [$s] -> RESULT 4 {} [{args: [2], ..}, {args: [3], ..}]
        ann: CALL 5 {} wamp.subscription.get_events [$s] {"after_publication": $p1} -> ERROR CALL 5 {} wamp.error.invalid_argument
    "#,
    );
    let long = "x".repeat(3_000);
    check(&format!(
        r#"
        given: history com.t bytes=8000
        ann: CALL 1 {{}} wamp.subscription.lookup [com.t] -> RESULT 1 {{}} [$s]
        ann: PUBLISH 2 {{}} com.t [1] & PUBLISH 3 {{}} com.t [2, "{long}"] & PUBLISH 4 {{}} com.t [3, "{long}"]
        ann: CALL 5 {{}} wamp.subscription.get_events [$s] -> RESULT 5 {{}} [{{args: [1], ..}}, {{args: [2, *], ..}}, {{args: [3, *], ..}}]
        ann: PUBLISH 6 {{}} com.t [4, "{long}"]
        ann: CALL 7 {{}} wamp.subscription.get_events [$s] -> RESULT 7 {{}} [{{args: [3, *], ..}}, {{args: [4, *], ..}}]
        ann: PUBLISH 8 {{acknowledge}} com.t [5, "{long}{long}{long}"] -> PUBLISHED 8 *
        ann: CALL 9 {{}} wamp.subscription.get_events [$s] -> RESULT 9 {{}} [{{args: [3, *], ..}}, {{args: [4, *], ..}}]
    "#
    ));
}

// spec: A-HIS-03, A-HIS-14
#[test]
fn readers_get_events_in_their_own_serializer() {
    for (publisher, reader) in
        [("json", "msgpack"), ("msgpack", "cbor"), ("cbor", "ubjson"), ("ubjson", "json")]
    {
        check(&format!(
            r#"
            given: history com.t
            ann: connects {{serializer: {publisher}}}
            ann: joins realm1
            bob: connects {{serializer: {reader}}}
            bob: joins realm1
            ann: CALL 1 {{}} wamp.subscription.lookup [com.t] -> RESULT 1 {{}} [$s]
            ann: PUBLISH 2 {{}} com.t [1, -2, 1.5, true, null, "tëxt", [[]], {{"k": {{}}}}] {{"a": [1]}}
            bob: CALL 1 {{}} wamp.subscription.get_events [$s] -> RESULT 1 {{}} [{{args: [1, -2, 1.5, true, null, "tëxt", [[]], {{k: {{}}}}], kwargs: {{a: [1]}}, ..}}]
        "#
        ));
    }
    // A dict with a number for a key has no form in JSON.
    check(
        r#"
        given: history com.t
        ann: connects {serializer: msgpack}
        ann: joins realm1
        bob: connects {serializer: json}
        bob: joins realm1
        cyd: connects {serializer: msgpack}
        cyd: joins realm1
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$s]
        ann: PUBLISH 2 {} com.t [1]
        ann: bytes 95 10 03 80 a5 636f6d2e74 91 81 01 02
        ann: PUBLISH 4 {} com.t [3]
        bob: CALL 1 {} wamp.subscription.get_events [$s] -> RESULT 1 {} [{args: [1], ..}, {args: [3], ..}]
        bob: CALL 2 {} wamp.subscription.get_events [$s] {"limit": 2} -> RESULT 2 {} [{args: [1], ..}, {args: [3], ..}]
        cyd: PUBLISH 1 {} com.t [4]
        ann: CALL 5 {} wamp.subscription.get_events [$s] {"reverse": true, "limit": 2} -> RESULT 5 {} [{args: [4], ..}, {args: [3], ..}] {more}
    "#,
    );
}

// spec: A-HIS-14
#[test]
fn opaque_payloads_are_kept_as_they_are() {
    for serializer in ["msgpack", "cbor", "json"] {
        check(&format!(
            r#"
            given: history com.t
            ann: connects {{serializer: {serializer}}}
            ann: joins realm1 {{publisher: {{features: {{payload_passthru_mode}}}}, caller: {{}}}}
            ann: CALL 1 {{}} wamp.subscription.lookup [com.t] -> RESULT 1 {{}} [$s]
            ann: PUBLISH 2 {{enc_algo: cryptobox, enc_key: k}} com.t "\u0000AQL/"
            ann: CALL 3 {{}} wamp.subscription.get_events [$s] -> RESULT 3 {{}} [{{details: {{enc_algo: cryptobox, enc_key: k}}, args: "\u0000AQL/", ..}}]
        "#
        ));
    }
}

// spec: A-HIS-10
#[test]
fn an_answer_holds_what_its_reader_can_take() {
    let text = "x".repeat(300);
    // A message of 512 octets has room for one of these events, and for none of the large one.
    check(&format!(
        r#"
        given: history com.t
        bob: connects {{transport: rawsocket, max: 512}}
        bob: joins realm1
        ann: CALL 1 {{}} wamp.subscription.lookup [com.t] -> RESULT 1 {{}} [$s]
        ann: PUBLISH 2 {{}} com.t [1, "{text}"] & PUBLISH 3 {{}} com.t [2, "{text}{text}"] & PUBLISH 4 {{}} com.t [3, "{text}"]
        bob: CALL 1 {{}} wamp.subscription.get_events [$s] -> RESULT 1 {{}} [{{args: [1, *], publication: $p, ..}}] {{more}}
        bob: CALL 2 {{}} wamp.subscription.get_events [$s] {{"after_publication": $p}} -> RESULT 2 {{}} [{{args: [3, *], ..}}]
        ann: CALL 5 {{}} wamp.subscription.get_events [$s] -> RESULT 5 {{}} [*, {{args: [2, *], ..}}, *]
    "#
    ));
    // A page is a sixteenth of an outbox, unless a single event is longer.
    check(&format!(
        r#"
        given: outbox_bytes_max 16000
        given: history com.t
        ann: CALL 1 {{}} wamp.subscription.lookup [com.t] -> RESULT 1 {{}} [$s]
        ann: PUBLISH 2 {{}} com.t [1, "{text}"] & PUBLISH 3 {{}} com.t [2, "{text}"] & PUBLISH 4 {{}} com.t [3, "{text}"]
        ann: PUBLISH 5 {{}} com.t [4, "{text}{text}{text}{text}"]
        bob: CALL 1 {{}} wamp.subscription.get_events [$s] -> RESULT 1 {{}} [{{args: [1, *], ..}}, {{args: [2, *], publication: $p, ..}}] {{more}}
        bob: CALL 2 {{}} wamp.subscription.get_events [$s] {{"after_publication": $p}} -> RESULT 2 {{}} [{{args: [3, *], publication: $q, ..}}] {{more}}
        bob: CALL 3 {{}} wamp.subscription.get_events [$s] {{"after_publication": $q}} -> RESULT 3 {{}} [{{args: [4, *], ..}}]
        bob: CALL 4 {{}} wamp.subscription.get_events [$s] {{"reverse": true}} -> RESULT 4 {{}} [{{args: [4, *], ..}}] {{more}}
    "#
    ));
}

// spec: A-HIS-10
#[test]
fn nobody_has_its_outbox_overflown_by_asking() {
    let text = "x".repeat(800);
    let calls: Vec<_> =
        (1..=24).map(|n| format!("CALL {n} {{}} wamp.subscription.get_events [1]")).collect();
    let (mut plays, mut refused) = (0, 0);
    check_then(
        &format!(
            r#"
            given: outbox_bytes_max 16000
            given: history com.t
            ann: joins realm1
            bob: joins realm1
            cyd: PUBLISH 1 {{}} com.t ["{text}"]
            ann: {calls}
            ann: hears all $ann_heard
            bob: {calls}
            bob: hears all $bob_heard
            bob: CALL 25 {{}} wamp.subscription.get_events [1] -> RESULT 25 {{}} [*]
        "#,
            calls = calls.join(" & ")
        ),
        |bindings| {
            plays += 1;
            for name in ["ann_heard", "bob_heard"] {
                let heard = bindings[name].items();
                let errors = heard.iter().filter(|said| said.items()[0] == Value::from(8));
                let busy = Value::from("gigawamp.error.limit_exceeded");
                assert!(errors.clone().all(|error| error.items()[4] == busy), "{name}");
                assert_eq!(heard.len(), 24, "{name} is told something else");
                assert!(errors.clone().count() <= 10, "{name}");
                refused += errors.count();
            }
        },
    );
    assert!(plays == 0 || refused > 0, "there is not always room by luck");
}

// spec: A-HIS-06, A-TST-06, A-META-03
#[test]
fn what_the_router_publishes_for_others_is_kept_too() {
    check(
        r#"
        given: history com.t
        given: history wamp.session.on_leave
        ann: CALL 1 {} wamp.subscription.lookup [com.t] -> RESULT 1 {} [$t]
        ann: CALL 2 {} wamp.subscription.lookup [wamp.session.on_leave] -> RESULT 2 {} [$l]
        bob: CALL 1 {} wamp.session.add_testament [com.t, [1], {}] -> RESULT 1 {}
        bob: drops
        ann: CALL 3 {} wamp.subscription.get_events [$t] -> RESULT 3 {} [{args: [1], ..}]
        ann: CALL 4 {} wamp.subscription.get_events [$l] -> RESULT 4 {} [{args: [$bob, *, anonymous], ..}]
    "#,
    );
}
