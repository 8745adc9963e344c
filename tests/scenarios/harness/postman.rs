//! Long-poll as a stage on a stage: its peers speak RawSocket, and every message they say or hear
//! is carried in an HTTP request over one of two connections.

use std::time::Duration;

use gigawamp::wire::Serializer;

use super::notation;
use super::stage::{Brought, Stage};

/// Carries messages between the peers of a play and the HTTP side of a router.
pub(crate) struct Postman<'s, S> {
    stage: &'s mut S,
    is_batched: bool,
    lines: Vec<Line>,
}

/// One peer's two connections, and what is under way.
struct Line {
    up: Wire,
    down: Wire,
    /// What the peer wrote.
    said: Vec<u8>,
    /// What the peer will read.
    heard: Vec<u8>,
    serializer: Serializer,
    /// The name of its transport, once it has one.
    transport: Option<String>,
    is_over: bool,
}

/// One HTTP connection.
struct Wire {
    connection: usize,
    octets: Vec<u8>,
    /// Requests whose answers nobody waits for.
    unanswered: usize,
}

/// The first octet of a RawSocket frame that is a message, a ping, a pong.
const MESSAGE: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;

impl<'s, S: Stage> Postman<'s, S> {
    /// Carries in batches or one by one.
    pub(crate) fn new(stage: &'s mut S, is_batched: bool) -> Self {
        Self { stage, is_batched, lines: Vec::new() }
    }

    /// All peers close their transports.
    pub(crate) fn clear(mut self) {
        for line in 0..self.lines.len() {
            self.close(line);
        }
    }

    fn close(&mut self, line: usize) {
        if let Some(transport) = self.lines[line].transport.take() {
            let _ = self.ask(line, &format!("{transport}/close"), b"");
        }
    }

    /// Makes a request on the way up and waits for its answer; nothing if the connection ends.
    fn ask(&mut self, line: usize, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let connection = self.lines[line].up.connection;
        while self.lines[line].up.unanswered > 0 {
            self.lines[line].up.unanswered -= 1;
            self.lines[line].up.answer(self.stage)?;
        }
        self.stage.write(connection, &request(path, body));
        self.lines[line].up.answer(self.stage)
    }

    /// Does what the peer has written.
    fn carry(&mut self, line: usize, waits: bool) {
        if self.lines[line].transport.is_none() && !self.lines[line].is_over {
            self.open(line);
        }
        if self.lines[line].is_over {
            return self.lines[line].said.clear();
        }
        let mut messages = Vec::new();
        while let Some((kind, payload)) = take_frame(&mut self.lines[line].said) {
            match kind {
                MESSAGE => messages.push(payload),
                PING => {
                    self.send(line, &std::mem::take(&mut messages), waits);
                    put_frame(PONG, &payload, &mut self.lines[line].heard);
                }
                other => panic!("a frame of type {other}"),
            }
        }
        self.send(line, &messages, waits);
    }

    /// The peer's handshake opens its transport.
    fn open(&mut self, line: usize) {
        let said = &mut self.lines[line].said;
        if said.len() < 4 {
            return;
        }
        let handshake: Vec<u8> = said.drain(..4).collect();
        let serializer = Serializer::ALL[usize::from(handshake[1] & 0xF) - 1];
        let protocol = match self.is_batched {
            true => serializer.batched_subprotocol(),
            false => serializer.subprotocol(),
        };
        let body = format!("{{\"protocols\": [\"{protocol}\"]}}");
        let Some((status, body)) = self.ask(line, "open", body.as_bytes()) else {
            self.lines[line].is_over = true;
            return;
        };
        let body: String = body.into_iter().map(char::from).collect();
        assert_eq!(status, 200, "{body}");
        let (_, rest) = body.split_once("\"transport\":\"").expect("it is named");
        let (name, _) = rest.split_once('"').expect("its name ends");
        let line = &mut self.lines[line];
        line.transport = Some(name.to_owned());
        line.serializer = serializer;
        line.heard.extend([handshake[0], handshake[1], 0, 0]);
        // A router that stops has no patience with connections that have said nothing yet.
        self.stage.write(line.down.connection, &request("nothing", b""));
        let _ = line.down.answer(self.stage);
        self.stage.write(line.down.connection, &request(&format!("{name}/receive"), b""));
    }

    /// Sends messages: together if they go in batches.
    fn send(&mut self, line: usize, messages: &[Vec<u8>], waits: bool) {
        if messages.is_empty() {
            return;
        }
        let Some(name) = self.lines[line].transport.clone() else { return };
        let serializer = self.lines[line].serializer;
        let bodies = match self.is_batched {
            true => vec![messages.iter().flat_map(|it| batched(serializer, it)).collect()],
            false => messages.to_vec(),
        };
        for body in bodies {
            let path = format!("{name}/send");
            if waits {
                let _ = self.ask(line, &path, &body);
            } else {
                let up = &mut self.lines[line].up;
                up.unanswered += 1;
                self.stage.begin(up.connection, &request(&path, &body));
            }
        }
    }

