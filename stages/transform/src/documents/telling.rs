//! What the listed findings tell of one subject, in words: what it does and what it is. No rule is named, as a prompt shows what was found
//! and not what was asked.

use findings::terms::Terms;
use findings::{EnrichedFinding, Prevalence, place};

use crate::prompt::listing::Seen;
use crate::prompt::shorten::elided;

/// Bytes of a subject's name.
const NAME_LIMIT: usize = 120;
/// Clauses of one sentence.
const CLAUSES: usize = 6;
/// Scanners in the order in which a sentence speaks of their findings.
const ORDER: [&str; 5] = ["processes", "ioc", "network", "suid_sgid", "world_writable"];

/// A sentence about the subject of `first`: its own finding, and those of `listed` that are about the same process or file.
pub(crate) fn sentence(first: &Seen<'_>, listed: &[Seen<'_>]) -> String {
    let mut clauses = clauses(first, listed);
    let last = if clauses.len() > 1 { clauses.pop() } else { None };
    let last = last.map(|last| format!(" and {last}")).unwrap_or_default();
    format!("{} {}{last}.", name(first), clauses.join(", "))
}

/// The thing that a finding is about, as its line names it.
pub(crate) fn name(seen: &Seen<'_>) -> String {
    let finding = seen.finding;
    let terms = Terms::of_enriched(finding);
    let last = |path: &str| place::base_name(path).to_owned();
    let name = match finding.scanner.as_str() {
        "processes" => terms.executable.unwrap_or("a kernel thread").to_owned(),
        "ioc" => terms.executable.unwrap_or(&finding.id).to_owned(),
        "network" if is_named(finding) => terms.executable.unwrap_or_default().to_owned(),
        "network" => "an unknown program".to_owned(),
        "suid_sgid" | "world_writable" => finding.id.clone(),
        "modules" => terms.module.map_or_else(|| seen.visible.subject.clone(), |name| format!("module {name}")),
        "systemd_units" => terms.unit.map_or_else(|| seen.visible.subject.clone(), |name| format!("unit {name}")),
        "kernel_params" => last(&finding.id),
        "kernel_hardening" => last(finding.metadata.get("path").unwrap_or(&finding.id)),
        _ => seen.visible.subject.clone(),
    };
    elided(&name, NAME_LIMIT).unwrap_or(name)
}

/// Whether a finding says what it is about: a socket may be held by nobody who is known.
pub(crate) fn is_named(finding: &EnrichedFinding) -> bool {
    finding.scanner != "network" || Terms::of_enriched(finding).executable.is_some_and(|path| !path.is_empty())
}

/// Whether two findings are about one process or one file.
pub(crate) fn is_of_one(one: &EnrichedFinding, other: &EnrichedFinding) -> bool {
    let same = |of: for<'f> fn(&'f EnrichedFinding) -> Option<&'f str>| of(one).is_some() && of(one) == of(other);
    same(pid) || same(path) || std::ptr::eq(one, other)
}

fn pid(finding: &EnrichedFinding) -> Option<&str> {
    match finding.scanner.as_str() {
        "processes" => Some(&finding.id),
        _ => finding.metadata.get("pid").map(String::as_str).filter(|pid| !pid.is_empty()),
    }
}

fn path(finding: &EnrichedFinding) -> Option<&str> {
    let terms = Terms::of_enriched(finding);
    terms.executable.or(terms.path).filter(|path| path.starts_with('/')).map(place::merged)
}

/// Verb phrases, each once, in the order of a description: what it runs as, what was done to it, what it does, how rare it is.
fn clauses(first: &Seen<'_>, listed: &[Seen<'_>]) -> Vec<String> {
    let own = listed.iter().filter(|seen| is_of_one(first.finding, seen.finding));
    let place =
        |seen: &Seen<'_>| ORDER.iter().position(|scanner| *scanner == seen.finding.scanner).unwrap_or(ORDER.len());
    let mut own: Vec<&Seen<'_>> = own.collect();
    own.sort_by_key(|seen| (place(seen), &seen.visible.text));
    let mut clauses: Vec<String> = Vec::new();
    for clause in own.into_iter().flat_map(clause) {
        if !clauses.contains(&clause) && clauses.len() < CLAUSES {
            clauses.push(clause);
        }
    }
    clauses.extend(match first.finding.prevalence {
        Some(Prevalence::One) => Some("is on no other host".to_owned()),
        Some(Prevalence::Few) => Some("is on few hosts".to_owned()),
        _ => None,
    });
    clauses.extend(is_new(first.finding).then(|| "is new since the last scan".to_owned()));
    if clauses.is_empty() {
        clauses.push("is reported".to_owned());
    }
    clauses
}

