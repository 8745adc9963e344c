//! What a session wants, held against its role before broker or dealer see it.

use super::super::advice::memory::Matter;
use super::super::notice::Notice;
use super::super::realm::{Context, Realm, Refusal};
use super::super::subscriptions::Subscription;
use super::{Action, Effect, Role};
use crate::message::uri::{self, MatchPolicy};
use crate::message::{Call, Message, Register, SessionId};
use crate::session::{Identity, Session};

/// What an authorizer has granted beyond what was asked.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Granted {
    /// Who it was, by its index in the realm.
    pub(in super::super) authorizer: u16,
    /// The peer is told of, whatever the rules say.
    pub(in super::super) discloses: bool,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'m> {
    pub(super) action: Action,
    pub(super) policy: MatchPolicy,
    pub(super) uri: &'m str,
    /// It wants to push others out.
    force: bool,
}

impl<'m> Wish<'m> {
    /// What `message` wants, if that is for anybody to decide. Another part of a call that is
    /// under way was decided with the first one; if the right is lost meanwhile the call ends then.
    // spec: advanced/authorization
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is an action")]
    pub(super) fn of(message: &'m Message<'_>, session: &Session) -> Option<Self> {
        let exact = Self::exact;
        Some(match message {
            Message::Call(call) if continues(call, session) => return None,
            Message::Call(call) => exact(Action::Call, &call.procedure),
            Message::Publish(publish) => exact(Action::Publish, &publish.topic),
            Message::Subscribe(subscribe) => Self {
                policy: subscribe.options.r#match.unwrap_or_default(),
                ..exact(Action::Subscribe, &subscribe.topic)
            },
            Message::Register(register) => Self {
                policy: register.options.r#match.unwrap_or_default(),
                force: wants_force(register),
                ..exact(Action::Register, &register.procedure)
            },
            _ => return None,
        })
    }

    pub(super) const fn exact(action: Action, uri: &'m str) -> Self {
        Self { action, policy: MatchPolicy::Exact, uri, force: false }
    }

    /// What an authorizer in that place of that realm decides about if `session` wants this.
    pub(super) fn matter(&self, (realm, authorizer): (u16, u16), session: SessionId) -> Matter<'m> {
        let (policy, uri) = (self.policy, self.uri);
        Matter { realm, authorizer, session, action: self.action as u8, policy, uri }
    }

    /// Whether any procedure at all fits what it wants to register.
    fn captures_all(&self) -> bool {
        self.action == Action::Register && fits_all(self.policy, self.uri)
    }
}

/// Whether a CALL is another part of one that is under way.
fn continues(call: &Call<'_>, session: &Session) -> bool {
    session.caller_has(|features| features.progressive_call_invocations)
        && session.calls.contains_key(&call.request)
}

/// Whether a pattern says nothing of what it is for: `takeover` is needed to register it.
#[must_use]
pub fn fits_all(policy: MatchPolicy, uri: &str) -> bool {
    policy != MatchPolicy::Exact && uri.split('.').all(str::is_empty)
}

/// Whether a REGISTER wants to push others out.
fn wants_force(register: &Register<'_>) -> bool {
    register.options.force_reregister == Some(true)
}

impl Realm {
    /// Whether the session in `slot` may say what it says; if an authorizer is to be asked, which.
    pub(in super::super) fn authorize(
        &self,
        slot: u32,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) -> Result<Option<u16>, Refusal> {
        let Some(session) = context.peers.session(slot) else { return Ok(None) };
        if session.identity.role.is_unrestricted() {
            return Ok(None);
        }
        let Some(wish) = Wish::of(message, session) else { return Ok(None) };
        let (role, authid) = (&session.identity.role, &*session.identity.authid);
        let (ruling, mut steps) = role.weigh(wish.action, (wish.policy, wish.uri), authid);
        let denied =
            ruling.effect == Effect::Deny || !self.may_take_over(role, &wish, authid, &mut steps);
        context.peers.work += steps / STEPS_PER_MESSAGE;
        let asks =
            if let Effect::Ask(authorizer) = ruling.effect { Some(authorizer) } else { None };
        if !denied && asks.is_none() {
            return Ok(None);
        }
        // What is no URI is refused as such, by whoever it is for.
        if !uri::is_valid_pattern(wish.uri, wish.policy, self.shared.uri_check) {
            return Ok(None);
        }
        if denied { Err(self.deny(slot, &wish, context)) } else { Ok(asks) }
    }

