//! The few things the standard library does not do: epoll, CPU affinity, limits, resets.
//!
//! Each function is safe to call; the unsafe lines in here are calls of libc whose arguments are
//! plain values or live references.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What is awaited of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Only its end.
    Nothing,
    /// Octets to read.
    Read,
    /// Octets to read, and room to write.
    ReadWrite,
    /// Room to write.
    Write,
}

impl Interest {
    const fn mask(self) -> u32 {
        (match self {
            Self::Nothing => 0,
            Self::Read => libc::EPOLLIN,
            Self::Write => libc::EPOLLOUT,
            Self::ReadWrite => libc::EPOLLIN | libc::EPOLLOUT,
        }) as u32
    }
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What was given to [`Epoll::add`].
    pub token: u64,
    /// Octets, or the end of the stream, can be read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// Both directions are over.
    pub hung_up: bool,
}

/// An epoll instance, level-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// A new one that reports up to 1 024 sockets at once.
    ///
    /// # Errors
    ///
    /// If the kernel has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; 1_024] })
    }

    /// Awaits `interest` of `fd`.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn add(&self, fd: &impl AsRawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), token, interest)
    }

    /// Awaits something else of `fd`.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn modify(&self, fd: &impl AsRawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), token, interest)
    }

    /// Awaits nothing of `fd` any more.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn remove(&self, fd: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, Interest::Nothing)
    }

    /// Waits up to `timeout` nanoseconds and puts what is ready into `ready`, which it clears.
    ///
    /// # Errors
    ///
    /// As the kernel says; an interrupting signal is no error.
    pub fn wait(&mut self, timeout: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timeout = libc::timespec {
            tv_sec: i64::try_from(timeout / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(timeout % 1_000_000_000).unwrap_or(0),
        };
        // SAFETY: `events` has room for as many events as announced; `timeout` lives until the
        // call returns; no signal mask is given.
        let count = check(unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len(),
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        });
        let count = match count {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        let over = (libc::EPOLLHUP | libc::EPOLLERR) as u32;
        ready.extend(self.events.iter().take(count).map(|event| Ready {
            token: event.u64,
            readable: event.events & (libc::EPOLLIN as u32 | over) != 0,
            writable: event.events & libc::EPOLLOUT as u32 != 0,
            hung_up: event.events & over != 0,
        }));
        Ok(())
    }

    fn control(&self, action: i32, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.mask(), u64: token };
        // SAFETY: `event` lives until the call returns; a wrong descriptor is refused.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), action, fd, &raw mut event) })?;
        Ok(())
    }
}

/// The CPUs this thread may use.
///
/// # Errors
///
/// As the kernel says.
pub fn affinity() -> io::Result<Vec<usize>> {
    // SAFETY: a set of CPUs is plain data, and all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the size is that of `set`, which lives until the call returns.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
    let is_set = |cpu: &usize| {
        // SAFETY: `cpu` is below the size of the set.
        unsafe { libc::CPU_ISSET(*cpu, &set) }
    };
    Ok((0..CPUS_MAX).filter(is_set).collect())
}

/// Confines this thread, and what it starts from now on, to `cpus`.
///
/// # Errors
///
/// If there is no such CPU.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a set of CPUs is plain data, and all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter().copied().filter(|cpu| *cpu < CPUS_MAX) {
        // SAFETY: `cpu` is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the size is that of `set`, which lives until the call returns.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) })?;
    Ok(())
}

/// Raises the limit of open files to what the system allows, and returns it.
///
/// # Errors
///
/// As the kernel says.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives until the call returns.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` lives until the call returns.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// Lets this thread's timeouts be exact to the nanosecond rather than to 50 µs.
pub fn sharpen_timers() {
    // SAFETY: takes no pointer; a kernel that refuses leaves everything as it was.
    let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_usize, 0_usize, 0_usize, 0_usize) };
}

/// Makes closing `fd` reset the connection: nothing lingers, and what is unread is lost.
///
/// # Errors
///
/// As the kernel says.
pub fn reset_on_close(fd: &impl AsRawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of_val(&linger)).unwrap_or(0);
    // SAFETY: the size is that of `linger`, which lives until the call returns.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        )
    })?;
    Ok(())
}

/// Asks the process `pid` to end (SIGTERM).
///
/// # Errors
///
/// If there is no such process, or it is not ours.
pub fn terminate(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: takes no pointer.
    check(unsafe { libc::kill(pid, libc::SIGTERM) })?;
    Ok(())
}

/// Clock ticks per second in `/proc/PID/stat`, and octets of a page.
#[must_use]
pub fn ticks_and_page() -> (u64, u64) {
    // SAFETY: takes no pointer.
    let (ticks, page) =
        unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
    (u64::try_from(ticks).unwrap_or(100), u64::try_from(page).unwrap_or(4_096))
}

const CPUS_MAX: usize = libc::CPU_SETSIZE as usize;

/// The kernel's way to say no is −1.
fn check<T: PartialOrd + Default>(result: T) -> io::Result<T> {
    if result < T::default() {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
