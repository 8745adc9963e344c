//! Requests that an authorizer decides.
//!
//! The session waits, with a copy of its request and with whatever it sends after that, of which no
//! more is read than is under way already; nobody else waits. When the authorizer has spoken the
//! request goes on as if it had just come: what the rules say *then* counts, and the answer counts
//! only for what they still leave to an authorizer.

use std::time::Duration;

use super::super::advice::memory::Decision;
use super::super::advice::{Advice, Asked, QuestionId};
use super::super::notice::Notice;
use super::super::peers::Peers;
use super::super::realm::{Realm, Refusal};
use super::super::{ConnectionId, Router};
use super::Action;
use super::enforce::{Granted, Wish};
use crate::message::layout::Element;
use crate::message::options::AuthorizerAnswer;
use crate::message::{MatchPolicy, Message, uri};
use crate::session::Session;
use crate::wire::json::{JsonReader, JsonWriter};
use crate::wire::{Kind, Reader, Writer};

/// A request that waits for what an authorizer says.
#[derive(Debug)]
pub(in super::super) struct Waiting {
    question: QuestionId,
    authorizer: Box<str>,
    message: Vec<u8>,
    /// The authorizer's place in the realm.
    place: u16,
    /// How long its answer counts, if it does not say itself.
    cache: Duration,
    /// When it was asked; see [`Memory`](super::super::advice::memory::Memory).
    epoch: u64,
}

/// What an authorizer has said, or nothing that could be understood.
type Verdict = Option<Decision>;

