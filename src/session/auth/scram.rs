//! SCRAM: the peer proves that it knows a password, and the router that it knows the peer.
//!
//! Neither of them says the password, and the router does not keep it: whoever steals its file has
//! nothing to log in with. The specification's dialect (`wamp-scram`) and the one that clients in
//! the field speak (`scram`) differ in how nonces are joined, names escaped, the absence of channel
//! binding written, and in what the keys are made of. A dialect's spellings are all tried, each at
//! its cost, so that the time does not tell which was right: each of them is an honest proof.
//!
//! The router never derives a key. It passes the parameters on, and never weaker ones than stored.

mod record;

pub use record::InvalidScram;

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, pbkdf2};
use zeroize::Zeroizing;

use super::secret::{fingerprint, is_same};
use super::{Kdf, Scram, ScramKeys};
use crate::env::Random;

/// Octets of the router's part of the nonce.
const NONCE_BYTES: usize = 16;

/// Octets that a client's nonce may have: fewer are guessed, more are of no use.
const CLIENT_NONCE_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

/// The one channel binding there is: RFC 9266. What TLS 1.3 has no definition of is not offered.
const TLS_EXPORTER: &str = "tls-exporter";

/// Whose SCRAM it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// That of the specification: the method `wamp-scram`.
    Specification,
    /// That of clients in the field: the method `scram`.
    Field,
}

/// What a client says in HELLO.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// By which method it asks.
    pub dialect: Dialect,
    /// The principal it claims to be, as it wrote it.
    pub authid: &'a str,
    /// Its nonce: `authextra.nonce`.
    pub nonce: &'a str,
    /// The channel binding it wants: `authextra.channel_binding`.
    pub channel_binding: Option<&'a str>,
    /// What TLS exports for that, if the connection is over TLS.
    pub exporter: Option<[u8; 32]>,
}

/// Why a client gets no challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its nonce is not canonical base64, or too short or too long.
    Nonce,
    /// Its name cannot be normalized by SASLprep.
    Authid,
    /// There is no such channel binding here.
    ChannelBinding,
}

/// A challenge, and what its answer is checked by.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// `CHALLENGE.Extra.nonce`.
    pub nonce: String,
    /// `CHALLENGE.Extra.salt`.
    pub salt: String,
    /// `CHALLENGE.Extra.kdf`.
    pub kdf: &'static str,
    /// `CHALLENGE.Extra.iterations`.
    pub iterations: u32,
    /// `CHALLENGE.Extra.memory`, in KiB, if the derivation takes memory.
    pub memory: Option<u32>,
    dialect: Dialect,
    binding: Option<Binding>,
    messages: Vec<String>,
    keys: Arc<[ScramKeys]>,
}

/// A channel binding that both sides see.
#[derive(Clone, Debug)]
struct Binding {
    name: &'static str,
    /// Its data in base64.
    data: String,
}

/// What a client says in AUTHENTICATE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The proof: `Signature`.
    pub proof: &'a str,
    /// `Extra.nonce`; clients in the field leave it out.
    pub nonce: Option<&'a str>,
    /// `Extra.channel_binding`.
    pub channel_binding: Option<&'a str>,
    /// `Extra.cbind_data`.
    pub cbind_data: Option<&'a str>,
}

impl Challenge {
    /// A challenge to whoever knows the password behind `scram`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if what the client asked cannot be answered.
    // spec: A-SCR-02, A-SCR-03, A-SCR-05, A-SCR-06, A-SCR-07
    pub fn new(scram: &Scram, asked: &Asked<'_>, random: &mut Random) -> Result<Self, Refusal> {
        let client_nonce = STANDARD.decode(asked.nonce).map_err(|_| Refusal::Nonce)?;
        if !CLIENT_NONCE_BYTES.contains(&client_nonce.len()) {
            return Err(Refusal::Nonce);
        }
        let binding = Binding::wanted(asked)?;
        let names = names(asked)?;
        let mut chance = [0; NONCE_BYTES];
        random.fill(&mut chance);
        let nonce = match asked.dialect {
            Dialect::Specification => asked.nonce.to_owned() + &STANDARD.encode(chance),
            Dialect::Field => STANDARD.encode([&*client_nonce, &chance].concat()),
        };
        let salt = STANDARD.encode(&scram.salt);
        let ends = Binding::spellings(binding.as_ref(), asked.dialect);
        let message = |name: &String, end: &String| {
            let (client, iterations) = (asked.nonce, scram.iterations);
            format!("n={name},r={client},r={nonce},s={salt},i={iterations},c={end},r={nonce}")
        };
        let messages =
            names.iter().flat_map(|name| ends.iter().map(move |end| message(name, end))).collect();
        Ok(Self {
            kdf: kdf_name(scram.kdf, asked.dialect),
            iterations: scram.iterations,
            memory: (scram.kdf == Kdf::Argon2id).then_some(scram.memory),
            dialect: asked.dialect,
            keys: Arc::clone(&scram.keys),
            nonce,
            salt,
            binding,
            messages,
        })
    }

