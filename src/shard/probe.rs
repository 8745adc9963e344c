//! What the host permits, asked before anything depends on it.
//!
//! io_uring can be missing for five reasons that look alike from afar, and each has another
//! remedy. So the kernel is asked for a real ring first, and what it refuses is explained.

use std::io;

use super::driver::sys;
use super::driver::uring::Uring;
use super::{Io, Mode};

/// Octets of lockable memory that one shard's rings are charged with: 290 KiB for those of its
/// executor, 140 KiB for its own, and some for the next kernel.
const LOCKED_BYTES_PER_SHARD: u64 = 450 << 10;

/// The least that the executor accepts, whoever runs it.
const LOCKED_BYTES_MIN: u64 = 512 << 10;

/// The capability to lock memory without a bound, as a bit of the effective set.
const CAP_IPC_LOCK: u64 = 1 << 14;

/// Finds out whether `shards` shards can use io_uring, and raises the limit of lockable memory as
/// far as this process may.
///
/// The text that comes with a mode is for the log: why it is not the better one, and what would
/// help.
///
/// # Errors
///
/// The same text, if io_uring was insisted on.
pub fn choose(io: Io, shards: usize) -> Result<(Mode, Option<String>), String> {
    if io == Io::Epoll {
        return Ok((Mode::Epoll, None));
    }
    match (probe(shards), io) {
        (Ok(()), _) => Ok((Mode::Uring, None)),
        (Err(reason), Io::Uring) => Err(reason),
        (Err(reason), _) => Ok((Mode::Epoll, Some(format!("using epoll: {reason}")))),
    }
}

fn probe(shards: usize) -> Result<(), String> {
    let lockable = sys::raise_lockable_memory().unwrap_or(0);
    // On a thread of its own: a ring is taken down in the thread that made it, which interrupts
    // whatever system call that is in.
    let probed = std::thread::scope(|scope| scope.spawn(Uring::probe).join());
    let probed = probed.expect("looking does not panic");
    probed.map_err(|error| explain(&error, lockable, shards))?;
    let needed = needed_bytes(shards);
    let is_bounded = !may_lock_without_bound();
    if lockable < LOCKED_BYTES_MIN || (is_bounded && lockable < needed) {
        return Err(explain_memory(lockable, shards));
    }
    Ok(())
}

fn needed_bytes(shards: usize) -> u64 {
    let shards = u64::try_from(shards).unwrap_or(u64::MAX);
    shards.saturating_mul(LOCKED_BYTES_PER_SHARD).max(LOCKED_BYTES_MIN)
}

/// Whether the limit does not bind this process. If nobody can say, it does.
fn may_lock_without_bound() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & CAP_IPC_LOCK != 0)
}

fn explain(error: &io::Error, lockable: u64, shards: usize) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => explain_refusal(switch()),
        Some(libc::ENOSYS) => "this kernel has no io_uring, or a sandbox such as gVisor hides it; \
                               Linux 6.1 or newer has what is needed"
            .to_owned(),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            "the io_uring of this kernel is too old; Linux 6.1 or newer has what is needed"
                .to_owned()
        }
        Some(libc::ENOMEM) => explain_memory(lockable, shards),
        _ => format!("io_uring cannot be set up: {error}"),
    }
}

/// What the administrator of the host has set: 0 everybody may, 1 only a group, 2 nobody.
fn switch() -> u8 {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn explain_refusal(switch: u8) -> String {
    if switch == 0 {
        return "io_uring is forbidden to this process, most likely by a seccomp filter such as \
                the default one of Docker; permit it with `--security-opt seccomp=PROFILE.json`, \
                where the profile allows io_uring_setup, io_uring_enter and io_uring_register, \
                and with `--ulimit memlock=67108864`"
            .to_owned();
    }
    format!(
        "io_uring is switched off on this host (kernel.io_uring_disabled = {switch}); permit it \
         with `sysctl -w kernel.io_uring_disabled=0`"
    )
}

fn explain_memory(lockable: u64, shards: usize) -> String {
    format!(
        "io_uring needs {} KiB of lockable memory for {shards} shards, and the limit is {} KiB; \
         raise it with `ulimit -l 65536`, for a container with `--ulimit memlock=67108864`, for \
         a systemd unit with `LimitMEMLOCK=64M`, or run fewer shards",
        needed_bytes(shards) >> 10,
        lockable >> 10,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoll_needs_no_permission() {
        assert_eq!(choose(Io::Epoll, 256), Ok((Mode::Epoll, None)));
    }

    #[test]
    fn auto_always_finds_a_mode_and_says_why_it_is_not_the_better() {
        let (mode, text) = choose(Io::Auto, 1).unwrap();
        assert_eq!(text.is_some(), mode == Mode::Epoll);
        assert_eq!(choose(Io::Uring, 1).is_ok(), mode == Mode::Uring);
    }

    #[test]
    fn each_refusal_names_its_cause_and_its_remedy() {
        let explain = |code| explain(&io::Error::from_raw_os_error(code), 65_536, 4);
        let cases = [
            (explain_refusal(0), ["seccomp=", "memlock=67108864"]),
            (explain_refusal(2), ["kernel.io_uring_disabled = 2", "sysctl -w"]),
            (explain(libc::ENOSYS), ["gVisor", "Linux 6.1"]),
            (explain(libc::EINVAL), ["too old", "Linux 6.1"]),
            (explain(libc::ENOMEM), ["1800 KiB", "LimitMEMLOCK=64M"]),
            (explain(libc::ENOMEM), ["64 KiB", "--ulimit memlock=67108864"]),
            (explain(libc::EMFILE), ["io_uring", "Too many open files"]),
        ];
        for (text, words) in cases {
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert!(text.contains("io_uring") && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn one_shard_needs_what_the_executor_insists_on() {
        assert_eq!(needed_bytes(1), 512 << 10);
        assert_eq!(needed_bytes(4), 1_800 << 10);
    }
}
