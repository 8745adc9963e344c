//! What the reference router remembers of everything that ever was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Identity, Moment, Place, Waiting};
use crate::env::Instant;
use crate::message::MatchPolicy;
use crate::sim::asking::{Asking, Kind};
use crate::sim::machine::LinkId;
use crate::sim::said::{Answering, Calling, Publishing, Registering, Talents};
use crate::sim::value::Value;

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
    /// It has still to be proved for whom a session is.
    Proving(Place),
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
    /// On which shard.
    pub shard: usize,
    /// Where.
    pub realm: usize,
    /// Who it is for.
    pub identity: Identity,
    /// Its id, once its peer has heard it.
    pub id: Option<u64>,
    /// Its id, as soon as it can be known.
    pub true_id: Option<u64>,
    /// The router has it.
    pub open: bool,
    /// The step in which it ended.
    pub ended_in: Option<u64>,
    /// What it can do.
    pub talents: Talents,
    /// What its requests must be answered with.
    pub answers: BTreeMap<u64, Answer>,
    /// The id of its last request.
    pub request_last: u64,
    /// When it said what its rates are about.
    pub moments: Vec<Moment>,
    /// The configuration has changed, and it would not be let in any more.
    pub dismissed: bool,
    /// What it waits with for an authorizer.
    pub waiting: Option<Waiting>,
    /// Calls that its router has not ended.
    pub pending: Vec<Place>,
    /// Calls it tried to cancel in a way that does not exist; each must be refused.
    pub bad_cancels: Vec<u64>,
    /// Invocations whose answer it may be told to have been refused.
    pub bad_yields: Vec<u64>,
    /// What was taken from it, of which it must be told.
    pub taken: Vec<(Kind, u64)>,
    /// Who it is, once that can be known.
    pub authid: Option<String>,
    /// What the router must or may tell it, per session that it is about, in order.
    pub due_facts: BTreeMap<Place, VecDeque<Due>>,
    /// Retained publications that must follow SUBSCRIBED, by request, and whether the
    /// subscription is a new one.
    pub replays: BTreeMap<u64, (bool, Vec<Place>)>,
    /// What it leaves: first `detached`, then `destroyed`.
    pub testaments: [Vec<Publishing>; 2],
    /// Sessions that it had killed, whether they know or not.
    pub condemned: BTreeSet<Place>,
    /// What may have killed it.
    pub killed_by: Vec<Place>,
    /// Nothing else may have ended it.
    pub killed_surely: bool,
    /// How many calls it takes at a time, by registration.
    pub concurrency: BTreeMap<Place, Option<u64>>,
    /// Events it must or may hear, per publisher, in order.
    pub due: BTreeMap<Place, VecDeque<Due>>,
    /// Publications and facts so far, when it joined each subscription.
    pub since: BTreeMap<Place, (Place, Place)>,
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
    /// Invocations it was told to stop, and whether its answer is awaited.
    pub interrupts: Vec<(u64, bool)>,
    /// Events in which the router told something: their ids and subscriptions.
    pub facts: BTreeSet<(u64, Place)>,
    /// The last retained publication of each shard that came with a new subscription.
    pub replayed: BTreeMap<(Place, usize), Place>,
    /// Retained publications that must be heard next, and through which subscription.
    pub replays: VecDeque<(Place, Place)>,
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
    /// RESULT or ERROR of the router's own
    Asked(Place),
}

/// An event that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Which publication, or which fact.
    pub what: Place,
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
    /// Its id.
    pub id: u64,
    /// Sessions that hold it; gone once there are none, unless it has a history.
    pub holders: Vec<Place>,
    /// Whether it has a history: then it is there from the start and for ever.
    pub kept: bool,
}

impl Subscription {
    /// Whether it is there.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.kept || !self.holders.is_empty()
    }
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
    /// Its id.
    pub id: u64,
    /// Sessions behind it, in order; gone once there are none.
    pub callees: Vec<Callee>,
    /// All that were ever behind it, as they registered.
    pub known: Vec<Callee>,
    /// Sessions that were pushed out, and whose routers do not know yet.
    pub pushed: Vec<Place>,
    /// Calls so far, in this round or in all since the callees were last others.
    pub calls_count: usize,
}

impl Registration {
    /// Adds a callee. Who has had its turn is not asked again before it.
    pub fn add(&mut self, callee: Callee) {
        self.calls_count = self.turns();
        self.callees.push(callee.clone());
        self.known.push(callee);
    }

    /// Removes a callee, if it is one. The others go on in their order.
    pub fn remove(&mut self, session: Place) {
        self.calls_count = self.turns();
        let place = self.callees.iter().position(|known| known.session == session);
        let Some(place) = place else { return };
        self.calls_count -= usize::from(place < self.calls_count);
        self.callees.remove(place);
    }

    fn turns(&self) -> usize {
        let last = self.calls_count.checked_sub(1);
        last.map_or(0, |last| last % self.callees.len().max(1) + 1)
    }

    /// Whether `session` is behind it.
    #[must_use]
    pub fn has(&self, session: Place) -> bool {
        self.callees.iter().any(|callee| callee.session == session)
    }

