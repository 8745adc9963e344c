//! Authorizers that are asked over HTTP: one that answers, hangs, says too much, or nonsense.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::program::{Router, drivers};

/// How long the router waits for the authorizer.
const TIMEOUT: &str = "500ms";

/// Runs `test` for each driver with a router that asks an authorizer about `com.asked.*`, and
/// checks that its log says `counts` of the questions.
fn with_judge(test: impl Fn(&Router), counts: &str) {
    let url = judge();
    for driver in drivers() {
        let text = format!(
            "io = \"{driver}\"\nshards = 2\n[[realms]]\nname = \"realm1\"\nanonymous = \"guest\"\n\
             [[realms.roles]]\nname = \"guest\"\nallow = [\"call com.free.*\"]\n\
             ask = [\"call com.asked.* judge\"]\n\
             [[realms.authorizers]]\nname = \"judge\"\nurl = \"{url}\"\ntimeout = \"{TIMEOUT}\"\n\
             [[listeners]]\naddress = \"127.0.0.1:0\"\n"
        );
        let router = Router::start(driver, &text);
        test(&router);
        router.signal(Signal::SIGTERM);
        let (code, lines) = router.end();
        assert_eq!(code, Some(0));
        let counts = format!("questions advisor=judge {counts}");
        assert!(lines.iter().any(|line| line.contains(&counts)), "{counts}: {lines:#?}");
    }
}

/// Starts an HTTP server that answers as the last component of the URI says, and gives its URL.
fn judge() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/judge", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // Whoever has had enough closes.
            thread::spawn(move || drop(answer(stream)));
        }
    });
    url
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let arguments = question(&stream)?;
    let [details, uri, action, options] = arguments.as_array().unwrap().as_slice() else {
        panic!("asked with {arguments}");
    };
    assert_eq!((action, options), (&json!("call"), &json!({})));
    assert!(details["session"].is_u64() && details["authrole"] == "guest", "{details}");
    let (status, body) = match uri.as_str().unwrap().rsplit('.').next().unwrap() {
        "yes" => ("200 OK", "true"),
        "granted" => ("200 OK", r#"{"allow": true, "cache": false}"#),
        "no" => ("200 OK", "false"),
        "garbage" => ("200 OK", "certainly"),
        "other" => ("200 OK", r#"{"permit": true}"#),
        "error" => ("500 Internal Server Error", "true"),
        "elsewhere" => ("302 Found\r\nlocation: /judge", "true"),
        "huge" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4_096])?;
            }
        }
        "hung" => {
            // Until the other side has had enough.
            return stream.read(&mut [0]).map(|_| ());
        }
        uri => panic!("asked about {uri}"),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())
}

/// The JSON that one request carries.
fn question(stream: &TcpStream) -> std::io::Result<Value> {
    let (mut reader, mut length) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.to_ascii_lowercase();
        if let Some(count) = line.strip_prefix("content-length:") {
            length = count.trim().parse().unwrap();
        } else if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

// spec: A-AUZ-04, A-AUZ-05
#[test]
fn an_authorizer_may_be_an_http_server() {
    let says = |router: &Router| {
        let mut peer = Peer::tcp(&router.address("ws://"), Framing::WebSocket);
        peer.join("realm1");
        // What is allowed is not there.
        let (allowed, denied) = ("wamp.error.no_such_procedure", "wamp.error.not_authorized");
        let failed = "wamp.error.authorization_failed";
        for (request, (uri, error)) in (1..).zip([
            ("yes", allowed),
            ("granted", allowed),
            ("no", denied),
            ("garbage", failed),
            ("other", failed),
            ("error", failed),
            ("elsewhere", failed),
            ("huge", failed),
            ("hung", failed),
            ("again.yes", allowed),
        ]) {
            peer.send(&json!([48, request, {}, format!("com.asked.{uri}")]));
            let answer = peer.expect(8);
            assert_eq!((&answer[2], &answer[4]), (&json!(request), &json!(error)), "{uri}");
        }
    };
    // Every answer counts that is a value, whatever it means.
    with_judge(says, "asked=10 answered=5 failed=4 timed_out=1 withdrawn=0 waiting=0");
}

// spec: A-AUZ-07
#[test]
fn nobody_else_waits_for_a_server_that_hangs() {
    let says = |router: &Router| {
        let address = router.address("ws://");
        let mut join = |_| {
            let mut peer = Peer::tcp(&address, Framing::WebSocket);
            peer.join("realm1");
            peer
        };
        let (mut waiting, mut free): (Vec<Peer>, Peer) =
            ((0..40).map(&mut join).collect(), join(0));
        for peer in &mut waiting {
            peer.send(&json!([48, 1, {}, "com.asked.hung"]));
            peer.send(&json!([48, 2, {}, "com.free.x"]));
        }
        for request in 1..200 {
            free.send(&json!([48, request, {}, "com.free.x"]));
            assert_eq!(free.expect(8)[4], "wamp.error.no_such_procedure");
        }
        for peer in &mut waiting {
            assert_eq!(peer.expect(8)[4], "wamp.error.authorization_failed");
            assert_eq!(peer.expect(8)[4], "wamp.error.no_such_procedure");
        }
    };
    with_judge(says, "asked=40 answered=0 failed=0 timed_out=40 withdrawn=0 waiting=0");
}
