//! Numbers of JSON: their grammar, in linear time, and their values.

use crate::wire::Malformed;

const GRAMMAR: Malformed = Malformed("a JSON number is not well formed");
const RANGE: Malformed = Malformed("a JSON number is out of range");

/// The largest power of ten below the largest double: up to it nothing can overflow.
const POWER_MAX: i64 = 308;

/// A number that was passed over.
#[derive(Clone, Copy)]
pub(in crate::wire) struct Passed {
    /// The place after its last digit.
    pub(in crate::wire) end: usize,
    /// Whether it is written as a whole number: no fraction, no exponent.
    pub(in crate::wire) whole: bool,
}

/// Passes over and validates the number at `start`.
///
/// One beyond the range of a double is refused, as no other serializer could carry it.
#[inline]
pub(in crate::wire) fn pass(bytes: &[u8], start: usize) -> Result<Passed, Malformed> {
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut end = pass_digits(bytes, first)?;
    let leading_digits = end - first;
    if leading_digits > 1 && bytes.get(first) == Some(&b'0') {
        return Err(Malformed("a JSON number begins with a zero"));
    }
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') {
        whole = false;
        end = pass_digits(bytes, end + 1)?;
    }
    let mut exponent = 0;
    if let Some(b'e' | b'E') = bytes.get(end) {
        whole = false;
        (exponent, end) = pass_exponent(bytes, end + 1)?;
    }
    if exponent.saturating_add(i64::try_from(leading_digits).unwrap_or(i64::MAX)) > POWER_MAX {
        check_finite(bytes.get(start..end).unwrap_or_default())?;
    }
    Ok(Passed { end, whole })
}

/// The value of a whole number that is not negative.
pub(in crate::wire) fn unsigned(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The double nearest to a number that was passed over.
pub(in crate::wire) fn double(number: &[u8]) -> Result<f64, Malformed> {
    let text = std::str::from_utf8(number).map_err(|_| GRAMMAR)?;
    text.parse().map_err(|_| GRAMMAR)
}

fn pass_exponent(bytes: &[u8], start: usize) -> Result<(i64, usize), Malformed> {
    let sign = bytes.get(start);
    let first = start + usize::from(matches!(sign, Some(b'+' | b'-')));
    let end = pass_digits(bytes, first)?;
    let digits = bytes.get(first..end).unwrap_or_default();
    let size = digits.iter().fold(0_i64, |size, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    Ok((if sign == Some(&b'-') { -size } else { size }, end))
}

#[inline]
fn pass_digits(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let rest = bytes.get(start..).unwrap_or_default();
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Err(GRAMMAR);
    }
    Ok(start + count)
}

#[cold]
fn check_finite(number: &[u8]) -> Result<(), Malformed> {
    if double(number)?.is_finite() { Ok(()) } else { Err(RANGE) }
}
