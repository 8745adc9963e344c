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
use crate::message::layout::Element;
use crate::message::{
    Attributes, ErrorDetails, EventDetails, InvocationDetails, Payload, PublicationId,
    RegistrationId, RequestId, ResultDetails, SessionId, SubscriptionId,
};
use crate::session::{SessionRef, ShardId};
use crate::wire::msgpack::{MsgPackReader, MsgPackWriter};
use crate::wire::{Reader, Serializer, Writer};

/// Something a broker or dealer tells its like on another shard (or on its own).
#[derive(Clone, Debug)]
pub(super) enum Relay<'a> {
    /// Deliver an event to the subscribers over there.
    Event(RelayedEvent<'a>),
    /// Invoke a callee over there.
    Invoke(RelayedInvoke<'a>),
    /// A callee over here yielded: tell the caller.
    Yielded {
        /// Whose call.
        caller: SessionRef,
        /// The caller's id of it.
        request: RequestId,
        /// RESULT.Details.
        details: ResultDetails<'a>,
        /// What it gave.
        payload: Payload<'a>,
    },
    /// A call failed: tell the caller.
    Failed {
        /// Whose call.
        caller: SessionRef,
        /// The caller's id of it.
        request: RequestId,
        /// ERROR.Details.
        details: ErrorDetails<'a>,
        /// Why.
        error: &'a str,
        /// What the callee says about it.
        payload: Payload<'a>,
    },
    /// The callee had left the registration before the INVOCATION went out.
    Bounced {
        /// Whose call.
        caller: SessionRef,
        /// The caller's id of it.
        request: RequestId,
        /// What was called.
        procedure: &'a str,
    },
    /// The caller waits no more, or wants the callee to stop.
    Cancel {
        /// Who was asked.
        callee: SessionRef,
        /// Who asked.
        caller: SessionId,
        /// The caller's id of the call.
        request: RequestId,
        /// How.
        mode: CancelMode,
    },
}

/// See [`Relay::Event`].
#[derive(Clone, Debug)]
pub(super) struct RelayedEvent<'a> {
    /// The matching subscriptions with subscribers over there.
    pub subscriptions: &'a [SubscriptionId],
    /// Its id.
    pub publication: PublicationId,
    /// Left out of the receivers, if given.
    pub excluded: Option<SessionId>,
    /// Who else may or may not receive it.
    pub filter: Option<Arc<Filter>>,
    /// Where it was published.
    pub topic: &'a str,
    /// EVENT.Details, but for the topic.
    pub details: EventDetails<'a>,
    /// What was published.
    pub payload: Payload<'a>,
}

/// See [`Relay::Invoke`].
#[derive(Clone, Debug)]
pub(super) struct RelayedInvoke<'a> {
    /// Whom to invoke.
    pub callee: SessionRef,
    /// By which registration.
    pub registration: RegistrationId,
    /// Who calls.
    pub caller: SessionRef,
    /// The caller's id of the call.
    pub request: RequestId,
    /// What is called.
    pub procedure: &'a str,
    /// INVOCATION.Details.
    pub details: InvocationDetails<'a>,
    /// What the caller passes.
    pub payload: Payload<'a>,
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

/// Relays for one shard, in order, with the bytes they refer to.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    bytes: Vec<u8>,
    subscriptions: Vec<SubscriptionId>,
}

/// Everything of one relay that has a fixed size; the rest are spans of the batch's bytes.
#[derive(Debug)]
struct Record {
    realm: u16,
    kind: Kind,
    /// Details in MessagePack; empty if none are set.
    details: Span,
    /// Topic, procedure or error.
    text: Span,
    arguments: Span,
    arguments_kw: Span,
    serializer: Serializer,
    transparent: bool,
}

#[derive(Debug)]
enum Kind {
    Event {
        subscriptions: Span,
        publication: PublicationId,
        excluded: Option<SessionId>,
        filter: Option<Arc<Filter>>,
    },
    Invoke {
        callee: SessionRef,
        registration: RegistrationId,
        caller: SessionRef,
        request: RequestId,
    },
    Yielded {
        caller: SessionRef,
        request: RequestId,
    },
    Failed {
        caller: SessionRef,
        request: RequestId,
    },
    Bounced {
        caller: SessionRef,
        request: RequestId,
    },
    Cancel {
        callee: SessionRef,
        caller: SessionId,
        request: RequestId,
        mode: CancelMode,
    },
}

