//! The reference router: lists, linear search, no shards, obviously right.
//!
//! It is told what every router was given to process, message by message, in the order in which
//! that happened, and says what each peer must, may and must not hear. Since all shards share one
//! index, the order in which messages are processed anywhere is the order of one big router; what
//! is under way between shards is the only freedom the real one has.

mod advice;
mod calls;
mod facts;
mod meta;
mod rates;
mod records;
mod reload;
mod rights;
mod topics;

pub use advice::{Kept, Opinion, Waiting};
pub use calls::Seen;
pub use rates::Moment;
pub use records::*;
pub use rights::{Identity, Proving};

use std::collections::{BTreeMap, BTreeSet};

use super::asking::Kind;
use super::machine::LinkId;
use super::rights::Rights;
use super::said::{Cargo, Said, Talents};
use super::value::Value;
use crate::env::Instant;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::router::config::{Disclosure, Limits, RealmOptions, TrustRule};
use crate::session::auth::Method;

/// An index into one of the model's lists; nothing is ever removed from them.
pub type Place = usize;

/// The reference router.
#[derive(Debug)]
pub struct Model {
    /// All payload that was ever said.
    pub cargo: Vec<Cargo>,
    /// All sessions there ever were.
    pub sessions: Vec<Session>,
    /// All subscriptions there ever were.
    pub subscriptions: Vec<Subscription>,
    /// All registrations there ever were.
    pub registrations: Vec<Registration>,
    /// All publications that were accepted, in order.
    pub publications: Vec<Publication>,
    /// All calls that were accepted, in order.
    pub calls: Vec<Call>,
    /// All that the router itself had to tell, in order.
    pub facts: Vec<Fact>,
    /// What each event in which the router told something said, by the event's id.
    pub facts_heard: BTreeMap<u64, String>,
    /// Which sessions left what in which step because they ended.
    pub left: Vec<(u64, Place, (Kind, Place))>,
    /// All that was asked of the router itself, in order.
    pub inquiries: Vec<Inquiry>,
    /// The retained events of each topic, by realm, the newest first.
    pub retained: BTreeMap<(usize, String), Vec<Place>>,
    /// Topics of which it is not known what is retained.
    pub doubtful_topics: BTreeSet<(usize, String)>,
    /// What each piece of cargo was said for.
    pub purposes: BTreeMap<usize, Purpose>,
    /// Where the conversation on each link stands.
    pub stands: BTreeMap<LinkId, Stand>,
    /// The reasons that an ABORT on a link may bear; one must be heard if there are any.
    pub aborts: BTreeMap<LinkId, Vec<&'static str>>,
    /// Links whose peer may have broken the protocol: that depends on what came first.
    pub doubtful: BTreeSet<LinkId>,
    /// Who may do what in each realm, as each shard knows it.
    pub rights: Vec<Vec<Rights>>,
    /// All that had to prove who they are.
    pub provings: Vec<Proving>,
    /// What authorizers have said and what counts on, as far as is known.
    pub kept: Vec<Kept>,
    /// The router has asked an authorizer about what is processed next, if it leaves it to one.
    pub asks: bool,
    /// What the authorizer thinks of what is being processed.
    pub said: Option<Opinion>,
    /// By which method those on a link are to be challenged.
    pub challenges: BTreeMap<LinkId, Method>,
    /// The shard of each link.
    pub shards: BTreeMap<LinkId, usize>,
    /// The time.
    pub now: Instant,
    /// The step: what happens within one has no order that is known.
    pub step: u64,
    /// The last id of a subscription or registration, by realm.
    ids: [u64; 3],
    limits: Limits,
    options: RealmOptions,
}

impl Model {
    /// A router without anyone; `rights` are those of each realm, by shard.
    #[must_use]
    pub fn new(limits: Limits, options: RealmOptions, rights: Vec<Vec<Rights>>) -> Self {
        let mut model = Self {
            cargo: Vec::new(),
            sessions: Vec::new(),
            subscriptions: Vec::new(),
            registrations: Vec::new(),
            publications: Vec::new(),
            calls: Vec::new(),
            facts: Vec::new(),
            facts_heard: BTreeMap::new(),
            left: Vec::new(),
            inquiries: Vec::new(),
            retained: BTreeMap::new(),
            doubtful_topics: BTreeSet::new(),
            purposes: BTreeMap::new(),
            stands: BTreeMap::new(),
            aborts: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            rights,
            provings: Vec::new(),
            challenges: BTreeMap::new(),
            kept: Vec::new(),
            asks: false,
            said: None,
            shards: BTreeMap::new(),
            now: Instant::from_nanos(0),
            step: 0,
            ids: [0; 3],
            limits,
            options,
        };
        model.found_histories();
        model
    }

