//! Values, for tests only: what a payload means, whatever serializer it came in.
//!
//! The router never turns a payload into values. The simulator and the tests do, by decoders of
//! their own, so that what the router's readers, writers and transcoder do is judged by something
//! that shares no line with them. Clear and slow; fed only by ourselves and by the router.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever a value is not, it is not")]

mod ubjson;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::Serializer;

/// Anything a message may hold.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Octets.
    Binary(Vec<u8>),
    /// Values in order.
    List(Vec<Self>),
    /// Values by key; their order means nothing.
    Dict(Vec<(String, Self)>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(one), Self::Boolean(two)) => one == two,
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.to_bits() == two.to_bits(),
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Binary(one), Self::Binary(two)) => one == two,
            (Self::List(one), Self::List(two)) => one == two,
            (Self::Dict(one), Self::Dict(two)) => {
                one.len() == two.len()
                    && one.iter().all(|(key, value)| other.get(key).is_some_and(|its| its == value))
            }
            _ => false,
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = Vec::new();
        self.write(Serializer::Json, &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl Value {
    /// What `key` holds in a dict.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A dict with the entries of another behind its own.
    ///
    /// # Panics
    ///
    /// If either is no dict.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        let (Self::Dict(mut entries), Self::Dict(more)) = (self, more) else {
            panic!("only dicts have entries");
        };
        entries.extend(more);
        Self::Dict(entries)
    }

    /// The items of a list, none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Reads exactly one value.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the bytes.
    pub fn read(serializer: Serializer, bytes: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor { bytes, at: 0 };
        let value = match serializer {
            Serializer::Json => cursor.json(),
            Serializer::MessagePack => cursor.msgpack(),
            Serializer::Cbor => cursor.cbor(),
            Serializer::Ubjson => cursor.ubjson(),
        }?;
        if serializer == Serializer::Json {
            cursor.space();
        }
        match cursor.at == bytes.len() {
            true => Ok(value),
            false => Err(format!("something follows the value at octet {}", cursor.at)),
        }
    }

    /// Appends this value.
    pub fn write(&self, serializer: Serializer, out: &mut Vec<u8>) {
        match serializer {
            Serializer::Json => self.write_json(out),
            Serializer::MessagePack => self.write_msgpack(out),
            Serializer::Cbor => self.write_cbor(out),
            Serializer::Ubjson => self.write_ubjson(out),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            // Debug keeps the point: 1.0 is no integer.
            Self::Float(value) => out.extend_from_slice(format!("{value:?}").as_bytes()),
            Self::Text(text) => write_json_text(text, out),
            Self::Binary(octets) => {
                out.extend_from_slice(b"\"\\u0000");
                out.extend_from_slice(STANDARD.encode(octets).as_bytes());
                out.push(b'"');
            }
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { b"," });
                    item.write_json(out);
                }
                out.push(b']');
            }
            Self::Dict(entries) => {
                out.push(b'{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { b"," });
                    write_json_text(key, out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }

    fn write_msgpack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xC0),
            Self::Boolean(value) => out.push(0xC2 + u8::from(*value)),
            Self::Integer(value) => match *value {
                small @ 0..=0x7F => out.push(small as u8),
                small @ -32..=-1 => out.push(small as i8 as u8),
                0.. => {
                    out.push(0xCF);
                    out.extend_from_slice(&(*value as u64).to_be_bytes());
                }
                _ => {
                    out.push(0xD3);
                    out.extend_from_slice(&(*value as i64).to_be_bytes());
                }
            },
            Self::Float(value) => {
                out.push(0xCB);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => {
                out.push(0xDB);
                write_length(text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Binary(octets) => {
                out.push(0xC6);
                write_length(octets.len(), out);
                out.extend_from_slice(octets);
            }
            Self::List(items) => {
                out.push(0xDD);
                write_length(items.len(), out);
                items.iter().for_each(|item| item.write_msgpack(out));
            }
            Self::Dict(entries) => {
                out.push(0xDF);
                write_length(entries.len(), out);
                for (key, value) in entries {
                    Self::Text(key.clone()).write_msgpack(out);
                    value.write_msgpack(out);
                }
            }
        }
    }

    fn write_cbor(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xF6),
            Self::Boolean(value) => out.push(0xF4 + u8::from(*value)),
            Self::Integer(value) if *value < 0 => write_cbor_head(1, (-1 - *value) as u64, out),
            Self::Integer(value) => write_cbor_head(0, *value as u64, out),
            Self::Float(value) => {
                out.push(0xFB);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => {
                write_cbor_head(3, text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Binary(octets) => {
                write_cbor_head(2, octets.len() as u64, out);
                out.extend_from_slice(octets);
            }
            Self::List(items) => {
                write_cbor_head(4, items.len() as u64, out);
                items.iter().for_each(|item| item.write_cbor(out));
            }
            Self::Dict(entries) => {
                write_cbor_head(5, entries.len() as u64, out);
                for (key, value) in entries {
                    Self::Text(key.clone()).write_cbor(out);
                    value.write_cbor(out);
                }
            }
        }
    }
}

fn write_json_text(text: &str, out: &mut Vec<u8>) {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a string takes all");
            }
            other => quoted.push(other),
        }
    }
    out.extend_from_slice(quoted.as_bytes());
    out.push(b'"');
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    let length = u32::try_from(length).expect("test values are short");
    out.extend_from_slice(&length.to_be_bytes());
}

