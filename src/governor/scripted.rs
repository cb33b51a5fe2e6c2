//! A probe that reads its samples from a file, for tests of a run under pressure: `PIPE_PROBE=FILE`.
//!
//! The file holds one sample as JSON, `{"cpu": 0.1, "memory": {"used": 90, "total": 100}, "stalled": 0.0}`, and is read anew at every look, so a
//! test may change the load during a run. `"gpus": {"0": {"used": 90, "total": 100}}` beside it is the memory of GPUs,
//! and `"stages": {"a": 0.0}` says how many cores each stage keeps busy; the cores of a stage that is not named are unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::policy::{Memory, Sample};
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

/// The parts of the file besides its sample.
const PARTS: [&str; 2] = ["gpus", "stages"];

struct Scripted(PathBuf);

impl Scripted {
    /// The part of the file under `key`, else its sample of the machine. A file that is just being written gives the default.
    fn read<T: DeserializeOwned + Default>(&self, key: Option<&str>) -> T {
        let read = || {
            let mut script: Value = serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()?;
            let apart = PARTS.map(|part| (part, script.as_object_mut().and_then(|script| script.remove(part))));
            let part = |key| apart.into_iter().find(|(part, _)| *part == key).and_then(|(_, value)| value);
            serde_json::from_value(key.map_or(Some(script), part)?).ok()
        };
        read().unwrap_or_default()
    }
}

impl Probe for Scripted {
    fn sample(&mut self) -> Sample {
        self.read(None)
    }

    fn cores_of(&mut self, _groups: &BTreeMap<String, u32>) -> BTreeMap<String, f64> {
        self.read(Some("stages"))
    }

    fn gpu_memory(&mut self, _names: &[String]) -> BTreeMap<String, Memory> {
        self.read(Some("gpus"))
    }
}
