//! The moment at which something happened, read from ISO 8601, so that reports order by time and not by how it is written.
//!
//! Scanners write `2026-11-22T17:19:55Z`; reports that went through other tools may carry an offset or a fraction. A time
//! without a zone is taken as UTC. Anything else is no moment, which is the caller's to say aloud.

/// Seconds since 1970 in UTC, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// The moment that a text names, if it names one.
    pub fn parse(text: &str) -> Option<Instant> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
        let [year, month, day] = fields(date, '-')?;
        let [hour, minute, second] = fields(clock, ':')?;
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        let (nanos, zone) = fraction(rest)?;
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
        in_range.then_some(Instant { seconds, nanos })
    }
}

/// Three numbers between separators, each of digits only.
fn fields(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Option<Vec<i64>> = text.split(separator).map(number).collect();
    parts?.try_into().ok()
}

fn number(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// Splits `.25Z` into nanoseconds and zone; digits past the ninth are cut off.
fn fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(rest) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let digits: String = rest[..end].chars().chain("000000000".chars()).take(9).collect();
    (end > 0).then(|| Some((digits.parse().ok()?, &rest[end..])))?
}

/// How many seconds the zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'Z' | b'z') if zone.len() == 1 => return Some(0),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return None,
    };
    let (hours, minutes) = (clock.get(..2)?, clock.get(2..)?);
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let (hours, minutes) = (number(hours)?, if minutes.is_empty() { 0 } else { number(minutes)? });
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_fractions_are_the_same_moment_however_written() {
        let check = |text: &str, seconds: i64, nanos: u32| {
            assert_eq!(Instant::parse(text), Some(Instant { seconds, nanos }), "{text}");
        };
        check("1970-01-01T00:00:00Z", 0, 0);
        check("2026-11-22T17:19:55Z", 1_795_367_995, 0);
        check("2026-11-22T18:19:55+01:00", 1_795_367_995, 0);
        check("2026-11-22T11:49:55-0530", 1_795_367_995, 0);
        check("2026-11-22 17:19:55.25", 1_795_367_995, 250_000_000);
        check("2024-02-29T23:59:60Z", 1_709_251_200, 0);
        check("1969-12-31T23:59:59.1234567899z", -1, 123_456_789);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in
            ["", "yesterday", "2026-11-22", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00.Z"]
        {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
        for text in
            ["2026-01-01T00:00:00X", "2026-01-01T00:00:00+1", "2026-01-+1T00:00:00Z", "2026-01-01T00:00:0\u{e9}"]
        {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }
}
