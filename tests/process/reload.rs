//! Reloading a router that runs: what changes, what stays, and who hears of it.

use std::path::PathBuf;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{Folder, Router, program, run};

/// A router with a configuration in a file, which can be written again.
struct Running {
    folder: Folder,
    router: Router,
    address: String,
}

impl Running {
    /// Starts a router of two shards with the `realms` and `more` after its listener.
    fn start(name: &str, realms: &[&str], more: &str) -> Self {
        let folder = Folder::new(name);
        std::fs::write(folder.path("gigawamp.toml"), text(&folder, realms, more)).unwrap();
        let mut router = Router::spawn(program(&folder.path(""), &[]), "");
        router.await_line("ready in ");
        let address = router.address("ws://");
        Self { folder, router, address }
    }

    /// Writes another configuration.
    fn write(&self, realms: &[&str], more: &str) {
        let text = text(&self.folder, realms, more);
        std::fs::write(self.folder.path("gigawamp.toml"), text).unwrap();
    }

    /// Has it read its configuration again; says how the command ended and what it printed.
    fn reload(&self) -> (Option<i32>, String) {
        let ended = run(program(&self.folder.path(""), &["reload"]), "");
        (ended.code, ended.out + &ended.err)
    }

    #[track_caller]
    fn reload_well(&self) {
        assert_eq!(self.reload(), (Some(0), "reloaded\n".to_owned()));
    }

    fn peer(&self) -> Peer {
        Peer::tcp(&self.address, Framing::RawSocket)
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path("pid")
    }
}

fn text(folder: &Folder, realms: &[&str], more: &str) -> String {
    let realms: String =
        realms.iter().map(|name| format!("[[realms]]\nname = \"{name}\"\n")).collect();
    let pid = folder.path("pid");
    format!(
        "shards = 2\npid_file = \"{}\"\n{realms}[[listeners]]\naddress = \"127.0.0.1:0\"\n{more}\n",
        pid.display()
    )
}

#[test]
fn realms_come_and_go_with_their_sessions() {
    let mut running = Running::start("reload-realms", &["realm1", "realm2"], "");
    let (mut stays, mut goes) = (running.peer(), running.peer());
    stays.join("realm1");
    goes.join("realm2");
    running.write(&["realm3", "realm1"], "");
    running.reload_well();
    let goodbye = goes.expect(6);
    assert_eq!(goodbye[2], "wamp.close.close_realm", "{goodbye}");
    goes.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
    assert_eq!(goes.receive(), None);
    running.peer().join("realm3");
    let mut late = running.peer();
    late.send(&json!([1, "realm2", {"roles": {"caller": {}}}]));
    assert_eq!(late.expect(3)[2], "wamp.error.no_such_realm");
    // The other realm has the same sessions as before.
    let mut other = running.peer();
    other.join("realm1");
    stays.send(&json!([32, 1, {}, "com.t"]));
    stays.expect(33);
    other.send(&json!([16, 1, {}, "com.t", [7]]));
    assert_eq!(stays.expect(36)[4], json!([7]));
    running.router.await_line("realms_added=1 realms_removed=1");
    running.router.await_line("the reload has ended 1 sessions");
    running.router.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_is_said_line_by_line() {
    let mut running = Running::start("reload-bad", &["realm1"], "");
    let mut peer = running.peer();
    peer.join("realm1");
    running.write(&["realm2"], "bakclog = 1\n[limits]\nstall = \"0s\"");
    let (code, printed) = running.reload();
    assert_eq!(code, Some(78));
    assert!(printed.contains("gigawamp.toml:7: unknown key `bakclog`"), "{printed}");
    assert!(printed.contains("gigawamp.toml:9: limits.stall: expected"), "{printed}");
    // Who signals without checking gets the same in the log.
    running.router.signal(Signal::SIGHUP);
    running.router.await_line("gigawamp.toml:7: unknown key `bakclog`");
    running.router.await_line("gigawamp.toml:9: limits.stall: expected");
    running.router.await_line("not reloaded, nothing has changed");
    running.peer().join("realm1");
    peer.send(&json!([32, 1, {}, "com.t"]));
    peer.expect(33);
    running.write(&["realm1"], "");
    running.reload_well();
    running.router.stop();
}

#[test]
fn limits_and_the_log_level_apply_and_what_takes_a_restart_is_named() {
    let mut running = Running::start("reload-limits", &["realm1"], "backlog = 7");
    let mut peer = running.peer();
    peer.join("realm1");
    peer.send(&json!([32, 1, {}, "com.a"]));
    peer.expect(33);
    running.write(&["realm1"], "backlog = 8\n[limits]\nsubscriptions_max = 1");
    running.reload_well();
    peer.send(&json!([32, 2, {}, "com.b"]));
    assert_eq!(peer.expect(8)[2], 2);
    let line = running.router.await_line("these changes take a restart");
    assert!(line.ends_with("listeners[127.0.0.1:0].backlog"), "{line}");
    // A level above `info` silences what says "reloaded" the next time.
    let silent =
        format!("log_level = \"error\"\n{}", text(&running.folder, &["realm1"], "backlog = 7"));
    std::fs::write(running.folder.path("gigawamp.toml"), silent).unwrap();
    running.reload_well();
    running.reload_well();
    running.router.signal(Signal::SIGTERM);
    let (code, lines) = running.router.end();
    assert_eq!(code, Some(0));
    let last = lines.iter().rev().find(|line| line.contains("reload")).unwrap();
    assert!(lines.iter().filter(|line| line.contains("realms_added=")).count() < 3, "{last}");
    assert!(!lines.iter().any(|line| line.contains("stopping on")), "{lines:#?}");
}

#[test]
fn who_is_not_there_is_not_signalled() {
    let running = Running::start("reload-gone", &["realm1"], "");
    let (pid_file, folder) = (running.pid_file(), &running.folder);
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    // A second router cannot run with the same file.
    let ended = run(program(&folder.path(""), &[]), "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("another process runs with it"), "{}", ended.err);
    let Running { router, folder, .. } = running;
    router.stop();
    assert!(!pid_file.exists());
    let reload = || run(program(&folder.path(""), &["reload"]), "");
    let ended = reload();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("no router runs with the pid_file"), "{}", ended.err);
    // Left behind by one that was killed.
    std::fs::write(&pid_file, pid).unwrap();
    let ended = reload();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("it was left behind"), "{}", ended.err);
}

