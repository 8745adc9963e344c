//! How simulated peers join a realm: as nobody, or as somebody, which they prove or fail to.

use super::Workload;
use crate::message::uri::error;
use crate::session::auth::{Method, Salted, cra};
use crate::sim::peer::{Peer, Place};
use crate::sim::rights::{AUTHIDS, Claim, Rights, SECRETS};
use crate::sim::said::{Said, Talents};
use crate::sim::value::Value;

impl Workload {
    pub(super) fn join(&mut self, peer: &mut Peer) -> Said {
        peer.place = Place::Joining;
        if peer.noisy {
            let (realm, talents) = (crate::sim::model::NOISE, Talents::default());
            return Said::Hello { realm, talents, claim: None };
        }
        if self.swarm.faults.violations && self.random.one_in(6) {
            peer.place = Place::Over;
            let refused = [
                ("realm9", true, error::NO_SUCH_REALM),
                ("not a realm", true, error::INVALID_URI),
                ("realm1", false, error::PROTOCOL_VIOLATION),
            ];
            let (realm, roles, reason) = self.random.one_of(&refused);
            return Said::BadHello { realm, roles, reason };
        }
        let mut has = || !self.random.one_in(3);
        peer.talents = Talents {
            interruptible: has(),
            progressive: has(),
            invoked_in_parts: has(),
            calls_in_parts: has(),
            reroutes: has(),
            minds_timeouts: has(),
            revocable: has(),
            passthru: has(),
        };
        peer.realm = usize::from(self.random.one_in(4));
        peer.claim = self.claim(peer.realm);
        peer.challenge = None;
        if peer.claim.is_some() {
            peer.place = Place::Proving;
        }
        Said::Hello { realm: peer.realm, talents: peer.talents, claim: peer.claim }
    }

    /// Who a peer claims to be in a realm, if it claims anything: mostly somebody who is known.
    fn claim(&mut self, realm: usize) -> Option<Claim> {
        let (random, rights) = (&mut self.random, &self.rights[realm]);
        if rights.are_open() || random.one_in(3) && rights.anonymous.is_some() {
            return None;
        }
        let Rights { principals, .. } = rights;
        let known = (!principals.is_empty()).then(|| random.one_of(principals));
        let known = known.filter(|_| !random.one_in(6));
        let (authid, right) = match known {
            Some(known) => (known.authid, known.secret),
            // Maybe nobody.
            None => (random.one_of(&AUTHIDS), random.one_of(&SECRETS)),
        };
        let secret = if random.one_in(6) { random.one_of(&SECRETS) } else { right };
        let method = random.one_of(&[Method::Ticket, Method::Cra]);
        Some(Claim { authid, method, secret })
    }

    /// A peer proves what it claims, as soon as it can. A ticket is known before it is asked for.
    pub(super) fn prove(&mut self, peer: &mut Peer) -> Option<Said> {
        let claim = peer.claim?;
        let early = claim.method == Method::Ticket && self.random.one_in(3);
        if peer.challenge.is_none() && !early {
            return None;
        }
        if self.random.one_in(20) {
            peer.place = Place::Over;
            return Some(Said::Abort);
        }
        peer.place = Place::Joining;
        let signature = match &peer.challenge {
            Some(extra) if claim.method == Method::Cra => signed(claim.secret, extra),
            _ => claim.secret.to_owned(),
        };
        Some(Said::Authenticate { signature })
    }
}

/// The answer to a challenge of WAMP-CRA.
fn signed(secret: &str, extra: &Value) -> String {
    let Some(Value::Text(challenge)) = extra.get("challenge") else {
        panic!("there is nothing to sign");
    };
    let number = |key| extra.get(key).and_then(Value::number);
    let salted = match (extra.get("salt"), number("iterations"), number("keylen")) {
        (Some(Value::Text(salt)), Some(iterations), Some(keylen)) => Some(Salted {
            salt: salt.as_str().into(),
            iterations: u32::try_from(iterations).expect("few"),
            keylen: u32::try_from(keylen).expect("few"),
        }),
        _ => None,
    };
    match salted {
        Some(salted) => cra::sign(cra::derive(secret.as_bytes(), &salted).expose(), challenge),
        None => cra::sign(secret.as_bytes(), challenge),
    }
}
