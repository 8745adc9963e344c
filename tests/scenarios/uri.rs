//! URIs: what is one, what is reserved.

use crate::check;

/// Tries `uri` as a topic, a procedure, and as patterns of both kinds; each either works or is
/// refused.
fn judge(given: &str, uri: &str, [exact, prefix, wildcard]: [bool; 3]) {
    let uri = format!("\"{uri}\"");
    let invalid = "wamp.error.invalid_uri";
    let answer = |legal: bool, yes: &str, kind: &str, request: u32| match legal {
        true => format!("{yes} {request} *"),
        false => format!("ERROR {kind} {request} {{}} {invalid}"),
    };
    let subscribed = |legal, request| answer(legal, "SUBSCRIBED", "SUBSCRIBE", request);
    let registered = |legal, request| answer(legal, "REGISTERED", "REGISTER", request);
    let called = match exact {
        true => "INVOCATION 1 * {}".to_owned(),
        false => format!("ERROR CALL 5 {{}} {invalid}"),
    };
    // Each subscription has a session of its own that ends: what the router tells of others may
    // match the widest of them.
    check(&format!(
        r#"
        {given}
        cyd: SUBSCRIBE 1 {{}} {uri} -> {}
        cyd: GOODBYE {{}} a.b -> GOODBYE {{}} wamp.close.goodbye_and_out
        dan: SUBSCRIBE 1 {{match: prefix}} {uri} -> {}
        dan: drops
        eve: SUBSCRIBE 1 {{match: wildcard}} {uri} -> {}
        eve: drops
        ann: REGISTER 1 {{}} {uri} -> {}
        ann: REGISTER 2 {{match: prefix}} {uri} -> {}
        ann: REGISTER 3 {{match: wildcard}} {uri} -> {}
        ann: PUBLISH 4 {{acknowledge}} {uri} -> {}
        ann: CALL 5 {{}} {uri} -> {called}
    "#,
        subscribed(exact, 1),
        subscribed(prefix, 1),
        subscribed(wildcard, 1),
        registered(exact, 1),
        registered(prefix, 2),
        registered(wildcard, 3),
        answer(exact, "PUBLISHED", "PUBLISH", 4),
    ));
}

// spec: B-URI-01, B-URI-02, B-URI-03, B-URI-05, B-URI-06, B-URI-10
#[test]
fn loose_uris() {
    for uri in ["com.myapp.t1", "a", "Com.My-App.T!", "com.müll.日本", "1.2.3", "$x.%20.&"] {
        judge("", uri, [true, true, true]);
    }
    for (uri, legal) in [
        ("", [false, true, true]),
        (".", [false, false, true]),
        ("..", [false, false, true]),
        ("com..t", [false, false, true]),
        ("com.t.", [false, true, true]),
        (".com", [false, false, true]),
        ("com.my t", [false; 3]),
        ("com.\u{a0}", [false; 3]),
        ("com.\u{3000}.t", [false; 3]),
        ("com.#", [false; 3]),
        ("#", [false; 3]),
    ] {
        judge("", uri, legal);
    }
}

// spec: B-URI-04, B-URI-05
#[test]
fn strict_uris() {
    for (uri, legal) in [
        ("com.myapp.t_1", [true, true, true]),
        ("0.1", [true, true, true]),
        ("Com.t", [false; 3]),
        ("com.my-app", [false; 3]),
        ("com.müll", [false; 3]),
        ("com..t", [false, false, true]),
        ("com.", [false, true, true]),
        ("", [false, true, true]),
    ] {
        judge("given: strict_uris", uri, legal);
    }
}

// spec: B-URI-07, B-URI-08
#[test]
fn the_routers_own_names_cannot_be_taken() {
    check(
        r#"
        ann: REGISTER 1 {} wamp.session.count -> ERROR REGISTER 1 {} wamp.error.invalid_uri
        ann: REGISTER 2 {} wamp -> ERROR REGISTER 2 {} wamp.error.invalid_uri
        ann: REGISTER 3 {match: prefix} wamp. -> ERROR REGISTER 3 {} wamp.error.invalid_uri
        ann: REGISTER 4 {match: wildcard} wamp..x -> ERROR REGISTER 4 {} wamp.error.invalid_uri
        ann: REGISTER 5 {} wampx.foo -> REGISTERED 5 *
        ann: REGISTER 6 {} com.wamp -> REGISTERED 6 *
        ann: PUBLISH 7 {acknowledge} wamp.x -> ERROR PUBLISH 7 {} wamp.error.invalid_uri
        ann: PUBLISH 8 {acknowledge} wampx -> PUBLISHED 8 *
    "#,
    );
}

// spec: B-URI-09
#[test]
fn the_routers_own_topics_may_be_subscribed_to() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} wamp.session.on_leave -> SUBSCRIBED 1 *
        ann: SUBSCRIBE 2 {match: prefix} wamp.registration. -> SUBSCRIBED 2 *
        ann: CALL 3 {} wamp.no.such.thing -> ERROR CALL 3 {} wamp.error.no_such_procedure
    "#,
    );
}

// spec: B-URI-01
#[test]
fn one_uri_may_be_topic_and_procedure() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.x -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.x -> REGISTERED 2 $r
        bob: PUBLISH 1 {} com.x [1]
        ann: <- EVENT $s * {} [1]
        bob: CALL 2 {} com.x [2]
        ann: <- INVOCATION 1 $r {} [2]
        ann: ERROR INVOCATION 1 {} com.x
        bob: <- ERROR CALL 2 {} com.x
    "#,
    );
}
