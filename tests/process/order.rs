//! What arrives in order: events of one publisher, calls of one caller, over both shards.

use std::thread;

use gigawamp::wire::Framing;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::program::{factor, with_each_driver};

/// Peers of a kind.
const PEERS_COUNT: usize = 4;

/// Topics of each publisher, procedures of the callee.
const URIS_COUNT: u64 = 5;

/// Messages that are sent in one write.
const BURST: u64 = 50;

/// So little may wait between the shards that clients are held back time and again.
const NARROW: &str = "[limits]\nmesh_bytes_max = \"64 KiB\"";

/// Calls that one caller may have pending.
const PENDING_MAX: u64 = 500;

/// What a payload says: who, its how manieth, and text that is now and then longer than what is
/// copied into each outbox.
fn payload(peer: usize, number: u64) -> Value {
    let length = if number.is_multiple_of(16) { 5_000 } else { 10 };
    json!([peer, number, "x".repeat(length)])
}

/// Sessions on both shards, over both transports.
fn crowd(address: &str) -> Vec<Peer> {
    let mut shards = [0; 2];
    let peers = (0..PEERS_COUNT).map(|place| {
        let framing = [Framing::RawSocket, Framing::WebSocket][place / 2 % 2];
        let mut peer = Peer::tcp(address, framing);
        // With two shards, the lowest bit of a session id tells which it is on.
        shards[usize::try_from(peer.join("realm1") % 2).unwrap()] += 1;
        peer
    });
    let peers = peers.collect();
    assert_eq!(shards, [PEERS_COUNT / 2; 2], "sessions are spread evenly");
    peers
}

// spec: G-01, G-02, G-26, I-01
#[test]
fn events_of_each_publisher_arrive_in_order_and_all_their_copies_together() {
    let events_count = 1_000 * factor();
    with_each_driver("", NARROW, |router| {
        let address = router.address("ws://");
        let mut subscribers = crowd(&address);
        for peer in &mut subscribers {
            let subscriptions = [
                json!([32, 1, {"match": "prefix"}, "com."]),
                json!([32, 2, {}, "com.0.t"]),
                json!([32, 3, {"match": "wildcard"}, "com..t"]),
                json!([32, 4, {}, "com.1.t"]),
            ];
            let frames = peer.frames(&subscriptions);
            peer.write(&frames);
            subscriptions.iter().for_each(|_| drop(peer.expect(33)));
        }
        thread::scope(|scope| {
            for (number, peer) in crowd(&address).into_iter().enumerate() {
                scope.spawn(move || publish(peer, number, events_count));
            }
            for peer in subscribers {
                scope.spawn(move || check_events(peer, events_count));
            }
        });
        router.stop();
    });
}

/// The topic of an event, and how often a subscriber gets it.
fn topic(number: u64) -> (String, usize) {
    match number % URIS_COUNT {
        uri @ 0..=1 => (format!("com.{uri}.t"), 3),
        2 => ("com.2.t".to_owned(), 2),
        uri => (format!("com.{uri}.more.t"), 1),
    }
}

/// Publishes numbers from 1 in bursts.
fn publish(mut peer: Peer, publisher: usize, events_count: u64) {
    let numbers: Vec<_> = (1..=events_count).collect();
    for burst in numbers.chunks(usize::try_from(BURST).unwrap()) {
        let events = burst.iter();
        let events = events.map(|n| json!([16, n, {}, topic(*n).0, payload(publisher, *n)]));
        let frames = peer.frames(&events.collect::<Vec<_>>());
        peer.write(&frames);
    }
    // All is processed before the peer leaves.
    peer.send(&json!([6, {}, "wamp.close.normal"]));
    peer.expect(6);
}

/// Takes all events of all publishers: 1, 2, 3 … of each, in as many copies as there should be.
fn check_events(mut peer: Peer, events_count: u64) {
    let copies = |publisher| {
        (1..=events_count).flat_map(move |n| std::iter::repeat_n(payload(publisher, n), topic(n).1))
    };
    let mut expected: Vec<_> = (0..PEERS_COUNT).map(copies).collect();
    let count = PEERS_COUNT * copies(0).count();
    for _ in 0..count {
        let event = peer.expect(36);
        let publisher = usize::try_from(event[4][0].as_u64().unwrap()).unwrap();
        assert_eq!(Some(&event[4]), expected[publisher].next().as_ref(), "{event}");
    }
}

// spec: G-04, G-05, G-09
#[test]
fn calls_of_each_caller_arrive_in_order_and_invocations_count_one_by_one() {
    let calls_count = 2_000 * factor();
    with_each_driver("", NARROW, |router| {
        let address = router.address("ws://");
        let mut callee = Peer::tcp(&address, Framing::RawSocket);
        callee.join("realm1");
        let procedures = ["com.p.0", "com.p.1", "com.p.2", "com.p.3", "com.p.4"];
        for (request, procedure) in (1..).zip(procedures) {
            callee.send(&json!([64, request, {}, procedure]));
            callee.expect(65);
        }
        thread::scope(|scope| {
            for (number, peer) in crowd(&address).into_iter().enumerate() {
                scope.spawn(move || call(peer, number, calls_count));
            }
            answer(&mut callee, calls_count);
        });
        drop(callee);
        router.stop();
    });
}

/// Calls with numbers from 1, in bursts, and takes the results in whatever order they come.
fn call(mut peer: Peer, caller: usize, calls_count: u64) {
    let (mut sent, mut results) = (0, Vec::new());
    while results.len() as u64 != calls_count {
        if sent < calls_count && sent - (results.len() as u64) < PENDING_MAX {
            let burst = sent + 1..=sent + BURST;
            let calls = burst.map(|n| {
                json!([48, n, {}, format!("com.p.{}", n % URIS_COUNT), payload(caller, n)])
            });
            let frames = peer.frames(&calls.collect::<Vec<_>>());
            peer.write(&frames);
            sent += BURST;
            continue;
        }
        let result = peer.expect(50);
        let request = result[1].as_u64().unwrap();
        assert_eq!(result[3], payload(caller, request), "somebody else's result");
        results.push(request);
    }
    results.sort_unstable();
    assert!(results.into_iter().eq(1..=calls_count), "one result for each call");
}

/// Answers all calls of all callers, the last of a few first.
fn answer(callee: &mut Peer, calls_count: u64) {
    let mut next = [1; PEERS_COUNT];
    let mut held: Vec<Value> = Vec::new();
    for invocation_id in 1..=PEERS_COUNT as u64 * calls_count {
        let invocation = callee.expect(68);
        assert_eq!(invocation[1], invocation_id);
        let caller = usize::try_from(invocation[4][0].as_u64().unwrap()).unwrap();
        assert_eq!(invocation[4][1], next[caller], "{invocation}");
        next[caller] += 1;
        held.push(json!([70, invocation_id, {}, invocation[4]]));
        if invocation_id % 8 == 0 {
            held.reverse();
            let frames = callee.frames(&held);
            callee.write(&frames);
            held.clear();
        }
    }
}
