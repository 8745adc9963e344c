//! The program as a test runs it: with an environment of its own and a bound on every wait.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The longest any step may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// What it printed on standard output.
    pub(crate) out: String,
    /// What it printed on standard error.
    pub(crate) err: String,
}

/// A folder of a test's own, gone at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder of the test `name`.
    pub(crate) fn new(name: &str) -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("gigawamp-{name}-{process}-{count}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The path of `name` inside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with `arguments`, run in `folder`, with nothing in its environment.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigawamp"));
    command.args(arguments).current_dir(folder).env_clear();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs `command` to its end with `input` on its standard input.
pub(crate) fn run(mut command: Command, input: &str) -> Ended {
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    let code = wait(child);
    Ended {
        code,
        out: out.recv().unwrap(),
        err: err.recv().unwrap(),
    }
}

/// Waits for the end of `child`, which must come in time.
fn wait(mut child: Child) -> Option<i32> {
    let (done, ended) = channel();
    let id = child.id();
    thread::spawn(move || done.send(child.wait().unwrap().code()));
    ended
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("process {id} did not end"))
}

/// All that `stream` brings, once it ends.
fn collect(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (done, text) = channel();
    thread::spawn(move || {
        let mut all = String::new();
        let _ = stream.read_to_string(&mut all);
        done.send(all)
    });
    text
}