    /// The router has processed what was said on `link`, whose peer takes messages of up to
    /// `message_bytes_max` octets.
    pub fn process(&mut self, link: LinkId, said: &Said, message_bytes_max: usize) {
        match (self.stands[&link], said) {
            (Stand::Noise | Stand::Over, _) => {}
            (_, Said::NoFrame(_)) => self.end(link, Stand::Over),
            (Stand::Leaving, Said::Goodbye | Said::Abort | Said::Malformed(_)) => {
                self.stands.insert(link, Stand::Over);
            }
            (Stand::Leaving, _) => {}
            (Stand::Opening, Said::Hello { realm, .. }) if *realm == NOISE => {
                self.stands.insert(link, Stand::Noise);
            }
            (Stand::Opening, Said::Hello { realm, talents, claim }) => {
                self.hello(link, (*realm, *talents, *claim), message_bytes_max);
            }
            (Stand::Proving(proving), Said::Authenticate { .. }) => {
                self.prove(link, proving, message_bytes_max);
            }
            (Stand::Opening | Stand::Proving(_), said) => self.refuse(link, said),
            (Stand::Open(session), said) => self.process_open(link, session, said),
        }
    }

    /// Somebody on `link` has a session from now on.
    fn welcome(
        &mut self,
        link: LinkId,
        (realm, talents, identity): (usize, Talents, Identity),
        message_bytes_max: usize,
    ) {
        self.stands.insert(link, Stand::Open(self.sessions.len()));
        self.sessions.push(Session {
            link,
            shard: self.shards[&link],
            realm,
            identity,
            id: None,
            true_id: None,
            open: true,
            ended_in: None,
            talents,
            answers: BTreeMap::new(),
            request_last: 0,
            moments: Vec::new(),
            waiting: None,
            dismissed: false,
            pending: Vec::new(),
            bad_cancels: Vec::new(),
            bad_yields: Vec::new(),
            taken: Vec::new(),
            authid: identity.authid.map(Into::into),
            due_facts: BTreeMap::new(),
            replays: BTreeMap::new(),
            testaments: [Vec::new(), Vec::new()],
            condemned: BTreeSet::new(),
            killed_by: Vec::new(),
            killed_surely: false,
            concurrency: BTreeMap::new(),
            due: BTreeMap::new(),
            since: BTreeMap::new(),
            message_bytes_max,
            heard: Heard::default(),
        });
        self.on_join(self.sessions.len() - 1);
    }

