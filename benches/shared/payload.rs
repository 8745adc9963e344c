//! Payloads for benches: mixed of objects, texts and numbers.

use gigawamp::wire::{Serializer, transcode};

/// A list of arguments of at least `bytes` octets of JSON.
fn arguments(bytes: usize) -> Vec<u8> {
    let mut json = String::from(r#"[{"device":"sensor-0","ok":true}"#);
    for number in 0_u32.. {
        if json.len() + 50 >= bytes {
            break;
        }
        let part = match number % 4 {
            0 => format!(
                r#",{{"id":{},"name":"device {number}","position":[{}.25,-{}.5],"tags":null}}"#,
                9_007_199_254_740_992_u64 - u64::from(number),
                number % 90,
                number % 180,
            ),
            1 => format!(",\"the measured value lies within the expected range, run {number}\""),
            2 => format!(",[{number},-{number},{}e-3,0,1]", number * 7919),
            _ => format!(r#",{{"state":"l\u00f6schen","count":{number},"done":false}}"#),
        };
        json.push_str(&part);
    }
    json.push_str(r#","a last text of some length"]"#);
    json.into_bytes()
}

/// The same arguments in `serializer`.
pub(crate) fn payload(serializer: Serializer, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    transcode::element(Serializer::Json, serializer, &arguments(bytes), &mut out)
        .expect("these arguments exist in all serializers");
    out
}
