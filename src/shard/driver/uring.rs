//! The driver on a ring of its own: the kernel reads ahead, as long as somebody wants to.
//!
//! Each connection has one *multishot* receive in the ring, which takes a buffer of the common
//! ring for whatever arrives and goes on until it is cancelled or buffers run out. What it
//! brought waits in the connection's queue for its turn; a queue that grows too long, or a pause,
//! cancels the receive, and TCP tells the peer to slow down.
//!
//! The ring completes its work only when we enter the kernel (`DEFER_TASKRUN`), so waiting is
//! entering until something is complete. The shard's bell is polled by the ring like any socket:
//! one call of the kernel both submits what waits and sleeps.
//!
//! A slot is freed when the last operation on its socket has ended, so a completion never meets
//! a stranger; its generation, carried along, is there to prove it.

#![expect(
    unsafe_code,
    reason = "the kernel gets what it must not outlive; every block says why it does not"
)]

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use super::buffers::{Buffers, GROUP};
use super::{Driver, Event, Received};
use crate::shard::mesh::Gate;

/// Submissions that fit before the kernel is entered.
const SUBMISSIONS: u32 = 1_024;

/// Completions that fit before the kernel keeps them in lists.
const COMPLETIONS: u32 = 4_096;

/// Buffers that one connection may have waiting before the kernel is told to stop reading ahead.
const QUEUED_MAX: usize = 16;

const ENTER_GET_EVENTS: u32 = 1; // IORING_ENTER_GETEVENTS

/// What a completion is about; the first octet of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Receive = 1,
    Room = 2,
    Cancel = 3,
    Bell = 4,
}

/// Bits of a slot's generation that travel with its operations.
const GENERATION_MASK: u64 = 0xFF_FFFF;

/// What an operation is known by: kind, generation, slot.
const fn user_data(kind: Kind, slot: u32, generation: u32) -> u64 {
    ((kind as u64) << 56) | ((generation as u64 & GENERATION_MASK) << 32) | slot as u64
}

/// One operation of a kind on one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Operation {
    #[default]
    None,
    InFlight,
    Cancelled,
}

/// Bytes that were read ahead.
#[derive(Debug)]
enum Chunk {
    /// In a buffer of the ring.
    Handed { buffer: u16, count: usize },
    /// Copied, because their connection is paused and others need the buffer.
    Kept(Vec<u8>),
}

/// What is known of one socket.
#[derive(Debug, Default)]
struct Slot {
    socket: RawFd,
    generation: u32,
    receive: Operation,
    room: Operation,
    queue: VecDeque<Chunk>,
    is_open: bool,
    is_wanted: bool,
    /// The end comes behind the queue.
    is_ended: bool,
    /// It waits until buffers are free.
    is_starved: bool,
}

/// A completion, copied out of the ring.
#[derive(Clone, Copy, Debug)]
struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

/// See the module.
pub(in crate::shard) struct Uring {
    /// Dropped before the buffers.
    ring: IoUring,
    buffers: ManuallyDrop<Buffers>,
    slots: Vec<Slot>,
    /// Slots whose receive ended because there was no buffer.
    starved: VecDeque<u32>,
    /// Operations that found no room in the submission queue.
    overflow: VecDeque<squeue::Entry>,
    completions: Vec<Completion>,
    /// What happened without a completion, or while one was looked at.
    events: Vec<Event>,
    /// The bytes that [`Driver::receive`] gave last.
    given: Option<Chunk>,
    /// Operations on sockets that have not ended.
    in_flight_count: usize,
    gates: Arc<[Gate]>,
    shard: usize,
    /// The ring looks at the bell.
    is_listening: bool,
}

