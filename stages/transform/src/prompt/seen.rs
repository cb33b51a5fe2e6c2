//! The part of [`crate::prompt::visible::Visible`] that depends on the scanner: one function a scanner, and one for those without a
//! form of their own.

use contract::clean;
use findings::EnrichedFinding;
use findings::place::{FIRST_CLIENT_PORT, base_name, temporary};
use findings::risk::PROCESS_NOVEL;
use findings::terms::Terms;
use rules::knowledge::KNOWLEDGE;
use scan::rules::modules::SUMMARY;

use crate::prompt::address::{bound, reach};
use crate::prompt::shorten::{elided, without_pid};
use crate::prompt::visible::Surroundings;

/// Keys that only repeat others or are noise of one boot.
pub(crate) const NOISE: [&str; 9] = ["pid", "ppid", "inode", "uid", "gid", "path", "standard", "requirement", "sha256"];
/// Bytes of text that a finding may take, and of each fact.
const TEXT_LIMIT: usize = 200;
/// Bytes of a name in lists.
const SUBJECT_LIMIT: usize = 120;

/// The view of one finding.
pub(crate) struct Seen {
    /// For lists.
    pub subject: String,
    /// The scanner's text.
    pub text: String,
    /// Conclusions from the text.
    pub facts: Vec<String>,
    /// Whether nothing was left out of them that the answer may depend on.
    pub whole: bool,
}

impl Seen {
    /// Sees a finding.
    pub(crate) fn of(finding: &EnrichedFinding, surroundings: &Surroundings<'_>) -> Seen {
        let get = |key: &str| finding.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let seen = match finding.scanner.as_str() {
            "processes" => process(finding),
            "network" => socket(finding),
            "ioc" => ioc(finding),
            "suid_sgid" => suid(finding),
            "world_writable" => world_writable(finding),
            "kernel_params" => parameter(&finding.id, get("current"), get("desired"), &finding.description),
            "kernel_hardening" => match get("path") {
                Some(path) => parameter(path, get("value"), get("expected"), &finding.description),
                None => other(finding),
            },
            "systemd_units" => unit(finding),
            "modules" if finding.id == SUMMARY => module_summary(finding),
            "mac" => mac(finding, surroundings),
            _ => other(finding),
        };
        seen.shortened()
    }

    /// Of what follows from a path or a value only short texts are whole: the middle may decide.
    fn shortened(mut self) -> Seen {
        let facts = self.facts.iter_mut().map(|fact| (fact, TEXT_LIMIT));
        for (text, limit) in [(&mut self.subject, SUBJECT_LIMIT), (&mut self.text, TEXT_LIMIT)].into_iter().chain(facts)
        {
            if let Some(short) = elided(text, limit) {
                *text = short;
                self.whole = false;
            }
        }
        self
    }
}

fn process(finding: &EnrichedFinding) -> Seen {
    let program = Terms::of_enriched(finding).executable.unwrap_or("(kernel thread)").to_owned();
    let user = match finding.metadata.get("uid").map(String::as_str) {
        Some("0") => "root",
        Some(_) => "a user",
        None => "someone",
    };
    let novel = finding.tags.iter().any(|tag| tag == PROCESS_NOVEL);
    let fact = if novel { "runs from where no package installs" } else { "ordinary process" };
    Seen { text: format!("{program} as {user}"), subject: program, facts: vec![fact.to_owned()], whole: true }
}

