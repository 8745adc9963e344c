//! The program as a test runs it: with an environment of its own and a bound on every wait.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
    program_at(Path::new(env!("CARGO_BIN_EXE_gigawamp")), folder, arguments)
}

/// The same, from a copy of it at `path`.
pub(crate) fn program_at(path: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
    Ended { code, out: out.recv().unwrap(), err: err.recv().unwrap() }
}

/// The drivers that a router can use here, as its configuration calls them.
pub(crate) fn drivers() -> &'static [&'static str] {
    static DRIVERS: OnceLock<&[&str]> = OnceLock::new();
    DRIVERS.get_or_init(|| {
        // One that may use io_uring gets as far as to find its address taken.
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let text =
            format!("[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"{address}\"\n");
        let folder = Folder::new("probe");
        let ended = run(program(&folder.path(""), &["--config", "-", "--io", "uring"]), &text);
        if ended.err.contains("cannot listen") { &["uring", "epoll"] } else { &["epoll"] }
    })
}

/// Runs `test` for each driver with a router of two shards and one realm that listens on TCP. The
/// configuration begins with `top` and ends with `tables`.
pub(crate) fn with_each_driver(top: &str, tables: &str, test: impl Fn(Router)) {
    for driver in drivers() {
        let text = format!(
            "io = \"{driver}\"\nshards = 2\n{top}\n[[realms]]\nname = \"realm1\"\n\
             [[listeners]]\naddress = \"127.0.0.1:0\"\n{tables}\n"
        );
        test(Router::start(driver, &text));
    }
}

/// How much longer than usual tests should be.
pub(crate) fn factor() -> u64 {
    std::env::var("GIGAWAMP_TEST_FACTOR").map_or(1, |text| text.parse().unwrap())
}

/// A router at work.
pub(crate) struct Router {
    pub(crate) id: Pid,
    ended: Receiver<Option<i32>>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Router {
    /// Starts the router with the configuration `text` and waits until it is ready.
    pub(crate) fn start(name: &str, text: &str) -> Self {
        let folder = Folder::new(name);
        let mut router = Self::spawn(program(&folder.path(""), &["--config", "-"]), text);
        router.await_line("ready in ");
        router
    }

    /// Starts `command` with `input` on its standard input and waits for nothing.
    pub(crate) fn spawn(mut command: Command, input: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let id = Pid::from_raw(child.id().try_into().unwrap());
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = channel();
        thread::spawn(move || {
            // Once the test takes no more lines, the pipe is closed: nobody reads the log then.
            stderr.lines().map_while(Result::ok).all(|text| line.send(text).is_ok())
        });
        let (done, ended) = channel();
        thread::spawn(move || done.send(child.wait().unwrap().code()));
        Self { id, ended, lines, seen: Vec::new() }
    }

    /// Waits for a line that has `text` in it and returns it. Lines before it count as seen.
    pub(crate) fn await_line(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no line with {text:?} after {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where it listens: what stands between `text` and the next `/` or space of the log.
    pub(crate) fn address(&self, text: &str) -> String {
        let mut rests = self.seen.iter().filter_map(|line| line.split_once(text));
        let (_, rest) = rests.next().unwrap_or_else(|| panic!("{text:?} in {:#?}", self.seen));
        rest.split(['/', ' ']).next().unwrap_or_default().to_owned()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id, signal).unwrap();
    }

    /// Octets of memory that it has, and the most that it ever had.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let kibibytes = |name: &str| {
            let mut values = status.lines().filter_map(|line| line.strip_prefix(name));
            let value = values.next().unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
            value.parse::<u64>().unwrap() << 10
        };
        (kibibytes("VmRSS"), kibibytes("VmHWM"))
    }

    /// Has the most memory that it ever had begin anew with what it has now.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.id), "5").unwrap();
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors_count(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id)).unwrap().count()
    }

    /// At how many TCP sockets it listens.
    pub(crate) fn listening_count(&self) -> usize {
        let folder = format!("/proc/{}", self.id);
        let tables =
            ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("{folder}/net/{name}")));
        let listening: Vec<String> = tables
            .iter()
            .flat_map(|table| table.iter().flat_map(|text| text.lines().skip(1)))
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
            .filter(|words| words[3] == "0A")
            .map(|words| format!("socket:[{}]", words[9]))
            .collect();
        let open = std::fs::read_dir(format!("{folder}/fd")).unwrap();
        let sockets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        sockets.filter(|link| listening.iter().any(|socket| link.as_os_str() == &**socket)).count()
    }

    /// Reads no more of its log, as a log collector that died.
    pub(crate) fn ignore_log(&mut self) {
        self.lines = channel().1;
    }

    /// Has it stop, which it must do in good order; returns the last but one line of its log, which
    /// sums up what it did.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::SIGTERM);
        let (code, lines) = self.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        lines.into_iter().rev().nth(1).unwrap()
    }

    /// Waits for its end; returns its exit code and every line of its log.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let Ok(code) = self.ended.recv_timeout(PATIENCE) else {
            panic!("it did not end after {:#?}", self.seen);
        };
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        (code, std::mem::take(&mut self.seen))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Only a test that failed leaves it running. Until the waiting thread has its exit code,
        // the id cannot belong to another process.
        if self.ended.try_recv().is_err_and(|error| error == TryRecvError::Empty) {
            let _ = kill(self.id, Signal::SIGKILL);
        }
    }
}

/// Waits for the end of `child`, which must come in time.
fn wait(mut child: Child) -> Option<i32> {
    let (done, ended) = channel();
    let id = Pid::from_raw(child.id().try_into().unwrap());
    thread::spawn(move || done.send(child.wait().unwrap().code()));
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = kill(id, Signal::SIGKILL);
        panic!("process {id} did not end")
    })
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
