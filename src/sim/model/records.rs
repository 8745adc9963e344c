//! What the reference router remembers of everything that ever was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Place;
use crate::message::MatchPolicy;
use crate::sim::machine::LinkId;
use crate::sim::said::{Calling, Publishing, Talents};

/// What a piece of cargo was said for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A publication.
    Publication(Place),
    /// A call.
    Call(Place),
}

/// Where a conversation stands, as far as the router has processed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// No session yet, or none any more.
    Opening,
    /// A session is open.
    Open(Place),
    /// The router said GOODBYE first.
    Leaving,
    /// Nothing is processed any more.
    Over,
    /// Nobody keeps count.
    Noise,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Whose.
    pub link: LinkId,
    /// Where.
    pub realm: usize,
    /// Its id, once its peer has heard it.
    pub id: Option<u64>,
    /// Its id, as soon as it can be known.
    pub true_id: Option<u64>,
    /// The router has it.
    pub open: bool,
    /// What it can do as a callee.
    pub talents: Talents,
    /// What its requests must be answered with.
    pub answers: BTreeMap<u64, Answer>,
    /// Calls it tried to cancel in a way that does not exist; each must be refused.
    pub bad_cancels: Vec<u64>,
    /// Events it must or may hear, per publisher, in order.
    pub due: BTreeMap<Place, VecDeque<Due>>,
    /// Publications so far, when it joined each subscription.
    pub since: BTreeMap<Place, Place>,
    /// The longest message its peer takes.
    pub message_bytes_max: usize,
    /// What its peer has heard.
    pub heard: Heard,
}

/// What a peer has heard of one session.
#[derive(Debug, Default)]
pub struct Heard {
    /// Subscriptions by id: SUBSCRIBED was heard, UNSUBSCRIBED not.
    pub subscriptions: BTreeMap<u64, Place>,
    /// Registrations by id: REGISTERED was heard, UNREGISTERED not.
    pub registrations: BTreeMap<u64, Place>,
    /// The call behind each invocation.
    pub invocations: Vec<Place>,
    /// Events that were heard: publication and subscription.
    pub events: BTreeSet<(Place, Place)>,
    /// The last publication of each publisher.
    pub last_publication: BTreeMap<Place, Place>,
    /// The last call of each caller.
    pub last_call: BTreeMap<Place, Place>,
    /// Invocations it was told to stop.
    pub interrupts: Vec<u64>,
    /// It has ended: GOODBYE or ABORT was heard.
    pub over: bool,
}

/// What a request must be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// SUBSCRIBED
    Subscribed(Place),
    /// UNSUBSCRIBED
    Unsubscribed(u64),
    /// PUBLISHED
    Published(Place),
    /// REGISTERED
    Registered(Place),
    /// UNREGISTERED
    Unregistered(u64),
    /// ERROR about this type of request, with this URI
    Refused(u64, &'static str),
    /// RESULT or ERROR
    Called(Place),
}

/// An event that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Which.
    pub publication: Place,
    /// Through which subscription.
    pub subscription: Place,
    /// It must be heard; else it may.
    pub must: bool,
}

/// A topic or pattern that someone has subscribed to.
#[derive(Debug)]
pub struct Subscription {
    /// Where.
    pub realm: usize,
    /// How it is matched.
    pub policy: MatchPolicy,
    /// What.
    pub uri: String,
    /// Its id, once someone has heard it.
    pub id: Option<u64>,
    /// Sessions that hold it; gone once there are none.
    pub holders: Vec<Place>,
}

/// A procedure or pattern that someone has registered.
#[derive(Debug)]
pub struct Registration {
    /// Where.
    pub realm: usize,
    /// How it is matched.
    pub policy: MatchPolicy,
    /// What.
    pub uri: String,
    /// Which callee gets a call.
    pub invoke: &'static str,
    /// Its id, once someone has heard it.
    pub id: Option<u64>,
    /// Sessions behind it, in order; gone once there are none.
    pub callees: Vec<Place>,
    /// Calls so far, in this round or in all since the callees were last others.
    pub calls_count: usize,
}

impl Registration {
    /// Adds a callee. Who has had its turn is not asked again before it.
    pub fn add(&mut self, callee: Place) {
        self.calls_count = self.turns();
        self.callees.push(callee);
    }

    /// Removes a callee, if it is one. The others go on in their order.
    pub fn remove(&mut self, callee: Place) {
        self.calls_count = self.turns();
        let Some(place) = self.callees.iter().position(|known| *known == callee) else { return };
        self.calls_count -= usize::from(place < self.calls_count);
        self.callees.remove(place);
    }

    fn turns(&self) -> usize {
        let last = self.calls_count.checked_sub(1);
        last.map_or(0, |last| last % self.callees.len().max(1) + 1)
    }
}

/// A publication.
#[derive(Debug)]
pub struct Publication {
    /// By whom.
    pub publisher: Place,
    /// What.
    pub publishing: Publishing,
    /// Its id, once someone has heard it.
    pub id: Option<u64>,
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// By whom.
    pub caller: Place,
    /// Its id.
    pub request: u64,
    /// What.
    pub calling: Calling,
    /// Which registration it must go to; none: it must fail.
    pub registration: Option<Place>,
    /// The callees it may go to.
    pub candidates: Vec<Place>,
    /// Who was invoked.
    pub callee: Option<Place>,
    /// The caller may be told that it was canceled, or that there is no such procedure, because
    /// the callee went away or the caller gave up.
    pub may_be_canceled: bool,
    /// The mode of the caller's first CANCEL.
    pub first_cancel: Option<&'static str>,
    /// What the callee answered: cargo, whether it is a part, whether it is an error.
    pub answers: Vec<(usize, bool, bool)>,
    /// How many of them the caller has heard or skipped.
    pub heard: usize,
    /// The caller has heard the end.
    pub over: bool,
}
