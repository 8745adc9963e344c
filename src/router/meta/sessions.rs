//! Sessions as the meta API sees and ends them, and the testaments they leave.

use std::sync::Arc;

use super::super::config::{Action, Disclosure};
use super::super::realm::{Context, Realm, Refusal};
use super::answers::answer;
use super::arguments::Arguments;
use super::events::{Way, write_session};
use super::lists::Victims;
use super::{Kill, Outcome};
use crate::limits::TESTAMENTS_BYTES_MAX;
use crate::message::layout::Element;
use crate::message::options::{KillKeywords, TestamentKeywords};
use crate::message::uri;
use crate::message::{RegistrationId, SessionId, SubscriptionId, Text, UriCheck};
use crate::session::{CallRef, KeptPayload, Testament};
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::{Kind, Serializer, Writer};

/// A session that is to be ended once the input in hand is done.
#[derive(Debug)]
pub(in super::super) struct Condemned {
    pub(in super::super) slot: u32,
    pub(in super::super) reason: Arc<str>,
    pub(in super::super) message: Option<Arc<str>>,
    /// Nobody is told: all but the caller are ended.
    pub(in super::super) silently: bool,
}

impl Realm {
    /// What is told of one session of this realm and shard.
    pub(super) fn session_details(
        &self,
        mut asked: Arguments<'_>,
        arguments: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let id = SessionId(asked.required()?);
        let unknown = Refusal::new(uri::error::NO_SUCH_SESSION);
        let slot = *self.sessions.get(&id).ok_or(unknown)?;
        let way = Way::of(slot, context.peers);
        let session = context.peers.session(slot).ok_or(unknown)?;
        *arguments = answer(|writer| write_session(id, &session.identity, way.as_ref(), writer));
        Ok(())
    }

    /// Which sessions of this realm and shard are to be ended, except for `caller`.
    // spec: advanced/meta_api_sessions#kill
    pub(super) fn victims(
        kill: Kill,
        mut asked: Arguments<'_>,
        caller: Option<SessionId>,
    ) -> Result<Victims, Refusal> {
        let keywords: KillKeywords<'_> = asked.keywords()?;
        let reason = keywords.reason.as_deref().unwrap_or(uri::close::KILLED);
        if !uri::is_valid(reason, UriCheck::Loose) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let name = match kill {
            Kill::Authid | Kill::Authrole => asked.required::<Text<'_>>()?.as_ref().into(),
            Kill::Session | Kill::All => Box::default(),
        };
        let message = keywords.message.as_deref().map(Into::into);
        Ok(Victims { kill, name, caller, reason: reason.into(), message })
    }

    /// Has one session of this realm and shard ended.
    // spec: advanced/meta_api_sessions#kill
    pub(super) fn kill_one(
        &mut self,
        id: SessionId,
        victims: &Victims,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if victims.caller == Some(id) || !self.condemn(id, victims, context) {
            return Err(Refusal::new(uri::error::NO_SUCH_SESSION));
        }
        Ok(())
    }

    /// Has a session ended once the input in hand is done, if it is here. No question finds it
    /// from here on.
    pub(super) fn condemn(
        &mut self,
        id: SessionId,
        victims: &Victims,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(slot) = self.sessions.remove(&id) else { return false };
        context.peers.condemned.push(Condemned {
            slot,
            reason: Arc::clone(&victims.reason),
            message: victims.message.clone(),
            silently: victims.kill == Kill::All,
        });
        true
    }

    /// Who of this realm and shard holds a subscription and is to be ended once the input in hand
    /// is done; in order.
    pub(super) fn condemned_holders(
        &self,
        id: SubscriptionId,
        context: &mut Context<'_>,
    ) -> Vec<u64> {
        let slots: Vec<u32> = context.peers.condemned.iter().map(|known| known.slot).collect();
        let mut holders = Vec::new();
        for slot in slots {
            let Some(session) = context.peers.session(slot) else { continue };
            if session.realm == self.realm && session.subscriptions.contains(&id) {
                holders.push(session.id.0);
            }
        }
        holders.sort_unstable();
        holders
    }

