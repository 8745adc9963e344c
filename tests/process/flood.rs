//! Peers that send as fast as they can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::peer::Peer;
use crate::program::{factor, with_each_driver};

/// A session on the shard of the session `neighbour`.
fn beside(neighbour: u64, address: &str) -> Peer {
    // The least loaded of two shards is the right one every second time at the latest.
    let mut others = Vec::new();
    loop {
        let mut peer = Peer::tcp(address, Framing::RawSocket);
        if peer.join("realm1") % 2 == neighbour % 2 {
            return peer;
        }
        others.push(peer);
        assert!(others.len() < 10, "sessions are spread evenly");
    }
}

#[test]
fn a_flood_on_the_same_shard_drowns_nobody() {
    let text = "[[realms]]\nname = \"flooded\"\nrequest_ids = \"any\"";
    with_each_driver("", text, |router| {
        let address = router.address("ws://");
        let mut caller = Peer::tcp(&address, Framing::RawSocket);
        let session_id = caller.join("realm1");
        let mut callee = beside(session_id, &address);
        callee.send(&json!([64, 1, {}, "com.p"]));
        callee.expect(65);
        let mut flooding = beside(session_id, &address);
        flooding.send(&json!([6, {}, "wamp.close.normal"]));
        flooding.expect(6);
        flooding.join("flooded");
        // Each of these is matched and refused, over and over.
        let call = |n: u64| json!([16, n, {}, format!("com.flood.{n}"), ["x".repeat(100)]]);
        let frames = flooding.frames(&(1..=500).map(call).collect::<Vec<_>>());
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    flooding.write(&frames);
                }
            });
            for request in 1..=300 * factor() {
                caller.send(&json!([48, request, {}, "com.p", [request]]));
                assert_eq!(callee.expect(68)[4][0], request);
                callee.send(&json!([70, request, {}, [request]]));
                assert_eq!(caller.expect(50)[3][0], request);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        drop((caller, callee, flooding));
        router.stop();
    });
}

/// Publishes to all, itself included, and reads what comes, until the router says goodbye.
fn publish_until_goodbye(mut peer: Peer) {
    peer.send(&json!([32, 1, {}, "com.load"]));
    for first in (2..).step_by(16) {
        let options = json!({"exclude_me": false});
        let publications: Vec<_> =
            (first..first + 16).map(|n| json!([16, n, options, "com.load", [n]])).collect();
        let frames = peer.frames(&publications);
        peer.write(&frames);
        loop {
            let message = peer.receive().expect("GOODBYE before the end");
            if message[0] == 6 {
                assert_eq!(message[2], "wamp.close.system_shutdown");
                peer.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
                assert_eq!(peer.receive(), None, "something after GOODBYE");
                return;
            }
            if message[0] == 36 && message[4][0] == first + 15 {
                break;
            }
        }
    }
}

#[test]
fn who_is_busy_when_the_router_stops_has_its_goodbye_too() {
    let limits = "[limits]\ngoodbye = \"1m\"\nmesh_bytes_max = \"64 KiB\"";
    with_each_driver("shutdown_timeout = \"2m\"", limits, |router| {
        let address = router.address("ws://");
        let framings = [Framing::RawSocket, Framing::WebSocket];
        let mut observer = Peer::tcp(&address, Framing::RawSocket);
        observer.join("realm1");
        observer.send(&json!([32, 1, {}, "com.load"]));
        observer.expect(33);
        let mut idle: Vec<_> = (0..100).map(|n| Peer::tcp(&address, framings[n % 2])).collect();
        for peer in &mut idle {
            peer.join("realm1");
        }
        thread::scope(|scope| {
            for number in 0..8 {
                let mut peer = Peer::tcp(&address, framings[number / 2 % 2]);
                peer.join("realm1");
                scope.spawn(move || publish_until_goodbye(peer));
            }
            for _ in 0..2_000 * factor() {
                observer.expect(36);
            }
            router.signal(Signal::SIGTERM);
            while observer.receive().expect("GOODBYE")[0] != 6 {}
            observer.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
            idle.iter_mut().for_each(Peer::take_goodbye);
            for mut peer in idle {
                assert_eq!(peer.receive(), None);
            }
        });
        let (code, lines) = router.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        assert!(lines.last().unwrap().ends_with("stopped"), "{lines:#?}");
    });
}
