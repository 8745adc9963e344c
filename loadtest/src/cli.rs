//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gigawamp::wire::Serializer;
use lexopt::{Arg, Parser, ValueExt};

use crate::net::Target;
use crate::peers::{self, PeersOptions};
use crate::relay::{FrameSizes, Mode, Relay};
use crate::scenario::Scenario;
use crate::selfhost::Host;
use crate::stamp::STAMP_BYTES;
use crate::survey::{self, SurveyOptions};
use crate::{Trouble, rig};

/// What `--help` prints.
pub const HELP: &str = "\
loadtest: load against a WAMP router, beside a bare byte relay

Usage: loadtest SCENARIO [OPTIONS]
       loadtest report [--router FILE] [--duration SECONDS] [--repeat N]
                       [--only TEXT] [--json] [--chart FILE.svg]
       loadtest compare [--router FILE] [--url URL [--serializer NAME]]
                       [--folder PATH] [--duration SECONDS] [--repeat N] [--only TEXT] [--json]
       loadtest relay --listen URL --mode rpc|fanout|echo [SIZES]

Scenarios:
  rpc        callers to callees: closed loop, or open loop with --rate
  pingpong   one call in flight; with --flood beside a flooder
  crossing   callers and callees on one shard, then on two (--router-shards 2)
  fanout     publishers to many subscribers
  fanin      many publishers to one subscriber
  patterns   fanout beside --exact, --prefix and --wildcard subscriptions
  slow       fanout beside a subscriber that stops reading
  storm      sessions opened and dropped, --window of them at once
  idle       --sessions open sessions that do nothing, and their memory
  churn      --sessions opened and dropped, --cycles times, and their memory
  attack     calls and events at --rate, before and beside clients that mean no good

Where:
  --url URL              tcp://H:P, unix:///PATH (RawSocket), ws://H:P/PATH or
                         ws+unix:///PATH (default: tcp://127.0.0.1:8080);
                         with TLS tls://H:P or wss://H:P/PATH
  --tls                  TLS where the URL says none; not for storm
  --router FILE          start this router for the run, on a CPU of its own
  --router-shards N      its shards (default: 1)
  --router-io MODE       auto, uring or epoll (default: auto)
  --rules N              its sessions have a role with so many rules (default: none)
  --busy-poll SECONDS    router and relay look for work before they sleep
  --router-pid PID       a running router's process, for its CPU and memory
  --relay                then the same over a bare relay, and the ratio
  --pin-load CPU, --pin-router CPU[,CPU...]
  --serializer NAME      msgpack, json, cbor or ubjson (default: msgpack)
  --realm NAME           (default: realm1)

How much:
  --callers N  --callees N  --publishers N  --subscribers N  --sessions N
  --window N             requests each client has under way
  --rate N               requests per second of all clients: an open loop
  --payload BYTES        text in each payload, at least 32 (default: 64)
  --duration SECONDS     (default: 5); 10m and 1h are understood too
  --warmup SECONDS       (default: 1)
  --exact N  --prefix N  --wildcard N  --cycles N
  --flood publish|call|meta
  --spin                 this program never sleeps

  --json                 print JSON
  -h, --help             print this

Exit codes: 0 all was delivered, 1 something was not, or failed, 2 wrong usage.
";

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run a scenario.
    Run(Scenario, Box<Options>),
    /// Measure the whole table.
    Survey(SurveyOptions),
    /// Measure other routers beside ours.
    Compare(PeersOptions),
    /// Be a relay.
    Relay(RelayOptions),
    /// Be a router on a simple loop, for tests of this program; not in the help.
    Selfhost(Target),
    /// Print the help.
    Help,
}

/// Everything a scenario can be told.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is an option of the command line, described in HELP")]
pub struct Options {
    pub url: Target,
    pub router: Option<PathBuf>,
    pub router_shards: usize,
    pub router_io: String,
    pub rules: usize,
    pub busy_poll: Duration,
    pub router_pid: Option<u32>,
    pub relay: bool,
    pub pin_load: Option<usize>,
    pub pin_router: Vec<usize>,
    pub serializer: Serializer,
    pub realm: String,
    pub callers: usize,
    pub callees: usize,
    pub publishers: usize,
    pub subscribers: usize,
    pub sessions: usize,
    pub window: usize,
    pub rate: Option<u64>,
    pub payload: usize,
    pub duration: Duration,
    pub warmup: Duration,
    pub exact: usize,
    pub prefix: usize,
    pub wildcard: usize,
    pub cycles: usize,
    pub flood: Option<Flood>,
    pub spin: bool,
    pub json: bool,
    pub tls: bool,
}

