//! Event retention: what subscribers get of what was published before they came.

use gigawamp::sim::Value;

use crate::{check, check_often};

// spec: A-RET-01, A-RET-02, A-RET-06, A-RET-07, A-RET-10
#[test]
fn the_latest_retained_event_is_replayed_to_who_asks() {
    check(
        r#"
        ann: PUBLISH 1 {retain, acknowledge} com.t [1] {"a": 2} -> PUBLISHED 1 $p
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s $p {retained} [1] {"a": 2}
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: silent
        ann: PUBLISH 2 {retain, acknowledge} com.t [2] -> PUBLISHED 2 $q
        bob: <- EVENT $s $q {} [2]
        cyd: <- EVENT $s $q {} [2]
        ann: PUBLISH 3 {acknowledge} com.t [3] -> PUBLISHED 3 $r
        bob: <- EVENT $s $r {} [3]
        cyd: <- EVENT $s $r {} [3]
        dan: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s $q {retained} [2]
        dan: silent
        eve: SUBSCRIBE 1 {get_retained} com.other -> SUBSCRIBED 1 *
        eve: silent
        bob: drops
        cyd: drops
        dan: drops
        ann: drops
        fay: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $u -> EVENT $u $q {retained} [2]
        far: joins realm2
        far: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 *
        far: silent
    "#,
    );
}

// spec: A-RET-04, A-RET-05, A-BWL-07
#[test]
fn nobody_is_replayed_what_was_not_for_it() {
    check(
        r#"
        bob: joins realm1
        cyd: joins realm1
        ann: PUBLISH 1 {retain} com.t [all]
        ann: PUBLISH 2 {retain, eligible: [$bob]} com.t [bob]
        ann: PUBLISH 3 {retain, exclude_authrole: [anonymous]} com.t [nobody]
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s * {retained} [bob]
        cyd: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s * {retained} [all]
        ann: SUBSCRIBE 4 {get_retained} com.t -> SUBSCRIBED 4 $s
        ann: silent
        ann: PUBLISH 5 {retain, exclude_me: false} com.u [mine]
        ann: SUBSCRIBE 6 {get_retained} com.u -> SUBSCRIBED 6 $u -> EVENT $u * {retained} [mine]
        ann: PUBLISH 7 {retain} com.t [new]
        bob: <- EVENT $s * {} [new]
        cyd: <- EVENT $s * {} [new]
        bob: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        bob: SUBSCRIBE 3 {get_retained} com.t -> SUBSCRIBED 3 $s -> EVENT $s * {retained} [new]
    "#,
    );
}

// spec: A-RET-08
#[test]
fn patterns_are_replayed_each_topic() {
    check(
        r#"
        ann: PUBLISH 1 {retain} com.a.x [1] & PUBLISH 2 {retain} com.b.x [2] & PUBLISH 3 {retain} com.c [3] & PUBLISH 4 {retain} org.a.x [4]
        ann: PUBLISH 5 {retain} com.a.x [5]
        bob: SUBSCRIBE 1 {get_retained, match: prefix} com. -> SUBSCRIBED 1 $s
        bob: <- EVENT $s * {retained, topic: com.b.x} [2]
        bob: <- EVENT $s * {retained, topic: com.c} [3]
        bob: <- EVENT $s * {retained, topic: com.a.x} [5]
        bob: SUBSCRIBE 2 {get_retained, match: wildcard} ..x -> SUBSCRIBED 2 $u
        bob: <- EVENT $u * {retained, topic: com.b.x} [2]
        bob: <- EVENT $u * {retained, topic: org.a.x} [4]
        bob: <- EVENT $u * {retained, topic: com.a.x} [5]
    "#,
    );
}

// spec: A-RET-11
#[test]
fn who_asks_again_gets_it_again() {
    check(
        r#"
        ann: PUBLISH 1 {retain} com.t [1]
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s $p {retained} [1]
        bob: SUBSCRIBE 2 {get_retained} com.t -> SUBSCRIBED 2 $s -> EVENT $s $p {retained} [1]
        ann: PUBLISH 2 {} com.t [2]
        bob: <- EVENT $s * {} [2]
    "#,
    );
}

