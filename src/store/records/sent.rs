//! Notes about actions that were sent to a place beyond this machine and have not come back: one small file an action, which names the
//! backend. A local execution of such an action knows by it where a checkpoint or the result may lie.

use std::fs;
use std::io::ErrorKind;

use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::{Store, StoreError};

impl Store {
    /// Notes that the action `key` is carried out by this backend.
    pub fn note_sent(&self, key: &ActionKey, backend: &str) -> Result<(), StoreError> {
        let path = self.layout.sent(key);
        let temporary = self.fresh()?;
        fs::write(&temporary, backend).at(&temporary)?;
        self.make_dir(path.parent().unwrap_or(&path))?;
        self.put(&temporary, &path)
    }

    /// The backend that carries out the action `key`, where that is noted.
    pub fn sent(&self, key: &ActionKey) -> Option<String> {
        let Ok(Opened::File(bytes)) = open::read_small(&self.layout.sent(key)) else { return None };
        String::from_utf8(bytes).ok()
    }

    /// The action `key` has come back.
    pub fn forget_sent(&self, key: &ActionKey) -> Result<(), StoreError> {
        let path = self.layout.sent(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.at(&path),
        }
    }
}
