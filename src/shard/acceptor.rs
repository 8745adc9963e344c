//! Accepts connections and hands each to the least loaded shard.
//!
//! One thread does this for all listeners. A kernel that spreads connections over listening
//! sockets by hash gives the hottest of eight shards twice its share of sixteen connections, and
//! WAMP has few connections that live long; counting them is exact.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clock::Clock;
use super::driver::sys::{self, EventFd};
use super::mesh::{Gate, Newcomer};
use super::vestibule::Door;
use super::vestibule::admission::{Admission, Permit, count};
use super::vestibule::full::Full;
use crate::env::Instant;
use crate::router::Origin;

/// Connections accepted from one listener before the next one's turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to leave connections in the backlog when descriptors or memory have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait for a shard that has not looked at the last thousand newcomers yet.
const CROWDED_PAUSE: Duration = Duration::from_millis(2);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    place: Place,
    door: Arc<Door>,
}

/// Where a [`Listener`] listens.
#[derive(Debug)]
enum Place {
    Internet(SocketAddr),
    Unix(PathBuf),
}

impl Listener {
    /// Listens at `address`; port 0 lets the kernel choose. `backlog` connections may wait to be
    /// accepted (the kernel has a bound of its own, `net.core.somaxconn`).
    ///
    /// A second router at the same port is refused, but one may start while connections of its
    /// predecessor still fade out.
    ///
    /// # Errors
    ///
    /// What the kernel says: the port is taken, or not ours to take.
    pub fn bind_tcp(address: SocketAddr, backlog: u32) -> io::Result<Self> {
        // Sets SO_REUSEADDR and close-on-exec, but not SO_REUSEPORT.
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        sys::listen(listener.as_fd(), backlog)?;
        let place = Place::Internet(listener.local_addr()?);
        Ok(Self { socket: listener.into(), place, door: Arc::default() })
    }

    /// Listens at `path`, with the permissions `mode` from before the first connection on. The
    /// file is removed when the listener is dropped.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody answers at `path`, or if there is a
    /// file that is no socket; a socket file that nobody answers at is replaced. Otherwise what
    /// the kernel says.
    pub fn bind_unix(path: &Path, mode: Option<u32>, backlog: u32) -> io::Result<Self> {
        remove_if_stale(path)?;
        let socket = sys::bind_unix(path)?;
        let place = Place::Unix(path.to_owned());
        let listener = Self { socket, place, door: Arc::default() };
        if let Some(mode) = mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        sys::listen(listener.socket.as_fd(), backlog)?;
        Ok(listener)
    }

    /// What it demands of those who connect: nothing, unless this is called.
    #[must_use]
    pub fn with_door(mut self, door: Door) -> Self {
        self.door = Arc::new(door);
        self
    }

    /// Has the kernel look after silent peers of connections that are accepted from now on, or not
    /// if `interval` is zero; see [`sys::keep_alive`]. Unix sockets need none: the
    /// kernel knows when their peers are gone.
    pub(super) fn keep_alive(&self, interval: Duration) -> io::Result<()> {
        match &self.place {
            Place::Internet(_) => sys::keep_alive(self.socket.as_fd(), interval),
            Place::Unix(_) => Ok(()),
        }
    }

