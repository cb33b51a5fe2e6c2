//! How a step is cut into parts that are computed one after the other. Results depend on it by rounding only.
//!
//! A part is padded to its longest example, and starting one costs time too: products with few rows, and one more pass over all
//! gradients. The cut with the least of both is found exactly, by dynamic programming over the examples in order of length.

use tch::Device;

/// What bounds a part, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Tokens in a part at most, padding included; one example may have more.
    pub most_tokens: usize,
    /// Tokens that could be computed in the time that starting a part takes.
    pub start: usize,
}

impl Costs {
    /// On `device`, in the memory that `examples` examples of `longest` tokens take.
    pub fn new(device: Device, examples: usize, longest: usize) -> Costs {
        match device {
            // More rows make a product no faster, and activations that leave the caches slow down all between the products.
            Device::Cpu => Costs { most_tokens: (examples * longest).min(1024), start: 48 },
            _ => Costs { most_tokens: examples * longest, start: 2048 },
        }
    }
}

/// The number of examples in each part of a step whose examples have these lengths, longest first.
pub fn cut(lengths: &[usize], costs: Costs) -> Vec<usize> {
    // The cheapest way to compute the examples from `at` on, and how many of them its first part has.
    let mut cheapest = vec![(0, 0); lengths.len() + 1];
    for at in (0..lengths.len()).rev() {
        let most = (costs.most_tokens / lengths[at].max(1)).clamp(1, lengths.len() - at);
        let cost = |count: usize| (costs.start + count * lengths[at] + cheapest[at + count].0, count);
        cheapest[at] = (1..=most).map(cost).min().expect("a part has one example or more");
    }
    let (mut at, mut parts) = (0, Vec::new());
    while at < lengths.len() {
        parts.push(cheapest[at].1);
        at += cheapest[at].1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lengths: &[usize], most_tokens: usize, start: usize, expected: &[usize]) {
        assert_eq!(cut(lengths, Costs { most_tokens, start }), expected, "{lengths:?}");
    }

    #[test]
    fn padding_and_starts_are_weighed_against_each_other() {
        check(&[], 100, 10, &[]);
        check(&[500], 100, 10, &[1]);
        check(&[50, 10, 10, 10], 200, 10, &[1, 3]);
        check(&[12, 10, 10, 10], 200, 10, &[4]);
        check(&[50, 50, 50, 50, 50], 100, 10, &[1, 2, 2]);
        check(&[0, 0], 100, 10, &[2]);
    }

    #[test]
    fn no_other_cut_is_cheaper() {
        let costs = Costs { most_tokens: 60, start: 7 };
        let lengths = [31, 30, 22, 21, 20, 9, 8, 5, 5, 4, 1];
        let price = |parts: &[usize]| {
            let mut at = 0;
            let mut total = 0;
            for count in parts {
                let padded = count * lengths[at];
                if *count > 1 && padded > costs.most_tokens {
                    return usize::MAX;
                }
                total += costs.start + padded;
                at += count;
            }
            total
        };
        // A bit for each gap between examples: whether it is cut there.
        let every_cut = (0..1_u32 << (lengths.len() - 1)).map(|gaps| {
            let mut parts = vec![1];
            for gap in 0..lengths.len() - 1 {
                match gaps >> gap & 1 {
                    1 => parts.push(1),
                    _ => *parts.last_mut().unwrap() += 1,
                }
            }
            price(&parts)
        });
        assert_eq!(every_cut.min().unwrap(), price(&cut(&lengths, costs)));
    }
}
