//! Snapshots: the state of a database at one time, for use in several transactions.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle to the state that a reading transaction sees, with which a later transaction can see
/// the same state. Clones are the same snapshot.
///
/// It is made by [`Database::snapshot`](crate::transaction::Database::snapshot), and opaque to
/// everything but that database. It holds no connection and no transaction.
#[derive(Clone)]
pub struct Snapshot {
    name: Arc<dyn Any + Send + Sync>,
}

impl Snapshot {
    /// Wraps the database's identifier of the state.
    pub fn new(name: impl Any + Send + Sync) -> Self {
        Self {
            name: Arc::new(name),
        }
    }

    /// Returns the database's identifier of the state, if it is a `T`.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.name.downcast_ref()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

/// Makes all passes of a request read the same state of the database. It is in the request's
/// extensions; clones share it.
///
/// The first pass that suspends leaves its snapshot here, if it only read; later passes that only
/// read begin with it. If the snapshot is gone by then, that pass and later ones see the current
/// state, and this is counted.
#[derive(Clone, Debug, Default)]
pub struct SnapshotPin {
    pinned: Arc<Mutex<Pinned>>,
}

#[derive(Debug, Default)]
enum Pinned {
    #[default]
    Nothing,
    At(Snapshot),
    /// The snapshot is gone, or there never was one.
    Missing,
}

impl SnapshotPin {
    /// Creates a pin without a snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        match &*self.lock() {
            Pinned::At(snapshot) => Some(snapshot.clone()),
            Pinned::Nothing | Pinned::Missing => None,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        matches!(&*self.lock(), Pinned::Nothing)
    }

    pub(crate) fn put(&self, snapshot: Option<Snapshot>) {
        *self.lock() = snapshot.map_or(Pinned::Missing, Pinned::At);
    }

    fn lock(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
