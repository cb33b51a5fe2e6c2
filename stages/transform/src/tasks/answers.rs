//! The schema of each task's answers.

use schemars::{Schema, schema_for};

use crate::tasks::advice::ActionsAnswer;
use crate::tasks::briefing::SummaryAnswer;
use crate::tasks::correlation::CorrelationAnswer;
use crate::tasks::finding::FindingAnswer;
use crate::tasks::refine::RefineAnswer;
use crate::tasks::task::Task;
use crate::tasks::triage::TriageAnswer;

/// The schema of a task's answers: `schemas/answers/<task>.json`.
pub fn schema(task: Task) -> Schema {
    match task {
        Task::Finding => schema_for!(FindingAnswer),
        Task::Correlation => schema_for!(CorrelationAnswer),
        Task::Actions => schema_for!(ActionsAnswer),
        Task::Summary => schema_for!(SummaryAnswer),
        Task::Triage => schema_for!(TriageAnswer),
        Task::Refine => schema_for!(RefineAnswer),
    }
}
