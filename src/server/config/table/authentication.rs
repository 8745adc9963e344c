//! Who may join a realm: the rows of `[[realms]]` about that, `[[realms.principals]]` and
//! `[realms.jwt]`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::limits::AUTHID_BYTES_MAX;
use crate::router::config::{AuthenticationConfig, JwtConfig, RealmConfig};
use crate::server::config::key::{Key, Kind, Preset};
use crate::server::config::nest::{Inner, Misfit, Shape, Table};
use crate::session::auth::cryptosign::{RouterKey, public_key_from_hex};
use crate::session::auth::jwt::Algorithm;
use crate::session::auth::{
    Certificate, Cra, Credentials, Principal, Salted, Scram, Secret, Ticket, jwt,
};

pub(super) const ANONYMOUS: Key<RealmConfig> = Key {
    name: "anonymous",
    kind: Kind::Text("the name of a role", |realm, text| {
        let role = is_role(text).then(|| text.into());
        role.map(|role| realm.authentication_mut().anonymous = Some(role))
    }),
    preset: Preset::Unset("nobody, unless the realm says nothing of who may join and do what"),
    reload: true,
    meaning: "The role of clients that prove nothing. In a realm without roles, principals, \
              authenticators and tokens everybody is admitted, as `anonymous`.",
};

pub(super) const CREDENTIALS: Key<RealmConfig> = Key {
    name: "credentials",
    kind: Kind::Text("the path of a file", |realm, text| {
        let is_path = !text.is_empty() && !text.contains('\0');
        is_path.then(|| realm.authentication_mut().credentials = Some(text.into()))
    }),
    preset: Preset::Unset("no other principals"),
    reload: true,
    meaning: "A file of more `[[principals]]`, written as `[[realms.principals]]` are. It is read \
              again when it has changed.",
};

/// The whole of a file with principals.
pub(in crate::server::config) static PEOPLE: Table<Vec<Principal>> = Table {
    path: "",
    keys: &[],
    tables: &[&Inner::<Vec<Principal>, Written> {
        name: "principals",
        shape: Shape::List,
        needed: None,
        table: &PRINCIPAL,
        make: Written::default,
        place: |people, written, _| {
            people.push(written.finish()?);
            Ok(())
        },
    }],
};

pub(super) const COOKIE: Key<RealmConfig> = Key {
    name: "cookie",
    kind: Kind::Duration(Duration::ZERO..=Duration::from_hours(24 * 400), |realm| {
        &mut realm.authentication_mut().cookie
    }),
    preset: Preset::Literal("\"0s\""),
    reload: true,
    meaning: "How long a cookie, set when a WebSocket or a long-poll transport is opened, stands \
              for who has joined by it and proved something: later clients that show it may join \
              by the method `cookie`. GOODBYE with `wamp.close.logout` ends that, and so does a \
              restart; or a reload that removes or changes whoever vouched for the client: its \
              principal, the keys of tokens, the authenticator. `\"0s\"`: there are no cookies.",
};

pub(super) const ROUTER_KEY: Key<RealmConfig> = Key {
    name: "router_key",
    kind: Kind::Secret("a private key as `gigawamp keygen` writes it", |realm, text| {
        let key = RouterKey::from_hex(&Secret::from(text));
        let key = key.ok_or("it is not 64 hexadecimal digits")?;
        realm.authentication_mut().router_key = Some(key);
        Ok(())
    }),
    preset: Preset::Unset("clients do not learn who the router is"),
    reload: true,
    meaning: "By which the router proves itself to clients of cryptosign that ask it to. It signs \
              what clients want, so it must serve nothing else.",
};

impl RealmConfig {
    /// Who may join it, to be altered.
    pub(in crate::server) fn authentication_mut(&mut self) -> &mut AuthenticationConfig {
        Arc::make_mut(&mut self.authentication)
    }
}

impl RealmConfig {
    /// One principal more.
    ///
    /// # Errors
    ///
    /// It cannot be told from another one.
    pub(in crate::server::config) fn know(&mut self, principal: Principal) -> Result<(), String> {
        let known = &mut self.authentication_mut().principals;
        Arc::make_mut(known).insert(principal).map_err(|twice| twice.to_string())
    }
}

