//! Checks stages that run beyond this machine: some things cannot go along.

use crate::plan::model::{BackendName, Sandbox, Work};
use crate::plan::request::Request;
use crate::spec::{PipelineSpec, Problem, Span, StageSpec};

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
