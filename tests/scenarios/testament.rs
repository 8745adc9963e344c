//! Testaments: what is published when a session is gone.

use crate::check;

// spec: A-TST-01, A-TST-03, A-TST-04, A-TST-05, A-TST-06, A-TST-07, A-TST-09, A-TST-11
#[test]
fn testaments_are_published_however_the_session_ends() {
    for end in [
        "ann: drops",
        "ann: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out",
        "ann: ABORT {} my.reason",
        "ann: [999] -> ABORT {message: *} wamp.error.protocol_violation",
        "bob: CALL 2 {} wamp.session.kill [$ann] -> RESULT 2 {}\n\
         ann: <- GOODBYE {} wamp.close.killed",
    ] {
        check(&format!(
            r#"
            bob: SUBSCRIBE 1 {{match: prefix}} com. -> SUBSCRIBED 1 $s
            ann: CALL 1 {{}} wamp.session.add_testament [com.one, [1], {{"a": 2}}] -> RESULT 1 {{}}
            ann: CALL 2 {{}} wamp.session.add_testament [com.two, [], {{}}] -> RESULT 2 {{}}
            ann: CALL 3 {{}} wamp.session.add_testament [com.three, [3], {{}}] {{"scope": detached}} -> RESULT 3 {{}}
            ann: CALL 4 {{}} wamp.session.add_testament [com.four, [4], {{}}] {{"scope": destroyed, "publish_options": {{"acknowledge": true, "disclose_me": true}}}} -> RESULT 4 {{}}
            bob: silent
            {end}
            bob: <- EVENT $s * {{topic: com.three}} [3] *
            bob: <- EVENT $s * {{topic: com.one}} [1] {{"a": 2}}
            bob: <- EVENT $s * {{topic: com.two}} [] *
            bob: <- EVENT $s * {{topic: com.four, publisher: $ann, publisher_authid: *, publisher_authrole: *}} [4] *
            bob: silent
        "#
        ));
    }
}

// spec: A-TST-02, A-TST-05, A-TST-11
#[test]
fn testaments_may_be_taken_back() {
    check(
        r#"
        bob: SUBSCRIBE 1 {match: prefix} com. -> SUBSCRIBED 1 $s
        ann: CALL 1 {} wamp.session.add_testament [com.one, [1], {}] -> RESULT 1 {}
        ann: CALL 2 {} wamp.session.add_testament [com.two, [2], {}] {"scope": detached} -> RESULT 2 {}
        ann: CALL 3 {} wamp.session.flush_testaments -> RESULT 3 {}
        ann: drops
        bob: <- EVENT $s * {topic: com.two} [2] *
        bob: silent
        cyd: CALL 1 {} wamp.session.add_testament [com.one, [1], {}] -> RESULT 1 {}
        cyd: CALL 2 {} wamp.session.add_testament [com.two, [2], {}] {"scope": detached} -> RESULT 2 {}
        cyd: CALL 3 {} wamp.session.flush_testaments [] {"scope": detached} -> RESULT 3 {}
        cyd: drops
        bob: <- EVENT $s * {topic: com.one} [1] *
    "#,
    );
}

// spec: A-TST-08, A-META-06
#[test]
fn testaments_that_cannot_be_published_are_refused() {
    check(
        r#"
        given: testaments_max 2
        ann: CALL 1 {} wamp.session.add_testament [com..t, [], {}] -> ERROR CALL 1 {} wamp.error.invalid_uri
        ann: CALL 2 {} wamp.session.add_testament [wamp.t, [], {}] -> ERROR CALL 2 {} wamp.error.invalid_uri
        ann: CALL 3 {} wamp.session.add_testament [com.t, [], {}] {"scope": later} -> ERROR CALL 3 {} wamp.error.invalid_argument
        ann: CALL 4 {} wamp.session.add_testament [] -> ERROR CALL 4 {} wamp.error.invalid_argument
        ann: CALL 5 {} wamp.session.add_testament [com.t, {}, []] -> ERROR CALL 5 {} wamp.error.invalid_argument
        ann: CALL 6 {} wamp.session.flush_testaments [] {"scope": later} -> ERROR CALL 6 {} wamp.error.invalid_argument
        ann: CALL 7 {} wamp.session.add_testament [com.t, [], {}] {"publish_options": {"eligible": [x]}} -> ERROR CALL 7 {} wamp.error.invalid_argument
        ann: CALL 8 {} wamp.session.add_testament [com.t, [], {}] -> RESULT 8 {}
        ann: CALL 9 {} wamp.session.add_testament [com.t, [], {}] {"scope": detached} -> RESULT 9 {}
        ann: CALL 10 {} wamp.session.add_testament [com.t, [], {}] -> ERROR CALL 10 {} gigawamp.error.limit_exceeded
    "#,
    );
}

// spec: A-TST-08
#[test]
fn testaments_are_bounded_in_octets() {
    let long = "x".repeat(600_000);
    check(&format!(
        r#"
        ann: CALL 1 {{}} wamp.session.add_testament [com.t, ["{long}"], {{}}] -> RESULT 1 {{}}
        ann: CALL 2 {{}} wamp.session.add_testament [com.t, ["{long}"], {{}}] -> ERROR CALL 2 {{}} gigawamp.error.limit_exceeded
        ann: CALL 3 {{}} wamp.session.flush_testaments -> RESULT 3 {{}}
        ann: CALL 4 {{}} wamp.session.add_testament [com.t, ["{long}"], {{}}] -> RESULT 4 {{}}
    "#
    ));
}

// spec: A-TST-09
#[test]
fn testaments_choose_their_receivers() {
    check(
        r#"
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: CALL 2 {} wamp.session.add_testament [com.t, [1], {}] {"publish_options": {"eligible": [$cyd]}} -> RESULT 2 {}
        ann: drops
        cyd: <- EVENT $s * {} [1] *
        bob: silent
    "#,
    );
}

// spec: A-TST-10
#[test]
fn testaments_come_before_the_news_that_the_session_has_left() {
    check(
        r#"
        bob: SUBSCRIBE 1 {} wamp.session.on_leave -> SUBSCRIBED 1 $l
        bob: SUBSCRIBE 2 {} com.t -> SUBSCRIBED 2 $s
        ann: CALL 1 {} wamp.session.add_testament [com.t, [1], {}] -> RESULT 1 {}
        ann: CALL 2 {} wamp.session.add_testament [com.t, [0], {}] {"scope": detached} -> RESULT 2 {}
        ann: drops
        bob: <- EVENT $s * {} [0] *
        bob: <- EVENT $s * {} [1] *
        bob: <- EVENT $l * {} [$ann, *, anonymous]
    "#,
    );
}

// spec: A-TST-03, B-SESS-24
#[test]
fn testaments_belong_to_the_session_that_made_them() {
    check(
        r#"
        bob: SUBSCRIBE 1 {match: prefix} com. -> SUBSCRIBED 1 $s
        cyd: CALL 1 {} wamp.session.flush_testaments -> RESULT 1 {}
        ann: CALL 1 {} wamp.session.add_testament [com.one, [], {}] -> RESULT 1 {}
        cyd: CALL 2 {} wamp.session.flush_testaments -> RESULT 2 {}
        cyd: drops
        bob: silent
        ann: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        bob: <- EVENT $s * {topic: com.one} [] *
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME * {..}
        ann: CALL 1 {} wamp.session.add_testament [com.two, [], {}] -> RESULT 1 {}
        ann: drops
        bob: <- EVENT $s * {topic: com.two} [] *
    "#,
    );
}
