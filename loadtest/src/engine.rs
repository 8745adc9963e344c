//! The loop between sockets and a scenario: one thread, one epoll, one read and one write per
//! connection and turn.
//!
//! A [`Script`] says what is sent and judges what is heard; the engine knows nothing of either.

use std::time::Duration;

use gigawamp::wire::{Client, Failure, Framing, Incoming, Serializer};

use crate::net::{Socket, is_transient};
use crate::process;
use crate::relay::Cutter;
use crate::report::{Quantiles, Recorder, Row};
use crate::session::Session;
use crate::speech::Template;
use crate::stamp::Stamp;
use crate::sys::{Epoll, Interest, Ready};
use crate::{Trouble, clock, sys};

/// What a scenario does, as the engine sees it.
pub trait Script {
    /// A whole message arrived at `link`; answers go into `out`.
    ///
    /// # Errors
    ///
    /// If it is not what was owed.
    fn hear(
        &mut self,
        link: usize,
        message: &[u8],
        now: u64,
        out: &mut Outboxes,
    ) -> Result<(), Trouble>;

    /// Sends what is due by `now` of one's own accord, and says when to ask again.
    fn turn(&mut self, now: u64, out: &mut Outboxes) -> u64;

    /// A phase begins.
    fn enter(&mut self, phase: Phase, now: u64);

    /// Whether everything that was owed has come.
    fn is_settled(&self) -> bool;

    /// What is still owed, in words.
    fn owed(&self) -> String;

    /// The connection `link` ended.
    ///
    /// # Errors
    ///
    /// If that is no part of the scenario.
    fn ended(&mut self, link: usize, now: u64) -> Result<(), Trouble> {
        let _ = now;
        Err(Trouble::Wrong(format!("the router ended connection {link}")))
    }

    /// Where deliveries are noted.
    fn recorder(&mut self) -> &mut Recorder;
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Load, and nothing is noted.
    Warmup,
    /// Load, and everything is noted.
    Measure,
    /// Nothing new is sent; what is owed must come.
    Drain,
}

/// For how long, and how closely watched.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Load before anything is noted.
    pub warmup: Duration,
    /// Load that is noted.
    pub duration: Duration,
    /// Never sleep while there may be something to do.
    pub spin: bool,
    /// The process of the router or relay.
    pub server: Option<u32>,
}

/// Many connections and what is under way on them.
#[derive(Debug)]
pub struct Engine {
    epoll: Epoll,
    links: Vec<Link>,
    out: Outboxes,
    buffer: Vec<u8>,
}

/// The receiving half of a connection.
#[derive(Debug)]
struct Link {
    /// `None` once it ended or was taken away.
    socket: Option<Socket>,
    source: Source,
    is_muted: bool,
    octets_in: u64,
    messages_in: u64,
}

#[derive(Debug)]
enum Source {
    Wamp(Box<Client>),
    Bare(Cutter),
}

impl Engine {
    /// Without connections.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn new() -> Result<Self, Trouble> {
        sys::sharpen_timers();
        Ok(Self {
            epoll: Epoll::new()?,
            links: Vec::new(),
            out: Outboxes::default(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    /// Adds an open session; links count from 0 in the order they are added.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn add_session(&mut self, session: Session, framing: Framing) -> Result<usize, Trouble> {
        let serializer = session.serializer();
        let (socket, client) = session.into_parts();
        let wrap = match framing {
            Framing::RawSocket => Wrap::RawSocket,
            Framing::WebSocket => Wrap::WebSocket {
                first: if serializer == Serializer::Json { 0x81 } else { 0x82 },
                mask: 0x9E37_79B9_7F4A_7C15 ^ self.links.len() as u64,
            },
            Framing::Batched(_) => unreachable!("no address stands for batches"),
        };
        self.add(socket, Source::Wamp(Box::new(client)), wrap)
    }

    /// Adds a connection to a relay that brings frames of `frame_bytes`.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn add_bare(&mut self, socket: Socket, frame_bytes: usize) -> Result<usize, Trouble> {
        self.add(socket, Source::Bare(Cutter::new(frame_bytes)), Wrap::Bare)
    }

    fn add(&mut self, socket: Socket, source: Source, wrap: Wrap) -> Result<usize, Trouble> {
        let link = self.links.len();
        socket.set_nonblocking(true)?;
        self.epoll.add(&socket, link as u64, Interest::Read)?;
        let socket = Some(socket);
        self.links.push(Link { socket, source, is_muted: false, octets_in: 0, messages_in: 0 });
        self.out.boxes.push(Outbox::new(wrap));
        Ok(link)
    }

    /// Reads nothing from `link` any more.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn mute(&mut self, link: usize) -> Result<(), Trouble> {
        self.links[link].is_muted = true;
        self.watch(link)
    }

