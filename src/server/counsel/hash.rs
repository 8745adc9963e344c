//! Hashes that take long on purpose: Argon2id, as PHC strings have it.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::router::advice::Reply;

/// KiB of memory that one hash may take: 256 MiB. It is the configuration that asks for it, but
/// anybody who says a wrong ticket who makes us do it.
pub(super) const MEMORY_KIB_MAX: u32 = 256 << 10;

/// Rounds that a hash may take.
const ROUNDS_MAX: u32 = 64;

/// Octets of a hash.
const HASH_BYTES_MAX: usize = 64;

/// Whether `hash`, a PHC string, is that of `secret`.
pub(super) fn compare(hash: &str, secret: &[u8]) -> Reply {
    match matches(hash, secret) {
        Some(equal) => Reply::Compared(equal),
        None => Reply::Failed("a hash is no PHC string of Argon2id that may be used".to_owned()),
    }
}

/// `None` if `hash` is none, or would take too much.
fn matches(hash: &str, secret: &[u8]) -> Option<bool> {
    // $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH
    let mut parts = hash.strip_prefix("$argon2id$v=19$")?.split('$');
    let (costs, salt, wanted) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (salt, wanted) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(wanted).ok()?);
    let (mut memory, mut rounds, mut lanes) = (None, None, None);
    for cost in costs.split(',') {
        let (name, value) = cost.split_once('=')?;
        let value: u32 = value.parse().ok()?;
        match name {
            "m" => memory = Some(value),
            "t" => rounds = Some(value),
            "p" => lanes = Some(value),
            _ => return None,
        }
    }
    let (memory, rounds) = (memory?, rounds?);
    if memory > MEMORY_KIB_MAX || rounds > ROUNDS_MAX || wanted.len() > HASH_BYTES_MAX {
        return None;
    }
    let params = Params::new(memory, rounds, lanes?, Some(wanted.len())).ok()?;
    let mut found = [0; HASH_BYTES_MAX];
    let found = found.get_mut(..wanted.len())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(secret, &salt, found).ok()?;
    Some(bool::from(found.ct_eq(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of few costs, for tests.
    fn hash_of(secret: &[u8], memory: u32) -> String {
        let params = Params::new(memory, 1, 1, Some(32)).unwrap();
        let mut hash = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(secret, b"some salt", &mut hash).unwrap();
        let (salt, hash) = (STANDARD_NO_PAD.encode("some salt"), STANDARD_NO_PAD.encode(hash));
        format!("$argon2id$v=19$m={memory},t=1,p=1${salt}${hash}")
    }

    #[test]
    fn a_hash_belongs_to_its_secret_alone() {
        let hash = hash_of(b"sesame", 64);
        assert_eq!(compare(&hash, b"sesame"), Reply::Compared(true));
        assert_eq!(compare(&hash, b"Sesame"), Reply::Compared(false));
        assert_eq!(compare(&hash, b""), Reply::Compared(false));
    }

    #[test]
    fn what_is_no_hash_or_would_take_too_much_is_a_failure() {
        let hash = hash_of(b"sesame", 64);
        let more = (MEMORY_KIB_MAX + 1).to_string();
        for garbage in [
            String::new(),
            "sesame".to_owned(),
            hash.replace("argon2id", "argon2i"),
            hash.replace("m=64", &format!("m={more}")),
            hash.replace("t=1", "t=65"),
            hash.replace("t=1", "x=1"),
            hash.replace("t=1", "t=0"),
            hash.replace(",p=1", ""),
            hash.clone() + "$",
            hash.clone() + &"A".repeat(100),
            hash.rsplit_once('$').unwrap().0.to_owned() + "$",
        ] {
            assert!(matches!(compare(&garbage, b"sesame"), Reply::Failed(_)), "{garbage}");
        }
    }
}
