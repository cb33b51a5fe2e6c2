//! Errors of the store: the place, the cause, and advice.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The store could not do something at `path`.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct StoreError {
    /// The file or directory in question.
    pub path: PathBuf,
    /// The error there.
    pub kind: StoreErrorKind,
}

/// The error, sorted by its remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreErrorKind {
    /// No space, or over quota.
    #[error("the disk is full; free some space and run again, what was finished is kept")]
    DiskFull,
    /// The file would become larger than a limit allows.
    #[error(
        "the file grows beyond a limit of this user or this filesystem (`ulimit -f` shows it); raise it and run again, what was finished is kept"
    )]
    FileLimit,
    /// The filesystem is mounted read-only.
    #[error(
        "the filesystem is read-only; stages that are in the store can be used, anything else needs a writable store"
    )]
    ReadOnly,
    /// The store cannot be written.
    #[error(
        "this store cannot be written ({why} at {}); stages that are in it can be used, anything else needs a store that you may write (--store DIR)", at.display()
    )]
    Unwritable {
        /// In a few words.
        why: &'static str,
        /// Where that showed.
        at: PathBuf,
    },
    /// The directory is no store.
    #[error("this is no store: it holds {} and no marker `pipe-store`", listed(holds, *more))]
    NotAStore {
        /// Some of the entries that are not a store's.
        holds: Vec<String>,
        /// How much more of that there is.
        more: usize,
    },
    /// A later version made the store.
    #[error("this store has format {found}, and this version of pipe knows formats up to {known}")]
    NewerStore {
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// A run waits for a lock that it holds itself, by way of a stage that called `pipe`.
    #[error("run {run} holds it, and this command is part of that run: it would wait for itself")]
    HeldAround {
        /// The run.
        run: String,
    },
    /// The user may not.
    #[error("permission denied; give yourself access to it (ls -ld shows its owner and mode)")]
    Permission,
    /// Nothing is there.
    #[error("no such file or directory")]
    NotFound,
    /// A file was wanted and something else is there.
    #[error("expected a file, found {found}")]
    NotFile {
        /// The thing that is there.
        found: &'static str,
    },
    /// A directory was wanted and something else is there.
    #[error("expected a directory, found {found}")]
    NotDirectory {
        /// The thing that is there.
        found: &'static str,
    },
    /// It would have to be moved between filesystems.
    #[error("it is on another filesystem than the store; put the store's directory and this on the same one")]
    CrossDevice,
    /// A socket, pipe or device.
    #[error("{found} cannot be kept; only files, directories and symbolic links can")]
    SpecialFile {
        /// The thing that is there.
        found: &'static str,
    },
    /// A symbolic link that leaves its directory.
    #[error("the symbolic link to {} leaves its directory or is not in plain form", target.display())]
    EscapingLink {
        /// Where it points.
        target: PathBuf,
    },
    /// Its path is longer than Linux takes.
    #[error("it lies too deep: with all the directories above it its path is longer than Linux takes (4,096 bytes)")]
    TooDeep,
    /// The file changed while it was read.
    #[error("it changed while it was read; wait for whatever writes it to finish and run again")]
    Changing,
    /// The directory contains the store.
    #[error("it contains the store ({}); name a directory without it", store.display())]
    ContainsStore {
        /// The store's directory.
        store: PathBuf,
    },
    /// A symbolic link that is to be followed and points at nothing.
    #[error("the symbolic link to {} points at nothing; mend it or remove it", target.display())]
    DanglingLink {
        /// Where it points.
        target: PathBuf,
    },
    /// Symbolic links that are to be followed lead in a circle.
    #[error("symbolic links lead from here back to here; remove one of them, or read less of the directory")]
    CircularLink,
    /// Symbolic links that are to be followed lead to too many entries.
    #[error("with its symbolic links followed it holds more than {most} files; read less of it")]
    TooManyFollowed {
        /// How many are read at most.
        most: usize,
    },
    /// A link on the way leads where nothing of the project may be written.
    #[error("a symbolic link on the way leads to {}, {why}; remove the link and run again", to.display())]
    LeadsAway {
        /// Where it leads.
        to: PathBuf,
        /// Why that is no place for it.
        why: String,
    },
    /// Something of the same name stands where something new must go.
    #[error("something is there already; move it away and run again")]
    Occupied,
    /// The artifact is not in the store.
    #[error("the artifact is not in the store (any more); run again to make it anew")]
    Missing,
    /// The artifact was found damaged and put aside.
    #[error("its content was changed behind the store's back; it was put aside, run again to make it anew")]
    Damaged,
    /// The artifact was found damaged and could not be put aside.
    #[error("its content was changed behind the store's back and it cannot be moved away; remove it and run again")]
    Immovable,
    /// The record cannot be written as JSON and read back.
    #[error("the record cannot be represented: {0}")]
    Unrepresentable(String),
    /// Anything else the system said.
    #[error("{0}")]
    Io(io::Error),
}

impl StoreError {
    /// This kind of failure at `path`.
    pub(super) fn new(path: &Path, kind: StoreErrorKind) -> StoreError {
        StoreError { path: path.to_owned(), kind }
    }

    /// The system's error about `path`.
    pub(super) fn io(path: &Path, error: impl Into<io::Error>) -> StoreError {
        StoreError::new(path, StoreErrorKind::from(error.into()))
    }

    /// Whether the directory is not a store that this version may use.
    pub fn is_no_store(&self) -> bool {
        use StoreErrorKind::{NewerStore, NotAStore, NotDirectory};
        matches!(self.kind, NotAStore { .. } | NewerStore { .. } | NotDirectory { .. })
    }

    /// Whether the store (or the workspace) cannot be written at all, so that only hits can be served.
    pub fn is_read_only(&self) -> bool {
        matches!(self.kind, StoreErrorKind::ReadOnly | StoreErrorKind::Permission | StoreErrorKind::Unwritable { .. })
    }
}

fn listed(names: &[String], more: usize) -> String {
    let named = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

impl From<io::Error> for StoreErrorKind {
    fn from(error: io::Error) -> StoreErrorKind {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT) => StoreErrorKind::DiskFull,
            Some(Errno::FBIG) => StoreErrorKind::FileLimit,
            Some(Errno::ROFS) => StoreErrorKind::ReadOnly,
            Some(Errno::ACCESS | Errno::PERM) => StoreErrorKind::Permission,
            Some(Errno::XDEV) => StoreErrorKind::CrossDevice,
            Some(Errno::NOENT) => StoreErrorKind::NotFound,
            Some(Errno::EXIST | Errno::NOTEMPTY) => StoreErrorKind::Occupied,
            Some(Errno::NAMETOOLONG) => StoreErrorKind::TooDeep,
            Some(Errno::NOTDIR) => StoreErrorKind::NotDirectory { found: "a file" },
            _ => StoreErrorKind::Io(error),
        }
    }
}

/// Names the path to which a result of the system belongs.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, StoreError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::io(path, error))
    }
}
