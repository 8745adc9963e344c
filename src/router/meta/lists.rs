//! Questions whose answers may be as long as a realm is large.
//!
//! Whoever lists a hundred thousand sessions, or looks through all of them for some to kill, again
//! and again, must not hold up anybody else's calls. So each shard works on such questions one
//! after the other and in slices, and spends on them only so much of its time: see [`Pace`]. A
//! list is therefore not of one moment: what comes or goes while it is made may be in it or not,
//! but what was there all the time is, and what was gone before it was asked for is not.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::conversation::Deadline;
use super::super::deadline::TICK;
use super::super::directory::{Directory, Identified};
use super::super::history::Search;
use super::super::realm::{Context, Realm};
use super::super::registrations::Registration;
use super::super::relay::{Head, Relay};
use super::super::subscriptions::Subscription;
use super::Kill;
use super::answers::{answer, write_ids};
use crate::env::Instant;
use crate::message::uri::MatchPolicy;
use crate::message::{Payload, RegistrationId, SessionId, SubscriptionId};
use crate::session::{Session, ShardId};
use crate::wire::{Serializer, Writer};

/// How much of a shard's time goes into long answers: what it looks at is counted in units of the
/// cheapest, and only so many are looked at in each tick. Who has been modest may ask for some
/// more at once, so that short lists are answered at once.
#[derive(Debug, Default)]
pub(in super::super) struct Pace {
    /// Below zero if the last step was a long one.
    credit: i64,
    ticks: u64,
    has_begun: bool,
}

/// Units of one slice, and of each tick: some 50 µs, one percent of a tick or two.
const SLICE: usize = 4_096;

/// Units that can be saved up.
const CREDIT_MAX: i64 = 32 * SLICE as i64;

/// What a question costs at least; what it costs to look at a session, at an entry of an index,
/// and to end a session. To copy an id is one unit.
const QUESTION: usize = 8;
const LOOK_AT_SESSION: usize = 8;
const LOOK_AT_ENTRY: usize = 2;
const END_SESSION: usize = 64;

impl Pace {
    /// What may be spent at once.
    fn grant(&mut self, now: Instant) -> usize {
        let ticks = now.as_nanos() / TICK.as_nanos() as u64;
        let passed = usize::try_from(ticks - self.ticks).unwrap_or(usize::MAX);
        self.ticks = ticks;
        self.credit = match self.has_begun {
            true => {
                let earned = i64::try_from(passed.saturating_mul(SLICE)).unwrap_or(i64::MAX);
                self.credit.saturating_add(earned).min(CREDIT_MAX)
            }
            false => CREDIT_MAX,
        };
        self.has_begun = true;
        usize::try_from(self.credit).unwrap_or(0).min(SLICE)
    }

    fn spend(&mut self, units: usize) {
        self.credit = self.credit.saturating_sub(i64::try_from(units).unwrap_or(i64::MAX));
    }
}

/// A question that is being worked on.
#[derive(Debug)]
struct Job {
    number: u64,
    from: ShardId,
    scan: Scan,
    /// Only how many there are is wanted.
    counts: bool,
    found: Vec<u64>,
}

/// What is looked through, and how far that has come.
#[derive(Debug)]
pub(super) enum Scan {
    /// The sessions of some roles, or all.
    Sessions { next: SessionId, roles: Option<Vec<Box<str>>> },
    /// Sessions that are to be ended.
    Kill { next: SessionId, victims: Victims },
    /// The subscribers of one subscription, from the last to the first: whoever takes the place
    /// of one that has left comes from behind.
    Subscribers { id: SubscriptionId, left: usize },
    /// The callees of one registration.
    Callees(RegistrationId),
    /// All registrations, segment by segment of their index.
    Registrations(Pages),
    /// All subscriptions.
    Subscriptions(Pages),
    /// The events of a history.
    Events(Box<Search>),
}

/// Which sessions are to be ended, and what they are told.
#[derive(Debug)]
pub(super) struct Victims {
    pub(super) kill: Kill,
    /// Their authid or authrole.
    pub(super) name: Box<str>,
    /// Who is spared.
    pub(super) caller: Option<SessionId>,
    pub(super) reason: Arc<str>,
    pub(super) message: Option<Arc<str>>,
}

impl Victims {
    fn are(&self, session: &Session) -> bool {
        let name = match self.kill {
            Kill::Authid => &session.identity.authid,
            Kill::Authrole => &session.identity.authrole,
            Kill::Session | Kill::All => return true,
        };
        **name == *self.name
    }
}

/// The questions that wait for a long answer, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lists {
    jobs: VecDeque<Job>,
    /// A deadline is set, at which the work goes on.
    is_resting: bool,
}

impl Lists {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Nobody waits for the answer to a question any more.
    pub(super) fn withdraw(&mut self, number: u64, from: ShardId) {
        self.jobs.retain(|job| {
            (job.number, job.from) != (number, from) || matches!(job.scan, Scan::Kill { .. })
        });
    }
}

