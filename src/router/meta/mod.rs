//! The meta API: procedures of the router's own, by which clients see and end sessions, see
//! registrations and subscriptions, and leave testaments.
//!
//! What the shared index knows is answered at once. What only the shards know (sessions, who
//! subscribes) is asked of them with [`Head::Ask`] and gathered from their [`Head::Answer`]s; no
//! shard waits for another. Both travel in the one ordered queue of each pair, so that what a
//! caller has brought about here is seen by whatever it asks next.

mod arguments;
mod events;
mod sessions;

pub(super) use events::News;
pub(super) use sessions::Condemned;

use super::realm::{Context, Realm, Refusal};
use super::relay::{Head, Relay};
use crate::env::Map;
use crate::message::uri::{self, MatchPolicy};
use crate::message::{
    Call, Message, Payload, RegistrationId, Result as CallResult, ResultDetails, SubscriptionId,
    Text,
};
use crate::session::{CallRef, ShardId};
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::{Serializer, Writer};
use arguments::Arguments;

/// The procedures, by the last part of their URIs.
// spec: advanced/meta_api_sessions, advanced/meta_api_registrations
// spec: advanced/meta_api_subscriptions, advanced/pubsub_testament
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Procedure {
    SessionCount,
    SessionList,
    SessionGet,
    SessionKill,
    SessionKillByAuthid,
    SessionKillByAuthrole,
    SessionKillAll,
    AddTestament,
    FlushTestaments,
    RegistrationList,
    RegistrationLookup,
    RegistrationMatch,
    RegistrationGet,
    RegistrationListCallees,
    RegistrationCountCallees,
    RegistrationRemoveCallee,
    SubscriptionList,
    SubscriptionLookup,
    SubscriptionMatch,
    SubscriptionGet,
    SubscriptionListSubscribers,
    SubscriptionCountSubscribers,
    SubscriptionRemoveSubscriber,
}

impl Procedure {
    fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri.strip_prefix("wamp.")? {
            "session.count" => Self::SessionCount,
            "session.list" => Self::SessionList,
            "session.get" => Self::SessionGet,
            "session.kill" => Self::SessionKill,
            "session.kill_by_authid" => Self::SessionKillByAuthid,
            "session.kill_by_authrole" => Self::SessionKillByAuthrole,
            "session.kill_all" => Self::SessionKillAll,
            "session.add_testament" => Self::AddTestament,
            "session.flush_testaments" => Self::FlushTestaments,
            "registration.list" => Self::RegistrationList,
            "registration.lookup" => Self::RegistrationLookup,
            "registration.match" => Self::RegistrationMatch,
            "registration.get" => Self::RegistrationGet,
            "registration.list_callees" => Self::RegistrationListCallees,
            "registration.count_callees" => Self::RegistrationCountCallees,
            "registration.remove_callee" => Self::RegistrationRemoveCallee,
            "subscription.list" => Self::SubscriptionList,
            "subscription.lookup" => Self::SubscriptionLookup,
            "subscription.match" => Self::SubscriptionMatch,
            "subscription.get" => Self::SubscriptionGet,
            "subscription.list_subscribers" => Self::SubscriptionListSubscribers,
            "subscription.count_subscribers" => Self::SubscriptionCountSubscribers,
            "subscription.remove_subscriber" => Self::SubscriptionRemoveSubscriber,
            _ => return None,
        })
    }

    /// Whether it takes something from other sessions.
    const fn is_forceful(self) -> bool {
        matches!(
            self,
            Self::RegistrationRemoveCallee
                | Self::SubscriptionRemoveSubscriber
                | Self::SessionKill
                | Self::SessionKillByAuthid
                | Self::SessionKillByAuthrole
                | Self::SessionKillAll
        )
    }
}

/// What a shard is asked. The arguments of the call travel as the relay's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which sessions have one of the given roles?
    Sessions,
    /// What is known of this session?
    Session,
    /// End sessions: by id, authid, authrole, or all but the caller's.
    Kill(Kill),
    /// Which sessions hold this subscription?
    Subscribers(SubscriptionId),
    /// Take a registration from a session of yours.
    RemoveCallee,
    /// Take a subscription from a session of yours.
    RemoveSubscriber,
}

