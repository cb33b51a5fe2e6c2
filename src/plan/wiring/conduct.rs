//! How a stage is run: `timeout`, `retry`, `group`, `secrets` and `when` resolved. None of it is part of the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::links::Links;
use super::paths::{Claims, Overlap, workspace_path};
use crate::plan::language::modules::Module;
use crate::plan::model::{InputSource, PlannedInput, Retry, SecretSource, SecretVariable};
use crate::spec::{Problem, RetrySpec, SecretPlace, Span, StageSpec, suggest};

/// The files that stages read and write. Their content is kept in the store, so none of them may hold a secret.
pub(crate) struct Kept<'a> {
    outputs: &'a Claims,
    /// By place, as they are written.
    inputs: BTreeMap<PathBuf, &'a Path>,
    links: &'a Links,
}

impl<'a> Kept<'a> {
    /// Of all stages.
    pub(crate) fn new(outputs: &'a Claims, inputs: &'a [Vec<PlannedInput>], links: &'a Links) -> Kept<'a> {
        let path = |input: &'a PlannedInput| match &input.source {
            InputSource::Path(path) => Some(path.as_path()),
            InputSource::Stage { .. } => None,
        };
        let inputs = inputs.iter().flatten().filter_map(path).map(|path| (links.read(path).place, path));
        Kept { outputs, inputs: inputs.collect(), links }
    }

    /// The problem with a secret's file at `path`.
    fn refusal(&self, path: &Path, span: Span) -> Option<Problem> {
        let (place, link, path) = (path.display(), self.links.written(path), &self.links.read(path).place);
        let refuse = |message: String, what: &str| {
            let problem = Problem::at("misplaced-secret", span, message).label("would be kept in the store");
            problem.help(format!("keep the secret in a file apart from every {what}"))
        };
        let overlap = self.outputs.overlap(path).or_else(|| self.outputs.overlap(&link));
        let overlap = overlap.map(|overlap| match overlap {
            Overlap::Is(claim) => ("is", claim),
            Overlap::Inside(claim) => ("lies in", claim),
            Overlap::Contains(claim) => ("contains", claim),
        });
        if let Some((lies, claim)) = overlap {
            let owner = format!("output `{}` of stage `{}`", claim.port, claim.stage_name);
            return Some(
                refuse(format!("secret's file `{place}` {lies} {owner}"), "output").related(claim.span, owner),
            );
        }
        if let Some((around, written)) = path.ancestors().find_map(|above| self.inputs.get_key_value(above)) {
            let message = match around == path {
                true => format!("secret's file `{place}` is an input too"),
                false => format!("secret's file `{place}` lies in the input `{}`", written.display()),
            };
            return Some(refuse(message, "input"));
        }
        // Components compare one by one, so the paths inside a path follow it directly.
        let (_, inside) = self.inputs.range(path.clone()..).next().filter(|(input, _)| input.starts_with(path))?;
        Some(refuse(format!("secret's file `{place}` contains the input `{}`", inside.display()), "input"))
    }
}

/// The retry that was asked for, defaults filled in.
pub(crate) fn retry(spec: &RetrySpec) -> Retry {
    let defaults = Retry::default();
    Retry {
        attempts: spec.attempts.unwrap_or(defaults.attempts),
        backoff: spec.backoff.unwrap_or(defaults.backoff),
        jitter: spec.jitter.unwrap_or(defaults.jitter),
    }
}

/// The variables of `stage` that hold secrets of its file.
pub(crate) fn secrets(
    stage: &StageSpec,
    module: &Module,
    kept: &Kept<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<SecretVariable> {
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
                let span = path.span;
                let Some(path) = workspace_path(&path.value, "secret's file", span, problems) else { continue };
                if let Some(problem) = kept.refusal(&path, span) {
                    problems.push(problem);
                    continue;
                }
                SecretSource::File(path)
            }
            SecretPlace::Kept(named) => {
                if let Err(found) = places::secret(&named.value) {
                    let problem = Problem::at("wrong-type", named.span, found.message).label("cannot name a secret");
                    problems.push(problem.help(found.help));
                    continue;
                }
                SecretSource::Kept(named.value.clone())
            }
        };
        if let Some(open) = stage.environment.iter().find(|variable| variable.name.value == used.variable) {
            // Variables of `env` are kept in the key and the record, and the secret would be among them.
            let message = format!("`{}` is a secret of this stage and stands in its `env` too", used.variable);
            let problem = Problem::at("misplaced-secret", open.name.span, message).label("would be written down");
            problems.push(problem.help("leave it out of `env`: `secrets` alone gives it to the stage"));
            continue;
        }
        variables.push(SecretVariable {
            variable: used.variable.clone(),
            secret: name.to_owned(),
            source,
            form: used.form,
        });
    }
    variables
}

/// The groups of `stage`. One that is not listed is a group of 1; a name that nearly matches a listed group is an error.
pub(crate) fn groups_of(stage: &StageSpec, listed: &BTreeMap<String, u32>, problems: &mut Vec<Problem>) -> Vec<String> {
    for group in &stage.groups {
        let name = group.value.as_str();
        if listed.contains_key(name) {
            continue;
        }
        if let Some(near) = suggest::nearest(name, listed.keys().map(String::as_str)) {
            let message = format!("`groups` lists no group `{name}`");
            let help = format!("did you mean `{near}`? If not, list it: `groups: {{{name}: 1}}`");
            problems.push(Problem::at("unknown-group", group.span, message).label("unknown group").help(help));
        }
    }
    stage.groups.iter().map(|group| group.value.clone()).collect()
}

/// How many stages of each group may run at once: the least that any file says.
pub(crate) fn groups(modules: &[Module]) -> BTreeMap<String, u32> {
    let mut groups: BTreeMap<String, u32> = BTreeMap::new();
    for (name, count) in modules.iter().flat_map(|module| &module.spec.groups) {
        groups.entry(name.clone()).and_modify(|least| *least = (*least).min(*count)).or_insert(*count);
    }
    groups
}
