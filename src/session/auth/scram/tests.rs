//! Exchanges of SCRAM, in both dialects, against RFC 7677 and a client of our own.

use super::*;
use crate::session::auth::Secret;

/// The salted password of RFC 7677, section 3: PBKDF2 of "pencil", 4096 times.
const SALTED: [u8; 32] = [
    0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39,
    0xe7, 0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d,
];
const LINE: &str = "pbkdf2$i=4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const NONCE: &str = "egVDf3DMJh0SBmkFIh7sSg==";

fn asked(dialect: Dialect, authid: &str) -> Asked<'_> {
    Asked { dialect, authid, nonce: NONCE, channel_binding: None, exporter: None }
}

fn challenge(asked: &Asked<'_>) -> Result<Challenge, Refusal> {
    let scram = Scram::from_line(LINE).unwrap();
    Challenge::new(&scram, asked, &mut Random::from_number(1))
}

/// What a client makes of `message` that knows the salted password.
fn prove(salted: &[u8], message: &str) -> String {
    let client_key = mac(salted, b"Client Key");
    let signature = mac(&fingerprint(&client_key), message.as_bytes());
    STANDARD.encode(xor(&client_key, &signature))
}

/// The message that a client signs, with the parts that dialects spell differently.
fn message(challenge: &Challenge, name: &str, end: &str) -> String {
    let (nonce, salt) = (&challenge.nonce, &challenge.salt);
    let iterations = challenge.iterations;
    format!("n={name},r={NONCE},r={nonce},s={salt},i={iterations},c={end},r={nonce}")
}

// spec: A-SCR-11, A-SCR-19
#[test]
fn proof_and_verifier_are_those_of_rfc_7677() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    assert_eq!(*pbkdf2("pencil", &salt, 4_096), SALTED);
    let keys = ScramKeys::of(&SALTED);
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let message = format!(
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
         c=biws,r={nonce}"
    );
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(prove(&SALTED, &message), proof);
    let proof = STANDARD.decode(proof).unwrap().try_into().unwrap();
    assert!(proves(&keys, &message, &proof));
    assert!(!proves(&keys, &message.replace("4096", "4095"), &proof), "no downgrade");
    let verifier = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(server_signature(&keys, &message), verifier);
}

// spec: A-SCR-12
#[test]
fn a_record_is_read_as_it_was_written() {
    let scram = Scram::from_line(LINE).unwrap();
    assert_eq!(&*scram.keys, [ScramKeys::of(&SALTED)]);
    assert_eq!((scram.kdf, scram.iterations, scram.memory), (Kdf::Pbkdf2, 4_096, 0));
    assert_eq!(scram.to_line(), LINE);
    let keys = [ScramKeys::of(&SALTED), ScramKeys::of_text(&SALTED)];
    assert_eq!(
        STANDARD.encode(keys[1].stored),
        "gX6gBmaYPchbxZjZPYrh2VNmdysIwCiWvWhaSLu24dw=",
        "keys of a text, as autobahn makes them"
    );
    let salt = vec![7; 16].into();
    let scram =
        Scram { kdf: Kdf::Argon2id, salt, iterations: 4_096, memory: 512, keys: keys.into() };
    assert_eq!(Scram::from_line(&scram.to_line()).unwrap(), scram);
    let field = scram.to_line().replace("argon2id13", "argon2id-13");
    assert_eq!(Scram::from_line(&field).unwrap(), scram);
}

// spec: A-SCR-15
#[test]
fn records_of_no_worth_are_refused() {
    let argon = LINE.replace("pbkdf2$i=4096", "argon2id13$i=2,m=19456");
    assert!(Scram::from_line(&argon).is_ok());
    let wrong = [
        "",
        "pbkdf2",
        &LINE.replace("4096", "4095"),
        &LINE.replace("4096", "0"),
        &LINE.replace("4096", "10000001"),
        &LINE.replace("4096", "4294967296"),
        &LINE.replace("4096", "4096,m=5"),
        &LINE.replace("pbkdf2", "scrypt"),
        &LINE.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gQ"),
        &LINE.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22Z"),
        &LINE.replace(":wfPL", ":"),
        &LINE.replace("=:", "=$"),
        LINE.rsplit_once('$').unwrap().0,
        &format!("{LINE}$"),
        &argon.replace("m=19456", "m=4"),
        &argon.replace("m=19456", "m=1048577"),
        &argon.replace("m=19456", "m=16383"),
        &argon.replace("i=2", "i=0"),
        &argon.replace(",m=19456", ""),
    ];
    for line in wrong {
        let outcome = Scram::from_line(line);
        assert!(outcome.is_err(), "{line}: {outcome:?}");
    }
    let third = LINE.rsplit_once('$').unwrap().1;
    assert!(Scram::from_line(&format!("{LINE}${third}")).is_ok());
    assert!(Scram::from_line(&format!("{LINE}${third}${third}")).is_err());
}

