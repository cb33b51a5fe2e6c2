//! How a stage is run: `timeout`, `retry`, `group`, `secrets` and `when` resolved. None of it is part of the key.

use std::collections::BTreeMap;

use super::model::{Retry, SecretSource, SecretVariable};
use super::modules::Module;
use super::paths::workspace_path;
use crate::spec::{Problem, RetrySpec, SecretPlace, StageSpec, suggest};

/// The retry that was asked for, defaults filled in.
pub fn retry(spec: &RetrySpec) -> Retry {
    let defaults = Retry::default();
    Retry {
        attempts: spec.attempts.unwrap_or(defaults.attempts),
        backoff: spec.backoff.unwrap_or(defaults.backoff),
        jitter: spec.jitter.unwrap_or(defaults.jitter),
    }
}

/// The variables of `stage` that hold secrets of its file.
pub fn secrets(stage: &StageSpec, module: &Module, problems: &mut Vec<Problem>) -> Vec<SecretVariable> {
    let mut variables = Vec::new();
    for used in &stage.secrets {
        let name = used.secret.value.as_str();
        let Some(declared) = module.spec.secrets.iter().find(|secret| secret.name.value == name) else {
            let names = module.spec.secrets.iter().map(|secret| secret.name.value.as_str());
            let help = suggest::help(name, names)
                .unwrap_or_else(|| format!("declare it in this file: `secrets: {{{name}: {{env: VARIABLE}}}}`"));
            let problem = Problem::at("unknown-secret", used.secret.span, format!("there is no secret `{name}`"));
            problems.push(problem.label("unknown secret").help(help));
            continue;
        };
        let source = match &declared.place {
            SecretPlace::Environment(variable) => SecretSource::Environment(variable.clone()),
            SecretPlace::File(path) => {
                let Some(path) = workspace_path(&path.value, "secret's file", path.span, problems) else { continue };
                SecretSource::File(path)
            }
        };
        if let Some(open) = stage.environment.iter().find(|variable| variable.name.value == used.variable) {
            // What `env` passes on is kept in the key and the record, and the secret would be among it.
            let message = format!("`{}` is a secret of this stage and stands in its `env` too", used.variable);
            let problem = Problem::at("misplaced-secret", open.name.span, message).label("would be written down");
            problems.push(problem.help("leave it out of `env`: `secrets` alone gives it to the stage"));
            continue;
        }
        variables.push(SecretVariable { variable: used.variable.clone(), secret: name.to_owned(), source });
    }
    variables
}

/// How many stages of each group may run at once: the least that any file says.
pub fn groups(modules: &[Module]) -> BTreeMap<String, u32> {
    let mut groups: BTreeMap<String, u32> = BTreeMap::new();
    for (name, count) in modules.iter().flat_map(|module| &module.spec.groups) {
        groups.entry(name.clone()).and_modify(|least| *least = (*least).min(*count)).or_insert(*count);
    }
    groups
}
