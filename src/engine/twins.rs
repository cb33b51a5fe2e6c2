//! Stages of one run that come to the same action: one executes, the others wait for its record.

use std::collections::HashMap;

use contract::Digest;

use crate::plan::StageId;

/// The actions that are being executed, retries and waits between them included.
#[derive(Debug, Default)]
pub(super) struct Twins {
    executing: HashMap<Digest, Pair>,
}

#[derive(Debug)]
struct Pair {
    first: StageId,
    others: Vec<StageId>,
}

impl Twins {
    /// `stage` executes the action `key`, unless another one does already: then `stage` waits for it.
    pub fn enter(&mut self, key: Digest, stage: StageId) -> Result<(), StageId> {
        let pair = self.executing.entry(key).or_insert_with(|| Pair { first: stage, others: Vec::new() });
        if pair.first == stage {
            return Ok(());
        }
        pair.others.push(stage);
        Err(pair.first)
    }

    /// The action has ended, well or not. Returns who waited for it: they look it up again.
    pub fn leave(&mut self, key: &Digest) -> Vec<StageId> {
        self.executing.remove(key).map_or(Vec::new(), |pair| pair.others)
    }
}
