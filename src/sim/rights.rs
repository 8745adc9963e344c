//! Who may join the realms of a run, and what they may do there: drawn from its seed.
//!
//! Here rules are text, as an operator writes them. The router is given what its configuration
//! makes of them; the reference router reads the text itself.

use std::sync::Arc;
use std::time::Duration;

use super::chance::Chance;
use crate::router::config::{AdvisorConfig, AdvisorKind, AuthenticationConfig, HttpTarget};
use crate::router::config::{RealmConfig, RoleConfig, Rule};
use crate::session::auth::{Cra, Credentials, Method, Principal, Principals, Salted};
use crate::session::auth::{Secret, Ticket, cra};

/// What is said in one realm of who may join and what they may do.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// What sessions may do, by their role. None: everybody may join, and do everything.
    pub roles: Vec<Role>,
    /// The role of those who prove nothing, if they may join.
    pub anonymous: Option<&'static str>,
    /// Who is known.
    pub principals: Vec<Known>,
    /// How long counts what the authorizer says, if there is one.
    pub cache: Option<Duration>,
}

/// What sessions of one role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// Rules in the form `ACTIONS URI`, and what they say.
    pub rules: Vec<(String, Effect)>,
}

/// What a rule says; what is stricter is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Yes.
    Allow,
    /// The authorizer says.
    Ask,
    /// No.
    Deny,
}

/// Somebody who is known, and what it proves itself by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub authid: &'static str,
    /// The role it gets.
    pub role: &'static str,
    /// Its ticket, and its password for WAMP-CRA.
    pub secret: &'static str,
    /// What is signed with is derived from the password.
    pub salted: bool,
}

/// Who somebody claims to be when it joins, and how it wants to prove that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `HELLO.Details.authid`
    pub authid: &'static str,
    /// The one method that it offers.
    pub method: Method,
    /// What it proves itself by; maybe not what the router knows.
    pub secret: &'static str,
}

impl Rights {
    /// Draws what holds in a realm: in every second one nobody has thought about it.
    #[must_use]
    pub fn draw(random: &mut Chance) -> Self {
        if random.one_in(2) {
            return Self::default();
        }
        let caches = [Duration::ZERO, Duration::from_millis(2), Duration::from_secs(60)];
        let cache = random.one_in(2).then(|| random.one_of(&caches));
        let roles = ROLES.map(|name| Role { name, rules: rules(random, cache.is_some()) });
        let known = |authid: &'static str, random: &mut Chance| Known {
            authid,
            role: random.one_of(&ROLES),
            secret: random.one_of(&SECRETS),
            salted: random.one_in(2),
        };
        let principals = AUTHIDS.map(|authid| known(authid, random));
        Self {
            roles: roles.to_vec(),
            anonymous: (!random.one_in(4)).then_some(ROLES[0]),
            principals: principals.into_iter().filter(|_| !random.one_in(4)).collect(),
            cache,
        }
    }

    /// Changes some of it: what a role may do, who is known and by what, who needs no proof.
    pub fn change(&mut self, random: &mut Chance) {
        let place = random.below(self.roles.len() as u64) as usize;
        self.roles[place].rules = rules(random, self.cache.is_some());
        if random.one_in(8) {
            self.anonymous = self.anonymous.is_none().then_some(ROLES[0]);
        }
        let count = self.principals.len() as u64;
        let place = random.below(count + 1) as usize;
        match random.below(6) {
            0 if count > 1 => drop(self.principals.remove(place % count as usize)),
            1 if place < self.principals.len() => {
                self.principals[place].secret = random.one_of(&SECRETS);
            }
            2 if place < self.principals.len() => {
                self.principals[place].role = random.one_of(&ROLES);
            }
            3 => {
                let (authid, role) = (random.one_of(&AUTHIDS), random.one_of(&ROLES));
                let (secret, salted) = (random.one_of(&SECRETS), random.one_in(2));
                self.principals.retain(|known| known.authid != authid);
                self.principals.push(Known { authid, role, secret, salted });
            }
            _ => {}
        }
    }

    /// Whether everybody may join, and do everything.
    #[must_use]
    pub const fn are_open(&self) -> bool {
        self.roles.is_empty()
    }

    /// The role of somebody who proves nothing, if it may join.
    #[must_use]
    pub const fn anonymous_role(&self) -> Option<&'static str> {
        if self.are_open() { Some(ROLES[0]) } else { self.anonymous }
    }

    /// The rules of a role, if there are any.
    #[must_use]
    pub fn rules(&self, role: &str) -> Option<&[(String, Effect)]> {
        let role = self.roles.iter().find(|known| known.name == role);
        role.map(|known| &known.rules[..])
    }

    /// Writes it into a configuration.
    ///
    /// # Panics
    ///
    /// If a rule is none.
    pub fn apply(&self, realm: &mut RealmConfig) {
        let sort = |role: &Role, wanted: Effect| {
            let fit = role.rules.iter().filter(|(_, effect)| *effect == wanted);
            fit.map(|(text, _)| Rule::parse(text).expect("all drawn rules are sound")).collect()
        };
        let authorizer = self.cache.map(|cache| AdvisorConfig {
            cache,
            kind: AdvisorKind::Http(Arc::new(HttpTarget { url: URL.into(), authorities: None })),
            ..AdvisorConfig::procedure(AUTHORIZER, "")
        });
        realm.options.authorizers = authorizer.into_iter().collect();
        let asked = |role: &Role| {
            let rules: Vec<Rule> = sort(role, Effect::Ask);
            rules.into_iter().map(|rule| (rule, AUTHORIZER.into())).collect()
        };
        let roles = self.roles.iter().map(|role| RoleConfig {
            name: role.name.into(),
            allow: sort(role, Effect::Allow),
            deny: sort(role, Effect::Deny),
            ask: asked(role),
            ..RoleConfig::default()
        });
        realm.options.roles = roles.collect();
        let mut principals = Principals::default();
        for known in &self.principals {
            let inserted = principals.insert(known.principal());
            inserted.expect("each name is drawn once");
        }
        realm.authentication = Arc::new(AuthenticationConfig {
            anonymous: self.anonymous.map(Into::into),
            principals: Arc::new(principals),
            ..AuthenticationConfig::default()
        });
    }
}

