//! Subscriptions and registrations by pattern.

use crate::check;

// spec: A-PBS-01, A-PBS-04, B-URI-05
#[test]
fn a_prefix_is_a_prefix_of_the_text() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} com.myapp.topic.emergency -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.myapp.topic.emergency.11
        ann: <- EVENT $s * {topic: com.myapp.topic.emergency.11}
        bob: PUBLISH 2 {} com.myapp.topic.emergency-low
        ann: <- EVENT $s * {topic: com.myapp.topic.emergency-low}
        bob: PUBLISH 3 {} com.myapp.topic.emergency
        ann: <- EVENT $s * {topic: com.myapp.topic.emergency}
        bob: PUBLISH 4 {} com.myapp.topic.emerge
        bob: PUBLISH 5 {} com.myapp.topic
        bob: PUBLISH 6 {} org.com.myapp.topic.emergency
        ann: silent
    "#,
    );
}

// spec: A-PBS-01, A-PBS-04
#[test]
fn a_wildcard_stands_for_one_component() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: wildcard} com.myapp..userevent -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.myapp.foo.userevent
        ann: <- EVENT $s * {topic: com.myapp.foo.userevent}
        bob: PUBLISH 2 {} com.myapp.a1000.userevent
        ann: <- EVENT $s * {topic: com.myapp.a1000.userevent}
        bob: PUBLISH 3 {} com.myapp.foo.userevent.bar
        bob: PUBLISH 4 {} com.myapp.foo.user
        bob: PUBLISH 5 {} com.myapp2.foo.userevent
        bob: PUBLISH 6 {} com.myapp.userevent
        bob: PUBLISH 7 {} com.myapp.foo.bar.userevent
        ann: silent
        ann: SUBSCRIBE 2 {match: wildcard} .. -> SUBSCRIBED 2 $three
        // What the router tells has three components too.
        ann: <- EVENT $three * {topic: wamp.subscription.on_create} *
        ann: <- EVENT $three * {topic: wamp.subscription.on_subscribe} *
        bob: PUBLISH 8 {} a.b.c
        ann: <- EVENT $three * {topic: a.b.c}
        bob: PUBLISH 9 {} a.b
        ann: silent
        ann: SUBSCRIBE 3 {match: wildcard} "" -> SUBSCRIBED 3 $one
        ann: <- EVENT $three * {topic: wamp.subscription.on_create} *
        ann: <- EVENT $three * {topic: wamp.subscription.on_subscribe} *
        bob: PUBLISH 10 {} alone
        ann: <- EVENT $one * {topic: alone}
    "#,
    );
}

// spec: A-PBS-01, B-URI-05, B-URI-09
#[test]
fn the_empty_prefix_is_a_prefix_of_everything() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} "" -> SUBSCRIBED 1 $s
        ann: <- EVENT $s * {topic: wamp.subscription.on_create} *
        ann: <- EVENT $s * {topic: wamp.subscription.on_subscribe} *
        bob: PUBLISH 1 {} a
        ann: <- EVENT $s * {topic: a}
        bob: PUBLISH 2 {} very.long.topic.indeed
        ann: <- EVENT $s * {topic: very.long.topic.indeed}
    "#,
    );
}

// spec: A-PBS-02, A-PBS-03, A-PBS-05, A-PBS-06, A-PBS-09
#[test]
fn one_uri_and_three_policies_are_three_subscriptions() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t                  -> SUBSCRIBED 1 $e
        ann: SUBSCRIBE 2 {match: prefix} com.t     -> SUBSCRIBED 2 $p
        ann: SUBSCRIBE 3 {match: wildcard} com.t   -> SUBSCRIBED 3 $w
        bob: PUBLISH 1 {acknowledge} com.t         -> PUBLISHED 1 $x
        ann: <~ EVENT $e $x {}
        ann: <~ EVENT $p $x {topic: com.t}
        ann: <~ EVENT $w $x {topic: com.t}
        ann: UNSUBSCRIBE 4 $p                      -> UNSUBSCRIBED 4
        bob: PUBLISH 2 {acknowledge} com.t         -> PUBLISHED 2 $y
        ann: <~ EVENT $e $y {}
        ann: <~ EVENT $w $y {topic: com.t}
        ann: silent
    "#,
    );
}

/// The registrations of the specification's example, each at a callee of its own.
///
/// The example overlooks that a prefix need not end with a component: `a1.b2.c3` is a prefix of
/// `a1.b2.c33.d4.e5` too, and prefixes go before wildcards.
const REGISTRATIONS: &str = r#"
    c1: REGISTER 1 {} a1.b2.c3.d4.e55                     -> REGISTERED 1 $1
    c2: REGISTER 1 {match: prefix} a1.b2.c3               -> REGISTERED 1 $2
    c3: REGISTER 1 {match: prefix} a1.b2.c3.d4            -> REGISTERED 1 $3
    c4: REGISTER 1 {match: wildcard} a1.b2..d4.e5         -> REGISTERED 1 $4
    c5: REGISTER 1 {match: wildcard} a1.b2.c33..e5        -> REGISTERED 1 $5
    c6: REGISTER 1 {match: wildcard} a1.b2..d4.e5..g7     -> REGISTERED 1 $6
    c7: REGISTER 1 {match: wildcard} a1.b2..d4..f6.g7     -> REGISTERED 1 $7