/// Which sessions are to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    Session,
    Authid,
    Authrole,
    All,
}

/// The form in which ids that were gathered are given to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As one list.
    List,
    /// As their number.
    Count,
    /// As the one answer there is: Details, or nothing.
    Only,
}

/// Answers that are being gathered.
#[derive(Debug)]
struct Gathering {
    call: CallRef,
    form: Form,
    /// Shards that have not answered.
    left: usize,
    ids: Vec<u64>,
    /// Arguments of the RESULT, if a shard gave them.
    arguments: Vec<u8>,
    error: Option<&'static str>,
}

/// One realm's meta API on one shard.
#[derive(Debug)]
pub(super) struct Meta {
    gatherings: Map<u64, Gathering>,
    last: u64,
}

/// Who wants to know what, and how.
#[derive(Clone, Copy, Debug)]
struct Inquiry {
    call: CallRef,
    form: Form,
    question: Question,
}

/// What a meta procedure comes to at once.
enum Outcome {
    /// The Arguments of the RESULT, in MessagePack.
    Answer(Vec<u8>),
    /// The shards are asked.
    Asked,
}

impl Meta {
    pub(super) fn new(hash_key: &ahash::RandomState) -> Self {
        Self { gatherings: Map::with_hasher(hash_key.clone()), last: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gatherings.is_empty()
    }
}

impl Realm {
    /// Answers a CALL of the session in `slot` of what is reserved to the router.
    pub(super) fn on_meta_call(
        &mut self,
        slot: u32,
        call: &Call<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(procedure) = Procedure::from_uri(&call.procedure) else {
            let valid = uri::is_valid(&call.procedure, self.shared.uri_check);
            let unknown = uri::error::NO_SUCH_PROCEDURE;
            return Err(Refusal::new(if valid { unknown } else { uri::error::INVALID_URI }));
        };
        let Some(caller) = context.peers.reference(slot) else { return Ok(()) };
        let call_ref = CallRef { caller, request: call.request, serial: 0 };
        if procedure.is_forceful() && !self.shared.options.meta_kill {
            return Err(Refusal::new(uri::error::NOT_AUTHORIZED));
        }
        match self.meta_call(procedure, call_ref, &call.payload, context)? {
            Outcome::Answer(arguments) => give(call_ref, &arguments, context),
            Outcome::Asked => {}
        }
        Ok(())
    }

    /// Ends what the session in `slot`, which is about to be told goodbye, still waits for.
    pub(super) fn cancel_meta_calls(&mut self, slot: u32, context: &mut Context<'_>) {
        let session = context.peers.session(slot).filter(|session| session.meta_calls > 0);
        let Some(session) = session else { return };
        let id = session.id;
        session.meta_calls = 0;
        let gathered = self.meta.gatherings.iter();
        let own = gathered.filter(|(_, gathering)| gathering.call.caller.id == id);
        let mut own: Vec<_> = own.map(|(number, gathering)| (*number, gathering.call)).collect();
        own.sort_unstable_by_key(|(number, _)| *number);
        for (number, call) in own {
            self.meta.gatherings.remove(&number);
            let error = super::realm::error_of(Call::CODE, call.request, uri::error::CANCELED);
            context.peers.tell(slot, error);
        }
    }

