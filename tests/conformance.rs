//! The specification's own test vectors.
//!
//! They are not part of this repository: their licence asks for more than ours gives. The folder
//! `testsuite` of the specification's repository is read from where `WAMP_VECTORS` points to. Our
//! own vectors, written from the text, are the scenarios; those always run.

#[path = "scenarios/harness/mod.rs"]
mod harness;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use gigawamp::message::Message;
use gigawamp::sim::Value;
use gigawamp::wire::Serializer;
use harness::{check, check_then};

/// All vectors below `folder`, or nothing if there are none to be had, which is said loudly.
fn vectors(folder: &str) -> Vec<(PathBuf, Value)> {
    let Some(root) = std::env::var_os("WAMP_VECTORS") else {
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "WAMP_VECTORS must point to the specification's vectors");
        // Written past the test runner, which keeps back what tests print when they pass.
        let notice = "\n*** NOT RUN: WAMP_VECTORS points to no vectors of the specification ***\n";
        std::io::stderr().write_all(notice.as_bytes()).expect("someone reads this");
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&Path::new(&root).join(folder), &mut found);
    assert!(!found.is_empty(), "there is no vector below {folder}");
    found.sort_by(|one, two| one.0.cmp(&two.0));
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Value)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of vectors") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = std::fs::read(&path).expect("a vector");
            let value = Value::read(Serializer::Json, &bytes);
            found.push((path.clone(), value.unwrap_or_else(|why| panic!("{path:?}: {why}"))));
        }
    }
}

