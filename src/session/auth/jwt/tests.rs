//! Tokens: the vectors of the RFCs, every algorithm, and everything that must not be accepted.

use ed25519_dalek::{Signer as _, SigningKey};
use ring::hmac;

use super::*;
use crate::session::auth::Secret;

/// 2026-11-20T08:30:00Z, ten minutes after [`CLAIMS`] were issued and an hour before they expire.
const NOW: u64 = 1_795_163_400;
const SECRET: &str = "sixty-four octets of a secret that two sides share, and no others";

const CLAIMS: &str = r#"{"iss":"https://id.example.com","aud":["router","mail"],"sub":"joe","role":"backend","roles":["a","b"],"iat":1795163000,"nbf":1795163000.5,"exp":1795166600}"#;
const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvQ1mUY8FC6uM3y6UrsE1\n\
TZJtR4gchnr0T5KMmJaZ9RmQNZmVOqhoqvmgKVAxAW0xIKZsfyCAMW603nomCtvw\n\
3TzM3y6HskR5jYUcjJ+e9WpuloVM114+N3za5kDAbX9g+JyVj1dJVX5aCmsIhISV\n\
KbWb5oodvbDHGPEMELjGSrLVWZXrn3jj2/X02BLt3ehg0jAv+M7pwenvlaQZ6rp8\n\
sY/oG1MDKLrwV7Xtai34qPwYZTpbrh5e8CcNM61yKR8t9iV+AIha9hwX2Y9C7fXV\n\
nt3lkHMEahYDD1QtIBm5KaODotdRyo3rQJivZ/aN5L5QUod2Nf9jS7F1cmYDAQ7D\n\
gQIDAQAB\n\
-----END PUBLIC KEY-----";

const RSA_PKCS1_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----\n\
MIIBCgKCAQEAvQ1mUY8FC6uM3y6UrsE1TZJtR4gchnr0T5KMmJaZ9RmQNZmVOqho\n\
qvmgKVAxAW0xIKZsfyCAMW603nomCtvw3TzM3y6HskR5jYUcjJ+e9WpuloVM114+\n\
N3za5kDAbX9g+JyVj1dJVX5aCmsIhISVKbWb5oodvbDHGPEMELjGSrLVWZXrn3jj\n\
2/X02BLt3ehg0jAv+M7pwenvlaQZ6rp8sY/oG1MDKLrwV7Xtai34qPwYZTpbrh5e\n\
8CcNM61yKR8t9iV+AIha9hwX2Y9C7fXVnt3lkHMEahYDD1QtIBm5KaODotdRyo3r\n\
QJivZ/aN5L5QUod2Nf9jS7F1cmYDAQ7DgQIDAQAB\n\
-----END RSA PUBLIC KEY-----";

const P256_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESzWczMbsuN+zistEEk/FKir7/inJ\n\
BwMinzT4H0JLXqD1766PX9eLG1jlMKhGb9nCcIzHUYD87SpkeiOGivb2UQ==\n\
-----END PUBLIC KEY-----";

const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAECTv4P7bm6AN5602vg4z0d4ES7m92qs91\n\
iaBpt3o4ukVsg6bVglEUD8mk46IQHJCnIaxz915PseBTtrhLp6u0A/+GUMwr2HKH\n\
KUfrZaqqx0oVqY7IKdKLDp2IuY+2nBaw\n\
-----END PUBLIC KEY-----";

const P521_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBUxqRbt1kd2pizVd1Roh3w8laULIr\n\
9pliV25g5qCP+m+rzp/FGKdKzbkL263S12uoQKA+y9mWCamBPWHth/zsYAwA9oa2\n\
ZGVC6bgis6DH7JYsojRVi2HZ5x/y2lRb+OsLWGCzJVbtHF57tznUpZ4vwzTBaO7i\n\
PWeJMRTqfvpK0UCp98k=\n\
-----END PUBLIC KEY-----";

