//! Answers, as they go over the wire.
//!
//! Only pages of origins that may come are told by their browsers what we answer.

use super::super::Serializer;
use super::super::visitor::Visitor;
use super::super::websocket::http::Fault;

/// What becomes of a request that the router was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A transport was opened; the body says which.
    Opened,
    /// The body is what was waiting.
    Messages,
    /// It was done, or nothing came that could be told.
    ///
    /// The specification gives the number of one status and the name of another, which is this
    /// one; clients in the field take no other than it and 200.
    // spec: advanced/transport_http_longpoll — "202 (no content)"
    Done,
    /// What was sent broke the protocol.
    Malformed,
    /// There is no such transport, or not any more.
    Unknown,
    /// No transport can be opened now.
    Full,
}

/// An answer that says why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Code and reason.
    pub(super) status: &'static str,
    /// What was wrong.
    pub(super) text: &'static str,
}

/// What of a request matters for its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Manners {
    /// HTTP/1.1 rather than 1.0.
    pub(super) is_modern: bool,
    /// Another request may follow.
    pub(super) keeps: bool,
    /// The answer must not have a body, only say how long it would be.
    pub(super) is_head: bool,
    /// What the client says of itself.
    pub(super) visitor: Visitor,
    /// The header that sets its cookie, if what it asks for is to open a transport.
    pub(super) set_cookie: String,
    /// The headers that this page wants to send.
    pub(super) headers_wanted: Option<Box<str>>,
}

impl Refusal {
    /// What was asked before the real request, so that a browser knows that it may ask that.
    pub(super) const PREFLIGHT: Self = Self { status: NO_CONTENT, text: "" };

    /// No page of this origin may ask.
    pub(super) const FOREIGN: Self =
        Self { status: "403 Forbidden", text: "pages of this origin may not come here" };

    pub(super) const TOO_LONG: Self =
        Self { status: "413 Content Too Large", text: "the body is too long" };

    pub(super) const TOO_LARGE: Self = Self {
        status: "431 Request Header Fields Too Large",
        text: "the request's head is too large",
    };

    pub(super) const fn bad(text: &'static str) -> Self {
        Self { status: "400 Bad Request", text }
    }

    /// Appends the answer.
    pub(super) fn write(self, manners: &Manners, keeps: bool, reply: &mut Vec<u8>) {
        let Self { status, text } = self;
        if self == Self::PREFLIGHT {
            let headers = manners.headers_wanted.as_deref().unwrap_or("Content-Type");
            let more = [
                "Allow: POST, OPTIONS\r\nAccess-Control-Allow-Methods: POST\r\n",
                "Access-Control-Max-Age: 86400\r\nAccess-Control-Allow-Headers: ",
                headers,
                "\r\n",
            ];
            return write(status, &more, None, (manners, keeps), reply);
        }
        let allow = if status.starts_with("405") { "Allow: POST, OPTIONS\r\n" } else { "" };
        let body = format!("{status}: {text}.\n");
        let body = Some((PLAIN, body.as_bytes()));
        write(status, &[allow], body, (manners, keeps), reply);
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TOO_LARGE,
            Fault::BareLineFeed => Self::bad("a line feed on its own"),
        }
    }
}

/// Appends the answer of the router.
pub(super) fn write_verdict(
    verdict: Verdict,
    (serializer, body): (Serializer, &[u8]),
    (manners, keeps): (&Manners, bool),
    reply: &mut Vec<u8>,
) {
    let refusal = match verdict {
        Verdict::Opened => {
            let body = Some((media_type(Serializer::Json), body));
            return write("200 OK", &[&manners.set_cookie], body, (manners, keeps), reply);
        }
        Verdict::Messages => {
            let body = Some((media_type(serializer), body));
            return write("200 OK", &[], body, (manners, keeps), reply);
        }
        Verdict::Done => return write(NO_CONTENT, &[], None, (manners, keeps), reply),
        Verdict::Malformed => Refusal::bad("this broke the protocol; receive says how"),
        Verdict::Unknown => Refusal { status: "404 Not Found", text: "there is no such transport" },
        Verdict::Full => Refusal {
            status: "503 Service Unavailable",
            text: "no more transports can be opened now",
        },
    };
    refusal.write(manners, keeps, reply);
}

const NO_CONTENT: &str = "204 No Content";

const PLAIN: &str = "text/plain; charset=utf-8";

const fn media_type(serializer: Serializer) -> &'static str {
    match serializer {
        Serializer::Json => "application/json",
        Serializer::MessagePack => "application/x-msgpack",
        Serializer::Cbor => "application/cbor",
        Serializer::Ubjson => "application/ubjson",
    }
}

/// Appends one answer, with `more` among its headers.
fn write(
    status: &str,
    more: &[&str],
    body: Option<(&str, &[u8])>,
    (manners, keeps): (&Manners, bool),
    reply: &mut Vec<u8>,
) {
    let mut put = |texts: &[&str]| reply.extend(texts.iter().flat_map(|text| text.bytes()));
    put(&["HTTP/1.1 ", status, "\r\nCache-Control: no-store\r\n"]);
    put(more);
    if let Some((media_type, body)) = body {
        let length = body.len().to_string();
        put(&["Content-Type: ", media_type, "\r\nContent-Length: ", &length, "\r\n"]);
    }
    if let Some(origin) = &manners.visitor.origin {
        put(&["Access-Control-Allow-Origin: ", origin, "\r\n"]);
        put(&["Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n"]);
    }
    match (keeps, manners.is_modern) {
        (false, _) => put(&["Connection: close\r\n"]),
        (true, false) => put(&["Connection: keep-alive\r\n"]),
        (true, true) => {}
    }
    put(&["\r\n"]);
    if let Some((_, body)) = body.filter(|_| !manners.is_head) {
        reply.extend_from_slice(body);
    }
}
