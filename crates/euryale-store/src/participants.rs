//! The participants that a folder adds to a transaction.

use std::fs;
use std::path::PathBuf;

use euryale_core::BoxError;
use euryale_core::body::SpooledBody;
use euryale_core::transaction::Participant;

use crate::FolderStore;
use crate::removal::gone;

/// A blob that is already on the disk, and is removed if the transaction aborts.
pub(crate) struct Keep {
    body: SpooledBody,
    path: PathBuf,
    // Holds the writer's lock until the transaction has ended. Otherwise another process could
    // sweep blobs that no row names yet.
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
        // The next attempt links it again. Blobs that are left behind are swept.
        if let Err(error) = self.body.take_back(&self.path) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a blob that was aborted stays until a sweep");
        }
    }
}

/// A blob that is removed after the commit, when no row can name it any more. It needs no vote.
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
