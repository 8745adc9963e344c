//! Which pages may come: a browser tells on whose behalf it speaks, and lets no page lie about it.
//!
//! Without this any page on the web could use a router that its visitor's browser can reach.
//!
//! An origin is `null`, or a scheme, a host and perhaps a port: `https://app.example.com:8443`.
//! Nothing else is one: whatever has a user, a path, a query, an empty label, letters beyond ASCII
//! (browsers send those as Punycode) or a port that is none is refused, not mended. What remains is
//! compared as browsers compare it: upper and lower case are the same, the default port of a scheme
//! is the same as none, and a host with a dot at its end is another one than that without.

use core::net::Ipv6Addr;

use httparse::Header;

use super::super::websocket::http;

/// The pages whose browsers may open a transport. Who sends no `Origin` is no browser, and is not
/// judged by this.
// spec: rfc6455#section-10.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// These and no other: the host they connect to does not count, so a page whose name leads to
    /// our address gains nothing by that. Without any: those that were loaded from the very host
    /// and port that they connect to.
    pub listed: Vec<OriginPattern>,
    /// Every page there is.
    pub any: bool,
}

/// Origins: `https://app.example.com`, `https://*.example.com`, `http://localhost:*` or `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// Everything, or what stands before the star.
    start: Box<str>,
    /// What stands behind the star, if there is one: it is for one or more letters, digits, dots
    /// and hyphens.
    end: Option<Box<str>>,
}

impl OriginPattern {
    /// The pattern that `text` means: a scheme and a host, perhaps a port, and nothing behind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == NULL {
            return Some(Self { start: text.into(), end: None });
        }
        let Some((start, end)) = text.split_once('*') else {
            let start = as_written(&text)?.into();
            return is_page(&text).then_some(Self { start, end: None });
        };
        // Whatever can stand for the star: a port is one of digits.
        let example = if start.ends_with(':') { "1" } else { "x" };
        let sound = as_written(&[start, example, end].concat()).is_some() && is_page(&text);
        sound.then(|| Self { start: start.into(), end: Some(end.into()) })
    }

    /// Whether it means `origin`, which is [`as_written`].
    fn matches(&self, origin: &str) -> bool {
        let Some(end) = &self.end else { return *self.start == *origin };
        let rest = origin.strip_prefix(&*self.start);
        let star = rest.and_then(|rest| rest.strip_suffix(&**end)).unwrap_or_default();
        let may_be = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
        !star.is_empty() && star.bytes().all(may_be)
    }
}

impl Origins {
    /// Whether a request with these headers may be answered; `host` is what it was sent to.
    pub(super) fn allow(&self, headers: &[Header<'_>], host: Option<&[u8]>) -> bool {
        let mut origins = http::values(headers, "Origin");
        let Some(origin) = origins.next() else { return true };
        if self.any {
            return true;
        }
        // What cannot be read is nobody's origin, and two are none.
        let Some(origin) = std::str::from_utf8(origin).ok().filter(|_| origins.next().is_none())
        else {
            return false;
        };
        if origin == NULL {
            return self.listed.iter().any(|pattern| pattern.matches(origin));
        }
        let origin = origin.to_ascii_lowercase();
        if self.listed.is_empty() {
            return host.is_some_and(|host| is_same_host(&origin, host));
        }
        let Some(origin) = as_written(&origin) else { return false };
        self.listed.iter().any(|pattern| pattern.matches(origin))
    }
}

/// The origin of pages that have none: files, and what is confined to a sandbox.
const NULL: &str = "null";

/// Octets that the name of a host may have.
const HOST_BYTES_MAX: usize = 253;

/// Whether an origin is one of pages.
fn is_page(origin: &str) -> bool {
    origin.starts_with("http://") || origin.starts_with("https://")
}

/// `origin`, which is in lower case, as browsers write it: without the port that its scheme has
/// anyhow. None if it is no origin.
fn as_written(origin: &str) -> Option<&str> {
    let (scheme, authority) = origin.split_once("://")?;
    let port = default_port(scheme)?;
    is_authority(authority).then(|| origin.strip_suffix(port).unwrap_or(origin))
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" | "ws" => Some(":80"),
        "https" | "wss" => Some(":443"),
        _ => None,
    }
}

/// Whether `text` is a host, perhaps with a port, and nothing more.
fn is_authority(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_port && address.parse::<Ipv6Addr>().is_ok();
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let may_be = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(may_be);
    let labels = host.strip_suffix('.').unwrap_or(host);
    host.len() <= HOST_BYTES_MAX && labels.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    let is_written_so = text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0');
    is_written_so && text.parse::<u16>().is_ok()
}

