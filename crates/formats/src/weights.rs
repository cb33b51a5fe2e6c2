//! Weights on disk: `model.safetensors`.
//!
//! Read into memory and not mapped: a mapping of a file that another program truncates ends the process.

use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};

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

    /// Gives tensor `name` to `read`; an error unless it has `shape`.
    pub fn tensor<T>(
        &self,
        name: &str,
        shape: &[i64],
        read: impl FnOnce(TensorView<'_>) -> Result<T, LlamaErrorKind>,
    ) -> Result<T, LlamaError> {
        self.view(name, shape).and_then(read).map_err(LlamaError::at(&self.path))
    }

    fn view(&self, name: &str, shape: &[i64]) -> Result<TensorView<'_>, LlamaErrorKind> {
        let file = SafeTensors::deserialize(&self.bytes)?;
        let view = file.tensor(name).map_err(|_| LlamaErrorKind::Missing(name.to_owned()))?;
        let found: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        if found != shape {
            return Err(LlamaErrorKind::Shape { name: name.to_owned(), found, expected: shape.to_vec() });
        }
        Ok(view)
    }
}
