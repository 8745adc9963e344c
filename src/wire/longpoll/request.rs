//! The head of one request: how its body is delimited, and what it asks for.
//!
//! Where two readers of the same octets could see two different requests, nothing is guessed:
//! the request is refused and the connection closed.

use httparse::Header;

use super::super::TransportOptions;
use super::super::visitor::{Circumstances, Visitor};
use super::super::websocket::http;
use super::Deed;
use super::answer::{Manners, Refusal};
use crate::limits::HTTP_HEADERS_MAX;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// It has so many octets.
    Counted(usize),
    /// It comes in chunks.
    Chunked,
}

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    /// To open a transport.
    #[default]
    Open,
    /// Something of a transport.
    Poll { transport: Box<str>, deed: Deed },
    /// Nothing that we do; the answer to that.
    Refused(Refusal),
}

impl Asked {
    pub(super) fn poll(&self) -> Option<(&str, Deed)> {
        match self {
            Self::Poll { transport, deed } => Some((transport, *deed)),
            Self::Open | Self::Refused(_) => None,
        }
    }
}

/// What a head says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) asked: Asked,
    pub(super) length: Length,
    /// The client wants to be told to go on before it sends the body.
    pub(super) is_awaited: bool,
    pub(super) manners: Manners,
}

/// Reads a whole head.
pub(super) fn parse(
    head: &[u8],
    options: &TransportOptions,
    circumstances: &Circumstances,
) -> Result<Read, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TOO_LARGE),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal::bad("not an HTTP request")),
    }
    let headers = &*request.headers;
    let is_modern = request.version == Some(1);
    check_host(headers, is_modern)?;
    let method = request.method.unwrap_or_default();
    let target = path_of(request.path.unwrap_or_default());
    let visitor = Visitor::read(headers, options, circumstances);
    let asked = asked(method, rest_below(&options.longpoll_path, target));
    let (asked, visitor) = match visitor {
        Some(visitor) => (asked, visitor),
        None => (Asked::Refused(Refusal::FOREIGN), Visitor::default()),
    };
    Ok(Read {
        asked,
        length: length(headers, is_modern)?,
        is_awaited: is_awaited(headers)? && is_modern,
        manners: Manners {
            is_modern,
            keeps: keeps(headers, is_modern),
            is_head: method == "HEAD",
            set_cookie: visitor.cookie_header(circumstances),
            visitor,
            headers_wanted: http::text(headers, "Access-Control-Request-Headers"),
        },
    })
}

/// The path of the request that `head` begins with, if it is one.
pub(super) fn path(head: &[u8]) -> Option<&str> {
    let line = head.split(|&octet| octet == b'\r').find(|line| !line.trim_ascii().is_empty())?;
    let target = line.trim_ascii_start().split(|&octet| octet == b' ').nth(1)?;
    std::str::from_utf8(target).ok().map(path_of)
}

/// What stands behind `base` in `path`: nothing, or something that begins with a slash.
pub(super) fn rest_below<'p>(base: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The path of a request's target, without the query, which may be there to defeat caches, and
/// without the host that a proxy may be told.
// spec: advanced/transport_http_longpoll — the parameter `x` is ignored
fn path_of(target: &str) -> &str {
    let absolute = ["http://", "https://"].into_iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| target.get(scheme.len()..))?
    });
    let target = match absolute {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    target.split_once('?').map_or(target, |(path, _query)| path)
}

/// What `method` asks for at what stands `below` our base.
fn asked(method: &str, below: Option<&str>) -> Asked {
    let unknown = Refusal { status: "404 Not Found", text: "nothing is served under this path" };
    let mut names = below.unwrap_or_default().split('/').skip(1);
    let asked = match (names.next(), names.next(), names.next()) {
        (Some("open"), None, None) => Some(Asked::Open),
        (Some(transport), Some(name), None) if !transport.is_empty() => {
            let deed = match name {
                "receive" => Some(Deed::Receive),
                "send" => Some(Deed::Send),
                "close" => Some(Deed::Close),
                _ => None,
            };
            deed.map(|deed| Asked::Poll { transport: transport.into(), deed })
        }
        _ => None,
    };
    match (asked, method) {
        (None, _) => Asked::Refused(unknown),
        (Some(asked), "POST") => asked,
        (Some(_), "OPTIONS") => Asked::Refused(Refusal::PREFLIGHT),
        (Some(_), _) => Asked::Refused(Refusal {
            status: "405 Method Not Allowed",
            text: "only POST is served",
        }),
    }
}

/// A request names its host once; of old ones none is expected.
// spec: rfc9112#section-3.2
fn check_host(headers: &[Header<'_>], is_modern: bool) -> Result<(), Refusal> {
    match http::values(headers, "Host").count() {
        0 if is_modern => Err(Refusal::bad("no Host")),
        0 | 1 => Ok(()),
        _ => Err(Refusal::bad("a header twice that may come once")),
    }
}

/// How the body is delimited. Whoever says it twice may mean two things by it.
// spec: rfc9112#section-6.3
fn length(headers: &[Header<'_>], is_modern: bool) -> Result<Length, Refusal> {
    let mut codings = http::values(headers, "Transfer-Encoding");
    let mut lengths = http::values(headers, "Content-Length");
    let (coding, length) = (codings.next(), lengths.next());
    if codings.next().is_some() || lengths.next().is_some() {
        return Err(Refusal::bad("a length twice"));
    }
    match (coding, length) {
        (None, None) => Ok(Length::Counted(0)),
        (None, Some(digits)) => {
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
            let number = number.ok_or(Refusal::bad("a Content-Length that is no number"))?;
            number.parse().map(Length::Counted).map_err(|_| Refusal::TOO_LONG)
        }
        (Some(_), Some(_)) => Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
        (Some(_), None) if !is_modern => {
            Err(Refusal::bad("a Transfer-Encoding that HTTP/1.0 does not have"))
        }
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Length::Chunked),
        (Some(_), None) => Err(Refusal {
            status: "501 Not Implemented",
            text: "a Transfer-Encoding other than chunked",
        }),
    }
}

/// Whether the client waits to be told to go on.
// spec: rfc9110#section-10.1.1
fn is_awaited(headers: &[Header<'_>]) -> Result<bool, Refusal> {
    let is_known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if http::values(headers, "Expect").all(is_known) {
        return Ok(http::values(headers, "Expect").next().is_some());
    }
    Err(Refusal { status: "417 Expectation Failed", text: "something unknown is expected" })
}

/// Whether another request may follow.
// spec: rfc9112#section-9.3
fn keeps(headers: &[Header<'_>], is_modern: bool) -> bool {
    let says = |token| http::has_member(headers, "Connection", token);
    !says("close") && (is_modern || says("keep-alive"))
}
