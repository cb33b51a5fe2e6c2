//! The users of the store: runs hold `locks/use` together, garbage collection holds it alone. A flock, so it ends with its holder.
//!
//! A run relies on objects from the moment it looks up a record until their outputs are in the workspace, and only the run knows
//! which. So nothing is collected while a run goes on, at any age, and a run that begins meanwhile waits: for a moment, as
//! removing is quick.

use std::fs::{File, TryLockError};

use super::lock;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::{Store, StoreError};

/// The right to use the store, or to remove from it; given back on drop.
#[derive(Debug)]
pub struct Hold {
    /// `None` on a store that can be neither written nor collected.
    _file: Option<File>,
}

impl Store {
    /// Keeps objects from being collected until it is dropped. Waits while somebody collects.
    pub fn hold(&self) -> Result<Hold, StoreError> {
        let path = self.layout.lock("use");
        let file = match open::file(&path).at(&path)? {
            Opened::File((file, _)) => file,
            Opened::Nothing | Opened::Other(_) => match self.claim().and_then(|()| lock::open(&path)) {
                Err(error) if error.is_read_only() => return Ok(Hold { _file: None }),
                file => file?,
            },
        };
        file.lock_shared().at(&path)?;
        Ok(Hold { _file: Some(file) })
    }

    /// Waits until nobody uses the store, and keeps everybody from it until it is dropped. `waiting` is called when it has to wait.
    pub fn hold_alone(&self, waiting: impl FnOnce()) -> Result<Hold, StoreError> {
        let path = self.layout.lock("use");
        self.claim()?;
        let file = lock::open(&path).map_err(|error| self.unwritable(error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().at(&path)?;
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, error)),
        }
        Ok(Hold { _file: Some(file) })
    }
}
