//! Directories that `pipe` keeps and that may not lie in one another: it removes what it does not know from its store, a remote is
//! no part of a workspace, and neither of them holds the project.

use std::path::{Path, PathBuf};

use super::model::Config;
use crate::plan::links::real;
use crate::spec::{Problem, Span};

/// Where `pipe.yaml` names a directory that `pipe` keeps besides the store.
#[derive(Debug)]
pub(super) struct Named {
    span: Span,
    what: &'static str,
    directory: PathBuf,
}

impl Named {
    pub(super) fn new(span: Span, what: &'static str, directory: &Path) -> Named {
        Named { span, what, directory: directory.to_owned() }
    }
}

/// Refuses directories that lie in the store or around it, and those that hold the project at `root`.
pub(super) fn check(named: &[Named], root: &Path, config: &Config, problems: &mut Vec<Problem>) {
    if named.is_empty() {
        return;
    }
    let shown = config.store.value.strip_prefix(root).unwrap_or(&config.store.value).display();
    let (root, store) = (real(root), real(&config.store.value));
    for Named { span, what, directory } in named {
        let place = real(directory);
        let how = if place.starts_with(&store) {
            format!("lies in the store, {shown}")
        } else if store.starts_with(&place) {
            format!("contains the store, {shown}")
        } else if root.starts_with(&place) {
            "contains the project".to_owned()
        } else {
            continue;
        };
        let problem = Problem::at("reserved-path", *span, format!("{what} {how}")).label("not possible");
        problems.push(problem.help("name a directory that holds nothing else, or is not there yet"));
    }
}
