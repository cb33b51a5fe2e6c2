//! State on disk: weights, the optimizer's memory, step and history, in one safetensors file a checkpoint.
//!
//! The learning rate and the order of examples follow from the step. A file is written beside its place, synced and renamed, so
//! one that is there is whole; a file of another run, or of other params, is passed over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Digest, StageError};
use formats::safetensors_file::SafetensorsFile;
use safetensors::Dtype;
use tch::{Device, Tensor};

use crate::flat_file;
use crate::trainer::Trainer;

/// Checkpoints kept; the one before the newest guards against a disk that lies.
const KEPT: usize = 2;

/// The weights with the lowest validation loss so far.
const BEST: &str = "best";

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
        let written = flat_file::write(&partial, self.metadata(trainer)?, &tensors(trainer));
        if let Err(error) = written.and_then(|()| std::fs::rename(&partial, &path)) {
            // What is left of it only takes room on a disk that may be full; the error below matters more than this one.
            let _ = std::fs::remove_file(&partial);
            return Err(error).at(&path);
        }
        for old in self.newest_first()?.into_iter().skip(KEPT) {
            std::fs::remove_file(&old).at(&old)?;
        }
        Ok(path)
    }

    /// Puts `trainer` where the newest usable checkpoint left off. Returns it, and why newer ones were passed over.
    pub fn restore(&self, trainer: &mut Trainer) -> Result<(Option<PathBuf>, Vec<String>), StageError> {
        let mut passed_over = Vec::new();
        for path in self.newest_first()? {
            match self.take(&path, trainer) {
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

    fn metadata(&self, trainer: &Trainer) -> Result<HashMap<String, String>, StageError> {
        let history =
            serde_json::to_string(&trainer.history).map_err(|e| StageError::bug(format!("checkpoint: {e}")))?;
        let digests = tensors(trainer).iter().map(|(_, tensor)| flat_file::digest(tensor)).collect();
        Ok(HashMap::from([
            ("owner".to_owned(), self.owner.to_string()),
            ("step".to_owned(), trainer.step.to_string()),
            ("content".to_owned(), content(digests, &history).to_string()),
            ("history".to_owned(), history),
        ]))
    }

    /// Puts `trainer` where the checkpoint at `path` left off, or leaves it as it is and says why.
    fn take(&self, path: &Path, trainer: &mut Trainer) -> Result<(), String> {
        let file = SafetensorsFile::open(path).map_err(|e| e.kind.to_string())?;
        let metadata = file.metadata().ok_or("no metadata")?;
        let text = |key: &str| metadata.get(key).ok_or(format!("no `{key}`"));
        if *text("owner")? != self.owner.to_string() {
            return Err("of other params, tokens or base".to_owned());
        }
        // Absent until there was a measurement. A file that lost it has other content than its metadata says.
        let best = file.info(BEST).map(|_| trainer.parameters.zeros().to_device(Device::Cpu));
        let mut state = state(trainer);
        state.extend(best.iter().map(|best| (BEST, best)));
        let mut digests = Vec::new();
        for (name, tensor) in &state {
            let info = file.info(name).ok_or(format!("no `{name}`"))?;
            if info.dtype != Dtype::F32 || info.shape != [tensor.numel()] {
                return Err("of a model of another size".to_owned());
            }
            digests.push(flat_file::stored_digest(&file, name).map_err(|e| e.to_string())?);
        }
        let history = text("history")?;
        if *text("content")? != content(digests, history).to_string() {
            return Err("damaged".to_owned());
        }
        let step = text("step")?.parse().map_err(|e| format!("`step`: {e}"))?;
        let history = serde_json::from_str(history).map_err(|e| format!("`history`: {e}"))?;
        for (name, tensor) in state {
            flat_file::restore(&file, name, tensor).map_err(|e| e.to_string())?;
        }
        (trainer.step, trainer.history, trainer.best) = (step, history, best);
        Ok(())
    }
}

/// Every tensor of the state, by name.
fn tensors(trainer: &Trainer) -> Vec<(&'static str, &Tensor)> {
    let mut all = state(trainer);
    all.extend(trainer.best.iter().map(|best| (BEST, best)));
    all
}

/// The tensors that every state has.
fn state(trainer: &Trainer) -> Vec<(&'static str, &Tensor)> {
    let mut all = vec![("weights", &trainer.parameters.values)];
    all.extend(trainer.optimizer.state());
    all
}

fn content(mut parts: Vec<Digest>, history: &str) -> Digest {
    parts.push(Digest::of(history.as_bytes()));
    Digest::of(&parts.iter().map(|digest| *digest.as_bytes()).collect::<Vec<_>>().concat())
}