// spec: A-RET-07
#[test]
fn what_is_replayed_does_not_come_again_and_nothing_behind_it_is_missed() {
    check(
        r#"
        ann: PUBLISH 1 {retain} com.t [1] & PUBLISH 2 {retain} com.t [2] & PUBLISH 3 {} com.t [3]
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s * {retained} [2]
        ann: PUBLISH 4 {retain} com.t [4] & PUBLISH 5 {} com.t [5]
        bob: <- EVENT $s * {} [4]
        bob: <- EVENT $s * {} [5]
        bob: silent
    "#,
    );
}

// spec: A-RET-02, A-PUI-01, A-PPT-02
#[test]
fn details_are_replayed_too() {
    check(
        r#"
        ann: joins realm1 {publisher: {features: {payload_passthru_mode}}}
        ann: PUBLISH 1 {retain, disclose_me, ppt_scheme: x_a} com.t ["\u0000AQL/"]
        ann: drops
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s * {retained, publisher: $ann, publisher_authid: *, publisher_authrole: *, ppt_scheme: x_a} ["\u0000AQL/"]
    "#,
    );
}

// spec: A-RET-03
#[test]
fn so_much_is_retained_and_no_more() {
    let long = "x".repeat(600);
    check(&format!(
        r#"
        given: retained_topics_max 2
        given: retained_bytes_max 1500
        ann: PUBLISH 1 {{retain}} com.a [1] & PUBLISH 2 {{retain}} com.b [1]
        cyd: SUBSCRIBE 1 {{match: prefix}} com. -> SUBSCRIBED 1 $s
        ann: PUBLISH 3 {{retain, acknowledge}} com.c -> PUBLISHED 3 $p
        cyd: <- EVENT $s $p {{topic: com.c}}
        cyd: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        ann: PUBLISH 4 {{retain, acknowledge}} com.a [2] -> PUBLISHED 4 *
        ann: PUBLISH 5 {{retain, acknowledge}} com.a ["{long}"] -> PUBLISHED 5 *
        ann: PUBLISH 6 {{retain, acknowledge}} com.b ["{long}{long}"] -> PUBLISHED 6 *
        bob: SUBSCRIBE 1 {{get_retained, match: prefix}} com. -> SUBSCRIBED 1 $t
        bob: <- EVENT $t * {{retained, topic: com.b}} [1]
        bob: <- EVENT $t * {{retained, topic: com.a}} ["{long}"]
    "#
    ));
    check(
        r#"
        given: retained_topics_max 0
        ann: PUBLISH 1 {retain, acknowledge} com.a [1] -> PUBLISHED 1 *
        bob: SUBSCRIBE 1 {get_retained} com.a -> SUBSCRIBED 1 $s
        bob: silent
    "#,
    );
}

// spec: A-RET-03, A-RET-05
#[test]
fn those_who_are_left_out_cost_room_too() {
    let many = vec!["1"; 200].join(", ");
    check(&format!(
        r#"
        given: retained_bytes_max 1500
        ann: PUBLISH 1 {{retain, acknowledge}} com.a [1] -> PUBLISHED 1 *
        ann: PUBLISH 2 {{retain, acknowledge, exclude: [{many}]}} com.a [2] -> PUBLISHED 2 *
        bob: SUBSCRIBE 1 {{get_retained}} com.a -> SUBSCRIBED 1 $s -> EVENT $s * {{retained}} [1]
    "#
    ));
}

