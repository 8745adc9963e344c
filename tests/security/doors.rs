//! Cases about what comes before the first octet: connections, PROXY headers, TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use gigawamp::wire::Framing;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use serde_json::json;

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::line::Line;
use crate::peer::Peer;
use crate::program::{Folder, PATIENCE, Router, program};
use crate::secure::{Authority, House, Purpose, Visit, shake_hands};

/// How long clients of the group `crowded` may take to open a session.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// How much later than it was due something may be observed on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

pub(crate) fn groups() -> Vec<Group> {
    let group = |name, tables: String, cases: &[Case]| Group {
        name,
        // A test makes them once.
        tables: Box::leak(tables.into_boxed_str()),
        cases: cases.to_vec(),
    };
    let second = "[[listeners]]\naddress = \"127.0.0.2:0\"\n";
    let (tls, ca) = (estate().house.options(), estate().house.path("ca.pem"));
    let asks = format!("client_certificate = \"required\"\nclient_ca = \"{}\"\n", ca.display());
    let crowded = "[limits]\nlimit_loopback = true\nconnects_per_address = 0\n\
                   handshake = \"3s\"\nmessage = \"1s\"\n";
    let socket = estate().folder.path("router.sock");
    let unix = format!(
        "[[listeners]]\naddress = \"unix:{}\"\n[[listeners]]\naddress = \"unix:{}\"\n\
         allowed_uids = [\"4711\"]\n",
        socket.display(),
        socket.with_extension("other").display()
    );
    let proxied = format!(
        "{second}proxy_protocol = [\"127.0.0.0/8\"]\ntransports = [\"rawsocket\"]\n\
         [[listeners]]\naddress = \"127.0.0.3:0\"\nproxy_protocol = [\"192.0.2.0/24\"]\n\
         transports = [\"longpoll\"]\n"
    );
    vec![
        group("crowded", crowded.to_owned(), &CROWDED),
        group("hasty", "[limits]\nlimit_loopback = true\n".to_owned(), &HASTY),
        group("tls", format!("{second}{tls}"), &TLS),
        group("certified", format!("{second}{tls}{asks}"), &CERTIFIED),
        group("names", format!("{second}{tls}sni = \"known\"\n"), &NAMES),
        group("proxied", proxied, &PROXIED),
        group("vanished", "[limits]\nping_interval = \"300ms\"\n".to_owned(), &VANISHED),
        group("unix", unix, &UNIX),
    ]
}

/// The files of all groups.
struct Estate {
    folder: Folder,
    house: House,
}

fn estate() -> &'static Estate {
    static ESTATE: OnceLock<Estate> = OnceLock::new();
    ESTATE.get_or_init(|| {
        let folder = Folder::new("estate");
        let house = House::new(&folder.path(""));
        Estate { folder, house }
    })
}

const CROWDED: [Case; 5] = [
    Case::new(
        "1",
        "1100 connections of one address that say nothing",
        "100 reset at once, 1000 closed when their time is over; another address is served in \
         100 ms meanwhile",
        crowd,
    )
    .growing(32 << 20),
    Case::new(
        "2",
        "50 HTTP heads (5000 in full), an octet at a time",
        "closed when the time for all of it is over, not for each octet",
        |ground| {
            let count = ground.or_full(50, 900);
            dribble(ground, b"GET /ws HTTP/1.1\r\nX-Slow: ", b"slowly", count)
        },
    ),
    Case::new(
        "3",
        "RawSocket handshakes and lengths before HELLO, an octet at a time",
        "closed when the time to HELLO is over",
        |ground| {
            dribble(ground, b"\x7F", b"\xF1\0\0", 20)?;
            dribble(ground, b"\x7F\xF1\0\0", b"\0\x0F\xFF", 20)
        },
    ),
    Case::new(
        "4",
        "100 sessions announce a megabyte and send it an octet at a time",
        "closed when the time for a message is over; memory for what came, not for what was \
         announced",
        announce,
    )
    .growing(8 << 20),
    Case::new(
        "5",
        "2000 connections (120000 in full) that are opened and dropped at once",
        "nothing is left of them",
        |ground| {
            let count = ground.or_full(2_000, 120_000);
            (0..count).try_for_each(|_| {
                let stream = from([127, 0, 0, 8], &ground.address);
                stream.map(drop).map_err(|error| error.to_string())
            })?;
            Ok(format!("{count} came and went"))
        },
    )
    .growing(24 << 20),
];

