//! `pipe logs`.

use super::arguments::StageArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output, why};
use crate::engine::history::History;

pub fn run(arguments: &StageArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = project.store()?;
    let file = arguments.file.clone().map_or_else(|| project.last_file(&store), Ok)?;
    let plan = project.plan_file(&file, &arguments.params)?;
    let stage = &plan.graph[why::find(&plan, &arguments.stage)?].name;
    let log = History::open(&store).last_log(plan.pipeline.as_str(), stage.as_str());
    let Some(log) = log else {
        let message = format!("no log of stage `{stage}`: it has not run here, or its runs were removed");
        return Err(Failure::usage(message, format!("pipe run {}", file.display())));
    };
    let bytes = std::fs::read(&log)
        .map_err(|e| Failure::Broken(anyhow::Error::new(e).context(format!("cannot read {}", log.display()))))?;
    let text = String::from_utf8_lossy(&bytes);
    if arguments.json {
        output::document(&serde_json::json!({"stage": stage, "path": log, "text": text}));
    } else {
        output::text(&text);
    }
    Ok(Exit::Success)
}
