//! What is measured.
//!
//! Each scenario takes its [`Options`], runs to its end and gives a [`Report`], or says what was
//! wrong. The scripts behind them know nothing of sockets: see [`crate::engine`].

pub mod attack;
pub mod crossing;
pub mod flooder;
pub mod idle;
pub mod pubsub;
pub mod rpc;
pub mod storm;

use serde_json::{Value, json};

use crate::Trouble;
use crate::cli::Options;
use crate::report::Report;
use crate::rig::Rig;

/// The scenarios there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Callers to callees.
    Rpc,
    /// One call in flight, quiet and beside a flooder.
    Pingpong,
    /// Calls on one shard, and across two.
    Crossing,
    /// Publishers to many subscribers.
    Fanout,
    /// Many publishers to one subscriber.
    Fanin,
    /// Fan-out without and beside many other subscriptions.
    Patterns,
    /// Fan-out beside a subscriber that stops reading.
    Slow,
    /// Sessions opened and dropped as fast as possible.
    Storm,
    /// Sessions that do nothing.
    Idle,
    /// Sessions opened and dropped again and again.
    Churn,
    /// Calls and events beside clients that mean no good.
    Attack,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Rpc,
        Self::Pingpong,
        Self::Crossing,
        Self::Fanout,
        Self::Fanin,
        Self::Patterns,
        Self::Slow,
        Self::Storm,
        Self::Idle,
        Self::Churn,
        Self::Attack,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Pingpong => "pingpong",
            Self::Crossing => "crossing",
            Self::Fanout => "fanout",
            Self::Fanin => "fanin",
            Self::Patterns => "patterns",
            Self::Slow => "slow",
            Self::Storm => "storm",
            Self::Idle => "idle",
            Self::Churn => "churn",
            Self::Attack => "attack",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// Whatever went wrong, or was found wrong.
    pub fn run(self, options: &Options) -> Result<Report, Trouble> {
        let rig = Rig::set_up(options)?;
        let mut report = match self {
            Self::Rpc | Self::Pingpong => rpc::run(&rig)?,
            Self::Crossing => crossing::run(&rig)?,
            Self::Fanout | Self::Fanin => pubsub::run(&rig)?,
            Self::Patterns => pubsub::patterns(&rig)?,
            Self::Slow => pubsub::slow(&rig)?,
            Self::Storm => storm::run(&rig)?,
            Self::Idle => idle::run(&rig)?,
            Self::Churn => idle::churn(&rig)?,
            Self::Attack => attack::run(&rig)?,
        };
        report.scenario = self.name();
        report.settings = self.settings(&rig);
        Ok(report)
    }

    /// The options that matter to this scenario.
    fn settings(self, rig: &Rig<'_>) -> Vec<(&'static str, Value)> {
        let options = rig.options;
        let mut settings = vec![
            ("url", json!(rig.door.target.to_string())),
            ("serializer", json!(options.serializer.subprotocol().trim_start_matches("wamp.2."))),
        ];
        for (name, count) in [
            ("callers", options.callers),
            ("callees", options.callees),
            ("publishers", options.publishers),
            ("subscribers", options.subscribers),
        ] {
            if count > 0 {
                settings.push((name, json!(count)));
            }
        }
        match self {
            Self::Idle => settings.push(("sessions", json!(options.sessions))),
            Self::Churn => {
                settings.push(("sessions", json!(options.sessions)));
                settings.push(("cycles", json!(options.cycles)));
            }
            Self::Storm => settings.push(("window", json!(options.window))),
            Self::Rpc
            | Self::Pingpong
            | Self::Crossing
            | Self::Fanout
            | Self::Fanin
            | Self::Patterns
            | Self::Slow
            | Self::Attack => {
                match options.rate {
                    Some(rate) => settings.push(("rate", json!(rate))),
                    None => settings.push(("window", json!(options.window))),
                }
                settings.push(("payload", json!(options.payload)));
            }
        }
        settings
    }
}
