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

use nix::libc::O_NOFOLLOW;
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

/// The longest number of a process, with some room.
const PID_BYTES_MAX: u64 = 32;

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
        // Where others may write too, one of them could have a link there to what is somebody
        // else's.
        let mut file = options.custom_flags(O_NOFOLLOW).open(path).map_err(named)?;
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
        // What was left behind goes; a link goes, too, and not what it leads to.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&unfinished)?;
        file.write_all(format!("{} {outcome}\n", self.reloads_count).as_bytes())?;
        // Renamed when it is whole: nobody reads half of it.
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
    let pid = pid_in(&mut file).map_err(|error| format!("pid_file {shown}: {error}"))?;
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

/// The process that the file tells of: in a container the router may well be the first one. Zero
/// and less mean many processes to the kernel.
fn pid_in(file: &mut File) -> Result<Pid, String> {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(PID_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let pid: i32 = text.trim().parse().map_err(|_| "there is no number in it")?;
    match pid {
        1.. => Ok(Pid::from_raw(pid)),
        _ => Err(format!("{pid} is not the number of a router")),
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("gigawamp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn links_to_the_files_of_others_are_not_followed() {
        let folder = folder("pid-links");
        let (path, theirs) = (folder.join("pid"), folder.join("theirs"));
        std::fs::write(&theirs, "theirs").unwrap();
        symlink(&theirs, &path).unwrap();
        assert!(PidFile::take(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        symlink(&theirs, folder.join("pid.status")).unwrap();
        symlink(&theirs, folder.join("pid.status.new")).unwrap();
        let mut taken = PidFile::take(&path).unwrap();
        assert_eq!(status(&path), Some((0, "started".to_owned())));
        std::fs::write(folder.join("pid.status.new"), "left behind").unwrap();
        taken.report("ok");
        assert_eq!(status(&path), Some((1, "ok".to_owned())));
        drop(taken);
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_the_number_of_one_process_is_a_pid() {
        let folder = folder("pid-numbers");
        let path = folder.join("pid");
        for (text, expected) in [
            ("4711\n", Ok(Pid::from_raw(4_711))),
            ("2", Ok(Pid::from_raw(2))),
            ("1\n", Ok(Pid::from_raw(1))),
            ("0", Err("0 is not the number of a router")),
            ("-1", Err("-1 is not the number of a router")),
            ("-4711", Err("-4711 is not the number of a router")),
            ("4294967297", Err("there is no number in it")),
            ("", Err("there is no number in it")),
        ] {
            std::fs::write(&path, text).unwrap();
            let pid = pid_in(&mut File::open(&path).unwrap());
            assert_eq!(pid, expected.map_err(str::to_owned), "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
