//! Who may join a realm, and how that is proved.

use std::sync::Arc;
use std::time::Duration;

use super::{AdvisorConfig, RealmConfig};
pub use crate::session::auth::Method;
use crate::session::auth::{Principals, cryptosign, jwt};

/// Who may join a realm.
#[derive(Clone, Debug, Default)]
pub struct AuthenticationConfig {
    /// The role of clients that prove nothing. None: as [`RealmConfig::anonymous_role`] says.
    pub anonymous: Option<Arc<str>>,
    /// Who is known, and by what.
    pub principals: Arc<Principals>,
    /// The file that some of them were read from, for whoever reads it again.
    pub credentials: Option<Arc<str>>,
    /// Who is asked about those who are not.
    pub authenticators: Vec<AuthenticatorConfig>,
    /// Which JSON Web Tokens are good for a ticket.
    pub jwt: Option<JwtConfig>,
    /// By which the router proves itself to clients that ask it to.
    // spec: advanced/authentication_cryptosign#router-authentication
    pub router_key: Option<cryptosign::RouterKey>,
    /// How long a cookie stands for whoever has proved itself; zero: cookies stand for nobody.
    pub cookie: Duration,
}

/// Somebody who is asked about clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorConfig {
    /// About those of these methods.
    pub methods: Vec<Method>,
    /// Who it is.
    pub advisor: AdvisorConfig,
}

/// Which JSON Web Tokens are good for a ticket.
#[derive(Clone, Debug, Default)]
pub struct JwtConfig {
    /// What they must be like.
    pub rules: jwt::Rules,
    /// The role of those whose token names none that there is.
    pub role: Option<Arc<str>>,
}

impl JwtConfig {
    /// A digest of what tokens must be like, keys included, and of what they are good for.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.rules.fingerprint(self.role.as_deref())
    }
}

impl AuthenticationConfig {
    /// The authenticator that is asked about clients of that method, by its place.
    #[must_use]
    pub fn authenticator(&self, method: Method) -> Option<usize> {
        self.authenticators.iter().position(|known| known.methods.contains(&method))
    }

    /// Whether nothing is said of who may join.
    #[must_use]
    pub fn is_unsaid(&self) -> bool {
        self.credentials.is_none()
            && self.principals.is_empty()
            && self.authenticators.is_empty()
            && self.jwt.is_none()
    }
}

impl RealmConfig {
    /// The role of clients that prove nothing; `None` if they are not admitted.
    ///
    /// Where nothing is said of roles and of who may join, everybody may.
    #[must_use]
    pub fn anonymous_role(&self) -> Option<Arc<str>> {
        let is_open = self.options.roles.is_empty() && self.authentication.is_unsaid();
        let given = self.authentication.anonymous.as_ref().map(Arc::clone);
        given.or_else(|| is_open.then(|| "anonymous".into()))
    }
}

/// What clients of one listener may do beyond what its transports allow.
#[derive(Clone, Debug, Default)]
pub struct AdmissionConfig {
    /// The realms that are served there; none: all.
    pub realms: Vec<String>,
    /// The methods that may be used there; none: all.
    pub methods: Vec<Method>,
}

impl AdmissionConfig {
    /// Whether a realm of that name is served there.
    #[must_use]
    pub fn serves(&self, realm: &str) -> bool {
        self.realms.is_empty() || self.realms.iter().any(|served| served == realm)
    }

    /// Whether a method may be used there.
    #[must_use]
    pub fn allows(&self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }
}
