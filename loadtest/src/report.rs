//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::clock;

/// Counts deliveries and notes latencies, while it is told to.
#[derive(Debug)]
pub struct Recorder {
    is_on: bool,
    delivered: u64,
    latency: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX, 3);
        let latency = latency.expect("the bounds are constants the histogram accepts");
        Self { is_on: false, delivered: 0, latency }
    }
}

impl Recorder {
    /// Forgets everything and starts.
    pub fn begin(&mut self) {
        self.is_on = true;
        self.delivered = 0;
        self.latency.reset();
    }

    /// Stops; what was noted stays.
    pub const fn end(&mut self) {
        self.is_on = false;
    }

    /// Notes a message that was due at `due` and arrived at `now`.
    #[inline]
    pub fn note(&mut self, now: u64, due: u64) {
        if self.is_on {
            self.delivered += 1;
            self.latency.saturating_record(now.saturating_sub(due));
        }
    }

    /// Messages noted.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How long they took, in nanoseconds.
    #[must_use]
    pub const fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }
}

/// The quantiles of one measurement, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// 50 %, 90 %, 99 % and 99.9 % were not above these.
    pub quantiles: [u64; 4],
    /// The worst.
    pub max: u64,
}

impl Quantiles {
    /// Their names.
    pub const NAMES: [&str; 4] = ["p50", "p90", "p99", "p99.9"];

    /// Of `histogram`; `None` if it is empty.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let quantiles =
            [0.5, 0.9, 0.99, 0.999].map(|quantile| histogram.value_at_quantile(quantile));
        Some(Self { quantiles, max: histogram.max() })
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured: `router`, `relay`, `router, flooded` …
    pub name: String,
    /// What is counted.
    pub unit: &'static str,
    /// How many came in which time.
    pub delivered: u64,
    /// How long it was measured.
    pub elapsed: Duration,
    /// How long each took.
    pub latency: Option<Quantiles>,
    /// CPU time the router (or relay) used meanwhile, if its process is known.
    pub server_cpu: Option<Duration>,
    /// CPU time this program used meanwhile: near `elapsed`, it was the bottleneck itself.
    pub own_cpu: Duration,
}

impl Row {
    /// Per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.delivered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Nanoseconds of the server's CPU for each delivery.
    #[must_use]
    pub fn server_nanos(&self) -> Option<f64> {
        let cpu = self.server_cpu.filter(|_| self.delivered > 0)?;
        Some(cpu.as_nanos() as f64 / self.delivered as f64)
    }

    fn own_share(&self) -> f64 {
        self.own_cpu.as_secs_f64() / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut row = Map::new();
        row.insert("name".into(), json!(self.name));
        row.insert("unit".into(), json!(self.unit));
        row.insert("per_second".into(), json!(self.rate()));
        row.insert("delivered".into(), json!(self.delivered));
        row.insert("seconds".into(), json!(self.elapsed.as_secs_f64()));
        if let Some(latency) = self.latency {
            for (name, nanos) in Quantiles::NAMES.into_iter().zip(latency.quantiles) {
                row.insert(format!("{name}_ns"), json!(nanos));
            }
            row.insert("max_ns".into(), json!(latency.max));
        }
        if let Some(nanos) = self.server_nanos() {
            row.insert("server_cpu_ns".into(), json!(nanos));
        }
        row.insert("generator_cpu".into(), json!(self.own_share()));
        Value::Object(row)
    }
}

/// Everything one scenario found out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its name.
    pub scenario: &'static str,
    /// Under which options, by name.
    pub settings: Vec<(&'static str, Value)>,
    /// The measurements.
    pub rows: Vec<Row>,
    /// One measurement by another, or a figure of another kind; by name.
    pub figures: Vec<(String, f64)>,
    /// What else there is to say.
    pub remarks: Vec<String>,
}

