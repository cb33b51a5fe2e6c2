//! One document through all checks.

use std::path::PathBuf;

use contract::StageError;
use contract::stage::At;
use findings::document_id;

use super::view::{Digested, Document, MultiHost};
use super::{checks, references};
use crate::check::{CheckName, Outcome, guard};
use crate::schema::GROUND_TRUTH;

/// One document: `HOST/NNNN.json`.
pub(super) struct DocumentFile {
    pub host: String,
    pub scan: u32,
    pub path: PathBuf,
}

/// The results of the checks on one document.
pub(super) struct Checked {
    pub outcomes: Vec<(CheckName, Outcome)>,
    pub shared: Vec<(String, Vec<String>)>,
}

pub(super) fn check(file: &DocumentFile) -> Result<Checked, StageError> {
    let bytes = std::fs::read(&file.path).at(&file.path)?;
    let place = format!("documents/{}/{:04}", file.host, file.scan);
    let mut schema = Outcome::of(1);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        schema.tell(place, "", "no UTF-8 text");
        return Ok(Checked { outcomes: vec![(CheckName::Schema, schema)], shared: Vec::new() });
    };
    let schema = guard(&place, || {
        for mismatch in GROUND_TRUTH.mismatches(text) {
            schema.tell(&place, mismatch.pointer, mismatch.message);
        }
        schema
    });
    let mut outcomes = vec![(CheckName::Schema, schema.unwrap_or_else(|crash| crash))];
    // A document that does not follow the schema may lack the parts that the other checks compare.
    let fits = outcomes.iter().all(|(_, outcome)| outcome.violations.is_empty());
    if !fits {
        return Ok(Checked { outcomes, shared: Vec::new() });
    }
    let (document, digested) = match (serde_json::from_str::<Document<'_>>(text), serde_json::from_str(text)) {
        (Ok(document), Ok(digested)) => (document, digested),
        (Err(error), _) | (_, Err(error)) => {
            let mut references = Outcome::of(1);
            references.tell(place, "", format!("a part that the schema leaves open is in no known form: {error}"));
            outcomes.push((CheckName::References, references));
            return Ok(Checked { outcomes, shared: Vec::new() });
        }
    };
    let digested: Digested<'_> = digested;
    let mut run = |name, check: &dyn Fn() -> Outcome| {
        outcomes.push((name, guard(&place, check).unwrap_or_else(|crash| crash)));
    };
    let ids: Vec<&str> = document.enriched_findings.iter().map(|finding| &*finding.id).collect();
    let raw_ids = document_id::raw(&ids);
    run(CheckName::Duplicates, &|| checks::duplicates(&place, &document, &raw_ids));
    run(CheckName::References, &|| references::check(&place, (&file.host, file.scan), &document));
    run(CheckName::Scores, &|| checks::scores(&place, &document));
    run(CheckName::Formats, &|| checks::formats(&place, &document, &raw_ids));
    run(CheckName::Integrity, &|| checks::integrity(&place, &digested));
    let hosts =
        |shared: &MultiHost<'_>| (shared.id.to_string(), shared.hosts.iter().map(|host| host.to_string()).collect());
    let shared = document.multi_host_correlation.iter().map(hosts).collect();
    Ok(Checked { outcomes, shared })
}
