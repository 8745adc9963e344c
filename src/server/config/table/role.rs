//! `[[realms.roles]]`: what sessions may do.

use crate::router::config::{RealmConfig, RoleConfig, Rule, parse_ask, parse_disclose};
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::{Inner, Misfit, Shape, Table};

/// `[[realms.roles]]` in its realm.
pub(super) static ROLES: Inner<RealmConfig, RoleConfig> = Inner {
    name: "roles",
    shape: Shape::List,
    needed: None,
    table: &ROLE,
    make: RoleConfig::default,
    place: |realm, role, _| {
        let roles = &mut realm.options.roles;
        if roles.iter().any(|other| other.name == role.name) {
            let text = format!("two roles are called {:?}", role.name);
            return Err(Misfit { key: "name", text });
        }
        roles.push(role);
        Ok(())
    },
};

static ROLE: Table<RoleConfig> = Table { path: "realms.roles", keys: KEYS, tables: &[] };

const KEYS: &[Key<RoleConfig>] = &[
    Key {
        name: "name",
        kind: Kind::Text("a name", |role, text| {
            let sound = !text.is_empty() && !text.contains(char::is_whitespace);
            sound.then(|| role.name = text.to_owned())
        }),
        preset: Preset::Required,
        reload: true,
        meaning: "The authrole. As soon as a realm has roles, only sessions with one of them may \
                  join, and what no rule of theirs allows is denied.",
    },
    Key {
        name: "allow",
        kind: Kind::ParsedList(
            RULES,
            |role| role.allow.clear(),
            |role, text| Rule::parse(text).map(|rule| role.allow.push(rule)).ok_or_else(wrong),
        ),
        preset: Preset::Unset("nothing"),
        reload: true,
        meaning: "What is allowed. ACTIONS are `call`, `register`, `publish` and `subscribe`, \
                  separated by commas, or `*` for these four; and `takeover`, which lets \
                  `register` push others out or take all URIs. A URI that ends in `*` is a \
                  prefix, one with an empty component a wildcard; `${authid}`, `${realm}` and \
                  `${authrole}` may be components. See \"Roles and rules\".",
    },
    Key {
        name: "deny",
        kind: Kind::ParsedList(
            RULES,
            |role| role.deny.clear(),
            |role, text| Rule::parse(text).map(|rule| role.deny.push(rule)).ok_or_else(wrong),
        ),
        preset: Preset::Unset("nothing but what is not allowed"),
        reload: true,
        meaning: "What is denied although a rule allows it that is no more specific.",
    },
    Key {
        name: "ask",
        kind: Kind::ParsedList(
            "rules such as \"call com.bank.* AUTHORIZER\"",
            |role| role.ask.clear(),
            |role, text| parse_ask(text).map(|rule| role.ask.push(rule)).ok_or_else(wrong),
        ),
        preset: Preset::Unset("no authorizer decides"),
        reload: true,
        meaning: "What the authorizer of that name in `[[realms.authorizers]]` decides. It is \
                  asked where no rule that allows or denies is more specific.",
    },
    Key {
        name: "disclose",
        kind: Kind::ParsedList(
            "rules such as \"call,publish com.bank.* always\"",
            |role| role.disclose.clear(),
            |role, text| {
                parse_disclose(text).map(|rule| role.disclose.push(rule)).ok_or_else(wrong)
            },
        ),
        preset: Preset::Unset("as the realm's `disclosure` says"),
        reload: true,
        meaning: "Whether callers and publishers tell who they are: `always` (also if it is left \
                  out), `never`, or `asked` for it. The most specific rule counts.",
    },
    Key {
        name: "messages_per_second",
        kind: Kind::AutoCount(0..=RATE, |role| &mut role.messages_per_second),
        preset: Preset::Literal("\"auto\""),
        reload: true,
        meaning: "Messages that one session may send in a second; what comes faster is read \
                  later. `0`: any number; `\"auto\"`: `limits.session_messages_per_second`.",
    },
    Key {
        name: "bytes_per_second",
        kind: Kind::AutoCount(0..=RATE, |role| &mut role.bytes_per_second),
        preset: Preset::Literal("\"auto\""),
        reload: true,
        meaning: "Octets that the messages of one session may come to in a second. `0`: any \
                  number; `\"auto\"`: `limits.session_bytes_per_second`.",
    },
    Key {
        name: "calls_per_second",
        kind: Kind::AutoCount(0..=RATE, |role| &mut role.calls_per_second),
        preset: Preset::Literal("\"auto\""),
        reload: true,
        meaning: "Calls that one session may make in a second. `0`: any number; `\"auto\"`: \
                  `limits.session_calls_per_second`.",
    },
];

/// More than any session can do.
const RATE: usize = 1 << 32;

/// How rules look.
const RULES: &str = "rules such as \"call,subscribe com.public.*\"";

fn wrong() -> String {
    "this is no rule: it needs known actions and one URI, in which only `${authid}`, `${realm}` \
     and `${authrole}` are variables, each a component of its own"
        .to_owned()
}

/// What is wrong with the roles of `realm` as a whole, and with which key.
pub(super) fn misfit(realm: &RealmConfig) -> Option<(&'static str, String)> {
    let roles = &realm.options.roles;
    if roles.is_empty() {
        return None;
    }
    let is_known = |name: &str| roles.iter().any(|role| role.name == name);
    let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
    let names = names.join(", ");
    let anonymous = realm.authentication.anonymous.as_deref();
    if let Some(unknown) = anonymous.filter(|name| !is_known(name)) {
        return Some(("anonymous", format!("there is no role {unknown:?}, but {names}")));
    }
    let lost = realm.authentication.principals.iter().find(|known| !is_known(&known.role))?;
    let (authid, role) = (&lost.authid, &lost.role);
    let text = format!("{authid:?} has the role {role:?}, which is not there, but {names}");
    Some(("principals", text))
}
