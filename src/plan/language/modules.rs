//! A pipeline file and the files it includes: each is a module with a prefix for its stages and a scope for its params.
//!
//! An included file is a pipeline of its own: its text means the same as when it is run by itself. The including file
//! sees its stages as `prefix/stage` and its params as `prefix.param`. Modules are loaded before anything is interpolated.

use std::path::{Path, PathBuf};

use super::interpolate::{Resolving, Scope};
use super::overrides::{self, Override};
use crate::spec::{Entry, IncludeSpec, Node, NodeValue, PipelineSpec, Problem, Sources, Span, file, read, suggest};

/// The most files that one pipeline may consist of.
const MAX_MODULES: usize = 1000;

/// One file of a pipeline.
#[derive(Debug)]
pub struct Module {
    /// The prefix of its stages: empty for the pipeline itself, else `data/`, `data/raw/`.
    pub prefix: String,
    /// Its content.
    pub spec: PipelineSpec,
    /// As it was resolved, for the includes in it.
    path: PathBuf,
    /// Who includes it, and with which entry.
    parent: Option<(usize, IncludeSpec)>,
}

/// Reads `file` and everything it includes. `None` when the file itself is no tree; an include that cannot be read is left out.
/// A module stands behind the one that includes it.
pub(crate) fn load(file: &Path, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<Vec<Module>> {
    let tree = file::read(file, sources, problems)?;
    let spec = read::pipeline(&tree, problems);
    let mut modules = vec![Module { prefix: String::new(), spec, path: file.to_owned(), parent: None }];
    let mut next = 0;
    while next < modules.len() {
        for include in modules[next].spec.includes.clone() {
            let path = modules[next].path.parent().unwrap_or(Path::new("")).join(&include.file.value);
            if modules.len() >= MAX_MODULES {
                let message = format!("a pipeline of more than {MAX_MODULES} files");
                problems.push(Problem::at("too-many-values", include.file.span, message).label("the budget ends here"));
                return Some(modules);
            }
            if let Some(problem) = unusable(&modules, next, &include, &path) {
                problems.push(problem);
                continue;
            }
            let Some(tree) = file::read(&path, sources, problems) else { continue };
            let prefix = format!("{}{}/", modules[next].prefix, include.prefix.value);
            let spec = read::pipeline(&tree, problems);
            modules.push(Module { prefix, spec, path, parent: Some((next, include)) });
        }
        next += 1;
    }
    Some(modules)
}

/// Why `include` of module `at` cannot be followed.
fn unusable(modules: &[Module], at: usize, include: &IncludeSpec, path: &Path) -> Option<Problem> {
    let span = include.file.span;
    if modules[at].spec.params.get(&include.prefix.value).is_some() {
        let message = format!("`{}` is a param and the prefix of an include", include.prefix.value);
        return Some(Problem::at("duplicate-key", include.prefix.span, message).help("rename one of them"));
    }
    if !path.is_file() {
        let problem = Problem::at("missing-include", span, format!("cannot find the file {}", path.display()));
        return Some(problem.label("relative to this file").maybe_help(file::neighbour(path)));
    }
    // Compared as the system sees them, so that no detour hides a cycle.
    let same = |other: &Path| same_file(path, other);
    let mut chain = vec![path.display().to_string()];
    let mut above = Some(at);
    while let Some(index) = above {
        chain.push(modules[index].path.display().to_string());
        if same(&modules[index].path) {
            chain.reverse();
            let message = format!("files include each other: {}", chain.join(" -> "));
            return Some(Problem::at("include-cycle", span, message).label("closes the circle").help("remove it"));
        }
        above = modules[index].parent.as_ref().map(|(parent, _)| *parent);
    }
    None
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The params of each module after everything that sets them: its own file, the file that includes it, files of params, `-S`.
pub(crate) fn scopes(modules: &[Module], overrides: Vec<Override>, resolving: &mut Resolving<'_>) -> Vec<Node> {
    let mut pending: Vec<Vec<Override>> = modules.iter().map(|_| Vec::new()).collect();
    pending[0] = overrides;
    let mut scopes: Vec<Node> = Vec::with_capacity(modules.len());
    for (at, module) in modules.iter().enumerate() {
        let mut set = Vec::new();
        if let Some((parent, IncludeSpec { params: Some(given), .. })) = &module.parent {
            set = overrides::of_mapping(&resolving.expand(given, &Scope::of(&scopes[*parent])));
        }
        // After the values of the including file: the command line has the last word.
        set.append(&mut pending[at]);
        let (own, routed) = route(set, at, modules);
        for (child, set) in routed {
            pending[child].push(set);
        }
        let mut unknown = |path: &str, mut names: Vec<String>, span: Span| {
            names.extend(includes_of(modules, at).map(|(_, include)| format!("{}.", include.prefix.value)));
            match at {
                0 => overrides::unknown(path, &names, span),
                _ => unknown_to_include(module, path, &names, span),
            }
        };
        let mut params = module.spec.params.clone();
        overrides::apply(&own, &mut params, resolving.sources(), &mut unknown, resolving.problems);
        // A param is a plain value: it may not refer to another one.
        scopes.push(resolving.expand(&params, &Scope::nothing()));
    }
    scopes
}

/// Separates the overrides of module `at` from those of its includes.
fn route(overrides: Vec<Override>, at: usize, modules: &[Module]) -> (Vec<Override>, Vec<(usize, Override)>) {
    let (mut own, mut routed) = (Vec::new(), Vec::new());
    for set in overrides {
        let child = set.steps.first().and_then(|(step, _)| {
            includes_of(modules, at).find(|(_, include)| include.prefix.value == *step).map(|(child, _)| child)
        });
        match child {
            Some(child) => routed.extend(set.below().into_iter().map(|set| (child, set))),
            None => own.push(set),
        }
    }
    (own, routed)
}

fn includes_of(modules: &[Module], at: usize) -> impl Iterator<Item = (usize, &IncludeSpec)> {
    modules.iter().enumerate().filter_map(move |(child, module)| match &module.parent {
        Some((parent, include)) if *parent == at => Some((child, include)),
        _ => None,
    })
}

fn unknown_to_include(module: &Module, path: &str, names: &[String], span: Span) -> Problem {
    let message = format!("{} declares no param `{path}`", module.path.display());
    let help = suggest::help(path, names.iter().map(String::as_str));
    Problem::at("unknown-param", span, message).label("unknown param").maybe_help(help)
}

/// The params of all modules as one tree, as `-S` names them: those of an include lie under its prefix.
pub(crate) fn combined(modules: &[Module], scopes: &[Node]) -> Node {
    let mut trees = scopes.to_vec();
    // From the last to the first: an include stands after the file that includes it.
    for at in (1..modules.len()).rev() {
        let tree = std::mem::replace(&mut trees[at], empty(modules[at].spec.params.span));
        let Some((parent, include)) = &modules[at].parent else { continue };
        if let NodeValue::Map(entries) = &mut trees[*parent].value {
            entries.push(Entry { key: include.prefix.clone(), value: tree });
        }
    }
    trees.swap_remove(0)
}

fn empty(span: Span) -> Node {
    Node::new(NodeValue::Map(Vec::new()), span)
}