/// Whether earlier scans lack it.
pub(crate) fn is_new(finding: &EnrichedFinding) -> bool {
    finding.earlier_scans > 0 && finding.seen_before() == 0
}

/// What one finding says of its subject.
fn clause(seen: &Seen<'_>) -> Vec<String> {
    let (finding, visible) = (seen.finding, seen.visible);
    let flag = |key: &str| finding.metadata.get(key).is_some_and(|value| value == "true");
    let chosen = |phrases: &[(&str, &str)]| -> Vec<String> {
        phrases.iter().filter(|(key, _)| flag(key)).map(|(_, phrase)| (*phrase).to_owned()).collect()
    };
    let fact = || visible.facts.first().cloned().unwrap_or_else(|| visible.text.clone());
    match finding.scanner.as_str() {
        "processes" => vec![process(finding)],
        "ioc" => chosen(&[
            ("deleted_executable", "was deleted while it ran"),
            ("world_writable_executable", "lies where anyone may write"),
            ("environment_issue", "runs with a loader environment"),
            ("pattern_match", "has a name or an argument that attacks use"),
        ]),
        "network" => socket(seen).into_iter().collect(),
        "suid_sgid" if flag("expected") => vec!["has the SUID or SGID bit, as expected".to_owned()],
        "suid_sgid" => vec!["has the SUID or SGID bit".to_owned()],
        "world_writable" => vec![match finding.metadata.get("rule").map(String::as_str) {
            None => "may be written by anyone".to_owned(),
            Some("file_capability") => "has file capabilities".to_owned(),
            Some("setuid_interpreter") => "is an interpreter with the SUID bit".to_owned(),
            Some("path_dir_world_writable") => "is a directory of PATH that anyone may write".to_owned(),
            Some(_) => format!("is reported ({})", fact()),
        }],
        "modules" if Terms::of_enriched(finding).module.is_some() => {
            let marks = chosen(&[
                ("unsigned", "is unsigned"),
                ("out_of_tree", "is not of the kernel's tree"),
                ("missing_file", "has no file"),
                ("hidden_sysfs", "is hidden from sysfs"),
            ]);
            [vec!["is loaded".to_owned()], marks].concat()
        }
        "kernel_params" | "kernel_hardening" => {
            let get = |keys: [&str; 2]| keys.iter().find_map(|key| finding.metadata.get(key));
            match (get(["current", "value"]), get(["desired", "expected"])) {
                (Some(value), Some(wanted)) if value == wanted => vec![format!("is {value} as wanted")],
                (Some(value), Some(wanted)) => vec![format!("is {value}, not {wanted}")],
                _ => vec![format!("is reported ({})", fact())],
            }
        }
        _ => vec![format!("is reported ({})", fact())],
    }
}

fn process(finding: &EnrichedFinding) -> String {
    let user = match finding.metadata.get("uid").map(String::as_str) {
        Some("0") => " as root",
        Some(_) => " as a user",
        None => "",
    };
    let from = match Terms::of_enriched(finding).executable.and_then(place::place) {
        Some("temporary") => " from a temporary directory",
        Some("home") => " from a home directory",
        Some("local" | "other") => " from a directory that packages do not use",
        _ => "",
    };
    format!("runs{user}{from}")
}

/// The line of a socket has its state, its port and the other end.
fn socket(seen: &Seen<'_>) -> Option<String> {
    let text = &seen.visible.text;
    let end = text.find(" by ").unwrap_or(text.len());
    match seen.finding.metadata.get("state").map(String::as_str) {
        Some("LISTEN") => seen.visible.facts.first().cloned(),
        Some("ESTABLISHED") => {
            let (_, with) = text[..end].split_once(" with ")?;
            Some(format!(
                "is connected to {}",
                with.replacen(" port ", " on port ", 1).replacen(" a high", " on a high", 1)
            ))
        }
        _ => None,
    }
}
