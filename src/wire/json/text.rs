//! Strings of JSON: eight octets at a time where nothing special stands.

use super::block::Block;
use crate::wire::Malformed;
use crate::wire::cursor::{ENDS_EARLY, HIGH_BITS, check_text};

const CONTROL: Malformed = Malformed("a control character in a JSON string is not escaped");
const ESCAPE: Malformed = Malformed("an unknown escape in a JSON string");
const SURROGATE: Malformed = Malformed("half of a surrogate pair in a JSON string");

/// A string that was passed over.
pub(super) struct Passed {
    /// The place after the closing quote.
    pub(super) end: usize,
    /// Whether it has escapes to resolve.
    pub(super) escaped: bool,
}

/// Passes over and validates the string whose opening quote stands at `start`.
#[inline]
pub(super) fn pass(bytes: &[u8], start: usize) -> Result<Passed, Malformed> {
    let first = start + 1;
    let mut at = first;
    let mut seen = 0;
    let mut escaped = false;
    loop {
        let block = Block::at(bytes, at);
        let special = block.special();
        if special.none() {
            seen |= block.octets();
            at += Block::SIZE;
            continue;
        }
        seen |= block.octets_before(special);
        at += special.first();
        match bytes.get(at) {
            Some(b'"') => break,
            Some(b'\\') => {
                escaped = true;
                at = pass_escape(bytes, at)?;
            }
            Some(_) => return Err(CONTROL),
            None => return Err(ENDS_EARLY),
        }
    }
    if seen & HIGH_BITS != 0 {
        check_text(bytes.get(first..at).ok_or(ENDS_EARLY)?)?;
    }
    Ok(Passed { end: at + 1, escaped })
}

/// Resolves the escapes of `raw`, the inside of a string that was passed over.
pub(super) fn resolve(raw: &str) -> Result<String, Malformed> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(plain) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at_checked(plain).ok_or(ESCAPE)?;
        text.push_str(before);
        let (character, length) = character(escape.as_bytes())?;
        text.push(character);
        rest = escape.get(length..).ok_or(ESCAPE)?;
    }
    text.push_str(rest);
    Ok(text)
}

/// Appends `text` as a string, quotes included.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_length(rest);
        let Some((run, [special, after @ ..])) = rest.split_at_checked(plain) else {
            break;
        };
        out.extend_from_slice(run);
        write_escape(out, *special);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, special: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match special {
        b'"' | b'\\' => special,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(special >> 4), digit(special & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// How many octets stand before the first that must be escaped.
fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let special = Block::at(bytes, at).special();
        if !special.none() {
            return bytes.len().min(at + special.first());
        }
        at += Block::SIZE;
    }
    bytes.len()
}

/// Passes over the escape at `at`; both halves of a surrogate pair are one.
fn pass_escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let (_, length) = character(bytes.get(at..).ok_or(ENDS_EARLY)?)?;
    Ok(at + length)
}

/// The character that the escape at the start of `escape` stands for, and the escape's length.
fn character(escape: &[u8]) -> Result<(char, usize), Malformed> {
    let short = match escape.get(1).ok_or(ENDS_EARLY)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return hexadecimal_character(escape),
        _ => return Err(ESCAPE),
    };
    Ok((short, 2))
}

fn hexadecimal_character(escape: &[u8]) -> Result<(char, usize), Malformed> {
    let unit = hexadecimal(escape, 2)?;
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, 6));
    }
    // Only the two ranges of surrogates are no characters by themselves.
    if unit >= 0xdc00 || escape.get(6..8) != Some(b"\\u") {
        return Err(SURROGATE);
    }
    let low = hexadecimal(escape, 8)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(SURROGATE);
    }
    let character = char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    character.map(|character| (character, 12)).ok_or(SURROGATE)
}

fn hexadecimal(escape: &[u8], from: usize) -> Result<u32, Malformed> {
    let digits = escape.get(from..from + 4).ok_or(ENDS_EARLY)?;
    digits.iter().try_fold(0, |unit, &digit| {
        let value = char::from(digit).to_digit(16).ok_or(ESCAPE)?;
        Ok(unit << 4 | value)
    })
}