fn socket(finding: &EnrichedFinding) -> Seen {
    let get = |key: &str| finding.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let protocol = get("protocol").unwrap_or("tcp");
    let port = get("lport").or_else(|| get("port")).unwrap_or("?");
    let program = get("exe");
    let by = program.map(|path| format!(" by {path}")).unwrap_or_default();
    let local = bound(get("lip").unwrap_or_default());
    let mut facts = Vec::new();
    let (text, subject) = match get("state") {
        Some("LISTEN") => {
            facts.push(format!("listens on {local} on port {port}"));
            (format!("{protocol} LISTEN {port} on {local}{by}"), format!("{protocol} LISTEN {port}"))
        }
        Some(state) => {
            let remote = reach(get("rip").unwrap_or_default());
            // The port of a client is arbitrary.
            let far = match get("rport").and_then(|port| port.parse::<u16>().ok()) {
                Some(port) if port < FIRST_CLIENT_PORT => format!("port {port}"),
                _ => "a high port".to_owned(),
            };
            facts.push(format!("connection with {remote}"));
            (format!("{protocol} {state} with {remote} {far}{by}"), format!("{protocol} {state} {far}"))
        }
        None => {
            facts.push(format!("{protocol} port {port} open on {local}"));
            (format!("{protocol} port {port} on {local}{by}"), format!("{protocol} port {port}"))
        }
    };
    let listens = get("state").is_none_or(|state| state == "LISTEN");
    facts.extend(KNOWLEDGE.port(port).filter(|_| listens).map(|known| format!("usual service {}", known.service)));
    facts.extend(program.filter(|path| temporary(path)).map(|_| "program in a temporary directory".to_owned()));
    Seen { subject, text, facts, whole: true }
}

fn ioc(finding: &EnrichedFinding) -> Seen {
    let executable = Terms::of_enriched(finding).executable.unwrap_or(&finding.id).to_owned();
    let flag = |key: &str| finding.metadata.get(key).is_some_and(|value| value == "true");
    let signs = [
        ("deleted_executable", "deleted", "executable was deleted while running"),
        ("world_writable_executable", "in a writable place", "executable in a place anyone may write"),
        ("environment_issue", "loader environment set", "loader environment is set"),
        ("pattern_match", "name or place matches", "only a name or place matches"),
    ];
    let shown: Vec<_> = signs.iter().filter(|(key, ..)| flag(key)).collect();
    let words: Vec<&str> = shown.iter().map(|(_, word, _)| *word).collect();
    let command = finding.metadata.get("command").filter(|command| **command != executable && !command.is_empty());
    let command = command.map(|command| format!(" as {command}")).unwrap_or_default();
    Seen {
        text: format!("{executable}{command}: {}", words.join(", ")),
        subject: executable,
        facts: shown.first().map(|(.., fact)| (*fact).to_owned()).into_iter().collect(),
        whole: true,
    }
}

fn suid(finding: &EnrichedFinding) -> Seen {
    let expected = finding.metadata.get("expected").is_some_and(|value| value == "true");
    let fact = match (expected, finding.id.starts_with("/usr/local/")) {
        (true, _) => "expected SUID program",
        (false, true) => "SUID program outside the packages",
        (false, false) => "SUID program that is not expected",
    };
    let mark = if expected { ", expected" } else { "" };
    Seen {
        subject: finding.id.clone(),
        text: format!("{}{mark}", finding.id),
        facts: vec![fact.to_owned()],
        whole: true,
    }
}

fn world_writable(finding: &EnrichedFinding) -> Seen {
    Seen {
        subject: finding.id.clone(),
        text: format!("{} {}", finding.title, finding.id),
        facts: vec![lower_first(&finding.description)],
        whole: true,
    }
}

fn parameter(path: &str, value: Option<&str>, wanted: Option<&str>, description: &str) -> Seen {
    let name = path.strip_prefix("/proc/sys/").unwrap_or(path);
    let (value, wanted) = (value.unwrap_or("?"), wanted.unwrap_or("?"));
    let last = base_name(name);
    let fact =
        if value == wanted { format!("{last} is as wanted") } else { format!("{last} is {value}, not {wanted}") };
    let text = if value == wanted {
        format!("{name} = {value} as wanted")
    } else {
        format!("{name} = {value}, wanted {wanted}: {description}")
    };
    Seen { subject: last.to_owned(), text, facts: vec![fact], whole: true }
}

