//! JSON Web Tokens as tickets: somebody whom the realm trusts has signed who the peer is.
//!
//! A token is a compact JWS (RFC 7515) of claims (RFC 7519). Which algorithms may have made a
//! signature is decided by the keys that the realm was given and never by what a token says alone;
//! there is no token without a signature, and none for ever. What a token says is read in place,
//! without a tree, and not before its signature holds, but for the few members of its head.

mod document;
mod key;
#[cfg(test)]
mod tests;
mod token;

pub use document::InvalidKey;
pub use key::{Algorithm, Key};
pub use token::NumericDate;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use zeroize::Zeroizing;

use super::secret::fingerprint;
use crate::env::Instant;
use crate::limits::{AUTHID_BYTES_MAX, SIGNATURE_BYTES_MAX};
use token::{Claims, Head};

/// What the tokens of a realm must be like.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Keys of those who may sign.
    pub keys: Vec<Key>,
    /// Algorithms that they may use; `None`: all that a key is good for.
    pub algorithms: Option<Vec<Algorithm>>,
    /// Whom tokens must be from: the claim `iss`.
    pub issuer: Option<Box<str>>,
    /// Whom tokens must be for: in the claim `aud`. A token that is for somebody is refused if
    /// nothing is said here.
    pub audience: Option<Box<str>>,
    /// The claim that has the bearer's name.
    pub authid_claim: Box<str>,
    /// The claim that has the bearer's role, or a list of roles.
    pub role_claim: Option<Box<str>>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// No keys: no tokens. The name is in `sub`, and clocks differ by less than a minute.
impl Default for Rules {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            algorithms: None,
            issuer: None,
            audience: None,
            authid_claim: "sub".into(),
            role_claim: None,
            leeway: Duration::from_mins(1),
        }
    }
}

/// What a token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The bearer's name.
    pub authid: String,
    /// Its roles as the token has them, the first one first; none if roles are not asked for.
    pub roles: Vec<String>,
}

/// Why a token is not accepted. For the log of the router: the peer is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is too long, or not three parts in base64url of which two are JSON objects.
    Form,
    /// It asks for something that is not understood here: the member `crit`.
    Extension,
    /// Its algorithm is unknown, `none`, or none that its key may use.
    Algorithm,
    /// There is no key for it.
    UnknownKey,
    /// No key has made this signature.
    Signature,
    /// It does not say when it expires, or has expired.
    Expired,
    /// It is not valid yet, or from the future.
    Early,
    /// It is from somebody else.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It does not name its bearer.
    Bearer,
}

impl Rules {
    /// A digest of all that says whose tokens count, keys included, and of `more`.
    #[must_use]
    pub fn fingerprint(&self, more: Option<&str>) -> [u8; 32] {
        let Self { keys, algorithms, issuer, audience, authid_claim, role_claim, leeway: _ } = self;
        // Texts are quoted and counted octets are, so no two sets of rules read the same.
        let said = format!(
            "{:?}",
            (algorithms, issuer, audience, authid_claim, role_claim, more, keys.len())
        );
        let mut all = Zeroizing::new(said.into_bytes());
        keys.iter().for_each(|key| key.write(&mut all));
        fingerprint(&all)
    }

    /// Who bears `token`, if it is right at the moment `now` of Unix time.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if it is not.
    pub fn check(&self, token: &str, now: Instant) -> Result<Bearer, Rejection> {
        if token.len() > SIGNATURE_BYTES_MAX {
            return Err(Rejection::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejection::Form)?;
        let (head, claims) = signed.split_once('.').ok_or(Rejection::Form)?;
        // A further dot is not base64url.
        let (head, claims, signature) = (decode(head)?, decode(claims)?, decode(signature)?);
        let head = Head::parse(&head)?;
        self.check_signature(&head, signed.as_bytes(), &signature)?;
        let role_claim = self.role_claim.as_deref();
        let claims =
            Claims::parse(&claims, &self.authid_claim, role_claim).map_err(|_| Rejection::Form)?;
        self.check_time(&claims, now)?;
        self.check_parties(&claims)?;
        let named = |name: &String| !name.is_empty() && name.len() <= AUTHID_BYTES_MAX;
        let authid = claims.authid.filter(named).ok_or(Rejection::Bearer)?;
        Ok(Bearer { authid, roles: claims.roles })
    }

    fn check_signature(
        &self,
        head: &Head,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Rejection> {
        let algorithm = head.algorithm;
        if self.algorithms.as_ref().is_some_and(|allowed| !allowed.contains(&algorithm)) {
            return Err(Rejection::Algorithm);
        }
        let (mut is_known, mut is_fit) = (false, false);
        for key in self.keys.iter().filter(|key| key.may_be(head.key_id.as_deref())) {
            is_known = true;
            if !key.is_for(algorithm) {
                continue;
            }
            is_fit = true;
            if key.verify(algorithm, signed, signature) {
                return Ok(());
            }
        }
        Err(match (is_known, is_fit) {
            (false, _) => Rejection::UnknownKey,
            (true, false) => Rejection::Algorithm,
            (true, true) => Rejection::Signature,
        })
    }

    fn check_time(&self, claims: &Claims, now: Instant) -> Result<(), Rejection> {
        let now = NumericDate::from(now);
        let expires = claims.expires.ok_or(Rejection::Expired)?;
        if now >= expires.later_by(self.leeway) {
            return Err(Rejection::Expired);
        }
        let latest = now.later_by(self.leeway);
        if [claims.not_before, claims.issued].into_iter().flatten().any(|begin| begin > latest) {
            return Err(Rejection::Early);
        }
        Ok(())
    }

    // RFC 7519, section 4.1.3: a token that is for somebody is not for those it does not name.
    fn check_parties(&self, claims: &Claims) -> Result<(), Rejection> {
        if self.issuer.is_some() && self.issuer.as_deref() != claims.issuer.as_deref() {
            return Err(Rejection::Issuer);
        }
        let is_for_us = match (&self.audience, &claims.audience) {
            (None, None) => true,
            (Some(us), Some(audience)) => audience.iter().any(|name| **name == **us),
            _ => false,
        };
        if is_for_us { Ok(()) } else { Err(Rejection::Audience) }
    }
}

/// Whether `ticket` is to be checked as a token, and not as a ticket that somebody drew.
#[must_use]
pub fn is_token(ticket: &str) -> bool {
    // The head is a JSON object, and so begins with `{"`, or with a brace and white space.
    ticket.starts_with("ey") && ticket.bytes().filter(|octet| *octet == b'.').count() == 2
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::Form)
}
