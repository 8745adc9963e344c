//! The meta API: procedures of the router's own, by which clients see and end sessions, see
//! registrations and subscriptions, and leave testaments.
//!
//! What the shared index knows is answered at once. What only the shards know (sessions, who
//! subscribes) is asked of them with [`Head::Ask`] and gathered from their [`Head::Answer`]s; no
//! shard waits for another. Both travel in the one ordered queue of each pair, so that what a
//! caller has brought about here is seen by whatever it asks next.

mod answers;
mod arguments;
mod events;
mod history;
mod lists;
mod procedures;
mod sessions;

pub(super) use events::{News, Way};
pub(super) use lists::Pace;
pub(super) use sessions::Condemned;

use super::history::Reading;
use super::realm::{Context, Realm, Refusal};
use super::relay::{Head, Relay};
use crate::env::{Map, rfc3339};
use crate::limits::LISTS_PENDING_MAX;
use crate::message::uri::{self, MatchPolicy};
use crate::message::{Call, Payload, RegistrationId, SessionId, SubscriptionId, Text};
use crate::session::{CallRef, KeptPayload, Session, ShardId};
use crate::wire::Writer;
use crate::wire::msgpack::MsgPackWriter;
use answers::{answer, finish, give, in_msgpack, write_ids};
use arguments::Arguments;
use lists::{Lists, Pages, Scan};
use procedures::{FORGET, GET_EVENTS, Procedure, own_procedure, own_registration};

/// What a shard is asked. The arguments of the call travel as the relay's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which sessions have one of the given roles, or how many?
    Sessions(Form),
    /// What is known of this session?
    Session,
    /// End sessions: by id, authid, authrole, or all but the caller's.
    Kill(Kill),
    /// Which sessions hold this subscription, or how many?
    Subscribers(SubscriptionId, Form),
    /// Which sessions are behind this registration? For the caller's own shard.
    Callees(RegistrationId),
    /// Which registrations are there? For the caller's own shard.
    Registrations,
    /// Which subscriptions are there? For the caller's own shard.
    Subscriptions,
    /// Take a registration from a session of yours.
    RemoveCallee,
    /// Take a subscription from a session of yours.
    RemoveSubscriber,
    /// What is in this history that you keep, for a session of the given authid and authrole?
    Events(Reading),
    /// Forget what authorizers have said.
    Forget,
}

impl Question {
    /// Whether the answer may be as long as the realm is large.
    const fn is_list(self) -> bool {
        match self {
            Self::Sessions(form) | Self::Subscribers(_, form) => matches!(form, Form::List),
            Self::Callees(_) | Self::Registrations | Self::Subscriptions => true,
            Self::Kill(kill) => !matches!(kill, Kill::Session),
            Self::Session | Self::RemoveCallee | Self::RemoveSubscriber | Self::Forget => false,
            // It has a bound of its own.
            Self::Events(_) => false,
        }
    }
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
pub(super) enum Form {
    /// As one list.
    List,
    /// As their number.
    Count,
    /// As the sum of the numbers that the shards gave.
    Sum,
    /// As the one answer there is: Details, or nothing.
    Only,
}

/// Answers that are being gathered.
#[derive(Debug)]
struct Gathering {
    call: CallRef,
    form: Form,
    /// It counts as one of [`LISTS_PENDING_MAX`].
    is_list: bool,
    /// Shards that have not answered.
    left: usize,
    ids: Vec<u64>,
    /// Payload of the RESULT, if a shard gave it.
    given: Option<KeptPayload>,
    error: Option<&'static str>,
}

/// One realm's meta API on one shard.
#[derive(Debug)]
pub(super) struct Meta {
    gatherings: Map<u64, Gathering>,
    last: u64,
    lists: Lists,
}

/// Who wants to know what, and how.
#[derive(Clone, Copy, Debug)]
struct Inquiry {
    call: CallRef,
    form: Form,
    question: Question,
}

/// What a shard knows to say to a question.
enum Told {
    Count(usize),
    /// The Arguments of the RESULT, in MessagePack.
    Arguments(Vec<u8>),
    /// It must be looked for; the form says how it is wanted.
    Later(Scan, Form),
}

/// What a meta procedure comes to at once.
enum Outcome {
    /// The Arguments of the RESULT, in MessagePack.
    Answer(Vec<u8>),
    /// The shards are asked.
    Asked,
}

/// Whether a procedure takes something from other sessions.
pub(super) fn is_forceful(procedure: &str) -> bool {
    Procedure::from_uri(procedure).is_some_and(Procedure::is_forceful)
}

impl Meta {
    pub(super) fn new(hash_key: &ahash::RandomState) -> Self {
        let gatherings = Map::with_hasher(hash_key.clone());
        Self { gatherings, last: 0, lists: Lists::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gatherings.is_empty() && self.lists.is_empty()
    }

    /// Nobody waits for the answer to a question of the shard `from` any more.
    pub(super) fn withdraw(&mut self, number: u64, from: ShardId) {
        self.lists.withdraw(number, from);
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
            self.require_named(slot, &call.procedure, context)?;
        }
        if !self.provides(&call.procedure) {
            return Err(Refusal::new(uri::error::NO_SUCH_PROCEDURE));
        }
        match self.meta_call(procedure, call_ref, &call.payload, context)? {
            Outcome::Answer(arguments) => give(call_ref, &in_msgpack(&arguments), context),
            Outcome::Asked => {}
        }
        Ok(())
    }

