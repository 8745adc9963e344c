//! Publish and subscribe.

use crate::check;

// spec: B-PS-01, B-PS-10, B-PS-12, B-PS-13, B-PS-14
// spec: B-PS-18
#[test]
fn publisher_does_not_get_its_own_event() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.app.t               -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.app.t               -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {acknowledge} com.app.t [7]  -> PUBLISHED 2 $p
        bob: <- EVENT $s $p {} [7]
        ann: silent
    "#,
    );
}

// spec: B-PS-13
#[test]
fn the_publisher_is_left_out_of_its_subscriptions_by_pattern_too() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} com.        -> SUBSCRIBED 1 $s
        ann: SUBSCRIBE 2 {match: wildcard} com..t    -> SUBSCRIBED 2 $u
        ann: PUBLISH 3 {acknowledge} com.app.t [7]   -> PUBLISHED 3 $p
        ann: silent
    "#,
    );
}

// spec: B-PS-02, B-URI-10, B-ERR-01
#[test]
fn a_topic_that_is_no_uri_is_refused() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} "" -> ERROR SUBSCRIBE 1 {} wamp.error.invalid_uri
        ann: SUBSCRIBE 2 {} "com.a b" -> ERROR SUBSCRIBE 2 {} wamp.error.invalid_uri
        ann: SUBSCRIBE 3 {} com..t -> ERROR SUBSCRIBE 3 {} wamp.error.invalid_uri
        ann: SUBSCRIBE 4 {match: prefix} com..t -> ERROR SUBSCRIBE 4 {} wamp.error.invalid_uri
        ann: SUBSCRIBE 5 {match: wildcard} com..t -> SUBSCRIBED 5 $s
        ann: SUBSCRIBE 6 {match: prefix} "" -> SUBSCRIBED 6 $all
        ann: <- EVENT $all * {topic: wamp.subscription.on_create} *
        ann: <- EVENT $all * {topic: wamp.subscription.on_subscribe} *
    "#,
    );
}

// spec: B-PS-03, I-13
#[test]
fn subscribing_twice_gives_the_same_subscription_once() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t      -> SUBSCRIBED 1 $s
        ann: SUBSCRIBE 2 {} com.t      -> SUBSCRIBED 2 $s
        bob: PUBLISH 1 {} com.t [1]
        ann: <- EVENT $s * {} [1]
        ann: silent
        ann: UNSUBSCRIBE 3 $s          -> UNSUBSCRIBED 3
        bob: PUBLISH 2 {} com.t [2]
        ann: silent
        ann: UNSUBSCRIBE 4 $s          -> ERROR UNSUBSCRIBE 4 {} wamp.error.no_such_subscription
    "#,
    );
}

// spec: B-PS-04, I-14
#[test]
fn all_subscribers_of_one_topic_share_one_id() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {match: exact} com.t -> SUBSCRIBED 1 $s
        dan: SUBSCRIBE 1 {match: prefix} com.t -> SUBSCRIBED 1 $p
        eve: SUBSCRIBE 1 {match: prefix} com.t -> SUBSCRIBED 1 $p
        fay: PUBLISH 1 {} com.t
        ann: <- EVENT $s $x {}
        bob: <- EVENT $s $x {}
        cyd: <- EVENT $s $x {}
        dan: <- EVENT $p $x {topic: com.t}
        eve: <- EVENT $p $x {topic: com.t}
    "#,
    );
}

// spec: B-PS-05, B-PS-06, B-PS-08, I-04
#[test]
fn a_subscription_lasts_until_it_is_given_up() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.t [1]
        ann: <- EVENT $s * {} [1]
        bob: PUBLISH 2 {} com.t [2]
        ann: <- EVENT $s * {} [2]
        ann: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        bob: PUBLISH 3 {} com.t [3]
        ann: silent
        ann: SUBSCRIBE 3 {} com.t -> SUBSCRIBED 3 $again
        bob: PUBLISH 4 {} com.t [4]
        ann: <- EVENT $again * {} [4]
    "#,
    );
}

