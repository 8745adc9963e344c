//! Who a session is for: anonymous peers, tickets, and what all methods have in common.

use crate::check;

// spec: A-AUTH-01, A-AUTH-02, A-AUTH-10, A-TKT-01, A-TKT-02, A-TKT-03
#[test]
fn a_ticket_opens_a_session() {
    check(
        r#"
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        ann: silent
        ann: AUTHENTICATE t0p {} -> WELCOME * {authid: joe, authrole: guest, authmethod: ticket, authprovider: static, ..}
        ann: CALL 1 {} wamp.session.count -> RESULT 1 {} [1]
    "#,
    );
}

// spec: A-AUTH-02, A-AUTH-09, A-TKT-03, A-ERR-20
#[test]
fn nobody_can_tell_a_wrong_ticket_from_an_unknown_name() {
    check(
        r#"
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        ann: AUTHENTICATE t0pp {} -> ABORT {message: $why} wamp.error.authentication_denied
        ann: closed
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket], authid: eve, roles: {caller: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {} -> ABORT {message: $why} wamp.error.authentication_denied
        bob: closed
    "#,
    );
}

// spec: A-ANON-01, A-ANON-02, A-AUTH-03, A-AUTH-08, A-AUTH-13, A-ERR-22
#[test]
fn who_proves_nothing_gets_the_role_of_strangers_or_nothing() {
    check(
        r#"
        given: anonymous stranger
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {authid: joe, roles: {caller: {}}} -> WELCOME * {authid: $a, authrole: stranger, authmethod: anonymous, authprovider: static, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [], roles: {caller: {}}} -> WELCOME * {authid: $b, authrole: stranger, ..}
    "#,
    );
    for methods in ["", "authmethods: [], ", "authmethods: [anonymous], "] {
        check(&format!(
            r#"
            given: principal joe guest ticket=t0p
            ann: connects
            ann: HELLO realm1 {{{methods}roles: {{caller: {{}}}}}} -> ABORT {{message: *}} wamp.error.authentication_required
            ann: closed
            bob: connects
            bob: HELLO realm2 {{{methods}roles: {{caller: {{}}}}}} -> WELCOME * {{authrole: anonymous, ..}}
        "#
        ));
    }
}