// spec: A-SCR-01, A-SCR-05, A-SCR-06, A-SCR-16, A-SCR-18
#[test]
fn each_dialect_has_its_challenge() {
    let argon = LINE.replace("pbkdf2$i=4096", "argon2id13$i=2,m=19456");
    let argon = Scram::from_line(&argon).unwrap();
    let mut random = Random::from_number(1);
    let mut new = |scram: &Scram, dialect| {
        Challenge::new(scram, &asked(dialect, "user"), &mut random).unwrap()
    };
    let ours = new(&argon, Dialect::Specification);
    assert_eq!((ours.kdf, ours.iterations, ours.memory), ("argon2id13", 2, Some(19_456)));
    let rest = ours.nonce.strip_prefix(NONCE).expect("the client's nonce comes first");
    assert_eq!(STANDARD.decode(rest).unwrap().len(), 16);
    assert_eq!(ours.salt, "W22ZaJ0SNY7soEsUEjb6gQ==");

    let field = new(&argon, Dialect::Field);
    assert_eq!(field.kdf, "argon2id-13");
    let octets = STANDARD.decode(&field.nonce).unwrap();
    assert!(octets.starts_with(&STANDARD.decode(NONCE).unwrap()));
    assert_eq!(octets.len(), 32);

    let plain = Scram::from_line(LINE).unwrap();
    for dialect in [Dialect::Field, Dialect::Specification] {
        let challenge = new(&plain, dialect);
        assert_eq!(
            (challenge.kdf, challenge.iterations, challenge.memory),
            ("pbkdf2", 4_096, None)
        );
        assert_ne!(challenge.nonce, new(&plain, dialect).nonce, "no nonce comes twice");
    }
}

// spec: A-SCR-08, A-SCR-09, A-SCR-10, A-SCR-13
#[test]
fn the_dialect_of_the_specification_is_understood() {
    let challenge = challenge(&asked(Dialect::Specification, "us,er=")).unwrap();
    let signed = message(&challenge, "us=2Cer=3D", "biws");
    let proof = prove(&SALTED, &signed);
    let right = Answer { proof: &proof, nonce: Some(&challenge.nonce), ..Answer::default() };
    let verifier = STANDARD.encode(mac(ScramKeys::of(&SALTED).server.expose(), signed.as_bytes()));
    assert_eq!(challenge.check(&right), Some(verifier));

    let unescaped = prove(&SALTED, &message(&challenge, "us,er=", "biws"));
    let unbound = prove(&SALTED, &message(&challenge, "us=2Cer=3D", ""));
    let said_to_be_bound = prove(&SALTED, &message(&challenge, "us=2Cer=3D", "eSws"));
    let password = prove(&[0; 32], &signed);
    for proof in ["", "AAAA", &*unescaped, &*unbound, &*said_to_be_bound, &*password] {
        assert_eq!(challenge.check(&Answer { proof, ..right }), None, "{proof}");
    }
    for wrong in [
        Answer { nonce: None, ..right },
        Answer { nonce: Some(NONCE), ..right },
        Answer { channel_binding: Some("tls-unique"), ..right },
        Answer { cbind_data: Some(""), ..right },
    ] {
        assert_eq!(challenge.check(&wrong), None, "{wrong:?}");
    }
}

// spec: A-SCR-18
#[test]
fn the_dialect_of_the_field_is_understood() {
    let with_text_keys = Scram { keys: [ScramKeys::of_text(&SALTED)].into(), ..record() };
    let asked = asked(Dialect::Field, "us,er");
    let challenge = Challenge::new(&with_text_keys, &asked, &mut Random::from_number(1)).unwrap();
    let salted = base64::engine::general_purpose::STANDARD_NO_PAD.encode(SALTED);
    for (name, end) in [("us,er", ""), ("us=2Cer", ""), ("us,er", "biws"), ("us=2Cer", "biws")] {
        let proof = prove(salted.as_bytes(), &message(&challenge, name, end));
        let answer = Answer { proof: &proof, ..Answer::default() };
        assert!(challenge.check(&answer).is_some(), "{name} {end}");
        let with_nonce = Answer { nonce: Some(&challenge.nonce), ..answer };
        assert!(challenge.check(&with_nonce).is_some());
        assert!(challenge.check(&Answer { nonce: Some("x"), ..answer }).is_none());
    }
    let octets = prove(&SALTED, &message(&challenge, "us,er", ""));
    assert!(challenge.check(&Answer { proof: &octets, ..Answer::default() }).is_none());
}

#[test]
fn one_record_serves_both_kinds_of_keys() {
    let both = [ScramKeys::of(&SALTED), ScramKeys::of_text(&SALTED)].into();
    let scram = Scram { keys: both, ..record() };
    let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(SALTED);
    for salted in [&SALTED[..], text.as_bytes()] {
        let asked = asked(Dialect::Field, "user");
        let challenge = Challenge::new(&scram, &asked, &mut Random::from_number(1)).unwrap();
        let signed = message(&challenge, "user", "");
        let proof = prove(salted, &signed);
        let server = mac(salted, b"Server Key");
        let verifier = STANDARD.encode(mac(&server, signed.as_bytes()));
        let answer = Answer { proof: &proof, ..Answer::default() };
        assert_eq!(challenge.check(&answer), Some(verifier));
    }
}

