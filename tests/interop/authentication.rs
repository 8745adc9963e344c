//! Foreign clients prove who they are to the real router, by every method that they have: what is
//! right is taken, and each kind of wrong is refused as it should be.
//!
//! The router is that of `examples/every-method.toml`, with files that are made for the occasion.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use gigawamp::session::auth::hex::to_hex;
use serde_json::{Value, json};

#[path = "../../src/shard/tests/certificates.rs"]
#[expect(dead_code, reason = "the tests of TLS use the rest")]
mod certificates;

use certificates::{Authority, Purpose};

use crate::client::{Client, Role, Run};
use crate::environment::Environment;
use crate::matrix::{Line, Matrix, Outcome};
use crate::program::{Folder, Router, program};

const EXAMPLE: &str = include_str!("../../examples/every-method.toml");

/// The reasons that clients are given.
const DENIED: &str = "wamp.error.authentication_denied";
const FAILED: &str = "wamp.error.authentication_failed";
const NO_METHOD: &str = "wamp.error.no_matching_auth_method";
const REQUIRED: &str = "wamp.error.authentication_required";

/// A cookie that nobody was given.
const GUESSED: &str = "gigawamp=0123456789abcdef0123456789abcdef";

/// The private keys of kim in the example, and of nobody.
const KIM: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NOBODY: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// All that the example needs beside it.
struct House {
    folder: Folder,
    issuer: SigningKey,
}

impl House {
    fn new() -> Self {
        let house = Self {
            folder: Folder::new("interop-authentication"),
            issuer: SigningKey::from_bytes(&[3; 32]),
        };
        let authority = Authority::new("house");
        let root: &rcgen::Certificate = authority.0.as_ref();
        house.write("ca.pem", &root.pem());
        let other = Authority::new("others");
        for (name, file, authority, purpose) in [
            ("localhost", "server", &authority, Purpose::Server),
            ("tom.example.com", "tom", &authority, Purpose::Client),
            ("eve.example.com", "eve", &authority, Purpose::Client),
            ("tom.example.com", "false", &other, Purpose::Client),
        ] {
            let issued = authority.issue(name, purpose);
            house.write(&format!("{file}.pem"), &issued.certificate.pem());
            house.write(&format!("{file}.key"), &issued.key.serialize_pem());
        }
        house.write("router.key", &"04".repeat(32));
        // SubjectPublicKeyInfo of RFC 8410: a fixed head, then the key.
        let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let key = house.issuer.verifying_key().to_bytes();
        let der = STANDARD.encode([&head[..], &key].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        house.write("token.pem", &pem);
        house
    }

    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path(name).to_str().unwrap().to_owned()
    }

    /// The router, and where it listens without TLS and with it.
    fn router(&self) -> (Router, String, String) {
        let text = EXAMPLE.replace(":8080", ":0").replace(":8443", ":0");
        let mut command = program(&self.folder.path(""), &["--config", "-", "--shards", "2"]);
        // All clients try the same names, and fail as often as they have methods.
        command.env("GIGAWAMP_LIMITS_ATTEMPTS_MAX", "0");
        let mut router = Router::spawn(command, &text);
        router.await_line("ready in ");
        let (plain, secure) = (router.address("ws://"), router.address("wss://"));
        (router, plain, secure)
    }

    /// A token with `claims`, besides those that it must have.
    #[expect(clippy::disallowed_methods, reason = "the router asks what time it is too")]
    fn token(&self, claims: &[(&str, Value)]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({
            "sub": "zoe", "iss": "https://id.example.com", "aud": "realm1", "role": "member",
            "iat": now, "exp": now + 600,
        });
        for (name, value) in claims {
            // Moments are meant from now on.
            let moment = value.as_i64().map(|seconds| json!(now.cast_signed() + seconds));
            all[*name] = moment.unwrap_or_else(|| value.clone());
        }
        let signed = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#)
            + "."
            + &URL_SAFE_NO_PAD.encode(all.to_string());
        let signature = self.issuer.sign(signed.as_bytes()).to_bytes();
        signed + "." + &URL_SAFE_NO_PAD.encode(signature)
    }

    /// What is tried, and what has to come of it.
    fn cases(&self, secure: &str) -> Vec<Value> {
        [passwords(), signatures(), self.tokens(), dynamic(), self.connections(secure)].concat()
    }

