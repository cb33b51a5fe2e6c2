//! Checks stages that run beyond this machine: some things cannot go along.

use contract::Resources;

use crate::plan::model::{BackendName, Sandbox, Work};
use crate::plan::request::Request;
use crate::spec::{PipelineSpec, Problem, Span, StageSpec};

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
        let what = format!("the secret `{name}` comes from this machine");
        refuse(used.secret.span, what, format!("let the place give it to the stage, {here}"));
    }
}
