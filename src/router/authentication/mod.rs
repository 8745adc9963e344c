//! From HELLO to WELCOME: who a session is for, and whether that is so.
//!
//! The realm and the listener say which methods there are, the client in which order they are
//! tried; the first that fits is the one. A method either settles who it is at once, or challenges
//! the client, or asks an authenticator ([`super::advice`]), before the challenge or behind it:
//!
//! ```text
//!  HELLO ─▶ choose ─▶ begin ──┬─ settled ────────────────────────────────────▶ WELCOME
//!                             ├─ CHALLENGE ─▶ AUTHENTICATE ─▶ judge ─────────▶ WELCOME or ABORT
//!                             │       ▲                         └─ ask ─┐
//!                             └─ ask ─┴─ authenticator ◀────────────────┘
//! ```
//!
//! What is proved and how is [`crate::session::auth`]'s affair; here is what follows from it. No
//! way leads to a session but one that ends in a [`Grant`]: who is late, an authenticator that is
//! down or talks nonsense, a role that there is not: all of it ends in ABORT.
//!
//! Whoever claims an identity that does not exist is challenged like all others, by parameters
//! that stay the same, and its proof fails like a wrong one; so is whoever an authenticator does
//! not know. Where realms are hidden that goes for realms that do not exist, too: such a one looks
//! like another one of the listener, in which nobody is known. What shows all the same is the time
//! that an authenticator takes, for nobody is asked about a realm that is not there.

mod attempts;
mod authenticators;
mod cookies;
mod methods;

pub(super) use attempts::{Attempts, Pair};
pub(super) use cookies::{Cookies, Remembered};

use cookies::Voucher;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::methods::{Asking, Judgement, Offer, Plan};
use super::announcement::announced;
use super::config::{JwtConfig, RealmConfig, RequestIds};
use super::conversation::Deadline;
use super::relay::{Head, Relay};
use super::slots::is_poll;
use super::{ConnectionId, Router, ShardId};
use crate::limits::{AUTHEXTRA_BYTES_MAX, AUTHID_BYTES_MAX};
use crate::message::uri::{self, error};
use crate::message::{
    Attributes, Authenticate, Challenge, Extra, Hello, HelloDetails, HelloExtra, Text, UriCheck,
    Welcome, WelcomeDetails,
};
use crate::session::auth::{Method, jwt, mock, scram};
use crate::session::authentication::{Authentication, Awaited, Claim, Grant};
use crate::session::{Identity, Phase, Session, Violation};
use crate::wire::Serializer;

/// A refusal, as the reason and the text of its ABORT.
type Refusal = (&'static str, &'static str);

/// The proof is wrong, or there is nobody whom it could prove: nobody can tell which.
const DENIED: Refusal = (error::AUTHENTICATION_DENIED, "this identity was not proved");

/// It could not be found out.
const FAILED: Refusal = (error::AUTHENTICATION_FAILED, "the authentication failed");

const BLOCKED: Refusal =
    (error::AUTHENTICATION_FAILED, "too many attempts have failed, try again later");

const LATE: Refusal = (error::AUTHENTICATION_FAILED, "the proof did not come in due time");

const UNKNOWN_REALM: Refusal = (error::NO_SUCH_REALM, "this router has no such realm");

const UNKNOWN_ROLE: Refusal = (error::NO_SUCH_ROLE, "this realm has no such role");

const PROOF_NEEDED: Refusal =
    (error::AUTHENTICATION_REQUIRED, "this realm admits nobody without authentication");

const NO_METHOD: Refusal =
    (error::NO_MATCHING_AUTH_METHOD, "none of these methods is to be had here");