impl Realm {
    /// Takes on a question of the shard `from`, and answers it at once if that costs little.
    pub(super) fn look_through(
        &mut self,
        (number, from): (u64, ShardId),
        (scan, counts): (Scan, bool),
        context: &mut Context<'_>,
    ) {
        let found = Vec::new();
        self.meta.lists.jobs.push_back(Job { number, from, scan, counts, found });
        if !self.meta.lists.is_resting {
            self.look_on(context);
        }
    }

    /// The next tick has come.
    pub(in super::super) fn on_tick(&mut self, context: &mut Context<'_>) {
        self.meta.lists.is_resting = false;
        self.look_on(context);
    }

    /// Works on what waits, for a slice.
    fn look_on(&mut self, context: &mut Context<'_>) {
        let mut room = context.pace.grant(context.now);
        while room > 0
            && let Some(mut job) = self.meta.lists.jobs.pop_front()
        {
            let is_awaited = self.is_awaited(&job, context);
            let (spent, is_done) = match is_awaited {
                true => self.slice(&mut job, room, context),
                false => (0, true),
            };
            context.pace.spend(spent + QUESTION);
            room = room.saturating_sub(spent + QUESTION);
            if is_done {
                self.give_found(job, context);
            } else {
                self.meta.lists.jobs.push_front(job);
            }
        }
        if !self.meta.lists.is_empty() && !self.meta.lists.is_resting {
            self.meta.lists.is_resting = true;
            let deadline = Deadline::Lists { realm: self.realm };
            context.deadlines.insert(context.now + TICK, deadline);
        }
    }

    /// Whether the caller is still there, as far as this shard knows. Whom it ordered to be killed
    /// is killed in any case, here as on the other shards.
    fn is_awaited(&self, job: &Job, context: &mut Context<'_>) -> bool {
        if job.from != context.peers.shard || matches!(job.scan, Scan::Kill { .. }) {
            return true;
        }
        let gathering = self.meta.gatherings.get(&job.number);
        gathering.is_some_and(|gathering| context.peers.find(gathering.call.caller).is_some())
    }

    /// Goes on with one question for about `room` units. Tells what that cost, and whether the
    /// answer is complete.
    fn slice(&mut self, job: &mut Job, room: usize, context: &mut Context<'_>) -> (usize, bool) {
        let found = &mut job.found;
        match &mut job.scan {
            Scan::Sessions { next, roles: None } => {
                let before = found.len();
                let mut rest = self.sessions.range(*next..).map(|(id, _)| *id);
                found.extend(rest.by_ref().take(room).map(|id| id.0));
                let end = rest.next();
                *next = end.unwrap_or_default();
                (found.len() - before, end.is_none())
            }
            Scan::Sessions { next, roles: Some(roles) } => {
                let has_role = |session: &Session| {
                    roles.iter().any(|role| **role == *session.identity.authrole)
                };
                self.look_at_sessions((next, room), has_role, found, context)
            }
            Scan::Kill { next, victims } => {
                let before = found.len();
                let spared = |session: &Session| victims.caller == Some(session.id);
                let meant = |session: &Session| victims.are(session) && !spared(session);
                // Whoever is found is ended as soon as the input in hand is done.
                let (spent, is_done) = self.look_at_sessions((next, room), meant, found, context);
                let dead = &found[before..];
                for id in dead {
                    self.condemn(SessionId(*id), victims, context);
                }
                (spent + dead.len() * END_SESSION, is_done)
            }
            Scan::Subscribers { id, left } => {
                let before = found.len();
                *left = self.broker.subscribers_of(*id, (*left, room), found);
                let spent = found.len() - before;
                let condemned = self.condemned_holders(*id, context);
                if !condemned.is_empty() {
                    found.retain(|id| condemned.binary_search(id).is_err());
                }
                (spent, *left == 0)
            }
            Scan::Callees(id) => {
                let known = self.shared.registrations.of_id(id.0);
                let callees = known.iter().flat_map(|known| known.callees.iter());
                found.extend(callees.map(|callee| callee.session.id.0));
                (found.len(), true)
            }
            Scan::Registrations(pages) => {
                let visit = |entry: &Registration| (entry.policy, entry.id.0);
                pages.turn(&self.shared.registrations, room, visit)
            }
            Scan::Subscriptions(pages) => {
                let visit = |entry: &Subscription| (entry.policy, entry.id.0);
                pages.turn(&self.shared.subscriptions, room, visit)
            }
            Scan::Events(search) => self.broker.histories.go_on(search, room),
        }
    }

