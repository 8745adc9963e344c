//! What TLS costs a shard by itself: a handshake, and the sealing of what it sends.
//!
//! The same library with the same settings as a listener's; sockets are left out.

use std::hint::black_box;
use std::io::{IoSlice, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustls::client::Resumption;
use rustls::crypto::ring::{Ticketer, cipher_suite, default_provider};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite, version,
};

/// An event with 16 KiB of payload, as it lies in the outboxes of all who get it.
const EVENT_BYTES: usize = 16 * 1024 + 70;

/// A listener that clients know, and what they know of it.
struct House {
    listener: Arc<ServerConfig>,
    roots: Arc<RootCertStore>,
}

impl House {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate for a name");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("it was just made");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut listener = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("the provider can do both")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they were made together");
        listener.session_storage = Arc::new(NoServerSessionStorage {});
        listener.send_tls13_tickets = 1;
        listener.ticketer = Ticketer::new().expect("there is chance");
        Self { listener: Arc::new(listener), roots: Arc::new(roots) }
    }

    fn client(&self, suite: SupportedCipherSuite, comes_back: bool) -> Arc<ClientConfig> {
        let mut provider = default_provider();
        provider.cipher_suites = vec![suite];
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])
            .expect("the suite is one of it")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        if !comes_back {
            client.resumption = Resumption::disabled();
        }
        Arc::new(client)
    }

    /// A connection behind its handshake, and what that took the listener.
    fn shake_hands(&self, client: &Arc<ClientConfig>) -> (ServerConnection, Duration) {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
        let mut server = ServerConnection::new(Arc::clone(&self.listener)).expect("a listener");
        let mut spent = Duration::ZERO;
        loop {
            let (mut asked, mut answered) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut asked).expect("a vector takes all");
            }
            let started = Instant::now();
            let mut rest = &asked[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("a handshake is short");
                server.process_new_packets().expect("they understand each other");
            }
            while server.wants_write() {
                server.write_tls(&mut answered).expect("a vector takes all");
            }
            spent += started.elapsed();
            if asked.is_empty() && answered.is_empty() {
                return (server, spent);
            }
            let mut rest = &answered[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).expect("a handshake is short");
                client.process_new_packets().expect("they understand each other");
            }
        }
    }
}

/// What a listener does for one who comes, and for one who comes back.
fn handshakes(criterion: &mut Criterion) {
    let house = House::new();
    let mut group = criterion.benchmark_group("handshake");
    for (name, comes_back) in [("full", false), ("resumed", true)] {
        let client = house.client(cipher_suite::TLS13_AES_128_GCM_SHA256, comes_back);
        house.shake_hands(&client);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| house.shake_hands(&client).1).sum());
        });
    }
    group.finish();
}

/// The sealing of one large event, as one slice and in the pieces that the router cuts, and of a
/// small one.
fn sealing(criterion: &mut Criterion) {
    let house = House::new();
    let event = vec![7; EVENT_BYTES];
    for (suite, name) in [
        (cipher_suite::TLS13_AES_128_GCM_SHA256, "AES-128-GCM"),
        (cipher_suite::TLS13_AES_256_GCM_SHA384, "AES-256-GCM"),
        (cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, "ChaCha20-Poly1305"),
    ] {
        let mut group = criterion.benchmark_group(name);
        for (name, length, piece) in [
            ("large, whole", EVENT_BYTES, EVENT_BYTES),
            ("large, in pieces", EVENT_BYTES, 2 * 1024),
            ("132 octets", 132, 132),
        ] {
            let (mut server, _) = house.shake_hands(&house.client(suite, false));
            let pieces: Vec<_> = event[..length].chunks(piece).map(IoSlice::new).collect();
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let taken = server.writer().write_vectored(black_box(&pieces));
                    assert!(taken.is_ok_and(|count| count == length));
                    while server.wants_write() {
                        server.write_tls(&mut std::io::sink()).expect("it takes all");
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, handshakes, sealing);
criterion_main!(benches);
