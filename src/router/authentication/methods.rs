//! What begins with each method, and how its proof is judged.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::config::{AuthenticationConfig, RealmConfig};
use super::super::{ConnectionId, Origin, Router};
use crate::env::{Instant, Random};
use crate::message::{Authenticate, ChallengeExtra};
use crate::session::auth::cryptosign::{self, RouterKey};
use crate::session::auth::hex::to_hex;
use crate::session::auth::ticket::Verdict;
use crate::session::auth::{Candidate, Cra, Method, Principal, Scram, Ticket, cra, mock, scram};
use crate::session::authentication::{Authentication, Claim, Grant, Proof};
use crate::wire::Writer as _;
use crate::wire::msgpack::MsgPackWriter;

/// Who vouches for those that the configuration knows.
pub(super) const STATIC: &str = "static";

/// Who vouches for those that an authenticator knows.
pub(super) const DYNAMIC: &str = "dynamic";

/// Who vouches for those that a token tells of.
pub(super) const JWT: &str = "jwt";

/// Who vouches for those that have shown their cookie.
pub(super) const COOKIE: &str = "cookie";

/// What to do with a client that wants to go one way.
pub(super) enum Plan {
    /// That way is not for it, or there is no such way here.
    Unfit,
    /// Nobody is known by what it has shown.
    Stranger,
    /// It is known already.
    Settled(Grant),
    /// It is to prove who it is.
    Challenge(Offer),
    /// The authenticator of that index in the realm knows.
    Ask(usize),
}

/// What a client is to prove, and what follows from it.
pub(super) struct Offer {
    /// Who it is if the proof is right; `None` if it cannot be right.
    pub(super) grant: Option<Grant>,
    /// The role to speak of meanwhile.
    pub(super) role: Arc<str>,
    /// Who vouches for the client.
    pub(super) provider: &'static str,
    /// What the proof is checked by.
    pub(super) credential: Credential,
}

/// What a proof is checked by.
pub(super) enum Credential {
    Ticket(Ticket),
    /// The authenticator of that index in the realm judges the ticket.
    Authenticator(usize),
    /// The ticket is a token.
    Token,
    Cra(Cra),
    Scram(Scram),
    /// The key that the client signs with.
    Key([u8; 32]),
}

/// What a challenge is made of.
pub(super) struct Asking<'a> {
    pub(super) candidate: &'a Authentication,
    pub(super) now: Instant,
    /// What TLS exports for channel binding.
    pub(super) exporter: Option<[u8; 32]>,
    /// By which the router proves itself.
    pub(super) router: Option<&'a RouterKey>,
}

/// What an answer to a challenge comes to.
pub(super) enum Judgement {
    /// It is right, and this is what the client is told beyond WELCOME, as a dict in MessagePack.
    Right(Option<Arc<[u8]>>),
    Wrong,
    /// The authenticator of that index in the realm knows.
    Ask(usize),
    /// Somebody who has the time must hash the ticket by that PHC string, and compare.
    Hash(Arc<str>),
}

impl Asking<'_> {
    /// The challenge to somebody who claims to be able to meet `offer`, and what its answer is
    /// judged by; `None` if the client has not said what it takes.
    pub(super) fn challenge(
        &self,
        offer: &Offer,
        random: &mut Random,
    ) -> Option<(Proof, ChallengeExtra<'static>)> {
        let Claim { authid, extra, .. } = &self.candidate.claim;
        let authid = offer.grant.as_ref().map(|grant| &*grant.authid).or(authid.as_deref());
        match &offer.credential {
            Credential::Ticket(ticket) => {
                Some((Proof::Ticket(ticket.clone()), ChallengeExtra::default()))
            }
            Credential::Authenticator(index) => {
                Some((Proof::Authenticator(*index), ChallengeExtra::default()))
            }
            Credential::Token => Some((Proof::Token, ChallengeExtra::default())),
            Credential::Cra(cra) => {
                let asked = cra::Asked {
                    authid: authid?,
                    authrole: &offer.role,
                    authprovider: offer.provider,
                    session: self.candidate.session,
                    now: self.now,
                };
                let challenge = cra::Challenge::new(cra, &asked, random);
                let extra = cra_extra(&challenge);
                Some((Proof::Cra(challenge), extra))
            }
            Credential::Scram(scram) => {
                let asked = scram::Asked {
                    dialect: if self.candidate.method == Method::WampScram {
                        scram::Dialect::Specification
                    } else {
                        scram::Dialect::Field
                    },
                    authid: self.candidate.claim.authid.as_deref()?,
                    nonce: extra.nonce.as_deref()?,
                    channel_binding: extra.channel_binding.as_deref(),
                    exporter: self.exporter,
                };
                let challenge = scram::Challenge::new(scram, &asked, random).ok()?;
                let extra = scram_extra(&challenge);
                Some((Proof::Scram(Box::new(challenge)), extra))
            }
            Credential::Key(public_key) => {
                let asked = cryptosign::Asked {
                    public_key: *public_key,
                    channel_binding: extra.channel_binding.as_deref(),
                    exporter: self.exporter,
                    challenge: extra.challenge.as_deref(),
                };
                let made = cryptosign::Challenge::new(&asked, self.router, random).ok()?;
                let extra = cryptosign_extra(&made);
                Some((Proof::Cryptosign(Box::new(made)), extra))
            }
        }
    }
}

