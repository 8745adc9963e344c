//! Payload passthru: payloads that only their ends can read.

use crate::check;

const ALL: &str = "{caller: {features: {payload_passthru_mode}}, \
                   callee: {features: {payload_passthru_mode, progressive_call_results, \
                   call_canceling}}, publisher: {features: {payload_passthru_mode}}, \
                   subscriber: {features: {payload_passthru_mode}}}";
const PPT: &str = "ppt_scheme: x_mine, ppt_serializer: cbor, ppt_cipher: aes256gcm, ppt_keyid: k";

// spec: A-PPT-01, A-PPT-02, A-PPT-09, A-PPT-11, C-17
#[test]
fn attributes_travel_from_end_to_end() {
    check(&format!(
        r#"
        ann: joins realm1 {ALL}
        bob: joins realm1 {ALL}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{{PPT}, receive_progress}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 1 $r {{{PPT}, receive_progress}} ["\u0000AQL/"]
        ann: YIELD 1 {{{PPT}, progress}} ["\u0000AQL/"]
        bob: <- RESULT 1 {{{PPT}, progress}} ["\u0000AQL/"]
        ann: YIELD 1 {{ppt_scheme: wamp}} ["\u0000AQL/"]
        bob: <- RESULT 1 {{ppt_scheme: wamp}} ["\u0000AQL/"]
        bob: CALL 2 {{{PPT}}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 2 $r {{{PPT}}} ["\u0000AQL/"]
        ann: ERROR INVOCATION 2 {{{PPT}}} my.error ["\u0000AQL/"]
        bob: <- ERROR CALL 2 {{{PPT}}} my.error ["\u0000AQL/"]
        ann: SUBSCRIBE 2 {{}} com.t -> SUBSCRIBED 2 $s
        bob: PUBLISH 3 {{{PPT}}} com.t ["\u0000AQL/"]
        ann: <- EVENT $s * {{{PPT}}} ["\u0000AQL/"]
    "#
    ));
}

// spec: A-PPT-05
#[test]
fn senders_must_have_announced_it() {
    for offence in ["CALL 1 {ppt_scheme: x_a} com.p", "PUBLISH 1 {ppt_scheme: x_a} com.t"] {
        check(&format!(
            r#"
            ann: {offence} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
    check(&format!(
        r#"
        bob: joins realm1 {ALL}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{}} com.p
        ann: <- INVOCATION 1 $r {{}}
        ann: YIELD 1 {{ppt_scheme: x_a}} -> ABORT {{message: *}} wamp.error.protocol_violation
        ann: closed
        bob: <- ERROR CALL 1 {{}} wamp.error.canceled
    "#
    ));
}

// spec: A-PPT-06, A-PPT-07, A-PPT-08, A-ERR-31, A-FEAT-04
#[test]
fn receivers_that_did_not_announce_it() {
    check(&format!(
        r#"
        ann: joins realm1 {ALL}
        bob: REGISTER 1 {{}} com.p -> REGISTERED 1 $p
        ann: CALL 1 {{ppt_scheme: x_a}} com.p -> ERROR CALL 1 {{}} wamp.error.feature_not_supported
        bob: silent
        ann: REGISTER 2 {{}} com.q -> REGISTERED 2 $q
        bob: CALL 2 {{}} com.q
        ann: <- INVOCATION 1 $q {{}}
        ann: YIELD 1 {{ppt_scheme: x_a}} ["\u0000AQL/"] -> ERROR YIELD 1 {{}} wamp.error.feature_not_supported
        bob: <- ERROR CALL 2 {{}} wamp.error.feature_not_supported
        ann: YIELD 1 {{}}
        bob: silent
        bob: SUBSCRIBE 3 {{}} com.t -> SUBSCRIBED 3 $s
        ann: PUBLISH 3 {{ppt_scheme: x_a}} com.t ["\u0000AQL/"]
        bob: <- EVENT $s * {{ppt_scheme: x_a}} ["\u0000AQL/"]
    "#
    ));
}

// spec: A-PPT-12, A-PPT-13
#[test]
fn what_is_in_it_is_not_looked_at() {
    check(&format!(
        r#"
        ann: joins realm1 {ALL}
        bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
        ann: PUBLISH 1 {{ppt_scheme: x_a}} com.t [1, two] {{"a": 3}}
        bob: <- EVENT $s * {{ppt_scheme: x_a}} [1, two] {{"a": 3}}
        ann: PUBLISH 2 {{ppt_scheme: x_a}} com.t
        bob: <- EVENT $s * {{ppt_scheme: x_a}}
    "#
    ));
}

// spec: A-PPT-03, A-PPT-04, A-PPT-10
#[test]
fn octets_arrive_unchanged_whatever_the_serializers() {
    // What a client would pack: `{"args": [1], "kwargs": {}}` in CBOR, and octets that are nothing.
    for octets in ["ommFYXJnc4EBZmt3YXJnc6A=", "/////w==", ""] {
        for (from, to) in [
            ("json", "msgpack"),
            ("msgpack", "json"),
            ("json", "cbor"),
            ("cbor", "json"),
            ("msgpack", "cbor"),
            ("json", "json"),
            ("ubjson", "json"),
            ("json", "ubjson"),
            ("ubjson", "cbor"),
            ("msgpack", "ubjson"),
        ] {
            check(&format!(
                r#"
                ann: connects {{serializer: {from}}}
                ann: joins realm1 {ALL}
                bob: connects {{serializer: {to}}}
                bob: joins realm1 {ALL}
                bob: SUBSCRIBE 1 {{}} com.t -> SUBSCRIBED 1 $s
                bob: REGISTER 2 {{}} com.p -> REGISTERED 2 $r
                ann: PUBLISH 1 {{{PPT}}} com.t ["\u0000{octets}"]
                bob: <- EVENT $s * {{{PPT}}} ["\u0000{octets}"]
                ann: CALL 2 {{{PPT}}} com.p ["\u0000{octets}"]
                bob: <- INVOCATION 1 $r {{{PPT}}} ["\u0000{octets}"]
                bob: YIELD 1 {{{PPT}}} ["\u0000{octets}"]
                ann: <- RESULT 2 {{{PPT}}} ["\u0000{octets}"]
            "#
            ));
        }
    }
}

// spec: A-PPT-11, A-PCI-08
#[test]
fn the_attributes_of_a_call_in_parts_are_those_of_its_first() {
    check(&format!(
        r#"
        ann: joins realm1 {{callee: {{features: {{payload_passthru_mode, progressive_call_invocations, call_canceling}}}}}}
        bob: joins realm1 {{caller: {{features: {{payload_passthru_mode, progressive_call_invocations}}}}}}
        ann: REGISTER 1 {{}} com.p -> REGISTERED 1 $r
        bob: CALL 1 {{progress, {PPT}}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 1 $r {{progress, {PPT}}} ["\u0000AQL/"]
        bob: CALL 1 {{progress, ppt_scheme: x_other}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 1 $r {{progress, {PPT}}} ["\u0000AQL/"]
        bob: CALL 1 {{}} com.p ["\u0000AQL/"]
        ann: <- INVOCATION 1 $r {{{PPT}}} ["\u0000AQL/"]
        ann: YIELD 1 {{}} [plain]
        bob: <- RESULT 1 {{}} [plain]
    "#
    ));
}

// spec: A-PPT-01
#[test]
fn a_scheme_without_a_name_is_none() {
    check(
        r#"
        ann: REGISTER 1 {} com.p -> REGISTERED 1 $r
        ann: SUBSCRIBE 2 {} com.t -> SUBSCRIBED 2 $s
        bob: CALL 1 {ppt_scheme: ""} com.p [1]
        ann: <- INVOCATION 1 $r {..} [1]
        ann: YIELD 1 {ppt_scheme: ""} [2]
        bob: <- RESULT 1 {..} [2]
        bob: PUBLISH 2 {ppt_scheme: ""} com.t [3]
        ann: <- EVENT $s * {..} [3]
    "#,
    );
}
