//! `gigawamp keygen FILE`: a key pair for WAMP-Cryptosign.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::random;
use crate::session::auth::Secret;
use crate::session::auth::cryptosign::RouterKey;
use crate::session::auth::hex::to_hex;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Keygen {
    /// Where the private key goes.
    file: PathBuf,
}

impl Keygen {
    /// Reads the rest of the command line.
    pub(in crate::server) fn parse(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut file = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
                Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
            }
        }
        let file = file.ok_or("keygen: the file for the private key is missing")?;
        Ok(Self { file })
    }

    /// Writes the private key to a file that was not there and that only its owner can read.
    /// Gives the public key, as a line of hexadecimal digits.
    pub(in crate::server) fn run(&self) -> Result<String, String> {
        let private = Secret::from(to_hex(&*random::<32>()?));
        let key = RouterKey::from_hex(&private).ok_or("a key of 32 octets is a key")?;
        self.write(&private).map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(to_hex(&key.public_key()) + "\n")
    }

    fn write(&self, private: &Secret) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&self.file)?;
        file.write_all(private.expose())?;
        file.write_all(b"\n")?;
        file.sync_all()
    }
}
