//! One process: configuration, listeners, start, drain, stop.
//!
//! [`run`] is the whole program behind `main`. It blocks signals before any thread exists, reads
//! the configuration, starts the shards and then does nothing but wait: for a signal that asks it
//! to stop, or for a shard that failed.
//!
//! ```text
//!  arguments ─▶ cli ─▶ config ─▶ listeners ─▶ shards ─▶ wait ─▶ drain ─▶ summary, exit code
//! ```

mod cli;
mod config;
mod counsel;
mod explain;
mod file;
mod identity;
mod logging;
mod memory;
mod metrics;
mod pid;
mod reload;
mod resources;
mod signals;
mod tls;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{debug, error, info, warn};
use zeroize::Zeroizing;

pub use config::{examine, options_markdown};

use crate::router::config::{Config, Effect, RealmConfig};
use crate::shard::{self, Listener, Shards};
use cli::Command;
use config::{Address, Flags, ListenerSettings, Loaded, Refused, Settings, Source};
use counsel::Counselors;
use memory::Watch;
use pid::PidFile;
use reload::Reloader;
use signals::{Signal, Signals};
use tls::{Doors, TlsMode};

/// Something failed while the router started or ran.
const FAILED: u8 = 1;

/// The command line is wrong.
const USAGE: u8 = 2;

/// `explain`: an authorizer would be asked.
const ASKED: u8 = 3;

/// The configuration is wrong: `EX_CONFIG` of sysexits.
const CONFIG: u8 = 78;

/// How long the main thread waits before it looks after the shards again.
const TURN: Duration = Duration::from_millis(100);

/// Does what the `arguments` (the first is the program's own name) ask for and says how the
/// process should end: 0 in good order, 1 failed, 2 wrong usage, 78 wrong configuration.
///
/// To be called from the main thread, before any other thread exists.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let started = logging::now();
    let command = match cli::parse(arguments.into_iter().skip(1)) {
        Ok(command) => command,
        Err(text) => return refuse_usage(&text),
    };
    match command {
        Command::Serve(flags) => serve(&flags, started),
        Command::Check(flags) => match check(&flags) {
            Ok(_) => print("ok\n"),
            Err(code) => code,
        },
        Command::Reload(flags) => match check(&flags) {
            Ok(settings) => reload_another(&settings),
            Err(code) => code,
        },
        Command::Explain(flags, question) => explain(&flags, &question),
        Command::Keygen(keygen) => finish(keygen.run()),
        Command::Passwd(passwd) => finish(passwd.run()),
        Command::Options => print(&options_markdown()),
        Command::Version => print(&format!("gigawamp {VERSION}\n")),
        Command::Help => print(cli::HELP),
    }
}

/// Says whether a session may do something, and by which rule.
fn explain(flags: &Flags, question: &explain::Question) -> ExitCode {
    let (loaded, written) = match load_written(flags) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let written = written.as_ref().map(|text| text.as_str());
    let answer = match explain::answer((&loaded, written), question) {
        Ok(answer) => answer,
        Err(text) => return refuse_usage(&text),
    };
    let code = match answer.effect {
        Effect::Allow => ExitCode::SUCCESS,
        Effect::Deny => ExitCode::from(FAILED),
        Effect::Ask(_) => ExitCode::from(ASKED),
    };
    if print(&answer.text) == ExitCode::SUCCESS { code } else { ExitCode::from(FAILED) }
}

/// Loads the configuration and all that it names, and prints what is wrong or noteworthy.
fn check(flags: &Flags) -> Result<Settings, ExitCode> {
    let loaded = load(flags)?;
    if let Err(text) = check_files(&loaded.settings) {
        complain(&text);
        return Err(ExitCode::from(CONFIG));
    }
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}"));
    }
    Ok(loaded.settings)
}

/// Has the process that runs with these settings read them again.
fn reload_another(settings: &Settings) -> ExitCode {
    let Some(path) = &settings.pid_file else {
        return fail("reload: the configuration names no pid_file, by which the router is found");
    };
    match pid::reload(path) {
        Ok(()) => print("reloaded\n"),
        Err(text) => fail(&text),
    }
}

