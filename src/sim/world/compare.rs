//! Whether the routers hold what the model says they do, and what the model learns from them.

use super::World;
use crate::message::uri::{close, error};
use crate::message::{RegistrationId, RequestId, SubscriptionId};
use crate::session::{ConnectionId, Phase};
use crate::sim::asking::Kind;
use crate::sim::model::{Seen, Stand};
use crate::sim::said::Said;

impl World {
    /// Compares what a router holds of its connections with what the model does, and tells the
    /// model of sessions that the router has ended itself, with good reason.
    pub(super) fn compare(&mut self, shard: usize, slow: bool, woken: bool) {
        let (stopped, faults) = (self.stopped[shard], self.swarm.faults);
        let doubtful = std::mem::take(&mut self.model.doubtful);
        for link in 0..self.machine.links.len() {
            let stand = self.model.stands[&link];
            let at = &self.machine.links[link];
            if at.shard != shard || matches!(stand, Stand::Noise) {
                continue;
            }
            let connection = at.connection;
            let phase = self.machine.routers[shard].phase(connection).filter(|_| at.open);
            match (stand, phase) {
                (Stand::Over | Stand::Leaving, None | Some(Phase::Flushing))
                | (Stand::Opening, Some(Phase::Opening))
                | (Stand::Proving(_), Some(Phase::Authenticating(_)))
                | (Stand::Leaving, Some(Phase::Leaving)) => {}
                (Stand::Open(session), Some(Phase::Open(open))) => {
                    let known = *self.model.sessions[session].true_id.get_or_insert(open.id.0);
                    assert_eq!(known, open.id.0, "one connection, two sessions");
                    // 13: no outbox exceeds its limit and goes on
                    let outbox = self.machine.routers[shard].outbox(connection);
                    let waiting = outbox.map_or(0, |outbox| outbox.bytes_count());
                    assert!(waiting <= self.outbox_bytes_max, "{waiting} octets wait");
                    self.see_identity(session, connection);
                }
                (Stand::Open(_), None | Some(Phase::Flushing)) if doubtful.contains(&link) => {
                    self.model.refuse(link, &Said::Idle);
                }
                (Stand::Open(_), Some(Phase::Leaving)) => {
                    if stopped {
                        self.model.give_up_calls(link);
                    }
                    self.trace.note(format_args!("link {link}: the router says goodbye"));
                    let killed = self.model.kill(link, Stand::Leaving, !stopped);
                    assert!(stopped || killed, "GOODBYE to a session for no reason");
                }
                (Stand::Open(_), None | Some(Phase::Flushing)) => {
                    assert!(faults.end_sessions(), "a session was ended for no reason");
                    assert!(slow || woken, "a session was ended for no reason");
                    self.trace.note(format_args!("link {link}: the router ends it, slow: {slow}"));
                    self.model.kill(link, Stand::Over, false);
                    if slow {
                        self.model.aborts.insert(link, vec![error::SLOW_PEER]);
                    }
                }
                (Stand::Opening | Stand::Proving(_), None | Some(Phase::Flushing)) => {
                    assert!(stopped || woken || slow, "a connection was closed for no reason");
                    let is_proving = matches!(stand, Stand::Proving(_));
                    let reasons = match (woken, slow) {
                        // Another may have been the slow one.
                        (_, true) if stopped => vec![error::SLOW_PEER, close::SYSTEM_SHUTDOWN],
                        (_, true) => vec![error::SLOW_PEER],
                        (true, false) if is_proving => vec![error::AUTHENTICATION_FAILED],
                        (true, false) => vec![error::PROTOCOL_VIOLATION],
                        (false, false) => vec![close::SYSTEM_SHUTDOWN],
                    };
                    self.model.aborts.insert(link, reasons);
                    self.model.end(link, Stand::Over);
                }
                (stand, phase) => panic!("link {link}: {stand:?}, but {phase:?}"),
            }
        }
        self.see(shard, woken);
    }

    /// Tells the model what the router of a shard knows of its open sessions.
    fn see(&mut self, shard: usize, woken: bool) {
        let mut idle = Vec::new();
        for link in 0..self.machine.links.len() {
            let (at, stand) = (&self.machine.links[link], self.model.stands[&link]);
            let (Stand::Open(session), true) = (stand, at.shard == shard && at.open) else {
                continue;
            };
            let phase = self.machine.routers[shard].phase(at.connection);
            let Some(Phase::Open(open)) = phase else { continue };
            let has_call = |request| open.calls.contains_key(&RequestId(request));
            let holds = |kind, id| match kind {
                Kind::Registration => open.registrations.contains_key(&RegistrationId(id)),
                Kind::Subscription => open.subscriptions.contains(&SubscriptionId(id)),
            };
            self.model.see(session, &Seen { has_call: &has_call, holds: &holds, woken });
            if open.meta_calls == 0 {
                idle.push(session);
            }
        }
        // Only now: who was asked may be on the same shard.
        idle.into_iter().for_each(|session| self.model.close_inquiries(session));
    }

    /// Tells the model who the session is for that was just opened on `link`, if it was.
    pub(super) fn see_who_joined(&mut self, link: usize) {
        let at = &self.machine.links[link];
        let (is_open, connection) = (at.open, at.connection);
        if let Stand::Open(session) = self.model.stands[&link]
            && is_open
        {
            self.see_identity(session, connection);
        }
    }

    /// Tells the model who a session is.
    fn see_identity(&mut self, session: usize, connection: ConnectionId) {
        let known = &mut self.model.sessions[session];
        if known.authid.is_some() {
            return;
        }
        if let Some(Phase::Open(open)) = self.machine.routers[known.shard].phase(connection) {
            known.authid = Some(open.identity.authid.to_string());
        }
    }
}
