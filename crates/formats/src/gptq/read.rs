//! Reads a GPTQ directory back to codes.
//!
//! It accepts what [`super::write`] writes and nothing wider: v1, symmetric, consecutive groups. Anything else is refused by name,
//! since reading it as if it were would give a model of noise.

use std::path::{Path, PathBuf};

use contract::StageError;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::pack;
use super::write::WEIGHTS;
use crate::grid::Quantized;
use crate::safetensors_file::SafetensorsFile;
use crate::{Config, LlamaError, LlamaErrorKind};

/// A GPTQ directory; tensors are read when they are asked for.
pub struct GptqDirectory {
    /// The model's shape.
    pub config: Config,
    file: SafetensorsFile,
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
    /// The zeros are not those of a symmetric v1 checkpoint.
    #[error("`{module}` is not symmetric GPTQ v1: a word of zeros is {word:#010x}, expected 0x77777777")]
    Zeros {
        /// The layer.
        module: String,
        /// The word found.
        word: u32,
    },
    /// Groups are not consecutive columns.
    #[error("`{0}` was quantized with desc_act: its groups are not consecutive columns")]
    Groups(String),
    /// The config beside it.
    #[error(transparent)]
    Config(#[from] LlamaError),
}

impl GptqDirectory {
    /// Reads the config and the weights file in `directory`.
    pub fn open(directory: &Path) -> Result<GptqDirectory, GptqError> {
        let path = directory.join(WEIGHTS);
        let read = || -> Result<GptqDirectory, GptqErrorKind> {
            let config = Config::load(directory)?;
            let file = SafetensorsFile::open(&path).map_err(|error| error.kind)?;
            Ok(GptqDirectory { config, file })
        };
        read().map_err(|kind| GptqError { path: path.clone(), kind })
    }

    /// The codes of `module`, whose weight has `shape`; `None` when it is not quantized.
    pub fn linear(&self, module: &str, shape: &[i64]) -> Result<Option<Quantized>, GptqError> {
        self.read_linear(module, shape).map_err(|kind| self.error(kind))
    }

    /// The fp16 tensor `name`.
    pub fn plain(&self, name: &str, shape: &[i64]) -> Result<Vec<f16>, GptqError> {
        let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
        self.halves(name, &shape).map_err(|kind| self.error(kind))
    }

    fn read_linear(&self, module: &str, shape: &[i64]) -> Result<Option<Quantized>, GptqErrorKind> {
        let Some(scales) = self.file.info(&format!("{module}.scales")) else { return Ok(None) };
        let &[rows, columns] = shape else { return Ok(None) };
        let (rows, columns) = (rows as usize, columns as usize);
        let groups = scales.shape.first().copied().unwrap_or(0);
        if groups == 0 || columns % groups != 0 {
            return Err(layout(&format!("{module}.scales"), scales, Dtype::F16, &[columns, rows]));
        }
        let group_size = columns / groups;
        let scales = self.halves(&format!("{module}.scales"), &[groups, rows])?;
        let words = self.words(&format!("{module}.qweight"), &[columns / pack::CODES, rows])?;
        let zeros = self.words(&format!("{module}.qzeros"), &[groups, rows / pack::CODES])?;
        if let Some(word) = zeros.iter().find(|&&word| word != pack::ZERO_WORD) {
            return Err(GptqErrorKind::Zeros { module: module.to_owned(), word: word.cast_unsigned() });
        }
        if self.words(&format!("{module}.g_idx"), &[columns])? != pack::group_index(columns, group_size) {
            return Err(GptqErrorKind::Groups(module.to_owned()));
        }
        let codes = pack::words_to_codes(&words, rows, columns);
        Ok(Some(Quantized { rows, columns, group_size, codes, scales: pack::transpose(&scales, rows) }))
    }

    fn halves(&self, name: &str, shape: &[usize]) -> Result<Vec<f16>, GptqErrorKind> {
        let data = self.data(name, Dtype::F16, shape)?;
        Ok(data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])).collect())
    }

    fn words(&self, name: &str, shape: &[usize]) -> Result<Vec<i32>, GptqErrorKind> {
        let data = self.data(name, Dtype::I32, shape)?;
        Ok(data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn data(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Vec<u8>, GptqErrorKind> {
        let info = self.file.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
        if info.dtype != dtype || info.shape != shape {
            return Err(layout(name, info, dtype, shape));
        }
        Ok(self.file.read(name)?.1)
    }

    fn error(&self, kind: GptqErrorKind) -> GptqError {
        GptqError { path: self.file.path().to_owned(), kind }
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
            .help("the directory must be one that `quantize` wrote; wire its output `gptq` here")
    }
}
