//! The techniques that programs and ports may be a sign of where they are already suspected: attackers misuse them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::knowledge::table;

/// The tools of this build.
pub static TOOLS: LazyLock<Tools> = LazyLock::new(|| Tools::new(table!("tools")));

/// Techniques by name of a program, and by the server's port.
pub struct Tools {
    programs: HashMap<String, Program>,
    remote: HashMap<u16, Vec<String>>,
    local: HashMap<u16, Vec<String>>,
}

struct Program {
    techniques: Vec<String>,
    offensive: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    programs: Vec<Programs>,
    ports: Vec<Ports>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    names: Vec<String>,
    #[serde(default)]
    offensive: bool,
    techniques: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    #[serde(default)]
    remote: Vec<u16>,
    #[serde(default)]
    local: Vec<u16>,
    techniques: Vec<String>,
}

impl Tools {
    fn new(table: Table) -> Tools {
        let mut tools = Tools { programs: HashMap::new(), remote: HashMap::new(), local: HashMap::new() };
        for Programs { names, offensive, techniques } in table.programs {
            let own = |name| (name, Program { techniques: techniques.clone(), offensive });
            tools.programs.extend(names.into_iter().map(own));
        }
        for Ports { remote, local, techniques } in table.ports {
            tools.remote.extend(remote.into_iter().map(|port| (port, techniques.clone())));
            tools.local.extend(local.into_iter().map(|port| (port, techniques.clone())));
        }
        tools
    }

    /// The techniques that a program of this name may be a sign of.
    pub fn of_program(&self, name: &str) -> &[String] {
        self.programs.get(name).map_or(&[], |program| &program.techniques)
    }

    /// Whether a program of this name is there for attacks.
    pub fn is_offensive(&self, name: &str) -> bool {
        self.programs.get(name).is_some_and(|program| program.offensive)
    }

    /// The techniques that a server on this port of the scanned host may be a sign of.
    pub fn of_local_port(&self, port: &str) -> &[String] {
        of_port(&self.local, port)
    }

    /// The techniques that a connection to this port of another host may be a sign of.
    pub fn of_remote_port(&self, port: &str) -> &[String] {
        of_port(&self.remote, port)
    }
}

fn of_port<'t>(ports: &'t HashMap<u16, Vec<String>>, port: &str) -> &'t [String] {
    port.parse().ok().and_then(|port: u16| ports.get(&port)).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::field::Field;
    use scan::{Finding, Severity};

    fn of(scanner: &str, finding: &Finding) -> Vec<String> {
        Facts::alone(scanner, finding).tool_techniques().map(str::to_owned).collect()
    }

    #[test]
    fn a_program_is_known_by_its_file_and_by_what_it_calls_itself() {
        let named = |command: &str| of("processes", &Finding::new("7", "t", Severity::Info, command));
        assert_eq!(named("/opt/x/tcpdump"), ["T1040", "T1040"]);
        assert_eq!(named("/opt/x/unheard-of"), Vec::<String>::new());
        let offensive = |command: &str| {
            let finding = Finding::new("7", "t", Severity::Info, command);
            Facts::alone("processes", &finding).get(&Field::Offensive).is_some()
        };
        assert!(offensive("./hydra -l root") && !offensive("/usr/bin/tcpdump") && !offensive("/usr/bin/unheard-of"));
        assert!(
            !offensive("/usr/bin/loki") && !offensive("/usr/local/bin/cdk"),
            "harmless things bear these names too"
        );
        let hidden = Finding::new("/tmp/rclone:4", "t", Severity::High, "").with("pid", "4").with("command", "sh");
        assert!(of("ioc", &hidden).contains(&"T1567.002".to_owned()));
    }

    #[test]
    fn a_port_counts_at_the_end_that_serves() {
        let socket = |state: &str, near: &str, far: &str| {
            let socket = Finding::new("tcp:1:2", "t", Severity::Info, "");
            of("network", &socket.with("state", state).with("lport", near).with("rport", far))
        };
        assert!(socket("ESTABLISHED", "50000", "25").contains(&"T1071.003".to_owned()));
        assert!(socket("LISTEN", "2375", "0").contains(&"T1133".to_owned()));
        assert_eq!(socket("ESTABLISHED", "50000", "64321"), Vec::<String>::new());
    }

    #[test]
    fn no_name_and_no_port_stands_twice() {
        let table: Table = table!("tools");
        let listed = |of: fn(&Ports) -> usize| table.ports.iter().map(of).sum::<usize>();
        assert_eq!(TOOLS.programs.len(), table.programs.iter().map(|entry| entry.names.len()).sum::<usize>());
        assert_eq!(TOOLS.remote.len(), listed(|ports| ports.remote.len()));
        assert_eq!(TOOLS.local.len(), listed(|ports| ports.local.len()));
    }
}
