//! A bundle on the instance that runs from it.

use std::fs;
use std::io;

use contract::Digest;
use contract::types::Form;

use super::manifest::{BundleManifest, FORMAT};
use super::{ENGINE, LIBRARIES, MANIFEST, Machine, PROGRAMS};
use crate::executor::Programs;
use crate::governor::host_name;
use crate::remote::{FailedClass, RemoteError, TransferError};
use crate::store::{Artifact, Shape, Store};

/// The digest of this program. The store has it afterwards, so that it is not fetched once more.
pub(in crate::executor::remote) fn own_program(store: &Store) -> Result<Digest, TransferError> {
    let unreadable = |error: io::Error| RemoteError::new(FailedClass::Broken, format!("reading this program: {error}"));
    let path = std::env::current_exe().map_err(unreadable)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(&path).map_err(unreadable)?;
    let (digest, size) = (hasher.finalize().into(), hasher.count());
    if !store.holds(&Artifact { digest, size, shape: Shape::File { executable: true } })? {
        store.ingest(&path, Form::File)?;
    }
    Ok(digest)
}

/// The programs of a bundle that is in the store, once it is certain that they can run here and that the program `own` is one of them.
pub(in crate::executor::remote) fn unpacked(
    store: &Store,
    bundle: &Artifact,
    own: &Digest,
) -> Result<Programs, TransferError> {
    let wrong = |message: String| TransferError::from(RemoteError::new(FailedClass::Invalid, message));
    let root = store.object(bundle);
    let text = fs::read(root.join(MANIFEST)).map_err(|error| wrong(format!("a bundle without {MANIFEST}: {error}")))?;
    let manifest: BundleManifest =
        serde_json::from_slice(&text).map_err(|error| wrong(format!("{MANIFEST} of the bundle: {error}")))?;
    if manifest.format != FORMAT {
        return Err(wrong(format!("{MANIFEST} of the bundle has the format {} and not {FORMAT}", manifest.format)));
    }
    if let Some(why) = Machine::own().unfit(&manifest, &host_name()) {
        return Err(wrong(why));
    }
    let (programs, libraries) = (root.join(PROGRAMS), root.join(LIBRARIES));
    let engine = programs.join(ENGINE);
    let pieces = store.parcel(bundle)?.pieces;
    if !pieces.iter().any(|piece| piece.path == engine && piece.digest == *own) {
        return Err(wrong("the instance was started with another pipe than the one of its bundle".to_owned()));
    }
    Ok(Programs::Bundle { programs, libraries })
}