/// Whether `text` may be the name of a role.
fn is_role(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// `[[realms.principals]]` in its realm.
pub(super) static PRINCIPALS: Inner<RealmConfig, Written> = Inner {
    name: "principals",
    shape: Shape::List,
    needed: None,
    table: &PRINCIPAL,
    make: Written::default,
    place: |realm, written, _| {
        let principal = written.finish()?;
        realm.know(principal).map_err(|text| Misfit { key: "authid", text })?;
        Ok(())
    },
};

/// From which the parameters come that unknown identities are shown, where the configuration has no
/// secret for that: the same for as long as the process runs.
pub(in crate::server::config) fn chance_secret() -> Secret {
    static SECRET: OnceLock<Secret> = OnceLock::new();
    let secret = || {
        let mut octets = [0; 32];
        SystemRandom::new().fill(&mut octets).expect("the system has chance");
        Secret::new(octets)
    };
    SECRET.get_or_init(secret).clone()
}

pub(in crate::server) static PRINCIPAL: Table<Written> =
    Table { path: "realms.principals", keys: PRINCIPAL_KEYS, tables: &[] };

/// A principal as it is written.
#[derive(Default)]
pub(in crate::server) struct Written {
    authid: String,
    role: String,
    credentials: Credentials,
    secret: Option<Secret>,
    salt: Option<Box<str>>,
    iterations: usize,
    keylen: usize,
}

impl Written {
    /// The principal that it means.
    pub(in crate::server) fn finish(self) -> Result<Principal, Misfit> {
        let mut credentials = self.credentials;
        let number = |number: usize| u32::try_from(number).expect("the rows bound it");
        credentials.cra = match (self.secret, self.salt) {
            (None, None) => None,
            (None, Some(_)) => {
                let text = "a salt without a secret is of no use".to_owned();
                return Err(Misfit { key: "salt", text });
            }
            (Some(key), None) => Some(Cra { key, salted: None }),
            (Some(key), Some(salt)) => {
                let (iterations, keylen) = (number(self.iterations), number(self.keylen));
                let salted = Salted { salt: salt.into(), iterations, keylen };
                Some(Cra { key, salted: Some(salted) })
            }
        };
        if credentials == Credentials::default() {
            let text = format!("{:?} has nothing to prove itself by", self.authid);
            return Err(Misfit { key: "authid", text });
        }
        Ok(Principal { authid: self.authid.into(), role: self.role.into(), credentials })
    }
}

const PRINCIPAL_KEYS: &[Key<Written>] = &[
    Key {
        name: "authid",
        kind: Kind::Text("a name of at most 256 octets", |written, text| {
            let sound = !text.is_empty() && text.len() <= AUTHID_BYTES_MAX;
            sound.then(|| written.authid = text.to_owned())
        }),
        preset: Preset::Required,
        reload: true,
        meaning: "What the client says in HELLO. No two principals of a realm share one.",
    },
    Key {
        name: "role",
        kind: Kind::Text("the name of a role", |written, text| {
            is_role(text).then(|| written.role = text.to_owned())
        }),
        preset: Preset::Required,
        reload: true,
        meaning: "What its sessions may do.",
    },
    Key {
        name: "ticket",
        kind: Kind::Secret(
            "a ticket, or its hash as `gigawamp passwd` writes it",
            |written, text| {
                let ticket = Ticket::from_text(text).map_err(|error| error.to_string())?;
                written.credentials.ticket = Some(ticket);
                Ok(())
            },
        ),
        preset: Preset::Unset("it cannot join by `ticket`"),
        reload: true,
        meaning: "For the method `ticket`. As it is only if it was drawn at random; a password \
                  must be hashed.",
    },
    Key {
        name: "secret",
        kind: Kind::Secret("a secret", |written, text| {
            written.secret = Some(text.into());
            Ok(())
        }),
        preset: Preset::Unset("it cannot join by `wampcra`"),
        reload: true,
        meaning: "For the method `wampcra`: the secret itself or, with a `salt`, what was derived \
                  from the password.",
    },
    Key {
        name: "salt",
        kind: Kind::Text("a text", |written, text| {
            (!text.is_empty()).then(|| written.salt = Some(text.into()))
        }),
        preset: Preset::Unset("`secret` is the secret itself"),
        reload: true,
        meaning: "How `secret` was derived from the password: clients are told it, with the next \
                  two.",
    },
    Key {
        name: "iterations",
        kind: Kind::Count(1..=10_000_000, |written| &mut written.iterations),
        preset: Preset::Literal("1000"),
        reload: true,
        meaning: "Rounds of PBKDF2 that `secret` took.",
    },
    Key {
        name: "keylen",
        kind: Kind::Count(1..=1_024, |written| &mut written.keylen),
        preset: Preset::Literal("32"),
        reload: true,
        meaning: "Octets of the key, before they were written in base64.",
    },
    Key {
        name: "scram",
        kind: Kind::Secret("a line as `gigawamp passwd` writes it", |written, text| {
            let scram = Scram::from_line(text).map_err(|error| error.to_string())?;
            written.credentials.scram = Some(scram);
            Ok(())
        }),
        preset: Preset::Unset("it cannot join by `scram` and `wamp-scram`"),
        reload: true,
        meaning: "For the methods `scram` and `wamp-scram`.",
    },
    Key {
        name: "public_keys",
        kind: Kind::ParsedList(
            "public keys as `gigawamp keygen` writes them",
            |written| written.credentials.public_keys.clear(),
            |written, text| {
                let key = public_key_from_hex(text);
                let key = key.ok_or("it is no public key of Ed25519 in 64 hexadecimal digits")?;
                written.credentials.public_keys.push(key);
                Ok(())
            },
        ),
        preset: Preset::Unset("it cannot join by `cryptosign`"),
        reload: true,
        meaning: "For the method `cryptosign`: any of them will do.",
    },
    Key {
        name: "certificates",
        kind: Kind::Texts(
            "names or SHA-256 fingerprints of certificates",
            |written| written.credentials.certificates.clear(),
            |written, text| {
                let certificate = Certificate::from_text(text);
                (!text.is_empty()).then(|| written.credentials.certificates.push(certificate))
            },
        ),
        preset: Preset::Unset("it cannot join by `tls`"),
        reload: true,
        meaning: "For the method `tls`: the common name or an alternative name of a client \
                  certificate, or the fingerprint of the whole.",
    },
];

/// `[realms.jwt]` in its realm.
pub(super) static JWT: Inner<RealmConfig, JwtConfig> = Inner {
    name: "jwt",
    shape: Shape::One,
    needed: None,
    table: &TOKENS,
    make: JwtConfig::default,
    place: |realm, tokens, _| {
        if tokens.role.is_none() && tokens.rules.role_claim.is_none() {
            let text = "which role have they? set `role`, `role_claim`, or both".to_owned();
            return Err(Misfit { key: "keys", text });
        }
        realm.authentication_mut().jwt = Some(tokens);
        Ok(())
    },
};

static TOKENS: Table<JwtConfig> = Table { path: "realms.jwt", keys: JWT_KEYS, tables: &[] };

const JWT_KEYS: &[Key<JwtConfig>] = &[
    Key {
        name: "keys",
        kind: Kind::Secrets(
            "documents with keys",
            |tokens| tokens.rules.keys.clear(),
            |tokens, text| {
                let keys = jwt::Key::from_document(&Secret::from(text));
                tokens.rules.keys.extend(keys.map_err(|error| error.to_string())?);
                Ok(())
            },
        ),
        preset: Preset::Required,
        reload: true,
        meaning: "Whose signatures count: public keys in PEM, JSON Web Keys or sets of them, or \
                  shared secrets of 32 octets or more. A token is given as a ticket.",
    },
    Key {
        name: "algorithms",
        kind: Kind::Texts(
            "algorithms such as \"EdDSA\" or \"RS256\"",
            |tokens| tokens.rules.algorithms = Some(Vec::new()),
            |tokens, text| {
                let algorithm = Algorithm::from_name(text)?;
                tokens.rules.algorithms.get_or_insert_default().push(algorithm);
                Some(())
            },
        ),
        preset: Preset::Unset("all that a key is good for"),
        reload: true,
        meaning: "How tokens may be signed. `none` never counts.",
    },
    Key {
        name: "issuer",
        kind: Kind::Text("a text", |tokens, text| {
            (!text.is_empty()).then(|| tokens.rules.issuer = Some(text.into()))
        }),
        preset: Preset::Unset("anybody who has a key"),
        reload: true,
        meaning: "Whom tokens must be from (`iss`).",
    },
    Key {
        name: "audience",
        kind: Kind::Text("a text", |tokens, text| {
            (!text.is_empty()).then(|| tokens.rules.audience = Some(text.into()))
        }),
        preset: Preset::Unset("tokens that are for somebody are refused"),
        reload: true,
        meaning: "Whom tokens must be for (`aud`).",
    },
    Key {
        name: "authid_claim",
        kind: Kind::Text("the name of a claim", |tokens, text| {
            (!text.is_empty()).then(|| tokens.rules.authid_claim = text.into())
        }),
        preset: Preset::Literal("\"sub\""),
        reload: true,
        meaning: "The claim that has the authid.",
    },
    Key {
        name: "role_claim",
        kind: Kind::Text("the name of a claim", |tokens, text| {
            (!text.is_empty()).then(|| tokens.rules.role_claim = Some(text.into()))
        }),
        preset: Preset::Unset("all have `role`"),
        reload: true,
        meaning: "The claim that has the role, or a list of roles, of which the first that the \
                  realm has counts.",
    },
    Key {
        name: "role",
        kind: Kind::Text("the name of a role", |tokens, text| {
            is_role(text).then(|| tokens.role = Some(text.into()))
        }),
        preset: Preset::Unset("a token without a role is refused"),
        reload: true,
        meaning: "The role of those whose token names none that the realm has.",
    },
    Key {
        name: "leeway",
        kind: Kind::Duration(Duration::ZERO..=Duration::from_hours(1), |tokens| {
            &mut tokens.rules.leeway
        }),
        preset: Preset::Literal("\"1m\""),
        reload: true,
        meaning: "By how much the clocks of whoever signs may differ from this machine's.",
    },
];
