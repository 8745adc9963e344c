//! Events as `wamp.subscription.get_events` gives them, in the reader's serializer.

use super::ring::Kept;
use crate::env::rfc3339;
use crate::limits::RESULT_HEAD_BYTES_MAX;
use crate::message::layout::Element;
use crate::message::{EventDetails, MatchPolicy, Payload, SubscriptionId};
use crate::wire::cbor::CborWriter;
use crate::wire::json::JsonWriter;
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::ubjson::UbjsonWriter;
use crate::wire::{Serializer, Writer};

/// What is to be read, and how it is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Reading {
    /// Whose history.
    pub(in super::super) subscription: SubscriptionId,
    /// In which serializer.
    pub(in super::super) serializer: Serializer,
    /// Octets of an answer with more than one event.
    pub(in super::super) page_bytes_max: usize,
    /// Octets of a single event: beyond that its reader cannot take it.
    pub(in super::super) event_bytes_max: usize,
}

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Draft {
    reading: Reading,
    policy: MatchPolicy,
    limit: usize,
    /// Events one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// There are more events than were asked for or than fit.
    more: bool,
    undeliverable_count: u64,
}

impl Draft {
    /// An empty one, for at most `limit` events of a subscription of that policy.
    pub(super) const fn new(reading: Reading, policy: MatchPolicy, limit: usize) -> Self {
        Self {
            reading,
            policy,
            limit,
            bytes: Vec::new(),
            ends: Vec::new(),
            more: false,
            undeliverable_count: 0,
        }
    }

    /// Adds an event, if it is one that the reader can take. Says whether another may be added:
    /// none, once one was left out because of the limit or for want of room. The first always has
    /// room.
    pub(super) fn add(&mut self, kept: &Kept) -> bool {
        self.more = self.ends.len() >= self.limit;
        if self.more {
            return false;
        }
        let start = self.bytes.len();
        let written = write_event(kept, self.policy, self.reading, &mut self.bytes);
        if !written || self.bytes.len() - start > self.reading.event_bytes_max {
            self.bytes.truncate(start);
            self.undeliverable_count += 1;
            return true;
        }
        // One octet more for the comma between two.
        let long = self.bytes.len() + self.ends.len() > self.reading.page_bytes_max;
        self.more = long && !self.ends.is_empty();
        if self.more {
            self.bytes.truncate(start);
            return false;
        }
        self.ends.push(self.bytes.len());
        true
    }

    /// What there is of it is the answer.
    pub(super) fn finish(&self) -> Answer {
        let serializer = self.reading.serializer;
        let list = List { bytes: &self.bytes, ends: &self.ends };
        let mut arguments = Vec::with_capacity(self.bytes.len() + RESULT_HEAD_BYTES_MAX);
        let mut arguments_kw = Vec::new();
        list.append(serializer, &mut arguments);
        if self.more {
            More.append(serializer, &mut arguments_kw);
        }
        let undeliverable_count = self.undeliverable_count;
        Answer { serializer, arguments, arguments_kw, undeliverable_count }
    }
}

/// Arguments and ArgumentsKw of the RESULT.
#[derive(Debug)]
pub(in super::super) struct Answer {
    serializer: Serializer,
    arguments: Vec<u8>,
    arguments_kw: Vec<u8>,
    /// Events that have no form in the serializer, or are too long for the reader.
    pub(in super::super) undeliverable_count: u64,
}

impl Answer {
    /// As the payload of the RESULT.
    pub(in super::super) fn payload(&self) -> Payload<'_> {
        Payload::from_elements(self.serializer, (&self.arguments, &self.arguments_kw), false)
    }
}

/// Appends one event. Says whether it has a form in the serializer; if not, nothing is appended.
fn write_event(kept: &Kept, policy: MatchPolicy, reading: Reading, out: &mut Vec<u8>) -> bool {
    let mut transcoded = Vec::new();
    let payload = kept.event.payload().to(reading.serializer, &mut transcoded);
    let Ok(payload) = payload else { return false };
    let mut details = kept.event.details();
    // spec: advanced/pubsub_pattern_based_subscription — as they were delivered
    details.topic = (policy != MatchPolicy::Exact).then(|| (*kept.topic).into());
    let told = Told { kept, details, payload, subscription: reading.subscription };
    told.append(reading.serializer, out);
    true
}

/// What is written alike in every serializer.
trait Part {
    fn write<'o>(&self, writer: &mut impl Writer<'o>);

    /// Appends it to `out` in `serializer`.
    fn append(&self, serializer: Serializer, out: &mut Vec<u8>) {
        match serializer {
            Serializer::Json => self.write(&mut JsonWriter::open(out)),
            Serializer::MessagePack => self.write(&mut MsgPackWriter::open(out)),
            Serializer::Cbor => self.write(&mut CborWriter::open(out)),
            Serializer::Ubjson => self.write(&mut UbjsonWriter::open(out)),
        }
    }
}

/// One event as it is told.
struct Told<'k> {
    kept: &'k Kept,
    subscription: SubscriptionId,
    details: EventDetails<'k>,
    payload: Payload<'k>,
}

impl Part for Told<'_> {
    // spec: advanced/pubsub_event_history#receiving-event-history — Event
    fn write<'o>(&self, writer: &mut impl Writer<'o>) {
        let payload = [("args", self.payload.arguments()), ("kwargs", self.payload.arguments_kw())];
        let present = payload.into_iter().filter_map(|(key, bytes)| Some((key, bytes?)));
        writer.dict(4 + present.clone().count());
        writer.key("timestamp");
        writer.text(&rfc3339(self.kept.at.unix_ms()));
        writer.key("subscription");
        writer.integer(self.subscription.0);
        writer.key("publication");
        writer.integer(self.kept.event.head.publication.0);
        writer.key("details");
        Element::write(&self.details, writer);
        for (key, bytes) in present {
            writer.key(key);
            writer.raw(bytes);
        }
        writer.end_dict();
    }
}

/// Elements one behind the other, and where each ends.
struct List<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl Part for List<'_> {
    fn write<'o>(&self, writer: &mut impl Writer<'o>) {
        writer.list(self.ends.len());
        let mut start = 0;
        for end in self.ends {
            writer.raw(&self.bytes[start..*end]);
            start = *end;
        }
        writer.end_list();
    }
}

/// ArgumentsKw that say that there are more events than were given.
struct More;

impl Part for More {
    // spec: advanced/pubsub_event_history — general information may be returned in argumentsKw
    fn write<'o>(&self, writer: &mut impl Writer<'o>) {
        writer.dict(1);
        writer.key("more");
        writer.boolean(true);
        writer.end_dict();
    }
}
