//! A storm of connections: sessions opened and dropped as fast as they are welcomed.
//!
//! Each goes through the transport's handshake, then HELLO and WELCOME: two answers to wait for.
//! Then its connection is reset, so that no port lingers. Over a relay: the same octets in two
//! exchanges.

use std::time::Duration;

use gigawamp::message::Message;
use gigawamp::wire::{Client, Failure, Incoming};

use crate::engine::Plan;
use crate::net::{Address, Socket, is_transient};
use crate::relay::{Cutter, FrameSizes, Mode, OPENING_BYTES, Role, opening};
use crate::report::{Quantiles, Recorder, Report, Row};
use crate::rig::Rig;
use crate::session::Door;
use crate::speech::describe;
use crate::sys::{Epoll, Interest};
use crate::{Trouble, clock, process};

/// Measures sessions opened per second: at the router, then over a relay if asked to.
///
/// # Errors
///
/// Whatever went wrong, or a session that was not welcomed.
pub fn run(rig: &Rig<'_>) -> Result<Report, Trouble> {
    let mut report = Report::default();
    let mut storm = Storm::new(Peer::Router(rig.door.clone()))?;
    report.rows.push(storm.rage(rig.options.window, &rig.plan(), "router")?);
    let mut hello = Vec::new();
    rig.door.hello().write(rig.serializer(), &mut hello);
    if rig.options.relay {
        let mut framed = Vec::new();
        rig.door.target.client(rig.serializer(), 1).frame(&hello, &mut framed);
        let (there, back) = (framed.len(), storm.welcome_bytes.max(1));
        let sizes = FrameSizes { there_in: there, there_out: there, back_in: back, back_out: back };
        let relay = rig.relay(Mode::Echo, sizes)?;
        let plan = rig.plan_for(Some(relay.server.pid()));
        let mut storm = Storm::new(Peer::Relay(relay.address, sizes))?;
        report.rows.push(storm.rage(rig.options.window, &plan, "relay")?);
        report.compare(0, 1);
    }
    Ok(report)
}

#[derive(Debug)]
enum Peer {
    Router(Door),
    Relay(Address, FrameSizes),
}

#[derive(Debug)]
struct Storm {
    peer: Peer,
    epoll: Epoll,
    attempts: Vec<Option<Attempt>>,
    /// Octets from HELLO's answer, as last seen.
    welcome_bytes: usize,
    recorder: Recorder,
}

#[derive(Debug)]
struct Attempt {
    socket: Socket,
    started: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Router(Box<Client>),
    Opening(Cutter),
    Answer(Cutter),
}

impl Storm {
    fn new(peer: Peer) -> Result<Self, Trouble> {
        Ok(Self {
            peer,
            epoll: Epoll::new()?,
            attempts: Vec::new(),
            welcome_bytes: 0,
            recorder: Recorder::default(),
        })
    }

    /// Keeps `width` sessions opening for as long as `plan` says.
    fn rage(&mut self, width: usize, plan: &Plan, name: &str) -> Result<Row, Trouble> {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let cpu = |server: Option<u32>| {
            let own = process::cpu_time(std::process::id()).unwrap_or_default();
            (server.and_then(process::cpu_time), own)
        };
        self.attempts.resize_with(width, || None);
        for slot in 0..width {
            self.begin(slot)?;
        }
        self.go_on(clock::now() + nanos(plan.warmup))?;
        let (start, before) = (clock::now(), cpu(plan.server));
        self.recorder.begin();
        self.go_on(start + nanos(plan.duration))?;
        self.recorder.end();
        let after = cpu(plan.server);
        Ok(Row {
            name: name.to_owned(),
            unit: "sessions",
            delivered: self.recorder.delivered(),
            elapsed: Duration::from_nanos(clock::now() - start),
            latency: Quantiles::of(self.recorder.latency()),
            server_cpu: after.0.zip(before.0).map(|(after, before)| after - before),
            own_cpu: after.1 - before.1,
        })
    }

    fn go_on(&mut self, end: u64) -> Result<(), Trouble> {
        let (mut ready, mut heard) = (Vec::new(), clock::now());
        loop {
            let now = clock::now();
            if now >= end {
                return Ok(());
            }
            self.epoll.wait((end - now).min(PATIENCE), &mut ready)?;
            if !ready.is_empty() {
                heard = clock::now();
            } else if clock::now() - heard > PATIENCE {
                return Err(Trouble::Wrong("lost: sessions that were never welcomed".to_owned()));
            }
            for event in &ready {
                let slot = usize::try_from(event.token).unwrap_or(usize::MAX);
                if self.advance(slot)? {
                    if let Some(attempt) = self.attempts[slot].take() {
                        self.recorder.note(clock::now(), attempt.started);
                        attempt.socket.reset()?;
                    }
                    self.begin(slot)?;
                }
            }
        }
    }

