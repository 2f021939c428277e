//! axum with deadpool and rusqlite.
//!
//! deadpool-sqlite depends on another version of rusqlite, and a lock file can have only one. Its
//! manager is a few lines on deadpool and deadpool-sync, which are repeated here, including what it
//! does when a connection is returned. Pragmas, statements and transactions are those of
//! `euryale-sqlite`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use axum::Router;
use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Pool, RecycleError, RecycleResult};
use deadpool_sync::SyncWrapper;
use euryale_sqlite::Sqlite;
use http::StatusCode;
use rusqlite::{Connection, TransactionBehavior};

use super::euryale::{ID, READ, ROWS, TABLE, WRITE, database_file};
use super::schemes::{serve, unavailable};
use crate::scene::{Scene, View};

const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys \
    = ON; \
                       PRAGMA cache_size = -8192; PRAGMA busy_timeout = 5000;";

struct Manager {
    path: PathBuf,
    recycled: AtomicI64,
}

impl managed::Manager for Manager {
    type Type = SyncWrapper<Connection>;
    type Error = rusqlite::Error;

    async fn create(&self) -> Result<Self::Type, rusqlite::Error> {
        let path = self.path.clone();
        let open = move || {
            let connection = Connection::open(path)?;
            connection.execute_batch(PRAGMAS)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        SyncWrapper::new(Runtime::Tokio1, open).await
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
        let echo = connection
            .interact(move |connection| {
                connection.query_row("SELECT $1", [count], |row| row.get::<_, i64>(0))
            })
            .await
            .map_err(|error| RecycleError::message(error.to_string()))??;
        if echo == count {
            Ok(())
        } else {
            Err(RecycleError::message("another count came back"))
        }
    }
}

pub(super) fn router(scene: &Scene) -> Result<Router> {
    let path = database_file(&scene.folder);
    Sqlite::open(&path)?.migrate(&[TABLE, ROWS])?;
    let manager = Manager {
        path,
        recycled: AtomicI64::new(0),
    };
    let pool: Pool<Manager> = Pool::builder(manager).max_size(scene.cap).build()?;
    let view = scene.view;
    Ok(serve(move || {
        let pool = pool.clone();
        async move {
            let connection = pool.get().await.map_err(unavailable)?;
            let word = connection
                .interact(move |connection| row(connection, view))
                .await;
            word.map_err(unavailable)?
                .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
        }
    }))
}

fn row(connection: &mut Connection, view: View) -> rusqlite::Result<String> {
    let (behavior, statement) = match view {
        View::Write => (TransactionBehavior::Immediate, WRITE),
        _ => (TransactionBehavior::Deferred, READ),
    };
    let transaction = connection.transaction_with_behavior(behavior)?;
    let word = transaction
        .prepare_cached(statement)?
        .query_row([ID], |row| row.get(0))?;
    transaction.commit()?;
    Ok(word)
}
