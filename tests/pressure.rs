//! What routers do when peers are slow, messages are long, or words of two shards cross: the
//! simulator's machine, driven by hand.

use std::time::Duration;

use gigawamp::env::Random;
use gigawamp::router::config::{Config, Limits, RealmConfig, RequestIds, UriCheck};
use gigawamp::sim::{Action, LinkId, Machine};
use gigawamp::wire::{
    Client, ClientOptions, Framing, Incoming, Separator, Serializer, TransportOptions,
};

/// Routers, and what is needed to speak to them.
struct Bottle {
    machine: Machine,
}

/// A client and its connection.
struct Peer {
    link: LinkId,
    client: Client,
}

const ROLES: &str = r#"{"roles":{"caller":{},"callee":{"features":{"call_canceling":true}},
    "publisher":{},"subscriber":{}}}"#;

/// Octets that may be under way to a peer.
const PIPE_BYTES: usize = 64 << 10;

impl Bottle {
    fn new(shards_count: u16, change: impl FnOnce(&mut Config)) -> Self {
        let realm = RealmConfig {
            name: "realm1".into(),
            uri_check: UriCheck::Loose,
            request_ids: RequestIds::Sequential,
            ..RealmConfig::default()
        };
        let listener = TransportOptions {
            message_bytes_max: 1 << 24,
            paths: vec!["/ws".into()],
            serializers: Serializer::ALL.to_vec(),
            websocket: true,
            rawsocket: true,
            deflate: false,
            longpoll: true,
            longpoll_path: "/lp".into(),
            ..TransportOptions::default()
        };
        let mut config = Config {
            realms: vec![realm],
            listeners: vec![listener],
            limits: Limits::default(),
            agent: "under pressure".into(),
            ..Config::default()
        };
        change(&mut config);
        Self { machine: Machine::new(config, shards_count, 2, &mut Random::from_number(1)) }
    }

    /// Connects a client that takes messages of up to `bytes_max` octets.
    fn connect(&mut self, shard: usize, framing: Framing, bytes_max: usize) -> Peer {
        let options = ClientOptions { message_bytes_max: bytes_max, ..ClientOptions::default() };
        let mut client = Client::new(framing, Serializer::Json, options);
        let link = self.machine.open(shard, PIPE_BYTES);
        let mut hello = Vec::new();
        client.hello(&mut hello);
        self.machine.links[link].up.push(&hello);
        self.settle();
        Peer { link, client }
    }

    /// Connects a client and opens a session.
    fn join(&mut self, shard: usize, framing: Framing) -> Peer {
        let mut peer = self.connect(shard, framing, 1 << 24);
        self.say(&mut peer, &format!(r#"[1,"realm1",{ROLES}]"#));
        assert_begins(&self.hear(&mut peer), &["[2,"]);
        peer
    }

    /// Puts a message on its way to the router.
    fn send(&mut self, peer: &mut Peer, json: &str) {
        let mut frame = Vec::new();
        peer.client.frame(json.as_bytes(), &mut frame);
        self.machine.links[peer.link].up.push(&frame);
    }

    /// Says something, and lets everything settle.
    fn say(&mut self, peer: &mut Peer, json: &str) {
        self.send(peer, json);
        self.settle();
    }

    /// Reads up to `octets` that are under way to a peer; the messages that are whole now.
    fn read(&mut self, peer: &mut Peer, octets: usize) -> Vec<String> {
        let mut octets = self.machine.links[peer.link].down.take(octets);
        let (mut input, mut reply, mut heard) = (&mut octets[..], Vec::new(), Vec::new());
        while let Some(incoming) = peer.client.next(&mut input, &mut reply).expect("a good frame") {
            if let Incoming::Message(bytes) = incoming {
                heard.push(String::from_utf8(bytes.to_vec()).expect("JSON is text"));
            }
        }
        self.machine.links[peer.link].up.push(&reply);
        heard
    }

    /// Everything that a peer can hear by now.
    fn hear(&mut self, peer: &mut Peer) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            self.settle();
            if self.machine.links[peer.link].down.is_empty() {
                return heard;
            }
            heard.extend(self.read(peer, usize::MAX));
        }
    }

    /// Lets happen whatever can.
    fn settle(&mut self) {
        self.settle_but(|_| false);
    }

