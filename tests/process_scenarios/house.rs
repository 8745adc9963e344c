//! Routers that many plays share, each play with realms of its own.

#![expect(clippy::disallowed_types, reason = "tests on several threads share what is in here")]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::notation::{Act, Line};
use crate::peer::Peer;
use crate::program::{Folder, Router, drivers, program};

/// Plays that one router can have at once, and those that leave something behind.
const HOMES_COUNT: usize = 256;

/// Shards of every router.
const SHARDS_COUNT: u64 = 2;

/// How many times an answer to an answer may cross from shard to shard before all is quiet.
const CROSSINGS_MAX: usize = 4;

/// A second of a scenario that waits, in milliseconds of ours.
const SECOND_MILLIS: u64 = 300;

/// Which driver a router uses. Where io_uring is not allowed, both are epoll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Io {
    Uring,
    Epoll,
}

/// Two realms that nobody else is in.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) first: String,
    pub(crate) second: String,
}

/// One router, and what is needed to play there.
pub(crate) struct House {
    /// Nothing once it was shut down and has ended.
    router: Mutex<Option<Router>>,
    pub(crate) tcp: String,
    pub(crate) unix: PathBuf,
    homes: Mutex<Vec<Home>>,
    /// Nothing once the router says goodbye to everybody.
    neighbours: Mutex<Option<Neighbours>>,
    _folder: Folder,
}

/// Two sessions on different shards.
struct Neighbours {
    peers: [Peer; 2],
    requests_count: u64,
}

/// What routers are known by: their driver and their configuration.
type Key = (Io, String);

impl House {
    /// Where `lines` can be played: a router that others play at too, or one of its own if it will
    /// be shut down. Nothing if no router can be told what `lines` give.
    pub(crate) fn of(io: Io, lines: &[Line]) -> Option<Arc<Self>> {
        static HOUSES: Mutex<BTreeMap<Key, Arc<House>>> = Mutex::new(BTreeMap::new());
        let config = config(lines)?;
        if lines.iter().any(|line| matches!(line.act, Act::ShutsDown)) {
            return Some(Arc::new(Self::build(io, &config)));
        }
        let mut houses = HOUSES.lock().unwrap();
        let key = (io, config.clone());
        Some(Arc::clone(houses.entry(key).or_insert_with(|| Arc::new(Self::build(io, &config)))))
    }

    fn build(io: Io, config: &str) -> Self {
        let folder = Folder::new("house");
        let unix = folder.path("wamp.sock");
        let io = if io == Io::Uring { drivers()[0] } else { "epoll" };
        let config = config.replace("UNIX", &unix.display().to_string()).replace("IO", io);
        let mut router = keep(program(&folder.path(""), &["--config", "-"]), config);
        router.await_line("ready in ");
        let tcp = router.address("ws://");
        let neighbours = Mutex::new(Some(Neighbours::meet(&tcp)));
        let homes = (0..HOMES_COUNT).map(|number| Home {
            first: format!("home{number}"),
            second: format!("garden{number}"),
        });
        let homes = Mutex::new(homes.collect());
        Self { router: Mutex::new(Some(router)), tcp, unix, homes, neighbours, _folder: folder }
    }

    /// Two realms for one play.
    pub(crate) fn rent(&self) -> Home {
        self.homes
            .lock()
            .unwrap()
            .pop()
            .expect("more homes than threads and plays that leave something behind")
    }

    /// The play is over, and its peers are gone.
    pub(crate) fn give_back(&self, home: Home) {
        self.homes.lock().unwrap().push(home);
    }

    /// Returns when everything that was under way between the shards has arrived.
    pub(crate) fn settle(&self) {
        if let Some(neighbours) = self.neighbours.lock().unwrap().as_mut() {
            neighbours.talk();
        }
    }

    /// Asks the router to stop. Nothing settles any more from here on.
    pub(crate) fn shut_down(&self) {
        *self.neighbours.lock().unwrap() = None;
        self.router.lock().unwrap().as_ref().unwrap().signal(Signal::SIGTERM);
    }

    /// Waits for the end of a router that was asked to stop.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.router.lock().unwrap().take().unwrap().end() {
            (Some(0), _) => Ok(()),
            (code, lines) => Err(format!("it ended with {code:?}: {lines:#?}")),
        }
    }
}

impl Neighbours {
    /// They come first, so the least loaded shard is another one for each.
    fn meet(address: &str) -> Self {
        let mut peers = [(); 2].map(|()| Peer::tcp(address, Framing::RawSocket));
        let shards = peers.each_mut().map(|peer| peer.join("neighbours") % SHARDS_COUNT);
        assert_ne!(shards[0], shards[1], "the shards of the neighbours");
        for (place, peer) in peers.iter_mut().enumerate() {
            peer.send(&json!([32, 1, {}, format!("to.{place}")]));
            assert_eq!(peer.receive().unwrap()[0], 33);
        }
        Self { peers, requests_count: 1 }
    }