impl Router {
    // spec: basic/sessions#session-establishment
    pub(super) fn on_hello(&mut self, id: ConnectionId, hello: &Hello<'_>) {
        if self.memory_is_short.load(Ordering::Relaxed) {
            self.peers.counters.sessions_refused += 1;
            return self.abort(id, error::OVERLOADED, "memory is short, try again later");
        }
        let details = &hello.details;
        let roles = details.roles.clone().unwrap_or_default();
        if roles.is_empty() {
            let text = "Hello.details.roles: at least one of caller, callee, publisher, subscriber";
            return self.on_violation(id, Violation(text.into()));
        }
        if !uri::is_valid(&hello.realm, UriCheck::Loose) {
            return self.abort(id, error::INVALID_URI, "the realm is not a valid URI");
        }
        let served = self.served_realm(id, &hello.realm);
        let Some(realm) = served.or_else(|| self.stand_in(id, &hello.realm)) else {
            return self.abort(id, UNKNOWN_REALM.0, UNKNOWN_REALM.1);
        };
        let Some(claim) = claim(details) else {
            let text = "Hello.details.authextra: longer than any method needs";
            return self.abort(id, error::INVALID_ARGUMENT, text);
        };
        let candidate = Authentication {
            awaited: Awaited::Judgement,
            session: self.random_session_id(),
            realm,
            asked_realm: realm,
            pretended: served.is_none().then(|| hello.realm.as_ref().into()),
            roles,
            method: Method::Anonymous,
            claim,
            grant: None,
            proof: None,
            refusal: None,
        };
        self.choose(id, details.authmethods.as_deref().unwrap_or_default(), candidate);
    }

    // spec: advanced/messages#authenticate
    pub(super) fn on_authenticate(&mut self, id: ConnectionId, message: &Authenticate<'_>) {
        let Some(mut known) = self.take_authentication(id) else { return };
        let Some(proof) = known.proof.take() else { return self.fail(id, known) };
        let signature = &*message.signature.0;
        if known.method == Method::Ticket && jwt::is_token(signature) {
            let config = Arc::clone(&self.config);
            let realm = &config.realms[usize::from(known.realm)].authentication;
            if let Some(tokens) = &realm.jwt {
                return match self.bearer(&known, tokens, signature) {
                    Some(grant) => self.admit(id, known, grant),
                    None => self.deny(id, known),
                };
            }
        }
        match methods::judge(&proof, message) {
            Judgement::Right(extra) => self.on_right_proof(id, known, extra),
            Judgement::Wrong => self.deny(id, known),
            Judgement::Ask(authenticator) => {
                known.proof = Some(proof);
                self.ask_authenticator(id, known, authenticator, Some(signature));
            }
            Judgement::Hash(hash) => {
                known.proof = Some(proof);
                self.ask_hash(id, known, &hash, signature);
            }
        }
    }

    /// Opens the session of a client whose proof is right, if it can prove anything.
    fn on_right_proof(
        &mut self,
        id: ConnectionId,
        mut known: Authentication,
        extra: Option<Arc<[u8]>>,
    ) {
        let Some(grant) = known.grant.take() else { return self.deny(id, known) };
        let extra = extra.or_else(|| grant.extra.clone());
        self.admit(id, known, Grant { extra, ..grant });
    }

    /// Who bears a token, if it is right; with the first of its roles that the realm has.
    fn bearer(&self, known: &Authentication, tokens: &JwtConfig, token: &str) -> Option<Grant> {
        let bearer = tokens.rules.check(token, self.now).ok()?;
        let claimed = known.claim.authid.as_deref();
        if bearer.authid.len() > AUTHID_BYTES_MAX
            || claimed.is_some_and(|claimed| *claimed != *bearer.authid)
        {
            return None;
        }
        let roles = &self.realms[usize::from(known.realm)].roles;
        let role = bearer.roles.iter().find(|role| roles.find(role).is_some());
        let role = role.map(|role| role.as_str().into());
        let role = role.or_else(|| tokens.role.as_ref().map(Arc::clone))?;
        let (authid, provider) = (bearer.authid.into(), methods::JWT.into());
        Some(Grant { authid, role, provider, extra: None })
    }

    /// The client or its judge took too long.
    pub(super) fn on_authentication_late(&mut self, id: ConnectionId) {
        let Some(known) = self.take_authentication(id) else { return };
        match known.refusal {
            Some((reason, text)) => self.abort(id, reason, text),
            None => self.abort(id, LATE.0, LATE.1),
        }
        self.part(id);
    }

