//! An encoded split on disk: `<split>.safetensors` with flat `ids` and `labels` (i32) and, as i64, `offsets` (one more than there are
//! examples) and `rows` (the line of each example in the dataset's JSONL, from 0: lines that did not fit are absent).

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use dataset::Split;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::chat::Example;

/// The examples of one split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedSplit {
    ids: Vec<i32>,
    labels: Vec<i32>,
    offsets: Vec<i64>,
    rows: Vec<i64>,
}

impl EncodedSplit {
    /// An empty split.
    pub fn new() -> EncodedSplit {
        EncodedSplit { offsets: vec![0], ..EncodedSplit::default() }
    }

    /// Adds the example made of line `row`.
    pub fn push(&mut self, row: usize, example: &Example) {
        self.ids.extend(&example.ids);
        self.labels.extend(&example.labels);
        self.offsets.push(self.ids.len() as i64);
        self.rows.push(row as i64);
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Token ids of example `index`.
    pub fn ids(&self, index: usize) -> &[i32] {
        &self.ids[self.range(index)]
    }

    /// Labels of example `index`, not shifted; -100 where nothing is to be learned.
    pub fn labels(&self, index: usize) -> &[i32] {
        &self.labels[self.range(index)]
    }

    /// The dataset line that example `index` was made of, from 0.
    pub fn row(&self, index: usize) -> usize {
        self.rows[index] as usize
    }

    /// Tokens in all examples.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        self.offsets[index] as usize..self.offsets[index + 1] as usize
    }

    /// Writes it into `directory`.
    pub fn save(&self, directory: &Path, split: Split) -> Result<(), StageError> {
        let path = directory.join(format!("{split}.safetensors"));
        let view = |dtype, name: &'static str, data, length: usize| {
            TensorView::new(dtype, vec![length], data).map_err(|e| StageError::bug(format!("{name}: {e}")))
        };
        let tensors = [
            ("ids", view(Dtype::I32, "ids", bytemuck::cast_slice(&self.ids), self.ids.len())?),
            ("labels", view(Dtype::I32, "labels", bytemuck::cast_slice(&self.labels), self.labels.len())?),
            ("offsets", view(Dtype::I64, "offsets", bytemuck::cast_slice(&self.offsets), self.offsets.len())?),
            ("rows", view(Dtype::I64, "rows", bytemuck::cast_slice(&self.rows), self.rows.len())?),
        ];
        let bytes = safetensors::serialize(tensors, None).map_err(|e| StageError::bug(format!("{split}: {e}")))?;
        std::fs::write(&path, bytes).at(&path)
    }

    /// Reads it from `directory`.
    pub fn load(directory: &Path, split: Split) -> Result<EncodedSplit, StageError> {
        let path = directory.join(format!("{split}.safetensors"));
        let bytes = std::fs::read(&path).at(&path)?;
        let wrong = |what: String| StageError::invalid_input(format!("{}: {what}", path.display()));
        let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let numbers = |name: &str, dtype: Dtype| {
            let view = file.tensor(name).map_err(|e| wrong(e.to_string()))?;
            match view.dtype() == dtype {
                true => Ok(view.data()),
                false => Err(wrong(format!("`{name}` is {:?}, not {dtype:?}", view.dtype()))),
            }
        };
        let split = EncodedSplit {
            ids: numbers("ids", Dtype::I32)?.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect(),
            labels: numbers("labels", Dtype::I32)?.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect(),
            offsets: numbers("offsets", Dtype::I64)?.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            rows: numbers("rows", Dtype::I64)?.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        };
        split.check().map_err(wrong)?;
        Ok(split)
    }

    /// Checks the invariants that indexing relies on.
    fn check(&self) -> Result<(), String> {
        let ascending = self.offsets.first() == Some(&0) && self.offsets.is_sorted();
        if !ascending || self.offsets.last() != Some(&(self.ids.len() as i64)) {
            return Err("`offsets` do not rise from 0 to the number of ids".to_owned());
        }
        if self.labels.len() != self.ids.len() || self.rows.len() + 1 != self.offsets.len() {
            return Err("`ids`, `labels`, `offsets` and `rows` do not belong together".to_owned());
        }
        Ok(())
    }
}
