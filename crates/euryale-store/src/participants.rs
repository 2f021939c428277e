//! How a folder takes part in a transaction.

use std::fs;
use std::path::PathBuf;

use euryale_core::{BoxError, Participant, SpooledBody};

use crate::FolderStore;
use crate::folder::gone;

/// A blob that is on the disk already, and goes if the transaction does.
pub(crate) struct Keep {
    body: SpooledBody,
    path: PathBuf,
    // Holds the writer's lock until the transaction has ended: without it, others would sweep what
    // no row names yet.
    _store: FolderStore,
}

impl Keep {
    pub(crate) fn new(body: SpooledBody, path: PathBuf, store: FolderStore) -> Self {
        Self {
            body,
            path,
            _store: store,
        }
    }
}

impl Participant for Keep {
    fn vote(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {
        // The next attempt links it once more. Blobs that are left are swept away.
        if let Err(error) = self.body.take_back(&self.path) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a blob that was aborted stays until a sweep");
        }
    }
}

/// Nothing to vote on: the file goes when nobody can ask for it any more.
pub(crate) struct Remove(pub(crate) PathBuf);

impl Participant for Remove {
    fn vote(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        gone(fs::remove_file(&self.0))?;
        Ok(())
    }

    fn abort(&mut self) {}
}
