//! A session that is asked for: what is known of it until it is known who it is for.

use crate::message::{ClientRoles, SessionId};

/// What the conversation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// AUTHENTICATE of the peer, which was challenged.
    Proof,
    /// Nothing of the peer: its proof is being judged, here or elsewhere.
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
    /// What the client wants to be.
    pub roles: ClientRoles,
}
