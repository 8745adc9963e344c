//! Any bytes as UBJSON: taken or refused, the same by every way of reading.

#![no_main]

mod elements;

use gigawamp::wire::ubjson::UbjsonReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = elements::check::<UbjsonReader<'_>>(bytes);
});
