//! A PROXY header is read without a panic, and the more of it has come the more is known: what
//! was refused or read stays so, whatever follows.

#![no_main]

use gigawamp::wire::proxy::{HEADER_BYTES_MAX, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut settled = None;
    for count in 0..=data.len().min(HEADER_BYTES_MAX + 1) {
        let now = parse(&data[..count]);
        if let Some(before) = settled {
            assert_eq!(now, before, "more octets change nothing");
            continue;
        }
        match now {
            Ok(None) => assert!(count < HEADER_BYTES_MAX, "a header without an end"),
            Ok(Some(header)) => {
                assert!(header.bytes_count == count, "read before it was whole, or late");
                settled = Some(now);
            }
            Err(_) => settled = Some(now),
        }
    }
});