// spec: A-AUTH-05, A-AUTH-06, A-AUTH-07, A-AUTH-12, A-TKT-04
#[test]
fn the_clients_first_method_that_fits_is_the_one() {
    check(
        r#"
        given: anonymous stranger
        given: principal joe guest ticket=t0p cra=s3c
        ann: connects
        ann: HELLO realm1 {authmethods: [x-rays, cryptosign, wampcra, ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: *}
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket, wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        cat: connects
        cat: HELLO realm1 {authmethods: [ticket, anonymous], roles: {caller: {}}} -> WELCOME * {authmethod: anonymous, ..}
        dan: connects
        dan: HELLO realm1 {authmethods: [ticket], roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
        eve: connects
        eve: HELLO realm1 {authmethods: [x-rays, scram, cookie, tls], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
        eve: closed
        ann: drops
        bob: drops
    "#,
    );
}

// spec: A-AUTH-14, A-ERR-21
#[test]
fn a_proof_must_come_in_due_time() {
    check(
        r#"
        given: principal joe guest ticket=t0p
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        wait 4900ms
        ann: silent
        wait 200ms
        ann: <- ABORT {message: *} wamp.error.authentication_failed
        ann: closed
    "#,
    );
}

// spec: B-SESS-13, B-SESS-14, A-AUTH-15
#[test]
fn a_proof_is_given_once_and_only_when_it_is_asked_for() {
    for offence in ["HELLO realm1 {roles: {caller: {}}}", "CALL 1 {} com.p", "GOODBYE {} a.b"] {
        check(&format!(
            r#"
            given: principal joe guest ticket=t0p
            ann: connects
            ann: HELLO realm1 {{authmethods: [ticket], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
            ann: {offence} -> ABORT {{message: *}} wamp.error.protocol_violation
            ann: closed
        "#
        ));
    }
    check(
        r#"
        given: principal joe guest ticket=t0p
        ann: connects
        ann: AUTHENTICATE t0p {} -> ABORT {message: *} wamp.error.protocol_violation
        ann: closed
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {} & AUTHENTICATE t0p {} -> WELCOME * {..} -> ABORT {message: *} wamp.error.protocol_violation
        bob: closed
        cat: connects
        cat: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        cat: ABORT {} wamp.error.authentication_failed
        cat: closed
    "#,
    );
}

// spec: A-AUTH-09
#[test]
fn what_nobody_may_have_is_refused() {
    check(
        r#"
        given: principal joe guest ticket=t0p
        given: realms realm1
        given: methods anonymous
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
        bob: connects
        bob: HELLO realm2 {roles: {caller: {}}} -> ABORT {message: $none} wamp.error.no_such_realm
        cat: connects
        cat: HELLO nowhere {roles: {caller: {}}} -> ABORT {message: $none} wamp.error.no_such_realm
    "#,
    );
    check(
        r#"
        given: principal joe guest ticket=t0p
        given: hide_realms
        ann: connects
        ann: HELLO realm1 {roles: {caller: {}}} -> ABORT {message: $none} wamp.error.no_such_realm
        bob: connects
        bob: HELLO nowhere {roles: {caller: {}}} -> ABORT {message: $none} wamp.error.no_such_realm
        cat: connects
        cat: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> ABORT {message: $none} wamp.error.no_such_realm
    "#,
    );
}

// spec: A-AUTH-11, A-AUTH-16
#[test]
fn what_a_client_says_of_its_own_transport_or_role_counts_for_nothing() {
    check(
        r#"
        given: anonymous stranger
        given: principal joe guest ticket=t0p certificate=joe
        ann: connects
        ann: HELLO realm1 {authmethods: [tls, anonymous], authid: joe, authrole: guest, authextra: {pubkey: 7}, transport: {auth: {authid: joe}}, roles: {caller: {}}} -> WELCOME * {authrole: stranger, authmethod: anonymous, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket], authid: joe, authrole: admin, roles: {caller: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {} -> WELCOME * {authid: joe, authrole: guest, ..}
    "#,
    );
}

#[test]
fn who_fails_often_waits_and_is_not_listened_to_for_a_while() {
    let attempt = |name: &str, ticket: &str| {
        format!(
            r#"
            {name}: connects {{from: "192.0.2.1"}}
            {name}: HELLO realm1 {{authmethods: [ticket], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
            {name}: AUTHENTICATE {ticket} {{}}
        "#
        )
    };
    let denied = |name: &str| format!("{name}: <- ABORT {{..}} wamp.error.authentication_denied\n");
    let mut text = String::from(
        "// not by long-poll
         given: principal joe guest ticket=t0p
         given: principal eve guest ticket=3v3
         given: anonymous guest
         given: attempts_max 2\n",
    );
    text += &(attempt("a", "x") + &denied("a"));
    text += &(attempt("b", "x") + "b: silent\nwait 1s\n" + &denied("b"));
    text += &(attempt("c", "x") + "c: silent\nwait 1s\n" + &denied("c"));
    text += r#"
        d: connects {from: "192.0.2.1"}
        d: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.authentication_failed
        e: connects {from: "192.0.2.2"}
        e: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        e: AUTHENTICATE t0p {} -> WELCOME * {authid: joe, ..}
        f: connects {from: "192.0.2.1"}
        f: HELLO realm1 {authmethods: [ticket], authid: eve, roles: {caller: {}}} -> CHALLENGE ticket {}
        f: AUTHENTICATE 3v3 {} -> WELCOME * {authid: eve, ..}
        // Whom somebody merely claims to be is not forgiven for it.
        h: connects {from: "192.0.2.1"}
        h: HELLO realm1 {authmethods: [anonymous], authid: joe, roles: {caller: {}}} -> WELCOME * {..}
        i: connects {from: "192.0.2.1"}
        i: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.authentication_failed
        wait 300s
    "#;
    text += &(attempt("g", "t0p") + "g: <- WELCOME * {authid: joe, ..}\n");
    check(&text);
}
