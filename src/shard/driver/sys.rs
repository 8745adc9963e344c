//! The system calls of this room, each behind a safe function.
//!
//! Nothing here decides anything: no retry beyond EINTR, no state, no policy. Descriptors that a
//! caller gets are owned and close-on-exec; descriptors that a caller passes are borrowed for the
//! duration of the call, so a stale number can at worst make a call fail.

#![expect(unsafe_code, reason = "libc has no safe face; every block says why it is sound")]

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// A counter in the kernel that makes a descriptor readable: what a bell rings with.
#[derive(Debug)]
pub(in crate::shard) struct EventFd(std::fs::File);

impl EventFd {
    /// A silent one. Fails when descriptors or memory run out.
    pub(in crate::shard) fn new() -> io::Result<Self> {
        // SAFETY: takes two integers; the descriptor it returns is owned by nobody else.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: as above, it was just created.
        Ok(Self(std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes it readable.
    pub(in crate::shard) fn ring(&self) {
        // The only failure is a counter that is full, and then it is readable already.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it silent again.
    pub(in crate::shard) fn clear(&self) {
        // Nothing to read is as good: somebody was faster, or nobody rang.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Fills `bytes` with entropy of the kernel; waits for it only in early boot.
pub(in crate::shard) fn entropy(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: `rest` is writable memory of that length.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match check_size(count) {
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The processors this thread may run on, ascending.
pub(in crate::shard) fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Ties this thread to one of [`processors`].
pub(in crate::shard) fn pin(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Raises how much memory this process may lock to what it may raise it to, and returns that,
/// in octets.
pub(in crate::shard) fn raise_lockable_memory() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard)?;
    }
    Ok(hard)
}

/// Reads what the socket has, without waiting. 0 is the end of the stream.
pub(in crate::shard) fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT;
    retry(|| {
        // SAFETY: `buffer` is writable memory of that length.
        check_size(unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), buffer.len(), flags) })
    })
}

/// Writes what the socket has room for, without waiting and without a signal.
pub(in crate::shard) fn send(socket: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    retry(|| {
        // SAFETY: `bytes` is readable memory of that length.
        check_size(unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), flags) })
    })
}

/// [`send`] for several slices in one call; at most 1,024.
pub(in crate::shard) fn send_vectored(socket: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: a message header of zeroes has no name, no slices and no control data.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    // `IoSlice` is guaranteed to have the layout of `iovec`; sending does not write through it.
    header.msg_iov = slices.as_ptr().cast_mut().cast();
    header.msg_iovlen = slices.len() as _;
    // SAFETY: the header refers to `slices`, which live until the call returns.
    retry(|| check_size(unsafe { libc::sendmsg(socket, &raw const header, flags) }))
}

/// Tells the peer that nothing more will come, and keeps reading possible.
pub(super) fn shut_down_writing(socket: RawFd) {
    // SAFETY: takes two integers. A socket that is gone already is what we want.
    let _ = unsafe { libc::shutdown(socket, libc::SHUT_WR) };
}

/// Has closing the socket tell the peer at once that nothing is kept of it: no end, no wait for
/// what is under way.
pub(in crate::shard) fn reset_on_close(socket: RawFd) {
    let value = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = size_of_val(&value) as libc::socklen_t;
    let place = (&raw const value).cast();
    // SAFETY: the option's value is of that type and length, and is only read. A socket that is
    // gone already is what we want.
    let _ = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_LINGER, place, length) };
}

/// The other end of a socket, unless it is a Unix socket or gone.
pub(super) fn peer(socket: RawFd) -> Option<SocketAddr> {
    // SAFETY: an address of zeroes is an unnamed one, and large enough for every family.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is ours and as long as announced.
    let result = unsafe { libc::getpeername(socket, (&raw mut address).cast(), &raw mut length) };
    check(result).ok().and_then(|_| internet_address(&address))
}

/// The user at the other end of a Unix socket, as of when it connected.
pub(in crate::shard) fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of_val(&credentials) as libc::socklen_t;
    let place = (&raw mut credentials).cast();
    // SAFETY: there is room for credentials of that length.
    check(unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        libc::getsockopt(socket.as_raw_fd(), level, option, place, &raw mut length)
    })?;
    Ok(credentials.uid)
}

/// A new epoll instance.
pub(super) fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: takes an integer; the descriptor it returns is owned by nobody else.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: as above, it was just created.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether [`epoll_control`] begins a watch or alters it. (Closing the descriptor ends it.)
#[derive(Clone, Copy, Debug)]
pub(super) enum Watch {
    Begin,
    Alter,
}

/// Says which `events` of `socket` are of interest, and what to call them.
pub(super) fn epoll_control(
    epoll: BorrowedFd<'_>,
    watch: Watch,
    socket: RawFd,
    events: u32,
    token: u64,
) -> io::Result<()> {
    let operation = match watch {
        Watch::Begin => libc::EPOLL_CTL_ADD,
        Watch::Alter => libc::EPOLL_CTL_MOD,
    };
    let mut event = libc::epoll_event { events, u64: token };
    // SAFETY: the event is ours and is only read.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, socket, &raw mut event) })
        .map(drop)
}

