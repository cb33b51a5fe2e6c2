//! Reading a report as a scanner writes it into the valid form.
//!
//! Accepted besides the valid form: scores as strings, no `risk_score`, metadata values that are no strings, a root key
//! `compliance_summary` (moved into `summary_extension`) or `partial_warnings` (joined to `collection_warnings`),
//! wrong or missing counts, unknown keys of results and findings (left out), another encoding and bytes that are no text
//! ([`crate::text`]). [`Changes`] says which of these occurred. Everything else is an error with a JSON pointer, or with the name of what
//! the file is ([`crate::foreign`]).

use std::path::{Path, PathBuf};

use contract::StageError;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::changes::{Changes, NAMED_PLACES};
use crate::finding::Finding;
use crate::object::Object;
use crate::raw_result::RawResult;
use crate::report::{Report, ScannerError, ScannerResult, Warning};
use crate::text::Text;
use crate::unique::Unique;
use crate::{foreign, places, text};

/// A report that cannot be read: where and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The defect.
    pub kind: ReadErrorKind,
}

/// The defect of a report.
#[derive(Debug, thiserror::Error)]
pub enum ReadErrorKind {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(std::io::Error),
    /// It is no report.
    #[error("at {}: {reason}", shown(.pointer))]
    Invalid {
        /// JSON pointer (RFC 6901) to the place; empty = the document.
        pointer: String,
        /// The defect.
        reason: String,
    },
    /// It is something else, which its form tells.
    #[error("at the document: this is {0}")]
    Foreign(&'static str),
}

/// How much of a pointer or a reason an error repeats: both quote the file, and a damaged file may hold a value of megabytes.
const QUOTED: usize = 400;

/// Levels that a value of `summary_extension` may have: serde_json reads 127, two of them lie around it. One that is moved there
/// from the root had one fewer around it.
const DEEPEST_MOVED: usize = 125;

/// Levels of arrays and objects; no deeper than what serde_json reads, so that recursion is bounded.
fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}

/// The empty pointer is the document itself, which reads badly in a sentence.
fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the document" } else { pointer }
}

impl From<ReadError> for StageError {
    fn from(error: ReadError) -> StageError {
        StageError::invalid_input(error.to_string())
            .help("a report must be sys-scan JSON, schema version 2 (schemas/scanner/v2.json)")
    }
}

impl Report {
    /// Reads a report and brings it into the valid form.
    pub fn read(path: &Path) -> Result<Report, ReadError> {
        Report::read_noting(path).map(|(report, _)| report)
    }

    /// Reads a report, brings it into the valid form and says what that changed.
    pub fn read_noting(path: &Path) -> Result<(Report, Changes), ReadError> {
        Report::read_named(path, None)
    }

    /// The same; `host` names a report that names no host itself.
    pub fn read_named(path: &Path, host: Option<&str>) -> Result<(Report, Changes), ReadError> {
        let at = |kind| ReadError { path: path.to_owned(), kind };
        let bytes = std::fs::read(path).map_err(|e| at(ReadErrorKind::Io(e)))?;
        Report::parse_named(&bytes, host).map_err(at)
    }

    /// The same, from bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Report, Changes), ReadErrorKind> {
        Report::parse_named(bytes, None)
    }

    /// The same; `host` names a report that names no host itself.
    pub fn parse_named(bytes: &[u8], host: Option<&str>) -> Result<(Report, Changes), ReadErrorKind> {
        if let Some(form) = foreign::encoded(bytes) {
            return Err(ReadErrorKind::Foreign(form));
        }
        let Some(text) = text::decode(bytes) else { return Err(unreadable(bytes)) };
        let (text, raw) = match serde_json::from_str::<Object<RawReport>>(&text.text) {
            Ok(raw) => (text, raw),
            // Lone surrogates are looked for only where reading fails: it refuses them, and looking costs time.
            Err(error) => match text::without_lone_surrogates(text) {
                Err(text) => return Err(explain(&text.text, &error)),
                Ok(text) => match serde_json::from_str(&text.text) {
                    Ok(raw) => (text, raw),
                    Err(error) => return Err(explain(&text.text, &error)),
                },
            },
        };
        raw.0.normalize(changes_of(&text), host)
    }
}

