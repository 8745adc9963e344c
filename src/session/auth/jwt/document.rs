//! Keys as files have them: PEM, JSON Web Keys, or a shared secret as it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::key::Material;
use super::token::{members, names, set};
use super::{Algorithm, Key};
use crate::session::auth::Secret;
use crate::session::auth::cryptosign;
use crate::session::auth::hex::to_hex;
use crate::wire::json::JsonReader;
use crate::wire::{Malformed, Reader as _};

/// Keys that one document may hold: each may be tried for one token.
const KEYS_MAX: usize = 64;

/// Why a key cannot be used. Never says anything of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey(pub(super) &'static str);

impl fmt::Display for InvalidKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

const NO_JSON: InvalidKey = InvalidKey("a set of JSON Web Keys is not as RFC 7517 has it");
const NO_PEM: InvalidKey = InvalidKey("a PEM file is not as RFC 7468 has it");
const NO_POINT: InvalidKey = InvalidKey("a public key is not a point of its curve");
const TOO_MANY: InvalidKey = InvalidKey("a document has more than 64 keys");

impl Key {
    /// Reads the keys of a document: public keys in PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`), one
    /// JSON Web Key or a set of them, or else a shared secret, white space at its end left out.
    ///
    /// # Errors
    ///
    /// There is none, one is malformed or too weak, or it is a key of another kind.
    pub fn from_document(document: &Secret) -> Result<Vec<Self>, InvalidKey> {
        let text = std::str::from_utf8(document.expose());
        let text = text.map_err(|_| InvalidKey("a key is not text"))?;
        let keys = if text.contains("-----BEGIN") {
            from_pem(text)?
        } else if text.trim_start().starts_with('{') {
            from_json(text.as_bytes())?
        } else {
            vec![Self::shared(Secret::from(text.trim_end()))?]
        };
        match keys.len() {
            0 => Err(InvalidKey("a document has no key that could check a token")),
            1..=KEYS_MAX => Ok(keys),
            _ => Err(TOO_MANY),
        }
    }
}

/// All public keys of a PEM text.
fn from_pem(text: &str) -> Result<Vec<Key>, InvalidKey> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, begin)) = rest.split_once("-----BEGIN ") {
        let (label, body) = begin.split_once("-----").ok_or(NO_PEM)?;
        let (body, behind) = body.split_once(&format!("-----END {label}-----")).ok_or(NO_PEM)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| NO_PEM)?;
        keys.push(match label {
            "PUBLIC KEY" => from_spki(&der)?,
            "RSA PUBLIC KEY" => from_rsa_public_key(&der)?,
            "CERTIFICATE" => {
                return Err(InvalidKey("a certificate is no key: openssl x509 -pubkey has it"));
            }
            _ => return Err(InvalidKey("a PEM file has something else than public keys")),
        });
        if keys.len() > KEYS_MAX {
            return Err(TOO_MANY);
        }
        rest = behind;
    }
    Ok(keys)
}

