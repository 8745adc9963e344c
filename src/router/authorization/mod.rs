//! Who may do what in a realm: its roles, made of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::session::authorization::{Action, Actions, Effect, Role, Rule, Ruling};

use super::config::RealmConfig;

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
        let role = |name: &String| (name.as_str().into(), Arc::new(Role::unrestricted()));
        let named = realm.options.roles.iter().map(|role_config| role(&role_config.name));
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
