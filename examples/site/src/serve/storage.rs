//! Settings for the files of requests, and their limits.

use euryale::Ledger;
use euryale::body::Descriptors;
use euryale::spool::SpoolBudget;
use euryale::store::FolderStore;

use crate::cli::settings::Settings;

/// The maximum number of files of request bodies, if there are descriptors for twice as many.
const BODIES: usize = 512;

/// The store of blobs and the room for request bodies, which share a budget of descriptors.
#[derive(Clone)]
pub(crate) struct Storage {
    pub(crate) blobs: FolderStore,
    pub(crate) bodies: SpoolBudget,
    pub(crate) descriptors: Descriptors,
}

impl Storage {
    pub(crate) fn new(blobs: FolderStore, settings: &Settings, ledger: &Ledger) -> Self {
        let descriptors = Descriptors::new(settings.edge.max_files, ledger);
        let memory = usize::try_from(settings.body_memory).unwrap_or(usize::MAX);
        let bodies = SpoolBudget::new()
            .memory(memory)
            .file_bytes(settings.body_disk)
            // Uploads must leave descriptors for downloads.
            .files(BODIES.min(settings.edge.max_files.div_ceil(2)))
            .descriptors(&descriptors);
        Self {
            blobs: blobs.descriptors(&descriptors),
            bodies,
            descriptors,
        }
    }
}
