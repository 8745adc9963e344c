//! Bytes become frames, frames become elements. Knows no WAMP message.
//!
//! Two halves that never meet in here:
//!
//! - *Transports* cut a byte stream into whole messages and frame outgoing ones:
//!   [`Transport`] sniffs the first octet and becomes [`rawsocket`], [`websocket`] or, where no
//!   message comes alone but HTTP requests do, [`longpoll`].
//! - *Serializers* read and write the elements of one message: [`json`], [`msgpack`], [`cbor`] and
//!   [`ubjson`] implement [`Reader`] and [`Writer`]; [`transcode`] carries a payload from one to
//!   another.
//!
//! Every length in here comes from a peer that may be hostile: nothing is allocated from an
//! announced length, nothing recurses without a bound, nothing is indexed unchecked.

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod cbor;
pub mod client;
mod cursor;
pub mod element;
pub mod json;
pub mod longpoll;
pub mod msgpack;
mod payload;
pub mod proxy;
pub mod rawsocket;
pub mod transcode;
pub mod transport;
pub mod ubjson;
pub mod visitor;
pub mod websocket;

pub use client::{Client, ClientOptions};
pub use element::{Kind, Reader, Sequence, Writer};
pub use transport::{
    Failure, Framing, Incoming, Negotiated, Separator, Transport, TransportOptions,
};
pub use visitor::{Circumstances, Cookie, CookieValue, OriginPattern, Origins, Visitor};
pub use websocket::deflate::{Deflater, Window};

/// How the messages of one connection are serialized; fixed when the connection opens.
// spec: basic/building_blocks#serializers
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Serializer {
    /// `wamp.2.json`, RawSocket serializer 1.
    Json,
    /// `wamp.2.msgpack`, RawSocket serializer 2.
    MessagePack,
    /// `wamp.2.cbor`, RawSocket serializer 3.
    Cbor,
    /// `wamp.2.ubjson`, RawSocket serializer 4.
    Ubjson,
}

impl Serializer {
    /// All of them, in the order of their RawSocket numbers.
    pub const ALL: [Self; 4] = [Self::Json, Self::MessagePack, Self::Cbor, Self::Ubjson];

    /// A dense number from 0, for tables with one place per serializer.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The WebSocket subprotocol that stands for it.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "wamp.2.json",
            Self::MessagePack => "wamp.2.msgpack",
            Self::Cbor => "wamp.2.cbor",
            Self::Ubjson => "wamp.2.ubjson",
        }
    }

    /// The WebSocket subprotocol that stands for it in batches.
    // spec: advanced/transport_batched_websocket
    #[must_use]
    pub const fn batched_subprotocol(self) -> &'static str {
        match self {
            Self::Json => "wamp.2.json.batched",
            Self::MessagePack => "wamp.2.msgpack.batched",
            Self::Cbor => "wamp.2.cbor.batched",
            Self::Ubjson => "wamp.2.ubjson.batched",
        }
    }

    /// The RawSocket handshake's number for it.
    #[must_use]
    pub const fn rawsocket_number(self) -> u8 {
        self as u8 + 1
    }
}

/// Bytes that are no message of their serializer, or an element of another type than expected.
///
/// The peer that sent them broke the protocol; the text says how, for its ABORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}