/// A cursor over DER, as far as public keys need it: RFC 5280, section 4.1.
struct Der<'a>(&'a [u8]);

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl<'a> Der<'a> {
    /// The content of the next element, which must have that tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let [first, length, rest @ ..] = self.0 else {
            return None;
        };
        if *first != tag {
            return None;
        }
        // The highest bit says that the length itself takes so many octets; two are enough here.
        let (length, rest) = match (*length, rest) {
            (short, rest) if short < 0x80 => (usize::from(short), rest),
            (0x81, [low, rest @ ..]) if *low >= 0x80 => (usize::from(*low), rest),
            (0x82, [high, low, rest @ ..]) if *high > 0 => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some(content)
    }

    /// The next element, in which others stand.
    fn sequence(&mut self) -> Option<Self> {
        self.element(SEQUENCE).map(Self)
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// `SubjectPublicKeyInfo`: an algorithm, and a key of it.
fn from_spki(der: &[u8]) -> Result<Key, InvalidKey> {
    let parts = || {
        let mut outside = Der(der);
        let mut inside = outside.sequence()?;
        let mut algorithm = inside.sequence()?;
        let id = algorithm.element(OBJECT_ID)?;
        // No bits are left over in the last octet.
        let (0, key) = inside.element(BIT_STRING)?.split_first().map(|(bits, key)| (*bits, key))?
        else {
            return None;
        };
        (outside.is_over() && inside.is_over()).then_some((id, algorithm, key))
    };
    let (id, mut parameters, key) = parts().ok_or(NO_PEM)?;
    if id == RSA {
        return from_rsa_public_key(key);
    }
    if id == ED25519 && parameters.is_over() {
        return from_ed25519(key);
    }
    if id == ELLIPTIC {
        let curve = parameters.element(OBJECT_ID).ok_or(NO_PEM)?;
        return from_point(curve, key);
    }
    Err(InvalidKey("a public key is neither of RSA nor of P-256, P-384 or Ed25519"))
}

/// `RSAPublicKey`: modulus and exponent.
fn from_rsa_public_key(der: &[u8]) -> Result<Key, InvalidKey> {
    let parts = || {
        let mut outside = Der(der);
        let mut inside = outside.sequence()?;
        let numbers = (inside.element(INTEGER)?, inside.element(INTEGER)?);
        (outside.is_over() && inside.is_over()).then_some(numbers)
    };
    let (modulus, exponent) = parts().ok_or(NO_PEM)?;
    // The highest bit is a sign.
    if [modulus, exponent].iter().any(|number| number.first().is_none_or(|high| *high >= 0x80)) {
        return Err(NO_PEM);
    }
    Key::rsa(modulus, exponent)
}

fn from_point(curve: &[u8], point: &[u8]) -> Result<Key, InvalidKey> {
    // 4: both coordinates follow, uncompressed.
    if point.first() != Some(&4) {
        return Err(NO_POINT);
    }
    let material = if curve == P256 {
        point.try_into().map(Material::P256)
    } else if curve == P384 {
        point.try_into().map(Material::P384)
    } else {
        return Err(InvalidKey("a curve is neither P-256 nor P-384"));
    };
    material.map(Key::new).map_err(|_| NO_POINT)
}

fn from_ed25519(key: &[u8]) -> Result<Key, InvalidKey> {
    let key = cryptosign::public_key_from_hex(&to_hex(key)).ok_or(NO_POINT)?;
    Ok(Key::new(Material::Ed25519(key)))
}

/// One JSON Web Key, or a set of them: RFC 7517. Of a set, keys that are of no use here are left
/// out, as its section 5 has it.
fn from_json(json: &[u8]) -> Result<Vec<Key>, InvalidKey> {
    let mut set_of_keys = None;
    let found = members(json, |name, reader| {
        let value = reader.skip()?;
        if name == "keys" { set(&mut set_of_keys, value) } else { Ok(()) }
    });
    found.map_err(|_| NO_JSON)?;
    let Some(list) = set_of_keys else {
        let key = JsonKey::parse(json).map_err(|_| NO_JSON)?;
        return Ok(key.into_key()?.into_iter().collect());
    };
    let mut keys = Vec::new();
    let mut reader = JsonReader::open(list);
    let mut items = reader.list().map_err(|_| NO_JSON)?;
    while reader.more(&mut items).map_err(|_| NO_JSON)? {
        let json = reader.skip().map_err(|_| NO_JSON)?;
        keys.extend(JsonKey::parse(json).map_err(|_| NO_JSON)?.into_key()?);
        if keys.len() > KEYS_MAX {
            return Err(TOO_MANY);
        }
    }
    Ok(keys)
}

/// The members of a JSON Web Key.
#[derive(Default)]
struct JsonKey {
    kind: Option<String>,
    id: Option<String>,
    purpose: Option<String>,
    operations: Option<Vec<String>>,
    algorithm: Option<String>,
    curve: Option<String>,
    /// `n`, `e`, `x`, `y`, `k`
    numbers: [Option<Secret>; 5],
}

const NUMBERS: [&str; 5] = ["n", "e", "x", "y", "k"];

impl JsonKey {
    fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let mut key = Self::default();
        members(json, |name, reader| {
            if let Some(place) = NUMBERS.iter().position(|number| *number == name) {
                let octets = URL_SAFE_NO_PAD.decode(&*reader.text()?);
                let octets = octets.map_err(|_| Malformed("a number is not base64url"))?;
                return set(&mut key.numbers[place], Secret::new(octets));
            }
            let member = match name {
                "kty" => &mut key.kind,
                "kid" => &mut key.id,
                "use" => &mut key.purpose,
                "alg" => &mut key.algorithm,
                "crv" => &mut key.curve,
                "key_ops" => {
                    let operations = names(JsonReader::open(reader.skip()?))?;
                    return set(&mut key.operations, operations);
                }
                _ => return reader.skip().map(drop),
            };
            set(member, reader.text()?.into_owned())
        })?;
        Ok(key)
    }

    /// The key, unless it is of a kind or for a purpose that is of no use here.
    fn into_key(self) -> Result<Option<Key>, InvalidKey> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return Ok(None);
        }
        let verifies = |names: Vec<String>| names.iter().any(|name| name == "verify");
        if self.operations.is_some_and(|operations| !verifies(operations)) {
            return Ok(None);
        }
        let algorithm = match self.algorithm.as_deref().map(Algorithm::from_name) {
            None => None,
            Some(Some(algorithm)) => Some(algorithm),
            Some(None) => return Ok(None),
        };
        let numbers = self.numbers;
        let number = |place: usize| numbers[place].as_ref().map(Secret::expose).ok_or(NO_JSON);
        let key = match (self.kind.as_deref(), self.curve.as_deref()) {
            (Some("RSA"), _) => Key::rsa(number(0)?, number(1)?)?,
            (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
                let point = [&[4], number(2)?, number(3)?].concat();
                from_point(if curve == "P-256" { P256 } else { P384 }, &point)?
            }
            (Some("OKP"), Some("Ed25519")) => from_ed25519(number(2)?)?,
            (Some("oct"), _) => Key::shared(Secret::new(number(4)?))?,
            (Some(_), _) => return Ok(None),
            (None, _) => return Err(NO_JSON),
        };
        key.narrowed(self.id.map(String::into_boxed_str), algorithm).map(Some)
    }
}
