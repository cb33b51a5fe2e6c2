//! The defects that a model directory can have.

use std::path::{Path, PathBuf};

use contract::StageError;

/// A model directory that cannot be read or written, with the file at fault.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct LlamaError {
    /// The file.
    pub path: PathBuf,
    /// The defect.
    pub kind: LlamaErrorKind,
}

/// The defect of a file of a model directory.
#[derive(Debug, thiserror::Error)]
pub enum LlamaErrorKind {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is not the JSON expected.
    #[error("not a Llama config: {0}")]
    Json(#[from] serde_json::Error),
    /// It is not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The list of shards is not the JSON expected.
    #[error("not an index of safetensors shards: {0}")]
    Index(serde_json::Error),
    /// The list of shards names a file elsewhere.
    #[error("shard `{0}` is not a file name: shards lie beside their index")]
    Shard(String),
    /// A directory holds more than one model.
    #[error("there are {0} GGUF files, and which of them is the model cannot be told")]
    SeveralFiles(usize),
    /// A directory holds adapters and no model.
    #[error("there are adapters without their base: merge them, in `train` by `lora: {{merge: true}}`")]
    Adapters,
    /// There are tensors that the model code would leave out.
    #[error("tensor `{first}` is not part of a Llama of this config ({count} such tensors in all)")]
    Strangers {
        /// One of them.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// It is a GGUF file that cannot be read.
    #[error(transparent)]
    Gguf(Box<crate::gguf::GgufErrorKind>),
    /// It asks for something this model code does not do.
    #[error("`{key}` is {value}, only {supported} is supported")]
    Unsupported {
        /// The key in `config.json`, or in a GGUF file.
        key: &'static str,
        /// Its value.
        value: String,
        /// The accepted values.
        supported: &'static str,
    },
    /// A tensor is absent.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// A tensor is of another shape than the config says.
    #[error("tensor `{name}` has shape {found:?}, the config asks for {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<i64>,
        /// The shape it should have.
        expected: Vec<i64>,
    },
    /// A tensor is of a type that is not a plain float.
    #[error("tensor `{name}` is {dtype:?}, only F32, F16 and BF16 are supported")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: safetensors::Dtype,
    },
}

impl LlamaError {
    /// `kind`, at `path`: `map_err(LlamaError::at(path))`.
    pub fn at<K: Into<LlamaErrorKind>>(path: &Path) -> impl FnOnce(K) -> LlamaError {
        let path = path.to_owned();
        move |kind| LlamaError { path, kind: kind.into() }
    }
}

impl From<LlamaError> for StageError {
    fn from(error: LlamaError) -> StageError {
        use std::io::ErrorKind;
        let message = error.to_string();
        match error.kind {
            LlamaErrorKind::Io(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                StageError::resources(message).help("free some disk space and run again; finished stages are kept")
            }
            _ => StageError::invalid_input(message),
        }
    }
}
