//! What the core is given from outside: time, chance, and maps keyed by chance.
//!
//! Nothing here asks the machine for anything. A driver passes an [`Instant`] with every input
//! and one seed at the start; the simulator passes its own, and a run repeats exactly.

use std::ops::{Add, Sub};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A moment, in nanoseconds since the Unix epoch or whatever the driver chose instead.
///
/// It never goes back between two inputs of one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment `nanos` nanoseconds after the driver's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the driver's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

impl Instant {
    /// Milliseconds of Unix time, if the driver's origin is the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// Milliseconds of Unix time as RFC 3339 has them, in UTC: `2026-11-20T08:30:00.125Z`.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Days since 1970 to a date, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Nanoseconds of Unix time that a text in the form of RFC 3339 means: the opposite of [`rfc3339`].
///
/// Any offset is understood, and any number of digits behind the second, of which nine count. A
/// leap second is the first second after it. `None` if the text has another form, or names a day
/// or an hour that there is not.
#[must_use]
pub fn unix_nanos(text: &str) -> Option<i128> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    octet(&mut rest, b"-")?;
    let month = number(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
    octet(&mut rest, b"-")?;
    let day = number(&mut rest, 2).filter(|day| (1..=days_of(year, month)).contains(day))?;
    octet(&mut rest, b"Tt")?;
    let hour = number(&mut rest, 2).filter(|hour| *hour < 24)?;
    octet(&mut rest, b":")?;
    let minute = number(&mut rest, 2).filter(|minute| *minute < 60)?;
    octet(&mut rest, b":")?;
    let second = number(&mut rest, 2).filter(|second| *second <= 60)?;
    let nanos = match octet(&mut rest, b".") {
        Some(_) => fraction(&mut rest)?,
        None => 0,
    };
    let offset_minutes = match octet(&mut rest, b"Zz+-")? {
        b'Z' | b'z' => 0,
        sign => {
            let hours = number(&mut rest, 2).filter(|hours| *hours < 24)?;
            octet(&mut rest, b":")?;
            let minutes = number(&mut rest, 2).filter(|minutes| *minutes < 60)?;
            let offset = hours * 60 + minutes;
            if sign == b'-' { -offset } else { offset }
        }
    };
    // Years begin in March, so that the leap day is a year's last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let days = years * 365 + leap_days + (153 * months + 2) / 5 + day - 719_469;
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    let seconds = minutes * 60 + second;
    rest.is_empty().then(|| i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

/// Takes a number of `count` digits off the front of `rest`.
fn number(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (digits, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    let digit = |octet: &u8| octet.is_ascii_digit().then(|| i64::from(octet - b'0'));
    digits.iter().try_fold(0, |number, octet| Some(number * 10 + digit(octet)?))
}

/// Takes one octet off the front of `rest`, if it is one of `allowed`.
fn octet(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (octet, behind) = rest.split_first().filter(|(octet, _)| allowed.contains(octet))?;
    *rest = behind;
    Some(*octet)
}

/// Takes the digits of a fraction off the front of `rest`: billionths.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let (mut billionths, mut unit, mut any) = (0, 100_000_000, false);
    while let Some(digit) = octet(rest, b"0123456789") {
        billionths += i64::from(digit - b'0') * unit;
        (unit, any) = (unit / 10, true);
    }
    any.then_some(billionths)
}

const fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Chance: a cryptographically strong stream (ChaCha12) from one seed.
///
/// Session and publication ids come from here, so guessing the next from any number of earlier
/// ones is as hard as breaking the cipher.
#[derive(Clone, Debug)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// The stream that belongs to `seed`.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// The stream that belongs to a small number, for tests and the simulator.
    #[must_use]
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// An independent stream, drawn from this one.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`, every one as likely as the other. `bound` must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "an empty range has no member");
        // Lemire's multiplication with rejection of the short tail: no modulo bias.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.bits()) * u128::from(bound);
            let (high, low) = ((wide >> 64) as u64, wide as u64);
            if low >= threshold {
                return high;
            }
        }
    }

