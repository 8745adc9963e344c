//! The reference router: lists, linear search, no shards, obviously right.
//!
//! It is told what every router was given to process, message by message, in the order in which
//! that happened, and says what each peer must, may and must not hear. Since all shards share one
//! index, the order in which messages are processed anywhere is the order of one big router; what
//! is under way between shards is the only freedom the real one has.

mod records;

pub use records::*;

use std::collections::BTreeMap;

use super::machine::LinkId;
use super::said::{Calling, Cargo, Publishing, Said};
use super::swarm::histories;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::router::config::Limits;

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
    /// What each piece of cargo was said for.
    pub purposes: BTreeMap<usize, Purpose>,
    /// Where the conversation on each link stands.
    pub stands: BTreeMap<LinkId, Stand>,
    /// The reasons that an ABORT on a link may bear; one must be heard if there are any.
    pub aborts: BTreeMap<LinkId, Vec<&'static str>>,
    limits: Limits,
}

impl Model {
    /// A router without anyone.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            cargo: Vec::new(),
            sessions: Vec::new(),
            subscriptions: Vec::new(),
            registrations: Vec::new(),
            publications: Vec::new(),
            calls: Vec::new(),
            purposes: BTreeMap::new(),
            stands: BTreeMap::new(),
            aborts: BTreeMap::new(),
            limits,
        }
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
            (Stand::Opening, Said::Hello { realm, talents }) => {
                self.stands.insert(link, Stand::Open(self.sessions.len()));
                self.sessions.push(Session {
                    link,
                    realm: *realm,
                    id: None,
                    true_id: None,
                    open: true,
                    talents: *talents,
                    answers: BTreeMap::new(),
                    bad_cancels: Vec::new(),
                    due: BTreeMap::new(),
                    since: BTreeMap::new(),
                    message_bytes_max,
                    heard: Heard::default(),
                });
            }
            (Stand::Opening, said) => self.refuse(link, said),
            (Stand::Open(session), said) => self.process_open(link, session, said),
        }
    }

    fn process_open(&mut self, link: LinkId, session: Place, said: &Said) {
        match said {
            Said::Subscribe { request, policy, topic } => {
                let answer = self.subscribe(session, *policy, topic);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Unsubscribe { request, subscription } => {
                let answer = self.unsubscribe(session, *subscription);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Publish { request, publishing } => {
                let answer = self.publish(session, publishing);
                if publishing.acknowledge {
                    self.sessions[session].answers.insert(*request, answer);
                }
            }
            Said::Register { request, policy, procedure, invoke } => {
                let answer = self.register(session, *policy, (procedure, *invoke));
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Unregister { request, registration } => {
                let answer = self.unregister(session, *registration);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Call { request, calling } => {
                let answer = self.call(session, *request, calling);
                self.sessions[session].answers.insert(*request, answer);
            }
            Said::Cancel { request, mode } => self.cancel(session, *request, *mode),
            Said::Yield { request, cargo, progress } => {
                self.answer(session, *request, (*cargo, *progress, false));
            }
            Said::Fail { request, cargo } => self.answer(session, *request, (*cargo, false, true)),
            Said::Goodbye => self.end(link, Stand::Opening),
            Said::Idle => {}
            Said::Hello { .. }
            | Said::BadHello { .. }
            | Said::Abort
            | Said::Violation(_)
            | Said::Malformed(_)
            | Said::NoFrame(_)
            | Said::Noise(_) => self.refuse(link, said),
        }
    }

    /// What was said ends the conversation on `link`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all else breaks the protocol")]
    fn refuse(&mut self, link: LinkId, said: &Said) {
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
        let stand = self.stands.insert(link, next);
        let Some(Stand::Open(session)) = stand else {
            return;
        };
        self.sessions[session].open = false;
        self.relax(session, None);
        for subscription in &mut self.subscriptions {
            subscription.holders.retain(|holder| *holder != session);
        }
        for registration in &mut self.registrations {
            registration.remove(session);
        }
        for call in &mut self.calls {
            call.may_be_canceled |= call.caller == session || call.candidates.contains(&session);
        }
    }

    /// The calls that are open on `link` may be answered with an ERROR of the router's own.
    pub fn give_up_calls(&mut self, link: LinkId) {
        let Stand::Open(session) = self.stands[&link] else {
            return;
        };
        for call in self.calls.iter_mut().filter(|call| call.caller == session) {
            call.may_be_canceled = true;
        }
    }

    /// Whether sessions are refused things because they have too many.
    #[must_use]
    pub const fn has_small_limits(&self) -> bool {
        self.limits.calls_pending_max < 1_000
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

    fn subscribe(&mut self, session: Place, policy: MatchPolicy, topic: &str) -> Answer {
        if !is_legal(topic, policy) {
            return Answer::Refused(32, error::INVALID_URI);
        }
        let realm = self.sessions[session].realm;
        // What has a history is there before the first and after the last who subscribes to it.
        let stays = histories(realm).any(|it| (it.uris.policy, &*it.uris.uri) == (policy, topic));
        let same = |known: &Subscription| {
            (known.realm, known.policy, known.uri.as_str()) == (realm, policy, topic)
                && (stays || !known.holders.is_empty())
        };
        let known = self.subscriptions.iter().position(same);
        if let Some(known) = known
            && self.subscriptions[known].holders.contains(&session)
        {
            return Answer::Subscribed(known);
        }
        let holds = |known: &&Subscription| known.holders.contains(&session);
        if self.subscriptions.iter().filter(holds).count() >= self.limits.subscriptions_max {
            return Answer::Refused(32, error::LIMIT_EXCEEDED);
        }
        let place = known.unwrap_or(self.subscriptions.len());
        match known {
            Some(known) => self.subscriptions[known].holders.push(session),
            None => self.subscriptions.push(Subscription {
                realm,
                policy,
                uri: topic.into(),
                id: None,
                holders: vec![session],
            }),
        }
        let published = self.publications.len();
        self.sessions[session].since.insert(place, published);
        Answer::Subscribed(place)
    }

    fn unsubscribe(&mut self, session: Place, id: u64) -> Answer {
        let known = self.subscriptions.iter().position(|known| {
            known.id == Some(id)
                && known.holders.contains(&session)
                && known.realm == self.sessions[session].realm
        });
        let Some(known) = known else {
            return Answer::Refused(34, error::NO_SUCH_SUBSCRIPTION);
        };
        self.subscriptions[known].holders.retain(|holder| *holder != session);
        // What was under way from another shard is dropped there.
        self.relax(session, Some(known));
        Answer::Unsubscribed(id)
    }

    /// Nothing that is due to `session` through a subscription must be heard any more.
    fn relax(&mut self, session: Place, subscription: Option<Place>) {
        let due = self.sessions[session].due.values_mut().flatten();
        for due in due.filter(|due| subscription.is_none_or(|only| only == due.subscription)) {
            due.must = false;
        }
    }

    fn publish(&mut self, session: Place, publishing: &Publishing) -> Answer {
        let topic = publishing.topic.as_str();
        if !is_legal(topic, MatchPolicy::Exact) || is_reserved(topic) {
            return Answer::Refused(16, error::INVALID_URI);
        }
        let place = self.publications.len();
        let publication =
            Publication { publisher: session, publishing: publishing.clone(), id: None };
        self.purposes.insert(publishing.cargo, Purpose::Publication(place));
        let realm = self.sessions[session].realm;
        let length = self.cargo[publishing.cargo].tail.len();
        for (subscription, known) in self.subscriptions.iter().enumerate() {
            if known.realm != realm || !matches(known.policy, &known.uri, topic) {
                continue;
            }
            for holder in &known.holders {
                if !self.is_wanted(&publication, *holder) {
                    continue;
                }
                // Transcoding may double what is short; Details come on top.
                let must = 2 * length + 200 <= self.sessions[*holder].message_bytes_max;
                let due = self.sessions[*holder].due.entry(session).or_default();
                due.push_back(Due { publication: place, subscription, must });
            }
        }
        self.publications.push(publication);
        Answer::Published(place)
    }

    fn register(
        &mut self,
        session: Place,
        policy: MatchPolicy,
        (procedure, invoke): (&str, &'static str),
    ) -> Answer {
        if !is_legal(procedure, policy) || is_reserved(procedure) {
            return Answer::Refused(64, error::INVALID_URI);
        }
        let holds = |known: &&Registration| known.callees.contains(&session);
        if self.registrations.iter().filter(holds).count() >= self.limits.registrations_max {
            return Answer::Refused(64, error::LIMIT_EXCEEDED);
        }
        let realm = self.sessions[session].realm;
        let same = |known: &Registration| {
            (known.realm, known.policy, known.uri.as_str()) == (realm, policy, procedure)
                && !known.callees.is_empty()
        };
        let Some(known) = self.registrations.iter().position(same) else {
            self.registrations.push(Registration {
                realm,
                policy,
                uri: procedure.into(),
                invoke,
                id: None,
                callees: vec![session],
                calls_count: 0,
            });
            return Answer::Registered(self.registrations.len() - 1);
        };
        let registration = &mut self.registrations[known];
        if registration.invoke == "single" || registration.invoke != invoke {
            return Answer::Refused(64, error::PROCEDURE_ALREADY_EXISTS);
        }
        if !registration.callees.contains(&session) {
            registration.add(session);
        }
        Answer::Registered(known)
    }

    fn unregister(&mut self, session: Place, id: u64) -> Answer {
        let known = self.registrations.iter().position(|known| {
            known.id == Some(id)
                && known.callees.contains(&session)
                && known.realm == self.sessions[session].realm
        });
        let Some(known) = known else {
            return Answer::Refused(66, error::NO_SUCH_REGISTRATION);
        };
        self.registrations[known].remove(session);
        // What was under way from another shard bounces.
        for call in self.calls.iter_mut().filter(|call| call.registration == Some(known)) {
            call.may_be_canceled |= call.callee.is_none() && call.candidates.contains(&session);
        }
        Answer::Unregistered(id)
    }

    fn call(&mut self, session: Place, request: u64, calling: &Calling) -> Answer {
        if !is_legal(&calling.procedure, MatchPolicy::Exact) {
            return Answer::Refused(48, error::INVALID_URI);
        }
        let realm = self.sessions[session].realm;
        // What is reserved is the router's, whatever patterns are registered.
        let ours = calling.procedure.starts_with("wamp.");
        let Some(best) = self.best(realm, &calling.procedure).filter(|_| !ours) else {
            return Answer::Refused(48, error::NO_SUCH_PROCEDURE);
        };
        let registration = &mut self.registrations[best];
        let callees = &registration.callees;
        let candidates = match registration.invoke {
            "single" | "first" => vec![callees[0]],
            "last" => vec![callees[callees.len() - 1]],
            // A call that is refused for a limit that is not modelled has no turn.
            "roundrobin" if self.limits.calls_pending_max < 1_000 => callees.clone(),
            "roundrobin" => vec![callees[registration.calls_count % callees.len()]],
            _ => callees.clone(),
        };
        registration.calls_count += 1;
        let place = self.calls.len();
        self.purposes.insert(calling.cargo, Purpose::Call(place));
        self.calls.push(Call {
            caller: session,
            request,
            calling: calling.clone(),
            registration: Some(best),
            candidates,
            callee: None,
            may_be_canceled: false,
            first_cancel: None,
            answers: Vec::new(),
            heard: 0,
            over: false,
        });
        Answer::Called(place)
    }

    /// The registration that a call of `procedure` must go to.
    fn best(&self, realm: usize, procedure: &str) -> Option<Place> {
        let matching = |(_, known): &(Place, &Registration)| {
            known.realm == realm
                && !known.callees.is_empty()
                && matches(known.policy, &known.uri, procedure)
        };
        let rank = |known: &Registration| match known.policy {
            MatchPolicy::Exact => (2, Vec::new()),
            MatchPolicy::Prefix => (1, vec![known.uri.len()]),
            // The leftmost component that is named in one and not in the other decides.
            MatchPolicy::Wildcard => {
                let named =
                    known.uri.split('.').map(|component| usize::from(!component.is_empty()));
                (0, named.collect())
            }
        };
        let all = self.registrations.iter().enumerate().filter(matching);
        all.max_by_key(|(_, known)| rank(known)).map(|(place, _)| place)
    }

    fn cancel(&mut self, session: Place, request: u64, mode: Option<&'static str>) {
        if !matches!(mode, None | Some("skip" | "kill" | "killnowait")) {
            return self.sessions[session].bad_cancels.push(request);
        }
        let open = |call: &&mut Call| call.caller == session && call.request == request;
        if let Some(call) = self.calls.iter_mut().find(open) {
            call.first_cancel.get_or_insert(mode.unwrap_or("killnowait"));
            call.may_be_canceled = true;
        }
    }

    fn answer(&mut self, session: Place, request: u64, answer: (usize, bool, bool)) {
        let invocations = &self.sessions[session].heard.invocations;
        let call = &mut self.calls[invocations[request as usize - 1]];
        call.answers.push(answer);
        self.purposes.insert(answer.0, Purpose::Call(invocations[request as usize - 1]));
    }
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
