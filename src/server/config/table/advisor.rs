//! `[[realms.authorizers]]` and `[[realms.authenticators]]`: whom the router asks.

use std::sync::Arc;
use std::time::Duration;

use crate::message::uri::{UriCheck, is_reserved, is_valid};
use crate::router::config::{
    AdvisorConfig, AdvisorKind, AuthenticationConfig, AuthenticatorConfig, HttpTarget, Method,
    RealmConfig,
};
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::{Inner, Misfit, Shape, Table};
use crate::server::tls;

/// `[[realms.authorizers]]` in its realm.
pub(super) static AUTHORIZERS: Inner<RealmConfig, Advisor> = Inner {
    name: "authorizers",
    shape: Shape::List,
    needed: None,
    table: &AUTHORIZER,
    make: Advisor::default,
    place: |realm, advisor, _| {
        let authorizers = &mut realm.options.authorizers;
        if authorizers.iter().any(|other| *other.name == *advisor.name) {
            let text = format!("two authorizers are called {:?}", advisor.name);
            return Err(Misfit { key: "name", text });
        }
        authorizers.push(advisor.finish()?);
        Ok(())
    },
};

/// `[[realms.authenticators]]` in its realm.
pub(super) static AUTHENTICATORS: Inner<RealmConfig, Advisor> = Inner {
    name: "authenticators",
    shape: Shape::List,
    needed: None,
    table: &AUTHENTICATOR,
    make: Advisor::default,
    place: |realm, mut advisor, _| {
        let mut authentication = AuthenticationConfig::clone(&realm.authentication);
        let methods = std::mem::take(&mut advisor.methods);
        let known = |method: &&Method| authentication.authenticator(**method).is_some();
        if let Some(method) = methods.iter().find(known) {
            let text = format!("two authenticators are asked about {}", method.name());
            return Err(Misfit { key: "methods", text });
        }
        let advisor = advisor.finish()?;
        authentication.authenticators.push(AuthenticatorConfig { methods, advisor });
        realm.authentication = Arc::new(authentication);
        Ok(())
    },
};

static AUTHORIZER: Table<Advisor> =
    Table { path: "realms.authorizers", keys: AUTHORIZER_KEYS, tables: &[] };

static AUTHENTICATOR: Table<Advisor> =
    Table { path: "realms.authenticators", keys: AUTHENTICATOR_KEYS, tables: &[] };

/// An advisor as it is written.
#[derive(Default)]
pub(super) struct Advisor {
    name: String,
    methods: Vec<Method>,
    procedure: Option<Box<str>>,
    realm: Option<Box<str>>,
    url: Option<Box<str>>,
    /// Certificates, as PEM.
    ca: Option<Arc<[u8]>>,
    timeout: Duration,
    cache: Duration,
    options: bool,
}

impl Advisor {
    fn finish(self) -> Result<AdvisorConfig, Misfit> {
        let misfit = |key, text: &str| Err(Misfit { key, text: text.to_owned() });
        let kind = match (self.procedure, self.url) {
            (Some(_), Some(_)) => return misfit("url", "either `procedure` or `url`, not both"),
            (None, None) => return misfit("procedure", "needs a `procedure` or a `url`"),
            (Some(_), None) if self.ca.is_some() => {
                return misfit("ca", "without a `url` nobody has to prove anything");
            }
            (None, Some(_)) if self.realm.is_some() => {
                return misfit("realm", "it is the realm of a `procedure`, which is not there");
            }
            (Some(uri), None) => AdvisorKind::Procedure { realm: self.realm, uri },
            (None, Some(url)) => {
                AdvisorKind::Http(Arc::new(HttpTarget { url, authorities: self.ca }))
            }
        };
        let name = match &kind {
            _ if !self.name.is_empty() => self.name.into(),
            AdvisorKind::Procedure { uri, .. } => uri.clone(),
            AdvisorKind::Http(target) => format!("{target:?}").into(),
        };
        let (timeout, cache) = (self.timeout, self.cache);
        Ok(AdvisorConfig { name, kind, timeout, cache, options: self.options })
    }
}

/// Checks that each authorizer is there that a rule of `realm` leaves something to.
pub(super) fn find_authorizers(realm: &RealmConfig) -> Result<(), Misfit> {
    for role in &realm.options.roles {
        for (_, name) in &role.ask {
            if !realm.options.authorizers.iter().any(|known| known.name == *name) {
                let text = format!(
                    "a rule of the role {:?} asks {name:?}, which is no authorizer",
                    role.name
                );
                return Err(Misfit { key: "roles", text });
            }
        }
    }
    Ok(())
}