impl Report {
    /// Adds the ratios of the row `of` to the row `to`, as far as both have figures.
    pub fn compare(&mut self, of: usize, to: usize) {
        let (Some(of), Some(to)) = (self.rows.get(of), self.rows.get(to)) else { return };
        let name = format!("{} / {}", of.name, to.name);
        let mut found = vec![(format!("{name}: {}", of.unit), of.rate() / to.rate())];
        if let (Some(of), Some(to)) = (of.latency, to.latency) {
            let pairs = of.quantiles.into_iter().zip(to.quantiles);
            for (quantile, (of, to)) in Quantiles::NAMES.into_iter().zip(pairs) {
                found.push((format!("{name}: {quantile}"), of as f64 / to as f64));
            }
        }
        self.figures.extend(found);
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let settings = self.settings.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let figures = self.figures.iter().map(|(name, value)| (name.clone(), json!(value)));
        json!({
            "scenario": self.scenario,
            "settings": settings.collect::<Map<String, Value>>(),
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "figures": figures.collect::<Map<String, Value>>(),
            "remarks": self.remarks,
        })
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = self.scenario.to_owned();
        for (name, value) in &self.settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(out, "  {name}={value}");
        }
        out.push('\n');
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(6);
        if !self.rows.is_empty() {
            let _ = write!(out, "\n{:width$}  {:>12} {:9}", "", "per second", "");
            for name in Quantiles::NAMES.into_iter().chain(["max"]) {
                let _ = write!(out, " {name:>9}");
            }
            out.push_str("  server CPU  generator\n");
        }
        for row in &self.rows {
            let _ = write!(out, "{:width$}  {:>12} {:9}", row.name, count(row.rate()), row.unit);
            match row.latency {
                None => out.push_str(&" ".repeat(50)),
                Some(latency) => {
                    for nanos in latency.quantiles.into_iter().chain([latency.max]) {
                        let _ = write!(out, " {:>9}", span(nanos));
                    }
                }
            }
            let cpu = row.server_nanos().map_or("–".to_owned(), |nanos| format!("{nanos:.0} ns"));
            let _ = writeln!(out, "  {cpu:>10}  {:>7.0} %", row.own_share() * 100.0);
        }
        if !self.figures.is_empty() {
            out.push('\n');
        }
        for (name, value) in &self.figures {
            let value = if *value < 100.0 { format!("{value:.3}") } else { count(*value) };
            let _ = writeln!(out, "{name} = {value}");
        }
        for remark in &self.remarks {
            let _ = writeln!(out, "{remark}");
        }
        out
    }
}

/// Takes the time of something that is counted elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(u64);

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self(clock::now())
    }

    /// How long ago that was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(clock::now() - self.0)
    }
}

/// The longest latency that is told apart from longer ones, in nanoseconds.
const LATENCY_MAX: u64 = 60_000_000_000;

/// `1 234 567`
fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `12.3 µs`
fn span(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, delivered: u64, latency: u64) -> Row {
        let latency = Quantiles { quantiles: [latency; 4], max: latency };
        Row {
            name: name.into(),
            unit: "calls",
            delivered,
            elapsed: Duration::from_secs(2),
            latency: Some(latency),
            server_cpu: Some(Duration::from_secs(1)),
            own_cpu: Duration::from_secs(1),
        }
    }

    #[test]
    fn ratios_are_of_rates_and_quantiles() {
        let mut report = Report {
            scenario: "rpc",
            rows: vec![row("router", 1_000, 3_000), row("relay", 4_000, 1_000)],
            ..Report::default()
        };
        report.compare(0, 1);
        assert_eq!(report.figures[0], ("router / relay: calls".into(), 0.25));
        assert_eq!(report.figures[1], ("router / relay: p50".into(), 3.0));
        let json = report.json();
        assert_eq!(json["rows"][0]["per_second"], 500.0);
        assert_eq!(json["rows"][0]["server_cpu_ns"], 1_000_000.0);
        assert_eq!(json["rows"][1]["p99_ns"], 1_000);
        assert_eq!(json["figures"]["router / relay: p99.9"], 3.0);
        assert!(report.table().contains("router / relay: calls = 0.250"));
    }

    #[test]
    fn a_recorder_notes_only_between_begin_and_end() {
        let mut recorder = Recorder::default();
        recorder.note(10, 5);
        recorder.begin();
        recorder.note(1_000, 0);
        recorder.end();
        recorder.note(10, 5);
        assert_eq!((recorder.delivered(), recorder.latency().max()), (1, 1_000));
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(count(1_234_567.4), "1 234 567");
        assert_eq!(count(999.0), "999");
        assert_eq!(span(12_345), "12.3 µs");
    }
}
