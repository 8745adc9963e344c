//! What a run has beside its [`Swarm`](crate::sim::swarm::Swarm): each from a stream of its own, so
//! that runs without it stay what they are.

use std::time::Duration;

use crate::router::config::Limits;
use crate::sim::chance::Chance;
use crate::sim::model::NOISE;
use crate::sim::rights::Rights;
use crate::sim::swarm::REALMS;

/// Draws who may do what in each realm, if anybody has thought about that in this run.
pub(super) fn rights(random: &mut Chance) -> Vec<Rights> {
    let any = random.one_in(2);
    let drawn = |realm| match any && realm != NOISE {
        true => Rights::draw(random),
        false => Rights::default(),
    };
    (0..REALMS.len()).map(drawn).collect()
}

/// Draws how fast sessions are read, if that is limited in this run at all; says whether it is.
pub(super) fn limit_rates(random: &mut Chance, limits: &mut Limits) -> bool {
    if !random.one_in(5) {
        return false;
    }
    limits.session_messages_per_second = random.one_of(&[0, 1_000, 5_000]);
    limits.session_calls_per_second = random.one_of(&[0, 200, 2_000]);
    limits.session_bytes_per_second = random.one_of(&[0, 0, 1_000_000]);
    limits.session_burst = Duration::from_millis(random.one_of(&[1, 5, 20]));
    true
}
