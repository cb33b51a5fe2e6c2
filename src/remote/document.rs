//! Small objects that the drivers of remote stages read and write by name, and the artifacts that travel with them.

use contract::Digest;

use super::RemoteError;
use super::meter::Meter;
use super::names;
use super::objects::{Condition, LONGEST_TEXT, Put, Source, Version, list_all};
use super::open::Remote;
use super::pull::Refused;
use super::{FailedClass, TransferError};
use crate::action::ActionKey;
use crate::store::Store;

impl Remote {
    /// The name of an object that belongs to the action `key`.
    pub(crate) fn of_action(key: &ActionKey, rest: &str) -> String {
        format!("{}{key}/{rest}", names::ACTIONS)
    }

    /// The name of the object that holds these bytes.
    pub(crate) fn of_blob(digest: &Digest) -> String {
        names::blob(digest)
    }

    /// Which of these objects are there: one request.
    pub(crate) fn are_there(&self, names: &[String]) -> Result<Vec<bool>, RemoteError> {
        Ok(self.objects.has(names, &Meter::default())?.into_iter().map(|size| size.is_some()).collect())
    }

    /// The text of a small object, and its version.
    pub(crate) fn read_text(&self, name: &str) -> Result<Option<(String, Version)>, RemoteError> {
        let Some((bytes, version)) = self.objects.read(name, &Meter::default())? else { return Ok(None) };
        let text = String::from_utf8(bytes)
            .map_err(|_| RemoteError::new(FailedClass::Invalid, format!("{name} is no text")))?;
        Ok(Some((text, version)))
    }

    /// Writes a small object where `condition` holds.
    pub(crate) fn write_text(&self, name: &str, text: &str, condition: &Condition) -> Result<Put, RemoteError> {
        self.objects.put(name, Source::Text(text), condition, &Meter::default())
    }

    /// Writes a document of any size, whatever lies there.
    pub(crate) fn write_document(&self, store: &Store, name: &str, text: &str) -> Result<(), TransferError> {
        if text.len() <= LONGEST_TEXT {
            self.write_text(name, text, &Condition::Any)?;
            return Ok(());
        }
        let path = store.departing(text)?;
        let source = Source::File { path: &path, size: text.len() as u64 };
        self.objects.put(name, source, &Condition::Any, &Meter::default())?;
        Ok(())
    }

    /// The bytes of a document of at most `most` bytes.
    pub(crate) fn read_document(
        &self,
        store: &Store,
        name: &str,
        most: u64,
    ) -> Result<Option<Result<Vec<u8>, Refused>>, TransferError> {
        self.bytes(store, name, most, &Meter::default())
    }

    /// The names of the objects below `prefix`, in order.
    pub(crate) fn names_below(&self, prefix: &str) -> Result<Vec<String>, RemoteError> {
        let mut names = Vec::new();
        list_all(self.objects.as_ref(), prefix, &Meter::default(), |object| names.push(object.name))?;
        Ok(names)
    }

    /// The names of the objects of all actions.
    pub(crate) fn names_of_actions(&self) -> Result<Vec<String>, RemoteError> {
        self.names_below(names::ACTIONS)
    }

    /// Removes objects; one that is not there is no error.
    pub(crate) fn remove(&self, names: &[String]) -> Result<(), RemoteError> {
        self.objects.delete(names, &Meter::default())
    }
}