    /// Whether the router of `session` believes that it is behind it.
    #[must_use]
    pub fn is_held_by(&self, session: Place) -> bool {
        self.has(session) || self.pushed.contains(&session)
    }
}

/// A session behind a registration.
#[derive(Clone, Debug)]
pub struct Callee {
    /// Who.
    pub session: Place,
    /// What it can do.
    pub talents: Talents,
    /// What it asked for.
    pub wish: Registering,
}

/// A publication.
#[derive(Debug)]
pub struct Publication {
    /// By whom.
    pub publisher: Place,
    /// What.
    pub publishing: Publishing,
    /// The step in which it was published.
    pub step: u64,
    /// Its id, once someone has heard it.
    pub id: Option<u64>,
}

/// A call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Call {
    /// By whom.
    pub caller: Place,
    /// Its id.
    pub request: u64,
    /// What, as its first part said.
    pub calling: Calling,
    /// Which registration it must go to.
    pub registration: Place,
    /// The callees it may go to first.
    pub candidates: Vec<Callee>,
    /// It may have been somebody's turn who cannot take it.
    pub may_be_refused: bool,
    /// Cargo of its parts, and whether more were to follow.
    pub parts: Vec<(usize, bool)>,
    /// Who was invoked, one after the other.
    pub callees: Vec<Callee>,
    /// Parts that the last of them has heard.
    pub parts_heard: usize,
    /// The caller may be told that it was canceled, or that there is no such procedure, because
    /// the callee went away or the caller gave up.
    pub may_be_canceled: bool,
    /// The mode of the caller's first CANCEL.
    pub first_cancel: Option<&'static str>,
    /// A CANCEL came while it was certainly pending: nothing but that ends it.
    pub must_be_canceled: bool,
    /// What the callees answered.
    pub replies: Vec<Reply>,
    /// How many of them the caller has heard or skipped.
    pub heard: usize,
    /// When it was made.
    pub since: Instant,
    /// How long it may take.
    pub timeout: Option<u64>,
    /// The caller's router has it since an earlier input.
    pub seen: bool,
    /// When the caller's router was found to have ended it.
    pub ended: Option<Instant>,
    /// The error that ended it, if it was the router's own.
    pub failure: Option<String>,
    /// The caller has heard the end.
    pub over: bool,
}

impl Call {
    /// Who was invoked last.
    #[must_use]
    pub fn callee(&self) -> Option<Place> {
        self.callees.last().map(|callee| callee.session)
    }

    /// Whether `session` may have it, or get it.
    #[must_use]
    pub fn concerns(&self, session: Place) -> bool {
        let all = self.candidates.iter().chain(&self.callees);
        all.into_iter().any(|callee| callee.session == session)
    }

    /// Whether `session` has answered it for good.
    #[must_use]
    pub fn is_answered_by(&self, session: Place) -> bool {
        let last = |reply: &&Reply| reply.by == session && !reply.answering.progress;
        self.replies.iter().find(last).is_some()
    }
}

/// An answer to a call.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Whose.
    pub by: Place,
    /// What.
    pub answering: Answering,
    /// The caller cannot take it: the call fails instead.
    pub refused: bool,
    /// When it was given.
    pub at: Instant,
}

/// Whether others are told that a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are.
    Told,
    /// They may be.
    MaybeTold,
    /// They are not: everybody was to go.
    Silent,
}

/// Something that the router itself tells.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// Where.
    pub realm: usize,
    /// Whose doing it is: facts of one session are told in order.
    pub source: Place,
    /// The step in which it happened.
    pub step: u64,
    /// The topic.
    pub topic: &'static str,
    /// The session that it is about.
    pub session: Place,
    /// The subscription or registration that it is about.
    pub entry: Option<(Kind, Place)>,
    /// It is so or it is not: that depends on which of several sessions ended first.
    pub loose: bool,
}

/// Something that was asked of the router itself.
#[derive(Debug)]
pub struct Inquiry {
    /// By whom.
    pub asker: Place,
    /// What.
    pub asking: Asking,
    /// What must be the answer, if that is certain.
    pub certain: Option<Finding>,
    /// The entry that it is about, if it is about the sessions behind one.
    pub entry: Option<(Kind, Place)>,
    /// Entries that the answer must list.
    pub must_entries: BTreeSet<u64>,
    /// Entries that the answer may list.
    pub may_entries: BTreeSet<u64>,
    /// The asker has asked for so much that this may be refused.
    pub may_be_refused: bool,
    /// Sessions that the answer must count.
    pub must: BTreeSet<Place>,
    /// Sessions that the answer may count.
    pub may: BTreeSet<Place>,
    /// It may have taken what it was to take.
    pub applied: bool,
    /// What it is to take has been there all the time.
    pub held: bool,
    /// Whether it may still be going on.
    pub open: bool,
}

/// What comes of an inquiry.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// RESULT with nothing.
    Nothing,
    /// RESULT with one argument.
    One(Value),
    /// RESULT with Details of an entry.
    Entry(Kind, Place),
    /// ERROR
    Error(&'static str),
}
