//! A password from whoever sits at the terminal, or from standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::Command;

use zeroize::Zeroizing;

/// Octets of a password: more are a mistake.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// Reads a password: its characters are not shown, and it is asked for twice, if a human types it.
///
/// # Errors
///
/// There is none, it is no text or too long, or the second is another one than the first.
pub(super) fn password() -> Result<Zeroizing<String>, String> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let _quiet = Quiet::begin();
    ask("Password: ");
    let first = line()?;
    ask("\nThe same again: ");
    let second = line()?;
    ask("\n");
    if first != second {
        return Err("the two passwords are not the same".to_owned());
    }
    Ok(first)
}

/// Says something on standard error: standard output is for the result.
fn ask(text: &str) {
    let mut stderr = io::stderr();
    // Whoever closed it does not want to be asked.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn line() -> Result<Zeroizing<String>, String> {
    let mut octets = Zeroizing::new(Vec::with_capacity(2 * PASSWORD_BYTES_MAX as usize));
    let mut input = io::stdin().lock().take(PASSWORD_BYTES_MAX + 2);
    let read = input.read_until(b'\n', &mut octets);
    read.map_err(|error| format!("standard input: {error}"))?;
    while let Some(b'\n' | b'\r') = octets.last() {
        octets.pop();
    }
    if octets.is_empty() {
        return Err("the password is empty".to_owned());
    }
    if octets.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(format!("the password is longer than {PASSWORD_BYTES_MAX} octets"));
    }
    let text = std::str::from_utf8(&octets).map_err(|_| "the password is not UTF-8")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A terminal that does not show what is typed, for as long as this lives.
struct Quiet;

impl Quiet {
    fn begin() -> Self {
        if !stty("-echo") {
            ask("(what you type will be shown)\n");
        }
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        stty("echo");
    }
}

/// Tells the terminal on standard input; whether that worked.
fn stty(mode: &str) -> bool {
    Command::new("stty").arg(mode).status().is_ok_and(|status| status.success())
}
