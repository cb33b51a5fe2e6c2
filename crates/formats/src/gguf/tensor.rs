//! Tensor types and their blocks.
//!
//! All but the floats hold a row in blocks of 32 weights. Q8_0: an fp16 step, then 32 signed codes. Q4_1: an fp16 step and an fp16
//! minimum, then nibbles as in Q4_0; a weight is code times step plus minimum.
//!
//! A Q4_0 block holds 32 weights of a row: an fp16 step, then 16 bytes whose low nibbles are the first 16 codes and whose high
//! nibbles are the last 16. Code minus 8, times the step: the same grid as symmetric GPTQ, so codes move over unchanged.

use half::{bf16, f16};

use super::GgufErrorKind;
use crate::grid::{Grid, Quantized, Zero, rounded_up};

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

    /// The type whose blocks hold the codes of `grid` as they are. Codes of fewer than 4 bits lie in the middle of 4.
    pub fn holding(grid: Grid) -> Result<TensorType, GgufErrorKind> {
        match (grid.zero, grid.bits) {
            (Zero::Middle, ..=4) => Ok(TensorType::Q4_0),
            (Zero::Middle, _) => Ok(TensorType::Q8_0),
            (Zero::OfGroup, ..=4) => Ok(TensorType::Q4_1),
            (Zero::OfGroup, bits) => Err(GgufErrorKind::Grid(bits)),
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
                out.extend(nibbles(&block[2..]).map(|code| (f32::from(code) - 8.0) * step));
            }),
            TensorType::Q4_1 => blocks(self, bytes, |block, out| {
                let (step, minimum) = (half_at(block, 0), half_at(block, 2));
                out.extend(nibbles(&block[4..]).map(|code| f32::from(code) * step + minimum));
            }),
        }
    }
}

/// The blocks of `quantized` as `kind`, which holds its grid; its rows are taken in the order `rows`.
pub fn encode_codes(kind: TensorType, quantized: &Quantized, rows: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quantized.codes.len() / BLOCK * kind.bytes() as usize);
    let shift = 8_u8.wrapping_sub(quantized.grid.middle());
    for &row in rows {
        let codes = &quantized.codes[row * quantized.columns..][..quantized.columns];
        for (block, codes) in codes.chunks_exact(BLOCK).enumerate() {
            let step = quantized.step(row * quantized.groups() + block * BLOCK / quantized.group_size);
            out.extend(step.scale.to_le_bytes());
            let (low, high) = codes.split_at(BLOCK / 2);
            let pairs = low.iter().zip(high);
            match kind {
                TensorType::Q8_0 => out.extend(codes.iter().map(|code| code.wrapping_sub(128))),
                TensorType::Q4_1 => {
                    out.extend(step.minimum().to_le_bytes());
                    out.extend(pairs.map(|(low, high)| low | high << 4));
                }
                _ => out.extend(pairs.map(|(low, high)| (low + shift) | (high + shift) << 4)),
            }
        }
    }
    out
}

/// How finely the step of a Q8_0 block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Q8Step {
    /// As ggml stores it: in all of fp16.
    Whole,
    /// In four significant bits, rounded up: every value of the block is an fp16 number too.
    Exact,
}

/// The Q8_0 blocks nearest to `values`.
pub fn encode_q8_0(values: &[f32], step: Q8Step) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() / BLOCK * TensorType::Q8_0.bytes() as usize);
    for block in values.chunks_exact(BLOCK) {
        let extreme = block.iter().fold(0.0_f32, |extreme, v| extreme.max(v.abs()));
        let scale = match step {
            Q8Step::Whole => f16::from_f32(extreme / 127.0),
            // Up, since the extreme must not be cut off.
            Q8Step::Exact => f16::from_f32(rounded_up(extreme / 127.0, 4)),
        };
        out.extend(scale.to_le_bytes());
        let scale = scale.to_f32();
        let code = |v: &f32| if scale == 0.0 { 0.0 } else { (v / scale).round().clamp(-127.0, 127.0) };
        out.extend(block.iter().map(|v| (code(v) as i8).cast_unsigned()));
    }
    out
}

/// `values` as `kind`, one of the floats or Q8_0.
pub fn encode_floats(kind: TensorType, values: &[f32]) -> Vec<u8> {
    match kind {
        TensorType::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        TensorType::Bf16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        TensorType::Q8_0 => encode_q8_0(values, Q8Step::Whole),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
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
        let mut quantized = Quantized {
            grid: Grid::symmetric(4),
            rows: 1,
            columns: 32,
            group_size: 32,
            codes,
            scales: vec![f16::from_f32(-0.5)],
            zeros: Vec::new(),
        };
        quantized.codes[16] = 15;
        let bytes = encode_codes(TensorType::Q4_0, &quantized, &[0]);
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
        let weights = vec![1.0; 64];
        let quantized = Quantized::nearest(Grid::symmetric(4), &weights, 64, 64);
        let bytes = encode_codes(TensorType::Q4_0, &quantized, &[0]);
        assert_eq!(bytes[..2], bytes[18..20]);
        assert_eq!(TensorType::Q4_0.decode(&bytes), weights);
    }

    #[test]
    fn eight_bits_with_zeros_of_their_own_have_no_type() {
        let error = TensorType::holding(Grid::asymmetric(8)).unwrap_err();
        assert!(error.to_string().contains("no tensor type for asymmetric codes of 8 bits"), "{error}");
    }

    proptest! {
        #[test]
        fn blocks_hold_the_very_weights_that_the_codes_stand_for(
            weights in prop::collection::vec(-9.0_f32..9.0, 128),
            grid in prop::sample::select(vec![
                Grid::symmetric(2), Grid::symmetric(3), Grid::symmetric(4), Grid::symmetric(8),
                Grid::asymmetric(2), Grid::asymmetric(3), Grid::asymmetric(4),
            ]),
            group_size in prop::sample::select(vec![32_usize, 64]),
            swapped: bool,
        ) {
            let quantized = Quantized::nearest(grid, &weights, 64, group_size);
            let rows = if swapped { [1, 0] } else { [0, 1] };
            let kind = TensorType::holding(grid).unwrap();
            let decoded = kind.decode(&encode_codes(kind, &quantized, &rows));
            let expected = quantized.dequantize();
            let expected = rows.iter().flat_map(|row| &expected[row * 64..][..64]).map(|v| v.to_bits());
            prop_assert!(decoded.iter().map(|v| v.to_bits()).eq(expected));
        }

        #[test]
        fn eight_bits_are_off_by_half_a_step_and_exact_ones_are_halves(
            weights in prop::collection::vec(-9.0_f32..9.0, 64),
            power in -6..4,
        ) {
            let weights: Vec<f32> = weights.iter().map(|w| w * 2.0_f32.powi(power)).collect();
            for step in [Q8Step::Whole, Q8Step::Exact] {
                let values = TensorType::Q8_0.decode(&encode_q8_0(&weights, step));
                for (weights, values) in weights.chunks(32).zip(values.chunks(32)) {
                    let extreme = weights.iter().fold(0.0_f32, |extreme, v| extreme.max(v.abs()));
                    let room = extreme / 127.0 * 0.57 + 1e-7;
                    prop_assert!(weights.iter().zip(values).all(|(w, v)| (w - v).abs() <= room), "{step:?}");
                }
                let exact = values.iter().all(|v| f16::from_f32(*v).to_f32() == *v);
                prop_assert!(exact || step == Q8Step::Whole);
            }
        }
    }
}
