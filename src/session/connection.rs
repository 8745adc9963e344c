//! A connection: its transport, what waits for it, and where its session stands.

use super::{Authentication, Awaited, Outbox, Session, Violation};
use crate::env::Instant;
use crate::message::{Message, RequestId};
use crate::wire::{Negotiated, Transport, Visitor};

/// What a message is for, once it is known to be legal now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// HELLO: join a realm.
    Hello,
    /// AUTHENTICATE: the answer to our challenge.
    Proof,
    /// A request or an answer for the router.
    Routed,
    /// The peer says goodbye, or answers ours.
    Goodbye,
    /// The peer gives up, without an answer.
    Abort,
    /// Nothing to do.
    Ignored,
}

/// Where a conversation stands.
#[derive(Debug, Default)]
pub enum Phase {
    /// No session yet: the transport's handshake or HELLO is awaited.
    #[default]
    Opening,
    /// A session is asked for, and who it is for is being found out.
    Authenticating(Box<Authentication>),
    /// A session is open.
    Open(Box<Session>),
    /// We said GOODBYE and wait for the peer's; the session is over and cleaned up.
    Leaving,
    /// All is said. The connection is closed as soon as the outbox is empty.
    Flushing,
}

/// One connection of this shard.
#[derive(Debug, Default)]
pub struct Connection {
    /// The receiving half of the transport.
    pub transport: Transport,
    /// What the transport's handshake settled, once it did.
    pub negotiated: Option<Negotiated>,
    /// What an HTTP client said of itself when it came.
    pub visitor: Option<Box<Visitor>>,
    /// What was received and waits for its turn.
    pub rest: Vec<u8>,
    /// Where the conversation stands.
    pub phase: Phase,
    /// The last request id of the session before, if there was one.
    pub request_before: Option<RequestId>,
    /// Bytes that wait to be written.
    pub outbox: Outbox,
    /// Something was received since the last look.
    pub heard: bool,
    /// Something was written since the last look.
    pub progressed: bool,
    /// The first look since something was written last, if something has waited ever since.
    pub stalled_since: Option<Instant>,
    /// When the message began of which a part has come, if one has.
    pub midway_since: Option<Instant>,
    /// Looks in a row at which the peer had been silent.
    pub silences: u8,
}

impl Connection {
    /// The open session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Open(session) => Some(session),
            Phase::Opening | Phase::Authenticating(_) | Phase::Leaving | Phase::Flushing => None,
        }
    }

    /// The open session, if there is one.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Open(session) => Some(session),
            Phase::Opening | Phase::Authenticating(_) | Phase::Leaving | Phase::Flushing => None,
        }
    }

    /// Whether `message` may be said now.
    ///
    /// # Errors
    ///
    /// A [`Violation`] if not: ABORT, and nothing of this peer is read any more.
    // spec: basic/sessions#session-statechart
    pub fn admit(&mut self, message: &Message<'_>) -> Result<Admitted, Violation> {
        let hello = matches!(message, Message::Hello(_));
        let goodbye = matches!(message, Message::Goodbye(_));
        let abort = matches!(message, Message::Abort(_));
        let proof = matches!(message, Message::Authenticate(_));
        match &mut self.phase {
            Phase::Open(session) => session.admit(message),
            Phase::Opening if hello => Ok(Admitted::Hello),
            Phase::Opening | Phase::Authenticating(_) | Phase::Leaving if abort => {
                Ok(Admitted::Abort)
            }
            // spec: advanced/messages#authenticate — once, and only behind CHALLENGE
            Phase::Authenticating(known) if proof && known.awaited == Awaited::Proof => {
                known.awaited = Awaited::Judgement;
                Ok(Admitted::Proof)
            }
            Phase::Opening | Phase::Authenticating(_) => {
                let name = message.name();
                Err(Violation(format!("{name} before a session is open").into()))
            }
            // spec: basic/sessions#closing — once GOODBYE is sent only GOODBYE counts
            Phase::Leaving if goodbye => Ok(Admitted::Goodbye),
            Phase::Leaving | Phase::Flushing => Ok(Admitted::Ignored),
        }
    }
}
