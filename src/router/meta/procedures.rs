//! The procedures of the meta API, and what is told of them as registrations.

use crate::limits::ID_MAX;
use crate::message::RegistrationId;

/// The procedures, by the last part of their URIs.
// spec: advanced/meta_api_sessions, advanced/meta_api_registrations
// spec: advanced/meta_api_subscriptions, advanced/pubsub_testament
// spec: advanced/pubsub_event_history
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Procedure {
    SessionCount,
    SessionList,
    SessionGet,
    SessionKill,
    SessionKillByAuthid,
    SessionKillByAuthrole,
    SessionKillAll,
    AddTestament,
    FlushTestaments,
    RegistrationList,
    RegistrationLookup,
    RegistrationMatch,
    RegistrationGet,
    RegistrationListCallees,
    RegistrationCountCallees,
    RegistrationRemoveCallee,
    SubscriptionList,
    SubscriptionLookup,
    SubscriptionMatch,
    SubscriptionGet,
    SubscriptionListSubscribers,
    SubscriptionCountSubscribers,
    SubscriptionRemoveSubscriber,
    SubscriptionGetEvents,
    AuthorizationForget,
}

/// What the router itself has registered. The place of each tells its id: from the last there is
/// downwards, where no other comes.
const REGISTERED: [&str; 25] = [
    "wamp.session.count",
    "wamp.session.list",
    "wamp.session.get",
    "wamp.session.kill",
    "wamp.session.kill_by_authid",
    "wamp.session.kill_by_authrole",
    "wamp.session.kill_all",
    "wamp.session.add_testament",
    "wamp.session.flush_testaments",
    "wamp.registration.list",
    "wamp.registration.lookup",
    "wamp.registration.match",
    "wamp.registration.get",
    "wamp.registration.list_callees",
    "wamp.registration.count_callees",
    "wamp.registration.remove_callee",
    "wamp.subscription.list",
    "wamp.subscription.lookup",
    "wamp.subscription.match",
    "wamp.subscription.get",
    "wamp.subscription.list_subscribers",
    "wamp.subscription.count_subscribers",
    "wamp.subscription.remove_subscriber",
    GET_EVENTS,
    FORGET,
];

pub(super) const FORGET: &str = "wamp.authorization.forget";

pub(super) const GET_EVENTS: &str = "wamp.subscription.get_events";

/// The id under which the router has registered `uri`.
pub(super) fn own_registration(uri: &str) -> Option<RegistrationId> {
    let place = REGISTERED.iter().position(|registered| *registered == uri)?;
    Some(RegistrationId(ID_MAX - place as u64))
}

/// What the router has registered under `id`.
pub(super) fn own_procedure(id: RegistrationId) -> Option<&'static str> {
    let place = ID_MAX.checked_sub(id.0)?;
    REGISTERED.get(usize::try_from(place).ok()?).copied()
}

impl Procedure {
    pub(super) fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri.strip_prefix("wamp.")? {
            "session.count" => Self::SessionCount,
            "session.list" => Self::SessionList,
            "session.get" => Self::SessionGet,
            "session.kill" => Self::SessionKill,
            "session.kill_by_authid" => Self::SessionKillByAuthid,
            "session.kill_by_authrole" => Self::SessionKillByAuthrole,
            "session.kill_all" => Self::SessionKillAll,
            "session.add_testament" => Self::AddTestament,
            "session.flush_testaments" => Self::FlushTestaments,
            "registration.list" => Self::RegistrationList,
            "registration.lookup" => Self::RegistrationLookup,
            "registration.match" => Self::RegistrationMatch,
            "registration.get" => Self::RegistrationGet,
            "registration.list_callees" => Self::RegistrationListCallees,
            "registration.count_callees" => Self::RegistrationCountCallees,
            "registration.remove_callee" => Self::RegistrationRemoveCallee,
            "subscription.list" => Self::SubscriptionList,
            "subscription.lookup" => Self::SubscriptionLookup,
            "subscription.match" => Self::SubscriptionMatch,
            "subscription.get" => Self::SubscriptionGet,
            "subscription.list_subscribers" => Self::SubscriptionListSubscribers,
            "subscription.count_subscribers" => Self::SubscriptionCountSubscribers,
            "subscription.remove_subscriber" => Self::SubscriptionRemoveSubscriber,
            "subscription.get_events" => Self::SubscriptionGetEvents,
            "authorization.forget" => Self::AuthorizationForget,
            _ => return None,
        })
    }

    /// Whether it takes something from other sessions, or has others asked anew about them.
    pub(super) const fn is_forceful(self) -> bool {
        matches!(
            self,
            Self::RegistrationRemoveCallee
                | Self::SubscriptionRemoveSubscriber
                | Self::SessionKill
                | Self::SessionKillByAuthid
                | Self::SessionKillByAuthrole
                | Self::SessionKillAll
                | Self::AuthorizationForget
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_what_is_answered() {
        for uri in REGISTERED {
            assert!(Procedure::from_uri(uri).is_some(), "{uri}");
            let id = own_registration(uri).expect("it is registered");
            assert_eq!(own_procedure(id), Some(uri));
        }
        assert_eq!(own_registration("wamp.session.unknown"), None);
        assert_eq!(own_procedure(RegistrationId(1)), None);
        assert_eq!(own_procedure(RegistrationId(ID_MAX - REGISTERED.len() as u64)), None);
    }
}
