//! The layout of every message, as the specification's table has it.

use super::*;
use crate::limits::DEPTH_MAX;

#[test]
fn optional_elements_may_be_absent_in_every_serializer() {
    let texts = [
        "[16,1,{},\"a.b\"]",
        "[16,1,{},\"a.b\",[7]]",
        "[16,1,{},\"a.b\",[7],{\"k\":1}]",
        "[34,1,2]",
        "[34,1,2,{}]",
    ];
    for text in texts {
        let parsed = Message::parse(Serializer::Json, text.as_bytes());
        assert!(parsed.is_ok(), "{text}: {parsed:?}");
    }
    // CBOR lists without a length end by a break.
    let endless = [0x9F, 0x10, 0x01, 0xA0, 0x61, b'a', 0x81, 0x07, 0xFF];
    assert!(Message::parse(Serializer::Cbor, &endless).is_ok());
}

/// Every message in its shortest and its longest form, as JSON.
const LAYOUTS: &[(u64, &str, &[&str])] = &[
    (1, "Hello", &[r#"[1,"realm1",{"roles":{"caller":{"features":{"call_timeout":true}}}}]"#]),
    (2, "Welcome", &[r#"[2,9007199254740992,{"roles":{"broker":{},"dealer":{}},"realm":"r"}]"#]),
    (3, "Abort", &[r#"[3,{},"a.b"]"#, r#"[3,{"message":"m"},"a.b",[1],{"k":2}]"#]),
    (4, "Challenge", &[r#"[4,"wampcra",{"challenge":"c"}]"#]),
    (5, "Authenticate", &[r#"[5,"signature",{}]"#]),
    (6, "Goodbye", &[r#"[6,{},"wamp.close.normal"]"#]),
    (8, "Error", &[r#"[8,68,1,{},"a.b"]"#, r#"[8,48,1,{},"a.b",[1],{"k":2}]"#]),
    (16, "Publish", &[r#"[16,1,{},"a.b"]"#, r#"[16,1,{"exclude":[1,2]},"a.b",[1],{"k":2}]"#]),
    (17, "Published", &["[17,1,2]"]),
    (32, "Subscribe", &[r#"[32,1,{"match":"wildcard"},"a..b"]"#]),
    (33, "Subscribed", &["[33,1,2]"]),
    (34, "Unsubscribe", &["[34,1,2]", "[34,1,2,{}]"]),
    (35, "Unsubscribed", &["[35,1]", r#"[35,0,{"subscription":7,"reason":"why"}]"#]),
    (36, "Event", &["[36,1,2,{}]", r#"[36,1,2,{"topic":"a.b"},[1],{"k":2}]"#]),
    (48, "Call", &[r#"[48,1,{},"a.b"]"#, r#"[48,1,{"timeout":5},"a.b",[1],{"k":2}]"#]),
    (49, "Cancel", &[r#"[49,1,{"mode":"skip"}]"#]),
    (50, "Result", &["[50,1,{}]", r#"[50,1,{"progress":true},[1],{"k":2}]"#]),
    (64, "Register", &[r#"[64,1,{"invoke":"first"},"a.b"]"#]),
    (65, "Registered", &["[65,1,2]"]),
    (66, "Unregister", &["[66,1,2]", "[66,1,2,{}]"]),
    (67, "Unregistered", &["[67,1]", r#"[67,0,{"registration":7}]"#]),
    (68, "Invocation", &["[68,1,2,{}]", r#"[68,1,2,{"procedure":"a.b"},[1],{"k":2}]"#]),
    (69, "Interrupt", &[r#"[69,1,{"mode":"kill"}]"#]),
    (70, "Yield", &["[70,1,{}]", r#"[70,1,{"progress":true},[1],{"k":2}]"#]),
    (337, "EventReceived", &["[337,5]"]),
];

fn in_serializer(serializer: Serializer, json: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::wire::transcode::element(Serializer::Json, serializer, json.as_bytes(), &mut bytes)
        .unwrap();
    bytes
}

// spec: B-MSG-01, B-MSG-02, B-MSG-03, B-MSG-06, B-MSG-08, B-MSG-16, B-MSG-17, B-MSG-32, B-MSG-33
// spec: B-MSG-34, B-MSG-35, B-MSG-36, B-MSG-48, B-MSG-50, B-MSG-64, B-MSG-65, B-MSG-66, B-MSG-67
// spec: B-MSG-68, B-MSG-70, B-MSG-80, A-MSG-04, A-MSG-05, A-MSG-49, A-MSG-69, X-MSG-337
#[test]
fn every_message_is_written_as_it_was_read() {
    for serializer in Serializer::ALL {
        for (code, name, texts) in LAYOUTS {
            for text in *texts {
                let bytes = in_serializer(serializer, text);
                let message = Message::parse(serializer, &bytes).unwrap();
                assert_eq!((message.code(), message.name()), (*code, *name));
                let mut written = Vec::new();
                message.write(serializer, &mut written);
                assert_eq!(written, bytes, "{text} in {serializer:?}");
            }
        }
    }
}

// spec: B-MSG-81, B-MSG-88, B-PERR-14
#[test]
fn no_message_takes_fewer_or_more_elements_or_another_type() {
    for (_, _, texts) in LAYOUTS {
        let shortest = texts.first().unwrap();
        let mut fewer: Vec<&str> = Vec::new();
        // Cut before each element of the top level.
        let mut depth = 0;
        for (at, byte) in shortest.bytes().enumerate() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                b',' if depth == 1 => fewer.push(&shortest[..at]),
                _ => {}
            }
        }
        for cut in fewer {
            let text = format!("{cut}]");
            assert!(Message::parse(Serializer::Json, text.as_bytes()).is_err(), "{text}");
        }
        let longest = texts.last().unwrap();
        for more in ["1", "[]", "{}", "null"] {
            let text = format!("{},{more},{more},{more}]", &longest[..longest.len() - 1]);
            assert!(Message::parse(Serializer::Json, text.as_bytes()).is_err(), "{text}");
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, why) in [
        (r#"[16,1,{"acknowledge":1},"a.b"]"#, "Publish.options.acknowledge: "),
        (r#"[16,1,{"exclude":["x"]},"a.b"]"#, "Publish.options.exclude: "),
        (r#"[16,1,{"enc_algo":"rot13"},"a.b"]"#, "Publish.options.enc_algo: unknown algorithm"),
        (r#"[16,1,{},"a.b",7]"#, "Publish.payload.Arguments: expected a list"),
        (r#"[16,1,{},"a.b",[],7]"#, "Publish.payload.ArgumentsKw: expected a dict"),
        (r#"[32,1,{"match":"fuzzy"},"a.b"]"#, "Subscribe.options.match: "),
        (r#"[48,1,{"timeout":5,"timeout":5},"a"]"#, "Call.options.timeout: given twice"),
        (r#"[1,"r",{"roles":{"caller":7}}]"#, "Hello.details.roles.caller: "),
        ("[33,9007199254740993,1]", "Subscribed.request: an id is at most 2^53"),
        ("[33,1]", "Subscribed.subscription: missing"),
        ("[1000]", "unknown message type"),
    ] {
        let invalid = Message::parse(Serializer::Json, text.as_bytes()).unwrap_err();
        assert!(invalid.to_string().starts_with(why), "{text}: {invalid}");
    }
}

// spec: B-MSG-89, B-PERR-13
#[test]
fn every_cut_and_every_tail_is_refused() {
    for serializer in Serializer::ALL {
        for text in LAYOUTS.iter().flat_map(|(_, _, texts)| *texts) {
            let mut bytes = in_serializer(serializer, text);
            for length in 0..bytes.len() {
                assert!(Message::parse(serializer, &bytes[..length]).is_err(), "{text} {length}");
            }
            bytes.extend_from_slice(if serializer == Serializer::Json { b"1" } else { b"\x01" });
            assert!(Message::parse(serializer, &bytes).is_err(), "{text} and more");
        }
    }
}

// spec: B-ID-05
#[test]
fn request_ids_wrap_after_the_last() {
    assert_eq!(RequestId(1 << 53).next(), RequestId(1));
    assert_eq!(RequestId(7).next(), RequestId(8));
}

// spec: B-SESS-30
#[test]
fn every_key_of_ours_has_the_form_of_predefined_ones() {
    let all = [
        HelloDetails::KEYS,
        WelcomeDetails::KEYS,
        Features::KEYS,
        PublishOptions::KEYS,
        EventDetails::KEYS,
        InvocationDetails::KEYS,
        ResultDetails::KEYS,
        ErrorDetails::KEYS,
        Passthru::KEYS,
        Receivers::KEYS,
    ];
    for key in all.concat() {
        let mut bytes = key.bytes();
        assert!(key.len() >= 3 && bytes.next().is_some_and(|b| b.is_ascii_lowercase()), "{key}");
        assert!(bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{key}");
    }
}

/// A message with an element for every place: required ones, a bar, optional ones. A letter
/// stands for what the place takes.
const PLACES: [(u64, &str, &str, &[&str]); 25] = [
    (1, "Hello", "td|", &["realm", "details"]),
    (2, "Welcome", "id|", &["session", "details"]),
    (3, "Abort", "dt|lk", &["details", "reason"]),
    (4, "Challenge", "td|", &["method", "extra"]),
    (5, "Authenticate", "td|", &["signature", "extra"]),
    (6, "Goodbye", "dt|", &["details", "reason"]),
    (8, "Error", "nidt|lk", &["request_type", "request", "details", "error"]),
    (16, "Publish", "idt|lk", &["request", "options", "topic"]),
    (17, "Published", "ii|", &["request", "publication"]),
    (32, "Subscribe", "idt|", &["request", "options", "topic"]),
    (33, "Subscribed", "ii|", &["request", "subscription"]),
    (34, "Unsubscribe", "ii|d", &["request", "subscription", "options"]),
    (35, "Unsubscribed", "i|d", &["request", "details"]),
    (36, "Event", "iid|lk", &["subscription", "publication", "details"]),
    (48, "Call", "idt|lk", &["request", "options", "procedure"]),
    (49, "Cancel", "id|", &["request", "options"]),
    (50, "Result", "id|lk", &["request", "details"]),
    (64, "Register", "idt|", &["request", "options", "procedure"]),
    (65, "Registered", "ii|", &["request", "registration"]),
    (66, "Unregister", "ii|d", &["request", "registration", "options"]),
    (67, "Unregistered", "i|d", &["request", "details"]),
    (68, "Invocation", "iid|lk", &["request", "registration", "details"]),
    (69, "Interrupt", "id|", &["request", "options"]),
    (70, "Yield", "id|lk", &["request", "options"]),
    (337, "EventReceived", "i|", &["publication"]),
];

/// JSON for what a letter of the layouts stands for.
fn element(letter: char) -> &'static str {
    match letter {
        't' => "\"a.b\"",
        'd' => "{}",
        'i' => "9007199254740992",
        'n' => "48",
        'l' => "[1,[\"two\"]]",
        'k' => "{\"k\":null}",
        _ => unreachable!("no such letter"),
    }
}

fn message(code: u64, elements: &[&str]) -> String {
    let code = code.to_string();
    let all: Vec<&str> = std::iter::once(code.as_str()).chain(elements.iter().copied()).collect();
    format!("[{}]", all.join(","))
}

fn elements(layout: &str) -> (Vec<&'static str>, usize) {
    let required = layout.find('|').expect("layouts have a bar");
    (layout.chars().filter(|letter| *letter != '|').map(element).collect(), required)
}

fn parse(text: &str) -> std::result::Result<Message<'_>, Invalid> {
    Message::parse(Serializer::Json, text.as_bytes())
}

/// Why `text` is no message.
fn refusal(text: &str) -> String {
    match parse(text) {
        Ok(message) => panic!("{text} is taken for {message:?}"),
        Err(invalid) => invalid.to_string(),
    }
}

// spec: B-PERR-14, B-MSG-88
#[test]
fn too_few_and_too_many_elements_are_told() {
    for (code, name, layout, names) in PLACES {
        let (all, required) = elements(layout);
        for count in 0..required {
            let missing = format!("{name}.{}: missing", names[count]);
            assert_eq!(refusal(&message(code, &all[..count])), missing);
        }
        let more: Vec<_> = all.iter().copied().chain(["0"]).collect();
        assert_eq!(refusal(&message(code, &more)), format!("{name}: too many elements"));
    }
}

// spec: B-PERR-14, B-MSG-81, B-MSG-89
#[test]
fn an_element_of_another_type_is_named() {
    for (code, name, layout, names) in PLACES {
        let (all, _) = elements(layout);
        for (place, letter) in layout.chars().filter(|letter| *letter != '|').enumerate() {
            let wrong = ["null", "true", "-1", "1.0", "\"text\"", "[]", "{}"];
            let legal = |other: &&str| match letter {
                't' => other.starts_with('"'),
                'd' | 'k' => *other == "{}",
                'l' => *other == "[]",
                _ => false,
            };
            for other in wrong.iter().filter(|other| !legal(other)) {
                let mut changed = all.clone();
                changed[place] = other;
                let why = refusal(&message(code, &changed));
                let named = match letter {
                    'l' => "Arguments".into(),
                    'k' => "ArgumentsKw".into(),
                    _ => format!("{name}.{}: ", names[place]),
                };
                assert!(why.contains(&named), "{why:?} does not name {named}");
            }
        }
    }
}

// spec: B-PERR-12, B-MSG-80, B-MSG-83
#[test]
fn what_has_no_known_code_is_no_message() {
    for text in ["[]", "{}", "32", "\"x\"", "null", "", " ", "[", "[[32]]", "[\"32\"]", "[32.0]"] {
        refusal(text);
    }
    let known = PLACES.map(|(code, ..)| code);
    for code in (0..2_000).filter(|code| !known.contains(code)) {
        assert_eq!(refusal(&format!("[{code}]")), "unknown message type");
    }
    refusal("[1,\"r\",{}]]");
    assert!(parse(" [ 1 , \"r\" , { } ] ").is_ok());
}

// spec: B-ID-01
#[test]
fn ids_reach_to_two_to_the_power_of_53() {
    assert!(parse("[32,9007199254740992,{},\"a\"]").is_ok());
    assert!(refusal("[32,9007199254740993,{},\"a\"]").starts_with("Subscribe.request: "));
    assert!(refusal("[33,1,18446744073709551615]").starts_with("Subscribed.subscription: "));
    assert!(refusal("[33,1,18446744073709551616]").starts_with("Subscribed.subscription: "));
}

// spec: B-PERR-17, D-15, B-SESS-31
#[test]
fn an_attribute_of_the_wrong_type_is_named_by_its_whole_path() {
    let table = [
        ("[1,\"r\",{\"roles\":[]}]", "Hello.details.roles: "),
        ("[1,\"r\",{\"roles\":{\"callee\":1}}]", "Hello.details.roles.callee: "),
        (
            "[1,\"r\",{\"roles\":{\"callee\":{\"features\":{\"call_timeout\":1}}}}]",
            "Hello.details.roles.callee.features.call_timeout: ",
        ),
        ("[1,\"r\",{\"authmethods\":\"ticket\"}]", "Hello.details.authmethods: "),
        ("[1,\"r\",{\"authmethods\":[1]}]", "Hello.details.authmethods: "),
        ("[16,1,{\"exclude_me\":1},\"a\"]", "Publish.options.exclude_me: "),
        ("[16,1,{\"eligible\":[\"x\"]},\"a\"]", "Publish.options.eligible: "),
        ("[16,1,{\"enc_algo\":\"rot13\"},\"a\"]", "Publish.options.enc_algo: "),
        ("[32,1,{\"match\":\"regex\"},\"a\"]", "Subscribe.options.match: "),
        ("[48,1,{\"timeout\":-1},\"a\"]", "Call.options.timeout: "),
        ("[48,1,{\"timeout\":1.5},\"a\"]", "Call.options.timeout: "),
        ("[49,1,{\"mode\":1}]", "Cancel.options.mode: "),
        ("[70,1,{\"progress\":\"yes\"}]", "Yield.options.progress: "),
        (
            "[16,1,{\"forward_for\":[{\"session\":\"x\"}]},\"a\"]",
            "Publish.options.forward_for.session: ",
        ),
    ];
    for (text, path) in table {
        let why = refusal(text);
        assert!(why.starts_with(path), "{why:?} does not start with {path:?}");
    }
}

// spec: B-SESS-29, B-PS-21, basic/messages#extensibility
#[test]
fn unknown_attributes_are_skipped_whatever_they_hold() {
    let text = "[16,1,{\"_a\":{\"b\":[null,{}]},\"acknowledge\":true,\"zz\":1e9,\"\":\"\"},\"a\"]";
    let Ok(Message::Publish(publish)) = parse(text) else { panic!("a PUBLISH") };
    assert_eq!(publish.options.acknowledge, Some(true));
    assert_eq!(Attributes::count(&publish.options), 1);
    // Skipping checks what it skips.
    refusal("[16,1,{\"_a\":[},\"a\"]");
    refusal("[16,1,{\"_a\":\"\u{1}\"},\"a\"]");
}

#[test]
fn nesting_is_bounded_wherever_it_is() {
    let nested = |depth: u32| {
        let depth = depth as usize;
        format!("[16,1,{{}},\"a\",{}{}]", "[".repeat(depth), "]".repeat(depth))
    };
    assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
    refusal(&nested(DEPTH_MAX));
    refusal(&nested(100_000));
    refusal(&format!("[16,1,{{\"_x\":{}", "[".repeat(100_000)));
}

// spec: B-MSG-84, B-MSG-85, B-MSG-86
#[test]
fn payload_stays_as_it_was_written() {
    let text = "[16,1,{},\"a\",[ 1 , 1.50,\"\\u0061\" ],{ \"k\" : [ ] }]";
    let parsed = parse(text).unwrap();
    let payload = parsed.payload().unwrap();
    assert_eq!(payload.arguments(), Some(&b"[ 1 , 1.50,\"\\u0061\" ]"[..]));
    assert_eq!(payload.arguments_kw(), Some(&b"{ \"k\" : [ ] }"[..]));
    let mut written = Vec::new();
    parsed.write(Serializer::Json, &mut written);
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

// spec: C-08, D-12
#[test]
fn octets_stand_for_arguments_only_where_passthru_is_announced() {
    let announced = "[16,1,{\"enc_algo\":\"cryptobox\"},\"a\",\"\\u0000AAEC\"]";
    let parsed = parse(announced).unwrap();
    assert!(parsed.payload().unwrap().is_transparent());
    assert_eq!(refusal("[16,1,{},\"a\",\"\\u0000AAEC\"]"), "Arguments: expected a list");
    refusal("[16,1,{\"enc_algo\":\"cryptobox\"},\"a\",\"text\"]");
    // MessagePack: PUBLISH with two octets for Arguments.
    let octets = [0x95, 0x10, 0x01, 0x80, 0xA1, b'a', 0xC4, 0x02, 0x00, 0x01];
    assert!(Message::parse(Serializer::MessagePack, &octets).is_err());
}
