//! A run of the stage as the worker does it, for the tests beside this directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, Kind, Limits, Stage, StageError};
use produce::Produce;
use scan::truth::TruthLine;
use scan::{Report, Scans};
use serde_json::Value;

/// A run in a directory of its own.
pub(crate) struct Run {
    directory: tempfile::TempDir,
}

impl Run {
    pub(crate) fn new(params: Value, threads: u32) -> Run {
        Run::attempt(params, threads).unwrap()
    }

    /// Fills the defaults as the engine does, then goes through the erased kind as the worker does.
    pub(crate) fn attempt(params: Value, threads: u32) -> Result<Run, StageError> {
        let directory = tempfile::tempdir().unwrap();
        let mut full = serde_json::to_value(produce::ProduceParams::default()).unwrap();
        for (key, value) in params.as_object().unwrap() {
            match value.as_object() {
                Some(inner) => inner.iter().for_each(|(k, v)| full[key][k] = v.clone()),
                None => full[key] = value.clone(),
            }
        }
        let job = Job {
            kind: "produce".into(),
            version: Produce::card().version,
            params: full.clone(),
            inputs: BTreeMap::new(),
            outputs: ["scans", "truth"].map(|port| (port.to_owned(), directory.path().join(port))).into(),
            scratch: directory.path().join("scratch"),
            checkpoints: directory.path().join("checkpoints"),
            limits: Limits { threads, memory: 0 },
            trace: "test".into(),
        };
        (Kind::of::<Produce>().run)(&full, &Context::new(job, Box::new(std::io::sink())))?;
        Ok(Run { directory })
    }

    pub(crate) fn path(&self, port: &str) -> PathBuf {
        self.directory.path().join(port)
    }

    pub(crate) fn reports(&self) -> Vec<(String, u32, Report)> {
        let scans = Scans::open(&self.path("scans")).unwrap();
        scans.iter().map(|file| (file.host.clone(), file.scan, file.read().unwrap())).collect()
    }

    pub(crate) fn truth(&self) -> Vec<TruthLine> {
        let text = fs::read_to_string(self.path("truth")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// One digest over names and bytes of everything written.
    pub(crate) fn digest(&self) -> String {
        let mut bytes = fs::read(self.path("truth")).unwrap();
        for file in &Scans::open(&self.path("scans")).unwrap() {
            bytes.extend_from_slice(format!("{}/{}", file.host, file.scan).as_bytes());
            bytes.extend_from_slice(&fs::read(&file.path).unwrap());
        }
        Digest::of(&bytes).short()
    }
}

/// The templates of attack chains, as they are written.
pub(crate) fn chains() -> Vec<serde_yaml::Value> {
    let files = fs::read_dir(root("stages/produce/data/chains")).unwrap().map(|entry| entry.unwrap().path());
    let templates = files.filter(|path| !path.ends_with("order.yaml")).map(|path| fs::read_to_string(path).unwrap());
    templates.flat_map(|text| serde_yaml::from_str::<Vec<_>>(&text).unwrap()).collect()
}

/// A file of the checkout.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
