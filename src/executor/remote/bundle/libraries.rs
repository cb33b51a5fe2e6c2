//! The libraries that a program is linked with and that no system has by itself: the loader finds them by the paths inside of files.
//!
//! libtorch for GPUs opens further ones by name while it runs. No table of a file lists those, so they are written down here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::elf::{self, Elf, Search};

/// The libraries that a program needs.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    /// Those that are found by paths inside of files, by the name under which they are looked for.
    pub found: BTreeMap<String, PathBuf>,
    /// The others: the system's.
    pub system: BTreeSet<String>,
}

/// Parts of glibc. They fit the loader and the kernel of their machine and never travel.
const GLIBC: &[&str] = &["libc", "libm", "libpthread", "libdl", "librt", "libresolv", "libutil", "libanl", "libmvec"];

/// Libraries that open others by name, with how the names of those begin. They lie beside the library that opens them.
const OPENED: &[(&str, &[&str])] = &[
    // Solvers of linear algebra, and kernels that are compiled while it runs.
    ("libtorch_cuda.so", &["libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so"]),
    // Its operations and engines: the library itself is a shell.
    ("libcudnn.so", &["libcudnn_"]),
    // The functions that compiled kernels call.
    ("libnvrtc.so", &["libnvrtc-builtins.so"]),
];

/// A file whose libraries are looked for.
struct Pending {
    file: Elf,
    /// Where it lies.
    origin: PathBuf,
    /// The RPATHs of the files that led to it, the nearest first.
    inherited: Vec<PathBuf>,
}

/// Adds the libraries of the program at `path`, and theirs, to `libraries`.
pub(super) fn collect(path: &Path, program: Elf, libraries: &mut Libraries) -> io::Result<()> {
    let origin = std::fs::canonicalize(path)?.parent().unwrap_or(Path::new("/")).to_owned();
    let mut pending = VecDeque::from([Pending { file: program, origin, inherited: Vec::new() }]);
    while let Some(Pending { file, origin, inherited }) = pending.pop_front() {
        let (places, passed_on) = match &file.search {
            Search::Runpath(entries) => (places(entries, &origin), Vec::new()),
            Search::Rpath(entries) => {
                let all: Vec<_> = places(entries, &origin).into_iter().chain(inherited).collect();
                (all.clone(), all)
            }
        };
        let needed = file.needed.into_iter().map(|name| (name, places.clone()));
        let mut wanted: VecDeque<(String, Vec<PathBuf>)> = needed.collect();
        while let Some((name, places)) = wanted.pop_front() {
            if libraries.found.contains_key(&name) || libraries.system.contains(&name) {
                continue;
            }
            match find(&name, &file.architecture, &places)? {
                Some((path, file)) => {
                    let origin = path.parent().unwrap_or(Path::new("/")).to_owned();
                    wanted.extend(opened(&name, &origin)?.into_iter().map(|name| (name, vec![origin.clone()])));
                    libraries.found.insert(name, path);
                    pending.push_back(Pending { file, origin, inherited: passed_on.clone() });
                }
                None => drop(libraries.system.insert(name)),
            }
        }
    }
    Ok(())
}

/// The names of the libraries in the directory `origin` that the library `name` opens while it runs, sorted.
fn opened(name: &str, origin: &Path) -> io::Result<Vec<String>> {
    let Some((_, begin)) = OPENED.iter().find(|(opener, _)| name.starts_with(opener)) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(origin)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.contains(".so") && begin.iter().any(|begin| name.starts_with(begin)) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The library `name` in one of these places. Like the loader, it passes over a file that is built for another machine.
fn find(name: &str, architecture: &str, places: &[PathBuf]) -> io::Result<Option<(PathBuf, Elf)>> {
    if name.contains('/') || is_of_glibc(name) {
        return Ok(None);
    }
    for path in places.iter().map(|place| place.join(name)).filter(|path| path.is_file()) {
        if let Some(file) = elf::read(&path)?.filter(|file| file.architecture == architecture) {
            return Ok(Some((path, file)));
        }
    }
    Ok(None)
}

fn is_of_glibc(name: &str) -> bool {
    let stem = name.split(".so").next().unwrap_or(name);
    GLIBC.contains(&stem) || name.starts_with("ld-linux") || name.starts_with("ld64")
}

/// The directories that a search path names. Those of the system are not among them: every machine has its own.
fn places(entries: &[String], origin: &Path) -> Vec<PathBuf> {
    let origin = origin.to_string_lossy();
    let entries = entries.iter().map(|entry| entry.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin));
    entries.map(PathBuf::from).filter(|place| place.is_absolute() && !is_of_system(place)).collect()
}

/// Whether the loader looks there in any case.
fn is_of_system(place: &Path) -> bool {
    let below = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
    let is_multiarch = |place: &Path| place.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-"));
    below.iter().any(|directory| place == Path::new(directory))
        || (is_multiarch(place) && below.iter().any(|directory| place.parent() == Some(Path::new(directory))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_paths_are_those_of_files_without_those_of_the_system() {
        let entries =
            ["$ORIGIN/../lib", "${ORIGIN}", "/opt/x", "/usr/lib/x86_64-linux-gnu", "/lib64", "relative", "$LIB/x"];
        let places = places(&entries.map(str::to_owned), Path::new("/home/bin"));
        assert_eq!(places, ["/home/bin/../lib", "/home/bin", "/opt/x"].map(PathBuf::from));
    }

    #[test]
    fn parts_of_glibc_never_travel() {
        for (name, expected) in [
            ("libc.so.6", true),
            ("libm.so.6", true),
            ("ld-linux-x86-64.so.2", true),
            ("libc10.so", false),
            ("libgomp.so.1", false),
            ("libtorch_cpu.so", false),
        ] {
            assert_eq!(is_of_glibc(name), expected, "{name}");
        }
    }
}
