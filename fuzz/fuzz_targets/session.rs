//! Any messages in any order, from several peers, at two routers: each is taken or is a violation,
//! never a panic; and when all peers are gone, nothing is left.

#![no_main]

use std::time::Duration;

use gigawamp::env::Random;
use gigawamp::router::Router;
use gigawamp::router::config::{
    Config, HistoryRule, Limits, RealmConfig, RealmOptions, RequestIds, UriCheck,
};
use gigawamp::sim::{LinkId, Machine};
use gigawamp::wire::{Serializer, TransportOptions};
use libfuzzer_sys::fuzz_target;

/// What a peer may say; `#` is the next request id, `?` a small number from the input.
const MESSAGES: [&str; 43] = [
    concat!(
        r#"[1,"r",{"roles":{"callee":{"features":"#,
        r#"{"call_canceling":true,"progressive_call_results":true}}}}]"#,
    ),
    r#"[1,"r",{"roles":{"caller":{}}}]"#,
    r#"[1,"s",{"roles":{"caller":{}}}]"#,
    r#"[2,?,{}]"#,
    r#"[3,{},"a.b"]"#,
    r#"[5,"x",{}]"#,
    r#"[6,{},"a.b"]"#,
    r#"[8,68,?,{},"a.b",[1],{"k":2}]"#,
    r#"[8,48,?,{},"a.b"]"#,
    r#"[16,#,{},"a.b",[1],{"k":2}]"#,
    r#"[16,#,{"acknowledge":true,"exclude_me":false},"a.b"]"#,
    r#"[16,#,{"exclude":[?],"eligible_authrole":["anonymous"],"disclose_me":true},"a"]"#,
    r#"[16,#,{"acknowledge":true},"wamp.x"]"#,
    r#"[16,?,{},"a.b"]"#,
    r#"[17,?,?]"#,
    r#"[32,#,{},"a.b"]"#,
    r#"[32,#,{"match":"prefix"},"a"]"#,
    r#"[32,#,{"match":"wildcard"},".b"]"#,
    r#"[32,#,{},""]"#,
    r#"[34,#,?]"#,
    r#"[36,?,?,{}]"#,
    r#"[48,#,{},"a.b",[1],{"k":2}]"#,
    r#"[48,#,{"receive_progress":true,"disclose_me":true},"a"]"#,
    r#"[48,#,{"timeout":5},"a.b.c"]"#,
    r#"[49,?,{}]"#,
    r#"[49,?,{"mode":"skip"}]"#,
    r#"[49,?,{"mode":"kill"}]"#,
    r#"[49,?,{"mode":"soon"}]"#,
    r#"[64,#,{},"a.b"]"#,
    r#"[64,#,{"invoke":"roundrobin"},"a"]"#,
    r#"[64,#,{"invoke":"random","match":"prefix"},"a"]"#,
    r#"[64,#,{"invoke":"last","match":"wildcard"},".b"]"#,
    r#"[66,#,?]"#,
    r#"[68,?,?,{}]"#,
    r#"[69,?,{}]"#,
    r#"[70,?,{},[1]]"#,
    r#"[70,?,{"progress":true},[1]]"#,
    r#"[337,?]"#,
    r#"[999]"#,
    r#"{}"#,
    r#"[48,#,{},"wamp.subscription.get_events",[?],{"limit":?,"reverse":true}]"#,
    r#"[48,#,{},"wamp.subscription.get_events",[?],{"after_publication":?,"topic":"a"}]"#,
    r#"[16,#,{"exclude_authrole":["anonymous"],"retain":true},"a.b",[?]]"#,
];

struct Peer {
    link: LinkId,
    request: u64,
}

fn config() -> Config {
    let realm = |name: &str| RealmConfig {
        name: name.into(),
        uri_check: UriCheck::Loose,
        request_ids: RequestIds::Sequential,
        options: RealmOptions {
            meta_kill: true,
            force_reregister: true,
            history: ["a.b", "*", ".b"].iter().filter_map(|uri| history(uri)).collect(),
            ..RealmOptions::default()
        },
        ..RealmConfig::default()
    };
    Config {
        realms: vec![realm("r"), realm("s")],
        listeners: vec![TransportOptions {
            message_bytes_max: 1 << 16,
            paths: Vec::new(),
            serializers: Serializer::ALL.to_vec(),
            websocket: false,
            rawsocket: true,
            deflate: true,
            longpoll: true,
            longpoll_path: "/lp".into(),
            ..TransportOptions::default()
        }],
        limits: Limits { outbox_bytes_max: 4_000, ..Limits::default() },
        agent: "fuzzed".into(),
        ..Config::default()
    }
}

fn history(uri: &str) -> Option<HistoryRule> {
    let age_max = Duration::from_secs(60);
    Some(HistoryRule { events_max: 5, bytes_max: 2_000, age_max, ..HistoryRule::new(uri)? })
}

fn connect(machine: &mut Machine, shard: usize) -> Peer {
    let link = machine.open(shard, 1 << 20);
    machine.links[link].up.push(&[0x7F, 0xF1, 0, 0]);
    Peer { link, request: 0 }
}

fn settle(machine: &mut Machine) {
    while let Some(action) = machine.possible().first() {
        machine.perform(*action, usize::MAX);
    }
    machine.routers.iter_mut().for_each(Router::check);
}

fuzz_target!(|data: &[u8]| {
    let mut machine = Machine::new(config(), 2, 2, &mut Random::from_number(1));
    let mut peers = [0, 1, 1].map(|shard| connect(&mut machine, shard));
    for command in data.chunks_exact(2) {
        let place = usize::from(command[0] % 3);
        let number = usize::from(command[1]);
        match usize::from(command[0] / 3) {
            message if message < MESSAGES.len() => {
                let peer = &mut peers[place];
                let text = MESSAGES[message];
                peer.request += u64::from(text.contains('#'));
                // The number is at hand only for those who need it.
                let text = text.replace('#', &peer.request.to_string());
                let text = text.replace('?', &(number % 8).to_string());
                if message < 3 {
                    peer.request = 0;
                }
                let length = (text.len() as u32).to_be_bytes();
                let up = &mut machine.links[peer.link].up;
                up.push(&length);
                up.push(text.as_bytes());
                // Most messages are processed at once, some together with the next.
                if number < 200 {
                    settle(&mut machine);
                }
            }
            43..60 => {
                machine.hang_up(peers[place].link, number % 2 == 0);
                settle(&mut machine);
                peers[place] = connect(&mut machine, number % 2);
            }
            60..70 => {
                machine.links[peers[place].link].down.take(number * 16);
            }
            70..75 => {
                machine.now = machine.next_deadline().unwrap_or(machine.now).max(machine.now);
                settle(&mut machine);
            }
            75 => machine.shut_down(number % 2),
            _ => settle(&mut machine),
        }
    }
    for peer in &peers {
        machine.hang_up(peer.link, true);
    }
    settle(&mut machine);
    assert!(machine.shared.is_empty(), "the index holds what nobody does");
    assert!(machine.routers.iter().all(Router::is_empty), "a router holds something for nobody");
});
