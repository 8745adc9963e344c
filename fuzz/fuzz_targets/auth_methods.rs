//! Whatever a client or a file says of an identity is judged without a panic, and nothing that was
//! not signed is taken for proof.
//!
//! The first octet says which method is tried; the rest is its input, in lines.

#![no_main]

use std::collections::BTreeSet;

use gigawamp::env::{Instant, Random};
use gigawamp::limits::PBKDF2_ITERATIONS_MIN;
use gigawamp::message::SessionId;
use gigawamp::session::auth::{
    Certificate, Cra, Credentials, Kdf, Principal, Principals, Scram, Ticket, cra, cryptosign,
    scram, ticket,
};
use libfuzzer_sys::fuzz_target;

/// The record of "pencil" in RFC 7677.
const RECORD: &str = "pbkdf2$i=4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fuzz_target!(|bytes: &[u8]| {
    let Some((method, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    match method % 5 {
        0 => check_ticket(line(), line()),
        1 => check_cra(line(), line()),
        2 => check_scram([line(), line(), line(), line(), line(), line(), line()], *method),
        3 => check_cryptosign([line(), line(), line()], *method),
        _ => check_principals(text),
    }
});

fn check_ticket(kept: &str, said: &str) {
    let Ok(kept_ticket) = Ticket::from_text(kept) else {
        return;
    };
    match kept_ticket.check(said) {
        ticket::Verdict::Right => assert!(kept == said || kept.starts_with("sha256:")),
        ticket::Verdict::Wrong => assert!(kept != said || kept.starts_with("sha256:")),
        ticket::Verdict::Slow(phc) => assert_eq!(&*phc, kept),
    }
}

fn check_cra(name: &str, signature: &str) {
    let asked = cra::Asked {
        authid: name,
        authrole: name,
        authprovider: "static",
        session: SessionId(1),
        now: Instant::from_nanos(u64::MAX),
    };
    let kept = Cra { key: name.into(), salted: None };
    let challenge = cra::Challenge::new(&kept, &asked, &mut Random::from_number(1));
    let json: serde_json::Value = serde_json::from_str(&challenge.text).expect("it is JSON");
    assert_eq!(json["authid"], name);
    let right = cra::sign(name.as_bytes(), &challenge.text);
    assert!(challenge.check(&right));
    assert_eq!(challenge.check(signature), signature == right);
}

fn check_scram(said: [&str; 7], flags: u8) {
    let [line, authid, nonce, binding, proof, told, data] = said;
    if let Ok(record) = Scram::from_line(line) {
        assert_eq!(Scram::from_line(&record.to_line()).as_ref(), Ok(&record));
        assert!(record.kdf != Kdf::Pbkdf2 || record.iterations >= PBKDF2_ITERATIONS_MIN);
    }
    let record = Scram::from_line(RECORD).expect("a record as RFC 7677 has it");
    let is = |flag: u8| flags & flag != 0;
    let asked = scram::Asked {
        dialect: if is(128) { scram::Dialect::Field } else { scram::Dialect::Specification },
        authid,
        nonce,
        channel_binding: is(64).then_some(binding),
        exporter: is(32).then_some([7; 32]),
    };
    let Ok(challenge) = scram::Challenge::new(&record, &asked, &mut Random::from_number(1)) else {
        return;
    };
    let answer = scram::Answer {
        proof,
        nonce: is(16).then_some(told),
        channel_binding: is(64).then_some(binding),
        cbind_data: is(8).then_some(data),
    };
    assert_eq!(challenge.check(&answer), None, "nobody here knows the password");
}

fn check_cryptosign(said: [&str; 3], flags: u8) {
    let [key, challenge, answer] = said;
    let Some(public_key) = cryptosign::public_key_from_hex(key) else {
        return;
    };
    let router = cryptosign::RouterKey::from_hex(&"07".repeat(32).as_str().into());
    let asked = cryptosign::Asked {
        public_key,
        channel_binding: (flags & 128 != 0).then_some("tls-exporter"),
        exporter: (flags & 64 != 0).then_some([7; 32]),
        challenge: (flags & 32 != 0).then_some(challenge),
    };
    let made = cryptosign::Challenge::new(&asked, router.as_ref(), &mut Random::from_number(1));
    if let Ok(made) = made {
        assert!(!made.check(answer), "nobody here has a private key");
    }
}

/// Principals by lines of `AUTHID TICKET`, then the same names asked for.
fn check_principals(text: &str) {
    let words = || text.lines().filter_map(|line| line.split_once(' '));
    let principals = words().map(|(authid, kept)| Principal {
        authid: authid.into(),
        role: "guest".into(),
        credentials: Credentials {
            ticket: Ticket::from_text(kept).ok(),
            scram: Scram::from_line(kept).ok(),
            certificates: vec![Certificate::from_text(kept)],
            ..Credentials::default()
        },
    });
    let Ok(principals) = Principals::new(principals, "seed".into()) else {
        return;
    };
    let known = words().map(|(authid, _)| authid).collect::<BTreeSet<_>>();
    for (authid, kept) in words() {
        for name in [authid, kept] {
            if let Some(candidate) = principals.ticket(name) {
                assert!(candidate.principal.is_none() || known.contains(name));
            }
            if let Some(candidate) = principals.scram(name) {
                assert!(candidate.credential.check_costs().is_ok());
                assert!(candidate.principal.is_none() || known.contains(name));
            }
        }
    }
}
