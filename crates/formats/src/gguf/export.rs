//! Whole GGUF files: of a quantized network, its codes as they are, and of a plain one. Norms are F32 in both.

use std::path::Path;

use contract::StageError;
use contract::stage::At;

use super::tensor::{encode_codes, encode_floats};
use super::write::GgufWriter;
use super::{GgufError, GgufErrorKind, GgufFile, TensorInfo, TensorType, Value, llama};
use crate::network::{self, Network, Plain, PlainType};
use crate::source::ModelSource;
use crate::{Config, LlamaErrorKind};

/// Metadata beyond that of the network: the tokenizer's, and what is said about the model.
pub type Metadata = Vec<(String, Value)>;

/// Writes `network` to `path`.
pub fn write(network: &dyn Network, metadata: &Metadata, path: &Path) -> Result<(), StageError> {
    let config = network.config();
    let linears = TensorType::holding(network.packing().grid)
        .map_err(|kind: GgufErrorKind| StageError::invalid_input(kind.to_string()))?;
    let infos = infos(config, linears, |name| match network.plain_type(name) {
        PlainType::Half => TensorType::F16,
        PlainType::EightBits => TensorType::Q8_0,
    });
    let mut file = Export::create(config, linears, metadata, infos, path)?;
    for (name, shape) in network::plain_tensors(config) {
        let bytes = match (plain_type(&shape, TensorType::F16), network.plain(&name, &shape)?) {
            (TensorType::F32, plain) => plain.halves().iter().flat_map(|v| v.to_f32().to_le_bytes()).collect(),
            (_, Plain::Half(values)) => bytemuck::cast_slice(&values).to_vec(),
            (_, Plain::EightBits(blocks)) => blocks,
        };
        file.tensor(&bytes)?;
    }
    for (layer, linear) in network::linears(config) {
        let quantized = network.linear(layer, linear)?;
        file.tensor(&encode_codes(linears, &quantized, &llama::row_order(config, linear)))?;
    }
    file.finish()
}

/// Writes the weights of `source` to `path` in `kind`, one of F16, BF16 and Q8_0.
pub fn write_plain(source: &ModelSource, kind: TensorType, metadata: &Metadata, path: &Path) -> Result<(), StageError> {
    let config = &source.config;
    let mut file = Export::create(config, kind, metadata, infos(config, kind, |_| kind), path)?;
    for (name, shape) in network::plain_tensors(config) {
        let values = source.floats(&name, &shape)?;
        file.tensor(&encode(plain_type(&shape, kind), &name, &values)?)?;
    }
    for (layer, linear) in network::linears(config) {
        let (name, shape) = (linear.tensor_name(layer), linear.shape(config));
        let values = source.floats(&name, &shape)?;
        let columns = shape[1] as usize;
        let rows = llama::row_order(config, linear);
        let ordered: Vec<f32> = rows.iter().flat_map(|row| &values[row * columns..][..columns]).copied().collect();
        file.tensor(&encode(kind, &name, &ordered)?)?;
    }
    file.finish()
}

/// Writes the file that `file` is to `path`, with `more` metadata: tensors bit for bit, and what has the key of one of `more` replaced.
pub fn write_with(file: &GgufFile, more: &Metadata, path: &Path) -> Result<(), StageError> {
    // Alignment is the writer's own.
    let replaced = |key: &str| key == "general.alignment" || more.iter().any(|(own, _)| own == key);
    let mut all: Metadata = file.metadata.iter().filter(|(key, _)| !replaced(key)).cloned().collect();
    all.extend(more.iter().cloned());
    let infos: Vec<TensorInfo> = file.tensors().cloned().collect();
    let names: Vec<String> = infos.iter().map(|info| info.name.clone()).collect();
    let mut writer = GgufWriter::create(path, &all, infos).at(path)?;
    for name in names {
        let (_, bytes) = file.stored(&name).map_err(|kind| GgufError { path: file.path().to_owned(), kind })?;
        writer.tensor(&bytes).at(path)?;
    }
    writer.finish().at(path)
}

/// Bytes of the tensors of a file whose linears are `linears` and whose other tensors are `plain`.
pub fn size(config: &Config, linears: TensorType, plain: impl Fn(&str) -> TensorType) -> u64 {
    infos(config, linears, plain).iter().map(TensorInfo::bytes).sum()
}

fn encode(kind: TensorType, name: &str, values: &[f32]) -> Result<Vec<u8>, StageError> {
    let largest = if kind == TensorType::F16 { f32::from(half::f16::MAX) } else { f32::MAX };
    if values.iter().all(|v| v.abs() <= largest) {
        return Ok(encode_floats(kind, values));
    }
    Err(StageError::invalid_input(format!("tensor `{name}` holds values that {kind:?} cannot"))
        .help("choose bf16, or look at the loss of this model's training"))
}

/// llama.cpp has no kernels for norms in fp16.
fn plain_type(shape: &[i64], matrix: TensorType) -> TensorType {
    if shape.len() == 1 { TensorType::F32 } else { matrix }
}

fn infos(config: &Config, linears: TensorType, plain: impl Fn(&str) -> TensorType) -> Vec<TensorInfo> {
    let sizes = |shape: &[i64]| shape.iter().map(|&n| n as u64).collect::<Vec<u64>>();
    let factors = llama::rope_factors(config).map(|factors| TensorInfo {
        name: llama::ROPE_FACTORS.to_owned(),
        shape: vec![factors.len() as u64],
        kind: TensorType::F32,
    });
    let mut all = Vec::from_iter(factors);
    all.extend(network::plain_tensors(config).into_iter().map(|(name, shape)| TensorInfo {
        kind: plain_type(&shape, plain(&name)),
        name: llama::plain_name(&name).expect("every tensor that is not a linear has a name"),
        shape: sizes(&shape),
    }));
    all.extend(network::linears(config).map(|(layer, linear)| TensorInfo {
        name: llama::linear_name(layer, linear),
        shape: sizes(&linear.shape(config)),
        kind: linears,
    }));
    all
}

/// A file on its way to its path, which errors name.
struct Export<'a> {
    writer: GgufWriter,
    path: &'a Path,
}

impl<'a> Export<'a> {
    fn create(
        config: &Config,
        linears: TensorType,
        metadata: &Metadata,
        infos: Vec<TensorInfo>,
        path: &'a Path,
    ) -> Result<Export<'a>, StageError> {
        if let Some(info) = infos.iter().find(|info| !info.fills_blocks()) {
            let columns = info.shape.last().copied().unwrap_or(0);
            let kind = LlamaErrorKind::from(GgufErrorKind::Blocks { name: info.name.clone(), columns });
            return Err(StageError::invalid_input(kind.to_string()).help("choose a type without blocks: f16 or bf16"));
        }
        let mut all: Metadata = llama::metadata(config, linears);
        all.extend(metadata.iter().cloned());
        let mut writer = GgufWriter::create(path, &all, infos).at(path)?;
        if let Some(factors) = &llama::rope_factors(config) {
            writer.tensor(bytemuck::cast_slice(factors)).at(path)?;
        }
        Ok(Export { writer, path })
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), StageError> {
        self.writer.tensor(bytes).at(self.path)
    }

    fn finish(self) -> Result<(), StageError> {
        self.writer.finish().at(self.path)
    }
}
