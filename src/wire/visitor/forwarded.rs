//! What proxies say of the client they speak for.
//!
//! Each proxy adds the address of whom it has the request from to the right. Whoever is trusted
//! is believed one step further to the left; the first that is not is the client.

// Addresses are plain data; nothing in here opens a socket.
use core::net::{IpAddr, SocketAddr};

use httparse::Header;
use ipnet::IpNet;

use super::super::websocket::http;

/// The client for whom the trusted proxy speaks from which the request came. None if it does not
/// say, or says it twice and differently: proxies pass on what they do not write, so one of both
/// may come from the client itself.
// spec: rfc7239#section-5.2
pub(super) fn client(headers: &[Header<'_>], trusted: &[IpNet]) -> Option<IpAddr> {
    let usual: Vec<_> = http::members(headers, "X-Forwarded-For").collect();
    let standard = parameters(headers, "for");
    match (nearest_stranger(&usual, trusted), nearest_stranger(&standard, trusted)) {
        (Some(one), Some(other)) => (one == other).then_some(one),
        // One that cannot be read says something else than the other.
        (None, found) if usual.is_empty() => found,
        (found, None) if standard.is_empty() => found,
        (Some(_), None) | (None, Some(_) | None) => None,
    }
}

/// Whether the client itself came over TLS, as the nearest proxy has it.
pub(super) fn is_secure(headers: &[Header<'_>]) -> bool {
    let usual = http::members(headers, "X-Forwarded-Proto").last();
    let schemes = [usual, parameters(headers, "proto").last().copied()];
    let is_tls = |scheme: &[u8]| {
        scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss")
    };
    schemes.iter().any(Option::is_some) && schemes.iter().flatten().all(|scheme| is_tls(scheme))
}

/// The host that the client asked the nearest proxy for.
pub(super) fn host<'h>(headers: &'h [Header<'h>]) -> Option<&'h [u8]> {
    http::members(headers, "X-Forwarded-Host").last()
}

/// The rightmost of these addresses that is not trusted, or else the leftmost that is known.
fn nearest_stranger(names: &[&[u8]], trusted: &[IpNet]) -> Option<IpAddr> {
    let mut nearest = None;
    for name in names.iter().rev() {
        // Behind what is hidden or garbled nobody can be believed.
        let Some(address) = address(name) else { break };
        nearest = Some(address);
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
    }
    nearest
}

/// The address that `name` means, with a port or without, in brackets or without.
fn address(name: &[u8]) -> Option<IpAddr> {
    let name = std::str::from_utf8(name).ok()?;
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let with_port = || name.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare.parse::<IpAddr>().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

/// The values of the parameter `name`, one of each element of `Forwarded`; nothing at all if they
/// have a form that we do not read.
fn parameters<'h>(headers: &'h [Header<'h>], name: &'static str) -> Vec<&'h [u8]> {
    let mut found = Vec::new();
    for element in http::members(headers, "Forwarded") {
        let pairs = element.split(|&octet| octet == b';').map(<[u8]>::trim_ascii);
        for pair in pairs {
            let Some((key, value)) = pair.split_at_checked(name.len() + 1) else { continue };
            if key.strip_suffix(b"=").is_some_and(|key| key.eq_ignore_ascii_case(name.as_bytes())) {
                let quoted = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\""));
                found.push(quoted.unwrap_or(value));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(lines: &[(&'a str, &'a str)]) -> Vec<Header<'a>> {
        lines.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect()
    }

    #[test]
    fn the_nearest_who_is_not_trusted_is_the_client() {
        type Case<'t> = (&'t [(&'t str, &'t str)], Option<&'t str>);
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let usual = "X-Forwarded-For";
        let tables: [Case<'_>; 20] = [
            (&[], None),
            (&[(usual, "192.0.2.1")], Some("192.0.2.1")),
            (&[(usual, "192.0.2.1:4711")], Some("192.0.2.1")),
            (&[(usual, "198.51.100.7, 192.0.2.1, 10.1.1.1")], Some("192.0.2.1")),
            (&[(usual, "198.51.100.7"), ("x-forwarded-for", "192.0.2.1")], Some("192.0.2.1")),
            (&[(usual, "10.2.2.2, 10.1.1.1")], Some("10.2.2.2")),
            (&[(usual, "2001:db8::1, fd00::1")], Some("2001:db8::1")),
            (&[(usual, "[2001:db8::1]:80")], Some("2001:db8::1")),
            (&[(usual, "::ffff:192.0.2.1")], Some("192.0.2.1")),
            // Whoever is hidden hides all who came before.
            (&[(usual, "192.0.2.1, unknown, 10.1.1.1")], Some("10.1.1.1")),
            (&[(usual, "192.0.2.1, unknown")], None),
            (&[(usual, "")], None),
            (&[("Forwarded", "for=192.0.2.1;proto=https, For=\"10.1.1.1\"")], Some("192.0.2.1")),
            (&[("Forwarded", "by=a; for=\"[2001:db8::1]:4711\"")], Some("2001:db8::1")),
            (&[("Forwarded", "for=_hidden")], None),
            (&[("Forwarded", "fort=192.0.2.1;x")], None),
            (&[("Forwarded", "for=192.0.2.1"), (usual, "192.0.2.1")], Some("192.0.2.1")),
            // Only one of them was written by the proxy, and nobody can tell which.
            (&[("Forwarded", "for=192.0.2.1"), (usual, "192.0.2.2")], None),
            (&[("Forwarded", "for=192.0.2.1"), (usual, "unix:")], None),
            (&[("Forwarded", "for=_hidden"), (usual, "192.0.2.1")], None),
        ];
        for (lines, expected) in tables {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(client(&headers(lines), &trusted), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_nearest_proxy_says_whether_there_was_tls() {
        let tables: [(&[(&str, &str)], bool); 6] = [
            (&[], false),
            (&[("X-Forwarded-Proto", "https")], true),
            (&[("X-Forwarded-Proto", "https, http")], false),
            (&[("X-Forwarded-Proto", "WSS")], true),
            (&[("Forwarded", "for=a;proto=http, for=b;proto=https")], true),
            (&[("Forwarded", "proto=https"), ("X-Forwarded-Proto", "http")], false),
        ];
        for (lines, expected) in tables {
            assert_eq!(is_secure(&headers(lines)), expected, "{lines:?}");
        }
    }
}
