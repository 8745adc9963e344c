//! Who may join in a scenario, and what clients compute to prove who they are.
//!
//! ```text
//! given: anonymous guest                            the role of those who prove nothing
//! given: principal joe guest ticket=t cra=secret    who is known, its role and its credentials:
//!        ticket=  cra=  salted=PASSWORD  scram=PASSWORD  key=SEED  certificate=NAME
//! given: authenticator ticket,wampcra com.auth      who is asked about others; a realm may follow
//! given: jwt SECRET                                 tokens signed by it are tickets, too
//! given: cookies | hide_realms | router_key | methods ticket,wampcra | realms realm1
//! ```
//!
//! Clients compute with a stranger's tools (`ring`, `ed25519-dalek`), not with what is tested.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gigawamp::router::Origin;
use gigawamp::router::config::{
    AdmissionConfig, AdvisorConfig, AdvisorKind, AuthenticationConfig, AuthenticatorConfig,
    JwtConfig, Method,
};
use gigawamp::session::auth::cryptosign::RouterKey;
use gigawamp::session::auth::jwt::{Key, Rules};
use gigawamp::session::auth::{
    Certificate, Cra, Credentials, Kdf, Principal, Principals, Salted, Scram, ScramKeys, Secret,
    Ticket,
};
use gigawamp::session::{ClientCertificate, TlsOrigin};
use gigawamp::sim::Value;
use ring::digest::{SHA256, digest};
use ring::{hmac, pbkdf2};

/// What the tests' salted passwords are made with.
const SALT: &str = "salt123";
const ITERATIONS: u32 = 1_000;
const SCRAM_SALT: [u8; 16] = [9; 16];
const SCRAM_ITERATIONS: u32 = 4_096;

/// Who may join, as a scenario gives it.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    anonymous: Option<Arc<str>>,
    principals: Vec<Principal>,
    authenticators: Vec<AuthenticatorConfig>,
    cookie: Duration,
    jwt: Option<JwtConfig>,
    router_key: Option<RouterKey>,
    pub(super) admission: AdmissionConfig,
    pub(super) hides_realms: bool,
}

impl People {
    /// Takes note of what a scenario gives, if it is about who may join.
    pub(super) fn give(&mut self, name: &str, value: &str) -> bool {
        let words: Vec<_> = value.split_whitespace().collect();
        match name {
            "anonymous" => self.anonymous = Some(value.into()),
            "principal" => self.principals.push(principal(&words)),
            "authenticator" => self.authenticators.push(authenticator(&words)),
            "cookies" => self.cookie = Duration::from_hours(1),
            "router_key" => {
                let key = hex(&signing_key("router").to_bytes());
                self.router_key = RouterKey::from_hex(&Secret::from(key));
            }
            "jwt" => {
                let key = Key::shared(Secret::from(value)).expect("a long secret");
                let role_claim = Some("role".into());
                let rules = Rules { keys: vec![key], role_claim, ..Rules::default() };
                self.jwt = Some(JwtConfig { rules, role: Some("guest".into()) });
            }
            "hide_realms" => self.hides_realms = true,
            "methods" => self.admission.methods = methods(value),
            "realms" => self.admission.realms = words.into_iter().map(Into::into).collect(),
            _ => return false,
        }
        true
    }

    /// For how long cookies last, if there are any.
    pub(super) fn cookie(&self) -> Option<Duration> {
        Some(self.cookie).filter(|age| !age.is_zero())
    }

    /// Has the principal of that name known by another ticket than before.
    pub(super) fn change_ticket(&mut self, authid: &str) {
        let known = self.principals.iter_mut().find(|known| *known.authid == *authid);
        known.expect("it is known").credentials.ticket = Some(Ticket::of("another"));
    }

    /// Lets those who prove nothing join where there are roles, with the role for anonymous clients
    /// unless another one is given.
    pub(super) fn admit_anonymous(&mut self) {
        self.anonymous.get_or_insert_with(|| "anonymous".into());
    }

    /// Who may join the realm of that name. All of it is about the first; the second knows nobody
    /// but strangers, so there is always a place for an authenticator.
    pub(super) fn of(&self, realm: &str) -> Arc<AuthenticationConfig> {
        if realm != "realm1" {
            let anonymous = self.anonymous.clone();
            return Arc::new(AuthenticationConfig { anonymous, ..Default::default() });
        }
        let seed = Secret::from("the seed of this test");
        let principals = Principals::new(self.principals.clone(), seed).expect("all are different");
        Arc::new(AuthenticationConfig {
            anonymous: self.anonymous.clone(),
            principals: Arc::new(principals),
            authenticators: self.authenticators.clone(),
            cookie: self.cookie,
            jwt: self.jwt.clone(),
            router_key: self.router_key.clone(),
            ..AuthenticationConfig::default()
        })
    }
}

fn principal(words: &[&str]) -> Principal {
    let [authid, role, credentials @ ..] = words else { panic!("AUTHID ROLE …: {words:?}") };
    let mut known = Credentials::default();
    for credential in credentials {
        let (kind, value) = credential.split_once('=').expect("kind=value");
        match kind {
            "ticket" => known.ticket = Some(Ticket::from_text(value).expect("a ticket")),
            "cra" => known.cra = Some(Cra { key: value.into(), salted: None }),
            "salted" => known.cra = Some(salted(value)),
            "scram" => known.scram = Some(scram(value)),
            "key" => known.public_keys.push(signing_key(value).verifying_key().to_bytes()),
            "certificate" => known.certificates.push(Certificate::from_text(value)),
            _ => panic!("no credential is called {kind}"),
        }
    }
    Principal { authid: (*authid).into(), role: (*role).into(), credentials: known }
}

