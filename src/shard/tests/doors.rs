//! What connections pass through before the core hears of them, through real sockets, for both
//! drivers.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};

use super::certificates::{Authority, Issued, Purpose};
use super::*;
use crate::shard::vestibule::tls::HANDSHAKE;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Everybody's certificates.
struct House {
    authority: Authority,
    localhost: Issued,
}

impl House {
    fn new() -> Self {
        let authority = Authority::new("house");
        let localhost = authority.issue("localhost", Purpose::Server);
        Self { authority, localhost }
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            certificates: vec![self.localhost.pair()],
            client_roots: vec![self.authority.certificate()],
            client_certificates: ClientCertificates::Off,
            refuses_unknown_names: false,
            is_optional: false,
        }
    }

    fn door(&self) -> Door {
        tls(self.settings())
    }

    fn client(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate()).unwrap();
        Client { roots, is_old: false, shows: None, name: "localhost" }
    }
}

fn tls(settings: TlsSettings) -> Door {
    Door { tls: Some(TlsDoor::new(settings).unwrap()), ..Door::default() }
}

/// How to connect.
#[derive(Clone)]
struct Client {
    roots: RootCertStore,
    /// TLS 1.2.
    is_old: bool,
    shows: Option<Arc<Issued>>,
    name: &'static str,
}

impl Client {
    /// Speaks TLS on `stream`; the handshake is made with the first octets.
    fn on(&self, stream: TcpStream) -> Stream {
        let versions = if self.is_old { &[&version::TLS12] } else { &[&version::TLS13] };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match &self.shows {
            Some(issued) => {
                let (chain, key) = issued.pair();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from(self.name).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }
}

fn handshake(stream: &mut Stream) -> io::Result<()> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(())
}

/// Sends `count` octets from a thread of its own while it reads them back.
fn echo_tls(mut stream: Stream, seed: u64, count: usize) -> Stream {
    handshake(&mut stream).unwrap();
    let bytes = random_bytes(&mut Random::from_number(seed), count);
    let (mut sent, mut received) = (0, vec![0; count]);
    let mut read = 0;
    // One thread, which leaves a megabyte unread at most: less than what stops the other side.
    while read < count {
        let more = (sent + 10_007).min(count);
        if sent < count && sent - read < 100_000 {
            stream.write_all(&bytes[sent..more]).unwrap();
            sent = more;
        } else {
            read += stream.read(&mut received[read..]).unwrap();
        }
    }
    assert!(received == bytes, "bytes come back as they were sent");
    stream
}

fn start(mode: Mode, style: Style, door: Door) -> Server {
    Server::start_behind(mode, (1, 1_000), style, door, Limits::default())
}

#[test]
fn bytes_come_back_sealed() {
    let house = House::new();
    for_each_mode(|mode| {
        let server =
            Server::start_behind(mode, (2, 1_000), Style::Plain, house.door(), Limits::default());
        for is_old in [false, true] {
            let client = Client { is_old, ..house.client() };
            for (seed, count) in [(1, 1), (2, 100), (3, 16_384), (4, 100_000), (5, 4 << 20)] {
                let mut stream = echo_tls(client.on(server.connect()), seed, count);
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                // An end without having said so would be an error.
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            }
        }
        server.until(|server| server.sum(|counters| counters.violations) == 10);
        server.end();
    });
}

#[test]
fn many_sealed_connections_at_once() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        let client = house.client();
        let mut streams: Vec<_> = (0..100).map(|_| client.on(server.connect())).collect();
        for stream in &mut streams {
            stream.write_all(b"hello").unwrap();
        }
        for stream in &mut streams {
            stream.read_exact(&mut [0; 5]).unwrap();
        }
        server.end();
    });
}

#[test]
fn a_peer_that_does_not_read_sealed_octets_is_paused_and_loses_nothing() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        let mut stream = house.client().on(server.connect());
        handshake(&mut stream).unwrap();
        stream.sock.set_nonblocking(true).unwrap();
        let (bytes, mut sent) = (random_bytes(&mut Random::from_number(9), 64 << 20), 0);
        let mut patience = 40;
        while patience > 0 {
            if !stream.conn.wants_write() {
                let end = (sent + 50_000).min(bytes.len());
                sent += stream.conn.writer().write(&bytes[sent..end]).unwrap();
            }
            match stream.conn.write_tls(&mut stream.sock) {
                Ok(_) => patience = 40,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    patience -= 1;
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
        }
        assert!(sent < bytes.len(), "somebody reads without end");
        echo_tls(house.client().on(server.connect()), 10, 100_000);
        stream.sock.set_nonblocking(false).unwrap();
        let mut received = vec![0; sent];
        let mut read = 0;
        while read < sent {
            // `Stream` would write first, and wait for room that reading makes.
            if stream.conn.wants_write() && read > sent / 2 {
                stream.conn.write_tls(&mut stream.sock).unwrap();
            }
            match stream.conn.reader().read(&mut received[read..]) {
                Ok(count) => read += count,
                Err(_) => {
                    stream.conn.read_tls(&mut stream.sock).unwrap();
                    stream.conn.process_new_packets().unwrap();
                }
            }
        }
        assert!(received == bytes[..sent]);
        server.end();
    });
}

