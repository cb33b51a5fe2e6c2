//! Reads the container, as far as [`super::write`] writes it: the verifier's half of the format.

use std::path::{Path, PathBuf};

use super::value::id;
use super::{ALIGNMENT, MAGIC, TensorInfo, TensorType, VERSION, Value};

/// A GGUF file in memory.
#[derive(Debug)]
pub struct GgufFile {
    /// Its metadata, in the file's order.
    pub metadata: Vec<(String, Value)>,
    tensors: Vec<(TensorInfo, usize)>,
    bytes: Vec<u8>,
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
    #[error("not a GGUF version {VERSION} file")]
    Magic,
    /// It ends too early, or a length in it is wrong.
    #[error("the file ends within {0}")]
    Truncated(&'static str),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
    /// A metadata value has a type that is not written here.
    #[error("metadata type {0} is not supported")]
    ValueType(u32),
    /// A tensor has a type that is not written here.
    #[error("tensor `{name}` has type {kind}, only F32, F16 and Q4_0 are supported")]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type.
        kind: u32,
    },
    /// A tensor is absent.
    #[error("tensor `{0}` is missing")]
    Missing(String),
}

impl GgufFile {
    /// Reads `path`.
    pub fn open(path: &Path) -> Result<GgufFile, GgufError> {
        let read = || GgufFile::parse(std::fs::read(path)?);
        read().map_err(|kind| GgufError { path: path.to_owned(), kind })
    }

    fn parse(bytes: Vec<u8>) -> Result<GgufFile, GgufErrorKind> {
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        if cursor.take(4, "the head")? != MAGIC || cursor.u32("the head")? != VERSION {
            return Err(GgufErrorKind::Magic);
        }
        let tensor_count = cursor.u64("the head")?;
        let value_count = cursor.u64("the head")?;
        let mut metadata = Vec::new();
        for _ in 0..value_count {
            metadata.push((cursor.string()?, cursor.value()?));
        }
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(cursor.tensor_info()?);
        }
        let start = (cursor.at as u64).next_multiple_of(ALIGNMENT) as usize;
        for (info, offset) in &mut tensors {
            *offset = offset.saturating_add(start);
            let end = offset.checked_add(info.bytes() as usize);
            if end.is_none_or(|end| end > bytes.len()) {
                return Err(GgufErrorKind::Truncated("the tensor data"));
            }
        }
        Ok(GgufFile { metadata, tensors, bytes })
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
        let found = self.tensors.iter().find(|(info, _)| info.name == name);
        let (info, start) = found.ok_or_else(|| GgufErrorKind::Missing(name.to_owned()))?;
        Ok(info.kind.decode(&self.bytes[*start..][..info.bytes() as usize]))
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], GgufErrorKind> {
        let end = self.at.checked_add(length).ok_or(GgufErrorKind::Truncated(what))?;
        let taken = self.bytes.get(self.at..end).ok_or(GgufErrorKind::Truncated(what))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufErrorKind> {
        self.take(N, what)?.try_into().map_err(|_| GgufErrorKind::Truncated(what))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, GgufErrorKind> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, GgufErrorKind> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn string(&mut self) -> Result<String, GgufErrorKind> {
        let length = self.u64("a string")?;
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX), "a string")?;
        String::from_utf8(bytes.to_vec()).map_err(|_| GgufErrorKind::Text)
    }

    fn value(&mut self) -> Result<Value, GgufErrorKind> {
        match self.u32("a value")? {
            id::U32 => Ok(Value::U32(self.u32("a value")?)),
            id::F32 => Ok(Value::F32(f32::from_le_bytes(self.array("a value")?))),
            id::BOOL => Ok(Value::Bool(self.take(1, "a value")? != [0])),
            id::STRING => Ok(Value::String(self.string()?)),
            id::ARRAY => self.list(),
            other => Err(GgufErrorKind::ValueType(other)),
        }
    }

    fn list(&mut self) -> Result<Value, GgufErrorKind> {
        let element = self.u32("an array")?;
        let length = self.u64("an array")?;
        match element {
            id::I32 => (0..length)
                .map(|_| Ok(i32::from_le_bytes(self.array("an array")?)))
                .collect::<Result<_, _>>()
                .map(Value::I32s),
            id::STRING => (0..length).map(|_| self.string()).collect::<Result<_, _>>().map(Value::Strings),
            other => Err(GgufErrorKind::ValueType(other)),
        }
    }

    fn tensor_info(&mut self) -> Result<(TensorInfo, usize), GgufErrorKind> {
        const WHAT: &str = "the tensor infos";
        let name = self.string()?;
        let dimensions = self.u32(WHAT)?;
        let mut shape: Vec<u64> = (0..dimensions).map(|_| self.u64(WHAT)).collect::<Result<_, _>>()?;
        shape.reverse();
        let kind = self.u32(WHAT)?;
        let offset = self.u64(WHAT)? as usize;
        match TensorType::from_id(kind) {
            Some(kind) => Ok((TensorInfo { name, shape, kind }, offset)),
            None => Err(GgufErrorKind::TensorType { name, kind }),
        }
    }
}

impl From<GgufError> for contract::StageError {
    fn from(error: GgufError) -> contract::StageError {
        contract::StageError::invalid_input(error.to_string())
    }
}
