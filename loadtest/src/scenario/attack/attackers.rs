//! What attackers do. Each keeps at it until it is told that all is over: when the router ends a
//! connection, it comes with the next one.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The kinds of attackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Many handshakes of HTTP and RawSocket at once, an octet now and then.
    SlowHandshakes,
    /// Octets by chance.
    Garbage,
    /// Connections that are dropped at once.
    Connects,
    /// Pings, as many as are taken.
    Pings,
    /// Calls of what nobody registered, whose answers are not read.
    Calls,
    /// Sessions that never say or read anything again.
    HalfOpen,
    /// Messages announced longer than allowed, and such as never end.
    HugeFrames,
    /// Messages that would be much more once they are read: nested, or with counts of millions.
    Bombs,
}

/// Every kind.
pub(super) const ALL: [Attack; 8] = [
    Attack::SlowHandshakes,
    Attack::Garbage,
    Attack::Connects,
    Attack::Pings,
    Attack::Calls,
    Attack::HalfOpen,
    Attack::HugeFrames,
    Attack::Bombs,
];

/// What became of the attackers, by kind.
#[derive(Debug, Default)]
pub(super) struct Ledger([Account; ALL.len()]);

#[derive(Debug, Default)]
struct Account {
    /// Connections that were opened.
    opened: AtomicU64,
    /// Connections that were refused.
    refused: AtomicU64,
    /// Connections that the router has ended.
    ended: AtomicU64,
}

impl Ledger {
    /// A line for each kind.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        ALL.into_iter().zip(&self.0).map(|(attack, account)| {
            let Account { opened, refused, ended } = account;
            let [opened, refused, ended] =
                [opened, refused, ended].map(|count| count.load(Ordering::Relaxed));
            format!("{attack:?}: {opened} connections, {refused} refused, {ended} ended")
        })
    }
}

/// One attacker on its way.
struct Attacker<'l> {
    host: &'l str,
    account: &'l Account,
    is_over: &'l AtomicBool,
    chance: u64,
}

impl Attack {
    /// Attacks the router at `host` until `is_over`.
    pub(super) fn go_on(self, host: &str, ledger: &Ledger, is_over: &AtomicBool) {
        let account = &ledger.0[self as usize];
        let mut attacker = Attacker { host, account, is_over, chance: 0x9E37_79B9 + self as u64 };
        while !is_over.load(Ordering::Relaxed) {
            match self {
                Self::SlowHandshakes => attacker.dribble(),
                Self::Garbage => attacker.babble(),
                Self::Connects => attacker.knock(),
                Self::Pings => attacker.pour(&WEB_OPENING, &masked(0x89, b"ping").repeat(200)),
                Self::Calls => {
                    let call = br#"[48,1,{},"wamp.session.count"]"#;
                    let calls: Vec<u8> = (2..3_000_u32).flat_map(count_call).collect();
                    attacker.pour(&raw_opening(1), &[raw(call), calls].concat());
                }
                Self::HalfOpen => attacker.freeze(),
                Self::HugeFrames => attacker.announce(),
                Self::Bombs => attacker.bomb(),
            }
        }
    }
}

