//! Authenticators: procedures that know clients which the configuration does not.
//!
//! They are called as `(realm, authid, details)`, where details tell the method, the session's id,
//! its transport, what HELLO said in `authextra`, and the ticket if there is one. Their answer is a
//! role, or a dict of [`AuthenticatorAnswer`], which may also change the realm and the authid, and
//! has the secret or the key by which the router itself checks what the client proves. Any error of
//! its own says that it does not know the client, which is challenged all the same; where none
//! could be asked, the client is refused at once.
// spec: advanced/authentication_dynamic

use std::sync::Arc;

use super::super::advice::{Advice, Asked, QuestionId};
use super::super::meta::Way;
use super::super::{ConnectionId, Router};
use super::methods::{Credential, DYNAMIC, Offer, announced_key, random_authid};
use super::{DENIED, UNKNOWN_REALM};
use crate::limits::AUTHID_BYTES_MAX;
use crate::message::AuthenticatorAnswer;
use crate::message::layout::Element;
use crate::session::auth::hex::to_hex;
use crate::session::auth::{Cra, Method, Salted, Scram, Secret, cryptosign};
use crate::session::authentication::{Authentication, Grant, Proof};
use crate::session::{ClientCertificate, Origin};
use crate::wire::json::{JsonReader, JsonWriter};
use crate::wire::{Kind, Reader, Serializer, Writer};

/// Rounds and octets of a salted secret, where an authenticator does not say.
// spec: advanced/authentication_cra — what clients in the field do
const ITERATIONS: u64 = 1_000;
const KEY_BYTES: u64 = 32;

impl Router {
    /// Asks the authenticator of that index about a client, and about its ticket if there is one.
    pub(super) fn ask_authenticator(
        &mut self,
        id: ConnectionId,
        candidate: Authentication,
        authenticator: usize,
        ticket: Option<&str>,
    ) {
        let config = Arc::clone(&self.config);
        let realm = &config.realms[usize::from(candidate.realm)];
        let Some(known) = realm.authentication.authenticators.get(authenticator) else {
            return self.fail(id, candidate);
        };
        let arguments = self.question(id, (&realm.name, &candidate), ticket);
        let asked = Asked::Authentication(id);
        let question = self.consult(candidate.realm, &known.advisor, &arguments, asked);
        // The advisor has a time of its own, which is told as a failure.
        self.wait(id, candidate, self.config.limits.handshake);
        if let Some(slot) = self.peers.slot(id) {
            slot.question = Some(question);
        }
    }

    /// Asks somebody who has the time whether a ticket is the one with that hash.
    pub(super) fn ask_hash(
        &mut self,
        id: ConnectionId,
        candidate: Authentication,
        hash: &Arc<str>,
        ticket: &str,
    ) {
        let timeout = self.config.limits.authenticate;
        let question = self.compare(hash, ticket.into(), timeout, Asked::Authentication(id));
        self.wait(id, candidate, self.config.limits.handshake);
        if let Some(slot) = self.peers.slot(id) {
            slot.question = Some(question);
        }
    }

    /// Goes on with a client of which an authenticator has told something.
    pub(in crate::router) fn on_authentication_advice(
        &mut self,
        id: ConnectionId,
        question: QuestionId,
        advice: Advice,
    ) {
        let Some(slot) = self.peers.slot(id) else { return };
        if slot.question != Some(question) {
            return;
        }
        slot.question = None;
        let Some(candidate) = self.take_authentication(id) else { return };
        match advice {
            Advice::Answer(answer) if matches!(candidate.proof, Some(Proof::Ticket(_))) => {
                match answer.as_str() {
                    "true" => self.on_right_proof(id, candidate, None),
                    _ => self.deny(id, candidate),
                }
            }
            Advice::Answer(answer) => self.on_answer(id, candidate, &answer),
            Advice::Refused { .. } => self.on_stranger(id, candidate),
            Advice::Failed(_) => self.fail(id, candidate),
        }
        if !self.is_listening(id) {
            self.part(id);
        }
    }