"#;

// spec: A-PBR-01, A-PBR-05, A-PBR-06, A-PBR-08, A-PBR-09, A-PBR-10, A-PBR-11
#[test]
fn the_best_registration_gets_the_call() {
    check(&format!(
        r#"
        {REGISTRATIONS}
        ann: CALL 1 {{}} a1.b2.c3.d4.e55
        c1: <- INVOCATION 1 $1 {{}}
        ann: CALL 2 {{}} a1.b2.c3.d98.e74
        c2: <- INVOCATION 1 $2 {{procedure: a1.b2.c3.d98.e74}}
        ann: CALL 3 {{}} a1.b2.c3.d4.e325
        c3: <- INVOCATION 1 $3 {{procedure: a1.b2.c3.d4.e325}}
        ann: CALL 4 {{}} a1.b2.c55.d4.e5
        c4: <- INVOCATION 1 $4 {{procedure: a1.b2.c55.d4.e5}}
        ann: CALL 5 {{}} a1.b2.c33.d4.e5
        c2: <- INVOCATION 2 $2 {{procedure: a1.b2.c33.d4.e5}}
        c2: UNREGISTER 2 $2 -> UNREGISTERED 2
        ann: CALL 6 {{}} a1.b2.c33.d4.e5
        c5: <- INVOCATION 1 $5 {{procedure: a1.b2.c33.d4.e5}}
        ann: CALL 7 {{}} a1.b2.c88.d4.e5.f6.g7
        c6: <- INVOCATION 1 $6 {{procedure: a1.b2.c88.d4.e5.f6.g7}}
        ann: CALL 8 {{}} a2.b2.c2.d2.e2 -> ERROR CALL 8 {{}} wamp.error.no_such_procedure
        c7: silent
    "#
    ));
}

// spec: A-PBR-02, A-PBR-03
#[test]
fn what_does_not_match_does_not_get_the_call() {
    check(
        r#"
        ann: REGISTER 1 {match: prefix} com.myapp.myobject1 -> REGISTERED 1 $p
        ann: REGISTER 2 {match: wildcard} org.myapp..myprocedure1 -> REGISTERED 2 $w
        bob: CALL 1 {} com.myapp.myobject2 -> ERROR CALL 1 {} wamp.error.no_such_procedure
        bob: CALL 2 {} com.myapp.myobject -> ERROR CALL 2 {} wamp.error.no_such_procedure
        bob: CALL 3 {} org.myapp.o1.myprocedure1.extra -> ERROR CALL 3 {} wamp.error.no_such_procedure
        bob: CALL 4 {} org.myapp2.o1.myprocedure1 -> ERROR CALL 4 {} wamp.error.no_such_procedure
        bob: CALL 5 {} org.myapp.o1.myprocedure2 -> ERROR CALL 5 {} wamp.error.no_such_procedure
        bob: CALL 6 {} org.myapp.myprocedure1 -> ERROR CALL 6 {} wamp.error.no_such_procedure
        bob: CALL 7 {} com.myapp.myobject1-mysubobject1
        ann: <- INVOCATION 1 $p {procedure: com.myapp.myobject1-mysubobject1}
        bob: CALL 8 {} com.myapp.myobject1.myprocedure1
        ann: <- INVOCATION 2 $p {procedure: com.myapp.myobject1.myprocedure1}
        bob: CALL 9 {} com.myapp.myobject1
        ann: <- INVOCATION 3 $p {procedure: com.myapp.myobject1}
        bob: CALL 10 {} org.myapp.o1.myprocedure1
        ann: <- INVOCATION 4 $w {procedure: org.myapp.o1.myprocedure1}
    "#,
    );
}

// spec: A-PBR-04, A-PBR-12
#[test]
fn one_uri_and_three_policies_are_three_registrations() {
    check(
        r#"
        ann: REGISTER 1 {} com.p                 -> REGISTERED 1 $e
        bob: REGISTER 1 {match: prefix} com.p    -> REGISTERED 1 $p
        cyd: REGISTER 1 {match: wildcard} com.p  -> REGISTERED 1 $w
        dan: CALL 1 {} com.p
        ann: <- INVOCATION 1 $e {}
        ann: UNREGISTER 2 $e -> UNREGISTERED 2
        dan: CALL 2 {} com.p
        bob: <- INVOCATION 1 $p {procedure: com.p}
        bob: UNREGISTER 2 $p -> UNREGISTERED 2
        dan: CALL 3 {} com.p
        cyd: <- INVOCATION 1 $w {procedure: com.p}
        cyd: UNREGISTER 2 $w -> UNREGISTERED 2
        dan: CALL 4 {} com.p -> ERROR CALL 4 {} wamp.error.no_such_procedure
    "#,
    );
}