const SHORT_RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDseYB+3psF7Zz+C4KtFq8c8oXh\n\
NrH7Tw850sh/raL+4RpjkNq7NC9kNDTyaleb8Kwvf1lCu83E7/n1GuPnKLYDUDhZ\n\
biji5GAe+PpRDWotFS3N7lDxguvr+0emn5CtZzw93BT9NCm62QweZP3ULJwrdeIP\n\
n+3qJMaIPl/Aha0PVQIDAQAB\n\
-----END PUBLIC KEY-----";

/// Signatures of [`CLAIMS`] under the head `{"alg":"…"}`, made by an independent implementation.
const SIGNATURES: [(&str, &str); 8] = [
    (
        "RS256",
        "pDwMYg7Cs5dvVjt-GLAlcffaU1qADaI-jvdqIE6w85DQ_DRHu24DFWnfYouAwv304wwfxXIRnzbNQ-yObH7Ql1Dy\
         nXQARQ-gS4zSVz_ufeUJAn98b6MUS8gqrVIFvm0TGnucuryhS2JkEVvQJq4K17bc78kg5kxZBq64jF0mXiKWh9wG\
         YFSYWawDS82Rw67ZyQwiC-FZAoVJM5IGeuPfRwKeACInTcIxh_EX_ualxVqO4ZIt9Iqw3J7GtmbAtMd3dEMq6Rl_\
         HeunukAia7fp8akDJdoNGPYOqfRVt-GpWp0ncx6_0qjiLY3R5B-OOoZfwMb4TJQvv7OEtkK20284SQ",
    ),
    (
        "RS384",
        "QWBQ2PaSbA6SJRzyh6ElCeN3M8xOW3thTSy1LvcobfeKqss4f-pB4nBqDYF-kogOWc6WKIvS0H5R3WjocF_kAIdf\
         rseJ8-taL4-KoJWhcJORJKG5Jc4kJEjPCH7PqptOi82aOGIKDJ8z64qtqS4hQPRHF3clxUPPH1TRMJxH6eII-KmR\
         CnkN-9EgGEOsZxSeWDJcrDzmKFJiHNK_MeD1dp_AeL8EoyboHrNJTHyOGu4NaRJXJl0p5xlo8ywZ663VuP2_ktqy\
         UhPjVO1AOlZPFHr4dwe8eLqLpDpMHIS37tvVc7wLXPs8EKvXKtjjp1RIwR2e__x-pGeVZQZA59VZ7g",
    ),
    (
        "RS512",
        "eRsG_hW7yvFlcRDjDAbC1a56dS8a66bE7j5WujmadK163HTHWil4hxUwaPwPsme8wf3BtWgOf_xjns9qj3bir1m7\
         MwqqR7h8W8dszudiNtyxV_PMei2Q2o0h_OAyz7P0GBWuFIIOmlupNkGVnUJzpdYIaJuczsvIreOdRoNN9rgFnW-U\
         5fXkZMDoQMySPnvAusiMwkZg_7VqO04qe66t2TMdTAKsXVYVM20MpjaplIfa0JlQlxO0F1NDD8PdS59HaYLEA8HH\
         uUc41hO3-XtELofJkuR3MB3a_z2DvpdbemPEy_BLL1ASgHUG1-ujkYO3my6eT-QylplQXOL2Q24uIw",
    ),
    (
        "PS256",
        "UHaeXT9FqKE22Ro42BqCXekHbPynhbxy-Z35HJwPTiInZK7JDiCA2zrZ1GvtZPEq_Ky-huXJLz7ohMXLkKynx_im\
         Ojv7mzgo6NVsk6AvfaSw8xiHI2qhBHBvCSxaRRm1CkZQ2fOO0-znNs0rVXe-lgZd8vW0EpK_SIaBu2AmC0b7g8SP\
         ED5FpNC2eQd351wIWKjsMXtsxzOqnglzElcUAvRi1bbrNg-hXNMq4YboFnl20n0tkUgmmv6zyEgCVxpNEyMe627f\
         APigemi3TMf1ZBeT6aUl1H5pcLXWoxP0HhbG6qvpXCnvkIFd2phvZLFewl5fscHYn3CPp0sm_zAkmw",
    ),
    (
        "PS384",
        "Xnaip2cB8iKDPY-sP3ZtrZG2Mp_apG-NNKT9Cv3f1LEPCCR1ggJlgUzMbtfI3IRps0Dcunso_bViZ0oPrJgkGvqy\
         JolV5QbllvFVZnCo6aTDtIaq0a9RxEAHtiZ0AyNY9hHogEoSmNeOTixx77v5gh5XQ0PNWTTk4kmpvzlKu8KacAxP\
         1BLWfLaRMNrCViwtM9EMvtn5cuJDJWjheoKWTXGaTwAqDIABT6GihEqgTMq9SmXkHAEt0lntNkGNbr_FuJnU0W_p\
         UAiCe7f0yVp5GeOskaAPOHPPScwbCF4AQP5Ny-wXUF4pxjbf3RQ6Yl37bbi6zovbg9LzSVH4hp3wSg",
    ),
    (
        "PS512",
        "g6X-x1xOGiH6hgCxPsqkBvlFZFgQyW09RYwnWSykSzgcEMH7xwEAas-jw0zEuKt5gUWENDugsZU5bizMBdo7b_GX\
         QH7rk2GoBC71TGBg_hj2seQ8fwLJmaCEyXQ3gX_fes_kaFM3whRnIeIAuxuqDams9HcP2GNN5Aipg1Xw0XQ66Adu\
         KOBn7Z7mQVViZbBU2lMIyQgwZoSR_L-bNqo4gvJBkKQ-E0QIGs8YKHB_IlQsW791jZwIGcBbvQklLAlnH2XTrdB2\
         DJ1-_uixFr4kbl2WOJrUrkGZCoC9K55tY86eGAGiWwVRM-VkaoEbuplisQmVVcdJjQjnwHkXo4XWZQ",
    ),
    (
        "ES256",
        "mCL_cNFEFi2VadRv6SqXKTmwQdfuh2-pzHhS6kGl9GwG0dTPxzu-pUO6YVAv9Sx15cYwtgbsXuQld26XSE34Tw",
    ),
    (
        "ES384",
        "ob8CAyd2fbGEQSRITOy9pzszDw4jNg0IlZmYLrtqIOmineXPZyhy8tgEwkZZDJv-I7JLDStqFX_mejtcd1pwILoL\
         cJ0hIAf2bm-mhnQavr4YTwtdapBW2EKIjhpynAC2",
    ),
];

