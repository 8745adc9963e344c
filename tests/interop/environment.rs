//! Where the clients are installed, and how they are run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::client::{Client, Run, Server};

/// Runs beside each other. Most of their time they wait.
const RUNS_AT_ONCE: usize = 3;

/// The longest a client may take for all of its steps.
const RUN_TIMEOUT: Duration = Duration::from_secs(180);

/// The installations of Python: the folder of each, and the file that says what belongs into it.
const PYTHONS: [(&str, &str); 2] =
    [("venv", "requirements.txt"), ("venv-older", "requirements-older.txt")];

/// The folder that everything foreign is installed in.
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The one environment of this process, installed when it is first asked for. Without it,
    /// there is a banner on standard error, or a panic where the tests must not be left out.
    pub(crate) fn get() -> Option<&'static Self> {
        static INSTALLED: OnceLock<Result<Environment, String>> = OnceLock::new();
        match INSTALLED.get_or_init(Self::install) {
            Ok(environment) => Some(environment),
            Err(reason) => {
                let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!is_ci, "foreign clients are part of the gate: {reason}");
                announce(&format!("NOT RUN: no foreign client was tried. {reason}"));
                None
            }
        }
    }

    fn install() -> Result<Self, String> {
        let python = "import sys, venv; assert sys.version_info >= (3, 11), sys.version";
        finish(Command::new("python3").args(["-c", python]))?;
        let node = "if (parseInt(process.versions.node) < 20) throw process.version";
        finish(Command::new("node").args(["-e", node]))?;
        finish(Command::new("npm").arg("--version"))?;

        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let folder = target.expect("it lies in the target folder").join("interop");
        let package = script("package.json");
        let requirements = PYTHONS.map(|(_, name)| script(name));
        let wanted = requirements.iter().chain([&package]);
        let wanted: String = wanted.map(|path| fs::read_to_string(path).unwrap()).collect();
        let stamp = folder.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { folder });
        }
        announce("installing foreign clients with pip and npm; only the first time");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for ((name, _), requirements) in PYTHONS.iter().zip(&requirements) {
            let venv = folder.join(name);
            finish(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            finish(
                Command::new(venv.join("bin/python"))
                    .args(["-m", "pip", "install", "--quiet", "--requirement"])
                    .arg(requirements),
            )?;
        }
        fs::copy(&package, folder.join("package.json")).unwrap();
        finish(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(&folder),
        )?;
        fs::write(&stamp, wanted).unwrap();
        Ok(Self { folder })
    }

    /// Starts a client that serves, and waits until it does.
    pub(crate) fn start(&self, address: &str, run: &Run) -> Server {
        Server::start(self.command(address, run), run)
    }

    /// What each of `runs` printed, in their order.
    pub(crate) fn run_all(&self, address: &str, runs: &[Run]) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut printed = Vec::new();
            while let Some((index, run)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                runs.get(index).map(|run| (index, run))
            } {
                let (out, complaints) = output(self.command(address, run));
                printed.push((index, complaints + &out));
            }
            printed
        };
        let mut printed = thread::scope(|scope| {
            let workers = [(); RUNS_AT_ONCE].map(|()| scope.spawn(work));
            workers.map(|worker| worker.join().unwrap()).concat()
        });
        printed.sort_unstable();
        printed.into_iter().map(|(_, output)| output).collect()
    }

    /// What a program in Python prints on standard output.
    pub(crate) fn run_python(&self, text: &str) -> String {
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command.args(["-c", text]);
        let (printed, _) = output(command);
        printed
    }

    fn command(&self, address: &str, run: &Run) -> Command {
        let mut command = if let Some(installation) = run.client.python() {
            let mut python = Command::new(self.folder.join(installation).join("bin/python"));
            python.arg(script(&format!("{}.py", run.client.script())));
            python
        } else {
            let mut node = Command::new("node");
            if run.client == Client::AutobahnJs {
                // It wants the WebSocket of its host, which Node has by default from 22 on.
                node.arg("--experimental-websocket");
            }
            node.arg(script(&format!("{}.js", run.client.script())));
            node
        };
        command.args(run.arguments(address));
        command.env("NODE_PATH", self.folder.join("node_modules"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("INTEROP_REALM", &run.realm);
        command
    }
}

fn script(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/interop").join(name)
}

/// Runs `command` to its end, which must be a success.
fn finish(command: &mut Command) -> Result<(), String> {
    let failure = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("{command:?} failed: {failure}"))
}

/// What `command` prints and what it complains of, until it ends or has had its time.
fn output(mut command: Command) -> (String, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let (done, ended) = channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let in_time = ended.recv_timeout(RUN_TIMEOUT);
    let output = in_time.unwrap_or_else(|_| {
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
        ended.recv().unwrap()
    });
    let output = output.unwrap();
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code().is_none() {
        printed += "FAIL end it was ended by a signal\n";
    } else if !output.status.success() && !printed.contains("FAIL ") {
        printed += "FAIL end it ended with an error\n";
    }
    (printed, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Says something that must not be overlooked.
#[expect(clippy::print_stderr, reason = "a test speaks to whoever runs it")]
fn announce(text: &str) {
    let line = "!".repeat(78);
    eprintln!("\n{line}\n!! interop: {text}\n{line}\n");
}
