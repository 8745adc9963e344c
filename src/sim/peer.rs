//! A simulated client: its transport, and what it knows of its conversation.
//!
//! It knows only what a client can know: what it said and what it heard.

use super::machine::LinkId;
use super::rights::Claim;
use super::said::{Calling, Talents};
use super::value::Value;
use crate::wire::{Client, ClientOptions, Failure, Framing, Incoming, Serializer};

/// A simulated client.
#[derive(Debug)]
pub struct Peer {
    /// Its connection, if it has one.
    pub link: Option<LinkId>,
    /// What it reads and writes.
    pub serializer: Serializer,
    /// The longest message it takes; the maximum if it has no limit of its own.
    pub message_bytes_max: usize,
    /// Where its conversation stands.
    pub place: Place,
    /// It never reads.
    pub deaf: bool,
    /// It says anything at all.
    pub noisy: bool,
    /// The realm it has chosen.
    pub realm: usize,
    /// Who it claims to be, if it does.
    pub claim: Option<Claim>,
    /// What it is to sign, once it has heard that.
    pub challenge: Option<Value>,
    /// What it can do as a callee.
    pub talents: Talents,
    /// What it knows of its session.
    pub known: Known,
    framing: Framing,
    client: Option<Client>,
}

/// Where a conversation stands, as its peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is no connection.
    Out,
    /// There is no session.
    Ready,
    /// HELLO was said, and what it claims is to be proved.
    Proving,
    /// HELLO was said, and all that is to be proved.
    Joining,
    /// WELCOME was heard.
    In,
    /// GOODBYE was said.
    Leaving,
    /// GOODBYE was heard first.
    Asked,
    /// The peer said something after which nothing is worth saying.
    Over,
}

/// What a peer knows of its session.
#[derive(Debug, Default)]
pub struct Known {
    /// The id of its last request.
    pub request_last: u64,
    /// Subscriptions it holds.
    pub subscriptions: Vec<u64>,
    /// Registrations it holds.
    pub registrations: Vec<u64>,
    /// Calls that it made; some may be over.
    pub calls: Vec<u64>,
    /// Calls that it makes in parts, and of which it has not said the last; some may be over.
    pub calls_in_parts: Vec<(u64, Calling)>,
    /// Invocations it has not answered.
    pub invocations: Vec<Invocation>,
    /// The last invocation.
    pub invocation_last: u64,
}

/// An invocation that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Invocation {
    /// Its id.
    pub request: u64,
    /// The caller takes results in parts.
    pub receive_progress: bool,
}

impl Peer {
    /// A peer that will speak `framing` and `serializer`.
    #[must_use]
    pub fn new(framing: Framing, serializer: Serializer, message_bytes_max: usize) -> Self {
        Self {
            link: None,
            serializer,
            message_bytes_max,
            place: Place::Out,
            deaf: false,
            noisy: false,
            realm: 0,
            claim: None,
            challenge: None,
            talents: Talents::default(),
            known: Known::default(),
            framing,
            client: None,
        }
    }

    /// Whether it speaks in WebSocket frames.
    #[must_use]
    pub const fn has_websocket(&self) -> bool {
        matches!(self.framing, Framing::WebSocket)
    }

    /// A new connection; gives what opens it.
    pub fn connect(&mut self, link: LinkId) -> Vec<u8> {
        // Every second one compresses, if it speaks WebSocket.
        let (masking_seed, deflate) = (link as u64, link % 2 == 1);
        let mut options = ClientOptions { masking_seed, deflate, ..ClientOptions::default() };
        if self.message_bytes_max < usize::MAX {
            options.message_bytes_max = self.message_bytes_max;
        }
        let client = self.client.insert(Client::new(self.framing, self.serializer, options));
        let mut hello = Vec::new();
        client.hello(&mut hello);
        self.link = Some(link);
        self.place = Place::Ready;
        self.known = Known::default();
        hello
    }

    /// The connection is gone.
    pub fn disconnect(&mut self) -> Option<LinkId> {
        self.place = Place::Out;
        self.link.take()
    }

    /// The frame of one message, in fragments of `fragment_bytes_max` octets if that is not zero.
    pub fn frame(&mut self, message: &[u8], fragment_bytes_max: usize) -> Vec<u8> {
        let (mut out, client) = (Vec::new(), self.client.as_mut().expect("it is connected"));
        match fragment_bytes_max {
            0 => client.frame(message, &mut out),
            some => client.frame_fragmented(message, some, &mut out),
        }
        out
    }

    /// A ping.
    pub fn ping(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.client.as_mut().expect("it is connected").ping(b"sim", &mut out);
        out
    }

    /// Takes in octets; hands each message to `hear` and gives what the transport replies.
    ///
    /// # Panics
    ///
    /// If the router breaks the transport's rules.
    pub fn read(&mut self, mut octets: Vec<u8>, mut hear: impl FnMut(&mut Self, &[u8])) -> Vec<u8> {
        let (mut input, mut reply) = (&mut octets[..], Vec::new());
        // The transport lends out its messages, so it stands aside meanwhile.
        let mut client = self.client.take().expect("a peer that hears has a transport");
        loop {
            match client.next(&mut input, &mut reply) {
                Ok(Some(Incoming::Message(message))) => hear(self, message),
                Ok(Some(Incoming::Negotiated(_) | Incoming::Alive)) => {}
                Ok(Some(Incoming::Request(_))) => unreachable!("a client is asked nothing"),
                Ok(None | Some(Incoming::Finished)) => break,
                // It was told that its request took too long; the connection ends.
                Err(Failure::Answered) => break,
                Err(failure) => panic!("the router breaks its transport: {failure:?}"),
            }
        }
        self.client = Some(client);
        reply
    }

    /// Learns from what it heard.
    pub fn learn(&mut self, message: &Value) {
        let number = |place: usize| message.items().get(place).and_then(Value::number);
        let (code, second) = (number(0), number(2).unwrap_or_default());
        let known = &mut self.known;
        match code {
            Some(2) if self.place == Place::Joining => self.place = Place::In,
            Some(3) => self.place = Place::Over,
            Some(4) => self.challenge = message.items().get(2).cloned(),
            Some(6) if self.place == Place::Leaving => self.place = Place::Ready,
            Some(6) => self.place = Place::Asked,
            Some(33) if !known.subscriptions.contains(&second) => known.subscriptions.push(second),
            Some(65) if !known.registrations.contains(&second) => known.registrations.push(second),
            Some(67) if number(1) == Some(0) => {
                let details = message.items().get(2);
                let taken = details.and_then(|details| details.get("registration"));
                let taken = taken.and_then(Value::number);
                known.registrations.retain(|held| Some(*held) != taken);
            }
            Some(35) if number(1) == Some(0) => {
                let details = message.items().get(2);
                let taken = details.and_then(|details| details.get("subscription"));
                let taken = taken.and_then(Value::number);
                known.subscriptions.retain(|held| Some(*held) != taken);
            }
            // Further parts of a call change nothing.
            Some(68) if number(1) > Some(known.invocation_last) => {
                let request = number(1).unwrap_or_default();
                let details = message.items().get(3);
                let progress = details.and_then(|details| details.get("receive_progress"));
                known.invocation_last = request;
                known.invocations.push(Invocation {
                    request,
                    receive_progress: progress == Some(&Value::Boolean(true)),
                });
            }
            _ => {}
        }
        if self.place == Place::Ready {
            self.known = Known::default();
        }
    }
}