const HASTY: [Case; 2] = [
    Case::new(
        "1b",
        "300 connections of one address as fast as it can",
        "100 at once, and then 100 in a second; the others are reset",
        haste,
    ),
    Case::new(
        "6",
        "More connections than there are files that may be open",
        "those beyond are reset, sessions go on, less than 5 % of a CPU is used, and there is room \
         once others have gone",
        exhaust,
    ),
];

const TLS: [Case; 5] = [
    Case::new(
        "7",
        "Hellos of TLS 1.0 and TLS 1.1",
        "alert protocol_version (70), closed",
        |ground| {
            for minor in [1, 2] {
                let mut hello = hello();
                (hello[2], hello[10]) = (minor, minor);
                let answer = tell(ground, &hello)?;
                if answer != [0x15, 3, 1, 0, 2, 2, 70] {
                    return Err(format!("{answer:?}"));
                }
            }
            Ok("alert 70 for both".to_owned())
        },
    ),
    Case::new(
        "8",
        "A hello of TLS, and silence; half a hello, and silence",
        "closed after 5 s in all",
        |ground| {
            let (hello, since) = (hello(), Instant::now());
            let mut lines = [&hello[..], &hello[..40]].map(|said| {
                let mut line = Line::to(&ground.address_after("wss://"));
                line.say(said);
                line
            });
            for line in &mut lines {
                line.rest()?;
            }
            in_time(since, Duration::from_secs(5))
        },
    ),
    Case::new("9", "100 updates of keys without a word between them", "closed", |ground| {
        let mut secure = open(ground)?;
        for _ in 0..100 {
            secure.conn.refresh_traffic_keys().map_err(|error| error.to_string())?;
            if secure.conn.write_tls(&mut secure.sock).is_err() {
                break;
            }
        }
        ended(&mut secure)
    }),
    Case::new("10", "A record of 16 KiB + 257 octets", "an alert, closed", |ground| {
        let mut secure = open(ground)?;
        let record = [&[0x17, 3, 3, 0x41, 1][..], &[0; 16_641]].concat();
        secure.sock.write_all(&record).map_err(|error| error.to_string())?;
        ended(&mut secure)
    }),
    Case::new(
        "13",
        "Plain octets where TLS is spoken, TLS where it is not",
        "closed; one line in the log for an address and minute",
        |ground| {
            for said in [&b"GET /ws HTTP/1.1\r\n\r\n"[..], b"\x7F\xF1\0\0", b"\0"].repeat(20) {
                let answer = tell(ground, said)?;
                if !answer.is_empty() {
                    return Err(format!("{answer:?}"));
                }
            }
            for _ in 0..20 {
                let mut line = Line::to(&ground.address);
                line.say(&hello());
                if !line.rest()?.is_empty() {
                    return Err("TLS was answered".to_owned());
                }
            }
            Ok("80 closed without a word".to_owned())
        },
    )
    .violating(20),
];

