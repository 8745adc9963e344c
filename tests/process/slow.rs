//! Peers that do not read: they are ended and told why, and nobody else notices.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use gigawamp::wire::Framing;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::program::{Folder, with_each_driver};

/// Events that are under way at most, but for those that nobody reads.
const WINDOW: u64 = 64;

/// Windows of 64 KiB, 48 MiB together: far more than sockets and an outbox take.
const WINDOWS_COUNT: u64 = 768;

/// Octets that a router may grow by meanwhile.
const GROWTH_MAX: u64 = 16 << 20;

/// A publication of about a kibibyte.
fn publication(number: u64) -> Value {
    json!([16, number, {}, "com.flood", [number, "x".repeat(1_000)]])
}

/// A peer that subscribed to the flood.
fn subscriber(mut peer: Peer) -> Peer {
    peer.join("realm1");
    peer.send(&json!([32, 1, {}, "com.flood"]));
    peer.expect(33);
    peer
}

/// Reads on until the end; what came must have no hole and be followed by the reason.
fn read_on(mut peer: Peer) -> u64 {
    let mut events_count = 0;
    loop {
        let message = peer.receive().expect("an ABORT before the end");
        if message[0] == 68 {
            continue;
        }
        if message[0] == 36 {
            events_count += 1;
            assert_eq!(message[4][0], events_count);
            continue;
        }
        assert_eq!((&message[0], &message[2]), (&json!(3), &json!("gigawamp.error.slow_peer")));
        assert_eq!(peer.receive(), None);
        return events_count;
    }
}

#[test]
fn who_stops_reading_in_a_flood_is_ended_and_harms_nobody() {
    let top = "shutdown_timeout = \"10m\"";
    // Whoever is ended has time to read on until the flood is over.
    let tables = "message_bytes_max = \"64 KiB\"\n[limits]\ngoodbye = \"5m\"\nstall = \"5m\"\n\
                  outbox_bytes_max = \"256 KiB\"\noutbox_bytes_pause = \"128 KiB\"";
    with_each_driver(top, tables, |router| {
        let address = router.address("ws://");
        let framings = [Framing::RawSocket, Framing::WebSocket];
        let stuck = framings.map(|framing| subscriber(Peer::tcp(&address, framing)));
        let mut readers = framings.map(|framing| subscriber(Peer::tcp(&address, framing)));
        let mut publisher = Peer::tcp(&address, Framing::RawSocket);
        publisher.join("realm1");
        router.forget_peak();
        let (before, _) = router.memory();
        for window in 0..WINDOWS_COUNT {
            let numbers = window * WINDOW + 1..=(window + 1) * WINDOW;
            let publications: Vec<_> = numbers.clone().map(publication).collect();
            let frames = publisher.frames(&publications);
            publisher.write(&frames);
            for reader in &mut readers {
                for number in numbers.clone() {
                    assert_eq!(reader.expect(36)[4][0], number);
                }
            }
        }
        let (_, most) = router.memory();
        assert!(most < before + GROWTH_MAX, "from {before} to {most} octets");
        for peer in stuck {
            assert!(read_on(peer) < WINDOWS_COUNT * WINDOW);
        }
        drop((readers, publisher));
        let summary = router.stop();
        assert!(summary.contains(" slow_sessions_ended=2 "), "{summary}");
    });
}

#[test]
fn who_reads_nothing_for_too_long_is_ended() {
    let folder = Folder::new("stalled");
    let path = folder.path("wamp.sock");
    let tables = format!(
        "[[listeners]]\naddress = \"unix:{}\"\n\
         [limits]\nping_interval = \"0s\"\nstall = \"300ms\"\ngoodbye = \"5m\"",
        path.display()
    );
    with_each_driver("shutdown_timeout = \"10m\"", &tables, |router| {
        // The kernel holds far less for a Unix socket than is sent here, and an outbox far more.
        for framing in [Framing::RawSocket, Framing::WebSocket] {
            let mut stuck = subscriber(Peer::unix(&path, framing));
            stuck.send(&json!([64, 2, {}, "com.stuck"]));
            stuck.expect(65);
            let mut publisher = Peer::tcp(&router.address("ws://"), Framing::RawSocket);
            publisher.join("realm1");
            let publications: Vec<_> = (1..=2_048).map(publication).collect();
            let frames = publisher.frames(&publications);
            publisher.write(&frames);
            await_end_of_procedure(&mut publisher, 2_049);
            let events_count = read_on(stuck);
            assert!(events_count <= 2_048, "{events_count}");
        }
        let summary = router.stop();
        assert!(summary.contains(" slow_sessions_ended=2 "), "{summary}");
    });
}

#[test]
fn who_writes_before_it_reads_is_waited_for() {
    const EVENTS_COUNT: u64 = 30_000;
    with_each_driver("", "", |router| {
        for framing in [Framing::RawSocket, Framing::WebSocket] {
            let mut peer = subscriber(Peer::tcp(&router.address("ws://"), framing));
            let text = "x".repeat(1_000);
            let publication = |n| json!([16, n, {"exclude_me": false}, "com.flood", [n - 1, text]]);
            let frames = peer.frames(&(2..EVENTS_COUNT + 2).map(publication).collect::<Vec<_>>());
            let mut writer = peer.writer();
            thread::scope(|scope| {
                let (sent, progress) = channel();
                scope.spawn(move || {
                    for part in frames.chunks(64 << 10) {
                        writer.write_all(part).unwrap();
                        sent.send(part.len()).unwrap();
                    }
                });
                // The router takes no more when it has enough that nobody reads.
                let mut taken = 0;
                while let Ok(count) = progress.recv_timeout(Duration::from_millis(500)) {
                    taken += count;
                }
                assert!(taken < 25 << 20, "{taken} octets were taken");
                for number in 1..=EVENTS_COUNT {
                    assert_eq!(peer.expect(36)[4][0], number);
                }
            });
            drop(peer);
        }
        let summary = router.stop();
        assert!(summary.contains(" slow_sessions_ended=0 "), "{summary}");
    });
}

/// Calls until the only callee is gone. Nothing answers the calls before: they are canceled.
fn await_end_of_procedure(caller: &mut Peer, first: u64) {
    let mut request = first;
    loop {
        caller.send(&json!([48, request, {}, "com.stuck"]));
        let message = caller.expect(8);
        request += 1;
        if message[4] == "wamp.error.no_such_procedure" {
            return;
        }
        assert_eq!(message[4], "wamp.error.canceled");
    }
}
