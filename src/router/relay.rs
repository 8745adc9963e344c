//! What one shard says to another.
//!
//! A [`Relay`] borrows: the handler that makes one and the handler that takes one are the same
//! whether both sides live on one shard or on two. Only when it crosses over is it copied into a
//! [`Batch`], whose bytes then change their owner, not their place.
//!
//! Relays of one shard to another arrive in the order in which they were made; everything that
//! WAMP promises about order rests on that, so there is exactly one batch per pair and turn, for
//! every kind of relay.

use std::sync::Arc;

use super::filter::Filter;
use super::meta::Question;
use crate::message::layout::{Attributes, Element};
use crate::message::{
    ErrorDetails, EventDetails, InvocationDetails, Payload, PublicationId, RegistrationId,
    ResultDetails, SessionId,
};
use crate::session::{CallRef, SessionRef, ShardId};
use crate::wire::msgpack::{MsgPackReader, MsgPackWriter};
use crate::wire::{Reader, Serializer, Writer};

/// Something a realm's half on one shard tells the half on another (or itself).
#[derive(Clone, Debug)]
pub(super) struct Relay<'a> {
    /// What it is about; everything that is of a fixed size.
    pub(super) head: Head,
    /// Topic, procedure or error.
    pub(super) text: &'a str,
    /// The matching subscriptions of an event.
    pub(super) ids: &'a [u64],
    /// The Details that go to the peer.
    pub(super) details: Details<'a>,
    /// The payload that goes to the peer.
    pub(super) payload: Payload<'a>,
}

/// What a relay is about.
#[derive(Clone, Debug)]
pub(super) enum Head {
    /// Deliver an event to the subscribers over there.
    Event(EventHead),
    /// Invoke a callee over there. Text: the procedure.
    Invoke(InvokeHead),
    /// A callee over here yielded: tell the caller.
    Yielded(CallRef),
    /// A call failed: tell the caller. Text: the error.
    Failed(CallRef),
    /// The callee had left the registration before the INVOCATION went out. Text: the procedure.
    Bounced(CallRef),
    /// The caller waits no more, or wants the callee to stop.
    Cancel {
        /// Who was asked.
        callee: SessionRef,
        /// Who asked.
        call: CallRef,
        /// How.
        mode: CancelMode,
    },
    /// A question of the meta API. Ids: the session that asks.
    Ask {
        /// The number under which the answer is awaited.
        number: u64,
        /// What.
        question: Question,
        /// By whom.
        from: ShardId,
    },
    /// The answer to the question of that number. Ids: what was found. Text: an error, if any.
    Answer(u64),
    /// A registration was taken from a callee over there. Text: why.
    Revoke {
        /// From whom.
        callee: SessionRef,
        /// What.
        registration: RegistrationId,
    },
}

/// See [`Head::Event`].
#[derive(Clone, Debug)]
pub(super) struct EventHead {
    /// Its id.
    pub(super) publication: PublicationId,
    /// Who published.
    pub(super) publisher: SessionId,
    /// Whether the publisher is left out of the receivers.
    pub(super) exclude_publisher: bool,
    /// The shard on which it was published.
    pub(super) origin: ShardId,
    /// Its number among that shard's publications in its realm: 1, 2, 3 …
    pub(super) sequence: u64,
    /// Who else may or may not receive it.
    pub(super) filter: Option<Arc<Filter>>,
}

/// See [`Head::Invoke`].
#[derive(Clone, Copy, Debug)]
pub(super) struct InvokeHead {
    /// Whom to invoke.
    pub(super) callee: SessionRef,
    /// By which registration.
    pub(super) registration: RegistrationId,
    /// For whom.
    pub(super) call: CallRef,
    /// The caller can take payload passthru.
    pub(super) takes_passthru: bool,
    /// Another part of an invocation that is already under way.
    pub(super) continues: bool,
}

/// What becomes of an invocation whose caller gave up.
// spec: advanced/rpc_call_canceling
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CancelMode {
    /// Forget it; let the callee work on.
    Skip,
    /// Interrupt the callee and await its answer.
    Kill,
    /// Interrupt the callee and forget it.
    KillNoWait,
}

