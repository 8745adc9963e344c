//! Who a session is for: signatures, certificates, tokens, cookies and authenticators.

use crate::check;

// spec: A-CRA-01, A-CRA-02, A-CRA-03, A-CRA-04, A-CRA-05, A-CRA-09
#[test]
fn a_signature_by_a_secret_opens_the_session_it_was_made_for() {
    check(
        r#"
        given: principal joe guest cra=s3cret
        ann: connects
        ann: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: $c}
        ann: AUTHENTICATE @cra[s3cret $c] {} -> WELCOME @member[session $c] {authid: joe, authrole: guest, authmethod: wampcra, authprovider: static, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: $d}
        bob: AUTHENTICATE @cra[s3cret $d] {} -> WELCOME * {authid: @member[authid $d], authrole: @member[authrole $d], authmethod: @member[authmethod $d], authprovider: @member[authprovider $d], ..}
    "#,
    );
}

// spec: A-CRA-05, A-CRA-08, A-AUTH-09, A-AUTH-15
#[test]
fn a_signature_is_good_for_one_challenge_and_no_other() {
    check(
        r#"
        given: principal joe guest cra=s3cret
        ann: connects
        ann: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: $c}
        ann: AUTHENTICATE @cra[secret $c] {} -> ABORT {message: $why} wamp.error.authentication_denied
        bob: connects
        bob: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: *}
        bob: AUTHENTICATE @cra[s3cret $c] {} -> ABORT {message: $why} wamp.error.authentication_denied
        cat: connects
        cat: HELLO realm1 {authmethods: [wampcra], authid: eve, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: $d}
        cat: AUTHENTICATE @cra[s3cret $d] {} -> ABORT {message: $why} wamp.error.authentication_denied
    "#,
    );
}

// spec: A-CRA-06, A-CRA-07
#[test]
fn a_salted_secret_is_derived_by_what_the_challenge_tells() {
    check(
        r#"
        given: principal joe guest salted=pa55word
        ann: connects
        ann: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: $c, salt: salt123, iterations: 1000, keylen: 32}
        ann: AUTHENTICATE @cra[@salted[pa55word] $c] {} -> WELCOME * {authid: joe, authmethod: wampcra, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [wampcra], authid: eve, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: *, salt: $salt, iterations: 1000, keylen: 32}
        cat: connects
        cat: HELLO realm1 {authmethods: [wampcra], authid: eve, roles: {caller: {}}} -> CHALLENGE wampcra {challenge: *, salt: $salt, iterations: 1000, keylen: 32}
        bob: drops
        cat: drops
    "#,
    );
}

// spec: A-SCR-01, A-SCR-02, A-SCR-05, A-SCR-06, A-SCR-08, A-SCR-09, A-SCR-10, A-SCR-11, A-SCR-13
#[test]
fn scram_proves_the_client_to_the_router_and_the_router_to_the_client() {
    for (method, end) in [("wamp-scram", "biws"), ("scram", "\"\"")] {
        check(&format!(
            r#"
            given: principal joe guest scram=pencil
            ann: connects
            ann: HELLO realm1 {{authmethods: [{method}], authid: joe, authextra: {{nonce: "cK9Iw7dFVSY3gJbOHUBJaQ==", channel_binding: null}}, roles: {{caller: {{}}}}}} -> CHALLENGE {method} {{nonce: $n, salt: "CQkJCQkJCQkJCQkJCQkJCQ==", kdf: pbkdf2, iterations: 4096}}
            ann: AUTHENTICATE @scram[pencil joe "cK9Iw7dFVSY3gJbOHUBJaQ==" $n {end}] {{nonce: $n, channel_binding: null}} -> WELCOME * {{authid: joe, authmethod: {method}, authextra: {{verifier: @verifier[pencil joe "cK9Iw7dFVSY3gJbOHUBJaQ==" $n {end}], scram_server_signature: *}}, ..}}
            bob: connects
            bob: HELLO realm1 {{authmethods: [{method}], authid: joe, authextra: {{nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}}, roles: {{caller: {{}}}}}} -> CHALLENGE {method} {{nonce: $m, ..}}
            bob: AUTHENTICATE @scram[pen joe "cK9Iw7dFVSY3gJbOHUBJaQ==" $m {end}] {{nonce: $m}} -> ABORT {{message: $why}} wamp.error.authentication_denied
            cat: connects
            cat: HELLO realm1 {{authmethods: [{method}], authid: joe, authextra: {{nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}}, roles: {{caller: {{}}}}}} -> CHALLENGE {method} {{nonce: $o, ..}}
            cat: AUTHENTICATE @scram[pencil joe "cK9Iw7dFVSY3gJbOHUBJaQ==" $n {end}] {{nonce: $n}} -> ABORT {{message: $why}} wamp.error.authentication_denied
        "#
        ));
    }
}

