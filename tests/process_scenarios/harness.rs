//! What a scenario is and how it is played: the harness of `tests/scenarios` without its stage.

#[path = "../scenarios/harness/notation.rs"]
pub(crate) mod notation;
#[path = "../scenarios/harness/people.rs"]
#[expect(dead_code, reason = "what only the simulator can be given")]
mod people;
#[path = "../scenarios/harness/player.rs"]
pub(crate) mod player;
#[path = "../scenarios/harness/postman.rs"]
pub(crate) mod postman;
#[path = "../scenarios/harness/stage.rs"]
pub(crate) mod stage;