    fn tokens(&self) -> Vec<Value> {
        let right = self.token(&[]);
        let (signed, signature) = right.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{signed}.{flipped}{}", &signature[1..]);
        let zoe = json!({"role": "member", "authid": "zoe", "method": "ticket"});
        let mut cases = vec![case("token", "ticket", json!({"ticket": right, "expect": zoe}))];
        for (kind, token) in [
            ("forged", forged),
            ("unsigned", none),
            ("expired", self.token(&[("exp", json!(-120))])),
            ("early", self.token(&[("nbf", json!(600))])),
            ("for_others", self.token(&[("aud", json!("realm2"))])),
            ("from_others", self.token(&[("iss", json!("https://elsewhere"))])),
            ("roleless", self.token(&[("role", json!("emperor"))])),
        ] {
            let step = format!("token.{kind}");
            cases.push(case(&step, "ticket", json!({"ticket": token, "expect": denied()})));
        }
        cases
    }

    fn connections(&self, secure: &str) -> Vec<Value> {
        let url = format!("wss://localhost:{}/ws", secure.rsplit(':').next().unwrap());
        let over_tls = |certificate: Option<&str>, more: Value| {
            let mut members = json!({"url": url, "ca": self.path("ca.pem")});
            if let Some(name) = certificate {
                members["certificate"] = self.path(&format!("{name}.pem")).into();
                members["key"] = self.path(&format!("{name}.key")).into();
            }
            members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            members
        };
        let tom = json!({"expect": {"role": "member", "authid": "tom", "method": "tls"}});
        let joe = json!({"role": "member", "authid": "joe", "method": "ticket"});
        let ticket = "a ticket of joe that a program drew";
        let back = json!({"role": "member", "authid": "joe", "method": "cookie"});
        vec![
            case("tls", "tls", over_tls(Some("tom"), tom)),
            case("tls.unknown", "tls", over_tls(Some("eve"), json!({"expect": denied()}))),
            case("tls.none", "tls", over_tls(None, json!({"expect": {"reason": NO_METHOD}}))),
            case(
                "cookie.set",
                "ticket",
                json!({"authid": "joe", "ticket": ticket, "keeps": "joe", "expect": joe}),
            ),
            case("cookie", "cookie", json!({"shows": "joe", "expect": back})),
            case(
                "cookie.guessed",
                "cookie",
                json!({"cookie": GUESSED, "expect": {"reason": NO_METHOD}}),
            ),
        ]
    }
}

/// A case: its name, how it is gone about, and with what.
fn case(step: &str, method: &str, members: Value) -> Value {
    let mut case = members;
    case["step"] = step.into();
    case["method"] = method.into();
    case
}

fn denied() -> Value {
    json!({"reason": DENIED})
}

/// What somebody knows: a ticket, a secret, a password.
fn passwords() -> Vec<Value> {
    let known = |authid: &str, method: &str| json!({"role": "member", "authid": authid, "method": method, "provider": "static"});
    let guest = json!({"role": "guest", "method": "anonymous"});
    let mut cases = vec![
        case("anonymous", "anonymous", json!({"expect": guest})),
        case(
            "anonymous.refused",
            "anonymous",
            json!({"realm": "authentication", "expect": {"reason": REQUIRED}}),
        ),
        case(
            "ticket.second_choice",
            "ticket",
            json!({"authid": "joe", "ticket": "a ticket of joe that a program drew",
                   "before": ["unheard-of", "tls"], "expect": known("joe", "ticket")}),
        ),
    ];
    let joe = "a secret of joe that a program drew";
    let password = "a password of ann";
    for (step, method, member, authid, right) in [
        ("ticket", "ticket", "ticket", "joe", "a ticket of joe that a program drew"),
        ("ticket.hashed", "ticket", "ticket", "bob", "a ticket of bob that a program drew"),
        ("ticket.password", "ticket", "ticket", "ann", password),
        ("wampcra", "wampcra", "secret", "joe", joe),
        ("wampcra.salted", "wampcra", "secret", "ann", password),
        ("scram", "scram", "password", "ann", password),
    ] {
        let expect = known(authid, method);
        cases.push(case(step, method, json!({"authid": authid, member: right, "expect": expect})));
        let wrong = json!({"authid": authid, member: "something else", "expect": denied()});
        cases.push(case(&format!("{step}.wrong"), method, wrong));
    }
    let ghost = json!({"authid": "ghost", "password": password, "expect": denied()});
    cases.push(case("scram.unknown", "scram", ghost));
    cases
}