/// The text of a report of any version, and how many of its strings were mended since they held bytes or code units that are no text. None
/// where it is no JSON.
pub fn mended_text(bytes: &[u8]) -> Option<(String, u64)> {
    let text = text::decode(bytes)?;
    let text = match serde_json::from_str::<serde_json::Value>(&text.text) {
        Ok(_) => text,
        Err(_) => text::without_lone_surrogates(text).ok()?,
    };
    let mended = changes_of(&text).texts_mended;
    Some((text.text.into_owned(), mended))
}

/// The changes that were made to the text itself.
fn changes_of(text: &Text<'_>) -> Changes {
    let (texts_mended, mended_at) = places::of(&text.text, &text.mended, NAMED_PLACES);
    let mended_at = mended_at.into_iter().map(cut).collect();
    Changes { texts_mended, mended_at, reencoded: u64::from(text.reencoded), ..Changes::default() }
}

/// Says what is wrong with bytes that are neither text nor JSON with bytes of others in its strings.
fn unreadable(bytes: &[u8]) -> ReadErrorKind {
    match serde_json::from_slice::<Object<RawReport>>(bytes) {
        Err(error) if !text::is_utf16(bytes) => invalid(String::new(), error.to_string()),
        _ => invalid(String::new(), "it is UTF-16 that ends within a character"),
    }
}

/// Names what the file is, or reads again, slower, to learn the place of an error.
fn explain(text: &str, error: &serde_json::Error) -> ReadErrorKind {
    if let Some(form) = foreign::form(text) {
        return ReadErrorKind::Foreign(form);
    }
    let located =
        serde_path_to_error::deserialize::<_, Object<RawReport>>(&mut serde_json::Deserializer::from_str(text));
    match located {
        Err(located) => invalid(pointer(located.path()), located.inner().to_string()),
        Ok(_) => invalid(String::new(), error.to_string()),
    }
}

fn invalid(pointer: impl Into<String>, reason: impl Into<String>) -> ReadErrorKind {
    ReadErrorKind::Invalid { pointer: cut(pointer.into()), reason: cut(reason.into()) }
}

