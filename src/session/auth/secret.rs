//! What must not be seen: tickets, passwords, keys.
//!
//! A [`Secret`] says nothing in debug output, is wiped from memory when it goes, and is compared
//! in constant time. How to read it is the one thing that has to be asked for by name.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Octets that must not reach a log, an error text or another peer.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Keeps `octets`, and wipes them when it goes.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// What is kept: to compute with, never to show.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// In constant time, but for the lengths' part in the cost of a digest.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        is_same(&fingerprint(&self.0), &fingerprint(&other.0))
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Whether `left` and `right` are the same, in a time that depends on their lengths alone.
#[must_use]
pub fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// The SHA-256 of `octets`: what is compared where lengths are not to be told either.
#[must_use]
pub fn fingerprint(octets: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, octets).as_ref());
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_says_nothing_of_itself() {
        let secret = Secret::from("rosebud");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
        assert_eq!(secret.expose(), b"rosebud");
    }

    #[test]
    fn secrets_are_the_same_by_all_their_octets() {
        assert_eq!(Secret::from("rosebud"), Secret::from("rosebud".to_owned()));
        for other in ["", "rosebuD", "rosebud ", "osebud", "rosebud\0"] {
            assert_ne!(Secret::from("rosebud"), Secret::from(other), "{other:?}");
        }
        assert!(Secret::default().is_empty());
    }

    #[test]
    fn slices_of_different_lengths_are_never_the_same() {
        assert!(is_same(b"", b""));
        assert!(is_same(b"abc", b"abc"));
        assert!(!is_same(b"abc", b"abcd"));
        assert!(!is_same(b"abc", b"abd"));
    }
}
