//! Whether something could be taken into the store, told without reading its content.

use std::fs;
use std::path::Path;

use contract::Digest;
use contract::types::Form;
use rustix::fs::{Access, AtFlags, CWD};

use super::adopt::require_form;
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::follow::{LinksIn, walk_with};
use crate::store::files::stamp::Stamp;
use crate::store::objects::check::Content;
use crate::store::objects::tree::describe;
use crate::store::{Store, StoreError};

impl Store {
    /// The error that [`Store::ingest_with`] would meet at `path`, as far as names, links, kinds of files and rights tell.
    pub fn survey(&self, path: &Path, form: Form, links: LinksIn<'_>) -> Result<(), StoreError> {
        let stamp = Stamp::following(path).at(path)?;
        require_form(path, &stamp, form)?;
        if form == Form::File {
            return readable(path);
        }
        let (real, store) = (fs::canonicalize(path).at(path)?, self.root().to_owned());
        if store.starts_with(&real) {
            return Err(StoreError::new(path, StoreErrorKind::ContainsStore { store }));
        }
        let unread = Content { digest: Digest::from_bytes([0; 32]), size: 0, executable: false };
        describe(path, &walk_with(path, links)?, |file| readable(&path.join(file.path())).map(|()| unread)).map(|_| ())
    }
}

fn readable(path: &Path) -> Result<(), StoreError> {
    rustix::fs::accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).at(path)
}
