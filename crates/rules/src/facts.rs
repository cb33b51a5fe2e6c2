//! One finding as rules see it: the value of each field that they may ask for.

use std::borrow::Cow;

use findings::Prevalence;
use findings::place::{self, account, base_name};
use findings::terms::Terms;
use scan::Finding;

use crate::field::Field;
use crate::knowledge::KNOWLEDGE;
use crate::tools::TOOLS;

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
    /// The first scan of the host that holds it; unknown while hosts are compared.
    pub first_seen: Option<u32>,
    /// Whether enough hosts were compared to tell what is rare among the things that its scanner names.
    pub compared: bool,
    /// How many hosts have the program, file, module or unit it names; unknown where there are too few hosts to say, and while hosts
    /// are compared.
    pub prevalence: Option<Prevalence>,
    /// The role of the host, inferred from its scan; unknown while hosts are compared.
    pub host_role: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// A finding by itself, without history.
    pub fn alone(scanner: &'a str, finding: &'a Finding) -> Facts<'a> {
        let terms = Terms::of(scanner, finding);
        Facts {
            scanner,
            finding,
            terms,
            change: None,
            first_seen: None,
            compared: false,
            prevalence: None,
            host_role: None,
        }
    }

    /// A field's value, where the finding has one.
    pub fn get(&self, field: &Field) -> Option<Cow<'a, str>> {
        let terms = &self.terms;
        let value = match field {
            Field::Scanner => Some(self.scanner),
            Field::Id => Some(self.finding.id.as_str()),
            Field::Severity => Some(self.finding.severity.name()),
            Field::Change => self.change.map(Change::name),
            Field::Pid => terms.pid,
            Field::Executable => self.program(),
            Field::Argv0 => terms.argv0,
            Field::Program => self.program().map(base_name),
            Field::Place => self.located().and_then(place::place),
            Field::Hidden => self.located().map(|path| yes_or_no(place::hidden(path))),
            Field::Disguised => terms.argv0.zip(self.program()).map(|(name, path)| yes_or_no(disguised(name, path))),
            Field::Renamed => terms.argv0.zip(terms.program).map(|(name, path)| yes_or_no(renamed(name, path))),
            Field::Stem => self.name().and_then(place::stem),
            Field::Account => self.finding.get("uid").and_then(|uid| uid.parse().ok()).map(account),
            Field::Prevalence => self.prevalence.map(Prevalence::name),
            Field::Kind => return self.located().map(|path| place::kind(path, self.is_rare())).map(Cow::Owned),
            Field::Known => terms.path.map(|path| yes_or_no(KNOWLEDGE.packaged_suid(path))),
            Field::Port => terms.port,
            Field::Inode => terms.inode,
            Field::LocalAddress => self.finding.get("lip"),
            Field::RemoteAddress => self.finding.get("rip"),
            Field::RemotePort => self.finding.get("rport"),
            Field::Remote => self.finding.get("rip").and_then(place::reach),
            Field::Local => self.finding.get("lip").and_then(place::reach),
            Field::State => self.finding.get("state"),
            Field::Direction => self.direction(),
            Field::Offensive => self.tool_names().any(|name| TOOLS.is_offensive(name)).then_some("yes"),
            Field::Service => self.service(),
            Field::ServerPort => self.server_port(),
            Field::HostRole => self.host_role,
            Field::Path => terms.path,
            Field::Directory => self.located().and_then(|path| path.rsplit_once('/')).map(|(directory, _)| directory),
            Field::Module => terms.module,
            Field::Parameter => terms.parameter,
            Field::Value => terms.value,
            Field::Unit => terms.unit,
            Field::Metadata(key) => self.finding.get(key),
            Field::ConnectionOut => return self.connection(["lip", "lport", "rip", "rport"]).map(Cow::Owned),
            Field::ConnectionIn => return self.connection(["rip", "rport", "lip", "lport"]).map(Cow::Owned),
        };
        value.filter(|text| !text.is_empty()).map(Cow::Borrowed)
    }

    /// The techniques that the finding may be a sign of by the programs it names and by the server's port.
    pub fn tool_techniques(&self) -> impl Iterator<Item = &'static str> {
        let of_port: &[String] = match self.get(&Field::ServerPort) {
            Some(port) if self.terms.port == Some(&*port) => TOOLS.of_local_port(&port),
            Some(port) => TOOLS.of_remote_port(&port),
            None => &[],
        };
        let of_programs = self.tool_names().flat_map(|name| TOOLS.of_program(name));
        of_programs.chain(of_port).map(String::as_str)
    }

    /// The names by which a tool is known: of the program, the name it gives itself, and of the module.
    fn tool_names(&self) -> impl Iterator<Item = &'a str> {
        let own_name = self.terms.argv0.and_then(|text| text.split_whitespace().next());
        [self.program().or(self.terms.path), own_name, self.terms.module].into_iter().flatten().map(base_name)
    }

    /// The name that is counted over hosts: a module, a unit or a path.
    pub fn name(&self) -> Option<&'a str> {
        self.terms.module.or(self.terms.unit).or(self.located())
    }

    /// The file that a process runs, as far as the scan tells.
    pub fn program(&self) -> Option<&'a str> {
        self.terms.program.or(self.terms.executable)
    }

    fn located(&self) -> Option<&'a str> {
        self.program().or(self.terms.path)
    }

    /// Whether one or few hosts have it.
    pub fn is_rare(&self) -> bool {
        matches!(self.prevalence, Some(Prevalence::One | Prevalence::Few))
    }

    /// Whether it is rare, or of a program that no package installs.
    pub fn is_odd(&self) -> bool {
        self.is_rare() || self.program().and_then(place::place).is_some_and(|place| place != "packaged")
    }

    /// Whether it is of a program that packages install, that many hosts have and that is no shell or interpreter.
    pub fn is_of_daemon(&self) -> bool {
        let kind = || self.get(&Field::Kind);
        !self.is_odd() && !kind().is_some_and(|kind| matches!(&*kind, "shell" | "interpreter"))
    }

    /// Who began a connection, told by which end has a port that Linux gives to clients; or that the socket listens.
    fn direction(&self) -> Option<&'static str> {
        match self.finding.get("state")? {
            "LISTEN" => Some("listens"),
            "ESTABLISHED" => {
                let (near, far) = (self.terms.port?, self.finding.get("rport")?);
                Some(if place::client_port(near) && !place::client_port(far) { "out" } else { "in" })
            }
            _ => None,
        }
    }

    /// The service at the server's end of a socket.
    fn service(&self) -> Option<&'static str> {
        let port = if self.direction()? == "out" { self.finding.get("rport") } else { self.terms.port };
        port.map(place::service)
    }

    /// The port of the end that serves; none where both ends may be it, or neither.
    fn server_port(&self) -> Option<&'a str> {
        let near = self.terms.port?;
        let far = self.finding.get("rport").filter(|_| self.finding.get("state") != Some("LISTEN"));
        match (place::client_port(near), far.filter(|port| !place::client_port(port))) {
            (true, Some(far)) => Some(far),
            (false, None) => Some(near),
            _ => None,
        }
    }

    /// `CLIENT:PORT>SERVER:PORT`, the same text from both ends of a connection and from those of no other.
    fn connection(&self, ends: [&str; 4]) -> Option<String> {
        let get = |key| self.finding.get(key).filter(|text| !text.is_empty());
        let [client, from, server, to] = ends.map(get);
        Some(format!("{}:{}>{}:{}", client?, from?, server?, to?))
    }
}

