//! The generator against a relay in the same process, for a moment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use loadtest::Trouble;
use loadtest::cli::Options;
use loadtest::engine::Plan;
use loadtest::net::{Address, Target};
use loadtest::relay::{FrameSizes, Mode, Relay};
use loadtest::scenario::{Scenario, pubsub, rpc};

/// A relay on a thread of its own, until it is dropped.
struct Running {
    address: Address,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Running {
    fn start(mode: Mode, sizes: FrameSizes) -> Self {
        let anywhere: Target = "tcp://127.0.0.1:0".parse().unwrap();
        let mut relay = Relay::bind(&anywhere.address, mode, sizes).unwrap();
        let address = relay.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || relay.run(&seen, false));
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

const PLAN: Plan = Plan {
    warmup: Duration::from_millis(20),
    duration: Duration::from_millis(200),
    spin: false,
    server: None,
};

#[test]
fn calls_go_through_a_relay_and_back() {
    let sizes = FrameSizes { there_in: 90, there_out: 82, back_in: 77, back_out: 79 };
    for (callers, callees, rate) in [(4, 1, None), (5, 3, None), (4, 2, Some(5_000))] {
        let options = Options { callers, callees, rate, ..Options::new(Scenario::Rpc) };
        let relay = Running::start(Mode::Rpc, sizes);
        let mut engine = rpc::bare_engine(&options, &relay.address, sizes).unwrap();
        let mut script = rpc::Rpc::new(&options, rpc::Words::bare(&options, sizes));
        let row = engine.run(&mut script, &PLAN).unwrap();
        assert!(row.delivered > 100, "{} calls", row.delivered);
        assert!(row.latency.is_some());
        if rate.is_some() {
            assert!((500..=1_500).contains(&row.delivered), "{} calls", row.delivered);
        }
        let callers = callees..callees + callers;
        assert_eq!(engine.frame_bytes(0..callees).got, sizes.there_out);
        assert_eq!(engine.frame_bytes(0..callees).sent, sizes.back_in);
        assert_eq!(engine.frame_bytes(callers.clone()).got, sizes.back_out);
        assert_eq!(engine.frame_bytes(callers).sent, sizes.there_in);
    }
}

#[test]
fn publications_reach_every_subscriber_of_a_relay() {
    let sizes = FrameSizes { there_in: 90, there_out: 85, back_in: 0, back_out: 20 };
    for (publishers, subscribers, rate) in [(1, 10, None), (3, 2, None), (2, 3, Some(2_000))] {
        let options = Options { publishers, subscribers, rate, ..Options::new(Scenario::Fanout) };
        let sizes = FrameSizes { back_out: if rate.is_some() { 0 } else { 20 }, ..sizes };
        let relay = Running::start(Mode::Fanout, sizes);
        let mut engine = pubsub::bare_engine(&options, &relay.address, sizes).unwrap();
        let mut script = pubsub::PubSub::new(&options, pubsub::Words::bare(sizes));
        let row = engine.run(&mut script, &PLAN).unwrap();
        assert!(row.delivered > 100, "{} events", row.delivered);
    }
}

#[test]
fn a_relay_that_alters_frames_is_found_out() {
    // Frames that shrink below a stamp cannot be what was sent.
    let sizes = FrameSizes { there_in: 64, there_out: 31, back_in: 31, back_out: 64 };
    let options = Options::new(Scenario::Rpc);
    let relay = Running::start(Mode::Rpc, sizes);
    let mut engine = rpc::bare_engine(&options, &relay.address, sizes).unwrap();
    let mut script = rpc::Rpc::new(&options, rpc::Words::bare(&options, sizes));
    let wrong = engine.run(&mut script, &PLAN);
    assert!(matches!(wrong, Err(Trouble::Wrong(_))), "{wrong:?}");
}
