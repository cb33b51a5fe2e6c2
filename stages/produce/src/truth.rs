//! The labels of a scan, written as `scan::truth` has them.

use scan::truth::{Role, TruthLine};

use crate::emit::Output;
use crate::host::Host;
use crate::story::Story;
use crate::world::Mark;

/// Adds a line for each finding, and for each trace of a story that no finding reports.
pub(crate) fn write(out: &mut Vec<u8>, host: &Host, scan: u32, outputs: &[Output], stories: &[Story]) {
    for output in outputs {
        let mut line = |id: &str, mark: Option<Mark>, visible| {
            let story = mark.map(|mark| (&stories[usize::from(mark.story)], mark));
            let technique =
                story.and_then(|(story, mark)| story.template.steps[usize::from(mark.step)].technique.clone());
            let chain_id = story.and_then(|(story, _)| story.chain_id.clone());
            let line = TruthLine {
                host: host.name.clone(),
                scan,
                scanner: output.scanner.to_owned(),
                id: id.to_owned(),
                role: match (&chain_id, story) {
                    (Some(_), _) => Role::Chain,
                    (None, Some(_)) => Role::Lookalike,
                    (None, None) => Role::Benign,
                },
                chain_id,
                template: story.map(|(story, _)| story.template.name.clone()),
                technique,
                visible,
            };
            serde_json::to_writer(&mut *out, &line).expect("a line of plain data is written to memory");
            out.push(b'\n');
        };
        output.found.iter().for_each(|found| line(&found.finding.id, found.mark, true));
        output.missed.iter().for_each(|(id, mark)| line(id, Some(*mark), false));
    }
}
