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
trait Stream: Read + Write + Send {
    /// Another handle, to write with.
    fn twin(&self) -> Box<dyn Write + Send>;
}

impl Stream for TcpStream {
    fn twin(&self) -> Box<dyn Write + Send> {
        Box::new(self.try_clone().unwrap())
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> Box<dyn Write + Send> {
        Box::new(self.try_clone().unwrap())
    }
}

impl<S: Read + Write + Send> Stream for Sealed<S> {
    fn twin(&self) -> Box<dyn Write + Send> {
        unreachable!("what is sealed has one handle")
    }
}

/// A stream that cannot be split in two.
struct Sealed<S>(S);

impl<S: Read> Read for Sealed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Sealed<S> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// One client, connected.
pub(crate) struct Peer {
    stream: Box<dyn Stream>,
    client: Client,
    received: VecDeque<Value>,
    buffer: Box<[u8]>,
}

impl Peer {
    /// Connects to `127.0.0.1:8080` or the like.
    pub(crate) fn tcp(address: &str, framing: Framing) -> Self {
        Self::open(Box::new(connect(address)), framing, false)
    }

    /// The same, offering to compress.
    pub(crate) fn compressing(address: &str, framing: Framing) -> Self {
        Self::open(Box::new(connect(address)), framing, true)
    }

    /// Speaks over what is connected, such as TLS.
    pub(crate) fn secure(stream: impl Read + Write + Send + 'static, framing: Framing) -> Self {
        Self::open(Box::new(Sealed(stream)), framing, false)
    }

    /// Connects to the socket at `path`.
    pub(crate) fn unix(path: &Path, framing: Framing) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::open(Box::new(stream), framing, false)
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
        let frames = self.frames([message]);
        self.write(&frames);
    }

    /// Some messages as they go over the wire.
    pub(crate) fn frames<'v>(&mut self, messages: impl IntoIterator<Item = &'v Value>) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            self.client.frame(message.to_string().as_bytes(), &mut out);
        }
        out
    }

    /// Sends octets.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// Something to write with while the peer is read from.
    pub(crate) fn writer(&self) -> Box<dyn Write + Send> {
        self.stream.twin()
    }

    /// The next message; `None` when the router has closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        while self.received.is_empty() {
            let count = self.stream.read(&mut self.buffer).expect("something in time");
            if count == 0 {
                return None;
            }
            self.feed(count);
        }
        self.received.pop_front()
    }

    /// The next message, which must have this type, such as 36 for an EVENT.
    #[track_caller]
    pub(crate) fn expect(&mut self, code: u64) -> Value {
        let message = self.receive().unwrap_or_else(|| panic!("the end instead of {code}"));
        assert_eq!(message[0], code, "{message}");
        message
    }

    /// Answers the router's GOODBYE.
    pub(crate) fn take_goodbye(&mut self) {
        let goodbye = self.receive().expect("GOODBYE");
        assert_eq!((&goodbye[0], &goodbye[2]), (&json!(6), &json!("wamp.close.system_shutdown")));
        self.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
    }

    /// Opens the transport.
    fn open(mut stream: Box<dyn Stream>, framing: Framing, deflate: bool) -> Self {
        let path = "/ws".to_owned();
        let options = ClientOptions { path, deflate, ..ClientOptions::default() };
        let mut client = Client::new(framing, Serializer::Json, options);
        let mut out = Vec::new();
        client.hello(&mut out);
        stream.write_all(&out).unwrap();
        Self { stream, client, received: VecDeque::new(), buffer: vec![0; 16 << 10].into() }
    }

    /// Takes the first `count` octets of the buffer.
    fn feed(&mut self, count: usize) {
        let (mut bytes, mut reply) = (&mut self.buffer[..count], Vec::new());
        while let Some(incoming) = self.client.next(&mut bytes, &mut reply).expect("good frames") {
            if let Incoming::Message(message) = incoming {
                self.received.push_back(serde_json::from_slice(message).unwrap());
            }
        }
        // The router may have closed its side already.
        let _ = self.stream.write_all(&reply);
    }
}

/// A connection on which every wait has a bound.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