    /// Ends what the session in `slot`, which is about to be told goodbye, still waits for.
    pub(super) fn cancel_meta_calls(&mut self, slot: u32, context: &mut Context<'_>) {
        let session = context.peers.session(slot).filter(|session| session.meta_calls > 0);
        let Some(session) = session else { return };
        let id = session.id;
        (session.meta_calls, session.lists_asked) = (0, 0);
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

    /// Withdraws what a session that is gone has asked and was not told yet: others would wait for
    /// the work on it.
    pub(super) fn withdraw_questions(&mut self, session: &Session, context: &mut Context<'_>) {
        if session.meta_calls == 0 {
            return;
        }
        let gathered = self.meta.gatherings.iter();
        let own = gathered.filter(|(_, gathering)| gathering.call.caller.id == session.id);
        let mut own: Vec<_> = own.map(|(number, _)| *number).collect();
        own.sort_unstable();
        let from = context.peers.shard;
        for number in own {
            self.meta.gatherings.remove(&number);
            for shard in 0..context.peers.shards_count {
                let withdraw = Relay::of(Head::Withdraw { number, from });
                self.pass(ShardId(shard), &withdraw, context);
            }
        }
    }

    /// Answers another shard's question, at once or by and by.
    pub(super) fn on_ask(
        &mut self,
        (number, question): (u64, Question),
        from: ShardId,
        relay: &Relay<'_>,
        context: &mut Context<'_>,
    ) {
        let mut buffer = Vec::new();
        let asked = Arguments::of(&relay.payload, &mut buffer);
        let caller = relay.ids.first().map(|id| SessionId(*id));
        let told = asked.and_then(|asked| self.consider((question, caller), asked, context));
        self.publish_news(context);
        let (mut count, mut arguments, mut error) = (None, Vec::new(), "");
        match told {
            Ok(Told::Later(scan, form)) => {
                let counts = form == Form::Sum;
                return self.look_through((number, from), (scan, counts), context);
            }
            Ok(Told::Count(known)) => count = Some(known as u64),
            Ok(Told::Arguments(known)) => arguments = known,
            Err(Refusal(refused)) => error = refused,
        }
        let (head, payload) = (Head::Answer(number), in_msgpack(&arguments));
        let answer = Relay { text: error, ids: count.as_slice(), payload, ..Relay::of(head) };
        self.pass(from, &answer, context);
    }

    /// Finds out what is to be told, or where to look for it.
    fn consider(
        &mut self,
        (question, caller): (Question, Option<SessionId>),
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<Told, Refusal> {
        let next = SessionId::default();
        let nothing = Ok(Told::Arguments(Vec::new()));
        match question {
            Question::Sessions(form) => {
                let roles = asked.roles()?;
                if form == Form::Sum && roles.is_none() {
                    return Ok(Told::Count(self.sessions.len()));
                }
                let owned = |roles: Vec<Text<'_>>| roles.iter().map(|r| (**r).into()).collect();
                Ok(Told::Later(Scan::Sessions { next, roles: roles.map(owned) }, form))
            }
            Question::Session => {
                let mut arguments = Vec::new();
                self.session_details(asked, &mut arguments, context)?;
                Ok(Told::Arguments(arguments))
            }
            Question::Kill(Kill::Session) => {
                let id = SessionId(asked.required()?);
                let victims = Self::victims(Kill::Session, asked, caller)?;
                self.kill_one(id, &victims, context)?;
                nothing
            }
            Question::Kill(kill) => {
                let victims = Self::victims(kill, asked, caller)?;
                Ok(Told::Later(Scan::Kill { next, victims }, Form::List))
            }
            Question::Subscribers(id, Form::Sum) => {
                let condemned = self.condemned_holders(id, context).len();
                Ok(Told::Count(self.broker.subscribers_count(id) - condemned))
            }
            Question::Subscribers(id, form) => {
                Ok(Told::Later(Scan::Subscribers { id, left: usize::MAX }, form))
            }
            Question::Callees(id) => Ok(Told::Later(Scan::Callees(id), Form::Only)),
            Question::Registrations => {
                Ok(Told::Later(Scan::Registrations(Pages::default()), Form::Only))
            }
            Question::Subscriptions => {
                Ok(Told::Later(Scan::Subscriptions(Pages::default()), Form::Only))
            }
            Question::RemoveCallee => self.remove_callee(asked, context).and(nothing),
            Question::RemoveSubscriber => self.remove_subscriber(asked, context).and(nothing),
            Question::Forget => {
                context.questions.memory.forget(self.realm);
                nothing
            }
            Question::Events(reading) => {
                let search = self.events_search(reading, asked, context)?;
                Ok(Told::Later(Scan::Events(Box::new(search)), Form::Only))
            }
        }
    }

    /// Takes a shard's answer to a question of ours.
    pub(super) fn on_answer(&mut self, number: u64, relay: &Relay<'_>, context: &mut Context<'_>) {
        let Some(gathering) = self.meta.gatherings.get_mut(&number) else { return };
        gathering.left -= 1;
        gathering.ids.extend_from_slice(relay.ids);
        if !relay.payload.is_empty() {
            gathering.given = Some(KeptPayload::new(&relay.payload));
        }
        if !relay.text.is_empty() {
            gathering.error = Some(known_error(relay.text));
        }
        if gathering.left > 0 {
            return;
        }
        let gathering = self.meta.gatherings.remove(&number).expect("it was there a line ago");
        if let Some(session) = context.peers.find(gathering.call.caller) {
            session.meta_calls -= 1;
            session.lists_asked -= usize::from(gathering.is_list);
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
        let here = || vec![context.peers.shard.0];
        let inquiry = |form, question| Inquiry { call, form, question };
        let kill = |form, kill| inquiry(form, Question::Kill(kill));
        let (inquiry, shards): (Inquiry, Vec<u16>) = match procedure {
            Procedure::SessionCount | Procedure::SessionList => {
                let counts = procedure == Procedure::SessionCount;
                let form = if counts { Form::Sum } else { Form::List };
                (inquiry(form, Question::Sessions(form)), everywhere())
            }
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
            Procedure::AuthorizationForget => (inquiry(Form::Only, Question::Forget), everywhere()),
            Procedure::SubscriptionGetEvents => return self.events_call(call, asked, context),
            Procedure::AddTestament => return self.add_testament(call, asked, context),
            Procedure::FlushTestaments => return self.flush_testaments(call, &asked, context),
            Procedure::SubscriptionListSubscribers | Procedure::SubscriptionCountSubscribers => {
                let lists = procedure == Procedure::SubscriptionListSubscribers;
                let form = if lists { Form::List } else { Form::Sum };
                let id = SubscriptionId(asked.required::<u64>()?);
                let known = self.shared.subscriptions.of_id(id.0);
                let known = known.ok_or(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION))?;
                let shards = known.shards.iter().map(|shard| shard.0).collect();
                (inquiry(form, Question::Subscribers(id, form)), shards)
            }
            Procedure::RegistrationRemoveCallee | Procedure::SubscriptionRemoveSubscriber => {
                let callee = procedure == Procedure::RegistrationRemoveCallee;
                let remove =
                    if callee { Question::RemoveCallee } else { Question::RemoveSubscriber };
                asked.required::<u64>()?;
                (inquiry(Form::Only, remove), home_of(asked.required()?, context))
            }
            Procedure::RegistrationList => (inquiry(Form::Only, Question::Registrations), here()),
            Procedure::SubscriptionList => (inquiry(Form::Only, Question::Subscriptions), here()),
            Procedure::RegistrationListCallees => {
                let id = RegistrationId(asked.required::<u64>()?);
                if own_procedure(id).is_some() {
                    return Ok(Outcome::Answer(answer(|writer| write_ids(&[], writer))));
                }
                let known = self.shared.registrations.of_id(id.0);
                known.ok_or(Refusal::new(uri::error::NO_SUCH_REGISTRATION))?;
                (inquiry(Form::Only, Question::Callees(id)), here())
            }
            Procedure::RegistrationLookup
            | Procedure::RegistrationMatch
            | Procedure::RegistrationGet
            | Procedure::RegistrationCountCallees => {
                return self.registration_call(procedure, asked);
            }
            Procedure::SubscriptionLookup
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
        let is_list = question.is_list();
        if is_list && session.lists_asked >= LISTS_PENDING_MAX {
            return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
        }
        session.meta_calls += 1;
        session.lists_asked += usize::from(is_list);
        self.meta.last += 1;
        let number = self.meta.last;
        let left = shards.len();
        let (ids, given) = (Vec::new(), None);
        let gathering = Gathering { call, form, is_list, left, ids, given, error: None };
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

    /// Whether a procedure of the router's is there: histories can only be asked for where there
    /// are any, and authorizers have said nothing where there are none.
    fn provides(&self, procedure: &str) -> bool {
        match procedure {
            GET_EVENTS => !self.shared.archives.is_empty(),
            FORGET => !self.shared.options.authorizers.is_empty(),
            _ => true,
        }
    }

    // spec: advanced/meta_api_registrations
    fn registration_call(
        &self,
        procedure: Procedure,
        mut asked: Arguments<'_>,
    ) -> Result<Outcome, Refusal> {
        let registrations = &self.shared.registrations;
        if procedure == Procedure::RegistrationLookup || procedure == Procedure::RegistrationMatch {
            let uri: Text<'_> = asked.required()?;
            let by_name = procedure == Procedure::RegistrationLookup;
            let policy = by_name.then(|| asked.policy()).transpose()?;
            let found = match policy {
                None | Some(MatchPolicy::Exact) if uri::is_reserved(&uri) => {
                    own_registration(&uri).filter(|_| self.provides(&uri))
                }
                Some(policy) => registrations.get(policy, &uri).map(|found| found.id),
                None => registrations.best(&uri).map(|found| found.id),
            };
            return Ok(Outcome::Answer(answer(|writer| match found {
                Some(found) => writer.integer(found.0),
                None => writer.null(),
            })));
        }
        let id = RegistrationId(asked.required::<u64>()?);
        if let Some(own) = own_procedure(id).filter(|uri| self.provides(uri)) {
            let counts = procedure == Procedure::RegistrationCountCallees;
            return Ok(Outcome::Answer(answer(|writer| match counts {
                true => writer.integer(0),
                false => self.write_own_details(id, own, writer),
            })));
        }
        let found = registrations.of_id(id.0);
        let found = found.ok_or(Refusal::new(uri::error::NO_SUCH_REGISTRATION))?;
        let counts = procedure == Procedure::RegistrationCountCallees;
        Ok(Outcome::Answer(answer(|writer| match counts {
            true => writer.integer(found.callees.len() as u64),
            false => found.write_details(writer),
        })))
    }

    /// What is told of a procedure of the router's own: it has been there since the realm has.
    fn write_own_details(&self, id: RegistrationId, uri: &str, writer: &mut MsgPackWriter<'_>) {
        writer.dict(5);
        writer.key("id");
        writer.integer(id.0);
        writer.key("created");
        writer.text(&rfc3339(self.shared.first_join_ms()));
        for (key, value) in [("uri", uri), ("match", "exact"), ("invoke", "single")] {
            writer.key(key);
            writer.text(value);
        }
        writer.end_dict();
    }

    // spec: advanced/meta_api_subscriptions
    fn subscription_call(
        &self,
        procedure: Procedure,
        mut asked: Arguments<'_>,
    ) -> Result<Outcome, Refusal> {
        let subscriptions = &self.shared.subscriptions;
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
