//! A bare byte relay: what the kernel allows, when nobody looks into the messages.
//!
//! It forwards as many frames of the same size along the same connections as a router would:
//! caller → callee → caller, or publisher → each subscriber. Frames are told apart by their fixed
//! size alone; whose answer a callee gives follows from the order of its questions. There is one
//! read and one write per connection and turn, and what is fanned out is in memory once.
//!
//! A peer says in eight octets which role it plays, and gets eight octets back; everything after
//! that is frames.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Trouble;
use crate::net::{Address, Listener, Socket, is_transient};
use crate::sys::{Epoll, Interest, Ready};

/// What is forwarded where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Caller to callee and back.
    Rpc,
    /// Publisher to all subscribers, and an acknowledgement back.
    Fanout,
    /// Back to where it came from.
    Echo,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rpc, Self::Fanout, Self::Echo];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Fanout => "fanout",
            Self::Echo => "echo",
        }
    }

    const fn has(self, role: Role) -> bool {
        match role {
            Role::Caller | Role::Callee => matches!(self, Self::Rpc),
            Role::Publisher | Role::Subscriber => matches!(self, Self::Fanout),
            Role::Echo => matches!(self, Self::Echo),
        }
    }
}

/// Sizes of frames, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSizes {
    /// From callers, publishers and whoever wants an echo.
    pub there_in: usize,
    /// To callees and subscribers.
    pub there_out: usize,
    /// From callees.
    pub back_in: usize,
    /// To callers (results), publishers (acknowledgements; zero: none) and as echoes.
    pub back_out: usize,
}

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends frames to its callee, gets one back for each.
    Caller,
    /// Gets frames, sends one back for each.
    Callee,
    /// Sends frames to all subscribers, gets an acknowledgement for each.
    Publisher,
    /// Gets frames.
    Subscriber,
    /// Gets a frame for each it sends.
    Echo,
}

/// Octets of the opening, both ways.
pub const OPENING_BYTES: usize = 8;

/// What the peer number `index` in `role` says first.
#[must_use]
pub fn opening(role: Role, index: u16) -> [u8; OPENING_BYTES] {
    let [high, low] = index.to_be_bytes();
    [role as u8, high, low, 0, 0, 0, 0, 0]
}

/// Connects to a relay at `address` as number `index` in `role`.
///
/// # Errors
///
/// If nobody is there.
pub fn join(address: &Address, role: Role, index: u16) -> Result<Socket, Trouble> {
    let socket = address.connect()?;
    socket.write_all(&opening(role, index))?;
    let mut answer = [0; OPENING_BYTES];
    let mut count = 0;
    while count < OPENING_BYTES {
        match socket.read(&mut answer[count..])? {
            0 => return Err(Trouble::Rig("the relay ended the connection".to_owned())),
            more => count += more,
        }
    }
    Ok(socket)
}

/// Cuts a stream into frames of one size.
#[derive(Debug)]
pub struct Cutter {
    frame_bytes: usize,
    /// The beginning of a frame.
    partial: Vec<u8>,
}

impl Cutter {
    /// For frames of `frame_bytes`, which is not zero.
    #[must_use]
    pub fn new(frame_bytes: usize) -> Self {
        assert!(frame_bytes > 0, "a frame of nothing never ends");
        Self { frame_bytes, partial: Vec::new() }
    }

    /// Gives `take` all whole frames, one behind the other, and their size; keeps the rest.
    ///
    /// # Errors
    ///
    /// That of `take`.
    #[inline]
    pub fn cut<E>(
        &mut self,
        mut input: &[u8],
        mut take: impl FnMut(&[u8], usize) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.partial.is_empty() {
            let missing = (self.frame_bytes - self.partial.len()).min(input.len());
            let (rest, after) = input.split_at(missing);
            self.partial.extend_from_slice(rest);
            input = after;
            if self.partial.len() < self.frame_bytes {
                return Ok(());
            }
            take(&self.partial, self.frame_bytes)?;
            self.partial.clear();
        }
        let (whole, rest) = input.split_at(input.len() - input.len() % self.frame_bytes);
        self.partial.extend_from_slice(rest);
        if whole.is_empty() { Ok(()) } else { take(whole, self.frame_bytes) }
    }
}

/// Appends whole frames of `from` octets as frames of `to` octets.
fn convert(frames: &[u8], from: usize, to: usize, out: &mut Vec<u8>) {
    if from == to {
        return out.extend_from_slice(frames);
    }
    for frame in frames.chunks_exact(from) {
        out.extend_from_slice(&frame[..from.min(to)]);
        out.resize(out.len() + to.saturating_sub(from), b'x');
    }
}

/// Whose frames a callee was sent, in order: what it sends back belongs to them.
#[derive(Debug, Default)]
struct Questions(VecDeque<(usize, usize)>);

impl Questions {
    /// `count` frames were forwarded for `asker`.
    fn ask(&mut self, asker: usize, count: usize) {
        match self.0.back_mut() {
            Some((last, counted)) if *last == asker => *counted += count,
            _ => self.0.push_back((asker, count)),
        }
    }

