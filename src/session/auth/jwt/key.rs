//! Keys of those who sign tokens, and what each is good for.

use std::fmt;

use ring::signature::{self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents};
use ring::{hmac, signature::UnparsedPublicKey};

use super::document::InvalidKey;
use crate::session::auth::{Secret, cryptosign};

/// Octets of an RSA modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;

/// How a token is signed: RFC 7518, section 3.1, and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The algorithm of that name; `none` is not one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn means(self) -> Means {
        match self {
            // RFC 7518, section 3.2: a key has as many octets as the digest, or more.
            Self::Hs256 => Means::Hmac(hmac::HMAC_SHA256, 32),
            Self::Hs384 => Means::Hmac(hmac::HMAC_SHA384, 48),
            Self::Hs512 => Means::Hmac(hmac::HMAC_SHA512, 64),
            Self::Rs256 => Means::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Means::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Means::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Means::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Means::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Means::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Means::P256,
            Self::Es384 => Means::P384,
            Self::EdDsa => Means::Ed25519,
        }
    }
}

/// What checks a signature of an algorithm.
enum Means {
    /// A digest, and the least octets of a key.
    Hmac(hmac::Algorithm, usize),
    Rsa(&'static RsaParameters),
    P256,
    P384,
    Ed25519,
}

/// A key of somebody who signs tokens.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name, by which tokens may refer to it.
    id: Option<Box<str>>,
    /// The one algorithm it is for, if its owner says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone)]
pub(super) enum Material {
    Shared(Secret),
    Rsa { modulus: Box<[u8]>, exponent: Box<[u8]> },
    P256([u8; 65]),
    P384([u8; 97]),
    Ed25519([u8; 32]),
}

impl fmt::Debug for Material {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shared(_) => "Shared",
            Self::Rsa { .. } => "Rsa",
            Self::P256(_) => "P256",
            Self::P384(_) => "P384",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

impl Key {
    /// A key that is good for all algorithms of its kind.
    pub(super) const fn new(material: Material) -> Self {
        Self { id: None, algorithm: None, material }
    }

    /// Writes all of it, so that no two keys read the same.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let Self { id, algorithm, material } = self;
        to.extend_from_slice(format!("{:?}", (id, algorithm, material)).as_bytes());
        let parts: [&[u8]; 2] = match material {
            Material::Shared(secret) => [secret.expose(), &[]],
            Material::Rsa { modulus, exponent } => [modulus, exponent],
            Material::P256(point) => [point, &[]],
            Material::P384(point) => [point, &[]],
            Material::Ed25519(key) => [key, &[]],
        };
        for part in parts {
            to.extend_from_slice(&part.len().to_be_bytes());
            to.extend_from_slice(part);
        }
    }

    /// The same, with a name, and for one algorithm alone.
    ///
    /// # Errors
    ///
    /// The key is not of that algorithm's kind.
    pub(super) fn narrowed(
        mut self,
        id: Option<Box<str>>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, InvalidKey> {
        self.id = id;
        self.algorithm = algorithm;
        if algorithm.is_some_and(|algorithm| !self.is_for(algorithm)) {
            return Err(InvalidKey("a key cannot be of the algorithm that it says"));
        }
        Ok(self)
    }

    /// A secret that whoever signs and this router share.
    ///
    /// # Errors
    ///
    /// It is shorter than 32 octets: RFC 7518 allows none that is shorter than the digest.
    pub fn shared(secret: Secret) -> Result<Self, InvalidKey> {
        if secret.expose().len() < 32 {
            return Err(InvalidKey("a secret that signs tokens has at least 32 octets"));
        }
        Ok(Self::new(Material::Shared(secret)))
    }

    /// An RSA key, of its two numbers, the highest octet first.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, InvalidKey> {
        let modulus = trimmed(modulus);
        let exponent = trimmed(exponent);
        if !MODULUS_BYTES.contains(&modulus.len()) {
            return Err(InvalidKey("an RSA key has 2048 to 8192 bits"));
        }
        if exponent.is_empty() || exponent.len() > 4 {
            return Err(InvalidKey("the exponent of an RSA key has at most 32 bits"));
        }
        Ok(Self::new(Material::Rsa { modulus, exponent }))
    }

    /// Whether a token that names its key so, or does not, may be signed by this one.
    pub(super) fn may_be(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(id)) => **own == *id,
            _ => true,
        }
    }

    /// Whether this key may be used with `algorithm`.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return false;
        }
        match (&self.material, algorithm.means()) {
            (Material::Shared(secret), Means::Hmac(_, least)) => secret.expose().len() >= least,
            (Material::Rsa { .. }, Means::Rsa(_))
            | (Material::P256(_), Means::P256)
            | (Material::P384(_), Means::P384)
            | (Material::Ed25519(_), Means::Ed25519) => true,
            _ => false,
        }
    }

    /// Whether `signature` is what the owner of this key made of `signed` by `algorithm`.
    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        match (&self.material, algorithm.means()) {
            (Material::Shared(secret), Means::Hmac(digest, _)) => {
                let key = hmac::Key::new(digest, secret.expose());
                hmac::verify(&key, signed, signature).is_ok()
            }
            (Material::Rsa { modulus, exponent }, Means::Rsa(parameters)) => {
                let key = RsaPublicKeyComponents { n: &**modulus, e: &**exponent };
                key.verify(parameters, signed, signature).is_ok()
            }
            (Material::P256(point), Means::P256) => {
                is_ecdsa(&signature::ECDSA_P256_SHA256_FIXED, point, signed, signature)
            }
            (Material::P384(point), Means::P384) => {
                is_ecdsa(&signature::ECDSA_P384_SHA384_FIXED, point, signed, signature)
            }
            (Material::Ed25519(key), Means::Ed25519) => <&[u8; 64]>::try_from(signature)
                .is_ok_and(|signature| cryptosign::verify(key, signed, signature)),
            _ => false,
        }
    }
}

fn is_ecdsa(
    algorithm: &'static EcdsaVerificationAlgorithm,
    point: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
}

/// A number without leading zeros.
fn trimmed(number: &[u8]) -> Box<[u8]> {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default().into()
}