impl Uring {
    /// The driver of the shard with the number `shard`. Call it on the thread that will use it: no
    /// other may.
    pub(in crate::shard) fn new(gates: Arc<[Gate]>, shard: usize) -> io::Result<Self> {
        let ring = build_ring()?;
        // SAFETY: `Drop` keeps the promise.
        let buffers = unsafe { Buffers::register(&ring)? };
        Ok(Self {
            ring,
            buffers: ManuallyDrop::new(buffers),
            slots: Vec::new(),
            starved: VecDeque::new(),
            overflow: VecDeque::new(),
            completions: Vec::new(),
            events: Vec::new(),
            given: None,
            in_flight_count: 0,
            gates,
            shard,
            is_listening: false,
        })
    }

    /// Whether the kernel has everything this driver needs. Fails with the error of what it has
    /// not, or may not be used.
    pub(in crate::shard) fn probe() -> io::Result<()> {
        let ring = build_ring()?;
        // SAFETY: no operation is ever submitted.
        drop(unsafe { Buffers::register(&ring)? });
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::RecvMulti::CODE, opcode::PollAdd::CODE, opcode::AsyncCancel2::CODE];
        if ring.params().is_feature_ext_arg() && needed.iter().all(|&code| probe.is_supported(code))
        {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    /// Submits what waits, lets the kernel do the work it has put off, and notes what all that
    /// completed.
    fn enter(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.overflow.front() {
            // SAFETY: nothing an entry refers to may go before its operation has ended: sockets
            // stay open until `Freed`, the bell as long as `self.gates`, and buffers until `Drop`.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.overflow.pop_front();
        }
        queue.sync();
        let count = u32::try_from(queue.len()).expect("the queue has 1,024 places");
        drop(queue);
        // SAFETY: no argument is passed along.
        check(unsafe {
            self.ring.submitter().enter::<libc::sigset_t>(count, 0, ENTER_GET_EVENTS, None)
        });
        self.reap();
    }

    fn reap(&mut self) {
        let completions = self.ring.completion().map(|entry| Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        });
        self.completions.extend(completions);
        for index in 0..self.completions.len() {
            self.note(self.completions[index]);
        }
        self.completions.clear();
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: see `enter`.
        let is_full =
            !self.overflow.is_empty() || unsafe { self.ring.submission().push(&entry) }.is_err();
        if is_full {
            self.overflow.push_back(entry);
        }
    }

    fn note(&mut self, completion: Completion) {
        let kind = completion.user_data >> 56;
        if kind == Kind::Receive as u64 {
            self.note_received(completion);
        } else if kind == Kind::Room as u64 {
            let slot = self.slot_of(completion.user_data);
            self.slots[slot as usize].room = Operation::None;
            self.in_flight_count -= 1;
            if self.slots[slot as usize].is_open {
                self.events.push(Event::Writable(slot));
            }
            self.settle(slot);
        } else if kind == Kind::Bell as u64 {
            self.is_listening = cqueue::more(completion.flags);
            self.gates[self.shard].bell().clear();
        }
    }

    fn note_received(&mut self, completion: Completion) {
        let slot_number = self.slot_of(completion.user_data);
        let slot = &mut self.slots[slot_number as usize];
        if !cqueue::more(completion.flags) {
            slot.receive = Operation::None;
            self.in_flight_count -= 1;
        }
        if let Some(buffer) = cqueue::buffer_select(completion.flags) {
            self.buffers.note_handed(buffer);
            let count = usize::try_from(completion.result).unwrap_or(0);
            if slot.is_open && slot.is_wanted && count > 0 {
                slot.queue.push_back(Chunk::Handed { buffer, count });
            } else {
                if slot.is_open && count > 0 {
                    let bytes = self.buffers.bytes(buffer, count).to_vec();
                    slot.queue.push_back(Chunk::Kept(bytes));
                }
                self.buffers.give_back(buffer);
            }
        }
        match completion.result {
            1.. => self.events.push(Event::Readable(slot_number)),
            code if code == -libc::ENOBUFS => {
                if slot.is_open && !slot.is_starved {
                    slot.is_starved = true;
                    self.starved.push_back(slot_number);
                }
            }
            code if [-libc::ECANCELED, -libc::EINTR, -libc::EAGAIN].contains(&code) => {}
            _ => {
                slot.is_ended = true;
                self.events.push(Event::Readable(slot_number));
            }
        }
        self.settle(slot_number);
    }