/// Leaves out the middle of a long text; a reason ends with the line and column.
pub(crate) fn cut(text: String) -> String {
    if text.len() <= QUOTED {
        return text;
    }
    let head = text.floor_char_boundary(QUOTED / 2);
    let tail = text.ceil_char_boundary(text.len() - QUOTED / 2);
    format!("{} [{} bytes] {}", &text[..head], tail - head, &text[tail..])
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            Segment::Seq { index } => text.push_str(&index.to_string()),
            Segment::Map { key } => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => text.push_str(variant),
            Segment::Unknown => text.push('?'),
        }
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReport {
    meta: Unique,
    summary: Unique,
    results: Vec<RawResult>,
    collection_warnings: Vec<Object<RawWarning>>,
    scanner_errors: Vec<Object<ScannerError>>,
    summary_extension: Unique,
    compliance_summary: Option<Unique>,
    #[serde(default)]
    partial_warnings: Vec<Object<RawWarning>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWarning {
    scanner: String,
    code: Option<String>,
    detail: Option<String>,
    message: Option<String>,
}

impl RawReport {
    fn normalize(self, mut changes: Changes, host: Option<&str>) -> Result<(Report, Changes), ReadErrorKind> {
        let mut meta = self.meta.0;
        name_host(&mut meta, host, &mut changes);
        check_meta(&meta)?;
        let mut summary_extension = self.summary_extension.0;
        if let Some(Unique(compliance)) = self.compliance_summary {
            changes.compliance_moved = 1;
            let compliance = Value::Object(compliance);
            if nesting(&compliance) > DEEPEST_MOVED {
                let reason =
                    format!("nested in more than {DEEPEST_MOVED} levels, it could not be read back from its place");
                return Err(invalid("/compliance_summary", reason));
            }
            let held = summary_extension.insert("compliance_summary".to_owned(), compliance.clone());
            if held.is_some_and(|held| held != compliance) {
                let reason = "differs from the one in `summary_extension`, and only one of them can stay";
                return Err(invalid("/compliance_summary", reason));
            }
        }
        changes.warnings_joined = self.partial_warnings.len() as u64;
        let mut collection_warnings = warnings(self.collection_warnings, "collection_warnings")?;
        collection_warnings.extend(warnings(self.partial_warnings, "partial_warnings")?);
        let results = self.results.into_iter().map(|result| normalize(result, &mut changes)).collect();
        let mut report = Report {
            meta,
            summary: self.summary.0,
            results,
            collection_warnings,
            scanner_errors: self.scanner_errors.into_iter().map(|error| error.0).collect(),
            summary_extension,
        };
        changes.counts_corrected = report.recount();
        Ok((report, changes))
    }
}

/// Names a report that names no host: the scanner leaves the name out with `--no-hostname-meta`.
fn name_host(meta: &mut Map<String, Value>, host: Option<&str>, changes: &mut Changes) {
    let unnamed = meta.get("hostname").is_none_or(|name| name == "");
    if let (true, Some(host)) = (unnamed, host) {
        meta.insert("hostname".to_owned(), Value::from(host));
        changes.hosts_named = 1;
    }
}

fn check_meta(meta: &Map<String, Value>) -> Result<(), ReadErrorKind> {
    for key in ["hostname", "tool_version"] {
        if meta.get(key).is_none_or(|value| !value.is_string()) {
            return Err(invalid(format!("/meta/{key}"), "a string is required here"));
        }
    }
    if meta.get("$schema").is_some_and(|value| !value.is_string()) {
        return Err(invalid("/meta/$schema", "a string is required here"));
    }
    let version = meta.get("json_schema_version");
    if version.and_then(Value::as_str) != Some("2") {
        let found = version.map_or("none".to_owned(), Value::to_string);
        return Err(invalid("/meta/json_schema_version", format!("schema version \"2\" is read, found {found}")));
    }
    Ok(())
}

fn normalize(result: RawResult, changes: &mut Changes) -> ScannerResult {
    changes.leave_out(result.unknown_keys);
    // Collected from the list itself, whose room it takes: there may be very many.
    let findings = result.findings.into_iter().map(|raw| {
        changes.leave_out(raw.unknown_keys);
        changes.scores_from_text += u64::from(raw.score_was_text);
        changes.risk_filled += u64::from(raw.risk_was_absent);
        changes.values_rewritten += raw.rewritten_values;
        raw.finding
    });
    let findings: Vec<Finding> = findings.collect();
    ScannerResult {
        scanner: result.scanner,
        // A number that no list has, so that a missing count is corrected and counted.
        finding_count: result.finding_count.unwrap_or(usize::MAX),
        findings,
        start_time: result.start_time,
        end_time: result.end_time,
        elapsed_ms: result.elapsed_ms,
    }
}

fn warnings(raw: Vec<Object<RawWarning>>, key: &str) -> Result<Vec<Warning>, ReadErrorKind> {
    let one = |(index, warning): (usize, Object<RawWarning>)| {
        let RawWarning { scanner, code, detail, message } = warning.0;
        match (code, detail, message) {
            (Some(code), detail, None) => Ok(Warning::Code { scanner, code, detail }),
            (None, None, Some(message)) => Ok(Warning::Message { scanner, message }),
            _ => Err(invalid(format!("/{key}/{index}"), "a warning has either `code` (and `detail`) or `message`")),
        }
    };
    raw.into_iter().enumerate().map(one).collect()
}
