//! One safetensors file, of which only the header is held.
//!
//! Tensors are read at their offsets when they are asked for. The file is not mapped: a mapping of a file that another program
//! truncates ends the process, where a read gives an error.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use crate::error::{LlamaError, LlamaErrorKind};

/// Bytes before the header: its length.
const PREFIX: u64 = 8;

/// An open safetensors file.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    header: Metadata,
    /// Where the tensors begin.
    start: u64,
}

impl SafetensorsFile {
    /// Opens `path` and reads its header.
    pub fn open(path: &Path) -> Result<SafetensorsFile, LlamaError> {
        let open = || -> Result<SafetensorsFile, LlamaErrorKind> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut prefix = [0; PREFIX as usize];
            if length < PREFIX {
                return Err(SafeTensorError::HeaderTooSmall.into());
            }
            file.read_exact_at(&mut prefix, 0)?;
            let header_length = u64::from_le_bytes(prefix);
            // Checked before memory is taken for it.
            if header_length > length - PREFIX {
                return Err(SafeTensorError::InvalidHeaderLength.into());
            }
            let mut header = vec![0; header_length as usize];
            file.read_exact_at(&mut header, PREFIX)?;
            let header: Metadata =
                serde_json::from_slice(&header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
            let start = PREFIX + header_length;
            if start.checked_add(header.data_len() as u64) != Some(length) {
                return Err(SafeTensorError::MetadataIncompleteBuffer.into());
            }
            Ok(SafetensorsFile { path: path.to_owned(), file, header, start })
        };
        open().map_err(LlamaError::at(path))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The texts beside the tensors.
    pub fn metadata(&self) -> Option<&HashMap<String, String>> {
        self.header.metadata().as_ref()
    }

    /// The names of its tensors, in no order.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Type, shape and place of tensor `name`.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.info(name)
    }

    /// The bytes of tensor `name`.
    pub fn read(&self, name: &str) -> Result<(Dtype, Vec<u8>), LlamaErrorKind> {
        let info = self.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        self.file.read_exact_at(&mut bytes, self.start + info.data_offsets.0 as u64)?;
        Ok((info.dtype, bytes))
    }

    /// Fills `bytes` from byte `offset` of tensor `name` on.
    pub fn read_part(&self, name: &str, offset: u64, bytes: &mut [u8]) -> Result<(), LlamaErrorKind> {
        let info = self.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
        Ok(self.file.read_exact_at(bytes, self.start + info.data_offsets.0 as u64 + offset)?)
    }
}
