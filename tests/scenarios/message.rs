//! Messages on the wire: their forms, and what survives the way from one serializer to another.

use crate::check;

// spec: B-MSG-34, B-MSG-66, B-MSG-90
#[test]
fn unsubscribe_and_unregister_may_have_options() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {} com.p -> REGISTERED 2 $r
        ann: UNSUBSCRIBE 3 $s {forward_for: []} -> UNSUBSCRIBED 3
        ann: UNREGISTER 4 $r {} -> UNREGISTERED 4
    "#,
    );
}

// spec: X-MSG-337, X-ACK-02, D-13
#[test]
fn event_received_is_ignored() {
    check(
        r#"
        ann: EVENT_RECEIVED 4711
        ann: silent
        ann: PUBLISH 1 {acknowledge} com.t -> PUBLISHED 1 *
    "#,
    );
}

// spec: B-MSG-85, B-MSG-86
#[test]
fn what_is_empty_arrives_as_it_was_sent() {
    check(
        r#"
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: PUBLISH 1 {} com.t
        ann: <- EVENT $s * {}
        bob: PUBLISH 2 {} com.t []
        ann: <- EVENT $s * {} []
        bob: PUBLISH 3 {} com.t [] {}
        ann: <- EVENT $s * {} [] {}
        bob: PUBLISH 4 {} com.t [] {"a": []}
        ann: <- EVENT $s * {} [] {"a": []}
    "#,
    );
}

/// Publishes and calls with one argument from a peer of every serializer to one of every
/// serializer, in a list and in a dict.
fn carry(argument: &str, serializers: &[&str]) {
    for from in serializers {
        for to in serializers {
            check(&format!(
                r#"
                ann: connects {{serializer: {from}}}
                ann: joins realm1
                bob: connects {{serializer: {to}}}
                bob: joins realm1
                bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
                bob: REGISTER 2 {{}} com.p -> REGISTERED 2 $r
                ann: PUBLISH 1 {{}} com.t [{argument}] {{"k": [{{"l": {argument}}}]}}
                bob: <- EVENT $s * {{}} [{argument}] {{"k": [{{"l": {argument}}}]}}
                ann: CALL 2 {{}} com.p [{argument}]
                bob: <- INVOCATION 1 $r {{}} [{argument}]
                bob: YIELD 1 {{}} [{argument}]
                ann: <- RESULT 2 {{}} [{argument}]
                ann: CALL 3 {{}} com.p [] {{"k": {argument}}}
                bob: <- INVOCATION 2 $r {{}} [] {{"k": {argument}}}
                bob: ERROR INVOCATION 2 {{}} a.b [] {{"k": {argument}}}
                ann: <- ERROR CALL 3 {{}} a.b [] {{"k": {argument}}}
            "#
            ));
        }
    }
}

const ALL: [&str; 4] = ["json", "msgpack", "cbor", "ubjson"];

