//! The file that tells which process runs, and the one beside it that tells how its last reload
//! went.
//!
//! The process holds a lock on its file for as long as it lives, however it ends. So a file that
//! was left behind is told from one whose process is alive, and nobody else's process is ever
//! signalled.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The file of this process.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
    reloads_count: u64,
}

/// How long a running process may take to say how a reload went.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at what it says.
const LOOK: Duration = Duration::from_millis(20);

impl PidFile {
    /// Makes the file at `path` this process's own.
    ///
    /// # Errors
    ///
    /// Another process runs with it, or it cannot be written.
    pub(super) fn take(path: &Path) -> Result<Self, String> {
        let named = |error: io::Error| format!("pid_file {}: {error}", path.display());
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let mut file = options.open(path).map_err(named)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("pid_file {}: another process runs with it", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(named(error)),
        }
        file.set_len(0).map_err(named)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(named)?;
        let mut taken = Self { path: path.to_owned(), _file: file, reloads_count: 0 };
        taken.write("started").map_err(named)?;
        Ok(taken)
    }

    /// Says how a reload went: `ok`, or what is wrong.
    pub(super) fn report(&mut self, outcome: &str) {
        self.reloads_count += 1;
        if let Err(error) = self.write(outcome) {
            tracing::warn!("pid_file {}: {error}", status_path(&self.path).display());
        }
    }

    fn write(&mut self, outcome: &str) -> io::Result<()> {
        let path = status_path(&self.path);
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(".new");
        // Renamed when it is whole: nobody reads half of it.
        std::fs::write(&unfinished, format!("{} {outcome}\n", self.reloads_count))?;
        std::fs::rename(&unfinished, &path)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // If they cannot be removed, the lock tells that they mean nothing.
        let _ = std::fs::remove_file(status_path(&self.path));
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Has the process with the pid file `path` reload, and waits until it has.
///
/// # Errors
///
/// Says what is wrong: nobody runs, or the process refused and why, or it says nothing.
pub(super) fn reload(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("no router runs with the pid_file {shown}"));
        }
        Err(error) => return Err(format!("pid_file {shown}: {error}")),
    };
    // A lock of many is enough to find out whether there is one of one.
    if file.try_lock_shared().is_ok() {
        return Err(format!("no router runs with the pid_file {shown}: it was left behind"));
    }
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(|e| e.to_string())?;
    let pid = text.trim().parse().map(Pid::from_raw);
    let pid = pid.map_err(|_| format!("pid_file {shown}: there is no number in it"))?;
    let before = status(path).map(|(count, _)| count);
    kill(pid, Signal::SIGHUP).map_err(|error| format!("process {pid}: {error}"))?;
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        let _ = poll(&mut [], PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX));
        match status(path).filter(|(count, _)| Some(*count) != before) {
            Some((_, outcome)) if outcome == "ok" => return Ok(()),
            Some((_, outcome)) => return Err(outcome),
            None => {}
        }
    }
    Err(format!("process {pid} does not say how it went; its log may"))
}

/// How many reloads there were, and how the last one went.
fn status(path: &Path) -> Option<(u64, String)> {
    let text = std::fs::read_to_string(status_path(path)).ok()?;
    let (count, outcome) = text.trim_end().split_once(' ')?;
    Some((count.parse().ok()?, outcome.to_owned()))
}

fn status_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".status");
    path.into()
}
