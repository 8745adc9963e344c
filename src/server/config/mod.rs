//! The configuration of one process: file, environment and flags become [`Settings`].
//!
//! What stands where: [`table`] has every option, [`key`] says what an option is, [`nest`] what
//! a table is, [`value`] what may be written, [`secret`] where secrets come from. [`read`] walks a
//! file and blames its lines, [`document`] writes the table for the operator. This file
//! decides where a configuration comes from and what wins: a flag over the environment, the
//! environment over the file, the file over the preset.

mod credentials;
mod document;
mod examine;
mod fixed;
mod key;
mod nest;
mod read;
mod routers;
mod secret;
mod table;
mod value;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;

pub use document::options_markdown;
pub use examine::examine;

use crate::router::config::{AdmissionConfig, AuthenticationConfig, Limits, RealmConfig};
use crate::server::file::{self, Stamp};
use crate::server::tls::DoorSettings;
use crate::session::auth::Secret;
use crate::shard::Io;
use crate::wire::{Serializer, TransportOptions};
use fixed::Fixed;
use secret::{References, Reveal};
use value::Value;
use world::World;
use zeroize::Zeroizing;

/// Everything an operator may say, checked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// How many shards; `None`: one for each CPU.
    pub(super) shards: Option<usize>,
    /// How sockets are driven.
    pub(super) io: Io,
    /// The least urgent lines that are logged.
    pub(super) log_level: LevelFilter,
    /// How lines are logged.
    pub(super) log_format: LogFormat,
    /// How long a shard looks for work before it sleeps.
    pub(super) busy_poll: Duration,
    /// Whether each shard stays on one CPU; `None`: as it suits the machine.
    pub(super) pin: Option<bool>,
    /// Connections at once; `None`: what open files allow.
    pub(super) connections_max: Option<usize>,
    /// Resident memory above which new sessions are refused.
    pub(super) memory_high: MemoryHigh,
    /// The file that tells which process runs.
    pub(super) pid_file: Option<PathBuf>,
    /// How long sessions may take to end once the process was told to stop.
    pub(super) shutdown_timeout: Duration,
    /// Whether listeners may be reached from other machines although nobody is authenticated.
    pub(super) insecure_allow_anonymous_remote: bool,
    /// Whether a realm looks as if it were not there to whom it does not admit.
    pub(super) hide_realms: bool,
    /// What the parameters are made of that unknown identities are shown; `None`: of chance.
    pub(super) mock_secret: Option<Secret>,
    /// At least one.
    pub(super) realms: Vec<RealmConfig>,
    /// At least one.
    pub(super) listeners: Vec<ListenerSettings>,
    /// Bounds of the core.
    pub(super) limits: Limits,
}

/// Resident memory above which new sessions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryHigh {
    /// Four fifths of what the process may have.
    Auto,
    /// Never refuse any.
    Off,
    /// So many octets.
    At(u64),
}

/// One address to listen on.
#[derive(Clone, Debug)]
pub(super) struct ListenerSettings {
    /// Where.
    pub(super) address: Address,
    /// Permissions of a Unix socket; `None`: as the umask has it.
    pub(super) unix_mode: Option<u32>,
    /// Connections that may wait to be accepted.
    pub(super) backlog: usize,
    /// Whether to go on without it if this machine does not have the address.
    pub(super) optional: bool,
    /// The line of the file that has the address, for messages.
    pub(super) line: Option<usize>,
    /// What it demands of those who connect.
    pub(super) door: DoorSettings,
    /// What may be spoken here.
    pub(super) transport: TransportOptions,
    /// Who may join what from here.
    pub(super) admission: AdmissionConfig,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// How lines are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where the settings came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From this file.
    File(PathBuf),
    /// From standard input.
    Stdin,
    /// There is no file: presets for a developer's own machine.
    Development,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// `--config`: a file, or `-` for standard input.
    pub(super) config: Option<PathBuf>,
    /// Keys of the top level that stand on the command line.
    pub(super) values: Vec<(&'static str, String)>,
}

/// Why there are no settings.
#[derive(Debug)]
pub(super) enum Refused {
    /// A flag has a value it cannot have.
    Usage(String),
    /// File or environment are wrong; at least one problem, in the order of lines.
    Config(Vec<Problem>),
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The file or the variable of the environment.
    source: String,
    /// The line of the file, from 1.
    line: Option<usize>,
    /// What is wrong, and what to do about it.
    text: String,
}

/// A configuration that will do.
#[derive(Debug)]
pub(super) struct Loaded {
    /// What it says.
    pub(super) settings: Settings,
    /// Where it came from.
    pub(super) source: Source,
    /// Who may join each realm by what the configuration itself says, before files with principals
    /// were read.
    pub(super) alone: Vec<Arc<AuthenticationConfig>>,
    /// Of the files with principals, from before they were read.
    pub(super) stamps: Vec<Stamp>,
    /// What an operator should know although it is allowed, in no particular order.
    pub(super) warnings: Vec<String>,
    /// What is written that takes a restart to change.
    pub(super) fixed: Fixed,
}

impl Loaded {
    /// Of the files with principals, as they are now.
    pub(super) fn stamps_now(&self) -> Vec<Stamp> {
        credentials::stamps(&self.settings.realms)
    }

