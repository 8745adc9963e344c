//! What peers see of the router, feature by feature, as the specification has it.

mod harness;

mod publish;

use harness::check;