// spec: B-PS-07, B-ERR-05, B-PERR-20
#[test]
fn only_ones_own_subscription_can_be_given_up() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: UNSUBSCRIBE 1 $s -> ERROR UNSUBSCRIBE 1 {} wamp.error.no_such_subscription
        bob: UNSUBSCRIBE 2 123456 -> ERROR UNSUBSCRIBE 2 {} wamp.error.no_such_subscription
        ann: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        ann: UNSUBSCRIBE 3 $s -> ERROR UNSUBSCRIBE 3 {} wamp.error.no_such_subscription
    "#,
    );
}

// spec: B-PS-07
#[test]
fn one_subscriber_leaving_does_not_touch_the_others() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: UNSUBSCRIBE 2 $s -> UNSUBSCRIBED 2
        bob: drops
        dan: PUBLISH 1 {} com.t
        cyd: <- EVENT $s * {}
        ann: silent
    "#,
    );
}

// spec: B-PS-09, B-URI-11
#[test]
fn publishing_without_asking_for_it_is_never_answered() {
    check(
        r#"
        ann: PUBLISH 1 {} com.t
        ann: PUBLISH 2 {acknowledge: false} com.t
        ann: PUBLISH 3 {} "not a uri"
        ann: PUBLISH 4 {} wamp.reserved
        ann: PUBLISH 5 {acknowledge: false} ""
        ann: silent
    "#,
    );
}

// spec: B-PS-10, B-PS-20
#[test]
fn publishing_to_nobody_succeeds() {
    check(
        r#"
        ann: PUBLISH 1 {acknowledge} nobody.listens.here [1] {k: v} -> PUBLISHED 1 *
    "#,
    );
}

// spec: B-PS-11, B-URI-07, B-URI-08
#[test]
fn a_publication_that_is_refused_is_answered_if_asked() {
    check(
        r#"
        bob: SUBSCRIBE 1 {match: prefix} "" -> SUBSCRIBED 1 $all
        bob: <- EVENT $all * {topic: wamp.subscription.on_create} *
        bob: <- EVENT $all * {topic: wamp.subscription.on_subscribe} *
        ann: PUBLISH 1 {acknowledge} "com.a b" -> ERROR PUBLISH 1 {} wamp.error.invalid_uri
        ann: PUBLISH 2 {acknowledge} com..t -> ERROR PUBLISH 2 {} wamp.error.invalid_uri
        ann: PUBLISH 3 {acknowledge} com.t. -> ERROR PUBLISH 3 {} wamp.error.invalid_uri
        ann: PUBLISH 4 {acknowledge} "com.#" -> ERROR PUBLISH 4 {} wamp.error.invalid_uri
        ann: PUBLISH 5 {acknowledge} wamp.session.on_join -> ERROR PUBLISH 5 {} wamp.error.invalid_uri
        ann: PUBLISH 6 {acknowledge} wamp -> ERROR PUBLISH 6 {} wamp.error.invalid_uri
        ann: PUBLISH 7 {acknowledge} wampire.t -> PUBLISHED 7 *
        bob: <- EVENT $all * {topic: wampire.t}
    "#,
    );
}

// spec: B-PS-14, B-MSG-87
#[test]
fn events_carry_what_was_published() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.t
        ann: <- EVENT $s * {}
        bob: PUBLISH 2 {} com.t [1, -1, 1.5, "two", null, true, [[], {}], {"a": {"b": [3]}}]
        ann: <- EVENT $s * {} [1, -1, 1.5, "two", null, true, [[], {}], {"a": {"b": [3]}}]
        bob: PUBLISH 3 {} com.t [] {"k": "v", "ü": 9007199254740993}
        ann: <- EVENT $s * {} [] {"k": "v", "ü": 9007199254740993}
        bob: PUBLISH 4 {} com.t [18446744073709551615, -9223372036854775808]
        ann: <- EVENT $s * {} [18446744073709551615, -9223372036854775808]
    "#,
    );
}