impl Attacker<'_> {
    /// A connection, if the router takes one.
    fn connect(&self) -> Option<TcpStream> {
        let opened = TcpStream::connect(self.host).and_then(|stream| {
            stream.set_read_timeout(Some(GLANCE))?;
            stream.set_write_timeout(Some(GLANCE))?;
            Ok(stream)
        });
        let Ok(stream) = opened else {
            self.account.refused.fetch_add(1, Ordering::Relaxed);
            thread::sleep(GLANCE);
            return None;
        };
        self.account.opened.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Counts a connection that the router has ended.
    fn note_end(&self) {
        self.account.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads what comes, for a moment; whether the router has ended it.
    fn has_ended(stream: &mut TcpStream) -> bool {
        let mut buffer = [0; 16 << 10];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
    }

    /// Reads until the router ends it.
    fn await_end(&self, mut stream: TcpStream) {
        while !self.is_over() {
            if Self::has_ended(&mut stream) {
                return self.note_end();
            }
        }
    }

    fn octet(&mut self) -> u8 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 24) as u8
    }

    fn dribble(&mut self) {
        let mut streams: Vec<(usize, TcpStream)> =
            (0..SLOW_COUNT).filter_map(|number| Some((number, self.connect()?))).collect();
        for place in 0.. {
            thread::sleep(GLANCE);
            if self.is_over() || streams.is_empty() {
                return;
            }
            streams.retain_mut(|(number, stream)| {
                // Half of them never get to the end of RawSocket's four octets.
                let said = if *number % 2 == 0 { WEB_OPENING.as_slice() } else { b"\x7F\xF1\0" };
                let octet = said.get(place).map_or(&[][..], std::slice::from_ref);
                let _ = stream.set_nonblocking(true);
                let is_taken = stream.write_all(octet).is_ok();
                let is_open = is_taken && !Self::has_ended(stream);
                if !is_open {
                    self.account.ended.fetch_add(1, Ordering::Relaxed);
                }
                is_open
            });
        }
    }

    fn babble(&mut self) {
        let Some(mut stream) = self.connect() else { return };
        let mut octets: Vec<u8> = (0..2_048).map(|_| self.octet()).collect();
        // Some pass the door first.
        let opening: &[u8] = match self.octet() % 3 {
            0 => &[],
            1 => b"\x7F\xF2\0\0",
            _ => &WEB_OPENING,
        };
        octets.splice(0..0, opening.iter().copied());
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        self.await_end(stream);
    }

    fn knock(&self) {
        for _ in 0..KNOCKS {
            drop(self.connect());
        }
        thread::sleep(GLANCE);
    }

    /// Says `opening` once and `more` for as long as it is taken; reads nothing of the answers.
    fn pour(&self, opening: &[u8], more: &[u8]) {
        let Some(mut stream) = self.connect() else { return };
        if stream.write_all(opening).is_err() {
            return self.note_end();
        }
        while !self.is_over() {
            match stream.write(more) {
                Ok(_) => {}
                // It is not read from any more, for it does not read.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return self.note_end(),
            }
        }
    }

    fn freeze(&self) {
        let mut streams: Vec<TcpStream> =
            (0..FROZEN_COUNT).filter_map(|_| self.connect()).collect();
        for (number, stream) in streams.iter_mut().enumerate() {
            let opening = if number % 2 == 0 { raw_opening(1) } else { web_session() };
            let _ = stream.write_all(&opening);
            let _ = stream.set_nonblocking(true);
        }
        for _ in 0..FROZEN_GLANCES {
            thread::sleep(GLANCE);
            if self.is_over() {
                return;
            }
        }
        // They have not answered a ping; some are gone by now.
        let ended = streams.iter_mut().filter_map(|stream| Self::has_ended(stream).then_some(()));
        self.account.ended.fetch_add(ended.count() as u64, Ordering::Relaxed);
    }

    fn announce(&self) {
        let heads: [Vec<u8>; 4] = [
            [&WEB_OPENING[..], &[0x81, 0xFF], &i64::MAX.to_be_bytes(), &[0; 4]].concat(),
            [&WEB_OPENING[..], &[0x81, 0xFF], &(15_u64 << 20).to_be_bytes(), &[0; 4]].concat(),
            [&raw_opening(1)[..], &[0, 0xFF, 0xFF, 0xFF]].concat(),
            [&raw_opening(1)[..], &[0x0F, 0xFF, 0xFF, 0xFF]].concat(),
        ];
        for head in heads {
            let Some(mut stream) = self.connect() else { return };
            let _ = stream.write_all(&head);
            let chunk = [b' '; 16 << 10];
            for _ in 0..HUGE_CHUNKS {
                if stream.write_all(&chunk).is_err() {
                    break;
                }
            }
            if Self::has_ended(&mut stream) {
                self.note_end();
            }
        }
    }

    fn bomb(&self) {
        let lists = b"[".repeat(100_000);
        let counts = [b"\x95\x30\x01\x80\xA3a.b\x91\xDD\xFF\xFF\xFF\xFF".as_slice(), &[0; 64]];
        let frames =
            [(1, raw(&lists)), (2, raw(&b"\x91".repeat(100_000))), (2, raw(&counts.concat()))];
        for (serializer, frame) in frames {
            let Some(mut stream) = self.connect() else { return };
            let _ = stream.write_all(&[&raw_opening(serializer)[..], &frame].concat());
            self.await_end(stream);
        }
    }
}

/// How long an attacker waits where it waits.
const GLANCE: Duration = Duration::from_millis(50);

/// Handshakes that are dribbled at once.
const SLOW_COUNT: usize = 200;

/// Connections that are opened and dropped in one go.
const KNOCKS: usize = 50;

/// Sessions that are left half open at once, and for how many glances.
const FROZEN_COUNT: usize = 100;
const FROZEN_GLANCES: usize = 1_500;

/// Pieces of 16 KiB that are sent of what was announced.
const HUGE_CHUNKS: usize = 8;

/// A request for an upgrade.
static WEB_OPENING: [u8; 187] = *b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
    dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n";

/// HELLO in both serializers that are used here.
const HELLO: &[u8] = br#"[1,"realm1",{"roles":{"caller":{},"subscriber":{}}}]"#;
const HELLO_PACKED: &[u8] = b"\x93\x01\xA6realm1\x81\xA5roles\x81\xA6caller\x80";

/// A RawSocket handshake and HELLO.
fn raw_opening(serializer: u8) -> Vec<u8> {
    let hello = raw(if serializer == 1 { HELLO } else { HELLO_PACKED });
    [&[0x7F, 0xF0 | serializer, 0, 0][..], &hello].concat()
}

/// The upgrade and HELLO.
fn web_session() -> Vec<u8> {
    [&WEB_OPENING[..], &masked(0x81, HELLO)].concat()
}

/// A message behind RawSocket's prefix.
fn raw(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// A short frame of WebSocket, with a key of zeros that masks nothing.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "a short frame");
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn count_call(request: u32) -> Vec<u8> {
    raw(format!("[48,{request},{{}},\"wamp.session.count\"]").as_bytes())
}
