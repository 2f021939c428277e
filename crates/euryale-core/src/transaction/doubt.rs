//! A commit whose answer was lost, and its outcome.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A name for a commit whose answer was lost, with which its store finds out the outcome.
///
/// Made by [`Database::doubt`](crate::transaction::Database::doubt), and opaque to all but that
/// store. It holds no connection.
#[derive(Clone)]
pub struct Doubt {
    name: Arc<dyn Any + Send + Sync>,
}

impl Doubt {
    /// Wraps the name that the store gave to the commit.
    pub fn new(name: impl Any + Send + Sync) -> Self {
        Self {
            name: Arc::new(name),
        }
    }

    /// The name that the store gave to the commit, if it is a `T`.
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
    /// It was committed.
    Committed,
    /// It was not committed, and never will be, even if its commit is still on its way.
    Aborted,
    /// The store cannot tell.
    Unknown,
}
