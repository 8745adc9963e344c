//! Octets as hexadecimal digits, and back.

use std::fmt::Write as _;

/// `octets` as lower case digits.
#[must_use]
pub fn to_hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        write!(text, "{octet:02x}").expect("a String takes everything");
    }
    text
}

/// `N` octets from exactly twice as many digits, of either case.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    let mut octets = [0; N];
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(octets)
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_come_back() {
        let octets: [u8; 256] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert_eq!(from_hex(&to_hex(&octets)), Some(octets));
        assert_eq!(to_hex(&[0x0f, 0xa0]), "0fa0");
        assert_eq!(from_hex("0FA0"), Some([0x0f, 0xa0]));
        assert_eq!(from_hex::<0>(""), Some([]));
    }

    #[test]
    fn what_is_not_exactly_that_many_digits_is_nothing() {
        for text in ["", "0", "00", "000", "00000", "000000", "+0a0", "0x0a", "00 0", "00é"] {
            assert_eq!(from_hex::<2>(text), None, "{text:?}");
        }
    }
}