/// What a flooder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Publishes to a topic that nobody subscribed.
    Publish,
    /// Calls the measured callee, and never reads a result.
    Call,
    /// Lists, counts and kills sessions in a loop.
    Meta,
}

/// How a relay is told what to do.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Where to listen.
    pub listen: Target,
    /// What to forward.
    pub mode: Mode,
    /// In which sizes.
    pub sizes: FrameSizes,
    /// Never sleep.
    pub spin: bool,
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever went wrong, or was found wrong.
    pub fn run(self) -> Result<(), Trouble> {
        match self {
            Self::Help => print!("{HELP}"),
            Self::Compare(options) => print!("{}", peers::run(&options)?),
            Self::Survey(options) => print!("{}", survey::run(&options)?),
            Self::Relay(options) => {
                let mut relay = Relay::bind(&options.listen.address, options.mode, options.sizes)?;
                let at = Target { address: relay.address()?, ..options.listen };
                println!("listening at {at}");
                relay.run(&AtomicBool::new(false), options.spin)?;
            }
            Self::Selfhost(listen) => {
                let mut host = Host::bind(&listen.address)?;
                println!("listening at {}", Target { address: host.address()?, ..listen });
                host.run(&AtomicBool::new(false))?;
            }
            Self::Run(scenario, options) => {
                let report = scenario.run(&options)?;
                if options.json {
                    println!("{:#}", report.json());
                } else {
                    print!("{}", report.table());
                }
            }
        }
        Ok(())
    }
}

/// Reads the command line, without the program's own name.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Trouble> {
    read(Parser::from_args(arguments)).map_err(|error| Trouble::Usage(error.to_string()))
}