// spec: B-SER-01, B-SER-02, B-SER-04, B-SER-14, B-MSG-84, B-MSG-87
#[test]
fn payloads_keep_their_meaning_between_serializers() {
    carry(r#"[0, 23, 24, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296]"#, &ALL);
    carry(r#"[-1, -24, -25, -32, -33, -128, -129, -32769, -2147483649]"#, &ALL);
    carry(r#"[9007199254740992, 18446744073709551615, -9223372036854775808]"#, &ALL);
    carry(r#"[0.0, 1.0, -0.5, 1e300, 5e-324, 0.1]"#, &ALL);
    carry(r#"["", "a", "ünïcode 日本 🎈", "\"\\\/\b\f\n\r\t\u0001\ud83c\udf88"]"#, &ALL);
    carry(r#"[null, true, false, [], {}, [[[]]], {"": {"a b": null}}]"#, &ALL);
}

// spec: B-SER-03, B-SER-05, B-SER-06
#[test]
fn octets_stay_octets() {
    carry(r#""\u0000EOP/kFMHXFJvX8BtT+N82w==""#, &ALL);
    carry(r#"["\u0000", {"a": "\u0000AA=="}]"#, &ALL);
}

// spec: B-SER-05, B-SER-06
#[test]
fn octets_in_json_have_the_form_the_specification_shows() {
    // The specification's sixteen octets, as a CBOR byte string and as JSON text.
    check(
        r#"
        ann: connects {serializer: cbor}
        ann: joins realm1
        bob: connects {serializer: json}
        bob: joins realm1
        ann: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: bytes 85 10 02 a0 65 636f6d2e74 81 50 10e3ff9053075c526f5fc06d4fe37cdb
        bob: <- EVENT $s * {} ["\u0000EOP/kFMHXFJvX8BtT+N82w=="]
    "#,
    );
}

// spec: B-SER-07
#[test]
fn a_text_that_only_looks_like_octets_stays_among_its_like() {
    check(
        r#"
        ann: connects {serializer: json}
        ann: joins realm1
        bob: connects {serializer: cbor}
        bob: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        bob: REGISTER 2 {} com.p -> REGISTERED 2 $r
        ann: bytes 5b31362c312c7b2261636b6e6f776c65646765223a747275657d2c22636f6d2e74222c5b225c753030303021225d5d -> PUBLISHED 1 *
        bob: silent
        ann: bytes 5b34382c322c7b7d2c22636f6d2e70222c5b225c753030303021225d5d -> ERROR CALL 2 {} wamp.error.invalid_argument
        bob: silent
    "#,
    );
}

// spec: B-SER-09
#[test]
fn what_has_no_counterpart_never_breaks_the_connection() {
    // MessagePack: an extension; a dict with a number for a key; infinity and
    // undefined, which are null in JSON.
    check(
        r#"
        ann: connects {serializer: msgpack}
        ann: joins realm1
        bob: connects {serializer: json}
        bob: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: bytes 95 10 01 80 a5 636f6d2e74 91 d4 01 00
        bob: silent
        ann: bytes 95 10 02 80 a5 636f6d2e74 91 81 05 06
        bob: silent
        ann: bytes 95 10 03 80 a5 636f6d2e74 91 cb 7ff0000000000000
        bob: <- EVENT $s * {} [null]
        ann: bytes 95 10 04 80 a5 636f6d2e74 91 d4 00 00
        bob: <- EVENT $s * {} [null]
        ann: PUBLISH 5 {} com.t [fine]
        bob: <- EVENT $s * {} [fine]
    "#,
    );
}

// spec: B-SER-10
#[test]
fn every_legal_encoding_is_understood() {
    check(
        r#"
        ann: connects {serializer: json}
        ann: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: bytes 20 5b0a 3136 20 2c 09 31 2c 7b20 7d 2c 2022 636f6d5c7530303265 74 22 0d 2c 5b 20 37 20 5d 5d 20
        bob: <- EVENT $s * {} [7]
    "#,
    );
    // MessagePack: every integer in eight octets, every length in four.
    check(
        r#"
        ann: connects {serializer: msgpack}
        ann: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: bytes dd00000005 cf0000000000000010 d10001 df00000000 db00000005 636f6d2e74 dc0001 d307ffffffffffffff
        bob: <- EVENT $s * {} [576460752303423487]
    "#,
    );
    // CBOR: lists, dicts and texts without a length, numbers longer than they need be.
    check(
        r#"
        ann: connects {serializer: cbor}
        ann: joins realm1
        bob: SUBSCRIBE 1 {} com.t -> SUBSCRIBED 1 $s
        ann: bytes 9f 1b0000000000000010 190001 bfff 7f 63 636f6d 62 2e74 ff 9f 1900ff 7f 61 61 ff ff ff
        bob: <- EVENT $s * {} [255, a]
    "#,
    );
}

// spec: A-PPT-14, C-08, D-12
#[test]
fn the_older_form_of_passthru_passes_between_peers_of_one_serializer() {
    for serializer in ["msgpack", "cbor", "ubjson"] {
        check(&format!(
            r#"
            ann: connects {{serializer: {serializer}}}
            ann: joins realm1
            bob: connects {{serializer: {serializer}}}
            bob: joins realm1
            bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
            ann: PUBLISH 1 {{enc_algo: cryptobox, enc_serializer: cbor, enc_key: k}} com.t "\u0000AAEC"
            bob: <- EVENT $s * {{enc_algo: cryptobox, enc_serializer: cbor, enc_key: k}} "\u0000AAEC"
            ann: PUBLISH 2 {{}} com.t "\u0000AAEC" -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
}

// spec: A-SDR-02, A-SDS-01, X-OPT-01, X-R2R-03
#[test]
fn what_drafts_and_other_routers_add_changes_nothing() {
    let spoof = "forward_for: [{session: 5, authid: admin, authrole: admin}]";
    check(&format!(
        r#"
        ann: SUBSCRIBE 1 {{nkey: some, {spoof}}} com.t -> SUBSCRIBED 1 $s
        ann: REGISTER 2 {{{spoof}}} com.p -> REGISTERED 2 $r
        bob: PUBLISH 1 {{rkey: other, transaction_hash: "0xab", disclose_me, {spoof}}} com.t
        ann: <- EVENT $s * {{publisher: $bob, publisher_authid: *, publisher_authrole: anonymous}}
        bob: PUBLISH 2 {{{spoof}}} com.t
        ann: <- EVENT $s * {{}}
        bob: CALL 3 {{runmode: partition, rkey: 7, disclose_me, {spoof}}} com.p
        ann: <- INVOCATION 1 $r {{caller: $bob, caller_authid: *, caller_authrole: anonymous}}
        ann: YIELD 1 {{{spoof}}}
        bob: <- RESULT 3 {{}}
        bob: CALL 4 {{runmode: all}} com.p
        ann: <- INVOCATION 2 $r {{}}
        bob: CANCEL 4 {{mode: kill, {spoof}}}
        ann: <- INTERRUPT 2 {{mode: kill}}
        ann: ERROR INVOCATION 2 {{{spoof}}} wamp.error.canceled
        bob: <- ERROR CALL 4 {{}} wamp.error.canceled
        ann: UNSUBSCRIBE 3 $s {{{spoof}}} -> UNSUBSCRIBED 3
        ann: UNREGISTER 4 $r {{{spoof}}} -> UNREGISTERED 4
    "#
    ));
}
