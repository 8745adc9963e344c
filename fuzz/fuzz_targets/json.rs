//! Any bytes as JSON: taken or refused, the same by every way of reading and by serde_json.

#![no_main]

mod elements;

use gigawamp::wire::json::JsonReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let ours = elements::check::<JsonReader<'_>>(bytes);
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (ours, theirs) {
        // The bounds differ: of depth always, of numbers in the last digit before infinity.
        (Err(reason), Ok(_)) => assert!(
            reason.0.contains("too deeply") || reason.0.contains("out of range"),
            "refused by us alone: {reason}"
        ),
        (Ok(_), Err(reason)) => assert!(
            reason.to_string().contains("out of range"),
            "taken by us alone: {reason}"
        ),
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
    }
});