// spec: advanced/authentication_cra
fn cra_extra(challenge: &cra::Challenge) -> ChallengeExtra<'static> {
    let salted = challenge.salted.as_ref();
    ChallengeExtra {
        challenge: Some(challenge.text.clone().into()),
        salt: salted.map(|salted| salted.salt.to_string().into()),
        iterations: salted.map(|salted| salted.iterations.into()),
        keylen: salted.map(|salted| salted.keylen.into()),
        ..ChallengeExtra::default()
    }
}

// spec: advanced/authentication_scram#challenge
fn scram_extra(challenge: &scram::Challenge) -> ChallengeExtra<'static> {
    ChallengeExtra {
        nonce: Some(challenge.nonce.clone().into()),
        salt: Some(challenge.salt.clone().into()),
        kdf: Some(challenge.kdf.into()),
        iterations: Some(challenge.iterations.into()),
        memory: challenge.memory.map(u64::from),
        ..ChallengeExtra::default()
    }
}

// spec: advanced/authentication_cryptosign#client-authentication
fn cryptosign_extra(challenge: &cryptosign::Challenge) -> ChallengeExtra<'static> {
    let router = challenge.router.as_ref();
    ChallengeExtra {
        challenge: Some(challenge.challenge.clone().into()),
        channel_binding: challenge.channel_binding.map(Into::into),
        signature: router.map(|router| router.signature.clone().into()),
        pubkey: router.map(|router| router.public_key.clone().into()),
        ..ChallengeExtra::default()
    }
}

/// What AUTHENTICATE comes to.
pub(super) fn judge(proof: &Proof, message: &Authenticate<'_>) -> Judgement {
    let (signature, extra) = (&*message.signature.0, &message.extra);
    let is_right = match proof {
        Proof::Authenticator(index) => return Judgement::Ask(*index),
        Proof::Ticket(ticket) => match ticket.check(signature) {
            Verdict::Right => true,
            Verdict::Wrong => false,
            Verdict::Slow(hash) => return Judgement::Hash(hash),
        },
        // What was a token is judged already.
        Proof::Token => false,
        Proof::Cra(challenge) => challenge.check(signature),
        Proof::Cryptosign(challenge) => challenge.check(signature),
        Proof::Scram(challenge) => {
            let answer = scram::Answer {
                proof: signature,
                nonce: extra.nonce.as_deref(),
                channel_binding: extra.channel_binding.as_deref(),
                cbind_data: extra.cbind_data.as_deref(),
            };
            return match challenge.check(&answer) {
                Some(verifier) => Judgement::Right(Some(verifier_extra(&verifier))),
                None => Judgement::Wrong,
            };
        }
    };
    if is_right { Judgement::Right(None) } else { Judgement::Wrong }
}

/// That the router knows the client too, in the words of both dialects.
// spec: advanced/authentication_scram#welcome
fn verifier_extra(verifier: &str) -> Arc<[u8]> {
    let mut dict = Vec::new();
    let mut writer = MsgPackWriter::open(&mut dict);
    writer.dict(2);
    for key in ["verifier", "scram_server_signature"] {
        writer.key(key);
        writer.text(verifier);
    }
    writer.end_dict();
    dict.into()
}

impl Router {
    /// What to do with a client that wants to go the way of its method.
    pub(super) fn plan(&mut self, id: ConnectionId, candidate: &Authentication) -> Plan {
        let config = Arc::clone(&self.config);
        let realm = &config.realms[usize::from(candidate.realm)];
        let Some(slot) = self.peers.slot(id) else { return Plan::Unfit };
        let (known, claim) = (&realm.authentication, &candidate.claim);
        let plan = match candidate.method {
            Method::Anonymous => plan_anonymous(realm, &mut self.random),
            Method::Tls => plan_tls(known, claim, &slot.origin),
            Method::Cryptosign => plan_cryptosign(known, claim),
            Method::Cookie => self.plan_cookie(id, candidate, known),
            method @ (Method::Ticket | Method::Cra | Method::Scram | Method::WampScram) => {
                plan_by_authid(method, known, claim)
            }
        };
        if candidate.pretended.is_some() { self.pretend(candidate, &plan) } else { plan }
    }

