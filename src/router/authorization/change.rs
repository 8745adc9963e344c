//! Other roles for a realm that has sessions.

use std::sync::Arc;

use super::super::Router;
use super::super::realm::{Context, Realm};
use super::{Action, Effect, Role, Roles};
use crate::message::uri::error;
use crate::message::{MatchPolicy, RegistrationId, SessionId, SubscriptionId};

impl Router {
    /// Has other roles count in the realm of that index, on this shard, from now on. What a session
    /// holds and may not have any more is taken from it.
    pub fn apply_roles(&mut self, realm: u16, roles: &Arc<Roles>) {
        self.in_realm(realm, |realm, context| realm.apply_roles(Arc::clone(roles), context));
    }
}

impl Realm {
    /// Has other roles count from now on. What a session of this shard holds and may not have any
    /// more is taken from it; a session whose role is gone may do nothing.
    pub(in super::super) fn apply_roles(&mut self, roles: Arc<Roles>, context: &mut Context<'_>) {
        self.roles = roles;
        context.questions.memory.forget(self.realm);
        let sessions: Vec<(SessionId, u32)> =
            self.sessions.iter().map(|(id, slot)| (*id, *slot)).collect();
        for (_, slot) in sessions {
            let Some(session) = context.peers.session(slot) else { continue };
            let role = self.roles.find(&session.identity.authrole);
            let role = role.unwrap_or_else(|| Arc::new(Role::new(&[], &[])));
            let before = std::mem::replace(&mut session.identity.role, Arc::clone(&role));
            let (subscriptions, registrations) = self.lost(slot, (&before, &role), context);
            for subscription in subscriptions {
                // It holds it, so it can be taken.
                let _ = self.broker.revoke(slot, subscription, error::NOT_AUTHORIZED, context);
            }
            for registration in registrations {
                let reason = error::NOT_AUTHORIZED;
                let _ = self.dealer.remove_callee(slot, registration, reason, context);
            }
            self.publish_news(context);
        }
    }

    /// What the session in `slot` holds but may not have by its new role; in order.
    fn lost(
        &self,
        slot: u32,
        (before, after): (&Role, &Role),
        context: &mut Context<'_>,
    ) -> (Vec<SubscriptionId>, Vec<RegistrationId>) {
        let Some(session) = context.peers.session(slot) else { return Default::default() };
        let authid = &*session.identity.authid;
        let is_lost = |action, policy: MatchPolicy, uri: &str| {
            let effect = |role: &Role| role.decide_pattern(action, (policy, uri), authid).effect;
            match effect(after) {
                Effect::Allow => false,
                // Its authorizer has said yes, unless it was not asked then.
                Effect::Ask(_) => !matches!(effect(before), Effect::Ask(_)),
                Effect::Deny => true,
            }
        };
        let mut subscriptions: Vec<_> = session.subscriptions.iter().copied().collect();
        subscriptions.retain(|id| {
            let entry = self.shared.subscriptions.of_id(id.0);
            entry.is_some_and(|entry| is_lost(Action::Subscribe, entry.policy, &entry.uri))
        });
        let held = session.registrations.iter();
        let mut registrations: Vec<_> = held
            .filter(|(_, held)| is_lost(Action::Register, held.pattern.policy, &held.pattern.uri))
            .map(|(id, _)| *id)
            .collect();
        subscriptions.sort_unstable();
        registrations.sort_unstable();
        (subscriptions, registrations)
    }
}
