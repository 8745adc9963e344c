//! What `wamp.subscription.get_events` asks for.

use std::ops::{Range, RangeInclusive};

use super::super::realm::Refusal;
use super::ring::{Kept, Ring};
use crate::env::unix_nanos;
use crate::message::options::EventsKeywords;
use crate::message::{PublicationId, Text, uri};

/// Who asks, as far as it matters: not by its session, which is of today only.
// spec: advanced/pubsub_event_history#security-aspects
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Asker<'a> {
    pub(in super::super) authid: &'a str,
    pub(in super::super) authrole: &'a str,
}

/// Conditions on events. All must hold.
// spec: advanced/pubsub_event_history#receiving-event-history
#[derive(Debug)]
pub(in super::super) struct Query<'a> {
    keywords: &'a EventsKeywords<'a>,
    limit: usize,
    /// Nanoseconds of Unix time.
    time: RangeInclusive<i128>,
}

const INVALID: Refusal = Refusal::new(uri::error::INVALID_ARGUMENT);

impl<'a> Query<'a> {
    /// What the keyword arguments of the call mean.
    ///
    /// # Errors
    ///
    /// If a time is none in the form of RFC 3339, or the limit is zero.
    pub(in super::super) fn new(keywords: &'a EventsKeywords<'a>) -> Result<Self, Refusal> {
        let limit = match keywords.limit {
            None => usize::MAX,
            Some(0) => return Err(INVALID),
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let time = |text: &Option<Text<'_>>| -> Result<Option<i128>, Refusal> {
            text.as_ref().map(|text| unix_nanos(text).ok_or(INVALID)).transpose()
        };
        let (from, after) = (time(&keywords.from_time)?, time(&keywords.after_time)?);
        let (until, before) = (time(&keywords.until_time)?, time(&keywords.before_time)?);
        let earliest = from.max(after.map(|after| after + 1));
        let latest = least(until, before.map(|before| before - 1));
        let time = earliest.unwrap_or(i128::MIN)..=latest.unwrap_or(i128::MAX);
        Ok(Self { keywords, limit, time })
    }

    /// How many events are asked for at most.
    pub(in super::super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Whether it names a publication, by whose place others are judged.
    pub(in super::super) const fn names_publications(&self) -> bool {
        let EventsKeywords { from_publication, after_publication, .. } = self.keywords;
        let EventsKeywords { until_publication, before_publication, .. } = self.keywords;
        from_publication.is_some()
            || after_publication.is_some()
            || until_publication.is_some()
            || before_publication.is_some()
    }

    /// The events in `ring` that fulfil the conditions and may be told to `asker`, in the order
    /// that is asked for, without regard to the limit.
    ///
    /// # Errors
    ///
    /// If it names a publication that is not in the ring: nobody knows whether others came before
    /// or after it. Who has read up to an event that is forgotten by now must be told, for it may
    /// have missed some.
    pub(super) fn find<'r>(
        &'r self,
        ring: &'r Ring,
        asker: Asker<'r>,
    ) -> Result<impl Iterator<Item = &'r Kept>, Refusal> {
        let places = self.places(ring)?;
        let reverse = self.keywords.reverse == Some(true);
        let count = places.len();
        let place = move |n| if reverse { places.end - 1 - n } else { places.start + n };
        let events = (0..count).map(move |n| ring.at(place(n)));
        Ok(events.filter(move |kept| self.admits(kept) && is_for(kept, asker)))
    }

    /// The places between the publications that are named.
    fn places(&self, ring: &Ring) -> Result<Range<usize>, Refusal> {
        let place = |id: Option<PublicationId>| -> Result<Option<usize>, Refusal> {
            id.map(|id| ring.place_of(id).ok_or(INVALID)).transpose()
        };
        let keywords = self.keywords;
        let (from, after) = (place(keywords.from_publication)?, place(keywords.after_publication)?);
        let until = place(keywords.until_publication)?;
        let before = place(keywords.before_publication)?;
        let start = from.max(after.map(|after| after + 1)).unwrap_or(0);
        let end = least(until.map(|until| until + 1), before).unwrap_or(ring.len());
        Ok(start..end.max(start))
    }

    fn admits(&self, kept: &Kept) -> bool {
        // Moments are told in milliseconds, and judged as they are told.
        let at = i128::from(kept.at.unix_ms()) * 1_000_000;
        self.time.contains(&at)
            && self.keywords.topic.as_ref().is_none_or(|topic| **topic == *kept.topic)
    }
}

/// Whether it might have been an event for a session of `asker`.
fn is_for(kept: &Kept, asker: Asker<'_>) -> bool {
    let filter = kept.event.head.filter.as_ref();
    filter.is_none_or(|filter| filter.admits_identity(asker.authid, asker.authrole))
}

/// The lesser of two bounds, of which each may be absent.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}