/// Three keys of use, and three of none.
const JWKS: &str = r#"{"keys":[{"kty":"RSA","kid":"r","use":"sig","n":"vQ1mUY8FC6uM3y6UrsE1TZJtR4gchnr0T5KMmJaZ9RmQNZmVOqhoqvmgKVAxAW0xIKZsfyCAMW603nomCtvw3TzM3y6HskR5jYUcjJ-e9WpuloVM114-N3za5kDAbX9g-JyVj1dJVX5aCmsIhISVKbWb5oodvbDHGPEMELjGSrLVWZXrn3jj2_X02BLt3ehg0jAv-M7pwenvlaQZ6rp8sY_oG1MDKLrwV7Xtai34qPwYZTpbrh5e8CcNM61yKR8t9iV-AIha9hwX2Y9C7fXVnt3lkHMEahYDD1QtIBm5KaODotdRyo3rQJivZ_aN5L5QUod2Nf9jS7F1cmYDAQ7DgQ","e":"AQAB"},
    {"kty":"EC","kid":"p","crv":"P-256","alg":"ES256","key_ops":["verify"],"x":"SzWczMbsuN-zistEEk_FKir7_inJBwMinzT4H0JLXqA","y":"9e-uj1_XixtY5TCoRm_ZwnCMx1GA_O0qZHojhor29lE"},
    {"kty":"EC","kid":"q","crv":"P-384","x":"CTv4P7bm6AN5602vg4z0d4ES7m92qs91iaBpt3o4ukVsg6bVglEUD8mk46IQHJCn","y":"Iaxz915PseBTtrhLp6u0A_-GUMwr2HKHKUfrZaqqx0oVqY7IKdKLDp2IuY-2nBaw"},
    {"kty":"RSA","kid":"enc","use":"enc","n":"AQAB","e":"AQAB"},
    {"kty":"EC","kid":"k","crv":"secp256k1","x":"AA","y":"AA"},
    {"kty":"post-quantum","kid":"z","pub":"AA","deep":[[[{}]]]}]}"#;

