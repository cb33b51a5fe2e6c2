//! Finds the program of a launch, so that one that is missing is told from a backend that broke.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use contract::FailureClass;
use rustix::fs::{Access, access};

use super::launch::Program;
use super::outcome::Refusal;

/// The program's file, absolute.
pub(super) fn find(program: &Program) -> Result<PathBuf, Refusal> {
    let name = program.argv.first().map(OsString::as_os_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::new(FailureClass::InvalidInput, "the command is empty").help("name a program to run"));
    }
    if name.as_encoded_bytes().contains(&b'/') {
        let path = program.cwd.join(name);
        return if path.is_file() { executable(path) } else { Err(missing(name, "no such file")) };
    }
    let path = program.environment.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value);
    let path = path.ok_or_else(|| missing(name, "PATH is not set"))?;
    let candidates = candidates(name, path, &program.cwd);
    let mut files = candidates.filter(|candidate| candidate.is_file()).peekable();
    let first = files.peek().cloned();
    match files.find(|file| is_executable(file)) {
        Some(file) => Ok(file),
        None => first.map_or_else(|| Err(missing(name, "not found on PATH")), executable),
    }
}

/// The first executable file called `name` in the directories of `path`, absolute.
pub fn find_on_path(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    candidates(name, path, &here).find(|file| file.is_file() && is_executable(file))
}

fn candidates(name: &OsStr, path: &OsStr, cwd: &Path) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(path).map(move |directory| cwd.join(directory).join(name))
}

fn executable(path: PathBuf) -> Result<PathBuf, Refusal> {
    if is_executable(&path) {
        return Ok(path);
    }
    let message = format!("{} is not executable", path.display());
    Err(Refusal::new(FailureClass::NotBuilt, message).help(format!("chmod +x {}", path.display())))
}

fn is_executable(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok()
}

fn missing(name: &OsStr, why: &str) -> Refusal {
    Refusal::new(FailureClass::NotBuilt, format!("cannot start {}: {why}", name.display()))
        .help("build or install it, or mend the name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn looks_where_a_shell_would() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("first/plain"), 0o644);
        write(&root.path().join("second/plain"), 0o755);
        write(&root.path().join("second/data"), 0o644);
        let find = |name: &str| {
            let environment = vec![("PATH".into(), "first:second".into())];
            super::find(&Program { argv: vec![name.into()], cwd: root.path().to_owned(), environment })
        };
        assert_eq!(find("plain").unwrap(), root.path().join("second/plain"));
        assert_eq!(find("second/plain").unwrap(), root.path().join("second/plain"));
        let refused = |name: &str, words: &str| {
            let refusal = find(name).unwrap_err();
            assert_eq!(refusal.class == FailureClass::NotBuilt, !name.is_empty());
            assert!(refusal.message.contains(words), "{}", refusal.message);
        };
        refused("data", "second/data is not executable");
        refused("second/data", "is not executable");
        refused("absent", "cannot start absent: not found on PATH");
        refused("second/absent", "no such file");
        refused("", "the command is empty");
    }
}