/// The Details of the message that a relay becomes.
#[derive(Clone, Debug)]
pub(super) enum Details<'a> {
    None,
    Event(EventDetails<'a>),
    Invocation(InvocationDetails<'a>),
    Result(ResultDetails<'a>),
    Error(ErrorDetails<'a>),
}

impl Relay<'_> {
    /// A relay that is all said by its head.
    pub(super) const fn of(head: Head) -> Self {
        let payload = Payload::none(Serializer::Json);
        Self { head, text: "", ids: &[], details: Details::None, payload }
    }
}

/// Relays for one shard, in order, with the bytes they refer to.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    bytes: Vec<u8>,
    ids: Vec<u64>,
}

/// A relay whose borrowed parts are spans of its batch.
#[derive(Debug)]
struct Record {
    realm: u16,
    head: Head,
    text: Span,
    ids: Span,
    details: Span,
    arguments: Span,
    arguments_kw: Span,
    serializer: Serializer,
    transparent: bool,
    details_kind: u8,
}

/// A range of the batch's bytes or ids. 4 GiB is far beyond what may wait for one shard.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Batch {
    /// How many relays it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Roughly the memory it holds, in octets.
    #[must_use]
    pub const fn bytes_count(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Record>()
    }

    /// The relays in order, each with the index of its realm.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, Relay<'_>)> {
        self.records.iter().map(|record| (record.realm, self.relay(record)))
    }

    /// Appends a copy of `relay`.
    pub(super) fn push(&mut self, realm: u16, relay: &Relay<'_>) {
        let ids = self.ids.len();
        self.ids.extend_from_slice(relay.ids);
        let (details_kind, details) = self.keep_details(&relay.details);
        let record = Record {
            realm,
            head: relay.head.clone(),
            text: self.keep(relay.text.as_bytes()),
            ids: Span::new(ids, self.ids.len()),
            details,
            arguments: self.keep(relay.payload.arguments().unwrap_or_default()),
            arguments_kw: self.keep(relay.payload.arguments_kw().unwrap_or_default()),
            serializer: relay.payload.serializer(),
            transparent: relay.payload.is_transparent(),
            details_kind,
        };
        self.records.push(record);
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::new(start, self.bytes.len())
    }

    /// Keeps Details as MessagePack; as nothing if none are set.
    fn keep_details(&mut self, details: &Details<'_>) -> (u8, Span) {
        match details {
            Details::None => (0, Span::new(0, 0)),
            Details::Event(details) => (1, self.keep_attributes(details)),
            Details::Invocation(details) => (2, self.keep_attributes(details)),
            Details::Result(details) => (3, self.keep_attributes(details)),
            Details::Error(details) => (4, self.keep_attributes(details)),
        }
    }

    fn keep_attributes<'a>(&mut self, attributes: &impl Attributes<'a>) -> Span {
        let start = self.bytes.len();
        if !attributes.is_empty() {
            attributes.write(&mut MsgPackWriter::open(&mut self.bytes));
        }
        Span::new(start, self.bytes.len())
    }

    fn relay<'a>(&'a self, record: &'a Record) -> Relay<'a> {
        let text = std::str::from_utf8(self.at(record.text)).expect("copied from a text");
        let elements = (self.at(record.arguments), self.at(record.arguments_kw));
        Relay {
            head: record.head.clone(),
            text,
            ids: &self.ids[record.ids.range()],
            details: match record.details_kind {
                1 => Details::Event(self.attributes(record)),
                2 => Details::Invocation(self.attributes(record)),
                3 => Details::Result(self.attributes(record)),
                4 => Details::Error(self.attributes(record)),
                _ => Details::None,
            },
            payload: Payload::from_elements(record.serializer, elements, record.transparent),
        }
    }

    fn at(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    fn attributes<'a, T: Attributes<'a>>(&'a self, record: &Record) -> T {
        match self.at(record.details) {
            [] => T::default(),
            bytes => T::read(&mut MsgPackReader::open(bytes)).expect("written by the other shard"),
        }
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).expect("a batch is far below 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The batches of one shard for all others.
#[derive(Debug)]
pub(super) struct Relays {
    batches: Vec<Batch>,
    /// The next shard to be announced in this drain.
    cursor: usize,
}

impl Relays {
    pub(super) fn new(shards_count: u16) -> Self {
        Self { batches: (0..shards_count).map(|_| Batch::default()).collect(), cursor: 0 }
    }

    pub(super) fn push(&mut self, to: ShardId, realm: u16, relay: &Relay<'_>) {
        self.batches[usize::from(to.0)].push(realm, relay);
    }

    /// The next shard for which something waits; after `None` they are all told again.
    pub(super) fn poll(&mut self) -> Option<ShardId> {
        while let Some(batch) = self.batches.get(self.cursor) {
            let shard = ShardId(u16::try_from(self.cursor).expect("shards are few"));
            self.cursor += 1;
            if !batch.is_empty() {
                return Some(shard);
            }
        }
        self.cursor = 0;
        None
    }

    pub(super) fn take(&mut self, to: ShardId) -> Batch {
        std::mem::take(&mut self.batches[usize::from(to.0)])
    }

    /// The most that waits for any one shard, in octets.
    pub(super) fn bytes_count_max(&self) -> usize {
        self.batches.iter().map(Batch::bytes_count).max().unwrap_or(0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.iter().all(Batch::is_empty)
    }
}
