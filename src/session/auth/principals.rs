//! The principals of a realm, and what each of them can prove itself by.
//!
//! All of it is one immutable value: a reload makes another and swaps the pointer. Who asks for an
//! identity that is not there gets a [`Candidate`] all the same, with credentials that nobody has,
//! at the same cost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::hex::from_hex;
use super::mock::Mocks;
use super::{Secret, scram};

/// One identity that can be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name, unique in its realm.
    pub authid: Arc<str>,
    /// The role it gets.
    pub role: Arc<str>,
    /// What it can prove itself by.
    pub credentials: Credentials,
}

/// What a principal can prove itself by: any of it will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// For the method `ticket`.
    pub ticket: Option<Ticket>,
    /// For the method `wampcra`.
    pub cra: Option<Cra>,
    /// For the methods `scram` and `wamp-scram`.
    pub scram: Option<Scram>,
    /// Ed25519 keys, for the method `cryptosign`.
    pub public_keys: Vec<[u8; 32]>,
    /// Client certificates, for the method `tls`.
    pub certificates: Vec<Certificate>,
}

/// What a ticket is compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum Ticket {
    /// The SHA-256 of the ticket: for those that were drawn at random, and so cannot be guessed.
    Digest([u8; 32]),
    /// A hash that takes long on purpose, as a PHC string of Argon2id: for passwords. It is never
    /// computed on a shard.
    Slow(Arc<str>),
}

/// A hash may be all that stands between a password and who guesses.
impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Digest(_) => "Digest",
            Self::Slow(_) => "Slow",
        })
    }
}

/// What a signature of WAMP-CRA is checked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cra {
    /// The key of the signature: the secret itself or, salted, the base64 text of what PBKDF2
    /// makes of it.
    pub key: Secret,
    /// How the peer comes from its password to the key; `None` if the secret is the key.
    pub salted: Option<Salted>,
}

/// The parameters of PBKDF2 (HMAC-SHA256), as WAMP-CRA tells them to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salted {
    /// The salt: its UTF-8 octets are what is hashed.
    pub salt: Arc<str>,
    /// How often is hashed.
    pub iterations: u32,
    /// Octets of the key.
    pub keylen: u32,
}

/// Derivation of keys from passwords, as SCRAM knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kdf {
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2,
    /// Argon2id, version 1.3, one lane.
    Argon2id,
}

/// What a proof of SCRAM is checked by.
// spec: A-SCR-12
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scram {
    /// How the peer comes from its password to the keys.
    pub kdf: Kdf,
    /// The salt.
    pub salt: Arc<[u8]>,
    /// How often is hashed.
    pub iterations: u32,
    /// KiB of memory; zero for PBKDF2.
    pub memory: u32,
    /// Keys of the password: more than one pair if clients disagree on what is made of the hash.
    pub keys: Arc<[ScramKeys]>,
}

/// The pair of keys that SCRAM keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The digest of what the peer proves to know.
    pub stored: [u8; 32],
    /// By which the router proves to know the peer.
    pub server: Secret,
}

/// The stored key alone checks proofs and makes none, but it is still nobody's business.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ScramKeys")
    }
}

/// A client certificate by which a principal is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certificate {
    /// The SHA-256 of the whole certificate.
    Fingerprint([u8; 32]),
    /// Its common name, or one of its alternative names.
    Name(Box<str>),
}

impl Certificate {
    /// Reads what a configuration says: 64 hexadecimal digits, with colons between them or not,
    /// behind `sha256:` or not, are a fingerprint; anything else is a name.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let digits: String = digits.chars().filter(|character| *character != ':').collect();
        match from_hex(&digits) {
            Some(fingerprint) => Self::Fingerprint(fingerprint),
            None => Self::Name(text.into()),
        }
    }
}

/// Two principals that a proof could not tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DuplicatePrincipal {
    /// The same authid.
    Authid(Arc<str>),
    /// The same public key; the authids that have it.
    PublicKey(Arc<str>, Arc<str>),
    /// The same certificate; the authids that have it.
    Certificate(Arc<str>, Arc<str>),
}

impl fmt::Display for DuplicatePrincipal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authid(authid) => write!(formatter, "the principal {authid:?} is there twice"),
            Self::PublicKey(one, other) => {
                write!(formatter, "the principals {one:?} and {other:?} have the same public key")
            }
            Self::Certificate(one, other) => {
                write!(formatter, "the principals {one:?} and {other:?} have the same certificate")
            }
        }
    }
}

