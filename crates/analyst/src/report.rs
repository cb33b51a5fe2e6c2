//! A report, read whatever version of the scanner wrote it.

use contract::{Digest, StageError, clean};
use ingest::Moment;
use scan::Report;
use scan::read::ReadErrorKind;
use serde_json::Value;

use crate::mend;

/// The host of reports that name none. No word of it stands in prompts.
const UNNAMED: &str = "unnamed-host";

/// A file that was read, or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, for messages and for the order of reports without a time.
    pub name: String,
    /// Its host, where that is known and the report does not name one.
    pub host: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A report in its valid form.
#[derive(Clone, Debug)]
pub struct Read {
    /// The report.
    pub report: Report,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its place among those of its host.
    pub moment: Moment,
    /// Whether it names its host.
    pub named: bool,
    /// What it lost or got on the way, in sentences.
    pub notes: Vec<String>,
}

impl Read {
    /// Reads a report. One that another version of the scanner wrote gives what is known of it.
    pub fn of(source: &Source) -> Result<Read, StageError> {
        let name = clean::line(&source.name).into_owned();
        let host = source.host.as_deref().unwrap_or(UNNAMED);
        let (mut report, changes, mut notes) = match Report::parse_named(&source.bytes, Some(host)) {
            Ok((report, changes)) => (report, changes, Vec::new()),
            Err(refused) => match mended(&source.bytes, host, &refused) {
                Some(read) => read,
                None => return Err(refusal(&name, &source.bytes, &refused)),
            },
        };
        if changes.texts_mended > 0 {
            notes.push(format!("{} texts hold bytes that are no UTF-8", changes.texts_mended));
        }
        let left_out: u64 = changes.keys_left_out.values().sum();
        if left_out > 0 {
            notes.push(format!("{left_out} keys that are not known are left out"));
        }
        notes.extend(name_host(&mut report));
        report.mark_ingested();
        let moment = Moment::of(&report, name);
        let digest = Digest::of(&source.bytes);
        Ok(Read { report, digest, moment, named: changes.hosts_named == 0 || source.host.is_some(), notes })
    }
}

/// Why the file is no report of any version.
fn refusal(name: &str, bytes: &[u8], refused: &ReadErrorKind) -> StageError {
    let json = scan::read::mended_text(bytes).and_then(|(text, _)| serde_json::from_str::<Value>(&text).ok());
    let why = match (refused, json) {
        (ReadErrorKind::Foreign(form), _) => format!("this is {form}"),
        (ReadErrorKind::Invalid { reason, .. }, None) => format!("this is no JSON: {reason}"),
        (_, Some(json)) if !json.get("results").is_some_and(Value::is_array) => {
            "this is no report: it has no list `results`".to_owned()
        }
        (refused, _) => refused.to_string(),
    };
    StageError::invalid_input(format!("{name}: {why}"))
        .help("a report is the JSON that sys-scan writes; other scanners' files are not read")
}

/// The report without what another version writes otherwise. None where it is something else.
fn mended(bytes: &[u8], host: &str, refused: &ReadErrorKind) -> Option<(Report, scan::Changes, Vec<String>)> {
    if !matches!(refused, ReadErrorKind::Invalid { .. }) {
        return None;
    }
    let (text, texts_mended) = scan::read::mended_text(bytes)?;
    let (value, notes) = mend::mended(serde_json::from_str(&text).ok()?)?;
    let (report, mut changes) = Report::parse_named(value.to_string().as_bytes(), Some(host)).ok()?;
    changes.texts_mended += texts_mended;
    Some((report, changes, notes))
}

/// A name that cannot be that of a host is written with `-` for what must not be in one.
fn name_host(report: &mut Report) -> Option<String> {
    let own = report.hostname();
    if scan::scans::valid_hostname(own) {
        return None;
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = own.chars().take(200).map(plain).collect();
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { UNNAMED } else { name }.to_owned();
    let note = format!("the host calls itself {:?}; it is called {name}", clean::bounded(own, 80));
    report.meta.insert("hostname".to_owned(), name.into());
    Some(note)
}
