//! The note that prompts of task `correlation` put behind a finding: the properties that rules ask for and that its line does not show.

use std::collections::{BTreeMap, BTreeSet};

use findings::place::{FIRST_CLIENT_PORT, account};
use findings::terms::Terms;
use findings::{EnrichedFinding, Prevalence};

/// The scanner's text for a process without arguments.
const NO_COMMAND: &str = "(no cmdline)";
/// Bytes of a program's path or name; a longer one cannot be shown.
const PROGRAM_LIMIT: usize = 120;
/// Bytes of a user's number; a longer one is none.
const USER_LIMIT: usize = 10;

/// Notes on the findings of one scan.
pub(crate) struct Notes<'a> {
    /// The programs that processes run, by pid, as their sockets and signs tell: an inventory knows only the names they give themselves.
    programs: BTreeMap<&'a str, String>,
}

impl<'a> Notes<'a> {
    /// Of a scan, for processes among `of`.
    pub(crate) fn new(findings: &'a [EnrichedFinding], of: &BTreeSet<&str>) -> Notes<'a> {
        let mut programs = BTreeMap::new();
        for finding in findings.iter().filter(|finding| matches!(finding.scanner.as_str(), "network" | "ioc")) {
            let Some(pid) = finding.metadata.get("pid").filter(|pid| of.contains(pid.as_str())) else { continue };
            // The last one, as `correlate` has it.
            if let Some(path) = Terms::of_enriched(finding).executable.filter(|path| path.starts_with('/')) {
                programs.insert(pid.as_str(), path.to_owned());
            }
        }
        Notes { programs }
    }

    /// The file that a process runs, where another finding tells it.
    pub(crate) fn program(&self, finding: &EnrichedFinding) -> Option<&str> {
        self.programs.get(finding.id.as_str()).filter(|_| finding.scanner == "processes").map(String::as_str)
    }

    /// The note on one finding, beginning with `; ` where there is one; none at all where it would not fit.
    pub(crate) fn of(&self, finding: &EnrichedFinding) -> Option<String> {
        let get = |key: &str| finding.metadata.get(key).map(String::as_str).unwrap_or_default();
        let number = |key: &str| get(key).parse::<u32>().ok();
        let mut note = String::new();
        if finding.scanner == "processes" {
            if let Some(program) = self.program(finding).filter(|path| !calls_itself(finding, path)) {
                if program.len() > PROGRAM_LIMIT {
                    return None;
                }
                note.push_str(&format!("; runs {program}"));
            }
            // Where the inventory knows the file, the line says that and not what the process calls itself.
            let named = finding.description.as_str();
            if !matches!(get("exe_path"), "" | NO_COMMAND)
                && !matches!(named, "" | NO_COMMAND)
                && named != get("exe_path")
            {
                if named.len() > PROGRAM_LIMIT {
                    return None;
                }
                note.push_str(&format!("; calls itself {named}"));
            }
            // Some rules join what runs as the same user.
            if !matches!(get("uid"), "" | "0") {
                if get("uid").len() > USER_LIMIT {
                    return None;
                }
                note.push_str(&format!("; uid {}", get("uid")));
            }
            if number("uid").is_some_and(|uid| account(uid) == "system") {
                note.push_str(", a service's");
            }
            if !get("container_id").is_empty() {
                note.push_str("; in a container");
            }
        }
        // A client's own port is arbitrary.
        if let Some(port) = number("lport").filter(|port| *port < u32::from(FIRST_CLIENT_PORT))
            && !matches!(get("state"), "" | "LISTEN")
        {
            note.push_str(&format!("; local port {port}"));
        }
        note.push_str(match finding.prevalence {
            Some(Prevalence::One) => "; on no other host",
            Some(Prevalence::Few) => "; on few hosts",
            _ => "",
        });
        Some(note)
    }
}

/// Whether the line of a process says what it runs.
fn calls_itself(process: &EnrichedFinding, path: &str) -> bool {
    Terms::of_enriched(process).executable == Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn finding(scanner: &str, prevalence: &str, metadata: Value) -> EnrichedFinding {
        let line = json!({
            "host": "a", "scan": 0, "scanner": scanner, "id": "7", "document_id": "7", "title": "t", "severity": "info",
            "base_severity_score": 10, "description": "./x", "metadata": metadata, "category": "process", "tags": [],
            "risk_profile": "intended", "risk_score": 1, "risk_total": 1, "probability_actionable": 0.1,
            "risk_subscores": {"impact": 0.1, "exposure": 0.0, "anomaly": 1.0, "confidence": 1.0},
            "baseline_status": "new", "sightings": 0, "earlier_scans": 0, "prevalence": prevalence, "host_role": "web",
            "host_role_rationale": "r", "techniques": [], "correlation_refs": [], "graph_degree": 0,
        });
        serde_json::from_value(line).unwrap()
    }

    fn noted(scanner: &str, prevalence: &str, metadata: Value) -> String {
        Notes::new(&[], &BTreeSet::new()).of(&finding(scanner, prevalence, metadata)).unwrap()
    }

    #[test]
    fn a_line_says_what_rules_ask_beside_its_text() {
        let service = json!({"uid": "33", "container_id": "0a1b"});
        assert_eq!(noted("processes", "few", service), "; uid 33, a service's; in a container; on few hosts");
        assert_eq!(noted("processes", "many", json!({"uid": "0"})), "");
        assert_eq!(noted("processes", "one", json!({"uid": "1000"})), "; uid 1000; on no other host");
        let socket = |state: &str, port: &str| json!({"state": state, "lport": port});
        assert_eq!(noted("network", "many", socket("ESTABLISHED", "5432")), "; local port 5432");
        assert_eq!(noted("network", "many", socket("ESTABLISHED", "50000")), "");
        assert_eq!(noted("network", "many", socket("LISTEN", "5432")), "", "its text has the port");
    }

    #[test]
    fn a_process_whose_file_is_known_is_noted_with_what_it_calls_itself() {
        let known = json!({"uid": "0", "exe_path": "/usr/bin/x"});
        assert_eq!(noted("processes", "many", known), "; calls itself ./x");
        assert_eq!(noted("processes", "many", json!({"exe_path": "./x"})), "");
    }

    #[test]
    fn a_process_is_noted_with_what_it_runs_where_its_line_does_not_say_it() {
        let process = finding("processes", "many", json!({"uid": "0"}));
        let note = |path: &str| {
            let socket = finding("network", "many", json!({"pid": "7", "exe": path}));
            Notes::new(&[socket], &BTreeSet::from(["7"])).of(&process)
        };
        assert_eq!(note("/usr/local/bin/x (deleted)").as_deref(), Some("; runs /usr/local/bin/x"));
        assert_eq!(note("x").as_deref(), Some(""), "a name is no file");
        assert_eq!(note(&format!("/{}", "x".repeat(PROGRAM_LIMIT))), None);
    }
}
