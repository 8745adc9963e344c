//! A message that is read is written as something that reads the same, in the serializer it came
//! in and, where it can be carried over, in the others.

#![no_main]

use gigawamp::message::Message;
use gigawamp::wire::{Serializer, transcode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let serializer = Serializer::ALL[usize::from(*first) % Serializer::ALL.len()];
    let Ok(message) = Message::parse(serializer, bytes) else { return };
    let mut written = Vec::new();
    message.write(serializer, &mut written);
    let again = Message::parse(serializer, &written).expect("what was written can be read");
    assert_eq!(again, message);

    // In JSON, text that begins with NUL is octets elsewhere, and octets are text here; a message
    // that needs the one does not take the other.
    let ambiguous = bytes.contains(&0) || bytes.windows(6).any(|window| window == b"\\u0000");
    for other in Serializer::ALL.into_iter().filter(|other| *other != serializer) {
        let mut carried = Vec::new();
        if transcode::element(serializer, other, &written, &mut carried).is_err() {
            continue;
        }
        let Ok(there) = Message::parse(other, &carried) else {
            assert!(ambiguous, "{message:?} has no counterpart in {other:?}");
            continue;
        };
        assert_eq!(there.code(), message.code());
        let mut back = Vec::new();
        there.write(other, &mut back);
        assert_eq!(Message::parse(other, &back).as_ref(), Ok(&there));
    }
});
