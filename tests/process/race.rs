//! Sessions on different shards that meet over one URI.

use std::ops::RangeInclusive;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gigawamp::wire::Framing;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{factor, with_each_driver};

/// Two sessions, the first on shard 0, the second on shard 1.
fn pair(address: &str) -> [Peer; 2] {
    let mut peers = [(); 2].map(|()| Peer::tcp(address, Framing::RawSocket));
    let shards = peers.each_mut().map(|peer| peer.join("realm1") % 2);
    assert_ne!(shards[0], shards[1], "sessions are spread evenly");
    if shards[0] == 1 {
        peers.reverse();
    }
    peers
}

// spec: G-25, I-04
#[test]
fn who_is_subscribed_misses_nothing_wherever_it_comes_from() {
    with_each_driver("", "", |router| {
        let [mut subscriber, mut publisher] = pair(&router.address("ws://"));
        for round in 1..=500 * factor() {
            subscriber.send(&json!([32, 2 * round - 1, {}, "com.t"]));
            let subscription = subscriber.expect(33)[2].clone();
            publisher.send(&json!([16, 2 * round - 1, {}, "com.t", [round]]));
            assert_eq!(subscriber.expect(36)[4][0], round);
            subscriber.send(&json!([34, 2 * round, subscription]));
            subscriber.expect(35);
            publisher.send(&json!([16, 2 * round, {"acknowledge": true}, "com.t", ["late"]]));
            publisher.expect(17);
        }
        drop((subscriber, publisher));
        router.stop();
    });
}

// spec: I-04, I-05
#[test]
fn who_is_registered_can_be_called_from_everywhere() {
    with_each_driver("", "", |router| {
        let [mut callee, mut caller] = pair(&router.address("ws://"));
        for round in 1..=500 * factor() {
            callee.send(&json!([64, 2 * round - 1, {}, "com.p"]));
            let registration = callee.expect(65)[2].clone();
            caller.send(&json!([48, 2 * round - 1, {}, "com.p", [round]]));
            assert_eq!(callee.expect(68)[4][0], round);
            callee.send(&json!([70, round, {}]));
            caller.expect(50);
            callee.send(&json!([66, 2 * round, registration]));
            callee.expect(67);
            caller.send(&json!([48, 2 * round, {}, "com.p", ["late"]]));
            assert_eq!(caller.expect(8)[4], "wamp.error.no_such_procedure");
        }
        drop((callee, caller));
        router.stop();
    });
}

// spec: I-06, I-07
#[test]
fn of_two_that_register_at_once_exactly_one_wins() {
    const PROCEDURES: u64 = 200;
    let rounds = 10 * factor();
    with_each_driver("", "[limits]\nregistrations_max = 10000000", |router| {
        let start = Barrier::new(2);
        let mut peers = pair(&router.address("ws://"));
        let run = |peer: &mut Peer, policy| {
            let mut wins = Vec::new();
            for round in 0..rounds {
                start.wait();
                let numbers = round * PROCEDURES + 1..=(round + 1) * PROCEDURES;
                wins.extend(register(peer, numbers, policy));
            }
            wins
        };
        let [one, other] = &mut peers;
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| run(one, "roundrobin"));
            (run(other, "first"), one.join().unwrap())
        });
        assert_eq!(one.len() as u64, rounds * PROCEDURES);
        for (place, (one, other)) in one.into_iter().zip(other).enumerate() {
            assert!(one ^ other, "both are told {one} about the procedure at {place}");
        }
        // Had one left before, the other might have won twice.
        drop(peers);
        router.stop();
    });
}

/// Registers procedures, every second one as nobody else does, and says which were won.
fn register(peer: &mut Peer, numbers: RangeInclusive<u64>, policy: &str) -> Vec<bool> {
    let register = |n: u64| {
        let policy = if n.is_multiple_of(2) { policy } else { "single" };
        json!([64, n, {"invoke": policy}, format!("com.p{n}")])
    };
    let messages: Vec<_> = numbers.clone().map(register).collect();
    let frames = peer.frames(&messages);
    peer.write(&frames);
    let mut wins = vec![false; messages.len()];
    for _ in &messages {
        // Answers may come in another order than the requests.
        let answer = peer.receive().unwrap();
        let is_won = answer[0] == 65;
        assert!(is_won || answer[4] == "wamp.error.procedure_already_exists", "{answer}");
        let request = answer[if is_won { 1 } else { 2 }].as_u64().unwrap();
        wins[usize::try_from(request - numbers.start()).unwrap()] = is_won;
    }
    wins
}

// spec: G-03, G-06, I-04
#[test]
fn events_come_between_subscribed_and_unsubscribed_alone() {
    with_each_driver("", "", |router| {
        let [mut subscriber, near] = pair(&router.address("ws://"));
        let [far, _] = pair(&router.address("ws://"));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for mut publisher in [near, far] {
                let is_over = &is_over;
                scope.spawn(move || {
                    for request in (1..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                        publisher.send(&json!([16, request, {"acknowledge": true}, "com.t"]));
                        publisher.expect(17);
                    }
                });
            }
            for round in 1..=300 * factor() {
                subscriber.send(&json!([32, 2 * round - 1, {}, "com.t"]));
                let subscription = subscriber.expect(33)[2].clone();
                assert_eq!(subscriber.expect(36)[1], subscription);
                subscriber.send(&json!([34, 2 * round, subscription]));
                loop {
                    let message = subscriber.receive().unwrap();
                    if message[0] == 35 {
                        break;
                    }
                    assert_eq!((&message[0], &message[1]), (&json!(36), &subscription));
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        drop(subscriber);
        router.stop();
    });
}
