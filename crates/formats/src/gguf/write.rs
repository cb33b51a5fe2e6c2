//! Writes the container. The head goes out first, then each tensor's bytes in the order announced, so that no more than one
//! tensor is ever held twice.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::value::encode_string;
use super::{ALIGNMENT, MAGIC, TensorInfo, VERSION, Value};

/// A file whose head is written and whose tensors are to follow.
pub struct GgufWriter {
    out: BufWriter<File>,
    expected: std::vec::IntoIter<TensorInfo>,
}

impl GgufWriter {
    /// Creates `path` with its head.
    pub fn create(path: &Path, metadata: &[(String, Value)], tensors: Vec<TensorInfo>) -> io::Result<GgufWriter> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(&head(metadata, &tensors))?;
        Ok(GgufWriter { out, expected: tensors.into_iter() })
    }

    /// Writes the bytes of the next tensor announced.
    ///
    /// # Panics
    /// When they are not as many as its type and shape say, or none is left: the head would lie.
    pub fn tensor(&mut self, bytes: &[u8]) -> io::Result<()> {
        let info = self.expected.next().expect("as many tensors as were announced");
        assert_eq!(bytes.len() as u64, info.bytes(), "tensor `{}`", info.name);
        self.out.write_all(bytes)?;
        self.out.write_all(&vec![0; padding(info.bytes())])
    }

    /// Ends the file.
    ///
    /// # Panics
    /// When a tensor is still missing.
    pub fn finish(mut self) -> io::Result<()> {
        assert_eq!(self.expected.len(), 0, "every tensor announced must be written");
        self.out.flush()
    }
}

fn head(metadata: &[(String, Value)], tensors: &[TensorInfo]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        encode_string(key, &mut out);
        value.encode(&mut out);
    }
    let mut offset = 0_u64;
    for info in tensors {
        encode_string(&info.name, &mut out);
        out.extend((info.shape.len() as u32).to_le_bytes());
        // The container counts dimensions from the innermost.
        info.shape.iter().rev().for_each(|size| out.extend(size.to_le_bytes()));
        out.extend(info.kind.id().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += info.bytes().next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len() + padding(out.len() as u64), 0);
    out
}

/// Bytes from `length` to the next tensor's start.
fn padding(length: u64) -> usize {
    (length.next_multiple_of(ALIGNMENT) - length) as usize
}
