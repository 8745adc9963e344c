//! Both drivers, through real sockets, below a core that only echoes.

mod certificates;
mod doors;
mod echo;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::env::Random;
use crate::router::config::Limits;
use echo::{Echo, Style};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every test runs once per mode that this host permits.
fn for_each_mode(test: impl Fn(Mode)) {
    test(Mode::Epoll);
    match choose(Io::Uring, 3) {
        Ok(_) => test(Mode::Uring),
        Err(text) => assert!(text.contains("io_uring"), "{text}"),
    }
}

struct Server {
    shards: Shards,
    tcp: String,
    unix: PathBuf,
}

impl Server {
    fn start(mode: Mode, shards: usize, style: Style) -> Self {
        Self::start_with(mode, shards, style, 1_000_000)
    }

    fn start_with(mode: Mode, shards: usize, style: Style, connections_max: usize) -> Self {
        let (door, limits) = (Door::default(), Limits::default());
        Self::start_behind(mode, (shards, connections_max), style, door, limits)
    }

    /// Both listeners have `door`.
    fn start_behind(
        mode: Mode,
        (shards, connections_max): (usize, usize),
        style: Style,
        door: Door,
        limits: Limits,
    ) -> Self {
        let tcp = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), 1_024).unwrap();
        let place = tcp.local_addr().trim_start_matches("tcp:").to_owned();
        let name = format!("gigawamp-{}.sock", place.replace(':', "-"));
        let unix = std::env::temp_dir().join(name);
        let unix_listener = Listener::bind_unix(&unix, None, 1_024).unwrap();
        let listeners = vec![tcp.with_door(door.clone()), unix_listener.with_door(door)];
        let config = Config { limits, ..Config::default() };
        let options = Options {
            mode,
            shards,
            config: Arc::new(config),
            listeners,
            connections_max,
            busy_poll: Duration::from_micros(50),
            pin: false,
            counsel: None,
        };
        let shards = Shards::start_with(options, 2, move |shard| Echo::new(style, shard)).unwrap();
        Self { shards, tcp: place, unix }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn sum(&self, what: impl Fn(Counters) -> u64) -> u64 {
        self.shards.counters().into_iter().map(what).sum()
    }

    /// Waits until it is so while all is well.
    fn until(&self, is_so: impl Fn(&Self) -> bool) {
        patiently(|| {
            assert_eq!(self.shards.failure(), None);
            is_so(self)
        });
    }

    /// Ends it in order.
    fn end(mut self) {
        assert_eq!(self.shards.failure(), None);
        self.shards.stop_accepting();
        assert!(!self.unix.exists());
        self.shards.shut_down();
        assert!(self.shards.wait(PATIENCE), "the shards end");
        assert_eq!(self.shards.failure(), None);
    }
}

/// Waits until it is so.
fn patiently(mut is_so: impl FnMut() -> bool) {
    let clock = Clock::start();
    let end = clock.now() + PATIENCE;
    while !is_so() {
        assert!(clock.now() < end, "too slow");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn random_bytes(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes
}

fn below(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap()
}

/// Sends `count` octets in random pieces while it reads them back in others.
fn echo<S: Read + Write + Send>(writer: &mut S, reader: &mut S, seed: u64, count: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut random = Random::from_number(seed);
            let bytes = random_bytes(&mut Random::from_number(seed + 1), count);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let piece = (1 + below(&mut random, 20_000)).min(rest.len());
                writer.write_all(&rest[..piece]).unwrap();
                rest = &rest[piece..];
            }
        });
        let expected = random_bytes(&mut Random::from_number(seed + 1), count);
        let mut received = vec![0; count];
        reader.read_exact(&mut received).unwrap();
        assert!(received == expected, "bytes come back as they were sent");
    });
}

fn echo_tcp(stream: &TcpStream, seed: u64, count: usize) {
    echo(&mut stream.try_clone().unwrap(), &mut stream.try_clone().unwrap(), seed, count);
}

#[test]
fn bytes_come_back_over_tcp_and_unix_sockets() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 2, Style::Plain);
        for (seed, count) in [(1, 1), (2, 100), (3, 8_192), (4, 100_000), (5, 8 << 20)] {
            echo_tcp(&server.connect(), seed, count);
            let stream = UnixStream::connect(&server.unix).unwrap();
            echo(&mut stream.try_clone().unwrap(), &mut { stream }, seed, count);
        }
        server.end();
    });
}