const AUTHORIZER_KEYS: &[Key<Advisor>] =
    &[NAME, PROCEDURE, REALM, URL, CA, TIMEOUT, CACHE, OPTIONS];

const AUTHENTICATOR_KEYS: &[Key<Advisor>] = &[METHODS, PROCEDURE, REALM, URL, CA, TIMEOUT];

const METHODS: Key<Advisor> = Key {
    name: "methods",
    kind: Kind::Words(
        |advisor| advisor.methods.clear(),
        &[
            ("anonymous", |advisor| advisor.methods.push(Method::Anonymous)),
            ("ticket", |advisor| advisor.methods.push(Method::Ticket)),
            ("wampcra", |advisor| advisor.methods.push(Method::Cra)),
            ("scram", |advisor| advisor.methods.push(Method::Scram)),
            ("wamp-scram", |advisor| advisor.methods.push(Method::WampScram)),
            ("cryptosign", |advisor| advisor.methods.push(Method::Cryptosign)),
            ("tls", |advisor| advisor.methods.push(Method::Tls)),
        ],
    ),
    preset: Preset::Required,
    reload: true,
    meaning: "It is asked about clients of these methods, unless they are among the principals.",
};

const NAME: Key<Advisor> = Key {
    name: "name",
    kind: Kind::Text("a name", |advisor, text| {
        let sound = !text.is_empty() && !text.contains(char::is_whitespace);
        sound.then(|| advisor.name = text.to_owned())
    }),
    preset: Preset::Required,
    reload: true,
    meaning: "By which the `ask` rules of roles refer to it.",
};

const PROCEDURE: Key<Advisor> = Key {
    name: "procedure",
    kind: Kind::Text("a URI outside of \"wamp\"", |advisor, text| {
        let sound = is_valid(text, UriCheck::Loose) && !is_reserved(text);
        sound.then(|| advisor.procedure = Some(text.into()))
    }),
    preset: Preset::Unset("`url` instead"),
    reload: true,
    meaning: "The procedure that is called. The calls are the router's own: no rule is asked about \
              them, and they tell of no caller.",
};

const REALM: Key<Advisor> = Key {
    name: "realm",
    kind: Kind::Text("the name of a realm", |advisor, text| {
        (!text.is_empty()).then(|| advisor.realm = Some(text.into()))
    }),
    preset: Preset::Unset("this realm"),
    reload: true,
    meaning: "The realm of this router in which `procedure` is registered.",
};

const URL: Key<Advisor> = Key {
    name: "url",
    kind: Kind::Text("a URL such as \"http://127.0.0.1:8000/ask\"", |advisor, text| {
        let url: ureq::http::Uri = text.parse().ok()?;
        let known = matches!(url.scheme_str(), Some("http" | "https"));
        let sound = known && url.host().is_some_and(|host| !host.is_empty());
        sound.then(|| advisor.url = Some(text.into()))
    }),
    preset: Preset::Unset("`procedure` instead"),
    reload: true,
    meaning: "Who is asked by HTTP POST instead. The body is the list of arguments in JSON, and so \
              is the answer, with the status 200. No redirect is followed and no proxy used.",
};

const CA: Key<Advisor> = Key {
    name: "ca",
    kind: Kind::File(|advisor, pem| {
        tls::check_authorities(pem)?;
        advisor.ca = Some(pem.into());
        Ok(())
    }),
    preset: Preset::Unset("the authorities that browsers trust"),
    reload: true,
    meaning: "A PEM file with the certificates of the authorities by one of which that of an \
              `https` server must be signed.",
};

const TIMEOUT: Key<Advisor> = Key {
    name: "timeout",
    kind: Kind::Duration(Duration::from_millis(10)..=Duration::from_mins(5), |advisor| {
        &mut advisor.timeout
    }),
    preset: Preset::Literal("\"5s\""),
    reload: true,
    meaning: "How long its answer is awaited. Without one in time nothing is granted.",
};

const CACHE: Key<Advisor> = Key {
    name: "cache",
    kind: Kind::Duration(Duration::ZERO..=Duration::from_hours(1), |advisor| &mut advisor.cache),
    preset: Preset::Literal("\"1s\""),
    reload: true,
    meaning: "How long an answer counts for the same session, action and URI, unless it says \
              `cache: false`. `\"0s\"`: it is asked each time. `wamp.authorization.forget` \
              forgets what is kept.",
};

const OPTIONS: Key<Advisor> = Key {
    name: "options",
    kind: Kind::Switch(|advisor| &mut advisor.options),
    preset: Preset::Literal("true"),
    reload: true,
    meaning: "Whether it is called with four arguments (session, URI, action, options) or, if \
              `false`, without the last: for authorizers that take only three.",
};
