//! What peers see of the router, feature by feature, as the specification has it.
//!
//! Each test bears the requirements that it pins down: `// spec: B-PS-07`.

mod harness;

mod advice;
mod authentication;
mod authentication_methods;
mod authorization;
mod authorizer;
mod call;
mod cancel;
mod concurrency;
mod cookies;
mod filter;
mod history;
mod history_time;
mod id;
mod identity;
mod message;
mod meta;
mod parts;
mod passthru;
mod pattern;
mod progress;
mod publish;
mod rates;
mod reload;
mod reroute;
mod retention;
mod revocation;
mod session;
mod shared;
mod testament;
mod timeout;
mod trust;
mod uri;
mod violation;

use harness::{check, check_often, check_then};
