//! Checks stages that run beyond this machine: some things cannot go along.

use contract::Resources;
use contract::backend::Secret;

use crate::plan::model::{BackendName, Sandbox, Work};
use crate::plan::request::Request;
use crate::spec::{PipelineSpec, Problem, SecretPlace, Span, StageSpec};

/// Refuses a stage that asks for more than any machine of its place has, before one is launched.
pub(crate) fn fits(
    stage: &StageSpec,
    backend: &BackendName,
    wanted: Resources,
    request: &Request,
    problems: &mut Vec<Problem>,
) {
    let Some(lacks) = request.machines.get(backend).and_then(|place| place.lacks(wanted)) else { return };
    let span = stage.keys.get("resources").or_else(|| stage.keys.get("backend")).copied().unwrap_or(stage.name.span);
    let message = format!("`{}` cannot run on `{}`: {lacks}", stage.name.value, backend.as_str());
    let help = "name larger machines for the backend, or lower the stage's `resources`";
    problems.push(Problem::at("impossible-resources", span, message).label("no machine there has this").help(help));
}

/// Refuses parts that only this machine has, where `stage` of `file` runs on another one.
pub(crate) fn check(
    (stage, file): (&StageSpec, &PipelineSpec),
    backend: &BackendName,
    work: &Work,
    request: &Request,
    problems: &mut Vec<Problem>,
) {
    if !request.elsewhere.contains(backend) {
        return;
    }
    let place = backend.as_str();
    let of_key = |key: &str| stage.keys.get(key).copied().unwrap_or(stage.name.span);
    let mut refuse = |span: Span, what: String, help: String| {
        let message = format!("`{}` runs on `{place}`, and {what}", stage.name.value);
        problems.push(Problem::at("stays-here", span, message).label("only on this machine").help(help));
    };
    let here = "or let it run here: `backend: local`";
    if let Work::Command(command) = work {
        if command.sandbox == Sandbox::Workspace {
            let what = "the workspace does not go along (`sandbox: false`)".to_owned();
            refuse(of_key("sandbox"), what, format!("declare what it reads under `in`, {here}"));
        }
        if let Some(tool) = command.tools.first() {
            // Those of the file hold for each of its stages.
            let span = match (stage.keys.get("tools"), file.tools.first()) {
                (Some(span), _) => *span,
                (None, Some(tool)) => tool.path.span,
                (None, None) => stage.name.span,
            };
            let what = format!("`tools` do not go along ({})", tool.path.display());
            refuse(span, what, format!("name the directory under `in`, {here}"));
        }
    }
    for used in &stage.secrets {
        let name = used.secret.value.as_str();
        if kept(file, name).is_some() {
            // A service keeps it; `reads_secrets` says whether somebody there can read it.
            continue;
        }
        let what = format!("the secret `{name}` comes from this machine");
        refuse(
            used.secret.span,
            what,
            format!("let a service keep it: `{{ssm: /a/parameter}}` or `{{secrets_manager: ARN}}`, {here}"),
        );
    }
}

/// Refuses a secret that a service keeps where nobody can read it: the program that serves the objects of a place does.
pub(crate) fn reads_secrets(
    (stage, file): (&StageSpec, &PipelineSpec),
    backend: &BackendName,
    request: &Request,
    problems: &mut Vec<Problem>,
) {
    if request.readers.contains(backend) {
        return;
    }
    for used in &stage.secrets {
        let name = used.secret.value.as_str();
        let Some(secret) = kept(file, name) else { continue };
        let place = backend.as_str();
        let message = format!("nobody on `{place}` can read the secret `{name}`: {} keeps it", secret.service());
        let help = "the program that serves the objects of a backend reads it, and for `local` that of `remote`: \
                    write `remote: {url: \"s3://BUCKET/PREFIX\"}` into pipe.yaml";
        let problem = Problem::at("unreadable-secret", used.secret.span, message);
        problems.push(problem.label("no program reads it").help(help));
    }
}

/// The secret of `file` with this name, where a service keeps it.
fn kept<'f>(file: &'f PipelineSpec, name: &str) -> Option<&'f Secret> {
    match &file.secrets.iter().find(|secret| secret.name.value == name)?.place {
        SecretPlace::Kept(secret) => Some(&secret.value),
        SecretPlace::Environment(_) | SecretPlace::File(_) => None,
    }
}
