//! A router on a host that does not let it have everything.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use gigawamp::wire::Framing;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use crate::peer::Peer;
use crate::program::{Folder, Router, program, program_at, run};

const CONFIG: &str = "shards = 2\n[[realms]]\nname = \"realm1\"\n\
                      [[listeners]]\naddress = \"127.0.0.1:0\"\n";

/// Lets `command` start without io_uring, as Docker's default profile does: EPERM.
#[expect(unsafe_code, reason = "a filter for system calls has no safe interface")]
fn forbid_io_uring(command: &mut Command) {
    const NUMBER: u32 = 0; // of the system call, in what the filter sees
    let statement = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf: 0,
        k,
    };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let call = |number: libc::c_long| u32::try_from(number).unwrap();
    let refusal = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).unwrap();
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER, 0),
        statement(equal, call(libc::SYS_io_uring_setup), 3),
        statement(equal, call(libc::SYS_io_uring_enter), 2),
        statement(equal, call(libc::SYS_io_uring_register), 1),
        statement(give, libc::SECCOMP_RET_ALLOW, 0),
        statement(give, refusal, 0),
    ];
    let install = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).expect("six fit"),
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: both calls read their arguments only, and `program` points to `filter`, which
        // the closure owns.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
        };
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec the closure only makes system calls; it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(install) };
}

/// Lets `command` start with at most `most` of a resource.
#[expect(unsafe_code, reason = "a limit has to be set between fork and exec")]
fn limit(command: &mut Command, resource: Resource, most: u64) {
    // SAFETY: as above: one system call, nothing else.
    unsafe { command.pre_exec(move || Ok(setrlimit(resource, most, most)?)) };
}

/// The user without privileges.
const NOBODY: u32 = 65_534;

/// Starts `command`, lets it serve over both transports and stops it; returns its log.
fn serves(command: Command) -> Vec<String> {
    let mut router = Router::spawn(command, CONFIG);
    router.await_line("ready in ");
    let address = router.address("ws://");
    Peer::tcp(&address, Framing::RawSocket).join("realm1");
    Peer::tcp(&address, Framing::WebSocket).join("realm1");
    router.signal(Signal::SIGTERM);
    let (code, lines) = router.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    lines
}

#[test]
fn without_io_uring_it_falls_back_to_epoll_and_says_so() {
    let folder = Folder::new("fallback");
    let mut command = program(&folder.path(""), &["--config", "-"]);
    forbid_io_uring(&mut command);
    let lines = serves(command);
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(warnings.len(), 1, "{lines:#?}");
    assert!(warnings[0].contains("epoll"), "{lines:#?}");
}

#[test]
fn who_insists_on_io_uring_is_told_why_not() {
    let folder = Folder::new("insist");
    let mut command = program(&folder.path(""), &["--config", "-", "--io", "uring"]);
    forbid_io_uring(&mut command);
    let ended = run(command, CONFIG);
    assert_eq!(ended.code, Some(1));
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(last.contains("ERROR") && last.contains("io_uring"), "{}", ended.err);
    assert!(last.contains("seccomp"), "{}", ended.err);
}

#[test]
fn epoll_can_be_chosen() {
    let folder = Folder::new("epoll");
    let lines = serves(program(&folder.path(""), &["--config", "-", "--io", "epoll"]));
    assert!(lines.iter().all(|line| !line.contains(" WARN ")), "{lines:#?}");
}

#[test]
fn few_open_files_mean_few_connections() {
    let folder = Folder::new("nofile");
    let mut command = program(&folder.path(""), &["--config", "-", "--shards", "1"]);
    command.env("GIGAWAMP_CONNECTIONS_MAX", "1000");
    limit(&mut command, Resource::RLIMIT_NOFILE, 200);
    let lines = serves(command);
    // 200 less 128 of the process, 16 of its shard and 1 listener.
    let warning = "WARN connections_max was lowered to fit the limit of open files \
                   connections_max=55";
    assert!(lines.iter().any(|line| line.contains(warning)), "{lines:#?}");
}

#[test]
fn little_locked_memory_is_no_reason_to_fail() {
    let folder = Folder::new("memlock");
    // Where the user without privileges can run it.
    let copy = folder.path("gigawamp");
    std::fs::copy(env!("CARGO_BIN_EXE_gigawamp"), &copy).unwrap();
    for octets in [0, 64 << 10, 600 << 10] {
        let mut command = program_at(&copy, &folder.path(""), &["--config", "-"]);
        limit(&mut command, Resource::RLIMIT_MEMLOCK, octets);
        // Root may lock as much as it likes.
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        serves(command);
    }
}
