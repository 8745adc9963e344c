//! The checker can fail: histories that no router may bring about, each reported for what it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::env::Instant;
use crate::router::config::{Limits, RealmOptions};
use crate::session::auth::Method;
use crate::sim::asking::{Question, Victims};
use crate::sim::model::{Seen, Stand};
use crate::sim::rights::{Claim, Effect, Known, Rights, Role};
use crate::sim::said::{Answering, Calling, Cargo, Publishing, Registering, Said, Talents};

const WHO: &str = r#""authrole":"anonymous","authmethod":"anonymous""#;

/// A model, and peers 0, 1, 2 … on links of the same number, each on a shard of its own.
struct Play {
    model: Model,
    requests: Vec<u64>,
}

const TALENTS: Talents = Talents {
    interruptible: true,
    progressive: true,
    invoked_in_parts: true,
    calls_in_parts: true,
    reroutes: true,
    minds_timeouts: false,
    revocable: true,
    passthru: false,
};

impl Play {
    /// So many peers have joined, as sessions 100, 101, 102 …
    fn new(count: usize) -> Self {
        Self::under(count, Rights::default())
    }

    /// The same, where these rights count.
    fn under(count: usize, rights: Rights) -> Self {
        let options =
            RealmOptions { force_reregister: true, meta_kill: true, ..RealmOptions::default() };
        let rights = vec![vec![rights; 3]; count + 1];
        let mut play = Self {
            model: Model::new(Limits::default(), options, rights),
            requests: vec![0; count],
        };
        for peer in 0..count {
            play.model.stands.insert(peer, Stand::Opening);
            play.model.shards.insert(peer, peer);
            play.says(peer, &Said::Hello { realm: 0, talents: TALENTS, claim: None });
            let id = 100 + peer;
            play.hears(peer, &format!(r#"[2,{id},{{"realm":"realm1",{WHO}}}]"#));
        }
        play
    }

    fn says(&mut self, peer: usize, said: &Said) {
        self.model.process(peer, said, usize::MAX);
        self.see(peer, &[]);
    }

    /// The router of `peer` has all its calls but those that are `over`.
    fn see(&mut self, peer: usize, over: &[u64]) {
        let Stand::Open(session) = self.model.stands[&peer] else { return };
        let has_call = |request| !over.contains(&request);
        let seen = Seen { has_call: &has_call, holds: &|_, _| true, woken: true };
        self.model.see(session, &seen);
    }

    fn hears(&mut self, peer: usize, message: &str) {
        let value = Value::read(Serializer::Json, message.as_bytes()).unwrap();
        let items = value.items();
        let heard = Heard { serializer: Serializer::MessagePack, bytes: &[], items };
        self.model.hear(peer, heard);
    }

    fn load(&mut self) -> usize {
        let number = self.model.cargo.len();
        let arguments = Value::List(vec![(number as u64).into()]);
        self.model.cargo.push(Cargo::new(arguments, None, Serializer::Json));
        number
    }

    fn next(&mut self, peer: usize) -> u64 {
        self.requests[peer] += 1;
        self.requests[peer]
    }

    fn registers(&mut self, peer: usize, wish: Registering) {
        let request = self.next(peer);
        let registering = Registering { procedure: "a.b".into(), ..wish };
        self.says(peer, &Said::Register { request, registering });
        let id = self.model.registrations.last().unwrap().id;
        self.hears(peer, &format!("[65,{request},{id}]"));
    }

    fn calls(&mut self, peer: usize, calling: Calling) {
        let request = self.next(peer);
        self.calls_again(peer, request, calling);
    }

    fn calls_again(&mut self, peer: usize, request: u64, calling: Calling) {
        let cargo = self.load();
        let calling = Calling { procedure: "a.b".into(), cargo, ..calling };
        self.says(peer, &Said::Call { request, calling });
    }

    fn answers(&mut self, peer: usize, request: u64, answering: Answering) {
        let cargo = self.load();
        self.says(peer, &Said::Answer { request, answering: Answering { cargo, ..answering } });
    }

    fn asks(&mut self, peer: usize, asking: Asking) {
        let request = self.next(peer);
        self.says(peer, &Said::Ask { request, asking });
    }

    fn subscribes(&mut self, peer: usize, topic: &str, get_retained: bool) {
        let request = self.next(peer);
        let (policy, topic) = (MatchPolicy::Exact, topic.into());
        self.says(peer, &Said::Subscribe { request, policy, topic, get_retained });
        let id = self.model.subscriptions.last().unwrap().id;
        self.hears(peer, &format!("[33,{request},{id}]"));
    }

    fn publishes(&mut self, peer: usize, retain: bool) {
        let (request, cargo) = (self.next(peer), self.load());
        let publishing = Publishing { topic: "t".into(), cargo, retain, ..Publishing::default() };
        self.says(peer, &Said::Publish { request, publishing });
    }

    /// Peer 0 offers `a.b` as registration 1.
    fn with_callee(count: usize, wish: Registering) -> Self {
        let mut play = Self::new(count);
        play.registers(0, wish);
        play
    }
}

fn single() -> Registering {
    Registering { invoke: "single", ..Registering::default() }
}

fn shared() -> Registering {
    Registering { invoke: "first", ..Registering::default() }
}

fn plain() -> Calling {
    Calling::default()
}

fn part() -> Calling {
    Calling { progress: true, ..Calling::default() }
}

const RESULT: Answering = Answering { cargo: 0, progress: false, error: None, passthru: false };
const PART: Answering = Answering { progress: true, ..RESULT };
const DECLINED: Answering = Answering { error: Some("wamp.error.unavailable"), ..RESULT };

/// Asserts that `history` is found to be wrong, in words that contain `complaint`.
fn refuted(complaint: &str, history: impl FnOnce()) {
    let caught = catch_unwind(AssertUnwindSafe(history));
    let payload = caught.expect_err(&format!("nobody says: {complaint}"));
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(text.contains(complaint), "{text:?} instead of {complaint:?}");
}

#[test]
fn parts_of_a_call() {
    let called = || {
        let mut play = Play::with_callee(2, single());
        play.calls(1, part());
        play.calls_again(1, 1, part());
        play.calls_again(1, 1, plain());
        play.hears(0, r#"[68,1,1,{"progress":true},[0]]"#);
        play
    };
    let mut right = called();
    right.hears(0, r#"[68,1,1,{"progress":true},[1]]"#);
    right.hears(0, r#"[68,1,1,{},[2]]"#);
    right.model.check_invocations();
    refuted("parts in another order", || called().hears(0, "[68,1,1,{},[2]]"));
    refuted("Details.progress", || called().hears(0, "[68,1,1,{},[1]]"));
    refuted("ids of invocations", || called().hears(0, r#"[68,3,1,{"progress":true},[1]]"#));
    refuted("invoked twice", || called().hears(0, r#"[68,2,1,{"progress":true},[1]]"#));
    refuted("parts of call 1 were left out", || called().model.check_invocations());
    let mut late = right;
    refuted("a part that was not said", move || late.hears(0, "[68,1,1,{},[2]]"));
}

#[test]
fn who_may_speak_in_parts() {
    let mut play = Play::with_callee(2, single());
    play.calls(1, plain());
    play.calls_again(1, 1, plain());
    assert_eq!(play.model.stands[&1], Stand::Over, "the id is in use");
    assert_eq!(play.model.aborts[&1], ["wamp.error.protocol_violation"]);
}

#[test]
fn timeouts() {
    let called = |now: u64| {
        let mut play = Play::with_callee(2, single());
        play.calls(1, Calling { timeout: Some(10), ..plain() });
        play.hears(0, "[68,1,1,{},[0]]");
        play.model.now = Instant::from_nanos(now * 1_000_000);
        play
    };
    let failed = |now| {
        let mut play = called(now);
        play.see(1, &[1]);
        play.hears(1, r#"[8,48,1,{},"wamp.error.timeout"]"#);
        play
    };
    let mut right = failed(10);
    right.hears(0, r#"[69,1,{"mode":"killnowait"}]"#);
    right.model.check_invocations();
    refuted("too long too soon", || drop(failed(9)));
    refuted("should have timed out", || called(20).see(1, &[]));
    refuted("INTERRUPT of 1 is missing", || failed(10).model.check_invocations());
    refuted("for no reason", || called(9).hears(0, r#"[69,1,{"mode":"killnowait"}]"#));
}

#[test]
fn cancel_modes() {
    let canceled = |mode| {
        let mut play = Play::with_callee(2, single());
        play.calls(1, plain());
        play.hears(0, "[68,1,1,{},[0]]");
        play.says(1, &Said::Cancel { request: 1, mode: Some(mode) });
        play
    };
    const CANCELED: &str = r#"[8,48,1,{},"wamp.error.canceled"]"#;
    canceled("skip").hears(1, CANCELED);
    refuted("canceled for no reason", || canceled("kill").hears(1, CANCELED));
    refuted("nobody asked to kill", || {
        let mut play = Play::with_callee(2, single());
        play.calls(1, plain());
        play.hears(0, "[68,1,1,{},[0]]");
        play.hears(0, r#"[69,1,{"mode":"kill"}]"#);
    });
    refuted("came again", || {
        let mut play = canceled("killnowait");
        play.hears(0, r#"[69,1,{"mode":"killnowait"}]"#);
        play.hears(0, r#"[69,1,{"mode":"killnowait"}]"#);
    });
    refuted("a call that was canceled has a result", || {
        let mut play = canceled("killnowait");
        play.answers(0, 1, RESULT);
        play.hears(1, "[50,1,{},[1]]");
    });
    let mut waits = canceled("kill");
    waits.answers(0, 1, RESULT);
    waits.hears(1, "[50,1,{},[1]]");
    refuted("request 1 fails", move || waits.hears(1, CANCELED));
}

#[test]
fn calls_that_are_declined() {
    let declined = |callees: usize| {
        let mut play = Play::with_callee(callees + 1, shared());
        (1..callees).for_each(|callee| play.registers(callee, shared()));
        play.calls(callees, plain());
        play.hears(0, "[68,1,1,{},[0]]");
        play
    };
    let again = |play: &mut Play| {
        play.answers(0, 1, DECLINED);
        play.hears(1, "[68,1,1,{},[0]]");
    };
    again(&mut declined(2));
    refuted("invoked twice", || declined(2).hears(1, "[68,1,1,{},[0]]"));
    refuted("it declined already", || {
        let mut play = declined(2);
        again(&mut play);
        play.answers(1, 1, DECLINED);
        play.hears(0, "[68,2,1,{},[0]]");
    });
    refuted("nobody else asked", || {
        let mut play = declined(2);
        play.answers(0, 1, DECLINED);
        play.hears(2, r#"[8,48,1,{},"wamp.error.unavailable",[1]]"#);
    });
    refuted("nobody declined", || {
        declined(1).hears(1, r#"[8,48,1,{},"wamp.error.no_available_callee"]"#);
    });
}

#[test]
fn calls_at_a_time() {
    let mut play = Play::with_callee(2, Registering { concurrency: Some(1), ..single() });
    play.calls(1, plain());
    play.calls(1, plain());
    play.hears(0, "[68,1,1,{},[0]]");
    refuted("2 calls at a time", move || play.hears(0, "[68,2,1,{},[1]]"));
}

#[test]
fn what_is_taken_away() {
    let taken = || {
        let mut play = Play::with_callee(2, single());
        play.registers(1, Registering { force: true, ..single() });
        let Stand::Open(session) = play.model.stands[&0] else { unreachable!() };
        let seen = Seen { has_call: &|_| true, holds: &|_, _| false, woken: false };
        play.model.see(session, &seen);
        play
    };
    taken().hears(0, r#"[67,0,{"registration":1}]"#);
    refuted("was not told what was taken", || taken().model.check_rest());
    refuted("it was not taken", || taken().hears(0, r#"[67,0,{"registration":2}]"#));
}

#[test]
fn one_final_answer() {
    let answered = |answering| {
        let mut play = Play::with_callee(2, single());
        play.calls(1, Calling { receive_progress: true, ..plain() });
        play.hears(0, r#"[68,1,1,{"receive_progress":true},[0]]"#);
        play.answers(0, 1, PART);
        play.answers(0, 1, answering);
        play
    };
    refuted("not given", || {
        let mut play = answered(RESULT);
        play.hears(1, r#"[50,1,{"progress":true},[1]]"#);
        play.model.calls[0].replies.pop();
        play.hears(1, "[50,1,{},[2]]");
    });
    refuted("left == right", || answered(RESULT).hears(1, "[50,1,{},[2]]"));
    refuted("never answered", || answered(RESULT).model.check_rest());
    let mut twice = answered(RESULT);
    twice.hears(1, r#"[50,1,{"progress":true},[1]]"#);
    twice.hears(1, "[50,1,{},[2]]");
    refuted("call 1 is not pending", move || twice.hears(1, "[50,1,{},[2]]"));
}

#[test]
fn what_is_retained() {
    let replaying = || {
        let mut play = Play::new(2);
        play.publishes(0, true);
        play.publishes(0, true);
        play.subscribes(1, "t", true);
        play
    };
    let mut right = replaying();
    right.hears(1, r#"[36,1,8,{"retained":true},[1]]"#);
    right.model.check_rest();
    refuted("an event came after its replay", move || right.hears(1, "[36,1,7,{},[0]]"));
    refuted("never heard the replay", || replaying().model.check_rest());
    refuted("not retained", || replaying().hears(1, r#"[36,1,7,{"retained":true},[0]]"#));
    refuted("is missing", || {
        let mut play = replaying();
        play.publishes(0, false);
        play.hears(1, "[36,1,9,{},[2]]");
    });
    refuted("nobody asked for", || {
        let mut play = Play::new(2);
        play.publishes(0, true);
        play.subscribes(1, "t", false);
        play.hears(1, r#"[36,1,8,{"retained":true},[0]]"#);
    });
}

#[test]
fn what_the_router_tells() {
    let told = || {
        let mut play = Play::new(2);
        play.subscribes(1, "wamp.subscription.on_create", false);
        play.subscribes(0, "t", false);
        play.subscribes(0, "u", false);
        play
    };
    let created = |id: u64, uri: &str, number: u64| {
        let details = format!(r#"{{"id":{id},"created":"c","uri":"{uri}","match":"exact"}}"#);
        format!("[36,1,{number},{{}},[100,{details}]]")
    };
    let mut right = told();
    right.hears(1, &created(2, "t", 7));
    right.hears(1, &created(3, "u", 8));
    right.model.check_rest();
    refuted("an event came twice", move || right.hears(1, &created(3, "u", 8)));
    refuted("was left out", || told().hears(1, &created(3, "u", 8)));
    refuted("not so", || told().hears(1, &created(2, "u", 8)));
    refuted("was never told", || told().model.check_rest());
}

#[test]
fn who_is_there() {
    let asked = || {
        let mut play = Play::new(3);
        play.asks(0, Asking::SessionList { roles: None });
        play.model.end(1, Stand::Over);
        play
    };
    asked().hears(0, "[50,1,{},[[100,102]]]");
    asked().hears(0, "[50,1,{},[[100,101,102]]]");
    refuted("are not listed", || asked().hears(0, "[50,1,{},[[100]]]"));
    refuted("listed twice", || asked().hears(0, "[50,1,{},[[100,102,102]]]"));
    refuted("are listed", || {
        let mut play = Play::new(3);
        let victims = Victims::Session(101);
        play.asks(0, Asking::Kill { victims, reason: None });
        play.asks(0, Asking::SessionList { roles: None });
        play.hears(0, "[50,2,{},[[100,101,102]]]");
    });
    refuted("nobody was killed", || {
        let mut play = Play::new(2);
        let victims = Victims::Session(101);
        play.asks(0, Asking::Kill { victims, reason: None });
        play.model.end(1, Stand::Over);
        play.hears(0, "[50,1,{},[]]");
    });
    refuted("there all the time", || {
        let mut play = Play::new(2);
        play.asks(0, Asking::SessionGet(101));
        play.hears(0, r#"[8,48,1,{},"wamp.error.no_such_session"]"#);
    });
    refuted("nothing was taken", || {
        let mut play = Play::new(2);
        play.subscribes(1, "t", false);
        let question = Question::Remove { entry: 9, session: 101 };
        play.asks(0, Asking::Entries(Kind::Subscription, question));
        play.hears(0, "[50,1,{},[]]");
    });
    refuted("not null", || {
        let mut play = Play::new(1);
        play.asks(0, Asking::Entries(Kind::Subscription, Question::Match("t".into())));
        play.hears(0, "[50,1,{},[[1]]]");
    });
}

/// What holds where nobody may do anything but what one rule allows; and joe is known.
fn rights() -> Rights {
    let rules = vec![("subscribe a.*".to_owned(), Effect::Allow)];
    let (name, authid, secret) = ("anonymous", "joe", "sesame");
    let joe = Known { authid, role: name, secret, salted: false };
    let (roles, principals) = (vec![Role { name, rules }], vec![joe]);
    Rights { roles, anonymous: Some(name), principals, ..Rights::default() }
}

#[test]
fn who_may_do_what() {
    let asked = |topic: &str| {
        let mut play = Play::under(1, rights());
        let (policy, topic) = (MatchPolicy::Exact, topic.into());
        play.says(0, &Said::Subscribe { request: 1, policy, topic, get_retained: false });
        play
    };
    asked("a.b").hears(0, "[33,1,1]");
    asked("b").hears(0, r#"[8,32,1,{},"wamp.error.not_authorized"]"#);
    refuted("is answered by 33", || asked("b").hears(0, "[33,1,1]"));
    refuted("request 1", || asked("b").hears(0, r#"[8,32,1,{},"wamp.error.invalid_uri"]"#));
    refuted("fails with wamp.error.not_authorized", || {
        asked("a.b").hears(0, r#"[8,32,1,{},"wamp.error.not_authorized"]"#);
    });
}

#[test]
fn who_may_join() {
    let proved = |secret| {
        let mut play = Play::under(0, rights());
        play.model.stands.insert(0, Stand::Opening);
        play.model.shards.insert(0, 0);
        let claim = Some(Claim { authid: "joe", method: Method::Ticket, secret });
        play.says(0, &Said::Hello { realm: 0, talents: TALENTS, claim });
        play.hears(0, r#"[4,"ticket",{}]"#);
        play.says(0, &Said::Authenticate { signature: secret.into() });
        play
    };
    let who = r#""realm":"realm1","authid":"joe","authmethod":"ticket""#;
    let welcome = format!(r#"[2,7,{{{who},"authrole":"anonymous"}}]"#);
    let promoted = format!(r#"[2,7,{{{who},"authrole":"staff"}}]"#);
    proved("sesame").hears(0, &welcome);
    proved("open").hears(0, r#"[3,{},"wamp.error.authentication_denied"]"#);
    refuted("nothing but ABORT", || proved("open").hears(0, &welcome));
    refuted("somebody else", || proved("sesame").hears(0, &promoted));
    refuted("nobody has claimed", || proved("sesame").hears(0, r#"[4,"ticket",{}]"#));
}