/// Runs the router until it is told to stop.
fn serve(flags: &Flags, started: SystemTime) -> ExitCode {
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("signals cannot be waited for: {error}")),
    };
    let loaded = match load(flags) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let settings = &loaded.settings;
    logging::start(settings.log_level, settings.log_format);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if let Err(text) = check_files(settings) {
        error!("{text}");
        return ExitCode::from(CONFIG);
    }
    match run_until_stopped((flags, loaded), &signals, started) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            error!("{text}");
            ExitCode::from(FAILED)
        }
    }
}

/// Starts, serves and stops.
fn run_until_stopped(
    (flags, loaded): (&Flags, Loaded),
    signals: &Signals,
    started: SystemTime,
) -> Result<(), String> {
    let pid_file = loaded.settings.pid_file.as_deref().map(PidFile::take).transpose()?;
    let (mut shards, opened) = start(&loaded.settings, &loaded.source, started)?;
    let mut reloader = Reloader::new((flags, loaded), opened, pid_file);
    let memory = Watch::new(reloader.loaded.settings.memory_high);
    watch(&mut shards, (&mut reloader, memory), signals)?;
    drain(&mut shards, signals, reloader.loaded.settings.shutdown_timeout)
}

/// Whether every file that listeners need says what it has to.
fn check_files(settings: &Settings) -> Result<(), String> {
    settings.listeners.iter().try_for_each(|listener| {
        let result = listener.door.open();
        result.map(drop).map_err(|text| format!("listener {}: {text}", listener.address))
    })
}

/// Opens the listeners and starts the shards.
fn start(
    settings: &Settings,
    source: &Source,
    started: SystemTime,
) -> Result<(Shards, (Vec<ListenerSettings>, Doors)), String> {
    let shards = settings.shards.unwrap_or_else(resources::shards_count);
    log_start(settings, source, shards);
    let (mode, fallback) = shard::choose(settings.io, shards)?;
    if let Some(text) = fallback {
        warn!("{text}");
    }
    let mut doors = Doors::default();
    let (listeners, transports) = listen(&settings.listeners, &mut doors)?;
    let (connections_max, lowered) = resources::connections_max(
        settings.connections_max,
        resources::raise_open_files(),
        (shards, listeners.len()),
    );
    if lowered {
        warn!(connections_max, "connections_max was lowered to fit the limit of open files");
    }
    let opened: Vec<_> = transports.iter().copied().cloned().collect();
    let config = router_config(settings, &opened);
    let lines: Vec<_> = listeners
        .iter()
        .zip(&transports)
        .map(|(listener, settings)| describe(&listener.local_addr(), settings))
        .collect();
    let running = Shards::start(shard::Options {
        mode,
        shards,
        config: Arc::new(config),
        listeners,
        connections_max,
        busy_poll: settings.busy_poll,
        pin: settings.pin.unwrap_or_else(|| resources::fills_machine(shards)),
        counsel: Some(Arc::new(Counselors::new())),
    })?;
    for line in lines {
        info!("{line}");
    }
    let took = logging::now().duration_since(started).unwrap_or_default();
    info!("ready in {} ms", took.as_millis());
    Ok((running, (opened, doors)))
}

/// What routers are told by these settings. `listeners` are those that are open.
fn router_config(settings: &Settings, listeners: &[ListenerSettings]) -> Config {
    let listeners: Vec<_> = listeners.iter().collect();
    settings.config(&listeners, &format!("gigawamp-{VERSION}"))
}