// spec: B-PS-15, B-ID-09, B-ID-10, A-PBS-02, A-PBS-03, A-PBS-04, G-26, D-22
#[test]
fn a_publication_comes_once_for_each_subscription_it_matches() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.app.t               -> SUBSCRIBED 1 $e
        ann: SUBSCRIBE 2 {match: prefix} com.app    -> SUBSCRIBED 2 $p
        ann: SUBSCRIBE 3 {match: prefix} com.       -> SUBSCRIBED 3 $q
        ann: SUBSCRIBE 4 {match: wildcard} com..t   -> SUBSCRIBED 4 $w
        ann: SUBSCRIBE 5 {match: wildcard} .app.    -> SUBSCRIBED 5 $v
        ann: SUBSCRIBE 6 {match: wildcard} com.app  -> SUBSCRIBED 6 $no
        bob: PUBLISH 1 {acknowledge} com.app.t [1]  -> PUBLISHED 1 $x
        ann: <~ EVENT $e $x {} [1]
        ann: <~ EVENT $p $x {topic: com.app.t} [1]
        ann: <~ EVENT $q $x {topic: com.app.t} [1]
        ann: <~ EVENT $w $x {topic: com.app.t} [1]
        ann: <~ EVENT $v $x {topic: com.app.t} [1]
        ann: silent
    "#,
    );
}

// spec: B-PS-17, B-SEC-05, G-01, G-02, I-01
#[test]
fn events_of_one_publisher_keep_their_order_across_topics() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.one            -> SUBSCRIBED 1 $a
        ann: SUBSCRIBE 2 {match: prefix} com.t -> SUBSCRIBED 2 $b
        bob: PUBLISH 1 {} com.one [1] & PUBLISH 2 {} com.two [2] & PUBLISH 3 {} com.one [3] & PUBLISH 4 {} com.three [4] & PUBLISH 5 {} com.one [5]
        ann: <- EVENT $a * {} [1]
        ann: <- EVENT $b * {topic: com.two} [2]
        ann: <- EVENT $a * {} [3]
        ann: <- EVENT $b * {topic: com.three} [4]
        ann: <- EVENT $a * {} [5]
    "#,
    );
}

// spec: B-PS-16, B-SEC-05, G-03, G-25
#[test]
fn subscribed_comes_first_and_from_then_on_nothing_is_missed() {
    check(
        r#"
        ann: PUBLISH 1 {} com.t [0]
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {} com.t [1] & PUBLISH 3 {} com.t [2]
        bob: <- EVENT $s * {} [1]
        bob: <- EVENT $s * {} [2]
        bob: silent
    "#,
    );
}

// spec: B-PS-14
#[test]
fn large_payloads_are_delivered_to_many() {
    let long = "x".repeat(9_000);
    check(&format!(
        r#"
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {{match: prefix}} com -> SUBSCRIBED 1 $u
        dan: PUBLISH 1 {{}} com.t ["{long}"] & PUBLISH 2 {{}} com.t [1] & PUBLISH 3 {{}} com.t ["{long}", 2]
        ann: <- EVENT $s * {{}} ["{long}"]
        ann: <- EVENT $s * {{}} [1]
        ann: <- EVENT $s * {{}} ["{long}", 2]
        bob: <- EVENT $s * {{}} ["{long}"]
        bob: <- EVENT $s * {{}} [1]
        bob: <- EVENT $s * {{}} ["{long}", 2]
        cyd: <- EVENT $u * {{topic: com.t}} ["{long}"]
        cyd: <- EVENT $u * {{topic: com.t}} [1]
        cyd: <- EVENT $u * {{topic: com.t}} ["{long}", 2]
    "#
    ));
}

// spec: A-RAW-09, A-RAW-10
#[test]
fn an_event_too_long_for_a_peer_is_not_sent_to_it() {
    let long = "x".repeat(600);
    check(&format!(
        r#"
        ann: connects {{transport: rawsocket, max: 512}}
        ann: HELLO realm1 {{roles: {{subscriber: {{}}}}}} -> WELCOME * {{..}}
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        cyd: PUBLISH 1 {{acknowledge}} com.t ["{long}"] -> PUBLISHED 1 $p
        cyd: PUBLISH 2 {{acknowledge}} com.t [short] -> PUBLISHED 2 $q
        bob: <- EVENT $s $p {{}} ["{long}"]
        bob: <- EVENT $s $q {{}} [short]
        ann: <- EVENT $s $q {{}} [short]
    "#
    ));
}