    /// Takes a connection away, as a session that blocks; `None` if it has ended or is bare.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn take(
        &mut self,
        link: usize,
        serializer: Serializer,
    ) -> Result<Option<Session>, Trouble> {
        let Some(socket) = self.links[link].socket.take() else { return Ok(None) };
        // A muted link that hung up is not watched any more.
        let _ = self.epoll.remove(&socket);
        socket.set_nonblocking(false)?;
        let bare = Source::Bare(Cutter::new(1));
        match std::mem::replace(&mut self.links[link].source, bare) {
            Source::Wamp(client) => Ok(Some(Session::from_parts((socket, *client), serializer))),
            Source::Bare(_) => Ok(None),
        }
    }

    /// The mean size of the frames that `links` got and sent, in octets; 0 if there were none.
    #[must_use]
    pub fn frame_bytes(&self, links: std::ops::Range<usize>) -> Sizes {
        let mean = |octets: u64, frames: u64| {
            usize::try_from(octets.checked_div(frames).unwrap_or(0)).unwrap_or(0)
        };
        let (got, sent) = (&self.links[links.clone()], &self.out.boxes[links]);
        Sizes {
            got: mean(
                got.iter().map(|link| link.octets_in).sum(),
                got.iter().map(|link| link.messages_in).sum(),
            ),
            sent: mean(
                sent.iter().map(|outbox| outbox.octets).sum(),
                sent.iter().map(|outbox| outbox.messages).sum(),
            ),
        }
    }

    /// Runs `script` through all phases; the row still wants a name and a unit.
    ///
    /// # Errors
    ///
    /// Whatever the script finds wrong, a connection that ends, or debts that are not paid.
    pub fn run(&mut self, script: &mut impl Script, plan: &Plan) -> Result<Row, Trouble> {
        let mut now = clock::now();
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        script.enter(Phase::Warmup, now);
        self.go_on(script, now + nanos(plan.warmup), plan.spin, false)?;
        now = clock::now();
        let before = (plan.server.and_then(process::cpu_time), process::cpu_time(own_pid()));
        script.enter(Phase::Measure, now);
        script.recorder().begin();
        self.go_on(script, now + nanos(plan.duration), plan.spin, false)?;
        script.recorder().end();
        let elapsed = Duration::from_nanos(clock::now() - now);
        let after = (plan.server.and_then(process::cpu_time), process::cpu_time(own_pid()));
        now = clock::now();
        script.enter(Phase::Drain, now);
        self.go_on(script, now + DRAIN_MAX, plan.spin, true)?;
        if !script.is_settled() {
            return Err(Trouble::Wrong(format!("lost: {}", script.owed())));
        }
        // Whatever comes now came twice.
        self.go_on(script, clock::now() + LINGER, plan.spin, false)?;
        let recorder = script.recorder();
        Ok(Row {
            name: String::new(),
            unit: "",
            delivered: recorder.delivered(),
            elapsed,
            latency: Quantiles::of(recorder.latency()),
            server_cpu: after.0.zip(before.0).map(|(after, before)| after.saturating_sub(before)),
            own_cpu: after.1.zip(before.1).map_or(Duration::ZERO, |(a, b)| a.saturating_sub(b)),
        })
    }

    /// Turns until `end`, or until everything is settled if that is all that is awaited.
    fn go_on(
        &mut self,
        script: &mut impl Script,
        end: u64,
        spin: bool,
        until_settled: bool,
    ) -> Result<(), Trouble> {
        let mut ready = Vec::new();
        loop {
            let now = clock::now();
            let due = script.turn(now, &mut self.out).min(end);
            self.flush()?;
            if now >= end || until_settled && script.is_settled() {
                return Ok(());
            }
            let timeout = if spin { 0 } else { due.saturating_sub(now) };
            self.epoll.wait(timeout, &mut ready)?;
            for event in &ready {
                self.on_ready(*event, script)?;
            }
        }
    }

    fn on_ready(&mut self, ready: Ready, script: &mut impl Script) -> Result<(), Trouble> {
        let Ok(link) = usize::try_from(ready.token) else { return Ok(()) };
        if ready.writable {
            self.out.boxes[link].is_blocked = false;
            self.out.touch(link);
            self.watch(link)?;
        }
        if self.links[link].is_muted {
            if ready.hung_up {
                self.end(link, script)?;
            }
            return Ok(());
        }
        if ready.readable { self.read(link, script) } else { Ok(()) }
    }

    fn read(&mut self, link: usize, script: &mut impl Script) -> Result<(), Trouble> {
        let Link { socket: Some(socket), source, octets_in, messages_in, .. } =
            &mut self.links[link]
        else {
            return Ok(());
        };
        let count = match socket.read(&mut self.buffer) {
            Ok(0) => return self.end(link, script),
            Ok(count) => count,
            Err(error) if is_transient(&error) => return Ok(()),
            Err(_) => return self.end(link, script),
        };
        *octets_in += count as u64;
        let now = clock::now();
        let mut input = &mut self.buffer[..count];
        let client = match source {
            Source::Wamp(client) => client,
            Source::Bare(cutter) => {
                return cutter.cut(input, |frames, frame_bytes| {
                    for frame in frames.chunks_exact(frame_bytes) {
                        *messages_in += 1;
                        script.hear(link, frame, now, &mut self.out)?;
                    }
                    Ok(())
                });
            }
        };
        let mut reply = Vec::new();
        let is_over = loop {
            match client.next(&mut input, &mut reply) {
                Ok(Some(Incoming::Message(message))) => {
                    *messages_in += 1;
                    script.hear(link, message, now, &mut self.out)?;
                }
                Ok(Some(Incoming::Negotiated(_) | Incoming::Alive | Incoming::Request(_))) => {}
                Ok(None) => break false,
                Ok(Some(Incoming::Finished)) | Err(Failure::Answered) => break true,
                Err(Failure::Refused(why)) => {
                    return Err(Trouble::Wrong(format!("the router broke its transport: {why}")));
                }
            }
        };
        if !reply.is_empty() {
            self.out.send_raw(link, &reply);
        }
        if is_over { self.end(link, script) } else { Ok(()) }
    }

    fn end(&mut self, link: usize, script: &mut impl Script) -> Result<(), Trouble> {
        script.ended(link, clock::now())?;
        let it = &mut self.links[link];
        if it.is_muted {
            // What it holds unread may still be taken.
            if let Some(socket) = &it.socket {
                self.epoll.remove(socket)?;
            }
        } else {
            it.socket = None;
        }
        self.out.boxes[link].is_dead = true;
        Ok(())
    }

    /// One write for every connection something was sent to.
    fn flush(&mut self) -> Result<(), Trouble> {
        let mut dirty = std::mem::take(&mut self.out.dirty);
        for link in dirty.drain(..) {
            let outbox = &mut self.out.boxes[link];
            outbox.is_dirty = false;
            let Some(socket) = self.links[link].socket.as_ref().filter(|_| !outbox.is_dead) else {
                continue;
            };
            if outbox.is_blocked || outbox.waiting() == 0 {
                continue;
            }
            match socket.write(&outbox.bytes[outbox.written..]) {
                Ok(count) => outbox.advance(count),
                Err(error) if is_transient(&error) => {}
                // Why it ended is read from its other direction.
                Err(_) => outbox.is_dead = true,
            }
            if outbox.waiting() > 0 && !outbox.is_dead {
                outbox.is_blocked = true;
                self.watch(link)?;
            }
        }
        self.out.dirty = dirty;
        Ok(())
    }

    /// Tells epoll what is awaited of `link` now.
    fn watch(&self, link: usize) -> Result<(), Trouble> {
        let it = &self.links[link];
        let Some(socket) = &it.socket else { return Ok(()) };
        let interest = match (it.is_muted, self.out.boxes[link].is_blocked) {
            (false, false) => Interest::Read,
            (false, true) => Interest::ReadWrite,
            (true, false) => Interest::Nothing,
            (true, true) => Interest::Write,
        };
        Ok(self.epoll.modify(socket, link as u64, interest)?)
    }
}

