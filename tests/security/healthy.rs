//! Clients that mean well: whatever is done to the router, they are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gigawamp::wire::Framing;
use serde_json::json;

use crate::peer::Peer;
use crate::program::PATIENCE;

/// A caller, a callee, a publisher and a subscriber that keep at it until they are told to stop.
pub(crate) struct Healthy {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    rounds: AtomicU64,
    is_over: AtomicBool,
}

impl Healthy {
    /// Sets them to work at the router that listens at `address`.
    pub(crate) fn begin(address: &str) -> Self {
        let framings = [Framing::RawSocket, Framing::WebSocket];
        // Four of them are never on one shard alone: connections go where there are fewest.
        let peers = [0, 1, 0, 1].map(|framing| Peer::tcp(address, framings[framing]));
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        Self { shared, thread: thread::spawn(move || work(peers, &its)) }
    }

    /// Waits until they have gone through so many rounds from now on.
    pub(crate) fn rounds(&self, count: u64) -> Result<(), String> {
        let (since, first) = (Instant::now(), self.shared.rounds.load(Ordering::Relaxed));
        while self.shared.rounds.load(Ordering::Relaxed) < first + count {
            if self.thread.is_finished() {
                return Err("healthy clients lost something".to_owned());
            }
            if since.elapsed() > PATIENCE {
                return Err("healthy clients are not served".to_owned());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets them go home; how many rounds they went through.
    pub(crate) fn end(self) -> Result<u64, String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| "healthy clients lost something or were not served".to_owned())?;
        Ok(self.shared.rounds.load(Ordering::Relaxed))
    }
}

/// One round after the other: a call and its answer, a publication and its event.
fn work([mut caller, mut callee, mut publisher, mut subscriber]: [Peer; 4], shared: &Shared) {
    for peer in [&mut caller, &mut callee, &mut publisher, &mut subscriber] {
        peer.join("realm1");
    }
    callee.send(&json!([64, 1, {}, "healthy.procedure"]));
    callee.expect(65);
    subscriber.send(&json!([32, 1, {}, "healthy.topic"]));
    subscriber.expect(33);
    for number in 1.. {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        caller.send(&json!([48, number, {}, "healthy.procedure", [number]]));
        publisher.send(&json!([16, number, {"acknowledge": true}, "healthy.topic", [number]]));
        let invocation = callee.expect(68);
        assert_eq!(invocation[4][0], number);
        callee.send(&json!([70, invocation[1], {}, [number]]));
        let result = caller.expect(50);
        assert_eq!((&result[1], &result[3][0]), (&json!(number), &json!(number)));
        assert_eq!(subscriber.expect(36)[4][0], number);
        assert_eq!(publisher.expect(17)[1], number);
        shared.rounds.store(number, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(2));
    }
}
