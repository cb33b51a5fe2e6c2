//! Attack chains of simulated hosts, so that the hosts of one chain stay in one split. Nothing else is read of the hidden truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;

/// What is read of a line of truth.
#[derive(Deserialize)]
struct Line {
    chain_id: Option<String>,
    host: String,
}

/// The hosts of each chain that has several.
pub fn read(path: &Path) -> Result<Vec<Vec<String>>, StageError> {
    let mut hosts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut lines = BufReader::with_capacity(1 << 16, File::open(path).at(path)?);
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        if lines.read_line(&mut text).at(path)? == 0 {
            break;
        }
        let line: Line = serde_json::from_str(&text).map_err(|e| {
            StageError::invalid_input(format!("{}:{number}: {e}", path.display()))
                .help("wire `truth` to the output of that name of a stage `produce`")
        })?;
        if let Some(chain) = line.chain_id {
            hosts.entry(chain).or_default().insert(line.host);
        }
    }
    Ok(hosts.into_values().filter(|hosts| hosts.len() > 1).map(|hosts| hosts.into_iter().collect()).collect())
}
