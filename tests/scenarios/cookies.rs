//! Cookies by which browsers are known again.

use gigawamp::sim::Value;
use gigawamp::wire::{Client, ClientOptions, Framing, Incoming, Serializer};

use crate::harness::bottle::Bottle;
use crate::harness::stage::{Brought, Stage};
use crate::harness::{config, notation};

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

/// A browser that shows `cookie` says these messages, one after the other.
fn visit(bottle: &mut Bottle, cookie: Option<&str>, says: &[&str]) -> Visit {
    let mut client = Client::new(Framing::WebSocket, Serializer::Json, ClientOptions::default());
    let mut request = Vec::new();
    client.hello(&mut request);
    let mut request = String::from_utf8(request).expect("HTTP");
    if let Some(cookie) = cookie {
        request = request.replacen("\r\n\r\n", &format!("\r\nCookie: {cookie}\r\n\r\n"), 1);
    }
    let connection = bottle.connect();
    bottle.write(connection, request.as_bytes());
    let mut visit = Visit { cookie: None, messages: Vec::new() };
    take(bottle, connection, &mut client, &mut visit);
    for message in says {
        let mut frame = Vec::new();
        client.frame(message.as_bytes(), &mut frame);
        bottle.write(connection, &frame);
        take(bottle, connection, &mut client, &mut visit);
    }
    bottle.hang_up(connection);
    visit
}

fn take(bottle: &mut Bottle, connection: usize, client: &mut Client, visit: &mut Visit) {
    let Brought::Octets(mut octets) = bottle.read(connection, true) else { return };
    let text = String::from_utf8_lossy(&octets);
    if let Some((_, rest)) = text.split_once("Set-Cookie: ") {
        visit.cookie = rest.split(';').next().map(Into::into);
    }
    let (mut input, mut reply) = (&mut octets[..], Vec::new());
    while let Ok(Some(incoming)) = client.next(&mut input, &mut reply) {
        if let Incoming::Message(bytes) = incoming {
            visit.messages.push(Value::read(Serializer::Json, bytes).expect("JSON"));
        }
    }
}

const BY_TICKET: &str = r#"[1, "realm1", {"authmethods": ["cookie", "ticket"], "authid": "joe",
                           "roles": {"caller": {}}}]"#;
const BY_COOKIE: &str = r#"[1, "realm1", {"authmethods": ["cookie"], "roles": {"caller": {}}}]"#;

// spec: A-AUTH-11
#[test]
fn a_cookie_stands_for_who_has_proved_itself_until_it_logs_out() {
    for shards_count in [1, 2, 5] {
        let lines = notation::parse("given: cookies\ngiven: principal joe guest ticket=t0p");
        let mut config = config(&lines);
        config.listeners[0].cookie = Some(std::time::Duration::from_hours(1));
        let bottle = &mut Bottle::new(config, shards_count, 7);

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
