//! Attack chains of simulated hosts, as the artifact `truth` has them: which hosts each one reached. Nothing else of it is read, so
//! that a stage that must not know what a finding is can keep the hosts of one chain together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;

/// The hosts of a chain, by its id.
pub type Chains = BTreeMap<String, BTreeSet<String>>;

/// The part of a line of truth that is read.
#[derive(Deserialize)]
struct Line {
    chain_id: Option<String>,
    host: String,
}

/// The hosts of each chain that has several.
pub fn of_several_hosts(truth: &Path) -> Result<Chains, StageError> {
    let mut chains = Chains::new();
    let mut lines = BufReader::with_capacity(1 << 16, File::open(truth).at(truth)?);
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        if lines.read_line(&mut text).at(truth)? == 0 {
            break;
        }
        let line: Line = serde_json::from_str(&text).map_err(|e| {
            StageError::invalid_input(format!("{}:{number}: {e}", truth.display()))
                .help("wire `truth` to the output of that name of a stage `produce`")
        })?;
        if let Some(chain) = line.chain_id {
            chains.entry(chain).or_default().insert(line.host);
        }
    }
    chains.retain(|_, hosts| hosts.len() > 1);
    Ok(chains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_ties_its_hosts_and_one_of_a_single_host_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("truth");
        let lines =
            [("a", "\"c1\""), ("b", "null"), ("b", "\"c1\""), ("a", "\"c1\""), ("b", "\"c2\""), ("b", "\"c2\"")];
        let line = |(host, chain): (&str, &str)| format!("{{\"host\":\"{host}\",\"scan\":0,\"chain_id\":{chain}}}\n");
        std::fs::write(&path, lines.map(line).concat()).unwrap();
        let hosts = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(of_several_hosts(&path).unwrap(), Chains::from([("c1".to_owned(), hosts)]));
    }
}
