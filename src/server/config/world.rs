//! What a configuration may refer to: variables of the environment, and files.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::server::file;

/// Where the references of a configuration lead.
pub(in crate::server) trait World {
    /// The variable of the environment of that name.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// The content of the plain file at `path`, and whether every user of the machine can read it.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no plain file, or has more than `bytes_max` octets.
    fn file(&self, path: &str, bytes_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, bool)>;
}

/// This machine, with variables that a function has.
impl<F: Fn(&str) -> Option<OsString>> World for F {
    fn variable(&self, name: &str) -> Option<OsString> {
        self(name)
    }

    fn file(&self, path: &str, bytes_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
        file::read(Path::new(path), bytes_max)
    }
}
