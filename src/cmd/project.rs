//! The project: its root, its settings and its store.

use std::path::{Path, PathBuf};

use super::arguments::{ParamArguments, PipelineArguments};
use super::failure::Failure;
use crate::config::{self, Config, Flags, Origin, Setting, Verify};
use crate::engine::history::History;
use crate::engine::survey;
use crate::plan::request::find_root;
use crate::plan::{self, BackendName, Cards, Plan, Request, snapshot};
use crate::remote::Place;
use crate::spec::{Invalid, StageName};
use crate::store::{Store, StoreError, StoreErrorKind, Trust};

/// A project.
pub(super) struct Project {
    /// Workspace paths are relative to it.
    pub root: PathBuf,
    /// The settings, flags and environment included.
    pub config: Config,
}

impl Project {
    /// The project around the working directory: the nearest directory upward that holds `pipe.yaml`, else the working
    /// directory itself.
    pub(super) fn find(flags: &Flags) -> Result<Project, Failure> {
        let here = std::env::current_dir()
            .map_err(|e| Failure::Broken(anyhow::Error::new(e).context("no working directory")))?;
        Project::at(find_root(&here).to_owned(), &here, flags)
    }

    /// The project at `root`, whether or not it holds `pipe.yaml`, as seen from the directory `here`.
    pub(super) fn at(root: PathBuf, here: &Path, flags: &Flags) -> Result<Project, Failure> {
        let config = config::load(&root, here, &|name| std::env::var_os(name), flags)?;
        Ok(Project { root, config })
    }

    /// The store.
    pub(super) fn store(&self) -> Result<Store, Failure> {
        let trust = match self.config.verify.value {
            Verify::Seal => Trust::Seal,
            Verify::Always => Trust::Nothing,
        };
        let store = Store::open(&self.config.store.value).map_err(|error| self.refused(error))?;
        Ok(store.trusting(trust).counting_on(self.config.shared().map(Place::identity)))
    }

    /// Refuses a directory that is no store and may not become one: for verbs that need none.
    pub(super) fn recognize_store(&self) -> Result<(), Failure> {
        match Store::recognize(&self.config.store.value) {
            Err(error) if error.is_no_store() => Err(self.refused(error)),
            // Code that needs the store meets its other errors.
            _ => Ok(()),
        }
    }

    /// Why there is no store, as the fault of the setting where it is one.
    fn refused(&self, error: StoreError) -> Failure {
        if !error.is_no_store() {
            return error.into();
        }
        let Setting { origin, .. } = &self.config.store;
        let named = match origin {
            Origin::Default => "set `store` in pipe.yaml, PIPE_STORE or --store to a directory".to_owned(),
            Origin::File(_) => "name a directory there".to_owned(),
            Origin::Environment(_) | Origin::Flag(_) => "let it name a directory".to_owned(),
        };
        let help = match error.kind {
            StoreErrorKind::NewerStore { .. } => "use the newer version, or another store (--store DIR)".to_owned(),
            _ => format!("{named} that is empty or not there yet: pipe removes things from its store"),
        };
        let place = match origin {
            Origin::Default => "the store's default place".to_owned(),
            set => set.to_string(),
        };
        Failure::usage(format!("{place}: {error}"), help)
    }

    /// The kinds: those that ship with `pipe`, and those of the directories that the settings name.
    pub(super) fn cards(&self) -> Result<Cards, Failure> {
        Ok(Cards::with(&self.config.cards.value)?)
    }

    /// The pipeline that the arguments name.
    pub(super) fn plan(&self, arguments: &PipelineArguments) -> Result<Plan, Failure> {
        self.build(&self.request(arguments))
    }

    fn request(&self, arguments: &PipelineArguments) -> Request {
        let targets = arguments.stages.iter().map(StageName::new).collect();
        Request { targets, ..self.request_all(&arguments.file, &arguments.params) }
    }