impl Router {
    /// Has an authorizer asked about `message`, which is `bytes`, of the session on `id`.
    #[cold]
    pub(in super::super) fn seek_advice(
        &mut self,
        id: ConnectionId,
        place: u16,
        (message, bytes): (&Message<'_>, &[u8]),
    ) {
        let config = std::sync::Arc::clone(&self.config);
        let Some(session) = self.peers.session(id.slot) else { return };
        let realm = session.realm;
        let realm_config = &config.realms[usize::from(realm)];
        let advisor = realm_config.options.authorizers.get(usize::from(place));
        let wish = Wish::of(message, session);
        let (Some(advisor), Some(wish)) = (advisor, wish) else {
            self.decide(id, (message, None), None);
            return self.peers.go_on(id);
        };
        let known =
            self.questions.memory.recall(&wish.matter((realm, place), session.id), self.now);
        if known.is_some() {
            self.decide(id, (message, Some(place)), known);
            return self.peers.go_on(id);
        }
        let arguments = question((&realm_config.name, advisor.options), session, &wish);
        let question = self.consult(realm, advisor, &arguments, Asked::Authorization(id));
        let (authorizer, cache) = (advisor.name.clone(), advisor.cache);
        let (message, epoch) = (bytes.to_vec(), self.questions.memory.epoch());
        self.peers.wait(id, Waiting { question, authorizer, message, place, cache, epoch });
    }

    /// Goes on with a request that waited for what an authorizer says. If it does not wait any
    /// more, nothing happens.
    pub(in super::super) fn on_authorized(
        &mut self,
        id: ConnectionId,
        question: QuestionId,
        advice: &Advice,
    ) {
        let Some(slot) = self.peers.slot(id) else { return };
        let Some(waiting) = slot.waiting.take_if(|waiting| waiting.question == question) else {
            return;
        };
        let connection = slot.connection.as_ref().expect("a slot that was found is taken");
        let (Some(session), Some(negotiated)) = (connection.session(), connection.negotiated)
        else {
            return;
        };
        let realm = session.realm;
        let message = Message::parse(negotiated.serializer, &waiting.message);
        let message = message.expect("it was understood when it came");
        let (verdict, may_keep) = verdict(advice);
        if let Some(decision) = verdict.filter(|_| may_keep && !waiting.cache.is_zero())
            && let Some(wish) = Wish::of(&message, session)
        {
            let matter = wish.matter((realm, waiting.place), session.id);
            let until = self.now + waiting.cache;
            self.questions.memory.keep((&matter, waiting.epoch), decision, until);
        }
        if let (None, Advice::Answer(_) | Advice::Failed(_)) = (verdict, advice) {
            let (now, authorizer) = (self.now, waiting.authorizer.clone());
            let reason = match advice {
                Advice::Failed(reason) => reason.as_str(),
                Advice::Answer(_) | Advice::Refused { .. } => "its answer is not understood",
            };
            let notice = || Notice::Undecided { authorizer, reason: reason.into() };
            self.peers.notices.note(now, notice);
        }
        // Whose answer it is, if that authorizer is still there.
        let authorizers = &self.config.realms[usize::from(realm)].options.authorizers;
        let place = authorizers.iter().position(|known| known.name == waiting.authorizer);
        let place = place.and_then(|place| u16::try_from(place).ok());
        let asks = self.decide(id, (&message, place), verdict);
        match asks {
            // The rules have changed meanwhile, and another authorizer is to be asked.
            Some(authorizer) => self.seek_advice(id, authorizer, (&message, &waiting.message)),
            None => self.peers.go_on(id),
        }
    }

    /// Does with a request what the authorizer in that place says. If the rules leave it to another
    /// one by now, that is to be asked.
    fn decide(
        &mut self,
        id: ConnectionId,
        (message, place): (&Message<'_>, Option<u16>),
        verdict: Verdict,
    ) -> Option<u16> {
        let realm = self.peers.session(id.slot)?.realm;
        self.in_realm(realm, |realm, context| {
            let refusal = match verdict {
                Some(Decision { allows: true, discloses }) => {
                    context.granted = place.map(|authorizer| Granted { authorizer, discloses });
                    return realm.on_message(id.slot, message, context);
                }
                Some(Decision { allows: false, .. }) => {
                    let session = context.peers.session(id.slot)?;
                    let wish = Wish::of(message, session)?;
                    realm.deny(id.slot, &wish, context)
                }
                None => Refusal::new(uri::error::AUTHORIZATION_FAILED),
            };
            Realm::refuse(id.slot, message, refusal, context);
            None
        })
    }

    /// Tells the peer on `id` that its request will not be decided any more: the router shuts down.
    pub(in super::super) fn cancel_waiting(&mut self, id: ConnectionId) {
        let Some(slot) = self.peers.slot(id) else { return };
        let Some(waiting) = slot.waiting.take() else { return };
        self.withdraw(waiting.question);
        let session = self.peers.session(id.slot).map(|session| session.realm);
        let negotiated = self.peers.negotiated(id.slot);
        if let (Some(realm), Some(negotiated)) = (session, negotiated) {
            let message = Message::parse(negotiated.serializer, &waiting.message);
            let message = message.expect("it was understood when it came");
            self.in_realm(realm, |_, context| {
                let canceled = Refusal::new(uri::error::CANCELED);
                Realm::refuse(id.slot, &message, canceled, context);
            });
        }
        self.peers.go_on(id);
    }

    /// The session on `id` ends: nothing of it waits any more.
    pub(in super::super) fn end_waiting(&mut self, id: ConnectionId) {
        let Some(slot) = self.peers.slot(id) else { return };
        if let Some(waiting) = slot.waiting.take() {
            self.withdraw(waiting.question);
            self.peers.go_on(id);
        }
    }
}

impl Peers {
    /// Processes nothing more of `id` until the request that is `waiting` is decided.
    pub(in super::super) fn wait(&mut self, id: ConnectionId, waiting: Waiting) {
        if let Some(slot) = self.slot(id) {
            slot.waiting = Some(Box::new(waiting));
            self.mind_reading(id);
        }
    }

    /// Goes on with what `id` has sent since it waits no more.
    pub(in super::super) fn go_on(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        if slot.behind && slot.may_go_on() {
            self.turns.push_back(id);
        }
        self.mind_reading(id);
    }
}

/// The arguments of the question: who, what with, what, and how.
fn question((realm, has_options): (&str, bool), session: &Session, wish: &Wish<'_>) -> String {
    let identity = &session.identity;
    let mut json = Vec::new();
    let mut writer = JsonWriter::open(&mut json);
    writer.list(3 + usize::from(has_options));
    writer.dict(6);
    writer.key("session");
    writer.integer(session.id.0);
    for (key, value) in [
        ("realm", realm),
        ("authid", &*identity.authid),
        ("authrole", &*identity.authrole),
        ("authmethod", identity.authmethod),
        ("authprovider", &*identity.authprovider),
    ] {
        writer.key(key);
        writer.text(value);
    }
    writer.end_dict();
    writer.text(wish.uri);
    writer.text(wish.action.name());
    if !has_options {
        writer.end_list();
        return String::from_utf8(json).expect("JSON is text");
    }
    let has_policy = matches!(wish.action, Action::Register | Action::Subscribe);
    let is_told = has_policy && wish.policy != MatchPolicy::Exact;
    writer.dict(usize::from(is_told));
    if is_told {
        writer.key("match");
        writer.text(wish.policy.name());
    }
    writer.end_dict();
    writer.end_list();
    String::from_utf8(json).expect("JSON is text")
}

/// What an answer means, `true` or `false` or a dict that says so of `allow`, and whether it may be
/// used again. An error of the authorizer's own is a no.
fn verdict(advice: &Advice) -> (Verdict, bool) {
    let Advice::Answer(json) = advice else {
        let refused = matches!(advice, Advice::Refused { .. });
        return (refused.then_some(Decision { allows: false, discloses: false }), false);
    };
    let mut reader = JsonReader::open(json.as_bytes());
    let answer = match reader.kind() {
        Ok(Kind::Dict) => AuthorizerAnswer::read(&mut reader).ok(),
        _ => reader
            .boolean()
            .ok()
            .map(|allow| AuthorizerAnswer { allow: Some(allow), ..Default::default() }),
    };
    let may_keep = answer.as_ref().is_some_and(|answer| answer.cache != Some(false));
    let decision = answer.and_then(|answer| {
        let (allows, discloses) = (answer.allow?, answer.disclose == Some(true));
        Some(Decision { allows, discloses })
    });
    (decision, may_keep)
}
