//! What WELCOME says of the router: a feature that works in the realm, and no other.

use super::config::RealmOptions;
use crate::message::{Features, Role, RouterRoles};

/// What this router announces in WELCOME.
// spec: advanced/features — a feature that works is announced, no other
pub(super) fn announced(options: &RealmOptions) -> RouterRoles {
    let trust = (!options.trust.is_empty()).then_some(true);
    let broker = Features {
        payload_passthru_mode: Some(true),
        publisher_exclusion: Some(true),
        publisher_identification: Some(true),
        subscriber_blackwhite_listing: Some(true),
        pattern_based_subscription: Some(true),
        publication_trustlevels: trust,
        event_history: (!options.history.is_empty()).then_some(true),
        event_retention: (options.retained_topics_max > 0).then_some(true),
        subscription_revocation: Some(true),
        session_meta_api: Some(true),
        subscription_meta_api: Some(true),
        ..Features::default()
    };
    let dealer = Features {
        call_canceling: Some(true),
        call_reroute: Some(true),
        call_timeout: Some(true),
        call_trustlevels: trust,
        caller_identification: Some(true),
        pattern_based_registration: Some(true),
        payload_passthru_mode: Some(true),
        progressive_call_invocations: Some(true),
        progressive_call_results: Some(true),
        registration_revocation: Some(true),
        registration_meta_api: Some(true),
        session_meta_api: Some(true),
        shared_registration: Some(true),
        testament_meta_api: Some(true),
        ..Features::default()
    };
    let role = |features| Some(Role { features: Some(features) });
    RouterRoles { broker: role(broker), dealer: role(dealer) }
}
