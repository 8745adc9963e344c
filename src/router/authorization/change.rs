//! Other roles for a realm that has sessions.

use std::sync::Arc;

use super::super::Router;
use super::super::realm::{Context, Realm};
use super::enforce::Wish;
use super::{Action, Effect, Role, Roles};
use crate::message::uri::error;
use crate::message::{MatchPolicy, RegistrationId, RequestId, SessionId, SubscriptionId};

impl Router {
    /// Has other roles count in the realm of that index, on this shard, from now on. What a session
    /// holds and may not have any more is taken from it.
    pub fn apply_roles(&mut self, realm: u16, roles: &Arc<Roles>) {
        self.in_realm(realm, |realm, context| realm.apply_roles(Arc::clone(roles), context));
    }
}

impl Realm {
    /// Has other roles count from now on. What a session of this shard holds and may not have any
    /// more is taken from it; a session whose role is gone may do nothing. Calls that were said to
    /// their end come to it; those of which parts are still to come end now.
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
            let lost = self.lost(slot, (&before, &role), context);
            for subscription in lost.subscriptions {
                // It holds it, so it can be taken.
                let _ = self.broker.revoke(slot, subscription, error::NOT_AUTHORIZED, context);
            }
            for registration in lost.registrations {
                let reason = error::NOT_AUTHORIZED;
                let _ = self.dealer.remove_callee(slot, registration, reason, context);
            }
            for (request, procedure) in lost.calls {
                let refusal = self.deny(slot, &Wish::exact(Action::Call, &procedure), context);
                self.dealer.end_call(slot, request, refusal, context);
            }
            self.publish_news(context);
        }
    }

    /// What the session in `slot` holds but may not have by its new role.
    fn lost(&self, slot: u32, (before, after): (&Role, &Role), context: &mut Context<'_>) -> Lost {
        let Some(session) = context.peers.session(slot) else { return Lost::default() };
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
        let calls = session.calls.iter();
        let parts = calls.filter_map(|(id, call)| Some((*id, call.procedure_of_parts()?)));
        let mut calls: Vec<(_, Box<str>)> = parts
            .filter(|(_, procedure)| is_lost(Action::Call, MatchPolicy::Exact, procedure))
            .map(|(id, procedure)| (id, procedure.into()))
            .collect();
        subscriptions.sort_unstable();
        registrations.sort_unstable();
        calls.sort_unstable();
        Lost { subscriptions, registrations, calls }
    }
}

/// What a session may not have any more; each in order.
#[derive(Debug, Default)]
struct Lost {
    subscriptions: Vec<SubscriptionId>,
    registrations: Vec<RegistrationId>,
    /// Calls of which parts are still to come, with their procedures.
    calls: Vec<(RequestId, Box<str>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Instant;
    use crate::router::config::{AuthenticationConfig, Config, RealmConfig, RoleConfig, Rule};
    use crate::router::notice::Notice;
    use crate::router::{ConnectionId, Input, Origin, ShardId, Shared};
    use crate::wire::{Serializer, TransportOptions};

    /// The realm in which clients have a role that allows this, if there is one.
    fn realm(rules: Option<&[&str]>) -> RealmConfig {
        let mut realm = RealmConfig { name: "r".into(), ..RealmConfig::default() };
        let anonymous = Some("guest".into());
        realm.authentication =
            Arc::new(AuthenticationConfig { anonymous, ..AuthenticationConfig::default() });
        let role = |name: &str, rules: &[&str]| RoleConfig {
            name: name.into(),
            allow: rules.iter().filter_map(|rule| Rule::parse(rule)).collect(),
            ..RoleConfig::default()
        };
        realm.options.roles.push(role("other", &["* *"]));
        realm.options.roles.extend(rules.map(|rules| role("guest", rules)));
        realm
    }

    fn router(rules: &[&str]) -> Router {
        let listener = TransportOptions {
            message_bytes_max: 1 << 20,
            serializers: Serializer::ALL.to_vec(),
            rawsocket: true,
            ..TransportOptions::default()
        };
        let realms = vec![realm(Some(rules))];
        let config = Config { realms, listeners: vec![listener], ..Config::default() };
        let shared = Shared::new(Arc::new(config), 1, [1; 32], Instant::default());
        Router::new(ShardId(0), &shared, [2; 32])
    }

    const PEER: ConnectionId = ConnectionId { slot: 0, generation: 1 };

    fn receive(router: &mut Router, octets: &[u8]) -> Vec<u8> {
        let mut bytes = octets.to_vec();
        let input = Input::Received { connection: PEER, bytes: &mut bytes };
        router.handle(Instant::default(), input);
        heard(router)
    }

    fn heard(router: &mut Router) -> Vec<u8> {
        while router.poll_output().is_some() {}
        let mut heard = Vec::new();
        let Some(outbox) = router.outbox(PEER) else { return heard };
        let count = outbox.bytes_count();
        outbox.read(0..count, &mut heard);
        router.handle(Instant::default(), Input::Transmitted { connection: PEER, count });
        heard
    }

    /// Says something and gives what is heard then, message by message.
    fn say(router: &mut Router, json: &str) -> Vec<String> {
        let mut frame = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(json.as_bytes());
        messages(&receive(router, &frame))
    }

    fn messages(mut octets: &[u8]) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some((head, rest)) = octets.split_first_chunk::<4>() {
            let (message, rest) = rest.split_at(u32::from_be_bytes(*head) as usize);
            messages.push(String::from_utf8(message.to_vec()).unwrap());
            octets = rest;
        }
        messages
    }

