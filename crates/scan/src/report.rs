//! A report in its valid form (`schemas/scanner/v2.json`), and how it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::canonical;
use crate::finding::Finding;

/// The key of `meta` that the stage `ingest` sets.
const INGESTED: &str = "ingested";

/// One scan of one host. `hostname`, `tool_version` and `json_schema_version` are strings in `meta`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Host and tool.
    #[serde(serialize_with = "canonical::object")]
    pub meta: Map<String, Value>,
    /// Counts and times.
    #[serde(serialize_with = "canonical::object")]
    pub summary: Map<String, Value>,
    /// By scanner, in the order they ran. One scanner may appear twice, once empty.
    pub results: Vec<ScannerResult>,
    /// The things that a scanner could not read.
    pub collection_warnings: Vec<Warning>,
    /// Scanners that failed.
    pub scanner_errors: Vec<ScannerError>,
    /// Risk totals; `compliance_summary` where compliance was on.
    #[serde(serialize_with = "canonical::object")]
    pub summary_extension: Map<String, Value>,
}

/// The findings of one scanner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScannerResult {
    /// Its name: `network`, `suid_sgid`.
    pub scanner: String,
    /// How many findings follow.
    pub finding_count: usize,
    /// In the scanner's order.
    pub findings: Vec<Finding>,
    /// When it started; trimmed reports leave times out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
}

impl ScannerResult {
    /// The findings of `scanner`, without times.
    pub fn new(scanner: impl Into<String>, findings: Vec<Finding>) -> ScannerResult {
        ScannerResult {
            scanner: scanner.into(),
            finding_count: findings.len(),
            findings,
            start_time: None,
            end_time: None,
            elapsed_ms: None,
        }
    }
}

/// Something a scanner could not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Warning {
    /// With a code: `proc_unreadable_cmdline`.
    Code {
        /// The scanner.
        scanner: String,
        /// The code.
        code: String,
        /// A path, mostly.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// In words.
    Message {
        /// The scanner.
        scanner: String,
        /// The words.
        message: String,
    },
}

/// A scanner that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScannerError {
    /// The scanner.
    pub scanner: String,
    /// Why.
    pub message: String,
}

impl Report {
    /// The host's name.
    pub fn hostname(&self) -> &str {
        self.meta_text("hostname").unwrap_or_default()
    }

    /// The kernel's release.
    pub fn kernel(&self) -> Option<&str> {
        self.meta_text("kernel")
    }

    /// The distribution's id in os-release: `debian`.
    pub fn os_id(&self) -> Option<&str> {
        self.meta_text("os_id")
    }

    /// When the scan started, as ISO 8601 in UTC; sorts as text.
    pub fn started_at(&self) -> Option<&str> {
        self.summary.get("started_at").and_then(Value::as_str)
    }

    /// Notes that the stage `ingest` took the report in, so that it is of a real host.
    pub fn mark_ingested(&mut self) {
        self.meta.insert(INGESTED.to_owned(), Value::Bool(true));
    }

    /// Whether `ingest` took it in.
    pub fn is_ingested(&self) -> bool {
        self.meta.get(INGESTED) == Some(&Value::Bool(true))
    }

    /// A string under `meta`.
    pub fn meta_text(&self, key: &str) -> Option<&str> {
        self.meta.get(key).and_then(Value::as_str)
    }

    /// Every finding with its scanner, in the report's order.
    pub fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.results.iter().flat_map(|result| result.findings.iter().map(|finding| (result.scanner.as_str(), finding)))
    }

    /// The findings of one scanner, which may appear twice.
    pub fn of_scanner<'a>(&'a self, scanner: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings().filter(move |(name, _)| *name == scanner).map(|(_, finding)| finding)
    }

    /// Brings every count into line with the findings and returns how many were wrong or missing. Called when a report is
    /// read; a report that is built ends with it.
    pub fn recount(&mut self) -> u64 {
        let mut corrected = 0;
        let (mut total, mut with_findings, mut risk) = (0u64, 0u64, 0u64);
        let mut severities = BTreeMap::<&'static str, u64>::new();
        for result in &mut self.results {
            corrected += u64::from(result.finding_count != result.findings.len());
            result.finding_count = result.findings.len();
            total += result.findings.len() as u64;
            with_findings += u64::from(!result.findings.is_empty());
            for finding in &result.findings {
                *severities.entry(finding.severity.name()).or_default() += 1;
                risk += u64::from(finding.base_severity_score);
            }
        }
        let scanners = self.results.len().to_string();
        let severities = json!(severities);
        let figures = [
            ("finding_count_total", json!(total)),
            ("finding_count_emitted", json!(total)),
            ("scanners_with_findings", json!(with_findings)),
            ("scanner_count", json!(scanners)),
            ("severity_counts", severities.clone()),
            ("severity_counts_emitted", severities),
        ];
        for (key, value) in figures {
            corrected += u64::from(put(&mut self.summary, key, value));
        }
        for key in ["total_risk_score", "emitted_risk_score"] {
            corrected += u64::from(put(&mut self.summary_extension, key, json!(risk)));
        }
        corrected
    }

    /// Writes the report as one line of JSON. The same report gives the same bytes everywhere.
    pub fn write_to(&self, mut out: impl Write) -> std::io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }

    /// Writes the report to a file.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create(path)?);
        self.write_to(&mut out)?;
        out.flush()
    }
}

/// Sets a value and says whether that changed anything.
fn put(map: &mut Map<String, Value>, key: &str, value: Value) -> bool {
    if map.get(key) == Some(&value) {
        return false;
    }
    map.insert(key.to_owned(), value);
    true
}
