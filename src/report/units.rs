//! Bytes, seconds, counts and times as people read them.

/// `1.5 GiB`, `340 KiB`, `12 B`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 100.0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// `0.03 s`, `12.4 s`, `3 min 05 s`, `2 h 10 min`.
pub fn seconds(value: f64) -> String {
    let whole = value.round() as u64;
    match whole {
        _ if value < 10.0 => format!("{value:.2} s"),
        0..120 => format!("{value:.1} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1 stage`, `2 stages`.
pub fn count(number: impl std::fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// A UTC time as `20261123-045500`, for names that sort by time.
pub fn timestamp(unix_seconds: u64) -> String {
    utc(unix_seconds, "%Y%m%d-%H%M%S")
}

/// A UTC time as `2026-11-23 04:55:00`, for people.
pub fn date(unix_seconds: u64) -> String {
    utc(unix_seconds, "%Y-%m-%d %H:%M:%S")
}

/// A clock beyond the year 9999 reads as the last moment before it.
fn utc(unix_seconds: u64, format: &str) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).strftime(format).to_string()
}

/// An estimate in US dollars: `about $1.25`; a part of a cent is not rounded to nothing.
pub fn dollars(amount: f64) -> String {
    if amount > 0.0 && amount < 0.005 { "less than $0.01".to_owned() } else { format!("about ${amount:.2}") }
}

/// A bound in US dollars, `$1.25`; never rounded to nothing.
pub fn exact(amount: f64) -> String {
    if amount > 0.0 && amount < 0.01 { format!("${amount:.4}") } else { format!("${amount:.2}") }
}

/// What a machine costs, as far as that is known and worth a word: an estimate.
pub fn cost(price: Option<f64>, cost: Option<f64>) -> Option<String> {
    match (price, cost) {
        (Some(0.0), _) => None,
        (Some(price), Some(cost)) => Some(format!("{} at ${price:.3} an hour", dollars(cost))),
        (Some(price), None) => Some(format!("${price:.3} an hour")),
        (None, Some(cost)) => Some(dollars(cost)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_naturally() {
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(340 * 1024), "340 KiB");
        assert_eq!(seconds(0.031), "0.03 s");
        assert_eq!(seconds(185.0), "3 min 05 s");
        assert_eq!(seconds(7800.0), "2 h 10 min");
        assert_eq!(
            (dollars(1.254), dollars(0.004), dollars(0.0)),
            ("about $1.25".into(), "less than $0.01".into(), "about $0.00".into())
        );
    }

    #[test]
    fn timestamps_are_utc_dates() {
        // `date -u -d @951782400`: 2000-02-29, the leap day that naive rules lose.
        assert_eq!(timestamp(951_782_400), "20000229-000000");
        assert_eq!(timestamp(1_795_408_551), "20261123-043551");
        assert_eq!(date(1_795_408_551), "2026-11-23 04:35:51");
        assert_eq!(date(u64::MAX)[..4], *"9999");
    }
}
