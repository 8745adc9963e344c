//! What the reference router leaves to an authorizer: who waits for it, and what it has said.

use super::{Answer, Model, Place, is_legal};
use crate::env::Instant;
use crate::message::MatchPolicy;
use crate::message::uri::error;
use crate::sim::rights::Effect;
use crate::sim::said::Said;

/// What an authorizer thinks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// It may be; and whether that may be used again.
    Yes {
        /// For as long as answers count.
        again: bool,
    },
    /// It may not be.
    No,
    /// Nobody has said so, or nobody understands what was said.
    Unknown,
}

/// A request that waits for what an authorizer says.
#[derive(Clone, Debug)]
pub struct Waiting {
    said: Said,
    /// What is said now will not be kept: something was forgotten meanwhile.
    stale: bool,
}

/// What was decided once, for one session.
#[derive(Clone, Debug)]
pub struct Kept {
    session: Place,
    wish: Wish,
    opinion: Opinion,
    until: Instant,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    code: u64,
    request: u64,
    action: &'static str,
    policy: MatchPolicy,
    uri: String,
    force: bool,
    /// It wants to be told what comes of it.
    is_told: bool,
}

impl Wish {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is an action")]
    fn of(said: &Said) -> Option<Self> {
        let wish = |code, request: &u64, action, uri: &str| Self {
            code,
            request: *request,
            action,
            policy: MatchPolicy::Exact,
            uri: uri.to_owned(),
            force: false,
            is_told: true,
        };
        Some(match said {
            Said::Publish { request, publishing } => Self {
                is_told: publishing.acknowledge,
                ..wish(16, request, "publish", &publishing.topic)
            },
            Said::Subscribe { request, policy, topic, .. } => {
                Self { policy: *policy, ..wish(32, request, "subscribe", topic) }
            }
            Said::Call { request, calling } => wish(48, request, "call", &calling.procedure),
            Said::Ask { request, asking } => wish(48, request, "call", &asking.procedure()),
            Said::Register { request, registering } => Self {
                policy: registering.policy,
                force: registering.force,
                ..wish(64, request, "register", &registering.procedure)
            },
            _ => return None,
        })
    }

    /// Whether it is about the same, as far as authorizers are asked.
    fn is_like(&self, other: &Self) -> bool {
        (self.action, self.policy, &self.uri) == (other.action, other.policy, &other.uri)
    }
}

impl Model {
    /// Whether a request of `session` has to wait for an authorizer. If one was asked before, what
    /// it said then is what it says.
    ///
    /// # Panics
    ///
    /// If the router went on without anybody having been asked.
    pub(super) fn waits(&mut self, session: Place, said: &Said) -> bool {
        self.said = None;
        let Some(wish) = Wish::of(said) else { return false };
        let object = (wish.policy, wish.uri.as_str());
        if !is_legal(&wish.uri, wish.policy)
            || self.judge(session, wish.action, object) != Effect::Ask
            || wish.action == "register" && self.forbids_takeover(session, wish.force, object)
        {
            return false;
        }
        if self.asks {
            self.sessions[session].waiting = Some(Waiting { said: said.clone(), stale: false });
            return true;
        }
        let mut kept = self.kept.iter().rev();
        let known = kept.find(|kept| kept.session == session && kept.wish.is_like(&wish));
        let known = known.filter(|known| self.now < known.until);
        self.said = Some(known.expect("nobody was asked").opinion);
        false
    }

    /// An authorizer has said what it thinks of the request with which `session` waits.
    pub fn decide(&mut self, session: Place, opinion: Opinion) {
        let waiting = self.sessions[session].waiting.take();
        let Waiting { said, stale } = waiting.expect("the caller has looked");
        let wish = Wish::of(&said).expect("it was one when it came");
        let cache = self.rights_of(session).cache.unwrap_or_default();
        let may_keep = matches!(opinion, Opinion::Yes { again: true } | Opinion::No);
        if may_keep && !stale && !cache.is_zero() {
            let (until, wish) = (self.now + cache, wish.clone());
            self.kept.push(Kept { session, wish, opinion, until });
        }
        let reason = match opinion {
            Opinion::Yes { .. } => {
                self.said = Some(opinion);
                return self.fulfil(session, &said);
            }
            Opinion::No => error::NOT_AUTHORIZED,
            Opinion::Unknown => error::AUTHORIZATION_FAILED,
        };
        self.refuse_waiting(session, &wish, reason);
    }

    fn refuse_waiting(&mut self, session: Place, wish: &Wish, reason: &'static str) {
        if wish.is_told {
            let refused = Answer::Refused(wish.code, reason);
            self.sessions[session].answers.insert(wish.request, refused);
        }
    }

    /// What `session` waits for is not decided any more: the router ends it.
    pub(super) fn give_up_waiting(&mut self, session: Place) {
        let Some(waiting) = self.sessions[session].waiting.take() else { return };
        let wish = Wish::of(&waiting.said).expect("it was one when it came");
        self.refuse_waiting(session, &wish, error::CANCELED);
    }

    /// What authorizers have said to those of a shard does not count any more.
    pub(super) fn forget_opinions(&mut self, shard: usize) {
        let sessions = &mut self.sessions;
        self.kept.retain(|kept| sessions[kept.session].shard != shard);
        for session in sessions.iter_mut().filter(|session| session.shard == shard) {
            session.waiting.iter_mut().for_each(|waiting| waiting.stale = true);
        }
    }
}
