//! The log: one line per event on standard error, for people or for machines.
//!
//! Nothing is logged per message, and no payload ever is. This file is the one place of the
//! server that asks for the time of day.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

use super::config::LogFormat;
use crate::router::notice::Notice;

/// Starts logging. To be called once in a process; a second call changes nothing.
pub(super) fn start(level: LevelFilter, format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        // The filter decides, and it can be changed.
        .with_max_level(LevelFilter::TRACE)
        .with_timer(Utc)
        .with_writer(io::stderr)
        // A log that nobody reads any more must not end the process.
        .log_internal_errors(false)
        .with_target(false);
    let result = match format {
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let colour = !plain && io::stderr().is_terminal();
            let subscriber = builder.with_ansi(colour).finish().with(changeable(level));
            tracing::subscriber::set_global_default(subscriber)
        }
        LogFormat::Json => {
            let subscriber = builder.json().flatten_event(true).finish().with(changeable(level));
            tracing::subscriber::set_global_default(subscriber)
        }
    };
    // Only tests start it twice, and there the first one will do.
    let _ = result;
}

/// Logs what a shard has to tell. Whatever clients have made up of it is quoted.
pub(super) fn note(notice: &Notice) {
    match notice {
        Notice::Denied { authid, authrole, action, uri } => {
            let (authid, authrole, action) = (&**authid, &**authrole, action.name());
            warn!(?authid, ?authrole, action, ?uri, "denied");
        }
        Notice::Undecided { authorizer, reason } => {
            warn!(?authorizer, ?reason, "an authorizer did not decide, so it was denied");
        }
        Notice::Suppressed { count } => warn!(count, "more like this was not logged"),
    }
}

/// Logs lines of other levels from here on.
pub(super) fn set_level(level: LevelFilter) {
    if let Some(change) = LEVEL.get() {
        change(level);
    }
}

/// Changes the level.
static LEVEL: OnceLock<Box<dyn Fn(LevelFilter) -> bool + Send + Sync>> = OnceLock::new();

/// A filter for lines of a level that can be changed.
fn changeable<S: 'static>(level: LevelFilter) -> reload::Layer<Targets, S> {
    let (filter, handle) = reload::Layer::new(targets(level));
    // Only tests start it twice, and there the first one will do.
    let _ = LEVEL.set(Box::new(move |level| handle.reload(targets(level)).is_ok()));
    filter
}

/// Which lines are logged at a level.
fn targets(level: LevelFilter) -> Targets {
    // What our dependencies have to say is of interest when something is wrong with them.
    Targets::new().with_target("gigawamp", level).with_default(level.min(LevelFilter::WARN))
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "the log is the one reader of the time of day")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Writes times as RFC 3339 has them, in UTC with milliseconds.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        // A clock before 1970 is no reason to lose the line.
        write_utc(w, now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// Writes the moment `since_1970` as `2026-11-20T10:00:00.001Z`.
fn write_utc(out: &mut impl fmt::Write, since_1970: Duration) -> fmt::Result {
    let seconds = since_1970.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_1970.subsec_millis();
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of the day that comes `days` after 1 January 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    const DAYS_BEFORE_MARCH_1970: u64 = 719_468;
    // Years are taken to begin in March, so that the leap day is the last of its year and months
    // have 31 and 30 days in a pattern that repeats every five: 153 days.
    let day = days + DAYS_BEFORE_MARCH_1970;
    let era = day / DAYS_IN_400_YEARS;
    let day = day % DAYS_IN_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_rfc_3339_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_168_800_001, "2026-11-20T10:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = String::new();
            write_utc(&mut out, Duration::from_millis(millis)).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = civil(0);
        for days in 1..200_000 {
            let day = civil(days);
            assert!(day > before, "{before:?} is followed by {day:?}");
            assert!(day.2 == before.2 + 1 || day.2 == 1);
            before = day;
        }
        assert_eq!(before, (2517, 7, 31));
    }
}
