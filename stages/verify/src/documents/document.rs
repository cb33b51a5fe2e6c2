//! One document through all checks.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use contract::StageError;
use contract::stage::At;
use findings::document_id;

use super::view::{Digested, Document, Finding, MultiHost};
use super::{checks, references};
use crate::check::{CheckName, Outcome, guard};
use crate::labels::attacks::Attacks;
use crate::labels::ratings;
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
    /// What an attack on the scan is about, of the findings that a correlation names.
    pub subjects: Option<BTreeSet<String>>,
    /// How it rates its findings; none where it cannot be read.
    pub ratings: Option<Vec<u64>>,
}

pub(super) fn check(file: &DocumentFile, attacks: Option<&Attacks>) -> Result<Checked, StageError> {
    let bytes = std::fs::read(&file.path).at(&file.path)?;
    let place = format!("documents/{}/{:04}", file.host, file.scan);
    let mut schema = Outcome::of(1);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        schema.tell(place, "", "no UTF-8 text");
        return Ok(Checked {
            outcomes: vec![(CheckName::Schema, schema)],
            shared: Vec::new(),
            subjects: None,
            ratings: None,
        });
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
        return Ok(Checked { outcomes, shared: Vec::new(), subjects: None, ratings: None });
    }
    let (document, digested) = match (serde_json::from_str::<Document<'_>>(text), serde_json::from_str(text)) {
        (Ok(document), Ok(digested)) => (document, digested),
        (Err(error), _) | (_, Err(error)) => {
            let mut references = Outcome::of(1);
            references.tell(place, "", format!("a part that the schema leaves open is in no known form: {error}"));
            outcomes.push((CheckName::References, references));
            return Ok(Checked { outcomes, shared: Vec::new(), subjects: None, ratings: None });
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
    let texts = Texts::of(&document, &raw_ids);
    run(CheckName::Techniques, &|| checks::techniques(&place, &document, &texts));
    run(CheckName::Actions, &|| checks::actions(&place, &document, &texts));
    let hosts =
        |shared: &MultiHost<'_>| (shared.id.to_string(), shared.hosts.iter().map(|host| host.to_string()).collect());
    let shared = document.multi_host_correlation.iter().map(hosts).collect();
    let key = (file.host.clone(), file.scan);
    let subjects = attacks.and_then(|attacks| attacks.subjects_in(&key, &document, &raw_ids));
    let ratings = document.enriched_findings.iter().flat_map(|finding| ratings::of(&key, finding)).collect();
    Ok(Checked { outcomes, shared, subjects, ratings: Some(ratings) })
}

/// What findings say, by their ids; put together where it is asked for, as a document may hold very many. A process says too what others
/// tell of the file that it runs.
pub(super) struct Texts<'d> {
    findings: HashMap<&'d str, (&'d Finding<'d>, &'d str)>,
    programs: HashMap<&'d str, &'d str>,
}

impl<'d> Texts<'d> {
    fn of(document: &'d Document<'d>, raw_ids: &[&'d str]) -> Texts<'d> {
        let all = || document.enriched_findings.iter().zip(raw_ids.iter().copied());
        let mut programs: HashMap<&str, &str> = HashMap::new();
        for (finding, raw) in all() {
            let program = match &*finding.scanner {
                "network" => finding.metadata.get("exe"),
                "ioc" => Some(raw),
                _ => None,
            };
            programs.extend(finding.metadata.get("pid").zip(program));
        }
        Texts { findings: all().map(|(finding, raw)| (&*finding.id, (finding, raw))).collect(), programs }
    }

    /// What the findings with some ids say.
    pub(super) fn named<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<String> {
        ids.filter_map(|id| self.text(id)).collect()
    }

    fn text(&self, id: &str) -> Option<String> {
        let (finding, raw) = self.findings.get(id)?;
        let mut text = finding.text();
        if let Some(program) = self.programs.get(raw).filter(|_| &*finding.scanner == "processes") {
            text.push_str(&format!(" runs {program}"));
        }
        Some(text)
    }
}
