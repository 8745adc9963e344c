//! The router's answer to an HTTP request: an upgrade to WebSocket, or words a person can read.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use httparse::Header;
use sha1::{Digest as _, Sha1};

use super::super::Serializer;
use super::super::transport::{Failure, Framing, Negotiated, Separator, TransportOptions};
use super::super::visitor::{Circumstances, Visitor};
use super::extension::Grant;
use super::http;
use crate::limits::{HTTP_HEADERS_MAX, MESSAGE_BYTES_CAP};

/// What is hashed together with the client's key.
// spec: rfc6455#section-1.3
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The header of extensions, offered and granted.
pub(crate) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Keys are 16 octets in base64. Some clients draw the characters instead of the octets: the bits
/// that padding leaves over may then be anything.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What a WebSocket may be opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subprotocol {
    pub(crate) serializer: Serializer,
    pub(crate) is_batched: bool,
}

impl Subprotocol {
    /// All that these serializers are spoken in, the plain ones first.
    pub(crate) fn all(serializers: &[Serializer]) -> impl Iterator<Item = Self> {
        let of =
            |is_batched| serializers.iter().map(move |&serializer| Self { serializer, is_batched });
        of(false).chain(of(true))
    }

    pub(crate) const fn name(self) -> &'static str {
        if self.is_batched {
            self.serializer.batched_subprotocol()
        } else {
            self.serializer.subprotocol()
        }
    }

    /// How messages are framed as long as nothing else is known of the peer.
    const fn framing(self) -> Framing {
        if self.is_batched { Framing::Batched(Separator::Cancel) } else { Framing::WebSocket }
    }
}

/// An upgrade that is granted.
#[derive(Debug)]
struct Upgrade {
    /// The client's key, as it wrote it.
    key: Vec<u8>,
    subprotocol: Subprotocol,
    /// The compression, if the client wants one and the listener has it.
    grant: Option<Grant>,
    visitor: Visitor,
}

/// An answer other than the upgrade.
#[derive(Clone, Copy, Debug)]
struct Rejection {
    /// Code and reason.
    status: &'static str,
    /// What was wrong.
    text: &'static str,
    /// Whether the request was an ordinary one rather than an upgrade gone wrong.
    is_ordinary: bool,
}

impl Rejection {
    const fn bad(text: &'static str) -> Self {
        Self { status: "400 Bad Request", text, is_ordinary: false }
    }

    const fn upgrade(text: &'static str, is_ordinary: bool) -> Self {
        Self { status: "426 Upgrade Required", text, is_ordinary }
    }
}

/// Answers the request whose whole head this is.
// spec: rfc6455#section-4.2
pub(crate) fn accept(
    head: Result<&[u8], http::Fault>,
    options: &TransportOptions,
    circumstances: &Circumstances,
    reply: &mut Vec<u8>,
) -> Result<(Negotiated, Visitor), Failure> {
    let verdict = match head {
        Ok(head) => check(head, options, circumstances),
        Err(http::Fault::TooLong) => Err(TOO_LARGE),
        Err(http::Fault::BareLineFeed) => Err(Rejection::bad("a line feed on its own")),
    };
    match verdict {
        Ok(upgrade) => {
            let Upgrade { subprotocol, grant, .. } = upgrade;
            write_upgrade(&upgrade, &upgrade.visitor.cookie_header(circumstances), reply);
            let negotiated = Negotiated {
                serializer: subprotocol.serializer,
                framing: subprotocol.framing(),
                deflate: grant.map(|grant| grant.window),
                peer_message_bytes_max: MESSAGE_BYTES_CAP,
            };
            Ok((negotiated, upgrade.visitor))
        }
        Err(rejection) => {
            write_rejection(rejection, options, reply);
            Err(if rejection.is_ordinary {
                Failure::Answered
            } else {
                Failure::Refused(rejection.text)
            })
        }
    }
}

const TOO_LARGE: Rejection = Rejection {
    status: "431 Request Header Fields Too Large",
    text: "the request's head is too large",
    is_ordinary: false,
};

const LATE: Rejection = Rejection {
    status: "408 Request Timeout",
    text: "the request took too long",
    is_ordinary: false,
};

const FOREIGN: Rejection = Rejection {
    status: "403 Forbidden",
    text: "pages of this origin may not come here",
    is_ordinary: false,
};

/// The answer to a client's key.
pub(crate) fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize();
    STANDARD.encode(digest)
}

/// Reads a request, and says what it is granted if it is an upgrade.
fn check(
    head: &[u8],
    options: &TransportOptions,
    circumstances: &Circumstances,
) -> Result<Upgrade, Rejection> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Ok(httparse::Status::Partial) | Err(_) => {
            return Err(Rejection::bad("not an HTTP request"));
        }
    }
    if request.method != Some("GET") {
        return Err(Rejection {
            status: "405 Method Not Allowed",
            text: "only GET is served",
            is_ordinary: true,
        });
    }
    let headers = &*request.headers;
    check_bodiless(headers)?;
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    if !options.paths.iter().any(|served| served == path) {
        return Err(Rejection {
            status: "404 Not Found",
            text: "nothing is served under this path",
            is_ordinary: true,
        });
    }
    check_upgrade(request.version, headers)?;
    let visitor = Visitor::read(headers, options, circumstances).ok_or(FOREIGN)?;
    let key = check_key(headers)?;
    let subprotocol = choose_subprotocol(headers, options)?;
    let grant = options.deflate.then(|| Grant::choose(http::values(headers, EXTENSIONS))).flatten();
    Ok(Upgrade { key, subprotocol, grant, visitor })
}