/// The first lines of the log.
fn log_start(settings: &Settings, source: &Source, shards: usize) {
    let (os, arch, pid) = (std::env::consts::OS, std::env::consts::ARCH, std::process::id());
    info!("starting gigawamp {VERSION} ({os}/{arch}, {shards} shards, pid {pid})");
    if *source == Source::Development {
        info!("config none: development mode");
        warn!(
            "anonymous access for every client on this machine, none from elsewhere; \
             write {} to change that",
            config::SEARCHED[0]
        );
    } else {
        info!("config {source}");
    }
    if settings.insecure_allow_anonymous_remote {
        warn!("insecure_allow_anonymous_remote: clients elsewhere need no authentication");
    }
    let name = |realm: &RealmConfig| match realm.anonymous_role() {
        Some(_) => format!("{} (anonymous)", realm.name),
        None => realm.name.clone(),
    };
    info!("realms {}", settings.realms.iter().map(name).collect::<Vec<_>>().join(" "));
}

/// Opens what was asked for, with its `doors`, and says which those are: an optional listener may
/// be left out.
fn listen<'w>(
    wanted: &'w [ListenerSettings],
    doors: &mut Doors,
) -> Result<(Vec<Listener>, Vec<&'w ListenerSettings>), String> {
    let mut opened = Vec::new();
    for settings in wanted {
        let backlog = u32::try_from(settings.backlog).unwrap_or(u32::MAX);
        let result = match &settings.address {
            Address::Tcp(address) => Listener::bind_tcp(*address, backlog),
            Address::Unix(path) => Listener::bind_unix(path, settings.unix_mode, backlog),
        };
        match result {
            Ok(listener) => {
                let (door, warnings) = doors.open(&settings.door)?;
                for warning in warnings {
                    warn!("{warning}");
                }
                opened.push((listener.with_door(door), settings));
            }
            Err(error) if settings.optional && is_address_missing(&error) => {
                debug!("not listening on {}: {error}", settings.address);
            }
            Err(error) => return Err(format!("cannot listen on {}: {error}", settings.address)),
        }
    }
    Ok(opened.into_iter().unzip())
}

/// Whether this machine does not have the address at all, as one without IPv6 has no `::1`.
fn is_address_missing(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
    error.raw_os_error().is_some_and(|code| code == EADDRNOTAVAIL || code == EAFNOSUPPORT)
}

/// One line that says where clients can connect and how. The `address` is what the listener says:
/// `tcp:127.0.0.1:8080` or `unix:/path`.
fn describe(address: &str, settings: &ListenerSettings) -> String {
    let transport = &settings.transport;
    let names = transport.serializers.iter();
    let names = names.map(|serializer| serializer.subprotocol().trim_start_matches("wamp.2."));
    let serializers = names.collect::<Vec<_>>().join(" ");
    let longpoll = match transport.longpoll {
        true => format!("; longpoll {}", transport.longpoll_path),
        false => String::new(),
    };
    if !transport.websocket {
        let rawsocket = if transport.rawsocket { "; rawsocket" } else { "" };
        let tls = if settings.door.tls == TlsMode::Off { "" } else { "; tls" };
        return format!("listening {address} ({serializers}{rawsocket}{longpoll}{tls})");
    }
    let path = transport.paths.first().map_or("/", String::as_str);
    let more = format!("{}{longpoll}", if transport.rawsocket { "; rawsocket too" } else { "" });
    match address.strip_prefix("tcp:") {
        Some(address) => {
            let schemes = match settings.door.tls {
                TlsMode::Off => "ws",
                TlsMode::Required => "wss",
                TlsMode::InsecureOptional => "ws(s)",
            };
            format!("listening {schemes}://{address}{path} ({serializers}{more})")
        }
        None => format!("listening {address} ({serializers}; websocket {path}{more})"),
    }
}

/// Waits for the signal to stop, as long as every shard is well.
fn watch(
    shards: &mut Shards,
    (reloader, mut memory): (&mut Reloader, Watch),
    signals: &Signals,
) -> Result<(), String> {
    loop {
        if let Some(is_short) = memory.look() {
            shards.note_memory(is_short);
        }
        match signals.wait(TURN) {
            Some(Signal::Stop(name)) => {
                info!("stopping on {name}");
                return Ok(());
            }
            Some(Signal::Reload) => reloader.reload(shards),
            None => reloader.look(shards),
        }
        shards.take_notices().for_each(|notice| logging::note(&notice));
        if let Some(text) = shards.failure() {
            return Err(text);
        }
    }
}

