//! Codes to 32-bit words and back, as the GPTQ layout wants them.
//!
//! `qweight` is packed along the inputs, `qzeros` along the outputs; the tensors lie inputs by outputs, the transpose of the
//! weight. 32 codes fill as many words as a code has bits, one code after the other from the lowest bit on; those of three bits
//! cross the borders of words.

use half::f16;

use crate::grid::{Quantized, Zero};
use crate::network::ZeroFormat;

/// Codes that fill whole words, whatever their bits.
pub const RUN: usize = 32;

/// Words of `codes` codes of `bits` bits.
pub fn words(codes: usize, bits: u32) -> usize {
    codes * bits as usize / RUN
}

/// The `qweight` words, `[columns * bits / 32, rows]`.
pub fn codes_to_words(quantized: &Quantized) -> Vec<i32> {
    let (rows, columns, bits) = (quantized.rows, quantized.columns, quantized.grid.bits);
    let mut all = vec![0_i32; words(columns, bits) * rows];
    let mut line = Vec::with_capacity(words(columns, bits));
    for (row, codes) in quantized.codes.chunks_exact(columns).enumerate() {
        line.clear();
        pack(codes.iter().copied(), bits, &mut line);
        for (index, word) in line.iter().enumerate() {
            all[index * rows + row] = *word;
        }
    }
    all
}

/// The codes of `qweight` words, row by row.
pub fn words_to_codes(words: &[i32], rows: usize, columns: usize, bits: u32) -> Vec<u8> {
    let mut codes = vec![0_u8; rows * columns];
    let mut line = vec![0; words.len() / rows];
    for (row, codes) in codes.chunks_exact_mut(columns).enumerate() {
        line.iter_mut().zip(words[row..].iter().step_by(rows)).for_each(|(to, word)| *to = *word);
        unpack(&line, bits, codes);
    }
    codes
}

/// The `qzeros` words, `[groups, rows * bits / 32]`. Zeros of 0 have no form in v1 and wrap.
pub fn zeros_to_words(quantized: &Quantized, format: ZeroFormat) -> Vec<i32> {
    let bits = quantized.grid.bits;
    let lines = match quantized.grid.zero {
        Zero::Middle => vec![quantized.grid.middle(); quantized.rows * quantized.groups()],
        Zero::OfGroup => transpose(&quantized.zeros, quantized.groups()),
    };
    let mut all = Vec::with_capacity(words(lines.len(), bits));
    pack(lines.iter().map(|zero| zero.wrapping_sub(format.offset()) & quantized.grid.top()), bits, &mut all);
    all
}

/// What `qzeros` words hold, row by row of the weight, without the offset of v1.
pub fn words_to_zeros(words: &[i32], rows: usize, bits: u32) -> Vec<u8> {
    let mut zeros = vec![0_u8; words.len() * RUN / bits as usize];
    unpack(words, bits, &mut zeros);
    transpose(&zeros, rows)
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

/// Appends the words that `codes` fill.
fn pack(codes: impl Iterator<Item = u8>, bits: u32, words: &mut Vec<i32>) {
    let (mut held, mut filled) = (0_u64, 0);
    for code in codes {
        held |= u64::from(code) << filled;
        filled += bits;
        if filled >= u32::BITS {
            words.push((held as u32).cast_signed());
            (held, filled) = (held >> u32::BITS, filled - u32::BITS);
        }
    }
}

/// Fills `codes` from `words`, which hold as many.
fn unpack(words: &[i32], bits: u32, codes: &mut [u8]) {
    let mask = (1_u64 << bits) - 1;
    let word = |index: usize| u64::from(words.get(index).map_or(0, |word| word.cast_unsigned()));
    for (index, code) in codes.iter_mut().enumerate() {
        let (at, shift) = (index * bits as usize / 32, index * bits as usize % 32);
        *code = ((word(at + 1) << 32 | word(at)) >> shift & mask) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{BITS, Grid};
    use proptest::prelude::*;

    fn quantized(grid: Grid, rows: usize, columns: usize, codes: Vec<u8>) -> Quantized {
        let scales: Vec<f16> = (0..rows * columns / 32).map(|i| f16::from_f32(i as f32)).collect();
        let zeros = match grid.zero {
            Zero::Middle => Vec::new(),
            Zero::OfGroup => (0..scales.len()).map(|i| (i * 7 + 1) as u8 & grid.top()).collect(),
        };
        Quantized { grid, rows, columns, group_size: 32, codes, scales, zeros }
    }

    #[test]
    fn the_first_input_is_the_lowest_nibble_and_outputs_lie_side_by_side() {
        let mut codes = vec![0_u8; 64];
        codes[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        codes[32..40].copy_from_slice(&[15; 8]);
        let words = codes_to_words(&quantized(Grid::symmetric(4), 2, 32, codes));
        assert_eq!(words[..2], [0x8765_4321_u32.cast_signed(), -1]);
        assert_eq!(words.len(), 4 * 2);
    }

    #[test]
    fn codes_of_three_bits_cross_the_borders_of_words() {
        // As AutoGPTQ packs them: ten codes and two bits of the eleventh in the first word, its third bit lowest in the second.
        let mut codes = vec![0_u8; 32];
        (codes[0], codes[9], codes[10], codes[31]) = (1, 2, 7, 5);
        let words = codes_to_words(&quantized(Grid::symmetric(3), 1, 32, codes));
        assert_eq!(words, [1 | 2 << 27 | (3_u32 << 30).cast_signed(), 1, (5_u32 << 29).cast_signed()]);
    }

    #[test]
    fn the_zero_words_are_those_of_the_formats() {
        for (bits, v1, v2) in
            [(2, 0x5555_5555, 0xaaaa_aaaa_u32), (4, 0x7777_7777, 0x8888_8888), (8, 0x7f7f_7f7f, 0x8080_8080)]
        {
            let quantized = quantized(Grid::symmetric(bits), 32, 32, vec![0; 32 * 32]);
            let first = |format| zeros_to_words(&quantized, format)[0].cast_unsigned();
            assert_eq!((first(ZeroFormat::V1), first(ZeroFormat::V2)), (v1, v2));
        }
    }

    #[test]
    fn scales_turn_from_rows_by_groups_to_groups_by_rows() {
        assert_eq!(transpose(&[1, 2, 3, 4, 5, 6], 3), [1, 4, 2, 5, 3, 6]);
        assert_eq!(group_index(6, 2), [0, 0, 1, 1, 2, 2]);
    }

    proptest! {
        #[test]
        fn packing_reads_back(
            bits in prop::sample::select(BITS.to_vec()),
            rows in prop::sample::select(vec![32_usize, 64]),
            groups in 1_usize..4,
            seed in any::<u64>(),
        ) {
            let grid = Grid::asymmetric(bits);
            let count = rows * groups * 32;
            let code = |i: u64| (seed.wrapping_mul(2 * i + 1) >> 56) as u8 & grid.top();
            let quantized = quantized(grid, rows, groups * 32, (0..count as u64).map(code).collect());
            let words = codes_to_words(&quantized);
            prop_assert_eq!(&words_to_codes(&words, rows, groups * 32, bits), &quantized.codes);
            let zeros = zeros_to_words(&quantized, ZeroFormat::V2);
            prop_assert_eq!(&words_to_zeros(&zeros, rows, bits), &quantized.zeros);
            let less = words_to_zeros(&zeros_to_words(&quantized, ZeroFormat::V1), rows, bits);
            let back: Vec<u8> = less.iter().map(|zero| zero.wrapping_add(1) & grid.top()).collect();
            prop_assert_eq!(&back, &quantized.zeros);
        }
    }
}