/// Refuses a request that announces a body: whoever reads it differently could smuggle another
/// request in it.
fn check_bodiless(headers: &[Header<'_>]) -> Result<(), Rejection> {
    let is_chunked = http::values(headers, "Transfer-Encoding").next().is_some();
    if is_chunked || http::values(headers, "Content-Length").any(|length| length != b"0") {
        return Err(Rejection::bad("a request with a body"));
    }
    Ok(())
}

/// Checks that the request wants to become a WebSocket of the version we speak.
// spec: rfc6455#section-4.2.1
fn check_upgrade(version: Option<u8>, headers: &[Header<'_>]) -> Result<(), Rejection> {
    if !http::has_member(headers, "Upgrade", "websocket") {
        return Err(Rejection::upgrade("this is not a web page", true));
    }
    if version != Some(1) {
        return Err(Rejection::bad("an upgrade needs HTTP/1.1"));
    }
    only(headers, "Host")?.ok_or(Rejection::bad("no Host"))?;
    only(headers, "Upgrade")?;
    if !http::has_member(headers, "Connection", "Upgrade") {
        return Err(Rejection::bad("an Upgrade that Connection does not name"));
    }
    match only(headers, "Sec-WebSocket-Version")? {
        Some(b"13") => Ok(()),
        Some(_) => Err(Rejection::upgrade("another WebSocket version than 13", false)),
        None => Err(Rejection::bad("no Sec-WebSocket-Version")),
    }
}

/// The client's key, as it wrote it.
fn check_key(headers: &[Header<'_>]) -> Result<Vec<u8>, Rejection> {
    let key = only(headers, "Sec-WebSocket-Key")?.ok_or(Rejection::bad("no Sec-WebSocket-Key"))?;
    match KEY_ENCODING.decode(key) {
        Ok(octets) if octets.len() == 16 => Ok(key.to_vec()),
        _ => Err(Rejection::bad("a Sec-WebSocket-Key that is not 16 octets in base64")),
    }
}

/// The client's first subprotocol that we offer.
// spec: basic/building_blocks#transports
fn choose_subprotocol(
    headers: &[Header<'_>],
    options: &TransportOptions,
) -> Result<Subprotocol, Rejection> {
    let offered = |name: &[u8]| {
        let mut ours = Subprotocol::all(&options.serializers);
        ours.find(|subprotocol| subprotocol.name().as_bytes() == name)
    };
    http::members(headers, "Sec-WebSocket-Protocol")
        .find_map(offered)
        .ok_or(Rejection::bad("no Sec-WebSocket-Protocol that is offered here"))
}

/// The only value under `name`, if there is one.
fn only<'a>(headers: &'a [Header<'a>], name: &'a str) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = http::values(headers, name);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Rejection::bad("a header twice that may come once")),
    }
}

fn write_upgrade(upgrade: &Upgrade, cookie: &str, reply: &mut Vec<u8>) {
    let Upgrade { key, subprotocol, grant, .. } = upgrade;
    let extensions = grant.map(|grant| format!("\r\n{EXTENSIONS}: {}", grant.answer()));
    let lines = [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        cookie,
        "Sec-WebSocket-Accept: ",
        &accept_key(key),
        "\r\nSec-WebSocket-Protocol: ",
        subprotocol.name(),
        extensions.as_deref().unwrap_or_default(),
        "\r\n\r\n",
    ];
    reply.extend(lines.iter().flat_map(|line| line.bytes()));
}

/// Appends the answer to a request that does not come to its end.
pub(crate) fn write_timeout(reply: &mut Vec<u8>) {
    write_rejection(LATE, &TransportOptions::default(), reply);
}

fn write_rejection(rejection: Rejection, options: &TransportOptions, reply: &mut Vec<u8>) {
    let Rejection { status, text, .. } = rejection;
    let mut body = format!("{status}: {text}.\n");
    if status.starts_with("400") || status.starts_with("426") {
        body.push_str("A WAMP router answers here, on WebSocket with one of the subprotocols");
        for (index, subprotocol) in Subprotocol::all(&options.serializers).enumerate() {
            body.push_str(if index == 0 { " " } else { ", " });
            body.push_str(subprotocol.name());
        }
        body.push_str(".\n");
    }
    let more = match status.split(' ').next() {
        Some("405") => "Allow: GET\r\nConnection: close\r\n",
        Some("426") => {
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close\r\n"
        }
        _ => "Connection: close\r\n",
    };
    let mut answer = String::new();
    let written = write!(
        answer,
        "HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    debug_assert!(written.is_ok(), "a string takes everything");
    reply.extend_from_slice(answer.as_bytes());
}

#[cfg(test)]
mod tests;