    /// Lets happen whatever can, except for what is `withheld`.
    fn settle_but(&mut self, withheld: impl Fn(Action) -> bool) {
        while let Some(action) = self.machine.possible().into_iter().find(|a| !withheld(*a)) {
            self.machine.perform(action, 1 << 16);
        }
        self.machine.routers.iter_mut().for_each(gigawamp::router::Router::check);
    }

    /// Lets time pass, with everything that happens meanwhile.
    fn wait(&mut self, time: Duration) {
        let end = self.machine.now + time;
        while let Some(next) = self.machine.next_deadline().filter(|next| *next <= end) {
            self.machine.now = self.machine.now.max(next);
            self.settle();
        }
        self.machine.now = end;
        self.settle();
    }

    fn is_open(&self, peer: &Peer) -> bool {
        self.machine.links[peer.link].open
    }
}

#[track_caller]
fn assert_begins(heard: &[String], beginnings: &[&str]) {
    let same = heard.len() == beginnings.len()
        && heard.iter().zip(beginnings).all(|(heard, begins)| heard.starts_with(begins));
    assert!(same, "{heard:?} where {beginnings:?} were expected");
}

// spec: B-TRN-09, A-RAW-10
#[test]
fn an_event_that_no_frame_can_hold_is_dropped() {
    let mut bottle = Bottle::new(1, |config| config.limits.outbox_bytes_max = 1 << 26);
    let mut ann = bottle.join(0, Framing::RawSocket);
    let mut bob = bottle.join(0, Framing::WebSocket);
    let mut cyd = bottle.join(0, Framing::RawSocket);
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    bottle.say(&mut bob, r#"[32,1,{},"com.t"]"#);
    // The longest message there is, and an EVENT is longer by some octets.
    let (before, behind) = (r#"[16,1,{},"com.t",[""#, r#""]]"#);
    let filling = "x".repeat((1 << 24) - before.len() - behind.len());
    bottle.say(&mut cyd, &format!("{before}{filling}{behind}"));
    bottle.say(&mut cyd, r#"[16,2,{},"com.t",["short"]]"#);
    for peer in [&mut ann, &mut bob] {
        assert_begins(&bottle.hear(peer), &["[33,1,1]", "[36,1,"]);
    }
    assert_eq!(bottle.machine.routers[0].counters().undeliverable_events, 2);
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

// spec: B-PS-19
#[test]
fn a_peer_may_stand_still_for_as_long_as_configured() {
    let mut bottle = Bottle::new(1, |config| {
        config.limits.ping_interval = seconds(10);
        config.limits.stall = seconds(40);
    });
    stand_still(&mut bottle, Framing::RawSocket);
    stand_still(&mut bottle, Framing::WebSocket);
    assert_eq!(bottle.machine.routers[0].counters().slow_sessions_ended, 2);
}

fn stand_still(bottle: &mut Bottle, framing: Framing) {
    let mut ann = bottle.join(0, framing);
    let mut bob = bottle.join(0, Framing::RawSocket);
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    assert_begins(&bottle.hear(&mut ann), &["[33,1,"]);
    for request in 1..=2 {
        bottle.machine.links[ann.link].down.stalled = true;
        bottle.say(&mut bob, &format!(r#"[16,{request},{{}},"com.t"]"#));
        bottle.wait(seconds(39));
        assert!(bottle.is_open(&ann), "{framing:?}");
        bottle.machine.links[ann.link].down.stalled = false;
        assert_begins(&bottle.hear(&mut ann), &["[36,"]);
    }
    bottle.machine.links[ann.link].down.stalled = true;
    bottle.say(&mut bob, r#"[16,3,{},"com.t"]"#);
    // It is told why within a look or two, and then has some seconds to read that.
    bottle.wait(seconds(40 + 2 * 10 + 5));
    assert!(!bottle.is_open(&ann), "{framing:?}");
}

// spec: B-PS-19
#[test]
fn a_peer_that_reads_slowly_is_not_taken_for_dead() {
    let mut bottle = Bottle::new(1, |config| {
        config.limits.ping_interval = seconds(10);
        config.limits.stall = seconds(10);
    });
    let mut ann = bottle.join(0, Framing::WebSocket);
    let mut bob = bottle.join(0, Framing::RawSocket);
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    assert_begins(&bottle.hear(&mut ann), &["[33,1,"]);
    // So much that nothing more is taken from her: her pongs would not be heard.
    for request in 1..=6 {
        let long = "x".repeat(500_000);
        bottle.say(&mut bob, &format!(r#"[16,{request},{{}},"com.t",["{long}"]]"#));
    }
    assert!(bottle.machine.links[ann.link].paused);
    let mut heard = 0;
    for _ in 0..100 {
        heard += bottle.read(&mut ann, 20_000).len();
        bottle.wait(seconds(1));
        assert!(bottle.is_open(&ann));
    }
    heard += bottle.hear(&mut ann).len();
    assert_eq!(heard, 6);
    assert!(!bottle.machine.links[ann.link].paused);
    // Once all is read, silence counts again.
    bottle.machine.links[ann.link].up.stalled = true;
    bottle.wait(seconds(41));
    assert!(!bottle.is_open(&ann));
}

// spec: B-RPC-13, B-RPC-30, D-01
#[test]
fn an_answer_to_a_call_that_was_given_up_is_none_to_the_next_of_that_id() {
    let mut bottle = Bottle::new(2, |config| config.realms[0].request_ids = RequestIds::Any);
    let mut ann = bottle.join(0, Framing::RawSocket);
    let mut bob = bottle.join(1, Framing::RawSocket);
    bottle.say(&mut bob, r#"[64,7,{},"com.p"]"#);
    bottle.say(&mut ann, r#"[48,5,{},"com.p",["old"]]"#);
    assert_begins(&bottle.hear(&mut bob), &["[65,7,", "[68,1,"]);

    // Bob's answer and Ann's change of mind cross.
    let crossing = |action| action == Action::Relay { from: 1, to: 0 };
    bottle.send(&mut bob, r#"[70,1,{},["old"]]"#);
    bottle.send(&mut ann, r#"[49,5,{}]"#);
    bottle.send(&mut ann, r#"[48,5,{},"com.p",["new"]]"#);
    bottle.settle_but(crossing);
    assert_begins(&bottle.hear(&mut ann), &["[8,48,5,{},\"wamp.error.canceled\"]"]);
    assert_begins(&bottle.hear(&mut bob), &["[68,2,"]);
    bottle.say(&mut bob, r#"[70,2,{},["new"]]"#);
    assert_begins(&bottle.hear(&mut ann), &["[50,5,{},[\"new\"]]"]);
    assert_eq!(bottle.machine.routers[0].counters().late_answers, 1);
}

// spec: B-SESS-17, B-PS-19
#[test]
fn nothing_is_processed_behind_what_overflows() {
    let mut bottle = Bottle::new(1, |config| config.limits.outbox_bytes_max = 4_096);
    let mut ann = bottle.join(0, Framing::RawSocket);
    let mut bob = bottle.join(0, Framing::RawSocket);
    bottle.say(&mut bob, r#"[32,1,{},"com.u"]"#);
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    assert_begins(&bottle.hear(&mut ann), &["[33,1,"]);
    let long = "x".repeat(3_000);
    for request in 2..=3 {
        let text = format!(r#"[16,{request},{{"exclude_me":false}},"com.t",["{long}"]]"#);
        bottle.send(&mut ann, &text);
    }
    bottle.say(&mut ann, r#"[16,4,{},"com.u"]"#);
    assert_begins(&bottle.hear(&mut bob), &["[33,1,"]);
    let heard = bottle.hear(&mut ann);
    assert!(heard.last().is_some_and(|last| last.starts_with("[3,")), "{heard:?}");
    assert_eq!(bottle.machine.routers[0].counters().slow_sessions_ended, 1);
}

// spec: A-SMA-08, B-TRN-09
#[test]
fn whoever_takes_only_short_messages_is_dismissed_without_the_long_text() {
    let mut bottle = Bottle::new(1, |config| config.realms[0].options.meta_kill = true);
    let mut eve = bottle.join(0, Framing::RawSocket);
    for (long, told) in [("\"message\"", "my.reason"), ("\"reason\"", "wamp.close.killed")] {
        let mut ann = bottle.connect(0, Framing::RawSocket, 512);
        bottle.say(&mut ann, r#"[1,"realm1",{"roles":{"caller":{}}}]"#);
        let welcome = bottle.hear(&mut ann);
        let id = welcome[0].split(',').nth(1).expect("the session's id");
        let mut keywords = vec![format!("{long}:\"{}\"", "x".repeat(600))];
        if told == "my.reason" {
            keywords.push("\"reason\":\"my.reason\"".into());
        }
        let request = if told == "my.reason" { 1 } else { 2 };
        let keywords = keywords.join(",");
        let call = format!(r#"[48,{request},{{}},"wamp.session.kill",[{id}],{{{keywords}}}]"#);
        bottle.say(&mut eve, &call);
        assert_begins(&bottle.hear(&mut eve), &["[50,"]);
        assert_eq!(bottle.hear(&mut ann), [format!(r#"[6,{{}},"{told}"]"#)]);
    }
    assert_eq!(bottle.machine.routers[0].counters().slow_sessions_ended, 0);
}

// spec: A-SMA-17, B-SESS-20
#[test]
fn nothing_follows_a_goodbye_that_hardly_fits() {
    let mut bottle = Bottle::new(1, |config| {
        config.realms[0].options.meta_kill = true;
        config.limits.outbox_bytes_max = 4_096;
    });
    let mut eve = bottle.join(0, Framing::RawSocket);
    let mut ann = bottle.connect(0, Framing::RawSocket, 1 << 20);
    bottle.say(&mut ann, r#"[1,"realm1",{"roles":{"subscriber":{}}}]"#);
    let welcome = bottle.hear(&mut ann);
    let id = welcome[0].split(',').nth(1).expect("the session's id");
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    assert_begins(&bottle.hear(&mut ann), &["[33,1,"]);
    bottle.machine.links[ann.link].down.stalled = true;
    let (long, message) = ("x".repeat(3_900), "y".repeat(300));
    bottle.say(&mut eve, &format!(r#"[16,1,{{}},"com.t",["{long}"]]"#));
    let keywords = format!(r#"{{"message":"{message}"}}"#);
    bottle.say(&mut eve, &format!(r#"[48,2,{{}},"wamp.session.kill",[{id}],{keywords}]"#));
    bottle.machine.links[ann.link].down.stalled = false;
    assert_begins(&bottle.hear(&mut ann), &["[36,", "[6,{\"message\":\"yyy"]);
    assert_eq!(bottle.machine.routers[0].counters().slow_sessions_ended, 0);
}

// spec: B-SESS-33, A-SMA-06
#[test]
fn calls_of_meta_procedures_are_answered_before_goodbye() {
    let mut bottle = Bottle::new(2, |_| ());
    let mut ann = bottle.join(0, Framing::RawSocket);
    bottle.send(&mut ann, r#"[48,1,{},"wamp.session.list"]"#);
    let withheld = |action| action == Action::Relay { from: 1, to: 0 };
    bottle.settle_but(withheld);
    bottle.machine.shut_down(0);
    bottle.settle_but(withheld);
    assert_begins(&bottle.hear(&mut ann), &["[8,48,1,{},\"wamp.error.canceled\"]", "[6,"]);
}

// spec: B-TRN-09
#[test]
fn a_message_that_was_begun_must_end_in_time() {
    let mut bottle = Bottle::new(1, |config| config.limits.message = seconds(30));
    for framing in [Framing::RawSocket, Framing::WebSocket] {
        let mut ann = bottle.join(0, framing);
        let mut frame = Vec::new();
        let text = format!(r#"[16,1,{{}},"com.t",["{}"]]"#, "x".repeat(1_000));
        ann.client.frame(text.as_bytes(), &mut frame);
        // Who is slow but ends in time goes on, message after message.
        for (request, part) in [(1, 300), (2, 600)] {
            let text = text.replace("[16,1,", &format!("[16,{request},"));
            let mut frame = Vec::new();
            ann.client.frame(text.as_bytes(), &mut frame);
            for half in [&frame[..part], &frame[part..]] {
                bottle.machine.links[ann.link].up.push(half);
                bottle.settle();
                bottle.wait(seconds(20));
                assert!(bottle.is_open(&ann), "{framing:?}");
            }
        }
        // One octet now and then is a sign of life, but no message.
        bottle.machine.links[ann.link].up.push(&frame[..10]);
        for octet in &frame[10..70] {
            bottle.wait(seconds(1));
            bottle.machine.links[ann.link].up.push(&[*octet]);
            bottle.settle();
            let pongs = bottle.hear(&mut ann);
            assert_eq!(pongs.len(), 0);
            if !bottle.is_open(&ann) {
                break;
            }
        }
        assert!(!bottle.is_open(&ann), "{framing:?}");
    }
    assert_eq!(bottle.machine.routers[0].counters().violations, 2);
}

// spec: A-PCR-13, A-PCR-10, B-RPC-20
#[test]
fn a_caller_that_does_not_read_its_results_is_ended_and_its_callee_told() {
    for shards_count in [1, 2] {
        let mut bottle = Bottle::new(shards_count, |config| {
            config.limits.outbox_bytes_pause = 10_000;
            config.limits.outbox_bytes_max = 50_000;
        });
        let mut ann = bottle.join(0, Framing::RawSocket);
        let mut bob = bottle.join(usize::from(shards_count) - 1, Framing::RawSocket);
        bottle.say(&mut bob, r#"[64,1,{},"com.p"]"#);
        bottle.say(&mut ann, r#"[48,1,{"receive_progress":true},"com.p"]"#);
        assert_begins(&bottle.hear(&mut bob), &["[65,1,", "[68,1,"]);
        bottle.machine.links[ann.link].down.stalled = true;
        let part = format!(r#"[70,1,{{"progress":true}},["{}"]]"#, "x".repeat(4_000));
        for _ in 0..40 {
            bottle.say(&mut bob, &part);
        }
        assert_begins(&bottle.hear(&mut bob), &[r#"[69,1,{"mode":"killnowait"}]"#]);
        bottle.machine.links[ann.link].down.stalled = false;
        let heard = bottle.hear(&mut ann);
        let (last, parts) = heard.split_last().expect("it is told");
        assert!(last.starts_with("[3,") && last.contains("slow_peer"), "{last}");
        // Nothing that fitted is missing.
        assert!((10..40).contains(&parts.len()), "{}", parts.len());
        assert!(parts.iter().all(|part| part.starts_with(r#"[50,1,{"progress":true}"#)));
        assert_eq!(bottle.machine.routers[0].counters().slow_sessions_ended, 1);
    }
}

// spec: A-RRT-03, A-RRT-04
#[test]
fn a_call_that_goes_to_any_goes_to_none_again_that_declined_it() {
    let roles = r#"{"roles":{"callee":{"features":{"call_reroute":true}}}}"#;
    let mut bottle = Bottle::new(2, |_| ());
    let mut callees: Vec<_> = (0..4)
        .map(|number| {
            let mut callee = bottle.connect(number % 2, Framing::RawSocket, 1 << 24);
            bottle.say(&mut callee, &format!(r#"[1,"realm1",{roles}]"#));
            bottle.say(&mut callee, r#"[64,1,{"invoke":"random"},"com.p"]"#);
            assert_begins(&bottle.hear(&mut callee), &["[2,", "[65,1,"]);
            callee
        })
        .collect();
    let mut caller = bottle.join(0, Framing::RawSocket);
    let mut orders = Vec::new();
    for request in 1..=20 {
        bottle.say(&mut caller, &format!(r#"[48,{request},{{}},"com.p",[{request}]]"#));
        let mut order = Vec::new();
        while order.len() < callees.len() {
            let invoked = (0..callees.len()).find(|number| {
                let heard = bottle.hear(&mut callees[*number]);
                assert!(heard.len() <= 1 && heard.iter().all(|text| text.starts_with("[68,")));
                !heard.is_empty()
            });
            let invoked = invoked.expect("somebody is asked");
            assert!(!order.contains(&invoked), "{invoked} is asked again after {order:?}");
            order.push(invoked);
            // Everybody declines each call once, so ids count the calls.
            let decline = format!(r#"[8,68,{request},{{}},"wamp.error.unavailable"]"#);
            bottle.say(&mut callees[invoked], &decline);
        }
        let nobody = format!(r#"[8,48,{request},{{}},"wamp.error.no_available_callee"]"#);
        assert_begins(&bottle.hear(&mut caller), &[&nobody]);
        orders.push(order);
    }
    orders.sort_unstable();
    orders.dedup();
    assert!(orders.len() > 5, "chance has few ways: {orders:?}");
}

/// Has `peer` register so many procedures.
fn register(bottle: &mut Bottle, peer: &mut Peer, count: usize) {
    for request in 1..=count {
        bottle.send(peer, &format!(r#"[64,{request},{{}},"com.p{request}"]"#));
    }
    assert_eq!(bottle.hear(peer).len(), count);
}

// spec: A-RMA-07, A-SMA-05
#[test]
fn a_long_list_is_made_slice_by_slice_while_others_go_on() {
    let mut bottle = Bottle::new(2, |_| ());
    let (mut ann, mut bob) =
        (bottle.join(0, Framing::RawSocket), bottle.join(0, Framing::RawSocket));
    register(&mut bottle, &mut ann, 5_000);
    bottle.say(&mut bob, r#"[48,1,{},"wamp.registration.list"]"#);
    bottle.say(&mut bob, r#"[48,2,{},"wamp.session.count"]"#);
    assert_begins(&bottle.hear(&mut bob), &["[50,2,{},[2]]"]);
    // What comes or goes meanwhile may be in the list or not; what stays is.
    bottle.say(&mut ann, r#"[66,5001,1]"#);
    assert_begins(&bottle.hear(&mut ann), &["[67,5001]"]);
    bottle.wait(Duration::from_millis(20));
    let heard = bottle.hear(&mut bob);
    assert_begins(&heard, &[r#"[50,1,{},[{"exact":["#]);
    let ids = heard[0].matches(',').count() - 3;
    assert!((4_999..=5_001).contains(&ids), "{ids}");
    assert!(heard[0].contains("[2,3,") || heard[0].contains("[1,2,3,"));
}

// spec: A-RMA-07
#[test]
fn who_asks_for_list_after_list_waits_for_them_and_nobody_else_does() {
    let mut bottle = Bottle::new(1, |_| ());
    let (mut ann, mut bob) =
        (bottle.join(0, Framing::RawSocket), bottle.join(0, Framing::RawSocket));
    register(&mut bottle, &mut ann, 500);
    let mut answered = 0;
    for round in 0..50 {
        // A thousand units each, of which four thousand may be spent in each tick.
        for number in 1..=10 {
            let request = round * 10 + number;
            bottle.send(&mut bob, &format!(r#"[48,{request},{{}},"wamp.registration.list"]"#));
        }
        let heard = bottle.hear(&mut bob);
        answered += heard.iter().filter(|heard| heard.starts_with("[50,")).count();
        bottle.wait(Duration::from_millis(4));
    }
    // The credit of thirty-two ticks, and what these fifty gave.
    assert!((250..400).contains(&answered), "{answered}");
    bottle.wait(seconds(1));
    bottle.hear(&mut bob);
    for request in 501..=530 {
        bottle.send(&mut bob, &format!(r#"[48,{request},{{}},"wamp.registration.list"]"#));
    }
    bottle.wait(seconds(1));
    assert_eq!(bottle.hear(&mut bob).len(), 30);
}

// spec: A-SMA-13
#[test]
fn a_kill_is_carried_out_whether_its_caller_stays_or_not() {
    let mut bottle = Bottle::new(1, |config| config.realms[0].options.meta_kill = true);
    let mut killer = bottle.join(0, Framing::RawSocket);
    let mut victims: Vec<_> = (0..200).map(|_| bottle.join(0, Framing::RawSocket)).collect();
    bottle.send(&mut killer, r#"[48,1,{},"wamp.session.kill_all"]"#);
    bottle.say(&mut killer, r#"[6,{},"wamp.close.normal"]"#);
    bottle.wait(seconds(1));
    for victim in &mut victims {
        assert_begins(&bottle.hear(victim), &["[6,"]);
    }
}

// spec: X-OPT-02
#[test]
fn calls_that_wait_for_a_busy_callee_are_bounded_in_octets() {
    let mut bottle = Bottle::new(2, |config| config.limits.calls_queued_bytes_max = 100_000);
    let (mut callee, mut caller) =
        (bottle.join(0, Framing::RawSocket), bottle.join(1, Framing::RawSocket));
    bottle.say(&mut callee, r#"[64,1,{"concurrency":1},"com.p"]"#);
    let text = "x".repeat(30_000);
    for request in 1..=6 {
        bottle.say(&mut caller, &format!(r#"[48,{request},{{}},"com.p",["{text}"]]"#));
    }
    let refused = |request| format!(r#"[8,48,{request},{{}},"gigawamp.error.limit_exceeded"]"#);
    assert_begins(&bottle.hear(&mut caller), &[&refused(5), &refused(6)]);
    assert_begins(&bottle.hear(&mut callee), &["[65,1,", "[68,1,"]);
    for request in 1..=4 {
        bottle.say(&mut callee, &format!("[70,{request},{{}}]"));
    }
    assert_begins(&bottle.hear(&mut caller), &["[50,1,", "[50,2,", "[50,3,", "[50,4,"]);
}

// spec: A-BMA-10
#[test]
fn answers_that_no_outbox_could_hold_are_refused() {
    let mut bottle = Bottle::new(1, |config| config.limits.outbox_bytes_max = 8_000);
    let (mut ann, mut bob) =
        (bottle.join(0, Framing::RawSocket), bottle.join(0, Framing::RawSocket));
    for request in 1..=500 {
        bottle.say(&mut ann, &format!(r#"[64,{request},{{}},"com.p{request}"]"#));
        bottle.hear(&mut ann);
    }
    bottle.machine.links[bob.link].down.stalled = true;
    for request in 1..=8 {
        bottle.say(&mut bob, &format!(r#"[48,{request},{{}},"wamp.registration.list"]"#));
        bottle.wait(seconds(1));
    }
    bottle.machine.links[bob.link].down.stalled = false;
    let heard = bottle.hear(&mut bob);
    assert_eq!(heard.len(), 8, "{heard:?}");
    assert!(heard[0].starts_with("[50,1,"));
    assert!(heard[7].ends_with(r#"{},"gigawamp.error.limit_exceeded"]"#), "{}", heard[7]);
    assert!(bottle.is_open(&bob));
}

// spec: A-BAT-01, B-PS-19
#[test]
fn who_says_very_much_at_once_takes_turns_with_the_others() {
    for framing in [Framing::RawSocket, Framing::Batched(Separator::Cancel)] {
        let mut bottle = Bottle::new(1, |_| ());
        let (mut ann, mut bob) = (bottle.join(0, framing), bottle.join(0, Framing::RawSocket));
        let mut cyd = bottle.join(0, Framing::RawSocket);
        bottle.say(&mut cyd, r#"[32,1,{},"com.t"]"#);
        let messages: Vec<_> =
            (1..=2_000).map(|request| format!(r#"[16,{request},{{}},"com.t"]"#)).collect();
        let bytes: Vec<_> = messages.iter().map(|message| message.as_bytes()).collect();
        let mut frames = Vec::new();
        ann.client.frame_together(&bytes, &mut frames);
        bottle.machine.links[ann.link].up.push(&frames);
        bottle.send(&mut bob, r#"[16,1,{},"com.t",["bob"]]"#);
        // One read takes all, but what is processed of it is one turn.
        bottle.machine.receive(ann.link, 1 << 20);
        bottle.machine.receive(bob.link, 1 << 20);
        let heard = bottle.hear(&mut cyd);
        assert_eq!(heard.len(), 1 + 2_000 + 1, "{framing:?}");
        let place = heard.iter().position(|heard| heard.contains("bob")).expect("it was heard");
        assert_eq!(place, 1 + 512, "{framing:?}");
        assert!(!bottle.machine.links[ann.link].paused);
        bottle.say(&mut ann, r#"[32,2001,{},"com.u"]"#);
        assert_begins(&bottle.hear(&mut ann), &["[33,2001,"]);
    }
}

// spec: B-PS-19
#[test]
fn nothing_is_processed_of_who_does_not_read() {
    let mut bottle = Bottle::new(1, |config| {
        config.limits.outbox_bytes_pause = 10_000;
        config.limits.outbox_bytes_max = 20_000;
    });
    let mut ann = bottle.join(0, Framing::RawSocket);
    bottle.say(&mut ann, r#"[32,1,{},"com.t"]"#);
    assert_begins(&bottle.hear(&mut ann), &["[33,1,"]);
    bottle.machine.links[ann.link].down.stalled = true;
    let long = "x".repeat(1_000);
    for request in 2..=60 {
        let text = format!(r#"[16,{request},{{"exclude_me":false}},"com.t",["{long}"]]"#);
        bottle.send(&mut ann, &text);
    }
    bottle.settle();
    assert!(bottle.machine.links[ann.link].paused);
    bottle.machine.links[ann.link].down.stalled = false;
    assert_eq!(bottle.hear(&mut ann).len(), 59);
    assert!(bottle.is_open(&ann) && !bottle.machine.links[ann.link].paused);
}
