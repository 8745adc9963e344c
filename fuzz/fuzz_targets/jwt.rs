//! Any token and any key are judged without a panic; a token that is accepted says what another
//! reader finds in it too, and was signed.
//!
//! The first octet says what the rest is: a token, keys, or head and claims, a line each, that are
//! then signed as they should be.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gigawamp::env::Instant;
use gigawamp::session::auth::Secret;
use gigawamp::session::auth::jwt::{Key, Rules};
use libfuzzer_sys::fuzz_target;
use ring::hmac;

const SECRET: &str = "sixty-four octets of a secret that two sides share, and no others";

/// A key of which nobody has the private half: RFC 8037's own, and RFC 7515's.
const PUBLIC: &str = r#"{"keys":[
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fn rules(document: &str) -> Rules {
    let keys = Key::from_document(&document.into()).expect("these are keys");
    Rules { keys, role_claim: Some("role".into()), ..Rules::default() }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((what, rest)) = bytes.split_first() else {
        return;
    };
    let now = Instant::from_nanos(1_000_000_000_000);
    match what % 3 {
        0 => {
            let _ = Key::from_document(&Secret::new(rest));
        }
        1 => {
            if let Ok(token) = std::str::from_utf8(rest) {
                assert!(rules(PUBLIC).check(token, now).is_err(), "nobody has the private half");
                let _ = rules(SECRET).check(token, now);
            }
        }
        _ => {
            let place = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
            let (head, claims) = rest.split_at(place);
            check_signed(head, claims.get(1..).unwrap_or_default(), now);
        }
    }
});

fn check_signed(head: &[u8], claims: &[u8], now: Instant) {
    let signed = URL_SAFE_NO_PAD.encode(head) + "." + &URL_SAFE_NO_PAD.encode(claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    let token = signed.clone() + "." + &URL_SAFE_NO_PAD.encode(signature);
    let Ok(bearer) = rules(SECRET).check(&token, now) else {
        return;
    };
    let json: serde_json::Value = serde_json::from_slice(claims).expect("claims are JSON");
    assert_eq!(json["sub"].as_str(), Some(&*bearer.authid));
    assert!(json["exp"].as_f64().is_some_and(|expires| expires > 940.0));
    assert!(json.get("aud").is_none());
    let head: serde_json::Value = serde_json::from_slice(head).expect("the head is JSON");
    assert_eq!(head["alg"], "HS256");
    assert!(rules(SECRET).check(&(signed + "."), now).is_err(), "the signature counts");
}
