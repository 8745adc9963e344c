//! The layout of every message, as the specification's table has it.

use super::*;

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
// spec: B-MSG-68, B-MSG-70, B-MSG-80
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
