//! Whatever is written as a configuration, and in the files that it names: it is refused, with the
//! line where there is one, or routers can be made of it.
//!
//! Up to the first octet 0 it is the configuration, behind it what every file and every variable
//! says that is named there.

#![no_main]

use gigawamp::server::examine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|octet| *octet == 0).unwrap_or(bytes.len());
    let (text, elsewhere) = bytes.split_at(end);
    if let Err(problems) = examine(text, elsewhere.get(1..).unwrap_or_default()) {
        assert!(!problems.is_empty(), "it was refused for no reason");
        let lines = 1 + text.iter().filter(|octet| **octet == b'\n').count();
        for problem in problems {
            let (source, rest) = problem.split_once(':').expect("a problem says where it is");
            // Of other files the lines are counted in those.
            let line = rest.split(':').next().and_then(|line| line.parse::<usize>().ok());
            let is_within = line.is_none_or(|line| (1..=lines).contains(&line));
            assert!(source != "standard input" || is_within, "{problem}");
        }
    }
});
