//! How a folder takes part in a transaction.

use std::fs;
use std::path::PathBuf;

use euryale_core::{BoxError, Participant, SpooledBody};

use super::FolderStore;
use super::folder::gone;

/// Votes by giving the body its name.
pub(super) struct Keep {
    path: PathBuf,
    body: SpooledBody,
    is_placed: bool,
    // Holds the writer's lock until the transaction has ended: without it, others would sweep what no row names yet.
    _store: FolderStore,
}

impl Keep {
    pub(super) fn new(path: PathBuf, body: SpooledBody, store: FolderStore) -> Self {
        Self { path, body, is_placed: false, _store: store }
    }
}

impl Participant for Keep {
    fn vote(&mut self) -> Result<(), BoxError> {
        self.body.persist(&self.path)?;
        self.is_placed = true;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {
        // What stays is swept away.
        if self.is_placed
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a blob that was aborted stays until a sweep");
        }
    }
}

/// Nothing to vote on: the file goes when nobody can ask for it any more.
pub(super) struct Remove(pub(super) PathBuf);

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
