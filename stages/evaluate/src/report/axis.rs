//! An axis: from figures to places, with ticks at round figures.

/// Maps figures to places along one direction of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    /// Figures from `from` to `to` at places from `start` to `end`.
    pub(super) fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Axis {
        let to = if to > from { to } else { from + 1.0 };
        Axis { from, to, start, end }
    }

    /// The place of `figure`.
    pub(super) fn place(&self, figure: f64) -> f64 {
        self.start + (figure - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// About `count` round figures within its range.
    pub(super) fn ticks(&self, count: usize) -> Vec<f64> {
        let rough = (self.to - self.from) / count.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step * (1.0 + 1e-9)).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_range() {
        let axis = Axis::new((0.0, 7.3), (0.0, 100.0));
        assert_eq!(axis.ticks(4), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(axis.place(7.3), 100.0);
        assert_eq!(Axis::new((3.0, 3.0), (0.0, 1.0)).place(3.0), 0.0);
    }
}
