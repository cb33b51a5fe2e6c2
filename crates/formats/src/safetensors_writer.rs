//! Writes a safetensors file: the header first, then one tensor after the other, so that no more than one is in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

/// A tensor to come.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its name.
    pub name: String,
    /// Its type, one of whole bytes.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// A file whose header is written and whose tensors are to follow.
pub struct SafetensorsWriter {
    out: BufWriter<File>,
    expected: std::vec::IntoIter<(String, usize)>,
}

impl Announced {
    /// Bytes of its values.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

impl SafetensorsWriter {
    /// Creates `path` with its header. Tensors must come in the order of `tensors`.
    pub fn create(
        path: &Path,
        mut metadata: HashMap<String, String>,
        tensors: &[Announced],
    ) -> io::Result<SafetensorsWriter> {
        // transformers refuses a file that does not name its framework.
        metadata.insert("format".to_owned(), "pt".to_owned());
        let (mut infos, mut expected, mut start) = (Vec::new(), Vec::new(), 0);
        for tensor in tensors {
            let end = start + tensor.bytes();
            let info = TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (start, end) };
            infos.push((tensor.name.clone(), info));
            expected.push((tensor.name.clone(), tensor.bytes()));
            start = end;
        }
        let header = Metadata::new(Some(metadata), infos).map_err(io::Error::other)?;
        let mut header = serde_json::to_vec(&header)?;
        // Readers that map the file want the tensors aligned.
        header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        Ok(SafetensorsWriter { out, expected: expected.into_iter() })
    }

    /// Writes the bytes of the next tensor announced.
    ///
    /// # Panics
    /// When they are not as many as its type and shape say, or none is left: the header would lie.
    pub fn tensor(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (name, length) = self.expected.next().expect("as many tensors as were announced");
        assert_eq!(bytes.len(), length, "tensor `{name}`");
        self.out.write_all(bytes)
    }

    /// Ends the file and gives it, for a sync.
    ///
    /// # Panics
    /// When a tensor is still missing.
    pub fn finish(self) -> io::Result<File> {
        assert_eq!(self.expected.len(), 0, "every tensor announced must be written");
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}