/// RFC 7515, appendix A.1.1, A.2.1 and A.3.1: three keys, and the same claims signed by each.
const RFC_7515: [(&str, &str, &str); 3] = [
    (
        r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    ),
    (
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
        "eyJhbGciOiJSUzI1NiJ9",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    (
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        "eyJhbGciOiJFUzI1NiJ9",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
];
const RFC_7515_CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn keys(document: &str) -> Vec<Key> {
    Key::from_document(&document.into()).unwrap()
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn rules(keys: Vec<Key>) -> Rules {
    Rules {
        keys,
        issuer: Some("https://id.example.com".into()),
        audience: Some("router".into()),
        role_claim: Some("role".into()),
        ..Rules::default()
    }
}

fn text(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

/// A token of `claims` under `head`, signed by [`SECRET`].
fn token(head: &str, claims: &str) -> String {
    let signed = text(head) + "." + &text(claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    signed.clone() + "." + &URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
}

const HS256: &str = r#"{"alg":"HS256"}"#;

fn joe() -> Bearer {
    Bearer { authid: "joe".to_owned(), roles: vec!["backend".to_owned()] }
}

#[test]
fn the_vectors_of_rfc_7515_hold() {
    for (key, head, signature) in RFC_7515 {
        let rules = Rules { authid_claim: "iss".into(), ..rules(keys(key)) };
        let rules = Rules { issuer: None, audience: None, ..rules };
        let token = format!("{head}.{RFC_7515_CLAIMS}.{signature}");
        let bearer = Bearer { authid: "joe".to_owned(), roles: Vec::new() };
        assert_eq!(rules.check(&token, at(1_300_819_379)), Ok(bearer));
        assert_eq!(rules.check(&token, at(1_300_819_440)), Err(Rejection::Expired));
        let other =
            signature.replace(&signature[8..9], if &signature[8..9] == "A" { "B" } else { "A" });
        let token = format!("{head}.{RFC_7515_CLAIMS}.{other}");
        assert_eq!(rules.check(&token, at(1_300_819_379)), Err(Rejection::Signature), "{head}");
    }
}

/// RFC 8037, appendix A.4.
#[test]
fn the_vector_of_rfc_8037_holds() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = &keys(key)[0];
    assert!(key.verify(Algorithm::EdDsa, signed, &signature));
    assert!(!key.verify(Algorithm::EdDsa, &signed[1..], &signature));
    assert!(!key.verify(Algorithm::Es256, signed, &signature));
}

#[test]
fn every_algorithm_is_checked_by_the_key_that_fits_and_by_no_other() {
    let documents = [RSA_PEM, P256_PEM, P384_PEM];
    for (name, signature) in SIGNATURES {
        let token = text(&format!(r#"{{"alg":"{name}"}}"#)) + "." + &text(CLAIMS) + "." + signature;
        let fits = match &name[..2] {
            "ES" if name == "ES256" => 1,
            "ES" => 2,
            _ => 0,
        };
        for (place, document) in documents.into_iter().enumerate() {
            let outcome = rules(keys(document)).check(&token, at(NOW));
            let expected = if place == fits { Ok(joe()) } else { Err(Rejection::Algorithm) };
            assert_eq!(outcome, expected, "{name} by key {place}");
        }
        let all = documents.into_iter().flat_map(keys).collect::<Vec<_>>();
        assert_eq!(rules(all.clone()).check(&token, at(NOW)), Ok(joe()), "{name}");
        assert_eq!(rules(keys(JWKS)).check(&token, at(NOW)), Ok(joe()), "{name}");
        let algorithm = Algorithm::from_name(name).unwrap();
        let without = Algorithm::ALL.into_iter().filter(|one| *one != algorithm).collect();
        let rules = Rules { algorithms: Some(without), ..rules(all) };
        assert_eq!(rules.check(&token, at(NOW)), Err(Rejection::Algorithm), "{name}");
    }
    let key = &keys(RSA_PEM)[0];
    let pkcs1 = &keys(RSA_PKCS1_PEM)[0];
    let signed = text(r#"{"alg":"RS256"}"#) + "." + &text(CLAIMS);
    let signature = URL_SAFE_NO_PAD.decode(SIGNATURES[0].1).unwrap();
    for key in [key, pkcs1] {
        assert!(key.verify(Algorithm::Rs256, signed.as_bytes(), &signature));
        assert!(!key.verify(Algorithm::Ps256, signed.as_bytes(), &signature));
    }
}

#[test]
fn shared_secrets_sign_with_each_digest_they_are_long_enough_for() {
    for (algorithm, name, least) in [
        (hmac::HMAC_SHA256, "HS256", 32),
        (hmac::HMAC_SHA384, "HS384", 48),
        (hmac::HMAC_SHA512, "HS512", 64),
    ] {
        for length in [32, 47, 48, 63, 64] {
            let secret = &SECRET[..length];
            let signed = text(&format!(r#"{{"alg":"{name}"}}"#)) + "." + &text(CLAIMS);
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
            let token = signed + "." + &URL_SAFE_NO_PAD.encode(tag);
            let outcome = rules(keys(secret)).check(&token, at(NOW));
            let expected = if length >= least { Ok(joe()) } else { Err(Rejection::Algorithm) };
            assert_eq!(outcome, expected, "{name} with {length} octets");
        }
    }
    assert!(Key::from_document(&SECRET[..31].into()).is_err());
}

#[test]
fn ed25519_signs_tokens() {
    let owner = SigningKey::from_bytes(&[7; 32]);
    let x = URL_SAFE_NO_PAD.encode(owner.verifying_key().to_bytes());
    let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"never read"}}"#);
    let signed = text(r#"{"alg":"EdDSA","typ":"JWT"}"#) + "." + &text(CLAIMS);
    let signature = owner.sign(signed.as_bytes()).to_bytes();
    let token = signed + "." + &URL_SAFE_NO_PAD.encode(signature);
    assert_eq!(rules(keys(&key)).check(&token, at(NOW)), Ok(joe()));
    // SubjectPublicKeyInfo of RFC 8410: a fixed head, then the key.
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = [&head[..], owner.verifying_key().as_bytes()].concat();
    let der = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    assert_eq!(rules(keys(&pem)).check(&token, at(NOW)), Ok(joe()));
    assert_eq!(rules(keys(P256_PEM)).check(&token, at(NOW)), Err(Rejection::Algorithm));
}

/// The classic: a public key, which all know, taken for a shared secret.
#[test]
fn a_public_key_is_never_a_shared_secret() {
    for document in [RSA_PEM, P256_PEM, JWKS] {
        let signed = text(HS256) + "." + &text(CLAIMS);
        for secret in [document, document.trim_end(), &format!("{document}\n")] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let tag = hmac::sign(&key, signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
            let outcome = rules(keys(document)).check(&token, at(NOW));
            assert_eq!(outcome, Err(Rejection::Algorithm));
        }
    }
}

#[test]
fn a_token_without_a_signature_is_none() {
    let rules = rules([keys(SECRET), keys(RSA_PEM)].concat());
    for name in ["none", "None", "NONE", "nOnE", "", "HS1", "hs256", "RS1", "ES512", "ES256K"] {
        let head = format!(r#"{{"alg":"{name}"}}"#);
        for signature in ["", token(&head, CLAIMS).rsplit_once('.').unwrap().1] {
            let token = text(&head) + "." + &text(CLAIMS) + "." + signature;
            assert_eq!(rules.check(&token, at(NOW)), Err(Rejection::Algorithm), "{name:?}");
        }
    }
    let unsigned = text(HS256) + "." + &text(CLAIMS) + ".";
    assert_eq!(rules.check(&unsigned, at(NOW)), Err(Rejection::Signature));
}

#[test]
fn a_token_names_its_key() {
    let head = |id: &str| token(&format!(r#"{{"alg":"HS256","kid":"{id}"}}"#), CLAIMS);
    let k = URL_SAFE_NO_PAD.encode(SECRET);
    let named = format!(r#"{{"keys":[{{"kty":"oct","kid":"2026","k":"{k}"}}]}}"#);
    let rules_named = rules(keys(&named));
    assert_eq!(rules_named.check(&head("2026"), at(NOW)), Ok(joe()));
    assert_eq!(rules_named.check(&head("2025"), at(NOW)), Err(Rejection::UnknownKey));
    assert_eq!(rules_named.check(&token(HS256, CLAIMS), at(NOW)), Ok(joe()));
    assert_eq!(rules(keys(SECRET)).check(&head("2025"), at(NOW)), Ok(joe()), "it has no name");
    assert_eq!(rules(Vec::new()).check(&head("2025"), at(NOW)), Err(Rejection::UnknownKey));
}

#[test]
fn a_token_is_good_for_its_time() {
    let check = |claims: &str, now: u64| {
        let rules = Rules { issuer: None, audience: None, role_claim: None, ..rules(keys(SECRET)) };
        rules.check(&token(HS256, claims), at(now)).map(|bearer| bearer.authid)
    };
    let ok = || Ok("joe".to_owned());
    let expires = r#"{"sub":"joe","exp":1000}"#;
    assert_eq!(check(expires, 0), ok());
    assert_eq!(check(expires, 1_059), ok(), "clocks differ");
    assert_eq!(check(expires, 1_060), Err(Rejection::Expired));
    assert_eq!(check(r#"{"sub":"joe","exp":1000.5}"#, 1_060), ok());
    assert_eq!(check(r#"{"sub":"joe","exp":-1e3}"#, 0), Err(Rejection::Expired));
    assert_eq!(check(r#"{"sub":"joe"}"#, 0), Err(Rejection::Expired), "not for ever");
    assert_eq!(check(r#"{"sub":"joe","exp":1e300}"#, NOW), ok(), "but for long");
    for begin in ["nbf", "iat"] {
        let claims = format!(r#"{{"sub":"joe","exp":9000,"{begin}":1000}}"#);
        assert_eq!(check(&claims, 939), Err(Rejection::Early), "{begin}");
        assert_eq!(check(&claims, 940), ok(), "{begin}");
    }
    for date in ["\"1000\"", "null", "true", "[1000]", "{}"] {
        for claim in ["exp", "nbf", "iat"] {
            let claims = format!(r#"{{"sub":"joe","x":1,"{claim}":{date}}}"#);
            assert_eq!(check(&claims, 0), Err(Rejection::Form), "{claims}");
        }
    }
}

#[test]
fn a_token_is_from_somebody_and_for_somebody() {
    let check = |claims: &str, issuer: Option<&str>, audience: Option<&str>| {
        let (issuer, audience) = (issuer.map(Box::from), audience.map(Box::from));
        let rules = Rules { issuer, audience, ..rules(keys(SECRET)) };
        rules.check(&token(HS256, claims), at(0)).map(|bearer| bearer.authid)
    };
    let ok = || Ok("joe".to_owned());
    let plain = r#"{"sub":"joe","exp":9}"#;
    assert_eq!(check(plain, None, None), ok());
    assert_eq!(check(plain, Some("id"), None), Err(Rejection::Issuer));
    assert_eq!(check(plain, None, Some("us")), Err(Rejection::Audience));
    let one = r#"{"sub":"joe","exp":9,"iss":"id","aud":"us"}"#;
    assert_eq!(check(one, Some("id"), Some("us")), ok());
    assert_eq!(check(one, None, Some("us")), ok());
    assert_eq!(check(one, Some("ID"), Some("us")), Err(Rejection::Issuer));
    assert_eq!(check(one, None, Some("u")), Err(Rejection::Audience));
    assert_eq!(check(one, None, None), Err(Rejection::Audience), "for somebody else, then");
    let many = r#"{"sub":"joe","exp":9,"aud":["them","us"]}"#;
    assert_eq!(check(many, None, Some("us")), ok());
    assert_eq!(check(many, None, Some("you")), Err(Rejection::Audience));
    let none = r#"{"sub":"joe","exp":9,"aud":[]}"#;
    assert_eq!(check(none, None, Some("us")), Err(Rejection::Audience));
}

#[test]
fn claims_name_the_bearer_and_its_roles() {
    let check = |claims: &str, authid: &str, role: Option<&str>| {
        let rules = Rules { issuer: None, audience: None, ..rules(keys(SECRET)) };
        let rules = Rules { authid_claim: authid.into(), role_claim: role.map(Box::from), ..rules };
        rules.check(&token(HS256, claims), at(0)).map(|bearer| (bearer.authid, bearer.roles))
    };
    let claims = r#"{"exp":9,"sub":"s","email":"j\u00f6e@x","role":"r","groups":["a","b"]}"#;
    let found = |authid: &str, roles: &[&str]| {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        Ok((authid.to_owned(), roles))
    };
    assert_eq!(check(claims, "sub", None), found("s", &[]));
    assert_eq!(check(claims, "email", Some("role")), found("jöe@x", &["r"]));
    assert_eq!(check(claims, "role", Some("role")), found("r", &["r"]));
    assert_eq!(check(claims, "sub", Some("groups")), found("s", &["a", "b"]));
    assert_eq!(check(claims, "sub", Some("admin")), found("s", &[]));
    assert_eq!(check(claims, "name", None), Err(Rejection::Bearer));
    assert_eq!(check(r#"{"exp":9,"sub":""}"#, "sub", None), Err(Rejection::Bearer));
    let long = format!(r#"{{"exp":9,"sub":"{}"}}"#, "x".repeat(AUTHID_BYTES_MAX + 1));
    assert_eq!(check(&long, "sub", None), Err(Rejection::Bearer));
    for claims in [
        r#"{"exp":9,"sub":7}"#,
        r#"{"exp":9,"sub":["a"]}"#,
        r#"{"exp":9,"sub":"a","sub":"b"}"#,
        r#"{"exp":9,"exp":99,"sub":"a"}"#,
        r#"{"exp":9,"sub":"a","role":7}"#,
        r#"{"exp":9,"sub":"a","role":[7]}"#,
        r#"{"exp":9,"sub":"a"}{}"#,
        r#"["exp"]"#,
        "",
    ] {
        assert_eq!(check(claims, "sub", Some("role")), Err(Rejection::Form), "{claims}");
    }
    let many = format!(r#"{{"exp":9,"sub":"a","role":["r"{}]}}"#, ",\"r\"".repeat(64));
    assert_eq!(check(&many, "sub", Some("role")), Err(Rejection::Form));
}

#[test]
fn what_is_no_token_is_refused() {
    let rules = rules(keys(SECRET));
    let right = token(HS256, CLAIMS);
    assert_eq!(rules.check(&right, at(NOW)), Ok(joe()));
    assert!(is_token(&right));
    let (signed, signature) = right.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let deep = token(HS256, &("[".repeat(500) + &"]".repeat(500)));
    let long = token(HS256, &format!(r#"{{"x":"{}"}}"#, "x".repeat(SIGNATURE_BYTES_MAX)));
    let twice = token(r#"{"alg":"HS256","alg":"none"}"#, CLAIMS);
    let two_keys = token(r#"{"alg":"HS256","kid":"a","kid":"b"}"#, CLAIMS);
    for (wrong, expected) in [
        ("", Rejection::Form),
        ("..", Rejection::Form),
        (signed, Rejection::Form),
        (&*format!("{right}."), Rejection::Form),
        (&*format!("{right}="), Rejection::Form),
        (&*format!(" {right}"), Rejection::Form),
        (&*format!("{head}.{claims}.{head}.{signature}"), Rejection::Form),
        (&*format!("{claims}.{head}.{signature}"), Rejection::Form),
        (&*deep, Rejection::Form),
        (&*long, Rejection::Form),
        (&*twice, Rejection::Form),
        (&*two_keys, Rejection::Form),
        (&*token(r#"{"alg":7}"#, CLAIMS), Rejection::Form),
        (&*token("{}", CLAIMS), Rejection::Form),
        (&*token(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, CLAIMS), Rejection::Extension),
        (&*format!("{head}.{claims}.{}", &signature[..42]), Rejection::Form),
        (&*format!("{head}.{claims}.{}", &signature[..40]), Rejection::Signature),
        (&*format!("{head}.{}.{signature}", text("{}")), Rejection::Signature),
    ] {
        assert_eq!(rules.check(wrong, at(NOW)), Err(expected), "{wrong}");
    }
    for ticket in ["rosebud", "", "a.b.c", "ey.b", "ey.b.c.d"] {
        assert!(!is_token(ticket), "{ticket}");
    }
}

#[test]
fn keys_that_are_of_no_use_are_refused_or_left_out() {
    assert_eq!(keys(JWKS).len(), 3);
    let two = format!("{RSA_PEM}\nand\n{P256_PEM}\n");
    assert_eq!(keys(&two).len(), 2);
    let point = r#""x":"AA","y":"AA""#;
    for document in [
        "",
        "short",
        P521_PEM,
        SHORT_RSA_PEM,
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        &RSA_PEM.replace("END PUBLIC", "END RSA PUBLIC"),
        &RSA_PEM.replace("PUBLIC", "RSA PRIVATE"),
        &RSA_PEM.replace("PUBLIC KEY", "CERTIFICATE"),
        &RSA_PEM.replace("PUBLIC", "RSA PUBLIC"),
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":{}}",
        "{\"keys\":[7]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"post-quantum\"}]}",
        &format!("{{\"kty\":\"EC\",\"crv\":\"P-256\",{point}}}"),
        &format!("{{\"kty\":\"EC\",\"crv\":\"P-999\",{point}}}"),
        &format!("{{\"kty\":\"EC\",\"kty\":\"EC\",\"crv\":\"P-256\",{point}}}"),
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
        &JWKS.replace("ES256", "ES384"),
        &("[".repeat(500) + &"]".repeat(500)).replacen('[', "{\"keys\":[", 1),
    ] {
        let outcome = Key::from_document(&document.into());
        assert!(outcome.is_err(), "{document}: {outcome:?}");
    }
    let many = vec![
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        65
    ];
    let many = format!("{{\"keys\":[{}]}}", many.join(","));
    assert!(Key::from_document(&many.as_str().into()).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", rules(keys(SECRET)));
    assert!(!shown.contains("sixty"), "{shown}");
    let error = Key::from_document(&Secret::from("guess me")).unwrap_err().to_string();
    assert!(!error.contains("guess"), "{error}");
}
