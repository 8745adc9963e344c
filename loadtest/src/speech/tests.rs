//! What a client of the load generator writes and reads, against the library's own reader.

use gigawamp::message::{
    Call, Event, EventDetails, PublicationId, Published, Result as CallResult, SubscriptionId,
};

use super::*;

const STAMP: Stamp = Stamp { source: 3, sequence: 1_000, sent: 77 };

fn call(serializer: Serializer, payload_bytes: usize) -> Template {
    Template::new(serializer, payload_bytes, |request, payload| {
        let procedure = "load.rpc.1".into();
        Call { request, options: Default::default(), procedure, payload }.into()
    })
}

/// The whole text that `template` puts into its payload, as another peer would see it.
fn text(serializer: Serializer, payload_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    call(serializer, payload_bytes).write(9, STAMP, &mut bytes);
    let Message::Call(call) = Message::parse(serializer, &bytes).unwrap() else {
        panic!("no CALL");
    };
    call.payload.arguments().unwrap().to_vec()
}

fn written(serializer: Serializer, message: impl Into<Message<'static>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.into().write(serializer, &mut bytes);
    bytes
}

#[test]
fn a_template_is_the_message_it_was_made_of() {
    for serializer in Serializer::ALL {
        for (id, bytes) in [(1, 32), (200, 64), (70_000, 300), (1 << 53, 70_000)] {
            let mut out = Vec::new();
            call(serializer, bytes).write(id, STAMP, &mut out);
            let Message::Call(call) = Message::parse(serializer, &out).unwrap() else {
                panic!("no CALL");
            };
            assert_eq!((call.request.0, &*call.procedure), (id, "load.rpc.1"));
            let arguments = call.payload.arguments().unwrap();
            let at = arguments.windows(32).position(|window| *window == STAMP.to_text());
            assert!(at.is_some_and(|at| arguments.len() >= at + bytes));
        }
    }
}

#[test]
fn results_and_events_are_scanned_as_they_are_parsed() {
    for serializer in Serializer::ALL {
        let text = text(serializer, 64);
        for id in [1, 23, 24, 255, 256, 65_536, 1 << 32, 1 << 53] {
            let payload = Payload::from_elements(serializer, (&text, &[]), false);
            let details = EventDetails { topic: Some("load.topic".into()), ..Default::default() };
            let event = Event {
                subscription: SubscriptionId(id),
                publication: PublicationId(5),
                details,
                payload,
            };
            let result =
                CallResult { request: RequestId(id), details: Default::default(), payload };
            for message in [Message::from(event), Message::from(result)] {
                let mut bytes = Vec::new();
                message.write(serializer, &mut bytes);
                let scanner = Scanner::new(serializer, message.code(), 64);
                let heard = Heard { id, stamp: STAMP };
                assert_eq!(scanner.scan_quickly(&bytes), Some(heard), "{serializer:?}");
                assert_eq!(scanner.parse(&bytes), Ok(heard), "{serializer:?}");
            }
        }
    }
}

#[test]
fn an_acknowledgement_has_no_payload() {
    for serializer in Serializer::ALL {
        let published = Published { request: RequestId(300), publication: PublicationId(1 << 50) };
        let bytes = written(serializer, published);
        let scanner = Scanner::new(serializer, Published::CODE, 0);
        let heard = Heard { id: 300, stamp: Stamp::default() };
        assert_eq!(scanner.scan_quickly(&bytes), Some(heard));
        assert_eq!(scanner.parse(&bytes), Ok(heard));
    }
}

#[test]
fn json_with_white_space_is_parsed() {
    let text = String::from_utf8(text(Serializer::Json, 32)).unwrap();
    let message = format!("[50, 17, {{}}, {text}]");
    let scanner = Scanner::new(Serializer::Json, 50, 32);
    assert_eq!(scanner.scan(message.as_bytes()), Ok(Heard { id: 17, stamp: STAMP }));
}

#[test]
fn a_null_for_keyword_arguments_is_overlooked() {
    let text = String::from_utf8(text(Serializer::Json, 32)).unwrap();
    let message = format!("[50,7,{{}},{text},null]");
    let scanner = Scanner::new(Serializer::Json, 50, 32);
    assert_eq!(scanner.scan(message.as_bytes()), Ok(Heard { id: 7, stamp: STAMP }));
}

#[test]
fn anything_else_is_named() {
    let scanner = Scanner::new(Serializer::Json, 50, 32);
    let error = br#"[8,48,7,{"message":"none there"},"wamp.error.no_such_procedure"]"#;
    let named = "ERROR wamp.error.no_such_procedure none there";
    assert_eq!(scanner.scan(error), Err(named.to_owned()));
    assert!(scanner.scan(b"[50,1,{}]").unwrap_err().contains("altered"));
    assert!(scanner.scan(b"[50,1").unwrap_err().contains("no message"));
    let mut text = text(Serializer::Json, 32);
    text[5] = b'!';
    let message = [b"[50,1,{},", &*text, b"]"].concat();
    assert!(scanner.scan(&message).unwrap_err().contains("altered"));
    assert!(Scanner::bare(true).scan(&[0; 64]).is_err());
}