fn yes_or_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// A program of a file calls itself a kernel thread, whose names stand in brackets.
fn disguised(argv0: &str, program: &str) -> bool {
    program.starts_with('/') && argv0.starts_with('[')
}

/// A program calls itself by another name than that of its file. Login shells begin with a dash, daemons may end theirs with a colon, files
/// with a version (`python3`, `python3.11`); shells are one program under many names.
fn renamed(argv0: &str, program: &str) -> bool {
    let word = argv0.split_whitespace().next().unwrap_or_default().trim_start_matches('-').trim_end_matches(':');
    let (own, file) = (base_name(word), base_name(program));
    !(own.starts_with(file) || file.starts_with(own) || place::shell(own) && place::shell(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    #[test]
    fn both_ends_name_a_connection_alike() {
        let end = |lip: &str, lport: &str, rip: &str, rport: &str| {
            let socket = Finding::new("tcp:1:2", "t", Severity::Info, "");
            socket.with("lip", lip).with("lport", lport).with("rip", rip).with("rport", rport)
        };
        let (client, server) = (end("10.0.0.1", "50000", "10.0.0.2", "22"), end("10.0.0.2", "22", "10.0.0.1", "50000"));
        let value = |finding, field| Facts::alone("network", finding).get(&field).map(Cow::into_owned);
        assert_eq!(value(&client, Field::ConnectionOut).as_deref(), Some("10.0.0.1:50000>10.0.0.2:22"));
        assert_eq!(value(&client, Field::ConnectionOut), value(&server, Field::ConnectionIn));
    }

    #[test]
    fn a_name_that_is_not_the_files_is_told() {
        let renamed = |argv0: &str, path: &str| super::renamed(argv0, path);
        assert!(
            renamed("ps -ef", "/usr/bin/x")
                && renamed("[kworker/0:1]", "/tmp/x")
                && renamed("/usr/sbin/nginx", "/tmp/y")
        );
        for (argv0, path) in [
            ("sshd: eve@pts/0", "/usr/sbin/sshd"),
            ("-bash", "/usr/bin/bash"),
            ("sh", "/usr/bin/dash"),
            ("python3 app.py", "/usr/bin/python3.11"),
            ("./x", "/tmp/x"),
        ] {
            assert!(!renamed(argv0, path), "{argv0} of {path}");
        }
    }

    #[test]
    fn the_port_that_serves_is_told_where_one_end_is_a_clients() {
        let port = |state: &str, near: &str, far: &str| {
            let socket = Finding::new("tcp:1:2", "t", Severity::Info, "");
            let socket = socket.with("state", state).with("lport", near).with("rport", far);
            Facts::alone("network", &socket).get(&Field::ServerPort).map(Cow::into_owned)
        };
        assert_eq!(port("ESTABLISHED", "50000", "443").as_deref(), Some("443"));
        assert_eq!(port("TIME_WAIT", "22", "50000").as_deref(), Some("22"));
        assert_eq!(port("LISTEN", "22", "0").as_deref(), Some("22"));
        assert_eq!((port("ESTABLISHED", "50000", "50001"), port("TIME_WAIT", "80", "443")), (None, None));
    }

    #[test]
    fn a_file_that_calls_itself_a_kernel_thread_is_disguised() {
        let ioc =
            |command: &str| Finding::new("/tmp/x:4", "t", Severity::High, "").with("pid", "4").with("command", command);
        let disguise = |finding: &Finding| Facts::alone("ioc", finding).get(&Field::Disguised).map(Cow::into_owned);
        assert_eq!(disguise(&ioc("[kworker/0:1]")).as_deref(), Some("yes"));
        assert_eq!(disguise(&ioc("./x")).as_deref(), Some("no"));
    }
}
