//! A commit whose answer was lost, and its outcome.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The identifier of a commit whose answer was lost, by which its database finds out the outcome.
///
/// It is made by [`Database::doubt`](crate::transaction::Database::doubt), and opaque to everything
/// but that database. It holds no connection.
#[derive(Clone)]
pub struct Doubt {
    name: Arc<dyn Any + Send + Sync>,
}

impl Doubt {
    /// Wraps the database's identifier of the commit.
    pub fn new(name: impl Any + Send + Sync) -> Self {
        Self {
            name: Arc::new(name),
        }
    }

    /// Returns the database's identifier of the commit, if it is a `T`.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.name.downcast_ref()
    }
}

impl fmt::Debug for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doubt")
    }
}

/// The outcome of a commit whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The transaction was committed.
    Committed,
    /// The transaction was not committed, and never will be, even if its commit is still on its
    /// way.
    Aborted,
    /// The database cannot tell.
    Unknown,
}
