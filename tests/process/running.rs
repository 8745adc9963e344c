//! A router that runs: where it listens, what it says, how it stops.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{Folder, PATIENCE, Router, program, run};

/// A configuration with one realm, one listener at `address` and `more` after it.
fn config(address: &str, more: &str) -> String {
    format!(
        "shards = 2\n[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"{address}\"\n{more}\n"
    )
}

/// The messages of some lines of the log, without time and level.
fn messages(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split_at(31).1).collect()
}

/// The status that a plain GET of `path` is answered with, if it is answered at all.
fn http_status(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    Some(answer.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.to_owned())
}

/// Whether a connection is closed without a word.
fn is_turned_away(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => answer.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn starts_says_where_and_stops_with_goodbyes() {
    let router = Router::start("start", &config("127.0.0.1:0", ""));
    let address = router.address("ws://");
    let mut raw = Peer::tcp(&address, Framing::RawSocket);
    let mut web = Peer::tcp(&address, Framing::WebSocket);
    assert_ne!(raw.join("realm1"), web.join("realm1"));
    assert_eq!(router.listening_count(), 1, "nothing listens but what it says");
    router.signal(Signal::SIGTERM);
    raw.take_goodbye();
    web.take_goodbye();
    assert_eq!(raw.receive(), None);
    assert_eq!(web.receive(), None);
    let (code, lines) = router.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let messages = messages(&lines);
    assert!(messages[0].starts_with("starting gigawamp 0."), "{lines:#?}");
    assert_eq!(messages[1], "config standard input");
    assert_eq!(messages[2], "realms realm1 (anonymous)");
    let listening = format!(
        "listening ws://{address}/ws (json msgpack cbor ubjson; rawsocket too; longpoll /lp)"
    );
    assert_eq!(messages[3], listening);
    assert!(messages[4].starts_with("ready in "), "{lines:#?}");
    assert_eq!(messages[5], "stopping on SIGTERM");
    assert!(messages[6].starts_with("served connections=2 sessions=2 "), "{lines:#?}");
    assert_eq!(messages[7..], ["stopped"]);
}

#[test]
fn what_is_configured_reaches_the_router() {
    let more = "transports = [\"rawsocket\"]\n[[realms]]\nname = \"other\"\n\
                [[listeners]]\naddress = \"127.0.0.1:0\"\npaths = [\"/ws\"]";
    let text = config("127.0.0.1:0", more);
    let router = Router::start("configured", &text);
    let (raw, all) = (router.address("tcp:"), router.address("ws://"));

    let mut stranger = Peer::tcp(&raw, Framing::RawSocket);
    stranger.send(&json!([1, "elsewhere", {"roles": {"caller": {}}}]));
    let abort = stranger.receive().expect("ABORT");
    assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!("wamp.error.no_such_realm")));
    assert_eq!(stranger.receive(), None);

    Peer::tcp(&raw, Framing::RawSocket).join("other");
    assert!(http_status(&raw, "/ws").is_none_or(|status| status != "426"));
    assert_eq!(http_status(&all, "/ws").as_deref(), Some("426"));
    assert_eq!(http_status(&all, "/").as_deref(), Some("404"));

    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn who_comes_when_it_is_full_is_turned_away() {
    let mut text = config("127.0.0.1:0", "");
    text.insert_str(0, "connections_max = 2\n");
    let router = Router::start("full", &text);
    let address = router.address("ws://");
    let mut inside = [(); 2].map(|()| Peer::tcp(&address, Framing::RawSocket));
    for peer in &mut inside {
        peer.join("realm1");
    }
    assert!(is_turned_away(&address));
    router.signal(Signal::SIGTERM);
    inside.iter_mut().for_each(Peer::take_goodbye);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn a_session_that_does_not_answer_goodbye_holds_nothing_up() {
    let more = "[limits]\ngoodbye = \"200ms\"";
    let router = Router::start("silent", &config("127.0.0.1:0", more));
    let mut peer = Peer::tcp(&router.address("ws://"), Framing::RawSocket);
    peer.join("realm1");
    router.signal(Signal::SIGINT);
    assert_eq!(peer.receive().expect("GOODBYE")[0], 6);
    assert_eq!(peer.receive(), None);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut text = config("127.0.0.1:0", "[limits]\ngoodbye = \"1m\"");
    text.insert_str(0, "shutdown_timeout = \"2m\"\n");
    let mut router = Router::start("second", &text);
    let mut peer = Peer::tcp(&router.address("ws://"), Framing::RawSocket);
    peer.join("realm1");
    router.signal(Signal::SIGTERM);
    router.await_line("stopping on SIGTERM");
    router.signal(Signal::SIGINT);
    let (code, lines) = router.end();
    assert_eq!(code, Some(1));
    assert_eq!(messages(&lines).last(), Some(&"SIGINT again: stopping at once"));
}

#[test]
fn nobody_is_let_in_while_it_stops() {
    let mut text = config("127.0.0.1:0", "[limits]\ngoodbye = \"1m\"");
    text.insert_str(0, "shutdown_timeout = \"2m\"\n");
    let router = Router::start("stopping", &text);
    let address = router.address("ws://");
    let mut peer = Peer::tcp(&address, Framing::RawSocket);
    peer.join("realm1");
    router.signal(Signal::SIGTERM);
    assert_eq!(peer.receive().expect("GOODBYE")[0], 6);
    assert!(TcpStream::connect(&address).is_err());
    peer.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn standard_input_is_not_read_again() {
    let mut router = Router::start("hangup", &config("127.0.0.1:0", ""));
    router.signal(Signal::SIGHUP);
    router.await_line("standard input cannot be read again");
    router.await_line("not reloaded, nothing has changed");
    Peer::tcp(&router.address("ws://"), Framing::RawSocket).join("realm1");
    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new("taken");
    let ended = run(program(&folder.path(""), &["--config", "-"]), &config(&address, ""));
    assert_eq!(ended.code, Some(1));
    let last = ended.err.lines().last().unwrap_or_default();
    let expected = format!("ERROR cannot listen on {address}: Address already in use");
    assert!(last.contains(&expected), "{}", ended.err);
}

// spec: A-RAW-19, A-UDS-01
#[test]
fn listens_on_a_unix_socket_with_its_permissions() {
    let folder = Folder::new("unix");
    let path = folder.path("wamp.sock");
    let text = config(&format!("unix:{}", path.display()), "unix_mode = \"0600\"");
    let router = Router::start("unix", &text);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for framing in [Framing::RawSocket, Framing::WebSocket] {
        let mut peer = Peer::unix(&path, framing);
        peer.join("realm1");
    }
    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
    // A router that was killed leaves its socket behind; the next one takes it over.
    let router = Router::start("unix", &text);
    router.signal(Signal::SIGKILL);
    assert_eq!(router.end().0, None);
    assert!(path.exists());
    let router = Router::start("unix", &text);
    Peer::unix(&path, Framing::RawSocket).join("realm1");
    // One that is alive keeps it.
    let ended = run(program(&folder.path(""), &["--config", "-"]), &text);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn listens_on_ipv6() {
    let router = Router::start("ipv6", &config("[::1]:0", ""));
    let address = router.address("ws://");
    assert!(address.starts_with("[::1]:"), "{address}");
    Peer::tcp(&address, Framing::WebSocket).join("realm1");
    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn a_browser_is_told_what_this_is() {
    let router = Router::start("http", &config("127.0.0.1:0", ""));
    let address = router.address("ws://");
    for (path, status) in [("/ws", "426"), ("/", "426"), ("/elsewhere", "404")] {
        assert_eq!(http_status(&address, path).as_deref(), Some(status), "{path}");
    }
    router.signal(Signal::SIGTERM);
    // No line of the log for what any health probe does.
    let (_, lines) = router.end();
    // A port may have any number in it.
    let lines: Vec<_> = lines.iter().map(|line| line.replace(&address, "")).collect();
    assert!(lines.iter().all(|line| !line.contains("elsewhere") && !line.contains("426")));
}

#[test]
fn logs_json_for_machines() {
    let folder = Folder::new("json");
    let arguments = ["--config", "-", "--log-format", "json"];
    let mut router =
        Router::spawn(program(&folder.path(""), &arguments), &config("127.0.0.1:0", ""));
    router.await_line("ready in ");
    router.signal(Signal::SIGTERM);
    let (code, lines) = router.end();
    assert_eq!(code, Some(0));
    for line in &lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert_eq!(line["level"], "INFO");
        assert!(line["message"].is_string(), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("\"sessions\":0")), "{lines:#?}");
}

#[test]
fn a_log_that_nobody_reads_does_not_end_it() {
    let mut router = Router::start("unread", &config("127.0.0.1:0", ""));
    router.ignore_log();
    // The first line ends the reading thread, the others meet a pipe without a reader.
    for _ in 0..3 {
        router.signal(Signal::SIGHUP);
        Peer::tcp(&router.address("ws://"), Framing::RawSocket).join("realm1");
    }
    router.signal(Signal::SIGTERM);
    assert_eq!(router.end().0, Some(0));
}

#[test]
fn without_a_configuration_it_is_for_this_machine_alone() {
    let folder = Folder::new("development");
    let mut router = Router::spawn(program(&folder.path(""), &[]), "");
    let listening = router.await_line(":8080");
    if listening.contains("cannot listen") {
        // Somebody else has the port; that is as it should be said.
        assert!(listening.contains("Address already in use"), "{listening}");
        assert_eq!(router.end().0, Some(1));
        return;
    }
    router.await_line("ready in ");
    Peer::tcp("127.0.0.1:8080", Framing::WebSocket).join("realm1");
    router.signal(Signal::SIGTERM);
    let (code, lines) = router.end();
    assert_eq!(code, Some(0));
    assert!(lines.len() <= 8 + 3, "8 lines to start, 3 to stop: {lines:#?}");
    assert_eq!(messages(&lines)[1], "config none: development mode");
    assert!(lines[2].contains(" WARN anonymous access"), "{lines:#?}");
    for line in lines.iter().filter(|line| line.contains("listening ")) {
        assert!(line.contains("ws://127.0.0.1:8080/") || line.contains("ws://[::1]:8080/"));
    }
}