/// Whether a page from `origin` was loaded from `host`. Some clients that are no browsers name the
/// host alone: that is no origin of any page, so nobody gains anything by it.
fn is_same_host(origin: &str, host: &[u8]) -> bool {
    let (port, from) = match origin.split_once("://") {
        Some((scheme, from)) => match default_port(scheme) {
            Some(port) => (port, from),
            None => return false,
        },
        None => ("", origin),
    };
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let host = host.to_ascii_lowercase();
    let without = |text: &str| text.strip_suffix(port).unwrap_or(text).to_owned();
    is_authority(from) && without(from) == without(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Origins = Origins { listed: Vec::new(), any: true };

    fn allowed(origins: &Origins, origin: &str, host: &str) -> bool {
        let headers = [Header { name: "origin", value: origin.as_bytes() }];
        origins.allow(&headers, Some(host.as_bytes()))
    }

    #[test]
    fn pages_of_the_same_host_may_come() {
        for (origin, host, expected) in [
            ("https://a.example", "a.example", true),
            ("HTTPS://A.example", "a.Example", true),
            ("https://a.example:443", "a.example", true),
            ("https://a.example", "a.example:443", true),
            ("http://a.example", "a.example:80", true),
            ("http://a.example:8080", "a.example:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("a.example:8080", "a.example:8080", true),
            ("https://a.example", "a.example:80", false),
            ("http://a.example:8000", "a.example:8080", false),
            ("https://b.example", "a.example", false),
            ("https://a.example.evil", "a.example", false),
            ("https://evil.a.example", "a.example", false),
            ("null", "a.example", false),
            ("https://", "", false),
            ("", "", false),
            ("file://a.example", "a.example", false),
            ("localhost", "localhost", true),
            ("localhost", "localhost:8080", false),
            ("localhost", "a.example", false),
            ("LocalHost:8080", "localhost:8080", true),
            ("//localhost", "localhost", false),
            (":8080", ":8080", false),
            ("null", "null", false),
            ("NULL", "null", true),
            ("http://a.example/", "a.example", false),
            ("http://a.example/", "a.example/", false),
            ("http://a.example/ws", "a.example", false),
            ("http://a.example?", "a.example?", false),
            ("http://a.example#a", "a.example", false),
            ("http://joe@a.example", "a.example", false),
            ("http://joe@a.example", "joe@a.example", false),
            ("http://a.example@evil", "a.example", false),
            ("http://evil#@a.example", "a.example", false),
            ("http://evil\\a.example", "a.example", false),
            ("http://a.example.", "a.example", false),
            ("http://a.example", "a.example.", false),
            ("http://a.example.", "a.example.", true),
            ("http://a.example..", "a.example..", false),
            ("http://.a.example", ".a.example", false),
            ("http://a..example", "a..example", false),
            ("http://b\u{fc}cher.example", "b\u{fc}cher.example", false),
            ("http://xn--bcher-kva.example", "xn--bcher-kva.example", true),
            ("http://a.example:", "a.example:", false),
            ("http://a.example:080", "a.example:080", false),
            ("http://a.example:65536", "a.example:65536", false),
            ("http://a.example:80:80", "a.example", false),
            ("http://a.example:x", "a.example:x", false),
            ("http://[::1", "[::1", false),
            ("http://[evil]", "[evil]", false),
            ("http://[::1]x", "[::1]x", false),
            ("http://a b", "a b", false),
            ("http://http://a.example", "a.example", false),
        ] {
            assert_eq!(allowed(&Origins::default(), origin, host), expected, "{origin} {host}");
            assert!(allowed(&ANY, origin, host));
        }
        assert!(!Origins::default().allow(&[Header { name: "Origin", value: b"http://a" }], None));
        assert!(Origins::default().allow(&[], None));
    }

    #[test]
    fn pages_that_are_listed_may_come() {
        let patterns = ["https://app.example.com", "https://*.example.org", "http://localhost:*"];
        let patterns = patterns.iter().filter_map(|text| OriginPattern::parse(text));
        let listed = Origins { listed: patterns.collect(), any: false };
        for (origin, expected) in [
            ("https://app.example.com", true),
            ("https://APP.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:444", false),
            ("https://app.example.com.evil", false),
            ("https://a.example.org", true),
            ("https://a.b.example.org", true),
            ("https://example.org", false),
            ("https://.example.org", false),
            ("https://evil/.example.org", false),
            ("https://evil:1.example.org", false),
            ("https://user@a.example.org", false),
            ("http://localhost:8000", true),
            ("http://localhost", false),
            ("http://localhost:", false),
            ("http://localhost:80", false),
            ("http://localhost:8000.evil", false),
            ("http://localhost:x", false),
            ("https://app.example.com:443", true),
            ("https://app.example.com.", false),
            ("https://app.example.com/", false),
            ("https://joe@app.example.com", false),
            ("app.example.com", false),
            ("wss://app.example.com", false),
            ("https://a..example.org", false),
            ("https://\u{e4}.example.org", false),
            ("https://xn--4ca.example.org", true),
            ("null", false),
            ("https://router.example", false),
        ] {
            assert_eq!(allowed(&listed, origin, "router.example"), expected, "{origin}");
        }
        let two = ["https://app.example.com"; 2];
        let two = two.map(|origin| Header { name: "Origin", value: origin.as_bytes() });
        assert!(!listed.allow(&two, None), "two origins");
        let unreadable = [Header { name: "Origin", value: b"https://app.example.com\xFF" }];
        assert!(!listed.allow(&unreadable, None));
        let null = vec![OriginPattern::parse("null").unwrap()];
        let null = Origins { listed: null, any: false };
        assert!(allowed(&null, "null", "") && !allowed(&null, "https://null", ""));
        assert!(!allowed(&null, "NULL", "") && !allowed(&null, "null.", ""));
        let port = vec![OriginPattern::parse("HTTPS://App.Example:443").unwrap()];
        let port = Origins { listed: port, any: false };
        assert!(allowed(&port, "https://app.example", ""));
    }

    #[test]
    fn what_is_no_origin_is_not_listed() {
        for text in [
            "",
            "*",
            "app.example.com",
            "https://",
            "https://a/",
            "https://*.*.a",
            "ws://a",
            "https://a b",
            "https://a?b",
            "ftp://a",
            "https://joe@a",
            "https://a..b",
            "https://a:",
            "https://a:b",
            "https://a:65536",
            "https://[::1",
            "https://b\u{fc}cher.example",
            "https://*@a",
            "localhost",
        ] {
            assert_eq!(OriginPattern::parse(text), None, "{text}");
        }
    }
}
