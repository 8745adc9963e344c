//! What `wamp.subscription.get_events` asks for.

use std::ops::Range;

use super::super::realm::Refusal;
use super::ring::{Kept, Ring};
use crate::env::unix_nanos;
use crate::limits::URI_BYTES_MAX;
use crate::message::options::EventsKeywords;
use crate::message::{PublicationId, Text, uri};

/// Who asks, as far as it matters: not by its session, which is of today only.
// spec: advanced/pubsub_event_history#security-aspects
#[derive(Clone, Debug)]
pub(in super::super) struct Asker {
    pub(in super::super) authid: Box<str>,
    pub(in super::super) authrole: Box<str>,
}

/// Conditions on events. All must hold.
// spec: advanced/pubsub_event_history#receiving-event-history
#[derive(Debug)]
pub(in super::super) struct Query {
    /// The newest first.
    pub(super) reverse: bool,
    /// How many events at most.
    pub(super) limit: usize,
    topic: Option<Box<str>>,
    /// The first and the last moment, in nanoseconds of Unix time.
    time: [Option<i128>; 2],
    /// The publications from and after which, until and before which.
    from: Option<PublicationId>,
    after: Option<PublicationId>,
    until: Option<PublicationId>,
    before: Option<PublicationId>,
}

const INVALID: Refusal = Refusal::new(uri::error::INVALID_ARGUMENT);

impl Query {
    /// What the keyword arguments of the call mean.
    ///
    /// # Errors
    ///
    /// If a time is none in the form of RFC 3339, the limit is zero, or the topic too long for one.
    pub(in super::super) fn new(keywords: &EventsKeywords<'_>) -> Result<Self, Refusal> {
        let limit = match keywords.limit {
            None => usize::MAX,
            Some(0) => return Err(INVALID),
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let time = |text: &Option<Text<'_>>| -> Result<Option<i128>, Refusal> {
            text.as_ref().map(|text| unix_nanos(text).ok_or(INVALID)).transpose()
        };
        if keywords.topic.as_ref().is_some_and(|topic| topic.len() > URI_BYTES_MAX) {
            return Err(INVALID);
        }
        let (from, after) = (time(&keywords.from_time)?, time(&keywords.after_time)?);
        let (until, before) = (time(&keywords.until_time)?, time(&keywords.before_time)?);
        let earliest = from.max(after.map(|after| after + 1));
        let latest = least(until, before.map(|before| before - 1));
        Ok(Self {
            reverse: keywords.reverse == Some(true),
            limit,
            topic: keywords.topic.as_ref().map(|topic| (**topic).into()),
            time: [earliest, latest],
            from: keywords.from_publication,
            after: keywords.after_publication,
            until: keywords.until_publication,
            before: keywords.before_publication,
        })
    }

    /// Whether it names a publication, by whose place others are judged.
    pub(in super::super) const fn names_publications(&self) -> bool {
        self.from.is_some() || self.after.is_some() || self.until.is_some() || self.before.is_some()
    }

    /// The places in `ring` between the moments and publications that are named.
    ///
    /// # Errors
    ///
    /// If a publication is not in the ring: nobody knows whether others came before or after it.
    /// Who has read up to an event that is forgotten by now must be told, for it may have missed
    /// some.
    pub(super) fn places(&self, ring: &Ring) -> Result<Range<u64>, Refusal> {
        let place = |id: Option<PublicationId>| -> Result<Option<u64>, Refusal> {
            id.map(|id| ring.place_of(id).ok_or(INVALID)).transpose()
        };
        let (from, after) = (place(self.from)?, place(self.after)?);
        let (until, before) = (place(self.until)?, place(self.before)?);
        // Moments are told in milliseconds, and judged as they are told.
        let nanos = |ms: u64| i128::from(ms) * 1_000_000;
        let [earliest, latest] = self.time;
        let too_early = |bound| ring.place_behind(|at| nanos(at.unix_ms()) < bound);
        let not_too_late = |bound| ring.place_behind(|at| nanos(at.unix_ms()) <= bound);
        let start = from.max(after.map(|after| after + 1)).max(earliest.map(too_early));
        let end = least(until.map(|until| until + 1), before);
        let end = least(end, latest.map(not_too_late));
        let all = ring.places();
        let start = start.unwrap_or(all.start);
        Ok(start..end.unwrap_or(all.end).max(start))
    }

    /// Whether an event between these places is meant, and may be told to `asker`.
    pub(super) fn admits(&self, kept: &Kept, asker: &Asker) -> bool {
        let filter = kept.event.head.filter.as_ref();
        self.topic.as_ref().is_none_or(|topic| *topic == kept.topic)
            && filter.is_none_or(|it| it.admits_identity(&asker.authid, &asker.authrole))
    }
}

/// The lesser of two bounds, of which each may be absent.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}