#[test]
fn a_sealed_farewell_arrives_and_ends_properly() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Farewell(300_000), house.door());
        for _ in 0..5 {
            let mut stream = house.client().on(server.connect());
            stream.write_all(&vec![1; 100_000]).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("the last octet, and then the end");
            assert_eq!(bytes.len(), 300_000);
        }
        assert_eq!(server.sum(|counters| counters.violations), 0);
        server.end();
    });
}

/// At the end there is so much between the two that it takes longer to read than a closed
/// connection lingers.
#[test]
fn who_reads_slowly_loses_nothing_of_a_sealed_farewell() {
    const COUNT: usize = 12 << 20;
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Farewell(COUNT), house.door());
        let mut stream = house.client().on(server.connect());
        stream.write_all(b"?").unwrap();
        let (mut bytes, mut count) = (vec![0; 64 << 10], 0);
        loop {
            if count > COUNT / 3 {
                std::thread::park_timeout(Duration::from_millis(25));
            }
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) => panic!("{error} after {count} octets"),
            }
        }
        assert_eq!(count, COUNT);
        assert_eq!(server.sum(|counters| counters.violations), 0);
        server.end();
    });
}

#[test]
fn a_sealed_half_close_comes_after_the_last_bytes() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        for count in [1, 8_192, 50_000] {
            let mut stream = house.client().on(server.connect());
            stream.write_all(&vec![7; count]).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), count);
        }
        server.until(|server| server.sum(|counters| counters.violations) == 3);
        server.end();
    });
}

#[test]
fn who_is_silent_or_slow_before_tls_is_done_is_cut_off() {
    let house = House::new();
    for_each_mode(|mode| {
        let limits = Limits { tls_handshake: Duration::from_millis(300), ..Limits::default() };
        let server = Server::start_behind(mode, (1, 100), Style::Plain, house.door(), limits);
        let clock = Clock::start();
        let start = clock.now();
        let (mut silent, mut slow) = (server.connect(), server.connect());
        slow.write_all(&[HANDSHAKE, 3, 1, 2, 0]).unwrap();
        let mut good = echo_tls(house.client().on(server.connect()), 1, 10);
        for stream in [&mut silent, &mut slow] {
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        }
        let waited = clock.now() - start;
        assert!(waited >= Duration::from_millis(290) && waited < Duration::from_secs(5));
        good.write_all(b"?").unwrap();
        good.read_exact(&mut [0]).unwrap();
        server.until(|server| server.sum(|counters| counters.connections) == 1);
        assert_eq!(server.shards.refusals().late, 2);
        server.end();
    });
}

#[test]
fn what_is_no_tls_is_turned_away_unless_it_is_optional() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        for plain in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x7F\xF2\0\0", b"\0"] {
            let mut stream = server.connect();
            stream.write_all(plain).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        }
        // It begins well, and goes on with garbage: an alert, and the end.
        let mut stream = server.connect();
        stream.write_all(&[HANDSHAKE, 3, 1, 0, 4, 9, 9, 9, 9]).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer.first(), Some(&0x15), "an alert");
        server.until(|server| server.shards.refusals().malformed == 4);
        assert_eq!(server.sum(|counters| counters.connections), 0);
        server.end();

        let settings = TlsSettings { is_optional: true, ..house.settings() };
        let server = start(mode, Style::Plain, tls(settings));
        echo_tcp(&server.connect(), 1, 100_000);
        echo_tls(house.client().on(server.connect()), 2, 100_000);
        server.end();
    });
}

