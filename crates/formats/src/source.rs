//! A model to read from: a Hugging Face directory of safetensors, a directory with one GGUF file, or such a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;

use crate::gguf::{GgufModel, TensorType, Value, tokenizer};
use crate::weights::{FILE, INDEX, Weights};
use crate::{Config, LlamaError, LlamaErrorKind};

/// The files that a tokenizer and generation need besides the config.
pub const COMPANIONS: [&str; 5] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
];

/// A small file beside the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its name, one of [`COMPANIONS`].
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A model that can be read; tensors are read when they are asked for.
#[derive(Debug)]
pub struct ModelSource {
    /// The model's shape.
    pub config: Config,
    /// The directory, or the GGUF file.
    path: PathBuf,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Safetensors(Weights),
    Gguf(Box<GgufModel>),
}

impl Companion {
    /// A document under `name`.
    pub(crate) fn json(name: &'static str, document: &serde_json::Value) -> Companion {
        Companion { name, bytes: format!("{document:#}\n").into_bytes() }
    }
}

impl ModelSource {
    /// Opens `path` and refuses what is no Llama of this code by name.
    pub fn open(path: &Path) -> Result<ModelSource, LlamaError> {
        let (config, held) = match gguf_at(path)? {
            Some(file) => {
                let model = GgufModel::open(&file)?;
                (model.config.clone(), Held::Gguf(Box::new(model)))
            }
            None => {
                refuse_adapters(path)?;
                let config = Config::load(path)?;
                let weights = Weights::open(path)?;
                weights.refuse_strangers(&config)?;
                (config, Held::Safetensors(weights))
            }
        };
        Ok(ModelSource { config, path: path.to_owned(), held })
    }

    /// Bytes of its weights on disk.
    pub fn bytes(&self) -> Result<u64, LlamaError> {
        match &self.held {
            Held::Safetensors(weights) => weights.bytes(),
            Held::Gguf(model) => {
                let path = model.file.path();
                Ok(std::fs::metadata(path).map_err(LlamaError::at(path))?.len())
            }
        }
    }

    /// How many of its tensors are stored in which type: `F32`, `BF16`, `Q4_1`. Those that begin with `Q` are quantized.
    pub fn stored_types(&self) -> BTreeMap<String, u64> {
        let types: Vec<String> = match &self.held {
            Held::Safetensors(weights) => weights.types().map(|dtype| format!("{dtype:?}")).collect(),
            Held::Gguf(model) => model.file.tensors().map(|info| format!("{:?}", info.kind).to_uppercase()).collect(),
        };
        let mut count = BTreeMap::new();
        types.into_iter().for_each(|name| *count.entry(name).or_insert(0) += 1);
        count
    }

    /// The files that hold its config and its weights.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.held {
            Held::Safetensors(weights) => {
                let mut files = weights.files();
                files.push(self.path.join("config.json"));
                files
            }
            Held::Gguf(model) => vec![model.file.path().to_owned()],
        }
    }

    /// Gives type and bytes of tensor `name` to `read`; an error unless it has `shape`. Quantized tensors come as F32.
    pub fn tensor<T>(
        &self,
        name: &str,
        shape: &[i64],
        read: impl FnOnce(Dtype, &[u8]) -> Result<T, LlamaErrorKind>,
    ) -> Result<T, LlamaError> {
        match &self.held {
            Held::Safetensors(weights) => weights.tensor(name, shape, read),
            Held::Gguf(model) => {
                let values = model.tensor(name, shape);
                let given = values.and_then(|values| read(Dtype::F32, bytemuck::cast_slice(&values)));
                given.map_err(LlamaError::at(model.file.path()))
            }
        }
    }

    /// The values of tensor `name`, in f32 and row by row; an error unless it has `shape`.
    pub fn floats(&self, name: &str, shape: &[i64]) -> Result<Vec<f32>, LlamaError> {
        self.tensor(name, shape, |dtype, data| match dtype {
            Dtype::F32 => Ok(TensorType::F32.decode(data)),
            Dtype::F16 => Ok(TensorType::F16.decode(data)),
            Dtype::BF16 => Ok(TensorType::Bf16.decode(data)),
            dtype => Err(LlamaErrorKind::Dtype { name: name.to_owned(), dtype }),
        })
    }

    /// The directory, or the GGUF file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata value `key` where the model lies in a GGUF file.
    pub fn gguf_value(&self, key: &str) -> Option<&Value> {
        match &self.held {
            Held::Safetensors(_) => None,
            Held::Gguf(model) => model.file.value(key),
        }
    }

    /// Writes [`ModelSource::companions`] into `directory`.
    pub fn write_companions(&self, directory: &Path) -> Result<(), LlamaError> {
        for Companion { name, bytes } in self.companions()? {
            let path = directory.join(name);
            std::fs::write(&path, bytes).map_err(LlamaError::at(&path))?;
        }
        Ok(())
    }

    /// The small files that it has: those in the directory, and for a GGUF file without a tokenizer.json beside it those that follow
    /// from its metadata.
    pub fn companions(&self) -> Result<Vec<Companion>, LlamaError> {
        let mut all = Vec::new();
        for name in COMPANIONS {
            let path = self.path.join(name);
            if path.is_file() {
                all.push(Companion { name, bytes: std::fs::read(&path).map_err(LlamaError::at(&path))? });
            }
        }
        let has_tokenizer = all.iter().any(|companion| companion.name == "tokenizer.json");
        if let (Held::Gguf(model), false) = (&self.held, has_tokenizer) {
            let rebuilt = tokenizer::files(&model.file).map_err(LlamaError::at(model.file.path()))?;
            let missing = |companion: &Companion| all.iter().all(|present: &Companion| present.name != companion.name);
            let missing: Vec<Companion> = rebuilt.into_iter().filter(missing).collect();
            all.extend(missing);
        }
        Ok(all)
    }
}

/// Refuses a directory that has adapters and no weights they could be added to.
fn refuse_adapters(path: &Path) -> Result<(), LlamaError> {
    let adapters = [path.to_owned(), path.join("adapter")].map(|at| at.join("adapter_config.json"));
    match adapters.iter().any(|file| file.exists()) && !path.join(FILE).exists() && !path.join(INDEX).exists() {
        true => Err(LlamaError::at(path)(LlamaErrorKind::Adapters)),
        false => Ok(()),
    }
}

/// The GGUF file that `path` is, or that lies in it where no safetensors do.
pub fn gguf_at(path: &Path) -> Result<Option<PathBuf>, LlamaError> {
    if path.is_file() {
        return Ok(Some(path.to_owned()));
    }
    if path.join(FILE).exists() || path.join(INDEX).exists() {
        return Ok(None);
    }
    let entries = std::fs::read_dir(path).map_err(LlamaError::at(path))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut files = paths.map_err(LlamaError::at(path))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gguf"));
    files.sort_unstable();
    match files.as_slice() {
        [] => Ok(None),
        [file] => Ok(Some(file.clone())),
        _ => Err(LlamaError::at(path)(LlamaErrorKind::SeveralFiles(files.len()))),
    }
}
