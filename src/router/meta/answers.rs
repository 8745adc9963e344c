//! How what was found out is given to the caller.

use super::super::realm::{Context, error_of};
use super::{Form, Gathering};
use crate::message::uri;
use crate::message::{Call, Message, Payload, Result as CallResult, ResultDetails};
use crate::session::{CallRef, KeptPayload};
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::{Serializer, Writer};

/// Gives a caller what was gathered for it.
pub(super) fn finish(mut gathering: Gathering, context: &mut Context<'_>) {
    if let Some(error) = gathering.error {
        let error = error_of(Call::CODE, gathering.call.request, error);
        if context.peers.find(gathering.call.caller).is_some() {
            context.peers.tell(gathering.call.caller.slot, error);
        }
        return;
    }
    // What each shard found is sorted mostly, and a session may have been met twice.
    gathering.ids.sort();
    let arguments = match gathering.form {
        Form::Sum => answer(|writer| writer.integer(gathering.ids.iter().sum())),
        Form::Only => Vec::new(),
        Form::List => {
            gathering.ids.dedup();
            answer(|writer| write_ids(&gathering.ids, writer))
        }
        Form::Count => answer(|writer| writer.integer(gathering.ids.len() as u64)),
    };
    let given = gathering.given.as_ref().map(KeptPayload::payload);
    give(gathering.call, &given.unwrap_or(in_msgpack(&arguments)), context);
}

/// A payload of these Arguments, in MessagePack; empty for none.
pub(super) const fn in_msgpack(arguments: &[u8]) -> Payload<'_> {
    Payload::from_elements(Serializer::MessagePack, (arguments, &[]), false)
}

/// Gives a caller a RESULT with this payload.
pub(super) fn give(call: CallRef, payload: &Payload<'_>, context: &mut Context<'_>) {
    let CallRef { caller, request, .. } = call;
    if context.peers.find(caller).is_none() {
        return;
    }
    // In other serializers it may be twice as long. Nobody is ended for having asked for much.
    let longer = if payload.serializer() == Serializer::MessagePack { 2 } else { 1 };
    let waiting = context.peers.waiting(caller.slot) + longer * payload.len();
    if payload.len() > LONG_ANSWER_BYTES && waiting > context.limits.outbox_bytes_max {
        let error = error_of(Call::CODE, request, uri::error::LIMIT_EXCEEDED);
        return context.peers.tell(caller.slot, error);
    }
    let sent = context.peers.in_serializer_of(caller.slot, payload, |peers, payload| {
        let message = CallResult { request, details: ResultDetails::default(), payload };
        peers.send(caller.slot, &Message::Result(message))
    });
    if sent.is_err() {
        let error = uri::error::PAYLOAD_SIZE_EXCEEDED;
        context.peers.tell(caller.slot, error_of(Call::CODE, request, error));
    }
}

/// Octets of an answer beyond which it may be refused.
const LONG_ANSWER_BYTES: usize = 1_000;

/// Arguments with one element, in MessagePack.
pub(super) fn answer(write: impl FnOnce(&mut MsgPackWriter<'_>)) -> Vec<u8> {
    let mut arguments = Vec::new();
    let mut writer = MsgPackWriter::open(&mut arguments);
    writer.list(1);
    write(&mut writer);
    writer.end_list();
    arguments
}

pub(super) fn write_ids(ids: &[u64], writer: &mut MsgPackWriter<'_>) {
    writer.list(ids.len());
    ids.iter().for_each(|id| writer.integer(*id));
    writer.end_list();
}
