//! What an HTTP client says of itself when it comes: for which page a browser speaks, and the
//! cookie by which it is known again. Facts, as far as they have a sound form; what follows from
//! them is the router's business.

mod forwarded;
mod origins;

pub use origins::{OriginPattern, Origins};

use core::net::IpAddr;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use httparse::Header;

use super::TransportOptions;
use super::websocket::http;

/// Octets of chance in a cookie: who shows it is who it was given to.
const COOKIE_BYTES: usize = 16;

/// The name of our cookie over TLS. By its prefix browsers let nobody set it but us: no page on a
/// neighbouring host, and nobody on the way.
// spec: draft-ietf-httpbis-rfc6265bis#section-4.1.3.2
const SECURE_NAME: &str = "__Host-gigawamp";

/// Its name without TLS, where that prefix may not be used.
const PLAIN_NAME: &str = "gigawamp";

/// The value of a cookie of ours. It is a secret of the client's, so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CookieValue([u8; COOKIE_BYTES]);

/// The cookie of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// By which the client is known.
    pub value: CookieValue,
    /// It was given to the client just now, rather than shown by it.
    pub is_new: bool,
}

/// What an HTTP client says of itself when it opens a transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The page on whose behalf a browser speaks, as it wrote it; at most 512 octets.
    pub origin: Option<Box<str>>,
    /// The cookie it has shown or was given, if the listener has cookies.
    pub cookie: Option<Cookie>,
    /// Where it came from, if a proxy that is trusted has said so.
    pub address: Option<IpAddr>,
    /// Nobody on the way can read along: it came over TLS, to us or to a proxy that is trusted.
    pub is_secure: bool,
}

/// What the router knows of a connection before its first octet.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Nobody on the way can read along: TLS.
    pub is_secure: bool,
    /// What comes is from a proxy of
    /// [`TransportOptions::forwarded_for`](super::TransportOptions::forwarded_for).
    pub is_proxied: bool,
    /// The cookie to set, should the client show none, and how long it is to last.
    pub cookie: Option<(CookieValue, Duration)>,
}

impl Circumstances {
    /// Those of somebody of whom nothing is known.
    pub(crate) const STRANGE: Self = Self { is_secure: false, is_proxied: false, cookie: None };
}

impl CookieValue {
    /// A value of 128 bits, all of which must be chance.
    #[must_use]
    pub const fn new(octets: [u8; COOKIE_BYTES]) -> Self {
        Self(octets)
    }

    /// Its octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; COOKIE_BYTES] {
        &self.0
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut octets = [0; COOKIE_BYTES];
        let count = URL_SAFE_NO_PAD.decode_slice(text, &mut octets).ok()?;
        (count == COOKIE_BYTES).then_some(Self(octets))
    }
}

impl fmt::Debug for CookieValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieValue(…)")
    }
}

