//! `Sec-WebSocket-Extensions`: which compression is offered, and which is granted.
//!
//! permessage-deflate is the only extension that is known. An offer that is malformed, or asks for
//! what we cannot do, is passed over, never answered with an error: without an extension that both
//! know, a WebSocket goes without.
// spec: rfc7692#section-5, rfc7692#section-7.1

use super::deflate::Window;

const NAME: &[u8] = b"permessage-deflate";

/// What our client offers: nothing but messages that stand alone.
pub(crate) const OFFER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What the router grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The window of what we send.
    pub(crate) window: Window,
    /// Whether the client wants to know it.
    is_named: bool,
}

/// The parameters of one extension.
#[derive(Debug, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_bits_max: Option<u8>,
    /// A client may name it without a value: it could be told one.
    client_bits_max: Option<Option<u8>>,
}

impl Grant {
    /// Grants the first offer in the headers' `values` that we can keep, if there is one.
    pub(crate) fn choose<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut offers = values.into_iter().flat_map(|value| split(value, b','));
        offers.find_map(|offer| {
            let asked = Parameters::parse(offer)?.server_bits_max;
            let window = asked.map_or(Some(Window::Usual), Window::within)?;
            Some(Self { window, is_named: asked.is_some() })
        })
    }

    /// The value of the header that answers.
    ///
    /// That the client takes no context over may be demanded of every client; its window then
    /// costs us nothing and is its own choice.
    // spec: rfc7692#section-7.1.1.2
    pub(crate) fn answer(self) -> String {
        let mut answer = OFFER.to_owned();
        if self.is_named {
            answer += &format!("; server_max_window_bits={}", self.window.bits());
        }
        answer
    }
}

/// Whether the answer to [`OFFER`] in the headers' `values` grants it; `None` if it is wrong.
pub(crate) fn is_granted<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let mut answers = values.into_iter().flat_map(|value| split(value, b','));
    let Some(answer) = answers.next() else { return Some(false) };
    let granted = Parameters::parse(answer)
        .filter(|granted| granted.server_no_context_takeover && granted.client_bits_max.is_none());
    granted.filter(|_| answers.next().is_none()).map(|_| true)
}

impl Parameters {
    /// Reads one extension; `None` if it is another, malformed, or has a parameter twice.
    fn parse(extension: &[u8]) -> Option<Self> {
        let mut parts = split(extension, b';');
        if !parts.next()?.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut known = Self::default();
        for part in parts {
            let (name, value) = match part.iter().position(|&octet| octet == b'=') {
                Some(at) => {
                    let (name, value) = part.split_at_checked(at)?;
                    (name.trim_ascii_end(), Some(value.get(1..)?.trim_ascii_start()))
                }
                None => (part, None),
            };
            match (name, value) {
                (b"server_no_context_takeover", None) => {
                    once(&mut known.server_no_context_takeover)?;
                }
                (b"client_no_context_takeover", None) => {
                    once(&mut known.client_no_context_takeover)?;
                }
                (b"server_max_window_bits", Some(value)) if known.server_bits_max.is_none() => {
                    known.server_bits_max = Some(window_bits(value)?);
                }
                (b"client_max_window_bits", value) if known.client_bits_max.is_none() => {
                    let bits = value.map(window_bits);
                    known.client_bits_max = Some(if value.is_some() { Some(bits??) } else { None });
                }
                _ => return None,
            }
        }
        Some(known)
    }
}

/// Notes that a parameter was named, which it may be once.
fn once(named: &mut bool) -> Option<()> {
    (!std::mem::replace(named, true)).then_some(())
}

/// A number of bits from 8 to 15 in its shortest form, in quotes or not.
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    match bare.unwrap_or(value) {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The parts between separators that are not in quotes, without the white space around them.
fn split(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = move |&octet: &u8| {
        if is_escaped {
            is_escaped = false;
        } else if octet == b'"' {
            is_quoted = !is_quoted;
        } else {
            is_escaped = is_quoted && octet == b'\\';
        }
        octet == separator && !is_quoted
    };
    list.split(is_end).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
