//! The tasks that a model was trained for, as its training examples show them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::StageError;
use dataset::{Role, Split};
use policy::TaskSettings;
use policy::form::Form;
use tokens::EncodedSplit;

use crate::samples::{self, Line};

/// Limits are multiples of it.
const STEP: usize = 16;

/// The tasks of the training split that have a policy: the system message of each, and how long its answers may be. Gates come later.
/// A task with several system messages has none that a model could be asked with.
pub fn tasks(tokens: &Path, lines: &[Line]) -> Result<BTreeMap<String, TaskSettings>, StageError> {
    let split = EncodedSplit::load(tokens, Split::Train)?;
    let mut systems: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut longest: BTreeMap<&str, usize> = BTreeMap::new();
    for index in 0..split.len() {
        let Some(line) = lines.get(split.row(index)).filter(|line| Form::of(line.task()).is_some()) else { continue };
        let system = line.messages.first().filter(|message| message.role == Role::System);
        systems.entry(line.task()).or_default().insert(system.map_or("", |message| &message.content));
        let answers = split.labels(index).chunk_by(|a, b| samples::is_answer(*a) == samples::is_answer(*b));
        let answer = answers.filter(|run| samples::is_answer(run[0])).map(<[i32]>::len).max().unwrap_or(0);
        let most = longest.entry(line.task()).or_default();
        *most = answer.max(*most);
    }
    let settings = |(task, systems): (&str, BTreeSet<&str>)| {
        let [system] = systems.into_iter().collect::<Vec<_>>()[..] else { return None };
        let limit = longest[task].next_multiple_of(STEP) as u32;
        Some((task.to_owned(), TaskSettings { system: system.to_owned(), limit, gate: None }))
    };
    Ok(systems.into_iter().filter_map(settings).collect())
}
