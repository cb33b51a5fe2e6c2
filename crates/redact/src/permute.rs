//! A permutation of the numbers of some bits, fixed by a key, without fixed points: addresses of one class change places.
//!
//! A Feistel network mixes; a step of one in the mixed order moves every number, so that none stands for itself.

use contract::Digest;

const ROUNDS: u8 = 8;

/// The number that stands for `value`, both below 2 to the power of `bits` (2..=128) and for which `within` holds.
pub(crate) fn permute(key: &Digest, bits: u32, value: u128, within: impl Fn(u128) -> bool) -> u128 {
    let mut value = value;
    // Walking on until the class is met again is a permutation of the class.
    loop {
        value = unmix(key, bits, mix(key, bits, value).wrapping_add(1) & mask(bits));
        if within(value) {
            return value;
        }
    }
}

fn mask(bits: u32) -> u128 {
    u128::MAX >> (128 - bits)
}

fn mix(key: &Digest, bits: u32, value: u128) -> u128 {
    (0..ROUNDS).fold(value, |value, round| turn(key, bits, value, round))
}

fn unmix(key: &Digest, bits: u32, value: u128) -> u128 {
    (0..ROUNDS).rev().fold(value, |value, round| turn(key, bits, value, round))
}

/// Adds a hash of one half to the other, which is undone by doing it again.
fn turn(key: &Digest, bits: u32, value: u128, round: u8) -> u128 {
    let low_bits = bits / 2;
    let (high, low) = (value >> low_bits, value & mask(low_bits));
    if round.is_multiple_of(2) {
        value ^ ((hash(key, bits, round, low) & mask(bits - low_bits)) << low_bits)
    } else {
        value ^ (hash(key, bits, round, high) & mask(low_bits))
    }
}

fn hash(key: &Digest, bits: u32, round: u8, half: u128) -> u128 {
    let parts: [&[u8]; 3] = [key.as_bytes(), &[bits as u8, round], &half.to_le_bytes()];
    first_16(&Digest::of(&parts.concat()))
}

fn first_16(digest: &Digest) -> u128 {
    digest.as_bytes().first_chunk::<16>().map_or(0, |first| u128::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_of_a_class_stands_for_another_one() {
        let key = Digest::of(b"key");
        for (bits, within) in [(8, 3_u128..256), (9, 0..512), (12, 100..3_000)] {
            let all: Vec<u128> = within.clone().map(|n| permute(&key, bits, n, |n| within.contains(&n))).collect();
            assert!(within.clone().zip(&all).all(|(n, other)| n != *other && within.contains(other)));
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        }
        let all = |key: &[u8]| -> Vec<u128> { (0..50).map(|n| permute(&Digest::of(key), 128, n, |_| true)).collect() };
        assert_ne!(all(b"key"), all(b"other"));
    }
}
