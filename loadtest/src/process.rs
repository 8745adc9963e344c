//! Other processes: the router under test, the relay, and what the kernel says about them.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gigawamp::wire::Framing;

use crate::net::{Address, Target};
use crate::report::Stopwatch;
use crate::{Trouble, sys, tls};

/// A process that was started for this run; it ends with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// A temporary file or folder that goes with it.
    leaves: Option<PathBuf>,
}

/// How the router under test is started.
#[derive(Clone, Debug)]
pub struct RouterOptions {
    /// Its binary.
    pub binary: PathBuf,
    /// How many shards it has.
    pub shards: usize,
    /// How its sockets are driven: `auto`, `uring` or `epoll`.
    pub io: String,
    /// Rules of the role that all sessions have; 0: there are no roles.
    pub rules: usize,
    /// How long a shard looks for work before it sleeps.
    pub busy_poll: Duration,
    /// The CPUs it may use; empty: all.
    pub cpus: Vec<usize>,
}

impl RouterOptions {
    /// Starts a router that listens at `target` for `realm`, and waits until it does.
    ///
    /// # Errors
    ///
    /// If it cannot be started, with what it said about that.
    pub fn start(&self, target: &Target, realm: &str) -> Result<Server, Trouble> {
        let folder = std::env::temp_dir().join(format!("loadtest-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let config = folder.join("gigawamp.toml");
        let mut text = self.config(target, realm);
        if target.tls {
            let (certificate, key) = tls::certificate()?;
            let path = folder.join("router.pem");
            fs::write(&path, certificate + &key)?;
            // The listener is the last table.
            write!(text, "tls = \"required\"\ncertificates = [{path:?}]\n")
                .map_err(|error| Trouble::Rig(error.to_string()))?;
        }
        fs::write(&config, text)?;
        let log = folder.join("log");
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&config).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let child = spawn(&mut command, &self.cpus)
            .map_err(|error| Trouble::Rig(format!("{}: {error}", self.binary.display())))?;
        let mut server = Server { child, leaves: Some(folder) };
        server.await_listener(&target.address, START_PATIENCE).map_err(|why| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            Trouble::Rig(format!("the router {why}; it said:\n{said}"))
        })?;
        Ok(server)
    }

    fn config(&self, target: &Target, realm: &str) -> String {
        let address = match &target.address {
            Address::Tcp(host) => host.clone(),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        let paths = match target.framing {
            Framing::WebSocket | Framing::Batched(_) => format!("paths = [{:?}]\n", target.path),
            Framing::RawSocket => String::new(),
        };
        format!(
            "shards = {}\nio = {:?}\nbusy_poll = \"{}us\"\nlog_level = \"warn\"\n\n\
             [[realms]]\nname = {realm:?}\nmeta_kill = true\n{}\n\
             [[listeners]]\naddress = {address:?}\nmessage_bytes_max = \"16 MiB\"\n{paths}",
            self.shards,
            self.io,
            self.busy_poll.as_micros(),
            self.roles(),
        )
    }

    /// A role with as many rules as are wanted, a third each of them exact, prefixes and wildcards;
    /// what the load does is allowed by a prefix.
    fn roles(&self) -> String {
        if self.rules == 0 {
            return String::new();
        }
        let rules = (1..self.rules).map(|number| match number % 3 {
            0 => format!("    \"* org.rule{number}.exact\",\n"),
            1 => format!("    \"* org.rule{number}.*\",\n"),
            _ => format!("    \"* org.rule{number}..wild\",\n"),
        });
        let rules: String = rules.collect();
        format!(
            "anonymous = \"load\"\n[[realms.roles]]\nname = \"load\"\n\
             allow = [\n    \"* load.*\", \"call wamp.*\",\n{rules}]\n"
        )
    }
}

impl Server {
    /// Starts this program's own relay with `arguments`, on `cpus`, and returns where it listens.
    /// A Unix socket there is removed with it.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn relay(arguments: &[String], cpus: &[usize]) -> Result<(Self, Address), Trouble> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("relay").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = Self { child: spawn(&mut command, cpus)?, leaves: None };
        let mut line = String::new();
        if let Some(said) = server.child.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        let target: Target = line
            .trim_start_matches("listening at ")
            .trim_end()
            .parse()
            .map_err(|_| Trouble::Rig(format!("the relay did not start: {line}")))?;
        if let Address::Unix(path) = &target.address {
            server.leaves = Some(path.clone());
        }
        Ok((server, target.address))
    }

    /// Starts a router of others by `command` on `cpus`, and waits until it listens at `target`.
    /// What it says goes to the file `log`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn foreign(
        command: &mut Command,
        target: &Target,
        cpus: &[usize],
        log: &Path,
    ) -> Result<Self, Trouble> {
        let file = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let shown = format!("{command:?}");
        let child = spawn(command, cpus);
        let child = child.map_err(|error| Trouble::Rig(format!("{shown}: {error}")))?;
        let mut server = Self { child, leaves: None };
        server
            .await_listener(&target.address, FOREIGN_PATIENCE)
            .map_err(|why| Trouble::Rig(format!("{shown} {why}; see {}", log.display())))?;
        Ok(server)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn await_listener(&mut self, address: &Address, patience: Duration) -> Result<(), String> {
        let watch = Stopwatch::start();
        while watch.elapsed() < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once ({status})"));
            }
            if address.connect().is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("did not listen within {} s", patience.as_secs()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = sys::terminate(self.child.id());
        let watch = Stopwatch::start();
        while watch.elapsed() < END_PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(leaves) = &self.leaves {
            let _ =
                if leaves.is_dir() { fs::remove_dir_all(leaves) } else { fs::remove_file(leaves) };
        }
    }
}

/// Octets of memory the process `pid` holds now; `None` if there is no such process.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * sys::ticks_and_page().1)
}

/// The most octets of memory the process `pid` ever held.
#[must_use]
pub fn resident_bytes_max(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1_024)
}

/// CPU time the process `pid` used so far, exact to a tick of 10 ms.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so count from behind it.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let nanos_per_tick = 1_000_000_000 / sys::ticks_and_page().0.max(1);
    Some(Duration::from_nanos((user + system) * nanos_per_tick))
}

/// How long a router may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a router of others may take to listen: some start an interpreter or two first.
const FOREIGN_PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to end when asked to.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Starts `command` on `cpus`: a child has the affinity of the thread that starts it.
fn spawn(command: &mut Command, cpus: &[usize]) -> std::io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    let before = sys::affinity()?;
    sys::pin(cpus)?;
    let child = command.spawn();
    sys::pin(&before)?;
    child
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > 100_000));
        assert!(resident_bytes_max(pid) >= resident_bytes(pid).map(|bytes| bytes / 2));
        let watch = Stopwatch::start();
        let is_low = || cpu_time(pid).is_some_and(|time| time < Duration::from_millis(20));
        while is_low() && watch.elapsed() < Duration::from_secs(10) {}
        assert!(cpu_time(pid).is_some() && !is_low());
        assert_eq!(resident_bytes(u32::MAX), None);
    }
}
