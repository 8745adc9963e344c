//! HTTP long-poll from outside: requests over plain sockets, on whichever shards they are.

#![expect(clippy::disallowed_methods, reason = "a request that is held takes its time")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::program::{PATIENCE, Router, with_each_driver};

/// An HTTP connection.
struct Http {
    stream: TcpStream,
    octets: Vec<u8>,
}

/// What a request was answered with.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.head.contains("\r\nContent-Type: application/json\r\n"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Http {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, octets: Vec::new() }
    }

    /// Makes a request without waiting for the answer.
    fn ask(&mut self, path: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "POST /lp/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The next answer; nothing if the connection was closed instead.
    fn answer(&mut self) -> Option<Answer> {
        loop {
            let end = self.octets.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(answer) = end.and_then(|end| self.take(end + 4)) {
                return Some(answer);
            }
            let mut buffer = [0; 4 << 10];
            match self.stream.read(&mut buffer).expect("something in time") {
                0 => return None,
                count => self.octets.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn take(&mut self, end: usize) -> Option<Answer> {
        let head = String::from_utf8(self.octets[..end].to_vec()).unwrap();
        let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        let mut lengths = head.lines().filter_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = lengths.next().map_or(0, |length| length.parse().unwrap());
        let body = self.octets.get(end..end + length)?.to_vec();
        self.octets.drain(..end + length);
        Some(Answer { status, head, body })
    }

    fn post(&mut self, path: &str, body: &str) -> Answer {
        self.ask(path, body);
        self.answer().expect("an answer")
    }

    /// Opens a transport and returns its name.
    fn open(&mut self) -> String {
        let opened = self.post("open", r#"{"protocols": ["wamp.2.json"]}"#).json();
        assert_eq!(opened["protocol"], "wamp.2.json");
        opened["transport"].as_str().unwrap().to_owned()
    }

    /// Opens a session and returns the name of its transport.
    fn join(&mut self) -> String {
        let name = self.open();
        let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
        self.send(&name, &json!([1, "realm1", {"roles": roles}]));
        assert_eq!(self.receive(&name)[0], 2);
        name
    }

    fn send(&mut self, transport: &str, message: &Value) {
        let answer = self.post(&format!("{transport}/send"), &message.to_string());
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    }

    fn receive(&mut self, transport: &str) -> Value {
        self.post(&format!("{transport}/receive"), "").json()
    }

    fn status(&mut self, path: &str) -> u16 {
        self.post(path, "").status
    }
}

/// A router of two shards with these limits, for each driver, and two HTTP connections, one to
/// each shard.
fn with_both_shards(limits: &str, test: impl Fn(&str, Http, Http)) {
    with_each_driver("", &format!("[limits]\n{limits}"), |router| {
        let address = router.address("ws://");
        let (mut one, mut other) = (Http::connect(&address), Http::connect(&address));
        // The name of a transport begins with its shard.
        let (a, b) = (one.open(), other.open());
        assert_ne!(a[..3], b[..3], "one connection per shard");
        assert_eq!(
            (other.status(&format!("{a}/close")), one.status(&format!("{b}/close"))),
            (204, 204)
        );
        test(&address, one, other);
        router.stop();
    });
}

// spec: A-LP-03, A-LP-04, A-LP-05, A-LP-06, A-LP-10
#[test]
fn a_session_is_served_on_every_shard() {
    with_both_shards("", |address, mut one, mut other| {
        let name = one.join();
        other.send(&name, &json!([32, 1, {}, "com.t"]));
        assert_eq!(one.receive(&name).as_array().unwrap()[..2], [json!(33), json!(1)]);
        // What is said over several sockets stays in the order of the answers.
        let mut peer = Peer::tcp(address, Framing::WebSocket);
        peer.join("realm1");
        peer.send(&json!([32, 1, {}, "com.u"]));
        peer.expect(33);
        for number in 0..20 {
            let http = if number % 2 == 0 { &mut one } else { &mut other };
            http.send(&name, &json!([16, number + 2, {}, "com.u", [number]]));
            peer.send(&json!([16, number + 2, {}, "com.t", [number]]));
        }
        for number in 0..20 {
            assert_eq!(peer.expect(36)[4], json!([number]));
            let http = if number % 3 == 0 { &mut one } else { &mut other };
            let event = http.receive(&name);
            assert_eq!((&event[0], &event[4]), (&json!(36), &json!([number])));
        }
        // A long one goes through whole.
        let long = "x".repeat(1_000_000);
        one.send(&name, &json!([16, 99, {"exclude_me": false}, "com.t", [long]]));
        assert_eq!(other.receive(&name)[4][0].as_str(), Some(&*long));
        assert_eq!(other.status(&format!("{name}/close")), 204);
        assert_eq!(one.status(&format!("{name}/receive")), 404);
    });
}

// spec: A-LP-04, A-LP-09
#[test]
fn a_receive_is_held_until_something_comes_or_its_time_is_over() {
    with_both_shards("longpoll_hold = \"500ms\"", |_, mut one, mut other| {
        let name = one.join();
        for http in [&mut one, &mut other] {
            let began = Instant::now();
            assert_eq!(http.status(&format!("{name}/receive")), 204);
            assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
        }
        let path = format!("{name}/receive");
        other.ask(&path, "");
        one.send(&name, &json!([32, 1, {}, "com.t"]));
        assert_eq!(other.answer().unwrap().json()[0], 33);
        // A later receive takes the place of the one before it.
        one.ask(&path, "");
        thread::sleep(Duration::from_millis(100));
        other.ask(&path, "");
        assert_eq!(one.answer().unwrap().status, 204);
        one.send(&name, &json!([32, 2, {}, "com.u"]));
        assert_eq!(other.answer().unwrap().json().as_array().unwrap()[..2], [json!(33), json!(2)]);
        // Whoever goes away while it is held takes nothing along.
        other.ask(&path, "");
        thread::sleep(Duration::from_millis(100));
        drop(other);
        thread::sleep(Duration::from_millis(100));
        one.send(&name, &json!([32, 3, {}, "com.v"]));
        assert_eq!(one.receive(&name).as_array().unwrap()[..2], [json!(33), json!(3)]);
    });
}

// spec: A-LP-10
#[test]
fn requests_on_one_connection_are_answered_in_order() {
    with_both_shards("", |_, mut one, mut other| {
        let (near, far) = (one.join(), other.join());
        let send = |name: &str, message: Value| (format!("{name}/send"), message.to_string());
        let receive = |name: &str| (format!("{name}/receive"), String::new());
        let mut asked = vec![send(&near, json!([32, 1, {}, "com.t"])), receive(&near)];
        asked.extend([send(&far, json!([32, 1, {}, "com.t"])), receive(&far)]);
        for number in 0..50 {
            let (from, to) = if number % 2 == 0 { (&near, &far) } else { (&far, &near) };
            asked.push(send(from, json!([16, number + 2, {}, "com.t", [number]])));
            asked.push(receive(to));
        }
        for (path, body) in &asked {
            one.ask(path, body);
        }
        for (path, _) in &asked {
            let answer = one.answer().unwrap();
            let expected = if path.ends_with("send") { 204 } else { 200 };
            assert_eq!(answer.status, expected, "{path}: {answer:?}");
        }
    });
}

// spec: A-LP-04, A-LP-05, A-LP-10
#[test]
fn a_long_batch_is_taken_turn_by_turn_and_in_order() {
    with_both_shards("outbox_bytes_pause = \"16 KiB\"", |_, mut one, mut other| {
        let opened = one.post("open", r#"{"protocols": ["wamp.2.json.batched"]}"#).json();
        let name = opened["transport"].as_str().unwrap().to_owned();
        let hello = r#"[1,"realm1",{"roles":{"publisher":{}}}]"#;
        assert_eq!(one.post(&format!("{name}/send"), &format!("{hello}\u{18}")).status, 204);
        // Several turns, and more answers than may wait: the rest is taken as these are received.
        let publish = |number| format!("[16,{number},{{\"acknowledge\":true}},\"com.t\"]\u{18}");
        let batch = (1..=3_000).map(publish).collect::<String>();
        one.ask(&format!("{name}/send"), &batch);
        let mut heard = Vec::new();
        while heard.len() < 3_001 {
            let answer = other.post(&format!("{name}/receive"), "");
            let text = String::from_utf8(answer.body).unwrap();
            let messages = text.split('\u{18}').filter(|message| !message.is_empty());
            heard.extend(messages.map(|message| serde_json::from_str::<Value>(message).unwrap()));
        }
        assert_eq!(one.answer().unwrap().status, 204);
        for (number, message) in heard.iter().enumerate().skip(1) {
            assert_eq!((&message[0], &message[1]), (&json!(17), &json!(number)));
        }
        assert_eq!(one.status(&format!("{name}/close")), 204);
    });
}

// spec: A-LP-05, A-LP-09, A-LP-11
#[test]
fn who_breaks_the_protocol_is_told_twice() {
    with_both_shards("", |_, mut one, mut other| {
        for offence in ["[]", "[64]", "hello", ""] {
            let name = one.join();
            assert_eq!(other.post(&format!("{name}/send"), offence).status, 400, "{offence}");
            let abort = other.receive(&name);
            assert_eq!(
                (&abort[0], &abort[2]),
                (&json!(3), &json!("wamp.error.protocol_violation"))
            );
            assert_eq!(one.status(&format!("{name}/receive")), 404);
        }
        let name = one.open();
        for unknown in ["x", "", &name[1..], &name.replace(&name[4..6], "--"), &"A".repeat(30)] {
            assert_eq!(one.status(&format!("{unknown}/receive")), 404, "{unknown}");
        }
    });
}

// spec: A-LP-09
#[test]
fn a_silent_client_is_given_up() {
    let limits = "longpoll_idle = \"400ms\"\nhandshake = \"300ms\"\nlongpoll_hold = \"300ms\"";
    with_both_shards(limits, |address, mut one, _| {
        let mut peer = Peer::tcp(address, Framing::RawSocket);
        peer.join("realm1");
        peer.send(&json!([32, 1, {}, "wamp.session.on_leave"]));
        peer.expect(33);
        let name = one.join();
        // As long as it receives it stays.
        for _ in 0..4 {
            assert_eq!(one.status(&format!("{name}/receive")), 204);
        }
        assert_eq!(peer.expect(36).as_array().unwrap().len(), 5);
        // Its connection is closed too, and so is one that never ends its request.
        assert!(one.answer().is_none());
        let mut slow = Http::connect(address);
        slow.stream
            .write_all(b"POST /lp/open HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
            .unwrap();
        assert_eq!(slow.answer().map(|answer| answer.status), Some(408));
        let mut late = Http::connect(address);
        assert_eq!(late.status(&format!("{name}/receive")), 404);
    });
}

// spec: A-LP-09
#[test]
fn there_are_only_so_many_transports() {
    with_both_shards("longpoll_transports_max = 2", |_, mut one, mut other| {
        let body = r#"{"protocols": ["wamp.2.json"]}"#;
        let (first, _second) = (one.open(), other.open());
        assert_eq!((one.post("open", body).status, other.post("open", body).status), (503, 503));
        assert_eq!(other.status(&format!("{first}/close")), 204);
        one.open();
    });
}

#[test]
fn a_transport_belongs_to_its_listener() {
    let text = "[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
                [[listeners]]\naddress = \"127.0.0.1:0\"\ntransports = [\"longpoll\"]\n\
                longpoll_path = \"/lp\"\n";
    let router = Router::start("longpoll", text);
    let mut one = Http::connect(&router.address("ws://"));
    let mut other = Http::connect(&router.address("tcp:"));
    let (a, b) = (one.open(), other.open());
    assert_eq!(one.status(&format!("{b}/close")), 404);
    assert_eq!(other.status(&format!("{a}/close")), 404);
    assert_eq!(one.status(&format!("{a}/close")), 204);
    assert_eq!(other.status(&format!("{b}/close")), 204);
    router.stop();
}

#[test]
fn goodbye_is_received_when_the_router_stops() {
    with_each_driver("", "", |router| {
        let address = router.address("ws://");
        let (mut one, mut other) = (Http::connect(&address), Http::connect(&address));
        let name = one.join();
        other.ask(&format!("{name}/receive"), "");
        thread::sleep(Duration::from_millis(100));
        router.signal(Signal::SIGTERM);
        let goodbye = other.answer().unwrap().json();
        assert_eq!((&goodbye[0], &goodbye[2]), (&json!(6), &json!("wamp.close.system_shutdown")));
        one.send(&name, &json!([6, {}, "wamp.close.goodbye_and_out"]));
        let (code, lines) = router.end();
        assert_eq!(code, Some(0), "{lines:#?}");
    });
}

#[test]
fn a_client_that_reads_no_answers_gets_no_more_of_them() {
    with_both_shards("", |address, mut one, mut other| {
        let name = other.join();
        other.send(&name, &json!([32, 1, {}, "com.t"]));
        other.receive(&name);
        let mut writer = one.stream.try_clone().unwrap();
        let asking = thread::spawn(move || {
            for _ in 0..500 {
                let text = format!("POST /lp/{name}/receive HTTP/1.1\r\nHost: a\r\n\r\n");
                writer.write_all(text.as_bytes()).unwrap();
            }
        });
        // A hundred answers of a tenth of a MiB are more than any socket holds.
        let mut peer = Peer::tcp(address, Framing::RawSocket);
        peer.join("realm1");
        let text = "x".repeat(100_000);
        for number in 1..=500 {
            peer.send(&json!([16, number, {}, "com.t", [number, text]]));
            if number % 100 == 0 {
                for received in number - 99..=number {
                    assert_eq!(one.answer().unwrap().json()[4][0], json!(received));
                }
            }
        }
        asking.join().unwrap();
        one.stream.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn who_opens_many_transports_has_to_connect_again() {
    with_both_shards("", |address, mut one, _| {
        // One was opened already, to see where the connection is.
        for _ in 2..64 {
            one.open();
        }
        let body = r#"{"protocols": ["wamp.2.json"]}"#;
        let last = one.post("open", body);
        assert!(last.status == 200 && last.head.contains("\r\nConnection: close\r\n"), "{last:?}");
        assert!(one.answer().is_none());
        Http::connect(address).open();
    });
}

#[test]
fn connections_that_nobody_needs_any_more_do_not_hold_the_end_up() {
    let (top, limits) = ("shutdown_timeout = \"200s\"", "[limits]\ngoodbye = \"100s\"");
    with_each_driver(top, limits, |router| {
        let address = router.address("ws://");
        let mut idle = [Http::connect(&address), Http::connect(&address)];
        for connection in &mut idle {
            assert_eq!(connection.status("x/receive"), 404);
        }
        let mut client = Http::connect(&address);
        let name = client.join();
        router.signal(Signal::SIGTERM);
        assert_eq!(client.receive(&name)[0], 6);
        client.send(&name, &json!([6, {}, "wamp.close.goodbye_and_out"]));
        let (code, lines) = router.end();
        assert_eq!(code, Some(0), "{lines:#?}");
    });
}
