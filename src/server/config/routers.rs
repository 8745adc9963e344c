//! What routers are told of the settings.

use super::{ListenerSettings, Settings};
use crate::router::config::{Config, RealmConfig};

impl Settings {
    /// The configuration of routers that have these listeners.
    pub(in crate::server) fn config(&self, listeners: &[&ListenerSettings], agent: &str) -> Config {
        let transport = |listener: &&ListenerSettings| {
            let mut transport = listener.transport.clone();
            // A cookie lasts as long as in any realm that is served there.
            let served = self.realms.iter().filter(|realm| listener.admission.serves(&realm.name));
            let age = served.map(|realm| realm.authentication.cookie).max();
            transport.cookie = age.filter(|age| !age.is_zero());
            transport
        };
        Config {
            realms: self.realms.clone(),
            listeners: listeners.iter().map(transport).collect(),
            admission: listeners.iter().map(|listener| listener.admission.clone()).collect(),
            hide_realms: self.hide_realms,
            limits: self.limits.clone(),
            agent: agent.to_owned(),
        }
    }

    /// A role or a realm that is named but is not there.
    pub(super) fn dangling(&self) -> Option<String> {
        self.realms.iter().find_map(missing_role).or_else(|| {
            let named = self.listeners.iter().flat_map(|listener| &listener.admission.realms);
            let is_there = |name: &&String| self.realms.iter().any(|realm| realm.name == **name);
            let missing = named.into_iter().find(|name| !is_there(name))?;
            Some(format!("listeners.realms: there is no realm {missing:?}"))
        })
    }

    /// Whether clients of that listener may join some realm without proving anything.
    pub(super) fn admits_anonymous(&self, listener: &ListenerSettings) -> bool {
        use crate::router::config::Method;
        let admission = &listener.admission;
        let mut served = self.realms.iter().filter(|realm| admission.serves(&realm.name));
        admission.allows(Method::Anonymous) && served.any(|realm| realm.anonymous_role().is_some())
    }
}

/// A role that somebody in the realm has and that is none of its roles.
fn missing_role(realm: &RealmConfig) -> Option<String> {
    let roles = &realm.options.roles;
    let authentication = &realm.authentication;
    let tokens = authentication.jwt.as_ref().and_then(|tokens| tokens.role.as_ref());
    let principals = authentication.principals.iter().map(|principal| &principal.role);
    let mut named = principals.chain(&authentication.anonymous).chain(tokens);
    let is_missing = |name: &&std::sync::Arc<str>| roles.iter().all(|role| *role.name != ***name);
    let missing = named.find(is_missing).filter(|_| !roles.is_empty())?;
    Some(format!("realms: {:?} has no role {missing:?}, which somebody in it has", realm.name))
}
