//! Sessions: how they begin, end, and begin again.

use crate::{check, check_then};

// spec: B-SESS-02, B-SESS-03, B-SESS-05, B-SESS-09, B-SESS-32, G-07
#[test]
fn hello_is_answered_by_welcome_and_nothing_comes_before() {
    check(
        r#"
        ann: connects
        ann: silent
        ann: HELLO realm1 {agent: "a client 1.0", roles: {caller: {}}} -> WELCOME $id {roles: {broker: {..}, dealer: {..}}, agent: *, realm: realm1, authid: *, authrole: anonymous, authmethod: anonymous, authprovider: static}
        ann: silent
    "#,
    );
}

// spec: A-FEAT-01, A-FEAT-02, A-FEAT-06, A-FEAT-07, A-PCR-01, A-META-02, A-SDR-01, A-SDS-01, A-RFL-02
#[test]
fn welcome_announces_what_works_and_nothing_else() {
    let broker = "event_retention, pattern_based_subscription, payload_passthru_mode, publisher_exclusion, \
                  publisher_identification, session_meta_api, subscriber_blackwhite_listing, \
                  subscription_meta_api, subscription_revocation";
    let dealer = "call_canceling, call_reroute, call_timeout, caller_identification, \
                  pattern_based_registration, payload_passthru_mode, \
                  progressive_call_invocations, progressive_call_results, \
                  registration_meta_api, registration_revocation, session_meta_api, \
                  shared_registration, testament_meta_api";
    let roles =
        format!("{{broker: {{features: {{{broker}}}}}, dealer: {{features: {{{dealer}}}}}}}");
    check(&format!(
        r#"
        ann: connects
        ann: HELLO realm1 {{roles: {{caller: {{}}}}}} -> WELCOME $id {{roles: {roles}, ..}}
    "#
    ));
}

// spec: A-RAW-11
#[test]
fn a_peer_of_few_octets_is_welcomed_without_features() {
    check(
        r#"
        ann: connects {transport: rawsocket, max: 512}
        ann: HELLO realm1 {roles: {caller: {}}} -> WELCOME $id {roles: {broker: {}, dealer: {}}, ..}
        ann: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out
    "#,
    );
}