/// Mean sizes of frames, in octets, framing included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of those that were received.
    pub got: usize,
    /// Of those that were sent.
    pub sent: usize,
}

/// What waits to be written, per link.
#[derive(Debug, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Outbox {
    wrap: Wrap,
    bytes: Vec<u8>,
    written: usize,
    is_dirty: bool,
    /// The kernel has no room.
    is_blocked: bool,
    is_dead: bool,
    octets: u64,
    messages: u64,
}

#[derive(Clone, Copy, Debug)]
enum Wrap {
    Bare,
    RawSocket,
    WebSocket {
        /// The first octet of every frame.
        first: u8,
        /// Where masking keys come from; never zero for long.
        mask: u64,
    },
}

impl Outboxes {
    /// Sends one message to `link`.
    #[inline]
    pub fn send(&mut self, link: usize, template: &Template, id: u64, stamp: Stamp) {
        let outbox = &mut self.boxes[link];
        let start = outbox.bytes.len();
        match &mut outbox.wrap {
            Wrap::Bare => template.write(id, stamp, &mut outbox.bytes),
            Wrap::RawSocket => {
                outbox.bytes.extend_from_slice(&[0; 4]);
                template.write(id, stamp, &mut outbox.bytes);
                let length = u32::try_from(outbox.bytes.len() - start - 4).unwrap_or(u32::MAX);
                outbox.bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
            Wrap::WebSocket { first, mask } => {
                self.scratch.clear();
                template.write(id, stamp, &mut self.scratch);
                write_masked(*first, next_key(mask), &self.scratch, &mut outbox.bytes);
            }
        }
        outbox.octets += (outbox.bytes.len() - start) as u64;
        outbox.messages += 1;
        self.touch(link);
    }

    /// Octets that wait for `link`.
    #[must_use]
    pub fn waiting(&self, link: usize) -> usize {
        let outbox = &self.boxes[link];
        if outbox.is_dead { usize::MAX } else { outbox.waiting() }
    }

    /// Whether what waits for `link` waits for the kernel.
    #[must_use]
    pub fn is_blocked(&self, link: usize) -> bool {
        self.boxes[link].is_blocked || self.boxes[link].is_dead
    }

    fn send_raw(&mut self, link: usize, bytes: &[u8]) {
        self.boxes[link].bytes.extend_from_slice(bytes);
        self.touch(link);
    }

    #[inline]
    fn touch(&mut self, link: usize) {
        let outbox = &mut self.boxes[link];
        if !outbox.is_dirty {
            outbox.is_dirty = true;
            self.dirty.push(link);
        }
    }
}

impl Outbox {
    const fn new(wrap: Wrap) -> Self {
        Self {
            wrap,
            bytes: Vec::new(),
            written: 0,
            is_dirty: false,
            is_blocked: false,
            is_dead: false,
            octets: 0,
            messages: 0,
        }
    }