fn authenticator(words: &[&str]) -> AuthenticatorConfig {
    let [names, uri, rest @ ..] = words else { panic!("METHODS URI: {words:?}") };
    let mut advisor = AdvisorConfig::procedure("authenticator", uri);
    if let [realm] = rest {
        let (realm, uri) = (Some((*realm).into()), (*uri).into());
        advisor.kind = AdvisorKind::Procedure { realm, uri };
    }
    AuthenticatorConfig { methods: methods(names), advisor }
}

fn methods(names: &str) -> Vec<Method> {
    names.split(',').map(|name| Method::from_name(name).expect("a method")).collect()
}

/// Where a peer comes from, if its options say so.
pub(super) fn origin(options: &Value) -> Option<Origin> {
    let text = |key: &str| match options.get(key) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let address = text("from").map(|address| address.parse().expect("an address"));
    let certificate = text("certificate").map(|subject| ClientCertificate {
        subject: subject.into(),
        fingerprint: digest(&SHA256, subject.as_bytes()).as_ref().try_into().expect("32 octets"),
        ..ClientCertificate::default()
    });
    let exporter = text("exporter").map(octets);
    let is_tls = certificate.is_some() || exporter.is_some();
    let tls = TlsOrigin { version: "1.3", certificate, exporter, ..TlsOrigin::default() };
    let tls = is_tls.then(|| Box::new(tls));
    (is_tls || address.is_some()).then(|| Origin {
        peer: "sim:peer".into(),
        address,
        tls,
        ..Origin::default()
    })
}

/// What a client computes.
pub(crate) fn made(how: &str, of: &[Value]) -> Value {
    let texts: Vec<&str> = of.iter().map(text).collect();
    let made = match (how, texts.as_slice()) {
        ("cra", [secret, challenge]) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            STANDARD.encode(hmac::sign(&key, challenge.as_bytes()))
        }
        ("salted", [password]) => STANDARD.encode(derived(password, SALT.as_bytes(), ITERATIONS)),
        ("public", [seed]) => hex(signing_key(seed).verifying_key().as_bytes()),
        ("sign", [seed, challenge]) => signed(seed, &octets(challenge)),
        ("sign", [seed, challenge, channel]) => {
            let (challenge, channel) = (octets(challenge), octets(channel));
            signed(seed, &std::array::from_fn(|place| challenge[place] ^ channel[place]))
        }
        ("scram", [password, authid, client, nonce, end]) => {
            proof(password, &auth_message(authid, client, nonce, end))
        }
        ("verifier", [password, authid, client, nonce, end]) => {
            let salted = derived(password, &SCRAM_SALT, SCRAM_ITERATIONS);
            let key = mac(&salted, b"Server Key");
            STANDARD.encode(mac(&key, auth_message(authid, client, nonce, end).as_bytes()))
        }
        ("jwt", [secret, claims]) => {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let signed = part(r#"{"alg":"HS256"}"#) + "." + &part(claims);
            let signature = mac(secret.as_bytes(), signed.as_bytes());
            signed + "." + &URL_SAFE_NO_PAD.encode(signature)
        }
        ("member", [name, json]) => {
            let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
            let number = || Value::from(json[name].as_u64().expect("a text or a number"));
            return json[name].as_str().map_or_else(number, Value::from);
        }
        _ => panic!("nobody knows how to make {how} of {of:?}"),
    };
    Value::from(made.as_str())
}

fn text(value: &Value) -> &str {
    let Value::Text(text) = value else { panic!("a text was expected: {value}") };
    text
}

fn salted(password: &str) -> Cra {
    let key = STANDARD.encode(derived(password, SALT.as_bytes(), ITERATIONS));
    let salted = Salted { salt: SALT.into(), iterations: ITERATIONS, keylen: 32 };
    Cra { key: key.into(), salted: Some(salted) }
}

fn scram(password: &str) -> Scram {
    let keys = ScramKeys::of(&derived(password, &SCRAM_SALT, SCRAM_ITERATIONS));
    Scram {
        kdf: Kdf::Pbkdf2,
        salt: SCRAM_SALT.into(),
        iterations: SCRAM_ITERATIONS,
        memory: 0,
        keys: [keys].into(),
    }
}

fn derived(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let iterations = NonZeroU32::new(iterations).expect("some");
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut key);
    key
}

/// What both sides of SCRAM sign; `end` stands behind `c=`.
fn auth_message(authid: &str, client: &str, nonce: &str, end: &str) -> String {
    let salt = STANDARD.encode(SCRAM_SALT);
    let i = SCRAM_ITERATIONS;
    format!("n={authid},r={client},r={nonce},s={salt},i={i},c={end},r={nonce}")
}

fn proof(password: &str, message: &str) -> String {
    let salted = derived(password, &SCRAM_SALT, SCRAM_ITERATIONS);
    let client = mac(&salted, b"Client Key");
    let stored = digest(&SHA256, &client);
    let signature = mac(stored.as_ref(), message.as_bytes());
    STANDARD.encode(client.iter().zip(&signature).map(|(one, two)| one ^ two).collect::<Vec<_>>())
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().into()
}

/// The key that is made of a seed of any form.
fn signing_key(seed: &str) -> ed25519_dalek::SigningKey {
    let seed = digest(&SHA256, seed.as_bytes());
    ed25519_dalek::SigningKey::from_bytes(seed.as_ref().try_into().expect("32 octets"))
}

fn signed(seed: &str, message: &[u8; 32]) -> String {
    use ed25519_dalek::Signer as _;
    hex(&signing_key(seed).sign(message).to_bytes()) + &hex(message)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> [u8; 32] {
    let octet = |place| u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).expect("digits");
    std::array::from_fn(octet)
}