    /// As [`Project::plan`], from the snapshot in `store` where there is a true one. Its stages know no places.
    pub(super) fn plan_to_run(&self, arguments: &PipelineArguments, store: &Store) -> Result<Plan, Failure> {
        let (request, cards) = (self.request(arguments), self.cards()?);
        let name = snapshot::name(&request, &cards, &program());
        if let Some(plan) = store.plan(&name).and_then(|bytes| snapshot::read(&bytes, &request, &cards)) {
            return Ok(plan);
        }
        let (plan, sources) = plan::build_with_sources(&request, &cards)?;
        if let Some(bytes) = snapshot::write(&plan, &request, &sources) {
            // Without it the next run plans anew: on a read-only store, for one.
            let _ = store.save_plan(&name, &bytes);
        }
        Ok(plan)
    }

    /// All of a pipeline, with params set from outside.
    pub(super) fn plan_file(&self, file: &Path, params: &ParamArguments) -> Result<Plan, Failure> {
        self.build(&self.request_all(file, params))
    }

    /// As [`Project::plan_file`], and also reports as problems everything that would fail a stage before it runs. A store that cannot be
    /// opened is left to the code that needs it.
    pub(super) fn survey_file(&self, file: &Path, params: &ParamArguments) -> Result<Plan, Failure> {
        let request = self.request_all(file, params);
        let (plan, sources) = plan::build_with_sources(&request, &self.cards()?)?;
        let Ok(store) = self.store() else { return Ok(plan) };
        let mut problems = survey::problems(&plan, &store, &request.elsewhere, &sources);
        if problems.is_empty() {
            problems = survey::foreseen(&plan, &store, &self.config.elsewhere(), &sources);
        }
        match problems {
            problems if problems.is_empty() => Ok(plan),
            problems => Err(Invalid { problems, sources }.into()),
        }
    }

    fn request_all(&self, file: &Path, set: &ParamArguments) -> Request {
        let (root, params, overrides) = (Some(self.root.clone()), set.param_files.clone(), set.overrides.clone());
        let (store, kept) = (Some(self.config.store.value.clone()), self.config.kept());
        let elsewhere = self.config.elsewhere().into_keys().map(BackendName::new).collect();
        let machines =
            self.config.machines().into_iter().map(|(name, place)| (BackendName::new(name), place)).collect();
        let readers = self.config.readers().into_iter().map(BackendName::new).collect();
        let backends = self.config.routes();
        Request { root, store, kept, params, overrides, backends, elsewhere, machines, readers, ..Request::new(file) }
    }

    fn build(&self, request: &Request) -> Result<Plan, Failure> {
        Ok(plan::build(request, &self.cards()?)?)
    }

    /// `file`, given relative to the working directory, relative to the root where it lies below it: how a report names it, so that it
    /// is found from elsewhere too.
    pub(super) fn relative(&self, file: &Path) -> PathBuf {
        let full = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        full.strip_prefix(&self.root).map_or(full.clone(), Path::to_owned)
    }

    /// The pipeline file of the last run, as seen from the working directory.
    pub(super) fn last_file(&self, store: &Store) -> Result<PathBuf, Failure> {
        let last = History::open(store).reports().next().map(|report| self.root.join(report.file));
        let here = std::env::current_dir().unwrap_or_default();
        let shown = |file: PathBuf| file.strip_prefix(here).map_or(file.clone(), Path::to_owned);
        last.map(shown)
            .ok_or_else(|| Failure::usage("nothing has run here yet", "name the pipeline with --file".to_owned()))
    }
}

/// Identifies this very build of the engine, whose rules a kept plan follows.
fn program() -> Vec<u8> {
    use std::os::unix::fs::MetadataExt;
    let stat = std::env::current_exe().and_then(std::fs::metadata);
    // Without it snapshots are told apart by version alone.
    let stat = stat.map(|it| (it.size(), it.mtime(), it.mtime_nsec())).unwrap_or_default();
    format!("{} {stat:?}", env!("CARGO_PKG_VERSION")).into_bytes()
}
