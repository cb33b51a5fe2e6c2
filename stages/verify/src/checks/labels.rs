//! What a model sees has one answer: equal prompts with different answers, over all scans.

use std::collections::HashMap;

use contract::Digest;
use transform::example::Example;
use transform::visible::{Surroundings, Visible};

use crate::check::{Outcome, ScanView};

/// The prompt and answer of one finding, by digest, and where it is.
pub struct Label {
    prompt: Digest,
    answer: String,
    place: String,
    text: String,
}

/// Labels of all scans so far.
#[derive(Default)]
pub struct Labels {
    seen: HashMap<Digest, (Digest, String)>,
}

/// The labels of one scan.
pub fn of_scan(view: &ScanView<'_>) -> Vec<Label> {
    let surroundings = Surroundings::of(view.findings, view.correlations);
    let label = |finding| {
        let example = Example::of_finding(finding, &Visible::of(finding, &surroundings))?;
        Some(Label {
            prompt: Digest::of(example.prompt.as_bytes()),
            answer: example.answer,
            place: format!("{} {} {}", view.place, finding.scanner, finding.document_id),
            text: example.prompt,
        })
    };
    view.findings.iter().filter_map(label).collect()
}

impl Labels {
    /// Compares the labels of one scan with all before.
    pub fn compare(&mut self, labels: Vec<Label>) -> Outcome {
        let mut outcome = Outcome { items: labels.len() as u64, ..Outcome::default() };
        for label in labels {
            let answer = Digest::of(label.answer.as_bytes());
            let (first, place) = self.seen.entry(label.prompt).or_insert_with(|| (answer, label.place.clone()));
            if *first != answer {
                outcome.violations.push(crate::report::Violation {
                    place: label.place,
                    pointer: String::new(),
                    message: format!("{:?} is answered {} here and otherwise at {place}", label.text, label.answer),
                });
            }
        }
        outcome
    }
}
