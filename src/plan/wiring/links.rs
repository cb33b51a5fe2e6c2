//! Where paths of the workspace really lie: symbolic links followed. Two spellings of one place are one place, and which links
//! were followed on the way is remembered, since a plan holds only while they lead where they led.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

/// The places below one project root. A directory is looked at once.
#[derive(Debug)]
pub struct Links {
    root: PathBuf,
    seen: RefCell<HashMap<PathBuf, PathBuf>>,
    followed: RefCell<BTreeMap<PathBuf, PathBuf>>,
}

/// The place of a path that is read, links followed.
#[derive(Debug)]
pub struct Found {
    /// Where it lies.
    pub place: PathBuf,
    /// The metadata of the file there.
    pub metadata: std::io::Result<Metadata>,
}

impl Links {
    /// Those of the project at `root`.
    pub fn new(root: &Path) -> Links {
        let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        Links { root, seen: RefCell::default(), followed: RefCell::default() }
    }

    /// The project root, links followed.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of a file that is written at `path`, plain and relative to the root, links followed. A link at its last name is
    /// replaced by the new file, so that link is not followed.
    pub fn written(&self, path: &Path) -> PathBuf {
        let directory = self.directory(path.parent().unwrap_or(Path::new("")));
        path.file_name().map_or(directory.clone(), |name| directory.join(name))
    }

    /// The place of a file that is read at `path`, plain and relative to the root, links followed.
    pub fn read(&self, path: &Path) -> Found {
        let here = self.written(path);
        match std::fs::symlink_metadata(&here) {
            Ok(metadata) if metadata.is_symlink() => {
                let place = self.follow(&here);
                Found { metadata: std::fs::metadata(&place), place }
            }
            metadata => Found { place: here, metadata },
        }
    }

    /// Every link that was followed so far, with where it leads.
    pub fn followed(&self) -> BTreeMap<PathBuf, PathBuf> {
        self.followed.borrow().clone()
    }

    fn directory(&self, path: &Path) -> PathBuf {
        let mut place = self.root.clone();
        let mut so_far = PathBuf::new();
        for name in path.components() {
            so_far.push(name);
            if let Some(known) = self.seen.borrow().get(&so_far) {
                place.clone_from(known);
                continue;
            }
            place.push(name);
            if std::fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
                place = self.follow(&place);
            }
            self.seen.borrow_mut().insert(so_far.clone(), place.clone());
        }
        place
    }

    fn follow(&self, link: &Path) -> PathBuf {
        let place = real(link);
        self.followed.borrow_mut().insert(link.to_owned(), place.clone());
        place
    }
}

/// Where the absolute `path` lies, as far as it exists; the rest is taken as it is written. A link to nothing leads where its
/// text says.
pub fn real(path: &Path) -> PathBuf {
    if let Ok(place) = std::fs::canonicalize(path) {
        return place;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    let parent = std::fs::canonicalize(parent).unwrap_or_else(|_| {
        let existing = parent.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
        existing.map_or_else(
            || parent.to_owned(),
            |(above, place)| match parent.strip_prefix(above) {
                // Nothing is there, so no name of it is a link.
                Ok(rest) => plain(&place.join(rest)),
                Err(_) => place,
            },
        )
    });
    match std::fs::read_link(path) {
        Ok(target) => plain(&parent.join(target)),
        Err(_) => parent.join(name),
    }
}

/// Where the absolute `path` lies and, where its last name is a link, where that link itself lies: a file that is written at
/// either place replaces something.
pub fn both(path: &Path) -> [PathBuf; 2] {
    let link = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    };
    [real(path), link]
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn two_spellings_of_one_place_are_one_place() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "").unwrap();
        symlink("a/b", root.join("short")).unwrap();
        symlink("../a/b/file", root.join("a/again")).unwrap();
        symlink("/", root.join("away")).unwrap();
        symlink("not/there/../here", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let links = Links::new(root);
        let below = |path: &str| links.root().join(path);
        let check_written = |path: &str, expect: PathBuf| assert_eq!(links.written(Path::new(path)), expect, "{path}");
        check_written("a/b/file", below("a/b/file"));
        check_written("short/file", below("a/b/file"));
        check_written("short/new/deep", below("a/b/new/deep"));
        check_written("a/again", below("a/again"));
        check_written("away/x", PathBuf::from("/x"));
        check_written("dangling/x", below("not/here/x"));
        check_written("loop/x", below("loop/x"));
        assert_eq!(links.read(Path::new("a/again")).place, below("a/b/file"));
        assert!(links.read(Path::new("a/again")).metadata.is_ok_and(|there| there.is_file()));
        assert!(links.read(Path::new("dangling")).metadata.is_err());
        let plain = Links::new(root);
        plain.written(Path::new("a/b/c"));
        assert!(plain.followed().is_empty());
        assert_eq!(links.followed().get(&below("short")), Some(&below("a/b")));
    }
}
