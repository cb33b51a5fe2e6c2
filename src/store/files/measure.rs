//! The size of everything below a directory. Nothing stops it: directories that cannot be read are counted and named.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How much a room takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomSize {
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Directories that could not be looked into, in order; their content is not counted.
    pub unreadable: Vec<PathBuf>,
}

impl RoomSize {
    pub(in crate::store) fn add(&mut self, other: RoomSize) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.unreadable.extend(other.unreadable);
    }
}

/// The size of everything below `directory`, or of the file itself where it is one.
pub(in crate::store) fn measure(directory: &Path) -> RoomSize {
    let mut size = RoomSize::default();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        if look_into(&directory, &mut size, &mut pending).is_err() {
            size.unreadable.push(directory);
        }
    }
    size.unreadable.sort_unstable();
    size
}

fn look_into(directory: &Path, size: &mut RoomSize, pending: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let entries = match fs::read_dir(directory) {
        // A file that a living run removes in the meantime takes no space.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            size.files += 1;
            size.bytes += fs::symlink_metadata(directory)?.len();
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let file_type = entry.file_type()?;
        if file_type.is_dir() {
            pending.push(entry.path());
        } else if file_type.is_file() {
            match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                metadata => {
                    size.bytes += metadata?.len();
                    size.files += 1;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_at_any_depth_count_and_links_do_not() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        fs::write(directory.path().join("a/b/f"), "four").unwrap();
        fs::write(directory.path().join("g"), "six666").unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("link")).unwrap();
        assert_eq!(measure(directory.path()), RoomSize { files: 2, bytes: 10, unreadable: Vec::new() });
        assert_eq!(measure(&directory.path().join("g")).bytes, 6);
        assert_eq!(measure(&directory.path().join("absent")), RoomSize::default());
    }
}