    /// True once in `odds` times on average.
    pub fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    /// Random octets.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// A hash map whose hash is keyed from [`Random`], so that no peer can aim at its buckets.
#[expect(clippy::disallowed_types, reason = "this is the keyed map all others use")]
pub type Map<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;

/// A hash set whose hash is keyed from [`Random`].
#[expect(clippy::disallowed_types, reason = "this is the keyed set all others use")]
pub type Set<K> = std::collections::HashSet<K, ahash::RandomState>;

/// Gives back what a map holds beyond its need, once that is most of it.
///
/// To be called after each removal from maps that may grow large: its cost is paid for by as many
/// removals.
pub fn shrink<K: Eq + std::hash::Hash, V>(map: &mut Map<K, V>) {
    const SMALL: usize = 64;
    if map.capacity() > SMALL && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

/// The key of a [`Map`] or [`Set`], drawn from `random`.
#[must_use]
pub fn hash_key(random: &mut Random) -> ahash::RandomState {
    ahash::RandomState::with_seeds(random.bits(), random.bits(), random.bits(), random.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut one, mut two) = (Random::from_number(7), Random::from_number(7));
        assert!((0..100).all(|_| one.bits() == two.bits()));
        assert_ne!(one.split().bits(), one.bits());
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut random = Random::from_number(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[usize::try_from(random.below(7)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1_200).contains(&count)), "{seen:?}");
    }

    #[test]
    fn a_map_that_was_large_gives_back_what_it_does_not_need() {
        let mut map = Map::with_hasher(hash_key(&mut Random::from_number(1)));
        map.extend((0..10_000).map(|n| (n, n)));
        for n in 0..9_990 {
            map.remove(&n);
            shrink(&mut map);
        }
        assert!(map.capacity() < 200, "{}", map.capacity());
        assert!((9_990..10_000).all(|n| map[&n] == n));
    }

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_795_163_400_125, "2026-11-20T08:30:00.125Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn moments_are_read_as_rfc_3339_has_them() {
        for ms in [0, 1, 951_827_696_789, 1_795_163_400_125, 4_107_542_399_999, 253_402_300_799_999]
        {
            assert_eq!(unix_nanos(&rfc3339(ms)), Some(i128::from(ms) * 1_000_000), "{ms}");
        }
        for day in 0..150_000 {
            let ms = day * 86_400_000;
            assert_eq!(unix_nanos(&rfc3339(ms)), Some(i128::from(ms) * 1_000_000), "day {day}");
        }
        let second = 1_000_000_000;
        for (text, nanos) in [
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31t23:30:00-00:30", 0),
            ("1970-01-01T00:00:00.1z", second / 10),
            ("1970-01-01T00:00:00.123456789987Z", 123_456_789),
            ("1969-12-31T23:59:59.5Z", -second / 2),
            ("1985-04-12T23:20:50.52Z", 482_196_050_520_000_000),
            ("1996-12-19T16:39:57-08:00", 851_042_397 * second),
            ("1990-12-31T15:59:60-08:00", 662_688_000 * second),
            ("0000-03-01T00:00:00Z", -62_162_035_200 * second),
            ("0000-01-01T00:00:00+23:59", -62_167_305_540 * second),
        ] {
            assert_eq!(unix_nanos(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_not_read_as_one() {
        for text in [
            "",
            "now",
            "2026",
            "2026-11-20",
            "2026-11-20T08:30:00",
            "2026-11-20 08:30:00Z",
            "2026-11-20T08:30Z",
            "2026-11-20T08:30:00.Z",
            "2026-11-20T08:30:00,5Z",
            "2026-11-20T08:30:00Z ",
            " 2026-11-20T08:30:00Z",
            "2026-11-20T08:30:00+0100",
            "2026-11-20T08:30:00+01",
            "2026-11-20T08:30:00+24:00",
            "2026-11-20T08:30:00+01:60",
            "2026-11-20T24:00:00Z",
            "2026-11-20T08:60:00Z",
            "2026-11-20T08:30:61Z",
            "2026-00-20T08:30:00Z",
            "2026-13-20T08:30:00Z",
            "2026-11-00T08:30:00Z",
            "2026-11-31T08:30:00Z",
            "2026-02-29T08:30:00Z",
            "2100-02-29T08:30:00Z",
            "26-11-20T08:30:00Z",
            "-026-11-20T08:30:00Z",
            "+2026-11-20T08:30:00Z",
            "2026-1١-20T08:30:00Z",
        ] {
            assert_eq!(unix_nanos(text), None, "{text}");
        }
    }

    #[test]
    fn time_saturates() {
        let late = Instant::from_nanos(u64::MAX) + Duration::from_secs(1);
        assert_eq!(late.as_nanos(), u64::MAX);
        assert_eq!(Instant::from_nanos(5) - Instant::from_nanos(9), Duration::ZERO);
    }
}