    fn join(router: &mut Router) {
        let origin = Origin::default();
        router.handle(Instant::default(), Input::Opened { connection: PEER, origin });
        assert_eq!(receive(router, &[0x7F, 0xF1, 0, 0]).len(), 4);
        let hello = r#"[1,"r",{"roles":{"caller":{},"subscriber":{"features":
            {"subscription_revocation":true}},"callee":{"features":
            {"registration_revocation":true}},"publisher":{}}}]"#;
        assert!(say(router, hello)[0].starts_with("[2,"));
    }

    #[test]
    fn what_a_session_may_not_have_any_more_is_taken_from_it() {
        let mut router = router(&["* com.*"]);
        join(&mut router);
        for (request, message) in [
            (1, r#"[32,1,{},"com.a"]"#),
            (2, r#"[32,2,{"match":"prefix"},"com.b"]"#),
            (3, r#"[64,3,{},"com.c"]"#),
            (4, r#"[64,4,{},"com.a.d"]"#),
        ] {
            let told = say(&mut router, message);
            assert!(told[0].contains(&format!(",{request},")), "{told:?}");
        }
        let roles = Arc::new(Roles::new(&realm(Some(&["* com.a*"]))));
        router.apply_roles(0, &roles);
        let told = messages(&heard(&mut router));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("[35,0,{") && told[1].starts_with("[67,0,{"), "{told:?}");
        assert!(told.iter().all(|told| told.contains("wamp.error.not_authorized")), "{told:?}");
        assert_eq!(say(&mut router, r#"[16,5,{"acknowledge":true},"com.a"]"#).len(), 1);
        let told = say(&mut router, r#"[16,6,{"acknowledge":true},"com.b"]"#);
        assert_eq!(told, [r#"[8,16,6,{},"wamp.error.not_authorized"]"#]);
        assert_eq!(router.counters().denials, 1);
        let notices = router.take_notices();
        assert!(
            matches!(&notices[..], [Notice::Denied { action: Action::Publish, uri, .. }]
                if **uri == *"com.b"),
            "{notices:?}"
        );
        router.check();
    }

    #[test]
    fn a_session_whose_role_is_gone_may_do_nothing() {
        let mut router = router(&["* *"]);
        join(&mut router);
        assert_eq!(say(&mut router, r#"[32,1,{},"com.a"]"#).len(), 1);
        router.apply_roles(0, &Arc::new(Roles::new(&realm(None))));
        assert!(messages(&heard(&mut router))[0].starts_with("[35,0,{"));
        let told = say(&mut router, r#"[48,2,{},"wamp.session.count"]"#);
        assert_eq!(told, [r#"[8,48,2,{},"wamp.error.not_authorized"]"#]);
        router.check();
    }
}