    /// Where it listens: `tcp:127.0.0.1:8080`, `tcp:[::1]:8080`, `unix:/path`.
    #[must_use]
    pub fn local_addr(&self) -> String {
        match &self.place {
            Place::Internet(address) => format!("tcp:{address}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection and where it came from, as far as the kernel knows.
    fn accept(&self) -> io::Result<(OwnedFd, Origin)> {
        let (socket, peer) = sys::accept(self.socket.as_fd())?;
        let Some(peer) = peer else {
            let uids = &self.door.uids;
            if !uids.is_empty() && !uids.contains(&sys::peer_uid(socket.as_fd())?) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let peer = self.local_addr().into();
            return Ok((socket, Origin { peer, ..Origin::default() }));
        };
        // Failing only means that the peer is gone already, which reading will tell.
        let _ = sys::disable_delay(socket.as_fd());
        let address = Some(peer.ip().to_canonical());
        let peer = format!("tcp:{peer}").into();
        Ok((socket, Origin { peer, address, ..Origin::default() }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Place::Unix(path) = &self.place {
            // If it is gone, or somebody else's by now and not removable, so be it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The thread that accepts.
#[derive(Debug)]
pub(super) struct Acceptor {
    stop: Arc<Stop>,
    changes: Sender<Change>,
    thread: Option<JoinHandle<()>>,
}

/// What changes for listeners while they are open.
#[derive(Debug)]
enum Change {
    /// Another door for the one of that index.
    Door(usize, Arc<Door>),
    /// How often the kernel asks silent peers of all of them.
    KeepAlive(Duration),
}

#[derive(Debug)]
struct Stop {
    bell: EventFd,
    is_asked: AtomicBool,
}

impl Acceptor {
    /// Begins to accept for the shards behind `gates`, up to `connections_max` at a time and as
    /// many from each address as `admission` allows.
    pub(super) fn start(
        listeners: Vec<Listener>,
        gates: Arc<[Gate]>,
        connections_max: usize,
        (admission, clock): (Arc<Admission>, Clock),
    ) -> io::Result<Self> {
        let stop = Arc::new(Stop { bell: EventFd::new()?, is_asked: AtomicBool::new(false) });
        let reserve = Some(spare_descriptor()?);
        let (changes, news) = mpsc::channel();
        let accepting = Accepting {
            listeners,
            gates,
            connections_max,
            reserve,
            stop: Arc::clone(&stop),
            news,
            admission,
            clock,
            full: Full::default(),
        };
        let thread = std::thread::Builder::new()
            .name("acceptor".to_owned())
            .spawn(move || accepting.run())?;
        Ok(Self { stop, changes, thread: Some(thread) })
    }

    /// Has whoever connects to the listener `index` from now on pass through `door`.
    pub(super) fn set_door(&self, index: usize, door: Arc<Door>) {
        self.change(Change::Door(index, door));
    }

    /// Has the kernel look after silent peers of connections that are accepted from now on.
    pub(super) fn keep_alive(&self, interval: Duration) {
        self.change(Change::KeepAlive(interval));
    }

    fn change(&self, change: Change) {
        // It fails only when the thread has ended, and with it the listeners.
        let _ = self.changes.send(change);
        self.stop.bell.ring();
    }

    /// Closes the listeners. Connections that were accepted reach their shards still.
    pub(super) fn stop(&mut self) {
        self.stop.is_asked.store(true, Ordering::Release);
        self.stop.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It has no result, and its panic has ended the process or been reported already.
            let _ = thread.join();
        }
    }

    /// Whether the thread ended without having been asked to.
    pub(super) fn has_failed(&self) -> bool {
        let has_ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        has_ended && !self.stop.is_asked.load(Ordering::Acquire)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread works with.
struct Accepting {
    listeners: Vec<Listener>,
    gates: Arc<[Gate]>,
    connections_max: usize,
    /// Given up for a moment when descriptors have run out, to tell a peer so.
    reserve: Option<OwnedFd>,
    stop: Arc<Stop>,
    news: Receiver<Change>,
    admission: Arc<Admission>,
    clock: Clock,
    /// Who came when there was no room.
    full: Full,
}

/// Why a connection may not stay.
enum Refusal {
    /// As many as may be are open.
    Full,
    /// Its address has had enough.
    Address,
}

/// How a turn at one listener ended.
enum Turn {
    Done,
    /// Accepting must pause for this long.
    Pause(Duration),
}

impl Accepting {
    fn run(mut self) {
        let mut pause_until: Option<Instant> = None;
        while !self.stop.is_asked.load(Ordering::Acquire) {
            let now = self.clock.now();
            pause_until = pause_until.filter(|until| *until > now);
            let mut sources = vec![self.stop.bell.as_fd()];
            sources.extend(self.full.sockets());
            let first = sources.len();
            // During a pause nobody else is let in.
            if pause_until.is_none() {
                sources.extend(self.listeners.iter().map(|listener| listener.socket.as_fd()));
            }
            let until = [pause_until, self.full.deadline()].into_iter().flatten().min();
            let ready = wait(&sources, until.map(|until| self.clock.until(until)));
            if ready.first() == Some(&true) {
                self.heed_changes();
            }
            self.full.look(ready.get(1..first).unwrap_or_default(), self.clock.now());
            for (index, _) in ready.iter().skip(first).enumerate().filter(|(_, ready)| **ready) {
                if let Turn::Pause(duration) = self.turn(index) {
                    pause_until = Some(self.clock.now() + duration);
                    break;
                }
            }
        }
    }

    fn heed_changes(&mut self) {
        // What is sent after this rings again.
        self.stop.bell.clear();
        for change in self.news.try_iter() {
            match change {
                Change::Door(index, door) => {
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.door = door;
                    }
                }
                Change::KeepAlive(interval) => {
                    for listener in &self.listeners {
                        if let Err(error) = listener.keep_alive(interval) {
                            tracing::warn!(%error, "cannot set keepalive of a listener");
                        }
                    }
                }
            }
        }
    }

    /// Accepts what waits at one listener.
    fn turn(&mut self, index: usize) -> Turn {
        if self.reserve.is_none() {
            self.reserve = spare_descriptor().ok();
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(gate) = self.least_loaded() else {
                return Turn::Pause(CROWDED_PAUSE);
            };
            let (socket, mut origin) = match self.listeners[index].accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Turn::Done,
                    Some(libc::EMFILE | libc::ENFILE) => return self.turn_away(index, &error),
                    Some(libc::ENOBUFS | libc::ENOMEM) => {
                        tracing::warn!(%error, "cannot accept connections; pausing");
                        return Turn::Pause(EXHAUSTED_PAUSE);
                    }
                    // The peer is gone before it was accepted, or a firewall refused it.
                    _ => continue,
                },
            };
            let door = Arc::clone(&self.listeners[index].door);
            let permit = match self.admit(&origin, &door) {
                Ok(permit) => permit,
                Err(Refusal::Full) if door.is_open(origin.address) => {
                    self.full.take(socket, self.clock.now());
                    continue;
                }
                Err(Refusal::Full | Refusal::Address) => {
                    // Nothing is kept of it, not even the memory that its connection had an end.
                    sys::reset_on_close(socket.as_raw_fd());
                    continue;
                }
            };
            origin.listener = u16::try_from(index).expect("listeners are fewer than 65,536");
            let newcomer = Newcomer { socket, origin, door, permit };
            let gate = &self.gates[gate];
            gate.connections.fetch_add(1, Ordering::Relaxed);
            let pushed = gate.newcomers.push(newcomer);
            assert!(pushed.is_ok(), "there was room, and nobody else adds newcomers");
            gate.ring();
        }
        Turn::Done
    }

    /// Whether a connection may stay, and its place among those of its address. Those of proxies
    /// count for their clients, once they have told which those are.
    fn admit(&self, origin: &Origin, door: &Door) -> Result<Option<Permit>, Refusal> {
        let peer = &origin.peer;
        if self.connections_count() >= self.connections_max {
            count(&self.admission.counts.full);
            tracing::debug!(%peer, "connection refused: as many as allowed are open");
            return Err(Refusal::Full);
        }
        let Some(address) = origin.address.filter(|_| !door.is_proxy(origin.address)) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let admitted = self.admission.admit(address, now);
        if admitted.is_err() && self.admission.may_note(Some(address), now) {
            tracing::warn!(%peer, "connection refused: its address has had enough of them");
        }
        admitted.map_err(|_| Refusal::Address)
    }

    /// No descriptor is left: uses the reserved one to close a connection that would otherwise
    /// wait in vain, then lets the others wait.
    fn turn_away(&mut self, index: usize, error: &io::Error) -> Turn {
        tracing::warn!(%error, "no descriptor left for another connection; pausing");
        self.reserve = None;
        let _ = self.listeners[index].accept();
        // If somebody else is faster, it is tried again before the next connection.
        self.reserve = spare_descriptor().ok();
        Turn::Pause(EXHAUSTED_PAUSE)
    }

    /// The shard with the fewest connections of those that have room for a newcomer.
    fn least_loaded(&self) -> Option<usize> {
        let loads = self.gates.iter().enumerate().filter(|(_, gate)| !gate.newcomers.is_full());
        loads
            .min_by_key(|(_, gate)| gate.connections.load(Ordering::Relaxed))
            .map(|(shard, _)| shard)
    }

    fn connections_count(&self) -> usize {
        self.gates.iter().map(|gate| gate.connections.load(Ordering::Relaxed)).sum()
    }
}

fn wait(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Vec<bool> {
    sys::poll_readable(sources, timeout).expect("descriptors of our own can be waited for")
}

fn spare_descriptor() -> io::Result<OwnedFd> {
    std::fs::File::open("/dev/null").map(OwnedFd::from)
}

/// Removes the socket file that a router left which did not end in order.
fn remove_if_stale(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => {
            let text = format!("{}: somebody answers there already", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            std::fs::remove_file(path)
        }
        // Nothing there, or something we should not touch: binding will tell.
        Err(_) => Ok(()),
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::router::config::Limits;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("gigawamp-{}-{name}", std::process::id()))
    }

    #[test]
    fn tcp_listeners_are_exclusive_and_say_where_they_are() {
        for (address, prefix) in [("127.0.0.1:0", "tcp:127.0.0.1:"), ("[::1]:0", "tcp:[::1]:")] {
            let Ok(listener) = Listener::bind_tcp(address.parse().unwrap(), 16) else {
                assert!(address.starts_with('['), "only IPv6 may be missing");
                continue;
            };
            let place = listener.local_addr();
            assert!(place.starts_with(prefix), "{place}");
            let taken = place.trim_start_matches("tcp:").parse().unwrap();
            let error = Listener::bind_tcp(taken, 16).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn silent_peers_are_looked_after() {
        let listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        listener.keep_alive(Duration::from_secs(30)).unwrap();
        let address = listener.local_addr().trim_start_matches("tcp:").to_owned();
        let _peer = TcpStream::connect(address).unwrap();
        let sources = [listener.socket.as_fd()];
        wait(&sources, None);
        let (socket, _) = listener.accept().unwrap();
        listener.keep_alive(Duration::ZERO).unwrap();
        let option = (libc::SOL_SOCKET, libc::SO_KEEPALIVE);
        assert_eq!(sys::option(listener.socket.as_fd(), option).unwrap(), 0, "for later ones");
        for (level, option, value) in [
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 30),
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 30),
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
        ] {
            assert_eq!(sys::option(socket.as_fd(), (level, option)).unwrap(), value);
        }
    }

    #[test]
    fn who_comes_later_is_looked_after_as_was_said_last() {
        let listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = listener.local_addr().trim_start_matches("tcp:").to_owned();
        let gates: Arc<[Gate]> = [Gate::new().unwrap()].into();
        let rest = (Admission::new(&Limits::default()), Clock::start());
        let acceptor = Acceptor::start(vec![listener], Arc::clone(&gates), 1_000, rest).unwrap();
        acceptor.keep_alive(Duration::from_secs(7));
        let idle = (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE);
        // Those that were accepted before it was heeded have the default of the kernel.
        for _ in 0..500 {
            let _peer = TcpStream::connect(&address).unwrap();
            let newcomer = loop {
                if let Some(newcomer) = gates[0].newcomers.pop() {
                    break newcomer;
                }
                std::thread::yield_now();
            };
            if sys::option(newcomer.socket.as_fd(), idle).unwrap() == 7 {
                return;
            }
        }
        panic!("it is not heeded");
    }

    #[test]
    fn a_unix_listener_replaces_only_what_nobody_answers_at() {
        let path = path("stale");
        let first = Listener::bind_unix(&path, Some(0o600), 16).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.local_addr(), format!("unix:{}", path.display()));
        let error = Listener::bind_unix(&path, None, 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "its owner did not end in order");
        drop(Listener::bind_unix(&path, None, 16).unwrap());

        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind_unix(&path, None, 16).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let long = PathBuf::from("/tmp").join("x".repeat(110));
        for path in [long.as_path(), Path::new(""), Path::new("/tmp/a\0b")] {
            let error = Listener::bind_unix(path, None, 16).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn each_connection_goes_to_the_least_loaded_shard_until_there_are_enough() {
        let listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = listener.local_addr().trim_start_matches("tcp:").to_owned();
        let gates: Arc<[Gate]> = (0..3).map(|_| Gate::new().unwrap()).collect();
        let rest = (Admission::new(&Limits::default()), Clock::start());
        gates[1].connections.store(2, Ordering::Relaxed);
        let mut acceptor = Acceptor::start(vec![listener], Arc::clone(&gates), 7, rest).unwrap();
        let mut peers: Vec<_> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
        // Places for five are left; the sixth sees its connection closed.
        let mut refused = TcpStream::connect(&address).unwrap();
        let error = refused.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        // Who speaks RawSocket is told; nobody is waited for, if there are many.
        let mut crowd: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
        for (says, answer) in [([0x7F, 0xF1, 0, 0], Some([0x7F, 0x40, 0, 0])), (*b"GET ", None)] {
            let mut late = TcpStream::connect(&address).unwrap();
            late.write_all(&says).unwrap();
            let mut heard = [0; 4];
            let read = late.read_exact(&mut heard).ok().map(|()| heard);
            assert_eq!(read, answer, "{says:?}");
            if answer.is_some() {
                assert_eq!(late.read(&mut [0]).unwrap(), 0, "and that is the end");
            }
        }
        assert!(crowd.iter_mut().all(|stream| stream.read(&mut [0]).is_err()));
        let loads = gates.iter().map(|gate| gate.connections.load(Ordering::Relaxed));
        let mut loads: Vec<_> = loads.collect();
        loads.sort_unstable();
        assert_eq!(loads, [2, 2, 3]);
        let newcomer = gates[0].newcomers.pop().unwrap();
        assert_eq!(
            &*newcomer.origin.peer,
            format!("tcp:{}", peers.remove(0).local_addr().unwrap())
        );

        acceptor.stop();
        assert!(!acceptor.has_failed());
        assert!(TcpStream::connect(&address).is_err());
    }
}