#[test]
fn certificates_of_clients_are_asked_for_and_described() {
    let house = House::new();
    let client = Arc::new(house.authority.issue("joe.example", Purpose::Client));
    let expired = Arc::new(house.authority.issue("old.example", Purpose::ExpiredClient));
    let server_only = Arc::new(house.authority.issue("joe.example", Purpose::Server));
    let stranger = Arc::new(Authority::new("other").issue("joe.example", Purpose::Client));
    for_each_mode(|mode| {
        for is_old in [false, true] {
            let settings = TlsSettings {
                client_certificates: ClientCertificates::Required,
                ..house.settings()
            };
            let server = start(mode, Style::Tell, tls(settings));
            for shows in [None, Some(&expired), Some(&server_only), Some(&stranger)] {
                let client = Client { is_old, shows: shows.cloned(), ..house.client() };
                let mut stream = client.on(server.connect());
                let end = handshake(&mut stream).and_then(|()| stream.read_exact(&mut [0]));
                assert!(
                    end.is_err(),
                    "{is_old} {:?}",
                    shows.map(|issued| issued.certificate.der())
                );
            }
            assert_eq!(server.sum(|counters| counters.connections), 0);
            let client = Client { is_old, shows: Some(Arc::clone(&client)), ..house.client() };
            let told = ask(&mut client.on(server.connect()));
            let names = ["joe.example", "urn:joe.example", "me@joe.example"];
            assert!(told.contains(&format!("names: {names:?}")), "{told}");
            assert!(told.contains("subject: \"joe.example\", "), "{told}");
            assert!(told.contains("issuer: \"house\", "), "{told}");
            server.end();
        }
        let settings =
            TlsSettings { client_certificates: ClientCertificates::Optional, ..house.settings() };
        let server = start(mode, Style::Tell, tls(settings));
        assert!(ask(&mut house.client().on(server.connect())).contains("certificate: None"));
        server.end();
    });
}

/// What the core was told of the connection.
fn ask(stream: &mut (impl Read + Write)) -> String {
    stream.write_all(b"?").unwrap();
    let mut told = vec![0; 2_000];
    stream.read_exact(&mut told).unwrap();
    String::from_utf8(told).unwrap().trim_end().to_owned()
}

#[test]
fn both_ends_export_the_same() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Tell, house.door());
        let mut stream = house.client().on(server.connect());
        let told = ask(&mut stream);
        let label = b"EXPORTER-Channel-Binding";
        let exported = stream.conn.export_keying_material([0; 32], label, Some(b"")).unwrap();
        assert!(told.contains(&format!("exporter: Some({exported:?})")), "{told}");
        assert!(told.contains("version: \"1.3\", server_name: Some(\"localhost\")"), "{told}");
        let old = Client { is_old: true, ..house.client() };
        let told = ask(&mut old.on(server.connect()));
        assert!(told.contains("version: \"1.2\"") && told.contains("exporter: None"), "{told}");
        server.end();
    });
}

#[test]
fn names_choose_certificates() {
    let house = House::new();
    let other = house.authority.issue("*.example.com", Purpose::Server);
    for_each_mode(|mode| {
        for refuses_unknown_names in [false, true] {
            let settings = TlsSettings {
                certificates: vec![house.localhost.pair(), other.pair()],
                refuses_unknown_names,
                ..house.settings()
            };
            let server = start(mode, Style::Plain, tls(settings));
            for (name, expected) in [
                ("localhost", Some(&house.localhost)),
                ("a.example.com", Some(&other)),
                ("A.Example.com", Some(&other)),
                ("example.com", None),
                ("a.b.example.com", None),
                ("127.0.0.1", None),
            ] {
                let mut stream = Client { name, ..house.client() }.on(server.connect());
                let result = handshake(&mut stream);
                let text = format!("{name}: {result:?}");
                match expected {
                    Some(issued) => {
                        result.expect(&text);
                        let shown = stream.conn.peer_certificates().unwrap();
                        assert_eq!(&shown[0], issued.certificate.der(), "{text}");
                    }
                    None if refuses_unknown_names => {
                        assert!(text.contains("UnrecognisedName"), "{text}");
                    }
                    // The first certificate is not for that name, which is for the client to say.
                    None => assert!(text.contains("NotValidForName"), "{text}"),
                }
            }
            server.end();
        }
    });
}

#[test]
fn doors_change_while_connections_stay() {
    let (house, later) = (House::new(), House::new());
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        let mut stream = echo_tls(house.client().on(server.connect()), 1, 1_000);
        server.shards.set_door(0, later.door());
        server.until(|server| handshake(&mut later.client().on(server.connect())).is_ok());
        assert!(handshake(&mut house.client().on(server.connect())).is_err());
        stream = echo_tls(stream, 2, 1_000);
        drop(stream);
        server.end();
    });
}

#[test]
fn floods_of_key_updates_and_endless_records_end_a_connection() {
    let house = House::new();
    for_each_mode(|mode| {
        let server = start(mode, Style::Plain, house.door());
        let mut stream = echo_tls(house.client().on(server.connect()), 1, 10);
        for _ in 0..100 {
            stream.conn.refresh_traffic_keys().unwrap();
            if stream.conn.write_tls(&mut stream.sock).is_err() {
                break;
            }
        }
        assert!(stream.read(&mut [0]).map_or(true, |count| count == 0));

        let mut stream = echo_tls(house.client().on(server.connect()), 1, 10);
        let record = [&[0x17, 3, 3, 0x41, 1][..], &[0; 16_641]].concat();
        stream.sock.write_all(&record).unwrap();
        assert!(stream.read(&mut [0]).map_or(true, |count| count == 0));
        server.until(|server| server.sum(|counters| counters.violations) == 2);
        server.end();
    });
}

