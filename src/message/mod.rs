//! What can be said: the 24 messages of WAMP, each layout written once.
//!
//! The table below is the specification's own: a code, a name, the elements in their order.
//! [`layout`] turns it into a struct per message with both directions, reading from any
//! [`Reader`] and writing to any [`Writer`]; [`options`] does the same for the known attributes of
//! every Options and Details dict. A message borrows from the bytes it was read from, and its
//! [`Payload`] stays raw: checked, never turned into values.
//!
//! EVENT_RECEIVED (337) stands in the specification's test vectors but not in its text; it is
//! read, so that it can be ignored.

pub mod extra;
pub mod id;
pub mod layout;
pub mod options;
pub mod payload;
pub mod uri;

pub use id::{PublicationId, RegistrationId, RequestId, SessionId, SubscriptionId};
pub use layout::{Attributes, Invalid};
pub use options::*;
pub use payload::Payload;
pub use uri::{MatchPolicy, UriCheck};

use std::borrow::Cow;

use crate::wire::cbor::{CborReader, CborWriter};
use crate::wire::json::{JsonReader, JsonWriter};
use crate::wire::msgpack::{MsgPackReader, MsgPackWriter};
use crate::wire::ubjson::{UbjsonReader, UbjsonWriter};
use crate::wire::{Malformed, Reader, Sequence, Serializer, Writer};
use layout::{Field, messages};

/// Text of a message, borrowed from its bytes wherever that is possible.
pub type Text<'a> = Cow<'a, str>;

messages! { <'a>
    /// Opens a session on a realm. Client to router.
    // spec: basic/messages#hello
    1 Hello<'a> { realm: Text<'a>, details: HelloDetails<'a> }
    /// The session is open. Router to client.
    // spec: basic/messages#welcome
    2 Welcome<'a> { session: SessionId, details: WelcomeDetails<'a> }
    /// The session is refused, or ends because a rule was broken. Either way.
    // spec: basic/messages#abort
    3 Abort<'a> { details: AbortDetails<'a>, reason: Text<'a>, payload: Payload<'a> }
    /// Asks for a proof of identity. Router to client.
    // spec: advanced/messages#challenge
    4 Challenge<'a> { method: Text<'a>, extra: ChallengeExtra<'a> }
    /// The proof. Client to router.
    // spec: advanced/messages#authenticate
    5 Authenticate<'a> { signature: Signature<'a>, extra: AuthenticateExtra<'a> }
    /// Ends the session in good order; answered in kind. Either way.
    // spec: basic/messages#goodbye
    6 Goodbye<'a> { details: GoodbyeDetails<'a>, reason: Text<'a> }
    /// A request failed. Router to client; from a callee only about an INVOCATION.
    // spec: basic/messages#error
    8 Error<'a> {
        request_type: u64,
        request: RequestId,
        details: ErrorDetails<'a>,
        error: Text<'a>,
        payload: Payload<'a>,
    }
    /// Publishes an event to a topic. Client to router.
    // spec: basic/messages#publish
    16 Publish<'a> {
        request: RequestId,
        options: PublishOptions<'a>,
        topic: Text<'a>,
        payload: Payload<'a>,
    }
    /// The publication was accepted. Router to client.
    // spec: basic/messages#published
    17 Published { request: RequestId, publication: PublicationId }
    /// Subscribes to a topic. Client to router.
    // spec: basic/messages#subscribe
    32 Subscribe<'a> { request: RequestId, options: SubscribeOptions<'a>, topic: Text<'a> }
    /// The subscription stands. Router to client.
    // spec: basic/messages#subscribed
    33 Subscribed { request: RequestId, subscription: SubscriptionId }
    /// Gives a subscription up. Client to router.
    // spec: basic/messages#unsubscribe
    34 Unsubscribe<'a> {
        request: RequestId,
        subscription: SubscriptionId,
        options: Option<UnsubscribeOptions<'a>>,
    }
    /// The subscription is gone. Router to client.
    // spec: basic/messages#unsubscribed
    35 Unsubscribed<'a> { request: RequestId, details: Option<UnsubscribedDetails<'a>> }
    /// Something was published. Router to client.
    // spec: basic/messages#event
    36 Event<'a> {
        subscription: SubscriptionId,
        publication: PublicationId,
        details: EventDetails<'a>,
        payload: Payload<'a>,
    }
    /// Calls a procedure. Client to router.
    // spec: basic/messages#call
    48 Call<'a> {
        request: RequestId,
        options: CallOptions<'a>,
        procedure: Text<'a>,
        payload: Payload<'a>,
    }
    /// Gives a call up. Client to router.
    // spec: advanced/messages#cancel
    49 Cancel<'a> { request: RequestId, options: CancelOptions<'a> }
    /// What the call gave. Router to client.
    // spec: basic/messages#result
    50 Result<'a> { request: RequestId, details: ResultDetails<'a>, payload: Payload<'a> }
    /// Offers a procedure. Client to router.
    // spec: basic/messages#register
    64 Register<'a> { request: RequestId, options: RegisterOptions<'a>, procedure: Text<'a> }
    /// The registration stands. Router to client.
    // spec: basic/messages#registered
    65 Registered { request: RequestId, registration: RegistrationId }
    /// Gives a registration up. Client to router.
    // spec: basic/messages#unregister
    66 Unregister<'a> {
        request: RequestId,
        registration: RegistrationId,
        options: Option<UnregisterOptions<'a>>,
    }
    /// The registration is gone. Router to client.
    // spec: basic/messages#unregistered
    67 Unregistered<'a> { request: RequestId, details: Option<UnregisteredDetails<'a>> }
    /// Asks a callee to run a procedure. Router to client.
    // spec: basic/messages#invocation
    68 Invocation<'a> {
        request: RequestId,
        registration: RegistrationId,
        details: InvocationDetails<'a>,
        payload: Payload<'a>,
    }
    /// Asks a callee to stop. Router to client.
    // spec: advanced/messages#interrupt
    69 Interrupt<'a> { request: RequestId, options: InterruptOptions<'a> }
    /// What the procedure gave. Client to router.
    // spec: basic/messages#yield
    70 Yield<'a> { request: RequestId, options: YieldOptions<'a>, payload: Payload<'a> }
    /// An event was processed (provisional; ignored). Client to router.
    337 EventReceived { publication: PublicationId }
}

