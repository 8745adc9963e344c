//! TLS from outside: every transport over it, certificates that change, and clients that do not
//! get as far as WAMP.

#![expect(clippy::print_stderr, reason = "a test that cannot be made says so")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use rustls::HandshakeKind;
use serde_json::json;

use crate::peer::{Peer, connect};
use crate::program::{Folder, Router, factor, program, run, with_each_driver};
use crate::secure::{Authority, House, Purpose, Visit, shake_hands};

/// Sessions that stay while certificates change.
const SESSIONS_COUNT: u64 = 200;

const FRAMINGS: [Framing; 2] = [Framing::WebSocket, Framing::RawSocket];

#[test]
fn every_transport_speaks_tls() {
    let folder = Folder::new("tls");
    let house = House::new(&folder.path(""));
    let plain = "[[listeners]]\naddress = \"127.0.0.2:0\"\n";
    with_each_driver("", &format!("{}{plain}", house.options()), |router| {
        let (secure, plain) = (router.address("wss://"), router.address(" ws://"));
        let mut outside = Peer::tcp(&plain, Framing::RawSocket);
        outside.join("realm1");
        for (is_old, framing) in
            [false, true].into_iter().flat_map(|old| FRAMINGS.map(|framing| (old, framing)))
        {
            let mut visit = house.client();
            visit.is_old = is_old;
            let mut peer = Peer::secure(visit.to(&secure), framing);
            peer.join("realm1");
            peer.send(&json!([32, 1, {}, "com.topic"]));
            peer.expect(33);
            let text = "x".repeat(500_000);
            outside.send(&json!([16, next(), {"acknowledge": true}, "com.topic", [text]]));
            outside.expect(17);
            assert_eq!(peer.expect(36)[4][0], text);
            peer.send(&json!([16, 2, {"exclude_me": false}, "com.topic", [text]]));
            assert_eq!(peer.expect(36)[4][0], text);
        }
        let mut http = house.client().to(&secure);
        let body = "{\"protocols\": [\"wamp.2.json\"]}";
        let (head, length) = ("POST /lp/open HTTP/1.1\r\nHost: localhost\r\n", body.len());
        write!(http, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = [0; 15];
        http.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        router.stop();
    });
}

/// The next request id of the one peer that counts on for all.
fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed) % 4 + 1
}

#[test]
fn certificates_change_under_open_sessions() {
    let folder = Folder::new("swap");
    let house = House::new(&folder.path(""));
    with_each_driver("", &house.options(), |mut router| {
        let address = router.address("wss://");
        let visit = house.client();
        let mut peers: Vec<_> = (0..SESSIONS_COUNT * factor())
            .map(|number| {
                let framing = FRAMINGS[usize::from(number % 2 == 0)];
                let mut peer = Peer::secure(visit.to(&address), framing);
                peer.join("realm1");
                peer
            })
            .collect();
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        house.renew(&first);
        // It looks every two seconds.
        router.await_line("certificates read again");
        shake_hands(&mut Visit::new(&first).to(&address)).unwrap();
        shake_hands(&mut house.client().to(&address)).unwrap_err();
        house.renew(&second);
        router.signal(Signal::SIGHUP);
        router.await_line("certificates read again");
        shake_hands(&mut Visit::new(&second).to(&address)).unwrap();
        shake_hands(&mut Visit::new(&first).to(&address)).unwrap_err();
        house.write("chain.pem", "nothing");
        router.signal(Signal::SIGHUP);
        let line = router.await_line("certificates stay as they were");
        assert!(line.contains("chain.pem: there is no certificate in it"), "{line}");
        shake_hands(&mut Visit::new(&second).to(&address)).unwrap();
        for peer in &mut peers {
            peer.send(&json!([32, 1, {}, "com.topic"]));
            peer.expect(33);
        }
        drop(peers);
        router.stop();
        house.renew(&house.authority);
    });
}

#[test]
fn clients_show_certificates_where_they_must() {
    let folder = Folder::new("mutual");
    let house = House::new(&folder.path(""));
    let ca = house.path("ca.pem");
    let options = format!(
        "{}client_certificate = \"required\"\nclient_ca = \"{}\"\n",
        house.options(),
        ca.display()
    );
    let good = Arc::new(house.authority.issue("joe", Purpose::Client));
    let expired = Arc::new(house.authority.issue("joe", Purpose::ExpiredClient));
    let other = Arc::new(Authority::new("other").issue("joe", Purpose::Client));
    with_each_driver("", &options, |mut router| {
        let address = router.address("wss://");
        for shows in [None, Some(&expired), Some(&other)] {
            let mut visit = house.client();
            visit.shows = shows.cloned();
            let mut secure = visit.to(&address);
            let end = secure.write_all(b"\x7F\xF1\0\0").and_then(|()| secure.read_exact(&mut [0]));
            assert!(end.is_err());
        }
        router.await_line("turned away: no TLS: ");
        let mut visit = house.client();
        visit.shows = Some(Arc::clone(&good));
        Peer::secure(visit.to(&address), Framing::WebSocket).join("realm1");
        let summary = router.stop();
        assert!(summary.contains(" connections=1 "), "{summary}");
    });
}

