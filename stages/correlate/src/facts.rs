//! What a finding says, in terms that can be joined: the same pid, executable or port under whatever key a scanner puts it.
//!
//! Everything borrows from the finding; nothing is guessed. The scanner's forms are in FACTS and in `scan::rules`.

use std::str::FromStr;

use scan::Finding;
use serde::Deserialize;

/// Marks an executable whose file is gone.
const DELETED: &str = " (deleted)";

/// How a finding relates to the host's earlier scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no earlier scan.
    First,
    /// No earlier scan has it.
    Appeared,
    /// An earlier scan has it.
    Stayed,
}

impl Change {
    /// The name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Change::First => "first",
            Change::Appeared => "appeared",
            Change::Stayed => "stayed",
        }
    }
}

/// The joinable terms of one finding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// Process id.
    pub pid: Option<&'a str>,
    /// Path (or bare name) of the program, without the scanner's mark for a deleted file.
    pub executable: Option<&'a str>,
    /// Local port.
    pub port: Option<&'a str>,
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

impl<'a> Terms<'a> {
    /// Reads the terms of a finding.
    pub fn of(scanner: &str, finding: &'a Finding) -> Terms<'a> {
        let id = finding.id.as_str();
        let none = Terms::default();
        match scanner {
            "processes" => Terms { pid: Some(id), executable: process_executable(finding), ..none },
            "ioc" => Terms { pid: finding.get("pid"), executable: Some(ioc_executable(id)), ..none },
            "network" => Terms {
                pid: finding.get("pid"),
                executable: finding.get("exe").map(without_mark),
                port: finding.get("lport").or_else(|| finding.get("port")),
                ..none
            },
            "suid_sgid" => Terms { path: Some(id), ..none },
            "world_writable" => Terms { path: Some(id.strip_suffix(":dangling_suid_link").unwrap_or(id)), ..none },
            "suid" | "yara" => Terms { path: finding.get("path"), ..none },
            "modules" => Terms { module: module_name(finding), ..none },
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

/// One finding as rules see it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The scanner.
    pub scanner: &'a str,
    /// The finding.
    pub finding: &'a Finding,
    /// Its joinable terms.
    pub terms: Terms<'a>,
    /// How it relates to earlier scans; unknown while hosts are compared.
    pub change: Option<Change>,
}

impl<'a> Facts<'a> {
    /// A field's value, where the finding has one.
    pub fn get(&self, field: &Field) -> Option<&'a str> {
        let value = match field {
            Field::Scanner => Some(self.scanner),
            Field::Id => Some(self.finding.id.as_str()),
            Field::Severity => Some(self.finding.severity.name()),
            Field::Change => self.change.map(Change::name),
            Field::Pid => self.terms.pid,
            Field::Executable => self.terms.executable,
            Field::Port => self.terms.port,
            Field::LocalAddress => self.finding.get("lip"),
            Field::RemoteAddress => self.finding.get("rip"),
            Field::RemotePort => self.finding.get("rport"),
            Field::State => self.finding.get("state"),
            Field::Path => self.terms.path,
            Field::Directory => self.terms.path.and_then(|path| path.rsplit_once('/')).map(|(directory, _)| directory),
            Field::Module => self.terms.module,
            Field::Parameter => self.terms.parameter,
            Field::Value => self.terms.value,
            Field::Unit => self.terms.unit,
            Field::Metadata(key) => self.finding.get(key),
        };
        value.filter(|text| !text.is_empty())
    }
}

/// What a rule may ask of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[expect(missing_docs, reason = "the names are the documentation; rules/README.md lists them")]
pub enum Field {
    Scanner,
    Id,
    Severity,
    Change,
    Pid,
    Executable,
    Port,
    LocalAddress,
    RemoteAddress,
    RemotePort,
    State,
    Path,
    Directory,
    Module,
    Parameter,
    Value,
    Unit,
    Metadata(String),
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Field, String> {
        Ok(match text {
            "scanner" => Field::Scanner,
            "id" => Field::Id,
            "severity" => Field::Severity,
            "change" => Field::Change,
            "pid" => Field::Pid,
            "executable" => Field::Executable,
            "port" => Field::Port,
            "local_address" => Field::LocalAddress,
            "remote_address" => Field::RemoteAddress,
            "remote_port" => Field::RemotePort,
            "state" => Field::State,
            "path" => Field::Path,
            "directory" => Field::Directory,
            "module" => Field::Module,
            "parameter" => Field::Parameter,
            "value" => Field::Value,
            "unit" => Field::Unit,
            _ => match text.strip_prefix("metadata.") {
                Some(key) if !key.is_empty() => Field::Metadata(key.to_owned()),
                _ => return Err(format!("no field `{text}`; rules/README.md lists the fields")),
            },
        })
    }
}

impl TryFrom<String> for Field {
    type Error = String;

    fn try_from(text: String) -> Result<Field, String> {
        text.parse()
    }
}

/// The last part of a path: `sshd` of `/usr/sbin/sshd`.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn without_mark(path: &str) -> &str {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// An ioc is named `<executable>:<pid>`.
fn ioc_executable(id: &str) -> &str {
    without_mark(id.rsplit_once(':').map_or(id, |(executable, _)| executable))
}

/// A kernel thread has no command line and no executable. A process that writes its state into argv[0] (`sshd: eve@pts/0`,
/// `-bash`) is known by the program's name in it.
fn process_executable(finding: &Finding) -> Option<&str> {
    let path = finding.get("exe_path").unwrap_or(finding.description.as_str());
    if path == "(no cmdline)" || path.is_empty() {
        return None;
    }
    if path.starts_with('/') {
        return Some(without_mark(path));
    }
    let name = path.split([':', ' ']).next().unwrap_or(path);
    Some(name.strip_prefix('-').unwrap_or(name))
}

/// The summary is about all modules; the agent's own fixtures name the module in the metadata.
fn module_name(finding: &Finding) -> Option<&str> {
    finding.get("module").or_else(|| (finding.id != "module_summary").then_some(finding.id.as_str()))
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
    fn unknown_fields_are_refused() {
        assert!("inode_number".parse::<Field>().unwrap_err().contains("inode_number"));
        assert!("metadata.".parse::<Field>().is_err());
        assert_eq!("metadata.exe".parse(), Ok(Field::Metadata("exe".into())));
    }
}
