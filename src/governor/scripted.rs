//! A probe that reads what it sees from a file, for tests of what a run does under pressure: `PIPE_PROBE=FILE`.
//!
//! The file holds one sample as JSON, `{"cpu": 0.1, "memory": {"used": 90, "total": 100}, "stalled": 0.0}`, and is read anew at every look, so a
//! test may change the weather while a run goes on. `"gpus": {"0": {"used": 90, "total": 100}}` beside it is the memory of GPUs.

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

struct Scripted(PathBuf);

impl Scripted {
    /// What the file says under `gpus` (or all but that). A file that is just being written says nothing.
    fn read<T: DeserializeOwned + Default>(&self, gpus: bool) -> T {
        let read = || {
            let mut script: Value = serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()?;
            let of_gpus = script.as_object_mut()?.remove("gpus");
            serde_json::from_value(if gpus { of_gpus? } else { script }).ok()
        };
        read().unwrap_or_default()
    }
}

impl Probe for Scripted {
    fn sample(&mut self) -> Sample {
        self.read(false)
    }

    fn gpu_memory(&mut self, _names: &[String]) -> BTreeMap<String, Memory> {
        self.read(true)
    }
}