    fn on_answer(&mut self, id: ConnectionId, mut candidate: Authentication, answer: &str) {
        let Some(answer) = understood(answer) else { return self.fail(id, candidate) };
        if let Some(name) = &answer.realm {
            let Some(realm) = self.served_realm(id, name) else {
                return self.abort(id, UNKNOWN_REALM.0, UNKNOWN_REALM.1);
            };
            candidate.realm = realm;
        }
        // A client that proves nothing of its name, or by a certificate another one, has no say.
        let claimed = candidate.claim.authid.as_deref();
        let claimed = claimed.filter(|_| !is_proved_before(candidate.method));
        let authid = answer.authid.as_deref().or(claimed);
        let authid = authid.map(Into::into).or_else(|| self.authid_of(id, &candidate));
        let role = answer.role.as_deref().filter(|role| !role.is_empty());
        let (Some(authid), Some(role)) = (authid, role) else { return self.fail(id, candidate) };
        if authid.is_empty() || authid.len() > AUTHID_BYTES_MAX {
            return self.fail(id, candidate);
        }
        let extra = answer.extra.as_ref().and_then(|extra| extra.to(Serializer::MessagePack));
        let (provider, extra) = (DYNAMIC.into(), extra.map(Into::into));
        let grant = Grant { authid, role: role.into(), provider, extra };
        if candidate.proof.is_some() || is_proved_before(candidate.method) {
            return self.admit(id, candidate, grant);
        }
        let credential = match candidate.method {
            Method::Cra => cra(&answer).map(Credential::Cra),
            Method::Scram | Method::WampScram => scram(&answer).map(Credential::Scram),
            Method::Anonymous | Method::Ticket | Method::Tls | Method::Cookie => None,
            Method::Cryptosign => key(&answer).map(Credential::Key),
        };
        let Some(credential) = credential else { return self.fail(id, candidate) };
        let looks = &self.realms[usize::from(candidate.asked_realm)].shared.looks;
        match &credential {
            Credential::Cra(cra) => looks.learn_cra(&grant.role, cra),
            Credential::Scram(scram) => looks.learn_scram(&grant.role, scram),
            // It has announced another key: that proves nothing, whoever it claims to be.
            Credential::Key(key) if announced_key(&candidate.claim) != Some(*key) => {
                candidate.realm = candidate.asked_realm;
                return self.on_stranger(id, candidate);
            }
            Credential::Key(_)
            | Credential::Ticket(_)
            | Credential::Token
            | Credential::Authenticator(_) => {}
        }
        let role = Arc::clone(&grant.role);
        let offer = Offer { grant: Some(grant), role, provider: DYNAMIC, credential };
        if let Err(candidate) = self.challenge(id, candidate, offer) {
            self.put_off(id, *candidate, DENIED, std::time::Duration::ZERO);
        }
    }

    /// Goes on with a client whom the authenticator does not know. Where those whom it knows are
    /// challenged, so is this one, and no proof will be right: nobody can tell whom it knows.
    pub(super) fn on_stranger(&mut self, id: ConnectionId, candidate: Authentication) {
        let offer = if candidate.proof.is_none() { self.stranger(&candidate) } else { None };
        let Some(offer) = offer else { return self.deny(id, candidate) };
        if let Err(candidate) = self.challenge(id, candidate, offer) {
            self.put_off(id, *candidate, DENIED, std::time::Duration::ZERO);
        }
    }

    /// The authid of a client that claims none: its key, the name in its certificate, or chance.
    fn authid_of(&mut self, id: ConnectionId, candidate: &Authentication) -> Option<Arc<str>> {
        match candidate.method {
            Method::Anonymous => Some(random_authid(&mut self.random).into()),
            Method::Cryptosign => candidate.claim.extra.pubkey.as_deref().map(Into::into),
            Method::Tls => {
                let certificate = certificate(&self.peers.slot(id)?.origin)?;
                Some(certificate.subject.as_ref().into())
            }
            Method::Ticket | Method::Cra | Method::Scram | Method::WampScram | Method::Cookie => {
                None
            }
        }
    }

