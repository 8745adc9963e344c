//! `[[realms]]`: what clients meet in.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::authentication::{ANONYMOUS, COOKIE, CREDENTIALS, JWT, PRINCIPALS, ROUTER_KEY};
use crate::limits::{URI_BYTES_MAX, URI_COMPONENTS_MAX};
use crate::router::config::{
    Disclosure, HistoryRule, RealmConfig, RequestIds, TrustRule, UriCheck,
};
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::Table;
use crate::server::config::value::{duration, size};

/// `[[realms]]`: at least one.
pub(in crate::server::config) static REALM: Table<RealmConfig> = Table {
    path: "realms",
    keys: KEYS,
    tables: &[
        &super::role::ROLES,
        &super::advisor::AUTHORIZERS,
        &super::advisor::AUTHENTICATORS,
        &PRINCIPALS,
        &JWT,
    ],
};

/// A realm at its presets, without a name.
pub(in crate::server::config) fn preset_realm() -> RealmConfig {
    let mut realm = RealmConfig::default();
    REALM.preset(&mut realm);
    realm
}

/// Each realm has its own.
const KEYS: &[Key<RealmConfig>] = &[
    Key {
        name: "name",
        kind: Kind::Text("a URI such as \"realm1\", outside of \"wamp\"", |realm, text| {
            is_realm_name(text).then(|| realm.name = text.to_owned())
        }),
        preset: Preset::Required,
        reload: true,
        meaning: "What clients say in HELLO. Two realms cannot share a name.",
    },
    ANONYMOUS,
    CREDENTIALS,
    COOKIE,
    ROUTER_KEY,
    Key {
        name: "uri_check",
        kind: Kind::Word(&[
            ("loose", |realm| realm.uri_check = UriCheck::Loose),
            ("strict", |realm| realm.uri_check = UriCheck::Strict),
        ]),
        preset: Preset::Literal("\"loose\""),
        reload: true,
        meaning: "Which URIs are accepted. `\"loose\"`: anything without white space and `#`. \
                  `\"strict\"`: lower case letters, digits and `_`.",
    },
    Key {
        name: "request_ids",
        kind: Kind::Word(&[
            ("sequential", |realm| realm.request_ids = RequestIds::Sequential),
            ("any", |realm| realm.request_ids = RequestIds::Any),
        ]),
        preset: Preset::Literal("\"sequential\""),
        reload: true,
        meaning: "Which request ids are accepted. `\"sequential\"`: 1, 2, 3 … as the \
                  specification demands. `\"any\"`: for clients that draw them at random. A \
                  reload changes it for sessions that begin after it.",
    },
    Key {
        name: "call_timeout",
        kind: Kind::Duration(CALL, |realm| &mut realm.options.call_timeout),
        preset: Preset::Literal("\"0s\""),
        reload: true,
        meaning: "How long a call may wait for its answer if it does not say itself. `\"0s\"`: \
                  for ever.",
    },
    Key {
        name: "call_timeout_max",
        kind: Kind::Duration(CALL, |realm| &mut realm.options.call_timeout_max),
        preset: Preset::Literal("\"0s\""),
        reload: true,
        meaning: "The longest timeout a call gets, whatever it asks for. `\"0s\"`: any.",
    },
    Key {
        name: "meta_kill",
        kind: Kind::Switch(|realm| &mut realm.options.meta_kill),
        preset: Preset::Literal("false"),
        reload: true,
        meaning: "Whether every session may end others by `wamp.session.kill` and its like, \
                  and take their subscriptions and registrations away.",
    },
    Key {
        name: "force_reregister",
        kind: Kind::Switch(|realm| &mut realm.options.force_reregister),
        preset: Preset::Literal("false"),
        reload: true,
        meaning: "Whether a REGISTER with `force_reregister` takes a procedure from its callees.",
    },
    Key {
        name: "disclosure",
        kind: Kind::Word(&[
            ("allow", |realm| realm.options.disclosure = Disclosure::Allow),
            ("deny", |realm| realm.options.disclosure = Disclosure::Deny),
            ("always", |realm| realm.options.disclosure = Disclosure::Always),
        ]),
        preset: Preset::Literal("\"allow\""),
        reload: true,
        meaning: "Whether callers and publishers tell who they are. `\"allow\"`: if they or the \
                  callee ask for it. `\"deny\"`: asking for it is refused. `\"always\"`: unasked.",
    },
    Key {
        name: "trust",
        kind: Kind::Texts(
            "rules such as \"ROLE URI LEVEL\"",
            |realm| realm.options.trust.clear(),
            |realm, text| TrustRule::parse(text).map(|rule| realm.options.trust.push(rule)),
        ),
        preset: Preset::Unset("nobody is told of trust"),
        reload: true,
        meaning: "How far callers and publishers are trusted; callees and subscribers are told. \
                  The first rule that fits counts, without one the level is 0. A role `*` is \
                  any, a URI that ends in `*` a prefix, an empty component any one component.",
    },
    Key {
        name: "retained_topics_max",
        kind: Kind::Count(0..=10_000_000, |realm| &mut realm.options.retained_topics_max),
        preset: Preset::Literal("10000"),
        reload: true,
        meaning: "Topics whose latest event published with `retain` is kept in memory for later \
                  subscribers; past that such events are refused. 0: none is kept.",
    },
    Key {
        name: "retained_bytes_max",
        kind: Kind::Size(1 << 10..=1 << 40, |realm| &mut realm.options.retained_bytes_max),
        preset: Preset::Literal("\"64 MiB\""),
        reload: true,
        meaning: "What all retained events may take together.",
    },
    Key {
        name: "history",
        kind: Kind::Texts(
            "rules such as \"com.log.* events=1000 bytes=16MiB age=1h\", one for each URI",
            |realm| realm.options.history.clear(),
            |realm, text| {
                let (rule, rules) = (history(text)?, &mut realm.options.history);
                rules.iter().all(|other| other.uris != rule.uris).then(|| rules.push(rule))
            },
        ),
        preset: Preset::Unset("no subscription has a history"),
        reload: false,
        meaning: "Subscriptions that have a history: their events are kept in memory, whether or \
                  not there are subscribers, for `wamp.subscription.get_events`. A URI that ends \
                  in `*` is a prefix, one with an empty component a wildcard; it means that one \
                  subscription, not each that fits. The oldest events go when there are more \
                  than `events` (1000), when they take more than `bytes` (16MiB), and after \
                  `age` (never). An event that alone takes more than `bytes` is not kept.",
    },
];