#[test]
fn many_connections_at_once() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 2, Style::Plain);
        let mut streams: Vec<_> = (0..300).map(|_| server.connect()).collect();
        for round in 0..20_u8 {
            for (number, stream) in streams.iter_mut().enumerate() {
                stream.write_all(&vec![round; 1 + number * 7]).unwrap();
            }
            for (number, stream) in streams.iter_mut().enumerate() {
                let mut bytes = vec![0; 1 + number * 7];
                stream.read_exact(&mut bytes).unwrap();
                assert!(bytes.iter().all(|&byte| byte == round));
            }
        }
        server.until(|server| server.sum(|counters| counters.connections) == 300);
        let counters = server.shards.counters();
        assert!(counters.iter().all(|counters| counters.connections == 150), "{counters:?}");
        drop(streams);
        server.until(|server| server.sum(|counters| counters.violations) == 300);
        server.end();
    });
}

#[test]
fn a_peer_that_does_not_read_is_paused_and_loses_nothing() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Plain);
        let mut stream = server.connect();
        stream.set_nonblocking(true).unwrap();
        // Fill every buffer on the way until nothing moves any more.
        let (bytes, mut sent) = (random_bytes(&mut Random::from_number(9), 64 << 20), 0);
        let mut patience = 40;
        while patience > 0 {
            match stream.write(&bytes[sent..(sent + 50_000).min(bytes.len())]) {
                Ok(count) => (sent, patience) = (sent + count, 40),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    patience -= 1;
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
        }
        assert!(sent < bytes.len(), "somebody reads without end");
        // Another one is served meanwhile.
        echo_tcp(&server.connect(), 10, 100_000);
        stream.set_nonblocking(false).unwrap();
        let mut received = vec![0; sent];
        stream.read_exact(&mut received).unwrap();
        assert!(received == bytes[..sent]);
        echo_tcp(&stream, 11, 1_000_000);
        server.end();
    });
}

#[test]
fn a_paused_peer_that_vanishes_is_noticed() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Plain);
        let mut stream = server.connect();
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        while stream.write_all(&[1; 50_000]).is_ok() {}
        // Its unread bytes make this a reset.
        drop(stream);
        server.until(|server| server.sum(|counters| counters.violations) == 1);
        server.end();
    });
}

#[test]
fn bytes_go_around_through_short_lines() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 3, Style::Around { shards_count: 3 });
        let streams: Vec<_> = (0..12).map(|_| server.connect()).collect();
        std::thread::scope(|scope| {
            for (seed, stream) in (100..).zip(&streams) {
                scope.spawn(move || echo_tcp(stream, seed, 3 << 20));
            }
        });
        server.end();
    });
}

#[test]
fn a_half_close_comes_after_the_last_bytes() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Plain);
        for count in [1, 8_192, 50_000] {
            let mut stream = server.connect();
            stream.write_all(&vec![7; count]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), count);
        }
        server.until(|server| server.sum(|counters| counters.violations) == 3);
        server.end();
    });
}

#[test]
fn a_farewell_arrives_although_the_peer_still_sends() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Farewell(300_000));
        for _ in 0..20 {
            let mut stream = server.connect();
            // More than the router reads before it closes, less than it discards after.
            stream.write_all(&vec![1; 200_000]).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("no reset before the last byte");
            assert_eq!(bytes.len(), 300_000);
        }
        // A peer that never stops is cut off.
        let mut stream = server.connect();
        let error = loop {
            if let Err(error) = stream.write_all(&[2; 10_000]) {
                break error;
            }
        };
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(server.sum(|counters| counters.violations), 0, "no end after the end");
        server.end();
    });
}

#[test]
fn a_peer_that_lingers_is_cut_off_after_a_second() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Farewell(3));
        let mut stream = server.connect();
        stream.write_all(b"?").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let clock = Clock::start();
        let start = clock.now();
        let gate = &server.shards.gates[0];
        patiently(|| gate.connections.load(Ordering::Relaxed) == 0);
        let waited = clock.now() - start;
        assert!(waited > Duration::from_millis(800), "{waited:?}");
        server.end();
    });
}

#[test]
fn deadlines_are_kept_while_nothing_happens() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Tick(40));
        let mut stream = server.connect();
        for _ in 0..3 {
            let clock = Clock::start();
            let start = clock.now();
            stream.write_all(b"?").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            let waited = clock.now() - start;
            assert!(waited >= Duration::from_millis(40), "{waited:?}");
            assert!(waited < Duration::from_millis(400), "{waited:?}");
        }
        server.end();
    });
}

