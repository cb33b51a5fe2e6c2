//! The enriched report: the ground-truth document of a scan, with the answers under `enrichment_results`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use transform::documents::action::Priority;
use transform::documents::document::Document;
use transform::documents::verdict::Verdict;
use transform::view::View;

use crate::answers::{Answer, Tally};
use crate::host::{Given, Latest};

/// A model that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelName {
    /// The BLAKE3 digest of its file.
    pub digest: String,
    /// The name of its file or directory.
    pub name: String,
}

/// What is under `enrichment_results.pipe`.
#[derive(Serialize)]
struct Results<'a> {
    model: Option<&'a ModelName>,
    reports: &'a [Given],
    answers: &'a [Answer],
    by_task: BTreeMap<&'static str, Tally>,
    notes: &'a [String],
}

/// The last fields of the document.
#[derive(Serialize)]
struct Enrichment<'a> {
    enrichment_results: Pipe<'a>,
}

#[derive(Serialize)]
struct Pipe<'a> {
    pipe: Results<'a>,
}

/// A scan with its answers.
pub struct Enriched<'l> {
    /// The scan.
    pub latest: &'l Latest,
    /// The answers.
    pub answers: Vec<Answer>,
    /// The model that was asked.
    pub model: Option<ModelName>,
    view: View<'l>,
}

impl<'l> Enriched<'l> {
    /// That of a scan.
    pub fn of(latest: &'l Latest, answers: Vec<Answer>, model: Option<ModelName>) -> Enriched<'l> {
        let mut view = View::of(&latest.findings, &latest.correlations);
        if latest.findings.is_empty() {
            nothing_found(&mut view.document, latest);
        }
        Enriched { latest, answers, model, view }
    }

    /// The document but for its findings, correlations and answers.
    pub fn document(&self) -> &Document<'l> {
        &self.view.document
    }

    /// How grave the scan is, by what is joined.
    pub fn level(&self) -> Priority {
        Verdict::of(&self.latest.findings).level
    }

    /// Writes the whole document.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let mut document = Vec::new();
        self.view.write_document(&mut document)?;
        // The answers are its last field.
        document.pop();
        document.push(b',');
        let Enriched { answers, model, latest, .. } = self;
        let by_task = Tally::of(answers);
        let (reports, notes) = (&latest.given, &latest.notes);
        let results = Results { model: model.as_ref(), reports, answers, by_task, notes };
        let rest = serde_json::to_vec(&Enrichment { enrichment_results: Pipe { pipe: results } })?;
        document.extend_from_slice(&rest[1..]);
        out.write_all(&document)
    }
}

/// A scan without findings has nobody who says its host.
fn nothing_found<'l>(document: &mut Document<'l>, latest: &'l Latest) {
    document.raw_reference.host = &latest.host;
    document.raw_reference.scan = latest.scan;
    document.summaries.executive_summary = format!("Host {}: the scan has no findings.", latest.host);
    document.summaries.triage_summary = "Priority low: nothing was found.".to_owned();
}
