//! The reference router's own procedures.

#![expect(clippy::wildcard_enum_match_arm, reason = "all else is asked of something else")]

use std::collections::BTreeSet;

use super::{Answer, Ending, Fact, Finding, Inquiry, Model, Place, Stand};
use super::{is_legal, is_reserved, matches};
use crate::limits::LISTS_PENDING_MAX;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::router::config::Disclosure;
use crate::sim::asking::{Asking, Kind, Question, Victims, bucket_of};
use crate::sim::machine::LinkId;
use crate::sim::rights::Effect;
use crate::sim::value::Value;

impl Model {
    /// `session` calls a procedure of the router's own.
    pub(super) fn ask(&mut self, session: Place, asking: &Asking) -> Answer {
        let mut inquiry = Inquiry {
            asker: session,
            asking: asking.clone(),
            certain: None,
            entry: None,
            must_entries: BTreeSet::new(),
            may_entries: BTreeSet::new(),
            may_be_refused: false,
            must: BTreeSet::new(),
            may: BTreeSet::new(),
            applied: false,
            held: false,
            open: true,
        };
        let procedure = asking.procedure();
        let unnamed =
            asking.is_forceful() && !self.options.meta_kill && !self.is_named(session, &procedure);
        let refused = self.forbids(session, "call", (MatchPolicy::Exact, &procedure));
        let refused = refused.or_else(|| unnamed.then_some(error::NOT_AUTHORIZED));
        inquiry.certain = match refused {
            Some(reason) => Some(Finding::Error(reason)),
            None => self.find_out(session, asking),
        };
        let place = self.inquiries.len();
        if inquiry.certain.is_none() {
            self.open_inquiry(&mut inquiry);
        }
        inquiry.open = inquiry.certain.is_none();
        self.inquiries.push(inquiry);
        self.remove_here(place);
        Answer::Asked(place)
    }

    /// What must be the answer, if that is certain.
    fn find_out(&mut self, session: Place, asking: &Asking) -> Option<Finding> {
        match asking {
            Asking::Kill { reason, .. } => {
                let invalid = reason.is_some_and(|reason| !is_legal(reason, MatchPolicy::Exact));
                invalid.then_some(Finding::Error(error::INVALID_URI))
            }
            Asking::AddTestament { publishing, scope } => {
                if !is_legal(&publishing.topic, MatchPolicy::Exact)
                    || is_reserved(&publishing.topic)
                {
                    return Some(Finding::Error(error::INVALID_URI));
                }
                // When it is published nobody is left to wait for an authorizer.
                let object = (MatchPolicy::Exact, publishing.topic.as_str());
                if self.judge(session, "publish", object) != Effect::Allow {
                    return Some(Finding::Error(error::NOT_AUTHORIZED));
                }
                let Some(scope) = bucket_of(*scope) else {
                    return Some(Finding::Error(error::INVALID_ARGUMENT));
                };
                if publishing.disclose_me && self.options.disclosure == Disclosure::Deny {
                    return Some(Finding::Error(error::DISCLOSURE_NOT_ALLOWED));
                }
                let testaments = &mut self.sessions[session].testaments;
                if testaments.iter().map(Vec::len).sum::<usize>() >= self.limits.testaments_max {
                    return Some(Finding::Error(error::LIMIT_EXCEEDED));
                }
                testaments[scope].push(publishing.clone());
                Some(Finding::Nothing)
            }
            Asking::FlushTestaments { scope } => Some(match bucket_of(*scope) {
                None => Finding::Error(error::INVALID_ARGUMENT),
                Some(scope) => {
                    self.sessions[session].testaments[scope].clear();
                    Finding::Nothing
                }
            }),
            Asking::Entries(kind, question) => self.look_up(session, *kind, question),
            Asking::SessionCount { .. } | Asking::SessionList { .. } | Asking::SessionGet(_) => {
                None
            }
        }
    }

