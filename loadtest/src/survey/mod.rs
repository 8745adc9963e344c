//! The whole table of works: what the router reaches of what the kernel allows.
//!
//! Each [`Work`] is a scenario under options of its own, a figure of its report, and a goal.
//! They run one after the other, the whole table several times, and the median of each figure
//! counts: a machine has better and worse minutes, and ratios from one run share them.

mod chart;
mod works;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Trouble;
use crate::cli::Options;
use crate::report::Report;
use works::{WORKS, Work};

/// What a survey is told.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// The router's binary; `None`: the one beside this program.
    pub router: Option<PathBuf>,
    /// How long each measurement takes.
    pub duration: Duration,
    /// How often the table is gone through.
    pub repeat: usize,
    /// Only works whose names contain this.
    pub only: String,
    /// Print JSON.
    pub json: bool,
    /// Where to draw the chart, an SVG.
    pub chart: Option<PathBuf>,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        Self {
            router: None,
            duration: Duration::from_secs(3),
            repeat: 3,
            only: String::new(),
            json: false,
            chart: None,
        }
    }
}

/// One work, and what was found.
#[derive(Debug)]
struct Finding {
    work: &'static Work,
    /// The figure of each round, in order of size.
    values: Vec<f64>,
    /// The last round's report.
    report: Value,
    /// What went wrong in a round, if anything did: the figures of that one are missing.
    failure: Option<String>,
}

/// Goes through the table and says what was found. A work that fails does not keep the others from
/// being measured.
///
/// # Errors
///
/// If the router is not there, or delivered wrongly in a work: the table is part of that error. A
/// goal that is missed is none.
pub fn run(options: &SurveyOptions) -> Result<String, Trouble> {
    let router = router(options.router.as_deref())?;
    let works = WORKS.iter().filter(|work| work.name.contains(&options.only));
    let mut findings: Vec<_> = works.map(Finding::new).collect();
    if findings.is_empty() {
        return Err(Trouble::Usage(format!("no work is called {:?}", options.only)));
    }
    for round in 1..=options.repeat {
        for finding in &mut findings {
            eprintln!("{round}/{}  {}", options.repeat, finding.work.name);
            match measure(finding.work, options, &router) {
                Ok(report) => {
                    let value = finding.work.value(&report);
                    finding.values.push(value.ok_or_else(|| missing(finding.work, &report))?);
                    finding.report = report.json();
                }
                Err(trouble) => finding.failure = Some(trouble.to_string()),
            }
        }
    }
    for finding in &mut findings {
        finding.values.sort_by(f64::total_cmp);
    }
    if let Some(path) = &options.chart {
        fs::write(path, chart::draw(&findings))?;
    }
    let text =
        if options.json { format!("{:#}\n", to_json(&findings)) } else { to_table(&findings) };
    let has_failed = findings.iter().any(|finding| finding.failure.is_some());
    if has_failed {
        Err(Trouble::Wrong(format!("not every work was done\n{text}")))
    } else {
        Ok(text)
    }
}

impl Finding {
    fn new(work: &'static Work) -> Self {
        Self { work, values: Vec::new(), report: Value::Null, failure: None }
    }

    /// What counts, if any round brought a figure.
    fn median(&self) -> Option<f64> {
        self.values.get(self.values.len() / 2).copied()
    }

    fn is_met(&self) -> bool {
        self.failure.is_none() && self.median().is_some_and(|median| self.work.goal.is_met(median))
    }
}

fn measure(work: &Work, survey: &SurveyOptions, router: &Path) -> Result<Report, Trouble> {
    let mut options = Options::new(work.scenario);
    options.router = Some(router.to_owned());
    options.url = crate::rig::default_url(true);
    options.duration = survey.duration;
    options.relay = work.beside_relay;
    (work.prepare)(&mut options);
    if work.at_half_rate {
        // An open loop at half of what a closed one reaches, on the same machine a moment ago.
        let closed = Options { relay: false, window: 64, ..options.clone() };
        let most = work.scenario.run(&closed)?.rows[0].rate();
        options.rate = Some((most / 2.0) as u64);
    }
    work.scenario.run(&options)
}

