//! What the time of an answer tells: measured on a quiet machine, never in the gate.
//!
//! `cargo test --release --test security timing -- --ignored --nocapture`
//!
//! Two kinds of attempts take turns, so that whatever else the machine does falls on both alike.
//! Of each kind the slowest tenth is left out: it tells of the machine.

#![expect(clippy::print_stdout, reason = "figures are what this is for")]

use std::time::Instant;

use serde_json::json;

use crate::authentication::{cra, denial, groups, open};
use crate::ground::Ground;

/// Attempts of each kind.
const ATTEMPTS: usize = 10_000;

/// What two kinds of attempts took, in nanoseconds.
struct Sample([Vec<f64>; 2]);

impl Sample {
    /// Takes turns with both kinds.
    fn take(mut attempt: impl FnMut(usize) -> f64) -> Self {
        let mut times = [Vec::new(), Vec::new()];
        for number in 0..2 * ATTEMPTS {
            // Now one is first, now the other.
            let kind = (number ^ number >> 1) & 1;
            times[kind].push(attempt(kind));
        }
        for kind in &mut times {
            kind.sort_by(f64::total_cmp);
            kind.truncate(kind.len() * 9 / 10);
        }
        Self(times)
    }

    fn mean_and_variance(times: &[f64]) -> (f64, f64) {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance)
    }

    /// By how much of itself the first kind's mean is off the second's.
    fn difference(&self) -> f64 {
        let [one, two] = self.0.each_ref().map(|times| Self::mean_and_variance(times).0);
        (one - two).abs() / two
    }

    /// Welch's t: above 4.5 by chance once in a hundred thousand.
    fn t(&self) -> f64 {
        let [one, two] = self.0.each_ref().map(|times| Self::mean_and_variance(times));
        let count = self.0[0].len() as f64;
        (one.0 - two.0).abs() / ((one.1 + two.1) / count).sqrt()
    }
}

/// The router of case 72, which counts no failures.
fn ground() -> Ground {
    let group = groups().into_iter().find(|group| group.name == "identity").unwrap();
    Ground::prepare(0, &group)
}

/// Nanoseconds from HELLO to CHALLENGE and from AUTHENTICATE to ABORT.
fn refusal(ground: &Ground, method: &str, authid: &str, signature: impl Fn(&str) -> String) -> f64 {
    let since = Instant::now();
    let (mut peer, challenge) = open(ground, method, authid);
    let hello = since.elapsed();
    let signature = signature(challenge["challenge"].as_str().unwrap_or_default());
    let since = Instant::now();
    denial(&mut peer, &signature, json!({}));
    (hello + since.elapsed()).as_nanos() as f64
}

#[test]
#[ignore = "measures time; for a quiet machine"]
fn timing_of_unknown_names() {
    let ground = ground();
    for method in ["ticket", "wampcra"] {
        let names = ["joe", "eve"];
        let sample =
            Sample::take(|kind| refusal(&ground, method, names[kind], |_| "wrong".to_owned()));
        let difference = 100.0 * sample.difference();
        println!("case 72, {method}: {difference:.2} % apart, t = {:.2}", sample.t());
        assert!(difference < 5.0, "an unknown name is told from a wrong proof");
    }
}

#[test]
#[ignore = "measures time; for a quiet machine"]
fn timing_of_wrong_signatures() {
    let ground = ground();
    // Wrong in the first character, or in the last but the padding.
    let wrong = |challenge: &str, kind: usize| {
        let mut signature = cra(challenge).into_bytes();
        let place = if kind == 0 { 0 } else { signature.len() - 3 };
        signature[place] = if signature[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(signature).unwrap()
    };
    let sample =
        Sample::take(|kind| refusal(&ground, "wampcra", "joe", |challenge| wrong(challenge, kind)));
    println!("case 74: t = {:.2}", sample.t());
    assert!(sample.t() < 4.5, "where a signature is wrong shows in the time it takes");
}
