//! A probe that reads what it sees from a file, for tests of what a run does under pressure: `PIPE_PROBE=FILE`.
//!
//! The file holds one sample as JSON, `{"cpu": 0.1, "memory": {"used": 90, "total": 100}}`, and is read anew at every look, so a
//! test may change the weather while a run goes on.

use std::path::PathBuf;
use std::time::Duration;

use super::policy::Sample;
use super::probe::{Probe, SystemProbe};

/// The variable that names the file.
const VARIABLE: &str = "PIPE_PROBE";

/// How often a machine is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// A script has nothing to measure over a time.
const EVERY_SCRIPTED: Duration = Duration::from_millis(10);

/// The probe to use, and how often.
pub fn probe() -> (Box<dyn Probe>, Duration) {
    match std::env::var_os(VARIABLE) {
        Some(file) => (Box::new(Scripted(file.into())), EVERY_SCRIPTED),
        None => (Box::new(SystemProbe::new()), EVERY),
    }
}

struct Scripted(PathBuf);

impl Probe for Scripted {
    fn sample(&mut self) -> Sample {
        // A file that is just being written shows nothing: what is not known holds nothing back.
        std::fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}