impl Visitor {
    /// What these headers say; nothing if no page of this origin may come.
    pub(crate) fn read(
        headers: &[Header<'_>],
        options: &TransportOptions,
        circumstances: &Circumstances,
    ) -> Option<Self> {
        let is_proxied = circumstances.is_proxied;
        let host = is_proxied.then(|| forwarded::host(headers)).flatten();
        let host = host.or_else(|| http::values(headers, "Host").next());
        if !options.origins.allow(headers, host) {
            return None;
        }
        let is_secure = circumstances.is_secure || (is_proxied && forwarded::is_secure(headers));
        let cookie = circumstances.cookie.map(|(fresh, _)| {
            let shown = shown_cookie(headers, is_secure);
            Cookie { value: shown.unwrap_or(fresh), is_new: shown.is_none() }
        });
        let address = is_proxied.then(|| forwarded::client(headers, &options.forwarded_for));
        let address = address.flatten();
        Some(Self { origin: http::text(headers, "Origin"), cookie, address, is_secure })
    }

    /// The header that sets the visitor's cookie, with the end of its line; empty if there is
    /// nothing to set.
    pub(crate) fn cookie_header(&self, circumstances: &Circumstances) -> String {
        let (Some(Cookie { value, is_new: true }), Some((_, age))) =
            (self.cookie, circumstances.cookie)
        else {
            return String::new();
        };
        let value = URL_SAFE_NO_PAD.encode(value.octets());
        let (name, secure) =
            if self.is_secure { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
        let age = age.as_secs();
        format!(
            "Set-Cookie: {name}={value}; Path=/; Max-Age={age}; HttpOnly; \
             SameSite=Strict{secure}\r\n"
        )
    }
}

/// Our cookie, if the client shows it, in one form: two may be a neighbour's attempt to put its
/// own in place of the client's.
fn shown_cookie(headers: &[Header<'_>], is_secure: bool) -> Option<CookieValue> {
    let name = if is_secure { SECURE_NAME } else { PLAIN_NAME };
    let pairs =
        http::values(headers, "Cookie").flat_map(|value| value.split(|&octet| octet == b';'));
    let mut ours = pairs.filter_map(|pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    let first = ours.next()?;
    if ours.any(|other| other != first) { None } else { CookieValue::parse(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances(is_secure: bool) -> Circumstances {
        let cookie = Some((CookieValue::new([7; 16]), Duration::from_secs(60)));
        Circumstances { is_secure, cookie, ..Circumstances::default() }
    }

    fn read(lines: &[(&str, &str)], is_secure: bool) -> Visitor {
        let lines = lines.iter().map(|(name, value)| Header { name, value: value.as_bytes() });
        let lines: Vec<_> = lines.collect();
        Visitor::read(&lines, &TransportOptions::default(), &circumstances(is_secure)).unwrap()
    }

    #[test]
    fn a_cookie_is_known_again_by_its_name_and_form() {
        let (fresh, shown) = ([7; 16], [0; 16]);
        let zeros = "AAAAAAAAAAAAAAAAAAAAAA";
        for (header, is_secure, value) in [
            ("", false, fresh),
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAAA", false, shown),
            ("a=b; gigawamp=AAAAAAAAAAAAAAAAAAAAAA;c=d", false, shown),
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAAA; gigawamp=AAAAAAAAAAAAAAAAAAAAAA", false, shown),
            // Two of them, of which one is not ours.
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAAA; gigawamp=AAAAAAAAAAAAAAAAAAAAAQ", false, fresh),
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAA", false, fresh),
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAAAAA", false, fresh),
            ("gigawamp=", false, fresh),
            ("Gigawamp=AAAAAAAAAAAAAAAAAAAAAA", false, fresh),
            ("agigawamp=AAAAAAAAAAAAAAAAAAAAAA", false, fresh),
            // What anybody may have set does not count over TLS.
            ("gigawamp=AAAAAAAAAAAAAAAAAAAAAA", true, fresh),
            ("__Host-gigawamp=AAAAAAAAAAAAAAAAAAAAAA", true, shown),
            ("__Host-gigawamp=AAAAAAAAAAAAAAAAAAAAAA", false, fresh),
        ] {
            let visitor = read(&[("cookie", header)], is_secure);
            let is_new = value == fresh;
            let expected = Cookie { value: CookieValue::new(value), is_new };
            assert_eq!(visitor.cookie, Some(expected), "{header} {is_secure}");
            let header = visitor.cookie_header(&circumstances(is_secure));
            assert_eq!(header.is_empty(), !is_new, "{header}");
            assert!(!format!("{visitor:?}").contains(zeros));
        }
        let none = Visitor::read(&[], &TransportOptions::default(), &Circumstances::default());
        assert_eq!(none, Some(Visitor::default()));
    }

    #[test]
    fn only_proxies_that_are_trusted_are_believed() {
        let options = TransportOptions {
            forwarded_for: vec!["10.0.0.0/8".parse().unwrap()],
            ..TransportOptions::default()
        };
        let lines = [
            ("Host", "backend"),
            ("Origin", "https://router.example"),
            ("X-Forwarded-For", "192.0.2.1, 10.1.1.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "router.example"),
        ];
        let headers = lines.map(|(name, value)| Header { name, value: value.as_bytes() });
        let proxied = Circumstances { is_proxied: true, ..circumstances(false) };
        let visitor = Visitor::read(&headers, &options, &proxied).unwrap();
        assert_eq!(visitor.address, Some("192.0.2.1".parse().unwrap()));
        assert!(visitor.is_secure);
        assert!(visitor.cookie_header(&proxied).contains("__Host-"));
        assert_eq!(Visitor::read(&headers, &options, &circumstances(false)), None);
        let options =
            TransportOptions { origins: Origins { any: true, ..Origins::default() }, ..options };
        let direct = Visitor::read(&headers, &options, &circumstances(false)).unwrap();
        assert!(direct.address.is_none() && !direct.is_secure);
    }

    #[test]
    fn a_cookie_is_set_for_us_alone() {
        let header = |is_secure| read(&[], is_secure).cookie_header(&circumstances(is_secure));
        let value = "BwcHBwcHBwcHBwcHBwcHBw";
        assert_eq!(
            header(false),
            format!(
                "Set-Cookie: gigawamp={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict\r\n"
            ),
        );
        assert_eq!(
            header(true),
            format!(
                "Set-Cookie: __Host-gigawamp={value}; Path=/; Max-Age=60; HttpOnly; \
                 SameSite=Strict; Secure\r\n"
            ),
        );
    }
}
