//! The ATT&CK techniques that a trace may be a sign of by itself, without a correlation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;
use crate::knowledge::table;
use crate::rule::{Test, all_hold};

/// The signs that findings give by themselves.
pub static TRACES: LazyLock<Traces> = LazyLock::new(|| Traces::new(table!("traces")));

/// The further signs that findings of a suspected cluster give.
pub static SUSPECTED: LazyLock<Traces> = LazyLock::new(|| Traces::new(table!("suspected")));

/// A table of traces, by scanner.
pub struct Traces {
    by_scanner: HashMap<String, Vec<Trace>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trace {
    scanner: String,
    #[serde(rename = "where")]
    conditions: BTreeMap<Field, Test>,
    techniques: Vec<String>,
}

impl Traces {
    fn new(table: Vec<Trace>) -> Traces {
        let mut by_scanner: HashMap<String, Vec<Trace>> = HashMap::new();
        for trace in table {
            by_scanner.entry(trace.scanner.clone()).or_default().push(trace);
        }
        Traces { by_scanner }
    }

    /// The techniques that a finding may be a sign of.
    pub fn techniques(&self, facts: &Facts<'_>) -> BTreeSet<&str> {
        let traces = self.by_scanner.get(facts.scanner).into_iter().flatten();
        let holding = traces.filter(|trace| all_hold(&trace.conditions, facts));
        holding.flat_map(|trace| trace.techniques.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::{Finding, Severity};

    #[test]
    fn a_trace_tells_its_techniques_and_a_plain_finding_none() {
        let techniques = |scanner: &str, finding: &Finding| {
            let own: Vec<String> =
                TRACES.techniques(&Facts::alone(scanner, finding)).into_iter().map(Into::into).collect();
            own.join(" ")
        };
        let in_suspected = |scanner: &str, finding: &Finding| -> Vec<String> {
            SUSPECTED.techniques(&Facts::alone(scanner, finding)).into_iter().map(Into::into).collect()
        };
        let process = |argv0: &str| Finding::new("7", "t", Severity::Info, argv0).with("uid", "33");
        assert_eq!(techniques("processes", &process("/tmp/.x")), "T1059.004 T1105 T1190 T1564.001");
        let nginx = process("/usr/sbin/nginx");
        assert_eq!(techniques("processes", &nginx), "");
        assert!(in_suspected("processes", &nginx).contains(&"T1505.003".to_owned()));
        let socket = |port: &str, far: &str| {
            let socket = Finding::new("t", "t", Severity::Info, "").with("state", "ESTABLISHED").with("lport", port);
            socket.with("rport", far).with("rip", "203.0.113.9").with("exe", "/usr/bin/psql")
        };
        assert_eq!(techniques("network", &socket("5432", "50000")), "T1190");
        assert_eq!(techniques("network", &socket("50000", "53")), "T1071.004");
        assert_eq!(techniques("network", &socket("50000", "443")), "");
    }

    #[test]
    fn every_technique_is_one_of_attack() {
        let both = [&TRACES, &SUSPECTED].into_iter().flat_map(|table| table.by_scanner.values().flatten());
        let all: Vec<&String> = both.flat_map(|trace| &trace.techniques).collect();
        let form = |id: &str| id.len() == 5 || (id.len() == 9 && &id[5..6] == ".");
        assert!(all.into_iter().all(|id| id.starts_with('T') && form(id)));
    }
}