    /// Brings the operations of a slot in line with what is wanted of it.
    fn settle(&mut self, slot_number: u32) {
        let slot = &mut self.slots[slot_number as usize];
        if !slot.is_open {
            if slot.receive == Operation::None && slot.room == Operation::None {
                self.events.push(Event::Freed(slot_number));
            }
            return;
        }
        let reads_on = slot.is_wanted && !slot.is_ended;
        match slot.receive {
            Operation::None => {
                if reads_on && !slot.is_starved && slot.queue.len() <= QUEUED_MAX / 2 {
                    slot.receive = Operation::InFlight;
                    self.in_flight_count += 1;
                    let data = user_data(Kind::Receive, slot_number, slot.generation);
                    let entry = opcode::RecvMulti::new(Fd(slot.socket), GROUP).build();
                    self.push(entry.user_data(data));
                }
            }
            Operation::InFlight => {
                if !reads_on || slot.queue.len() >= QUEUED_MAX {
                    slot.receive = Operation::Cancelled;
                    let data = user_data(Kind::Receive, slot_number, slot.generation);
                    self.cancel(data);
                }
            }
            Operation::Cancelled => {}
        }
    }

    fn cancel(&mut self, data: u64) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(data)).build();
        self.push(entry.user_data(user_data(Kind::Cancel, 0, 0)));
    }

    fn slot_of(&self, data: u64) -> u32 {
        let slot = u32::try_from(data & u64::from(u32::MAX)).expect("it was masked");
        let generation = u64::from(self.slots[slot as usize].generation) & GENERATION_MASK;
        assert_eq!(
            generation,
            (data >> 32) & GENERATION_MASK,
            "a slot is freed after its last operation"
        );
        slot
    }

    fn give_back(&mut self) {
        if let Some(Chunk::Handed { buffer, .. }) = self.given.take() {
            self.buffers.give_back(buffer);
        }
    }

    /// Lets as many starved connections read as there are buffers.
    fn feed(&mut self) {
        for _ in 0..self.starved.len().min(usize::from(self.buffers.free_count())) {
            let Some(slot) = self.starved.pop_front() else {
                return;
            };
            // It may have been freed and used again since: then it is not starved.
            if std::mem::take(&mut self.slots[slot as usize].is_starved) {
                self.settle(slot);
            }
        }
    }
}

impl Driver for Uring {
    fn open(&mut self, slot_number: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.slots.len() <= slot_number as usize {
            self.slots.resize_with(slot_number as usize + 1, Slot::default);
        }
        let slot = &mut self.slots[slot_number as usize];
        assert!(
            slot.receive == Operation::None && slot.room == Operation::None,
            "a slot is used again after it was freed"
        );
        *slot = Slot {
            socket: socket.as_raw_fd(),
            generation: slot.generation.wrapping_add(1),
            is_open: true,
            is_wanted: true,
            ..Slot::default()
        };
        self.settle(slot_number);
        Ok(())
    }

    fn want_read(&mut self, slot_number: u32, wanted: bool) {
        let slot = &mut self.slots[slot_number as usize];
        slot.is_wanted = wanted;
        if !wanted {
            for chunk in &mut slot.queue {
                if let Chunk::Handed { buffer, count } = *chunk {
                    *chunk = Chunk::Kept(self.buffers.bytes(buffer, count).to_vec());
                    self.buffers.give_back(buffer);
                }
            }
        }
        self.settle(slot_number);
    }

    fn want_write(&mut self, slot_number: u32) -> io::Result<()> {
        let slot = &mut self.slots[slot_number as usize];
        if slot.room == Operation::None {
            slot.room = Operation::InFlight;
            self.in_flight_count += 1;
            let data = user_data(Kind::Room, slot_number, slot.generation);
            let flags = libc::POLLOUT.cast_unsigned();
            let entry = opcode::PollAdd::new(Fd(slot.socket), u32::from(flags)).build();
            self.push(entry.user_data(data));
        }
        Ok(())
    }