    /// What is known of registrations and subscriptions.
    fn look_up(&self, session: Place, kind: Kind, question: &Question) -> Option<Finding> {
        let realm = self.sessions[session].realm;
        let entries = self.entries(kind, realm);
        let nothing = Finding::One(Value::Null);
        let id = |found: Option<&Entry<'_>>| {
            found.map_or(nothing.clone(), |found| Finding::One(found.id.into()))
        };
        let ids = |ids: Vec<u64>| Value::List(ids.into_iter().map(Value::from).collect());
        let of_id = |id: &u64| entries.iter().find(|entry| entry.id == *id);
        let unknown = Finding::Error(match kind {
            Kind::Registration => error::NO_SUCH_REGISTRATION,
            Kind::Subscription => error::NO_SUCH_SUBSCRIPTION,
        });
        Some(match question {
            Question::List => return None,
            Question::Lookup(policy, uri) => {
                id(entries.iter().find(|entry| (entry.policy, entry.uri) == (*policy, uri)))
            }
            // What is reserved is never called of a peer, whatever that has registered.
            Question::Match(uri) if kind == Kind::Registration => {
                let best = self.best(realm, uri).filter(|_| !is_reserved(uri));
                let best = best.map(|place| Value::from(self.registrations[place].id));
                Finding::One(best.unwrap_or(Value::Null))
            }
            Question::Match(uri) => {
                let matching = entries.iter().filter(|entry| matches(entry.policy, entry.uri, uri));
                let matching: Vec<_> = matching.map(|entry| entry.id).collect();
                if matching.is_empty() { nothing } else { Finding::One(ids(matching)) }
            }
            Question::Get(id) => {
                of_id(id).map_or(unknown, |entry| Finding::Entry(kind, entry.place))
            }
            Question::Members(id) | Question::CountMembers(id) => {
                let Some(entry) = of_id(id) else { return Some(unknown) };
                if kind == Kind::Subscription || matches!(question, Question::Members(_)) {
                    return None;
                }
                let callees = &self.registrations[entry.place].callees;
                Finding::One((callees.len() as u64).into())
            }
            Question::Remove { .. } => return None,
        })
    }

    /// What there is of registrations or subscriptions.
    fn entries(&self, kind: Kind, realm: usize) -> Vec<Entry<'_>> {
        let subscriptions = self.subscriptions.iter().enumerate();
        let registrations = self.registrations.iter().enumerate();
        match kind {
            Kind::Subscription => subscriptions
                .filter(|(_, known)| known.realm == realm && known.exists())
                .map(|(place, known)| Entry {
                    place,
                    policy: known.policy,
                    uri: &known.uri,
                    id: known.id,
                })
                .collect(),
            Kind::Registration => registrations
                .filter(|(_, known)| known.realm == realm && !known.callees.is_empty())
                .map(|(place, known)| Entry {
                    place,
                    policy: known.policy,
                    uri: &known.uri,
                    id: known.id,
                })
                .collect(),
        }
    }

    /// Notes whom an inquiry must and may find.
    fn open_inquiry(&mut self, inquiry: &mut Inquiry) {
        let asker = inquiry.asker;
        let realm = self.sessions[asker].realm;
        let lists = |inquiry: &&Inquiry| inquiry.open && inquiry.asker == asker;
        inquiry.may_be_refused = self.inquiries.iter().filter(lists).count() >= LISTS_PENDING_MAX
            || self.limits.outbox_bytes_max < 1 << 20;
        if let Asking::Entries(kind, Question::List) = inquiry.asking {
            let all = self.entries(kind, realm);
            inquiry.must_entries = all.iter().map(|entry| entry.id).collect();
            inquiry.may_entries = inquiry.must_entries.clone();
            return;
        }
        if let Asking::Entries(kind, Question::Members(id) | Question::CountMembers(id)) =
            inquiry.asking
        {
            let all = self.entries(kind, realm);
            let place = all.iter().find(|entry| entry.id == id).map(|entry| entry.place);
            let place = place.expect("it was found before");
            inquiry.entry = Some((kind, place));
            inquiry.must = match kind {
                Kind::Subscription => self.subscriptions[place].holders.iter().copied().collect(),
                Kind::Registration => {
                    self.registrations[place].callees.iter().map(|known| known.session).collect()
                }
            };
        } else {
            let open = |(_, known): &(Place, &super::Session)| known.open && known.realm == realm;
            let all = self.sessions.iter().enumerate().filter(open);
            inquiry.must = all.map(|(place, _)| place).collect();
        }
        if let Asking::Entries(kind, Question::Remove { entry, session }) = inquiry.asking {
            inquiry.held = self.has_entry(session, (kind, entry));
        }
        // Whoever has someone killed does not find him, whether he has gone or not; but for a
        // while in what needs nobody to be asked.
        let is_at_hand = matches!(inquiry.asking, Asking::Entries(Kind::Registration, _));
        let listed = inquiry.must.clone();
        let condemned = &self.sessions[asker].condemned;
        inquiry.must.retain(|place| !condemned.contains(place));
        match &inquiry.asking {
            Asking::SessionCount { roles: Some(role) }
            | Asking::SessionList { roles: Some(role) } => {
                inquiry.must.retain(|place| self.sessions[*place].identity.role == *role);
            }
            Asking::Kill { victims: sort, .. } => {
                let victims = |place: &Place| *place != asker && self.is_victim(*place, sort);
                inquiry.must = inquiry.must.iter().copied().filter(victims).collect();
                // What it would take to kill them may be more than may wait, or take its time.
                if !self.has_small_limits() && matches!(sort, Victims::Session(_)) {
                    let must = inquiry.must.iter().copied();
                    self.sessions[asker].condemned.extend(must);
                }
            }
            _ => {}
        }
        inquiry.may = if is_at_hand { listed } else { inquiry.must.clone() };
    }

    /// A session loses a registration or subscription, or gets it.
    pub(super) fn lose(&mut self, session: Place, (kind, id): (Kind, u64)) {
        let true_id = self.sessions[session].true_id;
        for inquiry in &mut self.inquiries {
            if let Asking::Entries(its, Question::Remove { entry, session }) = inquiry.asking
                && (its, entry, Some(session)) == (kind, id, true_id)
            {
                inquiry.held = false;
            }
        }
    }

    /// Whether a session, as its router sees it, has a registration or subscription.
    fn has_entry(&self, session: u64, (kind, id): (Kind, u64)) -> bool {
        let is_it = |known: &Place| self.sessions[*known].true_id == Some(session);
        let Some(session) = (0..self.sessions.len()).find(is_it) else { return false };
        let realm = self.sessions[session].realm;
        match kind {
            Kind::Registration => self
                .registrations
                .iter()
                .any(|known| (known.realm, known.id) == (realm, id) && known.is_held_by(session)),
            Kind::Subscription => self.subscriptions.iter().any(|known| {
                (known.realm, known.id) == (realm, id) && known.holders.contains(&session)
            }),
        }
    }

    /// Whether a kill of `victims` is about a session.
    pub fn is_victim(&self, session: Place, victims: &Victims) -> bool {
        let known = &self.sessions[session];
        match victims {
            Victims::Session(id) => known.true_id == Some(*id),
            // Who is not known yet may be anybody.
            Victims::Authid(name) => known.authid.as_ref().is_some_and(|known| known == name),
            Victims::Authrole(name) => *name == known.identity.role,
            Victims::All => true,
        }
    }

    /// A removal from a session on the asker's own shard happens at once.
    fn remove_here(&mut self, place: Place) {
        let Inquiry {
            asker,
            asking: Asking::Entries(kind, Question::Remove { entry, session }),
            ..
        } = &self.inquiries[place]
        else {
            return;
        };
        let (kind, entry, shard) = (*kind, *entry, self.sessions[*asker].shard);
        let same = |known: &super::Session| {
            known.true_id == Some(*session) && known.realm == self.sessions[*asker].realm
        };
        let Some(target) = self.sessions.iter().position(same) else { return };
        let here = self.sessions[target].shard == shard && self.sessions[target].open;
        // Whom it had killed before is not found.
        let is_doomed = self.inquiries.iter().any(|killing| {
            matches!(killing.asking, Asking::Kill { .. })
                && (killing.asker, killing.open, killing.may_be_refused) == (*asker, true, false)
                && killing.must.contains(&target)
        });
        let here = here && !is_doomed && !self.sessions[*asker].condemned.contains(&target);
        if self.inquiries[place].open && here {
            self.remove(target, (kind, entry));
        }
    }

    /// Something is taken from an open session, if it has it.
    pub(super) fn remove(&mut self, session: Place, (kind, id): (Kind, u64)) {
        let realm = self.sessions[session].realm;
        let held = match kind {
            Kind::Registration => self.registrations.iter().position(|known| {
                (known.realm, known.id) == (realm, id) && known.is_held_by(session)
            }),
            Kind::Subscription => self.subscriptions.iter().position(|known| {
                (known.realm, known.id) == (realm, id) && known.holders.contains(&session)
            }),
        };
        let Some(held) = held else { return };
        match kind {
            Kind::Registration => self.part(held, session),
            Kind::Subscription => self.drop_subscription(session, held),
        }
        let known = &mut self.sessions[session];
        if known.talents.revocable {
            known.taken.push((kind, id));
        }
        self.apply(session, (kind, id));
    }

    /// Whoever wanted to take something from a session may have succeeded.
    fn apply(&mut self, session: Place, (kind, id): (Kind, u64)) {
        let true_id = self.sessions[session].true_id;
        for inquiry in &mut self.inquiries {
            if let Asking::Entries(its, Question::Remove { entry, session }) = inquiry.asking
                && (its, entry, Some(session)) == (kind, id, true_id)
            {
                inquiry.applied = true;
            }
        }
    }

    /// What others may be about to take from `session`.
    pub(super) fn threatened(&self, session: Place) -> Vec<(Kind, u64)> {
        let known = &self.sessions[session];
        let open = self
            .inquiries
            .iter()
            .filter(|inquiry| inquiry.open && self.sessions[inquiry.asker].realm == known.realm);
        let about = open.filter_map(|inquiry| match inquiry.asking {
            Asking::Entries(kind, Question::Remove { entry, session })
                if known.true_id == Some(session) =>
            {
                Some((kind, entry))
            }
            _ => None,
        });
        about.collect()
    }

    /// The router of `session` has finished all that the session asked of it.
    pub fn close_inquiries(&mut self, session: Place) {
        for inquiry in &mut self.inquiries {
            inquiry.open &= inquiry.asker != session;
        }
    }

    /// The router has ended the session on `link`, as it may if somebody has asked for that.
    /// Says whether somebody has. `certainly` for nothing else.
    pub fn kill(&mut self, link: LinkId, next: Stand, certainly: bool) -> bool {
        let Stand::Open(session) = self.stands[&link] else { return false };
        let realm = self.sessions[session].realm;
        let mut killers = Vec::new();
        let mut silent = Vec::new();
        for (place, inquiry) in self.inquiries.iter().enumerate() {
            let Asking::Kill { victims, .. } = &inquiry.asking else { continue };
            let asker = inquiry.asker;
            let pending = inquiry.open || !self.sessions[asker].open && inquiry.certain.is_none();
            let same = self.sessions[asker].realm == realm && asker != session;
            if pending && same && self.is_victim(session, victims) {
                killers.push(place);
                silent.push(*victims == Victims::All);
            }
        }
        let (all, any) = (silent.iter().all(|silent| *silent), silent.contains(&true));
        let ending = match (killers.is_empty(), certainly) {
            (false, true) if all => Ending::Silent,
            (false, _) if any => Ending::MaybeTold,
            _ => Ending::Told,
        };
        let killed = !killers.is_empty();
        self.tell_of_threats(session);
        self.sessions[session].killed_by = killers;
        self.sessions[session].killed_surely = certainly;
        self.end_as(link, next, ending);
        killed
    }

    /// A session is behind an entry from now on.
    pub(super) fn now_behind(&mut self, session: Place, entry: (Kind, Place)) {
        for inquiry in self.inquiries.iter_mut().filter(|inquiry| inquiry.open) {
            if inquiry.entry == Some(entry) {
                inquiry.may.insert(session);
            }
        }
    }

    /// A session is behind an entry no more.
    pub(super) fn not_behind(&mut self, session: Place, entry: (Kind, Place)) {
        for inquiry in &mut self.inquiries {
            if inquiry.entry == Some(entry) {
                inquiry.must.remove(&session);
            }
        }
    }

    /// An entry has come to be.
    pub(super) fn on_created(&mut self, realm: usize, (kind, id): (Kind, u64)) {
        for inquiry in self.inquiries.iter_mut().filter(|inquiry| inquiry.open) {
            let lists = matches!(inquiry.asking, Asking::Entries(its, _) if its == kind);
            if lists && self.sessions[inquiry.asker].realm == realm {
                inquiry.may_entries.insert(id);
            }
        }
    }

    /// An entry is no more. Ids are of one realm, but to find less than there is does no harm.
    pub(super) fn on_deleted(&mut self, (kind, id): (Kind, u64)) {
        for inquiry in &mut self.inquiries {
            if matches!(inquiry.asking, Asking::Entries(its, _) if its == kind) {
                inquiry.must_entries.remove(&id);
            }
        }
    }

    /// What others wanted to take from a session may have been taken in the step in which it ends.
    fn tell_of_threats(&mut self, session: Place) {
        let (realm, step, source) = (self.sessions[session].realm, self.step, session);
        for (kind, id) in self.threatened(session) {
            self.apply(session, (kind, id));
            let topics = match kind {
                Kind::Registration => {
                    ["wamp.registration.on_unregister", "wamp.registration.on_delete"]
                }
                Kind::Subscription => {
                    ["wamp.subscription.on_unsubscribe", "wamp.subscription.on_delete"]
                }
            };
            let entries = self.entries(kind, realm);
            let place = entries.iter().find(|entry| entry.id == id).map(|entry| entry.place);
            let entry = place.map(|place| (kind, place));
            for topic in topics.into_iter().filter(|_| entry.is_some()) {
                self.facts.push(Fact { realm, source, step, topic, session, entry, loose: true });
            }
        }
    }
}

/// A registration or subscription, as the index has it.
struct Entry<'m> {
    place: Place,
    policy: MatchPolicy,
    uri: &'m String,
    id: u64,
}
