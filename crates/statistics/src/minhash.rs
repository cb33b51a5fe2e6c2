//! MinHash (Broder, "On the resemblance and containment of documents", 1997): how similar two sets are, from a few bytes of each.
//!
//! Two sets agree in a value with a probability that is their Jaccard similarity. Candidates are found through bands of values
//! (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3.4): sets that are similar agree in a whole band. Of pairs at a
//! similarity of 0.85, fewer than one in fifty agrees in none of the 8 bands of 4 values.

use draws::mix;

/// Values of a set.
pub const VALUES: usize = 32;

/// Values of a band.
const ROWS: usize = 4;

/// One byte of each value.
pub type Signature = [u8; VALUES];

/// The values of a set: for each of 32 ways to order its members, the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinHash([u64; VALUES]);

impl Default for MinHash {
    /// That of the empty set.
    fn default() -> MinHash {
        MinHash([u64::MAX; VALUES])
    }
}

impl MinHash {
    /// Adds a member, given by a hash whose bits are spread.
    #[inline]
    pub fn insert(&mut self, member: u64) {
        for (way, least) in self.0.iter_mut().enumerate() {
            // Multiplying by different odd numbers orders the members differently.
            let value = (member ^ WAYS[way]).wrapping_mul(WAYS[way] | 1);
            *least = (*least).min(value ^ (value >> 29));
        }
    }

    /// The bytes that are kept to compare it with other sets.
    pub fn signature(&self) -> Signature {
        self.0.map(|value| value as u8)
    }

    /// A hash of each band.
    pub fn bands(&self) -> impl Iterator<Item = u64> + '_ {
        self.0
            .chunks(ROWS)
            .enumerate()
            .map(|(band, rows)| rows.iter().fold(mix(band as u64), |sum, row| mix(sum ^ row)))
    }
}

/// In how many values two sets agree. By chance they agree in one byte of 256.
pub fn agreement(a: &Signature, b: &Signature) -> usize {
    a.iter().zip(b).filter(|(a, b)| a == b).count()
}

/// Numbers that differ in all bits: a linear congruential generator with Knuth's multiplier.
static WAYS: [u64; VALUES] = {
    let mut ways = [0; VALUES];
    let mut state = 0x51_7c_c1_b7_27_22_0a_95_u64;
    let mut way = 0;
    while way < VALUES {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ways[way] = state ^ (state >> 31);
        way += 1;
    }
    ways
};

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: impl Iterator<Item = u64>) -> MinHash {
        let mut hash = MinHash::default();
        members.for_each(|member| hash.insert(mix(member)));
        hash
    }

    #[test]
    fn agreement_estimates_the_jaccard_similarity() {
        // Of 1,000 members of either set, 600 are in both.
        let mean = (0..50_u64)
            .map(|turn| {
                let start = turn * 10_000;
                let (a, b) = (of(start..start + 800), of(start + 200..start + 1000));
                agreement(&a.signature(), &b.signature()) as f64 / VALUES as f64
            })
            .sum::<f64>()
            / 50.0;
        assert!((mean - 0.6).abs() < 0.04, "{mean}");
    }

    #[test]
    fn equal_sets_share_all_bands_whatever_the_order_and_others_share_none() {
        let (ascending, descending, other) = (of(0..100), of((0..100).rev()), of(1000..1100));
        assert_eq!(ascending, descending);
        assert_eq!(ascending.bands().zip(other.bands()).filter(|(a, b)| a == b).count(), 0);
        assert_eq!(ascending.bands().count(), 8);
    }
}