    /// What is done in a realm that is not there, where this is done in the one that it looks like:
    /// the same as with somebody unknown, but that nobody is asked.
    fn pretend(&self, candidate: &Authentication, plan: &Plan) -> Plan {
        match (candidate.method, plan) {
            (_, Plan::Ask(authenticator)) => Plan::Ask(*authenticator),
            (_, Plan::Unfit) | (Method::Anonymous | Method::Cookie, _) => Plan::Unfit,
            (Method::Tls, _) => Plan::Stranger,
            _ => self.stranger(candidate).map_or(Plan::Unfit, Plan::Challenge),
        }
    }

    /// What somebody is to prove who is not known in the realm, neither here nor to the
    /// authenticator that is asked there: nobody can. `None` if its method has no challenge.
    pub(super) fn stranger(&self, candidate: &Authentication) -> Option<Offer> {
        let index = usize::from(candidate.realm);
        let (config, looks) = (&self.config.realms[index], &self.realms[index].shared.looks);
        let known = &config.authentication;
        let mocks = Cow::Borrowed(known.principals.mocks());
        let mocks = candidate.pretended.as_ref().map_or(mocks, |name| {
            let seed = mock::seed_of_realm(&self.config.mock_secret, name);
            Cow::Owned(known.principals.mocks().seeded(seed))
        });
        let is_asked = known.authenticator(candidate.method).is_some();
        let provider = if is_asked { DYNAMIC } else { STATIC };
        let role = || config.options.roles.first().map_or("user", |role| &role.name).into();
        let authid = candidate.claim.authid.as_deref();
        // All spellings of a name are shown the same.
        let spelled = authid.map(|it| scram::normalize(it).unwrap_or_else(|| it.to_owned()));
        let offer = match candidate.method {
            Method::Anonymous | Method::Tls | Method::Cookie => return None,
            Method::Cryptosign => {
                unknown(provider, Credential::Key(announced_key(&candidate.claim)?))
            }
            Method::Ticket => {
                let ticket = authid.filter(|_| !is_asked).and_then(|it| mocks.ticket(it));
                let none = || unknown(provider, Credential::Token);
                ticket.map_or_else(none, |it| offer(it, Credential::Ticket))
            }
            Method::Cra if is_asked => {
                offer(mocks.strange_cra(authid?, looks, &role()), Credential::Cra)
            }
            Method::Cra => offer(mocks.cra(authid?)?, Credential::Cra),
            Method::Scram | Method::WampScram if is_asked => {
                offer(mocks.strange_scram(&spelled?, looks, &role()), Credential::Scram)
            }
            Method::Scram | Method::WampScram => offer(mocks.scram(&spelled?)?, Credential::Scram),
        };
        Some(Offer { provider, ..offer })
    }

    /// Who has a cookie is who it stands for, as long as that is so.
    // spec: advanced/authentication#cookie-based-authentication
    fn plan_cookie(
        &mut self,
        id: ConnectionId,
        candidate: &Authentication,
        config: &AuthenticationConfig,
    ) -> Plan {
        if config.cookie.is_zero() {
            return Plan::Unfit;
        }
        let Some(known) = self.shown_cookie(id, candidate.realm) else { return Plan::Unfit };
        let claimed = candidate.claim.authid.as_deref();
        // Another shard may have been told of it before it was told of a reload.
        if !known.is_vouched_for(&self.config)
            || claimed.is_some_and(|claimed| *claimed != *known.authid)
        {
            return Plan::Unfit;
        }
        Plan::Settled(Grant {
            authid: Arc::clone(&known.authid),
            role: Arc::clone(&known.role),
            provider: COOKIE.into(),
            extra: None,
        })
    }
}

// spec: advanced/authentication
fn plan_anonymous(realm: &RealmConfig, random: &mut Random) -> Plan {
    if let Some(authenticator) = realm.authentication.authenticator(Method::Anonymous) {
        return Plan::Ask(authenticator);
    }
    let Some(role) = realm.anonymous_role() else { return Plan::Unfit };
    let authid = random_authid(random).into();
    Plan::Settled(Grant { authid, role, provider: STATIC.into(), extra: None })
}