    /// Answers another shard's question.
    pub(super) fn on_ask(
        &mut self,
        (number, question): (u64, Question),
        from: ShardId,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        let mut ids = Vec::new();
        let mut arguments = Vec::new();
        let mut error = "";
        let mut buffer = Vec::new();
        let asked = Arguments::of(&relay.payload, &mut buffer);
        let answered = asked.and_then(|asked| match question {
            Question::Sessions => self.sessions_with_roles(asked, &mut ids, context),
            Question::Session => self.session_details(asked, &mut arguments, context),
            Question::Kill(kill) => self.condemn(kill, (asked, relay.ids), &mut ids, context),
            Question::Subscribers(id) => {
                ids.extend(self.broker.subscribers_of(id));
                Ok(())
            }
            Question::RemoveCallee => self.remove_callee(asked, context),
            Question::RemoveSubscriber => self.remove_subscriber(asked, context),
        });
        self.publish_news(context);
        if let Err(Refusal(refused)) = answered {
            error = refused;
        }
        let payload = Payload::from_elements(Serializer::MessagePack, (&arguments, &[]), false);
        let answer = Relay { text: error, ids: &ids, payload, ..Relay::of(Head::Answer(number)) };
        self.pass(from, &answer, context);
    }

    /// Takes a shard's answer to a question of ours.
    pub(super) fn on_answer(&mut self, number: u64, relay: &Relay<'_>, context: &mut Context<'_>) {
        let Some(gathering) = self.meta.gatherings.get_mut(&number) else { return };
        gathering.left -= 1;
        gathering.ids.extend_from_slice(relay.ids);
        gathering.arguments.extend_from_slice(relay.payload.arguments().unwrap_or_default());
        if !relay.text.is_empty() {
            gathering.error = Some(known_error(relay.text));
        }
        if gathering.left > 0 {
            return;
        }
        let gathering = self.meta.gatherings.remove(&number).expect("it was there a line ago");
        if let Some(session) = context.peers.find(gathering.call.caller) {
            session.meta_calls -= 1;
        }
        finish(gathering, context);
    }

    fn meta_call(
        &mut self,
        procedure: Procedure,
        call: CallRef,
        payload: &Payload<'_>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        let mut buffer = Vec::new();
        let mut asked = Arguments::of(payload, &mut buffer)?;
        let everywhere = || (0..context.peers.shards_count).collect();
        let inquiry = |form, question| Inquiry { call, form, question };
        let kill = |form, kill| inquiry(form, Question::Kill(kill));
        let (inquiry, shards): (Inquiry, Vec<u16>) = match procedure {
            Procedure::SessionCount => (inquiry(Form::Count, Question::Sessions), everywhere()),
            Procedure::SessionList => (inquiry(Form::List, Question::Sessions), everywhere()),
            Procedure::SessionGet => {
                let home = home_of(asked.required()?, context);
                (inquiry(Form::Only, Question::Session), home)
            }
            Procedure::SessionKill => {
                let home = home_of(asked.required()?, context);
                (kill(Form::Only, Kill::Session), home)
            }
            Procedure::SessionKillByAuthid => (kill(Form::List, Kill::Authid), everywhere()),
            Procedure::SessionKillByAuthrole => (kill(Form::Count, Kill::Authrole), everywhere()),
            Procedure::SessionKillAll => (kill(Form::Count, Kill::All), everywhere()),
            Procedure::AddTestament => return self.add_testament(call, asked, context),
            Procedure::FlushTestaments => return self.flush_testaments(call, &asked, context),
            Procedure::SubscriptionListSubscribers | Procedure::SubscriptionCountSubscribers => {
                let lists = procedure == Procedure::SubscriptionListSubscribers;
                let form = if lists { Form::List } else { Form::Count };
                let id = SubscriptionId(asked.required::<u64>()?);
                let known = self.shared.subscriptions.of_id(id.0);
                let known = known.ok_or(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION))?;
                let shards = known.shards.iter().map(|shard| shard.0).collect();
                (inquiry(form, Question::Subscribers(id)), shards)
            }
            Procedure::RegistrationRemoveCallee | Procedure::SubscriptionRemoveSubscriber => {
                let callee = procedure == Procedure::RegistrationRemoveCallee;
                let remove =
                    if callee { Question::RemoveCallee } else { Question::RemoveSubscriber };
                asked.required::<u64>()?;
                (inquiry(Form::Only, remove), home_of(asked.required()?, context))
            }
            Procedure::RegistrationList
            | Procedure::RegistrationLookup
            | Procedure::RegistrationMatch
            | Procedure::RegistrationGet
            | Procedure::RegistrationListCallees
            | Procedure::RegistrationCountCallees => {
                return self.registration_call(procedure, asked);
            }
            Procedure::SubscriptionList
            | Procedure::SubscriptionLookup
            | Procedure::SubscriptionMatch
            | Procedure::SubscriptionGet => return self.subscription_call(procedure, asked),
        };
        self.ask(inquiry, &shards, payload, context)
    }

