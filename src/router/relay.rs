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

use super::authentication::{Pair, Remembered};
use super::filter::Filter;
use super::longpoll::{PollReply, PollRequest};
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
    /// Nobody waits for the answer to that question any more.
    Withdraw {
        /// Its number.
        number: u64,
        /// The shard that asked.
        from: ShardId,
    },
    /// A registration was taken from a callee over there. Text: why.
    Revoke {
        /// From whom.
        callee: SessionRef,
        /// What.
        registration: RegistrationId,
    },
    /// An HTTP client over here asks something of a transport over there; of no realm. The
    /// payload's Arguments are the body, which is no element.
    Poll(PollRequest),
    /// The answer to that, in the same form.
    Polled(PollReply),
    /// Somebody failed to prove who it is; of no realm.
    Suspect(Pair),
    /// Whom a cookie stands for; of no realm.
    Remember(Arc<Remembered>),
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
    /// Octets that heads refer to.
    beside: usize,
}

/// A relay whose borrowed parts lie in its batch: one behind the other, in the order in which
/// their lengths stand here, and behind those of the record before. So a batch has no size beyond
/// which it could not name its parts.
#[derive(Debug)]
struct Record {
    realm: u16,
    head: Head,
    ids: u32,
    details: u32,
    text: u32,
    arguments: u32,
    arguments_kw: u32,
    serializer: Serializer,
    transparent: bool,
    details_kind: u8,
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
        let (records, ids) = (self.records.len(), self.ids.len());
        self.bytes.len() + records * size_of::<Record>() + ids * size_of::<u64>() + self.beside
    }

    /// The relays in order, each with the index of its realm.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, Relay<'_>)> {
        let (mut bytes, mut ids) = (&*self.bytes, &*self.ids);
        self.records
            .iter()
            .map(move |record| (record.realm, Self::relay(record, &mut bytes, &mut ids)))
    }

    /// Appends a copy of `relay`.
    pub(super) fn push(&mut self, realm: u16, relay: &Relay<'_>) {
        if let Head::Event(EventHead { filter: Some(filter), .. }) = &relay.head {
            self.beside += filter.bytes_count();
        }
        self.ids.extend_from_slice(relay.ids);
        let (details_kind, details) = self.keep_details(&relay.details);
        let record = Record {
            realm,
            head: relay.head.clone(),
            ids: length(relay.ids),
            details,
            text: self.keep(relay.text.as_bytes()),
            arguments: self.keep(relay.payload.arguments().unwrap_or_default()),
            arguments_kw: self.keep(relay.payload.arguments_kw().unwrap_or_default()),
            serializer: relay.payload.serializer(),
            transparent: relay.payload.is_transparent(),
            details_kind,
        };
        self.records.push(record);
    }

    fn keep(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.extend_from_slice(bytes);
        length(bytes)
    }

    /// Keeps Details as MessagePack; as nothing if none are set.
    fn keep_details(&mut self, details: &Details<'_>) -> (u8, u32) {
        match details {
            Details::None => (0, 0),
            Details::Event(details) => (1, self.keep_attributes(details)),
            Details::Invocation(details) => (2, self.keep_attributes(details)),
            Details::Result(details) => (3, self.keep_attributes(details)),
            Details::Error(details) => (4, self.keep_attributes(details)),
        }
    }

    fn keep_attributes<'a>(&mut self, attributes: &impl Attributes<'a>) -> u32 {
        let start = self.bytes.len();
        if !attributes.is_empty() {
            attributes.write(&mut MsgPackWriter::open(&mut self.bytes));
        }
        length(&self.bytes[start..])
    }

    /// The relay of `record`, whose parts lie at the front of `bytes` and `ids`.
    fn relay<'a>(record: &Record, bytes: &mut &'a [u8], ids: &mut &'a [u64]) -> Relay<'a> {
        let ids = take(ids, record.ids);
        let details = take(bytes, record.details);
        let text = std::str::from_utf8(take(bytes, record.text)).expect("copied from a text");
        let elements = (take(bytes, record.arguments), take(bytes, record.arguments_kw));
        Relay {
            head: record.head.clone(),
            text,
            ids,
            details: match record.details_kind {
                1 => Details::Event(attributes(details)),
                2 => Details::Invocation(attributes(details)),
                3 => Details::Result(attributes(details)),
                4 => Details::Error(attributes(details)),
                _ => Details::None,
            },
            payload: Payload::from_elements(record.serializer, elements, record.transparent),
        }
    }
}

fn attributes<'a, T: Attributes<'a>>(bytes: &'a [u8]) -> T {
    match bytes {
        [] => T::default(),
        bytes => T::read(&mut MsgPackReader::open(bytes)).expect("written by the other shard"),
    }
}

/// The length of a part of one relay, which is at most as long as a message.
fn length<T>(part: &[T]) -> u32 {
    u32::try_from(part.len()).expect("a message is far below 4 GiB")
}

