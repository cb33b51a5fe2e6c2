//! A report of another version of the scanner: what is known of it, in the form that is read. What has another form is completed where that
//! is possible, else left out and told.

use scan::{Report, Severity};
use serde_json::{Map, Value, json};

/// The keys of a report.
const KEYS: [&str; 8] = [
    "meta",
    "summary",
    "results",
    "collection_warnings",
    "scanner_errors",
    "summary_extension",
    "compliance_summary",
    "partial_warnings",
];
/// The version that is read.
const VERSION: &str = "2";

/// The report in the form that is read, and what that cost. None where it has no list of results: then it is no report.
pub(crate) fn mended(document: Value) -> Option<(Value, Vec<String>)> {
    let Value::Object(mut document) = document else { return None };
    let Some(Value::Array(results)) = document.remove("results") else { return None };
    let mut notes = Vec::new();
    let mut report = skeleton();
    report["meta"] = meta(object(&mut document, "meta", &mut notes), &mut notes);
    for key in ["summary", "summary_extension"] {
        report[key] = Value::Object(object(&mut document, key, &mut notes));
    }
    let mut dropped = 0;
    for key in ["collection_warnings", "scanner_errors", "partial_warnings"] {
        let all = list(document.remove(key));
        let (good, bad): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|item| reads(key, json!([item])));
        dropped += bad.len();
        if !good.is_empty() {
            report[key] = Value::Array(good);
        }
    }
    if let Some(compliance) = document.remove("compliance_summary")
        && reads("compliance_summary", compliance.clone())
        && report["summary_extension"].get("compliance_summary").is_none()
    {
        report["compliance_summary"] = compliance;
    }
    let mut completed = 0;
    let results = results.into_iter().filter_map(|result| match reads("results", json!([result])) {
        true => Some(result),
        false => of_scanner(result, &mut completed, &mut dropped),
    });
    report["results"] = Value::Array(results.collect());
    let strange = document.keys().filter(|key| !KEYS.contains(&key.as_str())).count();
    let told = [
        (strange, "keys of the report are not known and left out"),
        (completed, "findings have another form and are completed"),
        (dropped, "entries cannot be read and are left out"),
    ];
    notes.extend(told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    Some((report, notes))
}

/// The shortest report.
fn skeleton() -> Value {
    json!({
        "meta": {"hostname": "", "tool_version": "unknown", "json_schema_version": VERSION}, "summary": {}, "results": [],
        "collection_warnings": [], "scanner_errors": [], "summary_extension": {},
    })
}

/// Whether a report could have this.
fn reads(key: &str, value: Value) -> bool {
    let mut report = skeleton();
    report[key] = value;
    Report::parse(report.to_string().as_bytes()).is_ok()
}

fn object(document: &mut Map<String, Value>, key: &str, notes: &mut Vec<String>) -> Map<String, Value> {
    match document.remove(key) {
        Some(Value::Object(map)) => map,
        _ => {
            notes.push(format!("it has no `{key}`"));
            Map::new()
        }
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn meta(mut meta: Map<String, Value>, notes: &mut Vec<String>) -> Value {
    for (key, missing) in [("hostname", ""), ("tool_version", "unknown")] {
        if !meta.get(key).is_some_and(Value::is_string) {
            meta.insert(key.to_owned(), missing.into());
        }
    }
    if meta.get("$schema").is_some_and(|value| !value.is_string()) {
        meta.remove("$schema");
    }
    let version = meta.insert("json_schema_version".to_owned(), VERSION.into());
    if version.as_ref().and_then(Value::as_str) != Some(VERSION) {
        let found = version.map_or("none".to_owned(), |version| version.to_string());
        let found = contract::clean::bounded(&found, 40).into_owned();
        notes.push(format!("its schema version is {found}; version {VERSION} is known, so some of it may be misread"));
    }
    Value::Object(meta)
}

/// The findings of a scanner, those of another form completed.
fn of_scanner(result: Value, completed: &mut usize, dropped: &mut usize) -> Option<Value> {
    let Value::Object(mut result) = result else {
        *dropped += 1;
        return None;
    };
    let scanner = match result.remove("scanner").or_else(|| result.remove("name")) {
        Some(Value::String(scanner)) => scanner,
        _ => "unknown".to_owned(),
    };
    let findings = list(result.remove("findings"));
    let one = |finding: Value| {
        let of = |finding: &Value| json!([{"scanner": scanner, "findings": [finding]}]);
        if reads("results", of(&finding)) {
            return Some(finding);
        }
        let whole = whole(finding).filter(|finding| reads("results", of(finding)));
        *if whole.is_some() { &mut *completed } else { &mut *dropped } += 1;
        whole
    };
    let findings: Vec<Value> = findings.into_iter().filter_map(one).collect();
    Some(json!({"scanner": scanner, "findings": findings}))
}

/// A finding of another form with what must be in one. None where it says neither what it is nor how it is called.
fn whole(finding: Value) -> Option<Value> {
    let Value::Object(finding) = finding else { return None };
    let text = |keys: &[&str]| {
        let found =
            keys.iter().filter_map(|key| finding.get(*key)).find(|value| value.is_string() || value.is_number());
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let title = text(&["title", "name", "summary", "message"]);
    let id = text(&["id", "finding_id"]).or_else(|| title.clone())?;
    let score = |key: &str| finding.get(key).filter(|value| is_score(value)).cloned();
    let mut whole = json!({
        "id": id,
        "title": title.unwrap_or_else(|| id.clone()),
        "severity": severity(text(&["severity", "level"]).as_deref()),
        "description": text(&["description", "details"]).unwrap_or_default(),
        "metadata": finding.get("metadata").filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({})),
    });
    for key in ["base_severity_score", "risk_score"] {
        if let Some(score) = score(key) {
            whole[key] = score;
        }
    }
    Some(whole)
}

fn is_score(value: &Value) -> bool {
    let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.is_some_and(|number| (0.0..=100.0).contains(&number) && number.fract() == 0.0)
}

/// The severity of a word; what no version knows is no more than information.
fn severity(word: Option<&str>) -> Severity {
    let word = word.unwrap_or_default().to_ascii_lowercase();
    match word.as_str() {
        "moderate" | "warning" | "warn" => Severity::Medium,
        "important" | "severe" => Severity::High,
        "fatal" => Severity::Critical,
        word => Severity::ALL.into_iter().find(|severity| severity.name() == word).unwrap_or(Severity::Info),
    }
}