    /// Whether a session may register what takes from others, if that is what it wants. The realm
    /// may allow `force_reregister` to all whose role says nothing of it. What it took to find out
    /// is added to `steps`.
    fn may_take_over(&self, role: &Role, wish: &Wish<'_>, authid: &str, steps: &mut usize) -> bool {
        if !wish.force && !wish.captures_all() {
            return true;
        }
        let (ruling, taken) = role.weigh(Action::Takeover, (wish.policy, wish.uri), authid);
        *steps += taken;
        let by_realm = self.shared.options.force_reregister && !wish.captures_all();
        ruling.effect == Effect::Allow || ruling.rule.is_none() && by_realm
    }

    /// Refuses a procedure that takes from others unless a rule names it, which is more than to
    /// allow, say, all calls.
    pub(in super::super) fn require_named(
        &self,
        slot: u32,
        procedure: &str,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(session) = context.peers.session(slot) else { return Ok(()) };
        let Identity { role, authid, .. } = &session.identity;
        if role.names(Action::Call, procedure, authid) {
            return Ok(());
        }
        Err(self.deny(slot, &Wish::exact(Action::Call, procedure), context))
    }

    /// Refuses to keep a testament for a topic to which the session in `slot` may not publish.
    /// What an authorizer would have to be asked is refused too: when it is published nobody is
    /// left to wait.
    pub(in super::super) fn require_publish(
        &self,
        slot: u32,
        topic: &str,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(session) = context.peers.session(slot) else { return Ok(()) };
        let Identity { role, authid, .. } = &session.identity;
        if role.decide(Action::Publish, topic, authid).effect == Effect::Allow {
            return Ok(());
        }
        Err(self.deny(slot, &Wish::exact(Action::Publish, topic), context))
    }

    /// Refuses to tell the session in `slot` of events for which it may not subscribe. One that
    /// has subscribed may, whoever has decided about it.
    // spec: advanced/pubsub_event_history#security-aspects
    pub(in super::super) fn require_subscribe(
        &self,
        slot: u32,
        entry: &Subscription,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(session) = context.peers.session(slot) else { return Ok(()) };
        let Identity { role, authid, .. } = &session.identity;
        let object = (entry.policy, &*entry.uri);
        if session.subscriptions.contains(&entry.id) {
            return Ok(());
        }
        let (ruling, steps) = role.weigh(Action::Subscribe, object, authid);
        context.peers.work += steps / STEPS_PER_MESSAGE;
        if ruling.effect == Effect::Allow {
            return Ok(());
        }
        let wish = Wish { policy: entry.policy, ..Wish::exact(Action::Subscribe, &entry.uri) };
        Err(self.deny(slot, &wish, context))
    }

    /// Counts a denial and has it told to the operator.
    pub(super) fn deny(&self, slot: u32, wish: &Wish<'_>, context: &mut Context<'_>) -> Refusal {
        let now = context.now;
        context.peers.counters.denials += 1;
        if let Some(session) = context.peers.session(slot) {
            let identity = session.identity.clone();
            context.peers.notices.note(now, || Notice::Denied {
                authid: identity.authid,
                authrole: identity.authrole,
                action: wish.action,
                uri: wish.uri.into(),
            });
        }
        Refusal::new(uri::error::NOT_AUTHORIZED)
    }

    /// Tells the peer in `slot` that its request is refused. A PUBLISH is so in silence, unless it
    /// asked to be told.
    // spec: basic/publish_subscribe#publishing
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is a request")]
    pub(in super::super) fn refuse(
        slot: u32,
        message: &Message<'_>,
        Refusal(error): Refusal,
        context: &mut Context<'_>,
    ) {
        let request = match message {
            Message::Publish(publish) if publish.options.acknowledge != Some(true) => return,
            Message::Publish(publish) => publish.request,
            Message::Subscribe(subscribe) => subscribe.request,
            Message::Unsubscribe(unsubscribe) => unsubscribe.request,
            Message::Call(call) => call.request,
            Message::Cancel(cancel) => cancel.request,
            Message::Register(register) => register.request,
            Message::Unregister(unregister) => unregister.request,
            _ => return,
        };
        context.peers.tell(slot, super::super::realm::error_of(message.code(), request, error));
    }
}

/// Steps of holding a pattern against rules in the time in which a message is routed.
const STEPS_PER_MESSAGE: usize = 32;
