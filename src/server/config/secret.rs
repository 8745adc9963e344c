//! Where secrets come from: a configuration file may name them instead of containing them.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::world::World;
use crate::server::file;

/// Finds what texts of a configuration refer to.
pub(super) trait Finder {
    /// The secret that `written` stands for.
    ///
    /// # Errors
    ///
    /// Says why there is none, and never what it is.
    fn secret(&self, written: &str) -> Result<Zeroizing<String>, String>;

    /// The content of the file at `path`.
    ///
    /// # Errors
    ///
    /// Says why it cannot be read.
    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String>;
}

/// Whatever finds what is referred to.
pub(super) type Reveal<'r> = &'r dyn Finder;

/// What is found in the world outside of a configuration.
pub(super) struct References<'w> {
    pub(super) world: &'w dyn World,
    /// What an operator should know of what was found.
    pub(super) warnings: &'w RefCell<Vec<String>>,
}

/// The longest file with secrets that is read: a key, a set of keys, or very many principals.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// The longest other file: many certificates, and no disk image.
const OTHER_BYTES_MAX: usize = 4 << 20;

impl Finder for References<'_> {
    /// A variable if it begins with `env:`, the content of a file without its last line break if
    /// it begins with `file:`, else itself.
    ///
    /// A file that every user of the machine can read is taken nevertheless, with a warning:
    /// container platforms mount secrets just like that, and whoever were refused there would put
    /// them where they are worse off.
    fn secret(&self, written: &str) -> Result<Zeroizing<String>, String> {
        let secret = if let Some(name) = written.strip_prefix("env:") {
            let value = self.world.variable(name);
            let value = value.ok_or_else(|| format!("the variable {name} is not set"))?;
            let text =
                value.into_string().map_err(|_| format!("the variable {name} is not UTF-8"))?;
            Zeroizing::new(text)
        } else if let Some(path) = written.strip_prefix("file:") {
            let (text, is_public) = read(self.world, path)
                .map_err(|error| format!("the file {path} cannot be read: {error}"))?;
            if is_public {
                let text = format!("the file {path} holds a secret, and every user can read it");
                self.warnings.borrow_mut().push(text);
            }
            text
        } else {
            Zeroizing::new(written.to_owned())
        };
        match secret.is_empty() {
            true => Err("the secret is empty".to_owned()),
            false => Ok(secret),
        }
    }

    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let content = self.world.file(path, OTHER_BYTES_MAX).map(|(content, _)| content);
        content.map_err(|error| error.to_string())
    }
}

/// For those who know the secrets and need no files.
#[cfg(test)]
impl<F: Fn(&str) -> Result<Zeroizing<String>, String>> Finder for F {
    fn secret(&self, written: &str) -> Result<Zeroizing<String>, String> {
        self(written)
    }

    fn file(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("there are no files".to_owned())
    }
}

/// For what refers to nothing.
pub(super) struct Nothing;

impl Finder for Nothing {
    fn secret(&self, _: &str) -> Result<Zeroizing<String>, String> {
        Err("a preset is no secret".to_owned())
    }

    fn file(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("a preset is no file".to_owned())
    }
}

/// The content of a file without its last line break, and whether every user of the machine can
/// read it.
///
/// # Errors
///
/// It cannot be read, is no plain file, not UTF-8, or longer than any secret.
pub(super) fn read(world: &dyn World, path: &str) -> std::io::Result<(Zeroizing<String>, bool)> {
    let (content, is_public) = world.file(path, BYTES_MAX)?;
    let mut text = file::into_text(content)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok((text, is_public))
}
