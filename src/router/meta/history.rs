//! `wamp.subscription.get_events`: what was published to a subscription before.

use super::super::history::{Asker, Query, Reading, Search};
use super::super::realm::{Context, Realm, Refusal};
use super::arguments::Arguments;
use super::{Form, Inquiry, Outcome, Question};
use crate::limits::{HISTORY_PAGES_MAX, RESULT_HEAD_BYTES_MAX};
use crate::message::options::EventsKeywords;
use crate::message::{Payload, SubscriptionId, Text, uri};
use crate::session::CallRef;
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::{Serializer, Writer};

impl Realm {
    /// Asks the keeper of a history for events. A subscription without one has had none.
    // spec: advanced/pubsub_event_history#receiving-event-history
    pub(super) fn events_call(
        &mut self,
        call: CallRef,
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        let subscription = SubscriptionId(asked.required::<u64>()?);
        let keywords: EventsKeywords<'_> = asked.keywords()?;
        let query = Query::new(&keywords)?;
        let entry = self.shared.subscriptions.of_id(subscription.0);
        let entry = entry.ok_or(Refusal::new(uri::error::NO_SUCH_SUBSCRIPTION))?;
        self.require_subscribe(call.caller.slot, &entry, context)?;
        let Some(keeper) = entry.keeper else {
            if query.names_publications() {
                return Err(Refusal::new(uri::error::INVALID_ARGUMENT));
            }
            return Ok(Outcome::Answer(no_events()));
        };
        let Some(reading) = reading(call, subscription, context)? else {
            return Ok(Outcome::Asked);
        };
        let Some(session) = context.peers.find(call.caller) else { return Ok(Outcome::Asked) };
        let mut arguments = Vec::new();
        let mut writer = MsgPackWriter::open(&mut arguments);
        writer.list(2);
        writer.text(&session.identity.authid);
        writer.text(&session.identity.authrole);
        writer.end_list();
        let elements = (&*arguments, asked.keywords_as_they_are());
        let payload = Payload::from_elements(Serializer::MessagePack, elements, false);
        let inquiry = Inquiry { call, form: Form::Only, question: Question::Events(reading) };
        self.ask(inquiry, &[keeper.0], &payload, context)
    }

    /// Begins to answer what [`events_call`](Self::events_call) asked, of a history that is kept
    /// here.
    pub(super) fn events_search(
        &mut self,
        reading: Reading,
        mut asked: Arguments<'_>,
        context: &mut Context<'_>,
    ) -> Result<Search, Refusal> {
        let (authid, authrole): (Text<'_>, Text<'_>) = (asked.required()?, asked.required()?);
        let asker = Asker { authid: (*authid).into(), authrole: (*authrole).into() };
        let query = Query::new(&asked.keywords()?)?;
        self.broker.histories.search((reading, query), asker, context.now)
    }
}

/// How the caller is to be answered; `None` if it is gone.
///
/// A caller may ask for as many pages as fit into its outbox, beside what waits there and a page's
/// room for all else: so nobody can have more memory filled by asking than by not reading, and
/// whoever reads is never ended because the answers together were too long.
fn reading(
    call: CallRef,
    subscription: SubscriptionId,
    context: &mut Context<'_>,
) -> Result<Option<Reading>, Refusal> {
    let slot = call.caller.slot;
    let outbox_bytes_max = context.limits.outbox_bytes_max;
    let waiting = context.peers.waiting(slot);
    let Some(negotiated) = context.peers.negotiated(slot) else { return Ok(None) };
    let Some(session) = context.peers.find(call.caller) else { return Ok(None) };
    let longest = negotiated.peer_message_bytes_max.min(outbox_bytes_max);
    let event_bytes_max = longest.saturating_sub(RESULT_HEAD_BYTES_MAX);
    let page_bytes_max = event_bytes_max.min(outbox_bytes_max / HISTORY_PAGES_MAX);
    let promised = (session.meta_calls + 2).saturating_mul(page_bytes_max);
    if waiting.saturating_add(promised) > outbox_bytes_max {
        return Err(Refusal::new(uri::error::LIMIT_EXCEEDED));
    }
    let serializer = negotiated.serializer;
    Ok(Some(Reading { subscription, serializer, page_bytes_max, event_bytes_max }))
}

/// The Arguments of a RESULT without events.
fn no_events() -> Vec<u8> {
    let mut arguments = Vec::new();
    let mut writer = MsgPackWriter::open(&mut arguments);
    writer.list(0);
    writer.end_list();
    arguments
}
