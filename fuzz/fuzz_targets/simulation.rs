//! Whole runs of the simulator in which the fuzzer makes the choices: what it finds out about the
//! code steers what happens.

#![no_main]

use gigawamp::sim::{Options, run_scripted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Long enough for the script to be used up, short enough to try many.
    let steps = 50 + data.len().min(2_000) as u64;
    let _ = run_scripted(1, data, Options { steps, ..Options::default() });
});
