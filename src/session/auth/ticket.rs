//! Tickets: a shared text that the peer says, and that is compared.
//!
//! Of a ticket nothing is kept but its digest. A ticket that was drawn at random needs no more; a
//! password that a human chose must be kept as a hash that takes long, and such a one is checked
//! by somebody who has the time.

use std::fmt;
use std::sync::Arc;

use super::Ticket;
use super::hex::from_hex;
use super::secret::{fingerprint, is_same};
use crate::limits::{KDF_MEMORY_KIB_MAX, KDF_PASSES_MAX};

/// What became of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// Whoever has the time must hash it by this PHC string of Argon2id, and compare.
    Slow(Arc<str>),
}

/// A ticket in a configuration that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTicket(&'static str);

impl fmt::Display for InvalidTicket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Ticket {
    /// What is kept of `ticket` itself.
    #[must_use]
    pub fn of(ticket: &str) -> Self {
        Self::Digest(fingerprint(ticket.as_bytes()))
    }

    /// Reads what a configuration says: `sha256:` and 64 hexadecimal digits, a PHC string of
    /// Argon2id, or else the ticket itself.
    ///
    /// # Errors
    ///
    /// It is empty, or starts like a hash and is none, or is one that nobody should compute.
    pub fn from_text(text: &str) -> Result<Self, InvalidTicket> {
        if text.is_empty() {
            return Err(InvalidTicket("a ticket is not empty"));
        }
        if let Some(digits) = text.strip_prefix("sha256:") {
            let digest = from_hex(digits);
            let wrong = InvalidTicket("behind \"sha256:\" stand 64 hexadecimal digits");
            return digest.map(Self::Digest).ok_or(wrong);
        }
        if text.starts_with("$argon2") {
            check_phc(text)?;
            return Ok(Self::Slow(text.into()));
        }
        Ok(Self::of(text))
    }

    /// Whether `ticket`, as the peer said it, is the one.
    // spec: A-TKT-03, A-AUTH-15
    #[must_use]
    pub fn check(&self, ticket: &str) -> Verdict {
        // The digest is made in any case: what is compared must not show in the time.
        let given = fingerprint(ticket.as_bytes());
        match self {
            Self::Digest(digest) if is_same(digest, &given) => Verdict::Right,
            Self::Digest(_) => Verdict::Wrong,
            Self::Slow(phc) => Verdict::Slow(Arc::clone(phc)),
        }
    }
}

/// Whether `phc` has the form `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH`, at a cost within bounds.
fn check_phc(phc: &str) -> Result<(), InvalidTicket> {
    let form = "a hashed ticket has the form $argon2id$v=19$m=…,t=…,p=…$SALT$HASH";
    let mut parts = phc.split('$').skip(1);
    let mut part = || parts.next().ok_or(InvalidTicket(form));
    if part()? != "argon2id" {
        return Err(InvalidTicket("a ticket is hashed by argon2id, not its sisters"));
    }
    if part()? != "v=19" {
        return Err(InvalidTicket("a ticket is hashed by version 19 of argon2id"));
    }
    let mut costs = part()?.split(',');
    let mut cost = |name: &str| {
        let value = costs.next()?.strip_prefix(name)?.strip_prefix('=')?;
        value.parse::<u32>().ok().filter(|value| *value > 0)
    };
    let (memory, passes, lanes) = (cost("m"), cost("t"), cost("p"));
    let (Some(memory), Some(passes), Some(lanes), None) = (memory, passes, lanes, costs.next())
    else {
        return Err(InvalidTicket(form));
    };
    if memory > KDF_MEMORY_KIB_MAX || passes > KDF_PASSES_MAX || lanes > 16 {
        return Err(InvalidTicket("a hashed ticket would take too long or too much memory"));
    }
    let is_base64 = |text: &str| {
        let mut octets = text.bytes();
        octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/')
    };
    let (salt, hash) = (part()?, part()?);
    let whole = (11..=64).contains(&salt.len()) && (16..=86).contains(&hash.len());
    if !whole || !is_base64(salt) || !is_base64(hash) || parts.next().is_some() {
        return Err(InvalidTicket(form));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$\
        CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    // spec: A-TKT-03
    #[test]
    fn a_ticket_is_right_or_wrong() {
        let plain = Ticket::from_text("rosebud").unwrap();
        let digest = "sha256:c8cbaeca4f3d6b5ac9dbe0cd35e0aeb5a3b4f9bd3eb2c9af9c6ab08f1c4f4b63";
        assert!(matches!(Ticket::from_text(digest), Ok(Ticket::Digest(_))));
        assert_eq!(plain.check("rosebud"), Verdict::Right);
        for wrong in ["", "rosebu", "rosebud ", "Rosebud", "rosebud\0"] {
            assert_eq!(plain.check(wrong), Verdict::Wrong, "{wrong:?}");
        }
        // SHA-256 of "abc", FIPS 180-2.
        let digest = "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let hashed = Ticket::from_text(digest).unwrap();
        assert_eq!(hashed, Ticket::of("abc"));
        assert_eq!(hashed.check("abc"), Verdict::Right);
        assert_eq!(hashed.check(digest), Verdict::Wrong, "the digest itself is no ticket");
    }

    #[test]
    fn a_password_is_checked_by_somebody_else() {
        let slow = Ticket::from_text(PHC).unwrap();
        assert_eq!(slow.check("password"), Verdict::Slow(PHC.into()));
        assert_eq!(slow.check(PHC), Verdict::Slow(PHC.into()));
    }

    #[test]
    fn what_looks_like_a_hash_and_is_none_is_refused() {
        for text in [
            "",
            "sha256:",
            "sha256:00",
            "$argon2",
            "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            &PHC.replace("v=19", "v=16"),
            &PHC.replace("m=19456", "m=99999999"),
            &PHC.replace("t=2", "t=0"),
            &PHC.replace("t=2", "t=4000000000"),
            &PHC.replace("p=1", "p=100"),
            &PHC.replace("t=2,p=1", "p=1,t=2"),
            &PHC.replace("p=1", "p=1,x=1"),
            &PHC.replace("c29tZXNhbHQ", "c29"),
            &PHC.replace("c29tZXNhbHQ", "c29tZXNhbHQ="),
            &PHC[..PHC.len() - 43],
            &format!("{PHC}$more"),
        ] {
            assert!(Ticket::from_text(text).is_err(), "{text:?}");
        }
    }
}
