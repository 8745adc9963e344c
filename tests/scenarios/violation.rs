//! Protocol violations: what breaks the protocol ends the session, and only that session.

use crate::check;

// spec: B-PERR-01, G-23
// spec: B-ERR-12, B-ERR-40
#[test]
fn a_violation_is_told_and_takes_everything_of_the_session_along() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p  -> REGISTERED 2 $r
        ann: [999, 1] -> ABORT {message: *} wamp.error.protocol_violation
        ann: closed
        bob: CALL 1 {} com.p -> ERROR CALL 1 {} wamp.error.no_such_procedure
        bob: PUBLISH 2 {acknowledge} com.t -> PUBLISHED 2 *
    "#,
    );
}

// spec: B-PERR-02, G-23
#[test]
fn what_came_behind_a_violation_is_not_processed() {
    check(
        r#"
        // not by long-poll: there request ids may come in any order
        ann: SUBSCRIBE 1 {match: prefix} com. -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.before & PUBLISH 3 {} com.offence & PUBLISH 2 {} com.t & PUBLISH 4 {} com.after
        bob: <- ABORT {message: *} wamp.error.protocol_violation
        bob: closed
        ann: <- EVENT $s * {topic: com.before}
        ann: silent
    "#,
    );
}

// spec: B-PERR-08
#[test]
fn clients_may_only_fail_invocations() {
    for request_type in ["CALL", "SUBSCRIBE", "PUBLISH", "REGISTER", "YIELD", "0", "7"] {
        check(&format!(
            r#"
            ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
            bob: CALL 1 {{}} com.p
            ann: <- INVOCATION 1 $r {{}}
            ann: ERROR {request_type} 1 {{}} a.b -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
            bob: <- ERROR CALL 1 {{}} wamp.error.canceled
        "#
        ));
    }
}

