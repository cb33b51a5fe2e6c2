//! State on disk: weights, momentum, step and history, in one safetensors file a checkpoint.
//!
//! The learning rate and the order of examples follow from the step. A file is written beside its place, synced and renamed, so
//! one that is there is whole; a file of another run, or of other params, is passed over.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Digest, StageError};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::trainer::Trainer;

/// Checkpoints kept; the one before the newest guards against a disk that lies.
const KEPT: usize = 2;

/// Where checkpoints lie, and whose they are.
#[derive(Debug)]
pub struct Checkpoints<'a> {
    directory: &'a Path,
    owner: Digest,
}

impl<'a> Checkpoints<'a> {
    /// Checkpoints in `directory` of the training described by `owner`: everything that decides its course.
    pub fn new(directory: &'a Path, owner: Digest) -> Checkpoints<'a> {
        Checkpoints { directory, owner }
    }

    /// Writes the state of `trainer` and forgets older ones.
    pub fn save(&self, trainer: &Trainer) -> Result<PathBuf, StageError> {
        std::fs::create_dir_all(self.directory).at(self.directory)?;
        let path = self.directory.join(format!("step-{:09}.safetensors", trainer.step));
        let partial = path.with_extension("partial");
        std::fs::write(&partial, self.encode(trainer)?).at(&partial)?;
        File::open(&partial).and_then(|file| file.sync_all()).at(&partial)?;
        std::fs::rename(&partial, &path).at(&path)?;
        for old in self.newest_first()?.into_iter().skip(KEPT) {
            std::fs::remove_file(&old).at(&old)?;
        }
        Ok(path)
    }

    /// Puts `trainer` where the newest usable checkpoint left off. Returns it, and why newer ones were passed over.
    pub fn restore(&self, trainer: &mut Trainer) -> Result<(Option<PathBuf>, Vec<String>), StageError> {
        let mut passed_over = Vec::new();
        for path in self.newest_first()? {
            let bytes = std::fs::read(&path).at(&path)?;
            match self.decode(&bytes, trainer) {
                Ok(()) => return Ok((Some(path), passed_over)),
                Err(reason) => passed_over.push(format!("{}: {reason}", path.display())),
            }
        }
        Ok((None, passed_over))
    }

    fn newest_first(&self) -> Result<Vec<PathBuf>, StageError> {
        if !self.directory.exists() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(self.directory).at(self.directory)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        let mut paths = paths.at(self.directory)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
        paths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(paths)
    }

    fn encode(&self, trainer: &Trainer) -> Result<Vec<u8>, StageError> {
        let bug = |e: &dyn std::fmt::Display| StageError::bug(format!("checkpoint: {e}"));
        let (weights, momentum) = (bytes_of(&trainer.parameters.values), bytes_of(&trainer.lion.momentum));
        let history = serde_json::to_string(&trainer.history).map_err(|e| bug(&e))?;
        let metadata = HashMap::from([
            ("owner".to_owned(), self.owner.to_string()),
            ("step".to_owned(), trainer.step.to_string()),
            ("content".to_owned(), content(&weights, &momentum, &history).to_string()),
            ("history".to_owned(), history),
        ]);
        let shape = vec![trainer.parameters.values.numel()];
        let view = |bytes| TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| bug(&e));
        let tensors = [("weights", view(&weights)?), ("momentum", view(&momentum)?)];
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| bug(&e))
    }

    fn decode(&self, bytes: &[u8], trainer: &mut Trainer) -> Result<(), String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let metadata = header.metadata().as_ref().ok_or("no metadata")?;
        let text = |key: &str| metadata.get(key).ok_or(format!("no `{key}`"));
        if *text("owner")? != self.owner.to_string() {
            return Err("of other params or tokens".to_owned());
        }
        let tensor = |name: &str| file.tensor(name).map(|view| view.data()).map_err(|e| e.to_string());
        let (weights, momentum, history) = (tensor("weights")?, tensor("momentum")?, text("history")?);
        if *text("content")? != content(weights, momentum, history).to_string() {
            return Err("damaged".to_owned());
        }
        let length = trainer.parameters.values.numel();
        if weights.len() != length * size_of::<f32>() {
            return Err("of a model of another size".to_owned());
        }
        let step = text("step")?.parse().map_err(|e| format!("`step`: {e}"))?;
        trainer.history = serde_json::from_str(history).map_err(|e| format!("`history`: {e}"))?;
        trainer.step = step;
        let flat = |bytes| Tensor::from_data_size(bytes, &[length as i64], Kind::Float);
        trainer.parameters.restore(&flat(weights));
        trainer.lion.restore(&flat(momentum));
        Ok(())
    }
}

fn bytes_of(flat: &Tensor) -> Vec<u8> {
    let mut bytes = vec![0; flat.numel() * size_of::<f32>()];
    flat.copy_data_u8(&mut bytes, flat.numel());
    bytes
}

fn content(weights: &[u8], momentum: &[u8], history: &str) -> Digest {
    let parts = [Digest::of(weights), Digest::of(momentum), Digest::of(history.as_bytes())];
    Digest::of(&parts.map(|digest| *digest.as_bytes()).concat())
}
