//! Workspace paths: which may be named, and which outputs lie at, in or around one another, links followed.

use std::path::{Component, Path, PathBuf};

use crate::spec::{Node, PortName, Problem, Span, StageName};

/// The longest name of a file, and the longest path below the root: as Linux allows, with room for a root.
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 3072;

/// The text of a path whose interpolations are replaced: one of them alone keeps the type of its param, which is said where it is none.
pub(crate) fn path_text<'n>(node: &'n Node, what: &str, problems: &mut Vec<Problem>) -> Option<&'n str> {
    if node.as_text().is_none() && !node.is_broken() {
        let place = node.via.unwrap_or(node.span);
        let message = format!("the path of an {what} must be text, found {}", node.describe());
        let problem = Problem::at("wrong-type", place, message).label("not text");
        let problem = if node.via.is_some() { problem.related(node.span, "its value") } else { problem };
        problems.push(problem.help("write the path, relative to the project root"));
    }
    node.as_text()
}

/// A path of the workspace as written, made plain: relative, inside the root, without `.` and `..`. A `..` takes back the name
/// before it as it is written, even where that name is a link.
pub(crate) fn workspace_path(text: &str, what: &str, span: Span, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let refuse = |code, message: String, help: &str| {
        Problem::at(code, span, message).label(format!("cannot be an {what}")).help(help)
    };
    let mut plain = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) if name.len() > LONGEST_NAME => {
                let message = format!("{what} has a name of {} bytes in its path", name.len());
                problems.push(refuse("bad-path", message, "a name has at most 255 bytes"));
                return None;
            }
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir => {
                let message = format!("{what} `{text}` leaves the project by `..`");
                problems.push(refuse("escaping-path", message, "write it relative to the project root"));
                return None;
            }
            Component::RootDir | Component::Prefix(_) => {
                let message = format!("{what} `{text}` is absolute");
                problems.push(refuse("absolute-path", message, "write it relative to the project root"));
                return None;
            }
        }
    }
    if plain.as_os_str().is_empty() {
        let message = format!("{what} `{text}` is the project itself");
        problems.push(refuse("reserved-path", message, "name a file or directory in it"));
        return None;
    }
    if plain.as_os_str().len() > LONGEST_PATH {
        let message = format!("{what} has a path of {} bytes", plain.as_os_str().len());
        problems.push(refuse("bad-path", message, "a path has at most 3072 bytes"));
        return None;
    }
    Some(plain)
}

/// Whether `path`, relative to the root, lies where git keeps things.
pub(crate) fn is_reserved(path: &Path) -> bool {
    let first = path.iter().next().and_then(|name| name.to_str());
    first == Some(".git")
}

/// An output's place in the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Where it lies, links followed.
    pub path: PathBuf,
    /// Where it appears, plain: as messages call it.
    pub written: PathBuf,
    /// Its stage, by declaration.
    pub stage: usize,
    /// That stage's name.
    pub stage_name: StageName,
    /// Its port.
    pub port: PortName,
    /// Where the path was written, or the stage's name when the path follows from it.
    pub span: Span,
}

/// Every output of a pipeline by place.
#[derive(Debug)]
pub(crate) struct Claims(Vec<Claim>);