    /// Each tells the other something, time and again. What shards send each other stays in order,
    /// so whatever was under way before has arrived, and so have the answers to it.
    fn talk(&mut self) {
        for _ in 0..CROSSINGS_MAX {
            self.requests_count += 1;
            for (place, peer) in self.peers.iter_mut().enumerate() {
                let topic = format!("to.{}", 1 - place);
                peer.send(&json!([16, self.requests_count, {}, topic]));
            }
            for peer in &mut self.peers {
                assert_eq!(peer.receive().unwrap()[0], 36);
            }
        }
    }
}

/// How long a wait of a scenario is here.
pub(crate) fn scaled(time: Duration) -> Duration {
    Duration::from_millis(time.as_secs() * SECOND_MILLIS)
}

/// The configuration for `lines`, but for the driver and the path of the Unix socket.
fn config(lines: &[Line]) -> Option<String> {
    let (mut of_realms, mut limits) = (String::new(), String::new());
    let (mut trust, mut history, mut kills) = (Vec::new(), Vec::new(), true);
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let Act::Given(given) = &line.act else {
            continue;
        };
        match given.split_once(' ') {
            None if given == "strict_uris" => of_realms += "uri_check = \"strict\"\n",
            None if given == "any_request_ids" => of_realms += "request_ids = \"any\"\n",
            None if given == "disclosure_denied" => of_realms += "disclosure = \"deny\"\n",
            None if given == "disclosure_always" => of_realms += "disclosure = \"always\"\n",
            None if given == "force_reregister" => of_realms += "force_reregister = true\n",
            None if given == "meta_kill_denied" => kills = false,
            // The program wants room for at least one message; with that, sockets take so much
            // that nobody is slow.
            Some(("outbox_bytes_max", _)) => return None,
            // A second is shorter here.
            Some((name, _)) if name.ends_with("_per_second") => return None,
            Some(("trust", rule)) => trust.push(rule),
            Some(("history", rule)) => history.push(rule),
            // Authorizers have tests of their own against the program.
            Some(("ask" | "authorizer" | "role" | "principal", _)) => return None,
            Some((list @ ("allow" | "deny" | "disclose"), rule)) => {
                rules.entry(list).or_default().push(rule);
            }
            Some(("retained_bytes_max", size)) => {
                of_realms += &format!("retained_bytes_max = \"{size} B\"\n");
            }
            Some((name @ "retained_topics_max", value)) => {
                of_realms += &format!("{name} = {value}\n");
            }
            Some((name, value)) => match name.strip_suffix("_ms") {
                Some(name) => of_realms += &format!("{name} = \"{value}ms\"\n"),
                None => limits += &format!("{name} = {value}\n"),
            },
            None => panic!("nothing is called {given}"),
        }
    }
    of_realms += &format!("meta_kill = {kills}\n");
    if !trust.is_empty() {
        of_realms += &format!("trust = {trust:?}\n");
    }
    if !history.is_empty() {
        of_realms += &format!("history = {history:?}\n");
    }
    if !rules.is_empty() {
        of_realms += "anonymous = \"anonymous\"\n[[realms.roles]]\nname = \"anonymous\"\n";
        for (list, rules) in rules {
            of_realms += &format!("{list} = {rules:?}\n");
        }
    }
    if lines.iter().any(|line| matches!(line.act, Act::Waits(_))) {
        let millis = |seconds| scaled(Duration::from_secs(seconds)).as_millis();
        limits += &format!("handshake = \"{}ms\"\ngoodbye = \"{}ms\"\n", millis(10), millis(5));
    }
    let mut text = format!(
        "io = \"IO\"\nshards = {SHARDS_COUNT}\n\
         [[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"unix:UNIX\"\n\
         [limits]\n{limits}[[realms]]\nname = \"neighbours\"\n"
    );
    for number in 0..HOMES_COUNT {
        for name in ["home", "garden"] {
            text += &format!("[[realms]]\nname = \"{name}{number}\"\n{of_realms}");
        }
    }
    Some(text)
}

/// Starts a router that lives as long as this process: the kernel ends it with the thread that
/// started it, so that is a thread that never ends.
fn keep(command: Command, input: String) -> Router {
    type Order = (Command, String, Sender<Router>);
    static KEEPER: OnceLock<Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (order, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, input, done) in orders {
                die_with_parent(&mut command);
                let _ = done.send(Router::spawn(command, &input));
            }
        });
        order
    });
    let (done, router) = channel();
    keeper.send((command, input, done)).unwrap();
    router.recv().unwrap()
}

#[expect(unsafe_code, reason = "what happens between fork and exec has no safe interface")]
fn die_with_parent(command: &mut Command) {
    let ask = || {
        // SAFETY: the call reads its arguments only.
        let failed = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0;
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec the closure makes one system call; it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(ask) };
}
