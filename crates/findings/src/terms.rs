//! The terms of a finding that can be joined: the same pid, executable or port under whatever key a scanner puts it.
//!
//! Everything borrows from the finding; nothing is guessed. The scanner's forms are in FACTS and in `scan::rules`.

use std::collections::HashMap;

use scan::{Finding, Metadata};

use crate::record::EnrichedFinding;

/// Marks an executable whose file is gone.
const DELETED: &str = " (deleted)";

/// The joinable terms of one finding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// Process id.
    pub pid: Option<&'a str>,
    /// Path (or bare name) of the program, without the scanner's mark for a deleted file. Of a process it is what it calls
    /// itself.
    pub executable: Option<&'a str>,
    /// The program's path as another finding of the scan with the same pid tells it; see [`resolve`].
    pub program: Option<&'a str>,
    /// The name that a process gives itself: its `argv[0]`.
    pub argv0: Option<&'a str>,
    /// Local port.
    pub port: Option<&'a str>,
    /// A socket's inode.
    pub inode: Option<&'a str>,
    /// A file or directory.
    pub path: Option<&'a str>,
    /// A kernel module.
    pub module: Option<&'a str>,
    /// A kernel parameter's last name: `ip_forward`.
    pub parameter: Option<&'a str>,
    /// That parameter's value.
    pub value: Option<&'a str>,
    /// A systemd unit.
    pub unit: Option<&'a str>,
}

/// The source of terms: the part of a finding that the scanner and `correlate` write alike.
#[derive(Clone, Copy)]
struct Told<'a> {
    id: &'a str,
    description: &'a str,
    metadata: &'a Metadata,
}

impl<'a> Told<'a> {
    fn get(self, key: &str) -> Option<&'a str> {
        self.metadata.get(key).map(String::as_str)
    }
}

impl<'a> Terms<'a> {
    /// Reads the terms of a finding as the scanner wrote it.
    pub fn of(scanner: &str, finding: &'a Finding) -> Terms<'a> {
        let Finding { id, description, metadata, .. } = finding;
        Terms::read(scanner, Told { id, description, metadata })
    }

    /// Reads the terms of a finding as `correlate` wrote it.
    pub fn of_enriched(finding: &'a EnrichedFinding) -> Terms<'a> {
        let EnrichedFinding { scanner, id, description, metadata, .. } = finding;
        Terms::read(scanner, Told { id, description, metadata })
    }

    fn read(scanner: &str, finding: Told<'a>) -> Terms<'a> {
        let id = finding.id;
        let none = Terms::default();
        match scanner {
            "processes" => Terms {
                pid: Some(id),
                executable: process_executable(finding),
                argv0: Some(finding.description).filter(|text| !text.is_empty() && *text != NO_COMMAND),
                ..none
            },
            "ioc" => Terms {
                pid: finding.get("pid"),
                executable: Some(ioc_executable(id)),
                argv0: finding.get("command"),
                ..none
            },
            "network" => Terms {
                pid: finding.get("pid"),
                executable: finding.get("exe").map(without_mark),
                port: finding.get("lport").or_else(|| finding.get("port")),
                inode: finding.get("inode").filter(|inode| *inode != "0"),
                ..none
            },
            "suid_sgid" => Terms { path: Some(id), ..none },
            "world_writable" => Terms { path: Some(id.strip_suffix(":dangling_suid_link").unwrap_or(id)), ..none },
            "suid" | "yara" => Terms { path: finding.get("path"), ..none },
            "modules" => Terms { module: module_name(finding), path: finding.get("path"), ..none },
            "kernel_params" => {
                Terms { parameter: id.rsplit('/').next(), value: finding.get("current"), path: Some(id), ..none }
            }
            "kernel_hardening" => Terms {
                parameter: finding.get("path").and_then(|path| path.rsplit('/').next()),
                value: finding.get("value"),
                path: finding.get("path"),
                ..none
            },
            "systemd_units" => Terms { unit: finding.get("unit"), ..none },
            _ => none,
        }
    }
}

/// Fills in the programs of processes: the inventory knows only what a process calls itself, the findings about its sockets
/// and suspicious signs name the file that it runs.
pub fn resolve<'a>(terms: &mut [(&str, Terms<'a>)]) {
    let mut programs: HashMap<&str, &'a str> = HashMap::new();
    for (_, terms) in terms.iter().filter(|(scanner, _)| matches!(*scanner, "network" | "ioc")) {
        if let (Some(pid), Some(program)) = (terms.pid, terms.executable.filter(|path| path.starts_with('/'))) {
            programs.insert(pid, program);
        }
    }
    for (_, terms) in terms.iter_mut().filter(|(scanner, _)| *scanner == "processes") {
        terms.program = terms.pid.and_then(|pid| programs.get(pid).copied());
    }
}