    /// Who gets the next answers, and how many of the `count` there are.
    fn answer(&mut self, count: usize) -> Option<(usize, usize)> {
        let (asker, open) = self.0.front_mut()?;
        let (asker, some) = (*asker, count.min(*open));
        *open -= some;
        if *open == 0 {
            self.0.pop_front();
        }
        Some((asker, some))
    }
}

#[derive(Debug)]
struct Peer {
    socket: Socket,
    /// `None` before the opening is complete.
    role: Option<(Role, u16)>,
    cutter: Option<Cutter>,
    questions: Questions,
    out: Vec<u8>,
    written: usize,
    is_dirty: bool,
    is_blocked: bool,
}

/// A relay.
#[derive(Debug)]
pub struct Relay {
    listener: Listener,
    epoll: Epoll,
    mode: Mode,
    sizes: FrameSizes,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    callees: Vec<usize>,
    subscribers: Vec<usize>,
    /// What all subscribers get this turn.
    shared: Vec<u8>,
    dirty: Vec<usize>,
    buffer: Vec<u8>,
}

impl Relay {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// If it is taken.
    pub fn bind(address: &Address, mode: Mode, sizes: FrameSizes) -> Result<Self, Trouble> {
        let (listener, epoll) = (address.listen()?, Epoll::new()?);
        epoll.add(&listener, LISTENER, Interest::Read)?;
        Ok(Self {
            listener,
            epoll,
            mode,
            sizes,
            peers: Vec::new(),
            free: Vec::new(),
            callees: Vec::new(),
            subscribers: Vec::new(),
            shared: Vec::new(),
            dirty: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn address(&self) -> Result<Address, Trouble> {
        Ok(self.listener.address()?)
    }

    /// Forwards until `stop`; with `spin` without ever sleeping.
    ///
    /// # Errors
    ///
    /// As the kernel says.
    pub fn run(&mut self, stop: &AtomicBool, spin: bool) -> Result<(), Trouble> {
        let mut ready = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            self.epoll.wait(if spin { 0 } else { STOP_INTERVAL }, &mut ready)?;
            for event in &ready {
                self.on_ready(*event)?;
            }
            self.share();
            self.flush()?;
        }
        Ok(())
    }

    fn on_ready(&mut self, ready: Ready) -> Result<(), Trouble> {
        if ready.token == LISTENER {
            return self.accept();
        }
        let Ok(slot) = usize::try_from(ready.token) else { return Ok(()) };
        if ready.writable
            && let Some(peer) = self.peers[slot].as_mut()
        {
            peer.is_blocked = false;
            self.epoll.modify(&peer.socket, ready.token, Interest::Read)?;
            self.touch(slot);
        }
        if ready.readable {
            self.read(slot);
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), Trouble> {
        while let Some(socket) = self.listener.accept()? {
            let slot = self.free.pop().unwrap_or(self.peers.len());
            self.epoll.add(&socket, slot as u64, Interest::Read)?;
            let peer = Peer {
                socket,
                role: None,
                cutter: Some(Cutter::new(OPENING_BYTES)),
                questions: Questions::default(),
                out: Vec::new(),
                written: 0,
                is_dirty: false,
                is_blocked: false,
            };
            if slot == self.peers.len() {
                self.peers.push(Some(peer));
            } else {
                self.peers[slot] = Some(peer);
            }
        }
        Ok(())
    }

    fn read(&mut self, slot: usize) {
        let Some(mut peer) = self.peers[slot].take() else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let is_open = match peer.socket.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                let cutter = peer.cutter.take();
                let mut cutter = cutter.expect("a cutter is only away while it cuts");
                let _ = cutter.cut(&buffer[..count], |frames, _| {
                    self.on_frames(slot, &mut peer, frames);
                    Ok::<_, Trouble>(())
                });
                // The opening is followed by frames of another size, with a cutter of their own.
                peer.cutter.get_or_insert(cutter);
                true
            }
            Err(error) => is_transient(&error),
        };
        self.buffer = buffer;
        if is_open {
            self.peers[slot] = Some(peer);
            return;
        }
        // Closing takes it out of the epoll; a dirty mark that is left finds nobody.
        self.free.push(slot);
        self.callees.retain(|callee| *callee != slot);
        self.subscribers.retain(|subscriber| *subscriber != slot);
    }

    fn on_frames(&mut self, slot: usize, peer: &mut Peer, frames: &[u8]) {
        let FrameSizes { there_in, there_out, back_in, back_out } = self.sizes;
        let Some((role, index)) = peer.role else {
            self.on_opening(slot, peer, frames);
            return;
        };
        match role {
            Role::Caller => {
                let place = usize::from(index) % self.callees.len().max(1);
                let Some(&callee_slot) = self.callees.get(place) else { return };
                let Some(callee) = self.peers[callee_slot].as_mut() else { return };
                callee.questions.ask(slot, frames.len() / there_in);
                convert(frames, there_in, there_out, &mut callee.out);
                self.touch(callee_slot);
            }
            Role::Callee => {
                let mut rest = frames;
                while !rest.is_empty() {
                    let answered = peer.questions.answer(rest.len() / back_in);
                    let Some((caller_slot, count)) = answered else { return };
                    let (some, after) = rest.split_at(count * back_in);
                    rest = after;
                    let Some(caller) = self.peers[caller_slot].as_mut() else { continue };
                    convert(some, back_in, back_out, &mut caller.out);
                    self.touch(caller_slot);
                }
            }
            Role::Publisher => {
                convert(frames, there_in, there_out, &mut self.shared);
                let acknowledged = frames.len() / there_in * back_out;
                peer.out.resize(peer.out.len() + acknowledged, b'x');
                self.dirty.push(slot);
            }
            Role::Subscriber => {}
            Role::Echo => {
                convert(frames, there_in, back_out, &mut peer.out);
                self.dirty.push(slot);
            }
        }
    }

    /// A peer said what it is. Nothing may follow before it has its answer.
    fn on_opening(&mut self, slot: usize, peer: &mut Peer, opening: &[u8]) {
        let [role, high, low, ..] = *opening else { return };
        let all = [Role::Caller, Role::Callee, Role::Publisher, Role::Subscriber, Role::Echo];
        let known = all.into_iter().find(|known| *known as u8 == role);
        let Some(role) = known.filter(|role| self.mode.has(*role)) else { return };
        peer.role = Some((role, u16::from_be_bytes([high, low])));
        let size = if role == Role::Callee { self.sizes.back_in } else { self.sizes.there_in };
        peer.cutter = Some(Cutter::new(size.max(1)));
        match role {
            Role::Callee => self.callees.push(slot),
            Role::Subscriber => self.subscribers.push(slot),
            Role::Caller | Role::Publisher | Role::Echo => {}
        }
        peer.out.extend_from_slice(&[0; OPENING_BYTES]);
        self.dirty.push(slot);
    }

    fn touch(&mut self, slot: usize) {
        if let Some(peer) = self.peers[slot].as_mut()
            && !peer.is_dirty
        {
            peer.is_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Gives every subscriber what was published this turn: right from where it lies, unless an
    /// earlier turn's rest waits.
    fn share(&mut self) {
        if self.shared.is_empty() {
            return;
        }
        for &slot in &self.subscribers {
            let Some(peer) = self.peers[slot].as_mut() else { continue };
            let mut written = 0;
            if peer.out.is_empty() {
                written = peer.socket.write(&self.shared).unwrap_or(0);
            }
            if written < self.shared.len() {
                peer.out.extend_from_slice(&self.shared[written..]);
                self.dirty.push(slot);
            }
        }
        self.shared.clear();
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        for slot in self.dirty.drain(..) {
            let Some(peer) = self.peers[slot].as_mut() else { continue };
            peer.is_dirty = false;
            if peer.is_blocked || peer.out.is_empty() {
                continue;
            }
            // A connection that is gone says so when it is read.
            peer.written += peer.socket.write(&peer.out[peer.written..]).unwrap_or(0);
            if peer.written == peer.out.len() {
                peer.out.clear();
                peer.written = 0;
                continue;
            }
            if peer.written > READ_BYTES_MAX {
                peer.out.drain(..peer.written);
                peer.written = 0;
            }
            peer.is_blocked = true;
            self.epoll.modify(&peer.socket, slot as u64, Interest::ReadWrite)?;
        }
        Ok(())
    }
}

/// The token of the listener; slots are small.
const LISTENER: u64 = u64::MAX;

/// Octets taken from one connection before the next has its turn.
const READ_BYTES_MAX: usize = 256 * 1024;

/// How often an idle relay looks whether it should stop, in nanoseconds.
const STOP_INTERVAL: u64 = 50_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_frames() {
        let stream: Vec<u8> = (0..100).collect();
        for cut in 1..=40 {
            let mut cutter = Cutter::new(7);
            let mut found = Vec::new();
            for part in stream.chunks(cut) {
                let taken: Result<(), ()> = cutter.cut(part, |frames, size| {
                    assert_eq!((size, frames.len() % 7), (7, 0));
                    found.extend_from_slice(frames);
                    Ok(())
                });
                taken.unwrap();
            }
            assert_eq!(found, stream[..98], "cut {cut}");
            assert_eq!(cutter.partial, stream[98..]);
        }
    }

    #[test]
    fn frames_change_size_and_keep_their_beginning() {
        let mut out = Vec::new();
        convert(b"abcdef", 3, 3, &mut out);
        convert(b"abcdef", 3, 2, &mut out);
        convert(b"abcdef", 3, 4, &mut out);
        assert_eq!(out, b"abcdefabdeabcxdefx");
    }

    #[test]
    fn answers_go_back_to_who_asked_in_order() {
        let mut questions = Questions::default();
        questions.ask(5, 2);
        questions.ask(5, 1);
        questions.ask(9, 4);
        questions.ask(5, 1);
        assert_eq!(questions.answer(2), Some((5, 2)));
        assert_eq!(questions.answer(10), Some((5, 1)));
        assert_eq!(questions.answer(3), Some((9, 3)));
        assert_eq!(questions.answer(1), Some((9, 1)));
        assert_eq!(questions.answer(2), Some((5, 1)));
        assert_eq!(questions.answer(1), None);
    }
}
