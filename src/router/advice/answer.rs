//! What a callee's answer to the router holds: one JSON value.

use crate::limits::ADVICE_BYTES_MAX;
use crate::message::Payload;
use crate::wire::json::JsonReader;
use crate::wire::{Kind, Reader, Serializer};

/// The one value of a RESULT, in JSON; `null` if it has none.
pub(super) fn of_result(payload: &Payload<'_>) -> Result<String, &'static str> {
    let mut buffer = Vec::new();
    let payload = in_json(payload, &mut buffer)?;
    if !payload.arguments_kw().is_none_or(is_empty_dict) {
        return Err("the answer has keyword arguments");
    }
    let mut values = values_of(&payload);
    let value = values.next().unwrap_or("null");
    match values.next() {
        Some(_) => Err("the answer is more than one value"),
        None => Ok(value.to_owned()),
    }
}

/// The text that an ERROR carries: its first argument, if that is one, or nothing.
pub(super) fn text_of_error(payload: &Payload<'_>) -> String {
    let mut buffer = Vec::new();
    let payload = in_json(payload, &mut buffer);
    let first = payload.as_ref().ok().and_then(|payload| values_of(payload).next());
    let text = first.and_then(|first| JsonReader::open(first.as_bytes()).text().ok());
    text.map_or_else(String::new, |text| text.chars().take(TEXT_CHARACTERS_MAX).collect())
}

/// Characters of an advisor's message that are passed on.
const TEXT_CHARACTERS_MAX: usize = 1_000;

fn in_json<'b, 'a: 'b>(
    payload: &Payload<'a>,
    buffer: &'b mut Vec<u8>,
) -> Result<Payload<'b>, &'static str> {
    if payload.is_transparent() {
        return Err("the answer is not for the router to read");
    }
    if payload.len() > ADVICE_BYTES_MAX {
        return Err("the answer is too long");
    }
    payload.to(Serializer::Json, buffer).map_err(|_| "the answer has no form in JSON")
}

/// The positional arguments, each as its own JSON text.
fn values_of<'a>(payload: &Payload<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let mut reader = JsonReader::open(payload.arguments().unwrap_or(b"[]"));
    let mut sequence = reader.list().ok();
    std::iter::from_fn(move || {
        let more = reader.more(sequence.as_mut()?).ok()?;
        let value = if more { reader.skip().ok() } else { None };
        value.and_then(|value| std::str::from_utf8(value).ok())
    })
}

fn is_empty_dict(json: &[u8]) -> bool {
    let mut reader = JsonReader::open(json);
    let sequence = reader.kind().ok().filter(|kind| *kind == Kind::Dict);
    let sequence = sequence.and_then(|_| reader.dict().ok());
    sequence.is_some_and(|mut sequence| reader.more(&mut sequence) == Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::payload::Payload;

    fn payload<'a>(arguments: &'a str, keywords: &'a str) -> Payload<'a> {
        let elements = (arguments.as_bytes(), keywords.as_bytes());
        Payload::from_elements(Serializer::Json, elements, false)
    }

    #[test]
    fn an_answer_is_one_value() {
        for (arguments, keywords, value) in [
            ("", "", "null"),
            ("[]", "", "null"),
            ("[ true ]", "", "true"),
            (r#"[{"allow": true}]"#, "{ }", r#"{"allow": true}"#),
            (r#"["frontend"]"#, "{}", r#""frontend""#),
        ] {
            assert_eq!(of_result(&payload(arguments, keywords)), Ok(value.to_owned()));
        }
        let more = of_result(&payload("[true,true]", ""));
        assert_eq!(more, Err("the answer is more than one value"));
        let keywords = of_result(&payload("[true]", r#"{"a":1}"#));
        assert_eq!(keywords, Err("the answer has keyword arguments"));
        let long = format!("[\"{}\"]", "x".repeat(ADVICE_BYTES_MAX));
        assert_eq!(of_result(&payload(&long, "")), Err("the answer is too long"));
        let binary = Payload::from_elements(Serializer::MessagePack, (b"\xc4\x00", b""), true);
        assert_eq!(of_result(&binary), Err("the answer is not for the router to read"));
    }

    #[test]
    fn an_answer_is_read_in_any_serializer() {
        let packed = Payload::from_elements(Serializer::MessagePack, (b"\x91\xc3", b"\x80"), false);
        assert_eq!(of_result(&packed), Ok("true".to_owned()));
        let key =
            Payload::from_elements(Serializer::MessagePack, (b"\x91\x81\x01\x01", b""), false);
        assert_eq!(of_result(&key), Err("the answer has no form in JSON"));
    }

    #[test]
    fn an_error_may_say_why() {
        assert_eq!(text_of_error(&payload(r#"["no \u0041nn"]"#, "")), "no Ann");
        for other in ["", "[]", "[7]", "[{}]"] {
            assert_eq!(text_of_error(&payload(other, "")), "");
        }
        let long = format!("[\"{}\"]", "é".repeat(5_000));
        assert_eq!(text_of_error(&payload(&long, "")).chars().count(), TEXT_CHARACTERS_MAX);
    }
}