    /// Asks `shards` a question for a call. The payload is passed on as it came.
    fn ask(
        &mut self,
        inquiry: Inquiry,
        shards: &[u16],
        payload: &Payload<'_>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        let Inquiry { call, form, question } = inquiry;
        let calls_max = context.limits.calls_pending_max;
        let Some(session) = context.peers.find(call.caller) else { return Ok(Outcome::Asked) };
        if session.calls.len() + session.meta_calls >= calls_max {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        session.meta_calls += 1;
        self.meta.last += 1;
        let number = self.meta.last;
        let left = shards.len();
        let (ids, arguments) = (Vec::new(), Vec::new());
        let gathering = Gathering { call, form, left, ids, arguments, error: None };
        self.meta.gatherings.insert(number, gathering);
        let asker = [call.caller.id.0];
        for shard in shards {
            let shard = *shard;
            let head = Head::Ask { number, question, from: context.peers.shard };
            let relay = Relay { ids: &asker, payload: *payload, ..Relay::of(head) };
            self.pass(ShardId(shard), &relay, context);
        }
        Ok(Outcome::Asked)
    }

    // spec: advanced/meta_api_registrations
    fn registration_call(
        &self,
        procedure: Procedure,
        mut asked: Arguments<'_>,
    ) -> Result<Outcome, Refusal> {
        let registrations = &self.shared.registrations;
        if procedure == Procedure::RegistrationList {
            return list_by_policy(|visit| {
                registrations.for_each(&mut |policy, _, entry| visit(policy, entry.id.0));
            });
        }
        if procedure == Procedure::RegistrationLookup || procedure == Procedure::RegistrationMatch {
            let uri: Text<'_> = asked.required()?;
            let by_name = procedure == Procedure::RegistrationLookup;
            let found = match by_name {
                true => registrations.get(asked.policy()?, &uri),
                false => registrations.best(&uri),
            };
            return Ok(Outcome::Answer(answer(|writer| match &found {
                Some(found) => writer.integer(found.id.0),
                None => writer.null(),
            })));
        }
        let id = RegistrationId(asked.required::<u64>()?);
        let found = registrations.of_id(id.0);
        let found = found.ok_or(Refusal::new(uri::error::NO_SUCH_REGISTRATION))?;
        let callees: Vec<_> = found.callees.iter().map(|callee| callee.session.id.0).collect();
        let lists = procedure == Procedure::RegistrationListCallees;
        let counts = procedure == Procedure::RegistrationCountCallees;
        Ok(Outcome::Answer(answer(|writer| match (lists, counts) {
            (true, _) => write_ids(&callees, writer),
            (_, true) => writer.integer(callees.len() as u64),
            (false, false) => found.write_details(writer),
        })))
    }

    // spec: advanced/meta_api_subscriptions
    fn subscription_call(
        &self,
        procedure: Procedure,
        mut asked: Arguments<'_>,
    ) -> Result<Outcome, Refusal> {
        let subscriptions = &self.shared.subscriptions;
        if procedure == Procedure::SubscriptionList {
            return list_by_policy(|visit| {
                subscriptions.for_each(&mut |policy, _, entry| visit(policy, entry.id.0));
            });
        }
        if procedure == Procedure::SubscriptionLookup {
            let uri: Text<'_> = asked.required()?;
            let found = subscriptions.get(asked.policy()?, &uri);
            return Ok(Outcome::Answer(answer(|writer| match &found {
                Some(found) => writer.integer(found.id.0),
                None => writer.null(),
            })));
        }
        if procedure == Procedure::SubscriptionMatch {
            let uri: Text<'_> = asked.required()?;
            let mut ids = Vec::new();
            subscriptions.matches(&uri, &mut |entry| ids.push(entry.id.0));
            return Ok(Outcome::Answer(answer(|writer| match ids.is_empty() {
                true => writer.null(),
                false => write_ids(&ids, writer),
            })));
        }
        let id = asked.required::<u64>()?;
        let found = subscriptions.of_id(id);
        let found = found.ok_or(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION))?;
        Ok(Outcome::Answer(answer(|writer| found.write_details(writer))))
    }
}