    /// Takes the answer to a receive apart, and receives again.
    fn hear(&mut self, line: usize, (status, body): (u16, Vec<u8>)) {
        let line = &mut self.lines[line];
        match status {
            200 if self.is_batched => unbatch(line.serializer, &body, &mut line.heard),
            200 => put_frame(MESSAGE, &body, &mut line.heard),
            204 => {}
            _ => {
                line.is_over = true;
                return;
            }
        }
        if let Some(name) = &line.transport {
            self.stage.write(line.down.connection, &request(&format!("{name}/receive"), b""));
        }
    }
}

impl Wire {
    /// Waits for the answer to a request; nothing if the connection ends.
    fn answer(&mut self, stage: &mut impl Stage) -> Option<(u16, Vec<u8>)> {
        loop {
            if let Some(answer) = take_answer(&mut self.octets) {
                return Some(answer);
            }
            match stage.read(self.connection, true) {
                Brought::Octets(octets) => self.octets.extend(octets),
                Brought::End | Brought::Nothing => return None,
            }
        }
    }
}

impl<S: Stage> Stage for Postman<'_, S> {
    fn settle(&mut self) {
        self.stage.settle();
    }

    fn connect(&mut self) -> usize {
        let mut wire = || {
            let connection = self.stage.connect();
            Wire { connection, octets: Vec::new(), unanswered: 0 }
        };
        let (one, other) = (wire(), wire());
        let line = self.lines.len();
        // Transports are where they were opened: by turns on one shard and on another.
        let (up, down) = if line.is_multiple_of(2) { (one, other) } else { (other, one) };
        let (said, heard, serializer) = (Vec::new(), Vec::new(), Serializer::Json);
        self.lines.push(Line {
            up,
            down,
            said,
            heard,
            serializer,
            transport: None,
            is_over: false,
        });
        line
    }

    fn write(&mut self, line: usize, octets: &[u8]) {
        self.lines[line].said.extend_from_slice(octets);
        self.carry(line, true);
    }

    fn begin(&mut self, line: usize, octets: &[u8]) -> bool {
        self.lines[line].said.extend_from_slice(octets);
        self.carry(line, false);
        true
    }

    fn read(&mut self, line: usize, expected: bool) -> Brought {
        loop {
            let Line { heard, down, is_over, .. } = &mut self.lines[line];
            if !heard.is_empty() {
                return Brought::Octets(std::mem::take(heard));
            }
            if *is_over {
                return Brought::End;
            }
            if let Some(answer) = take_answer(&mut down.octets) {
                self.hear(line, answer);
                continue;
            }
            match self.stage.read(down.connection, expected) {
                Brought::Octets(octets) => down.octets.extend(octets),
                Brought::End => *is_over = true,
                Brought::Nothing => return Brought::Nothing,
            }
        }
    }

    fn hang_up(&mut self, line: usize) {
        self.close(line);
        let (up, down) = (self.lines[line].up.connection, self.lines[line].down.connection);
        self.stage.hang_up(up);
        self.stage.hang_up(down);
        self.lines[line].is_over = true;
    }

    fn is_exact(&self) -> bool {
        self.stage.is_exact()
    }

    fn wait(&mut self, time: Duration) -> bool {
        self.stage.wait(time)
    }

    fn configure(&mut self, lines: &[notation::Line]) -> bool {
        self.stage.configure(lines)
    }

    fn shut_down(&mut self) -> bool {
        self.stage.shut_down()
    }
}

fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST /lp/{path}?x=1 HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Takes one whole answer off `octets`: its status and its body.
fn take_answer(octets: &mut Vec<u8>) -> Option<(u16, Vec<u8>)> {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&octets[..end]).expect("a head is text");
    let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
    let mut lengths = head.lines().filter_map(|line| line.strip_prefix("Content-Length: "));
    let length = lengths.next().map_or(0, |length| length.parse().expect("a number"));
    if octets.len() < end + length {
        return None;
    }
    let body = octets[end..end + length].to_vec();
    octets.drain(..end + length);
    Some((status, body))
}

fn take_frame(octets: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let head = *octets.first_chunk::<4>()?;
    let end = 4 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    let payload = octets.get(4..end)?.to_vec();
    octets.drain(..end);
    Some((head[0], payload))
}

fn put_frame(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("tests are small").to_be_bytes();
    out.extend([kind, length[1], length[2], length[3]]);
    out.extend_from_slice(payload);
}

/// A message as it stands in a batch.
fn batched(serializer: Serializer, message: &[u8]) -> Vec<u8> {
    if serializer == Serializer::Json {
        return [message, b"\x18"].concat();
    }
    let length = u32::try_from(message.len()).expect("tests are small");
    [&length.to_be_bytes(), message].concat()
}

fn unbatch(serializer: Serializer, mut batch: &[u8], out: &mut Vec<u8>) {
    assert!(!batch.is_empty(), "an empty batch is illegal");
    while !batch.is_empty() {
        let (start, end, next) = if serializer == Serializer::Json {
            let end = batch.iter().position(|&octet| octet == 0x18).expect("a whole batch");
            (0, end, end + 1)
        } else {
            let length = batch.first_chunk().map(|head| u32::from_be_bytes(*head));
            let end = 4 + length.expect("a whole batch") as usize;
            (4, end, end)
        };
        put_frame(MESSAGE, &batch[start..end], out);
        batch = &batch[next..];
    }
}
