//! UBJSON, as far as the router and the tests write it, and somewhat more.

use super::{Cursor, Read, Value};

impl Value {
    pub(super) fn write_ubjson(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(b'Z'),
            Self::Boolean(value) => out.push(if *value { b'T' } else { b'F' }),
            Self::Integer(value) => write_integer(*value, out),
            Self::Float(value) => {
                out.push(b'D');
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => {
                out.push(b'S');
                write_counted(text.as_bytes(), out);
            }
            Self::Binary(octets) => {
                out.extend_from_slice(b"[$U#");
                write_counted(octets, out);
            }
            // Counted, as the router's own are not: both are legal.
            Self::List(items) => {
                out.extend_from_slice(b"[#");
                write_integer(items.len() as i128, out);
                items.iter().for_each(|item| item.write_ubjson(out));
            }
            Self::Dict(entries) => {
                out.push(b'{');
                for (key, value) in entries {
                    write_counted(key.as_bytes(), out);
                    value.write_ubjson(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_counted(octets: &[u8], out: &mut Vec<u8>) {
    write_integer(octets.len() as i128, out);
    out.extend_from_slice(octets);
}

/// Small numbers in one octet, all others in the longest form there is for them.
fn write_integer(value: i128, out: &mut Vec<u8>) {
    if let Ok(small) = i8::try_from(value) {
        out.push(b'i');
        out.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(value) = i64::try_from(value) {
        out.push(b'L');
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(b'H');
        write_counted(value.to_string().as_bytes(), out);
    }
}

impl Cursor<'_> {
    pub(super) fn ubjson(&mut self) -> Read<Value> {
        let marker = self.octet()?;
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' | b'F' => Value::Boolean(marker == b'T'),
            b'd' => Value::Float(f32::from_bits(self.number(4)? as u32).into()),
            b'D' => Value::Float(f64::from_bits(self.number(8)?)),
            b'S' => Value::Text(self.ubjson_text()?),
            b'[' if self.peek() == Some(b'$') => {
                match self.take(3)? {
                    b"$U#" => {}
                    _ => return Err("a typed list that is no octets".into()),
                }
                let count = self.ubjson_length()?;
                Value::Binary(self.take(count)?.to_vec())
            }
            b'[' => self.ubjson_list()?,
            b'{' => self.ubjson_dict()?,
            _ => Value::Integer(self.ubjson_integer(marker)?),
        })
    }

    fn ubjson_list(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        if self.peek() == Some(b'#') {
            self.octet()?;
            for _ in 0..self.ubjson_length()? {
                items.push(self.ubjson()?);
            }
            return Ok(Value::List(items));
        }
        while self.peek() != Some(b']') {
            items.push(self.ubjson()?);
        }
        self.octet()?;
        Ok(Value::List(items))
    }

    fn ubjson_dict(&mut self) -> Read<Value> {
        let mut entries = Vec::new();
        while self.peek() != Some(b'}') {
            entries.push((self.ubjson_text()?, self.ubjson()?));
        }
        self.octet()?;
        Ok(Value::Dict(entries))
    }

    fn ubjson_text(&mut self) -> Read<String> {
        let count = self.ubjson_length()?;
        self.text_of(count as u64)
    }

    fn ubjson_length(&mut self) -> Read<usize> {
        let marker = self.octet()?;
        let length = self.ubjson_integer(marker)?;
        usize::try_from(length).map_err(|_| format!("a length of {length}"))
    }

    fn ubjson_integer(&mut self, marker: u8) -> Read<i128> {
        Ok(match marker {
            b'U' => self.number(1)?.into(),
            b'i' => (self.number(1)? as u8).cast_signed().into(),
            b'I' => (self.number(2)? as u16).cast_signed().into(),
            b'l' => (self.number(4)? as u32).cast_signed().into(),
            b'L' => self.number(8)?.cast_signed().into(),
            b'H' => {
                let digits = self.ubjson_text()?;
                digits.parse().map_err(|_| format!("{digits} is no whole number"))?
            }
            _ => return Err(format!("the marker {marker:#04x}")),
        })
    }
}