/// What somebody who claims to be a principal has to prove, whether there is such a one or not.
#[derive(Clone, Debug)]
pub struct Candidate<C> {
    /// Who it is if the proof is right; `None` if it cannot be right.
    pub principal: Option<Arc<Principal>>,
    /// The role to speak of while nothing is proved.
    pub role: Arc<str>,
    /// What the proof is checked by.
    pub credential: C,
}

/// All principals of a realm.
#[derive(Clone)]
pub struct Principals {
    by_authid: BTreeMap<Arc<str>, Arc<Principal>>,
    by_public_key: BTreeMap<[u8; 32], Arc<Principal>>,
    by_certificate: BTreeMap<Certificate, Arc<Principal>>,
    mocks: Mocks,
}

impl Principals {
    /// Takes `principals` in; the rest is as [`Self::seeded`] has it.
    ///
    /// # Errors
    ///
    /// Two principals cannot be told apart.
    pub fn new(
        principals: impl IntoIterator<Item = Principal>,
        seed: Secret,
    ) -> Result<Self, DuplicatePrincipal> {
        let mut all = Self::seeded(seed);
        principals.into_iter().try_for_each(|principal| all.insert(principal))?;
        Ok(all)
    }

    /// Nobody yet. From `seed` come the parameters that unknown identities are shown: while it
    /// stays the same, they do, across reloads and processes.
    #[must_use]
    pub fn seeded(seed: Secret) -> Self {
        Self {
            by_authid: BTreeMap::new(),
            by_public_key: BTreeMap::new(),
            by_certificate: BTreeMap::new(),
            mocks: Mocks::new(seed),
        }
    }

    /// From here on, what unknown identities are shown comes from `seed`.
    pub fn reseed(&mut self, seed: Secret) {
        self.mocks = self.mocks.seeded(seed);
    }

    /// What unknown identities are shown.
    #[must_use]
    pub const fn mocks(&self) -> &Mocks {
        &self.mocks
    }

    /// Takes another one in.
    ///
    /// # Errors
    ///
    /// It cannot be told apart from one that is there, and is not taken in.
    pub fn insert(&mut self, principal: Principal) -> Result<(), DuplicatePrincipal> {
        let authid = &principal.authid;
        if self.by_authid.contains_key(authid) {
            return Err(DuplicatePrincipal::Authid(Arc::clone(authid)));
        }
        let Credentials { public_keys, certificates, .. } = &principal.credentials;
        let other = public_keys.iter().find_map(|key| self.by_public_key.get(key));
        if let Some(other) = other {
            let (other, authid) = (Arc::clone(&other.authid), Arc::clone(authid));
            return Err(DuplicatePrincipal::PublicKey(other, authid));
        }
        let other = certificates.iter().find_map(|known| self.by_certificate.get(known));
        if let Some(other) = other {
            let (other, authid) = (Arc::clone(&other.authid), Arc::clone(authid));
            return Err(DuplicatePrincipal::Certificate(other, authid));
        }
        let principal = Arc::new(principal);
        self.mocks.learn(&principal);
        for key in &principal.credentials.public_keys {
            self.by_public_key.insert(*key, Arc::clone(&principal));
        }
        for certificate in &principal.credentials.certificates {
            self.by_certificate.insert(certificate.clone(), Arc::clone(&principal));
        }
        self.by_authid.insert(Arc::clone(&principal.authid), principal);
        Ok(())
    }

    /// The principal of that name.
    #[must_use]
    pub fn find(&self, authid: &str) -> Option<&Arc<Principal>> {
        self.by_authid.get(authid)
    }

    /// The principal that has this Ed25519 key.
    #[must_use]
    pub fn by_public_key(&self, key: &[u8; 32]) -> Option<&Arc<Principal>> {
        self.by_public_key.get(key)
    }

    /// The principal that has the certificate with this SHA-256 or else, with the first of `names`
    /// that anybody has, the one with that name.
    #[must_use]
    pub fn by_certificate<'n>(
        &self,
        fingerprint: [u8; 32],
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&Arc<Principal>> {
        let whole = Certificate::Fingerprint(fingerprint);
        let mut names = names.into_iter().map(|name| Certificate::Name(name.into()));
        let found = self.by_certificate.get(&whole);
        found.or_else(|| names.find_map(|name| self.by_certificate.get(&name)))
    }

    /// What a ticket of `authid` is compared with; `None` if no principal has one.
    #[must_use]
    pub fn ticket(&self, authid: &str) -> Option<Candidate<Ticket>> {
        let mock = self.mocks.ticket(authid)?;
        Some(self.candidate(authid, mock, |credentials| credentials.ticket.as_ref()))
    }

