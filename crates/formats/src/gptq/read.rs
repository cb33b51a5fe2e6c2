//! Reads a GPTQ directory back to codes.
//!
//! Formats v1 and v2, symmetric and not, in one file or in shards, as long as groups are consecutive columns. Anything else is
//! refused by name, since reading it as if it were would give a model of noise.

use std::path::{Path, PathBuf};

use contract::StageError;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::config::QuantizationConfig;
use super::pack;
use crate::gguf::TensorType;
use crate::grid::{Grid, Quantized, Zero};
use crate::network::{ZeroFormat, linears};
use crate::weights::Weights;
use crate::{Config, LlamaError, LlamaErrorKind};

/// A GPTQ directory; tensors are read when they are asked for.
#[derive(Debug)]
pub struct GptqDirectory {
    /// The model's shape.
    pub config: Config,
    /// What the codes mean.
    pub quantization: QuantizationConfig,
    /// Whether the zeros are not as the config claims, but as v2 has them.
    pub mislabelled: bool,
    weights: Weights,
}

/// A GPTQ directory that cannot be read, with the file at fault.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct GptqError {
    /// The file.
    pub path: PathBuf,
    /// The defect.
    pub kind: GptqErrorKind,
}

/// The defect of a GPTQ directory.
#[derive(Debug, thiserror::Error)]
pub enum GptqErrorKind {
    /// It cannot be read, is not a safetensors file, or a tensor is absent.
    #[error(transparent)]
    File(#[from] LlamaErrorKind),
    /// What it says of its codes is not the JSON expected.
    #[error("not a config of GPTQ: {0}")]
    Json(serde_json::Error),
    /// It says that its codes are of a kind that is not read here.
    #[error("`{key}` is {value}, which is not supported")]
    Unsupported {
        /// The key in its config.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A tensor is not of the type or shape that its layer asks for.
    #[error("tensor `{name}` is {found}, expected {expected}")]
    Layout {
        /// The tensor.
        name: String,
        /// Its type and shape.
        found: String,
        /// The expected value.
        expected: String,
    },
    /// The zeros are not those of a symmetric checkpoint.
    #[error("`{module}` is not symmetric as the config claims: a stored zero is {stored}, expected {expected}")]
    Zeros {
        /// The layer.
        module: String,
        /// The zero found.
        stored: u8,
        /// The zero of a symmetric grid.
        expected: u8,
    },
    /// A zero that no code has.
    #[error("`{0}` has a zero beyond its codes: the file holds zeros of v2 or is damaged")]
    ZeroBeyond(String),
    /// Groups are not consecutive columns.
    #[error("`{0}` was quantized with desc_act: its groups are not consecutive columns")]
    Groups(String),
    /// The config beside it.
    #[error(transparent)]
    Config(#[from] LlamaError),
}

impl GptqDirectory {
    /// Reads the configs and the headers of the weights in `directory`.
    pub fn open(directory: &Path) -> Result<GptqDirectory, GptqError> {
        let at = |path: PathBuf| move |kind: GptqErrorKind| GptqError { path, kind };
        let config =
            Config::load(directory).map_err(|error| GptqError { path: error.path.clone(), kind: error.kind.into() })?;
        let quantization = QuantizationConfig::load(directory).map_err(at(directory.join("config.json")))?;
        let weights = Weights::open(directory)
            .map_err(|error| GptqError { path: error.path.clone(), kind: error.kind.into() })?;
        let mut opened = GptqDirectory { config, quantization, mislabelled: false, weights };
        opened.mislabelled = opened.holds_v2_zeros().map_err(at(opened.weights.source().to_owned()))?;
        Ok(opened)
    }

    /// A line for the user where the directory is not what it says.
    pub fn notice(&self) -> Option<String> {
        let text = "holds zeros of `gptq_v2` although it says `checkpoint_format: gptq`; they are read as v2. Other programs read noise";
        self.mislabelled.then(|| format!("{}: {text}", self.weights.source().display()))
    }

    /// The codes of `module`, whose weight has `shape`; `None` when it is not quantized.
    pub fn linear(&self, module: &str, shape: &[i64]) -> Result<Option<Quantized>, GptqError> {
        self.read_linear(module, shape).map_err(|kind| self.error(module, kind))
    }

    /// The values of tensor `name`, which is not quantized.
    pub fn plain(&self, name: &str, shape: &[i64]) -> Result<Vec<f32>, GptqError> {
        let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
        self.floats(name, &shape).map_err(|kind| self.error(name, kind))
    }

    /// How zeros are stored, whatever the config claims.
    pub fn zeros(&self) -> ZeroFormat {
        if self.mislabelled { ZeroFormat::V2 } else { self.quantization.zeros }
    }

    /// Whether symmetric zeros lie as v2 has them in a directory that claims v1. Some programs write that when they save again.
    fn holds_v2_zeros(&self) -> Result<bool, GptqErrorKind> {
        let Grid { bits, zero } = self.quantization.grid;
        if zero == Zero::OfGroup || self.quantization.zeros == ZeroFormat::V2 {
            return Ok(false);
        }
        for (layer, linear) in linears(&self.config) {
            let name = format!("{}.qzeros", linear.module_name(layer));
            let Some(info) = self.weights.info(&name) else { continue };
            let &[_, width] = info.shape.as_slice() else { return Ok(false) };
            let rows = width * pack::RUN / bits as usize;
            if width == 0 || info.dtype != Dtype::I32 {
                return Ok(false);
            }
            let zeros = pack::words_to_zeros(&self.words(&name, &info.shape.clone())?, rows, bits);
            return Ok(zeros.iter().all(|zero| *zero == self.quantization.grid.middle()));
        }
        Ok(false)
    }

    fn read_linear(&self, module: &str, shape: &[i64]) -> Result<Option<Quantized>, GptqErrorKind> {
        let Some(scales) = self.weights.info(&format!("{module}.scales")) else { return Ok(None) };
        let &[rows, columns] = shape else { return Ok(None) };
        let (rows, columns) = (rows as usize, columns as usize);
        let grid = self.quantization.grid;
        let groups = scales.shape.first().copied().unwrap_or(0);
        let bits = grid.bits as usize;
        // Of columns that fill whole words alone: nobody writes others.
        let whole = |codes: usize| (codes * bits).is_multiple_of(32);
        if groups == 0 || columns % groups != 0 || !whole(columns) || !whole(rows) {
            return Err(layout(&format!("{module}.scales"), scales, Dtype::F16, &[columns, rows]));
        }
        let group_size = columns / groups;
        let scales = self.floats(&format!("{module}.scales"), &[groups, rows])?;
        let words = self.words(&format!("{module}.qweight"), &[pack::words(columns, grid.bits), rows])?;
        let zeros = self.words(&format!("{module}.qzeros"), &[groups, pack::words(rows, grid.bits)])?;
        let zeros = self.zeros_of(module, pack::words_to_zeros(&zeros, rows, grid.bits))?;
        let index = format!("{module}.g_idx");
        // Some writers leave it out where it says nothing.
        if self.weights.info(&index).is_some()
            && self.words(&index, &[columns])? != pack::group_index(columns, group_size)
        {
            return Err(GptqErrorKind::Groups(module.to_owned()));
        }
        let codes = pack::words_to_codes(&words, rows, columns, grid.bits);
        let scales = pack::transpose(&scales, rows).into_iter().map(f16::from_f32).collect();
        Ok(Some(Quantized { grid, rows, columns, group_size, codes, scales, zeros }))
    }

    /// The zeros that `stored` stands for; none where the grid is symmetric, as it must be then.
    fn zeros_of(&self, module: &str, stored: Vec<u8>) -> Result<Vec<u8>, GptqErrorKind> {
        let (grid, offset) = (self.quantization.grid, self.zeros().offset());
        if grid.zero == Zero::Middle {
            let expected = grid.middle() - offset;
            return match stored.into_iter().find(|zero| *zero != expected) {
                None => Ok(Vec::new()),
                Some(stored) => Err(GptqErrorKind::Zeros { module: module.to_owned(), stored, expected }),
            };
        }
        let zero = |stored: u8| stored.checked_add(offset).filter(|zero| *zero <= grid.top());
        let zeros: Option<Vec<u8>> = stored.into_iter().map(zero).collect();
        zeros.ok_or_else(|| GptqErrorKind::ZeroBeyond(module.to_owned()))
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, GptqErrorKind> {
        let info = self.info(name)?;
        let dtype = info.dtype;
        if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) || info.shape != shape {
            return Err(layout(name, info, Dtype::F16, shape));
        }
        let bytes = self.weights.read(name)?;
        Ok(match dtype {
            Dtype::F32 => TensorType::F32.decode(&bytes),
            Dtype::BF16 => TensorType::Bf16.decode(&bytes),
            _ => TensorType::F16.decode(&bytes),
        })
    }

    fn words(&self, name: &str, shape: &[usize]) -> Result<Vec<i32>, GptqErrorKind> {
        let info = self.info(name)?;
        if info.dtype != Dtype::I32 || info.shape != shape {
            return Err(layout(name, info, Dtype::I32, shape));
        }
        let bytes = self.weights.read(name)?;
        Ok(bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, GptqErrorKind> {
        Ok(self.weights.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?)
    }

    fn error(&self, tensor: &str, kind: GptqErrorKind) -> GptqError {
        GptqError { path: self.weights.file_of(tensor).to_owned(), kind }
    }
}

fn layout(name: &str, info: &TensorInfo, dtype: Dtype, shape: &[usize]) -> GptqErrorKind {
    GptqErrorKind::Layout {
        name: name.to_owned(),
        found: format!("{:?} {:?}", info.dtype, info.shape),
        expected: format!("{dtype:?} {shape:?}"),
    }
}

impl From<GptqError> for StageError {
    fn from(error: GptqError) -> StageError {
        StageError::invalid_input(error.to_string())
            .help("the directory must hold GPTQ codes in groups of consecutive columns, as `quantize` writes them")
    }
}
