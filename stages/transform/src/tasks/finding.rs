//! Task `finding`: one finding, its severity, its risk and why.

use contract::clean::ELLIPSIS;
use findings::EnrichedFinding;
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prompt::shorten::clipped_to_words;
use crate::prompt::visible::{PART, Visible};
use crate::tasks::example::{Example, FINDING_BYTES};
use crate::tasks::task::Task;

/// The answer of task `finding`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingAnswer {
    /// With what correlations add, 0..=100.
    #[schemars(range(max = 100))]
    pub risk: u8,
    /// As the scanner rates it.
    pub severity: Severity,
    /// Why.
    pub rationale: String,
}

/// The example of one finding; none where the answer does not follow from what can be seen, or it is too long.
pub fn example(finding: &EnrichedFinding, visible: &Visible) -> Option<Example> {
    if follows(visible) { rated(finding, visible) } else { None }
}

/// Whether the answer follows from what can be seen.
pub fn follows(visible: &Visible) -> bool {
    visible.determined && visible.adds_up
}

/// The prompt of one finding and the rules' answer, whether or not that follows from it. None where it is too long, or the scanner
/// reports an error of its own.
pub fn rated(finding: &EnrichedFinding, visible: &Visible) -> Option<Example> {
    if finding.operational_error {
        return None;
    }
    let answer = |rationale: &str| {
        let (risk, severity, rationale) = (finding.risk_total, finding.severity, rationale.to_owned());
        serde_json::to_string(&FindingAnswer { risk, severity, rationale }).expect("plain data")
    };
    let rationale = visible.rationale();
    let mut example = Example {
        task: Task::Finding,
        findings: vec![finding.document_id.clone()],
        class: finding.severity,
        template: format!("{} {} {}", finding.scanner, finding.severity, finding.risk_total),
        prompt: visible.prompt(),
        answer: answer(&rationale),
    };
    if !example.fits(FINDING_BYTES) {
        // Escapes make the answer longer than what it says, never shorter.
        let room = rationale.len().saturating_sub(example.bytes() - FINDING_BYTES);
        example.answer = answer(&shortened(&rationale, room));
    }
    example.fits(FINDING_BYTES).then_some(example)
}

/// Whole parts of a rationale, or the words of the first one that there is room for.
fn shortened(rationale: &str, room: usize) -> String {
    let within = |(end, _): &(usize, &str)| *end <= room;
    match rationale.rmatch_indices(PART).find(within) {
        Some((end, _)) => rationale[..end].to_owned(),
        None => {
            let left = clipped_to_words(rationale, room.saturating_sub(ELLIPSIS.len()));
            format!("{}{ELLIPSIS}", left.trim_end_matches([';', ',', ' ']))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rationale_ends_with_a_whole_part_where_one_fits() {
        let rationale = "runs from where no package installs; first scan; on no other host";
        let ends = [70, 64, 50, 40, 20].map(|room| shortened(rationale, room));
        let [all, two] = ["runs from where no package installs; first scan", "runs from where no package installs"];
        assert_eq!(ends, [all, all, all, two, "runs from where..."]);
    }
}