#[test]
fn proxies_tell_for_whom_they_connect() {
    let house = House::new();
    let v2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C"[..],
        &[192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 1, 0xBB],
    ]
    .concat();
    let v1 = b"PROXY TCP6 2001:db8::7 ::1 4660 443\r\n";
    for_each_mode(|mode| {
        let trusted = vec!["127.0.0.0/8".parse().unwrap()];
        for door in [Door::default(), house.door()] {
            let is_plain = door.tls.is_none();
            let door = Door { proxies: trusted.clone(), ..door };
            let server = start(mode, Style::Tell, door);
            for (header, peer, address) in [
                (&v2[..], "tcp:192.0.2.1:4660", "192.0.2.1"),
                (v1, "tcp:[2001:db8::7]:4660", "2001:db8::7"),
                (b"PROXY UNKNOWN\r\n", "tcp:127.0.0.1:", "127.0.0.1"),
            ] {
                let mut stream = server.connect();
                for part in header.chunks(7) {
                    stream.write_all(part).unwrap();
                    std::thread::park_timeout(Duration::from_millis(2));
                }
                let told = match is_plain {
                    true => ask(&mut stream),
                    false => ask(&mut house.client().on(stream)),
                };
                assert!(told.contains(&format!("peer: \"{peer}")), "{told}");
                assert!(told.contains(&format!("address: Some({address})")), "{told}");
            }
            let announced = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF";
            for garbage in [&b"GET / HTTP/1.1\r\n"[..], announced, &[HANDSHAKE, 3, 1]] {
                let mut stream = server.connect();
                stream.write_all(garbage).unwrap();
                assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            }
            server.until(|server| server.sum(|counters| counters.connections) == 3);
            assert_eq!(server.shards.refusals().malformed, 3);
            server.end();
        }
        // From elsewhere a header is nothing but octets.
        let elsewhere = vec!["192.0.2.0/24".parse().unwrap()];
        let server = start(mode, Style::Plain, Door { proxies: elsewhere, ..Door::default() });
        let mut stream = server.connect();
        stream.write_all(v1).unwrap();
        let mut back = vec![0; v1.len()];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, v1);
        server.end();
    });
}

#[test]
fn an_address_has_its_share_and_no_more() {
    for_each_mode(|mode| {
        let limits =
            Limits { connections_per_address_max: 3, limit_loopback: true, ..Limits::default() };
        let trusted = vec!["127.0.0.2/32".parse().unwrap()];
        let door = Door { proxies: trusted, ..Door::default() };
        let server = Server::start_behind(mode, (2, 1_000), Style::Plain, door, limits);
        let mut streams: Vec<_> = (0..3).map(|_| server.connect()).collect();
        streams.iter().for_each(|stream| echo_tcp(stream, 1, 10));
        for _ in 0..5 {
            let error = server.connect().read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        // Another address is not bothered, nor are the clients of a proxy by its own.
        echo_tcp(&server.connect_from("127.0.0.3"), 1, 10);
        let mut clients = Vec::new();
        for number in 0..8 {
            let mut stream = server.connect_from("127.0.0.2");
            let header = format!("PROXY TCP4 192.0.2.{} 127.0.0.1 1 2\r\n", number / 4);
            stream.write_all(header.as_bytes()).unwrap();
            if number % 4 < 3 {
                echo_tcp(&stream, 1, 10);
                clients.push(stream);
            } else {
                assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            }
        }
        assert_eq!(server.shards.refusals().by_address, 5 + 2);
        drop(streams.pop());
        server.until(|server| {
            let mut stream = server.connect();
            stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
        });
        drop((streams, clients));
        server.end();
    });
}

#[test]
fn a_unix_socket_is_for_its_users() {
    for_each_mode(|mode| {
        for (uids, is_let_in) in
            [(vec![], true), (vec![own_uid(), 4_711], true), (vec![4_711], false)]
        {
            let door = Door { uids, ..Door::default() };
            let server = start(mode, Style::Plain, door);
            let mut stream = UnixStream::connect(&server.unix).unwrap();
            let answer = stream.write_all(b"?").and_then(|()| stream.read_exact(&mut [0]));
            assert_eq!(answer.is_ok(), is_let_in);
            server.end();
        }
    });
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid()
}

impl Server {
    /// A connection from another of this machine's own addresses.
    fn connect_from(&self, address: &str) -> TcpStream {
        let from: SocketAddr = format!("{address}:0").parse().unwrap();
        let stream = sys::connect_from(from, self.tcp.parse().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}
