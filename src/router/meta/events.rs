//! The meta events: who came and went, what was subscribed to and registered.
//!
//! Broker and dealer note what happened as [`News`]; the realm publishes it once the request that
//! brought it about is answered.

use std::sync::Arc;

use super::super::peers::Peers;
use super::super::realm::{Context, Realm};
use super::super::registrations::Registration;
use super::super::subscriptions::Subscription;
use crate::message::SessionId;
use crate::session::{Identity, Session};
use crate::wire::msgpack::MsgPackWriter;
use crate::wire::{Framing, Negotiated, Writer};

/// Something the meta API tells.
#[derive(Debug)]
pub(in super::super) enum News {
    /// A subscription came to be.
    SubscriptionCreated(SessionId, Arc<Subscription>),
    /// A session subscribed.
    Subscribed(SessionId, u64),
    /// A session unsubscribed.
    Unsubscribed(SessionId, u64),
    /// A subscription is no more.
    SubscriptionDeleted(SessionId, u64),
    /// A registration came to be.
    RegistrationCreated(SessionId, Arc<Registration>),
    /// A callee registered.
    Registered(SessionId, u64),
    /// A callee unregistered.
    Unregistered(SessionId, u64),
    /// A registration is no more.
    RegistrationDeleted(SessionId, u64),
}

impl News {
    const fn topic(&self) -> &'static str {
        match self {
            Self::SubscriptionCreated(..) => "wamp.subscription.on_create",
            Self::Subscribed(..) => "wamp.subscription.on_subscribe",
            Self::Unsubscribed(..) => "wamp.subscription.on_unsubscribe",
            Self::SubscriptionDeleted(..) => "wamp.subscription.on_delete",
            Self::RegistrationCreated(..) => "wamp.registration.on_create",
            Self::Registered(..) => "wamp.registration.on_register",
            Self::Unregistered(..) => "wamp.registration.on_unregister",
            Self::RegistrationDeleted(..) => "wamp.registration.on_delete",
        }
    }

    fn write(&self, writer: &mut MsgPackWriter<'_>) {
        writer.list(2);
        match self {
            Self::SubscriptionCreated(session, subscription) => {
                writer.integer(session.0);
                subscription.write_details(writer);
            }
            Self::RegistrationCreated(session, registration) => {
                writer.integer(session.0);
                registration.write_details(writer);
            }
            Self::Subscribed(session, id)
            | Self::Unsubscribed(session, id)
            | Self::SubscriptionDeleted(session, id)
            | Self::Registered(session, id)
            | Self::Unregistered(session, id)
            | Self::RegistrationDeleted(session, id) => {
                writer.integer(session.0);
                writer.integer(*id);
            }
        }
        writer.end_list();
    }
}

impl Realm {
    /// Publishes what has happened since the last time.
    pub(in super::super) fn publish_news(&mut self, context: &mut Context<'_>) {
        for news in std::mem::take(context.news) {
            self.publish_own(news.topic(), |writer| news.write(writer), context);
        }
    }

    // spec: advanced/meta_api_sessions#on_join
    pub(in super::super) fn publish_join(
        &mut self,
        slot: u32,
        (session, identity): (SessionId, &Identity),
        context: &mut Context<'_>,
    ) {
        if !self.broker.has_subscribers("wamp.session.on_join") {
            return;
        }
        let way = Way::of(slot, context.peers);
        let write = |writer: &mut MsgPackWriter<'_>| {
            writer.list(1);
            write_session(session, identity, way.as_ref(), writer);
            writer.end_list();
        };
        self.publish_own("wamp.session.on_join", write, context);
    }

    // spec: advanced/meta_api_sessions#on_leave
    pub(in super::super) fn publish_leave(&mut self, session: &Session, context: &mut Context<'_>) {
        let write = |writer: &mut MsgPackWriter<'_>| {
            writer.list(3);
            writer.integer(session.id.0);
            writer.text(&session.identity.authid);
            writer.text(&session.identity.authrole);
            writer.end_list();
        };
        self.publish_own("wamp.session.on_leave", write, context);
    }

    /// Publishes as the router itself, if anybody listens.
    fn publish_own(
        &mut self,
        topic: &'static str,
        write: impl FnOnce(&mut MsgPackWriter<'_>),
        context: &mut Context<'_>,
    ) {
        if !self.broker.has_subscribers(topic) {
            return;
        }
        let mut arguments = Vec::new();
        write(&mut MsgPackWriter::open(&mut arguments));
        self.broker.publish_own(topic, &arguments, context);
    }
}

/// How a session is connected.
#[derive(Debug)]
pub(in crate::router) struct Way {
    kind: &'static str,
    protocol: &'static str,
    peer: Box<str>,
}

impl Way {
    /// How the session in `slot` is connected.
    pub(in crate::router) fn of(slot: u32, peers: &Peers) -> Option<Self> {
        let Negotiated { serializer, framing, .. } = peers.negotiated(slot)?;
        let poll = peers.place(slot).and_then(|place| place.poll.as_ref());
        let (kind, protocol) = match (poll, framing) {
            (Some(poll), _) => ("longpoll", poll.subprotocol(serializer)),
            (None, Framing::RawSocket) => ("rawsocket", serializer.subprotocol()),
            (None, Framing::WebSocket) => ("websocket", serializer.subprotocol()),
            (None, Framing::Batched(_)) => ("websocket", serializer.batched_subprotocol()),
        };
        Some(Self { kind, protocol, peer: peers.address(slot).into() })
    }

    /// Writes the three entries that tell it.
    pub(in crate::router) fn write<'o>(&self, writer: &mut impl Writer<'o>) {
        let entries = [("type", self.kind), ("protocol", self.protocol), ("peer", &*self.peer)];
        for (key, value) in entries {
            writer.key(key);
            writer.text(value);
        }
    }
}

/// What is told of a session, by `on_join` and `wamp.session.get`.
// spec: advanced/meta_api_sessions — what `transport` holds is up to the router
pub(super) fn write_session(
    id: SessionId,
    identity: &Identity,
    way: Option<&Way>,
    writer: &mut MsgPackWriter<'_>,
) {
    writer.dict(5 + usize::from(way.is_some()));
    writer.key("session");
    writer.integer(id.0);
    let write_texts = |writer: &mut MsgPackWriter<'_>, texts: &[(&str, &str)]| {
        for (key, value) in texts {
            writer.key(key);
            writer.text(value);
        }
    };
    write_texts(
        writer,
        &[
            ("authid", &*identity.authid),
            ("authrole", &*identity.authrole),
            ("authmethod", identity.authmethod),
            ("authprovider", &identity.authprovider),
        ],
    );
    if let Some(way) = way {
        writer.key("transport");
        writer.dict(3);
        way.write(writer);
        writer.end_dict();
    }
    writer.end_dict();
}
