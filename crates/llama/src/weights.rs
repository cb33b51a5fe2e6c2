//! Weights on disk: `model.safetensors`.
//!
//! Read into memory and not mapped: a mapping of a file that another program truncates ends the process.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, View};
use safetensors::{Dtype, SafeTensorError};
use tch::{Kind, Tensor};

use crate::error::{LlamaError, LlamaErrorKind};

/// The file's name in a model directory.
pub const FILE: &str = "model.safetensors";

/// A safetensors file in memory.
pub struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl WeightsFile {
    /// Reads `path`.
    pub fn open(path: &Path) -> Result<WeightsFile, LlamaError> {
        let bytes = std::fs::read(path).map_err(LlamaError::at(path))?;
        SafeTensors::deserialize(&bytes).map_err(LlamaError::at(path))?;
        Ok(WeightsFile { path: path.to_owned(), bytes })
    }

    /// Tensor `name` in fp32; an error unless it has `shape`.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor, LlamaError> {
        self.read(name, shape).map_err(LlamaError::at(&self.path))
    }

    fn read(&self, name: &str, shape: &[i64]) -> Result<Tensor, LlamaErrorKind> {
        let file = SafeTensors::deserialize(&self.bytes)?;
        let view = file.tensor(name).map_err(|_| LlamaErrorKind::Missing(name.to_owned()))?;
        let found: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        if found != shape {
            return Err(LlamaErrorKind::Shape { name: name.to_owned(), found, expected: shape.to_vec() });
        }
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            dtype => return Err(LlamaErrorKind::Dtype { name: name.to_owned(), dtype }),
        };
        Ok(Tensor::from_data_size(view.data(), shape, kind).to_kind(Kind::Float))
    }
}

/// Writes fp32 `tensors` to `path`. The file's bytes depend on names and values only.
pub fn save(tensors: &[(String, Tensor)], path: &Path) -> Result<(), LlamaError> {
    // transformers refuses a file that does not name its framework.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = tensors.iter().map(|(name, tensor)| (name, Float32View::new(tensor)));
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(io) => LlamaError::at(path)(io),
        other => LlamaError::at(path)(other),
    })
}

/// A tensor's values as safetensors wants them.
struct Float32View {
    shape: Vec<usize>,
    values: Tensor,
}

impl Float32View {
    fn new(tensor: &Tensor) -> Float32View {
        let values = tensor.detach().to_kind(Kind::Float).contiguous();
        Float32View { shape: values.size().iter().map(|n| *n as usize).collect(), values }
    }
}

impl View for Float32View {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        self.values.copy_data_u8(&mut bytes, self.values.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.values.numel() * size_of::<f32>()
    }
}
