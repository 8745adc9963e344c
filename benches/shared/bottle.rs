//! Routers without sockets, driven by hand as a driver would, for benches of what a message costs.

use std::sync::Arc;

use gigawamp::env::Instant;
use gigawamp::router::config::{Config, Limits, RealmConfig, RequestIds, UriCheck};
use gigawamp::router::{ConnectionId, Input, Origin, Output, Router, ShardId, Shared};
use gigawamp::wire::{Client, ClientOptions, Framing, Serializer, TransportOptions, transcode};

/// One router for each shard, and the connections they have.
pub(crate) struct Bottle {
    routers: Vec<Router>,
    connections: Vec<u32>,
}

/// A connection with an open session.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    shard: usize,
    connection: ConnectionId,
    dialect: Dialect,
}

/// What a peer speaks.
pub(crate) type Dialect = (Framing, Serializer);

/// What costs least: MessagePack over RawSocket.
pub(crate) const LEAN: Dialect = (Framing::RawSocket, Serializer::MessagePack);

impl Bottle {
    /// Routers with one realm, in which anybody may do anything.
    pub(crate) fn new(shards: u16) -> Self {
        let realm = RealmConfig {
            name: "realm1".into(),
            uri_check: UriCheck::Loose,
            request_ids: RequestIds::Any,
            ..RealmConfig::default()
        };
        let config = Config {
            realms: vec![realm],
            listeners: vec![TransportOptions::default()],
            limits: Limits::default(),
            agent: "bench".into(),
            ..Config::default()
        };
        let shared = Shared::new(Arc::new(config), shards, [7; 32], Instant::default());
        let router = |shard: u16| {
            let seed = [u8::try_from(shard).expect("few shards"); 32];
            Router::new(ShardId(shard), &shared, seed)
        };
        let routers = (0..shards).map(router).collect();
        Self { routers, connections: vec![0; usize::from(shards)] }
    }

    /// Opens a session on `shard`.
    pub(crate) fn join(&mut self, shard: usize, dialect: Dialect) -> Peer {
        let slot = self.connections[shard];
        self.connections[shard] += 1;
        let connection = ConnectionId { slot, generation: 1 };
        let peer = Peer { shard, connection, dialect };
        self.open(peer);
        peer
    }

    /// Ends the connection of `peer`, and opens a session on another one in its place.
    pub(crate) fn join_again(&mut self, peer: &mut Peer) {
        self.handle(*peer, |connection| Input::Closed { connection });
        peer.connection.generation += 1;
        self.open(*peer);
    }

    /// Has `peer` say something, given as JSON; the octets that were written to anybody.
    pub(crate) fn say(&mut self, peer: Peer, json: &str) -> usize {
        let mut frame = framed(peer.dialect, json);
        self.receive(peer, &mut frame)
    }

    /// Hands bytes in and drains everything; the octets that were written to anybody.
    pub(crate) fn receive(&mut self, peer: Peer, bytes: &mut [u8]) -> usize {
        self.handle(peer, |connection| Input::Received { connection, bytes })
    }

    /// Messages that were queued for peers so far.
    pub(crate) fn messages_out(&self) -> u64 {
        self.routers.iter().map(|router| router.counters().messages_out).sum()
    }

    fn open(&mut self, peer: Peer) {
        let origin = Origin { peer: "bench".into(), ..Origin::default() };
        self.handle(peer, |connection| Input::Opened { connection, origin });
        let mut hello = Vec::new();
        Client::new(peer.dialect.0, peer.dialect.1, ClientOptions::default()).hello(&mut hello);
        self.receive(peer, &mut hello);
        let roles = r#"{"caller":{},"callee":{},"publisher":{},"subscriber":{}}"#;
        let written = self.say(peer, &format!(r#"[1,"realm1",{{"roles":{roles}}}]"#));
        assert!(written > 0, "no WELCOME");
    }

    fn handle<'a>(&mut self, peer: Peer, input: impl FnOnce(ConnectionId) -> Input<'a>) -> usize {
        self.routers[peer.shard].handle(Instant::default(), input(peer.connection));
        let mut written = 0;
        let mut busy = true;
        while busy {
            busy = false;
            for shard in 0..self.routers.len() {
                while let Some(output) = self.routers[shard].poll_output() {
                    busy = true;
                    self.act(shard, output, &mut written);
                }
            }
        }
        written
    }

    fn act(&mut self, shard: usize, output: Output, written: &mut usize) {
        let router = &mut self.routers[shard];
        match output {
            Output::Transmit { connection } => {
                let outbox = router.outbox(connection).expect("it was just named");
                let count = outbox.slices().map(|slice| slice.len()).sum();
                *written += count;
                router.handle(Instant::default(), Input::Transmitted { connection, count });
            }
            Output::Relay { to } => {
                let batch = router.take_batch(to);
                let from = ShardId(u16::try_from(shard).expect("few shards"));
                let relayed = Input::Relayed { from, batch };
                self.routers[usize::from(to.0)].handle(Instant::default(), relayed);
            }
            Output::Pause { .. }
            | Output::Resume { .. }
            | Output::Hold
            | Output::Release
            | Output::Close { .. }
            | Output::Ask => {}
        }
    }
}

/// A message, given as JSON, as a client frames it.
pub(crate) fn framed((framing, serializer): Dialect, json: &str) -> Vec<u8> {
    let mut body = Vec::new();
    transcode::element(Serializer::Json, serializer, json.as_bytes(), &mut body)
        .expect("plain values");
    let mut frame = Vec::new();
    Client::new(framing, serializer, ClientOptions::default()).frame(&body, &mut frame);
    frame
}