    /// The same configuration with what files with principals say now. Nothing else is read again.
    ///
    /// # Errors
    ///
    /// What is wrong with these files, or does not go with the rest.
    pub(super) fn with_principals_anew(&self, world: &dyn World) -> Result<Self, Refused> {
        let (mut settings, mut problems) = (self.settings.clone(), Vec::new());
        for (realm, alone) in settings.realms.iter_mut().zip(&self.alone) {
            realm.authentication = Arc::clone(alone);
        }
        let warnings = RefCell::default();
        let references = References { world, warnings: &warnings };
        let stamps = credentials::stamps(&settings.realms);
        credentials::read(&mut settings.realms, &references, &mut problems);
        let (source, fixed) = (self.source.clone(), self.fixed.clone());
        settings.seed_mocks();
        settings.finish(&source, &mut problems);
        if !problems.is_empty() {
            return Err(Refused::Config(problems));
        }
        let (alone, warnings) = (self.alone.clone(), warnings.into_inner());
        Ok(Self { settings, source, alone, stamps, warnings, fixed })
    }
}

/// Finds, reads and checks the configuration.
///
/// # Errors
///
/// Whatever is wrong with it, all at once if it can be read at all.
pub(super) fn load(flags: &Flags, world: &dyn World) -> Result<Loaded, Refused> {
    load_written(flags, world).map(|(loaded, _)| loaded)
}

/// As [`load`], and how it is written, if it is.
///
/// # Errors
///
/// As for [`load`].
pub(super) fn load_written(
    flags: &Flags,
    world: &dyn World,
) -> Result<(Loaded, Option<Zeroizing<String>>), Refused> {
    let variable = || world.variable("GIGAWAMP_CONFIG").map(PathBuf::from);
    let found = find(flags.config.clone().or_else(variable));
    let (source, text) = found.map_err(|problem| Refused::Config(vec![problem]))?;
    let written = text.as_ref().map(|text| text.as_str());
    Ok((load_text(flags, (source, written), world)?, text))
}

/// As [`load`], of a text that was found already; no text is development mode.
///
/// # Errors
///
/// As for [`load`].
fn load_text(
    flags: &Flags,
    (source, text): (Source, Option<&str>),
    world: &dyn World,
) -> Result<Loaded, Refused> {
    let mut settings = Settings::preset();
    let mut problems = Vec::new();
    let warnings = RefCell::new(Vec::new());
    let references = References { world, warnings: &warnings };
    let mut fixed = Fixed::default();
    match text {
        Some(text) => {
            let file = (&*source.to_string(), text);
            fixed = read::read(file, &references, &mut settings, &mut problems);
        }
        None => settings.develop(),
    }
    let alone = settings.realms.iter().map(|realm| Arc::clone(&realm.authentication)).collect();
    let stamps = credentials::stamps(&settings.realms);
    credentials::read(&mut settings.realms, &references, &mut problems);
    apply_environment(&mut settings, &references, &mut problems);
    apply_flags(&mut settings, &flags.values, &references).map_err(Refused::Usage)?;
    settings.seed_mocks();
    settings.finish(&source, &mut problems);
    if !problems.is_empty() {
        return Err(Refused::Config(problems));
    }
    let warnings = warnings.into_inner();
    Ok(Loaded { settings, source, alone, stamps, warnings, fixed })
}

impl Settings {
    /// Every option at its preset; no realm and no listener.
    fn preset() -> Self {
        let mut settings = Self {
            shards: None,
            io: Io::Auto,
            log_level: LevelFilter::INFO,
            log_format: LogFormat::Text,
            busy_poll: Duration::ZERO,
            pin: None,
            connections_max: None,
            memory_high: MemoryHigh::Auto,
            pid_file: None,
            shutdown_timeout: Duration::ZERO,
            insecure_allow_anonymous_remote: false,
            hide_realms: false,
            mock_secret: None,
            realms: Vec::new(),
            listeners: Vec::new(),
            limits: Limits::default(),
        };
        table::TOP.preset(&mut settings);
        table::LIMITS.preset(&mut settings.limits);
        settings
    }