fn signatures() -> Vec<Value> {
    let router = SigningKey::from_bytes(&[4; 32]);
    let kim = json!({"role": "member", "authid": "kim", "method": "cryptosign"});
    vec![
        case(
            "cryptosign",
            "cryptosign",
            json!({"authid": "kim", "private_key": KIM, "expect": kim}),
        ),
        case("cryptosign.nameless", "cryptosign", json!({"private_key": KIM, "expect": kim})),
        case(
            "cryptosign.router",
            "cryptosign",
            json!({"authid": "kim", "private_key": KIM, "challenge": "05".repeat(32),
                   "router_key": to_hex(&router.verifying_key().to_bytes()), "expect": kim}),
        ),
        case(
            "cryptosign.wrong",
            "cryptosign",
            json!({"authid": "kim", "private_key": NOBODY, "expect": denied()}),
        ),
        case(
            "cryptosign.other_name",
            "cryptosign",
            json!({"authid": "joe", "private_key": KIM, "expect": denied()}),
        ),
    ]
}

/// What a procedure that was written for Crossbar.io knows.
fn dynamic() -> Vec<Value> {
    let known = |authid: &str, method: &str| json!({"role": "member", "authid": authid, "method": method, "provider": "dynamic"});
    let ticket = |step: &str, authid: &str, ticket: &str, expect: Value| {
        case(step, "ticket", json!({"authid": authid, "ticket": ticket, "expect": expect}))
    };
    let cra = |step: &str, authid: &str, secret: &str, expect: Value| {
        case(step, "wampcra", json!({"authid": authid, "secret": secret, "expect": expect}))
    };
    let theirs = "a ticket that only the authenticator knows";
    let secret = "a secret that only the authenticator knows";
    let password = "a password that only the authenticator knows";
    let (ours, cra_ours) = (known("dynamic-ticket", "ticket"), known("dynamic-cra", "wampcra"));
    let salted = known("dynamic-cra-salted", "wampcra");
    vec![
        ticket("dynamic.ticket", "dynamic-ticket", theirs, ours),
        ticket("dynamic.ticket.wrong", "dynamic-ticket", "another", denied()),
        ticket("dynamic.ticket.unknown", "ghost", theirs, denied()),
        ticket("dynamic.ticket.broken", "dynamic-broken", theirs, json!({"reason": FAILED})),
        cra("dynamic.wampcra", "dynamic-cra", secret, cra_ours),
        cra("dynamic.wampcra.salted", "dynamic-cra-salted", password, salted),
        cra("dynamic.wampcra.wrong", "dynamic-cra", "another", denied()),
        cra("dynamic.wampcra.unknown", "ghost", secret, denied()),
    ]
}

// spec: A-AUTH-01, A-AUTH-02, A-AUTH-06, A-AUTH-10, A-TKT-03, A-CRA-07, A-SCR-18, A-CSN-04
#[test]
fn each_client_proves_who_it_is_by_every_method_it_has() {
    let Some(environment) = Environment::get() else {
        return;
    };
    let house = House::new();
    let (_router, plain, secure) = house.router();
    let cases = house.cases(&secure);
    let path = house.path("cases.json");
    std::fs::write(&path, Value::from(cases.clone()).to_string()).unwrap();

    let serves = Run::new(Client::AutobahnPython, "ws", "json", Role::Authenticator);
    let server = environment.start(&plain, &serves.in_realm("authentication"));
    // Failed attempts count by address and principal, so that only one client tries at a time.
    let mut runs = Vec::new();
    let mut reports = Vec::new();
    for (turn, client) in Client::ALL.into_iter().enumerate() {
        let serializers = client.serializers("ws");
        let serializer = serializers[turn % serializers.len()];
        let run = Run::new(client, "ws", serializer, Role::Authenticate(path.clone()));
        reports.extend(environment.run_all(&plain, std::slice::from_ref(&run)));
        runs.push(run);
    }
    server.stop();
    print_table(&cases, &runs, &reports);
    Matrix::of(&runs, &reports).print_and_judge();
}

/// A line per case, a character per client.
#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn print_table(cases: &[Value], runs: &[Run], reports: &[String]) {
    let outcomes = reports.iter().map(|report| {
        let lines = Line::all(report).map(|line| (line.step, line.outcome));
        lines.collect::<BTreeMap<_, _>>()
    });
    let outcomes = outcomes.collect::<Vec<_>>();
    let mut text = format!("{:26}", "");
    for run in runs {
        let _ = write!(text, " {:18}", run.client.name());
    }
    for case in cases {
        let step = case["step"].as_str().unwrap();
        let _ = write!(text, "\n{step:26}");
        for outcome in &outcomes {
            let mark = outcome.get(step).copied().unwrap_or(Outcome::Failed).mark();
            let _ = write!(text, " {mark:18}");
        }
    }
    println!("{text}\n\n+ as it should be   - the client lacks it   ! FAILED\n");
}