const CERTIFIED: [Case; 1] = [Case::new(
    "11",
    "No certificate, one that has expired, one of another authority, one for servers, where one \
     is required",
    "refused by TLS; no session",
    |ground| {
        let house = &estate().house;
        let stranger = Authority::new("stranger");
        for (what, issued) in [
            ("none", None),
            ("expired", Some(house.authority.issue("joe", Purpose::ExpiredClient))),
            ("a stranger's", Some(stranger.issue("joe", Purpose::Client))),
            ("a server's", Some(house.authority.issue("joe", Purpose::Server))),
        ] {
            let shows = issued.map(Arc::new);
            let mut secure = Visit { shows, ..house.client() }.to(&ground.address_after("wss://"));
            let said = secure.write_all(b"\x7F\xF1\0\0");
            if said.and_then(|()| secure.read_exact(&mut [0; 4])).is_ok() {
                return Err(format!("{what}: let in"));
            }
        }
        let shows = Some(Arc::new(house.authority.issue("joe", Purpose::Client)));
        let visit = Visit { shows, ..house.client() };
        Peer::secure(visit.to(&ground.address_after("wss://")), Framing::RawSocket).join("realm1");
        Ok("4 refused, a good one let in".to_owned())
    },
)];

const NAMES: [Case; 1] = [Case::new(
    "12",
    "A host name that no certificate has, and none, with `sni = \"known\"`",
    "alert unrecognized_name",
    |ground| {
        for name in ["elsewhere.example", "127.0.0.1"] {
            let visit = Visit { name, ..estate().house.client() };
            let result = shake_hands(&mut visit.to(&ground.address_after("wss://")));
            let text = format!("{result:?}");
            if !text.contains("UnrecognisedName") {
                return Err(format!("{name}: {text}"));
            }
        }
        shake_hands(&mut open(ground)?).map_err(|error| error.to_string())?;
        Ok("2 refused, a known one let in".to_owned())
    },
)];

const PROXIED: [Case; 1] = [Case::new(
    "14",
    "PROXY headers where none are taken, from an address that is not trusted, malformed ones, one \
     of 65535 octets, none where one is due",
    "closed, with nothing but an error of HTTP",
    |ground| {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        let long = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF";
        let (trusting, distrusting) = listeners(ground);
        for (address, said) in [
            (&ground.address, &v1[..]),
            (&ground.address, long),
            (&distrusting, v1),
            (&distrusting, long),
            (&trusting, long),
            (&trusting, b"PROXY TCP4 192.0.2.1\r\n"),
            (&trusting, b"GET /ws HTTP/1.1\r\n\r\n"),
            (&trusting, b"\x7F\xF1\0\0"),
        ] {
            let mut line = Line::to(address);
            line.say(said);
            line.say(b"\r\n\r\n");
            let answer = line.rest()?;
            if !(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4")) {
                return Err(format!("{said:?}: {answer:?}"));
            }
        }
        let mut line = Line::to(&trusting);
        line.say(&[&v1[..], b"\x7F\xF1\0\0"].concat());
        line.take(4)?;
        Ok("8 closed, a good one taken".to_owned())
    },
)
.violating(4)];

const VANISHED: [Case; 1] = [Case::new(
    "15",
    "A client that answers no ping",
    "given up after two of them; `wamp.session.on_leave` is published",
    |ground| {
        let mut watcher = ground.peer(Framing::RawSocket);
        watcher.send(&json!([32, 1, {}, "wamp.session.on_leave"]));
        watcher.expect(33);
        let mut silent = ground.peer(Framing::WebSocket);
        silent.send(&json!([32, 1, {}, "com.topic"]));
        silent.expect(33);
        let since = Instant::now();
        // It is not even read from, so nothing is answered; what it says would be.
        watcher.expect(36);
        if since.elapsed() > PATIENCE {
            return Err("too late".to_owned());
        }
        drop(silent);
        Ok("it left".to_owned())
    },
)];

const UNIX: [Case; 1] = [Case::new(
    "16",
    "A Unix socket, and one that is for another user",
    "the file has 0600; the other user's is closed at once",
    |_| {
        let socket = estate().folder.path("router.sock");
        for (path, is_open) in [(socket.clone(), true), (socket.with_extension("other"), false)] {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            if mode != 0o600 {
                return Err(format!("{mode:o}"));
            }
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let said = stream.write_all(b"\x7F\xF1\0\0");
            let was_open = said.and_then(|()| stream.read_exact(&mut [0; 4])).is_ok();
            if was_open != is_open {
                return Err(format!("{}: {was_open}", path.display()));
            }
        }
        Ok("0600 both; one is served, one is not".to_owned())
    },
)];

