//! Reads the container: metadata and the list of tensors into memory, tensors when they are asked for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::cursor::Cursor;
use super::{ALIGNMENT, MAGIC, TensorInfo, TensorType, VERSIONS, Value};

/// An open GGUF file.
#[derive(Debug)]
pub struct GgufFile {
    /// Its metadata, in the file's order.
    pub metadata: Vec<(String, Value)>,
    path: PathBuf,
    file: File,
    tensors: Vec<(TensorInfo, u64)>,
}

/// A GGUF file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// The defect.
    pub kind: GgufErrorKind,
}

/// The defect of a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufErrorKind {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not start like one.
    #[error("not a GGUF file of version 2 or 3")]
    Magic,
    /// It ends too early, or a length in it is wrong.
    #[error("the file ends within {0}")]
    Truncated(&'static str),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
    /// A metadata value has a type that is not known.
    #[error("metadata type {0} is not supported")]
    ValueType(u32),
    /// A tensor has a type that is not read here.
    #[error("tensor `{name}` has type {kind}{}, only F32, F16, BF16, Q8_0, Q4_0 and Q4_1 are supported", called(*.kind))]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type.
        kind: u32,
    },
    /// The rows of a tensor end within a block.
    #[error("tensor `{name}` has rows of {columns} values, which are no whole blocks")]
    Blocks {
        /// The tensor.
        name: String,
        /// Its innermost dimension.
        columns: u64,
    },
    /// Codes for which there is no tensor type.
    #[error("GGUF has no tensor type for asymmetric codes of {0} bits")]
    Grid(u32),
    /// A tensor is absent.
    #[error("tensor `{0}` is missing")]
    Missing(String),
}

/// The names of the types that files in the wild have most often.
fn called(kind: u32) -> &'static str {
    match kind {
        6 => " (Q5_0)",
        7 => " (Q5_1)",
        10 => " (Q2_K)",
        11 => " (Q3_K)",
        12 => " (Q4_K)",
        13 => " (Q5_K)",
        14 => " (Q6_K)",
        _ => "",
    }
}

impl GgufFile {
    /// Opens `path` and reads all but the tensors.
    pub fn open(path: &Path) -> Result<GgufFile, GgufError> {
        GgufFile::read(path).map_err(|kind| GgufError { path: path.to_owned(), kind })
    }

    /// Opens `path` and reads the metadata alone: tensors of any type may follow.
    pub fn open_metadata(path: &Path) -> Result<GgufFile, GgufError> {
        let read = || -> Result<GgufFile, GgufErrorKind> {
            let file = File::open(path)?;
            let (metadata, _) = head(&mut Cursor::new(&file)?)?;
            Ok(GgufFile { metadata, path: path.to_owned(), file, tensors: Vec::new() })
        };
        read().map_err(|kind| GgufError { path: path.to_owned(), kind })
    }

    fn read(path: &Path) -> Result<GgufFile, GgufErrorKind> {
        let file = File::open(path)?;
        let mut cursor = Cursor::new(&file)?;
        let (metadata, tensor_count) = head(&mut cursor)?;
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(cursor.tensor_info()?);
        }
        let alignment = metadata.iter().find(|(key, _)| key == "general.alignment");
        let alignment = alignment.and_then(|(_, value)| value.integer()).map_or(ALIGNMENT, |value| value.max(1) as u64);
        let start = cursor.position().checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
        for (info, offset) in &mut tensors {
            if !info.fills_blocks() {
                let columns = info.shape.last().copied().unwrap_or(0);
                return Err(GgufErrorKind::Blocks { name: info.name.clone(), columns });
            }
            *offset = offset.saturating_add(start);
            if offset.checked_add(info.bytes()).is_none_or(|end| end > cursor.length()) {
                return Err(GgufErrorKind::Truncated("the tensor data"));
            }
        }
        Ok(GgufFile { metadata, path: path.to_owned(), file, tensors })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata value `key`.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.iter().map(|(info, _)| info)
    }

    /// The values of tensor `name`, row by row.
    pub fn tensor(&self, name: &str) -> Result<Vec<f32>, GgufErrorKind> {
        let (kind, bytes) = self.stored(name)?;
        Ok(kind.decode(&bytes))
    }

    /// Tensor `name` as it lies in the file.
    pub fn stored(&self, name: &str) -> Result<(TensorType, Vec<u8>), GgufErrorKind> {
        let found = self.tensors.iter().find(|(info, _)| info.name == name);
        let (info, start) = found.ok_or_else(|| GgufErrorKind::Missing(name.to_owned()))?;
        let mut bytes = vec![0; info.bytes() as usize];
        self.file.read_exact_at(&mut bytes, *start)?;
        Ok((info.kind, bytes))
    }
}

const HEAD: &str = "the head";

/// The metadata, and how many tensors follow.
fn head(cursor: &mut Cursor<'_>) -> Result<(Vec<(String, Value)>, u64), GgufErrorKind> {
    if cursor.array(HEAD)? != *MAGIC || !VERSIONS.contains(&cursor.u32(HEAD)?) {
        return Err(GgufErrorKind::Magic);
    }
    let tensor_count = cursor.u64(HEAD)?;
    let value_count = cursor.u64(HEAD)?;
    let mut metadata: Vec<(String, Value)> = Vec::new();
    for _ in 0..value_count {
        metadata.push((cursor.string()?, cursor.value()?));
    }
    Ok((metadata, tensor_count))
}

impl From<GgufError> for contract::StageError {
    fn from(error: GgufError) -> contract::StageError {
        contract::StageError::invalid_input(error.to_string())
    }
}
