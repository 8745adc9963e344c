//! Cookies by which browsers are known again.

use gigawamp::sim::Value;
use gigawamp::wire::{Client, ClientOptions, Framing, Incoming, Serializer};

use crate::harness::bottle::Bottle;
use crate::harness::stage::{Brought, Stage};
use crate::harness::{config, notation, people};

/// What a browser learns when it comes.
struct Visit {
    /// The cookie it was given, if it was.
    cookie: Option<String>,
    messages: Vec<Value>,
}

impl Visit {
    /// What WELCOME says under `key`; nothing if there is none.
    fn welcome(&self, key: &str) -> Option<&Value> {
        let welcome = self.messages.last().filter(|last| last.items()[0] == Value::from(2))?;
        welcome.items()[2].get(key)
    }
}

/// A browser with a connection of its own.
struct Browser {
    connection: usize,
    client: Client,
    visit: Visit,
}

impl Browser {
    /// One that shows `cookie`.
    fn open(bottle: &mut Bottle, cookie: Option<&str>) -> Self {
        let client = Client::new(Framing::WebSocket, Serializer::Json, ClientOptions::default());
        let visit = Visit { cookie: None, messages: Vec::new() };
        let mut browser = Self { connection: bottle.connect(), client, visit };
        let mut request = Vec::new();
        browser.client.hello(&mut request);
        let mut request = String::from_utf8(request).expect("HTTP");
        if let Some(cookie) = cookie {
            request = request.replacen("\r\n\r\n", &format!("\r\nCookie: {cookie}\r\n\r\n"), 1);
        }
        bottle.write(browser.connection, request.as_bytes());
        browser.take(bottle);
        browser
    }

    fn say(&mut self, bottle: &mut Bottle, message: &str) {
        let mut frame = Vec::new();
        self.client.frame(message.as_bytes(), &mut frame);
        bottle.write(self.connection, &frame);
        self.take(bottle);
    }

    fn take(&mut self, bottle: &mut Bottle) {
        let Brought::Octets(mut octets) = bottle.read(self.connection, true) else { return };
        let text = String::from_utf8_lossy(&octets);
        if let Some((_, rest)) = text.split_once("Set-Cookie: ") {
            self.visit.cookie = rest.split(';').next().map(Into::into);
        }
        let (mut input, mut reply) = (&mut octets[..], Vec::new());
        while let Ok(Some(incoming)) = self.client.next(&mut input, &mut reply) {
            if let Incoming::Message(bytes) = incoming {
                let message = Value::read(Serializer::Json, bytes).expect("JSON");
                self.visit.messages.push(message);
            }
        }
    }

    fn close(self, bottle: &mut Bottle) -> Visit {
        bottle.hang_up(self.connection);
        self.visit
    }
}

/// A browser that shows `cookie` says these messages, one after the other.
fn visit(bottle: &mut Bottle, cookie: Option<&str>, says: &[&str]) -> Visit {
    let mut browser = Browser::open(bottle, cookie);
    for message in says {
        browser.say(bottle, message);
    }
    browser.close(bottle)
}

/// Who a cookie stands for.
fn known(bottle: &mut Bottle, cookie: &str) -> Option<Value> {
    visit(bottle, Some(cookie), &[BY_COOKIE]).welcome("authid").cloned()
}

fn reload(bottle: &mut Bottle, text: &str) {
    assert!(bottle.configure(&notation::parse(text)));
}

const BY_TICKET: &str = r#"[1, "realm1", {"authmethods": ["cookie", "ticket"], "authid": "joe",
                           "roles": {"caller": {}}}]"#;
const BY_COOKIE: &str = r#"[1, "realm1", {"authmethods": ["cookie"], "roles": {"caller": {}}}]"#;

