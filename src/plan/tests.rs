//! Whole pipelines through [`build`]: every problem's fixture with its rendered text, and plans that must come out right.

mod accepted;
mod problems;
mod schema;

use std::path::{Path, PathBuf};

use super::request::Environment;
use super::{Cards, Plan, PlannedStage, Request, build};
use crate::report;

/// Cards that stay as they are while the real ones change.
pub(super) fn cards() -> Cards {
    Cards::from_documents([
        ("correlate", include_str!("../../tests/fixtures/cards/correlate.json")),
        ("produce", include_str!("../../tests/fixtures/cards/produce.json")),
        ("train", include_str!("../../tests/fixtures/cards/train.json")),
    ])
}

/// A project in a directory of its own.
pub(super) struct Project {
    directory: tempfile::TempDir,
    request: Request,
}

impl Project {
    pub(super) fn new(pipeline: &str) -> Project {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.yaml");
        std::fs::write(&file, pipeline).unwrap();
        let mut request = Request::new(file);
        request.root = Some(directory.path().to_owned());
        request.environment = Environment::default();
        Project { directory, request }
    }

    pub(super) fn file(self, path: &str, text: &str) -> Project {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Request)) -> Project {
        change(&mut self.request);
        self
    }

    #[track_caller]
    pub(super) fn plan(&self) -> Plan {
        build(&self.request, &cards()).unwrap_or_else(|invalid| panic!("{}", report::problems::render(&invalid, false)))
    }

    /// `code line:column message` of each problem.
    #[track_caller]
    pub(super) fn problems(&self) -> Vec<String> {
        let invalid = build(&self.request, &cards()).expect_err("the pipeline has a problem");
        let line = |p: &crate::spec::Problem| {
            let place = p.span.map(|span| invalid.sources.locate(span));
            let place = place.map_or("-".to_owned(), |l| format!("{}:{}", l.line, l.column));
            format!("{} {place} {}", p.code, p.message)
        };
        invalid.problems.iter().map(line).collect()
    }
}

pub(super) fn stage<'p>(plan: &'p Plan, name: &str) -> &'p PlannedStage {
    plan.graph.node_weights().find(|stage| stage.name.as_str() == name).unwrap()
}

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("fixtures").join("problems")
}
