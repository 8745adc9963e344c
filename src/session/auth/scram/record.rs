//! What is kept of a password, as one line of text.
//!
//! `pbkdf2$i=600000$SALT$STORED:SERVER` or `argon2id13$i=3,m=65536$SALT$STORED:SERVER`, all in
//! base64; a second pair of keys may follow. Clients in the field make their keys of the hash's
//! base64 text instead of its octets, so a password that both kinds use has two.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{fingerprint, mac};
use crate::limits::{
    KDF_MEMORY_KIB_MAX, KDF_PASSES_MAX, KDF_WORK_KIB_MIN, PBKDF2_ITERATIONS_MAX,
    PBKDF2_ITERATIONS_MIN,
};
use crate::session::auth::{Kdf, Scram, ScramKeys, Secret};

/// Octets of a salt that are enough, and that are too many.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// KiB without which Argon2 cannot work at all.
const ARGON2_MEMORY_KIB_MIN: u32 = 8;

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidScram(&'static str);

impl fmt::Display for InvalidScram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

const FORM: InvalidScram = InvalidScram(
    "a SCRAM record has the form pbkdf2$i=…$SALT$STORED:SERVER \
     or argon2id13$i=…,m=…$SALT$STORED:SERVER",
);

impl Kdf {
    /// The derivation that has `name`, in either dialect.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "pbkdf2" => Some(Self::Pbkdf2),
            "argon2id13" | "argon2id-13" => Some(Self::Argon2id),
            _ => None,
        }
    }
}

impl ScramKeys {
    /// The keys that belong to `salted`, the salted password.
    // spec: A-SCR-11
    #[must_use]
    pub fn of(salted: &[u8]) -> Self {
        let client = Zeroizing::new(mac(salted, b"Client Key"));
        let server = Zeroizing::new(mac(salted, b"Server Key"));
        Self { stored: fingerprint(&*client), server: Secret::new(*server) }
    }

    /// The keys that belong to the base64 text of `salted` without padding.
    // spec: A-SCR-18
    #[must_use]
    pub fn of_text(salted: &[u8]) -> Self {
        Self::of(Zeroizing::new(STANDARD_NO_PAD.encode(salted)).as_bytes())
    }
}

impl Scram {
    /// Reads one line, as [`Self::to_line`] writes it.
    ///
    /// # Errors
    ///
    /// It has another form, or asks for less or more work than is good.
    pub fn from_line(line: &str) -> Result<Self, InvalidScram> {
        let mut parts = line.trim().split('$');
        let mut part = || parts.next().ok_or(FORM);
        let kdf = Kdf::from_name(part()?).ok_or(FORM)?;
        let mut costs = part()?.split(',');
        let mut cost = |name: &str| -> Option<u32> {
            costs.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()
        };
        let iterations = cost("i").ok_or(FORM)?;
        let memory = match kdf {
            Kdf::Pbkdf2 => 0,
            Kdf::Argon2id => cost("m").ok_or(FORM)?,
        };
        if costs.next().is_some() {
            return Err(FORM);
        }
        let salt = STANDARD.decode(part()?).map_err(|_| FORM)?;
        let keys = parts.map(read_keys).collect::<Option<Arc<[_]>>>().ok_or(FORM)?;
        let scram = Self { kdf, salt: salt.into(), iterations, memory, keys };
        scram.check_costs().map(|()| scram)
    }

    /// One line that says all of it.
    #[must_use]
    pub fn to_line(&self) -> String {
        let costs = match self.kdf {
            Kdf::Pbkdf2 => format!("pbkdf2$i={}", self.iterations),
            Kdf::Argon2id => format!("argon2id13$i={},m={}", self.iterations, self.memory),
        };
        let mut line = format!("{costs}${}", STANDARD.encode(&self.salt));
        for keys in &*self.keys {
            let (stored, server) = (keys.stored, keys.server.expose());
            line += &format!("${}:{}", STANDARD.encode(stored), STANDARD.encode(server));
        }
        line
    }

    /// Whether a client may be asked for such work: neither so little that its password can be
    /// guessed nor so much that it is hurt.
    ///
    /// # Errors
    ///
    /// Says what is wrong.
    // spec: A-SCR-15
    pub fn check_costs(&self) -> Result<(), InvalidScram> {
        if !SALT_BYTES.contains(&self.salt.len()) {
            return Err(InvalidScram("the salt of SCRAM has 8 to 64 octets"));
        }
        if !(1..=2).contains(&self.keys.len()) {
            return Err(InvalidScram("SCRAM has one pair of keys, or two"));
        }
        match self.kdf {
            Kdf::Pbkdf2 => self.check_pbkdf2(),
            Kdf::Argon2id => self.check_argon2(),
        }
    }

    const fn check_pbkdf2(&self) -> Result<(), InvalidScram> {
        if self.iterations < PBKDF2_ITERATIONS_MIN {
            return Err(InvalidScram("PBKDF2 has at least 4096 iterations"));
        }
        if self.iterations > PBKDF2_ITERATIONS_MAX {
            return Err(InvalidScram("PBKDF2 has at most 10 million iterations"));
        }
        Ok(())
    }

    fn check_argon2(&self) -> Result<(), InvalidScram> {
        if !(ARGON2_MEMORY_KIB_MIN..=KDF_MEMORY_KIB_MAX).contains(&self.memory) {
            return Err(InvalidScram("Argon2 takes from 8 KiB to 1 GiB of memory"));
        }
        if self.iterations > KDF_PASSES_MAX {
            return Err(InvalidScram("Argon2 has at most a million iterations"));
        }
        if u64::from(self.memory) * u64::from(self.iterations) < KDF_WORK_KIB_MIN {
            return Err(InvalidScram("Argon2 writes at least 32 MiB in all its iterations"));
        }
        Ok(())
    }
}

fn read_keys(text: &str) -> Option<ScramKeys> {
    let (stored, server) = text.split_once(':')?;
    let octets = |text| <[u8; 32]>::try_from(STANDARD.decode(text).ok()?).ok();
    Some(ScramKeys { stored: octets(stored)?, server: Secret::new(octets(server)?) })
}