/// The router to measure: the `given` binary, or the one beside this program.
///
/// # Errors
///
/// If it is not there.
pub fn router(given: Option<&Path>) -> Result<PathBuf, Trouble> {
    let beside = || Ok::<_, Trouble>(std::env::current_exe()?.with_file_name("gigawamp"));
    let router = given.map_or_else(beside, |given| Ok(given.to_owned()))?;
    if router.is_file() {
        return Ok(router);
    }
    let advice = "build it with `cargo build --release`, or name it with --router";
    Err(Trouble::Rig(format!("no router at {}: {advice}", router.display())))
}

fn missing(work: &Work, report: &Report) -> Trouble {
    let names: Vec<_> = report.figures.iter().map(|(name, _)| name.as_str()).collect();
    Trouble::Rig(format!("{}: no {:?} among {names:?}", work.name, work.figure))
}

fn to_json(findings: &[Finding]) -> Value {
    let rows = findings.iter().map(|finding| {
        json!({
            "work": finding.work.name,
            "figure": finding.work.figure,
            "median": finding.median(),
            "all": finding.values,
            "goal": finding.work.goal.to_string(),
            "met": finding.is_met(),
            "failure": finding.failure,
            "last": finding.report,
        })
    });
    Value::Array(rows.collect())
}

fn to_table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.work.name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut out = format!("{:width$}  {:>9}  {:>9}\n", "", "median", "goal");
    for finding in findings {
        let met = if finding.is_met() { "met" } else { "MISSED" };
        let goal = finding.work.goal.to_string();
        let _ = write!(out, "{:width$}  ", finding.work.name);
        let _ = match (finding.median(), finding.values.first(), finding.values.last()) {
            (Some(median), Some(least), Some(most)) => {
                let (median, least, most) = (shown(median), shown(*least), shown(*most));
                writeln!(out, "{median:>9}  {goal:>9}  {met:6}  ({least} – {most})")
            }
            _ => writeln!(out, "{:>9}  {goal:>9}  {met:6}", "–"),
        };
        if let Some(failure) = &finding.failure {
            let _ = writeln!(out, "{:width$}  FAILED: {failure}", "");
        }
    }
    out
}

/// Ratios with three digits, amounts as whole numbers.
fn shown(value: f64) -> String {
    if value < 100.0 { format!("{value:.3}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::works::Goal;
    use super::*;

    fn finding(work: &'static Work, values: &[f64]) -> Finding {
        Finding { values: values.to_vec(), ..Finding::new(work) }
    }

    #[test]
    fn the_median_decides() {
        let work = WORKS.iter().find(|work| matches!(work.goal, Goal::AtLeast(_)));
        let work = work.expect("throughput has lower bounds");
        let Goal::AtLeast(bound) = work.goal else { unreachable!("it was looked for") };
        let good = finding(work, &[bound / 2.0, bound + 0.1, bound + 0.2]);
        let bad = finding(work, &[bound / 3.0, bound / 2.0, bound + 0.2]);
        assert!(good.is_met() && !bad.is_met());
        let table = to_table(&[good, bad]);
        assert!(table.contains("met") && table.contains("MISSED"), "{table}");
    }

    #[test]
    fn what_failed_is_said_and_not_met() {
        let mut failed = finding(&WORKS[0], &[]);
        failed.failure = Some("WRONG: lost".to_owned());
        assert!(!failed.is_met());
        let table = to_table(&[failed]);
        assert!(table.contains("MISSED") && table.contains("FAILED: WRONG: lost"), "{table}");
    }

    #[test]
    fn charts_are_drawn_of_all() {
        let findings: Vec<_> = WORKS.iter().map(|work| finding(work, &[0.5])).collect();
        let chart = chart::draw(&findings);
        assert!(chart.starts_with("<svg") && chart.trim_end().ends_with("</svg>"));
        let ratios = WORKS.iter().filter(|work| work.is_ratio()).count();
        assert_eq!(chart.matches("class=\"bar").count(), ratios);
    }

    #[test]
    fn names_tell_works_apart() {
        for work in WORKS {
            let same = WORKS.iter().filter(|other| other.name == work.name).count();
            assert_eq!(same, 1, "{}", work.name);
            let options = &mut Options::new(work.scenario);
            (work.prepare)(options);
        }
    }
}
