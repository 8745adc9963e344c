//! What it costs a shard to challenge a peer and to judge its answer, by each method.
//!
//! What takes long on purpose (PBKDF2, Argon2) is never done there, and not measured here.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signer as _, SigningKey};
use gigawamp::env::{Instant, Random};
use gigawamp::message::SessionId;
use gigawamp::session::auth::hex::to_hex;
use gigawamp::session::auth::jwt::{Key, Rules};
use gigawamp::session::auth::{
    Cra, Credentials, Principal, Principals, Scram, Ticket, cra, cryptosign, scram,
};
use ring::hmac;

/// Principals of the realm.
const PRINCIPALS: u32 = 10_000;

const RECORD: &str = "pbkdf2$i=4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

const NOW: Instant = Instant::from_nanos(1_795_163_400_000_000_000);

fn realm() -> Principals {
    let principal = |number: u32| Principal {
        authid: format!("client{number}").into(),
        role: "guest".into(),
        credentials: Credentials {
            ticket: Some(Ticket::of(&format!("ticket{number}"))),
            cra: Some(Cra { key: format!("secret{number}").into(), salted: None }),
            scram: Some(Scram::from_line(RECORD).expect("a record as RFC 7677 has it")),
            ..Credentials::default()
        },
    };
    let all = (0..PRINCIPALS).map(principal);
    Principals::new(all, "seed".into()).expect("each has a name of its own")
}

/// Who is there and who is not take the same time, or names could be told from others.
fn lookups(criterion: &mut Criterion) {
    let realm = realm();
    let mut group = criterion.benchmark_group("lookup");
    for (name, authid) in [("known", "client7777"), ("unknown", "client77777")] {
        group.bench_function(format!("ticket of {name}"), |bencher| {
            bencher.iter(|| realm.ticket(black_box(authid)));
        });
        group.bench_function(format!("wampcra of {name}"), |bencher| {
            bencher.iter(|| realm.cra(black_box(authid)));
        });
        group.bench_function(format!("scram of {name}"), |bencher| {
            bencher.iter(|| realm.scram(black_box(authid)));
        });
    }
    group.finish();
}

fn shared_secrets(criterion: &mut Criterion) {
    let mut random = Random::from_number(1);
    let ticket = Ticket::of("a ticket of some length");
    criterion.bench_function("ticket/check", |bencher| {
        bencher.iter(|| ticket.check(black_box("a ticket of some other length")));
    });
    let kept = Cra { key: "secret".into(), salted: None };
    let asked = cra::Asked {
        authid: "client",
        authrole: "guest",
        authprovider: "static",
        session: SessionId(1),
        now: NOW,
    };
    criterion.bench_function("wampcra/challenge", |bencher| {
        bencher.iter(|| cra::Challenge::new(&kept, black_box(&asked), &mut random));
    });
    let challenge = cra::Challenge::new(&kept, &asked, &mut random);
    let signature = cra::sign(b"secret", &challenge.text);
    criterion.bench_function("wampcra/check", |bencher| {
        bencher.iter(|| challenge.check(black_box(&signature)));
    });
}

fn passwords(criterion: &mut Criterion) {
    let mut random = Random::from_number(1);
    let record = Scram::from_line(RECORD).expect("a record as RFC 7677 has it");
    for (name, dialect) in
        [("wamp-scram", scram::Dialect::Specification), ("scram", scram::Dialect::Field)]
    {
        let asked = scram::Asked {
            dialect,
            authid: "client",
            nonce: "egVDf3DMJh0SBmkFIh7sSg==",
            channel_binding: None,
            exporter: None,
        };
        let new = |random: &mut Random| scram::Challenge::new(&record, black_box(&asked), random);
        criterion.bench_function(&format!("{name}/challenge"), |bencher| {
            bencher.iter(|| new(&mut random));
        });
        let challenge = new(&mut random).expect("nothing is wrong with it");
        let proof = STANDARD.encode([7; 32]);
        let nonce = Some(&*challenge.nonce);
        let answer = scram::Answer { proof: &proof, nonce, ..scram::Answer::default() };
        criterion.bench_function(&format!("{name}/check"), |bencher| {
            bencher.iter(|| challenge.check(black_box(&answer)));
        });
    }
}

fn signatures(criterion: &mut Criterion) {
    let mut random = Random::from_number(1);
    let owner = SigningKey::from_bytes(&[7; 32]);
    let public_key = owner.verifying_key().to_bytes();
    let asked =
        cryptosign::Asked { public_key, channel_binding: None, exporter: None, challenge: None };
    let challenge = cryptosign::Challenge::new(&asked, None, &mut random);
    let challenge = challenge.expect("nothing is wrong with it");
    let message = (0..64).step_by(2).map(|place| &challenge.challenge[place..place + 2]);
    let message = message.map(|digits| u8::from_str_radix(digits, 16).expect("digits"));
    let message = message.collect::<Vec<_>>();
    let answer = to_hex(&owner.sign(&message).to_bytes()) + &challenge.challenge;
    assert!(challenge.check(&answer));
    criterion.bench_function("cryptosign/check", |bencher| {
        bencher.iter(|| challenge.check(black_box(&answer)));
    });
}

fn tokens(criterion: &mut Criterion) {
    let secret = "sixty-four octets of a secret that two sides share, and no others";
    let claims = r#"{"sub":"client","exp":1795166600,"iat":1795163000,"role":"guest"}"#;
    let signed = |name: &str| {
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}","typ":"JWT"}}"#));
        head + "." + &URL_SAFE_NO_PAD.encode(claims)
    };
    let hs256 = signed("HS256");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, hs256.as_bytes());
    let owner = SigningKey::from_bytes(&[7; 32]);
    let x = URL_SAFE_NO_PAD.encode(owner.verifying_key().to_bytes());
    let eddsa = signed("EdDSA");
    let signature = owner.sign(eddsa.as_bytes()).to_bytes();
    for (name, key, token) in [
        ("HS256", secret.to_owned(), hs256 + "." + &URL_SAFE_NO_PAD.encode(tag)),
        (
            "EdDSA",
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#),
            eddsa + "." + &URL_SAFE_NO_PAD.encode(signature),
        ),
    ] {
        let keys = Key::from_document(&key.into()).expect("a key");
        let rules = Rules { keys, role_claim: Some("role".into()), ..Rules::default() };
        assert!(rules.check(&token, NOW).is_ok());
        criterion.bench_function(&format!("jwt/{name}"), |bencher| {
            bencher.iter(|| rules.check(black_box(&token), NOW));
        });
    }
}

criterion_group!(benches, lookups, shared_secrets, passwords, signatures, tokens);
criterion_main!(benches);
