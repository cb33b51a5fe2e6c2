//! Tensor types and their blocks.
//!
//! All but the floats hold a row in blocks of 32 weights. Q8_0: an fp16 step, then 32 signed codes. Q4_1: an fp16 step and an fp16
//! minimum, then nibbles as in Q4_0; a weight is code times step plus minimum.
//!
//! A Q4_0 block holds 32 weights of a row: an fp16 step, then 16 bytes whose low nibbles are the first 16 codes and whose high
//! nibbles are the last 16. Code minus 8, times the step: the same grid as symmetric GPTQ, so codes move over unchanged.

use half::{bf16, f16};

use crate::grid::{Quantized, value_of};

/// Weights in a block.
const BLOCK: usize = 32;

/// Bytes of a Q4_0 block.
const BLOCK_BYTES: usize = 2 + BLOCK / 2;

/// How a tensor's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the exponent of 32-bit ones.
    Bf16,
    /// Blocks of 32 8-bit codes with an fp16 step.
    Q8_0,
    /// Blocks of 32 4-bit codes with an fp16 step.
    Q4_0,
    /// Blocks of 32 4-bit codes with an fp16 step and an fp16 minimum.
    Q4_1,
}

/// A tensor's entry in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name: `blk.0.attn_q.weight`.
    pub name: String,
    /// Its shape as torch has it, the innermost dimension last.
    pub shape: Vec<u64>,
    /// How its values are stored.
    pub kind: TensorType,
}

impl TensorInfo {
    /// Bytes of its values; the most there are for a shape that no file can hold.
    pub fn bytes(&self) -> u64 {
        let values = self.shape.iter().fold(1_u64, |values, size| values.saturating_mul(*size));
        (values / self.kind.values()).saturating_mul(self.kind.bytes())
    }

    /// Whether its rows are whole blocks.
    pub fn fills_blocks(&self) -> bool {
        self.shape.last().is_none_or(|columns| columns % self.kind.values() == 0)
    }
}

impl TensorType {
    const ALL: [TensorType; 6] =
        [TensorType::F32, TensorType::F16, TensorType::Bf16, TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_1];

    /// Values in a block.
    fn values(self) -> u64 {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::Bf16 => 1,
            TensorType::Q8_0 | TensorType::Q4_0 | TensorType::Q4_1 => BLOCK as u64,
        }
    }

    /// Bytes of a block.
    fn bytes(self) -> u64 {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::Bf16 => 2,
            TensorType::Q8_0 => 34,
            TensorType::Q4_0 => BLOCK_BYTES as u64,
            TensorType::Q4_1 => 20,
        }
    }

    /// Its number in a file.
    pub(super) fn id(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Q4_0 => 2,
            TensorType::Q4_1 => 3,
            TensorType::Q8_0 => 8,
            TensorType::Bf16 => 30,
        }
    }

    /// The type with number `id`.
    pub(super) fn from_id(id: u32) -> Option<TensorType> {
        TensorType::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The values in `bytes`, in f32; exact but for Q4_1, whose sum is rounded there as ggml rounds it.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            TensorType::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            TensorType::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            TensorType::Bf16 => bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            TensorType::Q8_0 => blocks(self, bytes, |block, out| {
                let step = half_at(block, 0);
                out.extend(block[2..].iter().map(|code| f32::from(code.cast_signed()) * step));
            }),
            TensorType::Q4_0 => blocks(self, bytes, |block, out| {
                let step = half_at(block, 0);
                out.extend(nibbles(&block[2..]).map(|code| value_of(code, step)));
            }),
            TensorType::Q4_1 => blocks(self, bytes, |block, out| {
                let (step, minimum) = (half_at(block, 0), half_at(block, 2));
                out.extend(nibbles(&block[4..]).map(|code| f32::from(code) * step + minimum));
            }),
        }
    }
}

/// The Q4_0 blocks of `quantized`, its rows taken in the order `rows`.
pub fn encode_q4_0(quantized: &Quantized, rows: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quantized.codes.len() / BLOCK * BLOCK_BYTES);
    for &row in rows {
        let codes = &quantized.codes[row * quantized.columns..][..quantized.columns];
        for (block, codes) in codes.chunks_exact(BLOCK).enumerate() {
            let group = block * BLOCK / quantized.group_size;
            out.extend(quantized.scales[row * quantized.groups() + group].to_le_bytes());
            let (low, high) = codes.split_at(BLOCK / 2);
            out.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
        }
    }
    out
}

fn blocks(kind: TensorType, bytes: &[u8], decode: impl Fn(&[u8], &mut Vec<f32>)) -> Vec<f32> {
    let size = kind.bytes() as usize;
    let mut values = Vec::with_capacity(bytes.len() / size * BLOCK);
    bytes.chunks_exact(size).for_each(|block| decode(block, &mut values));
    values
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The low halves of `bytes`, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_is_the_step_then_nibbles_sixteen_apart() {
        let codes: Vec<u8> = (0..32).map(|i| i % 16).collect();
        let mut quantized =
            Quantized { rows: 1, columns: 32, group_size: 32, codes, scales: vec![f16::from_f32(-0.5)] };
        quantized.codes[16] = 15;
        let bytes = encode_q4_0(&quantized, &[0]);
        // -0.5 in fp16 is 0xb800.
        assert_eq!(bytes[..4], [0x00, 0xb8, 0xf0, 0x11]);
        assert_eq!(bytes.len(), 18);
        let values = TensorType::Q4_0.decode(&bytes);
        assert_eq!(values[..2], [4.0, 3.5]);
        assert_eq!(values[16], -3.5);
    }

    #[test]
    fn blocks_with_a_minimum_and_of_eight_bits_are_read_as_ggml_reads_them() {
        let mut block = [f16::from_f32(0.5).to_le_bytes(), f16::from_f32(-3.0).to_le_bytes()].concat();
        block.extend([0x21; 16]);
        let values = TensorType::Q4_1.decode(&block);
        assert_eq!((values[0], values[16], values.len()), (0.5 - 3.0, 1.0 - 3.0, 32));
        let mut block = f16::from_f32(0.25).to_le_bytes().to_vec();
        block.extend((0..32).map(|code: i8| (code - 16).cast_unsigned()));
        let values = TensorType::Q8_0.decode(&block);
        assert_eq!((values[0], values[31], values.len()), (-4.0, 3.75, 32));
        assert_eq!(TensorType::Bf16.decode(&[0x80, 0x3f, 0x00, 0xc0]), [1.0, -2.0]);
    }

    #[test]
    fn a_wide_group_repeats_its_scale() {
        let quantized = Quantized { rows: 1, columns: 64, group_size: 64, codes: vec![9; 64], scales: vec![f16::ONE] };
        let bytes = encode_q4_0(&quantized, &[0]);
        assert_eq!(bytes[..2], bytes[18..20]);
        assert_eq!(TensorType::Q4_0.decode(&bytes), vec![1.0; 64]);
    }

    proptest! {
        #[test]
        fn blocks_hold_the_very_weights_that_the_codes_stand_for(
            weights in prop::collection::vec(-9.0_f32..9.0, 128),
            swapped: bool,
        ) {
            let quantized = Quantized::nearest(&weights, 64, 32);
            let rows = if swapped { [1, 0] } else { [0, 1] };
            let decoded = TensorType::Q4_0.decode(&encode_q4_0(&quantized, &rows));
            let expected = quantized.dequantize();
            let expected = rows.iter().flat_map(|row| &expected[row * 64..][..64]).map(|v| v.to_bits());
            prop_assert!(decoded.iter().map(|v| v.to_bits()).eq(expected));
        }
    }
}