// spec: A-PBR-07
#[test]
fn of_two_prefixes_the_longer_gets_the_call() {
    check(
        r#"
        ann: REGISTER 1 {match: prefix} a.b  -> REGISTERED 1 $short
        bob: REGISTER 1 {match: prefix} a.bc -> REGISTERED 1 $long
        cyd: CALL 1 {} a.bcd
        bob: <- INVOCATION 1 $long {procedure: a.bcd}
        cyd: CALL 2 {} a.bd
        ann: <- INVOCATION 1 $short {procedure: a.bd}
    "#,
    );
}

// spec: A-PBR-13
#[test]
fn an_unknown_policy_is_a_violation() {
    for message in ["SUBSCRIBE 1 {match: regexp} a", "REGISTER 1 {match: \"\"} a"] {
        check(&format!(
            r#"
            ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

/// Everything that matches `a.b.c.d`, the best first.
const RANKED: [(&str, &str); 14] = [
    ("exact", "a.b.c.d"),
    ("prefix", "a.b.c.d"),
    ("prefix", "a.b.c"),
    ("prefix", "a.b."),
    ("prefix", "a"),
    ("prefix", ""),
    ("wildcard", "a.b.c."),
    ("wildcard", "a.b..d"),
    ("wildcard", "a.b.."),
    ("wildcard", "a..c.d"),
    ("wildcard", "a...d"),
    ("wildcard", ".b.c."),
    ("wildcard", "..c.d"),
    ("wildcard", "..."),
];

// spec: A-PBR-05, A-PBR-06, A-PBR-07, A-PBR-12
#[test]
fn which_registration_is_the_best_does_not_depend_on_their_order() {
    let count = RANKED.len();
    // Each number is coprime to the count, so every step visits every pattern.
    for (first, step) in [(0, 1), (count - 1, count - 1), (3, 5), (8, 9)] {
        let mut script = String::new();
        for place in 0..count {
            let rank = (first + place * step) % count;
            let (policy, uri) = RANKED[rank];
            let request = place + 1;
            script += &format!(
                "ann: REGISTER {request} {{match: {policy}}} \"{uri}\" \
                 -> REGISTERED {request} $r{rank}\n"
            );
        }
        for (rank, (policy, _)) in RANKED.iter().enumerate() {
            let (call, request) = (rank + 1, count + rank + 1);
            let procedure = if *policy == "exact" { "" } else { "procedure: a.b.c.d" };
            script += &format!(
                "bob: CALL {call} {{}} a.b.c.d\n\
                 ann: <- INVOCATION {call} $r{rank} {{{procedure}}}\n\
                 ann: UNREGISTER {request} $r{rank} -> UNREGISTERED {request}\n"
            );
        }
        let call = count + 1;
        script += &format!(
            "bob: CALL {call} {{}} a.b.c.d -> ERROR CALL {call} {{}} wamp.error.no_such_procedure"
        );
        check(&script);
    }
}

// spec: A-PBS-08, A-PBS-03
#[test]
fn the_events_of_one_publication_come_in_the_order_of_their_patterns() {
    let subscriptions = [
        ("wildcard", "a..c"),
        ("prefix", "a.b"),
        ("exact", "a.b.c"),
        ("prefix", "a"),
        ("wildcard", "a.b."),
    ];
    for turn in 0..subscriptions.len() {
        let mut script = String::new();
        for number in 0..subscriptions.len() {
            let place = (turn + number) % subscriptions.len();
            let (policy, topic) = subscriptions[place];
            let request = number + 1;
            script += &format!(
                "ann: SUBSCRIBE {request} {{match: {policy}}} {topic} \
                 -> SUBSCRIBED {request} $s{place}\n"
            );
        }
        check(&format!(
            "{script}
            bob: PUBLISH 1 {{acknowledge}} a.b.c -> PUBLISHED 1 $p
            ann: <- EVENT $s2 $p {{}}
            ann: <- EVENT $s3 $p {{topic: a.b.c}}
            ann: <- EVENT $s1 $p {{topic: a.b.c}}
            ann: <- EVENT $s4 $p {{topic: a.b.c}}
            ann: <- EVENT $s0 $p {{topic: a.b.c}}"
        ));
    }
}

// spec: A-PBS-07, A-SDS-01
#[test]
fn what_else_is_asked_for_does_not_make_another_subscription() {
    check(
        r#"
        ann: SUBSCRIBE 1 {match: prefix} com.t -> SUBSCRIBED 1 $s
        ann: SUBSCRIBE 2 {match: prefix, get_retained} com.t -> SUBSCRIBED 2 $s
        bob: SUBSCRIBE 1 {match: prefix, nkey: some, _mine: 1} com.t -> SUBSCRIBED 1 $s
        cyd: PUBLISH 1 {rkey: other} com.t
        ann: <- EVENT $s $p {topic: com.t}
        bob: <- EVENT $s $p {topic: com.t}
    "#,
    );
}
