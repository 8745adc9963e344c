//! `gigawamp passwd`: what a configuration keeps of a password, one line for each method.
//!
//! None of the lines is the password, but each can be guessed at by whoever steals it, at the cost
//! that is chosen here. The line of a WAMP-CRA key is as good as the password to the router itself.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lexopt::{Arg, Parser, ValueExt as _};
use zeroize::Zeroizing;

use super::{prompt, random};
use crate::session::auth::hex::to_hex;
use crate::session::auth::{Kdf, Salted, Scram, ScramKeys, cra, scram};

/// KiB and passes of a hashed ticket: this router computes it for every login.
const TICKET_COST: (u32, u32) = (19 * 1_024, 2);

/// KiB and passes of SCRAM's Argon2: the client computes it.
const SCRAM_COST: (u32, u32) = (64 * 1_024, 3);

/// Iterations of SCRAM's PBKDF2, which the client's own system computes.
const SCRAM_ITERATIONS: u32 = 600_000;

/// Iterations of WAMP-CRA: clients in JavaScript take a second for so many.
const CRA_ITERATIONS: u32 = 100_000;

/// For which method a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Ticket,
    Cra,
    Scram,
    ScramPbkdf2,
}

/// Their names on the command line.
const METHODS: [(&str, Method); 4] = [
    ("ticket", Method::Ticket),
    ("wampcra", Method::Cra),
    ("scram", Method::Scram),
    ("scram-pbkdf2", Method::ScramPbkdf2),
];

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Passwd {
    /// All but SCRAM's PBKDF2 if none is named.
    methods: Vec<Method>,
    authid: Option<String>,
}

impl Passwd {
    /// Reads the rest of the command line.
    pub(in crate::server) fn parse(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut passwd = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("method") => {
                    let name = parser.value()?.string()?;
                    let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name) else {
                        let names = METHODS.map(|(name, _)| name).join(", ");
                        return Err(format!("passwd: {name:?} is none of {names}").into());
                    };
                    passwd.methods.push(*method);
                }
                Arg::Long("authid") => {
                    let authid = parser.value()?.string()?;
                    if authid.is_empty() || authid.chars().any(char::is_control) {
                        return Err("passwd: an authid has characters that can be printed".into());
                    }
                    passwd.authid = Some(authid);
                }
                Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
            }
        }
        Ok(passwd)
    }

    /// Asks for the password and gives the lines of a `[[realms.principals]]`.
    pub(in crate::server) fn run(&self) -> Result<String, String> {
        let password = prompt::password()?;
        let mut lines = String::new();
        if let Some(authid) = &self.authid {
            let authid = authid.replace('\\', "\\\\").replace('"', "\\\"");
            lines += &format!("authid = \"{authid}\"\n");
        }
        let usual = [Method::Ticket, Method::Cra, Method::Scram];
        let methods = if self.methods.is_empty() { &usual[..] } else { &self.methods };
        for method in methods {
            lines += &match method {
                Method::Ticket => ticket(&password)?,
                Method::Cra => wampcra(&password)?,
                Method::Scram => scram(&password, Kdf::Argon2id)?,
                Method::ScramPbkdf2 => scram(&password, Kdf::Pbkdf2)?,
            };
        }
        Ok(lines)
    }
}

fn ticket(password: &str) -> Result<String, String> {
    let salt = random::<16>()?;
    let (memory, passes) = TICKET_COST;
    let hash = argon2id(password, &*salt, (memory, passes))?;
    let (salt, hash) = (STANDARD_NO_PAD.encode(*salt), STANDARD_NO_PAD.encode(*hash));
    Ok(format!("ticket = \"$argon2id$v=19$m={memory},t={passes},p=1${salt}${hash}\"\n"))
}

fn wampcra(password: &str) -> Result<String, String> {
    let salt = to_hex(&*random::<16>()?);
    let salted = Salted { salt: salt.as_str().into(), iterations: CRA_ITERATIONS, keylen: 32 };
    let key = cra::derive(password.as_bytes(), &salted);
    let key = String::from_utf8_lossy(key.expose());
    Ok(format!(
        "secret = \"{key}\"\nsalt = \"{salt}\"\niterations = {CRA_ITERATIONS}\nkeylen = 32\n"
    ))
}

/// Clients of the specification normalize the password first and use the hash itself; autobahn
/// does not, and makes its keys of the hash's text. Both log in with what comes of it.
fn scram(password: &str, kdf: Kdf) -> Result<String, String> {
    let Some(normalized) = scram::normalize(password).map(Zeroizing::new) else {
        return Err("the password has characters that SCRAM cannot use".to_owned());
    };
    let salt = random::<16>()?;
    let hash = |password: &str| match kdf {
        Kdf::Argon2id => argon2id(password, &*salt, SCRAM_COST),
        Kdf::Pbkdf2 => Ok(scram::pbkdf2(password, &*salt, SCRAM_ITERATIONS)),
    };
    let own = hash(&normalized)?;
    let as_typed = if *normalized == password { own.clone() } else { hash(password)? };
    let other = match kdf {
        Kdf::Argon2id => ScramKeys::of_text(&*as_typed),
        Kdf::Pbkdf2 => ScramKeys::of(&*as_typed),
    };
    let own = ScramKeys::of(&*own);
    let keys = if other == own { [own].into() } else { [own, other].into() };
    let (memory, iterations) = match kdf {
        Kdf::Argon2id => SCRAM_COST,
        Kdf::Pbkdf2 => (0, SCRAM_ITERATIONS),
    };
    let record = Scram { kdf, salt: salt.as_slice().into(), iterations, memory, keys };
    Ok(format!("scram = \"{}\"\n", record.to_line()))
}

fn argon2id(
    password: &str,
    salt: &[u8],
    (memory, passes): (u32, u32),
) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut hash = Zeroizing::new([0; 32]);
    let made = Params::new(memory, passes, 1, Some(32)).and_then(|params| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password.as_bytes(), salt, &mut *hash)
    });
    made.map_err(|error| format!("Argon2: {error}"))?;
    Ok(hash)
}
