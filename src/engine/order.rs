//! Turns a resolved stage into an order to an executor.

use crate::executor::{Input, Limits, Order, Reuse, Trace, Worker};
use crate::plan::{InputSource, Plan, Script, StageId, Work, code};
use crate::store::Placement;

use super::resolve::Resolved;

/// The order for `stage` of a run. `gpus` are those that it holds.
pub(super) fn order(
    plan: &Plan,
    run: &str,
    (stage, resolved): (StageId, &Resolved),
    gpus: Option<String>,
    placement: Placement,
) -> Order {
    let planned = &plan.graph[stage];
    let published = |source: &InputSource| match source {
        InputSource::Stage { stage, port } => {
            let output = plan.graph[*stage].outputs.iter().find(|output| output.port == *port);
            output.map(|output| output.destination.clone())
        }
        InputSource::Path(_) => None,
    };
    let inputs = planned.inputs.iter().zip(&resolved.inputs).map(|(input, content)| Input {
        port: input.port.clone(),
        label: input.label.clone(),
        artifact: input.artifact,
        content: content.clone(),
        mount: input.mount.clone(),
        published: published(&input.source),
    });
    let worker = match &planned.work {
        Work::Card { card, .. } => Worker::Card {
            program: card.worker.clone(),
            files: resolved.worker_files.clone(),
            environment: card.environment.clone(),
        },
        Work::Command(command) => Worker::Command {
            lists: command.lists.clone(),
            tools: command.tools.iter().map(|tool| tool.path.clone()).collect(),
            line: match &command.script {
                Script::Text(text) => text.line,
                Script::Argv(_) => None,
            },
        },
    };
    Order {
        key: resolved.key,
        action: resolved.action.clone(),
        worker,
        inputs: inputs.collect(),
        outputs: planned.outputs.clone(),
        limits: Limits { resources: planned.resources, gpus, timeout: planned.conduct.timeout },
        secrets: planned.conduct.secrets.clone(),
        trace: Trace { run: run.to_owned(), stage: planned.name.to_string() },
        location: planned.location.clone(),
        placement,
        reuse: Reuse::Allowed,
        source: code::source(&planned.work),
    }
}