// spec: D-12
#[test]
fn a_limit_of_subscriptions_is_told() {
    check(
        r#"
        given: subscriptions_max 2
        ann: SUBSCRIBE 1 {} com.a -> SUBSCRIBED 1 $a
        ann: SUBSCRIBE 2 {} com.b -> SUBSCRIBED 2 $b
        ann: SUBSCRIBE 3 {} com.c -> ERROR SUBSCRIBE 3 {} gigawamp.error.limit_exceeded
        ann: SUBSCRIBE 4 {} com.a -> SUBSCRIBED 4 $a
        ann: UNSUBSCRIBE 5 $b -> UNSUBSCRIBED 5
        ann: SUBSCRIBE 6 {} com.c -> SUBSCRIBED 6 $c
    "#,
    );
}

// spec: B-PS-18
#[test]
fn what_is_published_in_one_read_keeps_its_place_among_other_messages() {
    check(
        r#"
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cat: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        dan: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: REGISTER 2 {} com.p -> REGISTERED 2 $r
        ann: PUBLISH 1 {} com.t [1] & PUBLISH 2 {} com.t [2] & CALL 3 {} com.p & PUBLISH 4 {} com.t [3]
        bob: <- EVENT $s * {} [1]
        bob: <- EVENT $s * {} [2]
        bob: <- INVOCATION 1 $r {}
        bob: <- EVENT $s * {} [3]
        cat: <- EVENT $s * {} [1]
        cat: <- EVENT $s * {} [2]
        cat: <- EVENT $s * {} [3]
        dan: <- EVENT $s * {} [1]
        dan: <- EVENT $s * {} [2]
        dan: <- EVENT $s * {} [3]
        bob: YIELD 1 {}
        ann: <- RESULT 3 {}
        ann: PUBLISH 5 {} com.t [4] & PUBLISH 6 {} com.t [5] & SUBSCRIBE 7 {} com.t & PUBLISH 8 {exclude_me: false} com.t [6] & PUBLISH 9 {exclude_me: false} com.t [7] & UNSUBSCRIBE 10 $s & PUBLISH 11 {} com.t [8]
        ann: <- SUBSCRIBED 7 $s
        ann: <- EVENT $s * {} [6]
        ann: <- EVENT $s * {} [7]
        ann: <- UNSUBSCRIBED 10
        bob: <- EVENT $s * {} [4]
        bob: <- EVENT $s * {} [5]
        bob: <- EVENT $s * {} [6]
        bob: <- EVENT $s * {} [7]
        bob: <- EVENT $s * {} [8]
        cat: <- EVENT $s * {} [4]
        cat: <- EVENT $s * {} [5]
        cat: <- EVENT $s * {} [6]
        cat: <- EVENT $s * {} [7]
        cat: <- EVENT $s * {} [8]
        dan: <- EVENT $s * {} [4]
        dan: <- EVENT $s * {} [5]
        dan: <- EVENT $s * {} [6]
        dan: <- EVENT $s * {} [7]
        dan: <- EVENT $s * {} [8]
        ann: silent
    "#,
    );
}

// spec: B-PS-18
#[test]
fn what_is_published_before_goodbye_in_one_read_arrives() {
    check(
        r#"
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cat: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        dan: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        dan: PUBLISH 2 {exclude_me: false} com.t [1] & PUBLISH 3 {exclude_me: false} com.t [2] & GOODBYE {} wamp.close.close_realm
        dan: <- EVENT $s * {} [1]
        dan: <- EVENT $s * {} [2]
        dan: <- GOODBYE {} wamp.close.goodbye_and_out
        cat: <- EVENT $s * {} [1]
        cat: <- EVENT $s * {} [2]
        bob: <- EVENT $s * {} [1]
        bob: <- EVENT $s * {} [2]
    "#,
    );
}
