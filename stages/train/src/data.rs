//! The examples of a training, and what is wrong with some before the first step.

use std::path::{Path, PathBuf};

use contract::StageError;
use dataset::Split;
use tokens::chat::IGNORED;
use tokens::{EncodedSplit, Manifest};

use crate::params::{Keep, TrainParams};

/// The artifact `tokens`.
#[derive(Debug)]
pub struct Data {
    /// Where it lies.
    pub directory: PathBuf,
    /// Its figures.
    pub manifest: Manifest,
    /// What is learned.
    pub train: EncodedSplit,
    /// What the loss is measured on.
    pub validation: EncodedSplit,
}

impl Data {
    /// Reads `directory`, and refuses what nothing can be learned from.
    pub fn load(directory: &Path) -> Result<Data, StageError> {
        let manifest = Manifest::load(directory)?;
        let train = EncodedSplit::load(directory, Split::Train)?;
        let validation = EncodedSplit::load(directory, Split::Validation)?;
        let data = Data { directory: directory.to_owned(), manifest, train, validation };
        if data.train.is_empty() {
            return Err(StageError::invalid_input(format!("{}: no training examples", directory.display()))
                .help("raise max_length of the tokenize stage, or give it more data"));
        }
        if !has_targets(&data.train) {
            let message = format!("{}: no training example has a token to learn", directory.display());
            return Err(StageError::invalid_input(message)
                .help("the dataset needs answers of the assistant; look at its lines and at max_length of tokenize"));
        }
        for (split, name) in [(&data.train, Split::Train), (&data.validation, Split::Validation)] {
            refuse_foreign(split, name, data.manifest.vocab_size)?;
        }
        Ok(data)
    }

    /// Refuses what needs a validation loss where there is none.
    pub(crate) fn refuse_unmeasurable(&self, params: &TrainParams) -> Result<(), StageError> {
        let wanted = [("patience", params.patience.is_some()), ("keep: best", params.keep == Keep::Best)];
        let wanted = wanted.into_iter().find(|(_, wanted)| *wanted);
        let Some((param, _)) = wanted.filter(|_| !has_targets(&self.validation)) else { return Ok(()) };
        let message = format!("`{param}` needs a validation loss, and the validation split has no targets");
        let help = format!("give the dataset a validation split, or take `{param}` away");
        Err(StageError::invalid_input(message).help(help))
    }
}

/// The lines of the dataset from which examples `indices` of `split` were made, as a reader counts them.
pub fn lines(split: &EncodedSplit, indices: &[usize]) -> String {
    let mut lines: Vec<usize> = indices.iter().map(|index| split.row(*index) + 1).collect();
    lines.sort_unstable();
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first token of an example has nothing before it from which it could be told.
fn has_targets(split: &EncodedSplit) -> bool {
    (0..split.len()).any(|index| split.labels(index).iter().skip(1).any(|label| *label != IGNORED))
}

/// Refuses token ids for which the model has no row: libtorch would end the process.
fn refuse_foreign(split: &EncodedSplit, name: Split, vocabulary: usize) -> Result<(), StageError> {
    let known = |id: i32| usize::try_from(id).is_ok_and(|id| id < vocabulary);
    let foreign =
        (0..split.len()).find_map(|index| split.ids(index).iter().find(|id| !known(**id)).map(|id| (index, *id)));
    let Some((index, id)) = foreign else { return Ok(()) };
    let message = format!("tokens: {name} example {index} holds token {id}, manifest.json has {vocabulary} tokens");
    Err(StageError::invalid_input(message).help("wire a directory that `tokenize` made, all of it"))
}