/// A connection from another of this machine's addresses.
fn from(source: [u8; 4], address: &str) -> std::io::Result<TcpStream> {
    let [a, b, c, d] = source;
    let to: SocketAddrV4 = address.parse().expect("IPv4");
    let (kind, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
    let fd = socket(AddressFamily::Inet, kind, flags, None)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), 0)))?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(to))?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether something that was due so long after `since` came then.
fn in_time(since: Instant, due: Duration) -> Verdict {
    let waited = since.elapsed();
    if waited + Duration::from_millis(50) < due || waited > due + SLACK {
        return Err(format!("after {waited:?} instead of {due:?}"));
    }
    Ok(format!("closed after {:.1} s", waited.as_secs_f64()))
}

fn crowd(ground: &Ground) -> Verdict {
    let since = Instant::now();
    let opened = (0..1_100).map(|_| from([127, 0, 0, 7], &ground.address));
    let streams = opened.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let before = Instant::now();
    let mut line = Line::over(from([127, 0, 0, 6], &ground.address).unwrap());
    line.say(b"\x7F\xF1\0\0");
    line.take(4)?;
    let waited = before.elapsed();
    if waited > Duration::from_millis(100) + SLACK / 4 {
        return Err(format!("the other address waited {waited:?}"));
    }
    let mut resets = 0;
    for mut stream in streams {
        // Those that were let in are closed in order, later.
        resets += u32::from(stream.read(&mut [0]).is_err());
    }
    if resets != 100 {
        return Err(format!("{resets} resets"));
    }
    Ok(format!("100 reset; the others {}", in_time(since, HANDSHAKE)?))
}

/// Opens some, and has each say `head` and then an octet of `rest` now and then, until they are
/// closed.
fn dribble(ground: &Ground, head: &[u8], rest: &[u8], count: u64) -> Verdict {
    let opened = (0..count).map(|_| from([127, 0, 0, 9], &ground.address));
    let mut streams = opened.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let since = Instant::now();
    for stream in &mut streams {
        stream.write_all(head).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    }
    let mut octets = rest.chunks(1);
    for turn in 1.. {
        if streams.is_empty() || since.elapsed() > PATIENCE {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        let octet = if turn % 10 == 0 { octets.next().unwrap_or_default() } else { &[] };
        streams.retain_mut(|stream| {
            let is_open = match stream.read(&mut [0; 512]) {
                Ok(count) => count > 0,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            };
            is_open && stream.write_all(octet).is_ok()
        });
    }
    if !streams.is_empty() {
        return Err(format!("{} are open still", streams.len()));
    }
    in_time(since, HANDSHAKE)
}

fn announce(ground: &Ground) -> Verdict {
    let mut sessions = Vec::new();
    for _ in 0..100 {
        let mut peer = ground.peer(Framing::RawSocket);
        peer.write(&[0, 0x0F, 0xFF, 0xFF]);
        sessions.push(peer);
    }
    let since = Instant::now();
    for peer in &mut sessions {
        while peer.receive().is_some() {}
    }
    // Within once and twice the time for a message.
    in_time(since, Duration::from_secs(1))
}

fn haste(ground: &Ground) -> Verdict {
    let since = Instant::now();
    let opened = (0..300).map(|_| from([127, 0, 0, 7], &ground.address));
    let streams = opened.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let mut let_in: u32 = 0;
    for mut stream in streams {
        let said = stream.write_all(b"\x7F\xF1\0\0");
        let_in += u32::from(said.and_then(|()| stream.read_exact(&mut [0; 4])).is_ok());
    }
    // The kernel connects them before the router takes them: it is done with all only by now.
    let most = 101.0 + 100.0 * since.elapsed().as_secs_f64();
    if let_in < 100 || f64::from(let_in) > most {
        return Err(format!("{let_in} were let in, {most} at most"));
    }
    Ok(format!("{let_in} let in"))
}

fn exhaust(_: &Ground) -> Verdict {
    let folder = Folder::new("files");
    let ordinary = program(&folder.path(""), &["--config", "-", "--shards", "1"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 200 && exec \"$0\" --config - --shards 1"]);
    command.arg(ordinary.get_program()).current_dir(folder.path("")).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let text = "[[realms]]\nname = \"realm1\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let mut router = Router::spawn(command, text);
    router.await_line("ready in ");
    let address = router.address("ws://");
    let mut peer = Peer::tcp(&address, Framing::RawSocket);
    peer.join("realm1");
    let streams: Vec<_> = (0..400).map(|_| from([127, 0, 0, 1], &address)).collect();
    let (before, since) = (processor_time(&router), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let used = (processor_time(&router) - before).as_secs_f64() / since.elapsed().as_secs_f64();
    if used > 0.05 {
        return Err(format!("{:.1} % of a CPU", 100.0 * used));
    }
    peer.send(&json!([32, 1, {}, "com.topic"]));
    peer.expect(33);
    drop(streams);
    let is_in = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        let mut line = Line::to(&address);
        line.say(b"\x7F\xF1\0\0") && line.take(4).is_ok()
    });
    drop(peer);
    router.stop();
    let text = format!("{:.1} % of a CPU while full, then room again", 100.0 * used);
    if is_in { Ok(text) } else { Err("no room".to_owned()) }
}

