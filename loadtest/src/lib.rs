//! Load against a WAMP router, beside a bare byte relay.
//!
//! One thread, one epoll, as many connections as the scenario wants. Read in this order:
//!
//! - [`stamp`], [`ledger`], [`pace`]: what stands in every payload, how loss, duplicates and
//!   disorder are noticed, and when an open loop owes its next message.
//! - [`speech`]: messages written from templates and read by their ends.
//! - [`net`], [`session`]: addresses, and sessions opened one blocking step after the other.
//! - [`engine`]: the loop that moves octets between sockets and a scenario's script.
//! - [`relay`]: what the kernel allows: the same frames, forwarded without a look inside.
//! - [`process`], [`rig`], [`report`]: the router under test, where everything is pinned, and
//!   what is printed.
//! - [`scenario`]: what is measured; [`survey`]: all of it, as one table; [`peers`]: beside
//!   other routers.
//!
//! Only [`sys`] talks to the kernel without the standard library.

use std::ffi::OsString;
use std::process::ExitCode;

pub mod cli;
pub mod clock;
pub mod engine;
pub mod ledger;
pub mod net;
pub mod pace;
pub mod peers;
pub mod process;
pub mod relay;
pub mod report;
pub mod rig;
pub mod scenario;
pub mod selfhost;
pub mod session;
pub mod speech;
pub mod stamp;
pub mod survey;
pub mod sys;
pub mod tls;

/// Why a run did not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The command line makes no sense.
    Usage(String),
    /// Something around the measurement failed: no connection, no permission, no such file.
    Rig(String),
    /// The router did not deliver what it owed: lost, duplicated, reordered or altered.
    Wrong(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Rig(text) => f.write_str(text),
            Self::Wrong(text) => write!(f, "WRONG: {text}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Rig(error.to_string())
    }
}

/// Runs the command line and says how it went: 0 well, 1 failed, 2 wrong usage.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let trouble = match cli::parse(arguments).and_then(cli::Command::run) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(trouble) => trouble,
    };
    eprintln!("loadtest: {trouble}");
    match trouble {
        Trouble::Usage(_) => ExitCode::from(2),
        Trouble::Rig(_) | Trouble::Wrong(_) => ExitCode::FAILURE,
    }
}
