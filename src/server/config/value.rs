//! Values as configuration files, environment and flags give them, and the two units people
//! write: durations and sizes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use toml::de::{DeValue, Error};

/// A value of whatever type was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Text in quotes; from a flag or the environment, anything that is no other type.
    Text(Cow<'a, str>),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// `true` or `false`.
    Switch(bool),
    /// A list of values.
    List(Vec<Self>),
    /// What no option takes; the text names it for the error message.
    Other(&'static str),
}

impl<'a> Value<'a> {
    /// What a file says.
    pub(super) fn of_toml(value: &'a DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(Cow::Borrowed(text)),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Boolean(switch) => Self::Switch(*switch),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| Self::of_toml(item.get_ref())).collect())
            }
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// What a flag or a variable of the environment says: no quotes are needed there.
    pub(super) fn of_plain(text: &'a str) -> Self {
        if let Ok(integer) = text.parse() {
            return Self::Integer(integer);
        }
        match text {
            "true" => Self::Switch(true),
            "false" => Self::Switch(false),
            _ => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// Of what type it is, and nothing of what it says.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Switch(_) => "a truth value",
            Self::List(_) => "a list",
            Self::Other(what) => what,
        }
    }

    /// Hands the value that the TOML literal `literal` stands for to `take`.
    pub(super) fn with_literal<R>(
        literal: &str,
        take: impl FnOnce(&Value<'_>) -> R,
    ) -> Result<R, Error> {
        let value = DeValue::parse(literal)?;
        Ok(take(&Value::of_toml(value.get_ref())))
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Integer(integer) => write!(f, "the integer {integer}"),
            Self::Switch(switch) => write!(f, "{switch}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// The duration that a text such as `"30s"` or `"250ms"` means.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = split_unit(text)?;
    let nanos = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    count.checked_mul(nanos).map(Duration::from_nanos)
}

/// The octets that a text such as `"16 MiB"` or `"1 MB"` means.
pub(super) fn size(text: &str) -> Option<u64> {
    let (count, unit) = split_unit(text)?;
    let octets = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(octets)
}

/// How a duration is written: in the largest unit that leaves no fraction.
pub(super) fn show_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] =
        [(3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
    let micros = duration.as_micros();
    if micros == 0 {
        return "0s".to_owned();
    }
    let whole = UNITS.iter().find(|(unit, _)| micros.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{micros}us"), |(unit, name)| format!("{}{name}", micros / unit))
}

/// How a size is written: in the largest binary unit that leaves no fraction.
pub(super) fn show_size(octets: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = UNITS.iter().find(|(unit, _)| octets != 0 && octets.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{octets} B"), |(unit, name)| format!("{} {name}", octets / unit))
}

/// Parts `30s` and `16 MiB` into a count and a unit.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    Some((count.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in [("30s", 30_000), ("5m", 300_000), ("250ms", 250), ("1h", 3_600_000)]
        {
            let value = Duration::from_millis(millis);
            assert_eq!(duration(text), Some(value), "{text}");
            assert_eq!(show_duration(value), text);
        }
        assert_eq!(duration("50us"), Some(Duration::from_micros(50)));
        assert_eq!(show_duration(Duration::from_micros(50)), "50us");
        assert_eq!(show_duration(Duration::ZERO), "0s");
        for text in ["", "30", "s", "-1s", "1.5s", "30 seconds", "99999999999999999999s", "9e9s"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("18446744073709551615h"), None);
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, octets) in [("16 MiB", 16 << 20), ("512 B", 512), ("1 GiB", 1 << 30)] {
            assert_eq!(size(text), Some(octets as u64), "{text}");
            assert_eq!(show_size(octets), text);
        }
        assert_eq!(size("1MB"), Some(1_000_000));
        assert_eq!(size("64kB"), Some(64_000));
        for text in ["", "16", "MiB", "1 mib", "1  MiB", "-1 B", "18446744073709551615 GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn plain_text_needs_no_quotes() {
        assert_eq!(Value::of_plain("4"), Value::Integer(4));
        assert_eq!(Value::of_plain("true"), Value::Switch(true));
        assert_eq!(Value::of_plain("auto"), Value::Text("auto".into()));
    }
}
