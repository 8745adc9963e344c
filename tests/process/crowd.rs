//! Many sessions, gone at once: nothing is left of them.

use std::time::Duration;

use gigawamp::wire::Framing;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::peer::Peer;
use crate::program::{PATIENCE, Router, with_each_driver};

const SESSIONS_COUNT: usize = 1_000;

/// How often they come.
const ROUNDS_COUNT: usize = 6;

/// Octets that the same crowd, come again and again, may make the router grow by: under three
/// kibibytes for each session that ever came, most of it what the index has yet to give back after
/// a thousand callees joined one registration.
const GROWTH_MAX: u64 = 16 << 20;

/// Octets for each session that the router may keep for the next ones to come. What it frees it
/// uses again, but the allocator gives little of it back to the system.
const KEPT_MAX: u64 = 40 << 10;

#[test]
fn nothing_is_left_of_a_thousand_sessions_that_drop() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    with_each_driver("", "", |router| {
        let address = router.address("ws://");
        let mut constant = Peer::tcp(&address, Framing::RawSocket);
        constant.join("realm1");
        let (before, _) = router.memory();
        let descriptors_count = router.descriptors_count();
        let mut after_first = None;
        for round in 0..ROUNDS_COUNT {
            let crowd: Vec<_> = (0..SESSIONS_COUNT).map(|place| arrive(&address, place)).collect();
            // Every second one is sent something that it will never read: that resets it.
            let text = "x".repeat(2_000);
            let options = json!({"acknowledge": true});
            constant.send(&json!([16, 2 * round + 1, options, "com.even", [text]]));
            constant.expect(17);
            assert!(router.descriptors_count() >= descriptors_count + SESSIONS_COUNT);
            drop(crowd);
            await_descriptors(&router, descriptors_count);
            // Nobody holds the procedure any more.
            constant.send(&json!([48, 2 * round + 2, {}, "com.p"]));
            assert_eq!(constant.expect(8)[4], "wamp.error.no_such_procedure");
            let (after, _) = router.memory();
            assert!(after < before + SESSIONS_COUNT as u64 * KEPT_MAX, "{before} to {after}");
            let first = *after_first.get_or_insert(after);
            assert!(after < first + GROWTH_MAX, "{first} to {after} octets in round {round}");
        }
        drop(constant);
        let summary = router.stop();
        let sessions_count = ROUNDS_COUNT * SESSIONS_COUNT + 1;
        assert!(summary.contains(&format!(" connections={sessions_count} ")), "{summary}");
    });
}

/// Joins, subscribes and registers.
fn arrive(address: &str, place: usize) -> Peer {
    let framing = if place.is_multiple_of(3) { Framing::WebSocket } else { Framing::RawSocket };
    let mut peer = Peer::tcp(address, framing);
    peer.join("realm1");
    let topic = if place.is_multiple_of(2) { "com.even" } else { "com.odd" };
    let messages = [
        json!([32, 1, {}, topic]),
        json!([64, 2, {"invoke": "roundrobin"}, "com.p"]),
        json!([32, 3, {"match": "prefix"}, format!("com.peer.{place}")]),
    ];
    let frames = peer.frames(&messages);
    peer.write(&frames);
    for code in [33, 65, 33] {
        peer.expect(code);
    }
    peer
}

#[expect(clippy::disallowed_methods, reason = "a test looks again after a while")]
fn await_descriptors(router: &Router, expected: usize) {
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if router.descriptors_count() <= expected {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{} descriptors instead of {expected}", router.descriptors_count());
}
