//! A router whose processor others keep busy: it wakes up for every message.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use gigawamp::wire::Framing;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{Folder, Router, drivers, factor, program};

/// Loops that keep the router's processor busy.
const SPINNERS_COUNT: usize = 4;

/// A process that does nothing but that, until it is dropped.
struct Spinner(Child);

impl Spinner {
    fn start(processor: usize) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        confine(&mut command, processor);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets `command` run on one processor alone, and not longer than the thread that starts it.
#[expect(unsafe_code, reason = "what happens between fork and exec has no safe interface")]
fn confine(command: &mut Command, processor: usize) {
    let mut processors = CpuSet::new();
    processors.set(processor).unwrap();
    let ask = move || {
        sched_setaffinity(Pid::from_raw(0), &processors)?;
        // SAFETY: the call reads its arguments only.
        let failed = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0;
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls; it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(ask) };
}

/// The last processor that this process may use: the first is busy enough.
fn processor() -> usize {
    let processors = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).rev().find(|processor| processors.is_set(*processor) == Ok(true)).unwrap()
}

#[test]
fn a_starved_router_answers_every_message() {
    const CONFIG: &str = "shards = 2\n[[realms]]\nname = \"realm1\"\n\
                          [[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let processor = processor();
    for driver in drivers() {
        let folder = Folder::new("starved");
        let mut command = program(&folder.path(""), &["--config", "-", "--io", driver]);
        confine(&mut command, processor);
        let mut router = Router::spawn(command, CONFIG);
        router.await_line("ready in ");
        let address = router.address("ws://");
        let mut peers = [(); 2].map(|()| Peer::tcp(&address, Framing::RawSocket));
        let shards = peers.each_mut().map(|peer| peer.join("realm1") % 2);
        assert_ne!(shards[0], shards[1], "sessions are spread evenly");
        let [mut caller, mut callee] = peers;
        callee.send(&json!([64, 1, {}, "com.p"]));
        callee.expect(65);
        let spinners = [(); SPINNERS_COUNT].map(|()| Spinner::start(processor));
        for request in 1..=200 * factor() {
            caller.send(&json!([48, request, {}, "com.p", [request]]));
            assert_eq!(callee.expect(68)[4][0], request);
            callee.send(&json!([70, request, {}]));
            assert_eq!(caller.expect(50)[1], request);
        }
        drop((spinners, caller, callee));
        router.stop();
    }
}
