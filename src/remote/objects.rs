//! The interface of an object store beyond this machine: objects are named bytes, and a write may depend on the version that is there.

use std::path::Path;

use contract::backend::{FailedClass, Secret, SecretService};

use super::RemoteError;
use super::meter::Meter;

/// A place that keeps objects. Names are relative, their parts joined by `/`. A meter calls off each call.
pub(super) trait Objects: Send + Sync {
    /// The sizes of these objects, in their order; `None` for one that is not there.
    fn has(&self, names: &[String], meter: &Meter) -> Result<Vec<Option<u64>>, RemoteError>;

    /// Writes an object as a whole, or not at all. When it returns [`Put::Made`], every later reader of the name gets the new bytes.
    fn put(&self, name: &str, source: Source<'_>, condition: &Condition, meter: &Meter) -> Result<Put, RemoteError>;

    /// Fetches an object into the new `file`. Returns its size; a size above `most` means that the file may be incomplete.
    fn get(&self, name: &str, file: &Path, most: u64, meter: &Meter) -> Result<Option<u64>, RemoteError>;

    /// The bytes and the version of a small object.
    fn read(&self, name: &str, meter: &Meter) -> Result<Option<(Vec<u8>, Version)>, RemoteError>;

    /// Objects whose names begin with `prefix`, in the order of their names, at most `most` of those behind `after`.
    fn list(&self, prefix: &str, after: Option<&str>, most: usize, meter: &Meter) -> Result<Listing, RemoteError>;

    /// Removes objects; one that is not there is no error.
    fn delete(&self, names: &[String], meter: &Meter) -> Result<(), RemoteError>;

    /// How many requests are worth sending at once.
    fn lanes(&self) -> usize;

    /// The services whose secrets it can read.
    fn secrets(&self) -> &[SecretService] {
        &[]
    }

    /// The value of a secret that such a service keeps.
    fn secret(&self, secret: &Secret) -> Result<String, RemoteError> {
        let message = format!("no program serves the objects, so that nobody reads secrets from {}", secret.service());
        Err(RemoteError::new(FailedClass::Unsupported, message))
    }

    /// Messages for people that the place wrote since the last call.
    fn said(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Identifies one version of an object (an ETag, for example). Opaque to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub String);

/// Bytes to write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// These bytes, which are text of at most [`LONGEST_TEXT`] bytes.
    Text(&'a str),
    /// The content of a file that nobody writes to.
    File { path: &'a Path, size: u64 },
}

/// The largest text that travels inside a message.
pub(super) const LONGEST_TEXT: usize = 1 << 20;

/// When an object is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Whatever lies there.
    Any,
    /// Only where nothing lies.
    Absent,
    /// Only where this lies.
    Version(Version),
}

/// The outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was written.
    Made,
    /// The condition did not hold, and nothing was written.
    Refused,
}

/// One page of a list of objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub objects: Vec<Listed>,
    /// There are more behind the last of them.
    pub more: bool,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub name: String,
    pub size: u64,
    /// Unix seconds.
    pub modified: u64,
}

/// Every object below `prefix`, page by page.
pub(super) fn list_all(
    objects: &dyn Objects,
    prefix: &str,
    meter: &Meter,
    mut each: impl FnMut(Listed),
) -> Result<(), RemoteError> {
    let mut after: Option<String> = None;
    loop {
        let page = objects.list(prefix, after.as_deref(), PAGE, meter)?;
        let last = page.objects.last().map(|object| object.name.clone());
        page.objects.into_iter().for_each(&mut each);
        match last {
            // A place that claims `more` and gives no further names must not keep the loop alive.
            Some(last) if page.more && after.as_ref().is_none_or(|after| *after < last) => after = Some(last),
            _ => return Ok(()),
        }
    }
}

const PAGE: usize = 1000;
