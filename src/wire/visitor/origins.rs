//! Which pages may come: a browser tells on whose behalf it speaks, and lets no page lie about it.
//!
//! Without this any page on the web could use a router that its visitor's browser can reach.

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
        let host = match text.split_once("://") {
            Some(("http" | "https", host)) => host,
            None if text == "null" => "null",
            Some(_) | None => return None,
        };
        let may_be = |octet: u8| octet.is_ascii_alphanumeric() || b".-_:*[]".contains(&octet);
        let stars = host.bytes().filter(|&octet| octet == b'*').count();
        if host.is_empty() || stars > 1 || !host.bytes().all(may_be) {
            return None;
        }
        Some(match text.split_once('*') {
            Some((start, end)) => Self { start: start.into(), end: Some(end.into()) },
            None => Self { start: text.into(), end: None },
        })
    }

    /// Whether it means `origin`, which is in lower case.
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
        let origin = origin.to_ascii_lowercase();
        if self.listed.is_empty() {
            return host.is_some_and(|host| is_same_host(&origin, host));
        }
        self.listed.iter().any(|pattern| pattern.matches(&origin))
    }
}

/// Whether a page from `origin` was loaded from `host`. Some clients that are no browsers name the
/// host alone.
fn is_same_host(origin: &str, host: &[u8]) -> bool {
    let (port, from) = match origin.split_once("://") {
        Some(("http" | "ws", from)) => (":80", from),
        Some(("https" | "wss", from)) => (":443", from),
        None => ("", origin),
        Some(_) => return false,
    };
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let host = host.to_ascii_lowercase();
    let without = |text: &str| text.strip_suffix(port).unwrap_or(text).to_owned();
    !from.is_empty() && without(from) == without(&host)
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
        ] {
            assert_eq!(OriginPattern::parse(text), None, "{text}");
        }
    }
}