    fn receive(&mut self, slot_number: u32) -> Received<'_> {
        self.give_back();
        let slot = &mut self.slots[slot_number as usize];
        let Some(chunk) = slot.queue.pop_front() else {
            return if slot.is_ended { Received::End } else { Received::Nothing };
        };
        let more = !slot.queue.is_empty() || slot.is_ended;
        self.settle(slot_number);
        let bytes = match self.given.insert(chunk) {
            Chunk::Handed { buffer, count } => self.buffers.bytes(*buffer, *count),
            Chunk::Kept(bytes) => bytes,
        };
        Received::Bytes { bytes, more }
    }

    fn close(&mut self, slot_number: u32) {
        let slot = &mut self.slots[slot_number as usize];
        slot.is_open = false;
        slot.is_starved = false;
        for chunk in std::mem::take(&mut slot.queue) {
            if let Chunk::Handed { buffer, .. } = chunk {
                self.buffers.give_back(buffer);
            }
        }
        let generation = slot.generation;
        let (receive, room) = (slot.receive, slot.room);
        if receive == Operation::InFlight {
            slot.receive = Operation::Cancelled;
        }
        if room == Operation::InFlight {
            slot.room = Operation::Cancelled;
        }
        if receive == Operation::InFlight {
            self.cancel(user_data(Kind::Receive, slot_number, generation));
        }
        if room == Operation::InFlight {
            self.cancel(user_data(Kind::Room, slot_number, generation));
        }
        self.settle(slot_number);
    }

    fn poll(&mut self, events: &mut Vec<Event>) {
        self.give_back();
        self.feed();
        // Looking into shared memory is enough to see that there is nothing to enter for.
        let mut queue = self.ring.submission();
        queue.sync();
        let must_enter = !queue.is_empty() || queue.taskrun() || queue.cq_overflow();
        drop(queue);
        if must_enter || !self.overflow.is_empty() {
            self.enter();
        } else {
            self.reap();
        }
        events.append(&mut self.events);
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        // Whatever else there is, the kernel sees when it is entered.
        let is_fed = self.starved.is_empty() || self.buffers.free_count() == 0;
        if !self.events.is_empty() || !self.overflow.is_empty() || !is_fed {
            return;
        }
        if !self.is_listening {
            self.is_listening = true;
            let bell = Fd(self.gates[self.shard].bell().as_fd().as_raw_fd());
            let flags = u32::from(libc::POLLIN.cast_unsigned());
            let entry = opcode::PollAdd::new(bell, flags).multi(true).build();
            self.push(entry.user_data(user_data(Kind::Bell, 0, 0)));
            if !self.overflow.is_empty() {
                return;
            }
        }
        let timeout = timeout.map(Timespec::from);
        let arguments = timeout.iter().fold(SubmitArgs::new(), SubmitArgs::timespec);
        check(self.ring.submitter().submit_with_args(1, &arguments));
        self.reap();
    }
}

/// Panics unless the ring was entered, or may be later.
fn check(entered: io::Result<usize>) {
    if let Err(error) = entered {
        let passing = [libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ETIME];
        let code = error.raw_os_error().unwrap_or(0);
        assert!(passing.contains(&code), "a ring of our own can be entered: {error}");
    }
}

fn build_ring() -> io::Result<IoUring> {
    IoUring::builder()
        .dontfork()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)
}

impl Drop for Uring {
    fn drop(&mut self) {
        // SAFETY: nobody sees them afterwards.
        let buffers = unsafe { ManuallyDrop::take(&mut self.buffers) };
        // A shard that ends in order has no connection left. One that does not must not free what
        // the kernel could still write to; the process ends soon.
        let _ = self.ring.submitter().unregister_buf_ring(GROUP);
        if self.in_flight_count == 0 {
            drop(buffers);
        } else {
            buffers.leak();
        }
    }
}