    /// What an authenticator is asked: its arguments, as a list in JSON.
    fn question(
        &mut self,
        id: ConnectionId,
        (realm, candidate): (&str, &Authentication),
        ticket: Option<&str>,
    ) -> String {
        let way = Way::of(id.slot, &self.peers);
        let origin = self.peers.slot(id).map(|slot| &slot.origin);
        let certificate = origin.and_then(certificate);
        let authextra = candidate.claim.authextra.as_deref();
        let mut arguments = Vec::new();
        let writer = &mut JsonWriter::open(&mut arguments);
        writer.list(3);
        writer.text(realm);
        match &candidate.claim.authid {
            Some(authid) => writer.text(authid),
            None => writer.null(),
        }
        let count = [way.is_some(), authextra.is_some(), ticket.is_some()];
        writer.dict(2 + count.into_iter().filter(|is_there| *is_there).count());
        writer.key("authmethod");
        writer.text(candidate.method.name());
        writer.key("session");
        writer.integer(candidate.session.0);
        if let Some(way) = way {
            writer.key("transport");
            writer.dict(3 + usize::from(certificate.is_some()));
            way.write(writer);
            if let Some(certificate) = certificate {
                writer.key("peer_cert");
                write_certificate(certificate, writer);
            }
            writer.end_dict();
        }
        if let Some(authextra) = authextra {
            writer.key("authextra");
            writer.raw(authextra.as_bytes());
        }
        if let Some(ticket) = ticket {
            writer.key("ticket");
            writer.text(ticket);
        }
        writer.end_dict();
        writer.end_list();
        String::from_utf8(arguments).expect("JSON of texts is text")
    }
}

/// The certificate by which a client came.
fn certificate(origin: &Origin) -> Option<&ClientCertificate> {
    origin.tls.as_ref()?.certificate.as_ref()
}

fn write_certificate<'o>(certificate: &ClientCertificate, writer: &mut impl Writer<'o>) {
    writer.dict(4);
    for (key, name) in [("subject", &certificate.subject), ("issuer", &certificate.issuer)] {
        writer.key(key);
        writer.dict(1);
        writer.key("cn");
        writer.text(name);
        writer.end_dict();
    }
    writer.key("names");
    writer.list(certificate.names.len());
    certificate.names.iter().for_each(|name| writer.text(name));
    writer.end_list();
    writer.key("sha256");
    writer.text(&to_hex(&certificate.fingerprint));
    writer.end_dict();
}

/// What an authenticator has answered: a role alone, or a dict.
fn understood(answer: &str) -> Option<AuthenticatorAnswer<'_>> {
    let mut reader = JsonReader::open(answer.as_bytes());
    let kind = reader.kind().ok()?;
    if kind == Kind::Text {
        let role = Some(reader.text().ok()?);
        return Some(AuthenticatorAnswer { role, ..AuthenticatorAnswer::default() });
    }
    AuthenticatorAnswer::read(&mut reader).ok().filter(|_| kind == Kind::Dict)
}

/// Whether nothing is left for a client of that method to prove.
const fn is_proved_before(method: Method) -> bool {
    matches!(method, Method::Anonymous | Method::Tls)
}

fn cra(answer: &AuthenticatorAnswer<'_>) -> Option<Cra> {
    let key = answer.secret.as_ref().filter(|secret| !secret.0.is_empty())?;
    let salted = match &answer.salt {
        None => None,
        Some(salt) => Some(Salted {
            salt: salt.as_ref().into(),
            iterations: answer.iterations.unwrap_or(ITERATIONS).try_into().ok()?,
            keylen: answer.keylen.unwrap_or(KEY_BYTES).try_into().ok()?,
        }),
    };
    Some(Cra { key: Secret::from(&*key.0), salted })
}

fn scram(answer: &AuthenticatorAnswer<'_>) -> Option<Scram> {
    Scram::from_line(&answer.scram.as_ref()?.0).ok()
}

/// The key of whom the authenticator knows.
fn key(answer: &AuthenticatorAnswer<'_>) -> Option<[u8; 32]> {
    cryptosign::public_key_from_hex(answer.pubkey.as_deref()?)
}