/// Lets every session say goodbye, for the time `at_most`, and sums the run up.
fn drain(shards: &mut Shards, signals: &Signals, at_most: Duration) -> Result<(), String> {
    shards.stop_accepting();
    shards.shut_down();
    // Waiting is counted in turns: that needs no clock, and a turn that ends late ends nothing.
    let turns = at_most.as_millis().div_ceil(TURN.as_millis());
    let ended = (0..turns).any(|_| {
        if let Some(Signal::Stop(name)) = signals.wait(Duration::ZERO) {
            stop_at_once(name);
        }
        shards.wait(TURN)
    });
    shards.take_notices().for_each(|notice| logging::note(&notice));
    metrics::log_summary(shards);
    if let Some(text) = shards.failure() {
        return Err(text);
    }
    if !ended {
        return Err(format!("stopped, but not all sessions ended within {at_most:?}"));
    }
    info!("stopped");
    Ok(())
}

/// Ends the process without another word to anybody.
fn stop_at_once(name: &str) -> ! {
    warn!("{name} again: stopping at once");
    // Not by returning: dropping the shards could wait for them.
    std::process::exit(FAILED.into())
}

/// Loads the configuration, or prints what is wrong with it.
fn load(flags: &Flags) -> Result<Loaded, ExitCode> {
    load_written(flags).map(|(loaded, _)| loaded)
}

/// As [`load`], and how it is written, if it is.
fn load_written(flags: &Flags) -> Result<(Loaded, Option<Zeroizing<String>>), ExitCode> {
    let loaded = config::load_written(flags, &|name: &str| std::env::var_os(name));
    loaded.map_err(|refused| match refused {
        Refused::Usage(text) => refuse_usage(&text),
        Refused::Config(problems) => {
            for problem in problems {
                complain(&problem.to_string());
            }
            ExitCode::from(CONFIG)
        }
    })
}

/// Says what is wrong with the command line.
fn refuse_usage(text: &str) -> ExitCode {
    complain(&format!("gigawamp: {text}"));
    complain("gigawamp --help says what can be written.");
    ExitCode::from(USAGE)
}

/// Says why the process cannot go on, before there is a log.
fn fail(text: &str) -> ExitCode {
    complain(&format!("gigawamp: {text}"));
    ExitCode::from(FAILED)
}

/// Prints what a command has made, or says why it could not.
fn finish(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(text) => print(&text),
        Err(text) => fail(&text),
    }
}

/// Prints `text`; a reader that went away is no failure of ours (`gigawamp --help | head -1`).
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Prints a line on standard error, if anybody still reads it.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_described_as_clients_need_it() {
        let text = "[[realms]]\nname = \"a\"\n[[listeners]]\naddress = \"127.0.0.1:80\"\n";
        for (more, address, expected) in [
            (
                "",
                "tcp:[::1]:80",
                "listening ws://[::1]:80/ws \
                 (json msgpack cbor ubjson; rawsocket too; longpoll /lp)",
            ),
            (
                "transports = [\"longpoll\"]\nlongpoll_path = \"/a/b\"",
                "tcp:127.0.0.1:80",
                "listening tcp:127.0.0.1:80 (json msgpack cbor ubjson; longpoll /a/b)",
            ),
            (
                "transports = [\"websocket\"]\nserializers = [\"cbor\"]\npaths = [\"/a\"]",
                "tcp:127.0.0.1:80",
                "listening ws://127.0.0.1:80/a (cbor)",
            ),
            (
                "transports = [\"rawsocket\"]",
                "tcp:127.0.0.1:80",
                "listening tcp:127.0.0.1:80 (json msgpack cbor ubjson; rawsocket)",
            ),
            (
                "",
                "unix:/a",
                "listening unix:/a \
                 (json msgpack cbor ubjson; websocket /ws; rawsocket too; longpoll /lp)",
            ),
        ] {
            let settings = config::read_text(&format!("{text}{more}")).unwrap();
            assert_eq!(describe(address, &settings.listeners[0]), expected);
        }
    }
}