/// The time that processors have spent on a router.
fn processor_time(router: &Router) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", router.id)).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let words: Vec<_> = rest.split_ascii_whitespace().collect();
    let ticks = |place: usize| words[place].parse::<u64>().unwrap();
    // User and system time, in hundredths of a second on every Linux.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// What a client of TLS 1.3 says first.
fn hello() -> Vec<u8> {
    let mut secure = estate().house.client().on(from([127, 0, 0, 1], &nobody()).unwrap());
    let mut hello = Vec::new();
    secure.conn.write_tls(&mut hello).unwrap();
    hello
}

/// Somebody who listens and does nothing else.
fn nobody() -> String {
    static NOBODY: OnceLock<std::net::TcpListener> = OnceLock::new();
    let listener = NOBODY.get_or_init(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listener.local_addr().unwrap().to_string()
}

/// Says this where TLS is spoken; everything that is answered up to the end.
fn tell(ground: &Ground, octets: &[u8]) -> Result<Vec<u8>, String> {
    let mut line = Line::to(&ground.address_after("wss://"));
    line.say(octets);
    line.rest()
}

/// A TLS connection on which RawSocket is spoken.
fn open(ground: &Ground) -> Result<crate::secure::Secure, String> {
    let mut secure = estate().house.client().to(&ground.address_after("wss://"));
    let said = secure.write_all(b"\x7F\xF1\0\0");
    said.and_then(|()| secure.read_exact(&mut [0; 4])).map_err(|error| error.to_string())?;
    Ok(secure)
}

/// Waits for the end of a connection on which nothing may come before it.
fn ended(secure: &mut crate::secure::Secure) -> Verdict {
    match secure.read(&mut [0; 64]) {
        Ok(0) => Ok("closed".to_owned()),
        Ok(_) => Err("something was answered".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(error.to_string()),
        Err(error) => Ok(format!("closed: {error}")),
    }
}

/// Where PROXY headers are taken from us, and where from others.
fn listeners(ground: &Ground) -> (String, String) {
    let trusting = ground.address_after("tcp:127.0.0.2:");
    let distrusting = ground.address_after("tcp:127.0.0.3:");
    (format!("127.0.0.2:{trusting}"), format!("127.0.0.3:{distrusting}"))
}
