//! One scan as documents and prompts show it: what `transform` writes of a scan, and what is asked about it.

use std::borrow::Cow;
use std::io::{self, Write};

use findings::{Correlation, EnrichedFinding};

use crate::documents::document::{self, Document};
use crate::prompt::harmless;
use crate::prompt::visible::{Surroundings, Visible};
use crate::tasks::example::Example;
use crate::tasks::task::Task;
use crate::tasks::{advice, briefing, correlation, finding, refine, triage};

/// One scan as documents and prompts show it.
pub struct View<'s> {
    /// Its document.
    pub document: Document<'s>,
    /// What may be seen of each finding, in their order.
    pub visible: Vec<Visible>,
    findings: &'s [EnrichedFinding],
    correlations: &'s [Correlation],
    /// The findings as prompts and summaries may quote them.
    shown: Cow<'s, [EnrichedFinding]>,
}

impl<'s> View<'s> {
    /// That of the findings and correlations of a scan.
    pub fn of(findings: &'s [EnrichedFinding], correlations: &'s [Correlation]) -> View<'s> {
        let shown = harmless::findings(findings);
        let surroundings = Surroundings::of(&shown, correlations);
        let visible: Vec<Visible> = shown.iter().map(|finding| Visible::of(finding, &surroundings)).collect();
        drop(surroundings);
        let document = document::of(findings, &shown, correlations, &visible);
        View { document, visible, findings, correlations, shown }
    }

    /// Writes the document.
    pub fn write_document(&self, out: impl Write) -> io::Result<()> {
        self.document.write(self.findings, self.correlations, &self.visible, out)
    }

    /// Gives the examples of these tasks, those of findings first. How many findings give none, whatever the tasks.
    pub fn each_example<E>(&self, tasks: &[Task], mut each: impl FnMut(Example) -> Result<(), E>) -> Result<u64, E> {
        let View { document, visible, correlations, shown, .. } = self;
        let wanted = |task: Task| tasks.contains(&task);
        let mut undetermined = 0;
        for (finding, visible) in shown.iter().zip(visible) {
            match finding::example(finding, visible) {
                None => undetermined += 1,
                Some(example) if wanted(Task::Finding) => each(example)?,
                Some(_) => {}
            }
        }
        if wanted(Task::Correlation) {
            correlation::each_example(shown, correlations, visible, &mut each)?;
        }
        let of_scan = [
            wanted(Task::Actions).then(|| advice::example(shown, correlations, visible, &document.actions)),
            wanted(Task::Summary).then(|| briefing::example(document, shown, correlations, visible)),
            wanted(Task::Triage).then(|| triage::example(document, shown, correlations, visible)),
            wanted(Task::Refine).then(|| refine::example(shown)),
        ];
        of_scan.into_iter().flatten().flatten().try_for_each(each)?;
        Ok(undetermined)
    }

    /// The prompts about findings that no rule settles: what they show does not decide the answer. The answers are the rules' all the same.
    pub fn unsettled(&self) -> impl Iterator<Item = Example> {
        let all = self.shown.iter().zip(&self.visible).filter(|(_, visible)| !finding::follows(visible));
        all.filter_map(|(finding, visible)| finding::rated(finding, visible))
    }
}