    /// What a signature of `authid` by WAMP-CRA is checked by; `None` if no principal can sign so.
    #[must_use]
    pub fn cra(&self, authid: &str) -> Option<Candidate<Cra>> {
        let mock = self.mocks.cra(authid)?;
        Some(self.candidate(authid, mock, |credentials| credentials.cra.as_ref()))
    }

    /// What a proof of `authid` by SCRAM is checked by; `None` if no principal has such keys. The
    /// name may be another spelling of the principal's, as far as SASLprep takes them for one.
    // spec: A-SCR-04, A-SCR-07
    #[must_use]
    pub fn scram(&self, authid: &str) -> Option<Candidate<Scram>> {
        let prepared = scram::normalize(authid);
        let prepared = prepared.as_deref().unwrap_or(authid);
        let name = if self.by_authid.contains_key(authid) { authid } else { prepared };
        let mock = self.mocks.scram(name)?;
        Some(self.candidate(name, mock, |credentials| credentials.scram.as_ref()))
    }

    /// Whether any principal has a public key.
    #[must_use]
    pub fn has_public_keys(&self) -> bool {
        !self.by_public_key.is_empty()
    }

    /// Whether any principal has a certificate.
    #[must_use]
    pub fn has_certificates(&self) -> bool {
        !self.by_certificate.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Principal>> {
        self.by_authid.values()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_authid.is_empty()
    }

    /// The credential of `authid` that `of` picks, or else the mock, which was made in any case.
    fn candidate<C: Clone>(
        &self,
        authid: &str,
        mock: Candidate<C>,
        of: impl Fn(&Credentials) -> Option<&C>,
    ) -> Candidate<C> {
        let known = self.by_authid.get(authid);
        let found = known.and_then(|known| Some((known, of(&known.credentials)?)));
        found.map_or(mock, |(principal, credential)| Candidate {
            principal: Some(Arc::clone(principal)),
            role: Arc::clone(&principal.role),
            credential: credential.clone(),
        })
    }
}

/// They may be many.
impl fmt::Debug for Principals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.by_authid.keys()).finish()
    }
}