    /// Takes a registration from a session of this realm and shard.
    // spec: advanced/rpc_registration_revocation
    pub(super) fn remove_callee(
        &mut self,
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let registration = RegistrationId(asked.required()?);
        let slot = self.slot_of(&mut asked)?;
        let reason = asked.reason()?;
        self.dealer.remove_callee(slot, registration, &reason, context)
    }

    /// Takes a subscription from a session of this realm and shard.
    // spec: advanced/pubsub_subscription_revocation
    pub(super) fn remove_subscriber(
        &mut self,
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let subscription = SubscriptionId(asked.required()?);
        let slot = self.slot_of(&mut asked)?;
        let reason = asked.reason()?;
        self.broker.revoke(slot, subscription, &reason, context)
    }

    /// The slot of the session that the next argument names.
    fn slot_of(&self, asked: &mut Arguments<'_>) -> Result<u32, Refusal> {
        let slot = self.sessions.get(&SessionId(asked.required()?));
        slot.copied().ok_or(Refusal::new(uri::error::NO_SUCH_SESSION))
    }

    /// Keeps what is to be published when the caller's session is gone.
    pub(super) fn add_testament(
        &mut self,
        call: CallRef,
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        let topic: Text<'_> = asked.required()?;
        if !uri::is_valid(&topic, self.shared.uri_check) || uri::is_reserved(&topic) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        self.require_publish(call.caller.slot, &topic, context)?;
        let arguments = asked.raw(Kind::List)?;
        let arguments_kw = asked.raw(Kind::Dict)?.unwrap_or_default();
        // Keywords have arguments before them, if only none.
        let none: &[u8] = if arguments_kw.is_empty() { &[] } else { EMPTY_LIST };
        let arguments = arguments.unwrap_or(none);
        let keywords: TestamentKeywords<'_> = asked.keywords()?;
        let scope = scope_of(keywords.scope.as_deref())?;
        let options = keywords.publish_options.unwrap_or_default();
        if options.receivers.as_ref().is_some_and(|receivers| receivers.are_too_many()) {
            return Err(Refusal::new(uri::error::INVALID_ARGUMENT));
        }
        let mut kept = Vec::new();
        Element::write(&options, &mut MsgPackWriter::open(&mut kept));
        let limits = context.limits;
        let Some(session) = context.peers.find(call.caller) else {
            return Ok(Outcome::Answer(Vec::new()));
        };
        let realm = self.shared.options.disclosure;
        let disclosure = session.identity.disclosure(Action::Publish, &topic, realm);
        if options.disclose_me == Some(true) && disclosure == Disclosure::Deny {
            return Err(Refusal::new(uri::error::DISCLOSURE_NOT_ALLOWED));
        }
        let count = session.testaments.iter().map(Vec::len).sum::<usize>();
        let bytes = session.testaments.iter().flatten().map(Testament::bytes_count).sum::<usize>();
        let more = arguments.len() + arguments_kw.len() + kept.len() + topic.len();
        if count >= limits.testaments_max || bytes + more > TESTAMENTS_BYTES_MAX {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        session.testaments[scope].push(Testament {
            topic: topic.into(),
            payload: KeptPayload {
                serializer: Serializer::MessagePack,
                arguments: arguments.into(),
                arguments_kw: arguments_kw.into(),
                transparent: false,
            },
            options: kept.into(),
        });
        Ok(Outcome::Answer(Vec::new()))
    }

    /// Forgets the testaments of one scope of the caller's session.
    pub(super) fn flush_testaments(
        &mut self,
        call: CallRef,
        asked: &Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        let keywords: TestamentKeywords<'_> = asked.keywords()?;
        let scope = scope_of(keywords.scope.as_deref())?;
        if let Some(session) = context.peers.find(call.caller) {
            session.testaments[scope] = Vec::new();
        }
        Ok(Outcome::Answer(Vec::new()))
    }
}

/// A list of nothing, in MessagePack.
const EMPTY_LIST: &[u8] = &[0x90];

/// Detached testaments are published before destroyed ones.
fn scope_of(name: Option<&str>) -> Result<usize, Refusal> {
    match name {
        Some("detached") => Ok(0),
        None | Some("destroyed") => Ok(1),
        Some(_) => Err(Refusal::new(uri::error::INVALID_ARGUMENT)),
    }
}
