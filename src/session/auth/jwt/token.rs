//! The two JSON objects of a token, read in place.

use std::time::Duration;

use super::{Algorithm, Rejection};
use crate::env::Instant;
use crate::wire::json::JsonReader;
use crate::wire::{Kind, Malformed, Reader as _};

/// Names in a list that are taken in; a token with more of them is refused.
const NAMES_MAX: usize = 64;

const TWICE: Malformed = Malformed("a member is there twice");
const TOO_MANY: Malformed = Malformed("a list is too long");
const NO_DATE: Malformed = Malformed("a date is no number");

/// What the head of a token says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

impl Head {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Rejection> {
        let mut algorithm = None;
        let mut key_id = None;
        let mut is_critical = false;
        let read = members(json, |name, reader| {
            match name {
                "alg" => set(&mut algorithm, reader.text()?.into_owned())?,
                "kid" => set(&mut key_id, reader.text()?.into_owned())?,
                // Whoever does not understand what it names must refuse: RFC 7515, section 4.1.11.
                "crit" => {
                    is_critical = true;
                    reader.skip()?;
                }
                _ => drop(reader.skip()?),
            }
            Ok(())
        });
        read.map_err(|_| Rejection::Form)?;
        if is_critical {
            return Err(Rejection::Extension);
        }
        let algorithm = algorithm.ok_or(Rejection::Form)?;
        let algorithm = Algorithm::from_name(&algorithm).ok_or(Rejection::Algorithm)?;
        Ok(Self { algorithm, key_id })
    }
}

/// What the body of a token says, as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) authid: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<Vec<String>>,
    pub(super) expires: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
    pub(super) issued: Option<NumericDate>,
}

impl Claims {
    pub(super) fn parse(
        json: &[u8],
        authid_claim: &str,
        role_claim: Option<&str>,
    ) -> Result<Self, Malformed> {
        let mut claims = Self::default();
        let mut roles = None;
        members(json, |name, reader| {
            // One claim may serve as more than one of these.
            let value = reader.skip()?;
            let reader = || JsonReader::open(value);
            if name == authid_claim {
                set(&mut claims.authid, reader().text()?.into_owned())?;
            }
            if role_claim == Some(name) {
                set(&mut roles, names(reader())?)?;
            }
            match name {
                "iss" => set(&mut claims.issuer, reader().text()?.into_owned()),
                "aud" => set(&mut claims.audience, names(reader())?),
                "exp" => set(&mut claims.expires, NumericDate::parse(value)?),
                "nbf" => set(&mut claims.not_before, NumericDate::parse(value)?),
                "iat" => set(&mut claims.issued, NumericDate::parse(value)?),
                _ => Ok(()),
            }
        })?;
        claims.roles = roles.unwrap_or_default();
        Ok(claims)
    }
}

/// Calls `each` with the name of each member of the object `json`, to consume its value.
pub(super) fn members<'j>(
    json: &'j [u8],
    mut each: impl FnMut(&str, &mut JsonReader<'j>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = JsonReader::open(json);
    let mut dict = reader.dict()?;
    while reader.more(&mut dict)? {
        let name = reader.key()?;
        each(&name, &mut reader)?;
    }
    reader.end()
}

/// Sets what must not be there twice: two readers of one object must not see different things.
pub(super) fn set<T>(member: &mut Option<T>, value: T) -> Result<(), Malformed> {
    if member.is_some() {
        return Err(TWICE);
    }
    *member = Some(value);
    Ok(())
}

/// One name, or a list of them.
pub(super) fn names(mut reader: JsonReader<'_>) -> Result<Vec<String>, Malformed> {
    if reader.kind()? == Kind::Text {
        return Ok(vec![reader.text()?.into_owned()]);
    }
    let mut list = reader.list()?;
    let mut names = Vec::new();
    while reader.more(&mut list)? {
        if names.len() == NAMES_MAX {
            return Err(TOO_MANY);
        }
        names.push(reader.text()?.into_owned());
    }
    Ok(names)
}

/// A moment, in seconds of Unix time, which may have fractions: RFC 7519, section 2.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl NumericDate {
    fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let kind = JsonReader::open(json).kind()?;
        if !matches!(kind, Kind::Integer | Kind::Float) {
            return Err(NO_DATE);
        }
        let digits = std::str::from_utf8(json).map_err(|_| NO_DATE)?;
        // What JSON allows as a number is one for Rust too, and finite: the reader saw to that.
        digits.parse().map(Self).map_err(|_| NO_DATE)
    }

    pub(super) fn later_by(self, duration: Duration) -> Self {
        Self(self.0 + duration.as_secs_f64())
    }
}

impl From<Instant> for NumericDate {
    fn from(moment: Instant) -> Self {
        Self(Duration::from_nanos(moment.as_nanos()).as_secs_f64())
    }
}
