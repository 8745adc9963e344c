//! Who may do what in a realm: its roles, made of the configuration, and how they are enforced.
//!
//! What a role says of a URI or a pattern is the affair of
//! [`session::authorization`](crate::session::authorization). Here,
//!
//! - `enforce` holds each CALL, REGISTER, PUBLISH and SUBSCRIBE against it. A session whose role
//!   has no rules costs a branch; all others a look-up, without memory or locks.
//! - `asking` lets a session wait whose request an authorizer decides.
//! - `change` has other roles count for sessions that are there.

mod asking;
mod change;
mod enforce;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::session::authorization::{
    AUTHID, Action, Actions, Disclosure, Effect, Role, Rule, Ruling,
};
pub(super) use asking::Waiting;
pub(super) use enforce::Granted;
pub use enforce::fits_all;

use super::config::{RealmConfig, RoleConfig};

/// What the sessions of a realm may do, by their authrole.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    named: BTreeMap<Box<str>, Arc<Role>>,
    /// What all may do in a realm without roles.
    open: Arc<Role>,
}

impl Roles {
    /// The roles of that realm.
    #[must_use]
    pub fn new(realm: &RealmConfig) -> Self {
        let roles = realm.options.roles.iter();
        let named = roles.map(|role| (role.name.as_str().into(), Arc::new(role_of(realm, role))));
        Self { named: named.collect(), open: Arc::new(Role::unrestricted()) }
    }

    /// What sessions of `authrole` may do. A realm with roles knows only those; in one without,
    /// all may do everything.
    #[must_use]
    pub fn find(&self, authrole: &str) -> Option<Arc<Role>> {
        let role = if self.named.is_empty() { Some(&self.open) } else { self.named.get(authrole) };
        role.map(Arc::clone)
    }
}

/// Whether `procedure` is one of the router's that take from other sessions what is theirs, so that
/// a rule must name it.
#[must_use]
pub fn takes_from_others(procedure: &str) -> bool {
    super::meta::is_forceful(procedure)
}

/// What sessions of `role` may do in `realm`. [`Ruling::rule`] counts what it allows, denies and
/// asks, in this order.
#[must_use]
pub fn role_of(realm: &RealmConfig, role: &RoleConfig) -> Role {
    let meant = |rule: &Rule| rule.of(&realm.name, &role.name);
    let allowed = role.allow.iter().map(|rule| (meant(rule), Effect::Allow));
    let denied = role.deny.iter().map(|rule| (meant(rule), Effect::Deny));
    let asked = role.ask.iter().map(|(rule, authorizer)| {
        let place = realm.options.authorizers.iter().position(|known| known.name == *authorizer);
        // Nobody is there who could say yes.
        let place = place.and_then(|place| u16::try_from(place).ok());
        (meant(rule), place.map_or(Effect::Deny, Effect::Ask))
    });
    let rules: Vec<_> = allowed.chain(denied).chain(asked).collect();
    let disclosed = role.disclose.iter().map(|(rule, disclosure)| (meant(rule), *disclosure));
    Role::new(&rules, &disclosed.collect::<Vec<_>>())
}
