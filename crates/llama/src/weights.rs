//! Weights between files and tensors.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use formats::gptq::{GptqDirectory, GptqError};
use formats::{LlamaError, LlamaErrorKind, ModelSource};
use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};
use tch::{Device, Kind, Tensor};

use crate::model::Llama;
use crate::placement::Placement;

/// Tensor `name` as its file has it; an error unless it has `shape`.
pub(crate) fn tensor(source: &ModelSource, name: &str, shape: &[i64]) -> Result<Tensor, LlamaError> {
    source.tensor(name, shape, |dtype, data| {
        let kind = match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            dtype => return Err(LlamaErrorKind::Dtype { name: name.to_owned(), dtype }),
        };
        Ok(Tensor::from_data_size(data, shape, kind))
    })
}

/// A model with the weights that the codes of a GPTQ directory stand for.
pub fn dequantize(directory: &GptqDirectory, placement: Placement) -> Result<Llama, GptqError> {
    Llama::assemble(&directory.config, placement, |name, shape| {
        let module = name.trim_end_matches(".weight");
        let values = match directory.linear(module, shape)? {
            Some(quantized) => quantized.dequantize(),
            None => directory.plain(name, shape)?,
        };
        Ok(Tensor::from_slice(&values).view(shape))
    })
}

/// Writes `tensors` to `path` in fp32. The file's bytes depend on names and values only.
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
        let values = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
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