    /// What every tutorial expects, for clients on this machine alone.
    fn develop(&mut self) {
        let mut realm = table::preset_realm();
        "realm1".clone_into(&mut realm.name);
        self.realms.push(realm);
        let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        self.listeners.extend(addresses.map(|ip| ListenerSettings {
            address: Address::Tcp(SocketAddr::new(ip, 8080)),
            optional: ip.is_ipv6(),
            ..table::preset_listener()
        }));
    }

    /// Says what contradicts what, unless there are other problems: that can only be said of values
    /// that are valid one by one.
    fn finish(&self, source: &Source, problems: &mut Vec<Problem>) {
        if !problems.is_empty() {
            return;
        }
        let source = match source {
            Source::Development => "settings".to_owned(),
            Source::File(_) | Source::Stdin => source.to_string(),
        };
        problems.extend(self.check().map(|(line, text)| Problem { source, line, text }));
    }

    /// What contradicts something else, if anything does, and its line if that is one alone.
    pub(super) fn check(&self) -> Option<(Option<usize>, String)> {
        let is_open = |listener: &&ListenerSettings| {
            !listener.address.is_local() && self.admits_anonymous(listener)
        };
        let remote = self.listeners.iter().find(is_open);
        if let Some(ListenerSettings { address, line, .. }) = remote
            && !self.insecure_allow_anonymous_remote
        {
            let text = format!(
                "listeners.address: other machines can reach \"{address}\", and clients are \
                 admitted without authentication; listen on 127.0.0.1, or set \
                 insecure_allow_anonymous_remote = true at the top level if you mean it",
            );
            return Some((*line, text));
        }
        if let Some(path) = self.listeners.iter().find_map(ListenerSettings::hidden_path) {
            let text = format!(
                "listeners.longpoll_path: hides \"{path}\" of listeners.paths, for long-poll is \
                 served there and below",
            );
            return Some((None, text));
        }
        if let Some(text) = self.dangling() {
            return Some((None, text));
        }
        if let Some(found) = self.listeners.iter().find_map(ListenerSettings::wrong_door) {
            return Some(found);
        }
        let limits = &self.limits;
        let longest = self.listeners.iter().map(|it| it.transport.message_bytes_max).max();
        let text = if limits.outbox_bytes_pause > limits.outbox_bytes_max {
            "limits.outbox_bytes_pause: must not be more than limits.outbox_bytes_max"
        } else if longest.is_some_and(|longest| longest > limits.outbox_bytes_max) {
            "limits.outbox_bytes_max: must not be less than a listener's message_bytes_max, or a \
             message of that length could be sent but never delivered"
        } else if self.shutdown_timeout <= limits.goodbye {
            "shutdown_timeout: must be more than limits.goodbye, or sessions are cut off before \
             they had their time to say goodbye"
        } else {
            return None;
        };
        Some((None, text.to_owned()))
    }
}

impl ListenerSettings {
    /// A path that is to be WebSocket's and long-poll's too.
    fn hidden_path(&self) -> Option<&str> {
        let TransportOptions { websocket, longpoll, longpoll_path, .. } = &self.transport;
        let base = longpoll_path.trim_end_matches('/');
        let is_below = |path: &&String| {
            let rest = path.strip_prefix(base);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let hidden = self.transport.paths.iter().find(is_below);
        hidden.filter(|_| *websocket && *longpoll).map(String::as_str)
    }

    /// What contradicts what among the options of its door.
    fn wrong_door(&self) -> Option<(Option<usize>, String)> {
        let is_unix = matches!(self.address, Address::Unix(_));
        let (option, text) = self.door.contradiction(is_unix)?;
        Some((self.line, format!("listeners.{option}: {text}")))
    }

    /// Adds a serializer that clients may choose.
    fn allow(&mut self, serializer: Serializer) {
        if !self.transport.serializers.contains(&serializer) {
            self.transport.serializers.push(serializer);
        }
    }
}

impl Address {
    /// Whether only this machine can reach it.
    fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether both cannot be listened on at once. Port 0 is another port each time.
    fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(_)) => self == other && one.port() != 0,
            (Self::Unix(one), Self::Unix(two)) => one == two,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
            Self::Development => f.write_str("none"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.source, self.text),
            None => write!(f, "{}: {}", self.source, self.text),
        }
    }
}