// spec: A-SCR-03, A-SCR-04, A-SCR-17
#[test]
fn scram_has_a_challenge_for_whoever_asks_and_no_binding_that_there_is_not() {
    check(
        r#"
        given: principal joe guest scram=pencil
        ann: connects
        ann: HELLO realm1 {authmethods: [wamp-scram], authid: eve, authextra: {nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}, roles: {caller: {}}} -> CHALLENGE wamp-scram {nonce: *, salt: $salt, kdf: pbkdf2, iterations: 4096}
        ann: AUTHENTICATE "" {nonce: ""} -> ABORT {message: *} wamp.error.authentication_denied
        bob: connects
        bob: HELLO realm1 {authmethods: [wamp-scram], authid: eve, authextra: {nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}, roles: {caller: {}}} -> CHALLENGE wamp-scram {nonce: *, salt: $salt, kdf: pbkdf2, iterations: 4096}
        bob: drops
        cat: connects
        cat: HELLO realm1 {authmethods: [wamp-scram], authid: joe, authextra: {nonce: "cK9Iw7dFVSY3gJbOHUBJaQ==", channel_binding: "tls-unique"}, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
        dan: connects
        dan: HELLO realm1 {authmethods: [wamp-scram], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
    "#,
    );
}

// spec: A-CSN-01, A-CSN-02, A-CSN-03, A-CSN-04, A-CSN-05, A-CSN-07
#[test]
fn a_signature_by_a_key_opens_the_session_of_whose_key_it_is() {
    check(
        r#"
        given: principal joe guest key=joes
        ann: connects
        ann: HELLO realm1 {authmethods: [cryptosign], authextra: {pubkey: @public[joes]}, roles: {caller: {}}} -> CHALLENGE cryptosign {challenge: $c}
        ann: AUTHENTICATE @sign[joes $c] {} -> WELCOME * {authid: joe, authrole: guest, authmethod: cryptosign, authprovider: static, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [cryptosign], authid: joe, authextra: {pubkey: @public[joes]}, roles: {caller: {}}} -> CHALLENGE cryptosign {challenge: *}
        bob: AUTHENTICATE @sign[joes $c] {} -> ABORT {message: $why} wamp.error.authentication_denied
        cat: connects
        cat: HELLO realm1 {authmethods: [cryptosign], authextra: {pubkey: @public[joes]}, roles: {caller: {}}} -> CHALLENGE cryptosign {challenge: $d}
        cat: AUTHENTICATE @sign[eves $d] {} -> ABORT {message: $why} wamp.error.authentication_denied
        dan: connects
        dan: HELLO realm1 {authmethods: [cryptosign], authextra: {pubkey: @public[eves]}, roles: {caller: {}}} -> CHALLENGE cryptosign {challenge: $e}
        dan: AUTHENTICATE @sign[eves $e] {} -> ABORT {message: $why} wamp.error.authentication_denied
        eve: connects
        eve: HELLO realm1 {authmethods: [cryptosign], authid: eve, authextra: {pubkey: @public[joes]}, roles: {caller: {}}} -> CHALLENGE cryptosign {challenge: $f}
        eve: AUTHENTICATE @sign[joes $f] {} -> ABORT {message: $why} wamp.error.authentication_denied
        fay: connects
        fay: HELLO realm1 {authmethods: [cryptosign], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
    "#,
    );
}

// spec: A-CSB-01, A-CSB-02, A-CSB-03, A-CSB-04, A-CSR-01
#[test]
fn a_signature_may_be_bound_to_the_channel_and_the_router_may_sign_too() {
    let channel = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let mine = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    check(&format!(
        r#"
        // not by long-poll
        given: principal joe guest key=joes
        given: router_key
        ann: connects {{exporter: {channel}}}
        ann: HELLO realm1 {{authmethods: [cryptosign], authextra: {{pubkey: @public[joes], channel_binding: "tls-exporter", challenge: {mine}}}, roles: {{caller: {{}}}}}} -> CHALLENGE cryptosign {{challenge: $c, channel_binding: "tls-exporter", pubkey: @public[router], signature: @sign[router {mine} {channel}]}}
        ann: AUTHENTICATE @sign[joes $c {channel}] {{}} -> WELCOME * {{authid: joe, ..}}
        bob: connects {{exporter: {channel}}}
        bob: HELLO realm1 {{authmethods: [cryptosign], authextra: {{pubkey: @public[joes], channel_binding: "tls-exporter"}}, roles: {{caller: {{}}}}}} -> CHALLENGE cryptosign {{challenge: $d, channel_binding: "tls-exporter"}}
        bob: AUTHENTICATE @sign[joes $d] {{}} -> ABORT {{message: *}} wamp.error.authentication_denied
        cat: connects {{exporter: {channel}}}
        cat: HELLO realm1 {{authmethods: [cryptosign], authextra: {{pubkey: @public[joes], channel_binding: "tls-unique"}}, roles: {{caller: {{}}}}}} -> CHALLENGE cryptosign {{challenge: $e}}
        cat: AUTHENTICATE @sign[joes $e] {{}} -> WELCOME * {{authid: joe, ..}}
        dan: connects
        dan: HELLO realm1 {{authmethods: [cryptosign], authextra: {{pubkey: @public[joes], channel_binding: "tls-exporter", challenge: {mine}}}, roles: {{caller: {{}}}}}} -> CHALLENGE cryptosign {{challenge: $f, pubkey: @public[router], signature: @sign[router {mine}]}}
        dan: AUTHENTICATE @sign[joes $f] {{}} -> WELCOME * {{authid: joe, ..}}
    "#
    ));
}

// spec: A-AUTH-11
#[test]
fn a_certificate_opens_the_session_of_whom_it_names() {
    check(
        r#"
        // not by long-poll
        given: principal joe guest certificate=joe.example.com
        ann: connects {certificate: joe.example.com}
        ann: HELLO realm1 {authmethods: [tls], roles: {caller: {}}} -> WELCOME * {authid: joe, authrole: guest, authmethod: tls, authprovider: static, ..}
        bob: connects {certificate: eve.example.com}
        bob: HELLO realm1 {authmethods: [tls], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.authentication_denied
        cat: connects {certificate: joe.example.com}
        cat: HELLO realm1 {authmethods: [tls], authid: eve, roles: {caller: {}}} -> ABORT {message: *} wamp.error.authentication_denied
        dan: connects
        dan: HELLO realm1 {authmethods: [tls], authid: joe, roles: {caller: {}}} -> ABORT {message: *} wamp.error.no_matching_auth_method
    "#,
    );
}

// spec: A-TKT-03, A-TKT-04
#[test]
fn a_token_is_a_ticket_that_says_whose_it_is() {
    let claims = r#""{\"sub\": \"joe\", \"role\": \"guest\", \"exp\": 4102444800}""#;
    let early =
        r#""{\"sub\": \"joe\", \"role\": \"guest\", \"nbf\": 4102444700, \"exp\": 4102444800}""#;
    let secret = "0123456789abcdef0123456789abcdef";
    let other = "0123456789abcdef0123456789abcdeX";
    check(&format!(
        r#"
        given: jwt {secret}
        ann: connects
        ann: HELLO realm1 {{authmethods: [ticket], roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        ann: AUTHENTICATE @jwt[{secret} {claims}] {{}} -> WELCOME * {{authid: joe, authrole: guest, authmethod: ticket, authprovider: jwt, ..}}
        bob: connects
        bob: HELLO realm1 {{authmethods: [ticket], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        bob: AUTHENTICATE @jwt[{other} {claims}] {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
        cat: connects
        cat: HELLO realm1 {{authmethods: [ticket], authid: eve, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        cat: AUTHENTICATE @jwt[{secret} {claims}] {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
        dan: connects
        dan: HELLO realm1 {{authmethods: [ticket], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        dan: AUTHENTICATE @jwt[{secret} {early}] {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
        eve: connects
        eve: HELLO realm1 {{authmethods: [ticket], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        eve: AUTHENTICATE "" {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
    "#
    ));
}

// spec: A-DYN-01, A-DYN-02, A-AUTH-10, A-AUTH-16
#[test]
fn an_authenticator_says_what_a_ticket_is_worth() {
    check(
        r#"
        given: authenticator ticket com.auth realm2
        god: joins realm2
        god: REGISTER 1 {} com.auth -> REGISTERED 1 *
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket], authid: joe, authextra: {app: [1, {x: 2}]}, roles: {caller: {}}} -> CHALLENGE ticket {}
        god: silent
        ann: AUTHENTICATE t0p {}
        god: <- INVOCATION 1 * {..} [realm1, joe, {authmethod: ticket, session: $s, transport: {type: *, protocol: *, peer: *}, authextra: {app: [1, {x: 2}]}, ticket: t0p}]
        ann: silent
        god: YIELD 1 {} [guest]
        ann: <- WELCOME $s {authid: joe, authrole: guest, authmethod: ticket, authprovider: dynamic, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {}
        god: <- INVOCATION 2 * {..} *
        god: YIELD 2 {} [{realm: realm2, authid: josef, role: anonymous, extra: {greeting: hi}}]
        bob: <- WELCOME * {realm: realm2, authid: josef, authrole: anonymous, authextra: {greeting: hi}, ..}
    "#,
    );
}

// spec: A-DYN-01, A-DYN-02, A-AUTH-09
#[test]
fn whoever_an_authenticator_does_not_vouch_for_is_refused() {
    for (answer, reason) in [
        ("ERROR INVOCATION 1 {} com.error.no_such_user [\"who?\"]", "denied"),
        ("YIELD 1 {} []", "failed"),
        ("YIELD 1 {} [null]", "failed"),
        ("YIELD 1 {} [true]", "failed"),
        ("YIELD 1 {} [\"\"]", "failed"),
        ("YIELD 1 {} [{authid: joe}]", "failed"),
        ("YIELD 1 {} [{role: 7}]", "failed"),
        ("YIELD 1 {} [guest, guest]", "failed"),
        ("YIELD 1 {} [guest] {role: guest}", "failed"),
        ("UNREGISTER 9 $r", "failed"),
    ] {
        let end = if answer.starts_with("UNREGISTER") { "god: drops" } else { "" };
        let answer = if end.is_empty() { format!("god: {answer}") } else { String::new() };
        check(&format!(
            r#"
            given: anonymous stranger
            given: authenticator ticket com.auth realm2
            god: joins realm2
            god: REGISTER 1 {{}} com.auth -> REGISTERED 1 $r
            ann: connects
            ann: HELLO realm1 {{authmethods: [ticket, anonymous], authid: joe, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
            ann: AUTHENTICATE t0p {{}}
            god: <- INVOCATION 1 $r {{..}} *
            {answer}
            {end}
            ann: <- ABORT {{message: *}} wamp.error.authentication_{reason}
            ann: closed
        "#
        ));
    }
    check(
        r#"
        given: anonymous stranger
        given: authenticator ticket com.auth realm2
        ann: connects
        ann: HELLO realm1 {authmethods: [ticket, anonymous], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        ann: AUTHENTICATE t0p {} -> ABORT {message: *} wamp.error.authentication_failed
        god: joins realm2
        god: REGISTER 1 {} com.auth -> REGISTERED 1 $r
        bob: connects
        bob: HELLO realm1 {authmethods: [ticket, anonymous], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        bob: AUTHENTICATE t0p {}
        god: <- INVOCATION 1 $r {..} *
        wait 5100ms
        bob: <- ABORT {message: *} wamp.error.authentication_failed
        bob: closed
        god: <- INTERRUPT 1 {..}
        god: YIELD 1 {} [guest]
        god: silent
        cat: connects
        cat: HELLO realm1 {authmethods: [ticket], authid: joe, roles: {caller: {}}} -> CHALLENGE ticket {}
        cat: AUTHENTICATE t0p {}
        god: <- INVOCATION 2 $r {..} *
        cat: drops
        god: <- INTERRUPT 2 {..}
        god: YIELD 2 {} [guest]
        god: CALL 2 {} wamp.session.count -> RESULT 2 {} [1]
    "#,
    );
}

// spec: A-DYN-01
#[test]
fn an_authenticator_has_the_secrets_by_which_the_router_checks() {
    check(
        r#"
        given: authenticator wampcra,cryptosign,anonymous com.auth realm2
        god: joins realm2
        god: REGISTER 1 {} com.auth -> REGISTERED 1 $r
        ann: connects
        ann: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}}
        god: <- INVOCATION 1 $r {..} [realm1, joe, {authmethod: wampcra, session: $s, transport: *}]
        god: YIELD 1 {} [{role: guest, secret: s3cret}]
        ann: <- CHALLENGE wampcra {challenge: $c}
        ann: AUTHENTICATE @cra[s3cret $c] {} -> WELCOME $s {authid: joe, authrole: guest, authmethod: wampcra, authprovider: dynamic, ..}
        bob: connects
        bob: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}}
        god: <- INVOCATION 2 $r {..} *
        god: YIELD 2 {} [{role: guest, secret: @salted[pa55], salt: salt123}]
        bob: <- CHALLENGE wampcra {challenge: $d, salt: salt123, iterations: 1000, keylen: 32}
        bob: AUTHENTICATE @cra[@salted[pa55] $d] {} -> WELCOME * {authid: joe, ..}
        cat: connects
        cat: HELLO realm1 {authmethods: [cryptosign], authextra: {pubkey: @public[cats]}, roles: {caller: {}}}
        god: <- INVOCATION 3 $r {..} [realm1, null, {authmethod: cryptosign, session: *, transport: *, authextra: {pubkey: @public[cats]}}]
        god: YIELD 3 {} [{role: guest, pubkey: @public[cats]}]
        cat: <- CHALLENGE cryptosign {challenge: $e}
        cat: AUTHENTICATE @sign[cats $e] {} -> WELCOME * {authid: @public[cats], authmethod: cryptosign, authprovider: dynamic, ..}
        dan: connects
        dan: HELLO realm1 {roles: {caller: {}}}
        god: <- INVOCATION 4 $r {..} [realm1, null, {authmethod: anonymous, session: *, transport: *}]
        god: YIELD 4 {} [stranger]
        dan: <- WELCOME * {authrole: stranger, authmethod: anonymous, authprovider: dynamic, ..}
        eve: connects
        eve: HELLO realm1 {authmethods: [cryptosign], authextra: {pubkey: @public[eves]}, roles: {caller: {}}}
        god: <- INVOCATION 5 $r {..} *
        god: YIELD 5 {} [{role: guest, pubkey: @public[cats]}]
        eve: <- CHALLENGE cryptosign {challenge: $f}
        eve: AUTHENTICATE @sign[eves $f] {} -> ABORT {message: *} wamp.error.authentication_denied
        fay: connects
        fay: HELLO realm1 {authmethods: [wampcra], authid: joe, roles: {caller: {}}}
        god: <- INVOCATION 6 $r {..} *
        fay: AUTHENTICATE x {} -> ABORT {message: *} wamp.error.protocol_violation
        god: <- INTERRUPT 6 {..}
        god: YIELD 6 {} [{role: guest, secret: s3cret}]
        god: silent
    "#,
    );
}

// spec: A-DYN-01, A-AUTH-09
#[test]
fn nobody_can_tell_whom_an_authenticator_knows() {
    let nonce = r#"authextra: {nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}, "#;
    let scram = "pbkdf2$i=4096$CQkJCQkJCQkJCQkJCQkJCQ==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\
                 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (method, extra, credentials, shown) in [
        ("wampcra", "", "secret: s3cret".to_owned(), "challenge: *"),
        (
            "wampcra",
            "",
            "secret: s3cret, salt: abcdef, iterations: 2000".to_owned(),
            "challenge: *, salt: *, iterations: 2000, keylen: 32",
        ),
        (
            "wamp-scram",
            nonce,
            format!("scram: \"{scram}\""),
            "nonce: *, salt: *, kdf: pbkdf2, iterations: 4096",
        ),
        (
            "cryptosign",
            "authextra: {pubkey: @public[anns]}, ",
            "pubkey: @public[anns]".to_owned(),
            "challenge: *",
        ),
    ] {
        let hello = format!("HELLO realm1 {{authmethods: [{method}], authid");
        check(&format!(
            r#"
            given: anonymous guest
            given: authenticator {method} com.auth realm2
            god: joins realm2
            god: REGISTER 1 {{}} com.auth -> REGISTERED 1 *
            ann: connects
            ann: {hello}: joe, {extra}roles: {{caller: {{}}}}}}
            god: <- INVOCATION 1 * {{..}} *
            god: YIELD 1 {{}} [{{role: guest, {credentials}}}]
            ann: <- CHALLENGE {method} {{{shown}}}
            ann: AUTHENTICATE x {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
            ann: closed
            bob: connects
            bob: {hello}: bob, {extra}roles: {{caller: {{}}}}}}
            god: <- INVOCATION 2 * {{..}} *
            god: ERROR INVOCATION 2 {{}} com.error.no_such_user ["who?"]
            bob: <- CHALLENGE {method} {{{shown}}}
            bob: AUTHENTICATE x {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
            bob: closed
            cat: connects
            cat: {hello}: cat, {extra}roles: {{caller: {{}}}}}}
            god: <- INVOCATION 3 * {{..}} *
            god: drops
            cat: <- ABORT {{message: *}} wamp.error.authentication_failed
            cat: closed
        "#
        ));
    }
}

/// Even those who prove what they could prove elsewhere.
// spec: A-AUTH-09
#[test]
fn nobody_can_tell_whether_a_hidden_realm_is_there() {
    let hidden = "given: hide_realms
        given: authenticator wampcra com.auth realm2
        given: principal joe guest ticket=t0p scram=pencil key=joes certificate=joe";
    for (method, claim, shown, proof) in [
        ("ticket", "authid: joe, ", "", "t0p"),
        ("wampcra", "authid: joe, ", "challenge: *", "s3cret"),
        (
            "wamp-scram",
            r#"authid: joe, authextra: {nonce: "cK9Iw7dFVSY3gJbOHUBJaQ=="}, "#,
            "nonce: *, salt: *, kdf: pbkdf2, iterations: 4096",
            "x",
        ),
        ("cryptosign", "authextra: {pubkey: @public[joes]}, ", "challenge: $c", "@sign[joes $c]"),
    ] {
        check(&format!(
            r#"
            {hidden}
            ann: connects
            ann: HELLO nowhere {{authmethods: [x-rays, cookie, anonymous, tls, {method}], {claim}roles: {{caller: {{}}}}}} -> CHALLENGE {method} {{{shown}}}
            ann: AUTHENTICATE {proof} {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
            ann: closed
            bob: connects
            bob: HELLO realm1 {{authmethods: [ticket], authid: eve, roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
            bob: AUTHENTICATE x {{}} -> ABORT {{message: $why}} wamp.error.authentication_denied
            cat: connects
            cat: HELLO nowhere {{authmethods: [anonymous, cookie], roles: {{caller: {{}}}}}} -> ABORT {{message: $none}} wamp.error.no_such_realm
            dan: connects
            dan: HELLO realm1 {{authmethods: [anonymous, cookie], roles: {{caller: {{}}}}}} -> ABORT {{message: $none}} wamp.error.no_such_realm
        "#
        ));
    }
    check(&format!(
        r#"
        // not by long-poll
        {hidden}
        ann: connects {{certificate: joe}}
        ann: HELLO nowhere {{authmethods: [tls], roles: {{caller: {{}}}}}} -> ABORT {{message: $why}} wamp.error.authentication_denied
        bob: connects {{certificate: eve}}
        bob: HELLO realm1 {{authmethods: [tls], roles: {{caller: {{}}}}}} -> ABORT {{message: $why}} wamp.error.authentication_denied
    "#
    ));
    // Where an authenticator would be asked, nothing goes on to the next method.
    check(
        r#"
        given: hide_realms
        given: authenticator wamp-scram,anonymous com.auth realm2
        ann: connects
        ann: HELLO nowhere {authmethods: [wamp-scram, wampcra], authid: joe, roles: {caller: {}}} -> ABORT {message: $why} wamp.error.authentication_denied
        bob: connects
        bob: HELLO nowhere {authmethods: [anonymous], roles: {caller: {}}} -> ABORT {message: $why} wamp.error.authentication_denied
    "#,
    );
    let secret = "0123456789abcdef0123456789abcdef";
    let claims = r#""{\"sub\": \"joe\", \"role\": \"guest\", \"exp\": 4102444800}""#;
    check(&format!(
        r#"
        given: hide_realms
        given: jwt {secret}
        ann: connects
        ann: HELLO nowhere {{authmethods: [ticket], roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        ann: AUTHENTICATE @jwt[{secret} {claims}] {{}} -> ABORT {{message: *}} wamp.error.authentication_denied
        ann: closed
        bob: connects
        bob: HELLO realm1 {{authmethods: [ticket], roles: {{caller: {{}}}}}} -> CHALLENGE ticket {{}}
        bob: AUTHENTICATE @jwt[{secret} {claims}] {{}} -> WELCOME * {{authid: joe, ..}}
    "#
    ));
}