/// In the shortest form, as MessagePack above is in the longest: both are legal.
fn write_cbor_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xFF => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xFFFF => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// A place in bytes that are being read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, String>;

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or("the bytes end too soon")?;
        self.at += count;
        Ok(taken)
    }

    fn octet(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// A big-endian number of `count` octets.
    fn number(&mut self, count: usize) -> Read<u64> {
        let octets = self.take(count)?.iter();
        Ok(octets.fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }

    fn text_of(&mut self, count: u64) -> Read<String> {
        let octets = self.take(count as usize)?.to_vec();
        String::from_utf8(octets).map_err(|_| "text that is no UTF-8".into())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn json(&mut self) -> Read<Value> {
        self.space();
        match self.peek().ok_or("the bytes end too soon")? {
            b'"' => {
                let text = self.json_text()?;
                // spec: advanced/serialization_binary_json — octets in a text
                match text.strip_prefix('\0') {
                    None => Ok(Value::Text(text)),
                    Some(encoded) => STANDARD
                        .decode(encoded)
                        .map(Value::Binary)
                        .map_err(|_| "a NUL with no base64 behind it".into()),
                }
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.json_more(b']', items.is_empty())? {
                    items.push(self.json()?);
                }
                Ok(Value::List(items))
            }
            b'{' => {
                self.at += 1;
                let mut entries = Vec::new();
                while self.json_more(b'}', entries.is_empty())? {
                    self.space();
                    let key = self.json_text()?;
                    self.space();
                    if self.octet()? != b':' {
                        return Err("a key without a value".into());
                    }
                    entries.push((key, self.json()?));
                }
                Ok(Value::Dict(entries))
            }
            _ => self.json_word(),
        }
    }

    fn json_more(&mut self, end: u8, first: bool) -> Read<bool> {
        self.space();
        match self.peek() {
            Some(octet) if octet == end => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(format!("no comma at octet {}", self.at)),
        }
    }

    /// A number, `true`, `false` or `null`.
    fn json_word(&mut self) -> Read<Value> {
        let start = self.at;
        let part = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
        while self.peek().is_some_and(part) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.bytes[start..self.at]).expect("ASCII only");
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ if word.contains(['.', 'e', 'E']) => {
                word.parse().map(Value::Float).map_err(|_| format!("{word:?} is no number"))
            }
            _ => word
                .parse()
                .map(Value::Integer)
                .map_err(|_| format!("{word:?} at octet {start} is no JSON")),
        }
    }

    fn json_text(&mut self) -> Read<String> {
        if self.octet()? != b'"' {
            return Err("no text where one was expected".into());
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\')) {
                self.at += 1;
            }
            let plain = std::str::from_utf8(&self.bytes[start..self.at]);
            units.extend(plain.map_err(|_| "text that is no UTF-8")?.encode_utf16());
            if self.octet()? == b'"' {
                return String::from_utf16(&units).map_err(|_| "half a surrogate".into());
            }
            units.push(match self.octet()? {
                b'b' => 8,
                b't' => 9,
                b'n' => 10,
                b'f' => 12,
                b'r' => 13,
                b'u' => {
                    let digits = self.take(4)?;
                    let digits = std::str::from_utf8(digits).map_err(|_| "no hex digits")?;
                    u16::from_str_radix(digits, 16).map_err(|_| "no hex digits")?
                }
                other => other.into(),
            });
        }
    }

    fn msgpack(&mut self) -> Read<Value> {
        let head = self.octet()?;
        let small = u64::from(head);
        match head {
            0x00..=0x7F => Ok(Value::from(small)),
            0x80..=0x8F => self.msgpack_dict(small & 0x0F),
            0x90..=0x9F => self.msgpack_list(small & 0x0F),
            0xA0..=0xBF => self.text_of(small & 0x1F).map(Value::Text),
            0xC0 => Ok(Value::Null),
            0xC2 | 0xC3 => Ok(Value::Boolean(head == 0xC3)),
            0xC4..=0xC6 => {
                let count = self.number(1 << (head - 0xC4))?;
                Ok(Value::Binary(self.take(count as usize)?.to_vec()))
            }
            0xCA => Ok(Value::Float(f32::from_bits(self.number(4)? as u32).into())),
            0xCB => Ok(Value::Float(f64::from_bits(self.number(8)?))),
            0xCC..=0xCF => self.number(1 << (head - 0xCC)).map(Value::from),
            0xD0 => Ok(Value::Integer((self.number(1)? as i8).into())),
            0xD1 => Ok(Value::Integer((self.number(2)? as i16).into())),
            0xD2 => Ok(Value::Integer((self.number(4)? as i32).into())),
            0xD3 => Ok(Value::Integer((self.number(8)? as i64).into())),
            0xD9..=0xDB => {
                let count = self.number(1 << (head - 0xD9))?;
                self.text_of(count).map(Value::Text)
            }
            0xDC | 0xDD => {
                let count = self.number(2 << (head - 0xDC))?;
                self.msgpack_list(count)
            }
            0xDE | 0xDF => {
                let count = self.number(2 << (head - 0xDE))?;
                self.msgpack_dict(count)
            }
            0xE0.. => Ok(Value::Integer((head as i8).into())),
            _ => Err(format!("MessagePack head {head:02x} has no value here")),
        }
    }

    fn msgpack_list(&mut self, count: u64) -> Read<Value> {
        let items: Read<Vec<_>> = (0..count).map(|_| self.msgpack()).collect();
        items.map(Value::List)
    }

    fn msgpack_dict(&mut self, count: u64) -> Read<Value> {
        let entry = |_| Ok((text_key(self.msgpack()?)?, self.msgpack()?));
        let entries: Read<Vec<_>> = (0..count).map(entry).collect();
        entries.map(Value::Dict)
    }

    fn cbor(&mut self) -> Read<Value> {
        let head = self.octet()?;
        if head == 0xFF {
            return Err("an end without a beginning".into());
        }
        if head >> 5 == 7 {
            return self.cbor_simple(head);
        }
        let endless = head & 0x1F == 31;
        let argument = match head & 0x1F {
            small @ 0..=23 => small.into(),
            size @ 24..=27 => self.number(1 << (size - 24))?,
            31 => u64::MAX,
            _ => return Err("a reserved head".into()),
        };
        match (head >> 5, endless) {
            (0, false) => Ok(Value::from(argument)),
            (1, false) => Ok(Value::Integer(-1 - i128::from(argument))),
            (2, false) => Ok(Value::Binary(self.take(argument as usize)?.to_vec())),
            (3, false) => self.text_of(argument).map(Value::Text),
            (2 | 3, true) => self.cbor_chunks(head >> 5 == 3),
            (4, _) => {
                let mut items = Vec::new();
                while self.cbor_more(argument, items.len(), endless) {
                    items.push(self.cbor()?);
                }
                Ok(Value::List(items))
            }
            (5, _) => {
                let mut entries = Vec::new();
                while self.cbor_more(argument, entries.len(), endless) {
                    entries.push((text_key(self.cbor()?)?, self.cbor()?));
                }
                Ok(Value::Dict(entries))
            }
            _ => Err(format!("CBOR head {head:02x} has no value here")),
        }
    }

    fn cbor_simple(&mut self, head: u8) -> Read<Value> {
        match head & 0x1F {
            20 | 21 => Ok(Value::Boolean(head & 1 == 1)),
            22 | 23 => Ok(Value::Null),
            26 => Ok(Value::Float(f32::from_bits(self.number(4)? as u32).into())),
            27 => Ok(Value::Float(f64::from_bits(self.number(8)?))),
            _ => Err(format!("CBOR head {head:02x} has no value here")),
        }
    }

    fn cbor_more(&mut self, count: u64, so_far: usize, endless: bool) -> bool {
        if endless && self.peek() == Some(0xFF) {
            self.at += 1;
            return false;
        }
        endless || (so_far as u64) < count
    }

    fn cbor_chunks(&mut self, text: bool) -> Read<Value> {
        let mut whole = Vec::new();
        while self.cbor_more(0, 0, true) {
            match self.cbor()? {
                Value::Binary(octets) if !text => whole.extend(octets),
                Value::Text(part) if text => whole.extend(part.into_bytes()),
                _ => return Err("a chunk of another kind".into()),
            }
        }
        match text {
            false => Ok(Value::Binary(whole)),
            true => String::from_utf8(whole)
                .map(Value::Text)
                .map_err(|_| "text that is no UTF-8".into()),
        }
    }
}

fn text_key(key: Value) -> Read<String> {
    match key {
        Value::Text(key) => Ok(key),
        other => Err(format!("{other} is no key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_every_serializer() {
        let value = Value::List(vec![
            Value::Null,
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Float(1.0),
            Value::Float(-2.5e-300),
            Value::from("grüße \"\\ \u{1}\u{10_0000}"),
            Value::Binary(vec![0, 1, 254, 255]),
            Value::List(vec![]),
            Value::Dict(vec![("a".into(), Value::Dict(vec![])), (String::new(), 7.into())]),
        ]);
        let numbers = [0, 1, 23, 24, 127, 128, 255, 256, 65_535, 65_536, 1 << 32];
        let edges = [u64::MAX.into(), i64::MIN.into()];
        let signs = numbers.into_iter().chain([-1, -32, -33, -129]).chain(edges);
        let value = Value::List(vec![value, Value::List(signs.map(Value::Integer).collect())]);
        for serializer in Serializer::ALL {
            let mut bytes = Vec::new();
            value.write(serializer, &mut bytes);
            assert_eq!(Value::read(serializer, &bytes), Ok(value.clone()));
            for end in 0..bytes.len() {
                assert!(Value::read(serializer, &bytes[..end]).is_err());
            }
        }
    }
}
