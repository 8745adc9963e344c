//! WAMP-CRA: the peer signs a text by a secret that both know.
//!
//! The text tells all that the session will be, so that a third party can sign it too. What a
//! password is worth is decided by how the key is derived from it; that is the peer's work, whose
//! parameters are told beside the text.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, pbkdf2};

use super::hex::to_hex;
use super::secret::is_same;
use super::{Cra, Method, Salted, Secret};
use crate::env::{Instant, Random, rfc3339};
use crate::message::SessionId;
use crate::wire::Writer as _;
use crate::wire::json::JsonWriter;

/// Who is to be challenged, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The principal that the peer claims to be.
    pub authid: &'a str,
    /// The role it will have.
    pub authrole: &'a str,
    /// Who vouches for it.
    pub authprovider: &'a str,
    /// The id its session will have.
    pub session: SessionId,
    /// Now, since the Unix epoch.
    pub now: Instant,
}

/// A challenge, and the one signature that answers it.
#[derive(Clone)]
pub struct Challenge {
    /// `CHALLENGE.Extra.challenge`: what is to be signed.
    pub text: String,
    /// What is to be told beside it if the key is derived from a password.
    pub salted: Option<Salted>,
    signature: String,
}

/// The answer is not shown.
impl fmt::Debug for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Challenge").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Challenge {
    /// A challenge like no other to whoever has the key of `cra`.
    // spec: A-CRA-02, A-CRA-03, A-CRA-06, A-CRA-08
    #[must_use]
    pub fn new(cra: &Cra, asked: &Asked<'_>, random: &mut Random) -> Self {
        let mut nonce = [0; 32];
        random.fill(&mut nonce);
        let mut text = Vec::with_capacity(320);
        let mut writer = JsonWriter::open(&mut text);
        writer.dict(7);
        for (key, value) in [
            ("authid", asked.authid),
            ("authrole", asked.authrole),
            ("authmethod", Method::Cra.name()),
            ("authprovider", asked.authprovider),
            ("nonce", &to_hex(&nonce)),
            ("timestamp", &rfc3339(asked.now.unix_ms())),
        ] {
            writer.key(key);
            writer.text(value);
        }
        writer.key("session");
        writer.integer(asked.session.0);
        writer.end_dict();
        let text = String::from_utf8(text).expect("JSON of texts is text");
        let signature = sign(cra.key.expose(), &text);
        Self { text, salted: cra.salted.clone(), signature }
    }

    /// Whether `signature` answers the challenge.
    // spec: A-CRA-04, A-CRA-05, A-AUTH-15
    #[must_use]
    pub fn check(&self, signature: &str) -> bool {
        is_same(self.signature.as_bytes(), signature.as_bytes())
    }
}

/// The signature of `challenge` by `key`.
// spec: A-CRA-04
#[must_use]
pub fn sign(key: &[u8], challenge: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    STANDARD.encode(hmac::sign(&key, challenge.as_bytes()))
}

/// The key that `password` becomes. It takes long on purpose: never to be called on a shard.
// spec: A-CRA-06, A-CRA-07
#[must_use]
pub fn derive(password: &[u8], salted: &Salted) -> Secret {
    let iterations = NonZeroU32::new(salted.iterations).unwrap_or(NonZeroU32::MIN);
    let mut key = vec![0; usize::try_from(salted.keylen).unwrap_or_default()];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, iterations, salted.salt.as_bytes(), password, &mut key);
    let key = zeroize::Zeroizing::new(key);
    Secret::from(STANDARD.encode(&*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(authid: &str) -> Asked<'_> {
        Asked {
            authid,
            authrole: "front\"end",
            authprovider: "static",
            session: SessionId(9_007_199_254_740_992),
            now: Instant::from_nanos(1_795_163_400_125_999_999),
        }
    }

    fn plain() -> Cra {
        Cra { key: "secret1".into(), salted: None }
    }

    // spec: A-CRA-02, A-CRA-03
    #[test]
    fn the_challenge_tells_what_the_session_will_be() {
        let challenge = Challenge::new(&plain(), &asked("joé"), &mut Random::from_number(1));
        let json: serde_json::Value = serde_json::from_str(&challenge.text).unwrap();
        let nonce = json["nonce"].as_str().unwrap();
        assert_eq!(nonce.len(), 64);
        let expected = serde_json::json!({
            "authid": "joé", "authrole": "front\"end", "authmethod": "wampcra",
            "authprovider": "static", "nonce": nonce, "session": 9_007_199_254_740_992_u64,
            "timestamp": "2026-11-20T08:30:00.125Z",
        });
        assert_eq!(json, expected);
    }

    // spec: A-CRA-08
    #[test]
    fn no_challenge_comes_twice() {
        let mut random = Random::from_number(1);
        let mut challenge = || Challenge::new(&plain(), &asked("joe"), &mut random);
        let (one, other) = (challenge(), challenge());
        assert_ne!(one.text, other.text);
        assert!(!other.check(&sign(b"secret1", &one.text)), "an answer is good for one challenge");
    }

    // spec: A-CRA-04, A-CRA-05
    #[test]
    fn the_key_signs_and_nothing_else_does() {
        let challenge = Challenge::new(&plain(), &asked("joe"), &mut Random::from_number(1));
        let right = sign(b"secret1", &challenge.text);
        assert!(challenge.check(&right));
        let unpadded = right.trim_end_matches('=');
        let other = sign(b"secret2", &challenge.text);
        let empty = sign(b"", &challenge.text);
        for wrong in ["", unpadded, &other, &empty, &right[1..], &format!("{right} ")] {
            assert!(!challenge.check(wrong), "{wrong}");
        }
    }

    /// The test vector of RFC 4231, test case 2.
    #[test]
    fn signatures_are_hmac_sha256_in_base64() {
        let signature = sign(b"Jefe", "what do ya want for nothing?");
        assert_eq!(signature, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }

    /// The test vector of RFC 7914, section 11, for PBKDF2 with HMAC-SHA256 (its first 32 octets).
    // spec: A-CRA-06, A-CRA-07
    #[test]
    fn keys_of_passwords_are_the_text_of_what_pbkdf2_makes() {
        let salted = Salted { salt: "salt".into(), iterations: 1, keylen: 32 };
        let key = derive(b"passwd", &salted);
        assert_eq!(key.expose(), b"VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw=");
        let short = derive(b"passwd", &Salted { keylen: 16, ..salted });
        assert_eq!(short.expose(), b"VawEblbjCJ/sFpHCJUS2BQ==");
    }

    #[test]
    fn the_answer_is_not_shown() {
        let challenge = Challenge::new(&plain(), &asked("joe"), &mut Random::from_number(1));
        let shown = format!("{challenge:?}");
        assert!(shown.contains("authid") && !shown.contains(&challenge.signature), "{shown}");
    }
}
