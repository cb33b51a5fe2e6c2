//! The weights of a model directory: `model.safetensors`, or the shards that `model.safetensors.index.json` names.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserialize;

use crate::Config;
use crate::error::{LlamaError, LlamaErrorKind};
use crate::safetensors_file::SafetensorsFile;

/// The file of weights in a model directory that has one.
pub const FILE: &str = "model.safetensors";

/// Names the shards of a model directory that has several.
pub const INDEX: &str = "model.safetensors.index.json";

/// Buffers that older checkpoints hold beside the weights; they follow from the config.
const BUFFER: &str = ".rotary_emb.inv_freq";

/// The weights of a model directory; tensors are read when they are asked for.
#[derive(Debug)]
pub struct Weights {
    /// Where they lie, or are named: what an error about all of them blames.
    source: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Which of the files holds a tensor.
    held: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens the file or the shards in `directory`.
    pub fn open(directory: &Path) -> Result<Weights, LlamaError> {
        let (whole, index) = (directory.join(FILE), directory.join(INDEX));
        // A directory with both is read as transformers reads it.
        if whole.exists() || !index.exists() {
            let file = SafetensorsFile::open(&whole)?;
            let held = file.names().into_iter().map(|name| (name, 0)).collect();
            return Ok(Weights { source: whole, files: vec![file], held });
        }
        let bytes = std::fs::read(&index).map_err(LlamaError::at(&index))?;
        let Index { weight_map } =
            serde_json::from_slice(&bytes).map_err(|e| LlamaError::at(&index)(LlamaErrorKind::Index(e)))?;
        let shards: Vec<&String> = weight_map.values().collect::<BTreeSet<_>>().into_iter().collect();
        let mut files = Vec::new();
        for shard in &shards {
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) {
                return Err(LlamaError::at(&index)(LlamaErrorKind::Shard((*shard).clone())));
            }
            files.push(SafetensorsFile::open(&directory.join(shard))?);
        }
        let mut held = HashMap::new();
        for (name, shard) in &weight_map {
            let at = shards.binary_search(&shard).expect("every shard is among the shards");
            if files[at].info(name).is_none() {
                return Err(LlamaError::at(files[at].path())(LlamaErrorKind::Missing(name.clone())));
            }
            held.insert(name.clone(), at);
        }
        Ok(Weights { source: index, files, held })
    }

    /// The file of weights, or the index of its shards.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The file that holds tensor `name` or tensors that belong to module `name`; the index or the only file where there is none.
    pub fn file_of(&self, name: &str) -> &Path {
        let at = self.held.get(name).or_else(|| self.held.get(&format!("{name}.scales")));
        at.map_or(&self.source, |at| self.files[*at].path())
    }

    /// Type, shape and place of tensor `name`.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.held.get(name).and_then(|at| self.files[*at].info(name))
    }

    /// The bytes of tensor `name`.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, LlamaErrorKind> {
        let at = self.held.get(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
        Ok(self.files[*at].read(name)?.1)
    }

    /// Its files, the index included.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.files.iter().map(|file| file.path().to_owned()).collect();
        if !files.contains(&self.source) {
            files.push(self.source.clone());
        }
        files
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> Result<u64, LlamaError> {
        let size =
            |file: &SafetensorsFile| Ok(std::fs::metadata(file.path()).map_err(LlamaError::at(file.path()))?.len());
        self.files.iter().map(size).sum()
    }

    /// The type of each tensor.
    pub fn types(&self) -> impl Iterator<Item = Dtype> {
        self.held.iter().filter_map(|(name, at)| self.files[*at].info(name)).map(|info| info.dtype)
    }

    /// Refuses tensors that a model of `config` does not use: read without them it would be another model.
    pub fn refuse_strangers(&self, config: &Config) -> Result<(), LlamaError> {
        let known: HashSet<String> = config.tensors().into_iter().map(|(name, _)| name).collect();
        // Some checkpoints of tied models store the head as well.
        let used = |name: &str| known.contains(name) || name == "lm_head.weight" || name.ends_with(BUFFER);
        let mut strangers: Vec<&str> = self.held.keys().map(String::as_str).filter(|name| !used(name)).collect();
        strangers.sort_unstable();
        let Some(first) = strangers.first() else { return Ok(()) };
        let kind = LlamaErrorKind::Strangers { first: (*first).to_owned(), count: strangers.len() };
        Err(LlamaError::at(&self.source)(kind))
    }

    /// Gives type and bytes of tensor `name` to `read`; an error unless it has `shape`.
    pub fn tensor<T>(
        &self,
        name: &str,
        shape: &[i64],
        read: impl FnOnce(Dtype, &[u8]) -> Result<T, LlamaErrorKind>,
    ) -> Result<T, LlamaError> {
        let missing = || LlamaError::at(&self.source)(LlamaErrorKind::Missing(name.to_owned()));
        let file = self.held.get(name).map(|at| &self.files[*at]).ok_or_else(missing)?;
        let checked = || {
            let info = file.info(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
            let found: Vec<i64> = info.shape.iter().map(|n| *n as i64).collect();
            if found != shape {
                return Err(LlamaErrorKind::Shape { name: name.to_owned(), found, expected: shape.to_vec() });
            }
            let (dtype, bytes) = file.read(name)?;
            read(dtype, &bytes)
        };
        checked().map_err(LlamaError::at(file.path()))
    }
}
