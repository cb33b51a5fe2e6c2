//! A loaded model, and what it says.

use std::path::Path;

use analyst::Model;
use analyst::exchange::{Asked, Finish, Said};
use contract::StageError;
use formats::gptq::GptqDirectory;
use formats::{Config, ModelSource};
use llama::generate::{End, Limits};
use llama::{Llama, Placement};

use crate::memory::{self, Demand};

/// Prompts answered side by side at most.
const ROWS: usize = 32;
/// Tokens of all of them with their answers: keys and values of so many are held.
const TOKENS: usize = 16 << 10;

/// The files of a model, opened.
enum Files {
    Plain(Box<ModelSource>),
    Gptq(Box<GptqDirectory>),
}

/// A prompt on its way.
struct Row {
    id: usize,
    ids: Vec<i64>,
    limit: usize,
    stop: Vec<i64>,
}

/// A loaded model.
pub struct Runtime {
    llama: Llama,
}

impl Runtime {
    /// Loads the weights of a model, unless it would not fit into memory. `asked` are the only questions, where those are known.
    pub fn load(model: &Model, asked: Option<&[Asked]>) -> Result<Runtime, StageError> {
        let files = Files::open(&model.path)?;
        let config = files.config();
        let positions = config.max_position_embeddings as usize;
        let demand = match asked {
            None => Demand { config, rows: ROWS, tokens: TOKENS.max(positions) },
            Some(asked) => {
                let batches = batches(asked);
                let tokens = batches.iter().map(|batch| batch.len() * longest(batch)).max().unwrap_or(0);
                Demand { config, rows: batches.iter().map(Vec::len).max().unwrap_or(0), tokens }
            }
        };
        demand.admit(memory::free())?;
        Ok(Runtime { llama: files.load()? })
    }

    /// Asks these questions. `each` gets what the model said to those that were asked side by side, as soon as all of them are answered,
    /// and may end it.
    pub fn ask(
        &self,
        model: &Model,
        asked: &[Asked],
        mut each: impl FnMut(Vec<Said>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let batches = batches(asked);
        check(&batches, &self.llama.config, &model.path)?;
        for batch in &batches {
            let Some(Row { limit, stop, .. }) = batch.first() else {
                continue;
            };
            let limits = Limits { max_new_tokens: *limit, stop: stop.clone() };
            let prompts: Vec<Vec<i64>> = batch.iter().map(|row| row.ids.clone()).collect();
            let mut said = Vec::new();
            for (row, completion) in batch.iter().zip(self.llama.generate(&prompts, &limits)) {
                let ids: Vec<u32> = completion.tokens.iter().filter_map(|&id| u32::try_from(id).ok()).collect();
                let finish = if completion.end == End::Stop { Finish::Stop } else { Finish::Length };
                let (confidence, tokens) = (Some(completion.confidence), Some(ids.len() as u64));
                said.push(Said { id: row.id, text: model.text(&ids)?, finish, confidence, tokens });
            }
            each(said)?;
        }
        Ok(())
    }
}

/// Prompts that are answered side by side: of about the same length, with one limit, and together no more than there is room for.
fn batches(asked: &[Asked]) -> Vec<Vec<Row>> {
    let row = |asked: &Asked| {
        let ids: Vec<i64> = asked.tokens.as_ref()?.iter().map(|id| i64::from(*id)).collect();
        let stop = asked.stop.iter().map(|id| i64::from(*id)).collect();
        Some(Row { id: asked.id, ids, limit: asked.limit? as usize, stop })
    };
    let mut rows: Vec<Row> = asked.iter().filter_map(row).collect();
    rows.sort_by_key(|row| (row.limit, row.ids.len(), row.id));
    let mut batches: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let room = |batch: &&mut Vec<Row>| {
            let alike = batch.first().is_some_and(|first| (first.limit, &first.stop) == (row.limit, &row.stop));
            alike && batch.len() < ROWS && (batch.len() + 1) * (row.ids.len() + row.limit) <= TOKENS
        };
        match batches.last_mut().filter(room) {
            Some(batch) => batch.push(row),
            None => batches.push(vec![row]),
        }
    }
    batches
}

fn longest(batch: &[Row]) -> usize {
    batch.iter().map(|row| row.ids.len() + row.limit).max().unwrap_or(0)
}

/// Refuses prompts that the model cannot read.
fn check(batches: &[Vec<Row>], config: &Config, path: &Path) -> Result<(), StageError> {
    let refused = |what: String| StageError::invalid_input(format!("{}: {what}", path.display()));
    for row in batches.iter().flatten() {
        let length = row.ids.len() + row.limit;
        if length as i64 > config.max_position_embeddings || row.ids.is_empty() {
            let positions = config.max_position_embeddings;
            return Err(refused(format!("question {} takes {length} tokens, and the model has {positions}", row.id)));
        }
        if let Some(id) = row.ids.iter().find(|id| **id >= config.vocab_size) {
            return Err(refused(format!("question {} has token {id}, which the model does not know", row.id)));
        }
    }
    Ok(())
}

impl Files {
    fn open(path: &Path) -> Result<Files, StageError> {
        let config = std::fs::read_to_string(path.join("config.json")).unwrap_or_default();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap_or_default();
        if config.get("quantization_config").is_some() {
            return Ok(Files::Gptq(Box::new(GptqDirectory::open(path)?)));
        }
        Ok(Files::Plain(Box::new(ModelSource::open(path)?)))
    }

    fn config(&self) -> &Config {
        match self {
            Files::Plain(source) => &source.config,
            Files::Gptq(directory) => &directory.config,
        }
    }

    fn load(&self) -> Result<Llama, StageError> {
        Ok(match self {
            Files::Plain(source) => Llama::read(source, Placement::CPU)?,
            Files::Gptq(directory) => llama::weights::dequantize(directory, Placement::CPU)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_one_limit_are_answered_side_by_side_as_far_as_there_is_room() {
        let asked = |id: usize, length: usize, limit: u32| Asked {
            id,
            tokens: (length > 0).then(|| vec![5; length]),
            limit: Some(limit),
            stop: vec![2],
        };
        let all = [asked(0, 9, 96), asked(1, 0, 96), asked(2, 700, 320), asked(3, 4, 96), asked(4, 701, 320)];
        let ids = |batches: Vec<Vec<Row>>| -> Vec<Vec<usize>> {
            batches.iter().map(|batch| batch.iter().map(|row| row.id).collect()).collect()
        };
        assert_eq!(ids(batches(&all)), [vec![3, 0], vec![2, 4]]);
        let many: Vec<Asked> = (0..100).map(|id| asked(id, 1000, 24)).collect();
        assert!(batches(&many).iter().all(|batch| batch.len() <= 16 && batch.len() * longest(batch) <= TOKENS));
        assert_eq!(batches(&many).iter().map(Vec::len).sum::<usize>(), 100);
    }
}
