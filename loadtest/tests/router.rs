//! Every scenario against the router in the same process, for a moment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gigawamp::wire::Serializer;
use loadtest::Trouble;
use loadtest::cli::{Flood, Options};
use loadtest::net::{Address, Target};
use loadtest::report::Report;
use loadtest::scenario::Scenario;
use loadtest::selfhost::Host;

/// A router on a thread of its own, until it is dropped.
struct Running {
    address: Address,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Running {
    fn start() -> Self {
        let anywhere: Target = "tcp://127.0.0.1:0".parse().unwrap();
        let mut host = Host::bind(&anywhere.address).unwrap();
        let address = host.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || host.run(&seen));
        Self { address, stop, thread: Some(thread) }
    }

    /// `scenario` at this router, with the options' changes.
    fn run(&self, scenario: Scenario, url: &str, change: impl FnOnce(&mut Options)) -> Report {
        let Address::Tcp(host) = &self.address else { panic!("it listens on TCP") };
        let mut options = Options::new(scenario);
        options.url = url.replace("HOST", host).parse().unwrap();
        options.warmup = Duration::from_millis(20);
        options.duration = Duration::from_millis(150);
        options.router_pid = Some(std::process::id());
        change(&mut options);
        scenario.run(&options).unwrap()
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

const RAWSOCKET: &str = "tcp://HOST";
const WEBSOCKET: &str = "ws://HOST/ws";

#[test]
fn calls_in_every_serializer_and_framing() {
    let router = Running::start();
    for url in [RAWSOCKET, WEBSOCKET] {
        for serializer in Serializer::ALL {
            let report = router.run(Scenario::Rpc, url, |options| {
                (options.serializer, options.callees) = (serializer, 3);
            });
            assert!(report.rows[0].delivered > 100, "{}", report.table());
        }
    }
    let report = router.run(Scenario::Rpc, RAWSOCKET, |options| options.rate = Some(2_000));
    assert!((100..=600).contains(&report.rows[0].delivered), "{}", report.table());
}

#[test]
fn events_in_every_serializer_and_framing() {
    let router = Running::start();
    for url in [RAWSOCKET, WEBSOCKET] {
        for serializer in Serializer::ALL {
            let report = router.run(Scenario::Fanout, url, |options| {
                (options.serializer, options.subscribers) = (serializer, 10);
            });
            assert!(report.rows[0].delivered > 100, "{}", report.table());
        }
    }
    let large = |options: &mut Options| (options.payload, options.subscribers) = (16_384, 5);
    assert!(router.run(Scenario::Fanout, RAWSOCKET, large).rows[0].delivered > 100);
    assert!(router.run(Scenario::Fanin, RAWSOCKET, |_| {}).rows[0].delivered > 100);
}

#[test]
fn other_subscriptions_and_stuck_subscribers_change_nothing() {
    let router = Running::start();
    let report = router.run(Scenario::Patterns, RAWSOCKET, |options| {
        (options.exact, options.prefix, options.wildcard) = (300, 200, 9_000);
        options.subscribers = 5;
    });
    assert_eq!(report.rows.len(), 3);
    assert!(report.rows.iter().all(|row| row.delivered > 100), "{}", report.table());
    let report = router.run(Scenario::Slow, RAWSOCKET, |options| options.payload = 4_096);
    assert!(report.remarks[0].contains("without a gap"), "{}", report.table());
}

#[test]
fn a_flooder_is_survived() {
    let router = Running::start();
    for flood in [Flood::Publish, Flood::Call] {
        let report =
            router.run(Scenario::Pingpong, RAWSOCKET, |options| options.flood = Some(flood));
        assert_eq!(report.rows.len(), 2);
        assert!(report.remarks[0].starts_with("flooder: wrote"), "{}", report.table());
    }
    let report = router.run(Scenario::Pingpong, RAWSOCKET, |options| {
        (options.flood, options.sessions) = (Some(Flood::Meta), 3);
    });
    let remark = &report.remarks[0];
    assert!(remark.contains(", 0 of them errors, killed 3 sessions"), "{}", report.table());
}

#[test]
fn sessions_come_and_go() {
    let router = Running::start();
    for url in [RAWSOCKET, WEBSOCKET] {
        let report = router.run(Scenario::Storm, url, |_| {});
        assert!(report.rows[0].delivered > 50, "{}", report.table());
        let report = router.run(Scenario::Idle, url, |options| options.sessions = 200);
        assert!(report.remarks[0].contains("all 200"), "{}", report.table());
        let report = router.run(Scenario::Churn, url, |options| {
            (options.sessions, options.cycles) = (50, 2);
        });
        assert_eq!(report.figures.len(), 4, "{}", report.table());
    }
}

#[test]
fn what_the_router_refuses_is_said() {
    let router = Running::start();
    let Address::Tcp(host) = &router.address else { panic!("it listens on TCP") };
    let mut options = Options::new(Scenario::Rpc);
    options.url = format!("tcp://{host}").parse().unwrap();
    options.realm = "nowhere".to_owned();
    let trouble = Scenario::Rpc.run(&options).unwrap_err().to_string();
    assert!(trouble.contains("ABORT wamp.error.no_such_realm"), "{trouble}");
}