#[test]
fn one_flood_does_not_starve_the_others() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Plain);
        let flood = server.connect();
        std::thread::scope(|scope| {
            scope.spawn(|| echo_tcp(&flood, 50, 256 << 20));
            for seed in 0..20 {
                let stream = server.connect();
                for round in 0..20 {
                    echo_tcp(&stream, 1_000 * seed + round, 500);
                }
            }
        });
        server.end();
    });
}

#[test]
fn connections_beyond_the_bound_are_refused_until_others_leave() {
    for_each_mode(|mode| {
        let server = Server::start_with(mode, 2, Style::Plain, 4);
        let mut streams: Vec<_> = (0..4).map(|_| server.connect()).collect();
        streams.iter().for_each(|stream| echo_tcp(stream, 1, 10));
        let error = server.connect().read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        drop(streams.pop());
        server.until(|server| server.sum(|counters| counters.violations) == 1);
        server.until(|server| {
            let mut stream = server.connect();
            stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
        });
        server.end();
    });
}

#[test]
fn a_panic_is_a_failure() {
    for_each_mode(|mode| {
        let mut server = Server::start(mode, 2, Style::Panic);
        server.connect().write_all(b"?").unwrap();
        patiently(|| server.shards.failure().is_some());
        let failure = server.shards.failure().unwrap();
        assert!(failure.ends_with("it panicked: as asked"), "{failure}");
        assert!(!server.shards.wait(Duration::from_millis(10)), "the other one runs on");
    });
}

#[test]
fn shutting_down_ends_shards_with_idle_peers() {
    for_each_mode(|mode| {
        let server = Server::start(mode, 3, Style::Around { shards_count: 3 });
        let mut streams: Vec<_> = (0..50).map(|_| server.connect()).collect();
        server.until(|server| server.sum(|counters| counters.connections) == 50);
        std::thread::scope(|scope| {
            scope.spawn(|| server.end());
            for stream in &mut streams {
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            }
            drop(streams);
        });
    });
}

/// Runs the test `name`, which counts descriptors, in a process of its own, because other tests
/// open some too. Says whether this is that process.
fn is_alone(name: &str) -> bool {
    const ALONE: &str = "GIGAWAMP_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("shard::tests::{name}")]);
    let output = command.env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn descriptors_count() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn abrupt_ends_leave_no_descriptor() {
    if !is_alone("abrupt_ends_leave_no_descriptor") {
        return;
    }
    for_each_mode(|mode| {
        let before = descriptors_count();
        let server = Server::start(mode, 2, Style::Plain);
        echo_tcp(&server.connect(), 1, 1_000);
        server.until(|server| server.sum(|counters| counters.violations) == 1);
        let idle = descriptors_count();
        let mut random = Random::from_number(3);
        for round in 0..1_000 {
            let mut stream = server.connect();
            let bytes = random_bytes(&mut random, 1 + 10 * round);
            let _ = stream.write_all(&bytes);
            if round % 2 == 0 {
                // Unread bytes make the kernel send a reset instead of an end.
                let _ = stream.read(&mut [0]);
            }
        }
        server.until(|server| server.sum(|counters| counters.violations) == 1_001);
        server.until(|_| descriptors_count() == idle);
        server.end();
        // The executor's own threads end a moment after it.
        patiently(|| descriptors_count() == before);
    });
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on_later() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if !is_alone("without_descriptors_accepting_pauses_and_goes_on_later") {
        return;
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    for_each_mode(|mode| {
        let server = Server::start(mode, 1, Style::Plain);
        let first = server.connect();
        echo_tcp(&first, 1, 100);
        let most = u64::try_from(descriptors_count() + 20).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, hard).unwrap();
        let mut fillers = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            fillers.push(file);
        }
        // One descriptor for the peer, none for the router: each is told that it cannot stay.
        let mut refused = Vec::new();
        for _ in 0..5 {
            drop(fillers.pop().unwrap());
            let mut stream = server.connect();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            refused.push(stream);
        }
        let mut stream = &first;
        stream.write_all(&[1; 100]).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
        drop(fillers);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        echo_tcp(&server.connect(), 2, 100);
        server.end();
    });
}