/// The samples of all single messages that have `key`, each with where it stands.
fn samples(key: &str) -> Vec<(String, Value)> {
    let mut samples = Vec::new();
    for (path, vector) in vectors("singlemessage") {
        for sample in vector.get("samples").expect("a vector has samples").items() {
            if sample.get(key).is_some() {
                let description = sample.get("description").map(ToString::to_string);
                let place = format!("{}: {}", path.display(), description.unwrap_or_default());
                samples.push((place, sample.clone()));
            }
        }
    }
    samples
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    match value.get(key) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |octet: u8| char::from(octet).to_digit(16).expect("a hex digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

// spec: B-MSG-01, B-MSG-02, B-MSG-03, B-MSG-06, B-MSG-08, B-MSG-16, B-MSG-17, B-MSG-32, B-MSG-33
// spec: B-MSG-34, B-MSG-35, B-MSG-36, B-MSG-48, B-MSG-50, B-MSG-64, B-MSG-65, B-MSG-66, B-MSG-67
// spec: B-MSG-68, B-MSG-70, A-MSG-04, A-MSG-05, A-MSG-49, A-MSG-69, X-MSG-337
#[test]
fn messages_of_every_type_are_read_and_written() {
    let mut count = 0;
    for (place, sample) in samples("serializers") {
        let expected = sample.get("expected_attributes").expect("attributes are expected");
        let code = expected.get("message_type").and_then(Value::number);
        let mut meaning: Option<Value> = None;
        let names = ["json", "msgpack", "cbor", "ubjson"];
        for (serializer, name) in Serializer::ALL.into_iter().zip(names) {
            let variants = sample.get("serializers").and_then(|all| all.get(name));
            for variant in variants.map(Value::items).unwrap_or_default() {
                // Under the name of UBJSON there are two; we speak the one that it belongs to.
                if text(variant, "note").is_some_and(|note| note.starts_with("BJData")) {
                    continue;
                }
                let bytes = octets(text(variant, "bytes_hex").expect("octets in hex"));
                let value = Value::read(serializer, &bytes);
                let value = value.unwrap_or_else(|why| panic!("{place} in {name}: {why}"));
                let same = meaning.get_or_insert_with(|| value.clone());
                assert_eq!(*same, value, "{place} in {name} means something else");
                let message = Message::parse(serializer, &bytes);
                let message = message.unwrap_or_else(|why| panic!("{place} in {name}: {why}"));
                assert_eq!(Some(message.code()), code, "{place} in {name}");
                let mut written = Vec::new();
                message.write(serializer, &mut written);
                let written = Value::read(serializer, &written);
                assert_eq!(written, Ok(value), "{place} in {name} is written otherwise");
                count += 1;
            }
        }
    }
    if count > 0 {
        assert_eq!(count, 164, "variants in our four serializers");
    }
}

/// The message of a validation sample. Where it passes its payload through, the payload stands
/// there as hexadecimal text, for JSON has no octets.
fn judged_message(sample: &Value) -> Value {
    let items = sample.get("wmsg").expect("a message to be judged").items();
    let passed_through = items.iter().any(|item| item.get("enc_algo").is_some());
    let item = |item: &Value| {
        if let Value::Text(hex) = item
            && passed_through
            && hex.starts_with("a166")
        {
            return Value::Binary(octets(hex));
        }
        item.clone()
    };
    Value::List(items.iter().map(item).collect())
}

// spec: B-PERR-17, D-15
#[test]
fn attributes_are_judged_as_the_specification_does() {
    let mut count = 0;
    for (place, sample) in samples("wmsg") {
        let message = judged_message(&sample);
        let wrong = sample.get("expected_error").and_then(|error| text(error, "contains"));
        for serializer in Serializer::ALL {
            let mut bytes = Vec::new();
            message.write(serializer, &mut bytes);
            match (Message::parse(serializer, &bytes), wrong) {
                (Ok(_), None) => {}
                (Err(why), Some(named)) => {
                    let why = why.to_string();
                    assert!(why.contains(named), "{place}: {why:?} does not name {named}");
                }
                (Ok(_), Some(named)) => panic!("{place}: {named} is accepted"),
                (Err(why), None) => panic!("{place}: {why}"),
            }
        }
        count += 1;
    }
    if count > 0 {
        assert_eq!(count, 67, "samples to be judged");
    }
}

// spec: B-PERR-17, D-15
#[test]
fn a_router_ends_the_sessions_of_those_who_send_what_is_wrong() {
    for (_, sample) in samples("wmsg") {
        let Value::List(mut items) = judged_message(&sample) else { unreachable!("it is a list") };
        // EVENT is not for routers.
        if items[0] == Value::from(36) {
            continue;
        }
        items[1] = Value::from(1);
        let message = Value::List(items);
        match sample.get("expected_error").and_then(|error| text(error, "contains")) {
            None => check(&format!(
                "ann: {message}\n\
                 ann: PUBLISH 2 {{acknowledge}} com.t\n\
                 ann: <~ PUBLISHED 2 *\n\
                 ann: drops"
            )),
            Some(named) => check_then(
                &format!(
                    "ann: {message} -> ABORT {{message: $why}} wamp.error.protocol_violation\n\
                     ann: closed"
                ),
                |bindings| assert!(bindings["why"].to_string().contains(named)),
            ),
        }
    }
}

/// Where each type of message keeps the attributes of a multi-session vector.
const LAYOUTS: [(&str, &[&str]); 11] = [
    ("PUBLISH", &["request_id", "options", "topic"]),
    ("PUBLISHED", &["request_id", "publication_id"]),
    ("SUBSCRIBE", &["request_id", "options", "topic"]),
    ("SUBSCRIBED", &["request_id", "subscription_id"]),
    ("EVENT", &["subscription_id", "publication_id", "details"]),
    ("CALL", &["request_id", "options", "procedure"]),
    ("RESULT", &["request_id", "details"]),
    ("REGISTER", &["request_id", "options", "procedure"]),
    ("REGISTERED", &["request_id", "registration_id"]),
    ("INVOCATION", &["request_id", "registration_id", "details"]),
    ("YIELD", &["request_id", "options"]),
];

/// A multi-session vector as a scenario. Ids are the vector's own and mean nothing: requests are
/// counted anew, everything else is bound where it is met first.
fn scenario(vector: &Value) -> String {
    let mut script = String::new();
    for session in vector.get("sessions").expect("a vector has sessions").items() {
        let name = text(session, "session_id").expect("a session has a label");
        let realm = text(session, "realm").unwrap_or("realm1");
        script += &format!("{name}: joins {realm}\n");
    }
    let mut requests: Vec<(String, u64)> = Vec::new();
    for step in vector.get("sequence").expect("a vector has steps").items() {
        let field = |key| text(step, key).expect("a step says from whom to whom");
        let message = step.get("message").expect("a step has a message");
        let kind = text(message, "type").expect("a message has a type");
        let (_, layout) = LAYOUTS.iter().find(|(name, _)| *name == kind).expect("a known type");
        let said = field("to") == "router";
        let peer = if said { field("from") } else { field("to") };
        let mut line = kind.to_owned();
        for attribute in *layout {
            let value = message.get(attribute).expect("an attribute of the layout");
            let number = value.number();
            line += &match number {
                Some(id) if *attribute == "request_id" => {
                    let place = requests.iter().position(|known| *known == (peer.into(), id));
                    let place = place.unwrap_or_else(|| {
                        requests.push((peer.into(), id));
                        requests.len() - 1
                    });
                    let mine = requests[..=place].iter().filter(|(other, _)| other == peer);
                    format!(" {}", mine.count())
                }
                Some(id) => format!(" ${attribute}_{id}"),
                None => format!(" {value}"),
            };
        }
        for payload in ["args", "kwargs"] {
            if let Some(value) = message.get(payload) {
                line += &format!(" {value}");
            }
        }
        script += &format!("{peer}: {}{line}\n", if said { "" } else { "<- " });
    }
    script
}

// spec: A-PEX-01
#[test]
fn conversations_go_as_the_specification_tells_them() {
    for (_, vector) in vectors("multisession") {
        let script = scenario(&vector);
        check(&script);
    }
}
