//! A door for those who try the reader of configurations with whatever octets there are.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::world::World;
use super::{Flags, Refused, Source, load_text};
use crate::env::Instant;
use crate::router::Shared;

/// Reads and checks the configuration that `text` is, and makes of it what routers share. Nothing
/// of this machine is looked at: there all files and variables that `text` names say `elsewhere`,
/// and none is set that could replace an option.
///
/// # Errors
///
/// What `gigawamp check` would print of such a file, line by line; at least one.
#[doc(hidden)]
pub fn examine(text: &[u8], elsewhere: &[u8]) -> Result<(), Vec<String>> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(vec!["standard input: cannot be read: it is not UTF-8".to_owned()]);
    };
    let found = (Source::Stdin, Some(text));
    let loaded = match load_text(&Flags::default(), found, &Elsewhere(elsewhere)) {
        Ok(loaded) => loaded,
        Err(Refused::Usage(text)) => return Err(vec![text]),
        Err(Refused::Config(problems)) => {
            return Err(problems.iter().map(ToString::to_string).collect());
        }
    };
    let listeners: Vec<_> = loaded.settings.listeners.iter().collect();
    let config = loaded.settings.config(&listeners, "gigawamp");
    drop(Shared::new(Arc::new(config), 1, [7; 32], Instant::default()));
    Ok(())
}

/// A place where every file and every variable says the same.
struct Elsewhere<'e>(&'e [u8]);

impl World for Elsewhere<'_> {
    fn variable(&self, name: &str) -> Option<OsString> {
        let replaces_option = name.starts_with("GIGAWAMP_");
        (!replaces_option).then(|| OsString::from_vec(self.0.to_vec()))
    }

    fn file(&self, _: &str, bytes_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
        match self.0.len() > bytes_max {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok((Zeroizing::new(self.0.to_vec()), true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fuzzing starts from: a configuration, and behind an octet 0 what its files say.
    const SEEDS: [&[u8]; 5] = [
        include_bytes!("../../../fuzz/corpus/config/example"),
        include_bytes!("../../../fuzz/corpus/config/every_method"),
        include_bytes!("../../../fuzz/corpus/config/every_option"),
        include_bytes!("../../../fuzz/corpus/config/credentials"),
        include_bytes!("../../../fuzz/corpus/config/authorities"),
    ];

    #[test]
    fn what_fuzzing_starts_from_is_sound_as_long_as_its_files_are() {
        for seed in SEEDS {
            let mut parts = seed.split(|octet| *octet == 0);
            let (text, elsewhere) = (parts.next().unwrap(), parts.next());
            assert_eq!(examine(text, elsewhere.unwrap_or_default()), Ok(()));
            if elsewhere.is_some() {
                let problems = examine(text, b"\xff").unwrap_err();
                assert!(!problems.is_empty());
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let problem = "standard input: cannot be read: it is not UTF-8";
        assert_eq!(examine(b"\xff", b""), Err(vec![problem.to_owned()]));
    }
}