/// How long a call may take; zero for ever.
const CALL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 365);

/// How long an event may be kept.
const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 3_660);

/// Whether a realm may have this name: a loose URI that the specification does not keep for
/// itself.
// spec: basic/building_blocks#uris
fn is_realm_name(text: &str) -> bool {
    text.len() <= URI_BYTES_MAX
        && text.split('.').count() <= URI_COMPONENTS_MAX
        && text.split('.').next() != Some("wamp")
        && text.split('.').all(|component| !component.is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
}

/// The rule that `text` stands for: a URI, and bounds in any order, each at most once.
fn history(text: &str) -> Option<HistoryRule> {
    let mut words = text.split_ascii_whitespace();
    let mut rule = HistoryRule::new(words.next()?)?;
    let mut given = Vec::new();
    for word in words {
        let (bound, value) = word.split_once('=')?;
        if given.contains(&bound) {
            return None;
        }
        given.push(bound);
        match bound {
            "events" => {
                let count = value.parse().ok();
                rule.events_max = count.filter(|count| (1..=10_000_000).contains(count))?;
            }
            "bytes" => {
                let octets = value.parse().ok().or_else(|| usize::try_from(size(value)?).ok());
                rule.bytes_max = octets.filter(|octets| (1 << 10..=1 << 40).contains(octets))?;
            }
            "age" => rule.age_max = duration(value).filter(|age| AGE.contains(age))?,
            _ => return None,
        }
    }
    Some(rule)
}