/// Without its setting a unit's finding is of no known form: its description, which the answer tells, is not in the text.
fn unit(finding: &EnrichedFinding) -> Seen {
    if !["unit", "key"].iter().all(|key| finding.metadata.contains_key(key)) {
        return other(finding);
    }
    let get = |key: &str| match finding.metadata.get(key).map(String::as_str) {
        None => "unset",
        Some("") => "empty",
        Some(value) => value,
    };
    let text = format!("{} {}={}, wanted {}", get("unit"), get("key"), get("value"), get("expected"));
    Seen {
        subject: format!("{} {}", get("unit"), get("key")),
        text,
        facts: vec![lower_first(&finding.description)],
        whole: true,
    }
}

/// Only the counts that the severity depends on; the samples beside them would fill a prompt.
fn module_summary(finding: &EnrichedFinding) -> Seen {
    let keys = ["likely_out_of_tree", "unsigned", "hidden_proc_only", "missing_file", "sysfs_only_count"];
    let count = |key: &str| finding.metadata.get(key).cloned().unwrap_or_else(|| "0".to_owned());
    let shown: Vec<String> = keys
        .iter()
        .map(|key| (*key, count(key)))
        .filter(|(_, n)| n != "0")
        .map(|(key, n)| format!("{n} {key}"))
        .collect();
    let fact = if shown.is_empty() { "every module is accounted for".to_owned() } else { shown.join(", ") };
    Seen { subject: "modules".to_owned(), text: format!("all modules: {fact}"), facts: vec![fact], whole: true }
}

/// Whether SELinux matters depends on AppArmor, which is another finding.
fn mac(finding: &EnrichedFinding, surroundings: &Surroundings<'_>) -> Seen {
    let get = |key: &str| finding.metadata.get(key).map(String::as_str);
    let flag = |key: &str| get(key) == Some("true");
    let (text, fact) = match finding.id.as_str() {
        "selinux" => {
            let state = match get("present") {
                Some("false") => "absent",
                _ if flag("enforcing") => "enforcing",
                _ if flag("permissive") => "permissive",
                _ => "present",
            };
            let beside = match surroundings.apparmor {
                Some(true) => "on",
                Some(false) => "off",
                None => "unknown",
            };
            (format!("selinux {state}, apparmor {beside}"), format!("SELinux is {state}"))
        }
        "apparmor" => match (flag("enabled"), get("unconfined_critical").filter(|count| *count != "0")) {
            (false, _) => ("apparmor off".to_owned(), "AppArmor is off".to_owned()),
            (true, None) => ("apparmor on".to_owned(), "AppArmor is on".to_owned()),
            (true, Some(count)) => {
                let fact = format!("{count} critical programs are unconfined");
                (format!("apparmor on, {count} critical programs unconfined"), fact)
            }
        },
        _ => return other(finding),
    };
    Seen { subject: finding.id.clone(), text, facts: vec![fact], whole: true }
}

fn other(finding: &EnrichedFinding) -> Seen {
    let title = without_pid(&finding.title);
    let mut text = title.clone();
    if finding.description != finding.title && !finding.description.is_empty() {
        text = format!("{text}: {}", without_pid(&finding.description));
    }
    let named = |key: &str| !NOISE.contains(&key);
    for (key, value) in finding.metadata.iter().filter(|(key, value)| named(key) && *value != "0") {
        text = format!("{text}, {key}={value}");
    }
    let fact = if finding.description.is_empty() { &title } else { &finding.description };
    // Title and description come first, and what follows from nothing else is whole without the rest.
    let [subject, text, fact] =
        [(&title, SUBJECT_LIMIT), (&text, TEXT_LIMIT), (&lower_first(&without_pid(fact)), TEXT_LIMIT)]
            .map(|(text, limit)| clean::bounded(text, limit).into_owned());
    Seen { subject, text, facts: vec![fact], whole: true }
}

/// A sentence's beginning inside another; names like `SUID` and `PrivateTmp` stay.
pub(crate) fn lower_first(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or(text);
    let is_name = word.chars().skip(1).any(|c| c.is_uppercase() || c == '_');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !is_name => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}