/// Takes the first `count` items off `rest`.
fn take<'a, T>(rest: &mut &'a [T], count: u32) -> &'a [T] {
    let (taken, left) = rest.split_at(count as usize);
    *rest = left;
    taken
}

/// The batches of one shard for all others.
#[derive(Debug)]
pub(super) struct Relays {
    batches: Vec<Batch>,
    /// Memory of batches that others have sent, for the next ones: where calls go, answers come
    /// from.
    spares: Vec<Batch>,
    /// The next shard to be announced in this drain.
    cursor: usize,
}

impl Relays {
    pub(super) fn new(shards_count: u16) -> Self {
        let batches = (0..shards_count).map(|_| Batch::default()).collect();
        Self { batches, spares: Vec::new(), cursor: 0 }
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
        let next = self.spares.pop().unwrap_or_default();
        std::mem::replace(&mut self.batches[usize::from(to.0)], next)
    }

    /// Keeps the memory of a batch that has been read.
    pub(super) fn keep(&mut self, mut batch: Batch) {
        let memory = batch.bytes.capacity()
            + batch.records.capacity() * size_of::<Record>()
            + batch.ids.capacity() * size_of::<u64>();
        if self.spares.len() < SPARES_MAX && memory <= SPARE_BYTES_MAX {
            batch.records.clear();
            batch.bytes.clear();
            batch.ids.clear();
            batch.beside = 0;
            self.spares.push(batch);
        }
    }

    /// The most that waits for any one shard, in octets.
    pub(super) fn bytes_count_max(&self) -> usize {
        self.batches.iter().map(Batch::bytes_count).max().unwrap_or(0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.iter().all(Batch::is_empty)
    }
}

/// Batches whose memory is kept.
const SPARES_MAX: usize = 8;

/// Octets that such a batch takes at most.
const SPARE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Receivers, RequestId, Text};

    fn session(id: u64) -> SessionRef {
        SessionRef { id: SessionId(id), slot: 7, shard: ShardId(3) }
    }

    #[test]
    fn everything_that_a_batch_holds_is_counted() {
        let receivers = Receivers {
            exclude: Some(vec![SessionId(1); 1_000]),
            eligible_authid: Some(vec!["somebody".into(); 1_000]),
            ..Receivers::default()
        };
        let event = EventHead {
            publication: PublicationId(5),
            publisher: SessionId(6),
            exclude_publisher: true,
            origin: ShardId(1),
            sequence: 7,
            filter: Some(Arc::new(Filter::new(&receivers))),
        };
        let mut batch = Batch::default();
        batch.push(0, &Relay { ids: &[7; 1_000], ..Relay::of(Head::Event(event)) });
        assert!(batch.bytes_count() > 1_000 * (8 + 16 + 8 + 8), "{}", batch.bytes_count());
    }

    #[test]
    fn relays_come_out_as_they_went_in() {
        let call = CallRef { caller: session(1), request: RequestId(2), serial: 3 };
        let event = EventHead {
            publication: PublicationId(5),
            publisher: SessionId(6),
            exclude_publisher: true,
            origin: ShardId(1),
            sequence: 7,
            filter: None,
        };
        let topic = Some(Text::Borrowed("com.a"));
        let relays = [
            Relay {
                head: Head::Event(event),
                text: "com.a",
                ids: &[8, 9, 10],
                details: Details::Event(EventDetails { topic, ..EventDetails::default() }),
                payload: Payload::from_elements(Serializer::Json, (b"[1]", b"{\"k\":2}"), false),
            },
            Relay::of(Head::Bounced(call)),
            Relay {
                text: "some.error",
                details: Details::Error(ErrorDetails::default()),
                payload: Payload::from_elements(Serializer::MessagePack, (b"\x91\x07", b""), false),
                ..Relay::of(Head::Failed(call))
            },
            Relay { ids: &[11], ..Relay::of(Head::Yielded(call)) },
        ];
        let mut batch = Batch::default();
        for (realm, relay) in (0..).zip(&relays) {
            batch.push(realm, relay);
        }
        assert_eq!(batch.len(), relays.len());
        // Nothing of what a batch has held is left in the next one that gets its memory.
        let mut kept = Relays::new(1);
        kept.keep(batch);
        kept.take(ShardId(0));
        batch = kept.take(ShardId(0));
        assert!(batch.is_empty() && batch.bytes_count() == 0 && batch.bytes.capacity() > 0);
        for (realm, relay) in (0..).zip(&relays) {
            batch.push(realm, relay);
        }
        for ((realm, relay), (number, original)) in batch.iter().zip((0..).zip(&relays)) {
            assert_eq!(realm, number);
            assert_eq!(format!("{relay:?}"), format!("{original:?}"));
        }
    }
}