// spec: B-SESS-01, B-SESS-15, B-SESS-22, B-PERR-06, B-PERR-07, B-PERR-09
#[test]
fn anything_but_hello_at_first_is_a_violation() {
    for first in [
        "WELCOME 1 {roles: {}}",
        "CHALLENGE ticket {}",
        "AUTHENTICATE x {}",
        "GOODBYE {} wamp.close.normal",
        "ERROR CALL 1 {} a.b",
        "PUBLISH 1 {} a.b",
        "PUBLISHED 1 1",
        "SUBSCRIBE 1 {} a.b",
        "SUBSCRIBED 1 1",
        "UNSUBSCRIBE 1 1",
        "UNSUBSCRIBED 1",
        "EVENT 1 1 {}",
        "CALL 1 {} a.b",
        "CANCEL 1 {}",
        "RESULT 1 {}",
        "REGISTER 1 {} a.b",
        "REGISTERED 1 1",
        "UNREGISTER 1 1",
        "UNREGISTERED 1",
        "INVOCATION 1 1 {}",
        "INTERRUPT 1 {}",
        "YIELD 1 {}",
    ] {
        check(&format!(
            r#"
            ann: connects
            ann: {first} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-SESS-17
#[test]
fn abort_before_a_session_ends_the_transport_without_an_answer() {
    check(
        r#"
        ann: connects
        ann: ABORT {} wamp.close.normal
        ann: closed
    "#,
    );
}

// spec: B-SESS-06, B-SESS-07
#[test]
fn hello_must_announce_a_role() {
    for details in [
        "{}",
        "{roles: {}}",
        "{roles: {broker: {}}}",
        "{roles: {caller: true}}",
        "{roles: [caller]}",
        "{roles: {caller: 1}}",
    ] {
        check(&format!(
            r#"
            ann: connects
            ann: HELLO realm1 {details} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-SESS-08 — the decision is to be lenient
#[test]
fn a_role_that_was_not_announced_may_be_played() {
    check(
        r#"
        ann: joins realm1 {subscriber: {}}
        ann: REGISTER 1 {} com.p       -> REGISTERED 1 $r
        ann: PUBLISH 2 {acknowledge} com.t -> PUBLISHED 2 *
        ann: CALL 3 {} com.q           -> ERROR CALL 3 {} wamp.error.no_such_procedure
    "#,
    );
}

// spec: B-SESS-10, B-SESS-27, B-ERR-15
#[test]
fn a_realm_that_does_not_exist_is_refused() {
    check(
        r#"
        ann: connects
        ann: HELLO realm9 {roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_such_realm
        ann: closed
    "#,
    );
}

// spec: B-SESS-11
#[test]
fn a_realm_that_is_no_uri_is_refused() {
    for realm in ["\"\"", "\"a b\"", "a..b", "\"a#b\""] {
        check(&format!(
            r#"
            ann: connects
            ann: HELLO {realm} {{roles: {{caller: {{}}}}}} -> ABORT {{message: *}} wamp.error.invalid_uri
            ann: closed
        "#
        ));
    }
}

// spec: A-AUTH-07, A-AUTH-13, A-ERR-18, D-19
#[test]
fn who_offers_no_method_or_anonymous_is_anonymous() {
    for methods in ["[]", "[anonymous]", "[ticket, anonymous]"] {
        check(&format!(
            r#"
            ann: connects
            ann: HELLO realm1 {{authmethods: {methods}, roles: {{caller: {{}}}}}} -> WELCOME * {{authmethod: anonymous, ..}}
        "#
        ));
    }
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {authmethods: [fingerprint], roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
        ann: closed
    "#,
    );
}

// spec: B-SESS-12, B-SESS-13, B-PERR-03, B-PERR-04, B-PERR-05, B-PERR-15
#[test]
fn what_only_routers_say_ends_an_open_session() {
    for message in [
        "HELLO realm1 {roles: {caller: {}}}",
        "WELCOME 1 {roles: {}}",
        "CHALLENGE ticket {}",
        "AUTHENTICATE x {}",
        "PUBLISHED 1 1",
        "SUBSCRIBED 1 1",
        "UNSUBSCRIBED 1",
        "EVENT 1 1 {}",
        "RESULT 1 {}",
        "REGISTERED 1 1",
        "UNREGISTERED 1",
        "INVOCATION 1 1 {}",
        "INTERRUPT 1 {}",
    ] {
        check(&format!(
            r#"
            ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
            ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-SESS-16, B-SESS-17
#[test]
fn abort_of_any_length_ends_an_open_session_without_an_answer() {
    for tail in ["", "[1, two]", "[] {a: 1}"] {
        check(&format!(
            r#"
            ann: ABORT {{message: "enough"}} some.reason {tail}
            ann: closed
        "#
        ));
    }
}

// spec: B-SESS-18, B-SESS-19, B-ERR-11, G-24
#[test]
fn goodbye_is_answered_whatever_its_reason() {
    for reason in ["wamp.close.normal", "wamp.close.close_realm", "my.own.reason"] {
        check(&format!(
            r#"
            ann: GOODBYE {{message: "so long"}} {reason} -> GOODBYE {{}} wamp.close.goodbye_and_out
            ann: silent
        "#
        ));
    }
}

// spec: B-SESS-24, B-ID-04, B-ID-06
#[test]
fn another_session_may_follow_on_the_same_transport() {
    check_then(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p  -> REGISTERED 2 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out
        bob: <- ERROR CALL 1 {} wamp.error.canceled
        ann: HELLO realm2 {roles: {callee: {}}} -> WELCOME $again {realm: realm2, ..}
        bob: PUBLISH 2 {acknowledge} com.t -> PUBLISHED 2 *
        bob: CALL 3 {} com.p -> ERROR CALL 3 {} wamp.error.no_such_procedure
        ann: silent
        ann: REGISTER 1 {} com.p  -> REGISTERED 1 $q
        cyd: joins realm2
        cyd: CALL 1 {} com.p
        ann: <- INVOCATION 1 $q {}
        ann: YIELD 1 {}
        cyd: <- RESULT 1 {}
    "#,
        |bindings| assert_ne!(bindings["ann"], bindings["again"]),
    );
}

// spec: B-SESS-24, B-ID-04
#[test]
fn a_session_may_count_on_where_the_one_before_it_ended() {
    const AGAIN: &str = "ann: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out
        ann: HELLO realm1 {roles: {callee: {}}} -> WELCOME * {..}";
    check(&format!(
        r#"
        // not by long-poll: there request ids may come in any order
        // not by long-poll: there request ids may come in any order
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 *
        ann: SUBSCRIBE 2 {{}} com.t -> SUBSCRIBED 2 *
        {AGAIN}
        ann: REGISTER 3 {{}} com.p -> REGISTERED 3 *
        ann: REGISTER 4 {{}} com.q -> REGISTERED 4 *
        {AGAIN}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 *
        ann: REGISTER 5 {{}} com.q -> ABORT {{message: *}} wamp.error.protocol_violation
    "#
    ));
    check(&format!(
        r#"
        // not by long-poll: there request ids may come in any order
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 *
        {AGAIN}
        ann: REGISTER 3 {{}} com.p -> ABORT {{message: *}} wamp.error.protocol_violation
    "#
    ));
}

// spec: B-SESS-23, B-RPC-25
#[test]
fn a_session_leaves_nothing_behind_however_it_ends() {
    for end in [
        "ann: GOODBYE {} wamp.close.normal -> GOODBYE {} wamp.close.goodbye_and_out",
        "ann: ABORT {} some.reason",
        "ann: drops",
        "ann: HELLO realm1 {roles: {caller: {}}} -> ABORT {message: *} wamp.error.protocol_violation",
    ] {
        check(&format!(
            r#"
            ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
            ann: REGISTER 2 {{}} com.p  -> REGISTERED 2 $r
            bob: REGISTER 1 {{}} com.q  -> REGISTERED 1 $q
            ann: CALL 3 {{}} com.q
            bob: <- INVOCATION 1 $q {{}}
            bob: CALL 2 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            {end}
            bob: <- INTERRUPT 1 {{mode: killnowait}}
            bob: <- ERROR CALL 2 {{}} wamp.error.canceled
            bob: YIELD 1 {{}} [late]
            bob: PUBLISH 3 {{acknowledge}} com.t -> PUBLISHED 3 *
            bob: CALL 4 {{}} com.p -> ERROR CALL 4 {{}} wamp.error.no_such_procedure
            bob: REGISTER 5 {{}} com.p -> REGISTERED 5 $other
        "#
        ));
    }
}

// spec: B-SESS-26
#[test]
fn realms_do_not_see_each_other() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p  -> REGISTERED 2 $r
        bob: joins realm2
        bob: SUBSCRIBE 1 {match: prefix} com -> SUBSCRIBED 1 $u
        bob: CALL 2 {} com.p -> ERROR CALL 2 {} wamp.error.no_such_procedure
        bob: PUBLISH 3 {acknowledge} com.t -> PUBLISHED 3 *
        ann: PUBLISH 3 {acknowledge} com.t -> PUBLISHED 3 *
        bob: REGISTER 4 {} com.p -> REGISTERED 4 $q
        ann: CALL 4 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {} -> RESULT 4 {}
        bob: UNREGISTER 5 $q -> UNREGISTERED 5
        ann: silent
        bob: silent
    "#,
    );
}

// spec: B-SESS-28
#[test]
fn who_never_says_hello_is_sent_away() {
    check(
        r#"
        ann: connects
        ann: silent
        wait 11s
        ann: <- ABORT {message: *} wamp.error.protocol_violation
        ann: closed
    "#,
    );
}

// spec: B-SESS-28
#[test]
fn who_stays_silent_after_goodbye_is_sent_away() {
    check(
        r#"
        ann: GOODBYE {} a.b -> GOODBYE {} wamp.close.goodbye_and_out
        wait 11s
        ann: <- ABORT {message: *} wamp.error.protocol_violation
        ann: closed
    "#,
    );
}

// spec: B-SESS-29, B-PS-21, A-FEAT-03, X-OPT-04
#[test]
fn unknown_attributes_are_ignored() {
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {_mine: [1, {a: null}], roles: {caller: {features: {time_travel}}, oracle: {}}} -> WELCOME $id {..}
        ann: SUBSCRIBE 1 {_x: {}, colour: red} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {acknowledge, _y: 1.5, exclude_me: false} com.t
        ann: <~ PUBLISHED 2 $p
        ann: <~ EVENT $s $p {}
        ann: REGISTER 3 {_z: null} com.p -> REGISTERED 3 $r
        ann: CALL 4 {_q: []} com.p -> INVOCATION 1 $r {}
        ann: YIELD 1 {_w} -> RESULT 4 {}
        ann: GOODBYE {_v: 1} a.b -> GOODBYE {} wamp.close.goodbye_and_out
    "#,
    );
}

// spec: B-SESS-31, B-PERR-17, A-BWL-06, A-TMO-12, X-OPT-01, X-R2R-02, D-15
#[test]
fn a_known_attribute_of_the_wrong_type_is_a_violation() {
    for message in [
        "PUBLISH 1 {acknowledge: 1} com.t",
        "PUBLISH 1 {acknowledge: 0} com.t",
        "PUBLISH 1 {exclude_me: hello} com.t",
        "PUBLISH 1 {exclude: [one]} com.t",
        "PUBLISH 1 {eligible: 7} com.t",
        "PUBLISH 1 {exclude: one} com.t",
        "PUBLISH 1 {exclude: [-1]} com.t",
        "PUBLISH 1 {exclude_authid: [1]} com.t",
        "PUBLISH 1 {exclude_authrole: [1]} com.t",
        "PUBLISH 1 {eligible: [[1]]} com.t",
        "PUBLISH 1 {eligible_authid: [a, 1]} com.t",
        "PUBLISH 1 {eligible_authrole: a} com.t",
        "PUBLISH 1 {transaction_hash: 1} com.t",
        "PUBLISH 1 {forward_for: [1]} com.t",
        "PUBLISH 1 {forward_for: [{session: a}]} com.t",
        "SUBSCRIBE 1 {match: 123} com.t",
        "SUBSCRIBE 1 {match: regex} com.t",
        "REGISTER 1 {match: 123} com.p",
        "REGISTER 1 {match: fuzzy} com.p",
        "REGISTER 1 {invoke: 1} com.p",
        "CALL 1 {disclose_me: 1} com.p",
        "CALL 1 {receive_progress: yes} com.p",
        "CALL 1 {timeout: -1} com.p",
        "CALL 1 {timeout: soon} com.p",
        "CANCEL 1 {mode: 1}",
    ] {
        check(&format!(
            r#"
            ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: D-15
#[test]
fn a_known_attribute_without_a_value_is_absent() {
    // As JavaScript clients write options that were not set: null, or undefined where there is one.
    check(
        r#"
        ann: SUBSCRIBE 1 {match: null, get_retained: null} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {acknowledge: true, exclude: null, disclose_me: null} com.t -> PUBLISHED 1 *
        ann: <- EVENT $s * {}
    "#,
    );
    check(
        r#"
        ann: connects {serializer: msgpack}
        ann: joins realm1
        ann: bytes 94 20 01 81 a5 6d61746368 d4 00 00 a5 636f6d2e74 -> SUBSCRIBED 1 *
        bob: connects {serializer: cbor}
        bob: joins realm1
        bob: bytes 84 18 20 01 a1 65 6d61746368 f7 65 636f6d2e74 -> SUBSCRIBED 1 *
    "#,
    );
}

// spec: B-SESS-33, B-SESS-19, B-SESS-20, B-SESS-21, B-ERR-09, B-RPC-13
#[test]
fn shutting_down_says_goodbye_and_hears_nothing_else_any_more() {
    check(
        r#"
        ann: joins realm1 {callee: {}}
        ann: REGISTER 1 {} com.p  -> REGISTERED 1 $r
        bob: CALL 1 {} com.p
        ann: <- INVOCATION 1 $r {}
        cyd: connects
        shut down
        ann: <- GOODBYE {} wamp.close.system_shutdown
        bob: <- ERROR CALL 1 {} wamp.error.canceled
        bob: <- GOODBYE {} wamp.close.system_shutdown
        cyd: <- ABORT {message: *} wamp.close.system_shutdown
        cyd: closed
        ann: YIELD 1 {} & SUBSCRIBE 2 {} com.t & CALL 77 {} com.p
        ann: HELLO realm1 {roles: {caller: {}}}
        ann: silent
        ann: GOODBYE {} wamp.close.goodbye_and_out
        ann: closed
        bob: silent
        wait 6s
        bob: closed
    "#,
    );
}

// spec: B-SESS-33
#[test]
fn nobody_is_let_in_after_the_end() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        shut down
        ann: <- GOODBYE {} wamp.close.system_shutdown
        bob: connects
        bob: closed
        ann: ABORT {} enough.is_enough
        ann: closed
    "#,
    );
}

// spec: B-PS-19, D-23
#[test]
fn who_does_not_read_is_told_so_and_sent_away() {
    let long = "x".repeat(3_000);
    check(&format!(
        r#"
        given: outbox_bytes_max 1000
        ann: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {{exclude_me: false}} com.t ["{long}"] & PUBLISH 3 {{}} com.u & PUBLISH 4 {{exclude_me: false}} com.t
        ann: <- EVENT $s * {{}} ["{long}"]
        ann: <- ABORT {{message: *}} gigawamp.error.slow_peer
        ann: closed
    "#
    ));
}

// spec: B-SESS-24, G-24
#[test]
fn goodbye_and_hello_may_come_in_one_breath() {
    check_then(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 2 {} com.u & GOODBYE {} a.b & HELLO realm1 {roles: {subscriber: {}}} & SUBSCRIBE 1 {} com.t & PUBLISH 2 {exclude_me: false} com.t [2]
        ann: <- GOODBYE {} wamp.close.goodbye_and_out
        ann: <- WELCOME $again {..}
        ann: <- SUBSCRIBED 1 $t
        ann: <- EVENT $t * {} [2]
    "#,
        |bindings| assert_ne!(bindings["ann"], bindings["again"]),
    );
}

// spec: A-FEAT-05, D-15
#[test]
fn a_feature_that_is_neither_there_nor_not_is_a_violation() {
    for value in ["1", "0", "yes", "[]", "{}"] {
        check(&format!(
            r#"
            ann: connects
            ann: HELLO realm1 {{roles: {{callee: {{features: {{call_canceling: {value}}}}}}}}} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: A-RES-01, A-RES-02, A-RES-03, A-RES-04, D-14
#[test]
fn sessions_are_not_resumed() {
    check(
        r#"
        ann: connects
        ann: HELLO realm1 {resumable, roles: {caller: {}}} -> WELCOME $id {roles: *, agent: *, realm: realm1, authid: *, authrole: *, authmethod: *, authprovider: *}
        ann: drops
        bob: connects
        bob: HELLO realm1 {resume-session: $id, resume-token: "", roles: {caller: {}}} -> WELCOME $new {roles: *, agent: *, realm: realm1, authid: *, authrole: *, authmethod: *, authprovider: *}
        cyd: connects
        cyd: [1, null, {roles: {caller: {}}}] -> ABORT {message: *} wamp.error.protocol_violation
        cyd: closed
    "#,
    );
}

// spec: A-ANON-01, A-ANON-02
#[test]
fn who_is_anonymous_has_an_identity_by_chance() {
    check_then(
        r#"
        ann: connects
        ann: HELLO realm1 {authid: admin, authrole: admin, roles: {caller: {}}} -> WELCOME * {authid: $a, authrole: anonymous, authmethod: anonymous, authprovider: static, ..}
        bob: connects
        bob: HELLO realm1 {authid: admin, roles: {caller: {}}} -> WELCOME * {authid: $b, authrole: anonymous, authmethod: anonymous, authprovider: static, ..}
    "#,
        |bindings| {
            assert_ne!(bindings["a"], bindings["b"]);
            assert!(!bindings["a"].to_string().contains("admin"));
        },
    );
}
