//! A RawSocket that says any octets, in any serializer, and reads frames.

use gigawamp::sim::Value;
use gigawamp::wire::Serializer;
use serde_json::json;

use crate::line::Line;

/// An open RawSocket.
pub(crate) struct Raw {
    pub(crate) line: Line,
    pub(crate) serializer: Serializer,
}

/// The number of a serializer in the handshake.
pub(crate) fn number(serializer: Serializer) -> u8 {
    match serializer {
        Serializer::Json => 1,
        Serializer::MessagePack => 2,
        Serializer::Cbor => 3,
        Serializer::Ubjson => 4,
    }
}

impl Raw {
    /// Opens one for a client that takes messages of any length.
    pub(crate) fn open(address: &str, serializer: Serializer) -> Result<Self, String> {
        Self::taking(address, serializer, 15)
    }

    /// Opens one for a client that takes messages of 2^(9 + `exponent`) octets.
    pub(crate) fn taking(
        address: &str,
        serializer: Serializer,
        exponent: u8,
    ) -> Result<Self, String> {
        let mut line = Line::to(address);
        line.say(&[0x7F, exponent << 4 | number(serializer), 0, 0]);
        let answer = line.take(4)?;
        if answer[0] == 0x7F && answer[1] & 0x0F == number(serializer) {
            Ok(Self { line, serializer })
        } else {
            Err(format!("{answer:?} instead of a handshake"))
        }
    }

    /// Sends one message as these octets; false if the router does not take it any more.
    pub(crate) fn say(&mut self, message: &[u8]) -> bool {
        self.line.say(&frame(message))
    }

    /// Sends one message.
    pub(crate) fn tell(&mut self, message: &serde_json::Value) -> bool {
        let frame = frame(&encode(self.serializer, message));
        self.line.say(&frame)
    }

    /// Joins a realm; the session id.
    pub(crate) fn join(&mut self, realm: &str) -> Result<u64, String> {
        let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
        self.tell(&json!([1, realm, {"roles": roles}]));
        let welcome = self.hear()?;
        match welcome.items() {
            [Value::Integer(2), id, _] => id.number().ok_or("no session id".to_owned()),
            _ => Err(format!("{welcome} instead of WELCOME")),
        }
    }

    /// The next frame: its first octet and payload. None at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, String> {
        while self.line.received.is_empty() {
            if !self.line.more()? {
                return Ok(None);
            }
        }
        let head = self.line.take(4)?;
        let length = u32::from_be_bytes(head[..].try_into().unwrap()) & 0x00FF_FFFF;
        Ok(Some((head[0], self.line.take(length as usize)?)))
    }

    /// The next message.
    pub(crate) fn hear(&mut self) -> Result<Value, String> {
        match self.next()? {
            Some((0, message)) => Value::read(self.serializer, &message),
            other => Err(format!("{other:?} instead of a message")),
        }
    }

    /// The next message, which must have this type.
    pub(crate) fn expect(&mut self, code: u64) -> Result<Vec<Value>, String> {
        let message = self.hear()?;
        match message.items().first().and_then(Value::number) {
            Some(found) if found == code => Ok(message.items().to_vec()),
            _ => Err(format!("{message} instead of a message of type {code}")),
        }
    }

    /// The reason of the ABORT that comes next, behind which the router must close.
    pub(crate) fn abort(&mut self) -> Result<String, String> {
        let abort = self.expect(3)?;
        match (self.next()?, abort.get(2)) {
            (None, Some(Value::Text(reason))) => Ok(reason.clone()),
            other => Err(format!("{other:?} behind ABORT")),
        }
    }
}

/// A message of usual length behind its prefix.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}

/// `message` as a client of `serializer` sends it: with heads of one octet and ends instead of
/// counts where there are any, so that something can be put in.
pub(crate) fn encode(serializer: Serializer, message: &serde_json::Value) -> Vec<u8> {
    let mut out = Vec::new();
    match serializer {
        Serializer::Json => out = message.to_string().into_bytes(),
        Serializer::MessagePack | Serializer::Cbor | Serializer::Ubjson => {
            write(serializer, message, &mut out);
        }
    }
    out
}

fn write(serializer: Serializer, value: &serde_json::Value, out: &mut Vec<u8>) {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    let column = match serializer {
        Serializer::MessagePack => 0,
        Serializer::Cbor => 1,
        Serializer::Ubjson | Serializer::Json => 2,
    };
    match value {
        Null => out.push([0xC0, 0xF6, b'Z'][column]),
        Bool(false) => out.push([0xC2, 0xF4, b'F'][column]),
        Bool(true) => out.push([0xC3, 0xF5, b'T'][column]),
        Number(number) => {
            out.push([0xCF, 0x1B, b'L'][column]);
            out.extend_from_slice(&number.as_u64().expect("a whole number").to_be_bytes());
        }
        String(text) => {
            if serializer == Serializer::Ubjson {
                out.push(b'S');
            }
            write_text(serializer, text, out);
        }
        Array(items) => {
            out.push([0x90, 0x80, b'['][column] | short(serializer, items.len()));
            items.iter().for_each(|item| write(serializer, item, out));
            out.extend((serializer == Serializer::Ubjson).then_some(b']'));
        }
        Object(entries) => {
            out.push([0x80, 0xA0, b'{'][column] | short(serializer, entries.len()));
            for (key, value) in entries {
                write_text(serializer, key, out);
                write(serializer, value, out);
            }
            out.extend((serializer == Serializer::Ubjson).then_some(b'}'));
        }
    }
}

/// What a count adds to a head of one octet.
fn short(serializer: Serializer, count: usize) -> u8 {
    assert!(count < 16, "it fits into every head");
    if serializer == Serializer::Ubjson { 0 } else { count as u8 }
}

fn write_text(serializer: Serializer, text: &str, out: &mut Vec<u8>) {
    match serializer {
        Serializer::Ubjson => {
            out.push(b'L');
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
        Serializer::Json | Serializer::MessagePack | Serializer::Cbor => {
            out.push(if serializer == Serializer::MessagePack { 0xDB } else { 0x7A });
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}
