//! Who of the subscribers gets an event: publisher exclusion, black- and whitelists.

use crate::check;

// spec: A-PEX-01, A-PEX-02
#[test]
fn the_publisher_gets_its_own_event_if_it_wants_to() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {exclude_me: false} com.t [1]
        ann: <- EVENT $s $x {} [1]
        bob: <- EVENT $s $x {} [1]
        ann: PUBLISH 3 {exclude_me: true} com.t [2]
        bob: <- EVENT $s $y {} [2]
        ann: silent
    "#,
    );
}

// spec: A-BWL-01, A-BWL-02, A-BWL-07
#[test]
fn sessions_may_be_left_out() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {match: prefix} com -> SUBSCRIBED 1 $p
        dan: PUBLISH 1 {exclude: [$bob, $cyd]} com.t [1]
        ann: <- EVENT $s * {} [1]
        bob: silent
        cyd: silent
        dan: PUBLISH 2 {exclude: []} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: <- EVENT $s * {} [2]
        cyd: <- EVENT $p * {topic: com.t} [2]
        dan: PUBLISH 3 {exclude: [4711]} com.t [3]
        ann: <- EVENT $s * {} [3]
        bob: <- EVENT $s * {} [3]
        cyd: <- EVENT $p * {topic: com.t} [3]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-03, A-BWL-04
#[test]
fn sessions_may_be_chosen() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: SUBSCRIBE 1 {match: prefix} com -> SUBSCRIBED 1 $p
        dan: PUBLISH 1 {eligible: [$bob, $cyd]} com.t [1]
        bob: <- EVENT $s * {} [1]
        cyd: <- EVENT $p * {topic: com.t} [1]
        ann: silent
        dan: PUBLISH 2 {eligible: [$ann, $bob], exclude: [$bob]} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: silent
        dan: PUBLISH 3 {eligible: []} com.t [3]
        ann: silent
        bob: silent
        cyd: silent
    "#,
    );
}

// spec: A-BWL-05
#[test]
fn to_be_chosen_does_not_undo_that_publishers_are_left_out() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {eligible: [$ann]} com.t [1]
        ann: silent
        ann: PUBLISH 3 {eligible: [$ann], exclude_me: false} com.t [2]
        ann: <- EVENT $s * {} [2]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-08
#[test]
fn roles_may_be_left_out_or_chosen() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {exclude_authrole: [anonymous]} com.t [1]
        ann: silent
        bob: PUBLISH 2 {exclude_authrole: [admin, backend]} com.t [2]
        ann: <- EVENT $s * {} [2]
        bob: PUBLISH 3 {eligible_authrole: [admin]} com.t [3]
        ann: silent
        bob: PUBLISH 4 {eligible_authrole: [admin, anonymous]} com.t [4]
        ann: <- EVENT $s * {} [4]
    "#,
    );
}

// spec: A-BWL-02, A-BWL-08
#[test]
fn identities_may_be_left_out_or_chosen() {
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {roles: {subscriber: {}}} -> WELCOME * {authid: $a, ..}
        bob: connects
        bob: HELLO realm1 {roles: {subscriber: {}}} -> WELCOME * {authid: $b, ..}
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        cyd: PUBLISH 1 {exclude_authid: [$a]} com.t [1]
        bob: <- EVENT $s * {} [1]
        cyd: PUBLISH 2 {eligible_authid: [$a]} com.t [2]
        ann: <- EVENT $s * {} [2]
        cyd: PUBLISH 3 {eligible_authid: [$a, $b], exclude_authid: [$b], eligible_authrole: [anonymous]} com.t [3]
        ann: <- EVENT $s * {} [3]
        ann: silent
        bob: silent
    "#,
    );
}
