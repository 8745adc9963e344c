//! What a router that is told nothing of limits has for limits: safe for the open internet.

use gigawamp::limits;

/// Options and their defaults, as `gigawamp options` prints them.
const OPTIONS: [(&str, &str); 21] = [
    ("message_bytes_max", "1 MiB"),
    ("compression", "off"),
    ("tls", "off"),
    ("proxy_protocol", "[]"),
    ("connections_max", "auto"),
    ("connections_per_address_max", "1000"),
    ("connects_per_address", "100"),
    ("tls_handshake", "5s"),
    ("handshake", "10s"),
    ("hello", "5s"),
    ("authenticate", "5s"),
    ("attempts_max", "10"),
    ("attempts_block", "5m"),
    ("ping_interval", "30s"),
    ("message", "30s"),
    ("stall", "30s"),
    ("calls_pending_max", "1024"),
    ("subscriptions_max", "10000"),
    ("registrations_max", "10000"),
    ("meta_kill", "false"),
    ("insecure_allow_anonymous_remote", "false"),
];

#[test]
fn options_are_safe_unless_somebody_says_otherwise() {
    let table = gigawamp::server::options_markdown();
    for (name, default) in OPTIONS {
        let row = table.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("no option {name}"));
        let found = row.split('|').nth(3).unwrap().trim().trim_matches(['`', '"']);
        assert_eq!(found, default, "{row}");
    }
    // What takes safety away says so.
    for line in table.lines().filter(|line| line.contains("insecure_")) {
        assert!(!line.contains("| `true` |"), "{line}");
    }
}

#[test]
fn bounds_that_are_no_options_are_what_they_should_be() {
    assert_eq!(limits::MESSAGE_BYTES_CAP, 16 << 20);
    assert_eq!((limits::URI_BYTES_MAX, limits::URI_COMPONENTS_MAX), (1_000, 64));
    assert_eq!((limits::HTTP_HEAD_BYTES_MAX, limits::HTTP_HEADERS_MAX), (8 << 10, 64));
    assert_eq!((limits::DEPTH_MAX, limits::FRAGMENTS_MAX), (64, 1_024));
    assert_eq!(limits::LIST_ITEMS_MAX, 10_000);
    // The largest window that messages are compressed with has 12 bits.
    assert_eq!(gigawamp::wire::Window::Usual as u8, 12);
}
