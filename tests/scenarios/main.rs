//! What peers see of the router, feature by feature, as the specification has it.
//!
//! Each test bears the requirements that it pins down: `// spec: B-PS-07`.

mod harness;

mod call;
mod cancel;
mod filter;
mod id;
mod identity;
mod message;
mod pattern;
mod progress;
mod publish;
mod session;
mod shared;
mod uri;
mod violation;

use harness::{check, check_then};
