//! Event retention: the latest event of a topic, kept for those who subscribe later.
//!
//! All shards share what is retained, as they share the index of subscriptions, and each entry is
//! immutable and replaced whole. Who publishes [keeps](Retention::keep) the event first and then
//! looks for subscribers; who subscribes joins the index first and then looks for what is
//! [retained](Retention::find). A fence stands between the two steps of either, so that at least
//! one of them sees the other: no subscriber misses the event both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use ahash::RandomState;

use super::config::RealmOptions;
use super::pattern::Index;
use super::relay::{Details, EventHead, Head, Relay};
use crate::message::layout::{Attributes, Element};
use crate::message::uri::Pattern;
use crate::message::{EventDetails, MatchPolicy, Payload};
use crate::session::{KeptPayload, Session};
use crate::wire::msgpack::{MsgPackReader, MsgPackWriter};
use crate::wire::{Reader, Writer};

/// What one realm retains.
#[derive(Debug)]
pub(super) struct Retention {
    topics: Index<Topic>,
    /// Octets of all events; changed in the writer section only.
    bytes_count: AtomicUsize,
}

/// The events retained for one topic, the newest first. All but the last are for some receivers
/// only.
#[derive(Debug)]
struct Topic {
    events: Vec<Arc<Retained>>,
}

/// One event that is kept.
#[derive(Debug)]
pub(super) struct Retained {
    pub(super) head: EventHead,
    /// EVENT.Details in MessagePack; empty if there are none.
    details: Box<[u8]>,
    payload: KeptPayload,
}

/// A retained event that a session may receive.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) topic: Box<str>,
    pub(super) event: Arc<Retained>,
}

/// Events of one topic that are kept because they are for some receivers only.
const RESTRICTED_MAX: usize = 8;

impl Retention {
    pub(super) fn new(hash_key: &RandomState) -> Self {
        Self { topics: Index::new(hash_key.clone()), bytes_count: AtomicUsize::new(0) }
    }

    /// Keeps an event in place of those before it. Says whether it did, or was not to.
    ///
    /// One for some receivers only stands beside the last that is for all, up to a bound. What
    /// there is no room for leaves things as they are: retention is best effort.
    // spec: advanced/pubsub_event_retention
    #[must_use]
    pub(super) fn keep(&self, event: &Relay<'_>, options: &RealmOptions) -> bool {
        if options.retained_topics_max == 0 {
            return true;
        }
        // Most of what does not fit is found out before anything is copied.
        if event.payload.len() > options.retained_bytes_max || self.is_full(event.text, options) {
            return false;
        }
        let retained = Retained::new(event);
        let restricted = retained.head.filter.is_some();
        let mut writer = self.topics.write();
        let known = writer.get(MatchPolicy::Exact, event.text);
        let before = known.as_ref().map_or(0, |known| known.bytes_count());
        let mut events = vec![Arc::new(retained)];
        if let Some(known) = known.as_ref().filter(|_| restricted) {
            let (some, all): (Vec<_>, Vec<_>) =
                known.events.iter().cloned().partition(|event| event.head.filter.is_some());
            events.extend(some.into_iter().take(RESTRICTED_MAX - 1));
            events.extend(all);
        }
        let topic = Topic { events };
        let others = self.bytes_count.load(Ordering::Relaxed) - before;
        let bytes_count = others + topic.bytes_count();
        let full = known.is_none() && self.topics.len() >= options.retained_topics_max;
        if full || bytes_count > options.retained_bytes_max {
            return false;
        }
        writer.insert(MatchPolicy::Exact, event.text, Arc::new(topic));
        self.bytes_count.store(bytes_count, Ordering::Relaxed);
        drop(writer);
        fence(Ordering::SeqCst);
        true
    }

    /// Forgets all there is.
    pub(super) fn forget(&self) {
        let mut names = Vec::new();
        self.topics.for_each(&mut |_, name: &str, _| names.push(Box::<str>::from(name)));
        let mut writer = self.topics.write();
        for name in names {
            if let Some(topic) = writer.remove(MatchPolicy::Exact, &name) {
                let left = self.bytes_count.load(Ordering::Relaxed) - topic.bytes_count();
                self.bytes_count.store(left, Ordering::Relaxed);
            }
        }
    }

    /// How many topics have something retained.
    pub(super) fn topics_count(&self) -> usize {
        self.topics.len()
    }

    /// For each topic of `pattern` the latest event that `session` could have received, in the
    /// order in which each shard published them.
    pub(super) fn find(&self, pattern: &Pattern, session: &Session) -> Vec<Found> {
        fence(Ordering::SeqCst);
        let mut found = Vec::new();
        let mut look = |name: &str, topic: &Topic| {
            let event = topic.events.iter().find(|event| event.is_for(session));
            found.extend(event.map(|event| Found { topic: name.into(), event: Arc::clone(event) }));
        };
        if pattern.policy == MatchPolicy::Exact {
            if let Some(topic) = self.topics.get(MatchPolicy::Exact, &pattern.uri) {
                look(&pattern.uri, &topic);
            }
            return found;
        }
        self.topics.for_each(&mut |_, name, topic| {
            if pattern.matches(name) {
                look(name, topic);
            }
        });
        found.sort_by_key(|found| (found.event.head.origin, found.event.head.sequence));
        found.dedup_by_key(|found| found.event.head.publication);
        found
    }

    /// Whether there is surely no room for one topic more, and `topic` would be one.
    fn is_full(&self, topic: &str, options: &RealmOptions) -> bool {
        self.topics.len() >= options.retained_topics_max
            && self.topics.get(MatchPolicy::Exact, topic).is_none()
    }
}

impl Found {
    /// Roughly the octets of its EVENT.
    pub(super) fn bytes_count(&self) -> usize {
        EVENT_BYTES + self.topic.len() + self.event.details.len() + self.event.payload().len()
    }
}

/// Octets of an EVENT beside what was published, at most.
const EVENT_BYTES: usize = 64;

impl Topic {
    fn bytes_count(&self) -> usize {
        self.events.iter().map(|event| event.bytes_count()).sum()
    }
}

impl Retained {
    /// What is to be kept of `event`, which must be one.
    pub(super) fn new(event: &Relay<'_>) -> Self {
        let Head::Event(head) = &event.head else { unreachable!("only events are kept") };
        let Details::Event(details) = &event.details else { unreachable!("its own Details") };
        let mut bytes = Vec::new();
        if !details.is_empty() {
            Element::write(details, &mut MsgPackWriter::open(&mut bytes));
        }
        let payload = KeptPayload::new(&event.payload);
        Self { head: head.clone(), details: bytes.into(), payload }
    }

    /// EVENT.Details as they were published.
    pub(super) fn details(&self) -> EventDetails<'_> {
        match &*self.details {
            [] => EventDetails::default(),
            bytes => EventDetails::read(&mut MsgPackReader::open(bytes)).expect("written by `new`"),
        }
    }

    /// The payload as it was published.
    pub(super) const fn payload(&self) -> Payload<'_> {
        self.payload.payload()
    }

    fn is_for(&self, session: &Session) -> bool {
        let own = self.head.exclude_publisher && self.head.publisher == session.id;
        !own && self.head.filter.as_ref().is_none_or(|filter| filter.admits(session))
    }

    /// The memory it holds, in octets.
    pub(super) fn bytes_count(&self) -> usize {
        let filter = self.head.filter.as_ref().map_or(0, |filter| filter.bytes_count());
        size_of::<Self>() + self.details.len() + self.payload.bytes_count() + filter
    }
}
