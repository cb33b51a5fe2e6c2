//! Codes to 32-bit words and back, as the GPTQ layout (v1) wants them.
//!
//! `qweight` is packed along the inputs: word `[r, c]` holds inputs `8r .. 8r+8` of output `c`, the first in the lowest nibble.
//! `qzeros` is packed along the outputs and holds zero minus one. The tensors lie inputs by outputs, the transpose of the weight.

use half::f16;

use crate::grid::Quantized;

/// Codes in a word.
pub const CODES: usize = 8;

/// The word of eight zeros in v1, which stores zero minus one: 7 in each nibble.
pub const ZERO_WORD: i32 = 0x7777_7777;

/// The same in v2, which stores the zero itself.
pub const ZERO_WORD_V2: u32 = 0x8888_8888;

/// The `qweight` words, `[columns / 8, rows]`.
pub fn codes_to_words(quantized: &Quantized) -> Vec<i32> {
    let (rows, columns) = (quantized.rows, quantized.columns);
    let mut words = vec![0_i32; columns / CODES * rows];
    for (row, codes) in quantized.codes.chunks_exact(columns).enumerate() {
        for (line, eight) in codes.chunks_exact(CODES).enumerate() {
            let word = eight.iter().enumerate().fold(0_u32, |word, (j, &code)| word | u32::from(code) << (4 * j));
            words[line * rows + row] = word.cast_signed();
        }
    }
    words
}

/// The codes of `qweight` words, row by row.
pub fn words_to_codes(words: &[i32], rows: usize, columns: usize) -> Vec<u8> {
    let mut codes = vec![0_u8; rows * columns];
    for (line, across) in words.chunks_exact(rows).enumerate() {
        for (row, word) in across.iter().enumerate() {
            for j in 0..CODES {
                codes[row * columns + line * CODES + j] = (word >> (4 * j) & 15) as u8;
            }
        }
    }
    codes
}

/// The `scales` tensor, `[groups, rows]`.
pub fn transposed_scales(quantized: &Quantized) -> Vec<f16> {
    transpose(&quantized.scales, quantized.groups())
}

/// `values`, lines of `width`, with lines and columns exchanged.
pub fn transpose<T: Copy>(values: &[T], width: usize) -> Vec<T> {
    let lines = values.len() / width;
    (0..width).flat_map(|column| (0..lines).map(move |line| values[line * width + column])).collect()
}

/// The trivial `g_idx`: the group of each input column.
pub fn group_index(columns: usize, group_size: usize) -> Vec<i32> {
    (0..columns).map(|column| (column / group_size) as i32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantized(rows: usize, columns: usize, codes: Vec<u8>) -> Quantized {
        let scales = (0..rows * columns / 32).map(|i| f16::from_f32(i as f32)).collect();
        Quantized { rows, columns, group_size: 32, codes, scales }
    }

    #[test]
    fn the_first_input_is_the_lowest_nibble_and_outputs_lie_side_by_side() {
        let mut codes = vec![0_u8; 64];
        codes[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        codes[32..40].copy_from_slice(&[15; 8]);
        let words = codes_to_words(&quantized(2, 32, codes));
        assert_eq!(words[..2], [0x8765_4321_u32.cast_signed(), -1]);
        assert_eq!(words.len(), 4 * 2);
    }

    #[test]
    fn the_zero_words_are_those_of_the_formats() {
        assert_eq!(ZERO_WORD, 2_004_318_071);
        assert_eq!(ZERO_WORD_V2.cast_signed(), -2_004_318_072);
        assert_eq!(ZERO_WORD_V2 - ZERO_WORD.cast_unsigned(), 0x1111_1111);
    }

    #[test]
    fn scales_turn_from_rows_by_groups_to_groups_by_rows() {
        assert_eq!(transpose(&[1, 2, 3, 4, 5, 6], 3), [1, 4, 2, 5, 3, 6]);
        assert_eq!(group_index(6, 2), [0, 0, 1, 1, 2, 2]);
    }

    proptest! {
        #[test]
        fn packing_reads_back(rows in 1_usize..9, groups in 1_usize..4, seed in any::<u64>()) {
            let count = rows * groups * 32;
            let codes: Vec<u8> = (0..count as u64).map(|i| (seed.wrapping_mul(2 * i + 1) >> 60) as u8).collect();
            let words = codes_to_words(&quantized(rows, groups * 32, codes.clone()));
            prop_assert_eq!(words_to_codes(&words, rows, groups * 32), codes);
        }
    }
}
