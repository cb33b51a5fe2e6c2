//! The places where the stages of a pipeline may not write, links followed: the store and the other directories that `pipe` keeps, git's
//! directory, the files that define the run, and everything outside of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::links::{Found, Links, both};
use crate::plan::cards::Cards;
use crate::plan::language::overrides;
use crate::plan::request::{CONFIG, Request};
use crate::spec::{Problem, Sources, Span};

/// Git's directory, at the project root.
const GIT: &str = ".git";

/// The ground on which the paths of a plan lie.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Where each of them really lies.
    pub links: Links,
    /// The directories that `pipe` keeps, and where links to them lie, each with its description: the store first.
    kept: Vec<(PathBuf, String)>,
    /// Files that no output may touch, each with its description.
    files: BTreeMap<PathBuf, String>,
}

impl Ground {
    /// That of the project at `root`. `sources` is everything that was read.
    pub(crate) fn new(request: &Request, root: &Path, cards: &Cards, sources: &Sources) -> Ground {
        let links = Links::new(root);
        let store = request.store.clone().unwrap_or_else(|| root.join("cache"));
        let others = request.kept.iter().map(|(directory, what)| (directory.clone(), what.clone()));
        let kept = std::iter::once((store, "the store".to_owned())).chain(others);
        let kept = kept.flat_map(|(directory, what)| both(&directory).map(|place| (place, what.clone()))).collect();
        let mut files = BTreeMap::new();
        let mut add = |path: &Path, what: String| files.extend(both(path).map(|place| (place, what.clone())));
        add(&links.root().join(CONFIG), format!("the settings, {CONFIG}"));
        for path in cards.files() {
            add(&path, format!("the card's file {}", path.display()));
        }
        for source in sources.all().filter(|source| source.path != Path::new(overrides::SOURCE)) {
            // Read before, so it has an absolute name.
            let path = std::path::absolute(&source.path).unwrap_or_else(|_| source.path.clone());
            add(&path, format!("the pipeline's file {}", source.path.display()));
        }
        Ground { links, kept, files }
    }

    /// The place of the output at `path`, links followed, or the problem with it.
    pub(crate) fn output(&self, path: &Path, span: Span) -> Result<PathBuf, Box<Problem>> {
        let place = self.links.written(path);
        let refuse = |code, why: String, help: &str| {
            let through = if self.is_plain(path, &place) { "" } else { ", through a symbolic link" };
            let message = format!("output `{}` {why}{through}", path.display());
            Err(Box::new(Problem::at(code, span, message).label("cannot be an output").help(help)))
        };
        if let Some(why) = self.reserved(&place) {
            return refuse("reserved-path", why, "that directory is not part of the workspace");
        }
        if !place.starts_with(self.links.root()) {
            let why = format!("leads out of the project, to {}", place.display());
            return refuse("escaping-path", why, "write it to a directory of the project, or remove the link");
        }
        if let Some((_, what)) = self.files.range(place.clone()..).next().filter(|(file, _)| file.starts_with(&place)) {
            let verb = if self.files.contains_key(&place) { "is" } else { "contains" };
            return refuse("reserved-path", format!("{verb} {what}"), "give it a path of its own");
        }
        match place.ancestors().find_map(|above| self.files.get(above)) {
            Some(what) => refuse("reserved-path", format!("lies in {what}"), "give it a path of its own"),
            None => Ok(place),
        }
    }

    /// The input at `path` and its place, links followed, or the problem with it.
    pub(crate) fn input(&self, path: &Path, span: Span) -> Result<Found, Box<Problem>> {
        let found = self.links.read(path);
        match self.reserved(&found.place) {
            None => Ok(found),
            Some(why) => {
                let through = if self.is_plain(path, &found.place) { "" } else { ", through a symbolic link" };
                let message = format!("input `{}` {why}{through}", path.display());
                let problem = Problem::at("reserved-path", span, message).label("cannot be an input");
                Err(Box::new(problem.help("that directory is not part of the workspace")))
            }
        }
    }

    /// Whether no link lies on the way.
    pub(crate) fn is_plain(&self, path: &Path, place: &Path) -> bool {
        self.links.root().join(path) == place
    }

    fn reserved(&self, place: &Path) -> Option<String> {
        let in_git = || place.starts_with(self.links.root().join(GIT)).then(|| format!("lies in `{GIT}/`"));
        self.of_pipe(place).or_else(in_git)
    }

    /// How `place`, links followed, lies to a directory that `pipe` keeps.
    pub(crate) fn of_pipe(&self, place: &Path) -> Option<String> {
        self.kept.iter().find_map(|(directory, what)| {
            let verb = match (place.starts_with(directory), directory.starts_with(place)) {
                (true, _) => "lies in",
                (false, true) => "contains",
                (false, false) => return None,
            };
            let shown = directory.strip_prefix(self.links.root()).unwrap_or(directory).display();
            Some(format!("{verb} {what}, {shown}"))
        })
    }
}