// spec: B-PERR-11, B-ID-04, B-ID-08, G-08
#[test]
fn request_ids_count_one_by_one() {
    for request in ["0", "2", "7", "9007199254740992", "9007199254740993"] {
        for message in [
            "SUBSCRIBE ID {} com.t",
            "UNSUBSCRIBE ID 1",
            "PUBLISH ID {} com.t",
            "REGISTER ID {} com.p",
            "UNREGISTER ID 1",
            "CALL ID {} com.p",
        ] {
            let message = message.replace("ID", request);
            check(&format!(
                r#"
                // not by long-poll: there request ids may come in any order
                ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
                ann: closed
            "#
            ));
        }
    }
    for request in [1, 2, 4] {
        check(&format!(
            r#"
            // not by long-poll: there request ids may come in any order
            ann: PUBLISH 1 {{}} com.t & PUBLISH 2 {{}} com.t
            ann: SUBSCRIBE {request} {{}} com.t -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: D-01
#[test]
fn a_realm_may_accept_any_request_ids() {
    check(
        r#"
        given: any_request_ids
        ann: SUBSCRIBE 4711 {} com.t -> SUBSCRIBED 4711 $s
        ann: PUBLISH 9007199254740992 {acknowledge} com.t -> PUBLISHED 9007199254740992 *
        ann: REGISTER 3 {} com.p -> REGISTERED 3 $r
        bob: CALL 88 {} com.p
        ann: <- INVOCATION 1 $r {}
        ann: YIELD 1 {}
        bob: <- RESULT 88 {}
        bob: CALL 88 {} com.p
        ann: <- INVOCATION 2 $r {}
        bob: CALL 88 {} com.p -> ABORT {message: *} wamp.error.protocol_violation
        bob: closed
        ann: <- INTERRUPT 2 {mode: killnowait}
        ann: PUBLISH 0 {} com.t -> ABORT {message: *} wamp.error.protocol_violation
        ann: closed
    "#,
    );
}

// spec: B-PERR-12, B-MSG-80, B-MSG-82, B-MSG-83
#[test]
fn what_is_no_list_with_a_known_code_is_a_violation() {
    for message in [
        "[]",
        "[[]]",
        "[\"32\"]",
        "[32.0, 1, {}, a]",
        "[-1]",
        "[0]",
        "[7, 1]",
        "[255]",
        "[256, 1]",
        "[1023]",
        "[1024]",
        "[18446744073709551615]",
        "[null]",
        "[true]",
        "[{}]",
    ] {
        check(&format!(
            r#"
            ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-PERR-12, B-PERR-13, B-PERR-19, A-RAW-20
#[test]
fn bytes_that_are_no_message_are_a_violation() {
    // Nothing, no list, cut short, something behind the end, something that is nothing.
    let cases = [
        ("json", ["", "7b7d", "5b33322c", "22", "5b5d5b5d", "5b33322c317d"]),
        ("msgpack", ["", "80", "9420", "c0", "9091", "c1"]),
        ("cbor", ["", "a0", "8418", "f6", "8080", "ff"]),
    ];
    for (serializer, cases) in cases {
        for octets in cases {
            check(&format!(
                r#"
                ann: connects {{serializer: {serializer}}}
                ann: joins realm1
                ann: bytes {octets} -> ABORT {{message: *}} wamp.error.protocol_violation
                ann: closed
            "#
            ));
        }
    }
}

// spec: B-PERR-13
#[test]
fn text_that_is_not_utf8_is_a_violation() {
    // A WebSocket's text is checked by the WebSocket: its end is not WAMP's business.
    for (serializer, octets) in [
        ("json", "5b33322c312c7b7d2c22ff225d"),
        ("msgpack", "94 20 01 80 a1 ff"),
        ("cbor", "84 1820 01 a0 61 ff"),
    ] {
        check(&format!(
            r#"
            ann: connects {{serializer: {serializer}, transport: rawsocket}}
            ann: joins realm1
            ann: bytes {octets} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-PERR-14, B-MSG-81, B-MSG-88, B-MSG-89, B-ID-11, B-URI-14
#[test]
fn a_message_of_another_layout_is_a_violation() {
    for message in [
        "[32, 1, {}]",
        "[32, 1]",
        "[32]",
        "[32, 1, {}, com.t, 5]",
        "[32, 1, [], com.t]",
        "[32, 1, {}, 7]",
        "[32, 1.0, {}, com.t]",
        "[32, -1, {}, com.t]",
        "[32, \"1\", {}, com.t]",
        "[32, null, {}, com.t]",
        "[16, 1, {}, com.t, {}]",
        "[16, 1, {}, com.t, 7]",
        "[16, 1, {}, com.t, null]",
        "[16, 1, {}, com.t, \"text\"]",
        "[16, 1, {}, com.t, [], []]",
        "[16, 1, {}, com.t, [], null]",
        "[16, 1, {}, com.t, [], {}, 1]",
        "[48, 1, null, com.p]",
        "[48, 1, {}, null]",
        "[64, 1, {}, com.p, []]",
        "[34, 1, $ann, 7]",
        "[66, 1]",
        "[6, {}]",
        "[6, [], a.b]",
        "[6, {}, a.b, 1]",
        "[3, {}]",
        "[70, 1]",
        "[8, 68, 1, {}]",
        "[49, 1]",
    ] {
        check(&format!(
            r#"
            ann: {message} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: B-PERR-14, B-URI-14
#[test]
fn a_known_attribute_given_twice_is_a_violation() {
    check(
        r#"
        ann: PUBLISH 1 {acknowledge: true, acknowledge: false} com.t -> ABORT {message: *} wamp.error.protocol_violation
        ann: closed
    "#,
    );
}

// spec: B-PERR-17, D-15
#[test]
fn the_text_of_an_abort_names_what_is_wrong() {
    check(
        r#"
        ann: PUBLISH 1 {exclude_me: 1} com.t -> ABORT {message: $m} wamp.error.protocol_violation
        ann: closed
    "#,
    );
    crate::check_then(
        r#"
        ann: PUBLISH 1 {exclude_me: 1} com.t -> ABORT {message: $m} wamp.error.protocol_violation
        ann: closed
    "#,
        |bindings| assert!(bindings["m"].to_string().contains("exclude_me")),
    );
}

// spec: B-PERR-20, D-04
#[test]
fn naming_what_does_not_exist_is_no_violation() {
    check(
        r#"
        ann: UNSUBSCRIBE 1 77 -> ERROR UNSUBSCRIBE 1 {} wamp.error.no_such_subscription
        ann: UNREGISTER 2 77  -> ERROR UNREGISTER 2 {} wamp.error.no_such_registration
        ann: CANCEL 77 {}
        ann: CANCEL 1 {mode: kill}
        ann: silent
        ann: PUBLISH 3 {acknowledge} com.t -> PUBLISHED 3 *
    "#,
    );
}

// spec: B-PERR-18
#[test]
fn a_payload_with_no_form_at_the_receiver_harms_nobody() {
    // PUBLISH and CALL with a dict whose key is the number 1; then the same with a text.
    check(
        r#"
        ann: connects {serializer: cbor}
        ann: joins realm1
        bob: connects {serializer: json}
        bob: joins realm1
        cyd: connects {serializer: msgpack}
        cyd: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: REGISTER 2 {} com.p -> REGISTERED 2 $r
        ann: bytes 85 10 01 a1 6b 61636b6e6f776c65646765 f5 65 636f6d2e74 81 a1 01 02 -> PUBLISHED 1 *
        bob: silent
        ann: bytes 85 18 30 02 a0 65 636f6d2e70 81 a1 01 02 -> ERROR CALL 2 {} wamp.error.invalid_argument
        bob: silent
        ann: CALL 3 {} com.p [{"1": 2}]
        bob: <- INVOCATION 1 $r {} [{"1": 2}]
        bob: YIELD 1 {}
        ann: <- RESULT 3 {}
    "#,
    );
}
