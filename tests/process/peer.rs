//! A WAMP client for tests of the real binary: blocking, JSON, over either transport.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use gigawamp::wire::client::{Client, ClientOptions};
use gigawamp::wire::{Framing, Incoming, Serializer};
use serde_json::{Value, json};

use crate::program::PATIENCE;

/// What a peer reads from and writes to.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// One client, connected.
pub(crate) struct Peer {
    stream: Box<dyn Stream>,
    client: Client,
    received: VecDeque<Value>,
}

impl Peer {
    /// Connects to `127.0.0.1:8080` or the like.
    pub(crate) fn tcp(address: &str, framing: Framing) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::open(Box::new(stream), framing)
    }

    /// Connects to the socket at `path`.
    pub(crate) fn unix(path: &Path, framing: Framing) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::open(Box::new(stream), framing)
    }

    /// Joins `realm` and returns the session id.
    pub(crate) fn join(&mut self, realm: &str) -> u64 {
        let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
        self.send(&json!([1, realm, {"roles": roles}]));
        let welcome = self.receive().expect("WELCOME");
        assert_eq!(welcome[0], 2, "{welcome}");
        welcome[1].as_u64().unwrap()
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: &Value) {
        let mut out = Vec::new();
        self.client.frame(message.to_string().as_bytes(), &mut out);
        self.stream.write_all(&out).unwrap();
    }

    /// The next message; `None` when the router has closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let mut buffer = vec![0; 64 * 1024];
        while self.received.is_empty() {
            let count = self.stream.read(&mut buffer).expect("something in time");
            if count == 0 {
                return None;
            }
            self.feed(&mut buffer[..count]);
        }
        self.received.pop_front()
    }

    /// Answers the router's GOODBYE.
    pub(crate) fn take_goodbye(&mut self) {
        let goodbye = self.receive().expect("GOODBYE");
        assert_eq!((&goodbye[0], &goodbye[2]), (&json!(6), &json!("wamp.close.system_shutdown")));
        self.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
    }

    /// Opens the transport.
    fn open(mut stream: Box<dyn Stream>, framing: Framing) -> Self {
        let options = ClientOptions { path: "/ws".to_owned(), ..ClientOptions::default() };
        let mut client = Client::new(framing, Serializer::Json, options);
        let mut out = Vec::new();
        client.hello(&mut out);
        stream.write_all(&out).unwrap();
        Self { stream, client, received: VecDeque::new() }
    }

    /// Takes what the stream brought.
    fn feed(&mut self, mut bytes: &mut [u8]) {
        let mut reply = Vec::new();
        while let Some(incoming) = self.client.next(&mut bytes, &mut reply).expect("good frames") {
            if let Incoming::Message(message) = incoming {
                self.received.push_back(serde_json::from_slice(message).unwrap());
            }
        }
        // The router may have closed its side already.
        let _ = self.stream.write_all(&reply);
    }
}
