//! Quantiles.

/// The value at `percent` of 100 by nearest rank (Hyndman and Fan, "Sample quantiles in statistical packages", 1996, definition 1):
/// the least value that `percent` of all values do not exceed. `sorted` ascends; none of no values.
pub fn nearest_rank<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest_from_below() {
        let values: Vec<usize> = (1..=200).collect();
        assert_eq!(
            [0, 1, 50, 95, 99, 100].map(|percent| nearest_rank(&values, percent).unwrap()),
            [1, 2, 100, 190, 198, 200]
        );
        assert_eq!([0, 50, 51, 100].map(|percent| nearest_rank(&[7, 9], percent).unwrap()), [7, 7, 9, 9]);
        assert_eq!(nearest_rank::<f64>(&[], 50), None);
    }
}