/// The file that counts and its text; no text if there is none.
fn find(named: Option<PathBuf>) -> Result<(Source, Option<Zeroizing<String>>), Problem> {
    let blame = |path: &Path, error: &io::Error| Problem {
        source: path.display().to_string(),
        line: None,
        text: format!("cannot be read: {error}"),
    };
    let read = |path: &Path| file::read_anything(path, secret::BYTES_MAX).and_then(file::into_text);
    if let Some(path) = named {
        if path.as_os_str() == "-" {
            // Not by the handle of the library, which would keep some of it in a buffer of its own.
            let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let octets = input
                .and_then(|input| file::read_all(input, file::ROOM_AT_FIRST, secret::BYTES_MAX));
            let text = octets.and_then(file::into_text);
            let text = text.map_err(|error| blame(Path::new("standard input"), &error))?;
            return Ok((Source::Stdin, Some(text)));
        }
        let text = read(&path).map_err(|error| blame(&path, &error))?;
        return Ok((Source::File(path), Some(text)));
    }
    for path in SEARCHED {
        let path = PathBuf::from(path);
        match read(&path) {
            Ok(text) => return Ok((Source::File(path), Some(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A file that is there but cannot be read must not lead to development mode.
            Err(error) => return Err(blame(&path, &error)),
        }
    }
    Ok((Source::Development, None))
}

/// Takes `GIGAWAMP_<KEY>` and `GIGAWAMP_LIMITS_<KEY>` over. Other variables are not looked at:
/// Kubernetes sets `GIGAWAMP_SERVICE_HOST` and the like for a service of that name.
fn apply_environment(
    settings: &mut Settings,
    references: &References<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut apply = |prefix: &str, name: &str, set: &mut dyn FnMut(&Value<'_>) -> _| {
        let variable = variable(prefix, name);
        let Some(given) = references.world.variable(&variable) else {
            return;
        };
        let result = given
            .to_str()
            .map_or_else(|| Err("is not UTF-8".to_owned()), |given| set(&Value::of_plain(given)));
        if let Err(text) = result {
            problems.push(Problem { source: variable, line: None, text });
        }
    };
    for key in table::TOP.keys {
        apply("", key.name, &mut |value| key.set(settings, value, references));
    }
    for key in table::LIMITS.keys {
        apply("LIMITS_", key.name, &mut |value| key.set(&mut settings.limits, value, references));
    }
}

/// The tables whose keys may come from the environment, and what stands there between `GIGAWAMP_`
/// and a key's name. In others a variable could not say which of several tables it means.
const VARIABLES: [(&str, &str); 2] = [("", ""), ("limits", "LIMITS_")];

/// The variable of the environment for the key `name`.
fn variable(prefix: &str, name: &str) -> String {
    format!("GIGAWAMP_{prefix}{}", name.to_uppercase())
}

/// Takes the command line's values over.
fn apply_flags(
    settings: &mut Settings,
    values: &[(&'static str, String)],
    reveal: Reveal<'_>,
) -> Result<(), String> {
    for (name, given) in values {
        let key = table::TOP.keys.iter().find(|key| key.name == *name);
        key.expect("flags are named after keys of the top level, a test sees to it")
            .set(settings, &Value::of_plain(given), reveal)
            .map_err(|text| format!("--{}: {text}", name.replace('_', "-")))?;
    }
    Ok(())
}

/// Where a configuration is looked for, in this order, if none is named.
pub(super) const SEARCHED: [&str; 2] = ["gigawamp.toml", "/etc/gigawamp/gigawamp.toml"];

/// The settings that `text` stands for, or what is wrong with it.
#[cfg(test)]
pub(super) fn read_text(text: &str) -> Result<Settings, Vec<String>> {
    let mut settings = Settings::preset();
    let mut problems = Vec::new();
    let reveal: Reveal<'_> = &|written: &str| Ok(written.to_owned().into());
    read::read(("gigawamp.toml", text), reveal, &mut settings, &mut problems);
    let mut problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() {
        let problem = settings.check();
        problems.extend(problem.map(|(line, text)| match line {
            Some(line) => format!("gigawamp.toml:{line}: {text}"),
            None => text,
        }));
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
