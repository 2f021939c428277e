//! A copy of deadpool-sqlite's manager. Its releases need a different version of rusqlite,
//! and a lock file can contain only one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_sync::SyncWrapper;
use rusqlite::Connection;

/// A pool of connections to one file.
pub type Pool = managed::Pool<Manager>;

/// Opens connections, and checks each one that is returned.
#[derive(Debug)]
pub struct Manager {
    path: PathBuf,
    recycled: AtomicI64,
}

impl Manager {
    /// Creates a manager for connections to the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            recycled: AtomicI64::new(0),
        }
    }
}

impl managed::Manager for Manager {
    type Type = SyncWrapper<Connection>;
    type Error = rusqlite::Error;

    async fn create(&self) -> Result<Self::Type, rusqlite::Error> {
        let path = self.path.clone();
        SyncWrapper::new(Runtime::Tokio1, move || Connection::open(path)).await
    }

    async fn recycle(
        &self,
        connection: &mut Self::Type,
        _: &Metrics,
    ) -> RecycleResult<rusqlite::Error> {
        if connection.is_mutex_poisoned() {
            return Err(RecycleError::message("the mutex is poisoned"));
        }
        let count = self.recycled.fetch_add(1, Ordering::Relaxed);
        let echo = move |connection: &mut Connection| {
            connection.query_row("SELECT ?1", [count], |row| row.get::<_, i64>(0))
        };
        let echoed = connection.interact(echo).await;
        match echoed.map_err(|error| RecycleError::message(error.to_string()))?? {
            echo if echo == count => Ok(()),
            _ => Err(RecycleError::message("another count came back")),
        }
    }
}
