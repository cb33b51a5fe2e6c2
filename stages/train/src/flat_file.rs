//! Safetensors files of a few long fp32 tensors, written and read in chunks: a second copy of a model's weights, as bytes, may be
//! more than the memory that is left.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use contract::Digest;
use formats::LlamaErrorKind;
use formats::safetensors_file::SafetensorsFile;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use tch::{Kind, Tensor, no_grad};

/// Numbers in a chunk.
const CHUNK: usize = 1 << 20;

/// Writes flat `tensors` with `metadata` to `path`, and syncs it.
pub fn write(path: &Path, metadata: HashMap<String, String>, tensors: &[(&str, &Tensor)]) -> io::Result<()> {
    let mut start = 0;
    let mut infos = Vec::new();
    for (name, tensor) in tensors {
        let end = start + tensor.numel() * size_of::<f32>();
        let info = TensorInfo { dtype: Dtype::F32, shape: vec![tensor.numel()], data_offsets: (start, end) };
        infos.push(((*name).to_owned(), info));
        start = end;
    }
    let header = Metadata::new(Some(metadata), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&header)?;
    // Readers that map the file want the tensors aligned.
    header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for (_, tensor) in tensors {
        in_chunks(tensor, |bytes| out.write_all(bytes))?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// The digest of the bytes of `tensor`.
pub fn digest(tensor: &Tensor) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let Ok(()) = in_chunks(tensor, |bytes| {
        hasher.update(bytes);
        Ok::<_, std::convert::Infallible>(())
    });
    hasher.finalize().into()
}

/// The digest of the bytes of tensor `name` in `file`.
pub fn stored_digest(file: &SafetensorsFile, name: &str) -> Result<Digest, LlamaErrorKind> {
    let mut hasher = blake3::Hasher::new();
    read_chunks(file, name, |_, bytes| {
        hasher.update(bytes);
    })?;
    Ok(hasher.finalize().into())
}

/// Overwrites flat `tensor` with tensor `name` of `file`, which has its length.
pub fn restore(file: &SafetensorsFile, name: &str, tensor: &Tensor) -> Result<(), LlamaErrorKind> {
    read_chunks(file, name, |at, bytes| {
        let count = (bytes.len() / size_of::<f32>()) as i64;
        let chunk = Tensor::from_data_size(bytes, &[count], Kind::Float);
        no_grad(|| tensor.narrow(0, at as i64, count).copy_(&chunk));
    })
}

fn in_chunks<E>(tensor: &Tensor, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut bytes = vec![0; CHUNK.min(tensor.numel()) * size_of::<f32>()];
    for start in (0..tensor.numel()).step_by(CHUNK) {
        let count = CHUNK.min(tensor.numel() - start);
        let chunk = tensor.narrow(0, start as i64, count as i64).to_device(tch::Device::Cpu);
        let bytes = &mut bytes[..count * size_of::<f32>()];
        chunk.copy_data_u8(bytes, count);
        each(bytes)?;
    }
    Ok(())
}

fn read_chunks(file: &SafetensorsFile, name: &str, mut each: impl FnMut(usize, &[u8])) -> Result<(), LlamaErrorKind> {
    let info = file.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
    let numbers = (info.data_offsets.1 - info.data_offsets.0) / size_of::<f32>();
    let mut bytes = vec![0; CHUNK.min(numbers) * size_of::<f32>()];
    for start in (0..numbers).step_by(CHUNK) {
        let bytes = &mut bytes[..CHUNK.min(numbers - start) * size_of::<f32>()];
        file.read_part(name, (start * size_of::<f32>()) as u64, bytes)?;
        each(start, bytes);
    }
    Ok(())
}