    /// What proves to the client that the router knows it, if `answer` proves the same of the
    /// client: for `WELCOME.Details.authextra`, as `verifier` and as `scram_server_signature`.
    // spec: A-SCR-08, A-SCR-09, A-SCR-13, A-AUTH-15
    #[must_use]
    pub fn check(&self, answer: &Answer<'_>) -> Option<String> {
        // The proof covers the nonce and the binding whatever is said of them beside it.
        let nonce_is_told = self.dialect != Dialect::Specification || answer.nonce.is_some();
        let nonce_is_right = answer.nonce.is_none_or(|nonce| nonce == self.nonce);
        let binding = self.binding.as_ref();
        let name_is_right = answer.channel_binding == binding.map(|binding| binding.name);
        let data_is_right = match (answer.cbind_data, binding) {
            (None, None) => true,
            (Some(data), Some(binding)) => is_same(data.as_bytes(), binding.data.as_bytes()),
            _ => false,
        };
        if !(nonce_is_told && nonce_is_right && name_is_right && data_is_right) {
            return None;
        }
        let proof = STANDARD.decode(answer.proof).ok()?;
        let proof = <[u8; 32]>::try_from(proof).ok()?;
        let mut verifier = None;
        // All of them are tried, at the same cost for each.
        for message in &self.messages {
            for keys in &*self.keys {
                let signature = server_signature(keys, message);
                if proves(keys, message, &proof) {
                    verifier = Some(signature);
                }
            }
        }
        verifier
    }
}

impl Binding {
    /// The binding that a client asks for, if it does.
    // spec: A-SCR-03, A-SCR-17
    fn wanted(asked: &Asked<'_>) -> Result<Option<Self>, Refusal> {
        match (asked.channel_binding, asked.exporter) {
            (None, _) => Ok(None),
            (Some(TLS_EXPORTER), Some(exporter)) => {
                Ok(Some(Self { name: TLS_EXPORTER, data: STANDARD.encode(exporter) }))
            }
            (Some(_), _) => Err(Refusal::ChannelBinding),
        }
    }

    /// What may stand behind `c=` in the message that is signed.
    // spec: A-SCR-10, A-SCR-18
    fn spellings(binding: Option<&Self>, dialect: Dialect) -> Vec<String> {
        let Some(binding) = binding else {
            let none = STANDARD.encode("n,,");
            return match dialect {
                Dialect::Specification => vec![none],
                Dialect::Field => vec![String::new(), none],
            };
        };
        let mut input = format!("p={},,", binding.name).into_bytes();
        // What was encoded just before is decoded without fail.
        input.extend(STANDARD.decode(&binding.data).unwrap_or_default());
        vec![STANDARD.encode(input)]
    }
}

/// The spellings of a name in the message that is signed, each of them once.
// spec: A-SCR-07, A-SCR-10, A-SCR-18
fn names(asked: &Asked<'_>) -> Result<Vec<String>, Refusal> {
    let prepared = normalize(asked.authid).ok_or(Refusal::Authid)?;
    let mut names = vec![escape(&prepared), escape(asked.authid)];
    if asked.dialect != Dialect::Specification {
        names.push(prepared);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A name or a password as SASLprep has it; `None` if it has characters that may not be there.
// spec: A-SCR-07
#[must_use]
pub fn normalize(text: &str) -> Option<String> {
    stringprep::saslprep(text).ok().map(std::borrow::Cow::into_owned)
}

/// What PBKDF2 makes of a password. It takes long on purpose: never to be called on a shard.
// spec: A-SCR-11, A-SCR-15
#[must_use]
pub fn pbkdf2(password: &str, salt: &[u8], iterations: u32) -> Zeroizing<[u8; 32]> {
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    let mut salted = Zeroizing::new([0; 32]);
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut *salted);
    salted
}

/// A name where commas and equals signs mean something else.
fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

const fn kdf_name(kdf: Kdf, dialect: Dialect) -> &'static str {
    match (kdf, dialect) {
        (Kdf::Pbkdf2, _) => "pbkdf2",
        (Kdf::Argon2id, Dialect::Specification) => "argon2id13",
        (Kdf::Argon2id, _) => "argon2id-13",
    }
}

/// Whether `proof` was made by somebody who knows the key behind `keys`.
// spec: A-SCR-11
fn proves(keys: &ScramKeys, message: &str, proof: &[u8; 32]) -> bool {
    let signature = mac(&keys.stored, message.as_bytes());
    let client_key = xor(&signature, proof);
    is_same(&fingerprint(&client_key), &keys.stored)
}

// spec: A-SCR-11
fn server_signature(keys: &ScramKeys, message: &str) -> String {
    STANDARD.encode(mac(keys.server.expose(), message.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&key, message).as_ref());
    tag
}

fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|place| left[place] ^ right[place])
}

#[cfg(test)]
mod tests;
