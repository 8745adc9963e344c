//! Whatever an authorizer answers: only a clear yes is one, a clear no is a denial, and all else a
//! failure.

#![no_main]

use std::sync::Arc;

use gigawamp::env::Random;
use gigawamp::router::advice::Reply;
use gigawamp::router::config::{
    AdvisorConfig, AdvisorKind, AuthenticationConfig, Config, HttpTarget, RealmConfig,
    RealmOptions, RoleConfig, parse_ask,
};
use gigawamp::router::{Input, Router};
use gigawamp::sim::Machine;
use gigawamp::wire::{Serializer, TransportOptions};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SAID: [&str; 2] = [r#"[1,"r",{"roles":{"caller":{}}}]"#, r#"[48,1,{},"a.b"]"#];

fn config() -> Config {
    let url = "http://localhost/".into();
    let kind = AdvisorKind::Http(Arc::new(HttpTarget { url, authorities: None }));
    let judge = AdvisorConfig { kind, ..AdvisorConfig::procedure("judge", "a.judge") };
    let ask = vec![parse_ask("call * judge").expect("a rule")];
    let role = RoleConfig { name: "guest".to_owned(), ask, ..RoleConfig::default() };
    let options =
        RealmOptions { roles: vec![role], authorizers: vec![judge], ..RealmOptions::default() };
    let anonymous = Some("guest".into());
    let authentication = Arc::new(AuthenticationConfig { anonymous, ..Default::default() });
    let realm = RealmConfig { name: "r".into(), options, authentication, ..Default::default() };
    let listener = TransportOptions {
        message_bytes_max: 1 << 16,
        serializers: Serializer::ALL.to_vec(),
        rawsocket: true,
        ..TransportOptions::default()
    };
    Config { realms: vec![realm], listeners: vec![listener], ..Config::default() }
}

fn settle(machine: &mut Machine) {
    while let Some(action) = machine.possible().first().filter(|_| machine.questions.is_empty()) {
        machine.perform(*action, usize::MAX);
    }
}

/// The error in which the call has to end.
fn expected(answer: &[u8]) -> Option<&'static str> {
    let value: Value = match serde_json::from_slice(answer) {
        Ok(value) => value,
        Err(_) => return Some("wamp.error.authorization_failed"),
    };
    let allow = match &value {
        Value::Bool(allow) => Some(*allow),
        // What else is in a dict may be wrong too.
        Value::Object(_) => return None,
        _ => None,
    };
    Some(match allow {
        Some(true) => "wamp.error.no_such_procedure",
        Some(false) => "wamp.error.not_authorized",
        None => "wamp.error.authorization_failed",
    })
}

fuzz_target!(|data: &[u8]| {
    let mut machine = Machine::new(config(), 1, 2, &mut Random::from_number(1));
    let link = machine.open(0, 1 << 20);
    machine.links[link].up.push(&[0x7F, 0xF1, 0, 0]);
    for said in SAID {
        machine.links[link].up.push(&(said.len() as u32).to_be_bytes());
        machine.links[link].up.push(said.as_bytes());
    }
    settle(&mut machine);
    machine.links[link].down.take(usize::MAX);
    let (shard, question) = machine.questions.pop().expect("the authorizer is asked");
    let reply = Reply::Body(data.to_vec());
    let answered = Input::Answered { question: question.id, reply };
    machine.routers[shard].handle(machine.now, answered);
    machine.drain(shard);
    settle(&mut machine);
    let heard = machine.links[link].down.take(usize::MAX);
    let heard = String::from_utf8_lossy(heard.get(4..).expect("an answer")).into_owned();
    match expected(data) {
        Some(error) => assert!(heard.contains(error), "{heard}"),
        None if heard.contains("wamp.error.no_such_procedure") => {
            let yes = data.windows(4).any(|window| window == b"true");
            assert!(yes, "allowed without a yes");
        }
        None => assert!(heard.contains("wamp.error."), "{heard}"),
    }
    machine.hang_up(link, true);
    settle(&mut machine);
    assert!(machine.routers.iter().all(Router::is_empty), "a router holds something for nobody");
});
