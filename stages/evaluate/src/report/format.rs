//! Figures as people read them.

use crate::measure::Measure;
use crate::metrics::Figure;

/// A share as a percentage; two digits when it is below one percent.
pub(super) fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let magnitude = value.abs();
    let decimals = if magnitude == 0.0 { 1 } else { (1 - magnitude.log10().floor() as i32).clamp(1, 5) as usize };
    format!("{value:.decimals$} %")
}

/// Four significant digits; very small ones with an exponent.
pub(super) fn figure(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        0.0 => "0".to_owned(),
        _ if magnitude < 0.001 => format!("{value:.2e}"),
        _ => {
            let decimals = (3 - magnitude.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{value:.decimals$}")
        }
    }
}

/// A round figure at an axis, without needless zeros.
pub(super) fn tick(value: f64) -> String {
    let text = figure(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Bytes in units of 1000.
pub(super) fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.2} {}", units[unit]) }
}

/// A figure with its interval, as `show` writes it, as the content of a cell.
pub(super) fn estimate(figure: &Figure, show: impl Fn(f64) -> String) -> String {
    let interval = figure.low.zip(figure.high);
    let small = interval.map_or(String::new(), |(low, high)| format!("<small>{} to {}</small>", show(low), show(high)));
    format!("{}{small}", show(figure.value))
}

/// How values of a measure are written.
pub(super) fn of_measure(measure: Measure) -> fn(f64) -> String {
    match measure {
        Measure::RiskError => |value| format!("{value:.2}"),
        Measure::SeverityMacroF1
        | Measure::LevelMacroF1
        | Measure::TechniqueF1
        | Measure::CorrelationF1
        | Measure::ContentF1
        | Measure::WordF1 => |value| format!("{value:.3}"),
        _ => |value| format!("{:.1} %", 100.0 * value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_four_digits() {
        assert_eq!(figure(1.084_32), "1.084");
        assert_eq!(figure(1460.81), "1461");
        assert_eq!(figure(0.012_345), "0.01235");
        assert_eq!(figure(0.000_002_6), "2.60e-6");
        assert_eq!(figure(0.0), "0");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(4_644_288), "4.64 MB");
        assert_eq!(percent(0.9993), "99.9 %");
        assert_eq!(percent(0.0003), "0.030 %");
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!((tick(6.0), tick(0.25), tick(20.0)), ("6".to_owned(), "0.25".to_owned(), "20".to_owned()));
    }
}