    fn process_open(&mut self, link: LinkId, session: Place, said: &Said) {
        self.count(session, said);
        if let Some(request) = said.request() {
            self.sessions[session].request_last = request;
        }
        match said {
            Said::Call { request, calling } => match self.admit_call(session, *request, calling) {
                Verdict::Answer if self.waits(session, said) => {}
                Verdict::Answer => self.fulfil(session, said),
                Verdict::Part => {}
                Verdict::Doubt => drop(self.doubtful.insert(link)),
                Verdict::Violation => self.refuse(link, said),
            },
            Said::Subscribe { .. }
            | Said::Publish { .. }
            | Said::Register { .. }
            | Said::Ask { .. } => {
                if !self.waits(session, said) {
                    self.fulfil(session, said);
                }
            }
            Said::Unsubscribe { request, subscription } => {
                let answer = self.unsubscribe(session, *subscription);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Unregister { request, registration } => {
                let answer = self.unregister(session, *registration);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Cancel { request, mode } => self.cancel(session, *request, *mode),
            Said::Answer { request, answering } => self.answer(session, *request, *answering),
            Said::Goodbye => self.end(link, Stand::Opening),
            Said::Idle => {}
            Said::Hello { .. }
            | Said::Authenticate { .. }
            | Said::BadHello { .. }
            | Said::Abort
            | Said::Violation(_)
            | Said::Malformed(_)
            | Said::NoFrame(_)
            | Said::Noise(_) => self.refuse(link, said),
        }
    }

    /// `session` is given what it may ask for, or told why not.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is a request")]
    fn fulfil(&mut self, session: Place, said: &Said) {
        let (request, answer) = match said {
            Said::Subscribe { request, policy, topic, get_retained } => {
                let how = (*request, *get_retained);
                (*request, self.subscribe(session, (*policy, topic), how))
            }
            Said::Publish { request, publishing } => {
                let answer = self.publish(session, publishing);
                if !publishing.acknowledge {
                    return;
                }
                (*request, answer)
            }
            Said::Register { request, registering } => {
                (*request, self.register(session, registering))
            }
            Said::Call { request, calling } => {
                (*request, self.call_anew(session, *request, calling))
            }
            Said::Ask { request, asking } => (*request, self.ask(session, asking)),
            _ => unreachable!("nothing else is a request"),
        };
        self.sessions[session].answers.insert(request, answer);
    }

    /// What was said ends the conversation on `link`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else breaks the protocol")]
    pub fn refuse(&mut self, link: LinkId, said: &Said) {
        self.end(link, Stand::Over);
        let reason = match said {
            Said::BadHello { reason, .. } => reason,
            Said::Abort => return,
            _ => error::PROTOCOL_VIOLATION,
        };
        self.aborts.insert(link, vec![reason]);
    }

    /// The session on `link` ends, if there is one, and the conversation goes on at `next`.
    pub fn end(&mut self, link: LinkId, next: Stand) {
        self.end_as(link, next, Ending::Told);
    }

    /// The same; `ending` says whether others are told.
    pub fn end_as(&mut self, link: LinkId, next: Stand, ending: Ending) {
        let stand = self.stands.insert(link, next);
        let Some(Stand::Open(session)) = stand else {
            return;
        };
        self.sessions[session].open = false;
        self.sessions[session].waiting = None;
        self.sessions[session].ended_in = Some(self.step);
        self.relax(session, None);
        self.leave(session, ending);
        for call in &mut self.calls {
            call.may_be_canceled |= call.caller == session || call.concerns(session);
        }
    }

    /// The calls that are open on `link` may be answered with an ERROR of the router's own, and
    /// what waits is.
    pub fn give_up_calls(&mut self, link: LinkId) {
        let Stand::Open(session) = self.stands[&link] else {
            return;
        };
        self.give_up_waiting(session);
        for call in self.calls.iter_mut().filter(|call| call.caller == session) {
            call.may_be_canceled = true;
        }
    }

    /// Whether sessions are refused things because they have too many.
    #[must_use]
    pub const fn has_small_limits(&self) -> bool {
        self.limits.calls_pending_max < 1_000
    }

    /// Whether few calls, or short ones alone, may wait for a callee.
    #[must_use]
    pub const fn has_small_queues(&self) -> bool {
        self.limits.calls_queued_max < 1_000 || self.limits.outbox_bytes_max < 1 << 20
    }

    /// Whether receivers are told who sent something, if they are told on `demand`.
    #[must_use]
    pub fn is_disclosed(&self, demand: bool) -> bool {
        match self.options.disclosure {
            Disclosure::Allow => demand,
            Disclosure::Deny => false,
            Disclosure::Always => true,
        }
    }

    /// What Details must say of the trust in a session where `uri` is concerned.
    #[must_use]
    pub fn trust(&self, session: Place, uri: &str) -> Option<(&'static str, Value)> {
        if self.options.trust.is_empty() {
            return None;
        }
        let fits = |rule: &&TrustRule| {
            rule.authrole.as_deref().is_none_or(|role| role == self.sessions[session].identity.role)
                && matches(rule.uris.policy, &rule.uris.uri, uri)
        };
        let level = self.options.trust.iter().find(fits).map_or(0, |rule| rule.level);
        Some(("trustlevel", level.into()))
    }

    /// The next id of a subscription or registration: 1, 2, 3 … in each realm.
    pub(super) const fn next_id(&mut self, realm: usize) -> u64 {
        self.ids[realm] += 1;
        self.ids[realm]
    }

    /// Whether `holder` is among those whom the publisher wants.
    #[must_use]
    pub fn is_wanted(&self, publication: &Publication, holder: Place) -> bool {
        let id = self.sessions[holder].true_id;
        let publishing = &publication.publishing;
        let listed = |list: &Vec<u64>| id.is_some_and(|id| list.contains(&id));
        let own = holder == publication.publisher && publishing.exclude_me != Some(false);
        !own && !publishing.exclude.as_ref().is_some_and(listed)
            && publishing.eligible.as_ref().is_none_or(listed)
    }
}

/// What comes of a CALL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It must be answered.
    Answer,
    /// It is another part of a call, or of one that is over.
    Part,
    /// It breaks the protocol.
    Violation,
    /// It does or it does not: that depends on whether the call it continues has ended.
    Doubt,
}

/// Whether `pattern` matches `uri`.
#[must_use]
pub fn matches(policy: MatchPolicy, pattern: &str, uri: &str) -> bool {
    match policy {
        MatchPolicy::Exact => pattern == uri,
        MatchPolicy::Prefix => uri.starts_with(pattern),
        MatchPolicy::Wildcard => {
            let (pattern, uri) = (pattern.split('.'), uri.split('.'));
            pattern.clone().count() == uri.clone().count()
                && pattern.zip(uri).all(|(one, other)| one.is_empty() || one == other)
        }
    }
}

/// Whether `uri` is a loose URI where `policy` is asked for.
#[must_use]
pub fn is_legal(uri: &str, policy: MatchPolicy) -> bool {
    let components: Vec<_> = uri.split('.').collect();
    let last = components.len() - 1;
    let may_be_empty = |place: usize| match policy {
        MatchPolicy::Exact => false,
        MatchPolicy::Prefix => place == last,
        MatchPolicy::Wildcard => true,
    };
    let legal = |(place, component): (usize, &&str)| {
        !component.contains([' ', '#']) && (!component.is_empty() || may_be_empty(place))
    };
    components.iter().enumerate().all(legal)
}

fn is_reserved(uri: &str) -> bool {
    uri.split('.').next() == Some("wamp")
}

/// The realm where nobody keeps count.
pub const NOISE: usize = 2;