fn read(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let Some(first) = parser.next()? else {
        return Err("a scenario is wanted; see loadtest --help".into());
    };
    let word = match first {
        Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
        Arg::Value(word) => word.string()?,
        Arg::Short(_) | Arg::Long(_) => return Err(first.unexpected()),
    };
    match word.as_str() {
        "relay" => return read_relay(parser),
        "compare" => return read_compare(parser),
        "report" => return read_survey(parser),
        "selfhost" => {
            let listen = match parser.next()? {
                Some(Arg::Value(url)) => url.parse()?,
                Some(other) => return Err(other.unexpected()),
                None => rig::default_url(false),
            };
            return Ok(Command::Selfhost(listen));
        }
        _ => {}
    }
    let known = Scenario::ALL.into_iter().find(|scenario| scenario.name() == word);
    let scenario = known.ok_or_else(|| format!("unknown scenario {word:?}"))?;
    let mut options = Options::new(scenario);
    let mut url = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("url") => url = Some(parser.value()?.parse()?),
            Arg::Long(name) => {
                let name = name.to_owned();
                let known = options.read_place(&name, &mut parser)?
                    || options.read_amount(&name, &mut parser)?;
                if !known {
                    return Err(Arg::Long(&name).unexpected());
                }
            }
            Arg::Short(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    options.url = url.unwrap_or_else(|| rig::default_url(options.router.is_some()));
    options.url.tls |= options.tls;
    if options.url.tls && scenario == Scenario::Storm {
        return Err("--tls: not for storm".into());
    }
    options.check()?;
    Ok(Command::Run(scenario, Box::new(options)))
}

impl Options {
    /// The defaults of `scenario`.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let (callers, callees, publishers, subscribers, window) = match scenario {
            Scenario::Rpc => (16, 1, 0, 0, 4),
            Scenario::Pingpong => (1, 1, 0, 0, 1),
            Scenario::Crossing => (16, 1, 0, 0, 64),
            Scenario::Fanout | Scenario::Patterns => (0, 0, 1, 100, 64),
            Scenario::Fanin => (0, 0, 16, 1, 64),
            Scenario::Slow => (0, 0, 1, 2, 64),
            Scenario::Storm => (0, 0, 0, 0, 32),
            Scenario::Idle | Scenario::Churn => (0, 0, 0, 0, 1),
            Scenario::Attack => (8, 1, 2, 8, 4),
        };
        Self {
            url: rig::default_url(false),
            router: None,
            router_shards: if scenario == Scenario::Crossing { 2 } else { 1 },
            router_io: "auto".to_owned(),
            rules: 0,
            busy_poll: Duration::ZERO,
            router_pid: None,
            relay: false,
            pin_load: None,
            pin_router: Vec::new(),
            serializer: Serializer::MessagePack,
            realm: "realm1".to_owned(),
            callers,
            callees,
            publishers,
            subscribers,
            sessions: if scenario == Scenario::Idle { 10_000 } else { 1_000 },
            window,
            rate: (scenario == Scenario::Attack).then_some(500),
            payload: if scenario == Scenario::Slow { 1_024 } else { 64 },
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            exact: 0,
            prefix: 0,
            wildcard: 0,
            cycles: 5,
            flood: None,
            spin: false,
            json: false,
            tls: false,
        }
    }

    /// Reads an option about where things run; whether it was one.
    fn read_place(&mut self, name: &str, parser: &mut Parser) -> Result<bool, lexopt::Error> {
        match name {
            "router" => self.router = Some(parser.value()?.into()),
            "router-shards" => self.router_shards = parser.value()?.parse()?,
            "router-io" => self.router_io = parser.value()?.string()?,
            "rules" => self.rules = parser.value()?.parse()?,
            "busy-poll" => self.busy_poll = parser.value()?.parse_with(seconds)?,
            "router-pid" => self.router_pid = Some(parser.value()?.parse()?),
            "relay" => self.relay = true,
            "pin-load" => self.pin_load = Some(parser.value()?.parse()?),
            "pin-router" => {
                let list = parser.value()?.string()?;
                let cpus: Result<_, _> = list.split(',').map(str::parse).collect();
                self.pin_router = cpus.map_err(|_| format!("no list of CPUs: {list:?}"))?;
            }
            "serializer" => self.serializer = parser.value()?.parse_with(serializer)?,
            "realm" => self.realm = parser.value()?.string()?,
            "json" => self.json = true,
            "tls" => self.tls = true,
            "spin" => self.spin = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads an option about what is done; whether it was one.
    fn read_amount(&mut self, name: &str, parser: &mut Parser) -> Result<bool, lexopt::Error> {
        let count = match name {
            "callers" => &mut self.callers,
            "callees" => &mut self.callees,
            "publishers" => &mut self.publishers,
            "subscribers" => &mut self.subscribers,
            "sessions" => &mut self.sessions,
            "window" => &mut self.window,
            "payload" => &mut self.payload,
            "exact" => &mut self.exact,
            "prefix" => &mut self.prefix,
            "wildcard" => &mut self.wildcard,
            "cycles" => &mut self.cycles,
            "rate" => {
                self.rate = Some(parser.value()?.parse()?);
                return Ok(true);
            }
            "duration" | "warmup" => {
                let span = parser.value()?.parse_with(seconds)?;
                *(if name == "duration" { &mut self.duration } else { &mut self.warmup }) = span;
                return Ok(true);
            }
            "flood" => {
                self.flood = Some(match parser.value()?.string()?.as_str() {
                    "publish" => Flood::Publish,
                    "call" => Flood::Call,
                    "meta" => Flood::Meta,
                    other => return Err(format!("--flood {other}: publish, call or meta").into()),
                });
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *count = parser.value()?.parse()?;
        Ok(true)
    }

    /// What no scenario can do with.
    fn check(&self) -> Result<(), String> {
        if self.payload < STAMP_BYTES {
            return Err(format!("--payload: at least {STAMP_BYTES}"));
        }
        if self.callers.max(self.publishers) >= usize::from(u16::MAX) {
            return Err("at most 65534 callers or publishers".to_owned());
        }
        if self.window == 0 || self.rate == Some(0) || self.router_shards == 0 {
            return Err("--window, --rate and --router-shards: at least 1".to_owned());
        }
        let roles = [self.callers, self.callees, self.publishers, self.subscribers];
        let is_half = |pair: &[usize]| (pair[0] == 0) != (pair[1] == 0);
        if roles.chunks(2).any(is_half) {
            return Err("callers need callees, publishers need subscribers".to_owned());
        }
        Ok(())
    }
}

fn read_survey(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let mut options = SurveyOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("router") => options.router = Some(parser.value()?.into()),
            Arg::Long("duration") => options.duration = parser.value()?.parse_with(seconds)?,
            Arg::Long("repeat") => options.repeat = parser.value()?.parse()?,
            Arg::Long("only") => options.only = parser.value()?.string()?,
            Arg::Long("chart") => options.chart = Some(parser.value()?.into()),
            Arg::Long("json") => options.json = true,
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    if options.repeat == 0 {
        return Err("--repeat: at least 1".into());
    }
    Ok(Command::Survey(options))
}

fn read_compare(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let mut options = PeersOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("router") => options.router = Some(parser.value()?.into()),
            Arg::Long("folder") => options.folder = parser.value()?.into(),
            Arg::Long("url") => options.url = Some(parser.value()?.parse()?),
            Arg::Long("serializer") => {
                options.serializer = parser.value()?.parse_with(serializer)?
            }
            Arg::Long("duration") => options.duration = parser.value()?.parse_with(seconds)?,
            Arg::Long("repeat") => options.repeat = parser.value()?.parse()?,
            Arg::Long("only") => options.only = parser.value()?.string()?,
            Arg::Long("json") => options.json = true,
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    if options.repeat == 0 {
        return Err("--repeat: at least 1".into());
    }
    Ok(Command::Compare(options))
}

fn read_relay(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let sizes = FrameSizes { there_in: 64, there_out: 64, back_in: 64, back_out: 64 };
    let mut options =
        RelayOptions { listen: rig::default_url(true), mode: Mode::Rpc, sizes, spin: false };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("listen") => options.listen = parser.value()?.parse()?,
            Arg::Long("mode") => {
                let name = parser.value()?.string()?;
                let known = Mode::ALL.into_iter().find(|mode| mode.name() == name);
                options.mode = known.ok_or_else(|| format!("unknown mode {name:?}"))?;
            }
            Arg::Long("there-in") => options.sizes.there_in = parser.value()?.parse()?,
            Arg::Long("there-out") => options.sizes.there_out = parser.value()?.parse()?,
            Arg::Long("back-in") => options.sizes.back_in = parser.value()?.parse()?,
            Arg::Long("back-out") => options.sizes.back_out = parser.value()?.parse()?,
            Arg::Long("spin") => options.spin = true,
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Command::Relay(options))
}

/// `5`, `0.5`, `30s`, `10m` or `1h`.
fn seconds(text: &str) -> Result<Duration, String> {
    let units = [("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    let unit =
        units.into_iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)));
    let (number, length) = unit.unwrap_or((text, 1.0));
    let wanted = |_| "a number of seconds is wanted, or one with s, m or h".to_owned();
    let seconds = number.parse::<f64>().map_err(wanted)? * length;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn serializer(name: &str) -> Result<Serializer, String> {
    match name {
        "json" => Ok(Serializer::Json),
        "msgpack" => Ok(Serializer::MessagePack),
        "cbor" => Ok(Serializer::Cbor),
        "ubjson" => Ok(Serializer::Ubjson),
        _ => Err("msgpack, json, cbor or ubjson is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Trouble> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn scenarios_and_options_are_read() {
        for scenario in Scenario::ALL {
            assert!(HELP.contains(&format!("\n  {} ", scenario.name())));
            assert!(
                matches!(parsed(scenario.name()), Ok(Command::Run(found, _)) if found == scenario)
            );
        }
        let line =
            "fanout --url ws://127.0.0.1:9/ws --subscribers 7 --window 3 --duration 0.5 --json";
        let Ok(Command::Run(Scenario::Fanout, options)) = parsed(line) else {
            panic!("{line} is understood");
        };
        assert_eq!(options.url.to_string(), "ws://127.0.0.1:9/ws");
        assert_eq!((options.subscribers, options.window), (7, 3));
        assert_eq!((options.duration, options.json), (Duration::from_millis(500), true));
        assert!(matches!(parsed("relay --mode echo"), Ok(Command::Relay(_))));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "dance",
            "rpc --dance",
            "rpc --payload 31",
            "rpc --window 0",
            "rpc --callees 0",
            "rpc --url http://x",
            "rpc 5",
            "rpc --flood x",
            "relay --mode x",
            "rpc --duration -1",
        ] {
            assert!(matches!(parsed(line), Err(Trouble::Usage(_))), "{line}");
        }
    }
}
