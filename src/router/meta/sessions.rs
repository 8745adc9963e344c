//! Sessions as the meta API sees and ends them, and the testaments they leave.

use std::sync::Arc;

use super::super::config::Disclosure;
use super::super::realm::{Context, Realm, Refusal};
use super::arguments::Arguments;
use super::events::write_session;
use super::{Kill, Outcome, answer};
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
    /// Sessions of this realm and shard that have one of the given roles, if roles are given.
    pub(super) fn sessions_with_roles(
        &self,
        mut asked: Arguments<'_>,
        ids: &mut Vec<u64>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let roles: Option<Vec<Text<'_>>> = asked.roles()?;
        for (id, slot) in &self.sessions {
            let Some(session) = context.peers.session(*slot) else { continue };
            let role = &*session.identity.authrole;
            if roles.as_ref().is_none_or(|roles| roles.iter().any(|wanted| wanted == role)) {
                ids.push(id.0);
            }
        }
        Ok(())
    }

    /// What is told of one session of this realm and shard.
    pub(super) fn session_details(
        &self,
        mut asked: Arguments<'_>,
        arguments: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let id = SessionId(asked.required()?);
        let slot = self.sessions.get(&id);
        let session = slot.and_then(|slot| context.peers.session(*slot));
        let session = session.ok_or(Refusal::new(uri::error::NO_SUCH_SESSION))?;
        *arguments = answer(|writer| write_session(id, &session.identity, writer));
        Ok(())
    }

    /// Has sessions of this realm and shard ended. `caller` is spared.
    // spec: advanced/meta_api_sessions#kill
    pub(super) fn condemn(
        &mut self,
        kill: Kill,
        (mut asked, caller): (Arguments<'_>, &[u64]),
        ids: &mut Vec<u64>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let keywords: KillKeywords<'_> = asked.keywords()?;
        let reason = keywords.reason.as_deref().unwrap_or(uri::close::KILLED);
        if !uri::is_valid(reason, UriCheck::Loose) {
            return Err(Refusal::new(uri::error::INVALID_URI));
        }
        let spared = |id: u64| caller.contains(&id);
        match kill {
            Kill::Session => {
                let id: u64 = asked.required()?;
                let here = self.sessions.contains_key(&SessionId(id));
                if !here || spared(id) {
                    return Err(Refusal::new(uri::error::NO_SUCH_SESSION));
                }
                ids.push(id);
            }
            Kill::Authid | Kill::Authrole => {
                let wanted: Text<'_> = asked.required()?;
                for (id, slot) in &self.sessions {
                    let Some(session) = context.peers.session(*slot) else { continue };
                    let by_authid = kill == Kill::Authid;
                    let identity = &session.identity;
                    let name = if by_authid { &identity.authid } else { &identity.authrole };
                    if **name == *wanted && !spared(id.0) {
                        ids.push(id.0);
                    }
                }
            }
            Kill::All => ids.extend(self.sessions.keys().map(|id| id.0).filter(|id| !spared(*id))),
        }
        let (reason, message) = (reason.into(), keywords.message.as_deref().map(Into::into));
        for id in ids.iter() {
            // From here on no question finds it, though it ends with the input in hand.
            let slot = self.sessions.remove(&SessionId(*id));
            let condemned = Condemned {
                slot: slot.expect("it was found here"),
                reason: Arc::clone(&reason),
                message: message.clone(),
                silently: kill == Kill::All,
            };
            context.peers.condemned.push(condemned);
        }
        Ok(())
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
        let arguments = asked.raw(Kind::List)?.unwrap_or_default();
        let arguments_kw = asked.raw(Kind::Dict)?.unwrap_or_default();
        let keywords: TestamentKeywords<'_> = asked.keywords()?;
        let scope = scope_of(keywords.scope.as_deref())?;
        let options = keywords.publish_options.unwrap_or_default();
        if options.receivers.as_ref().is_some_and(|receivers| receivers.are_too_many()) {
            return Err(Refusal::new(uri::error::INVALID_ARGUMENT));
        }
        let disclosure = self.shared.options.disclosure;
        if options.disclose_me == Some(true) && disclosure == Disclosure::Deny {
            return Err(Refusal::new(uri::error::DISCLOSURE_NOT_ALLOWED));
        }
        let mut kept = Vec::new();
        Element::write(&options, &mut MsgPackWriter::open(&mut kept));
        let limits = context.limits;
        let Some(session) = context.peers.find(call.caller) else {
            return Ok(Outcome::Answer(Vec::new()));
        };
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

/// Detached testaments are published before destroyed ones.
fn scope_of(name: Option<&str>) -> Result<usize, Refusal> {
    match name {
        Some("detached") => Ok(0),
        None | Some("destroyed") => Ok(1),
        Some(_) => Err(Refusal::new(uri::error::INVALID_ARGUMENT)),
    }
}