// spec: A-RET-08
#[test]
fn more_than_a_subscriber_could_take_is_refused_and_nothing_is_left_of_it() {
    let long = "x".repeat(3_000);
    check(&format!(
        r#"
        given: outbox_bytes_max 18000
        eve: SUBSCRIBE 1 {{match: prefix}} wamp.subscription. -> SUBSCRIBED 1 *
        ann: PUBLISH 1 {{retain}} com.a ["{long}"] & PUBLISH 2 {{retain}} com.b ["{long}"]
        ann: PUBLISH 3 {{retain}} com.c ["{long}"] & PUBLISH 4 {{retain}} org.c ["{long}"]
        bob: SUBSCRIBE 1 {{get_retained, match: prefix}} "" -> ERROR SUBSCRIBE 1 {{}} gigawamp.error.limit_exceeded
        ann: PUBLISH 5 {{}} com.a [1]
        bob: silent
        eve: silent
        bob: SUBSCRIBE 2 {{match: prefix}} com. -> SUBSCRIBED 2 $s
        bob: SUBSCRIBE 3 {{get_retained, match: prefix}} com. -> ERROR SUBSCRIBE 3 {{}} gigawamp.error.limit_exceeded
        ann: PUBLISH 6 {{}} com.a [2]
        bob: <- EVENT $s * {{topic: com.a}} [2]
        bob: SUBSCRIBE 4 {{get_retained, match: wildcard}} .c -> SUBSCRIBED 4 $t
        bob: <- EVENT $t * {{retained, topic: com.c}} ["{long}"]
        bob: <- EVENT $t * {{retained, topic: org.c}} ["{long}"]
        eve: hears all $news
    "#
    ));
}

// spec: A-RET-02, A-TST-06
#[test]
fn testaments_may_be_retained() {
    check(
        r#"
        ann: CALL 1 {} wamp.session.add_testament [com.t, [1], {}] {"publish_options": {"retain": true}} -> RESULT 1 {}
        ann: drops
        bob: SUBSCRIBE 1 {get_retained} com.t -> SUBSCRIBED 1 $s -> EVENT $s * {retained} [1] *
    "#,
    );
}

/// The numbers that the events in `heard` carry as their only argument, and which are replayed.
fn numbers(heard: &Value) -> Vec<(u64, bool)> {
    let Value::List(heard) = heard else { panic!("a list") };
    let event = |message: &Value| {
        let Value::List(elements) = message else { panic!("a message") };
        let (Some(details), Some(Value::List(arguments))) = (elements.get(3), elements.get(4))
        else {
            return None;
        };
        let number = arguments.first().and_then(Value::number).expect("a number");
        Some((number, details.get("retained").is_some()))
    };
    heard.iter().filter_map(event).collect()
}

// spec: A-RET-07
#[test]
fn events_under_way_come_once_and_in_order() {
    check_often(
        r#"
        ann: joins realm1
        bob: joins realm1
        cyd: joins realm1
        // On two and on five shards, one of these lives where bob does: events are on their way
        // to that shard already when bob subscribes.
        dan: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 *
        eve: joins realm1
        fay: joins realm1
        gus: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 *
        ann: PUBLISH 1 {retain} com.t [1]
        bob: begins SUBSCRIBE 1 {get_retained} com.t
        cyd: begins SUBSCRIBE 1 {get_retained, match: prefix} com
        ann: begins PUBLISH 2 {} com.t [2]
        ann: begins PUBLISH 3 {retain} com.t [3]
        ann: begins PUBLISH 4 {} com.t [4]
        ann: begins PUBLISH 5 {retain} com.t [5]
        ann: begins PUBLISH 6 {} com.t [6]
        bob: hears all $bob
        cyd: hears all $cyd
        dan: hears all $dan
        gus: hears all $gus
    "#,
        40,
        |bindings| {
            for name in ["bob", "cyd"] {
                let heard = numbers(&bindings[name]);
                let (first, rest) = heard.split_first().expect("something is always replayed");
                assert!(first.1 && matches!(first.0, 1 | 3 | 5), "{name}: {heard:?}");
                assert!(rest.iter().all(|(_, retained)| !retained), "{name}: {heard:?}");
                // Nothing twice, nothing out of order, and nothing left out from the first on
                // that is not older than what was replayed.
                let mut next = rest.first().map_or(7, |(number, _)| *number);
                assert!(next > first.0 && next <= first.0 + 2, "{name}: {heard:?}");
                for (number, _) in rest {
                    assert_eq!(*number, next, "{name}: {heard:?}");
                    next += 1;
                }
                assert_eq!(next, 7, "{name}: {heard:?}");
            }
        },
    );
}