    /// Takes note of what another shard tells of clients; says whether that is what it told.
    pub(super) fn on_authentication_relay(&mut self, relay: &Relay<'_>) -> bool {
        if let Head::Suspect(pair) = &relay.head {
            self.note_failure(*pair);
            return true;
        }
        let Head::Remember(remembered) = &relay.head else { return false };
        // What vouched for it may be gone since; what is to be forgotten is forgotten in any case.
        if remembered.until <= self.now || remembered.is_vouched_for(&self.config) {
            self.cookies.learn(remembered, self.now);
        }
        true
    }

    /// The client says goodbye for good: its cookie does not stand for it any more.
    pub(super) fn forget_cookie(&mut self, id: ConnectionId, realm: u16) {
        if let Some(known) = self.shown_cookie(id, realm) {
            self.remember(Remembered { until: self.now, ..(*known).clone() });
        }
    }

    /// Tries the methods that the client offers, in its order.
    // spec: advanced/authentication#authentication-methods
    fn choose(&mut self, id: ConnectionId, offered: &[Text<'_>], mut candidate: Authentication) {
        let default = [Text::Borrowed(Method::Anonymous.name())];
        let offered = if offered.is_empty() { &default } else { offered };
        let mut known: Vec<_> = offered.iter().filter_map(|name| Method::from_name(name)).collect();
        let mut seen = Vec::new();
        known.retain(|method| {
            !seen.contains(method) && {
                seen.push(*method);
                true
            }
        });
        let (mut is_stranger, mut is_claimed) = (false, false);
        for method in known {
            if !self.allows(id, method) {
                continue;
            }
            candidate.method = method;
            is_claimed |= method != Method::Anonymous;
            if method != Method::Anonymous && self.is_blocked(id, &candidate) {
                self.peers.counters.authentications_blocked += 1;
                return self.put_off(id, candidate, BLOCKED, Duration::ZERO);
            }
            match self.plan(id, &candidate) {
                Plan::Unfit => {}
                Plan::Stranger => is_stranger = true,
                Plan::Settled(grant) => return self.admit(id, candidate, grant),
                // In a realm that is not there nobody is asked, and nobody is known.
                Plan::Ask(_) if candidate.pretended.is_some() => {
                    return self.on_stranger(id, candidate);
                }
                Plan::Ask(authenticator) => {
                    return self.ask_authenticator(id, candidate, authenticator, None);
                }
                Plan::Challenge(offer) => match self.challenge(id, candidate, offer) {
                    Ok(()) => return,
                    Err(given_back) => candidate = *given_back,
                },
            }
        }
        let refusal = match (is_stranger, is_claimed) {
            (true, _) => return self.deny(id, candidate),
            _ if self.config.hide_realms => UNKNOWN_REALM,
            (_, true) => NO_METHOD,
            (_, false) if is_only_anonymous(offered) => PROOF_NEEDED,
            (_, false) => NO_METHOD,
        };
        self.abort(id, refusal.0, refusal.1);
    }

    /// Challenges a client to prove that it has the credential; gives the candidate back if it
    /// cannot be challenged so.
    // spec: advanced/messages#challenge
    fn challenge(
        &mut self,
        id: ConnectionId,
        mut candidate: Authentication,
        offer: Offer,
    ) -> Result<(), Box<Authentication>> {
        let exporter = self.peers.slot(id).and_then(|slot| slot.origin.tls.as_ref()?.exporter);
        let config = &self.config.realms[usize::from(candidate.realm)].authentication;
        let router = config.router_key.as_ref();
        let asking = Asking { candidate: &candidate, now: self.now, exporter, router };
        let Some((proof, extra)) = asking.challenge(&offer, &mut self.random) else {
            return Err(Box::new(candidate));
        };
        let method = Text::Borrowed(candidate.method.name());
        (candidate.grant, candidate.proof) = (offer.grant, Some(proof));
        candidate.awaited = Awaited::Proof;
        self.wait(id, candidate, self.config.limits.authenticate);
        self.peers.tell(id.slot, Challenge { method, extra });
        Ok(())
    }

    /// Opens the session of a client that has proved who it is.
    fn admit(&mut self, id: ConnectionId, candidate: Authentication, grant: Grant) {
        if candidate.pretended.is_some() {
            return self.deny(id, candidate);
        }
        let Authentication {
            session: session_id, realm, asked_realm, roles, method, claim, ..
        } = candidate;
        let Some(role) = self.realms[usize::from(realm)].roles.find(&grant.role) else {
            return self.abort(id, UNKNOWN_ROLE.0, UNKNOWN_ROLE.1);
        };
        if self.peers.sessions.contains_key(&session_id) {
            return self.abort(id, FAILED.0, FAILED.1);
        }
        self.forgive(id, asked_realm, (method, &claim), &grant.authid);
        let identity = Identity {
            authid: grant.authid,
            role,
            authrole: grant.role,
            authmethod: method.name(),
            authprovider: grant.provider,
            authextra: grant.extra,
        };
        let config = &self.config.realms[usize::from(realm)];
        let details = WelcomeDetails {
            roles: Some(announced(&config.options)),
            agent: Some(self.config.agent.as_str().into()),
            realm: Some(config.name.as_str().into()),
            authid: Some(identity.authid.as_ref().into()),
            authrole: Some(identity.authrole.as_ref().into()),
            authmethod: Some(identity.authmethod.into()),
            authprovider: Some(identity.authprovider.as_ref().into()),
            authextra: identity.authextra.as_deref().map(Extra::of_msgpack),
        };
        if !self.peers.welcome(id.slot, Welcome { session: session_id, details }) {
            let text = "the longest message this peer takes is shorter than WELCOME";
            return self.abort(id, error::PAYLOAD_SIZE_EXCEEDED, text);
        }
        // Sends of one client may overtake each other on the way: no order of ids can be asked for.
        let given = config.request_ids;
        let request_ids = if is_poll(id.slot) { RequestIds::Any } else { given };
        self.bind_cookie(id, (realm, asked_realm), method, &identity);
        let buckets = self.buckets(id, (realm, &identity.authrole));
        let keys = (request_ids, &self.hash_key);
        let connection = self.peers.connection(id).expect("it said HELLO");
        let session = Session::new(session_id, realm, identity, roles, keys);
        let mut session = session.after(connection.request_before);
        session.buckets = buckets;
        connection.phase = Phase::Open(Box::new(session));
        (connection.heard, connection.silences) = (true, 0);
        self.peers.sessions.insert(session_id, id.slot);
        self.peers.counters.sessions += 1;
        self.set_deadline(id, Deadline::Look(id), self.look_interval());
        self.in_realm(realm, |realm, context| realm.join(id.slot, context));
    }

    /// Refuses a client whose proof is wrong, or could not be right; after a while, if that
    /// happens often.
    fn deny(&mut self, id: ConnectionId, candidate: Authentication) {
        self.peers.counters.authentications_failed += 1;
        let Some(pair) = self.pair_of(id, &candidate) else {
            return self.put_off(id, candidate, DENIED, Duration::ZERO);
        };
        let delay = self.note_failure_everywhere(pair);
        self.put_off(id, candidate, DENIED, delay);
    }

    /// Refuses a client of whom could not be found out who it is.
    fn fail(&mut self, id: ConnectionId, candidate: Authentication) {
        self.peers.counters.authentications_failed += 1;
        self.put_off(id, candidate, FAILED, Duration::ZERO);
    }

    fn put_off(
        &mut self,
        id: ConnectionId,
        mut candidate: Authentication,
        refusal: Refusal,
        delay: Duration,
    ) {
        if delay.is_zero() {
            return self.abort(id, refusal.0, refusal.1);
        }
        candidate.refusal = Some(refusal);
        candidate.awaited = Awaited::Judgement;
        self.wait(id, candidate, delay);
    }

    /// Waits for something for `time` at most, and never beyond the time that a client has from
    /// its connection to WELCOME.
    fn wait(&mut self, id: ConnectionId, candidate: Authentication, time: Duration) {
        let slot = self.peers.slot(id).expect("it wants to join");
        let time = time.min(slot.welcome_by - self.now);
        let connection = slot.connection.as_mut().expect("a slot that was found is taken");
        connection.phase = Phase::Authenticating(Box::new(candidate));
        self.set_deadline(id, Deadline::Handshake(id), time);
    }

    /// What is known of a client that is proving who it is; from here on it is not.
    fn take_authentication(&mut self, id: ConnectionId) -> Option<Authentication> {
        let slot = self.peers.slot(id)?;
        let connection = slot.connection.as_mut()?;
        let phase = std::mem::take(&mut connection.phase);
        let Phase::Authenticating(known) = phase else {
            connection.phase = phase;
            return None;
        };
        self.ask_no_more(id);
        Some(*known)
    }

    /// The realm of that name, if the listener of the client serves it.
    fn served_realm(&mut self, id: ConnectionId, name: &str) -> Option<u16> {
        let listener = usize::from(self.peers.slot(id)?.origin.listener);
        let is_served = self.config.admission.get(listener).is_none_or(|it| it.serves(name));
        self.realm_names.get(name).copied().filter(|_| is_served)
    }

    /// The realm that one looks like which is not there, if that must not be seen: one of those of
    /// the listener that can be hidden and know somebody, chosen by the name.
    fn stand_in(&mut self, id: ConnectionId, name: &str) -> Option<u16> {
        if !self.config.hide_realms {
            return None;
        }
        let admits_anonymous = self.allows(id, Method::Anonymous);
        let listener = usize::from(self.peers.slot(id)?.origin.listener);
        let admission = self.config.admission.get(listener);
        let is_like = |(_, realm): &(u16, &RealmConfig)| {
            let is_hidden = !admits_anonymous || realm.anonymous_role().is_none();
            let is_served = admission.is_none_or(|it| it.serves(&realm.name));
            is_hidden && is_served && !realm.authentication.is_unsaid()
        };
        let realms = || (0..).zip(&self.config.realms).filter(is_like);
        let index = mock::choice(&self.config.mock_secret, name, realms().count())?;
        realms().nth(index).map(|(realm, _)| realm)
    }

    /// Whether a method may be used where the client came in.
    fn allows(&mut self, id: ConnectionId, method: Method) -> bool {
        let listener = self.peers.slot(id).map(|slot| usize::from(slot.origin.listener));
        let admission = listener.and_then(|listener| self.config.admission.get(listener));
        admission.is_none_or(|admission| admission.allows(method))
    }

    /// By what failures are counted in the realm that a client asked for, be it there or not.
    fn pair_of(&mut self, id: ConnectionId, candidate: &Authentication) -> Option<Pair> {
        let pair = self.pair(id, candidate.asked_realm, &candidate.claim)?;
        Some(candidate.pretended.as_ref().map_or(pair, |name| pair.elsewhere(name)))
    }

    /// By what failures of a client are counted; `None` if it has no address, or claims nothing.
    fn pair(&mut self, id: ConnectionId, realm: u16, claim: &Claim) -> Option<Pair> {
        let is_counted = self.config.limits.attempts_max > 0;
        let address = self.peers.slot(id)?.origin.address.filter(|_| is_counted)?;
        let Some(authid) = claim.authid.as_deref() else {
            let key = claim.extra.pubkey.as_deref()?;
            return Some(Pair::new(address, realm, &format!("key {key}")));
        };
        // SCRAM takes many spellings for one name, and each would be another one to try.
        let who = scram::normalize(authid).unwrap_or_else(|| authid.to_owned());
        Some(Pair::new(address, realm, &who))
    }

    fn is_blocked(&mut self, id: ConnectionId, candidate: &Authentication) -> bool {
        let pair = self.pair_of(id, candidate);
        pair.is_some_and(|pair| self.attempts.is_blocked(&pair, self.now))
    }

    /// Forgets the failures of an identity that was proved. What is merely claimed, beside a method
    /// that proves nothing of it, counts on.
    fn forgive(
        &mut self,
        id: ConnectionId,
        realm: u16,
        (method, claim): (Method, &Claim),
        authid: &str,
    ) {
        if method == Method::Anonymous || claim.authid.as_deref().is_some_and(|it| it != authid) {
            return;
        }
        if let Some(pair) = self.pair(id, realm, claim) {
            self.attempts.forgive(&pair);
        }
    }

    fn note_failure_everywhere(&mut self, pair: Pair) -> Duration {
        self.tell_shards(&Relay::of(Head::Suspect(pair)));
        let limits = &self.config.limits;
        self.attempts.fail(pair, self.now, limits.attempts_max, limits.attempts_block)
    }

    fn note_failure(&mut self, pair: Pair) {
        let limits = &self.config.limits;
        self.attempts.fail(pair, self.now, limits.attempts_max, limits.attempts_block);
    }

    /// Remembers who a cookie stands for, on all shards.
    fn remember(&mut self, remembered: Remembered) {
        let remembered = Arc::new(remembered);
        self.tell_shards(&Relay::of(Head::Remember(Arc::clone(&remembered))));
        self.cookies.learn(&remembered, self.now);
    }

    /// Has the cookie of a client stand for it, if its realm has cookies and it has proved
    /// something.
    fn bind_cookie(
        &mut self,
        id: ConnectionId,
        (realm, asked_realm): (u16, u16),
        method: Method,
        identity: &Identity,
    ) {
        let age = self.config.realms[usize::from(realm)].authentication.cookie;
        if age.is_zero() || matches!(method, Method::Anonymous | Method::Cookie) {
            return;
        }
        let connection = self.peers.connection(id);
        let visitor = connection.and_then(|connection| connection.visitor.as_ref());
        let Some(cookie) = visitor.and_then(|visitor| visitor.cookie) else { return };
        let Some(voucher) = self.voucher(asked_realm, method, identity) else { return };
        self.remember(Remembered {
            cookie: cookie.value,
            realm,
            authid: Arc::clone(&identity.authid),
            role: Arc::clone(&identity.authrole),
            voucher,
            until: self.now + age,
        });
    }

    /// Who has vouched for somebody in the realm that it asked for.
    fn voucher(&self, realm: u16, method: Method, identity: &Identity) -> Option<Voucher> {
        let known = &self.config.realms[usize::from(realm)].authentication;
        match &*identity.authprovider {
            methods::STATIC => {
                known.principals.find(&identity.authid).map(Arc::clone).map(Voucher::Principal)
            }
            methods::JWT => known.jwt.as_ref().map(|it| Voucher::Tokens(it.fingerprint())),
            _ => {
                let asked = known.authenticators.get(known.authenticator(method)?)?;
                Some(Voucher::Authenticator(realm, method, asked.advisor.kind.clone()))
            }
        }
    }

    /// Who the cookie that a client has shown stands for.
    fn shown_cookie(&mut self, id: ConnectionId, realm: u16) -> Option<Arc<Remembered>> {
        let visitor = self.peers.connection(id)?.visitor.as_ref()?;
        let cookie = visitor.cookie?.value;
        self.cookies.find(cookie, realm, self.now).map(Arc::clone)
    }

    fn tell_shards(&mut self, relay: &Relay<'_>) {
        let here = self.peers.shard;
        for shard in (0..self.shards_count).map(ShardId).filter(|shard| *shard != here) {
            self.relays.push(shard, 0, relay);
        }
    }
}

/// What a client says of itself; `None` if that is too long.
fn claim(details: &HelloDetails<'_>) -> Option<Claim> {
    let authid = details
        .authid
        .as_deref()
        .filter(|authid| !authid.is_empty() && authid.len() <= AUTHID_BYTES_MAX);
    let authid = authid.map(Into::into);
    let Some(extra) = &details.authextra else {
        return Some(Claim { authid, ..Claim::default() });
    };
    if extra.len() > AUTHEXTRA_BYTES_MAX {
        return None;
    }
    let json = extra.to(Serializer::Json).and_then(|json| String::from_utf8(json).ok());
    // What is no attribute of a method may be one of an authenticator's.
    let known: HelloExtra<'_> = extra.understood().unwrap_or_default();
    let extra = HelloExtra {
        nonce: owned(known.nonce),
        channel_binding: owned(known.channel_binding),
        pubkey: owned(known.pubkey),
        challenge: owned(known.challenge),
    };
    Some(Claim { authid, authextra: json.map(Into::into), extra })
}

fn owned(text: Option<Text<'_>>) -> Option<Text<'static>> {
    text.map(|text| Text::Owned(text.into_owned()))
}

/// Whether a client offers nothing but to be anonymous.
fn is_only_anonymous(offered: &[Text<'_>]) -> bool {
    offered.iter().all(|name| name == Method::Anonymous.name())
}
