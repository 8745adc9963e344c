//! What routers are told of the settings.

use std::sync::Arc;

use super::table::chance_secret;
use super::{ListenerSettings, Settings};
use crate::router::config::{Config, Method, RealmConfig};
use crate::session::auth::mock::seed_of_realm;

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
            mock_secret: self.mock_secret.clone().unwrap_or_else(chance_secret),
            limits: self.limits.clone(),
            agent: agent.to_owned(),
        }
    }

    /// Settles what unknown identities are shown in each realm.
    pub(super) fn seed_mocks(&mut self) {
        let secret = self.mock_secret.clone().unwrap_or_else(chance_secret);
        for realm in &mut self.realms {
            let seed = seed_of_realm(&secret, &realm.name);
            Arc::make_mut(&mut realm.authentication_mut().principals).reseed(seed);
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
        let admission = &listener.admission;
        let mut served = self.realms.iter().filter(|realm| admission.serves(&realm.name));
        admission.allows(Method::Anonymous) && served.any(|realm| realm.anonymous_role().is_some())
    }
}

/// The role of those who bear tokens, if it is none of the roles of the realm.
fn missing_role(realm: &RealmConfig) -> Option<String> {
    let roles = &realm.options.roles;
    let role = realm.authentication.jwt.as_ref()?.role.as_deref()?;
    let is_there = roles.is_empty() || roles.iter().any(|known| known.name == role);
    (!is_there).then(|| format!("realms.jwt.role: {:?} has no role {role:?}", realm.name))
}
