//! Pressure stall information: how long the kernel saw processes wait for resources.
//!
//! Use shows how much is taken, stalls show the cost: memory at 75 % may thrash, and memory at 85 % may be fine.

use std::fs;
use std::path::Path;

/// The machine's figure for memory. A kernel built or booted without it has no such file.
const MEMORY: &str = "/proc/pressure/memory";

/// The share of time in which everything on this machine waited for memory.
pub(super) fn memory() -> Option<f64> {
    full(Path::new(MEMORY))
}

/// `full avg10` of a pressure file: the share of the last ten seconds, 0 to 1, in which everything waited at once. `some` says only
/// that somebody waited, which a single stage that reads a large file brings about.
pub(super) fn full(file: &Path) -> Option<f64> {
    full_of(&fs::read_to_string(file).ok()?)
}

fn full_of(text: &str) -> Option<f64> {
    let figures = text.lines().find_map(|line| line.strip_prefix("full "))?;
    let percent = figures.split_ascii_whitespace().find_map(|figure| figure.strip_prefix("avg10="))?;
    percent.parse::<f64>().ok().map(|percent| percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ten_seconds_of_full_count() {
        let text =
            "some avg10=41.86 avg60=52.61 avg300=37.38 total=13\nfull avg10=12.50 avg60=1.00 avg300=2.00 total=9\n";
        assert_eq!(full_of(text), Some(0.125));
    }

    #[test]
    fn what_a_kernel_does_not_say_is_not_known() {
        for text in ["", "some avg10=1.00 total=1\n", "full avg60=1.00\n", "full avg10=much\n"] {
            assert_eq!(full_of(text), None, "{text}");
        }
        assert_eq!(full(Path::new("/nowhere/memory.pressure")), None);
    }
}