/// A range of the batch's bytes. 4 GiB is far beyond what may wait for one shard.
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
        self.records
            .iter()
            .map(|record| (record.realm, self.relay(record)))
    }

    /// Appends a copy of `relay`.
    pub(super) fn push(&mut self, realm: u16, relay: &Relay<'_>) {
        let (kind, details) = self.keep_kind(relay);
        let (text, payload) = match relay {
            Relay::Event(event) => (event.topic, event.payload),
            Relay::Invoke(invoke) => (invoke.procedure, invoke.payload),
            Relay::Yielded { payload, .. } => ("", *payload),
            Relay::Failed { error, payload, .. } => (*error, *payload),
            Relay::Bounced { procedure, .. } => (*procedure, Payload::none(Serializer::Json)),
            Relay::Cancel { .. } => ("", Payload::none(Serializer::Json)),
        };
        let record = Record {
            realm,
            kind,
            details,
            text: self.keep(text.as_bytes()),
            arguments: self.keep(payload.arguments().unwrap_or_default()),
            arguments_kw: self.keep(payload.arguments_kw().unwrap_or_default()),
            serializer: payload.serializer(),
            transparent: payload.is_transparent(),
        };
        self.records.push(record);
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each relay")]
    fn keep_kind(&mut self, relay: &Relay<'_>) -> (Kind, Span) {
        match relay {
            Relay::Event(event) => {
                let start = self.subscriptions.len();
                self.subscriptions.extend_from_slice(event.subscriptions);
                let subscriptions = Span::new(start, self.subscriptions.len());
                let (publication, excluded) = (event.publication, event.excluded);
                let filter = event.filter.clone();
                let details = self.keep_details(&event.details, event.details.is_empty());
                (
                    Kind::Event {
                        subscriptions,
                        publication,
                        excluded,
                        filter,
                    },
                    details,
                )
            }
            Relay::Invoke(invoke) => {
                let RelayedInvoke {
                    callee,
                    registration,
                    caller,
                    request,
                    ..
                } = *invoke;
                let details = self.keep_details(&invoke.details, invoke.details.is_empty());
                (
                    Kind::Invoke {
                        callee,
                        registration,
                        caller,
                        request,
                    },
                    details,
                )
            }
            Relay::Yielded {
                caller,
                request,
                details,
                ..
            } => {
                let details = self.keep_details(details, details.is_empty());
                (
                    Kind::Yielded {
                        caller: *caller,
                        request: *request,
                    },
                    details,
                )
            }
            Relay::Failed {
                caller,
                request,
                details,
                ..
            } => {
                let details = self.keep_details(details, details.is_empty());
                (
                    Kind::Failed {
                        caller: *caller,
                        request: *request,
                    },
                    details,
                )
            }
            Relay::Bounced {
                caller, request, ..
            } => (
                Kind::Bounced {
                    caller: *caller,
                    request: *request,
                },
                Span::new(0, 0),
            ),
            Relay::Cancel {
                callee,
                caller,
                request,
                mode,
            } => {
                let (callee, caller, request, mode) = (*callee, *caller, *request, *mode);
                (
                    Kind::Cancel {
                        callee,
                        caller,
                        request,
                        mode,
                    },
                    Span::new(0, 0),
                )
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::new(start, self.bytes.len())
    }

    fn keep_details<'a>(&mut self, details: &impl Element<'a>, empty: bool) -> Span {
        let start = self.bytes.len();
        if !empty {
            details.write(&mut MsgPackWriter::open(&mut self.bytes));
        }
        Span::new(start, self.bytes.len())
    }

    fn relay<'a>(&'a self, record: &'a Record) -> Relay<'a> {
        let payload = Payload::from_elements(
            record.serializer,
            (self.at(record.arguments), self.at(record.arguments_kw)),
            record.transparent,
        );
        match &record.kind {
            Kind::Event {
                subscriptions,
                publication,
                excluded,
                filter,
            } => Relay::Event(RelayedEvent {
                subscriptions: &self.subscriptions[subscriptions.range()],
                publication: *publication,
                excluded: *excluded,
                filter: filter.clone(),
                topic: self.text(record),
                details: self.details(record),
                payload,
            }),
            Kind::Invoke {
                callee,
                registration,
                caller,
                request,
            } => Relay::Invoke(RelayedInvoke {
                callee: *callee,
                registration: *registration,
                caller: *caller,
                request: *request,
                procedure: self.text(record),
                details: self.details(record),
                payload,
            }),
            Kind::Yielded { caller, request } => {
                let details = self.details(record);
                Relay::Yielded {
                    caller: *caller,
                    request: *request,
                    details,
                    payload,
                }
            }
            Kind::Failed { caller, request } => Relay::Failed {
                caller: *caller,
                request: *request,
                details: self.details(record),
                error: self.text(record),
                payload,
            },
            Kind::Bounced { caller, request } => {
                let procedure = self.text(record);
                Relay::Bounced {
                    caller: *caller,
                    request: *request,
                    procedure,
                }
            }
            Kind::Cancel {
                callee,
                caller,
                request,
                mode,
            } => Relay::Cancel {
                callee: *callee,
                caller: *caller,
                request: *request,
                mode: *mode,
            },
        }
    }

    fn at(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    fn text(&self, record: &Record) -> &str {
        std::str::from_utf8(self.at(record.text)).expect("copied from a text")
    }

    fn details<'a, T: Element<'a> + Default>(&'a self, record: &Record) -> T {
        match self.at(record.details) {
            [] => T::default(),
            bytes => T::read(&mut MsgPackReader::open(bytes)).expect("written by the other shard"),
        }
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).expect("a batch is far below 4 GiB");
        Self {
            start: narrow(start),
            end: narrow(end),
        }
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
        Self {
            batches: (0..shards_count).map(|_| Batch::default()).collect(),
            cursor: 0,
        }
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
        self.batches
            .iter()
            .map(Batch::bytes_count)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.iter().all(Batch::is_empty)
    }
}