    /// Looks at sessions from `next` on, and notes those that are `meant`.
    fn look_at_sessions(
        &self,
        (next, room): (&mut SessionId, usize),
        meant: impl Fn(&Session) -> bool,
        found: &mut Vec<u64>,
        context: &mut Context<'_>,
    ) -> (usize, bool) {
        let mut spent = 0;
        for (id, slot) in self.sessions.range(*next..) {
            if spent >= room {
                *next = *id;
                return (spent, false);
            }
            spent += LOOK_AT_SESSION;
            if context.peers.session(*slot).is_some_and(|session| meant(session)) {
                found.push(id.0);
            }
        }
        (spent, true)
    }

    /// Tells the shard that asked what was found.
    fn give_found(&mut self, job: Job, context: &mut Context<'_>) {
        let found = match job.counts {
            true => vec![job.found.len() as u64],
            false => job.found,
        };
        let head = Head::Answer(job.number);
        let arguments = match job.scan {
            Scan::Events(search) => {
                let answer = search.answer();
                context.peers.counters.undeliverable_events += answer.undeliverable_count;
                let relay = Relay { payload: answer.payload(), ..Relay::of(head) };
                return self.pass(job.from, &relay, context);
            }
            Scan::Registrations(pages) | Scan::Subscriptions(pages) => pages.arguments(),
            Scan::Callees(_) => answer(|writer| write_ids(&found, writer)),
            Scan::Sessions { .. } | Scan::Kill { .. } | Scan::Subscribers { .. } => Vec::new(),
        };
        let payload = Payload::from_elements(Serializer::MessagePack, (&arguments, &[]), false);
        self.pass(job.from, &Relay { ids: &found, payload, ..Relay::of(head) }, context);
    }
}

/// An index, as far as it was looked through.
#[derive(Debug, Default)]
pub(super) struct Pages {
    segment: usize,
    /// Ids by the way they are matched.
    lists: [Vec<u64>; 3],
}

impl Pages {
    fn turn<T: Identified>(
        &mut self,
        directory: &Directory<T>,
        room: usize,
        visit: impl Fn(&T) -> (MatchPolicy, u64),
    ) -> (usize, bool) {
        let mut spent = 0;
        while spent < room && self.segment < Directory::<T>::SEGMENTS {
            let starts = self.lists.each_ref().map(Vec::len);
            directory.for_each_of(self.segment, &mut |entry| {
                let (policy, id) = visit(entry);
                self.lists[policy as usize].push(id);
                spent += LOOK_AT_ENTRY;
            });
            // What is sorted piece by piece is sorted quickly in the end.
            for (list, start) in self.lists.iter_mut().zip(starts) {
                list[start..].sort_unstable();
            }
            self.segment += 1;
        }
        (spent, self.segment == Directory::<T>::SEGMENTS)
    }

    fn arguments(mut self) -> Vec<u8> {
        answer(|writer| {
            writer.dict(self.lists.len());
            for (policy, ids) in MatchPolicy::ALL.into_iter().zip(&mut self.lists) {
                // It finds the pieces.
                ids.sort();
                writer.key(policy.name());
                write_ids(ids, writer);
            }
            writer.end_dict();
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn what_nobody_waits_for_is_not_worked_on_but_a_kill_is() {
        let victims = Victims {
            kill: Kill::All,
            name: "".into(),
            caller: None,
            reason: "".into(),
            message: None,
        };
        let sessions = || Scan::Sessions { next: SessionId::default(), roles: None };
        let kill = Scan::Kill { next: SessionId::default(), victims };
        let mut lists = Lists::default();
        for (number, from, scan) in [(1, 0, sessions()), (1, 1, sessions()), (2, 0, kill)] {
            let (from, found) = (ShardId(from), Vec::new());
            lists.jobs.push_back(Job { number, from, scan, counts: false, found });
        }
        lists.withdraw(1, ShardId(0));
        lists.withdraw(2, ShardId(0));
        let left: Vec<_> = lists.jobs.iter().map(|job| (job.number, job.from.0)).collect();
        assert_eq!(left, [(1, 1), (2, 0)]);
    }

    #[test]
    fn so_much_is_spent_and_no_more() {
        let mut pace = Pace::default();
        let mut spend_all = |now| {
            let mut sum = 0;
            while let room @ 1.. = pace.grant(now) {
                pace.spend(room);
                sum += room;
            }
            i64::try_from(sum).unwrap()
        };
        assert_eq!(spend_all(at(1_000_000)), CREDIT_MAX);
        assert_eq!(spend_all(at(1_000_003)), 0);
        assert_eq!(spend_all(at(1_000_004)), SLICE as i64);
        assert_eq!(spend_all(at(1_000_012)), 2 * SLICE as i64);
        assert_eq!(spend_all(at(9_000_000)), CREDIT_MAX);
        // One long step is paid for before the next.
        pace.spend(10 * SLICE);
        assert_eq!(pace.grant(at(9_000_040)), 0);
        assert_eq!(pace.grant(at(9_000_044)), SLICE);
    }
}
