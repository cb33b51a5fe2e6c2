//! `tools:` resolved: directories of the project that commands may read and run programs from, without having them as inputs.
//!
//! They are no part of a key, as system paths are none, unless a file stands for them: then its content is.

use std::path::{Path, PathBuf};

use super::ground::Ground;
use super::links::real;
use super::paths::{Claims, Overlap, is_reserved, workspace_path};
use crate::plan::model::{PlannedInput, Tool};
use crate::spec::{Problem, Span, Spanned, ToolSpec};

const WHAT: &str = "entry of `tools`";

/// The places that tools are checked against.
pub(crate) struct Places<'a> {
    root: &'a Path,
    /// The root without symbolic links.
    real_root: Option<PathBuf>,
    ground: &'a Ground,
    claims: &'a Claims,
}

impl<'a> Places<'a> {
    /// Of the project at `root`, whose outputs are `claims`.
    pub(crate) fn new(root: &'a Path, ground: &'a Ground, claims: &'a Claims) -> Places<'a> {
        // A root that cannot be found has been reported.
        Places { root, real_root: root.canonicalize().ok(), ground, claims }
    }

    /// The tools that `specs` name; a wrong one is reported and left out.
    pub(crate) fn resolve(&self, specs: &[ToolSpec], problems: &mut Vec<Problem>) -> Vec<Tool> {
        let tools = specs.iter().filter_map(|spec| {
            let path = self.directory(&spec.path, problems);
            let key = spec.key.as_ref().map(|key| self.key(key, problems));
            Some(Tool { path: path?, key: key.map_or(Some(None), |key| key.map(Some))? })
        });
        tools.collect()
    }

    fn directory(&self, spec: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<PathBuf> {
        let path = self.free(spec, problems)?;
        let place = path.display();
        let real = self.root.join(&path).canonicalize();
        let problem = match real {
            Err(error) => {
                let problem = Problem::at("missing-path", spec.span, format!("cannot find `{place}`: {error}"));
                problem.label("not in the project").help("make it before the run: commands only use it")
            }
            Ok(real) if !real.is_dir() => {
                let problem = Problem::at("wrong-type", spec.span, format!("`{place}` is not a directory"));
                let help = format!("name its directory, or read it as an input: `in: {{NAME: {{path: {place}}}}}`");
                problem.label(format!("not an {WHAT}")).help(help)
            }
            Ok(real) => match self.behind(&real, spec.span, &path) {
                Some(problem) => problem,
                None => return Some(path),
            },
        };
        problems.push(problem);
        None
    }

    fn key(&self, spec: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<PathBuf> {
        let path = self.free(spec, problems)?;
        let found = std::fs::metadata(self.root.join(&path));
        let message = match found {
            Ok(file) if file.is_file() => return Some(path),
            Ok(_) => format!("`{}` is not a file", path.display()),
            Err(error) => format!("cannot find `{}`: {error}", path.display()),
        };
        let problem = Problem::at("missing-path", spec.span, message).label("not a file of the project");
        problems.push(problem.help("name the file that says what is in the directory, such as uv.lock"));
        None
    }

    /// The path of `spec`, which lies in the project and has nothing to do with an output.
    fn free(&self, spec: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<PathBuf> {
        let path = workspace_path(&spec.value, WHAT, spec.span, problems)?;
        let problem = self.in_output(&path, spec.span);
        if let Some(problem) = problem {
            problems.push(problem);
            return None;
        }
        Some(path)
    }

    fn in_output(&self, path: &Path, span: Span) -> Option<Problem> {
        let (lies, claim) = match self.claims.overlap(&real(&self.root.join(path)))? {
            Overlap::Is(claim) => ("is", claim),
            Overlap::Inside(claim) => ("lies in", claim),
            Overlap::Contains(claim) => ("contains", claim),
        };
        let message = format!("`{}` {lies} an output of stage `{}`", path.display(), claim.stage_name);
        let problem = Problem::at("path-in-output", span, message).label("changes while the pipeline runs");
        let help = format!("read it as an input: `in: {{NAME: {}.{}}}`", claim.stage_name, claim.port);
        Some(problem.related(claim.span, "written here").help(help))
    }

    /// The problem with the place `real` that is behind `path` once its links are followed.
    fn behind(&self, real: &Path, span: Span, path: &Path) -> Option<Problem> {
        let reserved = |what: String| {
            let message = format!("`{}` {what}", path.display());
            let problem = Problem::at("reserved-path", span, message).label(format!("cannot be an {WHAT}"));
            Some(problem.help("name a directory that holds tools and nothing else"))
        };
        let root = self.real_root.as_deref()?;
        if root.starts_with(real) {
            return reserved("leads to the project itself".to_owned());
        }
        if let Some(how) = self.ground.of_pipe(real) {
            return reserved(how);
        }
        let inside = real.strip_prefix(root).ok()?;
        if is_reserved(inside) {
            return reserved(format!("leads into `{}`", inside.display()));
        }
        self.in_output(inside, span)
    }
}

/// The tools of a stage: those of its file, then its own, each once.
pub(crate) fn together(of_file: &[Tool], own: Vec<Tool>) -> Vec<Tool> {
    let mut tools = of_file.to_vec();
    tools.extend(own);
    tools.sort();
    tools.dedup();
    tools
}

/// In a command's directory a tool is a link to the project: an input at, in or around that place could not lie there too.
pub(crate) fn check_mounts(tools: &[Tool], inputs: &[PlannedInput], span: Span, problems: &mut Vec<Problem>) {
    for tool in tools {
        let among = |input: &&PlannedInput| input.mount.starts_with(&tool.path) || tool.path.starts_with(&input.mount);
        let Some(input) = inputs.iter().filter(|input| !input.mount.as_os_str().is_empty()).find(among) else {
            continue;
        };
        let message = format!(
            "`in.{}` and the tools `{}` lie within one another: `{}`",
            input.port,
            tool.path.display(),
            input.mount.display()
        );
        let problem = Problem::at("overlapping-inputs", span, message).label("in the command's directory");
        problems.push(problem.help("read it as an input or reach it as a tool, not both"));
    }
}
