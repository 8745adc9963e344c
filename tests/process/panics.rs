//! A panic on whatever thread ends the process.

use std::process::Command;
use std::thread;

/// Set in the process that is to panic.
const ASKED: &str = "GIGAWAMP_TEST_PANICS";

#[test]
fn a_panic_on_any_thread_ends_the_process() {
    if std::env::var_os(ASKED).is_some() {
        gigawamp::shard::die_on_panic();
        let panicked = thread::spawn(|| panic!("something that shards share is broken")).join();
        unreachable!("the process goes on after {panicked:?}");
    }
    let name = "panics::a_panic_on_any_thread_ends_the_process";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ASKED, "1");
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    // A test that merely fails ends with 101.
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("something that shards share is broken"), "{err}");
}