/// Methods by which a client says who it is and proves it by a secret.
fn plan_by_authid(method: Method, config: &AuthenticationConfig, claim: &Claim) -> Plan {
    let Some(authid) = claim.authid.as_deref() else {
        // A token says itself whose it is.
        let takes_tokens = method == Method::Ticket && config.jwt.is_some();
        let offer = takes_tokens.then(|| unknown(JWT, Credential::Token));
        return offer.map_or(Plan::Unfit, Plan::Challenge);
    };
    let principals = &config.principals;
    let offer = if method == Method::Ticket {
        principals.ticket(authid).map(|it| offer(it, Credential::Ticket))
    } else if method == Method::Cra {
        principals.cra(authid).map(|it| offer(it, Credential::Cra))
    } else {
        principals.scram(authid).map(|it| offer(it, Credential::Scram))
    };
    let is_ticket = method == Method::Ticket;
    match (offer, config.authenticator(method)) {
        (Some(offer), None) => Plan::Challenge(offer),
        (Some(offer), Some(_)) if offer.grant.is_some() => Plan::Challenge(offer),
        // What a ticket is worth can only be asked with the ticket in hand.
        (_, Some(authenticator)) if is_ticket => {
            Plan::Challenge(unknown(DYNAMIC, Credential::Authenticator(authenticator)))
        }
        (_, Some(authenticator)) => Plan::Ask(authenticator),
        (None, None) if is_ticket && config.jwt.is_some() => {
            Plan::Challenge(unknown(JWT, Credential::Token))
        }
        (None, None) => Plan::Unfit,
    }
}

/// A certificate was proved with the connection: it only has to be known.
fn plan_tls(config: &AuthenticationConfig, claim: &Claim, origin: &Origin) -> Plan {
    let certificate = origin.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let Some(certificate) = certificate else { return Plan::Unfit };
    let names = std::iter::once(&certificate.subject).chain(&certificate.names);
    let names = names.map(AsRef::as_ref).filter(|name: &&str| !name.is_empty());
    let known = config.principals.by_certificate(certificate.fingerprint, names);
    match (known.filter(|known| is_claimed(claim, known)), config.authenticator(Method::Tls)) {
        (Some(known), _) => Plan::Settled(grant(known)),
        (None, Some(authenticator)) => Plan::Ask(authenticator),
        (None, None) if config.principals.has_certificates() => Plan::Stranger,
        (None, None) => Plan::Unfit,
    }
}

// spec: advanced/authentication_cryptosign#client-authentication
fn plan_cryptosign(config: &AuthenticationConfig, claim: &Claim) -> Plan {
    let Some(key) = announced_key(claim) else { return Plan::Unfit };
    let known = config.principals.by_public_key(&key).filter(|known| is_claimed(claim, known));
    match (known, config.authenticator(Method::Cryptosign)) {
        (Some(known), _) => Plan::Challenge(Offer {
            grant: Some(grant(known)),
            role: Arc::clone(&known.role),
            provider: STATIC,
            credential: Credential::Key(key),
        }),
        (None, Some(authenticator)) => Plan::Ask(authenticator),
        // Whoever has the key can sign by it, which proves nothing.
        (None, None) if config.principals.has_public_keys() => {
            Plan::Challenge(unknown(STATIC, Credential::Key(key)))
        }
        (None, None) => Plan::Unfit,
    }
}

/// The key that a client says it will sign by, if it can be one.
pub(super) fn announced_key(claim: &Claim) -> Option<[u8; 32]> {
    claim.extra.pubkey.as_deref().and_then(cryptosign::public_key_from_hex)
}

/// Whether a client that says who it is says that it is this one.
fn is_claimed(claim: &Claim, principal: &Principal) -> bool {
    claim.authid.as_deref().is_none_or(|claimed| *claimed == *principal.authid)
}

fn grant(principal: &Principal) -> Grant {
    Grant {
        authid: Arc::clone(&principal.authid),
        role: Arc::clone(&principal.role),
        provider: STATIC.into(),
        extra: None,
    }
}

/// What somebody is to prove of whom only the proof will tell who it is.
fn unknown(provider: &'static str, credential: Credential) -> Offer {
    Offer { grant: None, role: "".into(), provider, credential }
}

fn offer<C>(candidate: Candidate<C>, credential: impl FnOnce(C) -> Credential) -> Offer {
    Offer {
        grant: candidate.principal.as_deref().map(grant),
        role: candidate.role,
        provider: STATIC,
        credential: credential(candidate.credential),
    }
}

/// Twelve octets of chance, so that no two anonymous peers share an identity.
pub(super) fn random_authid(random: &mut Random) -> String {
    let mut octets = [0; 12];
    random.fill(&mut octets);
    to_hex(&octets)
}