/// Fills `events` from the front and returns how many; waits at most `timeout`, for ever if there
/// is none. A signal ends the wait early.
pub(super) fn epoll_wait(
    epoll: BorrowedFd<'_>,
    events: &mut [libc::epoll_event],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // SAFETY: `events` has room for as many as announced.
    let count = unsafe {
        libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, milliseconds(timeout))
    };
    match check(count) {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

/// Which of `sources` are readable (or broken), waiting at most `timeout` for the first. A signal
/// ends the wait early.
pub(in crate::shard) fn poll_readable(
    sources: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let timeout = PollTimeout::try_from(milliseconds(timeout)).unwrap_or(PollTimeout::NONE);
    let mut polled: Vec<_> =
        sources.iter().map(|&source| PollFd::new(source, PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) => Ok(polled.iter().map(|source| source.any().unwrap_or(true)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; sources.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Sets how many connections may wait to be accepted, and starts listening if need be.
pub(in crate::shard) fn listen(socket: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    // SAFETY: takes two integers.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// A Unix socket bound to `path`, not listening yet.
pub(in crate::shard) fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes three integers; the descriptor it returns is owned by nobody else.
    let fd = check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: as above, it was just created.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: an address of zeroes is an unnamed one.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    // One place stays zero behind the path.
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        let text = format!("{}: a socket's path has 1 to 107 octets, none zero", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    for (place, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = byte.cast_signed();
    }
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is ours and as long as announced.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// The next waiting connection, not blocking, and the peer's address unless it came by Unix
/// socket.
pub(in crate::shard) fn accept(
    listener: BorrowedFd<'_>,
) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    // SAFETY: an address of zeroes is an unnamed one, and large enough for every family.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the address is ours and as long as announced; the descriptor that is returned is
    // owned by nobody else.
    let fd = check(unsafe {
        libc::accept4(listener.as_raw_fd(), (&raw mut address).cast(), &raw mut length, flags)
    })?;
    // SAFETY: as above, it was just created.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, internet_address(&address)))
}

/// Sends small writes at once instead of waiting for more. Unix sockets do so anyway.
pub(in crate::shard) fn disable_delay(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, (libc::IPPROTO_TCP, libc::TCP_NODELAY), 1)
}

/// Has the kernel ask peers that have been silent for `interval` whether they are still there,
/// and end their connections when they do not answer [`PROBES_MAX`] times, as long apart; never, if
/// that is zero. What is set for a listener holds for all it accepts from then on.
pub(in crate::shard) fn keep_alive(socket: BorrowedFd<'_>, interval: Duration) -> io::Result<()> {
    if interval.is_zero() {
        return set_option(socket, (libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0);
    }
    let seconds = libc::c_int::try_from(interval.as_secs()).unwrap_or(libc::c_int::MAX);
    let seconds = seconds.clamp(1, KEEP_ALIVE_SECONDS_MAX);
    set_option(socket, (libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1)?;
    set_option(socket, (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), seconds)?;
    set_option(socket, (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL), seconds)?;
    set_option(socket, (libc::IPPROTO_TCP, libc::TCP_KEEPCNT), PROBES_MAX)
}

/// Probes without an answer after which a peer is given up.
const PROBES_MAX: libc::c_int = 3;

/// The kernel takes no longer intervals.
const KEEP_ALIVE_SECONDS_MAX: libc::c_int = 32_767;

fn set_option(
    socket: BorrowedFd<'_>,
    (level, option): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option's value is an integer of that length, and is only read.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    check(result).map(drop)
}

#[cfg(test)]
pub(in crate::shard) fn option(
    socket: BorrowedFd<'_>,
    (level, option): (libc::c_int, libc::c_int),
) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: there is room for an integer of that length.
    let result = unsafe {
        let place = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), level, option, place, &raw mut length)
    };
    check(result).map(|_| value)
}

/// A connection from one of this machine's addresses to another.
#[cfg(test)]
pub(in crate::shard) fn connect_from(
    from: SocketAddr,
    to: SocketAddr,
) -> io::Result<std::net::TcpStream> {
    fn plain(address: SocketAddr) -> libc::sockaddr_in {
        let SocketAddr::V4(address) = address else { panic!("IPv4 alone") };
        libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: address.ip().to_bits().to_be() },
            sin_zero: [0; 8],
        }
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes three integers; the descriptor it returns is owned by nobody else.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
    // SAFETY: as above, it was just created.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let (from, to) = (plain(from), plain(to));
    let length = size_of_val(&from) as libc::socklen_t;
    // SAFETY: both addresses are ours and as long as announced.
    unsafe {
        check(libc::bind(fd, (&raw const from).cast(), length))?;
        check(libc::connect(fd, (&raw const to).cast(), length))?;
    }
    Ok(socket.into())
}

fn internet_address(address: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is what the kernel wrote; both are plain data.
            let v4 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is what the kernel wrote; both are plain data.
            let v6 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Rounded up, so that a wait does not end just before what it waits for.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    })
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
