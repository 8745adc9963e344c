//! Registrations: what all shards know of them, and who of the callees gets a call.

use std::sync::atomic::{AtomicU64, Ordering};

use super::directory::Identified;
use crate::env::{Random, rfc3339};
use crate::message::{MatchPolicy, RegistrationId, SessionId};
use crate::session::SessionRef;
use crate::wire::Writer;

/// Which of several callees gets a call.
// spec: advanced/rpc_shared_registration
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum InvokePolicy {
    /// There is only one.
    #[default]
    Single,
    /// The one that has been there longest.
    First,
    /// The one that came last.
    Last,
    /// One after the other.
    RoundRobin,
    /// Any, each as likely.
    Random,
}

impl InvokePolicy {
    /// Its name in Options and Details.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::First => "first",
            Self::Last => "last",
            Self::RoundRobin => "roundrobin",
            Self::Random => "random",
        }
    }

    /// The policy of that name in `REGISTER.Options.invoke`.
    #[must_use]
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "single" => Some(Self::Single),
            "first" => Some(Self::First),
            "last" => Some(Self::Last),
            "roundrobin" => Some(Self::RoundRobin),
            "random" => Some(Self::Random),
            _ => None,
        }
    }
}

/// A session behind a registration, with what the caller's shard must know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Callee {
    /// Who.
    pub(super) session: SessionRef,
    /// It takes INTERRUPT.
    pub(super) call_canceling: bool,
    /// It can yield in parts.
    pub(super) progressive_call_results: bool,
    /// It can be invoked in parts.
    pub(super) progressive_call_invocations: bool,
    /// It takes payloads that only it can read.
    pub(super) payload_passthru_mode: bool,
    /// It may decline a call so that another gets it.
    pub(super) call_reroute: bool,
    /// It minds timeouts itself, and wants to be told them.
    pub(super) forward_timeout: bool,
    /// It wants to know who calls.
    pub(super) disclose_caller: bool,
}

/// What all shards know of a registration: an entry of the index, replaced whole.
#[derive(Debug)]
pub(super) struct Registration {
    /// Its id, the same for all its callees.
    pub(super) id: RegistrationId,
    /// Its procedure or pattern.
    pub(super) uri: Box<str>,
    /// When it came to be, in milliseconds of Unix time.
    pub(super) created_ms: u64,
    /// How its procedure is matched.
    pub(super) policy: MatchPolicy,
    /// Who gets a call; settled by the first callee.
    pub(super) invoke: InvokePolicy,
    /// In the order in which they registered; never empty.
    pub(super) callees: Box<[Callee]>,
    /// For round robin: how many places have had their turn, in this round or in all since the
    /// callees were last others. One count for all shards.
    cursor: AtomicU64,
}

impl Registration {
    /// A registration with its first callee.
    #[must_use]
    pub(super) fn new(
        (id, created_ms): (RegistrationId, u64),
        (policy, uri): (MatchPolicy, &str),
        invoke: InvokePolicy,
        callee: Callee,
    ) -> Self {
        let callees = Box::new([callee]);
        let (uri, cursor) = (uri.into(), AtomicU64::default());
        Self { id, uri, created_ms, policy, invoke, callees, cursor }
    }

    /// The same with one callee more.
    #[must_use]
    pub(super) fn with(&self, callee: Callee) -> Self {
        let callees = self.callees.iter().copied().chain([callee]).collect();
        self.replaced(callees, self.turns())
    }

    /// The same without the callee `session`; `None` if nobody is left.
    #[must_use]
    pub(super) fn without(&self, session: SessionId) -> Option<Self> {
        let left = self.callees.iter().copied().filter(|callee| callee.session.id != session);
        let callees: Box<[Callee]> = left.collect();
        let turns = self.turns();
        let had_turn = self.callees.iter().take(turns as usize);
        let gone = had_turn.filter(|callee| callee.session.id == session).count() as u64;
        (!callees.is_empty()).then(|| self.replaced(callees, turns - gone))
    }

    /// Whether `session` is one of the callees.
    #[must_use]
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.callees.iter().any(|callee| callee.session.id == session)
    }

    /// Who gets the next call.
    // spec: advanced/rpc_shared_registration
    pub(super) fn pick(&self, random: &mut Random) -> Callee {
        let count = self.callees.len() as u64;
        let place = match self.invoke {
            InvokePolicy::Single | InvokePolicy::First => 0,
            InvokePolicy::Last => count - 1,
            InvokePolicy::RoundRobin => self.cursor.fetch_add(1, Ordering::Relaxed) % count,
            InvokePolicy::Random => random.below(count),
        };
        self.callees[place as usize]
    }

    /// Who gets a call that all of `tried` declined, the last of them last, if it `may`.
    // spec: advanced/rpc_call_rerouting
    pub(super) fn next(
        &self,
        tried: &[SessionId],
        may: impl Fn(&Callee) -> bool,
        random: &mut Random,
    ) -> Option<Callee> {
        let untried = |callee: &&Callee| may(callee) && !tried.contains(&callee.session.id);
        let declined = |callee: &Callee| tried.last() == Some(&callee.session.id);
        let at = self.callees.iter().position(declined).unwrap_or(0);
        let (before, behind) = self.callees.split_at(at);
        match self.invoke {
            InvokePolicy::Single => None,
            InvokePolicy::First | InvokePolicy::RoundRobin => {
                behind.iter().chain(before).find(untried).copied()
            }
            InvokePolicy::Last => {
                before.iter().rev().chain(behind.iter().rev()).find(untried).copied()
            }
            InvokePolicy::Random => {
                let left: Vec<_> = self.callees.iter().filter(untried).collect();
                let place = (!left.is_empty()).then(|| random.below(left.len() as u64))?;
                left.get(place as usize).copied().copied()
            }
        }
    }

    /// How many callees have had their turn in the round that is going on; all of them if it is
    /// just over, so that a callee that comes now is the next.
    fn turns(&self) -> u64 {
        let turns = self.cursor.load(Ordering::Relaxed);
        turns.checked_sub(1).map_or(0, |last| last % self.callees.len() as u64 + 1)
    }

    /// Others take turns from where these are, so that nobody is passed over or called twice.
    fn replaced(&self, callees: Box<[Callee]>, turns: u64) -> Self {
        Self { callees, uri: self.uri.clone(), cursor: AtomicU64::new(turns), ..*self }
    }

    // spec: advanced/meta_api_registrations — RegistrationDetails
    pub(super) fn write_details<'o>(&self, writer: &mut impl Writer<'o>) {
        writer.dict(5);
        writer.key("id");
        writer.integer(self.id.0);
        writer.key("created");
        writer.text(&rfc3339(self.created_ms));
        writer.key("uri");
        writer.text(&self.uri);
        writer.key("match");
        writer.text(self.policy.name());
        writer.key("invoke");
        writer.text(self.invoke.name());
        writer.end_dict();
    }
}

impl Identified for Registration {
    fn id(&self) -> u64 {
        self.id.0
    }
}
