//! A session that is asked for: what is known of it until it is known who it is for.

use std::sync::Arc;

use super::auth::{Method, Ticket, cra, cryptosign, scram};
use crate::message::{ClientRoles, HelloExtra, SessionId};

/// What the conversation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// AUTHENTICATE of the peer, which was challenged.
    Proof,
    /// Nothing of the peer: its claim or its proof is being judged elsewhere, or its refusal is
    /// put off.
    Judgement,
}

/// A session that is asked for.
#[derive(Debug)]
pub struct Authentication {
    /// What it waits for.
    pub awaited: Awaited,
    /// The id it will have, which may be part of what is signed.
    // spec: advanced/authentication_cra — WELCOME has the id of the challenge
    pub session: SessionId,
    /// The place of its realm among all realms.
    pub realm: u16,
    /// The place of the realm that the client asked for. An authenticator may have it join another.
    pub asked_realm: u16,
    /// The name of the realm that the client asked for, if there is none and it must not see that:
    /// it is treated like somebody unknown in `realm`, and whatever it proves counts for nothing.
    pub pretended: Option<Box<str>>,
    /// What the client wants to be.
    pub roles: ClientRoles,
    /// How it is to be proved who it is for.
    pub method: Method,
    /// What the client says of itself.
    pub claim: Claim,
    /// Who it is for if the proof is right; `None` if no proof can be right.
    pub grant: Option<Grant>,
    /// By what a proof is judged; `None` as long as there is no challenge.
    pub proof: Option<Proof>,
    /// The refusal that is put off, as a reason and a text.
    pub refusal: Option<(&'static str, &'static str)>,
}

/// What a client says of itself in HELLO, as far as methods need it.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Who it claims to be.
    pub authid: Option<Box<str>>,
    /// HELLO.Details.authextra as a JSON text, if it was given: for authenticators.
    pub authextra: Option<Box<str>>,
    /// What of that dict methods know.
    pub extra: HelloExtra<'static>,
}

/// Who a session is for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The principal.
    pub authid: Arc<str>,
    /// Its role.
    pub role: Arc<str>,
    /// Who vouches for it.
    pub provider: Arc<str>,
    /// What WELCOME says beyond that, as a dict in MessagePack.
    pub extra: Option<Arc<[u8]>>,
}

/// By what AUTHENTICATE is judged.
#[derive(Debug)]
pub enum Proof {
    /// It is to be this ticket.
    Ticket(Ticket),
    /// The ticket is a question to the authenticator of that index in the realm.
    Authenticator(usize),
    /// It is to be a JSON Web Token that fits the rules of the realm.
    Token,
    /// A signature by a secret.
    Cra(cra::Challenge),
    /// A proof of SCRAM.
    Scram(Box<scram::Challenge>),
    /// A signature by a key.
    Cryptosign(Box<cryptosign::Challenge>),
}
