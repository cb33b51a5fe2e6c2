//! Where things lie: the project root and its store.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::engine::history::History;
use crate::plan::request::{CONFIG, find_root};
use crate::plan::{self, Cards, Plan, Request};
use crate::spec::StageName;
use crate::store::Store;

use super::arguments::PipelineArguments;

/// A project.
pub struct Project {
    /// Workspace paths are relative to it.
    pub root: PathBuf,
}

impl Project {
    /// The project around the working directory: the nearest directory upward that holds `pipe.yaml`, else the working
    /// directory itself.
    pub fn find() -> Result<Project, Failure> {
        let here = std::env::current_dir()
            .map_err(|e| Failure::Broken(anyhow::Error::new(e).context("no working directory")))?;
        let root = find_root(&here).to_owned();
        refuse_settings(&root.join(CONFIG))?;
        Ok(Project { root })
    }

    /// The store.
    pub fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.root.join("cache"))?)
    }

    /// The pipeline that the arguments name.
    pub fn plan(&self, arguments: &PipelineArguments) -> Result<Plan, Failure> {
        let targets = arguments.stages.iter().map(StageName::new).collect();
        let overrides = arguments.overrides.clone();
        let root = Some(self.root.clone());
        self.build(&Request { root, overrides, targets, ..Request::new(&arguments.file) })
    }

    /// All of a pipeline, with overrides.
    pub fn plan_file(&self, file: &Path, overrides: &[String]) -> Result<Plan, Failure> {
        let root = Some(self.root.clone());
        self.build(&Request { root, overrides: overrides.to_vec(), ..Request::new(file) })
    }

    fn build(&self, request: &Request) -> Result<Plan, Failure> {
        Ok(plan::build(request, &Cards::built_in())?)
    }

    /// The pipeline file of the last run.
    pub fn last_file(&self, store: &Store) -> Result<PathBuf, Failure> {
        let last = History::open(store).reports().next().map(|report| report.file);
        last.ok_or_else(|| Failure::usage("nothing has run here yet", "name the pipeline with --file".to_owned()))
    }
}

/// `pipe.yaml` marks the root; a setting in it would be ignored by this version, so it is refused instead.
fn refuse_settings(path: &Path) -> Result<(), Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|e| Failure::usage(format!("{}: {e}", path.display()), None))?,
    };
    let setting = text.lines().position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    match setting {
        None => Ok(()),
        Some(at) => Err(Failure::usage(
            format!("{}:{}: this version reads no settings from {CONFIG}", path.display(), at + 1),
            "it only marks the project root; leave nothing but comments in it".to_owned(),
        )),
    }
}