impl Known {
    fn principal(&self) -> Principal {
        let salted = self.salted.then(salt);
        let key = match &salted {
            Some(salted) => cra::derive(self.secret.as_bytes(), salted),
            None => Secret::from(self.secret.to_owned()),
        };
        Principal {
            authid: self.authid.into(),
            role: self.role.into(),
            credentials: Credentials {
                ticket: Some(Ticket::of(self.secret)),
                cra: Some(Cra { key, salted }),
                ..Credentials::default()
            },
        }
    }
}

fn salt() -> Salted {
    Salted { salt: "pepper".into(), iterations: 2, keylen: 32 }
}

/// Draws the rules of a role: most may do much, and each is told of some things that it may or may
/// not.
fn rules(random: &mut Chance, has_authorizer: bool) -> Vec<(String, Effect)> {
    let mut rules = Vec::new();
    if !random.one_in(4) {
        let all = random.one_of(&["* *", "*,takeover *", "* a*", "* wamp.*"]);
        let asks = has_authorizer && !all.contains("takeover") && random.one_in(2);
        rules.push((all.to_owned(), if asks { Effect::Ask } else { Effect::Allow }));
    }
    for _ in 0..random.below(8) {
        let rule = format!("{} {}", random.one_of(&ACTIONS), random.one_of(&URIS));
        // Who pushes others out is nobody to wait for.
        let may_wait = has_authorizer && !rule.contains("takeover");
        let effect = random.one_of(&[Effect::Allow, Effect::Deny, Effect::Ask]);
        let effect = if may_wait || effect != Effect::Ask { effect } else { Effect::Deny };
        rules.push((rule, effect));
    }
    rules
}

/// The roles that there are where there are any; the first is that of those who prove nothing.
pub const ROLES: [&str; 2] = ["anonymous", "staff"];

/// Names that may be known: one that is a component of URIs, one of two components, and two that
/// are nothing to peers.
pub const AUTHIDS: [&str; 4] = ["a", "b.c", "joe", "eve"];

/// What somebody may prove itself by.
pub const SECRETS: [&str; 3] = ["sesame", "swordfish", "12345"];

const AUTHORIZER: &str = "judge";

const URL: &str = "http://judge/";

const ACTIONS: [&str; 12] = [
    "*",
    "*",
    "publish",
    "subscribe",
    "call",
    "register",
    "publish,subscribe",
    "call,register",
    "call,subscribe",
    "register,takeover",
    "takeover",
    "*,takeover",
];

const URIS: [&str; 30] = [
    "*",
    "a*",
    "a.*",
    "a.b*",
    "a.b.*",
    "b.*",
    "a",
    "b",
    "a.b",
    "a.b.c",
    "a.c",
    "b.b.c",
    "ab.c",
    "a..c",
    ".b",
    "a.",
    "..c",
    ".b.",
    "a.b.c.",
    ".",
    "${authid}",
    "${authid}.*",
    "a.${authid}",
    "a.${authid}.*",
    "${authid}.b",
    "wamp.*",
    "wamp.session.*",
    "wamp.session.kill",
    "wamp.subscription.remove_subscriber",
    "wamp..on_delete",
];