    const fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written > READ_BYTES_MAX {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Octets taken from one connection before the next has its turn.
const READ_BYTES_MAX: usize = 256 * 1024;

/// How long duplicates of the last messages are waited for, in nanoseconds.
const LINGER: u64 = 20_000_000;

/// How long what is owed may take to come, in nanoseconds.
const DRAIN_MAX: u64 = 10_000_000_000;

fn own_pid() -> u32 {
    std::process::id()
}

/// The next masking key (xorshift).
const fn next_key(state: &mut u64) -> [u8; 4] {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let [a, b, c, d, ..] = state.to_ne_bytes();
    [a, b, c, d]
}

/// Appends one whole WebSocket message as a client sends it.
fn write_masked(first: u8, key: [u8; 4], message: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match (u8::try_from(message.len()), u16::try_from(message.len())) {
        (Ok(short @ 0..126), _) => out.push(0x80 | short),
        (_, Ok(medium)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(message.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    let body = out.len();
    out.extend_from_slice(message);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = out[body..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use gigawamp::wire::{Transport, TransportOptions};

    use super::*;
    use crate::net::Target;

    #[test]
    fn masked_frames_are_what_a_router_reads() {
        let options = TransportOptions {
            message_bytes_max: 1 << 20,
            paths: vec!["/ws".into()],
            serializers: Serializer::ALL.to_vec(),
            websocket: true,
            rawsocket: true,
            deflate: false,
            longpoll: true,
            longpoll_path: "/lp".into(),
            ..TransportOptions::default()
        };
        let target: Target = "ws://127.0.0.1:1/ws".parse().unwrap();
        let mut wire = Vec::new();
        target.client(Serializer::MessagePack, 1).hello(&mut wire);
        let mut mask = 1;
        let lengths = [1, 125, 126, 65_535, 65_536];
        for length in lengths {
            write_masked(0x82, next_key(&mut mask), &vec![7; length], &mut wire);
        }
        let (mut transport, mut reply) = (Transport::new(), Vec::new());
        let mut input = &mut wire[..];
        let mut found = Vec::new();
        while let Some(incoming) = transport.next(&options, &mut input, &mut reply).unwrap() {
            if let Incoming::Message(message) = incoming {
                assert!(message.iter().all(|byte| *byte == 7));
                found.push(message.len());
            }
        }
        assert_eq!(found, lengths);
    }

    #[test]
    fn an_outbox_forgets_what_was_written() {
        let mut outbox = Outbox::new(Wrap::Bare);
        outbox.bytes = vec![0; READ_BYTES_MAX * 3];
        outbox.advance(READ_BYTES_MAX + 1);
        assert_eq!((outbox.waiting(), outbox.written), (READ_BYTES_MAX * 2 - 1, 0));
        outbox.advance(5);
        outbox.advance(READ_BYTES_MAX * 2 - 6);
        assert_eq!((outbox.waiting(), outbox.bytes.len()), (0, 0));
    }
}
