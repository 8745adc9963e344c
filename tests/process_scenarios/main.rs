//! All scenarios again, played by blocking sockets against the real program with two shards.
//!
//! The texts are those of `tests/scenarios`; here is another stage for them ([`street`]), and the
//! routers that the plays of all tests share ([`house`]).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod house;
mod street;

#[path = "../process/peer.rs"]
#[expect(dead_code, reason = "what only the tests of the process need")]
mod peer;
#[path = "../process/program.rs"]
#[expect(dead_code, reason = "what only the tests of the process need")]
mod program;

#[path = "../scenarios/call.rs"]
mod call;
#[path = "../scenarios/cancel.rs"]
mod cancel;
#[path = "../scenarios/concurrency.rs"]
mod concurrency;
#[path = "../scenarios/filter.rs"]
mod filter;
#[path = "../scenarios/history.rs"]
mod history;
#[path = "../scenarios/id.rs"]
mod id;
#[path = "../scenarios/identity.rs"]
mod identity;
#[path = "../scenarios/message.rs"]
mod message;
#[path = "../scenarios/meta.rs"]
mod meta;
#[path = "../scenarios/parts.rs"]
mod parts;
#[path = "../scenarios/passthru.rs"]
mod passthru;
#[path = "../scenarios/pattern.rs"]
mod pattern;
#[path = "../scenarios/progress.rs"]
mod progress;
#[path = "../scenarios/publish.rs"]
mod publish;
#[path = "../scenarios/reroute.rs"]
mod reroute;
#[path = "../scenarios/retention.rs"]
mod retention;
#[path = "../scenarios/revocation.rs"]
mod revocation;
#[path = "../scenarios/session.rs"]
mod session;
#[path = "../scenarios/shared.rs"]
mod shared;
#[path = "../scenarios/testament.rs"]
mod testament;
#[path = "../scenarios/timeout.rs"]
mod timeout;
#[path = "../scenarios/trust.rs"]
mod trust;
#[path = "../scenarios/uri.rs"]
mod uri;
#[path = "../scenarios/violation.rs"]
mod violation;

use std::thread;

use gigawamp::wire::{Framing, Serializer};
use harness::notation::{self, Act, Bindings, Line};
use harness::player::{Dress, Player};
use harness::postman::Postman;
use house::{House, Io};
use street::{Street, Way};

/// Plays that need time are played this many at once.
const PATIENT_PLAYS: usize = 6;

/// One way to play a scenario.
#[derive(Clone, Copy, Debug)]
struct Play {
    io: Io,
    way: Way,
    dress: Dress,
    /// By long-poll, and if so whether in batches.
    batches: Option<bool>,
}

/// Plays `text` with both drivers, over TCP by RawSocket, WebSocket and long-poll and over a Unix
/// socket, and with all serializers. Where the first peer uses a Unix socket, every peer uses another
/// transport and serializer than the one before it.
pub(crate) fn check(text: &str) {
    check_then(text, |_| ());
}

/// The same; hands what the variables stand for at the end of each run to `then`.
pub(crate) fn check_then(text: &str, mut then: impl FnMut(&Bindings)) {
    let lines = notation::parse(text);
    let mut take = |played: Result<Option<Bindings>, String>| match played {
        Ok(Some(bindings)) => then(&bindings),
        Ok(None) => {}
        Err(why) => panic!("{why}"),
    };
    if !lines.iter().any(|line| matches!(line.act, Act::Waits(_) | Act::ShutsDown)) {
        return plays().for_each(|it| take(play(it, &lines, text)));
    }
    for some in plays().collect::<Vec<_>>().chunks(PATIENT_PLAYS) {
        let lines = &lines;
        thread::scope(|scope| {
            let begin = |it: &Play| {
                let it = *it;
                scope.spawn(move || play(it, lines, text))
            };
            let begun: Vec<_> = some.iter().map(begin).collect();
            begun.into_iter().for_each(|played| take(played.join().unwrap()));
        });
    }
}

/// The same. What may happen in any order happens in the order of the day.
pub(crate) fn check_often(text: &str, _times: usize, then: impl FnMut(&Bindings)) {
    check_then(text, then);
}

fn plays() -> impl Iterator<Item = Play> {
    let ways = [
        (Way::Tcp, Framing::RawSocket, None),
        (Way::Tcp, Framing::WebSocket, None),
        (Way::Unix, Framing::RawSocket, None),
        (Way::Tcp, Framing::RawSocket, Some(false)),
        (Way::Tcp, Framing::RawSocket, Some(true)),
    ];
    [Io::Uring, Io::Epoll].into_iter().flat_map(move |io| {
        ways.into_iter().flat_map(move |(way, framing, batches)| {
            // By long-poll the simulator plays every text too; here half of the serializers go in
            // batches and half do not.
            let fits = move |serializer: &Serializer| {
                batches.is_none_or(|is_batched| is_batched == (serializer.index() % 2 == 1))
            };
            Serializer::ALL.into_iter().filter(fits).map(move |serializer| {
                let dress = Dress { framing, serializer, mixed: way == Way::Unix };
                Play { io, way, dress, batches }
            })
        })
    })
}

/// Plays once. Nothing if the program cannot be told what the scenario gives.
fn play(it: Play, lines: &[Line], text: &str) -> Result<Option<Bindings>, String> {
    let names_another = text.contains("transport: rawsocket");
    if it.batches.is_some() && (names_another || text.contains("// not by long-poll")) {
        return Ok(None);
    }
    let Some(house) = House::of(it.io, lines) else {
        return Ok(None);
    };
    let home = house.rent();
    // The texts know two realms; this play has its own.
    let text = text.replace("realm1", &home.first).replace("realm2", &home.second);
    let mut street = Street::new(&house, it.way);
    let lines = notation::parse(&text);
    let played = match it.batches {
        None => Player::new(&mut street, it.dress, &home.first).play(&lines),
        Some(is_batched) => {
            let mut postman = Postman::new(&mut street, is_batched);
            let played = Player::new(&mut postman, it.dress, &home.first).play(&lines);
            postman.clear();
            played
        }
    };
    let bindings = played.map_err(|why| format!("{it:?} in {}: {why}", home.first))?;
    street.clear()?;
    // What is kept stays when all peers are gone, and is not for others to find.
    if !text.contains("retain") && !text.contains("given: history") {
        house.give_back(home);
    }
    Ok(bindings)
}