// spec: A-SCR-03, A-SCR-09, A-SCR-17
#[test]
fn a_proof_may_be_bound_to_the_channel() {
    let asked = Asked {
        channel_binding: Some("tls-exporter"),
        exporter: Some([5; 32]),
        ..asked(Dialect::Specification, "user")
    };
    let challenge = challenge(&asked).unwrap();
    let end = STANDARD.encode([b"p=tls-exporter,,".as_slice(), &[5; 32]].concat());
    let proof = prove(&SALTED, &message(&challenge, "user", &end));
    let data = STANDARD.encode([5; 32]);
    let right = Answer {
        proof: &proof,
        nonce: Some(&challenge.nonce),
        channel_binding: Some("tls-exporter"),
        cbind_data: Some(&data),
    };
    assert!(challenge.check(&right).is_some());
    let other = STANDARD.encode([6; 32]);
    let unbound = prove(&SALTED, &message(&challenge, "user", "biws"));
    for wrong in [
        Answer { cbind_data: Some(&other), ..right },
        Answer { cbind_data: None, ..right },
        Answer { channel_binding: None, ..right },
        Answer { channel_binding: None, cbind_data: None, ..right },
        Answer { proof: &unbound, ..right },
        Answer { proof: &unbound, channel_binding: None, cbind_data: None, ..right },
    ] {
        assert!(challenge.check(&wrong).is_none(), "{wrong:?}");
    }
}

// spec: A-SCR-03
#[test]
fn a_binding_that_is_not_there_is_refused() {
    for (name, exporter) in [
        ("tls-exporter", None),
        ("tls-unique", Some([5; 32])),
        ("tls-server-end-point", Some([5; 32])),
        ("", Some([5; 32])),
    ] {
        for dialect in [Dialect::Field, Dialect::Specification] {
            let channel_binding = Some(name);
            let asked = Asked { channel_binding, exporter, ..asked(dialect, "user") };
            assert_eq!(challenge(&asked).unwrap_err(), Refusal::ChannelBinding, "{name}");
        }
    }
}

// spec: A-SCR-02, A-SCR-06
#[test]
fn a_nonce_is_canonical_base64_of_some_length() {
    let long = STANDARD.encode([1; 129]);
    for nonce in ["", "AAAA", "egVDf3DMJh0", "egVDf3DMJh1=", "egVDf3DM\nJh0=", "r=,s=", &long] {
        let asked = Asked { nonce, ..asked(Dialect::Field, "user") };
        assert_eq!(challenge(&asked).unwrap_err(), Refusal::Nonce, "{nonce:?}");
    }
    let asked = Asked { nonce: "egVDf3DMJh0=", ..asked(Dialect::Field, "user") };
    assert!(challenge(&asked).is_ok(), "the specification's own example");
}

/// The examples of RFC 4013, section 3.
// spec: A-SCR-07
#[test]
fn names_are_prepared() {
    for (text, prepared) in [
        ("I\u{ad}X", Some("IX")),
        ("user", Some("user")),
        ("USER", Some("USER")),
        ("\u{aa}", Some("a")),
        ("\u{2168}", Some("IX")),
        ("\u{7}", None),
        ("\u{627}1", None),
    ] {
        assert_eq!(normalize(text).as_deref(), prepared, "{text:?}");
    }
    assert_eq!(challenge(&asked(Dialect::Field, "\u{7}")).unwrap_err(), Refusal::Authid);
    // A client may prepare the name before it signs, or not.
    let challenge = challenge(&asked(Dialect::Specification, "\u{2168}")).unwrap();
    for name in ["IX", "\u{2168}"] {
        let proof = prove(&SALTED, &message(&challenge, name, "biws"));
        let nonce = Some(&*challenge.nonce);
        assert!(challenge.check(&Answer { proof: &proof, nonce, ..Answer::default() }).is_some());
    }
}

/// A proof is made for one challenge: the same client's answer to another one is of no use.
// spec: A-SCR-09
#[test]
fn an_answer_is_good_for_one_challenge() {
    let mut random = Random::from_number(1);
    let mut challenge =
        || Challenge::new(&record(), &asked(Dialect::Field, "user"), &mut random).unwrap();
    let (one, other) = (challenge(), challenge());
    let proof = prove(&SALTED, &message(&one, "user", ""));
    let answer = Answer { proof: &proof, ..Answer::default() };
    assert!(one.check(&answer).is_some());
    assert!(other.check(&answer).is_none());
}

#[test]
fn keys_are_not_shown() {
    let challenge = challenge(&asked(Dialect::Field, "user")).unwrap();
    let shown = format!("{challenge:?} {:?}", record());
    let stored = format!("{:?}", ScramKeys::of(&SALTED).stored);
    assert!(!shown.contains(&stored[1..20]), "{shown}");
    assert_eq!(format!("{:?}", Secret::new(SALTED)), "Secret");
}

fn record() -> Scram {
    Scram::from_line(LINE).unwrap()
}