// spec: A-AUTH-11
#[test]
fn a_cookie_stands_for_who_has_proved_itself_until_it_logs_out() {
    for shards_count in [1, 2, 5] {
        let lines = notation::parse("given: cookies\ngiven: principal joe guest ticket=t0p");
        let bottle = &mut Bottle::new(config(&lines), shards_count, 7);

        let stranger = visit(bottle, None, &[BY_COOKIE]);
        let unproved = stranger.cookie.clone().expect("everybody gets one");
        assert!(stranger.welcome("authid").is_none());
        let failed = visit(bottle, Some(&unproved), &[BY_TICKET, r#"[5, "x", {}]"#]);
        assert!(failed.cookie.is_none() && failed.welcome("authid").is_none());
        assert!(visit(bottle, Some(&unproved), &[BY_COOKIE]).welcome("authid").is_none());

        let first = visit(bottle, None, &[BY_TICKET, r#"[5, "t0p", {}]"#]);
        assert_eq!(first.welcome("authmethod"), Some(&Value::from("ticket")));
        let cookie = first.cookie.expect("everybody gets one");
        assert_ne!(cookie, unproved);
        let again = visit(bottle, Some(&cookie), &[BY_COOKIE]);
        assert_eq!(again.welcome("authid"), Some(&Value::from("joe")));
        assert_eq!(again.welcome("authrole"), Some(&Value::from("guest")));
        assert_eq!(again.welcome("authmethod"), Some(&Value::from("cookie")));
        assert_eq!(again.welcome("authprovider"), Some(&Value::from("cookie")));
        let other = BY_COOKIE.replace("realm1", "realm2");
        assert!(visit(bottle, Some(&cookie), &[&other]).welcome("authid").is_none());

        let _ = visit(bottle, Some(&cookie), &[BY_COOKIE, r#"[6, {}, "wamp.close.logout"]"#]);
        assert!(visit(bottle, Some(&cookie), &[BY_COOKIE]).welcome("authid").is_none());
    }
}

/// Reloads that do not concern whoever vouched for a client leave its cookie; one that does ends it
/// for good.
fn ends(bottle: &mut Bottle, cookie: &str, before: &str, after: &str) {
    assert_eq!(known(bottle, cookie), Some(Value::from("joe")), "{before}");
    reload(bottle, &format!("{before}\ngiven: principal ann guest ticket=other"));
    assert_eq!(known(bottle, cookie), Some(Value::from("joe")), "{before}");
    reload(bottle, after);
    assert_eq!(known(bottle, cookie), None, "{after}");
    reload(bottle, before);
    assert_eq!(known(bottle, cookie), None, "{before}, once more");
}

// spec: A-AUTH-11
#[test]
fn a_cookie_ends_with_the_secret_of_whom_it_stands_for() {
    let before = "given: cookies\ngiven: principal joe guest ticket=t0p";
    for after in ["given: cookies\ngiven: principal joe guest ticket=new", "given: cookies"] {
        for shards_count in [1, 2, 5] {
            let bottle = &mut Bottle::new(config(&notation::parse(before)), shards_count, 7);
            let first = visit(bottle, None, &[BY_TICKET, r#"[5, "t0p", {}]"#]);
            ends(bottle, &first.cookie.expect("everybody gets one"), before, after);
        }
    }
}

// spec: A-AUTH-11
#[test]
fn a_cookie_ends_with_the_keys_of_the_token_that_it_stands_for() {
    let given = |secret: &str| format!("given: cookies\ngiven: jwt {secret}");
    let [old, new] = ["0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdeX"];
    let claims = r#"{"sub": "joe", "role": "guest", "exp": 4102444800}"#;
    let token = people::made("jwt", &[Value::from(old), Value::from(claims)]);
    for after in [given(new), "given: cookies".to_owned()] {
        for shards_count in [1, 2, 5] {
            let bottle = &mut Bottle::new(config(&notation::parse(&given(old))), shards_count, 7);
            let proof = format!("[5, {token}, {{}}]");
            let first = visit(bottle, None, &[BY_TICKET, &proof]);
            assert_eq!(first.welcome("authprovider"), Some(&Value::from("jwt")));
            ends(bottle, &first.cookie.expect("everybody gets one"), &given(old), &after);
        }
    }
}

// spec: A-AUTH-11
#[test]
fn a_cookie_ends_with_the_authenticator_that_vouched_for_whom_it_stands_for() {
    let given =
        |procedure: &str| format!("given: cookies\ngiven: authenticator ticket {procedure} realm2");
    for after in [given("com.other"), "given: cookies".to_owned()] {
        for shards_count in [1, 2, 5] {
            let lines = notation::parse(&given("com.auth"));
            let bottle = &mut Bottle::new(config(&lines), shards_count, 7);
            let mut judge = Browser::open(bottle, None);
            judge.say(bottle, r#"[1, "realm2", {"roles": {"callee": {}}}]"#);
            judge.say(bottle, r#"[64, 1, {}, "com.auth"]"#);
            let mut joe = Browser::open(bottle, None);
            joe.say(bottle, BY_TICKET);
            joe.say(bottle, r#"[5, "t0p", {}]"#);
            judge.say(bottle, r#"[70, 1, {}, ["guest"]]"#);
            joe.take(bottle);
            let joe = joe.close(bottle);
            assert_eq!(joe.welcome("authprovider"), Some(&Value::from("dynamic")));
            let cookie = joe.cookie.expect("everybody gets one");
            ends(bottle, &cookie, &given("com.auth"), &after);
        }
    }
}