/// Writes the elements of a message in a serializer that is known only now.
macro_rules! write_as {
    ($message:expr, $serializer:expr, $out:expr) => {
        match $serializer {
            Serializer::Json => $message.write_elements(&mut JsonWriter::open($out)),
            Serializer::MessagePack => $message.write_elements(&mut MsgPackWriter::open($out)),
            Serializer::Cbor => $message.write_elements(&mut CborWriter::open($out)),
            Serializer::Ubjson => $message.write_elements(&mut UbjsonWriter::open($out)),
        }
    };
}

impl<'a> Message<'a> {
    /// Reads one message.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if the bytes are no message of `serializer`, the code is unknown, or an element
    /// is missing, superfluous or of the wrong type. All of these are protocol violations.
    // spec: basic/building_blocks#protocol-errors — undecodable or incompatible messages
    pub fn parse(serializer: Serializer, bytes: &'a [u8]) -> std::result::Result<Self, Invalid> {
        match serializer {
            Serializer::Json => Self::read(&mut JsonReader::open(bytes)),
            Serializer::MessagePack => Self::read(&mut MsgPackReader::open(bytes)),
            Serializer::Cbor => Self::read(&mut CborReader::open(bytes)),
            Serializer::Ubjson => Self::read(&mut UbjsonReader::open(bytes)),
        }
    }

    fn read<R: Reader<'a>>(reader: &mut R) -> std::result::Result<Self, Invalid> {
        let mut sequence = reader.list()?;
        let code = u64::read(reader, &mut sequence).map_err(|invalid| invalid.within("type"))?;
        let message = Self::read_elements(code, reader, &mut sequence)?;
        if reader.more(&mut sequence)? {
            return Err(Invalid::from(Malformed("too many elements")).within(message.name()));
        }
        reader.end()?;
        message.check_payload()?;
        Ok(message)
    }

    /// Appends this message to `out`. Its payload, if any, must be in `serializer` already.
    pub fn write(&self, serializer: Serializer, out: &mut Vec<u8>) {
        write_as!(self, serializer, out);
    }

    /// A binary in the place of Arguments is the field's older form of payload passthru, and
    /// legal only beside the attribute that announces it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other messages carry no passthru")]
    fn check_payload(&self) -> std::result::Result<(), Invalid> {
        let passthru = match self {
            Message::Publish(publish) => &publish.options.passthru,
            Message::Event(event) => &event.details.passthru,
            Message::Call(call) => &call.options.passthru,
            Message::Invocation(invocation) => &invocation.details.passthru,
            Message::Yield(answer) => &answer.options.passthru,
            Message::Result(result) => &result.details.passthru,
            Message::Error(error) => &error.details.passthru,
            _ => &None,
        };
        let announced = passthru.as_ref().is_some_and(|passthru| passthru.enc_algo.is_some());
        match self.payload() {
            Some(payload) if payload.is_transparent() && !announced => {
                Err(Invalid::from(Malformed("expected a list")).within("Arguments"))
            }
            _ => Ok(()),
        }
    }

    /// The application's payload, if this type of message carries one.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other messages carry none")]
    pub const fn payload(&self) -> Option<&Payload<'a>> {
        match self {
            Message::Publish(Publish { payload, .. })
            | Message::Event(Event { payload, .. })
            | Message::Call(Call { payload, .. })
            | Message::Invocation(Invocation { payload, .. })
            | Message::Yield(Yield { payload, .. })
            | Message::Result(Result { payload, .. })
            | Message::Error(Error { payload, .. })
            | Message::Abort(Abort { payload, .. }) => Some(payload),
            _ => None,
        }
    }
}

impl Event<'_> {
    /// Appends this message to `out`, as [`Message::write`] does.
    pub fn write(&self, serializer: Serializer, out: &mut Vec<u8>) {
        write_as!(self, serializer, out);
    }
}

#[cfg(test)]
mod tests;