#[test]
fn nothing_is_lost_while_it_reloads() {
    const EVENTS: u64 = 2_000;
    let running = Running::start("reload-load", &["realm1"], "");
    let (mut publisher, mut subscriber) = (running.peer(), running.peer());
    publisher.join("realm1");
    subscriber.join("realm1");
    subscriber.send(&json!([32, 1, {}, "com.t"]));
    subscriber.expect(33);
    let reader = std::thread::spawn(move || {
        (1..=EVENTS).for_each(|number| assert_eq!(subscriber.expect(36)[4], json!([number])));
    });
    for number in 1..=EVENTS {
        publisher.send(&json!([16, number, {}, "com.t", [number]]));
        if number % 100 == 0 {
            let more: &[&str] = if number % 200 == 0 { &["realm1"] } else { &["realm1", "b"] };
            running.write(more, "");
            running.router.signal(Signal::SIGHUP);
        }
    }
    reader.join().unwrap();
    running.router.stop();
}

#[test]
fn principals_in_a_file_come_and_go_when_it_changes() {
    let folder = Folder::new("reload-people");
    let people = folder.path("people.toml");
    let joe = "[[principals]]\nauthid = \"joe\"\nrole = \"user\"\nticket = \"env:JOE_TICKET\"\n";
    std::fs::write(&people, joe).unwrap();
    let text = format!(
        "shards = 2\n[[realms]]\nname = \"realm1\"\ncredentials = \"{}\"\n\
         [[listeners]]\naddress = \"127.0.0.1:0\"\n",
        people.display()
    );
    std::fs::write(folder.path("gigawamp.toml"), text).unwrap();
    let mut command = program(&folder.path(""), &[]);
    command.env("JOE_TICKET", "tickets-of-joe");
    let mut router = Router::spawn(command, "");
    router.await_line("ready in ");
    let address = router.address("ws://");
    let log_in = |authid: &str, ticket: &str| {
        let mut peer = Peer::tcp(&address, Framing::RawSocket);
        let details = json!({
            "roles": {"caller": {}}, "authid": authid, "authmethods": ["ticket"]
        });
        peer.send(&json!([1, "realm1", details]));
        peer.expect(4);
        peer.send(&json!([5, ticket, {}]));
        peer
    };
    let mut session = log_in("joe", "tickets-of-joe");
    session.expect(2);
    log_in("sue", "tickets-of-sue").expect(3);
    // A file with a mistake leaves all as it was, and what is secret out of the log.
    std::fs::write(&people, "[[principals]]\nauthid = \"sue\"\nrole = 7\nticket = 12345678\n")
        .unwrap();
    router.await_line("people.toml:3: realms.principals.role: expected");
    router.await_line("not reloaded, nothing has changed");
    log_in("joe", "tickets-of-joe").expect(2);
    let sue = joe.replace("joe", "sue").replace("env:JOE_TICKET", "tickets-of-sue");
    std::fs::write(&people, sue).unwrap();
    router.await_line("realms_added=0 realms_removed=0");
    assert_eq!(session.expect(6)[2], "gigawamp.close.access_changed");
    log_in("sue", "tickets-of-sue").expect(2);
    log_in("joe", "tickets-of-joe").expect(3);
    router.signal(Signal::SIGTERM);
    let (code, lines) = router.end();
    assert_eq!(code, Some(0));
    let log = lines.concat();
    assert!(!log.contains("tickets-of") && !log.contains("12345678"), "{log}");
}