/// Nobody, and a seed that is none.
impl Default for Principals {
    fn default() -> Self {
        Self::seeded(Secret::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(authid: &str, credentials: Credentials) -> Principal {
        Principal { authid: authid.into(), role: "guest".into(), credentials }
    }

    fn scram(iterations: u32) -> Scram {
        let keys = ScramKeys { stored: [1; 32], server: Secret::new([2; 32]) };
        let salt = vec![3; 16].into();
        Scram { kdf: Kdf::Pbkdf2, salt, iterations, memory: 0, keys: [keys].into() }
    }

    fn people() -> Principals {
        let salted = Salted { salt: "0123456789".into(), iterations: 5_000, keylen: 24 };
        let slow =
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$".to_owned() + &"A".repeat(43);
        let everything = Credentials {
            ticket: Some(Ticket::Slow(slow.into())),
            cra: Some(Cra { key: "secret".into(), salted: Some(salted) }),
            scram: Some(scram(8_192)),
            public_keys: vec![[7; 32], [8; 32]],
            certificates: vec![
                Certificate::from_text(&"ab".repeat(32)),
                Certificate::from_text("joe.example.com"),
            ],
        };
        let nothing = principal("nobody", Credentials::default());
        Principals::new([principal("joe", everything), nothing], "seed".into()).unwrap()
    }

    #[test]
    fn principals_are_found_by_what_is_theirs() {
        let people = people();
        let authid = |found: Option<&Arc<Principal>>| found.map(|one| one.authid.to_string());
        assert_eq!(authid(people.find("joe")).as_deref(), Some("joe"));
        assert_eq!(authid(people.find("Joe")), None);
        assert_eq!(authid(people.by_public_key(&[8; 32])).as_deref(), Some("joe"));
        assert_eq!(authid(people.by_public_key(&[9; 32])), None);
        let certificate = |fingerprint, names: &[&str]| {
            authid(people.by_certificate(fingerprint, names.iter().copied()))
        };
        assert_eq!(certificate([0xab; 32], &[]).as_deref(), Some("joe"));
        assert_eq!(certificate([0; 32], &["x", "joe.example.com"]).as_deref(), Some("joe"));
        assert_eq!(certificate([0; 32], &["JOE.example.com"]), None);
    }

    #[test]
    fn fingerprints_are_told_from_names() {
        let fingerprint = Certificate::Fingerprint([0xab; 32]);
        let digits = "AB".repeat(32);
        let colons = vec!["ab"; 32].join(":");
        for text in [&*digits, &*colons, &*format!("sha256:{colons}")] {
            assert_eq!(Certificate::from_text(text), fingerprint, "{text}");
        }
        let name = "ab".repeat(31);
        assert_eq!(Certificate::from_text(&name), Certificate::Name(name.into()));
    }

    #[test]
    fn who_cannot_be_told_apart_is_refused() {
        let with_key = |authid| {
            let public_keys = vec![[1; 32]];
            principal(authid, Credentials { public_keys, ..Credentials::default() })
        };
        let with_certificate = |authid| {
            let certificates = vec![Certificate::Name("x".into())];
            principal(authid, Credentials { certificates, ..Credentials::default() })
        };
        let refused = |one, other| Principals::new([one, other], Secret::default()).unwrap_err();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(
            refused(principal("a", Credentials::default()), with_key("a")),
            DuplicatePrincipal::Authid(Arc::clone(&a))
        );
        assert_eq!(
            refused(with_key("a"), with_key("b")),
            DuplicatePrincipal::PublicKey(Arc::clone(&a), Arc::clone(&b))
        );
        assert_eq!(
            refused(with_certificate("a"), with_certificate("b")),
            DuplicatePrincipal::Certificate(a, b)
        );
    }

    // spec: A-SCR-04
    #[test]
    fn an_unknown_principal_looks_like_a_known_one() {
        let people = people();
        for authid in ["ghost", "", "nobody", "Joe"] {
            let scram = people.scram(authid).unwrap();
            assert!(scram.principal.is_none(), "{authid}");
            let (scram, again) = (scram.credential, people.scram(authid).unwrap().credential);
            let shape = (scram.kdf, scram.salt.len(), scram.iterations, scram.memory);
            assert_eq!(shape, (Kdf::Pbkdf2, 16, 8_192, 0));
            assert_eq!(scram, again, "the same at each time");

            let cra = people.cra(authid).unwrap();
            assert!(cra.principal.is_none());
            let salted = cra.credential.salted.unwrap();
            assert_eq!((salted.salt.len(), salted.iterations, salted.keylen), (10, 5_000, 24));

            let ticket = people.ticket(authid).unwrap();
            assert!(ticket.principal.is_none());
            let Ticket::Slow(phc) = ticket.credential else {
                panic!("a ticket that is checked fast: {:?}", ticket.credential);
            };
            assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
            assert_eq!(phc.len(), 31 + 22 + 1 + 43, "{phc}");
        }
        assert_ne!(
            people.scram("ghost").unwrap().credential.salt,
            people.scram("ghosts").unwrap().credential.salt
        );
        let joe = people.scram("joe").unwrap();
        assert_eq!(joe.principal.unwrap().authid, "joe".into());
        assert_eq!(joe.credential.iterations, 8_192);
    }

    // spec: A-SCR-07
    #[test]
    fn a_name_may_be_spelled_as_saslprep_allows() {
        let people = people();
        let found = |authid| people.scram(authid).unwrap().principal.map(|one| one.authid.clone());
        assert_eq!(found("j\u{ad}oe").as_deref(), Some("joe"), "a soft hyphen is nothing");
        assert_eq!(found("\u{ff4a}oe").as_deref(), Some("joe"), "a wide letter is a letter");
        assert_eq!(found("JOE"), None);
        assert_eq!(found("joe\u{7}"), None);
    }

    #[test]
    fn another_seed_makes_other_mocks() {
        let with = |seed: &str| {
            let credentials = Credentials { scram: Some(scram(4_096)), ..Credentials::default() };
            Principals::new([principal("joe", credentials)], seed.into()).unwrap()
        };
        let salt = |seed| with(seed).scram("ghost").unwrap().credential.salt;
        assert_eq!(salt("one"), salt("one"));
        assert_ne!(salt("one"), salt("two"));
    }

    #[test]
    fn a_method_that_nobody_can_use_is_not_there() {
        let nobody = Principals::default();
        assert!(nobody.is_empty() && !nobody.has_public_keys() && !nobody.has_certificates());
        assert!(nobody.ticket("joe").is_none());
        assert!(nobody.cra("joe").is_none());
        assert!(nobody.scram("joe").is_none());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let joe = format!("{:?}", people().find("joe").unwrap());
        assert!(joe.contains("guest"), "{joe}");
        for hidden in ["secret", "argon2id", "[2, 2", "[1, 1"] {
            assert!(!joe.contains(hidden), "{hidden} in {joe}");
        }
        assert_eq!(format!("{:?}", people()), r#"{"joe", "nobody"}"#);
    }
}
