//! Which path of a project belongs to installed tools: those are used by `tools:` and never declared as inputs, file by file.

use std::path::{Path, PathBuf};

use crate::plan::Tool;

/// Directories that package managers make, by the end of their path.
const KNOWN: [&str; 17] = [
    "node_modules",
    "renv",
    "packrat",
    "vendor/bundle",
    "__pypackages__",
    ".tox",
    ".nox",
    ".pixi",
    ".pyenv",
    ".rbenv",
    ".nvm",
    ".asdf",
    ".sdkman",
    ".cargo",
    ".rustup",
    ".local",
    ".juliaup",
];

/// Files by which a directory is known that may have any name: a virtual environment of Python, one of conda.
const MARKS: [&str; 2] = ["pyvenv.cfg", "conda-meta"];

/// Virtual environments by their usual names, to be looked for where nothing names one.
const ENVIRONMENTS: [&str; 4] = [".venv", "venv", "env", ".env"];

/// Messages of interpreters that miss a package, and the directories where it may lie.
const MISSES: [(&str, &[&str]); 5] = [
    ("ModuleNotFoundError", &ENVIRONMENTS),
    ("Cannot find module", &["node_modules"]),
    ("Cannot find package", &["node_modules"]),
    ("there is no package called", &["renv"]),
    ("Bundler::GemNotFound", &["vendor/bundle"]),
];

/// The directory of tools that `path`, relative to the project at `root`, is or lies in.
pub(super) fn home<'p>(root: &Path, path: &'p Path) -> Option<&'p Path> {
    let around: Vec<&Path> = path.ancestors().filter(|above| !above.as_os_str().is_empty()).collect();
    around.into_iter().rev().find(|directory| {
        let known = KNOWN.iter().any(|known| directory.ends_with(known));
        let there = root.join(directory);
        (known && there.is_dir()) || MARKS.iter().any(|mark| there.join(mark).exists())
    })
}

/// Tools of the project that a failed command probably wanted: a program of its `script` that is found first in the project on the
/// `search` path, or a package that its `log` misses. Those of `granted` were not the reason.
pub(super) fn wanted(
    root: &Path,
    granted: &[Tool],
    (log, script): (&str, &str),
    search: &std::ffi::OsStr,
) -> Option<(String, PathBuf)> {
    let open = |path: &Path| granted.iter().any(|tool| path.starts_with(&tool.path));
    for word in super::words(script).filter(|word| !word.contains('/')) {
        let first = std::env::split_paths(search).find(|entry| root.join(entry).join(word).is_file());
        let inside = first.as_deref().and_then(|entry| inside(root, entry));
        if let Some(entry) = inside.filter(|entry| !open(entry)) {
            let home = home(root, &entry).unwrap_or(&entry).to_owned();
            return Some((format!("PATH finds `{word}` in `{}`, which is in the project", entry.display()), home));
        }
    }
    let (said, places) = MISSES.iter().find(|(said, _)| log.contains(said))?;
    let place = places.iter().map(Path::new).find(|place| home(root, place).is_some() && !open(place))?;
    Some((format!("it misses a package (`{said}`), and the project has `{}`", place.display()), place.to_owned()))
}

/// The entry of the search path as a path of the project.
fn inside(root: &Path, entry: &Path) -> Option<PathBuf> {
    let inner = if entry.is_absolute() { entry.strip_prefix(root).ok()? } else { entry };
    (!inner.as_os_str().is_empty()).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        for file in ["my env/pyvenv.cfg", "my env/bin/python", "web/node_modules/.bin/tsc", "renv/activate.R", "src/x"]
        {
            let path = project.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        project
    }

    #[test]
    fn tools_are_known_by_name_or_by_a_file_in_them() {
        let project = project();
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(home(project.path(), Path::new(path)), expect.map(Path::new), "{path}");
        };
        check("my env/bin/python", Some("my env"));
        check("web/node_modules/.bin/tsc", Some("web/node_modules"));
        check("renv/activate.R", Some("renv"));
        check("src/x", None);
        check("node_modules/absent", None);
    }

    #[test]
    fn a_program_on_the_path_and_a_missing_package_name_their_tools() {
        let project = project();
        let root = project.path();
        let search = format!("{}:/bin", root.join("my env/bin").display());
        let check = |log: &str, script: &str, search: &str, expect: Option<&str>| {
            let found = wanted(root, &[], (log, script), search.as_ref()).map(|(_, home)| home);
            assert_eq!(found.as_deref(), expect.map(Path::new), "{log} {script}");
        };
        check("", "python -c 1", &search, Some("my env"));
        check("", "sh -c 1", &search, None);
        check("Error: there is no package called 'x'", "Rscript x", "/bin", Some("renv"));
        check("ModuleNotFoundError: No module named 'x'", "python x", "/bin", None);
        let granted = [Tool { path: "my env".into(), key: None }];
        assert_eq!(wanted(root, &granted, ("", "python"), search.as_ref()), None);
    }
}
