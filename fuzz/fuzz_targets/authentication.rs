//! HELLO and AUTHENTICATE of any form, in any order, in a realm with every method, with an
//! authenticator that answers what it likes: nobody gets a role that it has not proved, nothing
//! panics, and when all peers are gone, nothing is left.

#![no_main]

use std::sync::Arc;

use gigawamp::env::Random;
use gigawamp::router::Router;
use gigawamp::router::config::{
    AdvisorConfig, AuthenticationConfig, AuthenticatorConfig, Config, JwtConfig, Method,
    RealmConfig,
};
use gigawamp::session::Phase;
use gigawamp::session::auth::jwt::{Key, Rules};
use gigawamp::session::auth::{
    Certificate, Cra, Credentials, Kdf, Principal, Principals, Scram, ScramKeys, Secret, Ticket,
};
use gigawamp::sim::{LinkId, Machine};
use gigawamp::wire::{Serializer, TransportOptions};
use libfuzzer_sys::fuzz_target;

/// What is said before some octets of the input, and behind them.
const MESSAGES: [(&str, &str); 16] = [
    (r#"[1,"r",{"authmethods":["ticket"],"authid":"joe","roles":{"caller":{}},"x":""#, r#""}]"#),
    (r#"[1,"r",{"authmethods":["wampcra"],"authid":""#, r#"","roles":{"caller":{}}}]"#),
    (r#"[1,"r",{"authmethods":["wampcra"],"authid":"joe","roles":{"callee":{}},"x":""#, r#""}]"#),
    (
        concat!(
            r#"[1,"r",{"authmethods":["wamp-scram","scram"],"authid":"joe","roles":{"caller":{}},"#,
            r#""authextra":{"nonce":"cK9Iw7dFVSY3gJbOHUBJaQ==","channel_binding":null,"x":""#,
        ),
        r#""}}]"#,
    ),
    (
        concat!(
            r#"[1,"r",{"authmethods":["scram"],"authid":"joe","roles":{"caller":{}},"#,
            r#""authextra":{"nonce":""#,
        ),
        r#""}}]"#,
    ),
    (
        concat!(
            r#"[1,"r",{"authmethods":["cryptosign"],"roles":{"caller":{}},"authextra":{"pubkey":"#,
            r#""d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a","challenge":""#,
        ),
        r#""}}]"#,
    ),
    (r#"[1,"r",{"authmethods":["cryptosign"],"roles":{"caller":{}},"authextra":"#, "}]"),
    (r#"[1,"r",{"authmethods":["anonymous"],"roles":{"caller":{}},"x":""#, r#""}]"#),
    (r#"[1,"r",{"authmethods":["tls","cookie","ticket"],"roles":{"caller":{}},"x":""#, r#""}]"#),
    (r#"[1,"r",{"authmethods":[""#, r#""],"authid":"joe","roles":{"caller":{}}}]"#),
    (r#"[5,""#, r#"",{}]"#),
    (r#"[5,"t0p",{"nonce":""#, r#""}]"#),
    (r#"[5,"eyJhbGciOiJIUzI1NiJ9.e30."#, r#"",{}]"#),
    (r#"[3,{},"a.b"#, r#""]"#),
    (r#"[70,1,{},["#, "]]"),
    (r#"[48,1,{},"a.b",["#, "]]"),
];

fn config() -> Config {
    let keys = ScramKeys::of(&[7; 32]);
    let scram = Scram {
        kdf: Kdf::Pbkdf2,
        salt: [9; 16].into(),
        iterations: 4_096,
        memory: 0,
        keys: [keys].into(),
    };
    let key = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];
    let credentials = Credentials {
        ticket: Some(Ticket::of("of 128 bits that nobody guesses")),
        cra: Some(Cra { key: Secret::from("another one"), salted: None }),
        scram: Some(scram),
        public_keys: vec![key],
        certificates: vec![Certificate::from_text("joe.example.com")],
    };
    let joe = Principal { authid: "joe".into(), role: "proved".into(), credentials };
    let principals = Principals::new([joe], Secret::from("seed")).expect("one is not two");
    let key = Key::shared(Secret::from("0123456789abcdef0123456789abcdef")).expect("long");
    let rules = Rules { keys: vec![key], ..Rules::default() };
    let authenticator = AuthenticatorConfig {
        methods: vec![Method::Anonymous, Method::Ticket, Method::Cra, Method::Cryptosign],
        advisor: AdvisorConfig::procedure("authenticator", "com.auth"),
    };
    let authentication = AuthenticationConfig {
        principals: Arc::new(principals),
        authenticators: vec![authenticator],
        jwt: Some(JwtConfig { rules, role: Some("proved".into()) }),
        ..AuthenticationConfig::default()
    };
    let realm = RealmConfig {
        name: "r".into(),
        authentication: Arc::new(authentication),
        ..RealmConfig::default()
    };
    let listener =
        TransportOptions { serializers: Serializer::ALL.to_vec(), ..TransportOptions::default() };
    Config { realms: vec![realm], listeners: vec![listener], ..Config::default() }
}

fn connect(machine: &mut Machine, shard: usize) -> LinkId {
    let link = machine.open(shard, 1 << 20);
    machine.links[link].up.push(&[0x7F, 0xF1, 0, 0]);
    link
}

fn settle(machine: &mut Machine, peers: &[LinkId]) {
    while let Some(action) = machine.possible().first() {
        machine.perform(*action, usize::MAX);
    }
    machine.routers.iter_mut().for_each(Router::check);
    for link in peers {
        let at = &machine.links[*link];
        let (shard, connection) = (at.shard, at.connection);
        let phase = machine.routers[shard].phase(connection);
        if let Some(Phase::Open(session)) = phase {
            assert_ne!(&*session.identity.authrole, "proved", "nobody knows a secret");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut machine = Machine::new(config(), 2, 2, &mut Random::from_number(1));
    let mut peers = [0, 1, 1].map(|shard| connect(&mut machine, shard));
    let mut rest = data;
    while let [command, length, behind @ ..] = rest {
        let (said, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let place = usize::from(command % 3);
        match usize::from(command / 3) {
            message if message < MESSAGES.len() => {
                let (before, after) = MESSAGES[message];
                let text = [before.as_bytes(), said, after.as_bytes()].concat();
                let up = &mut machine.links[peers[place]].up;
                up.push(&u32::try_from(text.len()).expect("short").to_be_bytes());
                up.push(&text);
            }
            16..30 => {
                machine.hang_up(peers[place], length % 2 == 0);
                peers[place] = connect(&mut machine, place % 2);
            }
            30..40 => {
                machine.now = machine.next_deadline().unwrap_or(machine.now).max(machine.now);
            }
            _ => {}
        }
        settle(&mut machine, &peers);
    }
    for link in peers {
        machine.hang_up(link, true);
    }
    settle(&mut machine, &[]);
    assert!(machine.routers.iter().all(Router::is_empty), "a router holds something for nobody");
});