#[test]
fn who_comes_back_has_a_ticket_unless_certificates_are_asked_for() {
    let folder = Folder::new("tickets");
    let house = House::new(&folder.path(""));
    let ca = house.path("ca.pem");
    let asks = format!("client_certificate = \"optional\"\nclient_ca = \"{}\"\n", ca.display());
    for (asks, second) in [("", HandshakeKind::Resumed), (&asks, HandshakeKind::Full)] {
        with_each_driver("", &format!("{}{asks}", house.options()), |router| {
            let address = router.address("wss://");
            for is_old in [false, true] {
                let mut visit = house.client();
                visit.is_old = is_old;
                let config = visit.config();
                for kind in [HandshakeKind::Full, second] {
                    let mut secure = visit.again(&config, connect(&address));
                    secure.write_all(b"\x7F\xF1\0\0").unwrap();
                    // The ticket comes before the answer.
                    secure.read_exact(&mut [0; 4]).unwrap();
                    assert_eq!(secure.conn.handshake_kind(), Some(kind), "TLS 1.2: {is_old}");
                }
            }
            router.stop();
        });
    }
}

#[test]
fn tls_and_plain_octets_do_not_mix() {
    let folder = Folder::new("mixed");
    let house = House::new(&folder.path(""));
    let plain = "[[listeners]]\naddress = \"127.0.0.2:0\"\n";
    with_each_driver("", &format!("{}{plain}", house.options()), |mut router| {
        let (secure, plain) = (router.address("wss://"), router.address(" ws://"));
        for _ in 0..3 {
            let mut stream = connect(&secure);
            stream.write_all(b"GET /ws HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            shake_hands(&mut house.client().to(&plain)).unwrap_err();
        }
        // Once for the address, which is the same for both.
        router.await_line("turned away: plain octets where TLS is required");
        Peer::secure(house.client().to(&secure), Framing::RawSocket).join("realm1");
        router.signal(Signal::SIGTERM);
        let (code, lines) = router.end();
        assert_eq!(code, Some(0));
        let told = lines.iter().filter(|line| line.contains("turned away")).count();
        assert_eq!(told, 1, "{lines:#?}");
        // All of them are counted.
        let counts = "refusals full=0 by_address=0 by_rate=0 malformed=3 late=0";
        assert!(lines.iter().any(|line| line.contains(counts)), "{lines:#?}");
    });
}

#[test]
fn openssl_agrees_with_us() {
    let Some(openssl) = ["/usr/bin/openssl", "/bin/openssl", "/usr/local/bin/openssl"]
        .into_iter()
        .find(|path| Path::new(path).exists())
    else {
        assert!(std::env::var_os("CI").is_none(), "the gate needs openssl");
        eprintln!("NOT TESTED: openssl is not installed, so nobody else has tried our TLS");
        return;
    };
    let folder = Folder::new("openssl");
    let house = House::new(&folder.path(""));
    with_each_driver("", &house.options(), |router| {
        let address = router.address("wss://");
        let talk = |version: &str| {
            let ca = house.path("ca.pem");
            let mut child = Command::new(openssl)
                .args(["s_client", "-connect", &address, "-servername", "localhost"])
                .args(["-verify_return_error", "-verify_hostname", "localhost", version])
                .args(["-alpn", "http/1.1", "-cipher", "DEFAULT:@SECLEVEL=0", "-quiet"])
                .arg("-CAfile")
                .arg(&ca)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // One that was refused may be gone already.
            let _ = child.stdin.as_mut().unwrap().write_all(b"\x7F\xF1\0\0");
            let mut answer = Vec::new();
            let mut out = child.stdout.take().unwrap();
            let _ = out.by_ref().take(4).read_to_end(&mut answer);
            let _ = child.kill();
            let errors = child.wait_with_output().unwrap().stderr;
            (answer, String::from_utf8_lossy(&errors).into_owned())
        };
        for version in ["-tls1_2", "-tls1_3"] {
            let (answer, errors) = talk(version);
            let is_ours = answer.len() == 4 && answer[0] == 0x7F && answer[1] & 0xF == 1;
            assert!(is_ours, "{version}: {answer:?} {errors}");
        }
        for version in ["-tls1", "-tls1_1"] {
            let (answer, errors) = talk(version);
            assert!(answer.is_empty(), "{version}");
            assert!(errors.contains("protocol version"), "{version}: {errors}");
        }
        router.stop();
    });
}

#[test]
fn files_that_will_not_do_are_a_wrong_configuration() {
    let folder = Folder::new("files");
    let house = House::new(&folder.path(""));
    let head = "[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path("a.toml"), format!("{head}{}", house.options())).unwrap();
    let at = folder.path("");
    let check = || run(program(&at, &["check", "a.toml"]), "");
    assert_eq!(check().code, Some(0));
    house.write("key.pem", "nothing");
    let ended = check();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("key.pem: there is no private key in it"), "{ended:?}");
    let ended = run(program(&at, &["--config", "a.toml"]), "");
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("key.pem: there is no private key in it"), "{ended:?}");
}

#[test]
fn a_proxy_brings_tls_clients() {
    let folder = Folder::new("proxied");
    let house = House::new(&folder.path(""));
    let options = format!("{}proxy_protocol = [\"127.0.0.1\"]\n", house.options());
    with_each_driver("", &options, |router: Router| {
        let mut stream = connect(&router.address("wss://"));
        stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n").unwrap();
        let mut peer = Peer::secure(house.client().on(stream), Framing::WebSocket);
        let id = peer.join("realm1");
        peer.send(&json!([48, 1, {}, "wamp.session.get", [id]]));
        let details = peer.expect(50);
        assert_eq!(details[3][0]["transport"]["peer"], "tcp:192.0.2.1:4711", "{details}");
        router.stop();
    });
}