/// The scanner's text for a process without arguments: a kernel thread.
const NO_COMMAND: &str = "(no cmdline)";

fn without_mark(path: &str) -> &str {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// An ioc is named `<executable>:<pid>`.
fn ioc_executable(id: &str) -> &str {
    without_mark(id.rsplit_once(':').map_or(id, |(executable, _)| executable))
}

/// A kernel thread has no command line and no executable. A process that writes its state into `argv[0]` (`sshd: eve@pts/0`,
/// `-bash`) is known by the program's name in it.
fn process_executable(finding: Told<'_>) -> Option<&str> {
    let path = finding.get("exe_path").unwrap_or(finding.description);
    if path == NO_COMMAND || path.is_empty() {
        return None;
    }
    if path.starts_with('/') {
        return Some(without_mark(path));
    }
    let name = path.split([':', ' ']).next().unwrap_or(path);
    Some(name.strip_prefix('-').unwrap_or(name))
}

/// The summary is about all modules; the agent's own fixtures name the module in the metadata.
fn module_name(finding: Told<'_>) -> Option<&str> {
    finding.get("module").or_else(|| (finding.id != "module_summary").then_some(finding.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    #[test]
    fn an_ioc_and_its_process_have_the_same_terms() {
        let ioc = Finding::new("/opt/app/server (deleted):1313", "t", Severity::Critical, "").with("pid", "1313");
        let process = Finding::new("1313", "Process 1313", Severity::Info, "/opt/app/server");
        let (ioc, process) = (Terms::of("ioc", &ioc), Terms::of("processes", &process));
        assert_eq!((ioc.pid, ioc.executable), (Some("1313"), Some("/opt/app/server")));
        assert_eq!((ioc.pid, ioc.executable), (process.pid, process.executable));
    }

    #[test]
    fn kernel_threads_have_no_executable_and_summaries_no_module() {
        let thread = Finding::new("2", "Process 2", Severity::Info, "(no cmdline)");
        assert_eq!(Terms::of("processes", &thread).executable, None);
        let session = Finding::new("9", "Process 9", Severity::Info, "sshd: eve@pts/0");
        assert_eq!(Terms::of("processes", &session).executable, Some("sshd"));
        let summary = Finding::new("module_summary", "Kernel Module Summary", Severity::Info, "");
        assert_eq!(Terms::of("modules", &summary).module, None);
    }

    #[test]
    fn a_process_runs_what_its_sockets_say_and_not_what_it_calls_itself() {
        let process = Finding::new("40", "Process 40", Severity::Info, "[kworker/0:1]");
        let socket = Finding::new("tcp:1:2", "t", Severity::Info, "").with("pid", "40").with("exe", "/tmp/x (deleted)");
        let mut terms = [("processes", Terms::of("processes", &process)), ("network", Terms::of("network", &socket))];
        resolve(&mut terms);
        assert_eq!((terms[0].1.program, terms[0].1.argv0), (Some("/tmp/x"), Some("[kworker/0:1]")));
    }
}
