//! Where secrets come from: a configuration file may name them instead of containing them.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use zeroize::Zeroizing;

use super::Environment;

/// Finds the secret that a text of the configuration stands for. An error says why there is none,
/// and never what it is.
pub(super) type Reveal<'r> = &'r dyn Fn(&str) -> Result<Zeroizing<String>, String>;

/// The longest file that is read: a key, a set of keys, or very many principals.
const BYTES_MAX: u64 = 64 << 20;

/// The secret that `written` stands for: a variable if it begins with `env:`, the content of a
/// file without its last line break if it begins with `file:`, else itself.
///
/// A file that every user of the machine can read is taken nevertheless, and `warn` is told:
/// container platforms mount secrets just like that, and whoever were refused there would put
/// them where they are worse off.
///
/// # Errors
///
/// The variable is not set or not UTF-8, the file cannot be read or is no plain file, or there is
/// nothing in it.
pub(super) fn reveal(
    written: &str,
    environment: Environment<'_>,
    warn: &mut dyn FnMut(String),
) -> Result<Zeroizing<String>, String> {
    let secret = if let Some(name) = written.strip_prefix("env:") {
        let value = environment(name).ok_or_else(|| format!("the variable {name} is not set"))?;
        let text = value.into_string().map_err(|_| format!("the variable {name} is not UTF-8"))?;
        Zeroizing::new(text)
    } else if let Some(path) = written.strip_prefix("file:") {
        let (text, is_public) =
            read(path).map_err(|error| format!("the file {path} cannot be read: {error}"))?;
        if is_public {
            warn(format!("the file {path} holds a secret, and every user can read it"));
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

/// The content of a file without its last line break, and whether every user of the machine can
/// read it.
///
/// # Errors
///
/// It cannot be read, is no plain file, not UTF-8, or longer than any secret.
pub(super) fn read(path: &str) -> io::Result<(Zeroizing<String>, bool)> {
    // Looked at before it is opened: to open a pipe could take for ever.
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
    if !std::fs::metadata(path)?.is_file() {
        return Err(wrong("it is no plain file"));
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.size() > BYTES_MAX {
        return Err(wrong("it is longer than 64 MiB"));
    }
    // With room for all of it at once, so that growing leaves no copies behind.
    let room = usize::try_from(metadata.size()).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok((text, metadata.permissions().mode() & 0o004 != 0))
}