/// How a path lies to an output.
#[derive(Debug)]
pub(crate) enum Overlap<'c> {
    /// It is the output.
    Is(&'c Claim),
    /// It lies in the output.
    Inside(&'c Claim),
    /// The output lies in it.
    Contains(&'c Claim),
}

impl Claims {
    /// Sorts `claims`, and reports those that overlap.
    pub(crate) fn new(mut claims: Vec<Claim>, problems: &mut Vec<Problem>) -> Claims {
        claims.sort_by(|a, b| (&a.path, a.span).cmp(&(&b.path, b.span)));
        for (one, other) in nested(&claims, |claim| &claim.path) {
            let (first, second) = if one.span <= other.span { (one, other) } else { (other, one) };
            let (place, elsewhere) = (second.written.display(), first.written.display());
            let message = match (one.path == other.path, one.written == other.written) {
                (true, true) => format!("two outputs appear at `{place}`"),
                (true, false) => format!("outputs `{place}` and `{elsewhere}` are one place, through a symbolic link"),
                (false, _) => format!("outputs `{place}` and `{elsewhere}` lie within one another"),
            };
            let owner = format!("output `{}` of stage `{}`", first.port, first.stage_name);
            let problem =
                Problem::at("output-overlap", second.span, message).label("and here").related(first.span, owner);
            problems.push(problem.help("give each output a path of its own"));
        }
        Claims(claims)
    }

    /// How `path` lies to the outputs; `None` when they have nothing in common.
    pub(crate) fn overlap(&self, path: &Path) -> Option<Overlap<'_>> {
        let at = self.0.partition_point(|claim| claim.path.as_path() < path);
        // Components compare one by one, so the paths inside a path follow it directly.
        match self.0.get(at) {
            Some(claim) if claim.path == path => return Some(Overlap::Is(claim)),
            Some(claim) if claim.path.starts_with(path) => return Some(Overlap::Contains(claim)),
            _ => {}
        }
        let around = path.ancestors().skip(1).find_map(|above| {
            self.0.binary_search_by(|claim| claim.path.as_path().cmp(above)).ok().map(|found| &self.0[found])
        });
        around.map(Overlap::Inside)
    }
}

/// Pairs of `sorted` of which the second is the first's path or lies in it. One pair for each second.
pub(crate) fn nested<T>(sorted: &[T], path: impl Fn(&T) -> &Path) -> Vec<(&T, &T)> {
    let mut pairs = Vec::new();
    let mut top: Option<&T> = None;
    for item in sorted {
        match top {
            Some(above) if path(item).starts_with(path(above)) => pairs.push((above, item)),
            _ => top = Some(item),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SourceId;

    fn claims(paths: &[&str]) -> (Claims, Vec<String>) {
        let span = |n: usize| Span { source: SourceId(0), start: n as u32, end: n as u32 };
        let claim = |(n, path): (usize, &&str)| Claim {
            path: PathBuf::from(path),
            written: PathBuf::from(path),
            stage: n,
            stage_name: StageName::new(format!("s{n}")),
            port: PortName::new("o"),
            span: span(n),
        };
        let mut problems = Vec::new();
        let claims = Claims::new(paths.iter().enumerate().map(claim).collect(), &mut problems);
        (claims, problems.into_iter().map(|p| p.message).collect())
    }

    #[test]
    fn outputs_may_share_a_directory_but_not_a_path() {
        assert_eq!(claims(&["out/a", "out/b", "out/a-b", "out/a.b"]).1, [""; 0]);
        assert_eq!(claims(&["out/a", "out/a"]).1, ["two outputs appear at `out/a`"]);
        assert_eq!(
            claims(&["out/a/x", "out/a.b", "out/a"]).1,
            ["outputs `out/a` and `out/a/x` lie within one another"]
        );
    }

    #[test]
    fn a_path_is_in_or_around_an_output_by_components() {
        let (claims, _) = claims(&["out/a", "out/a.b/c", "data/x"]);
        let check = |path: &str, expect: &str| {
            let text = match claims.overlap(Path::new(path)) {
                Some(Overlap::Is(c)) => format!("is {}", c.stage_name),
                Some(Overlap::Inside(c)) => format!("inside {}", c.stage_name),
                Some(Overlap::Contains(c)) => format!("contains {}", c.stage_name),
                None => "free".to_owned(),
            };
            assert_eq!(text, expect, "{path}");
        };
        check("out/a", "is s0");
        check("out/a/deep/er", "inside s0");
        check("out/ab", "free");
        check("out/a.b", "contains s1");
        check("out", "contains s0");
        check("data", "contains s2");
        check("data/y", "free");
    }
}