/// Ids of everything in an index, by the way it is matched.
fn list_by_policy(
    visit_all: impl FnOnce(&mut dyn FnMut(MatchPolicy, u64)),
) -> Result<Outcome, Refusal> {
    let mut lists: [Vec<u64>; 3] = Default::default();
    visit_all(&mut |policy, id| lists[policy as usize].push(id));
    Ok(Outcome::Answer(answer(|writer| {
        writer.dict(lists.len());
        for (policy, ids) in MatchPolicy::ALL.into_iter().zip(&mut lists) {
            ids.sort_unstable();
            writer.key(policy.name());
            write_ids(ids, writer);
        }
        writer.end_dict();
    })))
}

/// Gives a caller what was gathered for it.
fn finish(mut gathering: Gathering, context: &mut Context<'_>) {
    if let Some(error) = gathering.error {
        let error = super::realm::error_of(Call::CODE, gathering.call.request, error);
        if context.peers.find(gathering.call.caller).is_some() {
            context.peers.tell(gathering.call.caller.slot, error);
        }
        return;
    }
    gathering.ids.sort_unstable();
    let arguments = match gathering.form {
        Form::Only => gathering.arguments,
        Form::List => answer(|writer| write_ids(&gathering.ids, writer)),
        Form::Count => answer(|writer| writer.integer(gathering.ids.len() as u64)),
    };
    give(gathering.call, &arguments, context);
}

/// Gives a caller a RESULT with these Arguments, in MessagePack; empty for none.
fn give(call: CallRef, arguments: &[u8], context: &mut Context<'_>) {
    let CallRef { caller, request, .. } = call;
    if context.peers.find(caller).is_none() {
        return;
    }
    let payload = Payload::from_elements(Serializer::MessagePack, (arguments, &[]), false);
    let sent = context.peers.in_serializer_of(caller.slot, &payload, |peers, payload| {
        let message = CallResult { request, details: ResultDetails::default(), payload };
        peers.send(caller.slot, &Message::Result(message))
    });
    if sent.is_err() {
        let error = uri::error::PAYLOAD_SIZE_EXCEEDED;
        context.peers.tell(caller.slot, super::realm::error_of(Call::CODE, request, error));
    }
}

/// Arguments with one element, in MessagePack.
fn answer(write: impl FnOnce(&mut MsgPackWriter<'_>)) -> Vec<u8> {
    let mut arguments = Vec::new();
    let mut writer = MsgPackWriter::open(&mut arguments);
    writer.list(1);
    write(&mut writer);
    writer.end_list();
    arguments
}

fn write_ids(ids: &[u64], writer: &mut MsgPackWriter<'_>) {
    writer.list(ids.len());
    ids.iter().for_each(|id| writer.integer(*id));
    writer.end_list();
}

/// The one shard on which a session of that id can live.
fn home_of(session: u64, context: &Context<'_>) -> Vec<u16> {
    let home = session % u64::from(context.peers.shards_count);
    vec![u16::try_from(home).expect("a remainder is below its divisor")]
}

/// The constant behind an error that came from another shard.
fn known_error(text: &str) -> &'static str {
    let known = [
        uri::error::INVALID_ARGUMENT,
        uri::error::INVALID_URI,
        uri::error::NO_SUCH_SESSION,
        uri::error::NO_SUCH_REGISTRATION,
        uri::error::NO_SUCH_SUBSCRIPTION,
    ];
    known.into_iter().find(|known| *known == text).unwrap_or(uri::error::INVALID_ARGUMENT)
}