    /// Connects; on one machine that is answered at once.
    fn begin(&mut self, slot: usize) -> Result<(), Trouble> {
        let started = clock::now();
        let mut hello = Vec::new();
        let (address, stage) = match &self.peer {
            Peer::Router(door) => {
                let mut client = Box::new(door.target.client(door.serializer, started));
                client.hello(&mut hello);
                (&door.target.address, Stage::Router(client))
            }
            Peer::Relay(address, _) => {
                hello.extend_from_slice(&opening(Role::Echo, 0));
                (address, Stage::Opening(Cutter::new(OPENING_BYTES)))
            }
        };
        let socket = address.connect()?;
        socket.set_nonblocking(true)?;
        socket.write_all(&hello)?;
        self.epoll.add(&socket, slot as u64, Interest::Read)?;
        self.attempts[slot] = Some(Attempt { socket, started, stage });
        Ok(())
    }

    /// Reads what came for one session; whether it is open now.
    fn advance(&mut self, slot: usize) -> Result<bool, Trouble> {
        let Some(attempt) = self.attempts[slot].as_mut() else { return Ok(false) };
        let mut buffer = [0; 4_096];
        let count = match attempt.socket.read(&mut buffer) {
            Ok(0) => return Err(Trouble::Wrong("the router ended a new connection".to_owned())),
            Ok(count) => count,
            Err(error) if is_transient(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let input = &mut buffer[..count];
        match (&self.peer, &mut attempt.stage) {
            (Peer::Router(door), Stage::Router(client)) => {
                let opened = converse(door, client, &attempt.socket, input)?;
                if opened {
                    self.welcome_bytes = count;
                }
                Ok(opened)
            }
            (Peer::Relay(_, sizes), Stage::Opening(cutter)) => {
                if whole_frames(cutter, input) > 0 {
                    attempt.socket.write_all(&vec![b'x'; sizes.there_in])?;
                    attempt.stage = Stage::Answer(Cutter::new(sizes.back_out));
                }
                Ok(false)
            }
            (_, Stage::Answer(cutter)) => Ok(whole_frames(cutter, input) > 0),
            (Peer::Router(_), Stage::Opening(_)) | (Peer::Relay(..), Stage::Router(_)) => Ok(false),
        }
    }
}

/// Says HELLO once the handshake is through; whether WELCOME came.
fn converse(
    door: &Door,
    client: &mut Client,
    socket: &Socket,
    mut input: &mut [u8],
) -> Result<bool, Trouble> {
    let mut reply = Vec::new();
    loop {
        match client.next(&mut input, &mut reply) {
            Ok(None) => return Ok(false),
            Ok(Some(Incoming::Negotiated(_))) => {
                let (mut hello, mut frame) = (Vec::new(), Vec::new());
                door.hello().write(door.serializer, &mut hello);
                client.frame(&hello, &mut frame);
                socket.write_all(&frame)?;
            }
            Ok(Some(Incoming::Message(message))) => {
                return match Message::parse(door.serializer, message) {
                    Ok(Message::Welcome(_)) => Ok(true),
                    Ok(other) => Err(Trouble::Wrong(format!("HELLO: got {}", describe(&other)))),
                    Err(invalid) => Err(Trouble::Wrong(format!("HELLO: got {invalid}"))),
                };
            }
            Ok(Some(Incoming::Alive | Incoming::Request(_))) => {}
            Ok(Some(Incoming::Finished)) | Err(Failure::Answered) => {
                return Err(Trouble::Wrong("the router ended a new connection".to_owned()));
            }
            Err(Failure::Refused(why)) => return Err(Trouble::Wrong(why.to_owned())),
        }
    }
}

fn whole_frames(cutter: &mut Cutter, input: &[u8]) -> usize {
    let mut count = 0;
    let _ = cutter.cut(input, |frames, frame_bytes| {
        count += frames.len() / frame_bytes;
        Ok::<_, ()>(())
    });
    count
}

/// How long nothing at all may be heard, in nanoseconds.
const PATIENCE: u64 = 10_000_000_000;
